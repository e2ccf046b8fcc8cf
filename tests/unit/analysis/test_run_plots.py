"""The plots of hand-made runs: what is drawn has the numbers of the arrays. Authority: arithmetic on those arrays."""

from dataclasses import replace

import numpy as np
import pytest

from labctl.analysis.run_plots import plot_names, plots_of
from labctl.analysis.run_view import Curves, RunView

NAN = np.nan


def view(procedure, results=None, cells=((0, 0),), **arrays):
    """Make a view; an array is (values, dims) or (values, dims, unit)."""
    named = {
        name: Curves(np.asarray(content[0], dtype=float), content[1], content[2] if len(content) > 2 else "1")
        for name, content in arrays.items()
    }
    named["cells"] = Curves(np.asarray(cells, dtype=float), ("cell", "line"), "1")
    return RunView("", procedure, named, results or {})


def plot_of(view, name):
    return next(plot for plot in plots_of(view) if plot.name == name)


def iv_view(cells, cycles=2):
    voltage = np.broadcast_to([0.0, 1.0, 0.0, -1.0], (len(cells), cycles, 4))
    current = np.broadcast_to([1e-13, 1e-4, NAN, -2e-4], voltage.shape) * np.arange(1, cycles + 1)[:, np.newaxis]
    dims = ("cell", "cycle", "step")
    return view("sweep_iv", cells=cells, voltage=(voltage, dims, "V"), current=(current, dims, "A"))


def test_logarithmic_curve_has_magnitudes_and_no_zero_volts():
    table = plot_of(iv_view([(0, 0)]), "iv-log").table
    assert list(table.columns) == ["group", "voltage (V)", "|current| (A)"]
    assert table["voltage (V)"].tolist() == [1.0, -1.0, 1.0, -1.0]
    assert table["|current| (A)"].tolist() == pytest.approx([1e-4, 2e-4, 2e-4, 4e-4])
    # on the linear scale the sign and the 0 V point stay; a reading without a value is left out
    assert plot_of(iv_view([(0, 0)]), "iv").table["current (A)"].tolist() == pytest.approx(
        [1e-13, 1e-4, -2e-4, 2e-13, 2e-4, -4e-4]
    )


def test_colour_tells_cycles_of_one_cell_and_cells_where_there_are_several():
    assert set(plot_of(iv_view([(0, 0)]), "iv").table["group"]) == {"cycle 1", "cycle 2"}
    assert set(plot_of(iv_view([(0, 0), (3, 4)]), "iv").table["group"]) == {"(0, 0)", "(3, 4)"}


@pytest.mark.parametrize(("cells", "cycles", "bars"), [(1, 3, 1), (1, 30, 2), (5, 3, 1), (20, 3, 2)])
def test_many_curves_get_a_colour_bar_in_place_of_a_legend(cells, cycles, bars):
    figure = plot_of(iv_view([(n, n) for n in range(cells)], cycles), "iv").figure
    assert len(figure.axes) == bars
    assert (figure.axes[0].get_legend() is None) == (bars == 2)


def test_axes_name_their_units_and_the_note_stands_on_the_figure():
    plot = next(iter(plots_of(iv_view([(0, 0)]), note="simulated")))
    axes = plot.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("voltage (V)", "|current| (µA)", "linear")
    assert [text.get_text() for text in plot.figure.texts] == ["simulated"]


def test_axis_is_logarithmic_where_values_span_decades_only():
    def scale(largest_s):
        states = {
            f"{name}_state": ([[1e-5, largest_s]], ("cell", "reading"), "S")
            for name in ("low_resistance", "high_resistance")
        }
        return plot_of(view("endurance", cycle_number=([1, 2], ("reading",)), **states), "endurance").figure.axes[0]

    assert scale(2e-5).get_yscale() == "linear"
    assert scale(2e-3).get_yscale() == "log"


def test_negative_values_are_not_drawn_on_a_logarithmic_axis():
    arrays = {
        "low_resistance_state": ([[1e-4, -1e-4, 1e-4]], ("cell", "cycle"), "S"),
        "high_resistance_state": ([[1e-6, 1e-6, NAN]], ("cell", "cycle"), "S"),
    }
    table = plot_of(view("cycle_statistics", **arrays), "cycles").table
    assert table["cycle (1)"].tolist() == [1, 3, 1, 2]
    assert (table["conductance (S)"] > 0.0).all()


