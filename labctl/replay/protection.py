"""What protects a traffic file: behind each line the CRC-32 of all bytes before it, and a last line that counts them.

It finds what was changed or lost by mistake, not what somebody changes who computes the checks anew. Not here: the
format besides (:mod:`labctl.replay.traffic`), its writing (:mod:`labctl.replay.writing`).
"""

from collections.abc import Iterable
from zlib import crc32

__all__ = ["CHECK", "END", "checked", "crc_behind", "unedited"]

# what stands before the check of a line; behind it come "}" and a line feed
CHECK = b',"c":'
# how the last line begins
END = b'{"op":"end",'
# a longer line takes seconds to search
_SEARCHED_BYTES = 4096
_PRINTABLE = [bytes([code]) for code in range(32, 127)]


def checked(lines: Iterable[str], crc: int) -> tuple[bytes, int]:
    """Give lines their checks.

    Parameters
    ----------
    lines : iterable of str
        JSON objects without the brace at their end.
    crc : int
        CRC-32 of the file before them.

    Returns
    -------
    tuple of bytes and int
        The lines as they stand in the file, and the CRC-32 of the file with them.
    """
    end, found = b"", []
    for line in lines:
        # with the end of the line before: two calls for a line cost half as much again
        text = end + line.encode("ascii")
        crc = crc32(text, crc)
        end = b"%s%d}\n" % (CHECK, crc)
        found.append(text)
    found.append(end)
    return b"".join(found), crc32(end, crc)


def crc_behind(text: bytes, crc: int) -> int | None:
    """Hold the check at the end of some lines against them; it holds for all of them.

    Parameters
    ----------
    text : bytes
        One line or several, whole.
    crc : int
        CRC-32 of the file before them.

    Returns
    -------
    int or None
        CRC-32 of the file with them; None where the check is missing or does not fit.
    """
    place = text.rfind(CHECK)
    if place < 0:
        return None
    crc = crc32(text[:place], crc)
    end = b"%s%d}\n" % (CHECK, crc)
    return crc32(end, crc) if text[place:] == end else None


def unedited(text: bytes, crc: int) -> bytes | None:
    """Find a line as it was before one of its bytes was changed: that which its check fits.

    Parameters
    ----------
    text : bytes
        The line, whole.
    crc : int
        CRC-32 of the file before it.

    Returns
    -------
    bytes or None
        None where no change of one byte explains it, or the line is longer than 4 kB.
    """
    place = text.rfind(CHECK)
    digits = text[place + len(CHECK) : -2]
    if place < 0 or len(text) > _SEARCHED_BYTES or not digits.isdigit():
        return None
    wanted = int(digits)
    for index in range(place):
        rest = text[index + 1 : place]
        for byte in _PRINTABLE:
            if crc32(rest, crc32(byte, crc)) == wanted:
                return text[:index] + byte + text[index + 1 :]
        crc = crc32(text[index : index + 1], crc)
    return None
