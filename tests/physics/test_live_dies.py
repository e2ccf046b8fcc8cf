"""Authority: the rules of a simulated die (a hold cut into pieces is one hold, a die restored goes on, a cell does not
depend on the size of its array, nothing happens in a dead zone, looking does not disturb) for every family of devices.
"""

import io

import numpy as np
import pytest

from labctl.errors import StationError
from labctl.physics.fresh_die import Effects
from labctl.physics.live_die import FAMILIES, make_die, restore_die
from labctl.physics.presets import load_preset

QUIET = Effects(False, False, False, False, False)
PARTS = load_preset("parts_assumed")
ONE_STATE_V = 1.15 * 5e10 * 60e-18 * 16250.0
# device file: cell voltage and control of a SET, of a RESET, length of a stress that moves cells
DRIVES = {
    "kim2021_tiox_al2o3": ((3.2, None), (-1.2, None), 1e-3),
    "messaris2018_tiox_dut1": ((1.4, None), (-1.9, None), 1e-3),
    "messaris2018_tiox_dut2": ((0.8, None), (-0.8, None), 1e-4),
    "stanford_hfo2": ((1.5, None), (-1.5, None), 1e-5),
    "asu_hfox_1t1r": ((1.8, 1.2), (-1.4, 3.0), 1e-6),
    "um2024_ecram": ((0.0, 5.0), (0.0, -5.0), 0.05),
    "dhull2024_domain_wall": ((0.0, ONE_STATE_V), (0.0, -ONE_STATE_V), 5e-9),
    "sandia2022_taox": ((1.0, None), (-1.0, None), 1e-4),
}


def levels(die, drive):
    cell_v, control_v = drive
    return np.full(die.shape, cell_v), None if control_v is None else np.full(die.shape, control_v)


def stress(die, drive, duration_s, now_s, **options):
    cell_v, control_v = levels(die, drive)
    die.stress(cell_v, duration_s, now_s, control_v=control_v, **options)


def lived(name, *, rows=6, columns=5, seed=4, effects=None, parts=None):
    die = make_die(load_preset(name), rows, columns, seed, effects, parts=parts)
    up, down, width_s = DRIVES[name]
    for number, drive in enumerate((up, up, down, up)):
        stress(die, drive, width_s, 10.0 * number + 1.0)
        die.coefficients_at(10.0 * number + 5.0, [0, 3], aperture_s=0.02)
    return die


def everything(die):
    return die.to_arrays() | {"a1": die.coefficients_at(1e3)[0]}


@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize("effects", [QUIET, Effects(stuck_cells=False)], ids=["quiet", "random"])
@pytest.mark.parametrize("way", [0, 1], ids=["set", "reset"])
def test_hold_cut_into_pieces_is_one_hold(name, effects, way):
    preset = load_preset(name)
    whole, cut = (make_die(preset, 4, 4, 2, effects) for _ in range(2))
    up, down, width_s = DRIVES[name]
    for die in (whole, cut):
        stress(die, up, width_s, 0.0)
        stress(die, up if way else down, width_s, 1.0)
    started = whole.programmed_s()
    drive, limit = DRIVES[name][way], 1.0 if name.startswith("kim") else 2e-3
    stress(whole, drive, width_s, 7.0, current_limit_a=limit)
    at_s = 7.0
    for part in (0.5, 0.125, 0.375):
        stress(cut, drive, part * width_s, at_s, current_limit_a=limit)
        at_s += part * width_s
    np.testing.assert_allclose(cut.programmed_s(), whole.programmed_s(), rtol=1e-9)
    # a hold that does nothing would prove nothing
    assert name == "dhull2024_domain_wall" or (whole.programmed_s() != started).any()


