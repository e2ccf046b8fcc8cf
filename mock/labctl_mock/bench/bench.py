"""A simulated rack that is switched on: its instruments, its one clock, its one circuit, the die in its socket.

Not here: what goes over the wire (:mod:`labctl_mock.visa` and the instruments) and what happens between terminals and
cells (:mod:`labctl_mock.bench.circuit`).
"""

import os
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labctl.clock import VirtualClock
from labctl.errors import StationError
from labctl.home import labctl_home
from labctl.physics.crossbar import Crossbar
from labctl.physics.crossbar_network import Wires
from labctl.physics.die import Die, Effects
from labctl.physics.live_die import LiveDie, make_die, restore_die
from labctl.physics.presets import load_preset
from labctl_mock.bench.bench_file import BenchEffects, BenchFile, load_bench_file
from labctl_mock.bench.circuit import BenchCircuit
from labctl_mock.bench.control import Control, control_wiring
from labctl_mock.bench.die_socket import DieSocket, remove_dies
from labctl_mock.bench.die_store import StoredDie, load_die, save_die
from labctl_mock.bench.drives import is_any_on
from labctl_mock.bench.family_cells import FamilyCells
from labctl_mock.bench.hot_switching import HotSwitching
from labctl_mock.bench.live_cells import LiveCells
from labctl_mock.bench.lock import DieLock
from labctl_mock.bench.log import BenchLog
from labctl_mock.bench.oracle import Oracle
from labctl_mock.bench.overrides import Overrides, effect_names, read_overrides, write_overrides
from labctl_mock.bench.thermal import ThermalNoise
from labctl_mock.bench.wiring import Wiring
from labctl_mock.bench.wiring_entry import GROUND, DirectEntry, WiringEntry
from labctl_mock.faults import FaultPlan, FaultyInstrument
from labctl_mock.faults.disk import DiskFaults
from labctl_mock.messages.instrument import SimulatedInstrument
from labctl_mock.models import models

__all__ = ["Bench"]

_SAVE_EVERY_S = 2.0
_OVERRIDES = "overrides.toml"
_DIE_PREFIX, _CIRCUIT_PREFIX = "die.", "circuit."
# the family whose cells have a transistor in series, its source on the word line
_ONE_TRANSISTOR = "filament"


