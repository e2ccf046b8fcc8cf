"""Device files written and read. Authority: the loader of device files, which refuses what breaks its rules."""

from labctl.physics.preset_text import preset_text
from labctl.physics.presets import Parameter, load_preset, preset_names


def test_device_file_comes_back_as_it_was_written(tmp_path):
    for name in preset_names():
        base = load_preset(name)
        path = tmp_path / "again.toml"
        path.write_text(preset_text(base, name="again", title='T "1"', changed={}), encoding="utf-8")
        again = load_preset(path)
        assert (again.name, again.family, again.title) == ("again", base.family, 'T "1"')
        assert list(again) == list(base)
        for key in base:
            assert again.table(key).tolist() == base.table(key).tolist()
            assert again.is_table(key) == base.is_table(key)
            told = [(one.unit(key), one.source(key), one.valid_range(key)) for one in (again, base)]
            assert told[0] == told[1]


def test_changed_and_new_parameters_are_in_the_file(tmp_path):
    changed = {
        "track.states": Parameter((7.0,), False, "1", "measured", (2.0, 1024.0)),
        "steps.none": Parameter((0.25, 0.5), True, "1", "measured", (0.0, 1.0)),
    }
    path = tmp_path / "new.toml"
    text = preset_text(load_preset("dhull2024_domain_wall"), name="new", title="new", changed=changed)
    path.write_text(text, encoding="utf-8")
    found = load_preset(path)
    assert found["track.states"] == 7.0
    assert found.table("steps.none").tolist() == [0.25, 0.5]
