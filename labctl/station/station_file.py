"""The station file: which instruments, how they are reached and wired, what is in the socket, what must never happen.

A frozen picture of the TOML file, checked key by key. Not here: opening anything (:mod:`labctl.station.station`).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from labctl.errors import StationError
from labctl.home import labctl_home
from labctl.station.defaults_table import StationDefaults, read_defaults
from labctl.station.strict_table import StrictTable
from labctl.station.wiring import GROUND, Wiring
from labctl.station.wiring_table import read_wiring

__all__ = ["RECORDED", "Envelope", "InstrumentEntry", "Sample", "StationFile", "read_station_file", "station_names"]

RECORDED = "record:"
_SCHEMA = 1
_HEARTBEAT_S, _LEAST_HEARTBEAT_S, _MOST_HEARTBEAT_S = 1.0, 0.1, 60.0
_KEY = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class InstrumentEntry:
    """Table ``[instruments.<key>]``: what is expected at an address.

    Attributes
    ----------
    driver, resource : str
        Name of the driver; VISA resource name.
    serial : str or None
        The serial number that must answer; None: any.
    calibration_due : datetime.date or None
        Last day of its calibration; None: not watched.
    """

    driver: str
    resource: str
    serial: str | None
    calibration_due: date | None


@dataclass(frozen=True)
class Sample:
    """Table ``[sample]``: what is in the socket; ``device`` names a device preset.

    Attributes
    ----------
    name, device : str
    rows, columns : int, unit 1
        Cells.
    access : mapping of str to float, unit as the key says
        Table ``[sample.access]``: what is needed to reach the cells besides the wiring.
    """

    name: str
    device: str
    rows: int
    columns: int
    access: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Envelope:
    """Table ``[envelope]``: what no stimulus may exceed.

    Attributes
    ----------
    voltage_v : float, unit V
        Between any two driven terminals, and of any terminal against ground.
    current_a : float, unit A
        What a source could drive at most.
    pulse_width_s : float, unit s
        Of a pulse, and of one step of a staircase.
    energy_j : float, unit J
        What the sources could deliver at most in one pulse or step.
    temperature_k : float or None, unit K
        Of the sample; None where the station controls no temperature.
    """

    voltage_v: float
    current_a: float
    pulse_width_s: float
    energy_j: float
    temperature_k: float | None = None


@dataclass(frozen=True)
class StationFile:
    """A station file that passed every check.

    Attributes
    ----------
    name : str
    file : str
        Where it was read.
    text : str
        The file as it was read, for the run file.
    visa_library : str
        What PyVISA's ResourceManager takes.
    bench : str or None
        Address of the operator's port of a served bench; None on a real rack and on a bench in process.
    line_frequency_hz : float, unit Hz
    heartbeat_s : float, unit s
        How long a run may be silent before its guardian switches everything off.
    expired_calibration : "warn" or "refuse"
        What a run does with an instrument whose ``calibration_due`` has passed.
    instruments : mapping of str to InstrumentEntry
    sample : Sample
    wiring : Wiring
    envelope : Envelope
    defaults : StationDefaults
        What a run takes for parameters that the user does not give.
    temperature_controller : str or None
        Key of the instrument that controls the temperature of the sample.
    """

    name: str
    file: str
    text: str
    visa_library: str
    bench: str | None
    line_frequency_hz: float
    heartbeat_s: float
    expired_calibration: str
    instruments: Mapping[str, InstrumentEntry]
    sample: Sample
    wiring: Wiring
    envelope: Envelope
    defaults: StationDefaults
    temperature_controller: str | None = None

    @property
    def unrecorded_library(self) -> str:
        """The VISA library without the recording around it, for whoever must not write into the recording."""
        if not self.visa_library.startswith(RECORDED):
            return self.visa_library
        return self.visa_library.partition(">")[2]

    def recorded_in(self, file: Path) -> "StationFile":
        """Return the station as it is opened to record what goes over VISA.

        Parameters
        ----------
        file : Path
            The recording that is made.

        Returns
        -------
        StationFile

        Raises
        ------
        StationError
            If the station file asks for a recording already, or the name of the file cannot be written in one.
        """
        if self.visa_library.startswith(RECORDED):
            raise StationError(
                f"{self.file}: visa_library records already, {self.visa_library!r}; take that out to record elsewhere"
            )
        if ">" in str(file):
            raise StationError(f"{file}: the name of a recording must not hold '>'; choose another")
        return replace(self, visa_library=f"{RECORDED}{file.absolute()}>{self.visa_library}")

    def replayed_from(self, file: str) -> "StationFile":
        """Return the station as it is opened to be answered from a recording, whatever rack it names.

        Parameters
        ----------
        file : str
            Path of the recording; behind a ``?`` the options of :mod:`labctl.replay.answering`.

        Returns
        -------
        StationFile
        """
        path, mark, options = file.partition("?")
        library = f"{Path(path).expanduser().absolute()}{mark}{options}@replay"
        return replace(self, visa_library=library, bench=None)

    def as_dict(self) -> dict[str, Any]:
        """Return the content as plain values, without the text; a date is text such as ``"2027-03-01"``.

        Returns
        -------
        dict
        """
        content = asdict(self)
        del content["text"], content["wiring"]["file"]
        if self.envelope.temperature_k is None:
            del content["envelope"]["temperature_k"]
        content["defaults"] = self.defaults.as_dict()
        if content["wiring"]["control"] is not None:
            del content["wiring"]["control"]["file"]
        for entry in content["instruments"].values():
            entry["calibration_due"] = entry["calibration_due"] and entry["calibration_due"].isoformat()
        return content


def station_names() -> list[str]:
    """Return the names of the packaged stations and of those in ``<LABCTL_HOME>/stations``, sorted.

    Returns
    -------
    list of str
    """
    return sorted(_known_files())


def read_station_file(name_or_path: str | os.PathLike[str]) -> StationFile:
    """Read and check a station file.

    Parameters
    ----------
    name_or_path : str or path
        Name of a known station, or a path that ends in ``.toml``. A station of the user hides a packaged one.

    Returns
    -------
    StationFile

    Raises
    ------
    StationError
        If it is unknown (the known ones are listed), cannot be read, or is wrong (file, line and key are named).
    """
    asked = os.fspath(name_or_path)
    known = _known_files()
    if asked.lower().endswith(".toml"):
        path = Path(asked)
    elif asked in known:
        path = known[asked]
    else:
        raise StationError(f"station {asked!r} is unknown; known are {', '.join(sorted(known))}, or give a .toml file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StationError(f"{path}: cannot be read: {error}; give a readable UTF-8 file") from error
    return _station(StrictTable.parse(text, str(path)), path, text)


def _known_files() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in (Path(str(files("labctl_data"))) / "stations", labctl_home() / "stations"):
        found |= {path.stem: path for path in folder.glob("*.toml")}
    return found


def _station(table: StrictTable, path: Path, text: str) -> StationFile:
    table.whole("schema", least=_SCHEMA, most=_SCHEMA)
    instruments = _instruments(table.table("instruments"))
    sample_table = table.table("sample")
    size = sample_table.whole("rows", least=1, most=4096), sample_table.whole("columns", least=1, most=4096)
    wiring = read_wiring(table.table("wiring"), str(path), tuple(instruments), size)
    controller = _temperature_controller(table, instruments)
    station = StationFile(
        name=table.string("name"),
        file=str(path),
        text=text,
        visa_library=_visa_library(table.string("visa_library"), path),
        bench=table.string("bench") if table.has("bench") else None,
        line_frequency_hz=table.positive("line_frequency_hz"),
        heartbeat_s=_heartbeat_s(table),
        expired_calibration=_expired_calibration(table),
        instruments=instruments,
        sample=_sample(sample_table, size, wiring),
        wiring=wiring,
        envelope=_envelope(table.table("envelope"), has_temperature=controller is not None),
        defaults=read_defaults(table),
        temperature_controller=controller,
    )
    table.finish()
    return station


def _heartbeat_s(table: StrictTable) -> float:
    value_s = table.positive("heartbeat_s") if table.has("heartbeat_s") else _HEARTBEAT_S
    if not _LEAST_HEARTBEAT_S <= value_s <= _MOST_HEARTBEAT_S:
        raise table.wrong("heartbeat_s", f"must be {_LEAST_HEARTBEAT_S:g} to {_MOST_HEARTBEAT_S:g} s, got {value_s!r}")
    return value_s


def _expired_calibration(table: StrictTable) -> str:
    policy = table.string("expired_calibration") if table.has("expired_calibration") else "warn"
    if policy not in ("warn", "refuse"):
        raise table.wrong("expired_calibration", f'must be "warn" or "refuse", got {policy!r}')
    return policy


def _visa_library(library: str, path: Path) -> str:
    """A bench file named relatively lies beside the station file."""
    bench, at, backend = library.rpartition("@")
    beside = path.parent / bench
    return f"{beside}{at}{backend}" if bench.endswith(".toml") and beside.exists() else library


def _instruments(table: StrictTable) -> dict[str, InstrumentEntry]:
    found: dict[str, InstrumentEntry] = {}
    for key in table.names():
        if _KEY.fullmatch(key) is None or key == GROUND:
            raise table.wrong(key, "an instrument's key must be lowercase letters, digits and _, such as smu1")
        entry = table.table(key)
        serial = entry.string("serial") if entry.has("serial") else None
        due = entry.day("calibration_due") if entry.has("calibration_due") else None
        found[key] = InstrumentEntry(entry.string("driver"), entry.string("resource"), serial, due)
        entry.finish()
    return found


def _sample(table: StrictTable, size: tuple[int, int], wiring: Wiring) -> Sample:
    access: dict[str, float] = {}
    if table.has("access"):
        numbers = table.table("access")
        access = {key: numbers.positive(key) for key in _access_keys(wiring) if numbers.has(key)}
        numbers.finish()
    sample = Sample(table.string("name"), table.string("device"), *size, access)
    table.finish()
    return sample


def _access_keys(wiring: Wiring) -> tuple[str, ...]:
    """Return what ``[sample.access]`` may say of a sample that is wired like this."""
    if wiring.control is not None:
        return ("gate_read_v", "gate_set_v", "gate_reset_v") if wiring.control.common_source else ("settle_s",)
    return ("track_ohm",) if wiring.direct is not None and wiring.direct.control is not None else ()


def _temperature_controller(table: StrictTable, instruments: Mapping[str, InstrumentEntry]) -> str | None:
    if not table.has("temperature"):
        return None
    temperature = table.table("temperature")
    key = temperature.string("controller")
    if key not in instruments:
        raise temperature.wrong("controller", f"no instrument {key!r}; there are {', '.join(instruments)}")
    temperature.finish()
    return key


def _envelope(table: StrictTable, *, has_temperature: bool) -> Envelope:
    envelope = Envelope(
        table.positive("voltage_v"),
        table.positive("current_a"),
        table.positive("pulse_width_s"),
        table.positive("energy_j"),
        table.positive("temperature_k") if has_temperature else None,
    )
    table.finish()
    return envelope
