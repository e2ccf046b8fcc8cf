"""What the desk asks: facts of a station. Not here: live instruments (``labctl state``)."""

from typing import Any

__all__ = ["ANSWERS"]


def station_facts(station: str) -> dict[str, Any]:
    """Return what all panels want to know of a station file; nothing is opened.

    Parameters
    ----------
    station : str
        Name or path.

    Returns
    -------
    dict
        As :class:`labctl.gui.desk.StationFacts` has it.

    Raises
    ------
    StationError
        If there is no such file, or it is wrong.
    """
    from labctl.station import read_station_file

    content = read_station_file(station)
    plain = content.as_dict()
    library = content.visa_library
    return {
        "name": content.name,
        "file": content.file,
        "rows": content.sample.rows,
        "columns": content.sample.columns,
        "sample": content.sample.name,
        "device": content.sample.device,
        # a served bench names its operator's port, one in process its library
        "simulated": content.bench is not None or library.endswith("@labctl"),
        "bench": library.removesuffix("@labctl") if library.endswith("@labctl") else "",
        "envelope": plain["envelope"],
        "instruments": plain["instruments"],
        "wiring": plain["wiring"],
    }


ANSWERS = {"station_facts": station_facts}
