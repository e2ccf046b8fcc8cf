"""What the instruments themselves say: are they set as they were told, what went wrong, can they be trusted again.

Not here: how a driver mends its link (``labctl_instruments``), when a run asks (:mod:`labctl.run`).
"""

from collections.abc import Callable, Iterable, Mapping

from labctl.clock import Clock
from labctl.errors import InstrumentError, InstrumentFault, LabError
from labctl.station.envelope import EnvelopedSourceMeter
from labctl.station.guard import Guard
from labctl.station.switching import EnvelopedSwitchMatrix
from labctl_instruments.link import LinkedInstrument

__all__ = ["ReadBack"]


class ReadBack:
    """Asks the drivers of one station.

    Parameters
    ----------
    drivers : mapping of str to LinkedInstrument
        By key; the same mapping as the station's, which empties it when it closes.
    guard : Guard
        Of the station.
    clock : Clock
        Of the rack.
    """

    def __init__(self, drivers: Mapping[str, LinkedInstrument], guard: Guard, clock: Clock) -> None:
        self._drivers = drivers
        self._guard = guard
        self._clock = clock

    def confirm(self, key: str) -> None:
        """Make sure that an instrument is set as it was told, before its output goes on.

        Parameters
        ----------
        key : str

        Raises
        ------
        InstrumentFault
            If it says otherwise, or its error queue holds anything; that is removed.
        """
        driver = self._drivers[key]
        try:
            entries = driver.drain_errors()
            if entries:
                raise InstrumentFault(
                    f"{driver.name}: its error queue held {'; '.join(entries)}; the output stays off: correct the "
                    "setting, or prepare again if the entry is older than this run"
                )
            driver.verify_settings()
        except InstrumentError:
            self._guard.unprepare(key)
            raise

    def settle(self, keys: Iterable[str]) -> None:
        """Return when instruments have obeyed what they were sent, and stand where they were sent to.

        Parameters
        ----------
        keys : iterable of str
            All are tried.

        Raises
        ------
        InstrumentFault
            If one stands elsewhere.
        InstrumentError
            If one does not answer.
        """
        self._each(keys, lambda key: self._drivers[key].settle())

    def drain(self) -> list[str]:
        """Take what the links mended and what the error queues hold, of all instruments.

        Returns
        -------
        list of str
            ``"<key>: <text>"``; an error queue that cannot be read is an entry, too.
        """
        found: list[str] = []
        for key, driver in self._drivers.items():
            entries: list[str] = []
            try:
                entries = driver.drain_errors()
            except InstrumentError as error:
                self._guard.distrust(key, error)
                entries.append(str(error))
            found += [f"{key}: {text}" for text in (*driver.link_events, *entries)]
            driver.link_events.clear()
        return found

    def resynchronise(
        self, meters: Mapping[str, EnvelopedSourceMeter], switches: Mapping[str, EnvelopedSwitchMatrix]
    ) -> None:
        """Bring every link back into step, every source to 0 V and the relays to where they belong, and read it back.

        Parameters
        ----------
        meters : mapping of str to EnvelopedSourceMeter
            By terminal.
        switches : mapping of str to EnvelopedSwitchMatrix
            By key.

        Raises
        ------
        InstrumentFault
            If a limit, a range, an output or a relay is not as it was; the failures are reported together.
        InstrumentError
            If an instrument does not answer.
        """
        self._each(self._drivers, lambda key: self._drivers[key].resynchronise())
        # a pulse that was given after all is over by then
        self._clock.sleep(max(self._guard.in_doubt.values(), default=0.0))
        self._each(meters, lambda terminal: meters[terminal].rest())
        self._each(self._drivers, lambda key: self._drivers[key].verify_settings())
        self._guard.in_doubt = {}
        self._each(switches, lambda key: switches[key].restore())

    def _each(self, names: Iterable[str], action: Callable[[str], None]) -> None:
        """Try all, then raise what failed as one error; who failed must be prepared anew."""
        failures: list[LabError] = []
        for name in names:
            try:
                action(name)
            except LabError as error:
                self._guard.unprepare(name.partition(".")[0])
                failures.append(error)
        if failures:
            is_fault = any(isinstance(error, InstrumentFault) for error in failures)
            kind = InstrumentFault if is_fault else InstrumentError
            raise kind("; ".join(str(error) for error in failures)) from failures[0]
