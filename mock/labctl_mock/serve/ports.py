"""What stands behind a port of the served bench: an instrument. Not here: sockets, and the operator's port.

A raw socket has no END and no device clear: a message ends with a line feed, and so does its reply, which is sent as
soon as it is there. So no reply is ever left for the next message to interrupt.
"""

from typing import Protocol

from labctl_mock.faults import FaultyInstrument
from labctl_mock.serve.connection import CHUNK, Connection

__all__ = ["InstrumentPort", "Port"]

_CLIENTS = 4  # assumed for all: generators of this make take two, other makes up to six
_MESSAGE_LIMIT = 1 << 22  # byte; assumed
_OVERRUN = -363


class Port(Protocol):
    """What the server asks of what stands behind a port."""

    @property
    def acts(self) -> bool:
        """Whether a message takes time on the bench, so that it must wait until the wall has caught up."""
        ...

    def join(self, connection: Connection) -> bool:
        """Take a client in; False where it is refused."""
        ...

    def has_cut(self, connection: Connection) -> bool:
        """Tell whether the link to the client broke at this end."""
        ...

    def obey(self, connection: Connection) -> bool:
        """Obey the client's next message; False where there is none."""
        ...

    def collect(self) -> None:
        """Send what has become ready."""
        ...

    def wait_s(self) -> float:
        """Return in how many seconds of the bench something will be ready, inf where nothing is under way."""
        ...

    def leave(self, connection: Connection) -> None:
        """Let a client go: what it asked has no reader any more."""
        ...


class InstrumentPort:
    """An instrument behind a raw socket.

    The clients share the instrument: each has its own input, and a reply goes to the client whose message was obeyed
    last. When that client leaves, its reply is dropped and an operation that it waits for is given up, as by a device
    clear; outputs and settings stay (assumed; the manuals are silent).

    Parameters
    ----------
    link : FaultyInstrument
        The instrument with its cable.
    """

    acts = True

    def __init__(self, link: FaultyInstrument) -> None:
        self._link = link
        self._generations: dict[Connection, int] = {}
        self._asker: Connection | None = None

    def join(self, connection: Connection) -> bool:
        """Take a client in; False where there are too many or a fault refuses it."""
        generation = self._link.connect() if len(self._generations) < _CLIENTS else None
        if generation is None:
            return False
        self._generations[connection] = generation
        return True

    def has_cut(self, connection: Connection) -> bool:
        """Tell whether a fault broke the client's link."""
        return self._generations[connection] != self._link.generation

    def obey(self, connection: Connection) -> bool:
        """Obey the client's next message; False where there is none or the instrument waits."""
        if self._link.exchange.is_held:
            if self._asker is connection and connection.has_ended:
                connection.drop_input(and_end=True)
            return False
        if not connection.has_room:
            return False
        message = connection.take(self._link.message_end)
        if message is None:
            if connection.unobeyed_bytes > _MESSAGE_LIMIT:
                connection.drop_input(and_end=False)
                self._link.report(_OVERRUN)
            return False
        self._asker = connection
        self._link.receive(message + b"\n", False)
        return True

    def collect(self) -> None:
        """Send the replies that are ready."""
        while self._link.exchange.message_available:
            data, _ = self._link.transmit(CHUNK)
            if not data:
                return
            if self._asker is not None:
                self._asker.say(data)

    def wait_s(self) -> float:
        """Return in how many seconds of the bench a late reply arrives, inf where none is under way."""
        return self._link.wait_s()

    def leave(self, connection: Connection) -> None:
        """Drop what the client asked."""
        self._generations.pop(connection, None)
        if self._asker is connection:
            self._asker = None
            if self._link.exchange.is_held:
                self._link.clear()
            self._link.disconnect()
