"""The procedure form: choose, fill in, see what would be applied, run. Not here: the queue's list."""
