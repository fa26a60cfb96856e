"""The text of an annotation file, whatever program saved it."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import yaml

from cnnrnn.data.formats.encodings import WESTERN, readings, readings_of_letters
from cnnrnn.data.reading import Findings, listed
from cnnrnn.data.split import DataError

_UNICODE = {  # UTF-32 begins as UTF-16 does
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
TABLES = (".csv", ".tsv", ".tab")  # suffixes
_CONTROL = rb"[\x00-\x08\x0e-\x1f]"  # no table has these
_NO_TEXT = {
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the table as CSV and give that",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"SQLite": "an SQLite database; export the table as CSV and give that",
    b"\x89HDF": "an HDF5 file; write its table as CSV and give that",
    b"\x93NUMPY": "an array of numpy; write a table with the names of the images as CSV and give that",
    b"<!DOCTYPE html": "a web page; download the table itself, as CSV",
    b"<!doctype html": "a web page; download the table itself, as CSV",
    b"<html": "a web page; download the table itself, as CSV",
    b"%PDF": "a PDF document; save the table as CSV and give that",
    b"\xff\xd8\xff": "a JPEG image; give the table that names it, or predict its labels with cnnrnn predict",
    b"\x89PNG": "a PNG image; give the table that names it, or predict its labels with cnnrnn predict",
}


def unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} can't be read: {error.strerror or error}")


# What --encoding says holds for every text of a data set, though most readers of files know nothing of options.
_given: ContextVar[str | None] = ContextVar("encoding", default=None)


@contextmanager
def texts_in(encoding: str | None) -> Iterator[None]:
    """Texts that aren't Unicode are in this encoding. Raises DataError for a name that Python doesn't know."""
    try:
        "".encode(encoding or "utf-8")  # unlike codecs.lookup, not with those of bytes, such as base64
    except LookupError:
        raise DataError(
            f"the encoding {encoding!r} is not known; give a name that Python has, such as cp1250, cp1251 or shift_jis"
        ) from None
    token = _given.set(encoding and codecs.lookup(encoding).name)  # one for all spellings
    try:
        yield
    finally:
        _given.reset(token)


def read_text(path: Path, findings: Findings) -> str:
    """The text of a file. Raises DataError for what can't be read, and as `decoded` does."""
    try:
        return decoded(path, path.read_bytes(), findings)
    except OSError as error:
        raise unreadable(path, error) from None


def decoded(path: Path, content: bytes, findings: Findings) -> str:
    """The text, decoded from UTF-8, UTF-16, what --encoding says or, with a warning, cp1252. Raises DataError."""
    for start, what in _NO_TEXT.items():
        if content.startswith(start):
            raise DataError(f"{path} is {what}")
    content = content.rstrip(b"\x1a")  # which ended files of DOS
    for mark, encoding in _UNICODE.items():
        if content.startswith(mark):
            return _decode(path, content, encoding)
    given = _given.get()
    if b"\0" in content and not (given or "").startswith(("utf-16", "utf-32")):
        return _decode(path, content, _utf16_without_mark(path, content))
    if given is not None:
        return _decode_as_given(path, content, given, findings)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if re.search(_CONTROL, content):
            raise DataError(f"{path} is no text; give a CSV, TSV, JSON or JSONL file") from None
        return _decode_western(path, content, _line(content, error.start), findings)


def _decode_as_given(path: Path, content: bytes, encoding: str, findings: Findings) -> str:
    """Some files of a data set may be UTF-8 all the same; a text in another encoding hardly ever looks so."""
    if not content.isascii() and encoding != "utf-8":
        with suppress(UnicodeDecodeError):
            text = content.decode("utf-8")
            findings.warning(f"{path.name} is UTF-8 and was read so, not in the encoding that was given, {encoding}")
            return text
    return _decode(path, content, encoding, "give another --encoding, or save the file as UTF-8")


def _decode_western(path: Path, content: bytes, line: int, findings: Findings) -> str:
    """Raises DataError for a text that may be in another encoding than cp1252, with other letters."""
    found = readings(content)
    if not found or WESTERN in found:
        _refuse_mixed(path, content, line)
    if list(found) == [WESTERN]:
        findings.warning(
            f"{path.name} is not UTF-8; it was read as cp1252, of Windows, with such words as "
            f"{listed(found[WESTERN])} (if these are garbled, give --encoding, or save the file as UTF-8)"
        )
        return content.decode(WESTERN)
    shown = found or readings_of_letters(content)
    read = "; ".join(f"with --encoding {name}: {listed(words)}" for name, words in shown.items())
    raise DataError(
        f"{path}, line {line}, is not UTF-8. Give --encoding, or save the file as UTF-8. Its words are, "
        f"{read or 'in all encodings that were tried, none'}"
    )


def _refuse_mixed(path: Path, content: bytes, line: int) -> None:
    """Raises DataError for a text, a `line` of which is no UTF-8, though others are: two programs wrote it."""
    for number, other in enumerate(content.split(b"\n"), start=1):
        with suppress(UnicodeDecodeError):
            if not other.isascii() and other.decode("utf-8"):
                raise DataError(
                    f"{path}, line {number}, is UTF-8, but line {line} is not; correct one of them, and save the file "
                    "as UTF-8, or give --encoding if all of it is in one"
                )


def _line(content: bytes, place: int) -> int:
    return content[:place].count(b"\n") + 1


def parse_json(path: Path, text: str) -> Any:
    """Raises DataError for a key that an object has twice, of which JSON's own reader keeps the last value; and
    ValueError for what is no JSON."""

    def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            for key, value in pairs:
                if value != result[key]:
                    raise DataError(
                        f"{path}: the key {key!r} stands twice in an object, with {value!r:.40} and with "
                        f"{result[key]!r:.40}; write it once, such as with a list"
                    )
        return result

    return json.loads(text, object_pairs_hook=checked)


def are_objects(value: Any) -> bool:
    """Whether what JSON holds is a list of objects, perhaps an empty one."""
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def parse_yaml(text: str) -> Any:
    """Lists, objects and texts: a label may be called no, which YAML takes for false. Raises yaml.YAMLError."""
    return _WithoutAliases(text).get_single_data()


class _WithoutAliases(yaml.BaseLoader):
    """A few lines of aliases of aliases can stand for billions of texts."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases, such as *name, are not read")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """YAML's own reader keeps the last value of a key that stands twice."""
        pairs = self.construct_pairs(node, deep=True)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if twice := [key for key, value in pairs if value != mapping[key]]:
            raise yaml.YAMLError(f"the key {twice[0]!r} stands twice; write it once")
        return mapping


def _decode(path: Path, content: bytes, encoding: str, advice: str = "save the file as UTF-8") -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line(content, error.start)
        raise DataError(f"{path}, line {line}, is no text in {encoding} that can be read; {advice}") from None


def _utf16_without_mark(path: Path, content: bytes) -> str:
    """Mostly Latin text in UTF-16 has a zero in every second byte."""
    for first, encoding in ((0, "utf-16-be"), (1, "utf-16-le")):
        if content[first::2].count(0) > 0.4 * len(content) and content[1 - first :: 2].count(0) == 0:
            return encoding
    if not re.search(_CONTROL, content.replace(b"\0", b"")):
        line = _line(content, content.index(0))
        raise DataError(f"{path}, line {line}: a NUL byte, which is no text; remove it, or export the file again")
    raise DataError(f"{path} is no text; give a CSV, TSV, JSON or JSONL file")
