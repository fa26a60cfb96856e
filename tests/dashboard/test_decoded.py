"""What is kept of a decoded picture stands alone and takes no HTML from labels or names."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from cnnrnn.decoding import Path, Trace, TraceStep
from views import decoded, tree

EVIL = "<img src=x onerror=alert(1)>"


def trace() -> Trace:
    """cat then END, of two labels."""
    steps = (
        TraceStep(np.array([-1]), np.array([3]), np.zeros(1), np.array([[0.8, 0.1, 0.1]])),
        TraceStep(np.array([0]), np.array([0]), np.log([0.8]), np.array([[0.0, 0.25, 0.75]])),
    )
    path = Path((0,), float(np.log(0.6)), (0, 0))
    return Trace((EVIL, "dog"), 1, steps, (path,), np.array([0.8, 0.3]), 0.7)


def test_the_report_is_one_file_without_foreign_html_or_addresses() -> None:
    picture = Image.new("RGB", (40, 30))
    page = decoded.report(EVIL, picture, trace(), 0, [picture, picture], f"Maps show {EVIL}")
    assert EVIL not in page
    assert page.count("data:image/jpeg;base64,") == 3
    without_script = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"""(src|href)=["']?(http|//)""", without_script)
    assert "80.00 %" in page


def test_the_maps_are_one_picture() -> None:
    sheet = decoded.strip(
        [Image.new("RGB", (400, 300), "red"), Image.new("RGB", (400, 300), "blue")], ["1 · a", "2 · b"]
    )
    assert sheet.size == (720, 304)
    assert sheet.getpixel((10, 10)) == (255, 0, 0)
    assert sheet.getpixel((700, 10)) == (0, 0, 255)


def test_the_table_of_the_tree_tells_what_every_branch_is() -> None:
    rows = tree.rows(trace(), 0.01)
    assert [(row["path"], row["is"]) for row in rows] == [
        (EVIL, "kept in the beam"),
        (f"{EVIL} → END", "finished path"),
        (f"{EVIL} → dog", "dropped"),
        ("dog", "dropped"),
    ]
    assert rows[1]["whole path"] == np.exp(np.log(0.6))
    assert rows[3]["why"].startswith("not among the 1 best")
