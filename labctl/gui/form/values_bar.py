"""Values that were kept: presets by name, those of the last run, the defaults.

Not here: the files of presets (:mod:`labctl.run.presets`).
"""

import json
from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QInputDialog, QMenu, QPushButton, QWidget

from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot

__all__ = ["ValuesBar"]


class ValuesBar(QWidget):
    """Buttons that keep the values of the form or fill it.

    Parameters
    ----------
    desk : Desk
    present : callable
        Returns what the form holds, values by parameter as typed.
    parent : QWidget, optional

    Attributes
    ----------
    taken : Signal of dict
        The form is to hold these values, and defaults for what is not named.
    """

    taken = Signal(dict)

    def __init__(self, desk: Desk, present: Callable[[], dict[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._present = present
        self._procedure = ""
        self._presets = QMenu(self)
        presets = QPushButton("&Presets", self)
        presets.setToolTip("Keep these values under a name, or take those that were kept")
        presets.setMenu(self._presets)
        last = QPushButton("&Last values", self)
        last.setToolTip("The values with which this procedure was last run or queued on this station")
        last.clicked.connect(self._take_last)
        defaults = QPushButton("&Defaults", self)
        defaults.setToolTip("Every value back to its default")
        defaults.clicked.connect(lambda: self.taken.emit({}))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (presets, last, defaults):
            layout.addWidget(button)
        layout.addStretch(1)

    def show_procedure(self, procedure: str) -> None:
        """Offer what was kept for another procedure.

        Parameters
        ----------
        procedure : str
        """
        self._procedure = procedure
        self.desk.backstage.ask("form.preset_list", self._show_presets, replaces="presets", procedure=procedure)

    def save_preset(self, name: str) -> None:
        """Keep the present values under a name.

        Parameters
        ----------
        name : str
        """

        def saved(path: str) -> None:
            self.desk.tell("info", f"preset {name!r} of {self._procedure} is kept in {path}")
            self.show_procedure(self._procedure)

        self.desk.backstage.ask(
            "form.preset_save", saved, self._fail, procedure=self._procedure, name=name, values=self._present()
        )

    def load_preset(self, name: str) -> None:
        """Fill in the values of a preset.

        Parameters
        ----------
        name : str
        """
        self.desk.backstage.ask("form.preset_load", self.taken.emit, self._fail, procedure=self._procedure, name=name)

    def keep_last(self) -> None:
        """Remember the present values as those of the last run."""
        self.desk.settings.setValue(self._last_key(), json.dumps(self._present()))

    @guarded_slot
    def _take_last(self) -> None:
        kept = self.desk.settings.value(self._last_key())
        if not kept:
            where = self.desk.station or "any station"
            self.desk.tell("info", f"{self._procedure} has not been run on {where} from here")
            return
        self.taken.emit({str(name): str(text) for name, text in json.loads(str(kept)).items()})

    @guarded_slot
    def _ask_name(self) -> None:
        question = f"Name of the preset of {self._procedure}:"
        name, is_given = QInputDialog.getText(self, "Keep these values", question)
        if is_given and name.strip():
            self.save_preset(name.strip())

    def _show_presets(self, names: list[str]) -> None:
        self._presets.clear()
        save = self._presets.addAction("&Save these values as…")
        save.triggered.connect(self._ask_name)
        self._presets.addSeparator()
        for name in names:
            self._presets.addAction(name).triggered.connect(lambda _=False, name=name: self.load_preset(name))
        if not names:
            self._presets.addAction("none kept yet").setEnabled(False)

    def _last_key(self) -> str:
        # a station may be a path, and slashes are groups of the settings
        return f"form/last/{self._procedure}/{self.desk.station.replace('/', '|')}"

    def _fail(self, why: str) -> None:
        self.desk.tell("error", why)
