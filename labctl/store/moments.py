"""Days and times of day as people type them, in the time zone of this computer."""

from datetime import UTC, datetime, timedelta

__all__ = ["moment_utc"]

_DAY_LENGTH = len("2026-01-31")


def moment_utc(text: str, *, is_end: bool = False) -> str:
    """Return a day or a moment as the run files have it.

    Parameters
    ----------
    text : str
        Such as ``"2026-01-31"`` or ``"2026-01-31 14:30"``, local time.
    is_end : bool
        A day stands for its end instead of its beginning.

    Returns
    -------
    str
        ISO 8601, UTC.

    Raises
    ------
    ValueError
        If it is neither.
    """
    stripped = text.strip()
    try:
        moment = datetime.fromisoformat(stripped)
        if is_end and len(stripped) == _DAY_LENGTH:
            moment += timedelta(days=1)
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"date {text!r}: give a day such as 2026-01-31 or a moment such as 2026-01-31T14:30") from None
