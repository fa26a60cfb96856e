"""The files below a folder, and their paths relative to it."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cnnrnn.data.images import is_image_name

_MOST_FILES = 2_000_000  # images below a folder
# What systems put beside files; names with a dot at the beginning are hidden.
SYSTEM_FOLDERS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden by its name, or put beside others by a system."""
    return name.startswith(".") or name in SYSTEM_FOLDERS


def files_below(
    folder: Path, skipped: list[Path] | None = None, on_error: Callable[[OSError], None] | None = None
) -> Iterator[Path]:
    """All files in a folder and below, in order, but for hidden ones and those that a system puts beside them.

    Links to folders elsewhere are followed; those to what is below as well, which may be endless, are `skipped`.
    `on_error` gets the error of a folder that may not be read.
    """
    start = folder.resolve()
    seen, above = {start}, {*start.parents}
    for root, folders, files in os.walk(folder, onerror=on_error, followlinks=True):
        names = sorted(name for name in folders if not is_hidden(name))
        links = {name: Path(root, name) for name in names if os.path.islink(os.path.join(root, name))}
        known = [name for name, link in links.items() if not _leads_elsewhere(link, seen, above)]
        folders[:] = [name for name in names if name not in known]
        if skipped is not None:
            skipped += [links[name] for name in known]
        yield from (Path(root, name) for name in sorted(files) if not is_hidden(name))


def _leads_elsewhere(link: Path, seen: set[Path], above: set[Path]) -> bool:
    """Whether a link's folder is none of those `seen`, to which it is added, nor inside or `above` one."""
    place = link.resolve()
    if place in seen or place in above or not seen.isdisjoint(place.parents):
        return False
    seen.add(place)
    above.update(place.parents)
    return True


def images_below(folder: Path, skipped: list[Path] | None = None) -> list[Path]:
    images = (path for path in files_below(folder, skipped) if is_image_name(path.name))
    return list(itertools.islice(images, _MOST_FILES))


def images_in(folder: Path) -> tuple[list[Path], Counter[str]]:
    """The images in a folder and below, sorted, and how many other files there are, by suffix.

    Raises OSError for a folder that may not be read.
    """

    def stop(error: OSError) -> None:
        raise error

    files = sorted(files_below(folder, on_error=stop))
    others = Counter(path.suffix.lower() for path in files if not is_image_name(path.name))
    return [path for path in files if is_image_name(path.name)], others


def relative_name(image: Path, folder: Path) -> str:
    """An image's path as a row of this folder has it: relative where it lies below."""
    return str(image.relative_to(folder) if image.is_relative_to(folder) else image)


def name_below(name: str, places: Sequence[Path], folder: Path) -> str:
    """The name below `folder` of an image that annotations of one split name, whose images are in `places`: another
    split may have one with the same name."""
    if "://" in name:
        return name
    return relative_name(
        next((p for place in (*places, folder) if is_file(p := place / name)), places[0] / name), folder
    )


def is_passed_over(name: str) -> bool:
    """Whether a file is hidden, or is a project's notes about itself."""
    return name.lower().startswith((".", "readme"))


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
