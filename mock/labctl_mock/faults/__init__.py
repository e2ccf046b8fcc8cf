"""Faults on purpose: between instruments and their sessions, in the hardware, on the disk. To add one: ``kinds.py``.

:class:`FaultPlan` is what a spec says, :class:`FaultyInstrument` does it, :func:`kinds` lists what there is;
:mod:`labctl_mock.faults.disk` makes the disk fail.
"""

from labctl_mock.faults.faulty_instrument import FaultyInstrument
from labctl_mock.faults.kinds import kinds
from labctl_mock.faults.plan import FaultPlan

__all__ = ["FaultPlan", "FaultyInstrument", "kinds"]
