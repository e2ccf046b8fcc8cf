"""What the results of the procedures are called, in which unit they are, and what they mean: one line for each name.

A name with a number in it, such as ``trap_2_amplitude``, stands here with ``#``. Names that are not here have the unit
of their last telling word. Not here: writing a value (:mod:`labctl.analysis.wording`).
"""

import re
from dataclasses import dataclass

__all__ = ["PERCENT", "Words", "unit_of", "words_of"]

PERCENT = "%"


@dataclass(frozen=True, slots=True)
class Words:
    """How a result is called.

    Attributes
    ----------
    label : str
    unit : str
        SI unit; "%" for a pure number that is written in percent, either one with " per ..." behind it; "" for none.
    meaning : str
        One line; empty where the label says it all.
    """

    label: str
    unit: str = ""
    meaning: str = ""


# the last of these words in a name tells the unit of a result that is not listed below
_UNIT_OF_WORD = {
    "voltage": "V",
    "conductance": "S",
    "current": "A",
    "resistance": "ohm",
    "energy": "J",
    "temperature": "K",
    "charge": "C",
    "width": "s",
    "delay": "s",
    "time": "s",
    "wait": "s",
    "tau": "s",
    "frequency": "Hz",
}
# a name that holds one of these is a pure number, whatever else it holds
_PURE = frozenset(
    {
        "asymmetry",
        "cells",
        "change",
        "correlation",
        "count",
        "exponent",
        "index",
        "label",
        "loss",
        "part",
        "ratio",
        "relative",
        "shape",
        "slope",
        "spread",
    }
)

_COUNTS = {
    "cells": Words("Cells", "", "selected for this run"),
    "cells_stopped": Words("Cells stopped", "", "left alone by a stop rule; see the failed cells"),
    "programmed": Words("Cells programmed", "", "last verify within the tolerance of the target"),
    "formed": Words("Cells formed", "", "by this run"),
    "formed_before": Words("Formed before", "", "conducted already in the first survey"),
    "failed": Words("Cells that did not form"),
    "yield": Words("Yield", PERCENT, "part of the cells that got what was asked for"),
    "cells_without_reading": Words("Cells without a reading", "", "the meter went over range"),
    "unformed": Words("Unformed cells"),
    "shorted": Words("Shorted cells"),
    "open": Words("Open cells", "", "no contact"),
    "high_resistance": Words("Cells at high resistance"),
    "low_resistance": Words("Cells at low resistance"),
    "open_cells": Words("Cells open", "", "no contact"),
    "leaking_cells": Words("Cells leaking", "", "contacted, not formed"),
    "formed_cells": Words("Cells formed"),
    "shorted_cells": Words("Cells shorted"),
} | {
    f"{kind}_part": Words(f"Part {kind}", PERCENT, "of the cells that were looked at")
    for kind in ("open", "leaking", "formed", "shorted")
}

