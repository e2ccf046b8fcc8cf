"""The window: panels around a desk, which watch run files and ask other processes to do the work.

The window never talks to an instrument. What takes long or opens a station happens in other processes: ``labctl``
commands (:mod:`labctl.gui.commands`), the backstage (:mod:`labctl.gui.backstage`), the worker of the queue.
Not here: measuring logic of any kind.
"""
