"""An evaluation as one HTML file that opens offline: metrics, charts, and the worst errors with their images.

Names of labels and files come from untrusted sources, so they are escaped.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.metrics import precision_recall_curve

from cnnrnn.data.images import ImageError, open_image
from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.paper import MEASURED, QUOTED
from cnnrnn.utils import webpage
from cnnrnn.utils.style import LIGHT, counted, percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MAX_ERRORS = 24  # images
_THUMBNAIL_SIZE = 220  # pixels
_MAX_LABELS = 80  # of the co-occurrence matrices
_COLORS = {"right": LIGHT.finished, "wrong": LIGHT.chosen, "missed": "#5c6066"}
_COLUMNS = ("CP", "CR", "CF1", "OP", "OR", "OF1")


def render_html(evaluation: Evaluation) -> str:
    """The whole page, with plotly's script inside (about 5 MB)."""
    title = f"Evaluation on {evaluation.split.name}"
    sections = [
        ("", _summary(evaluation)),
        ("Average precision by label", webpage.figure(_ap_bars(evaluation), script=True)),
        ("Precision and recall of the probabilities", webpage.figure(_precision_recall(evaluation))),
        ("Label co-occurrence", webpage.figure(_cooccurrence(evaluation))),
        ("Worst errors", _worst_errors(evaluation)),
    ]
    body = "\n".join((f"<h2>{heading}</h2>\n" if heading else "") + content for heading, content in sections)
    return webpage.page(title, body)


def _summary(evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    rows: list[tuple[str, Mapping[str, Any]]] = [
        ("best path", metrics),
        ("three most probable labels", metrics["top3"]),
        (f"of these, at least {metrics['threshold']:g}", metrics["top3_at_most"]),
        (f"probabilities of at least {metrics['threshold']:g}", metrics["above_threshold"]),
    ]
    quoted = QUOTED.get(evaluation.split.name, {})
    if "CF1" in quoted:
        rows.append((f"quoted from the paper, three highest ({MEASURED})", quoted))
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{values[key]:.1f}</td>" if key in values else "<td></td>" for key in _COLUMNS)
        + "</tr>"
        for name, values in rows
    )
    from_paper = "".join(
        f" Quoted from the paper ({MEASURED}): {key} {quoted[key]:.1f}." for key in ("mAP", "MAP@10") if key in quoted
    )
    return (
        f"<p>{metrics['images']} images. mAP {metrics['mAP']:.1f} (11-point {metrics['mAP_eleven_point']:.1f}, "
        f"interpolated area {metrics['mAP_area']:.1f}) over {metrics['labels_scored']} labels with at least "
        f"{counted(metrics['min_positives'], 'positive')}; MAP@10 {metrics['MAP@10']:.1f}; "
        f"exact match {metrics['exact_match']:.1f} %; Hamming loss {metrics['hamming_loss']:.2f} %; "
        f"coverage {metrics['coverage']:.1f} %.{from_paper}</p>"
        f"{_source(metrics)}"
        f"<table><tr><th></th>{''.join(f'<th>{key}</th>' for key in _COLUMNS)}</tr>{cells}</table>"
    )


def _source(metrics: Mapping[str, Any]) -> str:
    """Which checkpoint was evaluated, and how, as far as it is known."""
    if "checkpoint" not in metrics:
        return ""
    checkpoint, command = html.escape(metrics["checkpoint"]), html.escape(metrics["command"])
    return f"<p>Checkpoint: {checkpoint}. Measured by <code>{command}</code></p>"


def _ap_bars(evaluation: Evaluation) -> go.Figure:
    import plotly.graph_objects as go

    ap, positives = evaluation.metrics["AP"], evaluation.metrics["positives"]
    ranked = sorted(ap, key=lambda label: ap[label])
    fig = go.Figure(
        go.Bar(
            x=[ap[label] for label in ranked],
            y=[f"{html.escape(label)} ({positives[label]})" for label in ranked],
            orientation="h",
            marker={"color": "#0072b2"},
            text=[f"{ap[label]:.1f}" for label in ranked],
        )
    )
    fig.update_layout(height=80 + 22 * len(ranked), xaxis={"range": [0, 100], "title": "AP (positives in brackets)"})
    return fig


def _precision_recall(evaluation: Evaluation) -> go.Figure:
    """The curve of all pairs of image and label, and one for each scored label, which a click in the legend shows."""
    import plotly.graph_objects as go

    counted, truth, probs = ~evaluation.ignored, evaluation.truth, evaluation.predictions.probabilities
    fig = go.Figure()
    curves = [("all labels", truth[counted], probs[counted])]
    for label in evaluation.metrics["AP"]:
        column = evaluation.labels.index(label)
        rows = counted[:, column]
        curves.append((label, truth[rows, column], probs[rows, column]))
    for name, positive, scores in curves:
        precision, recall, _ = precision_recall_curve(positive, scores, drop_intermediate=True)
        visible = True if name == "all labels" else "legendonly"
        fig.add_scatter(x=recall, y=precision, mode="lines", name=html.escape(name), visible=visible)
    axes = {"range": [0, 1.02]}
    fig.update_layout(height=460, xaxis={**axes, "title": "recall"}, yaxis={**axes, "title": "precision"})
    return fig


