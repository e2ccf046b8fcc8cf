"""Tables of what one pulse did: quantiles of the increment in bins of the conductance before it, device by device.

Also the measured ones of a data folder, and how far devices of one technology differ. Not here: the model that is
calibrated to them (:mod:`labctl.analysis.calibration`).
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.intervals import require
from labctl.errors import StoreError

__all__ = ["PulseTable", "TableFile", "device_range", "measured_pulse_tables", "read_table_file"]

Array = NDArray[np.float64]

# the middle part of the devices that is called their spread
_DEVICE_LEVELS = (0.05, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class PulseTable:
    """Increments of one device under equal pulses of one polarity.

    Attributes
    ----------
    device : str
    conductance_s : ndarray, shape (bins,), unit S
        Before the pulse, ascending; the ends are the device's range.
    levels : ndarray, shape (levels,), unit 1
        Probabilities, ascending.
    increment_s : ndarray, shape (levels, bins), unit S
        Quantiles of the change by one pulse.
    """

    device: str
    conductance_s: Array
    levels: Array
    increment_s: Array

    def __post_init__(self) -> None:
        shape = (self.levels.size, self.conductance_s.size)
        if self.increment_s.shape != shape:
            raise ValueError(f"pulse table {self.device}: increments must have shape {shape}")
        if not (np.diff(self.conductance_s) > 0.0).all() or not (np.diff(self.levels) > 0.0).all():
            raise ValueError(f"pulse table {self.device}: conductances and levels must ascend")
        if not np.isfinite(self.increment_s).all():
            raise ValueError(f"pulse table {self.device}: every quantile must be a number")

    @property
    def range_s(self) -> float:
        """Greatest minus least conductance, unit S."""
        return float(self.conductance_s[-1] - self.conductance_s[0])

    @property
    def place(self) -> Array:
        """Conductance in parts of the range, shape (bins,), unit 1, 0 to 1."""
        return np.asarray((self.conductance_s - self.conductance_s[0]) / self.range_s)

    @property
    def steps(self) -> Array:
        """Increments in parts of the range, shape (levels, bins), unit 1."""
        return self.increment_s / self.range_s


def measured_pulse_tables(
    technology: Literal["taox", "enode"], direction: Literal["up", "down"], folder: Path
) -> list[PulseTable]:
    """Read measured tables: 21 TaOx devices, one polymer ECRAM (ENODe).

    Parameters
    ----------
    technology : {"taox", "enode"}
    direction : {"up", "down"}
        Pulses that raise or lower the conductance.
    folder : Path
        Holds ``measured/pulse_update_tables.npz``; labctl does not bring it.

    Returns
    -------
    list of PulseTable
        Every second of the 61 bins.

    Raises
    ------
    FileNotFoundError
        If the file is not there.

    References
    ----------
    .. [1] Sandia National Laboratories, cross-sim-data, lookup_tables (BSD-3).
    """
    name = {"up": "increasing", "down": "decreasing"}[direction]
    devices = [f"{number:02d}" for number in range(1, 42, 2)] if technology == "taox" else ["ENODe"]
    with np.load(folder / "measured" / "pulse_update_tables.npz", allow_pickle=False) as stored:
        levels = np.asarray(stored["quantiles"], dtype=float)
        tables = []
        for device in devices:
            key = f"TaOx_{device}_{name}" if technology == "taox" else f"ENODe_{name}"
            conductance_s, increment_s = (np.asarray(stored[f"{key}_{kind}"], dtype=float) for kind in ("G", "dGq"))
            tables.append(PulseTable(device, conductance_s[::2], levels, increment_s[:, ::2]))
    return tables


@dataclass(frozen=True, slots=True, eq=False)
class TableFile:
    """Tables of some devices out of one file.

    Attributes
    ----------
    path : Path
    run_id : str
        Name of the file and of what was taken from it.
    header : Mapping of str to object
        What a device file tells of its source, as a run has it.
    devices : Mapping of str to (Mapping of str to PulseTable)
        Tables ``up`` and ``down`` by device.
    """

    path: Path
    run_id: str
    header: Mapping[str, object]
    devices: Mapping[str, Mapping[str, PulseTable]]


def read_table_file(path: Path, name: str) -> TableFile:
    """Read a file of pulse tables (``.npz``).

    For each device it holds ``<device>_increasing_G``, shape (bins,), unit S, ``<device>_increasing_dGq``, shape
    (levels, bins), unit S, the same of ``decreasing``, and once ``quantiles``, shape (levels,).

    Parameters
    ----------
    path : Path
    name : str
        A device, such as ``TaOx_07``, or the beginning of several: ``TaOx``; empty for all.

    Returns
    -------
    TableFile
        Every bin once.

    Raises
    ------
    StoreError
        If the file cannot be read, lacks an array, or has no such device.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            known = [key.removesuffix("_increasing_G") for key in stored.files if key.endswith("_increasing_G")]
            chosen = [one for one in known if not name or one == name or one.startswith(f"{name}_")]
            levels = np.asarray(stored["quantiles"], dtype=float)
            devices = {
                device: {
                    way: _table(device, stored[f"{device}_{long}_G"], levels, stored[f"{device}_{long}_dGq"])
                    for way, long in (("up", "increasing"), ("down", "decreasing"))
                }
                for device in chosen
            }
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path}: cannot be read as a file of pulse tables: {error}") from error
    if not devices:
        kinds = sorted({one.split("_")[0] for one in known})
        raise StoreError(f"{path}: has no pulse table {name!r}; it has {len(known)} devices of {', '.join(kinds)}")
    # domain walls of the measured collection come from micromagnetic simulations; other files do not say
    simulated = any(device.startswith("DWMTJ") for device in devices)
    header = {"simulated": simulated, "procedure": "pulse table", "station": "not told", "started_utc": "not told"}
    return TableFile(path, f"{path.name} {name}".rstrip(), header, devices)


def _table(
    device: str, conductance_s: NDArray[np.generic], levels: Array, increment_s: NDArray[np.generic]
) -> PulseTable:
    # a table brought to more bins than it was measured in has some twice
    once_s, first = np.unique(np.asarray(conductance_s, dtype=float), return_index=True)
    return PulseTable(device, once_s, levels, np.asarray(increment_s, dtype=float)[:, first])


def device_range(tables: Sequence[PulseTable]) -> tuple[Array, Array]:
    """Return the device-to-device spread of every quantile: where the middle 90 % of the devices lie.

    Parameters
    ----------
    tables : sequence of PulseTable
        One per device, with the same levels and as many bins at the same places.

    Returns
    -------
    tuple of two ndarrays, shape (levels, bins), unit 1
        In parts of each device's range.

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 devices.
    ValueError
        If places or levels differ.
    """
    require("a device-to-device range", len(tables), 8)
    for table in tables[1:]:
        for mine, first in ((table.place, tables[0].place), (table.levels, tables[0].levels)):
            if mine.shape != first.shape or not np.allclose(mine, first, atol=1e-3):
                raise ValueError(f"pulse tables {tables[0].device} and {table.device}: places and levels must agree")
    low, high = np.quantile([table.steps for table in tables], _DEVICE_LEVELS, axis=0)
    return low, high
