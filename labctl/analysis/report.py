"""One self-contained HTML page about a run.

Not here: the plots (:mod:`labctl.analysis.figures`), the words (:mod:`labctl.analysis.wording`).
"""

import base64
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labctl.analysis import figures
from labctl.analysis.plot import save_plots
from labctl.analysis.run_plots import plots_of
from labctl.analysis.run_view import RunView, views_of
from labctl.analysis.wording import Wording, describe_results
from labctl.errors import StoreError
from labctl.store import Run
from labctl.units import format_quantity

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["write_plots", "write_report"]

# results about the array, not about the programming: they stand in a table of their own
ARRAY_EFFECTS = ("half_select_disturb", "drift_after_verify_rms", "wire_drop_per_segment", "read_noise")
# arrays that are drawn together, with the heading and unit of each map
DRAWN_TOGETHER = ("target", "aim", "achieved", "error", "status")
MAPS = {
    "pulses": ("Pulses of each cell", "1"),
    "sets": ("SETs of each cell", "1"),
    "disturb_first_pass": ("Half-select disturb after pass 1", "%"),
    "disturb": ("Drift after last verify", "%"),
    "form_voltage": ("Forming voltage", "V"),
    "conductance": ("Conductance", "S"),
    "conductance_std": ("Scatter of repeated readings", "S"),
    "disturb_set": ("SET disturb", "%"),
    "disturb_reset": ("RESET disturb", "%"),
    "state_loss": ("Loss of the state", "%"),
    "contact_class": ("0 open, 1 leaking, 2 formed, 3 shorted", "1"),
    "class": ("1 open, 2 unformed, 3 high R, 4 low R, 5 shorted", "1"),
}
EVENTS_SHOWN = 200


def write_report(run: Run, folder: Path) -> Path:
    """Write the page of a run.

    Parameters
    ----------
    run : Run
        An open run, of any status.
    folder : Path
        Where the page goes; made if it is not there.

    Returns
    -------
    Path
        ``<run id>.html`` in ``folder``.

    Raises
    ------
    StoreError
        If ``folder`` is a file or cannot be written to.
    """
    import jinja2

    page = folder / f"{run.run_id}.html"
    template = (files("labctl.analysis") / "report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(template).render(**_content(run))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"report: cannot write {page} ({error.strerror}); choose another folder with -o") from error
    return page


def write_plots(run: Run, folder: Path) -> list[Path]:
    """Write the plots of a run's curves as SVG, PNG and CSV.

    Parameters
    ----------
    run : Run
        An open run.
    folder : Path
        Made if it is not there.

    Returns
    -------
    list of Path
        Three files for each plot; none for a run that has maps only.

    Raises
    ------
    StoreError
        If ``folder`` cannot be written to.
    """
    note = "simulated" if run.summary()["simulated"] else ""
    written = []
    for view in views_of(run):
        stem = f"{view.label}-{view.procedure}" if view.label else view.procedure
        written += save_plots(plots_of(view, note=note), folder, stem=stem)
    return written


def _content(run: Run) -> dict[str, Any]:
    summary = run.summary()
    note = "simulated" if summary["simulated"] else ""
    # the steps of a sequence have their results beside their plots
    results = {name: value for name, value in summary["results"].items() if "." not in name}
    failed = results.pop("failed_cells", [])
    effects = {name: results.pop(name) for name in ARRAY_EFFECTS if name in results}
    arrays = run.arrays()
    events = run.events()[["wall_s", "instrument_s", "points", "kind", "message"]].tail(EVENTS_SHOWN)
    return {
        "summary": summary,
        "simulated": bool(summary["simulated"]),
        "took": [(name, _seconds(summary[name])) for name in ("wall_time_s", "instrument_time_s")],
        "results": _words(results),
        "effects": _words(effects),
        "failed": failed,
        "levels": _levels(arrays),
        "pictures": _embedded(_pictures(arrays, run.parameters, note)),
        "parts": [_part(view, note) for view in views_of(run)],
        "parameters": run.parameter_texts,
        "provenance": _provenance(run),
        "station_text": run.header.get("station_text") or "",
        "instruments": {
            key: (value, json.dumps(value["settings"], indent=1, ensure_ascii=False))
            for key, value in run.instruments.items()
        },
        "events": [
            (_seconds(wall_s), _seconds(instrument_s), *rest)
            for wall_s, instrument_s, *rest in events.to_numpy().tolist()
        ],
    }


def _part(view: RunView, note: str) -> dict[str, Any]:
    """Return the plots of a view; of a step of a sequence also its results."""
    own = {name: value for name, value in view.results.items() if name not in ("failed_cells", "procedure")}
    return {
        "label": view.label,
        "procedure": view.procedure,
        "results": _words(own) if view.label else [],
        "failed": view.results.get("failed_cells", []) if view.label else [],
        "pictures": _embedded([(plot.title, plot.svg()) for plot in plots_of(view, note=note)]),
    }


def _embedded(pictures: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        (title, "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii"))
        for title, svg in pictures
    ]


