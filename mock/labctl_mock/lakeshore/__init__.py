"""Simulated instruments of Lake Shore Cryotronics."""
