"""What the rows of a run do not say of its stimuli, as events of the run: enough to apply them again.

Three kinds of events. ``access``: cells were opened, with these settings; ``current limit``: a new compliance;
``stimulus``: from here on, rows of this event are something else than a plain reading or pulse, or come after a wait.
Messages are TOML in one line. An event stands before the rows that it tells of and holds until the next one.
Not here: applying them again (:mod:`labctl_procedures.recorded_stimuli`).
"""

import json
import tomllib
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from labctl.errors import RunError

__all__ = ["ACCESS", "LIMIT", "STIMULUS", "parse_note", "write_note"]

ACCESS, LIMIT, STIMULUS = "access", "current limit", "stimulus"


def write_note(facts: Mapping[str, object]) -> str:
    """Write facts as the message of an event.

    Parameters
    ----------
    facts : mapping of str to object
        Text, numbers, bools and sequences of numbers; what is None is left out.

    Returns
    -------
    str
        Such as ``scheme = "v2", read_voltage_v = 0.2``.

    Raises
    ------
    TypeError
        If a value is nothing of these.
    """
    return ", ".join(f"{name} = {_written(value)}" for name, value in facts.items() if value is not None)


def parse_note(message: str) -> dict[str, Any]:
    """Read the message of an event.

    Parameters
    ----------
    message : str

    Returns
    -------
    dict of str to object

    Raises
    ------
    RunError
        If it was not written by :func:`write_note`.
    """
    try:
        return dict(tomllib.loads(f"note = {{{message}}}")["note"])
    except tomllib.TOMLDecodeError as error:
        raise RunError(f"event {message!r} does not tell how stimuli were applied: {error}") from error


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # numbers of NumPy, too, whose repr is not TOML
    if isinstance(value, Integral):
        return repr(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_written(one) for one in value)}]"
    raise TypeError(f"a note holds text, numbers and lists of them, got {value!r}")
