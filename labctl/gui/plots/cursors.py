"""One cursor and one set of marks for all plots with the same quantity along x.

Not here: drawing them (:mod:`labctl.gui.plots.curve_pane`).
"""

from qtpy.QtCore import QObject, Signal

__all__ = ["Cursors"]


class Cursors(QObject):
    """Where the pointer is, and which places the user marked, by the label of x.

    Attributes
    ----------
    moved : Signal of str, object
        Label of x; place of the cursor, unit as the label says, or None where it left.
    marked : Signal of str
        The marks along this x changed.

    Parameters
    ----------
    parent : QObject, optional
    """

    moved = Signal(str, object)
    marked = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._marks: dict[str, list[float]] = {}
        self._places: dict[str, float | None] = {}

    def move(self, label: str, place: float | None) -> None:
        """Put the cursor somewhere.

        Parameters
        ----------
        label : str
            Of x.
        place : float or None, unit as the label says
        """
        self._places[label] = place
        self.moved.emit(label, place)

    def place(self, label: str) -> float | None:
        """Tell where the cursor is.

        Parameters
        ----------
        label : str
            Of x.

        Returns
        -------
        float or None, unit as the label says
        """
        return self._places.get(label)

    def marks(self, label: str) -> list[float]:
        """Return the marks, from low to high.

        Parameters
        ----------
        label : str
            Of x.

        Returns
        -------
        list of float, unit as the label says
        """
        return sorted(self._marks.get(label, []))

    def mark(self, label: str, place: float) -> None:
        """Set a mark.

        Parameters
        ----------
        label : str
            Of x.
        place : float, unit as the label says
        """
        self._marks.setdefault(label, []).append(place)
        self.marked.emit(label)

    def move_mark(self, label: str, old: float, new: float) -> None:
        """Move a mark.

        Parameters
        ----------
        label : str
            Of x.
        old, new : float, unit as the label says
            Without a mark at the old place nothing happens.
        """
        marks = self._marks.get(label, [])
        if old in marks:
            marks[marks.index(old)] = new
            self.marked.emit(label)

    def unmark(self, label: str, place: float | None = None) -> None:
        """Remove the mark that is nearest to a place, or all.

        Parameters
        ----------
        label : str
            Of x.
        place : float, optional, unit as the label says
            Left out: all marks along this x.
        """
        marks = self._marks.get(label, [])
        if place is None:
            marks.clear()
        elif marks:
            marks.remove(min(marks, key=lambda mark: abs(mark - place)))
        self.marked.emit(label)

    def clear(self) -> None:
        """Forget all marks: another run is shown."""
        labels = list(self._marks)
        self._marks.clear()
        self._places.clear()
        for label in labels:
            self.marked.emit(label)
