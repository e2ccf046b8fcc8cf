"""Forming against cells that break down at a voltage of their own. Authority: staircase with verify, as documented."""

import pytest

from labctl.errors import RunError
from labctl_procedures.forming import FormingSettings, find_shorted, find_unformed, form_cells

SETTINGS = FormingSettings(
    start_v=2.0, stop_v=3.0, step_v=0.2, width_s=1e-2, formed_above_s=1e-6, jump_s=5e-5, shorted_above_s=5e-3
)


class Port:
    """Each cell reads ``leak`` until a pulse reaches its forming voltage, then a low resistance on top."""

    def __init__(self, forming_v, leak_s=1e-8):
        self.forming_v, self.leak_s, self.formed, self.log = forming_v, leak_s, set(), []

    def read(self, row, column, note=None, *, event="read"):
        self.log.append((event, (row, column)))
        return self.leak_s + (3e-4 if (row, column) in self.formed else 0.0)

    def read_flagged(self, row, column, note=None, *, event="read"):
        return self.read(row, column, note, event=event), frozenset()

    def apply(self, row, column, stimulus, note=None, *, event=None):
        self.log.append((event, stimulus.voltage_v))
        if stimulus.voltage_v >= self.forming_v[row, column] - 1e-9:
            self.formed.add((row, column))


def silent(_):
    return None


def test_staircase_stops_with_the_pulse_that_forms():
    port = Port({(0, 0): 2.5})
    found = form_cells([(0, 0)], port, SETTINGS, report=silent)
    assert found[0, 0].voltage_v == pytest.approx(2.6)
    assert [value for event, value in port.log if event == "form"] == pytest.approx([2.0, 2.2, 2.4, 2.6])


def test_leakage_through_neighbours_is_not_taken_for_breakdown():
    # a virgin cell may read tens of microsiemens in a loaded array; only a jump is breakdown
    found = form_cells([(0, 0)], Port({(0, 0): 2.9}, leak_s=2e-5), SETTINGS, report=silent)
    assert found[0, 0].voltage_v == pytest.approx(3.0)


def test_cell_that_does_not_form_gets_the_stop_voltage_and_no_more():
    port = Port({(0, 0): 9.0})
    found = form_cells([(0, 0)], port, SETTINGS, report=silent)
    assert not found[0, 0].is_formed
    assert found[0, 0].voltage_v is None
    assert max(value for event, value in port.log if event == "form") == pytest.approx(3.0)


def test_survey_pulses_nothing_and_finds_what_is_formed():
    port = Port({(0, 0): 2.5, (0, 1): 2.5})
    port.formed.add((0, 1))
    found = find_unformed([(0, 0), (0, 1)], port, SETTINGS)
    assert [state.is_formed for state in found.values()] == [False, True]
    assert {event for event, _ in port.log} == {"survey"}


class ShortedPort(Port):
    """What breaks down gives these readings, and the last of them from then on."""

    def __init__(self, forming_v, *readings):
        super().__init__(forming_v)
        self.readings = list(readings)

    def read_flagged(self, row, column, note=None, *, event="read"):
        if not self.formed:
            return super().read_flagged(row, column, note, event=event)
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


SHORTED = [
    ((6e-3, frozenset()), "shorted_above is 0.005 S"),
    ((None, frozenset({"overrange"})), "over range: shorted"),
    # the clamped current says nothing of the cell
    ((1e-4, frozenset({"compliance"})), "meets the compliance"),
]


@pytest.mark.parametrize(("reading", "told"), SHORTED)
def test_cell_that_breaks_down_to_a_short_circuit_is_not_formed_and_gets_no_further_pulse(reading, told):
    # "a shorted, open or unformed cell: flagged result"; "never two pulses where one did it"
    port = ShortedPort({(0, 0): 2.4}, reading)
    found = form_cells([(0, 0)], port, SETTINGS, report=silent)[0, 0]
    assert (found.is_formed, found.voltage_v) == (False, None)
    assert told in found.why_shorted
    assert "2.4 V" in found.why_shorted
    assert [value for event, value in port.log if event == "form"] == pytest.approx([2.0, 2.2, 2.4])


@pytest.mark.parametrize(("reading", "told"), SHORTED)
def test_cell_that_conducted_before_is_told_from_a_short_circuit(reading, told):
    port = ShortedPort({}, reading)
    port.formed.add((0, 0))
    found = find_shorted([(0, 0)], port, SETTINGS)[0, 0]
    assert not found.is_formed
    assert told in found.why_shorted


def test_one_reading_over_range_makes_no_short_circuit():
    port = ShortedPort({(0, 0): 2.4}, (None, frozenset({"overrange"})), (3e-4, frozenset()))
    found = form_cells([(0, 0)], port, SETTINGS, report=silent)[0, 0]
    assert (found.is_formed, found.why_shorted) == (True, None)
    assert found.voltage_v == pytest.approx(2.4)


def test_report_counts_the_cells():
    seen = []
    form_cells([(0, 1), (0, 0)], Port({(0, 0): 2.0, (0, 1): 2.0}), SETTINGS, report=seen.append)
    assert seen == [1, 2]


@pytest.mark.parametrize("changes", [{"start_v": 0.0}, {"start_v": 3.5}, {"step_v": 0.0}])
def test_wrong_staircase_is_refused(changes):
    values = {name: getattr(SETTINGS, name) for name in SETTINGS.__dataclass_fields__}
    with pytest.raises(RunError, match="forming"):
        FormingSettings(**values | changes)
