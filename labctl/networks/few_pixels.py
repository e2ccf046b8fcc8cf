"""Images cut down to some classes and to the pixels that differ most among them: problems for a small array.

Not here: whole sets of images (:mod:`labctl.networks.images`).
"""

from collections.abc import Sequence

import numpy as np

from labctl.errors import RunError
from labctl.networks.images import Images
from labctl.networks.sign_rule import binary_inputs

__all__ = ["few_pixels"]


def few_pixels(images: Images, classes: Sequence[int], pixels: int) -> Images:
    """Return black and white images of some classes, with those pixels that vary most over the training part.

    Parameters
    ----------
    images : Images
        Flat.
    classes : sequence of int
        In the order in which they are numbered then.
    pixels : int
        How many; of equal ones the first.

    Returns
    -------
    Images
        Pixels are 0 or 1, in their former order.

    Raises
    ------
    RunError
        If there are fewer pixels, fewer than two classes, or a class has no image.
    """
    missing = [one for one in classes if one not in set(images.y_train.tolist()) & set(images.y_test.tolist())]
    if missing or len(set(classes)) != len(classes) or len(classes) < 2:
        raise RunError(
            f"images {images.name}: classes must be two and more different ones from {int(images.y_train.min())} to "
            f"{int(images.y_train.max())}, got {', '.join(map(str, classes))}"
        )
    if not 1 <= pixels <= images.x_train.shape[1]:
        raise RunError(f"images {images.name}: pixels must be 1 to {images.x_train.shape[1]}, got {pixels}")
    order = list(classes)
    train, test = (np.isin(labels, order) for labels in (images.y_train, images.y_test))
    shown, tested = binary_inputs(images.x_train[train]), binary_inputs(images.x_test[test])
    chosen = np.sort(np.argsort(-shown.var(axis=0), kind="stable")[:pixels])
    number = np.zeros(max(order) + 1, dtype=np.int64)
    number[order] = np.arange(len(order))
    return Images(
        f"{images.name}, {pixels} pixels of {len(order)} classes",
        shown[:, chosen].astype(np.float32),
        number[images.y_train[train]],
        tested[:, chosen].astype(np.float32),
        number[images.y_test[test]],
    )
