"""Writing a traffic file while a program talks to its instruments, or from lines that are known already.

Not here: the format and its reading (:mod:`labctl.replay.traffic`), what is noted (:mod:`labctl.replay.recording`).
"""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any
from weakref import ref

from labctl.errors import ReplayError
from labctl.replay.protection import checked
from labctl.replay.traffic import SCHEMA

__all__ = ["TrafficWriter", "new_traffic_file", "written_bytes"]

_FLUSH_S = 0.2
_SOME_LINES, _LINES = 32, 256
_SOME_BYTES = 1 << 16


class TrafficWriter:
    """Writes a traffic file; what is older than a fifth of a second is with the system, also where nothing follows.

    Each line ends with its check, and the last one, which only :meth:`close` writes, with their number.

    Where the system does not take it, as on a full disk, it is kept and tried again. The program hears of it in one of
    the next operations, or when it closes the file.

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
    is_whole : bool
        Whether the file gets an end line; taken from one whose lines come from a recording that has none.

    Raises
    ------
    ReplayError
        If the file exists or cannot be made.
    """

    def __init__(
        self, path: Path, library: str, facts: Mapping[str, Any], rack_now: Callable[[], float] | None = None
    ) -> None:
        self.path = path
        self._rack_now = rack_now
        try:
            # without a buffer of its own: Python's is emptied, not kept, when the system refuses it
            self._file = path.open("xb", buffering=0)
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
        self.is_whole = True
        self._is_begun = self._has_end = False
        self._pending = b""
        # CRC-32 of every byte that was put into words, and how many lines they are
        self._crc = self._lines = 0
        self._waiting: list[tuple[str, int, float, float | None, int, bytes | None, str]] = []
        self._last_s = self._start_s = time.monotonic()
        # whoever writes out: the program, or the thread that does so where the program pauses
        self._lock = threading.Lock()
        self._is_ended = threading.Event()

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
            threading.Thread(target=_flush_now_and_then, args=(ref(self), self._is_ended), daemon=True).start()
        self._last_s = now_s = time.monotonic()
        waiting = self._waiting
        # put into words later: the program waits for this
        waiting.append((op, session, now_s, self._rack_now and self._rack_now(), status, data, rest))
        # some lines at once cost less each, and after a question nobody waits for them: the instrument works
        if (op == "w" and len(waiting) > _SOME_LINES) or len(waiting) > _LINES:
            with self._lock:
                self._write_out()

    @property
    def last_s(self) -> float:
        """Wall time of the last line since the start, as it says it.

        Returns
        -------
        float, unit s
        """
        return _microseconds(self._last_s - self._start_s)

    def write(self, line: str) -> None:
        """Write a line that was not just noted, behind the header.

        Parameters
        ----------
        line : str
            A JSON object, without line end.
        """
        if not self._is_begun:
            self._begin()
        with self._lock:
            self._pend([line[:-1]])
            if len(self._pending) > _SOME_BYTES:
                self._write_out()

    def flush(self) -> None:
        """Give what was noted to the system."""
        with self._lock:
            if not self._file.closed:
                self._write_out()

    def close(self) -> None:
        """Write what is left, and the end line."""
        self._is_ended.set()
        if not self._is_begun:
            self._begin()
        with self._lock:
            if self._file.closed:
                return
            self._write_out()
            if self.is_whole and not self._has_end:
                self._pend([f'{{"op":"end","n":{self._lines}'])
                self._has_end = True
                self._write_out()
            self._file.close()

    def _write_out(self) -> None:
        # another thread may note a line meanwhile: it stays
        waiting, start_s = self._waiting[:], self._start_s
        lines = []
        # by hand: json.dumps of the whole costs as much as a question to a bench in process
        for op, session, now_s, rack_s, status, data, rest in waiting:
            rack = "" if rack_s is None else f',"r":{rack_s!r}'
            said = f',"st":{int(status)}' if status else ""
            words = "" if data is None else f",{written_bytes(data)}"
            wall_s = _microseconds(now_s - start_s)
            lines.append(f'{{"op":"{op}","s":{session},"t":{wall_s!r}{rack}{said}{words}{rest}')
        self._pend(lines)
        del self._waiting[: len(waiting)]
        while self._pending:
            self._pending = self._pending[self._file.write(self._pending) :]

    def _pend(self, lines: list[str]) -> None:
        """Let lines, without their last brace, wait for the system."""
        text, self._crc = checked(lines, self._crc)
        self._lines += len(lines)
        self._pending += text

    def _begin(self) -> None:
        self._pend([json.dumps(self.header)[:-1]])
        self._is_begun = True


@contextmanager
def new_traffic_file(path: Path, library: str, facts: Mapping[str, Any]) -> Iterator[TrafficWriter]:
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
    TrafficWriter
        Takes lines by :meth:`TrafficWriter.write`.

    Raises
    ------
    ReplayError
        If the file exists or cannot be made.
    """
    writer = TrafficWriter(path, library, facts)
    try:
        yield writer
    except BaseException:
        writer.is_whole = False
        raise
    finally:
        writer.close()


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
    return f'"d":{quoted(data.decode("ascii"))}' if data.isascii() else f'"x":"{_packed(data)}"'


def _microseconds(time_s: float) -> float:
    """Leave whole microseconds: what is below says nothing and takes place."""
    return int(1e6 * time_s) / 1e6


def _packed(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _flush_now_and_then(writer: "ref[TrafficWriter]", is_ended: threading.Event) -> None:
    while not is_ended.wait(_FLUSH_S):
        known = writer()
        if known is None:
            return
        # there may be room in a moment; here nobody would hear of it
        with suppress(OSError):
            known.flush()
        del known
