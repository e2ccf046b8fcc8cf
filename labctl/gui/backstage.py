"""Asking a process behind the window, so that the window never waits.

Not here: what can be asked (:mod:`labctl.gui.answers`), the process (:mod:`labctl.gui.backstage_process`).
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, QProcess, Signal

__all__ = ["Backstage"]

_DIED = "the process behind the window ended while it worked on this; it is started again, try once more"


@dataclass(slots=True)
class _Question:
    done: Callable[[Any], None]
    failed: Callable[[str], None] | None
    part: Callable[[Any], None] | None
    replaces: str


class Backstage(QObject):
    """One process that answers questions in turn; started at the first, and again when it died.

    Parameters
    ----------
    parent : QObject, optional

    Attributes
    ----------
    told : Signal of str, str
        Severity and sentence, of questions that failed and named nobody to tell.
    """

    told = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._asked: dict[int, _Question] = {}
        self._last = 0
        self._rest = b""
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._asked)

    def ask(
        self,
        what: str,
        done: Callable[[Any], None],
        failed: Callable[[str], None] | None = None,
        *,
        part: Callable[[Any], None] | None = None,
        replaces: str = "",
        **arguments: Any,
    ) -> int:
        """Ask, and go on; one of the callbacks is called later, in this thread.

        Parameters
        ----------
        what : str
            ``"<subject>.<function>"``, see :mod:`labctl.gui.answers`.
        done : callable
            Takes the answer, plain values.
        failed : callable, optional
            Takes a sentence. Without it the sentence is told by the signal ``told``.
        part : callable, optional
            Takes parts of an answer that comes in several; without it they go to ``done``.
        replaces : str
            Older questions with this key are dropped: they are not answered any more.
        **arguments
            Plain values.

        Returns
        -------
        int
            Number of the question, for :meth:`drop`.
        """
        if replaces:
            for number in [number for number, one in self._asked.items() if one.replaces == replaces]:
                self.drop(number)
        self._last += 1
        self._asked[self._last] = _Question(done, failed, part, replaces)
        self._say({"id": self._last, "what": what, "arguments": arguments})
        return self._last

    def drop(self, number: int) -> None:
        """Do without an answer.

        Parameters
        ----------
        number : int
            As :meth:`ask` gave it; one that was answered meanwhile does no harm.
        """
        if self._asked.pop(number, None) is not None:
            self._say({"drop": number})

    def close(self) -> None:
        """End the process; nothing is answered any more."""
        self._is_closed = True
        self._asked.clear()
        process, self._process = self._process, None
        if process is not None:
            process.finished.disconnect(self._ended)
            process.readyReadStandardOutput.disconnect(self._read)
            process.closeWriteChannel()
            if not process.waitForFinished(500):
                process.kill()
                process.waitForFinished(1000)
            process.deleteLater()

    def _say(self, message: dict[str, Any]) -> None:
        if self._is_closed:
            # what is asked while the window goes would start the process again
            return
        if self._process is None:
            process = QProcess(self)
            process.setProcessChannelMode(QProcess.ProcessChannelMode.ForwardedErrorChannel)
            process.readyReadStandardOutput.connect(self._read)
            process.finished.connect(self._ended)
            process.start(sys.executable, ["-m", "labctl.gui.backstage_process"])
            self._process, self._rest = process, b""
        self._process.write(json.dumps(message).encode("utf-8") + b"\n")

    def _read(self) -> None:
        if self._process is None:
            return
        *lines, self._rest = (self._rest + bytes(self._process.readAllStandardOutput().data())).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            number, is_part = answer["id"], answer.get("part", False)
            question = self._asked.get(number) if is_part else self._asked.pop(number, None)
            if question is None:
                continue
            if not answer["ok"]:
                self._fail(question, answer["error"])
            elif is_part and question.part is not None:
                question.part(answer["answer"])
            else:
                question.done(answer["answer"])

    def _ended(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        asked, self._asked = self._asked, {}
        for question in asked.values():
            self._fail(question, _DIED)

    def _fail(self, question: _Question, sentence: str) -> None:
        if question.failed is not None:
            question.failed(sentence)
        else:
            self.told.emit("warning", sentence)
