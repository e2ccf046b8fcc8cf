"""The operator's port of the served bench: one JSON object a line, asked and answered.

.. code-block:: text

    {"ask": "info" | "truth" | "outputs" | "oracle" | "log"}            -> {"ok": true, "<what was asked>": ...}
    {"do": "save" | "stop" | "sleep" | "faults" | "die", "duration_s": ..., "spec": ..., "name": ...}  -> {"ok": true}
    anything that is not understood                                     -> {"ok": false, "error": "..."}

Not here: the sockets; the client (``labctl.station.bench_control``).
"""

import json
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from labctl.errors import StationError
from labctl_mock.bench.bench import Bench
from labctl_mock.faults import FaultPlan
from labctl_mock.serve.connection import Connection

__all__ = ["ControlPort"]

_LINE_LIMIT = 1 << 16
_MOST_SLEEP_S = 1e9  # 30 years; far beyond, the clock of the die would stand still for ever
_CLIENTS = 16


class ControlPort:
    """Answers about the bench, and does to it what no instrument can.

    Parameters
    ----------
    bench : Bench
    served : callable
        Returns what the server tells about itself.
    pass_time : callable
        Lets so many seconds pass on the bench at once.
    stop : callable
        Ends the server after the reply.
    """

    acts = False

    def __init__(
        self,
        bench: Bench,
        *,
        served: Callable[[], Mapping[str, object]],
        pass_time: Callable[[float], None],
        stop: Callable[[], None],
    ) -> None:
        self._bench, self._pass_time = bench, pass_time
        self._clients: set[Connection] = set()
        self._answers: dict[str, Callable[[], object]] = {
            "info": lambda: {**bench.info(), "served": dict(served())},
            "truth": self._truth,
            "outputs": lambda: bench.oracle.outputs(),
            "oracle": lambda: bench.oracle.as_dict(),
            "log": self._log,
        }
        self._actions: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "save": lambda request: self._save(),
            "stop": lambda request: stop(),
            "sleep": self._sleep,
            "faults": self._inject_faults,
            "die": self._insert_die,
        }

    def join(self, connection: Connection) -> bool:
        """Take a client in; False where there are too many."""
        if len(self._clients) >= _CLIENTS:
            return False
        self._clients.add(connection)
        return True

    def has_cut(self, connection: Connection) -> bool:
        """Tell that this link never breaks."""
        return False

    def obey(self, connection: Connection) -> bool:
        """Answer the client's next line; False where there is none."""
        if not connection.has_room:
            return False
        line = connection.take(lambda buffer: buffer.find(b"\n"))
        if line is None:
            if connection.unobeyed_bytes > _LINE_LIMIT:
                self._refuse(connection, f"a line must be at most {_LINE_LIMIT} bytes")
            return False
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._refuse(connection, f"no JSON: {error}")
            return True
        if not isinstance(request, dict):
            self._refuse(connection, f"a request must be an object such as {json.dumps({'ask': 'info'})}")
            return True
        self._say(connection, self._answer(request))
        return True

    def collect(self) -> None:
        """Do nothing: every reply was sent at once."""

    def wait_s(self) -> float:
        """Tell that nothing is under way."""
        return inf

    def leave(self, connection: Connection) -> None:
        """Let a client go."""
        self._clients.discard(connection)

    def _answer(self, request: Mapping[str, Any]) -> dict[str, object]:
        try:
            if "ask" in request:
                what = _choice(request, "ask", self._answers)
                return {"ok": True, what: self._answers[what]()}
            self._actions[_choice(request, "do", self._actions)](request)
        except (StationError, ValueError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True}

    def _refuse(self, connection: Connection, problem: str) -> None:
        # closed after that: a web page's request, whose body follows lines that are no JSON, must not reach the bench
        self._say(connection, {"ok": False, "error": problem})
        connection.drop_input(and_end=True)

    def _say(self, connection: Connection, answer: Mapping[str, object]) -> None:
        connection.say(json.dumps(answer).encode("ascii") + b"\n")

    def _truth(self) -> dict[str, object]:
        self._bench.circuit.settle()
        return {name: values.tolist() for name, values in self._bench.truth().items()}

    def _log(self) -> dict[str, object]:
        log = self._bench.log
        newest = [{"time_s": one.time_s, "kind": one.kind, "detail": one.detail} for one in log.violations]
        return {"counts": dict(log.counts), "violations": newest}

    def _save(self) -> None:
        self._bench.circuit.settle()
        self._bench.save()

    def _sleep(self, request: Mapping[str, Any]) -> None:
        duration_s: Any = request.get("duration_s")
        if type(duration_s) not in (int, float) or not 0.0 <= duration_s <= _MOST_SLEEP_S:
            raise ValueError(f"sleep: duration_s must be 0 to {_MOST_SLEEP_S:g} s, got {str(duration_s)[:40]}")
        self._pass_time(float(duration_s))

    def _inject_faults(self, request: Mapping[str, Any]) -> None:
        spec = request.get("spec")
        if not isinstance(spec, str):
            raise StationError(f"faults: spec must be text, got {spec!r}; see `labctl bench faults`")
        if FaultPlan.parse(spec).disks:
            raise StationError("faults: those of the disk happen in the process that measures; this is the bench's")
        self._bench.inject_faults(spec)

    def _insert_die(self, request: Mapping[str, Any]) -> None:
        name = request.get("name")
        if not isinstance(name, str):
            raise StationError(f"die: name must be text, got {name!r}")
        self._bench.insert_die(name)


def _choice(request: Mapping[str, Any], key: str, known: Mapping[str, object]) -> str:
    value = request.get(key)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{key}: there is no {value!r}; there are {', '.join(known)}")
    return value
