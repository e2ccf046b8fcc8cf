"""The simulated Keithley 707B, six-slot switching matrix, with 7174A cards.

Sources: 707B-901-01 Rev. B (reference manual; connection rules pages 2-82 to 2-84 and 7-19), data sheet of the 7174A
(8 by 12, relay settling below 1 ms; quoted from memory). It imitates closing and opening with their times,
connection rules, user delays, forbidden channels and closure counts. It does not imitate scans, patterns, backplane
jumpers, other cards, contact life or card interlocks. Not here: the dialect (:mod:`labctl_mock.tsp`), what a
crosspoint joins and hot switching (:mod:`labctl_mock.bench.circuit`).
"""

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import ClassVar

from labctl.errors import StationError
from labctl_mock.bench.terminals import Circuit
from labctl_mock.keithley.channel_list import CARD_COLUMNS, CARD_ROWS, parse_channels, slot_channels
from labctl_mock.tsp.faults import TspFault
from labctl_mock.tsp.instrument import TspInstrument
from labctl_mock.tsp.objects import TspObject, Value, choice, number, text

__all__ = ["SimulatedKeithley707B"]

_OPERATE_S = 1e-3  # 7174A: relay settling time, closing
_RELEASE_S = 1e-3  # 7174A: likewise, opening
_SLOTS = 6
_CROSSPOINT = re.compile(r"[1-6][A-H](?:0[1-9]|1[0-2])")
_FORBIDDEN = 1114  # assumed number: "Settings conflict"
_NO_RULE, _BREAK_BEFORE_MAKE, _MAKE_BEFORE_BREAK = 0, 1, 2


