"""Runs the same faults on plain PyMeasure, QCoDeS and labctl and prints one table; see README.md beside it."""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

from labctl.station.bench_control import BenchControl

HERE = Path(__file__).parent
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SETTLE_S = 0.5
DISK_BYTES, FREE_BYTES = 3_000_000, 1_300_000
# half as long again as the time-out of each
LATE_S = {"PyMeasure": 0.6, "QCoDeS": 0.6, "labctl": 7.5}


class Framework:
    """One way to measure: an interpreter and a script."""

    def __init__(self, name, python, home):
        self.name, self.python, self.script = name, python, HERE / f"measure_{name.lower()}.py"
        self.env = {**ENV, "LABCTL_HOME": str(home)}
        # what the scripts complain of, for whoever looks
        self.log = (home / f"{name}.log").open("ab")
        self.version = self.call("version", "-", "-")

    def command(self, *arguments):
        return [self.python, str(self.script), *map(str, arguments)]

    def call(self, *arguments):
        """Return what the script says, or None where it cannot."""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                self.command(*arguments),
                env=self.env,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        with contextlib.suppress(ValueError, IndexError):
            return json.loads(done.stdout.splitlines()[-1])
        self.complaint = done.stderr[-800:]
        return None

    def start(self, *arguments, **options):
        return subprocess.Popen(
            self.command(*arguments),
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            **options,
        )


@contextlib.contextmanager
def served_bench(home):
    """A rack in a process of its own; give its control, the SMU's resource and the station file."""
    command = [sys.executable, "-m", "labctl", "bench", "serve", "tiox-32x32", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**ENV, "LABCTL_HOME": str(home)}) as server:
        line = ""
        while not line.startswith("ready"):
            line = server.stdout.readline()
            if not line:
                raise SystemExit("the served bench does not start")
        control = BenchControl(line.partition("operator's port ")[2].partition(";")[0])
        drain = threading.Thread(target=lambda: list(server.stdout), daemon=True)
        drain.start()
        station = next((home / "stations").glob("*.toml"))
        try:
            resource = smu_resource(station)
            warm_up(resource)
            yield control, resource, station
        finally:
            server.terminate()
            drain.join()


def warm_up(resource):
    """Ask once, so that what the bench makes at the first question is in nobody's time-out."""
    _, host, port, _ = resource.split("::")
    with socket.create_connection((host, int(port)), timeout=60) as link:
        link.sendall(b"print(smua.measure.v())\n")
        link.recv(100)
    time.sleep(SETTLE_S)


def smu_resource(station):
    return tomllib.loads(station.read_text(encoding="utf-8"))["instruments"]["smu1"]["resource"]


def is_on(control):
    outputs = control.ask("outputs")
    outputs = outputs.get("outputs", outputs)
    return bool(outputs["smu1.a"]["on"])


def stored(lines):
    return max(
        (int(line.split()[1]) for line in lines if line.startswith("stored ") and line.endswith("\n")), default=0
    )


def listen(child):
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(child.stdout), daemon=True)
    reader.start()
    return lines, reader


def address(framework, resource, station):
    return station if framework.name == "labctl" else resource


def killed(framework, number, rack, folder):
    """Kill the measuring process; return (still on, lost, status)."""
    control, resource, station = rack
    with framework.start("kill", address(framework, resource, station), folder) as child:
        lines, reader = listen(child)
        limit = time.monotonic() + 60
        while stored(lines) < 20 and time.monotonic() < limit and child.poll() is None:
            time.sleep(0.02)
        if stored(lines) < 20:
            child.kill()
            raise SystemExit(f"{framework.name} does not measure; run {framework.command('kill', resource, folder)}")
        time.sleep(1.0)
        child.send_signal(number)
        if number == signal.SIGKILL:
            child.wait()
        time.sleep(SETTLE_S)
        still_on = is_on(control)
        if child.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
            child.kill()
        reader.join(10)
    said = stored(lines)
    found = framework.call("read", "-", folder) or {"rows": [], "status": "unreadable"}
    return {"on": still_on, "said": said, "lost": max(said - len(found["rows"]), 0), "status": found["status"]}


