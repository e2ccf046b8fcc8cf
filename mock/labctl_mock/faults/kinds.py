"""The kinds of faults by name, each with one line of documentation, the values it takes and what it does.

Not here: how a spec names them (:mod:`labctl_mock.faults.plan`), what they do in detail (``reply_kinds``,
``link_kinds``, ``hardware_kinds`` of this package). To add a kind: a function in one of those, a line here, a test.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from labctl.units import parse_quantity
from labctl_mock.faults import hardware_kinds, link_kinds, reply_kinds
from labctl_mock.faults.call import Call, Link

__all__ = ["DISK_KINDS", "Kind", "find_kinds", "kinds"]

DISK_KINDS: Mapping[str, Literal["full", "ioerr"]] = {"disk_full": "full", "disk_error": "ioerr"}
_NO_VALUE = "none"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    Attributes
    ----------
    name : str
    text : str
        What it does, in one line.
    act : callable
        Does it to a link and a call, with a value.
    phase : "before" or "after"
        Whether it comes before the instrument obeys the message or after.
    applies : callable
        Tells whether a call can have it; others are not counted.
    takes : str
        What the value is: "none", "duration", "count", "factor", "text", "error" or "cell".
    default : str
        The value where a spec gives none.
    pattern : str
        The messages that are meant where a spec names none.
    is_hardware : bool
        Only for instruments that declare it.
    is_random : bool
        Whether ``random`` draws it.
    """

    name: str
    text: str
    act: Callable[[Link, Call, Any], None]
    phase: Literal["before", "after"] = "after"
    applies: Callable[[Call], bool] = reply_kinds.has_reply
    takes: str = _NO_VALUE
    default: str = ""
    pattern: str = ""
    is_hardware: bool = False
    is_random: bool = True

    def value(self, text: str) -> Any:
        """Read a value.

        Raises
        ------
        ValueError
            If it is none of what the kind takes.
        """
        if self.takes == _NO_VALUE:
            if text:
                raise ValueError(f"{self.name} takes no value")
            return None
        return _READERS[self.takes](text or self.default)


def kinds() -> dict[str, str]:
    """Return what each kind of fault does, in one line, by name."""
    lines = {kind.name: kind.text for kind in find_kinds().values()}
    lines["disk_full"] = (
        "write n to the run file and those after it find the disk full (#n-m: until m); in process only"
    )
    lines["disk_error"] = "write n to the run file and those after it end in an I/O error; in process only"
    lines["random"] = "any message meets a fault with the probability RATE (=RATE,SEED); links and replies only"
    return lines


def _duration(text: str) -> float:
    duration_s = parse_quantity(text, "s")
    if not duration_s >= 0.0:
        raise ValueError(f"a duration must not be negative, got {text!r}")
    return duration_s


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise ValueError(f"expected a number from 1 to 999999, got {text!r}")
    return int(text)


def _factor(text: str) -> float:
    return parse_quantity(text, "1")


def _error(text: str) -> tuple[int, str]:
    code, _, message = text.partition(",")
    if not re.fullmatch(r"-?[1-9]\d{0,5}", code.strip()):
        raise ValueError(f"expected NUMBER,TEXT of an error that is not 0, got {text!r}")
    return int(code), message.strip() or "Injected fault"


def _cell(text: str) -> tuple[int, int, float]:
    found = re.fullmatch(r"(\d{1,4}),(\d{1,4}),([^,]+)", text)
    if found is None:
        raise ValueError(f"expected ROW,COLUMN,FACTOR, got {text!r}")
    factor = _factor(found[3])
    if not 0.0 < factor < 1e6:
        raise ValueError(f"the factor of a drift must be positive, got {found[3]!r}")
    return int(found[1]), int(found[2]), factor


_READERS: Mapping[str, Callable[[str], Any]] = {
    "duration": _duration,
    "count": _count,
    "factor": _factor,
    "text": str,
    "error": _error,
    "cell": _cell,
}


@cache
def find_kinds() -> Mapping[str, Kind]:
    """Return the kinds that a link can have, by name."""
    every = [*_reply_kinds(), *_number_kinds(), *_link_kinds(), *_message_kinds(), *_hardware_kinds()]
    return {kind.name: kind for kind in every}


def _always(call: Call) -> bool:
    return True


def _reply_kinds() -> list[Kind]:
    r = reply_kinds
    return [
        Kind(
            "slow_reply",
            "the reply comes VALUE late, within the time-out (0.5 s)",
            r.delay,
            **_for("duration", "0.5 s"),
        ),
        Kind(
            "late_reply", "the reply comes VALUE late, after the time-out (10 s)", r.delay, **_for("duration", "10 s")
        ),
        Kind("lost_reply", "the reply never comes", r.lose),
        Kind("duplicate_reply", "the reply comes twice", r.duplicate),
        Kind("split_reply", "the reply comes in pieces of one byte", r.split),
        Kind(
            "stalled_reply", "half of the reply comes, the rest VALUE later (10 s)", r.stall, **_for("duration", "10 s")
        ),
        Kind("truncated_reply", "the second half of the reply is missing", r.truncate),
        Kind("extra_bytes", "VALUE stands between the reply and its end (@#)", r.append_bytes, **_for("text", "@#")),
        Kind("wrong_terminator", "the reply ends with CR in place of LF", r.end_with),
        Kind("nul_byte", "a NUL byte stands inside the reply", r.insert_byte(b"\0")),
        Kind("non_ascii", "a byte above 127 stands inside the reply", r.insert_byte(b"\xff")),
        Kind("empty_reply", "an empty line comes in place of the reply", r.empty),
        Kind("missing_field", "the last field of the reply is missing", r.remove_field, applies=r.has_field),
        Kind("extra_field", "the last field of the reply comes twice", r.append_field),
        Kind(
            "compliance",
            "the reading says that the source is in compliance, though it is not",
            r.put_into_compliance,
            applies=r.is_in_compliance,
        ),
    ]


