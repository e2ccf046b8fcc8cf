"""Recorded answers by what was written, for a replay that does not mind the order.

Not here: the VISA library (:mod:`labctl.replay.answering`).
"""

from array import array
from typing import Any

from pyvisa.constants import StatusCode

from labctl.errors import ReplayError
from labctl.replay.traffic import TrafficFile, shown

__all__ = ["Answers"]


class _Reads:
    """Where in the file the reads behind one question are, and which of them begin an answer."""

    def __init__(self, code: str) -> None:
        self.places = array(code)
        # seconds after the answer before it in the file, whoever gave that
        self.gaps = array("f")
        self.begins = bytearray()
        self._next = self._last = self._turn = 0

    def note(self, place: int, gap_s: float | None, *, is_first: bool) -> None:
        self.places.append(place)
        self.begins.append(is_first)
        if gap_s is not None:
            self.gaps.append(gap_s)

    def begin(self) -> None:
        """Turn to the reads of the next answer; the last answer stands for all that come later."""
        if self._next < len(self.places):
            self._last = self._next
        end = self.begins.find(1, self._last + 1)
        self._next = end if end > 0 else len(self.places)
        self._turn = self._last

    def turn(self) -> int:
        """Return which read is next in this answer; -1 behind the last."""
        if self._turn == self._next:
            return -1
        self._turn += 1
        return self._turn - 1


class Answers:
    """What each resource answered to each write.

    Answers stay in the file: five bytes of memory are needed for each read, nine above 4 GB, four more where times
    count, and some hundred for each different question, some ten for each different setting.

    Parameters
    ----------
    file : TrafficFile
        A whole recording, not yet read; it stays open.
    is_paced : bool
        Whether somebody asks how long answers took.

    Attributes
    ----------
    resources : set of str
        Those that were opened.
    attributes : dict of str to dict
        Recorded attributes by resource.
    """

    def __init__(self, file: TrafficFile, *, is_paced: bool = False) -> None:
        self.resources: set[str] = set()
        self.attributes: dict[str, dict[int, Any]] = {}
        self._file = file
        self._answers: dict[tuple[str, bytes], _Reads] = {}
        # only their hashes: a sweep sets millions of levels
        self._written: set[int] = set()
        self._unrecorded = 0
        self._first_unrecorded = ""
        # what was written last and is not in the recording: there is no answer to it
        self._unknown: dict[str, bytes] = {}
        # an answer is what came back in one read or in several, each with its status
        self._waiting: dict[str, _Reads] = {}
        # what is left of a read that was longer than the program asks for at once
        self._rest: dict[str, tuple[bytes, int, float, float]] = {}
        self._bytes: dict[str, int] = {}
        names: dict[int, str] = {}
        written: dict[str, bytes] = {}
        is_answered: dict[str, bool] = {}
        answered_s = 0.0
        code = "I" if file.path.stat().st_size < 1 << 32 else "Q"
        for place, one in file.located():
            if one.op == "open":
                name = str(one.facts["resource"])
                names[one.session] = name
                self.resources.add(name)
            elif one.op == "get":
                self.attributes.setdefault(names.get(one.session, ""), {})[one.facts["a"]] = one.facts["v"]
            name = names.get(one.session, "")
            if one.op == "w":
                written[name], is_answered[name] = one.data, False
                self._written.add(hash((name, one.data)))
            elif one.op == "r" and one.data and name in written:
                key = name, written[name]
                known = self._answers.get(key)
                if known is None:
                    known = self._answers[key] = _Reads(code)
                gap_s = max(0.0, one.wall_s - answered_s) if is_paced else None
                known.note(place, gap_s, is_first=not is_answered[name])
                is_answered[name], answered_s = True, one.wall_s
            elif one.op == "stb":
                self._bytes[name] = int(one.facts.get("v", 0))

    def ask(self, resource: str, data: bytes) -> None:
        """Take a write.

        Parameters
        ----------
        resource : str
        data : bytes

        Raises
        ------
        ReplayError
            If it is a question that this resource was not asked; what it was asked is listed.
        """
        if self._rest:
            self._rest.pop(resource, None)
        if self._unknown:
            self._unknown.pop(resource, None)
        known = self._answers.get((resource, data))
        if known is not None:
            known.begin()
            self._waiting[resource] = known
            return
        self._waiting.pop(resource, None)
        if hash((resource, data)) in self._written:
            return
        if b"?" in data or data.lstrip().startswith(b"print("):
            raise self._never_asked(resource, data)
        self._unknown[resource] = data
        self._first_unrecorded = self._first_unrecorded or f"{resource}: {shown(data)}"
        self._unrecorded += 1

    def unrecorded(self) -> str:
        """Say which settings were taken that the recording does not have.

        Returns
        -------
        str
            How many, and the first; "" where there were none.
        """
        if not self._unrecorded:
            return ""
        return (
            f"{self._file.path}: {self._unrecorded} writes are not in the recording and had no effect, the first:"
            f" {self._first_unrecorded}; what was answered afterwards was recorded without them; record them, too, if"
            " they matter"
        )

    def _never_asked(self, resource: str, data: bytes) -> ReplayError:
        asked = sorted({shown(text) for name, text in self._answers if name == resource})[:5]
        return ReplayError(
            f"{self._file.path}: {resource}: {shown(data)} was not asked when this was recorded; it was asked"
            f" {', '.join(asked) or 'nothing'} …; ask what was asked then, or record this question, too"
        )

    def answer(self, resource: str, count: int) -> tuple[bytes, int, float, float]:
        """Give at most ``count`` bytes of the answer that waits.

        Parameters
        ----------
        resource : str
        count : int

        Returns
        -------
        tuple of bytes, int, float and float
            With the VISA status, a time-out where nothing waits; with its time, unit s, and how long it came after the
            answer before it in the recording, unit s.

        Raises
        ------
        ReplayError
            If the message before it is not in the recording, or the file was changed meanwhile.
        """
        rest = self._rest.pop(resource, None) if self._rest else None
        if rest is None:
            known = self._waiting.get(resource)
            turn = -1 if known is None else known.turn()
            if known is None or turn < 0:
                if resource in self._unknown:
                    raise self._never_asked(resource, self._unknown[resource])
                return b"", int(StatusCode.error_timeout), 0.0, 0.0
            rest = *self._file.at(known.places[turn]), known.gaps[turn] if known.gaps else 0.0
        data, status, now_s, gap_s = rest
        if len(data) > count:
            self._rest[resource] = data[count:], status, now_s, 0.0
            return data[:count], int(StatusCode.success_max_count_read), now_s, gap_s
        return rest

    def status_byte(self, resource: str) -> int:
        """Return the status byte that was recorded last.

        Parameters
        ----------
        resource : str

        Returns
        -------
        int
        """
        return self._bytes.get(resource, 0)
