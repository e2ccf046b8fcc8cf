"""The parts of a twin: mixed model, rows to observations, device file, refusals.

Whole fits are in tests/physics/test_twin_fit.py. Authority: named in each test; for the rest issue "Replay, and the
digital twin", Build and Bad input.
"""

import math
import tomllib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from labctl.analysis.intervals import Estimate
from labctl.analysis.twin.device_file import device_text
from labctl.analysis.twin.fit_runs import fit_twin
from labctl.analysis.twin.metal_oxide_fit import fit_metal_oxide
from labctl.analysis.twin.mixed_effects import Linearised, fit_mixed
from labctl.analysis.twin.observations import Curve, Observations, Pulses, observe
from labctl.analysis.twin.switching_fit import fit_switching
from labctl.analysis.twin.twin_fit import FittedParameter, Goodness, TwinFit
from labctl.errors import RunError, StationError
from labctl.physics.metal_oxide import MetalOxideLaw, delta_conductance, read_coefficients, saturated_step
from labctl.physics.presets import load_preset
from labctl.toml_file import replace_values

BASE = load_preset()


def test_mixed_model_is_the_analysis_of_variance_of_a_balanced_table():
    # textbook: in a balanced one-way table restricted maximum likelihood gives s_w^2 = MS within and
    # s_b^2 = (MS between - MS within) / n; the mean has variance MS between / (n cells), cells - 1 degrees of freedom
    cells, each = 9, 14
    generator = np.random.default_rng(2)
    table = 3.0 + generator.normal(0.0, 0.8, (cells, 1)) + generator.normal(0.0, 0.5, (cells, each))
    cell = np.repeat(np.arange(cells), each)

    def law(theta, effects):
        ones = np.ones((cell.size, 1))
        return Linearised(theta[0] + effects[cell, 0], ones, ones, ones[:, 0], np.zeros(cell.size))

    found = fit_mixed(
        table.ravel(), cell, law, theta=np.zeros(1), spreads=np.array([0.3, 0.3]), held=np.zeros(2, dtype=bool)
    )
    between = each * table.mean(axis=1).var(ddof=1)
    within = table.var(axis=1, ddof=1).mean()
    assert found.theta[0] == pytest.approx(table.mean(), abs=1e-6)
    assert found.spreads == pytest.approx([math.sqrt((between - within) / each), math.sqrt(within)], rel=1e-3)
    assert found.covariance[0, 0] == pytest.approx(between / (each * cells), rel=1e-3)
    from scipy.stats import t

    reach = t.ppf(0.975, cells - 1) * math.sqrt(between / (each * cells))
    assert found.theta_high[0] - found.theta[0] == pytest.approx(reach, rel=0.03)
    assert found.has_converged
    assert found.conditioning == pytest.approx(1.0)


def test_mixed_model_says_that_two_parameters_with_one_effect_are_one():
    cell = np.repeat(np.arange(5), 20)
    generator = np.random.default_rng(1)
    observed = 1.0 + generator.normal(0.0, 0.1, cell.size)

    def law(theta, effects):
        ones = np.ones(cell.size)
        slopes = np.column_stack([ones, 2.0 * ones])
        return Linearised(slopes @ theta + effects[cell, 0], slopes, ones[:, np.newaxis], ones, 0.0 * ones)

    found = fit_mixed(
        observed, cell, law, theta=np.zeros(2), spreads=np.array([0.1, 0.1]), held=np.zeros(2, dtype=bool)
    )
    assert found.conditioning < 1e-5


def pulses(cells=6, each=60, seed=3, before_s=50e-6, voltage_v=(0.62,), spread=0.2):
    """Of cells that are all the typical one; by default so mild that scale and threshold are one number."""
    law, generator = MetalOxideLaw.from_preset(BASE), np.random.default_rng(seed)
    cell = np.repeat(np.arange(cells), each)
    before = np.full(cell.size, before_s)
    voltage = np.resize(voltage_v, cell.size)
    step = delta_conductance(before, voltage, 1e-3, law) * np.exp(spread * generator.standard_normal(cell.size))
    step = saturated_step(before, step, law)

    def current(state):
        linear, cubic = read_coefficients(state, law)
        return 0.2 * (linear + 0.04 * cubic)

    width, read, delay = (np.full(cell.size, value) for value in (1e-3, 0.2, 0.02))
    return Pulses(cell, voltage, width, current(before), current(before + step), read, delay), law


def test_switching_tells_what_one_amplitude_cannot_and_which_run_would():
    given, law = pulses()
    found = fit_switching(given, law, scatter=np.full(given.cell.size, 1e-3), spreads=(0.2, 0.05, 0.3))
    # one voltage: scale and threshold of SET are one number, and of RESET there is nothing
    assert len(found.told) == 1
    assert found.told[0].startswith("set.")
    told = "\n".join(found.warnings)
    assert "RESET: 0 single pulses count" in told
    assert "map_pulses" in told
    assert "the runs do not tell it" in told


