"""Device physics and array circuits: pure models that know no clock, no file of a run and no protocol.

Here: device parameter sets (:mod:`.presets`), counter-based random numbers (:mod:`.random`), the switching and
reading law (:mod:`.metal_oxide`) and those of other families (:mod:`.data_driven`, :mod:`.filament`, :mod:`.ecram`,
:mod:`.domain_wall`; a bench takes only metal oxide yet), breakdown (:mod:`.forming`), fluctuations (:mod:`.noise`),
cells with a memory (:mod:`.cells`), the steps that change it (:mod:`.plain_steps`, compiled in :mod:`.kernels`), dies
(:mod:`.fresh_die`, :mod:`.die`) and crossbars with wires (:mod:`.crossbar`). Not here: instruments and time
(``labctl_mock``).
"""

__all__: list[str] = []
