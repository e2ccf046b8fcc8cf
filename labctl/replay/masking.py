"""A recording without what identifies the owner: serial numbers, addresses, paths of files and secrets.

Serial numbers are what ``*IDN?`` answers in its third field, what is answered to a question with ``SER`` or ``serial``
in it, and that of a USB resource name. Each becomes a number of equal length, everywhere in the file, so that lengths
of blocks stay true and what was equal stays equal. Hosts become ``192.0.2.1`` and so on (RFC 5737: for documentation).
Not here: the format (:mod:`labctl.replay.traffic`).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from labctl.errors import ReplayError
from labctl.replay.traffic import SCHEMA, TrafficFile
from labctl.replay.writing import new_traffic_file, written_bytes

__all__ = ["SECRETS", "Masked", "mask_recording"]

# a password behind the word for it; what is in the group is masked
SECRETS = (rb"(?i)pass(?:word|wd)?[a-z:._]*[\s(=]+[\"']?([^\s\"';)]+)",)
_ASKS_SERIAL = re.compile(rb"(?i)\bser(?:ial\w*)?\b|serialno|:SER\w*\?")
_HOST = re.compile(r"(?i)^TCPIP\d*::(?P<host>[^:]+)::")
_USB = re.compile(r"(?i)^USB\d*::[^:]+::[^:]+::(?P<serial>[^:]+)::")
_DOCUMENTATION = re.compile(r"192\.0\.2\.\d+$")
# a shorter one is found in numbers that are no serial number
_LEAST_SERIAL = 4


@dataclass
class Masked:
    """What was put in place of what.

    Attributes
    ----------
    serials, hosts : dict of str to str
    secrets : int
        How many places.
    """

    serials: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    secrets: int = 0

    def of_serial(self, serial: str) -> None:
        """Find another number for a serial number, as long as it is; "0" means that there is none."""
        serial = serial.strip().strip('"')
        if len(serial) >= _LEAST_SERIAL and serial not in self.serials and serial.strip("#"):
            number = str(len(self.serials) + 1)
            self.serials[serial] = "0" * (len(serial) - len(number)) + number

    def of_host(self, host: str) -> None:
        """Find another address for a host."""
        if host not in self.hosts and not _DOCUMENTATION.match(host):
            self.hosts[host] = f"192.0.2.{len(self.hosts) + 1}"


def mask_recording(source: Path, target: Path, secrets: Sequence[str] = ()) -> Masked:
    """Write a recording without serial numbers, addresses and secrets.

    Parameters
    ----------
    source, target : Path
        The second must not exist.
    secrets : sequence of str
        Regular expressions besides :data:`SECRETS`; of one with a group, the group is masked, else all of it.

    Returns
    -------
    Masked

    Raises
    ------
    ReplayError
        If a file cannot be read or made, a line is damaged, or an expression is none.
    """
    try:
        patterns = [re.compile(text) for text in (*SECRETS, *(text.encode() for text in secrets))]
    except re.error as error:
        raise ReplayError(f"a pattern of secrets is no regular expression: {error}") from error
    found = _collected(source)
    names = _NameMask(found)
    try:
        with TrafficFile(source) as file, new_traffic_file(target, "", _header(file.header, names, found)) as out:
            # what is not known to be whole does not become so
            out.is_whole = not file.unfinished()
            for done in file.operations():
                facts = {key: value for key, value in done.facts.items() if key not in ("d", "x", "c")}
                for key in ("resource", "v"):
                    if isinstance(facts.get(key), str):
                        facts[key] = names.text(facts[key])
                line = json.dumps(facts, separators=(",", ":"))
                if "d" in done.facts or "x" in done.facts:
                    data = _without_secrets(names.data(done.data), patterns, found)
                    line = f"{line[:-1]},{written_bytes(data)}}}"
                out.write(line)
    except OSError as error:
        raise ReplayError(f"{target}: cannot be made: {error.strerror}; name another file") from error
    return found


class _NameMask:
    """Replaces serial numbers and hosts where they stand alone."""

    def __init__(self, found: Masked) -> None:
        self._new = {old.encode(): new.encode() for old, new in {**found.serials, **found.hosts}.items()}
        longest_first = sorted(self._new, key=len, reverse=True)
        # digits alone may be part of a measured value
        alternatives = b"|".join(
            rb"(?<![0-9A-Za-z.])%s(?![0-9A-Za-z])" % old if old.isdigit() else re.escape(old) for old in longest_first
        )
        self._pattern = re.compile(alternatives) if self._new else None

    def data(self, data: bytes) -> bytes:
        if self._pattern is None:
            return data
        return self._pattern.sub(lambda match: self._new[match.group()], data)

    def text(self, text: str) -> str:
        return self.data(text.encode()).decode()


def _collected(source: Path) -> Masked:
    found = Masked()
    asked: dict[int, bytes] = {}
    with TrafficFile(source) as file:
        for done in file.operations():
            if done.op == "open":
                _names_of(str(done.facts.get("resource", "")), found)
            elif done.op == "w":
                asked[done.session] = done.data
            elif done.op == "r" and done.data:
                _serials_of(asked.get(done.session, b""), done.data, found)
    return found


def _names_of(resource: str, found: Masked) -> None:
    host, usb = _HOST.match(resource), _USB.match(resource)
    if host is not None:
        found.of_host(host["host"])
    if usb is not None:
        found.of_serial(usb["serial"])


def _serials_of(question: bytes, answer: bytes, found: Masked) -> None:
    text = answer.decode("latin-1").strip()
    if b"*IDN?" in question.upper():
        # with other questions in one message, its answer is one of several
        for part in text.split(";"):
            fields = part.split(",")
            if len(fields) == 4:
                # Lake Shore: that of the instrument and that of an option card, "#######" where there is none
                both = [serial.strip() for serial in fields[2].split("/")]
                for serial in both:
                    found.of_serial(serial)
                if any(0 < len(serial) < _LEAST_SERIAL for serial in both):
                    # one that is too short to be looked for by itself is masked where both stand
                    found.of_serial(fields[2])
    elif _ASKS_SERIAL.search(question) and re.fullmatch(r"[\w\"-]+", text):
        found.of_serial(text)


def _without_secrets(data: bytes, patterns: Iterable[re.Pattern[bytes]], found: Masked) -> bytes:
    for pattern in patterns:
        for match in reversed(list(pattern.finditer(data))):
            first, last = match.span(1 if pattern.groups else 0)
            if last > first:
                found.secrets += 1
                data = data[:first] + b"*" * (last - first) + data[last:]
    return data


def _header(header: Mapping[str, Any], names: _NameMask, found: Masked) -> dict[str, Any]:
    """The header without folders, which name people; it says which serial numbers are none."""
    masked = json.loads(names.text(json.dumps(dict(header))))
    library, bench = masked.get("library"), masked.get("bench")
    # of any system: a recording is masked where it is passed on
    if isinstance(library, str) and ("/" in library or "\\" in library):
        masked["library"] = PureWindowsPath(library).name
    if isinstance(bench, dict) and isinstance(bench.get("file"), str):
        bench["file"] = PureWindowsPath(bench["file"]).name
    masked |= {"schema": SCHEMA}
    masked.pop("c", None)
    return {**masked, "masked_serials": sorted({*masked.get("masked_serials", ()), *found.serials.values()})}
