"""Train the binarised network of the bridge system on MNIST with PyTorch; a script that needs no other file.

It asks for PyTorch and NumPy alone, so that it runs on any machine with a GPU. What it writes is read by
:mod:`labctl.networks.binary_network`, which also trains small networks without PyTorch.
"""

import argparse
import gzip
import importlib
import json
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["main", "train_binary"]

# Ezzadeen 2024, as the authors' public code has it: three hidden layers of 1025, Adam at 1e-3, StepLR(50, 0.1), trained
# until 98.3 % of the test images are classified rightly
_SIZES = (784, 1025, 1025, 1025, 10)
_RATE, _RATE_FACTOR = 1e-3, 0.1
# of BatchNorm in PyTorch
_EPSILON = 1e-5
_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def train_binary(
    folder: Path,
    out: Path,
    *,
    sizes: Sequence[int] = _SIZES,
    epochs: int = 200,
    batch: int = 100,
    rate_epochs: int = 50,
    seed: int = 1,
    target: float = 0.983,
    shift: int = 1,
    report: Callable[[str], None] = print,
) -> float:
    """Train binary weights behind sign activations, and write them packed.

    The gradient of a sign is that of the identity between -1 and 1. Normalisation has no scale and no offset of its
    own, hence each hidden neuron comes down to one threshold; those of the second and third hidden layer become an
    even number of bias cells, at most ``2 floor(0.05 N)`` of them, and training keeps the thresholds within that.
    Accuracy is always that of the packed network.

    Parameters
    ----------
    folder : Path
        With the four files of MNIST, in it or in ``mnist`` below it.
    out : Path
        File to write, ``.npz``.
    sizes : sequence of int
        Inputs, hidden layers (odd, so that no sum of signs is 0), classes.
    epochs : int
        At most so many.
    batch : int
        Images for each step.
    rate_epochs : int
        After so many the rate of learning falls to a tenth, again and again; 50 in the authors' code.
    seed : int
        Of weights and order.
    target : float, unit 1
        Accuracy on the test images at which training ends; the best epoch is kept where none reaches it.
    shift : int, unit pixels
        Training images are moved by up to so many in both directions; whether the paper did that is not known.
    report : callable
        Takes a line for each epoch.

    Returns
    -------
    float, unit 1
        Accuracy of what was written.

    Raises
    ------
    ImportError
        If there is no PyTorch.
    OSError
        If a file of MNIST is missing.
    """
    torch = _torch()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(seed)
    x_train, y_train, x_test, y_test = (torch.from_numpy(part).to(device) for part in _mnist(folder))
    latent = [
        torch.empty(before, after, device=device).uniform_(-1.0 / math.sqrt(before), 1.0 / math.sqrt(before))
        for before, after in pairwise(sizes)
    ]
    for weights in latent:
        weights.requires_grad_()
    optimiser = torch.optim.Adam(latent, lr=_RATE)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, rate_epochs, _RATE_FACTOR)
    best = -1.0
    kept: dict[str, npt.NDArray[Any]] = {}
    for epoch in range(1, epochs + 1):
        losses = []
        for chosen in torch.randperm(len(y_train), device=device).split(batch):
            given = _given(torch, latent, _moved(torch, x_train[chosen], shift))
            loss = torch.nn.functional.cross_entropy(given, y_train[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                for weights in latent:
                    weights.clamp_(-1.0, 1.0)
            losses.append(loss.detach())
        schedule.step()
        with torch.no_grad():
            packed = _folded(torch, latent, x_train.flatten(1))
            accuracy = _accuracy(torch, latent, packed, x_test.flatten(1), y_test)
        report(f"epoch {epoch}: loss {torch.stack(losses).mean().item():.4f}, test accuracy {100.0 * accuracy:.2f} %")
        if accuracy > best:
            best = accuracy
            facts = {
                "images": "mnist",
                "test_accuracy": accuracy,
                "epoch": epoch,
                "seed": seed,
                "batch": batch,
                "rate_epochs": rate_epochs,
                "shift": shift,
                "target": target,
                "torch": str(torch.__version__),
            }
            kept = _arrays(latent, packed, sizes, facts)
        if best >= target:
            break
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **kept)  # type: ignore[arg-type]
    report(f"{out}: {100.0 * best:.2f} %, {out.stat().st_size} bytes")
    return best


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line: ``train_binary.py FOLDER OUT.npz``.

    Parameters
    ----------
    arguments : sequence of str or None
        Without the program's name; those of the process if None.

    Returns
    -------
    int
        0 where the target was reached, 1 where it was not.
    """
    parser = argparse.ArgumentParser(description="Train the binarised network 784-1025-1025-1025-10 on MNIST.")
    parser.add_argument("folder", type=Path, help="with the files of MNIST")
    parser.add_argument("out", type=Path, help="file to write, .npz")
    parser.add_argument("--epochs", type=int, default=200, help="at most so many (200)")
    parser.add_argument("--batch", type=int, default=100, help="images for each step (100)")
    parser.add_argument("--rate-epochs", type=int, default=50, help="from one rate of learning to its tenth (50)")
    parser.add_argument("--seed", type=int, default=1, help="of weights and order (1)")
    parser.add_argument("--target", type=float, default=0.983, help="test accuracy at which training ends (0.983)")
    parser.add_argument("--shift", type=int, default=1, help="pixels that training images are moved by at most (1)")
    given = parser.parse_args(arguments)
    accuracy = train_binary(
        given.folder,
        given.out,
        epochs=given.epochs,
        batch=given.batch,
        rate_epochs=given.rate_epochs,
        seed=given.seed,
        target=given.target,
        shift=given.shift,
    )
    return 0 if accuracy >= given.target else 1


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "train_binary: needs PyTorch, which is not installed; install it, or use the trained network that comes "
            "with labctl, or train a small one without it (labctl.networks.binary_network)"
        ) from error


def _mnist(folder: Path) -> tuple[npt.NDArray[Any], ...]:
    """Return images of shape (n, 28, 28) from 0 to 1 and classes, for training and for test."""
    place = folder / "mnist" if (folder / "mnist").is_dir() else folder
    raw = [gzip.decompress((place / name).read_bytes()) for name in _NAMES]
    images = [np.frombuffer(one, np.uint8, offset=16).reshape(-1, 28, 28) / np.float32(255.0) for one in raw[::2]]
    classes = [np.frombuffer(one, np.uint8, offset=8).astype(np.int64) for one in raw[1::2]]
    return images[0].astype(np.float32), classes[0], images[1].astype(np.float32), classes[1]


def _moved(torch: Any, images: Any, shift: int) -> Any:
    """Return flat images, each moved by its own number of pixels."""
    if not shift:
        return images.flatten(1)
    count, size = images.shape[0], images.shape[-1]
    wide = torch.nn.functional.pad(images, (shift, shift, shift, shift))
    down, right = torch.randint(0, 2 * shift + 1, (2, count, 1), device=images.device)
    places = torch.arange(size, device=images.device)
    each = torch.arange(count, device=images.device)[:, None, None]
    return wide[each, (places + down)[:, :, None], (places + right)[:, None, :]].flatten(1)


def _sign(torch: Any, values: Any) -> Any:
    return torch.where(values >= 0.0, 1.0, -1.0)


def _straight(torch: Any, values: Any) -> Any:
    """Return signs whose gradient is 1 between -1 and 1."""
    clipped = values.clamp(-1.0, 1.0)
    return clipped + (_sign(torch, values) - clipped).detach()


def _bias_limit(inputs: int) -> int:
    return 2 * math.floor(0.05 * inputs)


def _given(torch: Any, latent: Sequence[Any], inputs: Any) -> Any:
    """Return what the last layer gives in training, normalised over the batch."""
    values = inputs
    for number, weights in enumerate(latent):
        sums = values @ _straight(torch, weights)
        centre = sums.mean(0)
        if 0 < number < len(latent) - 1:
            limit = float(_bias_limit(weights.shape[0]))
            centre = centre.clamp(-limit, limit)
        scaled = (sums - centre) * torch.rsqrt(sums.var(0, unbiased=False) + _EPSILON)
        if number == len(latent) - 1:
            return scaled
        values = _straight(torch, scaled)
    raise AssertionError("a network has layers")


def _folded(torch: Any, latent: Sequence[Any], inputs: Any) -> list[Any]:
    """Return threshold, bias cells of each hidden layer behind it, mean and scale of the outputs, over all images."""
    found: list[Any] = []
    values = inputs
    for number, weights in enumerate(latent):
        sums = values @ _sign(torch, weights)
        mean = sums.mean(0)
        if number == len(latent) - 1:
            return [*found, mean, torch.rsqrt(sums.var(0, unbiased=False) + _EPSILON)]
        if number == 0:
            found.append(mean)
            values = _sign(torch, sums - mean)
            continue
        limit = _bias_limit(weights.shape[0])
        # a sum of an odd number of signs is odd: s >= mean where s + bias > 0
        found.append((-2.0 * torch.ceil((mean - 1.0) / 2.0)).clamp(-limit, limit))
        values = _sign(torch, sums + found[-1])
    raise AssertionError("a network has layers")


def _accuracy(torch: Any, latent: Sequence[Any], packed: Sequence[Any], inputs: Any, classes: Any) -> float:
    """Return the accuracy of the folded network."""
    values = _sign(torch, inputs @ _sign(torch, latent[0]) - packed[0])
    for weights, bias in zip(latent[1:-1], packed[1:-2], strict=True):
        values = _sign(torch, values @ _sign(torch, weights) + bias)
    outputs = (values @ _sign(torch, latent[-1]) - packed[-2]) * packed[-1]
    return float((outputs.argmax(1) == classes).float().mean().item())


def _arrays(
    latent: Sequence[Any], packed: Sequence[Any], sizes: Sequence[int], facts: dict[str, Any]
) -> dict[str, npt.NDArray[Any]]:
    held = {
        "sizes": np.asarray(sizes, dtype=np.int64),
        "threshold": packed[0].cpu().numpy().astype(np.float32),
        "output_mean": packed[-2].cpu().numpy().astype(np.float32),
        "output_scale": packed[-1].cpu().numpy().astype(np.float32),
        "facts": np.asarray(json.dumps(facts)),
    }
    for number, weights in enumerate(latent):
        held[f"weights_{number}"] = np.packbits(weights.detach().cpu().numpy() >= 0.0)
    for number, bias in enumerate(packed[1:-2], start=1):
        held[f"bias_{number}"] = bias.cpu().numpy().astype(np.int16)
    return held


if __name__ == "__main__":
    raise SystemExit(main())
