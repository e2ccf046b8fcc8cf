"""Values of parameters that a user keeps under a name: ``<LABCTL_HOME>/presets/<procedure>/<name>.toml``.

Not here: the defaults of a station (:mod:`labctl.station.defaults_table`), presets of devices
(:mod:`labctl.physics.presets`).
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from labctl.errors import RunError, StationError
from labctl.home import labctl_home
from labctl.station.strict_table import StrictTable

__all__ = ["load_preset", "preset_names", "save_preset"]

_SCHEMA = 1
_NAME = re.compile(r"\w[\w .+-]{0,63}(?<![ .])")
_FORM = "a name has 1 to 64 letters, digits, spaces and . + - _, begins with a letter or digit and ends with no dot"


def preset_names(procedure: str) -> list[str]:
    """Return the names of the presets of a procedure, sorted.

    Parameters
    ----------
    procedure : str
        Such as ``"sweep_iv"``.

    Returns
    -------
    list of str
    """
    return sorted(path.stem for path in _folder(procedure).glob("*.toml"))


def save_preset(procedure: str, name: str, values: Mapping[str, str]) -> Path:
    """Keep values under a name; one of that name is replaced.

    Parameters
    ----------
    procedure : str
    name : str
    values : mapping of str to str
        As a person types them.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    RunError
        If the name cannot be that of a file, or the file cannot be written.
    """
    path = _path(procedure, name)
    lines = [f"schema = {_SCHEMA}", f"procedure = {_quoted(procedure)}", "", "[parameters]"]
    lines += [f"{key} = {_quoted(value)}" for key, value in values.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise RunError(f"preset {name!r} of {procedure}: {path} cannot be written: {error}; make room") from error
    return path


def load_preset(procedure: str, name: str) -> dict[str, str]:
    """Return the values of a preset.

    Parameters
    ----------
    procedure : str
    name : str

    Returns
    -------
    dict of str to str
        As a person types them; whether the procedure takes them is not judged here.

    Raises
    ------
    RunError
        If there is none of that name; the known ones are listed.
    StationError
        If the file is damaged, or belongs to another procedure.
    """
    path = _path(procedure, name)
    if not path.is_file():
        known = ", ".join(preset_names(procedure)) or "none"
        raise RunError(f"{procedure} has no preset {name!r}; there are: {known} ({path.parent})")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StationError(f"{path}: cannot be read: {error}; save the preset again") from error
    table = StrictTable.parse(text, str(path))
    table.whole("schema", least=_SCHEMA, most=_SCHEMA)
    if table.string("procedure") != procedure:
        raise table.wrong("procedure", f"must be {procedure!r}, the name of its folder")
    parameters = table.table("parameters")
    values = {key: parameters.plain(key) for key in parameters.names()}
    table.finish()
    return values


def _folder(procedure: str) -> Path:
    return labctl_home() / "presets" / procedure


def _path(procedure: str, name: str) -> Path:
    if _NAME.fullmatch(name) is None:
        raise RunError(f"a preset cannot be named {name!r}: {_FORM}")
    return _folder(procedure) / f"{name}.toml"


def _quoted(text: str) -> str:
    # TOML 1.0: strings escape as in JSON, and U+007F too
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
