"""What several pages ask for: the checkpoint, the beam, the picture. A choice on one page holds on the others."""

from __future__ import annotations

import streamlit as st

import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.images import SUFFIXES

PICTURE_TYPES = [suffix[1:] for suffix in SUFFIXES]  # as uploaders want them
BEAM = 8  # paths kept at every step, unless the person says otherwise


def choose_checkpoint() -> None:
    """The sidebar's select box. It stands in the frame around the pages, so that they all keep the choice."""
    with st.sidebar:
        st.header("Settings")
        name = st.selectbox("Checkpoint", state.checkpoint_names(), key="checkpoint", bind="query-params")
        if name is None:
            st.info("There is no trained model in `checkpoints/`. Train one: `cnnrnn train --help`.")
            st.stop()


def chosen_checkpoint() -> tuple[str, Checkpoint]:
    """Its folder's name and the model. Raises CheckpointError for a folder that can't be used."""
    name = st.session_state.checkpoint
    checkpoint = state.load_checkpoint(name)
    st.sidebar.caption(
        f"{len(checkpoint.vocabulary)} labels · {checkpoint.model.backbone.config.name} · "
        f"trained on {checkpoint.training.get('train_images', '?')} pictures"
    )
    return name, checkpoint


def dark() -> bool:
    """Whether the person looks at the dark theme."""
    return st.context.theme.type == "dark"


def beam() -> int:
    return st.sidebar.slider(
        "Beam width",
        1,
        16,
        BEAM,
        key="beam",
        bind="query-params",
        help="How many unfinished label sequences are kept at every step. 1 is greedy.",
    )


def picture() -> state.Picture:
    """The upload, or the chosen sample: whichever was chosen last, on this page or on another."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    upload = left.file_uploader(
        "Your picture",
        type=PICTURE_TYPES,
        key="upload",
        on_change=lambda: st.session_state.update(sample=None),
        help="It stays in memory on this machine and is sent nowhere.",
    )
    samples = state.sample_names()
    last: state.Picture | None = st.session_state.get("last_picture")
    if "sample" not in st.session_state and "sample" not in st.query_params:
        # A first visit shows a decoded picture, not an empty page; another page's widgets start anew.
        first = last.name if last is not None else samples[0]
        st.session_state.sample = first if first in samples else None
    sample = right.pills("or a sample", samples, key="sample", bind="query-params")
    if sample is not None:
        last = state.open_picture(sample, (state.SAMPLES / f"{sample}.jpg").read_bytes())
    elif upload is not None:
        last = state.open_picture(upload.name, upload.getvalue())
    if last is None:
        st.info("Upload a picture or choose a sample above, and it is decoded at once.", icon=":material/image:")
        st.stop()
    st.session_state.last_picture = last
    return last


def second_picture() -> state.Picture:
    """Another picture to compare with: an upload if there is one, or a sample."""
    upload = st.file_uploader("Another picture", type=PICTURE_TYPES, key="second_upload")
    samples = state.sample_names()
    sample = st.pills("or another sample", samples, default=samples[-1], required=True, key="second_sample")
    if upload is not None:
        return state.open_picture(upload.name, upload.getvalue())
    return state.open_picture(str(sample), (state.SAMPLES / f"{sample}.jpg").read_bytes())


def look_at(picture: state.Picture) -> None:
    """Make this the picture of all pages."""
    st.session_state.update(last_picture=picture, sample=None)
