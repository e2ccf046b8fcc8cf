"""Plots of the published systems, besides those of the procedures that are their steps.

Not here: the kinds of plots (:mod:`labctl.analysis.plot_specs`), the plots of all other procedures
(:mod:`labctl.analysis.run_plots`).
"""

from labctl.analysis.curve_figures import Axis
from labctl.analysis.plot_guides import same
from labctl.analysis.plot_specs import Apart, Lines
from labctl.analysis.spread_specs import Distribution

__all__ = ["SYSTEM_PLOTS"]

_RIGHT = Axis("images classified rightly", "%")

_CONDITION = Apart("condition", Axis("condition", "1"))
_ERRORS, _READ = Axis("wrong operations of bridges", "%", is_log=True), Axis("read voltage", "V")

SYSTEM_PLOTS: dict[str, tuple[Lines | Distribution, ...]] = {
    "system.bridge_bnn": (
        Distribution(
            "resistance",
            "Resistances in all conditions",
            ("low_resistance", "high_resistance"),
            Axis("resistance", "ohm", is_log=True),
        ),
        Lines(
            "error-rate",
            "Errors of the measured bridges",
            "read_voltage",
            ("error_rate",),
            _READ,
            _ERRORS,
            style="o-",
            apart=_CONDITION,
        ),
        Lines(
            "error-rate-dies",
            "Errors of bridges on further dies",
            "read_voltage",
            ("error_rate_dies",),
            _READ,
            _ERRORS,
            style="o-",
            apart=_CONDITION,
            mean_over="die",
        ),
        Lines(
            "fires",
            "Neurons of measured bridges",
            "count",
            ("fires",),
            Axis("inputs that agree with their weight", "1"),
            Axis("neuron fires", "%"),
            style="o-",
            apart=_CONDITION,
            mean_over="seed",
        ),
        Lines(
            "neuron-error",
            "Errors of neurons of 1127 cells",
            "distance",
            ("neuron_error",),
            Axis("counts above the threshold", "1"),
            Axis("wrong decisions", "%", is_log=True),
            apart=_CONDITION,
        ),
        Lines(
            "accuracy",
            "Accuracy against errors of bridges",
            "error",
            ("accuracy",),
            Axis("wrong operations of bridges", "%", is_log=True),
            _RIGHT,
            style="o-",
            mean_over="draw",
        ),
        Lines(
            "lost-counts",
            "Counts lost by adding up currents",
            "cells",
            ("lost_counts",),
            Axis("inputs of the neuron", "1", is_log=True),
            Axis("counts lost", "1", is_log=True),
            style="o-",
            mean_over="pattern",
        ),
    ),
    "system.domain_wall": (
        Lines(
            "steps",
            "Steps of one pulse (physics: mean ± σ of dies)",
            "swept_amplitude",
            ("no_step", "one_step", "two_steps", "no_step_physics", "one_step_physics", "two_steps_physics"),
            Axis("amplitude / depinning voltage", "1"),
            Axis("part of the pulses", "%"),
            style="o-",
            mean_over="die",
        ),
        Lines(
            "states",
            "Pinned states, through instruments",
            "state",
            ("state_conductance",),
            Axis("state", "1"),
            Axis("conductance", "S"),
            style="o",
            error="state_sigma",
        ),
        Lines(
            "accuracy-states",
            "Accuracy against states of a track (mean ± σ)",
            "network_states",
            ("trained_by_states", "transferred_by_states"),
            Axis("states", "1", is_log=True),
            _RIGHT,
            style="o-",
            mean_over="network",
        ),
        Lines(
            "accuracy-noise",
            "Accuracy against pulses that fail (mean ± σ)",
            "network_failing",
            ("trained_by_failing", "transferred_by_failing"),
            Axis("part of the pulses that move no wall", "%", is_log=True),
            _RIGHT,
            style="o-",
            mean_over="network",
        ),
    ),
    "system.ecram": (
        Lines(
            "columns",
            "Errors of the columns over random vectors",
            "",
            ("column_error_own", "column_error_target", "column_error_read_out"),
            Axis("column, from 1", "1"),
            Axis("root mean square / full scale", "%"),
            style="o",
        ),
        Lines(
            "outputs",
            "Outputs of images whose sums were measured",
            "outputs_computed",
            ("outputs",),
            Axis("computed from the conductances", "1"),
            Axis("measured", "1"),
            style=".",
            guides=(same,),
        ),
        Lines(
            "training",
            "Training on the array, physics alone",
            "",
            ("trained_plain", "trained_symmetry", "trained_convergence"),
            Axis("network and die, from 1", "1"),
            _RIGHT,
            style="o",
        ),
    ),
    "system.sign_backprop": (
        Lines(
            "steps",
            "Step of one pulse (mean ± σ of cells)",
            "jump_place",
            ("jump_up_mean", "jump_down_mean"),
            Axis("conductance before the pulse", "S"),
            Axis("mean step", "S"),
            style="o-",
            mean_over="device",
        ),
        Lines(
            "loop",
            "Right before it was learned (of 25 images)",
            "",
            ("loop_right", "loop_right_of_dies"),
            Axis("image", "1"),
            _RIGHT,
            mean_over="die",
        ),
        Lines(
            "accuracy",
            "Test accuracy (mean ± σ of networks)",
            "",
            ("accuracy_ideal", "accuracy_extracted"),
            Axis("epoch", "1"),
            _RIGHT,
            style="o-",
            mean_over="network",
        ),
        Lines(
            "ablation",
            "Ablation on digits (mean ± σ of networks)",
            "ablation_reference",
            ("ablation_accuracy",),
            Axis("independent run", "%"),
            Axis("here", "%"),
            style="o",
            mean_over="network",
            guides=(same,),
        ),
    ),
}
