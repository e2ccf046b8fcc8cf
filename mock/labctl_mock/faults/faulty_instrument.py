"""An instrument behind a cable on which faults happen: the same bytes in and out, until a rule strikes.

Sessions and sockets talk to this and never to the instrument itself. Without rules every byte is handed through. Not
here: what a fault does (:mod:`labctl_mock.faults.kinds`), when (:mod:`labctl_mock.faults.plan`).
"""

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Protocol

from labctl.clock import VirtualClock
from labctl_mock.bench.oracle import Oracle
from labctl_mock.faults.call import Call, FaultBench, Piece
from labctl_mock.faults.kinds import Kind
from labctl_mock.faults.plan import Draw, FaultPlan, Rule
from labctl_mock.messages.instrument import SimulatedInstrument

__all__ = ["FaultyInstrument", "LinkOutput"]

_REFUSAL_S = 1.0  # assumed: what an attempt to connect to a dark instrument costs


class LinkBench(FaultBench, Protocol):
    """What a link asks of a bench besides what faults do."""

    clock: VirtualClock
    oracle: Oracle


@dataclass(slots=True)
class _Flying:
    """Bytes that have left the instrument."""

    data: bytes
    due_s: float
    ends: bool


class FaultyInstrument:
    """The link to one instrument; it has the interface of the instrument itself towards sessions and sockets.

    Parameters
    ----------
    instrument : SimulatedInstrument
        At the other end.
    plan : FaultPlan
        May be empty; more comes by :meth:`add`.
    bench : LinkBench
        With the clock, the oracle, and what faults do to the rest of the rack.

    Attributes
    ----------
    exchange : LinkOutput
        What sockets ask about replies.
    generation : int
        Goes up when every connection ends; a connection of an older generation is dead.
    is_black_hole : bool
        The present connections carry nothing.
    lag_s : float, unit s
        How late every reply comes.
    disguise : dict of bytes to bytes
        What is replaced in replies, for good.
    """

    def __init__(self, instrument: SimulatedInstrument, plan: FaultPlan, bench: LinkBench) -> None:
        self.instrument, self.bench = instrument, bench
        self.exchange = LinkOutput(self)
        self.generation = 0
        self.is_black_hole = False
        self.lag_s = 0.0
        self.disguise: dict[bytes, bytes] = {}
        self._rules: list[Rule] = []
        self._draws: list[Draw] = []
        self._input = b""
        self._flying: deque[_Flying] = deque()
        self._refusals = 0
        self._dark_until_s = -inf
        self.add(plan)

    def add(self, plan: FaultPlan) -> None:
        """Take in the rules of another plan that concern this instrument."""
        if not (plan.rules or plan.draws):
            return
        key = self.instrument.key
        self._rules += plan.rules_for(key, self.instrument.fault_kinds)
        self._draws += plan.draws_for(key)

    # --- connections ----------------------------------------------------------------------------------------------

    def connect(self) -> int | None:
        """Open a connection.

        Returns
        -------
        int or None
            Its generation; None where it is refused.
        """
        if self.bench.clock.now_s() < self._dark_until_s:
            self.bench.clock.sleep(_REFUSAL_S)
            return None
        if self._refusals:
            self._refusals -= 1
            return None
        if self.is_black_hole:
            # the old connections stay as they are: dead
            self.is_black_hole = False
            self.generation += 1
        return self.generation

    def disconnect(self) -> None:
        """Close a connection: what is under way to it is lost, on the cable and in the instrument's output."""
        self._input = b""
        self.drop_output()

    def drop_output(self) -> None:
        """Lose every reply that is on the cable or in the instrument's output."""
        self._flying.clear()
        self.instrument.exchange.discard_output()

    def break_off(self, *, refusals: int = 0, dark_s: float = 0.0) -> None:
        """End every connection; refuse so many new ones, and all for so long on the bench's clock.

        Parameters
        ----------
        refusals : int, unit 1
        dark_s : float, unit s
        """
        self.generation += 1
        self._refusals = refusals
        if dark_s:
            self._dark_until_s = self.bench.clock.now_s() + dark_s
        self.disconnect()

    # --- the instrument's interface -------------------------------------------------------------------------------

    def receive(self, data: bytes, end: bool) -> None:
        """Take bytes from the controller; ``end`` tells whether END came with the last one."""
        if not self._is_awake:
            self.instrument.receive(data, end)
            return
        if self.is_black_hole:
            return
        buffer = self._input + data
        while buffer:
            index = self.instrument.message_end(buffer)
            if index >= 0:
                message, buffer = buffer[:index], buffer[index + 1 :]
                self._carry(message)
            elif end:
                message, buffer = buffer, b""
                self._carry(message)
            else:
                break
            if self.is_black_hole:
                buffer = b""
        self._input = buffer

    def transmit(self, max_bytes: int, stop: int | None = None) -> tuple[bytes, bool]:
        """Give at most ``max_bytes`` bytes of the oldest reply, up to ``stop``, and whether END comes with them."""
        if self.is_black_hole:
            return b"", False
        if not self._flying:
            return self.instrument.transmit(max_bytes, stop)
        if self.wait_s() > 0.0:
            return b"", False
        flying = self._flying[0]
        size = min(len(flying.data), max_bytes)
        if stop is not None:
            size = flying.data.find(stop, 0, size) + 1 or size
        data, flying.data = flying.data[:size], flying.data[size:]
        if flying.data:
            return data, False
        self._flying.popleft()
        return data, flying.ends

    def wait_s(self) -> float:
        """Return how long it is until the oldest reply is there, unit s; 0 where it is, inf where none is coming."""
        if self.is_black_hole:
            return inf
        if self._flying:
            return max(0.0, self._flying[0].due_s - self.bench.clock.now_s())
        return 0.0 if self.instrument.exchange.message_available else inf

    def clear(self) -> None:
        """Device clear, which also empties the cable; a dead connection does not carry it."""
        if not self.is_black_hole:
            self._flying.clear()
            self._input = b""
            self.instrument.clear()

    def serial_poll(self) -> int:
        """Return the status byte and withdraw the request for service."""
        return self.instrument.serial_poll()

    def requests_service(self) -> bool:
        """Tell whether the instrument asserts SRQ."""
        return self.instrument.requests_service()

    def trigger(self) -> None:
        """Group execute trigger."""
        if not self.is_black_hole:
            self.instrument.trigger()

    def message_end(self, buffer: bytes) -> int:
        """Return the index of the line feed that ends the first program message, -1 where there is none yet."""
        return self.instrument.message_end(buffer)

    def report(self, code: int) -> None:
        """Put an error into the instrument's queue."""
        self.instrument.report(code)

    # --- one message ----------------------------------------------------------------------------------------------

    @property
    def _is_awake(self) -> bool:
        return bool(
            self._rules
            or self._draws
            or self._flying
            or self.is_black_hole
            or self.lag_s
            or self.disguise
            or self._input
        )

    def _carry(self, message: bytes) -> None:
        sent = message.decode("latin-1")
        call = Call(sent, [sent])
        drawn = [kind for draw in self._draws if (kind := draw.kind_for(self.instrument.key)) is not None]
        generation = self.generation
        self._strike("before", call, drawn)
        exchange = self.instrument.exchange
        earlier = exchange.responses
        for text in call.messages:
            self.instrument.receive(text.encode("latin-1") + b"\n", True)
        responses = exchange.responses
        # a message may have thrown earlier responses away (IEEE 488.2 6.3.2.3)
        kept = len(earlier) if responses[: len(earlier)] == earlier else 0
        call.replies = list(responses[kept:])
        self._strike("after", call, drawn)
        for old, new in self.disguise.items():
            call.replies = [reply.replace(old, new) for reply in call.replies]
        if self.generation == generation and not self.is_black_hole:
            self._send(call, responses, kept)

    def _strike(self, phase: str, call: Call, drawn: list[Kind]) -> None:
        for rule in self._rules:
            if rule.kind.phase == phase and rule.strikes(call):
                self.bench.oracle.injected(self.instrument.key, rule.kind.name, call.sent)
                rule.kind.act(self, call, rule.value)
        for kind in drawn:
            if kind.phase == phase and kind.applies(call):
                self.bench.oracle.injected(self.instrument.key, kind.name, call.sent)
                kind.act(self, call, kind.value(""))

    def _send(self, call: Call, responses: tuple[bytes, ...], kept: int) -> None:
        """Put the replies onto the cable, behind those that are on it."""
        exchange = self.instrument.exchange
        is_plain = call.pieces is None and not self.lag_s and not self._flying
        if is_plain:
            if tuple(call.replies) != responses[kept:]:
                exchange.responses = (*responses[:kept], *call.replies)
            return
        now_s = self.bench.clock.now_s()
        self._flying += [_Flying(data, now_s, ends=True) for data in responses[:kept]]
        exchange.discard_output()
        pieces = call.pieces if call.pieces is not None else [Piece(reply) for reply in call.replies]
        due_s = max(now_s, self._flying[-1].due_s) if self._flying else now_s
        due_s += self.lag_s if pieces else 0.0
        for piece in pieces:
            due_s += piece.delay_s
            self._flying.append(_Flying(piece.data, due_s, ends=piece.data.endswith((b"\n", b"\r"))))


class LinkOutput:
    """The output of a link, as sockets look at it.

    Parameters
    ----------
    link : FaultyInstrument
    """

    def __init__(self, link: FaultyInstrument) -> None:
        self._link = link

    @property
    def message_available(self) -> bool:
        """Whether bytes of a reply have arrived."""
        return self._link.wait_s() == 0.0

    @property
    def is_held(self) -> bool:
        """Whether the instrument awaits an operation that never ends."""
        return self._link.instrument.exchange.is_held

    def discard_output(self) -> None:
        """Lose what has arrived: a transport took the bytes and lost them."""
        if not self._link.is_black_hole:
            self._link.drop_output()
