"""Precision, recall and confusions on five images whose counts can be checked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnnrnn.data import Sample, Split
from cnnrnn.evaluation.evaluate import Evaluation, Predictions, report
from cnnrnn.utils.style import DARK, LIGHT
from views import error_analysis

LABELS = ("ant", "bee", "<i>cat")
TRUTH = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1]], dtype=bool)
PREDICTED = np.array([[0, 1, 0], [0, 1, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0]], dtype=bool)
MARGINALS = np.array(
    [[0.9, 0.8, 0.1], [0.5, 0.75, 0.7], [0.2, 0.95, 0.05], [0.45, 0.6, 0.85], [0.65, 0.15, 0.25]], dtype=np.float32
)
IGNORED = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)  # bee of the fourth


def made(truth: np.ndarray, predicted: np.ndarray, ignored: np.ndarray, probs: np.ndarray, labels: tuple) -> Evaluation:
    predictions = Predictions(*truth.shape)
    predictions.best_path, predictions.probabilities = predicted, probs
    samples = tuple(Sample(Path(f"{row}.jpg"), (), ()) for row in range(len(truth)))
    metrics = report(truth, ignored, predictions, labels, min_positives=2)
    return Evaluation(Split("toy", labels, samples), labels, truth, ignored, predictions, metrics)


@pytest.fixture
def evaluation() -> Evaluation:
    return made(TRUTH, PREDICTED, IGNORED, MARGINALS, LABELS)


def test_metrics_at_a_threshold_for_all_labels_and_for_one(evaluation: Evaluation) -> None:
    # From 0.65 on: ant in 0 and 4, bee in 0, 1 and 2, cat in 1 and 3. True of these 7: ant 0, bee 1, bee 2, cat 3.
    at = error_analysis.metrics_at_threshold(evaluation, None, 0.65)
    assert list(at) == ["precision", "recall", "F1"]
    assert at["precision"] == pytest.approx(100 * 4 / 7)
    assert at["recall"] == pytest.approx(100 * 4 / 7)  # 3 ants, 2 bees, 2 cats are true
    ant = error_analysis.metrics_at_threshold(evaluation, "ant", 0.65)
    assert ant == pytest.approx({"precision": 50.0, "recall": 100 / 3, "F1": 40.0})
    bee = error_analysis.metrics_at_threshold(evaluation, "bee", 0.5)  # the fourth image's is ignored
    assert bee == pytest.approx({"precision": 200 / 3, "recall": 100.0, "F1": 80.0})
    assert error_analysis.metrics_at_threshold(evaluation, "bee", 0.76)["recall"] == 50.0
    assert (
        error_analysis.metrics_at_threshold(evaluation, "bee", 0.75)["recall"] == 100.0
    )  # the threshold itself counts


def test_the_curve_has_recall_as_x_and_precision_as_y(evaluation: Evaluation) -> None:
    figure = error_analysis.precision_recall(evaluation, "ant", 0.65, dark=False)
    curve, chosen, paths = figure.data
    # ant: 0.2 -, 0.45 +, 0.5 +, 0.65 -, 0.9 +
    points = {round(float(t), 2): (x, y) for t, x, y in zip(curve.customdata, curve.x, curve.y, strict=True)}
    assert points[0.2] == pytest.approx((100.0, 60.0))
    assert points[0.45] == pytest.approx((100.0, 75.0))
    assert points[0.65] == pytest.approx((100 / 3, 50.0))
    assert points[0.9] == pytest.approx((100 / 3, 100.0))
    assert "precision %{y:.1f}%, recall %{x:.1f}%" in curve.hovertemplate
    assert (chosen.name, list(chosen.x), list(chosen.y)) == (
        "probabilities, threshold 0.65", [pytest.approx(100 / 3)], [pytest.approx(50.0)],
    )  # fmt: skip
    assert (paths.name, list(paths.x), list(paths.y)) == ("best paths", [0.0], [0.0])
    assert (curve.mode, chosen.mode, paths.mode) == ("lines", "markers", "markers")
    assert (chosen.marker.color, paths.marker.color) == (LIGHT.chosen, LIGHT.finished)
    assert chosen.marker.symbol != paths.marker.symbol
    assert "precision %{y:.1f}%, recall %{x:.1f}%" in chosen.hovertemplate
    assert figure.layout.xaxis.title.text.startswith("recall")
    assert figure.layout.yaxis.title.text.startswith("precision")
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        assert axis.range[0] == 0
        assert 100 < axis.range[1] < 110
        assert axis.fixedrange is True  # a hand that slips does not zoom
        assert axis.tickfont.color == LIGHT.text
    assert figure.layout.dragmode is False
    legend = figure.layout.legend
    assert (legend.orientation, legend.x, legend.yanchor) == ("h", 0, "bottom")
    assert 1 <= legend.y <= 1.1  # above the curve, from its left edge
    assert legend.font.color == figure.layout.font.color == LIGHT.text


def test_the_curve_of_all_labels_excludes_ignored_pairs(evaluation: Evaluation) -> None:
    figure = error_analysis.precision_recall(evaluation, None, 0.0, dark=True)
    curve, chosen, paths = figure.data
    assert 0.6 not in [round(float(threshold), 2) for threshold in curve.customdata]  # the ignored pair's
    assert (curve.x[0], curve.y[0]) == pytest.approx((100.0, 50.0))  # all predicted: 7 of 14 pairs are true
    assert (chosen.x[0], chosen.y[0]) == pytest.approx((100.0, 50.0))
    assert (paths.x[0], paths.y[0]) == pytest.approx((100 * 3 / 7, 100 * 3 / 6))  # bee twice and a cat, of 6 predicted
    assert chosen.marker.color == DARK.chosen


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    rng = np.random.default_rng(0)
    probs = rng.random((5000, 1)).astype(np.float32)
    truth = rng.random((5000, 1)) < probs
    many = made(truth, truth, np.zeros_like(truth), probs, ("ant",))
    curve = error_analysis.precision_recall(many, "ant", 0.5, dark=False).data[0]
    assert 390 <= len(curve.x) <= 400
    assert curve.x[0] == 100.0
    assert curve.customdata[0] == probs.min()
    assert curve.customdata[-1] == probs.max()
    assert curve.x[-1] < 0.1


def test_labels_are_sorted_by_their_errors(evaluation: Evaluation) -> None:
    rows = error_analysis.errors_by_label(evaluation)
    counts = [(row["label"], row["positives"], row["missed"], row["false positives"]) for row in rows]
    # ant: missed in 0, 1 and 3, wrong in 4. cat: missed in 4, wrong in 1. bee: wrong in 0, ignored in 3.
    assert counts == [("ant", 3, 3, 1), ("<i>cat", 2, 1, 1), ("bee", 2, 0, 1)]
    assert [row["AP, %"] for row in rows] == [evaluation.metrics["AP"][label] for label, *_ in counts]
    truth = np.array([[1, 1], [0, 0], [0, 0]], dtype=bool)
    predicted = np.array([[0, 0], [0, 1], [0, 1]], dtype=bool)
    both = made(truth, predicted, np.zeros_like(truth), predicted.astype(np.float32), ("ant", "bee"))
    assert [row["label"] for row in error_analysis.errors_by_label(both)] == [
        "bee",
        "ant",
    ]  # false positives count, too
    rare = made(TRUTH[:2], PREDICTED[:2], IGNORED[:2], MARGINALS[:2], LABELS)  # one bee and no cat: too few to score
    assert [row["AP, %"] is None for row in error_analysis.errors_by_label(rare)] == [False, True, True]


def test_confusions_have_missed_labels_as_rows_and_false_positives_as_columns(evaluation: Evaluation) -> None:
    expected = np.zeros((3, 3), dtype=int)
    expected[0, 1] = 1  # image 0: ant missed, bee wrong
    expected[0, 2] = 1  # image 1: ant missed, cat wrong; image 3: bee is ignored there
    expected[2, 0] = 1  # image 4: cat missed, ant wrong
    np.testing.assert_array_equal(error_analysis.count_confusions(evaluation), expected)


def test_the_confusion_matrix_has_rows_and_columns_in_the_order_of_their_names(evaluation: Evaluation) -> None:
    figure = error_analysis.confusion_matrix(evaluation, dark=True)
    matrix, alone = figure.data
    # In the order of errors_by_label: ant, cat, bee; the last column counts misses without a false positive.
    assert np.array(matrix.z).tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert [list(row) for row in matrix.text] == [["", "1", "1"], ["1", "", ""], ["", "", ""]]
    assert np.array(alone.z).tolist() == [[1], [0], [0]]
    assert [list(row) for row in alone.text] == [["1"], [""], [""]]
    assert list(figure.layout.yaxis.ticktext) == ["ant", "&lt;i&gt;cat", "bee"]
    assert list(figure.layout.xaxis.ticktext) == ["ant", "&lt;i&gt;cat", "bee", "nothing"]
    assert list(figure.layout.yaxis.tickvals) == list(matrix.x) == [0, 1, 2]
    assert list(figure.layout.xaxis.tickvals) == [*matrix.x, *alone.x]
    assert alone.x[0] > 3  # apart
    assert figure.layout.yaxis.autorange == "reversed"
    assert (figure.layout.yaxis.title.text, figure.layout.xaxis.title.text) == ("missed", "predicted wrongly")
    assert matrix.customdata[0][1] == "ant missed, &lt;i&gt;cat predicted wrongly"
    assert alone.customdata[1][0] == "&lt;i&gt;cat missed, nothing predicted wrongly"
    for cells in (matrix, alone):
        assert (cells.zmin, cells.zmax) == (0, 1)
        assert cells.colorscale[0] == (0, DARK.background)  # an empty cell is that
        assert cells.showscale is False  # the numbers are in the cells
        assert cells.textfont.color == DARK.text
    assert matrix.colorscale[1] == (1, "#89583c")  # between the theme's orange and its background
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        assert axis.fixedrange is True  # a hand that slips does not zoom
        assert axis.tickfont.color == DARK.text
    assert figure.layout.dragmode is False
    assert figure.layout.yaxis.automargin is True  # long names are not cut off
    assert figure.layout.font.color == DARK.text


def test_many_misses_without_a_false_positive_have_a_scale_of_their_own() -> None:
    truth = np.array([[1, 0]] * 45 + [[0, 1]] * 3, dtype=bool)
    predicted = np.array([[0, 0]] * 45 + [[1, 0]] * 3, dtype=bool)
    figure = error_analysis.confusion_matrix(
        made(truth, predicted, np.zeros_like(truth), predicted.astype(np.float32), ("ant", "bee")), dark=False
    )
    assert [cells.zmax for cells in figure.data] == [3, 45]


def test_the_confusion_matrix_is_limited_to_the_labels_with_the_most_errors() -> None:
    """Label i of 30 is missed i times, and label 0 is predicted each time."""
    labels = tuple(f"label {i}" for i in range(30))
    rows = [label for label in range(1, 30) for _ in range(label)]
    truth = np.zeros((len(rows), 30), dtype=bool)
    truth[np.arange(len(rows)), rows] = True
    predicted = np.zeros_like(truth)
    predicted[:, 0] = True
    figure = error_analysis.confusion_matrix(
        made(truth, predicted, np.zeros_like(truth), predicted.astype(np.float32), labels), dark=False
    )
    names = ["label 0", *(f"label {i}" for i in range(29, 10, -1))]
    assert list(figure.layout.yaxis.ticktext) == names
    values = np.array(figure.data[0].z)
    assert values.shape == (20, 20)
    assert values[:, 0].tolist() == [0, *range(29, 10, -1)]
    assert not values[:, 1:].any()
    assert figure.data[0].zmax == 29
    flawless = made(truth, truth, np.zeros_like(truth), predicted.astype(np.float32), labels)
    assert error_analysis.confusion_matrix(flawless, dark=False).data[0].zmax == 1  # no error, and still a scale
