"""Who may look into whom: the table of floors, as a test. Authority: the project's architecture plan."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# room -> floor; an import may only point to a lower floor (or stay in its room)
FLOORS = {
    "labctl.cli": 7,
    "labctl.script": 7,
    "labctl.__main__": 7,
    "labctl.gui": 7,
    "labctl_procedures": 6,
    "labctl.networks": 5,
    "labctl.analysis": 5,
    "labctl.run": 4,
    "labctl.replay": 4,
    "labctl.array": 3,
    "labctl.tuning": 3,
    "labctl.station": 2,
    "labctl.store": 2,
    "labctl_instruments": 1,
    "labctl_mock": 1,
    "labctl.roles": 0,
    "labctl.physics": 0,
    "labctl.clock": 0,
    "labctl.units": 0,
    "labctl.errors": 0,
    "labctl.home": 0,
    "labctl.file_lock": 0,
    "labctl.toml_file": 0,
}
# rooms of one floor that may look into each other, one way: (who, into whom)
SAME_FLOOR = {
    ("labctl.array", "labctl.tuning"),
    ("labctl.networks", "labctl.analysis"),
    ("labctl.physics", "labctl.errors"),
    ("labctl.physics", "labctl.toml_file"),
    ("labctl.roles", "labctl.errors"),
    ("labctl.units", "labctl.errors"),
    ("labctl.toml_file", "labctl.errors"),
    ("labctl.__main__", "labctl.cli"),
    ("labctl.cli", "labctl.script"),
    ("labctl.cli", "labctl.gui"),
}
# the only doors to the simulated bench, besides its own room: the loader, and the CLI commands that show and reset it
MOCK_DOORS = {"pyvisa_labctl", "labctl.cli"}
PACKAGES = {
    "labctl": ROOT / "labctl",
    "labctl_instruments": ROOT / "instruments" / "labctl_instruments",
    "labctl_procedures": ROOT / "procedures" / "labctl_procedures",
    "labctl_mock": ROOT / "mock" / "labctl_mock",
    "pyvisa_labctl": ROOT / "mock" / "pyvisa_labctl",
    "pyvisa_replay": ROOT / "mock" / "pyvisa_replay",
}


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def all_modules():
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            yield pytest.param(name, path, id=name)


def imported_names(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room that is looked into"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module):
    candidates = [room for room in FLOORS if module == room or module.startswith(room + ".")]
    return max(candidates, key=len) if candidates else None


@pytest.mark.parametrize(("module", "path"), list(all_modules()))
def test_module_looks_only_downwards(module, path):
    room = room_of(module)
    offences = []
    for target in imported_names(path):
        top = target.split(".")[0]
        if top == "labctl_mock" and module.split(".")[0] != "labctl_mock":
            door = module if module == "pyvisa_labctl" else room
            if door not in MOCK_DOORS:
                offences.append(f"{target}: only {sorted(MOCK_DOORS)} may import the simulated bench")
            continue
        other = room_of(target)
        if other is None or room is None or other == room:
            continue
        if FLOORS[other] >= FLOORS[room] and (room, other) not in SAME_FLOOR:
            offences.append(f"{target}: {room} (floor {FLOORS[room]}) may not look into {other} ({FLOORS[other]})")
    assert not offences, "\n".join(offences)


def test_every_module_has_a_room():
    known = {"labctl", "pyvisa_labctl", "pyvisa_replay"}
    homeless = [param.values[0] for param in all_modules() if room_of(param.values[0]) is None]
    assert not [name for name in homeless if name not in known]


@pytest.mark.parametrize("heavy", ["PySide6", "PyQt6", "qtpy", "matplotlib", "torch", "dask", "sklearn"])
def test_heavy_library_stays_out_of_module_level(heavy):
    offences = []
    for param in all_modules():
        module, path = param.values
        if module.startswith(("labctl.gui",)):
            continue
        for node in tree_of(path).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] == heavy for name in names):
                offences.append(module)
    assert not offences


def test_floor_rule_sees_a_wrong_import(tmp_path):
    # the rule itself must be able to fail
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from labctl.run import engine\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="may not look into"):
        test_module_looks_only_downwards("labctl.physics.wrong", wrong)
