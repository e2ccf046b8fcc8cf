"""Authority: dwell times drawn from exponential laws; the likelihood summed over all paths by brute force."""

from itertools import pairwise, product

import numpy as np
import pytest
from scipy.stats import norm

from labctl.analysis.hidden_markov import TrapModel, improve, log_likelihood, smooth
from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.telegraph import telegraph_noise


def trap(chance, count, interval_s, capture_s, emission_s, step_a):
    """Draw dwell times one by one and sample them."""
    time_s, high, edges, states = 0.0, chance.random() < capture_s / (capture_s + emission_s), [], []
    while time_s < count * interval_s:
        edges.append(time_s)
        states.append(high)
        time_s += chance.exponential(capture_s if high else emission_s)
        high = not high
    place = np.searchsorted(edges, np.arange(count) * interval_s, side="right") - 1
    return step_a * np.array(states, dtype=float)[place]


def pink(chance, count):
    frequency = np.fft.rfftfreq(count)
    frequency[0] = frequency[1]
    lines = chance.standard_normal(frequency.size) + 1j * chance.standard_normal(frequency.size)
    noise = np.fft.irfft(lines / np.sqrt(frequency), count)
    return noise / noise.std()


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_likelihood_and_smoothing_are_sums_over_all_paths(engine):
    model = TrapModel(0.2, np.array([1.0, 0.4]), 0.5, np.array([0.2, 0.05]), np.array([0.3, 0.1]))
    current = np.random.default_rng(1).standard_normal(6)
    emission = norm.pdf(current[:, None], model.levels_a, 0.5)
    total, share, counts = 0.0, np.zeros((6, 4)), np.zeros((4, 4))
    for path in product(range(4), repeat=6):
        chance = model.stationary[path[0]] * emission[0, path[0]]
        for place in range(1, 6):
            chance *= model.transition[path[place - 1], path[place]] * emission[place, path[place]]
        total += chance
        for place in range(6):
            share[place, path[place]] += chance
        for before, after in pairwise(path):
            counts[before, after] += chance
    probabilities, transitions, logs = smooth(current, model, engine=engine)
    assert logs == pytest.approx(np.log(total))
    assert log_likelihood(current, model, engine=engine) == pytest.approx(np.log(total))
    np.testing.assert_allclose(probabilities, share / total, rtol=1e-9)
    np.testing.assert_allclose(transitions, counts / total, rtol=1e-9)