def _words(results: Mapping[str, object]) -> list[Wording]:
    return list(describe_results(results).values())


def _provenance(run: Run) -> dict[str, str]:
    """Return what one needs to measure again, in words."""
    header = run.header
    bench = header.get("bench") or {}
    effects = bench.get("effects") or {}
    sample = header.get("sample") or {}
    found = {
        "run file": run.path.name,
        "procedure": header.get("procedure_class", header["procedure"]),
        "command line": " ".join(map(str, header.get("command_line") or [])),
        "sample": ", ".join(f"{key} {value}" for key, value in sample.items()),
        "station file": header.get("station_file"),
        "simulated bench": bench.get("file"),
        "SHA-256 of the bench file": bench.get("sha256"),
        "seed": header.get("seed"),
        "effects switched off": ", ".join(name for name, is_on in effects.items() if not is_on)
        or ("none" if effects else None),
        "versions": ", ".join(f"{name} {number}" for name, number in (header.get("versions") or {}).items()),
        "platform": header.get("platform"),
    }
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def _levels(arrays: "xr.Dataset") -> list[tuple[str, int, int, str, str, str]]:
    """Return one row per level: target, cells, programmed, mean, standard deviation, RMSE of the programmed."""
    if not {"target", "achieved", "status"} <= set(arrays):
        return []
    target_s, achieved_s = np.asarray(arrays["target"], float), np.asarray(arrays["achieved"], float)
    programmed = (np.asarray(arrays["status"]) == 1) & np.isfinite(achieved_s) & (_aim(arrays) == target_s)
    rows = []
    for level_s in np.unique(target_s[np.isfinite(target_s)]):
        of_level = target_s == level_s
        chosen_s = achieved_s[of_level & programmed]
        numbers = ("", "", "")
        if chosen_s.size:
            rmse = float(np.sqrt(np.mean((chosen_s / level_s - 1.0) ** 2)))
            numbers = (
                format_quantity(float(chosen_s.mean()), "S", digits=4),
                format_quantity(float(chosen_s.std()), "S", digits=2),
                f"{100.0 * rmse:.2f} %",
            )
        rows.append((format_quantity(float(level_s), "S", digits=4), int(of_level.sum()), chosen_s.size, *numbers))
    return rows


def _aim(arrays: "xr.Dataset") -> npt.NDArray[np.float64]:
    """Return the targets as they were in the end: partners of stuck cells may have been moved."""
    return np.asarray(arrays["aim" if "aim" in arrays else "target"], float)


def _pictures(arrays: "xr.Dataset", parameters: Mapping[str, Any], note: str) -> list[tuple[str, str]]:
    pictures = []
    together = {"target", "achieved"} <= set(arrays)
    if together:
        target_s, achieved_s = np.asarray(arrays["target"], float), np.asarray(arrays["achieved"], float)
        band = parameters.get("tolerance")
        failed = np.asarray(arrays["status"]) > 1 if "status" in arrays else np.zeros(target_s.shape, dtype=bool)
        aim_s = _aim(arrays)
        error = achieved_s / aim_s - 1.0
        bound = max(band or 0.0, figures.robust_bound(error[~failed]))
        goals = target_s[np.isfinite(target_s)]
        scale_s = (float(goals.min()), float(goals.max())) if goals.size else None
        pictures += [
            ("target", figures.array_map(target_s, title="Target", unit="S", limits=scale_s, note=note)),
            (
                "achieved",
                figures.array_map(
                    achieved_s, title="Achieved (× failed)", unit="S", limits=scale_s, marked=failed, note=note
                ),
            ),
            (
                "error",
                figures.array_map(
                    error, title="Error (× failed)", unit="%", limits=(-bound, bound), marked=failed, note=note
                ),
            ),
            ("levels", figures.level_histogram(np.where(aim_s == target_s, achieved_s, np.nan), target_s, note=note)),
            ("error of each cell", figures.error_against_target(achieved_s, aim_s, band=band, note=note)),
        ]
    for key in sorted(map(str, arrays.data_vars), key=lambda name: ([*MAPS, name].index(name), name)):
        array = arrays[key]
        if array.ndim != 2 or array.dtype.kind not in "fiub" or (together and key in DRAWN_TOGETHER):
            continue
        values = np.asarray(array, float)
        if not np.isfinite(values).any():
            continue
        title, unit = MAPS.get(key, (key.replace("_", " "), str(array.attrs.get("units", ""))))
        limits = None
        if unit == "%":
            limits = (-figures.robust_bound(values), figures.robust_bound(values))
        pictures.append(
            (key.replace("_", " "), figures.array_map(values, title=title, unit=unit, limits=limits, note=note))
        )
        if unit == "1":
            label = f"{key.replace('_', ' ')} per cell"
            pictures.append(
                (
                    label,
                    figures.count_histogram(values, title=title, label=label, note=note),
                )
            )
    return pictures


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    minutes, rest = divmod(float(value), 60.0)
    return f"{minutes:.0f} min {rest:04.1f} s" if minutes else f"{rest:.1f} s"
