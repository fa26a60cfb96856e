"""Fonts for labels in any script."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from views import decode_report, fonts


def test_latin_text_is_drawn_by_pillows_own_font() -> None:
    font, missing = fonts.font_for("1 · dining table", 18)
    assert missing == ""
    assert font is fonts._fonts(18)[0]


def test_what_one_font_lacks_another_has() -> None:
    text = "Ж — ω"
    if not any(name for name in ("DejaVuSans.ttf", "NotoSans-Regular.ttf") if _there(name)):
        pytest.skip("neither DejaVu Sans nor Noto Sans is installed")
    font, missing = fonts.font_for(text, 18)
    assert missing == ""
    assert font is not fonts._fonts(18)[0]


def _there(name: str) -> bool:
    try:
        ImageFont.truetype(name, 18)
    except OSError:
        return False
    return True


def test_missing_characters_are_named_and_not_drawn_as_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    only = (ImageFont.load_default(size=18),)
    monkeypatch.setattr(fonts, "_fonts", lambda size: only)
    assert fonts.font_for("cat 狗猫", 18)[1] == "狗猫"
    assert decode_report.missing_characters(["1 · cat", "2 · 狗"]) == "狗"
    image = Image.new("RGB", (360, 100), "red")
    with_marks = np.asarray(decode_report.map_strip([image], ["2 · ??"]))
    assert (np.asarray(decode_report.map_strip([image], ["2 · 狗猫"])) == with_marks).all()
