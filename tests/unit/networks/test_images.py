"""Sets of images from files.

Authority: the format of Y. LeCun's files (big-endian head of 2051 or 2049, counts, then bytes), written here; the
published sizes of MNIST.
"""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from labctl.errors import RunError
from labctl.networks.images import MNIST_FILES, Images, check_images, fetched_folder, image_folder, load_images

PIXELS = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2) * 12
CLASSES = np.array([3, 1, 4, 1, 5], dtype=np.uint8)


def packed(magic, data):
    return gzip.compress(struct.pack(f">{1 + data.ndim}i", magic, *data.shape) + data.tobytes())


@pytest.fixture
def folder(tmp_path):
    for name, magic, data in zip(
        MNIST_FILES, (2051, 2049) * 2, (PIXELS, CLASSES, PIXELS[:2], CLASSES[:2]), strict=True
    ):
        (tmp_path / name).write_bytes(packed(magic, data))
    return tmp_path


def test_mnist_is_read_from_a_folder_and_from_mnist_below_it(folder):
    found = load_images("mnist", folder)
    np.testing.assert_allclose(found.x_train, PIXELS.reshape(5, 4) / 255.0, rtol=1e-6)
    assert found.y_train.tolist() == CLASSES.tolist()
    assert found.x_test.shape == (2, 4)
    assert found.y_test.tolist() == [3, 1]
    below = folder / "mnist"
    below.mkdir()
    for name in MNIST_FILES:
        (folder / name).rename(below / name)
    assert np.array_equal(load_images("mnist", folder).x_train, found.x_train)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda raw: raw[: len(raw) // 2], "cannot be read"),
        (lambda raw: b"no gzip", "cannot be read"),
        (lambda raw: packed(2049, PIXELS), "magic number 2049"),
        (lambda raw: packed(2051, PIXELS)[:-9], "cannot be read"),
        (lambda raw: gzip.compress(gzip.decompress(raw)[:-1]), "no file of images"),
        (lambda raw: gzip.compress(b"short"), "head alone"),
    ],
)
def test_damaged_file_is_refused_with_its_name(folder, damage, told):
    file = folder / MNIST_FILES[0]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(RunError, match=rf"{MNIST_FILES[0]}: .*{told}.*fetch it again"):
        load_images("mnist", folder)
    # heads and lengths alone tell of a file that ends too early as of one that was never right
    with pytest.raises(RunError, match=rf"{MNIST_FILES[0]}: .*fetch it again"):
        check_images("mnist", folder)


def test_images_are_checked_without_unpacking_them(folder, monkeypatch):
    monkeypatch.setattr(gzip, "decompress", None)
    assert check_images("mnist", folder) == PIXELS[0].size
    assert check_images("digits") == 64
    (folder / MNIST_FILES[3]).write_bytes(packed(2049, CLASSES[:2])[:-5])
    with pytest.raises(RunError, match=rf"{MNIST_FILES[3]}: .*fetch it again"):
        check_images("mnist", folder)
    with pytest.raises(RunError, match="digits, mnist, cifar10"):
        check_images("letters", folder)


def test_missing_files_are_named_with_what_to_do(folder):
    (folder / MNIST_FILES[2]).unlink()
    with pytest.raises(RunError, match=rf"{MNIST_FILES[2]} missing; .*--data or LABCTL_DATA.*data fetch mnist.*digits"):
        load_images("mnist", folder)
    with pytest.raises(RunError, match="none is given"):
        load_images("mnist", None)
    with pytest.raises(RunError, match="CIFAR-10"):
        load_images("cifar10", folder)
    with pytest.raises(RunError, match="digits, mnist, cifar10"):
        load_images("letters", folder)


def test_cifar_comes_as_planes_from_0_to_1(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    classes = np.array([[1], [2], [0]], dtype=np.uint8)
    file = tmp_path / "cifar10_subset.npz"
    np.savez(file, x_train=pixels, y_train=classes, x_test=pixels[:1], y_test=classes[:1])
    found = load_images("cifar10", tmp_path)
    assert found.x_train.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(found.x_train[1, 2], pixels[1, :, :, 2] / 255.0, rtol=1e-6)
    assert found.y_train.tolist() == [1, 2, 0]
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(RunError, match="fetch it again"):
        load_images("cifar10", tmp_path)


def test_digits_need_no_folder_and_keep_all_classes():
    digits = load_images("digits")
    assert len(digits.y_train) + len(digits.y_test) == 1797
    assert digits.x_train.shape[1] == 64
    assert 0.0 <= digits.x_train.min() <= digits.x_train.max() == 1.0
    assert set(digits.y_test) == set(range(10))
    few = digits.first(10, 0)
    assert len(few.y_train) == 10
    assert len(few.y_test) == len(digits.y_test)


def test_digest_is_that_of_the_training_part():
    x, y = np.zeros((3, 2), dtype=np.float32), np.zeros(3, dtype=np.int64)
    one = Images("a", x, y, x, y).digest()
    assert one == Images("b", x.copy(), y.copy(), x[:1], y[:1]).digest()
    assert one != Images("a", x + 1.0, y, x, y).digest()
    assert one != Images("a", x, y + 1, x, y).digest()


def test_folder_is_the_given_one_then_the_environments_then_the_fetched(tmp_path, monkeypatch):
    monkeypatch.delenv("LABCTL_DATA", raising=False)
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    assert image_folder("") is None
    fetched_folder().mkdir(parents=True)
    assert image_folder("") == tmp_path / "home" / "data" == fetched_folder()
    monkeypatch.setenv("LABCTL_DATA", str(tmp_path / "there"))
    assert image_folder("") == tmp_path / "there" == fetched_folder()
    assert image_folder("here") == Path("here")


@pytest.mark.skipif(not os.environ.get("LABCTL_DATA"), reason="LABCTL_DATA is not set")
def test_mnist_has_its_published_sizes():
    mnist = load_images("mnist", image_folder())
    assert (mnist.x_train.shape, mnist.x_test.shape) == ((60000, 784), (10000, 784))
    # T. Y. LeCun's page: 5,923 zeros are in the training part, 980 in the test part
    assert int((mnist.y_train == 0).sum()) == 5923
    assert int((mnist.y_test == 0).sum()) == 980
