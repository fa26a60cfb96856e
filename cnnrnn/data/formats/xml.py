"""XML files, also those whose encoding is not the one they declare."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError


def parse(path: Path, findings: Findings | None = None) -> ElementTree.Element:
    """The root of the document. Raises DataError for what is missing or no XML."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is not there; unpack the annotations again") from None
    try:
        return ElementTree.fromstring(content.strip())  # no blank line may stand before the declaration
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        first = error
    try:  # programs of Windows write Latin-1 below a declaration of UTF-8
        text = re.sub(r"^\s*<\?xml[^>]*\?>", "", content.decode("cp1252").removeprefix("ï»¿"))
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        raise DataError(f"{path} is damaged ({first}); correct it there, or export it again") from None
    if findings is not None:
        findings.warning(f"{path.name} is not in the encoding that it declares; it was read as cp1252")
    return root
