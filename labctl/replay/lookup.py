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
        self.begins = bytearray()
        self._next = self._last = 0

    def note(self, place: int, *, is_first: bool) -> None:
        self.places.append(place)
        self.begins.append(is_first)

    def take(self) -> list[int]:
        """Return the reads of the next answer; the last answer stands for all that come later."""
        if self._next < len(self.places):
            self._last = self._next
        end = self.begins.find(1, self._last + 1)
        self._next = end if end > 0 else len(self.places)
        return self.places[self._last : self._next].tolist()


class Answers:
    """What each resource answered to each write.

    Answers stay in the file: five bytes of memory are needed for each read, nine above 4 GB, and some hundred for each
    different question.

    Parameters
    ----------
    file : TrafficFile
        A whole recording, not yet read; it stays open.

    Attributes
    ----------
    resources : set of str
        Those that were opened.
    attributes : dict of str to dict
        Recorded attributes by resource.
    """

    def __init__(self, file: TrafficFile) -> None:
        self.resources: set[str] = set()
        self.attributes: dict[str, dict[int, Any]] = {}
        self._file = file
        self._answers: dict[tuple[str, bytes], _Reads] = {}
        # an answer is what came back in one read or in several, each with its status
        self._waiting: dict[str, list[int]] = {}
        # what is left of a read that was longer than the program asks for at once
        self._rest: dict[str, tuple[bytes, int]] = {}
        self._bytes: dict[str, int] = {}
        names: dict[int, str] = {}
        written: dict[str, bytes] = {}
        is_answered: dict[str, bool] = {}
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
            elif one.op == "r" and one.data and name in written:
                key = name, written[name]
                known = self._answers.get(key)
                if known is None:
                    known = self._answers[key] = _Reads(code)
                known.note(place, is_first=not is_answered[name])
                is_answered[name] = True
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
            If nothing like it was written to this resource; what was is listed.
        """
        self._rest.pop(resource, None)
        known = self._answers.get((resource, data))
        if known is None:
            # a setting has no answer; whether it was recorded does not matter to anybody
            self._waiting.pop(resource, None)
            if b"?" in data or data.lstrip().startswith(b"print("):
                asked = sorted({shown(text) for name, text in self._answers if name == resource})[:5]
                raise ReplayError(
                    f"{resource}: {shown(data)} was not asked when this was recorded; it was asked {', '.join(asked)} …"
                )
            return
        self._waiting[resource] = known.take()

    def answer(self, resource: str, count: int) -> tuple[bytes, int]:
        """Give at most ``count`` bytes of the answer that waits.

        Parameters
        ----------
        resource : str
        count : int

        Returns
        -------
        tuple of bytes and int
            With the VISA status: a time-out where nothing waits.

        Raises
        ------
        ReplayError
            If the file was changed meanwhile.
        """
        rest = self._rest.pop(resource, None)
        if rest is None:
            waiting = self._waiting.get(resource)
            if not waiting:
                return b"", int(StatusCode.error_timeout)
            rest = self._file.at(waiting.pop(0))
        data, status = rest
        if len(data) > count:
            self._rest[resource] = data[count:], status
            return data[:count], int(StatusCode.success_max_count_read)
        return data, status

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
