"""What all SCPI instruments share: tags by the event status enable register, the error queue.

Source: IEEE 488.2-1992, 6.1.10 (the answers of one program message come back as one response message, joined by
semicolons, in order), 10.10 and 10.11 (``*ESE``); SCPI-99 volume 2, 21.8 (``SYSTem:ERRor?``). Not here: the
instruments (``labctl_instruments.keysight``).
"""

import re
from typing import ClassVar

from labctl.errors import ProtocolError
from labctl_instruments.link import LinkedInstrument

__all__ = ["ScpiInstrument"]

_ENTRY = re.compile(r'([+-]?\d+),"(.*)"')
_MOST_STALE = 100


class ScpiInstrument(LinkedInstrument):
    """An instrument that speaks SCPI.

    The tag is written into the event status enable register and read back in front of the answer: the register decides
    which events ask for service, which these drivers do not use.
    """

    ERROR_QUESTION: ClassVar[str] = "SYST:ERR?"
    SETTLING: ClassVar[str] = "*OPC?"

    def tagged(self, message: str, tag: int) -> str:
        """Put ``*ESE tag;*ESE?`` in front; common commands leave the path at the root (SCPI-99 volume 1, 6.2.4).

        Parameters
        ----------
        message : str
        tag : int, unit 1

        Returns
        -------
        str
        """
        return f"*ESE {tag};*ESE?;{message}"

    def untagged(self, message: str, tag: int) -> str:
        """Read one response message and take the tag off.

        Parameters
        ----------
        message : str
        tag : int, unit 1

        Returns
        -------
        str

        Raises
        ------
        ProtocolError
            If it does not begin with the tag.
        """
        reply: str = self.adapter.read()
        head, _, rest = reply.partition(";")
        if not _is_tag(head, tag):
            raise ProtocolError(f"{self.name}: the answer {reply[:120]!r} has not the tag {tag} of its question")
        return rest

    def catch_up(self, tag: int) -> None:
        """Ask for the tag alone; answers to questions that somebody else asked come before it.

        Parameters
        ----------
        tag : int, unit 1

        Raises
        ------
        ProtocolError
            If it does not come within 100 response messages.
        """
        self.adapter.write(f"*ESE {tag};*ESE?")
        for _ in range(_MOST_STALE):
            if _is_tag(self.adapter.read(), tag):
                return
        raise ProtocolError(f"{self.name}: no answer {tag} among the last {_MOST_STALE}")

    def reset(self) -> None:
        """Bring the instrument to its defaults, outputs off, error queue empty."""
        self.forget()
        self.send("*RST;*CLS")

    def error_entry(self, reply: str) -> tuple[int, str]:
        """Take ``code,"text"`` apart.

        Parameters
        ----------
        reply : str

        Returns
        -------
        tuple of int and str

        Raises
        ------
        ValueError
            If ``reply`` is anything else.
        """
        match = _ENTRY.fullmatch(reply.strip())
        if match is None:
            raise ValueError(f'not code,"text": {reply!r}')
        return int(match[1]), match[2].replace('""', '"')


def _is_tag(text: str, tag: int) -> bool:
    # some print a sign, some leading zeros
    return text.strip().lstrip("+0") == str(tag)
