"""The evaluation that is looked at: the checkpoint's own, one of a file, or one that is run here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import streamlit as st

import controls
import evaluations
import image_files
from cnnrnn.data import Sample, Split
from cnnrnn.decoding.trace import Trace
from cnnrnn.evaluation.breakdown import label_sizes
from cnnrnn.evaluation.evaluate import Evaluation, evaluate, image_record
from cnnrnn.inference import engines
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.errors import UserError, summarize_error
from cnnrnn.utils.style import shorten
from views.style import markdown

_MOST_OPENED = 4  # evaluations that are kept, without those of the checkpoint
_UPDATE_INTERVAL = 0.2  # seconds between two updates of the progress bar
_ERROR_COLUMNS = 300  # of the line that says why an evaluation failed


def choose() -> Evaluation | None:
    """One that the checkpoint has of itself, which is open at first, or one that was run or opened in this session."""
    session = st.session_state
    recorded = {f"{split}, recorded": split for split in evaluations.recorded_splits(session.checkpoint)}
    opened: dict[str, list[str]] = session.setdefault("opened_evaluations", {})  # name -> the lines of its JSONL
    names = [*recorded, *opened]
    wanted = session.pop("wanted_evaluation", None) or session.get("evaluation", session.get("last_evaluation"))
    session.evaluation = wanted if wanted in names else next(iter(names), None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if names:
            st.selectbox(
                "Evaluation",
                names,
                key="evaluation",
                width=340,
                format_func=lambda name: evaluations.own_name(recorded[name]) if name in recorded else name,
                help="A model's own evaluation was recorded beside its weights by `cnnrnn evaluate --record`. It is "
                "called by its data set, or a table's file, and the split.",
            )
        _run_and_open()
    session.last_evaluation = name = session.evaluation
    if name is None:
        return None
    if remark := session.get("evaluation_remarks", {}).get(name):
        st.caption(remark)
    if name in opened:
        return evaluations.read_evaluation(name, opened[name])
    return evaluations.recorded_evaluation(session.checkpoint, recorded[name])


def _open(name: str, lines: list[str]) -> None:
    """Keep an evaluation in the session and show it from the next run on; the lines may still become more."""
    opened = st.session_state.opened_evaluations
    opened.pop(name, None)
    opened[name] = lines
    for old in list(opened)[:-_MOST_OPENED]:
        del opened[old]
    st.session_state.wanted_evaluation = name


def _no_samples_because() -> str | None:
    """Why the checkpoint can't be evaluated on the samples, if it can't."""
    try:
        known = evaluations.checkpoint_labels(st.session_state.checkpoint)
    except UserError as error:
        return markdown(shorten(str(error), _ERROR_COLUMNS))
    if set(known) & set(image_files.sample_split().labels):
        return None
    return "This model knows none of the samples' labels."


def _run_and_open() -> None:
    """Buttons that evaluate the checkpoint on the samples or on a split of a data set, and an uploader for a file."""
    reason = _no_samples_because()
    on_samples = st.button(
        "Evaluate the sample photographs",
        icon=":material/play_arrow:",
        key="run_samples",
        disabled=reason is not None,
        help=reason,
    )
    with st.popover("Other data", icon=":material/dataset:"):
        on_data = False
        if image_files.data_root() is None:
            st.caption(
                "For your own table or folder, or a folder of data sets, start the dashboard with `cnnrnn dashboard "
                "--data PATH`."
            )
        else:
            dataset, split_name = controls.choose_split("evaluated")
            on_data = st.button("Evaluate", icon=":material/play_arrow:", key="run")

        def upload() -> None:
            if (file := st.session_state.jsonl) is not None:
                _open(file.name, file.getvalue().decode("utf-8", errors="replace").splitlines())

        st.file_uploader("A file of `cnnrnn evaluate --per-image`", type=["jsonl"], key="jsonl", on_change=upload)
    if on_samples:
        _run(_samples)
    elif on_data:
        _run(lambda: image_files.split(dataset, split_name))


def _samples() -> Split:
    """The samples with the labels that the checkpoint knows. Raises CheckpointError."""
    everything, name = image_files.sample_split(), st.session_state.checkpoint
    split = everything.restrict(evaluations.checkpoint_labels(name))
    unknown = len(everything.labels) - len(split.labels)
    st.session_state.setdefault("evaluation_remarks", {})[_name(split)] = unknown and (
        f"The model doesn't know {unknown} of the samples' {len(everything.labels)} labels; they don't count."
    )
    return split


def _name(split: Split) -> str:
    """What an evaluation of the chosen checkpoint is called."""
    return f"{split.name}, {st.session_state.checkpoint}"


def _run(read: Callable[[], Split]) -> None:
    """Evaluate the split that is read. An error is one line, and what was open remains."""
    session, place = st.session_state, st.empty()
    before = dict(session.opened_evaluations)
    try:
        split = read()
        with place.container():
            _evaluate(split)
    except (UserError, OSError, RuntimeError) as error:  # the last one is torch's, for example without memory
        session.opened_evaluations.clear()
        session.opened_evaluations.update(before)
        session.pop("wanted_evaluation", None)
        place.error(markdown(shorten(summarize_error(error), _ERROR_COLUMNS)), icon=":material/error:")
    else:
        st.rerun()


def _evaluate(split: Split) -> None:
    """Evaluate image by image. Any click ends this run; the finished images are kept. Raises UserError."""
    _, checkpoint = controls.chosen_checkpoint()
    st.button("Stop", icon=":material/stop:", key="stop")
    progress, lines = st.progress(0.0, f"{split.name}: 0 of {len(split.samples)}"), list[str]()
    _open(_name(split), lines)
    last = time.monotonic()

    def each(sample: Sample, result: Trace | str) -> None:
        nonlocal last
        lines.append(json.dumps(image_record(sample, result, label_sizes(split, sample))))
        if time.monotonic() - last > _UPDATE_INTERVAL:
            last = time.monotonic()
            progress.progress(
                len(lines) / len(split.samples), f"{split.name}: {len(lines)} of {len(split.samples)} images"
            )

    predictor = Predictor(checkpoint, engine=engines.fastest_kept(checkpoint))  # as all pages use it
    evaluate(predictor, split, on_image=each, evidence=True)
