"""Commands on what goes on: pause, continue and abort a run, do something by hand, look, and ALL OUTPUTS OFF.

Not here: the mailbox (:mod:`labctl.run.mailbox`), switching off (:mod:`labctl.run.switching_off`).
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.measure import Out, Station, split_parameters
from labctl.cli.output import complain, print_json, print_table

__all__ = ["add_commands"]

LiveRun = Annotated[str, typer.Argument(help="Id, path or `latest`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ASKER = "command line"


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("pause")(pause)
    app.command("continue")(go_on)
    app.command("abort")(abort)
    app.command("do")(do)
    app.command("off")(off)
    app.command("state")(state)


def pause(run: LiveRun = "latest", out: Out = None) -> None:
    """Let a run wait before its next action; its outputs go off meanwhile where the procedure knows how."""
    typer.echo(f"{_ask(run, out, 'pause')} was asked to pause; `labctl continue` lets it go on")


def go_on(run: LiveRun = "latest", out: Out = None) -> None:
    """Let a paused run go on."""
    typer.echo(f"{_ask(run, out, 'continue')} goes on")


def abort(
    run: LiveRun = "latest",
    out: Out = None,
    now: Annotated[bool, typer.Option("--now", help="Do not wait until the procedure is at a good point.")] = False,
    reason: Annotated[str, typer.Option(help="For the run file.")] = "the operator asked for it",
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for the end.")] = 30.0,
) -> int:
    """End a run: its outputs go off, and its file keeps every point and can be resumed."""
    from labctl.run.live import is_over
    from labctl.store import open_run

    found = open_run(run, out)
    _ask(str(found.path), out, "abort_now" if now else "abort", reason=reason)
    if not is_over(found, wait_s):
        complain(f"{found.run_id} has not ended within {wait_s:g} s; try `labctl abort {found.run_id} --now`")
        return int(ExitCode.FAILED)
    typer.echo(f"{found.run_id} has ended, its outputs are off; `labctl resume {found.run_id}` goes on with it")
    return int(ExitCode.FINISHED)


def do(
    run: Annotated[str, typer.Argument(help="Id or path of a run of `manual` or `sequence`, or `latest`.")],
    action: Annotated[str, typer.Argument(help="read, pulse, set_level or end; die, for a sequence that waits.")],
    cell: Annotated[str, typer.Argument(help="Row and column, such as 3,4; or the name of the die that is in.")] = "",
    values: Annotated[
        list[str], typer.Argument(help="name=value, such as amplitude=1.2V width=10us, or conductance=50uS.")
    ] = [],  # noqa: B006 - Typer copies it
    out: Out = None,
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for the answer.")] = 60.0,
) -> None:
    """Let a run of `manual` read, pulse or set the level of a cell, and print its answer; or confirm a die."""
    from labctl.run.by_hand import do_by_hand
    from labctl.store import open_run

    values_by_name = split_parameters(values)
    typer.echo(do_by_hand(open_run(run, out), action, cell, values_by_name, by=ASKER, within_s=wait_s))


def off(station: Station, out: Out = None, as_json: AsJson = False) -> None:
    """Switch ALL OUTPUTS OFF: end the live run on a station, then ask every instrument whether it is off."""
    from labctl.run.switching_off import switch_off
    from labctl.store import data_root

    done = switch_off(station, data_root(out), by=ASKER, tell=lambda text: typer.echo(text, err=True))
    if as_json:
        print_json(asdict(done))
    else:
        typer.echo(done.told)


def state(station: Station, out: Out = None, as_json: AsJson = False) -> None:
    """Tell outputs, relays and lines of a station, from its live run or else from its instruments.

    Without a live run the instruments are opened and asked; what was left on is switched off when they are closed.
    """
    from labctl.run.looking import look_at_station
    from labctl.store import data_root

    found = look_at_station(station, data_root(out))
    if as_json:
        print_json(found)
    else:
        _print_state(found)


def _ask(run: str, out: Path | None, what: str, **arguments: object) -> str:
    from labctl.run.mailbox import ask_run
    from labctl.store import find_run

    path = find_run(run, out)
    ask_run(path, what, by=ASKER, **arguments)
    return path.name.partition(".")[0]


def _print_state(found: Mapping[str, Any]) -> None:
    from labctl.units import format_quantity

    told = f"run {found['run']}, {found['state']}" if found["run"] else "no live run in this data root"
    print_table(
        ("station", found["station"]),
        [
            ("simulated", "yes" if found["simulated"] else "no"),
            ("", told),
            *(("error", text) for text in found["errors"]),
        ],
    )
    print_table(
        ("instrument", "maker", "model", "serial", "firmware"),
        [(key, *who.values()) for key, who in found["identities"].items()],
        whole=("instrument",),
    )
    rows = [
        (
            terminal,
            "ON" if output["on"] else "off",
            _level(output),
            "" if output["limit_a"] is None else format_quantity(output["limit_a"], "A"),
        )
        for terminal, output in found["outputs"].items()
    ]
    print_table(("output", "", "level", "compliance"), rows, whole=("output",))
    print_table(("line", "hangs on"), list(found["lines"].items()) or [("none", "")])


def _level(output: Mapping[str, Any]) -> str:
    from labctl.units import format_quantity

    if output["level_v"] is not None:
        return format_quantity(output["level_v"], "V")
    return "changing" if output["changing"] else "not known"
