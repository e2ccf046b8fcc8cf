"""Authority: the rule of the device folder (value, unit, source and range of every number); the TOML specification."""

import pytest

from labctl.errors import StationError
from labctl.physics.data_driven import DataDrivenLaw
from labctl.physics.die import Die
from labctl.physics.domain_wall import DomainWallTrack
from labctl.physics.ecram import EcramCells
from labctl.physics.filament import FilamentLaw
from labctl.physics.live_die import make_die
from labctl.physics.metal_oxide import MetalOxideLaw
from labctl.physics.presets import DEFAULT_PRESET, load_preset, preset_names
from labctl.physics.pulse_table import PulseTableLaw

HEADER = 'schema = 1\nname = "x"\nfamily = "metal_oxide"\ntitle = "t"\n'
LEAF = '[set.c0]\nvalue = 1e-4\nunit = "S"\nsource = "table 1"\nrange = [0.0, 1e-3]\n'

PUBLISHED = (
    "UCSB-fit",
    "Messaris 2018",
    "KinematicDomainWallModel",
    "AIHWKIT",
    "Stanford-PKU",
    "Nat. Commun. 2023",
    "RRAM-Relaxation-Master-Model",
    "cross-sim-data",
)
MODELS = {
    "metal_oxide": lambda preset: Die(preset, 2, 2, seed=1, engine="numpy"),
    "data_driven": DataDrivenLaw,
    "domain_wall": lambda preset: DomainWallTrack(preset, cells=2, seed=1),
    "filament": FilamentLaw,
    "ecram": lambda preset: EcramCells(preset, cells=2, seed=1),
    "pulse_table": PulseTableLaw.from_preset,
    "parts": lambda preset: make_die(load_preset(), 2, 2, 1, parts=preset),
}


def written(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


@pytest.mark.parametrize("name", preset_names())
def test_packaged_preset_sources_every_number(name):
    preset = load_preset(name)
    assert preset.name == name
    for key in preset:
        source = preset.source(key)
        assert source.startswith("assumed: ") or any(known in source for known in PUBLISHED), key
        low, high = preset.valid_range(key)
        assert low <= min(preset.table(key)) <= max(preset.table(key)) <= high, key
    MODELS[preset.family](preset)
    if preset.family != "parts":
        make_die(preset, 2, 2, 1)


def test_default_preset_holds_the_published_constants():
    # dynamic_params.txt of the public implementation of the UCSB law
    preset = load_preset()
    assert DEFAULT_PRESET in preset_names()
    assert preset["set.c0"] == 1.55e-4
    assert preset.unit("set.c0") == "S"
    assert list(preset.table("reset.c4")) == [-10.90, -8.61, -8.14, -7.77, -7.42, -7.30, -7.10, -7.00]
    assert len(preset) == len(list(preset))


def test_preset_loads_when_given_as_path(tmp_path):
    preset = load_preset(written(tmp_path, HEADER + LEAF))
    assert dict(preset) == {"set.c0": 1e-4}
    assert preset.title == "t"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + LEAF + "what\n", r"own\.toml.*line 10"),
        (HEADER.replace("schema = 1", "schema = 2") + LEAF, "schema: this labctl reads schema 1, got 2"),
        (HEADER.replace('name = "x"\n', "") + LEAF, "name: must be a text, got None"),
        (HEADER + "extra = 3\n" + LEAF, "extra: unknown key"),
        (HEADER + LEAF.replace('unit = "S"\n', ""), "set.c0: must have exactly range, source, unit, value"),
        (HEADER + LEAF + "note = 1\n", "set.c0: must have exactly"),
        (HEADER + "[set]\nc0 = 3\n", "set.c0: must have exactly"),
        (HEADER + LEAF.replace('"S"', '"parsec"'), "unit 'parsec' is not one of"),
        (HEADER + LEAF.replace('"table 1"', '"assumed:"'), "set.c0: source must name"),
        (HEADER + LEAF.replace("[0.0, 1e-3]", "[0.0]"), "set.c0: range must be"),
        (HEADER + LEAF.replace("[0.0, 1e-3]", "[1.0, 0.0]"), "set.c0: range must ascend"),
        (HEADER + LEAF.replace("1e-4", "2e-3"), "set.c0: must be 0 to 0.001 S, got 0.002"),
        (HEADER + LEAF.replace("1e-4", '"0.1 mS"'), "set.c0: must be a finite number"),
        (HEADER + LEAF.replace("1e-4", "nan"), "set.c0: must be a finite number, got nan"),
        (HEADER + LEAF.replace("1e-4", "true"), "set.c0: must be a finite number, got True"),
        (HEADER + LEAF.replace("1e-4", "[]"), "set.c0: value must not be an empty list"),
    ],
)
def test_load_preset_names_file_and_key_when_malformed(tmp_path, text, message):
    with pytest.raises(StationError, match=message) as caught:
        load_preset(written(tmp_path, text))
    assert "own.toml" in str(caught.value)


