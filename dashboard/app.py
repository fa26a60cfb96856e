"""The dashboard: `streamlit run dashboard/app.py`."""

import importlib
import threading
from pathlib import Path
from typing import NamedTuple

import streamlit as st

import address
import server
import touch
from cnnrnn.utils.cores import share_cores
from cnnrnn.utils.errors import UserError
from views.style import markdown

ICON = Path(__file__).with_name("icon.png")  # a file: streamlit would fetch an emoji or a symbol from the network
LOGO = Path(__file__).with_name("logo.svg")  # its colors are for both themes
STYLE = Path(__file__).with_name("style.css")


class Page(NamedTuple):
    """A page, the question it answers, and in two sentences how."""

    file: str  # in app_pages/
    name: str
    icon: str
    question: str
    answer: str


PAGES = [
    Page(
        "decode",
        "Decode",
        ":material/account_tree:",
        "Why these labels?",
        "A CNN-RNN predicts an image's labels one after the other and then END. Choose an image to see the label "
        "sequences that the beam search considered, the distribution at each step, and the evidence in the image.",
    ),
    Page(
        "images",
        "Images",
        ":material/photo_library:",
        "What is in many images?",
        "Drop up to 60 images to get a table of their labels, to sort and to download. Open one of them in *Decode* to "
        "see why it has these labels.",
    ),
    Page(
        "what_if",
        "What if?",
        ":material/alt_route:",
        "What does the prediction depend on?",
        "Force a label, exclude one, or hide the evidence for one: the image is decoded again at once, and you see how "
        "the probabilities of the other labels change. The changes show which labels the model associates.",
    ),
    Page(
        "label_space",
        "Label space",
        ":material/scatter_plot:",
        "Which labels are similar?",
        "Labels, images and decoding steps are vectors of one space; a step chooses the label with the highest inner "
        "product. The map shows which labels are neighbors: they look similar to the model, or occur in the same "
        "images. Its distances are no scores.",
    ),
    Page(
        "compare",
        "Compare",
        ":material/compare_arrows:",
        "What is different?",
        "Two models predict the labels of one image or of many, or one model those of two images. Labels are matched "
        "by their names; those that only one side predicts are marked.",
    ),
    Page(
        "evaluate",
        "Evaluate",
        ":material/rule:",
        "How good is the model, and where does it fail?",
        "The evaluation that the checkpoint has of itself opens at once; the sample photographs and other data are "
        "evaluated here. See which labels are confused or predicted because of co-occurrence, and open the worst "
        "errors in *Decode*.",
    ),
    Page(
        "runs",
        "Runs",
        ":material/monitoring:",
        "How is the training going?",
        "The training runs in the folder `runs`, with their curves while they are trained and the settings in which "
        "they differ. Open a run's best checkpoint in *Decode*.",
    ),
    Page(
        "model",
        "Model",
        ":material/description:",
        "What is this model?",
        "This page shows what the model was trained on and how good it is on held-out images. Check a label's average "
        "precision before you rely on it: labels with few training images are predicted worse.",
    ),
]


def show() -> None:
    """One session's run: the chosen page in its frame."""
    # Before the pages, or the browser would fetch their icons from the network.
    st.set_page_config(page_icon=str(ICON), layout="wide")
    pages = {
        st.Page(
            f"app_pages/{page.file}.py", title=page.name, icon=page.icon, url_path=None if number else "start"
        ): page
        for number, page in enumerate(PAGES)
    }
    # The first page has the address /, and streamlit knows no other for it: by its name it is a second page.
    alias = st.Page(f"app_pages/{PAGES[0].file}.py", title=PAGES[0].name, url_path=PAGES[0].file, visibility="hidden")
    pages[alias] = PAGES[0]
    chosen = st.navigation(list(pages))
    st.set_page_config(page_title=f"{chosen.title} · cnnrnn")
    st.html(STYLE)
    st.logo(str(LOGO), size="large")
    address.follow(chosen.url_path)
    # Shown before the libraries are imported, which takes seconds once after the server's start.
    with st.container(horizontal=True, gap="small", key="heading"):
        st.title(pages[chosen].name, help=pages[chosen].answer, width="content")
        st.markdown(f"**{pages[chosen].question}**", width="content")
        touch.let_charts_scroll()
    with st.spinner("Starting: loading the libraries …"):
        controls = importlib.import_module("controls")
    controls.choose_checkpoint()
    try:
        chosen.run()
    except UserError as error:  # an expected failure is one line on any page
        st.error(markdown(str(error)), icon=":material/error:")
    finally:
        server.page_sent.set()


if st.runtime.exists():
    show()
else:  # `streamlit run` imports the file first to find out how to serve it
    share_cores()
    threading.Thread(target=server.warm_up, daemon=True).start()
    app = st.App(__file__, middleware=server.MIDDLEWARE, on_script_error=server.report_unexpected_error)
