"""Gates behind a second matrix. Authority: the recursion of the linear step (systems.md 2.5), Ohm, paper and pencil."""

from pathlib import Path

import numpy as np
import pytest

from labctl.errors import StationError
from labctl_mock.bench.bench import Bench
from labctl_mock.bench.terminals import TerminalMode

RACK = Path(__file__).with_name("gates-2x3.toml")
# word line 0 on row A, word line 1 on row E; bit lines 0 and 2 on row E, bit line 1 on row B
CELL_0_1 = ["1A01", "1E02", "2E01", "2B02", "2E03"]


@pytest.fixture
def bench(tmp_path):
    """The small array; drains and sources at 0 V, all gates floating."""
    with Bench.open(RACK, home=tmp_path) as opened:
        opened.circuit.switch("mat1", opening=(), closing=CELL_0_1)
        for name in ("smu1.a", "smu1.b"):
            drive(opened, name, 0.0)
        yield opened


def drive(bench, name, level, *, mode=TerminalMode.VOLTAGE, limit_a=np.inf, limit_v=np.inf):
    bench.circuit.settle()
    own = bench.circuit.terminals[name]
    own.mode, own.level, own.current_limit_a, own.voltage_limit_v = mode, level, limit_a, limit_v


def gate_pulse(bench, level, width_s, name="smu2.a"):
    drive(bench, name, level)
    bench.clock.sleep(width_s)
    drive(bench, name, 0.0)
    bench.clock.sleep(1e-3)


def after(preset, counts, w=0.0):
    """State after so many nominal pulses of each sign, by the recursion of the device file."""
    for count in counts:
        for _ in range(abs(count)):
            if count > 0:
                w += preset["update.step"] * (1.0 - preset["update.gamma_up"] * w / preset["update.w_max"])
            else:
                w -= preset["update.step"] * (1.0 - preset["update.gamma_down"] * w / preset["update.w_min"])
    return preset["read.middle"] + preset["read.half_range"] * w


def nodal_a(cells_s, volt):
    """Current into bit line 1 at 0 V with word line 0 at ``volt`` and all else at 0 V, by Kirchhoff, node by node."""
    matrix, source = np.zeros((12, 12)), np.zeros(12)

    def join(one, other, ohm):
        matrix[[one, other], [one, other]] += 1.0 / ohm
        matrix[[one, other], [other, one]] -= 1.0 / ohm

    for row in range(2):
        for column in range(3):
            word = 3 * row + column
            join(word, 6 + word, 1.0 / cells_s[row, column])
            if column:
                join(word - 1, word, 20.0)
            if row:
                join(6 + word - 3, 6 + word, 30.0)
    # crosspoint and contact at the near ends: words at column 0, bits at row 0
    for node, ohm in ((0, 100.5), (3, 100.5), (6, 200.5), (7, 200.5), (8, 200.5)):
        matrix[node, node] += 1.0 / ohm
    source[0] = volt / 100.5
    return np.linalg.solve(matrix, source)[7] / 200.5


def test_row_steps_as_the_law_says_when_its_gate_is_pulsed(bench):
    preset = bench._preset
    bench.circuit.switch("mat2", opening=(), closing=["1A01"])
    for sign, times in ((1, 30), (-1, 12)):
        for _ in range(times):
            gate_pulse(bench, sign * preset["gate.amplitude"], preset["gate.width"])
    written = bench.truth()["programmed_s"]
    np.testing.assert_allclose(written[0], after(preset, (30, -12)), rtol=1e-9)
    np.testing.assert_array_equal(written[1], preset["read.middle"])
    assert bench.oracle.pulses == {"smu2.a": 42}
    assert not bench.oracle.probes
    assert bench.log.counts == {}


def test_reading_is_of_channel_and_wires_when_the_gates_float(bench):
    bench.circuit.switch("mat2", opening=(), closing=["1A01"])
    gate_pulse(bench, 5.0, 1.0)
    bench.circuit.switch("mat2", opening=["1A01"], closing=())
    drive(bench, "smu1.a", 0.1)
    measured = bench.circuit.measure("smu1.b", aperture_s=1e-3)
    np.testing.assert_allclose(-measured.current_a, nodal_a(bench.truth()["conductance_s"], 0.1), rtol=1e-6)
    assert bench.oracle.pulses == {"smu2.a": 1}
    assert bench.oracle.probes == {"smu1.a": 1}


