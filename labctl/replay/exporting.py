"""A recording as tests for PyMeasure: one ``expected_protocol`` test for each instrument.

A recording holds bytes, not which property of a driver sent them: the test sends the recorded messages through the
driver's own ``write_bytes`` and ``read_bytes`` and holds the answers against the recorded ones; whoever keeps it puts
calls of the driver in their place. Not here: the way back (:mod:`labctl.replay.importing`).
"""

import re
from pathlib import Path
from typing import Any

from labctl.errors import ReplayError
from labctl.replay.traffic import TrafficFile
from labctl_instruments import drivers

__all__ = ["export_pymeasure"]

_TERMINATORS = b"\r\n"
Pair = tuple[bytes | None, bytes | None]

_HEAD = '''"""What {source} says, as PyMeasure tests. Made by `labctl traffic export`; simulated: {simulated}."""

from pymeasure.test import expected_protocol
{imports}

def speak(instrument, pairs):
    """Send what was sent; the answers must be those that came."""
    for written, read in pairs:
        if written is not None:
            instrument.write_bytes(written)
        if read is not None:
            assert instrument.read_bytes(-1) == read
'''
_TEST = """

{constant} = [
{pairs}]


def test_{name}_answers_as_recorded():
    with expected_protocol({driver}, {constant}, name="{name}") as instrument:
        speak(instrument, {constant})
"""


def export_pymeasure(source: Path, target: Path) -> list[str]:
    """Write the tests of a recording.

    Parameters
    ----------
    source, target : Path
        The second must not exist.

    Returns
    -------
    list of str
        The resource of each test, with its driver.

    Raises
    ------
    ReplayError
        If the recording cannot be read, nothing in it was written, or the target cannot be made.
    """
    names, pairs, simulated = _conversations(source)
    spoken = {session: found for session, found in pairs.items() if found}
    if not spoken:
        raise ReplayError(f"{source}: nothing was written in it; there is nothing to test")
    known = {driver.MODEL: driver for driver in drivers().values()}
    imports, tests, told = set(), [], []
    for session, found in spoken.items():
        driver = known.get(_model(found))
        # PyMeasure's own base class where the model is none of ours
        module, name = ("pymeasure.instruments", "Instrument") if driver is None else _place(driver)
        imports.add(f"from {module} import {name}")
        of_session = f"{re.sub(r'[^a-z0-9]+', '_', names[session].lower()).strip('_')}_{session}"
        lines = "".join(f"    ({written!r}, {read!r}),\n" for written, read in found)
        tests.append(_TEST.format(constant=f"PAIRS_{session}", pairs=lines, name=of_session, driver=name))
        told.append(f"{names[session]}: {name}")
    head = _HEAD.format(source=source.name, simulated=simulated, imports="\n".join(sorted(imports)) + "\n")
    try:
        with target.open("x", encoding="utf-8", newline="\n") as out:
            out.write(head + "".join(tests))
    except OSError as error:
        raise ReplayError(f"{target}: cannot be made: {error.strerror}; name another file") from error
    return told


def _conversations(source: Path) -> tuple[dict[int, str], dict[int, list[Pair]], str]:
    names: dict[int, str] = {}
    pairs: dict[int, list[Pair]] = {}
    with TrafficFile(source) as file:
        bench = file.header.get("bench")
        for done in file.operations():
            found = pairs.setdefault(done.session, [])
            if done.op == "open":
                names[done.session] = str(done.facts["resource"])
            elif done.op == "w":
                found.append((done.data.rstrip(_TERMINATORS), None))
            elif done.op == "r" and done.data and done.status >= 0:
                data = done.data.rstrip(_TERMINATORS)
                # a second answer to one message has no message of its own
                if found and found[-1][1] is None:
                    found[-1] = (found[-1][0], data)
                else:
                    found.append((None, data))
    return names, pairs, "yes" if bench else "no, or not told"


def _model(pairs: list[Pair]) -> str:
    """Return the model that *IDN? answered, as drivers write it; "" where nobody asked."""
    for written, read in pairs:
        if written is not None and read is not None and b"*IDN?" in written:
            fields = read.decode("latin-1").split(";")[-1].split(",")
            if len(fields) == 4:
                return re.sub(r"(?i)^model\s+", "", fields[1].strip())
    return ""


def _place(driver: type[Any]) -> tuple[str, str]:
    return driver.__module__, driver.__name__
