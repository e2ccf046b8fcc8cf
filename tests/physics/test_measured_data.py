"""The measured moments that come with labctl follow from the full extract.

Authority: the extract of akashlevy/RRAM-Relaxation-Master-Model (MIT).
"""

import json
import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kurtosis

DATA = Path(os.environ.get("LABCTL_DATA") or Path(__file__).parents[3] / "shared" / "data") / "measured"
RELAXATION = DATA / "relaxation_techC.tsv.gz"
SHIPPED = files("labctl_data") / "measured"


def test_measured_folder_is_small_and_says_its_licences():
    entries = {entry.name: len(entry.read_bytes()) for entry in SHIPPED.iterdir() if entry.is_file()}
    assert sum(entries.values()) <= 300_000
    assert "Copyright (c) 2021 Akash Levy" in (SHIPPED / "licence_rram_relaxation.md").read_text(encoding="utf-8")
    readme = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert not [name for name in entries if name != "README.md" and name not in readme]


@pytest.mark.skipif(not RELAXATION.exists(), reason=f"no {RELAXATION.name} (set LABCTL_DATA to the data folder)")
def test_relaxation_moments_are_those_of_the_extract():
    import pandas as pd

    shipped = json.loads((SHIPPED / "relaxation_levy.json").read_text(encoding="utf-8"))
    names = ["address", "time_s", "resistance_ohm", "now_s", "start_s", "level", "when"]
    cells = pd.read_csv(RELAXATION, sep="\t", header=None, names=names)
    start_s = cells.loc[cells.when == 0.0, "now_s"]
    assert shipped["cells"] == start_s.size == 16292
    part = (np.arange(128) + 0.5) / 128
    np.testing.assert_allclose(shipped["initial_conductance_S"], np.quantile(start_s, part), rtol=1e-4)
    times, variances = [], []
    for place, when in enumerate((0.01, 0.1, 1.0, 1e5)):
        looked = cells[cells.when == when]
        change_s = (looked.now_s - looked.start_s).to_numpy()
        times.append(looked.time_s.mean())
        variances.append(change_s.var())
        assert shipped["variance_S2"][place]["value"] == pytest.approx(variances[-1], rel=1e-4)
        assert shipped["mean_S"][place] == pytest.approx(change_s.mean(), rel=1e-4)
        assert shipped["excess_kurtosis"][place]["value"] == pytest.approx(kurtosis(change_s), rel=1e-4)
        # variance of a variance, (kurtosis + 2) / n: the bootstrap interval is that wide
        wide = shipped["variance_S2"][place]["high"] - shipped["variance_S2"][place]["low"]
        closed = 2 * 1.96 * variances[-1] * np.sqrt((kurtosis(change_s) + 2.0) / change_s.size)
        assert wide == pytest.approx(closed, rel=0.1)
    np.testing.assert_allclose(shipped["times_s"], times, rtol=1e-5)
    slope, intercept = np.polyfit(np.log10(times), variances, 1)
    assert shipped["slope_S2_per_decade"]["value"] == pytest.approx(slope, rel=1e-4)
    assert shipped["intercept_S2"]["value"] == pytest.approx(intercept, rel=1e-4)
    for half, rest in (("even_addresses", 0), ("odd_addresses", 1)):
        mine = cells[cells.address % 2 == rest]
        assert shipped[half]["cells"] == np.count_nonzero(mine.when == 0.0)
        for place, when in enumerate((0.01, 0.1, 1.0, 1e5)):
            looked = mine[mine.when == when]
            change_s = (looked.now_s - looked.start_s).to_numpy()
            assert shipped[half]["variance_S2"][place]["value"] == pytest.approx(change_s.var(), rel=1e-4)
            assert shipped[half]["excess_kurtosis"][place]["value"] == pytest.approx(kurtosis(change_s), rel=1e-4)
