"""Commands on racks: stations, instruments, doctor.

Not here: simulated benches (:mod:`labctl.cli.bench`), the window (:mod:`labctl.cli.window`).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.measure import Station
from labctl.cli.output import complain, print_json, print_table

__all__ = ["add_commands"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# a cross-reference of a docstring, of which a terminal shows the last name
REFERENCE = re.compile(r":\w+:`[^`]*?(\w+)`")
UNITS = {"v": "V", "a": "A", "s": "s", "j": "J", "w": "W", "k": "K"}


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
    _print_wiring(wiring)
    rows = []
    for name, value in envelope.items():
        if value is None:
            continue
        quantity, _, unit = name.rpartition("_")
        rows.append((quantity.replace("_", " "), format_quantity(value, UNITS[unit]), f"envelope.{name}"))
    print_table(("at most, per stimulus", "", "key"), rows)
    defaults = [
        (name if isinstance(value, str) else f"{name}: {key}", text)
        for name, value in content["defaults"].items()
        for key, text in ([("", value)] if isinstance(value, str) else value.items())
    ]
    if defaults:
        print_table(("where a run is given nothing", ""), defaults, whole=("where a run is given nothing",))


def _print_wiring(wiring: Mapping[str, Any]) -> None:
    direct, control = wiring["direct"], wiring["control"]
    if direct is not None:
        print_table(("wired directly", ""), list(direct.items()))
        return
    lines = [("word lines", ", ".join(wiring["word_lines"])), ("bit lines", ", ".join(wiring["bit_lines"]))]
    tables = [(wiring, [*lines, ("identification pad", wiring["identification"])])]
    if control is not None:
        source = "one plate, the only word line" if control["common_source"] else "the bit lines"
        tables.append((control, [("gate lines", ", ".join(control["lines"])), ("sources", source)]))
    for table, rest in tables:
        head = f"matrix {table['matrix']}"
        print_table(
            (head, ""), [*((f"row {row}", source) for row, source in table["rows"].items()), *rest], whole=(head,)
        )


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
