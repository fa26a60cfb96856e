"""The labels in the cells of a table: texts with a separator, lists, or objects."""

from __future__ import annotations

import ast
import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError

_SIGNS = {";": "semicolons", "|": "vertical bars", ",": "commas", "\n": "line breaks"}
_SIGNS |= {sign: f"the sign {sign}" for sign in "；、，،"}
# What separates the labels of some people, but stands inside those of others: it is asked for.
_UNSURE = ("/", "+", "&", " - ", ":", ".", " and ", "_", "-")
_INSIDE_WORDS = ("_", "-", " ")  # which join the words of a label more often than they separate labels
_NOTHING = {"", "nan", "none", "null", "na", "n/a", "#n/a", "[]", "{}", "-", "--", "<na>", "()"}
_SHEET_ERRORS = {"#name?", "#ref!", "#value!", "#div/0!", "#num!", "#null!"}
_NUMPY = re.compile(r"\b(?:np\.)?(?:array|str_|Index)\(([^()]*?)(?:,\s*dtype=[^()]*)?\)")
_SCORE = r".+[:=(]\s*(\d*\.\d+|[01])\)?"  # cat:0.93, or dog=0
_ENTITY = re.compile(r"&(amp|quot|lt|gt|apos|nbsp|#x?[\da-f]+);", re.IGNORECASE)
_MAX_LITERAL = 100_000  # characters of a cell that is read as a list
# Attributes that a new project of the VGG Image Annotator has.
_VIA_DEFAULTS = {"caption", "public_domain", "image_url"}
_NAMES = ("label", "name", "class", "category", "labels", "choices", "classifications", "detections", "categories")
_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", "", "-1", "-1.0", "none", "nan", "null"}


@dataclass(frozen=True)
class Separator:
    """Between the labels of a text; None where every text is one label."""

    sign: str | None
    description: str

    def split(self, text: str) -> list[str]:
        if self.sign is None:
            return [text]
        return text.split() if self.sign == " " else text.split(self.sign)


