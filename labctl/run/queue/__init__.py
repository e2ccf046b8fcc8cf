"""Runs that wait for their turn: the list on disk, and the process that works through it.

Any window, command or script may edit the list (:mod:`labctl.run.queue.store`); one worker per data root starts its
items, each as a process of its own (:mod:`labctl.run.queue.worker`). Nobody's death loses anything: the list is on
disk, runs do not belong to the worker, and the next worker goes on where the last one stopped.

Not here: what a run does (:mod:`labctl.run.engine`).
"""
