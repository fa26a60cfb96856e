"""The errors of an evaluation: precision and recall at every threshold, and which labels are confused."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from sklearn.metrics import precision_recall_curve

from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.metrics import precision_recall_f1
from cnnrnn.utils.style import Palette, palette, plain

_HEIGHT = 380
_MAX_LABELS = 20  # of the matrix: those with the most errors
_CELL = 24  # pixels of a row of it
_POINTS = 400  # of a curve; more can't be distinguished


def metrics_at_threshold(evaluation: Evaluation, label: str | None, threshold: float) -> dict[str, float]:
    """Precision, recall and F1, in percent, of predicting the labels whose probability is at least `threshold`.

    They are computed over all labels, or for one.
    """
    return _precision_recall_f1(evaluation, label, evaluation.predictions.probabilities >= threshold)


def _precision_recall_f1(evaluation: Evaluation, label: str | None, predicted: np.ndarray) -> dict[str, float]:
    columns = _columns(evaluation, label)
    metrics = precision_recall_f1(evaluation.truth[:, columns], predicted[:, columns], evaluation.ignored[:, columns])
    return {"precision": metrics["OP"], "recall": metrics["OR"], "F1": metrics["OF1"]}


def _columns(evaluation: Evaluation, label: str | None) -> slice | list[int]:
    return slice(None) if label is None else [evaluation.labels.index(label)]


def precision_recall(evaluation: Evaluation, label: str | None, threshold: float, dark: bool) -> go.Figure:
    """The curve over all thresholds of the probabilities, the chosen threshold on it, and the best paths beside it."""
    columns = _columns(evaluation, label)
    counted = ~evaluation.ignored[:, columns]
    truth, probs = evaluation.truth[:, columns][counted], evaluation.predictions.probabilities[:, columns][counted]
    precision, recall, thresholds = precision_recall_curve(truth, probs, drop_intermediate=True)
    thin = np.unique(np.linspace(0, len(thresholds) - 1, min(_POINTS, len(thresholds))).astype(int))
    colours, text = palette(dark), {"color": palette(dark).text}
    chosen = metrics_at_threshold(evaluation, label, threshold)
    paths = _precision_recall_f1(evaluation, label, evaluation.predictions.best_path)
    fig = go.Figure()
    fig.add_scatter(
        x=100 * recall[thin], y=100 * precision[thin], mode="lines", name="probabilities, all thresholds",
        line={"color": colours.kept, "width": 2}, customdata=thresholds[thin],
        hovertemplate="threshold %{customdata:.2f}: precision %{y:.1f}%, recall %{x:.1f}%<extra></extra>",
    )  # fmt: skip
    for name, x, y, symbol, colour in (
        (f"probabilities, threshold {threshold:.2f}", chosen["recall"], chosen["precision"], "circle", colours.chosen),
        ("best paths", paths["recall"], paths["precision"], "square", colours.finished),
    ):
        fig.add_scatter(
            x=[x], y=[y], mode="markers", name=name, marker={"size": 13, "symbol": symbol, "color": colour},
            hovertemplate=f"{name}: precision %{{y:.1f}}%, recall %{{x:.1f}}%<extra></extra>",
        )  # fmt: skip
    axis = {"range": [0, 103], "fixedrange": True, "tickfont": text}
    fig.update_layout(
        height=_HEIGHT, margin={"l": 0, "r": 8, "t": 8, "b": 0}, dragmode=False, font=text,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": text},
        xaxis={**axis, "title": "recall, %"}, yaxis={**axis, "title": "precision, %"},
    )  # fmt: skip
    return fig


def errors_by_label(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Missed labels (false negatives) and false positives of the best paths, the label with the most errors first."""
    missed, wrong = _false_negatives(evaluation), _false_positives(evaluation)
    rows = [
        {
            "label": label,
            "positives": evaluation.metrics["positives"][label],
            "missed": int(missed[:, column].sum()),
            "false positives": int(wrong[:, column].sum()),
            "AP, %": evaluation.metrics["AP"].get(label),
        }
        for column, label in enumerate(evaluation.labels)
    ]
    return sorted(rows, key=lambda row: -(row["missed"] + row["false positives"]))


def count_confusions(evaluation: Evaluation) -> np.ndarray:
    """In how many images a label was missed while another was a false positive: (missed, predicted)."""
    return _false_negatives(evaluation).T.astype(int) @ _false_positives(evaluation)


def confusion_matrix(evaluation: Evaluation, dark: bool) -> go.Figure:
    """`count_confusions` of the labels with the most errors. A column apart, with a scale of its own, counts misses
    without a false positive."""
    counts = count_confusions(evaluation)
    missed, wrong = _false_negatives(evaluation), _false_positives(evaluation)
    order = np.argsort(-(missed.sum(axis=0) + wrong.sum(axis=0)), kind="stable")[:_MAX_LABELS]
    alone = (missed & ~wrong.any(axis=1, keepdims=True)).sum(axis=0)  # missed, and no label is wrong in that image
    names, colours = [plain(evaluation.labels[label]) for label in order], palette(dark)
    apart = len(names) + 0.5  # where the last column is
    fig = go.Figure(
        [
            _cells(counts[np.ix_(order, order)], list(range(len(names))), names, names, colours, colours.chosen),
            _cells(alone[order, None], [apart], names, ["nothing"], colours, colours.kept),  # most misses: larger
        ]
    )
    text = {"color": colours.text}
    fig.update_layout(
        height=140 + _CELL * len(names), margin={"l": 0, "r": 0, "t": 8, "b": 0}, font=text, dragmode=False
    )
    ticks = {"fixedrange": True, "showgrid": False, "zeroline": False, "tickfont": text}
    fig.update_xaxes(
        tickvals=[*range(len(names)), apart], ticktext=[*names, "nothing"], tickangle=-60, title="predicted wrongly",
        **ticks,
    )  # fmt: skip
    fig.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        autorange="reversed",
        title="missed",
        automargin=True,
        **ticks,
    )
    return fig


def _cells(
    values: np.ndarray, at: list[float], rows: list[str], columns: list[str], colours: Palette, color: str
) -> go.Heatmap:
    """Counts (row, column) at positions on the x-axis, darker or lighter by their own largest, with their numbers."""
    return go.Heatmap(
        x=at, z=values, zmin=0, zmax=max(1, values.max(initial=0)), showscale=False,
        colorscale=[[0, colours.background], [1, _mixed(color, colours.background)]],
        text=[[str(value or "") for value in row] for row in values], texttemplate="%{text}",
        textfont={"color": colours.text},
        customdata=[[f"{row} missed, {column} predicted wrongly" for column in columns] for row in rows],
        hovertemplate="%{customdata}: %{z} images<extra></extra>",
    )  # fmt: skip


def _mixed(one: str, other: str) -> str:
    """The color between two, on which a text can be read that can be read on `other`."""
    return "#" + "".join(f"{(int(one[i : i + 2], 16) + int(other[i : i + 2], 16)) // 2:02x}" for i in (1, 3, 5))


def _false_negatives(evaluation: Evaluation) -> np.ndarray:
    """bool (image, label)"""
    return evaluation.truth & ~evaluation.predictions.best_path & ~evaluation.ignored


def _false_positives(evaluation: Evaluation) -> np.ndarray:
    """bool (image, label)"""
    return ~evaluation.truth & evaluation.predictions.best_path & ~evaluation.ignored
