"""The simulated bench as a process of its own: one raw TCP socket per instrument, one for its operator.

Start at :mod:`labctl_mock.serve.server`. Not here: the instruments and the bench, the command line
(``labctl.cli.bench``), the station that connects to it (``labctl.station.bench_control``).
"""

__all__: list[str] = []
