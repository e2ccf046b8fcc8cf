"""Every procedure aborted at about half of its actions on the simulated rack, and resumed on a rack opened anew.

Authority: what ``LabProcedure.perform`` promises (an action that the file holds is not done again); the oracle of the
bench, which counts the stimuli at the terminals; an uninterrupted run on a copy of the same die.
"""

import shutil
from dataclasses import dataclass, field

import pytest

from labctl.run import RunControl, execute_procedure, resume_run
from labctl.station import Station
from labctl_procedures import find_procedure, procedures

CELL = {"cells": "0,0"}
# what makes them short; those with True decide by what they read, so that noise changes how many actions there are
SMALL = {
    "check_contacts": ({"cells": "0:2,0:2"}, False),
    "count_states": (CELL | {"levels": 2, "readings": 3, "rounds": 1, "level_tolerance": "20 %"}, True),
    "cycle_statistics": (CELL | {"cycles": 4, "reset_pulses": 2}, False),
    "domain_wall_map": ({"widths": "10 ns, 20 ns", "amplitudes": "1.1", "repeats": 3}, True),
    "ecram_update": ({"pulses": 4, "cycles": 2}, False),
    "endurance": (CELL | {"cycles": 30, "dense_cycles": 10, "block_cycles": 3, "reset_pulses": 2}, False),
    "form_array": ({"cells": "8:10,8:10"}, True),
    "form_dc": ({"cells": "8:10,8"}, True),
    "half_select_disturb": (CELL | {"pulses": 8, "victims": 1}, False),
    "ladder_compliance": (CELL | {"rung_count": 2, "repeats": 2, "step": "0.2 V"}, False),
    "ladder_stop_voltage": (CELL | {"rung_count": 2, "repeats": 2, "step": "0.2 V"}, False),
    "map_array": ({"cells": "0:3,0:3", "sneak_cells": 3}, False),
    "map_pulses": (CELL | {"widths": 2, "repeats": 1, "amplitude_step": "0.2 V", "level_tolerance": "20 %"}, True),
    "multiply_vectors": ({"cells": "0:2,0:2", "vectors": 8}, False),
    "paired_pulse": (CELL | {"delays": 2, "repeats": 2, "level_tolerance": "20 %"}, True),
    "potentiate_depress": (CELL | {"pulses": 5, "cycles": 2, "initial": 0.0}, False),
    "program_array": ({"cells": "0:2,0:2", "tolerance": "10 %"}, True),
    "pulse_energy": (CELL | {"repeats": 1, "samples": 3, "levels": "50 uS", "level_tolerance": "20 %"}, True),
    "read_array": ({"cells": "0:3,0:3"}, False),
    "read_disturb": (CELL | {"reads": 30, "rest": "1 s", "linearity_readings": 2}, False),
    "read_noise": ({"cells": "0:2,0:2", "samples": 1024, "interval": "4 ms", "find_telegraph": False}, False),
    "retention": (CELL | {"states": "as_is, reset:1", "last": "30 s"}, False),
    "sequence": ({}, False),
    "stdp": (CELL | {"distances": 2, "repeats": 1, "level_tolerance": "20 %"}, True),
    "sweep_iv": (CELL | {"cycles": 4, "step": "0.25 V"}, False),
    "system.bridge_bnn": (
        {
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
        True,
    ),
    "system.domain_wall": (
        {
            "image_set": "digits",
            "widths": "10 ns",
            "amplitudes": "1.1",
            "repeats": 2,
            "trials": 8,
            "sweep": "0.9",
            "tracks": 3,
            "seeds": 1,
            "hidden": 4,
            "epochs": 1,
            "further_states": "8",
            "failing": "30 %",
            "curve_seeds": 1,
        },
        True,
    ),
    "system.ecram": (
        {
            "image_set": "digits",
            "hidden": "2",
            "epochs": 2,
            "seeds": 1,
            "cells": "0,24",
            "update_pulses": 5,
            "update_cycles": 2,
            "endurance_cycles": 1,
            "vectors": 30,
            "images_measured": 1,
            "input_bits": 2,
            "corrections": 0,
            "training_images": 10,
        },
        True,
    ),
    "system.rvc_3bit": (
        {
            "image_set": "digits",
            "hidden": "4",
            "epochs": 2,
            "seeds": 2,
            "draws": 2,
            "cells": "0:2,0:2",
            "tolerance": "6 %",
            "errors": "0, 5 %",
        },
        True,
    ),
    "system.sign_backprop": (
        {
            "image_set": "digits",
            "hidden": 4,
            "epochs": 1,
            "float_epochs": 1,
            "seeds": 1,
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
        True,
    ),
    "volatility": (CELL | {"window": 10, "last": "10 s", "reset_pulses": 3}, True),
    "write_verify": (CELL | {"targets": "50 uS", "rounds": 2}, True),
}
# longer than a few seconds
SLOW = {
    "domain_wall_map",
    "ecram_update",
    "form_dc",
    "ladder_compliance",
    "ladder_stop_voltage",
    "program_array",
    "sequence",
    "sweep_iv",
    "system.bridge_bnn",
    "system.domain_wall",
    "system.ecram",
    "system.rvc_3bit",
    "system.sign_backprop",
}
LIST = """schema = 1
name = "list"
title = "a loop"
[parameters]
cells = "0,0"
[[step]]
name = "iv"
procedure = "sweep_iv"
parameters = { cycles = 1, step = "0.5 V" }
vary = { set_stop = ["0.8 V", "0.9 V", "1.0 V"] }
[[step]]
procedure = "read_array"
when = { result = "iv-3.cells", at_least = 1 }
"""
PLANNED = ("Item", "Event", "Row", "Column", "Cycle", "Step", "Width (s)", "Attempt", "Pass")


@dataclass
class Record:
    """What a run asked for, what of it was done, and the stimuli at the terminals, those of actions and all."""

    abort_at: int | None = None
    asked: list = field(default_factory=list)
    done: list = field(default_factory=list)
    stimuli: int = 0
    in_all: int = 0


def watched(kind, record, control, oracle):
    """Return a procedure that notes its actions, and asks for an abort before one of them."""

    def attach(self, emit, should_stop, perform=None, elapsed_s=None, next_request=None):
        def noted(plan, do, *, stimulates):
            record.asked.append(tuple(plan.get(name) for name in PLANNED))
            number = len(record.asked)
            if number == record.abort_at:
                control.abort()

            def spied():
                before = oracle.pulses.total()
                rows = do()
                record.done.append(number)
                # for the oracle a reading at 0.3 V is one, too
                record.stimuli += oracle.pulses.total() - before
                return rows

            return perform(plan, spied, stimulates=stimulates)

        kind.attach(self, emit, should_stop, noted, elapsed_s, next_request)

    return type(kind.__name__, (kind,), {"attach": attach})


def measure(home, monkeypatch, kind, parameters, *, abort_at=None, resumed=None):
    monkeypatch.setenv("LABCTL_HOME", str(home))
    record, control = Record(abort_at), RunControl()
    with Station.open(kind.default_station) as station:
        oracle = station._rack.manager.visalib._bench.oracle
        procedure = watched(kind, record, control, oracle)
        if resumed is None:
            run = execute_procedure(procedure, station, parameters, out=home / "runs", control=control)
        else:
            run = resume_run(resumed, procedure, station=station, control=control)
        record.in_all = oracle.pulses.total()
    return run, record


@pytest.fixture(scope="module")
def formed(tmp_path_factory):
    """A home whose die has a formed corner."""
    home = tmp_path_factory.mktemp("formed") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(home))
        run = execute_procedure(find_procedure("form_array"), "tiox-32x32", {"cells": "0:3,0:3"}, out=home / "runs")
    assert run.status == "finished"
    shutil.rmtree(home / "runs")
    return home


def test_every_procedure_has_a_trial():
    assert set(SMALL) == {name for name, kind in procedures().items() if kind.resumable}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in sorted(SMALL)]
)
def test_aborted_procedure_does_the_rest_and_nothing_twice_when_resumed(name, formed, tmp_path, monkeypatch):
    kind, (parameters, decides) = find_procedure(name), SMALL[name]
    if name == "sequence":
        (tmp_path / "list.toml").write_text(LIST, encoding="utf-8")
        parameters = {"file": str(tmp_path / "list.toml")}
    for copy in ("whole", "cut"):
        shutil.copytree(formed, tmp_path / copy)
    whole, expected = measure(tmp_path / "whole", monkeypatch, kind, parameters)
    assert whole.status == "finished", whole.summary()["error"]
    middle = (len(expected.asked) + 1) // 2
    assert middle >= 2, "there is no middle to cut"
    cut, first = measure(tmp_path / "cut", monkeypatch, kind, parameters, abort_at=middle)
    assert cut.status == "aborted", cut.summary()["error"]
    assert first.done == list(range(1, middle))
    kept = cut.rows()
    run, second = measure(tmp_path / "cut", monkeypatch, kind, parameters, resumed=cut)
    assert run.status == "finished", run.summary()["error"]
    assert run.rows()[: len(kept)] == kept
    # each action once: the first half before the cut, the rest after it
    assert second.done == list(range(middle, len(second.asked) + 1))
    assert second.asked[: middle - 1] == first.asked[: middle - 1]
    assert run.table()["Flags"].dropna().tolist() == whole.table()["Flags"].dropna().tolist()
    # no stimulus but those of actions reached a terminal, neither while the run was recalled nor to look at cells
    assert (expected.in_all, first.in_all, second.in_all) == (expected.stimuli, first.stimuli, second.stimuli)
    if not decides:
        assert second.asked == expected.asked
        assert first.stimuli + second.stimuli == expected.stimuli
        assert {name: array.shape for name, array in run.arrays().items()} == {
            name: array.shape for name, array in whole.arrays().items()
        }
