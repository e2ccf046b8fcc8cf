"""TOML text to plain values, with bounds that no file of a lab comes near and a file made to hurt does.

And values of such a text replaced, comments and all else as they were.

Not here: which keys a file may have (``strict_table`` of the station, ``strict_toml`` of the bench, the presets).
"""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from labctl.errors import StationError

__all__ = ["parse_toml_text", "replace_values"]

_MAX_CHARACTERS = 1_000_000
_MAX_DEPTH = 32
_SECTION = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?")
_PAIR = re.compile(r"(\s*)([A-Za-z_]+)(\s*=)")
_INT64 = 2**63  # TOML 1.0: what does not fit in 64 bits must be refused


def parse_toml_text(text: str, file: str) -> dict[str, Any]:
    """Parse TOML.

    Parameters
    ----------
    text : str
        The whole file, at most a million characters.
    file : str
        Its name, for messages.

    Returns
    -------
    dict
        Nested at most 32 deep; whole numbers fit in 64 bits.

    Raises
    ------
    StationError
        If ``text`` is not TOML or breaks a bound; the message names the file and, for faults of syntax, the line.
    """
    if len(text) > _MAX_CHARACTERS:
        raise StationError(f"{file}: must have at most {_MAX_CHARACTERS} characters, got {len(text)}; shorten it")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = found[1] if found else text.count("\n") + 1
        raise StationError(f"{file}, line {line}: not valid TOML: {error}; correct that line") from error
    except RecursionError as error:
        raise StationError(f"{file}: is nested too deep; at most {_MAX_DEPTH} levels are read") from error
    except ValueError as error:  # int() refuses thousands of digits
        raise StationError(f"{file}: holds a number that cannot be read: {error}; correct it") from error
    _check_bounds(content, file)
    return content


def _check_bounds(content: dict[str, Any], file: str) -> None:
    level: list[object] = [content]
    depth = 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise StationError(f"{file}: is nested too deep; at most {_MAX_DEPTH} levels are read")
        below: list[object] = []
        for value in level:
            if isinstance(value, int) and not -_INT64 <= value < _INT64:
                raise StationError(
                    f"{file}: whole numbers must fit in 64 bits, one has {value.bit_length()}; correct it"
                )
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
        level = below


def replace_values(text: str, file: str, values: Mapping[str, str | int]) -> str:
    """Replace values of a TOML text, line by line.

    Parameters
    ----------
    text : str
    file : str
        Its name, for messages.
    values : Mapping of str to (str or int)
        By dotted key, such as ``"die.device"``; each stands on a line of its own.

    Returns
    -------
    str

    Raises
    ------
    StationError
        If the text is not TOML, or a key does not stand on a line of its own.
    """
    wanted = parse_toml_text(text, file)
    for key, value in values.items():
        *path, last = key.split(".")
        table = wanted
        for name in path:
            table = table.setdefault(name, {})
        table[last] = value
    lines, section = [], ""
    for line in text.splitlines(keepends=True):
        heading, pair = _SECTION.fullmatch(line.rstrip("\r\n")), _PAIR.match(line)
        if heading is not None:
            section = heading[1].replace(" ", "") + "."
        elif pair is not None and f"{section}{pair[2]}" in values:
            line = f"{pair[1]}{pair[2]}{pair[3]} {json.dumps(values[f'{section}{pair[2]}'], ensure_ascii=False)}\n"
        lines.append(line)
    changed = "".join(lines)
    try:
        is_right = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise StationError(f"{file}: cannot be changed line by line; put {', '.join(values)} on lines of their own")
    return changed
