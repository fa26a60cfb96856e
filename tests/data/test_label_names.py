"""Labels that are numbers get their names from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from source_helpers import labels_by_image as labels_of
from source_helpers import messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.formats.names_file import read_label_names
from cnnrnn.data.source import Source, read_source

NAMES = {"0": "cat", "1": "hot dog", "2": "bus"}


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def read(folder: Path, table: str, names: str, name: str = "t.csv") -> Source:
    for image in ("1.jpg", "2.jpg"):
        (folder / image).write_bytes(b"")
    return read_source(write(folder / name, table), Options(label_names=write(folder / "names.txt", names)))


def test_names_that_are_numbers_are_not_asked_for_again(tmp_path: Path) -> None:
    source = read(tmp_path, "image,label\n1.jpg,0\n2.jpg,1\n", "2019\n2020\n")
    assert source.labels == ("2019", "2020")
    assert "give --label-names" not in messages(source)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "cat\nhot dog\nbus\n"),
        ("names.txt", "0: cat\n1: hot dog\n2: bus"),
        ("names.csv", "id,name\n2,bus\n0,cat\n1,hot dog\n"),
        ("names.csv", "name;id\nbus;2\ncat;0\nhot dog;1\n"),
        ("data.yaml", "path: x\ntrain: images\nnc: 3\nnames: ['cat', \"hot dog\", bus]\n"),
        ("data.yaml", "names:\n- cat\n- hot dog\n- bus\nnc: 3\n"),
        ("data.yaml", "train: x\nnames:\n  0: cat\n  1: hot dog\n  2: bus\nval: y\n"),
        ("names.json", json.dumps(["cat", "hot dog", "bus"])),
        ("names.json", json.dumps({"0": "cat", "1": "hot dog", "2": "bus"})),
        ("names.json", json.dumps({"cat": 0, "hot dog": 1, "bus": 2})),
        ("names.json", json.dumps({"categories": [{"id": int(n), "name": name} for n, name in NAMES.items()]})),
        ("names.txt", "0 cat\n1 hot dog\n2 bus\n"),
        ("names.txt", "cat 0\nhot dog 1\nbus 2\n"),
        ("names.txt", "0=cat\n1=hot dog\n2=bus\n"),
        ("names.txt", "0. cat\n1. hot dog\n2. bus\n"),
        ("names.txt", "0) cat\n1) hot dog\n2) bus\n"),
        ("names.txt", "0 - cat\n1 - hot dog\n2 - bus\n"),
        ("names.txt", "0 -> cat\n1 -> hot dog\n\n2 -> bus\n"),
        ("names.txt", "{0: 'cat', 1: 'hot dog', 2: 'bus'}"),
        ("names.txt", "['cat', 'hot dog', 'bus']"),
        ("names.txt", "names:\n- cat\n- hot dog\n- bus\n"),
        ("names.txt", "labels\ncat\nhot dog\nbus\n"),
        ("names.csv", "label\ncat\nhot dog\nbus\n"),
        ("names.csv", '"class_name"\n"cat"\n"hot dog"\n"bus"\n'),
        ("names.csv", "id,name,supercategory\n0,cat,animal\n1,hot dog,food\n2,bus,vehicle\n"),
        ("names.csv", '"id","name"\n"0","cat"\n"1","hot dog"\n"2","bus"\n'),
        ("names.csv", "name,id,color\ncat,0,red\nhot dog,1,red\nbus,2,red\n"),
        ("names.csv", ",name\n0,cat\n1,hot dog\n2,bus\n"),
        ("names.csv", "class,name\n0,cat\n1,hot dog\n2,bus\n"),
        ("names.csv", "count,id,name\n5,0,cat\n5,1,hot dog\n6,2,bus\n"),
        ("names.json", json.dumps({n: [f"n0144076{n}", name] for n, name in NAMES.items()})),
        ("names.json", json.dumps({n: {"name": name, "color": "red"} for n, name in NAMES.items()})),
        ("config.json", json.dumps({"model": "x", "id2label": NAMES, "label2id": {"cat": 0}})),
        ("names.json", json.dumps({"classes": ["cat", "hot dog", "bus"]})),
        ("names.json", json.dumps({"class_to_idx": {"cat": 0, "hot dog": 1, "bus": 2}})),
        ("names.csv", "attribute_id,attribute_name\n0,cat\n1,hot dog\n2,bus\n"),
        ("names.txt", "attribute_id attribute_name\n0 cat\n1 hot dog\n2 bus\n"),
        ("names.csv", "species_id,species,latin\n0,cat,felis\n1,hot dog,canis\n2,bus,omnibus\n"),
        ("names.csv", "latin;species_name;SpeciesID\nfelis;cat;0\ncanis;hot dog;1\nomnibus;bus;2\n"),
        ("names.csv", "code,meaning\n0,cat\n1,hot dog\n2,bus\n"),
        ("names.csv", "target,label\n0,cat\n1,hot dog\n2,bus\n"),
        ("names.csv", "Ziffer,Bedeutung\n0,cat\n1,hot dog\n2,bus\n"),
    ],
)
def test_names_in_every_form(tmp_path: Path, name: str, text: str) -> None:
    assert read_label_names(write(tmp_path / name, text)) == NAMES


DIGITS = {str(n): str((n + 1) % 10) for n in range(10)}  # as SVHN's labels
YEARS = {"0": "2010", "1": "2000", "2": "1990"}


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("n.json", json.dumps(DIGITS), DIGITS),
        ("n.yaml", "names:\n" + "".join(f"  {n}: '{name}'\n" for n, name in DIGITS.items()), DIGITS),
        ("n.yaml", "names: {0: 1, 1: 2, 2: 3, 3: 4}", {"0": "1", "1": "2", "2": "3", "3": "4"}),
        ("n.yaml", "names: {0: 2010, 1: 2000, 2: 1990}", YEARS),
        ("n.json", json.dumps({"id2label": {"0": 2010, "1": 2000, "2": 1990}}), YEARS),
        ("n.json", json.dumps({"2010": 0, "2000": 1, "1990": 2}), YEARS),
        ("n.yaml", "{2010: 0, 2000: 1, 1990: 2}", YEARS),
        ("n.json", json.dumps({"label2id": {name: int(n) for n, name in DIGITS.items()}}), DIGITS),
        ("n.json", json.dumps({"0": 0, "1": 1}), {"0": "0", "1": "1"}),
        ("n.txt", "{0: '1', 1: '2', 2: '0'}", {"0": "1", "1": "2", "2": "0"}),
    ],
)
def test_names_that_are_numbers_themselves(tmp_path: Path, name: str, text: str, names: dict[str, str]) -> None:
    assert read_label_names(write(tmp_path / name, text)) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1 cat\n2 dog\n", {"1": "cat", "2": "dog"}),  # the classes.txt of CUB
        ("0: tench, Tinca tinca\n1: goldfish, Carassius\n", {"0": "tench, Tinca tinca", "1": "goldfish, Carassius"}),
        ('0,"tench, Tinca"\n1,goldfish\n', {"0": "tench, Tinca", "1": "goldfish"}),
        ("tench, Tinca\ngoldfish, Carassius\n", {"0": "tench, Tinca", "1": "goldfish, Carassius"}),
        ("no_class\nfirst_class\n", {"0": "no_class", "1": "first_class"}),
        ("no class\nboeing 747\nboat\n", {"0": "no class", "1": "boeing 747", "2": "boat"}),
    ],
)
def test_names_and_their_signs(tmp_path: Path, text: str, names: dict[str, str]) -> None:
    assert read_label_names(write(tmp_path / "names.txt", text)) == names


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("names.txt", "", "has no names"),
        ("names.txt", "0: cat\ndog\nbus\n", "only 1 of 3 lines have a number"),
        ("names.txt", "1: cat\n1: dog\n", "has a number twice"),
        ("names.json", "[1, 2]", "can't be read"),
        ("names.json", "{", "can't be read"),
        ("names.txt", "0: cat\ndog\n2: bus\n", "only 2 of 3 lines have a number, but not line 2"),
        ("names.txt", "cat\n\nbus\n", "line 2 is blank; write a name there"),
        ("names.txt", "label\ncat\n", "line 1: is 'label' a label, or does it say what the lines are"),
        ("names.yaml", "names:\n  0: cat\n  0: dog\n", "the key '0' stands twice; write it once"),
        ("names.txt", "cat,dog,bus\n", "line 1: 'cat,dog,bus' may be several names"),
        ("names.csv", "name,color\ncat,red\n", "line 1: 'name,color' may be several names or cells"),
        ("names.csv", "label,count\ncat,5\ndog,6\n", "line 1: does 'count' number the labels"),
        ("names.csv", "background,\n1,cat\n2,dog\n", "line 1 has no number; write one"),
        ("names.csv", "0,cat\n1,hot dog, warm\n", "line 2 has more or fewer cells"),
        ("names.csv", "0,cat,animal\n1,dog,animal\n", "which columns are meant is unclear"),
        ("names.txt", "boeing 747\nairbus 320\n", "line 1: is 747 the number of a label, or a part of its name"),
        ("names.txt", "1 door\n2 door\n", "is 1 the number of a label, or a part of its name"),
        ("names.txt", "001.Albatross\n002.Auklet\n", "is 001 the number of a label, or a part of its name"),
        ("names.json", '{"0": null, "1": "cat"}', "the name of 0 is unclear"),
        ("names.json", '{"0": ["cat", "dog"]}', "the name of 0 is unclear"),
        ("names.csv", "images,label\n1,cat\n2,dog\n", "line 1: does 'images' number the labels"),
        ("names.csv", "depth,meaning\n5,cat\n3,dog\n", "line 1: does 'depth' number the labels"),
        ("names.csv", "id,species,latin\n5,cat,felis\n3,dog,canis\n", "which columns are meant is unclear"),
        (
            "names.json",
            '{"0": 1, "1": 2, "2": 0}',
            'which one of "0": 1 is the name is unclear; write the number first',
        ),
        ("names.json", '{"cat": 0, "dog": 0}', "a number stands for several names"),
        ("names.json", '{"0": "cat", "0": "dog"}', "the key '0' stands twice in an object"),
    ],
)
def test_files_that_give_no_names(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_label_names(write(tmp_path / name, text))


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("t.csv", "Id,Target\n1,1 0\n2,2\n"),
        ("t.csv", "image,labels\n1.jpg,1.0;0\n2.jpg,2\n"),
        ("t.json", '[{"image": "1.jpg", "labels": [1, 0]}, {"image": "2.jpg", "labels": 2}]'),
        ("t.jsonl", '{"image": "1.jpg", "objects": {"categories": [1, 0]}}\n{"image": "2.jpg", "objects": [2]}\n'),
    ],
)
def test_numbers_of_tables(tmp_path: Path, name: str, table: str) -> None:
    source = read(tmp_path, table, "cat\nhot dog\nbus\n", name)
    assert labels_of(source) == {"1.jpg": {"cat", "hot dog"}, "2.jpg": {"bus"}}
    assert "numbers stand for the labels of names.txt: 0 is 'cat', 1 is 'hot dog', 2 is 'bus' …" in [
        found.message for found in source.findings
    ]


def test_categories_of_coco_that_are_numbers(tmp_path: Path) -> None:
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2)],
        "annotations": [{"image_id": n, "category_id": n, "bbox": [0, 0, 1, 1]} for n in (1, 2)],
        "categories": [{"id": n, "name": str(n)} for n in (1, 2)],
    }
    source = read(tmp_path, json.dumps(content), "1: cat\n2: dog\n", "t.json")
    assert labels_of(source) == {"1.jpg": {"cat"}, "2.jpg": {"dog"}}
    assert source.boxes is not None
    assert {label for split in source.samples.values() for s in split for label in source.boxes(s)} == {"cat", "dog"}


def test_numbers_without_a_name_and_lists_of_0_and_1(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"line 3: the label 3 has no name in .*, which has 3, from 0 to 2; write numbers"
    ):
        read(tmp_path, "image,labels\n1.jpg,1\n2.jpg,3\n", "cat\ndog\nbus\n")
    with pytest.raises(DataError, match=r"\[0, 1, 0\] are 0 and 1; write the names"):
        read(tmp_path, '[{"image": "1.jpg", "labels": [0, 1, 0]}]', "cat\ndog\nbus\n", "t.json")
