"""Labels that are codes get their names from a table of both."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_in_order, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

FISH = [{"tench, Tinca tinca"}, {"goldfish"}]
TABLE = "image,label\n1.jpg,n01440764\n2.jpg,n01443537\n"


def read(folder: Path, names: str, table: str = TABLE, name: str = "names.txt", **options: str) -> Source:
    for image in ("1.jpg", "2.jpg", "3.jpg"):
        (folder / image).write_bytes(b"")
    (folder / name).write_text(names)
    (folder / "t.csv").write_text(table)
    return read_source(folder / "t.csv", Options(label_names=folder / name, **options))


@pytest.mark.parametrize(
    "names",
    [
        "n00001740\tentity\nn01440764\ttench, Tinca tinca\nn01443537\tgoldfish\n",  # ImageNet's words.txt
        "n01440764 tench, Tinca tinca\nn01443537 goldfish\n",  # and synset_words.txt
        'n01440764,"tench, Tinca tinca"\nn01443537,goldfish\n',
        'WNID;Name\nn01440764;"tench, Tinca tinca"\n\nn01443537;goldfish\n',
        'name,code\n"tench, Tinca tinca",n01440764\ngoldfish,n01443537\n',
        'nr,code,name\n0,n01440764,"tench, Tinca tinca"\n1,n01443537,goldfish\n',
        "code|name|gloss\nn01440764|tench, Tinca tinca|a fish\nn01443537|goldfish|another one\n",
    ],
)
def test_codes_of_imagenet(tmp_path: Path, names: str) -> None:
    source = read(tmp_path, names)
    assert labels_in_order(source)[:2] == FISH
    assert "codes stand for the labels of names.txt: n01440764 is 'tench, Tinca tinca'" in messages(source)


def test_codes_of_open_images(tmp_path: Path) -> None:
    table = "ImageID,Source,LabelName,Confidence\n1,verification,/m/011k07,1\n2,verification,/m/011q46kg,1\n"
    names = "/m/011k07,Tortoise\n/m/011q46kg,Container\n"
    assert labels_in_order(read(tmp_path, names, table)) == [{"Tortoise"}, {"Container"}]


def test_folders_that_are_codes(tmp_path: Path) -> None:
    """words.txt lies beside them; its other codes are no labels."""
    for code in ("n01440764", "n01443537"):
        (tmp_path / code).mkdir()
        for number in range(3):
            (tmp_path / code / f"{code}_{number}.JPEG").write_bytes(b"")
    names = tmp_path / "words.txt"
    names.write_text("n00001740\tentity\nn01440764\ttench, Tinca tinca\nn01443537\tgoldfish\n")
    assert read_source(tmp_path, Options(label_names=names)).labels == ("goldfish", "tench, Tinca tinca")


def test_several_codes_in_a_cell_are_split_before_they_get_names(tmp_path: Path) -> None:
    names = "n01440764\ttench, Tinca tinca\nn01443537\tgoldfish\n"
    table = 'image,label\n1.jpg,"n01440764,n01443537"\n2.jpg,n01443537\n'
    for options in ({}, {"separator": ","}):
        assert labels_in_order(read(tmp_path, names, table, **options)) == [{*FISH[0], *FISH[1]}, FISH[1]]


def test_codes_some_of_which_are_numbers(tmp_path: Path) -> None:
    table = "image,label\n1.jpg,10\n2.jpg,A1\n"
    assert labels_in_order(read(tmp_path, "10,cat\nA1,dog\n", table)) == [{"cat"}, {"dog"}]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("n01440764\ttench\n", "line 3: the label 'n01443537' has no name in .*names.txt; add a line with both"),
        (
            "n01440764,tench, Tinca tinca\nn01443537,goldfish\n",
            "names.txt, line 2 has 2 cells, but the first line 3; write a",
        ),
        ("n01443537,goldfish\nn01440764,tench, Tinca tinca\n", "names.txt, line 2 has 3 cells, but the first line 2"),
        ("n01440764,tench\nn01443537,\n", "names.txt, line 2: n01443537 has no name; write it"),
        ("n01440764,tench\nn01443537,fish\nn01443537,goldfish\n", "line 3: n01443537 is 'goldfish', but 'fish' above"),
    ],
)
def test_what_is_refused(tmp_path: Path, names: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, names)


def test_codes_with_one_name_are_told(tmp_path: Path) -> None:
    table = "image,label\n1.jpg,n02012849\n2.jpg,n03126707\n"
    source = read(tmp_path, "n02012849\tcrane\nn03126707\tcrane\n", table)
    assert "codes have the same name, so that they are one label" in messages(source)
    assert "(crane: n02012849, n03126707)" in messages(source)


@pytest.mark.parametrize("names", ["cat\nhot dog\n", "0,cat\n1,hot dog\n", "0: cat\n1: hot dog\n"])
def test_labels_that_have_names_keep_them_with_a_warning(tmp_path: Path, names: str) -> None:
    source = read(tmp_path, names, "image,label\n1.jpg,cat\n2.jpg,hot dog\n")
    assert labels_in_order(source) == [{"cat"}, {"hot dog"}]
    assert "no label is a number or code that names.txt gives a name, so that this file was not used" in messages(
        source
    )
