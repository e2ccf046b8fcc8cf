"""Training of small binary networks in NumPy: Adam on latent weights, signs whose gradient goes straight through.

The same procedure as :mod:`labctl.networks.train_binary`, which needs PyTorch and is for large ones. Not here: the
networks (:mod:`labctl.networks.binary_network`).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from labctl.networks.adam import Adam
from labctl.networks.binary_network import BinaryNetwork
from labctl.networks.bridges import bias_cells
from labctl.networks.images import Images
from labctl.networks.perceptron import cross_entropy_slope

__all__ = ["train_binary_network"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# of BatchNorm in PyTorch
_EPSILON = np.float32(1e-5)


def train_binary_network(
    images: Images,
    hidden: Sequence[int],
    *,
    seed: int,
    epochs: int,
    batch: int = 100,
    learning_rate: float = 1e-3,
    report: Callable[[float], None] = lambda part: None,
) -> BinaryNetwork:
    """Train a binary network on the training part of images.

    Parameters
    ----------
    images : Images
        Flat.
    hidden : sequence of int
        Sizes of the layers between inputs and classes, odd.
    seed : int
        Of the first weights and of the order of the images.
    epochs : int
        Times that each image is shown.
    batch : int
        Images for each step.
    learning_rate : float, unit 1
        Adam's at the beginning; it falls in a straight line to a tenth of it.
    report : callable
        Called with the part that is done, 0 to 1; may raise to stop.

    Returns
    -------
    BinaryNetwork
        Its thresholds are those of the whole training part.

    Raises
    ------
    ValueError
        If a hidden layer is even.
    """
    if any(size % 2 == 0 for size in hidden):
        raise ValueError(f"binary network: hidden layers must have odd sizes, got {list(hidden)}")
    rng = np.random.default_rng(seed)
    sizes = [images.x_train.shape[1], *hidden, int(images.y_train.max()) + 1]
    latent = [
        rng.uniform(-(before**-0.5), before**-0.5, (before, after)).astype(np.float32)
        for before, after in pairwise(sizes)
    ]
    steps_total = epochs * (len(images.y_train) // batch)
    adam = Adam(latent, learning_rate=learning_rate, steps_total=steps_total)
    for _ in range(epochs):
        order = rng.permutation(len(images.y_train))
        for begin in range(0, len(order) - batch + 1, batch):
            chosen = order[begin : begin + batch]
            adam.step(_slopes(latent, images.x_train[chosen], images.y_train[chosen]))
            for layer in latent:
                np.clip(layer, -1.0, 1.0, out=layer)
            if adam.steps % 20 == 0:
                report(adam.steps / steps_total)
    report(1.0)
    return _folded(latent, images, {"images": images.name, "seed": seed, "epochs": epochs, "batch": batch})


def _sign(values: FloatArray) -> FloatArray:
    return np.where(values >= 0.0, np.float32(1.0), np.float32(-1.0))


def _limit(layer: int, weights: FloatArray, layers: int) -> float:
    """Return how far the bias cells of a layer reach; the first and the last are software."""
    return float(bias_cells(weights.shape[0])) if 0 < layer < layers - 1 else np.inf


def _slopes(latent: Sequence[FloatArray], inputs: FloatArray, classes: IntArray) -> list[FloatArray]:
    """Return the gradients of the cross entropy of the latent weights."""
    layers = len(latent)
    binary = [_sign(layer) for layer in latent]
    given, scaled, scales, free = [inputs], [], [], []
    for layer, weights in enumerate(binary):
        sums = given[-1] @ weights
        mean, limit = sums.mean(axis=0), _limit(layer, weights, layers)
        free.append(np.abs(mean) < limit)
        scales.append(np.float32(1.0) / np.sqrt(sums.var(axis=0) + _EPSILON))
        scaled.append((sums - np.clip(mean, -limit, limit)) * scales[-1])
        given.append(_sign(scaled[-1]))
    error = cross_entropy_slope(scaled[-1], classes)
    slopes: list[FloatArray] = []
    for layer in reversed(range(layers)):
        # through mean and variance of the batch; a mean that its bias cells do not reach stays where it is
        centred = scaled[layer] - scaled[layer].mean(axis=0)
        mean_part = np.where(free[layer], error.mean(axis=0), np.float32(0.0))
        error = (error - mean_part - centred * (error * scaled[layer]).mean(axis=0)) * scales[layer]
        slopes.insert(0, given[layer].T @ error)
        if layer:
            error = (error @ binary[layer].T) * (np.abs(scaled[layer - 1]) <= 1.0)
    return slopes


def _folded(latent: Sequence[FloatArray], images: Images, facts: dict[str, object]) -> BinaryNetwork:
    """Bring normalisation down to thresholds, bias cells, and the scale of the outputs, over the training part."""
    weights = tuple(_sign(layer) for layer in latent)
    sums = images.x_train @ weights[0]
    threshold = sums.mean(axis=0)
    values, biases = _sign(sums - threshold), []
    for layer in weights[1:-1]:
        sums, limit = values @ layer, bias_cells(layer.shape[0])
        # a sum of an odd number of signs is odd: it is at or above its mean where it is above 0 with the bias
        biases.append(np.clip(np.float32(-2.0) * np.ceil((sums.mean(axis=0) - 1.0) / 2.0), -limit, limit))
        values = _sign(sums + biases[-1])
    sums = values @ weights[-1]
    scale = np.float32(1.0) / np.sqrt(sums.var(axis=0) + _EPSILON)
    return BinaryNetwork(weights, threshold, tuple(biases), sums.mean(axis=0), scale, facts)
