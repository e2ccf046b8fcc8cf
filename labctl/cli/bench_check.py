"""``labctl bench check``: a recording of real instruments against the simulated ones, on a die that is thrown away.

Not here: what is compared (:mod:`labctl.replay.checking`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.output import complain, print_json, print_table

if TYPE_CHECKING:
    import pyvisa

    from labctl_mock.bench.bench import Bench

__all__ = ["bench_check"]


def bench_check(
    file: Annotated[Path, typer.Argument(help="A traffic file, as visa_library = 'record:FILE>@py' makes it.")],
    bench: Annotated[
        str, typer.Option("--bench", "-b", help="Name or file of the simulated bench; default the one it was made on.")
    ] = "",
    pair: Annotated[
        list[str], typer.Option(help="RECORDED=SIMULATED resource, where the model does not tell; repeat.")
    ] = [],  # noqa: B006 - Typer copies it
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Hold a recording of real instruments against the simulated ones: each answer that differs in kind.

    It is sent to a fresh die, which is thrown away; nothing goes to a real instrument or to the die of the bench.
    """
    from labctl.replay.checking import check_recording

    pairs = dict(_pair(text) for text in pair)
    with _fresh_rack(bench or _recorded_bench(file)) as manager:
        found = check_recording(file, manager, pairs)
    if as_json:
        print_json(
            {
                "compared": found.compared,
                "missing": found.missing,
                "differences": [{name: getattr(one, name) for name in one.__slots__} for one in found.differences],
            }
        )
    else:
        typer.echo(f"{found.compared} answers compared, {len(found.differences)} differences")
        if found.differences:
            print_table(
                ("line", "differs in", "after", "recorded", "simulated"),
                [(str(one.line), one.kind, one.message, one.recorded, one.simulated) for one in found.differences],
            )
    if found.missing:
        complain(f"not on the bench, and not compared: {', '.join(found.missing)}; name the pairs with --pair")
    return int(ExitCode.FAILED if found.differences else ExitCode.FINISHED)


def _recorded_bench(file: Path) -> str:
    """Return the bench that a recording was made on."""
    from labctl.replay.traffic import TrafficFile
    from labctl_mock.bench.bench_file import bench_names

    with TrafficFile(file) as recording:
        told = recording.header.get("bench") or {}
    if told.get("name") in bench_names():
        return str(told["name"])
    if Path(str(told.get("file", ""))).is_file():
        return str(told["file"])
    raise typer.BadParameter(
        f"{file} names no simulated bench that is here; name one with -b: {', '.join(bench_names())}, or a file"
    )


@contextmanager
def _fresh_rack(bench: str) -> "Iterator[pyvisa.ResourceManager]":
    """Open a bench with a die of its own, which nobody sees again."""
    import pyvisa

    from labctl_mock.bench.bench import Bench
    from labctl_mock.visa import LabctlVisaLibrary

    with TemporaryDirectory() as home:

        class FreshDie(LabctlVisaLibrary):
            def open_bench(self) -> "Bench":
                return Bench.open(bench, home=Path(home))

        manager = pyvisa.ResourceManager(FreshDie(bench))
        try:
            yield manager
        finally:
            manager.close()


def _pair(text: str) -> tuple[str, str]:
    recorded, equals, simulated = text.partition("=")
    if not equals or not recorded or not simulated:
        raise typer.BadParameter(f"--pair takes RECORDED=SIMULATED, two VISA resource names, got {text!r}")
    return recorded.strip(), simulated.strip()
