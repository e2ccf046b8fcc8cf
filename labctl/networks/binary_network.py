"""Networks of binary weights and sign activations: packed files, inference, neurons that err.

A hidden neuron behind the first layer is a count: its inputs and weights agree or not, and an even number of bias cells
shifts its threshold. Not here: training (:mod:`labctl.networks.binary_training`, on a GPU
:mod:`labctl.networks.train_binary`), what a neuron's circuit does (:mod:`labctl.networks.bridges`).
"""

import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.errors import RunError
from labctl.networks.bridges import bias_cells
from labctl.networks.perceptron import classified

__all__ = ["SHIPPED", "BinaryNetwork", "Decide", "erring", "load_binary_network", "shipped_networks"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Decide = Callable[[FloatArray], FloatArray]
"""Takes the sums of a hidden layer, bias cells included, and returns the signs that its neurons give, -1 or 1."""

SHIPPED = "mnist_bnn_1025x3"
"""The trained network 784-1025-1025-1025-10 that comes with labctl."""

_FOLDER = "networks"
# images in one product: bounds the memory of an inference
_AT_ONCE = 2000
# images whose sums and random numbers stay in the cache of a processor
_IN_CACHE = 50


@dataclass(frozen=True, slots=True)
class BinaryNetwork:
    """A first layer that sees numbers, hidden layers that count, and a last layer in software.

    Attributes
    ----------
    weights : tuple of ndarray of float32, each of shape (inputs, outputs), unit 1
        -1 or 1.
    threshold : ndarray of float32, shape (outputs of the first layer,), unit 1
    biases : tuple of ndarray of float32, each of shape (outputs,), unit 1
        Of the layers between the first and the last: sum of the bias cells of each neuron, even.
    output_mean, output_scale : ndarray of float32, shape (classes,), unit 1
        Taken off the sums of the last layer, and multiplied then.
    facts : mapping of str to object
        How it was trained.
    """

    weights: tuple[FloatArray, ...]
    threshold: FloatArray
    biases: tuple[FloatArray, ...]
    output_mean: FloatArray
    output_scale: FloatArray
    facts: Mapping[str, Any]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, hidden layers, classes."""
        return (self.weights[0].shape[0], *(layer.shape[1] for layer in self.weights))

    def cells(self, layer: int) -> int:
        """Return the cells of a neuron, bias cells included.

        Parameters
        ----------
        layer : int
            1 for the first that counts.

        Returns
        -------
        int
        """
        inputs = int(self.weights[layer].shape[0])
        return inputs + bias_cells(inputs)

    def first_signs(self, images: FloatArray) -> FloatArray:
        """Return what the first layer, which is software, makes of images.

        Parameters
        ----------
        images : ndarray of float32, shape (n, inputs), unit 1

        Returns
        -------
        ndarray of float32, shape (n, outputs), unit 1
            -1 or 1.
        """
        parts = range(0, len(images), _AT_ONCE)
        return np.concatenate([_sign(images[k : k + _AT_ONCE] @ self.weights[0] - self.threshold) for k in parts])

    def sums(self, layer: int, signs: FloatArray) -> FloatArray:
        """Return the sums of a layer that counts: twice the distance of the counts from the middle.

        Parameters
        ----------
        layer : int
            1 for the first that counts.
        signs : ndarray of float32, shape (n, inputs), unit 1

        Returns
        -------
        ndarray of float32, shape (n, outputs), unit 1
            Odd numbers.
        """
        return np.asarray(signs @ self.weights[layer] + self.biases[layer - 1], dtype=np.float32)

    def classes(self, signs: FloatArray) -> IntArray:
        """Return what the last layer, which is software, makes of the signs of the one before.

        Parameters
        ----------
        signs : ndarray of float32, shape (n, inputs), unit 1

        Returns
        -------
        ndarray of int64, shape (n,)
        """
        return classified((signs @ self.weights[-1] - self.output_mean) * self.output_scale)

    def accuracy(self, images: FloatArray, classes: IntArray, decide: Sequence[Decide] | None = None) -> float:
        """Return the part of the images that are classified rightly.

        Parameters
        ----------
        images : ndarray of float32, shape (n, inputs), unit 1
        classes : ndarray of int64, shape (n,)
        decide : sequence of callable or None
            Of each layer that counts; the signs of the sums if None.

        Returns
        -------
        float, unit 1
        """
        deciding = [_sign] * len(self.biases) if decide is None else list(decide)
        right = 0
        for start in range(0, len(classes), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            signs = self.first_signs(images[part])
            for layer, one in enumerate(deciding, start=1):
                signs = one(self.sums(layer, signs))
            right += int(np.sum(self.classes(signs) == classes[part]))
        return right / len(classes)

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the network as packed arrays that need no pickle; :meth:`of_arrays` brings it back.

        Returns
        -------
        dict of str to ndarray
        """
        held: dict[str, npt.NDArray[Any]] = {
            "sizes": np.asarray(self.sizes, dtype=np.int64),
            "threshold": self.threshold,
            "output_mean": self.output_mean,
            "output_scale": self.output_scale,
            "facts": np.asarray(json.dumps(dict(self.facts))),
        }
        held |= {f"weights_{number}": np.packbits(layer >= 0.0) for number, layer in enumerate(self.weights)}
        return held | {f"bias_{number}": bias.astype(np.int16) for number, bias in enumerate(self.biases, start=1)}

    @classmethod
    def of_arrays(cls, held: Mapping[str, npt.NDArray[Any]]) -> "BinaryNetwork":
        """Take a network from what :meth:`as_arrays` gave.

        Parameters
        ----------
        held : mapping of str to ndarray

        Returns
        -------
        BinaryNetwork

        Raises
        ------
        ValueError
            If an array is missing, of another size than the layers say, or a bias is no even number of cells that the
            layer has.
        """
        try:
            sizes = [int(size) for size in held["sizes"]]
            shapes = list(pairwise(sizes))
            weights = []
            for number, (inputs, outputs) in enumerate(shapes):
                bits = np.unpackbits(held[f"weights_{number}"])[: inputs * outputs].reshape(inputs, outputs)
                weights.append(bits.astype(np.float32) * np.float32(2.0) - np.float32(1.0))
            biases = [held[f"bias_{number}"].astype(np.float32) for number in range(1, len(shapes) - 1)]
            network = cls(
                tuple(weights),
                held["threshold"].astype(np.float32),
                tuple(biases),
                held["output_mean"].astype(np.float32),
                held["output_scale"].astype(np.float32),
                json.loads(str(held["facts"])),
            )
        except (KeyError, IndexError, json.JSONDecodeError) as error:
            raise ValueError(f"binary network: {error} is missing or damaged") from error
        network._check()
        return network

    def _check(self) -> None:
        outputs = [layer.shape[1] for layer in self.weights]
        told = [len(self.threshold), *(len(bias) for bias in self.biases), len(self.output_mean)]
        if told != outputs or len(self.output_scale) != outputs[-1]:
            raise ValueError(f"binary network: layers of {outputs} outputs need as many thresholds, got {told}")
        for layer, bias in enumerate(self.biases, start=1):
            inputs = self.weights[layer].shape[0]
            most = bias_cells(inputs)
            if inputs % 2 == 0 or np.any(bias % 2) or np.abs(bias).max(initial=0.0) > most:
                raise ValueError(
                    f"binary network: layer {layer} needs an odd number of inputs and even biases of at most {most}, "
                    f"got {inputs} and {np.abs(bias).max(initial=0.0):g}"
                )


def erring(errors: npt.NDArray[np.float64], rng: np.random.Generator) -> Decide:
    """Return neurons that decide wrongly as often as a table says.

    Parameters
    ----------
    errors : ndarray, shape (n,), unit 1
        By the distance of the count from the threshold; see :func:`labctl.networks.bridges.neuron_errors`.
    rng : Generator

    Returns
    -------
    callable
    """
    table = errors.astype(np.float32)

    def decide(sums: FloatArray) -> FloatArray:
        signs = np.empty_like(sums)
        for start in range(0, len(sums), _IN_CACHE):
            part = sums[start : start + _IN_CACHE]
            # half of an odd number, rounded down
            distance = np.abs(part).astype(np.int32) >> 1
            is_wrong = rng.random(part.shape, dtype=np.float32) < table[distance]
            signs[start : start + _IN_CACHE] = np.where((part > 0.0) != is_wrong, np.float32(1.0), np.float32(-1.0))
        return signs

    return decide


def load_binary_network(name_or_path: str | os.PathLike[str] = SHIPPED) -> BinaryNetwork:
    """Load a trained network.

    Parameters
    ----------
    name_or_path : str or path
        Of a network that comes with labctl, or a file ``.npz``.

    Returns
    -------
    BinaryNetwork

    Raises
    ------
    RunError
        If there is none, or the file is damaged.
    """
    named = str(name_or_path)
    place = Path(named) if named.endswith(".npz") else Path(str(files("labctl_data") / _FOLDER / f"{named}.npz"))
    if not place.is_file():
        known = ", ".join(shipped_networks()) or "none"
        raise RunError(
            f"{named}: there is no such network; those that come with labctl are {known}; or give a file .npz"
        )
    try:
        with np.load(place) as held:
            return BinaryNetwork.of_arrays({name: held[name] for name in held.files})
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{place}: is no binary network: {error}; take the file that came with labctl") from error


def shipped_networks() -> list[str]:
    """Return the names of the networks that come with labctl.

    Returns
    -------
    list of str
    """
    folder = files("labctl_data") / _FOLDER
    return sorted(entry.name.removesuffix(".npz") for entry in folder.iterdir() if entry.name.endswith(".npz"))


def _sign(values: FloatArray) -> FloatArray:
    return np.where(values >= 0.0, np.float32(1.0), np.float32(-1.0))
