"""What the station panel asks: the live run of a station and who its instruments are.

Not here: the state of its outputs, which the window reads from the run's state board.
"""

from pathlib import Path
from typing import Any

__all__ = ["ANSWERS"]


def live(root: str, station: str) -> dict[str, Any] | None:
    """Find the live run of a station.

    Parameters
    ----------
    root : str
        Data root.
    station : str
        Name of the station, as run files have it.

    Returns
    -------
    dict or None
        ``run_id``, ``path``, ``procedure``, ``identities`` by key, ``bench`` (what a simulated rack tells of itself,
        or None); None where no run goes on.
    """
    from labctl.run.live import live_runs

    names = ("maker", "model", "serial", "firmware")
    for run in reversed(live_runs(Path(root), station)):
        return {
            "run_id": run.run_id,
            "path": str(run.path),
            "procedure": run.header["procedure"],
            "identities": {key: {name: who[name] for name in names} for key, who in run.instruments.items()},
            "bench": run.header.get("bench"),
        }
    return None


ANSWERS = {"live": live}
