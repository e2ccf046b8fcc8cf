"""Which plots a run has: those declared for its procedure; where none are, a plain curve of each of its arrays.

Not here: the kinds of plots (:mod:`labctl.analysis.plot_specs`, :mod:`labctl.analysis.spread_specs`), maps of an array
(:mod:`labctl.analysis.figures`).
"""

from collections.abc import Iterator

import numpy as np

from labctl.analysis.curve_figures import Axis
from labctl.analysis.plot import Plot
from labctl.analysis.plot_guides import (
    drift_of_states,
    level_before,
    no_error,
    same,
    spectrum_slope,
    ten_years,
    timing_window,
)
from labctl.analysis.plot_specs import Apart, Estimates, Joined, Lines, Map
from labctl.analysis.run_view import RunView
from labctl.analysis.spread_specs import Boxes, Distribution, Histogram
from labctl.analysis.system_plots import SYSTEM_PLOTS

__all__ = ["plot_names", "plots_of"]

Spec = Lines | Joined | Estimates | Map | Distribution | Histogram | Boxes

# an array of more curves than this is not drawn without having been declared
_MOST_CURVES = 2000

_V, _A, _S = Axis("voltage", "V"), Axis("current", "A"), Axis("conductance", "S")
_LOG_A, _LOG_S = Axis("|current|", "A", is_log=True), Axis("conductance", "S", is_log=True)
_LOG_V = Axis("|voltage|", "V", is_log=True)
_CYCLE = Apart("cycle", Axis("cycle", "1"))
_AGE = Axis("time since programming", "s", is_log=True)
_AMPLITUDE, _WIDTH = Axis("amplitude", "V"), Axis("pulse width", "s")
_CHANGE = Axis("ΔG / initial conductance", "%")


def _iv(name: str, title: str, apart: Apart, *, magnitude: bool) -> Lines:
    return Lines(
        name,
        title,
        "voltage",
        ("current",),
        _V,
        _LOG_A if magnitude else _A,
        apart=apart,
        cells_first=apart is _CYCLE,
        magnitude=magnitude,
    )


def _ladder(limit: Axis) -> tuple[Spec, ...]:
    rung = Apart("step", Axis(limit.label, limit.unit, is_log=limit.is_log), values="rung")
    return (
        _iv("iv-log", "I-V of all rungs", rung, magnitude=True),
        Lines(
            "ladder",
            "Conductance of each rung (mean ± σ)",
            "rung",
            ("conductance",),
            limit,
            _LOG_S,
            style="o-",
            mean_over="cycle",
        ),
    )


def _disturb(name: str) -> Lines:
    return Lines(
        name,
        f"Victims of {name.upper()} pulses",
        "pulses",
        (f"victim_conductance_{name}",),
        Axis("pulses on the aggressor", "1", is_log=True),
        Axis("ΔG / conductance before", "%"),
        style="o-",
        apart=Apart("victim", Axis("victim", "1"), places="victims"),
        relative_to="first",
        guides=(no_error,),
    )


_FORMING = Distribution("form-voltage", "Forming voltage", ("form_voltage",), _V, paper="weibull")
_UPDATE: tuple[Spec, ...] = (
    Joined("train", "Potentiation and depression", ("potentiation", "depression"), Axis("pulse", "1"), _S),
    Joined(
        "cycles",
        "Potentiation and depression, cycles overlaid",
        ("potentiation", "depression"),
        Axis("pulse of the cycle", "1"),
        _S,
        overlaid=True,
    ),
)
_STEPS: tuple[Spec, ...] = tuple(
    Map(
        f"moved-{count}",
        f"Pulses that move the wall by {name}",
        "moves",
        "amplitude",
        "width",
        Axis("amplitude / depinning voltage", "1"),
        _WIDTH,
        Axis("part of the pulses", "%"),
        chosen=count,
    )
    for count, name in enumerate(("no state", "one state", "two states or more"))
)
_LOW_VOLTAGE = Lines("iv", "I-V at low voltage", "voltage", ("current",), _V, _A, style="o")

