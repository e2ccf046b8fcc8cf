"""How a run is shown in a terminal: what it was, its results in words, the cells that failed, its parameters.

Not here: the page of a run (:mod:`labctl.analysis.report`), the words (:mod:`labctl.analysis.wording`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from labctl.analysis.reproduction_words import ReproductionWords, reproduction_words
from labctl.analysis.wording import describe_results
from labctl.cli.output import duration, print_table

__all__ = ["print_parameters", "print_summary"]

_FAILED_SHOWN = 12
# signs of a value: "-1.23 µS (-1.23 to -1.23 µS)" and "95 % (87.1 % to 98.3 %)" are shorter
_SHORT = 36


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
    reproduction, others = reproduction_words(summary["results"], simulated=bool(summary["simulated"]))
    for step, results in _by_step(others).items():
        procedure = results.pop("procedure", None) if step else None
        _print_results(results, title=f"{step}: {procedure}" if procedure else step)
    if reproduction is not None:
        _print_reproduction(reproduction)


def _by_step(results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the results of each step of a sequence; those of a single procedure are under ""."""
    steps: dict[str, dict[str, Any]] = {}
    for name, value in results.items():
        step, _, own = name.rpartition(".")
        steps.setdefault(step, {})[own] = value
    return steps


def _print_results(results: Mapping[str, Any], *, title: str) -> None:
    plain = {name: value for name, value in results.items() if name != "failed_cells"}
    rows = []
    for name, word in describe_results(plain).items():
        label = "" if word.label.casefold() == name.replace("_", " ") else word.label
        told = word.meaning or label
        # a text is as long as it is: only a short one stands between the name and its meaning
        is_short = len(word.text) <= _SHORT
        rows.append((name, word.text if is_short else "", told if is_short else f"{told}: {word.text}".lstrip(": ")))
    if rows:
        print_table(("result", "value", "what it is"), rows, title=title, whole=("result",))
    failed = results.get("failed_cells")
    if failed:
        _print_failed(failed)


def _print_reproduction(words: ReproductionWords) -> None:
    """Print the figures beside those of the paper, what is assumed, and what the run cost."""
    print_table(
        ("figure", "paper", "here", "over", "how", "what has to hold", ""),
        [(one.quantity, one.paper, one.ours, one.over, one.way, one.rule, one.verdict) for one in words.figures],
        title=f"beside {words.paper}: {words.verdict or 'nothing has to hold'}; notes and sources are in the report",
    )
    if words.assumed:
        print_table(("assumed",), [(sentence,) for sentence in words.assumed])
    if words.costs:
        print_table(("cost", "value", "what it is"), [(one.label, one.text, one.meaning) for one in words.costs])


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
