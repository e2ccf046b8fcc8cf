"""The file of a sequence: which procedures in which order, with which parameters, loops, conditions and waits.

A table ``[loop]`` runs the whole list on each of several dies, at each of several temperatures.

Not here: running it (:mod:`labctl_procedures.sequence`).
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from labctl.errors import RunError
from labctl.station.strict_table import StrictTable

__all__ = ["Condition", "SequenceFile", "Step", "Turn", "find_sequence_file", "parse_sequence", "sequence_names"]

_SCHEMA = 1
_MOST_STEPS = 10_000
_BOUNDS = ("at_least", "at_most")
_LOOPS = ("dies", "temperatures")


@dataclass(frozen=True, slots=True)
class Condition:
    """A step runs only where a result of an earlier one lies within bounds.

    Attributes
    ----------
    result : str
        ``"<step>.<name>"``, such as ``"iv.on_off_ratio_median"``.
    at_least, at_most : float or None, unit of the result
    """

    result: str
    at_least: float | None
    at_most: float | None

    def refusal(self, results: Mapping[str, object]) -> str | None:
        """Say why the step does not run, or None where it does.

        Parameters
        ----------
        results : Mapping of str to object
            Results so far.

        Returns
        -------
        str or None
        """
        value = results.get(self.result)
        if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
            return f"{self.result} has no value"
        if self.at_least is not None and value < self.at_least:
            return f"{self.result} is {value:.6g}, at_least is {self.at_least:.6g}"
        if self.at_most is not None and value > self.at_most:
            return f"{self.result} is {value:.6g}, at_most is {self.at_most:.6g}"
        return None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the loop over the whole list.

    Attributes
    ----------
    die : str or None
        Its name; None where dies are not looped over.
    temperature : str or None
        Of the sample, as text such as ``"350 K"``; None: as it is.
    """

    die: str | None = None
    temperature: str | None = None

    @property
    def prefix(self) -> str:
        """What stands before the label of each step of this turn: ``"B4-350K-"``; empty without a loop."""
        parts = [self.die, None if self.temperature is None else self.temperature.replace(" ", "").replace(".", "_")]
        return "".join(f"{part}-" for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class Step:
    """One run of one procedure.

    Attributes
    ----------
    label : str
        Unique; of a loop, the step's name with the number of the turn, such as ``"ladder-2"``, after the prefix of the
        turn.
    procedure : str
    values : Mapping of str to str
        Parameters as text.
    wait : str or None
        Before it, as text such as ``"10 s"``.
    when : Condition or None
    place : str
        File and table, for messages.
    turn : Turn
        Die and temperature.
    """

    label: str
    procedure: str
    values: Mapping[str, str]
    wait: str | None
    when: Condition | None
    place: str
    turn: Turn = Turn()


@dataclass(frozen=True, slots=True)
class SequenceFile:
    """A sequence, loops unrolled.

    Attributes
    ----------
    name, title, file : str
    shared : Mapping of str to str
        Parameters of every step whose procedure has them.
    steps : tuple of Step
    """

    name: str
    title: str
    file: str
    shared: Mapping[str, str]
    steps: tuple[Step, ...]


def sequence_names() -> list[str]:
    """Return the names of the packaged sequences."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def find_sequence_file(name_or_path: str) -> Path:
    """Return the path of a sequence: a file, or a packaged one by name, with or without ``.toml``.

    Parameters
    ----------
    name_or_path : str

    Returns
    -------
    Path

    Raises
    ------
    RunError
        If there is none; the packaged ones are listed.
    """
    path = Path(name_or_path)
    if path.suffix.lower() == ".toml" and path.is_file():
        return path
    stem = path.stem if path.suffix.lower() == ".toml" else name_or_path
    if stem in sequence_names() and len(path.parts) == 1:
        return _folder() / f"{stem}.toml"
    raise RunError(
        f"sequence: there is no file {name_or_path!r}; give the path of a .toml file, or one of "
        f"{', '.join(sequence_names()) or 'none packaged'}"
    )


def parse_sequence(text: str, file: str) -> SequenceFile:
    """Check a sequence and unroll its loops.

    Parameters
    ----------
    text : str
        TOML.
    file : str
        For messages.

    Returns
    -------
    SequenceFile

    Raises
    ------
    StationError
        If a key is missing, unknown, or of the wrong kind; file, line and key are named.
    RunError
        If a condition looks at a step that does not come earlier, or there are too many steps.
    """
    table = StrictTable.parse(text, file)
    table.whole("schema", least=_SCHEMA, most=_SCHEMA)
    shared = _texts(table.table("parameters")) if table.has("parameters") else {}
    turns = _turns(table.table("loop")) if table.has("loop") else (Turn(),)
    entries = table.tables("step")
    steps: list[Step] = []
    labels: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        for step in _steps(entry, f"{file}: step {number}"):
            if step.label in labels:
                raise RunError(f"{step.place}: the name {step.label!r} is taken; give each step a name of its own")
            if step.when is not None and step.when.result.partition(".")[0] not in labels:
                known = ", ".join(sorted(labels)) or "none"
                raise RunError(
                    f"{step.place}: when.result {step.when.result!r} names no earlier step; there are {known}"
                )
            labels.add(step.label)
            steps.append(step)
            if len(steps) * len(turns) > _MOST_STEPS:
                raise RunError(f"{file}: more than {_MOST_STEPS} steps with all loops; make the loops shorter")
    looped = tuple(_of_turn(step, turn) for turn in turns for step in steps)
    sequence = SequenceFile(table.string("name"), table.string("title"), file, shared, looped)
    table.finish()
    return sequence


def _steps(entry: StrictTable, place: str) -> list[Step]:
    procedure = entry.string("procedure")
    name = entry.string("name") if entry.has("name") else procedure
    if not name.replace("-", "").replace("_", "").isalnum():
        raise entry.wrong("name", f"must be letters, digits, '-' and '_', got {name!r}")
    values = _texts(entry.table("parameters")) if entry.has("parameters") else {}
    repeat = entry.whole("repeat", least=1, most=_MOST_STEPS) if entry.has("repeat") else 1
    vary: dict[str, tuple[str, ...]] = {}
    if entry.has("vary"):
        lists = entry.table("vary")
        vary = {key: lists.strings(key) for key in lists.names()}
        lists.finish()
    wait = entry.string("wait") if entry.has("wait") else None
    when = _condition(entry.table("when")) if entry.has("when") else None
    entry.finish()
    turns = [
        dict(zip(vary, chosen, strict=True)) for _ in range(repeat) for chosen in itertools.product(*vary.values())
    ]
    labels = [name] if len(turns) == 1 else [f"{name}-{number}" for number in range(1, len(turns) + 1)]
    return [Step(label, procedure, values | turn, wait, when, place) for label, turn in zip(labels, turns, strict=True)]


def _turns(table: StrictTable) -> tuple[Turn, ...]:
    lists = {key: table.strings(key) for key in _LOOPS if table.has(key)}
    if not lists:
        raise table.wrong("dies", f"a loop needs {' or '.join(_LOOPS)}")
    for key, values in lists.items():
        if not values:
            raise table.wrong(key, "must hold at least one")
        if len({value.casefold().replace(" ", "") for value in values}) < len(values):
            raise table.wrong(key, f"each counts once, got {', '.join(values)}")
    for die in lists.get("dies", ()):
        if not die.replace("-", "").replace("_", "").isalnum():
            raise table.wrong("dies", f"a die's name must be letters, digits, '-' and '_', got {die!r}")
    table.finish()
    return tuple(
        Turn(die, temperature)
        for die in lists.get("dies", (None,))
        for temperature in lists.get("temperatures", (None,))
    )


def _of_turn(step: Step, turn: Turn) -> Step:
    """Return a step as it is in one turn; its condition looks at this turn alone."""
    when = step.when and replace(step.when, result=f"{turn.prefix}{step.when.result}")
    return replace(step, label=f"{turn.prefix}{step.label}", when=when, turn=turn)


def _condition(table: StrictTable) -> Condition:
    result = table.string("result")
    bounds = {key: table.number(key) for key in _BOUNDS if table.has(key)}
    if not bounds:
        raise table.wrong("result", f"a condition needs {' or '.join(_BOUNDS)}")
    table.finish()
    return Condition(result, bounds.get("at_least"), bounds.get("at_most"))


def _texts(table: StrictTable) -> dict[str, str]:
    """Parameters as text: strings as they are, numbers and truth values as they read in the file."""
    values = {key: table.plain(key) for key in table.names()}
    table.finish()
    return values


def _folder() -> Path:
    return Path(str(files("labctl_data"))) / "sequences"
