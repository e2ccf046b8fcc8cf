"""Following a run whose file is away for a moment. Authority: issue 5, "Bad input": "handled, nothing lost"."""

import pytest

from labctl.gui import feed as feed_module
from labctl.store import RunHeader, RunWriter

HEADER = RunHeader("sweep_iv", ("Row", "Voltage (V)"), station="single-device", simulated=True)


@pytest.fixture
def path(root, qtbot, desk):
    """A run of 1000 points, watched while it had 500; then its folder was taken away."""
    writer = RunWriter.create(root, HEADER)
    points = [{"Row": 0, "Voltage (V)": 0.001 * number} for number in range(1000)]
    writer.points(points[:500])
    writer.flush()
    desk.watch(writer.path)
    qtbot.waitUntil(lambda: desk.feed.count == 500)
    writer.points(points[500:])
    writer.seal("finished", {})
    away = root.rename(root.with_name("away"))
    desk.feed.follower.close()
    qtbot.waitUntil(lambda: bool(desk.feed.trouble) or desk.feed.count == 1000)
    assert desk.feed.count == 500
    yield writer.path
    if away.exists():
        away.rename(root)


def back(root):
    root.with_name("away").rename(root)


def test_run_is_watched_on_when_its_folder_is_there_again(qtbot, desk, root, path):
    ((severity, sentence),) = desk.sentences
    assert severity == "error"
    assert path.name in sentence
    assert "bring it back" in sentence
    back(root)
    qtbot.waitUntil(lambda: desk.feed.count == 1000 and desk.feed.status == "finished")
    assert desk.feed.trouble == ""
    assert [severity for severity, _ in desk.sentences] == ["error", "info"]


def test_run_is_watched_again_when_it_is_opened_after_it_was_given_up(qtbot, desk, root, path, monkeypatch):
    monkeypatch.setattr(feed_module, "_PATIENCE_S", 0.0)
    desk.feed._given_up_s = 0.0
    with qtbot.waitSignal(desk.feed.failed) as given_up:
        pass
    assert "open it again" in given_up.args[0]
    assert ("error", given_up.args[0]) in desk.sentences
    back(root)
    qtbot.wait(3 * feed_module._AGAIN_MS)
    assert desk.feed.count == 500
    desk.watch(path)
    qtbot.waitUntil(lambda: desk.feed.count == 1000 and desk.feed.status == "finished")
