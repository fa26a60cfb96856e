"""Labels that their separator tore apart, as old car where blanks separate, and "Yes, dark" where commas do."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

from cnnrnn.data.reading import Findings, Labels

_ROWS = 3  # in fewer, two labels stand together by chance


def point_out_torn(path: Path, labels: Labels, sign: str, findings: Findings) -> None:
    """Two labels between which the `sign` always stands: they never occur apart, and always in the same order."""
    counts = Counter(label for found in labels for label in {*found})
    pairs = Counter(pair for found in labels for pair in {*pairwise(found)})
    for (first, second), count in pairs.items():
        if count == counts[first] == counts[second] and count >= _ROWS:
            findings.warning(
                f"{first!r} and {second!r} of {path.name} always stand together; if {first + sign + second!r} is one "
                "label, write ; between the labels of all cells"
            )
