"""The report of `maps.evaluate_maps` as a table: for the terminal, the model card and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnrnn.evaluation.reports import MapsReport

FEWEST = 30  # images from which on a metric is shown


class Column(NamedTuple):
    """A metric of the table."""

    heading: str
    pattern: str
    meaning: str
    of_few: bool = False  # measured on `MapsReport.few` images at most: it takes long


# By the key of MethodMetrics.
_COLUMNS = {
    "pointing": Column(
        "pointing",
        "{:.1f}",
        "how often the maximum of the map lies in a box of the step's label, as a mean over the labels",
    ),
    "pointing_difficult": Column(
        "difficult",
        "{:.1f}",
        "pointing for steps whose label's boxes cover less than a quarter of an image that has other labels, too",
    ),
    "pointing_steps": Column("pointing, steps", "{:.1f}", "pointing as a mean over the steps"),
    "pointing_steps_difficult": Column("difficult, steps", "{:.1f}", "the same for the difficult steps"),
    "energy": Column("energy", "{:.1f}", "the fraction of the positive evidence inside the boxes"),
    "swap_pointing": Column(
        "swapped", "{:.1f}", "pointing with the map of another step of the path, where a low value is better"
    ),
    "swap_pointing_difficult": Column("swapped, difficult", "{:.1f}", "swapped, for the difficult steps"),
    "step_shift": Column(
        "step-shift",
        "{:.1f}",
        "how often the map has more evidence in its own label's boxes than in those of the previous label",
    ),
    "mosaic": Column("mosaics", "{:.1f}", "pointing on 2 × 2 grids of images", of_few=True),
    "deletion": Column(
        "deletion ↓",
        "{:.1f}",
        "the area under the step's probability while the pixels with the most evidence are removed",
        of_few=True,
    ),
    "insertion": Column("insertion ↑", "{:.1f}", "the same while they are added", of_few=True),
    "sanity_head": Column(
        "random head",
        "{:.2f}",
        "the rank correlation with the maps of a model whose head is random",
        of_few=True,
    ),
    "sanity_all": Column("all random", "{:.2f}", "the same, where all weights are random", of_few=True),
    "seconds_per_image": Column("s/image", "{:.3f}", "the seconds that the maps of an image take"),
}

STEPS = (
    "All metrics are of the steps of the best path whose label is correct, but for the rows of every present label, "
    "predicted or not, whose map is that of the label as the first step."
)


def few_images(report: MapsReport) -> int:
    """How many images mosaics, deletion, insertion and the random models were measured on."""
    return min(report["few"], report["images"])


def columns(report: MapsReport) -> dict[str, Column]:
    """Those of the metrics that were measured, and on images enough."""
    measured = {key for metrics in report["methods"].values() for key, value in metrics.items() if value is not None}
    measured |= {"pointing", "pointing_difficult"}  # of the baselines as well
    enough = few_images(report) >= FEWEST
    return {key: column for key, column in _COLUMNS.items() if key in measured and (enough or not column.of_few)}


def legend(report: MapsReport) -> str:
    """What the columns of the table mean, as a list in Markdown."""
    return "\n".join(f"- {column.heading}: {column.meaning}" for column in columns(report).values())


def rows(report: MapsReport) -> dict[str, Mapping[str, Any]]:
    """The metrics by the name of their row: the baseline (the image's centre), every method, every target of the
    default method with other maps, and both for every present label."""
    default: Mapping[str, Any] = report["methods"].get(report["default"]) or {}
    found: dict[str, Mapping[str, Any]] = {"image centre": report["baselines"]["centre"]}
    found |= report["methods"]
    found |= {
        f"{report['default']}, {name}": metrics
        for name, metrics in report["targets"].items()
        if any(default.get(key) != value for key, value in metrics.items())
    }
    if "present" in report:
        present = report["present"]
        found["every present label, image centre"] = present["centre"]
        found[f"every present label, {report['default']}"] = present
    return found


def table(report: MapsReport) -> tuple[list[str], list[list[str]]]:
    """Headings and `rows` as texts, empty where a metric is missing."""
    shown = columns(report)

    def cell(column: Column, value: float | None) -> str:
        return "" if value is None else column.pattern.format(value)

    cells = [
        [name, *(cell(column, metrics.get(key)) for key, column in shown.items())]
        for name, metrics in rows(report).items()
    ]
    return ["method", *(column.heading for column in shown.values())], cells


def few_sentence(report: MapsReport) -> str:
    """What the costly metrics were measured on, or why they are not shown; empty if they were not measured."""
    few, costly = few_images(report), "Mosaics, deletion, insertion and the random models"
    if few < FEWEST:
        images = f"{few} image{'' if few == 1 else 's'}"
        return f"{costly} are not shown: of {images} they mean little, and {FEWEST} are needed." if few else ""
    return f"{costly}: {few} images."


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
