"""Loader that PyVISA imports for a resource manager ``"...@labctl"``; the backends themselves live elsewhere.

``"<bench>@labctl"`` is a simulated bench (labctl_mock.visa), ``"record:FILE>LIBRARY@labctl"`` records any other library
(labctl.replay.recording).
"""

from pyvisa.highlevel import VisaLibraryBase
from pyvisa.util import LibraryPath

from labctl_mock.visa import LabctlVisaLibrary

__all__ = ["WRAPPER_CLASS"]


class WRAPPER_CLASS(LabctlVisaLibrary):
    """What PyVISA makes of the text before ``@labctl``."""

    def __new__(cls, library_path: str | LibraryPath = "") -> VisaLibraryBase:  # type: ignore[misc]
        """Create the library that is meant."""
        if str(library_path).startswith("record:"):
            from labctl.replay.recording import RecordingLibrary

            return RecordingLibrary(library_path)
        return LabctlVisaLibrary(library_path)
