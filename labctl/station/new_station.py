"""The station of a bench of a user's own: the file of the rack that it was made like, with another bench and sample.

Not here: the station of a served bench (:mod:`labctl.station.served`), reading station files
(:mod:`labctl.station.station_file`).
"""

from pathlib import Path

from labctl.errors import StationError
from labctl.home import labctl_home
from labctl.station.station_file import read_station_file, station_names
from labctl.toml_file import replace_values

__all__ = ["write_station"]


def write_station(name: str, like: str, *, device: str) -> Path:
    """Write a station file into the per-user folder.

    Parameters
    ----------
    name : str
        Of the station, of the bench that it opens in process, and of the sample.
    like : str
        Name or file of the station of the same rack.
    device : str
        Name of the device in the socket.

    Returns
    -------
    Path

    Raises
    ------
    StationError
        If the name is taken, the other station is wrong, or the file cannot be written.
    """
    path = labctl_home() / "stations" / f"{name}.toml"
    if name in station_names():
        raise StationError(f"station {name}: is there already and stays; choose another with --name")
    content = read_station_file(like)
    values = {"name": name, "visa_library": f"{name}@labctl", "sample.name": name, "sample.device": device}
    text = replace_values(content.text, content.file, values)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise StationError(f"{path}: cannot be written: {error}; check the folder") from error
    return path
