"""Sets of labelled images for networks: digits that come with scikit-learn, MNIST and CIFAR-10 from a folder.

Nothing is loaded from a network here; ``labctl data fetch mnist`` does that (:mod:`labctl.networks.fetching`).
"""

import gzip
import os
import zipfile
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labctl.errors import RunError
from labctl.home import labctl_home

__all__ = [
    "CIFAR_FILE",
    "DATA_VARIABLE",
    "MNIST_FILES",
    "Images",
    "check_images",
    "fetched_folder",
    "image_folder",
    "load_images",
]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

DATA_VARIABLE = "LABCTL_DATA"
# Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"; in the order of Images
MNIST_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
CIFAR_FILE = "cifar10_subset.npz"
_IMAGES_MAGIC, _LABELS_MAGIC = 2051, 2049
_IMAGES_HEAD, _LABELS_HEAD = 16, 8


@dataclass(frozen=True, slots=True)
class Images:
    """Labelled images, cut into a training and a test part.

    Attributes
    ----------
    name : str
    x_train, x_test : ndarray of float32, shape (n, pixels) or (n, channels, rows, columns), unit 1
        From 0 to 1.
    y_train, y_test : ndarray of int64, shape (n,)
        Classes from 0.
    """

    name: str
    x_train: FloatArray
    y_train: IntArray
    x_test: FloatArray
    y_test: IntArray

    def first(self, train: int, test: int) -> "Images":
        """Return the first so many images of each part, 0 for all.

        Parameters
        ----------
        train, test : int

        Returns
        -------
        Images
        """
        some, few = train or len(self.y_train), test or len(self.y_test)
        return Images(self.name, self.x_train[:some], self.y_train[:some], self.x_test[:few], self.y_test[:few])

    def digest(self) -> str:
        """Return the SHA-256 of the training part, in hexadecimal: what a network that was trained on it depends on.

        Returns
        -------
        str
        """
        found = sha256(np.ascontiguousarray(self.x_train).data)
        found.update(np.ascontiguousarray(self.y_train).data)
        return found.hexdigest()


def image_folder(given: str | os.PathLike[str] = "") -> Path | None:
    """Return the folder of image files.

    Parameters
    ----------
    given : str or path
        What the user gave; empty for the environment variable ``LABCTL_DATA``.

    Returns
    -------
    Path or None
        Where neither is given, the folder that ``labctl data fetch`` fills; None where that is not there.
    """
    named = Path(given).expanduser() if str(given) else fetched_folder()
    return named if str(given) or os.environ.get(DATA_VARIABLE) or named.is_dir() else None


def fetched_folder() -> Path:
    """Return the folder that ``labctl data fetch`` fills unless it is told otherwise.

    Returns
    -------
    Path
        Of the environment variable ``LABCTL_DATA``, else in the user's folder of labctl; it need not be there.
    """
    named = os.environ.get(DATA_VARIABLE, "")
    return Path(named).expanduser() if named else labctl_home() / "data"


def load_images(name: str, folder: Path | None = None) -> Images:
    """Load a set of images.

    Parameters
    ----------
    name : str
        "digits" (1,797 images of 8 x 8, from scikit-learn), "mnist" or "cifar10".
    folder : Path or None
        Where MNIST (in the folder or in ``mnist`` below it) and CIFAR-10 lie; see :func:`image_folder`.

    Returns
    -------
    Images
        Flat images; CIFAR-10 of shape (n, 3, 32, 32).

    Raises
    ------
    RunError
        If the name is unknown, or the files are missing or damaged; the remedy is named.
    """
    if name == "digits":
        return _digits()
    if name == "mnist":
        return _mnist(folder)
    if name == "cifar10":
        return _cifar10(folder)
    raise RunError(f"images: there is no set {name!r}; there are digits, mnist, cifar10")


def check_images(name: str, folder: Path | None = None) -> int:
    """Refuse a set that cannot be loaded, in the time that somebody who types can wait.

    Of MNIST only the heads and the lengths of the files are looked at; :func:`load_images` unpacks them.

    Parameters
    ----------
    name : str
    folder : Path or None
        As :func:`load_images` takes them.

    Returns
    -------
    int
        Values in an image.

    Raises
    ------
    RunError
        As :func:`load_images` does.
    """
    if name != "mnist":
        return int(load_images(name, folder).x_train[0].size)
    place = _folder_of("MNIST", MNIST_FILES, folder, "mnist")
    sizes = []
    for file in MNIST_FILES:
        head, length = _head(place / file)
        if "images" in file:
            sizes.append(_checked_size(place / file, head, length)[1])
        else:
            _check_labels(place / file, head, length)
    return sizes[0]


