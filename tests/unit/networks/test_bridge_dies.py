"""Dies of physics alone as bridges. Authority: a resistive divider at low voltage; what SET and RESET do to a pair."""

import numpy as np
import pytest

from labctl.networks.bridge_dies import BridgeDie, BridgeProgram
from labctl.networks.bridges import middle_v
from labctl.physics.presets import load_preset

STRONG, WEAK = BridgeProgram(1.3, 2.2, -1.8, 1e-6), BridgeProgram(0.9, 2.2, -1.5, 1e-6)


def made(seed=1, rows=4, bridges=6, gate_v=3.0):
    preset = load_preset("asu_hfox_1t1r")
    return BridgeDie(preset, rows, 16, seed, bridges=bridges, gate_read_v=gate_v, gate_reset_v=3.3)


def test_pairs_are_complementary_and_their_middles_follow_input_and_weight():
    die = made()
    is_positive = np.random.default_rng(1).random(die.shape) < 0.5
    for weights in (is_positive, ~is_positive):
        die.program(STRONG, weights)
        cells_ohm = die.resistances_ohm(0.1)
        low_ohm = np.where(weights, cells_ohm[..., 0], cells_ohm[..., 1])
        high_ohm = np.where(weights, cells_ohm[..., 1], cells_ohm[..., 0])
        assert np.mean(high_ohm > 10.0 * low_ohm) > 0.9
        plus_v, minus_v = die.middles_v(0.1)
        agree = high_ohm > 10.0 * low_ohm
        assert ((plus_v > 0.05) == weights)[agree].all()
        assert ((minus_v > 0.05) != weights)[agree].all()
        # currents bend little at 0.1 V; cells walk and flicker from one look to the next
        wanted_v = middle_v(cells_ohm[..., 0], cells_ohm[..., 1], 0.1)
        assert plus_v == pytest.approx(wanted_v, rel=0.2, abs=2e-3)
        assert plus_v + minus_v == pytest.approx(np.full(die.shape, 0.1), rel=0.05)


def test_upper_transistor_loses_its_overdrive_to_the_plate_and_the_lower_one_keeps_it():
    # at 0.8 V and a gate of 1.3 V the upper one, above a plate at 0.76 V, has 0.09 V left, 28 kOhm beside a cell of 21
    short_v = []
    for gate_v in (3.0, 1.3):
        die = made(gate_v=gate_v)
        die.program(STRONG, np.ones(die.shape, dtype=bool))
        plus_v, minus_v = die.middles_v(0.8)
        short_v.append((float(np.median(0.8 - plus_v)), float(np.median(minus_v))))
    upper, lower = (weak_v / strong_v for strong_v, weak_v in zip(*short_v, strict=True))
    assert upper > 1.25 * lower


def test_weaker_programming_leaves_the_resistances_closer():
    apart = []
    for program in (STRONG, WEAK):
        die = made(rows=8)
        die.program(program, np.ones(die.shape, dtype=bool))
        cells_ohm = die.resistances_ohm(0.1)
        apart.append(float(np.median(np.log(cells_ohm[..., 1] / cells_ohm[..., 0]))))
    assert apart[0] > 2.0 * apart[1] > 0.0


def test_same_seed_is_the_same_die():
    middles = []
    for seed in (1, 1, 2):
        die = made(seed, rows=1, bridges=2)
        die.program(STRONG, np.ones(die.shape, dtype=bool))
        middles.append(die.middles_v(0.2))
    assert np.array_equal(middles[0], middles[1])
    assert not np.array_equal(middles[0], middles[2])


def test_what_is_no_die_of_bridges_is_refused():
    with pytest.raises(ValueError, match="18 columns"):
        made(bridges=9)
    with pytest.raises(ValueError, match="no transistor"):
        BridgeDie(load_preset("kim2021_tiox_al2o3"), 2, 4, 1, bridges=2, gate_read_v=3.0, gate_reset_v=3.3)
