"""Spike pairs as waveforms of the generator, and spikes from files, on the simulated rack.

Authority: areas under the given curves, in closed form; systems.md 1.2 for the signs: a positive cell voltage SETs, so
that pre before post potentiates where the tail of pre meets the head of post; what the procedure promises.
"""

import numpy as np
import pytest

from labctl.errors import LabError, RunError
from labctl.run import execute_procedure
from labctl_procedures.spike_file import read_spike, sampled_spike_v
from labctl_procedures.stdp import Stdp, spike_v

MICROSECONDS = {
    "dwell": "10 us", "head_time": "20 us", "tail_time": "50 us", "farthest": "150 us", "distances": 3, "repeats": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One rack for the whole file, so that its cell is formed once."""
    folder = tmp_path_factory.mktemp("stdp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(folder / "home"))
        yield folder


def measure(home, station="tiox-32x32", **parameters):
    return execute_procedure(Stdp, station, MICROSECONDS | parameters, out=home / "runs")


def written(home, text, name="spike.csv"):
    path = home / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("sample_s", [1e-6, 3e-6, 7e-6, 1e-4])
def test_samples_keep_the_area_of_the_curve(home, sample_s):
    # -0.6 V for 20 us, a step to 0.5 V, falling to 0 V in 50 us: -12 + 12.5 uVs
    times_s, levels_v = read_spike(
        written(home, "time (s),voltage (V)\n# a spike\n1e-3,-0.6\n1.02e-3,-0.6\n\n1.02e-3,0.5\n1.07e-3,0\n")
    )
    samples_v = sampled_spike_v(times_s, levels_v, sample_s)
    assert samples_v.size == np.ceil(7e-5 / sample_s - 1e-9)
    assert samples_v.sum() * sample_s == pytest.approx(0.5e-6, rel=1e-9)
    assert samples_v[: int(2e-5 / sample_s)] == pytest.approx(-0.6)
    if sample_s == 1e-6:
        # a falling line has its mean in the middle of each sample
        assert samples_v[20:] == pytest.approx(0.5 * (1 - (np.arange(50) + 0.5) / 50))


def test_random_curve_has_the_area_of_its_trapezoids(home):
    generator = np.random.default_rng(7)
    times_s = np.cumsum(generator.exponential(1e-5, 200))
    levels_v = generator.uniform(-1.0, 1.0, 200)
    path = written(home, "\n".join(f"{at},{level}" for at, level in zip(times_s, levels_v, strict=True)))
    for sample_s in (1e-6, 1.3e-5, 1e-2):
        samples_v = sampled_spike_v(*read_spike(path), sample_s)
        assert samples_v.sum() * sample_s == pytest.approx(np.trapezoid(levels_v, times_s), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0,0.1\n1e-6\n", "line 2: must be a time"),
        ("0,0.1\n1e-6,x\n", "line 2: must be a time"),
        ("0,0.1\n1e-6,nan\n", "line 2: times must be finite"),
        ("1,0.1\n0.5,0.1\n", "line 2: times must be finite and never fall"),
        ("0,0.1\n0,0.2\n", "at least two points at different times"),
        ("", "at least two points"),
    ],
)
def test_file_is_refused_when_it_is_no_spike(home, text, rule):
    with pytest.raises(RunError, match=rule):
        read_spike(written(home, text, "wrong.csv"))


def test_file_is_refused_when_it_is_missing_or_has_too_many_samples(home):
    with pytest.raises(RunError, match="cannot be read"):
        read_spike(str(home / "nowhere.csv"))
    with pytest.raises(RunError, match="take longer ones"):
        sampled_spike_v(np.array([0.0, 1.0]), np.zeros(2), 1e-8)


def test_rectangular_spike_is_a_head_and_a_flat_tail():
    assert spike_v(0.6, 0.3, 2, 5, form="rectangular").tolist() == [-0.6] * 2 + [0.3] * 5


def test_pairs_of_microseconds_potentiate_and_depress_by_their_order(home):
    run = measure(home)
    summary, arrays, table = run.summary(), run.arrays(), run.table()
    assert summary["status"] == "finished"
    assert arrays["delay"].values == pytest.approx(np.array([-15, -10, -5, 5, 10, 15]) * 1e-5)
    change = np.nanmean(arrays["change_relative"].values[0], axis=0)
    # read noise is below 1 %
    assert change[3] > 0.015
    assert change[2] < -0.015
    assert abs(change[0]) < abs(change[2])
    assert abs(change[5]) < abs(change[3])
    # one row for each waveform, with its largest level and its whole length
    net_v = arrays["net_waveform"].values
    waveforms = table[table["Event"] == "waveform"]
    assert len(waveforms) == summary["results"]["pairs"] > 0
    for _, row in waveforms.iterrows():
        samples_v = net_v[int(row["Step"])]
        assert row["Width (s)"] == pytest.approx(1e-5 * np.isfinite(samples_v).sum())
        assert row["Voltage (V)"] == pytest.approx(samples_v[np.nanargmax(np.abs(samples_v))])


def test_spikes_from_files_are_what_is_played(home):
    pre = written(home, "0,-0.6\n20e-6,-0.6\n20e-6,0.3\n120e-6,0\n", "pre.csv")
    post = written(home, "0,-0.45\n20e-6,-0.45\n20e-6,0.6\n120e-6,0\n", "post.csv")
    run = measure(home, pre_file=pre, post_file=post, distances=1, farthest="40 us", repeats=1)
    assert run.summary()["status"] == "finished"
    arrays = run.arrays()
    assert arrays["pre_waveform"].values.sum() * 1e-5 == pytest.approx(-12e-6 + 15e-6)
    assert arrays["post_waveform"].values.sum() * 1e-5 == pytest.approx(-9e-6 + 30e-6)
    for samples_v in arrays["net_waveform"].values:
        assert np.nansum(samples_v) * 1e-5 == pytest.approx(3e-6 - 21e-6)


@pytest.mark.parametrize(
    ("station", "parameters", "rule"),
    [
        ("tiox-32x32", {"pulse_with": "smu"}, "steps from 0.001 s on"),
        ("tiox-32x32", {"dwell": "10 ns", "tail_time": "1 us"}, "samples of at least 1.6e-08 s"),
        ("tiox-32x32", {"pre_tail": "9 V"}, r"envelope\.voltage_v"),
        ("tiox-32x32", {"pre_file": "nowhere.csv"}, "cannot be read"),
        ("tiox-32x32", {"head_time": "5 us"}, "at least the dwell"),
        ("hfo2-1t1r-64x64", {}, "must keep one sign"),
        ("single-device", {}, "generator on rows of a matrix"),
    ],
)
def test_waveform_is_refused_before_anything_is_applied(home, station, parameters, rule):
    with pytest.raises(LabError, match=rule):
        measure(home, station, **parameters)
