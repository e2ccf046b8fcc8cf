"""What all TSP instruments of Keithley share: tags by a printed line, error queue, reset, numbers in answers.

Source: Series 2600B Reference Manual 2600BS-901-01 Rev. F, sections 6 and 9. Not here: the instruments
(``labctl_instruments.keithley``).
"""

from collections.abc import Callable
from typing import ClassVar

from labctl.errors import ProtocolError
from labctl_instruments.link import LinkedInstrument
from labctl_instruments.replies import numbers_alike

__all__ = ["TspInstrument"]

_MARK = "#"
_MOST_STALE = 100


class TspInstrument(LinkedInstrument):
    """An instrument that runs TSP: every message is a chunk of Lua.

    The tag is a line of its own, printed by the chunk before anything else. Common commands such as ``*IDN?`` are no
    Lua and cannot stand in a chunk: they go without a tag, and their answer must be known by its form.
    """

    ERROR_QUESTION: ClassVar[str] = "print(errorqueue.next())"
    SETTLING: ClassVar[str] = 'print("settled")'

    def tagged(self, message: str, tag: int) -> str:
        """Put a ``print`` of the tag in front.

        Parameters
        ----------
        message : str
        tag : int, unit 1

        Returns
        -------
        str
        """
        return message if message.startswith("*") else f'print("{_MARK}{tag}") {message}'

    def untagged(self, message: str, tag: int) -> str:
        """Read the line of the tag and the line of the answer.

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
            If the first line is not the tag, or the second is one.
        """
        if not message.startswith("*"):
            line = self.adapter.read().strip()
            if line != f"{_MARK}{tag}":
                raise ProtocolError(f"{self.name}: {line[:120]!r} came instead of the tag {tag} of the question")
        reply: str = self.adapter.read()
        if reply.startswith(_MARK):
            raise ProtocolError(f"{self.name}: the tag {reply[:120]!r} came instead of an answer")
        return reply

    def catch_up(self, tag: int) -> None:
        """Ask for a tag alone; lines that were printed for somebody else come before it.

        Parameters
        ----------
        tag : int, unit 1

        Raises
        ------
        ProtocolError
            If it does not come within 100 lines.
        """
        line = f"{_MARK}{_MARK}{tag}"
        self.adapter.write(f'print("{line}")')
        for _ in range(_MOST_STALE):
            if self.adapter.read().strip() == line:
                return
        raise ProtocolError(f"{self.name}: no line {line!r} among the last {_MOST_STALE}")

    def reset(self) -> None:
        """Bring the instrument to its defaults, outputs off, error queue empty."""
        self.forget()
        self.send("reset() errorqueue.clear()")

    def error_entry(self, reply: str) -> tuple[int, str]:
        """Take ``code TAB message TAB severity TAB node`` apart.

        Parameters
        ----------
        reply : str

        Returns
        -------
        tuple of int and str

        Raises
        ------
        ValueError
            If there are not four fields, or one that must be a number is none or printed unlike the others.
        """
        code, text, severity, node = reply.strip().split("\t")
        return round(numbers_alike([code, severity, node])[0]), text

    def numbers(self, message: str, count: int) -> list[float]:
        """Ask for ``count`` numbers that come separated by TAB, as ``print`` does.

        Parameters
        ----------
        message : str
            What is asked.
        count : int, unit 1
            How many numbers must come.

        Returns
        -------
        list of float
            In the order of the answer.

        Raises
        ------
        ProtocolError
            If there are more or fewer, or one is not a number, three times over.
        """
        return self.answer(message, _numbers(count), f"{count} numbers separated by TAB")


def _numbers(count: int) -> Callable[[str], list[float]]:
    def parse(reply: str) -> list[float]:
        values = numbers_alike(reply.strip().split("\t"))
        if len(values) != count:
            raise ValueError(f"{len(values)} numbers")
        return values

    return parse
