"""Laws of the simulated world: crossbar, switching law, noise, random numbers, forming.

Authority: Kirchhoff and Tellegen for circuits; superposition and reciprocity for linear ones; the switching law's own
statement (monotone, bounded, dead zone); Boltzmann's noise; Philox's definition as a function. Promise P19.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labctl.physics.crossbar import Boundaries, Crossbar, OddCells, Wires
from labctl.physics.forming import FormingLaw, breakdown_rate, life_from_uniform
from labctl.physics.metal_oxide import (
    MetalOxideLaw,
    conductance_at_current,
    delta_conductance,
    read_coefficients,
    saturated_step,
    static_current,
    static_slope,
)
from labctl.physics.noise import NoiseBank, Relaxation, aperture_weights, relaxation_decades, thermal_current_rms
from labctl.physics.presets import load_preset
from labctl.physics.random import Stream, cell_ids, normals, philox4x32, uniforms

PRESET = load_preset()
LAW = MetalOxideLaw.from_preset(PRESET)
FORMING = FormingLaw.from_preset(PRESET)
BANK = NoiseBank.from_preset(PRESET)
RELAXATION = Relaxation.from_preset(PRESET)
HALF = settings(max_examples=settings.default.max_examples // 2)

G = st.floats(LAW.low_s, LAW.high_s)
VOLTS = st.floats(-2.0, 2.0)
WIDTH = st.floats(1e-8, 1.0)
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4))
BARS = {
    shape: Crossbar(*shape, Wires(2.0, 3.0, 10.0, 20.0), engine="numpy") for shape in np.ndindex(5, 5) if min(shape)
}
SEEDS = st.integers(0, 2**32 - 1)


def circuit(seed, shape, *, floating=True):
    chance = np.random.default_rng(seed)
    rows, columns = shape
    cells = chance.uniform(1e-6, 3e-4, shape)
    ends = [chance.uniform(-1, 1, n) for n in (rows, rows, columns, columns)]
    ties = [chance.uniform(1e-3, 1e-1, n) for n in (rows, rows, columns, columns)]
    if floating:
        ties[1][:] = 0.0
        ties[3][:] = 0.0
    return cells, ends, ties


def solve(shape, cells, ends, ties):
    paired = [value for pair in zip(ends, ties, strict=True) for value in pair]
    return BARS[shape].solve(cells, Boundaries(*paired))


def end_currents(found):
    return np.concatenate(
        [found.word_near_current_a, found.word_far_current_a, found.bit_near_current_a, found.bit_far_current_a]
    )


# --- crossbar


@HALF
@given(SEEDS, SHAPES)
def test_currents_into_the_array_sum_to_zero(seed, shape):
    found = solve(shape, *circuit(seed, shape))
    currents = end_currents(found)
    assert abs(currents.sum()) <= 1e-7 * max(np.abs(currents).max(), 1e-12)


@HALF
@given(SEEDS, SHAPES)
def test_word_line_gives_what_its_cells_take(seed, shape):
    cells, ends, ties = circuit(seed, shape)
    found = solve(shape, cells, ends, ties)
    through = (cells * found.cell_voltage_v).sum(axis=1)
    scale = np.abs(cells * found.cell_voltage_v).max() + 1e-15
    assert np.abs(found.word_near_current_a + found.word_far_current_a - through).max() <= 1e-7 * scale


@HALF
@given(SEEDS, SHAPES, st.floats(-5, 5))
def test_linear_array_answers_in_proportion(seed, shape, factor):
    cells, ends, ties = circuit(seed, shape)
    one = end_currents(solve(shape, cells, ends, ties))
    many = end_currents(solve(shape, cells, [factor * value for value in ends], ties))
    assert np.abs(many - factor * one).max() <= 1e-8 * (np.abs(one).max() * max(abs(factor), 1.0))


@HALF
@given(SEEDS, SHAPES)
def test_linear_array_superposes(seed, shape):
    cells, ends, ties = circuit(seed, shape)
    word = [ends[0], ends[1], 0 * ends[2], 0 * ends[3]]
    bit = [0 * ends[0], 0 * ends[1], ends[2], ends[3]]
    both = end_currents(solve(shape, cells, ends, ties))
    parts = end_currents(solve(shape, cells, word, ties)) + end_currents(solve(shape, cells, bit, ties))
    assert np.abs(both - parts).max() <= 1e-8 * np.abs(both).max() + 1e-15


@HALF
@given(SEEDS, SHAPES, st.data())
def test_linear_array_is_reciprocal(seed, shape, data):
    # 1 V at word line i gives the same current at bit line j as 1 V there gives here
    cells, ends, ties = circuit(seed, shape)
    i, j = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))
    zero = [0 * value for value in ends]
    there, back = [value.copy() for value in zero], [value.copy() for value in zero]
    there[0][i], back[2][j] = 1.0, 1.0
    forward = solve(shape, cells, there, ties).bit_near_current_a[j]
    assert forward == pytest.approx(solve(shape, cells, back, ties).word_near_current_a[i], rel=1e-6, abs=1e-15)


@HALF
@given(SEEDS, SHAPES)
def test_array_and_its_transpose_agree(seed, shape):
    cells, ends, ties = circuit(seed, shape)
    bar = Crossbar(*shape, Wires(2.0, 2.0, 10.0, 10.0), engine="numpy")
    turned = Crossbar(*shape[::-1], Wires(2.0, 2.0, 10.0, 10.0), engine="numpy")
    pairs = [value for pair in zip(ends, ties, strict=True) for value in pair]
    found = bar.solve(cells, Boundaries(*pairs))
    back = turned.solve(np.ascontiguousarray(cells.T), Boundaries(*pairs[4:], *pairs[:4]))
    assert np.abs(found.cell_voltage_v + back.cell_voltage_v.T).max() <= 1e-8


@HALF
@given(SEEDS, SHAPES)
def test_voltages_stay_between_the_drives(seed, shape):
    # maximum principle of resistive networks
    cells, ends, ties = circuit(seed, shape)
    found = solve(shape, cells, ends, ties)
    drives = np.concatenate([ends[0], ends[2]])
    for voltage in (found.word_voltage_v, found.bit_voltage_v):
        assert voltage.max() <= drives.max() + 1e-9
        assert voltage.min() >= drives.min() - 1e-9


@HALF
@given(SEEDS, SHAPES)
def test_array_is_passive(seed, shape):
    cells, ends, ties = circuit(seed, shape, floating=False)
    found = solve(shape, cells, ends, ties)
    power = (end_currents(found) * np.concatenate(ends)).sum()
    assert power >= -1e-15


@HALF
@given(SEEDS, SHAPES)
def test_odd_array_answers_the_opposite_to_the_opposite(seed, shape):
    cells, ends, ties = circuit(seed, shape)
    odd = OddCells(cells, 0.5 * cells)
    there = end_currents(solve(shape, odd, ends, ties))
    back = end_currents(solve(shape, odd, [-value for value in ends], ties))
    assert np.abs(there + back).max() <= 1e-7 * np.abs(there).max() + 1e-15


@HALF
@given(SEEDS, st.floats(1.0, 3.0))
def test_more_conductance_never_takes_less_current(seed, factor):
    # Rayleigh's monotonicity law, one driven word line against grounded bit lines
    cells, _, ties = circuit(seed, (3, 3))
    ends = [np.array([1.0, 0, 0]), np.zeros(3), np.zeros(3), np.zeros(3)]
    less = solve((3, 3), cells, ends, ties).word_near_current_a[0]
    more = solve((3, 3), factor * cells, ends, ties).word_near_current_a[0]
    assert more >= less * (1 - 1e-9)


# --- switching law


@given(G, VOLTS, WIDTH)
def test_sign_of_the_change_is_the_sign_of_the_voltage(g_s, voltage_v, width_s):
    change = float(delta_conductance(g_s, voltage_v, width_s, LAW))
    if abs(voltage_v) <= LAW.dead_zone_v:
        assert change == 0.0
    else:
        assert change * voltage_v >= 0.0


@given(G, st.floats(0.0, 2.0), st.floats(0.0, 0.5), WIDTH, st.sampled_from([1.0, -1.0]))
def test_more_voltage_never_changes_less(g_s, voltage_v, more_v, width_s, sign):
    less = abs(float(delta_conductance(g_s, sign * voltage_v, width_s, LAW)))
    assert abs(float(delta_conductance(g_s, sign * (voltage_v + more_v), width_s, LAW))) >= less * (1 - 1e-9)


@given(G, VOLTS, WIDTH, st.floats(1.0, 100.0))
def test_longer_pulse_never_changes_less(g_s, voltage_v, width_s, factor):
    less = abs(float(delta_conductance(g_s, voltage_v, width_s, LAW)))
    assert abs(float(delta_conductance(g_s, voltage_v, width_s * factor, LAW))) >= less * (1 - 1e-9)


@given(G, st.floats(-1e-2, 1e-2))
def test_step_never_leaves_the_range(g_s, step_s):
    after = g_s + float(saturated_step(g_s, step_s, LAW))
    assert LAW.low_s * (1 - 1e-12) <= after <= LAW.high_s * (1 + 1e-12)


@given(G, st.floats(-1e-2, 1e-2))
def test_saturated_step_keeps_its_sign_and_never_grows(g_s, step_s):
    made = float(saturated_step(g_s, step_s, LAW))
    assert made * step_s >= 0.0
    assert abs(made) <= abs(step_s) * (1 + 1e-12)


@given(G, st.floats(0, 1e-3), st.floats(1.0, 3.0), st.sampled_from([1.0, -1.0]))
def test_larger_step_never_makes_less(g_s, step_s, factor, sign):
    less = abs(float(saturated_step(g_s, sign * step_s, LAW)))
    assert abs(float(saturated_step(g_s, sign * factor * step_s, LAW))) >= less * (1 - 1e-9)


@given(G, G, VOLTS)
def test_current_is_odd_and_rises_with_conductance(g_s, other_s, voltage_v):
    low, high = sorted((g_s, other_s))
    assert float(static_current(-voltage_v, g_s, LAW)) == -float(static_current(voltage_v, g_s, LAW))
    assert abs(float(static_current(voltage_v, high, LAW))) >= abs(float(static_current(voltage_v, low, LAW))) * (
        1 - 1e-12
    )


@given(G, VOLTS)
def test_static_power_is_not_negative(g_s, voltage_v):
    assert voltage_v * float(static_current(voltage_v, g_s, LAW)) >= 0.0


@given(G, st.floats(-1.5, 1.5))
def test_slope_is_the_derivative(g_s, voltage_v):
    h = 1e-5
    difference = (static_current(voltage_v + h, g_s, LAW) - static_current(voltage_v - h, g_s, LAW)) / (2 * h)
    assert float(static_slope(voltage_v, g_s, LAW)) == pytest.approx(float(difference), rel=1e-5)


@given(G, st.floats(0.05, 2.0))
def test_state_at_a_current_is_the_inverse_of_the_current(g_s, voltage_v):
    current_a = float(static_current(voltage_v, g_s, LAW))
    assert float(conductance_at_current(voltage_v, current_a, LAW)) == pytest.approx(g_s, rel=1e-6)


@given(st.lists(G, min_size=1, max_size=5), VOLTS, WIDTH)
def test_law_of_many_cells_is_the_law_of_each(cells_s, voltage_v, width_s):
    together = delta_conductance(cells_s, voltage_v, width_s, LAW)
    apart = [float(delta_conductance(cell, voltage_v, width_s, LAW)) for cell in cells_s]
    assert together.tolist() == pytest.approx(apart, rel=1e-12, abs=1e-30)


@given(G)
def test_read_coefficients_are_positive(g_s):
    linear, cubic = read_coefficients(g_s, LAW)
    assert float(linear) > 0.0
    assert float(cubic) >= 0.0


# --- forming


@given(st.floats(-3, 3), st.floats(0, 1), st.floats(1, 4))
def test_breakdown_is_faster_at_more_voltage_and_never_below_zero(voltage_v, more_v, forming_v):
    slow, fast = (float(breakdown_rate(v, forming_v, FORMING)) for v in (voltage_v, voltage_v + more_v))
    assert fast >= slow >= 0.0
    assert voltage_v > 0.0 or slow == 0.0


@given(st.floats(1e-9, 1 - 1e-9), st.floats(1e-9, 1 - 1e-9))
def test_life_is_monotone_in_its_draw_and_positive(one, other):
    lives = [float(life_from_uniform(value, FORMING)) for value in (one, other)]
    assert min(lives) > 0.0
    low, high = sorted((one, other))
    first, second = (float(life_from_uniform(value, FORMING)) for value in (low, high))
    assert first != second or low == pytest.approx(high, rel=1e-6)


# --- noise


@given(st.floats(0, 1e9), st.floats(1.0, 10.0))
def test_longer_average_leaves_less_noise(aperture_s, factor):
    less, more = aperture_weights(BANK, aperture_s * factor), aperture_weights(BANK, aperture_s)
    assert (less <= more + 1e-9).all()
    assert ((more >= 0.0) & (more <= 1.0 + 1e-12)).all()


@given(st.floats(-1e6, 1e9), st.floats(0, 1e9))
def test_relaxation_never_runs_back(age_s, later_s):
    now, then = relaxation_decades([age_s, age_s + later_s], RELAXATION)
    assert then >= now >= 0.0


@given(st.floats(1e-12, 1e-2), st.floats(1e-3, 1e6), st.floats(1, 400), st.floats(1e-6, 10))
def test_thermal_noise_grows_as_the_root(conductance_s, bandwidth_hz, temperature_k, factor):
    one = thermal_current_rms(conductance_s, bandwidth_hz, temperature_k)
    for many in (
        thermal_current_rms(factor * conductance_s, bandwidth_hz, temperature_k),
        thermal_current_rms(conductance_s, factor * bandwidth_hz, temperature_k),
    ):
        assert many == pytest.approx(np.sqrt(factor) * one, rel=1e-9, abs=1e-300)


@given(st.floats(max_value=-1e-300, min_value=-1e9))
def test_negative_noise_arguments_are_refused(value):
    with pytest.raises(ValueError, match="negative"):
        thermal_current_rms(value, 1.0)
    with pytest.raises(ValueError, match="negative"):
        aperture_weights(BANK, value)


# --- random numbers

SEED = st.integers(0, 2**64 - 1)


@given(SEED, st.sampled_from(list(Stream)), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_draw_is_a_function_of_its_counter(seed, stream, cell, event):
    first = uniforms(seed, stream, cell, event)
    assert 0.0 < float(first) < 1.0
    assert float(first) == float(uniforms(seed, stream, cell, event))


@given(SEED, st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6))
def test_draws_together_are_the_draws_apart(seed, cells):
    together = normals(seed, Stream.NOISE, cells)
    assert together.tolist() == [float(normals(seed, Stream.NOISE, cell)) for cell in cells]


@given(SEED, SEED)
def test_draws_of_another_seed_or_stream_differ(seed, other):
    cells = np.arange(8)
    assume(seed != other)
    assert (uniforms(seed, Stream.CYCLE, cells) != uniforms(other, Stream.CYCLE, cells)).any()
    assert (uniforms(seed, Stream.CYCLE, cells) != uniforms(seed, Stream.NOISE, cells)).any()


@given(st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4), st.integers(0, 127))
def test_one_bit_of_the_counter_changes_about_half_of_the_bits(counter, bit):
    changed = list(counter)
    changed[bit // 32] ^= 1 << bit % 32
    difference = philox4x32(counter, [1, 2]) ^ philox4x32(changed, [1, 2])
    count = sum(int(word).bit_count() for word in difference)
    # 128 bits: 64 expected, standard deviation 5.7; 25 is 6.8 of them
    assert 25 <= count <= 103


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_cell_has_the_same_number_in_every_array(rows, columns, more_rows, more_columns):
    small, large = cell_ids(rows, columns), cell_ids(rows + more_rows, columns + more_columns)
    assert (small == large[:rows, :columns]).all()
    assert len(np.unique(large)) == large.size


@given(st.integers())
def test_seed_out_of_64_bits_is_refused(seed):
    if 0 <= seed < 2**64:
        uniforms(seed, Stream.NOISE, 0)
    else:
        with pytest.raises(ValueError, match="seed"):
            uniforms(seed, Stream.NOISE, 0)
