"""Closed-loop programming of resistive cells: pure state machines, and the order in which an array is tuned.

Not here: instruments and addressing (:mod:`labctl.array`).
"""

from labctl.tuning.decisions import Action, Decision, Done, Failed, FailureReason, Pulse, Staircase, TraceStep, Tuner
from labctl.tuning.pairs import PairKeeper
from labctl.tuning.passes import CellPort, CellState, Note, PassSettings, tune_cells
from labctl.tuning.ramp import Experience, Ramp, RampSettings
from labctl.tuning.reset_voltage_control import OverReset, Raise, ResetVoltageControl, RvcSettings
from labctl.tuning.stop_voltage_control import StopVoltageControl, StopVoltageCurve, StopVoltageSettings

__all__ = [
    "Action",
    "CellPort",
    "CellState",
    "Decision",
    "Done",
    "Experience",
    "Failed",
    "FailureReason",
    "Note",
    "OverReset",
    "PairKeeper",
    "PassSettings",
    "Pulse",
    "Raise",
    "Ramp",
    "RampSettings",
    "ResetVoltageControl",
    "RvcSettings",
    "Staircase",
    "StopVoltageControl",
    "StopVoltageCurve",
    "StopVoltageSettings",
    "TraceStep",
    "Tuner",
    "tune_cells",
]
