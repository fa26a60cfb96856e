"""The evaluate page on rendered scenes: opening an evaluation, running one, and its charts and errors."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dashboard_helpers import Chart, Data, Images, Pixels
from streamlit.testing.v1 import AppTest

import evaluations
import image_files
import state
from cnnrnn.checkpoint import CONFIG, Checkpoint
from cnnrnn.data import load_split
from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.evaluation.bias import biased_pairs
from cnnrnn.evaluation.breakdown import by_frequency, by_number_of_labels, by_size
from cnnrnn.evaluation.evaluate import Evaluation, evaluate, image_record, read_records, report
from cnnrnn.evaluation.label_errors import likely_label_errors
from cnnrnn.evaluation.record import record_evaluation
from cnnrnn.evaluation.recorded import predictions_file, save_predictions
from cnnrnn.evaluation.report import judged_labels, worst_mistakes
from cnnrnn.inference import engines
from cnnrnn.inference.predictor import Predictor
from cnnrnn.training.runs import runs_root
from cnnrnn.utils.style import counted
from views import error_analysis, training

PAGE = "app_pages/evaluate.py"


@pytest.fixture(scope="module")
def lines(scenes_checkpoint: Path, scenes_root: Path) -> list[str]:
    """An evaluation's JSONL in which three images were made wrong."""
    records: list[dict] = []
    split = load_split("scenes", scenes_root, "val")
    evaluate(
        Predictor(Checkpoint.load(scenes_checkpoint)), split, on_image=lambda *one: records.append(image_record(*one))
    )
    names = list(records[0]["marginals"])
    for record in records[:3]:
        record["labels"] = [name for name in names if name not in record["truth"]][
            :1
        ]  # one is wrong, the true ones are missed
    return [json.dumps(record) for record in records]


@pytest.fixture(scope="module")
def evaluation(lines: list[str]) -> Evaluation:
    return read_records(lines, "val")


@pytest.fixture
def page(app: AppTest) -> AppTest:
    app.run()
    return app.switch_page(PAGE).run()


def tab(page: AppTest, name: str) -> AppTest:
    page.session_state["tab"] = name  # a click on it
    page.run()
    assert not page.exception
    return page


