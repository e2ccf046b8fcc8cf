"""Simulated instruments and the bench that they stand on."""
