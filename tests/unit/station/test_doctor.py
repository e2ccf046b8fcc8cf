"""The checks of a station against a rack of plain resistors.

Authority: Ohm's law. With the probed line at V and everything else at 0 V, the current into the pad is V / R of the
line that really hangs on the probed column.
"""

import types

import pytest

from labctl.errors import NotVerifiedOffError, ProtocolError
from labctl.roles import Flag, Identity, Reading
from labctl.station import read_station_file
from labctl.station.doctor import check

WHO = Identity("Maker", "Model", "1", "1.0")


class ResistorRack:
    """A station whose matrix and meters obey Ohm's law, with lines on other columns than believed."""

    def __init__(self, path, true_columns=None, pad_offset_v=1e-4):
        content = read_station_file(path)
        self.wiring = content.wiring
        self.file = content.file
        lines = (*self.wiring.word_lines, *self.wiring.bit_lines)
        columns = true_columns or lines
        self.ohm = dict(zip(columns, self.wiring.identification_resistors_ohm, strict=True))
        self.closed_now, self.levels, self.on, self.pad_offset_v = set(), {"A": 0.0, "B": 0.0}, set(), pad_offset_v
        self.true_row = {"smu1.a": "A", "smu1.b": "B"}
        self.probe_in_compliance = False
        self.stuck, self.hot, self.prepared, self.relays_verified = set(), 0, {}, True
        self.dead = set()
        self.entries = []
        instrument = types.SimpleNamespace(identity=lambda: WHO, drain_errors=lambda: self.entries)
        self.instruments = {"smu1": instrument}
        self.station = self

    def identities(self):
        return {"smu1": WHO}

    def safe_off(self):
        self.closed_now = set(self.stuck)

    def switch_matrix(self, key):
        assert key == "mat1"
        return self

    def close(self, crosspoints):
        self.exchange(opening=(), closing=crosspoints)

    def exchange(self, *, opening, closing):
        self.hot += bool(self.on) and any(self.levels.values())
        self.closed_now = (self.closed_now - set(opening)) | set(closing) | self.stuck

    def open(self, crosspoints):
        self.exchange(opening=crosspoints, closing=())

    def open_all(self):
        self.closed_now = set(self.stuck)

    def closed(self):
        return frozenset(self.closed_now)

    def source_meter(self, terminal):
        from labctl.errors import StationError

        if terminal not in ("smu1.a", "smu1.b"):
            raise StationError(terminal)
        return ResistorMeter(self, self.true_row[terminal])

    def line_voltage(self, column):
        rows = {name[1] for name in self.closed_now if name[0] + name[2:] == column}
        return sum(self.levels.get(row, 0.0) for row in rows if row in self.on)

    def is_shorted(self, row):
        """Whether contacts alone make a way to ground."""
        rows, columns, found = {row}, set(), True
        while found:
            reached = [name for name in self.closed_now - self.dead if name[1] in rows or name[0] + name[2:] in columns]
            found = {name[1] for name in reached} - rows or {name[0] + name[2:] for name in reached} - columns
            rows |= {name[1] for name in reached}
            columns |= {name[0] + name[2:] for name in reached}
        return row in self.on and "E" in rows

    def pad_current(self):
        if "6B11" not in self.closed_now:
            return 0.0
        pad_v = self.levels["B"] + self.pad_offset_v
        return sum((pad_v - self.line_voltage(column)) / ohm for column, ohm in self.ohm.items())


class ResistorMeter:
    limits = types.SimpleNamespace(max_current_a=0.05)

    def __init__(self, rack, row):
        self.rack, self.row = rack, row

    def prepare(self, **settings):
        self.rack.prepared[self.row] = settings

    def output_on(self):
        self.rack.on.add(self.row)

    def output_off(self):
        self.rack.on.discard(self.row)

    def set_voltage(self, voltage_v):
        assert abs(voltage_v) <= 0.2
        self.rack.levels[self.row] = voltage_v

    def measure_current(self):
        is_short = self.rack.is_shorted(self.row) and self.rack.levels[self.row]
        flags = frozenset({Flag.COMPLIANCE}) if is_short or self.rack.probe_in_compliance else frozenset()
        return Reading(self.rack.pad_current(), "A", flags, "raw")


def addressing(rack):
    (found,) = [item for item in check(rack) if item.name == "addressing"]
    return found


def test_all_checks_pass_on_a_rack_that_is_wired_as_believed(station_path):
    rack = ResistorRack(station_path)
    checks = check(rack)
    assert [item.name for item in checks] == [
        "smu1: identity",
        "smu1: error queue",
        "off",
        "relays",
        "rows",
        "addressing",
        "contacts",
    ]
    assert all(item.ok for item in checks), checks
    assert "4 lines answer as wired" in checks[-2].detail
    assert "20 contacts close and open" in checks[-1].detail
    assert rack.hot == 0
    assert rack.on == set()
    assert rack.closed_now == set()


def test_swapped_lines_are_named(station_path):
    found = addressing(ResistorRack(station_path, true_columns=("101", "201", "102", "212")))
    assert not found.ok
    assert "word line 1 and bit line 0 are swapped" in found.detail
    assert "word line 0" not in found.detail


