"""Networks of device pairs that learn by sign back-propagation, the devices being tables of what one pulse does.

One hidden layer, no biases, batches of one image, one identical pulse on each device of a pair for an update. Not
here: the rule (:mod:`labctl.networks.sign_rule`), tables (:mod:`labctl.networks.jump_tables`), learning on an array of
real or simulated cells (:mod:`labctl.networks.sign_loop`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from labctl.networks.images import Images
from labctl.networks.jump_tables import JumpTables
from labctl.networks.sign_rule import SignRule, binary_inputs, hidden_error, output_error

__all__ = ["Engine", "SignNetwork", "SignTraining", "draw_network", "learn_images", "train_sign_network"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Engine = Literal["numba", "numpy"]

# images between two reports of the progress
_AT_ONCE = 2000


@dataclass(slots=True, eq=False)
class SignNetwork:
    """Two layers of device pairs; learning changes the places.

    Attributes
    ----------
    first : ndarray, shape (2, inputs, hidden), unit 1
        Places of the positive and of the negative devices in their working range, 0 to 1.
    second : ndarray, shape (2, hidden, classes), unit 1
    first_kinds, second_kinds : ndarray of uint8, shapes as the places
        Which device of the tables each one is.
    """

    first: FloatArray
    second: FloatArray
    first_kinds: npt.NDArray[np.uint8]
    second_kinds: npt.NDArray[np.uint8]

    def outputs(self, inputs: npt.NDArray[np.bool_], firing: float = 0.0) -> FloatArray:
        """Return the sums of the outputs.

        Parameters
        ----------
        inputs : ndarray of bool, shape (n, inputs)
        firing : float, unit 1
            Threshold of the hidden units.

        Returns
        -------
        ndarray, shape (n, classes), unit 1
        """
        hidden = inputs.astype(np.float64) @ (self.first[0] - self.first[1]) > firing
        return np.asarray(hidden.astype(np.float64) @ (self.second[0] - self.second[1]), dtype=np.float64)

    def accuracy(self, inputs: npt.NDArray[np.bool_], labels: IntArray, firing: float = 0.0) -> float:
        """Return the part of the images that are classified rightly.

        Parameters
        ----------
        inputs : ndarray of bool, shape (n, inputs)
        labels : ndarray of int64, shape (n,)
        firing : float, unit 1

        Returns
        -------
        float, unit 1
        """
        return float(np.mean(np.argmax(self.outputs(inputs, firing), axis=1) == labels))


@dataclass(frozen=True, slots=True, eq=False)
class SignTraining:
    """What came of a training.

    Attributes
    ----------
    network : SignNetwork
    accuracies : tuple of float, unit 1
        Of the test images, after each epoch.
    images : int
        Shown in all.
    updates : tuple of two ints
        Weights of the first and of the second layer that got their two pulses, in all.
    """

    network: SignNetwork
    accuracies: tuple[float, ...]
    images: int
    updates: tuple[int, int]


def draw_network(
    inputs: int, hidden: int, classes: int, *, rng: np.random.Generator, devices: int = 1, spread: float = 0.1
) -> SignNetwork:
    """Draw a network about the middle of the working range.

    Parameters
    ----------
    inputs, hidden, classes : int
    rng : Generator
    devices : int
        Of the tables, at most 256; each cell is one of them.
    spread : float, unit 1
        Standard deviation of the places about 0.5. Assumed: 0.1.

    Returns
    -------
    SignNetwork
    """
    shapes = ((2, inputs, hidden), (2, hidden, classes))
    first, second = (np.clip(0.5 + spread * rng.standard_normal(shape), 0.0, 1.0) for shape in shapes)
    kinds = [rng.integers(0, devices, shape).astype(np.uint8) for shape in shapes]
    return SignNetwork(first, second, kinds[0], kinds[1])


def learn_images(
    network: SignNetwork,
    inputs: npt.NDArray[np.bool_],
    labels: IntArray,
    order: IntArray,
    tables: JumpTables,
    rule: SignRule,
    *,
    rng: np.random.Generator,
    engine: Engine = "numba",
) -> tuple[int, int]:
    """Show images one after another; the network is changed in place.

    Parameters
    ----------
    network : SignNetwork
    inputs : ndarray of bool, shape (n, inputs)
    labels : ndarray of int64, shape (n,)
    order : ndarray of int64, shape (m,)
        Which images, in this order.
    tables : JumpTables
    rule : SignRule
    rng : Generator
        Draws the spread of the steps: the same numbers for the same devices in both engines.
    engine : {"numba", "numpy"}
        Compiled, or plain and some 30 times slower; both give the same network.

    Returns
    -------
    tuple of two ints
        Weights of the first and of the second layer that were changed, each by two pulses.
    """
    if engine == "numpy":
        counts = [_learn_image(network, inputs[at], int(labels[at]), tables, rule, rng) for at in order]
        return sum(one[0] for one in counts), sum(one[1] for one in counts)
    # numba alone takes part of a second to import
    from labctl.networks.sign_kernel import learn_compiled

    return learn_compiled(
        inputs,
        labels,
        order,
        network.first,
        network.second,
        network.first_kinds,
        network.second_kinds,
        tables.up_mean,
        tables.up_spread,
        tables.down_mean,
        tables.down_spread,
        rule.output_threshold,
        rule.hidden_threshold,
        rule.window,
        rule.slope,
        rule.firing,
        rng,
    )


def train_sign_network(
    images: Images,
    hidden: int,
    tables: JumpTables,
    rule: SignRule,
    *,
    seed: int,
    epochs: int,
    engine: Engine = "numba",
    report: Callable[[float], None] = lambda part: None,
) -> SignTraining:
    """Draw a network and let it learn the training part of images, black and white.

    Parameters
    ----------
    images : Images
        Flat.
    hidden : int
        Units between inputs and classes.
    tables : JumpTables
    rule : SignRule
    seed : int
        Of first places, order of the images and steps.
    epochs : int
        Times that each image is shown.
    engine : {"numba", "numpy"}
    report : callable
        Called with the part that is done, 0 to 1; may raise to stop.

    Returns
    -------
    SignTraining
    """
    rng = np.random.default_rng(seed)
    shown, tested = binary_inputs(images.x_train), binary_inputs(images.x_test)
    total = len(images.y_train)
    network = draw_network(shown.shape[1], hidden, int(images.y_train.max()) + 1, rng=rng, devices=tables.devices)
    accuracies: list[float] = []
    first = second = 0
    for epoch in range(epochs):
        order = rng.permutation(total)
        for begin in range(0, total, _AT_ONCE):
            part = order[begin : begin + _AT_ONCE]
            counts = learn_images(network, shown, images.y_train, part, tables, rule, rng=rng, engine=engine)
            first, second = first + counts[0], second + counts[1]
            report((epoch + (begin + len(part)) / total) / epochs)
        accuracies.append(network.accuracy(tested, images.y_test, rule.firing))
    return SignTraining(network, tuple(accuracies), epochs * total, (first, second))


def _learn_image(
    network: SignNetwork,
    pixels: npt.NDArray[np.bool_],
    label: int,
    tables: JumpTables,
    rule: SignRule,
    rng: np.random.Generator,
) -> tuple[int, int]:
    """Show one image; return how many weights of each layer were changed."""
    sums = (network.first[0] - network.first[1])[pixels].sum(axis=0)
    fires = sums > rule.firing
    weights = network.second[0] - network.second[1]
    errors = output_error(weights[fires].sum(axis=0), label, rule)
    wrong = hidden_error(sums, weights @ errors, rule)
    second = np.outer(fires, errors)
    first = np.outer(pixels, wrong)
    _pulse(network.second, network.second_kinds, second, tables, rng)
    _pulse(network.first, network.first_kinds, first, tables, rng)
    return int(np.count_nonzero(first)), int(np.count_nonzero(second))


def _pulse(
    pairs: FloatArray, kinds: npt.NDArray[np.uint8], signs: IntArray, tables: JumpTables, rng: np.random.Generator
) -> None:
    """Give the pairs of weights that change their two pulses."""
    rows, columns = np.nonzero(signs)
    draws = rng.standard_normal((len(rows), 2))
    for device in range(2):
        place, kind = pairs[device, rows, columns], kinds[device, rows, columns]
        rises = (signs[rows, columns] > 0) == (device == 0)
        up = _between(tables.up_mean, kind, place) + _between(tables.up_spread, kind, place) * draws[:, device]
        down = _between(tables.down_mean, kind, place) + _between(tables.down_spread, kind, place) * draws[:, device]
        pairs[device, rows, columns] = np.clip(place + np.where(rises, up, -down), 0.0, 1.0)


def _between(table: FloatArray, kind: npt.NDArray[np.uint8], place: FloatArray) -> FloatArray:
    at = place * (table.shape[1] - 1)
    low = np.minimum(at.astype(np.int64), table.shape[1] - 2)
    return np.asarray(table[kind, low] + (at - low) * (table[kind, low + 1] - table[kind, low]))
