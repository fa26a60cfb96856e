"""Inputs that several pages share: the checkpoint, the beam, the image. A choice holds on all pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

import paste
import state
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import DATASETS
from cnnrnn.utils.errors import UserError

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

_MAX_UPLOADS = 20  # images to choose from
BEAM = 8  # default beam width


def choose_checkpoint() -> None:
    """The sidebar's select box. app.py draws it outside the pages, so that all of them keep the choice."""
    with st.sidebar:
        st.header("Settings")
        name = st.selectbox("Checkpoint", state.checkpoint_names(), key="checkpoint", bind="query-params")
        if name is None:
            st.info("There is no trained model in `checkpoints/`. Train one: `cnnrnn train --help`.")
            st.stop()


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
    """The image that was chosen last, on this page or another: an upload, a photo, a sample or one of a data set."""
    session = st.session_state
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.file_uploader(
        "Your images",
        accept_multiple_files=True,  # of any type: `open_image` judges by the content, and the page says what it is
        key="upload",
        label_visibility="collapsed",
        on_change=_select_newest_upload,
        help="Drop images here, or paste one. They stay in the memory of this machine and are not sent elsewhere. You "
        f"can choose among the newest {_MAX_UPLOADS}.",
    )
    if "sample" not in session:
        # A first visit shows a decoded sample, not an empty page.
        linked, titles = st.query_params.get("sample"), list(state.samples())
        session.sample = linked if linked in titles else titles[0]
    with right, st.container(horizontal=True):
        _samples()
        _camera()
        _data_set_image()
        paste.listen()
    _choose_upload()
    if session.sample is not None:
        select_image(state.open_sample(session.sample), session.sample)
        st.query_params["sample"] = session.sample
    else:
        st.query_params.pop("sample", None)
        if "image_error" in session:
            raise UserError(session.image_error)
    return session.last_image


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
    _forget_error()
    st.session_state.sample = title


def select_image(image: state.InputImage, sample: str | None = None) -> None:
    """Make this the image of all pages; `sample` is its name if it is a sample."""
    _forget_error()
    st.session_state.last_image = image
    if sample is None:
        st.session_state.sample = None


def _forget_error() -> None:
    st.session_state.pop("image_error", None)


def _select_readable(read: Callable[[], state.InputImage]) -> None:
    """Select the image, or keep the error for the page to show."""
    try:
        select_image(read())
    except (UserError, OSError) as error:
        st.session_state.update(sample=None, image_error=str(error))


def _select_upload(upload: UploadedFile) -> None:
    _select_readable(lambda: state.read_image(upload.name, upload.getvalue()))


def _select_newest_upload() -> None:
    if uploads := st.session_state.upload[-_MAX_UPLOADS:]:
        _select_upload(uploads[-1])
        st.session_state.pop("which", None)


def _choose_upload() -> None:
    uploads = (st.session_state.get("upload") or [])[-_MAX_UPLOADS:]
    if len(uploads) < 2:
        return

    def chosen() -> None:
        _select_upload(uploads[st.session_state.which])

    st.selectbox(
        "Which of your images",
        range(len(uploads)),
        index=len(uploads) - 1,
        key="which",
        format_func=lambda index: uploads[index].name,
        on_change=chosen,
    )


def _camera() -> None:
    with st.popover("Camera", icon=":material/photo_camera:"):
        if st.toggle("Use the camera", key="camera_on"):  # the browser asks for permission only then

            def taken() -> None:
                if (photo := st.session_state.photo) is not None:
                    _select_readable(lambda: state.read_image("photo.jpg", photo.getvalue()))

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

        st.button("Show image", key="data_show", on_click=_select_readable, args=(numbered,))


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
