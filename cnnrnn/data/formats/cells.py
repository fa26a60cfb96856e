"""The labels in the cells of a table: texts with a separator, lists, or objects."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.denied_labels import without_denied
from cnnrnn.data.formats.label_flags import applies, applies_to_label, flag, is_low_score
from cnnrnn.data.formats.no_labels import is_nothing, may_be_nothing
from cnnrnn.data.formats.quotes import quoted_with, shown, without_quotes
from cnnrnn.data.formats.separator import Separator, find_separator
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError

_SHEET_ERRORS = {"#name?", "#ref!", "#value!", "#div/0!", "#num!", "#null!"}
_NUMPY = re.compile(
    r"\b(?:np\.)?(?:array|str_|Index|tensor|u?int\d+|float\d+)\(([^()]*?)(?:,\s*(?:dtype|device)=[^()]*)?\)"
)
_COLLECTION = re.compile(r"(?:frozenset|set|list|tuple|dict_keys)\((.*)\)", re.DOTALL)
_NUMBERS = re.compile(r"\[\s*(?:[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?(?:\s+|(?=\])))+\]")  # numpy prints them without commas
_SCORE = r".+([:=(]\s*(\d*\.\d+|[01]|\d+\s*%)\)?|\s(\d*\.\d+|\d+(\.\d+)?\s*%))"  # cat:0.93, dog=0, cow 12%
_COUNT = r".+[:=]\s*\d+"  # cat:3
_ENTITY = re.compile(r"&(amp|quot|lt|gt|apos|nbsp|#x?[\da-f]+);", re.IGNORECASE)
_MAX_LITERAL = 100_000  # characters of a cell that is read as a list
# Attributes that a new project of the VGG Image Annotator has.
_VIA_DEFAULTS = {"caption", "public_domain", "image_url"}
_NAMES = ("label", "name", "class", "category", "labels", "choices", "classifications", "detections", "categories")
# The number that stands for the label of an object, and what else such an object holds.
_NUMBER_KEYS = ("category_id", "label_id", "class_id", "category", "label", "class")


class Cells:
    """The cells of the labels, each with its place in the file. Raises DataError for those that hold no labels."""

    def __init__(
        self,
        path: Path,
        cells: Sequence[tuple[str, Any]],
        findings: Findings,
        numbers: bool = False,
        any_score: bool = False,
    ) -> None:
        """`numbers` may stand for labels; otherwise those of JSON are refused. So are low scores of labels, unless
        labels with `any_score` are wanted."""
        self.path, self.findings, self.numbers = path, findings, numbers
        self.any_score = any_score
        self.given: str | None = None
        self.denied: list[str] = []  # places of labels that a value beside them denies
        self.empty_parts: list[str] = []  # and of words for nothing inside of lists
        self.cells = [(where, self._parse(where, value)) for where, value in cells]
        empty = [
            where for where, value in cells if isinstance(value, str) and value not in ("", "{}") and is_nothing(value)
        ]
        if self.denied:
            findings.warning(
                f"{len(self.denied)} labels of {path.name} were left out, as a value beside them denies them",
                self.denied,
            )
        if empty:
            findings.warning(f"{len(empty)} cells such as nan, None, [] or - were taken for no labels", empty)

    def separator(self, given: str | None) -> Separator:
        """The one given, or found: texts that could be read in two ways are refused."""
        self.given = given
        places = [number for number, (_, value) in enumerate(self.cells) if isinstance(value, str)]
        texts = without_quotes([str(self.cells[number][1]) for number in places], given)
        for number, text in zip(places, texts, strict=True):
            self.cells[number] = (self.cells[number][0], text)
        if given is not None:
            if quoted := quoted_with(given, texts):
                raise DataError(
                    f"{self.path}: {quoted!r} has the separator {given!r} inside of quotes; leave --separator out to "
                    "read it as one label, or remove the quotes"
                )
            return Separator(given, f"separated by {given!r} as given")
        if not texts:
            return Separator(None, "as lists")
        try:
            return find_separator(self.path, [(self.cells[n][0], text) for n, text in zip(places, texts, strict=True)])
        except DataError as error:
            raise DataError(shown(str(error))) from None

    def labels(self, separator: Separator) -> list[tuple[str, ...]]:
        """Of every cell, as written."""
        result = []
        for where, value in self.cells:
            parts = [_unquoted(shown(part)) for part in separator.split(value)] if isinstance(value, str) else value
            result.append(tuple(part for part in parts if not is_nothing(part)))
            if any(part.strip() and is_nothing(part) for part in parts):
                self.empty_parts.append(where)
        if self.empty_parts:
            self.findings.warning(
                f"{len(self.empty_parts)} cells have none, NA, - or the like among their labels; it was left out",
                self.empty_parts,
            )
        self._refuse_zeros_and_ones(result)
        self._warn_of_words_for_nothing(result)
        names = [label for found in result for label in found]
        if names and not self.given and all(re.fullmatch(_COUNT, label.strip()) for label in names):
            raise DataError(
                f"{self.path}, {self.cells[0][0]}: {names[0]!r} has a number behind it, as counts and predictions do; "
                "write the names of labels only, or give --separator if it belongs to the name"
            )
        if names and all(re.fullmatch(_SCORE, label.strip()) for label in names):
            raise DataError(
                f"{self.path}, {self.cells[0][0]}: {names[0]!r} has a number behind it, as predictions do; write the "
                "names of labels only"
            )
        places = [where for where, _ in self.cells]
        sign = separator.sign or ";"
        return list(without_denied(self.path, places, result, sign, self.given is not None, self.findings))

    def _warn_of_words_for_nothing(self, labels: Sequence[Sequence[str]]) -> None:
        places: dict[str, list[str]] = {}
        for (where, _), parts in zip(self.cells, labels, strict=True):
            for part in filter(may_be_nothing, parts):
                places.setdefault(part.strip(), []).append(where)
        for word, found in places.items():
            self.findings.warning(
                f"{word!r} was read as a label of {len(found)} cells of {self.path.name}; if it stands for no label, "
                "leave these cells empty",
                found,
            )

    def _refuse_zeros_and_ones(self, labels: Sequence[Sequence[str]]) -> None:
        """Where every row has as many entries, and all are 0 or 1, each entry is about another label."""
        rows = [(where, parts) for (where, _), parts in zip(self.cells, labels, strict=True) if parts]
        if not rows or len(rows[0][1]) < 2 or len({len(parts) for _, parts in rows}) > 1:
            return
        if not all(re.fullmatch(r"[01](\.0*)?", part.strip()) for _, parts in rows for part in parts):
            return
        repeated = any(len({*parts}) < len(parts) for _, parts in rows)
        if not repeated and (self.given or len(rows) == 1):  # the numbers of two labels
            return
        where, parts = rows[0]
        raise DataError(
            f"{self.path}, {where}: {' '.join(parts)[:40]!r} seems to be 0 or 1 for each label, as in all rows; "
            "write a column for each label, or the names of the labels"
        )

    def _parse(self, where: str, value: Any) -> str | list[str]:
        """A text that a separator splits, or a list of labels."""
        if value is None or value != value or (isinstance(value, str) and is_nothing(value)):
            return []
        if isinstance(value, str):
            text = value.strip()
            if text.casefold() in _SHEET_ERRORS:
                raise DataError(f"{self.path}, {where}: {text} is an error of the spreadsheet; correct its formula")
            if len(text) > 2 and text[0] in "“”„" and text[-1] in "“”":
                text = text[1:-1].strip()
            if "&" in text and _ENTITY.search(text):
                self.findings.warning(
                    f"{self.path.name} has signs of HTML such as &amp; in labels; they were read as &"
                )
                text = html.unescape(text)
            if text[0] == "<" and re.fullmatch(r"(<[^<>]+>)+", text):
                return re.findall(r"<([^<>]+)>", text)
            self._refuse_damaged(where, text)
            if found := _COLLECTION.fullmatch(text):  # set(), frozenset({'cat'})
                text = found[1].strip() or "[]"
            if (text[0] not in "[{(" and not _NUMPY.match(text)) or text[-1] not in "]})":
                return text
            value = self._literal(where, text)
            if isinstance(value, str):
                return value
        try:
            return self._names(where, value)
        except RecursionError:
            raise DataError(f"{self.path}, {where}: the labels are nested too deeply; write a list") from None

    def _refuse_damaged(self, where: str, text: str) -> None:
        """Lists that are cut off, whose quotes have a backslash before them, and what Python prints of other kinds."""
        begins = re.match(r"[\[{]\s*['\"]", text)
        if text[0] in "[{" and '\\"' in text and not text.endswith(("]", "}")):
            what = "has quotes with a backslash before them; in a cell, write them twice"
        elif begins and text[-1] not in "]}":
            what = "is a list without its end; write ['cat', 'dog']"
        elif re.match(
            r"(?!(?:frozenset|set|list|tuple|dict_keys|(?:np\.)?array|Index|tensor)\()[A-Za-z_.]+\(\s*[\[{<]", text
        ):
            what = "is no list of labels; write ['cat', 'dog']"
        else:
            return
        raise DataError(f"{self.path}, {where}: {text[:60]} {what}")

    def _literal(self, where: str, text: str) -> Any:
        """A JSON or Python list that stands in a cell; the text itself if it is none, such as "(unknown)"."""
        if len(text) > _MAX_LITERAL:
            raise DataError(f"{self.path}, {where}: {len(text)} characters of labels in a cell")
        while (bare := _NUMPY.sub(r"\1", text)) != text:  # np.str_('cat'), array(['cat'], dtype=object)
            text = bare
        for read in (json.loads, ast.literal_eval):
            try:
                if read is ast.literal_eval:  # numpy prints arrays without commas, which Python would join
                    text = re.sub(r"(['\"])\s+(?=['\"])", r"\1, ", text)
                return read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
        if _NUMBERS.fullmatch(text):
            return [int(number) if number.is_integer() else number for number in map(float, text[1:-1].split())]
        if re.fullmatch(r"\[[\s\d.]*\.\.\.[\s\d.]*\]", text):
            raise DataError(f"{self.path}, {where}: {text[:60]} is cut off by numpy; write all of it")
        if re.fullmatch(r"[\[{(][^\[\]{}()'\"]*[\]})]", text):  # [cat, dog], {cat,dog} or (cat, dog)
            return [part.strip() for part in text[1:-1].split(",")]
        if text[0] in "[{" and re.search("['\"]", text):
            raise DataError(f"{self.path}, {where}: {text[:60]} is no list that can be read; write ['cat', 'dog']")
        return text

    def _names(self, where: str, value: Any) -> list[str]:
        if isinstance(value, str):
            if is_nothing(value) and value.strip():
                self.empty_parts.append(where)
            return [] if is_nothing(value) else [value]
        if self.numbers and isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1:
            return [str(int(value))]
        if isinstance(value, (list, tuple, set)):
            if len(value) > 2 and all(item in (0, 1) for item in value):
                raise DataError(
                    f"{self.path}, {where}: {str(value)[:40]} are 0 and 1; write the names of the labels, or a column "
                    "for each"
                )
            return [name for item in value for name in self._names(where, item)]
        if isinstance(value, dict):
            return self._of_object(where, value)
        if value is None or value != value:  # NaN, which pandas writes for nothing
            return []
        raise DataError(
            f"{self.path}, {where}: {value!r} is no label; write labels by their names, as texts. If numbers are the "
            'names, put them in double quotes: "7". If they stand for names, give --label-names FILE'
        )

    def _of_object(self, where: str, value: dict[Any, Any]) -> list[str]:
        """{"cat": true, "dog": 0}, {"choices": ["cat"]}, {"label": "cat"}, or attributes that hold such objects."""
        named = self._is_named(value)
        if named and self._is_denied(where, value):
            self.denied.append(where)
            return []
        if self.numbers and (
            numbers := [value[name] for name in _NUMBER_KEYS if isinstance(value.get(name), (int, list))]
        ):
            return self._names(where, numbers[0])
        if name := next((name for name in _NAMES if isinstance(value.get(name), (str, list, dict))), None):
            inner = value[name]
            return [inner] if isinstance(inner, str) and inner.strip() else self._names(where, inner)
        filled = {
            str(name): item
            for name, item in value.items()
            if name not in _VIA_DEFAULTS and not (named and applies_to_label(name) and applies(name, item) is not None)
        }
        numbered = any(re.fullmatch(r"(.*_)?id", key.casefold()) for key in filled)
        flags = [None if isinstance(item, (dict, list)) else flag(item) for item in filled.values()]
        if filled and not numbered and None not in flags:
            return [key for key, item in filled.items() if flag(item)]
        texts = [key for key, item in filled.items() if isinstance(item, str) and item.strip()]
        if len(texts) > 1:
            raise DataError(f"{self.path}, {where}: labels can be in the attribute {' or '.join(map(repr, texts))}")
        inner = [item for item in filled.values() if isinstance(item, (str, list, dict)) and not _geometry(item)]
        if not inner and any(item is not None for item in filled.values()):
            raise DataError(
                f"{self.path}, {where}: {str(value)[:60]} names no labels; write them as texts, or 0 or 1 for each"
                + (", or give --label-names FILE" if numbered and not self.numbers else "")
            )
        return [name for item in inner for name in self._names(where, item)]

    def _is_named(self, value: dict[Any, Any]) -> bool:
        """Whether an object names a label, so that other keys can tell if it applies."""
        others = [item for name, item in value.items() if not applies_to_label(name) and not _geometry(item)]
        numbered = self.numbers and any(name in value for name in _NUMBER_KEYS)
        return numbered or any(isinstance(item, (str, list, dict)) and flag(item) is None for item in others)

    def _is_denied(self, where: str, value: dict[Any, Any]) -> bool:
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


def _geometry(value: object) -> bool:
    """Numbers and nothing else, such as a box or an outline; an empty list is none."""
    if isinstance(value, list):
        return bool(value) and all(_geometry(item) for item in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unquoted(text: str) -> str:
    """Without the quotes around a label; those of a whole cell are read as CSV's."""
    text = text.strip()
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" else text
