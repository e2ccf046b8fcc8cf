"""A fitted twin as a device file: every number with its source, and what the fit says of itself in the table ``[fit]``.

Not here: reading device files (:mod:`labctl.physics.presets`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any, Protocol

from labctl.analysis.twin.twin_fit import FittedParameter, TwinFit
from labctl.errors import StoreError

__all__ = ["Source", "device_text", "write_device"]

_HEAD = """\
# Written by `labctl fit`: a device of family {family} fitted to {kind}. Fitted numbers name them and their 95 %
# interval; all others are those of {base}, with its sources. The table [fit] at the end holds them with SHA-256,
# parameters with intervals, goodness by quantity, the range of the data and what they could not tell.
"""


class Source(Protocol):
    """What a device was fitted to: a run, or a file of measured tables.

    Attributes
    ----------
    run_id : str
    path : Path
    header : Mapping of str to object
        At least ``simulated``, ``procedure``, ``station``, ``started_utc``.
    """

    @property
    def run_id(self) -> str:
        """Its name."""
        ...

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    @property
    def header(self) -> Mapping[str, Any]:
        """What it says of itself."""
        ...


def write_device(fit: TwinFit, runs: Sequence[Source], path: Path) -> None:
    """Write a device file that :func:`~labctl.physics.presets.load_preset` reads.

    Parameters
    ----------
    fit : TwinFit
    runs : sequence of Source
        That it was fitted to.
    path : Path
        Ends in ``.toml``; its stem becomes the name of the device.

    Raises
    ------
    StoreError
        If the file cannot be written or is there already.
    """
    text = device_text(fit, runs, path.stem)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise StoreError(f"{path}: is there already and stays; choose another name with -o") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}; check the folder") from error


def device_text(fit: TwinFit, runs: Sequence[Source], name: str) -> str:
    """Return the text of the device file.

    Parameters
    ----------
    fit : TwinFit
    runs : sequence of Source
    name : str
        Of the device.

    Returns
    -------
    str

    Raises
    ------
    StoreError
        If a run file cannot be read.
    """
    base, ids = fit.base, ", ".join(run.run_id for run in runs)
    simulated = any(run.header["simulated"] for run in runs)
    kind = "pulse tables" if fit.is_of_tables else "runs"
    origin = f"simulated {kind}" if simulated else kind
    lines = [_HEAD.format(family=base.family, base=base.name, kind=kind)]
    lines += ["schema = 1", f"name = {_text(name)}", f"family = {_text(base.family)}"]
    told = origin if fit.is_of_tables else f"{len(runs)} {origin}"
    lines += [f"title = {_text(f'{fit.title or base.title}; fitted to {told}')}", ""]
    by_key = {key: parameter for parameter in fit.parameters for key in parameter.values}
    for key in base:
        parameter = by_key.get(key)
        if parameter is None:
            values = tuple(float(value) for value in base.table(key))
            source = f"not fitted, from {base.name}: {base.source(key)}"
        else:
            values, source = parameter.values[key], _source(parameter, origin, ids)
        low, high = base.valid_range(key)
        lines += [
            f"[{key}]",
            f"value = {_numbers(values, is_table=base.is_table(key))}",
            f"unit = {_text(base.unit(key))}",
            f"source = {_text(source)}",
            f"range = [{low!r}, {high!r}]",
            "",
        ]
    lines += ["[fit]", f"base = {_text(base.name)}", f"simulated = {str(simulated).lower()}", f"cells = {fit.cells}"]
    lines += [f"warnings = [{', '.join(_text(warning) for warning in fit.warnings)}]", "", "[fit.validity]"]
    lines += [f"{key} = [{low!r}, {high!r}]" for key, (low, high) in fit.validity.items()]
    for run in runs:
        lines += ["", "[[fit.runs]]", f"id = {_text(run.run_id)}", f"sha256 = {_text(_sha256(run.path))}"]
        lines += [f"{key} = {_text(str(run.header[key]))}" for key in ("procedure", "station", "started_utc")]
    for parameter in fit.parameters:
        estimate = parameter.estimate
        lines += ["", "[[fit.parameters]]", f"name = {_text(parameter.name)}", f"meaning = {_text(parameter.meaning)}"]
        lines += [f"{key} = {float(getattr(estimate, key))!r}" for key in ("value", "low", "high")]
        lines += [
            f"points = {estimate.points}",
            f"unit = {_text(estimate.unit)}",
            f"keys = [{', '.join(map(_text, parameter.values))}]",
        ]
    for goodness in fit.goodness:
        lines += ["", "[[fit.goodness]]"]
        lines += [f"{k} = {_text(v) if isinstance(v, str) else repr(v)}" for k, v in asdict(goodness).items()]
    return "\n".join(lines) + "\n"


def _source(parameter: FittedParameter, origin: str, ids: str) -> str:
    estimate = parameter.estimate
    unit = "" if estimate.unit == "1" else f" {estimate.unit}"
    interval = "not told" if isnan(estimate.low) else f"{estimate.low:.4g} to {estimate.high:.4g}{unit}"
    return (
        f"fitted to {origin} {ids}: {parameter.name} {estimate.value:.4g}{unit}, 95 % interval {interval}, "
        f"{estimate.points} points"
    )


def _numbers(values: Sequence[float], *, is_table: bool) -> str:
    written = [repr(float(value)) for value in values]
    return f"[{', '.join(written)}]" if is_table else written[0]


def _text(text: str) -> str:
    # a JSON string is a TOML string
    return json.dumps(text, ensure_ascii=False)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error}; a fit names its runs by their SHA-256") from error
