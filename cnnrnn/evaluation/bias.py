"""Co-occurrence bias: labels predicted because of the labels before them rather than of what the image shows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cnnrnn.evaluation.evaluate import Evaluation

LEAST_RAISED = math.log(2)  # nats: the labels before a step at least double its odds
MOST_STRENGTH = 0.5  # of a map that is weak beside the strongest of the path


class BiasedPair(NamedTuple):
    """A label that was predicted wrongly after another one, which raised it, on weak evidence in the image."""

    label: str
    after: str
    rows: tuple[int, ...]  # of the evaluation, the most raised first
    raised: float  # mean of the log-odds that the labels before it add, in nats
    strength: float  # mean of the map's strength, 0 to 1; NaN for a model that scores no locations
    right: int  # images in which the label, raised by the same one, is right


def biased_pairs(evaluation: Evaluation) -> list[BiasedPair]:
    """The pairs with most images first, then those that are raised most; none where the evidence is not known.

    A step counts if its label is wrong, the labels before it raise its log-odds by `LEAST_RAISED` or more, and its map
    reaches at most `MOST_STRENGTH` of the strongest map of its path. The other label of the pair is the one before it
    that raises it most by itself. Of a model that scores no locations, every map counts as weak.
    """
    steps = evaluation.steps
    if steps is None:
        return []
    raised = (steps.raised_by >= 0) & (steps.prefix >= LEAST_RAISED)
    weak = ~(steps.strength > MOST_STRENGTH)  # NaN as well
    true = evaluation.truth[steps.image, steps.label]
    wrong = raised & weak & ~true & ~evaluation.ignored[steps.image, steps.label]
    pair = steps.label * len(evaluation.labels) + steps.raised_by  # (step,)
    found = []
    for number in np.unique(pair[wrong]):
        chosen = np.flatnonzero(wrong & (pair == number))
        chosen = chosen[np.argsort(-steps.prefix[chosen], kind="stable")]
        label, after = divmod(int(number), len(evaluation.labels))
        found.append(
            BiasedPair(
                evaluation.labels[label],
                evaluation.labels[after],
                tuple(steps.image[chosen].tolist()),
                float(steps.prefix[chosen].mean()),
                float(steps.strength[chosen].mean()),
                int((raised & true & (pair == number)).sum()),
            )
        )
    return sorted(found, key=lambda one: (-len(one.rows), -one.raised))