_PROGRAMMING = {
    "rmse_relative": Words(
        "RMSE, relative", PERCENT, "root mean square of (G - target) / target over the programmed cells"
    ),
    "rmse_range": Words("RMSE of the range", PERCENT, "root mean square error over Gmax - Gmin"),
    "rmse_gmax": Words("RMSE of Gmax", PERCENT, "root mean square error over Gmax"),
    "rmse_relative_all_cells": Words(
        "RMSE, failed cells included", PERCENT, "as RMSE, relative, over all readable cells"
    ),
    "pulses_per_cell_mean": Words("Pulses per cell, mean", "1"),
    "pulses_per_cell_p95": Words("Pulses per cell, 95 %", "1", "19 of 20 cells needed no more"),
    "sets_per_cell_mean": Words("SETs per cell, mean", "1", "how often a cell was raised again"),
    "outside_tolerance_at_read_back": Words(
        "Outside the verify tolerance",
        "",
        "programmed cells that read back outside it, by noise, relaxation and late disturb",
    ),
    "moved_partners": Words(
        "Moved partners", "", "cells whose target was changed because the other cell of the pair is stuck"
    ),
    "form_voltage_mean": Words("Forming voltage, mean", "V", "of the cells that this run formed"),
    "conductance_mean": Words("Conductance, mean", "S"),
    "conductance_min": Words("Conductance, lowest", "S"),
    "conductance_max": Words("Conductance, highest", "S"),
    "half_select_disturb": Words(
        "Half-select disturb",
        PERCENT,
        "mean change of a cell from the end of its first pass to the next survey, while its neighbours were programmed"
        " with half the voltage on it; also holds the changed load of the lines",
    ),
    "drift_after_verify_rms": Words(
        "Drift after verify, rms",
        PERCENT,
        "change from the last verify to the read-back: relaxation, late disturb and read noise",
    ),
    "wire_drop_per_segment": Words(
        "Wire drop",
        "V per segment",
        "growth of the RESET voltage of equal effect with each line segment between cell and driver",
    ),
    "read_noise": Words("Read noise", PERCENT, "relative scatter of repeated readings of one cell, pooled"),
    "sneak_ratio_median": Words("Sneak ratio, median", "1", "reading with all other lines floating over the true one"),
    "segment_resistance": Words(
        "Resistance of a line segment", "ohm", "from what the currents of each word line take off its cells"
    ),
    "low_resistance_spread": Words("Spread of cells at low resistance", PERCENT, "of ln G within a word line"),
}

_SWITCHING = {
    "leakage_median": Words("Leakage, median", "S", "conductance of the cells that are not formed"),
    "leakage_largest": Words("Leakage, largest", "S", "conductance of the cells that are not formed"),
    "linearity_median": Words("Linearity, median", "1", "G at the high over G at the low voltage, of formed cells"),
    "cycles": Words("Cycles"),
    "cycles_switched": Words("Cycles that switched"),
    "on_off_ratio": Words("On/off ratio, median", "1", "of the log-normal law of all cycles"),
    "reset_to_next_set_correlation": Words("RESET to the next SET", "1", "correlation of the voltages"),
    "rungs": Words("Rungs"),
    "conductance_first_rung": Words("Conductance, first rung", "S"),
    "conductance_last_rung": Words("Conductance, last rung", "S"),
    "cycle_to_cycle": Words("Cycle to cycle", PERCENT, "scatter between repeats over the mean of a rung"),
    "rung_correlation": Words("Correlation with the rung", "1", "of the logarithms of limit and conductance"),
    "levels_apart_3_sigma": Words("Levels apart", "1", "that do not overlap within 3 sigma; median of the cells"),
    "nonlinearity": Words("Non-linearity of I-V", PERCENT, "G at 0.3 V over that at 0.02 V, less 1"),
    "cubic_over_linear_per_v2": Words("a3 / a1", "1 per V²", "of I = a1 V + a3 V³"),
}
_VOLTAGES = {
    f"{side}_voltage_{key}": Words(f"{label} voltage, {words.label}", words.unit, words.meaning)
    for side, label in (("set", "SET"), ("reset", "RESET"), ("form", "Forming"))
    for key, words in {
        "mean": Words("mean", "V"),
        "median": Words("median", "V"),
        "min": Words("lowest", "V"),
        "max": Words("highest", "V"),
        "weibull": Words("Weibull law"),
        "weibull_scale": Words("Weibull scale", "V", "63 % switch below it"),
        "weibull_shape": Words("Weibull shape", "1", "the larger, the narrower"),
        "c2c": Words("cycle to cycle", PERCENT, "standard deviation over the mean"),
        "d2d": Words("device to device", PERCENT, "standard deviation over the mean"),
        "correlation": Words("memory", "1", "correlation of successive cycles"),
    }.items()
}

