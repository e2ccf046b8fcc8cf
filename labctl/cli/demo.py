"""``labctl demo``: the whole way on a simulated rack, from a virgin die to classified digits."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.measure import CODES
from labctl.cli.output import RunProgress, complain, print_table

if TYPE_CHECKING:
    from labctl.store import Run

__all__ = ["add_commands"]

STATION = BENCH = "tiox-32x32"
# the classifier takes the first 20 columns, as differential pairs
STEPS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("form_array", "forming", {}),
    ("program_array", "programming", {"pair_columns": 20}),
    ("read_array", "reading back", {}),
)


def add_commands(app: typer.Typer) -> None:
    """Add this file's command.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("demo")(demo)


def demo(
    seed: Annotated[int, typer.Option(help="Seed of the simulated die.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to make; default labctl-demo-<time> here.")
    ] = None,
) -> int:
    """Program a simulated 32 x 32 crossbar with a classifier of digits, read it back and classify with it."""
    folder = out if out is not None else Path.cwd() / f"labctl-demo-{datetime.now():%Y%m%d-%H%M%S}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        complain(f"demo: the folder must be new or empty, {folder} is occupied; choose another with -o")
        return int(ExitCode.WRONG)
    folder.mkdir(parents=True, exist_ok=True)
    # the demo has dies of its own, so that it never touches one that somebody is working with
    os.environ["LABCTL_HOME"] = str(folder / "home")
    from labctl_mock.bench.bench import Bench

    Bench.reset(BENCH, seed=seed, effects={})
    typer.echo("Simulated rack: Keithley 2636B dual SMU, Keysight 33622A pulse generator, Keithley 707B matrix.")
    typer.echo(
        f"On it a virgin 32 x 32 TiOx/Al2O3 crossbar, seed {seed}; its cells are formed, programmed to the 3-bit"
    )
    typer.echo("weights of a classifier of hand-written digits, and read back in a run of its own.")
    typer.echo(f"Run files, report and die go to {folder}")
    typer.echo("It takes three to four minutes; the first time on a machine, 20 s of them compile the physics.")
    runs: dict[str, Run] = {}
    for procedure, label, parameters in STEPS:
        run = _measure(procedure, label, parameters, folder)
        status = str(run.summary()["status"])
        if status != "finished":
            complain(f"demo: {procedure} {status}: {run.summary().get('error') or 'see its events'}")
            return int(CODES.get(status, ExitCode.FAILED))
        runs[procedure] = run
    _conclude(runs, folder)
    return int(ExitCode.FINISHED)


def _measure(procedure: str, label: str, parameters: dict[str, object], folder: Path) -> "Run":
    from labctl.run import execute_procedure
    from labctl_procedures import find_procedure

    with RunProgress(label, visible=True) as progress:
        return execute_procedure(
            find_procedure(procedure), STATION, parameters, out=folder, observer=progress, install_signal_handler=True
        )


def _conclude(runs: "dict[str, Run]", folder: Path) -> None:
    import numpy as np

    from labctl.analysis.programming import relative_rmse
    from labctl.analysis.report import write_report
    from labctl.networks.digits import classify_digits

    programmed, read = runs["program_array"], runs["read_array"]
    arrays = programmed.arrays()
    target_s, aim_s = (np.asarray(arrays[name], dtype=float) for name in ("target", "aim"))
    read_back_s = np.asarray(read.arrays()["conductance"], dtype=float)
    results = programmed.summary()["results"]
    done = np.asarray(arrays["status"]) == 1
    accuracy = classify_digits(read_back_s, g_min_s=float(target_s.min()), g_max_s=float(target_s.max()))
    print_table(
        ("32 x 32 crossbar, simulated", "", ""),
        [
            ("cells programmed", f"{results['yield']:.2%}", f"{results['programmed']} of {results['cells']}"),
            ("RMSE of G / target", f"{results['rmse_relative']:.2%}", "programmed cells, own read-back"),
            ("", f"{relative_rmse(read_back_s[done], aim_s[done]):.2%}", "the same cells in the separate read"),
            (
                "pulses per cell",
                f"{results['pulses_per_cell_mean']:.1f}",
                f"mean; 19 of 20 cells needed at most {results['pulses_per_cell_p95']:.0f}",
            ),
            ("digits right", f"{accuracy.float_weights:.2%}", f"float weights, {accuracy.test_digits} test digits"),
            ("", f"{accuracy.ideal_levels:.2%}", "ideal 3-bit weights"),
            ("", f"{accuracy.read_back:.2%}", "read-back conductances, failed cells included"),
        ],
    )
    typer.echo(f"Report: {write_report(programmed, folder)}")
    typer.echo(f"Runs:   labctl runs -o {folder}")
