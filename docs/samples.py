"""Draws docs/samples.jpg: the ten samples with the labels that the embedded checkpoint predicts for them.

Usage: python docs/samples.py
"""

from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

import cnnrnn

SAMPLES = Path(__file__).resolve().parent.parent / "dashboard" / "samples"
COLUMNS, SIDE, LINE, GAP = 5, 300, 24, 14  # pixels, but for the first
RIGHT, WRONG, MISSED = "#00664b", "#b23400", "#777777"
LINES = 4  # of text below an image


def main() -> None:
    with (SAMPLES / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["title"]]
    predictor = cnnrnn.load(device="cpu")
    cell = SIDE, SIDE + LINES * LINE + GAP
    height = -(-len(rows) // COLUMNS) * (cell[1] + GAP) + GAP
    sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for number, row in enumerate(rows):
        x = GAP + number % COLUMNS * (SIDE + GAP)
        y = GAP + number // COLUMNS * (cell[1] + GAP)
        with Image.open(SAMPLES / row["image"]) as photograph:
            sheet.paste(ImageOps.fit(photograph.convert("RGB"), (SIDE, SIDE)), (x, y))
        truth, predicted = set(row["labels"].split(";")), predictor(SAMPLES / row["image"]).labels
        words = [(label, RIGHT) if label in truth else (f"not {label}", WRONG) for label in predicted]
        words += [(f"missed: {', '.join(sorted(truth - set(predicted)))}", MISSED)] if truth - set(predicted) else []
        _write(draw, font, words, x, y + SIDE + GAP // 2)
    sheet.save(Path(__file__).with_name("samples.jpg"), quality=88)


def _write(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, words: list[tuple[str, str]], x: int, y: int
) -> None:
    """Words one after the other, a new line where one doesn't fit into the width of the image."""
    left, top = x, y
    for text, color in words:
        for part in _wrapped(draw, font, text):
            width = draw.textlength(part, font)
            if left > x and left + width > x + SIDE:
                left, top = x, top + LINE
            draw.text((left, top), part, color, font)
            left += width + 12


def _wrapped(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, text: str) -> list[str]:
    """A text that is wider than an image in parts that are not."""
    parts = [""]
    for word in text.split(" "):
        longer = f"{parts[-1]} {word}".strip()
        if draw.textlength(longer, font) > SIDE:
            parts.append(word)
        else:
            parts[-1] = longer
    return parts


if __name__ == "__main__":
    main()