def test_gate_draws_no_current_when_it_is_measured(bench):
    bench.circuit.switch("mat2", opening=(), closing=["1A01", "1B02"])
    drive(bench, "smu2.a", 2.0, limit_a=1e-9)
    measured = bench.circuit.measure("smu2.a", aperture_s=1e-3)
    assert (measured.voltage_v, measured.current_a, measured.in_compliance) == (2.0, 0.0, False)
    # a current into a gate has nowhere to go but the voltage compliance; 0 A lets it float
    drive(bench, "smu2.b", 1e-6, mode=TerminalMode.CURRENT, limit_v=2.5)
    measured = bench.circuit.measure("smu2.b", aperture_s=1e-3)
    assert (measured.voltage_v, measured.in_compliance) == (2.5, True)
    drive(bench, "smu2.b", 0.0, mode=TerminalMode.CURRENT, limit_v=2.5)
    assert bench.circuit.measure("smu2.b", aperture_s=1e-3).in_compliance is False


def test_two_sources_meet_through_crosspoints_when_a_gate_line_joins_their_rows(bench):
    bench.circuit.switch("mat2", opening=(), closing=["1A01", "1B01"])
    drive(bench, "smu2.a", 0.02)
    drive(bench, "smu2.b", 0.0)
    # two crosspoints of 0.5 ohm
    assert bench.circuit.measure("smu2.a", aperture_s=1e-3).current_a == pytest.approx(0.02, rel=1e-9)
    drive(bench, "smu2.b", 0.0, limit_a=1e-3)
    limited = bench.circuit.measure("smu2.b", aperture_s=1e-3)
    assert (limited.in_compliance, limited.current_a) == (True, pytest.approx(-1e-3))


@pytest.mark.parametrize("effect", [True, False])
def test_half_selected_cells_are_spared_when_half_the_voltage_is_in_the_dead_zone(tmp_path, effect):
    # systems.md 2.4, parallel update: row +V/2, column -V/2; the cell at the crossing sees V
    path = tmp_path / "rack.toml"
    text = RACK.read_text(encoding="utf-8").replace("half_select = true", f"half_select = {str(effect).lower()}")
    path.write_text(text, encoding="utf-8", newline="\n")
    with Bench.open(path, home=tmp_path) as bench:
        bench.circuit.switch("mat1", opening=(), closing=CELL_0_1)
        bench.circuit.switch("mat2", opening=(), closing=["1A01", "1E02"])
        for name, level in (("smu1.a", 0.0), ("smu2.a", 2.5), ("smu1.b", -2.5)):
            drive(bench, name, level)
        bench.clock.sleep(0.1)
        for name in ("smu1.b", "smu2.a"):
            drive(bench, name, 0.0)
        # the channel current lifts the sources by a few mV, out of a drive of 2 V
        expected = np.full((2, 3), bench._preset["read.middle"])
        expected[0, 1] = after(bench._preset, (1,))
        np.testing.assert_allclose(bench.truth()["programmed_s"], expected, rtol=1e-4)
        assert bench.truth()["programmed_s"][0, 1] > expected[0, 0]
        # two levels of one moment are two instruments: the one that came last made it a stimulus
        assert sum(bench.oracle.pulses.values()) == 1
        # 3.5 V on the gate is beyond the dead zone for the other two cells of the row as well, were it not for the flag
        for name, level in (("smu2.a", 3.5), ("smu1.b", -1.5)):
            drive(bench, name, level)
        bench.clock.sleep(0.1)
        for name in ("smu1.b", "smu2.a"):
            drive(bench, name, 0.0)
        assert (bench.truth()["programmed_s"][0, 0] == bench._preset["read.middle"]) is not effect


def test_nothing_is_written_when_the_channel_has_no_way_to_ground(bench):
    bench.circuit.switch("mat1", opening=CELL_0_1, closing=())
    bench.circuit.switch("mat2", opening=(), closing=["1A01"])
    gate_pulse(bench, 5.0, 0.1)
    np.testing.assert_array_equal(bench.truth()["programmed_s"], bench._preset["read.middle"])
    # one end is enough
    bench.circuit.switch("mat1", opening=(), closing=["2E02"])
    gate_pulse(bench, 5.0, 0.1)
    written = bench.truth()["programmed_s"] > bench._preset["read.middle"]
    np.testing.assert_array_equal(written, [[False, True, False], [False, False, False]])


