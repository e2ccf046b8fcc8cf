"""Plots as they were left, by procedure: what each shows and where it stands.

Not here: the panel that they stand in (:mod:`labctl.gui.plots.plots_panel`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from qtpy.QtCore import QByteArray, QSettings

from labctl.gui.plots.choice import Choice, Kind, is_possible
from labctl.store.columns import Column

__all__ = ["KeptPlots", "forget_plots", "keep_plots", "kept_plots"]

_GROUP = "plots"
_WIDTHS = {"narrow": True, "wide": False}


@dataclass(slots=True)
class KeptPlots:
    """The plots of one procedure.

    Attributes
    ----------
    choices : dict of str to Choice
        What each shows, by the name of its dock.
    places : dict of bool to QByteArray
        Where the docks stand, as Qt has it, in a panel that is too narrow for two side by side (True) and in a wider
        one (False).
    needs_more : bool
        Whether what was kept needs columns that this run has not, so that it is left out.
    """

    choices: dict[str, Choice] = field(default_factory=dict)
    places: dict[bool, QByteArray] = field(default_factory=dict)
    needs_more: bool = False


def keep_plots(settings: QSettings, procedure: str, plots: KeptPlots) -> None:
    """Keep plots for the next time.

    Parameters
    ----------
    settings : QSettings
    procedure : str
    plots : KeptPlots
    """
    choices = {name: asdict(choice) for name, choice in plots.choices.items()}
    places = {
        name: bytes(plots.places[is_narrow].toBase64().data()).decode("ascii")
        for name, is_narrow in _WIDTHS.items()
        if is_narrow in plots.places
    }
    settings.setValue(f"{_GROUP}/{procedure}", json.dumps({"choices": choices, "places": places}))


def kept_plots(settings: QSettings, procedure: str, columns: Sequence[Column]) -> KeptPlots:
    """Return the plots that were kept for a procedure.

    Parameters
    ----------
    settings : QSettings
    procedure : str
    columns : sequence of Column
        Of the run.

    Returns
    -------
    KeptPlots
        Empty where nothing was kept that this run can show, or it cannot be read.
    """
    try:
        kept = json.loads(str(settings.value(f"{_GROUP}/{procedure}", "{}")))
        choices = {str(name): _choice(values) for name, values in kept.get("choices", {}).items()}
        places = {
            is_narrow: QByteArray.fromBase64(str(kept["places"][name]).encode("ascii"))
            for name, is_narrow in _WIDTHS.items()
            if name in kept.get("places", {})
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        # written by hand, or by another version
        return KeptPlots()
    if not all(is_possible(one, columns) for one in choices.values()):
        return KeptPlots(needs_more=True)
    return KeptPlots(choices, places)


def forget_plots(settings: QSettings) -> None:
    """Forget the plots of all procedures.

    Parameters
    ----------
    settings : QSettings
    """
    settings.remove(_GROUP)


def _choice(values: Mapping[str, object]) -> Choice:
    found = Choice(**{**values, "kind": Kind(values["kind"]), "ys": tuple(values["ys"])})  # type: ignore[arg-type]
    if not all(isinstance(label, str) for label in (found.x, *found.ys, found.group, found.event)):
        raise TypeError("a label is no text")
    return found
