"""Whether the blanks in the cells of a table separate labels, or stand inside of labels such as "polar bear"."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cnnrnn.data.split import DataError

_JOINING = {  # words between two labels
    *(
        "and",
        "or",
        "with",
        "und",
        "oder",
        "mit",
        "et",
        "ou",
        "y",
        "o",
        "e",
        "i",
        "oraz",
        "lub",
        "en",
        "och",
        "og",
        "ja",
    ),
    *("ve", "és", "și", "и", "или", "та"),
}
_ROWS_OF_EACH = 4  # rows per different text that are many

_Parts = Sequence[Sequence[str]]  # of the different texts that have more than one


class Blanks(NamedTuple):
    """What blanks do; where that isn't certain, what a person should know about it."""

    separate: bool
    doubt: str | None = None


def read_blanks(path: Path, texts: Counter[str]) -> Blanks:
    """What blanks do in all texts, which are counted. Raises DataError for texts that could be read in two ways.

    They separate labels if the words of most texts also stand alone, or in many other combinations.
    """
    several = [text.split() for text in texts if len(text.split()) > 1]
    words = {word for parts in several for word in parts}
    if several and all(word.isdigit() for word in words):
        return Blanks(True)
    if not several:
        return Blanks(False)

    def names(why: str) -> Blanks:
        read = f"{' '.join(several[0])!r} and the like were read as one label each, as {why}"
        return Blanks(False, f"{read}; give --separator ' ' if blanks separate labels")

    if _have_a_common_word(texts):
        counted = all(any(len(word) == 1 or word.isdigit() for word in parts) for parts in several)  # type A, grade 10
        return Blanks(False) if counted or len(texts) == 1 else names("they share a word")
    alone = sum(any(word in texts for word in parts) for parts in several) / len(several)
    joined = [parts for parts in several if any(map(_joins, parts[1:-1]))]
    combined = len(several) >= 1.5 * len(words) and on_both_sides(several)
    if not joined and ((alone >= 0.5 and not one_sided(several, texts)) or combined):
        return Blanks(True)
    if alone == 0 and _share_no_words(several):
        return Blanks(False)
    recur = any(texts[text] > 1 for text in texts if len(text.split()) > 1)  # combined labels of few rows hardly do
    if alone == 0 and recur and len(several) < len(texts) and _are_names(several):
        return names("their words never stand alone, as other labels do")
    if not joined and _few_texts(texts):
        return names("few different texts stand in many rows")
    raise _unclear(path, joined[0] if joined else several[0])


def _unclear(path: Path, parts: Sequence[str]) -> DataError:
    joining = next(filter(_joins, parts[1:-1]), None)
    advice = "Give --separator ' ' if blanks separate labels, or --separator ';' if they don't"
    if joining is not None:
        advice = f"Give --separator {f' {joining} '!r} if that separates labels, or --separator ';' if it doesn't"
    return DataError(f"{path}: is {' '.join(parts)!r} one label or several? {advice}")


def _have_a_common_word(texts: Counter[str]) -> bool:
    """Whether all texts have a word, as in grade 0, grade 1: as a label it would say nothing.

    It may be one all the same if the other words recur (cat person, cat dog person), and it isn't always the first or
    the last one of as many (left upper lobe, left lower lobe, right upper lobe).
    """
    split = [text.split() for text in texts]
    common = set.intersection(*map(set, split))
    rests = [{*parts} - common for parts in split]
    if not common or not all(rests):
        return len(texts) == 1
    if max(Counter(word for rest in rests for word in rest).values()) == 1:
        return True
    at_an_end = any({parts[side] for parts in split} <= common for side in (0, -1))
    return at_an_end and len({*map(len, split)}) == 1


def _share_no_words(several: _Parts) -> bool:
    """Whether most texts share no word with another one, as hot dog and fire hydrant."""
    counts = _counts(several)
    return sum(any(counts[word] > 1 for word in parts) for parts in several) <= 0.5 * len(several)


def _are_names(several: _Parts) -> bool:
    """Whether no text has all words from others, as those of living room and dining room don't."""
    counts = _counts(several)
    recombined = any(all(counts[word] > 1 for word in parts if not _joins(word)) for parts in several)
    return not recombined and not on_both_sides(several)


def _counts(several: _Parts) -> Counter[str]:
    """In how many texts each word stands, but for those that join others, as in salt and pepper, bread and butter."""
    return Counter(word for parts in several for word in {*parts} if not _joins(word))


def _few_texts(texts: Counter[str]) -> bool:
    """Whether there are many rows for each text, and no more texts than words: combined labels make more of them."""
    words = {word for text in texts for word in text.split()}
    return sum(texts.values()) >= _ROWS_OF_EACH * len(texts) and len(texts) < len(words)


def _joins(word: str) -> bool:
    signs = not any(sign.isalnum() or unicodedata.category(sign) == "So" for sign in word)  # emojis are labels
    return word.casefold() in _JOINING or signs


def on_both_sides(several: _Parts) -> bool:
    """Whether a word is the first one here and the last one there: cat dog, dog bird. Adjectives never are the last."""
    return bool({parts[0] for parts in several} & {parts[-1] for parts in several})


def one_sided(several: _Parts, texts: Counter[str]) -> bool:
    """Whether the words that also stand alone are always the last ones, or always the first ones."""
    sides = [(parts[0] in texts, parts[-1] in texts) for parts in several if any(part in texts for part in parts)]
    return not any(first for first, _ in sides) or not any(last for _, last in sides)