@pytest.mark.parametrize("traps", [1, 2])
def test_compiled_and_plain_sums_agree_on_a_long_trace(traps):
    # authority: the same sums by another algorithm; far samples and rare transitions stretch the scales
    chance = np.random.default_rng(9)
    current = trap(chance, 5000, 1.0, 300.0, 50.0, 1.0) + 0.02 * chance.standard_normal(5000)
    current[100] = 30.0
    model = TrapModel(
        0.0, np.array([1.0, 0.3])[:traps], 0.02, np.array([3e-3, 1e-9])[:traps], np.array([0.02, 0.7])[:traps]
    )
    fast, plain = (smooth(current, model, engine=engine) for engine in ("numba", "numpy"))
    np.testing.assert_allclose(fast[0], plain[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fast[1], plain[1], rtol=1e-9, atol=1e-12)
    assert fast[2] == pytest.approx(plain[2], rel=1e-12)
    likelihoods = [log_likelihood(current, model, after=7, engine=engine) for engine in ("numba", "numpy")]
    assert likelihoods[0] == pytest.approx(likelihoods[1], rel=1e-12)


def test_compiled_likelihood_is_a_logarithm_of_what_no_float_holds():
    # noise as large as the step: each sample leaves about a half, 3000 of them 1e-900
    current = np.random.default_rng(10).standard_normal(3000)
    model = TrapModel(-0.5, np.array([1.0]), 0.3, np.array([0.4]), np.array([0.4]))
    likelihoods = [log_likelihood(current, model, engine=engine) for engine in ("numba", "numpy")]
    assert likelihoods[0] == pytest.approx(likelihoods[1], rel=1e-12)


def test_each_step_is_no_less_likely():
    chance = np.random.default_rng(2)
    current = trap(chance, 1000, 1.0, 20.0, 30.0, 1.0) + 0.4 * chance.standard_normal(1000)
    model = TrapModel(-0.3, np.array([0.5]), 1.0, np.array([0.2]), np.array([0.2]))
    reached = -np.inf
    for _ in range(20):
        model, before = improve(current, model)
        # the stationary probability of the first sample has no part in a step: thousandths of ln L
        assert before >= reached - 1e-3
        reached = before


def test_one_trap_is_found_with_its_times():
    chance = np.random.default_rng(3)
    current = 1e-6 + trap(chance, 4000, 1e-3, 0.02, 0.05, 3e-8) + 1e-8 * chance.standard_normal(4000)
    found = telegraph_noise(current, 1e-3)
    assert (len(found.traps), found.coloured, found.reason) == (1, False, "")
    only = found.traps[0]
    assert only.capture_s.low < 0.02 < only.capture_s.high
    assert only.emission_s.low < 0.05 < only.emission_s.high
    assert only.amplitude.low < 3e-8 / 1.03e-6 < only.amplitude.high
    assert found.levels_a == (pytest.approx(1e-6, rel=1e-3), pytest.approx(1.03e-6, rel=1e-3))


def test_two_traps_are_found_as_four_levels():
    chance = np.random.default_rng(4)
    current = 1e-6 + trap(chance, 6000, 1e-3, 0.02, 0.03, 3e-8) + trap(chance, 6000, 1e-3, 0.1, 0.1, 1.5e-8)
    found = telegraph_noise(current + 4e-9 * chance.standard_normal(6000), 1e-3)
    assert len(found.traps) == 2
    assert found.levels_a == tuple(pytest.approx(level, rel=2e-3) for level in (1e-6, 1.015e-6, 1.03e-6, 1.045e-6))
    assert [item.step_a for item in found.traps] == [pytest.approx(3e-8, rel=0.05), pytest.approx(1.5e-8, rel=0.05)]
    assert found.traps[1].capture_s.low < 0.1 < found.traps[1].capture_s.high


def test_trap_in_pink_noise_stays_one_trap():
    chance = np.random.default_rng(5)
    current = 1e-6 + trap(chance, 6000, 1e-3, 0.02, 0.05, 3e-8) + 5e-9 * pink(chance, 6000)
    found = telegraph_noise(current, 1e-3)
    assert len(found.traps) == 1
    assert found.traps[0].capture_s.low < 0.02 < found.traps[0].capture_s.high


@pytest.mark.parametrize("kind", ["white", "pink", "walk", "drift"])
def test_noise_without_levels_is_no_telegraph_noise(kind):
    chance = np.random.default_rng(6)
    white = chance.standard_normal(2000)
    noise = {
        "white": white,
        "pink": pink(chance, 2000),
        "walk": np.cumsum(white),
        "drift": white + np.linspace(0, 3, 2000),
    }
    found = telegraph_noise(1e-6 + 1e-9 * noise[kind], 1e-3)
    assert found.traps == ()
    assert found.reason


def test_too_few_dwells_are_no_statement():
    current = np.where(np.arange(1000) > 400, 1.1e-6, 1e-6) + 1e-9 * np.random.default_rng(7).standard_normal(1000)
    found = telegraph_noise(current, 1e-3)
    assert found.traps == ()
    assert "10 needed" in found.reason or "explains" in found.reason


@pytest.mark.slow
def test_intervals_cover_the_truth():
    chance = np.random.default_rng(8)
    inside = []
    for _ in range(200):
        current = 1.0 + trap(chance, 1500, 1e-3, 0.01, 0.02, 0.03) + 0.006 * chance.standard_normal(1500)
        only = telegraph_noise(current, 1e-3).traps[0]
        figures = (only.capture_s, 0.01), (only.emission_s, 0.02), (only.amplitude, 0.03 / 1.03)
        inside.append([item.low <= truth <= item.high for item, truth in figures])
    assert (np.mean(inside, axis=0) >= 0.93).all(), np.mean(inside, axis=0)


def test_telegraph_refuses_what_is_no_trace():
    with pytest.raises(TooFewPoints, match="at least 500 points, got 20"):
        telegraph_noise(np.arange(20.0), 1e-3)
    with pytest.raises(ValueError, match="interval must be positive"):
        telegraph_noise(np.arange(600.0), 0.0)
