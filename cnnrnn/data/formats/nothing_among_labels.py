"""Words such as NA in the cells of labels: left out, unless they are labels, such as that of North America."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cnnrnn.data.formats.no_labels import is_nothing, may_be_name
from cnnrnn.data.reading import Findings, listed

_RECURS = 2  # cells in which a word beside labels is no mistake
_ALONE = 4  # so many times as often it may stand alone, as a label does
_MANY = 4  # cells of which hardly all have one label by chance


class Cell(NamedTuple):
    where: str
    parts: Sequence[str]
    is_list: bool  # as in JSON, in which somebody wrote down each part


def without_nothing(path: Path, cells: Sequence[Cell], findings: Findings) -> list[list[str]]:
    """The parts of every cell that are labels."""
    names = _names(cells)
    left_out: dict[bool, dict[str, list[str]]] = {True: defaultdict(list), False: defaultdict(list)}
    kept: dict[str, list[str]] = defaultdict(list)  # places of words by their spelling
    result = []
    for where, parts, _ in cells:
        labels = [part for part in parts if not is_nothing(part) or part.strip().casefold() in names]
        result.append(labels)
        for part in filter(is_nothing, parts):
            if part.strip():
                found = kept if part in labels else left_out[bool(labels)]
                found[part.strip()].append(where)
    for word, places in kept.items():
        findings.warning(
            f"{word!r} was read as a label of {len(places)} cells of {path.name}, as it stands beside others; if it "
            "stands for no label, leave it out",
            places,
        )
    _tell(f"cells of {path.name} have", "among their labels; it was left out", left_out[True], findings)
    _tell(f"cells of {path.name} with", "were taken for no labels", left_out[False], findings)
    return result


def _names(cells: Sequence[Cell]) -> set[str]:
    """The words that are labels: in a list with others, or again and again beside others in a text.

    A word that stands in all cells, or in texts that all have as many parts, only fills those with fewer labels.
    """
    alone: Counter[str] = Counter()
    in_texts: Counter[str] = Counter()  # cells where it stands beside labels
    in_lists: Counter[str] = Counter()
    for _, parts, is_list in cells:
        if not (written := [part.strip().casefold() for part in parts if is_nothing(part)]):
            continue
        for word in filter(may_be_name, {*written}):
            if written.count(word) == len(parts):
                alone[word] += 1
            elif written.count(word) == 1 and len(written) < len(parts):
                (in_lists if is_list else in_texts)[word] += 1
    filled = len({len(cell.parts) for cell in cells if not cell.is_list and cell.parts}) == 1
    labelled = sum(bool(cell.parts) for cell in cells)
    names = {*in_lists}
    if not filled:
        names |= {word for word, count in in_texts.items() if count >= _RECURS and count * _ALONE >= alone[word]}
    return {word for word in names if labelled < _MANY or in_lists[word] + in_texts[word] + alone[word] < labelled}


def _tell(before: str, behind: str, places: dict[str, list[str]], findings: Findings) -> None:
    """About words with the places of each; how to keep those that may be a label."""
    if not places:
        return
    cells = list(dict.fromkeys(where for found in places.values() for where in found))
    message = f"{len(cells)} {before} {listed(map(repr, places))} {behind}"
    if name := next(filter(may_be_name, places), None):
        message += f"; if it is a label, write it in quotes of its own: {quoted(name)}"
    findings.warning(message, cells)


def quoted(label: str) -> str:
    """A label as a cell has it: a word for nothing stands in quotes."""
    return f"'{label}'" if is_nothing(label) else label
