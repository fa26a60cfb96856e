"""Images of an evaluation with their predicted and true labels."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

import evaluations
import tray
import widgets
from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.evaluation.report import SIGNS, judged_labels
from cnnrnn.utils.files import escape_surrogates
from cnnrnn.utils.style import shorten
from views.style import markdown

LEGEND = ", ".join(f"{sign} {verdict}" for verdict, sign in SIGNS.items()) + ", each with its probability"
_COLORS = {"right": "green", "wrong": "orange", "missed": "gray"}
_COLUMNS = 24  # of a label's name


def cards(evaluation: Evaluation, rows: Sequence[int], key: str, abreast: int) -> None:
    """Images with their labels, `abreast` side by side."""
    hidden = 0
    with st.container(key=f"cards_{key}"):
        for start in range(0, len(rows), abreast):  # a new row of columns, so that cards stand at one height
            for column, row in zip(st.columns(abreast), rows[start : start + abreast], strict=False):
                with column.container(border=True):
                    hidden += not card(evaluation, row, key)
    if hidden:
        st.caption(f"{hidden} of these images can't be shown.")


def card(evaluation: Evaluation, row: int, key: str) -> bool:
    """An image with the verdict on its labels and a button that opens it in Decode; False if it can't be shown."""
    name = escape_surrogates(evaluation.split.samples[row].image.name)
    image = evaluations.evaluated_image(evaluation, row)
    if image is not None:
        widgets.picture(image.pixels, f"The image {name}")
    badges = [
        f":{_COLORS[judged.verdict]}-badge[{markdown(str(judged._replace(label=shorten(judged.label, _COLUMNS))))}]"
        for judged in judged_labels(evaluation, row)
    ]
    st.markdown(f"{markdown(name)}  \n{' '.join(badges) or 'no label'}")
    if image is None:
        return False
    if st.button("Open in Decode", key=f"{key}_{row}"):
        tray.add(image)
        # An empty query: without one, streamlit refuses to leave a page whose URL names the checkpoint.
        st.switch_page("app_pages/decode.py", query_params={})
    return True
