"""Evaluate: how good is it, and where does it fail? An evaluation's figures, and its mistakes one by one."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

import controls
import shown
import state
from cnnrnn.data import Sample
from cnnrnn.data.images import ImageError
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.evaluate import Evaluation, evaluate, image_record, read_records
from cnnrnn.evaluation.report import worst_mistakes
from cnnrnn.inference.predictor import Predictor
from views import mistakes, training
from views.style import CHART, markdown

_WORST = 12  # images of the gallery
_ALL = "all labels"
_EVERY = 0.2  # seconds between two signs of progress


def page() -> None:
    _choose()
    chosen = st.session_state.get("records")
    if chosen is None:
        st.info(
            "Nothing is open yet. Write an evaluation with `cnnrnn evaluate --dataset … --root … --per-image FILE` and "
            "open FILE above.",
            icon=":material/rule:",
        )
        return
    name, lines = chosen
    evaluation = _read(hashlib.sha256("\n".join(lines).encode()).hexdigest(), name, lines)
    st.subheader(markdown(name))
    _figures(evaluation)
    _threshold(evaluation, controls.dark())
    _labels(evaluation, controls.dark())
    _gallery(evaluation)


def _choose() -> None:
    """The two ways to an evaluation; either puts its name and lines into the session."""
    left, right = st.columns(2, gap="large")

    def opened() -> None:
        upload = st.session_state.jsonl
        if upload is not None:
            text = upload.getvalue().decode("utf-8", errors="replace")
            st.session_state.records = (upload.name, text.splitlines())

    left.file_uploader("An evaluation's images (JSONL)", type=["jsonl"], key="jsonl", on_change=opened)
    with right:
        _run_here()


def _run_here() -> None:
    root = state.data_root()
    if root is None:
        st.markdown("**Evaluate here**")
        st.caption("Start with `CNNRNN_DATA=DIR streamlit run dashboard/app.py`, DIR being the folder of a data set.")
        return
    dataset, split_name = controls.choose_split("evaluated")
    _, checkpoint = controls.chosen_checkpoint()
    bar, button = st.container(), st.empty()
    if not button.button("Evaluate", icon=":material/play_arrow:", key="run"):
        return
    split = state.split(dataset, split_name)
    button.button("Stop", icon=":material/stop:", key="stop")  # any click ends this run; what is done is kept
    progress, lines = bar.progress(0.0, f"{split.name}: 0 of {len(split.samples)}"), list[str]()
    st.session_state.records = (f"{split.name}, {st.session_state.checkpoint}", lines)
    last = time.monotonic()

    def each(sample: Sample, outcome: Trace | str) -> None:
        nonlocal last
        lines.append(json.dumps(image_record(sample, outcome)))
        if time.monotonic() - last > _EVERY:
            last = time.monotonic()
            progress.progress(
                len(lines) / len(split.samples), f"{split.name}: {len(lines)} of {len(split.samples)} images"
            )

    evaluate(Predictor(checkpoint), split, on_image=each)
    st.rerun()


@st.cache_resource(max_entries=4, show_spinner="Reading the evaluation …")
def _read(digest: str, name: str, _lines: list[str]) -> Evaluation:
    return read_records(_lines, name)


def _figures(evaluation: Evaluation) -> None:
    metrics = evaluation.metrics
    shown.measures(metrics)
    st.caption(
        f"{metrics['images']} images, coverage {metrics['coverage']:.1f} %. mAP from the marginals, over the "
        f"{metrics['labels_scored']} labels with at least {metrics['min_positives']} positives; O-F1, C-F1 and exact "
        "set judge the best paths."
    )
    if metrics["errors"]:
        st.warning(f"{len(metrics['errors'])} images could not be read.", icon=":material/warning:")


@st.fragment
def _threshold(evaluation: Evaluation, dark: bool) -> None:
    st.subheader("Precision against recall")
    one, two = st.columns([1, 2], gap="large")
    with one:
        label = st.selectbox("Of", [_ALL, *evaluation.labels], key="curve")
        threshold = st.slider("A label counts from this marginal on", 0.0, 1.0, 0.5, 0.01, key="threshold")
        of = None if label == _ALL else label
        for name, value in mistakes.at_threshold(evaluation, of, threshold).items():
            st.metric(name, f"{value:.1f} %")
    two.plotly_chart(
        mistakes.precision_recall(evaluation, of, threshold, dark),
        config=CHART,
        key="precision_recall",
        alt="Curve of precision against recall; the chosen threshold's figures stand beside it",
    )


def _labels(evaluation: Evaluation, dark: bool) -> None:
    rows = mistakes.by_label(evaluation)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("What it says instead")
        st.plotly_chart(
            mistakes.confusion_matrix(evaluation, dark),
            config=CHART,
            key="confusions",
            alt="Matrix: how often a label was forgotten where another was wrongly said; a table is below",
        )
    with right:
        st.subheader("Can its probabilities be believed?")
        calibration = evaluation.metrics["calibration"]
        st.plotly_chart(
            training.reliability(calibration, dark),
            config=CHART,
            key="reliability",
            alt="Line: share of labels that is right against the probability given",
        )
        st.caption(f"Expected calibration error {calibration['ece']:.2f} %.")
        st.markdown(_in_words(rows))
    st.dataframe(pd.DataFrame(rows).style.format({"AP, %": "{:.1f}"}, na_rep="–"), hide_index=True)
    shown.table(
        "The matrix as a table",
        "confusions_table",
        lambda: pd.DataFrame(mistakes.confusions(evaluation), evaluation.labels, evaluation.labels),
        hide_index=False,
    )


def _in_words(rows: list[dict[str, Any]]) -> str:
    forgotten = max(rows, key=lambda row: int(row["forgotten"]))
    wrong = max(rows, key=lambda row: int(row["wrongly said"]))
    return (
        f"Most often forgotten: **{markdown(forgotten['label'])}**, {forgotten['forgotten']} of "
        f"{forgotten['positives']} times. Most often wrongly said: **{markdown(wrong['label'])}**, "
        f"{wrong['wrongly said']} times."
    )


def _gallery(evaluation: Evaluation) -> None:
    st.subheader("Its worst mistakes")
    rows = worst_mistakes(evaluation, _WORST)
    if not rows:
        st.success("There are none: every label set is right.")
        return
    unseen = 0
    columns = st.columns(4)
    for place, row in enumerate(rows):
        with columns[place % 4].container(border=True):
            unseen += not _mistake(evaluation, row)
    if unseen:
        st.caption(
            f"{unseen} of these images can't be shown: only those in the folder that `CNNRNN_DATA` names are opened."
        )


def _mistake(evaluation: Evaluation, row: int) -> bool:
    """One wrong image, which a click opens in Decode; False where it can't be shown."""
    sample = evaluation.split.samples[row]
    said = [evaluation.labels[label] for label in np.flatnonzero(evaluation.predictions.best_path[row])]
    image = _image(sample)
    if image is not None:
        st.image(image.pixels, width="stretch", alt=f"The image {sample.image.name}")
    st.markdown(
        f"{markdown(sample.image.name)}  \nsays **{markdown(', '.join(said) or 'nothing')}**  \n"
        f"truth **{markdown(', '.join(sorted(sample.labels)) or 'nothing')}**"
    )
    if image is None:
        return False
    if st.button("Open in Decode", key=f"open_{row}"):
        controls.look_at(image)
        st.switch_page("app_pages/decode.py")
    return True


def _image(sample: Sample) -> state.InputImage | None:
    """The image of a record; the path comes from a file of anybody's, so it has to lie in the data's folder."""
    try:
        return state.open_data(sample) if state.in_data(sample) else None
    except (ImageError, OSError):
        return None


page()
