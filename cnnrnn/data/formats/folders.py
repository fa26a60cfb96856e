"""A folder per label, one label an image, with or without train/, val/ and test/ above."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnrnn.data.formats.folder_names import IMAGES, PARTS, odd_names, why_no_labels, without_masks
from cnnrnn.data.formats.splits import TEST, TRAIN, VAL, is_train_and_val, split_in_name, split_name, splits_in
from cnnrnn.data.paths import images_below, relative_name
from cnnrnn.data.reading import Findings, Reading, Row, listed
from cnnrnn.data.split import DataError

KIND = "a folder per label"


class NoLabelsError(DataError):
    """Folders whose names are no labels: why, and what to do."""


@dataclass(eq=False)
class _Folder:
    """A folder that holds images, directly or in folders inside."""

    path: Path
    images: list[Path] = field(default_factory=list)  # directly inside
    folders: dict[str, _Folder] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def inside(self) -> list[_Folder]:
        return list(self.folders.values())

    @property
    def is_label(self) -> bool:
        """Whether its images lie directly inside, or in nothing but a folder that is called images."""
        only = self.inside[0] if len(self.folders) == 1 else None
        return bool(self.images) or (only is not None and only.name.casefold() in IMAGES and only.is_label)

    @property
    def split(self) -> str | None:
        """The split that its name tells. trainval is taken for train, of which a share is held out for validation."""
        named = split_name(self.name) or split_in_name(self.name)
        return named or (TRAIN if is_train_and_val(self.name) else None)

    @property
    def holds_labels(self) -> bool:
        """Whether the folders inside are labels. A single one beside images, as in train/steam, may be none."""
        labels = [folder for folder in self.inside if folder.is_label]
        return len(labels) > 1 or (len(labels) == 1 and not self.images)

    def all_images(self) -> list[Path]:
        return sorted(self.walk())

    def walk(self) -> Iterator[Path]:
        yield from self.images
        for folder in self.inside:
            yield from folder.walk()

    def inner(self) -> _Folder:
        """Past folders that hold nothing but one folder: the inner train of train/train/cat."""
        if self.images or len(self.folders) != 1:
            return self
        only = self.inside[0]
        label = only.is_label and only.name.casefold() != self.name.casefold()
        return self if label else only.inner()


def read(folder: Path, findings: Findings) -> Reading | None:
    """None if the folder is not laid out so: a single folder is no label.

    Raises NoLabelsError for folders such as images/ and masks/, and DataError where folders lie in folders and it isn't
    plain on which level the labels are.
    """
    tree, skipped = _tree(folder, findings)
    level = _level(tree)
    splits = _splits(level)
    labels = _images_by_label([place.inner() for place in splits] or [level])
    if len(labels) < 2:
        return None
    if why := why_no_labels(labels):
        raise NoLabelsError(why)
    if splits:
        _leave_out_others(level, splits, set(labels), findings)
        splits = _without_repeated(splits, findings)
        rows = [row for place, split in splits.items() for row in _rows(place.inner(), folder, split)]
    elif _hold_splits(level):
        rows = [row for label in level.inside for row in _rows_of_splits(label, folder)]
        findings.note("the splits are the names of the folders in those of labels")
    elif _are_splits_without_labels(level):
        raise NoLabelsError(
            f"{_listed(level.folders)} are called like splits, but hold no folders of labels; put the images into a "
            "folder per label there, write a table with image and labels, or rename the folders if they are labels"
        )
    else:
        rows = list(_rows(level, folder, None))
        _point_out_splits(level, findings)
    for odd in odd_names(labels):
        findings.warning(odd)
    _tell(level, [place.inner() for place in splits] or [level], folder, findings)
    if skipped:
        shown = ", ".join(relative_name(path, folder) for path in skipped[:5])
        findings.warning(f"links to folders that lie in {folder.name} as well were not followed: {shown}")
    return Reading(KIND, rows, folder, findings, labels_are_folders=True)


def _tree(folder: Path, findings: Findings) -> tuple[_Folder, list[Path]]:
    """All folders with images, and links that were not followed; those at the top are, such as val to another split."""
    skipped: list[Path] = []
    images = images_below(folder, skipped)
    top = [link for link in skipped if link.parent == folder]
    root = _Folder(folder)
    for image in without_masks([*images, *(image for link in top for image in images_below(link))], findings):
        place = root
        for name in image.relative_to(folder).parts[:-1]:
            place = place.folders.setdefault(name, _Folder(place.path / name))
        place.images.append(image)
    return root, [link for link in skipped if link not in top]


def _level(folder: _Folder) -> _Folder:
    """The folder with the splits or labels, which may be inside of others, as in data/train."""
    while not folder.images and len(folder.folders) == 1 and not _splits(folder) and not folder.inside[0].is_label:
        folder = folder.inside[0]
    folder.folders = dict(sorted(folder.folders.items()))
    return folder


def _images_by_label(levels: Iterable[_Folder]) -> dict[str, list[Path]]:
    """The images of every folder that may be a label's, in all splits."""
    found: dict[str, list[Path]] = {}
    for level in levels:
        for label in level.inside:
            found.setdefault(label.name, []).extend(label.walk())
    return found


