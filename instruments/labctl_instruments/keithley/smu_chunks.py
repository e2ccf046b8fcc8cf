"""The chunks of TSP by which a Series 2600B stimulates, each so that it is obeyed once even where it arrives twice.

A pulse carries a number and is given only where the instrument has not noted that number yet; a staircase takes its
levels away from the instrument's memory before it plays them. What the instrument really did comes back with the
confirmation: the levels that stood while a pulse lasted, the level of each reading of a staircase.

Source: Series 2600B Reference Manual 2600BS-901-01 Rev. F, sections 6 and 9. Not here: sending them and judging the
answers (:mod:`labctl_instruments.keithley.smu_channel`).
"""

from collections.abc import Sequence

__all__ = ["DONE", "FIRST_NUMBER", "NOTHING", "level_text", "pulse_chunk", "staircase_chunk"]

DONE = "pulsed"
NOTHING = "nothing"
# in front of the first settings: a number that another program left would stop the pulse that has the same
FIRST_NUMBER = "labctl_pulse=0"


def level_text(voltage_v: float) -> str:
    """Return a level as it is sent.

    Parameters
    ----------
    voltage_v : float, unit V

    Returns
    -------
    str
    """
    return f"{voltage_v:.9e}"


def pulse_chunk(number: int, levels: Sequence[tuple[str, str]], width_s: float) -> str:
    """Return the chunk of one pulse.

    Its answer is ``DONE``, the level of each channel at the end of the pulse, the state of each output after it and the
    length of the error queue; or ``NOTHING`` where the number is that of the last pulse.

    Parameters
    ----------
    number : int, unit 1
        Of the pulse; another than that of the pulse before.
    levels : sequence of (str, str)
        Channel such as ``"smua"`` and level, first in time first.
    width_s : float, unit s

    Returns
    -------
    str
    """
    names = [smu for smu, _ in levels]
    held = ",".join(f"held{index}" for index in range(len(names)))
    up = " ".join(f"{smu}.source.levelv={level}" for smu, level in levels)
    down = " ".join(f"{smu}.source.levelv=0" for smu in names)
    found = ",".join(f"{smu}.source.levelv" for smu in names)
    outputs = ",".join(f"{smu}.source.output" for smu in names)
    return (
        f'if labctl_pulse=={number} then print("{NOTHING}") else labctl_pulse={number} '
        f"{up} delay({width_s:.9e}) local {held}={found} {down} "
        f'print("{DONE}",{held},{outputs},errorqueue.count) end'
    )


def staircase_chunk(smu: str, number: int, count: int, dwell_s: float) -> str:
    """Return the chunk of a staircase through the levels that were sent before.

    Its answer is one entry ``current,compliance,level`` per level, separated by semicolons, and the state of the
    output; or ``NOTHING`` where the levels are not those of this staircase, or were played already.

    Parameters
    ----------
    smu : str
        Channel such as ``"smua"``.
    number : int, unit 1
        Of the staircase.
    count : int, unit 1
        How many levels there are.
    dwell_s : float, unit s
        Time at each level.

    Returns
    -------
    str
    """
    return (
        "local levels=labctl_levels labctl_levels=nil "
        f"if not levels or levels.id~={number} or table.getn(levels)~={count} "
        f'then print("{NOTHING}") else '
        f"local rest={dwell_s:.9e}-{smu}.measure.nplc/localnode.linefreq local out={{}} "
        f"for _,v in ipairs(levels) do {smu}.source.levelv=v if rest>0 then delay(rest) end local i={smu}.measure.i() "
        f'table.insert(out,string.format("%.9e,%s,%.9e",i,tostring({smu}.source.compliance),{smu}.source.levelv)) '
        f'end {smu}.source.levelv=0 print(table.concat(out,";"),{smu}.source.output) end'
    )