def late(framework, rack, folder):
    """One late reply; return how many of 200 readings stand beside another level."""
    control, resource, station = rack
    control.do("faults", spec=f"late_reply@smu1:measure\\.v#20={LATE_S[framework.name]} s")
    with framework.start("late", address(framework, resource, station), folder) as child:
        _, reader = listen(child)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(90)
        child.kill()
        reader.join(10)
    found = framework.call("read", "-", folder) or {"rows": [], "status": "unreadable"}
    wrong = sum(1 for level, reading in found["rows"] if reading is not None and abs(level - reading) > 0.005)
    return {"rows": len(found["rows"]), "wrong": wrong, "status": found["status"]}


@contextlib.contextmanager
def small_disk(folder):
    """A folder that holds 3 MB; and what must be done in the child instead, where none can be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if (
        hasattr(os, "geteuid")
        and os.geteuid() == 0
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    ):
        try:
            yield "tmpfs", {}
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False)
    else:
        import resource

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (FREE_BYTES, FREE_BYTES))

        yield "RLIMIT_FSIZE", {"preexec_fn": limit}


def disk(framework, folder):
    """A full disk; return (said to be stored, lost, status)."""
    with small_disk(folder) as (how, options):
        filler = folder / "filler"
        filler.write_bytes(b"\0" * (DISK_BYTES - FREE_BYTES if how == "tmpfs" else 1))
        with framework.start("disk", "-", folder, **options) as child:
            lines, reader = listen(child)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(150)
            child.kill()
            reader.join(10)
        filler.unlink()
        found = framework.call("read", "-", folder) or {"rows": [], "status": "unreadable"}
    said = stored(lines)
    return {"said": said, "lost": max(said - len(found["rows"]), 0), "status": found["status"], "how": how}


def statuses(items):
    return ", ".join(sorted({item["status"] for item in items}))


def line(framework, trials, rack, root):
    folders = (root / f"{framework.name}-{n}" for n in range(10_000))

    def fresh():
        folder = next(folders)
        folder.mkdir()
        return folder

    found = {"version": framework.version}
    for name in ("SIGKILL", "SIGTERM"):
        found[name] = [killed(framework, getattr(signal, name), rack, fresh()) for _ in range(trials)]
    found["late"] = [late(framework, rack, fresh()) for _ in range(trials)]
    found["disk"] = [disk(framework, fresh()) for _ in range(trials)]
    return found


def table(counts, trials):
    rows = [
        f"Trials of each: {trials}. Points lost: their storing call had returned.",
        "",
        "| | output on after SIGKILL | points lost | status in the file | output on after SIGTERM | points lost"
        " | status in the file | readings under a wrong level | disk full: points lost | status in the file |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in counts.items():
        if "version" not in found:
            rows.append(f"| {name} | not installed: {found['skipped']} | | | | | | | | |")
            continue
        cells = [f"{name} {found['version']}"]
        for number in ("SIGKILL", "SIGTERM"):
            items = found[number]
            cells += [f"{sum(item['on'] for item in items)} of {len(items)}"]
            cells += [" ".join(f"{item['lost']}/{item['said']}" for item in items), statuses(items)]
        cells.append(" ".join(f"{item['wrong']}/{item['rows']}" for item in found["late"]))
        cells += [" ".join(f"{item['lost']}/{item['said']}" for item in found["disk"]), statuses(found["disk"])]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--qcodes-python", default=sys.executable, help="interpreter that has QCoDeS")
    parser.add_argument("--only", nargs="*", default=["PyMeasure", "QCoDeS", "labctl"])
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    counts = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        home = root / "home"
        home.mkdir()
        with served_bench(home) as rack:
            for framework_name in chosen.only:
                python = chosen.qcodes_python if framework_name == "QCoDeS" else sys.executable
                framework = Framework(framework_name, python, home)
                if framework.version is None:
                    counts[framework_name] = {"skipped": framework.complaint.strip().rpartition("\n")[2]}
                    continue
                counts[framework_name] = line(framework, chosen.trials, rack, root)
    print(table(counts, chosen.trials))
    if chosen.json:
        chosen.json.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
