"""Loading MNIST from a mirror: a small HTTP server of this process.

Authority: the issue's "checks the md5, with a clear error where there is no network"; MD5 of the files in LABCTL_DATA.
"""

import functools
import hashlib
import http.server
import os
import socket
import sys
import threading
from typing import ClassVar

import pytest

from labctl.cli.main import main
from labctl.errors import RunError
from labctl.networks import fetching
from labctl.networks.fetching import MNIST_MD5, fetch_mnist
from labctl.networks.images import MNIST_FILES, image_folder


class Handler(http.server.SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments):
        """Stay silent."""


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    place = tmp_path / "mirror"
    place.mkdir()
    sums = {}
    for number, name in enumerate(MNIST_FILES):
        data = bytes([number]) * 200_000
        (place / name).write_bytes(data)
        sums[name] = hashlib.md5(data).hexdigest()
    monkeypatch.setattr(fetching, "MNIST_MD5", sums)
    # a network that is reached through a proxy has none for this computer's own server
    monkeypatch.setenv("no_proxy", "*")
    Handler.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=place))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield place, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_files_are_loaded_with_progress_and_not_loaded_again(tmp_path, mirror):
    place, address = mirror
    told = []
    paths = fetch_mnist(tmp_path / "to", report=lambda *facts: told.append(facts), mirror=address)
    assert [path.read_bytes() for path in paths] == [(place / name).read_bytes() for name in MNIST_FILES]
    of_first = [(done, total) for name, done, total in told if name == MNIST_FILES[0]]
    assert len(of_first) > 1
    assert of_first[-1] == (200_000, 200_000)
    assert [done for done, _ in of_first] == sorted(done for done, _ in of_first)
    paths[1].write_bytes(b"damaged")
    fetch_mnist(tmp_path / "to", report=lambda *facts: None, mirror=address)
    assert [path.strip("/") for path in Handler.asked] == [*MNIST_FILES, MNIST_FILES[1]]
    assert paths[1].read_bytes() == (place / MNIST_FILES[1]).read_bytes()
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == sorted(MNIST_FILES)


def test_wrong_checksum_keeps_nothing(tmp_path, mirror):
    place, address = mirror
    (place / MNIST_FILES[0]).write_bytes(b"something else")
    with pytest.raises(RunError, match=rf"{MNIST_FILES[0]}: the MD5 of what was loaded is {'[0-9a-f]' * 32}"):
        fetch_mnist(tmp_path / "to", report=lambda *facts: None, mirror=address)
    assert not list((tmp_path / "to").iterdir())


def test_missing_file_and_missing_network_say_what_to_do(tmp_path, mirror):
    place, address = mirror
    (place / MNIST_FILES[0]).unlink()
    with pytest.raises(RunError, match=r"cannot be reached \(.*--data or LABCTL_DATA.*digits"):
        fetch_mnist(tmp_path / "to", report=lambda *facts: None, mirror=address)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(RunError, match=rf"{closed}: cannot be reached .*no network, bring {MNIST_FILES[0]}"):
            fetch_mnist(tmp_path / "to", report=lambda *facts: None, mirror=closed)


def test_stopped_loading_leaves_no_part(tmp_path, mirror):
    _, address = mirror

    def stop(name, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_mnist(tmp_path / "to", report=stop, mirror=address)
    assert not list((tmp_path / "to").iterdir())


def test_folder_that_is_a_file_is_refused(tmp_path, mirror):
    (tmp_path / "to").write_text("")
    with pytest.raises(RunError, match="cannot be written to"):
        fetch_mnist(tmp_path / "to", report=lambda *facts: None, mirror=mirror[1])


def test_command_fills_the_folder_that_runs_look_into(tmp_path, mirror, monkeypatch, capsys):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LABCTL_DATA", raising=False)
    monkeypatch.setattr(fetching, "fetch_mnist", functools.partial(fetch_mnist, mirror=mirror[1]))
    monkeypatch.setattr(sys, "argv", ["labctl", "data", "fetch", "mnist"])
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
    printed = capsys.readouterr()
    folder = image_folder()
    assert folder == tmp_path / "home" / "data"
    assert [line for line in printed.out.splitlines() if line][:4] == [
        str(folder / "mnist" / name) for name in MNIST_FILES
    ]
    assert MNIST_FILES[0] in printed.err
    assert len(Handler.asked) == 4
    monkeypatch.setattr(fetching, "fetch_mnist", functools.partial(fetch_mnist, mirror="http://127.0.0.1:9/"))
    monkeypatch.setattr(sys, "argv", ["labctl", "data", "fetch", "mnist", "--to", str(tmp_path / "to")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "where there is no network" in capsys.readouterr().err


@pytest.mark.skipif(not os.environ.get("LABCTL_DATA"), reason="LABCTL_DATA is not set")
def test_checksums_are_those_of_mnist():
    folder = image_folder()
    for name, wanted in MNIST_MD5.items():
        file = next(place / name for place in (folder, folder / "mnist") if (place / name).is_file())
        assert hashlib.md5(file.read_bytes()).hexdigest() == wanted
