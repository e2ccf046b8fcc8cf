"""The same kill, late reply and full disk on plain PyMeasure and on labctl; QCoDeS by hand (see its README).

Authority: the same rack tells of both. Asserted is what labctl promises; what PyMeasure does is printed, not asserted.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "fault_comparison" / "compare.py"


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and small disks are of POSIX")
def test_labctl_loses_nothing_where_others_do(tmp_path):
    counts = tmp_path / "counts.json"
    command = [sys.executable, str(SCRIPT), "--trials", "1", "--only", "PyMeasure", "labctl", "--json", str(counts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
    ours = json.loads(counts.read_text(encoding="utf-8"))["labctl"]
    for kind, status in (("SIGKILL", "interrupted"), ("SIGTERM", "aborted")):
        for item in ours[kind]:
            assert (item["on"], item["lost"], item["status"]) == (False, 0, status)
            assert item["said"] > 0
    assert [(item["rows"], item["wrong"]) for item in ours["late"]] == [(200, 0)]
    # not one point that was said to be stored at 50 points a second; here they come as fast as they can: 500 at most
    assert [item["status"] for item in ours["disk"]] == ["failed"]
    assert all(item["lost"] <= 500 for item in ours["disk"])
