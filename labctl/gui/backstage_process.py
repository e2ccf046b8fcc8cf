"""The process behind the window: reads questions as lines of JSON, answers them one after another, ends with its input.

A question is ``{"id": 3, "what": "form.describe", "arguments": {...}}``; ``what`` names a function of the mapping
``ANSWERS`` in ``labctl.gui.answers.<subject>``. An answer is ``{"id": 3, "ok": true, "answer": ...}``, or
``"ok": false`` with an ``"error"`` for people. An answer that comes in parts has ``"part": true`` in all but the last:
the function is then a generator. Numbers that JSON has not are null. Not here: the window's side
(:mod:`labctl.gui.backstage`).
"""

import json
import logging
import math
import os
import queue
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import IO, Any

from labctl.errors import LabError
from labctl.gui.slots import sentence_of

__all__ = ["main"]

log = logging.getLogger(__name__)

_SUBJECTS = {
    "array": "labctl.gui.answers.array",
    "browser": "labctl.gui.answers.browser",
    "desk": "labctl.gui.answers.desk",
    "form": "labctl.gui.answers.form",
    "start": "labctl.gui.answers.start",
    "station": "labctl.gui.answers.station",
}


def main() -> None:
    """Answer until the input ends."""
    # what anybody prints must not come between the answers
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(waiting,), daemon=True).start()
    dropped: set[int] = set()
    pending: list[dict[str, Any]] = []
    while True:
        _take(waiting, pending, dropped, wait=not pending)
        question = pending.pop(0)
        if question["id"] not in dropped:
            _answer(question, answers, lambda: _take(waiting, pending, dropped, wait=False), dropped)
        dropped.discard(question["id"])


def _listen(waiting: "queue.SimpleQueue[str | None]") -> None:
    for line in sys.stdin:
        waiting.put(line)
    # the window is gone: whatever is being worked on is for nobody
    os._exit(0)


def _take(
    waiting: "queue.SimpleQueue[str | None]", pending: list[dict[str, Any]], dropped: set[int], *, wait: bool
) -> None:
    while wait or not waiting.empty():
        told = json.loads(waiting.get() or "{}")
        if "drop" in told:
            dropped.add(int(told["drop"]))
        elif "id" in told:
            pending.append(told)
            wait = False


def _answer(question: dict[str, Any], answers: IO[str], look: Any, dropped: set[int]) -> None:
    number = question["id"]
    try:
        subject, _, what = str(question["what"]).partition(".")
        found = import_module(_SUBJECTS[subject]).ANSWERS[what](**question["arguments"])
        if not isinstance(found, Iterator):
            _write(answers, {"id": number, "ok": True, "answer": found})
            return
        last: Any = None
        is_first = True
        for part in found:
            look()
            if number in dropped:
                return
            if not is_first:
                _write(answers, {"id": number, "ok": True, "part": True, "answer": last})
            last, is_first = part, False
        _write(answers, {"id": number, "ok": True, "answer": last})
    except (LabError, ValueError, OSError) as error:
        _write(answers, {"id": number, "ok": False, "error": sentence_of(error)})
    except Exception as error:  # the boundary of the process: the window must get an answer
        log.exception("%s", question["what"])
        _write(answers, {"id": number, "ok": False, "error": sentence_of(error)})


def _write(answers: IO[str], answer: dict[str, Any]) -> None:
    try:
        text = json.dumps(answer, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(answer))
    answers.write(text + "\n")
    answers.flush()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return [_without_nan(item) for item in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    main()
