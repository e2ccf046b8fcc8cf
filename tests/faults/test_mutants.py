"""Each safety line, taken away, turns a test red. Authority: promise P22; a test that never failed is no evidence.

To add a line, add one entry to MUTANTS: a name, the file, its exact text, what replaces it, and the tests that must go
red. The text must be in the file exactly once. The sources are copied once; each mutant is applied there, its tests run
in a process of their own, and the copy is put back. The same tests must be green without a mutant.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("labctl", "instruments", "procedures", "mock", "data")
LIMIT_S = 120


class Mutant(NamedTuple):
    """One line whose loss must be noticed."""

    name: str
    file: str
    text: str
    replacement: str
    tests: str


ENGINE, ACTIONS = "tests/unit/run/test_engine.py", "tests/unit/run/test_actions.py"
ENVELOPE, READ_BACK = "tests/unit/station/test_envelope.py", "tests/unit/station/test_read_back.py"
STATION, WRITER = "tests/unit/station/test_station.py", "tests/unit/store/test_writer.py"
GUARD, ENVELOPED = "labctl/station/guard.py", "labctl/station/envelope.py"
SWITCH_OFF = "tests/unit/run/test_guardian_switch_off.py"
NEVER = "False"

MUTANTS = [
    # outputs off at the end, whatever happened
    Mutant(
        "engine switches off",
        "labctl/run/session.py",
        "ends.append(self._guarded(self._station.safe_off))",
        "ends.append(RunState.FINISHED)",
        ENGINE,
    ),
    Mutant("station switches off", "labctl/station/station.py", "self._opened[key].safe_off()", "pass", STATION),
    Mutant(
        "station reads off back",
        "labctl/station/station.py",
        "if not self._opened[key].is_off():",
        f"if {NEVER}:",
        STATION,
    ),
    Mutant(
        "sources off before relays",
        "labctl/station/station.py",
        "key=lambda key: key in self._switches",
        "key=lambda key: key not in self._switches",
        STATION,
    ),
    Mutant(
        "guardian writes off", "labctl/run/guardian/switch_off.py", "link.write(charge.safe_off)", "pass", SWITCH_OFF
    ),
    Mutant(
        "guardian asks whether off",
        "labctl/run/guardian/switch_off.py",
        "if not re.fullmatch(pattern, answer):",
        f"if {NEVER}:",
        SWITCH_OFF,
    ),
    Mutant(
        "guardian needs a question",
        "labctl/run/guardian/switch_off.py",
        "if not charge.off_checks:",
        f"if {NEVER}:",
        SWITCH_OFF,
    ),
    Mutant(
        "guardian: sources before switches",
        "labctl/run/guardian/switch_off.py",
        "if charge.is_switch:",
        f"if {NEVER}:",
        SWITCH_OFF,
    ),
    Mutant(
        "hung process is ended",
        "labctl/run/guardian/process.py",
        "outcome=fence.kill()",
        "outcome=None",
        "tests/faults/guardian/test_guardian_hang.py",
    ),
    # envelope
    Mutant("voltage", GUARD, "if high_v - low_v > self.envelope.voltage_v:", f"if {NEVER}:", ENVELOPE),
    Mutant("level that is no number", GUARD, "if not abs(level_v) < inf:", f"if {NEVER}:", ENVELOPE),
    Mutant("current", GUARD, "if not current_a <= self.envelope.current_a:", f"if {NEVER}:", ENVELOPE),
    Mutant("width", GUARD, "if not width_s <= self.envelope.pulse_width_s:", f"if {NEVER}:", ENVELOPE),
    Mutant("energy", GUARD, "if not power_w * width_s <= self.envelope.energy_j:", f"if {NEVER}:", ENVELOPE),
    Mutant("level in doubt", GUARD, "if self.in_doubt:", f"if {NEVER}:", READ_BACK),
    Mutant(
        "error queue before output on",
        "labctl/station/read_back.py",
        "            if entries:\n",
        f"            if {NEVER}:\n",
        READ_BACK,
    ),
    Mutant(
        "settings before output on",
        "labctl/station/read_back.py",
        "            driver.verify_settings()\n        except",
        "            pass\n        except",
        READ_BACK,
    ),
    Mutant("cold switching", "labctl/station/switching.py", "self._guard.check_cold(self._key)", "pass", READ_BACK),
    Mutant(
        "sources settle before relays move",
        "labctl/station/switching.py",
        "self._settle()\n        wanted",
        "wanted",
        "tests/unit/station/test_cold_switching.py",
    ),
    Mutant("station asks what was left on", "labctl/station/station.py", "station.left_on()\n", "pass\n", STATION),
    Mutant(
        "preflight switches off what was left on",
        "labctl/run/preflight.py",
        "        station.safe_off()\n",
        "        pass\n",
        "tests/unit/run/test_preflight.py",
    ),
    Mutant("one instrument, one key", "labctl/station/opening.py", "if first != key and", f"if {NEVER} and", STATION),
    Mutant(
        "preflight envelope",
        "labctl/run/preflight.py",
        "    if beyond:\n",
        f"    if {NEVER}:\n",
        "tests/unit/run/test_preflight.py",
    ),
    Mutant(
        "preflight disk",
        "labctl/run/preflight.py",
        "if free < needed:",
        f"if {NEVER}:",
        "tests/unit/run/test_preflight.py",
    ),
    # whose instrument it is
    Mutant(
        "serial number",
        "labctl/station/opening.py",
        "elif serial is not None and identity.serial != serial and identity.serial not in masked:",
        f"elif {NEVER}:",
        STATION,
    ),
    Mutant(
        "ownership lock",
        "labctl/file_lock.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        "tests/faults/test_ownership.py",
    ),
    # links
    Mutant(
        "tag of TSP",
        "instruments/labctl_instruments/tsp.py",
        'if line != f"{_MARK}{tag}":',
        f"if {NEVER}:",
        "tests/faults/test_links.py",
    ),
    Mutant(
        "tag of SCPI",
        "instruments/labctl_instruments/scpi.py",
        "if not _is_tag(head, tag):",
        f"if {NEVER}:",
        "tests/faults/test_links.py",
    ),
    Mutant(
        "session opened again",
        "instruments/labctl_instruments/asking.py",
        "reopen(connection, settings)",
        "pass",
        "tests/faults/test_links.py",
    ),
    Mutant(
        "same serial on the new session",
        "instruments/labctl_instruments/asking.py",
        "if known is not None and (found.model, found.serial) != (known.model, known.serial):",
        f"if {NEVER}:",
        "tests/faults/test_links.py",
    ),
    Mutant(
        "stimulus is sent once",
        "instruments/labctl_instruments/asking.py",
        "ATTEMPTS if repeatable else 1",
        "ATTEMPTS",
        "tests/faults/test_links.py",
    ),
    Mutant(
        "over-range is no value",
        "instruments/labctl_instruments/replies.py",
        "return abs(value) >= _SENTINEL",
        f"return {NEVER}",
        "tests/faults/test_links_no_number.py",
    ),
    # nothing lost, nothing repeated
    Mutant(
        "intent before stimulus",
        "labctl/run/actions.py",
        "            self._writer.intent(self.count, planned)",
        "            pass",
        ACTIONS,
    ),
    Mutant(
        "stimulus in doubt is not repeated",
        "labctl/run/actions.py",
        "self._settle_doubt(planned) or self._do(",
        "self._do(",
        ACTIONS,
    ),
    Mutant(
        "unconfirmed stimulus is flagged",
        "labctl/run/actions.py",
        "                if stimulates:\n                    return",
        f"                if {NEVER}:\n                    return",
        ACTIONS,
    ),
    Mutant("plan is compared", "labctl/run/actions.py", "if stored.get(name) != value:", f"if {NEVER}:", ACTIONS),
    Mutant(
        "acknowledged after commit",
        "labctl/store/commit.py",
        "return self._synchronised\n",
        "return self.count\n",
        WRITER,
    ),
    Mutant(
        "failed commit is raised",
        "labctl/store/commit.py",
        "                raise StoreError(self.failure) from error\n\n    def _whole",
        "                self.failure = None\n\n    def _whole",
        "tests/faults/test_disk_faults.py",
    ),
    Mutant(
        "row checksum",
        "labctl/store/verify.py",
        "if checksum(row[:-1]) != row[-1]:",
        f"if {NEVER}:",
        "tests/faults/test_disk_damage.py",
    ),
    Mutant(
        "digest of the seal",
        "labctl/store/verify.py",
        "elif digest.sha256 != sha256[table]:",
        f"elif {NEVER}:",
        "tests/faults/test_hostile_changes.py",
    ),
    Mutant(
        "no seal is no end",
        "labctl/store/reader.py",
        '"status": "running" if alive else "interrupted"',
        '"status": "finished"',
        f"{WRITER} tests/unit/store/test_runs.py",
    ),
    # files made to hurt
    Mutant(
        "formula is neutralised",
        "labctl/store/export.py",
        'guard = _NOT_A_FORMULA if value.startswith(_GUARDED) else ""',
        'guard = ""',
        "tests/unit/store/test_export.py",
    ),
    Mutant(
        "zip bomb is refused",
        "mock/labctl_mock/bench/die_store.py",
        "if sum(item.file_size for item in zipped.infolist()) > most_bytes:",
        f"if {NEVER}:",
        "tests/mock/test_bench.py -k bomb",
    ),
]


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    """The source roots and the tests, in a folder that may be spoilt."""
    folder = tmp_path_factory.mktemp("mutants") / "copy"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", ".git")
    for name in (*ROOTS, "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def run(copy, tests):
    """Run tests against the copy; return the exit code and what was said."""
    paths = [str(copy), *(str(copy / name) for name in ROOTS if name != "labctl")]
    # a mutant changes size or seconds, not both for certain: no byte code is kept
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(copy / "numba"),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
    result = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    return result.returncode, result.stdout[-3000:]


@pytest.fixture(scope="session")
def green(copy):
    """Which tests pass without any mutant, asked once each."""
    known = {}

    def is_green(tests):
        if tests not in known:
            code, said = run(copy, f"{tests} --co -q")
            assert code == 0, said
            known[tests] = run(copy, tests)
        return known[tests]

    return is_green


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_safety_line_is_missed_when_it_is_gone(copy, green, mutant, promise):
    code, said = green(mutant.tests)
    assert code == 0, f"the tests are not green without the mutant:\n{said}"
    path = copy / mutant.file
    before = path.read_text(encoding="utf-8")
    assert before.count(mutant.text) == 1, f"{mutant.file} has this text {before.count(mutant.text)} times, not once"
    path.write_text(before.replace(mutant.text, mutant.replacement), encoding="utf-8", newline="\n")
    try:
        code, said = run(copy, mutant.tests)
    except subprocess.TimeoutExpired:
        code, said = 1, "hung: noticed"
    finally:
        path.write_text(before, encoding="utf-8", newline="\n")
    # 1: a test failed; anything else is a broken run, which proves nothing
    promise("P22", f"safety line: {mutant.name}", trials=1, failures=int(code != 1))
    assert code == 1, f"nothing noticed that {mutant.name!r} is gone:\n{said}"


def test_every_safety_line_is_still_there_once():
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert text.count(mutant.text) == 1, (
            f"{mutant.name}: {mutant.file} has {mutant.text!r} {text.count(mutant.text)} times"
        )
    assert len(MUTANTS) >= 20
