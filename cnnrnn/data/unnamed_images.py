"""Images that lie beside those of a table, but are in none of its rows: it may be an older export, or cut off."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cnnrnn.data.find_images import spelling_key
from cnnrnn.data.images import is_image_name
from cnnrnn.data.reading import Findings, listed


def tell_of_unnamed(images: Iterable[Path], root: Path, findings: Findings) -> None:
    """Note how many there are, in the very folders in which the images of the samples lie.

    It is told however few images a table names, since one cut off after ten of 10,000 rows looks like one that means
    ten; the folders are listed, and no file is opened.
    """
    used: dict[Path, set[str]] = defaultdict(set)
    for image in images:
        used[image.parent].add(spelling_key(image.name))
    unnamed: list[str] = []
    for folder, names in used.items():
        with suppress(OSError):
            beside = (name for name in os.listdir(folder) if is_image_name(name) and not name.startswith("."))
            inside = os.path.join(os.path.relpath(folder, root), "").removeprefix(os.path.join(os.curdir, ""))
            unnamed += [inside + name for name in beside if spelling_key(name) not in names]
    if unnamed:
        count = len(unnamed) + sum(map(len, used.values()))
        findings.note(
            f"{len(unnamed)} of the {count} images in the folders of the annotated images are in no row that was read, "
            f"and not used: {listed(sorted(unnamed), 3)}"
        )
