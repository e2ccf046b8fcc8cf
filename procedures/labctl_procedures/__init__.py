"""PyMeasure procedures, one per file. To add one, see README.md beside this package."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from labctl.errors import RunError

if TYPE_CHECKING:
    from labctl.run import LabProcedure

__all__ = ["find_procedure", "procedures"]

# the name of a procedure is that of its module
_CLASSES = {
    "check_contacts": "CheckContacts",
    "count_states": "CountStates",
    "cycle_statistics": "CycleStatistics",
    "domain_wall_map": "DomainWallMap",
    "ecram_update": "EcramUpdate",
    "endurance": "Endurance",
    "form_array": "FormArray",
    "form_dc": "FormDc",
    "half_select_disturb": "HalfSelectDisturb",
    "ladder_compliance": "LadderCompliance",
    "ladder_stop_voltage": "LadderStopVoltage",
    "manual": "Manual",
    "map_array": "MapArray",
    "map_pulses": "MapPulses",
    "multiply_vectors": "MultiplyVectors",
    "paired_pulse": "PairedPulse",
    "potentiate_depress": "PotentiateDepress",
    "program_array": "ProgramArray",
    "pulse_energy": "PulseEnergy",
    "read_array": "ReadArray",
    "read_disturb": "ReadDisturb",
    "read_noise": "ReadNoise",
    "replay_run": "ReplayRun",
    "retention": "Retention",
    "sequence": "Sequence",
    "stdp": "Stdp",
    "sweep_iv": "SweepIv",
    "system.bridge_bnn": "BridgeBnn",
    "system.domain_wall": "DomainWall",
    "system.ecram": "Ecram",
    "system.rvc_3bit": "Rvc3Bit",
    "system.sign_backprop": "SignBackprop",
    "volatility": "Volatility",
    "write_verify": "WriteVerify",
}


class _Procedures(Mapping[str, "type[LabProcedure]"]):
    """Imports a procedure when it is looked up: a run must not wait for the others."""

    def __getitem__(self, name: str) -> "type[LabProcedure]":
        """Return a procedure by name."""
        found: type[LabProcedure] = getattr(import_module(f"labctl_procedures.{name}"), _CLASSES[name])
        return found

    def __contains__(self, name: object) -> bool:
        """Tell whether there is one of this name."""
        return name in _CLASSES

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(_CLASSES)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(_CLASSES)


def procedures() -> "Mapping[str, type[LabProcedure]]":
    """Return the procedures by name; each is imported when it is looked up."""
    return _Procedures()


def find_procedure(name: str) -> "type[LabProcedure]":
    """Return a procedure by name.

    Parameters
    ----------
    name : str
        Such as ``"read_array"``.

    Returns
    -------
    type of LabProcedure
        The class.

    Raises
    ------
    RunError
        If there is none of that name; the known ones are listed.
    """
    if name not in _CLASSES:
        raise RunError(f"there is no procedure {name!r}; there are {', '.join(sorted(_CLASSES))}")
    return procedures()[name]
