"""What all plots share: the frame with its controls, the rows that it takes, the message while it is empty, export.

Not here: the kinds of plots (:mod:`labctl.gui.plots.curve_frame`, :mod:`labctl.gui.plots.count_frame`).
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from labctl.errors import StoreError
from labctl.gui.desk import Desk
from labctl.gui.feed import RunFeed
from labctl.gui.plots.choice import Choice, needed_columns
from labctl.gui.plots.export_plot import SUFFIXES, save_drawing, save_picture, save_table
from labctl.gui.slots import guarded_slot
from labctl.gui.wanted_file import wanted_file

__all__ = ["PlotFrame", "menu_button"]


class PlotFrame(QWidget):
    """One plot of a run.

    Parameters
    ----------
    desk : Desk
    feed : RunFeed
        The run; the plot takes no rows from it by itself.
    choice : Choice
        What it shows at first.
    parent : QWidget, optional

    Attributes
    ----------
    choice_changed : Signal
        Something else is chosen; all rows are needed again, from the first.
    choice : Choice
    taken : int
        Number of the last row that was taken.
    needed : frozenset of str
        Labels of the columns that must be among the rows.
    """

    choice_changed = Signal()

    def __init__(self, desk: Desk, feed: RunFeed, choice: Choice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.feed = feed
        self.choice = choice
        self.taken = 0
        self._names = [column.name for column in feed.columns]
        self._is_stale = True
        self.view = _View()
        self.view.setMinimumSize(1, 1)
        self._message = QLabel()
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._message.setWordWrap(True)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._message)
        self._stack.addWidget(self.view)
        self._controls = QHBoxLayout()
        self._readout = QLabel()
        self._readout.setProperty("weight", "muted")
        # a long text must not push the plots apart
        self._readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.addLayout(self._controls)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self._readout)

    @property
    def needed(self) -> frozenset[str]:
        """Labels of the columns that must be among the rows."""
        return needed_columns(self.choice, self._names)

    @property
    def title(self) -> str:
        """Which run it is, and whether it is simulated."""
        # the id holds the name of the procedure
        return f"{self.feed.title} · simulated" if self.feed.simulated else self.feed.title

    def take(self, seqs: NDArray[Any], columns: Mapping[str, NDArray[Any]]) -> None:
        """Take rows; those that it has already are left out.

        Parameters
        ----------
        seqs : ndarray, shape (points,)
            Their numbers, rising.
        columns : mapping of str to ndarray, shape (points,), unit as the label says
            At least those that are needed.
        """
        if not len(seqs) or seqs[-1] <= self.taken:
            return
        fresh = seqs > self.taken
        if not fresh.all():
            seqs, columns = seqs[fresh], {name: column[fresh] for name, column in columns.items()}
        self.add(seqs, columns)
        self.taken = int(seqs[-1])
        self._is_stale = True

    def choose(self, choice: Choice) -> None:
        """Show something else; the rows are needed again, from the first.

        Parameters
        ----------
        choice : Choice
        """
        self.choice = choice
        self.taken = 0
        self._is_stale = True
        self.begin()
        self.choice_changed.emit()

    def tell_message(self, message: str) -> None:
        """Say in place of the plot why there is nothing to see; with an empty text the plot is shown.

        Parameters
        ----------
        message : str
        """
        self._message.setText(message)
        self._stack.setCurrentIndex(0 if message else 1)

    def redraw_if_stale(self) -> float:
        """Draw what came since the last time.

        Returns
        -------
        float, unit s
            How long the window is busy with it; painting, which follows, as long as it took the last time.
        """
        if not self._is_stale:
            return 0.0
        start_s = time.monotonic()
        self._is_stale = False
        self.draw()
        return time.monotonic() - start_s + self.view.painting_s

    def export(self, path: Path) -> None:
        """Write what is shown: picture (.png), drawing (.svg) or table (.csv), by the file's suffix.

        Parameters
        ----------
        path : Path

        Raises
        ------
        StoreError
            If it cannot be written, or the suffix is another one.
        """
        self.draw()
        match path.suffix.lower():
            case ".png":
                save_picture(self.view.scene(), path)
            case ".svg":
                save_drawing(self.view.scene(), path)
            case ".csv":
                notes, header, rows = self.table()
                save_table(path, [self.title, *notes], header, rows)
            case other:
                raise StoreError(f"{path}: a plot is exported as one of {', '.join(SUFFIXES)}, got {other!r}")

    def put_title(self, item: Any) -> None:
        """Write the title above the axes, so that exported plots carry it.

        Parameters
        ----------
        item : pyqtgraph.PlotItem
        """
        item.setTitle(self.title, color=self.desk.theme.colours.muted, size="8pt")
        # a long title must not make the plot wider than its frame
        item.titleLabel.setMinimumWidth(0.0)

    def begin(self) -> None:
        """Start afresh with what is chosen."""
        raise NotImplementedError

    def add(self, seqs: NDArray[Any], columns: Mapping[str, NDArray[Any]]) -> None:
        """Take rows that are new."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draw what there is."""
        raise NotImplementedError

    def colour(self) -> None:
        """Put the desk's colours on."""
        raise NotImplementedError

    def table(self) -> tuple[list[str], list[str], Sequence[Sequence[object]]]:
        """Return notes, header and rows of what is shown."""
        raise NotImplementedError

    def _end_controls(self) -> None:
        """Add what stands at the end of every row of controls."""
        self._controls.addStretch(1)
        button, menu = menu_button("&Export", "Write what is shown to a file")
        for suffix, words in zip(SUFFIXES, ("Picture (PNG)", "Drawing (SVG)", "Table (CSV)"), strict=True):
            menu.addAction(words).triggered.connect(lambda _=False, suffix=suffix: self._export_as(suffix))
        self._controls.addWidget(button)

    @guarded_slot
    def _export_as(self, suffix: str) -> None:
        name = f"{self.feed.run_id}-{self.choice.kind.name.lower()}{suffix}"
        path = wanted_file(self, "Export", name, SUFFIXES)
        if path is not None:
            self.export(path)
            self.desk.tell("info", f"The plot was written to {path}.")


class _View(pyqtgraph.GraphicsLayoutWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """The scene of a plot, which knows how long painting took."""

    painting_s = 0.0

    def paintEvent(self, event: QPaintEvent) -> None:
        start_s = time.monotonic()
        super().paintEvent(event)
        self.painting_s = time.monotonic() - start_s


def menu_button(words: str, tip: str) -> tuple[QToolButton, QMenu]:
    """Make a button that opens a menu.

    Parameters
    ----------
    words : str
        On the button, with a mnemonic.
    tip : str
        What it is for.

    Returns
    -------
    tuple of QToolButton and QMenu
    """
    button = QToolButton()
    button.setText(words)
    button.setToolTip(tip)
    button.setAccessibleName(words.replace("&", ""))
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    menu = QMenu(button)
    menu.setToolTipsVisible(True)
    button.setMenu(menu)
    return button, menu
