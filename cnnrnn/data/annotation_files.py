"""Which files of a folder are the annotations: projects hold settings, notes, logs and lists of classes, too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from cnnrnn.data.formats import coco_json, delimited, json_records, parquet, sidecars, tools, workbook, yolo
from cnnrnn.data.formats.column_names import ColumnNames
from cnnrnn.data.formats.columns import describes_images
from cnnrnn.data.formats.image_lists import are_splits, is_about_splits
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.splits import TRAIN, VAL, split_in_name
from cnnrnn.data.formats.text import TABLES, unreadable
from cnnrnn.data.formats.unread_exports import find_unread, find_unread_table
from cnnrnn.data.paths import is_passed_over
from cnnrnn.data.reading import Finding, Findings, Record
from cnnrnn.data.split import DataError

_JSON = (".json", ".vott", *json_records.LINES)
TEXTS = (*TABLES, ".txt", ".xml", *_JSON)
BINARY = (*workbook.SUFFIXES, *parquet.SUFFIXES)
OTHER_TABLES = (".xls", ".ods", ".numbers", ".feather", ".zip", ".gz", ".mat", ".pkl", ".h5")  # that are not read
_MANY = 10  # files for single images
_ARCHIVES = (".zip", ".gz")
_SEARCHED = (
    "a table, COCO's JSON, files of VOC, YOLO, LabelMe or Supervisely, a folder per label, or texts beside the images"
)


@dataclass
class Document:
    """A file of annotations. It is parsed once, as some are large."""

    path: Path
    content: object = None  # of JSON; None for tables and XML
    _table: tuple[str, list[Record], list[Finding]] | None = None

    def table(self, findings: Findings, image_column: str | None) -> tuple[str, list[Record]]:
        """The kind of table and its rows. Raises DataError for what is none, or is faulty."""
        if self._table is None:
            found = Findings()
            kind, records = _table_format(self.path).read_records(self.path, found, image_column)
            if what := find_unread_table(records):
                raise DataError(f"{self.path} is {what}")
            self._table = kind, records, found.items
        findings.items += [finding for finding in self._table[2] if finding not in findings.items]
        return self._table[:2]


def _table_format(path: Path) -> ModuleType:
    """The reader of a table, by what the file begins with: people rename workbooks to .csv."""
    try:
        with path.open("rb") as file:
            begins = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from None
    return {workbook.BEGINS: workbook, parquet.BEGINS: parquet}.get(begins, delimited)


def read_document(path: Path, findings: Findings) -> Document:
    """Raises DataError for JSON that is none."""
    if path.suffix.lower() not in _JSON:
        return Document(path)
    content = json_records.read_document(path, findings)
    if content is None:
        raise DataError(f"{path} holds null and nothing else; export it again")
    return Document(path, coco_json.unwrap(path, content, findings))


@dataclass
class Search:
    """Looks for annotations in the folders of a data set, and remembers which files it passed over, and why."""

    names: ColumnNames
    findings: Findings
    reasons: dict[Path, str] = field(default_factory=dict)
    found: set[Path] = field(default_factory=set)
    exports: list[str] = field(default_factory=list)  # what to do about those of tools that are not read

    def documents(self, folder: Path) -> list[Document]:
        """The files of a folder that hold annotations, also faulty. Raises DataError as `document` does."""
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        texts = [path for path in files if path.suffix.lower() in (*TEXTS, *BINARY) and path.is_file()]
        beside = _beside_images(files)
        texts = [
            path for path in texts if not (path in beside or is_passed_over(path.name) or yolo.is_label_file(path))
        ]
        found = map(self.document, texts)
        return [document for document in found if document is not None]

    def document(self, path: Path) -> Document | None:
        """None for a file without annotations. Raises DataError for a damaged one of a split."""
        findings = Findings()
        try:
            document = read_document(path, findings)
            holds = self._holds_annotations(document)
        except DataError as error:
            if split_in_name(path.stem):
                raise
            self.reasons[path] = str(error)
            return None
        if not holds:
            self._refuse_split_without_labels(path)
            self.reasons[path] = f"{path} names no images with labels; if it does, give this file itself"
            return None
        self.findings.items += findings.items
        self.found.add(path)
        return document

    def refuse_faulty(self, paths: Iterable[Path]) -> None:
        """Raises DataError for one of these that was passed over: other splits have a table of its name."""
        if faulty := [path for path in paths if path in self.reasons]:
            raise DataError(f"{self.reasons[faulty[0]]} (other splits have a {faulty[0].name}, too)")

    def take(self, files: Iterable[Path]) -> None:
        """Files that were passed over hold the annotations, after all."""
        for path in files:
            self.reasons.pop(path, None)
            self.found.add(path)

    def _refuse_split_without_labels(self, path: Path) -> None:
        """Raises DataError for a table called train or val: lists of test images need no labels, nor do logs and tables
        of several splits."""
        if path.suffix.lower() not in (".csv", ".tsv") or is_about_splits(path):
            return
        if split_in_name(path.stem) not in (TRAIN, VAL):
            return
        if delimited.has_header(path, self.names.image):
            raise DataError(
                f"{path} names no images with labels, though its name tells a split; name its columns image and "
                "labels, or rename the file if it is something else"
            )

    def _holds_annotations(self, document: Document) -> bool:
        """Whether a file has images and labels. Faults inside of annotations are told when they are read."""
        path, content = document.path, document.content
        if path.suffix.lower() == ".xml":
            with path.open("rb") as file:
                return b"<annotations" in file.read(1000)
        if content is None:
            return _is_table(document, self.names)
        if coco_json.is_coco(content) or tools.find_tool(content):
            return True
        if what := find_unread(content):
            self.exports.append(f"{path} is {what}")
            return False
        if _is_list_of_images(content):
            return False
        records = json_records.as_records(path, content)
        return bool(records) and describes_images(Table(path, records or [], Findings()), self.names)

    def tell_passed_over(self, but: Set[Path]) -> None:
        """Name the files that were passed over, `but` those of which another finding tells."""
        if names := [path.name for path in self.reasons if path not in but]:
            self.findings.note(f"{len(names)} files that hold no annotations were passed over", names)

    def nothing_found(self, folder: Path, why: str = "") -> DataError:
        """What to say where no folder has annotations, and `why` the folders' names are no labels."""
        read = {path.name for path in self.reasons}
        if other := [name for name in other_tables(folder) if name not in read]:
            archive = Path(other[0]).suffix.lower() in _ARCHIVES
            what = "unpack it and give the folder" if archive else "save it as CSV and give that"
            return DataError(f"{folder}: {', '.join(other[:3])} can't be read; {what}")
        if self.exports:
            return DataError(self.exports[0])
        if self.reasons:
            reasons = "; ".join([next(iter(self.reasons.values())), *filter(None, [why])])
            return DataError(f"{folder} holds no annotations; {len(self.reasons)} files were passed over: {reasons}")
        why = why or f"{_SEARCHED} was looked for. Give the file itself"
        return DataError(f"{folder} holds no annotations: {why}")


