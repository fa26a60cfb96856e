"""A person's own data set: what kind of source a file or folder is, its images, labels and splits."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cnnrnn.data.annotation_files import Document, Search, of_one_data_set, other_tables, read_document
from cnnrnn.data.find_images import ImageFinder, is_file, is_folder, name_below
from cnnrnn.data.formats import coco_json, folders, image_json, json_records, tools, voc_xml, yolo
from cnnrnn.data.formats.cells import Separator
from cnnrnn.data.formats.column_names import ColumnNames
from cnnrnn.data.formats.columns import rows_of
from cnnrnn.data.formats.splits import TEST, TRAIN, VAL, split_in_name, split_name
from cnnrnn.data.label_names import name_numbers
from cnnrnn.data.reading import Finding, Findings, Reading, Row
from cnnrnn.data.split import Boxes, DataError, Options, Sample, Split, hold_out


@dataclass(frozen=True)
class Source:
    """All samples of a source, and what should be known about them."""

    name: str
    kind: str
    labels: tuple[str, ...]
    samples: Mapping[str, tuple[Sample, ...]]  # by split; only the splits that have images
    findings: tuple[Finding, ...]
    boxes: Callable[[Sample], Boxes] | None = None
    groups: Mapping[str, str] | None = None

    @property
    def errors(self) -> list[str]:
        return [finding.message for finding in self.findings if finding.level == "error"]

    def split(self, name: str) -> Split:
        """Raises DataError for findings with which training or evaluation would be wrong, and for a missing split."""
        if self.errors:
            raise DataError(f"{'; '.join(self.errors[:3])}. See all with: cnnrnn data check")
        wanted = split_name(name) or name
        if wanted not in self.samples:
            raise DataError(f"{self.name} has no split {name!r}; it has {', '.join(self.samples) or 'none'}")
        return Split(
            f"{self.name} {wanted}",
            self.labels,
            self.samples[wanted],
            (f"read as {self.kind}", *(finding.message for finding in self.findings)),
            self.boxes,
            self.groups,
        )


def read_source(path: Path, options: Options) -> Source:
    """Read a table, a document of an annotation tool, or a folder; no image is opened.

    Raises DataError for what can't be read, or could be read in two ways.
    """
    reading = _read(path, options)
    return _Collected(path, reading, options).source()


def _read(path: Path, options: Options) -> Reading:
    findings = Findings()
    if is_folder(path):
        return _read_folder(path, options, findings)
    if not is_file(path):
        raise DataError(f"{path} is not there; give the file of the table, or the folder of the data set")
    if path.suffix.lower() in yolo.SETTINGS:
        return yolo.read(path, findings)
    return _read_files([read_document(path, findings)], path.parent, options, findings)


def _read_folder(folder: Path, options: Options, findings: Findings) -> Reading:
    """XML files; tables of the folder, of its annotations/, or of train/, valid/ and test/; YOLO; folders of labels."""
    if folder.name == "Annotations" and (folder.parent / "JPEGImages").is_dir():
        folder = folder.parent
    if voc := voc_xml.find(folder):
        _warn_of_other_annotations(folder, Search(_names(options), Findings()), findings)
        return voc_xml.read(voc, folder, findings)
    search = Search(_names(options), findings)
    for place in (folder, folder / "annotations"):
        if documents := search.documents(place):
            search.tell_passed_over()
            _warn_of_yolo(folder, documents[0].path, findings)
            return _read_files(of_one_data_set(documents, findings), folder, options, findings)
    inside = [place for place in sorted(folder.iterdir()) if place.is_dir() and split_name(place.name)]
    if documents := [document for place in inside for document in search.documents(place)]:
        search.tell_passed_over()
        return _read_files(documents, folder, options, findings)
    if yolo.is_data_set(folder):
        return yolo.read(folder, findings)
    if image_json.is_data_set(folder):
        return image_json.read(folder, findings)
    if not search.exports and (reading := folders.read(folder, findings)):
        search.tell_passed_over()
        if unread := other_tables(folder):
            findings.warning(
                f"not read: {', '.join(unread[:3])}; if the labels are in there, save it as CSV and give that"
            )
        return reading
    raise search.nothing_found(folder)


def _warn_of_other_annotations(folder: Path, search: Search, findings: Findings) -> None:
    """Beside VOC's XML files a folder may hold a newer export, or other labels."""
    others = [document.path for place in (folder, folder / "annotations") for document in search.documents(place)]
    if others:
        names = ", ".join(str(path.relative_to(folder)) for path in others[:3])
        findings.warning(f"the XML files were read, but not {names}; give that file if it has the labels you want")


