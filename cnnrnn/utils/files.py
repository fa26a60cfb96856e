"""Atomic writing of files and folders, and text formats."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cnnrnn.utils.errors import UserError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file or folder atomically: the block writes to the temporary, hidden path that it receives.

    At the end of the block the temporary path is synced to disk and renamed to `path`. If the block fails or the
    process is killed, `path` is unchanged. An error removes the temporary path; after a kill, `remove_stale` does.
    Raises UserError if the path can't be written, for example on a full disk.
    """
    new = path.with_name(f".{path.name}.new-{platform.node()}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(new)
        yield new
        _to_disk(new)
        _rename_over(new, path)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}; nothing else was changed") from error
    finally:
        _remove(new)  # after a successful exchange this is the old content


def remove_stale(folder: Path) -> None:
    """Remove the temporary paths in `folder` of processes of this machine that no longer run."""
    for path in folder.glob(f".*.new-{platform.node()}-*"):
        process = path.name.rpartition("-")[2]
        if process.isdigit() and not _is_running(int(process)):
            _remove(path)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # the process of another user
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _to_disk(path: Path) -> None:
    """Sync a file or folder, since a rename may otherwise reach the disk before the content does."""
    for inside in path.iterdir() if path.is_dir() else ():
        _to_disk(inside)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename_over(new: Path, path: Path) -> None:
    try:
        new.replace(path)
    except OSError:
        if not (new.is_dir() and path.is_dir()):  # a file never replaces a folder and its content
            raise
        if not _exchange(new, path):  # without the system call, nothing is at `path` for a moment
            old = path.with_name(new.name.replace(".new-", ".old-"))
            path.rename(old)
            new.rename(path)
            _remove(old)
    _sync(path.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically. Returns False if the system or the file system does not support it."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    return renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; see `replacing`."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are not escaped."""
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, *rows)]
    lines.insert(1, "|---" * len(columns) + "|")
    return "\n".join(lines) + "\n"


def json_text(data: Any) -> str:
    """Indented JSON with a newline at the end."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
