"""The maps of a whole data set evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from map_helpers import BOXES, LABELS, boxes_of, decoded
from PIL import Image
from torch import Tensor

from cnnrnn.attribution.methods import METHODS
from cnnrnn.attribution.targets import TARGETS, log_odds
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Boxes, DataError, Sample, Split
from cnnrnn.evaluation import maps as map_evaluation
from cnnrnn.evaluation.map_evaluators import MapEvaluator, Maps, PrefixEvaluator, PresentLabelEvaluator
from cnnrnn.evaluation.map_metrics import box_mask
from cnnrnn.evaluation.map_records import DecodedImage
from cnnrnn.evaluation.maps import decode_with_boxes, evaluate_maps
from cnnrnn.inference.predictor import decode_image, encode
from cnnrnn.utils.errors import UserError


@pytest.fixture(scope="module")
def checkpoint(untrained_spatial: Callable[[Sequence[str]], Checkpoint]) -> Checkpoint:
    return untrained_spatial(LABELS)


def test_an_image_is_decoded_by_beam_search(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []

    def decode(checkpoint: Checkpoint, feature: Tensor, beam: int) -> Any:
        widths.append(beam)
        return decode_image(checkpoint, feature, beam)

    monkeypatch.setattr(map_evaluation, "decode_image", decode)
    opened = Image.effect_noise((30, 20), 90).convert("RGB")
    image = decode_with_boxes(checkpoint, opened, BOXES, 3)
    pixels = checkpoint.model.backbone.preprocess(opened)
    feature_map, feature = encode(checkpoint.model, pixels.unsqueeze(0))
    assert image.size == (30, 20)
    assert torch.equal(image.image, pixels)
    assert torch.equal(image.feature_map, feature_map[0])
    assert image.tokens == decode_image(checkpoint, feature[0], 3).paths[0].tokens
    assert image.names == tuple(LABELS[token] for token in image.tokens)
    assert image.boxes == BOXES
    assert widths == [3]


class Stub:
    """In place of decoding, explaining and perturbing: an image's path follows from its width, its maps light up what
    the path names, and what is asked for is noted."""

    def __init__(self, paths: dict[int, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = paths
        self.beams: set[int] = set()
        self.explained: list[tuple[int, str, object]] = []  # width, method, target
        self.perturbed: list[tuple[int, str]] = []  # width, method
        self.on_mosaics: list[tuple[int, str]] = []
        self.prefixes: list[int] = []
        self.present: list[int] = []
        self.mosaics: list[tuple[list[tuple[Sample, str]], int, int]] = []
        ticks = iter(range(10_000))
        monkeypatch.setattr("cnnrnn.evaluation.map_evaluators.time.perf_counter", lambda: next(ticks))  # a second each
        monkeypatch.setattr(map_evaluation, "decode_with_boxes", self.decode)
        monkeypatch.setattr(map_evaluation, "mosaics", self.two_mosaics)
        monkeypatch.setattr(MapEvaluator, "maps", lambda evaluator, decoded: self.maps(evaluator, decoded))
        monkeypatch.setattr(
            MapEvaluator, "evaluate_faithfulness", lambda e, image: self.perturbed.append((image.size[0], e.method))
        )
        monkeypatch.setattr(
            MapEvaluator, "evaluate_mosaic", lambda e, image: self.on_mosaics.append((image.size[0], e.method))
        )
        monkeypatch.setattr(PrefixEvaluator, "evaluate", lambda e, image: self.prefixes.append(image.size[0]))
        monkeypatch.setattr(PresentLabelEvaluator, "evaluate", lambda e, image: self.present.append(image.size[0]))

    def decode(self, checkpoint: Checkpoint, image: Image.Image, boxes: Boxes, beam: int) -> DecodedImage:
        self.beams.add(beam)
        return decoded(self.paths[image.width], size=image.size, boxes=boxes)

    def two_mosaics(self, single_label: list[tuple[Sample, str]], count: int, side: int) -> list[Any]:
        self.mosaics.append((single_label, count, side))
        return [(Image.new("RGB", (200 + number, 40)), BOXES) for number in range(2)]

    def maps(self, evaluator: MapEvaluator, decoded: DecodedImage) -> Maps:
        self.explained.append((decoded.size[0], evaluator.method, evaluator.target))
        return np.stack([
            box_mask(decoded.boxes.get(name, [(0.0, 0.0, 1.0, 1.0)]), decoded.size).astype(np.float32)
            for name in decoded.names
        ])  # fmt: skip


# width: the labels that the image has, the path
SCENES: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    50: (("circle",), ("circle",)),  # exact
    51: (("circle", "star"), ("circle", "star")),  # exact, both difficult
    52: (("circle",), ()),  # can't be read
    60: (("star",), ("star",)),  # exact
    61: (("circle", "star"), ("circle", "square")),  # one is missing and one too many; circle is difficult
    62: (("circle",), ("circle", "star")),  # exact, as the star is ignored
    63: (("cross", "star"), ("star",)),  # one is missing; star is difficult
}
MOSAICS: dict[int, tuple[str, ...]] = {200: ("circle",), 201: ("circle",)}
PATHS = {width: path for width, (_, path) in SCENES.items()} | MOSAICS


@pytest.fixture(scope="module")
def small_split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """The images of SCENES, 40 pixels high."""
    folder, samples = tmp_path_factory.mktemp("split"), []
    for width, (labels, _) in SCENES.items():
        file = folder / f"{width}.png"
        Image.new("RGB", (width, 40)).save(file)
        samples.append(Sample(file, labels, ("star",) if width == 62 else ()))
    samples[2].image.write_bytes(b"no image")
    return Split("ours", LABELS, tuple(samples), boxes=lambda sample: boxes_of(*sample.labels))


def test_a_data_set_is_evaluated_image_by_image(
    small_split: Split, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, advanced = Stub(PATHS, monkeypatch), []
    report = evaluate_maps(checkpoint, small_split, ["cam", "occlusion"], 5, 3, lambda: advanced.append(1))
    readable = [width for width in SCENES if width != 52]
    assert (report["images"], len(advanced), list(report["errors"])) == (7, 7, [str(small_split.samples[2].image)])
    assert report["exact_set"] == pytest.approx(100 * 4 / 6)
    assert (report["steps"], report["steps_difficult"]) == (7, 4)
    # The centre is in no circle's box, and in the star's where the image is 60 pixels wide or more.
    assert report["baselines"]["centre"] == pytest.approx(
        {
            "pointing": (0 + 200 / 3) / 2,
            "pointing_difficult": 25,
            "pointing_steps": 200 / 7,
            "pointing_steps_difficult": 25,
        }
    )
    assert (report["few"], report["default"]) == (3, "cam")
    assert report["seconds_to_decode"] == 1
    assert stub.beams == {5}
    assert stub.prefixes == stub.present == readable
    assert report["present"]["labels"] == 0
    assert report["prefix"]["steps"] == 0
    # Every image is explained by every method, and by the default one for every target.
    expected = [("cam", log_odds), ("occlusion", log_odds)]
    expected += [("cam", target) for target in TARGETS.values()]
    assert stub.explained == [(width, *what) for width in readable for what in expected]
    assert list(report["methods"]) == ["cam", "occlusion"]
    for metrics in report["methods"].values():
        assert (metrics["pointing"], metrics["step_shift"], metrics["false_positives"]) == (100, 100, 1)
        assert metrics["seconds_per_image"] == 1
    assert list(report["targets"]) == list(TARGETS)
    for metrics in report["targets"].values():
        assert metrics["pointing"] == 100
        assert "mosaic" not in metrics
    # Mosaics are of the images that have one label; all methods but not all targets are evaluated on them.
    samples = small_split.samples
    assert stub.mosaics == [([(samples[0], "circle"), (samples[3], "star"), (samples[5], "circle")], 3, 64)]
    assert stub.on_mosaics == [(200, "cam"), (200, "occlusion"), (201, "cam"), (201, "occlusion")]


@pytest.mark.parametrize(
    ("limit", "widths"),
    [
        (1, [50]),
        (3, [50, 61]),  # and the third, which can't be read
        (4, [50, 51, 60, 62]),
        (6, [50, 51, 60, 61, 62]),  # never more than the limit
        (7, [50, 51, 60, 61, 62, 63]),
        (100, [50, 51, 60, 61, 62, 63]),
    ],
)
def test_at_most_so_many_images_are_perturbed_evenly_spread(
    limit: int, widths: list[int], small_split: Split, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub(PATHS, monkeypatch)
    evaluate_maps(checkpoint, small_split, ["occlusion"], max_perturbation_images=limit)
    assert stub.perturbed == [(width, "occlusion") for width in widths]
    assert stub.mosaics[0][1] == limit


def test_by_default_all_methods_with_a_beam_of_8_and_a_hundred_images(
    small_split: Split, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub(PATHS, monkeypatch)
    report = evaluate_maps(checkpoint, small_split)
    assert list(report["methods"]) == list(METHODS)
    assert stub.beams == {8}
    assert report["few"] == 100


def test_a_data_set_without_images_has_no_figures(checkpoint: Checkpoint, small_split: Split) -> None:
    report = evaluate_maps(checkpoint, replace(small_split, samples=()), ["cam"])
    assert (report["images"], report["steps"], report["exact_set"]) == (0, 0, None)
    assert report["methods"]["cam"]["pointing"] is report["methods"]["cam"]["mosaic"] is None
    assert report["seconds_to_decode"] == 0


def test_what_cannot_be_evaluated_is_an_error(checkpoint: Checkpoint, small_split: Split) -> None:
    with pytest.raises(DataError, match="ours has no boxes"):
        evaluate_maps(checkpoint, replace(small_split, boxes=None))
    with pytest.raises(UserError, match=r"tea-leaves.*grad-cam"):
        evaluate_maps(checkpoint, small_split, ["cam", "tea-leaves"])
