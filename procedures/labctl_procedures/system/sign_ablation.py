"""What each part of sign back-propagation is worth: the same training with one thing changed.

Not here: the training (:mod:`labctl.networks.sign_learning`).
"""

import math
from dataclasses import dataclass, field
from typing import Any

from labctl.networks.jump_tables import JumpTables, exponential_tables
from labctl.networks.sign_rule import SignRule

__all__ = ["ABLATIONS", "DEFAULT", "FALLS_FROM", "HIDDEN_OF_DIGITS", "NO_WINDOW", "Ablation"]

DEFAULT, NO_WINDOW = "default", "no window"
HIDDEN_OF_DIGITS = 100
FALLS_FROM = {
    "32 states": "64 states",
    "64 states": "128 states",
    "non-linearity 1": DEFAULT,
    "non-linearity 3": "non-linearity 1",
    "non-linearity 5": "non-linearity 3",
}
"""Settings with fewer states, or steps less linear, by the one that must learn better: 128 states are enough."""

_STATES, _CYCLE_SPREAD = 256, 0.3
# tables that a device spread is drawn into
_DEVICES = 200


@dataclass(frozen=True, slots=True)
class Ablation:
    """One change.

    Attributes
    ----------
    name : str
    reference : float, unit 1
        Accuracy of an independent implementation in plain NumPy with the same default: 8 x 8 digits in black and white,
        64-100-10, 20 epochs of which the last 5 count, 2 networks. Its float network has 92.9 %.
    rule : dict of str to float
        Fields of :class:`labctl.networks.sign_rule.SignRule` that differ.
    device : dict of str to float
        Arguments of :func:`labctl.networks.jump_tables.exponential_tables` that differ.
    """

    name: str
    reference: float
    rule: dict[str, float] = field(default_factory=dict)
    device: dict[str, float] = field(default_factory=dict)

    def sign_rule(self) -> SignRule:
        """Return the thresholds: 0.3, 0.3, a window of 1, and what differs."""
        return SignRule(**self.rule)

    def tables(self, seed: int) -> JumpTables:
        """Return the device: 256 states, cycle-to-cycle 30 %, linear, and what differs.

        Parameters
        ----------
        seed : int
            Of a spread from device to device.

        Returns
        -------
        JumpTables
        """
        given: dict[str, Any] = {"states": _STATES, "cycle_spread": _CYCLE_SPREAD} | self.device
        return exponential_tables(seed=seed, devices=_DEVICES if "device_spread" in given else 1, **given)


ABLATIONS = (
    Ablation(DEFAULT, 0.924),
    Ablation(NO_WINDOW, 0.720, rule={"window": math.inf}),
    Ablation("window 0.5", 0.921, rule={"window": 0.5}),
    Ablation("window 2", 0.912, rule={"window": 2.0}),
    Ablation("hidden threshold 0.1", 0.935, rule={"hidden_threshold": 0.1}),
    Ablation("hidden threshold 0.6", 0.918, rule={"hidden_threshold": 0.6}),
    Ablation("output threshold 0.1", 0.920, rule={"output_threshold": 0.1}),
    Ablation("output threshold 0.5", 0.861, rule={"output_threshold": 0.5}),
    Ablation("32 states", 0.882, device={"states": 32}),
    Ablation("64 states", 0.904, device={"states": 64}),
    Ablation("128 states", 0.921, device={"states": 128}),
    Ablation("512 states", 0.923, device={"states": 512}),
    Ablation("non-linearity 1", 0.890, device={"nonlinearity": 1.0}),
    Ablation("non-linearity 3", 0.740, device={"nonlinearity": 3.0}),
    Ablation("non-linearity 5", 0.680, device={"nonlinearity": 5.0}),
    Ablation("C2C 100 %", 0.922, device={"cycle_spread": 1.0}),
    Ablation("C2C 300 %", 0.904, device={"cycle_spread": 3.0}),
    Ablation(
        "non-linearity 1, C2C 50 %, D2D 50 %",
        0.900,
        device={"nonlinearity": 1.0, "cycle_spread": 0.5, "device_spread": 0.5},
    ),
)
