"""What is checked before a run file exists and before a run stimulates anything, and what the run will cost.

Checked when the station was opened: every instrument's model and serial number (``*IDN?``), the station file with its
wiring, and that no other program uses an instrument. Checked here: what the procedure says that it will ask for against
the envelope, calibration dates, free disk, and last whether every output is off and every relay open: what an earlier
program left on is switched off, and the run says so. The wiring itself is checked by ``labctl doctor``, because that
measures. Not here: the procedure's own :meth:`~labctl.run.LabProcedure.check`, the stimuli one by one (the envelope
refuses them as they come; :mod:`labctl.run.dry_run` shows them beforehand).
"""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import EnvelopeError, RunError, StationError

if TYPE_CHECKING:
    from labctl.run.procedure import LabProcedure
    from labctl.station import Station
    from labctl.station.station_file import Envelope

__all__ = ["Estimate", "check_envelope", "needed_bytes", "preflight"]

# a row of 12 columns with its intent took 159 bytes, intents for every second (test_preflight.py measures it again)
_BYTES_PER_POINT = 250
# write-ahead log, maps and exports, whatever the number of points
_LEAST_BYTES = 64 * 1024 * 1024
_MARGIN = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take, as far as its procedure can tell beforehand.

    Attributes
    ----------
    points : int
        Rows of data, a generous number.
    duration_s : float, unit s
        Time of the rack.
    voltage_v : float or None, unit V
        Largest magnitude that it may put on a terminal; None where it does not know.
    current_a : float or None, unit A
        Largest current limit that it prepares.
    width_s : float or None, unit s
        Longest pulse.
    """

    points: int
    duration_s: float
    voltage_v: float | None = None
    current_a: float | None = None
    width_s: float | None = None


def needed_bytes(points: int) -> int:
    """Return the free disk that a run asks for: twice its own size, and never less than 64 MiB.

    Parameters
    ----------
    points : int, unit 1
        Rows of data.

    Returns
    -------
    int, unit byte
    """
    return max(_LEAST_BYTES, _MARGIN * points * _BYTES_PER_POINT)


def preflight(procedure: "LabProcedure", station: "Station", root: Path) -> list[str]:
    """Refuse a run that could not end well.

    Parameters
    ----------
    procedure : LabProcedure
        With its parameters and its station.
    station : Station
        Open.
    root : Path
        Where the run file goes; it need not exist.

    Returns
    -------
    list of str
        Warnings; the run may start.

    Raises
    ------
    EnvelopeError
        If the procedure says that it will ask for more than the envelope allows.
    StationError
        If a calibration has passed and the station file says to refuse that.
    RunError
        If there is too little free disk.
    NotVerifiedOffError
        If something was left on and does not go off.
    InstrumentError
        If an instrument does not tell whether it is off.
    """
    estimate = procedure.estimate()
    if estimate is not None:
        check_envelope(procedure.procedure_name(), estimate, station.envelope, station.file)
    _check_disk(root, 0 if estimate is None else estimate.points)
    return [*_check_calibration(station), *_put_safe(station)]


def check_envelope(name: str, estimate: Estimate, envelope: "Envelope", file: str) -> None:
    """Refuse what a procedure says that it will ask for beyond the envelope.

    Parameters
    ----------
    name : str
        Of the procedure.
    estimate : Estimate
    envelope : Envelope
    file : str
        The station file.

    Raises
    ------
    EnvelopeError
        If it is beyond; all quantities are named.
    """
    asked = (
        ("voltage_v", estimate.voltage_v, envelope.voltage_v, "V"),
        ("current_a", estimate.current_a, envelope.current_a, "A"),
        ("pulse_width_s", estimate.width_s, envelope.pulse_width_s, "s"),
    )
    beyond = [
        f"{value:.6g} {unit} where this station allows {limit:.6g} {unit} (envelope.{key})"
        for key, value, limit, unit in asked
        if value is not None and not abs(value) <= limit
    ]
    if beyond:
        raise EnvelopeError(
            f"{name}: asks for {' and for '.join(beyond)} ({file}); lower its parameters or change the station file; "
            "nothing was sent"
        )


def _check_disk(root: Path, points: int) -> None:
    folder = next(path for path in (root, *root.parents) if path.exists())
    free, needed = shutil.disk_usage(folder).free, needed_bytes(points)
    if free < needed:
        raise RunError(
            f"{root}: {free / 1e6:.0f} MB are free, a run of {points} points asks for {needed / 1e6:.0f} MB (twice its "
            "size, at least 67 MB); make room or choose another data root; nothing was sent"
        )


def _check_calibration(station: "Station") -> list[str]:
    today = datetime.now(UTC).date()
    expired = [
        f"calibration of {key} ended on {entry.calibration_due}"
        for key, entry in station.content.instruments.items()
        if entry.calibration_due is not None and entry.calibration_due < today
    ]
    if expired and station.content.expired_calibration == "refuse":
        raise StationError(
            f'{station.file}: {"; ".join(expired)}, and expired_calibration is "refuse"; have it calibrated and '
            "correct calibration_due; nothing was sent"
        )
    return expired


def _put_safe(station: "Station") -> list[str]:
    """Switch off what is on before the guardian is there: where every process died, nobody has done it yet."""
    left = station.left_on()
    if left:
        station.safe_off()
    return [f"{name} had an output on or a relay closed before the run; switched off, read back" for name in left]
