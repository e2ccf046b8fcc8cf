"""The table ``[defaults]`` of a station file: what a run takes for parameters that the user does not give.

Not here: which parameters there are, and what they allow (:mod:`labctl.run.station_defaults`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from labctl.station.strict_table import StrictTable

__all__ = ["StationDefault", "StationDefaults", "read_defaults"]

_TABLE = "defaults"


@dataclass(frozen=True, slots=True)
class StationDefault:
    """One value.

    Attributes
    ----------
    value : str
        As text; truth values are ``"true"`` and ``"false"``.
    place : str
        File, line and key, for messages.
    """

    value: str
    place: str


@dataclass(frozen=True, slots=True)
class StationDefaults:
    """The table, as it stands in the file.

    Attributes
    ----------
    shared : mapping of str to StationDefault
        By parameter: for every procedure that has it.
    own : mapping of str to mapping of str to StationDefault
        By procedure and parameter.
    places : mapping of str to str
        Where the table of each procedure begins.
    """

    shared: Mapping[str, StationDefault] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, StationDefault]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, str | dict[str, str]]:
        """Return names and values as in the file.

        Returns
        -------
        dict
        """
        shared: dict[str, str | dict[str, str]] = {name: default.value for name, default in self.shared.items()}
        own = {kind: {name: default.value for name, default in table.items()} for kind, table in self.own.items()}
        return shared | own


def read_defaults(station: StrictTable) -> StationDefaults:
    """Read the table, which may be left out.

    Parameters
    ----------
    station : StrictTable
        The top of a station file.

    Returns
    -------
    StationDefaults

    Raises
    ------
    StationError
        If a value is neither text nor a number nor true or false; file, line and key are named.
    """
    if not station.has(_TABLE):
        return StationDefaults()
    table = station.table(_TABLE)
    shared: dict[str, StationDefault] = {}
    own: dict[str, Mapping[str, StationDefault]] = {}
    places: dict[str, str] = {}
    for name in table.names():
        if table.is_table(name):
            below = table.table(name)
            places[name] = table.place(name)
            own[name] = {key: StationDefault(below.plain(key), below.place(key)) for key in below.names()}
        else:
            shared[name] = StationDefault(table.plain(name), table.place(name))
    return StationDefaults(shared, own, places)
