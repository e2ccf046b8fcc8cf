"""Messages between a controller and a simulated instrument: IEEE 488.2 exchange and status, and the SCPI dialect.

.. code-block:: text

    transport ── receive(bytes, end) ──> MessageExchange ── handle(message) ──> SimulatedInstrument
              <─ transmit(max_bytes) ──   output queue   <── exchange.put ──      commons, then execute()
              ── serial_poll(), clear(), trigger() ─────────────────────────>     Status, ErrorQueue

A SCPI instrument subclasses :class:`labctl_mock.messages.scpi.ScpiInstrument`; a TSP instrument subclasses
:class:`SimulatedInstrument` and runs in ``execute`` what is no common command. Not here: the instruments, the PyVISA
backend (:mod:`labctl_mock.visa`), the registry of models (:mod:`labctl_mock.models`).
"""

from labctl_mock.messages.exchange import MessageExchange
from labctl_mock.messages.faults import MessageFault
from labctl_mock.messages.instrument import SimulatedInstrument
from labctl_mock.messages.status import ErrorEntry, ErrorQueue, EventRegister, Status, StatusBit

__all__ = [
    "ErrorEntry",
    "ErrorQueue",
    "EventRegister",
    "MessageExchange",
    "MessageFault",
    "SimulatedInstrument",
    "Status",
    "StatusBit",
]
