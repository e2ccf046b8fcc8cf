"""The procedure form: choose a procedure, fill in its parameters, see what would be applied, run it or queue it.

Values are checked while they are typed, by a process behind the window. Not here: the widgets of the parts (beside this
file), the rules (:mod:`labctl.run.checking`).
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from labctl.gui.desk import Desk
from labctl.gui.form.chooser import ProcedureChooser
from labctl.gui.form.extremes import spoken_duration
from labctl.gui.form.field_groups import ParameterGroups
from labctl.gui.form.preview_view import PreviewView
from labctl.gui.form.run_bar import RunBar
from labctl.gui.form.run_starter import RunStarter
from labctl.gui.form.values_bar import ValuesBar
from labctl.gui.slots import guarded_slot

__all__ = ["FormPanel"]

_CHECK_MS, _PREVIEW_MS = 120, 400
_FIRST_PROCEDURE = "sweep_iv"
_HELP = "Point at a name, or enter a field, to read what it is for."


class FormPanel(QWidget):
    """The form.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional

    Attributes
    ----------
    procedure : str
        Name of the procedure that is shown; empty: none yet.
    kept : ValuesBar
        Presets, the values of the last run, defaults.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.procedure = ""
        self._labels: dict[str, str] = {}
        # what is shown as soon as it is described; no values: those that it was left with
        self._wanted: tuple[str, dict[str, str] | None] | None = None
        # offered while there were no fields to put them into
        self._offered: dict[str, str] = {}
        self._left_with: dict[str, dict[str, str]] = {}
        self._is_described = False
        self._verdict: Mapping[str, Any] | None = None
        self._is_preview_due = False
        self._starter = RunStarter(desk, self)
        self._chooser = ProcedureChooser(self)
        self._groups = ParameterGroups(desk.theme, self)
        self._preview = PreviewView(desk.theme, self)
        self._bar = RunBar(desk.theme, self)
        self._title = QLabel(self)
        self._title.setWordWrap(True)
        self._help = QLabel(_HELP, self)
        self._help.setWordWrap(True)
        self._help.setProperty("weight", "muted")
        self._help.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._help.setMinimumHeight(4 * self.fontMetrics().lineSpacing())
        self.kept = ValuesBar(desk, self.values, self)
        self._pressed: bool | None = None
        self._checking, self._previewing = QTimer(self), QTimer(self)
        for timer, interval, action in (
            (self._checking, _CHECK_MS, self._ask_check),
            (self._previewing, _PREVIEW_MS, self._want_preview),
        ):
            timer.setSingleShot(True)
            timer.setInterval(interval)
            timer.timeout.connect(action)
        self._lay_out()
        self._connect()
        self._tell_verdict()
        desk.backstage.ask("form.procedures", self._list)

    def choose(self, procedure: str, values: Mapping[str, str] | None = None) -> None:
        """Show a procedure.

        Parameters
        ----------
        procedure : str
            Its name.
        values : Mapping of str to str, optional
            What differs from the defaults, as a person types it; left out, what this form was left with.
        """
        self._wanted = (procedure, None if values is None else dict(values))
        if not self._chooser.choose(procedure):
            # the list is not there yet, or has no such name
            self._describe_wanted()
        elif self.procedure == procedure:
            self._describe_wanted()

    def values(self) -> dict[str, str]:
        """Return what differs from the defaults, as typed.

        Returns
        -------
        dict of str to str
        """
        return self._groups.values()

    def _lay_out(self) -> None:
        middle = QWidget(self)
        layout = QVBoxLayout(middle)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._title)
        layout.addWidget(self.kept)
        layout.addWidget(self._groups, 1)
        layout.addWidget(self._help)
        layout.addWidget(self._bar)
        splitter = QSplitter(Qt.Orientation.Horizontal, self)
        for widget, stretch in ((self._chooser, 2), (middle, 5), (self._preview, 5)):
            splitter.addWidget(widget)
            splitter.setStretchFactor(splitter.count() - 1, stretch)
        whole = QVBoxLayout(self)
        whole.addWidget(splitter)

    def _connect(self) -> None:
        self._chooser.chosen.connect(self._was_chosen)
        self.kept.taken.connect(self._fill)
        self._groups.edited.connect(self._was_edited)
        self._groups.focused.connect(self._tell_help)
        self._groups.cells_wanted.connect(self._take_cells)
        self._bar.edited.connect(self._was_edited)
        self._bar.run_pressed.connect(self._run)
        self._bar.add_pressed.connect(self._add)
        self._bar.save_pressed.connect(self._save_item)
        self._bar.cancel_pressed.connect(self._leave_item)
        self.desk.station_changed.connect(self._station_changed)
        self.desk.facts_changed.connect(self._tell_verdict)
        self.desk.parameters_offered.connect(self._take_offer)

    def _list(self, procedures: list[dict[str, str]]) -> None:
        self._chooser.fill(procedures)
        if self._wanted is None:
            kept = str(self.desk.settings.value("form/procedure", _FIRST_PROCEDURE))
            if not self._chooser.choose(kept):
                self._chooser.choose(_FIRST_PROCEDURE)
        else:
            self._chooser.choose(self._wanted[0])

    @guarded_slot
    def _was_chosen(self, procedure: str) -> None:
        if self._wanted is None or self._wanted[0] != procedure:
            self._wanted = (procedure, None)
        self._end_editing_of_another(procedure)
        self._describe_wanted()

    def _describe_wanted(self) -> None:
        assert self._wanted is not None
        self._verdict = None
        self._is_described = False
        if self._wanted[0] != self.procedure:
            # another procedure's pulses beside this one's name would mislead
            self._preview.clear("Working out what would be applied …")
        self._tell_verdict()
        self.desk.backstage.ask(
            "form.describe",
            self._show_described,
            self._cannot_describe,
            replaces="describe",
            procedure=self._wanted[0],
            station=self.desk.station,
        )

    @guarded_slot
    def _show_described(self, described: Mapping[str, Any]) -> None:
        if self.procedure:
            self._left_with[self.procedure] = self.values()
        self.procedure = described["procedure"]
        wanted = self._wanted[1] if self._wanted is not None and self._wanted[0] == self.procedure else None
        values = self._left_with.get(self.procedure, {}) if wanted is None else wanted
        self._wanted = (self.procedure, None)
        self.desk.settings.setValue("form/procedure", self.procedure)
        summary = described["text"].partition("\n")[0]
        self._title.setText(f"<b>{self.procedure}</b><br>{summary}")
        self._title.setToolTip(described["text"])
        self._labels = {one["name"]: one["label"] for one in described["parameters"]}
        self._help.setText(_HELP)
        self._groups.describe(described["parameters"])
        for before, after in pairwise([self._groups, *self._groups.tab_stops(), self._bar.run]):
            QWidget.setTabOrder(before, after)
        self._is_described = True
        self._fill({**values, **self._offered})
        self._offered = {}
        self.kept.show_procedure(self.procedure)
        if self.desk.station:
            self.desk.backstage.ask(
                "form.limits",
                self._groups.limit,
                lambda _why: None,
                replaces="limits",
                procedure=self.procedure,
                station=self.desk.station,
            )

    def _cannot_describe(self, why: str) -> None:
        self._bar.allow(why, f"Cannot run: {why}", "error")
        self._preview.clear(why)

    @guarded_slot
    def _station_changed(self) -> None:
        if self._wanted is not None:
            self._describe_wanted()

    @guarded_slot
    def _take_offer(self, procedure: str, values: Mapping[str, str]) -> None:
        if procedure == "" and not self._is_described:
            self._offered.update(values)
        elif procedure == "":
            self._fill({**self.values(), **values})
        elif procedure == self.procedure and self._is_described:
            self._fill(values)
            self._end_editing_of_another(procedure)
        else:
            # also where the fields are about to be replaced by those of another station
            self._offered = {}
            self.choose(procedure, values)
            self._end_editing_of_another(procedure)
        if self.desk.editing_item is not None:
            item = self._starter.item(self.desk.editing_item)
            if item is not None:
                self._bar.fill(item.repeat, item.holds, item.between or "")
        self._bar.edit_item(self.desk.editing_item)

    @guarded_slot
    def _fill(self, values: Mapping[str, str]) -> None:
        unknown = self._groups.fill(values)
        if unknown:
            self.desk.tell("warning", f"{self.procedure} has no parameter {', '.join(unknown)}; left out")
        self._was_edited()

    @guarded_slot
    def _take_cells(self, what: str) -> None:
        cells = self.desk.selection if what == "selection" else frozenset([self.desk.cell] if self.desk.cell else [])
        if what == "all":
            self._set_cells("all")
        elif not cells:
            self.desk.tell("warning", f"no {what} is chosen in the array view; choose one there first")
        else:
            self.desk.backstage.ask(
                "form.cells_text", self._set_cells, station=self.desk.station, cells=sorted(map(list, cells))
            )

    def _set_cells(self, text: str) -> None:
        if "cells" in self._groups.fields:
            self._groups.fields["cells"].set_text(text)

    def _was_edited(self) -> None:
        self._verdict = None
        self._pressed = None
        self._is_preview_due = False
        self._checking.start()
        self._previewing.start()

    @guarded_slot
    def _ask_check(self) -> None:
        if not self.procedure or not self.desk.station:
            self._preview.clear("Choose a station to see what would be applied.")
            self._tell_verdict()
            return
        self.desk.backstage.ask(
            "form.check",
            self._take_verdict,
            self._cannot_describe,
            replaces="check",
            procedure=self.procedure,
            station=self.desk.station,
            values=self.values(),
            holds=self._bar.holds,
            between=self._bar.between,
        )

    @guarded_slot
    def _take_verdict(self, verdict: Mapping[str, Any]) -> None:
        self._verdict = verdict
        self._groups.judge(verdict["refusals"], verdict["read_as"])
        self._tell_verdict()
        if self._is_preview_due:
            self._ask_preview()
        if self._pressed is not None:
            first, self._pressed = self._pressed, None
            self._queue(first=first)

    @guarded_slot
    def _want_preview(self) -> None:
        self._is_preview_due = True
        if self._verdict is not None:
            self._ask_preview()

    def _ask_preview(self) -> None:
        self._is_preview_due = False
        if self._refusal():
            self._preview.clear("There is no preview of values that are refused.")
            return
        self._preview.wait()
        parts: list[Any] = []

        def take(part: Mapping[str, Any], *, is_last: bool) -> None:
            self._preview.take(part, is_first=not parts, is_last=is_last)
            parts.append(part)
            self._tell_verdict()

        self.desk.scanner.ask(
            "form.preview",
            lambda part: take(part, is_last=True),
            lambda why: self._preview.clear(f"There is no preview: {why}"),
            part=lambda part: take(part, is_last=False),
            replaces="preview",
            procedure=self.procedure,
            station=self.desk.station,
            values=self.values(),
        )

    def _refusal(self) -> str:
        """Return why a run cannot start; empty: it can."""
        if not self.desk.station:
            return "no station is chosen; choose one first"
        if self._verdict is None:
            return "the values are being checked"
        refusals = {name: why for name, why in self._verdict["refusals"].items() if name in self._labels}
        # one refusal may be laid to several fields
        by_reason: dict[str, list[str]] = {}
        for name, why in refusals.items():
            by_reason.setdefault(why, []).append(self._labels[name])
        lines = [f"{', '.join(names)}: {why}" for why, names in by_reason.items()]
        return "\n".join(line for line in (*lines, self._verdict["general"], self._verdict["conditions"]) if line)

    def _tell_verdict(self) -> None:
        refusal = self._refusal()
        if refusal:
            waits = self._verdict is None
            self._bar.allow(refusal, f"Cannot run yet: {refusal}", "info" if waits else "error")
            return
        estimate = (self._verdict or {}).get("estimate")
        facts = self.desk.facts
        where = self.desk.station + (" (simulated)" if facts is not None and facts.simulated else "")
        told = "It will run"
        if estimate is not None:
            lasts = spoken_duration(estimate["duration_s"])
            told = f"Up to {estimate['points']:,} rows of data, about {lasts} of the rack"
        warning = self._preview.warning
        sentence = f"{told}, on {where}." + (f"\nNote: {warning}" if warning else "")
        self._bar.allow("", sentence, "warning" if warning else "info")

    @guarded_slot
    def _tell_help(self, name: str) -> None:
        self._help.setText(self._groups.fields[name].about().replace("<br>", " · "))

    @guarded_slot
    def _run(self) -> None:
        self._queue(first=True)

    @guarded_slot
    def _add(self) -> None:
        self._queue(first=False)

    def _queue(self, *, first: bool) -> None:
        if self._verdict is None and self.desk.station:
            # pressed right behind the last letter: it counts when the values are checked
            self._pressed = first
            return
        if self._refusal():
            return
        self.kept.keep_last()
        self._starter.start(first=first, **self._asked())

    @guarded_slot
    def _save_item(self) -> None:
        # its fields may not be there yet
        self._end_editing_of_another(self.procedure)
        if self.desk.editing_item is not None and not self._refusal():
            self.kept.keep_last()
            self._starter.change(self.desk.editing_item, **self._asked())
            self._leave_item()

    def _end_editing_of_another(self, procedure: str) -> None:
        """Let go of the queue's item that is edited, unless it is one of this procedure: it would become another."""
        edited = self.desk.editing_item
        item = None if edited is None else self._starter.item(edited)
        if edited is not None and (item is None or item.procedure != procedure):
            self._leave_item()
            self.desk.tell("info", f"queue item {edited} is left as it was: the form shows {procedure} now")

    @guarded_slot
    def _leave_item(self) -> None:
        self.desk.editing_item = None
        self._bar.edit_item(None)

    def _asked(self) -> dict[str, Any]:
        estimate = (self._verdict or {}).get("estimate")
        return {
            "procedure": self.procedure,
            "station": self.desk.station,
            "parameters": self.values(),
            "repeat": self._bar.repeat.value(),
            "holds": self._bar.holds,
            "between": self._bar.between or None,
            "estimate_s": None if estimate is None else estimate["duration_s"],
            "simulated": None if self.desk.facts is None else self.desk.facts.simulated,
        }
