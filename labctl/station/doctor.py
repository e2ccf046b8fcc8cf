"""Checks of a station: who answers, what the error queues hold, whether relays move, whether the wiring is as believed.

The addressing round trip. On the carrier every line hangs on one common pad through a resistor of its own. For each
line: channel A of the source-measure unit on that line at +0.2 V and at -0.2 V, channel B on the pad at 0 V measuring,
all other lines grounded. The difference of the two currents is 0.4 V over that line's resistor, whatever the cells do,
since they load A alone; offsets of both channels fall out. 0.2 V lies below the voltage at which cells change.

That measurement is the same with A and B exchanged, so the rows of the source-measure channels are checked before:
each row in turn is shorted to ground at the pad; of all channels, at 50 mV and 1 µA, only the one that the station
file names may then meet its current limit. Not checked: that a pulse generator hangs on its rows; which gate line leads
to which row of the array, and the contacts of the gates' matrix, which carries no current.

Not here: the contacts of the matrix one by one (:mod:`labctl.station.contacts`), repairing anything.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from labctl.errors import LabError, StationError
from labctl.roles import Flag, SourceMeter, SwitchMatrix
from labctl.station.contacts import find_stuck
from labctl.station.station import Station
from labctl.station.wiring import GROUND, MatrixWiring

__all__ = ["Check", "check"]

_PROBE_V = 0.2
_TOLERANCE = 3e-3


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, whether it passed, what was found."""

    name: str
    ok: bool
    detail: str


def check(station: Station) -> list[Check]:
    """Check a station and leave it off.

    Parameters
    ----------
    station : Station
        Opened, with nothing running on it.

    Returns
    -------
    list of Check
        One per instrument and subject; a check that cannot be made because something does not answer has failed.
    """
    checks: list[Check] = []
    for key in station.instruments:
        checks.append(_attempt(f"{key}: identity", partial(_identity, station, key)))
        checks.append(_attempt(f"{key}: error queue", partial(_error_queue, station, key)))
    checks.append(_attempt("off", partial(_off, station)))
    if station.wiring.matrix is None:
        wired = "not checked: the sample is wired directly, without a matrix"
        return [*checks, *(Check(name, True, wired) for name in ("relays", "addressing", "contacts"))]
    for network in station.wiring.networks():
        name = "relays" if network is station.wiring else f"relays of {network.matrix}"
        checks.append(_attempt(name, partial(_relays, station, network)))
    are_rows_right = True
    if station.wiring.identification is None:
        checks.append(Check("addressing", True, "not checked: the station file names no identification pad"))
    else:
        checks.append(_attempt("rows", partial(_rows, station)))
        are_rows_right = checks[-1].ok
        checks.append(_attempt("addressing", partial(_addressing, station)))
    if are_rows_right:
        checks.append(_attempt("contacts", partial(_contacts, station)))
    else:
        checks.append(Check("contacts", True, "not checked: the rows must be right before contacts can be told apart"))
    return checks


def _attempt(name: str, examine: Callable[[], tuple[bool, str]]) -> Check:
    try:
        ok, detail = examine()
    except LabError as error:
        ok, detail = False, str(error)
    return Check(name, ok, detail)


def _identity(station: Station, key: str) -> tuple[bool, str]:
    found, opened = station.instruments[key].identity(), station.identities()[key]
    text = f"{found.maker} {found.model}, serial {found.serial}, firmware {found.firmware}"
    return found == opened, text if found == opened else f"{text}; at opening it was serial {opened.serial}"


def _error_queue(station: Station, key: str) -> tuple[bool, str]:
    entries = station.instruments[key].drain_errors()
    return not entries, "; ".join(entries) or "empty"


def _off(station: Station) -> tuple[bool, str]:
    station.safe_off()
    return True, "every output off and every relay open, read back"


def _relays(station: Station, network: MatrixWiring) -> tuple[bool, str]:
    matrix = station.switch_matrix(str(network.matrix))
    row = network.row_of(GROUND)
    points = frozenset(network.crosspoint(row, column) for column in network.columns())
    matrix.close(points)
    closed = matrix.closed()
    matrix.open_all()
    left = matrix.closed()
    if closed != points:
        return False, f"asked for row {row} on every line; differing are {', '.join(sorted(closed ^ points))}"
    if left:
        return False, f"still closed after opening all: {', '.join(sorted(left))}"
    return True, f"{len(points)} crosspoints of row {row} closed and opened, read back"


def _contacts(station: Station) -> tuple[bool, str]:
    wiring, matrix = station.wiring, station.switch_matrix(str(station.wiring.matrix))
    meters = _meters(station)
    if not meters:
        return True, "not checked: no source-measure channel is wired to a row"
    not_opening, not_closing = find_stuck(wiring, matrix, meters)
    count = len(wiring.rows) * len(wiring.columns())
    if len(not_closing) == count:
        return False, f"nothing conducts from {next(iter(meters))} to ground; correct the cabling or {station.file}"
    faults = [f"{name} does not open" for name in not_opening] + [f"{name} does not close" for name in not_closing]
    if faults:
        return False, f"{'; '.join(faults)}; have the relay replaced, or wire around it"
    return True, f"{count} contacts close and open, by the current through them"


