"""The bench file: which simulated instruments stand in the rack, how they are wired, and which die is in the socket.

A frozen picture of the TOML file, checked key by key. Not here: its wiring (:mod:`labctl_mock.bench.wiring_entry`),
what runs (:mod:`labctl_mock.bench.bench`), the state of the die (:mod:`labctl_mock.bench.die_store`), the station file,
which tells what the lab *believes* (:mod:`labctl.station`).
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path

from labctl.errors import StationError
from labctl.home import labctl_home
from labctl_mock.bench.strict_toml import Quantity, StrictTable, parse_toml
from labctl_mock.bench.wiring_entry import DirectEntry, WiringEntry, read_wiring

__all__ = [
    "OWN_BENCH",
    "BenchEffects",
    "BenchFile",
    "DieEntry",
    "InstrumentEntry",
    "WiresEntry",
    "bench_names",
    "check_bench_text",
    "load_bench_file",
    "read_effects",
]

OWN_BENCH = "bench.toml"
"""Name of a user's bench file in the folder that holds the state of its die."""
_SCHEMA = 1
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class InstrumentEntry:
    """One simulated instrument: table ``[instruments.<key>]``.

    Attributes
    ----------
    key : str
    model : str
        Name in the registry of simulated models.
    resource : str
        VISA resource name.
    serial : str
    options : Mapping
        Whatever else the table holds; the model checks it.
    """

    key: str
    model: str
    resource: str
    serial: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class WiresEntry:
    """Resistance of the lines of the die: table ``[die.wires]``, unit ohm."""

    word_segment_ohm: Quantity
    bit_segment_ohm: Quantity
    word_contact_ohm: Quantity
    bit_contact_ohm: Quantity


