"""Networks that were trained already: kept in the user's folder, so that a run does not train the same one again.

What is kept is found again by everything that it depends on. Not here: training (:mod:`labctl.networks.perceptron`).
"""

import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labctl.home import labctl_home
from labctl.networks.images import Images
from labctl.networks.perceptron import Perceptron, train_perceptron

__all__ = ["kept_arrays", "kept_perceptron"]

# counts up when training would give other weights for the same description
_EDITION = 1


def kept_arrays(
    kind: str, depends_on: Mapping[str, object], make: Callable[[], Mapping[str, npt.NDArray[np.generic]]]
) -> dict[str, npt.NDArray[np.generic]]:
    """Return arrays that were made before from the same description; make and keep them otherwise.

    Parameters
    ----------
    kind : str
        What they are, in a word; the first part of the file's name.
    depends_on : mapping of str to object
        Everything that the arrays depend on, as JSON can hold it; digests of data included.
    make : callable
        Makes them.

    Returns
    -------
    dict of str to ndarray
    """
    described = json.dumps({"edition": _EDITION, **depends_on}, sort_keys=True)
    path = labctl_home() / "networks" / f"{kind}-{sha256(described.encode()).hexdigest()[:24]}.npz"
    try:
        # NumPy leaves a file that it opened itself open when it is damaged
        with path.open("rb") as stream, np.load(stream) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        # not there, or cut while it was written
        made = dict(make())
    _write(path, made)
    return made


def kept_perceptron(
    images: Images,
    hidden: Sequence[int],
    *,
    seed: int,
    epochs: int,
    batch: int,
    learning_rate: float,
    report: Callable[[float], None] = lambda part: None,
) -> Perceptron:
    """Return a network with float weights; it is trained where it was not before.

    Parameters
    ----------
    images, hidden, seed, epochs, batch, learning_rate, report
        As :func:`labctl.networks.perceptron.train_perceptron` has them.

    Returns
    -------
    Perceptron
    """
    described = {
        "images": images.digest(),
        "hidden": list(hidden),
        "seed": seed,
        "epochs": epochs,
        "batch": batch,
        "learning_rate": learning_rate,
    }

    def make() -> dict[str, npt.NDArray[np.generic]]:
        network = train_perceptron(
            images, hidden, seed=seed, epochs=epochs, batch=batch, learning_rate=learning_rate, report=report
        )
        layers = enumerate(zip(network.weights, network.biases, strict=True))
        return {
            f"{kind}_{number}": one for number, layer in layers for kind, one in zip(("w", "b"), layer, strict=True)
        }

    held = kept_arrays("perceptron", described, make)
    weights, biases = (
        tuple(np.asarray(held[f"{kind}_{number}"], dtype=np.float32) for number in range(len(hidden) + 1))
        for kind in ("w", "b")
    )
    return Perceptron(weights, biases)


def _write(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # another process may be making the same
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    part.replace(path)
