"""Tables of Windows: those of western Europe are read, others ask for their encoding."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_in_order, messages

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source


def read(folder: Path, text: str, written: str, **options: str) -> Source:
    for number in range(1, 6):
        (folder / f"{number}.jpg").write_bytes(b"")
    (folder / "t.csv").write_bytes(text.encode(written))
    return read_source(folder / "t.csv", Options(**options))


def table(labels: str) -> str:
    """A table with one of these labels for each image."""
    return "image,labels\r\n" + "".join(f"{n}.jpg,{label}\r\n" for n, label in enumerate(labels.split(), start=1))


@pytest.mark.parametrize(
    ("labels", "encoding"),
    [
        ("kot łódź źrebię pies mężczyzna", "cp1250"),
        ("zdjęcie pies kot", "cp1250"),  # ê in French
        ("kočka pes kůň člověk", "cp1250"),
        ("mačka pas čovjek", "cp1250"),
        ("nő macska tűz", "cp1250"),
        ("pisică câine pădure", "cp1250"),
        ("кошка собака машина человек", "cp1251"),
        ("γάτα σκύλος πουλί", "cp1253"),
        ("köpek kuş ağaç şehir", "cp1254"),
        ("חתול כלב ציפור", "cp1255"),
        ("قطة كلب طائر", "cp1256"),
        ("katė šuo paukštis", "cp1257"),
        ("kaķis suns putns", "cp1257"),
        ("猫 犬 車、人物", "cp932"),
        ("고양이 개 자동차", "cp949"),
        ("猫 狗 汽车", "gb18030"),
        ("貓 狗 汽車", "big5"),
        ("Katze Vögel Straße", "mac_roman"),
        ("Katze Vögel Mädchen", "cp850"),
    ],
)
def test_a_table_that_may_not_be_western_asks_for_its_encoding(tmp_path: Path, labels: str, encoding: str) -> None:
    """As the advice of the error says, the words as they are meant tell which one to give."""
    shown = ", ".join(label for label in labels.split() if not label.isascii())
    with pytest.raises(DataError, match="is not UTF-8") as raised:
        read(tmp_path, table(labels), encoding)
    assert f"with --encoding {encoding}: {shown}" in str(raised.value)
    source = read(tmp_path, table(labels), encoding, encoding=encoding, separator=";")
    assert labels_in_order(source) == [{label} for label in labels.split()]


@pytest.mark.parametrize(
    "labels",
    [
        "Katze Vögel Fußgänger Übergang Häuser",
        "chat forêt bébé œuf garçon",
        "niño árbol montaña camión coche",
        "gato cão maçã avião pássaro",
        "fågel båt träd äpple hus",
        "æble båd hest kør får",
        "città caffè papà gatto",
        "köpek kedi elma",  # the same in cp1254
        "žába had žena",  # the same in cp1250
        "l’été Zoë 5m² café",
    ],
)
def test_a_western_table_is_read_with_a_warning(tmp_path: Path, labels: str) -> None:
    source = read(tmp_path, table(labels), "cp1252")
    assert labels_in_order(source) == [{label} for label in labels.split()]
    first = next(label for label in labels.split() if not label.isascii())
    assert f"t.csv is not UTF-8; it was read as cp1252, of Windows, with such words as {first}" in messages(source)


def test_signs_inside_of_words_are_not_western(tmp_path: Path) -> None:
    """Even where another label has letters that the language lacks."""
    with pytest.raises(DataError, match="line 2, is not UTF-8"):
        read(tmp_path, table("mężczyzna Curaçao"), "cp1250")


def test_no_encoding_that_is_tried_fits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in all encodings that were tried, none"):
        read(tmp_path, table("cat").replace("cat", "\xb1\x81\xff"), "latin-1")
