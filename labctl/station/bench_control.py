"""The operator's side of a served bench: what ``labctl bench serve`` answers besides its instruments.

One JSON object a line, to and fro, over a socket of its own. Not here: the server (``labctl_mock.serve``).
"""

import json
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labctl.errors import StationError

if TYPE_CHECKING:
    from labctl.station.station_file import StationFile

__all__ = ["BenchControl", "served_bench_info"]

_TIMEOUT_S = 10.0


class BenchControl:
    """Asks a served bench about itself and tells it what to do; each request has a connection of its own.

    Parameters
    ----------
    address : str
        ``"<host>:<port>"``, as the bench prints it and its station file has it under ``bench``.

    Raises
    ------
    StationError
        If the address is none.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise StationError(f'bench: an address is "<host>:<port>", such as "127.0.0.1:5024", got {address!r}')
        self.address = address
        self._host, self._port = host, int(port)

    def ask(self, what: str) -> dict[str, Any]:
        """Return what the bench knows.

        Parameters
        ----------
        what : str
            ``"info"`` (name, seed, effects, ...), ``"truth"`` (the cells), ``"outputs"``, ``"oracle"`` or ``"log"``.

        Returns
        -------
        dict

        Raises
        ------
        StationError
            If the bench does not answer, or refuses.
        """
        answer = self._request({"ask": what})
        found = answer.get(what)
        if not isinstance(found, dict):
            raise self._wrong(f"answered {str(answer)[:120]!r}")
        return found

    def do(self, action: str, **arguments: str | float) -> None:
        """Let the bench do something.

        Parameters
        ----------
        action : str
            ``"save"`` the die, ``"stop"``, ``"sleep"`` (with ``duration_s``, unit s: let it pass at once),
            ``"faults"`` (with ``spec``) or ``"die"`` (with ``name``: put another one in).
        **arguments : str or float
            What the action needs.

        Raises
        ------
        StationError
            If the bench does not answer, or refuses.
        """
        self._request({"do": action, **arguments})

    def _request(self, request: Mapping[str, object]) -> dict[str, Any]:
        try:
            with socket.create_connection((self._host, self._port), timeout=_TIMEOUT_S) as channel:
                channel.sendall(json.dumps(request).encode("ascii") + b"\n")
                with channel.makefile("rb") as lines:
                    line = lines.readline()
        except OSError as error:
            raise StationError(
                f"bench {self.address}: does not answer ({error}); start it with `labctl bench serve`"
            ) from error
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise self._wrong(f"answered {line[:120]!r}") from error
        if not isinstance(answer, dict) or "ok" not in answer:
            raise self._wrong(f"answered {line[:120]!r}")
        if not answer["ok"]:
            raise StationError(f"bench {self.address}: {answer.get('error')}")
        return answer

    def _wrong(self, problem: str) -> StationError:
        return StationError(f"bench {self.address}: {problem}; this is no served bench, correct the address")


def served_bench_info(content: "StationFile") -> dict[str, Any] | None:
    """Ask the bench of a station file who it is, and whether the file's instruments are really its own.

    Otherwise real instruments behind a file that was copied from a served bench would be recorded as simulated.

    Parameters
    ----------
    content : StationFile

    Returns
    -------
    dict or None
        None where the file names no served bench.

    Raises
    ------
    StationError
        If the bench does not answer, or an instrument is not behind one of its ports.
    """
    from pyvisa import rname

    if content.bench is None:
        return None
    info = BenchControl(content.bench).ask("info")
    served = [f"TCPIP0::{address.replace(':', '::')}::SOCKET" for address in info["served"]["instruments"].values()]
    for key, entry in content.instruments.items():
        try:
            resource = rname.to_canonical_name(entry.resource)
        except rname.InvalidResourceName:
            resource = entry.resource
        if resource not in served:
            raise StationError(
                f"{content.file}: instruments.{key}.resource: {entry.resource} is not on the bench {content.bench}, "
                f"which serves {', '.join(served)}; correct it, or remove the key bench where the instruments are real"
            )
    return info
