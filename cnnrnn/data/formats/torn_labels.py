"""Labels of two words that blanks tore apart, as old car in a table whose labels are separated by blanks."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

from cnnrnn.data.reading import Findings, Labels

_ROWS = 3  # in fewer, two labels stand together by chance


def point_out_torn(path: Path, labels: Labels, findings: Findings) -> None:
    """Two labels that never stand apart, and always in the same order."""
    counts = Counter(label for found in labels for label in {*found})
    pairs = Counter(pair for found in labels for pair in {*pairwise(found)})
    for (first, second), count in pairs.items():
        if count == counts[first] == counts[second] and count >= _ROWS:
            findings.warning(
                f"{first!r} and {second!r} of {path.name} always stand together; if '{first} {second}' is one label, "
                "write ; between the labels of all cells"
            )
