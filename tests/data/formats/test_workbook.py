"""Excel's workbooks, written by openpyxl, and parquet files."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import pandas
import pytest
from openpyxl import Workbook
from source_helpers import labels_in_order, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

TABLE = [["image", "labels", "split"], ["1.jpg", "cat;dog", "train"], ["2.jpg", "dog", "train"], ["3.jpg", None, "val"]]
EXPECTED = {"train": {"1.jpg": {"cat", "dog"}, "2.jpg": {"dog"}}, "val": {"3.jpg": set()}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1.jpg", "2.jpg", "3.jpg", "000906.jpg"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def save(path: Path, **sheets: list[list[Any]]) -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def labels_of(source: Source) -> dict[str, dict[str, set[str]]]:
    return {name: {s.image.name: set(s.labels) for s in split} for name, split in source.samples.items()}


@pytest.mark.parametrize("name", ["labels.xlsx", "renamed.csv"])
def test_a_sheet_among_others(folder: Path, name: str) -> None:
    notes = [["about", "photos of May"], ["by", "somebody"]]
    path = save(folder / name, notes=notes, photos=[[], *TABLE, [None, None, None]])
    for source in (read_source(path, Options()), read_source(folder, Options())):
        assert labels_of(source) == EXPECTED
        assert source.kind.startswith("an Excel workbook, sheet photos; images in the column 'image'")


def test_a_sheet_for_each_split(folder: Path) -> None:
    rows = [row[:2] for row in TABLE]
    source = read_source(save(folder / "a.xlsx", Train=rows[:3], validation=[rows[0], rows[3]]), Options())
    assert labels_of(source) == EXPECTED


def test_columns_of_labels_with_numbers_and_days(folder: Path) -> None:
    rows = [
        ["id", "taken", "cat", "dog"],
        [1, datetime.datetime(2026, 5, 1), 1, True],
        [2, None, 0.0, 1],
        [3, None, 0, 0],
    ]
    rows.append([906, None, 1, False])
    source = read_source(save(folder / "a.xlsx", one=rows), Options(val_fraction=0.5))
    found = {image: labels for split in labels_of(source).values() for image, labels in split.items()}
    assert found == {"1.jpg": {"cat", "dog"}, "2.jpg": {"dog"}, "3.jpg": set(), "000906.jpg": {"cat"}}


def test_a_title_above_the_table_is_passed_over(folder: Path) -> None:
    source = read_source(save(folder / "a.xlsx", photos=[["Photographs of May"], [], *TABLE]), Options())
    assert labels_of(source) == EXPECTED
    assert "rows above the first line of photos were not read (Photographs of May)" in map(str, source.findings)


def test_a_formula_in_a_column_that_is_not_used(folder: Path) -> None:
    rows = [[*row, "=TODAY()", "x"] for row in TABLE]
    rows[0][-2:] = ["taken", "by"]
    source = read_source(save(folder / "a.xlsx", photos=rows), Options())
    assert labels_of(source) == EXPECTED
    assert [found.message[:96] for found in source.findings if "formulas" in found.message] == [
        "columns of photos were left out, since values of their formulas are not saved; open the workbook "[:96]
    ]
    assert "if they hold labels or splits (taken)" in "".join(map(str, source.findings))


@pytest.mark.parametrize(
    "rows",
    [
        [["image", "labels", "split"], ["1.jpg", "cat", '="train"'], ["2.jpg", "dog", "val"]],
        [["image", "labels", "main label"], ["1.jpg", "cat", '="cat"'], ["2.jpg", "dog", "dog"]],
        [["image", "labels"], ['="1.jpg"', '="cat"'], ["2.jpg", "dog"]],
        [["image", "cat", "dog"], ["1.jpg", 1, "=1"], ["2.jpg", 0, 1]],
        [["image", "labels", '="x"'], ["1.jpg", "cat", "a"], ["2.jpg", "dog", "b"]],
    ],
)
def test_a_formula_in_a_column_that_may_be_used(folder: Path, rows: list[list[Any]]) -> None:
    with pytest.raises(DataError, match=r"photos, row [12]: the value of =.* is not saved; open the workbook"):
        read_source(save(folder / "a.xlsx", photos=rows), Options())


@pytest.mark.parametrize(
    ("name", "part", "what"),
    [
        ("a.numbers", "Index/Document.iwa", "a spreadsheet of Apple's Numbers"),
        ("a.pages", "Index/Document.iwa", "a document of Apple's Pages"),
        ("a.key", "Index/Document.iwa", "a presentation of Apple's Keynote"),
        ("a.docx", "word/document.xml", "a Word document"),
        ("renamed.csv", "word/document.xml", "a Word document"),
        ("a.pptx", "ppt/presentation.xml", "a PowerPoint presentation"),
        ("a.odt", "content.xml", "a text document of OpenDocument"),
        ("a.odp", "content.xml", "a presentation of OpenDocument"),
        ("a.xlsb", "xl/workbook.bin", "a binary workbook of Excel"),
    ],
)
def test_documents_of_other_programs_are_to_be_exported(tmp_path: Path, name: str, part: str, what: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("mimetype", "x")
        archive.writestr(part, "x")
    with pytest.raises(DataError, match=f"{name} is {what}; export its table as CSV and give that"):
        read_source(tmp_path / name, Options())


def test_a_formula_without_its_value_is_told(folder: Path) -> None:
    rows = [TABLE[0], ["1.jpg", '="cat"&";dog"', "train"], ["2.jpg", "dog", "val"]]
    with pytest.raises(DataError, match='photos, row 2: the value of ="cat"&";dog" is not saved; open the workbook'):
        read_source(save(folder / "a.xlsx", photos=rows), Options())


def test_two_tables_are_asked_for(folder: Path) -> None:
    with pytest.raises(DataError, match="names images in several sheets: old, new; keep the one"):
        read_source(save(folder / "a.xlsx", old=TABLE, new=TABLE), Options())


def test_rows_are_named_by_their_number(folder: Path) -> None:
    rows = [*TABLE[:2], [], ["2.jpg", "dog", "tarin"]]
    with pytest.raises(DataError, match=r"'tarin' in the column 'split' is no split \(1 rows: row 4\)"):
        read_source(save(folder / "a.xlsx", photos=rows), Options())


def test_what_is_no_table_of_images(folder: Path) -> None:
    with pytest.raises(DataError, match="no sheet has a column of images; write a first line"):
        read_source(save(folder / "a.xlsx", costs=[["what", "much"], ["film", 3]]), Options())
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("1.jpg", "")
    with pytest.raises(DataError, match="is a zip archive; unpack it and give the folder"):
        read_source(folder / "b.zip", Options())


def test_a_spreadsheet_of_opendocument_is_named(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<a/>")
    with pytest.raises(DataError, match="is a spreadsheet of OpenDocument; export its table as CSV and give that"):
        read_source(folder / "a.ods", Options())


def test_a_workbook_that_unpacks_to_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnrnn.data.formats.workbook._MAX_BYTES", 1000)
    with pytest.raises(DataError, match="MB when it is unpacked; save the table as CSV"):
        read_source(save(folder / "a.xlsx", photos=TABLE), Options())


def test_parquet_with_texts_lists_and_paths(folder: Path) -> None:
    names = ["1.jpg", "2.jpg", "3.jpg"]
    frame = pandas.DataFrame(
        {"image": names, "labels": [["cat", "dog"], ["dog"], []], "split": ["train"] * 2 + ["val"]}
    )
    frame.to_parquet(folder / "a.parquet")
    assert labels_of(read_source(folder / "a.parquet", Options())) == EXPECTED
    assert labels_of(read_source(folder, Options())) == EXPECTED
    frame = pandas.DataFrame(
        {"file_name": names, "cat": [True, False, False], "dog": [1, 1, 0], "split": frame["split"]}
    )
    frame.to_parquet(folder / "a.parquet")
    assert labels_of(read_source(folder / "a.parquet", Options())) == EXPECTED


@pytest.mark.parametrize("labels", [["cat", None], [["cat"], None], ["cat", float("nan")]])
def test_null_in_parquet_is_told(tmp_path: Path, labels: list[object]) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(b"")
    pandas.DataFrame({"image": ["1.jpg", "2.jpg"], "labels": labels}).to_parquet(tmp_path / "a.parquet")
    source = read_source(tmp_path / "a.parquet", Options())
    assert labels_in_order(source) == [{"cat"}, set()]
    assert "1 rows of a.parquet have null in 'labels'; taken for no labels (row 2)" in messages(source)


def test_whole_numbers_that_parquet_keeps_as_floats(folder: Path) -> None:
    names = folder / "names.txt"
    names.write_text("cat\ndog\n")
    for labels in ([1.0, 0.0, None], [[1.0], [0.0], []]):
        frame = pandas.DataFrame(
            {"image": ["1.jpg", "2.jpg", "3.jpg"], "label": labels, "split": ["train"] * 2 + ["val"]}
        )
        frame.to_parquet(folder / "a.parquet")
        source = read_source(folder / "a.parquet", Options(label_names=names))
        assert labels_of(source) == {"train": {"1.jpg": {"dog"}, "2.jpg": {"cat"}}, "val": {"3.jpg": set()}}


def test_images_inside_of_parquet_are_pointed_out(folder: Path) -> None:
    frame = pandas.DataFrame({"image": [{"bytes": b"1", "path": "1.jpg"}], "labels": [["cat"]]})
    frame.to_parquet(folder / "a.parquet")
    for source in (folder / "a.parquet", folder):
        with pytest.raises(DataError, match="the column 'image' holds bytes"):
            read_source(source, Options())
    (folder / "a.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match="is no parquet file that can be read"):
        read_source(folder / "a.parquet", Options())


def merged(path: Path, rows: list[list[Any]], *ranges: str) -> Path:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    for cells in ranges:
        sheet.merge_cells(cells)
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("rows", "ranges"),
    [
        ([["image", "label"], ["1.jpg", "cat"], ["2.jpg", None], ["3.jpg", "dog"]], ["B2:B3"]),
        ([["image", "label"], ["1.jpg", "cat"], ["2.jpg", None], ["3.jpg", "dog"], ["1.jpg"]], ["B2:B3", "A6:B7"]),
        ([["photos"], ["image", "label"], ["1.jpg", "cat"], ["2.jpg", None], ["3.jpg", "dog"]], ["A1:B1", "B3:B4"]),
        ([["image", "label", "more"], ["1.jpg", "cat", None], ["2.jpg", None, None], ["3.jpg", "dog", 1]], ["B2:C3"]),
    ],
)  # fmt: skip
def test_merged_cells_count_for_all_their_rows(folder: Path, rows: list[list[Any]], ranges: list[str]) -> None:
    source = read_source(merged(folder / "a.xlsx", rows, *ranges), Options())
    found = {name: labels for split in labels_of(source).values() for name, labels in split.items()}
    assert found == {"1.jpg": {"cat"}, "2.jpg": {"cat"}, "3.jpg": {"dog"}}
    assert any("merged cells were read as if their value stood in each" in str(found) for found in source.findings)


def test_merged_cells_of_images_and_splits(folder: Path) -> None:
    rows = [
        ["image", "label", "split"], ["1.jpg", "cat", "train"], [None, "dog", None], ["2.jpg", "cat", None],
        ["3.jpg", "dog", "val"],
    ]  # fmt: skip
    source = read_source(merged(folder / "a.xlsx", rows, "A2:A3", "C2:C4"), Options())
    assert labels_of(source) == {"train": {"1.jpg": {"cat", "dog"}, "2.jpg": {"cat"}}, "val": {"3.jpg": {"dog"}}}


def test_merged_columns_for_each_label(folder: Path) -> None:
    rows = [["image", "cat", "dog"], ["1.jpg", 1, 0], ["2.jpg", None, 1], ["3.jpg", 0, 1]]
    source = read_source(merged(folder / "a.xlsx", rows, "B2:B3"), Options())
    found = {name: labels for split in labels_of(source).values() for name, labels in split.items()}
    assert found == {"1.jpg": {"cat"}, "2.jpg": {"cat", "dog"}, "3.jpg": {"dog"}}