def _warn_of_yolo(folder: Path, read: Path, findings: Findings) -> None:
    """A table beside YOLO's files may be about something else."""
    with suppress(DataError):
        if yolo.is_data_set(folder):
            findings.warning(
                f"{read.name} was read, but not the labels of YOLO; give data.yaml if it has those you want"
            )


def _names(options: Options) -> ColumnNames:
    numbers = options.label_names is not None
    return ColumnNames(options.image_column, options.label_column, options.split_column, numbers)


def _read_files(documents: list[Document], folder: Path, options: Options, findings: Findings) -> Reading:
    """One file, or one for each split. All must be of one kind."""
    several = len(documents) > 1
    coco = [(document.path, document.content) for document in documents if coco_json.is_coco(document.content)]
    if coco:
        if others := [document.path.name for document in documents if not coco_json.is_coco(document.content)]:
            raise DataError(
                f"{folder} holds COCO JSON ({coco[0][0].name}) and other annotations ({', '.join(others[:3])}); give "
                "the file that has all labels, or write all splits in one kind of file"
            )
        root = folder.parent if folder.name == "annotations" and not several else folder
        return coco_json.read(coco, root, findings)
    rows: list[Row] = []
    kinds: list[str] = []
    for document in documents:
        kind, found = _file_rows(document, options, findings)
        kinds.append(kind)
        rows += _placed(found, document.path, folder, several)
    _refuse_two_readings_of_blanks([document.path.name for document in documents], kinds)
    places = tuple({document.path.parent for document in documents})
    return Reading("; ".join(dict.fromkeys(kinds)), rows, folder, findings, places)


def _refuse_two_readings_of_blanks(files: list[str], kinds: list[str]) -> None:
    """Each file is read by itself: a split with few images may not show what blanks mean."""
    separated = [file for file, kind in zip(files, kinds, strict=True) if kind.endswith("separated by blanks")]
    whole = [file for file, kind in zip(files, kinds, strict=True) if kind.endswith("some of several words")]
    if separated and whole:
        raise DataError(
            f"blanks seem to separate labels in {separated[0]}, but to stand inside them in {whole[0]}; give "
            "--separator ' ' if they separate labels, or --separator ';' if they don't"
        )


def _file_rows(document: Document, options: Options, findings: Findings) -> tuple[str, list[Row]]:
    path, content = document.path, document.content
    if path.suffix.lower() == ".xml":
        return "CVAT's XML", tools.cvat_rows(path, findings)
    if content is None:
        kind, records = document.table(findings, options.image_column)
    elif tool := tools.find_tool(content):
        return tool[0], _tool_rows(*tool, document, findings)
    else:
        if what := tools.find_unread(content):
            raise DataError(f"{path} is {what}")
        kind = "JSONL" if path.suffix.lower() in json_records.LINES else "JSON"
        read = json_records.as_records(path, content)
        if read is None:
            raise DataError(
                f"{path} is no list of objects with image and labels, and no export that is known; write a list such "
                'as [{"image": "1.jpg", "labels": ["cat"]}], or an object such as {"1.jpg": ["cat"]}'
            )
        records = read
    if not records:
        raise DataError(f"{path} has no rows")
    what, rows = rows_of(path, records, _names(options), options.separator, findings)
    return f"{kind}; {what}", rows


def _tool_rows(tool: str, read: tools.Read, document: Document, findings: Findings) -> list[Row]:
    try:
        return read(document.path, document.content, findings)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"{document.path} is not as {tool} is ({error!r:.80}); export it again") from None


def _placed(rows: list[Row], path: Path, folder: Path, several: bool) -> list[Row]:
    """The rows of one of several files: its name or folder tells their split, and their places name it."""
    named = split_in_name(path.stem) or (split_name(path.parent.name) if path.parent != folder else None)
    inside, own = str(path.relative_to(folder)), (path.parent, path.parent / "images")
    placed = []
    for row in rows:
        where = f"{inside} {row.where}" if several else row.where
        image = name_below(row.image, own, folder) if several and path.parent != folder else row.image
        placed.append(replace(row, where=where, image=image, split=row.split or (named if several else None)))
    return placed


@dataclass
class _Joined:
    """All rows of one image."""

    rows: list[Row]
    path: Path
    labels: dict[str, None]
    ignored: dict[str, None]
    split: str | None


