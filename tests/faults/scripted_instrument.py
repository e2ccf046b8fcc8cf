"""A tiny instrument behind a raw socket that answers late, twice, in pieces, garbled or not at all, by a seeded script.

It knows one level and one reading, which is the level: whoever files a reading under another level is caught. It has
nothing of the simulated rack in it. Not here: what is measured with it (``test_links.py``).
"""

import heapq
import random
import re
import selectors
import socket
import threading
import time

LATE, LOST, TWICE, PIECES, GARBLED, CUT, FOREIGN = "late", "lost", "twice", "pieces", "garbled", "cut", "foreign"
KINDS = (LATE, LOST, TWICE, PIECES, GARBLED, CUT, FOREIGN)
IDENTITIES = {"tsp": "Keithley Instruments Inc., Model 2636B, 4400001, 3.3.5", "scpi": "Keysight,33622A,MY1,A.02"}
# one channel, its output on, no errors
PULSED = "\t1.000000000e+00\t0.000000000e+00"
_TSP = re.compile(
    r'print\("(#+\d+)"\)|print\(([^"][^)]*\(?\)?)\)|smua\.source\.levelv=(\S+)|(\*IDN\?)|print\("(pulsed)"'
)
_SCPI = re.compile(
    r"\*ESE (\d+)|(\*ESE\?)|(\*IDN\?)|(\*TRG)|(\*OPC\?)|:?SOUR1:VOLT:HIGH (\S+)"
    r"|(:?SOUR1:VOLT:HIGH\?(?!;:SOUR))|(:OUTP1:POL\?.*TRIG2:SOUR\?)|(:SYST:ERR\?)"
)
# both outputs at their least level, as a generator that was told nothing but its timing
SHAPE = ";".join(["NORM", "+2.0E-03", "+0.0E+00", "PULS", "+1.0E-05", "1", "+1.0E+00", "EXT"] * 2)


class ScriptedInstrument(threading.Thread):
    """Serves until :meth:`stop`; ``bad`` of the first ``readings`` answers to readings are spoilt.

    ``late_s`` is how long after the question a late answer comes. ``stimuli`` counts what was obeyed.
    """

    def __init__(self, dialect, *, readings, bad, seed, late_s, kinds=KINDS):
        super().__init__(daemon=True)
        self.dialect = dialect
        self.level = self.peak = 0.0
        self.stimuli = 0
        self.spoilt = dict.fromkeys(kinds, 0)
        self._random = random.Random(seed)
        self._bad = set(self._random.sample(range(readings), bad))
        self._asked = 0
        self._late_s = late_s
        self._register = 0
        self._due = []
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._buffers = {}
        self._stopping = False
        self.resource = f"TCPIP0::127.0.0.1::{self._listener.getsockname()[1]}::SOCKET"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopping = True
        self.join()

    def run(self):
        while not self._stopping:
            pause_s = self._due[0][0] - time.monotonic() if self._due else 0.02
            for key, _ in self._selector.select(min(max(pause_s, 0.0), 0.02)):
                if key.fileobj is self._listener:
                    self._take(self._listener.accept()[0])
                else:
                    self._hear(key.fileobj)
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, client, data = heapq.heappop(self._due)
                self._say(client, data)
        for client in [*self._buffers]:
            self._drop(client)
        self._selector.close()
        self._listener.close()

    def _take(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffers[client] = b""
        self._selector.register(client, selectors.EVENT_READ)

    def _drop(self, client):
        if self._buffers.pop(client, None) is not None:
            self._selector.unregister(client)
            client.close()

    def _hear(self, client):
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        *lines, self._buffers[client] = (self._buffers[client] + data).split(b"\n")
        for line in lines:
            answer, is_reading = (self._tsp if self.dialect == "tsp" else self._scpi)(line.decode())
            if answer:
                self._answer(client, answer, is_reading)

    def _tsp(self, line):
        out, is_reading = [], False
        for tag, question, level, identity, pulsed in _TSP.findall(line):
            if level:
                self.stimuli += float(level) != 0.0
                self.level = float(level)
                self.peak = self.level or self.peak
            elif question:
                is_reading = True
                out.append(f"{self.level:.9e}")
            else:
                is_reading = is_reading or bool(pulsed)
                out.append(tag or (identity and IDENTITIES["tsp"]) or f"{pulsed}\t{self.peak:.9e}" + PULSED)
        return b"".join(text.encode() + b"\n" for text in out), is_reading

    def _scpi(self, line):
        out, is_reading = [], False
        for tag, ask_tag, identity, trigger, done, level, question, shape, after in _SCPI.findall(line):
            if tag:
                self._register = int(tag)
            elif trigger:
                self.stimuli += 1
            elif level:
                self.level = float(level)
            else:
                is_reading = is_reading or bool(question or done)
                answers = (
                    ask_tag and f"{self._register:+d}",
                    identity and IDENTITIES["scpi"],
                    done and "1",
                    shape and SHAPE,
                    after and '0;0;+0,"No error"',
                )
                out.append(next(filter(None, answers), f"{self.level:+.9E}"))
        return (";".join(out) + "\n").encode() if out else b"", is_reading

    def _answer(self, client, data, is_reading):
        if is_reading:
            self._asked += 1
        if not is_reading or self._asked - 1 not in self._bad:
            self._say(client, data)
            return
        kind = self._random.choice(list(self.spoilt))
        self.spoilt[kind] += 1
        now_s = time.monotonic()
        if kind == LATE:
            self._later(now_s + self._late_s, client, data)
        elif kind == TWICE:
            self._say(client, data + data)
        elif kind == PIECES:
            for index in range(len(data)):
                self._later(now_s + 1e-4 * index, client, data[index : index + 1])
        elif kind == GARBLED:
            place = self._random.randrange(len(data) - 1)
            self._say(client, data[:place] + self._random.choice([b"\xff", b"?", b"", b"\n", b"x"]) + data[place + 1 :])
        elif kind == CUT:
            self._say(client, data[: self._random.randrange(len(data))])
            self._drop(client)
        elif kind == FOREIGN:
            # what another program asked: a reading in perfect form
            self._say(client, b"+7.700000000e+01\n" + data)

    def _later(self, due_s, client, data):
        heapq.heappush(self._due, (due_s, len(self._due) + self._asked * 1000, client, data))

    def _say(self, client, data):
        if client in self._buffers:
            try:
                client.sendall(data)
            except OSError:
                self._drop(client)
