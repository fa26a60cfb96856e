"""What a reader of annotations makes of a file or folder, before any image is looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cnnrnn.data.split import Boxes

Level = Literal["error", "warning", "note"]
Labels = Sequence[tuple[str, ...]]  # of every row or cell
NEARLY_ALL = 0.9  # of `share_of_all`, hardly reached by chance


@dataclass(frozen=True)
class Row:
    """One annotation of one image; several rows of an image are joined."""

    where: str  # for people, such as "line 5"
    image: str  # as the annotation writes it
    labels: tuple[str, ...]
    split: str | None = None  # as written; None if the source says nothing about splits
    ignored: tuple[str, ...] = ()  # neither right nor wrong, such as VOC's difficult objects


@dataclass(frozen=True)
class Finding:
    """Something that a person should know before training. With an error, training would be wrong."""

    level: Level
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass
class Findings:
    """Collects findings; the same message is kept once."""

    items: list[Finding] = field(default_factory=list)

    def add(self, level: Level, message: str, places: Iterable[str] = ()) -> None:
        """`places` are named behind the message, the first few of them."""
        places = listed(places)
        found = Finding(level, f"{message} ({places})" if places else message)
        if found not in self.items:
            self.items.append(found)

    @property
    def errors(self) -> bool:
        return any(item.level == "error" for item in self.items)

    def error(self, message: str, places: Iterable[str] = ()) -> None:
        self.add("error", message, places)

    def warning(self, message: str, places: Iterable[str] = ()) -> None:
        self.add("warning", message, places)

    def note(self, message: str, places: Iterable[str] = ()) -> None:
        self.add("note", message, places)


def listed(names: Iterable[str], most: int = 5) -> str:
    """The first names with commas between, and a sign if there are more."""
    names = list(names)
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def listed_with_labels(found: Mapping[str, Iterable[str]], written: Callable[[str], str] = str) -> str:
    """Some keys or attributes, each with its first labels: weather (sunny, rainy), animal (cat, dog, cow, owl, …)."""
    return ", ".join(f"{written(name)} ({listed(labels, 4)})" for name, labels in list(found.items())[:6])


def share_of_all(labels: Sequence[Set[str]]) -> tuple[int, float]:
    """How many different labels images have, and the share of all pairs of an image and a label that are there: 1 where
    every image has all labels."""
    count = len(set().union(*labels))
    return count, sum(map(len, labels)) / max(1, count * len(labels))


@dataclass
class Reading:
    """All rows of a source in the order of its files."""

    kind: str  # for people, such as "CSV with one row per image"
    rows: list[Row]
    folder: Path  # under which the images are looked for
    findings: Findings
    image_folders: tuple[Path, ...] = ()  # where they are looked for first
    labels: tuple[str, ...] | None = None  # in the source's own order; None: those of the rows, sorted
    groups: Mapping[str, str] | None = None
    boxes: Callable[[str], Boxes] | None = None  # of an image, by the name that its row has
    separator: str | None = None  # of labels in the cells of a table, such as semicolons
    split: str | None = None  # that the name of its only table tells, such as train.csv; some rows may be held out
    labels_are_folders: bool = False  # beside which other labels may lie
    lists_images: bool = False  # in one file, as a table does, which may lack some that lie beside the others


@dataclass(frozen=True)
class Record:
    """A line of a table, or an object of a JSON list: values by column."""

    where: str
    values: dict[str, Any]
