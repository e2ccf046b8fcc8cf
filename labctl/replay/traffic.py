"""Reading a traffic file: VISA operations as lines of JSON, one per operation, after a header.

The header has ``schema``, ``library`` (what PyVISA was asked for), ``created_utc``, ``versions``, ``rack_clock``
(whether the rack has a clock of its own), ``bench`` (what a simulated rack tells of itself) and, where some were
masked, ``masked_serials`` (the serial numbers that stand for others). A line has ``op``,
``s`` (number of the session), ``t`` (wall time since the start, s), ``r`` (rack time, s, where there is a rack clock),
``st`` (VISA status, left out for success) and what the operation needs: ``d`` bytes as text or ``x`` as base64, ``n``
the count that a read asked for, ``resource``, ``v`` a status byte, a key or a value.
Not here: writing it (:mod:`labctl.replay.writing`), answering from it (:mod:`labctl.replay.answering`).
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from labctl.errors import ReplayError

__all__ = ["OPERATIONS", "SCHEMA", "Operation", "TrafficFile", "shown"]

SCHEMA = 1
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
        for _, done in self.located():
            yield done

    def located(self) -> Iterator[tuple[int, Operation]]:
        """Yield what follows, in order, with the place of each line for :meth:`at`; the file is read once.

        Yields
        ------
        int, Operation

        Raises
        ------
        ReplayError
            If a line is cut or is no operation.
        """
        number, place = 2, self._file.tell()
        while texts := self._file.readlines(_CHUNK_BYTES):
            lines = (line for _, some in self._chunk(number, texts) for line in some)
            for text, found in zip(texts, lines, strict=True):
                yield place, self.operation(number, found)
                number += 1
                place += len(text)

    def at(self, place: int) -> tuple[bytes, int]:
        """Read one line again.

        Parameters
        ----------
        place : int
            As :meth:`located` told it.

        Returns
        -------
        tuple of bytes and int
            What was written or read, and the VISA status.

        Raises
        ------
        ReplayError
            If the file was changed meanwhile.
        """
        self._file.seek(place)
        try:
            found = json.loads(self._file.readline())
            data = found.get("d")
            return data.encode("ascii") if data is not None else b64decode(found["x"]), found.get("st", 0)
        except (KeyError, ValueError, AttributeError) as error:
            raise ReplayError(f"{self.path}: was changed while it was replayed ({error}); open it again") from error

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


def _unknown(op: object) -> str:
    raise ValueError(f"there is no operation {op!r}")
