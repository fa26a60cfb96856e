"""Tables with a row for each image and label, where another column tells which labels apply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_by_image as labels_of
from source_helpers import messages, read_table

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source

NAMES = ("cat", "dog", "cow")
LABELS = {"1.jpg": {"cat", "dog"}, "2.jpg": {"dog"}, "3.jpg": {"cow"}, "4.jpg": set(), "5.jpg": {"cat", "cow"}}


def read(folder: Path, text: str, name: str = "t.csv", **options: Any) -> Source:
    return read_table(folder, LABELS, text, name, **options)


def long(names: str, told_by: str, yes: object, no: object) -> str:
    rows = (f"{i},{name},{yes if name in labels else no}" for i, labels in LABELS.items() for name in NAMES)
    return "\n".join((f"image,{names},{told_by}", *rows, ""))


@pytest.mark.parametrize(
    ("told_by", "yes", "no"),
    [
        ("presence", "yes", "no"), ("ground_truth", 1, 0), ("gt", "True", "False"), ("response", "yes", "no"),
        ("state", "present", "absent"), ("occurrence", 1, 0), ("votes", 5, 0), ("vote", 1, 0), ("count", 2, 0),
        ("exists", "true", "false"), ("negated", 0, 1), ("is_visible", "x", ""), ("kind", "✓", "✗"),
        ("s", "pos", "neg"),
        ("finding_status", "positive", "negative"), ("EncodedPixels", "1 2 3 4", ""), ("something", 1, 0),
        ("something", 1, ""), ("something", 1, -1), ("verified", "on", "off"), ("something", "ja", "nein"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("names", ["label", "class_name", "ClassId"])
def test_a_column_that_tells_which_labels_apply(
    tmp_path: Path, names: str, told_by: str, yes: object, no: object
) -> None:
    text = long(names, told_by, yes, no)
    source = read(tmp_path, text)
    assert labels_of(source) == LABELS
    assert f"9 rows of t.csv have {no if no != '' else 'nothing'} in {told_by!r}; their labels are absent (line 4" in (
        messages(source)
    )
    assert labels_of(read(tmp_path, text, label_column=names)) == LABELS


@pytest.mark.parametrize(
    ("names", "told_by"),
    [
        ("variable", "value"), ("name", "value"), ("attribute", "value"), ("finding", "present"), ("tag", "target"),
        ("question", "answer"), ("attribute", "label"), ("class_name", "label"), ("class", "target"), ("disease", "gt"),
        ("species", "is_present"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("yes", "no"), [(1, 0), ("TRUE", "FALSE"), ("yes", "no")])
def test_the_column_of_0_and_1_is_no_label(tmp_path: Path, names: str, told_by: str, yes: object, no: object) -> None:
    text = long(names, told_by, yes, no)
    assert labels_of(read(tmp_path, text)) == LABELS
    assert labels_of(read(tmp_path, text, label_column=names)) == LABELS
    others = "\n".join(f"{line},{n % 3},n{n}" for n, line in enumerate(text.splitlines()))
    assert labels_of(read(tmp_path, others.replace("0,n0", "site,comment"))) == LABELS


def test_not_all_labels_of_all_images_need_a_row(tmp_path: Path) -> None:
    rows = long("finding", "present", 1, 0).splitlines()
    kept = [row for n, row in enumerate(rows) if n % 3 or not row.endswith("0")]
    assert labels_of(read(tmp_path, "\n".join([*kept, ""]))) == LABELS


@pytest.mark.parametrize(("names", "told_by"), [("annotator", "cat"), ("species", "ill")])
def test_what_the_only_column_of_0_and_1_means_is_asked_for(tmp_path: Path, names: str, told_by: str) -> None:
    text = long(names, told_by, 1, 0)
    if names == "annotator":
        assert read(tmp_path, text).labels == ("cat",)
        return
    message = (
        "are in 'species', and 'ill' tells which of them apply, or 'ill' is the only label; give --label-column 's"
    )
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)
    assert labels_of(read(tmp_path, text, label_column="species")) == LABELS
    assert read(tmp_path, text, label_column="ill").labels == ("ill",)


@pytest.mark.parametrize("name", ["occluded", "is_crowd", "truncated", "difficult"])
def test_what_is_told_of_boxes_denies_no_labels(tmp_path: Path, name: str) -> None:
    text = f"image,label,{name}\n1.jpg,cat,0\n1.jpg,dog,1\n2.jpg,cat,1\n2.jpg,dog,1\n3.jpg,dog,0\n3.jpg,cow,0\n"
    assert labels_of(read(tmp_path, text))["3.jpg"] == {"dog", "cow"}


def test_what_is_told_of_images_denies_no_labels(tmp_path: Path) -> None:
    text = "image,label,night\n1.jpg,cat,0\n1.jpg,dog,0\n2.jpg,cat,1\n2.jpg,dog,1\n3.jpg,cat,0\n"
    assert labels_of(read(tmp_path, text))["1.jpg"] == {"cat", "dog"}


def test_where_only_the_labels_that_apply_have_rows_flags_deny_none(tmp_path: Path) -> None:
    text = "image,label,red\n1.jpg,cat,0\n1.jpg,dog,1\n2.jpg,cat,1\n2.jpg,dog,0\n3.jpg,cat,0\n4.jpg,dog,1\n"
    assert labels_of(read(tmp_path, text))["1.jpg"] == {"cat", "dog"}


@pytest.mark.parametrize(
    ("told_by", "yes", "no"),
    [("confidence", 97, 3), ("confidence", "97%", "3 %"), ("p", 0.93, 0.03), ("logit", 2.3, -3.1),
     ("likelihood", "VERY_LIKELY", "VERY_UNLIKELY"), ("probability", "0.9", "1e-3")],
)  # fmt: skip
def test_scores_in_any_unit_are_refused(tmp_path: Path, told_by: str, yes: object, no: object) -> None:
    with pytest.raises(DataError, match=f"line 4: '{no}' in the column '{told_by}' is the score of a prediction"):
        read(tmp_path, long("label", told_by, yes, no))


@pytest.mark.parametrize(("name", "values"), [("state", ("CA", "", "NY", "")), ("count", ("2", "", "1", ""))])
def test_empty_cells_beside_other_values_deny_nothing(tmp_path: Path, name: str, values: tuple[str, ...]) -> None:
    rows = zip(("1.jpg,cat", "1.jpg,dog", "2.jpg,cat", "3.jpg,cow"), values, strict=True)
    text = "\n".join((f"image,label,{name}", *map(",".join, rows), ""))
    assert labels_of(read(tmp_path, text)) == {"1.jpg": {"cat", "dog"}, "2.jpg": {"cat"}, "3.jpg": {"cow"}}


def test_a_person_s_confidence_is_no_score(tmp_path: Path) -> None:
    text = "image,label,confidence\n1.jpg,cat,1\n1.jpg,dog,5\n2.jpg,cat,3\n3.jpg,dog,2\n"
    assert labels_of(read(tmp_path, text))["1.jpg"] == {"cat", "dog"}


@pytest.mark.parametrize("names", ["label", "ClassId"])
@pytest.mark.parametrize(("told_by", "yes", "no"), [("rating", "a", "b"), ("confidence", "high", "low"), ("z", 7, 3)])
def test_where_every_image_has_all_labels_the_column_that_may_tell_is_named(
    tmp_path: Path, names: str, told_by: str, yes: object, no: object
) -> None:
    source = read(tmp_path, long(names, told_by, yes, no))
    assert (
        f"every image of t.csv has all 3 labels; if {told_by!r} tells which ones apply ({yes!r} in line 2, {no!r} in "
        "line 4), remove the rows of the others, or write 1 and 0 there and call the column present"
    ) in messages(source).replace(f"'{yes}'", repr(yes)).replace(f"'{no}'", repr(no))
    assert len(source.errors) == 1
    assert labels_of(read(tmp_path, long(names, "present", 1, 0))) == LABELS  # the advice


def test_where_nearly_every_image_has_all_labels_the_column_is_named(tmp_path: Path) -> None:
    rows = long("label", "rating", "a", "b").splitlines()
    assert (
        "nearly every image of t.csv has all 3 labels; if 'rating' tells which ones apply ('a' in line 2"
        in messages(read(tmp_path, "\n".join([*rows[:-1], ""])))
    )


def test_of_two_columns_of_words_the_one_with_a_likely_name(tmp_path: Path) -> None:
    rows = long("finding", "present", 1, 0).splitlines()
    places = {"finding": "place", "cat": "left", "dog": "right", "cow": "top"}
    assert labels_of(read(tmp_path, "\n".join(f"{row},{places[row.split(',')[1]]}" for row in rows))) == LABELS


def test_all_values_that_deny_are_named(tmp_path: Path) -> None:
    text = "image,label,value\n1.jpg,cat,1\n1.jpg,dog,0\n2.jpg,cat,-1\n2.jpg,dog,1\n"
    assert "2 rows of t.csv have 0 or -1 in 'value'; their labels are absent" in messages(read(tmp_path, text))


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ([["cat", "dog"]] * 4, True), ([["cat", "dog"]] * 2, False), ([["cat"]] * 4, False),
        ([["cat", "dog"], ["cat", "dog"], ["cat"]], False),
    ],
)  # fmt: skip
def test_every_image_with_the_same_labels(tmp_path: Path, labels: list[list[str]], error: bool) -> None:
    rows = [{"image": f"{n}.jpg", "labels": found} for n, found in enumerate(labels, 1)]
    source = read(tmp_path, json.dumps(rows), "t.json")
    assert ("every image has the same 2 labels (cat, dog), so that there is nothing to learn" in messages(source)) == (
        error
    )


@pytest.mark.parametrize(
    ("count", "split", "level"), [(2, "train", "warning"), (3, "train", "error"), (3, "test", "warning")]
)
def test_the_same_labels_are_an_error_only_where_nothing_can_be_learned(
    tmp_path: Path, count: int, split: str, level: str
) -> None:
    """A helmet is on every person, and a table for evaluation trains nothing."""
    text = "image,labels,split\n" + "".join(f"{n}.jpg,{';'.join(NAMES[:count])},{split}\n" for n in (1, 2, 3, 4))
    found = [finding.level for finding in read(tmp_path, text).findings if "every image has the same" in str(finding)]
    assert found == [level]


def test_a_column_that_decided_is_not_suspected(tmp_path: Path) -> None:
    """Each label is present for one of the readers; the table itself is of one kind."""
    rows = [
        f"{n}.jpg,{name},{reader},{int(reader == n % 2)}" for n in (1, 2, 3, 4) for name in NAMES for reader in (0, 1)
    ]
    source = read(tmp_path, "image,label,reader,present\n" + "\n".join(rows) + "\n")
    assert "if 'present' tells" not in messages(source)


def test_a_column_that_decides_nothing_is_told(tmp_path: Path) -> None:
    text = "image,label,status\n1.jpg,cat,done\n2.jpg,dog,in review\n3.jpg,cat,done\n"
    assert "columns of t.csv that were not used: status" in messages(read(tmp_path, text))


@pytest.mark.parametrize(
    ("key", "yes", "no"),
    [
        ("negated", False, True), ("state", "present", "absent"), ("visible", True, False), ("votes", 3, 0),
        ("exists", True, False), ("presence", "yes", "no"), ("ground_truth", 1, 0), ("count", 2, 0),
    ],
)  # fmt: skip
def test_values_beside_the_labels_of_json(tmp_path: Path, key: str, yes: object, no: object) -> None:
    rows = [
        {"image": image, "labels": [{"label": name, key: yes if name in labels else no} for name in NAMES]}
        for image, labels in LABELS.items()
    ]
    assert labels_of(read(tmp_path, json.dumps(rows), "t.json")) == LABELS


@pytest.mark.parametrize(("key", "yes", "no"), [("p", 0.9, 0.1), ("score", 97, 3), ("grade", "a", "b")])
def test_values_that_do_not_tell_are_refused_in_json(tmp_path: Path, key: str, yes: object, no: object) -> None:
    rows = [
        {"image": image, "labels": [{"label": name, key: yes if name in labels else no} for name in NAMES]}
        for image, labels in LABELS.items()
    ]
    with pytest.raises(DataError, match=r"as predictions do|every image has the same 3 labels"):
        read(tmp_path, json.dumps(rows), "t.json").split("train")


@pytest.mark.parametrize("column", ["votes", "annotators", "agreement"])
def test_labels_that_few_people_chose_are_refused(tmp_path: Path, column: str) -> None:
    def table(few: float) -> str:
        rows = [f"{image},{name},{5 if name in own else few}" for image, own in LABELS.items() for name in NAMES]
        return f"image,label,{column}\n" + "\n".join(rows) + "\n"

    with pytest.raises(DataError, match=rf"'2' in the column {column!r} is fewer than half of 5; keep the rows whose"):
        read(tmp_path, table(2))
    assert labels_of(read(tmp_path, table(0))) == LABELS
    assert labels_of(read(tmp_path, table(3))) == {image: {*NAMES} for image in LABELS}


def prodigy(answers: list[str], numbers: bool = False) -> str:
    options = [
        {"id": n if numbers else name, "text": name if numbers else name.upper()} for n, name in enumerate(NAMES)
    ]
    rows = [
        {
            "image": image, "options": options, "answer": answer,
            "accept": [NAMES.index(name) if numbers else name for name in sorted(labels)],
        }
        for (image, labels), answer in zip(LABELS.items(), answers, strict=True)
    ]  # fmt: skip
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("given", [None, "accept"])
def test_choices_of_prodigy(tmp_path: Path, numbers: bool, given: str | None) -> None:
    assert labels_of(read(tmp_path, prodigy(["accept"] * 5, numbers), "t.jsonl", label_column=given)) == LABELS
    assert labels_of(read_source(tmp_path, Options(label_column=given))) == LABELS
    text = prodigy(["accept", "reject", "ignore", "accept", "accept"], numbers)
    source = read(tmp_path, text, "t.jsonl", label_column=given)
    assert labels_of(source) == {image: LABELS[image] for image in ("1.jpg", "4.jpg", "5.jpg")}
    assert "1 rows of t.jsonl have 'ignore' in 'answer' and were left out" in messages(source)
    assert "1 rows of t.jsonl have 'reject' in 'answer' and were left out" in messages(source)


@pytest.mark.parametrize("word", ["ignore", "skip", "unsure", "Skipped"])
@pytest.mark.parametrize("given", [None, "label"])
def test_rows_without_a_decision_are_left_out(tmp_path: Path, word: str, given: str | None) -> None:
    text = f"image,label,answer\n1.jpg,cat,accept\n2.jpg,cat,reject\n3.jpg,cat,{word}\n4.jpg,dog,accept\n"
    assert labels_of(read(tmp_path, text, label_column=given)) == {"1.jpg": {"cat"}, "2.jpg": set(), "4.jpg": {"dog"}}


def test_a_label_without_a_decision_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    text = (
        "image,label,answer\n1.jpg,cat,accept\n1.jpg,dog,skip\n2.jpg,dog,accept\n2.jpg,cat,reject\n3.jpg,cat,accept\n"
    )
    source = read(tmp_path, text)
    samples = {sample.image.name: sample for split in source.samples.values() for sample in split}
    assert (set(samples["1.jpg"].labels), set(samples["1.jpg"].ignored)) == ({"cat"}, {"dog"})
    assert "1 rows of t.csv have 'skip' in 'answer' and were left out" in messages(source)


def test_a_rejection_stays_one_where_the_column_is_given(tmp_path: Path) -> None:
    text = "image,label,answer\n1.jpg,cat,accept\n2.jpg,cat,reject\n3.jpg,cat,perhaps\n4.jpg,dog,accept\n"
    with pytest.raises(DataError, match="line 4: 'perhaps' in the column 'answer' does not tell"):
        read(tmp_path, text)
    source = read(tmp_path, text, label_column="label")
    assert labels_of(source) == {"1.jpg": {"cat"}, "2.jpg": set(), "3.jpg": {"cat"}, "4.jpg": {"dog"}}
    assert "1 rows of t.csv have reject in 'answer'; their labels are absent; remove the column if" in messages(source)