def _splits(level: _Folder) -> dict[_Folder, str]:
    """The folders that hold folders of labels, and whose names tell a split.

    One folder is none of a label if the other splits lack it, such as test/unknown.
    """
    named = {place: split for place in level.inside if (split := place.split)}
    inner = {place: place.inner() for place in named}

    def is_split(place: _Folder) -> bool:
        own = set(inner[place].folders)
        with_labels = [inner[other] for other in named if other != place and inner[other].holds_labels]
        others = {label for other in with_labels for label in other.folders}
        return bool(own & others) or (inner[place].holds_labels and (len(own) > 1 or len(others) < 2))

    return {place: split for place, split in named.items() if is_split(place)}


def _rows(level: _Folder, root: Path, split: str | None) -> Iterator[Row]:
    """Raises DataError for a folder that holds folders of images in place of images."""
    if deep := [place for place in level.inside if not place.is_label]:
        raise _two_levels(level, deep)
    for label in level.inside:
        for image in label.all_images():
            name = relative_name(image, root)
            yield Row(name, name, (label.name,), split)


def _hold_splits(level: _Folder) -> bool:
    """Whether each folder of a label holds nothing but those of splits, as cat/train and cat/test."""
    return not level.images and all(
        label.folders and not label.images and all(place.split and place.is_label for place in label.inside)
        for label in level.inside
    )


def _rows_of_splits(label: _Folder, root: Path) -> Iterator[Row]:
    for place in label.inside:
        for image in place.all_images():
            name = relative_name(image, root)
            yield Row(name, name, (label.name,), place.split)


def _two_levels(level: _Folder, deep: Sequence[_Folder]) -> DataError:
    names = _listed(place.name for place in deep)
    inside = list(dict.fromkeys(inner.name for place in deep for inner in place.inside))
    same = set.intersection(*(set(place.folders) for place in deep))
    if len(deep) < len(level.folders):
        return DataError(
            f"{deep[0].path} holds no images itself, but folders that do ({_listed(inside)}), unlike the folders of "
            "labels beside it; put its images directly into it, or move it elsewhere if it is no label"
        )
    if all(place.split for place in deep) and any(inner.folders for place in deep for inner in place.inside):
        deeper = dict.fromkeys(last.name for place in deep for inner in place.inside for last in inner.inside)
        return DataError(
            f"{level.path}: in {names} the folders {_listed(inside)} hold no images themselves, but folders that do "
            f"({_listed(deeper)}), and either could be the labels; write a table with image, labels and split, or move "
            "the images directly into the folders of labels"
        )
    if len(deep) > 1 and same:
        return DataError(
            f"{level.path}: {names} hold folders with the same names ({_listed(sorted(same))}); rename them to train, "
            "val and test if they are splits; if not, give one of them, or write a table with image and labels"
        )
    return DataError(
        f"{level.path}: {names} hold no images themselves, but folders that do ({_listed(inside)}), and either could "
        "be the labels; give one of them, or move all folders of labels into one folder"
    )


