"""TSP, Keithley's Lua dialect, run by a real Lua engine in a sandbox.

.. code-block:: text

    TspInstrument.execute ── chunk ──> TspEngine ──> sandbox.lua ── calls ──> functions of a TspObject tree
      loadscript, delay, print,        limits,       plain tables,           (the model: its state, the circuit,
      errorqueue, format, status       faults        metatables               the clock)

A model subclasses :class:`labctl_mock.tsp.instrument.TspInstrument` and describes its commands as a
:class:`labctl_mock.tsp.objects.TspObject`. Not here: the models (:mod:`labctl_mock.keithley`), commons and queues
(:mod:`labctl_mock.messages`).
"""
