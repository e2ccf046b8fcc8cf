"""The bar of a replay: pause, step, speed, and where it is in the run, which can be moved.

Seen while a replay is watched. Not here: when rows are due (:mod:`labctl.replay.playing`).
"""

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSlider, QToolBar, QWidget

from labctl.gui.desk import Desk
from labctl.gui.feed import RunFeed
from labctl.gui.slots import guarded_slot
from labctl.replay.playing import RunPlayer
from labctl.units import format_quantity

__all__ = ["SPEEDS", "PlayBar"]

SPEEDS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
_DRAW_MS = 100
_PARTS = 1000


class PlayBar(QWidget):
    """The replay that is watched, and its buttons.

    Parameters
    ----------
    desk : Desk
    bar : QToolBar
        Hidden while no replay is watched.
    """

    def __init__(self, desk: Desk, bar: QToolBar) -> None:
        super().__init__(bar)
        self.desk = desk
        self._bar = bar
        self._feed: RunFeed | None = None
        self.name_label = QLabel(self)
        self.pause_button = QPushButton(self)
        self.step_button = QPushButton("S&tep", self)
        self.step_button.setToolTip("Go to the next row and stand still there")
        self.speed_box = QComboBox(self)
        self.speed_box.setAccessibleName("Speed of the replay")
        self.speed_box.setToolTip("Seconds of the rack that pass in a second")
        for speed in SPEEDS:
            self.speed_box.addItem(f"{speed:g} ×", speed)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(0, _PARTS)
        self.slider.setAccessibleName("Place in the run")
        self.slider.setToolTip("Jump: forwards the rows between come at once, backwards plots and map begin again")
        self.time_label = QLabel(self)
        self.end_button = QPushButton("E&nd the replay", self)
        self.end_button.setToolTip("Show all of the run")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        for widget in (self.name_label, self.pause_button, self.step_button, self.speed_box):
            layout.addWidget(widget)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.time_label)
        layout.addWidget(self.end_button)
        self.pause_button.clicked.connect(self._pause_or_go_on)
        self.step_button.clicked.connect(self._step)
        self.speed_box.currentIndexChanged.connect(self._choose_speed)
        self.slider.sliderReleased.connect(self._jump)
        self.slider.actionTriggered.connect(self._jump_soon)
        self.end_button.clicked.connect(self._end)
        self._drawing = QTimer(self, interval=_DRAW_MS)
        self._drawing.timeout.connect(self._draw)
        desk.feed_changed.connect(self._take_feed)
        self._take_feed(desk.feed)

    @property
    def player(self) -> RunPlayer | None:
        """The replay that is watched."""
        return None if self._feed is None else self._feed.player

    @guarded_slot
    def _take_feed(self, feed: RunFeed | None) -> None:
        self._feed = feed
        player = self.player
        self._bar.setVisible(player is not None)
        if feed is None or player is None:
            self._drawing.stop()
            return
        simulated = " (simulated)" if feed.simulated else ""
        self.name_label.setText(f"<b>Replay of</b> {feed.run_id}{simulated}")
        self.speed_box.setCurrentIndex(self.speed_box.findData(player.speed))
        self._drawing.start()
        self._draw()

    @guarded_slot
    def _draw(self) -> None:
        player = self.player
        if player is None:
            return
        self.pause_button.setText("&Go on" if player.is_paused else "Pau&se")
        position_s, duration_s = player.position_s, player.duration_s
        if not self.slider.isSliderDown():
            self.slider.setValue(round(_PARTS * position_s / duration_s) if duration_s else _PARTS)
        now, whole = (format_quantity(value, "s", digits=3) for value in (position_s, duration_s))
        self.time_label.setText(f"{now} of {whole}")
        for button in (self.pause_button, self.step_button):
            button.setEnabled(not player.is_over)

    @guarded_slot
    def _pause_or_go_on(self) -> None:
        player = self.player
        if player is not None:
            (player.resume if player.is_paused else player.pause)()
            self._draw()

    @guarded_slot
    def _step(self) -> None:
        if self.player is not None:
            self.player.step()
            self._draw()

    @guarded_slot
    def _choose_speed(self) -> None:
        if self.player is not None:
            self.player.speed = self.speed_box.currentData()

    @guarded_slot
    def _jump_soon(self) -> None:
        # keys and the wheel move it without taking hold of it; its value changes after this signal
        if not self.slider.isSliderDown():
            QTimer.singleShot(0, self._jump)

    @guarded_slot
    def _jump(self) -> None:
        player = self.player
        if player is None:
            return
        position_s = player.duration_s * self.slider.value() / _PARTS
        if position_s >= player.position_s:
            player.jump(position_s)
        else:
            # who has drawn what comes later must forget it
            self.desk.play(player.path, position_s, speed=player.speed, is_paused=player.is_paused)
        self._draw()

    @guarded_slot
    def _end(self) -> None:
        if self.player is not None:
            self.desk.watch(self.player.path)