@dataclass(frozen=True, slots=True)
class BenchEffects:
    """What the simulated world does besides the ideal: table ``[die.effects]``."""

    device_spread: bool = True
    cycle_spread: bool = True
    read_noise: bool = True
    relaxation: bool = True
    stuck_cells: bool = True
    half_select: bool = True
    wire_resistance: bool = True

    def as_dict(self) -> dict[str, bool]:
        """Return the flags by name."""
        return {field.name: bool(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class DieEntry:
    """The die in the socket: table ``[die]``.

    Attributes
    ----------
    device : str
        Device file.
    rows, columns : int
    wires : WiresEntry
    effects : BenchEffects
    parts : str or None
        File of what the devices have besides, such as telegraph noise and wear.
    temperature : Quantity or None, unit K
        Of the die; None for what the device file says.
    """

    device: str
    rows: int
    columns: int
    wires: WiresEntry
    effects: BenchEffects
    parts: str | None = None
    temperature: Quantity | None = None


@dataclass(frozen=True, slots=True)
class BenchFile:
    """A bench file that passed every check.

    Attributes
    ----------
    name : str
    file : str
        Where it was read from.
    sha256 : str
        Of the bytes of the file.
    seed : int
        Draws the die and every instrument's errors.
    instruments : Mapping of str to InstrumentEntry
    die : DieEntry
    wiring : WiringEntry or DirectEntry
    faults : tuple of str
        Specs of faults, from ``[faults] spec = [...]``; see :mod:`labctl_mock.faults.plan`.
    """

    name: str
    file: str
    sha256: str
    seed: int
    instruments: Mapping[str, InstrumentEntry]
    die: DieEntry
    wiring: WiringEntry | DirectEntry
    faults: tuple[str, ...] = ()


def bench_names() -> list[str]:
    """Return the names of the packaged benches and of those of the user, ``LABCTL_HOME/benches/<name>/bench.toml``."""
    folder = files("labctl_data") / "benches"
    packaged = {entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")}
    return sorted(packaged | {path.parent.name for path in (labctl_home() / "benches").glob(f"*/{OWN_BENCH}")})


def load_bench_file(name_or_path: str | os.PathLike[str]) -> BenchFile:
    """Read a bench file.

    Parameters
    ----------
    name_or_path : str or path
        Name of a bench that is known, or a path that ends in ``.toml``.

    Returns
    -------
    BenchFile

    Raises
    ------
    StationError
        If there is no such bench (the known ones are listed) or the file is wrong (file, line or key named).
    """
    asked = os.fspath(name_or_path)
    if asked.lower().endswith(".toml"):
        file, data = asked, _read_path(Path(asked))
    elif asked in bench_names():
        entry = files("labctl_data") / "benches" / f"{asked}.toml"
        if entry.is_file():
            file, data = str(entry), entry.read_bytes()
        else:
            own = labctl_home() / "benches" / asked / OWN_BENCH
            file, data = str(own), _read_path(own)
    else:
        known = ", ".join(bench_names())
        raise StationError(f'bench: no bench named "{asked}"; known are {known}, or give a path that ends in .toml')
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StationError(f"{file}: must be UTF-8, byte {error.start} is not; save it as UTF-8") from error
    return _read_bench(parse_toml(text, file), hashlib.sha256(data).hexdigest())


def check_bench_text(text: str, file: str) -> None:
    """Refuse the text of a bench file that breaks a rule.

    Parameters
    ----------
    text : str
    file : str
        Its name, for messages.

    Raises
    ------
    StationError
        With file and line or key.
    """
    _read_bench(parse_toml(text, file), "")


def read_effects(table: StrictTable) -> BenchEffects:
    """Read a table of effect flags; a flag that is not there is on.

    Raises
    ------
    StationError
        If a key is no effect or a value is no boolean.
    """
    flags = {field.name: table.get(field.name, bool) for field in fields(BenchEffects) if table.has(field.name)}
    table.finish()
    return BenchEffects(**flags)


def _read_path(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StationError(f"{path}: the bench file cannot be read: {error.strerror}; check the path") from error


def _read_bench(top: StrictTable, sha256: str) -> BenchFile:
    schema = top.get("schema", int)
    if schema != _SCHEMA:
        raise top.error("schema", f"this labctl reads schema {_SCHEMA}, got {schema}")
    name = top.get("name", str)
    # it becomes the name of a folder, on Windows too
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?<!\.)", name) or _RESERVED.fullmatch(name):
        raise top.error(
            "name",
            f"must be letters, digits, '.', '_' and '-' only, at most 63, no name of a Windows device, got {name!r}",
        )
    seed = top.get("seed", int)
    if not 0 <= seed < 2**63:
        raise top.error("seed", f"must be from 0 to 2**63 - 1, got {seed}")
    instruments = _read_instruments(top.table("instruments"))
    die = _read_die(top.table("die"))
    wiring = read_wiring(top.table("wiring"), (die.rows, die.columns), instruments)
    faults: tuple[str, ...] = ()
    if top.has("faults"):
        table = top.table("faults")
        faults = table.strings("spec")
        table.finish()
    top.finish()
    return BenchFile(name, top.file, sha256, seed, instruments, die, wiring, faults)


def _read_instruments(table: StrictTable) -> dict[str, InstrumentEntry]:
    entries: dict[str, InstrumentEntry] = {}
    for key in table.names():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key):
            raise table.error(key, "the key of an instrument must be letters, digits and '_', a letter first")
        own = table.table(key)
        options = {name: own.raw(name) for name in own.names() if name not in ("model", "resource", "serial")}
        entry = InstrumentEntry(key, own.get("model", str), own.get("resource", str), own.get("serial", str), options)
        for other in entries.values():
            if other.resource.upper() == entry.resource.upper():
                raise own.error("resource", f"{entry.resource} is taken by instruments.{other.key}; choose another")
        entries[key] = entry
    if not entries:
        raise table.error("<key>", "a bench needs at least one instrument")
    return entries


def _read_die(table: StrictTable) -> DieEntry:
    size = {}
    for key in ("rows", "columns"):
        size[key] = table.get(key, int)
        if not 1 <= size[key] <= 4096:
            raise table.error(key, f"must be from 1 to 4096, got {size[key]}")
    wires = table.table("wires")
    wires_entry = WiresEntry(**{field.name: wires.quantity(field.name, "ohm") for field in fields(WiresEntry)})
    wires.finish()
    effects = read_effects(table.table("effects")) if table.has("effects") else BenchEffects()
    die = DieEntry(
        device=table.get("device", str),
        rows=size["rows"],
        columns=size["columns"],
        wires=wires_entry,
        effects=effects,
        parts=table.get("parts", str) if table.has("parts") else None,
        temperature=table.quantity("temperature", "K", at_least=1.0) if table.has("temperature") else None,
    )
    table.finish()
    return die
