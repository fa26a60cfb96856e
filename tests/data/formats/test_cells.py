"""What stands in the cells of labels: the labels of the images, or a refusal that names the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import labels_in_order as labels_of
from source_helpers import messages, read_objects

from cnnrnn.data import DataError, Options
from cnnrnn.data.source import Source, read_source


def read(folder: Path, *cells: str, name: str = "labels", **options: Any) -> Source:
    """A table with an image for every cell."""
    rows = []
    for number, cell in enumerate(cells, start=1):
        (folder / f"{number}.jpg").write_bytes(b"")
        rows.append(f'{number}.jpg,"{cell.replace(chr(34), chr(34) * 2)}"')
    (folder / "t.csv").write_text("\n".join((f"image,{name}", *rows, "")))
    return read_source(folder / "t.csv", Options(**options))


@pytest.fixture
def names(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("cat\ndog\ncow\nowl\n")
    return tmp_path / "names.txt"


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ({"present": True}, {"present": False}), ({"value": 1}, {"value": 0}), ({"checked": True}, {"checked": False}),
        ({"isSelected": "yes"}, {"isSelected": "no"}), ({"status": "approved"}, {"status": "deleted"}),
        ({"deleted": False}, {"deleted": True}), ({"score": 1.0}, {"score": 0}), ({}, {"applies": False}),
        ({"confidence": 0.9}, {"confidence": 0}), ({"value": None}, {"value": "false"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["name", "label", "title"])
def test_a_flag_beside_a_name_tells_if_the_label_applies(
    tmp_path: Path, key: str, yes: dict[str, Any], no: dict[str, Any]
) -> None:
    source = read_objects(tmp_path, [{key: "cat", **yes}, {key: "dog", **no}], [{key: "dog", **yes}])
    assert labels_of(source) == [{"cat"}, {"dog"}]
    assert "1 labels of t.json were left out, as a value beside them denies them (entry 1)" in messages(source)


@pytest.mark.parametrize("other", [{"id": 3}, {"color": "red"}, {"value": "large"}, {"area": 0.1}, {"status": "done"}])
def test_other_keys_beside_a_name_say_nothing(tmp_path: Path, other: dict[str, Any]) -> None:
    assert labels_of(read_objects(tmp_path, [{"name": "cat", **other}], [{"name": "dog"}])) == [{"cat"}, {"dog"}]


def test_an_object_of_true_and_false_may_have_such_a_key(tmp_path: Path) -> None:
    source = read_objects(tmp_path, {"cat": True, "present": False}, {"cat": "no", "present": "yes"})
    assert labels_of(source) == [{"cat"}, {"present"}]


def test_low_scores_are_refused(tmp_path: Path) -> None:
    labels = [{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.01}]
    with pytest.raises(DataError, match=r"entry 1: a label has 0.01 as its 'score', as predictions do; leave out"):
        read_objects(tmp_path, labels)
    source = read_objects(tmp_path, labels, label_column="labels")
    assert labels_of(source) == [{"cat", "dog"}]
    assert "has low values of 'score' beside labels; all were read" in messages(source)


@pytest.mark.parametrize("key", ["category_id", "label_id", "class_id", "category"])
def test_boxes_are_no_numbers_of_labels(tmp_path: Path, names: Path, key: str) -> None:
    boxes = [{"bbox": [3, 1, 2, 2], key: 0}, {"bbox": [0, 1, 2, 2], "area": 3, key: 2}]
    assert labels_of(read_objects(tmp_path, boxes, {"objects": boxes[:1]}, label_names=names)) == [
        {"cat", "cow"},
        {"cat"},
    ]
    listed = {"bbox": [[3, 1, 2, 2], [0, 1, 2, 2]], key: [0, 2]}
    assert labels_of(read_objects(tmp_path, listed, boxes, label_names=names)) == [{"cat", "cow"}] * 2
    with pytest.raises(DataError, match=r"entry 1: .* names no labels"):
        read_objects(tmp_path, [{"bbox": [3, 1, 2, 2]}], label_names=names)
    with pytest.raises(DataError, match=r"entry 1: .* names no labels.*|is no label; .*--label-names FILE"):
        read_objects(tmp_path, boxes)


@pytest.mark.parametrize(
    "cells", [("[0 3]", "[1]"), ("[ 0  3]", "[1.]"), ("tensor([0, 3])", "tensor([1])"),
              ("[np.int64(0), np.int64(3)]", "[1]"), ("array([0, 3], dtype=int64)", "array([1])"),
              ("tensor([0, 3], device='cuda:0')", "[1]"),
              ("[0\n 3]", "[1]")]
)  # fmt: skip
def test_numbers_as_numpy_prints_them(tmp_path: Path, names: Path, cells: tuple[str, str]) -> None:
    assert labels_of(read(tmp_path, *cells, label_names=names)) == [{"cat", "owl"}, {"dog"}]
    with pytest.raises(DataError, match=r"line 2: 0 is no label; .* give --label-names FILE"):
        read(tmp_path, *cells)


@pytest.mark.parametrize(
    "cells", [("[1 0 0]", "[0 1 1]"), ("[0. 1. 1.]", "[1. 0. 0.]"), ("1 0 0", "0 1 1"), ("1;0;0", "0;1;1"),
              ("1,0,0", "0,1,0"), ("1 0", "0 0"), ("1.0;0.0;0.0", "0.0;0.0;1.0"),
              ("[1, 0, 0]", "[0, 1, 1]"), ("1 0", "0 1")]
)  # fmt: skip
def test_a_0_or_1_for_each_label_in_one_cell_is_refused(tmp_path: Path, names: Path, cells: tuple[str, str]) -> None:
    for options in ({}, {"label_names": names}):
        with pytest.raises(DataError, match=r"line 2: .*(a column for each|names of the labels)"):
            read(tmp_path, *cells, **options)


def test_numbers_that_are_no_0_or_1_for_each_label(tmp_path: Path, names: Path) -> None:
    assert labels_of(read(tmp_path, "0 1", "1", "0", label_names=names)) == [{"cat", "dog"}, {"dog"}, {"cat"}]
    assert labels_of(read(tmp_path, "1 0", "0 1", label_names=names, separator=" ")) == [{"cat", "dog"}] * 2
    assert labels_of(read(tmp_path, "1 2", "0 1", label_names=names)) == [{"dog", "cow"}, {"cat", "dog"}]


@pytest.mark.parametrize(
    "sign", ["/", "+", " & ", ":", ".", "_", " - ", *"~^#\\*=", "::", " > ", " • ", " · ", " and "]
)
@pytest.mark.parametrize("alone", [True, False])
def test_signs_between_labels_are_asked_for_and_can_be_given(tmp_path: Path, sign: str, alone: bool) -> None:
    cells = [sign.join(pair) for pair in (("cat", "dog"), ("dog", "owl"), ("owl", "cat"))]
    if alone:
        cells = [*cells, "cat", "dog", "owl"]
    with pytest.raises(DataError, match=r"one label or several\? Give --separator") as raised:
        read(tmp_path, *cells)
    given = eval(str(raised.value).split("--separator ")[1].split(" if")[0])  # as a shell would read the advice
    assert sign.strip() == given.strip()
    assert read(tmp_path, *cells, separator=given).labels == ("cat", "dog", "owl")
    assert len(read(tmp_path, *cells, separator=";").labels) == len(cells)


@pytest.mark.parametrize(
    "cells", [("left_hand", "right_hand", "left_foot", "right_foot"), ("animal/cat", "animal/dog", "vehicle/car"),
              ("black & white", "cat", "dog"), ("St. Bernard", "cat", "dog"), ("=cat", "+dog", "@cow")]
)  # fmt: skip
def test_signs_inside_of_labels(tmp_path: Path, cells: tuple[str, ...]) -> None:
    assert labels_of(read(tmp_path, *cells)) == [{cell} for cell in cells]


def test_a_sign_between_blanks_is_no_label(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is 'cat → dog' one label or several. Give --separator ' → ' if"):
        read(tmp_path, "cat → dog", "cat", "dog")


def test_adjectives_are_no_labels_of_their_own(tmp_path: Path) -> None:
    cells = [f"{adjective} {noun}" for adjective in ("young", "adult", "old") for noun in ("lion", "deer", "duck")]
    with pytest.raises(DataError, match="is 'young lion' one label or several"):
        read(tmp_path, *cells, name="label")
    assert len(read(tmp_path, *cells, separator=";").labels) == 9


@pytest.mark.parametrize("cell", ["cat 0.93;dog 0.12", "cat: 93%;dog: 2%", "cat 93 %;dog 7 %", "cat:3;dog:12", "cat=2"])
def test_numbers_behind_labels_are_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(DataError, match=r"line 2: 'cat.*' has a number( behind it)?, as (counts and )?predictions do"):
        read(tmp_path, cell)


def test_numbers_that_belong_to_labels(tmp_path: Path) -> None:
    assert read(tmp_path, "grade:1", "grade:2", separator=";").labels == ("grade:1", "grade:2")
    assert read(tmp_path, "type 1", "type 2", separator=";").labels == ("type 1", "type 2")


@pytest.mark.parametrize(
    ("cell", "labels"),
    [("set()", set()), ("frozenset({'cat', 'dog'})", {"cat", "dog"}), ("frozenset()", set()), ("{'cat'}", {"cat"}),
     ("dict_keys(['cat', 'dog'])", {"cat", "dog"}),
     ("['cat', 'dog']", {"cat", "dog"}), ("bird (Aves)", {"bird (Aves)"})],
)  # fmt: skip
def test_what_python_prints(tmp_path: Path, cell: str, labels: set[str]) -> None:
    assert labels_of(read(tmp_path, cell, "['cow']")) == [labels, {"cow"}]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("Counter({'cat': 2, 'dog': 1})", "is no list of labels"),
        ("defaultdict(<class 'int'>, {'cat': 1})", "is no list of labels"),
        ("['cat', 'dog'", "is a list without its end"),
        ('["cat", "do', "is a list without its end"),
        ("[0 1 ... 8 9]", "is cut off by numpy"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, cell: str, message: str) -> None:
    with pytest.raises(DataError, match=f"line 3: .* {message}"):
        read(tmp_path, "['cow']", cell)


def test_quotes_with_backslashes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"")
    (tmp_path / "t.csv").write_text('image,labels\n1.jpg,"[\\"cat\\"]"\n')
    with pytest.raises(
        DataError, match=r"line 2: .* has quotes with a backslash before them; in a cell, write them twice"
    ):
        read_source(tmp_path / "t.csv", Options())


def test_json_that_was_encoded_twice(tmp_path: Path) -> None:
    cells = [["cat", "dog"], [], {"dog": True, "cat": False}, ["cat, small"]]
    source = read_objects(tmp_path, *(json.dumps(json.dumps(cell)) for cell in cells))
    assert labels_of(source) == [{"cat", "dog"}, set(), {"dog"}, {"cat, small"}]
    of_python = read_objects(tmp_path, "\"['cat', 'dog']\"", "\"['cat']\"", '"[cat, dog]"', '"[cat]", "[dog]"')
    assert labels_of(of_python) == [{"cat", "dog"}, {"cat"}, {"cat", "dog"}, {"cat", "dog"}]


@pytest.mark.parametrize("word", [r"\N", "N.A.", "--none--", "(none)", "<null>", "[None]", "—", "---", "n.a"])
def test_words_of_programs_for_nothing(tmp_path: Path, word: str) -> None:
    source = read(tmp_path, "cat;dog", word, "dog")
    assert labels_of(source) == [{"cat", "dog"}, set(), {"dog"}]
    assert f"1 cells of t.csv with {word!r} were taken for no labels (line 3)" in messages(source)


@pytest.mark.parametrize(
    "word",
    [
        "?",
        "unlabeled",
        "Unlabelled",
        "not labeled",
        "no label",
        "no_labels",
        "TBD",
        "todo",
        "untagged",
        "k. A.",
        "no data",
        "<empty>",
        "(empty)",
        "keine",
        "not available",
        "unspecified",
        "no annotation",
        "无",
    ],
)
def test_words_that_may_mean_no_label_are_pointed_out(tmp_path: Path, word: str) -> None:
    source = read(tmp_path, "cat;dog", word, "dog", name="label")
    assert labels_of(source) == [{"cat", "dog"}, {word}, {"dog"}]
    assert f"{word!r} was read as a label of 1 cells of t.csv; if it stands for no label, leave" in messages(source)


@pytest.mark.parametrize(
    "word", ["nonsense", "unknown", "no finding", "untidy", "tbone", "label", ".", "notable", "empty", "negative"]
)
def test_other_words_are_labels(tmp_path: Path, word: str) -> None:
    source = read(tmp_path, "cat;dog", word, "dog")
    assert labels_of(source)[1] == {word}
    assert "no label" not in messages(source)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (('"cat, small", "dog"', '"dog"', ""), [{"cat, small", "dog"}, {"dog"}, set()]),
        (('"cat, small", dog', "dog", '"cat, small"'), [{"cat, small", "dog"}, {"dog"}, {"cat, small"}]),
        (("'cat, small', 'dog'", "'dog'"), [{"cat, small", "dog"}, {"dog"}]),
        (('"cat; small";dog', "dog"), [{"cat; small", "dog"}, {"dog"}]),
        (('dog|"cat | small"', "dog"), [{"cat | small", "dog"}, {"dog"}]),
        (('"hot dog" "cat"', "cat"), [{"hot dog", "cat"}, {"cat"}]),
        (('"cat ""Tom"", small", dog', "dog"), [{'cat "Tom", small', "dog"}, {"dog"}]),
        (('"driver\'s seat, left", car', "car"), [{"driver's seat, left", "car"}, {"car"}]),
        (("“cat, small”, “dog”", "“dog”"), [{"cat, small", "dog"}, {"dog"}]),
        (("`cat, small`, `dog`", "dog"), [{"cat, small", "dog"}, {"dog"}]),
        (('\\"cat, small\\", \\"dog\\"', "dog"), [{"cat, small", "dog"}, {"dog"}]),
        (("«cat; small»; dog", "„dog“"), [{"cat; small", "dog"}, {"dog"}]),
        (("“cat, dog”", "“dog”"), [{"cat", "dog"}, {"dog"}]),
        (('"cat, dog"', '"dog"'), [{"cat", "dog"}, {"dog"}]),  # the table was quoted twice
        (('12" pipe, the "big" cat', "driver's, rider's"), [{'12" pipe', 'the "big" cat'}, {"driver's", "rider's"}]),
        (("'til dawn, rock 'n' roll", "cat"), [{"'til dawn", "rock 'n' roll"}, {"cat"}]),
    ],
)
def test_a_separator_inside_of_quotes_separates_nothing(
    tmp_path: Path, cells: tuple[str, ...], labels: list[set[str]]
) -> None:
    assert labels_of(read(tmp_path, *cells)) == labels


def test_what_is_asked_for_shows_quoted_labels_as_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is '.*' one label or several") as raised:
        read(tmp_path, '"a - b" / c', "c", "c / d", "d", "d / e", "e")
    assert not any(ord(sign) > 127 for sign in str(raised.value))


def test_a_given_separator_inside_of_quotes_is_refused(tmp_path: Path) -> None:
    cells = ('"cat, small", "dog"', '"dog"')
    with pytest.raises(DataError, match=r"'cat, small' has the separator ',' inside of quotes; leave --separator out"):
        read(tmp_path, *cells, separator=",")
    assert read(tmp_path, *cells).labels == ("cat, small", "dog")
    assert read(tmp_path, '"cat, small" / "dog"', '"dog"', separator="/").labels == ("cat, small", "dog")


@pytest.mark.parametrize(
    ("yes", "no"),
    [(":yes", ":no"), ("=true", "=false"), (" (+)", " (-)"), (": present", ": absent"), ("=Y", "=N"),
     (" [yes]", " [no]"), (" (present)", " (not present)"), (" -> positive", " -> negative"), (":✓", ":✗"),
     ("✓", "✗"), (" ✅", " ❌"), (":T", ":F"),
     (": ja", ": nein")],
)  # fmt: skip
def test_a_word_behind_every_label_tells_if_it_applies(tmp_path: Path, yes: str, no: str) -> None:
    source = read(tmp_path, f"cat{yes};dog{yes};bird{no}", f"cat{no};dog{no};bird{no}", f"cat{no};dog{yes};bird{yes}")
    assert labels_of(source) == [{"cat", "dog"}, set(), {"dog", "bird"}]
    assert f"labels such as 'bird{no}' of t.csv were left out, as what stands behind them says" in messages(source)
    assert labels_of(read_objects(tmp_path, [f"cat{yes}", f"dog{no}"], [f"dog{yes}"])) == [{"cat"}, {"dog"}]


def test_words_that_affirm_every_label_are_taken_away(tmp_path: Path) -> None:
    source = read(tmp_path, "cat:yes;dog:yes", "dog:yes")
    assert labels_of(source) == [{"cat", "dog"}, {"dog"}]
    assert "labels of t.csv were read without what stands behind them: 'cat:yes'" in messages(source)


@pytest.mark.parametrize("denied", ["dog:no", "dog=false", "dog (absent)", "dog (-)", "-dog", "!dog", "~dog", "! dog"])
def test_a_label_that_stands_denied_and_alone_is_refused(tmp_path: Path, denied: str) -> None:
    cells = (f"cat;{denied}", "cat;dog", "dog")
    with pytest.raises(DataError, match=r"line 2: does '.*dog.*' say that 'dog' is absent\? Leave out") as raised:
        read(tmp_path, *cells)
    assert "--separator ';'" in str(raised.value)
    source = read(tmp_path, *cells, separator=";")
    assert labels_of(source) == [{"cat", denied}, {"cat", "dog"}, {"dog"}]
    assert f"labels such as {denied!r} of t.csv were read as labels of their own" in messages(source)
    with pytest.raises(DataError, match=r"line 3: does .* say that 'dog' is absent"):
        read(tmp_path, "+dog;cat", "cat;-dog")


@pytest.mark.parametrize(
    "cells",
    [("cat;dog:no", "cat"), ("cat;-dog", "cat"), ("cat;!dog", "bird"), ("cat;no dog", "dog"), ("cat;not_dog", "dog"),
     ("cat+;dog-", "dog+;cat-"), ("HER2 (-);tumor", "HER2 (+)"), ("cat?;dog", "cat"),
     ("cat (maybe);dog", "cat"), ("yes cat;no dog", "yes dog;no cat")],
)  # fmt: skip
def test_labels_that_may_be_denied_are_pointed_out(tmp_path: Path, cells: tuple[str, ...]) -> None:
    source = read_objects(tmp_path, *(cell.split(";") for cell in cells))
    assert labels_of(source) == [set(cell.split(";")) for cell in cells]
    assert "were read as labels of their own; leave them out if they say that" in messages(source)


@pytest.mark.parametrize(
    "cells",
    [("person (adult)", "person (child)"), ("C++;A/C", "C"), ("cat: tabby", "dog: pug"), ("mask", "no mask"),
     ("A+", "A-", "B+"), ("grade: f", "grade: a"), ("cat (1);x", "cat (2);y"), ("sex: f", "sex: m"),
     ("t-shirt;non-food",), ("color: none;size: 3", "color: red"), ("no finding", "edema"),
     ("x-ray;mid-air", "air"), ("e:mail", "f(x)"), ("x=y", "x=y"), ("grade:0;x", "grade:1")],
)  # fmt: skip
def test_signs_and_words_that_deny_nothing(tmp_path: Path, cells: tuple[str, ...]) -> None:
    source = read_objects(tmp_path, *(cell.split(";") for cell in cells))
    assert labels_of(source) == [set(cell.split(";")) for cell in cells]
    assert not any(words in messages(source) for words in ("of their own", "stands behind", "left out"))


def test_a_quote_that_is_not_closed_is_pointed_out(tmp_path: Path) -> None:
    source = read_objects(tmp_path, ['"cat', "dog"], ['12" pipe', '"the" cat'])
    assert "labels such as '\"cat' of t.json begin with a quote that isn't closed (entry 1)" in messages(source)


@pytest.mark.parametrize("sign", ["<br>", "<br/>", "<BR />", "</p><p>", "</li> <li>"])
def test_line_breaks_of_web_pages_separate_labels(tmp_path: Path, sign: str) -> None:
    cells = ["cat", f"cat{sign}hot dog", f"hot dog{sign} cow"]
    expected = [{"cat"}, {"cat", "hot dog"}, {"hot dog", "cow"}]
    assert labels_of(read(tmp_path, *cells)) == expected
    assert labels_of(read(tmp_path, *cells, separator=sign)) == expected


@pytest.mark.parametrize("blank", ["\u200b", "\u2060", "\ufeff"])
def test_blanks_without_a_width_are_no_part_of_labels(tmp_path: Path, blank: str) -> None:
    cells = [f"cat{blank}", f"{blank}cat;dog{blank}", f"dog;{blank}cow"]
    expected = [{"cat"}, {"cat", "dog"}, {"dog", "cow"}]
    assert labels_of(read(tmp_path, *cells)) == expected
    assert labels_of(read_objects(tmp_path, *(cell.split(";") for cell in cells))) == expected
