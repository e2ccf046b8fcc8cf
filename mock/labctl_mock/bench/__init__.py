"""The simulated rack between the instruments' terminals and the cells: bench files, wiring, circuit, stored dies.

Start at :mod:`labctl_mock.bench.bench`. Not here: the instruments (one folder per maker) and the physics
(:mod:`labctl.physics`).
"""

__all__: list[str] = []
