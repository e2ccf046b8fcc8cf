"""Error numbers and texts of SCPI-99 and the exception that carries one through an instrument.

Not here: the queue that remembers errors (:mod:`labctl_mock.messages.status`). Source of numbers and texts:
SCPI-99, volume 2, chapter 21 (21.8.9 command errors, 21.8.10 execution errors, 21.8.11 device errors, 21.8.12 query
errors).
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["SCPI_TEXTS", "MessageFault", "event_bit", "fault_text"]

SCPI_TEXTS: Mapping[int, str] = MappingProxyType(
    {
        0: "No error",
        -100: "Command error",
        -101: "Invalid character",
        -102: "Syntax error",
        -103: "Invalid separator",
        -104: "Data type error",
        -105: "GET not allowed",
        -108: "Parameter not allowed",
        -109: "Missing parameter",
        -110: "Command header error",
        -111: "Header separator error",
        -112: "Program mnemonic too long",
        -113: "Undefined header",
        -114: "Header suffix out of range",
        -120: "Numeric data error",
        -121: "Invalid character in number",
        -123: "Exponent too large",
        -124: "Too many digits",
        -128: "Numeric data not allowed",
        -131: "Invalid suffix",
        -134: "Suffix too long",
        -138: "Suffix not allowed",
        -140: "Character data error",
        -141: "Invalid character data",
        -144: "Character data too long",
        -148: "Character data not allowed",
        -150: "String data error",
        -151: "Invalid string data",
        -158: "String data not allowed",
        -160: "Block data error",
        -161: "Invalid block data",
        -168: "Block data not allowed",
        -170: "Expression error",
        -171: "Invalid expression",
        -178: "Expression data not allowed",
        -200: "Execution error",
        -211: "Trigger ignored",
        -213: "Init ignored",
        -221: "Settings conflict",
        -222: "Data out of range",
        -223: "Too much data",
        -224: "Illegal parameter value",
        -230: "Data corrupt or stale",
        -240: "Hardware error",
        -241: "Hardware missing",
        -310: "System error",
        -330: "Self-test failed",
        -350: "Queue overflow",
        -363: "Input buffer overrun",
        -410: "Query INTERRUPTED",
        -420: "Query UNTERMINATED",
        -430: "Query DEADLOCKED",
        -440: "Query UNTERMINATED after indefinite response",
    }
)

# SCPI-99 21.8.9-21.8.16: each class of error sets one bit of the standard event status register (IEEE 488.2 11.5.1)
_EVENT_BITS = {1: 0x20, 2: 0x10, 3: 0x08, 4: 0x04, 5: 0x80, 6: 0x40, 7: 0x02, 8: 0x01}


class MessageFault(Exception):
    """A program message that an instrument cannot obey; it ends in the error queue and never leaves the instrument.

    Parameters
    ----------
    code : int, unit 1
        Number of the error; negative ones are SCPI-99's.
    detail : str
        Device-dependent information; appended to the standard text after a semicolon.
    """

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


def fault_text(code: int, detail: str = "") -> str:
    """Return the text that an error queue shows for ``code``: SCPI-99's, then ``;detail`` if there is any."""
    text = SCPI_TEXTS.get(code, "Device-specific error")
    return f"{text};{detail}" if detail else text


def event_bit(code: int) -> int:
    """Return the bit of the standard event status register that an error of this number sets."""
    if code > 0:
        return 0x08  # SCPI-99 21.8.11: positive numbers are device-dependent errors
    return _EVENT_BITS.get(-code // 100, 0)
