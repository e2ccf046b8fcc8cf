"""The pairs of messages in tests of PyMeasure drivers, read from their text; nothing in it is run.

``expected_protocol(Driver, [("VOLT?", "1.5"), ("VOLT 2", None)])``: the pairs stand there, or in names of the test or
of the file, or are put together of such with ``+``, ``*`` and ``[*…]``. What is made otherwise (parameters of a test,
f-strings, calls, or a name that a loop or a branch changes) is not to be had without running it. Not here: what becomes
of them (:mod:`labctl.replay.importing`).
"""

import ast
import operator
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

__all__ = ["Protocol", "protocols_in"]

_OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul}
_CHANGES = frozenset({"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# how often what is in them is done, or whether at all, is told by running them only
_BRANCHES = (
    *(ast.For, ast.AsyncFor, ast.While, ast.If, ast.Try, ast.TryStar, ast.ExceptHandler),
    *(ast.Match, ast.match_case),
)
# a function or the file, and the names around it
_Bodies = list[tuple[ast.AST, dict[str, Any]]]


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
    found: list[Protocol] = []
    bodies: _Bodies = [(ast.parse(text), {})]
    # it grows meanwhile: a function sees the names around it as they are at their end
    for body, around in bodies:
        known = around
        if isinstance(body, _FUNCTIONS):
            given = {one.arg for one in ast.walk(body.args) if isinstance(one, ast.arg)}
            known = {name: value for name, value in around.items() if name not in given}
        found += _found(body, known, bodies)
    yield from sorted(found, key=lambda one: one.line)


def _found(node: ast.AST, known: dict[str, Any], bodies: _Bodies) -> Iterator[Protocol]:
    if not isinstance(node, _BRANCHES):
        yield from _found_in(ast.iter_child_nodes(node), known, bodies)
        return
    changed = _changed(node)
    for _, part in ast.iter_fields(node):
        # a branch begins neither with what another one made of them, nor a turn of a loop with what was before it
        _forget(changed, known)
        parts = part if isinstance(part, list) else [part]
        yield from _found_in([one for one in parts if isinstance(one, ast.AST)], known, bodies)
    _forget(changed, known)


def _found_in(children: Iterable[ast.AST], known: dict[str, Any], bodies: _Bodies) -> Iterator[Protocol]:
    for child in children:
        if isinstance(child, _FUNCTIONS):
            bodies.append((child, known))
            continue
        _note(child, known)
        if isinstance(child, ast.Call) and _is_protocol(child.func):
            yield Protocol(child.lineno, _pairs(child, known))
        yield from _found(child, known, bodies)


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
        if isinstance(statement, ast.Assign) and isinstance(target, ast.Name):
            known.pop(target.id, None)
        else:
            # a list that has another name, too, changes under both
            _forget({name.id for name in ast.walk(target) if isinstance(name, ast.Name)}, known)
        if is_known and isinstance(target, ast.Name):
            known[target.id] = value


def _changed(node: ast.AST) -> set[str]:
    """Return the names that are set or changed inside."""
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and getattr(one.func, "attr", "") in _CHANGES:
            target: ast.AST = one.func
        elif isinstance(getattr(one, "ctx", None), (ast.Store, ast.Del)):
            target = one
        else:
            continue
        found |= {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


def _forget(names: Collection[str], known: dict[str, Any]) -> None:
    """Forget names, and all others of the same lists."""
    lists = [known[name] for name in names if isinstance(known.get(name), list)]
    for name in [name for name, value in known.items() if name in names or any(value is one for one in lists)]:
        del known[name]


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
