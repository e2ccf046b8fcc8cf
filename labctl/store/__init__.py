"""Run files: write, read, find, export. Not here: what runs a procedure (:mod:`labctl.run`)."""

from labctl.store.export import export
from labctl.store.history import History
from labctl.store.reader import Run
from labctl.store.runs import data_root, find_run, list_runs, open_run
from labctl.store.schema import ParameterRecord, RunHeader
from labctl.store.writer import RunWriter

__all__ = [
    "History",
    "ParameterRecord",
    "Run",
    "RunHeader",
    "RunWriter",
    "data_root",
    "export",
    "find_run",
    "list_runs",
    "open_run",
]
