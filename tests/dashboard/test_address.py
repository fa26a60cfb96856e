"""Choices hold on other pages and are in the address; what a link has that is not possible here is said."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def script() -> None:
    """Two pages with a widget of each kind, the second of which draws only the check box."""
    import streamlit as st

    import address

    session = st.session_state
    page = session.setdefault("shown", "first")
    address.follow(page)
    st.checkbox("On", key=address.keep("on", (False, True), False))
    if page == "first":
        labels = session.setdefault("labels", ["cat", "dog", "a&b=c"])
        st.slider("Share", 0.0, 1.0, step=0.05, key=address.keep("share", [n / 20 for n in range(21)], 0.5))
        st.selectbox("Label", labels, index=None, key=address.keep("label", labels))
        st.multiselect("Several", labels, key=address.keep("several", labels, ["cat"]))
        st.number_input("Step", 0, 9, key=address.keep("step", range(10), 0, scope=session.setdefault("image", 1)))


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(script)


def values(app: AppTest) -> tuple[object, ...]:
    assert not app.exception
    widgets = (app.slider[0], app.selectbox[0], app.multiselect[0], app.number_input[0], app.checkbox[0])
    return tuple(widget.value for widget in widgets)


def query(app: AppTest) -> dict[str, list[str]]:
    return {name: [texts] if isinstance(texts, str) else list(texts) for name, texts in app.query_params.items()}


def test_without_a_link_there_are_defaults_and_a_bare_address(app: AppTest) -> None:
    app.run()
    assert values(app) == (0.5, None, ["cat"], 0, False)
    assert not app.query_params


def test_a_link_is_followed_and_choices_are_written(app: AppTest) -> None:
    link = {"share": ["0.15"], "label": ["a&b=c"], "several": ["dog", "cat"], "step": ["7"], "on": ["true"]}
    for name, texts in link.items():
        app.query_params[name] = texts
    app.run()
    assert values(app) == (0.15, "a&b=c", ["dog", "cat"], 7, True)
    assert query(app) == link
    assert not app.toast
    app.slider[0].set_value(0.15000000000000002).run()  # as a browser counts
    assert query(app)["share"] == ["0.15"]
    app.multiselect[0].set_value([])
    app.slider[0].set_value(0.5)
    app.selectbox[0].set_value(None).run()
    assert values(app) == (0.5, None, [], 7, True)
    assert query(app) == {"several": [""], "step": ["7"], "on": ["true"]}  # none of them, not the default
    again = AppTest.from_function(script)
    again.query_params["several"] = [""]
    assert values(again.run())[2] == []


@pytest.mark.parametrize(("name", "text"), [("share", "0.07"), ("label", "zebra"), ("several", "zebra"), ("step", "x")])
def test_what_is_not_possible_is_the_default_and_is_said(app: AppTest, name: str, text: str) -> None:
    app.query_params[name] = text
    app.run()
    assert values(app) == (0.5, None, ["cat"], 0, False)
    assert f"{name} = {text}" in app.toast[0].value.replace("\\", "")
    assert not app.query_params


def test_choices_hold_while_another_page_is_shown_and_end_with_their_scope(app: AppTest) -> None:
    app.run()
    app.slider[0].set_value(0.3)
    app.number_input[0].set_value(4)
    app.checkbox[0].check().run()
    app.session_state["shown"] = "second"
    app.run()
    assert not app.slider
    assert app.checkbox[0].value
    app.session_state["shown"] = "first"
    app.run()
    assert values(app) == (0.3, None, ["cat"], 4, True)
    app.session_state["image"] = 2
    app.run()
    assert values(app) == (0.3, None, ["cat"], 0, True)
    assert query(app) == {"share": ["0.3"], "on": ["true"]}


def test_a_label_that_a_new_model_lacks_is_not_chosen_any_more(app: AppTest) -> None:
    app.run()
    app.selectbox[0].set_value("dog").run()
    app.session_state["labels"] = ["cat", "cow"]
    app.run()
    assert values(app)[1] is None
    assert not app.query_params
