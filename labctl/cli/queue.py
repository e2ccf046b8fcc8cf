"""``labctl queue``: runs that wait for their turn. Not here: the queue and its worker (:mod:`labctl.run.queue`)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli.holding import Between, Hold, parse_conditions
from labctl.cli.measure import Out, Parameters, Station, split_parameters
from labctl.cli.output import duration, print_json, print_table

if TYPE_CHECKING:
    from labctl.run.queue.store import RunQueue

__all__ = ["add_commands"]

Item = Annotated[int, typer.Argument(help="Number of the item; see `labctl queue list`.")]
Repeat = Annotated[int, typer.Option("--repeat", help="Run it so many times.")]
Label = Annotated[str, typer.Option("--label", help="What you call it.")]
First = Annotated[bool, typer.Option("--first", help="Before all that wait, not behind them.")]
Idle = Annotated[float, typer.Option("--idle", help="Seconds without work after which it ends.")]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    queue = typer.Typer(help="Runs that wait for their turn; they go on without a window or a terminal.")
    for name, command in (
        ("list", list_items),
        ("add", add),
        ("resume", resume),
        ("edit", edit),
        ("duplicate", duplicate),
        ("move", move),
        ("remove", remove),
        ("clear", clear),
        ("hold", hold),
        ("release", release),
        ("policy", policy),
        ("work", work),
    ):
        queue.command(name)(command)
    app.add_typer(queue, name="queue")


def list_items(out: Out = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the queue: what is running, what waits, what became of the rest."""
    from labctl.run.queue.items import ItemState, short_parameters
    from labctl.run.queue.launch import is_worker_alive
    from labctl.run.queue.remaining import progress_of_queue, progress_of_run

    with _queue(out) as queue:
        items, is_held, why, chosen = queue.items(), queue.is_held, queue.held_why, queue.policy
        is_worked = is_worker_alive(queue.folder)
    live = next((item.run_path for item in items if item.state is ItemState.RUNNING), None)
    mark = None if live is None else progress_of_run(live)
    progress = progress_of_queue(items, mark)
    if as_json:
        told: dict[str, Any] = {"policy": chosen, "held": is_held, "held_why": why, "worker": is_worked}
        told |= {"done": progress.done, "total": progress.total, "remaining_s": progress.remaining_s}
        print_json({**told, "items": [asdict(item) | {"run_ids": item.run_ids} for item in items]})
        return
    print_table(
        ("item", "state", "procedure", "station", "cells", "parameters", "runs", "left"),
        [
            (
                item.id,
                item.state,
                item.label or item.procedure,
                f"{item.station}{' (simulated)' if item.simulated else ''}",
                item.parameters.get("cells"),
                short_parameters(item),
                f"{item.done} of {item.repeat}",
                duration(progress.items_s[item.id]) if item.id in progress.items_s else None,
            )
            for item in items
        ],
        whole=("item", "state", "runs", "left"),
    )
    for item in items:
        if item.error is not None:
            typer.echo(f"item {item.id} {item.state}: {item.error}")
    left = "" if progress.done == progress.total else f", about {duration(progress.remaining_s)} left"
    unknown = f"; {progress.unknown} of unknown length not counted" if progress.unknown else ""
    typer.echo(f"{progress.done} of {progress.total} runs done{left}{unknown}. An item that does not finish "
               f"{'holds the queue' if chosen == 'stop' else 'does not hold the queue'}.")  # fmt: skip
    if is_held:
        typer.echo(f"The queue is held: {why}; `labctl queue release` lets it go on.")
    elif progress.done < progress.total and not is_worked:
        typer.echo("Nobody works through the queue: `labctl queue release` lets it go on.")


def add(
    procedure: Annotated[str, typer.Argument(help="Name of the procedure; see `labctl procedures`.")],
    station: Station,
    parameter: Parameters = [],  # noqa: B006 - Typer copies it
    repeat: Repeat = 1,
    hold: Hold = [],  # noqa: B006 - Typer copies it
    between: Between = None,
    label: Label = "",
    first: First = False,
    out: Out = None,
) -> None:
    """Add a run; its configuration is checked now, and it starts when its turn comes."""
    from labctl.run.queue.adding import add_run
    from labctl_procedures import find_procedure

    parse_conditions(hold, between)
    procedure_class = find_procedure(procedure)
    with _queue(out) as queue:
        id = add_run(
            queue,
            procedure_class,
            station,
            split_parameters(parameter),
            repeat=repeat,
            holds=hold,
            between=between,
            label=label,
            first=first,
        )
        _tell_added(queue, id)