def test_an_uploaded_evaluation_is_displayed_and_an_error_opens_in_decode(
    page: AppTest, lines: list[str], evaluation: Evaluation, scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No evaluation is open" in page.info[0].value
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    assert not page.exception
    displayed = {metric.label: metric.value for metric in page.metric}
    assert displayed["O-F1"] == f"{evaluation.metrics['OF1']:.1f}%"
    assert displayed["exact match"] == f"{evaluation.metrics['exact_match']:.1f}%"
    assert page.selectbox(key="evaluation").value == "val.jsonl"
    tab(page, "Probabilities").slider(key="threshold").set_value(0.9).run()
    precise = error_analysis.metrics_at_threshold(evaluation, None, 0.9)
    assert {m.label: m.value for m in page.metric}["precision"] == f"{precise['precision']:.1f}%"

    tab(page, "Mistakes")
    wrong = [button for button in page.button if button.key.startswith("open_")]
    assert len(wrong) == len(worst_mistakes(evaluation, 12))
    row = int(wrong[0].key.removeprefix("open_"))
    wrong[0].click().run()
    assert not page.exception
    assert page.title[0].value == "Decode"
    assert page.session_state.last_image.name == evaluation.split.samples[row].image.name


def test_few_images_or_labels_are_said_to_be_too_few(page: AppTest, lines: list[str]) -> None:
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    assert not any("too few" in block.value for block in page.markdown)
    page.file_uploader(key="jsonl").upload("few.jsonl", "\n".join(lines[:12]).encode()).run()
    scored = read_records(lines[:12], "few").metrics["labels_scored"]
    text = f"**Figures of 12 images, mAP and C-F1 of {scored} of 6 labels: too few to compare"
    assert any(block.value.startswith(text) for block in page.markdown)


def test_likely_label_errors_and_slices_are_those_of_the_evaluation(
    page: AppTest, lines: list[str], scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    records = [json.loads(line) for line in lines]
    for record in records[5:8]:  # the data lose their first label
        record["truth"] = record["truth"][1:]
    damaged = [json.dumps(record) for record in records]
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(damaged).encode()).run()
    assert not page.exception
    evaluation = read_records(damaged, "val")
    expected = likely_label_errors(evaluation)
    assert {error.row for error in expected} & {5, 6, 7}
    errors = tab(page, "Label errors").dataframe[0].value
    assert errors["label"].tolist() == [error.label for error in expected]
    assert errors["image"].tolist() == [evaluation.split.samples[error.row].image.name for error in expected]
    page.session_state["label_errors"] = {"selection": {"rows": [0], "columns": []}}  # a click on a row
    page.run()
    page.button(key=f"label_error_{expected[0].row}").click().run()
    assert not page.exception
    assert page.session_state.last_image.name == errors["image"][0]


def test_the_slices_are_those_of_the_evaluation(page: AppTest, lines: list[str]) -> None:
    records = [json.loads(line) for line in lines]
    for record in records[:20]:
        record["sizes"] = dict.fromkeys(record["truth"], 0.01)
    sized = [json.dumps(record) for record in records]
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(sized).encode()).run()
    number, frequency, size = (frame.value for frame in tab(page, "Slices").dataframe)
    evaluation = read_records(sized, "val")
    assert number["images"].tolist() == [group.images for group in by_number_of_labels(evaluation).values()]
    vocabulary = Checkpoint.load(state.CHECKPOINTS / "coco").vocabulary
    groups = by_frequency(evaluation, dict(zip(vocabulary.labels, vocabulary.counts, strict=True)))
    assert frequency["training images"].tolist() == [f"{g.fewest} to {g.most}" for g in groups.values()]
    assert frequency["recall, %"].tolist() == [group.recall for group in groups.values()]
    (medium,) = by_size(evaluation).values()
    assert size.to_numpy().tolist() == [["medium", medium.positives, medium.recall, medium.probability]]


