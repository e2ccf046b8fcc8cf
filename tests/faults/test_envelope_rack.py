"""P13 on the simulated rack: the bench's own account of what stood at its terminals, after commands of all kinds.

Authority: the bench's oracle, which follows the instruments' states and knows nothing of the station.
"""

import random

from labctl.array import CrossbarAccess
from labctl.errors import EnvelopeError, StationError
from labctl.station import Station

COMMANDS, SEED = 400, 13


def test_bench_never_sees_more_than_the_envelope_nor_a_hot_switch(tmp_path, monkeypatch, promise):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    chance = random.Random(SEED)
    refused = done = 0
    with Station.open("tiox-32x32") as station:
        bench = station._rack.manager.visalib._bench
        limits = station.envelope
        matrix, meter = station.switch_matrix("mat1"), station.source_meter("smu1.a")
        for _ in range(COMMANDS):
            cell = chance.randrange(32), chance.randrange(32)
            volts, width = chance.uniform(-7.0, 7.0), 10.0 ** chance.uniform(-6.0, 0.5)
            try:
                access = CrossbarAccess(
                    station,
                    scheme=chance.choice(["v2", "grounded", "floating", "inhibit"]),
                    current_limit_a=10.0 ** chance.uniform(-4.0, 0.2),
                    pulse_voltage_v=7.0,
                    may_stress_line=True,
                    integration_plc=0.01,
                    measure_range_a=1e-4,
                )
                with access:
                    access.read(*cell)
                    access.pulse(*cell, volts, width)
                    meter.set_voltage(chance.choice((0.0, volts)))
                    matrix.close(["1A01"])
                done += 1
            except (EnvelopeError, StationError, ValueError):
                refused += 1
        oracle = bench.oracle
        beyond = int(oracle.max_voltage_v > limits.voltage_v)
        hot = [text for text in oracle.violations if "hot" in text]
        worst = f"{oracle.max_voltage_v:.3f} V of {limits.voltage_v:g} V"
    promise("P13", "bench saw more than the envelope", trials=COMMANDS, failures=beyond, worst=worst, seed=str(SEED))
    promise("P13", "bench saw a hot switch", trials=COMMANDS, failures=len(hot), seed=str(SEED))
    assert min(done, refused) > COMMANDS // 10
    assert oracle.max_voltage_v > 0.5 * limits.voltage_v
    assert (beyond, hot) == (0, [])
