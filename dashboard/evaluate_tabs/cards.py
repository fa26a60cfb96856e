"""Images of an evaluation with their predicted and true labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

import evaluations
import tray
import widgets
from cnnrnn.evaluation.evaluate import Evaluation
from cnnrnn.utils.files import escape_surrogates
from views.style import markdown


def cards(evaluation: Evaluation, rows: Sequence[int], key: str, abreast: int) -> None:
    """Images with the labels that were predicted and the true ones, `abreast` side by side."""
    hidden = 0
    with st.container(key=f"cards_{key}"):
        for start in range(0, len(rows), abreast):  # a new row of columns, so that cards stand at one height
            for column, row in zip(st.columns(abreast), rows[start : start + abreast], strict=False):
                with column.container(border=True):
                    hidden += not card(evaluation, row, key)
    if hidden:
        st.caption(
            f"{hidden} of these images can't be shown: the dashboard opens only its samples and images in the folder "
            "`CNNRNN_DATA`. Start it with `CNNRNN_DATA=DIR streamlit run dashboard/app.py`, where DIR has the images."
        )


def card(evaluation: Evaluation, row: int, key: str) -> bool:
    """An image whose label set is wrong, with a button that opens it in Decode; False if it can't be shown."""
    sample = evaluation.split.samples[row]
    name = escape_surrogates(sample.image.name)
    predicted = [evaluation.labels[label] for label in np.flatnonzero(evaluation.predictions.best_path[row])]
    image = evaluations.evaluated_image(evaluation, row)
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
