"""Synapses of domain walls that pulses move by no, one or two states; with arrays of NumPy or tensors of PyTorch.

The chance of each outcome is a property of the device, and measured. Not here: why a wall moves
(:mod:`labctl.physics.domain_wall`), networks and their training (:mod:`labctl.networks.quantised_training`,
:mod:`labctl.networks.vgg8`).
"""

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["WallSynapses"]


class WallSynapses:
    """The walls of a layer's weights, and what pulses do to them.

    With one wall a weight the states 0 to ``states - 1`` stand for weights of -1 to 1, against a fixed reference; with
    two walls the weight is the difference of both, in parts of ``states - 1``, and one of them waits at state 0.

    Arrays are all of NumPy or all of PyTorch: only operators and methods that both have are used.

    Parameters
    ----------
    positions : sequence of array, each of the weights' shape, unit 1
        Of one wall or two for each weight; whole numbers in floating point, changed in place.
    none, two : sequence of array, as ``positions``, unit 1
        Probability of each wall that a pulse moves it by no state, or by two.
    states : int
        Of a track, at least 2.
    margin : float, unit 1
        A wall is pulsed when it is further than a half and this from where it should be, in states; 0 to rewrite
        whenever rounding asks for it. Misba et al. 2022 (arXiv 2111.07284) train with a noise tolerance margin; this
        form of it is a reconstruction.
    draw : callable
        Takes n and returns n numbers, evenly spread from 0 to 1.

    Attributes
    ----------
    positions : sequence of array, each of the weights' shape, unit 1
        As they are now.
    pulses : int
        Given so far.

    Raises
    ------
    ValueError
        If there are neither one nor two walls, or fewer than 2 states.
    """

    def __init__(
        self,
        positions: Sequence[Any],
        none: Sequence[Any],
        two: Sequence[Any],
        *,
        states: int,
        margin: float,
        draw: Callable[[int], Any],
    ) -> None:
        if len(positions) not in (1, 2) or states < 2:
            raise ValueError(f"a weight has one wall or two, of 2 states or more; got {len(positions)} of {states}")
        self.positions = positions
        self.pulses = 0
        self._none, self._two = none, two
        self._last = float(states - 1)
        self._margin = margin
        self._draw = draw

    def weights(self) -> Any:
        """Return the weights that the walls stand for.

        Returns
        -------
        array, shape of the weights, unit 1
            From -1 to 1.
        """
        if len(self.positions) == 1:
            return self.positions[0] * (2.0 / self._last) - 1.0
        return (self.positions[0] - self.positions[1]) * (1.0 / self._last)

    def write(self, weights: Any) -> int:
        """Give each wall that is out of its margin the pulses that would bring it to the nearest state.

        The state before is known from a reading; none is made between the pulses, so that a wall may end beside.

        Parameters
        ----------
        weights : array, shape of the weights, unit 1
            Wanted; what lies outside -1 to 1 is written as the end of the range.

        Returns
        -------
        int
            Pulses given.
        """
        if len(self.positions) == 1:
            wanted = [((weights + 1.0) * (0.5 * self._last)).clip(0.0, self._last)]
        else:
            wanted = [(side * self._last * weights).clip(0.0, self._last) for side in (1.0, -1.0)]
        given = sum(self._drive(*walls) for walls in zip(self.positions, wanted, self._none, self._two, strict=True))
        self.pulses += given
        return given

    def _drive(self, position: Any, wanted: Any, none: Any, two: Any) -> int:
        moved = abs(wanted - position) > 0.5 + self._margin
        now, none, two = position[moved], none[moved], two[moved]
        way = wanted[moved].round() - now
        side, needed = (way > 0.0) * 2.0 - 1.0, abs(way)
        for number in range(int(needed.max()) if len(now) else 0):
            drawn = self._draw(len(now))
            states = (drawn >= none) * 1.0 + (drawn >= 1.0 - two) * 1.0
            now = (now + side * states * (needed > number)).clip(0.0, self._last)
        position[moved] = now
        return int(needed.sum())
