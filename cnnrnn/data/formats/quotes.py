"""Quotes in the cells of labels: a sign inside of them separates nothing, as in "cat, small", "dog"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnnrnn.data.formats.no_labels import is_nothing
from cnnrnn.data.formats.separator import LIST_SIGNS

_QUOTED = r'"(?:[^"]|"")+"|' + r"'[^']+'|“[^“”]+”|„[^„“”]+[“”]|«[^«»]+»|`[^`]+`"
_MARKS = "\"'“„«`"
_HIDDEN = 0xF0000  # signs inside of quotes are moved to this private area of Unicode until the labels are separated
_PRIVATE = re.compile("[\U000f0000-\U000fffff]")


def without_quotes(texts: Sequence[str], given: str | None) -> list[str]:
    """The texts of all cells, with what stands inside of quotes hidden from separators, until it is `unhidden`.

    Quotes around every whole cell come from quoting a CSV twice: they say nothing about its labels. Where only some
    labels are quoted, a word for nothing in quotes is a label, and hidden as a whole.
    """
    texts = [text.replace('\\"', '"') if text.startswith('\\"') else text for text in texts]
    words = all(word_in_quotes(text) != text for text in texts)
    if not words and all(re.fullmatch(_QUOTED, text) for text in texts):
        return [text[1:-1].replace('""', '"').strip() for text in texts]
    signs = "|".join(map(re.escape, [*LIST_SIGNS, *([given] if given and given.strip() else [])]))
    part = re.compile(rf"(?P<before>^\s*|(?:{signs})\s*)(?P<quoted>{_QUOTED})(?=\s*(?:{signs}|$))")
    blanks = re.compile(rf"(?:{_QUOTED})(?:\s+(?:{_QUOTED}))+")  # "hot dog" "cat"
    texts = [",".join(re.findall(_QUOTED, text)) if blanks.fullmatch(text) else text for text in texts]
    list_of_quoted = re.compile(rf"(?:{_QUOTED})(?:\s*(?:{signs})\s*(?:{_QUOTED}))*")
    hide = _hidden if not words and all(map(list_of_quoted.fullmatch, texts)) else _hidden_with_words
    return [part.sub(hide, text) if any(mark in text for mark in _MARKS) else text for text in texts]


def quoted_with(sign: str, texts: Sequence[str]) -> str | None:
    """The first label that stood in quotes and has the sign in it."""
    parts = (part for text in texts if _hide(sign) in text for part in text.split(sign) if _hide(sign) in part)
    return next((unhidden(part).strip() for part in parts), None)


def unhidden(text: str) -> str:
    """The text as it was written, with the signs that `without_quotes` hid."""
    return _PRIVATE.sub(lambda found: chr(ord(found[0]) - _HIDDEN), text)


def word_in_quotes(part: str) -> str:
    """A part of a list, which is hidden if it is a word for nothing in quotes."""
    return _hide_word(part[1:-1]) if re.fullmatch(_QUOTED, part) and is_nothing(part[1:-1]) else part


def _hidden_with_words(found: re.Match[str]) -> str:
    text = found["quoted"][1:-1].strip()
    return found["before"] + _hide_word(text) if is_nothing(text) else _hidden(found)


def _hidden(found: re.Match[str]) -> str:
    """A part in quotes, without them and with its signs hidden; a word for nothing stays one."""
    text = found["quoted"][1:-1].replace('""', '"').strip()
    return found["before"] + (text if is_nothing(text) else _hide(text))


def _hide_word(text: str) -> str:
    return "".join(chr(ord(sign) + _HIDDEN) for sign in text)


def _hide(text: str) -> str:
    return "".join(sign if sign.isalnum() or ord(sign) > 0xFFFF else chr(ord(sign) + _HIDDEN) for sign in text)
