"""A measuring process: outputs on, a guardian beside it, and a loop that dies or hangs when it is told to.

``python measuring.py ORDERS`` with ORDERS as JSON: resources (kind, port), log, heartbeat_s. It writes ``on`` when it
measures, and the monotonic time of what it then does to itself.
"""

import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass
from types import SimpleNamespace

from labctl.run.guardian import guard_run
from labctl.station.defaults_table import StationDefaults

SAFE_OFF = {
    "scpi": (":OUTP1 OFF", ":OUTP2 OFF"),
    "tsp": ("abort", "smua.source.output=0 smua.source.levelv=0", "smub.source.output=0 smub.source.levelv=0"),
    "switch": ('channel.open("allslots")',),
}
OFF_CHECKS = {
    "scpi": ((":OUTP1?;:OUTP2?", "0;0"),),
    "tsp": (("print(smua.source.output,smub.source.output)", r"0\.0+e\+00\t0\.0+e\+00"),),
    "switch": (('print(channel.getclose("allslots"))', "nil"),),
}
ON = {"scpi": ":OUTP1 ON", "tsp": "smua.source.output=1", "switch": 'channel.close("1A01")'}


@dataclass
class Watched:
    key: str
    name: str
    resource: str
    safe_off: tuple
    off_checks: tuple
    is_switch: bool


class Instrument:
    def __init__(self, number, kind, port):
        self.kind = kind
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")
        self.watched = Watched(
            f"i{number}", f"i{number} ({kind})", f"TCPIP0::127.0.0.1::{port}::SOCKET", SAFE_OFF[kind], OFF_CHECKS[kind],
            kind == "switch",
        )  # fmt: skip

    def write(self, *messages):
        self.socket.sendall("".join(message + "\n" for message in messages).encode("ascii"))

    def ask(self, question):
        self.write(question)
        return self.lines.readline().decode("ascii").strip()

    def off(self):
        self.write(*SAFE_OFF[self.kind])


def station_of(instruments, heartbeat_s):
    return SimpleNamespace(
        in_process=False,
        content=SimpleNamespace(heartbeat_s=heartbeat_s, unrecorded_library="@py", defaults=StationDefaults()),
        watched=lambda: [instrument.watched for instrument in instruments],
        watch_waits=lambda callback: None,
        has_output_on=lambda: True,
        lock_descriptors=list,
    )


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode("ascii"))


def main():
    orders = json.loads(sys.argv[1])
    instruments = [Instrument(number, kind, port) for number, (kind, port) in enumerate(orders["resources"])]
    station = station_of(instruments, orders["heartbeat_s"])
    with guard_run(station, orders["log"], on_event=lambda kind, message: say("event", message)) as guardian:
        # the default is a loop that waits as long as it says
        for instrument in instruments:
            instrument.write(ON[instrument.kind])
            instrument.ask(OFF_CHECKS[instrument.kind][0][0])
        say("on", guardian.pid)
        while True:
            guardian.progress()
            instruments[0].ask("READ?" if instruments[0].kind == "scpi" else "print(1)")
            if not select.select([0], [], [], 0.0)[0]:
                continue
            word = sys.stdin.readline().strip()
            if word == "exit":
                say(time.monotonic())
                os._exit(3)
            elif word == "spin":
                say(time.monotonic())
                while True:
                    pass
            elif word == "long wait":
                with guardian.busy(3.0 * orders["heartbeat_s"]):
                    time.sleep(2.5 * orders["heartbeat_s"])
                say(guardian.pid)
            elif word == "endless wait":
                guardian.progress(60.0)
                say(time.monotonic())
                time.sleep(60.0)
            elif word == "end":
                for instrument in instruments:
                    instrument.off()
                    instrument.ask(OFF_CHECKS[instrument.kind][0][0])
                break
            elif word == "cannot verify":
                guardian.take_over("i0: no answer")
                break
            else:
                raise RuntimeError(f"told {word!r}")
    say("ended")


if __name__ == "__main__":
    main()
