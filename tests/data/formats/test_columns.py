"""Which columns of a table are labels, splits, or tell of a label if it applies: the labels of the images, or a
refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_by_image as labels_of
from source_helpers import labels_in_order, messages, read_table

from cnnrnn.data import DataError
from cnnrnn.data.source import Source

LABELS = {"1.jpg": {"cat", "dog"}, "2.jpg": {"dog"}, "3.jpg": {"cat"}, "4.jpg": set(), "5.jpg": {"cat"}}


def read(folder: Path, text: str, name: str = "t.csv", **options: Any) -> Source:
    return read_table(folder, LABELS, text, name, **options)


def table(header: str, *columns: str) -> str:
    """Of columns whose five values stand with blanks between."""
    rows = zip(LABELS, *(column.split(" ") for column in columns), strict=True)
    return "\n".join((f"image,{header}", *map(",".join, rows), ""))


def one_row_a_label(header: str, yes: object, no: object) -> str:
    """A row for each image and label, with a value that tells if the label applies."""
    rows = (
        f"{image},{label},{yes if label in labels else no}"
        for image, labels in LABELS.items()
        for label in ("cat", "dog")
    )
    return "\n".join((f"image,label,{header}", *rows, ""))


CAT, DOG = "1 0 1 0 1", "1 1 0 0 0"


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("labelled_by", "anna bob anna bob anna"),
        ("classified_on", "2024-01-01 2024-01-02 2024-01-01 2024-01-01 2024-01-01"),
        ("tagged_at", "2024 2024 2023 2024 2024"),
        ("num_labels", "2 1 1 0 1"),
        ("label_confidence", "0.1 0.9 0.2 0.3 0.4"),
        ("__index_level_0__", "0 1 0 1 0"),
        ("row", "0 1 2 3 4"),
        ("age", "0 1 20 50 90"),
        ("sex", "2 1 2 1 2"),
        ("box y", "0 17 20 33 3"),
        ("patientAge", "0 71 20 20 30"),
    ],
)
def test_columns_that_are_no_labels_beside_columns_of_labels(tmp_path: Path, header: str, first: str) -> None:
    assert labels_of(read(tmp_path, table(f"{header},cat,dog", first, CAT, DOG))) == LABELS


@pytest.mark.parametrize("name", ["label_source", "labeler", "label_confidence", "superclass", "label_count"])
def test_a_name_that_only_contains_label_is_none_of_labels(tmp_path: Path, name: str) -> None:
    text = table(f"{name},species", "a b a a b", "cat dog cat cat dog")
    with pytest.raises(DataError, match=r"none of the columns .* is known to hold labels"):
        read(tmp_path, text)
    assert read(tmp_path, text, label_column="species").labels == ("cat", "dog")


@pytest.mark.parametrize("name", ["weather tag", "mainClass", "imageLabels", "category_1", "dog_tags"])
def test_a_name_with_a_word_for_labels_is_one_of_labels(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, table(f"{name},notes", "sun rain sun sun rain", "a b c d e")).labels == ("rain", "sun")


def test_such_a_name_beside_columns_of_labels_is_asked_for(tmp_path: Path) -> None:
    text = table("weather tag,cat,dog", "sun rain sun sun rain", CAT, DOG)
    with pytest.raises(
        DataError, match="in the column 'weather tag', or be columns of 0 and 1 such as cat, dog; give --"
    ):
        read(tmp_path, text)
    assert read(tmp_path, text, label_column="weather tag").labels == ("rain", "sun")
    assert labels_of(read(tmp_path, text, label_column="cat,dog")) == LABELS


@pytest.mark.parametrize("names", ["label,label2", "label,label.1", "tag,tag2", "Label 1,Label 2", "class_1,class_2"])
def test_numbered_columns_are_read_together(tmp_path: Path, names: str) -> None:
    assert labels_of(read(tmp_path, table(names, "cat  cat  cat", "dog dog   "))) == LABELS


def test_numbered_columns_of_0_and_1_are_one_for_each_label(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, table("label_0,label_1", CAT, DOG)))["1.jpg"] == {"label_0", "label_1"}
    with pytest.raises(DataError, match="the labels can be in the column 'label' or 'label2'; give --label-column"):
        read(tmp_path, table("label,label2", "cat dog cat cat dog", CAT))


def test_a_second_column_of_labels_is_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, table("label,secondary_label,label_id", "cat  cat  cat", "dog dog   ", "0 1 0 0 1"))
    assert source.labels == ("cat",)
    assert "'secondary_label' of t.csv was not read; if it holds labels as well, give --label-column 'label,sec" in (
        messages(source)
    )
    assert "'label_id' of t.csv was not read" not in messages(source)


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("value", 1, 0), ("value", "true", "false"), ("present", "x", ""), ("is_present", True, False),
        ("verified", "yes", "no"), ("Confidence", 1, 0), ("answer", "accept", "reject"),
        ("status", "approved", "rejected"), ("deleted", 0, 1), ("is_rejected", "no", "yes"), ("absent", "", "x"),
        ("present", "ja", "nein"),
    ],
)  # fmt: skip
def test_labels_that_another_column_denies_are_absent(tmp_path: Path, name: str, yes: object, no: object) -> None:
    source = read(tmp_path, one_row_a_label(name, yes, no))
    assert labels_of(source) == LABELS
    assert f"5 rows of t.csv have {no if no != '' else 'nothing'} in {name!r}; their labels are absent (line 4" in (
        messages(source)
    )


@pytest.mark.parametrize(
    ("name", "yes", "no", "message"),
    [
        ("Confidence", 0.9, 0, "line 2: '0.9' in the column 'Confidence' does not tell if the label applies"),
        ("score", 0.9, 0.1, "line 4: '0.1' in the column 'score' is the score of a prediction"),
        ("value", 3, 0, "line 2: '3' in the column 'value' does not tell"),
    ],
)
def test_what_does_not_tell_if_labels_apply_is_refused(
    tmp_path: Path, name: str, yes: object, no: object, message: str
) -> None:
    text = one_row_a_label(name, yes, no)
    with pytest.raises(DataError, match=f"{message}.*; keep the rows whose labels apply"):
        read(tmp_path, text)
    source = read(tmp_path, text, label_column="label")
    assert all(labels == {"cat", "dog"} for labels in labels_of(source).values())
    assert "; all labels were read" in messages(source)
    assert "rejected rows" not in messages(source)  # there are none


def test_scores_of_at_least_a_half_are_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, one_row_a_label("score", 0.9, 0.5)).labels == ("cat", "dog")


def test_a_column_about_the_whole_image_is_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, table("labels,verified", "cat;dog dog cat cat cat", "yes yes no yes yes"))
    assert labels_of(source)["3.jpg"] == {"cat"}
    assert "1 rows of t.csv have no in 'verified'; their labels were read, so remove the rows if" in messages(source)


def test_answers_of_prodigy(tmp_path: Path) -> None:
    rows = [
        {"image": "1.jpg", "label": "cat", "answer": "accept"},
        {"image": "2.jpg", "label": "cat", "answer": "reject"},
    ]
    source = read(tmp_path, "".join(f"{json.dumps(row)}\n" for row in rows), "t.jsonl")
    assert labels_of(source) == {"1.jpg": {"cat"}, "2.jpg": set()}


@pytest.mark.parametrize(
    "odd", ["1 0 ? 0 ?", "x (x)   x", "2 3 0 5 0", "100 0 0 100 100", "1 2 2 2 2", "yes no maybe maybe no", "1 ? ? 0 ?"]
)
def test_columns_that_are_nearly_0_and_1_are_refused(tmp_path: Path, odd: str) -> None:
    text = table("cat,dog,cow", CAT, DOG, odd)
    with pytest.raises(
        DataError, match=r"in the column 'cow'; 0 or 1 was expected. Correct it; if the column is no label"
    ):
        read(tmp_path, text)
    assert labels_of(read(tmp_path, text, label_column="cat,dog")) == LABELS


def test_counts_of_cabbages_are_no_age(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3: '2' in the column 'cabbage'"):
        read(tmp_path, table("cat,dog,cabbage", CAT, DOG, "0 2 3 4 5"))


def test_words_of_spreadsheets_beside_marks(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, table("cat,dog", "ja nein ja nein ja", "x x   "))) == LABELS


@pytest.mark.parametrize("columns", [(CAT, DOG), ("yes no yes no yes", "yes yes no no no"), (CAT, "x x   ")])
def test_columns_of_0_and_1_can_be_given(tmp_path: Path, columns: tuple[str, str]) -> None:
    text = table("cat,dog,checked", *columns, CAT)
    assert labels_of(read(tmp_path, text, label_column="cat,dog")) == LABELS
    assert {image for image, labels in labels_of(read(tmp_path, text, label_column="cat")).items() if labels} == {
        "1.jpg",
        "3.jpg",
        "5.jpg",
    }
    with pytest.raises(DataError, match="line 4: 'z' in the column 'cow'; 0 or 1 was expected"):
        read(tmp_path, table("cat,cow", CAT, "1 1 z z z"), label_column="cat,cow")


def test_numbers_of_labels_in_a_given_column_are_no_marks(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    text = table("label,kind", CAT, DOG)
    assert read(tmp_path, text, label_column="kind", label_names=tmp_path / "names.txt").labels == ("cat", "dog")
    assert read(tmp_path, text, label_column="label").labels == ("0", "1")


@pytest.mark.parametrize("name", ["val", "valid", "valid_set", "test", "test_set", "is_training_image", "is_holdout"])
def test_a_column_that_tells_a_split_by_0_and_1_is_no_label(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"{name}.*write (a|one) column split|{name}.*Write one column split"):
        read(tmp_path, table(f"cat,dog,{name}", CAT, DOG, "0 0 0 1 1"))


def test_a_column_of_trains_is_one_of_vehicles(tmp_path: Path) -> None:
    assert read(tmp_path, table("car,train", CAT, DOG)).labels == ("car", "train")
    assert read(tmp_path, table("label1,label2", "train train train train train", "a b a a b")).labels == (
        "a",
        "b",
        "train",
    )
    source = read(tmp_path, table("vehicle,labels", "train train train train train", "a b a a b"))
    assert "the column 'vehicle' of t.csv holds 'train', but was not taken for the splits; if it has them, give" in (
        messages(source)
    )


def test_a_tag_of_splits_is_the_column_of_splits(tmp_path: Path) -> None:
    source = read(tmp_path, table("labels,set_tag", "a b a a b", "train train train val val"))
    assert {name: len(split) for name, split in source.samples.items()} == {"train": 3, "val": 2}


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("usage", "train train holdout holdout holdout", "'holdout' in the column 'usage' is no split"),
        ("phase", "train unused unused unused unused", "'unused' in the column 'phase' is no split"),
        ("what", "train holdout holdout holdout holdout", "'holdout' in the column 'what' is no split"),
        ("is_holdout", "0 0 0 1 1", "'is_holdout' does not tell if its images are val or test"),
    ],
)
def test_words_that_are_no_split_are_refused(tmp_path: Path, name: str, words: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, table(f"labels,{name}", "a b a a b", words))


def test_a_note_that_says_train_is_no_split(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, table("labels,notes", "a b a a b", "train    ")))["1.jpg"] == {"a"}


def test_a_table_of_comments(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has comments and nothing else; write a first line such as image,labels,split"):
        read(tmp_path, "# one\n# two\n")
    assert labels_of(read(tmp_path, "# mine\rimage,labels\r1.jpg,cat;dog\r2.jpg,dog\r"))["1.jpg"] == {"cat", "dog"}


@pytest.mark.parametrize(
    "names",
    ["noisy_labels_0,noisy_labels_1,noisy_labels_5", "label_1,label_5", "label,label_10", "label_2019,label_2020"],
)
def test_numbers_that_do_not_follow_each_other_are_asked_for(tmp_path: Path, names: str) -> None:
    columns = names.split(",")
    text = table(names, *["cat dog cat cat dog"] * len(columns))
    with pytest.raises(
        DataError, match=f"the labels can be in the column {columns[0]!r} or {columns[1]!r}.*; give --la"
    ):
        read(tmp_path, text)
    assert read(tmp_path, text, label_column=columns[1]).labels == ("cat", "dog")
    assert read(tmp_path, text, label_column=names).labels == ("cat", "dog")


@pytest.mark.parametrize(
    "names", ["label_0,label_1,label_2", "tag_01,tag_02,tag_03", "label,label.1,label.2", "class2,class1"]
)
def test_numbers_that_follow_each_other_are_read_together(tmp_path: Path, names: str) -> None:
    columns = ["cat  cat  cat", "dog dog   ", "    cow"][: names.count(",") + 1]
    assert labels_of(read(tmp_path, table(names, *columns)))["1.jpg"] == {"cat", "dog"}


@pytest.mark.parametrize("name", ["ml_use", "data_type", "mlUse"])
def test_splits_of_google(tmp_path: Path, name: str) -> None:
    source = read(tmp_path, table(f"labels,{name}", "a b a a b", "TRAIN TRAINING TRAIN VALIDATE TEST"))
    assert {name: len(split) for name, split in source.samples.items()} == {"train": 3, "val": 1, "test": 1}


@pytest.mark.parametrize("name", ["ml_use", "split", "data_type"])
@pytest.mark.parametrize("word", ["UNASSIGNED", "unassigned"])
def test_rows_without_a_split_are_for_training(tmp_path: Path, name: str, word: str) -> None:
    source = read(tmp_path, table(f"labels,{name}", "a b a a b", f"{word} {word} {word} {word} TEST"))
    assert len(source.samples["test"]) == 1
    assert f"4 rows of t.csv have {word!r} in {name!r}; as none has train, they were taken for it (line 2" in (
        messages(source)
    )
    mixed = read(tmp_path, table(f"labels,{name}", "a b a a b", f"train {word} train train TEST"))
    assert "1 images have no split, though others have one (line 3)" in messages(mixed)


@pytest.mark.parametrize("several", [True, False])
def test_json_of_vertex(tmp_path: Path, several: bool) -> None:
    about = {"aiplatform.googleapis.com/annotation_set_name": "mine"}
    uses = ["training", "training", "training", "validation", "test"]
    rows = []
    for (image, labels), use in zip(LABELS.items(), uses, strict=True):
        found = [{"displayName": name, "annotationResourceLabels": about} for name in sorted(labels)]
        marks = (
            {"classificationAnnotations": found} if several else {"classificationAnnotation": found[0] if found else {}}
        )
        rows.append(
            {
                "imageGcsUri": f"gs://b/{image}",
                **marks,
                "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": use},
            }
        )
    source = read(tmp_path, "".join(f"{json.dumps(row)}\n" for row in rows), "t.jsonl")
    assert labels_of(source) == {
        image: labels if several else {*sorted(labels)[:1]} for image, labels in LABELS.items()
    }
    assert {name: len(split) for name, split in source.samples.items()} == {"train": 3, "val": 1, "test": 1}


@pytest.mark.parametrize(("name", "merged"), [("t.csv", True), ("t.jsonl", False)])
def test_a_row_without_an_image(tmp_path: Path, name: str, merged: bool) -> None:
    text = (
        "image,labels\n1.jpg,cat\n,dog\n"
        if name == "t.csv"
        else '{"image": "1.jpg", "labels": "cat"}\n{"labels": "dog"}'
    )
    with pytest.raises(DataError, match="names no image; write the name of one file") as error:
        read(tmp_path, text, name)
    assert ("of merged cells" in str(error.value)) == merged


@pytest.mark.parametrize("null", ["null", "NaN"])
def test_null_is_no_label_and_told(tmp_path: Path, null: str) -> None:
    rows = f'[{{"image": "1.jpg", "labels": ["cat"]}}, {{"image": "2.jpg", "labels": {null}}}, {{"image": "3.jpg"}}]'
    source = read_table(tmp_path, ("1.jpg", "2.jpg", "3.jpg"), rows, "t.json")
    assert labels_in_order(source) == [{"cat"}, set(), set()]
    assert "1 rows of t.json have null in 'labels'; taken for no labels (entry 2)" in messages(source)
    assert "1 objects of t.json have no 'labels'; taken for no labels (entry 3)" in messages(source)


def test_null_beside_a_label_is_not_told(tmp_path: Path) -> None:
    """Where several columns hold one label each, and an image has fewer."""
    rows = [{"image": "1.jpg", "label1": "cat", "label2": "dog"}, {"image": "2.jpg", "label1": "cat", "label2": None}]
    source = read_table(tmp_path, ("1.jpg", "2.jpg"), json.dumps(rows), "t.json")
    assert labels_in_order(source) == [{"cat", "dog"}, {"cat"}]
    assert "null" not in messages(source)
