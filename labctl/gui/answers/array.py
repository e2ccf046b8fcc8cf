"""What the array panel asks: the maps of the die of a station, and the history of one of its cells.

Not here: how they are made (:mod:`labctl.analysis.die_index`, :mod:`labctl.analysis.cell_history`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labctl.analysis.cell_history import history_in_run
from labctl.analysis.die_index import DieIndex, DieRun
from labctl.analysis.die_maps import DieMaps
from labctl.analysis.die_pack import pack_maps
from labctl.analysis.die_state import Die, Taken, die_of, take_rows
from labctl.analysis.history_pack import pack_history
from labctl.home import labctl_home
from labctl.station import read_station_file
from labctl.store import Run

__all__ = ["ANSWERS", "MOST_ROWS"]

_SLICE_S = 0.3
# rows of a run among which those of a cell are looked for at once: about a tenth of a second
_SCAN_ROWS = 50_000
MOST_ROWS = 20_000


def die(root: str, station: str, live_path: str = "", live_seq: int = 0) -> Iterator[dict[str, Any]]:
    """Answer with the maps of a station's die; before, in parts, with how many run files are still to be read.

    Parameters
    ----------
    root : str
        Data root.
    station : str
        Name or path.
    live_path : str
        File of a run of which the window shows the rows itself; empty: none.
    live_seq : int
        Number of the last row of that run that the window has not.

    Yields
    ------
    dict
        ``{"left": 12}``; the last: ``{"maps": ..., "live": ..., "live_seq": 0, "runs": 3, "seed": 1, "die": ...,
        "is_fresh": False, "socket": ""}``. ``maps`` and ``die`` are None without any run, ``live`` is what the rows of
        the live run up to ``live_seq`` say, ``is_fresh`` tells that the die of the runs is not in the bench any more,
        ``socket`` is the folder in which the bench keeps its die.
    """
    live = (Path(live_path), live_seq) if live_path else None
    answer: dict[str, Any] = {"left": 0, "maps": None, "live": None, "live_seq": 0, "runs": 0, "seed": None}
    answer |= {"die": None, "is_fresh": False, "socket": ""}
    with DieIndex(Path(root)) as index:
        while left := index.refresh(_SLICE_S, live=live):
            yield {"left": left}
        found = _find(index, station)
        runs = [] if found is None else index.runs(found)
    if found is None:
        yield answer
        return
    socket = _socket(found, station)
    answer["socket"] = "" if socket is None else str(socket)
    if _is_replaced(socket, runs):
        yield answer | {"is_fresh": True}
        return
    maps = DieMaps(found.rows, found.columns)
    for one in runs:
        if _is_live(one, live_path):
            answer |= {"live": one.packed, "live_seq": one.last_seq}
        else:
            maps.merge(one.maps())
    yield answer | {"maps": pack_maps(maps), "runs": len(runs), "seed": found.seed, "die": asdict(found)}


def played(root: str, path: str, seq: int) -> Iterator[dict[str, Any]]:
    """Answer with the maps of a die as it was in the midst of one of its runs; before, with how many files are left.

    Parameters
    ----------
    root : str
        Data root.
    path : str
        File of the run, which names a sample.
    seq : int
        Number of the last of its rows that count.

    Yields
    ------
    dict
        As :func:`die` yields it: ``maps`` is what the runs before said, as far as the data root has them.
    """
    run = Run(Path(path))
    with DieIndex(Path(root)) as index:
        while left := index.refresh(_SLICE_S):
            yield {"left": left}
        runs = _runs_until(index, run)
    found = die_of(run)
    assert found is not None
    maps, own, taken = DieMaps(found.rows, found.columns), DieMaps(found.rows, found.columns), Taken()
    for one in runs[:-1]:
        maps.merge(one.maps())
    while taken.seq < seq:
        taken = take_rows(own, run, taken, seq)
        yield {"left": 0}
    answer = {"maps": pack_maps(maps), "live": pack_maps(own), "live_seq": seq, "runs": len(runs), "seed": found.seed}
    yield answer | {"die": asdict(found), "is_fresh": False, "socket": ""}


def history(
    root: str,
    station: str,
    row: int,
    column: int,
    known: Mapping[str, Sequence[int]] | None = None,
    live_path: str = "",
    live_seq: int = 0,
    *,
    is_played: bool = False,
) -> Iterator[dict[str, Any]]:
    """Answer with the history of a cell in parts, the newest first, then with what was left out.

    Parameters
    ----------
    root : str
        Data root.
    station : str
        Name or path.
    row, column : int
        The cell.
    known : mapping of str to (int, int), optional
        By the runs that the window has rows of: the number of the last row up to which it has them, and how many.
    live_path : str
        File of a run of which the window takes the rows itself; empty: none.
    live_seq : int
        Number of the last row of that run that the window has not.
    is_played : bool
        That run has ended and is played: what came after it is left out.

    Yields
    ------
    dict
        Rows of one run: ``run_id``, ``procedure``, ``path``, ``simulated``, ``upto``, the number of the row up to
        which the run is known with them, and ``rows``, as :func:`labctl.analysis.history_pack.pack_history` has them,
        None where there is nothing new. The last: ``{"left_out": 0}``, the number of runs that were not read to their
        beginning because :data:`MOST_ROWS` were reached.
    """
    live = (Path(live_path), 0) if live_path and not is_played else None
    with DieIndex(Path(root)) as index:
        while index.refresh(_SLICE_S, live=live):
            yield {}
        if is_played:
            runs = _runs_until(index, Run(Path(live_path)))
        else:
            found = _find(index, station)
            runs = [] if found is None else index.runs(found)
            if found is not None and _is_replaced(_socket(found, station), runs):
                runs = []
    cell, taken, left_out = (row, column), 0, 0
    for one in reversed(runs):
        upto = live_seq if _is_live(one, live_path) else one.last_seq
        after, count = (known or {}).get(one.run_id, (0, 0))
        taken += count
        if not (_is_live(one, live_path) or one.touches(cell)):
            continue
        facts = {"run_id": one.run_id, "procedure": one.procedure, "path": str(one.path), "upto": max(upto, after)}
        is_enough = taken >= MOST_ROWS and upto > after
        left_out += is_enough
        if is_enough or upto <= after:
            yield {**facts, "upto": after, "rows": None}
            continue
        run = Run(one.path)
        facts["simulated"] = bool(run.header["simulated"])
        for end in range(upto, after, -_SCAN_ROWS):
            part = history_in_run(run, cell, max(end - _SCAN_ROWS, after), end)
            taken += len(part)
            yield {**facts, "rows": pack_history(part)}
            if taken >= MOST_ROWS and end - _SCAN_ROWS > after:
                left_out += 1
                break
    yield {"left_out": left_out}


def _find(index: DieIndex, station: str) -> Die | None:
    content = read_station_file(station)
    name, _, library = content.visa_library.rpartition("@")
    # of a served bench the station file knows the port only
    bench = None if content.bench is not None else name if library == "labctl" else ""
    shape = content.sample.rows, content.sample.columns
    return index.find_die(content.name, content.sample.name, shape, bench=bench)


def _runs_until(index: DieIndex, run: Run) -> list[DieRun]:
    """Return the runs on a run's die up to the run itself, which may lie outside the data root."""
    die, header = die_of(run), run.header
    known = [] if die is None else index.runs(die, run.run_id)
    itself = DieRun(run.run_id, str(header["procedure"]), str(header["started_utc"]), run.path, {}, True, 0)
    return known or [itself]


def _is_live(run: DieRun, live_path: str) -> bool:
    return bool(live_path) and run.path.name == Path(live_path).name


def _socket(die: Die, station: str) -> Path | None:
    """Return where the bench in process keeps its die between runs."""
    is_served = read_station_file(station).bench is not None
    return labctl_home() / "benches" / die.bench if die.simulated and not is_served else None


def _is_replaced(socket: Path | None, runs: Sequence[DieRun]) -> bool:
    """Tell whether the bench has no die yet, though a run on one has ended: it will make a fresh one."""
    if socket is None or not runs or not runs[-1].is_sealed:
        return False
    return socket.is_dir() and not (socket / "die.npz").exists()


ANSWERS = {"die": die, "played": played, "history": history}