_TIME = {
    "reads": Words("Readings"),
    "drift_per_decade": Words("Drift", "% per decade", "of readings, or of time"),
    "drift_per_decade_#": Words("State {}: drift", "% per decade", "of time"),
    "state_#": Words("State {}"),
    "conductance_#": Words("State {}: conductance", "S", "mean of cells and readings"),
    "law_#": Words("State {}: law", "", "that fits better"),
    "conductance_ten_years_#": Words("State {}: after ten years", "S", "extrapolated"),
    "time_to_loss_#": Words("State {}: time to the loss", "s", "until the conductance has changed as stated"),
    "temperature_#": Words("State {}: temperature", "K"),
    "activation_energy_#": Words("State {}: activation energy", "eV"),
    "change_over_all_reads": Words("Change over all readings", PERCENT),
    "disturbed_cells": Words("Cells disturbed", "", "by the readings"),
    "volatile_cells": Words("Volatile cells"),
    "non_volatile_cells": Words("Non-volatile cells"),
    "cells_without_effect": Words("Cells without effect", "", "the pulse gained nothing"),
    "verdict": Words("Verdict"),
    "welch_p": Words("p-value", "1", "Welch's t-test: first window after the pulse against the last"),
    "state_loss": Words("Loss of the state", PERCENT, "of what the pulse gained"),
    "samples": Words("Samples"),
    "spectra": Words("Spectra"),
    "typical_cell": Words("Typical cell", "", "the one with the median noise; the noise results are its own"),
    "current_mean": Words("Current, mean", "A"),
    "noise_relative": Words("Noise", PERCENT, "sigma(I) / I"),
    "psd_slope": Words("Slope of the spectrum", "1", "of log density over log frequency; -1 is 1/f noise"),
    "cells_with_telegraph_noise": Words("Cells with telegraph noise"),
    "traps": Words("Traps", "", "of the typical cell"),
    "trap_#_amplitude": Words("Trap {}: amplitude", PERCENT, "of the larger current"),
    "trap_#_capture_time": Words("Trap {}: capture time", "s"),
    "trap_#_emission_time": Words("Trap {}: emission time", "s"),
}

_CYCLING = {
    "reading_scheme": Words("What was read"),
    "cycles_asked": Words("Cycles asked for"),
    "cells_failed": Words("Cells that failed", "", "lost their window"),
    "first_failure": Words("First failure", "", "cycle at which the first cell lost its window"),
    "lives": Words("Lives of the cells"),
    "window_median": Words("Window, median", "1", "ratio of the two states"),
    "window_least": Words("Window, smallest", "1", "ratio of the two states"),
    "weibull_shape": Words("Weibull shape of lives", "1", "below 1: early failures; above: wear-out"),
    "weibull_scale": Words("Weibull scale of lives", "1", "cycles after which 63 % have failed"),
}
_STATES = {
    f"{state}_resistance_{key}": Words(
        f"{state.capitalize()}-resistance state, {words.label}", words.unit, words.meaning
    )
    for state in ("low", "high")
    for key, words in {
        "mean": Words("mean", "S"),
        "median": Words("median", "S", "of the log-normal law"),
        "log_sigma": Words("log sigma", "1", "standard deviation of ln G"),
        "split": Words("split of the variance"),
        "cycle_to_cycle": Words("cycle to cycle", PERCENT, "standard deviation over the mean"),
        "device_to_device": Words("device to device", PERCENT, "standard deviation over the mean"),
        "device_p_value": Words("p-value", "1", "of the test that the devices do not differ"),
        "correlation": Words("memory", "1", "correlation of successive cycles"),
    }.items()
}

