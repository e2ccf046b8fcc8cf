"""Whether a window can be opened here, found out without opening one, and what to install if not.

Not here: anything of Qt at import; the command line asks this where Qt may be missing.
"""

import importlib.metadata
import importlib.util
import os
import sys

__all__ = ["why_no_window"]

# shared libraries that PySide6 and PyQt6 load, and the Debian and Ubuntu packages that hold them
_PACKAGES = {
    "libEGL": "libegl1",
    "libGL": "libgl1",
    "libxkbcommon-x11": "libxkbcommon-x11-0",
    "libxkbcommon": "libxkbcommon0",
    "libdbus-1": "libdbus-1-3",
    "libfontconfig": "libfontconfig1",
    "libfreetype": "libfreetype6",
    "libglib-2": "libglib2.0-0",
    "libgthread-2": "libglib2.0-0",
    "libX11": "libx11-6",
    "libzstd": "libzstd1",
    "libxcb-cursor": "libxcb-cursor0",
    "libxcb-icccm": "libxcb-icccm4",
    "libxcb-keysyms": "libxcb-keysyms1",
    "libxcb-image": "libxcb-image0",
    "libxcb-render-util": "libxcb-render-util0",
    "libxcb-util": "libxcb-util1",
    "libxcb-xkb": "libxcb-xkb1",
    "libxcb-shape": "libxcb-shape0",
    "libxcb-randr": "libxcb-randr0",
    "libxcb-sync": "libxcb-sync1",
    "libxcb-xfixes": "libxcb-xfixes0",
}
_ALL = (
    "libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 fonts-dejavu-core libxcb-cursor0 libxcb-icccm4"
    " libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-xkb1 libxcb-shape0 libxkbcommon-x11-0"
)
_INSTALL = 'install them with: pip install "labctl[gui]"'


def why_no_window() -> str:
    """Say why no window can be opened here, and the remedy.

    Returns
    -------
    str
        One sentence; empty: a window can be opened.
    """
    trap = _version_trap()
    if trap:
        return trap
    missing = [name for name in ("qtpy", "pyqtgraph") if importlib.util.find_spec(name) is None]
    if not any(importlib.util.find_spec(name) for name in ("PySide6", "PyQt6")):
        missing.append("PySide6")
    if missing:
        return f"the window needs Python packages that are not installed ({', '.join(missing)}); {_INSTALL}"
    try:
        import qtpy.QtWidgets  # noqa: F401  loads the shared libraries
    except ImportError as error:
        return _why_not_loaded(error)
    return _why_no_display()


def _version_trap() -> str:
    # where both are installed, QtPy takes PyQt6 unless it is told otherwise
    if importlib.util.find_spec("PyQt6") is not None and os.environ.get("QT_API", "").lower() != "pyside6":
        return ""
    try:
        version = importlib.metadata.version("PySide6-Essentials")
    except importlib.metadata.PackageNotFoundError:
        return ""
    if version.startswith("6.12.0") and sys.version_info < (3, 12):
        return (
            f"PySide6 {version} counts references wrongly on Python before 3.12 and ends the program after some"
            f" seconds (this is Python {sys.version_info.major}.{sys.version_info.minor}); install an older one with:"
            ' pip install "PySide6-Essentials<6.12"'
        )
    return ""


def _why_not_loaded(error: ImportError) -> str:
    text = str(error)
    packages = sorted(
        {package for library, package in _PACKAGES.items() if f"{library}." in text or f"{library}-" in text}
    )
    if packages:
        return (
            f"Qt is installed, but a library of the system is missing ({text}); on Debian and Ubuntu:"
            f" sudo apt install {' '.join(packages)}"
        )
    return f"Qt is installed, but cannot be loaded ({text}); {_INSTALL}"


def _why_no_display() -> str:
    """Say what Qt would abort the process for."""
    if not sys.platform.startswith("linux"):
        return ""
    platform = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0]
    if platform not in ("", "xcb", "wayland"):
        return ""
    display, wayland = os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY")
    if not display and not wayland:
        return (
            "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): open the window at a desktop, or over"
            " `ssh -X`; everything but the window works here: see `labctl --help`"
        )
    if wayland and platform != "xcb":
        return ""
    return _why_no_xcb()


def _why_no_xcb() -> str:
    """Say what is missing for an X display: libraries of Qt's plugin, or the display itself."""
    import ctypes
    from pathlib import Path

    from qtpy.QtCore import QLibraryInfo

    plugin = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)) / "platforms" / "libqxcb.so"
    if not plugin.exists():
        return ""
    try:
        ctypes.CDLL(str(plugin))
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError as error:
        return (
            f"Qt cannot draw on this display: a library of the system is missing ({error}); on Debian and Ubuntu:"
            f" sudo apt install {_ALL}"
        )
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    for function in (xcb.xcb_connection_has_error, xcb.xcb_disconnect):
        function.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    is_wrong = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    if is_wrong:
        return (
            f"the display {os.environ['DISPLAY']!r} does not answer; open the window at a desktop, or over `ssh -X`,"
            " and look whether DISPLAY is right"
        )
    return ""
