"""Labels that a word or sign of their own denies: dog:no, dog (absent), !dog."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnrnn.data.formats.no_labels import is_nothing
from cnnrnn.data.formats.yes_no import affirms
from cnnrnn.data.reading import Findings, Labels
from cnnrnn.data.split import DataError

_WORD_BEHIND = re.compile(r"(.*\w.*?)\s*(?:[:=]+>?|->|→)\s*([^\s:=()]+(?: \w+)?)|(.*\w.*?)\s*[(\[]([^()\[\]]+)[)\]]")
_TICK_BEHIND = re.compile(r"(.*\w)\s*([✓✔✅✗✘❌])")
_NUMBER_BEHIND = re.compile(r"[:=(\[>]\s*-?[\d.]+\W?$")  # grade:0
_SIGN_BEHIND = re.compile(r"(.*\w)\s?([-−–+])")
_SIGN_BEFORE = re.compile(r"([-−–!~¬+])([^\W\d].*)|([!¬])\s+(\w.*)")
_DOUBT = re.compile(r"(.*\w)\s*(?:\?+|\*+|[:=(\[]\s*(?:maybe|uncertain|unsure|possibl[ey]|unknown|\?+)\s*[)\]]?)")
_WORD_BEFORE = re.compile(r"(?:no|not|non|without|kein|keine|sans|sin)[ _-]+(\w.*)", re.IGNORECASE)
_LONGEST = 100  # characters of a label that is looked at; longer ones are texts
_SIGNS = {"+": True, "✓": True, "✔": True, "-": False, "−": False, "–": False, "✗": False, "✘": False}
_SIGNS |= {"on": True, "off": False, "✅": True, "❌": False}
_BEFORE_WORDS = {*":=>→(["}  # one of them is in what `_WORD_BEHIND` finds
_NO_WORDS = {"x", "t", "f", "y", "j", "n"}  # marks in a column of a label; behind a label, they can be a grade or a sex


@dataclass(frozen=True)
class _Part:
    """A label as written, the name in it, and whether a word or sign of its own affirms or denies it."""

    where: str
    text: str
    name: str
    applies: bool | None


def without_denied(
    path: Path, labels: Labels, first: Mapping[str, str], separator: str, given: bool, findings: Findings
) -> Labels:
    """The labels that apply, without the words behind them, if all have one such as yes or no; otherwise all labels.

    `first` tells where each of the different labels stands first. Raises DataError where dog:no or -dog stands beside
    dog, unless a person has `given` the separator.
    """
    behind = _parts(first, _word_behind)
    if behind and not given and all(part.applies is None for part in behind):
        behind = _by_letters(behind)
    if behind and not given and all(part.applies is not None for part in behind):
        return _that_apply(path, behind, labels, findings)
    for parts in (behind, _parts(first, _sign_before)):
        denied, beside = [part for part in parts if part.applies is False], _beside_their_names(parts)
        if beside and not given:
            raise DataError(
                f"{path}, {beside[0].where}: does {beside[0].text!r} say that {beside[0].name!r} is absent? Leave out "
                f"the labels that don't apply, or give --separator {separator!r} if it is a label of its own"
            )
        _point_out(path, [part for part in denied if beside or not _NUMBER_BEHIND.search(part.text)], findings)
    if any(len(found) > 1 for found in labels):  # otherwise mask and "no mask" are labels as well as others
        _point_out(path, _beside_their_names(_parts(first, _word_before)), findings)
        _point_out(path, _beside_their_names(_parts(first, _doubt_behind)), findings)
        signed = _parts(first, _sign_behind)
        if all(part.applies is not None for part in signed):
            _point_out(path, _beside_their_names(signed, affirmed=True), findings)
    return labels


def _by_letters(parts: list[_Part]) -> list[_Part]:
    """cat:T, cat:F, dog:F, where all labels end so, and one in both ways; F alone can be a grade or a sex."""
    ends = [re.fullmatch(r"(.*\w)\s*[:=(]\s*([tfyn])\)?", part.text.strip(), re.IGNORECASE) for part in parts]
    found = [(end[1], end[2].casefold()) for end in ends if end]
    both = any({(name, letters[0]), (name, letters[1])} <= {*found} for name, _ in found for letters in ("tf", "yn"))
    if len(found) < len(parts) or not both:
        return parts
    return [
        _Part(part.where, part.text, name, letter in "ty") for part, (name, letter) in zip(parts, found, strict=True)
    ]


def _that_apply(path: Path, parts: Sequence[_Part], labels: Labels, findings: Findings) -> Labels:
    if denied := [part for part in parts if not part.applies]:
        findings.warning(
            f"labels such as {denied[0].text!r} of {path.name} were left out, as what stands behind them says that "
            "they don't apply; the others were read without it (give --separator to keep all)",
            [part.where for part in denied],
        )
    else:
        findings.warning(
            f"the labels of {path.name} were read without what stands behind them: {parts[0].text!r} (give "
            "--separator to keep it)"
        )
    names = {part.text: part.name for part in parts if part.applies}
    return [tuple(names[text] for text in found if text in names) for found in labels]


def _point_out(path: Path, parts: Sequence[_Part], findings: Findings) -> None:
    if parts:
        findings.warning(
            f"labels such as {parts[0].text!r} of {path.name} were read as labels of their own; leave them out if "
            f"they say that {parts[0].name!r} and the like are absent or uncertain",
            [part.where for part in parts],
        )


def _parts(first: Mapping[str, str], find: Callable[[str], tuple[str, bool | None]]) -> list[_Part]:
    """What `find` finds in each of the different labels."""
    return [
        _Part(where, text, *(find(text.strip()) if len(text) <= _LONGEST else (text, None)))
        for text, where in first.items()
    ]


def _beside_their_names(parts: Sequence[_Part], affirmed: bool | None = None) -> list[_Part]:
    """Those that are denied, and whose names are labels as well: alone, or with the sign that affirms them."""
    names = {part.name.casefold() for part in parts if part.applies is affirmed}
    return [part for part in parts if part.applies is False and part.name.casefold() in names]


def _word_behind(text: str) -> tuple[str, bool | None]:
    if tick := _TICK_BEHIND.fullmatch(text):
        return tick[1], verdict(tick[2])
    if not _BEFORE_WORDS & {*text} or (found := _WORD_BEHIND.fullmatch(text)) is None:
        return text, None
    name, word = found[1] or found[3], found[2] or found[4]
    applied = None if is_nothing(word) and word not in _SIGNS else verdict(word)
    return (text, None) if applied is None else (name.strip(), applied)


def verdict(value: object) -> bool | None:
    """What a word or sign says of the label that it stands beside."""
    word = str(value).strip().casefold()
    if word in _SIGNS:
        return _SIGNS[word]
    if word.startswith("not "):
        return None if (applied := verdict(word[4:])) is None else not applied
    return None if word in _NO_WORDS else affirms(value)


def _sign_behind(text: str) -> tuple[str, bool | None]:
    found = _SIGN_BEHIND.fullmatch(text)
    return (found[1], _SIGNS[found[2]]) if found else (text, None)


def _sign_before(text: str) -> tuple[str, bool | None]:
    """A plus says no more than the name alone."""
    if (found := _SIGN_BEFORE.fullmatch(text)) is None:
        return text, None
    return found[2] or found[4], None if found[1] == "+" else False


def _word_before(text: str) -> tuple[str, bool | None]:
    if affirmed := re.fullmatch(r"(?:yes|has)[ _]+(\w.*)", text, re.IGNORECASE):
        return affirmed[1], None
    found = _WORD_BEFORE.fullmatch(text)
    return (found[1], False) if found else (text, None)


def _doubt_behind(text: str) -> tuple[str, bool | None]:
    found = _DOUBT.fullmatch(text)
    return (found[1], False) if found else (text, None)
