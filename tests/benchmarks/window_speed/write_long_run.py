"""Writes a run file that grows by millions within seconds: later points repeat the first ones. Argument: folder.

Each line of the input is a number of points; the output says the path first, then how many there are.
"""

import sqlite3
import sys
from pathlib import Path

from write_run import COLUMNS, row

from labctl.store import RunHeader, RunWriter

# all cells of the die, twice
PATTERN = 2048
SAMPLE = {"name": "TiOx/Al2O3 crossbar", "rows": 32, "columns": 32}


def main():
    facts = {"bench": {"name": "tiox-32x32", "die_age_s": 0.0}, "seed": 1, "sample": SAMPLE}
    header = RunHeader("speed", COLUMNS, station="tiox-32x32", simulated=True, facts=facts)
    writer = RunWriter.create(Path(sys.argv[1]), header)
    writer.points([row(number) for number in range(PATTERN)])
    writer.flush()
    print(writer.path, flush=True)
    names = ", ".join(f'"{name}"' for name in COLUMNS if name != "Time (s)")
    # beside the writer, which checks each point and so takes minutes for as many
    beside = sqlite3.connect(writer.path)
    count = PATTERN
    for line in sys.stdin:
        wanted = count + int(line)
        while count < wanted:
            times = min(50, -(-(wanted - count) // PATTERN))
            beside.execute(
                f'INSERT INTO point (seq, "Time (s)", _crc, {names})'
                " WITH RECURSIVE copy(number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM copy WHERE number + 1 < ?1)"
                f' SELECT ?2 + number * ?3 + seq, "Time (s)" + 1e-3 * (?2 + number * ?3), 0, {names}'
                " FROM copy CROSS JOIN point WHERE seq <= ?3",
                (times, count, PATTERN),
            )
            beside.commit()
            count += times * PATTERN
        print(count, flush=True)
    beside.close()
    writer.close()


if __name__ == "__main__":
    main()
