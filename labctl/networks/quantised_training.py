"""Training of perceptrons whose weights are walls of a few states: gradients add up in memory, pulses follow late.

The weights that are used are the states where the walls are; their gradients are added up with high precision beside
the array, and a wall is pulsed when this sum has left its state by more than a margin (Misba et al. 2022, IEEE Access,
arXiv 2111.07284). Not here: the walls (:mod:`labctl.networks.wall_synapses`), convolutions
(:mod:`labctl.networks.vgg8`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from labctl.networks.images import Images
from labctl.networks.perceptron import Perceptron, train_perceptron
from labctl.networks.wall_synapses import WallSynapses

__all__ = ["NO_ERRORS", "StepChances", "WallNetwork", "WallScheme", "train_on_walls"]

FloatArray = npt.NDArray[np.float32]

# assumed: a few levels spread over three standard deviations of the first weights to either side
_RANGE = 3.0


@dataclass(frozen=True, slots=True)
class StepChances:
    """What one pulse does, of each device that was measured; a wall of a network is like one of them.

    Attributes
    ----------
    none, two : tuple of float, each of shape (devices,), unit 1
        Probability to move by no state, or by two; by one otherwise.
    """

    none: tuple[float, ...]
    two: tuple[float, ...]


NO_ERRORS = StepChances((0.0,), (0.0,))


@dataclass(frozen=True, slots=True)
class WallScheme:
    """How weights become states.

    Attributes
    ----------
    states : int
        Of a track.
    walls : int
        1 for a device against a reference, 2 for a differential pair.
    margin : float, unit 1
        See :class:`labctl.networks.wall_synapses.WallSynapses`.
    """

    states: int
    walls: int
    margin: float


@dataclass(frozen=True, slots=True)
class WallNetwork:
    """A network whose weights are walls, and what it took to bring them there.

    Attributes
    ----------
    network : Perceptron
        With the weights as the walls are.
    ranges : tuple of float, unit 1
        Weight of the end of the track, of each layer.
    pulses : int
        Given in the training.
    updates : int
        How often the weights were compared with their sums of gradients.
    """

    network: Perceptron
    ranges: tuple[float, ...]
    pulses: int
    updates: int

    def transferred(self, scheme: WallScheme, chances: StepChances, *, seed: int, looks: int) -> Perceptron:
        """Return the network after its states were written onto other devices.

        Parameters
        ----------
        scheme : WallScheme
        chances : StepChances
            Of the other devices.
        seed : int
            Of the devices and their pulses.
        looks : int
            How often walls that ended beside their state are read and pulsed again.

        Returns
        -------
        Perceptron
        """
        rng = np.random.default_rng(seed)
        written = []
        for weights, reach in zip(self.network.weights, self.ranges, strict=True):
            walls = _fresh_walls(weights.shape, scheme, chances, rng)
            for _ in range(1 + looks):
                walls.write(weights / reach)
            written.append(np.asarray(walls.weights() * reach, dtype=np.float32))
        return self.network.with_weights(written)


def train_on_walls(
    images: Images,
    hidden: Sequence[int],
    scheme: WallScheme,
    chances: StepChances,
    *,
    seed: int,
    epochs: int,
    learning_rate: float,
    batch: int = 100,
    report: Callable[[float], None] = lambda part: None,
) -> WallNetwork:
    """Train a network in place, from walls at the start of their tracks.

    Parameters
    ----------
    images : Images
        Flat.
    hidden : sequence of int
        Sizes of the layers between inputs and classes.
    scheme : WallScheme
    chances : StepChances
    seed : int
        Of the first weights, the order of the images, the devices and their pulses.
    epochs : int
    learning_rate : float, unit 1
        See :func:`labctl.networks.perceptron.train_perceptron`.
    batch : int
        Images for each step.
    report : callable
        Called with the part that is done, 0 to 1; may raise to stop.

    Returns
    -------
    WallNetwork
    """
    rng = np.random.default_rng([seed, 1])
    sizes = [images.x_train.shape[1], *hidden, int(images.y_train.max()) + 1]
    ranges = tuple(_RANGE * float(np.sqrt(2.0 / before)) for before in sizes[:-1])
    layers = [_fresh_walls(shape, scheme, chances, rng) for shape in pairwise(sizes)]
    updates = 0

    def used(layer: int, stored: FloatArray) -> FloatArray:
        nonlocal updates
        updates += layer == 0
        layers[layer].write(stored / np.float32(ranges[layer]))
        return np.asarray(layers[layer].weights() * ranges[layer], dtype=np.float32)

    trained = train_perceptron(
        images,
        hidden,
        seed=seed,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        weights_used=used,
        report=report,
    )
    as_they_are = [walls.weights() * reach for walls, reach in zip(layers, ranges, strict=True)]
    return WallNetwork(trained.with_weights(as_they_are), ranges, sum(walls.pulses for walls in layers), updates)


def _fresh_walls(
    shape: tuple[int, ...], scheme: WallScheme, chances: StepChances, rng: np.random.Generator
) -> WallSynapses:
    """Return walls at the start of their tracks, each like one of the measured devices."""
    none, two = (np.asarray(values, dtype=np.float32) for values in (chances.none, chances.two))
    devices = [rng.integers(none.size, size=shape) for _ in range(scheme.walls)]
    return WallSynapses(
        [np.zeros(shape, dtype=np.float32) for _ in devices],
        [none[those] for those in devices],
        [two[those] for those in devices],
        states=scheme.states,
        margin=scheme.margin,
        draw=lambda count: rng.random(count, dtype=np.float32),
    )
