"""The roles of a station by name, each inside the envelope: what a real rack and a paper one share.

Not here: the rules (:mod:`labctl.station.envelope`, :mod:`labctl.station.switching`), where the roles come from
(:mod:`labctl.station.station`, :mod:`labctl.station.paper`).
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from labctl.errors import StationError
from labctl.roles import PulseSource, SourceMeter, SwitchMatrix, TemperatureController
from labctl.station.envelope import EnvelopedPulseSource, EnvelopedSourceMeter
from labctl.station.guard import Guard
from labctl.station.heating import EnvelopedTemperatureController
from labctl.station.present import connected_lines, present_outputs
from labctl.station.station_file import Envelope, Sample, StationFile
from labctl.station.switching import EnvelopedSwitchMatrix
from labctl.station.wiring import Wiring

__all__ = ["EnvelopedRoles"]

_T = TypeVar("_T")


class EnvelopedRoles:
    """What a procedure sees of the instruments of a station; a subclass fills the maps of roles.

    Parameters
    ----------
    content : StationFile
        The file.

    Attributes
    ----------
    name, file : str
        From the station file.
    content : StationFile
        All of it, with its text.
    sample, wiring, envelope
        Tables of the station file.
    """

    def __init__(self, content: StationFile) -> None:
        self.content = content
        self.name, self.file = content.name, content.file
        self.sample: Sample = content.sample
        self.wiring: Wiring = content.wiring
        self.envelope: Envelope = content.envelope
        self._guard = Guard(content.envelope, content.file)
        self._source_meters: dict[str, EnvelopedSourceMeter] = {}
        self._pulse_sources: dict[str, EnvelopedPulseSource] = {}
        self._switches: dict[str, EnvelopedSwitchMatrix] = {}
        self._heater: EnvelopedTemperatureController | None = None

    def named(self, terminal: str) -> str:
        """Return how messages call the instrument of a terminal: its key and the model that the file expects.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"`` or ``"gen1"``.

        Returns
        -------
        str
            Such as ``"smu1 (Keithley2450)"``.
        """
        key = terminal.partition(".")[0]
        return f"{key} ({self.content.instruments[key].driver.rpartition('.')[2]})"

    def source_meter(self, terminal: str) -> SourceMeter:
        """Return a channel of a source-measure unit, such as ``"smu1.a"``, inside the envelope.

        Parameters
        ----------
        terminal : str

        Returns
        -------
        SourceMeter
            The same object each time.

        Raises
        ------
        StationError
            If there is none; the known ones are listed.
        """
        return self._role("source-measure channel", self._source_meters, terminal)

    def pulse_source(self, key: str) -> PulseSource:
        """Return a pulse generator, such as ``"gen1"``, inside the envelope.

        Parameters
        ----------
        key : str

        Returns
        -------
        PulseSource
            The same object each time.

        Raises
        ------
        StationError
            If there is none; the known ones are listed.
        """
        return self._role("pulse generator", self._pulse_sources, key)

    def switch_matrix(self, key: str) -> SwitchMatrix:
        """Return a switch matrix, such as ``"mat1"``, whose relays move only while every source stands at 0 V.

        Parameters
        ----------
        key : str

        Returns
        -------
        SwitchMatrix
            The same object each time.

        Raises
        ------
        StationError
            If there is none; the known ones are listed.
        """
        return self._role("switch matrix", self._switches, key)

    def temperature_controller(self) -> TemperatureController:
        """Return the controller of the sample's temperature, inside the envelope.

        Returns
        -------
        TemperatureController
            The same object each time.

        Raises
        ------
        StationError
            If the station has none.
        """
        if self._heater is None:
            raise StationError(
                f"{self.file}: this station has no temperature controller; name one in a table [temperature], with its"
                " limit in envelope.temperature_k"
            )
        return self._heater

    def present(self) -> dict[str, Any]:
        """Tell what outputs, relays and lines were told to be; nothing is asked of an instrument. Any thread may.

        Returns
        -------
        dict
            Ready for JSON. ``outputs`` as :func:`labctl.station.present.present_outputs`, with ``limit_a`` (prepared
            compliance, unit A; None: not prepared); ``relays``: closed crosspoints by matrix, None where that is not
            known; ``lines`` as :func:`labctl.station.present.connected_lines`; ``heaters``: whether each is on, or may
            be; ``temperature_k``: last reading, unit K, None without one.
        """
        relays = {key: switch.wanted for key, switch in self._switches.items()}
        outputs = present_outputs(self._guard)
        for terminal, meter in self._source_meters.items():
            outputs[terminal]["limit_a"] = meter.prepared_limit_a
        return {
            "outputs": outputs,
            "relays": {key: None if closed is None else sorted(closed) for key, closed in relays.items()},
            "lines": connected_lines(self.wiring, relays),
            "heaters": dict(self._guard.heaters),
            "temperature_k": None if self._heater is None else self._heater.last_measured_k,
        }

    def _role(self, kind: str, known: Mapping[str, _T], name: str) -> _T:
        if name not in known:
            raise StationError(f"{self.file}: there is no {kind} {name!r}; there are {', '.join(known) or 'none'}")
        return known[name]
