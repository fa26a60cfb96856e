"""Values that tell whether a label applies: true and false, and words, counts and scores beside its name."""

from __future__ import annotations

from cnnrnn.data.formats.column_names import key

_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", "", "-1", "-1.0", "none", "nan", "null"}
# Keys of an object, and columns of a table, that tell if the label beside them applies; is_present is present.
_SCORES = {"confidence", "conf", "score", "probability", "prob", "p", "likelihood", "certainty", "logit", "logits"}
_COUNTS = {"count", "counts", "vote", "votes", "occurrences", "instances", "quantity"}
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


def flag(value: object) -> bool | None:
    """True and false in any spelling; None for what is neither."""
    word = str(value).strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else None


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


def is_score(name: object) -> bool:
    return _bare(name) in _SCORES


def is_count(name: object) -> bool:
    return _bare(name) in _COUNTS


def is_about_one_label(name: object) -> bool:
    """Whether a column is about a label in any table; others may be about the image if it has one row."""
    return _bare(name) in (_SCORES - {"score", "p"}) | _PRESENCE | {"answer", "negated"}
