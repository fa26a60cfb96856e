"""Colors of figures for the light and the dark theme, color-blind safe (after Okabe and Ito), and text formats."""

from __future__ import annotations

import html
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
    """A label escaped for a plotly text, which interprets some HTML tags: labels are untrusted text."""
    return html.escape(label, quote=False)


def short(label: str, most: int = 24) -> str:
    """The beginning of a label, of at most that many characters."""
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"


def percent(probability: float) -> str:
    """A probability (0 to 1) as a percentage with at most one decimal."""
    if 0 < probability < 0.001:
        return "<0.1%"
    return f"{probability:.0%}" if probability >= 0.0995 else f"{probability:.1%}"
