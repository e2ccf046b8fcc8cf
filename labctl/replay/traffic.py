"""The traffic file: VISA operations as lines of JSON, one per operation, after a header.

The header has ``schema``, ``library`` (what PyVISA was asked for), ``created_utc``, ``versions``, ``rack_clock``
(whether the rack has a clock of its own) and ``bench`` (what a simulated rack tells of itself). A line has ``op``,
``s`` (number of the session), ``t`` (wall time since the start, s), ``r`` (rack time, s, where there is a rack clock),
``st`` (VISA status, left out for success) and what the operation needs: ``d`` bytes as text or ``x`` as base64, ``n``
the count that a read asked for, ``resource``, ``v`` a status byte, a key or a value.
Not here: making it (:mod:`labctl.replay.recording`), answering from it (:mod:`labctl.replay.answering`).
"""

import json
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from labctl.errors import ReplayError

__all__ = [
    "OPERATIONS",
    "SCHEMA",
    "Operation",
    "TrafficFile",
    "TrafficWriter",
    "new_traffic_file",
    "shown",
    "written_bytes",
]

SCHEMA = 1
_FLUSH_S = 0.2
_SOME_LINES, _LINES = 32, 256
_is_text = re.compile(rb"[\t\r\n -~]*").fullmatch
# some hundred lines; one that is longer comes alone
_CHUNK_BYTES = 32768
# op, what it is
OPERATIONS: Mapping[str, str] = {
    "open": "open a session",
    "close": "close it",
    "w": "write",
    "r": "read",
    "clear": "device clear",
    "stb": "serial poll",
    "trigger": "trigger",
    "lock": "lock",
    "unlock": "unlock",
    "wait": "wait for a service request",
    "get": "an attribute as it was answered",
}


class Operation(NamedTuple):
    """One line of a traffic file.

    Attributes
    ----------
    line : int
        Its number in the file, from 1.
    op : str
        One of :data:`OPERATIONS`.
    session : int
    data : bytes
        Written or read.
    status : int
        VISA status code.
    wall_s : float, unit s
        Since the start.
    rack_s : float or None, unit s
        On the clock of the rack.
    facts : Mapping of str to object
        The line as it stands.
    """

    line: int
    op: str
    session: int
    data: bytes
    status: int
    wall_s: float
    rack_s: float | None
    facts: Mapping[str, Any]


class TrafficWriter:
    """Writes a traffic file; what is older than a fifth of a second is with the system.

    Parameters
    ----------
    path : Path
        The file; an old one is refused.
    library : str
        What PyVISA was asked for.
    facts : Mapping of str to object
        More for the header.
    rack_now : callable, optional
        Returns the time of the rack, unit s.

    Attributes
    ----------
    header : dict of str to object
        Written with the first operation; facts may be added until then.
    last_s : float, unit s
        Wall time of the last line since the start, as it says it.

    Raises
    ------
    ReplayError
        If the file exists or cannot be made.
    """

    def __init__(
        self, path: Path, library: str, facts: Mapping[str, Any], rack_now: Callable[[], float] | None = None
    ) -> None:
        self.path = path
        self.last_s = 0.0
        self._rack_now = rack_now
        try:
            self._file = path.open("x", encoding="ascii", newline="\n")
        except FileExistsError:
            raise ReplayError(
                f"{path}: a recording is never written over; name another file or remove this one"
            ) from None
        except OSError as error:
            raise ReplayError(f"{path}: no recording can be made here: {error.strerror}; name another file") from error
        self.header: dict[str, Any] = {
            "schema": SCHEMA,
            "library": library,
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {name: version(name) for name in ("labctl", "pyvisa")},
            **facts,
        }
        self._is_begun = False
        self._waiting: list[tuple[str, int, float, float | None, int, bytes | None, str]] = []
        self._start_s = time.monotonic()
        self._due_s = self._start_s + _FLUSH_S

    def note(self, op: str, session: int, status: int, data: bytes | None = None, rest: str = "") -> None:
        """Write a line.

        Parameters
        ----------
        op : str
        session : int
        status : int
        data : bytes, optional
        rest : str
            More of the object, as JSON that begins with a comma.
        """
        if not self._is_begun:
            self._begin()
        now_s = time.monotonic()
        # whole microseconds
        self.last_s = wall_s = int(1e6 * (now_s - self._start_s)) / 1e6
        rack_s = None if self._rack_now is None else self._rack_now()
        waiting = self._waiting
        waiting.append((op, session, wall_s, rack_s, status, data, rest))
        # some lines at once cost less each, and after a question nobody waits for them: the instrument works
        if (op == "w" and len(waiting) > _SOME_LINES) or now_s > self._due_s or len(waiting) > _LINES:
            self._write_out()
            if now_s > self._due_s:
                self._file.flush()
                self._due_s = now_s + _FLUSH_S

    def begun(self) -> IO[str]:
        """Return the file behind its header."""
        if not self._is_begun:
            self._begin()
        return self._file

    def close(self) -> None:
        """Write what is left."""
        if not self._is_begun:
            self._begin()
        self._write_out()
        self._file.close()

    def _write_out(self) -> None:
        self._file.write("".join([_line(*one) for one in self._waiting]))
        self._waiting.clear()

    def _begin(self) -> None:
        self._file.write(json.dumps(self.header) + "\n")
        self._is_begun = True


