"""Official archives: downloaded with resume, verified and unpacked."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from torchvision.datasets.utils import extract_archive

from cnnrnn.data.split import DataError

_CHUNK = 1024 * 1024
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    url: str
    md5: str  # as its publishers or common tools list it; it detects damage, not tampering

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def fetch(archive: Archive, root: Path) -> None:
    """Download an archive into `root` and unpack it there; a finished download is not repeated.

    Raises DataError offline, or when the checksum is wrong; a partial download is kept for the next attempt.
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
            raise DataError(f"{archive.name} arrived damaged (wrong checksum) and was deleted; try again")
        part.rename(path)
    extract_archive(str(path), str(root))


def _resume(url: str, part: Path) -> None:
    offset = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            resumed = response.status == 206  # a server without range support sends the whole file
            expected = int(response.headers.get("Content-Length", 0)) + (offset if resumed else 0)
            with part.open("ab" if resumed else "wb") as file:
                while chunk := response.read(_CHUNK):
                    file.write(chunk)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: the file is already complete
            raise
        return
    if expected and part.stat().st_size < expected:
        raise OSError("the connection broke off")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
