"""Deletion and insertion of images whose areas are known, models with random weights, and mosaics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample, images, load_split
from cnnrnn.evaluation import perturbations
from cnnrnn.evaluation.map_metrics import box_mask
from cnnrnn.evaluation.perturbations import deletion_insertion_auc, mosaics, randomized_models
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN

LABELS = ("circle", "star", "cross", "square", "diamond")


@pytest.fixture(scope="module")
def model(untrained_spatial: Callable[[Sequence[str]], Checkpoint]) -> CNNRNN:
    return untrained_spatial(LABELS).rnn


# Random models


def test_random_models_have_a_random_head_or_random_weights_everywhere(model: CNNRNN) -> None:
    state = torch.random.get_rng_state()
    head, everything = randomized_models(model, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)  # the process' generator is not touched
    assert head.backbone is model.backbone
    assert everything.backbone is not model.backbone
    assert everything.backbone.config.image_size == model.backbone.config.image_size
    for name, weights in model.named_parameters():
        if weights.ndim < 2:
            continue  # biases and scales start alike
        assert torch.equal(weights, head.get_parameter(name)) == name.startswith("backbone."), name
        assert not torch.equal(weights, everything.get_parameter(name)), name
    assert head.config == everything.config == model.config
    assert not head.training
    assert not everything.training
    again, other = randomized_models(model, seed=1)[0], randomized_models(model, seed=2)[0]
    assert torch.equal(head.U_I.weight, again.U_I.weight)
    assert not torch.equal(head.U_I.weight, other.U_I.weight)


def test_a_folded_backbone_has_a_random_counterpart(model: CNNRNN) -> None:
    """Folding needs statistics, which random weights have not."""
    backbone = Backbone(BackboneConfig.of("test_byobnet", 64))
    backbone.fold_batch_norm()
    everything = randomized_models(CNNRNN(model.config, backbone).eval(), seed=1)[1]
    assert backbone.config.folded
    assert not everything.backbone.config.folded


# Deletion and insertion


SIDE = 40


def left_half(value: float) -> Tensor:
    """An image with this value in its left half and 0 in its right one."""
    image = torch.zeros(3, SIDE, SIDE)
    image[:, :, : SIDE // 2] = value
    return image


def curves(monkeypatch: pytest.MonkeyPatch, image: Tensor, values: np.ndarray, step: int) -> tuple[float, float]:
    """Deletion and insertion of a model whose probability is the mean of the left half, at the second of three steps;
    at the others it is 0.01."""

    def scores(model: object, tokens: Sequence[int], target: object) -> Callable[[Tensor], Tensor]:
        assert (tokens, target) == ((0, 1), perturbations.log_probability)

        def log_probs(maps: Tensor) -> Tensor:
            by_step = maps[..., : SIDE // 2].mean(dim=(1, 2, 3)).view(-1, 3).clone()
            by_step[:, [0, 2]] = 0.01
            return by_step.flatten().log()

        return log_probs

    monkeypatch.setattr(perturbations, "encode", lambda model, images: (images, None))
    monkeypatch.setattr(perturbations, "step_scores", scores)
    return deletion_insertion_auc(None, image, (0, 1), step, values)  # type: ignore[arg-type]


def test_deletion_is_the_area_under_the_probability_while_pixels_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps of a tenth: 1 .8 .6 .4 .2 0 0 0 0 0 0 where the evidence is in the left half, which five steps take."""
    left = left_half(1.0)[0].numpy()
    assert curves(monkeypatch, left_half(1.0), left, step=1)[0] == pytest.approx(0.25)
    assert curves(monkeypatch, left_half(1.0), -left, step=1)[0] == pytest.approx(0.75)  # 1 1 1 1 1 1 .8 .6 .4 .2 0
    assert curves(monkeypatch, left_half(0.5), left, step=1)[0] == pytest.approx(0.125)
    assert curves(monkeypatch, left_half(1.0), left, step=0) == pytest.approx((0.01, 0.01))
    coarse = np.array([[1.0, 0.0], [1.0, 0.0]])  # is brought to the image's size
    assert curves(monkeypatch, left_half(1.0), coarse, step=1)[0] == pytest.approx(0.25)


