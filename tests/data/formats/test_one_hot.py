"""Tables with a column for each label: which columns are labels, and what their cells mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_by_image as labels_of
from source_helpers import labels_in_order, messages, read_columns, read_table

from cnnrnn.data import DataError
from cnnrnn.data.source import Source

NAMES = ("cat", "dog", "cow")
LABELS = {"1.jpg": {"cat", "dog"}, "2.jpg": {"dog"}, "3.jpg": {"cow"}, "4.jpg": set(), "5.jpg": {"cat", "cow"}}


def read(folder: Path, text: str, **options: Any) -> Source:
    return read_table(folder, LABELS, text, **options)


def table(yes: str = "1", no: str = "0", sign: str = ",", **others: str) -> str:
    """A column for each label, and further ones, whose five values stand with blanks between."""
    columns = [
        [
            image,
            *(yes if name in labels else no for name in NAMES),
            *(values.split(" ")[n] for values in others.values()),
        ]
        for n, (image, labels) in enumerate(LABELS.items())
    ]
    return "\n".join((sign.join(("image", *NAMES, *others)), *map(sign.join, columns), ""))


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("present", "absent"), ("Positive", "Negative"), ("pos", "neg"), ("WAAR", "ONWAAR"), ("VERDADEIRO", "FALSO"),
        ("sim", "não"), ("PRAWDA", "FAŁSZ"), ("tak", "nie"), ("☑", "☐"), ("✅", "❌"), ("✔️", "✖️"), ("○", "×"),
        ("✓", "✗"), ("+", "-"), ("1", "-"), ("ИСТИНА", "ЛОЖЬ"), ("да", "нет"), ("SANT", "FALSKT"), ("DOĞRU", "YANLIŞ"),
        ("はい", "いいえ"), ("是", "否"), ("有", "无"), ("evet", "hayır"), ("TOSI", "EPÄTOSI"),
        ("نعم", "لا"), ("हाँ", "नहीं"), ("Da", "Nu"), ("ya", "tidak"), ("כן", "לא"), ("ναι", "όχι"), ("có", "không"),
        ("IGAZ", "HAMIS"), ("true ", "false"), ("checked", "unchecked"), ("on", "off"), ("J", "N"), ("j", "n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("given", [None, "cat,dog,cow"])
def test_words_and_signs_for_yes_and_no(tmp_path: Path, yes: str, no: str, given: str | None) -> None:
    assert labels_of(read(tmp_path, table(yes, no), label_column=given)) == LABELS


@pytest.mark.parametrize(("yes", "no"), [("p", "a"), ("o", "x"), ("vorhanden", "fehlt"), ("P1", "P0"), ("p", "")])
def test_other_words_in_given_columns_are_no_labels(tmp_path: Path, yes: str, no: str) -> None:
    with pytest.raises(DataError, match=r"the columns cat, dog, cow have|in the column 'cat'; 0 or 1 was expected"):
        read(tmp_path, table(yes, no), label_column="cat,dog,cow")


def test_the_advice_about_other_words(tmp_path: Path) -> None:
    message = "the columns cat, dog, cow have 'a', 'p' and nothing else, also the same in one row; write 1 and 0 in"
    with pytest.raises(DataError, match=message):
        read(tmp_path, table("p", "a"), label_column="cat,dog,cow")


@pytest.mark.parametrize(("yes", "no"), [("✓", "x"), ("✔", "X"), ("●", "○")])
@pytest.mark.parametrize("given", [None, "cat,dog,cow"])
def test_two_signs_that_both_can_mean_yes_are_refused(tmp_path: Path, yes: str, no: str, given: str | None) -> None:
    with pytest.raises(DataError, match=f"the column .cat. has {yes!r} and {no!r}, of which one"):
        read(tmp_path, table(yes, no), label_column=given)


@pytest.mark.parametrize("yes", ["0,93", "0.93"])
@pytest.mark.parametrize("given", [None, "cat,dog,cow"])
def test_scores_in_place_of_0_and_1(tmp_path: Path, yes: str, given: str | None) -> None:
    with pytest.raises(DataError, match=f"line 2: '{yes}' in the column 'cat'; 0 or 1 was expected"):
        read(tmp_path, table(yes, "0,02", ";"), label_column=given)


def test_labels_in_several_given_columns(tmp_path: Path) -> None:
    text = "image,first,second,third\n1.jpg,a,b,\n2.jpg,b,,\n3.jpg,a,,\n4.jpg,b,a,\n"
    assert read(tmp_path, text, label_column="first,second,third").labels == ("a", "b")


def test_words_of_one_given_column_are_labels(tmp_path: Path) -> None:
    text = "image,result,site\n1.jpg,positive,a\n2.jpg,negative,b\n3.jpg,positive,c\n"
    assert read(tmp_path, text, label_column="result").labels == ("negative", "positive")


@pytest.mark.parametrize(
    "rows",
    [
        ("1,0,0", "0,-1,1", "1,1,0"),  # in one row
        ("1,-1,-1", "0,1,0", "0,0,1"),  # in different ones
        ("1.0,,-1.0", ",1.0,", ",,1.0"),  # beside empty cells
        ("1,,-1", ",1,", "0,,1"),
        ("1,-1,0", "1,1,0", "-1,1,1"),
    ],
)
def test_minus_1_beside_0_or_nothing_is_pointed_out(tmp_path: Path, rows: tuple[str, ...]) -> None:
    text = "\n".join(("image,cat,dog,cow", *(f"{n}.jpg,{row}" for n, row in enumerate(rows, 1)), ""))
    message = messages(read(tmp_path, text))
    assert "t.csv has -1, which means uncertain in some data sets, beside 0 or empty cells; it was taken for" in message


def test_minus_1_alone_is_no_doubt(tmp_path: Path) -> None:
    source = read(tmp_path, table("1", "-1"))
    assert labels_of(source) == LABELS
    assert "uncertain" not in messages(source)


@pytest.mark.parametrize(
    "name", ["verified", "is_deleted", "Reviewed", "checked", "done", "isAnnotated", "approved", "flagged", "duplicate"]
)
@pytest.mark.parametrize("values", ["1 1 0 1 1", "1 1 1 1 1", "0 0 0 0 0"])
def test_columns_about_the_review_are_left_out(tmp_path: Path, name: str, values: str) -> None:
    source = read(tmp_path, table(**{name: values}))
    assert labels_of(source) == LABELS
    assert f"that tell of the review, not of what an image shows, were left out: {name}; if one is a label, give" in (
        messages(source)
    )
    assert "that were not used" not in messages(source)  # which tells of them once more
    assert name in read(tmp_path, table(**{name: "1 1 0 1 1"}), label_column=f"cat,dog,cow,{name}").labels


def test_a_review_alone_names_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the columns text, reviewed is known to hold labels"):
        read(tmp_path, "image,text,reviewed\n1.jpg,a thing,0\n2.jpg,a thing,1\n3.jpg,more,0\n")


@pytest.mark.parametrize("name", ["sex", "patient", "group", "Patient_Sex"])
def test_columns_about_persons_are_pointed_out(tmp_path: Path, name: str) -> None:
    source = read(tmp_path, table(**{name: "1 0 0 1 0"}))
    assert name in source.labels
    assert f"may be no labels, but were read as such: {name}; if so, give --label-column 'cat,dog,cow'" in messages(
        source
    )


def test_a_value_without_the_names_of_labels(tmp_path: Path) -> None:
    text = "image,variable,value\n1.jpg,11,1\n1.jpg,12,0\n2.jpg,11,1\n2.jpg,12,1\n3.jpg,11,0\n"
    assert "the only label is 'value', the one column of 0 and 1; if another column holds" in messages(
        read(tmp_path, text)
    )


def test_the_only_column_of_0_and_1_beside_words(tmp_path: Path) -> None:
    text = (
        "image,age,race,service_test\n1.jpg,20-29,a,True\n2.jpg,30-39,b,False\n3.jpg,20-29,b,True\n4.jpg,1-9,a,True\n"
    )
    source = read(tmp_path, text)
    assert source.labels == ("service_test",)
    assert "the only label is 'service_test', the one column of 0 and 1; if 'race' holds the labels, give" in (
        messages(source)
    )
    assert read(tmp_path, text, label_column="race").labels == ("a", "b")
    assert "the only label" not in messages(read(tmp_path, text, label_column="service_test"))
    assert "the only label" not in messages(read(tmp_path, "image,cat\n1.jpg,1\n2.jpg,0\n3.jpg,1\n"))


CAT, DOG = "1 0 1 0 1", "0 1 1 0 0"
CATS_AND_DOGS = [{"cat"}, {"dog"}, {"cat", "dog"}, set(), {"cat"}]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("score", "0.9 0.2 0 1 0.5"), ("confidence", "0.9 0.8 0.7 0.9 0.9"), ("count", "1 1 2 0 1"),
        ("total", "1 1 2 0 1"), ("sum", "1 1 2 0 1"), ("persons", "0 0 2 1 0"), ("people", "0 0 2 1 0"),
        ("group", "0 1 2 0 1"), ("patient_group", "1 1 2 0 1"), ("label_sum", "1 1 2 0 1"),
    ],
)  # fmt: skip
def test_numbers_that_measure_something_are_left_out_with_a_warning(tmp_path: Path, name: str, values: str) -> None:
    source = read_columns(tmp_path, {"cat": CAT, name: values, "dog": DOG})
    assert labels_in_order(source) == CATS_AND_DOGS
    assert (
        f"columns of t.csv with numbers that are no 0 and 1 were left out: {name}; if one is a label, write 0 or 1 in "
        "all of its rows"
    ) in messages(source)
    assert "that were not used" not in messages(source)


def test_measures_beside_other_slips_are_no_excuse(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 4: '2' in the column 'cow'; 0 or 1 was expected"):
        read_columns(tmp_path, {"cat": CAT, "score": "0.9 0.2 0 1 0.5", "cow": "0 1 2 0 1"})


@pytest.mark.parametrize("name", ["fold", "k_fold"])
def test_a_fold_of_0_and_1_is_left_out_with_a_warning(tmp_path: Path, name: str) -> None:
    columns = {name: "0 1 0 1 0", "crease": CAT, "tear": DOG}
    source = read_columns(tmp_path, columns)
    assert source.labels == ("crease", "tear")
    assert (
        "columns of t.csv that tell of the part for cross-validation, not of what an image shows, were left out: "
        f"{name}; if one is a label, give --label-column with all columns of labels"
    ) in messages(source)
    assert read_columns(tmp_path, columns, label_column=f"{name},crease,tear").labels == ("crease", name, "tear")
    numbers = read_columns(tmp_path, {**columns, name: "0 1 2 3 4"})
    assert numbers.labels == ("crease", "tear")
    assert "cross-validation" not in messages(numbers)


@pytest.mark.parametrize("names", ["index,middle,ring", "level 1,level 2,level 3"])
def test_names_of_row_numbers_are_labels_where_they_do_not_count(tmp_path: Path, names: str) -> None:
    columns = dict(zip(names.split(","), (CAT, DOG, "0 0 1 1 0"), strict=True))
    assert source_labels(tmp_path, columns) == {*columns}
    first = next(iter(columns))
    assert source_labels(tmp_path, {**columns, first: "0 1 2 3 4"}) == {*columns} - {first}


def test_an_index_of_0_and_1_alone_is_pointed_out(tmp_path: Path) -> None:
    source = read_columns(tmp_path, {"index": CAT})
    assert source.labels == ("index",)
    assert "columns of 0 and 1 that may be no labels, but were read as such: index; if so, give --label-column" in (
        messages(source)
    )


def source_labels(folder: Path, columns: dict[str, str]) -> set[str]:
    return {*read_columns(folder, columns).labels}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"verified": CAT, "reviewed": DOG, "done": DOG},
            "is known to hold labels; those of 0 and 1 seem to tell of a review or a part of the data: verified, "
            "reviewed, done; give --label-column NAME, or 'verified,reviewed,done' if these are labels",
        ),
        ({"fold": CAT}, "a part of the data: fold; give --label-column NAME, or 'fold' if these are labels"),
        ({"indoor": "1 1 1 1 1", "city": "a b c d e"}, ", and all rows have the same 0 or 1, yes or no, in indoor;"),
        ({"indoor": "0 0 0 0 0", "city": "a b c d e"}, ", and all rows have the same 0 or 1, yes or no, in indoor;"),
        ({"width": "64 64 64 32 32", "city": "a b c d e"}, ", nor are they columns of 0 and 1; give --label-column"),
    ],
)
def test_the_reason_why_no_column_holds_labels_is_true(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(DataError) as raised:
        read_columns(tmp_path, columns)
    assert message in str(raised.value)


def test_columns_of_a_review_can_be_given(tmp_path: Path) -> None:
    columns = {"verified": CAT, "reviewed": DOG, "done": DOG}
    assert read_columns(tmp_path, columns, label_column="verified,reviewed,done").labels == (
        "done",
        "reviewed",
        "verified",
    )


@pytest.mark.parametrize("no", ["", "No", "no {}", "0"])
@pytest.mark.parametrize("yes", ["{}", " {} "])
def test_cells_that_repeat_the_name_of_their_column(tmp_path: Path, yes: str, no: str) -> None:
    """As forms with boxes to tick write them."""
    rows = [
        ",".join([image, *((yes if name in labels else no).format(name) for name in NAMES)])
        for image, labels in LABELS.items()
    ]
    source = read(tmp_path, "\n".join((",".join(("image", *map(str.capitalize, NAMES))), *rows, "")))
    assert labels_of(source) == {image: {*map(str.capitalize, labels)} for image, labels in LABELS.items()}
    assert "cells that repeat the name of their column, such as 'Cat', were read as 1" in messages(source)


def test_other_words_beside_the_name_of_a_column_are_no_marks(tmp_path: Path) -> None:
    """Such as a column of coats that is called black."""
    for values in ("black white black", "black  black"):
        with pytest.raises(DataError, match="none of the columns"):
            read_columns(tmp_path, {"black": values, "coat": "coat jacket coat"})


def test_a_remark_on_some_images_is_no_label(tmp_path: Path) -> None:
    source = read(tmp_path, table("x", "", remark=" blurred   "))
    assert labels_of(source) == LABELS
    assert "columns of t.csv that were not used: remark" in messages(source)
    with pytest.raises(DataError, match="'yse' in the column 'cow'; 0 or 1 was expected"):
        read(tmp_path, table("x", "").replace("3.jpg,,,x", "3.jpg,,,yse"))


@pytest.mark.parametrize("row", [",FALSE,FALSE,FALSE", ",0,0,0", ",,No,"])
def test_rows_below_the_last_one_that_say_nothing(tmp_path: Path, row: str) -> None:
    """Google Sheets has them where boxes to tick stand."""
    source = read(tmp_path, table("TRUE", "FALSE") + f"{row}\n" * 5)
    assert labels_of(source) == LABELS
    assert "5 rows without an image were not read, as nothing else is in them (line 7, line 8" in messages(source)
    with pytest.raises(DataError, match="line 7: the column 'image' names no image"):
        read(tmp_path, table("TRUE", "FALSE") + ",FALSE,TRUE,FALSE\n")


@pytest.mark.parametrize("empty", ["NULL", "NA", "NaN", "None"])
def test_words_for_empty_cells_are_told(tmp_path: Path, empty: str) -> None:
    source = read_columns(tmp_path, {"cat": f"1 0 {empty} 1", "dog": "0 1 1 0"})
    assert "t.csv has empty cells in columns of labels; they were taken for absent labels" in messages(source)
