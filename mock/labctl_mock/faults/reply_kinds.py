"""What can happen to a reply on its way back: late, lost, torn, garbled, or a number that is none.

Each function changes the replies of one call. Where a reply has several numbers, that with the most digits is meant:
the measured one, as tags and counters are short. Not here: their names (:mod:`labctl_mock.faults.kinds`).
"""

import re
from collections.abc import Callable

from labctl_mock.faults.call import Call, Link, Piece

__all__ = [
    "append_bytes",
    "append_field",
    "delay",
    "duplicate",
    "empty",
    "end_with",
    "garble_number",
    "has_field",
    "has_number",
    "has_reply",
    "insert_byte",
    "is_in_compliance",
    "lose",
    "put_into_compliance",
    "remove_field",
    "replace_number",
    "split",
    "stall",
    "truncate",
]

_FLOAT = re.compile(rb"[+-]?\d+(?:\.\d*(?:[eE][+-]?\d+)?|[eE][+-]?\d+)")
_SEPARATORS = (b"\t", b";", b",")


def has_reply(call: Call) -> bool:
    """Tell whether there is anything to change."""
    return bool(call.replies)


def has_number(call: Call) -> bool:
    """Tell whether the last reply has a number with a decimal point or an exponent."""
    return bool(call.replies) and _FLOAT.search(call.replies[-1]) is not None


def has_field(call: Call) -> bool:
    """Tell whether the last reply has more than one field."""
    return bool(call.replies) and any(separator in call.replies[-1] for separator in _SEPARATORS)


def is_in_compliance(call: Call) -> bool:
    """Tell whether the last reply says that a source is not in compliance."""
    return bool(call.replies) and b"false" in call.replies[-1]


def delay(link: Link, call: Call, value: float) -> None:
    """Let all replies come ``value`` (unit s) later."""
    pieces = call.pieces or [Piece(reply) for reply in call.replies]
    pieces[0].delay_s += value
    call.pieces = pieces


def lose(link: Link, call: Call, value: None) -> None:
    """Let no reply arrive."""
    call.replies.clear()


def duplicate(link: Link, call: Call, value: None) -> None:
    """Let every reply arrive twice."""
    call.replies *= 2


def split(link: Link, call: Call, value: None) -> None:
    """Let the replies arrive byte by byte."""
    call.pieces = [Piece(bytes([byte])) for reply in call.replies for byte in reply]


def stall(link: Link, call: Call, value: float) -> None:
    """Let half of the replies arrive, and the rest ``value`` (unit s) later."""
    data = b"".join(call.replies)
    half = len(data) // 2
    call.pieces = [piece for piece in (Piece(data[:half]), Piece(data[half:], value)) if piece.data]


def truncate(link: Link, call: Call, value: None) -> None:
    """Cut the second half of the last reply off, line feed left."""
    text = call.replies[-1].rstrip(b"\n")
    call.replies[-1] = text[: len(text) // 2] + b"\n"


def append_bytes(link: Link, call: Call, value: str) -> None:
    """Put ``value`` between the last reply and its line feed."""
    call.replies[-1] = call.replies[-1].rstrip(b"\n") + value.encode("latin-1") + b"\n"


def end_with(link: Link, call: Call, value: None) -> None:
    """End the last reply with a carriage return in place of the line feed."""
    call.replies[-1] = call.replies[-1].rstrip(b"\n") + b"\r"


def insert_byte(byte: bytes) -> Callable[[Link, Call, None], None]:
    """Return a fault that puts ``byte`` into the middle of the last reply."""

    def insert(link: Link, call: Call, value: None) -> None:
        reply = call.replies[-1]
        half = (len(reply) - 1) // 2
        call.replies[-1] = reply[:half] + byte + reply[half:]

    return insert


def garble_number(link: Link, call: Call, value: None) -> None:
    """Turn two characters of the number into signs that no number has."""
    start, stop = _longest(call.replies[-1])
    number = bytearray(call.replies[-1][start:stop])
    number[len(number) // 2] = ord("?")
    number[-1] = ord("~")
    _put(call, start, stop, bytes(number))


def replace_number(text: str) -> Callable[[Link, Call, None], None]:
    """Return a fault that sends ``text`` in place of the number."""

    def replace(link: Link, call: Call, value: None) -> None:
        _put(call, *_longest(call.replies[-1]), text.encode("ascii"))

    return replace


def remove_field(link: Link, call: Call, value: None) -> None:
    """Take the last field of the last reply away."""
    text = call.replies[-1].rstrip(b"\n")
    separator = _separator(text)
    call.replies[-1] = text[: text.rfind(separator)] + b"\n"


def append_field(link: Link, call: Call, value: None) -> None:
    """Send the last field of the last reply twice."""
    text = call.replies[-1].rstrip(b"\n")
    separator = _separator(text)
    call.replies[-1] = text + separator + text[text.rfind(separator) + 1 :] + b"\n"


def empty(link: Link, call: Call, value: None) -> None:
    """Send an empty line in place of the last reply."""
    call.replies[-1] = b"\n"


def put_into_compliance(link: Link, call: Call, value: None) -> None:
    """Say that the source is in compliance."""
    head, found, tail = call.replies[-1].rpartition(b"false")
    call.replies[-1] = head + found.replace(b"false", b"true") + tail


def _longest(reply: bytes) -> tuple[int, int]:
    found = max(_FLOAT.finditer(reply), key=lambda one: (one.end() - one.start(), one.start()))
    return found.span()


def _put(call: Call, start: int, stop: int, number: bytes) -> None:
    call.replies[-1] = call.replies[-1][:start] + number + call.replies[-1][stop:]


def _separator(text: bytes) -> bytes:
    return next((separator for separator in _SEPARATORS if separator in text), b",")
