"""An evaluation as one HTML file that opens offline: figures, and the worst mistakes with their images.

Names of labels and files come from strangers: everything is escaped before it becomes HTML.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import precision_recall_curve

from cnnrnn.data.images import ImageError, open_image
from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.paper import MEASURED, QUOTED
from cnnrnn.utils import webpage

if TYPE_CHECKING:
    import plotly.graph_objects as go

_WORST = 24  # images
_THUMBNAIL = 220  # pixels
_MOST_LABELS = 80  # of the co-occurrence matrices
_SIX = ("CP", "CR", "CF1", "OP", "OR", "OF1")


def render_html(evaluation: Evaluation) -> str:
    """The whole page, with plotly's script inside (about 5 MB)."""
    title = f"Evaluation on {evaluation.split.name}"
    sections = [
        ("", _summary(evaluation)),
        ("Average precision by label", webpage.figure(_ap_bars(evaluation), script=True)),
        ("Precision and recall of the marginals", webpage.figure(_precision_recall(evaluation))),
        ("Which labels go together", webpage.figure(_co_occurrence(evaluation))),
        ("Worst mistakes", _worst(evaluation)),
    ]
    body = "\n".join((f"<h2>{heading}</h2>\n" if heading else "") + content for heading, content in sections)
    return webpage.page(title, body)


def _summary(evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    rows = [
        ("best path", metrics),
        ("three best marginals", metrics["top3"]),
        (f"of these, at least {metrics['threshold']:g}", metrics["top3_at_most"]),
        (f"marginals of at least {metrics['threshold']:g}", metrics["above_threshold"]),
    ]
    quoted = QUOTED.get(evaluation.split.name, {})
    if "CF1" in quoted:
        rows.append((f"quoted from the paper, three best ({MEASURED})", quoted))
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{six[key]:.1f}</td>" if key in six else "<td></td>" for key in _SIX)
        + "</tr>"
        for name, six in rows
    )
    said = "".join(
        f" Quoted from the paper ({MEASURED}): {key} {quoted[key]:.1f}." for key in ("mAP", "MAP@10") if key in quoted
    )
    return (
        f"<p>{metrics['images']} images. mAP {metrics['mAP']:.1f} (11-point {metrics['mAP_eleven_point']:.1f}, "
        f"interpolated area {metrics['mAP_area']:.1f}) over {metrics['labels_scored']} labels with at least "
        f"{metrics['min_positives']} positives; MAP@10 {metrics['MAP@10']:.1f}; "
        f"exact set {metrics['exact_match']:.1f} %; Hamming loss {metrics['hamming_loss']:.2f} %; "
        f"coverage {metrics['coverage']:.1f} %.{said}</p>"
        f"<table><tr><th></th>{''.join(f'<th>{key}</th>' for key in _SIX)}</tr>{cells}</table>"
    )


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
    """All pairs of image and label together, and each scored label behind a click in the legend."""
    import plotly.graph_objects as go

    counted, truth, marginals = ~evaluation.ignored, evaluation.truth, evaluation.predictions.marginals
    fig = go.Figure()
    curves = [("all labels", truth[counted], marginals[counted])]
    for label in evaluation.metrics["AP"]:
        column = evaluation.labels.index(label)
        rows = counted[:, column]
        curves.append((label, truth[rows, column], marginals[rows, column]))
    for name, wanted, scores in curves:
        precision, recall, _ = precision_recall_curve(wanted, scores, drop_intermediate=True)
        shown = True if name == "all labels" else "legendonly"
        fig.add_scatter(x=recall, y=precision, mode="lines", name=html.escape(name), visible=shown)
    axes = {"range": [0, 1.02]}
    fig.update_layout(height=460, xaxis={**axes, "title": "recall"}, yaxis={**axes, "title": "precision"})
    return fig


def _co_occurrence(evaluation: Evaluation) -> go.Figure:
    """P(column | row) in the best paths beside the truth, of the most frequent labels."""
    from plotly.subplots import make_subplots

    truth = evaluation.truth & ~evaluation.ignored
    shown = np.argsort(-truth.sum(axis=0), kind="stable")[:_MOST_LABELS]
    names = [html.escape(evaluation.labels[label]) for label in shown]
    fig = make_subplots(cols=2, subplot_titles=("in the truth", "in the best paths"), shared_yaxes=True)
    for column, sets in enumerate((truth, evaluation.predictions.best_path), start=1):
        fig.add_heatmap(
            z=conditional(sets[:, shown]), x=names, y=names, row=1, col=column, zmin=0, zmax=1, colorscale="Cividis",
            hovertemplate="P(%{x} | %{y}) = %{z:.2f}<extra></extra>",
        )  # fmt: skip
    fig.update_yaxes(autorange="reversed")
    fig.update_layout(height=160 + 18 * len(names))
    return fig


def conditional(sets: np.ndarray) -> np.ndarray:
    """P(column | row) from label sets, bool (image, label) -> (label, label); 0 for itself and for an unseen row."""
    together = sets.T.astype(float) @ sets
    seen = np.diag(together).copy()
    np.fill_diagonal(together, 0.0)
    return np.divide(together, seen[:, None], out=np.zeros_like(together), where=seen[:, None] > 0)


def worst_mistakes(evaluation: Evaluation, most: int = _WORST) -> list[int]:
    """Indices of the images whose best path is wrong, the most confidently wrong first."""
    wrong = (evaluation.truth != evaluation.predictions.best_path) & ~evaluation.ignored
    distance = np.abs(evaluation.truth - evaluation.predictions.marginals) * wrong
    order = np.argsort(-distance.sum(axis=1), kind="stable")
    return [int(row) for row in order[:most] if wrong[row].any()]


def _worst(evaluation: Evaluation) -> str:
    figures = []
    for row in worst_mistakes(evaluation):
        sample = evaluation.split.samples[row]
        said = [
            label for label, yes in zip(evaluation.labels, evaluation.predictions.best_path[row], strict=True) if yes
        ]
        caption = (
            f"{html.escape(sample.image.name)}<br>said <b>{html.escape(', '.join(said) or 'nothing')}</b><br>"
            f"truth <b>{html.escape(', '.join(sorted(sample.labels)) or 'nothing')}</b>"
        )
        figures.append(f"<figure>{_thumbnail(evaluation, row)}<figcaption>{caption}</figcaption></figure>")
    return f'<div class="images">{"".join(figures)}</div>' if figures else "<p>None: every label set is right.</p>"


def _thumbnail(evaluation: Evaluation, row: int) -> str:
    try:
        image = open_image(evaluation.split.samples[row].image, _THUMBNAIL)
    except ImageError as error:
        return f"<p>{html.escape(str(error))}</p>"
    return webpage.image(image, _THUMBNAIL)
