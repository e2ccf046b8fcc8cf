"""What a station was told to be at present: outputs, relays, and what each line of the array hangs on.

Nothing is asked of an instrument. Not here: who writes it down (:mod:`labctl.run.state_board`), reading instruments
back (:mod:`labctl.station.read_back`).
"""

from collections.abc import Mapping, Set
from typing import Any

from labctl.station.guard import Guard
from labctl.station.wiring import MatrixWiring, Wiring

__all__ = ["connected_lines", "present_outputs"]


def present_outputs(guard: Guard) -> dict[str, dict[str, Any]]:
    """Tell what every source terminal was told.

    Parameters
    ----------
    guard : Guard

    Returns
    -------
    dict of str to dict
        By terminal: ``on`` (or may be), ``level_v`` (unit V; None where it is in doubt), ``changing`` (whether it is
        in doubt only because a stimulus is on its way), ``pulsed`` (whether the level is the plateau of pulses from
        0 V), ``limit_a`` (None).
    """
    on, in_doubt, changing, standing = set(guard.on), guard.in_doubt, guard.changing, guard.standing
    return {
        terminal: {
            "on": terminal in on,
            "level_v": None if terminal in in_doubt else level_v,
            "changing": terminal in changing,
            "pulsed": terminal not in standing,
            "limit_a": None,
        }
        for terminal, level_v in dict(guard.levels_v).items()
    }


def connected_lines(wiring: Wiring, relays: Mapping[str, Set[str] | None]) -> dict[str, str]:
    """Tell which terminal each line of the array hangs on, as the closed crosspoints and the wiring say.

    Parameters
    ----------
    wiring : Wiring
        Of the station.
    relays : mapping of str to set of str
        Closed crosspoints by matrix; None where they are not known.

    Returns
    -------
    dict of str to str
        Such as ``{"word 3": "smu1.a"}``; lines that hang on nothing are left out. One that hangs on two rows names
        both.
    """
    if wiring.direct is not None:
        ends = {"word 0": wiring.direct.word, "bit 0": wiring.direct.bit, "control": wiring.direct.control}
        return {line: terminal for line, terminal in ends.items() if terminal is not None}
    words = ["source plate"] if wiring.control is not None and wiring.control.common_source else None
    lines = words or [f"word {index}" for index in range(len(wiring.word_lines))]
    names = dict(zip(wiring.word_lines, lines, strict=True))
    names |= {column: f"bit {index}" for index, column in enumerate(wiring.bit_lines)}
    if wiring.identification is not None:
        names[wiring.identification] = "identification pad"
    found = _connected(wiring, names, relays)
    if wiring.control is not None:
        gates = {column: f"gate {index}" for index, column in enumerate(wiring.control.lines)}
        found |= _connected(wiring.control, gates, relays)
    return found


def _connected(
    network: MatrixWiring, names: Mapping[str, str], relays: Mapping[str, Set[str] | None]
) -> dict[str, str]:
    hanging: dict[str, list[str]] = {}
    for point in sorted(relays.get(str(network.matrix)) or ()):
        # "1A01" joins row A to column 01 of slot 1
        column, row = point[0] + point[2:], point[1]
        hanging.setdefault(column, []).append(network.rows.get(row, f"row {row}"))
    return {name: " and ".join(hanging[column]) for column, name in names.items() if column in hanging}
