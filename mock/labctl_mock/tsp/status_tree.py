"""The global table ``status``: register sets that scripts read and write.

A condition is computed when it is asked for; events latch conditions that were seen to rise. Not here: the standard
event register and the status byte themselves (:mod:`labctl_mock.messages.status`). Source: 2600BS-901-01 Rev. F,
section 12, "Status model"; left out: summary bits of every register set but the standard one, TSP-Link nodes,
negative transitions.
"""

from collections.abc import Callable, Mapping

from labctl_mock.messages.status import Status
from labctl_mock.tsp.objects import TspObject, Value, number

__all__ = ["status_tree"]


class _RegisterSet:
    """Condition, event, enable and transition filters of one register."""

    def __init__(self, condition: Callable[[], int]) -> None:
        self._condition = condition
        self._previous = 0
        self._event = 0

    def condition(self) -> int:
        bits = self._condition()
        self._event |= bits & ~self._previous
        self._previous = bits
        return bits

    def event(self) -> int:
        self.condition()
        value, self._event = self._event, 0
        return value

    def tree(self) -> TspObject:
        tree = TspObject(luatype="status_register", getters={"condition": self.condition, "event": self.event})
        for name, start in (("enable", 0), ("ntr", 0), ("ptr", 0x7FFF)):
            tree.hold(name, start, lambda value: int(number(value, 0, 0x7FFF)))
        return tree


def status_tree(status: Status, byte: Callable[[], int], conditions: Mapping[str, Callable[[], int]]) -> TspObject:
    """Return the table ``status``.

    Parameters
    ----------
    status : Status
        Standard event register and service enable of the instrument.
    byte : callable
        Returns the status byte.
    conditions : mapping of str to callable
        Condition registers by dotted path, such as ``"measurement.instrument.smua"``; parents are made as needed.

    Returns
    -------
    TspObject
    """
    root = TspObject(luatype="status")
    root.getters["condition"] = byte
    root.getters["request_enable"] = root.getters["node_enable"] = lambda: status.service_enable

    def write_request(value: Value) -> None:
        status.service_enable = int(number(value, 0, 255)) & ~0x40

    root.setters["request_enable"] = root.setters["node_enable"] = write_request
    root.children["standard"] = _standard(status)
    for path, condition in conditions.items():
        _place(root, path.split("."), condition)
    root.functions["reset"] = lambda: _reset(root, status)
    return root


def _standard(status: Status) -> TspObject:
    def read() -> int:
        value, status.events = status.events, 0
        return value

    def enable(value: Value) -> None:
        status.event_enable = int(number(value, 0, 255))

    tree = TspObject(luatype="status_register")
    tree.getters.update(event=read, condition=lambda: status.events, enable=lambda: status.event_enable)
    tree.setters["enable"] = enable
    return tree


def _place(root: TspObject, path: list[str], condition: Callable[[], int]) -> None:
    node = root
    for name in path[:-1]:
        node = node.children.setdefault(name, _RegisterSet(lambda: 0).tree())
    old = node.children.get(path[-1])
    new = _RegisterSet(condition).tree()
    if old is not None:
        new.children.update(old.children)
    node.children[path[-1]] = new


def _reset(root: TspObject, status: Status) -> None:
    status.event_enable = status.service_enable = 0
    pending = [child for name, child in root.children.items() if name != "standard"]
    while pending:
        node = pending.pop()
        node.getters["event"]()
        for name, value in (("enable", 0), ("ntr", 0), ("ptr", 0x7FFF)):
            node.setters[name](value)
        pending.extend(node.children.values())
