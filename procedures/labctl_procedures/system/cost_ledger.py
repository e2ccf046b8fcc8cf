"""What a run on a station cost: pulses, readings, energy, time of the device and of the instruments.

Not here: energies that were measured (``pulse_energy``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CostLedger"]


@dataclass
class CostLedger:
    """Counts over the rows of a run.

    Attributes
    ----------
    pulses, readings : int
        Stimuli with a width; readings with a current or a conductance.
    device_time_s : float, unit s
        Sum of the widths of the pulses.
    instrument_time_s : float, unit s
        On the clock of the rack, at the last row.
    pulse_energy_j : float, unit J
        Sum of V^2 G t with the conductance that was read last before the pulse: the integral of V I for a cell that
        conducts linearly and changes little; pulses of cells that were never read are left out and counted.
    read_energy_j : float, unit J
        Sum of V I t of the readings, over one power line cycle of 20 ms each.
    pulses_without_energy : int
        Pulses whose cell had not been read before.
    further : dict of str to float
        What a system counts besides.
    trains : frozenset of str
        Steps (column ``Item``) whose rows hold so many pulses as their column ``Step`` says, such as endurance; rows
        whose event says so need no mention.
    write_path_s : float or None, unit S
        Conductance of what carries the pulses, where that is not what is read; then the energy of every pulse is known.
    """

    pulses: int = 0
    readings: int = 0
    device_time_s: float = 0.0
    instrument_time_s: float = 0.0
    pulse_energy_j: float = 0.0
    read_energy_j: float = 0.0
    pulses_without_energy: int = 0
    further: dict[str, float] = field(default_factory=dict)
    trains: frozenset[str] = frozenset()
    write_path_s: float | None = None
    _last_s: dict[tuple[Any, Any], float] = field(default_factory=dict, repr=False)

    def count(self, row: Mapping[str, Any]) -> None:
        """Count one row of the run file.

        Parameters
        ----------
        row : mapping of str to object
            By column label.
        """
        time_s = row.get("Time (s)")
        if time_s is not None:
            self.instrument_time_s = max(self.instrument_time_s, float(time_s))
        cell = (row.get("Row"), row.get("Column"))
        voltage_v, width_s = row.get("Voltage (V)"), row.get("Width (s)")
        current_a, conductance_s = row.get("Current (A)"), row.get("Conductance (S)")
        if current_a is not None or conductance_s is not None:
            self.readings += 1
            if current_a is not None and voltage_v is not None:
                self.read_energy_j += abs(float(voltage_v) * float(current_a)) * _LINE_CYCLE_S
            if conductance_s is not None:
                self._last_s[cell] = float(conductance_s)
        elif voltage_v is not None and width_s is not None:
            is_train = row.get("Event") in _TRAINS or row.get("Item") in self.trains
            count = int(row["Step"]) if is_train else 1
            self.pulses += count
            self.device_time_s += count * float(width_s)
            carries_s = self._last_s.get(cell) if self.write_path_s is None else self.write_path_s
            if carries_s is not None:
                self.pulse_energy_j += count * float(voltage_v) ** 2 * abs(carries_s) * float(width_s)
            else:
                self.pulses_without_energy += count

    def as_dict(self) -> dict[str, float]:
        """Return the counts as plain values.

        Returns
        -------
        dict of str to float
        """
        named = ("pulses", "readings", "device_time_s", "instrument_time_s", "pulse_energy_j", "read_energy_j")
        counted = {name: float(getattr(self, name)) for name in (*named, "pulses_without_energy")}
        return counted | self.further


_LINE_CYCLE_S = 0.02
# rows that hold so many pulses as their column Step says; pulses of a round count as one
_TRAINS = frozenset({"train", "unread"})
