"""Inputs that several pages share: the checkpoint, the beam, the image. A choice holds on all pages."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

import address
import image_files
import paste
import state
import tray
from cnnrnn.checkpoint import Checkpoint, CheckpointError
from cnnrnn.data import DATASETS, OWN
from cnnrnn.models.cnnrnn import CNNRNN
from views.style import markdown

BEAM = 8  # default beam width
_LOST_OWN = (
    "This link is of an image that somebody opened in a session of their own, and no link can carry it. Here is a "
    "sample instead; upload the image to see it."
)
_LOST_SAMPLE = "The link names the sample {}, which is not here. This is another one."
_LOST_DATA = (
    "This link is of an image of a data set that is not here. Here is a sample instead; to see the image, start the "
    "dashboard with `cnnrnn dashboard --data PATH`, where PATH is the data set."
)


def choose_checkpoint() -> None:
    """The sidebar's select box. app.py draws it outside the pages, so that all of them keep the choice."""
    names = state.checkpoint_names()
    linked = st.session_state.link.get("checkpoint")
    lost = address.take("checkpoint") if linked and linked[-1] not in names else None
    with st.sidebar:
        st.header("Settings")
        name = st.selectbox("Checkpoint", names, key=address.keep("checkpoint", names, names[0] if names else None))
        if name is None:
            st.info("There is no trained model.")
        else:
            _describe(name)
    if name is None:  # on a phone the sidebar is hidden
        st.info("There is no trained model in `checkpoints/`. Train one: `cnnrnn train --help`.")
        st.stop()
    if lost is not None:
        st.warning(
            f"The link names the checkpoint {markdown(lost)}, which is not here any more. This is {markdown(name)}.",
            icon=":material/link_off:",
        )
    tray.show()


def _describe(name: str) -> None:
    """A checkpoint in a line, on all pages, without its weights."""
    try:
        config = state.config(name)
        labels, backbone = len(config["vocabulary"]["labels"]), markdown(str(config["backbone"]["name"]))
        images = config["training"].get("train_images", "?")
    except (CheckpointError, KeyError, TypeError, AttributeError):  # the page says what is wrong with it
        return
    st.caption(f"{labels} labels · {backbone} · trained on {images} images")


def chosen_checkpoint() -> tuple[str, Checkpoint]:
    """The name of the chosen checkpoint's folder, and the checkpoint. Raises CheckpointError if it can't be loaded."""
    name = st.session_state.checkpoint
    return name, state.load_checkpoint(name)


def chosen_sequence_model(why: str) -> tuple[str, Checkpoint]:
    """As `chosen_checkpoint`. With the sigmoid baseline, which emits no sequence, the page is only the sentence `why`
    and a button that switches to a CNN-RNN."""
    name, checkpoint = chosen_checkpoint()
    if not isinstance(checkpoint.model, CNNRNN):
        st.info(f"This page needs a CNN-RNN: {why}", icon=":material/info:")
        if (other := next(filter(state.is_sequence_model, state.checkpoint_names()), None)) is not None:
            st.button(f"Switch to {markdown(other)}", key="switch_checkpoint", on_click=_switch, args=(other,))
        st.stop()
    return name, checkpoint


def _switch(name: str) -> None:
    st.session_state.checkpoint = name


def dark() -> bool:
    """Whether the dark theme is active."""
    return st.context.theme.type == "dark"


def beam() -> int:
    return st.sidebar.slider(
        "Beam width",
        1,
        16,
        key=address.keep("beam", range(1, 17), BEAM),
        help="The number of unfinished label sequences that are kept at every step. 1 is greedy decoding.",
    )


def chosen_maps() -> state.MapSettings:
    """As they were chosen on Decode, for pages without a choice of their own; a contrast holds for one vocabulary."""
    maps: state.MapSettings = st.session_state.get("maps", state.MapSettings())
    return replace(maps, target="log-odds") if isinstance(maps.target, int) else maps


