"""Simulated Keithley 2636B: source, limits, ranges, readings, times.

Authorities: 2600BS-901-01 Rev. F (page in each test), SPEC-2636B, Ohm's law at a known resistor, and PyMeasure 0.16's
Keithley2600 as an independent reading of the manual.
"""

import re
import struct
from math import inf

import numpy as np
import pytest
from pymeasure.adapters import Adapter
from pymeasure.instruments.keithley import Keithley2600

from labctl.clock import VirtualClock
from labctl_mock.bench.terminals import Measured, TerminalMode
from labctl_mock.keithley.keithley2636b import SimulatedKeithley2636B
from labctl_mock.keithley.metering import Metering
from labctl_mock.keithley.ranges import CURRENT_RANGES, VOLTAGE_RANGES

RESISTANCE_OHM = 100e3
EMPTY = "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"


class ResistorCircuit:
    """One resistor from terminal A to terminal B; notes what it lived through."""

    def __init__(self, resistance_ohm=RESISTANCE_OHM):
        self.clock = VirtualClock()
        self.resistance_ohm = resistance_ohm
        self.terminals = {}
        self.past = []
        self._since_s = 0.0

    def settle(self):
        now_s = self.clock.now_s()
        levels = tuple(terminal.level for terminal in self.terminals.values())
        if now_s > self._since_s:
            self.past.append((now_s - self._since_s, levels))
        self._since_s = now_s

    def measure(self, terminal, *, aperture_s):
        assert aperture_s > 0.0
        self.clock.sleep(aperture_s)
        a, b = self.terminals.values()
        if TerminalMode.OPEN in (a.mode, b.mode):
            return Measured(0.0, 0.0, False)
        current_a = (a.level - b.level) / self.resistance_ohm
        limit_a = min(a.current_limit_a, b.current_limit_a)
        limited = abs(current_a) > limit_a
        if limited:
            current_a = limit_a if current_a > 0 else -limit_a
        sign = 1 if self.terminals[terminal] is a else -1
        return Measured(self.terminals[terminal].level, sign * current_a, limited)


class Rack:
    def __init__(self, *, seed=1, resistance_ohm=RESISTANCE_OHM):
        self.circuit = ResistorCircuit(resistance_ohm)
        self.smu = SimulatedKeithley2636B("smu1", self.circuit, serial="4400001", seed=seed, options={})
        self.circuit.terminals = self.smu.terminals
        self.a, self.b = self.smu.terminals.values()

    def write(self, text):
        self.smu.receive(text.encode() + b"\n", True)

    def read(self):
        data, end = self.smu.transmit(1 << 20)
        assert end
        return data.decode("latin-1").removesuffix("\n")

    def ask(self, text):
        self.write(text)
        return self.read()

    def number(self, text):
        return float(self.ask(f"print({text})"))

    def errors(self):
        codes = []
        while (entry := self.ask("print(errorqueue.next())")) != EMPTY:
            codes.append(int(float(entry.split("\t")[0])))
        return codes


@pytest.fixture
def rack():
    return Rack()


def test_idn_has_four_fields(rack):
    # 2600BS-901-01, *IDN?: manufacturer, model, serial number, firmware
    assert [field.strip() for field in rack.ask("*IDN?").split(",")][1:3] == ["Model 2636B", "4400001"]
    assert rack.ask("print(localnode.model, localnode.serialno)") == "2636B\t4400001"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("source.func", 1),
        ("source.output", 0),
        ("source.limiti", 0.1),  # page 9-244
        ("source.limitv", 20),
        ("source.limitp", 0),
        ("source.autorangev", 1),
        ("source.offmode", 0),  # page 2-42: normal
        ("source.offlimiti", 1e-3),
        ("source.delay", 0),
        ("measure.delay", -1),  # page 9-221: automatic on the 2636B
        ("measure.nplc", 1),
        ("measure.count", 1),
        ("measure.autorangei", 1),
        ("measure.autozero", 2),
        ("measure.filter.enable", 0),
        ("sense", 0),
    ],
)
def test_reset_gives_manuals_default(rack, attribute, value):
    rack.write("smua.source.limiti=1e-3 smua.measure.nplc=0.1 smua.source.offmode=2 smua.measure.delay=0 reset()")
    assert rack.number(f"smua.{attribute}") == value


