"""Multilayer perceptrons that are trained in software: rectifier between layers, soft-max at the end, Adam.

The weights that the forward pass uses may be others than the stored ones (rounded, noisy, read from an array): their
gradient then goes straight through to the stored ones. Not here: what a device makes of a weight
(:mod:`labctl.networks.mapping`), learning on an array (:mod:`labctl.networks.sign_learning`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from labctl.networks.adam import Adam
from labctl.networks.images import Images

__all__ = ["Perceptron", "WeightsUsed", "classified", "cross_entropy_slope", "drawn_perceptron", "train_perceptron"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
WeightsUsed = Callable[[int, FloatArray], FloatArray]
"""Takes the number of a layer and its stored weights, shape (inputs, outputs), and returns those that are used."""

# images in one product: bounds the memory of an inference
_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Perceptron:
    """Weights and biases.

    Attributes
    ----------
    weights : tuple of ndarray of float32, each of shape (inputs, outputs), unit 1
    biases : tuple of ndarray of float32, each of shape (outputs,), unit 1
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]

    def outputs(self, inputs: FloatArray) -> FloatArray:
        """Return what the last layer gives, before the soft-max.

        Parameters
        ----------
        inputs : ndarray of float32, shape (n, inputs), unit 1

        Returns
        -------
        ndarray of float32, shape (n, classes), unit 1
        """
        return self.layer_outputs(inputs)[-1]

    def layer_outputs(self, inputs: FloatArray) -> list[FloatArray]:
        """Return what each layer gives: rectified, the last one as it is.

        Parameters
        ----------
        inputs : ndarray of float32, shape (n, inputs), unit 1

        Returns
        -------
        list of ndarray of float32, each of shape (n, outputs), unit 1
        """
        found: list[FloatArray] = []
        values = inputs
        for number, (weights, biases) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ weights + biases
            if number < len(self.weights) - 1:
                values = np.maximum(values, np.float32(0.0))
            found.append(values)
        return found

    def accuracy(self, inputs: FloatArray, classes: IntArray) -> float:
        """Return the part of the images that are classified rightly.

        Parameters
        ----------
        inputs : ndarray of float32, shape (n, inputs), unit 1
        classes : ndarray of int64, shape (n,)

        Returns
        -------
        float, unit 1
        """
        right = 0
        for start in range(0, len(classes), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            right += int(np.sum(classified(self.outputs(inputs[part])) == classes[part]))
        return right / len(classes)

    def with_weights(self, weights: Sequence[npt.NDArray[np.floating]]) -> "Perceptron":
        """Return the network with other weights and its own biases.

        Parameters
        ----------
        weights : sequence of ndarray
            Shapes as they are.

        Returns
        -------
        Perceptron

        Raises
        ------
        ValueError
            If a shape is another.
        """
        shapes = [layer.shape for layer in weights]
        if shapes != [layer.shape for layer in self.weights]:
            raise ValueError(
                f"perceptron: weights must be of shapes {[one.shape for one in self.weights]}, got {shapes}"
            )
        return Perceptron(tuple(np.asarray(layer, dtype=np.float32) for layer in weights), self.biases)


def classified(outputs: npt.NDArray[np.floating]) -> IntArray:
    """Return the class with the largest output.

    Parameters
    ----------
    outputs : ndarray, shape (n, classes)

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    return np.asarray(np.argmax(outputs, axis=1), dtype=np.int64)


def drawn_perceptron(sizes: Sequence[int], rng: np.random.Generator) -> Perceptron:
    """Return a network that is not trained: normal weights (K. He et al., ICCV 2015), biases of 0.

    Parameters
    ----------
    sizes : sequence of int
        Of all layers, inputs and classes included.
    rng : Generator

    Returns
    -------
    Perceptron
    """
    weights = tuple(
        rng.normal(0.0, np.sqrt(2.0 / before), (before, after)).astype(np.float32) for before, after in pairwise(sizes)
    )
    return Perceptron(weights, tuple(np.zeros(size, dtype=np.float32) for size in sizes[1:]))


def train_perceptron(
    images: Images,
    hidden: Sequence[int],
    *,
    seed: int,
    epochs: int,
    batch: int = 100,
    learning_rate: float = 1e-3,
    start: Perceptron | None = None,
    weights_used: WeightsUsed | None = None,
    has_bias: bool = True,
    report: Callable[[float], None] = lambda part: None,
) -> Perceptron:
    """Train a network on the training part of images.

    Parameters
    ----------
    images : Images
        Flat.
    hidden : sequence of int
        Sizes of the layers between inputs and classes; may be empty.
    seed : int
        Of the first weights and of the order of the images.
    epochs : int
        Times that each image is shown.
    batch : int
        Images for each step.
    learning_rate : float, unit 1
        Adam's at the beginning; it falls in a straight line to a tenth of it.
    start : Perceptron or None
        Trained on from here; drawn at random if None.
    weights_used : callable or None
        Weights of the forward pass; the stored ones if None.
    has_bias : bool
        Whether the biases are trained; they stay where they are otherwise, at 0 where they were drawn.
    report : callable
        Called with the part that is done, 0 to 1; may raise to stop.

    Returns
    -------
    Perceptron
        The stored weights after the last step.
    """
    rng = np.random.default_rng(seed)
    sizes = [images.x_train.shape[1], *hidden, int(images.y_train.max()) + 1]
    # drawn in any case: the order of the images does not depend on the start
    drawn = drawn_perceptron(sizes, rng)
    origin = drawn if start is None else start
    values: list[FloatArray] = [layer.copy() for layer in (*origin.weights, *origin.biases)]
    layers = len(sizes) - 1
    steps_total = epochs * (len(images.y_train) // batch)
    adam = Adam(values, learning_rate=learning_rate, steps_total=steps_total)
    for _ in range(epochs):
        order = rng.permutation(len(images.y_train))
        for begin in range(0, len(order) - batch + 1, batch):
            chosen = order[begin : begin + batch]
            used = [
                values[layer] if weights_used is None else weights_used(layer, values[layer]) for layer in range(layers)
            ]
            slopes = _slopes(Perceptron(tuple(used), tuple(values[layers:])), images, chosen)
            adam.step(slopes if has_bias else slopes[:layers])
            if adam.steps % 50 == 0:
                report(adam.steps / steps_total)
    report(1.0)
    return Perceptron(tuple(values[:layers]), tuple(values[layers:]))


def cross_entropy_slope(outputs: FloatArray, classes: IntArray) -> FloatArray:
    """Return the gradient of the mean cross entropy behind a soft-max.

    Parameters
    ----------
    outputs : ndarray of float32, shape (n, classes), unit 1
        Before the soft-max.
    classes : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float32, shape (n, classes), unit 1
    """
    error: FloatArray = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    error /= error.sum(axis=1, keepdims=True)
    error[np.arange(len(classes)), classes] -= np.float32(1.0)
    error /= np.float32(len(classes))
    return error


def _slopes(network: Perceptron, images: Images, chosen: IntArray) -> list[FloatArray]:
    """Return the gradients of the cross entropy: of the weights of each layer, then of the biases."""
    inputs = images.x_train[chosen]
    given = network.layer_outputs(inputs)
    error = cross_entropy_slope(given[-1], images.y_train[chosen])
    of_weights: list[FloatArray] = []
    of_biases: list[FloatArray] = []
    for layer in reversed(range(len(network.weights))):
        before = inputs if layer == 0 else given[layer - 1]
        of_weights.insert(0, before.T @ error)
        of_biases.insert(0, error.sum(axis=0))
        if layer:
            error = (error @ network.weights[layer].T) * (before > 0.0)
    return of_weights + of_biases
