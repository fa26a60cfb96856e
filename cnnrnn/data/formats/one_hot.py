"""Tables with a column for each label: which columns are labels, and the labels of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnrnn.data.formats.column_names import LABELS, shown, sounds_like_labels, without_number
from cnnrnn.data.formats.numbers import all_numbers, number
from cnnrnn.data.formats.records import MOSTLY, Table
from cnnrnn.data.formats.recurring import recurring_words
from cnnrnn.data.formats.review_columns import (
    is_about_person,
    is_about_review,
    is_about_rows,
    is_fold,
    is_measure,
    may_number_rows,
)
from cnnrnn.data.formats.yes_no import BLANK, applies_to_label, filled, is_mark, mark, plain, two_signs_for_yes
from cnnrnn.data.reading import Labels, Record
from cnnrnn.data.split import DataError


def one_hot_columns(table: Table, columns: list[str], given: bool) -> tuple[list[str], list[str]]:
    """Columns of 0 and 1, true and false, or −1 and 1; and those that were left out with a warning. A column that has
    something else in some rows is an error; one that mostly has something else, such as a width, is no label, unless a
    person has `given` these columns."""
    labels = columns if given else [name for name in columns if not is_about_rows(name, table.values(name))]
    measures = [] if given else [name for name in labels if _is_measured(table, name)]
    labels = [name for name in labels if name not in measures and _is_label(table, name, given)]
    labels, others = (labels, []) if given else _without_review(table, labels)
    if len(labels) == 1 and not all(map(is_mark, table.values(labels[0]))):  # of words such as positive
        labels = []
    written = {name: table.texts(name) for name in labels}
    marked = [name for name in labels if any(mark(text, words=True) for text in written[name])]
    constant = [name for name in marked if all(mark(text, words=True) for text in written[name])]
    if not marked or (len(constant) == len(labels) and len(table.records) > 1 and not given):
        raise _no_labels(table, columns, labels, others)
    if constant and len(table.records) > 1:
        table.findings.warning(
            f"all images have what these columns name; remove them if they are no labels: {shown(constant)}"
        )
    if measures:
        table.findings.warning(
            f"columns of {table.path.name} with numbers that are no 0 and 1 were left out: {shown(measures)}; if one "
            "is a label, write 0 or 1 in all of its rows, and give --label-column with all columns of labels"
        )
    if not given:
        _warn_of_doubtful(table, labels, [name for name in columns if name not in labels])
    return labels, [*others, *measures]


def with_marks(table: Table, columns: Sequence[str]) -> Table:
    """Columns whose cells repeat their name, as forms with boxes to tick write them: "dog" as 1, "no dog" as 0."""
    named = [name for name in columns if _repeats_its_name(table, name)]
    if len(named) < 2:
        return table
    table.findings.note(f"cells that repeat the name of their column, such as {named[0]!r}, were read as 1")

    def marked(record: Record) -> Record:
        repeated = {name: _says_its_name(record.values.get(name), name) for name in named}
        marks = {name: str(int(says)) for name, says in repeated.items() if says is not None}
        return replace(record, values=record.values | marks)

    return replace(table, records=[marked(record) for record in table.records])


def _repeats_its_name(table: Table, name: str) -> bool:
    """Whether the cells have the column's name, and others are empty or say no."""
    texts = table.texts(name)
    says = {text: _says_its_name(text, name) for text in texts}
    others = [text for text in texts if says[text] is None]
    return True in says.values() and all(plain(text) in BLANK or mark(text) is False for text in others)


def _says_its_name(value: object, name: str) -> bool | None:
    """True for "dog" in the column dog, False for "no dog" there; None for other values."""
    text, own = plain(str(value)), plain(name)
    return True if text == own else False if text in (f"no {own}", f"not {own}") else None


def _no_labels(table: Table, columns: list[str], labels: list[str], others: list[str]) -> DataError:
    """What to do where no column is one of labels: `labels` are not for their values, `others` for their names."""
    if not columns:
        return DataError(
            f"{table.path} names images, but has no column of labels; add one, or give --label-column NAME"
        )
    why = ", nor are they columns of 0 and 1; give --label-column NAME"
    if others:
        why = (
            f"; those of 0 and 1 seem to tell of a review or a part of the data: {shown(others)}; give --label-column "
            f"NAME, or {','.join(others)!r} if these are labels"
        )
    elif labels:
        why = f", and all rows have the same 0 or 1, yes or no, in {shown(labels)}; give --label-column NAME"
    return table.error(f"none of the columns {shown(columns)} is known to hold labels{why}")


def _is_measured(table: Table, name: str) -> bool:
    """Whether a column such as score or group has numbers that are nearly 0 and 1, but are none of a label."""
    if not is_measure(name):
        return False
    numbers = all_numbers(filled(table.values(name))) or []
    odd = [n for n in numbers if n not in (0, 1, -1)]
    return bool(odd) and (len(odd) < len(numbers) / 2 or all(0 <= n <= 1 for n in numbers))


def _is_label(table: Table, name: str, given: bool) -> bool:
    """Raises DataError for a column that is likely meant for a label, but has something else than marks."""
    written = table.texts(name)
    if all(is_mark(text, words=True) for text in written):
        if signs := two_signs_for_yes(written):
            raise table.error(
                f"the column {name!r} has {signs[0]!r} and {signs[1]!r}, of which one may mean no; write 1 and "
                "0 instead"
            )
        return True
    values = table.values(name)
    if not given and not any(is_mark(value, words=True) or number(value) is not None for value in filled(values)):
        return False  # a remark on some images
    odd = [record for record, value in zip(table.records, values, strict=True) if not is_mark(value, words=True)]
    if given or len(odd) <= (1 - MOSTLY) * len(values) or _meant_for_a_label(name, values, len(odd)):
        value = odd[0].values.get(name)
        raise DataError(
            f"{table.path}, {odd[0].where}: {value!r} in the column {name!r}; 0 or 1 was expected. "
            "Correct it; if the column is no label, remove it, or give --label-column with those that are"
        )
    return False


