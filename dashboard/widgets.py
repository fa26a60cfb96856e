"""Elements that several pages show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnrnn.decoding import tree
from cnnrnn.utils.webpage import jpeg_uri
from views.style import CHART, markdown

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler
    from PIL import Image

    from cnnrnn.decoding.trace import Trace

_ROW = 72  # pixels of a table's row; above 64, streamlit breaks long texts into lines
_MIN_PROB = 0.01  # of a branch of a tree
_PICTURE = (560, 280)  # pixels, the largest width and height of an image on a page

# a key of the report: name, explanation
_METRICS = {
    "mAP": ("mAP", "Mean average precision over the labels, from the labels' probabilities."),
    "OF1": ("O-F1", "F1 over all pairs of an image and a label."),
    "CF1": ("C-F1", "F1 of the precision and the recall averaged over the labels."),
    "exact_match": ("exact match", "Exact match (subset accuracy): images whose label set is right as a whole."),
    "MAP@10": ("MAP@10", "Mean over the images of the average precision of the ten most probable labels."),
}


def metrics(report: Mapping[str, Any]) -> None:
    """The main metrics of an evaluation's report, side by side."""
    with st.container(horizontal=True):
        for key, (name, explanation) in _METRICS.items():
            st.metric(name, f"{report[key]:.1f}%", help=explanation, width=130)


def picture_width(size: tuple[int, int], box: tuple[int, int] = _PICTURE) -> int:
    """The width in pixels at which an image of `size` (width, height) fits into a box: that which leaves room on the
    screen for the rest."""
    width, height = size
    return max(1, round(min(box[0], box[1] * width / height)))


def picture(image: Image.Image, alt: str) -> None:
    """An image, as large as `picture_width` allows. The width is a container's: streamlit would scale the file down to
    that of an image, for full screen as well."""
    with st.container(width=picture_width(image.size)):
        st.image(image, width="stretch", alt=alt, output_format="JPEG")


def image_table(
    rows: pd.DataFrame, thumbnails: Sequence[bytes | None], key: str, columns: Mapping[str, Any] | None = None
) -> int | None:
    """A table with a small image in each row, to sort; the number of the row that was chosen. Long texts have several
    lines."""
    if any(thumbnails):
        rows = rows.assign(image=[data and jpeg_uri(data) for data in thumbnails])[["image", *rows.columns]]
    event = st.dataframe(
        rows,
        hide_index=True,
        row_height=_ROW,
        height=min(_ROW * len(rows) + 40, 10 * _ROW),
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        column_config={"image": st.column_config.ImageColumn(width="small"), **(columns or {})},
    )
    chosen = event["selection"]["rows"]
    return int(chosen[0]) if chosen else None


def beam_tree(trace: Trace, key: str, dark: bool, width: int, alt: str) -> None:
    """The most probable branches of a beam search, with its best path; it scrolls sideways on a narrow screen.

    `width` in pixels is what the names are shortened for.
    """
    root, _ = tree.fold(tree.build(trace, _MIN_PROB), trace.paths[0], 0)
    with st.container(key=f"tree_box_{key}"):
        st.plotly_chart(tree.figure(trace, 0, dark, _MIN_PROB, root, width), config=CHART, key=key, alt=alt)


def maps(overlays: Sequence[bytes], captions: Sequence[str], alts: Sequence[str], width: int) -> None:
    """Maps over the image, JPEG files, side by side and each `width` pixels wide, with captions of any text."""
    with st.container(horizontal=True):
        for overlay, caption, alt in zip(overlays, captions, alts, strict=True):
            with st.container(width=width, gap="xsmall"):
                st.image(overlay, width="stretch", output_format="JPEG", alt=alt)
                st.caption(markdown(caption))


def table(
    label: str,
    key: str,
    make: Callable[[], Styler | pd.DataFrame],
    hide_index: bool = True,
    columns: Mapping[str, Any] | None = None,
) -> None:
    """The numbers behind a chart, computed only when opened: formatting takes longer than drawing the chart."""
    with st.expander(label, key=key, on_change="rerun") as box:
        if box.open:
            st.dataframe(make(), hide_index=hide_index, column_config=columns)
