"""Maps evaluated, by hand-made maps whose metrics are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from map_helpers import BOXES, LABELS, SIZE, boxes_of, decoded
from PIL import Image
from torch import Tensor

from cnnrnn.attribution.explain import Explanation, explain
from cnnrnn.attribution.targets import logit
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.evaluation import map_evaluators
from cnnrnn.evaluation.map_evaluators import MapEvaluator, Maps, PrefixEvaluator, PresentLabelEvaluator
from cnnrnn.evaluation.map_metrics import box_mask
from cnnrnn.evaluation.map_records import DecodedImage
from cnnrnn.evaluation.maps import decode_with_boxes
from cnnrnn.evaluation.perturbations import randomized_models
from cnnrnn.inference.predictor import encode
from cnnrnn.models.cnnrnn import CNNRNN


@pytest.fixture(scope="module")
def checkpoint(untrained_spatial: Callable[[Sequence[str]], Checkpoint]) -> Checkpoint:
    return untrained_spatial(LABELS)


class FixedMaps(MapEvaluator):
    """An evaluator of given maps, in place of a method's: (step, height, width), by model; None is the checkpoint's."""

    def __init__(self, by_model: Callable[[DecodedImage, CNNRNN | None], Maps], checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint, "cam")
        self.by_model = by_model

    def maps(self, decoded: DecodedImage, model: CNNRNN | None = None) -> Maps:
        return self.by_model(decoded, model)


def lit(*names: str) -> Maps:
    """Maps that are 1 in the boxes of these labels, one label a step, and 0 elsewhere."""
    return np.stack([box_mask(BOXES[name], SIZE).astype(np.float32) for name in names])


def evaluated(checkpoint: Checkpoint, *images: tuple[DecodedImage, Maps]) -> MapEvaluator:
    """Of every image the maps, which are handed out in turn."""
    in_turn = iter([maps for _, maps in images])
    evaluator = FixedMaps(lambda decoded, model: next(in_turn), checkpoint)
    for image, _ in images:
        evaluator.evaluate(image)
    return evaluator


# Maps against boxes


def test_maps_of_the_right_boxes_have_all_points_and_those_of_others_none(checkpoint: Checkpoint) -> None:
    names = ("circle", "star", "cross")
    right = evaluated(checkpoint, (decoded(names), lit(*names))).report()
    assert right["pointing"] == right["pointing_difficult"] == right["step_shift"] == 100
    assert right["energy"] == pytest.approx(100)
    assert right["swap_pointing"] == right["swap_pointing_difficult"] == 0
    turned = evaluated(checkpoint, (decoded(names), lit("star", "cross", "circle"))).report()
    assert turned["pointing"] == turned["energy"] == turned["step_shift"] == 0
    same = evaluated(checkpoint, (decoded(names), lit("circle", "circle", "circle"))).report()
    assert same["pointing"] == pytest.approx(100 / 3)
    assert same["step_shift"] == 0
    assert same["swap_pointing"] == pytest.approx(100 / 3)  # a map that is the same at every step


def test_the_swapped_map_is_the_next_steps_and_the_last_steps_is_the_first(checkpoint: Checkpoint) -> None:
    names = ("circle", "star", "cross")
    # The next step's map is right for circle and for cross, whose next step is the first one; not for star.
    report = evaluated(checkpoint, (decoded(names), lit("cross", "circle", "circle"))).report()
    assert report["swap_pointing"] == pytest.approx(200 / 3)
    assert report["pointing"] == 0
    report = evaluated(checkpoint, (decoded(names), lit("star", "cross", "star"))).report()
    assert report["swap_pointing"] == pytest.approx(100 / 3)  # star's alone
    alone = evaluated(checkpoint, (decoded(("circle",)), lit("circle"))).report()
    assert alone["swap_pointing"] is None
    assert alone["pointing"] == 100
    # A step that is a false positive has a map, too, which can be the other one.
    beside = evaluated(checkpoint, (decoded(("circle", "square")), lit("star", "circle"))).report()
    assert beside["swap_pointing"] == 100


def test_step_shift_is_against_the_label_right_before(checkpoint: Checkpoint) -> None:
    names = ("circle", "star", "cross")
    # The third map has more of the second label's boxes than of its own, the second one less of the first label's.
    maps = lit(*names)
    maps[1] += 0.5 * lit("circle")[0]
    maps[2] += 2 * lit("star")[0]
    assert evaluated(checkpoint, (decoded(names), maps)).report()["step_shift"] == 50
    # It is told of no step whose predecessor is a false positive, nor of the first.
    image = decoded(("circle", "square", "cross", "star"))
    report = evaluated(checkpoint, (image, lit("circle", "circle", "cross", "cross"))).report()
    assert report["step_shift"] == 0  # of the last step alone
    report = evaluated(checkpoint, (decoded(("square", "star")), lit("star", "star"))).report()
    assert report["step_shift"] is None


def test_energy_is_a_percentage_and_a_mean_over_the_labels(checkpoint: Checkpoint) -> None:
    both = (lit("circle")[0] + lit("star")[0])[np.newaxis]  # 100 pixels and 400
    report = evaluated(
        checkpoint, (decoded(("circle",)), both), (decoded(("circle",)), both), (decoded(("star",)), both)
    ).report()
    assert report["energy"] == pytest.approx((20 + 80) / 2)


def test_maps_are_compared_with_the_boxes_at_the_images_size(checkpoint: Checkpoint) -> None:
    coarse = np.zeros((1, 4, 5), np.float32)
    coarse[0, 0, 0] = 1  # of 10 × 10 pixels: the circle's
    report = evaluated(checkpoint, (decoded(("circle",)), coarse)).report()
    assert report["pointing"] == 100
    assert report["energy"] == pytest.approx(78.859, abs=1e-3)  # bicubic resizing spreads it into the cells beside
    assert evaluated(checkpoint, (decoded(("circle",)), coarse.transpose(0, 2, 1)[:, ::-1])).report()["pointing"] == 0


def test_only_true_positives_count_and_false_ones_are_told_apart(checkpoint: Checkpoint) -> None:
    names, known = ("circle", "star"), boxes_of("circle", "cross")
    report = evaluated(checkpoint, (decoded(names, boxes=known), lit(*names))).report()
    assert report["per_label"] == {"circle": 100}
    assert report["step_shift"] is None
    assert (report["false_positives"], report["on_another_label"]) == (1, 0)
    # Any label that is there will do: the step before it, or one that the path lacks.
    twice = evaluated(
        checkpoint,
        (decoded(names, boxes=known), lit("circle", "cross")),
        (decoded(names, boxes=known), lit("cross", "circle")),
        (decoded(names, boxes=known), lit("circle", "star")),
    ).report()
    assert (twice["false_positives"], twice["on_another_label"]) == (3, pytest.approx(200 / 3))
    assert twice["per_label"] == {"circle": pytest.approx(200 / 3)}
    ignored = decoded(names, boxes=known, ignored=frozenset({"star"}))
    report = evaluated(checkpoint, (ignored, lit(*names))).report()
    assert (report["false_positives"], report["on_another_label"]) == (0, None)


def test_a_path_without_labels_has_nothing_to_evaluate(checkpoint: Checkpoint) -> None:
    def no_maps(decoded: DecodedImage, model: CNNRNN | None) -> Maps:
        raise AssertionError("there is no label step to explain")

    evaluator = FixedMaps(no_maps, checkpoint)
    evaluator.evaluate(decoded(()))
    evaluator.evaluate_faithfulness(decoded(("square",)))
    evaluator.evaluate_mosaic(decoded(("square",)))
    assert evaluator.report()["pointing"] is None
    assert evaluator.report()["seconds_per_image"] == 0


def test_the_seconds_are_the_mean_of_the_explanations(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 10.5, 20.0, 21.5])
    monkeypatch.setattr("cnnrnn.evaluation.map_evaluators.time.perf_counter", lambda: next(ticks))
    image = (decoded(("circle",)), lit("circle"))
    assert evaluated(checkpoint, image, image).report()["seconds_per_image"] == pytest.approx(1.0)


def test_a_report_of_what_every_image_has_a_part_in_has_only_the_metrics_of_boxes(checkpoint: Checkpoint) -> None:
    evaluator = evaluated(checkpoint, (decoded(("circle", "star")), lit("circle", "star")))
    short, full = evaluator.box_metrics(), evaluator.report()
    assert set(short) == {
        "pointing", "pointing_difficult", "pointing_steps", "pointing_steps_difficult", "energy", "step_shift",
        "swap_pointing", "swap_pointing_difficult",
    }  # fmt: skip
    assert short == {key: full[key] for key in short}
    assert set(full) - set(short) == {
        "deletion", "insertion", "mosaic", "sanity_head", "sanity_all", "seconds_per_image", "per_label",
        "false_positives", "on_another_label",
    }  # fmt: skip


@pytest.mark.parametrize("method", ["cam", "grad-cam", "input-x-gradient"])
def test_an_evaluators_maps_are_those_of_its_method_target_and_model(method: str, checkpoint: Checkpoint) -> None:
    image = decode_with_boxes(checkpoint, Image.new("RGB", (20, 30), "red"), BOXES, 4)
    image = replace(image, tokens=(2, 0), names=("cross", "circle"))
    evaluator = MapEvaluator(checkpoint, method, logit)
    expected = explain(checkpoint.rnn, image.feature_map, (2, 0), method, logit, image.image).smoothed
    np.testing.assert_allclose(evaluator.maps(image), expected[:2])  # END's is left out
    other = randomized_models(checkpoint.rnn, seed=1)[1]
    feature_map = encode(other, image.image.unsqueeze(0))[0][0]
    expected = explain(other, feature_map, (2, 0), method, logit, image.image).smoothed
    np.testing.assert_allclose(evaluator.maps(image, other), expected[:2])


# Maps against the model


RAMP = np.arange(12, dtype=np.float32).reshape(3, 4)  # its ranks


def test_the_sanity_check_compares_with_the_maps_of_random_models(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the model itself the map ascends, of a random head it descends, of a random network it is shuffled."""
    shuffled = np.random.default_rng(3).permutation(12).astype(np.float32).reshape(3, 4)
    asked: list[CNNRNN] = []

    def maps(decoded: DecodedImage, model: CNNRNN | None) -> Maps:
        if model is None:
            return np.stack([np.zeros((3, 4)), RAMP, RAMP**2, shuffled])
        asked.append(model)
        other = -RAMP if model.backbone is checkpoint.model.backbone else shuffled
        return np.stack([RAMP, other, other, RAMP])

    curves = {1: (0.25, 0.5), 2: (0.75, 1.0)}

    def areas(
        model: CNNRNN, pixels: Tensor, tokens: Sequence[int], step: int, values: np.ndarray
    ) -> tuple[float, float]:
        assert model is checkpoint.model
        assert pixels is image.image
        assert tokens == image.tokens
        assert (values == (RAMP if step == 1 else RAMP**2)).all()
        return curves[step]

    monkeypatch.setattr(map_evaluators, "deletion_insertion_auc", areas)
    evaluator = FixedMaps(maps, checkpoint)
    image = decoded(("square", "circle", "star", "diamond"))
    for _ in range(5):
        evaluator.evaluate_faithfulness(image)
    report = evaluator.report()
    ranks = np.corrcoef(RAMP.ravel(), shuffled.ravel())[0, 1]
    assert report["sanity_head"] == pytest.approx(-1)
    assert report["sanity_all"] == pytest.approx(ranks)
    assert (report["deletion"], report["insertion"]) == (50, 75)
    assert len(evaluator.steps) == 10  # two true positives, five times
    assert checkpoint.model not in asked
    heads = asked[0::2]
    assert [heads.index(model) for model in heads] == [0, 1, 2, 0, 1]  # three pairs take turns
    weights = [model.label_embedding for model in heads[:3]]
    assert not any(torch.equal(one, other) for one, other in pairwise([*weights, weights[0]]))


