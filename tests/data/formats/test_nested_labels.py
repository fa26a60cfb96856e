"""Labels in objects and in lists of objects: what names the label, and what only stands beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_by_image, messages, read_table
from source_helpers import labels_in_order as labels_of
from source_helpers import read_objects as read

from cnnrnn.data import DataError


@pytest.mark.parametrize(
    "key",
    ["label", "Label", "NAME", "displayName", "class_name", "className", "classTitle", "Class Name", "title", "tag",
     "Tag", "text", "label-name", "tagName", "gt_label", "image class"],
)  # fmt: skip
@pytest.mark.parametrize(
    "other",
    [{"attributes": {"color": "red", "occluded": False}}, {"Parents": [{"Name": "red"}]}, {"meta": {"user": "red"}},
     {"by": ["red"]}, {"attributes": [{"value": "red", "groupName": "red"}]}, {"resources": {"a.b/set_name": "red"}}],
)  # fmt: skip
def test_what_stands_beside_the_name_of_a_label_is_no_label(tmp_path: Path, key: str, other: dict[str, Any]) -> None:
    source = read(tmp_path, [{key: "cat", **other}, {**other, key: "dog"}], [{key: "dog"}])
    assert labels_of(source) == [{"cat", "dog"}, {"dog"}]
    assert f"labels of t.json were read under {key!r} (cat, dog), not under {next(iter(other))!r} (red" in messages(
        source
    )


@pytest.mark.parametrize("key", ["answers", "choices", "Answers", "answer"])
def test_answers_are_labels_and_not_the_name_of_the_question(tmp_path: Path, key: str) -> None:
    question = {"name": "Animals", "title": "animals", "featureHash": "x"}
    source = read(
        tmp_path, {**question, key: [{"name": "cat"}, {"name": "dog"}]}, [{key: [{"name": "dog"}], **question}]
    )
    assert labels_of(source) == [{"cat", "dog"}, {"dog"}]


def test_one_name_everywhere_beside_other_texts_is_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, [{"name": "animal", "kind": "cat"}], [{"name": "animal", "kind": "dog"}])
    assert labels_of(source) == [{"animal"}] * 2
    assert ("warning", "read under 'name' (animal), not under 'kind' (cat, dog); if that is wrong, write a list") in [
        (found.level, found.message.removeprefix("labels of t.json were ").removesuffix(" of the labels"))
        for found in source.findings
    ]


@pytest.mark.parametrize(
    "labels",
    [{"sort": "cat", "by": ["bob"]}, {"sort": "cat", "reviewer": {"login": "bob"}}, {"sort": "cat", "who": "bob"}],
)
def test_unknown_keys_of_which_each_may_be_the_label_are_refused(tmp_path: Path, labels: dict[str, Any]) -> None:
    with pytest.raises(
        DataError, match=r"entry 1: labels can be in the attribute 'sort' or '.*'; write a list"
    ) as raised:
        read(tmp_path, labels)
    assert "an object with the key label" in str(raised.value)
    assert labels_of(read(tmp_path, {"label" if key == "sort" else key: item for key, item in labels.items()})) == [
        {"cat"}
    ]


@pytest.mark.parametrize(
    "other",
    [{"box": {"x": 1, "y": 0}}, {"bbox": [1, 2, 3, 4]}, {"area": 3.5}, {"attributes": {"a": None}}, {"parts": []}],
)
def test_what_holds_no_words_may_stand_beside_an_unknown_key(tmp_path: Path, other: dict[str, Any]) -> None:
    assert labels_of(read(tmp_path, [{"sort": "cat", **other}], {"sort": "dog", **other})) == [{"cat"}, {"dog"}]
    assert labels_of(read(tmp_path, {"sorts": ["cat"], **other})) == [{"cat"}]


def test_lists_are_known_by_the_word_labels_in_their_keys(tmp_path: Path) -> None:
    labels = {"tags": ["dog"], "caption": "a dog", "by": "bob"}
    source = read(tmp_path, {"format": "rle", "brushlabels": ["cat"]}, labels)
    assert labels_of(source) == [{"cat"}, {"dog"}]
    source = read(tmp_path, {"objects": [{"name": "cat"}], "tags": ["night"]})
    assert labels_of(source) == [{"cat", "night"}]
    assert "joined: 'objects' (cat), 'tags' (night)" in messages(source)


def test_groups_of_labels_are_joined_with_a_warning(tmp_path: Path) -> None:
    source = read(tmp_path, {"animals": ["cat"], "weather": ["sunny"]}, {"animals": ["dog"], "weather": ["sunny"]})
    assert labels_of(source) == [{"cat", "sunny"}, {"dog", "sunny"}]
    assert "under 2 keys of t.json were joined: 'animals' (cat, dog), 'weather' (sunny); write" in messages(source)
    source = read(tmp_path, {"animals": {"cat": 1, "dog": 0}}, {"0": {"label": "dog"}, "1": {"label": "owl"}})
    assert labels_of(source) == [{"cat"}, {"dog", "owl"}]
    assert "joined" not in messages(source)


@pytest.mark.parametrize(
    ("yes", "no"),
    [("positive", "negative"), ("present", "absent"), ("verified", "rejected"), ("yes", "no"),
     ("Positives", "Negatives"), ("pos", "neg"), ("true", "false"), ("labels", "negative_labels"),
     ("animals", "notPresent"), ("sure", "uncertain"), ("+", "-"), ("accepted", "maybe"), ("ja", "nein"),
     ("label", "excluded labels")],
)  # fmt: skip
def test_lists_of_what_is_absent_or_uncertain_are_left_out(tmp_path: Path, yes: str, no: str) -> None:
    source = read(
        tmp_path, {yes: ["cat"], no: ["dog", "owl"]}, {no: ["cat"], yes: []}, {no: ["cat"]}, {yes: ["dog"], no: []}
    )
    assert labels_of(source) == [{"cat"}, set(), set(), {"dog"}]
    assert (
        f"the labels under {no!r} of t.json were left out, as those that are absent or uncertain (entry 1, entry 2, "
        in (messages(source))
    )


def test_a_label_called_like_a_denial_is_one(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, {"negative": True, "cat": False}, ["absent", "no"])) == [
        {"negative"},
        {"absent", "no"},
    ]
    assert labels_of(read(tmp_path, {"label": "negative"}, [{"label": "no finding"}])) == [{"negative"}, {"no finding"}]


@pytest.mark.parametrize(
    ("yes", "no"), [("present", "absent"), ("positive", "negative"), ("+", "-"), ("✓", ""), ("accepted", "rejected")]
)
def test_words_for_each_label(tmp_path: Path, yes: str, no: str) -> None:
    assert labels_of(read(tmp_path, {"cat": yes, "dog": no}, {"cat": yes, "dog": yes})) == [{"cat"}, {"cat", "dog"}]


def test_a_word_under_a_single_unknown_key_is_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, {"cat": "present"}, {"cat": "absent"})
    assert "'absent' was read as a label of t.json; if its key is one, write true or false (entry 2)" in (
        messages(source)
    )


@pytest.mark.parametrize("rating", ["0.98", "98%", "7", "yes", "false", "rejected"])
def test_pairs_of_a_label_and_its_rating_are_refused(tmp_path: Path, rating: str) -> None:
    with pytest.raises(DataError, match=rf"entry 1: 'cat' has '{rating}' behind it, as predictions and answers do"):
        read(tmp_path, [["cat", rating], ["dog", rating]])
    assert labels_of(read(tmp_path, [["cat", "dog"], ["dog", "owl"]])) == [{"cat", "dog", "owl"}]


def test_scores_as_texts_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"entry 1: .* names no labels"):
        read(tmp_path, {"cat": "0.98", "dog": "0.02"})
    source = read(tmp_path, ["cat", "0.98"], ["dog:0.5", "cat"], ["2.0 TDI", "cat"])
    assert (
        "labels such as '0.98' of t.json have numbers as predictions do; write names of labels only (entry 1, entry 2)"
        in (messages(source))
    )


def test_a_number_for_the_label_is_asked_for_its_name(tmp_path: Path) -> None:
    labels = [{"category": 3, "attributes": {"color": "red"}}]
    with pytest.raises(DataError, match=r"entry 1: .* names no labels; .*--label-names FILE"):
        read(tmp_path, labels)
    (tmp_path / "names.txt").write_text("cat\ndog\ncow\nowl\n")
    assert labels_of(read(tmp_path, labels, [{"Category_ID": 0}], label_names=tmp_path / "names.txt")) == [
        {"owl"},
        {"cat"},
    ]


def test_keys_that_may_be_the_labels_are_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, {"cat": {"by": "bob"}}, {"dog": {"by": "bob"}})
    assert "labels of t.json were read inside of 'cat', 'dog': bob; if those keys are the labels" in messages(source)
    source = read(tmp_path, {"a1": {"label": "cat"}}, {"b2": {"label": "cat"}}, {"attributes": {"sort": "cat"}})
    assert "inside of" not in messages(source)


def test_an_object_that_tells_of_its_key(tmp_path: Path) -> None:
    labels = {"cat": {"present": True}, "dog": {"present": False}}
    assert labels_of(read(tmp_path, labels, {"dog": {"value": 1}})) == [{"cat"}, {"dog"}]


def test_flags_beside_a_text_are_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, {"cat": True, "dog": False, "annotator": "bob"}, {"cat": 1, "dog": 0, "note": "blurry"})
    assert labels_of(source) == [{"bob"}, {"blurry"}]
    assert "labels of t.json were read under 'annotator' (bob), not under 'cat' (True); if" in messages(source)
    assert "labels of t.json were read under 'note' (blurry), not under 'cat' (1); if" in messages(source)
    source = read(tmp_path, [{"label": "cat", "occluded": True}], [{"label": "dog", "occluded": False}])
    assert "read under 'label' (cat, dog), not under 'occluded' (True, False)" in messages(source)
    with pytest.raises(DataError, match=r"entry 1: .* names no labels"):
        read(tmp_path, {"cat": True, "dog": False, "boxes": []}, ["cat"])


def test_texts_under_keys_that_deny_them(tmp_path: Path) -> None:
    source = read(tmp_path, {"positive": "cat", "negative": "dog"}, {"positive": "", "negative": "cat"})
    assert labels_of(source) == [{"cat"}, set()]
    assert "the labels under 'negative' of t.json were left out" in messages(source)
    assert labels_of(read(tmp_path, {"negative": "yes", "cat": "no"})) == [{"negative"}]


def test_a_word_that_may_deny_a_label_beside_it_is_pointed_out(tmp_path: Path) -> None:
    source = read(tmp_path, [{"label": "cat", "kind": "positive"}, {"label": "dog", "kind": "absent"}])
    assert any(
        found.level == "warning" and "not under 'kind' (positive, absent)" in found.message for found in source.findings
    )


@pytest.mark.parametrize("grades", ["0 1 2 3", "1 2 3 4", "0 1 10"])
@pytest.mark.parametrize("form", ["json", "csv", "via"])
def test_numbers_of_an_attribute_are_its_values(tmp_path: Path, grades: str, form: str) -> None:
    """0 and 1 among them are no flags."""
    values = [*grades.split(), *grades.split()]
    images = [f"{n}.jpg" for n in range(len(values))]
    if form == "via":
        content = {
            i: {"filename": i, "regions": [], "file_attributes": {"grade": v}}
            for i, v in zip(images, values, strict=True)
        }
        source = read_table(tmp_path, images, json.dumps(content), "via.json")
    elif form == "json":
        rows = [{"image": image, "labels": {"grade": value}} for image, value in zip(images, values, strict=True)]
        source = read_table(tmp_path, images, json.dumps(rows), "t.json")
    else:
        text = "".join(f'{image},"{{""grade"": ""{value}""}}"\n' for image, value in zip(images, values, strict=True))
        source = read_table(tmp_path, images, f"image,labels\n{text}")
    found = labels_by_image(source)
    assert [found[image] for image in images] == [{value} for value in values]
    assert "if its key is one" not in messages(source)


def test_0_and_1_of_an_attribute_alone_are_flags(tmp_path: Path) -> None:
    rows = [{"image": f"{n}.jpg", "labels": {"grade": str(n % 2)}} for n in range(4)]
    source = read_table(tmp_path, [row["image"] for row in rows], json.dumps(rows), "t.json")
    assert source.labels == ("grade",)


def test_low_scores_beside_labels_that_are_numbers(tmp_path: Path) -> None:
    """As MegaDetector writes its detections."""
    found = [{"category": "1", "conf": 0.9}, {"category": "2", "conf": 0.05}]
    with pytest.raises(DataError, match=r"a label has 0\.05 as its 'conf', as predictions do"):
        read(tmp_path, found, found)
    told = messages(read(tmp_path, found, found, label_column="labels"))
    assert "low values of 'conf' beside labels; all were read" in told
