"""In which encodings a text that isn't Unicode may be, by the letters of the languages that use them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from string import ascii_lowercase, digits
from typing import NamedTuple

WESTERN = "cp1252"
_ACCENTS = "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿßœšž"  # from Iceland to Portugal
_SIGNS = "¿¡«»‹›“”„‚‘’´·–—…•°ºª€§©®™×µ²³\xa0"  # that texts of any language may have
_INSIDE = "‘’´·"  # of words


class _Language(NamedTuple):
    """What tells the words of a language in Latin letters from others that are read in its encoding."""

    letters: str  # beyond a to z
    impossible: str  # in a word, as a regular expression
    typical: str = ""  # in one of some words


_LATIN = {
    "cp1250": (
        _Language("ąćęłńóśźż", "[qvx]"),  # Polish
        _Language("áäčďéěíľňóôŕřšťúůýž", r"[qx]|ŕ(?![b-df-hj-np-tvz])"),  # Czech and Slovak
        _Language("áéíóöőúüű", "[qx]"),  # Hungarian
        _Language("čćđšž", "[qx]"),  # Croatian and Slovene
        _Language("ăâîşţ", "q"),  # Romanian
    ),
    "cp1254": (_Language("âçğıîöşûü\u0307", r"(?!)"),),  # Turkish and Azerbaijani; the last one is of İ in lower case
    "cp1257": (
        _Language("ąčęėįšųūž", r"[qx]|([b-z])\1", "[čėšūž]|ų$"),  # Lithuanian
        _Language("āčēģīķļņšūž", "[qx]", "[āēīļšž]|ķ[ie]"),  # Latvian
        _Language("äõöšüž", "[qx]", "[šž]"),  # Estonian
    ),
}
_GERMAN = "äöüß"  # of names; they have the same bytes in all of these
_SCRIPTS = {
    "cp1251": ("CYRILLIC",),
    "cp1253": ("GREEK",),
    "cp1255": ("HEBREW",),
    "cp1256": ("ARABIC",),
    "cp932": ("CJK UNIFIED", "HIRAGANA", "KATAKANA"),
    "cp949": ("HANGUL",),
    "gb18030": ("CJK UNIFIED",),
    "big5": ("CJK UNIFIED",),
}
_COMMON = {"gb18030": "gb2312", "cp949": "euc_kr"}  # without rare characters, which most bytes would stand for
_ASIAN_SIGNS = "、。・ー々「」"
_OLD_WESTERN = ("mac_roman", "cp850")  # of old Macs and DOS
_MOST = 6  # encodings to choose from


def readings(content: bytes) -> dict[str, list[str]]:
    """The different words that aren't ASCII, by each encoding in which they are words of a language. Of encodings that
    read the same, only the first one is named: the only one is cp1252 where a text is of western Europe for sure."""
    sample = _sample(content)
    found = {name: _words(sample, _COMMON.get(name, name), name) for name in (WESTERN, *_LATIN, *_SCRIPTS)}
    if not found[WESTERN]:
        found |= {name: _words(sample, name, name) for name in _OLD_WESTERN}
    return _different(found)


def readings_of_letters(content: bytes) -> dict[str, list[str]]:
    """Where no encoding gives words of a language: those that give letters at least."""
    sample = _sample(content)
    found = {name: _decoded(sample, name) for name in (WESTERN, *_LATIN, *_SCRIPTS, *_OLD_WESTERN)}
    return _different({name: words for name, words in found.items() if all(map(_are_letters, words))})


def _sample(content: bytes) -> bytes:
    """The different words that aren't ASCII, split at signs that are no part of others in any encoding."""
    tokens = re.split(rb"[\x00-\x2f:-?]+", content)
    return b"\n".join(dict.fromkeys(token for token in tokens if not token.isascii()))


def _different(found: dict[str, list[str]]) -> dict[str, list[str]]:
    first = {tuple(words): name for name, words in reversed(found.items()) if words}
    return dict([(name, words) for name, words in found.items() if first.get(tuple(words)) == name][:_MOST])


def _words(sample: bytes, codec: str, encoding: str) -> list[str]:
    """The words in an encoding; none if they are of no language that is written in it."""
    words = _decoded(sample, codec)
    lower = {word.lower() for word in words}
    characters = set().union(*lower) - set(_SIGNS + digits)
    if encoding in _SCRIPTS:
        characters -= set(_ASIAN_SIGNS)
        fits = all(unicodedata.name(sign, "").startswith(_SCRIPTS[encoding]) for sign in characters)
    elif any(map(_is_odd, lower)):
        fits = False
    elif encoding in _LATIN:
        fits = any(_is_of(language, characters, lower) for language in _LATIN[encoding])
    else:
        in_a_row = re.compile(f"[{_ACCENTS}]{{3}}")  # which no word of western Europe has
        fits = characters <= set(ascii_lowercase + _ACCENTS) and not any(map(in_a_row.search, lower))
    return words if fits else []


def _is_of(language: _Language, characters: set[str], words: Collection[str]) -> bool:
    if not characters <= set(ascii_lowercase + _GERMAN + language.letters):
        return False
    if any(re.search(language.impossible, word) for word in words):
        return False
    return any(re.search(language.typical, word) for word in words)


def _decoded(sample: bytes, codec: str) -> list[str]:
    """The different words that aren't ASCII; none where there are bytes that no sign has."""
    try:
        text = sample.decode(codec)
    except UnicodeDecodeError:
        return []
    return list(dict.fromkeys(word for word in re.split(r"[\x00-/:-@\[-`{-\x7f]+", text) if not word.isascii()))


def _is_odd(word: str) -> bool:
    """Whether a word has a sign between letters, or a raised number that isn't behind a unit, as in m²."""
    return re.search(rf"(?<!m)[²³]|[^\W\d](?![{_INSIDE}])[{_SIGNS}]+[^\W\d]", word) is not None


def _are_letters(word: str) -> bool:
    return all(sign.isalnum() or sign in _SIGNS + _ASIAN_SIGNS for sign in word)
