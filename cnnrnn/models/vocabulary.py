"""The vocabulary: the labels, their frequencies in the training set, and the order in which they are emitted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cnnrnn.utils.errors import UserError, did_you_mean, summarize_error
from cnnrnn.utils.style import first_few

ORDERS = ("frequent", "rare", "random", "free")
_FILE = "fixed:"  # begins an order that a file has

START_NAME = "START"
END_NAME = "END"

IGNORE_TOKEN = -100  # what torch's cross-entropy skips


@dataclass(frozen=True)
class Vocabulary:
    """Labels in the order of emission: a label's index is its rank, so sorting indices orders a sequence.

    Two tokens follow the labels: END, which the decoder may emit, and START, which only enters it.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]  # training images that have each label
    groups: tuple[str, ...] = ()  # the group of each label, such as COCO's super-categories; empty if there are none

    def __post_init__(self) -> None:
        if not self.labels:
            raise ValueError("a vocabulary needs at least one label")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("a label occurs twice in the vocabulary")
        if len(self.counts) != len(self.labels):
            raise ValueError(f"{len(self.labels)} labels but {len(self.counts)} counts")
        if self.groups and len(self.groups) != len(self.labels):
            raise ValueError(f"{len(self.labels)} labels but {len(self.groups)} groups")

    @classmethod
    def from_label_sets(
        cls,
        labels: Sequence[str],
        label_sets: Iterable[Iterable[str]],
        order: str = "frequent",
        seed: int = 0,
        groups: Mapping[str, str] | None = None,
    ) -> Vocabulary:
        """Count the training set and order the labels.

        "frequent" is the paper's order, the most frequent label first and ties by name; "rare" is its reverse,
        "random" one shuffle for all sequences, and "fixed:FILE" the order of a file with a label on each line. With
        "free", training chooses an order for each image, and the labels are listed by frequency.
        `groups` has the group of every label. Raises UserError for an unknown order or a file that doesn't name each
        label once.
        """
        given = read_order(order)
        counts = Counter(label for label_set in label_sets for label in set(label_set))
        if unknown := counts.keys() - set(labels):
            raise ValueError(f"labels that are not in the data set's list: {sorted(unknown)}")
        ordered = sorted(labels, key=lambda label: (-counts[label], label))
        if order == "rare":
            ordered.reverse()
        elif order == "random":
            random.Random(seed).shuffle(ordered)
        elif given is not None:
            _check_order(order.removeprefix(_FILE), given, labels)
            ordered = given
        return cls(
            tuple(ordered),
            tuple(counts[label] for label in ordered),
            tuple(groups[label] for label in ordered) if groups else (),
        )

    def __repr__(self) -> str:
        return f"<Vocabulary of {len(self)} labels ({first_few(self.labels)})>"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def end(self) -> int:
        """Index of END among the outputs; the last one."""
        return len(self.labels)

    @property
    def start(self) -> int:
        """Index of START among the inputs; the last one."""
        return len(self.labels) + 1

    def name(self, token: int) -> str:
        """The label's name, or START or END."""
        if token < len(self.labels):
            return self.labels[token]
        return {self.end: END_NAME, self.start: START_NAME}[token]

    def indices(self, names: Iterable[str]) -> list[int]:
        """Indices of a set of labels, in the order of emission. Raises ValueError for an unknown name."""
        rank = {label: index for index, label in enumerate(self.labels)}
        try:
            return sorted({rank[name] for name in names})
        except KeyError as unknown:
            raise ValueError(f"the vocabulary has no label {unknown}") from None

    def encode(self, label_sets: Sequence[Iterable[str]]) -> tuple[Tensor, Tensor]:
        """Teacher-forced sequences of a batch of label sets.

        Returns inputs (batch, step): START, then the labels, padded with END, whose steps are ignored by the loss;
        and targets (batch, step): the labels, END, then ``IGNORE_TOKEN``.
        """
        sequences = [self.indices(label_set) for label_set in label_sets]
        steps = 1 + max(map(len, sequences), default=0)
        inputs = torch.full((len(sequences), steps), self.end)  # (batch, step)
        targets = torch.full((len(sequences), steps), IGNORE_TOKEN)  # (batch, step)
        inputs[:, 0] = self.start
        for row, sequence in enumerate(sequences):
            inputs[row, 1 : 1 + len(sequence)] = torch.tensor(sequence, dtype=torch.long)
            targets[row, : 1 + len(sequence)] = torch.tensor([*sequence, self.end])
        return inputs, targets


def no_label(name: str, labels: Sequence[str]) -> str:
    """The message for a name that is none of the labels, with the one that may be meant, or some that there are."""
    return (
        f"there is no label '{name}'; {did_you_mean(name, labels)}the {len(labels)} labels are {first_few(labels, 20)}"
    )


def read_order(order: str) -> list[str] | None:
    """The labels in the file of an order "fixed:FILE"; None for the other orders.

    Raises UserError for an unknown order and for a file that can't be read.
    """
    if order in ORDERS:
        return None
    if not order.startswith(_FILE):
        raise UserError(f"no label order '{order}'; choose {', '.join(ORDERS)} or fixed:FILE")
    path = Path(order.removeprefix(_FILE))
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the label order {path} can't be read: {summarize_error(error)}") from None


def _check_order(path: str, ordered: Sequence[str], labels: Sequence[str]) -> None:
    if sorted(ordered) != sorted(labels):
        wrong = sorted(set(ordered) ^ set(labels)) or [label for label, n in Counter(ordered).items() if n > 1]
        raise UserError(f"{path} must name each of the {len(labels)} labels once; look at {', '.join(wrong[:5])}")
