"""Evaluation of attribution maps, by every method, on a data set with boxes.

The true positive steps of the best path are evaluated: the map of each is compared with the boxes of its label. A
second protocol, that of published results, evaluates every label that is present, predicted or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from cnnrnn.attribution.explain import explain
from cnnrnn.attribution.methods import DEFAULT_METHOD, METHODS
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.attribution.targets import TARGETS, log_odds
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Box, Boxes, DataError, Sample, Split
from cnnrnn.data.images import MAX_SIDE, ImageError, open_image
from cnnrnn.evaluation.map_metrics import (
    TOLERANCE,
    box_mask,
    energy_inside,
    peak,
    pointing_hit,
    prefers_own_mask,
    rank_correlation,
)
from cnnrnn.evaluation.perturbations import deletion_insertion_auc, mosaics, randomized_models
from cnnrnn.evaluation.reports import (
    BoxMetrics,
    MapsReport,
    MethodMetrics,
    PointingMetrics,
    PrefixMetrics,
    PrefixReport,
    PresentReport,
)
from cnnrnn.inference.predictor import decode_image, encode
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.utils.errors import UserError, did_you_mean

DIFFICULT = 0.25  # a step is difficult if its label's boxes cover less than this fraction of the image
RANDOM_MODELS = 3  # the sanity check compares with these in turn

Record = dict[str, Any]  # the metrics of one map of one step
Maps = np.ndarray  # (step, height, width), on any grid


@dataclass(frozen=True)
class DecodedImage:
    """An image, its best path, and the boxes of its labels."""

    size: tuple[int, int]  # of the image: width, height
    image: Tensor  # preprocessed: (3, size, size)
    feature_map: Tensor  # (channel, height, width)
    tokens: tuple[int, ...]  # the best path
    names: tuple[str, ...]  # of its labels
    boxes: Boxes  # of all labels of the image
    ignored: frozenset[str] = frozenset()  # labels that are not evaluated for this image

    @property
    def true_positives(self) -> list[int]:
        """The steps that are true positives."""
        return [step for step, name in enumerate(self.names) if name in self.boxes]

    @property
    def false_positives(self) -> list[int]:
        """The steps that are false positives."""
        known = self.boxes.keys() | self.ignored
        return [step for step, name in enumerate(self.names) if name not in known]

    @property
    def is_exact(self) -> bool:
        """Whether the path has exactly the labels of the image: an exact match."""
        return not self.false_positives and self.boxes.keys() - self.ignored <= set(self.names)

    @property
    def centre(self) -> tuple[float, float]:
        """x, y of the middle of the image, in pixels."""
        return self.size[0] / 2, self.size[1] / 2

    @property
    def tolerance(self) -> float:
        """The distance from a box, in pixels, within which the pointing game still counts a hit."""
        return TOLERANCE * max(self.size)

    def own_boxes(self, step: int) -> list[Box]:
        """The boxes of the label that a true positive step emits."""
        return self.boxes[self.names[step]]

    @cached_property
    def masks(self) -> dict[int, np.ndarray]:
        """Step -> the pixels inside the boxes of its label, bool (height, width), for every true positive step."""
        return {step: box_mask(self.own_boxes(step), self.size) for step in self.true_positives}

    def is_difficult(self, step: int) -> bool:
        """Whether the boxes of the step's label are small, and the image has other labels."""
        return len(self.boxes) > 1 and self.masks[step].mean() < DIFFICULT

    def hits(self, point: tuple[float, float] | None, step: int) -> bool:
        """Whether a point (x, y) is a hit of the pointing game for the step's label."""
        return pointing_hit(point, self.own_boxes(step), self.tolerance)