def test_the_slices_of_a_run_use_its_own_numbers_of_training_images(
    page: AppTest, lines: list[str], scenes_checkpoint: Path
) -> None:
    best = runs_root() / "mine" / "best"
    shutil.copytree(scenes_checkpoint, best)
    config = json.loads((best / CONFIG).read_text(encoding="utf-8"))
    config["vocabulary"]["counts"] = [1000] * len(config["vocabulary"]["counts"])
    (best / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    page.run()
    page.sidebar.selectbox(key="checkpoint").select("runs/mine").run()
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    assert not page.exception
    _, frequency = (frame.value for frame in tab(page, "Slices").dataframe)
    assert set(frequency["training images"]) == {"1000 to 1000"}


def test_labels_predicted_for_their_company_are_listed_with_their_images(
    page: AppTest, lines: list[str], scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    assert any("was not recorded" in caption.value for caption in _uploaded(page, lines).caption)
    records = [json.loads(line) for line in lines]
    names = list(records[0]["marginals"])
    for record in records:
        count = len(record["labels"])
        record["evidence"] = {"prefix": [0.0] * count, "raised_by": [None] * count, "strength": [1.0] * count}
    for row in (7, 9):
        absent = next(name for name in names if name not in records[row]["truth"] + records[row]["labels"])
        first = records[row]["labels"][0]
        records[row]["labels"] = [first, absent]
        records[row]["evidence"] = {"prefix": [0.0, 2.0], "raised_by": [None, first], "strength": [1.0, 0.25]}
    biased = [json.dumps(record) for record in records]
    pairs = biased_pairs(read_records(biased, "val"))
    assert {row for pair in pairs for row in pair.rows} == {7, 9}
    page = _uploaded(page, biased)
    found = page.dataframe[0].value
    assert found["predicted wrongly"].tolist() == [pair.label for pair in pairs]
    assert found["after"].tolist() == [pair.after for pair in pairs]
    assert found["odds"].tolist() == pytest.approx([math.exp(2)] * len(pairs))
    assert found["map"].tolist() == [0.25] * len(pairs)
    page.session_state["pairs"] = {"selection": {"rows": [len(pairs) - 1], "columns": []}}  # a click on a row
    page.run()
    page.button(key=f"pair_{pairs[-1].rows[0]}").click().run()
    assert not page.exception
    assert page.title[0].value == "Decode"


def _uploaded(page: AppTest, lines: list[str]) -> AppTest:
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    return tab(page, "Co-occurrence")


def test_the_page_opens_with_the_evaluation_that_the_checkpoint_has_of_itself(
    app: AppTest, scenes_root: Path, monkeypatch: pytest.MonkeyPatch, displayed_images: Images
) -> None:
    folder = state.CHECKPOINTS / "coco"
    predictor, split = Predictor(Checkpoint.load(folder)), load_split("scenes", scenes_root, "val")
    done = evaluate(predictor, split, evidence=True)
    done.predictions.best_path[:3] = ~done.truth[:3]  # three that are wrong
    metrics = report(done.truth, done.ignored, done.predictions, done.labels, threshold=0.3456)
    done = replace(done, metrics={**metrics, "errors": {}})
    record_evaluation(folder, split.name, {**done.metrics, "command": "cnnrnn evaluate"})
    save_predictions(folder, done, predictor.checkpoint.weights_hash)

    app.run()
    page = app.switch_page(PAGE).run()  # nothing is given: no data, no file
    assert not page.exception
    assert page.selectbox(key="evaluation").value == f"{split.name}, recorded"
    assert page.selectbox(key="evaluation").options == [f"the model's own, on {split.name}"]
    assert "6 labels · test\\_byobnet" in page.sidebar.caption[0].value  # on all pages, also without the weights
    displayed = {metric.label: metric.value for metric in page.metric}
    assert displayed["exact match"] == f"{done.metrics['exact_match']:.1f}%"
    worst = worst_mistakes(done, 12)
    names = [split.samples[row].image.name for row in worst]
    assert len(worst) >= 3
    assert page.session_state["tab"] == "Labels"  # what can be seen without the images
    assert any("can't be shown" in caption.value for caption in page.caption)
    tab(page, "Mistakes")
    texts = [block.value.replace("\\", "") for block in page.markdown]
    assert [text.split("  \n")[0] for text in texts if "-badge[" in text] == names
    assert not displayed_images(page)
    assert tab(page, "Probabilities").slider(key="threshold").value == 0.35  # where the checkpoint's metrics are
    likely = f"{done.metrics['calibration']['ece_likely']:.1f}% among probabilities of at least 10%"
    assert any(likely in caption.value for caption in page.caption)
    tab(page, "Mistakes")

    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))  # now the images are found, by name and content
    page.run()
    assert not any("can't be shown" in caption.value for caption in page.caption)
    assert [alt for alt, _ in displayed_images(page)] == [f"The image {name}" for name in names]
    page.button(key=f"open_{worst[0]}").click().run()
    assert page.session_state.last_image.name == names[0]

    predictions_file(folder, split.name).write_bytes(b"x")
    page.switch_page(PAGE).run()
    assert not page.exception
    assert "can't be read" in page.error[0].value


