"""Recording what goes over VISA, and answering from the record with the instruments gone.

Not here: run files (:mod:`labctl.store`), simulated instruments (``labctl_mock``).
"""
