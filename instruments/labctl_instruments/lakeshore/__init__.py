"""Instruments of Lake Shore Cryotronics."""
