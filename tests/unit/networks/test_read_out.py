"""The read-out chain. Authority: systems.md 2.6 (auto-ranging with hysteresis: rise above 95 %, drop below 8 %, hold
two samples; value = code x step x ratio), and the definition of a binary number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.networks.read_out import CurrentScaling, bit_planes, calibrated_ratios

# full scale 80 uA: ranges of 10, 20, 40 and 80 uA, 255 codes each
CHAIN = CurrentScaling(80e-6)


def ratios(*samples_a):
    return CHAIN.convert(np.array(samples_a)[:, np.newaxis]).ratio[:, 0].tolist()


def test_ratio_falls_after_two_low_samples_and_rises_at_once():
    # 5 uA is 6.25 % of 80 uA, and 50 % of 10 uA; of 40 uA 12.5 %, which is not low any more
    assert ratios(5e-6, 5e-6, 5e-6, 39e-6, 79e-6, 5e-6, 5e-6) == [8, 4, 4, 8, 8, 8, 4]
    # 39 uA is 97.5 % of 40 uA
    assert ratios(2e-6, 2e-6, 37e-6) == [8, 2, 4]


def test_one_low_sample_between_others_keeps_the_ratio():
    assert ratios(50e-6, 1e-6, 50e-6, 1e-6, 50e-6) == [8, 8, 8, 8, 8]


def test_ratio_does_not_swing_when_a_current_stands_between_the_thresholds():
    for level_a in np.linspace(0.5e-6, 79e-6, 400):
        settled = ratios(*[level_a] * 8)[3:]
        assert len(set(settled)) == 1


@given(st.lists(st.floats(0.0, 80e-6), min_size=1, max_size=40))
def test_error_is_half_a_step_of_the_ratio_in_use(samples_a):
    current_a = np.array(samples_a)[:, np.newaxis]
    found = CHAIN.convert(current_a)
    step_a = 10e-6 / 255
    assert np.all(np.abs(found.current_a - current_a) <= 0.5 * step_a * found.ratio * (1 + 1e-9))
    assert not found.is_saturated.any()
    assert found.conversions >= current_a.size


def test_current_beyond_the_largest_range_is_flagged_and_held_at_its_end():
    found = CHAIN.convert([[90e-6], [-1e-6]])
    assert found.is_saturated[:, 0].tolist() == [True, False]
    assert found.current_a[:, 0] == pytest.approx([80e-6, 0.0])


def test_calibration_takes_away_what_mirrors_differ():
    true = np.array([[1.0, 2.1, 3.8, 8.3]])
    reference_a = np.array([9e-6, 18e-6, 34e-6, 72e-6])
    known = calibrated_ratios(CHAIN, true, reference_a)
    # one code of some 220
    np.testing.assert_allclose(known, true, rtol=1 / 200)
    current_a = np.full((6, 1), 60e-6)
    plain = CHAIN.convert(current_a, true_ratios=true).current_a[-1, 0]
    better = CHAIN.convert(current_a, true_ratios=true, known_ratios=known).current_a[-1, 0]
    # 8 / 8.3 is 3.6 % low
    assert plain == pytest.approx(60e-6 * 8 / 8.3, rel=5e-3)
    assert better == pytest.approx(60e-6, rel=5e-3)
    with pytest.raises(ValueError, match="codes of 1 to 255"):
        calibrated_ratios(CHAIN, true, [9e-6, 18e-6, 34e-6, 200e-6])


@pytest.mark.parametrize(
    "settings",
    [
        {"full_scale_a": 0.0},
        {"bits": 0},
        {"hold": 0},
        {"ratios": (2.0, 4.0)},
        {"ratios": (1.0, 4.0, 2.0)},
        # 8 % of 40 uA is 3.2 uA, more than all of a range twenty times smaller
        {"ratios": (1.0, 20.0)},
        {"drop_below": 0.6},
    ],
)
def test_chain_refuses_settings_that_cannot_be(settings):
    with pytest.raises(ValueError, match="current scaling"):
        CurrentScaling(**({"full_scale_a": 80e-6} | settings))


@given(st.lists(st.integers(0, 15), min_size=1, max_size=10))
def test_planes_are_the_binary_digits_of_the_inputs(codes):
    planes = bit_planes(np.array([codes]) * 0.2, 4, largest=3.0)
    assert set(np.unique(planes)) <= {0, 1}
    assert [int("".join(str(bit) for bit in planes[::-1, 0, place]), 2) for place in range(len(codes))] == codes


def test_planes_hold_inputs_beyond_the_largest_at_it():
    assert bit_planes([[7.0, -1.0]], 2, largest=3.0).tolist() == [[[1, 0]], [[1, 0]]]
