"""A recording of real instruments, held against simulated ones: every answer that differs in kind.

What was written is written to the simulated instruments in the same order, and what they answer is compared: whether
there is an answer at all, its format (digits, signs, separators, not the values of numbers, which noise and the sample
decide), its words, and the class of time that it took. Identities are compared by maker and model, also within an
answer to several questions. Of what has no answer (writes, device clear, trigger, locks, waiting for a service request)
it is compared whether it failed.
Not here: the format of the recording (:mod:`labctl.replay.traffic`), the simulated instruments (``labctl_mock``), which
die is in their socket: the check changes it (``labctl bench check`` takes one that is thrown away).
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvisa
from pyvisa.constants import EventMechanism, EventType, StatusCode

from labctl.errors import ReplayError
from labctl.replay.parties import answers_apart
from labctl.replay.traffic import OPERATIONS, Operation, TrafficFile, shown

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
        "answer" (one is missing or too many), "format", "words", "time", "status byte", or "error" (what has no answer
        failed on one side only).
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


def check_recording(path: Path, manager: pyvisa.ResourceManager, resources: Mapping[str, str]) -> Check:
    """Hold a recording against a simulated bench.

    Parameters
    ----------
    path : Path
        The traffic file.
    manager : pyvisa.ResourceManager
        Of a simulated bench, whose die has stimuli behind it afterwards; it stays open.
    resources : Mapping of str to str
        Resource on the bench by resource of the recording; others are looked for by the model that answered ``*IDN?``.

    Returns
    -------
    Check

    Raises
    ------
    ReplayError
        If the instruments are real ones, the recording is damaged, or nothing in it can be compared.
    """
    rack: Any = manager.visalib
    if not (getattr(rack, "bench_info", None) or {}).get("simulated"):
        raise ReplayError(f"{path}: a recording is held against a simulated bench, never sent to real instruments")
    clock = rack.clock
    found: list[Difference] = []
    compared = 0
    pairs = {**_by_model(path, manager), **resources}
    links: dict[int, _Link | None] = {}
    missing: dict[str, None] = {}
    before_s = 0.0
    try:
        with TrafficFile(path) as file:
            for done in _joined(file.operations()):
                if done.op == "open" and done.status >= 0:
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
                if done.op in ("r", "stb"):
                    compared += 1
                    found += _compared(done, link, clock)
                elif done.op in _ACTIONS:
                    found += _obeyed(done, link, before_s)
                elif done.op == "close":
                    link.instrument.close()
                    links[done.session] = None
                before_s = _time_s(done)
    finally:
        for link in links.values():
            if link is not None:
                link.instrument.close()
    if not compared:
        raise ReplayError(
            f"{path}: nothing in it can be compared with {rack.bench_info.get('name')}: it has"
            f" {', '.join(missing) or 'no answers'}; name the pairs"
        )
    return Check(tuple(found), compared, tuple(missing))


def _obeyed(done: Operation, link: _Link, before_s: float) -> Iterator[Difference]:
    """Do what has no answer; it may fail where it failed, and only there."""
    # longer than it took, and not much: a service request that does not come lets this time pass
    timeout_ms = round(1e3 * max(1.0, 10.0 * (_time_s(done) - before_s)))
    status = int(StatusCode.success)
    try:
        _ACTIONS[done.op](link.instrument, done, timeout_ms)
    except pyvisa.errors.VisaIOError as error:
        status = error.error_code
    if (status < 0) != (done.status < 0):
        message = shown(done.data) if done.op == "w" else OPERATIONS[done.op]
        yield Difference(done.line, link.name, message, "error", _outcome(done.status), _outcome(status))


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
    recorded_who, recorded_rest = _apart(link.message, done.data)
    simulated_who, simulated_rest = _apart(link.message, answer)
    if recorded_who != simulated_who:
        yield difference("words", shown(done.data), shown(answer))
    elif _format(recorded_rest) != _format(simulated_rest):
        kind = "format" if _words(recorded_rest) == _words(simulated_rest) else "words"
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


def _wait(instrument: Any, done: Operation, timeout_ms: int) -> None:
    instrument.wait_on_event(EventType.service_request, timeout_ms)


def _lock(instrument: Any, done: Operation, timeout_ms: int) -> None:
    # the key of an exclusive lock is empty
    if done.facts.get("v"):
        instrument.lock(timeout=timeout_ms, requested_key=str(done.facts["v"]))
    else:
        instrument.lock_excl(timeout=timeout_ms)


_ACTIONS: Mapping[str, Callable[[Any, Operation, int], object]] = {
    "w": lambda instrument, done, _: instrument.write_raw(done.data),
    "clear": lambda instrument, *_: instrument.clear(),
    "trigger": lambda instrument, *_: instrument.assert_trigger(),
    "lock": _lock,
    "unlock": lambda instrument, *_: instrument.unlock(),
    "wait": _wait,
}


def _outcome(status: int) -> str:
    try:
        return "done" if status >= 0 else StatusCode(status).name
    except ValueError:
        return f"VISA error {status}"


def _link(manager: pyvisa.ResourceManager, name: str, simulated: str | None) -> _Link | None:
    if simulated is None:
        return None
    instrument: Any = manager.open_resource(simulated)
    instrument.read_termination = instrument.write_termination = None
    instrument.timeout = 60_000
    # the recording does not say when the program began to listen
    instrument.enable_event(EventType.service_request, EventMechanism.queue)
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


def _apart(message: bytes, answer: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Take the identities, maker and model, out of an answer to one question or several."""
    pairs = answers_apart(message, answer)
    who = [_who(part) for question, part in pairs if question == b"*IDN?"]
    return who, b";".join(part for question, part in pairs if question != b"*IDN?")


def _format(answer: bytes) -> str:
    """Each number as its shape: what is a digit, a sign, an exponent."""
    return _NUMBER.sub(lambda match: re.sub(r"[0-9]", "9", match[0]).replace("-", "+"), answer.decode("latin-1"))


def _words(answer: bytes) -> str:
    return _NUMBER.sub("", answer.decode("latin-1")).strip()
