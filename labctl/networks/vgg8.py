"""VGG8 on CIFAR-10 with weights of a few states, as a float network and on domain walls; a script that needs PyTorch.

The network and its widths are those of DNN+NeuroSim V2.1. As there, activations and errors have 8 bits (S. Wu et al.,
"Training and inference with integers in deep neural networks", ICLR 2018); gradients are added up with high precision
beside the array (Misba et al. 2022, arXiv 2111.07284), by Adam. Not here: the walls
(:mod:`labctl.networks.wall_synapses`), perceptrons without PyTorch (:mod:`labctl.networks.quantised_training`).
"""

import argparse
import importlib
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from labctl.errors import LabError, RunError
from labctl.networks.images import Images, image_folder, load_images
from labctl.networks.wall_synapses import WallSynapses
from labctl.physics.presets import load_preset

__all__ = ["MODES", "Mode", "Vgg8Settings", "main", "train_vgg8"]

Mode = Literal["float", "levels", "domain_wall"]
MODES: tuple[Mode, ...] = ("float", "levels", "domain_wall")
"""A float network with Adam; weights of ``states`` states without device errors; the same on domain walls."""

# DNN+NeuroSim V2.1: convolutions of 3 x 3 at full width, "M" a maximum over 2 x 2; then 1024 and 10 neurons
_LAYERS: tuple[int | str, ...] = (128, 128, "M", 256, 256, "M", 512, 512, "M")
_HIDDEN, _CLASSES, _SIDE = 1024, 10, 32
# Wu 2018: bits of activations and errors
_BITS = 8
# assumed: rectified values have a root mean square of about 1, those above are cut
_LARGEST = 4.0
# assumed: the states spread over so many standard deviations of the first weights to either side
_RANGE = 3.0
_LEARNING_RATE = 1e-3
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Vgg8Settings:
    """What is trained, and how long.

    Attributes
    ----------
    width : float, unit 1
        Of the layers, in parts of the published ones; 1 needs a GPU, 0.125 is meant for a processor.
    steps : int
        Batches that are shown.
    batch : int
        Images for each step.
    states : int
        Of a track.
    walls : int
        1 for a device against a reference, 2 for a differential pair.
    margin : float, unit 1
        See :class:`labctl.networks.wall_synapses.WallSynapses`.
    none, two : tuple of float, shape (devices,), unit 1
        Probability that a pulse moves a wall by no state, or by two, of each measured device; each wall is like one of
        them, drawn at random. Used in mode "domain_wall".
    seed : int
        Of weights, order and pulses.
    """

    width: float = 0.125
    steps: int = 1000
    batch: int = 100
    states: int = 5
    walls: int = 1
    margin: float = 0.1
    none: tuple[float, ...] = (0.01,)
    two: tuple[float, ...] = (0.001,)
    seed: int = 1