_PLOTS: dict[str, tuple[Spec, ...]] = {
    "check_contacts": (
        Lines("iv", "I-V at low voltage", "voltage", ("current",), _V, _LOG_A, style="o", magnitude=True),
    ),
    "form_dc": (
        Lines("iv-log", "DC forming", "voltage", ("current",), _V, _LOG_A, magnitude=True),
        _FORMING,
    ),
    "form_array": (_FORMING,),
    "sweep_iv": (
        _iv("iv-log", "I-V, all cycles", _CYCLE, magnitude=True),
        _iv("iv", "I-V, all cycles", _CYCLE, magnitude=False),
        Distribution(
            "switching-voltage",
            "Switching voltages",
            ("set_voltage", "reset_voltage"),
            _LOG_V,
            paper="weibull",
            magnitude=True,
        ),
        Distribution(
            "resistance", "Resistances", ("on_resistance", "off_resistance"), Axis("resistance", "ohm", is_log=True)
        ),
    ),
    "ladder_compliance": _ladder(Axis("compliance", "A", is_log=True)),
    "ladder_stop_voltage": _ladder(Axis("stop voltage", "V")),
    "read_disturb": (
        Lines(
            "disturb",
            "Read disturb (mean ± σ of each block)",
            "reads",
            ("conductance",),
            Axis("readings", "1", is_log=True),
            _S,
            style="o-",
            error="scatter",
        ),
        _LOW_VOLTAGE,
    ),
    "retention": (
        Lines(
            "retention",
            "Retention; dashed: drift per decade",
            "age",
            ("conductance",),
            _AGE,
            _S,
            style="o",
            apart=Apart("cycle", Axis("state", "1"), names="state_{}"),
            guides=(drift_of_states, ten_years),
        ),
    ),
    "volatility": (
        Lines(
            "decay",
            "After one SET pulse",
            "age",
            ("conductance",),
            Axis("time since the pulse", "s", is_log=True),
            _S,
            style=".",
            guides=(level_before,),
        ),
    ),
    "read_noise": (
        Lines("trace", "Current", "", ("current",), Axis("sample", "1"), _A),
        Lines(
            "spectrum",
            "Power spectral density",
            "frequency",
            ("density",),
            Axis("frequency", "Hz", is_log=True),
            Axis("density", "A^2/Hz", is_log=True),
            guides=(spectrum_slope,),
        ),
        Distribution("current", "Current", ("current",), _A),
    ),
    "map_pulses": (
        Map(
            "change",
            "Change by one pulse",
            "change_relative",
            "pulse_width",
            "pulse_voltage",
            _WIDTH,
            _AMPLITUDE,
            _CHANGE,
        ),
        Lines(
            "amplitude",
            "Change by one pulse",
            "pulse_voltage",
            ("change_relative",),
            _AMPLITUDE,
            _CHANGE,
            style="o-",
            apart=Apart("width", Axis("width", "s", is_log=True), values="pulse_width"),
            mean_over="repeat",
            guides=(no_error,),
        ),
    ),
    "potentiate_depress": _UPDATE,
    "ecram_update": _UPDATE,
    "write_verify": (
        Lines(
            "error",
            "Error of each target",
            "targets",
            ("verified", "read_after_wait"),
            Axis("target", "S"),
            Axis("G / target - 1", "%"),
            style="o",
            relative_to="x",
            guides=(no_error,),
        ),
        Distribution("pulses", "Pulses of each visit of a target", ("pulses",), Axis("pulses", "1")),
        Distribution("energy", "Energy of each visit of a target", ("energy",), Axis("energy", "J", is_log=True)),
    ),
    "endurance": (
        Lines(
            "endurance",
            "Endurance",
            "cycle_number",
            ("low_resistance_state", "high_resistance_state"),
            Axis("cycle", "1", is_log=True),
            _LOG_S,
            style=".",
        ),
    ),
    "cycle_statistics": (
        Lines(
            "cycles",
            "Both states of every cycle",
            "",
            ("low_resistance_state", "high_resistance_state"),
            Axis("cycle", "1"),
            _LOG_S,
            style=".-",
        ),
        Distribution(
            "states", "States, all cells and cycles", ("low_resistance_state", "high_resistance_state"), _LOG_S
        ),
        Lines(
            "memory",
            "Correlation of cycles",
            "",
            ("low_resistance_correlation", "high_resistance_correlation"),
            Axis("lag in cycles", "1"),
            Axis("correlation", "1"),
            style=".-",
            guides=(no_error,),
        ),
    ),
    "pulse_energy": (
        Distribution(
            "pulse-energy",
            "Energy of one pulse",
            ("set_energy_by_current", "reset_energy_by_current"),
            Axis("energy", "J", is_log=True),
        ),
        Lines(
            "level-energy",
            "Energy to reach a level (mean ± σ)",
            "levels",
            ("level_energy",),
            Axis("level", "S"),
            Axis("energy", "J", is_log=True),
            style="o-",
            mean_over="repeat",
        ),
    ),
    "paired_pulse": (
        Lines(
            "pair",
            "Responses to a pair of pulses (mean ± σ)",
            "measured_delay",
            ("first_response", "second_response"),
            Axis("distance of the pulses", "s", is_log=True),
            Axis("ΔG against before the pair", "S"),
            style="o-",
            mean_over="repeat",
        ),
        Estimates(
            "facilitation",
            "Paired-pulse index (95 % interval)",
            "facilitation",
            "delay",
            "index",
            Axis("distance of the pulses", "s", is_log=True),
            Axis("ΔG of both / ΔG of the first", "1"),
        ),
    ),
    "stdp": (
        Lines(
            "window",
            "Spike-timing window (mean ± σ)",
            "delay",
            ("change_relative",),
            Axis("Δt, post after pre", "s"),
            _CHANGE,
            style="o",
            mean_over="repeat",
            guides=(timing_window,),
        ),
        Lines(
            "waveforms",
            "Voltage over the cell",
            "",
            ("net_waveform",),
            Axis("step", "1"),
            _V,
            apart=Apart("distance", Axis("Δt", "s"), values="delay"),
        ),
    ),
    "count_states": (
        Histogram("levels", "Readings of each level after the wait", "level_reading", "level_target", _S),
        Lines(
            "spread",
            "Levels after the wait (mean ± σ)",
            "level_target",
            ("level_mean",),
            Axis("target", "S"),
            _S,
            style="o",
            error="level_sigma",
            guides=(same,),
        ),
    ),
    "half_select_disturb": (_disturb("set"), _disturb("reset")),
    "map_array": (Distribution("conductance", "Conductance of all cells", ("conductance",), _LOG_S),),
    "multiply_vectors": (
        Lines(
            "sums",
            "Sum of a bit line against the sum of its cells",
            "expected",
            ("measured",),
            Axis("expected", "A"),
            Axis("measured", "A"),
            style=".",
            guides=(same,),
        ),
        Boxes(
            "error",
            "Error of the sums (box: quartiles, whiskers: 5 to 95 %)",
            "measured",
            "expected",
            "outputs",
            "bit line",
            Axis("measured - expected", "A"),
        ),
    ),
    "domain_wall_map": _STEPS,
    **SYSTEM_PLOTS,
    "system.rvc_3bit": (
        Lines(
            "accuracy",
            "Accuracy against programming error",
            "rmse",
            ("accuracy",),
            Axis("relative RMSE of normal errors", "%"),
            Axis("images classified rightly", "%"),
            style="o-",
            apart=Apart("network", Axis("network", "1")),
            mean_over="draw",
        ),
        Distribution("residual", "Error in the separate reading", ("residual",), Axis("G / target - 1", "%")),
    ),
}