_PULSES = {
    "initial_conductance": Words("Initial conductance", "S"),
    "points": Words("Points of the map"),
    "points_not_initialised": Words("Points left out", "", "the cell could not be brought to the initial conductance"),
    "largest_rise_relative": Words("Largest rise", PERCENT, "by one pulse, of the initial conductance"),
    "largest_fall_relative": Words("Largest fall", PERCENT, "by one pulse, of the initial conductance"),
    "polarity": Words("Polarity that raises", "", "of each cell"),
    "decades_per_volt_positive": Words("Steepness, positive", "1", "decades of width saved by a volt, of each cell"),
    "decades_per_volt_negative": Words("Steepness, negative", "1", "decades of width saved by a volt, of each cell"),
    "map_reason": Words("Why figures are missing"),
    "nonlinearity_label_up": Words("Non-linearity up, label", "1", "NeuroSim's: 10.1 x the integral non-linearity"),
    "nonlinearity_label_down": Words("Non-linearity down, label", "1", "NeuroSim's: 10.1 x the integral non-linearity"),
    "curvature_up": Words("Curvature up, A", "1", "of the exponential, in branches; the larger, the straighter"),
    "curvature_down": Words("Curvature down, A", "1", "of the exponential, in branches; the larger, the straighter"),
    "asymmetry": Words("Asymmetry", PERCENT, "largest distance of the branches, of the range"),
    "mean_asymmetry": Words("Asymmetry, mean", PERCENT, "mean distance of the branches, of the range"),
    "symmetry_point": Words("Symmetry point", "S", "where a step up and a step down are equal"),
    "conductance_range": Words("Range", "S", "largest less least"),
    "cycles_without_figures": Words("Cycles without figures"),
    "figures_reason": Words("Why figures are missing"),
    "step_spread_reason": Words("Why there is no spread"),
    "step_spread_up": Words("Spread of a step up", PERCENT, "from cycle to cycle, of the range; read noise is in it"),
    "step_spread_down": Words(
        "Spread of a step down", PERCENT, "from cycle to cycle, of the range; read noise is in it"
    ),
    "wait": Words("Wait", "s"),
    "visits": Words("Visits", "", "of a target by a cell"),
    "reached": Words("Targets reached"),
    "success": Words("Success", PERCENT, "of the visits"),
    "target_success": Words("Success of each target", PERCENT),
    "pulses_mean": Words("Pulses, mean", "1", "of a visit"),
    "pulses_p95": Words("Pulses, 95 %", "1", "19 of 20 visits needed no more"),
    "reversals_mean": Words("Reversals, mean", "1", "changes of polarity of a visit"),
    "energy_mean": Words("Energy, mean", "J", "of the pulses of a visit"),
    "residual_rms": Words("Error, rms", PERCENT, "of the target, at the verify"),
    "residual_rms_after_wait": Words("Error after the wait, rms", PERCENT, "of the target"),
    "drift_mean": Words("Drift in the wait, mean", PERCENT, "of the target"),
    "facilitation": Words("Facilitation"),
    "facilitation_shortest": Words("Facilitation, shortest distance", "1", "1: all forgotten; 2: nothing forgotten"),
    "facilitation_longest": Words("Facilitation, longest distance", "1", "1: all forgotten; 2: nothing forgotten"),
    "pairs": Words("Pairs"),
    "causal_amplitude": Words("Pre before post: amplitude", PERCENT, "change at the nearest distance"),
    "causal_nearest_time": Words("Pre before post: nearest distance", "s", "smallest that was measured"),
    "causal_time": Words("Pre before post: time constant", "s"),
    "acausal_amplitude": Words("Post before pre: amplitude", PERCENT, "change at the nearest distance"),
    "acausal_nearest_time": Words("Post before pre: nearest distance", "s", "smallest that was measured"),
    "acausal_time": Words("Post before pre: time constant", "s"),
    "window_residual": Words("Window: residual", PERCENT, "standard deviation about both exponentials"),
    "window_reason": Words("Why there is no window"),
    "levels_asked": Words("Levels asked for"),
    "states_by_cell": Words("States of each cell"),
    "states_mean": Words("States told apart, mean", "1"),
    "level_energy_mean": Words("Energy of a level, mean", "J", "of all pulses that bring a cell there"),
    "level_pulse_count_mean": Words("Pulses of a level, mean", "1"),
    "disturb_set_mean": Words("SET disturb, mean", PERCENT, "change of the victims after the last pulse"),
    "disturb_set_largest": Words("SET disturb, largest", PERCENT, "change of a victim after the last pulse"),
    "disturb_reset_mean": Words("RESET disturb, mean", PERCENT, "change of the victims after the last pulse"),
    "disturb_reset_largest": Words("RESET disturb, largest", PERCENT, "change of a victim after the last pulse"),
    "disturb_set_word_line_mean": Words("SET disturb, word line", PERCENT, "mean change of the victims on it"),
    "disturb_set_bit_line_mean": Words("SET disturb, bit line", PERCENT, "mean change of the victims on it"),
    "disturb_reset_word_line_mean": Words("RESET disturb, word line", PERCENT, "mean change of the victims on it"),
    "disturb_reset_bit_line_mean": Words("RESET disturb, bit line", PERCENT, "mean change of the victims on it"),
    "one_step": Words("Moves by one state", PERCENT, "of the pulses of the best width and amplitude"),
    "one_step_amplitude": Words("Best amplitude", "1", "of the depinning voltage"),
    "one_step_width": Words("Best width", "s"),
    "vectors": Words("Vectors"),
    "inputs": Words("Word lines"),
    "outputs": Words("Bit lines"),
    "error_definition": Words("Definition of the error"),
    "column_error_worst": Words("Error of the worst column, rms", PERCENT, "of full scale"),
    "column_error_mean": Words("Error of a column, rms, mean", PERCENT, "of full scale"),
    "column_gain_mean": Words("Gain, mean", "1", "measured over expected"),
    "column_residual_largest": Words("Residual, largest", PERCENT, "of full scale, after gain and offset"),
    "worst_column": Words("Worst column"),
    "full_scale": Words("Full scale", "A"),
    "readings_missing": Words("Readings missing"),
}
_SYSTEMS = {
    "bridges": Words("Bridges", "", "complementary pairs that were measured"),
    "bridges_defective": Words("Defective bridges", "", "not used: their cells do not come apart"),
    "operations": Words("Operations", "", "behind each error rate: patterns times inputs"),
    "readings_per_condition_and_voltage": Words("Readings of middles", "", "for each condition and read voltage"),
    "low_resistance_median_#": Words("Low resistance", "ohm", "median, transistor included"),
    "high_resistance_median_#": Words("High resistance", "ohm", "median, transistor included"),
    "low_resistance_log_spread_#": Words("Spread of the low resistance", "", "standard deviation of the logarithm"),
    "high_resistance_log_spread_#": Words("Spread of the high resistance", "", "standard deviation of the logarithm"),
    "low_resistance_law_#": Words("Law of the low resistance", "", "which of two makes the values more probable"),
    "high_resistance_law_#": Words("Law of the high resistance", "", "which of two makes the values more probable"),
    "moved_by_reading_#": Words("Moved by reading", "%", "median change of a cell from before the middles to after"),
    "error_of_resistances_#": Words("Errors by the resistances alone", "%", "log-normal laws, without offsets"),
    "tiles": Words("Tiles", "", "of the layer, side by side on the die"),
    "up_step_conductance": Words("Step up", "S", "mean change by a pulse; the first cycle is left out"),
    "down_step_conductance": Words("Step down", "S", "mean change by a pulse; the first cycle is left out"),
    "update_range_conductance": Words("Range of updates", "S", "largest less least conductance of a cycle"),
    "residual_in_levels": Words("Programming error", "", "root mean square, in levels"),
    "endurance_window_least": Words("Least window", "", "ratio of the states, over the endurance cycles"),
    "tiles_of_network": Words("Arrays for the network", "", "of this size, that would hold all its weights"),
    "levels_with_own_errors": Words("Levels with errors of their own", "", "the others take those of all cells"),
    "pinned_states": Words("Pinned states", "", "told apart in the readings"),
    "critical_voltage": Words("Critical voltage", "V", "along the track; mean of the notches, fitted to the sigmoid"),
    "half_voltage": Words("Middle of the sigmoid", "V", "frees the wall of a mean notch half of the time"),
    "barrier": Words("Barrier", "1", "over kT without current, fitted to the sigmoid"),
    "notch_spread": Words("Spread of the notches", PERCENT, "of the critical current, of dies of physics alone"),
    "no_step_part": Words("Pulses without a step", PERCENT, "of those that program, on dies of physics alone"),
    "two_steps_part": Words("Pulses of two steps", PERCENT, "of those that program, on dies of physics alone"),
    "devices_of_network": Words("Devices of the network", "", "one for each weight, or two"),
    "pulses_of_training": Words("Pulses of a training", "", "mean over the networks"),
    "pulse_pairs": Words("Pulses that were tried", "", "the pair with the least unevenness is used"),
    "step_states": Words("States", "", "working range over the mean step"),
    "step_nonlinearity_up": Words("Non-linearity up", "1", "the step falls as exp(-this) over the working range"),
    "step_nonlinearity_down": Words("Non-linearity down", "1", "the step falls as exp(-this) over the working range"),
    "step_own_part": Words("Steps that were measured", PERCENT, "of places and cells; the others by all cells' shape"),
    "step_imbalance": Words("Imbalance", "1", "logarithm of the mean step up over that down"),
    "step_cycle_spread": Words("C2C of a step", PERCENT, "standard deviation over mean, read noise included"),
    "step_device_spread_up": Words(
        "D2D of a step up", "1", "standard deviation of the logarithm of a cell's mean step"
    ),
    "step_device_spread_down": Words("D2D of a step down", "1", "the same for steps down"),
    "loop_updates": Words("Updates in the loop", "", "weights that were changed, each by two pulses"),
    "loop_right_in_all": Words("Right in the loop", PERCENT, "of all images, each before it was learned"),
}
_ENERGIES = {
    f"{side}_{key}": Words(f"{side.upper()} energy, {words.label}", words.unit, words.meaning)
    for side in ("set", "reset")
    for key, words in {
        "energy_by_conductance_before_mean": Words("from G before", "J", "V² G t with the reading before the pulse"),
        "energy_by_conductance_after_mean": Words("from G after", "J", "V² G t with the reading after the pulse"),
        "energy_by_current_mean": Words("from the current", "J", "V I t with the first sample of the held voltage"),
        "held_energy_mean": Words("held", "J", "integral of V I while the voltage is held"),
        "held_time_mean": Words("time held", "s"),
    }.items()
}

