"""Two cells of a row in series through the source plate. Authority: the series circuit, solved by hand: both filaments,
both transistors (the upper one has the plate as its source, the lower one its filament) and all wires."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from labctl_mock.bench.bench import Bench
from labctl_mock.bench.terminals import TerminalMode

RACK = Path(__file__).with_name("transistors-3x2.toml")
GATE_V, THRESHOLD_V = 3.0, 0.45
# ohm, from the bench file: crosspoint, contact and two segments of a bit line; a segment of the plate
BIT_WIRES, WORD_SEGMENT = 0.5 + 200.0 + 2 * 30.0, 20.0


def bridge(preset, upper_m, lower_m, voltage_v):
    """Voltage of the plate at the lower cell, and the current."""
    slope, v0 = preset["transistor.transconductance"], preset["current.v0"]

    def filament_v(gap_m, current_a):
        return v0 * np.arcsinh(current_a / preset["current.i0"] * np.exp(gap_m / preset["current.g0"]))

    def transistor_v(source_v, current_a):
        over = GATE_V - source_v - THRESHOLD_V
        return over - np.sqrt(over**2 - 2.0 * current_a / slope)

    def nodes(current_a):
        source_v = current_a * BIT_WIRES + filament_v(lower_m, current_a)
        plate_v = source_v + transistor_v(source_v, current_a)
        upper_v = plate_v + current_a * WORD_SEGMENT
        end_v = upper_v + transistor_v(upper_v, current_a) + filament_v(upper_m, current_a) + current_a * BIT_WIRES
        return plate_v, end_v

    current_a = brentq(lambda one: nodes(one)[1] - voltage_v, 0.0, 1e-4, xtol=1e-18, rtol=1e-12)
    return nodes(current_a)[0], current_a


@pytest.mark.parametrize("voltage_v", [0.15, 0.6, 0.9])
@pytest.mark.parametrize(("upper_m", "lower_m"), [(0.5e-9, 1.1e-9), (1.1e-9, 0.5e-9), (0.8e-9, 0.8e-9)])
def test_floating_plate_divides_the_voltage_as_the_series_circuit_does(tmp_path, upper_m, lower_m, voltage_v):
    with Bench.open(RACK, home=tmp_path) as bench:
        # plate on smu1.b, bit line 1 on smu1.a, bit line 0 on ground; gate of row 2 on smu2.a, the others at 0 V
        bench.circuit.switch("mat1", opening=(), closing=["1B12", "2A02", "2E01"])
        bench.circuit.switch("mat2", opening=(), closing=["1E01", "1E02", "1A03"])
        for column, gap_m in ((1, upper_m), (0, lower_m)):
            bench._die.state["gap_m"][2, column] = gap_m
            bench._die.state["formed"][2, column] = True
        bench._cells._is_stale[...] = True
        bench.circuit.settle()
        for name, mode, level in (
            ("smu1.b", TerminalMode.CURRENT, 0.0),
            ("smu2.a", TerminalMode.VOLTAGE, GATE_V),
            ("smu1.a", TerminalMode.VOLTAGE, voltage_v),
        ):
            own = bench.circuit.terminals[name]
            own.mode, own.level, own.voltage_limit_v = mode, level, 5.0
        # short, so that the cells stay where they are
        shown = bench.circuit.measure("smu1.b", aperture_s=1e-15)
        driven = bench.circuit.measure("smu1.a", aperture_s=1e-15)
    plate_v, current_a = bridge(bench._preset, upper_m, lower_m, voltage_v)
    assert shown.voltage_v == pytest.approx(plate_v, rel=3e-4)
    assert shown.current_a == pytest.approx(0.0, abs=1e-11)
    assert driven.current_a == pytest.approx(current_a, rel=3e-4)
