"""Cutting program messages where IEEE 488.2 section 7 says so: quotes, arbitrary blocks and parentheses protect.

Not here: headers (:mod:`labctl_mock.messages.tree`) and the meaning of data (:mod:`labctl_mock.messages.parameters`).
"""

from labctl_mock.messages.faults import MessageFault

__all__ = ["block_end", "message_end", "split"]

_DIGITS = frozenset("0123456789")  # str.isdigit takes the superscripts of Latin-1 too


def block_end(text: str, start: int) -> int:
    """Return the index after the element that begins with ``#`` at ``start``; beyond the end while it is incomplete.

    ``#<n><n digits><bytes>`` is a definite block, ``#0<bytes>`` an indefinite one up to the end of the message
    (IEEE 488.2 7.7.6); ``#H``, ``#Q`` and ``#B`` begin numbers (7.7.4), which need no protection.
    """
    digits = text[start + 1 : start + 2]
    if digits not in _DIGITS:
        return start + 1
    if digits == "0":
        return len(text) + 1
    first = start + 2 + int(digits)
    length = text[start + 2 : first]
    if not (length.isascii() and length.isdigit()):
        return len(text) + 1 if len(length) < int(digits) else start + 1
    return first + int(length)


def message_end(buffer: bytes) -> int:
    """Return the index of the line feed that ends the first program message; -1 where it has not come yet.

    Line feeds inside blocks are data; those inside quotes are not looked for, so that a lost quote costs one message.
    """
    end = buffer.find(b"\n")
    mark = buffer.find(b"#")
    if end < 0 or mark < 0 or mark > end:
        return end
    text = buffer.decode("latin-1")
    position = 0
    while (mark := text.find("#", position)) >= 0:
        end = text.find("\n", position)
        if 0 <= end < mark:
            return end
        position = block_end(text, mark)
    return text.find("\n", position)


def split(text: str, separator: str) -> list[str]:
    """Cut ``text`` at each ``separator`` outside of quotes, blocks and parentheses.

    Raises
    ------
    MessageFault
        -151 for a string without its closing quote, -161 for a block shorter than it says, -171 for a parenthesis
        without its partner.
    """
    if not ('"' in text or "'" in text or "#" in text or "(" in text):
        return text.split(separator)
    parts: list[str] = []
    start = position = depth = 0
    while position < len(text):
        character = text[position]
        if character in "\"'":
            # 7.7.5.2: a doubled quote inside a string falls out as the end of one and the start of the next
            closing = text.find(character, position + 1)
            if closing < 0:
                raise MessageFault(-151)
            position = closing + 1
            continue
        if character == "#":
            end = block_end(text, position)
            if end > len(text) and text[position + 1 : position + 2] != "0":
                raise MessageFault(-161)
            position = min(end, len(text))
            continue
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    if depth:
        raise MessageFault(-171)
    parts.append(text[start:])
    return parts
