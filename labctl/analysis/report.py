"""One self-contained HTML page about a run.

Not here: the maps (:mod:`labctl.analysis.report_maps`), the plots (:mod:`labctl.analysis.run_plots`), the words
(:mod:`labctl.analysis.wording`).
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labctl.analysis.page import write_page
from labctl.analysis.plot import save_plots
from labctl.analysis.report_maps import level_rows, map_pictures
from labctl.analysis.reproduction_words import reproduction_words
from labctl.analysis.run_plots import plots_of
from labctl.analysis.run_view import RunView, views_of
from labctl.analysis.wording import Wording, describe_results
from labctl.store import Run

__all__ = ["write_plots", "write_report"]

# results about the array, not about the programming: they stand in a table of their own
ARRAY_EFFECTS = ("half_select_disturb", "drift_after_verify_rms", "wire_drop_per_segment", "read_noise")
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
    page = folder / f"{run.run_id}.html"
    return write_page(page, "report", "report.html", _content(run))


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
    reproduction, results = reproduction_words(results, simulated=bool(summary["simulated"]))
    failed = results.pop("failed_cells", [])
    effects = {name: results.pop(name) for name in ARRAY_EFFECTS if name in results}
    tolerance = run.parameters.get("tolerance")
    events = run.events()[["wall_s", "instrument_s", "points", "kind", "message"]].tail(EVENTS_SHOWN)
    return {
        "summary": summary,
        "simulated": bool(summary["simulated"]),
        "took": [(name, _seconds(summary[name])) for name in ("wall_time_s", "instrument_time_s")],
        "reproduction": reproduction,
        "results": _words(results),
        "effects": _words(effects),
        "failed": failed,
        "parts": [_part(view, tolerance, note) for view in views_of(run)],
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


def _part(view: RunView, tolerance: float | None, note: str) -> dict[str, Any]:
    """Return maps and plots of a view; of a step of a sequence or a system also its results."""
    own = {name: value for name, value in view.results.items() if name not in ("failed_cells", "procedure")}
    return {
        "label": view.label,
        "procedure": view.procedure,
        "results": _words(own) if view.label else [],
        "failed": view.results.get("failed_cells", []) if view.label else [],
        "levels": level_rows(view.arrays),
        "maps": _embedded(map_pictures(view.arrays, tolerance=tolerance, note=note)),
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


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    minutes, rest = divmod(float(value), 60.0)
    return f"{minutes:.0f} min {rest:04.1f} s" if minutes else f"{rest:.1f} s"
