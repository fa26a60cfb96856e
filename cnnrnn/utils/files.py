"""Atomic writing of files and folders."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any

from cnnrnn.utils.errors import UserError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden name beside `path` under which a file or a folder is to be written.

    When the block ends, the new content is synced to disk and atomically replaces `path`. If the block fails, `path`
    is unchanged and the new content is removed; a killed process leaves it for `remove_stale`.
    Raises UserError if writing fails, for example on a full disk.
    """
    new = path.with_name(f".{path.name}.new-{platform.node()}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(new)
        yield new
        _to_disk(new)
        _replace(new, path)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}; nothing else was changed") from error
    finally:
        _remove(new)  # on success this is the previous content


def remove_stale(folder: Path) -> None:
    """Remove partial files that killed processes of this machine left here."""
    for path in folder.glob(f".*.new-{platform.node()}-*"):
        process = path.name.rpartition("-")[2]
        if process.isdigit() and not _alive(int(process)):
            _remove(path)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's process
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _to_disk(path: Path) -> None:
    """Sync before renaming: a rename may reach the disk before the content does."""
    for inside in path.iterdir() if path.is_dir() else ():
        _to_disk(inside)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(new: Path, path: Path) -> None:
    try:
        new.replace(path)
    except OSError:
        if not (new.is_dir() and path.is_dir()):  # a file is never put in a folder's place, with all that it holds
            raise
        if not _exchange(new, path):  # then for a moment there is nothing at `path`
            old = path.with_name(new.name.replace(".new-", ".old-"))
            path.rename(old)
            new.rename(path)
            _remove(old)
    _sync(path.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Atomically swap two paths; returns False where the system doesn't support it."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    return renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0


def escape_surrogates(name: str) -> str:
    """A file name that can be encoded: each byte that is not UTF-8, in Python a surrogate, becomes `\\udcff` or so."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def unescape_surrogates(name: str) -> str:
    """The file name before `escape_surrogates`."""
    return re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda match: chr(int(match[1], 16)), name)


def is_macos_metadata(path: str | PurePath) -> bool:
    """Whether a file holds what macOS notes about another one: `._photo.jpg` in zips and on other systems' disks."""
    path = PurePath(path)
    return path.name.startswith("._") or "__MACOSX" in path.parts


def write_text(path: Path, text: str) -> None:
    """Write text atomically; see `replacing`.

    A file name that is not UTF-8 has surrogates: they are escaped, as in JSON, from where they can be read again.
    """
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8", errors="backslashreplace")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, *rows)]
    lines.insert(1, "|---" * len(columns) + "|")
    return "\n".join(lines) + "\n"


def json_text(data: Any, ascii_only: bool = False) -> str:
    return json.dumps(data, indent=2, ensure_ascii=ascii_only) + "\n"