def test_switching_of_the_typical_die_comes_out_as_the_base_file_has_it():
    # the steps are those of the physics, the bound ahead of them included
    given, law = pulses(before_s=30e-6, voltage_v=np.linspace(-1.3, -0.8, 11), spread=0.05)
    found = fit_switching(given, law, scatter=np.full(given.cell.size, 1e-3), spreads=(0.2, 0.05, 0.3))
    values = dict(zip(found.told, found.mixed.theta, strict=True))
    assert set(values) == {"reset.scale", "reset.threshold"}
    assert values["reset.scale"] == pytest.approx(0.0, abs=0.05)
    assert values["reset.threshold"] == pytest.approx(0.0, abs=0.01)
    assert found.mixed.spreads[-1] == pytest.approx(0.05, rel=0.15)


def test_cubic_part_of_the_curve_is_found_beside_the_offset_of_the_source():
    given, law = pulses(before_s=30e-6, voltage_v=np.linspace(-1.3, -0.8, 11), spread=0.05)
    up = np.arange(0.0, 0.31, 0.02)
    voltage = np.concatenate([up, [0.6, 0.9, 0.6], up[::-1], -up[1:]])
    linear, cubic = read_coefficients(12e-6, law)
    # 0.4 mV of offset, as the meter of the reference rack has, look like a tenth of a cubic part
    current = linear * (voltage + 4e-4) + 1.2 * cubic * voltage**3
    curves = tuple(Curve(cell, voltage, current) for cell in range(5))
    fit = fit_metal_oxide(Observations(tuple((0, cell) for cell in range(6)), given, curves=curves), BASE)
    (found,) = [one for one in fit.parameters if one.name == "read.a3_factor"]
    assert found.estimate.value == pytest.approx(1.2, abs=0.01)
    for key in ("read.a3_gain", "read.a3_square", "read.a3_temperature"):
        assert fit.values[key][0] == pytest.approx(1.2 * BASE[key], rel=0.01)


def test_switching_refuses_pulses_that_move_nothing():
    given, law = pulses(each=30)
    still = replace(given, after_a=given.before_a)
    with pytest.raises(ValueError, match="SET: 0 single pulses count, at least 20 are needed"):
        fit_switching(still, law, scatter=np.full(still.cell.size, 1e-3), spreads=(0.2, 0.05, 0.3))


NAMES = ("Event", "Row", "Column", "Voltage (V)", "Width (s)", "Current (A)", "Time (s)", "Flags")


class StoredRun:
    """As much of a run as the fit looks at."""

    def __init__(self, rows, procedure="map_pulses", sample=None, **results):
        self._rows, self._results, self.run_id = rows, results, "20260101-000000-x"
        self.header = {
            "procedure": procedure,
            "station_text": "line_frequency_hz = 60",
            "sample": {"name": "die", "device": "kim2021_tiox_al2o3", "rows": 4, "columns": 4} | (sample or {}),
        }
        self.parameters = {"integration": 3.0}
        self.columns = [SimpleNamespace(name=name) for name in NAMES]

    def rows(self):
        return self._rows

    def summary(self):
        return {"results": self._results}


def read(row, time_s, current_a, event="read", flags=None):
    return (event, row, 0, 0.2, None, current_a, time_s, flags)


def pulse(row, time_s, voltage_v, event="set"):
    return (event, row, 0, voltage_v, 1e-4, None, time_s, None)


def test_observations_take_a_pulse_only_between_two_readings_of_its_cell():
    rows = [
        *(read(0, 1.0, 1e-5), pulse(0, 1.1, 0.7), read(0, 1.2, 2e-5)),  # counts
        *(pulse(0, 1.3, 0.7), pulse(0, 1.4, 0.7), read(0, 1.5, 3e-5)),  # two at once
        *(pulse(0, 1.6, -1.0), read(1, 1.7, 1e-5), read(0, 1.8, 2e-5)),  # another cell in between
        *(read(0, 1.9, 2e-5, flags="overrange"), pulse(0, 2.0, 0.7), read(0, 2.1, 3e-5)),  # a bad reading before
        *(pulse(0, 2.2, -1.0, "reset"), read(0, 2.5, 1e-5, "verify")),  # counts
    ]
    found = observe([StoredRun(rows)], renewal=0.1)
    assert found.pulses.voltage_v.tolist() == [0.7, -1.0]
    assert found.pulses.before_a.tolist() == [1e-5, 3e-5]
    assert found.pulses.after_a.tolist() == [2e-5, 1e-5]
    assert found.pulses.delay_s == pytest.approx([0.1, 0.3])
    assert found.read_aperture_s == pytest.approx(3.0 / 60.0)
    # the same rows of a procedure whose "set" is a train of pulses
    assert observe([StoredRun(rows, "endurance")], renewal=0.1).pulses.cell.size == 0


def test_age_of_a_cell_is_what_its_pulses_left_of_the_one_before():
    # physics: a change of ln G by one renewal brings the age to 1/e
    rows = [
        *(("form", 0, 0, 3.0, 1e-2, None, 10.0, None), read(0, 20.0, 1e-5)),
        *(pulse(0, 110.0, 0.7), read(0, 111.0, 1e-5 * math.exp(0.1)), read(0, 121.0, 1.1e-5)),
    ]
    rest = observe([StoredRun(rows)], renewal=0.1).rests[-1]
    assert rest.age_s == pytest.approx([100.0 / math.e + 1.0, 100.0 / math.e + 11.0])
    assert observe([StoredRun(rows)], renewal=0.0).rests[-1].age_s == pytest.approx([1.0, 11.0])


