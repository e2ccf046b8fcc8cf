"""Writing one of the HTML pages from its template, or a text. Not here: what is on it (the modules of the pages)."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from labctl.errors import StoreError

__all__ = ["write_page", "write_text"]


def write_page(page: Path, what: str, template: str, content: Mapping[str, Any]) -> Path:
    """Fill a template and write it.

    Parameters
    ----------
    page : Path
        The file; its folder is made if it is not there.
    what : str
        Who writes, for the message.
    template : str
        A file beside this one, for Jinja.
    content : mapping of str to object
        All that the template names.

    Returns
    -------
    Path
        ``page``.

    Raises
    ------
    StoreError
        If the folder is a file or cannot be written to.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = (files("labctl.analysis") / template).read_text(encoding="utf-8")
    text = environment.from_string(source).render(**content)
    return write_text(page, what, text)


def write_text(path: Path, what: str, text: str) -> Path:
    """Write a text for people.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is not there.
    what : str
        Who writes, for the message.
    text : str

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    StoreError
        If the folder is a file or cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"{what}: cannot write {path} ({error.strerror}); choose another folder with -o") from error
    return path
