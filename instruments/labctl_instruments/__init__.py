"""Drivers: PyMeasure instruments that fulfil the roles of :mod:`labctl.roles`.

Here: the list of drivers that a station file may name. A driver is imported when the list is asked for, not before.
Not here: simulated instruments (``labctl_mock``), which are an independent reading of the same manuals; the station's
envelope (:mod:`labctl.station`).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl_instruments.link import LinkedInstrument

__all__ = ["drivers"]


def drivers() -> "dict[str, type[LinkedInstrument]]":
    """Return the drivers by the name that a station file uses, such as ``"keithley.Keithley2636B"``.

    Returns
    -------
    dict of str to type
        Driver classes; each is called as ``Driver(adapter, name="...", **visa_settings)``.
    """
    from labctl_instruments.keithley.keithley707b import Keithley707B
    from labctl_instruments.keithley.keithley2400 import Keithley2400
    from labctl_instruments.keithley.keithley2450 import Keithley2450
    from labctl_instruments.keithley.keithley2636b import Keithley2636B
    from labctl_instruments.keysight.keysight33622a import Keysight33622A
    from labctl_instruments.lakeshore.lakeshore335 import LakeShore335

    return {
        "keithley.Keithley2400": Keithley2400,
        "keithley.Keithley2450": Keithley2450,
        "keithley.Keithley2636B": Keithley2636B,
        "keithley.Keithley707B": Keithley707B,
        "keysight.Keysight33622A": Keysight33622A,
        "lakeshore.LakeShore335": LakeShore335,
    }
