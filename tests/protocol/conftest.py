"""Dialogues with tags: pairs as the manual has them, numbered and wrapped the way the link does it.

``dialogue(driver, pairs)`` is PyMeasure's ``expected_protocol`` with the tags put in: a pair with an answer is a
question. ``dialogue.MEND`` among the pairs is a session that is opened again: the tag alone, then ``*IDN?``. The bytes
of tags themselves are spelled out in ``test_all_drivers.py``.
"""

import pytest
from pymeasure.test import expected_protocol

from labctl_instruments.tsp import TspInstrument

IDENTITIES = {
    "2400": "KEITHLEY INSTRUMENTS INC.,MODEL 2400,1163289,C30   Mar 17 2006 09:29:29/A02  /K/J",
    "2450": "KEITHLEY INSTRUMENTS,MODEL 2450,01419966,1.6.4c",
    "2636B": "Keithley Instruments Inc., Model 2636B, 4400001, 3.3.5",
    "707B": "Keithley Instruments Inc., Model 707B, 1400001, 1.40",
    "335": "LSCI,MODEL335,LSA0001/#######,2.0",
    "33622A": "Keysight Technologies,33622A,MY00000001,A.02.03",
}


class Dialogue:
    """Call it with a driver and pairs, without tags."""

    MEND = ("session opened again", "serial answers")
    IDENTITIES = IDENTITIES

    def __call__(self, driver, pairs, **settings):
        return expected_protocol(driver, self.numbered(driver, pairs), **settings)

    def numbered(self, driver, pairs):
        """Return what goes over the wire for ``pairs``."""
        is_tsp, wire, tag = issubclass(driver, TspInstrument), [], 0
        spoken = []
        for pair in pairs:
            spoken += [("", ""), ("*IDN?", IDENTITIES[driver.MODEL])] if pair is self.MEND else [pair]
        for message, answer in spoken:
            if answer is None:
                wire.append((message, None))
                continue
            tag += 1
            if not is_tsp:
                question = f"*ESE {tag};*ESE?;{message}".removesuffix(";")
                wire.append((question, f"{tag};{answer}" if message else f"+{tag}"))
            elif not message:
                wire.append((f'print("##{tag}")', f"##{tag}"))
            elif message.startswith("*"):
                wire.append((message, answer))
            else:
                wire += [(f'print("#{tag}") {message}', f"#{tag}"), (None, answer)]
        return wire


@pytest.fixture
def dialogue():
    """Return a :class:`Dialogue`."""
    return Dialogue()
