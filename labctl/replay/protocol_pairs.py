"""The pairs of messages in tests of PyMeasure drivers, read from their text; nothing in it is run.

``expected_protocol(Driver, [("VOLT?", "1.5"), ("VOLT 2", None)])``: the pairs stand there, or in names of the test or
of the file, or are put together of such with ``+``, ``*`` and ``[*…]``. What is made otherwise (parameters of a test,
f-strings, calls) is not to be had without running it. Not here: what becomes of them (:mod:`labctl.replay.importing`).
"""

import ast
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Protocol", "protocols_in"]

_OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul}
_CHANGES = frozenset({"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Protocol(NamedTuple):
    """One ``expected_protocol`` of a file.

    Attributes
    ----------
    line : int
        Where it stands.
    pairs : list or None
        As they stand there; None where they are made by running the test.
    """

    line: int
    pairs: list[Any] | None


def protocols_in(text: str) -> Iterator[Protocol]:
    """Find every ``expected_protocol`` of a file.

    Parameters
    ----------
    text : str
        Of a Python file.

    Yields
    ------
    Protocol

    Raises
    ------
    SyntaxError
        If it is no Python.
    """
    tree = ast.parse(text)
    # a test sees the names of its file as they are at the end
    known: dict[str, Any] = {}
    for statement in tree.body:
        _note(statement, known)
    yield from _found(tree, known)


def _found(node: ast.AST, known: dict[str, Any]) -> Iterator[Protocol]:
    for child in ast.iter_child_nodes(node):
        seen = known
        if isinstance(child, _FUNCTIONS):
            given = {one.arg for one in ast.walk(child.args) if isinstance(one, ast.arg)}
            seen = {name: value for name, value in known.items() if name not in given}
        _note(child, seen)
        if isinstance(child, ast.Call) and _is_protocol(child.func):
            yield Protocol(child.lineno, _pairs(child, seen))
        yield from _found(child, seen)


def _is_protocol(called: ast.expr) -> bool:
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name == "expected_protocol"


def _pairs(call: ast.Call, known: dict[str, Any]) -> list[Any] | None:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    given = call.args[1] if len(call.args) > 1 else named.get("comm_pairs")
    try:
        pairs = _value(given, known)
    except ValueError:
        return None
    return list(pairs) if isinstance(pairs, (list, tuple)) else None


def _note(statement: ast.AST, known: dict[str, Any]) -> None:
    """Keep up with the names that a statement sets or changes."""
    if isinstance(statement, ast.Assign):
        targets, given = statement.targets, statement.value
    elif isinstance(statement, ast.AugAssign):
        targets = [statement.target]
        # what the name is now, and the rest
        now = ast.Name(statement.target.id) if isinstance(statement.target, ast.Name) else statement.target
        given = ast.BinOp(now, statement.op, statement.value)
    elif isinstance(statement, ast.For):
        targets, given = [statement.target], statement.iter
    elif isinstance(statement, ast.Call) and getattr(statement.func, "attr", "") in _CHANGES:
        targets, given = [statement.func], statement
    else:
        return
    try:
        value = _value(given, known) if isinstance(statement, (ast.Assign, ast.AugAssign)) else None
        is_known = value is not None
    except ValueError:
        value, is_known = None, False
    for target in targets:
        if is_known and isinstance(target, ast.Name):
            known[target.id] = value
        else:
            for name in ast.walk(target):
                known.pop(getattr(name, "id", ""), None)


def _value(node: ast.expr | None, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, (ast.List, ast.Tuple)):
        found: list[Any] = []
        for one in node.elts:
            found += _value(one.value, known) if isinstance(one, ast.Starred) else [_value(one, known)]
        return found if isinstance(node, ast.List) else tuple(found)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        try:
            return _OPERATORS[type(node.op)](_value(node.left, known), _value(node.right, known))
        except TypeError as error:
            raise ValueError(str(error)) from error
    return ast.literal_eval(node) if node is not None else _unknown()


def _unknown() -> None:
    raise ValueError("nothing is given")
