"""The part of *Compare* for many images: which of them two models label differently, and what that does to the metrics.

Recorded evaluations of the same images are compared without computing anything; the samples and the session's own
images are predicted once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

import address
import evaluations
import image_files
import state
import tray
import widgets
from cnnrnn.checkpoint import chosen_threshold
from cnnrnn.evaluation.evaluate import Evaluation, Predictions
from cnnrnn.evaluation.paired import RESAMPLES, Paired, pair_evaluations, pair_predictions
from cnnrnn.evaluation.reports import MAIN_METRICS
from cnnrnn.utils.files import escape_surrogates
from cnnrnn.utils.style import percent
from views import differences
from views.style import CHART, markdown, spreadsheet

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_SAMPLES, _OWN = "the sample photographs", "your images"
_RECORDED = ", recorded"  # after the name of a split, in the address
_PATH, _THRESHOLD = "best path", "threshold"  # rules by which labels are predicted
_CHANGE = "change in errors"
_MOST_ROWS = 100  # of the table, in which every row has an image
_WIDTHS = (150, 150, 170, 250)  # pixels of its columns of labels, which are cut otherwise


@dataclass(frozen=True)
class Compared:
    """Two models' predictions for many images."""

    names: Sequence[str]
    paired: Paired
    known: bool  # whether the images have true labels
    image: Callable[[int], image_files.InputImage | None]  # of a row, if it can be shown
    thumbnail: Callable[[int], bytes | None]


def choose_images(name: str, other: str) -> str:
    """The images to compare two checkpoints on: those that both have recorded predictions for, or some to predict."""
    recorded = [split for split in evaluations.recorded_splits(name) if split in evaluations.recorded_splits(other)]
    sources = [*(f"{split}{_RECORDED}" for split in recorded), _SAMPLES, *([_OWN] if tray.images() else [])]
    return st.selectbox(
        "on the images of",
        sources,
        key=address.keep("many_source", sources, sources[0]),
        format_func=lambda source: (
            f"the models' own evaluations, {split}" if (split := source.removesuffix(_RECORDED)) != source else source
        ),
    )


def choose_rule(name: str, other: str) -> str:
    """How the labels of both models are predicted from their probabilities. A sigmoid has no path: beside it, both
    are compared by their thresholds unless a person chooses otherwise."""
    default = _PATH if state.is_sequence_model(name) and state.is_sequence_model(other) else _THRESHOLD
    rules = [_PATH, _THRESHOLD]
    return str(
        st.segmented_control(
            "Labels are predicted by",
            rules,
            required=True,
            key=address.keep("many_rule", rules, default, scope=default),
            help="The best path of the beam search, or all labels whose probability reaches the threshold that had the "
            "best O-F1 on the validation images, each model's own.",
        )
    )


def show(name: str, other: str, source: str, rule: str, beam: int, dark: bool) -> None:
    """`name` and `other` are folders of checkpoints, `source` and `rule` what was chosen above."""
    one, two = (chosen_threshold(state.checkpoint_folder(folder)) for folder in (name, other))
    thresholds = (one, two) if rule == _THRESHOLD else None
    if source in (_SAMPLES, _OWN):
        compared = _predicted(name, other, beam, source, thresholds)
    else:
        split = source.removesuffix(_RECORDED)
        left, right = (evaluations.recorded_evaluation(folder, split) for folder in (name, other))
        compared = _recorded(left, right, thresholds)
    if compared is None:
        return
    st.caption(_rule_meaning(rule, {name: one, other: two}))
    if compared.known:
        _metrics(compared.paired, name, other, dark)
    _changes(compared, name, other)


def _rule_meaning(rule: str, thresholds: Mapping[str, float]) -> str:
    """In a sentence; `thresholds` are those of the two models by name."""
    parts = [
        f"{markdown(name)} predicts "
        + (
            f"the labels of at least {percent(threshold)}, its threshold chosen on the validation images"
            if rule == _THRESHOLD or not state.is_sequence_model(name)
            else "the labels of its best path"
        )
        for name, threshold in thresholds.items()
    ]
    return f"{'; '.join(parts)}."


def _recorded(one: Evaluation, other: Evaluation, thresholds: tuple[float, float] | None) -> Compared:
    """Raises UserError for evaluations of different images."""
    return Compared(
        [escape_surrogates(sample.image.name) for sample in one.split.samples],
        pair_evaluations(one, other, thresholds),
        True,
        lambda row: evaluations.evaluated_image(one, row),
        lambda row: evaluations.evaluated_thumbnail(one, row),
    )


