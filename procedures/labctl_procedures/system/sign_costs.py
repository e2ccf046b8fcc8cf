"""What sign back-propagation spares: conversions and stored bits for one image, beside full-precision learning.

Not here: pulses and readings that were made (:mod:`labctl_procedures.system.cost_ledger`).
"""

__all__ = ["costs_per_image"]


def costs_per_image(inputs: int, hidden: int, classes: int, bits: int) -> dict[str, float]:
    r"""Count what the periphery of the arrays does for one image, and what is kept between the passes.

    With :math:`I` inputs, :math:`H` hidden units and :math:`C` classes, sign back-propagation takes 1-bit decisions:
    forward :math:`H` (fires or not), :math:`2 H` (both ends of the window) and :math:`2 C` (both signs of an output's
    error), backward :math:`2 H`. It keeps :math:`I + 2 H + 2 C + 2 H` bits: inputs, hidden signals and windows, ternary
    errors of outputs and hidden units. Nothing is converted by more than a comparator.

    Back-propagation with :math:`b` bits on the same black and white inputs converts the sums of both layers and the
    returned errors, :math:`H + C + H` times, drives the second layer forward and back with :math:`b` bits,
    :math:`H + C` times, and keeps :math:`I + b (H + C + H)` bits: inputs, hidden signals (their slope is their sign),
    errors of outputs and hidden units. Gradients, :math:`b (I H + H C)` bits more where they are gathered over a batch,
    are not counted.

    Parameters
    ----------
    inputs, hidden, classes : int
    bits : int
        Of full-precision learning.

    Returns
    -------
    dict of str to float
        ``sign_comparisons``, ``sign_stored_bits``, ``full_ad_conversions``, ``full_da_conversions``,
        ``full_stored_bits``, ``full_gradient_bits``, each for one image.
    """
    return {
        "sign_comparisons": float(5 * hidden + 2 * classes),
        "sign_stored_bits": float(inputs + 4 * hidden + 2 * classes),
        "full_ad_conversions": float(2 * hidden + classes),
        "full_da_conversions": float(hidden + classes),
        "full_stored_bits": float(inputs + bits * (2 * hidden + classes)),
        "full_gradient_bits": float(bits * hidden * (inputs + classes)),
    }
