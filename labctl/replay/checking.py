"""A recording of real instruments, held against simulated ones: every answer that differs in kind.

What was written is written to the simulated instruments in the same order, and what they answer is compared: whether
there is an answer at all, its format (digits, signs, separators, not the values of numbers, which noise and the sample
decide), its words, and the class of time that it took. Identities are compared by maker and model.
Not here: the format of the recording (:mod:`labctl.replay.traffic`), the simulated instruments (``labctl_mock``).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvisa
from pyvisa.constants import StatusCode

from labctl.errors import ReplayError
from labctl.replay.traffic import Operation, TrafficFile, shown

__all__ = ["Check", "Difference", "check_recording"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# below a hundredth of a second an interface takes longer than an instrument
_LEAST_S = 0.01
_DECADES = 1.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One answer that differs.

    Attributes
    ----------
    line : int
        Of the recording.
    resource : str
    message : str
        What was written before.
    kind : str
        "answer" (one is missing or too many), "format", "words", "time" or "status byte".
    recorded, simulated : str
    """

    line: int
    resource: str
    message: str
    kind: str
    recorded: str
    simulated: str


@dataclass(frozen=True, slots=True)
class Check:
    """What came of a check.

    Attributes
    ----------
    differences : tuple of Difference
    compared : int
        Answers that were compared.
    missing : tuple of str
        Resources of the recording that the bench has no instrument for.
    """

    differences: tuple[Difference, ...]
    compared: int
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Link:
    """A resource of the recording and the simulated instrument in its place."""

    name: str
    instrument: Any
    message: bytes = b""
    asked_s: float = 0.0
    simulated_s: float = 0.0


def check_recording(path: Path, library: str, resources: Mapping[str, str]) -> Check:
    """Hold a recording against a simulated bench.

    Parameters
    ----------
    path : Path
        The traffic file.
    library : str
        VISA library of the bench, such as ``"tiox-32x32@labctl"``.
    resources : Mapping of str to str
        Resource on the bench by resource of the recording; others are looked for by the model that answered ``*IDN?``.

    Returns
    -------
    Check

    Raises
    ------
    ReplayError
        If the recording is damaged, or nothing in it can be compared.
    """
    manager = pyvisa.ResourceManager(library)
    try:
        clock: Any = manager.visalib.clock  # type: ignore[attr-defined]
        found: list[Difference] = []
        compared = 0
        pairs = {**_by_model(path, manager), **resources}
        links: dict[int, _Link | None] = {}
        missing: dict[str, None] = {}
        before_s = 0.0
        with TrafficFile(path) as file:
            for done in _joined(file.operations()):
                if done.op == "open":
                    name = str(done.facts["resource"])
                    links[done.session] = _link(manager, name, pairs.get(name))
                    if links[done.session] is None:
                        missing[name] = None
                link = links.get(done.session)
                if link is None:
                    continue
                if done.op == "w":
                    # a rack with a clock of its own lets time pass while it is written to
                    link.asked_s = done.wall_s if done.rack_s is None else before_s
                    link.message, link.simulated_s = done.data, clock.now_s()
                    link.instrument.write_raw(done.data)
                elif done.op == "clear":
                    link.instrument.clear()
                elif done.op == "trigger":
                    link.instrument.assert_trigger()
                elif done.op in ("r", "stb"):
                    compared += 1
                    found += _compared(done, link, clock)
                before_s = _time_s(done)
    finally:
        manager.close()
    if not compared:
        raise ReplayError(
            f"{path}: nothing in it can be compared with {library}: it has {', '.join(missing) or 'no answers'};"
            " name the pairs"
        )
    return Check(tuple(found), compared, tuple(missing))


def _compared(done: Operation, link: _Link, clock: Any) -> Iterator[Difference]:
    def difference(kind: str, recorded: str, simulated: str) -> Difference:
        return Difference(done.line, link.name, shown(link.message), kind, recorded, simulated)

    if done.op == "stb":
        value = int(done.facts.get("v", 0))
        simulated = int(link.instrument.read_stb())
        if simulated != value:
            yield difference("status byte", str(value), str(simulated))
        return
    answer = _read(link.instrument)
    if (answer is None) != (done.status < 0):
        recorded = "no answer" if done.status < 0 else shown(done.data)
        yield difference("answer", recorded, "no answer" if answer is None else shown(answer))
        return
    if answer is None:
        return
    if link.message.strip().upper() == b"*IDN?":
        if _who(done.data) != _who(answer):
            yield difference("words", shown(done.data), shown(answer))
    elif _format(done.data) != _format(answer):
        kind = "format" if _words(done.data) == _words(answer) else "words"
        yield difference(kind, shown(done.data), shown(answer))
    took_s, simulated_s = _time_s(done) - link.asked_s, clock.now_s() - link.simulated_s
    if abs(math.log10(max(took_s, _LEAST_S) / max(simulated_s, _LEAST_S))) > _DECADES:
        yield difference("time", f"{took_s:.3g} s", f"{simulated_s:.3g} s")


def _joined(operations: Iterator[Operation]) -> Iterator[Operation]:
    """Join the parts that a long answer was read in."""
    held: Operation | None = None
    for done in operations:
        is_more = held is not None and held.status == StatusCode.success_max_count_read
        if held is not None and is_more and done.op == "r" and done.session == held.session:
            held = held._replace(data=held.data + done.data, status=done.status)
            continue
        if held is not None:
            yield held
            held = None
        if done.op == "r":
            held = done
        else:
            yield done
    if held is not None:
        yield held


def _by_model(path: Path, manager: pyvisa.ResourceManager) -> dict[str, str]:
    """Pair resources by the model that answered."""
    models: dict[str, str] = {}
    for name in manager.list_resources("?*"):
        with manager.open_resource(name) as instrument:
            models.setdefault(_who(instrument.query("*IDN?").encode())[1], name)  # type: ignore[attr-defined]
    pairs: dict[str, str] = {}
    names: dict[int, str] = {}
    asked: dict[int, bool] = {}
    with TrafficFile(path) as file:
        for done in file.operations():
            if done.op == "open":
                names[done.session] = str(done.facts["resource"])
            elif done.op == "w":
                asked[done.session] = b"*IDN?" in done.data.upper()
            elif done.op == "r" and asked.get(done.session):
                model = next((text for text in models if text and text.encode() in done.data.upper()), None)
                if model is not None:
                    pairs.setdefault(names[done.session], models[model])
    return pairs


def _link(manager: pyvisa.ResourceManager, name: str, simulated: str | None) -> _Link | None:
    if simulated is None:
        return None
    instrument: Any = manager.open_resource(simulated)
    instrument.read_termination = instrument.write_termination = None
    instrument.timeout = 60_000
    return _Link(name, instrument)


def _read(instrument: Any) -> bytes | None:
    try:
        return bytes(instrument.read_raw())
    except pyvisa.errors.VisaIOError as error:
        if error.error_code != StatusCode.error_timeout:
            raise
        return None


def _time_s(done: Operation) -> float:
    return done.wall_s if done.rack_s is None else done.rack_s


def _who(identity: bytes) -> tuple[str, str]:
    fields = identity.decode("latin-1").strip().upper().split(",")
    return fields[0].strip(), fields[1].strip() if len(fields) > 1 else ""


def _format(answer: bytes) -> str:
    """Each number as its shape: what is a digit, a sign, an exponent."""
    return _NUMBER.sub(lambda match: re.sub(r"[0-9]", "9", match[0]).replace("-", "+"), answer.decode("latin-1"))


def _words(answer: bytes) -> str:
    return _NUMBER.sub("", answer.decode("latin-1")).strip()
