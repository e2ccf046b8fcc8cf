"""All runs of the data root. Not here: the run that is watched (:mod:`labctl.gui.plots`)."""
