"""What is measured of the maps of one image after the other: by one method, of the labels before, of every label."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from cnnrnn.attribution.explain import explain
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.attribution.targets import log_odds
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.evaluation.map_metrics import energy_inside, peak, pointing_hit, prefers_own_mask, rank_correlation
from cnnrnn.evaluation.map_records import DecodedImage, Record, StepRecords
from cnnrnn.evaluation.perturbations import deletion_insertion_auc, randomized_models
from cnnrnn.evaluation.reports import BoxMetrics, MethodMetrics, PrefixMetrics, PrefixReport, PresentReport
from cnnrnn.inference.predictor import encode
from cnnrnn.models.cnnrnn import CNNRNN

RANDOM_MODELS = 3  # the sanity check compares with these in turn

Maps = np.ndarray  # (step, height, width), on any grid


class Clock:
    """A context manager that measures the mean duration of its blocks, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds.append(time.perf_counter() - self.started)

    @property
    def mean(self) -> float:
        return float(np.mean(self.seconds)) if self.seconds else 0.0


class MapEvaluator:
    """Evaluates the maps of one method and target, image by image; `report` returns the metrics."""

    def __init__(self, checkpoint: Checkpoint, method: str, target: Callable[..., Tensor] = log_odds) -> None:
        self.checkpoint, self.method, self.target = checkpoint, method, target
        self.steps, self.mosaics, self.false_positives = StepRecords(), StepRecords(), StepRecords()
        self.clock = Clock()
        self.random_models: list[tuple[CNNRNN, CNNRNN]] = []

    def maps(self, decoded: DecodedImage, model: CNNRNN | None = None) -> Maps:
        """The maps of all label steps on the method's own grid (step, height, width), by default of the checkpoint's
        model."""
        if model is None:
            model, feature_map = self.checkpoint.rnn, decoded.feature_map
        else:
            feature_map = encode(model, decoded.image.unsqueeze(0))[0][0]
        explanation = explain(model, feature_map, decoded.tokens, self.method, self.target, decoded.image)
        return explanation.smoothed[:-1].cpu().numpy()

    def evaluate(self, decoded: DecodedImage) -> None:
        """Compare the map of every label step of the path with the boxes."""
        if not decoded.tokens:
            return
        with self.clock:
            grids = self.maps(decoded)
        maps = [resize_map(values, decoded.size) for values in grids]
        points = [peak(values) for values in maps]
        all_boxes = [box for boxes in decoded.boxes.values() for box in boxes]
        for step in decoded.false_positives:
            hit = pointing_hit(points[step], all_boxes, decoded.tolerance)
            self.false_positives.add(decoded, step, on_another_label=hit)
        masks = decoded.masks
        for step, mask in masks.items():
            another = points[(step + 1) % len(maps)] if len(maps) > 1 else None
            self.steps.add(
                decoded,
                step,
                pointing=decoded.hits(points[step], step),
                energy=energy_inside(maps[step], mask),
                swap_pointing=decoded.hits(another, step) if len(maps) > 1 else None,
                step_shift=prefers_own_mask(maps[step], mask, masks[step - 1]) if step - 1 in masks else None,
            )

    def evaluate_faithfulness(self, decoded: DecodedImage) -> None:
        """Compute deletion and insertion, and the sanity check against models with random weights."""
        if not decoded.true_positives:
            return
        maps = self.maps(decoded)
        randomized = [self.maps(decoded, model) for model in self._next_random_models()]
        for step in decoded.true_positives:
            head, everything = (rank_correlation(maps[step], other[step]) for other in randomized)
            deletion, insertion = deletion_insertion_auc(
                self.checkpoint.rnn, decoded.image, decoded.tokens, step, maps[step]
            )
            self.steps.add(
                decoded, step, sanity_head=head, sanity_all=everything, deletion=deletion, insertion=insertion
            )

    def _next_random_models(self) -> tuple[CNNRNN, CNNRNN]:
        """The next of RANDOM_MODELS pairs: the model with a random head, and with random weights everywhere."""
        if len(self.random_models) < RANDOM_MODELS:
            self.random_models.append(randomized_models(self.checkpoint.rnn, seed=len(self.random_models)))
        else:
            self.random_models.append(self.random_models.pop(0))
        return self.random_models[-1]

    def evaluate_mosaic(self, grid: DecodedImage) -> None:
        """Play the pointing game on a grid of images, for every true positive step."""
        if not grid.true_positives:
            return
        maps = self.maps(grid)
        for step in grid.true_positives:
            self.mosaics.add(grid, step, mosaic=grid.hits(peak(resize_map(maps[step], grid.size)), step))

    def box_metrics(self) -> BoxMetrics:
        """The metrics that compare maps with boxes, over all images; see `evaluate_maps`."""
        swapped, swapped_difficult = self.steps.all_and_difficult("swap_pointing")
        return {
            **self.steps.pointing(),
            "energy": self.steps.over_labels("energy"),
            "step_shift": self.steps.percent("step_shift"),
            "swap_pointing": swapped,
            "swap_pointing_difficult": swapped_difficult,
        }

    def report(self) -> MethodMetrics:
        """All metrics; see `evaluate_maps`."""
        steps = self.steps
        return {
            **self.box_metrics(),
            "deletion": steps.percent("deletion"),
            "insertion": steps.percent("insertion"),
            "mosaic": self.mosaics.percent("mosaic"),
            "sanity_head": steps.mean("sanity_head"),
            "sanity_all": steps.mean("sanity_all"),
            "seconds_per_image": self.clock.mean,
            "per_label": steps.by_label("pointing"),
            "false_positives": len(self.false_positives),
            "on_another_label": self.false_positives.percent("on_another_label"),
        }


