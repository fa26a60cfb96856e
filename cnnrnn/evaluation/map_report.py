"""The report of `maps.evaluate_maps` as a table: for the terminal, the model card and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnrnn.evaluation.reports import MapsReport

# key of MethodMetrics -> heading, format
_COLUMNS = {
    "pointing": ("pointing", "{:.1f}"),
    "pointing_difficult": ("difficult", "{:.1f}"),
    "energy": ("energy", "{:.1f}"),
    "swap_pointing": ("swapped", "{:.1f}"),
    "swap_pointing_difficult": ("swapped, difficult", "{:.1f}"),
    "step_shift": ("step-shift", "{:.1f}"),
    "mosaic": ("mosaics", "{:.1f}"),
    "deletion": ("deletion ↓", "{:.1f}"),
    "insertion": ("insertion ↑", "{:.1f}"),
    "sanity_head": ("random head", "{:.2f}"),
    "sanity_all": ("all random", "{:.2f}"),
    "seconds_per_image": ("s/image", "{:.3f}"),
}

LEGEND = (
    "All metrics are of the steps of the best path whose label is correct, but for the rows of every present label, "
    "predicted or not, whose map is that of the label as the first step. Pointing: how often the maximum of the map "
    "lies in a box of the step's label, as a mean over the labels. Difficult: the same for steps whose label's boxes "
    "cover less than a quarter of an image that has other labels, too. Swapped: the same with the map of another step "
    "of the path, where a low value is better. Energy: the fraction of the positive evidence inside the boxes. "
    "Step-shift: how often the map has more evidence in its own label's boxes than in those of the previous label. "
    "Mosaics: pointing on 2 × 2 grids of images. Deletion and insertion: the area under the step's probability while "
    "the pixels with the most evidence are removed or added. Random head, all random: the rank correlation with the "
    "maps of a model whose head, or all of whose weights, are random."
)


def table(report: MapsReport) -> tuple[list[str], list[list[str]]]:
    """Headings, and rows: the baseline (the image's centre), every method, every target of the default method, and both
    for every present label."""
    rows = [["image centre", *_cells(report["baselines"]["centre"])]]
    rows += [[name, *_cells(metrics)] for name, metrics in report["methods"].items()]
    rows += [[f"{report['default']}, {name}", *_cells(metrics)] for name, metrics in report["targets"].items()]
    if "present" in report:
        present = report["present"]
        rows.append(["every present label, image centre", *_cells(present["centre"])])
        rows.append([f"every present label, {report['default']}", *_cells(present)])
    return ["method", *(heading for heading, _ in _COLUMNS.values())], rows


def _cells(metrics: Mapping[str, Any]) -> list[str]:
    """One cell per column, empty where a metric is missing."""
    return [
        pattern.format(metrics[key]) if metrics.get(key) is not None else "" for key, (_, pattern) in _COLUMNS.items()
    ]


def prefix_sentence(report: MapsReport) -> str:
    """A sentence on how much a step's map depends on the labels before it."""
    prefix = report["prefix"]
    if not prefix["steps"]:
        return "No path had two correct labels."
    return (
        f"Over {prefix['steps']} later steps, the map of a step has a mean rank correlation of "
        f"{prefix['correlation_with_said_first']:.2f} with the map of the same label emitted first, and of "
        f"{prefix['correlation_with_step_before']:.2f} with the map of the previous step. The labels before the step "
        f"move the maximum of its map by {prefix['peak_moved']:.1f} % of the image diagonal on average."
    )