def test_cells_that_do_not_form_are_counted():
    failed = [{"row": 2, "column": 3, "reason": "does not form at the stop voltage"}]
    found = observe([StoredRun([read(0, 1.0, 1e-9, "survey")], failed_cells=failed)], renewal=0.1)
    assert found.unformable == {(2, 3)}
    assert found.looked_at == {(0, 0), (2, 3)}


@pytest.mark.parametrize("sample", [{"rows": 8}, {"device": "other"}, {"name": "another die"}])
def test_runs_of_two_dies_are_refused_with_what_differs(sample):
    with pytest.raises(RunError, match=f"has {next(iter(sample))} .* runs of one die"):
        observe([StoredRun([]), StoredRun([], sample=sample)], renewal=0.1)


def test_fit_without_runs_is_refused():
    with pytest.raises(RunError, match="at least one run"):
        fit_twin([], "metal_oxide")


def twin(tmp_path, value=0.25, **changes):
    estimate = Estimate(value, 0.2, 0.3, "1", 99)
    parameter = FittedParameter("spread.cycle", estimate, "C2C", {"spread.cycle": (value,)})
    fit = TwinFit(
        BASE, (parameter,), (Goodness("SET step", 9, 0.0, 1.0, 0.95),), {"width_s": (1e-4, 1e-2)}, ('a "b" ∞',), 7
    )
    path = tmp_path / "a.run.sqlite"
    path.write_bytes(b"rows")
    header = {"simulated": False, "procedure": "map_pulses", "station": "tiox", "started_utc": "2026-01-01"}
    return fit, SimpleNamespace(run_id="20260101-000000-a", path=path, header=header | changes)


def test_device_file_keeps_what_was_not_fitted_and_says_where_all_comes_from(tmp_path):
    fit, run = twin(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(device_text(fit, [run], "mine"), encoding="utf-8")
    read_back = load_preset(path)
    assert set(read_back) == set(BASE)
    for key in BASE:
        wanted = [0.25] if key == "spread.cycle" else BASE.table(key).tolist()
        assert read_back.table(key).tolist() == wanted
        assert (read_back.unit(key), read_back.valid_range(key)) == (BASE.unit(key), BASE.valid_range(key))
    source = read_back.source("spread.cycle")
    assert "20260101-000000-a" in source
    assert "95 % interval 0.2 to 0.3" in source
    assert "simulated" not in source
    assert read_back.source("set.c0") == f"not fitted, from {BASE.name}: {BASE.source('set.c0')}"
    told = read_back.fit
    # SHA-256 of b"rows", by coreutils' sha256sum
    assert told["runs"][0]["sha256"] == "bc51e9e65d79e1c90ba544ab2eae1044ccdf8c1af7a559ba375cba4276f7d99e"
    assert told["warnings"] == ['a "b" ∞']
    assert told["validity"] == {"width_s": [1e-4, 1e-2]}
    assert told["goodness"][0]["share_inside"] == 0.95
    # an override keeps what the fit said
    assert read_back.with_overrides({"spread.cycle": 0.1}).fit == told


def test_device_file_of_simulated_runs_says_so(tmp_path):
    fit, run = twin(tmp_path, simulated=True)
    content = tomllib.loads(device_text(fit, [run], "mine"))
    assert content["fit"]["simulated"] is True
    assert "simulated runs" in content["spread"]["cycle"]["source"]
    assert "simulated runs" in content["title"]


def test_value_that_leaves_the_range_of_the_base_file_stands_at_its_bound_and_is_told(tmp_path, monkeypatch):
    fit, _ = twin(tmp_path, value=1.7)  # spread.cycle may be 0 to 1
    families = {"metal_oxide": (lambda observed, base: fit, "kim2021_tiox_al2o3", "relaxation.renewal")}
    monkeypatch.setattr("labctl.analysis.twin.fit_runs.FITTED_FAMILIES", families)
    found = fit_twin([StoredRun([])], "metal_oxide")
    assert found.values == {"spread.cycle": (1.0,)}
    assert found.parameters[0].estimate.value == 1.7
    assert "spread.cycle: at its bound: fitted 1.7" in found.warnings[-1]
    assert found.warnings[-1].endswith("the range of kim2021_tiox_al2o3 is 0 to 1")


def test_values_are_replaced_and_all_else_stays():
    text = '# head\nname = "a" # old\n\n[die]\ndevice = "b"\nname = "c"\n'
    assert replace_values(text, "x", {"name": "é\\😀", "die.device": "d"}) == (
        '# head\nname = "é\\\\😀"\n\n[die]\ndevice = "d"\nname = "c"\n'
    )
    with pytest.raises(StationError, match=r"x: cannot be changed line by line; put sample.name on lines"):
        replace_values('sample = { name = "a" }\n', "x", {"sample.name": "b"})
