"""The compare page, with small checkpoints of rendered scenes."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from dashboard_helpers import Chart, Data, Images, badges
from PIL import Image
from streamlit.testing.v1 import AppTest

import image_files
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample, Split, load_split
from cnnrnn.decoding import tree
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.evaluate import Evaluation, evaluate, report
from cnnrnn.evaluation.paired import differences, pair_evaluations
from cnnrnn.evaluation.record import record_evaluation
from cnnrnn.evaluation.recorded import predictions_file, read_predictions, save_predictions
from cnnrnn.inference.predictor import Predictor
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.utils.style import percent
from views import differences as differences_chart
from views.marginal_diff import compare_marginals, figure

PAGE = "app_pages/compare.py"


def opened(app: AppTest) -> AppTest:
    app.run()
    app.session_state["compared_table"] = True  # opened
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def small_tree(trace: Trace) -> go.Figure:
    root, _ = tree.fold(tree.build(trace, 0.01), trace.paths[0], 0)
    return tree.figure(trace, 0, False, 0.01, root, width=500)


def table(app: AppTest) -> dict[str, tuple[float, float]]:
    frame = next(frame.value for frame in app.dataframe if "difference" in frame.value)
    return {row.label: (row.left, row.right) for row in frame.itertuples()}


def test_with_one_model_the_page_says_how_to_add_another(app: AppTest) -> None:
    assert "only one model" in opened(app).info[0].value


def test_labels_of_two_models_are_matched_by_name(app: AppTest, scenes_root: Path, displayed_images: Images) -> None:
    split = load_split("scenes", scenes_root, "train")
    rare = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), order="rare", embedding_dim=8)
    rare.model.eval()
    rare.save(state.CHECKPOINTS / "rare", {}, card="")
    page = opened(app)
    image = image_files.open_sample(next(iter(image_files.samples())))
    both = [Checkpoint.load(state.CHECKPOINTS / name) for name in ("coco", "rare")]
    assert both[0].vocabulary.labels != both[1].vocabulary.labels  # another order
    left, right = (state.predict(checkpoint, image, 8) for checkpoint in both)
    for label, pair in table(page).items():
        for value, side in zip(pair, (left, right), strict=True):
            assert value == pytest.approx(float(side.marginals[side.labels.index(label)]), abs=1e-6)
    assert page.selectbox(key="other_model").value == "rare"
    pictures = [alt for alt, _ in displayed_images(page) if alt.startswith("The image")]
    assert pictures == [f"The image {image.name}"]  # once, for both models


def test_a_label_that_the_other_model_does_not_have_is_no_difference(app: AppTest) -> None:
    """Two models that predict the same, whose labels have other names."""
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    trace = state.predict(checkpoint, image_files.open_sample(next(iter(image_files.samples()))), 8)
    first, second, *_ = trace.names(trace.paths[0].tokens)
    names = {first: "sofa", second: f"{second[:2]} {second[2:]}"}
    labels = tuple(names.get(label, label) for label in checkpoint.vocabulary.labels)
    checkpoint.vocabulary = replace(checkpoint.vocabulary, labels=labels)
    checkpoint.save(state.CHECKPOINTS / "voc", {}, card="")
    page = opened(app)
    displayed = badges(page)
    assert displayed[:2] == [f":gray-badge[{first}, not a label of voc]", f":gray-badge[{second}]"]
    assert f":gray-badge[{names[second]}]" in displayed
    assert not any("only here" in badge for badge in displayed)
    assert second in table(page)
    assert "Only voc has the labels: sofa" in [caption.value for caption in page.caption]


def test_a_sequence_model_is_compared_with_the_baseline(app: AppTest, scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "train")
    baseline = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), head="sigmoid")
    baseline.model.eval()
    baseline.save(state.CHECKPOINTS / "sigmoid", {}, card="")
    page = opened(app)
    assert len(table(page)) == len(split.labels)
    assert any("predict no sequence" in caption.value for caption in page.caption)
    assert "Marginal probability" in [header.value for header in page.header]  # the sequence model is not calibrated
    assert any("a lower bound" in caption.value for caption in page.caption)
    calibrated = Checkpoint.load(state.CHECKPOINTS / "coco")
    config = replace(calibrated.model.config, calibration=(1.0, 1.0, -1.0))
    calibrated.model.config = config
    calibrated.save(state.CHECKPOINTS / "coco", {}, card="")
    page.run()
    assert "Probability" in [header.value for header in page.header]
    assert any("That of sigmoid is a sigmoid's output" in caption.value for caption in page.caption)
    trace = state.predict(calibrated, image_files.open_sample(next(iter(image_files.samples()))), 8)
    shown = {label: left for label, (left, _) in table(page).items()}
    assert shown == pytest.approx(dict(zip(trace.labels, trace.calibrated.tolist(), strict=True)), abs=1e-6)
    assert trace.calibrated.tolist() != pytest.approx(trace.marginals.tolist(), abs=1e-3)


def test_the_baseline_has_a_map_for_each_of_its_labels(
    app: AppTest, scenes_root: Path, displayed_images: Images
) -> None:
    split = load_split("scenes", scenes_root, "train")
    baseline = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), head="sigmoid", spatial=True)
    baseline.model.eval()
    baseline.model.threshold.fill_(0.4)  # above which an untrained model predicts many labels
    baseline.save(state.CHECKPOINTS / "sigmoid", {}, card="")
    page = opened(app)
    image = image_files.open_sample(next(iter(image_files.samples())))
    path = state.predict(baseline, image, 8).paths[0]
    assert len(path.tokens) >= 2
    maps = {f"Evidence for {split.labels[token]}, over the image" for token in path.tokens}
    displayed = [(alt, data) for alt, data in displayed_images(page) if alt in maps]
    assert {alt for alt, _ in displayed} == maps
    overlays = state.label_overlays(baseline, image, path.tokens, state.MapSettings())
    for (_, small), full in zip(displayed, overlays, strict=True):
        found = Image.open(io.BytesIO(small))
        whole = Image.open(io.BytesIO(full)).resize(found.size, Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(found).astype(int) - np.asarray(whole)).mean() < 3
    shutil.rmtree(state.CHECKPOINTS / "coco")
    baseline.save(state.CHECKPOINTS / "coco", {}, card="")
    page.run()
    assert "Beam searches" not in [header.value for header in page.header]  # of two baselines


def test_two_images_are_compared_with_one_model(app: AppTest) -> None:
    page = opened(app)
    page.segmented_control(key="compare").set_value("two images").run()
    assert not page.exception
    first, last = next(iter(image_files.samples())), list(image_files.samples())[-1]
    page.selectbox(key="second_sample").set_value(last).run()
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    traces = [state.predict(checkpoint, image_files.open_sample(name), 8) for name in (first, last)]
    expected = {change.label: (change.before, change.after) for change in compare_marginals(*traces)}
    assert table(page) == {label: pytest.approx(pair) for label, pair in expected.items()}


def test_a_broken_second_model_is_one_error_message(app: AppTest) -> None:
    shutil.copytree(state.CHECKPOINTS / "coco", state.CHECKPOINTS / "broken")
    (state.CHECKPOINTS / "broken" / "model.safetensors").write_bytes(b"x")
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert "incomplete or was changed" in app.error[0].value


def test_each_side_has_its_own_labels_search_and_maps(
    app: AppTest, chart_data: Chart, figure_data: Data, displayed_images: Images
) -> None:
    page = opened(app)
    names = next(iter(image_files.samples())), list(image_files.samples())[-1]
    page.segmented_control(key="compare").set_value("two images").run()
    page.selectbox(key="second_sample").set_value(names[1]).run()
    assert not page.exception
    checkpoint = Checkpoint.load(state.CHECKPOINTS / "coco")
    images = [image_files.open_sample(name) for name in names]
    traces = [state.predict(checkpoint, image, 8) for image in images]
    found = compare_marginals(*traces)
    assert chart_data(page, "compared") == figure_data(figure(found, False, names))
    differences = next(frame.value for frame in page.dataframe if "difference" in frame.value)["difference"]
    assert differences.tolist() == pytest.approx([change.after - change.before for change in found])
    expected_maps, expected_badges, labels = [], [], [trace.choices(trace.paths[0])[:-1] for trace in traces]
    for position, (image, trace) in enumerate(zip(images, traces, strict=True)):
        assert chart_data(page, f"tree_{position}") == figure_data(small_tree(trace))
        overlays = state.overlays(checkpoint, image, trace.paths[0].tokens, state.MapSettings())
        expected_maps += [
            (f"Evidence for {name} at step {step}, over the image", data)
            for step, (name, data) in enumerate(zip(trace.choices(trace.paths[0]), overlays, strict=True), start=1)
        ]
        expected_badges += [
            f":gray-badge[{label}]" if label in labels[1 - position] else f":orange-badge[only here: {label}]"
            for label in labels[position]
        ]
        coverage = f"Path probability {percent(trace.paths[0].prob)}, coverage {percent(trace.coverage)}"
        assert coverage in [caption.value for caption in page.caption]
    maps = [(alt, data) for alt, data in displayed_images(page) if alt.startswith("Evidence")]
    assert [alt for alt, _ in maps] == [alt for alt, _ in expected_maps]
    for (_, small), (_, full) in zip(maps, expected_maps, strict=True):
        found = Image.open(io.BytesIO(small))
        whole = Image.open(io.BytesIO(full)).resize(found.size, Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(found).astype(int) - np.asarray(whole)).mean() < 3
    assert badges(page) == expected_badges


def test_labels_of_only_one_model_are_listed(app: AppTest) -> None:
    samples = tuple(Sample(Path(f"{label}.jpg"), (label,)) for label in ("circle", "zebra"))
    split = Split("toy", ("circle", "zebra"), samples)
    other = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), embedding_dim=8)
    other.model.eval()
    other.save(state.CHECKPOINTS / "zoo", {}, card="")
    page = opened(app)
    assert list(table(page)) == ["circle"]
    known = Checkpoint.load(state.CHECKPOINTS / "coco").vocabulary.labels
    captions = [caption.value for caption in page.caption]
    assert "Only zoo has the labels: zebra" in captions
    assert f"Only coco has the labels: {', '.join(label for label in known if label != 'circle')}" in captions


def recorded(name: str, split: Split, flips: list[int]) -> Evaluation:
    """Record an evaluation in a checkpoint's folder, with the first label of some images' best paths flipped."""
    folder = state.CHECKPOINTS / name
    predictor = Predictor(Checkpoint.load(folder))
    done = evaluate(predictor, split)
    done.predictions.best_path[flips, 0] ^= True
    metrics = {**report(done.truth, done.ignored, done.predictions, done.labels), "errors": {}, "command": "x"}
    record_evaluation(folder, split.name, metrics)
    save_predictions(folder, replace(done, metrics=metrics), predictor.checkpoint.weights_hash)
    return read_predictions(predictions_file(folder, split.name), predictor.labels, predictor.checkpoint.weights_hash)


MANY = "two models, many images"


def test_two_models_are_compared_on_the_images_that_both_have_recorded(
    app: AppTest, scenes_root: Path, chart_data: Chart, figure_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(state.CHECKPOINTS / "coco", state.CHECKPOINTS / "other")
    split = load_split("scenes", scenes_root, "val")
    one, other = recorded("coco", split, [2, 5]), recorded("other", split, [5, 8, 9])
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page = opened(app)
    page.segmented_control(key="compare").set_value(MANY).run()
    assert not page.exception
    found = differences(pair_evaluations(one, other))
    assert chart_data(page, "differences") == figure_data(differences_chart.figure(found, False))
    frame = page.dataframe[0].value
    names = [split.samples[row].image.name for row in (2, 8, 9)]
    assert sorted(frame["name"]) == sorted(names)
    gains = dict(zip(frame["name"], -frame["change in errors"], strict=True))
    paired = pair_evaluations(one, other)
    assert [gains[split.samples[row].image.name] for row in (2, 8, 9)] == [
        paired.errors[0][row] - paired.errors[1][row] for row in (2, 8, 9)
    ]
    assert all(cell.startswith("data:image/jpeg;base64,") for cell in frame["image"])
    widths = {name: column.get("width", 0) for name, column in json.loads(page.dataframe[0].proto.columns).items()}
    assert min(widths[name] for name in ("only coco", "only other", "both", "truth")) >= 150
    page.segmented_control(key="many_kind").set_value("worse").run()
    worse = page.dataframe[0].value
    assert worse["name"].tolist() == [name for name in frame["name"] if gains[name] < 0]
    page.session_state["many_table"] = {"selection": {"rows": [0], "columns": []}}  # a click on a row
    page.run()
    page.button(key="many_open").click().run()
    assert page.title[0].value == "Decode"
    assert page.session_state.last_image.name == worse["name"][0]


def test_labels_of_many_images_are_predicted_by_path_or_by_threshold(
    app: AppTest, scenes_root: Path, chart_data: Chart, figure_data: Data
) -> None:
    shutil.copytree(state.CHECKPOINTS / "coco", state.CHECKPOINTS / "other")
    split = load_split("scenes", scenes_root, "val")
    one, other = recorded("coco", split, [2, 5]), recorded("other", split, [5, 8, 9])
    for name, threshold in (("coco", 0.25), ("other", 0.625)):
        file = state.CHECKPOINTS / name / "metrics.json"
        results = json.loads(file.read_text())
        file.write_text(json.dumps({**results, "val": {**results["val"], "best_threshold": threshold}}))
    page = opened(app)
    page.segmented_control(key="compare").set_value(MANY).run()
    captions = [caption.value for caption in page.caption]
    assert "coco predicts the labels of its best path; other predicts the labels of its best path." in captions
    page.segmented_control(key="many_rule").set_value("threshold").run()
    assert not page.exception
    paired = pair_evaluations(one, other, (0.25, 0.625))
    assert chart_data(page, "differences") == figure_data(differences_chart.figure(differences(paired), False))
    names = {split.samples[row].image.name for row in np.flatnonzero(paired.changed)}
    assert set(page.dataframe[0].value["name"]) == names != {split.samples[row].image.name for row in (2, 8, 9)}
    caption = next(caption.value for caption in page.caption if "threshold" in caption.value)
    assert "coco predicts the labels of at least 25%" in caption
    assert "other predicts the labels of at least 62%" in caption


def test_beside_a_sigmoid_labels_are_predicted_by_threshold_unless_a_path_is_chosen(
    app: AppTest, scenes_root: Path
) -> None:
    split = load_split("scenes", scenes_root, "train")
    baseline = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), head="sigmoid")
    baseline.model.eval()
    baseline.save(state.CHECKPOINTS / "sigmoid", {}, card="")
    recorded("coco", load_split("scenes", scenes_root, "val"), [])
    recorded("sigmoid", load_split("scenes", scenes_root, "val"), [])
    page = opened(app)
    page.segmented_control(key="compare").set_value(MANY).run()
    assert page.segmented_control(key="many_rule").value == "threshold"
    page.segmented_control(key="many_rule").set_value("best path").run()
    assert any(
        "coco predicts the labels of its best path; sigmoid predicts the labels of at least 50%" in caption.value
        for caption in page.caption
    )


def test_own_images_are_compared_without_truth(app: AppTest, scenes_root: Path, encoded: Callable[..., bytes]) -> None:
    split = load_split("scenes", scenes_root, "train")
    rare = new_checkpoint(split, "test_byobnet", 64, False, 1, torch.device("cpu"), order="rare", embedding_dim=8)
    rare.model.eval()
    rare.save(state.CHECKPOINTS / "rare", {}, card="")
    page = opened(app)
    images = [image_files.read_image(f"{number}.png", encoded("PNG", Image.new("RGB", (64, 64), color)))
              for number, color in enumerate(("red", "green", "blue"))]  # fmt: skip
    page.session_state["tray"] = {image.digest: image for image in images}
    page.segmented_control(key="compare").set_value(MANY).run()
    page.selectbox(key="many_source").set_value("your images").run()
    page.button(key="many_run").click().run()
    page.segmented_control(key="many_kind").set_value("all").run()
    assert not page.exception
    frame = page.dataframe[0].value
    assert not {"truth", "change in errors"} & set(frame)
    one, other = (Checkpoint.load(state.CHECKPOINTS / name) for name in ("coco", "rare"))
    for image in images:
        sets = [set(t.names(t.paths[0].tokens)) for t in (state.predict(c, image, 8) for c in (one, other))]
        row = frame[frame["name"] == image.name].iloc[0]
        cells = [set(filter(None, row[column].split(", "))) for column in ("only coco", "only rare", "both")]
        assert cells == [sets[0] - sets[1], sets[1] - sets[0], sets[0] & sets[1]]


def test_of_many_labels_of_only_one_model_some_are_named_and_a_table_has_all(app: AppTest) -> None:
    labels = (
        "circle",
        *(f"{number:03} **bold** a long name that goes on for more than forty" for number in range(200)),
    )
    samples = tuple(Sample(Path(f"{label[:3]}.jpg"), (label,)) for label in labels)
    other = new_checkpoint(
        Split("toy", labels, samples), "test_byobnet", 64, False, 1, torch.device("cpu"), embedding_dim=8
    )
    other.model.eval()
    other.save(state.CHECKPOINTS / "zoo", {}, card="")
    app.session_state["unshared_1"] = True  # opened
    page = opened(app)
    caption = next(caption.value for caption in page.caption if "lacks 200 labels of zoo" in caption.value)
    assert len(caption) < 800
    assert r"\*\*bold" in caption  # no markdown
    listed = next(frame.value for frame in page.dataframe if list(frame.value) == ["label"])
    assert sorted(listed["label"]) == sorted(labels[1:])
    maps = [image for block in page.get("imgs") for image in block.proto.imgs if image.alt.startswith("Evidence")]
    assert all("**bold" not in image.caption for image in maps)