def _without_repeated(splits: dict[_Folder, str], findings: Findings) -> dict[_Folder, str]:
    """Beside train and val, trainval has the images of both again."""
    both = [place for place in splits if is_train_and_val(place.name)]
    kept = {place: split for place, split in splits.items() if place not in both}
    if not both or not {TRAIN, VAL} & set(kept.values()):
        return splits
    findings.warning(f"left out, since train or val lies beside it: {_counted(both)}")
    return kept


def _leave_out_others(level: _Folder, splits: dict[_Folder, str], labels: set[str], findings: Findings) -> None:
    """Images without labels and copies are left out with a warning. Raises DataError for what may be a split."""
    unlabelled, others, copies = [], [], []
    for place in (place for place in level.inside if place not in splits):
        if _is_unlabelled(place.inner(), labels):
            if split_name(place.name) in (TRAIN, VAL):
                raise DataError(
                    f"{place.path} holds images, but no folders of labels; put them into a folder per label"
                )
            unlabelled.append(place)
        elif place.name.casefold() in PARTS:
            others.append(place)
        elif {inner.split for inner in place.inner().inside} <= set(splits.values()):
            copies.append(place)
        elif place.split:
            raise _two_levels(place.inner(), place.inner().inside)
        else:
            raise DataError(
                f"{place.path} holds folders, but its name tells no split as {_listed(p.name for p in splits)} beside "
                "it does; rename it to train, val or test, or move it elsewhere"
            )
    for what, places in (
        ("left out, as the images are in no folders of labels", unlabelled),
        ("left out, as these names are no splits", others),
        ("left out, as there are splits inside and beside; give that folder to read it instead", copies),
    ):
        if places:
            findings.warning(f"{what}: {_counted(places)}")


def _is_unlabelled(place: _Folder, labels: set[str]) -> bool:
    """Whether its images lie directly inside, or in one folder that is no label of the splits."""
    return not labels & set(place.folders) and (bool(place.images) or len(place.folders) == 1)


def _are_splits_without_labels(level: _Folder) -> bool:
    """Whether images lie directly in splits, as train/1.jpg and test/2.jpg. One of these names alone may be a label:
    photographs show trains."""
    flat = [place for place in level.inside if place.is_label]
    exact = splits_in(place.name for place in flat)
    return len(exact) > 1 or (len(flat) == len(level.folders) and all(place.split for place in flat))


def _point_out_splits(level: _Folder, findings: Findings) -> None:
    if names := [place.name for place in level.inside if place.split in (VAL, TEST)]:
        findings.warning(f"read as labels, like the folders beside: {_listed(names)}; move elsewhere what is a split")


def _tell(level: _Folder, places: Sequence[_Folder], root: Path, findings: Findings) -> None:
    """Where the labels were found, and which images are in no label's folder."""
    if level.path != root:
        findings.note(f"the folders were found in {level.path.relative_to(root)}")
    loose = [*level.images, *(image for place in places if place is not level for image in place.images)]
    if loose:
        names = [relative_name(image, root) for image in loose]
        findings.warning(f"{len(loose)} images lie beside the folders of labels and were left out", names)
    labels = [label for place in places for label in place.inside if label.images]
    if below := [relative_name(inner.path, root) for label in labels for inner in label.inside]:
        findings.note(f"{len(below)} folders lie in those of labels; their images got these labels, too", below)
    findings.note("the labels are the names of folders, so that every image has one; train with a table for several")


def _counted(places: Iterable[_Folder]) -> str:
    return _listed(f"{place.name} ({len(place.all_images())} images)" for place in places)


def _listed(names: Iterable[str]) -> str:
    return listed(names, 4)
