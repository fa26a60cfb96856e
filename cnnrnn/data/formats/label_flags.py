"""Values that tell whether a label applies: true and false, and words and scores beside its name."""

from __future__ import annotations

from cnnrnn.data.formats.column_names import key

_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", "", "-1", "-1.0", "none", "nan", "null"}
# Keys of an object, and columns of a table, that tell if the label beside them applies; is_present is present.
_SCORES = {"confidence", "conf", "score", "probability", "prob"}
_APPLIES = _SCORES | {
    *("value", "present", "exists", "applies", "verified", "confirmed", "checked", "selected", "active", "correct"),
    *("accept", "accepted", "approved", "positive", "answer", "status", "decision", "verdict"),
}
_DENIES = {"reject", "rejected", "deleted", "removed", "absent", "discarded"}
_ACCEPTED = {"accept", "accepted", "approve", "approved", "present", "positive", "confirmed", "correct"}
_REJECTED = {"reject", "rejected", "deleted", "removed", "absent", "negative", "discarded", "wrong", "incorrect"}


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
    return positive if positive is None or word in _REJECTED or _bare(name) not in _DENIES else not positive


def is_low_score(name: object, value: object) -> bool:
    """Whether a number tells that the label is less likely than not."""
    try:
        return 0 < float(str(value)) < 0.5 and _bare(name) in _SCORES | {"value"}
    except ValueError:
        return False


def is_about_one_label(name: object) -> bool:
    """Whether a column is about a label in any table; others may be about the image if it has one row."""
    return _bare(name) in _SCORES - {"score"} | {"present", "applies", "answer"}
