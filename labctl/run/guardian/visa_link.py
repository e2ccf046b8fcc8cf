"""One connection of the guardian to one instrument, through VISA alone.

Not here: the drivers' connections, which know more (:mod:`labctl_instruments.link`).
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import pyvisa
from pyvisa.resources import MessageBasedResource

__all__ = ["LINK_ERRORS", "VisaLink"]

# what VISA libraries raise when a link is sick
LINK_ERRORS = (pyvisa.errors.Error, OSError, UnicodeError)
_OPEN_TIMEOUT_MS = 900
_TIMEOUT_MS = 900


class VisaLink:
    """An open connection.

    Parameters
    ----------
    manager : pyvisa.ResourceManager
        Opens it.
    resource : str
        VISA resource name.

    Raises
    ------
    Exception
        Whatever the VISA library raises; some raise no class of their own.
    """

    def __init__(self, manager: pyvisa.ResourceManager, resource: str) -> None:
        self._session = cast(
            MessageBasedResource,
            manager.open_resource(
                resource,
                open_timeout=_OPEN_TIMEOUT_MS,
                timeout=_TIMEOUT_MS,
                read_termination="\n",
                write_termination="\n",
            ),
        )
        self._is_stream = resource.upper().endswith("::SOCKET")

    def write(self, messages: Sequence[str]) -> None:
        """Write messages that have no answers, each though others fail.

        Parameters
        ----------
        messages : sequence of str

        Raises
        ------
        OSError
            If any could not be written.
        """
        # as one write on a stream: the system would hold the second of two small ones back until the instrument has
        # acknowledged the first (RFC 896), which can take it 200 ms (RFC 1122, 4.2.3.2)
        parts = ["\n".join(messages)] if self._is_stream else messages
        failures = []
        for part in parts:
            try:
                self._session.write(part)
            except LINK_ERRORS as error:
                failures.append(f"{part!r}: {error}")
        if failures:
            raise OSError(f"could not write {'; '.join(failures)}")

    def ask(self, question: str) -> str:
        """Write a question and return its answer without line end.

        Parameters
        ----------
        question : str

        Returns
        -------
        str
        """
        return self._session.query(question).strip()

    def clear(self) -> None:
        """Clear the device where the interface can: the dead process may have left half a message there."""
        if not self._is_stream:
            self._session.clear()

    def close(self) -> None:
        """Close the connection, however sick it is."""
        with suppress(*LINK_ERRORS):
            self._session.close()
