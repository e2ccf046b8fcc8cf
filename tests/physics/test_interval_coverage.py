"""Authority: random models whose truth is known; issue 4: 95 % intervals cover it in at least 93 % of 200 draws.

Where that is not reached (a Weibull shape over cells that differ, the mean of few skewed values) the table says so, and
the test holds what is reached.
"""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

from labctl.analysis.cell_intervals import lognormal_over_cells, mean_over_cells, weibull_over_cells
from labctl.analysis.distributions import weibull_law
from labctl.analysis.intervals import bootstrap
from labctl.analysis.paired_pulse import facilitation_index
from labctl.analysis.states import count_states
from labctl.analysis.variability import cycle_correlation, split_variance

DRAWS, LEAST = 200, 0.93


@pytest.fixture
def cover(number):
    def record(what, estimates, truth, least=LEAST):
        assert len(estimates) == DRAWS
        part = float(np.mean([one.low <= truth <= one.high for one in estimates]))
        number(
            f"95 % interval of {what}, coverage",
            f"{100.0 * part:.1f} % of {DRAWS} draws",
            authority="the law that was drawn from",
            bar=f">= {100.0 * LEAST:.0f} %",
            held=part >= LEAST,
            strain=(1.0 - part) / (1.0 - LEAST),
        )
        assert part >= least

    return record


def cells_of(chance, cells, cycles, device, cycle):
    return device * chance.standard_normal((cells, 1)) + cycle * chance.standard_normal((cells, cycles))


@pytest.mark.parametrize(("cells", "cycles"), [(2, 5), (3, 5), (5, 20), (10, 5), (10, 50)])
def test_interval_over_cells_covers_the_truth(cells, cycles, cover):
    chance = np.random.default_rng(100 * cells + cycles)
    shape = f"{cells} cells x {cycles} cycles"
    means = [mean_over_cells(list(1.0 + cells_of(chance, cells, cycles, 0.1, 0.03)), "1") for _ in range(DRAWS)]
    cover(f"a mean, {shape}", means, 1.0)
    laws = [lognormal_over_cells(list(np.exp(cells_of(chance, cells, cycles, 0.2, 0.1))), "S") for _ in range(DRAWS)]
    cover(f"a log-normal median, {shape}", [law.median for law in laws], 1.0)
    # what any cycle of any cell scatters
    cover(f"a log-normal sigma, {shape}", [law.sigma for law in laws], np.hypot(0.2, 0.1))


@pytest.mark.parametrize(("cells", "cycles", "least"), [(10, 5, 0.85), (5, 20, 0.80)])
def test_interval_of_a_weibull_shape_over_cells_is_told_as_good_as_it_is(cells, cycles, least, cover):
    chance = np.random.default_rng(1000 * cells + cycles)

    def drawn(count):
        return (1.0 + 0.1 * chance.standard_normal((count, 1))) * chance.weibull(15.0, (count, cycles))

    # cells that differ make no Weibull law of all cycles: the truth is that of very many cells
    shape, scale = weibull_law(drawn(20000).ravel())
    laws = [weibull_over_cells(list(drawn(cells)), "V") for _ in range(DRAWS)]
    cover(f"a Weibull scale, {cells} cells x {cycles} cycles", [law.scale for law in laws], scale)
    cover(f"a Weibull shape, {cells} cells x {cycles} cycles", [law.shape for law in laws], shape, least)


@pytest.mark.parametrize(
    ("devices", "cycles", "between", "within"), [(3, 50, 0.1, 0.05), (10, 5, 0.1, 0.03), (12, 50, 0.1, 0.05)]
)
def test_interval_of_c2c_and_d2d_covers_the_truth(devices, cycles, between, within, cover):
    chance = np.random.default_rng(devices)
    found = [split_variance(1.0 + cells_of(chance, devices, cycles, between, within)) for _ in range(DRAWS)]
    cover(f"C2C, {devices} cells x {cycles} cycles", [one.cycle_to_cycle for one in found], within)
    cover(f"D2D, {devices} cells x {cycles} cycles", [one.device_to_device for one in found], between)


def test_interval_of_no_d2d_holds_0(cover):
    chance = np.random.default_rng(4)
    found = [split_variance(1.0 + cells_of(chance, 10, 5, 0.0, 0.03)).device_to_device for _ in range(DRAWS)]
    cover("D2D where there is none, 10 cells x 5 cycles", found, 0.0)


@pytest.mark.parametrize(
    ("memory", "cycles", "lag"),
    [(0.0, 30, 1), (0.6, 15, 1), (0.6, 30, 1), (0.6, 100, 1), (0.6, 300, 1), (0.8, 30, 1), (0.6, 100, 2)],
)
def test_interval_of_the_memory_of_cycles_covers_the_truth(memory, cycles, lag, cover):
    chance = np.random.default_rng(cycles + round(10 * memory) + lag)
    series = lfilter([1.0], [1.0, -memory], chance.standard_normal((DRAWS, cycles + 100)), axis=1)[:, 100:]
    found = [cycle_correlation(one, lag) for one in series]
    cover(f"an autocorrelation of {memory:g}, lag {lag}, {cycles} cycles", found, memory**lag)


@pytest.mark.parametrize(("count", "least"), [(60, LEAST), (20, 0.91), (8, 0.87)])
def test_bootstrap_of_a_skewed_mean_covers_the_truth(count, least, cover):
    chance = np.random.default_rng(count)
    found = [
        bootstrap(chance.exponential(2.0, count), lambda rows: rows.mean(axis=1), unit="s", seed=draw)
        for draw in range(DRAWS)
    ]
    cover(f"the mean of {count} exponential values", found, 2.0, least)


def test_interval_of_confused_states_covers_the_overlap(cover):
    chance = np.random.default_rng(2)
    # three states 3 sigma apart, thresholds in the middle: four tails of three states
    found = [
        count_states([mean + chance.standard_normal(60) for mean in (0.0, 3.0, 6.0)], wait_s=1.0, seed=draw)
        for draw in range(DRAWS)
    ]
    cover("the confusion of 3 states, 60 reads each", [one.confusion for one in found], 4.0 * norm.sf(1.5) / 3.0)


def test_interval_of_facilitation_over_cells_covers_the_truth(cover):
    chance = np.random.default_rng(12)
    found = []
    for _ in range(DRAWS):
        strength, index = 1.0 + 0.2 * chance.standard_normal((6, 1)), 1.5 + 0.1 * chance.standard_normal((6, 1))
        first = strength * (1.0 + 0.05 * chance.standard_normal((6, 10)))
        found.append(facilitation_index(first, strength * index * (1.0 + 0.05 * chance.standard_normal((6, 10)))))
    cover("a facilitation index, 6 cells x 10 pairs", found, 1.5)
