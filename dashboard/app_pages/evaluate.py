"""Evaluate: the metrics of an evaluation, and its errors one by one."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

import controls
import state
import tray
import widgets
from cnnrnn.data import Sample, Split
from cnnrnn.data.images import ImageError
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.breakdown import MOST_LABELS, by_number_of_labels
from cnnrnn.evaluation.evaluate import Evaluation, evaluate, image_record
from cnnrnn.evaluation.label_errors import likely_label_errors
from cnnrnn.evaluation.report import worst_mistakes
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.files import escape_surrogates
from views import error_analysis, training
from views.style import CHART, markdown, spreadsheet

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_GALLERY_SIZE = 12
_ALL_LABELS = "all labels"
_UPDATE_INTERVAL = 0.2  # seconds between two updates of the progress bar


def page() -> None:
    _choose_evaluation()
    chosen = st.session_state.get("records")
    if chosen is None:
        st.info(
            "No evaluation is open. Evaluate the sample photographs above, or write an evaluation with "
            "`cnnrnn evaluate --dataset … --root … --per-image FILE` and open FILE.",
            icon=":material/rule:",
        )
        return
    name, lines = chosen
    evaluation = state.read_evaluation(name, lines)
    st.subheader(markdown(name))
    _metrics(evaluation)
    _threshold(evaluation, controls.dark())
    _errors_by_label(evaluation, controls.dark())
    _gallery(evaluation)
    _by_number_of_labels(evaluation)
    _label_errors(evaluation)


def _choose_evaluation() -> None:
    """Upload an evaluation or run one; either puts its name and lines into the session."""
    left, right = st.columns(2, gap="large")

    def opened() -> None:
        upload = st.session_state.jsonl
        if upload is not None:
            text = upload.getvalue().decode("utf-8", errors="replace")
            st.session_state.records = (upload.name, text.splitlines())

    left.file_uploader("Evaluation, one image per line (JSONL)", type=["jsonl"], key="jsonl", on_change=opened)
    with right:
        _run_evaluation()


def _run_evaluation() -> None:
    """Buttons that evaluate the chosen checkpoint on the samples, or on a split of a data set."""
    st.markdown("**Evaluate here**")
    bar = st.container()
    if st.button("Evaluate the sample photographs", icon=":material/play_arrow:", key="run_samples"):
        _evaluate(state.sample_split(), bar)
    if state.data_root() is None:
        st.caption(
            "For a data set, start the dashboard with `CNNRNN_DATA=DIR streamlit run dashboard/app.py`, where DIR is "
            "its folder."
        )
        return
    dataset, split_name = controls.choose_split("evaluated")
    if st.button("Evaluate", icon=":material/play_arrow:", key="run"):
        _evaluate(state.split(dataset, split_name), bar)


def _evaluate(split: Split, bar: DeltaGenerator) -> None:
    """Evaluate image by image. Any click ends this run; the finished images are kept."""
    _, checkpoint = controls.chosen_checkpoint()
    bar.button("Stop", icon=":material/stop:", key="stop")
    progress, lines = bar.progress(0.0, f"{split.name}: 0 of {len(split.samples)}"), list[str]()
    st.session_state.records = (f"{split.name}, {st.session_state.checkpoint}", lines)
    last = time.monotonic()

    def each(sample: Sample, result: Trace | str) -> None:
        nonlocal last
        lines.append(json.dumps(image_record(sample, result)))
        if time.monotonic() - last > _UPDATE_INTERVAL:
            last = time.monotonic()
            progress.progress(
                len(lines) / len(split.samples), f"{split.name}: {len(lines)} of {len(split.samples)} images"
            )

    evaluate(Predictor(checkpoint), split, on_image=each)
    st.rerun()


def _metrics(evaluation: Evaluation) -> None:
    metrics = evaluation.metrics
    widgets.metrics(metrics)
    st.caption(
        f"{metrics['images']} images, coverage {metrics['coverage']:.1f} %. mAP is computed from the labels' "
        f"probabilities, over the {metrics['labels_scored']} labels with at least {metrics['min_positives']} "
        "positives; O-F1, C-F1 and exact match (subset accuracy) are those of the best paths."
    )
    if metrics["errors"]:
        st.warning(f"{len(metrics['errors'])} images could not be read.", icon=":material/warning:")


@st.fragment
def _threshold(evaluation: Evaluation, dark: bool) -> None:
    st.subheader("Precision and recall")
    one, two = st.columns([1, 2], gap="large")
    with one:
        label = st.selectbox("Label", [_ALL_LABELS, *evaluation.labels], key="curve")
        threshold = st.slider("Threshold on the label's probability", 0.0, 1.0, 0.5, 0.01, key="threshold")
        only = None if label == _ALL_LABELS else label
        for name, value in error_analysis.metrics_at_threshold(evaluation, only, threshold).items():
            st.metric(name, f"{value:.1f} %")
    two.plotly_chart(
        error_analysis.precision_recall(evaluation, only, threshold, dark),
        config=CHART,
        key="precision_recall",
        alt="Curve of precision against recall; the metrics at the chosen threshold are beside it",
    )


def _errors_by_label(evaluation: Evaluation, dark: bool) -> None:
    rows = error_analysis.errors_by_label(evaluation)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Confusions")
        st.plotly_chart(
            error_analysis.confusion_matrix(evaluation, dark),
            config=CHART,
            key="confusions",
            alt="Matrix: in how many images a label was missed while another was predicted wrongly; a table is below",
        )
    with right:
        st.subheader("Calibration")
        calibration = evaluation.metrics["calibration"]
        st.plotly_chart(
            training.reliability(calibration, dark),
            config=CHART,
            key="reliability",
            alt="Line: observed frequency of labels against their predicted probability",
        )
        st.caption(f"Expected calibration error {calibration['ece']:.2f} %.")
        st.markdown(_summary(rows))
    st.dataframe(pd.DataFrame(rows).style.format({"AP, %": "{:.1f}"}, na_rep="–"), hide_index=True)
    widgets.table(
        "Table of the confusions",
        "confusions_table",
        lambda: pd.DataFrame(error_analysis.count_confusions(evaluation), evaluation.labels, evaluation.labels),
        hide_index=False,
    )


def _summary(rows: list[dict[str, Any]]) -> str:
    missed = max(rows, key=lambda row: int(row["missed"]))
    wrong = max(rows, key=lambda row: int(row["false positives"]))
    return (
        f"Most misses: **{markdown(missed['label'])}**, {missed['missed']} of {missed['positives']} positives. "
        f"Most false positives: **{markdown(wrong['label'])}**, {wrong['false positives']} images."
    )


def _gallery(evaluation: Evaluation) -> None:
    st.subheader("Worst errors")
    rows = worst_mistakes(evaluation, _GALLERY_SIZE)
    if not rows:
        st.success("There are no errors: every label set is right.")
        return
    hidden = 0
    columns = st.columns(4)
    for position, row in enumerate(rows):
        with columns[position % 4].container(border=True):
            hidden += not _wrong_image(evaluation, row)
    if hidden:
        st.caption(
            f"{hidden} of these images can't be shown: the dashboard opens only its samples and images in the folder "
            "`CNNRNN_DATA`."
        )


def _by_number_of_labels(evaluation: Evaluation) -> None:
    st.subheader("By the number of labels in an image")
    rows = [
        {
            "labels in the truth": f"{count}{' or more' if count == MOST_LABELS else ''}",
            "images": group.images,
            "predicted labels": f"{group.predicted:.1f}",
            "O-F1, %": f"{group.of1:.1f}",
            "exact match, %": f"{group.exact_match:.1f}",
        }
        for count, group in by_number_of_labels(evaluation).items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _label_errors(evaluation: Evaluation) -> None:
    st.subheader("Likely label errors")
    found = likely_label_errors(evaluation)
    if not found:
        st.caption("No label of the truth is improbable enough, and none that it lacks is probable enough.")
        return
    table = pd.DataFrame(
        {
            "image": escape_surrogates(evaluation.split.samples[error.row].image.name),
            "label": error.label,
            "the label is": error.kind,
            "probability": f"{error.probability:.1%}",
        }
        for error in found
    )
    st.caption(
        "Labels that the truth lacks though the model is sure of them (missing), and labels that it has though the "
        "model sees none of them (not there), by the thresholds of confident learning. Look at each before you change "
        "it: the model may be wrong as well. On images that it was trained on, this finds little."
    )
    event = st.dataframe(table, hide_index=True, on_select="rerun", selection_mode="single-row", key="label_errors")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.download_button(
            "CSV", lambda: spreadsheet(table), "label-errors.csv", "text/csv", icon=":material/download:",
            on_click="ignore", key="label_errors_csv",
        )  # fmt: skip
    if chosen := event["selection"]["rows"]:
        with st.container(border=True, width=360):
            if not _wrong_image(evaluation, found[chosen[0]].row, "label_error"):
                st.caption("This image can't be shown: it is not in the folder `CNNRNN_DATA`.")


def _wrong_image(evaluation: Evaluation, row: int, place: str = "open") -> bool:
    """An image whose label set is wrong, with a button that opens it in Decode; False if it can't be shown."""
    sample = evaluation.split.samples[row]
    name = escape_surrogates(sample.image.name)
    predicted = [evaluation.labels[label] for label in np.flatnonzero(evaluation.predictions.best_path[row])]
    image = _image(sample)
    if image is not None:
        widgets.picture(image.pixels, f"The image {name}")
    st.markdown(
        f"{markdown(name)}  \npredicted: **{markdown(', '.join(predicted) or 'no label')}**  \n"
        f"truth: **{markdown(', '.join(sorted(sample.labels)) or 'no label')}**"
    )
    if image is None:
        return False
    if st.button("Open in Decode", key=f"{place}_{row}"):
        tray.add(image)
        # An empty query: without one, streamlit refuses to leave a page whose URL names the checkpoint.
        st.switch_page("app_pages/decode.py", query_params={})
    return True


def _image(sample: Sample) -> state.InputImage | None:
    """The image of a record, if it may be shown: the path can come from an uploaded file."""
    try:
        return state.open_data_image(sample) if state.may_be_shown(sample) else None
    except (ImageError, OSError):
        return None


page()
