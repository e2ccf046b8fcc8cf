"""Commands on recordings of VISA traffic. Not here: making and replaying one (``labctl run --record``)."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.output import complain, print_json, print_table

__all__ = ["add_commands"]

File = Annotated[Path, typer.Argument(help="A traffic file, as visa_library = 'record:FILE>@py' makes it.")]
Out = Annotated[Path, typer.Option("-o", help="The new file; one that is there is never written over.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    traffic = typer.Typer(help="Recordings of what went over VISA: show them, hold them against a simulated bench.")
    traffic.command("show")(traffic_show)
    traffic.command("check")(traffic_check)
    traffic.command("mask")(traffic_mask)
    traffic.command("import")(traffic_import)
    traffic.command("export")(traffic_export)
    app.add_typer(traffic, name="traffic")


def traffic_show(
    file: File,
    first: Annotated[int, typer.Option(help="First line to show.", min=2)] = 2,
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 40,
) -> None:
    """Show a recording: who was spoken to, and what was said."""
    from labctl.replay.traffic import OPERATIONS, TrafficFile, shown

    with TrafficFile(file) as recording:
        header = recording.header
        bench = header.get("bench")
        facts = [
            ("made", str(header.get("created_utc"))),
            ("over", str(header.get("library")) or "the system's VISA"),
            ("rack", f"simulated: {bench.get('name')}" if bench else "real"),
        ]
        print_table(("recording", str(file)), facts)
        rows = [
            (
                str(done.line),
                str(done.session),
                f"{done.wall_s:.6f}",
                OPERATIONS[done.op],
                shown(done.data) if done.data else str(done.facts.get("resource", done.facts.get("v", ""))),
                str(done.status) if done.status < 0 else "",
            )
            for done in islice(recording.operations(), first - 2, first - 2 + count)
        ]
    print_table(("line", "session", "s", "operation", "what", "error"), rows)


def traffic_check(
    file: File,
    bench: Annotated[str, typer.Option("--bench", "-b", help="Name or file of the simulated bench.")],
    pair: Annotated[
        list[str], typer.Option(help="RECORDED=SIMULATED resource, where the model does not tell; repeat.")
    ] = [],  # noqa: B006 - Typer copies it
    as_json: AsJson = False,
) -> int:
    """Hold a recording of real instruments against the simulated ones: each answer that differs in kind.

    Nothing of the recording is sent to a real instrument.
    """
    from labctl.replay.checking import check_recording

    pairs = dict(_pair(text) for text in pair)
    found = check_recording(file, f"{bench}@labctl", pairs)
    if as_json:
        print_json(
            {
                "compared": found.compared,
                "missing": found.missing,
                "differences": [{name: getattr(one, name) for name in one.__slots__} for one in found.differences],
            }
        )
    else:
        typer.echo(f"{found.compared} answers compared, {len(found.differences)} differ")
        if found.differences:
            print_table(
                ("line", "differs in", "after", "recorded", "simulated"),
                [(str(one.line), one.kind, one.message, one.recorded, one.simulated) for one in found.differences],
            )
    if found.missing:
        complain(f"not on the bench, and not compared: {', '.join(found.missing)}; name the pairs with --pair")
    return int(ExitCode.FAILED if found.differences else ExitCode.FINISHED)


def traffic_mask(
    file: File,
    out: Out,
    secret: Annotated[
        list[str], typer.Option(help="Regular expression of what else must not be seen; of one with a group the group.")
    ] = [],  # noqa: B006 - Typer copies it
) -> None:
    """Take serial numbers, addresses, folders and passwords out of a recording before it is given away."""
    from labctl.replay.masking import mask_recording

    found = mask_recording(file, out, secret)
    replaced = [*found.serials.items(), *found.hosts.items()]
    print_table(("replaced", "by"), replaced or [("no serial number, no address", "")])
    typer.echo(f"{found.secrets} secrets masked; look through {out} before you give it away")


def traffic_import(
    file: Annotated[Path, typer.Argument(help="The recording of another program.")],
    out: Out,
    form: Annotated[str, typer.Option("--format", help="scpi-replay, io-trace or pymeasure.")],
    resource: Annotated[str, typer.Option(help="VISA resource name, where the file does not tell it.")] = "",
) -> None:
    """Make a recording out of that of another program."""
    from labctl.replay.importing import FORMATS, import_recording

    if form not in FORMATS:
        raise typer.BadParameter(f"--format must be one of {', '.join(FORMATS)}, got {form!r}")
    found = import_recording(file, out, form, resource=resource)
    typer.echo(f"{out}: {found.steps} writes and reads")
    if found.left_out:
        lines = ", ".join(map(str, found.left_out))
        complain(f"{len(found.left_out)} left out, whose messages only a run of the test makes; lines {lines}")


def traffic_export(
    file: File,
    out: Out,
    to: Annotated[str, typer.Option("--to", help="pymeasure: one expected_protocol test for each instrument.")],
) -> None:
    """Make tests for another program out of a recording."""
    from labctl.replay.exporting import export_pymeasure

    if to != "pymeasure":
        raise typer.BadParameter(f"--to must be pymeasure, got {to!r}")
    for told in export_pymeasure(file, out):
        typer.echo(told)


def _pair(text: str) -> tuple[str, str]:
    recorded, equals, simulated = text.partition("=")
    if not equals or not recorded or not simulated:
        raise typer.BadParameter(f"--pair takes RECORDED=SIMULATED, two VISA resource names, got {text!r}")
    return recorded.strip(), simulated.strip()