def _without_review(table: Table, labels: list[str]) -> tuple[list[str], list[str]]:
    """The columns of labels, and those such as verified, deleted and fold. A table with no others has no labels."""
    left_out = [name for name in labels if is_about_review(name) or is_fold(name)]
    kept = [name for name in labels if name not in left_out]
    if left_out and any(mark(value, words=True) for name in kept for value in table.texts(name)):
        table.findings.warning(
            f"columns of {table.path.name} that tell of {_what(left_out)}, not of what an image shows, were left out: "
            f"{shown(left_out)}; if one is a label, give --label-column with all columns of labels"
        )
    return kept, left_out


def _what(left_out: Sequence[str]) -> str:
    folds = any(map(is_fold, left_out))
    review = not all(map(is_fold, left_out))
    return " and ".join(["the review"] * review + ["the part for cross-validation"] * folds)


def _warn_of_doubtful(table: Table, labels: list[str], others: Sequence[str]) -> None:
    """About columns of 0 and 1 that may be no labels: of sex or groups, one called index, numbered ones such as label1,
    or the only one beside words that recur."""
    alone = len(labels) == 1
    if doubtful := [name for name in labels if is_about_person(name) or (alone and may_number_rows(name))]:
        rest = [name for name in labels if name not in doubtful]
        option = ",".join(rest[:12]) + ("…" if len(rest) > 12 else "") or "NAME"
        table.findings.warning(
            f"{table.path.name} has columns of 0 and 1 that may be no labels, but were read as such: "
            f"{shown(doubtful)}; if so, give --label-column {option!r}"
        )
    if len(labels) > 1 and all(without_number(name) in LABELS for name in labels):
        table.findings.warning(
            f"the labels of {table.path.name} are called {shown(labels)}, as these columns have yes or no, or 0 and 1; "
            "name the columns as what they tell of, or write the words into one column labels if they are labels"
        )
    words = [name for name in others if recurring_words(table.values(name))]
    if len(labels) == 1 and (words or applies_to_label(labels[0])):
        table.findings.warning(
            f"the only label is {labels[0]!r}, the one column of 0 and 1; if "
            f"{' or '.join(map(repr, words[:6])) or 'another column'} holds the labels, give --label-column with its "
            f"name (or {labels[0]!r} if that is right)"
        )


def hold_scores(values: Sequence[object]) -> bool:
    """Whether a column has numbers between 0 and 1, and nothing else."""
    numbers = all_numbers(filled(values)) or []
    return all(0 <= n <= 1 for n in numbers) and any(0 < n < 1 for n in numbers)


def refuse_unknown_marks(table: Table, columns: Sequence[str]) -> None:
    """Raises DataError where the columns that a person has given hold words for yes and no that are not known: labels
    don't stand twice in a row, such words do."""
    if any(without_number(name) in LABELS or sounds_like_labels(name) for name in columns):
        return
    rows = [[plain(str(record.values.get(name))) for name in columns] for record in table.records]
    words = [[value for value in row if value not in BLANK] for row in rows]
    found = sorted({value for row in words for value in row})
    several = [row for row in words if len(row) > 1]
    twice = sum(len({*row}) < len(row) for row in several) > len(several) / 2
    if len(columns) > 1 and (len(found) == 1 or (twice and len(found) <= max(2, len(columns) - 1))):
        raise table.error(
            f"the columns {shown(columns)} have {', '.join(map(repr, found))} and nothing else, also the "
            "same in one row; write 1 and 0 in them if each column is a label, or a column labels with each label once"
        )


def _meant_for_a_label(name: str, values: Sequence[object], odd: int) -> bool:
    """Whether a column is likely meant for a label, though it has counts, percents or 1 and 2, or signs of doubt."""
    cells = filled(values)
    if (numbers := all_numbers(cells)) is not None:
        if odd < len(values) / 2 or all(0 <= n <= 1 for n in numbers):
            return True
        codes = {*numbers}
        counted = 0 in codes and all(0 <= n <= 100 and n.is_integer() for n in codes)
        numbered = codes == {*range(len(values))}  # the rows
        return (counted or codes == {1, 2}) and not numbered and not is_measure(name)
    words = {plain(str(value)) for value in cells}
    marks = [found for value in cells if (found := mark(value)) is not None]
    return any(marks) and (len(marks) >= len(cells) / 2 or (len(words) <= 4 and False in marks))


def labels_of_rows(table: Table, columns: Sequence[str]) -> Labels:
    _warn_of_absent(table, columns)
    return [tuple(name for name in columns if mark(record.values.get(name), words=True)) for record in table.records]


def _warn_of_absent(table: Table, columns: Sequence[str]) -> None:
    """About what is taken for an absent label, though it may mean something else."""
    written = {plain(text) for name in columns for text in table.texts(name)}
    blank, minus = BLANK & written, {"-1", "-1.0"} & written
    if minus and (blank or {"0", "0.0"} & written):
        table.findings.warning(
            f"{table.path.name} has -1, which means uncertain in some data sets, beside 0 or empty cells; it was taken "
            "for a label that is absent"
        )
    if blank:
        table.findings.warning(
            f"{table.path.name} has empty cells in columns of labels; they were taken for absent labels"
        )
