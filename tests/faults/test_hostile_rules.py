"""What the code never does: unpickle, eval, import by a name from data, a shell, a listener beyond this computer.

Authority: promise P20; CWE-95, CWE-502, CWE-78. By the syntax tree, over every package; each exception is listed with
its reason, and the list only shrinks.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("labctl", "instruments", "procedures", "mock", "data")
    for path in (ROOT / folder).rglob("*.py")
    if "build" not in path.parts
)
MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
    "yaml",
    "imp",
    "runpy",
    "code",
    "codeop",
}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
DOTTED = {
    "os.system",
    "os.popen",
    "os.execv",
    "os.execve",
    "os.execvp",
    "os.spawnv",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
}
IMPORTERS = {"import_module", "importlib.import_module", "importlib.util.spec_from_file_location"}
# file: (what, why it is no name from data)
EXCEPTIONS = {
    ("labctl/run/__init__.py", "import_module"): "modules of its own package, from a table in the source",
    ("mock/labctl_mock/models.py", "import_module"): "the registry of models: a table in the source",
    ("labctl/station/__init__.py", "import_module"): "modules of its own package, from a table in the source",
    ("procedures/labctl_procedures/__init__.py", "import_module"): "procedures by name: a table in the source",
    ("labctl/gui/panels.py", "import_module"): "the panels of the window: a table in the source",
    ("labctl/gui/backstage_process.py", "import_module"): "who answers what: a table in the source",
    ("labctl/cli/spare.py", "import_module"): "modules to have ready: a list in the source",
    ("labctl/cli/spare.py", "os.execv"): "the labctl command itself, as its worker ordered it",
}
ANYWHERE = {"0.0.0.0", "::", ""}


def dotted(node):
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def literal(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def offences(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            last = name.rpartition(".")[2]
            if name in CALLS or name in DOTTED:
                yield name
            if last == "import_module" and not (node.args and literal(node.args[0])):
                yield "import_module"
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg == "shell" and value is not False:
                    yield "shell="
                if keyword.arg == "allow_pickle" and value is not False:
                    yield "allow_pickle="
            if last in ("bind", "create_server", "start_server", "TCPServer", "listen_on") and node.args:
                address = node.args[0]
                host = address.elts[0] if isinstance(address, ast.Tuple) and address.elts else address
                if literal(host) and host.value in ANYWHERE:
                    yield f"listens on {host.value!r}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_file_runs_nothing_that_comes_from_data(path):
    name = path.relative_to(ROOT).as_posix()
    found = [what for what in offences(path.read_text(encoding="utf-8")) if (name, what) not in EXCEPTIONS]
    assert found == []


def test_exceptions_are_still_needed():
    for name, what in EXCEPTIONS:
        assert what in list(offences((ROOT / name).read_text(encoding="utf-8"))), name


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from yaml import load",
        "eval('1')",
        "exec(text)",
        "importlib.import_module(name)",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=flag)",
        "np.load(path, allow_pickle=True)",
        "os.system(text)",
        "listener.bind(('0.0.0.0', 5025))",
        "listener.bind(('', 5025))",
        "__import__(name)",
    ],
)
def test_rule_sees_an_offence(source):
    assert list(offences(source))


@pytest.mark.parametrize(
    "source",
    [
        "import json",
        "import_module('a')",
        "np.load(p, allow_pickle=False)",
        "re.compile('x')",
        "s.bind(('127.0.0.1', 0))",
    ],
)
def test_rule_leaves_the_rest_alone(source):
    assert not list(offences(source))


def test_served_bench_listens_on_this_computer_only(promise):
    psutil = pytest.importorskip("psutil")
    server = pytest.importorskip("labctl_mock.serve.server", reason="there is no served bench yet")
    bench_module = pytest.importorskip("labctl_mock.bench.bench")
    del server, bench_module
    import os
    import subprocess
    import sys
    import tempfile
    import time

    with tempfile.TemporaryDirectory() as home:
        child = subprocess.Popen(
            [sys.executable, "-m", "labctl", "bench", "serve", "tiox-32x32", "--port", "0"],
            env={**os.environ, "LABCTL_HOME": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 60.0
            found = []
            while time.monotonic() < deadline and child.poll() is None and len(found) < 2:
                time.sleep(0.2)
                found = [link for link in psutil.Process(child.pid).net_connections("inet") if link.status == "LISTEN"]
            assert found, child.stdout.read().decode() if child.poll() is not None else "no listener"
            far = [link.laddr.ip for link in found if link.laddr.ip not in ("127.0.0.1", "::1")]
            promise(
                "P20", "listeners of a served bench that other computers reach", trials=len(found), failures=len(far)
            )
            assert far == []
        finally:
            child.terminate()
            child.wait(timeout=60)
            child.stdout.close()
