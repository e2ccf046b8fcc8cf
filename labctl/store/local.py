"""Whether a folder is on this computer's own disk: SQLite's log is not safe on network drives and synchronised folders.

Not here: what is done about it (:mod:`labctl.store.spool`).
"""

import os
import sys
from pathlib import Path

__all__ = ["why_not_local"]

_NETWORK_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "9p", "ncpfs", "glusterfs", "lustre"}
)
_NETWORK_PREFIXES = ("fuse.sshfs", "fuse.rclone", "fuse.gvfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.davfs", "davfs")
# what the clients leave in the topmost folder that they synchronise
_MARKS = {
    ".dropbox": "Dropbox",
    ".dropbox.cache": "Dropbox",
    ".tmp.drivedownload": "Google Drive",
    ".tmp.driveupload": "Google Drive",
    ".nextcloudsync.log": "Nextcloud",
    ".owncloudsync.log": "ownCloud",
    ".stfolder": "Syncthing",
    ".849C9593-D756-4E56-8D6E-42412F2A707B": "OneDrive",
}
_MARK_PATTERNS = {".sync_*.db": "Nextcloud", "._sync_*.db": "Nextcloud"}
_NAMES = {
    "com~apple~clouddocs": "iCloud Drive",
    "iclouddrive": "iCloud Drive",
    "my drive": "Google Drive",
    "google drive": "Google Drive",
    "dropbox": "Dropbox",
    "onedrive": "OneDrive",
    "nextcloud": "Nextcloud",
}
_NAME_PREFIXES = {"onedrive - ": "OneDrive", "dropbox (": "Dropbox", "googledrive-": "Google Drive"}
_VARIABLES = ("OneDrive", "OneDriveCommercial", "OneDriveConsumer")


def why_not_local(folder: Path) -> str | None:
    """Say why a folder is not on a disk of this computer alone.

    Parameters
    ----------
    folder : Path
        Absolute; it need not exist yet.

    Returns
    -------
    str or None
        Such as ``"a network drive (nfs4)"`` or ``"synchronised by OneDrive"``; None for a local folder.
    """
    real = Path(os.path.realpath(folder))
    drive = _network_drive(real)
    if drive is not None:
        return f"a network drive ({drive})"
    client = _client(real)
    return None if client is None else f"synchronised by {client}"


def _client(folder: Path) -> str | None:
    for variable in _VARIABLES:
        chosen = os.environ.get(variable)
        if chosen and folder.is_relative_to(os.path.realpath(chosen)):
            return "OneDrive"
    for place in (folder, *folder.parents):
        name = place.name.casefold()
        named = _NAMES.get(name) or next((who for start, who in _NAME_PREFIXES.items() if name.startswith(start)), None)
        if named is not None:
            return named
        for mark, who in _MARKS.items():
            if (place / mark).exists():
                return who
        for pattern, who in _MARK_PATTERNS.items():
            if place.is_dir() and next(place.glob(pattern), None) is not None:
                return who
    return None


if sys.platform == "win32":  # pragma: no cover - the other half runs on Linux
    import ctypes

    _DRIVE_REMOTE = 4

    def _network_drive(folder: Path) -> str | None:
        if folder.drive.startswith("\\\\"):
            return folder.drive
        kind = ctypes.WinDLL("kernel32").GetDriveTypeW(f"{folder.drive}\\")
        return folder.drive if kind == _DRIVE_REMOTE else None

else:
    _MOUNTS = Path("/proc/self/mountinfo")

    def _network_drive(folder: Path) -> str | None:
        """Return the type of the file system if it is one of a network."""
        try:
            lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return None
        deepest, kind = -1, ""
        for line in lines:
            # proc(5): mount point is field 5; after a lone hyphen comes the type; spaces are written as octal
            before, _, after = line.partition(" - ")
            point = before.split(" ")[4].encode().decode("unicode_escape")
            if folder.is_relative_to(point) and len(Path(point).parts) >= deepest:
                deepest, kind = len(Path(point).parts), after.split(" ")[0]
        return kind if kind in _NETWORK_TYPES or kind.startswith(_NETWORK_PREFIXES) else None
