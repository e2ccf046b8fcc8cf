"""What all TSP instruments of Keithley share: error queue, reset, numbers and truth values in answers.

Source: Series 2600B Reference Manual 2600BS-901-01 Rev. F, sections 6 and 9. Not here: the instruments
(``labctl_instruments.keithley``).
"""

from labctl_instruments.link import LinkedInstrument
from labctl_instruments.replies import number

__all__ = ["TspInstrument"]

_QUEUE_LENGTH = 1000


class TspInstrument(LinkedInstrument):
    """An instrument that runs TSP: every message is a chunk of Lua."""

    def reset(self) -> None:
        """Bring the instrument to its defaults, outputs off, error queue empty."""
        self.forget()
        self.send("reset() errorqueue.clear()")

    def drain_errors(self) -> list[str]:
        """Empty the error queue and return its entries as ``"code: message"``, oldest first.

        Returns
        -------
        list of str

        Raises
        ------
        ProtocolError
            If an entry has not the form ``code TAB message TAB severity TAB node``, or the queue has no end.
        """
        entries: list[str] = []
        message = "print(errorqueue.next())"
        for _ in range(_QUEUE_LENGTH):
            reply = self.query(message)
            fields = reply.split("\t")
            try:
                code = int(number(fields[0]))
            except ValueError:
                raise self.garbled(message, reply, "code TAB message TAB severity TAB node") from None
            if len(fields) != 4:
                raise self.garbled(message, reply, "code TAB message TAB severity TAB node")
            if code == 0:
                return entries
            entries.append(f"{code}: {fields[1]}")
        raise self.garbled(message, entries[-1], f"an end of the error queue within {_QUEUE_LENGTH} entries")

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
            If there are more or fewer, or one is not a number.
        """
        reply = self.query(message)
        try:
            values = [number(field) for field in reply.split("\t")]
        except ValueError:
            raise self.garbled(message, reply, f"{count} numbers separated by TAB") from None
        if len(values) != count:
            raise self.garbled(message, reply, f"{count} numbers separated by TAB")
        return values