def train_vgg8(
    images: Images, mode: Mode, settings: Vgg8Settings, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train one network, and write its weights once more onto devices that were never pulsed.

    Parameters
    ----------
    images : Images
        CIFAR-10, of shape (n, 3, 32, 32).
    mode : {"float", "levels", "domain_wall"}
        See :data:`MODES`.
    settings : Vgg8Settings
    report : callable
        Takes a line now and then.

    Returns
    -------
    dict
        ``test_accuracy`` and ``train_accuracy`` by ``step``, the last ones as ``trained`` (unit 1), ``transferred``
        (unit 1; accuracy on fresh devices, written without a look between; None for the float network), ``pulses``,
        ``duration_s`` and the ``device`` that computed.

    Raises
    ------
    RunError
        If there is no PyTorch, or a setting is out of range.
    """
    torch = _torch()
    _check(settings)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = _Network(torch, device, mode, settings)
    x_train, y_train = _placed(torch, images.x_train, device), torch.as_tensor(images.y_train, device=device)
    x_test, y_test = _placed(torch, images.x_test, device), torch.as_tensor(images.y_test, device=device)
    curve: dict[str, list[float]] = {"step": [], "train_accuracy": [], "test_accuracy": []}
    begun_s = said_s = time.monotonic()
    order = torch.randperm(len(y_train))
    shown = 0
    for step in range(1, settings.steps + 1):
        if shown + settings.batch > len(order):
            order, shown = torch.randperm(len(order)), 0
        chosen = order[shown : shown + settings.batch].to(device)
        shown += settings.batch
        network.learn(_moved(torch, x_train[chosen]), y_train[chosen], step / settings.steps)
        is_last = step == settings.steps
        if is_last or step % max(1, settings.steps // 20) == 0:
            curve["step"].append(step)
            curve["train_accuracy"].append(network.accuracy(x_train[:2000], y_train[:2000]))
            curve["test_accuracy"].append(network.accuracy(x_test, y_test))
        if is_last or time.monotonic() - said_s > 5.0:
            said_s = time.monotonic()
            so_far = f"test {100.0 * curve['test_accuracy'][-1]:.2f} %" if curve["step"] else ""
            report(f"{mode} seed {settings.seed}: step {step} of {settings.steps}, {said_s - begun_s:.0f} s {so_far}")
    trained = curve["test_accuracy"][-1]
    pulses = network.pulses
    transferred = network.transferred().accuracy(x_test, y_test) if mode != "float" else None
    return {
        "mode": mode,
        "seed": settings.seed,
        **curve,
        "trained": trained,
        "transferred": transferred,
        "pulses": pulses,
        "duration_s": time.monotonic() - begun_s,
        "device": str(torch.cuda.get_device_name(device)) if device.type == "cuda" else "cpu",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line: ``python -m labctl.networks.vgg8 --data FOLDER --out FILE``.

    Parameters
    ----------
    arguments : sequence of str or None
        Without the program's name; those of the process if None.

    Returns
    -------
    int
        0, or 2 where it was refused.
    """
    given = _parser().parse_args(arguments)
    try:
        none, two = _steps_of(given.device) if given.device else ((given.none,), (given.two,))
        settings = Vgg8Settings(
            given.width, given.steps, given.batch, given.states, given.walls, given.margin, none, two
        )
        images = load_images("cifar10", image_folder(given.data)).first(given.images, 0)
        runs = [
            train_vgg8(images, mode, _with_seed(settings, seed), lambda line: print(line, flush=True))
            for seed in range(1, given.seeds + 1)
            for mode in given.modes
        ]
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    found = {
        "settings": asdict(settings),
        "channels": [_channels(one, settings.width) for one in _LAYERS if isinstance(one, int)],
        "images": [len(images.y_train), len(images.y_test)],
        "torch": str(_torch().__version__),
        # Dhull et al. 2024, abstract: at full width on all of CIFAR-10
        "paper": {"training": 0.924, "inference": 0.904},
        "runs": runs,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for mode in given.modes:
        accuracies = [one["trained"] for one in runs if one["mode"] == mode]
        print(f"{mode}: {100.0 * sum(accuracies) / len(accuracies):.2f} % over {len(accuracies)} networks")
    return 0


class _Network:
    """Weights, how they are stored, and one step of learning."""

    def __init__(self, torch: Any, device: Any, mode: Mode, settings: Vgg8Settings) -> None:
        torch.manual_seed(settings.seed)
        self.torch, self.device, self.mode, self.settings = torch, device, mode, settings
        self.is_float = mode == "float"
        self.wanted: list[Any] = []
        self.ranges: list[float] = []
        for shape in _shapes(settings.width):
            # K. He et al., ICCV 2015
            sigma = math.sqrt(2.0 / math.prod(shape[1:]))
            self.wanted.append((torch.randn(shape, device=device) * sigma).requires_grad_())
            self.ranges.append(_RANGE * sigma)
        self.biases = [torch.zeros(len(weights), device=device, requires_grad=True) for weights in self.wanted]
        self.adam = torch.optim.Adam([*self.wanted, *self.biases], lr=_LEARNING_RATE)
        self.walls: list[WallSynapses] = []
        if not self.is_float:
            with torch.no_grad():
                self.walls = [
                    self._fresh_walls(weights / reach) for weights, reach in zip(self.wanted, self.ranges, strict=True)
                ]

    @property
    def pulses(self) -> int:
        return sum(walls.pulses for walls in self.walls)

    def transferred(self) -> "_Network":
        """Write the trained states once onto fresh walls, and return the network with these."""
        self.walls = [self._fresh_walls(walls.weights()) for walls in self.walls]
        return self

    def learn(self, pixels: Any, classes: Any, done: float) -> None:
        """Show one batch; ``done`` is the part of the training that it ends."""
        self.adam.param_groups[0]["lr"] = _LEARNING_RATE * (1.0 - 0.9 * done)
        used = [weights.detach().requires_grad_() for weights in self._weights()]
        self.adam.zero_grad()
        self.torch.nn.functional.cross_entropy(self._outputs(pixels, used), classes).backward()
        for weights, those in zip(self.wanted, used, strict=True):
            # straight through: the sum takes the gradient of the state
            weights.grad = those.grad
        self.adam.step()
        with self.torch.no_grad():
            for number, walls in enumerate(self.walls):
                walls.write(self.wanted[number] / self.ranges[number])

    def accuracy(self, pixels: Any, classes: Any) -> float:
        """Return the part that is classified rightly."""
        weights, right = self._weights(), 0
        with self.torch.no_grad():
            for part, those in zip(pixels.split(_AT_ONCE), classes.split(_AT_ONCE), strict=True):
                right += int((self._outputs(part, weights).argmax(1) == those).sum())
        return right / len(classes)

    def _weights(self) -> list[Any]:
        if self.is_float:
            return self.wanted
        return [walls.weights() * reach for walls, reach in zip(self.walls, self.ranges, strict=True)]

    def _outputs(self, pixels: Any, weights: Sequence[Any]) -> Any:
        functional = self.torch.nn.functional
        values, number = pixels * 2.0 - 1.0, 0
        for layer in _LAYERS:
            if layer == "M":
                values = functional.max_pool2d(values, 2)
                continue
            values = functional.conv2d(values, weights[number], self.biases[number], padding=1)
            values = self._rounded(functional.relu(values))
            number += 1
        values = functional.linear(values.flatten(1), weights[number], self.biases[number])
        values = self._rounded(functional.relu(values))
        return functional.linear(values, weights[-1], self.biases[-1])

    def _rounded(self, values: Any) -> Any:
        """Return activations of few bits, whose errors come back with as many."""
        if self.is_float:
            return values
        grain = _LARGEST / 2.0**_BITS
        # the gradient ends where the range does, and goes straight through the rounding
        limited = values.clamp(0.0, _LARGEST)
        rounded = limited + (self.torch.round(limited / grain) * grain - limited).detach()
        if rounded.requires_grad:
            rounded.register_hook(lambda error: _few_bits(self.torch, error))
        return rounded

    def _fresh_walls(self, weights: Any) -> WallSynapses:
        """Return walls that were written once from the start of their tracks; weights from -1 to 1."""
        settings = self.settings
        chances = self.torch.tensor([settings.none, settings.two], device=self.device)
        if self.mode == "levels":
            chances = self.torch.zeros_like(chances)
        count = range(settings.walls)
        devices = [self.torch.randint(chances.shape[1], weights.shape, device=self.device) for _ in count]
        walls = WallSynapses(
            [self.torch.zeros_like(weights) for _ in count],
            [chances[0][those] for those in devices],
            [chances[1][those] for those in devices],
            states=settings.states,
            margin=settings.margin,
            draw=lambda n: self.torch.rand(n, device=self.device),
        )
        walls.write(weights)
        return walls


def _few_bits(torch: Any, errors: Any) -> Any:
    """Return errors on a grid of so many bits that their largest one fills (Wu 2018, eqs. (8) and (11))."""
    largest = errors.abs().max().clamp(min=1e-30)
    grain = 2.0 ** (torch.ceil(torch.log2(largest)) - (_BITS - 1))
    return torch.round(errors / grain) * grain


def _moved(torch: Any, pixels: Any) -> Any:
    """Return images moved by up to 4 pixels and mirrored at random (Wu 2018)."""
    count, _, side, _ = pixels.shape
    device = pixels.device
    wide = torch.nn.functional.pad(pixels, (4, 4, 4, 4))
    down, right = torch.randint(0, 9, (2, count, 1), device=device)
    places = torch.arange(side, device=device)
    mirrored = torch.rand(count, 1, device=device) < 0.5
    columns = torch.where(mirrored, side - 1 - places, places) + right
    each = torch.arange(count, device=device)[:, None, None]
    # an index on either side of a slice brings the indexed axes to the front
    return wide[each, :, (places + down)[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _placed(torch: Any, pixels: Any, device: Any) -> Any:
    return torch.as_tensor(pixels, device=device)


def _shapes(width: float) -> list[tuple[int, ...]]:
    """Return the shapes of the weights: convolutions, then both full layers."""
    shapes: list[tuple[int, ...]] = []
    before = 3
    for layer in _LAYERS:
        if isinstance(layer, int):
            after = _channels(layer, width)
            shapes.append((after, before, 3, 3))
            before = after
    pixels = (_SIDE // 2 ** _LAYERS.count("M")) ** 2
    hidden = _channels(_HIDDEN, width)
    return [*shapes, (hidden, before * pixels), (_CLASSES, hidden)]


def _channels(full: int, width: float) -> int:
    return max(1, round(full * width))


def _with_seed(settings: Vgg8Settings, seed: int) -> Vgg8Settings:
    return Vgg8Settings(**{**asdict(settings), "seed": seed})


def _check(settings: Vgg8Settings) -> None:
    faults = [
        f"{name} must be {rule}, got {value!r}"
        for name, rule, value, holds in (
            ("width", "above 0 and at most 4", settings.width, 0.0 < settings.width <= 4.0),
            ("steps", "at least 1", settings.steps, settings.steps >= 1),
            ("batch", "at least 1", settings.batch, settings.batch >= 1),
            ("states", "at least 2", settings.states, settings.states >= 2),
            ("walls", "1 or 2", settings.walls, settings.walls in (1, 2)),
            ("margin", "0 to 0.5", settings.margin, 0.0 <= settings.margin <= 0.5),
            ("none", "0 to 1", settings.none, all(0.0 <= chance <= 1.0 for chance in settings.none)),
            ("two", "0 to 1", settings.two, all(0.0 <= chance <= 1.0 for chance in settings.two)),
        )
        if not holds
    ]
    if faults:
        raise RunError(f"vgg8: {'; '.join(faults)}")


def _steps_of(device: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the chances of no step and of two, of each device that was measured for a device file."""
    preset = load_preset(device)
    try:
        return tuple(preset.table("steps.none").tolist()), tuple(preset.table("steps.two").tolist())
    except KeyError as error:
        raise RunError(
            f"{device}: has no measured chances of a step (steps.none, steps.two); give a device file that "
            "`labctl run system.domain_wall` wrote, or --none and --two"
        ) from error


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise RunError(
            "vgg8: needs PyTorch, which is not installed; `pip install labctl[torch]`, or train the perceptron of "
            "`labctl run system.domain_wall`, which needs none"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m labctl.networks.vgg8", description="Train VGG8 on CIFAR-10 with domain-wall weights."
    )
    new = Vgg8Settings()
    parser.add_argument("--data", default="", help="folder with cifar10_subset.npz; else the variable LABCTL_DATA")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .json")
    parser.add_argument("--width", type=float, default=new.width, help=f"in parts of the published ({new.width:g})")
    parser.add_argument("--steps", type=int, default=new.steps, help=f"batches to show ({new.steps})")
    parser.add_argument("--batch", type=int, default=new.batch, help=f"images for each step ({new.batch})")
    parser.add_argument("--images", type=int, default=0, help="training images to use, 0 for all (0)")
    parser.add_argument("--states", type=int, default=new.states, help=f"of a track ({new.states})")
    parser.add_argument("--walls", type=int, default=new.walls, help="1: against a reference, 2: differential pair (1)")
    parser.add_argument("--margin", type=float, default=new.margin, help=f"noise margin in states ({new.margin:g})")
    parser.add_argument("--none", type=float, default=new.none[0], help=f"chance of no step ({new.none[0]:g})")
    parser.add_argument("--two", type=float, default=new.two[0], help=f"chance of two steps ({new.two[0]:g})")
    parser.add_argument("--device", default="", help="device file that system.domain_wall wrote: chances from there")
    parser.add_argument("--seeds", type=int, default=1, help="networks of each mode (1)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="what to train (all)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
