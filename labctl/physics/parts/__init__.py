"""Parts that a die of any family takes: random telegraph noise, retention, wear, and what temperature does to them.

Not here: what is a family's own (:mod:`labctl.physics.live_die` lists them).
"""

__all__: list[str] = []
