"""What goes over a connection of the guardian, write by write. Authority: RFC 896, RFC 1122 and IEEE 488.1 (clear)."""

import pytest

from labctl.run.guardian.visa_link import VisaLink


class Session:
    """A VISA session that notes what is done to it."""

    def __init__(self, refused=()):
        self.done, self.refused = [], refused

    def open_resource(self, resource, **settings):
        assert settings["write_termination"] == settings["read_termination"] == "\n"
        # dead links must be told within 2 s: opening and one answer
        assert settings["open_timeout"] + settings["timeout"] < 2000
        return self

    def write(self, message):
        if message in self.refused:
            raise OSError("broken pipe")
        self.done.append(message)

    def clear(self):
        self.done.append("<clear>")


def test_messages_go_in_one_write_on_a_stream():
    # two small writes in a row would wait for the instrument's delayed acknowledgement
    session = Session()
    link = VisaLink(session, "TCPIP0::192.0.2.1::5025::SOCKET")
    link.write(("abort", "off a", "off b"))
    link.clear()
    assert session.done == ["abort\noff a\noff b"]


def test_messages_go_one_by_one_on_a_bus_each_though_others_fail():
    session = Session(refused={"abort"})
    link = VisaLink(session, "GPIB0::26::INSTR")
    link.clear()
    with pytest.raises(OSError, match="could not write 'abort': broken pipe"):
        link.write(("abort", "off a", "off b"))
    assert session.done == ["<clear>", "off a", "off b"]
