"""Official archives: fetched where the last attempt stopped, checked, and unpacked."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from torchvision.datasets.utils import extract_archive

from cnnrnn.data import DataError

_CHUNK = 1024 * 1024
_PATIENCE = 30  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    url: str
    md5: str  # as its publishers, or many who use it, give it; against damage, not against malice

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def fetch(archive: Archive, root: Path) -> None:
    """Download an archive into `root` and unpack it there; a finished download is not asked for again.

    Raises DataError offline, or when the checksum is wrong; what has arrived by then is kept for the next try.
    """
    root.mkdir(parents=True, exist_ok=True)
    path, part = root / archive.name, root / f"{archive.name}.part"
    if not path.exists():
        try:
            _resume(archive.url, part)
        except (OSError, urllib.error.URLError) as error:
            raise DataError(
                f"{archive.name} could not be downloaded ({error}); check the connection and give the same command "
                "again: it goes on where it stopped"
            ) from error
        if _md5(part) != archive.md5:
            part.unlink()
            raise DataError(f"{archive.name} arrived damaged (wrong checksum) and was thrown away; try again")
        part.rename(path)
    extract_archive(str(path), str(root))


def _resume(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            resumed = response.status == 206  # a server that knows no ranges sends all of it again
            expected = int(response.headers.get("Content-Length", 0)) + (have if resumed else 0)
            with part.open("ab" if resumed else "wb") as file:
                while chunk := response.read(_CHUNK):
                    file.write(chunk)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing beyond what is here already
            raise
        return
    if expected and part.stat().st_size < expected:
        raise OSError("the connection broke off")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
