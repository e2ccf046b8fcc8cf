"""What a guardian must know of an instrument to switch it off without its driver.

Not here: the guardian (:mod:`labctl.run.guardian`), the messages themselves (each driver declares its own).
"""

from dataclasses import dataclass

__all__ = ["Watched"]


@dataclass(frozen=True, slots=True)
class Watched:
    """One instrument of an opened station, as its guardian sees it.

    Attributes
    ----------
    key : str
        Key in the station file, such as ``"smu1"``.
    name : str
        How messages call it, such as ``"smu1 (Keithley2636B)"``.
    resource : str
        VISA resource name.
    safe_off : tuple of str
        Messages that switch every output off (open every relay); none of them has an answer.
    off_checks : tuple of (str, str)
        Question, and the regular expression that its whole answer must match to mean off.
    is_switch : bool
        Whether it moves relays: those come last.
    """

    key: str
    name: str
    resource: str
    safe_off: tuple[str, ...]
    off_checks: tuple[tuple[str, str], ...]
    is_switch: bool
