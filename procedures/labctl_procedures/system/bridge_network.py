"""The binary network of the bridge system, and its accuracy with neurons that err.

Not here: training on a GPU (:mod:`labctl.networks.train_binary`), the error model (:mod:`labctl.networks.bridges`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labctl.errors import RunError
from labctl.networks.binary_network import BinaryNetwork, erring, load_binary_network
from labctl.networks.binary_training import train_binary_network
from labctl.networks.bridges import CLOCKS, neuron_errors
from labctl.networks.images import Images
from labctl.networks.trained import kept_arrays

if TYPE_CHECKING:
    from labctl_procedures.system.bridge_bnn import BridgeBnn

__all__ = ["erring_accuracies", "named_network", "network_for"]

# small enough that its training goes unnoticed
_HIDDEN, _EPOCHS, _BATCH, _RATE = (129, 129), 25, 50, 3e-3


def network_for(images: Images, name_or_path: str, seed: int) -> BinaryNetwork:
    """Return a trained network that fits images: for digits a small one, trained here, else the one that is named.

    Parameters
    ----------
    images : Images
    name_or_path : str
        See :func:`labctl.networks.binary_network.load_binary_network`.
    seed : int
        Of the training.

    Returns
    -------
    BinaryNetwork

    Raises
    ------
    RunError
        If there is no such network, or it sees images of another size.
    """
    if images.name == "digits":
        facts: dict[str, Any] = {"images": images.name, "hidden": _HIDDEN, "seed": seed}
        facts |= {"epochs": _EPOCHS, "batch": _BATCH, "rate": _RATE}
        return BinaryNetwork.of_arrays(kept_arrays("binary", facts, lambda: _trained(images, seed).as_arrays()))
    return named_network(name_or_path, images.name, images.x_train.shape[1])


def named_network(name_or_path: str, image_set: str, pixels: int) -> BinaryNetwork:
    """Load a trained network that fits images.

    Parameters
    ----------
    name_or_path : str
        See :func:`labctl.networks.binary_network.load_binary_network`.
    image_set : str
    pixels : int
        Of an image.

    Returns
    -------
    BinaryNetwork

    Raises
    ------
    RunError
        If there is no such network, or it sees images of another size.
    """
    network = load_binary_network(name_or_path)
    if network.sizes[0] != pixels:
        raise RunError(
            f"system.bridge_bnn: network {name_or_path!r} has {network.sizes[0]} inputs, the images of {image_set} "
            f"have {pixels} pixels; choose another network"
        )
    return network


def erring_accuracies(
    network: BinaryNetwork,
    first: npt.NDArray[np.float32],
    classes: npt.NDArray[np.int64],
    bridge_error: float,
    system: "BridgeBnn",
    number: int,
    report: Callable[[float], None],
) -> dict[str, float]:
    """Return the accuracies of draws of neurons that err.

    Parameters
    ----------
    network : BinaryNetwork
    first : ndarray of float32, shape (n, outputs), unit 1
        Sums of the first layer that counts, of all images.
    classes : ndarray of int64, shape (n,)
    bridge_error : float, unit 1
    system : BridgeBnn
        Whose parameters hold.
    number : int
        Of the error rate; part of the seed.
    report : callable
        Called with the part that is done, 0 to 1.

    Returns
    -------
    dict of str to float, unit 1
        By draw.
    """
    layers = range(1, len(network.biases) + 1)
    tables = [neuron_errors(network.cells(layer), bridge_error, CLOCKS[system.clock]) for layer in layers]
    found = {}
    for draw in range(system.draws):
        rng = np.random.default_rng([system.seed, number, draw])
        signs = erring(tables[0], rng)(first)
        for layer, table in enumerate(tables[1:], start=2):
            signs = erring(table, rng)(network.sums(layer, signs))
        found[f"draw {draw}"] = float(np.mean(network.classes(signs) == classes))
        report((draw + 1) / system.draws)
    return found


def _trained(images: Images, seed: int) -> BinaryNetwork:
    return train_binary_network(images, _HIDDEN, seed=seed, epochs=_EPOCHS, batch=_BATCH, learning_rate=_RATE)