def _digits() -> Images:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        (digits.data / 16.0).astype(np.float32), digits.target, test_size=0.3, random_state=0, stratify=digits.target
    )
    return Images("digits", x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64))


def _mnist(folder: Path | None) -> Images:
    place = _folder_of("MNIST", MNIST_FILES, folder, "mnist")
    x_train, y_train, x_test, y_test = (place / name for name in MNIST_FILES)
    return Images("mnist", _pixels(x_train), _classes(y_train), _pixels(x_test), _classes(y_test))


def _cifar10(folder: Path | None) -> Images:
    place = _folder_of("CIFAR-10", (CIFAR_FILE,), folder, "cifar10") / CIFAR_FILE
    try:
        # NumPy leaves a file that it opened itself open when it is damaged
        with place.open("rb") as stream, np.load(stream) as held:
            parts = [held[key] for key in ("x_train", "y_train", "x_test", "y_test")]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise RunError(f"{place}: is no set of CIFAR-10 images: {error}; fetch it again") from error
    x_train, y_train, x_test, y_test = parts
    planes = [np.moveaxis(pixels, -1, 1) if pixels.shape[-1] == 3 else pixels for pixels in (x_train, x_test)]
    scaled = [(pixels / np.float32(255.0)).astype(np.float32) for pixels in planes]
    return Images("cifar10", scaled[0], y_train.astype(np.int64).ravel(), scaled[1], y_test.astype(np.int64).ravel())


def _folder_of(title: str, names: tuple[str, ...], folder: Path | None, below: str) -> Path:
    remedy = (
        f"give the folder with --data or {DATA_VARIABLE}"
        + (", or load it with `labctl data fetch mnist`" if below == "mnist" else "")
        + "; the set 'digits' needs none"
    )
    if folder is None:
        raise RunError(f"images: {title} needs a folder with {', '.join(names)}, and none is given; {remedy}")
    for place in (folder / below, folder):
        if all((place / name).is_file() for name in names):
            return place
    missing = [name for name in names if not (folder / name).is_file() and not (folder / below / name).is_file()]
    raise RunError(f"{folder}: {title}: {', '.join(missing or names)} missing; {remedy}")


def _pixels(path: Path) -> FloatArray:
    raw = _unpacked(path)
    size = _checked_size(path, raw, len(raw))
    pixels = np.frombuffer(raw, dtype=np.uint8, offset=_IMAGES_HEAD).reshape(size)
    return (pixels / np.float32(255.0)).astype(np.float32)


def _classes(path: Path) -> IntArray:
    raw = _unpacked(path)
    _check_labels(path, raw, len(raw))
    return np.frombuffer(raw, dtype=np.uint8, offset=_LABELS_HEAD).astype(np.int64)


def _checked_size(path: Path, head: bytes, length: int) -> tuple[int, int]:
    """Return the number of images and of the pixels of each."""
    magic, count, rows, columns = _words(path, head, _IMAGES_HEAD)
    if magic != _IMAGES_MAGIC or length != _IMAGES_HEAD + count * rows * columns:
        raise RunError(f"{path}: is no file of images: magic number {magic}, {length} bytes; fetch it again")
    return count, rows * columns


def _check_labels(path: Path, head: bytes, length: int) -> None:
    magic, count = _words(path, head, _LABELS_HEAD)
    if magic != _LABELS_MAGIC or length != _LABELS_HEAD + count:
        raise RunError(f"{path}: is no file of labels: magic number {magic}, {length} bytes; fetch it again")


def _words(path: Path, head: bytes, size: int) -> list[int]:
    if len(head) < size:
        raise RunError(f"{path}: is {len(head)} bytes long, its head alone is {size}; fetch it again")
    return [int(word) for word in np.frombuffer(head[:size], dtype=">i4")]


def _unpacked(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise RunError(f"{path}: cannot be read: {error}; fetch it again") from error


def _head(path: Path) -> tuple[bytes, int]:
    """Return the first bytes that are packed, and the length of all, with which a packed file ends (RFC 1952)."""
    try:
        with path.open("rb") as file:
            with gzip.open(file) as unpacked:
                head = unpacked.read(_IMAGES_HEAD)
            file.seek(-4, os.SEEK_END)
            return head, int.from_bytes(file.read(4), "little")
    except (OSError, EOFError, zlib.error) as error:
        raise RunError(f"{path}: cannot be read: {error}; fetch it again") from error
