"""Every procedure runs without a screen on its default simulated station, ends finished, and draws what it declares.

Authority: the list of procedures, and the plots that are declared for each; a new procedure needs an entry here.
"""

import csv

import pytest

from labctl.analysis.run_plots import plot_names
from labctl_procedures import find_procedure, procedures

SEQUENCE = """
schema = 1
name = "short"
title = "Two steps"

[[step]]
name = "contacts"
procedure = "check_contacts"

[[step]]
name = "iv"
procedure = "sweep_iv"
parameters = { cycles = 3, step = "0.1 V" }
"""
# small, and still enough for every declared plot: three values for a distribution, eight for an interval
SMALL = {
    "check_contacts": {"readings": 1},
    "count_states": {"levels": 3, "rounds": 1, "readings": 3},
    "cycle_statistics": {"cells": "0,0", "cycles": 12},
    "domain_wall_map": {"widths": "10 ns, 20 ns", "amplitudes": "0.9, 1.1", "repeats": 1},
    "ecram_update": {"pulses": 8, "cycles": 2},
    "endurance": {"cycles": 10},
    "form_array": {"cells": "0:1,0:3"},
    "form_dc": {"cells": "diagonal:6", "form_start": "2 V", "form_step": "0.2 V"},
    "half_select_disturb": {"pulses": 5, "victims": 1},
    "ladder_compliance": {"repeats": 2, "step": "0.2 V"},
    "ladder_stop_voltage": {"repeats": 2, "step": "0.2 V"},
    "map_array": {"cells": "0:2,0:4", "sneak_cells": 1},
    "map_pulses": {"widths": 2, "amplitude_step": "0.2 V", "repeats": 1},
    "multiply_vectors": {"cells": "0:3,0:3", "vectors": 5},
    "paired_pulse": {"delays": 2, "repeats": 8},
    "potentiate_depress": {"pulses": 8, "cycles": 2},
    "program_array": {"cells": "0:2,0:2"},
    "pulse_energy": {"repeats": 3, "samples": 4, "levels": "50 uS, 100 uS"},
    "read_array": {"cells": "0:2,0:2"},
    "read_disturb": {"reads": 20, "linearity_readings": 1},
    "read_noise": {"samples": 1024, "find_telegraph": "false"},
    "retention": {"last": "1 ks"},
    "sequence": {"file": "short.toml"},
    "stdp": {"distances": 3, "repeats": 2},
    "sweep_iv": {"cycles": 3, "step": "0.1 V"},
    "system.bridge_bnn": {
        "image_set": "digits",
        "inputs": 3,
        "neurons": 1,
        "gates": "1.3 V, 0.9 V",
        "resets": "1.8 V, 1.5 V",
        "widths": "1 us, 1 us",
        "read_levels": "0.1 V, 0.2 V",
        "die_rows": 2,
        "seeds": 2,
        "draws": 2,
    },
    "system.domain_wall": {
        "image_set": "digits",
        "widths": "10 ns, 20 ns",
        "amplitudes": "0.9, 1.1",
        "repeats": 1,
        "trials": 8,
        "sweep": "0.9",
        "tracks": 4,
        "seeds": 2,
        "hidden": 8,
        "epochs": 2,
        "further_states": "8",
        "failing": "10 %, 30 %",
        "curve_seeds": 1,
    },
    "system.ecram": {
        "image_set": "digits",
        "hidden": 3,
        "epochs": 5,
        "seeds": 2,
        "cells": "0,24;1,25",
        "update_pulses": 5,
        "update_cycles": 2,
        "endurance_cycles": 3,
        "vectors": 30,
        "images_measured": 1,
        "input_bits": 2,
        "corrections": 0,
        "training_images": 20,
    },
    "system.rvc_3bit": {
        "image_set": "digits",
        "hidden": "16",
        "epochs": 5,
        "seeds": 1,
        "draws": 2,
        "cells": "0:1,0:4",
        "errors": "0, 5 %",
    },
    "system.sign_backprop": {
        "image_set": "digits",
        "hidden": 10,
        "epochs": 2,
        "float_epochs": 2,
        "seeds": 2,
        "ablation_epochs": 1,
        "set_voltages": "0.66 V",
        "reset_voltages": "0.95 V",
        "jump_cells": "24,31",
        "jump_pulses": 30,
        "jump_cycles": 2,
        "loop_classes": "0, 1",
        "loop_pixels": 3,
        "loop_hidden": 1,
        "loop_images": 3,
    },
    "volatility": {"window": 10},
    "write_verify": {"targets": "50 uS, 100 uS", "rounds": 2},
}
# steps that have plots of their own
STEPS = {
    "system.ecram": (
        ("update", "ecram_update"),
        ("endurance", "endurance"),
        ("columns", "multiply_vectors"),
        ("images_1", "multiply_vectors"),
    ),
    "sequence": (("contacts", "check_contacts"), ("iv", "sweep_iv")),
    "system.domain_wall": (("map", "domain_wall_map"),),
    "system.sign_backprop": (("pulses_1", "potentiate_depress"),),
}
# they wait for somebody who asks, or for a run: tests/system/test_control_command.py and test_replay_against.py go the
# whole way with them
INTERACTIVE = frozenset({"manual", "replay_run"})
# each takes seconds; the others show the same base classes and kinds of plots
SLOW = frozenset(
    {
        "count_states",
        "cycle_statistics",
        "domain_wall_map",
        "ecram_update",
        "endurance",
        "form_array",
        "form_dc",
        "half_select_disturb",
        "ladder_compliance",
        "ladder_stop_voltage",
        "map_pulses",
        "multiply_vectors",
        "paired_pulse",
        "potentiate_depress",
        "program_array",
        "pulse_energy",
        "read_disturb",
        "read_noise",
        "sequence",
        "stdp",
        "system.bridge_bnn",
        "system.domain_wall",
        "system.ecram",
        "system.sign_backprop",
        "system.rvc_3bit",
        "volatility",
        "write_verify",
    }
)


def test_every_procedure_has_an_entry_here():
    assert set(SMALL) | INTERACTIVE == set(procedures())
    assert not INTERACTIVE & set(SMALL)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in SMALL]
)
def test_procedure_ends_finished_and_draws_its_plots(name, labctl, homes):
    (homes / "short.toml").write_text(SEQUENCE, encoding="utf-8")
    values = [text for key, value in SMALL[name].items() for text in ("-p", f"{key}={value}")]
    ran = labctl("run", name, "-s", find_procedure(name).default_station, *values, "--json")
    assert ran.code == 0, ran.err
    summary = ran.json()
    assert summary["status"] == "finished"
    assert summary["points"] > 0
    assert summary["results"]
    told = labctl("report", "latest", "--plots", "-o", homes / "out")
    assert told.code == 0, told.err
    page = homes / "out" / f"{summary['run_id']}.html"
    text = page.read_text(encoding="utf-8")
    assert "finished" in text
    folder = homes / "out" / f"{summary['run_id']}-plots"
    wanted = [(name, plot) for plot in plot_names(name)]
    wanted += [(f"{step}-{own}", plot) for step, own in STEPS.get(name, ()) for plot in plot_names(own)]
    files = {path.name for path in folder.glob("*")}
    assert files == {f"{stem}-{plot}.{kind}" for stem, plot in wanted for kind in ("svg", "png", "csv")}
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as lines:
            assert len(list(csv.reader(lines))) > 1, path.name
    for path in folder.glob("*.svg"):
        assert "simulated" in path.read_text(encoding="utf-8"), path.name
