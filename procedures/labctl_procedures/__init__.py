"""PyMeasure procedures, one per file. To add one, see README.md beside this package."""

from labctl.errors import RunError
from labctl.run import LabProcedure

__all__ = ["find_procedure", "procedures"]


def procedures() -> dict[str, type[LabProcedure]]:
    """Return the procedures by name; they are imported here, not before."""
    from labctl_procedures.check_contacts import CheckContacts
    from labctl_procedures.count_states import CountStates
    from labctl_procedures.cycle_statistics import CycleStatistics
    from labctl_procedures.domain_wall_map import DomainWallMap
    from labctl_procedures.ecram_update import EcramUpdate
    from labctl_procedures.endurance import Endurance
    from labctl_procedures.form_array import FormArray
    from labctl_procedures.form_dc import FormDc
    from labctl_procedures.half_select_disturb import HalfSelectDisturb
    from labctl_procedures.ladder_compliance import LadderCompliance
    from labctl_procedures.ladder_stop_voltage import LadderStopVoltage
    from labctl_procedures.map_array import MapArray
    from labctl_procedures.map_pulses import MapPulses
    from labctl_procedures.multiply_vectors import MultiplyVectors
    from labctl_procedures.paired_pulse import PairedPulse
    from labctl_procedures.potentiate_depress import PotentiateDepress
    from labctl_procedures.program_array import ProgramArray
    from labctl_procedures.pulse_energy import PulseEnergy
    from labctl_procedures.read_array import ReadArray
    from labctl_procedures.read_disturb import ReadDisturb
    from labctl_procedures.read_noise import ReadNoise
    from labctl_procedures.retention import Retention
    from labctl_procedures.sequence import Sequence
    from labctl_procedures.stdp import Stdp
    from labctl_procedures.sweep_iv import SweepIv
    from labctl_procedures.volatility import Volatility
    from labctl_procedures.write_verify import WriteVerify

    classes: tuple[type[LabProcedure], ...] = (
        CheckContacts,
        CountStates,
        CycleStatistics,
        DomainWallMap,
        EcramUpdate,
        Endurance,
        FormArray,
        FormDc,
        HalfSelectDisturb,
        LadderCompliance,
        LadderStopVoltage,
        MapArray,
        MapPulses,
        MultiplyVectors,
        PairedPulse,
        PotentiateDepress,
        ProgramArray,
        PulseEnergy,
        ReadArray,
        ReadDisturb,
        ReadNoise,
        Retention,
        Sequence,
        Stdp,
        SweepIv,
        Volatility,
        WriteVerify,
    )
    return {procedure.procedure_name(): procedure for procedure in classes}


def find_procedure(name: str) -> type[LabProcedure]:
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
    known = procedures()
    if name not in known:
        raise RunError(f"there is no procedure {name!r}; there are {', '.join(sorted(known))}")
    return known[name]
