"""What can happen inside an instrument, to a relay and to a cell.

What a model can suffer it declares in ``fault_kinds`` and carries out in ``fail``. Not here: names
(:mod:`labctl_mock.faults.kinds`).
"""

from collections.abc import Callable

from labctl_mock.faults.call import Call, Link

__all__ = ["drift_cell", "fail", "power_cycle", "reset_instrument"]


def power_cycle(link: Link, call: Call, value: float) -> None:
    """Let the power fail before the message arrives; new connections are refused for ``value`` (unit s)."""
    call.messages.clear()
    link.instrument.power_cycle()
    link.break_off(dark_s=value)


def reset_instrument(link: Link, call: Call, value: None) -> None:
    """Reset the instrument before it obeys the message, as by hand at its front panel."""
    link.instrument.reset()


def fail(kind: str) -> Callable[[Link, Call, str], None]:
    """Return the fault that breaks the instrument in the way ``kind``."""

    def act(link: Link, call: Call, value: str) -> None:
        link.instrument.fail(kind, value, call.sent)

    return act


def drift_cell(link: Link, call: Call, value: tuple[int, int, float]) -> None:
    """Change the conductance of a cell."""
    link.bench.drift(*value)