@contextmanager
def new_traffic_file(path: Path, library: str, facts: Mapping[str, Any]) -> Iterator[IO[str]]:
    """Open a new traffic file for lines that were not just recorded; its header is written.

    Parameters
    ----------
    path : Path
    library : str
        Where the lines come from.
    facts : mapping of str to object
        More for the header.

    Yields
    ------
    file
        Takes lines.

    Raises
    ------
    ReplayError
        If the file exists or cannot be made.
    """
    writer = TrafficWriter(path, library, facts)
    try:
        yield writer.begun()
    finally:
        writer.close()


class TrafficFile:
    """A traffic file, read line by line.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ReplayError
        If there is no such file, or its header is none of this version.

    Attributes
    ----------
    header : Mapping of str to object
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise ReplayError(f"{path}: the recording cannot be read: {error.strerror}; name a traffic file") from error
        try:
            self.header = self._header()
        except ReplayError:
            self.close()
            raise

    def __enter__(self) -> "TrafficFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def operations(self) -> Iterator[Operation]:
        """Yield what follows, in order; the file is read once.

        Yields
        ------
        Operation

        Raises
        ------
        ReplayError
            If a line is cut or is no operation.
        """
        for first, lines in self.chunks():
            for number, found in enumerate(lines, start=first):
                yield self.operation(number, found)

    def chunks(self) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield what follows as it stands, some hundred lines at once; the file is read once.

        Yields
        ------
        int, list of dict
            Number of the first line, and the lines.

        Raises
        ------
        ReplayError
            If a line is cut, once those before it were taken.
        """
        first = 2
        while texts := self._file.readlines(_CHUNK_BYTES):
            yield from self._chunk(first, texts)
            first += len(texts)

    def operation(self, number: int, found: Mapping[str, Any]) -> Operation:
        """Return a line as an operation.

        Parameters
        ----------
        number : int
            Of the line.
        found : mapping of str to object

        Returns
        -------
        Operation

        Raises
        ------
        ReplayError
            If it is none.
        """
        try:
            op, data = found["op"], found.get("d")
            return Operation(
                number,
                op if op in OPERATIONS else _unknown(op),
                found["s"],
                data.encode("ascii") if data is not None else b64decode(found.get("x", ""), validate=True),
                found.get("st", 0),
                found["t"],
                found.get("r"),
                found,
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ReplayError(f"{self.path}: line {number} is no operation ({error}); correct it") from error

    def _header(self) -> Mapping[str, Any]:
        header = self._parsed(1, self._file.readline())
        if not isinstance(header.get("schema"), int):
            raise ReplayError(f"{self.path}: line 1 is no header of a traffic file; name one that was recorded")
        if header["schema"] > SCHEMA:
            raise ReplayError(
                f"{self.path}: has schema {header['schema']}, this labctl reads up to {SCHEMA}; install a newer labctl"
            )
        return header

    def _chunk(self, first: int, texts: list[bytes]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        # many lines at once: twice as quick as one by one
        if texts[-1].endswith(b"\n"):
            try:
                found = json.loads(b"[" + b",".join(texts) + b"]")
            except ValueError:
                found = []
            if len(found) == len(texts) and all(isinstance(one, dict) for one in found):
                yield first, found
                return
        for number, text in enumerate(texts, start=first):
            yield number, [self._parsed(number, text)]

    def _parsed(self, number: int, text: bytes) -> dict[str, Any]:
        try:
            found = json.loads(text) if text.endswith(b"\n") else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ReplayError(
                f"{self.path}: line {number} is cut or damaged; remove it and what follows to replay what is before it"
            )
        return found


def shown(data: bytes) -> str:
    """Write bytes for a message.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    str
        At most 80 characters.
    """
    text = repr(data)[1:]
    return text if len(text) <= 80 else f"{text[:76]} ..."


def written_bytes(data: bytes) -> str:
    """Write bytes as a member of a line.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    str
        ``"d":`` and text, or ``"x":`` and base64.
    """
    return f'"d":{quoted(data.decode("ascii"))}' if _is_text(data) else f'"x":"{_packed(data)}"'


def _line(
    op: str, session: int, wall_s: float, rack_s: float | None, status: int, data: bytes | None, rest: str
) -> str:
    # by hand: json.dumps of the whole costs as much as a question to a bench in process
    rack = "" if rack_s is None else f',"r":{rack_s!r}'
    said = f',"st":{int(status)}' if status else ""
    words = "" if data is None else f",{written_bytes(data)}"
    return f'{{"op":"{op}","s":{session},"t":{wall_s!r}{rack}{said}{words}{rest}}}\n'


def _packed(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _unknown(op: object) -> str:
    raise ValueError(f"there is no operation {op!r}")
