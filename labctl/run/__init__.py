"""The engine that runs procedures. Not here: the run file (:mod:`labctl.store`), the procedures themselves."""

from labctl.run.control import Observer, RunControl
from labctl.run.engine import execute_procedure
from labctl.run.parameters import QuantityParameter
from labctl.run.procedure import LabProcedure, describe_parameters
from labctl.run.states import RunState

__all__ = [
    "LabProcedure",
    "Observer",
    "QuantityParameter",
    "RunControl",
    "RunState",
    "describe_parameters",
    "execute_procedure",
]
