"""Learning curves, average precisions and the reliability curve: every number is on its own axis and line."""

from __future__ import annotations

import numpy as np
import pytest

from cnnrnn.utils.style import DARK, LIGHT
from views import training


def test_learning_curves_draw_their_metrics() -> None:
    history = [
        {"epoch": 2, "val_mAP": 50.0, "val_OF1": 40.0, "val_exact_match": 10.0, "loss": 3.0},
        {"epoch": 4, "val_mAP": 60.0, "val_OF1": 35.0, "val_exact_match": 20.0, "loss": 2.0},
    ]
    figure = training.learning_curves(history, dark=False)
    assert {line.name: (list(line.x), list(line.y)) for line in figure.data} == {
        "mAP": ([2, 4], [50.0, 60.0]),
        "O-F1": ([2, 4], [40.0, 35.0]),
        "exact match": ([2, 4], [10.0, 20.0]),
    }
    for line in figure.data:
        assert f"epoch %{{x}}: {line.name} %{{y:.1f}}%" in line.hovertemplate
        assert line.mode == "lines+markers"
    assert [line.line.color for line in figure.data] == [LIGHT.chosen, LIGHT.kept, LIGHT.finished]
    assert len({line.line.dash for line in figure.data}) == 3  # distinguishable without colours
    assert figure.layout.xaxis.title.text == "epoch"
    assert figure.layout.yaxis.title.text == "% on the validation split"
    assert figure.layout.legend.orientation == "h"
    assert 1.1 <= figure.layout.legend.y <= 1.2  # above the curves


@pytest.mark.parametrize(("epochs", "apart"), [(1, 1), (19, 1), (20, 2), (100, 10)])
def test_the_epochs_axis_has_about_ten_ticks(epochs: int, apart: int) -> None:
    record = {"val_mAP": 50.0, "val_OF1": 40.0, "val_exact_match": 10.0}
    figure = training.learning_curves([{"epoch": epoch, **record} for epoch in range(1, epochs + 1)], dark=True)
    assert figure.layout.xaxis.dtick == apart
    low, high = figure.layout.xaxis.range
    assert epochs < high <= epochs + 3
    assert 1 - low == high - epochs  # as much room before the first as after the last
    assert figure.layout.font.color == DARK.text


def test_average_precisions_are_drawn_over_the_training_images() -> None:
    report = {
        "AP": {"ant": 30.4, "<b>bee": 90.6, "cat": 60.0},
        "positives": {"ant": 5, "<b>bee": 6, "cat": 7, "dog": 1},
    }
    figure = training.average_precisions(report, {"ant": 50, "<b>bee": 6000}, dark=False)
    points = figure.data[0]
    assert list(points.y) == [30.4, 60.0, 90.6]
    assert list(points.x) == [50, 1, 6000]  # a logarithmic axis has no zero
    assert figure.layout.xaxis.type == "log"
    low, high = figure.layout.xaxis.range
    assert low < 0 < np.log10(6000) < high
    assert list(points.text) == ["ant", "cat", "&lt;b&gt;bee"]
    assert list(points.hovertext) == [
        "ant: AP 30.4%, 5 images in the split, 50 in training",
        "cat: AP 60.0%, 7 images in the split, 0 in training",
        "&lt;b&gt;bee: AP 90.6%, 6 images in the split, 6000 in training",
    ]
    assert points.hoverinfo == "text"


def test_of_many_labels_the_worst_and_the_best_have_their_names() -> None:
    values = dict(zip((f"label {number}" for number in range(1000)), np.linspace(2, 99, 1000), strict=True))
    counts = {label: 1 + number * 37 % 1000 for number, label in enumerate(values)}
    report = {"AP": values, "positives": dict.fromkeys(values, 5)}
    figure = training.average_precisions(report, counts, dark=True)
    written = [text for text in figure.data[0].text if text]
    assert {"label 0", "label 999"} <= set(written)
    assert 4 < len(written) <= 24
    assert all(int(text.split()[1]) < 20 or int(text.split()[1]) > 980 for text in written)
    assert figure.layout.height < 500  # of 80 labels and of 1,000


def test_the_reliability_curve_has_predictions_as_x_and_observations_as_y() -> None:
    bins = [
        {"from": 0.0, "pairs": 90, "predicted": 4.0, "observed": 2.0},
        {"from": 50.0, "pairs": 0, "predicted": 0.0, "observed": 0.0},  # an empty bin
        {"from": 90.0, "pairs": 10, "predicted": 95.0, "observed": 70.0},
    ]
    figure = training.reliability({"bins": bins}, dark=True)
    diagonal, curve = figure.data
    assert list(diagonal.x) == list(diagonal.y) == [0, 100]
    assert diagonal.line.dash == "dash"
    assert (diagonal.mode, curve.mode) == ("lines", "lines+markers")
    assert (diagonal.hoverinfo, curve.hoverinfo) == ("skip", "text")
    assert list(curve.x) == [4.0, 95.0]
    assert list(curve.y) == [2.0, 70.0]
    assert list(curve.hovertext) == [
        "predicted 4%, observed 2% (90 pairs)",
        "predicted 95%, observed 70% (10 pairs)",
    ]
    assert (diagonal.line.color, curve.line.color) == (DARK.faint, DARK.chosen)
    assert figure.layout.xaxis.title.text == "predicted probability, %"
    assert figure.layout.yaxis.title.text == "observed frequency, %"
    assert figure.layout.showlegend is False
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        assert axis.range[0] == 0
        assert 100 < axis.range[1] < 110


def test_all_figures_of_a_training_have_room_for_their_texts_and_do_not_zoom() -> None:
    record = {"epoch": 1, "val_mAP": 50.0, "val_OF1": 40.0, "val_exact_match": 10.0}
    for figure in (
        training.learning_curves([record], dark=True),
        training.average_precisions({"AP": {"ant": 30.0}, "positives": {"ant": 5}}, {}, dark=True),
        training.reliability({"bins": []}, dark=True),
    ):
        for axis in (figure.layout.xaxis, figure.layout.yaxis):
            assert axis.automargin is True
            assert axis.fixedrange is True  # a hand that slips does not zoom
            assert axis.tickfont.color == DARK.text
        assert figure.layout.dragmode is False
        assert figure.layout.font.color == figure.layout.legend.font.color == DARK.text


def test_runs_are_told_apart_by_color_or_dashes_and_their_names_are_text() -> None:
    curves = {f"<b>{number}</b>": [(1.0, 10.0 * number), (2.0, 5.0)] for number in range(8)}
    figure = training.run_curves(curves, "loss", dark=False, best={"<b>3</b>": 2.0})
    *runs, kept = figure.data
    assert [trace.name for trace in runs] == [f"&lt;b&gt;{number}&lt;/b&gt;" for number in range(8)]
    assert [list(trace.y) for trace in runs] == [[10.0 * number, 5.0] for number in range(8)]
    assert len({(trace.line.color, trace.line.dash) for trace in runs}) == 8
    assert figure.layout.yaxis.title.text == "loss"
    assert (kept.name, kept.marker.symbol, kept.mode) == ("kept in best", "star", "markers")
    assert (list(kept.x), list(kept.y)) == ([2.0], [5.0])
    assert list(kept.marker.color) == [runs[3].line.color]
    assert len(training.run_curves(curves, "loss", False, {}).data) == 8
    assert figure.layout.showlegend
