"""A run that only writes a run file: ``fake_run.py BEHAVIOUR ROOT ANNOUNCE``; see the tests of the worker."""

import json
import os
import sys
import time
from pathlib import Path

from labctl.store import RunHeader, RunWriter


def main(behaviour, root, announce):
    """Do as one of: finished, failed, aborted, vanish, guarded (vanish, and a guardian is at work), refuse, slow.

    Slow waits until a file ``go`` appears in the root.
    """
    if behaviour == "refuse":
        sys.stderr.write("loading ...\nlabctl: cells: 99,99 is outside the array\n")
        sys.exit(2)
    writer = RunWriter.create(root, RunHeader("fake", ["Voltage (V)"], simulated=True))
    part = announce.with_name("part")
    part.write_text(json.dumps({"run_id": writer.run_id, "path": str(writer.path)}), encoding="utf-8")
    part.replace(announce)
    if behaviour == "slow":
        while not (root / "go").exists():
            time.sleep(0.02)
    if behaviour == "guarded":
        log = root / f"{writer.run_id}.guardian.log"
        # whole at once: the test adds to it as soon as it is there
        part.write_text('{"event": "ready"}\n{"event": "switching off"}\n', encoding="utf-8")
        part.replace(log)
    if behaviour in ("vanish", "guarded"):
        os._exit(9)
    status = "finished" if behaviour == "slow" else behaviour
    writer.seal(status, {}, None if status == "finished" else "the probe lifted off")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
