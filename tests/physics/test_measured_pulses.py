"""The calibrated pulse-update model against measured devices.

Authority: cross-sim-data of Sandia National Laboratories (BSD-3): 21 TaOx devices, one polymer ECRAM. The 21 are the
odd ones of 41; nothing here has seen the even ones. What a device is held to is itself, within the spread of devices.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from labctl.analysis.calibration import (
    calibrate_device,
    calibrate_technology,
    share_inside,
    share_near,
    step_moments,
)
from labctl.analysis.pulse_tables import PulseTable, device_range, measured_pulse_tables
from labctl.analysis.quantile_curves import calibrate_curves, calibrate_technology_curves

TAOX = "21 TaOx devices, cross-sim-data"
ENODE = "1 polymer ECRAM (ENODe), cross-sim-data"
BAR = "13 quantiles in >= 90 % of bins"
DATA = Path(os.environ.get("LABCTL_DATA") or Path(__file__).parents[3] / "shared" / "data")
FILE = DATA / "measured" / "pulse_update_tables.npz"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"no {FILE.name} (set LABCTL_DATA to the data folder)")
NAMES = {"up": "increasing", "down": "decreasing"}


@pytest.fixture(scope="module", params=["up", "down"])
def taox(request):
    tables = measured_pulse_tables("taox", request.param, DATA)
    return request.param, tables, calibrate_technology(tables)


def every_bin(direction):
    with np.load(FILE) as stored:
        return [
            PulseTable(
                f"{device:02d}",
                stored[f"TaOx_{device:02d}_{NAMES[direction]}_G"].astype(float),
                stored["quantiles"].astype(float),
                stored[f"TaOx_{device:02d}_{NAMES[direction]}_dGq"].astype(float),
            )
            for device in range(1, 42, 2)
        ]


def test_typical_taox_device_lies_within_the_device_to_device_spread(taox, number):
    direction, tables, calibration = taox
    share = share_inside(calibration.model, tables)
    number(
        f"TaOx {direction}, typical device: law within the devices' 5 to 95 % range",
        f"{100 * share:.0f} % of {tables[0].place.size} bins",
        authority=TAOX,
        bar=BAR,
        held=share >= 0.9,
    )
    assert len(tables) == 21
    assert share >= 0.9


def test_typical_taox_device_lies_within_the_spread_in_bins_it_has_not_seen(taox, number):
    direction, _, calibration = taox
    tables = every_bin(direction)
    share = share_inside(calibration.model, tables)
    number(
        f"TaOx {direction}, typical device: law, all 61 bins (calibrated on every second)",
        f"{100 * share:.0f} % of {tables[0].place.size} bins",
        authority=TAOX,
        bar=BAR,
        held=share >= 0.9,
    )
    assert share >= 0.9


def test_typical_taox_device_of_the_curves_lies_within_the_spread_in_bins_it_has_not_seen(taox, number):
    direction, tables, _ = taox
    complete = every_bin(direction)
    share = share_inside(calibrate_technology_curves(tables).model, complete)
    number(
        f"TaOx {direction}, typical device: curves, all 61 bins (calibrated on every second)",
        f"{100 * share:.0f} % of {complete[0].place.size} bins",
        authority=TAOX,
        bar=BAR,
        held=share >= 0.9,
    )
    assert share >= 0.9


def test_typical_taox_device_lies_within_the_spread_of_devices_it_has_not_seen(taox, number):
    # one split says little: two of the 21 SET far less than the others, and the range of ten devices is narrow
    direction, _, _ = taox
    complete = every_bin(direction)
    generator, shares = np.random.default_rng(1), []
    for _ in range(100):
        order = generator.permutation(len(complete))
        seen, unseen = ([complete[index] for index in part] for part in (order[:11], order[11:]))
        shares.append(share_inside(calibrate_technology_curves(seen).model, unseen))
    shares = np.array(shares)
    number(
        f"TaOx {direction}, typical device: curves of 11, range of the other 10, median of 100 splits",
        f"{100 * np.median(shares):.0f} % of bins; {100 * (shares >= 0.9).mean():.0f} % of the splits reach 90 %, "
        f"5 % of them less than {100 * np.quantile(shares, 0.05):.0f} %",
        authority=TAOX,
        bar=BAR,
        held=np.median(shares) >= 0.9,
    )
    assert np.median(shares) >= 0.9


def device_shares(direction, tables):
    """Part of the bins in which the curves of each device, from these tables, miss no quantile of its 61 bins.

    A miss is more than half the devices' range: to replace a device by its model then changes less than to replace it
    by another device.
    """
    complete = every_bin(direction)
    low, high = device_range(complete)
    hits = []
    for seen, table in zip(tables, complete, strict=True):
        found = calibrate_curves(seen).quantiles(np.clip(table.place, 0.0, 1.0), table.levels)
        hits.append((np.abs(found - table.steps) <= 0.5 * (high - low)).all(axis=0))
    return np.array(hits)


def test_every_taox_device_is_met_within_the_device_to_device_spread(taox, number):
    direction, _, _ = taox
    shares = device_shares(direction, every_bin(direction)).mean(axis=1)
    number(
        f"TaOx {direction}, each device: its curves miss it by less than half the devices' range",
        f"{100 * min(shares):.0f} % of 61 bins at worst, median {100 * np.median(shares):.0f} %, "
        f"{sum(shares >= 0.9)} of 21 devices reach 90 %",
        authority=TAOX,
        bar=f"{BAR}, every device",
        held=min(shares) >= 0.9,
    )
    assert min(shares) >= 0.9


def test_every_taox_device_is_met_when_its_curves_have_seen_every_second_bin(taox, number):
    # half of the bins were seen, and there the curves follow the table: the next test has the others alone
    direction, tables, _ = taox
    shares = device_shares(direction, tables).mean(axis=1)
    number(
        f"TaOx {direction}, each device: the same, curves from every second bin, all bins",
        f"{100 * min(shares):.0f} % of 61 bins at worst, median {100 * np.median(shares):.0f} % (half of them seen)",
        authority=TAOX,
        bar=f"{BAR}, every device",
        held=min(shares) >= 0.9,
    )
    assert min(shares) >= 0.9


def test_every_taox_device_is_met_by_its_curves_in_bins_they_have_not_seen(taox, number, request):
    direction, tables, _ = taox
    if direction == "down":
        reason = (
            "in the lowest sixth devices differ by a hundredth of the range, and a device from bin to bin by as much; "
            "cubic and smoothed curves reach no more"
        )
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    shares = device_shares(direction, tables)[:, 1::2].mean(axis=1)
    number(
        f"TaOx {direction}, each device: the same, the 30 bins that were not seen",
        f"{100 * min(shares):.0f} % at worst, median {100 * np.median(shares):.0f} %, "
        f"{sum(shares >= 0.9)} of 21 devices reach 90 %",
        authority=TAOX,
        bar=f"{BAR}, every device",
        held=min(shares) >= 0.9,
    )
    assert min(shares) >= 0.9


def test_law_of_24_parameters_meets_fewer_devices_than_their_curves(taox, number):
    # why there are curves; the law misses where devices hardly differ: RESET in the lowest, SET in the highest fifth
    direction, tables, calibration = taox
    low, high = device_range(tables)
    shares = np.array([share_near(calibration.devices[each.device], each, 0.5 * (high - low)) for each in tables])
    number(
        f"TaOx {direction}, each device: law of 24 parameters in place of curves",
        f"{100 * min(shares):.0f} % of bins at worst, median {100 * np.median(shares):.0f} %, "
        f"{sum(shares >= 0.9)} of 21 devices reach 90 %",
        authority=TAOX,
        bar=f"{BAR}, every device",
        held=min(shares) >= 0.9,
    )
    assert (shares >= 0.9).sum() < (device_shares(direction, tables).mean(axis=1) >= 0.9).sum()


def test_calibrated_taox_shows_abrupt_set_and_gradual_noisy_reset(taox):
    # figures of the whole set of 41 devices at mid range: SET 0.56 of the range, C2C 0.14 of a step; RESET 0.1 and 0.79
    direction, _, calibration = taox
    (mean,), (sd,) = step_moments(calibration.model, [0.5])
    if direction == "up":
        assert mean == pytest.approx(0.56, abs=0.1)
        assert sd / mean == pytest.approx(0.14, abs=0.03)
    else:
        assert -0.25 < mean < -0.08
        assert 0.4 < sd / -mean < 1.0


@pytest.mark.parametrize("direction", ["up", "down"])
def test_polymer_ecram_is_met_within_the_resolution_of_its_readings(direction, number):
    (table,) = measured_pulse_tables("enode", direction, DATA)
    model = calibrate_device(table).model
    # increments are differences of readings in whole uS
    share = share_near(model, table, 1e-6 / table.range_s)
    number(
        f"ENODe {direction}: own calibration within 1 uS, a step of its readings (one device: no spread D2D)",
        f"{100 * share:.0f} % of {table.place.size} bins",
        authority=ENODE,
        bar=BAR,
        held=share >= 0.9,
    )
    assert share >= 0.9