class SimulatedKeithley707B(TspInstrument):
    """A 707B; the option ``cards`` names the card of each slot, ``""`` for an empty one.

    Raises
    ------
    StationError
        If ``cards`` is no list of at most six cards or names a card other than the 7174A.
    """

    maker: ClassVar[str] = "KEITHLEY INSTRUMENTS INC."
    model: ClassVar[str] = "MODEL 707B"
    firmware: ClassVar[str] = "01.40a"
    ascii_precision: ClassVar[int] = 10
    fault_kinds: ClassVar[frozenset[str]] = frozenset({"relay_stuck_open", "relay_stuck_closed"})

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        super().__init__(key, circuit, serial=serial, seed=seed, options=options)
        self.cards = _cards(key, options.get("cards", ["7174A"] * _SLOTS))
        self._order = {
            channel: place
            for place, channel in enumerate(channel for slot in self.cards for channel in slot_channels(slot))
        }
        self._closed: set[str] = set()
        self._closures: Counter[str] = Counter()
        self._data: deque[Value] = deque(maxlen=1000)
        self._defaults()

    def _defaults(self) -> None:
        self._rule = _BREAK_BEFORE_MAKE
        self._is_sequential = 0
        self._forbidden: set[str] = set()
        self._delays_s: dict[str, float] = {}

    def reset_model(self) -> None:
        """Open every crosspoint and go back to the defaults."""
        self._change(opening=self._sorted(self._closed), closing=[])
        self._defaults()

    def fail(self, kind: str, value: str, message: str) -> None:
        """Let the contact of a crosspoint stick; what the matrix says of it does not change."""
        found = _CROSSPOINT.search(value or message)
        if found is not None and found[0] in self._order:
            self.circuit.stick(self.key, found[0], closed=kind == "relay_stuck_closed")

    # --- relays ---------------------------------------------------------------------------------------------------

    def _channels(self, value: Value) -> list[str]:
        return parse_channels(text(value), self.cards)

    def _sorted(self, channels: Sequence[str] | set[str]) -> list[str]:
        return sorted(channels, key=self._order.__getitem__)

    def _close(self, value: Value) -> None:
        self._exchange(opening=[], closing=self._channels(value))

    def _open(self, value: Value) -> None:
        self._change(opening=self._channels(value), closing=[])

    def _exclusive_close(self, value: Value) -> None:
        # 707B-901-01: an empty list opens everything
        wanted = [] if not text(value).strip() else self._channels(value)
        self._exchange(opening=self._sorted(self._closed - set(wanted)), closing=wanted)

    def _exclusive_slot_close(self, value: Value) -> None:
        wanted = self._channels(value)
        slots = {channel[0] for channel in wanted}
        others = {channel for channel in self._closed if channel[0] in slots} - set(wanted)
        self._exchange(opening=self._sorted(others), closing=wanted)

    def _exchange(self, *, opening: Sequence[str], closing: Sequence[str]) -> None:
        forbidden = self._forbidden.intersection(closing)
        if forbidden:
            raise TspFault(_FORBIDDEN, f"Settings conflict: channel {min(forbidden)} is forbidden to close")
        self._change(opening=opening, closing=closing)

    def _change(self, *, opening: Sequence[str], closing: Sequence[str]) -> None:
        opens = [channel for channel in opening if channel in self._closed]
        closes = [channel for channel in closing if channel not in self._closed]
        if self._rule == _NO_RULE:
            self._switch(opens, closes)
            self.circuit.clock.sleep(max(self._release_s(opens), self._operate_s(closes)))
        elif self._rule == _BREAK_BEFORE_MAKE:
            self._release(opens)
            self._operate(closes)
        else:
            self._operate(closes)
            self._release(opens)

    def _release(self, channels: Sequence[str]) -> None:
        self._switch(channels, ())
        self.circuit.clock.sleep(self._release_s(channels))

    def _operate(self, channels: Sequence[str]) -> None:
        self._switch((), channels)
        self.circuit.clock.sleep(self._operate_s(channels))

    def _switch(self, opens: Sequence[str], closes: Sequence[str]) -> None:
        if not opens and not closes:
            return
        self.circuit.settle()
        self.circuit.switch(self.key, opening=opens, closing=closes)
        self._closed.difference_update(opens)
        self._closed.update(closes)
        self._closures.update(closes)

    def _release_s(self, channels: Sequence[str]) -> float:
        return _RELEASE_S * self._strokes(channels)

    def _operate_s(self, channels: Sequence[str]) -> float:
        delays_s = [self._delays_s.get(channel, 0.0) for channel in channels]
        user_s = sum(delays_s) if self._is_sequential else max(delays_s, default=0.0)
        return _OPERATE_S * self._strokes(channels) + user_s

    def _strokes(self, channels: Sequence[str]) -> int:
        return len(channels) if self._is_sequential else min(len(channels), 1)

    # --- queries and settings -------------------------------------------------------------------------------------

    def _get_close(self, value: Value) -> str | None:
        return ";".join(self._sorted(self._closed.intersection(self._channels(value)))) or None

    def _get_state(self, value: Value) -> str:
        return ";".join("1" if channel in self._closed else "0" for channel in self._channels(value))

    def _get_count(self, value: Value) -> str:
        return ";".join(str(self._closures[channel]) for channel in self._channels(value))

    def _reset_channels(self, value: Value) -> None:
        channels = self._channels(value)
        self._change(opening=channels, closing=[])
        self._forbidden.difference_update(channels)
        for channel in channels:
            self._delays_s.pop(channel, None)

    def _set_forbidden(self, value: Value) -> None:
        channels = self._channels(value)
        self._change(opening=channels, closing=[])
        self._forbidden.update(channels)

    def _clear_forbidden(self, value: Value) -> None:
        self._forbidden.difference_update(self._channels(value))

    def _get_forbidden(self, value: Value) -> str | None:
        return ";".join(self._sorted(self._forbidden.intersection(self._channels(value)))) or None

    def _set_delay(self, value: Value, delay_s: Value) -> None:
        duration_s = number(delay_s, 0.0, 60.0)
        self._delays_s.update(dict.fromkeys(self._channels(value), duration_s))

    def _get_delay(self, value: Value) -> str:
        return ",".join(f"{self._delays_s.get(channel, 0.0):.9e}" for channel in self._channels(value))

    def _write_rule(self, value: Value) -> None:
        self._rule = choice(value, (_NO_RULE, _BREAK_BEFORE_MAKE, _MAKE_BEFORE_BREAK))

    def _write_sequential(self, value: Value) -> None:
        self._is_sequential = choice(value, (0, 1))

    # --- command tree ---------------------------------------------------------------------------------------------

    def tree(self) -> TspObject:
        """Return ``channel``, ``slot``, ``dataqueue`` and ``memory``."""
        channel = TspObject(
            constants={
                "OFF": 0,
                "ON": 1,
                "BREAK_BEFORE_MAKE": _BREAK_BEFORE_MAKE,
                "MAKE_BEFORE_BREAK": _MAKE_BEFORE_BREAK,
            }
        )
        channel.getters.update(connectrule=lambda: self._rule, connectsequential=lambda: self._is_sequential)
        channel.setters.update(connectrule=self._write_rule, connectsequential=self._write_sequential)
        channel.functions.update(
            close=self._close,
            open=self._open,
            exclusiveclose=self._exclusive_close,
            exclusiveslotclose=self._exclusive_slot_close,
            getclose=self._get_close,
            getstate=self._get_state,
            getcount=self._get_count,
            getdelay=self._get_delay,
            setdelay=self._set_delay,
            getforbidden=self._get_forbidden,
            setforbidden=self._set_forbidden,
            clearforbidden=self._clear_forbidden,
            reset=self._reset_channels,
        )
        slots = TspObject(children={slot: self._slot(slot) for slot in range(1, _SLOTS + 1)})
        memory = TspObject(functions={"available": lambda: "100.00, 100.00", "used": lambda: "0.00, 0.00"})
        return TspObject(
            children={"channel": channel, "slot": slots, "dataqueue": self._data_queue(), "memory": memory}
        )

    def _slot(self, slot: int) -> TspObject:
        card = self.cards.get(slot)
        if card is None:
            return TspObject(getters={"idn": lambda: "Empty Slot"})
        idn = f"{card},8x12 Hi-Speed Low-Leakage Matrix,01.00a,{self.serial}{slot}"
        return TspObject(
            getters={"idn": lambda: idn},
            children={
                "rows": TspObject(getters={"matrix": lambda: len(CARD_ROWS)}),
                "columns": TspObject(getters={"matrix": lambda: CARD_COLUMNS}),
            },
        )

    def _data_queue(self) -> TspObject:
        data = self._data
        tree = TspObject(getters={"count": lambda: len(data)}, constants={"CAPACITY": 1000})

        def add(value: Value) -> None:
            data.append(value)

        tree.functions.update(add=add, clear=lambda: data.clear(), next=lambda: data.popleft() if data else None)
        return tree


def _cards(key: str, option: object) -> dict[int, str]:
    if not isinstance(option, (list, tuple)) or len(option) > _SLOTS:
        raise StationError(f"instruments.{key}.cards: must be a list of at most {_SLOTS} card names, got {option!r}")
    for card in option:
        if card not in ("", "7174A"):
            raise StationError(
                f'instruments.{key}.cards: a card must be "7174A", or "" for an empty slot, got {card!r}'
            )
    return {slot: card for slot, card in enumerate(option, start=1) if card}
