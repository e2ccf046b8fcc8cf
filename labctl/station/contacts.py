"""Do the contacts of the matrix do what it says? It reports what it commanded; only a current can tell.

One source-measure channel at 50 mV, limited to 1 mA or to the envelope, looks for a way to ground that consists of
contacts only: it meets its limit where there is one, while the cells of a sample carry less. A crosspoint that closes
makes a way, a crosspoint that opens leaves none. Which contact is to blame: those of the ways that should conduct and
do not, less all that were part of a way that did.

Not here: the other checks of ``labctl doctor`` (:mod:`labctl.station.doctor`).
"""

from collections.abc import Iterable, Mapping

from labctl.roles import Flag, SourceMeter, SwitchMatrix
from labctl.station.wiring import GROUND, Wiring

__all__ = ["find_stuck"]

_PROBE_V = 0.05
_LIMIT_A = 1e-3


class _Probe:
    """A channel on the matrix row ``row`` that tells whether it meets its limit."""

    def __init__(self, meter: SourceMeter, row: str, matrix: SwitchMatrix) -> None:
        self.row = row
        self._meter = meter
        self._matrix = matrix
        self._closed: frozenset[str] = frozenset()

    def conducts(self, *crosspoints: str) -> bool:
        """Close these crosspoints, all others open, and tell whether there is a way to ground."""
        wanted = frozenset(crosspoints)
        self._matrix.exchange(opening=self._closed - wanted, closing=wanted - self._closed)
        self._closed = wanted
        self._meter.set_voltage(_PROBE_V)
        found = self._meter.measure_current()
        self._meter.set_voltage(0.0)
        return Flag.COMPLIANCE in found.flags


def find_stuck(wiring: Wiring, matrix: SwitchMatrix, meters: Mapping[str, SourceMeter]) -> tuple[list[str], list[str]]:
    """Look at the contacts of every wired row on every line; all sources are off afterwards and all relays open.

    The first channel looks. The others are switched on and off once before: an off mode that opens the output relay
    is in force then, and a channel that only drives 0 V would be a way to ground.

    Parameters
    ----------
    wiring : Wiring
        Of the station.
    matrix : SwitchMatrix
    meters : mapping of str to SourceMeter
        By terminal, such as ``"smu1.a"``; at least one.

    Returns
    -------
    tuple of (list of str, list of str)
        Crosspoints that do not open, and crosspoints that do not close.
    """
    (terminal, meter), *others = meters.items()
    matrix.open_all()
    for one in meters.values():
        limit_a = min(_LIMIT_A, one.limits.max_current_a)
        one.prepare(voltage_range_v=_PROBE_V, current_limit_a=limit_a, measure_range_a=limit_a, integration_plc=0.01)
        one.output_on()
    for _, other in others:
        other.output_off()
    try:
        probe = _Probe(meter, wiring.row_of(terminal), matrix)
        closed = _stuck_closed(wiring, probe)
        return closed, _stuck_open(wiring, probe)
    finally:
        meter.output_off()
        matrix.open_all()


def _stuck_closed(wiring: Wiring, probe: _Probe) -> list[str]:
    ground, lines = wiring.row_of(GROUND), wiring.columns()
    # the probe on a line that is on no other row finds ground only through a contact that should be open
    stuck = _single(probe, [], [wiring.crosspoint(probe.row, line) for line in lines], lines)
    bad = [wiring.crosspoint(ground, line) for line in stuck]
    stuck += _single(probe, [], [wiring.crosspoint(ground, line) for line in lines if line not in stuck], lines)
    bad += [wiring.crosspoint(probe.row, line) for line in stuck[len(bad) :]]
    sound = [line for line in lines if line not in stuck]
    for row in wiring.rows:
        if row in (ground, probe.row) or len(sound) < 2:
            continue
        for start, others in ((sound[0], sound[1:]), (sound[1], sound[:1])):
            joined = [wiring.crosspoint(probe.row, start), wiring.crosspoint(row, start)]
            found = _single(probe, joined, [wiring.crosspoint(ground, line) for line in others], lines)
            bad += [wiring.crosspoint(row, line) for line in found]
    return bad


def _single(probe: _Probe, joined: Iterable[str], crosspoints: list[str], lines: tuple[str, ...]) -> list[str]:
    """Return the lines of those crosspoints that conduct, each alone with ``joined``; one look where none does."""
    if not crosspoints or not probe.conducts(*joined, *crosspoints):
        return []
    found = [name for name in crosspoints if probe.conducts(*joined, name)]
    return [line for line in lines if any(name[0] + name[2:] == line for name in found)]


def _stuck_open(wiring: Wiring, probe: _Probe) -> list[str]:
    ground, lines = wiring.row_of(GROUND), wiring.columns()
    sound: set[str] = set()
    suspects: dict[str, None] = {}
    for row in wiring.rows:
        for line, other in zip(lines, (*lines[1:], lines[0]), strict=True):
            if row == ground:
                continue
            way = [wiring.crosspoint(row, line), wiring.crosspoint(ground, line)]
            if row != probe.row:
                # the probe comes to another row by a second line
                way += [wiring.crosspoint(probe.row, other), wiring.crosspoint(row, other)]
            if probe.conducts(*way):
                sound.update(way)
            else:
                suspects |= dict.fromkeys(way)
    return [name for name in suspects if name not in sound]
