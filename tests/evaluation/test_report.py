"""The report stands alone, shows the right mistakes, and takes no HTML from names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnrnn.data import Sample, Split
from cnnrnn.evaluation.evaluate import Evaluation, Predictions, report
from cnnrnn.evaluation.report import conditional, judged_labels, render_html, worst_mistakes

EVIL = "<script>alert(1)</script>"
LABELS = ("cat", "dog", EVIL)


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    sets = [{"cat"}, {"cat", "dog"}, {"dog", EVIL}, {"dog"}]
    samples = []
    for number, labels in enumerate(sets):
        path = tmp_path / f"{number}<b>.png"
        Image.new("RGB", (30, 20), (60 * number, 0, 0)).save(path)
        samples.append(Sample(path, frozenset(labels)))
    split = Split("coco2014 val", LABELS, tuple(samples))
    truth, ignored = split.truth(LABELS)
    predictions = Predictions(4, 3)
    predictions.best_path[:] = truth
    predictions.best_path[1] = [True, False, False]  # forgets the dog, which it thought unlikely
    predictions.best_path[2] = [False, True, False]  # forgets the other, which it nearly said
    predictions.probabilities[:] = np.where(truth, 0.9, 0.1)
    predictions.probabilities[1, 1], predictions.probabilities[2, 2] = 0.05, 0.45
    metrics = report(truth, ignored, predictions, LABELS, min_positives=1)
    return Evaluation(split, LABELS, truth, ignored, predictions, metrics)


def test_the_most_confident_mistake_comes_first(evaluation: Evaluation) -> None:
    assert worst_mistakes(evaluation) == [1, 2]
    evaluation.predictions.best_path[2] = [True, False, False]  # more labels are wrong, none of them as confidently
    evaluation.predictions.probabilities[2] = [0.6, 0.45, 0.45]
    assert worst_mistakes(evaluation) == [1, 2]


def test_labels_are_right_wrong_or_missed_with_their_probabilities(evaluation: Evaluation) -> None:
    assert [str(judged) for judged in judged_labels(evaluation, 1)] == ["✓ cat 90%", "○ dog 5.0%"]
    evaluation.predictions.best_path[2] = [True, False, False]
    evaluation.predictions.probabilities[2] = [0.6, 0.3, 0.45]
    assert [str(judged) for judged in judged_labels(evaluation, 2)] == ["✗ cat 60%", f"○ {EVIL} 45%", "○ dog 30%"]
    evaluation.ignored[2, 0] = True
    assert [judged.label for judged in judged_labels(evaluation, 2)] == [EVIL, "dog"]
    page = render_html(evaluation)
    assert "○ dog 5.0%" in page
    assert "○ &lt;script&gt;alert(1)&lt;/script&gt; 45%" in page
    assert "✓ right, ✗ wrong, ○ missed" in page


def test_the_report_says_which_checkpoint_it_is_of_and_how_it_was_measured(evaluation: Evaluation) -> None:
    assert "Measured by" not in render_html(evaluation)
    evaluation.metrics["checkpoint"], evaluation.metrics["command"] = "mine<i>", "cnnrnn evaluate 'a & b.csv'"
    page = render_html(evaluation)
    assert (
        "<p>Checkpoint: mine&lt;i&gt;. Measured by <code>cnnrnn evaluate &#x27;a &amp; b.csv&#x27;</code></p>" in page
    )


def test_conditional_probabilities_of_labels() -> None:
    sets = np.array([[1, 1, 0], [1, 0, 0]], dtype=bool)
    np.testing.assert_array_equal(conditional(sets), [[0, 0.5, 0], [1, 0, 0], [0, 0, 0]])


def test_the_report_is_one_file_without_external_addresses_or_unescaped_html(evaluation: Evaluation) -> None:
    page = render_html(evaluation)
    # plotly's own script and settings aside, nothing is fetched
    outside = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "http" not in outside
    assert not re.search(r"<script[^>]+src=", page)
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "1<b>.png" not in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert "quoted from the paper" in page
    assert page.count("plotly-graph-div") >= 3
