"""The one tree of errors.

.. code-block:: text

    LabError
    ├── StationError            a station, bench, preset or target file is wrong, or names what is not there
    ├── RunError                a run cannot start or go on
    │   ├── EnvelopeError       a stimulus outside the station's envelope; raised before a byte is sent
    │   ├── Aborted             the operator or a stop rule ended the run
    │   └── IllegalTransitionError
    ├── InstrumentError         something between a driver and its instrument
    │   ├── ProtocolError       a reply that breaks the instrument's format, or no reply
    │   ├── InstrumentFault     the instrument reported an error of its own
    │   ├── UnconfirmedError    a stimulus was sent and its confirmation did not come
    │   └── NotVerifiedOffError an output whose OFF could not be read back
    ├── ReplayError             a recording is damaged, or a program does what was not recorded
    └── StoreError              the run file or the data root

Wrong arguments stay :class:`ValueError` and :class:`TypeError`. A message names the thing, the rule, the value
with its unit, the place and the remedy.
"""

__all__ = [
    "Aborted",
    "EnvelopeError",
    "IllegalTransitionError",
    "InstrumentError",
    "InstrumentFault",
    "LabError",
    "NotVerifiedOffError",
    "ProtocolError",
    "ReplayError",
    "RunError",
    "StationError",
    "StoreError",
    "UnconfirmedError",
    "UnusableResultError",
]


class LabError(Exception):
    """Base of every error that labctl raises on purpose."""


class StationError(LabError):
    """A station, bench, device or target file is wrong, or names what is not there."""


class RunError(LabError):
    """A run cannot start or cannot go on."""


class EnvelopeError(RunError):
    """A stimulus lies outside the station's envelope; nothing was sent."""


class Aborted(RunError):
    """The operator or a stop rule ended the run."""


class UnusableResultError(RunError):
    """What was measured does not let the rest of a run go on; a rehearsal, which measures nothing, ends there too."""


class IllegalTransitionError(RunError):
    """A run was asked for a state that its present state does not lead to."""


class InstrumentError(LabError):
    """Something went wrong between a driver and its instrument."""


class ProtocolError(InstrumentError):
    """A reply broke the instrument's format, or none came."""


class InstrumentFault(InstrumentError):
    """The instrument reported an error of its own."""


class UnconfirmedError(InstrumentError):
    """A stimulus was sent and its confirmation did not come: it may or may not have been applied."""


class NotVerifiedOffError(InstrumentError):
    """An output was told to go off and its state could not be read back."""


class ReplayError(LabError):
    """A recording is damaged, or a program does what was not recorded; no instrument is involved."""


class StoreError(LabError):
    """The run file, the catalogue or the data root cannot be used."""