def image() -> image_files.InputImage:
    """The image that was chosen last, on this page or another: one of the tray or a sample.

    The address names a sample or a data set's image; it can't carry one's own, and the page says so when somebody else
    opens the link.
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
        st.info(session.lost_image, icon=":material/link_off:")
    tray.show_errors()
    image: image_files.InputImage | None = session.last_image
    if image is None:
        st.stop()
    own = session.sample is None and image.origin is None
    first = next(iter(image_files.samples()))
    address.write("sample", [] if session.sample in (None, first) else [session.sample])
    address.write("data", [] if image.origin is None else [image.origin])
    address.write("image", ["own"] if own else [])
    return image


def _follow_link() -> None:
    """A first visit shows a decoded sample, not an empty page: that of the link, or the first one."""
    linked, titles = address.take("sample"), list(image_files.samples())
    title = linked if linked in titles else titles[0]
    tray.select(image_files.open_sample(title), title)
    origin, own = address.take("data"), address.take("image")
    if origin is not None and (image := image_files.open_linked(origin)) is not None:
        tray.add(image)
    elif origin is not None or own is not None or linked not in (None, title):
        lost = _LOST_OWN if own is not None else _LOST_DATA if origin is not None else None
        st.session_state.lost_image = lost or _LOST_SAMPLE.format(markdown(str(linked)))
        for name in ("path", "step", "subtract", "row", "column"):  # of the image that is not here
            address.write(name, [])


def _samples() -> None:
    """Thumbnails of the samples, each with a button that selects it."""
    with st.popover("Samples", icon=":material/photo_library:"):
        with st.container(horizontal=True):
            for number, (title, sample) in enumerate(image_files.samples().items()):
                with st.container(width=image_files.THUMBNAIL // 2, gap="xsmall"):
                    st.image(image_files.sample_thumbnail(title), width="stretch", alt=f"Sample: {title}")
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
    tray.select(image_files.open_sample(title), title)


def _camera() -> None:
    with st.popover("Camera", icon=":material/photo_camera:"):
        if st.toggle("Use the camera", key="camera_on"):  # the browser asks for permission only then

            def taken() -> None:
                if (photo := st.session_state.photo) is not None:
                    name = f"photo {len(tray.images()) + 1}.jpg"
                    tray.read([(name, lambda: image_files.read_image(name, photo.getvalue()))])

            st.camera_input("Take a photo", key="photo", on_change=taken)


def _data_set_image() -> None:
    """An image of a data set with its ground truth, if the dashboard was started with a folder of data sets."""
    if image_files.data_root() is None:
        return
    with st.popover("Data set", icon=":material/dataset:"):
        choose_split("browse")
        st.number_input("Image number", 1, value=1, key="data_number")

        def numbered() -> image_files.InputImage:
            session = st.session_state
            return image_files.open_split_image(session.browse_dataset, session.browse_split, int(session.data_number))

        st.button("Show image", key="data_show", on_click=tray.read, args=([("the data set", numbered)],))


def choose_split(key: str) -> tuple[str, str]:
    """Names of a data set and of its split."""
    one, two = st.columns(2)
    root = image_files.data_root()
    own = root is None or root.is_file() or not (root / "VOCdevkit").is_dir()
    dataset = one.selectbox(
        "Data set",
        DATASETS,
        index=list(DATASETS).index(OWN if own else "voc0712"),
        key=f"{key}_dataset",
        format_func=lambda name: "your own" if name == OWN else name,
    )
    return dataset, two.selectbox("Split", image_files.SPLITS, key=f"{key}_split")


def second_image() -> image_files.InputImage:
    """Another image to compare with: an upload if there is one, or a sample."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    upload = left.file_uploader("Another image", key="second_upload")
    titles = list(image_files.samples())
    sample = right.selectbox("or another sample", titles, key=address.keep("second_sample", titles, titles[-1]))
    if upload is not None:
        return image_files.read_image(upload.name, upload.getvalue())
    return image_files.open_sample(str(sample))
