"""The queue's panel. Not here: the queue itself and its worker (:mod:`labctl.run.queue`)."""
