"""XML files, also those whose encoding is not the one they declare."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from cnnrnn.data.formats.text import decoded, unreadable
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError


def parse(path: Path, findings: Findings | None = None) -> ElementTree.Element:
    """The root of the document, whose tags have no namespaces. Raises DataError for what can't be read or is no XML."""
    root = _root(path, findings)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # {http://…}object
    return root


def _root(path: Path, findings: Findings | None) -> ElementTree.Element:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is not there; unpack the annotations again") from None
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return ElementTree.fromstring(content.strip())  # no blank line may stand before the declaration
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        first = error
    text = _as_declared(content) or decoded(path, content, Findings() if findings is None else findings)
    try:  # programs of Windows write another encoding than the one they declare
        return ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except (ElementTree.ParseError, ValueError):
        raise DataError(f"{path} is damaged ({first}); correct it there, or export it again") from None


def _as_declared(content: bytes) -> str | None:
    """The text in the declared encoding, if that is one of those that Python's XML lacks, such as gbk and shift_jis."""
    declared = re.match(rb"\s*<\?xml[^>]*encoding=[\"']([\w.-]+)", content)
    with suppress(LookupError, UnicodeDecodeError):
        if declared and (name := codecs.lookup(declared[1].decode()).name) not in ("utf-8", "ascii"):
            return content.decode(name)
    return None
