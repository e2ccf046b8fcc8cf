"""The wheel holds every package and every data file; the README's commands exist. Authority: PEP 427 and the README."""

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = {
    "labctl": ROOT,
    "labctl_instruments": ROOT / "instruments",
    "labctl_procedures": ROOT / "procedures",
    "labctl_mock": ROOT / "mock",
    "pyvisa_labctl": ROOT / "mock",
    "pyvisa_replay": ROOT / "mock",
    "labctl_data": ROOT / "data",
}
# asked of what is installed: a folder named build beside the sources can be imported, too
CAN_BUILD = any(one.name == "build" for one in distributions())
needs_build = pytest.mark.skipif(not CAN_BUILD, reason='needs the extra "test": pip install -e ".[test]"')
DATA_SUFFIXES = {".toml", ".csv", ".json", ".jsonl", ".lua", ".html", ".css", ".npz", ".sqlite", ".typed"}


# what a checkout gathers beside its sources; looked at only where git does not say what belongs to the project
LEFT_OUT = {"__pycache__", "build", "dist", "node_modules"}


def source_files(root):
    """Return the project's files below a folder, as git knows them; where it does not, by a walk over the folders."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=root, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        # an unpacked archive, a checkout of another user, no git
        return [
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.is_file()
            and not any(
                part.startswith(".") or part in LEFT_OUT or part.endswith(".egg-info")
                for part in path.relative_to(root).parts
            )
        ]
    return [name for name in listed.stdout.splitlines() if (root / name).is_file()]


def build_wheel(source, out):
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(out), str(source)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if built.returncode:
        pytest.fail(f"the wheel is not built, exit {built.returncode}:\n{built.stdout[-4000:]}", pytrace=False)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    for name in source_files(ROOT):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    with zipfile.ZipFile(build_wheel(source, tmp_path_factory.mktemp("wheel"))) as archive:
        return set(archive.namelist())


def test_sources_are_found_by_a_walk_when_git_does_not_list_them(tmp_path, monkeypatch):
    for name in ("package/module.py", "package/py.typed", "package/__pycache__/m.pyc", ".hidden/note", "build/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    # no checkout around it, wherever the temporary folder lies
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    assert sorted(source_files(tmp_path)) == ["package/module.py", "package/py.typed"]


@needs_build
def test_failure_of_a_build_shows_what_the_build_said(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'no_such_backend'\n")
    with pytest.raises(pytest.fail.Exception, match="no_such_backend"):
        build_wheel(tmp_path, tmp_path / "out")


@needs_build
def test_wheel_holds_every_module_and_data_file(wheel_names):
    missing = []
    for package, root in ROOTS.items():
        for path in (root / package).rglob("*"):
            wanted = path.suffix == ".py" or path.suffix in DATA_SUFFIXES or path.name == "py.typed"
            if path.is_file() and wanted and "__pycache__" not in path.parts:
                name = path.relative_to(root).as_posix()
                if name not in wheel_names:
                    missing.append(name)
    assert not missing


@needs_build
def test_wheel_holds_nothing_else_at_its_top(wheel_names):
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(ROOTS)


def test_dependencies_have_lower_bounds_and_bad_versions_are_shut_out():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (item for group in groups for item in group if not item.startswith("labctl[")):
        assert ">=" in requirement or "==" in requirement, requirement
    # PySide6 6.12.0 steals references on Python 3.10 and 3.11
    assert any("PySide6" in item and "<6.12" in item for item in project["optional-dependencies"]["gui"])
    assert not any("PySide" in item or "PyQt" in item for item in project["dependencies"])
