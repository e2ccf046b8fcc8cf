"""Two cells of a row as a bridge. Authority: a resistive divider; relays move only while every source stands at 0 V;
a channel changes between source and voltmeter only with its output off."""

import pytest

from labctl.array.bridge_access import BridgeAccess
from labctl.array.one_transistor_access import OneTransistorAccess
from labctl.errors import StationError
from labctl.roles import Reading, VoltageMeter

GATES = {"gate_read_v": 3.0, "gate_set_v": 1.2, "gate_reset_v": 3.5}


class Meter:
    """A channel of the fake rack that also measures voltage at 0 A; the plate divides what its cells see."""

    def __init__(self, rack, inner):
        self.rack, self.inner, self.name, self.limits = rack, inner, inner.name, inner.limits

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def prepare(self, **settings):
        assert self.rack.floats is None or self.name not in self.rack.on
        self.rack.floats = None
        self.inner.prepare(**settings)

    def prepare_voltmeter(self, *, range_v, integration_plc):
        assert self.name not in self.rack.on
        self.rack.floats = self.name
        self.rack.log.append(("voltmeter", self.name, range_v, integration_plc))

    def measure_voltage(self):
        assert self.rack.floats == self.name
        words, bits, gates = self.rack.lines(self.rack.levels)
        (row,) = [index for index, gate_v in enumerate(gates) if gate_v > 0.0]
        own = next(key for key, name in self.rack.wiring.rows.items() if name == self.name)
        tied = {point[0] + point[2:] for point in self.rack.closed["mat1"] if point[1] == own}
        driven = [index for index, column in enumerate(self.rack.wiring.bit_lines) if column not in tied]
        conductance_s = self.rack.conductance[row, driven]
        self.rack.seen.append(("middle", words, bits, gates))
        return Reading(float(bits[driven] @ conductance_s / conductance_s.sum()), "V", frozenset(), "middle")

    # protocols look for these in the class
    def output_on(self):
        self.inner.output_on()

    def output_off(self):
        self.inner.output_off()

    def set_voltage(self, voltage_v):
        self.inner.set_voltage(voltage_v)

    def measure_current(self):
        return self.inner.measure_current()

    def staircase(self, levels_v, *, dwell_s):
        return self.inner.staircase(levels_v, dwell_s=dwell_s)

    def pulse(self, level_v, *, width_s, partner, partner_level_v):
        self.inner.pulse(level_v, width_s=width_s, partner=partner, partner_level_v=partner_level_v)


@pytest.fixture
def rack(gate_rack):
    made = gate_rack(plate=True, access=GATES)
    made.floats, plain = None, made.source_meter
    made.source_meter = lambda name: Meter(made, plain(name)) if name == "smu1.a" else plain(name)
    made.conductance[1, :] = [1e-6, 50e-6, 2e-6, 40e-6, 100e-6]
    return made


def test_middle_is_that_of_a_divider_for_both_inputs(rack):
    assert isinstance(rack.source_meter("smu1.a"), VoltageMeter)
    access = BridgeAccess(rack, read_voltage_v=0.1)
    for high, low in ((3, 2), (2, 3)):
        found = access.middle(1, high, low, [0.2, 0.6])
        share = rack.conductance[1, high] / (rack.conductance[1, high] + rack.conductance[1, low])
        assert [one.middle_v for one in found] == pytest.approx([0.2 * share, 0.6 * share])
        assert [(one.row, one.high, one.low, one.voltage_v) for one in found] == [
            (1, high, low, 0.2),
            (1, high, low, 0.6),
        ]
        assert [one.current_a for one in found] == [None, None]
    assert {tuple(gates) for what, *_, gates in rack.seen if what == "middle"} == {(0.0, 3.0, 0.0, 0.0)}
    assert rack.levels == dict.fromkeys(rack.levels, 0.0)
    assert [entry for entry in rack.log if entry[0] == "voltmeter"] == [("voltmeter", "smu1.a", 0.6, 1.0)]


def test_current_is_measured_where_it_is_asked_for(rack):
    (found,) = BridgeAccess(rack).middle(1, 3, 2, [0.2], with_current=True)
    # the fake rack knows no divider: its bit line sees the plate at 0 V
    assert found.current_a == pytest.approx(0.2 * 40e-6)
    assert found.raw.split() == ["middle"]


def test_cells_are_read_and_written_between_bridges_with_the_plate_as_a_source(rack):
    access = BridgeAccess(rack, read_voltage_v=0.1)
    access.middle(1, 3, 2, [0.2])
    assert access.read(1, 3).conductance_s == pytest.approx(40e-6)
    access.middle(1, 3, 2, [0.2])
    access.pulse(1, 3, -1.5, 1e-3)
    assert rack.floats is None
    turned = [entry[0] for entry in rack.log if entry[0] in ("voltmeter", "prepare") and entry[1] == "smu1.a"]
    assert turned == ["prepare", "voltmeter", "prepare", "voltmeter", "prepare"]
    access.middle(1, 3, 2, [0.2])
    access.limit_current(1e-3)
    assert rack.floats is None
    access.release()
    assert rack.on == set()
    assert rack.closed == {"mat1": set(), "mat2": set()}


def test_low_resistances_of_a_row_add_up(rack):
    rack.offset_a = 2e-9
    found = BridgeAccess(rack).sum_row(1, [1, 3], 0.1)
    assert found.current_a == pytest.approx(0.1 * 90e-6)
    assert rack.levels == dict.fromkeys(rack.levels, 0.0)


def test_gate_of_a_set_is_chosen_and_limits_hold(rack):
    access = BridgeAccess(rack)
    access.limit_set(0.9)
    access.pulse(0, 0, 2.0, 1e-3)
    ((_, _, gates),) = [seen[1:] for seen in rack.seen if seen[0] == "pulse"]
    assert gates[0] == 0.9
    for gate_v in (0.0, 3.6):
        with pytest.raises(ValueError, match=r"3\.5"):
            access.limit_set(gate_v)


@pytest.mark.parametrize(
    ("place", "levels_v", "error"),
    [((1, 2, 2), [0.2], ValueError), ((1, 2, 3), [-0.2], ValueError), ((1, 2, 9), [0.2], StationError)],
)
def test_what_is_no_bridge_is_refused_before_anything_is_sent(rack, place, levels_v, error):
    with pytest.raises(error):
        BridgeAccess(rack).middle(*place, levels_v)
    assert "voltmeter" not in rack.names()


def test_station_without_a_voltmeter_is_refused_and_its_cells_still_work(gate_rack):
    rack = gate_rack(plate=True, access=GATES)
    access = BridgeAccess(rack)
    with pytest.raises(StationError, match="measures voltage at 0 A"):
        access.check_bridges()
    with pytest.raises(StationError, match="measures voltage at 0 A"):
        access.middle(0, 0, 1, [0.2])
    assert not rack.log
    assert access.read(0, 0).conductance_s == pytest.approx(OneTransistorAccess(rack).read(0, 0).conductance_s)
