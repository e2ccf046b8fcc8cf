"""What a station is like at present: as its live run tells, else as its instruments answer.

Not here: what runs write about that (:mod:`labctl.run.state_board`), checks of a station (``labctl doctor``).
"""

from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from labctl.run.live import live_runs
from labctl.run.state_board import read_state
from labctl.station import Station
from labctl.station.bench_control import BenchControl
from labctl.station.present import connected_lines
from labctl.station.station_file import StationFile, read_station_file
from labctl.store import Run
from labctl.store.plain import plain

__all__ = ["look_at_station"]


def look_at_station(station: "str | PathLike[str]", root: Path) -> dict[str, Any]:
    """Tell identities, outputs, relays, lines and envelope of a station.

    Parameters
    ----------
    station : str or path
        Name of a known station, or a station file. A live run on it is not disturbed: its state board is read.
        Otherwise the instruments are opened and asked; what was left on is switched off when they are closed.
    root : Path
        Data root of its runs.

    Returns
    -------
    dict
        ``station``, ``simulated``, ``run`` (id of the live run, or None), ``state`` ("running", "paused" or "idle"),
        ``identities``, ``outputs``, ``relays``, ``lines``, ``heaters``, ``temperature_k``, ``left_on`` (instruments
        that had something on before this look), ``errors`` (of the instruments' queues), ``envelope``, ``bench``
        (what a simulated rack tells of itself, or None) and ``truth`` (of a served bench, else None).

    Raises
    ------
    StationError
        If the station file is wrong, or a program uses an instrument whose run is not in this data root.
    InstrumentError
        If instruments cannot be reached, or what was left on is not verified off.
    """
    content = read_station_file(station)
    live = live_runs(root, content.name)
    told = _of_run(live[0]) if live else _of_instruments(content)
    truth = None
    if content.bench is not None:
        truth = plain(BenchControl(content.bench).ask("truth"))
    return {"station": content.name, **told, "truth": truth, "envelope": asdict(content.envelope)}


def _of_run(run: Run) -> dict[str, Any]:
    board = read_state(run.path) or {}
    names = ("maker", "model", "serial", "firmware")
    return {
        "simulated": bool(run.header["simulated"]),
        "run": run.run_id,
        "state": board.get("state", "running"),
        "clock_s": board.get("clock_s"),
        "identities": {key: {name: who[name] for name in names} for key, who in run.instruments.items()},
        **{name: board.get(name, {}) for name in ("outputs", "relays", "lines", "heaters")},
        "temperature_k": board.get("temperature_k"),
        "left_on": [],
        "errors": [],
        "bench": run.header.get("bench"),
    }


def _of_instruments(content: StationFile) -> dict[str, Any]:
    with Station.open(content.file) as opened:
        left, errors, told = opened.left_on(), opened.drain(), opened.present()
        relays = {
            str(network.matrix): opened.switch_matrix(str(network.matrix)).closed()
            for network in content.wiring.networks()
        }
        heater = None
        if content.temperature_controller is not None:
            heater = opened.temperature_controller().measure_temperature().value
        return {
            "simulated": opened.simulated,
            "run": None,
            "state": "idle",
            "clock_s": opened.clock.now_s() if opened.in_process else None,
            "identities": {key: plain(who) for key, who in opened.identities().items()},
            **told,
            "relays": {key: sorted(closed) for key, closed in relays.items()},
            "lines": connected_lines(content.wiring, relays),
            "temperature_k": heater,
            "left_on": left,
            "errors": errors,
            "bench": opened.bench_info,
        }
