"""Model: how a checkpoint was trained, how good it is, and which files it has."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd
import streamlit as st

import address
import controls
import state
import widgets
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.evaluation.map_report import FEWEST, STEPS, columns, few_images, few_sentence, prefix_sentence, rows
from cnnrnn.evaluation.reports import MapsReport
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.style import counted, percent
from views import training
from views.style import CHART, markdown

_FIRST_MAP_METRICS = {"pointing", "pointing_difficult", "energy", "deletion", "insertion"}


def page() -> None:
    name, checkpoint = controls.chosen_checkpoint()
    results = state.results(name)
    evaluations = results["evaluations"] or {"validation": results["val"]}
    splits = list(evaluations)
    split = st.selectbox("Measured on", splits, key=address.keep("split", splits, splits[0]))
    report = evaluations.get(split or "") or {}
    dark = controls.dark()
    if "mAP" in report:
        _metrics(checkpoint, report)
        _average_precisions(checkpoint, report, dark)
    else:
        st.info("There are no metrics yet. Run `cnnrnn evaluate --checkpoint … --record`.", icon=":material/info:")
    _map_quality(results["maps"])
    _training(checkpoint, results["history"], dark)
    _files(name, checkpoint)


def _metrics(checkpoint: Checkpoint, report: dict[str, Any]) -> None:
    widgets.metrics(report)
    model = checkpoint.model
    label_sets = "best paths"
    if isinstance(model, SigmoidClassifier):
        label_sets = f"labels whose sigmoid is at least {percent(model.threshold.item())}"
    st.caption(
        f"{report['images']} images. mAP is computed from the labels' probabilities; it and C-F1 are means over the "
        f"{report['labels_scored']} labels with at least {counted(report['min_positives'], 'positive')}. O-F1, C-F1 "
        f"and exact match (subset accuracy) are those of the {label_sets}."
    )


def _average_precisions(checkpoint: Checkpoint, report: dict[str, Any], dark: bool) -> None:
    counts = dict(zip(checkpoint.vocabulary.labels, checkpoint.vocabulary.counts, strict=True))
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.header("Average precision by label")
        st.plotly_chart(
            training.average_precisions(report, counts, dark),
            config=CHART,
            key="ap",
            alt="Points: average precision and training images of every label; the table below has the numbers",
        )
    with right:
        st.header("Calibration")
        if "calibration" in report:
            calibration = report["calibration"]
            st.plotly_chart(
                training.reliability(calibration, dark),
                config=CHART,
                key="reliability",
                alt="Line: observed frequency against predicted probability; the table below has the numbers",
            )
            st.caption(
                "On the dashed line, labels that are predicted with 70% are right 7 times in 10. The expected "
                f"calibration error is {calibration['ece']:.2f}%, and {calibration['ece_likely']:.1f}% among "
                "probabilities of at least 10%."
            )
        else:
            st.caption("The calibration was not measured. Evaluate this checkpoint again with `--record`.")
    _labels_table(checkpoint, report)
    if "calibration" in report:
        with st.expander("Table of the calibration"):
            st.dataframe(pd.DataFrame(report["calibration"]["bins"]), hide_index=True)


def _labels_table(checkpoint: Checkpoint, report: dict[str, Any]) -> None:
    """Every label, the worst first; the table can be searched and sorted."""
    vocabulary = checkpoint.vocabulary
    rows = [
        {
            "label": label,
            "AP, %": report["AP"].get(label),
            "training images": count,
            "positives in the split": report["positives"].get(label),
        }
        for label, count in zip(vocabulary.labels, vocabulary.counts, strict=True)
    ]
    st.dataframe(
        pd.DataFrame(rows).sort_values("AP, %", kind="stable"),
        hide_index=True,
        height=280,
        column_config={
            "label": st.column_config.TextColumn(width="medium"),
            "AP, %": st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100),
        },
    )
    st.caption("A click on a heading sorts the table; the magnifying glass above it finds a label.")


def _map_quality(reports: dict[str, Any]) -> None:
    st.header("Localization by the maps")
    if not reports:
        st.caption(
            "The maps were not evaluated. Run `cnnrnn evaluate-maps --checkpoint … --record` on a data set with boxes."
        )
        return
    name, report = list(reports.items())[-1]
    default = report["methods"].get(report["default"])
    if default is not None:
        centre, few = report["baselines"]["centre"], few_images(report)
        shown = [
            (
                "pointing game",
                _formatted(default["pointing"]),
                f"The image's centre: {_formatted(centre['pointing'])}.",
            ),
            (
                "pointing game, difficult",
                _formatted(default["pointing_difficult"]),
                "The label's boxes are small and another label is present. The image's centre: "
                f"{_formatted(centre['pointing_difficult'])}.",
            ),
            ("another step's map, difficult", _formatted(default["swap_pointing_difficult"]), None),
        ]
        if few >= FEWEST:
            shown.append(
                (
                    "correlation with random weights",
                    _formatted(default["sanity_all"], "{:.2f}"),
                    f"Rank correlation of the maps with those of a model with random weights, on {few} images.",
                )
            )
        for column, (heading, value, explanation) in zip(st.columns(len(shown)), shown, strict=True):
            column.metric(heading, value, help=explanation)
    _metrics_table(report, _FIRST_MAP_METRICS)
    st.caption(
        f"{report['steps']} steps in {report['images']} images of {markdown(name)}, {report['steps_difficult']} of "
        f"them difficult. {few_sentence(report)} {prefix_sentence(report)}"
    )
    with st.expander("All metrics, and how they were measured"):
        _metrics_table(report)
        st.markdown(STEPS)
        st.code(report["command"], language=None, wrap_lines=True)


def _metrics_table(report: MapsReport, only: Collection[str] = ()) -> None:
    """The metrics of the maps as numbers, which sort as such; `only` some of them, by their keys."""
    shown = {key: column for key, column in columns(report).items() if not only or key in only}
    table = pd.DataFrame(
        {"method": name, **{column.heading: metrics.get(key) for key, column in shown.items()}}
        for name, metrics in rows(report).items()
    )
    patterns = {column.heading: column.pattern for column in shown.values()}
    meanings = {column.heading: st.column_config.Column(help=_sentence(column.meaning)) for column in shown.values()}
    st.dataframe(table.style.format(patterns, na_rep=""), hide_index=True, column_config=meanings, placeholder="")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _formatted(value: float | None, pattern: str = "{:.1f}%") -> str:
    """A metric that was not measured is None: perturbations are optional, and some metrics need difficult steps."""
    return "–" if value is None else pattern.format(value)


def _training(checkpoint: Checkpoint, history: list[dict[str, Any]], dark: bool) -> None:
    st.header("Training")
    recorded = checkpoint.training
    st.code(recorded.get("command", "unknown"), language=None, wrap_lines=True)
    left, right = st.columns(2, gap="large")
    with left:
        if history:
            st.plotly_chart(
                training.learning_curves(history, dark),
                config=CHART,
                key="curves",
                alt="Lines: validation metrics after every epoch; the table below has the numbers",
            )
            if len(history) < (epochs := recorded.get("config", {}).get("epochs", 0)):
                st.caption(f"Up to epoch {len(history)} of {epochs}, the best one; *Runs* shows all of a run's epochs.")
            with st.expander("Table of the epochs"):
                st.dataframe(pd.DataFrame(history), hide_index=True)
    with right:
        settings = {
            "data": f"{recorded.get('train_split', '?')}, {recorded.get('train_images', '?')} images",
            "backbone": f"{checkpoint.model.backbone.config.name}, {checkpoint.model.backbone.config.image_size} px",
            "label order": recorded.get("order", "frequent"),
            **checkpoint.model.config.to_dict(),
            **recorded.get("config", {}),
        }
        names = [key.replace("_", " ") for key in settings]
        table = pd.DataFrame({"setting": names, "value": [str(value) for value in settings.values()]})
        st.dataframe(
            table,
            hide_index=True,
            height=300,
            column_config={
                "setting": st.column_config.TextColumn(width="medium"),
                "value": st.column_config.TextColumn(width="large"),
            },
        )


def _files(name: str, checkpoint: Checkpoint) -> None:
    st.header("Files")
    st.dataframe(pd.DataFrame(state.files(name)), hide_index=True)
    versions = checkpoint.training.get("versions", {})
    st.caption(
        "Trained with " + ", ".join(f"{markdown(key)} {markdown(str(value))}" for key, value in versions.items())
    )


page()
