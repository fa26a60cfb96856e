"""A font for text in images: labels may be in any script, and Pillow's own font has Latin letters only."""

from __future__ import annotations

from functools import cache, lru_cache

from PIL import ImageFont

# Looked up in the system's folders, the broadest first; nothing is downloaded.
_CANDIDATES = (
    "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "NotoSansArabic-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf", "Arial Unicode.ttf", "arialuni.ttf", "msyh.ttc", "YuGothR.ttc", "PingFang.ttc",
    "Hiragino Sans GB.ttc", "arial.ttf", "LiberationSans-Regular.ttf",
)  # fmt: skip
_NO_CHARACTER = "\U0010fffd"  # private use: drawn as the font's box for what it doesn't have

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font_for(text: str, size: int) -> tuple[Font, str]:
    """The first font that has every character of a text, or the one with most, and the characters it doesn't have."""
    return _font_for("".join(sorted(set(text))), size)


@lru_cache(maxsize=256)
def _font_for(characters: str, size: int) -> tuple[Font, str]:
    ranked = [(font, "".join(c for c in characters if not _has(font, c))) for font in _fonts(size)]
    return min(ranked, key=lambda entry: len(entry[1]))  # of equals the first


@cache
def _fonts(size: int) -> tuple[Font, ...]:
    found: list[Font] = [ImageFont.load_default(size=size)]
    for name in _CANDIDATES:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:  # not on this machine
            continue
    return tuple(found)


def _has(font: Font, character: str) -> bool:
    if character.isspace():
        return True
    box = font.getmask(_NO_CHARACTER)
    drawn = font.getmask(character)
    return drawn.size != box.size or bytes(drawn) != bytes(box)
