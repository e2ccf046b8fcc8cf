"""Characterise and program resistive-memory devices and arrays."""
