"""The options that hold a run, of ``labctl run`` and ``labctl resume``. Not here: holding (:mod:`labctl.run.holds`)."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.run.conditions import Condition

__all__ = ["Between", "Hold", "parse_conditions"]

Hold = Annotated[
    list[str], typer.Option("--hold", help="Go on only while this holds, such as 'Current (A) <= 1 uA'; repeat.")
]
Between = Annotated[str | None, typer.Option("--between", help="Measure only at this time of day: 20:00-06:00.")]


def parse_conditions(hold: list[str], between: str | None) -> "list[Condition]":
    """Read the options.

    Parameters
    ----------
    hold : list of str
    between : str or None

    Returns
    -------
    list of Condition

    Raises
    ------
    typer.BadParameter
        If one of them is not understood.
    """
    from labctl.errors import StoreError
    from labctl.run.conditions import Limit, TimeWindow

    try:
        limits: list[Condition] = [Limit.parse(text) for text in hold]
        return limits if between is None else [*limits, TimeWindow.parse(between)]
    except (ValueError, StoreError) as error:
        raise typer.BadParameter(str(error)) from error
