"""The error that a TSP command ends in, and the numbers that simulated TSP instruments use.

Not here: the queue (:mod:`labctl_mock.messages.status`). Sources: 2600BS-901-01 Rev. F and 707B-901-01 Rev. B,
"Error summary list"; numbers marked *assumed* are not confirmed against a printed list.
"""

__all__ = ["TspFault", "too_big", "too_small"]

PARAMETER_TOO_BIG = 1101
PARAMETER_TOO_SMALL = 1102


class TspFault(Exception):
    """A command that the instrument refuses; it goes into the error queue and ends the running chunk.

    Parameters
    ----------
    code : int, unit 1
        Number of the error.
    text : str
        What the error queue shows.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def too_big() -> TspFault:
    """Return error 1101, "Parameter too big"."""
    return TspFault(PARAMETER_TOO_BIG, "Parameter too big")


def too_small() -> TspFault:
    """Return error 1102, "Parameter too small"."""
    return TspFault(PARAMETER_TOO_SMALL, "Parameter too small")
