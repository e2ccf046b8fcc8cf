"""The option that lets whoever started a run learn which file it makes, of ``labctl run`` and ``labctl resume``."""

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Announce", "write_announcement"]

Announce = Annotated[
    Path | None,
    typer.Option("--announce", help="Write id and path of the run into this file, as JSON, once its file exists."),
]


def write_announcement(file: Path, run_id: str, path: Path) -> None:
    """Tell which file a run makes.

    Parameters
    ----------
    file : Path
        Appears whole.
    run_id : str
    path : Path
        The run file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps({"run_id": run_id, "path": str(path.absolute())}) + "\n", encoding="utf-8")
    part.replace(file)
