"""The command tree of a SCPI instrument: header patterns as manuals print them, and the search for a sent header.

Rules: SCPI-99 volume 1, 6.2 (headers, short and long forms, optional nodes, numeric suffixes) and 6.2.4 (paths). Not
here: parameters (:mod:`labctl_mock.messages.parameters`), paths between message units
(:mod:`labctl_mock.messages.scpi`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from labctl_mock.messages.faults import MessageFault

if TYPE_CHECKING:
    from labctl_mock.messages.parameters import Parameter

__all__ = ["Command", "CommandTree", "Route", "mnemonic_forms"]

_CACHE_SIZE = 4096
_NODE = re.compile(r"(\[?):?([A-Za-z]+)(?:\[1\|(\d+)\])?:?(\]?)")
_SENT_NODE = re.compile(r"([A-Z_]+)([0-9]{0,9})")


def mnemonic_forms(mnemonic: str) -> tuple[str, str]:
    """Return short and long form in capitals: ``"VOLTage"`` gives ``("VOLT", "VOLTAGE")``."""
    return "".join(character for character in mnemonic if not character.islower()), mnemonic.upper()


@dataclass(frozen=True, slots=True)
class Command:
    """One command of an instrument.

    Attributes
    ----------
    pattern : str
        Header as manuals print it: ``"[SOURce[1|2]:]VOLTage[:LEVel]:HIGH"``.
    write : callable or None
        Called with the numeric suffixes, then the parameters' values; None where there is only a query.
    parameters : tuple of Parameter
        Of the command form.
    query : callable or None
        Called like ``write``, returns the response; None where there is only a command.
    query_parameters : tuple of Parameter
        Of the query form.
    """

    pattern: str
    write: Callable[..., None] | None = None
    parameters: tuple["Parameter", ...] = ()
    query: Callable[..., str] | None = None
    query_parameters: tuple["Parameter", ...] = ()


class Route(NamedTuple):
    """What a sent header leads to."""

    handler: Callable[..., str | None]
    parameters: tuple["Parameter", ...]
    suffixes: tuple[int, ...]
    is_query: bool


class _Node(NamedTuple):
    forms: tuple[str, str]
    is_optional: bool
    last_suffix: int | None


class _Spelling(NamedTuple):
    command: Command
    nodes: tuple[_Node, ...]
    is_sent: tuple[bool, ...]


class CommandTree:
    """All commands of an instrument, found by header.

    Parameters
    ----------
    commands : iterable of Command
        Two commands whose headers can be spelled alike are refused.

    Raises
    ------
    ValueError
        If a pattern cannot be read or two collide.
    """

    def __init__(self, commands: Iterable[Command]) -> None:
        self._spellings: dict[tuple[str, ...], _Spelling] = {}
        self._short_forms: dict[str, set[str]] = {}
        self._routes: dict[str, Route] = {}
        for command in commands:
            self._add(command)

    def _add(self, command: Command) -> None:
        nodes = _read_pattern(command.pattern)
        for node in nodes:
            for form in node.forms:
                self._short_forms.setdefault(form, set()).add(node.forms[0])
        for is_sent in product(*((False, True) if node.is_optional else (True,) for node in nodes)):
            key = tuple(node.forms[0] for node, sent in zip(nodes, is_sent, strict=True) if sent)
            if key in self._spellings:
                raise ValueError(f"command tree: {command.pattern!r} collides with {self._spellings[key][0].pattern!r}")
            self._spellings[key] = _Spelling(command, nodes, is_sent)

    def find(self, header: str) -> Route:
        """Return where ``header`` leads.

        Parameters
        ----------
        header : str
            Complete header from the root without leading colon, with ``?`` for a query; any case.

        Raises
        ------
        MessageFault
            -113 for a header that does not exist or lacks this form, -114 for a suffix out of range.
        """
        route = self._routes.get(header)
        if route is None:
            route = self._search(header.upper())
            if len(self._routes) >= _CACHE_SIZE:
                self._routes.clear()
            self._routes[header] = route
        return route

    def _search(self, header: str) -> Route:
        sent: list[tuple[str, str]] = []
        for text in header.removesuffix("?").split(":"):
            match = _SENT_NODE.fullmatch(text)
            if match is None or match[1] not in self._short_forms:
                raise MessageFault(-113, header[:40])
            sent.append((match[1], match[2]))
        for key in product(*(self._short_forms[text] for text, _ in sent)):
            spelling = self._spellings.get(key)
            if spelling is not None:
                route = _match(spelling, sent, is_query=header.endswith("?"))
                if route is not None:
                    return route
        raise MessageFault(-113, header[:40])


def _match(spelling: _Spelling, sent: list[tuple[str, str]], *, is_query: bool) -> Route | None:
    """Check the exact forms, collect the suffixes and choose the handler; None where something does not fit."""
    suffixes: list[int] = []
    rest = iter(sent)
    for node, is_sent in zip(spelling.nodes, spelling.is_sent, strict=True):
        text, digits = next(rest) if is_sent else (node.forms[0], "")
        if text not in node.forms or (digits and node.last_suffix is None):
            return None
        if node.last_suffix is not None:
            suffix = int(digits or 1)  # SCPI-99 volume 1, 6.2.5.2: no suffix means 1
            if not 1 <= suffix <= node.last_suffix:
                raise MessageFault(-114, f"{text}{digits}")
            suffixes.append(suffix)
    command = spelling.command
    handler = command.query if is_query else command.write
    if handler is None:
        return None
    return Route(handler, command.query_parameters if is_query else command.parameters, tuple(suffixes), is_query)


def _read_pattern(pattern: str) -> tuple[_Node, ...]:
    nodes: list[_Node] = []
    position = 0
    while position < len(pattern):
        match = _NODE.match(pattern, position)
        if match is None or bool(match[1]) != bool(match[4]):
            raise ValueError(f"command tree: the pattern {pattern!r} cannot be read at {pattern[position:]!r}")
        nodes.append(_Node(mnemonic_forms(match[2]), bool(match[1]), int(match[3]) if match[3] else None))
        position = match.end()
    return tuple(nodes)