def test_output_is_zero_volts_with_1_ma_when_off(rack):
    # page 2-42: the normal off state is a 0 V source, not an open circuit
    assert rack.a.mode is TerminalMode.VOLTAGE
    assert abs(rack.a.level) < 1e-3
    assert rack.a.current_limit_a == 1e-3
    rack.write("smua.source.levelv=1 smua.source.output=1")
    assert rack.a.level == pytest.approx(1.0, rel=1e-3)
    assert rack.a.current_limit_a == 0.1
    rack.write("smua.source.output=0")
    assert (abs(rack.a.level) < 1e-3, rack.a.current_limit_a) == (True, 1e-3)


def test_output_opens_relay_when_off_mode_is_high_impedance(rack):
    rack.write("smua.source.offmode=smua.OUTPUT_HIGH_Z")
    assert rack.a.mode is TerminalMode.OPEN
    rack.write("smua.source.output=1")
    assert rack.a.mode is TerminalMode.VOLTAGE
    rack.write("smua.source.output=smua.OUTPUT_OFF")
    assert rack.a.mode is TerminalMode.OPEN


def test_current_is_ohms_law_within_specification(rack):
    # SPEC-2636B: 0.2 V sourced ±(0.02 % + 375 µV) on each side, 2 µA read ±(0.025 % + 1.5 nA) on the 10 µA range
    rack.write("smua.source.levelv=0.2 smua.source.output=1 smub.source.output=1")
    current_a = rack.number("smub.measure.i()")
    allowed_a = (2 * 375e-6 + 0.2 * 2e-4) / RESISTANCE_OHM + 2e-6 * 2.5e-4 + 1.5e-9
    assert abs(current_a + 2e-6) < allowed_a
    assert rack.ask("print(smua.source.compliance)") == "false"
    assert rack.number("smub.measure.rangei") == 10e-6


def test_errors_differ_between_specimens_and_stay_inside_specification():
    # one year, ±(gain of the value + offset), SPEC-2636B
    found = set()
    for seed in range(40):
        metering = Metering(seed, 0)
        for rng in (*VOLTAGE_RANGES, *CURRENT_RANGES[1:]):
            error = metering.sourced(rng.full_scale, rng) - rng.full_scale
            assert abs(error) <= rng.source.gain * rng.full_scale + rng.source.offset
        found.add(Metering(seed, 0).sourced(1.0, VOLTAGE_RANGES[1]))
        assert metering.sourced(1.0, VOLTAGE_RANGES[1]) == Metering(seed, 0).sourced(1.0, VOLTAGE_RANGES[1])
    assert len(found) == 40


def test_noise_falls_with_root_of_integration_time():
    # closed form: white noise averages as 1/sqrt(T); 10 µA range, 60 pA peak to peak at 1 PLC taken as 6.6 sigma
    def rms(plc):
        metering = Metering(1, 0)
        return np.std([metering.shown(0.0, CURRENT_RANGES[5], plc) for _ in range(4000)])

    assert rms(1.0) == pytest.approx(60e-12 / 6.6, rel=0.15)
    assert rms(1.0) / rms(16.0) == pytest.approx(4.0, rel=0.2)
    assert rms(0.01) > 8.0 * rms(1.0)


def test_reading_is_a_whole_number_of_display_steps(rack):
    rack.write("smua.source.levelv=0.2 smua.source.output=1 smub.source.output=1 format.asciiprecision=16")
    steps = rack.number("smua.measure.i()") / 10e-12  # SPEC-2636B: 10 pA on the 10 µA range
    assert steps == pytest.approx(round(steps), abs=1e-4)


def test_compliance_holds_current_and_is_told(rack):
    rack.write("smua.source.limiti=1e-6 smua.source.levelv=1 smua.source.output=1 smub.source.output=1")
    value, flag = rack.ask("print(smua.measure.i(), smua.source.compliance)").split("\t")
    assert float(value) == pytest.approx(1e-6, rel=2e-3)
    assert flag == "true"
    # section 12: bit 1 of status.measurement.instrument.smua is the current limit
    assert rack.number("status.measurement.instrument.smua.condition") == 2


