"""What kind of source a file or folder is, and the rows of its annotations."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cnnrnn.data import label_lists, split_lists
from cnnrnn.data.annotation_files import Search, of_one_data_set, read_document
from cnnrnn.data.formats import (
    blank_lists,
    folders,
    image_json,
    sidecars,
    voc_xml,
    yolo,
)
from cnnrnn.data.formats.columns import rows_of
from cnnrnn.data.formats.folder_names import IMAGES, PARTS
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.splits import split_in_name, split_name
from cnnrnn.data.formats.yolo_settings import SETTINGS, refuse_records, settings_files
from cnnrnn.data.labels_beside_folders import refuse_other_texts, tell_of_other_labels
from cnnrnn.data.paths import SYSTEM_FOLDERS, is_file, is_folder, is_passed_over
from cnnrnn.data.read_files import column_names, read_files
from cnnrnn.data.reading import Findings, Reading, Row
from cnnrnn.data.split import DataError, Options


def read_rows(path: Path, options: Options) -> Reading:
    """Raises DataError for what can't be read, or could be read in two ways."""
    findings = Findings()
    if options.images is not None and not is_folder(options.images):
        raise DataError(f"{options.images} is no folder; give the folder of the images as --images")
    if options.separator == "":
        raise DataError("--separator is empty; give the sign between labels, or leave it out")
    if is_folder(path):
        return _read_folder(_unpacked(path), options, findings)
    if not is_file(path):
        raise DataError(f"{path} is not there; give the file of the table, or the folder of the data set")
    if path.suffix.lower() in SETTINGS:
        refuse_records(path)
        return yolo.read(path, findings, column_names(options).numbers)
    if blank_lists.is_list(path):
        reading = blank_lists.read([path], path.parent, findings)
    else:
        reading = read_files([read_document(path, findings)], path.parent, options, findings)
    split_lists.point_out(reading, path)
    return reading


def _unpacked(folder: Path) -> Path:
    """The folder with the data set: an archive is often unpacked into a folder that holds nothing but one folder."""
    own = (path for path in folder.iterdir() if not is_passed_over(path.name) and path.name not in SYSTEM_FOLDERS)
    inside = list(itertools.islice(own, 2))
    if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
        return folder
    name = inside[0].name
    means_something = split_in_name(name) or name.casefold() in (*IMAGES, *PARTS) or name == "VOCdevkit"
    return folder if means_something else _unpacked(inside[0])


def _read_folder(folder: Path, options: Options, findings: Findings) -> Reading:
    """The annotations that are found first: VOC's XML; tables and JSON in the folder, in annotations/ or data/, or in
    train/, valid/ and test/; YOLO's text files; a JSON file per image; folders of labels; a file beside each image;
    a list of images for each label; lists without a header."""
    if folder.name == "Annotations" and (folder.parent / "JPEGImages").is_dir():
        folder = folder.parent
    if voc := voc_xml.find(folder):
        _warn_of_other_annotations(folder, Search(column_names(options), Findings()), findings)
        return voc_xml.read(voc, folder, findings)
    search = Search(column_names(options), findings)
    try:
        reading = _read_documents(folder, search, options) or _read_files_of_images(folder, search, options)
    except folders.NoLabelsError as error:
        raise search.nothing_found(folder, str(error)) from None
    if reading is None:
        raise search.nothing_found(folder)
    told = split_lists.give_splits(reading, folder, search.found)
    if reading.labels_are_folders:
        told |= tell_of_other_labels(reading, folder, lambda path: _rows_of(path, options), told)
    if search.found or reading.labels_are_folders:  # else most are files for single images, which were read
        search.tell_passed_over(but=told)
    return reading


def _read_documents(folder: Path, search: Search, options: Options) -> Reading | None:
    for place in (folder, folder / "annotations", folder / "data"):
        if documents := search.documents(place):
            _warn_of_yolo(folder, documents[0].path, search.findings)
            return read_files(of_one_data_set(documents, search.findings), folder, options, search.findings)
    inside = [place for place in sorted(folder.iterdir()) if place.is_dir() and split_name(place.name)]
    documents = [document for place in inside for document in search.documents(place)]
    search.refuse_faulty([place / document.path.name for place in inside for document in documents])
    return read_files(documents, folder, options, search.findings) if documents else None


def _read_files_of_images(folder: Path, search: Search, options: Options) -> Reading | None:
    """Files for single images, folders of labels, or lists without a header."""
    findings = search.findings
    if yolo.is_data_set(folder):
        return _folders_below_settings(folder, findings) or yolo.read(folder, findings, column_names(options).numbers)
    if image_json.is_data_set(folder):
        return image_json.read(folder, findings)
    if search.exports:
        return None
    if reading := _folders_or_texts(folder, options, findings):
        return reading
    if lists := blank_lists.find(folder):
        search.take(lists)
        return blank_lists.read(lists, folder, findings)
    return None


def _folders_or_texts(folder: Path, options: Options, findings: Findings) -> Reading | None:
    """A folder per label, whose other files are pointed out, but not read; or else a file beside each image, or a list
    of images for each label."""
    try:
        reading = folders.read(folder, findings)
    except folders.NoLabelsError:
        if reading := _texts(folder, options, findings):
            return reading
        raise
    if reading is None:
        return _texts(folder, options, findings)
    texts = _texts_beside(folder, options)
    if texts and sidecars.are_repeats(label for row in reading.rows for label in row.labels):
        return texts
    if texts:
        refuse_other_texts(reading, folder, texts.rows)
    return reading


def _texts_beside(folder: Path, options: Options) -> Reading | None:
    """The files beside each image; None if they hold no labels that can be read."""
    with suppress(DataError):
        if beside := sidecars.find(folder):
            return _read_sidecars(folder, *beside, options, Findings())
    return None


def _texts(folder: Path, options: Options, findings: Findings) -> Reading | None:
    if beside := sidecars.find(folder):
        return _read_sidecars(folder, *beside, options, findings)
    return voc_xml.read_beside(folder, findings) or label_lists.read(folder, findings)


def _read_sidecars(folder: Path, suffix: str, files: dict[Path, Path], options: Options, findings: Findings) -> Reading:
    table = Table(folder, sidecars.records(folder, files, findings), findings)
    rows = rows_of(table, column_names(options), options.separator)
    sidecars.refuse_captions(folder, rows.rows)
    separator = rows.separator.name if rows.separator else None
    kind = f"{sidecars.KINDS[suffix]}; {rows.kind}"
    return Reading(kind, rows.rows, folder, findings, separator=separator, lists_images=True)


def _rows_of(file: Path, options: Options) -> list[Row]:
    """The rows of a file; none if it holds no annotations that can be read."""
    search = Search(column_names(options), Findings())
    with suppress(DataError):
        if document := search.document(file):
            return read_files([document], file.parent, options, search.findings).rows
    return []


def _folders_below_settings(folder: Path, findings: Findings) -> Reading | None:
    """Folders called like labels, below a file such as data.yaml, for which there are no files of labels."""
    found = Findings()
    if yolo.has_labels(folder):
        return None
    with suppress(DataError):
        if reading := folders.read(folder, found):
            names = ", ".join(path.name for path in settings_files(folder))
            found.note(f"{names} was not read, since there are no files of labels, but folders called like labels")
            findings.items += found.items
            return replace(reading, findings=findings)
    return None


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
