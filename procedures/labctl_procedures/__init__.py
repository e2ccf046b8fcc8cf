"""PyMeasure procedures, one per file. To add one, see README.md beside this package."""

from labctl.errors import RunError
from labctl.run import LabProcedure

__all__ = ["find_procedure", "procedures"]


def procedures() -> dict[str, type[LabProcedure]]:
    """Return the procedures by name; they are imported here, not before."""
    from labctl_procedures.form_array import FormArray
    from labctl_procedures.program_array import ProgramArray
    from labctl_procedures.read_array import ReadArray

    classes: tuple[type[LabProcedure], ...] = (FormArray, ProgramArray, ReadArray)
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
