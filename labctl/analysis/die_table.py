"""The state of a die and the history of a cell as the tables that scripts work with: xarray and pandas.

Not here: how they are made (:mod:`labctl.analysis.die_state`, :mod:`labctl.analysis.cell_history`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labctl.analysis.cell_history import CellHistory
from labctl.analysis.die_maps import DieMaps
from labctl.analysis.die_state import Die

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["die_dataset", "history_table"]


def die_dataset(maps: DieMaps, die: Die, runs: int, unread: Sequence[str]) -> "xr.Dataset":
    """Return maps of a die with names and units.

    Parameters
    ----------
    maps : DieMaps
    die : Die
        Its die.
    runs : int, unit 1
        How many runs they are made from.
    unread : sequence of str
        Why other files of the data root could not be read.

    Returns
    -------
    xarray.Dataset
        As :func:`labctl.script.die_state` describes it.
    """
    import xarray as xr

    named = {
        "conductance": (maps.conductance_s, "S"),
        "resistance": (maps.resistance_ohm, "ohm"),
        "current": (maps.current_a, "A"),
        "target": (maps.target_s, "S"),
        "tolerance": (maps.tolerance, "1"),
        "error": (maps.error, "1"),
        "change": (maps.change, "1"),
        "measured": (maps.measured_utc_s, "s"),
        "touched": (maps.touched_utc_s, "s"),
        "readings": (maps.readings, "1"),
        "pulses": (maps.pulses, "1"),
        "over_range": (maps.over_range, "1"),
        "class": (maps.classes(), "1"),
    }
    return xr.Dataset(
        {name: xr.Variable(("row", "column"), values, {"units": unit}) for name, (values, unit) in named.items()},
        attrs={
            "sample": die.sample,
            "simulated": die.simulated,
            "seed": die.seed,
            "runs": runs,
            "unread": list(unread),
            "reasons": [[*cell, reason] for cell, reason in sorted(maps.reasons.items())],
        },
    )


def history_table(history: CellHistory) -> "pd.DataFrame":
    """Return the history of a cell as a table.

    Parameters
    ----------
    history : CellHistory

    Returns
    -------
    pandas.DataFrame
        As :func:`labctl.script.cell_history` describes it.
    """
    import pandas as pd

    utc = pd.to_datetime(history.utc_s, unit="s", utc=True)
    return pd.DataFrame({"utc": utc, "run_id": history.run_ids, "seq": history.seqs, **history.columns})
