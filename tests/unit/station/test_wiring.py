"""Lines, rows and crosspoints. Authority: Keithley 707B manual, crosspoint = slot, row, column ("1A01")."""

import pytest

from labctl.errors import StationError
from labctl.station import read_station_file


@pytest.fixture
def wiring(station_path):
    return read_station_file(station_path).wiring


def test_lines_rows_and_crosspoints_are_found(wiring):
    assert (wiring.word(1), wiring.bit(1)) == ("102", "212")
    assert (wiring.row_of("gen1.2"), wiring.row_of("ground")) == ("D", "E")
    assert wiring.crosspoint("A", "101") == "1A01"
    assert wiring.crosspoint(wiring.row_of("smu1.b"), wiring.bit(1)) == "2B12"


@pytest.mark.parametrize("index", [2, -1, 32])
def test_line_that_is_not_wired_is_refused(wiring, index):
    with pytest.raises(StationError, match="word line"):
        wiring.word(index)
    with pytest.raises(StationError, match="bit line"):
        wiring.bit(index)


def test_terminal_or_row_that_is_not_wired_is_refused(wiring):
    with pytest.raises(StationError, match=r"smu1\.a"):
        wiring.row_of("smu2.a")
    with pytest.raises(StationError, match="row 'H'"):
        wiring.crosspoint("H", "101")
