"""Learning curves, average precisions and the reliability curve: every number is on its own axis and line."""

from __future__ import annotations

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
        assert f"epoch %{{x}}: {line.name} %{{y:.1f}} %" in line.hovertemplate
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
    figure = training.learning_curves([{"epoch": epoch, **record} for epoch in range(epochs)], dark=True)
    assert figure.layout.xaxis.dtick == apart
    assert figure.layout.font.color == DARK.text


def test_average_precisions_are_sorted_with_their_names() -> None:
    report = {
        "AP": {"ant": 30.4, "<b>bee": 90.6, "cat": 60.0},
        "positives": {"ant": 5, "<b>bee": 6, "cat": 7, "dog": 1},
    }
    figure = training.average_precisions(report, {"ant": 50, "<b>bee": 60}, dark=False)
    bar = figure.data[0]
    assert bar.orientation == "h"
    assert list(bar.x) == [90.6, 60.0, 30.4]
    assert list(bar.y) == [0, 1, 2]
    assert list(bar.text) == ["91", "60", "30"]
    assert list(figure.layout.yaxis.ticktext) == ["&lt;b&gt;bee", "cat", "ant"]
    assert list(figure.layout.yaxis.tickvals) == [0, 1, 2]
    assert figure.layout.yaxis.autorange == "reversed"
    assert list(bar.hovertext) == [
        "&lt;b&gt;bee: AP 90.6 %, 6 images in the split, 60 in training",
        "cat: AP 60.0 %, 7 images in the split, 0 in training",
        "ant: AP 30.4 %, 5 images in the split, 50 in training",
    ]
    assert bar.hoverinfo == "text"
    assert bar.cliponaxis is False  # a bar's number may stand beyond the axis
    assert (bar.textposition, bar.textfont.color) == ("outside", LIGHT.text)
    assert bar.marker.color == LIGHT.kept
    assert figure.layout.xaxis.visible is False  # every bar has its number
    low, high = figure.layout.xaxis.range
    assert low == 0
    assert 104 < high < 120
    fewer = training.average_precisions({**report, "AP": {"ant": 1.0, "cat": 2.0}}, {}, dark=False)
    assert 20 <= figure.layout.height - fewer.layout.height <= 40  # one row more
    margin = figure.layout.margin
    assert 20 <= (figure.layout.height - margin.t - margin.b) / 3 <= 40  # pixels of a row


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
        "predicted 4 %, observed 2 % (90 pairs)",
        "predicted 95 %, observed 70 % (10 pairs)",
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
    figure = training.run_curves(curves, "loss", dark=False)
    assert [trace.name for trace in figure.data] == [f"&lt;b&gt;{number}&lt;/b&gt;" for number in range(8)]
    assert [list(trace.y) for trace in figure.data] == [[10.0 * number, 5.0] for number in range(8)]
    assert len({(trace.line.color, trace.line.dash) for trace in figure.data}) == 8
    assert figure.layout.yaxis.title.text == "loss"
    assert figure.layout.showlegend
