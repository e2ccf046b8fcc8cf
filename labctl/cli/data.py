"""``labctl data``: sets of images for networks. Not here: loading them (:mod:`labctl.networks.fetching`)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["add_commands"]


class _Set(StrEnum):
    MNIST = "mnist"


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    data = typer.Typer(help="Sets of images that networks are trained on.", invoke_without_command=True)
    data.callback()(data_help)
    data.command("fetch")(fetch)
    app.add_typer(data, name="data")


def data_help(context: typer.Context) -> None:
    """Sets of images that networks are trained on."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def fetch(
    name: Annotated[_Set, typer.Argument(help="Which set.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder; default LABCTL_DATA, else a folder that runs look into too.")
    ] = None,
) -> None:
    """Load a set over the network, check it, and put it where `--data` and LABCTL_DATA can point to."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from labctl.networks.fetching import fetch_mnist
    from labctl.networks.images import fetched_folder

    folder = (fetched_folder() if to is None else to.expanduser()) / name
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def report(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file, total=total)
            progress.update(tasks[file], completed=done, total=total)

        paths = fetch_mnist(folder, report=report)
    for path in paths:
        typer.echo(str(path))
