"""Which access fits the sample of a station: told by how the station is wired.

Not here: the accesses (one file each), the procedures that use them (``labctl_procedures``).
"""

from typing import Any

from labctl.array.access import CrossbarAccess
from labctl.array.bridge_access import BridgeAccess
from labctl.array.cell_access import CellAccess
from labctl.array.direct_access import DirectAccess
from labctl.array.gated_access import GatedAccess
from labctl.array.sources import RackStation
from labctl.array.track_access import TrackAccess

__all__ = ["open_cells"]


def open_cells(station: RackStation, **settings: Any) -> CellAccess:
    """Return the access to the cells of a station; nothing is sent yet.

    Parameters
    ----------
    station : RackStation
        Open.
    **settings
        Keywords of :class:`labctl.array.access.CrossbarAccess`; an access refuses what has no meaning for it.

    Returns
    -------
    CellAccess

    Raises
    ------
    StationError
        If the station lacks what the sample needs.
    ValueError
        If a setting is not allowed.
    """
    wiring = station.wiring
    if wiring.direct is not None:
        return (DirectAccess if wiring.direct.control is None else TrackAccess)(station, **settings)
    if wiring.control is not None:
        return (BridgeAccess if wiring.control.common_source else GatedAccess)(station, **settings)
    return CrossbarAccess(station, **settings)
