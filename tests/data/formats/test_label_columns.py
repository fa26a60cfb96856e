"""Which columns hold the labels in their cells, where their names leave it open."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_helpers import labels_in_order, messages, read_columns

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import read_source

CAT_DOG = "cat dog cat cat dog"
LABELS = [{"cat"}, {"dog"}, {"cat"}, {"cat"}, {"dog"}]
MARKS = {"price": "1 0 1 0 0", "logo": "0 1 1 0 0"}


def refused(folder: Path, columns: dict[str, str], **options: str) -> str:
    with pytest.raises(DataError) as raised:
        read_columns(folder, columns, **options)
    return str(raised.value)


@pytest.mark.parametrize("name", ["tag", "tags", "objects", "choice", "annotations"])
@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("x", ""), ("TRUE", "FALSE"), ("yes", "no")])
def test_a_tag_may_be_what_an_image_shows(tmp_path: Path, name: str, yes: str, no: str) -> None:
    columns = {
        header: values.replace("1", yes).replace("0", no) for header, values in {name: "1 1 0 0 1", **MARKS}.items()
    }
    assert labels_in_order(read_columns(tmp_path, columns)) == [
        {name, "price"}, {name, "logo"}, {"price", "logo"}, set(), {name}
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["label", "class", "Target", "categories"])
def test_numbers_of_labels_beside_several_marks_are_asked_for(tmp_path: Path, name: str) -> None:
    columns = {name: "1 1 0 0 1", **MARKS}
    assert (
        f"the labels can be in the column {name!r}, or be columns of 0 and 1 such as {name}, price, logo; give "
        f"--label-column {name!r} or --label-column '{name},price,logo'"
    ) in refused(tmp_path, columns)
    assert read_columns(tmp_path, columns, label_column=name).labels == ("0", "1")
    assert {*read_columns(tmp_path, columns, label_column=f"{name},price,logo").labels} == {name, "price", "logo"}
    signs = {header: values.replace("1", "x").replace("0", "") for header, values in columns.items()}
    assert {*read_columns(tmp_path, signs).labels} == {name, "price", "logo"}


@pytest.mark.parametrize("others", [{}, {"favorite": "1 0 1 0 0"}, {"verified": "1 0 1 0 0", "done": "1 1 0 0 0"}])
@pytest.mark.parametrize("given", [None, "label"])
def test_labels_that_only_say_yes_and_no_are_pointed_out(
    tmp_path: Path, others: dict[str, str], given: str | None
) -> None:
    source = read_columns(tmp_path, {"label": "1 1 0 0 1", **others}, label_column=given)
    assert source.labels == ("0", "1")
    assert (
        "'0' and '1' in 'label' of t.csv were read as labels; if they tell whether a label applies, call the column as "
        "this label; if they are the numbers of labels, give their names with --label-names"
    ) in messages(source)
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    named = read_columns(tmp_path, {"label": "1 1 0 0 1", **others}, label_names=names)
    assert named.labels == ("cat", "dog")
    assert "were read as labels" not in messages(named)
    renamed = read_columns(tmp_path, {"defect": "1 1 0 0 1"})
    assert labels_in_order(renamed) == [{"defect"}, {"defect"}, set(), set(), {"defect"}]


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("yes", "no"), ("True", "False")])
def test_numbered_columns_of_yes_and_no_are_pointed_out(tmp_path: Path, yes: str, no: str) -> None:
    values = f"{yes} {no} {yes} {no} {no}"
    source = read_columns(tmp_path, {"label1": values, "label2": f"{no} {no} {yes} {yes} {no}"})
    assert labels_in_order(source) == [{"label1"}, set(), {"label1", "label2"}, {"label2"}, set()]
    assert "the labels of t.csv are called label1, label2, as these columns have yes or no, or 0 and 1; name the" in (
        messages(source)
    )
    joined = read_columns(tmp_path, {"labels": values})
    assert joined.labels == tuple(sorted((yes, no)))


def test_the_main_label_beside_marks_that_say_more_is_asked_for(tmp_path: Path) -> None:
    marks = {"cat": "1 0 1 1 0", "dog": "0 1 0 0 1", "fish": "0 0 1 0 0"}
    columns = {"label": CAT_DOG, **marks}
    assert "--label-column 'label' or --label-column 'cat,dog,fish'" in refused(tmp_path, columns)
    assert labels_in_order(read_columns(tmp_path, columns, label_column="label")) == LABELS
    assert labels_in_order(read_columns(tmp_path, columns, label_column="cat,dog,fish"))[2] == {"cat", "fish"}
    assert labels_in_order(read_columns(tmp_path, {**columns, "fish": "0 0 0 0 0"})) == LABELS
    assert labels_in_order(read_columns(tmp_path, {**columns, "label": "cat dog cat;fish cat dog"}))[2] == {
        "cat",
        "fish",
    }
    assert labels_in_order(read_columns(tmp_path, {"label": CAT_DOG, "indoor": "1 0 1 1 0", "day": "1 0 0 0 1"})) == (
        LABELS
    )


@pytest.mark.parametrize(
    "names", ["label1,label2,label3", "tag_1,tag_2,tag_3", "1st label,2nd label,3rd label", "class 1,class 2,class 3"]
)
@pytest.mark.parametrize("others", [("favorite",), ("uploaded",), ("favorite", "indoor")])
def test_numbered_columns_beside_columns_of_yes_and_no(tmp_path: Path, names: str, others: tuple[str, ...]) -> None:
    columns = dict(zip(names.split(","), ("cat dog  cat dog", "dog    ", "    cow"), strict=True))
    source = read_columns(tmp_path, {**columns, **dict.fromkeys(others, "yes no yes no yes")})
    assert labels_in_order(source) == [{"cat", "dog"}, {"dog"}, set(), {"cat"}, {"cow", "dog"}]


@pytest.mark.parametrize(
    "name", ["image_label", "my labels", "Labels (final)", "main category", "photo tags", "label_1", "Kategorie Tier"]
)
@pytest.mark.parametrize("values", ["1 0 1 0 0", "yes no yes no no", "x  x  "])
def test_words_beside_one_column_of_marks_are_the_labels(tmp_path: Path, name: str, values: str) -> None:
    columns = {name: CAT_DOG, "favorite": values}
    source = read_columns(tmp_path, columns)
    assert labels_in_order(source) == LABELS
    assert (
        f"columns of 0 and 1 of t.csv that were not read, as the labels were taken from {name!r}: favorite; if they "
        "are the labels, give --label-column 'favorite'"
    ) in messages(source)
    assert labels_in_order(read_columns(tmp_path, columns, label_column="favorite"))[0] == {"favorite"}


def test_words_beside_several_columns_of_marks_are_asked_for_with_all_names(tmp_path: Path) -> None:
    assert "give --label-column 'photo tag' or --label-column 'price,logo'" in (
        refused(tmp_path, {"photo tag": CAT_DOG, **MARKS})
    )


@pytest.mark.parametrize(
    "name",
    [
        "species", "breed", "diagnosis", "defect", "finding", "emotion", "color", "type", "subject", "annotation",
        "gt", "y", "Tierart",
    ],
)  # fmt: skip
def test_the_only_column_beside_the_images_holds_the_labels(tmp_path: Path, name: str) -> None:
    source = read_columns(tmp_path, {name: CAT_DOG})
    assert labels_in_order(source) == LABELS
    assert f"the labels of t.csv were taken from {name!r}, the only column beside the images" in messages(source)
    several = read_columns(tmp_path, {name: "cat;dog dog cat;cow cow dog", "split": "train train test test train"})
    assert labels_in_order(several) == [{"cat", "dog"}, {"dog"}, {"cat", "cow"}, {"cow"}, {"dog"}]


def test_a_column_about_the_review_is_no_other_one(tmp_path: Path) -> None:
    source = read_columns(tmp_path, {"verified": "yes no yes yes no", "species": CAT_DOG})
    assert labels_in_order(source) == LABELS


def test_a_folder_with_such_a_table_asks_for_the_file(tmp_path: Path) -> None:
    read_columns(tmp_path, {"species": CAT_DOG})
    with pytest.raises(DataError, match=r"t\.csv names no images with labels; if it does, give this file"):
        read_source(tmp_path, Options())


@pytest.mark.parametrize(
    "columns",
    [
        {"caption": CAT_DOG}, {"author": "anna bob anna bob anna"}, {"species": "cat dog cow owl elk"},
        {"species": CAT_DOG, "city": "rome oslo rome oslo rome"}, {"width": "64 64 32 64 32"},
        {"what": ["a cat on a mat", "two dogs", "an owl", "the sea", "a cat and a dog"]},
    ],
)  # fmt: skip
def test_other_columns_are_asked_for(tmp_path: Path, columns: dict[str, str]) -> None:
    assert "is known to hold labels" in refused(tmp_path, columns)
    assert read_columns(tmp_path, columns, label_column=next(iter(columns))).labels


@pytest.mark.parametrize(
    "name",
    [
        "Kategorie", "Kategorien", "Klasse", "Étiquettes", "etiquetas", "标签", "ラベル", "Catégorie", "Метки",
        "Labels (separated by ;)", "Tags [comma-separated]",
    ],
)  # fmt: skip
def test_names_of_labels_in_other_languages(tmp_path: Path, name: str) -> None:
    source = read_columns(tmp_path, {name: CAT_DOG, "city": "rome oslo rome oslo rome"})
    assert labels_in_order(source) == LABELS


@pytest.mark.parametrize("names", ["class,class name", "label,label_name", "label,label text", "category,Kategorie"])
def test_the_words_beside_the_numbers_of_labels(tmp_path: Path, names: str) -> None:
    number, word = names.split(",")
    columns = {number: "0 1 0 0 1", word: CAT_DOG}
    source = read_columns(tmp_path, columns)
    assert labels_in_order(source) == LABELS
    assert f"the numbers in {number!r} of t.csv stand for the labels in {word!r}" in messages(source)


def test_numbers_that_stand_for_no_words_are_asked_for(tmp_path: Path) -> None:
    assert "the labels can be in the column 'class' or 'class name'; give" in (
        refused(tmp_path, {"class": "0 1 1 2 1", "class name": CAT_DOG})
    )


@pytest.mark.parametrize("names", ["object1,object2,object3", "Animal 1,Animal 2,Animal 3"])
@pytest.mark.parametrize("others", [{}, {"city": "rome oslo rome oslo rome"}, {"favorite": "1 0 0 0 1"}])
def test_numbered_columns_of_words_that_recur(tmp_path: Path, names: str, others: dict[str, str]) -> None:
    columns = dict(zip(names.split(","), ("cat dog  cat dog", "dog    cat", "    fish"), strict=True))
    source = read_columns(tmp_path, {**columns, **others})
    assert labels_in_order(source) == [{"cat", "dog"}, {"dog"}, set(), {"cat"}, {"cat", "dog", "fish"}]
    assert f"the labels of t.csv were taken from the columns {' and '.join(map(repr, columns))}, whose words" in (
        messages(source)
    )


def test_class_as_a_rank_of_taxonomy_is_asked_about(tmp_path: Path) -> None:
    ranks = {"class": "Mammalia Aves Mammalia", "order": "Carnivora Passeriformes Artiodactyla", "species": "a b c"}
    message = "'class' seems to be a rank of taxonomy, as 'order' and 'species' are; give --label-column with the rank"
    assert message in refused(tmp_path, ranks)
    assert labels_in_order(read_columns(tmp_path, ranks, label_column="species")) == [{"a"}, {"b"}, {"c"}]
    assert labels_in_order(read_columns(tmp_path, {"class": "a b a", "order": "1 2 3"})) == [{"a"}, {"b"}, {"a"}]


@pytest.mark.parametrize("given", ["image", "split"])
def test_another_column_that_is_given_for_the_labels(tmp_path: Path, given: str) -> None:
    message = f"{given!r} is the column of images or of splits; give another one as --label-column"
    columns = {"labels": CAT_DOG, "split": "train train val train train"}
    if given == "image":
        assert message in refused(tmp_path, columns, label_column=given)
    else:  # then it is no column of splits
        assert read_columns(tmp_path, columns, label_column=given).labels == ("train", "val")


@pytest.mark.parametrize("name", ["attribute_ids", "label_ids", "Category IDs"])
def test_columns_of_ids_hold_labels(tmp_path: Path, name: str) -> None:
    source = read_columns(tmp_path, {name: ["3", "3 17", "5", "17 5", "3"]})
    assert labels_in_order(source) == [{"3"}, {"3", "17"}, {"5"}, {"17", "5"}, {"3"}]
    assert "if they stand for names, give --label-names" in messages(source)


@pytest.mark.parametrize("name", ["rater class", "radiologist", "worker category", "coder"])
def test_what_is_told_of_people_is_no_label(tmp_path: Path, name: str) -> None:
    columns = {"finding": CAT_DOG, name: "expert resident expert expert resident"}
    assert "give --label-column" in refused(tmp_path, columns)
