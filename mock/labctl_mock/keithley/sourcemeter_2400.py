"""Tables of the simulated 2400: ratings, error texts, settings that are kept with their bounds and defaults.

Source: Series 2400 User's Manual 2400S-900-01 Rev. K (section 6 for the limits, section 13 for the off states, section
18 for bounds and ``*RST`` values, appendix B for the errors), SPEC-2400 Rev. H. Not here: what the settings do
(:mod:`labctl_mock.keithley.keithley2400`).
"""

from math import inf

from labctl_mock.keithley.sourcemeter import CURR, VOLT, Ratings
from labctl_mock.keithley.sourcemeter_ranges import OVER_RANGE, RANGES_2400

__all__ = ["ARM", "CHOICES", "ERROR_TEXTS", "FLAGS", "NUMBERS", "RATINGS", "SENSE", "SOURCE", "TRIGGER"]

ERROR_TEXTS = {
    -222: "Parameter data out of range",
    802: "OUTPUT blocked by output enable",
    803: "Not permitted with OUTPUT off",
    810: "OUTPUT blocked by Over Temp",
    824: "Cannot exceed compliance range",
    826: "Attempt to exceed power limit",
}
RATINGS = Ratings(
    tables=RANGES_2400,
    over_range=OVER_RANGE,
    ceiling=1.05,
    low_v=20.0,
    high_a=0.1,
    least_limit={VOLT: 1e-9, CURR: 200e-6},
    default_range={VOLT: 20.0, CURR: 100e-6},
    default_limit={VOLT: 105e-6, CURR: 21.0},
    off_limit=0.005,
    conflict=826,
    adjusts_limit=False,
    least_part=0.0,
    caps_measure_range=824,
)

ARM, TRIGGER, SOURCE = "ARM[:SEQuence[1|1]]", "TRIGger[:SEQuence[1|1]]", "SOURce[1|1]"
SENSE = "[SENSe[1|1]]"
NUMBERS = {
    f"{ARM}:COUNt#": (1.0, inf, 1.0),
    f"{TRIGGER}:COUNt#": (1.0, 2500.0, 1.0),
    f"{TRIGGER}:DELay": (0.0, 999.9999, 0.0),
    f"{ARM}:TIMer": (1e-3, 99999.99, 0.1),
    f"{TRIGGER}:ILINe#": (1.0, 4.0, 1.0),
    f"{TRIGGER}:OLINe#": (1.0, 4.0, 2.0),
    f"{ARM}:ILINe#": (1.0, 4.0, 1.0),
    f"{ARM}:OLINe#": (1.0, 4.0, 2.0),
    f"{SENSE}:AVERage:COUNt#": (1.0, 100.0, 10.0),
    "TRACe:POINts#": (1.0, 2500.0, 100.0),
}
CHOICES = {
    f"{ARM}:SOURce": ("IMMediate", "BUS", "TIMer", "MANual", "TLINk", "NSTest", "PSTest", "BSTest"),
    f"{TRIGGER}:SOURce": ("IMMediate", "TLINk"),
    f"{ARM}:OUTPut": ("NONE", "TENTer", "TEXit"),
    f"{TRIGGER}:OUTPut": ("NONE", "SOURce", "DELay", "SENSe"),
    "ROUTe:TERMinals": ("FRONt", "REAR"),
    f"{SENSE}:AVERage:TCONtrol": ("REPeat", "MOVing"),
    f"{SENSE}:RESistance:MODE": ("MANual",),
    "FORMat[:DATA]": ("ASCii",),
    "TRACe:FEED": ("SENSe", "CALCulate1"),
    "TRACe:FEED:CONTrol": ("NEVer", "NEXT"),
}
FLAGS = {
    f"{SENSE}:AVERage[:STATe]": False,
    f"{SENSE}:FUNCtion:CONCurrent": True,
    f"{SOURCE}:CLEar:AUTO": False,
    f"{SOURCE}:DELay:AUTO": True,
    "SYSTem:RSENse": False,
    "SYSTem:BEEPer:STATe": True,
    "SYSTem:LFRequency:AUTO": True,
    "DISPlay:ENABle": True,
}
