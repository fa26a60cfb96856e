"""The exported report is one offline file in which labels and names are escaped; the exported maps are one image."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Literal

import numpy as np
import pytest
from PIL import Image, ImageColor

from cnnrnn.decoding import tree
from cnnrnn.decoding.trace import Path, Trace, TraceStep
from views import bars, decode_report

EVIL = "<img src=x onerror=alert(1)>"


def trace() -> Trace:
    """cat then END, of two labels."""
    steps = (
        TraceStep(np.array([-1]), np.array([3]), np.zeros(1), np.array([[0.8, 0.1, 0.1]])),
        TraceStep(np.array([0]), np.array([0]), np.log([0.8]), np.array([[0.0, 0.25, 0.75]])),
    )
    path = Path((0,), float(np.log(0.6)), (0, 0))
    return Trace((EVIL, "dog"), 1, steps, (path,), np.array([0.8, 0.3]), 0.7)


def test_the_report_escapes_labels_and_loads_nothing() -> None:
    image = Image.new("RGB", (40, 30))
    page = decode_report.report(EVIL, image, trace(), 0, [image, image], f"Maps show {EVIL}")
    assert EVIL not in page
    assert page.count("data:image/jpeg;base64,") == 3
    without_script = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"""(src|href)=["']?(http|//)""", without_script)
    assert "<td>80%</td>" in page


def test_the_map_strip_has_all_maps_side_by_side() -> None:
    strip = decode_report.map_strip(
        [Image.new("RGB", (400, 300), "red"), Image.new("RGB", (400, 300), "blue")], ["1 · a", "2 · b"]
    )
    assert strip.size == (720, 304)
    pixels = np.asarray(strip)
    assert (pixels[:270, :360] == (255, 0, 0)).all()  # to the last column: nothing between them, nothing cut off
    assert (pixels[:270, 360:] == (0, 0, 255)).all()


def test_the_tree_table_lists_every_branch() -> None:
    rows = tree.rows(trace(), 0.01)
    assert [(row["path"], row["is"]) for row in rows] == [
        (EVIL, "kept in the beam"),
        (f"{EVIL} → END", "finished path"),
        (f"{EVIL} → dog", "dropped"),
        ("dog", "dropped"),
    ]
    assert rows[1]["prefix"] == np.exp(np.log(0.6))
    assert rows[3]["why"].startswith("not among the 1 best")


def figures_in(page: str) -> list[list[dict]]:
    """The data of every plotly figure in a report."""
    calls = re.findall(r'Plotly\.newPlot\(\s*"[0-9a-f-]{36}",\s*', page)
    starts = [page.index(call) + len(call) for call in calls]
    return [json.JSONDecoder().raw_decode(page[start:])[0] for start in starts]


def colours_in(html: str) -> list[tuple[int, ...]]:
    """The colour of the first pixel of every image in a report."""
    found = re.findall(r"data:image/jpeg;base64,([^\"]+)", html)
    return [Image.open(io.BytesIO(base64.b64decode(one))).getpixel((0, 0)) for one in found]


def test_the_report_has_the_chosen_path_and_a_caption_for_each_map() -> None:
    steps = (
        TraceStep(np.array([-1]), np.array([3]), np.zeros(1), np.array([[0.2, 0.5, 0.3]])),
        TraceStep(np.array([0]), np.array([1]), np.log([0.5]), np.array([[0.74, 0.0, 0.26]])),
        TraceStep(np.array([0]), np.array([0]), np.log([0.37]), np.array([[0.0, 0.0, 1.0]])),
    )
    paths = (Path((1, 0), float(np.log(0.37)), (0, 0, 0)), Path((1,), float(np.log(0.13)), (0, 0)))
    searched = Trace(("cat", "dog"), 1, steps, paths, np.array([0.4, 0.9]), 0.8)
    red, green, blue = (Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue"))
    facts = {"image, SHA-256": "12ab", EVIL: EVIL}
    page = decode_report.report("photo.jpg", blue, searched, 1, [red, green], "A & B", facts)
    assert "<th>image, SHA-256</th><td>12ab</td>" in page
    assert EVIL not in page
    assert "photo.jpg, decoded" in page
    assert "dog → END: probability 13%; the search with a beam of 1 covers 80% of the probability." in page
    assert "A &amp; B" in page
    captions = re.findall(r"(<img[^>]*>)<figcaption>(.*?)</figcaption>", page)
    assert [caption for _, caption in captions] == ["1 · dog, 50%", "2 · END, the whole path 13%"]
    whole, *maps = (np.array(colour) for colour in colours_in(page))
    for colour, expected in zip([whole, *maps], [(0, 0, 255), (255, 0, 0), (0, 255, 0)], strict=True):
        assert np.abs(colour - expected).max() <= 3
    table = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", page)
    assert table == [("dog", "90%"), ("cat", "40%")]
    found, expected = figures_in(page), [
        bars.label_probabilities(searched, paths[1], dark=False), tree.figure(searched, 1, dark=False, min_prob=0.01),
    ]  # fmt: skip
    assert found == [json.loads(figure.to_json())["data"] for figure in expected]


def test_the_report_scales_large_images_down() -> None:
    large = Image.new("RGB", (2000, 1000))
    page = decode_report.report("large", large, trace(), 0, [large, large], "")
    found = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    assert [Image.open(io.BytesIO(base64.b64decode(one))).size for one in found] == [(720, 360)] * 3


def test_map_strip_captions_are_below_their_maps_and_inputs_are_not_modified() -> None:
    maps = [Image.new("RGB", (360, 180), "red"), Image.new("RGB", (360, 360), "blue")]
    same = decode_report.map_strip(maps, ["", ""])
    captioned = decode_report.map_strip(maps, ["", "cat"])
    assert same.size == (720, 394)
    assert same.getpixel((10, 200)) == (255, 255, 255)  # below the lower map
    changed = np.argwhere((np.asarray(same) != np.asarray(captioned)).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert 360 < left < right < 420
    assert 360 < top < bottom < 393
    assert maps[0].size == (360, 180)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_has_a_frame_for_each_map(kind: Literal["gif", "webp"]) -> None:
    colors = ("red", "lime", "blue")
    maps = [Image.new("RGB", (1000, 500), color) for color in colors]
    animation = Image.open(io.BytesIO(decode_report.animation(maps, ["1 · a", "2 · b", "3 · END"], kind)))
    assert animation.n_frames == 3
    assert animation.info["loop"] == 0  # for ever
    for number, color in enumerate(colors):
        animation.seek(number)
        animation.load()
        assert animation.info["duration"] == 1200
        frame = np.asarray(animation.convert("RGB")).astype(int)
        assert frame.shape[:2] == (394, 720)
        assert np.abs(frame[:350] - ImageColor.getrgb(color)).mean() < 3
        assert (frame[360:] < 100).any()  # the caption
        assert (frame[392:] > 250).all()
