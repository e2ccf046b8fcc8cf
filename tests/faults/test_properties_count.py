"""How many properties there are: at least 150. Authority: promise P19.

A property is a test function under ``@given`` or a rule-based state machine; each is one law with many examples.
"""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def properties(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            names = [part.func for part in node.decorator_list if isinstance(part, ast.Call)]
            if any(isinstance(name, ast.Name) and name.id == "given" for name in names):
                yield node.name
        bases = node.bases if isinstance(node, ast.ClassDef) else []
        if any(isinstance(base, ast.Name) and base.id == "RuleBasedStateMachine" for base in bases):
            yield node.name


def test_there_are_at_least_150_properties(promise):
    found = [name for path in sorted(TESTS.rglob("test_*.py")) for name in properties(path)]
    promise(
        "P19",
        "laws that random examples could not break (missing of 150)",
        trials=len(found),
        failures=max(150 - len(found), 0),
        seed="derandomised",
    )
    assert len(found) >= 150


def test_count_sees_properties_and_nothing_else(tmp_path):
    path = tmp_path / "test_x.py"
    path.write_text("@given(a)\ndef test_a(): pass\ndef test_b(): pass\nclass M(RuleBasedStateMachine): pass\n")
    assert list(properties(path)) == ["test_a", "M"]
