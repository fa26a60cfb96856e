"""Quotes in the cells of labels: a sign inside of them separates nothing, as in "cat, small", "dog"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnnrnn.data.formats.separator import LIST_SIGNS

_QUOTED = r'"(?:[^"]|"")+"|' + r"'[^']+'|“[^“”]+”|„[^„“”]+[“”]|«[^«»]+»|`[^`]+`"
_MARKS = "\"'“„«`"
_HIDDEN = 0xF0000  # signs inside of quotes are moved to this private area of Unicode until the labels are separated
_PRIVATE = re.compile("[\U000f0000-\U000fffff]")


def without_quotes(texts: Sequence[str], given: str | None) -> list[str]:
    """The texts of all cells, with what stands inside of quotes hidden from separators, until it is `unhidden`.

    Quotes around every whole cell come from quoting a CSV twice: they say nothing about its labels.
    """
    texts = [text.replace('\\"', '"') if text.startswith('\\"') else text for text in texts]
    if all(re.fullmatch(_QUOTED, text) for text in texts):
        return [text[1:-1].replace('""', '"').strip() for text in texts]
    signs = "|".join(map(re.escape, [*LIST_SIGNS, *([given] if given and given.strip() else [])]))
    part = re.compile(rf"(?P<before>^\s*|(?:{signs})\s*)(?P<quoted>{_QUOTED})(?=\s*(?:{signs}|$))")
    blanks = re.compile(rf"(?:{_QUOTED})(?:\s+(?:{_QUOTED}))+")  # "hot dog" "cat"
    result = []
    for text in texts:
        if blanks.fullmatch(text):
            text = ",".join(re.findall(_QUOTED, text))
        result.append(part.sub(_hidden, text) if any(mark in text for mark in _MARKS) else text)
    return result


def quoted_with(sign: str, texts: Sequence[str]) -> str | None:
    """The first label that stood in quotes and has the sign in it."""
    parts = (part for text in texts if _hide(sign) in text for part in text.split(sign) if _hide(sign) in part)
    return next((unhidden(part).strip() for part in parts), None)


def unhidden(text: str) -> str:
    """The text as it was written, with the signs that `without_quotes` hid."""
    return _PRIVATE.sub(lambda found: chr(ord(found[0]) - _HIDDEN), text)


def _hidden(found: re.Match[str]) -> str:
    """A part in quotes, without them and with its signs hidden."""
    return found["before"] + _hide(found["quoted"][1:-1].replace('""', '"').strip())


def _hide(text: str) -> str:
    return "".join(sign if sign.isalnum() or ord(sign) > 0xFFFF else chr(ord(sign) + _HIDDEN) for sign in text)
