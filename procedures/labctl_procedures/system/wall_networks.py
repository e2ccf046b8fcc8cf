"""Accuracies of networks on domain walls: beside float weights, and walls that never miss, states and noise varied.

Not here: the training (:mod:`labctl.networks.quantised_training`).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from labctl.networks.images import Images
from labctl.networks.quantised_training import NO_ERRORS, StepChances, WallScheme, train_on_walls
from labctl.networks.trained import kept_arrays, kept_perceptron

__all__ = ["WallAccuracies", "WallPlan", "WallTraining", "train_all"]


@dataclass(frozen=True, slots=True)
class WallTraining:
    """How networks are trained, on walls and in float.

    Attributes
    ----------
    images : Images
    hidden : tuple of int
    epochs : int
    learning_rate : float, unit 1
        Of Adam, for both.
    batch : int
        Images for each step.
    """

    images: Images
    hidden: tuple[int, ...]
    epochs: int
    learning_rate: float
    batch: int

    @property
    def sizes(self) -> list[int]:
        """Inputs, hidden layers, classes."""
        return [self.images.x_train.shape[1], *self.hidden, int(self.images.y_train.max()) + 1]

    def with_float(self, seed: int, report: Callable[[float], None]) -> dict[str, float]:
        """Return the accuracy of a float network.

        Parameters
        ----------
        seed : int
        report : callable
            Takes the part that is done.

        Returns
        -------
        dict of str to float
            ``trained``, unit 1.
        """
        network = kept_perceptron(
            self.images,
            self.hidden,
            seed=seed,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            report=report,
        )
        return {"trained": network.accuracy(self.images.x_test, self.images.y_test)}

    def on_walls(
        self, scheme: WallScheme, chances: StepChances, seed: int, report: Callable[[float], None]
    ) -> dict[str, float]:
        """Return the accuracies of a network that was trained on walls.

        Parameters
        ----------
        scheme : WallScheme
        chances : StepChances
        seed : int
        report : callable
            Takes the part that is done.

        Returns
        -------
        dict of str to float
            ``trained``: on the walls that were trained; ``transferred``: written onto others at once; ``looked``: these
            read and pulsed once more; unit 1. ``pulses`` and ``updates`` of the training.
        """
        described = {
            "images": self.images.digest(),
            "hidden": list(self.hidden),
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "batch": self.batch,
            "seed": seed,
            "scheme": asdict(scheme),
            "chances": asdict(chances),
        }
        kept = kept_arrays("wall-network", described, partial(self._made, scheme, chances, seed, report))
        report(1.0)
        return {name: float(value) for name, value in kept.items()}

    def _made(
        self, scheme: WallScheme, chances: StepChances, seed: int, report: Callable[[float], None]
    ) -> dict[str, npt.NDArray[np.generic]]:
        images = self.images
        found = train_on_walls(
            images,
            self.hidden,
            scheme,
            chances,
            seed=seed,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch=self.batch,
            report=report,
        )
        networks = {
            "trained": found.network,
            "transferred": found.transferred(scheme, chances, seed=seed + 1000, looks=0),
            "looked": found.transferred(scheme, chances, seed=seed + 1000, looks=1),
        }
        accuracies = {name: np.array(one.accuracy(images.x_test, images.y_test)) for name, one in networks.items()}
        return accuracies | {"pulses": np.array(float(found.pulses)), "updates": np.array(float(found.updates))}


@dataclass(frozen=True, slots=True)
class WallPlan:
    """Which networks are trained.

    Attributes
    ----------
    own : WallScheme
        Of the device.
    states : tuple of int
        Of tracks, for the curve over states.
    failing : tuple of float, unit 1
        Parts of the pulses that move no wall, for the curve over noise.
    chances : StepChances
        As extracted.
    seeds, curve_seeds : int
        Networks for the figures, and for each point of the curves.
    """

    own: WallScheme
    states: tuple[int, ...]
    failing: tuple[float, ...]
    chances: StepChances
    seeds: int
    curve_seeds: int


@dataclass(frozen=True, slots=True)
class WallAccuracies:
    """What the networks reached, as :class:`WallTraining` returns it.

    Attributes
    ----------
    own : dict of str to list of dict
        For each network, by "float", "levels" and "walls".
    by_states, by_failing : list of list of dict
        For each network of the curves, point by point.
    """

    own: dict[str, list[dict[str, float]]]
    by_states: list[list[dict[str, float]]]
    by_failing: list[list[dict[str, float]]]


def train_all(
    training: WallTraining,
    plan: WallPlan,
    computed: Callable[..., Mapping[str, float]],
    report: Callable[[float], None],
) -> WallAccuracies:
    """Train the networks of a plan.

    Parameters
    ----------
    training : WallTraining
    plan : WallPlan
    computed : callable
        Takes what computes, ``seed`` and ``setting``, and returns its values; it may know them already.
    report : callable
        Takes the part that is done.

    Returns
    -------
    WallAccuracies
    """
    turns = 3 * plan.seeds + plan.curve_seeds * (len(plan.states) + len(plan.failing))
    done = 0

    def train(setting: str, seed: int, make: Callable[[Callable[[float], None]], dict[str, float]]) -> dict[str, float]:
        nonlocal done
        values = computed(lambda: make(lambda part: report((done + part) / turns)), seed=seed, setting=setting)
        done += 1
        report(done / turns)
        return dict(values)

    def on_walls(setting: str, seed: int, scheme: WallScheme, chances: StepChances) -> dict[str, float]:
        return train(setting, seed, partial(training.on_walls, scheme, chances, seed))

    own: dict[str, list[dict[str, float]]] = {"float": [], "levels": [], "walls": []}
    for seed in range(1, plan.seeds + 1):
        own["float"].append(train("float", seed, partial(training.with_float, seed)))
        own["levels"].append(on_walls("levels", seed, plan.own, NO_ERRORS))
        own["walls"].append(on_walls("walls", seed, plan.own, plan.chances))
    curves = range(1, plan.curve_seeds + 1)
    by_states = [
        [on_walls(f"{count} states", seed, replace(plan.own, states=count), plan.chances) for count in plan.states]
        for seed in curves
    ]
    by_failing = [
        [on_walls(f"{part:g} failing", seed, plan.own, StepChances((part,), (0.0,))) for part in plan.failing]
        for seed in curves
    ]
    return WallAccuracies(own, by_states, by_failing)
