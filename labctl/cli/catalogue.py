"""Commands on the runs of a data root: list and filter, notes, tags, trash. Not here: :mod:`labctl.cli.runs`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.output import duration, print_json, print_table
from labctl.cli.runs import AsJson, DataRoot, RunReference

if TYPE_CHECKING:
    from labctl.store.run_entry import RunEntry

__all__ = ["add_commands"]

Text = Annotated[list[str] | None, typer.Argument(help="Words that stand in id, procedure, sample, note or tags.")]
Tags = Annotated[list[str], typer.Option("--tag", help="Only runs with this tag; repeat for several.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Data root to look in.")]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("runs")(list_runs)
    app.command("note")(note)
    app.command("tag")(tag)
    app.command("trash")(trash)
    app.command("restore")(restore)


def list_runs(
    text: Text = None,
    procedure: Annotated[str, typer.Option("--procedure", help="Only runs of this procedure.")] = "",
    station: Annotated[str, typer.Option("--station", "-s", help="Only runs on this station.")] = "",
    sample: Annotated[str, typer.Option("--sample", help="Only runs on this sample.")] = "",
    seed: Annotated[int | None, typer.Option("--seed", help="Only runs on the simulated die with this seed.")] = None,
    cell: Annotated[str, typer.Option("--cell", help="Only runs that measured this cell: ROW,COLUMN.")] = "",
    status: Annotated[
        str, typer.Option("--status", help="running, finished, failed, aborted, interrupted, damaged, newer version.")
    ] = "",
    simulated: Annotated[
        bool | None, typer.Option("--simulated/--real", help="Only simulated, or only real runs.")
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Only runs from this day on: 2026-01-31 or a moment.")] = "",
    until: Annotated[str, typer.Option("--until", help="Only runs up to the end of this day, or a moment.")] = "",
    tags: Tags = [],  # noqa: B006 - Typer copies it
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of the data root, newest first; all options that are given must fit."""
    from labctl.store import data_root
    from labctl.store.catalogue import Catalogue
    from labctl.store.moments import moment_utc
    from labctl.store.run_entry import STATUSES, RunFilter

    if status and status not in STATUSES:
        raise typer.BadParameter(f"--status must be one of {', '.join(STATUSES)}, got {status!r}")
    wanted = RunFilter(
        text=" ".join(text or ()),
        procedure=procedure,
        station=station,
        sample=sample,
        status=status,
        seed=seed,
        cell=_cell(cell) if cell else None,
        simulated=simulated,
        since_utc=moment_utc(since) if since else "",
        until_utc=moment_utc(until, is_end=True) if until else "",
        tags=tuple(tags),
    )
    with Catalogue(data_root(out)) as catalogue:
        catalogue.refresh(told=_tell if sys.stderr.isatty() else None)
        found = catalogue.find(wanted)
    if as_json:
        print_json(
            [{"path" if name == "file" else name: value for name, value in asdict(entry).items()} for entry in found]
        )
        return
    columns = ["run", "status", "station", "points", "wall time"]
    # words that only few people write take no room from the others
    noted = [name for name in ("tags", "note") if any(getattr(entry, name) for entry in found)]
    rows = [_row(entry, noted) for entry in found]
    print_table([*columns, *noted], rows, whole=("run", "status"))


def note(
    run: RunReference,
    text: Annotated[list[str] | None, typer.Argument(help="The note; an empty one removes it.")] = None,
    root: DataRoot = None,
) -> None:
    """Write a note about a run, or show it; the run file is not changed."""
    from dataclasses import replace

    from labctl.store import find_run
    from labctl.store.notes import read_notes, write_notes

    path = find_run(run, root)
    notes = read_notes(path)
    if text is None:
        typer.echo(notes.text)
    else:
        write_notes(path, replace(notes, text=" ".join(text)))


def tag(
    run: RunReference,
    tags: Annotated[list[str] | None, typer.Argument(help="Tags to add.")] = None,
    remove: Annotated[list[str], typer.Option("--remove", help="Tag to take away; repeat for several.")] = [],  # noqa: B006
    root: DataRoot = None,
) -> None:
    """Add tags to a run or take them away, and show those that it has; the run file is not changed."""
    from dataclasses import replace

    from labctl.store import find_run
    from labctl.store.notes import read_notes, write_notes

    path = find_run(run, root)
    notes = read_notes(path)
    missing = [name for name in remove if name not in notes.tags]
    if missing:
        raise typer.BadParameter(
            f"{path.name} has no tag {', '.join(missing)}; it has {', '.join(notes.tags) or 'none'}"
        )
    kept = tuple(name for name in (*notes.tags, *(tags or ())) if name not in remove)
    if kept != notes.tags:
        write_notes(path, replace(notes, tags=kept))
    typer.echo(" ".join(read_notes(path).tags))


def trash(
    runs: Annotated[list[str], typer.Argument(help="Ids or paths.")],
    root: DataRoot = None,
) -> None:
    """Move runs to the trash of their data root; `labctl restore` brings them back."""
    from labctl.store import find_run
    from labctl.store.trash import trash_run

    for path in [find_run(run, root) for run in runs]:
        typer.echo(str(trash_run(path)))


def restore(
    run: Annotated[str | None, typer.Argument(help="Id, or how it begins; left out, the trash is listed.")] = None,
    root: DataRoot = None,
) -> None:
    """Bring a run back from the trash, or list what is in it."""
    from labctl.store.trash import restore_run, trashed_runs

    found = trashed_runs(root)
    if run is None:
        for name in found:
            typer.echo(name)
        return
    meant = [run] if run in found else [name for name in found if name.startswith(run)]
    if len(meant) != 1:
        there = ", ".join(list(meant or found)[:3]) or "nothing"
        raise typer.BadParameter(f"run {run!r} means {len(meant)} runs of the trash, which holds {there}")
    typer.echo(str(restore_run(found[meant[0]])))


def _row(entry: "RunEntry", noted: list[str]) -> list[object]:
    station = f"{entry.station}{' (simulated)' if entry.simulated else ''}"
    took = None if entry.wall_time_s is None else duration(entry.wall_time_s)
    words = {"tags": " ".join(entry.tags), "note": entry.note}
    return [entry.run_id, entry.status, station, entry.points, took, *(words[name] for name in noted)]


def _cell(text: str) -> tuple[int, int]:
    row, _, column = text.partition(",")
    if not row.strip().isdecimal() or not column.strip().isdecimal():
        raise typer.BadParameter(f"--cell takes ROW,COLUMN such as 3,4, got {text!r}")
    return int(row), int(column)


def _tell(left: int, total: int) -> None:
    # ECMA-48 8.3.41: erase the line; it stands alone on it until all are read
    words = f"reading {total - left:,} of {total:,} runs" if left else ""
    sys.stderr.write(f"\r\x1b[K{words}")
    sys.stderr.flush()
