"""Generic procedures on the packaged stations of the device families, with the defaults of each station.

Authority: the numbers of the device files in ``data/labctl_data/devices``, worked out by hand beside each assertion.
"""

import numpy as np
import pytest

from labctl.run import execute_procedure
from labctl_procedures import find_procedure


@pytest.fixture
def run_on(tmp_path, monkeypatch):
    # a fresh die for each test
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))

    def run(station, procedure, **values):
        done = execute_procedure(find_procedure(procedure), station, values, out=tmp_path / "runs")
        summary = done.summary()
        assert summary["status"] == "finished", summary["error"]
        return done

    return run


def readings_s(run, events=("read", "verify")):
    table = run.table()
    return table["Conductance (S)"][table["Event"].isin(events)].to_numpy(dtype=float)


# single devices: kim2021_tiox_al2o3, virgin 1 to 100 nS, 3.16 to 316 uS formed, SET abrupt, RESET gradual


@pytest.mark.slow
@pytest.mark.parametrize(("station", "width_s"), [("single-device", 1e-3), ("single-device-2400", 2e-3)])
def test_single_device_is_formed_and_switches_with_pulses_that_its_instrument_can_give(run_on, station, width_s):
    run = run_on(station, "endurance", cells="0,0", cycles=5)
    table = run.table()
    pulses = table[table["Event"].isin(["set", "reset"]) & table["Cycle"].notna()]
    assert set(pulses["Width (s)"]) == {width_s}
    assert readings_s(run, ["survey"]).min() < 1e-7
    cycled_s = table["Conductance (S)"][(table["Event"] == "read") & table["Cycle"].notna()].to_numpy(dtype=float)
    low_resistance_s, high_resistance_s = cycled_s[0::2], cycled_s[1::2]
    assert (low_resistance_s > 2.0 * high_resistance_s).all()
    assert high_resistance_s.min() > 0.5 * 3.16e-6


@pytest.mark.slow
def test_single_device_potentiates_and_depresses_within_its_range(run_on):
    run = run_on("single-device", "potentiate_depress", cycles=1, pulses=20)
    arrays = run.arrays()
    up_s, down_s = arrays["potentiation"].values[0, 0], arrays["depression"].values[0, 0]
    # from 40 uS, the default of the procedure
    assert up_s[0] == pytest.approx(40e-6, rel=0.1)
    assert up_s[-1] > 1.3 * up_s[0]
    assert down_s[-1] < 0.8 * up_s[-1]
    # law.conductance_high is 316 uS; the spread of devices goes a little beyond
    assert up_s.max() < 1.3 * 316e-6


# ecram-32x32: um2024_ecram, 22.5 uS +- 7.5 uS, step 0.02 x 7.5 uS = 0.15 uS (spread 10 % of devices, 30 % of steps)


def test_ecram_goes_up_and_down_in_equal_small_steps(run_on):
    run = run_on("ecram-32x32", "potentiate_depress", cycles=1, pulses=10)
    arrays = run.arrays()
    up_s, down_s = arrays["potentiation"].values[0, 0], arrays["depression"].values[0, 0]
    assert np.diff(up_s).mean() == pytest.approx(0.15e-6, rel=0.4)
    assert np.diff(down_s).mean() == pytest.approx(-0.15e-6, rel=0.4)
    # abrupt devices make all of the change with one pulse
    assert np.diff(up_s).max() < 0.4 * (up_s[-1] - up_s[0])


def test_channel_of_ecram_is_a_resistor_that_reading_leaves_alone(run_on):
    run = run_on("ecram-32x32", "sweep_iv", cycles=1)
    table = run.table()
    curve = table[(table["Event"] == "sweep") & (table["Voltage (V)"].abs() > 0.02)]
    conductance_s = curve["Conductance (S)"].to_numpy(dtype=float)
    assert curve["Voltage (V)"].abs().max() == pytest.approx(0.3)
    assert conductance_s == pytest.approx(conductance_s.mean(), rel=0.01)
    # read.middle -+ read.half_range x update.w_min, w_max
    assert 0.9 * (22.5e-6 - 0.8276 * 7.5e-6) < conductance_s.mean() < 1.1 * (22.5e-6 + 1.1724 * 7.5e-6)


