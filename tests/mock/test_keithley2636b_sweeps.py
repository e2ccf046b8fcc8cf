"""The trigger model of the simulated 2636B: sweeps, timed pulses, blenders, factory pulse functions.

Authority: 2600BS-901-01 Rev. F, sections 5 ("Triggering") and 9; the order of events of the trigger-model diagram;
Ohm's law.
"""

import pytest

from labctl.clock import VirtualClock
from labctl_mock.bench.terminals import Measured
from labctl_mock.keithley.keithley2636b import SimulatedKeithley2636B

RESISTANCE_OHM = 100e3
EMPTY = "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"


class TracedCircuit:
    """One resistor from A to B; keeps every stretch of time with its two levels."""

    def __init__(self):
        self.clock = VirtualClock()
        self.terminals = {}
        self.stretches = []
        self._since_s = 0.0

    def settle(self):
        now_s = self.clock.now_s()
        levels = tuple(round(terminal.level, 2) + 0.0 for terminal in self.terminals.values())
        if now_s > self._since_s:
            if self.stretches and self.stretches[-1][1] == levels:
                duration_s = self.stretches.pop()[0] + now_s - self._since_s
            else:
                duration_s = now_s - self._since_s
            self.stretches.append((duration_s, levels))
        self._since_s = now_s

    def measure(self, terminal, *, aperture_s):
        self.settle()
        self.clock.sleep(aperture_s)
        a, b = self.terminals.values()
        current_a = (a.level - b.level) / RESISTANCE_OHM
        sign = 1 if self.terminals[terminal] is a else -1
        return Measured(self.terminals[terminal].level, sign * current_a, False)

    def take(self):
        self.settle()
        taken, self.stretches = self.stretches, []
        return taken


class Rack:
    def __init__(self):
        self.circuit = TracedCircuit()
        self.smu = SimulatedKeithley2636B("smu1", self.circuit, serial="1", seed=1, options={})
        self.circuit.terminals = self.smu.terminals
        self.write("smua.source.output=1 smub.source.output=1 smua.source.rangev=2 smub.source.rangev=2")
        for smu in ("smua", "smub"):
            self.write(f"{smu}.measure.nplc=0.01 {smu}.measure.delay=0 {smu}.measure.rangei=100e-6")

    def write(self, text):
        self.smu.receive(text.encode() + b"\n", True)

    def ask(self, text):
        self.write(text)
        return self.smu.transmit(1 << 20)[0].decode("latin-1").removesuffix("\n")

    def no_errors(self):
        return self.ask("print(errorqueue.next())") == EMPTY


@pytest.fixture
def rack():
    rack = Rack()
    rack.circuit.take()
    return rack


PULSES = """
smua.trigger.source.listv({0.5, 1, -1})
smua.trigger.source.action = smua.ENABLE
smua.trigger.count = 3
smua.trigger.measure.iv(smua.nvbuffer1, smua.nvbuffer2)
smua.trigger.measure.action = smua.ENABLE
smua.trigger.endpulse.action = smua.SOURCE_IDLE
trigger.timer[1].delay = 1e-3
trigger.timer[1].stimulus = smua.trigger.SOURCE_COMPLETE_EVENT_ID
smua.trigger.endpulse.stimulus = trigger.timer[1].EVENT_ID
trigger.timer[2].delay = 5e-3
trigger.timer[2].count = 2
trigger.timer[2].passthrough = true
trigger.timer[2].stimulus = smua.trigger.ARMED_EVENT_ID
smua.trigger.source.stimulus = trigger.timer[2].EVENT_ID
smua.trigger.initiate()
"""


def test_timed_pulses_are_exact_and_measured(rack):
    rack.write(PULSES.replace("\n", " ") + " waitcomplete()")
    pulses = [stretch for stretch in rack.circuit.take() if any(stretch[1])]
    assert [levels[0] for _, levels in pulses] == [0.5, 1.0, -1.0]
    assert [duration for duration, _ in pulses] == pytest.approx([1e-3] * 3, rel=1e-9)
    currents = [float(text) for text in rack.ask("printbuffer(1,3,smua.nvbuffer1)").split(", ")]
    assert currents == pytest.approx([5e-6, 1e-5, -1e-5], rel=0.02, abs=60e-9)
    assert rack.no_errors()


def test_pulses_come_at_the_period_of_their_timer(rack):
    rack.write(PULSES.replace("\n", " ") + " waitcomplete()")
    gaps = [duration for duration, levels in rack.circuit.take() if not any(levels)]
    assert gaps[1:3] == pytest.approx([4e-3, 4e-3], rel=1e-9)


def test_sweep_that_waits_for_trg_runs_on_trg_and_shows_as_sweeping_once(rack):
    # the polling of the public keithley2600 driver: wait until not 0, then until 0
    rack.write("smua.trigger.arm.stimulus = trigger.EVENT_ID" + PULSES.replace("\n", " "))
    assert not any(any(levels) for _, levels in rack.circuit.take())
    assert float(rack.ask("print(status.operation.sweeping.condition)")) == 2
    assert float(rack.ask("print(smua.nvbuffer1.n)")) == 0
    rack.write("*trg")
    assert float(rack.ask("print(smua.nvbuffer1.n)")) == 3
    conditions = [float(rack.ask("print(status.operation.sweeping.condition)")) for _ in range(2)]
    assert conditions == [2, 0]


