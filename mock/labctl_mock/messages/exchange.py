"""Message exchange of IEEE 488.2 (section 6): input buffer, output queue and the three query errors.

Bytes come in by :meth:`MessageExchange.receive` and leave by :meth:`MessageExchange.transmit`; between them whole
program messages go to the device, which puts response messages. Not here: what a message means
(:mod:`labctl_mock.messages.instrument`, :mod:`labctl_mock.messages.scpi`) and transports (:mod:`labctl_mock.visa`).
"""

from collections import deque
from typing import Protocol

__all__ = ["MessageDevice", "MessageExchange"]


class MessageDevice(Protocol):
    """What the exchange asks of an instrument."""

    def handle(self, message: str) -> None:
        """Obey one program message, without its terminator; bytes are decoded one to one as Latin-1."""
        ...

    def report(self, code: int) -> None:
        """Put an error into the error queue."""
        ...

    def message_end(self, buffer: bytes) -> int:
        """Return the index of the line feed that ends the first program message, -1 where there is none yet."""
        ...


class MessageExchange:
    """Input buffer, output queue and message available.

    Parameters
    ----------
    device : MessageDevice
        Gets the program messages.
    is_interruptible : bool
        True (IEEE 488.2 6.3.2.3): a new program message throws unread responses away with error -410. False: responses
        wait in line until read, as TSP instruments keep printed lines.
    input_capacity, output_capacity : int, unit byte
        Sizes of the buffers: they decide when a message with many queries is DEADLOCKED (6.3.1.7) and when an endless
        message overruns the input (-363).
    """

    def __init__(
        self,
        device: MessageDevice,
        *,
        is_interruptible: bool = True,
        input_capacity: int = 1 << 26,
        output_capacity: int = 1 << 26,
    ) -> None:
        self._device = device
        self._is_interruptible = is_interruptible
        self._input_capacity = input_capacity
        self._output_capacity = output_capacity
        self._input = b""
        self._output: deque[bytes] = deque()
        self._message_size = 0
        self._is_held = False

    @property
    def message_available(self) -> bool:
        """Whether the output queue holds anything (MAV)."""
        return bool(self._output)

    @property
    def responses(self) -> tuple[bytes, ...]:
        """The response messages that wait to be read, oldest first, with their line feeds."""
        return tuple(self._output)

    @responses.setter
    def responses(self, responses: tuple[bytes, ...]) -> None:
        self._output = deque(responses)

    @property
    def is_held(self) -> bool:
        """Whether the device awaits an operation that never ends."""
        return self._is_held

    def receive(self, data: bytes, end: bool) -> None:
        """Take bytes from a transport and obey each program message that they complete.

        A message ends with a line feed, with END on its last byte, or with both (IEEE 488.2 7.5).

        Parameters
        ----------
        data : bytes
            Any piece of a message, or several messages.
        end : bool
            Whether END (EOI) came with the last byte.
        """
        buffer = self._input + data if self._input else data
        if self._is_held:
            self._input = buffer
            return
        while buffer:
            index = self._device.message_end(buffer)
            if index < 0:
                if not end:
                    break
                message, buffer = buffer, b""
            else:
                message, buffer = buffer[:index], buffer[index + 1 :]
            # a query later in the same message must find the input buffer without this message
            self._input = buffer
            self._obey(message)
            if self._is_held:
                return
        if buffer and self._output:
            self._interrupt()  # the first byte of a new message is enough (6.3.2.3)
        if len(buffer) > self._input_capacity:
            buffer = b""
            self._device.report(-363)
        self._input = buffer

    def _obey(self, message: bytes) -> None:
        if self._output:
            self._interrupt()
        self._message_size = len(message)
        self._device.handle(message.decode("latin-1"))

    def _interrupt(self) -> None:
        if self._is_interruptible:
            self._output.clear()
            self._device.report(-410)

    def put(self, response: str) -> None:
        """Append one response message to the output queue; the line feed is added here, END goes with it."""
        data = response.encode("latin-1") + b"\n"
        waiting = sum(map(len, self._output)) if self._output else 0
        if self._message_size > self._input_capacity and waiting + len(data) > self._output_capacity:
            # 6.3.1.7: controller blocked in sending, device blocked in answering; the answer is given up
            self._device.report(-430)
            return
        self._output.append(data)

    def transmit(self, max_bytes: int, stop: int | None = None) -> tuple[bytes, bool]:
        """Give the next bytes of the oldest response message.

        Parameters
        ----------
        max_bytes : int, unit byte
            At most so many; the rest stays.
        stop : int or None
            Byte after which the transport stops reading, such as VISA's termination character.

        Returns
        -------
        data : bytes
            Empty when there is nothing to say: the transport then waits until its time is out. Unless a message is
            being executed or is under way, that is error -420 (6.3.2.2).
        end : bool
            Whether END comes with the last byte.
        """
        if not self._output:
            if not self._is_held:
                self._device.report(-420)
            return b"", False
        data = self._output.popleft()
        size = min(len(data), max_bytes)
        if stop is not None:
            size = data.find(stop, 0, size) + 1 or size
        if size == len(data):
            return data, True
        self._output.appendleft(data[size:])
        return data[:size], False

    def discard_output(self) -> None:
        """Empty the output queue: a transport took the bytes and lost them."""
        self._output.clear()

    def hold(self) -> None:
        """Stop obeying messages, for ever: an operation that never ends is awaited. Only :meth:`clear` helps."""
        self._is_held = True

    def clear(self) -> None:
        """Empty both queues and let go of a held message (device clear, IEEE 488.2 5.8)."""
        self._input = b""
        self._output.clear()
        self._is_held = False
