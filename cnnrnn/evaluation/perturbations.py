"""The perturbations that evaluate attribution maps: pixels deleted and inserted, grids of images, random weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import auc
from torch import Tensor
from torchvision.transforms.v2 import functional

from cnnrnn.attribution.explain import step_scores
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.attribution.targets import log_probability
from cnnrnn.data import Boxes, Sample
from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.evaluation.map_metrics import top_fraction_masks
from cnnrnn.inference.predictor import encode
from cnnrnn.models.backbone import Backbone
from cnnrnn.models.cnnrnn import CNNRNN

PERTURBATION_STEPS = 10  # of deletion and insertion


def mosaics(single_label: list[tuple[Sample, str]], count: int, side: int) -> Iterator[tuple[Image.Image, Boxes]]:
    """`count` grids of 2 × 2 images with one label each, and the cell of each label as its box.

    `single_label` has images and their only label. The four labels of a grid differ; with fewer than four labels
    there are no grids. A grid is `side` pixels wide and high, or one less if `side` is odd. The seed is fixed.
    Raises ImageError for an image that `open_image` can't open at MAX_SIDE.
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
            grid.paste(open_image(sample.image, MAX_SIDE).resize((half, half), Image.Resampling.BICUBIC), corner)
            boxes[label] = [(*corner, corner[0] + half, corner[1] + half)]
        yield grid, boxes


@torch.no_grad()
def deletion_insertion_auc(
    model: CNNRNN, image: Tensor, tokens: Sequence[int], step: int, values: np.ndarray
) -> tuple[float, float]:
    """Deletion and insertion (Petsiuk et al., BMVC 2018) by the map of a step of the path `tokens`.

    The areas under the step's probability, 0 to 1, while the pixels of the preprocessed `image` (3, size, size) with
    the most evidence are set to the data set's mean colour, or inserted into a blurred image, a tenth of them at a
    time. `values` (height, width) is the map, on any grid.
    """
    side = image.shape[-1]
    by_part = np.stack(top_fraction_masks(resize_map(values, (side, side)), PERTURBATION_STEPS))
    masks = torch.from_numpy(by_part).unsqueeze(1).to(image.device)  # (part, 1, size, size)
    blurred = _blur(image)
    deleted = torch.cat([image.unsqueeze(0), torch.where(masks, 0.0, image)])
    inserted = torch.cat([blurred.unsqueeze(0), torch.where(masks, image, blurred)])
    scores = step_scores(model, tokens, log_probability)
    areas = []
    for images in (deleted, inserted):
        feature_maps = encode(model, images)[0].repeat_interleave(len(tokens) + 1, dim=0)
        probs = scores(feature_maps).view(len(images), -1)[:, step].exp()  # (part + 1,)
        areas.append(float(auc(np.linspace(0, 1, len(images)), probs.cpu().numpy())))
    return areas[0], areas[1]


def _blur(image: Tensor) -> Tensor:
    """A Gaussian blur of an image (3, size, size), with a standard deviation of a 45th of its side."""
    side = image.shape[-1]
    kernel = side // 8 * 2 + 1
    for kernel_size in ([kernel, 1], [1, kernel]):  # the blur is separable: a hundredth of the time of a square kernel
        image = functional.gaussian_blur(image, kernel_size=kernel_size, sigma=[side / 45] * 2)
    return image


def randomized_models(model: CNNRNN, seed: int) -> tuple[CNNRNN, CNNRNN]:
    """The sanity check's models (Adebayo et al., NeurIPS 2018), in eval mode: with random weights in the head, above
    the same backbone, and with random weights everywhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = CNNRNN(model.config, model.backbone)
        everything = CNNRNN(model.config, Backbone(replace(model.backbone.config, folded=False)))
    return head.to(model.device).eval(), everything.to(model.device).eval()
