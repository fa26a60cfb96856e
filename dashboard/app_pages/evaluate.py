"""Evaluate: the metrics of an evaluation, and its errors one by one."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

import address
import controls
import state
import tray
import widgets
from cnnrnn.checkpoint import read_config
from cnnrnn.data import Sample, Split
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.bias import MOST_STRENGTH, biased_pairs
from cnnrnn.evaluation.breakdown import MOST_LABELS, by_frequency, by_number_of_labels, by_size, label_sizes
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
_PAIR_IMAGES = 4
_MOST_OPENED = 4  # evaluations that are kept, without those of the checkpoint
_ALL_LABELS = "all labels"
_UPDATE_INTERVAL = 0.2  # seconds between two updates of the progress bar


def page() -> None:
    evaluation = _choose_evaluation()
    if evaluation is None:
        st.info(
            "No evaluation is open: this checkpoint has none of its own. Evaluate the sample photographs above, or "
            "write one with `cnnrnn evaluate --checkpoint … --dataset … --root … --record`.",
            icon=":material/rule:",
        )
        return
    _metrics(evaluation)
    dark = controls.dark()
    parts: dict[str, Callable[[], None]] = {
        "Mistakes": lambda: _gallery(evaluation),
        "Labels": lambda: _errors_by_label(evaluation, dark),
        "Probabilities": lambda: _probabilities(evaluation, dark),
        "Slices": lambda: _slices(evaluation),
        "Co-occurrence": lambda: _cooccurrence_bias(evaluation),
        "Label errors": lambda: _label_errors(evaluation),
    }
    for tab, part in zip(st.tabs(list(parts), key="tab", bind="query-params"), parts.values(), strict=True):
        if tab.open:
            with tab:
                part()


def _choose_evaluation() -> Evaluation | None:
    """One that the checkpoint has of itself, which is open at first, or one that was run or opened in this session."""
    session = st.session_state
    recorded = {f"{split}, recorded": split for split in state.recorded_splits(session.checkpoint)}
    opened: dict[str, list[str]] = session.setdefault("opened_evaluations", {})  # name -> the lines of its JSONL
    names = [*recorded, *opened]
    wanted = session.pop("wanted_evaluation", None) or session.get("evaluation", session.get("last_evaluation"))
    session.evaluation = wanted if wanted in names else next(iter(names), None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if names:
            st.selectbox("Evaluation", names, key="evaluation", width=340, format_func=str)
        _run_and_open()
    session.last_evaluation = name = session.evaluation
    if name is None:
        return None
    if name in opened:
        return state.read_evaluation(name, opened[name])
    return state.recorded_evaluation(session.checkpoint, recorded[name])


def _open(name: str, lines: list[str]) -> None:
    """Keep an evaluation in the session and show it from the next run on; the lines may still become more."""
    opened = st.session_state.opened_evaluations
    opened.pop(name, None)
    opened[name] = lines
    for old in list(opened)[:-_MOST_OPENED]:
        del opened[old]
    st.session_state.wanted_evaluation = name


def _run_and_open() -> None:
    """Buttons that evaluate the checkpoint on the samples or on a split of a data set, and an uploader for a file."""
    on_samples = st.button("Evaluate the sample photographs", icon=":material/play_arrow:", key="run_samples")
    with st.popover("Other data", icon=":material/dataset:"):
        on_data = False
        if state.data_root() is None:
            st.caption(
                "For a data set, start the dashboard with `CNNRNN_DATA=DIR streamlit run dashboard/app.py`, where DIR "
                "is its folder."
            )
        else:
            dataset, split_name = controls.choose_split("evaluated")
            on_data = st.button("Evaluate", icon=":material/play_arrow:", key="run")

        def upload() -> None:
            if (file := st.session_state.jsonl) is not None:
                _open(file.name, file.getvalue().decode("utf-8", errors="replace").splitlines())

        st.file_uploader("A file of `cnnrnn evaluate --per-image`", type=["jsonl"], key="jsonl", on_change=upload)
    if on_samples:
        _evaluate(state.sample_split(), st.container())
    elif on_data:
        _evaluate(state.split(dataset, split_name), st.container())


def _evaluate(split: Split, bar: DeltaGenerator) -> None:
    """Evaluate image by image. Any click ends this run; the finished images are kept."""
    _, checkpoint = controls.chosen_checkpoint()
    bar.button("Stop", icon=":material/stop:", key="stop")
    progress, lines = bar.progress(0.0, f"{split.name}: 0 of {len(split.samples)}"), list[str]()
    _open(f"{split.name}, {st.session_state.checkpoint}", lines)
    last = time.monotonic()

    def each(sample: Sample, result: Trace | str) -> None:
        nonlocal last
        lines.append(json.dumps(image_record(sample, result, label_sizes(split, sample))))
        if time.monotonic() - last > _UPDATE_INTERVAL:
            last = time.monotonic()
            progress.progress(
                len(lines) / len(split.samples), f"{split.name}: {len(lines)} of {len(split.samples)} images"
            )

    evaluate(Predictor(checkpoint), split, on_image=each, evidence=True)
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
def _probabilities(evaluation: Evaluation, dark: bool) -> None:
    one, two, three = st.columns([2, 4, 4], gap="large")
    with one:
        labels = [_ALL_LABELS, *evaluation.labels]
        label = st.selectbox("Label", labels, key=address.keep("curve", labels, _ALL_LABELS))
        key = address.keep("threshold", [number / 100 for number in range(101)], 0.5)
        threshold = st.slider("Threshold on the label's probability", 0.0, 1.0, step=0.01, key=key)
        only = None if label == _ALL_LABELS else label
        for name, value in error_analysis.metrics_at_threshold(evaluation, only, threshold).items():
            st.metric(name, f"{value:.1f} %")
    with two:
        st.subheader("Precision and recall")
        st.plotly_chart(
            error_analysis.precision_recall(evaluation, only, threshold, dark),
            config=CHART,
            key="precision_recall",
            alt="Curve of precision against recall; the metrics at the chosen threshold are beside it",
        )
    with three:
        st.subheader("Calibration")
        calibration = evaluation.metrics["calibration"]
        st.plotly_chart(
            training.reliability(calibration, dark),
            config=CHART,
            key="reliability",
            alt="Line: observed frequency of labels against their predicted probability",
        )
        st.caption(f"Expected calibration error {calibration['ece']:.2f} %.")


def _errors_by_label(evaluation: Evaluation, dark: bool) -> None:
    rows = error_analysis.errors_by_label(evaluation)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Average precision and errors")
        st.markdown(_summary(rows))
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            height=560,
            column_config={
                "AP, %": st.column_config.ProgressColumn("AP", format="%.1f %%", min_value=0, max_value=100)
            },
        )
    with right:
        st.subheader("Confusions")
        st.plotly_chart(
            error_analysis.confusion_matrix(evaluation, dark),
            config=CHART,
            key="confusions",
            alt="Matrix: in how many images a label was missed while another was predicted wrongly; a table is below",
        )
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
    rows = worst_mistakes(evaluation, _GALLERY_SIZE)
    if not rows:
        st.success("There are no errors: every label set is right.")
        return
    st.caption("The images whose best path is wrong, the most confidently wrong first.")
    _cards(evaluation, rows, "open", abreast=4)


def _cards(evaluation: Evaluation, rows: Sequence[int], key: str, abreast: int) -> None:
    """Images with the labels that were predicted and the true ones, `abreast` side by side."""
    hidden = 0
    with st.container(key=f"cards_{key}"):
        for start in range(0, len(rows), abreast):  # a new row of columns, so that cards stand at one height
            for column, row in zip(st.columns(abreast), rows[start : start + abreast], strict=False):
                with column.container(border=True):
                    hidden += not _card(evaluation, row, key)
    if hidden:
        st.caption(
            f"{hidden} of these images can't be shown: the dashboard opens only its samples and images in the folder "
            "`CNNRNN_DATA`. Start it with `CNNRNN_DATA=DIR streamlit run dashboard/app.py`, where DIR has the images."
        )


def _card(evaluation: Evaluation, row: int, key: str) -> bool:
    """An image whose label set is wrong, with a button that opens it in Decode; False if it can't be shown."""
    sample = evaluation.split.samples[row]
    name = escape_surrogates(sample.image.name)
    predicted = [evaluation.labels[label] for label in np.flatnonzero(evaluation.predictions.best_path[row])]
    image = state.evaluated_image(evaluation, row)
    if image is not None:
        widgets.picture(image.pixels, f"The image {name}")
    st.markdown(
        f"{markdown(name)}  \npredicted: **{markdown(', '.join(predicted) or 'no label')}**  \n"
        f"truth: **{markdown(', '.join(sorted(sample.labels)) or 'no label')}**"
    )
    if image is None:
        return False
    if st.button("Open in Decode", key=f"{key}_{row}"):
        tray.add(image)
        # An empty query: without one, streamlit refuses to leave a page whose URL names the checkpoint.
        st.switch_page("app_pages/decode.py", query_params={})
    return True


