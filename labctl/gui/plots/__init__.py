"""Plots and table of the run that is watched. Not here: the array's map (:mod:`labctl.gui.array`)."""
