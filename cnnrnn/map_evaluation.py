"""Do a model's maps point at the right thing? All its methods on a data set that has boxes -> one report.

What is judged are the label steps of the best path that are true positives, against the boxes of the step's label.
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

from cnnrnn.attribution import explain, step_scores
from cnnrnn.backbones import Backbone
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Box, Boxes, DataError, Sample, Split
from cnnrnn.errors import UserError
from cnnrnn.images import ImageError, open_image
from cnnrnn.map_metrics import (
    TOLERANCE,
    energy_inside,
    hottest_first,
    inside,
    peak,
    points_into,
    prefers,
    rank_correlation,
)
from cnnrnn.methods import DEFAULT_METHOD, METHODS
from cnnrnn.model import CNNRNN
from cnnrnn.overlay import stretched
from cnnrnn.prediction import decode_picture, encode
from cnnrnn.targets import TARGETS, log_odds, log_probability

DIFFICULT = 0.25  # share of the picture that a label's boxes must not reach for its step to count as difficult
_PARTS = 10  # in which pixels are taken away or put back
_RANDOM_MODELS = 3  # that the sanity check compares with

Record = dict[str, Any]  # what one method's map of one step was worth
Maps = np.ndarray  # (step, height, width), on any grid


@dataclass(frozen=True)
class Decoded:
    """A picture, the best path for it, and where the labels are that it names."""

    size: tuple[int, int]  # of the picture: width, height
    image: Tensor  # preprocessed: (3, size, size)
    feature_map: Tensor  # (channel, height, width)
    tokens: tuple[int, ...]  # the best path
    names: tuple[str, ...]  # of its labels
    boxes: Boxes  # of all labels that the picture has
    ignored: frozenset[str] = frozenset()  # labels that are neither right nor wrong here

    @property
    def right(self) -> list[int]:
        """The steps that are true positives."""
        return [step for step, name in enumerate(self.names) if name in self.boxes]

    @property
    def wrong(self) -> list[int]:
        """The steps that are false positives."""
        known = self.boxes.keys() | self.ignored
        return [step for step, name in enumerate(self.names) if name not in known]

    @property
    def exact(self) -> bool:
        """Whether the path names all labels that the picture has, and no other."""
        return not self.wrong and self.boxes.keys() - self.ignored <= set(self.names)

    @property
    def tolerance(self) -> float:
        return TOLERANCE * max(self.size)

    def own(self, step: int) -> list[Box]:
        return self.boxes[self.names[step]]

    @cached_property
    def masks(self) -> dict[int, np.ndarray]:
        """Of every step that is right, the pixels of its label: bool (height, width); for all methods."""
        return {step: inside(self.own(step), self.size) for step in self.right}

    def is_difficult(self, step: int) -> bool:
        """Whether the label is small and not alone."""
        return len(self.boxes) > 1 and self.masks[step].mean() < DIFFICULT

    def hits(self, point: tuple[float, float] | None, step: int) -> bool:
        return points_into(point, self.own(step), self.tolerance)


def evaluate_maps(
    checkpoint: Checkpoint,
    split: Split,
    methods: Sequence[str] = tuple(METHODS),
    beam: int = 8,
    few: int = 100,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Judge the maps of every method; percentages 0-100, correlations -1 to 1.

    Under ``methods``, each has: pointing, pointing_difficult and energy, means over the labels; per_label, its
    pointing; swap_pointing and swap_pointing_difficult, what the map of another step of the same path would have
    had; step_shift, how often a step's map prefers its own label's boxes to those of the label before it; of `few`
    pictures deletion and insertion (areas under the curve of the step's probability), sanity_head and sanity_all
    (rank correlation with the maps of the model with random weights); mosaic, of `few` 2 × 2 grids of pictures with
    one label each; on_another_label, of the steps that are false positives those that point at a label that is there;
    seconds_per_image. ``baselines`` has the picture's centre, ``targets`` the default method for every target,
    ``prefix`` how much a step's map owes to the labels before it; exact_set is of the
    paths that were explained. `advance` is called after every picture.

    Raises DataError if the split has no boxes, UserError for an unknown method.
    """
    if split.boxes is None:
        raise DataError(f"{split.name} doesn't say where its objects are; take voc2007, voc2012, voc0712 or coco")
    if unknown := set(methods) - METHODS.keys():
        raise UserError(f"no method '{min(unknown)}'; choose from {', '.join(METHODS)}, or all")
    judges = {method: _Judge(checkpoint, method) for method in methods}
    targets = {name: _Judge(checkpoint, DEFAULT_METHOD, target) for name, target in TARGETS.items()}
    prefix, centre = _Prefix(checkpoint), _Records()
    singles: list[tuple[Sample, str]] = []
    clock, errors, exact = _Clock(), {}, []
    every = max(1, len(split.samples) // few)
    for row, sample in enumerate(split.samples):
        try:
            picture = open_image(sample.image)
        except ImageError as error:
            errors[str(sample.image)] = str(error)
            continue
        finally:
            advance()
        boxes = split.boxes(sample)
        with clock:
            decoded = replace(_decode(checkpoint, picture, boxes, beam), ignored=frozenset(sample.ignored))
        if len(boxes) == 1:
            singles.append((sample, next(iter(boxes))))
        exact.append(decoded.exact)
        for step in decoded.right:
            middle = (decoded.size[0] / 2, decoded.size[1] / 2)
            centre.add(decoded, step, pointing=decoded.hits(middle, step))
        for judge in (*judges.values(), *targets.values()):
            judge.judge(decoded)
        prefix.judge(decoded)
        if row % every == 0:
            for judge in judges.values():
                judge.probe(decoded)
    for picture, cells in _mosaics(singles, few, checkpoint.model.backbone.config.image_size):
        grid = _decode(checkpoint, picture, cells, beam)
        for judge in judges.values():
            judge.judge_mosaic(grid)
    return {
        "images": len(split.samples),
        "steps": len(centre),
        "steps_difficult": len(centre.difficult()),
        "few": few,
        "default": DEFAULT_METHOD,
        "exact_set": 100 * float(np.mean(exact)) if exact else None,
        "seconds_to_decode": clock.mean,
        "methods": {name: judge.report() for name, judge in judges.items()},
        "baselines": {"centre": centre.pointing()},
        "targets": {name: judge.report(shared=True) for name, judge in targets.items()},
        "prefix": prefix.report(),
        "errors": errors,
    }


class _Clock:
    """Mean seconds of the blocks that it timed."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds.append(time.perf_counter() - self.started)

    @property
    def mean(self) -> float:
        return float(np.mean(self.seconds)) if self.seconds else 0.0


class _Records:
    """What was found at many steps, and its means."""

    def __init__(self, records: list[Record] | None = None) -> None:
        self.records = records or []

    def __len__(self) -> int:
        return len(self.records)

    def add(self, decoded: Decoded, step: int, **found: float | bool | None) -> None:
        """What is None can't be told of this step."""
        known = {key: value for key, value in found.items() if value is not None}
        about = {"label": decoded.names[step], "difficult": step in decoded.right and decoded.is_difficult(step)}
        self.records.append({**about, **known})

    def difficult(self) -> _Records:
        return _Records([record for record in self.records if record["difficult"]])

    def by_label(self, key: str) -> dict[str, float]:
        """Percent, of every label that has any."""
        found: dict[str, list[float]] = {}
        for record in self.records:
            if key in record:
                found.setdefault(record["label"], []).append(record[key])
        return {label: 100 * float(np.mean(values)) for label, values in sorted(found.items())}

    def over_labels(self, key: str) -> float | None:
        """Mean over the labels, in percent."""
        means = self.by_label(key)
        return float(np.mean(list(means.values()))) if means else None

    def mean(self, key: str) -> float | None:
        """Over the steps."""
        values = [record[key] for record in self.records if key in record]
        return float(np.mean(values)) if values else None

    def percent(self, key: str) -> float | None:
        mean = self.mean(key)
        return None if mean is None else 100 * mean

    def pointing(self, key: str = "pointing") -> dict[str, float | None]:
        return {key: self.over_labels(key), f"{key}_difficult": self.difficult().over_labels(key)}


class _Judge:
    """One method's (and target's) maps."""

    def __init__(self, checkpoint: Checkpoint, method: str, target: Callable[..., Tensor] = log_odds) -> None:
        self.checkpoint, self.method, self.target = checkpoint, method, target
        self.steps, self.mosaics, self.wrong, self.clock = _Records(), _Records(), _Records(), _Clock()
        self.random_models: list[tuple[CNNRNN, CNNRNN]] = []

    def maps(self, decoded: Decoded, model: CNNRNN | None = None) -> Maps:
        """Of all label steps, on the method's own grid."""
        if model is None:
            model, feature_map = self.checkpoint.rnn, decoded.feature_map
        else:
            feature_map = encode(model, decoded.image.unsqueeze(0))[0][0]
        explained = explain(model, feature_map, decoded.tokens, self.method, self.target, decoded.image)
        return explained.maps[:-1].cpu().numpy()

    def judge(self, decoded: Decoded) -> None:
        """Against boxes: every label step of the path."""
        if not decoded.tokens:
            return
        with self.clock:
            found = self.maps(decoded)
        maps = [stretched(values, decoded.size) for values in found]
        points = [peak(values) for values in maps]
        there = [box for boxes in decoded.boxes.values() for box in boxes]
        for step in decoded.wrong:
            self.wrong.add(decoded, step, on_another_label=points_into(points[step], there, decoded.tolerance))
        masks = decoded.masks
        for step, mask in masks.items():
            another = points[(step + 1) % len(maps)] if len(maps) > 1 else None
            self.steps.add(
                decoded,
                step,
                pointing=decoded.hits(points[step], step),
                energy=energy_inside(maps[step], mask),
                swap_pointing=decoded.hits(another, step) if len(maps) > 1 else None,
                step_shift=prefers(maps[step], mask, masks[step - 1]) if step - 1 in masks else None,
            )

    def probe(self, decoded: Decoded) -> None:
        """Against the model itself: what it says without the evidence, and what its maps are without its weights."""
        if not decoded.right:
            return
        maps = self.maps(decoded)
        randomised = [self.maps(decoded, model) for model in self._next_random()]
        for step in decoded.right:
            head, everything = (rank_correlation(maps[step], other[step]) for other in randomised)
            deletion, insertion = _areas(self.checkpoint.rnn, decoded, step, maps[step])
            self.steps.add(
                decoded, step, sanity_head=head, sanity_all=everything, deletion=deletion, insertion=insertion
            )

    def _next_random(self) -> tuple[CNNRNN, CNNRNN]:
        """The model with a random head, and with nothing but random weights; several take turns."""
        if len(self.random_models) < _RANDOM_MODELS:
            self.random_models.append(_randomised(self.checkpoint.rnn, seed=len(self.random_models)))
        else:
            self.random_models.append(self.random_models.pop(0))
        return self.random_models[-1]

    def judge_mosaic(self, grid: Decoded) -> None:
        if not grid.right:
            return
        maps = self.maps(grid)
        for step in grid.right:
            self.mosaics.add(grid, step, mosaic=grid.hits(peak(stretched(maps[step], grid.size)), step))

    def report(self, shared: bool = False) -> dict[str, Any]:
        """Its figures; `shared` are those that every picture has a part in."""
        steps = self.steps
        figures: dict[str, Any] = {
            **steps.pointing(),
            "energy": steps.over_labels("energy"),
            "step_shift": steps.percent("step_shift"),
            **steps.pointing("swap_pointing"),
        }
        if shared:
            return figures
        return {
            **figures,
            "deletion": steps.percent("deletion"),
            "insertion": steps.percent("insertion"),
            "mosaic": self.mosaics.percent("mosaic"),
            "sanity_head": steps.mean("sanity_head"),
            "sanity_all": steps.mean("sanity_all"),
            "seconds_per_image": self.clock.mean,
            "per_label": steps.by_label("pointing"),
            "false_positives": len(self.wrong),
            "on_another_label": self.wrong.percent("on_another_label"),
        }


class _Prefix:
    """What a step's map, by the default method, owes to the labels emitted before it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self.records = checkpoint, _Records()

    def judge(self, decoded: Decoded) -> None:
        model, feature_map = self.checkpoint.rnn, decoded.feature_map
        if len(decoded.right) < 2:
            return
        after = explain(model, feature_map, decoded.tokens).maps.cpu().numpy()
        diagonal = float(np.hypot(*decoded.size))
        for step in decoded.right:
            if step == 0:
                continue
            first = explain(model, feature_map, decoded.tokens[step : step + 1]).maps[0].cpu().numpy()
            points = [peak(stretched(values, decoded.size)) for values in (after[step], first)]
            moved = None if None in points else float(np.hypot(*np.subtract(*points))) / diagonal  # type: ignore[arg-type]
            self.records.add(
                decoded,
                step,
                moved=moved,
                alike=rank_correlation(after[step], first),
                other_step=rank_correlation(after[step], after[step - 1]),
            )
            self.records.records[-1]["pair"] = f"{decoded.names[step]} after {', '.join(decoded.names[:step])}"

    def report(self) -> dict[str, Any]:
        """Rank correlation of a step's map with that of the same label emitted first, how far its peak is moved
        (percent of the diagonal), and rank correlation with the map of the step before."""

        def figures(records: _Records) -> dict[str, Any]:
            return {
                "steps": len(records),
                "correlation_with_said_first": records.mean("alike"),
                "peak_moved": records.percent("moved"),
                "correlation_with_step_before": records.mean("other_step"),
            }

        pairs: dict[str, list[Record]] = {}
        for record in self.records.records:
            pairs.setdefault(record["pair"], []).append(record)
        common = sorted(pairs, key=lambda pair: -len(pairs[pair]))[:8]
        return {**figures(self.records), "pairs": {pair: figures(_Records(pairs[pair])) for pair in common}}


def _decode(checkpoint: Checkpoint, picture: Image.Image, boxes: Boxes, beam: int) -> Decoded:
    image = checkpoint.model.backbone.preprocess(picture).to(checkpoint.model.device)
    feature_map, feature = encode(checkpoint.model, image.unsqueeze(0))
    trace = decode_picture(checkpoint, feature[0], beam)
    tokens = trace.paths[0].tokens
    return Decoded(picture.size, image, feature_map[0], tokens, tuple(trace.names(tokens)), boxes)


def _mosaics(singles: list[tuple[Sample, str]], count: int, side: int) -> Iterator[tuple[Image.Image, Boxes]]:
    """2 × 2 grids of pictures with one label each, four different ones; a label's box is its cell."""
    by_label: dict[str, list[Sample]] = {}
    for sample, label in singles:
        by_label.setdefault(label, []).append(sample)
    dice = np.random.default_rng(0)
    half = side // 2
    for _ in range(count if len(by_label) >= 4 else 0):
        grid, boxes = Image.new("RGB", (2 * half, 2 * half)), Boxes()
        labels = dice.choice(sorted(by_label), 4, replace=False).tolist()
        for label, corner in zip(labels, ((0, 0), (half, 0), (0, half), (half, half)), strict=True):
            sample = by_label[label][dice.integers(len(by_label[label]))]
            grid.paste(open_image(sample.image).resize((half, half), Image.Resampling.BICUBIC), corner)
            boxes[label] = [(*corner, corner[0] + half, corner[1] + half)]
        yield grid, boxes


@torch.no_grad()
def _areas(model: CNNRNN, decoded: Decoded, step: int, values: np.ndarray) -> tuple[float, float]:
    """Deletion and insertion (Petsiuk et al., BMVC 2018): the areas under the step's probability while its hottest
    pixels become grey, or come back into a blurred picture. 0 to 1."""
    image = decoded.image
    side = image.shape[-1]
    masks = torch.from_numpy(np.stack(hottest_first(stretched(values, (side, side)), _PARTS))).unsqueeze(1)
    masks = masks.to(image.device)  # (part, 1, size, size)
    blurred = image
    for across in ([side // 8 * 2 + 1, 1], [1, side // 8 * 2 + 1]):  # one way and the other: a hundredth of the time
        blurred = functional.gaussian_blur(blurred, kernel_size=across, sigma=[side / 45] * 2)
    deleted = torch.cat([image.unsqueeze(0), torch.where(masks, 0.0, image)])
    inserted = torch.cat([blurred.unsqueeze(0), torch.where(masks, image, blurred)])
    scores = step_scores(model, decoded.tokens, log_probability)
    areas = []
    for images in (deleted, inserted):
        feature_maps = encode(model, images)[0].repeat_interleave(len(decoded.tokens) + 1, dim=0)
        probs = scores(feature_maps).view(len(images), -1)[:, step].exp()  # (part + 1,)
        areas.append(float(auc(np.linspace(0, 1, len(images)), probs.cpu().numpy())))
    return areas[0], areas[1]


def _randomised(model: CNNRNN, seed: int) -> tuple[CNNRNN, CNNRNN]:
    """The sanity check's models (Adebayo et al., NeurIPS 2018): the head with new weights, and everything."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = CNNRNN(model.config, model.backbone)
        everything = CNNRNN(model.config, Backbone(replace(model.backbone.config, folded=False)))
    return head.to(model.device).eval(), everything.to(model.device).eval()
