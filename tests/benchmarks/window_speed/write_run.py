"""Writes a run file: so many points at once, then at a rate. Arguments: folder, points at once, points/s, seconds."""

import sys
import time
from pathlib import Path

from labctl.store import RunHeader, RunWriter

COLUMNS = ("Event", "Row", "Column", "Voltage (V)", "Width (s)", "Current (A)", "Conductance (S)", "Time (s)", "Flags")


def row(number):
    is_pulse = number % 2 == 0
    conductance_s = 1e-6 * (1 + number % 97)
    values = (
        "set" if is_pulse else "read",
        number % 32,
        number // 32 % 32,
        1.5 if is_pulse else 0.2,
        1e-6 if is_pulse else None,
        None if is_pulse else 0.2 * conductance_s,
        None if is_pulse else conductance_s,
        number * 1e-3,
        None,
    )
    return dict(zip(COLUMNS, values, strict=True))


def main():
    folder, at_once, rate, seconds = Path(sys.argv[1]), *map(float, sys.argv[2:])
    writer = RunWriter.create(folder, RunHeader("speed", COLUMNS, simulated=True))
    number = 0
    while number < at_once:
        writer.points([row(number + place) for place in range(500)])
        number += 500
    writer.flush()
    print(writer.path, flush=True)
    sys.stdin.readline()
    start_s = time.monotonic()
    while (passed_s := time.monotonic() - start_s) < seconds:
        while number < at_once + passed_s * rate:
            writer.point(row(number))
            number += 1
        time.sleep(0.002)
    writer.seal("finished", {"points": number})
    print(number, flush=True)


if __name__ == "__main__":
    main()
