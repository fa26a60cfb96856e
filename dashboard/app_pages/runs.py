"""Runs: what the training runs in a folder have come to, while they are trained or afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

import controls
import state
from cnnrnn.evaluation.reports import MAIN_METRICS
from cnnrnn.training.runs import MAX_RUNS, RunProgress, runs_root
from cnnrnn.utils.style import counted
from views import training
from views.style import CHART, markdown

_UPDATE_INTERVAL = 5  # seconds
_MOST = 8  # runs in one chart
_METRICS = {name: f"val_{key}" for key, name in MAIN_METRICS.items()} | {"loss": "loss"}


@st.fragment(run_every=_UPDATE_INTERVAL)
def page() -> None:
    runs = state.runs()
    if not runs:
        st.info(
            f"There is no run in {markdown(str(runs_root()))}. `cnnrnn train … --out runs/mine` puts one there. "
            "Start the dashboard in the folder that contains `runs`, or with `cnnrnn dashboard --runs DIR`.",
            icon=":material/monitoring:",
        )
        return
    _table(runs)
    names = [name for name, run in runs.items() if run.history] or list(runs)
    chosen = st.multiselect(
        "Runs to compare", list(runs), default=names[:4], max_selections=_MOST, key="runs", persist_state="session"
    )
    shown = [runs[name] for name in chosen]
    if not shown:
        st.caption("Choose a run to see its curve and its settings.")
        return
    _open(shown)
    _curves(shown)
    _settings(shown)


def _table(runs: dict[str, RunProgress]) -> None:
    rows = [
        {
            "run": run.name,
            "epochs": f"{len(run.history)} of {run.planned}" if run.planned else str(len(run.history)),
            "best epoch": None if run.best is None else int(run.best["epoch"]),
            **{
                name: None if run.best is None else run.best.get(key) for name, key in _METRICS.items() if key != "loss"
            },
            "s an epoch": _seconds(run),
            "last written": datetime.fromtimestamp(run.written, UTC),
            "remark": run.problem or ("" if run.history else "No epoch is finished yet."),
        }
        for run in runs.values()
    ]
    numbers = {name: st.column_config.NumberColumn(format="%.1f") for name in (*_METRICS, "s an epoch")}
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="runs_table",
        placeholder="",
        column_config={
            **numbers,
            "run": st.column_config.TextColumn(pinned=True, width="medium"),
            "last written": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    most = f" The newest {MAX_RUNS} are shown." if len(runs) == MAX_RUNS else ""
    st.caption(
        f"{counted(len(runs), 'run')} in {markdown(str(runs_root()))}; metrics in % on the validation split, of the "
        "epoch that is kept in *best*: that with the highest mean of mAP and O-F1, ★ in the curves. This page follows "
        f"runs that are being trained.{most}"
    )


def _seconds(run: RunProgress) -> float | None:
    seconds = [record["seconds"] for record in run.history if "seconds" in record]
    return sum(seconds) / len(seconds) if seconds else None


def _open(shown: list[RunProgress]) -> None:
    """A button for every run that has a best checkpoint."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("Open in *Decode*:", width="content")
        for run in shown:
            if run.has_best and st.button(
                markdown(run.name),
                key=f"open_{run.name}",
                help="The run's best checkpoint so far",
                on_click=_choose,
                args=(run.name,),
            ):
                st.switch_page("app_pages/decode.py", query_params={})


def _choose(name: str) -> None:
    st.session_state.checkpoint = state.run_checkpoint(name)


def _curves(shown: list[RunProgress]) -> None:
    metric = st.segmented_control(
        "Metric",
        list(_METRICS),
        default="mAP",
        required=True,
        key="runs_metric",
        label_visibility="collapsed",
        persist_state="session",
    )
    key = _METRICS[str(metric)]
    curves = {run.name: [(record["epoch"], record[key]) for record in run.history if key in record] for run in shown}
    if not any(curves.values()):
        st.caption("No epoch is finished yet; the curve begins with the first one.")
        return
    st.plotly_chart(
        training.run_curves(
            curves, str(metric), controls.dark(), {run.name: run.best["epoch"] for run in shown if run.best is not None}
        ),
        config=CHART,
        key="runs_curves",
        alt=f"Lines: {metric} after every epoch, one line a run; the table below has the numbers",
    )
    with st.expander("Table of the epochs"):
        columns = {name: pd.Series(dict(points), dtype=float) for name, points in curves.items()}
        st.dataframe(pd.DataFrame(columns).rename_axis("epoch"), placeholder="")


def _settings(shown: list[RunProgress]) -> None:
    st.header("Settings")
    if without := [run.name for run in shown if not run.settings]:
        st.caption(f"There is no readable record of the settings of {markdown(', '.join(without))}.")
    shown = [run for run in shown if run.settings]
    keys = list(dict.fromkeys(key for run in shown for key in run.settings))
    values = {key: [run.settings.get(key) for run in shown] for key in keys}
    if len(shown) > 1 and st.toggle("Only those that differ", value=True, key="runs_differ"):
        values = {key: row for key, row in values.items() if any(value != row[0] for value in row[1:])}
    if not values:
        if keys:
            st.caption("The settings of these runs are the same.")
        return
    rows = {key: ["" if value is None else str(value) for value in row] for key, row in values.items()}
    frame = pd.DataFrame(rows, index=[run.name for run in shown]).T
    st.dataframe(frame.rename_axis("setting"))


page()
