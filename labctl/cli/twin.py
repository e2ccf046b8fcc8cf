"""Commands of the digital twin: fit a device to runs, make a bench of such dies.

Not here: the fits (:mod:`labctl.analysis.twin`), applying a run to the twin (``labctl replay RUN --against STATION``).
"""

import sys
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.output import complain, print_json, print_table

if TYPE_CHECKING:
    from labctl.analysis.twin import TwinFit

__all__ = ["add_commands", "bench_new"]


def add_commands(app: typer.Typer) -> None:
    """Add this file's command.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("fit")(fit)


def fit(
    runs: Annotated[
        list[str], typer.Argument(help="Ids or paths of runs of one die, 'latest', or a .npz of pulse tables.")
    ],
    model: Annotated[str, typer.Option("--model", help="Device family: metal_oxide, ecram or pulse_table.")],
    out: Annotated[Path, typer.Option("-o", help="Device file to write; its name becomes the device's.")],
    table: Annotated[
        str | None, typer.Option("--table", help="Of a .npz: a device (TaOx_07) or all of a kind (TaOx).")
    ] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Data root: where the runs are.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the fit as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table.")] = False,
) -> None:
    """Fit a device to measured runs and write it as a device file: a digital twin of the die.

    Parameters come with 95 % intervals; what the runs cannot tell keeps the value of the base file, and is said.
    """
    from labctl.analysis.pulse_tables import read_table_file
    from labctl.analysis.twin import fit_table_file, write_device

    is_table = any(Path(run).suffix == ".npz" for run in runs)
    if is_table and (len(runs) > 1 or model != "pulse_table"):
        raise typer.BadParameter("a .npz of pulse tables is fitted alone, and with --model pulse_table")
    if table is not None and not is_table:
        raise typer.BadParameter("--table names a device of a .npz of pulse tables; no such file is given")
    if out.suffix != ".toml":
        raise typer.BadParameter(f"-o takes the path of a .toml file, got {out}")
    if out.exists():
        raise typer.BadParameter(f"{out} is there already and stays; choose another name with -o")
    if is_table:
        tables = read_table_file(Path(runs[0]), table or "")
        found = fit_table_file(tables)
        write_device(found, [tables], out)
    else:
        found = _fit_runs(runs, model, out, root, quiet=quiet)
    if as_json:
        print_json({"device": str(out), **_content(found)})
        return
    if not quiet:
        rows = []
        for one in found.parameters:
            low, high = one.estimate.low, one.estimate.high
            interval = "not told" if isnan(low) else f"{low:.4g} to {high:.4g}"
            rows.append((one.name, f"{one.estimate.value:.4g}", interval, one.estimate.unit, one.meaning))
        print_table(("parameter", "value", "95 % interval", "unit", "meaning"), rows, whole=("parameter",))
        for warning in found.warnings:
            complain(warning)
    typer.echo(str(out))


def _fit_runs(runs: list[str], model: str, out: Path, root: Path | None, *, quiet: bool) -> "TwinFit":
    from rich.console import Console

    from labctl.analysis.twin import fit_twin, write_device
    from labctl.store import open_run

    opened = [open_run(run, root) for run in runs]
    with Console(stderr=True).status(f"fitting {model} to {len(opened)} runs") as status:
        if quiet or not sys.stderr.isatty():
            status.stop()
        found = fit_twin(opened, model, report=lambda stage: status.update(f"fitting {model}: {stage}"))
    write_device(found, opened, out)
    return found


def _content(found: "TwinFit") -> dict[str, object]:
    from dataclasses import asdict

    return {
        "family": found.base.family,
        "base": found.base.name,
        "cells": found.cells,
        # JSON has no NaN: an interval that the data do not tell is null
        "parameters": {
            one.name: {key: None if value != value else value for key, value in asdict(one.estimate).items()}
            for one in found.parameters
        },
        "goodness": [asdict(one) for one in found.goodness],
        "validity": found.validity,
        "warnings": found.warnings,
    }


def bench_new(
    device: Annotated[Path, typer.Option("--device", help="Device file of its dies, as `labctl fit` writes them.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Of the bench and of its station; default that of the device.")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option("--like", help="Bench whose rack it gets; default the largest one of the device's family."),
    ] = None,
    station: Annotated[
        str | None, typer.Option("--station", "-s", help="Station of that rack; default the one that opens the bench.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the die; default that of the other bench.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print bench and station as JSON.")] = False,
) -> None:
    """Make a simulated bench with dies of a device file, and a station that opens it for every command (-s)."""
    from labctl.physics.presets import load_preset
    from labctl.station.new_station import write_station
    from labctl.station.served import station_of_bench
    from labctl_mock.bench.new_bench import bench_like, write_bench

    preset = load_preset(device)
    name = preset.name.replace("_", "-") if name is None else name
    like = bench_like(preset.family) if like is None else like
    station = station_of_bench(like) if station is None else station
    if station is None:
        raise typer.BadParameter(f"no known station opens bench {like}; name the one of its rack with --station")
    bench = write_bench(name, device, like, seed=seed)
    try:
        path = write_station(name, station, device=preset.name)
    except Exception:
        # a bench without a station is of no use, and would take the name
        bench.unlink()
        raise
    if as_json:
        print_json({"bench": name, "bench_file": bench, "station": name, "station_file": path, "like": like})
        return
    typer.echo(f"bench {name} like {like}: {bench}")
    typer.echo(f"station {name}: {path}; try `labctl run read_array -s {name}`")
