"""A plot as a file: picture, drawing or table of what is shown.

Not here: what the table holds (each plot knows), asking where to write it
(:mod:`labctl.gui.wanted_file`), export of whole runs (:mod:`labctl.store.export`).
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pyqtgraph.exporters import ImageExporter
from qtpy.QtCore import QRectF
from qtpy.QtGui import QPainter
from qtpy.QtSvg import QSvgGenerator

from labctl.errors import StoreError

__all__ = ["SUFFIXES", "save_drawing", "save_picture", "save_table"]

SUFFIXES = (".png", ".svg", ".csv")
_PIXELS_WIDE = 1600


def save_picture(scene: Any, path: Path) -> None:
    """Write a PNG, 1600 pixels wide.

    Parameters
    ----------
    scene : pyqtgraph.GraphicsScene
    path : Path

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    exporter = ImageExporter(scene)
    size = exporter.getTargetRect()
    # one would set the other anew, rounded
    width, height = exporter.params.param("width"), exporter.params.param("height")
    width.setValue(_PIXELS_WIDE, blockSignal=exporter.widthChanged)
    height.setValue(round(_PIXELS_WIDE * size.height() / size.width()), blockSignal=exporter.heightChanged)
    picture = exporter.export(toBytes=True)
    if not picture.save(str(path), "PNG"):
        raise StoreError(f"{path}: the picture cannot be written; choose another folder")


def save_drawing(scene: Any, path: Path) -> None:
    """Write an SVG.

    Parameters
    ----------
    scene : pyqtgraph.GraphicsScene
    path : Path

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    exporter = ImageExporter(scene)
    source = exporter.getSourceRect()
    generator = QSvgGenerator()
    generator.setFileName(str(path))
    generator.setSize(source.size())
    generator.setViewBox(source)
    painter = QPainter()
    # pyqtgraph's own writer of SVG fails on stems and dots
    if not painter.begin(generator):
        raise StoreError(f"{path}: the drawing cannot be written; choose another folder")
    try:
        exporter.setExportMode(True, {"antialias": True, "painter": painter, "resolutionScale": 1.0})
        scene.render(painter, QRectF(source), QRectF(exporter.getSourceRect()))
    finally:
        exporter.setExportMode(False)
        painter.end()


def save_table(path: Path, notes: Iterable[str], header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV; floats are written so that they read back as the same.

    Parameters
    ----------
    path : Path
    notes : iterable of str
        Lines about the table; each becomes a comment at its beginning.
    header : sequence of str
    rows : iterable of sequence

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            file.writelines(f"# {note}\n" for note in notes)
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
    except OSError as error:
        raise StoreError(f"{path}: the table cannot be written: {error}; choose another folder") from error
