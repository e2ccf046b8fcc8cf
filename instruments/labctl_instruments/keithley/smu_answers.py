"""What a channel of a Series 2600B answers: samples with their compliance, settings that came out as they were sent.

Not here: asking (:mod:`labctl_instruments.keithley.smu_channel`), numbers as such (:mod:`labctl_instruments.replies`).
"""

from collections.abc import Sequence

from labctl.roles import Reading
from labctl_instruments.replies import reading

__all__ = ["read_sample", "setting_holds"]

_BOOLEANS = {"true": True, "false": False}
# the instrument answers with the range that it took: ranges lie a decade apart, from these up
_LEAST_RANGE = {"source.rangev": 0.2, "source.rangei": 1e-9, "measure.rangev": 0.2, "measure.rangei": 1e-10}
_TOLERANCE = 1e-4


def read_sample(fields: Sequence[str], unit: str, raw: str) -> Reading:
    """Take a measured value and its compliance.

    Parameters
    ----------
    fields : sequence of str
        The number, and "true" or "false".
    unit : str
        "A" or "V".
    raw : str
        The answer that they are taken from.

    Returns
    -------
    Reading

    Raises
    ------
    ValueError
        If there are not two fields or the first is no number.
    KeyError
        If the second is no truth value.
    """
    value, compliance = fields
    return reading(value, unit, in_compliance=_BOOLEANS[compliance], raw=raw)


def setting_holds(key: str, sent: float, found: float) -> bool:
    """Tell whether a setting came out as it was sent.

    Parameters
    ----------
    key : str
        Such as ``"source.limiti"``.
    sent, found : float, unit as ``key`` has it

    Returns
    -------
    bool
        Ranges may be the next one up.
    """
    if key in _LEAST_RANGE:
        return sent <= found * (1.0 + _TOLERANCE) and found <= max(10.0 * sent, _LEAST_RANGE[key]) * (1.0 + _TOLERANCE)
    return abs(found - sent) <= _TOLERANCE * abs(sent)
