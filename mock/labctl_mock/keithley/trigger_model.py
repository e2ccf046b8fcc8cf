"""The trigger model of the 2636B: sweeps of both channels, event blenders and timers, in virtual time.

A sweep that was initiated runs when the script waits for it, lets time pass or ends; both channels then start at the
same instant. Events are instantaneous; timers fire exactly. Readings of two channels at the same instant are taken
one after the other. Not here: the Lua names (:mod:`labctl_mock.keithley.trigger_tree`). Source: 2600BS-901-01 Rev.
F, section 5 ("Triggering") and section 9 (``smuX.trigger.*``, ``trigger.*``). Left out: digital I/O and LAN
triggers, overrun events.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from labctl_mock.bench.terminals import Circuit
from labctl_mock.keithley.smu_channel import SmuChannel
from labctl_mock.keithley.smu_source import AMPS, VOLTS
from labctl_mock.tsp.buffers import ReadingBuffer
from labctl_mock.tsp.faults import TspFault

__all__ = ["COMMAND_EVENT", "LAYER_EVENTS", "STAGES", "Blender", "Sweep", "Timer", "TriggerModel"]

# numbers of events are the instrument's own affair; scripts use the names
LAYER_EVENTS = ("SWEEPING", "ARMED", "SOURCE_COMPLETE", "MEASURE_COMPLETE", "PULSE_COMPLETE", "SWEEP_COMPLETE", "IDLE")
COMMAND_EVENT = 20
_TIMER_EVENT = 20
_BLENDER_EVENT = 30
STAGES = ("arm", "source", "measure", "endpulse")


@dataclass(slots=True)
class Sweep:
    """Settings and state of one channel's trigger model."""

    channel: SmuChannel
    first_event: int
    arm_count: int = 1
    count: int = 1
    stimulus: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    latched: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(STAGES, False))
    source_enabled: int = 0
    source_function: int = VOLTS
    levels: list[float] = field(default_factory=list)
    measure_enabled: int = 0
    letters: str = "i"
    buffers: list[ReadingBuffer] = field(default_factory=list)
    endpulse_holds: int = 1
    endsweep_holds: int = 0
    layer: Iterator[str] | None = None
    waits_for: str = ""

    def event(self, name: str) -> int:
        """Return the number of one of :data:`LAYER_EVENTS`."""
        return self.first_event + LAYER_EVENTS.index(name)


@dataclass(slots=True)
class Timer:
    """``trigger.timer[n]``."""

    event: int
    delays_s: list[float] = field(default_factory=lambda: [10e-6])
    count: int = 1
    stimulus: int = 0
    passes_through: int = 0


@dataclass(slots=True)
class Blender:
    """``trigger.blender[n]``."""

    event: int
    is_or: int = 0
    stimuli: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    seen: set[int] = field(default_factory=set)


