"""The sign that separates the labels in the cells of a table: found, or asked for where it is unclear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnrnn.data.split import DataError

Texts = Sequence[tuple[str, str]]  # of cells, each with its place in the file

_SIGNS = {";": "semicolons", "|": "vertical bars", ",": "commas", "\n": "line breaks"}
_SIGNS |= {sign: f"the sign {sign}" for sign in "；、，،"}
LIST_SIGNS = tuple(_SIGNS)
# What separates the labels of some people, but stands inside those of others: it is asked for.
_UNSURE = ("/", "+", "&", " - ", "::", ":", ".", " and ", *"~^#\\*=>•·", "_", "-")
_INSIDE_WORDS = ("_", "-", " ")  # which join the words of a label more often than they separate labels
_JOINING = {"and", "or", "with", "und", "oder", "et", "y", "e"}  # words between two labels


BLANKS = "separated by blanks"
SEVERAL_WORDS = "one in a cell, some of several words"


@dataclass(frozen=True)
class Separator:
    """Between the labels of a text; None where every text is one label."""

    sign: str | None
    description: str

    def split(self, text: str) -> list[str]:
        if self.sign is None:
            return [text]
        return text.split() if self.sign == " " else text.split(self.sign)


def find_separator(path: Path, cells: Texts) -> Separator:
    """The separator of all cells of a table. Raises DataError for texts that could be read in two ways."""
    texts = Counter(text for _, text in cells)
    found = [sign for sign in _SIGNS if any(sign in text for text in texts)]
    if found:
        _refuse_mixed(path, cells, texts, found[0])
        return Separator(found[0], f"separated by {_SIGNS[found[0]]}")
    for sign in _UNSURE:
        _refuse_unsure(path, cells, texts, sign)
    return _blank(path, texts)


def _refuse_mixed(path: Path, cells: Texts, texts: Counter[str], first: str) -> None:
    """Raises DataError where another sign than the `first` one of _SIGNS stands between labels, too.

    Signs that can stand inside a label are a mistake where they stand between two labels, and in one row only.
    """
    labels = Counter(part.strip() for text, count in texts.items() for part in [*text.split(first)] * count)
    for sign in (*_SIGNS, *_UNSURE, " "):
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
                    f"--separator {first!r} if that is one label"
                )


def _refuse_unsure(path: Path, cells: Texts, texts: Counter[str], sign: str) -> None:
    split = [[part.strip() for part in text.split(sign)] for text in texts]
    several = [parts for parts in split if len(parts) > 1 and all(parts)]
    alone = sum(any(part in texts for part in parts) for parts in several)
    unclear = alone >= 0.5 * len(several) and not (sign in _INSIDE_WORDS and _one_sided(several, texts))
    if not several or not (unclear or _recombined(several, sign in _INSIDE_WORDS)):
        return
    example = next(text for text in texts if sign in text)
    where = next(where for where, text in cells if text == example)
    raise DataError(
        f"{path}, {where}: is {example!r} one label or several? Give --separator {sign!r} if that separates "
        "labels, or --separator ';' if it doesn't"
    )


def _blank(path: Path, texts: Counter[str]) -> Separator:
    """Whether a blank separates labels or stands inside them.

    It separates if the words of most cells also stand alone or in many other combinations; it stands inside a
    label if the words never do. Everything between is refused, also where the words that stand alone are always
    the last or the first ones (bear, polar bear, brown bear), or the first words are never last ones: young lion,
    adult lion, young deer, adult deer.
    """
    several = [text.split() for text in texts if len(text.split()) > 1]
    if not several:
        return Separator(None, "one in a cell")
    words = {word for cell in several for word in cell}
    if all(word.isdigit() for word in words):
        return Separator(" ", BLANKS)
    alone = sum(any(word in texts for word in cell) for cell in several) / len(several)
    shared = Counter(word for cell in several for word in set(cell))
    repeated = sum(any(shared[word] > 1 for word in cell) for cell in several) / len(several)
    joining = next((word for cell in several for word in cell[1:-1] if _joins(word)), None)
    combined = len(several) >= 1.5 * len(words) and _on_both_sides(several)
    if joining is None and ((alone >= 0.5 and not _one_sided(several, texts)) or combined):
        return Separator(" ", BLANKS)
    if alone == 0 and repeated <= 0.5:
        return Separator(None, SEVERAL_WORDS)
    if joining is not None:
        example = next(" ".join(cell) for cell in several if joining in cell[1:-1])
        raise DataError(
            f"{path}: is {example!r} one label or several? Give --separator {f' {joining} '!r} if that "
            "separates labels, or --separator ';' if it doesn't"
        )
    example = " ".join(several[0])
    raise DataError(
        f"{path}: is {example!r} one label or several? Give --separator ' ' if blanks separate labels, "
        "or --separator ';' if they don't"
    )


def _joins(word: str) -> bool:
    return word.casefold() in _JOINING or not any(character.isalnum() for character in word)


def _on_both_sides(several: Sequence[Sequence[str]]) -> bool:
    """Whether a word is the first one here and the last one there: cat dog, dog bird. Adjectives never are the last."""
    return bool({parts[0] for parts in several} & {parts[-1] for parts in several})


def _recombined(several: Sequence[Sequence[str]], inside_words: bool) -> bool:
    """Whether the parts of most texts stand beside other ones elsewhere: cat/dog, dog/bird, bird/cat.

    A sign that stands inside words also makes left_hand, right_hand, left_foot and right_foot.
    """
    counts = Counter(part for parts in several for part in {*parts})
    recurring = sum(all(counts[part] > 1 for part in parts) for parts in several)
    if inside_words and not (recurring == len(several) and _on_both_sides(several)):
        return False
    return len(several) > 2 and recurring > 0.5 * len(several)


def _one_sided(several: Sequence[Sequence[str]], texts: Counter[str]) -> bool:
    """Whether the words that also stand alone are always the last ones, or always the first ones."""
    sides = [(parts[0] in texts, parts[-1] in texts) for parts in several if any(part in texts for part in parts)]
    return not any(first for first, _ in sides) or not any(last for _, last in sides)
