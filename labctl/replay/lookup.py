"""Recorded answers by what was written, for a replay that does not mind the order.

Not here: the VISA library (:mod:`labctl.replay.answering`).
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pyvisa.constants import StatusCode

from labctl.errors import ReplayError
from labctl.replay.traffic import Operation, shown

__all__ = ["Answers"]


class Answers:
    """What each resource answered to each write.

    Parameters
    ----------
    operations : iterable of Operation
        Of a whole recording.

    Attributes
    ----------
    resources : set of str
        Those that were opened.
    attributes : dict of str to dict
        Recorded attributes by resource.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.resources: set[str] = set()
        self.attributes: dict[str, dict[int, Any]] = {}
        # an answer is what came back in one read or in several, each with its status
        self._answers: dict[tuple[str, bytes], list[list[tuple[bytes, int]]]] = defaultdict(list)
        self._given: dict[tuple[str, bytes], int] = defaultdict(int)
        self._waiting: dict[str, list[tuple[bytes, int]]] = {}
        self._bytes: dict[str, int] = {}
        names: dict[int, str] = {}
        written: dict[str, bytes] = {}
        is_answered: dict[str, bool] = {}
        for one in operations:
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
                known = self._answers[name, written[name]]
                if not is_answered[name]:
                    known.append([])
                    is_answered[name] = True
                known[-1].append((one.data, one.status))
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
        key = resource, data
        known = self._answers.get(key)
        if not known:
            # a setting has no answer; whether it was recorded does not matter to anybody
            self._waiting.pop(resource, None)
            if b"?" in data or data.lstrip().startswith(b"print("):
                asked = sorted({shown(text) for name, text in self._answers if name == resource})[:5]
                raise ReplayError(
                    f"{resource}: {shown(data)} was not asked when this was recorded; it was asked {', '.join(asked)} …"
                )
            return
        place = min(self._given[key], len(known) - 1)
        self._given[key] += 1
        self._waiting[resource] = list(known[place])

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
        """
        waiting = self._waiting.get(resource)
        if not waiting:
            return b"", int(StatusCode.error_timeout)
        data, status = waiting.pop(0)
        if len(data) > count:
            waiting.insert(0, (data[count:], status))
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
