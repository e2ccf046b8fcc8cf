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
        Stimuli with a width; readings, also those over range. A bridge whose current was measured beside its middle is
        read twice.
    device_time_s : float, unit s
        Sum of the widths of the pulses.
    instrument_time_s : float, unit s
        On the clock of the rack, at the last row.
    pulse_energy_j : float, unit J
        Sum of V^2 G t, G being the mean of the conductances that were read last before the pulse and first after it, or
        the former where there is no reading after it: the integral of V I for a cell that conducts linearly and changes
        evenly while it is pulsed. Pulses of cells that had not been read before are left out and counted.
    read_energy_j : float, unit J
        Sum of V I t of the readings, t being their integration time; the voltage also stands while a meter settles and
        finds its range, which is not counted. A bridge whose current was not measured carries what its cells, as they
        were read last, let through in series.
    pulses_without_energy, readings_without_energy : int
        Pulses whose cell had not been read before; readings without a current.
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
    readings_without_energy: int = 0
    further: dict[str, float] = field(default_factory=dict)
    trains: frozenset[str] = frozenset()
    write_path_s: float | None = None
    _last_s: dict[tuple[Any, Any], float] = field(default_factory=dict, repr=False)
    # of the pulses since the last reading: sum of V^2 t by cell
    _since_v2s: dict[tuple[Any, Any], float] = field(default_factory=dict, repr=False)

    def count(self, row: Mapping[str, Any], *, integration_s: float) -> None:
        """Count one row of the run file.

        Parameters
        ----------
        row : mapping of str to object
            By column label.
        integration_s : float, unit s
            Of a reading.
        """
        time_s = row.get("Time (s)")
        if time_s is not None:
            self.instrument_time_s = max(self.instrument_time_s, float(time_s))
        if row.get("Voltage (V)") is None:
            return
        shown = (row.get("Current (A)"), row.get("Conductance (S)"))
        if row.get("Width (s)") is None or shown != (None, None):
            self._count_reading(row, integration_s)
        else:
            self._count_pulse(row)

    def _count_reading(self, row: Mapping[str, Any], integration_s: float) -> None:
        cell, voltage_v = (row.get("Row"), row.get("Column")), float(row["Voltage (V)"])
        current_a, conductance_s = row.get("Current (A)"), row.get("Conductance (S)")
        measured = 1
        if row.get("Middle (V)") is not None:
            measured += current_a is not None
            both = ((row.get("Row"), row.get(name)) for name in ("Column", "Lower column"))
            in_series = [self._last_s[one] for one in both if self._last_s.get(one, 0.0) > 0.0]
            if current_a is None and len(in_series) == 2:
                current_a = voltage_v / sum(1.0 / one_s for one_s in in_series)
        self.readings += measured
        if current_a is None:
            self.readings_without_energy += measured
        else:
            self.read_energy_j += measured * abs(voltage_v * float(current_a)) * integration_s
        if conductance_s is not None:
            after_s, since_v2s = float(conductance_s), self._since_v2s.pop(cell, 0.0)
            if since_v2s:
                self.pulse_energy_j += 0.5 * since_v2s * (abs(after_s) - abs(self._last_s[cell]))
            self._last_s[cell] = after_s

    def _count_pulse(self, row: Mapping[str, Any]) -> None:
        cell, width_s = (row.get("Row"), row.get("Column")), float(row["Width (s)"])
        is_train = row.get("Event") in _TRAINS or row.get("Item") in self.trains
        count = int(row["Step"]) if is_train else 1
        self.pulses += count
        self.device_time_s += count * width_s
        carries_s = self._last_s.get(cell) if self.write_path_s is None else self.write_path_s
        if carries_s is None:
            self.pulses_without_energy += count
            return
        v2s = count * float(row["Voltage (V)"]) ** 2 * width_s
        self.pulse_energy_j += v2s * abs(carries_s)
        if self.write_path_s is None:
            self._since_v2s[cell] = self._since_v2s.get(cell, 0.0) + v2s

    def as_dict(self) -> dict[str, float]:
        """Return the counts as plain values.

        Returns
        -------
        dict of str to float
        """
        named = ("pulses", "readings", "device_time_s", "instrument_time_s", "pulse_energy_j", "read_energy_j")
        left_out = ("pulses_without_energy", "readings_without_energy")
        counted = {name: float(getattr(self, name)) for name in (*named, *left_out)}
        return counted | self.further


# rows that hold so many pulses as their column Step says; pulses of a round count as one
_TRAINS = frozenset({"train", "unread"})
