"""Instruments of Keithley."""
