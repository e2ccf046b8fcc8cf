"""The engine that runs procedures. Not here: the run file (:mod:`labctl.store`), the procedures themselves.

Names are loaded when they are asked for: the guardian's process (:mod:`labctl.run.guardian`) passes through here and
must not wait for PyMeasure and pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labctl.run.control import Observer, RunControl
    from labctl.run.engine import execute_procedure, resume_run
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
    "resume_run",
]

# a name added here is also imported above, for the type checker
_MODULES = {
    "LabProcedure": "procedure",
    "Observer": "control",
    "QuantityParameter": "parameters",
    "RunControl": "control",
    "RunState": "states",
    "describe_parameters": "procedure",
    "execute_procedure": "engine",
    "resume_run": "engine",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
