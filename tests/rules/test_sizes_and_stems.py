"""File sizes and the same-stem rule. Authority: the project's architecture plan, "Sizes"."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 500
# only ever shrinks
EXCEPTIONS: dict[str, int] = {}
FORBIDDEN_STEMS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
CODE = sorted(
    path
    for folder in ("labctl", "instruments", "procedures", "mock", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "build" not in path.parts
)


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_not_too_long(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= EXCEPTIONS.get(path.relative_to(ROOT).as_posix(), LIMIT)


def test_no_file_has_a_name_that_says_nothing():
    assert not [path for path in CODE if path.stem.strip("_") in FORBIDDEN_STEMS]


def test_every_driver_has_its_simulated_twin_and_its_protocol_test():
    drivers = sorted((ROOT / "instruments" / "labctl_instruments").glob("*/*.py"))
    models = [path for path in drivers if path.stem != "__init__" and any(char.isdigit() for char in path.stem)]
    assert models, "no driver found: the rule would pass on nothing"
    for path in models:
        maker = path.parent.name
        assert (ROOT / "mock" / "labctl_mock" / maker / path.name).is_file(), f"{path.stem} has no simulated twin"
        assert (ROOT / "tests" / "protocol" / maker / f"test_{path.name}").is_file(), f"{path.stem} has no test"


@pytest.mark.parametrize(
    "folder",
    [
        "instruments",
        "procedures",
        "mock",
        "data",
        "labctl",
        "tests",
    ],
)
def test_code_folder_says_how_to_add_something(folder):
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    assert "To add a" in text
    assert len(text.splitlines()) <= 80, "one screen"
