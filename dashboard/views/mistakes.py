"""An evaluation looked into: precision and recall as a threshold moves, and which labels are taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from sklearn.metrics import precision_recall_curve

from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.metrics import precision_recall_f1
from views.style import palette, plain

_HEIGHT = 380
_MOST = 25  # labels of the matrix: those with the most mistakes
_POINTS = 400  # of a curve; more can't be told apart


def at_threshold(evaluation: Evaluation, label: str | None, threshold: float) -> dict[str, float]:
    """Precision, recall and F1, in percent, of the marginals from `threshold` on; over all labels, or of one."""
    return _judged(evaluation, label, evaluation.predictions.marginals >= threshold)


def _judged(evaluation: Evaluation, label: str | None, predicted: np.ndarray) -> dict[str, float]:
    columns = _columns(evaluation, label)
    six = precision_recall_f1(evaluation.truth[:, columns], predicted[:, columns], evaluation.ignored[:, columns])
    return {"precision": six["OP"], "recall": six["OR"], "F1": six["OF1"]}


def _columns(evaluation: Evaluation, label: str | None) -> slice | list[int]:
    return slice(None) if label is None else [evaluation.labels.index(label)]


def precision_recall(evaluation: Evaluation, label: str | None, threshold: float, dark: bool) -> go.Figure:
    """The curve of the marginals, where the threshold stands on it, and what the best paths reach."""
    columns = _columns(evaluation, label)
    counted = ~evaluation.ignored[:, columns]
    truth, marginals = evaluation.truth[:, columns][counted], evaluation.predictions.marginals[:, columns][counted]
    precision, recall, thresholds = precision_recall_curve(truth, marginals, drop_intermediate=True)
    thin = np.unique(np.linspace(0, len(thresholds) - 1, min(_POINTS, len(thresholds))).astype(int))
    colours, text = palette(dark), {"color": palette(dark).text}
    here = at_threshold(evaluation, label, threshold)
    paths = _judged(evaluation, label, evaluation.predictions.best_path)
    fig = go.Figure()
    fig.add_scatter(
        x=100 * recall[thin], y=100 * precision[thin], mode="lines", name="marginals, every threshold",
        line={"color": colours.kept, "width": 2}, customdata=thresholds[thin],
        hovertemplate="from %{customdata:.2f} on: precision %{y:.1f} %, recall %{x:.1f} %<extra></extra>",
    )  # fmt: skip
    for name, x, y, symbol, colour in (
        (f"marginals from {threshold:.2f} on", here["recall"], here["precision"], "circle", colours.chosen),
        ("best paths", paths["recall"], paths["precision"], "square", colours.finished),
    ):
        fig.add_scatter(
            x=[x], y=[y], mode="markers", name=name, marker={"size": 13, "symbol": symbol, "color": colour},
            hovertemplate=f"{name}: precision %{{y:.1f}} %, recall %{{x:.1f}} %<extra></extra>",
        )  # fmt: skip
    axis = {"range": [0, 103], "fixedrange": True, "tickfont": text}
    fig.update_layout(
        height=_HEIGHT, margin={"l": 0, "r": 8, "t": 8, "b": 0}, dragmode=False, font=text,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": text},
        xaxis={**axis, "title": "recall, %"}, yaxis={**axis, "title": "precision, %"},
    )  # fmt: skip
    return fig


def by_label(evaluation: Evaluation) -> list[dict[str, Any]]:
    """What the best paths forget and what they say wrongly, label by label, the most mistakes first."""
    missed, wrong = _missed(evaluation), _wrong(evaluation)
    rows = [
        {
            "label": label,
            "positives": evaluation.metrics["positives"][label],
            "forgotten": int(missed[:, column].sum()),
            "wrongly said": int(wrong[:, column].sum()),
            "AP, %": evaluation.metrics["AP"].get(label),
        }
        for column, label in enumerate(evaluation.labels)
    ]
    return sorted(rows, key=lambda row: -(row["forgotten"] + row["wrongly said"]))


def confusions(evaluation: Evaluation) -> np.ndarray:
    """How often a label was forgotten in an image where another was wrongly said: (forgotten, said) counts."""
    return _missed(evaluation).T.astype(int) @ _wrong(evaluation)


def confusion_matrix(evaluation: Evaluation, dark: bool) -> go.Figure:
    """`confusions` of the labels with the most mistakes, and beside them what was forgotten for nothing else."""
    counts = confusions(evaluation)
    missed, wrong = _missed(evaluation), _wrong(evaluation)
    order = np.argsort(-(missed.sum(axis=0) + wrong.sum(axis=0)), kind="stable")[:_MOST]
    alone = (missed & ~wrong.any(axis=1, keepdims=True)).sum(axis=0)  # forgotten, and nothing else said for it
    values = np.concatenate([counts[np.ix_(order, order)], alone[order, None]], axis=1)
    names = [plain(evaluation.labels[label]) for label in order]
    said = [*names, "nothing"]
    text = {"color": palette(dark).text}
    fig = go.Figure(
        go.Heatmap(
            z=values, zmin=0, zmax=max(1, counts.max()),  # what was forgotten for nothing would drown the rest
            text=[[str(value or "") for value in row] for row in values], texttemplate="%{text}",
            colorscale="Cividis", colorbar={"thickness": 10, "tickfont": text},
            customdata=[[f"{row} was forgotten where {column} was wrongly said" for column in said] for row in names],
            hovertemplate="%{customdata}: %{z} images<extra></extra>",
        )
    )  # fmt: skip
    fig.update_layout(height=140 + 20 * len(names), margin={"l": 0, "r": 0, "t": 8, "b": 0}, font=text, dragmode=False)
    ticks = {"fixedrange": True, "showgrid": False, "tickfont": text}
    fig.update_xaxes(tickvals=list(range(len(said))), ticktext=said, tickangle=-60, title="wrongly said", **ticks)
    fig.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        autorange="reversed",
        title="forgotten",
        automargin=True,
        **ticks,
    )
    return fig


def _missed(evaluation: Evaluation) -> np.ndarray:
    """bool (image, label)"""
    return evaluation.truth & ~evaluation.predictions.best_path & ~evaluation.ignored


def _wrong(evaluation: Evaluation) -> np.ndarray:
    """bool (image, label)"""
    return ~evaluation.truth & evaluation.predictions.best_path & ~evaluation.ignored
