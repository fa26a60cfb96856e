"""JSON as programs save it by mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from source_helpers import read_table

from cnnrnn.data import DataError


def test_a_document_that_was_encoded_twice(tmp_path: Path) -> None:
    text = json.dumps(json.dumps([{"image": "1.jpg", "labels": ["cat"]}]))
    with pytest.raises(
        DataError, match=r"t\.json holds one text; if that is JSON itself, it was encoded twice: write it"
    ):
        read_table(tmp_path, ("1.jpg",), text, "t.json")
