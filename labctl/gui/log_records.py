"""Python's log as a signal of Qt, from whatever thread; errors that nobody caught as records of that log.

Not here: showing them (:mod:`labctl.gui.log_panel`).
"""

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from qtpy.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler

from labctl.gui.slots import sentence_of

__all__ = ["LogRecord", "RecordSignal", "catch_the_uncaught", "leave_the_uncaught"]

_log = logging.getLogger("labctl.gui")
_SEVERITY = ((logging.ERROR, "error"), (logging.WARNING, "warning"), (logging.NOTSET, "info"))


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of Python's log.

    Attributes
    ----------
    severity : "info", "warning" or "error"
    source : str
        First part of the logger's name; "window" for labctl's own.
    sentence : str
    details : str
        The traceback; empty without one.
    """

    severity: str
    source: str
    sentence: str
    details: str


class RecordSignal(QObject):
    """Sends warnings and errors of Python's log, and notes of labctl's, as a signal, until it is closed.

    Attributes
    ----------
    came : Signal of LogRecord
        From any thread, received in the receiver's.

    Parameters
    ----------
    parent : QObject, optional
        Its owner.
    """

    came = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._handler = _Handler(self)
        logging.getLogger().addHandler(self._handler)

    def close(self) -> None:
        """Listen no longer."""
        logging.getLogger().removeHandler(self._handler)


class _Handler(logging.Handler):
    def __init__(self, owner: RecordSignal) -> None:
        super().__init__()
        # not the signal alone: PyQt6 crashes at the signal of an object that Qt has deleted, and raises at the object
        self._owner = owner

    def emit(self, record: logging.LogRecord) -> None:
        own = record.name.startswith("labctl")
        if record.levelno < (logging.INFO if own else logging.WARNING):
            return
        severity = next(name for level, name in _SEVERITY if record.levelno >= level)
        details = "".join(traceback.format_exception(record.exc_info[1])) if record.exc_info else ""
        source = "window" if own else record.name.partition(".")[0]
        try:
            self._owner.came.emit(LogRecord(severity, source, record.getMessage(), details))
        except RuntimeError:
            # the panel went before Python's log did: there is nobody left to tell
            logging.getLogger().removeHandler(self)


def catch_the_uncaught(stop: Callable[[], None]) -> None:
    """Let errors that nobody caught, in any thread, and Qt's own messages become records of the log.

    Parameters
    ----------
    stop : callable
        Called at Ctrl-C.
    """

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            stop()
            return
        _log.error("%s", sentence_of(error), exc_info=(kind, error, trace))

    def thread_hook(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_value is not None and not issubclass(failure.exc_type, SystemExit):
            _log.error("%s", sentence_of(failure.exc_value), exc_info=failure.exc_value)

    def unraisable_hook(failure: "sys.UnraisableHookArgs") -> None:
        if failure.exc_value is not None:
            _log.error("%s", sentence_of(failure.exc_value), exc_info=failure.exc_value)

    sys.excepthook = hook
    threading.excepthook = thread_hook
    sys.unraisablehook = unraisable_hook
    logging.captureWarnings(capture=True)
    qInstallMessageHandler(_take_from_qt)


def leave_the_uncaught() -> None:
    """Undo :func:`catch_the_uncaught`; a Qt that still calls Python when that has ended crashes."""
    sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
    sys.unraisablehook = sys.__unraisablehook__
    logging.captureWarnings(capture=False)
    qInstallMessageHandler(None)


def _take_from_qt(kind: QtMsgType, _context: QMessageLogContext, message: str | None) -> None:
    level = {QtMsgType.QtDebugMsg: logging.DEBUG, QtMsgType.QtInfoMsg: logging.DEBUG}.get(kind, logging.WARNING)
    logging.getLogger("Qt").log(level, "%s", message)
