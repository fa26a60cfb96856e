"""Inputs that several pages share: the checkpoint, the beam, the image. A choice holds on all pages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

import paste
import state
import tray
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import DATASETS
from views.style import markdown

if TYPE_CHECKING:
    pass

BEAM = 8  # default beam width


def choose_checkpoint() -> None:
    """The sidebar's select box. app.py draws it outside the pages, so that all of them keep the choice."""
    names = state.checkpoint_names()
    linked = st.query_params.get("checkpoint")
    if linked is not None and linked not in names:
        st.session_state.lost_checkpoint = linked
    with st.sidebar:
        st.header("Settings")
        name = st.selectbox("Checkpoint", names, key="checkpoint", bind="query-params")
        if name is None:
            st.info("There is no trained model.")
    if name is None:  # on a phone the sidebar is hidden
        st.info("There is no trained model in `checkpoints/`. Train one: `cnnrnn train --help`.")
        st.stop()
    if lost := st.session_state.pop("lost_checkpoint", None):
        st.warning(
            f"The link names the checkpoint {markdown(lost)}, which is not here any more. This is {markdown(name)}.",
            icon=":material/link_off:",
        )
    tray.show()


def chosen_checkpoint() -> tuple[str, Checkpoint]:
    """The name of the chosen checkpoint's folder, and the checkpoint. Raises CheckpointError if it can't be loaded."""
    name = st.session_state.checkpoint
    checkpoint = state.load_checkpoint(name)
    st.sidebar.caption(
        f"{len(checkpoint.vocabulary)} labels · {checkpoint.model.backbone.config.name} · "
        f"trained on {checkpoint.training.get('train_images', '?')} images"
    )
    return name, checkpoint


def chosen_sequence_model() -> tuple[str, Checkpoint]:
    """As `chosen_checkpoint`. Also raises CheckpointError for the sigmoid baseline, which emits no sequence."""
    name, checkpoint = chosen_checkpoint()
    _ = checkpoint.rnn
    return name, checkpoint


def dark() -> bool:
    """Whether the dark theme is active."""
    return st.context.theme.type == "dark"


def beam() -> int:
    return st.sidebar.slider(
        "Beam width",
        1,
        16,
        BEAM,
        key="beam",
        bind="query-params",
        help="The number of unfinished label sequences that are kept at every step. 1 is greedy decoding.",
    )


def chosen_maps() -> state.MapSettings:
    """As they were chosen on Decode, for pages without a choice of their own; a contrast holds for one vocabulary."""
    maps: state.MapSettings = st.session_state.get("maps", state.MapSettings())
    return replace(maps, target="log-odds") if isinstance(maps.target, int) else maps


def image() -> state.InputImage:
    """The image that was chosen last, on this page or another: one of the tray or a sample.

    The URL names a sample; it can't carry an image of one's own, and says so when it is opened by somebody else.
    """
    session = st.session_state
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        tray.uploader()
    if "sample" not in session:
        _follow_link()
    with right, st.container(horizontal=True):
        _samples()
        _camera()
        _data_set_image()
        paste.listen()
    if "lost_image" in session:
        st.info(
            "This link is of an image that somebody opened in a session of their own, and no link can carry it. Here "
            "is a sample instead; upload the image to see it.",
            icon=":material/link_off:",
        )
    tray.show_errors()
    if session.last_image is None:
        st.stop()
    if session.sample is not None:
        st.query_params["sample"] = session.sample
        st.query_params.pop("image", None)
    else:
        st.query_params["image"] = "own"
        st.query_params.pop("sample", None)
    return session.last_image


def _follow_link() -> None:
    """A first visit shows a decoded sample, not an empty page: that of the link, or the first one."""
    linked, titles = st.query_params.get("sample"), list(state.samples())
    title = linked if linked in titles else titles[0]
    tray.select(state.open_sample(title), title)
    if "image" in st.query_params:
        st.session_state.lost_image = True
        for name in ("image", "path", "step"):
            st.query_params.pop(name, None)


def _samples() -> None:
    """Thumbnails of the samples, each with a button that selects it."""
    with st.popover("Samples", icon=":material/photo_library:"):
        with st.container(horizontal=True):
            for number, (title, sample) in enumerate(state.samples().items()):
                with st.container(width=state.THUMBNAIL // 2, gap="xsmall"):
                    st.image(state.sample_thumbnail(title), width="stretch", alt=f"Sample: {title}")
                    st.button(
                        title,
                        key=f"sample_{number}",
                        help=sample.credit,
                        width="stretch",
                        on_click=_select_sample,
                        args=(title,),
                    )
        st.caption("Photographs of COCO whose authors chose CC BY 2.0. No model here was trained on them.")


def _select_sample(title: str) -> None:
    tray.select(state.open_sample(title), title)


def _camera() -> None:
    with st.popover("Camera", icon=":material/photo_camera:"):
        if st.toggle("Use the camera", key="camera_on"):  # the browser asks for permission only then

            def taken() -> None:
                if (photo := st.session_state.photo) is not None:
                    name = f"photo {len(tray.images()) + 1}.jpg"
                    tray.read([(name, lambda: state.read_image(name, photo.getvalue()))])

            st.camera_input("Take a photo", key="photo", on_change=taken)


def _data_set_image() -> None:
    """An image of a data set with its ground truth, if the dashboard was started with a folder of data sets."""
    if state.data_root() is None:
        return
    with st.popover("Data set", icon=":material/dataset:"):
        choose_split("browse")
        st.number_input("Image number", 1, value=1, key="data_number")

        def numbered() -> state.InputImage:
            session = st.session_state
            samples = state.split(session.browse_dataset, session.browse_split).samples
            return state.open_data_image(samples[min(int(session.data_number), len(samples)) - 1])

        st.button("Show image", key="data_show", on_click=tray.read, args=([("the data set", numbered)],))


def choose_split(key: str) -> tuple[str, str]:
    """Names of a data set and of its split."""
    one, two = st.columns(2)
    names = list(DATASETS)
    dataset = one.selectbox("Data set", names, index=names.index("voc0712"), key=f"{key}_dataset")
    return dataset, two.selectbox("Split", ["val", "test", "train"], key=f"{key}_split")


def second_image() -> state.InputImage:
    """Another image to compare with: an upload if there is one, or a sample."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    upload = left.file_uploader("Another image", key="second_upload")
    titles = list(state.samples())
    sample = right.selectbox("or another sample", titles, index=len(titles) - 1, key="second_sample")
    if upload is not None:
        return state.read_image(upload.name, upload.getvalue())
    return state.open_sample(str(sample))
