"""The dashboard: `streamlit run dashboard/app.py`."""

import importlib
from pathlib import Path

import streamlit as st

from cnnrnn.errors import UserError
from views.style import markdown

ICON = Path(__file__).with_name("icon.png")  # a file: streamlit would fetch a symbol's picture from the network

st.set_page_config(page_title="cnnrnn", page_icon=str(ICON), layout="wide")
page = st.navigation(
    [
        st.Page("app_pages/decode.py", title="Decode", icon=":material/account_tree:"),
        st.Page("app_pages/what_if.py", title="What if?", icon=":material/alt_route:"),
        st.Page("app_pages/label_space.py", title="Label space", icon=":material/scatter_plot:"),
        st.Page("app_pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("app_pages/evaluate.py", title="Evaluate", icon=":material/rule:"),
        st.Page("app_pages/model.py", title="Model", icon=":material/description:"),
    ]
)
with st.spinner("Starting: loading the libraries …"):
    controls = importlib.import_module("controls")  # torch and timm take seconds, once after the server's start
controls.choose_checkpoint()
try:
    page.run()
except UserError as error:  # whatever page it is, an expected failure is one line
    st.error(markdown(str(error)), icon=":material/error:")
