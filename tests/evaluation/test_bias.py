"""Co-occurrence bias on steps that can be checked by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cnnrnn.data import Sample, Split
from cnnrnn.evaluation.bias import biased_pairs
from cnnrnn.evaluation.evaluate import Evaluation, Predictions, Steps, report

LABELS = ("person", "tie", "cup")
PERSON, TIE, CUP = range(3)
# image, label, prefix, raised by, strength
STEPS = [
    (0, PERSON, 0.0, -1, 1.0), (0, TIE, 1.0, PERSON, 0.2),
    (1, PERSON, 0.0, -1, 1.0), (1, TIE, 2.0, PERSON, 0.5),
    (2, PERSON, 0.0, -1, 1.0), (2, TIE, 2.0, PERSON, 0.6),  # the map is strong
    (3, PERSON, 0.0, -1, 1.0), (3, TIE, 0.5, PERSON, 0.1),  # hardly raised
    (4, PERSON, 0.0, -1, 1.0), (4, TIE, 3.0, PERSON, 0.1),  # right
    (5, PERSON, 0.0, -1, 1.0), (5, TIE, 3.0, PERSON, 0.1),  # ignored
    (6, TIE, 0.0, -1, 1.0), (6, CUP, 4.0, TIE, math.nan),  # no map
    (7, CUP, 5.0, -1, 0.1),  # the first
]  # fmt: skip


@pytest.fixture
def evaluation() -> Evaluation:
    truth, ignored = np.zeros((8, 3), dtype=bool), np.zeros((8, 3), dtype=bool)
    truth[:6, PERSON] = truth[4, TIE] = truth[6, TIE] = ignored[5, TIE] = True
    columns = [np.array(column) for column in zip(*STEPS, strict=True)]
    image, label, prefix, raised_by, strength = columns
    samples = tuple(Sample(Path(f"{row}.jpg"), ()) for row in range(8))
    metrics = report(truth, ignored, Predictions(8, 3), LABELS)
    steps = Steps(image, label, prefix, raised_by, strength)
    return Evaluation(Split("toy", LABELS, samples), LABELS, truth, ignored, Predictions(8, 3), metrics, steps)


def test_pairs_are_wrong_labels_that_company_raised_on_weak_evidence(evaluation: Evaluation) -> None:
    tie, cup = biased_pairs(evaluation)
    assert (tie.label, tie.after, tie.rows, tie.right) == ("tie", "person", (1, 0), 1)  # the most raised first
    assert tie.raised == pytest.approx(1.5)
    assert tie.strength == pytest.approx(0.35)
    assert (cup.label, cup.after, cup.rows, cup.right) == ("cup", "tie", (6,), 0)
    assert math.isnan(cup.strength)


def test_without_evidence_there_are_no_pairs(evaluation: Evaluation) -> None:
    plain = Evaluation(*[getattr(evaluation, name) for name in list(Evaluation.__dataclass_fields__)[:6]])
    assert biased_pairs(plain) == []
