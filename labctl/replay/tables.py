"""Playing a run in a script: tables of rows that come when they came then. Not here: when they are due (`playing`)."""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.replay.playing import RunPlayer, position_of
from labctl.store import Run, open_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["play"]


def play(
    reference: str | Path | Run = "latest",
    *,
    speed: float = 1.0,
    start: float | str = 0.0,
    step: bool = False,
    out: "str | PathLike[str] | None" = None,
) -> "Iterator[pd.DataFrame]":
    """Play a run that has ended as if it were measured now: its rows come when they came then.

    Parameters
    ----------
    reference : str, Path or Run
        As :func:`labctl.store.open_run` takes it, such as ``"sample:sweep_iv"``.
    speed : float, unit 1
        So many seconds of the rack pass in a second.
    start : float or str, unit s
        Begin here; as text ``"30 s"`` or a part of the run, ``"50 %"``. What is before it comes at once.
    step : bool
        Do not wait: each turn gives the next row and those of the same moment.
    out : path-like, optional
        The data root.

    Yields
    ------
    pandas.DataFrame
        New rows, as :meth:`Run.table` has them; in ``attrs`` ``replay_of`` (id of the run) and ``simulated``.

    Raises
    ------
    ReplayError
        If the run goes on.
    StoreError
        If it is not found, or its file is damaged.
    ValueError
        If the speed is not positive, or the start is not within the run.
    """
    import pandas as pd

    run = reference if isinstance(reference, Run) else open_run(reference, None if out is None else str(out))
    player = RunPlayer(run.path, speed=speed)
    attrs = {"replay_of": player.run_id, "simulated": bool(player.header.get("simulated"))}
    try:
        player.jump(position_of(start, player.duration_s) if isinstance(start, str) else start)
        for found in player.steps() if step else player.batches():
            if found.count:
                rows = pd.DataFrame(found.columns, index=pd.Index(found.seqs, name="seq"))
                rows.attrs.update(attrs)
                yield rows
    finally:
        player.close()
