"""Loader that PyVISA imports for a resource manager ``"FILE@replay"``; the backend is labctl.replay.answering."""

from labctl.replay.answering import ReplayLibrary as WRAPPER_CLASS

__all__ = ["WRAPPER_CLASS"]
