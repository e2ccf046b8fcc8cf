"""The script of VGG8. Authority: DNN+NeuroSim V2.1 (widths of the layers); the issue (tested on two steps)."""

import importlib.util
import json
import sys

import numpy as np
import pytest

from labctl.errors import RunError
from labctl.networks.images import CIFAR_FILE, Images
from labctl.networks.vgg8 import MODES, Vgg8Settings, main, train_vgg8

HAS_TORCH = importlib.util.find_spec("torch") is not None
SMALL = Vgg8Settings(width=1 / 32, steps=2, batch=8, states=5, none=(0.1,), two=(0.05,))


def few_images():
    rng = np.random.default_rng(1)
    pixels = rng.random((24, 3, 32, 32), dtype=np.float32)
    return Images("cifar10", pixels, rng.integers(0, 10, 24), pixels[:12], rng.integers(0, 10, 12))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    parts = {}
    for part, count in (("train", 24), ("test", 12)):
        parts[f"x_{part}"] = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        parts[f"y_{part}"] = np.arange(count) % 10
    np.savez(tmp_path / CIFAR_FILE, **parts)
    return tmp_path


def test_vgg8_says_how_to_install_pytorch_when_it_is_missing(monkeypatch, folder, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RunError, match=r"pip install labctl\[torch\]"):
        train_vgg8(few_images(), "float", SMALL)
    assert main(["--data", str(folder), "--out", str(folder / "out.json")]) == 2
    assert "needs PyTorch" in capsys.readouterr().err
    assert not (folder / "out.json").exists()


def test_vgg8_says_what_is_missing_when_there_are_no_images(tmp_path, capsys):
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out.json")]) == 2
    told = capsys.readouterr().err
    assert CIFAR_FILE in told
    assert "--data" in told


def test_vgg8_refuses_a_device_file_without_chances_of_a_step(tmp_path, capsys):
    code = main(["--device", "dhull2024_domain_wall", "--data", str(tmp_path), "--out", str(tmp_path / "out.json")])
    assert code == 2
    assert "steps.none" in capsys.readouterr().err


@pytest.mark.skipif(not HAS_TORCH, reason="needs PyTorch: pip install labctl[torch]")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("walls", [1, 2])
def test_vgg8_learns_for_two_steps(mode, walls):
    lines = []
    settings = Vgg8Settings(width=1 / 32, steps=2, batch=8, walls=walls, none=(0.1, 0.2), two=(0.05, 0.0))
    found = train_vgg8(few_images(), mode, settings, lines.append)
    assert found["step"] == [1, 2]
    assert all(0.0 <= value <= 1.0 for value in (*found["train_accuracy"], *found["test_accuracy"]))
    assert found["trained"] == found["test_accuracy"][-1]
    assert (found["pulses"] > 0) == (mode != "float")
    assert (found["transferred"] is None) == (mode == "float")
    assert "step 2 of 2" in lines[-1]


@pytest.mark.skipif(not HAS_TORCH, reason="needs PyTorch: pip install labctl[torch]")
def test_vgg8_writes_all_modes_and_the_papers_figures(folder):
    out = folder / "out.json"
    assert main(["--data", str(folder), "--out", str(out), "--width", "0.03125", "--steps", "2", "--batch", "8"]) == 0
    held = json.loads(out.read_text(encoding="utf-8"))
    assert [one["mode"] for one in held["runs"]] == list(MODES)
    assert held["paper"] == {"training": 0.924, "inference": 0.904}
    assert held["channels"] == [4, 4, 8, 8, 16, 16]


def test_vgg8_has_the_published_layers_at_full_width():
    from labctl.networks.vgg8 import _shapes

    assert _shapes(1.0) == [
        (128, 3, 3, 3),
        (128, 128, 3, 3),
        (256, 128, 3, 3),
        (256, 256, 3, 3),
        (512, 256, 3, 3),
        (512, 512, 3, 3),
        (1024, 8192),
        (10, 1024),
    ]
