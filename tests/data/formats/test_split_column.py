"""Which column of a table tells the splits, and what its values mean."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from source_helpers import labels_in_order, messages, read_columns, read_table, splits_in_order

from cnnrnn.data import DataError
from cnnrnn.data.formats.splits import split_in_name, split_of_folders

CAT_DOG = "cat dog cat cat dog"
LABELS = [{"cat"}, {"dog"}, {"cat"}, {"cat"}, {"dog"}]
ALL_TRAIN = ["train"] * 5


@pytest.mark.parametrize(
    "name",
    ["invalid", "Invalid", "InValid", "INVALID", "in_valid", "inval", "invalidation", "in development", "island"],
)
@pytest.mark.parametrize("values", ["0 0 1 0 1", "no no yes no yes", "FALSE FALSE TRUE FALSE TRUE", "  x  x"])
def test_words_that_begin_with_in_tell_no_split(tmp_path: Path, name: str, values: str) -> None:
    source = read_columns(tmp_path, {"labels": CAT_DOG, name: values})
    assert splits_in_order(source) == ALL_TRAIN
    assert labels_in_order(source) == LABELS


def test_true_and_false_of_json(tmp_path: Path) -> None:
    rows = [{"image": f"{n}.jpg", "label": "cat", "invalid": n == 2} for n in (1, 2, 3)]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    assert splits_in_order(read_table(tmp_path, ["1.jpg", "2.jpg", "3.jpg"], text, "t.jsonl")) == ["train"] * 3


def test_valid_beside_invalid_is_a_label(tmp_path: Path) -> None:
    source = read_columns(tmp_path, {"valid": "1 0 1 0 1", "invalid": "0 1 0 1 0"})
    assert labels_in_order(source) == [{"valid"}, {"invalid"}, {"valid"}, {"invalid"}, {"valid"}]
    assert splits_in_order(source) == ALL_TRAIN


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("is_valid", "val"), ("isValid", "val"), ("isvalid", "val"), ("IsValid", "val"), ("IS_VALID", "val"),
        ("is_val_set", "val"), ("in test", "test"), ("in_test_set", "test"), ("inTest", "test"), ("intest", "test"),
        ("isTest", "test"), ("istestset", "test"), ("is_test_image", "test"), ("in_validation", "val"),
        ("isvalidation", "val"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("values", ["0 0 1 0 1", "no no yes no yes", "  x  x", "  1  1"])
def test_flags(tmp_path: Path, name: str, split: str, values: str) -> None:
    source = read_columns(tmp_path, {"labels": CAT_DOG, name: values})
    assert splits_in_order(source) == ["train", "train", split, "train", split]
    assert source.kind.endswith(f"{name!r} tells {split}, labels in 'labels', one in a cell")


def test_an_empty_flag_beside_yes_and_no_is_refused(tmp_path: Path) -> None:
    message = (
        r"'' in the column 'is_valid' is no split \(1 rows: line 4\); write true or false, or remove the column if it "
        "is none of splits"
    )
    with pytest.raises(DataError, match=message):
        read_columns(tmp_path, {"labels": CAT_DOG, "is_valid": "0 0  1 0"})


@pytest.mark.parametrize("name", ["split", "bucket"])
def test_the_column_of_splits_is_told(tmp_path: Path, name: str) -> None:
    source = read_columns(tmp_path, {"labels": CAT_DOG, name: "train test train val train"})
    assert splits_in_order(source) == ["train", "test", "train", "val", "train"]
    assert source.kind.endswith(
        f"images in the column 'image', splits in the column {name!r}, labels in 'labels', one in a cell"
    )
    assert "splits in" not in read_columns(tmp_path, {"labels": CAT_DOG}).kind


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("status", "valid valid invalid valid valid"), ("validity", "valid invalid valid valid invalid"),
        ("ticket", "valid valid expired valid valid"), ("environment", "dev prod dev dev dev"),
        ("environment", "test live test test test"), ("event", "training match training training match"),
        ("build", "development release development development release"), ("vehicle", "train train bus train train"),
        ("purpose", "test production test test production"), ("exam", "eval no eval eval no"),
        ("shot", "test final test test final"), ("phase", "training race training race training"),
        ("usage", "train bus train train train"), ("part", "train platform train train platform"),
        ("stage", "evaluation treatment evaluation treatment evaluation"), ("environment", "dev test dev dev test"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("one_hot", [False, True])
def test_words_with_other_meanings_tell_no_split(tmp_path: Path, name: str, values: str, one_hot: bool) -> None:
    labels = {"cat": "1 0 1 1 0", "dog": "0 1 0 0 1"} if one_hot else {"labels": CAT_DOG}
    source = read_columns(tmp_path, {**labels, name: values})
    assert labels_in_order(source) == LABELS
    assert splits_in_order(source) == ALL_TRAIN
    assert f", but was not taken for the splits; if it has them, give --split-column {name!r}" in messages(source)


def test_words_that_would_all_be_for_evaluation_are_warned_of(tmp_path: Path) -> None:
    source = read_columns(tmp_path, {"labels": CAT_DOG, "environment": "dev test dev dev test"})
    message = (
        "the column 'environment' of t.csv holds 'dev' and 'test', but was not taken for the splits; if it has them, "
        "give --split-column 'environment'"
    )
    assert [found.level for found in source.findings if found.message == message] == ["warning"]
    given = read_columns(
        tmp_path, {"labels": CAT_DOG, "environment": "dev test dev dev test"}, split_column="environment"
    )
    assert splits_in_order(given) == ["val", "test", "val", "val", "test"]


def test_images_held_out_in_words_of_ones_own_are_warned_of(tmp_path: Path) -> None:
    source = read_columns(tmp_path, {"labels": CAT_DOG, "purpose": ["training"] * 4 + ["held-out test"]})
    (warning,) = [found.message for found in source.findings if "--split-column 'purpose'" in found.message]
    assert "holds 'training' and 'held-out test', but was not taken for the splits" in warning
    assert [found.level for found in source.findings if found.message == warning] == ["warning"]


def test_a_slip_among_many_splits_is_refused_whatever_the_column_is_called(tmp_path: Path) -> None:
    columns = {"labels": ["cat", "dog"] * 10, "bucket": ["train"] * 12 + ["test"] * 7 + ["tset"]}
    with pytest.raises(DataError, match=r"'tset' in the column 'bucket' is no split .*, or remove the column if it"):
        read_columns(tmp_path, columns)
    del columns["bucket"]
    assert splits_in_order(read_columns(tmp_path, columns)) == ["train"] * 20


@pytest.mark.parametrize("name", ["partition", "split"])
def test_numbers_of_splits_are_those_of_celeba(tmp_path: Path, name: str) -> None:
    source = read_columns(tmp_path, {"labels": CAT_DOG, name: "0 1 0 2 0"})
    assert splits_in_order(source) == ["train", "val", "train", "test", "train"]
    assert f"splits in the column {name!r} (0 train, 1 val, 2 test)" in source.kind


@pytest.mark.parametrize("values", ["0 1 0 1 0", "1 2 1 3 1", "0 2 2 2 1", "0 1 2 3 0", "0 1 train 2 0"])
def test_other_numbers_are_no_splits(tmp_path: Path, values: str) -> None:
    with pytest.raises(DataError, match="in the column 'partition' is no split"):
        read_columns(tmp_path, {"labels": CAT_DOG, "partition": values})


@pytest.mark.parametrize("name", ["split", "Set", "subset", "data_split", "partition"])
def test_a_column_that_is_called_split_has_splits_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"'bus' in the column {name!r} is no split"):
        read_columns(tmp_path, {"labels": CAT_DOG, name: "train bus train bus bus"})


@pytest.mark.parametrize(("name", "split"), [("usage", "test"), ("dataset", "val"), ("split", "test")])
def test_a_table_of_one_split(tmp_path: Path, name: str, split: str) -> None:
    source = read_columns(tmp_path, {"labels": CAT_DOG, name: [split] * 5})
    assert {found: len(samples) for found, samples in source.samples.items() if samples} == {split: 5}


def test_a_flag_for_training_that_leaves_the_others_open_can_get_another_name(tmp_path: Path) -> None:
    values = "1 0 1 0 0"
    with pytest.raises(DataError, match=r"'in training' does not tell .*, or give this one another name if"):
        read_columns(tmp_path, {"labels": CAT_DOG, "in training": values})
    assert labels_in_order(read_columns(tmp_path, {"labels": CAT_DOG, "athlete in training": values})) == LABELS


def test_a_flag_called_valid_is_asked_for(tmp_path: Path) -> None:
    columns = {"expired": "1 0 0 1 0", "valid": "0 1 1 0 1"}
    with pytest.raises(DataError, match=r"the splits can be in 'valid', .*\(or --label-column with all columns of lab"):
        read_columns(tmp_path, columns)
    source = read_columns(tmp_path, columns, label_column="expired,valid")
    assert labels_in_order(source) == [{"expired"}, {"valid"}, {"valid"}, {"expired"}, {"valid"}]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("conjunto", "entrenamiento entrenamiento validación prueba entrenamiento"),
        ("conjunto", "Treino Treino validacao Teste Treino"),
        ("ensemble", "entraînement entrainement validation test apprentissage"),
        ("Teilmenge", "Training Training Validierung Test Training"),
        ("набор", "обучение обучение валидация тест обучение"),
        ("数据集", "训练集 训练集 验证集 测试集 训练"),
        ("用途", "学習 学習用 検証 テスト 学習"),
        ("세트", "학습 훈련 검증 테스트 학습"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_splits_in_other_languages(tmp_path: Path, column: str, words: str, form: Literal["NFC", "NFD"]) -> None:
    source = read_columns(tmp_path, {"labels": CAT_DOG, column: unicodedata.normalize(form, words)})
    assert splits_in_order(source) == ["train", "train", "val", "test", "train"]


def test_lists_and_folders_called_like_splits_in_other_languages() -> None:
    names = ("lista_treino.txt", "validacio\u0301n2", "imagesTeste")
    assert [split_in_name(name) for name in names] == ["train", "val", "test"]
    assert split_of_folders("fotos/テスト/1.jpg") == "test"


@pytest.mark.parametrize(
    ("flags", "splits"),
    [
        ({"is_valid": "0 1 0 0 0", "is_test": "0 0 0 0 1"}, "train val train train test"),
        ({"isTest": "no no no no yes", "in_val": "no yes no no no"}, "train val train train test"),
        ({"train": "1 0 1 1 0", "val": "0 1 0 0 0", "test": "0 0 0 0 1"}, "train val train train test"),
        ({"train": "x  x x x", "test": " x   "}, "train test train train train"),
        ({"is_train": "1 0 1 1 0", "is_val": "0 1 0 0 1"}, "train val train train val"),
    ],
)
@pytest.mark.parametrize("one_hot", [False, True])
def test_a_flag_for_each_split(tmp_path: Path, flags: dict[str, str], splits: str, one_hot: bool) -> None:
    labels = {"cat": "1 0 1 1 0", "dog": "0 1 0 0 1"} if one_hot else {"labels": CAT_DOG}
    source = read_columns(tmp_path, {**labels, **flags})
    assert splits_in_order(source) == splits.split()
    assert labels_in_order(source) == LABELS
    assert f"splits in the column '{' and '.join(flags)}'" in source.kind


@pytest.mark.parametrize(
    "flags",
    [
        {"is_valid": "0 1 0 0 1", "is_test": "0 0 0 0 1"},  # an image in both
        {"is_val": "0 1 0 0 0", "is_valid": "0 0 0 0 1"},  # two for one split
        {"is_train": "1 0 0 1 0", "is_val": "0 1 0 0 1"},  # an image in none
    ],
)
def test_flags_that_contradict_each_other_are_refused(tmp_path: Path, flags: dict[str, str]) -> None:
    with pytest.raises(DataError, match=r"splits are in the columns .*; write one column split"):
        read_columns(tmp_path, {"labels": CAT_DOG, **flags})