class _Collected:
    """From rows to samples: labels of one spelling, files that exist, every image once and in one split."""

    def __init__(self, path: Path, reading: Reading, options: Options) -> None:
        self.path, self.reading, self.options = path, reading, options
        self.findings = reading.findings

    def source(self) -> Source:
        if self.options.label_names is not None:
            name_numbers(self.reading, self.options.label_names)
        rows = self._one_spelling(self.reading.rows)
        images = self._joined(self._found(rows))
        self._name_splits(images)
        samples, named = self._samples(images)
        labels = self._labels(samples)
        boxes = self.reading.boxes
        return Source(
            self.path.stem if self.path.is_file() else self.path.resolve().name,
            self.reading.kind,
            labels,
            {name: split for name, split in samples.items() if split},
            tuple(self.findings.items),
            None if boxes is None else lambda sample: boxes(named[sample.image]),
            self.reading.groups,
        )

    def _one_spelling(self, rows: list[Row]) -> list[Row]:
        """Labels that differ by case, blanks or Unicode form get the most frequent spelling, with a warning."""
        rows = self._split_as_given(rows)
        counts = Counter(label for row in rows for label in {*row.labels, *row.ignored})
        listed = Counter(self.reading.labels or ())
        forms: dict[str, Counter[str]] = defaultdict(Counter)
        for label in sorted({*counts, *listed}):
            forms[_form(label)][_clean(label)] += counts[label]
        spelling = {form: max(sorted(found), key=lambda name: found[name]) for form, found in forms.items()}
        for form, found in forms.items():
            if len(found) > 1:
                shown = ", ".join(
                    f"{name!r} ({n})" for name, n in sorted(found.items(), key=lambda item: (-item[1], item[0]))
                )
                self.findings.warning(f"labels that differ by case or blanks are now {spelling[form]!r}: {shown}")
        self._point_out_garbled(list(spelling.values()))
        if counts and all(label.strip().lstrip("-").isdigit() for label in counts):
            self.findings.warning("all labels are numbers; if they stand for names, give --label-names FILE")
        for name in spelling.values():
            for sign in ";|,/+&":
                parts = [_form(part) for part in name.split(sign)]
                if len(parts) > 1 and any(part in spelling for part in parts):
                    self.findings.warning(f"the label {name!r} looks like several; give --separator {sign!r} if it is")
        if self.reading.labels:
            self.reading.labels = tuple(dict.fromkeys(spelling[_form(label)] for label in self.reading.labels))
        return [
            replace(
                row,
                labels=tuple(dict.fromkeys(spelling[_form(label)] for label in row.labels)),
                ignored=tuple(dict.fromkeys(spelling[_form(label)] for label in row.ignored)),
            )
            for row in rows
        ]

    def _split_as_given(self, rows: list[Row]) -> list[Row]:
        """With --separator, labels in lists and objects are split, too."""
        if (separator := self.options.separator) is None:
            return rows
        given = Separator(separator, "")
        if self.reading.labels:
            self.reading.labels = tuple(dict.fromkeys(p for label in self.reading.labels for p in given.split(label)))
        return [replace(row, labels=tuple(p for label in row.labels for p in given.split(label) if p)) for row in rows]

    def _point_out_garbled(self, labels: list[str]) -> None:
        """Text that was saved in one encoding and read in another before it came here.

        Raises DataError for half of a sign, which can be neither shown nor saved.
        """
        if halves := [label for label in labels if re.search("[\ud800-\udfff]", label)]:
            raise DataError(f"{self.path}: the label {halves[0]!r} has half of a sign; save the annotations as UTF-8")
        if garbled := [label for label in labels if "\ufffd" in label or _twice_encoded(label)]:
            self.findings.warning(f"{len(garbled)} labels look garbled; save the annotations as UTF-8 again", garbled)

    def _found(self, rows: list[Row]) -> list[tuple[Row, Path]]:
        """The rows whose image is there. Names of other machines are found by what they end with."""
        folder = self.options.images or self.reading.folder
        places = (self.options.images,) if self.options.images else self.reading.image_folders
        finder = ImageFinder(folder, tuple(place for place in places if place))
        names = [(row.image, split_name(row.split) if row.split else None) for row in rows]
        found = {name: finder.find(*name) for name in dict.fromkeys(names)}
        exact = {path for path, how in found.values() if path and not how}
        claims = Counter(
            path for path, _ in {(path, image) for (image, _), (path, how) in found.items() if path and how}
        )
        lost = {n for n, (path, how) in found.items() if path is None or (how and (path in exact or claims[path] > 1))}
        if other := [name for name, (path, how) in found.items() if path and how and name not in lost]:
            self.findings.warning(
                f"{len(other)} images were found under another path or spelling, such as {other[0][0]} as "
                f"{found[other[0]][0]}"
            )
        if lost:
            first = sorted(lost, key=lambda name: name[0])[:3]
            shown = ", ".join(how if path is None else name[0] for name in first for path, how in [found[name]])
            lines = [row.where for row, name in zip(rows, names, strict=True) if name in lost]
            message = f"{len(lost)} of {len(found)} images are missing and were left out; looked for {shown}"
            if len(lost) == len(found):
                message += ". Put the table beside its images, or give their folder by --images"
                self.findings.error(message, lines)
            else:
                self.findings.warning(message, lines)
        return [
            (row, path)
            for row, name in zip(rows, names, strict=True)
            if name not in lost
            for path in [found[name][0]]
            if path
        ]

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
        """Where a source says nothing about splits, but all its images lie in folders such as train/ and val/."""
        parts = [joined.rows[0].image.replace("\\", "/").split("/")[:-1] for joined in images]
        found = [{split_name(part) for part in folders} - {None} for folders in parts]
        if all(len(splits) == 1 for splits in found) and len(set().union(*found)) > 1:
            self.findings.note("the splits are the names of the images' folders")
            for joined, splits in zip(images, found, strict=True):
                joined.split = splits.pop()

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
        """By split, with a share held out for validation where train has no val beside it."""
        by_split: dict[str, list[Sample]] = {name: [] for name in (TRAIN, VAL, TEST)}
        named: dict[Path, str] = {}
        taken: set[Path] = set()
        for joined in images:
            named[joined.path] = joined.rows[0].image
            if joined.path not in taken:  # of an image in two splits, which is an error, the first
                by_split[joined.split or TRAIN].append(Sample(joined.path, tuple(joined.labels), tuple(joined.ignored)))
            taken.add(joined.path)
        if by_split[TRAIN] and not by_split[VAL]:
            fraction = self.options.val_fraction
            try:
                by_split[TRAIN], by_split[VAL] = hold_out(by_split[TRAIN], fraction)
            except DataError:
                if any(joined.labels for joined in images) and not self.findings.errors:  # which would explain it
                    self.findings.error(
                        "no image is in a split for validation, and none can be held out without a label that loses "
                        "its last one; take more images, or a column split with train and val"
                    )
                return {name: tuple(samples) for name, samples in by_split.items()}, named
            self.findings.note(
                f"no image is in a split for validation; {len(by_split[VAL])} of "
                f"{len(by_split[TRAIN]) + len(by_split[VAL])} were held out as val, always the same ones"
            )
        return {name: tuple(samples) for name, samples in by_split.items()}, named

    def _labels(self, samples: Mapping[str, tuple[Sample, ...]]) -> tuple[str, ...]:
        """In the source's order, or sorted. Labels that train lacks are kept: a model misses them in evaluation."""
        counts = {
            name: Counter(label for sample in split for label in sample.labels) for name, split in samples.items()
        }
        everywhere = {label for split in samples.values() for s in split for label in (*s.labels, *s.ignored)}
        labels = self.reading.labels or tuple(sorted(everywhere))
        if not any(counts.values()):
            self.findings.error("no image has a label")
        elif samples[TRAIN] and not counts[TRAIN]:
            self.findings.error("no image of train has a label")
        elif samples[TRAIN] and (unlearned := [label for label in labels if not counts[TRAIN][label]]):
            shown = ", ".join(f"{label} ({counts[VAL][label] + counts[TEST][label]})" for label in unlearned[:8])
            more = ", …" if len(unlearned) > 8 else ""
            self.findings.warning(
                f"{len(unlearned)} labels have no image in train, so that no model learns them "
                f"(images in val and test): {shown}{more}"
            )
        return labels


def _clean(label: str) -> str:
    return " ".join(unicodedata.normalize("NFC", label).split())


def _twice_encoded(label: str) -> bool:
    try:
        return label.encode("cp1252").decode() != label
    except UnicodeError:
        return False


def _form(label: str) -> str:
    """What labels are compared by: full-width letters are letters, and signs that can't be seen don't count."""
    visible = "".join(sign for sign in label if unicodedata.category(sign) != "Cf")
    return _clean(unicodedata.normalize("NFKC", visible)).casefold()
