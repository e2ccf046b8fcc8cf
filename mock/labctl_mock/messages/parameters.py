"""Kinds of program data (IEEE 488.2 section 7.7, SCPI-99 volume 1 chapter 7), one class each.

Each kind turns the text of one data element into a value or raises :class:`~labctl_mock.messages.MessageFault`. Not
here: numbers (:mod:`labctl_mock.messages.numeric`), cutting a message into elements
(:mod:`labctl_mock.messages.lexer`).
"""

import re
from typing import Protocol

from labctl_mock.messages.faults import MessageFault
from labctl_mock.messages.numeric import Number, refuse_types
from labctl_mock.messages.tree import mnemonic_forms

__all__ = ["Block", "ChannelList", "Choice", "Parameter", "Samples", "Text", "Word"]

_CHANNELS = re.compile(r"[0-9]{1,9}(?::[0-9]{1,9})?(?:,[0-9]{1,9}(?::[0-9]{1,9})?)*")
_MOST_CHANNELS = 10_000


class Parameter(Protocol):
    """A kind of program data."""

    @property
    def is_optional(self) -> bool:
        """Whether the element may be left out; then the handler is called without it."""
        ...

    @property
    def takes_rest(self) -> bool:
        """Whether ``parse`` gets everything up to the end of the unit, commas included."""
        ...

    def parse(self, text: str) -> object:
        """Return the value of one data element.

        Raises
        ------
        MessageFault
            If the text is of another kind or malformed.
        """
        ...


class Choice:
    """One word of a list; long and short forms, any case (SCPI-99 volume 1, 7.1).

    Parameters
    ----------
    words : str
        Long forms with the short form in capitals, such as ``"IMMediate"``.
    is_optional : bool
        Whether it may be left out.
    """

    takes_rest = False

    def __init__(self, *words: str, is_optional: bool = False) -> None:
        self.is_optional = is_optional
        self._forms: dict[str, str] = {}
        for word in words:
            short, long = mnemonic_forms(word)
            self._forms[short] = self._forms[long] = short

    def parse(self, text: str) -> str:
        """Return the short form in capitals.

        Raises
        ------
        MessageFault
            -224 for a word that is not in the list, -128, -158, -168 or -178 for data that are no word.
        """
        try:
            return self._forms[text.upper()]
        except KeyError:
            if text[0].isdigit() or text[0] in "+-.":
                raise MessageFault(-128, text) from None
            refuse_types(text, {"\"'": -158, "#": -168, "(": -178})
            raise MessageFault(-224, text) from None


class Text:
    """A quoted string; a doubled quote stands for one (IEEE 488.2 7.7.5).

    Parameters
    ----------
    is_optional : bool
        Whether it may be left out.
    """

    takes_rest = False

    def __init__(self, *, is_optional: bool = False) -> None:
        self.is_optional = is_optional

    def parse(self, text: str) -> str:
        """Return what stands between the quotes.

        Raises
        ------
        MessageFault
            -104 for data that are no string, -151 for a malformed one.
        """
        quote = text[0]
        if quote not in "\"'":
            raise MessageFault(-104, text)
        body = text[1:-1]
        if len(text) < 2 or text[-1] != quote or quote in body.replace(quote * 2, ""):
            raise MessageFault(-151, text)
        return body.replace(quote * 2, quote)


class Word:
    """Any word or quoted string, such as the name of a waveform."""

    is_optional = False
    takes_rest = False
    _text = Text()

    def parse(self, text: str) -> str:
        """Return the word in capitals, or what stands between the quotes.

        Raises
        ------
        MessageFault
            -104 for a number, a block or an expression, -151 for a malformed string.
        """
        if text[0] in "\"'":
            return self._text.parse(text)
        if not text[0].isalpha():
            raise MessageFault(-104, text)
        return text.upper()


class Block:
    """A definite or indefinite arbitrary block (IEEE 488.2 7.7.6)."""

    is_optional = False
    takes_rest = False

    def parse(self, text: str) -> bytes:
        """Return the bytes of the block.

        Raises
        ------
        MessageFault
            -104 for data that are no block, -161 for a length that does not fit.
        """
        if text[0] != "#" or text[1:2] not in tuple("0123456789"):
            raise MessageFault(-104, text[:20])
        if text[1] == "0":
            return text[2:].encode("latin-1")
        first = 2 + int(text[1])
        length = text[2:first]
        if not (length.isascii() and length.isdigit()) or len(text) != first + int(length):
            raise MessageFault(-161)
        return text[first:].encode("latin-1")


class ChannelList:
    """A channel list such as ``(@1,3:5)`` (SCPI-99 volume 1, 8.3.2), without module names or dimensions."""

    is_optional = False
    takes_rest = False

    def parse(self, text: str) -> tuple[int, ...]:
        """Return the channels in the order of the list; ``3:1`` counts down.

        Raises
        ------
        MessageFault
            -104 for data that are no expression, -171 for a malformed list.
        """
        if text[0] != "(":
            raise MessageFault(-104, text)
        body = text[1:-1].replace(" ", "")
        if text[-1] != ")" or body[:1] != "@" or not _CHANNELS.fullmatch(body[1:]):
            raise MessageFault(-171, text)
        channels: list[int] = []
        for part in body[1:].split(","):
            first, _, last = part.partition(":")
            start, end = int(first), int(last or first)
            if len(channels) + abs(end - start) >= _MOST_CHANNELS:
                raise MessageFault(-171, text[:40])
            step = 1 if end >= start else -1
            channels.extend(range(start, end + step, step))
        return tuple(channels)


class Samples:
    """All that is left of a command's data: a block, or numbers between commas."""

    is_optional = False
    takes_rest = True
    _block = Block()
    _number = Number(limits=())

    def parse(self, text: str) -> bytes | tuple[float, ...]:
        """Return the bytes of the block or the numbers.

        Raises
        ------
        MessageFault
            As :meth:`Block.parse` and :meth:`Number.parse`.
        """
        if text[0] == "#":
            return self._block.parse(text)
        return tuple(float(self._number.parse(part.strip() or ",")) for part in text.split(","))