def _predicted(
    name: str, other: str, beam: int, source: str, thresholds: tuple[float, float] | None
) -> Compared | None:
    """None until a person asks for it: predicting takes a while the first time."""
    if source == _SAMPLES:
        images = [image_files.open_data_image(sample) for sample in image_files.sample_split().samples]
    else:
        images = tray.images()
    asked = (name, other, beam, *(image.digest for image in images))
    if st.session_state.get("many_asked") != asked and not st.button(
        f"Compare on {len(images)} images", icon=":material/play_arrow:", key="many_run"
    ):
        return None
    st.session_state.many_asked = asked
    checkpoints = [state.load_checkpoint(folder) for folder in (name, other)]
    one, two = (Predictions(len(images), len(checkpoint.vocabulary)) for checkpoint in checkpoints)
    with st.empty():
        for row, image in enumerate(images):
            st.progress(row / len(images), f"{row} of {len(images)} images")
            for predictions, checkpoint in zip((one, two), checkpoints, strict=True):
                predictions.put(row, state.predict(checkpoint, image, beam))
        st.markdown("")
    truth = [image.truth or () if source == _SAMPLES else () for image in images]
    labels = (checkpoints[0].vocabulary.labels, checkpoints[1].vocabulary.labels)
    paired = pair_predictions(labels, (one, two), truth, [()] * len(images), thresholds)
    # The samples have labels of COCO: a model of other labels can't be judged by them.
    known = source == _SAMPLES and {name for names in truth for name in names} <= set(paired.labels)
    return Compared(
        [image.name for image in images], paired, known, lambda row: images[row],
        lambda row: image_files.thumbnail(images[row]),
    )  # fmt: skip


def _metrics(paired: Paired, name: str, other: str, dark: bool) -> None:
    found = evaluations.differences(paired)
    st.header(f"From {markdown(name)} to {markdown(other)}")
    st.plotly_chart(
        differences.figure(found, dark),
        config=CHART,
        key="differences",
        alt="Chart: the difference of each metric with its interval; the table below has the numbers",
    )
    st.caption(
        f"{len(paired.truth)} images. The bars are 95% intervals: the images were drawn anew {RESAMPLES:,} times, the "
        "same ones for both models (paired bootstrap). Where a bar crosses the line, the difference may be chance."
    )

    def rows() -> Styler:
        table = pd.DataFrame(
            {
                "metric": MAIN_METRICS[key],
                f"{name}, %": value.one,
                f"{other}, %": value.other,
                "difference": value.other - value.one,
                "95% interval": f"{value.low:+.1f} to {value.high:+.1f}",
            }
            for key, value in found.items()
        )
        return table.style.format({"difference": "{:+.1f}"}, precision=1)

    widgets.table("Table of the metrics", "differences_table", rows)


def _changes(compared: Compared, name: str, other: str) -> None:
    st.header("Images")
    paired = compared.paired
    gain = paired.errors[0] - paired.errors[1]  # (image,) how many fewer labels are wrong
    kinds = {"changed": paired.changed, "better": gain > 0, "worse": gain < 0, "all": np.ones(len(gain), dtype=bool)}
    if not compared.known:
        del kinds["better"], kinds["worse"]
    kind = st.segmented_control(
        "Show",
        list(kinds),
        required=True,
        key=address.keep("many_kind", list(kinds), "changed"),
        format_func=lambda kind: f"{kind} ({kinds[kind].sum()})",
        label_visibility="collapsed",
    )
    different = (paired.predicted[0] != paired.predicted[1]).sum(axis=1)
    importance = np.abs(gain) * len(paired.labels) + different if compared.known else different
    rows = np.flatnonzero(kinds[str(kind)])
    rows = rows[np.argsort(-importance[rows], kind="stable")]
    if not len(rows):
        st.caption("There are no such images.")
        return
    table = pd.DataFrame([_row(compared, int(row), int(gain[row]), name, other) for row in rows])
    shown = rows[:_MOST_ROWS]
    chosen = widgets.image_table(
        table[:_MOST_ROWS],
        [compared.thumbnail(int(row)) for row in shown],
        key="many_table",
        columns={
            _CHANGE: st.column_config.NumberColumn(
                format="%+d", help=f"Errors of {markdown(other)} less those of {markdown(name)}; + means more."
            ),
            **{
                name: st.column_config.TextColumn(width=width)
                for name, width in zip(list(table)[-4 if compared.known else -3 :], _WIDTHS, strict=False)
            },
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "CSV", lambda: spreadsheet(table), "compared.csv", "text/csv", icon=":material/download:",
            on_click="ignore", key="many_csv",
        )  # fmt: skip
        if len(rows) > _MOST_ROWS:
            st.caption(f"The {_MOST_ROWS} largest changes are listed; the CSV has all {len(rows)}.", width="content")
        if chosen is not None:
            _open_button(compared, int(shown[chosen]))


def _row(compared: Compared, row: int, gain: int, name: str, other: str) -> dict[str, object]:
    paired = compared.paired
    one, two = (found[row] for found in paired.predicted)

    def names(chosen: np.ndarray) -> str:
        return ", ".join(paired.labels[label] for label in np.flatnonzero(chosen))

    return {
        "name": compared.names[row],
        **({_CHANGE: -gain} if compared.known else {}),
        f"only {name}": names(one & ~two),
        f"only {other}": names(two & ~one),
        "both": names(one & two),
        **({"truth": names(paired.truth[row])} if compared.known else {}),
    }


def _open_button(compared: Compared, row: int) -> None:
    image = compared.image(row)
    if image is None:
        st.caption(
            f"{markdown(compared.names[row])} is not here. Start the dashboard with `cnnrnn dashboard --data PATH`, "
            "where PATH is the data set."
        )
    elif st.button(f"Open {markdown(image.name)} in Decode", type="primary", key="many_open"):
        tray.add(image)
        st.switch_page("app_pages/decode.py", query_params={})
