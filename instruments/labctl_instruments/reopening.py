"""Open a VISA session again, so that nothing that was said before can be heard after.

A raw socket knows no device clear: throwing away what has arrived does not stop an answer that is still on its way, so
the connection itself is replaced. A bus or a protocol with a device clear gets one as well, before the first question.
Not here: who asks again and what (:mod:`labctl_instruments.asking`).
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pyvisa

from labctl.errors import ReplayError

__all__ = ["LINK_ERRORS", "OPENING_S", "reopen", "send_at_once"]

# PyVISA warns where a line end is missing; where warnings are errors, that is a broken frame
LINK_ERRORS = (pyvisa.errors.Error, OSError, UnicodeError, UserWarning)
OPENING_S = 1.0


def reopen(connection: Any, settings: Mapping[str, Any]) -> None:
    """Close the session of a PyVISA resource and give it a new one with the same settings.

    Parameters
    ----------
    connection : pyvisa.resources.MessageBasedResource
        PyMeasure's ``adapter.connection``; it stays the same object.
    settings : mapping of str to object
        Attributes to set on the new session, such as ``timeout`` and ``read_termination``.

    Raises
    ------
    ConnectionError
        If there is no new session within a second or so.
    OSError, pyvisa.errors.Error
        Likewise.
    ReplayError
        If a recording answers, and has no more to say: no link is involved.
    """
    with suppress(*LINK_ERRORS):
        connection.close()
    try:
        connection.open(open_timeout=round(1e3 * OPENING_S))
    except (*LINK_ERRORS, ReplayError):
        raise
    except Exception as error:
        raise ConnectionError(str(error)) from error
    send_at_once(connection)
    for name, value in settings.items():
        setattr(connection, name, value)
    if connection.resource_class != "SOCKET":
        connection.clear()


def send_at_once(connection: Any) -> None:
    """Let a raw socket of pyvisa-py send each message when it is written.

    VISA says so (VI_ATTR_TCPIP_NODELAY is true by default); pyvisa-py leaves it off and cannot set it. A question then
    waits 40 ms for the acknowledgement of the setting before it.

    Parameters
    ----------
    connection : pyvisa.resources.MessageBasedResource
        Any; others than raw sockets of pyvisa-py are left alone.
    """
    sessions = getattr(getattr(connection, "visalib", None), "sessions", None)
    session = sessions.get(connection.session) if isinstance(sessions, dict) else None
    interface = getattr(session, "interface", None)
    if isinstance(interface, socket.socket):
        interface.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