def resume(
    run: Annotated[str, typer.Argument(help="Id, path or `latest`.")],
    hold: Hold = [],  # noqa: B006 - Typer copies it
    between: Between = None,
    label: Label = "",
    first: First = False,
    out: Out = None,
) -> None:
    """Add the rest of a run that was interrupted, aborted or failed."""
    from labctl.run.queue.adding import add_resume
    from labctl.store import open_run
    from labctl_procedures import find_procedure

    parse_conditions(hold, between)
    with _queue(out) as queue:
        found = open_run(run, queue.root)
        procedure_class = find_procedure(str(found.header["procedure"]))
        id = add_resume(queue, found, procedure_class, holds=hold, between=between, label=label, first=first)
        _tell_added(queue, id)


def edit(
    item: Item,
    parameter: Parameters = [],  # noqa: B006 - Typer copies it
    station: Annotated[str | None, typer.Option("--station", "-s", help="Another station.")] = None,
    repeat: Annotated[int | None, typer.Option("--repeat", help="Run it so many times in all.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="What you call it.")] = None,
    out: Out = None,
) -> None:
    """Change an item that is not running; one that failed or was aborted waits again, changed or not.

    -p name=value replaces this one parameter, -p name= leaves it at its default.
    """
    from labctl.run.queue.adding import check_run
    from labctl_procedures import find_procedure

    with _queue(out) as queue:
        known = queue.item(item)
        values = {**known.parameters, **split_parameters(parameter)}
        given = {"station": station, "repeat": repeat, "label": label}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if parameter:
            changes["parameters"] = {name: value for name, value in values.items() if value}
        if parameter or station is not None:
            procedure_class = find_procedure(known.procedure)
            changes |= check_run(procedure_class, station or known.station, changes.get("parameters", values))
        queue.edit(item, **changes)
        _start(queue)
    typer.echo(f"item {item} waits for its turn")


def duplicate(item: Item, out: Out = None) -> None:
    """Add a copy of an item behind the others."""
    with _queue(out) as queue:
        _tell_added(queue, queue.duplicate(item))


def move(
    item: Item, place: Annotated[int, typer.Argument(help="From 1, counted over all items.")], out: Out = None
) -> None:
    """Give a waiting item another place."""
    with _queue(out) as queue:
        queue.move(item, place)


def remove(item: Item, out: Out = None) -> None:
    """Take an item out that is not running; the runs that it became stay."""
    with _queue(out) as queue:
        queue.remove(item)


def clear(out: Out = None) -> None:
    """Take out all items that are over, however they ended; their runs stay."""
    with _queue(out) as queue:
        typer.echo(f"{queue.clear_done()} items taken out")


def hold(out: Out = None) -> None:
    """Start no further item; what is running goes on."""
    with _queue(out) as queue:
        queue.hold()


def release(out: Out = None) -> None:
    """Let the queue go on."""
    with _queue(out) as queue:
        queue.release()
        _start(queue)


def policy(
    choice: Annotated[str, typer.Argument(help="stop: hold the queue when an item does not finish. continue: go on.")],
    out: Out = None,
) -> None:
    """Choose what happens when an item fails, is aborted or is interrupted."""
    with _queue(out) as queue:
        queue.policy = choice


def work(
    out: Out = None,
    idle_s: Idle = 10.0,
    stay_for: Annotated[int | None, typer.Option("--stay-for", help="Stay while this process lives.")] = None,
) -> None:
    """Work through the queue until it is empty or held; the other commands start this by themselves."""
    from labctl.run.queue.worker import work as work_through
    from labctl.store import data_root
    from labctl.store.process import mark_of

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    owner = None if stay_for is None else mark_of(stay_for)
    if not work_through(data_root(out), idle_s=idle_s, stay_for=owner):
        typer.echo("another process works through this queue already", err=True)


@contextmanager
def _queue(out: Path | None) -> "Iterator[RunQueue]":
    from labctl.run.queue.store import RunQueue
    from labctl.store import data_root

    with RunQueue(data_root(out)) as queue:
        yield queue


def _tell_added(queue: "RunQueue", id: int) -> None:
    _start(queue)
    item = queue.item(id)
    typer.echo(f"item {id} at place {item.place}: {item.label or item.procedure} on {item.station}")
    if queue.is_held:
        typer.echo(f"the queue is held ({queue.held_why}); `labctl queue release` lets it go on", err=True)


def _start(queue: "RunQueue") -> None:
    from labctl.run.queue.launch import ensure_worker

    if not queue.is_held:
        ensure_worker(queue.root)
