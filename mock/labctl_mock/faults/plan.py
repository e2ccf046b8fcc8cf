r"""What a spec of faults says, and when each of its rules is due.

``kind@instrument:regex#n=value``, several of them separated by ``;``. The instrument is a key of the bench or ``*``;
the regular expression is searched in each program message, ``;``, ``#`` and ``=`` in it written with a backslash;
``#n`` is the n-th message that matches and that the kind can change (1 without it), ``#n-m`` all from the n-th to the
m-th, ``#n-`` all from the n-th on, ``#n%k`` every k-th from the n-th on. ``random@*=rate,seed`` lets any message meet a
fault. ``disk_full#n`` and ``disk_error#n`` have no instrument. Not here: the kinds (:mod:`labctl_mock.faults.kinds`),
who asks the rules (:mod:`labctl_mock.faults.faulty_instrument`).
"""

import random
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from labctl.errors import StationError
from labctl_mock.faults.call import Call
from labctl_mock.faults.disk import DiskFaults
from labctl_mock.faults.kinds import DISK_KINDS, Kind, find_kinds, kinds

__all__ = ["Draw", "FaultPlan", "Rule"]

_SPLIT = re.compile(r"(?<!\\);")
_RULE = re.compile(
    r"(?P<kind>[a-z_0-9]+)"
    r"(?:@(?P<instrument>\*|\w+)(?::(?P<pattern>(?:\\.|[^#=\\])*))?)?"
    r"(?:#(?P<first>\d{1,9})(?:(?P<dash>-)(?P<last>\d{1,9})?|%(?P<every>\d{1,9}))?)?"
    r"(?:=(?P<value>.*))?",
    re.DOTALL,
)
_FORM = "kind@instrument:regex#n=value, such as lost_reply@smu1:measure#3"


@dataclass(slots=True)
class Rule:
    """One fault of a spec and how often its message has come.

    Attributes
    ----------
    kind : Kind
    instrument : str
        Key, or ``*``.
    pattern : re.Pattern
    value : object
        As the kind takes it.
    first, last, every : int, unit 1
        Which of the messages that match; ``last`` None means without end.
    seen : int, unit 1
        How many came so far.
    """

    kind: Kind
    instrument: str
    pattern: re.Pattern[str]
    value: Any
    first: int
    last: int | None
    every: int
    seen: int = 0

    def strikes(self, call: Call) -> bool:
        """Count a call and tell whether it meets the fault."""
        if not (self.pattern.search(call.sent) and self.kind.applies(call)):
            return False
        self.seen += 1
        if self.seen < self.first or (self.last is not None and self.seen > self.last):
            return False
        return (self.seen - self.first) % self.every == 0


@dataclass(slots=True)
class Draw:
    """Faults by chance: each message of an instrument draws once.

    Attributes
    ----------
    instrument : str
        Key, or ``*``.
    rate : float, unit 1
        Probability per message.
    seed : int
    """

    instrument: str
    rate: float
    seed: int
    _generators: dict[str, random.Random] = field(default_factory=dict)

    def kind_for(self, key: str) -> Kind | None:
        """Draw for one message of the instrument ``key``; the n-th draw depends on seed, key and n only."""
        generator = self._generators.setdefault(key, random.Random(f"{self.seed}:{key}"))  # noqa: S311 - dice
        strikes, place = generator.random() < self.rate, generator.random()
        drawn = [kind for _, kind in sorted(find_kinds().items()) if kind.is_random]
        return drawn[int(place * len(drawn))] if strikes else None