def _number_kinds() -> list[Kind]:
    r = reply_kinds
    numbers = {
        "nan": "nan",
        "inf": "inf",
        "not_a_number": "+9.91E+37",
        "negative_not_a_number": "-9.91E+37",
        "infinity": "+9.9E+37",
        "meter_overflow": "199.999E+99",
    }
    return [
        Kind(
            "garbled_number",
            "a number in the reply is damaged so that it is none",
            r.garble_number,
            applies=r.has_number,
        ),
        *(
            Kind(name, f"the measured number is {text}", r.replace_number(text), applies=r.has_number)
            for name, text in numbers.items()
        ),
    ]


def _link_kinds() -> list[Kind]:
    k = link_kinds
    return [
        Kind("connection_closed", "the connection ends before the message arrives", k.close, "before", _always),
        Kind(
            "connection_reset", "the connection ends when the message was obeyed", k.reset_connection, "after", _always
        ),
        Kind("black_hole", "the connection stays open and carries nothing any more", k.black_hole, "before", _always),
        Kind(
            "refuse_reconnect",
            "the connection ends before the message arrives, and VALUE new ones are refused (2)",
            k.refuse,
            "before",
            _always,
            **_for("count", "2"),
        ),
        Kind(
            "slow",
            "every reply comes VALUE late from now on (0.2 s)",
            k.lag,
            "before",
            _always,
            **_for("duration", "0.2 s"),
        ),
        Kind(
            "clock_jump",
            "the clock of the bench goes VALUE forward (3600 s)",
            k.jump_clock,
            "before",
            _always,
            **_for("duration", "3600 s"),
        ),
    ]


def _message_kinds() -> list[Kind]:
    k = link_kinds
    return [
        Kind("command_lost", "the message does not reach the instrument", k.lose_command, "before", _always),
        Kind("command_duplicated", "the message reaches the instrument twice", k.duplicate_command, "before", _always),
        Kind(
            "command_garbled", "a character of the message is damaged on its way", k.garble_command, "before", _always
        ),
        Kind(
            "setting_ignored",
            "a setting is not taken over and nothing is reported; VALUE is part of its name",
            k.ignore_setting,
            "before",
            k.has_setting,
            **_for("text", ""),
        ),
        Kind(
            "setting_altered",
            "a setting is taken over times VALUE and nothing is reported (1.5)",
            k.alter_setting,
            "before",
            k.has_setting,
            **_for("factor", "1.5"),
        ),
        Kind(
            "error_entry",
            "an entry NUMBER,TEXT comes into the error queue (-222,Data out of range)",
            k.queue_error,
            "after",
            _always,
            **_for("error", "-222,Data out of range"),
        ),
        Kind("queue_overflow", "the error queue overflows (-350)", k.overflow_queue, "after", _always),
        Kind(
            "wrong_identity",
            "the instrument says that it is model VALUE (MODEL 2000)",
            k.disguise_model,
            "before",
            _always,
            **_for("text", "MODEL 2000"),
        ),
        Kind(
            "wrong_serial",
            "the instrument says that its serial number is VALUE (9999999)",
            k.disguise_serial,
            "before",
            _always,
            **_for("text", "9999999"),
        ),
    ]


def _hardware_kinds() -> list[Kind]:
    h = hardware_kinds
    power = Kind(
        "power_cycle",
        "the power fails: settings lost, outputs off, PON set, unreachable for VALUE (5 s)",
        h.power_cycle,
        "before",
        _always,
        **_for("duration", "5 s"),
        is_random=False,
    )
    reset = Kind(
        "instrument_reset", "somebody resets the instrument", h.reset_instrument, "before", _always, is_random=False
    )
    drift = Kind(
        "drift",
        "the conductance of a cell changes: ROW,COLUMN,FACTOR (0,0,1.3)",
        h.drift_cell,
        "before",
        _always,
        **_for("cell", "0,0,1.3"),
        is_random=False,
    )
    own = {
        "output_ignores_off": ("an output that is on cannot be switched off any more; VALUE is one channel", ""),
        "output_trip": ("a protection switches the outputs off; VALUE silent leaves no entry in the error queue", ""),
        "interlock_open": ("the interlock opens: outputs go off and cannot be switched on", ""),
        "relay_stuck_open": ("a crosspoint never closes again; VALUE names it, or the first of the message", ""),
        "relay_stuck_closed": ("a crosspoint never opens again; VALUE names it, or the first of the message", ""),
    }
    broken = [
        Kind(
            name,
            text,
            h.fail(name),
            "before",
            _always,
            **_for("text", default),
            pattern=r"\d[A-H]\d\d" if name.startswith("relay") else "",
            is_hardware=True,
            is_random=False,
        )
        for name, (text, default) in own.items()
    ]
    return [power, reset, drift, *broken]


def _for(takes: str, default: str) -> dict[str, Any]:
    return {"takes": takes, "default": default}
