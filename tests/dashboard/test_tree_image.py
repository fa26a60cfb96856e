"""The tree as a file: the figure's points, lines and texts; labels are text, whatever they contain."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image, ImageColor

from cnnrnn.decoding import tree
from cnnrnn.decoding.trace import Path, Trace, TraceStep
from cnnrnn.utils.style import LIGHT
from views import tree_image

EVIL = '</text><script>alert(1)</script>"&$x^2$'
LONG = "a label whose name is far too long for a tree"


def trace(first: str, second: str) -> Trace:
    """The first label, then END; the second was dropped."""
    steps = (
        TraceStep(np.array([-1]), np.array([3]), np.zeros(1), np.array([[0.8, 0.1, 0.1]])),
        TraceStep(np.array([0]), np.array([0]), np.log([0.8]), np.array([[0.0, 0.25, 0.75]])),
    )
    return Trace((first, second), 1, steps, (Path((0,), float(np.log(0.6)), (0, 0)),), np.array([0.8, 0.3]), 0.7)


def texts(file: bytes) -> list[str]:
    root = ET.fromstring(file)
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_an_svg_has_the_labels_as_text_and_shortens_long_ones() -> None:
    found = texts(tree_image.draw(tree.figure(trace(EVIL, LONG), 0, False, 0.01), "svg"))
    assert '</text><script…cript>"&$x^2$ 80%' in found  # as it is, and no formula
    assert any(text.startswith("a label whose") and "…" in text and text.endswith("10%") for text in found)
    assert {"START", "END: path 60%", "step 1", "step 2"} <= set(found)
    assert len(found) == 4 + 1 + 2  # START, two labels and END; the second label once more; the steps


def test_an_svg_has_formulas_and_characters_without_a_font_as_they_are() -> None:
    found = texts(tree_image.draw(tree.figure(trace("狗 $x^2$", "cat"), 0, False, 0.01), "svg"))
    assert "狗 $x^2$ 80%" in found


@pytest.mark.parametrize("label", ["dog", "狗", "a_b $c$"])
def test_a_png_has_the_chosen_path_from_left_to_right(label: str) -> None:
    file = tree_image.draw(tree.figure(trace(label, "cat"), 0, False, 0.01), "png")
    pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)
    assert (pixels[0, 0] == 255).all()
    chosen = np.abs(pixels - ImageColor.getrgb(LIGHT.chosen)).max(axis=2) < 8
    row = chosen[chosen.sum(axis=1).argmax()]  # START, the label and END are on one line
    first, last = np.flatnonzero(row)[[0, -1]]
    assert row[first : last + 1].mean() > 0.9
    assert last - first > 0.5 * len(row)
    dropped = np.abs(pixels - ImageColor.getrgb(LIGHT.faint)).max(axis=2) < 8
    assert dropped.any()
