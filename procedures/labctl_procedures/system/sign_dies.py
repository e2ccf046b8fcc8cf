"""The small problem on dies that are device physics alone: formed, brought to the middle, taught.

Not here: the same through instruments (:mod:`labctl_procedures.system.sign_backprop`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.networks.arrays import TransposableArray
from labctl.networks.images import Images
from labctl.networks.physics_array import PhysicsArray
from labctl.networks.sign_loop import LoopLayout, LoopPulses, SignLoop, read_weights
from labctl.networks.sign_rule import SignRule, binary_inputs
from labctl.physics.presets import Preset
from labctl.tuning import tune_cells
from labctl_procedures.program_array import ProgramArray
from labctl_procedures.system.rvc_dies import form_die

__all__ = ["SmallProblem", "learn_on_die"]


@dataclass(frozen=True, slots=True)
class SmallProblem:
    """What is learned in the loop, and how.

    Attributes
    ----------
    images : Images
        Few pixels, black and white.
    layout : LoopLayout
    pulses : LoopPulses
    rule : SignRule
    count : int
        Images that are shown.
    """

    images: Images
    layout: LoopLayout
    pulses: LoopPulses
    rule: SignRule
    count: int

    def order(self, seed: int) -> npt.NDArray[np.int64]:
        """Return which images are shown, shape (count,): each once before any comes again."""
        total, rng = len(self.images.y_train), np.random.default_rng(seed)
        rounds = [rng.permutation(total) for _ in range(-(-self.count // total))]
        return np.concatenate(rounds)[: self.count]

    def learn(
        self, array: TransposableArray, seed: int, *, report: Callable[[float], None]
    ) -> tuple[npt.NDArray[np.bool_], int]:
        """Show the images to an array.

        Parameters
        ----------
        array : TransposableArray
            Ready for it.
        seed : int
            Of the order.
        report : callable
            Told the part that is done, 0 to 1; may raise to stop.

        Returns
        -------
        ndarray of bool, shape (count,)
            Whether each image was classified rightly before it was learned.
        int
            Weights that were changed, in all.
        """
        loop = SignLoop(array, self.layout, self.pulses, self.rule)
        shown, right, updates = binary_inputs(self.images.x_train), np.zeros(self.count, dtype=bool), 0
        for number, image in enumerate(self.order(seed)):
            step = loop.learn(shown[image], int(self.images.y_train[image]))
            right[number], updates = step.is_right, updates + step.updates
            report((number + 1) / self.count)
        return right, updates

    def accuracy(self, array: TransposableArray) -> float:
        """Read every cell and return the part of the test images that these weights classify rightly, unit 1."""
        first, second = read_weights(array, self.layout, self.pulses)
        fires = self.images.x_test @ first > self.rule.firing
        return float(np.mean(np.argmax(fires @ second, axis=1) == self.images.y_test))


def learn_on_die(
    preset: Preset,
    programming: ProgramArray,
    problem: SmallProblem,
    seed: int,
    read_voltage_v: float,
    *,
    report: Callable[[float], None],
) -> dict[str, float]:
    """Form a fresh die, bring its cells to the middle of the working range, and let it learn.

    Parameters
    ----------
    preset : Preset
        Device file.
    programming : ProgramArray
        Whose parameters are used; it is not run.
    problem : SmallProblem
    seed : int
        Of the die and of the order of the images.
    read_voltage_v : float, unit V
    report : callable
        Told the part that is done, 0 to 1; may raise to stop.

    Returns
    -------
    dict of str to float, unit 1
        ``before`` and ``after``: accuracy of the test images; ``updates``; ``image 1`` and so on: 1 where an image was
        classified rightly before it was learned.
    """
    array = PhysicsArray(preset, *problem.layout.shape, seed, read_voltage_v=read_voltage_v)
    formed = form_die(array, programming)
    middle_s = 0.5 * (problem.pulses.low_s + problem.pulses.high_s)
    cells = [cell for layer in range(2) for cell in problem.layout.cells(layer) if formed[cell]]
    tune_cells(
        array,
        dict.fromkeys(cells, middle_s),
        programming.pass_settings(),
        report=lambda number, finished, total: report(0.3 * finished / total),
    )
    before = problem.accuracy(array)
    right, updates = problem.learn(array, seed, report=lambda done: report(0.3 + 0.7 * done))
    told = {f"image {number}": float(one) for number, one in enumerate(right, start=1)}
    return {"before": before, "after": problem.accuracy(array), "updates": float(updates)} | told