class Cells:
    """The cells of the labels, each with its place in the file. Raises DataError for those that hold no labels."""

    def __init__(self, path: Path, cells: Sequence[tuple[str, Any]], findings: Findings, numbers: bool = False) -> None:
        """`numbers` may stand for labels; otherwise those of JSON are refused."""
        self.path, self.findings, self.numbers = path, findings, numbers
        self.cells = [(where, self._parse(where, value)) for where, value in cells]
        empty = [
            where for where, value in cells if isinstance(value, str) and value not in ("", "{}") and _nothing(value)
        ]
        if empty:
            findings.warning(f"{len(empty)} cells such as nan, None, [] or - were taken for no labels", empty)

    def separator(self, given: str | None) -> Separator:
        """The one given, or found: texts that could be read in two ways are refused."""
        texts = Counter(value for _, value in self.cells if isinstance(value, str))
        if given is not None:
            return Separator(given, f"separated by {given!r} as given")
        if not texts:
            return Separator(None, "as lists")
        found = [sign for sign in _SIGNS if any(sign in text for text in texts)]
        if found:
            self._refuse_mixed(texts, found[0])
            return Separator(found[0], f"separated by {_SIGNS[found[0]]}")
        for sign in _UNSURE:
            self._refuse_unsure(texts, sign)
        return self._blank(texts)

    def _refuse_mixed(self, texts: Counter[str], first: str) -> None:
        """Of several signs, the first one of _SIGNS separates, unless another stands between labels, too.

        Signs that can stand inside a label are a mistake where they stand between two labels, and in one row only.
        """
        labels = Counter(part.strip() for text, count in texts.items() for part in [*text.split(first)] * count)
        for sign in (*_SIGNS, *_UNSURE, " "):
            known = any if sign in _SIGNS else all
            for label in sorted(labels):
                parts = [part.strip() for part in label.split(sign)]
                if len(parts) < 2 or not known(part in labels for part in parts):
                    continue
                if sign in _SIGNS or labels[label] == 1:
                    where = next(w for w, value in self.cells if isinstance(value, str) and label in value)
                    raise DataError(
                        f"{self.path}: labels are separated by {_SIGNS[first]} in some rows and by "
                        f"{_SIGNS.get(sign, repr(sign))} in others ({where}: {label!r}); use one sign, or give "
                        f"--separator {first!r} if that is one label"
                    )

    def _refuse_unsure(self, texts: Counter[str], sign: str) -> None:
        split = [[part.strip() for part in text.split(sign)] for text in texts]
        several = [parts for parts in split if len(parts) > 1 and all(parts)]
        alone = sum(any(part in texts for part in parts) for parts in several)
        if not several or alone < 0.5 * len(several) or (sign in _INSIDE_WORDS and _one_sided(several, texts)):
            return
        example = next(text for text in texts if sign in text)
        where = next(where for where, value in self.cells if value == example)
        raise DataError(
            f"{self.path}, {where}: is {example!r} one label or several? Give --separator {sign!r} if that separates "
            "labels, or --separator ';' if it doesn't"
        )

    def _blank(self, texts: Counter[str]) -> Separator:
        """Whether a blank separates labels or stands inside them.

        It separates if the words of most cells also stand alone or in many other combinations; it stands inside a
        label if the words never do. Everything between is refused, also where the words that stand alone are always
        the last or the first ones: bear, polar bear, brown bear.
        """
        several = [text.split() for text in texts if len(text.split()) > 1]
        if not several:
            return Separator(None, "one in a cell")
        words = {word for cell in several for word in cell}
        if all(word.isdigit() for word in words):
            return Separator(" ", "separated by blanks")
        alone = sum(any(word in texts for word in cell) for cell in several) / len(several)
        shared = Counter(word for cell in several for word in set(cell))
        repeated = sum(any(shared[word] > 1 for word in cell) for cell in several) / len(several)
        if (alone >= 0.5 and not _one_sided(several, texts)) or len(several) >= 1.5 * len(words):
            return Separator(" ", "separated by blanks")
        if alone == 0 and repeated <= 0.5:
            return Separator(None, "one in a cell, some of several words")
        example = " ".join(several[0])
        raise DataError(
            f"{self.path}: is {example!r} one label or several? Give --separator ' ' if blanks separate labels, "
            "or --separator ';' if they don't"
        )

    def labels(self, separator: Separator) -> list[tuple[str, ...]]:
        """Of every cell, as written."""
        result = []
        for _, value in self.cells:
            parts = [_unquoted(part) for part in separator.split(value)] if isinstance(value, str) else value
            result.append(tuple(part for part in parts if not _nothing(part)))
        names = [label for found in result for label in found]
        if names and all(re.fullmatch(_SCORE, label.strip()) for label in names):
            raise DataError(
                f"{self.path}, {self.cells[0][0]}: {names[0]!r} has a number behind it, as predictions do; write the "
                "names of labels only"
            )
        return result

    def _parse(self, where: str, value: Any) -> str | list[str]:
        """A text that a separator splits, or a list of labels."""
        if value is None or value != value or (isinstance(value, str) and _nothing(value)):
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
            if (text[0] not in "[{(" and not _NUMPY.match(text)) or text[-1] not in "]})":
                return text
            value = self._literal(where, text)
            if isinstance(value, str):
                return value
        try:
            return self._names(where, value)
        except RecursionError:
            raise DataError(f"{self.path}, {where}: the labels are nested too deeply; write a list") from None

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
        if re.fullmatch(r"[\[{(][^\[\]{}()'\"]*[\]})]", text):  # [cat, dog], {cat,dog} or (cat, dog)
            return [part.strip() for part in text[1:-1].split(",")]
        if text[0] in "[{" and re.search("['\"]", text):
            raise DataError(f"{self.path}, {where}: {text[:60]} is no list that can be read; write ['cat', 'dog']")
        return text

    def _names(self, where: str, value: Any) -> list[str]:
        if isinstance(value, str):
            return [] if _nothing(value) else [value]
        if self.numbers and isinstance(value, int) and not isinstance(value, bool):
            return [str(value)]
        if isinstance(value, (list, tuple, set)):
            if self.numbers and len(value) > 2 and all(item in (0, 1) for item in value):
                raise DataError(f"{self.path}, {where}: {str(value)[:40]} are 0 and 1; write the names of the labels")
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
        if name := next((name for name in _NAMES if isinstance(value.get(name), (str, list, dict))), None):
            inner = value[name]
            return [inner] if isinstance(inner, str) and inner.strip() else self._names(where, inner)
        filled = {str(key): item for key, item in value.items() if key not in _VIA_DEFAULTS}
        numbered = any(re.fullmatch(r"(.*_)?id", key.casefold()) for key in filled)
        flags = [None if isinstance(item, (dict, list)) else flag(item) for item in filled.values()]
        if filled and not numbered and None not in flags:
            return [key for key, item in filled.items() if flag(item)]
        texts = [key for key, item in filled.items() if isinstance(item, str) and item.strip()]
        if len(texts) > 1:
            raise DataError(f"{self.path}, {where}: labels can be in the attribute {' or '.join(map(repr, texts))}")
        inner = [item for item in filled.values() if isinstance(item, (str, list, dict))]
        if not inner and any(item is not None for item in filled.values()):
            raise DataError(
                f"{self.path}, {where}: {str(value)[:60]} names no labels; write them as texts, or 0 or 1 for each"
            )
        return [name for item in inner for name in self._names(where, item)]


def _one_sided(several: Sequence[Sequence[str]], texts: Counter[str]) -> bool:
    """Whether the words that also stand alone are always the last ones, or always the first ones."""
    sides = [(parts[0] in texts, parts[-1] in texts) for parts in several if any(part in texts for part in parts)]
    return not any(first for first, _ in sides) or not any(last for _, last in sides)


def _unquoted(text: str) -> str:
    """Without the quotes around a label; those of a whole cell are read as CSV's."""
    text = text.strip()
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" else text


def _nothing(text: str) -> bool:
    return text.strip().casefold() in _NOTHING


def flag(value: object) -> bool | None:
    """True and false in any spelling; None for what is neither."""
    word = str(value).strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else None
