"""Bytes of a channel of the Keithley 2636B that measures voltage at 0 A.

Authority: Series 2600B Reference Manual 2600BS-901-01 Rev. F, section 9: smuX.source.func (0: current source),
smuX.source.leveli, smuX.source.limitv, smuX.measure.rangev.
"""

import pytest

from labctl.errors import InstrumentFault
from labctl.roles import VoltageMeter
from labctl_instruments.keithley.keithley2636b import Keithley2636B

VOLTMETER = (
    "labctl_pulse=0 format.asciiprecision=10 smua.source.levelv=0.000000000e+00 smua.source.leveli=0.000000000e+00 "
    "smua.source.limitv=1.200000000e+00 smua.source.autorangei=0 smua.source.rangei=1.000000000e-06 smua.source.func=0 "
    "smua.source.offmode=2 smua.sense=0 smua.measure.nplc=1.000000000e-02 smua.measure.autorangev=0 "
    "smua.measure.rangev=1.200000000e+00"
)
SOURCE = (
    "labctl_pulse=0 format.asciiprecision=10 smua.source.levelv=0.000000000e+00 smua.source.func=1 "
    "smua.source.offmode=2 smua.sense=0 smua.source.autorangev=0 smua.source.rangev=2.000000000e+00 "
    "smua.source.limiti=1.000000000e-03 smua.measure.nplc=1.000000000e+00 smua.measure.autorangei=1"
)
ON = (
    "smua.source.output=1 print(smua.source.levelv,smua.source.leveli,smua.source.limitv,smua.source.autorangei,"
    "smua.source.rangei,smua.source.func,smua.source.offmode,smua.sense,smua.measure.nplc,smua.measure.autorangev,"
    "smua.measure.rangev,smua.source.output)"
)
MEASURE = (
    "print(smua.measure.v(),smua.source.compliance,smua.source.output,smua.source.levelv,smub.source.output,"
    "smub.source.levelv,errorqueue.count)"
)
# the instrument answers with the range that it took
STATE = ("0", "0", "1.2", "0", "1e-6", "0", "2", "0", "0.01", "0", "2", "1")


def told(*values):
    return "\t".join(f"{float(value):.9e}" for value in values)


def as_source(channel):
    channel.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)


def test_voltmeter_drives_no_current_and_becomes_a_source_again_with_all_its_settings(dialogue):
    measured = f"{0.7654321:.9e}\tfalse\t{told(1, 0, 0, 0, 0)}"
    pairs = [(SOURCE, None), (VOLTMETER, None), (ON, told(*STATE)), (MEASURE, measured)]
    pairs += [("smua.source.output=0", None), (SOURCE, None)]
    with dialogue(Keithley2636B, pairs) as smu:
        assert isinstance(smu.a, VoltageMeter)
        as_source(smu.a)
        smu.a.prepare_voltmeter(range_v=1.2, integration_plc=0.01)
        smu.a.output_on()
        reading = smu.a.measure_voltage()
        assert (reading.value, reading.unit) == (pytest.approx(0.7654321), "V")
        smu.a.output_off()
        as_source(smu.a)


def test_function_does_not_change_while_the_output_is_on(dialogue):
    with dialogue(Keithley2636B, [(VOLTMETER, None), (ON, told(*STATE))]) as smu:
        smu.a.prepare_voltmeter(range_v=1.2, integration_plc=0.01)
        smu.a.output_on()
        with pytest.raises(ValueError, match="only with its output off"):
            as_source(smu.a)


def test_output_on_finds_another_function(dialogue):
    wrong = (*STATE[:5], "1", *STATE[6:])
    with dialogue(Keithley2636B, [(VOLTMETER, None), (ON, told(*wrong))]) as smu:
        smu.a.prepare_voltmeter(range_v=1.2, integration_plc=0.01)
        with pytest.raises(InstrumentFault, match=r"source\.func"):
            smu.a.output_on()


@pytest.mark.parametrize("settings", [{"range_v": 0.01}, {"range_v": 201.0}, {"range_v": 1.0, "integration_plc": 30.0}])
def test_voltmeter_refuses_what_the_instrument_cannot(dialogue, settings):
    with dialogue(Keithley2636B, []) as smu, pytest.raises(ValueError, match="must be"):
        smu.a.prepare_voltmeter(**({"integration_plc": 1.0} | settings))


def test_voltmeter_takes_no_level(dialogue):
    with dialogue(Keithley2636B, [(VOLTMETER, None), ("smua.source.levelv=0.000000000e+00", None)]) as smu:
        smu.a.prepare_voltmeter(range_v=1.2, integration_plc=0.01)
        with pytest.raises(ValueError, match="level"):
            smu.a.set_voltage(0.1)
        smu.a.set_voltage(0.0)
