"""Commands on simulated benches: show or renew the die, serve the rack to other processes.

Not here: stations, a bench of a user's own (:mod:`labctl.cli.twin`), a recording held against a bench
(:mod:`labctl.cli.bench_check`).
"""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.analysis.wording import format_value
from labctl.cli.bench_check import bench_check
from labctl.cli.output import complain, duration, print_json, print_table
from labctl.cli.twin import bench_new

if TYPE_CHECKING:
    from labctl_mock.serve.server import BenchServer

__all__ = ["add_commands"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
BenchName = Annotated[str, typer.Argument(help="Name or file of the bench.")]
# SIGBREAK: Ctrl-Break and a closed console on Windows; SIGHUP: a closed terminal elsewhere
ENDINGS = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    bench = typer.Typer(help="Simulated benches: list, show, make, renew, serve, check.", invoke_without_command=True)
    bench.callback()(bench_help)
    bench.command("list")(bench_list)
    bench.command("show")(bench_show)
    bench.command("new")(bench_new)
    bench.command("reset")(bench_reset)
    bench.command("serve")(bench_serve)
    bench.command("check")(bench_check)
    bench.command("faults")(bench_faults)
    app.add_typer(bench, name="bench")


def bench_help(context: typer.Context) -> None:
    """Simulated benches: list, show, make, renew, serve, check."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def bench_list(as_json: AsJson = False) -> None:
    """List the simulated benches."""
    from labctl_mock.bench.bench_file import bench_names

    names = bench_names()
    if as_json:
        print_json(names)
    else:
        print_table(("bench",), [(name,) for name in names])


def bench_show(name: BenchName, as_json: AsJson = False) -> None:
    """Show a simulated bench and the true state of its die."""
    import numpy as np

    from labctl.units import format_quantity
    from labctl_mock.bench.bench import Bench

    with Bench.open(name) as bench:
        info, truth = bench.info(), bench.truth()
    formed = np.asarray(truth["formed"], dtype=bool)
    conductance_s = np.asarray(truth["conductance_s"], dtype=float)
    stuck = np.asarray(truth["stuck"])
    content: dict[str, Any] = {
        **info,
        "cells": int(formed.size),
        "formed": int(formed.sum()),
        "stuck": int(np.count_nonzero(stuck)),
        "conductance_median_s": float(np.median(conductance_s)),
        "conductance_of_formed_median_s": float(np.median(conductance_s[formed])) if formed.any() else None,
    }
    if "unknown_pulses" in truth:
        content["unknown_pulses"] = int(np.sum(np.asarray(truth["unknown_pulses"])))
    if as_json:
        print_json({**content, "conductance_s": conductance_s.tolist()})
        return
    effects, violations = content.pop("effects"), content.pop("violations")
    content["die_age"] = duration(float(content.pop("die_age_s")))
    for name in ("conductance_median", "conductance_of_formed_median"):
        value = content.pop(f"{name}_s")
        content[name] = "" if value is None else format_quantity(value, "S", digits=3)
    content["effects"] = ", ".join(name for name, is_on in effects.items() if is_on)
    content["switched off"] = ", ".join(name for name, is_on in effects.items() if not is_on) or "none"
    content["violations"] = ", ".join(f"{count} x {kind}" for kind, count in violations.items()) or "none"
    print_table(
        ("simulated bench", ""), [(key.replace("_", " "), format_value(value)) for key, value in content.items()]
    )


def bench_reset(
    name: BenchName,
    seed: Annotated[int | None, typer.Option(help="Seed of the fresh die; default the bench file's.")] = None,
    without: Annotated[
        list[str],
        typer.Option(help="Switch an effect off: half_select, wire_resistance, read_noise, ...; repeat."),
    ] = [],  # noqa: B006 - Typer copies it
) -> None:
    """Put a fresh die on a simulated bench; the old one is gone."""
    from labctl_mock.bench.bench import Bench

    Bench.reset(name, seed=seed, effects=dict.fromkeys(without, False))
    off = f", without {', '.join(without)}" if without else ""
    typer.echo(f"{name}: fresh die, seed {'of the bench file' if seed is None else seed}{off}")


def bench_serve(
    name: BenchName,
    port: Annotated[
        int, typer.Option(help="Port of the first instrument; the others follow. 0 takes free ports.")
    ] = 5025,
    speed: Annotated[
        str, typer.Option(help="Seconds of the bench per second of yours, such as 1; max answers at once.")
    ] = "max",
    station: Annotated[
        str | None,
        typer.Option("--station", "-s", help="Name or file of this rack's station; default the one that opens it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as one line of JSON.")] = False,
) -> None:
    """Run the simulated rack as a process of its own: a raw socket per instrument, on this computer only.

    Writes the station file <bench>-served, prints a line that begins with "ready" and serves until Ctrl-C, SIGTERM or
    the operator's port says stop; then the die is saved and the station file removed.
    """
    from labctl_mock.bench.bench import Bench
    from labctl_mock.serve.server import BenchServer

    factor = _speed(speed)
    with Bench.open(name) as bench, BenchServer(bench, port, factor) as server, _signals_call(server.stop):
        served = {resource: server.resources[key] for resource, key in bench.resources.items()}
        with _station_file(name, f"{bench.name}-served", station, server.control, served) as path:
            _announce(bench.name, server, path, as_json=as_json)
            server.serve()


def _speed(text: str) -> float:
    try:
        factor = inf if text == "max" else float(text)
    except ValueError:
        factor = -1.0
    if not factor > 0.0:
        raise typer.BadParameter(f"--speed takes a positive number or max, got {text!r}")
    return factor


@contextmanager
def _signals_call(stop: Callable[[], None]) -> Iterator[None]:
    """Let the signals that end a program call ``stop``."""

    def received(number: int, frame: FrameType | None) -> None:
        stop()

    before = {
        number: signal.signal(number, received)
        for number in (getattr(signal, name) for name in ENDINGS if hasattr(signal, name))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _station_file(
    bench: str, name: str, template: str | None, control: str, resources: dict[str, str]
) -> Iterator[Path | None]:
    """Keep the station file of the served bench there for the time being."""
    from labctl.station.served import (
        remove_served_station,
        served_station_text,
        station_of_bench,
        write_served_station,
    )

    template = station_of_bench(bench) if template is None else template
    if template is None:
        complain(f"no known station opens {bench}, so there is no station file; give one of this rack with --station")
        yield None
        return
    text = served_station_text(template, name, control, resources)
    path = write_served_station(name, text)
    try:
        yield path
    finally:
        if not remove_served_station(path, text):
            complain(f"{path} was changed and stays")


def _announce(bench: str, server: "BenchServer", path: Path | None, *, as_json: bool) -> None:
    if as_json:
        described = {
            "ready": True,
            "bench": bench,
            "control": server.control,
            "instruments": server.resources,
            "station": path and path.stem,
            "file": path and str(path),
        }
        print(json.dumps(described), flush=True)
        return
    for key, resource in server.resources.items():
        print(f"{key}: {resource}")
    station = f"station {path.stem} ({path})" if path else "no station file"
    print(f"ready: {bench}, {station}, operator's port {server.control}; Ctrl-C ends it", flush=True)


def bench_faults(as_json: AsJson = False) -> None:
    """List the faults that a simulated bench can be asked to have."""
    from labctl_mock.faults import kinds

    found = kinds()
    if as_json:
        print_json(found)
    else:
        print_table(("fault", "what happens"), sorted(found.items()), whole=("fault",))
