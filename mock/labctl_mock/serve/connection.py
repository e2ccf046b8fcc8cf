"""One client at one socket of the served bench: bytes in, bytes out, neither without bound, nothing that blocks.

Not here: what the bytes mean (:mod:`labctl_mock.serve.ports`), who waits for the sockets
(:mod:`labctl_mock.serve.server`).
"""

import selectors
import socket
from collections.abc import Callable

__all__ = ["CHUNK", "Connection"]

CHUNK = 1 << 16
"""What is read in one go, and what may wait unread while there are whole messages, unit byte."""
_UNREAD_LIMIT = 1 << 20  # replies that the client does not take; more is not asked of the instrument


class Connection:
    """A client.

    Parameters
    ----------
    channel : socket
        Accepted; belongs to the connection from now on.

    Attributes
    ----------
    has_ended : bool
        The client will send no more; what it sent before still counts.
    is_lost : bool
        Nothing reaches the client any more.
    """

    def __init__(self, channel: socket.socket) -> None:
        channel.setblocking(False)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.channel = channel
        self.has_ended = self.is_lost = False
        self._inbox, self._outbox = b"", bytearray()
        self._is_scanned = False

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to obey or to say."""
        return self.has_ended and not self._outbox and (self._is_scanned or not self._inbox)

    @property
    def has_room(self) -> bool:
        """Whether the client takes its replies; one that does not must wait until it is asked again."""
        return len(self._outbox) < _UNREAD_LIMIT

    @property
    def unobeyed_bytes(self) -> int:
        """How much of messages was received and not taken."""
        return len(self._inbox)

    def interest(self) -> int:
        """Return what to wait for, as a mask of :mod:`selectors`."""
        mask = 0
        if not self.has_ended and (len(self._inbox) < CHUNK or self._is_scanned):
            mask |= selectors.EVENT_READ
        if self._outbox:
            mask |= selectors.EVENT_WRITE
        return mask

    def fill(self) -> None:
        """Take what the client has sent."""
        try:
            data = self.channel.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.has_ended = True
            self._lose()
            return
        if data:
            self._inbox += data
            self._is_scanned = False
        else:
            self.has_ended = True

    def take(self, find_end: Callable[[bytes], int]) -> bytes | None:
        """Return the next whole message without its line feed.

        Parameters
        ----------
        find_end : callable
            Finds the line feed that ends the first message; -1 where there is none yet.

        Returns
        -------
        bytes or None
            None where no message is whole.
        """
        if self._is_scanned or not self._inbox:
            return None
        index = find_end(self._inbox)
        if index < 0:
            self._is_scanned = True
            return None
        message, self._inbox = self._inbox[:index], self._inbox[index + 1 :]
        return message

    def say(self, data: bytes) -> None:
        """Send as soon as the client takes it."""
        if not self.is_lost:
            self._outbox += data
            self.flush()

    def flush(self) -> None:
        """Send what the client takes now."""
        try:
            while self._outbox:
                del self._outbox[: self.channel.send(self._outbox)]
        except BlockingIOError:
            return
        except OSError:
            self._lose()

    def drop_input(self, *, and_end: bool) -> None:
        """Forget what was received and not obeyed, and if so told, take nothing more."""
        self._inbox = b""
        self.has_ended |= and_end

    def close(self) -> None:
        """Close the socket."""
        self.channel.close()

    def _lose(self) -> None:
        # what it sent before is still obeyed, as by an instrument that has it in its input buffer
        self.is_lost = True
        self._outbox.clear()