def test_mean_over_repeats_has_its_standard_deviation_as_bars():
    found = view(
        "pulse_energy",
        levels=([5e-5, 1e-4], ("level",), "S"),
        level_energy=([[[1e-9, 4e-9], [3e-9, NAN], [5e-9, NAN]]], ("cell", "repeat", "level"), "J"),
    )
    table = plot_of(found, "level-energy").table
    assert table["energy (J)"].tolist() == pytest.approx([3e-9, 4e-9])
    # the standard deviation of 1, 3, 5 is 2; one value has none
    assert table["energy (J), high"].iloc[0] == pytest.approx(5e-9)
    assert np.isnan(table["energy (J), high"].iloc[1])


def test_victims_are_drawn_relative_to_their_start():
    found = view(
        "half_select_disturb",
        pulses=([0, 1, 10], ("step",)),
        victims=([[[0, 1], [1, 0]]], ("cell", "victim", "line")),
        victim_conductance_set=([[[1e-4, 1.1e-4, 1.5e-4], [2e-4, 2e-4, 1e-4]]], ("cell", "victim", "step"), "S"),
    )
    table = plot_of(found, "set").table
    data = table[table["group"].str.startswith("victim")]
    assert data["ΔG / conductance before (1)"].tolist() == pytest.approx([0.1, 0.5, 0.0, -0.5])
    assert data["group"].tolist() == ["victim (0, 1)", "victim (0, 1)", "victim (1, 0)", "victim (1, 0)"]


def test_rungs_are_named_by_their_value():
    found = view(
        "ladder_compliance",
        rung=([1e-5, 1e-4], ("step",), "A"),
        conductance=([[[1e-5, 1e-4], [3e-5, 3e-4]]], ("cell", "cycle", "step"), "S"),
        voltage=([[[[0.5, 1.0]] * 2] * 2], ("cell", "cycle", "step", "level"), "V"),
        current=([[[[1e-6, 1e-5]] * 2] * 2], ("cell", "cycle", "step", "level"), "A"),
    )
    assert set(plot_of(found, "iv-log").table["group"]) == {"compliance 10 µA", "compliance 100 µA"}
    assert plot_of(found, "ladder").table["conductance (S)"].tolist() == pytest.approx([2e-5, 2e-4])


def test_branches_follow_one_another():
    found = view(
        "potentiate_depress",
        potentiation=([[[1, 2, 3], [1, 3, 5]]], ("cell", "cycle", "pulse"), "S"),
        depression=([[[3, 2, 1], [5, 3, NAN]]], ("cell", "cycle", "pulse"), "S"),
    )
    train, cycles = (plot_of(found, name).table for name in ("train", "cycles"))
    assert train["pulse (1)"].tolist() == [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]
    assert train["conductance (S)"].tolist() == [1, 2, 3, 3, 2, 1, 1, 3, 5, 5, 3]
    assert cycles["pulse of the cycle (1)"].tolist() == [0, 1, 2, 2, 3, 4, 0, 1, 2, 2, 3]


def test_map_is_the_mean_over_cells_and_repeats_and_has_its_part_written():
    counts = np.zeros((2, 2, 1, 3))
    counts[0, :, 0] = [[3, 1, 0], [0, 4, 0]]
    counts[1, :, 0] = [[1, 3, 0], [0, 4, 0]]
    found = view(
        "domain_wall_map",
        cells=[(0, 0), (0, 1)],
        amplitude=([0.9, 1.1], ("amplitude",)),
        width=([1e-8], ("width",), "s"),
        moves=(counts, ("cell", "amplitude", "width", "steps")),
    )
    plot = plot_of(found, "moved-1")
    assert plot.table["part of the pulses (1)"].tolist() == [0.5, 1.0]
    assert [text.get_text() for text in plot.figure.axes[0].texts] == ["50", "100"]


