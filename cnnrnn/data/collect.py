"""From the rows of annotations to samples: files that exist, every image once and in one split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cnnrnn.data.find_images import ImageFinder, lost_names, of_another_split
from cnnrnn.data.formats.splits import TEST, TRAIN, VAL, split_name, split_of_folders
from cnnrnn.data.reading import NEARLY_ALL, Reading, Row, listed, share_of_all
from cnnrnn.data.split import DataError, Options, Sample, hold_out


@dataclass
class _Joined:
    """All rows of one image."""

    rows: list[Row]
    path: Path
    labels: dict[str, None]
    ignored: dict[str, None]
    split: str | None


class Collected:
    """The samples of a reading; what was odd about them is added to its findings."""

    def __init__(self, reading: Reading, options: Options) -> None:
        self.reading, self.options, self.findings = reading, options, reading.findings
        self.held_out = False
        images = self._joined(self._found(reading.rows))
        self._name_splits(images)
        self.samples, self.named = self._samples(images)  # by split; and the name that its row has, by image
        self.labels = self._labels(self.samples)

    def _found(self, rows: list[Row]) -> list[tuple[Row, Path]]:
        """The rows whose image is there. Names of other machines are found by what they end with."""
        folder = self.options.images or self.reading.folder
        places = (self.options.images,) if self.options.images else self.reading.image_folders
        finder = ImageFinder(folder, tuple(place for place in places if place))
        names = [(row.image, split_name(row.split) if row.split else self.reading.split) for row in rows]
        found = {name: finder.find(*name) for name in dict.fromkeys(names)}
        misplaced = of_another_split(found, finder)
        lost = lost_names(found) | misplaced
        if other := [name for name, (path, how) in found.items() if path and how and name not in lost]:
            self.findings.warning(
                f"{len(other)} images were found under another path or spelling, such as {other[0][0]} as "
                f"{found[other[0]][0]}"
            )
        if lost:
            first = sorted(lost, key=lambda name: name[0])[:3]
            shown = ", ".join(found[name][1] if found[name][0] is None else name[0] for name in first)
            lines = [row.where for row, name in zip(rows, names, strict=True) if name in lost]
            message = f"{len(lost)} of {len(found)} images are missing and were left out; looked for {shown}"
            if misplaced:
                message += f" ({len(misplaced)} of them are only in the folder of another split)"
            if len(lost) == len(found):
                message += ". Put the table beside its images, or give their folder by --images"
                self.findings.error(message, lines)
            else:
                self.findings.warning(message, lines)
        paths = {name: path for name, (path, _) in found.items() if path and name not in lost}
        return [(row, paths[name]) for row, name in zip(rows, names, strict=True) if name in paths]

    def _joined(self, rows: list[tuple[Row, Path]]) -> list[_Joined]:
        """One entry for every image and split it is in; rows that repeat an image add their labels."""
        images: dict[tuple[Path, str | None], _Joined] = {}
        for row, path in rows:
            split = split_name(row.split) if row.split else None
            joined = images.setdefault((path, split), _Joined([], path, {}, {}, split))
            joined.rows.append(row)
            joined.labels |= dict.fromkeys(row.labels)
            joined.ignored |= dict.fromkeys(row.ignored)
        repeated = [joined for joined in images.values() if len(joined.rows) > 1]
        if repeated:
            same = [joined for joined in repeated if all(row.labels == joined.rows[0].labels for row in joined.rows)]
            places = [joined.rows[1].where for joined in repeated]
            what = "with the same labels" if len(same) == len(repeated) else "their labels were joined"
            self.findings.warning(f"{len(repeated)} images stand in several rows, {what}", places)
        for joined in images.values():
            joined.ignored = {label: None for label in joined.ignored if label not in joined.labels}
        return list(images.values())

    def _splits_of_folders(self, images: list[_Joined]) -> None:
        """Where a source says nothing about splits, but its images lie in folders such as train/ and val2017/."""
        root = self.options.images or self.reading.folder
        found = [split_of_folders(joined.rows[0].image) or _split_of_place(joined.path, root) for joined in images]
        if len(set(found) - {None}) < 2:
            if set(found) in ({VAL}, {TEST}):
                self.findings.warning(
                    f"all images lie in folders called like {found[0]}, but were taken for train; write a column split "
                    "if they are for evaluation only"
                )
            return
        if lost := [joined.rows[0].image for joined, split in zip(images, found, strict=True) if split is None]:
            if len(lost) < len(images) / 2:  # else these may be labels, such as train_station and test_tube
                self.findings.warning(
                    f"{len(lost)} images lie in no folder called like a split, as those of others do "
                    f"({', '.join(lost[:3])}), so that no splits were read; move them, or write a column split"
                )
            return
        self.findings.note("the splits are the names of the images' folders")
        for joined, split in zip(images, found, strict=True):
            joined.split = split

    def _name_splits(self, images: list[_Joined]) -> None:
        if not any(joined.split for joined in images):
            self._splits_of_folders(images)
        without = [joined.rows[0].where for joined in images if joined.split is None]
        if without and len(without) < len(images):
            self.findings.error(f"{len(without)} images have no split, though others have one", without)
        splits: dict[Path, set[str]] = defaultdict(set)
        for joined in images:
            if joined.split:
                splits[joined.path].add(joined.split)
        for pair in ((TRAIN, VAL), (TRAIN, TEST), (VAL, TEST)):
            if both := [path.name for path, found in splits.items() if set(pair) <= found]:
                self.findings.error(
                    f"{len(both)} images are in {pair[0]} and in {pair[1]}, so that figures on {pair[1]} would be too "
                    "good; leave each in one split (cnnrnn data check --write writes a table with them in one)",
                    both,
                )

    def _samples(self, images: list[_Joined]) -> tuple[dict[str, tuple[Sample, ...]], dict[Path, str]]:
        """The samples by split, with a share held out for validation where train has no val beside it; and the image as
        its row names it, by the path of its file."""
        by_split: dict[str, list[Sample]] = {name: [] for name in (TRAIN, VAL, TEST)}
        named: dict[Path, str] = {}
        taken: set[Path] = set()
        for joined in images:
            named[joined.path] = joined.rows[0].image
            if joined.path not in taken:  # of an image in two splits, which is an error, the first
                by_split[joined.split or TRAIN].append(Sample(joined.path, tuple(joined.labels), tuple(joined.ignored)))
            taken.add(joined.path)
        if by_split[TRAIN] and not by_split[VAL]:
            self._hold_out(by_split)
        return {name: tuple(samples) for name, samples in by_split.items()}, named

    def _hold_out(self, by_split: dict[str, list[Sample]]) -> None:
        try:
            by_split[TRAIN], by_split[VAL] = hold_out(by_split[TRAIN], self.options.val_fraction)
        except DataError:
            labelled = any(sample.labels for samples in by_split.values() for sample in samples)
            if labelled and not self.findings.errors:  # which would explain it
                self.findings.error(
                    "no image is in a split for validation, and none can be held out without a label that loses "
                    "its last one; take more images, or a column split with train and val"
                )
            return
        self.held_out = True
        self.findings.note(
            f"no image is in a split for validation; {len(by_split[VAL])} of "
            f"{len(by_split[TRAIN]) + len(by_split[VAL])} were held out as val, always the same ones"
        )

    def _labels(self, samples: Mapping[str, tuple[Sample, ...]]) -> tuple[str, ...]:
        """In the source's order, or sorted. Labels that train lacks are kept: a model misses them in evaluation."""
        counts = {
            name: Counter(label for sample in split for label in sample.labels) for name, split in samples.items()
        }
        everywhere = {label for split in samples.values() for s in split for label in (*s.labels, *s.ignored)}
        labels = self.reading.labels or tuple(sorted(everywhere))
        self._tell_if_all_are_alike(samples)
        for name in (TEST,) if self.held_out else (VAL, TEST):
            if any(counts.values()) and samples[name] and not counts[name]:
                self.findings.warning(
                    f"no image of {name} has a label, so that figures on it would be wrong; leave it out if its labels "
                    "are not known"
                )
        if not any(counts.values()):
            self.findings.error("no image has a label")
        elif samples[TRAIN] and not counts[TRAIN]:
            self.findings.error("no image of train has a label")
        elif samples[TRAIN] and (unlearned := [label for label in labels if not counts[TRAIN][label]]):
            shown = listed((f"{label} ({counts[VAL][label] + counts[TEST][label]})" for label in unlearned), 8)
            self.findings.warning(
                f"{len(unlearned)} labels have no image in train, so that no model learns them "
                f"(images in val and test): {shown}"
            )
        return labels

    def _tell_if_all_are_alike(self, samples: Mapping[str, tuple[Sample, ...]]) -> None:
        """Tables with a row for each image and label may have a value, of any name, that tells which ones apply."""
        labels = [set(sample.labels) for split in samples.values() for sample in split]
        count, share = share_of_all(labels)
        if len(labels) < 3 or count < 1 or self.findings.errors:  # which would explain it
            return
        if share == 1 and count == 1:
            self.findings.note(
                f"every image has the label {min(labels[0])!r} and no other, so that there is nothing to learn; add "
                "images without it, or give --label-column if other labels are meant"
            )
        elif share == 1:
            shown = listed(sorted(labels[0]), 6)
            self.findings.add(
                "error" if count > 2 and samples[TRAIN] else "warning",  # two may well go together
                f"every image has the same {count} labels ({shown}), so that there is nothing to learn; if a "
                "value beside them tells which ones apply, leave out the others",
            )
        elif share >= NEARLY_ALL and count > 2:
            self.findings.warning(
                f"nearly every image has all {count} labels; if a value beside them tells which ones apply, "
                "leave out the others"
            )


def _split_of_place(path: Path, root: Path) -> str | None:
    """The split that the folders between `root` and an image tell."""
    return split_of_folders(path.relative_to(root).as_posix()) if path.is_relative_to(root) else None
