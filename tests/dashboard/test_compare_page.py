"""The page that sets two models or two images side by side, on small checkpoints of rendered scenes."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample, Split, load_split
from cnnrnn.training.initialize import new_checkpoint
from views import tree
from views.changes import changes, figure
from views.style import percent

Shown = Callable[[AppTest], list[tuple[str, bytes]]]
Chart = Callable[[AppTest, str], list[dict[str, Any]]]
Data = Callable[[go.Figure], list[dict[str, Any]]]

PAGE = "app_pages/compare.py"


def opened(app: AppTest) -> AppTest:
    app.run()
    app.session_state["compared_table"] = True  # opened
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def table(app: AppTest) -> dict[str, tuple[float, float]]:
    frame = next(frame.value for frame in app.dataframe if "difference" in frame.value)
    return {row.label: (row.left, row.right) for row in frame.itertuples()}


def test_one_model_alone_says_what_to_do(app: AppTest) -> None:
    assert "only one model" in opened(app).info[0].value


def test_two_models_are_matched_by_the_names_of_their_labels(app: AppTest, scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "train")
    rare = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), order="rare", embedding_dim=8)
    rare.model.eval()
    rare.save(state.CHECKPOINTS / "rare", {}, card="")
    page = opened(app)
    image = state.open_sample(state.sample_names()[0])
    both = [Checkpoint.load(state.CHECKPOINTS / name) for name in ("voc", "rare")]
    assert both[0].vocabulary.labels != both[1].vocabulary.labels  # another order
    left, right = (state.outcome(checkpoint, image, 8) for checkpoint in both)
    for label, pair in table(page).items():
        for value, side in zip(pair, (left, right), strict=True):
            assert value == pytest.approx(float(side.marginals[side.labels.index(label)]), abs=1e-6)
    assert page.selectbox(key="other_model").value == "rare"


def test_the_baseline_stands_beside_the_sequence_model(app: AppTest, scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "train")
    baseline = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), head="sigmoid")
    baseline.model.eval()
    baseline.save(state.CHECKPOINTS / "sigmoid", {}, card="")
    page = opened(app)
    assert len(table(page)) == len(split.labels)
    assert any("no sequence to search" in caption.value for caption in page.caption)


def test_two_images_are_compared_on_one_model(app: AppTest) -> None:
    page = opened(app)
    page.segmented_control(key="compare").set_value("two images").run()
    assert not page.exception
    first, last = state.sample_names()[0], state.sample_names()[-1]
    page.pills(key="second_sample").set_value(last).run()
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "voc")
    traces = [state.outcome(checkpoint, state.open_sample(name), 8) for name in (first, last)]
    expected = {change.label: (change.before, change.after) for change in changes(*traces)}
    assert table(page) == {label: pytest.approx(pair) for label, pair in expected.items()}


def test_a_second_model_that_is_broken_is_one_line(app: AppTest) -> None:
    shutil.copytree(state.CHECKPOINTS / "voc", state.CHECKPOINTS / "broken")
    (state.CHECKPOINTS / "broken" / "model.safetensors").write_bytes(b"x")
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert "half\\-written or was changed" in app.error[0].value


def test_each_side_shows_its_own_labels_search_and_maps(
    app: AppTest, chart_shown: Chart, data_of: Data, images_shown: Shown
) -> None:
    page = opened(app)
    names = state.sample_names()[0], state.sample_names()[-1]
    page.segmented_control(key="compare").set_value("two images").run()
    page.pills(key="second_sample").set_value(names[1]).run()
    assert not page.exception
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "voc")
    images = [state.open_sample(name) for name in names]
    traces = [state.outcome(checkpoint, image, 8) for image in images]
    found = changes(*traces)
    assert chart_shown(page, "compared") == data_of(figure(found, False, names))
    differences = next(frame.value for frame in page.dataframe if "difference" in frame.value)["difference"]
    assert differences.tolist() == pytest.approx([change.after - change.before for change in found])
    expected_maps, badges, said = [], [], [trace.choices(trace.paths[0])[:-1] for trace in traces]
    for place, (image, trace) in enumerate(zip(images, traces, strict=True)):
        assert chart_shown(page, f"tree_{place}") == data_of(tree.figure(trace, 0, False, 0.01))
        drawn = state.drawn(checkpoint, image, trace.paths[0].tokens)
        expected_maps += [
            (f"Evidence for {name} at step {step}, over the image", data)
            for step, (name, data) in enumerate(zip(trace.choices(trace.paths[0]), drawn, strict=True), start=1)
        ]
        badges += [f"gray-badge[{one}]" if one in said[1 - place] else f"only here: {one}" for one in said[place]]
        coverage = f"This path: {percent(trace.paths[0].prob)}, coverage {percent(trace.coverage)}"
        assert coverage in [caption.value for caption in page.caption]
    maps = [(alt, data) for alt, data in images_shown(page) if alt.startswith("Evidence")]
    assert [alt for alt, _ in maps] == [alt for alt, _ in expected_maps]
    for (_, small), (_, full) in zip(maps, expected_maps, strict=True):
        found = Image.open(io.BytesIO(small))
        whole = Image.open(io.BytesIO(full)).resize(found.size, Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(found).astype(int) - np.asarray(whole)).mean() < 3
    shown = [block.value for block in page.markdown if "-badge[" in block.value]
    assert len(shown) == len(badges)
    assert [expected in block for expected, block in zip(badges, shown, strict=True)] == [True] * len(badges)


def test_labels_that_one_model_alone_knows_are_named(app: AppTest) -> None:
    samples = tuple(Sample(Path(f"{label}.jpg"), (label,)) for label in ("circle", "zebra"))
    split = Split("toy", ("circle", "zebra"), samples)
    other = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), embedding_dim=8)
    other.model.eval()
    other.save(state.CHECKPOINTS / "zoo", {}, card="")
    page = opened(app)
    assert list(table(page)) == ["circle"]
    known = Checkpoint.load(state.CHECKPOINTS / "voc").vocabulary.labels
    captions = [caption.value for caption in page.caption]
    assert "Only zoo knows: zebra" in captions
    assert f"Only voc knows: {', '.join(label for label in known if label != 'circle')}" in captions
