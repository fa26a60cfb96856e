"""The image decoded again with a label's evidence in grey, and as a control with regions elsewhere."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

import address
import controls
import image_files
import state
import widgets
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import percent, points
from views import marginal_diff
from views.style import CHART, markdown
from what_if.texts import MARGINAL, best_path

_MIN_DIFFERENCE = 0.02  # of probabilities; a smaller one shows nothing


@st.fragment
def show(checkpoint: Checkpoint, image: image_files.InputImage, before: Trace, beam: int) -> None:
    st.header("Occlusion of the evidence")
    path = before.paths[0]
    if not path.tokens:
        st.info("The best path has no label whose evidence could be occluded.", icon=":material/visibility_off:")
        return
    one, two = st.columns(2)
    names = before.names(path.tokens)
    steps = range(len(names))
    step = one.selectbox(
        "Occlude the evidence for",
        steps,
        key=address.keep("occluded_step", steps, 0, scope=path.tokens),
        format_func=lambda step: names[step],
    )
    fractions = [number / 20 for number in range(1, 13)]
    fraction = two.slider(
        "Occluded fraction of the image",
        0.05,
        0.6,
        step=0.05,
        key=address.keep("occluded_fraction", fractions, 0.25),
        format="percent",
    )
    values = state.explanation(checkpoint, image, path.tokens, state.MapSettings()).smoothed[step].cpu().numpy()
    evidence = marginal_diff.strongest(resize_map(values, image.pixels.size), fraction)
    occluded = _occluded(image, evidence, f"{step} {fraction} occluded")
    after = state.trace(checkpoint, occluded, beam)
    left, right = st.columns([2, 3], gap="large")
    with left:
        widgets.picture(occluded.pixels, f"The image with the evidence for {names[step]} in grey")
    with right:
        one, two = st.columns(2)
        token = path.tokens[step]
        quantity = "probability" if marginal_diff.has_probabilities(before) else MARGINAL
        with one:
            _change(f"{quantity.capitalize()} of {markdown(names[step])}", before, [after], token)
        others = state.traces(
            checkpoint,
            tuple(
                _occluded(image, region, f"{step} {fraction} control {number}")
                for number, region in enumerate(marginal_diff.elsewhere(evidence))
            ),
            beam,
        )
        with two:
            _change(
                "Elsewhere occluded",
                before,
                others,
                token,
                help=f"A control: the mean over {len(others)} images in which a region of the same size and shape is "
                "grey elsewhere.",
            )
        st.markdown(_finding(names[step], token, after, others))
        st.markdown(f"Best path after: {best_path(after)}")
        mean = dict(zip(before.labels, np.mean([trace.probabilities for trace in others], axis=0), strict=True))
        st.plotly_chart(
            marginal_diff.figure(
                marginal_diff.compare_probabilities(before, after),
                controls.dark(),
                quantity=quantity,
                control=("elsewhere", mean),
            ),
            config=CHART,
            key="occlusion_diff",
            alt="Chart: probabilities of the labels that change most when the evidence is occluded",
        )


def _occluded(image: image_files.InputImage, region: np.ndarray, how: str) -> image_files.InputImage:
    pixels = marginal_diff.grey_out(np.asarray(image.pixels), region)
    return image_files.derived_image(image, how, Image.fromarray(pixels))


def _change(name: str, before: Trace, after: list[Trace], token: int, help: str | None = None) -> None:
    """The label's mean probability after an occlusion, and by how much it changed."""
    new = float(np.mean([trace.probabilities[token] for trace in after]))
    change = points(new - float(before.probabilities[token]))
    changed = change[0] in "+-"
    st.metric(
        name,
        percent(new),
        change,
        delta_color="normal" if changed else "off",
        delta_arrow="auto" if changed else "off",
        help=help,
    )


def _finding(name: str, token: int, after: Trace, others: list[Trace]) -> str:
    """Whether the label is still in the best path, and whether that is because of what was occluded."""
    predicted = [token in trace.paths[0].tokens for trace in (after, *others)]
    lowest = min(float(trace.probabilities[token]) for trace in others)
    if float(after.probabilities[token]) < lowest - _MIN_DIFFERENCE:
        meaning = "Its probability falls further than with any region elsewhere: it depends on the occluded evidence."
    else:
        meaning = "Its probability does not fall further than with regions elsewhere, so that nothing shows that it "
        meaning += "depends on the occluded evidence in particular."
    return (
        f"**{markdown(name)}** is {'still' if predicted[0] else 'no longer'} in the best path; with a region elsewhere "
        f"occluded, it is in {sum(predicted[1:])} of {len(others)}. {meaning}"
    )
