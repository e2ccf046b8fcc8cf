"""Channel lists of the 707B: ``"1A01,1B02:1B05;slot3"`` to crosspoints and back.

Not here: what is done with them (:mod:`labctl_mock.keithley.keithley707b`). Source: 707B-901-01 Rev. B, pages 2-81
and 2-82 (specifiers, lists, ranges). Assumed: letters may be lower case; a range runs along the columns of a row,
then on to the next row; the error numbers. Left out: channel patterns, two-digit rows of other cards.
"""

import re
from collections.abc import Mapping

from labctl_mock.tsp.faults import TspFault

__all__ = ["CARD_COLUMNS", "CARD_ROWS", "parse_channels", "slot_channels"]

CARD_ROWS = "ABCDEFGH"  # 7174A: 8 rows by 12 columns
CARD_COLUMNS = 12
_PARAMETER = 1115  # assumed number
_CHANNEL = re.compile(r"([1-9])([A-Z])(\d\d)")
_SLOT = re.compile(r"SLOT([1-9])")
_CROSSPOINTS = tuple(f"{row}{column:02d}" for row in CARD_ROWS for column in range(1, CARD_COLUMNS + 1))


def slot_channels(slot: int) -> tuple[str, ...]:
    """Return the crosspoints of a 7174A in ``slot``, in channel order."""
    return tuple(f"{slot}{crosspoint}" for crosspoint in _CROSSPOINTS)


def parse_channels(text: str, cards: Mapping[int, str]) -> list[str]:
    """Return the crosspoints that a channel list names, each once, in the order of the list.

    Parameters
    ----------
    text : str
        The list; ``"allslots"`` names every crosspoint.
    cards : mapping of int to str
        Model of the card in each occupied slot.

    Returns
    -------
    list of str
        Such as ``["1A01", "1B02"]``.

    Raises
    ------
    TspFault
        1115 where the list is empty, ill-formed or names what is not there; nothing of it is used then.
    """
    found: dict[str, None] = {}
    for item in re.split(r"[,;]", text.upper()):
        found.update(dict.fromkeys(_item(item.strip(), cards)))
    return list(found)


def _item(item: str, cards: Mapping[int, str]) -> list[str]:
    if item == "ALLSLOTS":
        return [channel for slot in sorted(cards) for channel in slot_channels(slot)]
    match = _SLOT.fullmatch(item)
    if match:
        slot = int(match[1])
        _check_slot(slot, cards)
        return list(slot_channels(slot))
    first, colon, last = item.partition(":")
    start = _channel(first.strip(), cards)
    if not colon:
        return [start]
    end = _channel(last.strip(), cards)
    if start[0] != end[0]:
        raise TspFault(_PARAMETER, f"Parameter error: range {start}:{end} spans slots")
    channels = slot_channels(int(start[0]))
    low, high = channels.index(start), channels.index(end)
    if low > high:
        raise TspFault(_PARAMETER, f"Parameter error: range {start}:{end} runs backwards")
    return list(channels[low : high + 1])


def _channel(text: str, cards: Mapping[int, str]) -> str:
    match = _CHANNEL.fullmatch(text)
    if not match:
        raise TspFault(_PARAMETER, f"Parameter error: invalid channel specifier {text[:20]!r}")
    _check_slot(int(match[1]), cards)
    if match[2] not in CARD_ROWS or not 1 <= int(match[3]) <= CARD_COLUMNS:
        raise TspFault(_PARAMETER, f"Parameter error: channel {text} does not exist on the {cards[int(match[1])]}")
    return text


def _check_slot(slot: int, cards: Mapping[int, str]) -> None:
    if slot not in cards:
        raise TspFault(_PARAMETER, f"Parameter error: no card in slot {slot}")
