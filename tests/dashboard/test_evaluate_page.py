"""The page about an evaluation, on rendered scenes: opened from a file or run here, stopped, and looked into."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.evaluation.evaluate import Evaluation, evaluate, image_record, read_records
from views import mistakes

PAGE = "app_pages/evaluate.py"


@pytest.fixture(scope="module")
def lines(scenes_checkpoint: Path, scenes_root: Path) -> list[str]:
    """An evaluation's JSONL in which three images were made wrong."""
    records: list[dict] = []
    split = load_split("scenes", scenes_root, "val")
    evaluate(Checkpoint.load(scenes_checkpoint), split, each=lambda *one: records.append(image_record(*one)))
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
    expected = evaluate(Checkpoint.load(state.CHECKPOINTS / "voc"), split).metrics
    assert {m.label: m.value for m in page.metric}["mAP"] == f"{expected['mAP']:.1f} %"


def test_a_file_that_is_no_evaluation_is_one_line(page: AppTest) -> None:
    page.file_uploader(key="jsonl").upload("x.jsonl", b'{"image": "<img src=x>"}').run()
    assert not page.exception
    assert "line 1 is no image of an evaluation" in page.error[0].value


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
