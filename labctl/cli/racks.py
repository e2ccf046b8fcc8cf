"""Commands on racks: stations, instruments, doctor, simulated benches; and where the window will be."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from labctl.analysis.wording import format_value
from labctl.cli.codes import ExitCode
from labctl.cli.measure import Station
from labctl.cli.output import complain, duration, print_json, print_table

__all__ = ["add_commands"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# a cross-reference of a docstring, of which a terminal shows the last name
REFERENCE = re.compile(r":\w+:`[^`]*?(\w+)`")
UNITS = {"v": "V", "a": "A", "s": "s", "j": "J", "w": "W"}
BenchName = Annotated[str, typer.Argument(help="Name or file of the bench.")]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("stations")(stations)
    app.command("instruments")(instruments)
    app.command("doctor")(doctor)
    app.command("gui")(gui)
    bench = typer.Typer(help="Simulated benches: show or renew the die.", invoke_without_command=True)
    bench.callback()(bench_help)
    bench.command("show")(bench_show)
    bench.command("reset")(bench_reset)
    app.add_typer(bench, name="bench")


def stations(
    name: Annotated[str | None, typer.Argument(help="Show this station.")] = None, as_json: AsJson = False
) -> None:
    """List the stations, or show one: instruments, wiring, sample, envelope. Nothing is opened."""
    from labctl.station import read_station_file, station_names

    if name is None:
        names = station_names()
        if as_json:
            print_json(names)
        else:
            print_table(("station",), [(item,) for item in names])
        return
    content = read_station_file(name).as_dict()
    if as_json:
        print_json(content)
        return
    _print_station(content)


def _print_station(content: Mapping[str, Any]) -> None:
    from labctl.units import format_quantity

    sample, wiring, envelope = content["sample"], content["wiring"], content["envelope"]
    print_table(
        ("", ""),
        [
            ("station", content["name"]),
            ("file", content["file"]),
            ("VISA library", content["visa_library"] or "the system's"),
            ("mains", f"{content['line_frequency_hz']:g} Hz"),
            ("sample", f"{sample['name']} ({sample['device']}), {sample['rows']} rows x {sample['columns']} columns"),
        ],
    )
    print_table(
        ("instrument", "driver", "resource", "serial"),
        [
            (key, *(item.get(name) for name in ("driver", "resource", "serial")))
            for key, item in content["instruments"].items()
        ],
        whole=("instrument",),
    )
    print_table(
        (f"matrix {wiring['matrix']}", ""),
        [
            *((f"row {row}", source) for row, source in wiring["rows"].items()),
            ("word lines", ", ".join(wiring["word_lines"])),
            ("bit lines", ", ".join(wiring["bit_lines"])),
            ("identification pad", wiring["identification"]),
        ],
        whole=(f"matrix {wiring['matrix']}",),
    )
    rows = []
    for name, value in envelope.items():
        quantity, _, unit = name.rpartition("_")
        rows.append((quantity.replace("_", " "), format_quantity(value, UNITS[unit]), f"envelope.{name}"))
    print_table(("at most, per stimulus", "", "key"), rows)


def instruments(as_json: AsJson = False) -> None:
    """List the drivers that a station file can name."""
    from labctl_instruments import drivers

    found = {name: REFERENCE.sub(r"\1", _first_line(driver)) for name, driver in drivers().items()}
    if as_json:
        print_json(found)
    else:
        print_table(("driver", "what it drives"), sorted(found.items()))


def _first_line(thing: type) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]


def doctor(station: Station, as_json: AsJson = False) -> int:
    """Check a station: connection, identity, error queues, relays and, by an addressing round trip, the wiring."""
    from labctl.station import Station as OpenStation
    from labctl.station.doctor import check

    with OpenStation.open(station) as opened:
        checks = check(opened)
    if as_json:
        print_json([{"name": item.name, "ok": item.ok, "detail": item.detail} for item in checks])
    else:
        print_table(
            ("check", "", "detail"), [(item.name, "ok" if item.ok else "WRONG", item.detail) for item in checks]
        )
    wrong = [item for item in checks if not item.ok]
    for item in wrong:
        complain(f"{item.name}: {item.detail}")
    return int(ExitCode.FAILED if wrong else ExitCode.FINISHED)


def gui() -> int:
    """Say where the window is."""
    complain("the window comes in a later version; until then use `labctl run`, `labctl show` and `labctl report`")
    return int(ExitCode.WRONG)


def bench_help(context: typer.Context) -> None:
    """Simulated benches: show or renew the die."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


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
