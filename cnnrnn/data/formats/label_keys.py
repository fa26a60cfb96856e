"""Which key of an object holds its label, and which hold what it does not show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnnrnn.data.formats.column_names import key, sounds_like_labels, words_of
from cnnrnn.data.formats.yes_no import affirms, applies, applies_to_label, flag, mark

# Compared without case, blanks and punctuation; the first that an object has is read. An answer is more than the name
# of its question, and labels are more than the name of what they belong to.
_ANSWERS = ("answers", "answer", "selectedoptions")
_NAMES = (
    *("label", "labels", "choices", "choice", "name", "class", "category", "classname", "classtitle", "categoryname"),
    *("labelname", "tagname", "displayname", "objectname", "names", "title", "tag", "text", "classifications"),
    *("detections", "categories"),
)
_LISTS = ("tags", "classes")  # of labels if nothing else has words
# The number that stands for the label of an object, and what else such an object holds.
_NUMBERS = ("categoryid", "labelid", "classid", "category", "label", "class")
# Attributes that a new project of the VGG Image Annotator has.
VIA_DEFAULTS = {"caption", "public_domain", "image_url"}
_AFFIRMING = {"positives", "pos", "verified", "checked", "selected", "certain"}
_DENYING = {
    *("negatives", "neg", "not", "non", "doesnt", "dont", "isnt", "arent", "without", "excluded", "exclude"),
    *("denied", "unverified", "unchecked", "unselected", "ignore", "ignored", "skipped", "invalid", "unconfirmed"),
    *("uncertain", "unsure", "unknown", "maybe", "possible", "unlikely", "ambiguous", "unclear", "doubtful", "pending"),
}


def label_key(value: Mapping[str, Any]) -> str | None:
    """The key that is known to hold the label, or the only one that sounds so: gt_label."""
    answers = _first(value, _ANSWERS, (list, dict))
    if found := answers or _first(value, _NAMES, (str, list, dict)):
        return found
    worded = [name for name, item in value.items() if next(texts_in(item), None)]
    lists = [name for name in worded if not isinstance(value[name], str)]
    if len(lists) == 1 and (key(lists[0]) in _LISTS or _sounds_like_labels(lists[0])):
        return lists[0]
    texts = [name for name in worded if name not in lists]
    return texts[0] if len(texts) == 1 and _sounds_like_labels(texts[0]) else None


def _sounds_like_labels(name: str) -> bool:
    return sounds_like_labels(name) or key(name).endswith(("label", "labels"))


def number_key(value: Mapping[str, Any], kinds: type | tuple[type, ...]) -> str | None:
    """The key of the number, or the numbers, that stand for labels."""
    return _first(value, _NUMBERS, kinds)


def _first(value: Mapping[str, Any], keys: Sequence[str], kinds: type | tuple[type, ...]) -> str | None:
    """The first of some keys that an object has with a value of such a kind, as the object spells it."""
    names = {key(name): name for name in value}
    found = (names[name] for name in keys if name in names)
    return next((n for n in found if isinstance(value[n], kinds) and not isinstance(value[n], bool)), None)


def attributes_of(value: Mapping[str, Any], named: bool) -> dict[str, Any]:
    """What can be labels, or can be named by labels: not what tells if a label applies."""
    return {
        name: item
        for name, item in value.items()
        if name not in VIA_DEFAULTS and not (named and applies_to_label(name) and applies(name, item) is not None)
    }


def part_applies(name: str, item: object) -> bool | None:
    """Whether a list of labels, or a text, is of those that are there, or of those that are not, by its key."""
    words = words_of(name)
    if isinstance(item, str):
        if len(words) > 1 or affirms(item) is not None:
            return None
    elif not isinstance(item, (list, tuple, set)) or is_geometry(item):
        return None
    verdicts = [_word_applies(word) for word in words] or [mark(name) if name.strip() in "+-−" else None]
    return False if False in verdicts else True if True in verdicts else None


def _word_applies(word: str) -> bool | None:
    """Whether a word of a key affirms or denies the labels below it."""
    if word in _AFFIRMING or word in _DENYING:
        return word in _AFFIRMING
    return None if len(word) == 1 else affirms(word)


def is_named(value: Mapping[str, Any], numbers: bool) -> bool:
    """Whether an object names a label, so that other keys can tell if it applies."""
    others = [item for name, item in value.items() if not applies_to_label(name) and not is_geometry(item)]
    numbered = numbers and number_key(value, object) is not None
    labelled = _first(value, _NAMES, str) is not None  # also by a number as a text: {"category": "1", "conf": 0.05}
    return numbered or labelled or any(isinstance(item, (str, list, dict)) and flag(item) is None for item in others)


def is_geometry(value: object) -> bool:
    """Numbers and nothing else, such as a box or an outline; an empty list is none."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(is_geometry(item) for item in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def are_ticks(value: object) -> bool:
    """Whether an object is one of checkboxes: {"cat": true}."""
    items = value.values() if isinstance(value, dict) else ()
    return bool(items) and all(isinstance(item, (bool, str)) and flag(item) is not None for item in items)


def tells_of_its_key(item: object) -> bool | None:
    """Whether a label applies that is the key of an object such as {"present": true}."""
    if not isinstance(item, dict) or len(item) != 1:
        return None
    name, value = next(iter(item.items()))
    return applies(name, value) if applies_to_label(name) else None


def texts_in(value: Any) -> Iterator[str]:
    """Words that are no flags, anywhere inside."""
    if isinstance(value, str):
        if re.search(r"[^\W\d_]", value) and flag(value) is None:
            yield value
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)
