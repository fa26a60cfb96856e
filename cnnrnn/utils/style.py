"""Colors of figures for the light and the dark theme, color-blind safe (after Okabe and Ito), and text formats."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """The colors of a theme, as CSS hex strings."""

    chosen: str
    kept: str
    finished: str
    faint: str
    text: str
    background: str


LIGHT = Palette("#c8500f", "#0072b2", "#00775a", "#9a9a9a", "#1f2328", "#ffffff")
DARK = Palette("#ff9a5c", "#6cb8ea", "#3fc69b", "#7d838c", "#e8eaed", "#14171c")


def palette(dark: bool) -> Palette:
    """The colors of the dark or the light theme."""
    return DARK if dark else LIGHT


def plain(label: str) -> str:
    """A label escaped for a plotly text, which interprets some HTML tags: labels are untrusted text.

    One with letters that are written from right to left is isolated, so that it doesn't reorder what is beside it.
    """
    text = html.escape(label, quote=False)
    from_the_right = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in label)
    return f"\u2068{text}\u2069" if from_the_right else text


def text_columns(text: str) -> int:
    """The width of a text in columns, as in a terminal: an East Asian character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shorten(text: str, columns: int) -> str:
    """A text of at most so many columns, its middle replaced by "…": many long names differ only at their end."""
    if text_columns(text) <= columns:
        return text
    head, tail = text[: columns // 2], text[-columns:]
    while text_columns(head) > columns // 2:
        head = head[:-1]
    while text_columns(tail) > columns - 1 - text_columns(head):
        tail = tail[1:]
    return f"{head.rstrip()}…{tail.lstrip()}"


def short(label: str, most: int = 24) -> str:
    """The beginning of a label, of at most that many characters."""
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"


def on_one_line(name: str) -> str:
    """A name as it is or, with line breaks or a terminal's control characters in it, as Python writes it."""
    return name if name.isprintable() else repr(name)


def first_few(names: Sequence[str], most: int = 3) -> str:
    """Such as "person, car, chair, …"."""
    shown = [on_one_line(name) for name in names[:most]]
    return ", ".join([*shown, "…"] if len(names) > most else shown)


def counted(number: int, noun: str) -> str:
    """Such as "1 positive" and "5 positives"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def percent(probability: float) -> str:
    """A probability (0 to 1) as a percentage with at most one decimal."""
    if 0 < probability < 0.001:
        return "<0.1%"
    return f"{probability:.0%}" if probability >= 0.0995 else f"{probability:.1%}"


def decimals(value: float) -> str:
    """A number of at least 0 with two decimals, or the first digit of less than a hundredth."""
    return f"{value:.2f}" if value >= 0.01 or not value else f"{value:.1g}"


def points(change: float) -> str:
    """A change of a probability, such as "+12 points"; "unchanged" below half a point."""
    rounded = round(100 * change)
    return f"{rounded:+d} points" if rounded else "unchanged"