def test_the_mosaic_metric_is_the_percentage_of_peaks_in_the_own_cell(checkpoint: Checkpoint) -> None:
    image = decoded(("circle", "square", "star"), boxes=boxes_of("circle", "star"))
    evaluator = FixedMaps(lambda decoded, model: lit("circle", "cross", "star"), checkpoint)
    evaluator.evaluate_mosaic(image)
    assert evaluator.report()["mosaic"] == 100
    evaluator.by_model = lambda decoded, model: lit("star", "cross", "star")
    evaluator.evaluate_mosaic(image)
    assert evaluator.report()["mosaic"] == 75
    assert len(evaluator.steps) == 0
    coarse = np.zeros((3, 4, 5))
    coarse[:, 0, 0] = 1  # the circle's pixels, once it is at the image's size
    evaluator.by_model = lambda decoded, model: coarse
    evaluator.evaluate_mosaic(image)
    assert evaluator.report()["mosaic"] == pytest.approx(100 * 4 / 6)


# What the prefix changes


def explained_by(by_tokens: dict[tuple[int, ...], Maps]) -> Callable[..., Explanation]:
    """In place of `explain`: these maps of these paths; END's, which nobody asks for, is added."""

    def explain(model: CNNRNN, feature_map: Tensor, tokens: Sequence[int]) -> Explanation:
        assert isinstance(model, CNNRNN)
        assert torch.equal(feature_map, torch.zeros(1))  # that of `decoded`
        maps = torch.from_numpy(np.stack([*by_tokens[tuple(tokens)], np.full(SIZE[::-1], 9.0)]))
        return Explanation(tuple(tokens), maps, maps, torch.zeros(len(maps)), "cam")

    return explain


