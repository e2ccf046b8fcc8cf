"""What a row of the queue says. Not here: reading the queue (:mod:`labctl.gui.queue.queue_look`)."""

from collections.abc import Mapping

from labctl.run.queue.items import ENDED_BADLY, ItemState, QueueItem, short_parameters
from labctl.run.queue.remaining import QueueProgress

__all__ = ["MARKS", "PAUSE_HINT", "about_words", "footer_words", "long_words", "row_words", "span_words", "state_words"]

PAUSE_HINT = (
    "Let the run wait before its next action. Meanwhile its sources are at 0 V and off and its relays open; a heater"
    " keeps its temperature. Only a procedure that cannot stand down leaves its outputs as they are"
)
MARKS: Mapping[str, str] = {
    "waiting": "○",
    "starting": "▷",
    "running": "▶",
    "paused": "‖",
    "finished": "✓",
    "failed": "✗",
    "aborted": "■",
    "interrupted": "◆",
}
_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86400.0


def span_words(seconds: float) -> str:
    """Say a length of time as roughly as it is known.

    Parameters
    ----------
    seconds : float, unit s
        Not negative.

    Returns
    -------
    str
        Such as ``"less than 10 s"``, ``"40 s"``, ``"12 min"``, ``"2 h 10 min"`` or ``"3 d 4 h"``.
    """
    if seconds < 10.0:
        return "less than 10 s"
    if seconds < _MINUTE_S:
        return f"{10 * round(seconds / 10.0)} s"
    if seconds < _HOUR_S:
        return f"{max(1, round(seconds / _MINUTE_S))} min"
    if seconds < _DAY_S:
        hours, minutes = divmod(round(seconds / _MINUTE_S), 60)
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(round(seconds / _HOUR_S), 24)
    return f"{days} d {hours} h"


def about_words(seconds: float) -> str:
    """Say a length of time that is only estimated.

    Parameters
    ----------
    seconds : float, unit s
        Not negative.

    Returns
    -------
    str
        Such as ``"about 12 min"``.
    """
    said = span_words(seconds)
    return said if said.startswith("less") else f"about {said}"


def state_words(item: QueueItem, *, is_paused: bool) -> str:
    """Return the word for where an item stands.

    Parameters
    ----------
    item : QueueItem
    is_paused : bool
        Whether the run that is under way is.

    Returns
    -------
    str
        A key of ``MARKS``.
    """
    if item.state is not ItemState.RUNNING:
        return str(item.state)
    if item.attempts[-1].status == "starting":
        return "starting"
    return "paused" if is_paused else "running"


def row_words(item: QueueItem) -> str:
    """Return two lines: what is run on which cells; then with what, or why it did not finish.

    Parameters
    ----------
    item : QueueItem

    Returns
    -------
    str
    """
    cells = item.parameters.get("cells")
    what = item.procedure if not item.label else f"{item.label} ({item.procedure})"
    # in front, where a narrow column does not cut it off
    where = f"simulated {item.station}" if item.simulated else item.station
    first = f"{what}, cells {cells}" if cells else what
    if item.state in ENDED_BADLY and item.error:
        return f"{first}\n{item.error}"
    rest = short_parameters(item)
    return f"{first}\n{where}{': ' if rest else ''}{rest}"


def long_words(item: QueueItem) -> str:
    """Return everything that is known of an item, a line each.

    Parameters
    ----------
    item : QueueItem

    Returns
    -------
    str
    """
    lines = [f"Item {item.id}: {item.procedure} on {item.station}{' (simulated)' if item.simulated else ''}"]
    if item.error:
        lines.append(f"It {_ENDS.get(str(item.state), 'did not finish')}: {item.error}")
    if item.resume_of is not None:
        lines.append(f"goes on with run {item.resume_of}")
    lines += [f"{name} = {value}" for name, value in item.parameters.items()]
    lines += [f"goes on only while {hold}" for hold in item.holds]
    if item.between is not None:
        lines.append(f"measures only at {item.between}")
    if item.estimate_s is not None:
        lines.append(f"estimated: {span_words(item.estimate_s)} of the instruments' time for each run")
    if item.run_ids:
        lines.append(f"became {', '.join(item.run_ids)}")
    return "\n".join(lines)


def footer_words(progress: QueueProgress) -> str:
    """Say how far the queue is.

    Parameters
    ----------
    progress : QueueProgress

    Returns
    -------
    str
        Such as ``"3 of 8 done, about 2 h 10 min left"``.
    """
    said = f"{progress.done} of {progress.total} done"
    if progress.done == progress.total:
        return said
    if progress.items_s:
        said += f", {about_words(progress.remaining_s)} left"
    if progress.unknown:
        known = " besides" if progress.items_s else ""
        said += f", {progress.unknown} of unknown length{known}"
    return said


_ENDS = {"failed": "failed", "aborted": "was aborted", "interrupted": "was interrupted"}
