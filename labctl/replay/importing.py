"""Recordings of other programs as traffic files.

``pymeasure``: the pairs of ``expected_protocol`` in a Python test file, which is read, never run (seen: PyMeasure 0.16
and the tests of all its drivers; messages stand there without terminators). ``io-trace``: what NI I/O Trace saves as
text or CSV. Seen: NI's help, which names the columns and the form of times; published text logs: four lines a call
(``4209.  Name (arguments, 12 (0xC))``, process, start time, status), resource and buffer in the arguments, formatted
I/O as ``Formatted viWrite``. Assumed: the order of the arguments of viWrite and viRead, ``(GPIB0::22::INSTR (0x00A1),
"*IDN?.", 6 (0x6), 6 (0x6))``, that viReadSTB ends with the byte, ``64 (0x40))``, and that a dot at the end of a buffer
stands for a line feed. ``scpi-replay``: a cassette, one JSON
object a line. Seen: its description (JSON lines, raw socket); assumed: the names of the members, of which those that
such files use are tried; a line that fits none is refused. Not here: the format that is written
(:mod:`labctl.replay.traffic`).
"""

import csv
import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from labctl.errors import ReplayError
from labctl.replay.protocol_pairs import protocols_in
from labctl.replay.writing import new_traffic_file, written_bytes

__all__ = ["FORMATS", "Imported", "import_recording"]

_LINE_FEED = b"\n"
_COUNT = 20480
_CALL = re.compile(r"^\s*(?P<number>\d+)\.?\s+(?:Formatted )?(?P<name>vi\w+)\s*\((?P<rest>.*)\)\s*$")
_BUFFER = re.compile(r'"(?P<text>.*)"\s*,\s*(?P<asked>\d+)[^,]*(?:,\s*(?P<done>\d+).*)?$', re.DOTALL)
_RESOURCE = re.compile(r"^\s*\"?(?P<name>[A-Za-z]+\d*::[^\s\",(]+)")
_BYTE = re.compile(r",\s*(?P<value>\d+)(?:\s*\(0x[0-9A-Fa-f]+\))?\s*$")
# call of a trace, operation of a recording
_OF_TRACE = {"viWrite": "w", "viRead": "r", "viClear": "clear", "viReadSTB": "stb", "viAssertTrigger": "trigger"}
# they say too little: for how long, with which key, or what came
_NOT_HELD = frozenset({"viLock", "viUnlock", "viWaitOnEvent", "viReadAsync", "viWriteAsync"})
_START = re.compile(r"Start Time:\s*(?P<time>[\d:.,]+)")
_STATUS = re.compile(r"Status:\s*(?P<code>\S+)")
# members of a cassette, the likeliest first
_SENT = ("cmd", "command", "request", "query", "tx", "send", "sent", "write")
_RECEIVED = ("resp", "response", "reply", "answer", "rx", "recv", "received", "read")
_DIRECTION, _TEXT, _TIME = ("dir", "direction", "kind", "op", "type"), ("data", "text", "line", "payload"), ("t", "ts")
_TO_INSTRUMENT = frozenset({*_SENT, "out", "c2s", "client", ">", "w"})
_FROM_INSTRUMENT = frozenset({*_RECEIVED, "in", "s2c", "server", "instrument", "<", "r"})


class _Step(NamedTuple):
    """One operation: its resource, what it is, the bytes, the time; of a serial poll the byte."""

    resource: str
    op: str
    data: bytes
    time_s: float
    status: int = 0
    value: int | None = None


class _LeftOut(NamedTuple):
    """A line whose messages are not to be had."""

    line: int


class Imported(NamedTuple):
    """What came of another program's recording.

    Attributes
    ----------
    steps : int
        Writes, reads, and what else was done.
    left_out : tuple of int
        Lines of the source whose messages are made by running it, which is not done; calls of a trace that say too
        little for a recording.
    """

    steps: int
    left_out: tuple[int, ...]