@pytest.mark.slow
def test_ecram_reaches_levels_that_lie_apart_by_many_steps(run_on):
    run = run_on("ecram-32x32", "write_verify", rounds=1)
    found = run.summary()["results"]
    assert found["reached"] == found["visits"] == 4


# hfo2-1t1r-64x64: asu_hfox_1t1r, window 0.3 to 99 uS, SET abrupt under the transistor, RESET gradual


@pytest.mark.slow
def test_transistor_ends_the_set_and_reset_is_gradual(run_on):
    run = run_on("hfo2-1t1r-64x64", "sweep_iv", cells="3,4", cycles=1, step="0.1 V")
    table = run.table()
    sweep = table[table["Event"] == "sweep"]
    currents_a = sweep["Current (A)"].abs().to_numpy(dtype=float)
    voltages_v = sweep["Voltage (V)"].to_numpy(dtype=float)
    # 0.5 x 0.4 mA/V^2 x (1.3 V - 0.45 V)^2 = 0.14 mA: what the transistor lets through at gate_set_v
    saturation_a = 0.5 * 4e-4 * (1.3 - 0.45) ** 2
    assert currents_a[voltages_v > 0.0].max() == pytest.approx(saturation_a, rel=0.1)
    rising = np.flatnonzero(voltages_v > 0.0)[: int(np.argmax(voltages_v)) + 1]
    jump = np.max(currents_a[rising][1:] / currents_a[rising][:-1])
    # SET is one jump of more than a decade between two levels
    assert jump > 10.0
    assert table["Conductance (S)"][table["Event"] == "read"].iloc[-1] < 5e-6


@pytest.mark.slow
def test_cell_with_a_transistor_cycles_between_its_states(run_on):
    run = run_on("hfo2-1t1r-64x64", "cycle_statistics", cells="3,4", cycles=5)
    states_s = readings_s(run)
    low_resistance_s, high_resistance_s = states_s[0::2], states_s[1::2]
    # 4 to 85 uS for gates of 0.8 to 1.5 V; window.low of the law 0.3 uS
    assert ((low_resistance_s > 4e-6) & (low_resistance_s < 85e-6)).all()
    assert (high_resistance_s < 0.2 * low_resistance_s).all()
    assert high_resistance_s.min() > 0.2e-6


# domain-wall: dhull2024_domain_wall, 5 notches, 33.3 uS to 100 uS, linear in the position: 16.7 uS from notch to notch


def test_wall_hops_from_notch_to_notch(run_on):
    run = run_on("domain-wall", "potentiate_depress", cycles=1)
    arrays = run.arrays()
    up_s, down_s = arrays["potentiation"].values[0, 0], arrays["depression"].values[0, 0]
    # at 0.1 V the antiparallel branch has TMR 200 % / (1 + (0.1 / 0.5)^2): 34.2 uS
    levels_s = np.linspace(34.2e-6, 100e-6, 5)
    for state_s in (*up_s, *down_s):
        assert np.abs(levels_s / state_s - 1.0).min() < 0.02
    assert (up_s[0], up_s[-1]) == pytest.approx((34.2e-6, 100e-6), rel=0.01)
    assert down_s[-1] == pytest.approx(34.2e-6, rel=0.01)
    assert (np.diff(up_s) > -1e-6).all()


def test_wall_is_written_and_stays(run_on):
    run = run_on("domain-wall", "write_verify", rounds=1)
    found = run.summary()["results"]
    assert found["reached"] == found["visits"] == 4
    kept = run_on("domain-wall", "retention", last="100 s").summary()["results"]
    # 60 kT at rest: no hop, only noise of 1e-9 / Hz
    assert abs(kept["drift_per_decade_1"]) < 2e-3