def evaluate_maps(
    checkpoint: Checkpoint,
    split: Split,
    methods: Sequence[str] = tuple(METHODS),
    beam: int = 8,
    max_perturbation_images: int = 100,
    advance: Callable[[], None] = lambda: None,
) -> MapsReport:
    """Evaluate the maps of every method; percentages 0-100, correlations -1 to 1.

    ``methods`` has the metrics of each method. Means over the labels: pointing, pointing_difficult, energy, and
    swap_pointing and swap_pointing_difficult, which use the map of another step of the same path. per_label is
    pointing by label, and pointing_steps and pointing_steps_difficult are means over all steps, in which frequent
    labels count more. step_shift is how often a step's map prefers its own label's boxes to those of the label before
    it. For at most `max_perturbation_images` images, evenly spread over the split: deletion and insertion (areas under
    the curve of the step's probability), and sanity_head and sanity_all (rank correlation with the maps of models with
    random weights). mosaic is pointing on as many 2 × 2 grids of images with one label each. on_another_label is the
    percentage of the false positive steps whose map points at another label of the image.

    ``baselines`` has pointing of the image's centre, ``targets`` the default method for every target, and ``prefix``
    how much a step's map depends on the labels before it. ``present`` has pointing of the default method for every
    label that is present, predicted or not, by its map as the first step, and of the image's centre. exact_set is the
    exact match of the best paths, few is `max_perturbation_images`. `advance` is called after every image.

    Raises DataError if the split has no boxes, UserError for an unknown method.
    """
    if split.boxes is None:
        raise DataError(f"{split.name} has no boxes; give them by --boxes FILE, in COCO's format")
    check_methods(methods)
    evaluator = _SplitEvaluator(checkpoint, methods, beam)
    count = min(max_perturbation_images, len(split.samples))
    perturbed = {index * len(split.samples) // count for index in range(count)}  # rows, evenly spread
    errors: dict[str, str] = {}
    for row, sample in enumerate(split.samples):
        try:
            image = open_image(sample.image, MAX_SIDE)
        except ImageError as error:
            errors[str(sample.image)] = str(error)
            continue
        finally:
            advance()
        evaluator.evaluate(sample, image, split.boxes(sample), perturb=row in perturbed)
    evaluator.evaluate_mosaics(max_perturbation_images)
    return {
        "images": len(split.samples),
        "steps": len(evaluator.centre),
        "steps_difficult": len(evaluator.centre.difficult()),
        "few": max_perturbation_images,
        "default": DEFAULT_METHOD,
        "exact_set": 100 * float(np.mean(evaluator.exact)) if evaluator.exact else None,
        "seconds_to_decode": evaluator.clock.mean,
        "methods": {name: method.report() for name, method in evaluator.by_method.items()},
        "baselines": {"centre": evaluator.centre.pointing()},
        "targets": {name: target.box_metrics() for name, target in evaluator.by_target.items()},
        "prefix": evaluator.prefix.report(),
        "present": evaluator.present.report(),
        "errors": errors,
    }


def check_methods(names: Sequence[str]) -> None:
    """Raises UserError for an unknown method."""
    if unknown := set(names) - METHODS.keys():
        meant = did_you_mean(min(unknown), [*METHODS, "all"])
        raise UserError(f"no method '{min(unknown)}'; {meant}choose from {', '.join(METHODS)}, or all")


class _SplitEvaluator:
    """Decodes the images of a split and lets every evaluator see each of them."""

    def __init__(self, checkpoint: Checkpoint, methods: Sequence[str], beam: int) -> None:
        self.checkpoint, self.beam = checkpoint, beam
        self.by_method = {method: MapEvaluator(checkpoint, method) for method in methods}
        self.by_target = {name: MapEvaluator(checkpoint, DEFAULT_METHOD, target) for name, target in TARGETS.items()}
        self.prefix, self.present = PrefixEvaluator(checkpoint), PresentLabelEvaluator(checkpoint)
        self.centre = StepRecords()
        self.exact: list[bool] = []  # of each image
        self.single_label: list[tuple[Sample, str]] = []  # images with one label, of which mosaics are made
        self.clock = _Clock()  # of decoding

    def evaluate(self, sample: Sample, image: Image.Image, boxes: Boxes, perturb: bool) -> None:
        """Decode an image and evaluate the maps of its best path; deletion, insertion and the sanity check, which need
        many passes, only with `perturb`."""
        with self.clock:
            decoded = decode_with_boxes(self.checkpoint, image, boxes, self.beam)
            decoded = replace(decoded, ignored=frozenset(sample.ignored))
        if len(boxes) == 1:
            self.single_label.append((sample, next(iter(boxes))))
        self.exact.append(decoded.is_exact)
        for step in decoded.true_positives:
            self.centre.add(decoded, step, pointing=decoded.hits(decoded.centre, step))
        for evaluator in (*self.by_method.values(), *self.by_target.values()):
            evaluator.evaluate(decoded)
        self.prefix.evaluate(decoded)
        self.present.evaluate(decoded)
        if perturb:
            for evaluator in self.by_method.values():
                evaluator.evaluate_faithfulness(decoded)

    def evaluate_mosaics(self, count: int) -> None:
        """Play the pointing game on `count` grids of the images with one label."""
        side = self.checkpoint.model.backbone.config.image_size
        for image, cells in mosaics(self.single_label, count, side):
            grid = decode_with_boxes(self.checkpoint, image, cells, self.beam)
            for evaluator in self.by_method.values():
                evaluator.evaluate_mosaic(grid)


class _Clock:
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


class StepRecords:
    """The metrics of many steps, and their means.

    The mean of a metric is over the records that have it, and None if none has it.
    """

    def __init__(self, records: list[Record] | None = None) -> None:
        self.records = records or []

    def __len__(self) -> int:
        return len(self.records)

    def add(self, decoded: DecodedImage, step: int, **metrics: float | bool | None) -> None:
        """Record the metrics of a step, without those that are None: they are not defined for it."""
        known = {key: value for key, value in metrics.items() if value is not None}
        attributes = {
            "label": decoded.names[step],
            "difficult": step in decoded.true_positives and decoded.is_difficult(step),
        }
        self.records.append({**attributes, **known})

    def difficult(self) -> StepRecords:
        return StepRecords([record for record in self.records if record["difficult"]])

    def by_label(self, key: str) -> dict[str, float]:
        """Label -> the mean over its steps, in percent."""
        values_by_label: dict[str, list[float]] = {}
        for record in self.records:
            if key in record:
                values_by_label.setdefault(record["label"], []).append(record[key])
        return {label: 100 * float(np.mean(values)) for label, values in sorted(values_by_label.items())}

    def over_labels(self, key: str) -> float | None:
        """Mean over the labels of their means, in percent."""
        means = self.by_label(key)
        return float(np.mean(list(means.values()))) if means else None

    def mean(self, key: str) -> float | None:
        """Mean over the steps, in the metric's own unit."""
        values = [record[key] for record in self.records if key in record]
        return float(np.mean(values)) if values else None

    def percent(self, key: str) -> float | None:
        """Mean over the steps, in percent."""
        mean = self.mean(key)
        return None if mean is None else 100 * mean

    def all_and_difficult(self, key: str) -> tuple[float | None, float | None]:
        """Mean over the labels, in percent, of all steps, and of the difficult ones."""
        return self.over_labels(key), self.difficult().over_labels(key)

    def pointing(self) -> PointingMetrics:
        difficult = self.difficult()
        return {
            "pointing": self.over_labels("pointing"),
            "pointing_difficult": difficult.over_labels("pointing"),
            "pointing_steps": self.percent("pointing"),
            "pointing_steps_difficult": difficult.percent("pointing"),
        }


class MapEvaluator:
    """Evaluates the maps of one method and target, image by image; `report` returns the metrics."""

    def __init__(self, checkpoint: Checkpoint, method: str, target: Callable[..., Tensor] = log_odds) -> None:
        self.checkpoint, self.method, self.target = checkpoint, method, target
        self.steps, self.mosaics, self.false_positives = StepRecords(), StepRecords(), StepRecords()
        self.clock = _Clock()
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


def decode_with_boxes(checkpoint: Checkpoint, image: Image.Image, boxes: Boxes, beam: int) -> DecodedImage:
    """The best path of beam search for an RGB image, with the boxes of its labels, in the image's own pixels."""
    pixels = checkpoint.model.backbone.preprocess(image).to(checkpoint.model.device)
    feature_map, feature = encode(checkpoint.model, pixels.unsqueeze(0))
    trace = decode_image(checkpoint, feature[0], beam)
    tokens = trace.paths[0].tokens
    return DecodedImage(image.size, pixels, feature_map[0], tokens, tuple(trace.names(tokens)), boxes)
