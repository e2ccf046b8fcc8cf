"""Asking where to write what the window shows; a name that is completed is never written over unasked.

Not here: writing it; exports of runs and fits, which are commands and refuse to write over a file themselves.
"""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

__all__ = ["wanted_file"]


def wanted_file(parent: QWidget, title: str, suggestion: str, suffixes: Sequence[str]) -> Path | None:
    """Ask where to write.

    Parameters
    ----------
    parent : QWidget
    title : str
        Of the dialog.
    suggestion : str
        Name with its suffix, which a name without a known one gets.
    suffixes : sequence of str
        Known ones, such as ``".csv"``.

    Returns
    -------
    Path or None
        None: the user thought better of it.
    """
    kinds = f"{', '.join(suffixes)} ({' '.join(f'*{suffix}' for suffix in suffixes)})"
    chosen, _ = QFileDialog.getSaveFileName(parent, title, suggestion, kinds)
    if not chosen:
        return None
    path = Path(chosen)
    if path.suffix.lower() in suffixes:
        return path
    # not with_suffix: a name such as "die 1.2" keeps its end
    path = path.with_name(path.name + Path(suggestion).suffix)
    # the dialog has asked about the name as it was typed
    words = f"{path} is there already. Write over it?"
    if path.exists() and QMessageBox.question(parent, title, words) != QMessageBox.StandardButton.Yes:
        return None
    return path
