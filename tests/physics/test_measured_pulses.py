"""The calibrated pulse-update model against measured devices.

Authority: cross-sim-data of Sandia National Laboratories (BSD-3): 21 TaOx devices, one polymer ECRAM.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from labctl.analysis.calibration import calibrate_device, calibrate_technology, share_inside, share_near
from labctl.analysis.pulse_tables import PulseTable, device_range, measured_pulse_tables
from labctl.analysis.quantile_curves import calibrate_curves

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
        f"TaOx {direction}: typical device within the devices' 5 to 95 % range",
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
        f"TaOx {direction}: the same, all 61 bins (calibrated on every second)",
        f"{100 * share:.0f} % of {tables[0].place.size} bins",
        authority=TAOX,
        bar=BAR,
        held=share >= 0.9,
    )
    assert share >= 0.9


@pytest.mark.xfail(
    strict=True,
    reason="half of the devices do not show where the other half lie: two of the 21 SET far less than the others, "
    "and the range of ten devices is narrow",
)
def test_typical_taox_device_lies_within_the_spread_of_devices_it_has_not_seen(taox, number):
    direction, tables, _ = taox
    halves = tables[0::2], tables[1::2]
    shares = [share_inside(calibrate_technology(seen).model, unseen) for seen, unseen in (halves, halves[::-1])]
    number(
        f"TaOx {direction}: calibrated on one half of the devices, within the range of the other",
        " and ".join(f"{100 * share:.0f} %" for share in shares),
        authority=TAOX,
        bar=BAR,
        held=min(shares) >= 0.9,
    )
    assert min(shares) >= 0.9


@pytest.mark.xfail(
    strict=True,
    reason="it misses where devices hardly differ: RESET in the lowest, SET in the highest fifth of the range; "
    "with 16 knots and a skew and tail that change along the range, the worst device still stays below 90 %; three "
    "numbers a device (gain of the median, shift along the range, scale of the spread) on the median curves of the "
    "other 20 meet 11 of 21 devices up and 1 down, the worst in half of its bins",
)
def test_every_taox_device_is_met_within_the_device_to_device_spread(taox, number):
    direction, tables, calibration = taox
    low, high = device_range(tables)
    # half the range: replacing a device by its model changes less than replacing it by another device
    shares = [share_near(calibration.devices[table.device], table, 0.5 * (high - low)) for table in tables]
    number(
        f"TaOx {direction}: each device's own calibration misses it by less than half the devices' range",
        f"{100 * min(shares):.0f} % of bins at worst, median {100 * np.median(shares):.0f} %, "
        f"{sum(share >= 0.9 for share in shares)} of 21 devices reach 90 %",
        authority=TAOX,
        bar=f"{BAR}, every device",
        held=min(shares) >= 0.9,
    )
    assert min(shares) >= 0.9


def curve_misses(direction, tables):
    """Whether the curves of each device, from every second bin, miss it; shape (devices, 61)."""
    complete = every_bin(direction)
    low, high = device_range(complete)
    misses = []
    for seen, table in zip(tables, complete, strict=True):
        found = calibrate_curves(seen).quantiles(np.clip(table.place, 0.0, 1.0), table.levels)
        misses.append((np.abs(found - table.steps) > 0.5 * (high - low)).any(axis=0))
    return np.array(misses)


def test_every_taox_device_is_met_by_its_own_quantile_curves(taox, number):
    # half of the bins were seen, and there the curves follow the table: the next test has the others alone
    direction, tables, _ = taox
    shares = 1.0 - curve_misses(direction, tables).mean(axis=1)
    number(
        f"TaOx {direction}: each device's own curves (31 knots) miss it by less than half the devices' range, all bins",
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
            "in the lowest sixth devices differ by a hundredth of the range, and a device from bin to bin by as much"
        )
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    shares = 1.0 - curve_misses(direction, tables)[:, 1::2].mean(axis=1)
    number(
        f"TaOx {direction}: the same in the 30 bins that were not seen",
        f"{100 * min(shares):.0f} % at worst, median {100 * np.median(shares):.0f} %, "
        f"{sum(share >= 0.9 for share in shares)} of 21 devices reach 90 %",
        authority=TAOX,
        bar=f"{BAR}, every device",
        held=min(shares) >= 0.9,
    )
    assert min(shares) >= 0.9


def test_calibrated_taox_shows_abrupt_set_and_gradual_noisy_reset(taox):
    # figures of the whole set of 41 devices at mid range: SET 0.56 of the range, C2C 0.14 of a step; RESET 0.1 and 0.79
    direction, _, calibration = taox
    (mean,), (sd,) = calibration.model.moments([0.5])
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