@dataclass(slots=True)
class FaultPlan:
    """The faults of a spec.

    Attributes
    ----------
    rules : list of Rule
    draws : list of Draw
    disks : list of DiskFaults
        Not installed.
    """

    rules: list[Rule] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    disks: list[DiskFaults] = field(default_factory=list)

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read a spec.

        Parameters
        ----------
        spec : str
            Empty means no fault.

        Returns
        -------
        FaultPlan

        Raises
        ------
        StationError
            If a kind, a form, an expression or a value is wrong; the message tells what there is.
        """
        plan = cls()
        for part in filter(None, (part.strip() for part in _SPLIT.split(spec))):
            plan._add(part)
        return plan

    def check(self, possible: Mapping[str, Collection[str]]) -> None:
        """Refuse what the instruments of a bench cannot have.

        Parameters
        ----------
        possible : mapping of str to collection of str
            Hardware faults that each instrument declares, by its key.

        Raises
        ------
        StationError
            If there is no such instrument, or it cannot fail in that way.
        """
        for key in [*(rule.instrument for rule in self.rules), *(draw.instrument for draw in self.draws)]:
            if key not in ("*", *possible):
                raise StationError(f"faults: no instrument {key!r}; there are {', '.join(possible)}, or *")
        for rule in self.rules:
            meant = possible if rule.instrument == "*" else [rule.instrument]
            if rule.kind.is_hardware and not any(rule.kind.name in possible[key] for key in meant):
                here = sorted({name for key in meant for name in possible[key]})
                general = [kind.name for kind in find_kinds().values() if not kind.is_hardware]
                raise StationError(
                    f"faults: {rule.instrument} cannot have {rule.kind.name!r}; it can have "
                    f"{', '.join([*here, *general])}"
                )

    def rules_for(self, key: str, possible: Collection[str]) -> list[Rule]:
        """Return the rules that concern one instrument, given the hardware faults that it can have."""
        return [
            rule
            for rule in self.rules
            if rule.instrument in ("*", key) and (not rule.kind.is_hardware or rule.kind.name in possible)
        ]

    def draws_for(self, key: str) -> list[Draw]:
        """Return the draws that concern one instrument."""
        return [draw for draw in self.draws if draw.instrument in ("*", key)]

    def _add(self, part: str) -> None:
        found = _RULE.fullmatch(part)
        if found is None:
            raise StationError(f"faults: {part!r} must have the form {_FORM}")
        name = found["kind"]
        if name not in kinds():
            raise StationError(f"faults: there is no kind {name!r}; there are {', '.join(kinds())}")
        try:
            self._take(name, found)
        except (ValueError, re.error) as error:
            raise StationError(f"faults: {part!r}: {error}; the form is {_FORM}") from error

    def _take(self, name: str, found: re.Match[str]) -> None:
        """Take in one part; raises ValueError."""
        first, last, every = _numbers(found)
        value = (found["value"] or "").strip()
        if name in DISK_KINDS:
            if found["instrument"] or value:
                raise ValueError(f"{name} has no instrument and no value, only #n")
            end = last if found["dash"] else None
            self.disks.append(DiskFaults(call="write", error=DISK_KINDS[name], first=first, last=end))
        elif found["instrument"] is None:
            raise ValueError(f"{name} needs an instrument, {name}@smu1 or {name}@*")
        elif name == "random":
            self.draws.append(_draw(found["instrument"], value))
        else:
            kind = find_kinds()[name]
            pattern = re.compile(found["pattern"] or kind.pattern)
            self.rules.append(Rule(kind, found["instrument"], pattern, kind.value(value), first, last, every))


def _numbers(found: re.Match[str]) -> tuple[int, int | None, int]:
    first = int(found["first"] or 1)
    if found["every"]:
        last, every = None, int(found["every"])
    elif found["dash"]:
        last, every = (int(found["last"]) if found["last"] else None), 1
    else:
        last, every = first, 1
    if first < 1 or every < 1 or (last is not None and last < first):
        raise ValueError("numbers of messages count from 1, and the last is not before the first")
    return first, last, every


def _draw(instrument: str, value: str) -> Draw:
    rate, _, seed = value.partition(",")
    if not re.fullmatch(r"0?\.\d+|[01](\.\d*)?|\d(\.\d+)?e-\d", rate.strip()) or not re.fullmatch(
        r"\s*\d{1,18}\s*", seed
    ):
        raise ValueError("random takes RATE,SEED: a probability from 0 to 1 and a whole number")
    if not 0.0 <= float(rate) <= 1.0:
        raise ValueError(f"a rate is from 0 to 1, got {rate}")
    return Draw(instrument, float(rate), int(seed))