class Bench:
    """One opened bench; made by :meth:`open`, given back by :meth:`close`.

    Attributes
    ----------
    name : str
    clock : VirtualClock
    circuit : BenchCircuit
    instruments : dict of str to SimulatedInstrument
        By key of the bench file.
    resources : dict of str to str
        VISA resource name to instrument key.
    log : BenchLog
        Hot switching and its kin since the bench was opened.
    oracle : Oracle
        What really happened since the bench was opened.
    """

    def __init__(self, file: BenchFile, folder: Path, lock: DieLock) -> None:
        self._file, self._lock = file, lock
        self._folder = folder
        self._overrides = read_overrides(folder / _OVERRIDES)
        self._effects = self._overrides.effects_over(file.die.effects)
        self._socket = DieSocket.of(file, folder, self._overrides)
        entry = file.die
        self.name = file.name
        stored = load_die(self._socket.path, self._socket.identity)
        self.clock = VirtualClock(stored.time_s if stored else 0.0)
        self.log = BenchLog()
        self._preset = load_preset(entry.device)
        self._parts = None if entry.parts is None else load_preset(entry.parts)
        self._cells = self._build_cells(self._take_die(stored))
        self.circuit = self._build_circuit()
        if stored:
            self.circuit.restore(stored.part(_CIRCUIT_PREFIX))
        self.instruments = self._build_instruments()
        self._links = {key: FaultyInstrument(own, FaultPlan(), self) for key, own in self.instruments.items()}
        self._disks: list[DiskFaults] = []
        self.resources = {own.resource: key for key, own in file.instruments.items()}
        self._saved_at_s = time.monotonic()
        self._saved_clock_s = self.clock.now_s() if stored else -1.0
        self._is_open = True
        for spec in file.faults:
            self.inject_faults(spec)

    @classmethod
    def open(cls, name_or_path: str | os.PathLike[str], *, home: Path | None = None) -> Self:
        """Switch a bench on with the die as it was left.

        Parameters
        ----------
        name_or_path : str or path
            A packaged bench, or a path that ends in ``.toml``.
        home : Path, optional
            Folder of per-user state; the user's own where none is given.

        Returns
        -------
        Bench

        Raises
        ------
        StationError
            If the bench file is wrong, the die is in use elsewhere, or its state is damaged.
        """
        file = load_bench_file(name_or_path)
        folder = _folder(file.name, home)
        lock = DieLock(folder)
        try:
            return cls(file, folder, lock)
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def reset(
        name_or_path: str | os.PathLike[str],
        *,
        home: Path | None = None,
        seed: int | None = None,
        effects: Mapping[str, bool] | None = None,
    ) -> None:
        """Put a fresh die into the socket and throw all others away; the bench must not be open.

        Parameters
        ----------
        name_or_path : str or path
        home : Path, optional
        seed : int, optional
            In place of the bench file's, until the next reset.
        effects : Mapping of str to bool, optional
            Flags in place of the bench file's, until the next reset.

        Raises
        ------
        StationError
            If the bench is unknown or in use, or a seed or effect is none.
        """
        file = load_bench_file(name_or_path)
        unknown = sorted(set(effects or {}) - set(effect_names()))
        if unknown:
            raise StationError(f"bench {file.name}: no effect {unknown[0]!r}; effects are {', '.join(effect_names())}")
        if seed is not None and not 0 <= seed < 2**63:
            raise StationError(f"bench {file.name}: seed must be from 0 to 2**63 - 1, got {seed}")
        folder = _folder(file.name, home)
        lock = DieLock(folder)
        try:
            remove_dies(folder)
            write_overrides(folder / _OVERRIDES, Overrides(seed, dict(effects or {})))
        except OSError as error:
            raise StationError(f"{folder}: the die cannot be removed: {error.strerror}; check the folder") from error
        finally:
            lock.release()

    def save(self) -> None:
        """Write the state of the die, if time has passed since it was last written.

        Raises
        ------
        StationError
            If it cannot be written.
        """
        self._saved_at_s = time.monotonic()
        if self.clock.now_s() == self._saved_clock_s:
            return
        # the cells may have taken another die than they were given
        arrays = {_DIE_PREFIX + name: value for name, value in self._die.to_arrays().items()}
        arrays.update({_CIRCUIT_PREFIX + name: value for name, value in self.circuit.to_arrays().items()})
        save_die(self._socket.path, self._socket.identity, time_s=self.clock.now_s(), arrays=arrays)
        self._saved_clock_s = self.clock.now_s()

    def close(self) -> None:
        """Switch the bench off: instruments closed, die saved, lock released; may be called twice.

        Raises
        ------
        StationError
            If the die cannot be saved.
        """
        if not self._is_open:
            return
        self._is_open = False
        try:
            for disk in self._disks:
                disk.uninstall()
            for instrument in self.instruments.values():
                instrument.close()
            self.circuit.settle()
            self.save()
        finally:
            self._lock.release()

    def info(self) -> dict[str, object]:
        """Return what a run file must know of this bench, ready for JSON.

        Returns
        -------
        dict
            name, file, sha256, die (None: the one that the bench comes with), seed, rack_seed, effects, device, rows,
            columns, die_age_s, violations, simulated.
        """
        return {
            "name": self.name,
            "file": self._file.file,
            "sha256": self._file.sha256,
            "die": self._overrides.die,
            "seed": self._socket.seed,
            "rack_seed": self._socket.bench_seed,
            "effects": self._effects.as_dict(),
            "device": self._file.die.device,
            "rows": self._file.die.rows,
            "columns": self._file.die.columns,
            "die_age_s": self.clock.now_s(),
            "violations": dict(self.log.counts),
            "simulated": True,
        }

    def link(self, key: str) -> FaultyInstrument:
        """Return the cable to an instrument, which is what sessions and sockets talk to.

        Parameters
        ----------
        key : str

        Raises
        ------
        KeyError
            If there is no such instrument.
        """
        return self._links[key]

    def inject_faults(self, spec: str) -> None:
        """Let faults happen from now on, besides those that are injected already.

        Faults of the disk concern files that this process opens from now on.

        Parameters
        ----------
        spec : str
            See :mod:`labctl_mock.faults.plan`.

        Raises
        ------
        StationError
            If the spec is wrong, or asks of an instrument what it cannot have; nothing is injected then.
        """
        plan = FaultPlan.parse(spec)
        plan.check({key: own.fault_kinds for key, own in self.instruments.items()})
        for rule in plan.rules:
            if rule.kind.takes == "cell" and not (rule.value[0] < self._die.rows and rule.value[1] < self._die.columns):
                raise StationError(f"faults: drift={rule.value}: the die is {self._die.rows} by {self._die.columns}")
        if len(plan.disks) + len(self._disks) > 1:
            raise StationError("faults: one disk fault at a time; open the bench again for another")
        for disk in plan.disks:
            disk.install()
            self._disks.append(disk)
        for link in self._links.values():
            link.add(plan)

    def insert_die(self, name: str) -> None:
        """Take the die out of the socket and put another in; nothing happens where it is there already.

        What is taken out is kept, and lives on without voltages until it comes back.

        Parameters
        ----------
        name : str
            Letters, digits, '-' and '_', capitals or not; a name always means the same die of this bench.

        Raises
        ------
        StationError
            If the name is none, an output is on, or a die cannot be kept or read back.
        """
        overrides = replace(self._overrides, die=name)
        socket = DieSocket.of(self._file, self._folder, overrides)
        if socket == self._socket:
            return
        on = [terminal for terminal, own in self.circuit.terminals.items() if is_any_on([own])]
        if on:
            raise StationError(f"bench {self.name}: the die is not changed while {', '.join(on)} is on; switch it off")
        self.circuit.settle()
        self.save()
        stored = load_die(socket.path, socket.identity)
        self._socket, self._overrides = socket, overrides
        self._cells = self._build_cells(self._take_die(stored))
        self.circuit.insert(self._cells)
        # what is in the socket must be in its file before the socket is said to hold it
        self._saved_clock_s = -1.0
        self.save()
        write_overrides(self._folder / _OVERRIDES, overrides)

    def jump(self, duration_s: float) -> None:
        """Set the clock forward; the cells live through it.

        Parameters
        ----------
        duration_s : float, unit s
        """
        self.clock.sleep(duration_s)
        self.circuit.settle()

    def drift(self, row: int, column: int, factor: float) -> None:
        """Multiply the conductance of a cell.

        Parameters
        ----------
        row, column : int
        factor : float, unit 1
        """
        self.circuit.settle()
        self._cells.drift(row, column, factor, self.clock.now_s())

    def truth(self) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see.

        Returns
        -------
        dict of str to ndarray, shape (rows, columns)
            ``conductance_s`` (with relaxation, slow noise; unit S), ``programmed_s`` (without; unit S), ``formed``,
            ``stuck`` (boolean).
        """
        return self._cells.truth(self.clock.now_s())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def die_path(self) -> Path:
        """Where the die in the socket is remembered."""
        return self._socket.path

    @property
    def _die(self) -> LiveDie:
        return self._cells.die

    def _take_die(self, stored: StoredDie | None) -> LiveDie:
        entry = self._file.die
        if stored is None:
            seed, effects = self._socket.seed, _die_effects(self._effects)
            die = make_die(self._preset, entry.rows, entry.columns, seed, effects, parts=self._parts)
        else:
            try:
                die = self._restored(stored.part(_DIE_PREFIX))
            except ValueError as error:
                raise StationError(
                    f"{self.die_path}: the state of the die is damaged ({error}); run `labctl bench reset {self.name}`"
                ) from error
        if entry.temperature is not None:
            die.temperature_k = entry.temperature.value
        return die

    def _restored(self, arrays: Mapping[str, NDArray[np.generic]]) -> LiveDie:
        return restore_die(self._preset, arrays, _die_effects(self._effects), parts=self._parts)

    def _build_cells(self, die: LiveDie) -> LiveCells | FamilyCells:
        if isinstance(die, Die):
            return LiveCells(die, half_select=self._effects.half_select)
        return FamilyCells(
            die,
            restore=self._restored,
            half_select=self._effects.half_select,
            source_is_word=self._preset.family == _ONE_TRANSISTOR,
        )

    def _build_circuit(self) -> BenchCircuit:
        entry, wires = self._file.die, self._file.die.wires
        resistances = [wires.word_segment_ohm, wires.bit_segment_ohm, wires.word_contact_ohm, wires.bit_contact_ohm]
        values = [number.value if self._effects.wire_resistance else 0.0 for number in resistances]
        shape = (entry.rows, entry.columns)
        wiring = Wiring(self._file.wiring, shape)
        control = self._build_control()
        self.oracle = Oracle(
            self.log,
            self._cells.dead_zone_v,
            control=None if control is None else control.port,
            control_terminals=() if control is None else control.wiring.terminals,
        )
        temperature_k = self._preset.get("read.temperature", self._die.temperature_k)
        return BenchCircuit(
            wiring,
            Crossbar(*shape, Wires(*values)),
            self._cells,
            self.clock,
            hot_switching=HotSwitching(wiring, self.log),
            thermal=ThermalNoise(self._socket.bench_seed, temperature_k, enabled=self._effects.read_noise),
            oracle=self.oracle,
            after_change=self._save_now_and_then,
            control=control,
        )

    def _build_control(self) -> Control | None:
        """Join the control lines of the wiring to the third terminals of the die, refusing what does not fit."""
        entry, port = self._file.wiring, self._die.control
        wiring = control_wiring(entry, self._file.die.rows)
        where, device = f"{self._file.file}: wiring", f"devices of {self._preset.name}"
        is_plate = isinstance(entry, WiringEntry) and entry.control is not None and entry.control.common_source
        if is_plate and self._preset.family != _ONE_TRANSISTOR:
            raise StationError(
                f"{where}.control.common_source: only cells with a transistor in series share a source plate, not"
                f" {device}; give every word line a column"
            )
        if port is None and wiring is not None:
            raise StationError(
                f"{where}: {device} have two terminals, so nothing to control; remove the control wiring"
            )
        if port is None:
            return None
        if wiring is None:
            form = '[wiring.direct] control = "<instrument>.<channel>"'
            form += "" if port.kind == "track" else " or a table [wiring.control]"
            raise StationError(f"{where}: {device} have a {port.kind} that must be wired; add {form}")
        if port.kind == "track" and wiring.matrix is not None:
            raise StationError(
                f"{where}.control: a track is no gate, its current needs a way of its own; wire one cell with"
                ' [wiring.direct] control = "<instrument>.<channel>"'
            )
        prefix = "" if wiring.matrix is None else f"{wiring.matrix}:"
        hot = HotSwitching(wiring, self.log, prefix=prefix)
        return Control(wiring, port, self._file.die.rows, hot_switching=hot)

    def _build_instruments(self) -> dict[str, SimulatedInstrument]:
        known = models()
        built: dict[str, SimulatedInstrument] = {}
        for key, own in self._file.instruments.items():
            where = f"{self._file.file}: instruments.{key}"
            if own.model not in known:
                raise StationError(f"{where}.model: no simulated {own.model!r}; there are {', '.join(sorted(known))}")
            # every instrument errs in its own way
            seed = (self._socket.bench_seed * 1_000_003 + zlib.crc32(key.encode())) % 2**63
            try:
                built[key] = known[own.model](key, self.circuit, serial=own.serial, seed=seed, options=own.options)
            except ValueError as error:
                raise StationError(f"{where}: {error}") from error
            self.circuit.attach(built[key].terminals)
        if self.circuit.is_heated and self._file.die.temperature is not None:
            raise StationError(
                f"{self._file.file}: die.temperature: the block of a temperature controller gives it; remove the key"
            )
        for key, terminal in _wired(self._file.wiring):
            if terminal not in self.circuit.terminals:
                have = ", ".join([*sorted(self.circuit.terminals), GROUND])
                raise StationError(f"{self._file.file}: wiring.{key}: no terminal {terminal!r}; there are {have}")
        return built

    def _save_now_and_then(self) -> None:
        """Bound what a killed process can lose."""
        if time.monotonic() - self._saved_at_s > _SAVE_EVERY_S:
            self.save()


def _folder(name: str, home: Path | None) -> Path:
    return (labctl_home() if home is None else home) / "benches" / name


def _wired(entry: WiringEntry | DirectEntry) -> Iterator[tuple[str, str]]:
    """Tell the terminals that a wiring names, each with its key."""
    if isinstance(entry, DirectEntry):
        named = [("direct.word", entry.word), ("direct.bit", entry.bit), ("direct.control", entry.control or GROUND)]
    else:
        named = [(f"rows.{row}", terminal) for row, terminal in entry.rows.items()]
        gates = {} if entry.control is None else entry.control.rows
        named += [(f"control.rows.{row}", terminal) for row, terminal in gates.items()]
    return ((key, terminal) for key, terminal in named if terminal != GROUND)


def _die_effects(effects: BenchEffects) -> Effects:
    return Effects(
        device_spread=effects.device_spread,
        cycle_spread=effects.cycle_spread,
        read_noise=effects.read_noise,
        relaxation=effects.relaxation,
        stuck_cells=effects.stuck_cells,
    )
