"""Bytes of the Lake Shore 335.

Authority: Model 335 User's Manual, chapter 6 (page 108: *ESR? answers three digits, *IDN? with two serial numbers);
PyMeasure 0.16's Lake Shore channels for SETP, RANGE, HTR? and KRDG?; the formats of the rest are from memory.
"""

import pytest

from labctl.errors import InstrumentFault, ProtocolError
from labctl.roles import Flag, TemperatureController
from labctl_instruments.lakeshore.lakeshore335 import LakeShore335

MODE = ("OUTMODE? 1", "1,1,0")
SET = ("SETP 1,358;RANGE 1,3;SETP? 1;RANGE? 1", "+358.000;3")
STABLE = "SETP? 1;KRDG? A;RDGST? A;RANGE? 1"


def test_controller_fulfils_the_role_and_says_who_it_is_when_asked(dialogue):
    with dialogue(LakeShore335, [("*IDN?", "LSCI,MODEL335,1234567/1234567,1.0")]) as controller:
        assert isinstance(controller, TemperatureController)
        found = controller.identity()
    # the example of page 108
    assert (found.maker, found.model, found.serial, found.firmware) == ("LSCI", "335", "1234567", "1.0")


def test_set_point_goes_out_with_the_heater_and_is_read_back_when_set(dialogue):
    with dialogue(LakeShore335, [MODE, SET, (STABLE, "+358.000;+357.600;000;3")]) as controller:
        controller.set_temperature(358.0)
        assert controller.is_stable(0.5)


@pytest.mark.parametrize("temperature_k", [0.0, -1.0, 0.29, 1506.0, float("nan"), float("inf")])
def test_nothing_is_sent_when_the_set_point_is_out_of_range(dialogue, temperature_k):
    with dialogue(LakeShore335, []) as controller, pytest.raises(ValueError, match=r"0\.3 K to 1505 K"):
        controller.set_temperature(temperature_k)


@pytest.mark.parametrize("mode", ["3,1,0", "0,0,0", "1,2,0"])
def test_heater_stays_off_when_the_output_is_not_in_closed_loop(dialogue, mode):
    with dialogue(LakeShore335, [("OUTMODE? 1", mode)]) as c, pytest.raises(InstrumentFault, match="closed loop"):
        c.set_temperature(358.0)


@pytest.mark.parametrize(
    ("reply", "what"),
    [("+300.000;3", "set-point is 300 K, 358 K was sent"), ("+358.000;0", "heater range is 0, 3 was sent")],
)
def test_setting_that_was_not_taken_is_a_fault_when_read_back(dialogue, reply, what):
    with dialogue(LakeShore335, [MODE, (SET[0], reply)]) as c, pytest.raises(InstrumentFault, match=what):
        c.set_temperature(358.0)


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        ("+358.000;+358.000;000;0", "heater range is 0"),
        ("+350.000;+358.000;000;3", "set-point is 350 K"),
        ("+358.000;+000.000;001;3", "no reading"),
    ],
)
def test_stability_is_a_fault_when_the_heater_or_the_sensor_is_gone(dialogue, reply, what):
    with dialogue(LakeShore335, [MODE, SET, (STABLE, reply)]) as c:
        c.set_temperature(358.0)
        with pytest.raises(InstrumentFault, match=what):
            c.is_stable(0.5)
        with pytest.raises(ValueError, match="no set-point yet"):
            c.is_stable(0.5)


def test_reading_has_a_value_only_when_its_status_is_good(dialogue):
    question = "KRDG? A;RDGST? A"
    with dialogue(LakeShore335, [(question, "+300.012;000"), (question, "+000.000;032")]) as controller:
        good, bad = controller.measure_temperature(), controller.measure_temperature()
    assert (good.value, good.unit, good.flags) == (300.012, "K", frozenset())
    assert (bad.value, bad.flags) == (None, {Flag.OVERRANGE})


@pytest.mark.parametrize("reply", ["+300.01;000", "+300.012;0", "+300.012", "300.012;000;1", "nan;000", "+9.9E37;000"])
def test_reading_that_breaks_the_format_is_asked_again_when_it_comes(dialogue, reply):
    question = "KRDG? A;RDGST? A"
    pairs = [(question, reply), dialogue.MEND, (question, reply), dialogue.MEND, (question, reply)]
    with dialogue(LakeShore335, pairs) as controller:
        controller.adapter.connection.resource_class = "SOCKET"
        with pytest.raises(ProtocolError, match="temperature;status"):
            controller.measure_temperature()


def test_heater_goes_off_and_is_read_back_when_told(dialogue):
    with dialogue(LakeShore335, [("RANGE 1,0;RANGE? 1", "0"), ("RANGE 1,0;RANGE? 1", "3")]) as controller:
        controller.heater_off()
        with pytest.raises(InstrumentFault, match="range 3, it was switched off"):
            controller.heater_off()


def test_off_is_both_outputs_in_range_0_when_asked(dialogue):
    question = "RANGE? 1;RANGE? 2"
    with dialogue(LakeShore335, [(question, "0;0"), *[(question, "3;0")] * 3]) as controller:
        assert controller.is_off()
        assert not controller.is_off()


def test_event_register_is_the_error_queue_when_drained(dialogue):
    # IEEE 488.2 11.5.1: 32 command error, 16 execution error, 128 power on, 1 operation complete
    with dialogue(LakeShore335, [("*ESR?", "048"), ("*ESR?", "129")]) as controller:
        assert controller.drain_errors() == ["-100: command error, execution error (*ESR? 048)"]


def test_leading_zeros_of_the_tag_are_read_when_the_instrument_prints_three_digits():
    controller = LakeShore335.__new__(LakeShore335)
    controller.name = "tc1"

    class Adapter:
        def __init__(self):
            self.replies = ["007;0;0", "070;0;0"]

        def read(self):
            return self.replies.pop(0)

    controller.adapter = Adapter()
    assert controller.untagged("RANGE? 1;RANGE? 2", 7) == "0;0"
    with pytest.raises(ProtocolError, match="has not the tag 7"):
        controller.untagged("RANGE? 1;RANGE? 2", 7)


def test_settings_are_read_in_one_message_when_asked(dialogue):
    reply = "+358.000;3;1,1,0;+0050.0,+0020.0,+000.00"
    with dialogue(LakeShore335, [("SETP? 1;RANGE? 1;OUTMODE? 1;PID? 1", reply)]) as controller:
        found = controller.settings()
    assert found == {"SETP": 358.0, "RANGE": 3.0, "OUTMODE": "1,1,0", "P": 50.0, "I": 20.0, "D": 0.0}


def test_properties_read_back_when_the_manual_formats_come(dialogue):
    pairs = [("KRDG? A", "+300.012"), ("SETP? 1", "+358.000"), ("RANGE? 1", "3"), ("HTR? 1", "+011.6")]
    with dialogue(LakeShore335, pairs) as controller:
        found = [controller.temperature, controller.set_point, controller.heater_range, controller.heater_output]
    assert found == [300.012, 358.0, 3, 11.6]


def test_lost_settings_are_found_when_verified(dialogue):
    with dialogue(LakeShore335, [MODE, SET, ("SETP? 1;RANGE? 1", "+000.000;0")]) as controller:
        controller.set_temperature(358.0)
        with pytest.raises(InstrumentFault, match="set-point is 0 K"):
            controller.verify_settings()
