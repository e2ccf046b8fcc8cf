"""Notes about runs that are written and not saved yet: kept with the settings of the window until they are.

Not here: the fields that they are written in (:mod:`labctl.gui.browser.run_detail`), saved ones
(:mod:`labctl.store.notes`).
"""

import json
import os

from qtpy.QtCore import QSettings

from labctl.store.notes import Notes

__all__ = ["HeldNotes"]

_KEY = "browser/held_notes"


class HeldNotes:
    """Notes by the name of the run file, so that no failed write, no move and no end of the window loses a text.

    Parameters
    ----------
    settings : QSettings
        Of the window.
    """

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings
        kept = json.loads(str(settings.value(_KEY) or "{}"))
        self._by_name = {name: (file, Notes(text, tuple(tags))) for name, (file, text, tags) in kept.items()}

    @property
    def files(self) -> list[str]:
        """Run files that there are unsaved notes about, where they were then."""
        return [file for file, _ in self._by_name.values()]

    def of(self, file: str) -> Notes | None:
        """Return what is not saved about a run.

        Parameters
        ----------
        file : str
            Its run file.

        Returns
        -------
        Notes or None
            None where everything is saved.
        """
        # a run that grew in the spool is delivered to its data root
        return self._by_name.get(os.path.basename(file), ("", None))[1]

    def hold(self, file: str, notes: Notes) -> None:
        """Keep notes until they are let go.

        Parameters
        ----------
        file : str
            The run file.
        notes : Notes
        """
        self._by_name[os.path.basename(file)] = file, notes
        self._keep()

    def let_go(self, file: str, notes: Notes | None = None) -> None:
        """Keep notes no longer.

        Parameters
        ----------
        file : str
            The run file; one without held notes does no harm.
        notes : Notes, optional
            Only these: what was written since they were sent off stays. Left out, whatever is held.
        """
        held = self.of(file)
        if held is not None and notes in (None, held):
            del self._by_name[os.path.basename(file)]
            self._keep()

    def _keep(self) -> None:
        kept = {name: [file, notes.text, notes.tags] for name, (file, notes) in self._by_name.items()}
        self._settings.setValue(_KEY, json.dumps(kept))
