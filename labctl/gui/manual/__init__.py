"""Cells by hand: read, pulse, set a level. Not here: what does it (the procedure ``manual``)."""
