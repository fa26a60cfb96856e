"""The text of an annotation file, whatever program saved it."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any

import yaml

from cnnrnn.data.reading import Findings
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


def read_text(path: Path, findings: Findings) -> str:
    """The text, decoded from UTF-8, UTF-16 or, with a warning, Windows' cp1252. Raises DataError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    for start, what in _NO_TEXT.items():
        if content.startswith(start):
            raise DataError(f"{path} is {what}")
    content = content.rstrip(b"\x1a")  # which ended files of DOS
    for mark, encoding in _UNICODE.items():
        if content.startswith(mark):
            return _decode(path, content, encoding)
    if b"\0" in content:
        return _decode(path, content, _utf16_without_mark(path, content))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if re.search(_CONTROL, content):
            raise DataError(f"{path} is no text; give a CSV, TSV, JSON or JSONL file") from None
        text = _decode(path, content, "cp1252")
        line = content[: error.start].count(b"\n") + 1
        shown = text.splitlines()[line - 1].strip()
        findings.warning(
            f"{path.name} is not UTF-8; it was read as cp1252, of Windows. Line {line}: {shown[:80]} (if that is "
            "garbled, save the file as UTF-8)"
        )
        return text


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


def _decode(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise DataError(f"{path} is no text that can be read; save it as UTF-8") from None


def _utf16_without_mark(path: Path, content: bytes) -> str:
    """Mostly Latin text in UTF-16 has a zero in every second byte."""
    for first, encoding in ((0, "utf-16-be"), (1, "utf-16-le")):
        if content[first::2].count(0) > 0.4 * len(content) and content[1 - first :: 2].count(0) == 0:
            return encoding
    if not re.search(_CONTROL, content.replace(b"\0", b"")):
        line = content[: content.index(0)].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: a NUL byte, which is no text; remove it, or export the file again")
    raise DataError(f"{path} is no text; give a CSV, TSV, JSON or JSONL file")
