"""Which images of a data set can be read, and which are copies: every file is opened once, and the result is cached."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnnrnn.data.images import LIMIT, ImageError, open_image
from cnnrnn.data.split import DataError
from cnnrnn.utils.cache import cache_folder, remove_least_recent
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import write_text

_SIDE = 64  # pixels; a JPEG is decoded to the end at a small scale, so that a file that is cut off is found
_CHUNK = 64  # images between two calls of on_images


@dataclass(frozen=True)
class Checked:
    error: str  # empty for an image that can be read
    digest: str  # of the file's content; empty for a file that can't be read


def check_images(paths: Sequence[Path], on_images: Callable[[int], None] = lambda count: None) -> dict[Path, Checked]:
    """Open every image, in threads. Results are kept in the user's cache until a file's size or time changes, or the
    limit of megapixels; that a file can't be read isn't kept, since permissions may change."""
    cache = _Cache(paths)
    known = {path: found for path in paths if (found := cache.get(path)) is not None}
    on_images(len(known))
    new = [path for path in dict.fromkeys(paths) if path not in known]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(new), _CHUNK):
            chunk = new[start : start + _CHUNK]
            for path, checked in zip(chunk, pool.map(_check, chunk), strict=True):
                known[path] = checked
                cache.put(path, checked)
            on_images(len(chunk))
    if new:
        cache.save()
    return known


def copies(checked: dict[Path, Checked]) -> list[list[Path]]:
    """Groups of files with the same content."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path, found in checked.items():
        if not found.error:
            groups[found.digest].append(path)
    return [group for group in groups.values() if len(group) > 1]


def _check(path: Path) -> Checked:
    try:
        digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        open_image(path, _SIDE)
    except ImageError as error:
        return Checked(str(error), digest)
    except OSError as error:
        return Checked(error.strerror or str(error), "")
    return Checked("", digest)


class _Cache:
    """A JSON file for every set of folders, in the cache folder."""

    def __init__(self, paths: Iterable[Path]) -> None:
        folders = sorted({str(path.parent.absolute()) for path in paths})
        name = hashlib.blake2b(os.fsencode("\n".join(folders)), digest_size=8).hexdigest()
        self.file = cache_folder("images") / f"{name}.json"
        self.entries: dict[str, list] = {}
        with suppress(OSError, ValueError):
            content = json.loads(self.file.read_text(encoding="utf-8"))
            self.entries = content if isinstance(content, dict) else {}
            os.utime(self.file)  # used now

    def get(self, path: Path) -> Checked | None:
        entry = self.entries.get(str(path.absolute()))
        version = _version(path)
        return Checked(*entry[len(version) :]) if entry and entry[: len(version)] == version else None

    def put(self, path: Path, checked: Checked) -> None:
        if checked.digest:
            self.entries[str(path.absolute())] = [*_version(path), checked.error, checked.digest]

    def save(self) -> None:
        with suppress(UserError, UnicodeEncodeError):  # a cache only saves time
            write_text(self.file, json.dumps(self.entries))
            remove_least_recent(self.file.parent, keep=[self.file], pattern="*.json")


def _version(path: Path) -> list[int | str]:
    """What the result of a check depends on."""
    limit = os.environ.get(LIMIT, "")
    try:
        status = path.stat()
    except OSError:
        return [0, 0, limit]
    return [status.st_size, status.st_mtime_ns, limit]


def require_readable(errors: dict[Path, str]) -> None:
    """Raises DataError that names the images that can't be read, the first few of them."""
    if errors:
        shown = "; ".join(f"{path}: {error}" for path, error in list(errors.items())[:3])
        raise DataError(f"{len(errors)} images can't be read ({shown}); mend or remove them, or leave out --strict")
