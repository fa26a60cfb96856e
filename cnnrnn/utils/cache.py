"""The user's cache folder, a substitute where it can't be written, and the removal of what was not used for longest.

The folder is $CNNRNN_CACHE, or cnnrnn under $XDG_CACHE_HOME or ~/.cache. Homes are read-only in many containers.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path

from cnnrnn.utils.errors import UserError
from cnnrnn.utils.progress import notes

FOLDER, GIGABYTES = "CNNRNN_CACHE", "CNNRNN_CACHE_GB"  # environment variables: the folder, and the most that it keeps
_DEFAULT_GIGABYTES = 20.0


def cache_folder(name: str) -> Path:
    """A folder for one kind of content. Where the user's can't be written it is temporary, and a line says so."""
    wanted = _user_folder()
    if wanted is not None and _writable(wanted):
        return wanted / name
    _say_once(str(wanted or "a home folder"))
    return temporary_folder() / name


@cache
def temporary_folder() -> Path:
    """Of this process; it is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="cnnrnn-"))  # only this user can write into it
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def redirect_libraries() -> None:
    """Give numba and matplotlib a temporary folder where there is no home for theirs: numba fails without one."""
    wanted = _user_folder()
    if wanted is None or not _writable(wanted):
        for variable in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
            if variable not in os.environ:
                os.environ[variable] = str(temporary_folder())


def remove_least_recent(folder: Path, keep: Collection[Path], pattern: str = "*.npy") -> None:
    """Delete the files that were not used for longest, until the rest has at most `gigabytes`; never those of `keep`.

    `os.utime` marks a file as used. Raises UserError if the environment variable is not a number.
    """
    files = sorted((path.stat().st_mtime, path) for path in folder.glob(pattern) if path not in keep)
    excess = folder_size(folder) - gigabytes() * 1e9
    for _, path in files:
        if excess <= 0:
            break
        excess -= path.stat().st_size
        with suppress(OSError):  # another process was first
            path.unlink()


def kept(folder: Path) -> str:
    """What a folder of `cache_folder` keeps, for people; nothing of a temporary one."""
    if folder.parent != _user_folder() or not (size := folder_size(folder)):
        return ""
    text = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
    return f"{text} in {folder} are kept for later runs on the same images, at most {gigabytes():g} GB ({GIGABYTES})"


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())


def gigabytes() -> float:
    """The most that is kept for later runs. Raises UserError if the environment variable is not a number."""
    value = os.environ.get(GIGABYTES)
    if value is None:
        return _DEFAULT_GIGABYTES
    try:
        return float(value)
    except ValueError:
        raise UserError(f"{GIGABYTES} must be a number of gigabytes, not '{value}'") from None


def _user_folder() -> Path | None:
    if chosen := os.environ.get(FOLDER):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cnnrnn"
    except RuntimeError:  # a user without a home
        return None


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@cache
def _say_once(folder: str) -> None:
    notes.print(
        f"{folder} can't be written: what is kept for later runs is in a temporary folder now; "
        f"set {FOLDER} to a folder to keep it",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
