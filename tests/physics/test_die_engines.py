"""Authority: the plain NumPy form of the steps; the compiled form is a second, independent writing of it."""

import numpy as np
import pytest

from labctl.physics import kernels
from labctl.physics.die import Die, Effects
from labctl.physics.presets import load_preset
from labctl.physics.random import Stream, normals

PRESET = load_preset().with_overrides({"stuck.fraction": 0.1})
EFFECTS = [Effects(), Effects(False, False, False, False, False), Effects(relaxation=False, cycle_spread=False)]


def life(engine, effects, shape=(6, 7)):
    """Form, program, hold, look, with and without limits; return the die and everything that was seen."""
    die = Die(PRESET, *shape, 11, effects, engine=engine)
    random = np.random.default_rng(5)
    seen, now = [], 0.0
    for k in range(40):
        voltage = random.uniform(2.3, 3.6, shape) if k < 4 else random.uniform(-1.6, 1.4, shape)
        limit = [None, 5e-5, random.uniform(1e-5, 3e-4, shape)][k % 3]
        pieces = [1e-4, 3e-3] if k % 4 == 0 else [10.0 ** random.uniform(-7, -1)]
        for piece in pieces:
            die.stress(voltage, piece, now, current_limit_a=limit)
            now += piece
        now += 10.0 ** random.uniform(-4, 3)
        seen.append(die.conductance_at(now, np.flatnonzero(random.uniform(size=shape) < 0.7), aperture_s=0.02))
    return die, np.concatenate(seen)


@pytest.fixture
def interpreted(monkeypatch):
    """Let the compiled steps run as the Python that they are written in."""
    for name in ("_normal", "_step", "_bounded", "_ceiling", "_decades", "_apply_stress", "_apparent_conductance"):
        monkeypatch.setattr(kernels, name, getattr(kernels, name).py_func)


def compare(other, effects):
    plain, seen = life("numpy", effects)
    np.testing.assert_allclose(other[1], seen, rtol=1e-11)
    for name, array in plain.to_arrays().items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(other[0].to_arrays()[name], array, rtol=1e-9, atol=1e-15, err_msg=name)
        else:
            np.testing.assert_array_equal(other[0].to_arrays()[name], array, err_msg=name)
    assert plain.state.formed.any()


@pytest.mark.parametrize("effects", EFFECTS)
def test_compiled_steps_agree_with_the_plain_ones(effects):
    compare(life("numba", effects), effects)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("effects", EFFECTS)
def test_compiled_steps_agree_with_the_plain_ones_when_interpreted(effects):
    compare(life("numba", effects), effects)


def test_compiled_normals_are_those_of_the_generator():
    for cell, event, lane in [(0, 0, 0), (5 * 65536 + 3, 17, 4), (65535 * 65536 + 65535, 2**31, 7)]:
        own = kernels._normal(np.uint64(2**63 + 5), int(Stream.NOISE), cell, event, lane)
        assert own == pytest.approx(float(normals(2**63 + 5, Stream.NOISE, cell, event, lane)), rel=1e-12)
