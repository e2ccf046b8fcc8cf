"""Tables of the simulated 2450: ratings, error texts, settings that are kept with their bounds and defaults.

Source: 2461 Reference Manual 2461-901-01 Rev. A, section 6, whose commands the 2450 shares; SPEC-2450 Rev. A for
ranges and power. Assumed: number and text of the warning that a limit came down. Not here: what the settings do
(:mod:`labctl_mock.keithley.keithley2450`).
"""

from labctl_mock.keithley.sourcemeter import CURR, VOLT, Ratings
from labctl_mock.keithley.sourcemeter_ranges import OVER_RANGE, RANGES_2450

__all__ = [
    "CHOICES",
    "ERROR_TEXTS",
    "FLAGS",
    "NUMBERS",
    "OUTPUT",
    "RATINGS",
    "SENSE",
    "SOURCE",
    "SWEEPS",
    "WORDS",
]

ERROR_TEXTS = {
    -222: "Parameter data out of range",
    802: "OUTPUT blocked by interlock",
    805: "OUTPUT blocked by over temperature",
    5050: "Source limit changed to suit the source range",
}
RATINGS = Ratings(
    tables=RANGES_2450,
    over_range=OVER_RANGE,
    # above what a reading shows: a reading that a range holds back is beyond that range
    ceiling=1.06,
    low_v=20.0,
    high_a=0.1,
    least_limit={VOLT: 1e-9, CURR: 2e-3},
    default_range={VOLT: 20e-3, CURR: 10e-9},
    default_limit={VOLT: 105e-6, CURR: 21.0},
    off_limit=0.1,
    conflict=-222,
    adjusts_limit=True,
    # 6-94: the limit must be more than 0.1 % of a fixed measure range
    least_part=1e-3,
    caps_measure_range=0,
)
WORDS = {VOLT: "VOLTage", CURR: "CURRent"}
SOURCE, SENSE, OUTPUT = "SOURce[1|1]", "[SENSe[1|1]]", "OUTPut[1|1]"
SWEEPS = {"LIN": "LINear", "STEP": "LINear:STEP", "LOG": "LOG"}

_MOST_DELAY_S = 1e4
_READINGS = 300_000.0

NUMBERS = {
    f"{SENSE}:COUNt#": (1.0, _READINGS, 1.0),
    **{f"{SOURCE}:{word}:DELay": (0.0, _MOST_DELAY_S, 0.0) for word in WORDS.values()},
    **{f"{SENSE}:{word}[:DC]:NPLCycles": (0.01, 10.0, 1.0) for word in WORDS.values()},
    **{f"{SENSE}:{word}[:DC]:AVERage:COUNt#": (1.0, 100.0, 10.0) for word in WORDS.values()},
}
CHOICES = {
    "ROUTe:TERMinals": ("FRONt", "REAR"),
    "FORMat[:DATA]": ("ASCii",),
    **{f"{SENSE}:{word}[:DC]:AVERage:TCONtrol": ("REPeat", "MOVing") for word in WORDS.values()},
}
FLAGS = {
    **{f"{SOURCE}:{word}:DELay:AUTO": True for word in WORDS.values()},
    **{f"{SOURCE}:{word}:READ:BACK": True for word in WORDS.values()},
    **{f"{SOURCE}:{word}:HIGH:CAPacitance": False for word in WORDS.values()},
    **{f"{SENSE}:{word}[:DC]:AVERage[:STATe]": False for word in WORDS.values()},
    **{f"{SENSE}:{word}[:DC]:AZERo[:STATe]": True for word in WORDS.values()},
    **{f"{SENSE}:{word}[:DC]:RSENse": False for word in WORDS.values()},
}