def test_reading_overflows_and_output_is_held_when_fixed_measure_range_is_too_low(rack):
    rack.write("smua.source.levelv=1 smua.source.output=1 smub.source.output=1 smua.measure.rangei=1e-6")
    assert rack.ask("print(smua.measure.i(), smua.source.compliance)") == "9.91000e+37\ttrue"
    assert rack.a.current_limit_a == pytest.approx(1.05e-6)
    rack.write("smua.measure.autorangei=1")
    assert rack.a.current_limit_a == 0.1
    assert rack.number("smua.measure.i()") == pytest.approx(1e-5, rel=2e-3)


@pytest.mark.parametrize(
    ("chunk", "code"),
    [
        ("smua.source.levelv=203", 1101),
        ("smua.source.levelv=-203", 1102),
        ("smua.source.leveli=1.6", 1101),
        ("smua.source.rangev=2 smua.source.levelv=2.03", 1101),  # 101 % of range
        ("smua.source.rangev=2 smua.source.levelv=-2.03", 1102),
        ("smua.source.levelv=5 smua.source.rangev=2", 5007),
        ("smua.source.rangev=250", 1101),
        ("smua.source.limiti=2", 1101),  # page 9-244: 100 pA to 1.5 A
        ("smua.source.limiti=5e-11", 1102),
        ("smua.source.limitv=0.01", 1102),  # 20 mV to 200 V
        ("smua.source.limiti=1 smua.source.rangev=200", 5007),
        ("smua.source.rangev=200 smua.source.limiti=1", 1101),
        ("smua.measure.nplc=26", 1101),
        ("smua.measure.nplc=0.0005", 1102),
        ("smua.measure.rangei=2", 1101),
        ("smua.source.func=2", 1101),
        ("smua.source.output=0.5", -286),
        ("smua.source.delay=-0.5", 1102),
        ("delay(-1)", 1102),
        ("smua.measure.i(3)", -286),
    ],
)
def test_setting_is_refused_and_nothing_changes_when_out_of_range(rack, chunk, code):
    *before, last = chunk.split(" ")
    rack.write(" ".join(before) or "local _=1")
    name = last.split("=")[0]
    old = rack.ask(f"print({name})") if "=" in last else None
    rack.write(last)
    assert rack.errors() == [code]
    if old is not None:
        assert rack.ask(f"print({name})") == old


@pytest.mark.parametrize("level", ["2.02", "-2.02", "2"])
def test_level_is_taken_up_to_101_percent_of_range(rack, level):
    rack.write(f"smua.source.rangev=2 smua.source.levelv={level}")
    assert rack.errors() == []


@pytest.mark.parametrize(("value", "full_scale"), [(0.1, 0.2), (0.2, 0.2), (0.21, 2), (2, 2), (5, 20), (150, 200)])
def test_range_is_lowest_that_holds_the_value(rack, value, full_scale):
    rack.write(f"smua.source.rangev={value}")
    assert rack.number("smua.source.rangev") == full_scale
    assert rack.number("smua.source.autorangev") == 0


def test_failed_query_gives_no_reply(rack):
    rack.write("print(smua.source.levelv, nonsense.field)")
    assert rack.smu.transmit(100) == (b"", False)
    assert -286 in rack.errors()


def test_reading_takes_integration_and_range_dependent_delay(rack):
    # 2600BS-901-01 Rev. B page 4-25: 500 µs before a reading on the 10 µA range; 1 PLC at 50 Hz is 20 ms
    rack.write("smua.source.output=1 smub.source.output=1 smua.source.levelv=0.2 smua.measure.rangei=10e-6")
    rack.write("delay(1)")
    start_s = rack.circuit.clock.now_s()
    rack.ask("print(smua.measure.i())")
    assert rack.circuit.clock.now_s() - start_s == pytest.approx(20e-3 + 500e-6 + 200e-6 + 40e-6)
    start_s = rack.circuit.clock.now_s()
    rack.ask("smua.measure.nplc=0.1 smua.measure.delay=0 print(smua.measure.i())")
    assert rack.circuit.clock.now_s() - start_s == pytest.approx(2e-3 + 200e-6 + 80e-6)