def test_hold_is_one_pulse_when_the_channel_is_read_in_its_midst(bench):
    bench.circuit.switch("mat2", opening=(), closing=["1A01"])
    drive(bench, "smu2.a", 5.0)
    for _ in range(4):
        bench.circuit.measure("smu1.b", aperture_s=0.025)
    drive(bench, "smu2.a", 0.0)
    assert bench.truth()["programmed_s"][0, 0] == pytest.approx(after(bench._preset, (1,)), rel=1e-9)
    assert bench.oracle.pulses == {"smu2.a": 1}


def test_relays_of_the_gates_are_noted_when_they_close_across_a_voltage(bench):
    drive(bench, "smu2.a", 2.0)
    bench.circuit.switch("mat2", opening=(), closing=["1A01"])
    assert bench.log.counts == {"hot switching": 1}
    assert bench.log.violations[0].detail == "mat2:1A01 closed across 2.000e+00 V"
    # no current flows into a gate: opening is cold, and so is closing a row at 0 V
    bench.circuit.switch("mat2", opening=["1A01"], closing=["1E02"])
    assert bench.log.counts == {"hot switching": 1}
    # a row that already holds the line at 0 V, and another at 2 V
    bench.circuit.switch("mat2", opening=(), closing=["1A02"])
    assert bench.log.counts == {"hot switching": 2}
    assert bench.oracle.closed_relays() == [*CELL_0_1[:2], *sorted(CELL_0_1[2:]), "mat2:1A02", "mat2:1E02"]


def test_contacts_of_either_matrix_stick(bench):
    bench.circuit.stick("mat2", "1A02", closed=True)
    bench.circuit.stick("mat1", "1A01", closed=False)
    gate_pulse(bench, 5.0, 0.1)
    assert (bench.truth()["programmed_s"][1] > bench._preset["read.middle"]).all()
    assert "mat2:1A02" in bench.oracle.closed_relays()
    assert "1A01" not in bench.oracle.closed_relays()
    with pytest.raises(ValueError, match="hang on 'mat1' and 'mat2', not on 'mat3'"):
        bench.circuit.stick("mat3", "1A01", closed=True)


def test_drift_fault_moves_one_cell(bench):
    before = bench.truth()["programmed_s"]
    bench.drift(1, 2, 1.1)
    after_s = bench.truth()["programmed_s"]
    assert after_s[1, 2] == pytest.approx(1.1 * before[1, 2], rel=1e-9)
    assert (np.delete(after_s.ravel(), 5) == np.delete(before.ravel(), 5)).all()


def test_array_is_found_again_when_the_bench_is_opened_again(tmp_path):
    # with all effects: the packaged bench
    with Bench.open("ecram-32x32", home=tmp_path) as first:
        wiring = first._file.wiring
        names = [line[0] + "E" + line[1:] for line in (*wiring.word_lines, *wiring.bit_lines)]
        first.circuit.switch("mat1", opening=(), closing=names)
        first.circuit.switch("mat2", opening=(), closing=["1A03"])
        gate_pulse(first, 5.0, 0.5)
        gate_pulse(first, -5.0, 0.2)
        first.clock.sleep(1000.0)
        left, state = first.truth(), first._die.to_arrays()
    with Bench.open("ecram-32x32", home=tmp_path) as second:
        found = second.truth()
        for name, value in second._die.to_arrays().items():
            np.testing.assert_array_equal(value, state[name])
        assert second.oracle.closed_relays() == []
    assert np.unique(left["programmed_s"][2]).size > 20
    for name, value in left.items():
        np.testing.assert_array_equal(found[name], value)


def test_parts_and_temperature_belong_to_the_die_when_the_file_names_them(tmp_path):
    path = tmp_path / "rack.toml"
    plain = RACK.read_text(encoding="utf-8")
    heat = 'temperature = { value = 358.15, unit = "K", source = "test" }'
    path.write_text(
        plain.replace("columns = 3", f'columns = 3\nparts = "parts_assumed"\n{heat}'), encoding="utf-8", newline="\n"
    )
    for _ in range(2):
        with Bench.open(path, home=tmp_path) as bench:
            assert bench._die.temperature_k == 358.15
            bench.clock.sleep(1.0)
    path.write_text(plain, encoding="utf-8", newline="\n")
    with pytest.raises(StationError, match="another die: parts 'parts_assumed' instead of ''"):
        Bench.open(path, home=tmp_path)
