"""The server: raw sockets on the loopback interface, one thread, nothing that blocks.

One message of each client is obeyed in turn, so that a client that floods delays the others by one message at a time.
While the bench is ahead of the wall (a finite speed), messages and replies wait. Not here: the bench, which the caller
opens and closes; the command that does so (``labctl.cli.bench``).
"""

import errno
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from types import TracebackType
from typing import Self

from labctl.errors import StationError
from labctl_mock.bench.bench import Bench
from labctl_mock.serve.connection import Connection
from labctl_mock.serve.control import ControlPort
from labctl_mock.serve.pacing import Pacer
from labctl_mock.serve.ports import InstrumentPort, Port

__all__ = ["HOST", "BenchServer"]

HOST = "127.0.0.1"
"""The only address that is listened at: the sockets know no passwords."""
_TURN_S = 0.1
_SHORT_S = 2e-3  # selectors round up to milliseconds
_SAVE_EVERY_S = 2.0


class BenchServer:
    """Serves an open bench; listens once it is made, answers in :meth:`serve`.

    Parameters
    ----------
    bench : Bench
        Open; not to be touched by others while it is served. It is not closed here.
    port : int, unit 1
        Of the first instrument; the others follow in the order of the bench file, and the operator's port is the one
        before. 0 takes free ports.
    speed : float, unit 1
        Seconds of the bench per second of the wall; inf answers at once.

    Attributes
    ----------
    addresses : dict of str to str
        ``"127.0.0.1:<port>"`` by the instrument's key.
    resources : dict of str to str
        VISA resource name by the instrument's key.
    control : str
        ``"127.0.0.1:<port>"`` of the operator's port.

    Raises
    ------
    StationError
        If a port is taken or is none.
    ValueError
        If the speed is not positive.
    """

    def __init__(self, bench: Bench, port: int = 0, speed: float = inf) -> None:
        self._bench = bench
        # who measures first must not wait for what is loaded then: clients have time limits
        bench.circuit.warm_up()
        self._pacer = Pacer(bench.clock, speed)
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._connections: dict[Connection, Port] = {}
        self._instruments = {key: InstrumentPort(bench.link(key)) for key in bench.instruments}
        self._is_asked_to_stop = self._has_acted = False
        self._saved_at_s = time.monotonic()
        self.addresses: dict[str, str] = {}
        operator = ControlPort(bench, served=self._served, pass_time=self._pass_time, stop=self.stop)
        last = port + len(self._instruments) - 1
        if port != 0 and not (port > 1 and last < 1 << 16):
            raise StationError(f"port: must be 0, or from 2 to {(1 << 16) - len(self._instruments)}, got {port}")
        try:
            self.control = self._listen(operator, port and port - 1)
            for number, (key, behind) in enumerate(self._instruments.items()):
                self.addresses[key] = self._listen(behind, port and port + number)
        except BaseException:
            self.close()
            raise
        names = {key: address.rpartition(":")[2] for key, address in self.addresses.items()}
        self.resources = {key: f"TCPIP0::{HOST}::{name}::SOCKET" for key, name in names.items()}

    def serve(self) -> None:
        """Answer until :meth:`stop` is called or the operator's port is told so.

        Raises
        ------
        StationError
            If the die cannot be saved.
        """
        self._pacer.restart()
        while not self._is_asked_to_stop:
            self._turn()

    def stop(self) -> None:
        """Let :meth:`serve` return within a tenth of a second; any thread and a signal handler may call it."""
        self._is_asked_to_stop = True

    def close(self) -> None:
        """Close every socket; may be called twice."""
        for connection in list(self._connections):
            self._close(connection)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self, behind: Port, port: int) -> str:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listeners.append(listener)
        if sys.platform == "win32":
            # there SO_REUSEADDR would let two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {os.strerror(error.errno or 0)}"
            raise StationError(
                f"{HOST}: port {port} {why}; end the program that has it, choose another --port, or 0 for free ones"
            ) from error
        listener.setblocking(False)

        def accept(mask: int) -> None:
            self._accept(listener, behind)

        self._selector.register(listener, selectors.EVENT_READ, accept)
        return f"{HOST}:{listener.getsockname()[1]}"

    def _accept(self, listener: socket.socket, behind: Port) -> None:
        try:
            channel, _ = listener.accept()
        except OSError:
            return  # it left again
        connection = Connection(channel)
        if behind.join(connection):
            self._connections[connection] = behind
        else:
            connection.close()

    def _turn(self) -> None:
        """Wait for something to happen, and let it."""
        busy = self._obey()
        for connection, behind in list(self._connections.items()):
            if connection.is_done or behind.has_cut(connection):
                self._close(connection)
            else:
                self._watch(connection)
        self._save_now_and_then()
        wait_s = self._pacer.ahead_s()
        if wait_s == 0.0:
            wait_s = self._pacer.wall_s(min(port.wait_s() for port in self._instruments.values()))
        if 0.0 < wait_s < _SHORT_S:
            time.sleep(wait_s)
            busy = True
        for key, mask in self._selector.select(0.0 if busy else min(wait_s, _TURN_S)):
            happened: Callable[[int], None] = key.data
            happened(mask)

    def _obey(self) -> bool:
        """Obey one message of each client; tell whether any was there."""
        any_obeyed = False
        self._pacer.catch_up()
        for connection, behind in list(self._connections.items()):
            if behind.acts:
                if self._pacer.ahead_s() > 0.0:
                    continue
                behind.collect()
            if behind.obey(connection):
                any_obeyed = True
                if behind.acts:
                    self._has_acted = True
                    self._pacer.has_acted()
                    if self._pacer.ahead_s() == 0.0:
                        behind.collect()
                # the others first, the next time
                self._connections[connection] = self._connections.pop(connection)
        return any_obeyed

    def _watch(self, connection: Connection) -> None:
        mask = connection.interest()
        registered = self._selector.get_map().get(connection.channel)
        if registered is None and mask:

            def happened(mask: int) -> None:
                if mask & selectors.EVENT_WRITE:
                    connection.flush()
                if mask & selectors.EVENT_READ:
                    connection.fill()

            self._selector.register(connection.channel, mask, happened)
        elif registered is not None and not mask:
            self._selector.unregister(connection.channel)
        elif registered is not None and registered.events != mask:
            self._selector.modify(connection.channel, mask, registered.data)

    def _close(self, connection: Connection) -> None:
        with suppress(KeyError):
            self._selector.unregister(connection.channel)
        self._connections.pop(connection).leave(connection)
        connection.close()

    def _pass_time(self, duration_s: float) -> None:
        self._pacer.catch_up()
        self._bench.clock.sleep(duration_s)
        self._bench.circuit.settle()
        self._pacer.restart()
        self._has_acted = True

    def _save_now_and_then(self) -> None:
        """Bound what a killed server can lose."""
        now_s = time.monotonic()
        if self._has_acted and now_s - self._saved_at_s > _SAVE_EVERY_S:
            self._bench.circuit.settle()
            self._bench.save()
            self._saved_at_s, self._has_acted = now_s, False

    def _served(self) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "speed": "max" if self._pacer.speed == inf else self._pacer.speed,
            "instruments": dict(self.addresses),
        }
