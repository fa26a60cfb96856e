"""Which columns of a table hold labels in their cells; none if there is a column for each label."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

from cnnrnn.data.formats.column_names import (
    ANNOTATORS,
    LABELS,
    follow_each_other,
    given_name,
    key,
    known,
    shown,
    sounds_like_labels,
    without_number,
    words_of,
)
from cnnrnn.data.formats.numbers import all_numbers, number
from cnnrnn.data.formats.records import Table
from cnnrnn.data.formats.recurring import recurring_labels
from cnnrnn.data.formats.review_columns import is_about_person, is_about_review, is_about_rows, is_fold
from cnnrnn.data.formats.yes_no import BLANK, are_marks, filled, is_mark, mark, plain
from cnnrnn.data.reading import Labels
from cnnrnn.data.split import DataError

VIA = ("fileattributes", "regionattributes")  # columns of the VGG Image Annotator's CSV
_KEYWORDS = ("keywords", "subject", "hierarchicalsubject", "xpkeywords")  # mostly the same ones, in exiftool's tables
_RANKS = {"kingdom", "phylum", "order", "family", "genus", "species", "scientificname"}
# Columns with these names often hold the numbers 0 and 1 of two labels.
_OF_NUMBERS = {"label", "labels", "target", "targets", "class", "classes", "category", "categories", "labelname"}
# Words in the names of columns whose texts recur, but are no labels.
_ABOUT_IMAGE = {
    *ANNOTATORS,
    *("photographer", "owner", "camera", "license", "licence", "copyright"),
    *("source", "date", "time", "version", "folder", "directory", "path", "file", "url", "link", "hash", "id", "note"),
    *("notes", "comment", "comments", "remark", "remarks", "caption", "captions", "description", "title", "text"),
}


def label_columns(table: Table, columns: list[str], given: Sequence[str], numbers: bool) -> list[str]:
    """The column of labels, several such as label_1 and label_2, both columns of attributes of the VGG Image
    Annotator; none if there is a column for each label. `numbers` may stand for labels.

    Raises DataError where several columns can be meant.
    """
    if given:
        if used := [name for name in given if name in table.columns and name not in columns]:
            raise table.error(f"{used[0]!r} is the column of images or of splits; give another one as --label-column")
        return [given_name(table.path, columns, name, "--label-column") for name in given]
    if via := [name for name in columns if key(name) in VIA]:
        return via
    exact = known(columns, _KEYWORDS)[:1] if is_of_exiftool(table) else []
    exact = exact or known(columns, LABELS)
    _refuse_rank(table, columns, exact)
    series = _numbered(columns, exact)
    found = series or exact or [name for name in columns if sounds_like_labels(name)]
    found = found if numbers else _names_of_numbers(table, found, columns)
    marked = [name for name in columns if are_marks(table.values(name))]
    others = [name for name in marked if name not in found]
    if not found:
        return _with_other_names(table, columns, marked)
    if all(is_mark(value) for name in found for value in table.values(name)):
        one = len(found) == 1 and exact
        return found if one and (numbers or not _is_one_of_marks(table, found[0], others)) else []
    certain = bool(exact) or (len(series) > 1 and follow_each_other(series))
    if not certain and len(_likely_labels(table, others)) > 1:
        raise _unclear(table, found, others)
    together = len({without_number(name) for name in found}) == 1 and follow_each_other(found)
    if len(found) > 1 and not (together and not {*found} & {*marked}):
        raise table.error(
            f"the labels can be in the column {' or '.join(map(repr, found))}; give --label-column with one of them, "
            f"or with commas between if several hold labels: {','.join(found)!r}"
        )
    if certain:
        _refuse_if_marks_say_more(table, found, others)
    elif others:
        table.findings.warning(
            f"columns of 0 and 1 of {table.path.name} that were not read, as the labels were taken from "
            f"{' and '.join(map(repr, found))}: {shown(others)}; if they are the labels, give --label-column "
            f"{','.join(others)!r}"
        )
    return found


def _refuse_rank(table: Table, columns: Sequence[str], exact: Sequence[str]) -> None:
    """Raises DataError where class is a rank of taxonomy, as Mammalia is, beside others such as order and species."""
    ranks = [name for name in columns if key(name) in _RANKS]
    if [key(name) for name in exact] == ["class"] and len(ranks) > 1:
        raise table.error(
            f"{exact[0]!r} seems to be a rank of taxonomy, as {' and '.join(map(repr, ranks[:3]))} are; give "
            f"--label-column with the rank that is meant, such as {ranks[-1]!r}"
        )


def is_of_exiftool(table: Table) -> bool:
    return "SourceFile" in table.columns


def warn_of_yes_and_no(table: Table, columns: Sequence[str], labels: Labels) -> None:
    """About a column whose only labels are words such as 0 and 1, or x, that say yes or no of a label elsewhere."""
    found = sorted({label for row in labels for label in row})
    if found and all(mark(label) is not None for label in found):
        names = " and ".join(map(repr, columns))
        table.findings.warning(
            f"{' and '.join(map(repr, found))} in {names} of {table.path.name} were read as labels; if they tell "
            "whether a label applies, call the column as this label; if they are the numbers of labels, give their "
            "names with --label-names"
        )


def warn_of_further_labels(table: Table, others: Sequence[str], chosen: Sequence[str]) -> None:
    """Columns such as secondary_label beside label, which may be as good."""
    for name in others:
        texts = table.share(name, lambda value: isinstance(value, str) and re.search(r"[^\W\d]", value))
        if sounds_like_labels(name) and texts and table.share(name, is_mark) < 1:
            table.findings.warning(
                f"the column {name!r} of {table.path.name} was not read; if it holds labels as well, give "
                f"--label-column '{','.join([*chosen, name])}'"
            )


def _numbered(columns: Sequence[str], exact: Sequence[str]) -> list[str]:
    """The columns with one known name, of which the others have a number: label, label2 and label.1."""
    keys = {key(name) for name in exact} or {without_number(name) for name in columns} & {*LABELS}
    return [name for name in columns if without_number(name) in keys] if len(keys) == 1 else []


def _names_of_numbers(table: Table, found: list[str], columns: Sequence[str]) -> list[str]:
    """The column of words, where another one has a number for each of them, as class and "class name" do."""
    numbers = [name for name in found if _are_numbers(table.texts(name))]
    possible = found if len(found) > 1 else [name for name in columns if sounds_like_labels(name)]
    words = [name for name in possible if name not in numbers and _are_words(table.texts(name))]
    if len(numbers) != 1 or len(words) != 1 or len(found) > 2:
        return found
    texts = [[plain(str(value)) for value in table.values(name)] for name in (numbers[0], words[0])]
    if not len({*zip(*texts, strict=True)}) == len({*texts[0]}) == len({*texts[1]}):
        return found
    table.findings.note(f"the numbers in {numbers[0]!r} of {table.path.name} stand for the labels in {words[0]!r}")
    return words


def _are_numbers(texts: Set[str]) -> bool:
    return bool(all_numbers(filled(texts)))


def _are_words(texts: Set[str]) -> bool:
    words = filled(texts)
    letters = all(re.search(r"[^\W\d_]", word) for word in words)
    return bool(words) and letters and not all(map(is_mark, words))


def _likely_labels(table: Table, marked: Sequence[str]) -> list[str]:
    """The columns of marks but for those that tell of a review, a person, or the rows."""
    return [
        name
        for name in marked
        if not (is_about_review(name) or is_about_person(name) or is_fold(name))
        and not is_about_rows(name, table.values(name))
    ]


def _is_one_of_marks(table: Table, name: str, others: Sequence[str]) -> bool:
    """Whether a column of marks such as tag is one of a column for each label. Raises DataError where its 0 and 1 may
    as well be the numbers of two labels."""
    others = _likely_labels(table, others)
    words = {plain(text) for text in table.texts(name)} - BLANK
    if not others:
        return False
    signs = all(word == "x" or not word.isalnum() for word in words)
    if key(name) not in _OF_NUMBERS or (signs and not any(number(word) is not None for word in words)):
        return True
    if len(others) == 1 and all(number(word) is not None for word in words):
        return False
    raise _unclear(table, [name], [name, *others])


def _unclear(table: Table, found: Sequence[str], marked: Sequence[str]) -> DataError:
    return table.error(
        f"the labels can be in the column {' or '.join(map(repr, found))}, or be columns of 0 and 1 such as "
        f"{shown(marked)}; give --label-column {','.join(found)!r} or --label-column {','.join(marked)!r}"
    )


def _refuse_if_marks_say_more(table: Table, found: Sequence[str], marked: Sequence[str]) -> None:
    """Raises DataError where columns of marks are called like the labels in the cells, and have more of them: the
    cells may hold the main label only."""
    marked = _likely_labels(table, marked)
    if len(marked) < 2:
        return
    cells = [{name for column in found for name in _names_in(record.values.get(column))} for record in table.records]
    keys = {name: key(name) for name in marked}
    if len(set().union(*cells) & {*keys.values()}) < 2:
        return
    for record, cell in zip(table.records, cells, strict=True):
        if any(mark(record.values.get(name)) and own not in cell for name, own in keys.items()):
            raise _unclear(table, found, marked)


def _names_in(cell: object) -> set[str]:
    """What may be the labels of a cell, whatever separates them."""
    text = str(cell)
    return {key(part) for part in (text, *re.split(r"[;,|/]", text), *text.split())}


def _with_other_names(table: Table, columns: Sequence[str], marked: Sequence[str]) -> list[str]:
    """Columns with a name that is not known: numbered ones such as object1 and object2, or the only one, if their words
    recur as labels do."""
    file, likely = table.path.name, _likely_labels(table, marked)
    if len(likely) < 2 and (series := _series_of_words(table, columns)):
        table.findings.warning(
            f"the labels of {file} were taken from the columns {' and '.join(map(repr, series))}, whose words recur; "
            "if that is wrong, give --label-column"
        )
        return series
    others = [name for name in columns if name not in marked]
    used = [name for name in others if filled(table.texts(name))]
    if likely or len(used) != 1 or words_of(used[0]) & _ABOUT_IMAGE:
        return []
    if not recurring_labels(table.values(used[0])):
        return []
    table.findings.note(f"the labels of {file} were taken from {used[0]!r}, the only column beside the images")
    return used


def _series_of_words(table: Table, columns: Sequence[str]) -> list[str]:
    """The columns of the only series such as object1, object2 and object3."""
    series: dict[str, list[str]] = {}
    for name in columns:
        series.setdefault(without_number(name), []).append(name)
    found = [names for names in series.values() if len(names) > 1 and follow_each_other(names)]
    found = [names for names in found if not words_of(names[0]) & _ABOUT_IMAGE and not is_about_person(names[0])]
    values = [[value for name in names for value in table.values(name)] for names in found]
    recurring = [names for names, cells in zip(found, values, strict=True) if recurring_labels(cells)]
    return recurring[0] if len(recurring) == 1 else []
