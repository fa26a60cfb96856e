"""The session's own images: uploaded, pasted, photographed or taken from a data set, and kept on all pages.

An uploader is only the way in: its files go into the tray at once, and it is empty again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

import image_files
import widgets
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.style import shorten
from views.style import markdown

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

MAX_IMAGES = 60  # of a session; the oldest are dropped
_HEIGHT = 300  # pixels of the list in the sidebar
_NAME = 34  # letters of a name beside its thumbnail, two lines
_THUMBNAIL = 52  # pixels of the square that an image of the list fits into


def images() -> list[image_files.InputImage]:
    """All images of the session, those that came last first."""
    return list(reversed(st.session_state.get("tray", {}).values()))


def add(image: image_files.InputImage) -> None:
    """Put an image on top, where it is chosen; one with the same content is replaced."""
    tray = st.session_state.setdefault("tray", {})  # digest -> image
    tray.pop(image.digest, None)
    tray[image.digest] = image
    for digest in list(tray)[:-MAX_IMAGES]:
        del tray[digest]
    select(image)


def select(image: image_files.InputImage, sample: str | None = None) -> None:
    """Make this the image of all pages; `sample` is its name if it is a sample."""
    for remark in ("image_errors", "lost_image"):
        st.session_state.pop(remark, None)
    st.session_state.update(last_image=image, sample=sample)


def read(sources: Sequence[tuple[str, Callable[[], image_files.InputImage]]]) -> None:
    """Open images by name and add them, so that they are listed in this order and the first is chosen; what can't be
    opened is kept for the page to name."""
    errors: list[str] = []
    for name, source in reversed(sources):
        try:
            add(source())
        except (UserError, OSError) as error:
            errors.insert(0, f"{name}: {error}")
    if errors:
        st.session_state.image_errors = (st.session_state.page, errors)
    if len(errors) == len(sources):
        st.session_state.update(sample=None, last_image=None)


def uploader() -> None:
    """An uploader for any number of files of any type: `open_image` judges by the content, and the page names it."""
    key = f"upload_{st.session_state.setdefault('uploads', 0)}"

    def take() -> None:
        files: list[UploadedFile] = st.session_state[key] or []
        read([(file.name, partial(image_files.read_image, file.name, file.getvalue())) for file in files])
        st.session_state.uploads += 1  # an uploader with another key is an empty one

    st.file_uploader(
        "Your images",
        accept_multiple_files=True,
        key=key,
        on_change=take,
        label_visibility="collapsed",
        help="Drop images here, or paste one. They stay in the memory of this machine and are not sent elsewhere. The "
        f"newest {MAX_IMAGES} are kept until the page is closed.",
    )


def show_errors() -> None:
    """What could not be opened of the newest images, until it is dismissed or another page is opened."""
    page, errors = st.session_state.get("image_errors", (None, []))
    if page != st.session_state.page:
        _dismiss_errors()
        return
    for error in errors:
        st.error(markdown(error), icon=":material/error:")
    st.button("Dismiss", key="dismiss_errors", icon=":material/close:", on_click=_dismiss_errors)


def _dismiss_errors() -> None:
    st.session_state.pop("image_errors", None)
    if st.session_state.get("last_image", ...) is None:  # nothing else could be opened
        _select_first_sample()


def _select_first_sample() -> None:
    first = next(iter(image_files.samples()))
    select(image_files.open_sample(first), first)


def remember_labels(image: image_files.InputImage, labels: Sequence[str]) -> None:
    """What was predicted for an image, to be read in the strip."""
    st.session_state.setdefault("tray_labels", {})[image.digest, st.session_state.checkpoint] = labels


def show() -> None:
    """The images as a list in the sidebar, from which one is chosen."""
    found = images()
    if not found:
        return
    chosen = st.session_state.get("last_image")
    position = next((n for n, image in enumerate(found) if chosen and image.digest == chosen.digest), None)
    with st.sidebar:
        st.subheader("Your images")
        with st.container(horizontal=True, gap="xsmall"):
            newer, older = (None, 0) if position is None else (position - 1, position + 1)
            _step("Previous", found, newer)
            _step("Next", found, older)
            st.button("Remove", key="remove_image", disabled=position is None, on_click=_remove, args=(chosen,))
        with st.container(height=_HEIGHT if len(found) > 4 else "content", key="tray_list", gap="small"):
            for number, image in enumerate(found):
                _row(image, number == position)


def _step(name: str, found: list[image_files.InputImage], position: int | None) -> None:
    there = position is not None and 0 <= position < len(found)
    st.button(
        name,
        key=f"{name.lower()}_image",
        disabled=not there,
        on_click=select,
        args=(found[position],) if there and position is not None else (),
    )


def _row(image: image_files.InputImage, chosen: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(width=_THUMBNAIL, horizontal_alignment="center"):
            width = widgets.picture_width(image.pixels.size, (_THUMBNAIL, _THUMBNAIL))
            st.image(image_files.thumbnail(image), width=width, alt=f"Thumbnail of {image.name}")
        with st.container(gap=None):
            st.button(
                markdown(shown := shorten(image.name, _NAME)),
                key=f"tray_{image.digest}",
                help=None if shown == image.name else markdown(image.name),
                type="primary" if chosen else "tertiary",
                on_click=select,
                args=(image,),
            )
            labels = st.session_state.get("tray_labels", {}).get((image.digest, st.session_state.checkpoint))
            if labels is not None:
                st.caption(markdown(", ".join(labels) or "no label"))


def _remove(image: image_files.InputImage) -> None:
    found = images()
    position = next(number for number, other in enumerate(found) if other.digest == image.digest)
    del st.session_state.tray[image.digest]
    if left := [other for other in found if other.digest != image.digest]:
        select(left[min(position, len(left) - 1)])
    else:
        _select_first_sample()