_KNOWN = _COUNTS | _PROGRAMMING | _SWITCHING | _VOLTAGES | _TIME | _CYCLING | _STATES | _PULSES | _SYSTEMS | _ENERGIES


def unit_of(name: str) -> str:
    """Return the SI unit of a result; "" where it has none, or its name implies none.

    Parameters
    ----------
    name : str
        Such as ``"set_voltage_median"``; the step of a sequence may stand before it.

    Returns
    -------
    str
        "%" for a pure number that is written in percent.
    """
    return words_of(name).unit


def words_of(name: str) -> Words:
    """Return what a result is called.

    Parameters
    ----------
    name : str
        As for :func:`unit_of`.

    Returns
    -------
    Words
        A name that is not known keeps its words, and has the unit that they imply.
    """
    name = name.rpartition(".")[2]
    if name in _KNOWN:
        return _KNOWN[name]
    number = re.search(r"_(\d+)(?=_|$)", name)
    if number is not None:
        known = _KNOWN.get(f"{name[: number.start()]}_#{name[number.end() :]}")
        if known is not None:
            return Words(known.label.format(number[1]), known.unit, known.meaning)
    words = name.split("_")
    unit = ""
    if not _PURE.intersection(words):
        unit = next((_UNIT_OF_WORD[word] for word in reversed(words) if word in _UNIT_OF_WORD), "")
    return Words(name.replace("_", " "), unit)