def _rows(station: Station) -> tuple[bool, str]:
    wiring, matrix = station.wiring, station.switch_matrix(str(station.wiring.matrix))
    meters = _meters(station)
    ground = wiring.crosspoint(wiring.row_of(GROUND), str(wiring.identification))
    matrix.open_all()
    for meter in meters.values():
        meter.prepare(voltage_range_v=_PROBE_V, current_limit_a=1e-6, measure_range_a=1e-6, integration_plc=0.1)
        meter.output_on()
    faults = []
    try:
        for terminal in meters:
            row = wiring.row_of(terminal)
            shorted = [ground, wiring.crosspoint(row, str(wiring.identification))]
            matrix.close(shorted)
            for meter in meters.values():
                meter.set_voltage(_PROBE_V / 4.0)
            loaded = [name for name, meter in meters.items() if Flag.COMPLIANCE in meter.measure_current().flags]
            for meter in meters.values():
                meter.set_voltage(0.0)
            matrix.open(shorted)
            if loaded != [terminal]:
                faults.append(
                    f"row {row} should be {terminal}, shorted to ground it loads {', '.join(loaded) or 'none'}"
                )
    finally:
        for meter in meters.values():
            meter.output_off()
        matrix.open_all()
    if faults:
        return False, f"{'; '.join(faults)}; correct the cabling or {station.file}, table wiring.rows"
    return True, f"{', '.join(meters)} and ground are on their rows"


def _addressing(station: Station) -> tuple[bool, str]:
    expected_ohm = station.wiring.identification_resistors_ohm
    measured_ohm = _round_trip(station)
    words = len(station.wiring.word_lines)
    has_plate = station.wiring.control is not None and station.wiring.control.common_source
    names = ["source plate"] if has_plate else [f"word line {index}" for index in range(words)]
    names += [f"bit line {index}" for index in range(len(station.wiring.bit_lines))]
    answers = [_nearest(value, expected_ohm) for value in measured_ohm]
    wrong = [index for index, answer in enumerate(answers) if answer != index]
    if not wrong:
        worst = max(abs(found / due - 1.0) for found, due in zip(measured_ohm, expected_ohm, strict=True))
        return True, f"{len(names)} lines answer as wired, worst resistor off by {worst:.2%}"
    faults = []
    for index in wrong:
        answer = answers[index]
        if answer is None:
            faults.append(f"{names[index]} answers with {measured_ohm[index]:.6g} ohm, the resistor of no line")
        elif answers[answer] == index:
            if index < answer:
                faults.append(f"{names[index]} and {names[answer]} are swapped")
        else:
            faults.append(f"{names[index]} answers as {names[answer]}")
    return False, "; ".join(faults) + f"; correct the cabling or {station.file}, table wiring"


def _nearest(found_ohm: float, expected_ohm: tuple[float, ...]) -> int | None:
    index = min(range(len(expected_ohm)), key=lambda line: abs(found_ohm / expected_ohm[line] - 1.0))
    return index if abs(found_ohm / expected_ohm[index] - 1.0) <= _TOLERANCE else None


def _round_trip(station: Station) -> list[float]:
    """Resistance from each line to the pad, word lines first."""
    wiring, matrix = station.wiring, station.switch_matrix(str(station.wiring.matrix))
    meters = _meters(station)
    if len(meters) < 2:
        raise StationError(f"{wiring.file}: wiring.rows: the addressing round trip needs two source-measure channels")
    (source_terminal, source), (meter_terminal, meter), *_ = meters.items()
    source_row, meter_row = wiring.row_of(source_terminal), wiring.row_of(meter_terminal)
    ground = wiring.row_of(GROUND)
    lines = wiring.columns()
    matrix.open_all()
    limit_a = min(0.01, source.limits.max_current_a)
    source.prepare(voltage_range_v=_PROBE_V, current_limit_a=limit_a, measure_range_a=None, integration_plc=0.1)
    meter.prepare(voltage_range_v=_PROBE_V, current_limit_a=1e-4, measure_range_a=1e-6, integration_plc=1.0)
    matrix.close([wiring.crosspoint(ground, line) for line in lines])
    matrix.close([wiring.crosspoint(meter_row, str(wiring.identification))])
    source.output_on()
    meter.output_on()
    try:
        return [
            _line_ohm(source, meter, matrix, wiring.crosspoint(source_row, line), wiring.crosspoint(ground, line))
            for line in lines
        ]
    finally:
        source.output_off()
        meter.output_off()
        matrix.open_all()


def _line_ohm(source: SourceMeter, meter: SourceMeter, matrix: SwitchMatrix, probe: str, ground: str) -> float:
    matrix.exchange(opening=[ground], closing=[probe])
    currents_a = []
    for level_v in (_PROBE_V, -_PROBE_V):
        source.set_voltage(level_v)
        found = meter.measure_current()
        if found.value is None or found.flags:
            currents_a.append(0.0)
        else:
            currents_a.append(found.value)
    source.set_voltage(0.0)
    matrix.exchange(opening=[probe], closing=[ground])
    # the current out of the meter's terminal falls when the line's voltage rises
    difference_a = currents_a[1] - currents_a[0]
    return 2.0 * _PROBE_V / difference_a if difference_a else float("inf")


def _meters(station: Station) -> dict[str, SourceMeter]:
    """Source-measure channels that are wired to a row, in the order of the rows."""
    found: dict[str, SourceMeter] = {}
    for terminal in station.wiring.rows.values():
        with suppress(StationError):
            found[terminal] = station.source_meter(terminal)
    return found
