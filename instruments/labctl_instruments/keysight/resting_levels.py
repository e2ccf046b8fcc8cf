"""Commands that change the levels of one output of a Trueform generator so that it rests within 2 mV of 0 V meanwhile.

Why they are these: :mod:`labctl_instruments.keysight.keysight33622a`, which sends them.
"""

__all__ = ["LEAST_V", "base_commands", "bound_v", "bounds_v", "level_commands"]

LEAST_V = 2e-3
"""Least amplitude into an open circuit, unit V."""
_MOST_V = 10.0


def bound_v(level_v: float) -> float:
    """Return the voltage limit for a level: 1 % and 1 mV of room for rounding.

    Parameters
    ----------
    level_v : float, unit V
        Not negative.

    Returns
    -------
    float, unit V
    """
    return min(1.01 * level_v + 1e-3, _MOST_V)


def bounds_v(level_v: float) -> tuple[float, float]:
    """Return the voltage limits for a plateau: what it needs on its side, 2 mV on the other.

    Parameters
    ----------
    level_v : float, unit V

    Returns
    -------
    tuple of float, unit V
        Low and high.
    """
    return -bound_v(max(-level_v, LEAST_V)), bound_v(max(level_v, LEAST_V))


def base_commands(output: int) -> list[str]:
    """Bring an output from any state to bursts of a single pulse of 2 mV that no trigger starts.

    Parameters
    ----------
    output : int

    Returns
    -------
    list of str
    """
    source = f":SOUR{output}"
    return [
        # the load cannot change while limits are on
        f"{source}:VOLT:LIM:STAT OFF",
        f":OUTP{output}:LOAD INF",
        f"{source}:FUNC PULS",
        f"{source}:BURS:MODE TRIG",
        f"{source}:BURS:NCYC 1",
        f":TRIG{output}:SOUR EXT",
        f"{source}:BURS:STAT ON",
        # amplitude and offset are legal in any order, high and low level are not
        f":OUTP{output}:POL NORM",
        f"{source}:VOLT {LEAST_V:.9e}",
        f"{source}:VOLT:OFFS {LEAST_V / 2:.9e}",
        f"{source}:VOLT:LIM:HIGH {bound_v(LEAST_V):.9e}",
        f"{source}:VOLT:LIM:LOW {-bound_v(LEAST_V):.9e}",
        f"{source}:VOLT:LIM:STAT ON",
    ]


def level_commands(output: int, before_v: float, after_v: float) -> list[str]:
    """Lead an output from one level of its pulse to another; limits go along.

    Parameters
    ----------
    output : int
    before_v, after_v : float, unit V
        At least 2 mV of either sign.

    Returns
    -------
    list of str
        None of them lets the output rest above 2 mV.
    """
    if before_v == after_v:
        return []
    wider: list[str] = []
    narrower: list[str] = []
    for side, old_v, new_v in zip(("LOW", "HIGH"), bounds_v(before_v), bounds_v(after_v), strict=True):
        if old_v != new_v:
            (wider if abs(new_v) > abs(old_v) else narrower).append(f":SOUR{output}:VOLT:LIM:{side} {new_v:.9e}")
    return [*wider, *_steps(output, before_v, after_v), *narrower]


def _steps(output: int, before_v: float, after_v: float) -> list[str]:
    high, low = f":SOUR{output}:VOLT:HIGH", f":SOUR{output}:VOLT:LOW"
    if before_v > 0.0 and after_v > 0.0:
        return [f"{high} {after_v:.9e}"]
    if before_v < 0.0 and after_v < 0.0:
        return [f"{low} {after_v:.9e}"]
    if after_v < 0.0:
        there, back, polarity, sign = high, low, "INV", 1.0
    else:
        there, back, polarity, sign = low, high, "NORM", -1.0
    return [
        f"{there} {sign * LEAST_V:.9e}",
        f":OUTP{output}:POL {polarity}",
        f"{back} {-sign * LEAST_V:.9e}",
        f"{there} {0.0:.9e}",
        f"{back} {after_v:.9e}",
    ]
