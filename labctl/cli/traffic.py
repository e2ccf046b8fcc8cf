"""Commands on recordings of VISA traffic.

Not here: making and replaying one (``labctl run --record``), holding one against a simulated bench
(:mod:`labctl.cli.bench_check`).
"""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.output import complain, print_table

if TYPE_CHECKING:
    from labctl.replay.traffic import TrafficFile

__all__ = ["add_commands"]

# takes some seconds
_LARGE_BYTES = 100_000_000
File = Annotated[Path, typer.Argument(help="A traffic file, as visa_library = 'record:FILE>@py' makes it.")]
Out = Annotated[Path, typer.Option("-o", help="The new file; one that is there is never written over.")]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    traffic = typer.Typer(help="Recordings of what went over VISA: show, mask, import, export them.")
    traffic.command("show")(traffic_show)
    traffic.command("mask")(traffic_mask)
    traffic.command("import")(traffic_import)
    traffic.command("export")(traffic_export)
    app.add_typer(traffic, name="traffic")


def traffic_show(
    file: File,
    first: Annotated[int, typer.Option(help="First line to show.", min=2)] = 2,
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 40,
) -> None:
    """Show a recording: who was spoken to, and what was said; every line is held against its check."""
    from labctl.replay.parties import identities_in
    from labctl.replay.traffic import OPERATIONS, TrafficFile, shown

    with TrafficFile(file) as recording:
        header = recording.header
        bench = header.get("bench")
        facts = [
            ("made", str(header.get("created_utc"))),
            ("over", str(header.get("library")) or "the system's VISA"),
            ("by", ", ".join(f"{name} {number}" for name, number in (header.get("versions") or {}).items())),
            ("rack", f"simulated: {bench.get('name')}" if bench else "real"),
            ("lines", _protection(recording)),
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
    if file.stat().st_size > _LARGE_BYTES:
        complain(f"{file} is large; it is read to its end for who was spoken to ...")
    with TrafficFile(file) as recording:
        spoken_to = identities_in(recording)
    print_table(("spoken to", "identity"), [(name, identity or "not asked") for name, identity in spoken_to.items()])


def _protection(recording: "TrafficFile") -> str:
    if not recording.is_protected:
        return "not protected: a change after the recording is not found"
    unfinished = recording.unfinished()
    if unfinished:
        complain(unfinished)
        return "protected by checks; the end is missing"
    return "protected by checks, up to the end"


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
        why = "calls that a recording does not hold" if form == "io-trace" else "messages that only running it makes"
        complain(f"{len(found.left_out)} left out, {why}; at {lines}")


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
