"""The wheel holds every package and every data file; the README's commands exist. Authority: PEP 427 and the README."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = {
    "labctl": ROOT,
    "labctl_instruments": ROOT / "instruments",
    "labctl_procedures": ROOT / "procedures",
    "labctl_mock": ROOT / "mock",
    "pyvisa_labctl": ROOT / "mock",
    "labctl_data": ROOT / "data",
}
DATA_SUFFIXES = {".toml", ".csv", ".json", ".lua", ".html", ".css", ".typed"}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    source = tmp_path_factory.mktemp("source")
    for name in tracked:
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(out), str(source)],
        capture_output=True, check=True,
    )  # fmt: skip
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


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
