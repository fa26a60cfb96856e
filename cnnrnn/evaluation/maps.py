"""Evaluation of attribution maps, by every method, on a data set with boxes.

The true positive steps of the best path are evaluated: the map of each is compared with the boxes of its label. A
second protocol, that of published results, evaluates every label that is present, predicted or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from cnnrnn.attribution.methods import DEFAULT_METHOD, METHODS
from cnnrnn.attribution.targets import TARGETS
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Boxes, DataError, Sample, Split
from cnnrnn.data.images import MAX_SIDE, ImageError, open_image
from cnnrnn.evaluation.map_evaluators import Clock, MapEvaluator, PrefixEvaluator, PresentLabelEvaluator
from cnnrnn.evaluation.map_records import DecodedImage, StepRecords
from cnnrnn.evaluation.perturbations import mosaics
from cnnrnn.evaluation.reports import MapsReport
from cnnrnn.inference.predictor import decode_image, encode
from cnnrnn.utils.errors import UserError, did_you_mean


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
        self.clock = Clock()  # of decoding

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


def decode_with_boxes(checkpoint: Checkpoint, image: Image.Image, boxes: Boxes, beam: int) -> DecodedImage:
    """The best path of beam search for an RGB image, with the boxes of its labels, in the image's own pixels."""
    pixels = checkpoint.model.backbone.preprocess(image).to(checkpoint.model.device)
    feature_map, feature = encode(checkpoint.model, pixels.unsqueeze(0))
    trace = decode_image(checkpoint, feature[0], beam)
    tokens = trace.paths[0].tokens
    return DecodedImage(image.size, pixels, feature_map[0], tokens, tuple(trace.names(tokens)), boxes)
