"""Loader that PyVISA imports for a resource manager ``"...@labctl"``; the backend itself is labctl_mock.visa."""

from labctl_mock.visa import LabctlVisaLibrary as WRAPPER_CLASS

__all__ = ["WRAPPER_CLASS"]
