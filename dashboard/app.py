"""The dashboard: `streamlit run dashboard/app.py`."""

import importlib
from pathlib import Path
from typing import NamedTuple

import streamlit as st

import server
from cnnrnn.utils.errors import UserError
from views.style import markdown

ICON = Path(__file__).with_name("icon.png")  # a file: streamlit would fetch a symbol's image from the network


class Question(NamedTuple):
    """A page: the question it answers, and how, in two sentences."""

    file: str  # in app_pages/
    title: str
    icon: str
    question: str
    answer: str


QUESTIONS = [
    Question(
        "decode",
        "Decode",
        ":material/account_tree:",
        "Why these labels?",
        "A CNN-RNN names an image's labels one after the other and then says END. Choose an image: you see the "
        "sequences it considered, what it picked from at each step, and where in the image it found the evidence.",
    ),
    Question(
        "what_if",
        "What if?",
        ":material/alt_route:",
        "What if it were told otherwise?",
        "Force a label, forbid one, or hide what a step looked at: the image is decoded again at once, and you see "
        "which other labels rise and fall with it. That is what the model holds to belong together.",
    ),
    Question(
        "label_space",
        "Label space",
        ":material/scatter_plot:",
        "What does it believe is alike?",
        "Labels, images and decoding steps live in one space: what is close to a label is likely to be called it. "
        "Labels near each other mean the same things to the model, or appear in the same company.",
    ),
    Question(
        "compare",
        "Compare",
        ":material/compare_arrows:",
        "What is different?",
        "Two models look at one image, or one model at two images. Labels are matched by their names; what only "
        "one side says is marked.",
    ),
    Question(
        "evaluate",
        "Evaluate",
        ":material/rule:",
        "How good is it, and where does it fail?",
        "Open what `cnnrnn evaluate --per-image FILE` wrote, or evaluate here. Move the threshold, see which labels "
        "are taken for which, and open the worst mistakes in *Decode*.",
    ),
    Question(
        "model",
        "Model",
        ":material/description:",
        "What is this model?",
        "What it was trained on and how well it does on images it had not seen. Look here before you trust a label: "
        "rare ones are weak.",
    ),
]


def show() -> None:
    """One session's run: the chosen page in its frame."""
    st.set_page_config(page_title="cnnrnn", page_icon=str(ICON), layout="wide")
    pages = {st.Page(f"app_pages/{q.file}.py", title=q.title, icon=q.icon): q for q in QUESTIONS}
    page = st.navigation(list(pages))
    # Said before the libraries are there, which take seconds, once after the server's start.
    st.title(pages[page].question)
    st.markdown(pages[page].answer)
    with st.spinner("Starting: loading the libraries …"):
        controls = importlib.import_module("controls")
    controls.choose_checkpoint()
    try:
        page.run()
    except UserError as error:  # whatever page it is, an expected failure is one line
        st.error(markdown(str(error)), icon=":material/error:")


if st.runtime.exists():
    show()
else:  # `streamlit run` looks first how it is to serve this file
    app = st.App(__file__, middleware=server.MIDDLEWARE, on_script_error=server.report_unexpected_error)
