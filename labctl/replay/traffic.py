"""Reading a traffic file: VISA operations as lines of JSON, one per operation, after a header.

The header has ``schema``, ``library`` (what PyVISA was asked for), ``created_utc``, ``versions``, ``rack_clock``
(whether the rack has a clock of its own), ``bench`` (what a simulated rack tells of itself) and, where some were
masked, ``masked_serials`` (the serial numbers that stand for others). A line has ``op``,
``s`` (number of the session), ``t`` (wall time since the start, s), ``r`` (rack time, s, where there is a rack clock),
``st`` (VISA status, left out for success) and what the operation needs: ``d`` bytes as text or ``x`` as base64, ``n``
the count that a read asked for, ``resource``, ``v`` a status byte, a key or a value. From schema 2 on each line, the
header too, ends with ``c``: the CRC-32 of all bytes of the file before it. The line after the last operation is
``{"op":"end","n":N,"c":C}`` with the number of lines before it; where the recorder was killed there is none. A header
without ``c`` says that nothing is protected.
Not here: writing it (:mod:`labctl.replay.writing`), answering from it (:mod:`labctl.replay.answering`).
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from functools import partial
from os import SEEK_END
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from labctl.errors import ReplayError
from labctl.replay.protection import CHECK, END, crc_behind, unedited

__all__ = ["OPERATIONS", "SCHEMA", "Operation", "TrafficFile", "shown", "shown_apart"]

SCHEMA = 2
# the end line is shorter
_END_BYTES = 128
# characters of a message, and how many of them before a difference
_SHOWN, _BEFORE = 80, 20
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
    is_protected : bool
        Whether a line that was changed after it was recorded is refused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_protected = False
        # CRC-32 of all bytes that were read
        self._crc = 0
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
            # the end line is no operation
            for text, found in zip(texts, lines, strict=False):
                yield place, self.operation(number, found)
                number += 1
                place += len(text)

    def at(self, place: int) -> tuple[bytes, int, float]:
        """Read one line again.

        Parameters
        ----------
        place : int
            As :meth:`located` told it.

        Returns
        -------
        tuple of bytes, int and float
            What was written or read, the VISA status, and its time, of the rack where that has a clock, unit s.

        Raises
        ------
        ReplayError
            If the file was changed meanwhile.
        """
        self._file.seek(place)
        try:
            found = json.loads(self._file.readline())
            data = found.get("d")
            read = data.encode("ascii") if data is not None else b64decode(found["x"])
            return read, found.get("st", 0), found["r"] if "r" in found else found["t"]
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

    def unfinished(self) -> str:
        """Say whether the end of a protected file is missing; what is read next stays what it is.

        Returns
        -------
        str
            What is missing, and behind which line; "" where nothing is, or where nothing is protected.
        """
        place = self._file.tell()
        try:
            self._file.seek(max(0, self._file.seek(0, SEEK_END) - _END_BYTES))
            last = self._file.read().rstrip(b"\n").rpartition(b"\n")[2]
            if not self.is_protected or last.startswith(END):
                return ""
            self._file.seek(0)
            lines = sum(some.count(b"\n") for some in iter(partial(self._file.read, 1 << 20), b""))
        finally:
            self._file.seek(place)
        return (
            f"{self.path}: the recording has no end: line {lines} is the last whole one and no end line follows; the"
            " program that recorded was killed or still records, or the file was cut; record it again if more is needed"
        )

    def _header(self) -> Mapping[str, Any]:
        text = self._file.readline()
        header = self._parsed(1, text)
        self.is_protected = "c" in header
        if not isinstance(header.get("schema"), int):
            raise ReplayError(f"{self.path}: line 1 is no header of a traffic file; name one that was recorded")
        if header["schema"] > SCHEMA:
            raise ReplayError(
                f"{self.path}: has schema {header['schema']}, this labctl reads up to {SCHEMA}; install a newer labctl"
            )
        if self.is_protected:
            self._check(1, text)
        return header

    def _chunk(self, first: int, texts: list[bytes]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        text = b"".join(texts)
        crc = crc_behind(text, self._crc) if self.is_protected else 0
        # many lines at once: twice as quick as one by one
        if crc is not None and text.endswith(b"\n"):
            try:
                found = json.loads(b"[" + b",".join(texts) + b"]")
            except ValueError:
                found = []
            if len(found) == len(texts) and all(isinstance(one, dict) for one in found):
                self._crc = crc
                if found[-1].get("op") == "end":
                    self._check_count(first + len(found) - 1, found.pop())
                yield first, found
                return
        for number, line in enumerate(texts, start=first):
            # one without its end was cut, not changed
            if self.is_protected and line.endswith(b"\n"):
                self._check(number, line)
            one = self._parsed(number, line)
            if one.get("op") == "end":
                self._check_count(number, one)
            else:
                yield number, [one]

    def _check(self, number: int, text: bytes) -> None:
        crc = crc_behind(text, self._crc)
        if crc is not None:
            self._crc = crc
            return
        before = unedited(text, self._crc)
        if before is not None:
            how = f": it says {_said(text)}, and before one byte of it was changed {_said(before)}"
        else:
            how = (
                f", or one before it was taken out or put in: it says {_said(text)}, and its check,"
                f" {_check_of(text)}, is not that of the lines up to it"
            )
        raise ReplayError(
            f"{self.path}: line {number} was changed after it was recorded{how}; take the recording as it was made, or"
            ' make it again; to replay what was changed on purpose, take "c" out of line 1'
        )

    def _check_count(self, number: int, end: Mapping[str, Any]) -> None:
        if end.get("n") != number - 1:
            raise ReplayError(
                f"{self.path}: line {number} ends a recording of {end.get('n')} lines, and {number - 1} stand before"
                " it: lines were taken out or put in; take the recording as it was made, or correct the number"
            )

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
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]} ..."


def shown_apart(first: bytes, second: bytes) -> tuple[str, str]:
    """Write two texts for a message, so that it can be seen where they differ.

    Parameters
    ----------
    first, second : bytes

    Returns
    -------
    tuple of str and str
        Of long ones what is before the first difference is cut.
    """
    shared = next((place for place, (one, two) in enumerate(zip(first, second, strict=False)) if one != two), 0)
    cut = max(0, shared - _BEFORE) if max(len(first), len(second)) > _SHOWN else 0
    mark = "... " if cut else ""
    return mark + shown(first[cut:]), mark + shown(second[cut:])


def _said(text: bytes) -> str:
    """Tell a line: what was done and with what, or as it stands."""
    try:
        found = json.loads(text)
        words = found.get("d", found.get("v", found.get("resource")))
        return f"{OPERATIONS[found['op']]} {words!r}" if words is not None else shown(text.rstrip())
    except (ValueError, KeyError, TypeError, AttributeError):
        return shown(text.rstrip())


def _check_of(text: bytes) -> str:
    check = text.rpartition(CHECK)[2].rstrip(b"}\n")
    return check.decode() if CHECK in text and check.isdigit() else "which is missing"


def _unknown(op: object) -> str:
    raise ValueError(f"there is no operation {op!r}")
