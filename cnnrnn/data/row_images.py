"""The images that rows name, to be found in other files that name them by another part of their paths."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from cnnrnn.data.formats.image_lists import lines_of
from cnnrnn.data.images import SUFFIXES, is_image_name
from cnnrnn.data.split import DataError

_MOST_LINES = 1000  # of a file, to tell what it is


class RowImages:
    """Finds images by the end of their path: by the name, and as many folders as tell it from others."""

    def __init__(self, images: Iterable[str]) -> None:
        self._by_end: dict[str, str | None] = {}
        for image in dict.fromkeys(images):
            for end in _ends(image):
                self._by_end[end] = image if self._by_end.get(end, image) == image else None

    def find(self, name: str) -> str | None:
        """The image whose path ends as this name does, with or without a suffix; None if several do."""
        return next((self._by_end[end] for end in _ends(name) if end in self._by_end), None)

    def begin_lines(self, path: Path) -> bool:
        """Whether most lines of a text begin with an image, before labels or other numbers."""
        with suppress(DataError):
            lines = lines_of(path)[:_MOST_LINES]
            words = [line.replace(",", " ").replace(";", " ").split()[:1] for line in lines]
            known = [word for found in words for word in found if tells_an_image(word) and self.find(word)]
            return len(known) * 2 > len(lines)
        return False


def tells_an_image(word: str) -> bool:
    """Whether a word in a text may be meant for an image: a short number may be anything."""
    return is_image_name(word) or "/" in word or len(word) > (5 if word.isdigit() else 3)


def _ends(name: str) -> Iterator[str]:
    """The ends of a path, the longest first, each with its suffix and without."""
    name = unicodedata.normalize("NFC", name.strip()).casefold().replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    for n in range(len(parts)):
        end = "/".join(parts[n:])
        yield end
        stem, suffix = os.path.splitext(end)
        if suffix in SUFFIXES:
            yield stem