def import_recording(source: Path, target: Path, form: str, *, resource: str = "") -> Imported:
    """Write a recording of another program as a traffic file.

    Parameters
    ----------
    source, target : Path
        The second must not exist.
    form : str
        One of :data:`FORMATS`.
    resource : str
        VISA resource name, where the source does not tell it; left out, GPIB0::1::INSTR and so on.

    Returns
    -------
    Imported

    Raises
    ------
    ReplayError
        If the source cannot be read or holds something that cannot be understood; the place is named.
    """
    try:
        text = source.read_text(encoding="utf-8-sig", errors="strict")
    except (OSError, UnicodeDecodeError) as error:
        raise ReplayError(f"{source}: cannot be read as text: {error}; name a file of the form {form!r}") from error
    found = list(FORMATS[form](source, text, resource))
    steps = [one for one in found if isinstance(one, _Step)]
    left_out = tuple(one.line for one in found if isinstance(one, _LeftOut))
    if not steps and left_out:
        lines = ", ".join(map(str, left_out))
        raise ReplayError(
            f"{source}: the messages of line {lines} are made by running the file, which is not done, and there are no"
            " others; write them out there as pairs"
        )
    if not steps:
        raise ReplayError(f"{source}: has nothing of the form {form!r} in it; the forms are {', '.join(FORMATS)}")
    numbers: dict[str, int] = {}
    with new_traffic_file(target, f"imported from {form}", {"rack_clock": False, "source": source.name}) as out:
        for step in steps:
            known = len(numbers)
            number = numbers.setdefault(step.resource, known + 1)
            if number > known:
                name = json.dumps(step.resource)
                out.write(f'{{"op":"open","s":{number},"t":{step.time_s!r},"resource":{name}}}')
            status = f',"st":{step.status}' if step.status else ""
            count = f',"n":{_COUNT}' if step.op == "r" else ""
            data = f",{written_bytes(step.data)}" if step.op in "wr" else ""
            value = "" if step.value is None else f',"v":{step.value}'
            out.write(f'{{"op":"{step.op}","s":{number},"t":{step.time_s!r}{status}{data}{count}{value}}}')
        for number in numbers.values():
            out.write(f'{{"op":"close","s":{number},"t":{steps[-1].time_s!r}}}')
    return Imported(len(steps), left_out)


def _of_pymeasure(source: Path, text: str, resource: str) -> Iterator[_Step | _LeftOut]:
    try:
        protocols = list(protocols_in(text))
    except SyntaxError as error:
        raise ReplayError(f"{source}: line {error.lineno} is no Python: {error.msg}") from error
    number = 0
    for line, pairs in protocols:
        if pairs is None:
            yield _LeftOut(line)
            continue
        number += 1
        name = resource or f"GPIB0::{number}::INSTR"
        for pair in pairs:
            if not (isinstance(pair, (list, tuple)) and len(pair) == 2):
                raise ReplayError(f"{source}: line {line}: {pair!r} is no pair of a message and an answer")
            for op, message in zip("wr", pair, strict=True):
                if message is not None:
                    data = message if isinstance(message, bytes) else str(message).encode("latin-1")
                    yield _Step(name, op, data + _LINE_FEED, 0.0)


def _of_io_trace(source: Path, text: str, resource: str) -> Iterator[_Step | _LeftOut]:
    sessions: dict[str, str] = {}
    for number, name, rest, time_s, status in _calls(source, text):
        op, polled = _OF_TRACE.get(name), _BYTE.search(rest)
        # a time-out tells no byte; a poll that went well says which it was
        if name in _NOT_HELD or (op == "stb" and polled is None and status >= 0):
            yield _LeftOut(int(number))
            continue
        if op is None:
            continue
        known = _RESOURCE.match(rest)
        session = rest.partition(",")[0].strip()
        place = known["name"] if known else sessions.setdefault(session, f"GPIB0::{len(sessions) + 1}::INSTR")
        if op not in ("w", "r"):
            value = int(polled["value"]) if polled is not None and op == "stb" else None
            yield _Step(resource or place, op, b"", time_s, status, value)
            continue
        buffer = _BUFFER.search(rest)
        if buffer is None:
            raise ReplayError(f"{source}: call {number}: {name} shows no buffer; capture with buffers shown")
        data = buffer["text"].encode("latin-1", "replace")
        done = int(buffer["done"] or (len(data) if name == "viRead" else buffer["asked"]))
        if len(data) != done:
            raise ReplayError(
                f"{source}: call {number}: {name} moved {done} bytes and shows {len(data)}; capture again with the"
                " full buffer mode"
            )
        if data.endswith(b"."):
            data = data[:-1] + _LINE_FEED
        yield _Step(resource or place, op, data, time_s, status)


