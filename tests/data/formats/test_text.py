"""The encoding that --encoding gives, and files that are in several."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_in_order, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import read_source

POLISH = ("łódź", "kot")
ROWS = "image,labels\n1.jpg,łódź\n2.jpg,kot\n"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in {"1.jpg": b"", "2.jpg": b"", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", ["cp1250", "windows-1250", "CP1250", "iso8859_2"])
def test_any_name_that_python_has(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"t.csv": ROWS.encode(name)})
    assert read_source(tmp_path / "t.csv", Options(encoding=name)).labels == ("kot", "łódź")


@pytest.mark.parametrize("name", ["cp9999", "base64", "polish"])
def test_a_name_that_python_lacks(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"t.csv": ROWS.encode("cp1250")})
    with pytest.raises(DataError, match=f"the encoding '{name}' is not known; give a name that Python has"):
        read_source(tmp_path / "t.csv", Options(encoding=name))


def test_it_holds_for_all_files_of_a_data_set(tmp_path: Path) -> None:
    """For a table's names, for JSON, for the names of YOLO's classes, and for XML."""
    names, table = (
        write(tmp_path, {"n.txt": "łódź\nkot".encode("cp1250"), "t.csv": b"image,label\n1.jpg,0\n2.jpg,1\n"}),
        "t.csv",
    )
    named = read_source(tmp_path / table, Options(encoding="cp1250", label_names=names / "n.txt"))
    assert labels_in_order(named) == [{"łódź"}, {"kot"}]
    write(tmp_path, {"t.json": '{"1.jpg": ["łódź"], "2.jpg": ["kot"]}'.encode("cp1250")})
    assert labels_in_order(read_source(tmp_path / "t.json", Options(encoding="cp1250"))) == [{"łódź"}, {"kot"}]
    yolo = {"1.txt": b"0 .5 .5 .1 .1", "2.txt": b"1 .5 .5 .1 .1", "classes.txt": "łódź\nkot".encode("cp1250")}
    folder = write(tmp_path / "yolo", yolo)
    assert labels_in_order(read_source(folder, Options(encoding="cp1250"))) == [{"łódź"}, {"kot"}]


def test_the_boxes_are_read_in_it_later(tmp_path: Path) -> None:
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"
    files = {
        f"Annotations/{n}.xml": f"<annotation><object><name>{name}</name>{box}</object></annotation>"
        for n, name in enumerate(POLISH, start=1)
    }
    folder = write(tmp_path, {name: text.encode("cp1250") for name, text in files.items()})
    with pytest.raises(DataError, match="with --encoding cp1250: łódź"):
        read_source(folder, Options())
    source = read_source(folder, Options(encoding="cp1250"))
    assert labels_in_order(source) == [{"łódź"}, {"kot"}]
    assert source.boxes is not None
    assert source.boxes(next(s for s in source.samples["train"] if s.image.name == "1.jpg")) == {"łódź": [(0, 0, 2, 2)]}


def test_a_file_that_is_unicode_all_the_same(tmp_path: Path) -> None:
    for content in (ROWS.encode(), ROWS.encode("utf-16"), ROWS.encode("utf-8-sig")):
        source = read_source(write(tmp_path, {"t.csv": content}) / "t.csv", Options(encoding="cp1251"))
        assert source.labels == ("kot", "łódź")
        told = "t.csv is UTF-8 and was read so, not in the encoding that was given, cp1251" in messages(source)
        assert told == (content == ROWS.encode())
    with_nul = read_source(
        write(tmp_path, {"t.csv": ROWS.encode("utf-16-le")}) / "t.csv", Options(encoding="utf-16-le")
    )
    assert with_nul.labels == ("kot", "łódź")


def test_an_encoding_of_ascii_signs(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": "image,labels\n1.jpg,猫\n2.jpg,犬\n".encode("iso2022_jp")})
    assert read_source(tmp_path / "t.csv", Options(encoding="iso2022_jp")).labels == ("犬", "猫")


def test_an_encoding_that_does_not_fit(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": ROWS.encode("cp1250")})
    with pytest.raises(DataError, match="line 2, is no text in shift_jis that can be read; give another --enc"):
        read_source(tmp_path / "t.csv", Options(encoding="shift-jis"))


def test_a_file_that_two_programs_wrote(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": b"image,labels\n1.jpg,caf\xc3\xa9\n2.jpg,K\xfcche\n"})
    with pytest.raises(DataError, match="line 2, is UTF-8, but line 3 is not; correct one of them"):
        read_source(tmp_path / "t.csv", Options())
