"""Boxes of a small image and paths about them, for the tests of evaluating maps."""

from __future__ import annotations

from dataclasses import replace

import torch

from cnnrnn.data import Boxes
from cnnrnn.evaluation.map_records import DecodedImage

SIZE = (50, 40)
BOXES = {"circle": [(0.0, 0.0, 10.0, 10.0)], "star": [(30.0, 20.0, 50.0, 40.0)], "cross": [(20.0, 0.0, 30.0, 10.0)]}
LABELS = ("circle", "star", "cross", "square", "diamond")


def decoded(names: tuple[str, ...], **changes: object) -> DecodedImage:
    nothing = torch.zeros(1)
    tokens = tuple(LABELS.index(name) for name in names)
    return replace(DecodedImage(SIZE, nothing, nothing, tokens, names, BOXES), **changes)  # type: ignore[arg-type]


def boxes_of(*names: str) -> Boxes:
    return {name: BOXES[name] for name in names}
