"""Who was spoken to in a recording: each resource, and what it answered to ``*IDN?``.

Not here: the format of the recording (:mod:`labctl.replay.traffic`).
"""

import re

from labctl.replay.traffic import TrafficFile

__all__ = ["answers_apart", "identities_in"]

# semicolons between questions or answers, not those within quotes: SCPI errors have some
_BETWEEN = re.compile(rb';(?=(?:[^"]*"[^"]*")*[^"]*$)')


def answers_apart(message: bytes, answer: bytes) -> list[tuple[bytes, bytes]]:
    """Take an answer to several questions apart.

    Parameters
    ----------
    message : bytes
        What was written, such as ``*ESE?;*IDN?``.
    answer : bytes

    Returns
    -------
    list of tuple of bytes and bytes
        Each question in capitals, and its answer; one pair where they cannot be told apart.
    """
    questions = [part.strip().upper() for part in _BETWEEN.split(message) if b"?" in part]
    answers = _BETWEEN.split(answer)
    if len(answers) != len(questions):
        return [(message.strip().upper(), answer)]
    return list(zip(questions, answers, strict=True))


def identities_in(file: TrafficFile) -> dict[str, str]:
    """Read a whole recording for who was spoken to.

    Parameters
    ----------
    file : TrafficFile
        Not yet read.

    Returns
    -------
    dict of str to str
        What the resource answered to ``*IDN?`` first, by resource; "" where nobody asked.

    Raises
    ------
    ReplayError
        If a line is cut, is no operation, or was changed after it was recorded.
    """
    found: dict[str, str] = {}
    names: dict[int, str] = {}
    asked: dict[int, bytes] = {}
    for done in file.operations():
        if done.op == "open":
            names[done.session] = str(done.facts.get("resource", ""))
            found.setdefault(names[done.session], "")
        elif done.op == "w":
            asked[done.session] = done.data if b"*IDN?" in done.data.upper() else b""
        elif done.op == "r" and done.data and asked.get(done.session):
            name = names.get(done.session, "")
            for question, answer in answers_apart(asked[done.session], done.data):
                if question == b"*IDN?":
                    found[name] = found.get(name) or answer.decode("latin-1").strip()
    return found
