"""The window's exception boundary: a slot that fails says so in a sentence and leaves the window as it was.

Not here: where the sentences are shown (:mod:`labctl.gui.log_panel`).
"""

import errno
import functools
import inspect
import logging
from collections.abc import Callable
from typing import ParamSpec

from labctl.errors import LabError

__all__ = ["guarded_slot", "sentence_of"]

P = ParamSpec("P")
_REMEDIES = {
    errno.ENOENT: "bring it back, or choose another place",
    errno.EACCES: "choose another place, or let its owner give you the right to it",
    errno.EPERM: "choose another place, or let its owner give you the right to it",
    errno.EROFS: "choose a place that can be written",
    errno.ENOSPC: "make room on that drive, and try again",
    errno.EDQUOT: "make room in your share of that drive, and try again",
}


def guarded_slot(slot: Callable[P, object]) -> Callable[P, None]:
    """Make a slot of a function or method: what it raises becomes a sentence of the desk and a traceback of the log.

    The desk is looked for as attribute ``desk`` or ``_desk`` of the object that the method belongs to; without one
    the sentence stands in Python's log only. Arguments that the signal sends and the slot does not take are dropped,
    as Qt does for plain methods; the bool of a button's ``clicked`` need not come: take that of ``toggled``.

    Parameters
    ----------
    slot : callable
        The function or method.

    Returns
    -------
    callable
        The slot; it returns nothing and raises no :class:`Exception`.
    """
    most = _most_positional(slot)

    @functools.wraps(slot)
    def guarded(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            slot(*arguments[:most], **named)  # type: ignore[arg-type]  # fewer than were sent
        except Exception as error:  # noqa: BLE001  the window's slot boundary
            _report(error, slot, arguments[0] if arguments else None)

    return guarded


def sentence_of(error: BaseException) -> str:
    """Return what a user is told of an error: its own words where it was raised on purpose.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    str
        One line, with a remedy.
    """
    words = " ".join(str(error).split())
    if isinstance(error, LabError | ValueError) and words:
        return words
    if isinstance(error, OSError) and words:
        return _of_system(error, words)
    kind = type(error).__name__
    return (
        f"this part of the window failed ({kind}: {words or 'no further words'}); runs are not touched by it, "
        "the log holds the details; try again, and report it if it comes back"
    )


def _of_system(error: OSError, words: str) -> str:
    """Say of an error of the operating system where it is and what to do, without its number."""
    remedy = _REMEDIES.get(error.errno or 0, "check the drive and the folder, and try again")
    if error.filename is None or not error.strerror:
        return f"{words}; {remedy}"
    return f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}; {remedy}"


def _report(error: Exception, slot: Callable[..., object], owner: object) -> None:
    sentence = sentence_of(error)
    desk = getattr(owner, "desk", None) or getattr(owner, "_desk", None)
    if desk is not None:
        desk.tell("error", sentence)
    # after the desk: the log panel hangs the traceback to the sentence that it has just shown
    logging.getLogger(slot.__module__).error("%s", sentence, exc_info=error)


def _most_positional(slot: Callable[..., object]) -> int | None:
    """Return how many positional arguments it takes; None: any number."""
    kinds = [parameter.kind for parameter in inspect.signature(slot).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return None
    return sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