def test_insertion_is_the_area_under_the_probability_while_a_blurred_image_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The blur by Pillow, of another implementation: sigma is a 45th of the side."""
    image = Image.fromarray((255 * left_half(1.0)[0].numpy()).astype(np.uint8))
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(SIDE / 45)))[:, : SIDE // 2].mean() / 255
    assert blurred < 0.99
    left = left_half(1.0)[0].numpy()
    # Column by column within a half, or row by row: rows, as the first pixel of equal ones comes first.
    points = np.array([blurred + (1 - blurred) * min(part / 5, 1) for part in range(11)])
    expected = (points[0] / 2 + points[1:-1].sum() + points[-1] / 2) / 10
    assert curves(monkeypatch, left_half(1.0), left, step=1)[1] == pytest.approx(expected, abs=1e-3)
    points = np.array([blurred + (1 - blurred) * max(part / 5 - 1, 0) for part in range(11)])
    expected = (points[0] / 2 + points[1:-1].sum() + points[-1] / 2) / 10
    assert curves(monkeypatch, left_half(1.0), -left, step=1)[1] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("side", "reach"), [(40, 5), (72, 9)])
def test_the_blur_of_insertion_is_a_gaussian_both_ways(side: int, reach: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A point of light in the middle: what is left in its pixel, and around it, after no pixel has come back.

    The kernel reaches an eighth of the side in each direction.
    """
    seen: list[Tensor] = []

    def keep(model: object, images: Tensor) -> tuple[Tensor, None]:
        seen.append(images)
        return images, None

    image, middle = torch.zeros(3, side, side), side // 2
    image[:, middle, middle] = 1
    monkeypatch.setattr(perturbations, "step_scores", lambda *_: lambda maps: maps.flatten(1).sum(dim=1))
    monkeypatch.setattr(perturbations, "encode", keep)
    deletion_insertion_auc(None, image, (0,), 0, image[0].numpy())  # type: ignore[arg-type]
    deleted, inserted = seen
    assert len(deleted) == len(inserted) == 11
    assert (deleted[0] == image).all()
    assert (deleted[-1] == 0).all()
    assert (inserted[-1] == image).all()
    distances = np.arange(-reach, reach + 1)
    profile = np.exp(-(distances**2) / (2 * (side / 45) ** 2))
    profile /= profile.sum()
    expected = np.zeros((side, side))
    inside = slice(middle - reach, middle + reach + 1)
    expected[inside, inside] = np.outer(profile, profile)
    np.testing.assert_allclose(inserted[0, 1].numpy(), expected, atol=1e-6)
    assert np.flatnonzero(inserted[0, 1, middle].numpy()).tolist() == list(range(side))[inside]


def test_deleting_the_right_pixels_costs_the_label_and_inserting_them_saves_it(
    loaded: Checkpoint, scenes_root: Path
) -> None:
    split = load_split("scenes", scenes_root, "test")
    assert split.boxes is not None
    circles = [sample for sample in split.samples if sample.labels == {"circle"}]
    assert len(circles) == 4
    areas = []
    for sample in circles:
        opened = Image.open(sample.image)
        image = loaded.model.backbone.preprocess(opened)
        circle = loaded.vocabulary.labels.index("circle")
        on_it = box_mask(split.boxes(sample)["circle"], opened.size).astype(np.float32)
        areas.append([deletion_insertion_auc(loaded.rnn, image, (circle,), 0, map_) for map_ in (on_it, -on_it)])
    # On average: how a single image reacts depends on the last bits of the weights.
    (deletion, insertion), (late, slow) = np.mean(areas, axis=0)
    assert deletion < late - 0.1
    assert insertion > slow


# Mosaics


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Sample, str]]:
    """Two images of each of five labels, in one colour each: red is the label's, green the image's."""
    folder, found = tmp_path_factory.mktemp("plain"), []
    for number, label in enumerate(LABELS):
        for green in (0, 200):
            file = folder / f"{label}{green}.png"
            Image.new("RGB", (30, 20), (50 * number, green, 7)).save(file)
            found.append((Sample(file, (label,)), label))
    return found


def test_a_mosaic_has_four_labels_each_in_its_cell(plain: list[tuple[Sample, str]]) -> None:
    seen, together = set(), set()
    for image, boxes in mosaics(plain, 20, 65):
        assert image.size == (64, 64)  # of two equal halves
        pixels = np.asarray(image)
        cells = {(0, 0, 32, 32), (32, 0, 64, 32), (0, 32, 32, 64), (32, 32, 64, 64)}
        assert {box for (box,) in boxes.values()} == cells
        together.add(frozenset(boxes))
        for label, ((left, top, right, bottom),) in boxes.items():
            cell = pixels[top:bottom, left:right].reshape(-1, 3)  # type: ignore[misc]
            assert (cell == cell[0]).all()
            assert cell[0, 0] == 50 * LABELS.index(label)
            seen.add((label, cell[0, 1]))
    assert len(seen) == 10  # every image has its turn
    assert len(together) == 5  # and every four labels


def test_mosaics_are_as_many_as_asked_for_and_the_same_again(plain: list[tuple[Sample, str]]) -> None:
    first, again = (list(mosaics(plain, 3, 64)) for _ in range(2))
    assert len(first) == 3
    assert [boxes for _, boxes in first] == [boxes for _, boxes in again]
    assert [image.tobytes() for image, _ in first] == [image.tobytes() for image, _ in again]
    assert len(list(mosaics(plain[:8], 3, 64))) == 3  # four labels are enough
    assert list(mosaics(plain[:6], 3, 64)) == []


def test_mosaics_take_photos_that_are_opened_at_a_smaller_scale_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    for label in LABELS:
        Image.new("RGB", (30, 20)).save(tmp_path / f"{label}.jpg")
    assert len(list(mosaics([(Sample(tmp_path / f"{label}.jpg", (label,)), label) for label in LABELS], 2, 64))) == 2
