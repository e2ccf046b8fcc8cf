"""Simulated instruments of Keithley: 2636B source-measure unit, 707B switching matrix.

Not here: their dialect (:mod:`labctl_mock.tsp`), the real instruments' drivers (``labctl_instruments.keithley``).
"""