@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize("parts", [None, PARTS], ids=["bare", "parts"])
def test_restored_die_goes_on_as_the_stored_one(name, parts):
    die = lived(name, parts=parts)
    file = io.BytesIO()
    np.savez(file, **die.to_arrays())
    file.seek(0)
    again = restore_die(load_preset(name), np.load(file, allow_pickle=False), parts=parts)
    for made in (die, again):
        stress(made, DRIVES[name][1], DRIVES[name][2], 50.0)
        made.coefficients_at(60.0, aperture_s=0.1)
    found = everything(again)
    for key, value in everything(die).items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


@pytest.mark.parametrize("name", DRIVES)
def test_cell_is_the_same_in_a_larger_array_and_another_with_another_seed(name):
    small, large, other = lived(name), lived(name, rows=9, columns=8), lived(name, seed=5)
    # the readings on the way looked at two flat numbers, which are other cells in the larger array
    found, expected, elsewhere = (die.coefficients_at(1e4)[0] for die in (large, small, other))
    np.testing.assert_array_equal(large.programmed_s()[:1, :3], small.programmed_s()[:1, :3])
    assert found[0, 1] == pytest.approx(expected[0, 1], rel=1e-12)
    assert (elsewhere != expected).any()


@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nothing_happens_in_the_dead_zone(name, sign):
    die = lived(name)
    before = die.to_arrays()
    cell_v = sign * (die.dead_zone_v if np.isfinite(die.dead_zone_v) else 3.0)
    control_v = None if die.control is None else np.full(die.shape, sign * die.control.dead_zone_v)
    die.stress(np.full(die.shape, cell_v), 1e6, 100.0)
    die.stress(np.full(die.shape, cell_v), 1e6, 1e7, control_v=control_v)
    if die.control is not None and die.control.kind == "gate":
        # a floating gate writes nothing, and cuts a transistor off
        die.stress(np.full(die.shape, 2.0), 1e6, 1e8, control_v=np.full(die.shape, np.nan))
    for key, value in die.to_arrays().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize("parts", [None, PARTS], ids=["bare", "parts"])
def test_truth_disturbs_nothing(name, parts):
    die, unseen = lived(name, parts=parts), lived(name, parts=parts)
    seen = [die.truth(now_s) for now_s in (40.0, 1e5, 40.0)]
    np.testing.assert_array_equal(seen[0]["conductance_s"], seen[2]["conductance_s"])
    found = everything(die)
    for key, value in everything(unseen).items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)
    np.testing.assert_array_equal(seen[0]["programmed_s"], die.programmed_s())
    assert seen[0]["stuck"].dtype == seen[0]["formed"].dtype == bool


@pytest.mark.parametrize("name", DRIVES)
def test_order_of_looking_does_not_change_what_is_seen(name):
    one, other = lived(name), lived(name)
    forward = [one.coefficients_at(50.0, [cell], aperture_s=0.02)[0][0] for cell in range(30)]
    backward = [other.coefficients_at(50.0, [cell], aperture_s=0.02)[0][0] for cell in reversed(range(30))]
    assert forward == backward[::-1]
    all_at_once = lived(name).coefficients_at(50.0, aperture_s=0.02)[0].ravel()
    np.testing.assert_allclose(all_at_once, forward, rtol=1e-12)


@pytest.mark.parametrize("name", DRIVES)
def test_quiet_cells_are_all_the_same_and_stay(name):
    die = lived(name, effects=QUIET)
    assert np.ptp(die.programmed_s()) == 0.0 or name == "dhull2024_domain_wall"
    np.testing.assert_allclose(die.coefficients_at(1e3)[0], die.coefficients_at(1e6)[0], rtol=1e-12)


@pytest.mark.parametrize("name", DRIVES)
def test_scale_multiplies_what_is_programmed_within_the_bounds(name):
    die = lived(name, effects=QUIET)
    before = die.programmed_s()
    die.scale(7, 0.99)
    after = die.programmed_s()
    steps = name == "dhull2024_domain_wall"
    assert after.flat[7] == pytest.approx(before.flat[7] * (1.0 if steps else 0.99), rel=1e-9)
    changed = np.flatnonzero(after != before)
    np.testing.assert_array_equal(changed, [] if steps else [7])
    with pytest.raises(ValueError, match="positive"):
        die.scale(7, 0.0)
    with pytest.raises(ValueError, match="0 to 29"):
        die.scale(30, 1.1)


