"""How a run is shown in a terminal: what it was, its results in words, the cells that failed, its parameters.

Not here: the page of a run (:mod:`labctl.analysis.report`), the words (:mod:`labctl.analysis.wording`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from labctl.analysis.wording import describe_result
from labctl.cli.output import duration, print_table

__all__ = ["print_parameters", "print_summary"]

_FAILED_SHOWN = 12


def print_summary(summary: Mapping[str, Any]) -> None:
    """Print what a run came to.

    Parameters
    ----------
    summary : mapping
        As :meth:`labctl.store.Run.summary` gives it.
    """
    station = f"{summary['station']}{' (simulated)' if summary['simulated'] else ''}"
    rows = [
        ("run", summary["run_id"]),
        ("procedure", summary["procedure"]),
        ("status", summary["status"]),
        ("station", station),
        ("started", f"{str(summary['started_utc'])[:19].replace('T', ' ')} UTC"),
        ("points", summary["points"]),
    ]
    if summary["segments"] > 1:
        rows.append(("resumed", f"{summary['segments'] - 1} x"))
    if summary["in_doubt"]:
        rows.append(("in doubt", f"{summary['in_doubt']} stimuli that may or may not have been applied"))
    for label, key in (("wall time", "wall_time_s"), ("instrument time", "instrument_time_s")):
        if summary[key] is not None:
            rows.append((label, duration(float(summary[key]))))
    if summary["error"]:
        rows.append(("why", summary["error"]))
    rows.append(("file", summary["path"]))
    print_table(("", ""), rows)
    results = dict(summary["results"])
    failed = results.pop("failed_cells", None)
    if results:
        words = [(name, describe_result(name, value)) for name, value in results.items()]
        print_table(
            ("result", "value", "what it is"),
            [(name, item.text, item.meaning or item.label) for name, item in words],
            whole=("result", "value"),
        )
    if failed:
        _print_failed(failed)


def _print_failed(failed: Sequence[Mapping[str, Any]]) -> None:
    if len(failed) <= _FAILED_SHOWN:
        print_table(
            ("row", "column", "why"),
            [(item["row"], item["column"], item["reason"]) for item in failed],
            title=f"{len(failed)} failed {'cell' if len(failed) == 1 else 'cells'}",
        )
        return
    # the first clause of a reason is its kind, the rest is about the one cell
    kinds = Counter(str(item["reason"]).partition(";")[0] for item in failed)
    print_table(
        ("cells", "why"),
        [(count, kind) for kind, count in kinds.most_common()],
        title=f"{len(failed)} failed cells; `labctl show --json` and the report list them",
    )


def print_parameters(texts: Mapping[str, str]) -> None:
    """Print the parameters of a run with their units.

    Parameters
    ----------
    texts : mapping of str to str
        As :attr:`labctl.store.Run.parameter_texts` gives them.
    """
    print_table(("parameter", "value"), list(texts.items()), whole=("parameter",))