@pytest.mark.parametrize("name", ["nope", "../devices/kim2021_tiox_al2o3"])
def test_load_preset_lists_the_known_when_name_is_unknown(name):
    with pytest.raises(StationError, match=DEFAULT_PRESET):
        load_preset(name)


def test_load_preset_refuses_a_path_that_is_not_there(tmp_path):
    with pytest.raises(StationError, match="cannot be read"):
        load_preset(tmp_path / "none.toml")


def test_overrides_replace_a_number_and_leave_the_original():
    preset = load_preset()
    changed = preset.with_overrides({"threshold.dead_zone": 0.4})
    assert changed["threshold.dead_zone"] == 0.4
    assert preset["threshold.dead_zone"] == 0.3
    assert changed.source("threshold.dead_zone") == preset.source("threshold.dead_zone")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"threshold.dead_zone": 2.0}, "threshold.dead_zone: must be 0 to 0.6 V, got 2"),
        ({"threshold.deadzone": 0.3}, "known: threshold.dead_zone, threshold.same_stress"),
        ({"nothing": 0.3}, "known: .*set.c0"),
        ({"set.c2": 0.3}, "set.c2 holds one number per bin"),
        ({"set.c0": float("inf")}, "finite"),
    ],
)
def test_overrides_are_refused_when_out_of_range_or_unknown(overrides, message):
    with pytest.raises(StationError, match=message):
        load_preset().with_overrides(overrides)


def test_preset_tells_the_known_keys_when_asked_for_an_unknown_one():
    preset = load_preset()
    with pytest.raises(KeyError, match=r"known: set\.c0"):
        preset["set.c9"]
    with pytest.raises(TypeError, match="table"):
        preset["set.c2"]


def test_model_refuses_a_preset_that_does_not_fit(tmp_path):
    with pytest.raises(StationError, match=r"law\.bin_centre is missing"):
        MetalOxideLaw.from_preset(load_preset(written(tmp_path, HEADER + LEAF)))
    with pytest.raises(StationError, match="family must be metal_oxide"):
        MetalOxideLaw.from_preset(load_preset(written(tmp_path, HEADER.replace("metal_oxide", "ecram") + LEAF)))
    with pytest.raises(StationError, match=r"set\.c0 must be in V, is in S"):
        load_preset().require({"set.c0": "V"})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = [-3.851, -3.769,", "value = [-3.851,", r"set\.c2: must hold 8 numbers"),
        ("value = [4.217e-6, 7.499e-6,", "value = [7.499e-6, 4.217e-6,", "ascending"),
    ],
)
def test_law_refuses_tables_that_do_not_match_the_bins(tmp_path, old, new, message):
    from importlib.resources import files

    text = (files("labctl_data") / "devices" / f"{DEFAULT_PRESET}.toml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(StationError, match=message):
        MetalOxideLaw.from_preset(load_preset(written(tmp_path, text.replace(old, new))))
