"""The demo's network: a linear classifier of scikit-learn's hand-written digits, as conductances of one 32 x 32 array.

The 8 x 8 images are pooled in horizontal pairs to 32 inputs; ten outputs without a bias take 20 columns as
differential pairs; the other 12 columns hold a 3-bit picture. ``python -m labctl.networks.digits FOLDER`` trains the
classifier again and writes the target map and the float weights that ship in ``labctl_data/targets``.

Sources: digits, E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, doi:10.24432/C50P49;
picture, "flower.jpg" of scikit-learn's sample images (CC BY), cropped, averaged and cut to eight grey levels.
"""

import csv
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labctl.networks.mapping import from_differential, quantise, to_differential

__all__ = ["Accuracies", "classify_digits", "demo_target", "demo_weights", "pooled_digits", "train_digits"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEVELS = 8
INPUTS = 32
CLASSES = 10
TARGET_FILE = "digits_3bit_32x32.csv"
WEIGHTS_FILE = "digits_float_weights.csv"


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Shares of test digits that are classified rightly, unit 1.

    Attributes
    ----------
    float_weights : float
        With the trained weights.
    ideal_levels : float
        With the weights rounded to eight levels per device.
    read_back : float
        With the conductances that were read back from the array.
    test_digits : int
        Number of digits.
    """

    float_weights: float
    ideal_levels: float
    read_back: float
    test_digits: int


def pooled_digits() -> tuple[FloatArray, IntArray, FloatArray, IntArray]:
    """Return the digits as 32 inputs each, cut into a training and a test part.

    Returns
    -------
    x_train, y_train, x_test, y_test : ndarray
        Inputs of shape (n, 32), unit 1, from 0 to 1; classes of shape (n,).
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    inputs = (digits.images / 16.0).reshape(-1, 8, 4, 2).mean(axis=3).reshape(-1, INPUTS)
    x_train, x_test, y_train, y_test = train_test_split(
        inputs, digits.target, test_size=0.3, random_state=0, stratify=digits.target
    )
    return x_train, y_train, x_test, y_test


def train_digits() -> FloatArray:
    """Train the classifier.

    Returns
    -------
    ndarray, shape (32, 10), unit 1
        Weights from inputs to classes; there is no bias.
    """
    from sklearn.linear_model import LogisticRegression

    x_train, y_train, _, _ = pooled_digits()
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=5000).fit(x_train, y_train)
    return np.asarray(model.coef_.T, dtype=np.float64)


def demo_weights() -> FloatArray:
    """Return the float weights that ship with labctl.

    Returns
    -------
    ndarray, shape (32, 10), unit 1
    """
    return _read_csv(WEIGHTS_FILE)


def demo_target() -> IntArray:
    """Return the level map that ships with labctl.

    Returns
    -------
    ndarray of int, shape (32, 32), unit 1
        Levels 0 to 7: columns 0 to 19 the classifier, 20 to 31 the picture.
    """
    return _read_csv(TARGET_FILE).astype(np.int64)


def classify_digits(conductance_s: FloatArray, *, g_min_s: float, g_max_s: float) -> Accuracies:
    """Classify the test digits with float, rounded and read-back weights.

    Parameters
    ----------
    conductance_s : ndarray, shape (32, 32), unit S
        What was read back from an array programmed with :func:`demo_target`.
    g_min_s, g_max_s : float, unit S
        Conductances of level 0 and level 7.

    Returns
    -------
    Accuracies

    Raises
    ------
    ValueError
        If the map is not 32 x 32.
    """
    if conductance_s.shape != (INPUTS, INPUTS):
        raise ValueError(f"classify_digits: the map must be 32 x 32, got {conductance_s.shape}")
    weights = demo_weights()
    quantised = quantise(weights, levels=LEVELS)
    read_back = from_differential(
        conductance_s[:, : 2 * CLASSES], step=quantised.step, g_min_s=g_min_s, g_max_s=g_max_s, levels=LEVELS
    )
    _, _, x_test, y_test = pooled_digits()
    return Accuracies(
        float_weights=_accuracy(x_test, y_test, weights),
        ideal_levels=_accuracy(x_test, y_test, (quantised.values * quantised.step).astype(np.float64)),
        read_back=_accuracy(x_test, y_test, read_back),
        test_digits=len(y_test),
    )


def _accuracy(inputs: FloatArray, classes: IntArray, weights: FloatArray) -> float:
    return float(np.mean(np.argmax(inputs @ weights, axis=1) == classes))


def _read_csv(name: str) -> FloatArray:
    text = (files("labctl_data") / "targets" / name).read_text(encoding="utf-8")
    return np.array([[float(cell) for cell in row] for row in csv.reader(text.splitlines())])


def _picture() -> IntArray:
    """Cut 32 x 12 blocks out of the middle of the flower and round them to eight greys."""
    from sklearn.datasets import load_sample_image

    grey = load_sample_image("flower.jpg").astype(float).mean(axis=2)
    crop = grey[10:394, 230:374]
    blocks = crop.reshape(32, 12, 12, 12).mean(axis=(1, 3))
    low, high = blocks.min(), blocks.max()
    levels: IntArray = np.minimum((blocks - low) / (high - low) * LEVELS, LEVELS - 1).astype(np.int64)
    return levels


def _write_targets(folder: Path) -> None:
    weights = train_digits()
    levels = np.hstack([to_differential(quantise(weights, levels=LEVELS).values), _picture()])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / WEIGHTS_FILE).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([[f"{value:.9e}" for value in row] for row in weights])
    with (folder / TARGET_FILE).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(levels.tolist())


if __name__ == "__main__":
    _write_targets(Path(sys.argv[1]))
