"""The file of every image that a source names, also where the name was written on another machine."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from cnnrnn.data.formats.numbers import whole_number
from cnnrnn.data.formats.splits import split_in_name
from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.paths import images_below, is_file, is_folder, relative_name

Name = tuple[str, str | None]  # an image as its row names it, and the split of the row
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # which Label Studio puts before the names of uploaded files


class ImageFinder:
    """Finds images below a folder, by their name and as much of their path as fits."""

    def __init__(self, folder: Path, first: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.first = [*first, folder]

    def find(self, name: str, split: str | None = None) -> tuple[Path | None, str]:
        """The file, and how its name differs from what was written; or None, and what was looked for or is unclear.

        Of several files with this name, the one in a folder that is named as the `split` is taken.
        """
        if path := self._first_file((place / name for place in self.first), split):
            return path, ""
        parts = _parts(name)
        if not parts:
            return None, name
        if path := self._first_file((place.joinpath(*parts) for place in self.first), split):
            return path, "the path of another system"
        return self._by_key(parts, split)

    def _by_key(self, parts: list[str], split: str | None) -> tuple[Path | None, str]:
        """The only file whose name is the same but for case, Unicode form, suffix, or zeros before a number."""
        place = self.folder if len(parts) > 1 and is_folder(self.folder / parts[0]) else self.first[0]
        shown = str(place.joinpath(*parts))
        names = dict.fromkeys((parts[-1], *_before_upload(parts[-1]), unquote(parts[-1]), _stem(parts[-1])))
        for name in names:
            stem = _stem(name)
            keys = (spelling_key(name), spelling_key(stem), spelling_key(stem), whole_number(stem))
            for index, key in zip(self._indices, keys, strict=True):
                found = self._of_split(self._fitting(index.get(key, []), parts), split)
                if len(found) == 1:
                    return found[0], "another spelling, suffix or folder"
                if found:
                    some = ", ".join(relative_name(path, self.folder) for path in sorted(found)[:2])
                    return None, f"{shown} ({len(found)} files fit, such as {some}; write the folder, too)"
        return None, shown

    def _fitting(self, paths: list[Path], parts: list[str]) -> list[Path]:
        """The file in the very folder that was written, or those that share the most of its path."""
        if not paths:
            return []
        written, splits = _keys(parts[:-1]), _splits_of(parts[:-1])
        # Where train/1.jpg is missing, test/1.jpg is another image.
        paths = [path for path in paths if not splits or splits & (own := self.splits_of(path)) or not own]
        if len(paths) < 2:
            return paths
        for place in self.first:
            inside = [path for path in paths if path.is_relative_to(place)]
            if exact := [p for p in inside if _keys(p.relative_to(place).parts[:-1]) == written]:
                return exact
        return _deepest(paths, parts)

    def _first_file(self, paths: Iterable[Path], split: str | None) -> Path | None:
        """The first that is there, or the first of these in a folder of this split."""
        first = None
        for path in filter(is_file, paths):
            if split is None or split in self.splits_of(path):
                return path
            first = first or path
        return first

    def _of_split(self, paths: list[Path], split: str | None) -> list[Path]:
        """Those in a folder of this split, if there are any."""
        return [path for path in paths if split and split in self.splits_of(path)] or paths

    def splits_of(self, path: Path) -> set[str]:
        """The splits that the file's folders are named as, such as train or test_images."""
        inside = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        return _splits_of(inside.parts[:-1])

    @cached_property
    def _indices(self) -> tuple[dict[str, list[Path]], ...]:
        """All images by name, by name without suffix, without both of 1.jpg.jpg, as which Windows shows 1.jpg to those
        who then write the suffix again, and by number."""
        indices: tuple[dict[str, list[Path]], ...] = tuple(defaultdict(list) for _ in range(4))
        files, stems, doubled, numbers = indices
        for path in images_below(self.folder):
            files[spelling_key(path.name)].append(path)
            stems[spelling_key(path.stem)].append(path)
            if (stem := _stem(path.stem)) != path.stem:
                doubled[spelling_key(stem)].append(path)
            if number := whole_number(path.stem):
                numbers[number].append(path)
        return indices


