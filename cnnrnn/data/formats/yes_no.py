"""Words, signs and numbers that say whether a label applies, in the cells of tables and the values of JSON.

`flag` knows true and false, 1 and 0, yes and no. `mark` also knows the ticks and crosses, and the words of other
languages, that people write into the column of a label. `applies` also knows accepted, rejected and counts, and reads a
value by the name of its key or column: "deleted": true says no. `affirms` is for words without such a name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from cnnrnn.data.formats.column_names import key

_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", "", "-1", "-1.0", "none", "nan", "null"}

# Keys of an object, and columns of a table, that tell if the label beside them applies; is_present is present.
_SCORES = {"confidence", "conf", "score", "probability", "prob", "p", "likelihood", "certainty", "logit"}
_SCORES |= {*(f"{word}s" for word in _SCORES), "probabilities"} - {"ps"}  # one for each label of a cell
_VOTES = {"vote", "votes", "voters", "annotators", "raters", "agreement"}  # how many people chose a label
_COUNTS = {"count", "counts", "occurrences", "instances", "quantity"} | _VOTES
_PRESENCE = {"present", "presence", "exists", "exist", "existence", "occurs", "occurrence", "applies"}
_APPLIES = (
    _SCORES
    | _COUNTS
    | _PRESENCE
    | {
        *("value", "verified", "confirmed", "checked", "selected", "active", "correct", "visible", "detected"),
        *("accept", "accepted", "approved", "positive", "answer", "status", "decision", "verdict", "state"),
        *("response", "gt", "groundtruth", "truth"),
    }
)
_DENIES = {"reject", "rejected", "deleted", "removed", "absent", "discarded", "negated", "negative", "excluded"}
_ACCEPTED = {"accept", "accepted", "approve", "approved", "present", "positive", "confirmed", "correct"}
_REJECTED = {"reject", "rejected", "deleted", "removed", "absent", "negative", "discarded", "wrong", "incorrect"}
_UNDECIDED = {"ignore", "ignored", "skip", "skipped", "unsure", "uncertain", "undecided"}
_UNLIKELY = {"very_unlikely", "unlikely", "very unlikely"}  # Google's words in place of scores

BLANK = {"", "none", "null", "nan", "na", "n/a", "#n/a", "<na>"}  # what an empty cell is, or has
_TICKS = {"✓", "✔", "☑", "✅", "🗹"}
# Besides what `flag` knows. Spreadsheets write true and false in the language of their user.
_YES = _TICKS | {
    *("x", "y", "j", "t", "+", "●", "○", "◯", "1,0", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar"),
    *("prawda", "sant", "sann", "tosi", "igaz", "doğru", "истина", "pravda", "adevărat", "ja", "oui", "si", "sí", "sì"),
    *("sim", "tak", "evet", "igen", "kyllä", "да", "ano", "áno", "是", "真", "有", "はい", "あり", "예", "네"),
    *("da", "taip", "jā", "jah", "ναι", "так", "נכון", "כן", "نعم", "हाँ", "हां", "ya", "có", "ใช่", "bəli"),
}
_NO = {
    *("n", "f", "-", "–", "—", "−", "×", "✗", "✘", "✖", "❌", "☐", "⬜", "0,0", "falsch", "faux", "falso", "onwaar"),
    *("fałsz", "falskt", "usann", "falsk", "epätosi", "hamis", "yanliş", "yanlış", "ложь", "nepravda", "lažno"),
    *("na", "n/a", "#n/a", "<na>", "nein", "non", "nee", "não", "nao", "nie", "nej", "nei", "hayır", "hayir", "nem"),
    *("нет", "否", "假", "无", "無", "没有", "いいえ", "なし", "아니오", "아니요"),
    *("nu", "ne", "nē", "ei", "όχι", "ні", "לא", "لا", "नहीं", "tidak", "không", "ไม่", "ไม่ใช่", "xeyr", "bukan"),
}
# These are also names of labels, where one column has them; they are marks where several columns have them.
_YES_WORDS = {"present", "positive", "pos", "checked", "on", "detected", "visible"}
_NO_WORDS = {"absent", "negative", "neg", "unchecked", "off", "not present", "not detected", "not visible"}


def flag(value: object) -> bool | None:
    """True and false in any spelling; None for what is neither."""
    word = str(value).strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else None


def mark(value: object, words: bool = False) -> bool | None:
    """Whether a cell means yes or no; None for what is neither. With `words`, also present, positive and so on."""
    word = plain(str(value))
    found = _mark(word)
    return _word(word) if words and found is None else found


@lru_cache(maxsize=10_000)  # of millions of cells, few differ
def plain(text: str) -> str:
    """The text without case, blanks around, and the sign that makes an emoji of a tick."""
    return unicodedata.normalize("NFC", text.replace("\ufe0f", "").strip().casefold())


def filled(values: Iterable[Any]) -> list[Any]:
    """The values of the cells that are not empty."""
    return [value for value in values if plain(str(value)) not in BLANK]


@lru_cache(maxsize=10_000)
def _mark(word: str) -> bool | None:
    return True if word in _YES else False if word in _NO else flag(word)


def _word(word: str) -> bool | None:
    return True if word in _YES_WORDS else False if word in _NO_WORDS else None


def affirms(value: object) -> bool | None:
    """Whether a word or sign such as yes, absent or ✗ affirms or denies the label that it stands beside."""
    applied = applies("", value)
    return mark(value) if applied is None else applied


def is_mark(value: object, words: bool = False) -> bool:
    """Whether a cell says yes or no, or is empty."""
    return value is None or mark(value, words) is not None


def are_marks(values: Sequence[object], words: bool = False) -> bool:
    """Whether a column has nothing but marks such as 0 and 1, and not only those for absent labels."""
    return all(is_mark(value, words) for value in values) and any(mark(value, words) for value in values)


def two_signs_for_yes(values: Iterable[object]) -> tuple[str, str] | None:
    """A tick and an x, or a full and an empty circle, where one of them is likely meant as no."""
    signs = {plain(text): text for text in {*map(str, values)}}
    for first in (*_TICKS, "●"):
        second = "○" if first == "●" else "x"
        if first in signs and second in signs:
            return signs[first], signs[second]
    return None


def applies_to_label(name: object) -> bool:
    """Whether a key or column such as present, is_verified, answer or deleted is about the label beside it."""
    return _bare(name) in _APPLIES | _DENIES


def _bare(name: object) -> str:
    word = key(str(name))
    return word.removeprefix("is") if word != "is" else word


def applies(name: object, value: object) -> bool | None:
    """What such a column says of a label; None where the value is no such word."""
    word = str(value).strip().casefold()
    positive = True if word in _ACCEPTED else False if word in _REJECTED else flag(value)
    if positive is None and _bare(name) in _COUNTS and word.isdecimal():
        return int(word) > 0
    return positive if positive is None or word in _REJECTED or _bare(name) not in _DENIES else not positive


def is_rejection(value: object) -> bool:
    """Whether a word such as reject says that a label does not apply, whatever other words there are."""
    return str(value).strip().casefold() in _REJECTED


def is_undecided(value: object) -> bool:
    """Whether a word such as Prodigy's ignore says that nobody knows if a label applies."""
    return str(value).strip().casefold() in _UNDECIDED