def test_an_image_of_the_same_name_and_other_content_is_not_shown(
    evaluation: Evaluation, scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = evaluation.split.samples[0]
    content = sample.image.read_bytes()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / sample.image.name).write_bytes(evaluation.split.samples[1].image.read_bytes())
    monkeypatch.setenv("CNNRNN_DATA", str(tmp_path))
    bare = replace(evaluation.split, samples=(replace(sample, image=Path(sample.image.name)),))
    recorded = replace(evaluation, split=bare, digests=(hashlib.sha256(content).hexdigest()[:16],))
    assert evaluations.evaluated_image(recorded, 0) is None
    image_files._images_by_name.clear()
    (tmp_path / "right").mkdir()
    (tmp_path / "right" / sample.image.name).write_bytes(content)
    found = evaluations.evaluated_image(recorded, 0)
    assert found is not None
    assert found.digest == hashlib.sha256(content).hexdigest()


def test_images_outside_the_data_folder_are_not_opened(
    page: AppTest, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("CNNRNN_DATA", str(elsewhere))  # the images are not in it
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    assert not page.exception
    assert not [button for button in page.button if button.key.startswith("open_")]
    assert any("can't be shown" in caption.value for caption in page.caption)


def test_an_evaluation_runs_on_the_page(page: AppTest, scenes_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page.run()
    page.selectbox(key="evaluated_dataset").set_value("scenes").run()
    page.button(key="run").click().run()
    assert not page.exception
    split = load_split("scenes", scenes_root, "val")
    expected = evaluate(Predictor(Checkpoint.load(state.CHECKPOINTS / "coco")), split).metrics
    assert {m.label: m.value for m in page.metric}["mAP"] == f"{expected['mAP']:.1f}%"


def test_the_samples_are_evaluated_on_the_labels_that_the_model_shares_with_them(
    page: AppTest, untrained_spatial: Callable[..., Checkpoint]
) -> None:
    assert page.button(key="run_samples").disabled  # the scenes have other labels
    assert page.button(key="run_samples").help == "This model knows none of the samples' labels."
    untrained_spatial(["cat", "aeroplane", "toaster"]).save(state.CHECKPOINTS / "coco", {}, card="")
    page.run().button(key="run_samples").click().run()
    assert not page.exception
    assert not page.error
    samples = image_files.sample_split()
    lines = [json.loads(line) for line in page.session_state.opened_evaluations["the sample photographs, coco"]]
    shared = [sorted({"cat", "toaster"} & set(sample.labels)) for sample in samples.samples]
    assert [line["truth"] for line in lines] == shared
    assert any(shared)
    assert all(line["ignored"] == ["aeroplane"] for line in lines)  # nobody has looked for it, but for toasters
    remark = "The model doesn't know 78 of the samples' 80 labels; they don't count."
    assert remark in [caption.value for caption in page.caption]


def test_an_evaluation_uses_the_engine_of_the_other_pages(
    page: AppTest, scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    monkeypatch.setattr(engines, "fastest_kept", lambda checkpoint: "steam")
    page.run()
    page.selectbox(key="evaluated_dataset").set_value("scenes").run()
    page.button(key="run").click().run()
    (error,) = page.error
    assert "steam" in error.value


def test_an_evaluation_that_fails_is_one_line_and_keeps_what_was_open(
    page: AppTest,
    lines: list[str],
    scenes_root: Path,
    untrained_spatial: Callable[..., Checkpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    untrained_spatial(["cat", "cow", "dog"]).save(state.CHECKPOINTS / "coco", {}, card="")
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page.run()
    page.selectbox(key="evaluated_dataset").set_value("scenes").run()
    page.button(key="run").click().run()
    assert not page.exception
    (error,) = page.error
    assert "the model doesn't know 6 of the 6 labels of scenes val" in error.value
    assert not page.get("progress")
    assert "stop" not in [button.key for button in page.button]
    assert page.selectbox(key="evaluation").value == "val.jsonl"
    assert page.metric
    page.run()
    assert not page.error
    assert page.selectbox(key="evaluation").options == ["val.jsonl"]


def test_a_file_that_is_no_evaluation_is_one_error_message(page: AppTest) -> None:
    page.file_uploader(key="jsonl").upload("x.jsonl", b'{"image": "<img src=x>"}').run()
    assert not page.exception
    assert "line 1 is not a record of an image" in page.error[0].value


def test_confusions_are_counted_in_pairs(evaluation: Evaluation) -> None:
    counts = error_analysis.count_confusions(evaluation)
    truth, predicted = evaluation.truth, evaluation.predictions.best_path
    expected = np.zeros_like(counts)
    for row in range(len(truth)):
        for missed in np.flatnonzero(truth[row] & ~predicted[row]):
            for wrong in np.flatnonzero(~truth[row] & predicted[row]):
                expected[missed, wrong] += 1
    assert counts.sum() >= 3
    np.testing.assert_array_equal(counts, expected)


def test_charts_tables_and_images_are_those_of_the_evaluation(
    page: AppTest,
    lines: list[str],
    evaluation: Evaluation,
    scenes_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    chart_data: Chart,
    figure_data: Data,
    displayed_images: Images,
    pixels: Pixels,
) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    tab(page, "Probabilities")
    label = evaluation.labels[1]
    assert chart_data(page, "precision_recall") == figure_data(
        error_analysis.precision_recall(evaluation, None, 0.5, False)
    )
    page.selectbox(key="curve").set_value(label)
    page.slider(key="threshold").set_value(0.2).run()
    assert chart_data(page, "precision_recall") == figure_data(
        error_analysis.precision_recall(evaluation, label, 0.2, False)
    )
    precise = error_analysis.metrics_at_threshold(evaluation, label, 0.2)
    assert {m.label: m.value for m in page.metric}["recall"] == f"{precise['recall']:.1f}%"
    calibration = evaluation.metrics["calibration"]
    assert chart_data(page, "reliability") == figure_data(training.reliability(calibration, False))

    page.session_state["confusions_table"] = True  # opened
    tab(page, "Labels")
    assert chart_data(page, "confusions") == figure_data(error_analysis.confusion_matrix(evaluation, False))
    rows = error_analysis.errors_by_label(evaluation)
    errors, matrix, *_ = (frame.value for frame in page.dataframe)
    assert errors["label"].tolist() == [row["label"] for row in rows]
    assert errors["missed"].tolist() == [row["missed"] for row in rows]
    assert list(matrix.index) == list(matrix.columns) == list(evaluation.labels)
    np.testing.assert_array_equal(matrix.to_numpy(), error_analysis.count_confusions(evaluation))
    missed = max(rows, key=lambda row: row["missed"])
    wrong = max(rows, key=lambda row: row["false positives"])
    assert (
        f"Most misses: **{missed['label']}**, {missed['missed']} of {missed['positives']} positives. "
        f"Most false positives: **{wrong['label']}**, {counted(wrong['false positives'], 'image')}."
    ) in [block.value for block in page.markdown]

    tab(page, "Mistakes")
    displayed, worst = dict(displayed_images(page)), worst_mistakes(evaluation, 12)
    assert len(displayed) == len(worst)
    texts = [block.value.replace("\\", "") for block in page.markdown]
    for row in worst:
        sample = evaluation.split.samples[row]
        image = open_image(sample.image, MAX_SIDE)
        assert np.abs(pixels(displayed[f"The image {sample.image.name}"]) - np.asarray(image)).mean() < 4
        colors = {"right": "green", "wrong": "orange", "missed": "gray"}
        badges = [f":{colors[judged.verdict]}-badge[{judged}]" for judged in judged_labels(evaluation, row)]
        assert f"{sample.image.name}  \n{' '.join(badges)}" in texts


def test_a_file_name_that_is_not_utf8_is_displayed_escaped(page: AppTest, lines: list[str]) -> None:
    """As `cnnrnn evaluate --per-image` writes it; streamlit can't send it as it is."""
    records = [json.loads(line) for line in lines]
    for record in records[:3]:
        record["image"] = "/x/\udcff.png"
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(map(json.dumps, records)).encode()).run()
    tab(page, "Mistakes")
    assert any("udcff" in text.value for text in page.markdown)
