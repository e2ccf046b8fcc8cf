"""The line of a preview. Authority: levels and pulses drawn by hand."""

import base64

import numpy as np
import pytest

from labctl.gui.form.waveform import stepped_line, unpacked

NAN = float("nan")


def corners(*rows, until_s):
    start, level, width = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    time_s, level_v = stepped_line(start, level, width, until_s=until_s)
    return list(zip(time_s.tolist(), level_v.tolist(), strict=True))


def test_level_stands_until_the_next():
    line = corners((1.0, 0.5, NAN), (2.0, -0.5, NAN), (3.0, 0.0, NAN), until_s=4.0)
    drawn = list(dict.fromkeys(line))
    assert drawn == [(0, 0), (1, 0), (1, 0.5), (2, 0.5), (2, -0.5), (3, -0.5), (3, 0), (4, 0)]


def test_pulse_falls_back_to_zero_after_its_width():
    line = corners((1.0, 2.0, 0.25), (2.0, 0.2, NAN), until_s=3.0)
    assert list(dict.fromkeys(line)) == [(0, 0), (1, 0), (1, 2), (1.25, 2), (1.25, 0), (2, 0), (2, 0.2), (3, 0.2)]


def test_line_never_runs_backwards_and_reaches_the_end():
    assert corners((1.0, 2.0, 0.25), until_s=0.0)[-1] == (1.25, 0.0)
    time_s, level_v = stepped_line(*(np.array([]) for _ in range(3)), until_s=5.0)
    assert (time_s.tolist(), level_v.tolist()) == ([0.0, 5.0], [0.0, 0.0])


def test_packed_trace_reads_back_to_the_bit():
    columns = {"start_s": [0.1, 0.2], "level_v": [1 / 3, -1e-300], "width_s": [NAN, 1e-9]}
    packed = {
        name: base64.b64encode(np.array(values, dtype="<f8").tobytes()).decode() for name, values in columns.items()
    }
    for found, values in zip(unpacked(packed), columns.values(), strict=True):
        assert found == pytest.approx(values, rel=0, abs=0, nan_ok=True)
