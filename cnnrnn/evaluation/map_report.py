"""What `map_evaluation` found, as a table for people: on the terminal, in the model card, on the dashboard."""

from __future__ import annotations

from typing import Any

# a method's metric: heading, format
_COLUMNS = {
    "pointing": ("pointing", "{:.1f}"),
    "pointing_difficult": ("difficult", "{:.1f}"),
    "energy": ("energy", "{:.1f}"),
    "swap_pointing": ("another step's", "{:.1f}"),
    "swap_pointing_difficult": ("difficult, another step's", "{:.1f}"),
    "step_shift": ("step-shift", "{:.1f}"),
    "mosaic": ("mosaics", "{:.1f}"),
    "deletion": ("deletion ↓", "{:.1f}"),
    "insertion": ("insertion ↑", "{:.1f}"),
    "sanity_head": ("random head", "{:.2f}"),
    "sanity_all": ("all random", "{:.2f}"),
    "seconds_per_image": ("s/image", "{:.3f}"),
}

LEGEND = (
    "Of the label steps of the best path that are right. Pointing: the strongest place is inside a box of the step's "
    "label (mean over the labels); difficult: its boxes cover less than a quarter and another label is there; another "
    "step's: the same with the map of another step of the path, which should miss. Energy: share of the evidence in "
    "the boxes. Step-shift: the map prefers its label's boxes to those of the label before. Mosaics: the right one of "
    "four images. Deletion and insertion: area under the step's probability while the hottest pixels go or come. "
    "Random: rank correlation with the maps of a model whose head, or all of it, is random."
)


def table(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row for each method, each other target of the default one, and the image's centre."""
    rows = [["the image's centre", *_cells(report["baselines"]["centre"])]]
    rows += [[name, *_cells(metrics)] for name, metrics in report["methods"].items()]
    rows += [[f"{report['default']}, {name}", *_cells(metrics)] for name, metrics in report["targets"].items()]
    return ["method", *(heading for heading, _ in _COLUMNS.values())], rows


def _cells(metrics: dict[str, Any]) -> list[str]:
    """One a column; empty where a metric is missing."""
    return [
        pattern.format(metrics[key]) if metrics.get(key) is not None else "" for key, (_, pattern) in _COLUMNS.items()
    ]


def prefix_sentence(report: dict[str, Any]) -> str:
    """How much a step's map depends on the labels before it."""
    prefix = report["prefix"]
    if not prefix["steps"]:
        return "No path had two labels that are right."
    return (
        f"Over {prefix['steps']} later steps, a map's rank correlation with that of the same label said first is "
        f"{prefix['correlation_with_said_first']:.2f}, its strongest place moves by {prefix['peak_moved']:.1f} % of "
        f"the diagonal, and its rank correlation with the map of the step before is "
        f"{prefix['correlation_with_step_before']:.2f}."
    )