def test_lines_in_a_ring_are_named_one_by_one(station_path):
    found = addressing(ResistorRack(station_path, true_columns=("102", "201", "101", "212")))
    assert "word line 0 answers as bit line 0" in found.detail
    assert "word line 1 answers as word line 0" in found.detail


def test_swapped_rows_of_the_source_meter_are_found(station_path):
    rack = ResistorRack(station_path)
    rack.true_row = {"smu1.a": "B", "smu1.b": "A"}
    found = {item.name: item for item in check(rack)}
    assert not found["rows"].ok
    assert "row A should be smu1.a, shorted to ground it loads smu1.b" in found["rows"].detail
    assert "not checked" in found["contacts"].detail
    assert rack.hot == 0
    assert rack.on == set()


def test_row_that_is_not_connected_is_found(station_path):
    rack = ResistorRack(station_path)
    rack.true_row["smu1.b"] = "H"
    rack.levels["H"] = 0.0
    found = {item.name: item for item in check(rack)}
    assert "row B should be smu1.b, shorted to ground it loads none" in found["rows"].detail


def test_open_line_is_named(station_path):
    rack = ResistorRack(station_path)
    del rack.ohm["212"]
    found = addressing(rack)
    assert not found.ok
    assert "bit line 1 answers with inf ohm, the resistor of no line" in found.detail


def test_resistor_off_by_more_than_0_3_percent_is_found(station_path):
    rack = ResistorRack(station_path)
    rack.ohm["101"] *= 1.0029
    assert addressing(rack).ok
    rack.ohm["101"] = 1.00e6 * 1.0031
    assert not addressing(rack).ok


def test_reading_in_compliance_is_no_reading(station_path):
    rack = ResistorRack(station_path)
    rack.probe_in_compliance = True
    assert not addressing(rack).ok


def test_stuck_relay_is_found(station_path):
    rack = ResistorRack(station_path)
    rack.stuck = {"1C05"}
    found = {item.name: item for item in check(rack)}
    assert not found["relays"].ok
    assert "1C05" in found["relays"].detail


LINES = ("101", "102", "201", "212")


@pytest.mark.parametrize("crosspoint", [f"{line[0]}{row}{line[1:]}" for line in LINES for row in "ABCDE"])
def test_contact_that_does_not_open_or_close_is_named_and_no_other(station_path, crosspoint):
    # the matrix itself says what it commanded: only a way for a current tells
    rack = ResistorRack(station_path)
    rack.dead = {crosspoint}
    found = {item.name: item for item in check(rack)}["contacts"]
    assert found.detail.startswith(f"{crosspoint} does not close; have")
    rack = ResistorRack(station_path)
    rack.stuck = {crosspoint}
    found = {item.name: item for item in check(rack)}["contacts"]
    assert found.detail.startswith(f"{crosspoint} does not open; have")
    assert rack.hot == 0


def test_channel_from_which_nothing_conducts_is_named_in_place_of_every_contact(station_path, station_text):
    lines = [line for line in station_text.splitlines() if not line.startswith("identification")]
    rack = ResistorRack(station_path)
    station_path.write_text("\n".join(lines), encoding="utf-8")
    rack.wiring, rack.true_row["smu1.a"], rack.levels["H"] = read_station_file(station_path).wiring, "H", 0.0
    found = {item.name: item for item in check(rack)}["contacts"]
    assert found.detail.startswith("nothing conducts from smu1.a to ground")


def test_full_error_queue_fails_its_check(station_path):
    rack = ResistorRack(station_path)
    rack.entries = ["-285: TSP Syntax error"]
    found = {item.name: item for item in check(rack)}
    assert not found["smu1: error queue"].ok
    assert "-285" in found["smu1: error queue"].detail


def test_check_that_cannot_be_made_has_failed_and_the_others_are_made(station_path):
    rack = ResistorRack(station_path)

    def silent():
        raise ProtocolError("no answer")

    def still_on():
        raise NotVerifiedOffError("still on")

    rack.instruments["smu1"].identity = silent
    rack.safe_off = still_on
    found = {item.name: item for item in check(rack)}
    assert not found["smu1: identity"].ok
    assert not found["off"].ok
    assert found["addressing"].ok


def test_station_without_identification_says_so(station_path, station_text):
    lines = [line for line in station_text.splitlines() if not line.startswith("identification")]
    station_path.write_text("\n".join(lines), encoding="utf-8")
    rack = ResistorRack.__new__(ResistorRack)
    rack.wiring = read_station_file(station_path).wiring
    rack.instruments, rack.file, rack.stuck, rack.dead, rack.closed_now = {}, "", set(), set(), set()
    rack.on, rack.levels, rack.hot, rack.prepared = set(), {}, 0, {}
    rack.true_row, rack.probe_in_compliance = {"smu1.a": "A", "smu1.b": "B"}, False
    rack.pad_current = lambda: 0.0
    found = {item.name: item for item in check(rack)}
    assert "not checked" in found["addressing"].detail
    # the contacts need no pad
    assert found["contacts"].ok


@pytest.mark.parametrize("row", ["A", "B"])
def test_probe_voltage_range_and_limits_are_small(station_path, row):
    rack = ResistorRack(station_path)
    addressing(rack)
    assert 0.0 < rack.prepared[row]["voltage_range_v"] <= 0.2
    assert rack.prepared[row]["current_limit_a"] <= 0.01
