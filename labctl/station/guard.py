"""The rules of a station's envelope: which levels, currents and pulses are refused, and the words of the refusal.

Voltage is the largest difference between any two source terminals of the station and ground, counting the level that
every terminal was last given, whether its output is on or not.

Cold switching: a relay moves only while every source with its output on stands at 0 V. A pulse generator stands at its
0 V base between pulses. A terminal whose last stimulus was sent and not confirmed, or whose output was found on when
nobody here had switched it on, is *in doubt*: nothing is known of its level, so that neither relays move nor other
stimuli are given until it has been read back.

Not here: the roles that ask before they send (:mod:`labctl.station.envelope`), the file
(:mod:`labctl.station.station_file`).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import inf

from labctl.errors import EnvelopeError, InstrumentError, UnconfirmedError
from labctl.station.station_file import Envelope

__all__ = ["Guard"]


class Guard:
    """The envelope of one station and the present levels of all its source terminals.

    Parameters
    ----------
    envelope : Envelope
        The limits.
    file : str
        The station file, for messages.

    Attributes
    ----------
    levels_v : dict of str to float, unit V
        What every terminal was last told, the plateau of a pulse generator.
    standing : set of str
        Terminals whose level stands while their output is on: not those of a pulse generator.
    on : set of str
        Terminals whose output is on, or may be.
    in_doubt : dict of str to float, unit s
        Terminals whose level is not known, with the longest time that their last stimulus can still last.
    changing : frozenset of str
        Those of them whose stimulus is on its way this moment, so that the doubt is no cause for worry yet.
    prepared : set of str
        Terminals, keys of pulse generators, and these with ``.levels``, whose settings are known.
    heaters : dict of str to bool
        Keys of temperature controllers, and whether their heater is on, or may be.
    """

    def __init__(self, envelope: Envelope, file: str) -> None:
        self.envelope = envelope
        self._file = file
        self.levels_v: dict[str, float] = {}
        self.standing: set[str] = set()
        self.on: set[str] = set()
        self.in_doubt: dict[str, float] = {}
        self.changing: frozenset[str] = frozenset()
        self.prepared: set[str] = set()
        self.heaters: dict[str, bool] = {}

    @contextmanager
    def stimulating(self, terminals: Collection[str], lasting_s: float) -> Iterator[None]:
        """Count terminals as in doubt from the first byte of a stimulus until it is confirmed.

        Parameters
        ----------
        terminals : collection of str
        lasting_s : float, unit s
            How long the stimulus lasts.
        """
        before = self.in_doubt
        self.changing = frozenset(terminals)
        self.in_doubt = before | dict.fromkeys(terminals, lasting_s)
        try:
            yield
        except ValueError:
            # a driver refuses with it before a byte is sent
            self.in_doubt = before
            raise
        except InstrumentError as error:
            for terminal in terminals:
                self.distrust(terminal.partition(".")[0], error)
            raise
        finally:
            self.changing = frozenset()
        self.in_doubt = before

    def distrust(self, key: str, error: InstrumentError) -> None:
        """Take note that an instrument may have lost its settings: it must be prepared anew before a stimulus.

        Parameters
        ----------
        key : str
            Of the instrument, such as ``"smu1"``.
        error : InstrumentError
            What came of speaking to it. A missing confirmation alone does not count, if the link was mended and the
            settings were read back then: that leaves no note in the error.
        """
        if isinstance(error, UnconfirmedError) and not getattr(error, "__notes__", []):
            return
        self.unprepare(key)

    def unprepare(self, key: str) -> None:
        """Take note that the settings of an instrument are no longer known.

        Parameters
        ----------
        key : str
            Of the instrument, such as ``"smu1"``.
        """
        self.prepared = {name for name in self.prepared if name.partition(".")[0] != key}

    def check_known(self, terminal: str) -> None:
        """Refuse a stimulus while the level of a terminal is in doubt.

        Parameters
        ----------
        terminal : str
            Which asks, for the message.

        Raises
        ------
        EnvelopeError
            If one is.
        """
        if self.in_doubt:
            doubtful = ", ".join(self.in_doubt)
            raise EnvelopeError(
                f"{terminal}: the level of {doubtful} is not known: its last stimulus was not confirmed, or its output "
                f"was found on; call resynchronise() or safe_off() of the station ({self._file}); nothing was sent"
            )

    def check_cold(self, switch: str) -> None:
        """Refuse to move relays under a voltage.

        Parameters
        ----------
        switch : str
            Key of the matrix, for the message.

        Raises
        ------
        EnvelopeError
            If a source with its output on stands at another level than 0 V, or its level is in doubt.
        """
        for terminal in self.on:
            level_v = self.levels_v[terminal]
            if terminal in self.in_doubt:
                stands = "may stand at any level, as its last stimulus was not confirmed or it was found so,"
            elif level_v != 0.0 and terminal in self.standing:
                stands = f"stands at {level_v:.6g} V"
            else:
                continue
            raise EnvelopeError(
                f"{switch}: relays move only while every source stands at 0 V or is off (cold switching); {terminal} "
                f"{stands} with its output on; set it to 0 V or switch it off first ({self._file}); nothing was sent"
            )

    def was_reset(self, key: str) -> None:
        """Take note that an instrument is in its power-on state: nothing prepared, levels 0 V, outputs off.

        Parameters
        ----------
        key : str
            Of the instrument, such as ``"smu1"``.
        """
        self.unprepare(key)
        self.levels_v |= {terminal: 0.0 for terminal in self.levels_v if terminal.partition(".")[0] == key}
        self.is_off(key)
        self.is_known(key)

    def is_found_on(self, key: str) -> None:
        """Take note that an instrument was read back as not off; unless switched on here, its levels are in doubt.

        Parameters
        ----------
        key : str
            Of the instrument, such as ``"smu1"``.
        """
        if key in self.heaters:
            self.heaters[key] = True
        found = {terminal for terminal in self.levels_v if terminal.partition(".")[0] == key}
        if found & self.on:
            return
        self.unprepare(key)
        self.on |= found
        self.in_doubt = self.in_doubt | dict.fromkeys(found, 0.0)

    def is_off(self, key: str) -> None:
        """Take note that an instrument was read back as off.

        Parameters
        ----------
        key : str
            Of the instrument, such as ``"smu1"``.
        """
        self.on = {terminal for terminal in self.on if terminal.partition(".")[0] != key}
        if key in self.heaters:
            self.heaters[key] = False

    def is_known(self, name: str) -> None:
        """Take note that the level of a terminal, or those of an instrument, are no longer in doubt.

        Parameters
        ----------
        name : str
            Such as ``"smu1.a"`` or ``"smu1"``.
        """
        self.in_doubt = {
            terminal: last_s
            for terminal, last_s in self.in_doubt.items()
            if name not in (terminal, terminal.partition(".")[0])
        }

    def check_levels(self, terminal: str, changes_v: dict[str, float]) -> None:
        """Refuse levels that would put too much voltage between two terminals, or a terminal and ground.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"``, for the message.
        changes_v : dict of str to float, unit V
            New levels by terminal; the others stay.

        Raises
        ------
        EnvelopeError
            If they would.
        """
        low_v = high_v = 0.0
        for level_v in (self.levels_v | changes_v).values():
            # what is no number is not less than anything
            if not abs(level_v) < inf:
                self.refuse(terminal, "level", level_v, "V", "voltage_v", self.envelope.voltage_v)
            low_v = min(low_v, level_v)
            high_v = max(high_v, level_v)
        if high_v - low_v > self.envelope.voltage_v:
            what = "voltage between source terminals and ground"
            self.refuse(terminal, what, high_v - low_v, "V", "voltage_v", self.envelope.voltage_v)

    def check_current(self, terminal: str, what: str, current_a: float) -> None:
        """Refuse a current above the envelope.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"``, for the message.
        what : str
            What the current is, for the message.
        current_a : float, unit A

        Raises
        ------
        EnvelopeError
            If it is above.
        """
        if not current_a <= self.envelope.current_a:
            self.refuse(terminal, what, current_a, "A", "current_a", self.envelope.current_a)

    def check_stimulus(self, terminal: str, width_s: float, power_w: float) -> None:
        """Refuse a pulse that is too long or could carry too much energy.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"``, for the message.
        width_s : float, unit s
            Of a pulse or step.
        power_w : float, unit W
            What the sources could deliver at most.

        Raises
        ------
        EnvelopeError
            If it is or could.
        """
        if not width_s <= self.envelope.pulse_width_s:
            self.refuse(terminal, "width", width_s, "s", "pulse_width_s", self.envelope.pulse_width_s)
        if not power_w * width_s <= self.envelope.energy_j:
            self.refuse(terminal, "energy of one stimulus", power_w * width_s, "J", "energy_j", self.envelope.energy_j)

    def refuse(self, terminal: str, what: str, value: float, unit: str, key: str, limit: float) -> None:
        """Raise the refusal.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"``, for the message.
        what : str
            Which quantity.
        value, limit : float, unit as ``unit`` says
            What was asked and what is allowed.
        unit : str
        key : str
            Key in the table of the envelope.

        Raises
        ------
        EnvelopeError
            Always.
        """
        raise EnvelopeError(
            f"{terminal}: {what} must be at most {limit:.6g} {unit} for this station, got {value:.6g} {unit} "
            f"({self._file}, envelope.{key}); lower it or change the station file; nothing was sent"
        )
