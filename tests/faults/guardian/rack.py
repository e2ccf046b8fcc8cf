"""A rack as a process of its own: small instruments on TCP sockets, with latency and a log by the monotonic clock.

``python rack.py LATENCY_S KIND ...`` prints the ports; requests come as JSON lines on the standard input. A kind is
``scpi``, ``tsp`` or ``switch``, with ``-single`` (a second client is turned away) or ``-queue`` (a second client is let
in when the first one is gone).
"""

import heapq
import json
import os
import re
import selectors
import socket
import sys
import time

ON = re.compile(r":OUTP(\d) ON|smu([ab])\.source\.output=1|channel\.close\(\"(\w+)\"\)")
OFF = re.compile(r":OUTP(\d) OFF|smu([ab])\.source\.output=0|channel\.open\(\"(allslots)\"\)")
QUESTION = re.compile(r".*\?|print\(.*")


class Instrument:
    def __init__(self, rack, number, kind):
        self.rack, self.number = rack, number
        self.kind, _, self.clients_rule = kind.partition("-")
        self.on, self.clients, self.mute, self.stuck = set(), {}, False, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.listening(True)

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def listening(self, is_so):
        if is_so:
            self.rack.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        else:
            self.rack.selector.unregister(self.listener)

    def accept(self):
        client = self.listener.accept()[0]
        if self.clients_rule == "single" and self.clients:
            client.close()
            return
        if self.clients_rule == "queue":
            self.listening(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.clients[client] = b""
        self.rack.selector.register(client, selectors.EVENT_READ, lambda: self.read(client))

    def read(self, client):
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.rack.selector.unregister(client)
            client.close()
            del self.clients[client]
            if self.clients_rule == "queue" and not self.clients:
                self.listening(True)
            return
        *lines, self.clients[client] = (self.clients[client] + data).split(b"\n")
        for line in lines:
            self.rack.take(self, client, line.decode("ascii"))

    def obey(self, client, message):
        if self.mute:
            return
        for match in ON.finditer(message):
            self.on.add(next(filter(None, match.groups())))
            self.rack.note(self, "outputs", sorted(self.on))
        for match in OFF.finditer(message):
            which = next(filter(None, match.groups()))
            before = set(self.on)
            if not self.stuck:
                self.on -= self.on if which == "allslots" else {which}
            if before != self.on:
                self.rack.note(self, "outputs", sorted(self.on))
        if QUESTION.fullmatch(message) and client in self.clients:
            answer = self.answer(message)
            self.rack.note(self, "answered", answer)
            client.sendall(answer.encode("ascii") + b"\n")

    def answer(self, message):
        if message == ":OUTP1?;:OUTP2?":
            return ";".join(str(int(key in self.on)) for key in "12")
        if message == "print(smua.source.output,smub.source.output)":
            return "\t".join(f"{key in self.on:.5e}" for key in "ab")
        if message.startswith("print(channel"):
            return ";".join(sorted(self.on)) or "nil"
        return "1.0"


class Rack:
    def __init__(self, latency_s, kinds):
        self.latency_s = latency_s
        self.selector = selectors.DefaultSelector()
        self.log, self.due, self.count = [], [], 0
        self.selector.register(0, selectors.EVENT_READ, self.request)
        self.rest = b""
        self.instruments = [Instrument(self, number, kind) for number, kind in enumerate(kinds)]

    def note(self, instrument, what, fact):
        self.log.append([time.monotonic(), instrument.number, what, fact])

    def take(self, instrument, client, message):
        if OFF.search(message) or QUESTION.fullmatch(message):
            self.note(instrument, "received", message)
        self.count += 1
        heapq.heappush(self.due, (time.monotonic() + self.latency_s, self.count, instrument, client, message))

    def request(self):
        data = os.read(0, 65536)
        if not data:
            raise SystemExit
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.say(self.obey(json.loads(line)))

    def obey(self, request):
        if "set" in request:
            instrument = self.instruments[request["instrument"]]
            setattr(instrument, request["set"], request["to"])
        if request.get("do") == "reset":
            self.log.clear()
            for instrument in self.instruments:
                instrument.on.clear()
        return {"log": self.log, "on": [sorted(instrument.on) for instrument in self.instruments]}

    def say(self, answer):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    def serve(self):
        self.say([instrument.port for instrument in self.instruments])
        while True:
            wait_s = max(self.due[0][0] - time.monotonic(), 0.0) if self.due else None
            for key, _ in self.selector.select(wait_s):
                key.data()
            while self.due and self.due[0][0] <= time.monotonic():
                _, _, instrument, client, message = heapq.heappop(self.due)
                instrument.obey(client, message)


if __name__ == "__main__":
    Rack(float(sys.argv[1]), sys.argv[2:]).serve()