def _cooccurrence(evaluation: Evaluation) -> go.Figure:
    """P(column | row) of the most frequent labels, in the truth and in the best paths."""
    from plotly.subplots import make_subplots

    truth = evaluation.truth & ~evaluation.ignored
    frequent = np.argsort(-truth.sum(axis=0), kind="stable")[:_MAX_LABELS]
    frequent = frequent[(truth | evaluation.predictions.best_path).any(axis=0)[frequent]]  # that occur in either
    names = [html.escape(evaluation.labels[label]) for label in frequent]
    fig = make_subplots(cols=2, subplot_titles=("in the truth", "in the best paths"), shared_yaxes=True)
    for column, label_sets in enumerate((truth, evaluation.predictions.best_path), start=1):
        fig.add_heatmap(
            z=conditional(label_sets[:, frequent]), x=names, y=names, row=1, col=column, zmin=0, zmax=1,
            colorscale="Cividis", hovertemplate="P(%{x} | %{y}) = %{z:.2f}<extra></extra>",
        )  # fmt: skip
    fig.update_yaxes(autorange="reversed")
    fig.update_layout(height=160 + 18 * len(names))
    return fig


def conditional(label_sets: np.ndarray) -> np.ndarray:
    """P(column | row) from label sets, bool (image, label) -> (label, label).

    The diagonal is 0, and so are the rows of labels that never occur.
    """
    pairs = label_sets.T.astype(float) @ label_sets
    counts = np.diag(pairs)[:, None].copy()
    np.fill_diagonal(pairs, 0.0)
    return np.divide(pairs, counts, out=np.zeros_like(pairs), where=counts > 0)


def worst_mistakes(evaluation: Evaluation, most: int = _MAX_ERRORS) -> list[int]:
    """Indices of the images whose best path is wrong, the most confidently wrong first: that with the label of which
    the model was surest, and in error."""
    wrong = (evaluation.truth != evaluation.predictions.best_path) & ~evaluation.ignored
    distance = np.abs(evaluation.truth - evaluation.predictions.probabilities) * wrong
    order = np.argsort(-distance.max(axis=1), kind="stable")
    return [int(row) for row in order[:most] if wrong[row].any()]


SIGNS = {"right": "✓", "wrong": "✗", "missed": "○"}  # verdict on a label -> its mark


class JudgedLabel(NamedTuple):
    """A label of an image's best path or of its truth."""

    label: str
    verdict: str  # a key of SIGNS
    probability: float  # 0 to 1

    def __str__(self) -> str:
        return f"{SIGNS[self.verdict]} {self.label} {percent(self.probability)}"


def judged_labels(evaluation: Evaluation, row: int) -> list[JudgedLabel]:
    """Which labels of an image are predicted rightly, which wrongly and which are missed, each group the most probable
    first. Labels that are ignored there are left out."""
    truth, predicted = evaluation.truth[row], evaluation.predictions.best_path[row]
    probs = evaluation.predictions.probabilities[row]
    groups = {"right": truth & predicted, "wrong": ~truth & predicted, "missed": truth & ~predicted}
    return [
        JudgedLabel(evaluation.labels[label], verdict, float(probs[label]))
        for verdict, members in groups.items()
        for label in sorted(np.flatnonzero(members & ~evaluation.ignored[row]), key=lambda label: -probs[label])
    ]


def _worst_errors(evaluation: Evaluation) -> str:
    figures = []
    for row in worst_mistakes(evaluation):
        judged = [
            f'<span style="color:{_COLORS[label.verdict]}">{html.escape(str(label))}</span>'
            for label in judged_labels(evaluation, row)
        ]
        caption = "<br>".join([html.escape(evaluation.split.samples[row].image.name), *judged])
        figures.append(f"<figure>{_thumbnail(evaluation, row)}<figcaption>{caption}</figcaption></figure>")
    legend = ", ".join(f"{sign} {verdict}" for verdict, sign in SIGNS.items())
    return (
        f'<p>{legend}, each with its probability.</p><div class="images">{"".join(figures)}</div>'
        if figures
        else "<p>There are none: every label set is right.</p>"
    )


def _thumbnail(evaluation: Evaluation, row: int) -> str:
    try:
        image = open_image(evaluation.split.samples[row].image, _THUMBNAIL_SIZE)
    except ImageError as error:
        return f"<p>{html.escape(str(error))}</p>"
    return webpage.image(image, _THUMBNAIL_SIZE)
