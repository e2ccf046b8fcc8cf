"""A whole run on the simulated rack meets a full disk, and is resumed when there is room again.

Authority: the project's reliability bar, promises P3 and P14. The file layer of SQLite is told to be full for some
writes; the command that resumes is a process of its own, with a disk that works.
"""

import json
import os
import subprocess
import sys

import pytest

from labctl.store.verify import verify_run

# calls that fail; each is a run of some seconds
FULL_AT = [["disk_full#61-76"], ["disk_full#45-60", "disk_full#75-90", "disk_full#90-105", "disk_full#100-140"]]


@pytest.fixture
def labctl(tmp_path):
    """Call the command line as a process with a home and a data root of its own."""
    environment = {**os.environ, "LABCTL_HOME": str(tmp_path / "home"), "LABCTL_DATA_ROOT": str(tmp_path / "runs")}

    def call(*arguments):
        command = [sys.executable, "-m", "labctl", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.mark.slow
@pytest.mark.parametrize("faults", FULL_AT)
def test_run_fails_and_resumes_without_gap_when_the_disk_is_full(labctl, tmp_path, promise, faults):
    wrong = []
    for number, fault in enumerate(faults):
        cells = f"cells={4 * number}:{4 * number + 2},0:4"
        code, _, complaint = labctl("run", "form_array", "-s", "tiox-32x32", "-p", cells, "-p", f"faults={fault}", "-q")
        if code != 3 or "full" not in complaint or "bytes free" not in complaint:
            wrong.append((fault, "did not fail as it must", code, complaint))
        failed = json.loads(labctl("show", "latest", "--json")[1])
        path = tmp_path / "runs" / f"{failed['run_id']}.run.sqlite"
        if failed["status"] != "failed" or verify_run(path):
            wrong.append((fault, "is not a whole file that says failed", failed["status"], verify_run(path)))
        code, _, complaint = labctl("resume", "latest", "-q")
        finished = json.loads(labctl("show", "latest", "--json")[1])
        if code or finished["run_id"] != failed["run_id"] or finished["status"] != "finished":
            wrong.append((fault, "was not resumed", code, complaint, finished["status"]))
        # verify counts the points: a gap would be found
        if finished["points"] <= failed["points"] or verify_run(path):
            wrong.append((fault, "has a gap", finished["points"], verify_run(path)))
    what = "runs on a full disk that did not fail truly, or did not finish after resume"
    promise("P14", what, trials=len(faults), failures=len(wrong), worst=f"{finished['points']} points in the last")
    assert wrong == []