def test_two_channels_change_at_the_same_instant_when_one_chunk_sets_both(rack):
    rack.write("smua.source.rangev=2 smub.source.rangev=2 smua.source.output=1 smub.source.output=1")
    rack.circuit.settle()
    rack.circuit.past.clear()
    rack.write("smua.source.levelv=1 smub.source.levelv=-1 delay(1e-4) smua.source.levelv=0 smub.source.levelv=0")
    rack.circuit.settle()
    pulses = [(duration, levels) for duration, levels in rack.circuit.past if max(map(abs, levels)) > 0.5]
    assert len(pulses) == 1
    duration, levels = pulses[0]
    assert duration == pytest.approx(1e-4, rel=1e-9)
    assert levels == pytest.approx((1.0, -1.0), abs=2e-3)


def test_circuit_lives_through_old_level_before_a_change(rack):
    rack.write("smua.source.rangev=2 smua.source.output=1")
    rack.write("smua.source.levelv=1.5 delay(0.25) smua.source.levelv=0")
    assert any(
        duration == pytest.approx(0.25) and levels[0] == pytest.approx(1.5, rel=1e-3)
        for duration, levels in rack.circuit.past
    )


def test_staircase_script_reads_each_level(rack):
    # a loop in Lua with delay(), as drivers send it
    rack.write("smua.source.rangev=2 smua.source.output=1 smub.source.output=1")
    rack.write("loadandrunscript stairs")
    for line in [
        "local out = {}",
        "",
        "for _, v in ipairs({0.2, 0.4, 0.8}) do",
        "  smua.source.levelv = v",
        "  delay(0.01)",
        "  table.insert(out, string.format('%.4e', smua.measure.i()))",
        "end",
        "smua.source.levelv = 0",
        "print(table.concat(out, ';'))",
        "endscript",
    ]:
        rack.write(line)
    values = [float(text) for text in rack.read().split(";")]
    assert values == pytest.approx([2e-6, 4e-6, 8e-6], rel=6e-3)
    rack.write("stairs()")
    assert len(rack.read().split(";")) == 3
    rack.write("stairs.run()")
    assert len(rack.read().split(";")) == 3


def test_script_error_tells_its_line(rack):
    for line in ["loadandrunscript", "", "x = nil + 1", "endscript"]:
        rack.write(line)
    assert re.search(r"-2\.86000e\+02\tTSP Runtime error at line 2: ", rack.ask("print(errorqueue.next())"))


def test_buffer_collects_readings_and_prints_ascii_and_binary(rack):
    # section 9, printbuffer: comma and space, buffers interleaved; REAL32 is #0, little-endian floats, line feed
    rack.write("smua.source.levelv=0.2 smua.source.output=1 smub.source.output=1")
    rack.write("smua.nvbuffer1.collecttimestamps=1 smua.nvbuffer1.collectsourcevalues=1")
    rack.write("smua.measure.count=4 smua.measure.interval=0.1 smua.measure.i(smua.nvbuffer1)")
    assert rack.number("smua.nvbuffer1.n") == 4
    rows = [float(text) for text in rack.ask("printbuffer(1,4,smua.nvbuffer1,smua.nvbuffer1.timestamps)").split(", ")]
    assert rows[::2] == pytest.approx([2e-6] * 4, rel=6e-3)
    assert np.diff(rows[1::2])[1:] == pytest.approx([0.1, 0.1], rel=1e-6)
    assert rack.number("smua.nvbuffer1.sourcevalues[1]") == 0.2
    data = rack.ask("format.data=format.REAL32 printbuffer(1, smua.nvbuffer1.n, smua.nvbuffer1)").encode("latin-1")
    assert data[:2] == b"#0"
    assert struct.unpack("<4f", data[2:]) == pytest.approx(rows[::2], rel=1e-6)
    rack.write("format.data=format.ASCII smua.measure.count=1 smua.measure.i(smua.nvbuffer1)")
    assert rack.number("smua.nvbuffer1.n") == 1  # appendmode is off
    rack.write("smua.nvbuffer1.appendmode=1 smua.measure.i(smua.nvbuffer1)")
    assert rack.number("smua.nvbuffer1.n") == 2
    rack.write("smua.nvbuffer1.clear() printbuffer(1,1,smua.nvbuffer1)")
    assert rack.errors() == [1102]


