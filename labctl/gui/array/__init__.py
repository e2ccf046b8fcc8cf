"""The array panel: heat map of the die, selection of cells, history of one cell. Not here: how maps are made."""