def _slices(evaluation: Evaluation) -> None:
    left, right = st.columns(2, gap="large")
    with left:
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
    with right:
        _by_frequency(evaluation)
        _by_size(evaluation)


def _by_frequency(evaluation: Evaluation) -> None:
    counts, where = _training_counts(evaluation)
    st.subheader("By the frequency of the labels")
    rows = [
        {
            "labels": name,
            where: f"{group.fewest} to {group.most}",
            "mean AP, %": "–" if group.mean_ap is None else f"{group.mean_ap:.1f}",
            "precision, %": f"{group.precision:.1f}",
            "recall, %": f"{group.recall:.1f}",
            "F1, %": f"{group.f1:.1f}",
        }
        for name, group in by_frequency(evaluation, counts).items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _training_counts(evaluation: Evaluation) -> tuple[dict[str, int] | None, str]:
    """The labels' numbers of training images and what they are called; those of the truth for another model's file."""
    vocabulary = read_config(state.CHECKPOINTS / st.session_state.checkpoint)["vocabulary"]
    if tuple(vocabulary["labels"]) != evaluation.labels:
        return None, "images"
    return dict(zip(vocabulary["labels"], vocabulary["counts"], strict=True)), "training images"


def _by_size(evaluation: Evaluation) -> None:
    st.subheader("By the size of the objects")
    found = by_size(evaluation)
    if not found:
        st.caption(
            "The boxes of these images are not known. VOC and COCO have them; for a table, add `--boxes FILE` to "
            "`cnnrnn evaluate`."
        )
        return
    rows = [
        {
            "largest object of the label": name,
            "labels in images": size.positives,
            "recall, %": f"{size.recall:.1f}",
            "mean probability, %": f"{size.probability:.1f}",
        }
        for name, size in found.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        "Of the labels in the truth whose boxes are known. Small is below 0.33 % of the image, medium below 3 %: "
        "COCO's 32² and 96² pixels in a photograph of 640 × 480."
    )


def _cooccurrence_bias(evaluation: Evaluation) -> None:
    if evaluation.steps is None:
        st.caption(
            "What the recurrence adds to each label was not recorded, or the model has no recurrence. Evaluate the "
            "sample photographs, or write a new file with `cnnrnn evaluate --per-image` or `--record`."
        )
        return
    pairs = biased_pairs(evaluation)
    if not pairs:
        st.success("No label was predicted because of co-occurrence alone.")
        return
    st.caption(
        "Labels that were predicted wrongly, probably because of co-occurrence: a label before them at least doubled "
        "their odds, and the image speaks little for them: their map reaches at most "
        f"{MOST_STRENGTH:.0%} of the strongest of its path. The last column counts the images in which the same pair "
        "was right. Choose a row to see its images."
    )
    table = pd.DataFrame(
        {
            "predicted wrongly": pair.label,
            "after": pair.after,
            "images": len(pair.rows),
            "odds": f"× {math.exp(pair.raised):,.{0 if pair.raised > 2.3 else 1}f}",
            "map": "–" if math.isnan(pair.strength) else f"{pair.strength:.0%}",
            "rightly": pair.right,
        }
        for pair in pairs
    )
    left, right = st.columns(2, gap="large")
    with left:
        event = st.dataframe(
            table, hide_index=True, on_select="rerun", selection_mode="single-row", key="pairs", height=560
        )
        chosen = event["selection"]["rows"]
        pair = pairs[chosen[0] if chosen else 0]
    with right:
        of = f", {_PAIR_IMAGES} of {len(pair.rows)} images" if len(pair.rows) > _PAIR_IMAGES else ""
        st.markdown(f"**{markdown(pair.label)}** predicted wrongly after **{markdown(pair.after)}**{of}")
        _cards(evaluation, pair.rows[:_PAIR_IMAGES], "pair", abreast=2)


def _label_errors(evaluation: Evaluation) -> None:
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
    left, right = st.columns([3, 2], gap="large")
    with left:
        event = st.dataframe(table, hide_index=True, on_select="rerun", selection_mode="single-row", key="label_errors")
        st.download_button(
            "CSV", lambda: spreadsheet(table), "label-errors.csv", "text/csv", icon=":material/download:",
            on_click="ignore", key="label_errors_csv",
        )  # fmt: skip
    if chosen := event["selection"]["rows"]:
        with right.container(border=True):
            if not _card(evaluation, found[chosen[0]].row, "label_error"):
                st.caption("This image can't be shown: it is not in the folder `CNNRNN_DATA`.")


page()
