"""Rendered scenes of colored shapes whose co-occurrence is known: small, exact data for tests and demos.

A square only appears together with a circle, a star and a cross never appear together, and the other labels are
independent; so a model of label *sets* has something to learn that a model of single labels can't.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

from cnnrnn.data.split import Box, Boxes, DataError, Sample, Split

SIZE = 64  # pixels
_CELL = 20


def _polygon(corners: int, inner: float = 1.0) -> Callable[[ImageDraw.ImageDraw, Box, str], None]:
    """A regular polygon; with `inner` below 1 a star."""

    def draw(canvas: ImageDraw.ImageDraw, box: Box, color: str) -> None:
        x, y, radius = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2] - box[0]) / 2
        points = []
        for i in range(2 * corners):
            angle = math.pi * i / corners
            reach = radius * (inner if i % 2 else 1.0)
            points.append((x + reach * math.sin(angle), y - reach * math.cos(angle)))
        canvas.polygon(points if inner < 1 else points[::2], fill=color)

    return draw


def _cross(canvas: ImageDraw.ImageDraw, box: Box, color: str) -> None:
    left, top, right, bottom = box
    third = (right - left) / 3
    canvas.rectangle((left + third, top, right - third, bottom), fill=color)
    canvas.rectangle((left, top + third, right, bottom - third), fill=color)


_SHAPES: dict[str, tuple[Callable[[ImageDraw.ImageDraw, Box, str], None], str]] = {
    "circle": (lambda canvas, box, color: canvas.ellipse(box, fill=color), "crimson"),
    "square": (lambda canvas, box, color: canvas.rectangle(box, fill=color), "royalblue"),
    "triangle": (_polygon(3), "seagreen"),
    "star": (_polygon(5, inner=0.45), "gold"),
    "cross": (_cross, "darkviolet"),
    "diamond": (_polygon(4), "darkorange"),
}
LABELS = tuple(_SHAPES)
SPLITS = {"train": 512, "val": 128, "test": 128}  # images


def draw_labels(rng: random.Random) -> frozenset[str]:
    """Sample a label set by the rules above."""
    labels = {
        label
        for label, probability in (("circle", 0.6), ("triangle", 0.4), ("diamond", 0.25))
        if rng.random() < probability
    }
    if "circle" in labels and rng.random() < 0.6:
        labels.add("square")
    if rng.random() < 0.5:
        labels.add(rng.choice(["star", "cross"]))
    return frozenset(labels)


def render(labels: frozenset[str], rng: random.Random) -> tuple[Image.Image, Boxes]:
    """The shapes in different cells of a 3 × 3 grid, shifted and on a tinted background, and their boxes."""
    ground = tuple(rng.randrange(200, 256) for _ in range(3))
    image = Image.new("RGB", (SIZE, SIZE), ground)
    canvas = ImageDraw.Draw(image)
    cells, boxes = rng.sample(range(9), len(labels)), Boxes()
    for label, cell in zip(sorted(labels), cells, strict=True):
        draw, color = _SHAPES[label]
        side = rng.uniform(13, 18)
        x = 2 + _CELL * (cell % 3) + rng.uniform(0, _CELL - side)
        y = 2 + _CELL * (cell // 3) + rng.uniform(0, _CELL - side)
        boxes[label] = [(x, y, x + side, y + side)]
        draw(canvas, boxes[label][0], color)
    return image, boxes


def load(root: Path, split: str) -> Split:
    """The split's scenes, rendered into ``root/scenes/split`` at the first call; the same at every call."""
    if split not in SPLITS:
        raise DataError(f"the scenes have no split '{split}'; choose one of {', '.join(SPLITS)}")
    folder = root / "scenes" / split
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(split)
    boxes: dict[Path, Boxes] = {}
    samples = []
    for number in range(SPLITS[split]):
        labels = draw_labels(rng)
        path = folder / f"{number:04d}.png"
        image, boxes[path] = render(labels, rng)
        if not path.exists():
            image.save(path)
        samples.append(Sample(path, labels))
    return Split(f"scenes {split}", LABELS, tuple(samples), boxes=lambda sample: boxes[sample.image])