class TriggerModel:
    """Both sweeps, the timers and the blenders.

    Parameters
    ----------
    circuit : Circuit
        Its clock is the time base.
    channels : sequence of SmuChannel
        A and B.
    """

    def __init__(self, circuit: Circuit, channels: Sequence[SmuChannel]) -> None:
        self._clock = circuit.clock
        self._channels = tuple(channels)
        self.reset()

    def reset(self) -> None:
        """Stop every sweep and go back to the defaults."""
        self.sweeps = [Sweep(channel, 1 + 8 * index) for index, channel in enumerate(self._channels)]
        self.timers = [Timer(_TIMER_EVENT + number) for number in range(1, 9)]
        self.blenders = [Blender(_BLENDER_EVENT + number) for number in range(1, 7)]
        self.command_latched = False
        self._due: list[tuple[float, int, int]] = []
        self._order = 0
        self._finished: set[int] = set()

    # --- what scripts do ------------------------------------------------------------------------------------------

    def initiate(self, sweep: Sweep) -> None:
        """Start a sweep; it runs at the next :meth:`run`.

        Raises
        ------
        TspFault
            1101 or 1102 where a level exceeds the source range, -286 where the source action has no levels.
        """
        if sweep.layer is not None:
            raise TspFault(-286, "TSP Runtime error: the trigger model is running")
        if sweep.source_enabled:
            if not sweep.levels:
                raise TspFault(-286, "TSP Runtime error: the source action has no levels")
            source = sweep.channel.source
            if source.function != sweep.source_function:
                source.set_function(sweep.source_function)
            source.prepare_steps(source.current if sweep.source_function == AMPS else source.voltage, sweep.levels)
        for buffer in sweep.buffers:
            buffer.restart()
        sweep.latched = dict.fromkeys(STAGES, False)
        sweep.waits_for = ""
        sweep.layer = self._layer(sweep)

    def abort(self, sweep: Sweep) -> None:
        """Stop a sweep and go back to the programmed level."""
        sweep.layer = None
        sweep.channel.source.step_to(None)

    def command(self) -> None:
        """Take ``*TRG``."""
        self.command_latched = True
        self.emit(COMMAND_EVENT)
        self.run()

    def run(self) -> None:
        """Let every started sweep go as far as it comes; time passes."""
        while any(sweep.layer is not None for sweep in self.sweeps):
            moved = [self._advance(sweep) for sweep in self.sweeps]
            if any(moved):
                continue
            if not self._due:
                return
            due_s, _, event = heapq.heappop(self._due)
            self._clock.sleep(max(0.0, due_s - self._clock.now_s()))
            self.emit(event)
        self._due.clear()

    def wait(self) -> None:
        """``waitcomplete()``: run, and refuse to wait for a trigger that cannot come.

        Raises
        ------
        TspFault
            -286 where a sweep still waits.
        """
        self.run()
        self._finished.clear()
        if self.is_running():
            raise TspFault(-286, "TSP Runtime error: waitcomplete() would wait for a trigger for ever")

    def is_running(self) -> bool:
        """Tell whether a sweep waits for a trigger from outside."""
        return any(sweep.layer is not None for sweep in self.sweeps)

    def sweeping(self) -> int:
        """Return ``status.operation.sweeping.condition``: bit 1 for A, bit 2 for B.

        A sweep that is over shows once, because pollers wait to see it start.
        """
        bits = sum(2 << index for index, sweep in enumerate(self.sweeps) if sweep.layer is not None)
        bits |= sum(2 << index for index in self._finished)
        self._finished.clear()
        return bits

    # --- events ---------------------------------------------------------------------------------------------------

    def emit(self, event: int) -> None:
        """Let an event reach every detector."""
        for sweep in self.sweeps:
            for stage, stimulus in sweep.stimulus.items():
                if stimulus == event and sweep.layer is not None:
                    sweep.latched[stage] = True
        for timer in self.timers:
            if timer.stimulus == event:
                self._start(timer)
        for blender in self.blenders:
            self._blend(blender, event)

    def _start(self, timer: Timer) -> None:
        due_s = self._clock.now_s()
        for index in range(timer.count):
            due_s += timer.delays_s[index % len(timer.delays_s)]
            self._order += 1
            heapq.heappush(self._due, (due_s, self._order, timer.event))
        if timer.passes_through:
            self.emit(timer.event)

    def _blend(self, blender: Blender, event: int) -> None:
        wanted = {stimulus for stimulus in blender.stimuli if stimulus}
        if event not in wanted:
            return
        blender.seen.add(event)
        if blender.is_or or blender.seen >= wanted:
            blender.seen.clear()
            self.emit(blender.event)

    # --- one channel ----------------------------------------------------------------------------------------------

    def _advance(self, sweep: Sweep) -> bool:
        """Bring a sweep to its next waiting point; tell whether it moved."""
        if sweep.layer is None:
            return False
        stage = sweep.waits_for
        if stage and sweep.stimulus[stage]:
            if not sweep.latched[stage]:
                return False
            sweep.latched[stage] = False
        try:
            sweep.waits_for = next(sweep.layer, "")
        except TspFault:
            sweep.layer = None
            raise
        if not sweep.waits_for:
            sweep.layer = None
            self._finished.add(self.sweeps.index(sweep))
        return True

    def _layer(self, sweep: Sweep) -> Iterator[str]:
        """Walk through arm and trigger layer, giving the name of each stage that has a stimulus before it."""
        source = sweep.channel.source
        self.emit(sweep.event("SWEEPING"))
        for _ in range(sweep.arm_count):
            yield "arm"
            self.emit(sweep.event("ARMED"))
            for index in range(sweep.count):
                yield "source"
                if sweep.source_enabled:
                    source.step_to(sweep.levels[index % len(sweep.levels)])
                self.emit(sweep.event("SOURCE_COMPLETE"))
                yield "measure"
                if sweep.measure_enabled:
                    sweep.channel.take(sweep.letters, sweep.buffers)
                self.emit(sweep.event("MEASURE_COMPLETE"))
                yield "endpulse"
                if not sweep.endpulse_holds:
                    source.step_to(None)
                self.emit(sweep.event("PULSE_COMPLETE"))
            if not sweep.endsweep_holds:
                source.step_to(None)
            self.emit(sweep.event("SWEEP_COMPLETE"))
        self.emit(sweep.event("IDLE"))
