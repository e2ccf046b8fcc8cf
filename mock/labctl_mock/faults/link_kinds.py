"""What can happen to a message on its way to the instrument, to the connection, to the error queue, and to the time.

Not here: replies (:mod:`labctl_mock.faults.reply_kinds`), hardware (:mod:`labctl_mock.faults.hardware_kinds`), names
(:mod:`labctl_mock.faults.kinds`).
"""

import re

from labctl_mock.faults.call import Call, Link

__all__ = [
    "alter_setting",
    "black_hole",
    "close",
    "disguise_model",
    "disguise_serial",
    "duplicate_command",
    "garble_command",
    "has_setting",
    "ignore_setting",
    "jump_clock",
    "lag",
    "lose_command",
    "overflow_queue",
    "queue_error",
    "refuse",
    "reset_connection",
]

# an assignment of TSP such as smua.source.levelv=1.0, or a SCPI unit such as :SOUR1:VOLT:HIGH 1.0
_ASSIGNMENT = re.compile(r"(?P<head>\b[A-Za-z]\w*(?:\.\w+)+\s*=\s*)(?P<number>[+-]?[\d.]+(?:[eE][+-]?\d+)?)(?![\w.])")
_UNIT = re.compile(
    r"(?P<head>:?[A-Z][A-Za-z0-9]*(?::[A-Za-z0-9]+)*[ ]+)(?P<number>[+-]?[\d.]+(?:[eE][+-]?\d+)?)(?=;|$)"
)


def lose_command(link: Link, call: Call, value: None) -> None:
    """Let the message not arrive."""
    call.messages.clear()


def duplicate_command(link: Link, call: Call, value: None) -> None:
    """Let the message arrive twice."""
    call.messages *= 2


def garble_command(link: Link, call: Call, value: None) -> None:
    """Turn the middle character of the message into one that no command has."""
    text = call.messages[-1]
    half = len(text) // 2
    call.messages[-1] = text[:half] + "\x7f" + text[half + 1 :]


def has_setting(call: Call) -> bool:
    """Tell whether the message sets something to a number."""
    return _setting(call.sent, "") is not None


def ignore_setting(link: Link, call: Call, value: str) -> None:
    """Leave the first setting whose name has ``value`` in it as it was; nothing is reported."""
    found = _setting(call.messages[-1], value) if call.messages else None
    if found is not None:
        text = call.messages[-1]
        call.messages[-1] = text[: found.start()] + text[found.end() :]


def alter_setting(link: Link, call: Call, value: float) -> None:
    """Set the first setting of the message to ``value`` (unit 1) times what was sent; nothing is reported."""
    found = _setting(call.messages[-1], "") if call.messages else None
    if found is not None:
        text = call.messages[-1]
        number = f"{float(found['number']) * value:.9e}"
        call.messages[-1] = text[: found.start("number")] + number + text[found.end("number") :]


def _setting(text: str, name: str) -> re.Match[str] | None:
    for pattern in (_ASSIGNMENT, _UNIT):
        for found in pattern.finditer(text):
            if name in found["head"] and "local" not in text[: found.start()].rsplit(" ", 2)[-2:]:
                return found
    return None


def close(link: Link, call: Call, value: None) -> None:
    """End every connection before the message arrives."""
    call.messages.clear()
    link.break_off()


def reset_connection(link: Link, call: Call, value: None) -> None:
    """End every connection once the message was obeyed; its replies are gone."""
    call.replies.clear()
    link.break_off()


def black_hole(link: Link, call: Call, value: None) -> None:
    """Swallow this message and all that follow on the connections that there are; new ones work."""
    call.messages.clear()
    link.is_black_hole = True


def refuse(link: Link, call: Call, value: int) -> None:
    """End every connection before the message arrives, and refuse the next ``value``."""
    call.messages.clear()
    link.break_off(refusals=value)


def queue_error(link: Link, call: Call, value: tuple[int, str]) -> None:
    """Put an entry into the error queue."""
    link.instrument.report(value[0], value[1])


def overflow_queue(link: Link, call: Call, value: None) -> None:
    """Fill the error queue until its last entry is -350."""
    for _ in range(link.instrument.error_capacity + 1):
        link.instrument.report(-310, "System error;labctl fault")


def disguise_model(link: Link, call: Call, value: str) -> None:
    """Let another model answer from now on."""
    link.disguise[link.instrument.model.encode("ascii")] = value.encode("ascii", "replace")


def disguise_serial(link: Link, call: Call, value: str) -> None:
    """Let another specimen answer from now on."""
    link.disguise[link.instrument.serial.encode("ascii")] = value.encode("ascii", "replace")


def lag(link: Link, call: Call, value: float) -> None:
    """Let every reply come ``value`` (unit s) late from now on."""
    link.lag_s = value


def jump_clock(link: Link, call: Call, value: float) -> None:
    """Set the bench's clock ``value`` (unit s) forward."""
    link.bench.jump(value)
