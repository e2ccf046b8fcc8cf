"""Parts of the system of sign back-propagation that are computed from values alone.

Not here: what is measured, and the order of the parts (:mod:`labctl_procedures.system.sign_backprop`).
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from labctl.networks.images import Images
from labctl.networks.jump_tables import JumpTables
from labctl.networks.sign_learning import train_sign_network
from labctl.networks.sign_rule import SignRule, binary_inputs
from labctl.networks.trained import kept_perceptron
from labctl_procedures.system.sign_ablation import HIDDEN_OF_DIGITS, Ablation

__all__ = ["ablated_values", "described", "float_values", "most_even", "running_mean", "trained_values", "unevenness"]

FloatArray = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Report = Callable[[float], None]

_LAST_EPOCHS = 5
# places of the working range where some cell has steps of its own
_COVERED = 0.8
# of the float networks: at most so many images in a batch, at least so many steps in an epoch
_BATCH, _STEPS = 100, 40
# images that the part of right answers is a mean over
_RUNNING = 25


def trained_values(
    images: Images, hidden: int, tables: JumpTables, rule: SignRule, seed: int, epochs: int, report: Report
) -> dict[str, float]:
    """Train a network by sign back-propagation.

    Parameters
    ----------
    images, hidden, tables, rule, seed, epochs, report
        As :func:`labctl.networks.sign_learning.train_sign_network` has them.

    Returns
    -------
    dict of str to float
        ``epoch 1`` and so on: accuracy of the test images, unit 1; ``updates per image``: weights that changed.
    """
    found = train_sign_network(images, hidden, tables, rule, seed=seed, epochs=epochs, report=report)
    told = {f"epoch {number}": value for number, value in enumerate(found.accuracies, start=1)}
    return {**told, "updates per image": sum(found.updates) / found.images}


def ablated_values(digits: Images, one: Ablation, seed: int, epochs: int, report: Report) -> dict[str, float]:
    """Train a network with one thing changed.

    Parameters
    ----------
    digits : Images
    one : Ablation
    seed, epochs : int
    report : callable

    Returns
    -------
    dict of str to float
        ``accuracy``, the mean over the last five epochs, unit 1; ``pulses per image``.
    """
    found = trained_values(digits, HIDDEN_OF_DIGITS, one.tables(seed), one.sign_rule(), seed, epochs, report)
    last = range(max(1, epochs - _LAST_EPOCHS + 1), epochs + 1)
    accuracy = float(np.mean([found[f"epoch {epoch}"] for epoch in last]))
    return {"accuracy": accuracy, "pulses per image": 2.0 * found["updates per image"]}


def float_values(images: Images, hidden: int, seed: int, epochs: int, report: Report) -> dict[str, float]:
    """Train a network with float weights on the same black and white inputs.

    Parameters
    ----------
    images : Images
    hidden, seed, epochs : int
    report : callable

    Returns
    -------
    dict of str to float
        ``accuracy`` of the test images, unit 1.
    """
    shown, tested = (binary_inputs(part).astype(np.float32) for part in (images.x_train, images.x_test))
    binary = Images(images.name, shown, images.y_train, tested, images.y_test)
    batch = max(1, min(_BATCH, len(images.y_train) // _STEPS))
    network = kept_perceptron(
        binary, [hidden], seed=seed, epochs=epochs, batch=batch, learning_rate=1e-3, report=report
    )
    return {"accuracy": network.accuracy(tested, images.y_test)}


def unevenness(tables: JumpTables) -> float:
    """Tell how much steps depend on the conductance and on the direction: what sign updates suffer from most.

    Parameters
    ----------
    tables : JumpTables

    Returns
    -------
    float, unit 1
        Sum of the magnitudes of both non-linearities and of the imbalance; 0 for an ideal device.
    """
    return abs(tables.imbalance) + sum(abs(slope) for slope in tables.nonlinearity)


def most_even(found: Mapping[int, JumpTables], own: Mapping[int, Flags]) -> int:
    """Choose pulses: the most even ones of those that were measured at four places of five and more.

    Weak pulses do not get far, and where nothing was measured steps look even. If none got so far, the farthest count.

    Parameters
    ----------
    found : mapping of int to JumpTables
        By the number of the pair of amplitudes.
    own : mapping of int to ndarray of bool, shape (devices, places)
        Where a device has steps of its own.

    Returns
    -------
    int
        One of the numbers.
    """
    covered = {number: float(flags.any(axis=0).mean()) for number, flags in own.items()}
    enough = min(_COVERED, max(covered.values()))
    return min((number for number in found if covered[number] >= enough), key=lambda number: unevenness(found[number]))


def described(set_v: float, reset_v: float, tables: JumpTables, own: Flags) -> dict[str, float]:
    """Describe the steps of one pair of amplitudes for the results.

    Parameters
    ----------
    set_v, reset_v : float, unit V
        Magnitudes.
    tables : JumpTables
    own : ndarray of bool, shape (devices, places)
        Where a device has steps of its own.

    Returns
    -------
    dict of str to float
    """
    up, down = tables.nonlinearity
    return {
        "set_voltage": set_v,
        "reset_voltage": -reset_v,
        "states": tables.states,
        "nonlinearity_up": up,
        "nonlinearity_down": down,
        "imbalance": tables.imbalance,
        "unevenness": unevenness(tables),
        "cells": float(tables.devices),
        "places": float(own.any(axis=0).mean()),
    }


def running_mean(right: FloatArray) -> FloatArray:
    """Return the mean over the last 25 images, fewer at the beginning.

    Parameters
    ----------
    right : ndarray, last dimension that of the images, unit 1

    Returns
    -------
    ndarray, shape as given, unit 1
    """
    total = np.cumsum(right, axis=-1)
    number = np.arange(1, right.shape[-1] + 1)
    before = np.concatenate([np.zeros((*right.shape[:-1], _RUNNING)), total], axis=-1)[..., : right.shape[-1]]
    return np.asarray((total - before) / np.minimum(number, _RUNNING))
