"""A bench as a whole: the die remembers, has one opener, and tells of damage. Authority: architecture.md 4-6."""

import json
import subprocess
import sys
import textwrap
from importlib.resources import files

import numpy as np
import pytest

from labctl.errors import StationError
from labctl_mock.bench import bench as bench_module
from labctl_mock.bench.bench import Bench
from labctl_mock.bench.die_store import DieIdentity, load_die
from labctl_mock.bench.terminals import Rectangle, Terminal, TerminalMode

NAME = "tiox-32x32"


class Stub:
    """An instrument that only has terminals."""

    channels: tuple[str, ...] = ()

    def __init__(self, key, circuit, *, serial, seed, options):
        if "refuse" in options:
            raise ValueError("options: refuse is unknown; known are cards")
        self.terminals = {f"{key}.{channel}": Terminal(f"{key}.{channel}") for channel in self.channels}
        self.serial, self.seed, self.is_closed = serial, seed, False

    def close(self):
        self.is_closed = True


class StubSmu(Stub):
    channels = ("a", "b")


class StubGenerator(Stub):
    channels = ("1", "2")


@pytest.fixture(autouse=True)
def stub_models(monkeypatch):
    """Put stubs in place of the simulated instruments: this file is about the bench."""
    known = {"Keithley2636B": StubSmu, "Keysight33622A": StubGenerator, "Keithley707B": Stub}
    monkeypatch.setattr(bench_module, "models", lambda: known)


@pytest.fixture
def bench(tmp_path):
    """The packaged bench with a fresh die."""
    with Bench.open(NAME, home=tmp_path) as opened:
        yield opened


def form_one(bench, row, column):
    """Form one cell with the SMU, on lines without a stuck cell, and leave everything off."""
    wiring = bench._file.wiring
    word, bit = wiring.word_lines, wiring.bit_lines
    names = [word[row][0] + "A" + word[row][1:], bit[column][0] + "B" + bit[column][1:]]
    names += [line[0] + "E" + line[1:] for line in (*word, *bit) if line not in (word[row], bit[column])]
    bench.circuit.switch("mat1", opening=(), closing=names)
    levels = {"smu1.a": 1.7, "smu1.b": -1.7}
    for name, level in levels.items():
        bench.circuit.settle()
        own = bench.circuit.terminals[name]
        own.mode, own.level, own.current_limit_a = TerminalMode.VOLTAGE, level, 30e-6
    bench.clock.sleep(0.2)
    for name in levels:
        bench.circuit.settle()
        bench.circuit.terminals[name].level = 0.0
    bench.circuit.switch("mat1", opening=names, closing=())


def test_fresh_die_is_virgin_when_a_bench_is_opened_for_the_first_time(bench):
    # systems.md 7.3: virgin cells have 1 to 100 nS; device file: 0.3 % stuck
    truth = bench.truth()
    virgin = ~truth["stuck"]
    assert truth["conductance_s"].shape == (32, 32)
    assert not truth["formed"][virgin].any()
    assert truth["programmed_s"][virgin].min() >= 1e-9
    assert truth["programmed_s"][virgin].max() <= 100e-9
    assert truth["stuck"].mean() < 0.02
    assert bench.clock.now_s() == 0.0


def test_bench_tells_what_a_run_must_know(bench):
    info = bench.info()
    assert json.loads(json.dumps(info)) == info
    assert (info["name"], info["seed"], info["simulated"], info["die_age_s"]) == (NAME, 1, True, 0.0)
    assert info["effects"]["half_select"] is True
    assert len(info["sha256"]) == 64
    assert bench.resources["TCPIP0::192.0.2.11::inst0::INSTR"] == "smu1"
    assert bench.instruments["smu1"].serial == "4400001"
    assert bench.instruments["smu1"].seed != bench.instruments["gen1"].seed


def test_die_and_clock_go_on_when_a_bench_is_opened_again(tmp_path):
    with Bench.open(NAME, home=tmp_path) as first:
        instruments = first.instruments
        form_one(first, 5, 9)
        first.clock.sleep(100.0)
        left, time_s = first.truth(), first.clock.now_s()
    assert left["formed"][5, 9]
    assert instruments["smu1"].is_closed
    with Bench.open(NAME, home=tmp_path) as second:
        found = second.truth()
        assert second.clock.now_s() == time_s > 100.0
        assert second.info()["die_age_s"] == time_s
    for name in left:
        np.testing.assert_array_equal(found[name], left[name])


