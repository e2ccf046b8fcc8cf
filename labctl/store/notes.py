"""Notes and tags of a run, in a small file beside its run file: a sealed run file is never changed.

Not here: finding runs by their notes (:mod:`labctl.store.catalogue`).
"""

import contextlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.schema import SUFFIX
from labctl.store.spool import root_of

__all__ = ["NOTES_SUFFIX", "Notes", "clean_tags", "notes_of", "read_notes", "write_notes"]

NOTES_SUFFIX = ".notes.json"


@dataclass(frozen=True, slots=True)
class Notes:
    """What people wrote about a run.

    Attributes
    ----------
    text : str
    tags : tuple of str
        Single words, each once.
    """

    text: str = ""
    tags: tuple[str, ...] = ()


def notes_of(path: Path) -> Path:
    """Return the file of the notes of a run; it need not exist.

    Parameters
    ----------
    path : Path
        The run file; of one that still grows in the spool, the notes are in its data root.

    Returns
    -------
    Path
    """
    return root_of(path) / f"{path.name.removesuffix(SUFFIX)}{NOTES_SUFFIX}"


def read_notes(path: Path) -> Notes:
    """Read the notes of a run.

    Parameters
    ----------
    path : Path
        The run file.

    Returns
    -------
    Notes
        Empty ones where nobody wrote any.

    Raises
    ------
    StoreError
        If the file of the notes cannot be read.
    """
    file = notes_of(path)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return Notes(str(found["text"]), clean_tags(list(map(str, found["tags"]))))
    except FileNotFoundError:
        return Notes()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{file}: these notes cannot be read: {error}; mend or remove the file") from error


def write_notes(path: Path, notes: Notes) -> None:
    """Replace the notes of a run; empty ones remove their file.

    Parameters
    ----------
    path : Path
        The run file.
    notes : Notes

    Raises
    ------
    StoreError
        If there is no such run file, a tag is no single word, or the file cannot be written.
    """
    if not path.is_file():
        raise StoreError(f"{path}: there is no such run file to write notes about")
    file = notes_of(path)
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
    try:
        if not notes.text.strip() and not notes.tags:
            file.unlink(missing_ok=True)
            return
        text = json.dumps({"text": notes.text.strip(), "tags": list(clean_tags(notes.tags))}, ensure_ascii=False)
        # whole or not at all: whoever reads at this moment sees the old notes
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, file)
    except (OSError, UnicodeEncodeError) as error:
        raise StoreError(f"{file}: the notes cannot be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def clean_tags(tags: "list[str] | tuple[str, ...]") -> tuple[str, ...]:
    """Return tags without repetition.

    Parameters
    ----------
    tags : list or tuple of str

    Returns
    -------
    tuple of str

    Raises
    ------
    StoreError
        If one is empty or holds a space or a comma: such a tag could not be searched for.
    """
    for tag in tags:
        if not tag or any(char.isspace() or char == "," for char in tag):
            raise StoreError(f"tag {tag!r}: a tag is one word without spaces and commas, such as good-die")
    return tuple(dict.fromkeys(tags))
