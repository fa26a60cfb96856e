"""The sign that separates the labels in the cells of a table: found, or asked for where it is unclear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnrnn.data.formats.blanks import Blanks, on_both_sides, one_sided, read_blanks
from cnnrnn.data.formats.commas_inside import may_be_inside
from cnnrnn.data.split import DataError

Texts = Sequence[tuple[str, str]]  # of cells, each with its place in the file

_SIGNS = {";": "semicolons", "|": "vertical bars", ",": "commas", "\n": "line breaks"}
_SIGNS |= {sign: f"the sign {sign}" for sign in "；、，،"}
LIST_SIGNS = tuple(_SIGNS)
COMMAS = (",", *"、，،")
# What separates the labels of some people, but stands inside those of others: it is asked for.
INSIDE_LABELS = ("/", "+", "&", " - ", "::", ":", ".", " and ", *"~^#\\*=>•·・／＋＆", "_", "-")
_INSIDE_WORDS = ("_", "-", " ")  # which join the words of a label more often than they separate labels

BLANKS = "separated by blanks"
SEVERAL_WORDS = "one in a cell, some of several words"


@dataclass(frozen=True)
class Separator:
    """Between the labels of a text; None where every text is one label."""

    sign: str | None
    description: str
    doubt: str | None = None  # what a person should know if it isn't certain

    @property
    def name(self) -> str | None:
        """What separates the labels, such as semicolons."""
        return self.sign and self.description.removeprefix("separated by ").removesuffix(" as given")

    def split(self, text: str) -> list[str]:
        if self.sign is None:
            return [text]
        return text.split() if self.sign == " " else text.split(self.sign)


def find_separator(path: Path, cells: Texts, one_label: bool = False) -> Separator:
    """The separator of all cells of a table. Raises DataError for texts that could be read in two ways.

    Where the layout of a table has `one_label` in a cell, only signs of lists can separate labels.
    """
    texts = Counter(text for _, text in cells)
    found = [sign for sign in _SIGNS if any(sign in text for text in texts)]
    unsure = () if one_label else INSIDE_LABELS
    if found:
        _refuse_mixed(path, cells, found[0], (*_SIGNS, *unsure, " "))
        if found[0] == "," and may_be_inside(texts):
            example = max((text for text in texts if "," in text), key=lambda text: text.count(","))
            raise _unsure(path, cells, ",", example, several=example.count(",") > 2)
        return Separator(found[0], f"separated by {_SIGNS[found[0]]}")
    for sign in unsure:
        _refuse_unsure(path, cells, texts, sign)
    blanks = Blanks(False) if one_label else read_blanks(path, texts)
    if blanks.separate:
        return Separator(" ", BLANKS)
    words = any(len(text.split()) > 1 for text in texts)
    return Separator(None, SEVERAL_WORDS if words else "one in a cell", blanks.doubt)


def _refuse_mixed(path: Path, cells: Texts, first: str, others: Sequence[str]) -> None:
    """Raises DataError where one of `others` stands between labels, too, and not only the `first` sign.

    Signs that can stand inside a label are a mistake where they stand between two labels, and in one row only.
    """
    labels = Counter(part.strip() for _, text in cells for part in text.split(first))
    for sign in others:
        known = any if sign in _SIGNS else all
        for label in sorted(labels):
            parts = [part.strip() for part in label.split(sign)]
            if len(parts) < 2 or not known(part in labels for part in parts):
                continue
            if sign in _SIGNS or labels[label] == 1:
                where = next(w for w, text in cells if label in text)
                raise DataError(
                    f"{path}: labels are separated by {_SIGNS[first]} in some rows and by "
                    f"{_SIGNS.get(sign, repr(sign))} in others ({where}: {label!r}); use one sign, or give "
                    f"--separator {first!r} or {sign!r}, whichever separates labels"
                )


def _refuse_unsure(path: Path, cells: Texts, texts: Counter[str], sign: str) -> None:
    split = [[part.strip() for part in text.split(sign)] for text in texts]
    several = [parts for parts in split if len(parts) > 1 and all(parts)]
    alone = sum(any(part in texts for part in parts) for parts in several)
    unclear = alone >= 0.5 * len(several) and not (sign in _INSIDE_WORDS and one_sided(several, texts))
    if sign == ":" and not alone and all(part.isdigit() for parts in several for part in parts):
        return  # 16:9, 10:30
    if not several or not (unclear or _recombined(several, sign in _INSIDE_WORDS)):
        return
    raise _unsure(path, cells, sign, next(text for text in texts if sign in text))


def _unsure(path: Path, cells: Texts, sign: str, example: str, several: bool = False) -> DataError:
    """With `several` labels in a cell, of which each has the sign."""
    where = next(where for where, text in cells if text == example)
    otherwise = "write ; between the labels of all cells" if several else "--separator ';'"
    return DataError(
        f"{path}, {where}: is {example!r} one label or several? Give --separator {sign!r} if that separates "
        f"labels, or {otherwise} if it doesn't"
    )


def _recombined(several: Sequence[Sequence[str]], inside_words: bool) -> bool:
    """Whether the parts of most texts stand beside other ones elsewhere: cat/dog, dog/bird, bird/cat.

    A sign that stands inside words also makes left_hand, right_hand, left_foot and right_foot.
    """
    counts = Counter(part for parts in several for part in {*parts})
    recurring = sum(all(counts[part] > 1 for part in parts) for parts in several)
    if inside_words and not (recurring == len(several) and on_both_sides(several)):
        return False
    return len(several) > 2 and recurring > 0.5 * len(several)
