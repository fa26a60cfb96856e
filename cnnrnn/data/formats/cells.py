"""The labels in the cells of a table: texts with a separator, lists, or objects."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.bullets import without_bullets
from cnnrnn.data.formats.denied_labels import without_denied
from cnnrnn.data.formats.label_numbers import refuse_numbers, refuse_strings_of_bits
from cnnrnn.data.formats.nested_labels import NestedLabels
from cnnrnn.data.formats.no_labels import is_nothing, may_be_nothing
from cnnrnn.data.formats.nothing_among_labels import Cell, without_nothing
from cnnrnn.data.formats.quotes import quoted_with, unhidden, without_quotes, word_in_quotes
from cnnrnn.data.formats.separator import Separator, find_separator
from cnnrnn.data.formats.torn_labels import point_out_torn
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError

_SHEET_ERRORS = {"#name?", "#ref!", "#value!", "#div/0!", "#num!", "#null!"}
_NUMPY = re.compile(
    r"\b(?:np\.)?(?:array|str_|Index|tensor|u?int\d+|float\d+)\(([^()]*?)(?:,\s*(?:dtype|device)=[^()]*)?\)"
)
_KINDS = r"frozenset|set|list|tuple|dict_keys"
_COLLECTION = re.compile(rf"(?:{_KINDS})\((.*)\)", re.DOTALL)
_OTHER_KIND = re.compile(rf"(?!(?:{_KINDS}|(?:np\.)?array|Index|tensor)\()[A-Za-z_.]+\(\s*[\[{{<]")
_NUMBERS = re.compile(r"\[\s*(?:[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?(?:\s+|(?=\])))+\]")  # numpy prints them without commas
_ENTITY = re.compile(r"&(amp|quot|lt|gt|apos|nbsp|#x?[\da-f]+);", re.IGNORECASE)
_LINE_BREAK = re.compile(r"<br\s*/?>|</(?:p|li|div)>\s*<(?:p|li|div)>", re.IGNORECASE)
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")  # blanks without a width, which web pages have
_QUOTES = ('"', "“", "«")
_TORN_BY = {" ": " ", ",": ", "}  # separators, as they stand inside labels
_MAX_LITERAL = 100_000  # characters of a cell that is read as a list


class Cells:
    """The cells of the labels, each with its place in the file. Raises DataError for those that hold no labels."""

    def __init__(
        self,
        path: Path,
        cells: Sequence[tuple[str, Any]],
        findings: Findings,
        numbers: bool = False,
        any_score: bool = False,
        known_keys: bool = False,
    ) -> None:
        """`numbers` may stand for labels; otherwise those of JSON are refused. So are low scores of labels, unless
        labels with `any_score` are wanted. Of the `known_keys` of a tool nothing is told."""
        self.path, self.findings = path, findings
        self.given: str | None = None
        self.nested = NestedLabels(path, findings, numbers, any_score)
        self.cells = [(where, self._parse(where, value)) for where, value in cells]
        if valued := self.nested.numbered:
            self.nested = NestedLabels(path, findings, numbers, any_score, valued)
            self.cells = [(where, self._parse(where, value)) for where, value in cells]
        self.nested.tell(keys=not known_keys)

    def separator(self, given: str | None, one_label: bool = False) -> Separator:
        """The one given, or found: texts that could be read in two ways are refused. A table may have `one_label` in a
        cell by its layout."""
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
            sign = "\n" if _LINE_BREAK.fullmatch(given.strip()) else given
            return Separator(sign, f"separated by {given!r} as given")
        if not texts:
            return Separator(None, "as lists")
        written = [(self.cells[number][0], text) for number, text in zip(places, texts, strict=True)]
        try:
            found = find_separator(self.path, written, one_label)
        except DataError as error:
            raise DataError(unhidden(str(error))) from None
        if found.doubt:
            self.findings.warning(f"{self.path.name}: {unhidden(found.doubt)}")
        return found

    def labels(self, separator: Separator) -> list[tuple[str, ...]]:
        """The labels of every cell, as written."""
        texts = [(where, value) for where, value in self.cells if isinstance(value, str)]
        if self.given is None:
            refuse_strings_of_bits(self.path, texts)
        split = iter(without_bullets([separator.split(value) for _, value in texts], in_lines=separator.sign == "\n"))
        cells = [
            Cell(where, next(split) if isinstance(value, str) else value, isinstance(value, list))
            for where, value in self.cells
        ]
        parts = without_nothing(self.path, cells, self.findings)
        result = [
            tuple(_bare(unhidden(part)) if isinstance(value, str) else unhidden(part) for part in found)
            for (_, value), found in zip(self.cells, parts, strict=True)
        ]
        if self.given is None and separator.sign in _TORN_BY and any(_TORN_BY[separator.sign] in t for _, t in texts):
            point_out_torn(self.path, result, _TORN_BY[separator.sign], self.findings)
        rows = [(where, found) for (where, _), found in zip(self.cells, result, strict=True)]
        first: dict[str, str] = {}  # where each label stands first
        for where, found in rows:
            for label in found:
                first.setdefault(label, where)
        given = self.given is not None
        self._warn_of_words_for_nothing(rows, [label for label in first if may_be_nothing(label)])
        if open_quotes := [label for label in first if label[:1] in _QUOTES and label.count(label[0]) == 1]:
            self.findings.warning(
                f"labels such as {open_quotes[0]!r} of {self.path.name} begin with a quote that isn't closed",
                [first[label] for label in open_quotes],
            )
        refuse_numbers(self.path, rows, first, given, self.findings)
        return list(without_denied(self.path, result, first, separator.sign or ";", given, self.findings))

    def _warn_of_words_for_nothing(self, rows: Sequence[tuple[str, Sequence[str]]], words: Sequence[str]) -> None:
        for word in words:
            places = [where for where, found in rows if word in found]
            self.findings.warning(
                f"{word!r} was read as a label of {len(places)} cells of {self.path.name}; if it stands for no label, "
                "leave these cells empty",
                places,
            )

    def _parse(self, where: str, value: Any) -> str | list[str]:
        """A text that a separator splits, or a list of labels."""
        if value is None or value != value or value in ("", "{}"):
            return []
        if isinstance(value, str) and is_nothing(value):
            return [value]  # other cells tell whether it is a label all the same
        if isinstance(value, str):
            text = _encoded_once(_LINE_BREAK.sub("\n", _INVISIBLE.sub("", value)).strip())
            if text.casefold() in _SHEET_ERRORS:
                raise DataError(f"{self.path}, {where}: {text} is an error of the spreadsheet; correct its formula")
            if "&" in text and _ENTITY.search(text):
                self.findings.warning(
                    f"{self.path.name} has signs of HTML such as &amp; in labels; they were read as &"
                )
                text = html.unescape(text)
            if may_be_nothing(text):
                return text
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
            return [word_in_quotes(_INVISIBLE.sub("", part)) for part in self.nested.names(where, value)]
        except RecursionError:
            raise DataError(f"{self.path}, {where}: the labels are nested too deeply; write a list") from None

    def _refuse_damaged(self, where: str, text: str) -> None:
        """Lists that are cut off, whose quotes have a backslash before them, and what Python prints of other kinds."""
        begins = re.match(r"[\[{]\s*['\"]", text)
        if text[0] in "[{" and '\\"' in text and not text.endswith(("]", "}")):
            what = "has quotes with a backslash before them; in a cell, write them twice"
        elif begins and text[-1] not in "]}":
            what = "is a list without its end; write ['cat', 'dog']"
        elif _OTHER_KIND.match(text):
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


def _encoded_once(text: str) -> str:
    """The list or object in a text that was encoded as a text of JSON, such as "[\\"cat\\"]" or "['cat', 'dog']"."""
    if re.fullmatch(r'"\s*(\[.*\]|\{.*\})\s*"', text, re.DOTALL):
        with suppress(ValueError):  # such as "[cat]", "[dog]"
            return str(json.loads(text)).strip()
    return text


def _bare(text: str) -> str:
    """The label without quotes or brackets around it; those of a whole cell are read as CSV's, and as a list."""
    text = text.strip()
    if re.fullmatch(r"\[[^\[\]]+\]|\([^()]+\)|\{[^{}]+\}", text) and not may_be_nothing(text):
        return text[1:-1].strip()
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" else text