def _before_upload(name: str) -> list[str]:
    """The names that a file may have had before Label Studio wrote signs before it, and _ for blanks."""
    plain = _UPLOAD.sub("", unquote(name))
    return [] if plain == unquote(name) else [_UPLOAD.sub("", name), plain, plain.replace("_", " ")]


def of_another_split(found: Mapping[Name, tuple[Path | None, str]], finder: ImageFinder) -> set[Name]:
    """The names whose file is in a folder of another split only, while most images of their split are in its own:
    where train/1.jpg is missing, test/1.jpg is another image."""
    own: dict[str, int] = defaultdict(int)  # images by the split of their rows
    others: dict[str, list[Name]] = defaultdict(list)
    for name, (path, _) in found.items():
        if path and (split := name[1]) and (splits := finder.splits_of(path)):
            if split in splits:
                own[split] += 1
            else:
                others[split].append(name)
    return {name for split, names in others.items() if own[split] > len(names) for name in names}


def lost_names(found: Mapping[Name, tuple[Path | None, str]]) -> set[Name]:
    """The names without a file, by what `ImageFinder.find` returned; and those that only resemble a file which another
    name means: where 1.jpg is there, 1.png is missing. Several spellings of one path mean the same file."""
    lost: set[Name] = set()
    by_file: dict[Path, list[Name]] = defaultdict(list)
    for name, (path, _) in found.items():
        if path is None:
            lost.add(name)
        else:
            by_file[path].append(name)
    for path, names in by_file.items():
        if len({image for image, _ in names}) > 1:
            lost |= _of_other_files(path, [n for n in names if not found[n][1]], [n for n in names if found[n][1]])
    return lost


def _of_other_files(path: Path, exact: list[Name], resembling: list[Name]) -> set[Name]:
    """Those of the resembling names of a file that mean another one."""
    written = {image: _keys(_parts(unquote(image))) for image, _ in (*exact, *resembling)}

    def is_spelling(image: str) -> bool:
        return any(len(written[image]) == len(written[n]) and _is_end(written[image], written[n]) for n, _ in exact)

    others = [name for name in resembling if not is_spelling(name[0])]
    images = [image for image, _ in (*exact, *others)]
    longest = max(images, key=lambda image: len(written[image]), default="")
    if all(_is_end(written[image], written[longest]) for image in images):
        # crops/1.jpg means another file than 1.jpg, unless that lies in such a folder, or both have the same.
        same_length = len({len(written[image]) for image in images}) < 2
        if same_length or _ABSOLUTE.match(longest) or _is_end(written[longest], _keys(path.absolute().parts)):
            return set()
    return set(others)


_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:|\w+://")


def _is_end(parts: list[str], path: list[str]) -> bool:
    """Whether a path ends with these parts; one of both may lack the suffix of the file."""
    if len(parts) > len(path):
        return False
    (*folders, name), (*above, other) = parts, path[-len(parts) :]
    lacks_suffix = _stem(name) == _stem(other) in (name, other)
    return folders == above and (name == other or lacks_suffix)


def _parts(name: str) -> list[str]:
    """The parts of a path of any system, or of an address."""
    if "://" in name or "?d=" in name:
        address = urlsplit(name)
        local = parse_qs(address.query).get("d")  # Label Studio's local files
        name = local[0] if local else unquote(address.path)
    name = re.sub(r"^[A-Za-z]:", "", name.replace("\\", "/"))
    return [part for part in name.split("/") if part not in ("", ".", "..", "~")]


def _splits_of(folders: Iterable[str]) -> set[str]:
    return {split for folder in folders if (split := split_in_name(folder))}


def spelling_key(name: str) -> str:
    """The same for a name in capitals or not, and in any Unicode form."""
    return unicodedata.normalize("NFC", name).casefold()


def _keys(parts: Sequence[str]) -> list[str]:
    return list(map(spelling_key, parts))


def _stem(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


def _deepest(paths: list[Path], parts: list[str]) -> list[Path]:
    """Those that share the most folders, from the end, with what was written."""
    if len(paths) < 2:
        return paths
    folders = _keys(parts[-2::-1])

    def shared(path: Path) -> int:
        inside = _keys(path.parts[-2::-1])
        same = [one == other for one, other in zip(folders, inside, strict=False)]
        return same.index(False) if False in same else len(same)

    best = max(map(shared, paths))
    return [path for path in paths if shared(path) == best]