def test_laws_come_from_the_results():
    frequency = np.logspace(0, 2, 21)
    found = view(
        "read_noise",
        {"psd_slope": -1.0},
        frequency=([frequency], ("cell", "bin"), "Hz"),
        density=([1e-20 / frequency], ("cell", "bin"), "A^2/Hz"),
    )
    table = plot_of(found, "spectrum").table
    guide = table[table["group"] == "slope -1.00"]
    # the spectrum is the law itself: its guide goes through both of its ends
    assert guide["density (A^2/Hz)"].tolist() == pytest.approx([1e-20, 1e-22])
    window = view(
        "stdp",
        {"causal_amplitude": 0.5, "causal_time": 0.01, "acausal_amplitude": None},
        delay=([-0.01, 0.01, 0.02], ("distance",), "s"),
        change_relative=([[[-0.1, 0.2, 0.1]]], ("cell", "repeat", "distance")),
    )
    table = plot_of(window, "window").table
    guide = table[table["group"].str.startswith("pre before post")]
    assert guide["Δt, post after pre (s)"].min() == pytest.approx(0.01)
    # a run that names no nearest distance tells the amplitude at 0
    assert guide["ΔG / initial conductance (1)"].max() == pytest.approx(0.5 * np.exp(-1.0))
    table = plot_of(replace(window, results=window.results | {"causal_nearest_time": 0.01}), "window").table
    guide = table[table["group"].str.startswith("pre before post")]
    assert guide["ΔG / initial conductance (1)"].max() == pytest.approx(0.5)


def test_states_of_retention_have_their_names_and_their_ten_years():
    found = view(
        "retention",
        {
            "state_0": "as_is",
            "state_1": "reset:1",
            "drift_per_decade_1": 0.1,
            "conductance_ten_years_0": 9e-5,
            "conductance_ten_years_0_low": 8e-5,
            "conductance_ten_years_0_high": 1e-4,
        },
        age=([[[1.0, 10.0, 100.0]] * 2], ("cell", "cycle", "step"), "s"),
        conductance=([[[1e-4, 1e-4, 1e-4], [0.9e-4, 1e-4, 1.1e-4]]], ("cell", "cycle", "step"), "S"),
    )
    table = plot_of(found, "retention").table
    assert set(table["group"]) == {"state 0: as_is", "state 1: reset:1"}
    late = table[table["time since programming (s)"] > 3e8]
    assert late.iloc[0]["conductance (S)"] == 1e-4 * (1.0 + 0.1 * (np.log10(late.iloc[0, 1]) - 1.0))
    assert late.iloc[1][["conductance (S)", "conductance (S), low", "conductance (S), high"]].tolist() == [
        9e-5,
        8e-5,
        1e-4,
    ]


def test_weibull_law_is_drawn_through_its_quantiles():
    voltages = 3.0 * (-np.log1p(-(np.arange(20) + 0.5) / 20)) ** (1.0 / 8.0)
    found = view(
        "form_dc",
        {"form_voltage_weibull_scale": 3.0, "form_voltage_weibull_shape": 8.0},
        form_voltage=(voltages, ("cell",), "V"),
    )
    plot = plot_of(found, "form-voltage")
    line, law = plot.figure.axes[0].get_lines()
    # on Weibull paper such values lie on their law
    x, y = np.log(line.get_xdata()), line.get_ydata()
    assert np.polyfit(x, y, 1) == pytest.approx(np.polyfit(np.log(law.get_xdata()), law.get_ydata(), 1), abs=1e-6)
    assert plot.table["cumulative part (1)"].iloc[0] == pytest.approx(0.025)


def test_error_of_sums_is_their_difference_by_bit_line():
    found = view(
        "multiply_vectors",
        outputs=([4, 7], ("output",)),
        measured=([[1e-6, 2e-6], [1e-6, 3e-6]], ("vector", "output"), "A"),
        expected=([[1e-6, 1e-6], [2e-6, 1e-6]], ("vector", "output"), "A"),
    )
    table = plot_of(found, "error").table
    assert table["group"].tolist() == ["4", "4", "7", "7"]
    assert table["measured - expected (A)"].tolist() == pytest.approx([-1e-6, 0.0, 1e-6, 2e-6])


def test_nothing_is_drawn_of_nothing():
    assert plots_of(view("sweep_iv")) == []
    empty = view(
        "sweep_iv", voltage=([[[NAN, NAN]]], ("cell", "cycle", "step")), current=([[[NAN, NAN]]], ("cell",) * 3)
    )
    assert plots_of(empty) == []
    assert plots_of(view("map_pulses", pulse_width=([1.0], ("width",)), pulse_voltage=([1.0], ("voltage",)))) == []


def test_procedure_without_declared_plots_has_its_curves_drawn():
    found = view("my_own", conductance=([[1e-4, 2e-4]], ("cell", "pulse"), "S"))
    (plot,) = plots_of(found)
    assert plot.table["conductance (S)"].tolist() == [1e-4, 2e-4]
    assert plot_names("my_own") == []
