"""Draws docs/growth.svg: how cost grows with labels, beam, images and clients, from the lines that the bench measured.

Usage: cnnrnn bench --only growth,memory,serve --images DIR --json growth.json
       python docs/growth.py growth.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot, ticker

OURS, THEIRS = "#c2500e", "#0a6fb3"
Points = list[tuple[float, float]]


def main() -> None:
    lines = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    pyplot.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "growth"}
    figure, axes = pyplot.subplots(2, 3, figsize=(10, 5.4), layout="constrained")
    draw(axes[0, 0], "labels", "search of 16 images, ms", {"search": points(lines, r"^([\d,]+) labels", 1000)})
    beams = {"search": points(lines, r"^(\d+) sequences in the beam", 1000)}
    draw(axes[0, 1], "beam", "search of 64 images, ms", beams)
    times = {"predict": points(lines, r"^([\d,]+) images: time", 1000)}
    draw(axes[0, 2], "images", "predict: time for one, ms", times, from_zero=True)
    memory = {"predict": points(lines, r"^([\d,]+) images: peak", 1)}
    draw(axes[1, 0], "images", "predict: peak memory, MB", memory, from_zero=True)
    served = {"cnnrnn serve": points(lines, r"^serve, (\d+) clients: an image", 1)}
    served["LitServe"] = points(lines, r"^serve, (\d+) clients: an image", 1, "reference_seconds")
    rates = {name: [(x, 1 / y) for x, y in found] for name, found in served.items()}
    draw(axes[1, 1], "clients", "images a second", rates, from_zero=True)
    waits = {"cnnrnn serve": points(lines, r"^serve, (\d+) clients: p95", 1)}
    waits["LitServe"] = points(lines, r"^serve, (\d+) clients: p95", 1, "reference_seconds")
    draw(axes[1, 2], "clients", "time to the answer, p95, s", waits)
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


def points(lines: list[dict[str, Any]], pattern: str, factor: float, column: str = "seconds") -> Points:
    """The lines of a curve, and where they have the same reference, that as the first point."""
    found = [(match, line) for line in lines if (match := re.match(pattern, line["what"]))]
    curve = [(float(match[1].replace(",", "")), factor * line[column]) for match, line in found]
    first = re.search(r"\d[\d,]*", found[0][1]["reference"])
    if first:
        curve.insert(0, (float(first[0].replace(",", "")), factor * found[0][1]["reference_seconds"]))
    return curve


def draw(axis: Any, x: str, y: str, curves: dict[str, Points], from_zero: bool = False) -> None:
    for (name, curve), color in zip(curves.items(), (OURS, THEIRS), strict=False):
        axis.plot(*zip(*curve, strict=True), "o-", color=color, label=name, markersize=4)
    axis.set(xlabel=x, title=y, xscale="log", yscale="linear" if from_zero else "log")
    axis.set_xticks(numbers := [number for number, _ in curve], [f"{number:,.0f}" for number in numbers])
    axis.minorticks_off()
    if from_zero:
        axis.set_ylim(0)
    else:
        axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    if len(curves) > 1:
        axis.legend(frameon=False)


main()
