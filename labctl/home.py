"""Where per-user state lives: benches' dies, the lab's own stations. Not here: run files (:mod:`labctl.store`)."""

import os
from pathlib import Path

import platformdirs

__all__ = ["labctl_home"]


def labctl_home() -> Path:
    """Return the folder of per-user state: ``LABCTL_HOME``, else the platform's user data folder.

    Returns
    -------
    Path
        Absolute; it need not exist yet.
    """
    chosen = os.environ.get("LABCTL_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_data_path("labctl", appauthor=False)