def point_map(x: int, y: int, background: np.ndarray | float = 0.0) -> np.ndarray:
    values = np.zeros(SIZE[::-1]) + background
    values[y, x] = 100
    return values


ASCENDING = np.arange(2000.0).reshape(40, 50) / 2000


def test_the_peak_is_moved_by_the_labels_before_in_percent_of_the_diagonal(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From (13, 26) where it is emitted first to (10, 22) after another label: 5 pixels of 50 × 40."""
    paths = {
        (0, 1): np.stack([point_map(40, 3, -ASCENDING), point_map(10, 22, ASCENDING)]),
        (1,): np.stack([point_map(13, 26, ASCENDING)]),
    }
    monkeypatch.setattr(map_evaluators, "explain", explained_by(paths))
    evaluator = PrefixEvaluator(checkpoint)
    evaluator.evaluate(decoded(("circle", "star")))
    report = evaluator.report()
    assert report["steps"] == 1
    assert report["peak_moved"] == pytest.approx(100 * 5 / np.hypot(50, 40))
    assert report["correlation_with_said_first"] == pytest.approx(1, abs=0.01)
    assert report["correlation_with_step_before"] == pytest.approx(-1, abs=0.01)


def test_every_later_true_positive_is_compared_with_itself_first_and_with_the_step_before(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of circle, square (a false positive), star and cross the last two count."""
    down = -ASCENDING
    shuffled = np.random.default_rng(1).permutation(ASCENDING.ravel()).reshape(40, 50)
    paths = {
        (0, 3, 1, 2): np.stack([shuffled, ASCENDING, down, down]),
        (1,): np.stack([ASCENDING]),  # star emitted first: the opposite
        (2,): np.stack([down]),  # cross emitted first: the same
    }
    monkeypatch.setattr(map_evaluators, "explain", explained_by(paths))
    evaluator = PrefixEvaluator(checkpoint)
    evaluator.evaluate(decoded(("circle", "square", "star", "cross")))
    report = evaluator.report()
    star, cross = report["pairs"]["star after circle, square"], report["pairs"]["cross after circle, square, star"]
    assert report["steps"] == 2
    assert (star["correlation_with_said_first"], star["correlation_with_step_before"]) == pytest.approx((-1, -1))
    assert (cross["correlation_with_said_first"], cross["correlation_with_step_before"]) == pytest.approx((1, 1))
    assert report["correlation_with_said_first"] == pytest.approx(0)
    assert star["peak_moved"] is None  # where a map has no positive evidence it has no peak
    assert star["steps"] == cross["steps"] == 1


def test_an_image_with_one_true_positive_has_no_prefix_to_speak_of(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_evaluators, "explain", explained_by({}))
    evaluator = PrefixEvaluator(checkpoint)
    evaluator.evaluate(decoded(("circle",)))
    evaluator.evaluate(decoded(("square", "star")))
    assert evaluator.report() == {
        "steps": 0,
        "correlation_with_said_first": None,
        "peak_moved": None,
        "correlation_with_step_before": None,
        "pairs": {},
    }


def test_the_eight_most_frequent_pairs_are_reported(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    every = [(one, other) for one in range(3) for other in range(5) if one != other][:9]
    there = boxes_of("circle", "star", "cross") | {"square": [(0.0, 0.0, 9.0, 9.0)], "diamond": [(0.0, 0.0, 9.0, 9.0)]}
    maps = {tokens: np.stack([ASCENDING, point_map(4, 4)]) for tokens in every} | {
        (label,): np.stack([point_map(4, 4)]) for label in range(5)
    }
    monkeypatch.setattr(map_evaluators, "explain", explained_by(maps))
    evaluator = PrefixEvaluator(checkpoint)
    for times, (one, other) in enumerate(every, start=1):
        for _ in range(times):
            evaluator.evaluate(decoded((LABELS[one], LABELS[other]), boxes=there))
    pairs = evaluator.report()["pairs"]
    expected = {f"{LABELS[other]} after {LABELS[one]}": times for times, (one, other) in enumerate(every, start=1)}
    assert list(pairs) == list(expected)[:0:-1]  # the most frequent first, and the rarest is left out
    assert all(pairs[pair]["steps"] == expected[pair] for pair in pairs)
    assert all(pairs[pair]["peak_moved"] == 0 for pair in pairs)


# Every label that is present


def test_every_present_label_is_pointed_at_whatever_the_path_is(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path has the circle only; as first steps, the circle's and the cross's maps hit, and the star's misses."""
    of = {name: box_mask(boxes, SIZE).astype(np.float32) for name, boxes in BOXES.items()}
    end = np.zeros_like(of["circle"])
    first = {"circle": of["circle"], "star": of["circle"], "cross": of["cross"]}
    paths = {(LABELS.index(name),): np.stack([values, end]) for name, values in first.items()}
    monkeypatch.setattr(map_evaluators, "explain", explained_by(paths))
    evaluator = PresentLabelEvaluator(checkpoint)
    evaluator.evaluate(decoded(("circle",)))
    report = evaluator.report()
    assert report["labels"] == 3
    assert report["pointing"] == pytest.approx(200 / 3)
    assert report["pointing_difficult"] == pytest.approx(200 / 3)
    assert set(report["centre"].values()) == {0.0}
    big = {**BOXES, "star": [(10.0, 5.0, 50.0, 40.0)]}  # no longer difficult, and around the centre
    evaluator.evaluate(decoded(("circle",), boxes=big))
    report = evaluator.report()
    assert report["labels"] == 6
    assert report["centre"]["pointing"] == pytest.approx(100 / 6)
    assert report["centre"]["pointing_difficult"] == 0.0
