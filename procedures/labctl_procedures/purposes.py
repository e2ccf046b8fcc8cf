"""What the procedures are for: the headings under which a person looks for one. Not here: the procedures themselves."""

from collections.abc import Mapping

__all__ = ["PURPOSES", "purpose_of"]

PURPOSES: Mapping[str, tuple[str, ...]] = {
    "Look at a die": ("check_contacts", "read_array", "map_array"),
    "Form": ("form_array", "form_dc"),
    "I-V curves and levels": ("sweep_iv", "ladder_compliance", "ladder_stop_voltage", "count_states"),
    "Program an array": ("program_array", "write_verify", "multiply_vectors"),
    "Pulses and synapses": (
        "map_pulses",
        "potentiate_depress",
        "paired_pulse",
        "stdp",
        "pulse_energy",
        "ecram_update",
        "domain_wall_map",
    ),
    "Reliability and noise": (
        "endurance",
        "cycle_statistics",
        "retention",
        "read_disturb",
        "half_select_disturb",
        "read_noise",
        "volatility",
    ),
    "Published systems": (
        "system.rvc_3bit",
        "system.ecram",
        "system.domain_wall",
        "system.bridge_bnn",
        "system.sign_backprop",
    ),
    "Run lists, by hand, again": ("sequence", "manual", "replay_run"),
}
_OTHER = "Other"


def purpose_of(procedure: str) -> str:
    """Return the heading of a procedure.

    Parameters
    ----------
    procedure : str
        Its name.

    Returns
    -------
    str
        "Other" for one that has none.
    """
    return next((purpose for purpose, names in PURPOSES.items() if procedure in names), _OTHER)
