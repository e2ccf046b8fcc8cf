"""From one turn of a sequence's loop to the next: another die in the rack, another temperature of the sample.

On a simulated rack a name is a die of its own, put in by the program. On a real one somebody puts it in, and the run
waits, outputs and heater off, until that is confirmed. Not here: the file (:mod:`labctl_procedures.sequence_file`), the
steps (:mod:`labctl_procedures.sequence`).
"""

from collections.abc import Iterable

from labctl.errors import Aborted, RunError
from labctl.run import LabProcedure
from labctl.run.procedure import Row
from labctl_procedures.sample_heater import HEATING_S, SampleHeater, read_temperatures
from labctl_procedures.sequence_file import Step, Turn

__all__ = ["DIE", "ITEM", "SequenceTurns"]

ITEM, DIE = "Item", "Die"
# assumed, a small hot stage: as retention has them
_BAND_K, _TIMEOUT_S = 0.5, 1800.0
_ASK_S = 5.0


class SequenceTurns:
    """Die and temperature of the present turn.

    Parameters
    ----------
    procedure : LabProcedure
        Whose rows the changes become.
    """

    def __init__(self, procedure: LabProcedure) -> None:
        self._procedure = procedure
        self._turn = Turn()
        self._die_in: str | None = None
        self._heater: SampleHeater | None = None

    def check(self, steps: Iterable[tuple[Step, LabProcedure]], file: str) -> None:
        """Refuse temperatures that the station cannot have, or that a step would change.

        Parameters
        ----------
        steps : iterable of (Step, LabProcedure)
        file : str
            For messages.

        Raises
        ------
        RunError
            If a temperature is none or out of limits, or a step sets its own.
        StationError
            If the station has no temperature controller.
        """
        for step, procedure in steps:
            if step.turn.temperature is None:
                continue
            if getattr(procedure, "temperatures", ""):
                raise RunError(
                    f"{step.place}, {step.label!r}: {step.procedure} sets temperatures of its own; leave its parameter "
                    "temperatures empty, or the loop's out"
                )
            value_k = _kelvin(step.turn.temperature, file)
            limits = self._procedure.station.temperature_controller().limits
            if not limits.lowest_k <= value_k <= limits.highest_k:
                raise RunError(
                    f"{file}: loop.temperatures: must be {limits.lowest_k:g} K to {limits.highest_k:g} K on this "
                    f"station, got {value_k:g} K; lower it, or change envelope.temperature_k of the station file"
                )

    @staticmethod
    def duration_s(steps: Iterable[Step]) -> float:
        """Return the rough time of heating, unit s; how long somebody takes to change a die is not in it.

        Parameters
        ----------
        steps : iterable of Step
        """
        return HEATING_S * len({step.turn for step in steps if step.turn.temperature is not None})

    def go_to(self, turn: Turn, file: str) -> None:
        """Bring the rack to a turn; a resumed run recalls it.

        Parameters
        ----------
        turn : Turn
        file : str
            For messages.

        Raises
        ------
        RunError
            If a temperature does not become stable in time.
        Aborted
            If an abort was asked for while the run waited for a die.
        """
        plan = {ITEM: turn.prefix.rstrip("-"), DIE: turn.die}
        is_other_die = turn.die != self._turn.die
        if is_other_die and turn.die is not None:
            self._change_die(turn.die, plan)
        if turn.temperature is not None and (is_other_die or turn.temperature != self._turn.temperature):
            if self._heater is None:
                self._heater = SampleHeater(self._procedure, band_k=_BAND_K, timeout_s=_TIMEOUT_S)
            self._heater.bring_to(_kelvin(turn.temperature, file), plan)
        self._turn = turn

    def finish(self) -> None:
        """Switch the heater off after the last turn."""
        if self._heater is not None:
            self._heater.off({ITEM: self._turn.prefix.rstrip("-"), DIE: self._turn.die})

    def go_on(self) -> None:
        """Before a resumed run goes on: the die must be in again, or still, and the sample at its temperature."""
        if self._die_in is not None:
            self._put_in(self._die_in)
        if self._heater is not None:
            self._heater.go_on()

    def _change_die(self, die: str, plan: Row) -> None:
        self._die_in = None
        if self._heater is not None:
            self._heater.off(plan)

        def change() -> Row:
            self._put_in(die)
            return {"Time (s)": self._procedure.elapsed_s()}

        # doing it again changes nothing: who is asked twice says twice that it is in
        self._procedure.perform({"Event": "die", **plan}, change, stimulates=False)
        self._die_in = die

    def _put_in(self, die: str) -> None:
        station = self._procedure.station
        station.safe_off()
        if station.simulated:
            station.insert_die(die)
            seed = (station.bench_info or {}).get("seed")
            self._note("die", f"{die}: a simulated die, seed {seed}")
        else:
            self._wait_for_operator(die)

    def _wait_for_operator(self, die: str) -> None:
        """Wait until somebody says that the die is in."""
        self._note("operator", f"put die {die} into the rack, then confirm with `labctl do RUN die {die}`")
        while True:
            request = self._procedure.next_request(_ASK_S)
            if request is None:
                if self._procedure.should_stop():
                    raise Aborted(f"the run was waiting for die {die}")
                continue
            action, named = str(request.get("action")), str(request.get("cell"))
            if action == "die" and named.casefold() == die.casefold():
                self._note("answer", f"#{request.get('number')} die {die} is in")
                return
            told = f"#{request.get('number')} the run waits for die {die}, got {action} {named}"
            self._note("refused", f"{told}; confirm with `labctl do RUN die {die}`")

    def _note(self, kind: str, message: str) -> None:
        self._procedure.emit("event", {"kind": kind, "message": message})


def _kelvin(text: str, file: str) -> float:
    try:
        (value_k,) = read_temperatures(text)
    except ValueError as error:
        raise RunError(f"{file}: loop.temperatures: {error}; give temperatures such as '350 K'") from error
    return value_k
