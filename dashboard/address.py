"""What a person chose holds on all pages, and the address contains it, so that a link reopens it.

Streamlit forgets a widget as soon as a page doesn't draw it, together with the part of the address that is bound to it.
Here every choice is kept for the session, and the address of a page has those of its choices that are not the default.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

from views.style import markdown

# A constant without any user input. Streamlit adds an entry to the browser's history for every change of the address;
# with this there is one per page, and "back" leads to the page before.
_ONE_ENTRY_PER_PAGE = """
export default function () {
  if (history.onePerPage) return;
  history.onePerPage = true;
  const push = history.pushState.bind(history);
  history.pushState = (state, title, url) =>
    new URL(url, location).pathname === location.pathname
      ? history.replaceState(state, title, url)
      : push(state, title, url);
}
"""
_history = st.components.v2.component("cnnrnn_history", js=_ONE_ENTRY_PER_PAGE)


def follow(page: str) -> None:
    """Read the link that opened the session, on a run of a page. Draws nothing."""
    session = st.session_state
    if "link" not in session:
        session.link = {name: st.query_params.get_all(name) for name in st.query_params}
    if session.get("page") != page:
        session.page, session.drawn = page, set()  # a widget of another page is a new one, though its key is the same
    _history(key="history", height=1)


def take(name: str) -> str | None:
    """The link's value of this name, once."""
    values = st.session_state.link.pop(name, None)
    return values[-1] if values else None


def keep(key: str, options: Collection[Any], default: Any = None, *, name: str = "", scope: object = None) -> str:
    """The key itself, for a widget with these options; st.session_state[key] is set to what was chosen last.

    That is the choice on this page, on an earlier visit to it, in the link that opened the session, or the default; a
    list of options where the default is a list. A choice ends when `scope`, what it was made for, is another one.
    `name` is what the address calls it, if not by its key.
    """
    session, name = st.session_state, name or key
    kept = session.setdefault("kept", {})  # key -> (choice, scope)
    linked = None
    ended = key in kept and kept[key][1] != scope
    if ended:
        texts = _texts(default)
    elif key in session:
        texts = _texts(session[key])
    elif key in kept:
        texts = _texts(kept[key][0])
    else:
        linked = session.link.pop(name, None)
        texts = _texts(default) if linked is None else linked
    try:
        choice = _find(texts, options, default)
    except KeyError:
        choice = default
        if linked is not None:
            text = f"The link has {markdown(name)} = {markdown(', '.join(linked))}, which is not possible here."
            st.toast(text, icon=":material/link_off:", duration="infinite")
    # In another scope the same option has another name, and a browser shows the old one until the choice is set.
    if ended or key not in session.drawn or key not in session or _texts(session[key]) != _texts(choice):
        session[key] = choice
    session.drawn.add(key)
    kept[key] = (choice, scope)
    write(name, [] if choice == default else _texts(choice) or [""])
    return key


def write(name: str, values: list[str]) -> None:
    """Put values into the address, or take them out of it if there are none."""
    if not values:
        st.session_state.link.pop(name, None)
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get_all(name) != values:
        st.query_params[name] = values


def _find(texts: list[str], options: Collection[Any], default: Any) -> Any:
    """The options with these texts, in a list if the default is one. Raises KeyError if an option is missing."""
    by_text = {_text(option): option for option in options if option is not None}
    found = [by_text[text] for text in texts if text]
    if isinstance(default, list):
        return found
    return found[-1] if found else None if None in options else default


def _texts(choice: Any) -> list[str]:
    return [_text(one) for one in (choice if isinstance(choice, list) else [choice]) if one is not None]


def _text(choice: Any) -> str:
    """As it stands in the address; a slider's 0.15000000000000002 is 0.15."""
    if isinstance(choice, bool):
        return str(choice).lower()
    return f"{choice:g}" if isinstance(choice, float) else str(choice)
