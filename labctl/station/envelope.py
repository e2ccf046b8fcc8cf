"""The envelope around the roles: a stimulus that the station file does not allow is refused before a byte is sent.

What counts is what the sources *could* do, since the sample may be a short circuit:

voltage
    the largest difference between any two source terminals of the station and ground, counting the present level of
    every terminal, whether its output is on or not;
current
    the prepared current limit of a source-measure unit; level / 50 ohm for a pulse generator, which has no limit;
energy of one pulse or staircase step
    sum over its terminals of |level| x current limit x width for a source-measure unit, and of level² / (4 x 50 ohm) x
    width for a generator: a source can deliver no more than its available power.

Before an output goes on, the instrument is asked for its settings and its error queue: where they differ from what was
prepared, or where the queue holds anything, the output stays off.

Not here: the comparison with the limits (:mod:`labctl.station.guard`), relays (:mod:`labctl.station.switching`),
waveforms (:mod:`labctl.station.waveform_envelope`), what an instrument can do (the drivers refuse that), reading the
file (:mod:`labctl.station.station_file`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from labctl.errors import EnvelopeError, InstrumentError
from labctl.roles import PulseLimits, PulseSource, Reading, SourceMeter, SourceMeterLimits
from labctl.station.guard import Guard

__all__ = ["SOURCE_OHM", "EnvelopedPulseSource", "EnvelopedSourceMeter", "available_power_w"]

SOURCE_OHM = 50.0
"""Source impedance of a pulse generator, unit ohm."""


class EnvelopedSourceMeter:
    """A :class:`labctl.roles.SourceMeter` inside the envelope.

    Parameters
    ----------
    inner : SourceMeter
        The driver's channel.
    terminal : str
        Such as ``"smu1.a"``.
    guard : Guard
        Of the station.
    read_back : callable
        Asks the instrument whether it is set as it was told; raises InstrumentFault where it is not.
    """

    def __init__(self, inner: SourceMeter, terminal: str, guard: Guard, read_back: Callable[[], None]) -> None:
        self._inner = inner
        self._terminal = terminal
        self._guard = guard
        self._read_back = read_back
        self._key = terminal.partition(".")[0]
        self._current_limit_a = 0.0
        # whether the level is that of prepare() still
        self._is_fresh = False
        guard.levels_v[terminal] = 0.0
        guard.standing.add(terminal)
        limits, envelope = inner.limits, guard.envelope
        self.limits = SourceMeterLimits(
            max_voltage_v=min(limits.max_voltage_v, envelope.voltage_v),
            max_current_a=min(limits.max_current_a, envelope.current_a),
            min_pulse_s=limits.min_pulse_s,
        )

    def prepare(
        self,
        *,
        voltage_range_v: float,
        current_limit_a: float,
        measure_range_a: float | None,
        integration_plc: float,
    ) -> None:
        """Set up the channel as a voltage source at 0 V, with a current limit inside the envelope.

        Parameters
        ----------
        voltage_range_v : float, unit V
            Not limited: levels are.
        current_limit_a : float, unit A
        measure_range_a : float or None, unit A
        integration_plc : float, unit 1

        Raises
        ------
        EnvelopeError
            If the current limit is above the envelope; nothing is sent.
        """
        self._guard.check_current(self._terminal, "current limit", current_limit_a)
        self._guard.prepared.discard(self._terminal)
        self._inner.prepare(
            voltage_range_v=voltage_range_v,
            current_limit_a=current_limit_a,
            measure_range_a=measure_range_a,
            integration_plc=integration_plc,
        )
        self._take_prepared(current_limit_a)

    def output_on(self) -> None:
        """Connect the output, once the instrument has said that range and limit are as prepared.

        Raises
        ------
        EnvelopeError
            If :meth:`prepare` did not set a current limit, or the level is in doubt; nothing is sent.
        InstrumentFault
            If the instrument says otherwise or complains; the output stays off.
        """
        self._known_limit_a()
        if not self._is_fresh:
            self._guard.check_known(self._terminal)
        self._read_back()
        self._guard.is_known(self._terminal)
        self._guard.on.add(self._terminal)
        self._inner.output_on()

    def output_off(self) -> None:
        """Disconnect the output."""
        self._inner.output_off()
        self._guard.on.discard(self._terminal)

    def set_voltage(self, voltage_v: float) -> None:
        """Set the source level.

        Parameters
        ----------
        voltage_v : float, unit V

        Raises
        ------
        EnvelopeError
            If the level, with those of the other terminals, is outside the envelope, or no current limit was
            prepared, or another level than 0 V is asked for while one is in doubt; nothing is sent.
        """
        # 0 V is the way to safety, whatever is known
        if voltage_v != 0.0:
            self._known_limit_a()
            self._guard.check_known(self._terminal)
        self._guard.check_levels(self._terminal, {self._terminal: voltage_v})
        self._is_fresh = False
        with self._guard.stimulating((self._terminal,), 0.0):
            self._inner.set_voltage(voltage_v)
        self._guard.levels_v[self._terminal] = voltage_v

    def rest(self) -> None:
        """Go to 0 V if the output may be on; a level that is in doubt stays so until it is read back."""
        if self._terminal in self._guard.on or self._terminal in self._guard.in_doubt:
            self.set_voltage(0.0)

    def measure_current(self) -> Reading:
        """Integrate and return the current.

        Returns
        -------
        Reading
        """
        try:
            return self._inner.measure_current()
        except InstrumentError as error:
            self._guard.distrust(self._key, error)
            raise

    def measure_voltage(self) -> Reading:
        """Integrate and return the voltage at the terminals.

        Returns
        -------
        Reading
        """
        try:
            return self._inner.measure_voltage()
        except InstrumentError as error:
            self._guard.distrust(self._key, error)
            raise

    def staircase(self, levels_v: Sequence[float], *, dwell_s: float) -> list[Reading]:
        """Step through ``levels_v``; each step is a stimulus.

        Parameters
        ----------
        levels_v : sequence of float, unit V
        dwell_s : float, unit s
            Of each step.

        Returns
        -------
        list of Reading

        Raises
        ------
        EnvelopeError
            If a step is outside the envelope, or a level is in doubt; nothing is sent.
        """
        limit_a = self._known_limit_a()
        self._guard.check_known(self._terminal)
        for level_v in (min(levels_v, default=0.0), max(levels_v, default=0.0), *_not_numbers(levels_v)):
            self._guard.check_levels(self._terminal, {self._terminal: level_v})
            self._guard.check_stimulus(self._terminal, dwell_s, abs(level_v) * limit_a)
        self._is_fresh = False
        with self._guard.stimulating((self._terminal,), dwell_s * len(levels_v)):
            readings = self._inner.staircase(levels_v, dwell_s=dwell_s)
        self._guard.levels_v[self._terminal] = 0.0
        return readings

    def pulse(self, level_v: float, *, width_s: float, partner: SourceMeter | None, partner_level_v: float) -> None:
        """Give one pulse, with ``partner`` if there is one.

        Parameters
        ----------
        level_v : float, unit V
        width_s : float, unit s
        partner : SourceMeter or None
            From the same station.
        partner_level_v : float, unit V

        Raises
        ------
        EnvelopeError
            If the pulse is outside the envelope, no current limit was prepared, or a level is in doubt; nothing is
            sent.
        TypeError
            If ``partner`` is not another channel of the same station.
        """
        levels_v, power_w, inner_partner = {self._terminal: level_v}, abs(level_v) * self._known_limit_a(), partner
        if isinstance(partner, EnvelopedSourceMeter) and partner._guard is self._guard and partner is not self:
            levels_v[partner._terminal] = partner_level_v
            power_w += abs(partner_level_v) * partner._known_limit_a()
            inner_partner = partner._inner
            partner._is_fresh = False
        elif partner is not None:
            raise TypeError(
                f"{self._terminal}: the partner of a pulse must be another channel of the same station, got {partner!r}"
            )
        self._guard.check_known(self._terminal)
        self._guard.check_levels(self._terminal, levels_v)
        self._guard.check_stimulus(self._terminal, width_s, power_w)
        self._is_fresh = False
        with self._guard.stimulating(levels_v, width_s):
            self._inner.pulse(level_v, width_s=width_s, partner=inner_partner, partner_level_v=partner_level_v)
        for terminal in levels_v:
            self._guard.levels_v[terminal] = 0.0

    @property
    def prepared_limit_a(self) -> float | None:
        """Compliance that was prepared, unit A; None before that, and where the instrument may have lost it."""
        return self._current_limit_a if self._terminal in self._guard.prepared else None

    def _take_prepared(self, current_limit_a: float) -> None:
        """Take note that the channel is prepared, at 0 V."""
        self._current_limit_a = current_limit_a
        self._guard.levels_v[self._terminal] = 0.0
        self._guard.prepared.add(self._terminal)
        self._is_fresh = True

    def _known_limit_a(self) -> float:
        if self._terminal not in self._guard.prepared:
            raise EnvelopeError(f"{self._terminal}: the current limit is not known; call prepare() first")
        return self._current_limit_a


class EnvelopedPulseSource:
    """A :class:`labctl.roles.PulseSource` inside the envelope.

    Parameters
    ----------
    inner : PulseSource
        The driver.
    key : str
        Key of the instrument, such as ``"gen1"``.
    guard : Guard
        Of the station.
    read_back : callable
        Asks the instrument whether it is set as it was told; raises InstrumentFault where it is not.
    """

    def __init__(self, inner: PulseSource, key: str, guard: Guard, read_back: Callable[[], None]) -> None:
        self._inner = inner
        self._key = key
        self._guard = guard
        self._read_back = read_back
        self._width_s = 0.0
        self.outputs = inner.outputs
        self._terminals = {output: f"{key}.{output}" for output in inner.outputs}
        guard.levels_v.update(dict.fromkeys(self._terminals.values(), 0.0))
        limits, envelope = inner.limits, guard.envelope
        self.limits = PulseLimits(
            min_width_s=limits.min_width_s,
            max_width_s=min(limits.max_width_s, envelope.pulse_width_s),
            min_edge_s=limits.min_edge_s,
            max_level_v=min(limits.max_level_v, envelope.voltage_v, envelope.current_a * SOURCE_OHM),
        )

    def prepare(self, *, width_s: float, edge_s: float) -> None:
        """Set up every output for one single pulse per trigger.

        Parameters
        ----------
        width_s, edge_s : float, unit s

        Raises
        ------
        EnvelopeError
            If the width, with the present levels, is outside the envelope; nothing is sent.
        """
        levels_v = (self._guard.levels_v[terminal] for terminal in self._terminals.values())
        self._guard.check_stimulus(self._key, width_s, available_power_w(levels_v))
        self._guard.prepared.discard(self._key)
        self._inner.prepare(width_s=width_s, edge_s=edge_s)
        self._width_s = width_s
        self._guard.prepared.add(self._key)

    def set_levels(self, levels_v: Mapping[int, float]) -> None:
        """Set the plateau of each named output.

        Parameters
        ----------
        levels_v : mapping of int to float, unit V
            Plateau by output; one that is not named stays at 0 V.

        Raises
        ------
        EnvelopeError
            If a level is outside the envelope, no width was prepared, or a level is in doubt; nothing is sent.
        """
        width_s = self._known_width_s()
        self._guard.check_known(self._key)
        levels = {terminal: levels_v.get(output, 0.0) for output, terminal in self._terminals.items()}
        self._guard.check_levels(self._key, levels)
        for terminal, level_v in levels.items():
            self._guard.check_current(terminal, "level / 50 ohm", abs(level_v) / SOURCE_OHM)
        self._guard.check_stimulus(self._key, width_s, available_power_w(levels.values()))
        known = f"{self._key}.levels"
        self._guard.prepared.discard(known)
        with self._guard.stimulating(levels, 0.0):
            self._inner.set_levels(levels_v)
        self._guard.levels_v.update(levels)
        self._guard.prepared.add(known)

    def output_on(self) -> None:
        """Connect every output, once the instrument has said that width and levels are as prepared.

        Raises
        ------
        EnvelopeError
            If no width was prepared, or a level is in doubt; nothing is sent.
        InstrumentFault
            If the instrument says otherwise or complains; the outputs stay off.
        """
        self._check_prepared()
        self._guard.check_known(self._key)
        self._read_back()
        self._guard.on.update(self._terminals.values())
        self._inner.output_on()

    def output_off(self) -> None:
        """Disconnect every output."""
        self._inner.output_off()
        self._guard.on.difference_update(self._terminals.values())

    def fire(self) -> None:
        """Trigger one pulse.

        Raises
        ------
        EnvelopeError
            If no width was prepared, no levels were set, or a level is in doubt; nothing is sent.
        """
        width_s = self._known_width_s()
        if f"{self._key}.levels" not in self._guard.prepared:
            raise EnvelopeError(f"{self._key}: the levels are not known; call set_levels() first")
        self._guard.check_known(self._key)
        with self._guard.stimulating(self._terminals.values(), width_s):
            self._inner.fire()

    def _check_prepared(self) -> None:
        self._known_width_s()

    def _known_width_s(self) -> float:
        if self._key not in self._guard.prepared:
            raise EnvelopeError(f"{self._key}: the pulse width is not known; call prepare() first")
        return self._width_s


def available_power_w(levels_v: Iterable[float]) -> float:
    """Return the most that the outputs of a generator can deliver.

    Parameters
    ----------
    levels_v : iterable of float, unit V
        Of each output, into an open circuit.

    Returns
    -------
    float, unit W
    """
    return sum(level_v * level_v for level_v in levels_v) / (4.0 * SOURCE_OHM)


def _not_numbers(levels_v: Sequence[float]) -> list[float]:
    return [level_v for level_v in levels_v if level_v != level_v]
