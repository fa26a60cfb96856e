"""What people write into a column of a label for yes and no: 0 and 1, true and false, and the signs and words of
spreadsheets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from cnnrnn.data.formats.label_flags import applies, flag

_TICKS = {"✓", "✔", "☑", "✅", "🗹"}
# Besides what `flag` knows. Spreadsheets write true and false in the language of their user.
_YES = _TICKS | {
    *("x", "y", "t", "+", "●", "○", "◯", "1,0", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar", "prawda"),
    *("sant", "sann", "tosi", "igaz", "doğru", "истина", "pravda", "adevărat", "ja", "oui", "si", "sí", "sì"),
    *("sim", "tak", "evet", "igen", "kyllä", "да", "ano", "áno", "是", "真", "有", "はい", "あり", "예", "네"),
}
_NO = {
    *("n", "f", "-", "–", "—", "−", "×", "✗", "✘", "✖", "❌", "☐", "⬜", "0,0", "falsch", "faux", "falso", "onwaar"),
    *("fałsz", "falskt", "usann", "falsk", "epätosi", "hamis", "yanliş", "yanlış", "ложь", "nepravda", "lažno"),
    *("na", "n/a", "#n/a", "<na>", "nein", "non", "nee", "não", "nao", "nie", "nej", "nei", "hayır", "hayir", "nem"),
    *("нет", "否", "假", "无", "無", "没有", "いいえ", "なし", "아니오", "아니요"),
}
# These are also names of labels, where one column has them; they are marks where several columns have them.
_YES_WORDS = {"present", "positive", "pos", "checked", "on", "detected", "visible"}
_NO_WORDS = {"absent", "negative", "neg", "unchecked", "off", "not present", "not detected", "not visible"}


def mark(value: object, words: bool = False) -> bool | None:
    """Whether a cell means yes or no; None for what is neither. With `words`, also present, positive and so on."""
    word = plain(str(value))
    found = _mark(word)
    return _word(word) if words and found is None else found


@lru_cache(maxsize=10_000)  # of millions of cells, few differ
def plain(text: str) -> str:
    """Without case, blanks around, and the sign that makes an emoji of a tick."""
    return unicodedata.normalize("NFC", text.replace("\ufe0f", "").strip().casefold())


@lru_cache(maxsize=10_000)
def _mark(word: str) -> bool | None:
    return True if word in _YES else False if word in _NO else flag(word)


def _word(word: str) -> bool | None:
    return True if word in _YES_WORDS else False if word in _NO_WORDS else None


def affirms(value: object) -> bool | None:
    """Whether a word or sign such as yes, absent or ✗ affirms or denies the label that it stands beside."""
    applied = applies("", value)
    return mark(value) if applied is None else applied


def is_flag(value: object, words: bool = False) -> bool:
    return value is None or mark(value, words) is not None


def are_marks(values: Sequence[object], words: bool = False) -> bool:
    """Whether a column has nothing but marks such as 0 and 1, and not only those for absent labels."""
    return all(is_flag(value, words) for value in values) and any(mark(value, words) for value in values)


def two_signs_for_yes(values: Iterable[object]) -> tuple[str, str] | None:
    """A tick and an x, or a full and an empty circle, where one of them is likely meant as no."""
    signs = {plain(text): text for text in {*map(str, values)}}
    for first in (*_TICKS, "●"):
        second = "○" if first == "●" else "x"
        if first in signs and second in signs:
            return signs[first], signs[second]
    return None


def whole_number(text: str) -> str:
    """Without what spreadsheets drop and add: 000906, 906 and 906.0 are one number. Empty for other texts."""
    found = re.fullmatch(r"0*(\d+?)(\.0)?", text)
    return found.group(1) if found else ""


def number(value: object) -> float | None:
    """Of 0.93, 0,93 and 93 %."""
    text = str(value).strip()
    if re.fullmatch(r"[-+]?\d*,\d+\s*%?", text):
        text = text.replace(",", ".")
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