def test_iv_r_and_p_agree_with_ohms_law(rack):
    rack.write("smua.source.levelv=2 smua.source.output=1 smub.source.output=1")
    current_a, voltage_v = map(float, rack.ask("print(smua.measure.iv())").split("\t"))
    assert voltage_v / current_a == pytest.approx(RESISTANCE_OHM, rel=2e-3)
    assert rack.number("smua.measure.r()") == pytest.approx(RESISTANCE_OHM, rel=2e-3)
    assert rack.number("smua.measure.p()") == pytest.approx(4.0 / RESISTANCE_OHM, rel=2e-3)


def test_filter_averages_and_takes_its_time(rack):
    rack.write("smua.source.output=1 smub.source.output=1 smua.measure.delay=0 smua.measure.rangei=1e-6 delay(1)")
    rack.write("smua.measure.filter.type=smua.FILTER_REPEAT_AVG smua.measure.filter.count=10")
    rack.write("smua.measure.filter.enable=smua.FILTER_ON")
    start_s = rack.circuit.clock.now_s()
    rack.ask("print(smua.measure.i())")
    assert rack.circuit.clock.now_s() - start_s == pytest.approx(10 * 20e-3, rel=0.01)


def test_current_source_has_its_voltage_limit(rack):
    rack.write("smua.source.func=smua.OUTPUT_DCAMPS smua.source.leveli=1e-6 smua.source.limitv=5 smua.source.output=1")
    assert rack.a.mode is TerminalMode.CURRENT
    assert rack.a.level == pytest.approx(1e-6, rel=2e-3)
    assert rack.a.voltage_limit_v == 5.0
    assert rack.b.voltage_limit_v == inf


@pytest.mark.parametrize(
    ("chunk", "mode", "limit"),
    [
        ("smua.source.offlimiti=1e-5", TerminalMode.VOLTAGE, 1e-5),
        ("smua.source.offfunc=smua.OUTPUT_DCAMPS smua.source.offlimitv=3", TerminalMode.CURRENT, 3.0),
        ("smua.source.offmode=smua.OUTPUT_ZERO smua.source.limiti=2e-3", TerminalMode.VOLTAGE, 2e-3),
        # page 2-42: a current source goes to zero volts with its level or 10 % of its range as limit
        (
            "smua.source.offmode=smua.OUTPUT_ZERO smua.source.func=0 smua.source.rangei=1e-3 smua.source.leveli=5e-4",
            TerminalMode.VOLTAGE,
            5e-4,
        ),
        ("smua.source.output=smua.OUTPUT_HIGH_Z", TerminalMode.OPEN, None),
    ],
)
def test_off_state_is_as_chosen(rack, chunk, mode, limit):
    rack.write(chunk)
    assert rack.a.mode is mode
    if mode is not TerminalMode.OPEN:
        assert limit in (rack.a.current_limit_a, rack.a.voltage_limit_v)
    assert rack.errors() == []


def test_current_source_at_1_a_keeps_its_voltage_limit_low(rack):
    # SPEC-2636B: 1.5 A up to 20 V
    rack.write("smua.source.rangei=1 smua.source.limitv=30")
    assert rack.errors() == [1101]
    rack.write("smua.source.rangei=0.1 smua.source.limitv=30 smua.source.rangei=1")
    assert rack.errors() == [5007]


def test_power_limit_lowers_current_limit(rack):
    rack.write("smua.source.limitp=0.01 smua.source.levelv=10 smua.source.output=1")
    assert rack.a.current_limit_a == pytest.approx(1e-3)


def test_low_range_is_the_lowest_that_autorange_takes(rack):
    rack.write("smua.source.lowrangev=2 smua.source.levelv=0.01")
    assert rack.number("smua.source.rangev") == 2
    rack.write("smua.source.output=1 smub.source.output=1 smua.measure.lowrangei=1e-3 smua.measure.i()")
    assert rack.number("smua.measure.rangei") == 1e-3


