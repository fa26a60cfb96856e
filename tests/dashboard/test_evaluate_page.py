"""The page about an evaluation, on rendered scenes: opened from a file or run here, stopped, and looked into."""

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
from cnnrnn.data.images import open_image
from cnnrnn.evaluation.evaluate import Evaluation, evaluate, image_record, read_records
from cnnrnn.evaluation.report import worst_mistakes
from cnnrnn.inference.predictor import Predictor
from views import mistakes, training

Shown = Callable[[AppTest], list[tuple[str, bytes]]]
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
        record["labels"] = [name for name in names if name not in record["truth"]][:1]  # one wrong, the true forgotten
    return [json.dumps(record) for record in records]


@pytest.fixture(scope="module")
def evaluation(lines: list[str]) -> Evaluation:
    return read_records(lines, "val")


@pytest.fixture
def page(app: AppTest) -> AppTest:
    app.run()
    return app.switch_page(PAGE).run()


def test_an_opened_evaluation_is_shown_and_a_mistake_opens_in_decode(
    page: AppTest, lines: list[str], evaluation: Evaluation, scenes_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing is open yet" in page.info[0].value
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    assert not page.exception
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["O-F1"] == f"{evaluation.metrics['OF1']:.1f} %"
    assert shown["exact set"] == f"{evaluation.metrics['exact_match']:.1f} %"
    page.slider(key="threshold").set_value(0.9).run()
    precise = mistakes.at_threshold(evaluation, None, 0.9)
    assert {m.label: m.value for m in page.metric}["precision"] == f"{precise['precision']:.1f} %"

    wrong = [button for button in page.button if button.key.startswith("open_")]
    assert 3 <= len(wrong) <= 12
    row = int(wrong[0].key.removeprefix("open_"))
    wrong[0].click().run()
    assert not page.exception
    assert page.title[0].value == "Why these labels?"
    assert page.session_state.last_image.name == evaluation.split.samples[row].image.name


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


def test_an_evaluation_runs_here(page: AppTest, scenes_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page.run()
    page.selectbox(key="evaluated_dataset").set_value("scenes").run()
    page.button(key="run").click().run()
    assert not page.exception
    split = load_split("scenes", scenes_root, "val")
    expected = evaluate(Predictor(Checkpoint.load(state.CHECKPOINTS / "voc")), split).metrics
    assert {m.label: m.value for m in page.metric}["mAP"] == f"{expected['mAP']:.1f} %"


def test_a_file_that_is_no_evaluation_is_one_line(page: AppTest) -> None:
    page.file_uploader(key="jsonl").upload("x.jsonl", b'{"image": "<img src=x>"}').run()
    assert not page.exception
    assert "line 1 is not a record of an image" in page.error[0].value


def test_counts_of_confusions(evaluation: Evaluation) -> None:
    counts = mistakes.confusions(evaluation)
    truth, said = evaluation.truth, evaluation.predictions.best_path
    expected = np.zeros_like(counts)
    for row in range(len(truth)):
        for forgotten in np.flatnonzero(truth[row] & ~said[row]):
            for wrong in np.flatnonzero(~truth[row] & said[row]):
                expected[forgotten, wrong] += 1
    assert counts.sum() >= 3
    np.testing.assert_array_equal(counts, expected)


def test_charts_tables_and_images_are_of_the_evaluation(
    page: AppTest,
    lines: list[str],
    evaluation: Evaluation,
    scenes_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    chart_shown: Chart,
    data_of: Data,
    images_shown: Shown,
    pixels: Pixels,
) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    page.session_state["confusions_table"] = True  # opened
    page.file_uploader(key="jsonl").upload("val.jsonl", "\n".join(lines).encode()).run()
    label = evaluation.labels[1]
    assert chart_shown(page, "precision_recall") == data_of(mistakes.precision_recall(evaluation, None, 0.5, False))
    page.selectbox(key="curve").set_value(label)
    page.slider(key="threshold").set_value(0.2).run()
    assert chart_shown(page, "precision_recall") == data_of(mistakes.precision_recall(evaluation, label, 0.2, False))
    precise = mistakes.at_threshold(evaluation, label, 0.2)
    assert {m.label: m.value for m in page.metric}["recall"] == f"{precise['recall']:.1f} %"
    assert chart_shown(page, "confusions") == data_of(mistakes.confusion_matrix(evaluation, False))
    calibration = evaluation.metrics["calibration"]
    assert chart_shown(page, "reliability") == data_of(training.reliability(calibration, False))

    rows = mistakes.by_label(evaluation)
    judged, matrix = (frame.value for frame in page.dataframe)
    assert judged["label"].tolist() == [row["label"] for row in rows]
    assert judged["forgotten"].tolist() == [row["forgotten"] for row in rows]
    assert list(matrix.index) == list(matrix.columns) == list(evaluation.labels)
    np.testing.assert_array_equal(matrix.to_numpy(), mistakes.confusions(evaluation))
    forgotten = max(rows, key=lambda row: row["forgotten"])
    wrong = max(rows, key=lambda row: row["wrongly said"])
    assert (
        f"Most often forgotten: **{forgotten['label']}**, {forgotten['forgotten']} of {forgotten['positives']} times. "
        f"Most often wrongly said: **{wrong['label']}**, {wrong['wrongly said']} times."
    ) in [block.value for block in page.markdown]

    shown, worst = dict(images_shown(page)), worst_mistakes(evaluation, 12)
    assert len(shown) == len(worst)
    texts = [block.value.replace("\\", "") for block in page.markdown]
    for row in worst:
        sample = evaluation.split.samples[row]
        image = open_image(sample.image, state.MAX_SIDE)
        assert np.abs(pixels(shown[f"The image {sample.image.name}"]) - np.asarray(image)).mean() < 4
        said = [evaluation.labels[column] for column in np.flatnonzero(evaluation.predictions.best_path[row])]
        assert (
            f"{sample.image.name}  \nsays **{', '.join(said) or 'nothing'}**  \n"
            f"truth **{', '.join(sorted(sample.labels)) or 'nothing'}**"
        ) in texts
