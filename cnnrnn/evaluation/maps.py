"""Evaluation of attribution maps, by every method, on a data set with boxes.

The true positive steps of the best path are evaluated: the map of each is compared with the boxes of its label.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import auc
from torch import Tensor
from torchvision.transforms.v2 import functional

from cnnrnn.attribution.explain import explain, step_scores
from cnnrnn.attribution.methods import DEFAULT_METHOD, METHODS
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.attribution.targets import TARGETS, log_odds, log_probability
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Box, Boxes, DataError, Sample, Split
from cnnrnn.data.images import ImageError, open_image
from cnnrnn.evaluation.map_metrics import (
    TOLERANCE,
    box_mask,
    energy_inside,
    peak,
    pointing_hit,
    prefers_own_mask,
    rank_correlation,
    top_fraction_masks,
)
from cnnrnn.evaluation.reports import (
    BoxMetrics,
    MapsReport,
    MethodMetrics,
    PointingMetrics,
    PrefixMetrics,
    PrefixReport,
)
from cnnrnn.inference.predictor import decode_image, encode
from cnnrnn.models.backbone import Backbone
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.utils.errors import UserError

DIFFICULT = 0.25  # a step is difficult if its label's boxes cover less than this fraction of the image
PERTURBATION_STEPS = 10  # of deletion and insertion
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
    pointing by label. step_shift is how often a step's map prefers its own label's boxes to those of the label before
    it. For at most `max_perturbation_images` images, evenly spread over the split: deletion and insertion (areas under
    the curve of the step's probability), and sanity_head and sanity_all (rank correlation with the maps of models with
    random weights). mosaic is pointing on as many 2 × 2 grids of images with one label each. on_another_label is the
    percentage of the false positive steps whose map points at another label of the image.

    ``baselines`` has pointing of the image's centre, ``targets`` the default method for every target, and ``prefix``
    how much a step's map depends on the labels before it. exact_set is the exact match of the best paths, few is
    `max_perturbation_images`. `advance` is called after every image.

    Raises DataError if the split has no boxes, UserError for an unknown method.
    """
    if split.boxes is None:
        raise DataError(f"{split.name} has no boxes; use voc2007, voc2012, voc0712 or coco")
    if unknown := set(methods) - METHODS.keys():
        raise UserError(f"no method '{min(unknown)}'; choose from {', '.join(METHODS)}, or all")
    by_method = {method: MapEvaluator(checkpoint, method) for method in methods}
    by_target = {name: MapEvaluator(checkpoint, DEFAULT_METHOD, target) for name, target in TARGETS.items()}
    prefix, centre = PrefixEvaluator(checkpoint), StepRecords()
    single_label: list[tuple[Sample, str]] = []
    clock, errors, exact = _Clock(), {}, []
    count = min(max_perturbation_images, len(split.samples))
    perturbed = {index * len(split.samples) // count for index in range(count)}  # rows, evenly spread
    for row, sample in enumerate(split.samples):
        try:
            image = open_image(sample.image)
        except ImageError as error:
            errors[str(sample.image)] = str(error)
            continue
        finally:
            advance()
        boxes = split.boxes(sample)
        with clock:
            decoded = replace(decode_with_boxes(checkpoint, image, boxes, beam), ignored=frozenset(sample.ignored))
        if len(boxes) == 1:
            single_label.append((sample, next(iter(boxes))))
        exact.append(decoded.is_exact)
        for step in decoded.true_positives:
            middle = (decoded.size[0] / 2, decoded.size[1] / 2)
            centre.add(decoded, step, pointing=decoded.hits(middle, step))
        for evaluator in (*by_method.values(), *by_target.values()):
            evaluator.evaluate(decoded)
        prefix.evaluate(decoded)
        if row in perturbed:
            for evaluator in by_method.values():
                evaluator.evaluate_faithfulness(decoded)
    for image, cells in mosaics(single_label, max_perturbation_images, checkpoint.model.backbone.config.image_size):
        grid = decode_with_boxes(checkpoint, image, cells, beam)
        for evaluator in by_method.values():
            evaluator.evaluate_mosaic(grid)
    return {
        "images": len(split.samples),
        "steps": len(centre),
        "steps_difficult": len(centre.difficult()),
        "few": max_perturbation_images,
        "default": DEFAULT_METHOD,
        "exact_set": 100 * float(np.mean(exact)) if exact else None,
        "seconds_to_decode": clock.mean,
        "methods": {name: evaluator.report() for name, evaluator in by_method.items()},
        "baselines": {"centre": centre.pointing()},
        "targets": {name: evaluator.box_metrics() for name, evaluator in by_target.items()},
        "prefix": prefix.report(),
        "errors": errors,
    }


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
        pointing, difficult = self.all_and_difficult("pointing")
        return {"pointing": pointing, "pointing_difficult": difficult}


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
        return explanation.maps[:-1].cpu().numpy()

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
            deletion, insertion = deletion_insertion_auc(self.checkpoint.rnn, decoded, step, maps[step])
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
        maps = explain(model, feature_map, decoded.tokens).maps.cpu().numpy()
        diagonal = float(np.hypot(*decoded.size))
        for step in decoded.true_positives:
            if step == 0:
                continue
            first = explain(model, feature_map, decoded.tokens[step : step + 1]).maps[0].cpu().numpy()
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


def decode_with_boxes(checkpoint: Checkpoint, image: Image.Image, boxes: Boxes, beam: int) -> DecodedImage:
    """The best path of beam search for an RGB image, with the boxes of its labels, in the image's own pixels."""
    pixels = checkpoint.model.backbone.preprocess(image).to(checkpoint.model.device)
    feature_map, feature = encode(checkpoint.model, pixels.unsqueeze(0))
    trace = decode_image(checkpoint, feature[0], beam)
    tokens = trace.paths[0].tokens
    return DecodedImage(image.size, pixels, feature_map[0], tokens, tuple(trace.names(tokens)), boxes)


def mosaics(single_label: list[tuple[Sample, str]], count: int, side: int) -> Iterator[tuple[Image.Image, Boxes]]:
    """`count` grids of 2 × 2 images with one label each, and the cell of each label as its box.

    `single_label` has images and their only label. The four labels of a grid differ; with fewer than four labels
    there are no grids. A grid is `side` pixels wide and high, or one less if `side` is odd. The seed is fixed.
    """
    by_label: dict[str, list[Sample]] = {}
    for sample, label in single_label:
        by_label.setdefault(label, []).append(sample)
    rng = np.random.default_rng(0)
    half = side // 2
    for _ in range(count if len(by_label) >= 4 else 0):
        grid, boxes = Image.new("RGB", (2 * half, 2 * half)), Boxes()
        labels = rng.choice(sorted(by_label), 4, replace=False).tolist()
        for label, corner in zip(labels, ((0, 0), (half, 0), (0, half), (half, half)), strict=True):
            sample = by_label[label][rng.integers(len(by_label[label]))]
            grid.paste(open_image(sample.image).resize((half, half), Image.Resampling.BICUBIC), corner)
            boxes[label] = [(*corner, corner[0] + half, corner[1] + half)]
        yield grid, boxes


@torch.no_grad()
def deletion_insertion_auc(model: CNNRNN, decoded: DecodedImage, step: int, values: np.ndarray) -> tuple[float, float]:
    """Deletion and insertion (Petsiuk et al., BMVC 2018) by a step's map, values (height, width) on any grid: the areas
    under the step's probability, 0 to 1, while the pixels with the most evidence are set to the data set's mean colour,
    or inserted into a blurred image, a tenth of them at a time."""
    image = decoded.image
    side = image.shape[-1]
    by_part = np.stack(top_fraction_masks(resize_map(values, (side, side)), PERTURBATION_STEPS))
    masks = torch.from_numpy(by_part).unsqueeze(1).to(image.device)  # (part, 1, size, size)
    blurred, kernel = image, side // 8 * 2 + 1
    for kernel_size in ([kernel, 1], [1, kernel]):  # the blur is separable: a hundredth of the time of a square kernel
        blurred = functional.gaussian_blur(blurred, kernel_size=kernel_size, sigma=[side / 45] * 2)
    deleted = torch.cat([image.unsqueeze(0), torch.where(masks, 0.0, image)])
    inserted = torch.cat([blurred.unsqueeze(0), torch.where(masks, image, blurred)])
    scores = step_scores(model, decoded.tokens, log_probability)
    areas = []
    for images in (deleted, inserted):
        feature_maps = encode(model, images)[0].repeat_interleave(len(decoded.tokens) + 1, dim=0)
        probs = scores(feature_maps).view(len(images), -1)[:, step].exp()  # (part + 1,)
        areas.append(float(auc(np.linspace(0, 1, len(images)), probs.cpu().numpy())))
    return areas[0], areas[1]


def randomized_models(model: CNNRNN, seed: int) -> tuple[CNNRNN, CNNRNN]:
    """The sanity check's models (Adebayo et al., NeurIPS 2018), in eval mode: with random weights in the head, above
    the same backbone, and with random weights everywhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = CNNRNN(model.config, model.backbone)
        everything = CNNRNN(model.config, Backbone(replace(model.backbone.config, folded=False)))
    return head.to(model.device).eval(), everything.to(model.device).eval()
