"""The file that a row means, where several rows write its name differently."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import folder_with, labels_by_image, messages

from cnnrnn.data import Options
from cnnrnn.data.find_images import ImageFinder
from cnnrnn.data.source import Source, read_source

PETS = [f"pets/{n}.jpg" for n in range(8)]


def read(folder: Path, images: list[str], rows: list[tuple[str, str, str]]) -> Source:
    """A table of these rows, and one for each of eight images in pets/ that have both labels."""
    rows = [*((name, "cat|dog", "val" if n % 2 else "train") for n, name in enumerate(PETS)), *rows]
    text = "image,labels,split\n" + "".join(f"{','.join(row)}\n" for row in rows)
    return read_source(folder_with(folder, {"t.csv": text}, [*PETS, *images]) / "t.csv", Options())


@pytest.mark.parametrize(
    ("file", "first", "second"),
    [
        ("IMG_0001.jpg", "IMG_0001.jpg", "IMG_0001.JPG"),
        ("IMG_0001.jpg", "IMG_0001.JPG", "img_0001.Jpg"),
        ("IMG_0001.jpg", "IMG_0001.jpg", "img_0001"),
        ("IMG_0001.jpg", "IMG_0001", "IMG_0001.JPG"),
        ("a/1x.jpg", "a/1x.jpg", "A/1x.jpg"),
        ("a/1x.jpg", "a/1x.jpg", "a\\1x.jpg"),
        ("a/1x.jpg", "a/1x.jpg", "1x.jpg"),
        ("a/1x.jpg", "a/1x.jpg", "set/A/1x.JPG"),  # set/ is the table's own folder
        ("1x.jpg", "1x.jpg", "C:\\Users\\anna\\1x.jpg"),
        ("1x.jpg", "1x", "https://example.org/pets/1x.jpg"),
        ("caf\u00e9.jpg", "caf\u00e9.jpg", "cafe\u0301.jpg"),
        ("my cat.jpg", "my cat.jpg", "my%20cat.jpg"),
    ],
)
def test_spellings_of_one_name_are_one_image(tmp_path: Path, file: str, first: str, second: str) -> None:
    source = read(tmp_path / "set", [file], [(first, "cat", "train"), (second, "bird", "train")])
    assert labels_by_image(source)[Path(file).name] == {"cat", "bird"}
    assert "missing" not in messages(source)
    assert "images stand in several rows, their labels were joined" in messages(source)
    assert "were found under another path or spelling" in messages(source)
    leaking = read(tmp_path / "set", [file], [(first, "cat", "train"), (second, "cat", "val")])
    assert [error[:34] for error in leaking.errors] == ["1 images are in train and in val, "]


@pytest.mark.parametrize(
    ("file", "first", "second"),
    [
        ("1x.jpg", "1x.jpg", "1x.png"),
        ("1x.jpg", "1x.jpg", "crops/1x.jpg"),
        ("a/1x.jpg", "a/1x.jpg", "b/1x.jpg"),
        ("0077.jpg", "0077.jpg", "77.jpg"),
    ],
)
def test_names_of_other_files_are_missing(tmp_path: Path, file: str, first: str, second: str) -> None:
    source = read(tmp_path / "set", [file], [(first, "cat", "train"), (second, "bird", "val")])
    assert "1 of 10 images are missing and were left out" in messages(source)
    assert labels_by_image(source)[Path(file).name] == {"cat"}


def test_of_two_folders_that_are_not_there_none_is_meant(tmp_path: Path) -> None:
    source = read(tmp_path / "set", ["1x.jpg"], [("/a/1x.jpg", "cat", "train"), ("/b/1x.jpg", "bird", "val")])
    assert "2 of 10 images are missing and were left out" in messages(source)


@pytest.mark.parametrize("name", ["p0.jpg", "p0", "P0.JPG"])
def test_a_suffix_that_windows_hides(tmp_path: Path, name: str) -> None:
    source = read(tmp_path, ["p0.jpg.jpg", "p1.jpg.jpg"], [(name, "cat", "train")])
    assert labels_by_image(source)["p0.jpg.jpg"] == {"cat"}
    assert f"1 images were found under another path or spelling, such as {name} as {tmp_path}/p0.jpg.jpg" in messages(
        source
    )


def test_a_suffix_that_is_written_twice(tmp_path: Path) -> None:
    source = read(tmp_path, ["p0.jpg"], [("p0.jpg.jpg", "cat", "train")])
    assert labels_by_image(source)["p0.jpg"] == {"cat"}


def test_of_two_files_with_hidden_suffixes_none_is_meant(tmp_path: Path) -> None:
    source = read(tmp_path, ["p0.jpg.jpg", "p0.png.jpg"], [("p0", "cat", "train")])
    assert "p0 (2 files fit, such as " in messages(source)


@pytest.mark.parametrize(
    ("file", "written"),
    [
        ("Bär 000.jpg", "12ab34cd-B%C3%A4r%20000.jpg"),
        ("Bär_1.jpg", "12ab34cd-B%C3%A4r_1.jpg"),
        ("my pic 000.jpg", "/data/upload/3/12ab34cd-my%20pic%20000.jpg"),
        ("my pic 000.jpg", "/data/upload/3/12ab34cd-my_pic_000.jpg"),
    ],
)
def test_names_of_uploads_are_those_before_the_upload(tmp_path: Path, file: str, written: str) -> None:
    (tmp_path / file).write_bytes(b"")
    assert ImageFinder(tmp_path).find(written)[0] == tmp_path / file
