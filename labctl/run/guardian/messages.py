"""What the run and its guardian say to each other: one line of JSON each, first the orders, then words.

Not here: who reads and writes them (:mod:`labctl.run.guardian.client`, :mod:`labctl.run.guardian.process`).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Charge", "Orders", "Word", "WordKind"]


@dataclass(frozen=True)
class Charge:
    """One instrument in the guardian's charge; the fields are those of ``labctl.station.watched.Watched``."""

    key: str
    name: str
    resource: str
    safe_off: tuple[str, ...]
    off_checks: tuple[tuple[str, str], ...]
    is_switch: bool


@dataclass(frozen=True)
class Orders:
    """What the guardian is told when it starts.

    Attributes
    ----------
    pid : int
        The measuring process.
    heartbeat_s : float, unit s
        How long the process may be silent.
    visa_library : str
        As in the station file.
    log_path : str
        The guardian's own log; lines are appended.
    charges : tuple of Charge
        What to switch off.
    keep_trying_s : float, unit s
        How long to go on with what is not verified.
    """

    pid: int
    heartbeat_s: float
    visa_library: str
    log_path: str
    charges: tuple[Charge, ...]
    keep_trying_s: float = 60.0

    def line(self) -> bytes:
        """Return the orders as they are sent.

        Returns
        -------
        bytes
        """
        return _line(asdict(self))

    @classmethod
    def read(cls, line: bytes) -> "Orders":
        """Read the orders from their line.

        Parameters
        ----------
        line : bytes

        Returns
        -------
        Orders

        Raises
        ------
        ValueError
            If the line is not one of :meth:`line`.
        """
        try:
            table = json.loads(line)
            charges = tuple(_charge(item) for item in table.pop("charges"))
            return cls(charges=charges, **table)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"guardian: these are no orders: {line[:120]!r} ({error!r})") from error


class WordKind(StrEnum):
    """What a word after the orders says."""

    ALIVE = "alive"
    GOODBYE = "goodbye"
    TAKE_OVER = "take over"


@dataclass(frozen=True)
class Word:
    """One word of the run.

    Attributes
    ----------
    kind : WordKind
    for_s : float, unit s
        ALIVE: how long from now it stays true.
    reason : str
        TAKE_OVER: why the run wants the guardian to switch off though it lives.
    """

    kind: WordKind
    for_s: float = 0.0
    reason: str = ""

    def line(self) -> bytes:
        """Return the word as it is sent.

        Returns
        -------
        bytes
        """
        return _line(asdict(self))

    @classmethod
    def read(cls, line: bytes) -> "Word | None":
        """Read a word; what a dying process left half written is None.

        Parameters
        ----------
        line : bytes

        Returns
        -------
        Word or None
        """
        try:
            table = json.loads(line)
            word = cls(WordKind(table["kind"]), float(table["for_s"]), str(table["reason"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return word if math.isfinite(word.for_s) and word.for_s >= 0.0 else None


def _line(table: Mapping[str, object]) -> bytes:
    return json.dumps(table).encode("ascii") + b"\n"


def _charge(item: Mapping[str, Any]) -> Charge:
    checks = tuple((str(question), str(pattern)) for question, pattern in item["off_checks"])
    return Charge(**{**item, "safe_off": tuple(item["safe_off"]), "off_checks": checks})
