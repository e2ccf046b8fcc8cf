"""How much longer a silence may last, counted so that a suspended computer does not end it.

Not here: who is silent (:mod:`labctl.run.guardian.client` counts the loop, :mod:`labctl.run.guardian.process` the
measuring process).
"""

__all__ = ["Patience"]


class Patience:
    """Counts an allowance down from look to look; one look takes off a step at most.

    A step that is longer means that the looker itself did not run: the computer was suspended (on Windows the monotonic
    clock goes on then) or overloaded, and the other one could not have spoken either.

    Parameters
    ----------
    step_s : float, unit s
        What one look may take off.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._left_s = 0.0
        self._looked_s = 0.0

    def grant(self, allowance_s: float, since_s: float) -> None:
        """Begin a new allowance.

        Parameters
        ----------
        allowance_s : float, unit s
            How long.
        since_s : float, unit s
            From which moment of the monotonic clock.
        """
        self._left_s = allowance_s
        self._looked_s = since_s

    def left_s(self, now_s: float) -> float:
        """Look, and return what is left.

        Parameters
        ----------
        now_s : float, unit s
            The monotonic clock.

        Returns
        -------
        float, unit s
            Zero or less: it is over.
        """
        self._left_s -= min(max(now_s - self._looked_s, 0.0), self._step_s)
        self._looked_s = now_s
        return self._left_s