def _calls(source: Path, text: str) -> Iterator[tuple[str, str, str, float, int]]:
    """Yield number, name, arguments, time and status of each call, of the text or the CSV form."""
    lines = text.splitlines()
    header = next((row for row in lines if "Description" in row and "," in row), None)
    if header is not None:
        for row in csv.DictReader(lines[lines.index(header) :]):
            found = _CALL.match(f"{row.get('Number') or 0} {row.get('Description') or ''}")
            if found:
                status = _code(row.get("Status") or "0")
                yield found["number"], found["name"], found["rest"], _clock_s(row.get("Time") or ""), status
        return
    calls = [(place, found) for place, line in enumerate(lines) if (found := _CALL.match(line))]
    ends = [place for place, _ in calls[1:]] + [len(lines)]
    for (place, found), end in zip(calls, ends, strict=True):
        told = "\n".join(lines[place + 1 : end])
        start, ended = _START.search(told), _STATUS.search(told)
        code = _code(ended["code"] if ended else "0")
        yield found["number"], found["name"], found["rest"], _clock_s(start["time"] if start else ""), code


def _code(text: str) -> int:
    try:
        code = int(text.split()[0], 0)
    except ValueError:
        return 0
    # a 32-bit pattern is a signed number
    return code - ((code >= 1 << 31) << 32)


def _clock_s(text: str) -> float:
    """Hours, minutes, seconds; the columns have milliseconds as a fourth number."""
    try:
        parts = [float(part) for part in text.replace(",", ".").split(":")]
    except ValueError:
        return 0.0
    thousandths = parts.pop() if len(parts) == 4 else 0.0
    return sum(part * 60.0**power for power, part in enumerate(reversed(parts))) + thousandths / 1000.0


def _of_scpi_replay(source: Path, text: str, resource: str) -> Iterator[_Step]:
    name = resource or "TCPIP0::192.0.2.1::5025::SOCKET"
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise ReplayError(f"{source}: line {number} is no JSON object; a cassette has one a line")
        found = list(_entry(entry))
        if not found and number > 1:
            raise ReplayError(
                f"{source}: line {number} has {', '.join(map(repr, entry))}: neither what was sent nor what was"
                f" answered is among them; known are {', '.join((*_SENT, *_RECEIVED))}, or {', '.join(_DIRECTION)} with"
                " data"
            )
        time_s = next((float(entry[key]) for key in _TIME if isinstance(entry.get(key), (int, float))), 0.0)
        yield from (_Step(name, op, data, time_s) for op, data in found)


def _entry(entry: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    direction = next((str(entry[key]).lower() for key in _DIRECTION if key in entry), "")
    op = "w" if direction in _TO_INSTRUMENT else "r" if direction in _FROM_INSTRUMENT else ""
    data = _bytes(entry, _TEXT)
    if op and data is not None:
        yield op, data
        return
    for which, names in (("w", _SENT), ("r", _RECEIVED)):
        data = _bytes(entry, names)
        if data is not None:
            yield which, data


def _bytes(entry: Mapping[str, Any], names: Iterable[str]) -> bytes | None:
    for name in names:
        for key in (f"{name}_b64", f"{name}_base64"):
            if isinstance(entry.get(key), str):
                return b64decode(entry[key])
        if isinstance(entry.get(name), str):
            data: bytes = entry[name].encode("utf-8")
            return data if data.endswith(_LINE_FEED) else data + _LINE_FEED
    return None


FORMATS: Mapping[str, Callable[[Path, str, str], Iterator[_Step | _LeftOut]]] = {
    "pymeasure": _of_pymeasure,
    "io-trace": _of_io_trace,
    "scpi-replay": _of_scpi_replay,
}