def test_automatic_source_delay_waits_for_settling(rack):
    # SPEC-2636B: 20 V range within 110 µs
    rack.write("smua.source.rangev=20 smua.source.delay=smua.DELAY_AUTO smua.source.output=1")
    start_s = rack.circuit.clock.now_s()
    rack.write("smua.source.levelv=5")
    assert rack.circuit.clock.now_s() - start_s == pytest.approx(110e-6 + 220e-6)


def test_relative_offset_is_taken_off(rack):
    rack.write("smua.source.levelv=0.2 smua.source.output=1 smub.source.output=1")
    rack.write("smua.measure.rel.leveli=smua.measure.i() smua.measure.rel.enablei=smua.REL_ON")
    assert abs(rack.number("smua.measure.i()")) < 1e-9


def test_overlapped_measurement_needs_a_buffer(rack):
    rack.write("smua.measure.overlappedi(smua.nvbuffer1) waitcomplete()")
    assert rack.number("smua.nvbuffer1.n") == 1
    rack.write("smua.measure.overlappedi()")
    assert rack.errors() == [-286]


def test_full_buffer_is_an_error(rack):
    rack.write("b = smua.makebuffer(2) smua.measure.count=3 smua.measure.i(b)")
    assert rack.errors() == [4904]
    assert rack.number("b.n") == 2


def test_asciiprecision_changes_digits(rack):
    assert rack.ask("format.asciiprecision=10 print(1)") == "1.000000000e+00"
    rack.write("format.asciiprecision=17")
    rack.write("reset()")
    assert rack.ask("print(1)") == "1.00000e+00"


@pytest.mark.parametrize(
    "chunk",
    [
        "display.clear() display.settext('hello') display.screen=display.SMUA_SMUB",
        "display.smua.measure.func=display.MEASURE_DCAMPS",
        "beeper.enable=beeper.ON beeper.beep(0.5, 2400)",
        "status.reset() status.measurement.instrument.smua.enable=2 status.standard.enable=1",
        "smua.measure.autozero=smua.AUTOZERO_ONCE smua.source.highc=0 smua.source.settling=smua.SETTLE_FAST_RANGE",
        "smua.sense=smua.SENSE_REMOTE smua.source.sink=0 smua.measure.lowrangei=1e-9",
        "timer.reset() local t=timer.measure.t() waitcomplete() opc() collectgarbage()",
        "errorqueue.clear() localnode.prompts=0 localnode.showerrors=0 localnode.linefreq=60",
    ],
)
def test_chunk_of_other_drivers_is_accepted(rack, chunk):
    rack.write(chunk)
    assert rack.errors() == []


class MockAdapter(Adapter):
    """PyMeasure's adapter onto the simulated instrument."""

    def __init__(self, rack):
        super().__init__()
        self._rack = rack

    def _write(self, command, **kwargs):
        self._rack.write(command)

    def _read(self, **kwargs):
        return self._rack.read()


def test_pymeasure_keithley2600_works_unmodified(rack):
    with pytest.warns(FutureWarning, match="SCPI"):
        driver = Keithley2600(MockAdapter(rack))
    driver.ChA.apply_voltage(voltage_range=2, compliance_current=1e-3)
    driver.ChA.source_voltage = 0.5
    driver.ChA.source_output = "ON"
    driver.ChB.source_output = "ON"
    driver.ChA.measure_current(nplc=1, auto_range=True)
    assert driver.ChA.current == pytest.approx(5e-6, rel=4e-3)
    assert driver.ChA.voltage == pytest.approx(0.5, rel=4e-3)
    assert driver.ChA.resistance == pytest.approx(RESISTANCE_OHM, rel=4e-3)
    assert driver.ChA.source_mode == "voltage"
    assert driver.ChA.compliance_current == 1e-3
    driver.ChA.source_output = "OFF"
    assert driver.ChA.source_output == "OFF"
    assert driver.next_error == (0, "Queue Is Empty")
