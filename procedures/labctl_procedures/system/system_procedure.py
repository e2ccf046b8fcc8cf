"""What the published systems share: steps that are procedures, computed parts, figures beside a paper's, a cost ledger.

Not here: the systems (one file each beside this one), networks (:mod:`labctl.networks`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from pymeasure.experiment import IntegerParameter, Parameter

from labctl.analysis.reproduction import Figure
from labctl.errors import LabError, RunError
from labctl.networks.images import DATA_VARIABLE
from labctl.run import LabProcedure
from labctl.run.preflight import Estimate
from labctl.run.procedure import Row
from labctl.run.station_defaults import merged_values
from labctl.station.paper import PaperStation
from labctl_procedures.array_procedure import COLUMNS, ArrayProcedure
from labctl_procedures.cell_port import CELL_COLUMNS
from labctl_procedures.inner_run import InnerRun
from labctl_procedures.sequence_turns import ITEM
from labctl_procedures.system.cost_ledger import CostLedger

__all__ = ["PlannedStep", "SystemProcedure"]

PlannedStep = tuple[str, str, Mapping[str, object]]
"""Label, procedure and its parameters."""

_COMPUTED = ["Quantity", "Setting", "Seed", "Value"]


class _NotComputed(dict[str, float]):
    """Values of a part that was not computed."""

    def __missing__(self, name: str) -> float:
        return float("nan")


class SystemProcedure(ArrayProcedure):
    """Base of the published systems; it measures nothing by itself.

    A system says in :meth:`planned_steps` which procedures it runs on the station, so that all of them are checked
    before anything is applied, and runs them with :meth:`step`; what it computes beside them it does in :meth:`part`
    and records with :meth:`computed`. Its results end in :meth:`conclude`.
    """

    data = Parameter(
        "Image folder",
        default="",
        description=f"Folder with MNIST or CIFAR-10; empty: the environment variable {DATA_VARIABLE}",
    )
    seeds = IntegerParameter(
        "Seeds",
        default=5,
        minimum=1,
        maximum=1000,
        description="Dies, networks or draws that means and spreads are over",
    )

    parameter_groups: ClassVar[Mapping[str, str]] = {"data": "Network", "seeds": "Network"}

    DATA_COLUMNS: ClassVar[list[str]] = list(dict.fromkeys([ITEM, *CELL_COLUMNS, *COLUMNS, *_COMPUTED]))

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._perform: Callable[..., Any] = super().perform
        self.ledger = CostLedger()
        self._current: LabProcedure | None = None
        self._done = 0.0
        self._figures: list[Figure] = []
        self._assumed: list[str] = []

    @classmethod
    def procedure_name(cls) -> str:
        """Return ``system.`` and the name of the file."""
        return "system." + cls.__module__.rpartition(".")[2]

    @property
    def is_rehearsed(self) -> bool:
        """Whether the station is one on paper: what takes long and applies nothing is then left out."""
        return isinstance(self.station, PaperStation)

    def planned_steps(self) -> Sequence[PlannedStep]:
        """Return the procedures that this system runs on the station, in their order."""
        return ()

    def check(self) -> None:
        """Refuse steps that cannot be run on this station.

        Raises
        ------
        LabError
            As the step says, with its label.
        """
        for planned in self.planned_steps():
            self._foreseen(planned)

    def stand_in(self, label: str, procedure: LabProcedure) -> None:
        """Give a planned step something in place of what only the run will know, so that it can be checked now.

        Nothing unless a system says what.

        Parameters
        ----------
        label : str
            One of :meth:`planned_steps`.
        procedure : LabProcedure
            Its procedure, set but not checked.
        """

    def estimate(self) -> Estimate | None:
        """Return the sum over the steps on the station; None where no step knows."""
        known = [self._foreseen(planned).estimate() for planned in self.planned_steps()]
        estimates = [one for one in known if one is not None]
        if not estimates:
            return None

        def largest(values: list[float | None]) -> float | None:
            return max((value for value in values if value is not None), default=None)

        return Estimate(
            sum(one.points for one in estimates),
            sum(one.duration_s for one in estimates),
            largest([one.voltage_v for one in estimates]),
            largest([one.current_a for one in estimates]),
            largest([one.width_s for one in estimates]),
        )

    def stand_down(self) -> None:
        """Let the present step, or the cells, switch off while the run waits."""
        if self._current is not None:
            self._current.stand_down()
        super().stand_down()

    def went_live(self, in_doubt: Row | None) -> None:
        """Let the present step look at its cells before a resumed run goes on.

        Parameters
        ----------
        in_doubt : mapping of str to float, int, str or None, or None
            Row of the stimulus that was cut.
        """
        if self._current is not None:
            self._current.went_live(in_doubt)
        else:
            super().went_live(in_doubt)

    def perform(self, plan: Row, do: Callable[[], Row | Sequence[Row]], *, stimulates: bool) -> list[dict[str, Any]]:
        """Do one unit of work and count what it cost.

        Parameters
        ----------
        plan, do, stimulates
            As :meth:`labctl.run.LabProcedure.perform` has them.

        Returns
        -------
        list of dict
            The rows of the run file.
        """
        # the engine's way to do it, which attach() has put into the instance
        rows = cast("list[dict[str, Any]]", self._perform(plan, do, stimulates=stimulates))
        plc = getattr(self._current, "integration", self.integration)
        for row in rows:
            self.ledger.count(row, integration_s=plc / self.station.content.line_frequency_hz)
        return rows

    def attach(self, *ways: Any, **named: Any) -> None:
        """Take the ways out, and count what goes through them; see :meth:`labctl.run.LabProcedure.attach`."""
        super().attach(*ways, **named)
        self._perform = self.__dict__.pop("perform", super().perform)

    def step(
        self,
        label: str,
        share: float,
        prepare: Callable[[LabProcedure], None] = lambda procedure: None,
        **values: object,
    ) -> InnerRun:
        """Run a planned step on the station.

        Parameters
        ----------
        label : str
            One of :meth:`planned_steps`.
        share : float, unit 1
            Of the whole run's progress.
        prepare : callable
            Called with the procedure before it is checked and runs, to hand it what no parameter holds.
        **values
            Parameters that were not known when the step was planned.

        Returns
        -------
        InnerRun
            Its arrays and results.

        Raises
        ------
        LabError
            If it is refused or fails.
        """
        known = {planned[0]: planned for planned in self.planned_steps()}
        _, name, planned_values = known[label]
        procedure = self._prepared(label, name, {**planned_values, **values}, prepare)
        inner = InnerRun(self, label, procedure, (self._done, share), {ITEM: label})
        self.emit("event", {"kind": "step", "message": f"{label}: {name}"})
        self._current = procedure
        try:
            inner.execute()
        finally:
            self._current = None
        self._advance(share)
        return inner

    @contextmanager
    def part(self, message: str, share: float) -> Iterator[Callable[[float], None]]:
        """Announce a part that is computed, not measured, with the outputs off; yield what reports its progress.

        Parameters
        ----------
        message : str
            What it is.
        share : float, unit 1
            Of the whole run's progress.

        Yields
        ------
        callable
            Takes the part that is done, 0 to 1; raises where an abort was asked for.
        """
        self.stand_down()
        self.emit("event", {"kind": "part", "message": message})
        begin = self._done
        yield lambda done: self.emit("progress", 100.0 * (begin + share * done))
        self._advance(share)

    def computed(
        self,
        label: str,
        do: Callable[[], Mapping[str, float]],
        *,
        seed: int | None = None,
        setting: float | str | None = None,
    ) -> dict[str, float]:
        """Compute values once: they are rows of the run, and a resumed run takes them from there.

        Parameters
        ----------
        label : str
            Of the part, in the column ``Item``.
        do : callable
            Returns values by name.
        seed : int or None
            Of the die, network or draw.
        setting : float, str or None
            What was varied.

        Returns
        -------
        dict of str to float
            NaN where there was no value; in a rehearsal nothing is computed, and every name has NaN.
        """
        if self.is_rehearsed:
            return _NotComputed()
        plan: dict[str, Any] = {ITEM: label, "Event": "computed", "Seed": seed, "Setting": setting}

        def rows() -> list[Row]:
            return [{"Quantity": name, "Value": float(value)} for name, value in do().items()]

        found = {str(row["Quantity"]): row["Value"] for row in self.perform(plan, rows, stimulates=False)}
        return {name: float("nan") if value is None else float(value) for name, value in found.items()}

    def compare(self, *figures: Figure) -> None:
        """Put figures beside those of the paper.

        Parameters
        ----------
        *figures : Figure
        """
        self._figures += figures

    def assume(self, *sentences: str) -> None:
        """Say what this run took for granted.

        Parameters
        ----------
        *sentences : str
        """
        self._assumed += sentences

    def conclude(self, paper: str, results: Mapping[str, object]) -> None:
        """Hand out the results, the figures, what is assumed, and what it cost.

        Parameters
        ----------
        paper : str
            Authors, journal and doi.
        results : mapping of str to object
            Further results.
        """
        self.emit(
            "summary",
            {
                **results,
                "paper": paper,
                "reproduction": [figure.as_dict() for figure in self._figures],
                "assumed": list(self._assumed),
                "ledger": self.ledger.as_dict(),
            },
        )

    def _foreseen(self, planned: PlannedStep) -> LabProcedure:
        """Return a step's procedure before the run."""
        return self._prepared(*planned, lambda procedure: self.stand_in(planned[0], procedure))

    def _prepared(
        self, label: str, name: str, values: Mapping[str, object], prepare: Callable[[LabProcedure], None]
    ) -> LabProcedure:
        """Return a step's procedure, set and checked; given values win over the station's."""
        # the registry imports this module
        from labctl_procedures import find_procedure

        kind = find_procedure(name)
        try:
            procedure = kind(**merged_values(kind, self.station_defaults, values).values)
            procedure.station = self.station
            prepare(procedure)
            procedure.check()
        except LabError as error:
            raise RunError(f"{self.procedure_name()}: step {label!r}: {error}") from error
        return procedure

    def _advance(self, share: float) -> None:
        self._done = min(1.0, self._done + share)
        self.emit("progress", 100.0 * self._done)
