"""``labctl spare``, for the queue's worker: a process that has loaded what runs need before it knows what it will run.

Not here: who keeps it (:mod:`labctl.run.queue.spare`).
"""

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import typer

from labctl.cli.output import complain
from labctl.errors import LabError
from labctl.run.queue.launch import labctl_command

__all__ = ["add_commands"]

# what was written shortly before this process began may have been read before
_MARGIN_S = 2.0
_LOADED = (
    "labctl.cli.main",
    "labctl.cli.rehearsal",
    "labctl.physics.parts.fitted",
    "labctl.run.engine",
    "labctl.station.station",
    "labctl_mock.bench.bench",
    "labctl_mock.visa",
)
# Numba's: decorated functions stay Python, which gives the same numbers
_INTERPRET = "NUMBA_DISABLE_JIT"
_COMPILE = "from labctl.physics.compiling import compile_physics; compile_physics()"


def add_commands(app: typer.Typer) -> None:
    """Add this file's command.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("spare", hidden=True)(spare)


def spare() -> None:
    """Load what runs need, and become the command that a line on standard input orders."""
    started_s = time.time()
    is_interpreted = _INTERPRET in os.environ
    try:
        _load(is_interpreted)
    except (ImportError, LabError, OSError, RuntimeError) as error:
        # it may not be needed; else the run itself says so
        complain(f"not everything could be loaded for the next run: {type(error).__name__}: {error}")
    line = sys.stdin.readline()
    if not line:
        return
    order = json.loads(line)
    os.chdir(order["folder"])
    with Path(order["errors"]).open("ab") as errors, Path(os.devnull).open("rb") as nothing:
        os.dup2(errors.fileno(), 2)
        os.dup2(nothing.fileno(), 0)
    arguments: list[str] = order["arguments"]
    if _is_older_than_its_code(started_s) or (is_interpreted and not _is_of_one_device(arguments)):
        _become(*arguments)
    from labctl.cli.main import main

    sys.argv[1:] = arguments
    main()


def _load(is_interpreted: bool) -> None:
    """Load what takes long: the engine, the procedures, the drivers, the simulated rack with its compiled physics."""
    for name in _LOADED:
        import_module(name)
    from labctl_instruments import drivers
    from labctl_mock.models import models
    from labctl_procedures import procedures

    for known in (drivers(), models(), procedures()):
        dict(known)
    from labctl.physics.compiling import compile_physics, is_compiled

    if not is_interpreted and not is_compiled():
        _compile_meanwhile()
        os.environ[_INTERPRET] = "1"
        _become("spare")
    compile_physics()
    os.environ.pop(_INTERPRET, None)


def _compile_meanwhile() -> None:
    """Compile once for this computer, which takes half a minute, in a process that gives way to others."""
    code = f"import os; os.nice(19); {_COMPILE}"
    subprocess.Popen([sys.executable, "-P", "-c", code], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603


def _is_of_one_device(arguments: list[str]) -> bool:
    """Tell whether a run is on a single device, which needs no compiled code to be quick."""
    from labctl.station import read_station_file

    if "-s" not in arguments:
        return False
    try:
        sample: Any = read_station_file(arguments[arguments.index("-s") + 1]).as_dict()["sample"]
    except LabError:
        return False
    return bool(sample["rows"] == sample["columns"] == 1)


def _become(*arguments: str) -> NoReturn:
    command = labctl_command(*arguments)
    os.execv(command[0], command)  # noqa: S606 - our own command, without a shell


def _is_older_than_its_code(started_s: float) -> bool:
    """Tell whether a file of ours was changed since: a procedure that was just edited is run as it is now."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and name.startswith(("labctl", "pyvisa_labctl")):
            try:
                if os.stat(file).st_mtime > started_s - _MARGIN_S:
                    return True
            except OSError:
                return True
    return False