def test_waitcomplete_refuses_when_sweep_waits_for_ever(rack):
    rack.write("smua.trigger.arm.stimulus = trigger.EVENT_ID smua.trigger.initiate() waitcomplete() print(1)")
    assert "for ever" in rack.ask("print(errorqueue.next())")
    rack.write("smua.abort()")
    assert float(rack.ask("print(status.operation.sweeping.condition)")) == 0


def test_blender_starts_both_channels_at_the_same_instant(rack):
    rack.write(
        "for _, s in pairs({smua, smub}) do s.trigger.source.linearv(1, 1, 1) s.trigger.source.action = 1 "
        "s.trigger.endpulse.action = 0 s.trigger.endpulse.stimulus = trigger.timer[1].EVENT_ID end "
        "smub.trigger.source.listv({-1}) trigger.timer[1].delay = 2e-4 "
        "trigger.blender[1].orenable = false "
        "trigger.blender[1].stimulus[1] = smua.trigger.SOURCE_COMPLETE_EVENT_ID "
        "trigger.blender[1].stimulus[2] = smub.trigger.SOURCE_COMPLETE_EVENT_ID "
        "trigger.timer[1].stimulus = trigger.blender[1].EVENT_ID "
        "smua.trigger.initiate() smub.trigger.initiate() waitcomplete()"
    )
    pulses = [stretch for stretch in rack.circuit.take() if any(stretch[1])]
    assert [levels for _, levels in pulses] == [(1.0, -1.0)]
    assert pulses[0][0] == pytest.approx(2e-4, rel=1e-9)


def test_linear_and_logarithmic_sweeps_have_their_levels(rack):
    # closed form: equal steps, equal ratios
    for sweep, levels in (("linearv(0, 1, 5)", [0, 0.25, 0.5, 0.75, 1]), ("logv(0.01, 1, 3)", [0.01, 0.1, 1])):
        rack.write(f"smua.trigger.source.{sweep} smua.trigger.source.action = 1 smua.trigger.count = {len(levels)}")
        rack.write("smua.trigger.measure.v(smua.nvbuffer1) smua.trigger.measure.action = 1")
        rack.write("smua.nvbuffer1.collectsourcevalues = 1 smua.trigger.initiate() waitcomplete()")
        reply = rack.ask("printbuffer(1, smua.nvbuffer1.n, smua.nvbuffer1.sourcevalues)")
        assert [float(text) for text in reply.split(", ")] == pytest.approx(levels, rel=1e-5)


@pytest.mark.parametrize(
    ("chunk", "code"),
    [
        ("smua.trigger.source.listv({1, 3}) smua.trigger.source.action=1 smua.trigger.initiate()", "1.10100e+03"),
        ("smua.trigger.source.action=1 smua.trigger.initiate()", "-2.86000e+02"),
        ("smua.trigger.source.listv({})", "-2.86000e+02"),
        ("smua.trigger.source.logv(-1, 1, 5)", "-2.86000e+02"),
        ("smua.trigger.count = 0", "1.10200e+03"),
        ("trigger.timer[1].delay = 0", "1.10200e+03"),
    ],
)
def test_sweep_setting_is_refused(rack, chunk, code):
    rack.write(chunk)
    assert rack.ask("print(errorqueue.next())").split("\t")[0] == code
    assert not any(any(levels) for _, levels in rack.circuit.take())


def test_factory_pulse_functions_pulse_both_channels_together(rack):
    # section 5, KIPulse: Config... answers true and a message, Initiate... runs the test
    first = rack.ask("print(ConfigPulseVMeasureI(smua, 0, 1, 1e-3, 1e-3, 4e-3, 3, smua.nvbuffer1, 1))")
    rack.write("f, msg = ConfigPulseVMeasureI(smub, 0, -1, 1e-3, 1e-3, 4e-3, 3, smub.nvbuffer1, 2)")
    assert first.startswith("true\t")
    rack.circuit.take()
    assert rack.ask("print(InitiatePulseTestDual(1, 2))").startswith("true\t")
    pulses = [stretch for stretch in rack.circuit.take() if any(stretch[1])]
    assert [levels for _, levels in pulses] == [(1.0, -1.0)] * 3
    assert [duration for duration, _ in pulses] == pytest.approx([1e-3] * 3, rel=1e-9)
    values = [float(text) for text in rack.ask("printbuffer(1, 3, smua.nvbuffer1)").split(", ")]
    assert values == pytest.approx([2e-5] * 3, rel=0.02)
    assert rack.ask("print(InitiatePulseTest(9))").startswith("false\t")
    assert rack.ask("print(ConfigPulseVMeasureI(smua, 0, 1, 1e-3, 1e-5, 4e-3, 3, smua.nvbuffer1, 1))").startswith(
        "false\t"
    )
    assert rack.no_errors()


def test_trigger_wait_times_out_on_virtual_clock(rack):
    start_s = rack.circuit.clock.now_s()
    assert rack.ask("print(trigger.wait(2))") == "false"
    assert rack.circuit.clock.now_s() - start_s == pytest.approx(2.0, rel=1e-3)
    rack.write("*TRG")
    assert rack.ask("print(trigger.wait(2))") == "true"
