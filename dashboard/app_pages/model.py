"""Model: what is this checkpoint? How it was made, how good it is, what it can't see."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import controls
import shown
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.evaluation.map_report import LEGEND, prefix_sentence, table
from views import training
from views.style import CHART, markdown


def page() -> None:
    name, checkpoint = controls.chosen_checkpoint()
    results = state.results(name)
    evaluations = results["evaluations"] or {"validation": results["val"]}
    split = st.selectbox("Measured on", list(evaluations), key="split", bind="query-params")
    report = evaluations.get(split or "") or {}
    dark = controls.dark()
    if "mAP" in report:
        _figures(report)
        _labels(checkpoint, report, dark)
    else:
        st.info("Nothing was measured yet: run `cnnrnn evaluate --checkpoint … --record`.", icon=":material/info:")
    _maps(results["maps"])
    _training(checkpoint, results["history"], dark)
    _files(name, checkpoint)


def _figures(report: dict[str, Any]) -> None:
    shown.measures(report)
    st.caption(
        f"{report['images']} images. mAP from the marginals, C-F1 over the {report['labels_scored']} labels with at "
        f"least {report['min_positives']} positives; O-F1, C-F1 and exact set judge the best path."
    )


def _labels(checkpoint: Checkpoint, report: dict[str, Any], dark: bool) -> None:
    counts = dict(zip(checkpoint.vocabulary.labels, checkpoint.vocabulary.counts, strict=True))
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Label by label")
        st.plotly_chart(
            training.average_precisions(report, counts, dark),
            config=CHART,
            key="ap",
            alt="Bars: average precision of every label, in the table below as numbers",
        )
    with right:
        st.subheader("Can its probabilities be believed?")
        if "calibration" in report:
            calibration = report["calibration"]
            st.plotly_chart(
                training.reliability(calibration, dark),
                config=CHART,
                key="reliability",
                alt="Line: share of labels that is right against the probability given, in the table below as numbers",
            )
            st.caption(
                "On the dashed line a label given 70 % is right 7 times in 10. Expected calibration error "
                f"{calibration['ece']:.2f} %, {calibration['ece_likely']:.1f} % among probabilities from 10 % on."
            )
        else:
            st.caption("Not measured: evaluate this checkpoint again with `--record`.")
    with st.expander("The same as tables"):
        rows = [
            {
                "label": label,
                "training images": counts[label],
                "positives here": report["positives"].get(label),
                "AP, %": report["AP"].get(label),
            }
            for label in checkpoint.vocabulary.labels
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True)
        if "calibration" in report:
            st.dataframe(pd.DataFrame(report["calibration"]["bins"]), hide_index=True)


def _maps(reports: dict[str, Any]) -> None:
    st.subheader("Do its maps point at the right thing?")
    if not reports:
        st.caption("Not measured: run `cnnrnn evaluate-maps --checkpoint … --record` on a data set that has boxes.")
        return
    name, report = list(reports.items())[-1]
    default = report["methods"].get(report["default"])
    if default is not None:
        centre, four = report["baselines"]["centre"], st.columns(4)
        four[0].metric(
            "points at its label",
            f"{default['pointing']:.1f} %",
            help=f"The image's centre does in {centre['pointing']:.1f} %.",
        )
        four[1].metric(
            "where it is small and not alone",
            f"{default['pointing_difficult']:.1f} %",
            help=f"The image's centre does in {centre['pointing_difficult']:.1f} %.",
        )
        four[2].metric("another step's map does, there", f"{default['swap_pointing_difficult']:.1f} %")
        four[3].metric("alike with random weights", f"{default['sanity_all']:.2f}", help="Rank correlation.")
    columns, rows = table(report)
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True)
    st.caption(
        f"{report['steps']} steps on {markdown(name)}, {report['steps_difficult']} of them difficult. {LEGEND} "
        f"{prefix_sentence(report)}"
    )
    st.code(report["command"], language=None, wrap_lines=True)


def _training(checkpoint: Checkpoint, history: list[dict[str, Any]], dark: bool) -> None:
    st.subheader("How it was made")
    made = checkpoint.training
    st.code(made.get("command", "unknown"), language=None, wrap_lines=True)
    left, right = st.columns([3, 2], gap="large")
    with left:
        if history:
            st.plotly_chart(
                training.learning_curves(history, dark),
                config=CHART,
                key="curves",
                alt="Lines: validation metrics after every epoch, in the table below as numbers",
            )
            with st.expander("The same as a table"):
                st.dataframe(pd.DataFrame(history), hide_index=True)
    with right:
        settings = {
            "data": f"{made.get('train_split', '?')}, {made.get('train_images', '?')} images",
            "backbone": f"{checkpoint.model.backbone.config.name}, {checkpoint.model.backbone.config.image_size} px",
            "labels are emitted": f"{made.get('order', 'frequent')} first",
            **checkpoint.model.config.to_dict(),
            **made.get("config", {}),
        }
        table = pd.DataFrame({"setting": settings.keys(), "value": [str(value) for value in settings.values()]})
        st.dataframe(table, hide_index=True, height=300)


def _files(name: str, checkpoint: Checkpoint) -> None:
    st.subheader("Its files")
    st.dataframe(pd.DataFrame(state.files(name)), hide_index=True)
    versions = checkpoint.training.get("versions", {})
    st.caption("Made with " + ", ".join(f"{markdown(key)} {markdown(str(value))}" for key, value in versions.items()))


page()
