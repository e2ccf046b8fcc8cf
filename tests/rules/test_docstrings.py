"""Public things are documented: numpydoc sections, units and raised errors. Authority: numpydoc, the house style."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("labctl", "instruments/labctl_instruments", "procedures/labctl_procedures", "mock/labctl_mock")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# quantities carry their unit in the name; their docstring then needs no second mention
UNIT_SUFFIXES = r"_(v|a|s|ohm|hz|j|k|c|w|f|m|plc)$"


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def public_functions(tree):
    """Yield (qualified name, node, class or None) of public functions of a module and of its public classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, node, None
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                    yield f"{node.name}.{item.name}", item, node


def raised_by(node):
    """Return names of exceptions that the function itself raises, leaving nested functions out."""
    names, todo = set(), list(node.body)
    while todo:
        item = todo.pop()
        if isinstance(item, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(item, ast.Raise) and isinstance(item.exc, ast.Call) and isinstance(item.exc.func, ast.Name):
            names.add(item.exc.func.id)
        todo.extend(ast.iter_child_nodes(item))
    return {name for name in names if name.endswith(("Error", "Fault")) or name == "Aborted"}


def inherits_docstring(node, owner):
    """Tell whether a method may take its docstring from a protocol or a base class."""
    return owner is not None and bool(owner.bases) and ast.get_docstring(node) is None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_are_documented(path):
    tree = tree_of(path)
    offences = []
    if not ast.get_docstring(tree):
        offences.append("the module has no docstring")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            offences.append(f"{node.name}: no docstring")
    for name, node, owner in public_functions(tree):
        text = ast.get_docstring(node)
        if text is None:
            if not inherits_docstring(node, owner) and not any(
                isinstance(item, ast.Attribute) and item.attr == "setter" for item in node.decorator_list
            ):
                offences.append(f"{name}: no docstring")
            continue
        undocumented = {error for error in raised_by(node) if error not in text}
        if undocumented:
            offences.append(f"{name}: raises {sorted(undocumented)} and does not say so")
        if "Parameters\n" in text:
            arguments = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            section = text.split("Parameters\n", 1)[1]
            forgotten = [
                arg for arg in arguments if arg not in ("self", "cls") and not re.search(rf"\b{arg}\b", section)
            ]
            if forgotten:
                offences.append(f"{name}: Parameters leave out {forgotten}")
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_float_parameters_of_public_functions_tell_their_unit(path):
    offences = []
    for name, node, _ in public_functions(tree_of(path)):
        text = ast.get_docstring(node) or ""
        for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            annotation = ast.unparse(arg.annotation) if arg.annotation else ""
            if annotation.split(" |")[0] != "float" or re.search(UNIT_SUFFIXES, arg.arg):
                continue
            if not re.search(r"\bunit\b", text) and not re.search(rf"\b{arg.arg}\b[^\n]*,", text):
                offences.append(f"{name}: {arg.arg} is a float without a unit in its name or docstring")
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_number_goes_out_with_percent_f(path):
    # "%f" sends 100 nA as 0.000000
    if "instruments" in path.parts:
        assert not re.search(r"%\d*\.?\d*f|:\.?\d*f\}", path.read_text(encoding="utf-8"))


def test_rules_see_a_missing_section(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        '"""Module."""\n\ndef f(level: float) -> None:\n    """Do it."""\n    raise ValueError("x")\n', encoding="utf-8"
    )
    with pytest.raises(AssertionError, match="raises"):
        test_public_names_are_documented(wrong)
    with pytest.raises(AssertionError, match="without a unit"):
        test_float_parameters_of_public_functions_tell_their_unit(wrong)
