"""The evaluate page on rendered scenes: opening an evaluation, running one, and its charts and errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.evaluation.breakdown import by_number_of_labels
from cnnrnn.evaluation.evaluate import Evaluation, evaluate, image_record, read_records
from cnnrnn.evaluation.label_errors import likely_label_errors
from cnnrnn.evaluation.report import worst_mistakes
from cnnrnn.inference.predictor import Predictor
from views import error_analysis, training

Images = Callable[[AppTest], list[tuple[str, bytes]]]
Chart = Callable[[AppTest, str], list[dict[str, Any]]]
Data = Callable[[go.Figure], list[dict[str, Any]]]
Pixels = Callable[[bytes], np.ndarray]

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


def test_an_uploaded_evaluation_is_displayed_and_an_error_opens_in_decode(
    page: AppTest, lines: list[str], evaluation: Evaluation, scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No evaluation is open" in page.info[0].value
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    assert not page.exception
    displayed = {metric.label: metric.value for metric in page.metric}
    assert displayed["O-F1"] == f"{evaluation.metrics['OF1']:.1f} %"
    assert displayed["exact match"] == f"{evaluation.metrics['exact_match']:.1f} %"
    page.slider(key="threshold").set_value(0.9).run()
    precise = error_analysis.metrics_at_threshold(evaluation, None, 0.9)
    assert {m.label: m.value for m in page.metric}["precision"] == f"{precise['precision']:.1f} %"

    wrong = [button for button in page.button if button.key.startswith("open_")]
    assert len(wrong) == len(worst_mistakes(evaluation, 12))
    row = int(wrong[0].key.removeprefix("open_"))
    wrong[0].click().run()
    assert not page.exception
    assert page.title[0].value == "Decode"
    assert page.session_state.last_image.name == evaluation.split.samples[row].image.name


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
    tables = [frame.value for frame in page.dataframe]
    errors = next(table for table in tables if "the label is" in table)
    assert errors["label"].tolist() == [error.label for error in expected]
    assert errors["image"].tolist() == [evaluation.split.samples[error.row].image.name for error in expected]
    slices = next(table for table in tables if "labels in the truth" in table)
    assert slices["images"].tolist() == [group.images for group in by_number_of_labels(evaluation).values()]
    page.session_state["label_errors"] = {"selection": {"rows": [0], "columns": []}}  # a click on a row
    page.run()
    page.button(key=f"label_error_{expected[0].row}").click().run()
    assert not page.exception
    assert page.session_state.last_image.name == errors["image"][0]


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
    assert {m.label: m.value for m in page.metric}["mAP"] == f"{expected['mAP']:.1f} %"


def test_a_model_with_other_labels_is_not_evaluated_on_the_samples(page: AppTest) -> None:
    page.button(key="run_samples").click().run()
    assert not page.exception
    assert "the model doesn't know these labels of the sample photographs" in page.error[0].value


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
    page.session_state["confusions_table"] = True  # opened
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
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
    assert {m.label: m.value for m in page.metric}["recall"] == f"{precise['recall']:.1f} %"
    assert chart_data(page, "confusions") == figure_data(error_analysis.confusion_matrix(evaluation, False))
    calibration = evaluation.metrics["calibration"]
    assert chart_data(page, "reliability") == figure_data(training.reliability(calibration, False))

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
        f"Most false positives: **{wrong['label']}**, {wrong['false positives']} images."
    ) in [block.value for block in page.markdown]

    displayed, worst = dict(displayed_images(page)), worst_mistakes(evaluation, 12)
    assert len(displayed) == len(worst)
    texts = [block.value.replace("\\", "") for block in page.markdown]
    for row in worst:
        sample = evaluation.split.samples[row]
        image = open_image(sample.image, MAX_SIDE)
        assert np.abs(pixels(displayed[f"The image {sample.image.name}"]) - np.asarray(image)).mean() < 4
        predicted = [evaluation.labels[column] for column in np.flatnonzero(evaluation.predictions.best_path[row])]
        assert (
            f"{sample.image.name}  \npredicted: **{', '.join(predicted) or 'no label'}**  \n"
            f"truth: **{', '.join(sorted(sample.labels)) or 'no label'}**"
        ) in texts


def test_a_file_name_that_is_not_utf8_is_displayed_escaped(page: AppTest, lines: list[str]) -> None:
    """As `cnnrnn evaluate --per-image` writes it; streamlit can't send it as it is."""
    records = [json.loads(line) for line in lines]
    for record in records[:3]:
        record["image"] = "/x/\udcff.png"
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(map(json.dumps, records)).encode()).run()
    assert not page.exception
    assert any("udcff" in text.value for text in page.markdown)