def is_low_score(name: object, value: object, full: float = 1) -> bool:
    """Whether a number tells that the label is less likely than not, of scores up to `full`."""
    if (bare := _bare(name)) not in _SCORES | {"value"}:
        return False
    text = str(value).strip()
    try:
        score = float(text.removesuffix("%")) / (100 if text.endswith("%") else full)
    except ValueError:
        return text.casefold() in _UNLIKELY
    return 0 < score < 0.5 or (score < 0 and score != -1 and bare != "value")


def holds_low_scores(value: object) -> bool:
    """Whether a cell of a column of scores has a number for each label of its row, and one tells that it is less
    likely than not: "0.9;0.04" or [0.9, 0.04]."""
    parts = [part for part in re.split(r"[\s,;|\[\]()]+", str(value)) if part]
    try:
        scores = [float(part.removesuffix("%")) for part in parts]
    except ValueError:
        return False
    full = 100 if max(scores, default=0) > 1 else 1
    return len(scores) > 1 and any(0 <= score < full / 2 for score in scores)


def is_score(name: object) -> bool:
    """Whether a key or column such as confidence holds scores."""
    return _bare(name) in _SCORES


def is_count(name: object) -> bool:
    """Whether a key or column such as votes counts something."""
    return _bare(name) in _COUNTS


def is_vote(name: object) -> bool:
    """Whether a key or column such as votes tells how many people chose a label."""
    return _bare(name) in _VOTES


def is_about_one_label(name: object) -> bool:
    """Whether a column is about a label in any table. Others may be about the image where each has only one row."""
    return _bare(name) in (_SCORES - {"score", "p"}) | _PRESENCE | {"answer", "negated"}