@pytest.mark.parametrize("name", DRIVES)
def test_stuck_cells_do_not_move(name):
    preset = load_preset(name).with_overrides({"stuck.fraction": 0.2})
    die = make_die(preset, 20, 20, 3)
    assert 0.1 < np.count_nonzero(die.stuck) / 400 < 0.3
    before = die.programmed_s()
    up, down, width_s = DRIVES[name]
    for number, drive in enumerate((up, down, up)):
        stress(die, drive, width_s, 1.0 + number)
    moved = die.programmed_s() != before
    assert not moved[die.stuck != 0].any()
    assert moved[die.stuck == 0].any()
    assert not make_die(preset, 20, 20, 3, QUIET).stuck.any()


@pytest.mark.parametrize("name", [name for name in DRIVES if name != "kim2021_tiox_al2o3"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("drive_v"), "drive_v missing"),
        (lambda a: a.pop("seed"), "seed missing"),
        (lambda a: a.update(preset=np.array("other")), "made of other"),
        (lambda a: a.update(noise=a["noise"][..., :1]), "noise must be float64 of shape"),
        (lambda a: a.update(event=a["event"].ravel()), "rows and columns"),
        (lambda a: a.update(event=a["event"].astype(float)), "event must be int64"),
    ],
)
def test_damaged_die_is_refused(name, change, message):
    arrays = lived(name).to_arrays()
    change(arrays)
    with pytest.raises(ValueError, match=message):
        restore_die(load_preset(name), arrays)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("asu_hfox_1t1r", "gap_m", 1e-6),
        ("asu_hfox_1t1r", "gap_m", np.nan),
        ("um2024_ecram", "w", np.nan),
        ("dhull2024_domain_wall", "notch", 9),
        ("messaris2018_tiox_dut1", "resistance_ohm", -5.0),
        ("sandia2022_taox", "place", 1.5),
    ],
)
def test_state_that_no_cell_can_be_in_is_refused(name, key, value):
    arrays = lived(name).to_arrays()
    arrays[key][2, 2] = value
    with pytest.raises(ValueError, match=r"stored die: .* must be"):
        restore_die(load_preset(name), arrays)


@pytest.mark.parametrize("name", [name for name in DRIVES if name != "kim2021_tiox_al2o3"])
def test_stress_refuses_what_cannot_be(name):
    die = make_die(load_preset(name), 2, 2, 1)
    good = np.ones((2, 2))
    with pytest.raises(ValueError, match=r"voltages must have shape \(2, 2\)"):
        die.stress(np.ones(4), 1.0, 0.0)
    with pytest.raises(ValueError, match="finite"):
        die.stress(good * np.nan, 1.0, 0.0)
    with pytest.raises(ValueError, match="control voltages must be finite"):
        die.stress(good, 1.0, 0.0, control_v=good * np.inf)
    with pytest.raises(ValueError, match="positive time"):
        die.stress(good, 0.0, 0.0)
    with pytest.raises(ValueError, match="current limit must be positive"):
        die.stress(good, 1.0, 0.0, current_limit_a=-1e-3)
    with pytest.raises(ValueError, match="0 to 3"):
        die.stress(good, 1.0, 0.0, active=[4])
    with pytest.raises(ValueError, match="aperture"):
        die.coefficients_at(0.0, aperture_s=-1.0)


def test_every_family_makes_a_die_and_no_other():
    assert {load_preset(name).family for name in DRIVES} == set(FAMILIES)
    with pytest.raises(StationError, match=r"no die is made of family 'parts'; known: .*ecram"):
        make_die(PARTS, 2, 2, 1)
    with pytest.raises(StationError, match="family must be parts"):
        make_die(load_preset(), 2, 2, 1, parts=load_preset())
