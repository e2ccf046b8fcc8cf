"""Look-up curves from the command line. Authority: issue "Replay, and the digital twin", Build: ``labctl fit`` takes
measured data and says what they do not tell, ``labctl bench new`` gives a bench of such dies that procedures run on.
"""

from importlib.resources import files

import numpy as np
import pytest

from labctl.physics.presets import load_preset
from labctl.store import open_run

SHIPPED = files("labctl_data") / "devices" / "sandia2022_taox.toml"
PULSES = ("-p", "initial=0", "-p", "down_voltage=-1.0")


def run(labctl, station, *words):
    answer = labctl("run", "potentiate_depress", "-s", station, *PULSES, *words, "--json", "-q")
    assert answer.code == 0, answer.err
    return answer.json()


@pytest.mark.slow
def test_bench_of_look_up_curves_runs_and_its_run_makes_a_twin_again(labctl, homes):
    made = labctl("bench", "new", "--device", SHIPPED, "--name", "curves", "--json")
    assert made.code == 0, made.err
    assert made.json()["like"] == "tiox-32x32"
    measured = run(
        labctl, "curves", "-p", "cells=diagonal:6", "-p", "up_voltage=1.0", "-p", "pulses=25", "-p", "cycles=3"
    )
    assert measured["results"]["cells_stopped"] == 0
    fit = labctl("fit", measured["run_id"], "--model", "pulse_table", "-o", "again.toml", "--json")
    assert fit.code == 0, fit.err
    said = fit.json()
    assert said["cells"] == 6
    assert any("relaxation" in warning for warning in said["warnings"])
    truth, again = load_preset(SHIPPED), load_preset(homes / "again.toml")
    assert again.fit["simulated"] is True
    assert measured["run_id"] in again.source("down.step")
    # wires take one per cent of the window away
    np.testing.assert_allclose(again.table("window.high"), truth.table("window.high")[0], rtol=0.03)
    assert again["pulse.up_voltage"] == 1.0
    # RESET of this device: a step the smaller the lower the cell stands, most at the upper end
    middle = [np.median(each.table("down.step").reshape(13, -1)[6, -6:]) for each in (truth, again)]
    assert middle[1] == pytest.approx(middle[0], abs=0.05)


def test_bench_runs_pulses_of_the_table_and_counts_those_that_no_table_knows(labctl, homes):
    assert labctl("bench", "new", "--device", SHIPPED, "--name", "curves").code == 0
    low_s, high_s = (load_preset(SHIPPED).table(f"window.{end}")[0] for end in ("low", "high"))
    few = ("-p", "cells=0,1", "-p", "pulses=4", "-p", "cycles=1")
    # the wrong pulses first: RESET leaves a cell at the lower edge where it is
    assert run(labctl, "curves", *few, "-p", "up_voltage=1.3")["status"] == "finished"
    shown = labctl("bench", "show", "curves", "--json").json()
    assert shown["unknown_pulses"] == 4
    assert np.max(shown["conductance_s"]) < low_s + 0.1 * (high_s - low_s)
    moved = open_run(run(labctl, "curves", *few, "-p", "up_voltage=1.0")["path"])
    names = [column.name for column in moved.columns]
    read_s = [row[names.index("Conductance (S)")] for row in moved.rows()]
    assert max(each for each in read_s if each is not None) == pytest.approx(high_s, rel=0.05)
    assert labctl("bench", "show", "curves", "--json").json()["unknown_pulses"] == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.npz", "b.npz", "--model", "pulse_table"), "is fitted alone"),
        (("a.npz", "--model", "ecram"), "with --model pulse_table"),
        (("latest", "--model", "pulse_table", "--table", "TaOx"), "no such file is given"),
        (("a.npz", "--model", "pulse_table"), "a.npz: cannot be read as a file of pulse tables"),
    ],
)
def test_fit_refuses_words_that_do_not_go_together(words, message, labctl):
    answer = labctl("fit", *words, "-o", "x.toml")
    assert answer.code != 0
    assert message in " ".join(answer.err.replace("│", " ").split())