def test_looking_at_the_truth_does_not_change_it(bench):
    form_one(bench, 5, 9)
    bench.clock.sleep(1e4)
    before = bench._die.to_arrays()
    first = bench.truth()["conductance_s"]
    np.testing.assert_array_equal(bench.truth()["conductance_s"], first)
    for name, value in bench._die.to_arrays().items():
        np.testing.assert_array_equal(value, before[name])


def test_second_opener_is_refused_when_the_die_is_in_use(tmp_path, bench):
    with pytest.raises(StationError, match=r"in use by this process \(process id \d+\); close that bench"):
        Bench.open(NAME, home=tmp_path)
    with pytest.raises(StationError, match="in use"):
        Bench.reset(NAME, home=tmp_path)
    bench.close()
    bench.close()
    Bench.open(NAME, home=tmp_path).close()


LOCKER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from labctl_mock.bench.lock import DieLock
    lock = DieLock(Path(sys.argv[1]))
    print("locked", flush=True)
    time.sleep(60)
""")


def test_die_is_taken_over_when_its_holder_was_killed(tmp_path):
    folder = tmp_path / "benches" / NAME
    with subprocess.Popen([sys.executable, "-c", LOCKER, str(folder)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline().strip() == b"locked"
            with pytest.raises(StationError, match=rf"another process \(process id {holder.pid}\)"):
                Bench.open(NAME, home=tmp_path)
        finally:
            holder.kill()
            holder.wait()
    Bench.open(NAME, home=tmp_path).close()


def test_die_is_saved_now_and_then_when_a_run_goes_on(tmp_path, monkeypatch, bench):
    # at most about 2 s of wall time may be lost to a kill
    now = [0.0]
    monkeypatch.setattr(bench_module.time, "monotonic", lambda: now[0])
    bench._saved_at_s = 0.0
    form_one(bench, 0, 0)
    assert not bench.die_path.exists()
    now[0] = 2.5
    bench.clock.sleep(1.0)
    bench.circuit.settle()
    assert bench.die_path.exists()
    with np.load(bench.die_path, allow_pickle=False) as saved:
        assert saved["die.formed"][0, 0]
        assert json.loads(str(saved["labctl_header"]))["time_s"] == bench.clock.now_s()


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "pickle"])
def test_damage_is_told_with_the_remedy_when_the_state_is_broken(tmp_path, damage):
    with Bench.open(NAME, home=tmp_path) as opened:
        opened.clock.sleep(1.0)
        path = opened.die_path
    data = path.read_bytes()
    if damage == "pickle":
        np.savez(path, labctl_header=np.array([{"a": 1}], dtype=object))
    else:
        path.write_bytes({"cut": data[: len(data) // 2], "text": b"not a die", "empty": b""}[damage])
    with pytest.raises(StationError, match=rf"die\.npz: the state of the die is damaged.*labctl bench reset {NAME}"):
        Bench.open(NAME, home=tmp_path)
    Bench.reset(NAME, home=tmp_path)
    with Bench.open(NAME, home=tmp_path) as opened:
        assert opened.clock.now_s() == 0.0


def test_missing_array_is_told_when_the_state_lacks_one(tmp_path):
    with Bench.open(NAME, home=tmp_path) as opened:
        opened.clock.sleep(1.0)
        path = opened.die_path
    with np.load(path) as saved:
        arrays = {name: saved[name] for name in saved.files if name != "die.formed"}
    np.savez(path, **arrays)
    with pytest.raises(StationError, match=r"damaged.*formed.*reset"):
        Bench.open(NAME, home=tmp_path)


def changed_bench(tmp_path, *changes):
    text = (files("labctl_data") / "benches" / f"{NAME}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "changed.toml"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def test_another_die_is_told_when_the_bench_file_has_another_seed(tmp_path):
    with Bench.open(NAME, home=tmp_path) as opened:
        opened.clock.sleep(1.0)
    path = changed_bench(tmp_path, ("seed = 1", "seed = 2"))
    with pytest.raises(StationError, match=r"another die: seed 1 instead of 2; run `labctl bench reset"):
        Bench.open(path, home=tmp_path)


def test_reset_takes_seed_and_effects_until_the_next_reset(tmp_path):
    with Bench.open(NAME, home=tmp_path) as opened:
        first = opened.truth()["programmed_s"]
        opened.clock.sleep(1.0)
    Bench.reset(NAME, home=tmp_path, seed=7, effects={"relaxation": False})
    with Bench.open(NAME, home=tmp_path) as opened:
        info = opened.info()
        assert (info["seed"], info["die_age_s"]) == (7, 0.0)
        assert info["effects"]["relaxation"] is False
        assert info["effects"]["read_noise"] is True
        assert not np.array_equal(opened.truth()["programmed_s"], first)
        opened.clock.sleep(1.0)
    Bench.open(NAME, home=tmp_path).close()
    Bench.reset(NAME, home=tmp_path)
    with Bench.open(NAME, home=tmp_path) as opened:
        assert opened.info()["seed"] == 1
        np.testing.assert_array_equal(opened.truth()["programmed_s"], first)


def test_reset_is_refused_when_seed_or_effect_is_none(tmp_path):
    with pytest.raises(StationError, match="no effect 'noise'; effects are device_spread, cycle_spread"):
        Bench.reset(NAME, home=tmp_path, effects={"noise": False})
    with pytest.raises(StationError, match="seed must be from 0"):
        Bench.reset(NAME, home=tmp_path, seed=-1)


def test_state_is_refused_before_it_is_inflated_when_it_is_a_bomb(tmp_path):
    # promise P20: 8 MB of zeros, which is more than a die of one cell can be
    path = tmp_path / "die.npz"
    np.savez_compressed(path, header=np.zeros(1_000_000))
    with pytest.raises(StationError, match="unpacks to more than"):
        load_die(path, DieIdentity("bench", "device", 1, 1, 1))


def test_damaged_overrides_are_told(tmp_path):
    folder = tmp_path / "benches" / NAME
    folder.mkdir(parents=True)
    (folder / "overrides.toml").write_text("schema = 1\n[effects]\nnoise = true\n", encoding="utf-8")
    with pytest.raises(StationError, match=r"overrides\.toml: effects\.noise: unknown key"):
        Bench.open(NAME, home=tmp_path)
    # a refused bench does not keep the lock
    (folder / "overrides.toml").unlink()
    Bench.open(NAME, home=tmp_path).close()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'model = "Keithley2636B"',
            'model = "Keithley9999"',
            r"smu1\.model: no simulated 'Keithley9999'; there are Kei",
        ),
        (
            'A = "smu1.a"',
            'A = "smu1.c"',
            r"wiring\.rows\.A: no terminal 'smu1\.c'; there are gen1\.1, gen1\.2, smu1\.a",
        ),
        ('serial = "4400001"', 'serial = "4400001"\nrefuse = 1', r"instruments\.smu1: options: refuse is unknown"),
        ("kim2021_tiox_al2o3", "kim1999", "kim1999"),
    ],
)
def test_bench_is_refused_when_its_file_names_what_is_not_there(tmp_path, old, new, message):
    with pytest.raises(StationError, match=message):
        Bench.open(changed_bench(tmp_path, (old, new)), home=tmp_path)


def test_effects_reach_the_circuit_when_switched_off(tmp_path):
    path = changed_bench(tmp_path, ("wire_resistance = true", "wire_resistance = false"))
    seen = {}
    for source in (NAME, path):
        home = tmp_path / str(len(seen))
        with Bench.open(source, home=home) as opened:
            opened._die.state.formed[...] = True
            opened._die.state.conductance_s[...] = 200e-6
            opened.circuit.switch("mat1", opening=(), closing=["3A08", "6B04"])
            for name, level in (("smu1.a", 0.2), ("smu1.b", 0.0)):
                own = opened.circuit.terminals[name]
                own.mode, own.level = TerminalMode.VOLTAGE, level
            seen[len(seen)] = opened.circuit.measure("smu1.a", aperture_s=1e-3).current_a
    # the corner cell floats in an array of 200 uS: its current crosses 31 + 31 segments of 2 ohm and two contacts
    assert seen[0] < 0.97 * seen[1]


def test_a_swapped_wire_changes_what_is_measured(tmp_path):
    # architecture.md decision 4: only the bench file is changed; word lines 0 and 1 trade places
    path = changed_bench(tmp_path, ('"101", "102"', '"102", "101"'))
    seen = []
    for source in (NAME, path):
        with Bench.open(source, home=tmp_path / str(len(seen))) as opened:
            wiring = opened._file.wiring
            others = [line for line in (*wiring.word_lines, *wiring.bit_lines) if line != "101"]
            closing = ["1A01", "6B11", *(line[0] + "E" + line[1:] for line in others)]
            opened.circuit.switch("mat1", opening=(), closing=closing)
            for name, level in (("smu1.a", 0.2), ("smu1.b", 0.0)):
                own = opened.circuit.terminals[name]
                own.mode, own.level = TerminalMode.VOLTAGE, level
            seen.append(-0.2 / opened.circuit.measure("smu1.b", aperture_s=20e-3).current_a)
    # 1.00 MOhm and 1.01 MOhm
    assert seen[1] / seen[0] == pytest.approx(1.01, rel=2e-3)


def test_generator_pulse_moves_only_the_cells_that_the_wiring_puts_in_its_way(tmp_path, bench):
    bench._die.state.formed[...] = True
    bench._die.state.conductance_s[...] = 20e-6
    wiring = bench._file.wiring
    word, bit = wiring.word_lines, wiring.bit_lines
    names = [word[5][0] + "C" + word[5][1:], bit[6][0] + "D" + bit[6][1:]]
    names += [line[0] + "E" + line[1:] for line in (*word, *bit) if line not in (word[5], bit[6])]
    bench.circuit.switch("mat1", opening=(), closing=names)
    for name in ("gen1.1", "gen1.2"):
        own = bench.circuit.terminals[name]
        own.mode, own.resistance_ohm = TerminalMode.VOLTAGE, 50.0
    before = bench._die.state.conductance_s.copy()
    met = bench.circuit.fire([Rectangle("gen1.1", 0.55, 0.0, 1e-5), Rectangle("gen1.2", -0.55, 0.0, 1e-5)])
    moved = bench._die.state.conductance_s - before
    assert met == {"gen1.1": False, "gen1.2": False}
    assert np.unravel_index(np.argmax(moved), moved.shape) == (5, 6)
    others = np.ones((32, 32), dtype=bool)
    others[5, :] = others[:, 6] = False
    assert (moved[others] == 0.0).all()
    assert (np.delete(moved[5, :], 6) >= 0.0).all()
    assert np.delete(moved[5, :], 6).max() > 0.0


def test_dies_keep_their_state_apart_when_they_are_changed(tmp_path):
    with Bench.open(NAME, home=tmp_path) as bench:
        own = bench.truth()
        bench.insert_die("B4")
        assert (bench.info()["die"], own["programmed_s"][0, 0]) != (None, bench.truth()["programmed_s"][0, 0])
        fresh = bench.truth()["programmed_s"].copy()
        form_one(bench, 5, 9)
        for name in ("smu1.a", "smu1.b"):
            bench.circuit.terminals[name].mode = TerminalMode.OPEN
        formed, seed = bench.truth(), bench.info()["seed"]
        assert formed["formed"][5, 9]
        bench.insert_die("c-1")
        assert not bench.truth()["formed"][5, 9]
        # the same name is the same die, however it is written; it has aged without voltages
        bench.insert_die("b4")
        assert bench.info()["seed"] == seed
        np.testing.assert_array_equal(bench.truth()["formed"], formed["formed"])
        np.testing.assert_array_equal(bench.truth()["programmed_s"], formed["programmed_s"])
        bench.clock.sleep(10.0)
        time_s = bench.clock.now_s()
    with Bench.open(NAME, home=tmp_path) as again:
        # a rack that is switched on again has the die that was left in it, and its clock goes on
        assert (again.info()["die"], again.info()["seed"], again.clock.now_s()) == ("b4", seed, time_s)
        assert again.truth()["formed"][5, 9]
    Bench.reset(NAME, home=tmp_path)
    with Bench.open(NAME, home=tmp_path) as reset:
        assert reset.info()["die"] is None
        np.testing.assert_array_equal(reset.truth()["programmed_s"], own["programmed_s"])
        reset.insert_die("B4")
        np.testing.assert_array_equal(reset.truth()["programmed_s"], fresh)


def test_die_is_not_changed_when_an_output_is_on_or_its_name_is_none(bench):
    with pytest.raises(StationError, match="letters, digits"):
        bench.insert_die("../die")
    own = bench.circuit.terminals["smu1.a"]
    own.mode, own.level, own.current_limit_a = TerminalMode.VOLTAGE, 0.1, 1e-3
    before = bench.truth()["programmed_s"]
    with pytest.raises(StationError, match=r"smu1\.a is on; switch it off"):
        bench.insert_die("B4")
    np.testing.assert_array_equal(bench.truth()["programmed_s"], before)
    assert bench.info()["die"] is None


def test_instruments_err_as_before_when_the_die_is_another_one(tmp_path):
    with Bench.open(NAME, home=tmp_path) as bench:
        seeds = {key: own.seed for key, own in bench.instruments.items()}
        bench.insert_die("B4")
    with Bench.open(NAME, home=tmp_path) as again:
        assert {key: own.seed for key, own in again.instruments.items()} == seeds