class PrefixEvaluator:
    """Measures how much a step's map, by the default method, depends on the labels emitted before it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self.records = checkpoint, StepRecords()

    def evaluate(self, decoded: DecodedImage) -> None:
        """Compare the map of each true positive step after the first with that of the same label emitted first."""
        model, feature_map = self.checkpoint.rnn, decoded.feature_map
        if len(decoded.true_positives) < 2:
            return
        maps = explain(model, feature_map, decoded.tokens).smoothed.cpu().numpy()
        diagonal = float(np.hypot(*decoded.size))
        for step in decoded.true_positives:
            if step == 0:
                continue
            first = explain(model, feature_map, decoded.tokens[step : step + 1]).smoothed[0].cpu().numpy()
            points = [peak(resize_map(values, decoded.size)) for values in (maps[step], first)]
            moved = None if None in points else float(np.hypot(*np.subtract(*points))) / diagonal  # type: ignore[arg-type]
            self.records.add(
                decoded,
                step,
                peak_moved=moved,
                correlation_with_emitted_first=rank_correlation(maps[step], first),
                correlation_with_step_before=rank_correlation(maps[step], maps[step - 1]),
            )
            self.records.records[-1]["pair"] = f"{decoded.names[step]} after {', '.join(decoded.names[:step])}"

    def report(self) -> PrefixReport:
        """Rank correlation of a step's map with that of the same label emitted first, how far its peak moves
        (percent of the diagonal), and rank correlation with the map of the step before: over all steps and, under
        ``pairs``, for the eight most frequent pairs of a label and its prefix."""

        def means(records: StepRecords) -> PrefixMetrics:
            return {
                "steps": len(records),
                "correlation_with_said_first": records.mean("correlation_with_emitted_first"),
                "peak_moved": records.percent("peak_moved"),
                "correlation_with_step_before": records.mean("correlation_with_step_before"),
            }

        pairs: dict[str, list[Record]] = {}
        for record in self.records.records:
            pairs.setdefault(record["pair"], []).append(record)
        common = sorted(pairs, key=lambda pair: -len(pairs[pair]))[:8]
        return {**means(self.records), "pairs": {pair: means(StepRecords(pairs[pair])) for pair in common}}


class PresentLabelEvaluator:
    """Plays the pointing game for every label that is present, predicted or not, by the default method.

    The map is that of the label as the first step, so it doesn't depend on what the model predicts.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self.records, self.centre = checkpoint, StepRecords(), StepRecords()

    def evaluate(self, decoded: DecodedImage) -> None:
        labels = self.checkpoint.vocabulary.labels
        for label, name in enumerate(labels):
            if name not in decoded.boxes:
                continue
            alone = replace(decoded, tokens=(label,), names=(name,))
            values = explain(self.checkpoint.rnn, decoded.feature_map, alone.tokens).smoothed[0].cpu().numpy()
            self.records.add(alone, 0, pointing=alone.hits(peak(resize_map(values, decoded.size)), 0))
            self.centre.add(alone, 0, pointing=alone.hits(decoded.centre, 0))

    def report(self) -> PresentReport:
        return {"labels": len(self.records), **self.records.pointing(), "centre": self.centre.pointing()}
