"""The bench file: which simulated instruments stand in the rack, how they are wired, and which die is in the socket.

A frozen picture of the TOML file, checked key by key. Not here: what runs (:mod:`labctl_mock.bench.bench`), the state
of the die (:mod:`labctl_mock.bench.die_store`) and the station file, which tells what the lab *believes*
(:mod:`labctl.station`).
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path

from labctl.errors import StationError
from labctl_mock.bench.strict_toml import Quantity, StrictTable, parse_toml

__all__ = [
    "GROUND",
    "BenchEffects",
    "BenchFile",
    "DieEntry",
    "InstrumentEntry",
    "WiresEntry",
    "WiringEntry",
    "bench_names",
    "load_bench_file",
    "read_effects",
]

GROUND = "ground"
_SCHEMA = 1
_COLUMN = re.compile(r"[1-6](0[1-9]|1[0-2])")
_ROWS = "ABCDEFGH"
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
    """The die in the socket: table ``[die]``."""

    device: str
    rows: int
    columns: int
    wires: WiresEntry
    effects: BenchEffects


@dataclass(frozen=True, slots=True)
class WiringEntry:
    """Matrix rows to terminals, matrix columns to lines: table ``[wiring]``.

    Attributes
    ----------
    matrix : str
        Key of the matrix.
    rows : Mapping of str to str
        Row letter to ``"<instrument key>.<channel>"`` or ``"ground"``.
    crosspoint_ohm : Quantity, unit ohm
        Resistance of one closed crosspoint with its path.
    word_lines, bit_lines : tuple of str
        Matrix column of each line, line 0 first.
    identification : str or None
        Matrix column of the pad where the identification resistors meet.
    identification_ohm : tuple of Quantity, unit ohm
        One resistor per line, word lines first; empty without ``identification``.
    """

    matrix: str
    rows: Mapping[str, str]
    crosspoint_ohm: Quantity
    word_lines: tuple[str, ...]
    bit_lines: tuple[str, ...]
    identification: str | None
    identification_ohm: tuple[Quantity, ...]


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
    wiring : WiringEntry
    faults : tuple of str
        Specs of faults, from ``[faults] spec = [...]``; see :mod:`labctl_mock.faults.plan`.
    """

    name: str
    file: str
    sha256: str
    seed: int
    instruments: Mapping[str, InstrumentEntry]
    die: DieEntry
    wiring: WiringEntry
    faults: tuple[str, ...] = ()


def bench_names() -> list[str]:
    """Return the names of the packaged benches."""
    folder = files("labctl_data") / "benches"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_bench_file(name_or_path: str | os.PathLike[str]) -> BenchFile:
    """Read a bench file.

    Parameters
    ----------
    name_or_path : str or path
        Name of a packaged bench, or a path that ends in ``.toml``.

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
        file, data = str(entry), entry.read_bytes()
    else:
        known = ", ".join(bench_names())
        raise StationError(f'bench: no bench named "{asked}"; known are {known}, or give a path that ends in .toml')
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StationError(f"{file}: must be UTF-8, byte {error.start} is not; save it as UTF-8") from error
    return _read_bench(parse_toml(text, file), hashlib.sha256(data).hexdigest())


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
    wiring = _read_wiring(top.table("wiring"), die, instruments)
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
    )
    table.finish()
    return die


def _read_wiring(table: StrictTable, die: DieEntry, instruments: Mapping[str, InstrumentEntry]) -> WiringEntry:
    matrix = table.get("matrix", str)
    if matrix not in instruments:
        raise table.error("matrix", f"no instrument {matrix!r}; there are {', '.join(instruments)}")
    rows_table = table.table("rows")
    rows = {row: rows_table.get(row, str) for row in rows_table.names()}
    for row, terminal in rows.items():
        if len(row) != 1 or row not in _ROWS:
            raise rows_table.error(row, f"no such matrix row; rows are {', '.join(_ROWS)}")
        key, dot, channel = terminal.partition(".")
        if terminal != GROUND and (key not in instruments or not dot or not channel):
            raise rows_table.error(
                row,
                f'must be "<instrument>.<channel>" of {", ".join(instruments)}, or "{GROUND}", got {terminal!r}',
            )
    lines = {"word_lines": die.rows, "bit_lines": die.columns}
    columns = {key: table.strings(key) for key in lines}
    for key, count in lines.items():
        if len(columns[key]) != count:
            raise table.error(key, f"must name {count} matrix columns as the die has lines, got {len(columns[key])}")
    identification = table.get("identification", str) if table.has("identification") else None
    resistors: tuple[Quantity, ...] = ()
    if identification is not None:
        resistors = table.quantities("identification_ohm", "ohm", at_least=1.0)
        if len(resistors) != die.rows + die.columns:
            count = die.rows + die.columns
            raise table.error("identification_ohm", f"must hold {count} resistors, one a line, got {len(resistors)}")
    _check_columns(
        table, [*columns["word_lines"], *columns["bit_lines"], *([identification] if identification else [])]
    )
    crosspoint_ohm = table.quantity("crosspoint_ohm", "ohm", at_least=1e-3)
    table.finish()
    return WiringEntry(
        matrix, rows, crosspoint_ohm, columns["word_lines"], columns["bit_lines"], identification, resistors
    )


def _check_columns(table: StrictTable, columns: list[str]) -> None:
    for column in columns:
        if not _COLUMN.fullmatch(column):
            raise table.error("word_lines, bit_lines", f"columns are 101 to 112 ... 601 to 612, got {column!r}")
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise table.error(
            "word_lines, bit_lines, identification", f"a matrix column takes one wire, used twice: {', '.join(twice)}"
        )