def _beside_images(files: Sequence[Path]) -> set[Path]:
    """Texts and JSON for single images, if there are many: a chart may be called as its table is."""
    found = {file for suffix in sidecars.KINDS for file in sidecars.beside(files, suffix).values()}
    return found if len(found) >= _MANY else set()


def _is_list_of_images(content: object) -> bool:
    """Whether JSON lists the images of one split, or tells the split of every image, or lists the images of folds; a
    list for each label can't be told from these."""
    if isinstance(content, dict) and json_records.of_labels(content):
        return True
    items = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(items, list) or not items or not all(isinstance(item, str) for item in items):
        return False
    return isinstance(content, list) or are_splits(items)


def other_tables(folder: Path) -> list[str]:
    """Workbooks, archives and the like, which may hold labels, but are not read."""
    files = [*folder.glob("*"), *folder.glob("data/*")]
    return sorted(path.name for path in files if path.suffix.lower() in OTHER_TABLES)


def _is_table(document: Document, names: ColumnNames) -> bool:
    """Whether a table has images and labels. Texts such as Roboflow's notes and lists of classes are none."""
    path = document.path
    try:
        records = document.table(Findings(), names.image)[1]
    except delimited.HeaderError:
        return False
    except DataError:
        named_so = path.suffix.lower() in TABLES and _table_format(path) is delimited
        if named_so and delimited.has_header(path, names.image):
            return True  # of a faulty table, the fault is told when it is read
        raise
    return describes_images(Table(path, records, Findings()), names)


def of_one_data_set(documents: Sequence[Document], findings: Findings) -> list[Document]:
    """The only document, or one for each split; of COCO's own files those with all instances.

    Raises DataError for several files of which it isn't clear how they belong together."""
    found = [document for document in documents if not _is_form(document.path)] or list(documents)
    if forms := [document.path.name for document in documents if document not in found]:
        findings.note(f"not read, since it lists images to be labelled: {', '.join(forms)}")
    if instances := [document for document in found if document.path.stem.startswith("instances_")]:
        chosen = [*instances, *_other_splits(found, instances)]
        if others := [document.path.name for document in found if document not in chosen]:
            findings.note(f"not read, since the others are COCO's instances: {', '.join(others)}")
        found = chosen
    if len(found) == 1:
        return found
    named = [document for document in found if split_in_name(document.path.stem)]
    splits = {split_in_name(document.path.stem) for document in named}
    if not named or len({*map(_without_shard, named)}) != len(splits):
        names = ", ".join(document.path.name for document in documents[:6])
        raise DataError(f"{documents[0].path.parent} holds several files: {names}; give one of them")
    if unnamed := [document.path for document in found if document not in named]:
        _tell_of_unnamed(unnamed, [document.path for document in named], findings)
    return named


def _without_shard(document: Document) -> str:
    """The name of a file, which may be one of several of a split: train-00000-of-00002.parquet."""
    return re.sub(r"[-_]\d+[-_]of[-_]\d+$", "", document.path.stem)


def _is_form(path: Path) -> bool:
    """Kaggle's sample_submission.csv, which lists test images with labels that are made up."""
    return "submission" in path.stem.casefold()


def _other_splits(documents: Sequence[Document], instances: Sequence[Document]) -> list[Document]:
    """Tables beside COCO's instances that hold splits which these lack."""
    known = {split_in_name(document.path.stem) for document in instances}
    return [
        d for d in documents if not coco_json.is_coco(d.content) and split_in_name(d.path.stem) not in (None, *known)
    ]


def _tell_of_unnamed(unnamed: Sequence[Path], named: Sequence[Path], findings: Findings) -> None:
    """Files beside those of splits. Where these are train and another one, a third may hold all images at once.

    Raises DataError where training or validation would lack the images of the file.
    """
    splits = [split_in_name(path.stem) for path in named]
    others, first = ", ".join(path.name for path in unnamed[:6]), unnamed[0]
    if TRAIN in splits and len(splits) > 1:
        findings.warning(f"{others} was not read, since its name tells no split; give that file if it has all labels")
        return
    name = f"val{first.suffix} or test{first.suffix}" if TRAIN in splits else f"train{first.suffix}"
    raise DataError(
        f"{first.parent}: the name of {', '.join(path.name for path in named)} tells a split, but not that of "
        f"{others}; rename {first.name} to {name}, or give the one file that has all labels"
    )
