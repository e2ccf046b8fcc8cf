"""Figures of merit, plots and reports, made from run files alone. Not here: measuring."""
