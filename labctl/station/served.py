"""The station file of a served bench: the file of the same rack in process, with other addresses.

Line by line, so that comments and everything else stay as they are. Not here: reading station files
(:mod:`labctl.station.station_file`), the server (``labctl_mock.serve``).
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from labctl.errors import StationError
from labctl.home import labctl_home
from labctl.station.station_file import read_station_file, station_names
from labctl.toml_file import replace_values

__all__ = ["remove_served_station", "served_station_text", "station_of_bench", "write_served_station"]

_HEAD = "# Written by `labctl bench serve`, which removes it when it ends: copy it to keep it.\n"
_LIBRARY = re.compile(r"^\s*visa_library\s*=.*\n", re.MULTILINE)


def station_of_bench(bench: str) -> str | None:
    """Find the known station that opens a bench in process.

    Parameters
    ----------
    bench : str
        Name or file of the bench.

    Returns
    -------
    str or None
        Its name; that of the bench where several open it. None where there is none.
    """
    found = []
    for station in station_names():
        try:
            opened, _, backend = read_station_file(station).visa_library.rpartition("@")
        except StationError:
            continue  # a broken station of the user is no matter of this bench
        if backend == "labctl" and _place(opened) == _place(bench):
            found.append(station)
    return bench if bench in found else next(iter(found), None)


def served_station_text(template: str, name: str, control: str, resources: Mapping[str, str]) -> str:
    """Return the text of a station file with the addresses of a served bench.

    Parameters
    ----------
    template : str
        Name or file of the station whose rack is served.
    name : str
        Of the new station.
    control : str
        Address of the bench's operator's port.
    resources : mapping of str to str
        New VISA resource name by the old one; every instrument of the template must be among the old ones.

    Returns
    -------
    str

    Raises
    ------
    StationError
        If the template is wrong, names an instrument that is not served, or is written in a way that cannot be changed
        line by line.
    """
    content = read_station_file(template)
    old = {known.upper(): new for known, new in resources.items()}
    for key, entry in content.instruments.items():
        if entry.resource.upper() not in old:
            raise StationError(
                f"{content.file}: instruments.{key}.resource: {entry.resource} is not on this bench, which has "
                f"{', '.join(resources)}; give the station of this bench with --station"
            )
    values: dict[str, str | int] = {
        f"instruments.{key}.resource": old[entry.resource.upper()] for key, entry in content.instruments.items()
    }
    values |= {"name": name, "visa_library": "@py"}
    if content.bench is not None:
        values["bench"] = control
    text = replace_values(content.text, content.file, values)
    if content.bench is None:
        text = _LIBRARY.sub(lambda line: f"{line[0]}bench = {json.dumps(control)}\n", text, count=1)
    return _HEAD + text


def write_served_station(name: str, text: str) -> Path:
    """Write the station file of a served bench, in place of one that an earlier server left.

    Parameters
    ----------
    name : str
    text : str

    Returns
    -------
    Path

    Raises
    ------
    StationError
        If a file of that name is not such a file, or it cannot be written.
    """
    path = labctl_home() / "stations" / f"{name}.toml"
    try:
        if path.exists() and not path.read_text(encoding="utf-8").startswith(_HEAD):
            raise StationError(f"{path}: is not from `labctl bench serve` and would be overwritten; rename it")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StationError(f"{path}: cannot be written: {error}; check the folder") from error
    return path


def remove_served_station(path: Path, text: str) -> bool:
    """Remove a served bench's station file, unless someone has changed it.

    Parameters
    ----------
    path : Path
    text : str
        As it was written.

    Returns
    -------
    bool
        Whether it is gone.
    """
    try:
        if path.read_text(encoding="utf-8") != text:
            return False
        path.unlink()
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError):
        return False
    return True


def _place(bench: str) -> str | Path:
    return Path(bench).resolve() if bench.lower().endswith(".toml") else bench
