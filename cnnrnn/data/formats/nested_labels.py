"""Labels in lists and objects: ["cat"], {"label": "cat"}, {"cat": true, "dog": 0}, {"choices": ["cat"]}."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.column_names import words_of
from cnnrnn.data.formats.denied_labels import verdict
from cnnrnn.data.formats.label_keys import (
    are_ticks,
    attributes_of,
    is_geometry,
    is_named,
    label_key,
    number_key,
    part_applies,
    tells_of_its_key,
    texts_in,
)
from cnnrnn.data.formats.no_labels import is_nothing
from cnnrnn.data.formats.numbers import is_fraction
from cnnrnn.data.formats.yes_no import applies, applies_to_label, flag, is_low_score
from cnnrnn.data.reading import Findings, listed_with_labels
from cnnrnn.data.split import DataError

_Found = dict[str, dict[str, None]]  # some labels by their key


class NestedLabels:
    """Reads lists and objects, and collects what people should know about them, to `tell` it at the end."""

    def __init__(
        self, path: Path, findings: Findings, numbers: bool, any_score: bool, valued: Set[str] = frozenset()
    ) -> None:
        """`valued` are keys whose 0 and 1 are values, as others of their values are: {"grade": "2"}."""
        self.valued = valued
        self.numbered: set[str] = set()  # keys that were found to have such values
        self.path, self.findings, self.numbers, self.any_score = path, findings, numbers, any_score
        self.denied: list[str] = []  # places of labels that a value beside them denies
        self._denied_lists: dict[str, list[str]] = defaultdict(list)  # places by key
        self._read: dict[str, _Found] = defaultdict(lambda: defaultdict(dict))  # by the key of the label, all keys
        self._joined: _Found = defaultdict(dict)
        self._outer: dict[str, None] = {}  # keys of objects inside of which labels were read under unknown keys
        self._inner: dict[str, None] = {}  # and those labels
        self._words: dict[str, list[str]] = defaultdict(list)  # places of words such as present, which were labels

    def names(self, where: str, value: Any) -> list[str]:
        """The labels, and words for nothing such as NA: other cells tell whether these are labels."""
        if isinstance(value, str):
            return [value] if value.strip() else []
        if self.numbers and isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1:
            return [str(int(value))]
        if isinstance(value, (list, tuple, set)):
            self._refuse_lists_of_numbers(where, value)
            return [name for item in value for name in self.names(where, item)]
        if isinstance(value, dict):
            return self._of_object(where, {str(name): item for name, item in value.items()})
        if value is None or value != value:  # NaN, which pandas writes for nothing
            return []
        raise DataError(
            f"{self.path}, {where}: {value!r} is no label; write labels by their names, as texts. If numbers are the "
            'names, put them in double quotes: "7". If they stand for names, give --label-names FILE'
        )

    def _refuse_lists_of_numbers(self, where: str, value: Iterable[Any]) -> None:
        """0 and 1 for each label, or ["cat", "0.98"] for each."""
        items = list(value)
        if len(items) > 2 and all(item in (0, 1) for item in items):
            raise DataError(
                f"{self.path}, {where}: {str(items)[:40]} are 0 and 1; write the names of the labels, or a column "
                "for each"
            )
        pairs = [item for item in items if isinstance(item, (list, tuple)) and len(item) == 2]
        if pairs and len(pairs) == len(items) and all(_is_rated(*pair) for pair in pairs):
            raise DataError(
                f"{self.path}, {where}: {pairs[0][0]!r} has {pairs[0][1]!r} behind it, as predictions and answers do; "
                "write the names of the labels that apply only"
            )

    def _of_object(self, where: str, value: dict[str, Any]) -> list[str]:
        """{"cat": true, "dog": 0}, {"choices": ["cat"]}, {"label": "cat"}, or attributes that hold such objects."""
        if denied := [name for name, item in value.items() if part_applies(name, item) is False]:
            for name in filter(value.get, denied):
                self._denied_lists[name].append(where)
            value = {name: item for name, item in value.items() if name not in denied}
            if not any(isinstance(item, (str, list, dict)) for item in value.values()):
                return []
        named = is_named(value, self.numbers)
        if named and self._is_denied(where, value):
            self.denied.append(where)
            return []
        if self.numbers and (numbers := number_key(value, (int, list))):
            return self.names(where, value[numbers])
        if (known := label_key(value)) is not None:
            return self._of_keys(where, value, [known])
        if affirmed := [name for name, item in value.items() if part_applies(name, item)]:
            return self._of_keys(where, value, affirmed)
        return self._of_unknown_keys(where, attributes_of(value, named))

    def _of_keys(self, where: str, value: dict[str, Any], names: list[str]) -> list[str]:
        labels = [label for name in names for label in self.names(where, value[name])]
        found = self._read[names[0]]
        _remember(found[names[0]], labels)
        integers = [item for item in value.values() if isinstance(item, int)]
        ticks = len(integers) > 1 and {*integers} <= {0, 1}
        for other, item in value.items():
            if other not in names and not (applies_to_label(other) and applies(other, item) is not None):
                _remember(found[other], _words(item, ticks))
        return labels

    def _of_unknown_keys(self, where: str, filled: dict[str, Any]) -> list[str]:
        """Flags by label; otherwise the only text, or all lists and objects. Raises DataError where it is unclear."""
        nested = {name: item for name, item in filled.items() if isinstance(item, (list, dict, tuple, set))}
        numbered = any("id" in words_of(name) for name in filled)
        self.numbered |= {name for name, item in filled.items() if isinstance(item, str) and _is_value(item)}
        flags = {
            name: None if name in self.valued else _flag(item, alone=len(filled) == 1) for name, item in filled.items()
        }
        if filled and not numbered and None not in flags.values():
            return [name for name, applied in flags.items() if applied]
        texts = [
            name for name, item in filled.items() if isinstance(item, str) and item.strip() and not is_fraction(item)
        ]
        worded = [name for name, item in nested.items() if next(texts_in(item), None)]
        if len(texts) > 1 or (texts and worded):
            raise DataError(
                f"{self.path}, {where}: labels can be in the attribute {' or '.join(map(repr, texts + worded))}; write "
                "a list of the labels, or an object with the key label"
            )
        true = [name for name, item in filled.items() if name not in nested and flag(item)]
        if texts and true and (len(filled) > 2 or filled[true[0]] is True):  # a single 1 is a count or a size
            for name in (*texts, *true):
                _remember(self._read[texts[0]][name], [str(filled[name])])
        if len(filled) == 1 and texts and not self.valued & {*texts} and applies("", filled[texts[0]]) is not None:
            self._words[filled[texts[0]]].append(where)
        read = [name for name, item in nested.items() if _may_hold_labels(item, bool(texts), bool(worded))]
        self._refuse_numbers(where, filled, bool(texts), read, numbered)
        return self._joined_labels(where, {name: filled[name] for name in filled if name in texts + read})

    def _refuse_numbers(self, where: str, filled: dict[str, Any], texts: bool, read: list[str], numbered: bool) -> None:
        """Objects that hold boxes, scores or the numbers of labels, but no names."""
        numbered = not self.numbers and (numbered or number_key(filled, (int, float)) is not None)
        boxes = [name for name in filled if isinstance(filled[name], list) and is_geometry(filled[name])]
        flags = any(isinstance(item, bool) for item in filled.values())
        empty = not any(filled[name] for name in read) and (boxes or flags or not read)
        blank = any(isinstance(item, str) and not item.strip() for item in filled.values())
        if texts or (blank and not boxes) or all(item is None for item in filled.values()):
            return
        if empty or (numbered and number_key(filled, (int, float))):
            raise DataError(
                f"{self.path}, {where}: {str(filled)[:60]} names no labels; write them as texts, or 0 or 1 for each"
                + (", or give --label-names FILE" if numbered else "")
            )

    def _joined_labels(self, where: str, parts: dict[str, Any]) -> list[str]:
        found = {name: self.names(where, item) for name, item in parts.items()}
        for name, item in parts.items():
            if len(parts) == 1 and isinstance(item, dict) and found[name] and label_key(item) is None:
                _remember(self._outer, [name])
                _remember(self._inner, found[name])
        numbered = all(name.isdigit() and isinstance(parts[name], dict) for name in found)
        if len(found) > 1 and not numbered:
            for name, labels in found.items():
                _remember(self._joined[name], labels)
        return [label for labels in found.values() for label in labels]

    def _is_denied(self, where: str, value: Mapping[str, Any]) -> bool:
        """Whether a label has a value such as "present": false beside it. Raises DataError for scores below a half."""
        for name, item in value.items():
            if not applies_to_label(name) or item is None or item == "" or item != item:
                continue
            if is_low_score(name, item):
                if self.any_score:
                    self.findings.warning(f"{self.path.name} has low values of {name!r} beside labels; all were read")
                    continue
                raise DataError(
                    f"{self.path}, {where}: a label has {item!r} as its {name!r}, as predictions do; leave out the "
                    "labels that don't apply, or give --label-column to read them all"
                )
            if applies(name, item) is False:
                return True
        return False

    def tell(self, keys: bool) -> None:
        """What was left out and, if `keys` are of interest, under which ones labels were read."""
        if self.denied:
            self.findings.warning(
                f"{len(self.denied)} labels of {self.path.name} were left out, as a value beside them denies them",
                self.denied,
            )
        for name, places in self._denied_lists.items():
            self.findings.warning(
                f"the labels under {name!r} of {self.path.name} were left out, as those that are absent or uncertain",
                places,
            )
        if keys:
            self._tell_keys()

    def _tell_keys(self) -> None:
        for word, places in self._words.items():
            self.findings.warning(
                f"{word!r} was read as a label of {self.path.name}; if its key is one, write true or false",
                places,
            )
        if self._joined:
            self.findings.warning(
                f"the labels under {len(self._joined)} keys of {self.path.name} were joined: {_shown(self._joined)}; "
                "write a list of those that are meant"
            )
        if len(self._outer) > len(self._inner):
            self.findings.warning(
                f"labels of {self.path.name} were read inside of {', '.join(map(repr, self._outer))}: "
                f"{', '.join(self._inner)}; if those keys are the labels, write a list of them"
            )
        for name, found in self._read.items():
            if others := {other: texts for other, texts in found.items() if other != name and texts}:
                doubtful = len(found[name]) == 1 and any(len(texts) > 1 for texts in others.values())
                doubtful |= any(_denies(text) for texts in others.values() for text in texts)
                self.findings.add(
                    "warning" if doubtful else "note",
                    f"labels of {self.path.name} were read under {_shown({name: found[name]})}, not under "
                    f"{_shown(others)}; if that is wrong, write a list of the labels",
                )


def _words(item: Any, ticks: bool) -> Iterable[str]:
    """What can be a label, or tell which key is one; several 0 and 1 can be `ticks`."""
    if isinstance(item, (bool, str)) or (ticks and isinstance(item, int) and item in (0, 1)):
        return [str(item)] if str(item).strip() else []
    return texts_in(item)


def _flag(item: object, alone: bool) -> bool | None:
    """Whether the label that a key names applies. A single word such as present may be a label."""
    if isinstance(item, (list, dict, tuple, set)):
        return tells_of_its_key(item)
    return flag(item) if alone else verdict(item)


def _is_value(text: str) -> bool:
    """Whether a text is a number, but neither 0 nor 1."""
    return text.strip().isdecimal() and flag(text) is None


def _denies(text: str) -> bool:
    """Whether a text beside a label is a word such as absent; no and false stand beside them for many reasons."""
    return flag(text) is None and applies("", text) is False


def _is_rated(name: object, rating: object) -> bool:
    if not isinstance(name, str) or not isinstance(rating, str) or next(texts_in(name), None) is None:
        return False
    return is_fraction(rating) or rating.strip().isdigit() or applies("", rating) is not None


def _may_hold_labels(item: object, beside_text: bool, beside_words: bool) -> bool:
    """Whether a list or an object is read, and is no box: beside texts and words, one of checkboxes is."""
    if beside_text or (beside_words and next(texts_in(item), None) is None):
        return are_ticks(item)
    return not is_geometry(item)


def _remember(found: dict[str, None], texts: Iterable[str]) -> None:
    """A few are enough to show."""
    for text in texts:
        if len(found) > 4:
            return
        if not is_nothing(text):
            found[text] = None


def _shown(found: Mapping[str, Iterable[str]]) -> str:
    return listed_with_labels(found, repr)
