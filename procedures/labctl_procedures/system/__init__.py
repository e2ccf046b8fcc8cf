"""Published systems from end to end, one procedure per file; each is named ``system.<file>``."""
