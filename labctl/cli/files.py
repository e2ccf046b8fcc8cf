"""Commands on run files as files: verify, recover."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.output import print_json, print_table
from labctl.cli.runs import AsJson, DataRoot

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("verify")(verify)
    app.command("recover")(recover)


def verify(
    runs: Annotated[list[str] | None, typer.Argument(help="Ids, paths or `latest`; default latest.")] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="Every run of the data root.")] = False,
    root: DataRoot = None,
    as_json: AsJson = False,
) -> int:
    """Check run files: every row, table, block and array; exit code 3 when something is damaged."""
    from labctl.store import find_run, list_runs
    from labctl.store.verify import verify_run

    if all_runs and runs:
        raise typer.BadParameter("give runs or --all, not both")
    if all_runs:
        paths = [Path(item["path"]) for item in list_runs(root)]
    else:
        paths = [find_run(reference, root) for reference in runs or ["latest"]]
    gone = [str(path) for path in paths if not path.is_file()]
    if gone:
        raise typer.BadParameter(f"there is no run file {', '.join(gone)}")
    found = {path: verify_run(path) for path in paths}
    if as_json:
        print_json(
            [
                {"path": path, "whole": not findings, "findings": [asdict(item) for item in findings]}
                for path, findings in found.items()
            ]
        )
    else:
        rows = [(path.name, item.place, item.message) for path, findings in found.items() for item in findings]
        rows += [(path.name, "", "whole") for path, findings in found.items() if not findings]
        print_table(("run file", "place", "finding"), rows, whole=("run file",))
    return ExitCode.FAILED if any(found.values()) else ExitCode.FINISHED


def recover(
    file: Annotated[Path, typer.Argument(help="The damaged run file; it is left as it is.")],
    folder: Annotated[Path, typer.Option("-o", help="Folder for the new run file.")],
    as_json: AsJson = False,
) -> int:
    """Write a new run file with every row of a damaged one that is whole; exit code 3 when points are lost."""
    from labctl.store.recover import recover_run

    saved = recover_run(file, folder)
    if as_json:
        print_json(asdict(saved))
    else:
        rows = [("points that are whole", saved.points), ("points that are known to be lost", saved.lost)]
        print_table(("", ""), rows, title=str(saved.path))
    return ExitCode.FAILED if saved.lost else ExitCode.FINISHED