def plot_names(procedure: str) -> list[str]:
    """Return the names of the plots that are declared for a procedure.

    Parameters
    ----------
    procedure : str

    Returns
    -------
    list of str
        Empty where none are.
    """
    return [spec.name for spec in _PLOTS.get(procedure, ())]


def plots_of(view: RunView, *, note: str = "") -> list[Plot]:
    """Return the plots of a run, or of a step of a sequence.

    Parameters
    ----------
    view : RunView
    note : str
        Small print, such as "simulated".

    Returns
    -------
    list of Plot
        Maps over the rows and columns of the array are not among them.
    """
    specs = _PLOTS.get(view.procedure, ())
    found = [plot for spec in specs if (plot := spec.draw(view, note)) is not None]
    return found or list(_plain(view, note))


def _plain(view: RunView, note: str) -> Iterator[Plot]:
    """Draw every array of curves of a procedure that declares no plots."""
    for name, array in view.arrays.items():
        if (
            array.dims[0] == "cell"
            and array.values.ndim > 1
            and name != "cells"
            and np.prod(array.values.shape[:-1]) <= _MOST_CURVES
        ):
            title = name.replace("_", " ")
            spec = Lines(name, title, "", (name,), Axis(array.dims[-1], "1"), Axis(title, array.unit))
            plot = spec.draw(view, note)
            if plot is not None:
                yield plot
