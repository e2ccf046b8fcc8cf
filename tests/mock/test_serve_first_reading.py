"""A served bench loads nothing more once it is ready, so that no client waits for that.

Authority: a time limit of a client that was measured while the bench loaded its solver (0.4 s on two free cores).
"""

import subprocess
import sys
import textwrap
from pathlib import Path

BENCH = Path(__file__).with_name("rack-4x4.toml")
PROGRAM = textwrap.dedent("""
    import sys
    from pathlib import Path

    import numpy as np
    from labctl_mock.bench.bench import Bench
    from labctl_mock.serve.server import BenchServer

    def tell(key, message):
        instrument = bench.instruments[key]
        instrument.receive(message + b"\\n", False)
        return instrument.transmit(1 << 16)[0] if instrument.exchange.message_available else b""

    def state():
        return {**bench.truth(), **bench.circuit.to_arrays()}

    with Bench.open(sys.argv[1], home=Path(sys.argv[2])) as bench:
        before = state()
        BenchServer(bench).close()
        assert all(np.array_equal(before[name], value) for name, value in state().items())
        loaded = set(sys.modules)
        tell("mat1", b'channel.close("1A01,1E05")')
        tell("smu1", b"smua.source.output=1 smua.source.levelv=0.2")
        assert tell("smu1", b"print(smua.measure.i())")
        tell("smu1", b"smua.source.levelv=1.5 delay(0.001) smua.source.levelv=0")
        print(sorted(set(sys.modules) - loaded))
""")


def test_first_reading_and_first_pulse_load_nothing_when_the_bench_is_ready(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(BENCH), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
