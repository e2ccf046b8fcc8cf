"""Authority: WCAG 2.1 contrast (1.4.3 text 4.5, 1.4.11 graphics 3); colour blindness after Machado et al. 2009."""

import itertools

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QGuiApplication, QPalette

from labctl.gui.theme import DARK, LIGHT, Theme

# G. Machado, M. Oliveira, L. Fernandes, IEEE TVCG 15, 1291 (2009), severity 1.0, on linear RGB
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
SRGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
EYES = {"typical": np.eye(3), "protan": PROTAN, "deutan": DEUTAN}
# of neighbours in CIE 1976 L*a*b*: about 2.3 is a just noticeable difference
LEAST_DISTANCE = 9.0


def linear(colour):
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    lights = sorted(0.05 + linear(colour) @ SRGB_TO_XYZ[1] for colour in (one, other))
    return lights[1] / lights[0]


def lab(colour, eyes):
    xyz = SRGB_TO_XYZ @ np.clip(eyes @ linear(colour), 0, 1) / (SRGB_TO_XYZ @ np.ones(3))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_words_have_contrast_when_they_stand_on_their_ground(colours):
    pairs = {
        "text": (colours.text, colours.window),
        "text in fields": (colours.text, colours.base),
        "text on buttons": (colours.text, colours.button),
        "muted": (colours.muted, colours.window),
        "selection": (colours.on_selection, colours.selection) if colours is LIGHT else (colours.text, colours.base),
        "wrong": (colours.on_wrong, colours.wrong),
        "danger": (colours.on_danger, colours.danger),
        "accent": (colours.on_accent, colours.accent),
        "simulated": (colours.on_simulated, colours.simulated),
        **{f"status {name}": (value, colours.base) for name, value in colours.status.items()},
        **{f"status {name} on panel": (value, colours.window) for name, value in colours.status.items()},
        **{f"severity {name}": (value, colours.base) for name, value in colours.severity.items()},
    }
    weak = {name: round(contrast(*pair), 2) for name, pair in pairs.items() if contrast(*pair) < 4.5}
    assert not weak


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_curves_have_contrast_when_they_are_drawn_on_a_plot(colours):
    weak = {colour: round(contrast(colour, colours.plot), 2) for colour in colours.curves}
    assert not {colour: value for colour, value in weak.items() if value < 3}


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_curves_differ_when_seen_with_any_common_colour_vision(colours, eyes):
    near = {
        (one, other): round(float(np.linalg.norm(lab(one, EYES[eyes]) - lab(other, EYES[eyes]))), 1)
        for one, other in itertools.combinations(colours.curves, 2)
    }
    assert not {pair: distance for pair, distance in near.items() if distance < LEAST_DISTANCE}


def test_theme_puts_its_palette_on_when_it_is_chosen(qapp, qtbot):
    theme = Theme("light")
    assert not theme.is_dark
    with qtbot.waitSignal(theme.changed, timeout=1000):
        theme.choose("dark")
    assert theme.is_dark
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(DARK.window)
    assert qapp.palette().color(QPalette.ColorRole.WindowText) == QColor(DARK.text)
    theme.choose("light")
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(LIGHT.window)


def test_theme_follows_the_system_only_when_nothing_else_was_chosen(qapp, monkeypatch):
    theme = Theme("system")
    chosen = Theme("light")
    hints = QGuiApplication.styleHints()
    monkeypatch.setattr(type(hints), "colorScheme", lambda self: Qt.ColorScheme.Dark)
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert theme.is_dark
    assert not chosen.is_dark


def test_theme_lists_the_schemes_when_it_knows_no_such_one(qapp):
    with pytest.raises(ValueError, match="system, light, dark"):
        Theme("light").choose("purple")
