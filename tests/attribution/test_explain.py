"""Maps against captum's own Grad-CAM, against finite differences, and under several threads."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import GuidedGradCam, InputXGradient, LayerGradCam
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from cnnrnn.attribution.explain import (
    Explanation,
    class_activation_map,
    explain,
    label_maps,
    location_contributions,
    prefix_contribution,
    step_scores,
)
from cnnrnn.attribution.methods import METHODS, PIXEL_METHODS, with_hookable_relus
from cnnrnn.attribution.overlay import overlay
from cnnrnn.attribution.smoothing import smooth, smooth_pixels
from cnnrnn.attribution.targets import TARGETS, against, log_odds, log_probability, logit
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.cli.main import app
from cnnrnn.decoding.prefix_cache import teacher_forced_logits, unroll
from cnnrnn.inference.predictor import decode_image, encode, encode_image
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.models.sigmoid import SigmoidClassifier, SigmoidConfig
from cnnrnn.models.vocabulary import Vocabulary
from cnnrnn.utils.errors import UserError

LABELS = 5


@pytest.fixture(scope="module", params=[False, True], ids=["pooled", "spatial"])
def model(request: pytest.FixtureRequest) -> CNNRNN:
    torch.manual_seed(3)
    config = ModelConfig(num_labels=LABELS, embedding_dim=16, hidden_dim=12, spatial=request.param)
    return CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 64))).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(5))


class WholeModel(nn.Module):
    """Image to log-odds of every step, as captum wants it: one forward from the pixels."""

    def __init__(self, model: CNNRNN, tokens: list[int]) -> None:
        super().__init__()
        self.model, self.tokens = model, tokens

    def forward(self, images: Tensor) -> Tensor:
        model = self.model
        inputs = torch.tensor([[model.start, *self.tokens]]).expand(len(images), -1)
        logits = teacher_forced_logits(model, model.image_feature(model.backbone(images)), inputs).clamp(
            min=-1e4
        )  # (batch, step, L+1)
        rivals = logits.unsqueeze(-2).expand(*logits.shape, -1)  # (batch, step, L+1, L+1)
        itself = torch.eye(logits.shape[-1], dtype=torch.bool)
        return logits - rivals.masked_fill(itself, -torch.inf).logsumexp(-1)


def test_grad_cam_equals_captums_layer_grad_cam(model: CNNRNN, images: Tensor) -> None:
    tokens = [2, 0, 3]
    whole = WholeModel(model, tokens)
    reference = LayerGradCam(whole, model.backbone)
    explanation = explain(model, encode(model, images[:1])[0][0], tokens, "grad-cam")
    assert explanation.maps.shape[0] == len(tokens) + 1  # END has its map, too
    for step, token in enumerate([*tokens, model.end]):
        expected = reference.attribute(images[:1], target=(step, token))[0, 0]
        torch.testing.assert_close(explanation.maps[step], expected, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(explanation.scores[step], whole(images[:1])[0, step, token], rtol=1e-3, atol=1e-4)


def test_hires_cam_equals_captums_input_times_gradient_and_grad_cam_under_global_pooling(
    model: CNNRNN, images: Tensor
) -> None:
    tokens = [2, 0, 3]
    feature_map = encode(model, images[:1])[0][0]
    maps = explain(model, feature_map, tokens, "hires-cam").maps
    steps = feature_map.expand(len(tokens) + 1, -1, -1, -1).clone().requires_grad_(True)
    reference = InputXGradient(step_scores(model, tokens)).attribute(steps)
    torch.testing.assert_close(maps, reference.sum(dim=1).detach())
    grad_cam = explain(model, feature_map, tokens, "grad-cam").maps
    alike = not model.config.spatial
    assert torch.allclose(maps, grad_cam, rtol=1e-3, atol=1e-5) == alike


def test_the_contributions_of_the_locations_add_up_to_the_logits(model: CNNRNN, images: Tensor) -> None:
    if not model.config.spatial:
        return  # a pooled model has one location
    feature_map, tokens = encode(model, images[:1])[0][0], [2, 0, 3]
    found = location_contributions(model, feature_map, tokens)  # (step, location, L+1)
    feature = model.image_feature(feature_map.unsqueeze(0))
    expected = teacher_forced_logits(model, feature, torch.tensor([[model.start, *tokens]]))[0]
    possible = expected.isfinite()  # a label that was emitted has none
    torch.testing.assert_close(found.sum(dim=1)[possible], expected[possible], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spatial", [True, False])
def test_the_sigmoid_baselines_maps_add_up_to_its_logits(spatial: bool, images: Tensor) -> None:
    backbone = Backbone(BackboneConfig.of("test_byobnet", 32))
    classifier = SigmoidClassifier(SigmoidConfig(num_labels=5, spatial=spatial), backbone).eval()
    with torch.no_grad():
        feature_map = backbone(images[:1])[0]
        logits = classifier(classifier.image_feature(feature_map.unsqueeze(0)))[0]
    found = label_maps(classifier, feature_map, (3, 1))
    if not spatial:
        assert found is None
        return
    assert found is not None
    assert found.maps.shape == (2, *feature_map.shape[-2:])
    linear = found.maps.sum(dim=(1, 2))  # the bias is at every location, as the weights are
    torch.testing.assert_close(linear, logits[[3, 1]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.scores, logits[[3, 1]], rtol=1e-4, atol=1e-5)


def test_class_activation_maps_add_up_to_the_score(model: CNNRNN, images: Tensor) -> None:
    """The parts of a logit are its own; of a pooled model they are the gradient's, the same as HiResCAM."""
    feature_map, tokens = encode(model, images[:1])[0][0], [2, 0, 3]
    explanation = explain(model, feature_map, tokens, "cam", TARGETS["logit"])
    if model.config.spatial:
        torch.testing.assert_close(explanation.maps.sum(dim=(1, 2)), explanation.scores, rtol=1e-4, atol=1e-5)
        difference = explain(model, feature_map, tokens, "cam", against(1)).maps
        rival = class_activation_map(model, feature_map, tokens, lambda logits, chosen: logits[:, 1])
        torch.testing.assert_close(difference, explanation.maps - rival, rtol=1e-4, atol=1e-5)
    else:
        torch.testing.assert_close(
            explanation.maps, explain(model, feature_map, tokens, "hires-cam", TARGETS["logit"]).maps
        )


def test_integrated_gradients_add_up_to_the_change_of_the_score(model: CNNRNN, images: Tensor) -> None:
    feature_map = encode(model, images[:1])[0][0]
    tokens = [1, 4]
    scores = step_scores(model, tokens)
    steps = feature_map.expand(3, -1, -1, -1)
    with torch.no_grad():
        change = scores(steps) - scores(torch.zeros_like(steps))
    maps = explain(model, feature_map, tokens, "integrated-gradients").maps
    torch.testing.assert_close(maps.sum(dim=(1, 2)), change, rtol=0.02, atol=1e-3)


def test_occlusion_is_the_drop_of_the_score_without_a_location(model: CNNRNN, images: Tensor) -> None:
    feature_map = encode(model, images[:1])[0][0]
    tokens = [1, 4]
    maps = explain(model, feature_map, tokens, "occlusion").maps
    scores, steps = step_scores(model, tokens), feature_map.expand(3, -1, -1, -1)
    for row, column in ((0, 0), (1, 0), (1, 1)):
        without = steps.clone()
        without[:, :, row, column] = 0
        with torch.no_grad():
            torch.testing.assert_close(maps[:, row, column], scores(steps) - scores(without), rtol=1e-3, atol=1e-5)


def test_guided_grad_cam_and_input_times_gradient_are_captums_on_the_whole_model(model: CNNRNN, images: Tensor) -> None:
    tokens = [2, 0]
    feature_map = encode(model, images[:1])[0][0]
    guided = explain(model, feature_map, tokens, "guided-grad-cam", image=images[0]).maps
    gradient = explain(model, feature_map, tokens, "input-x-gradient", image=images[0]).maps
    # captum can't hook layers that write in place
    whole = with_hookable_relus(WholeModel(copy.deepcopy(model), tokens))
    for step, token in enumerate([*tokens, model.end]):
        one = images[:1].clone().requires_grad_(True)
        reference = GuidedGradCam(whole, whole.model.backbone)
        expected = reference.attribute(one, target=(step, token), interpolate_mode="bilinear")[0].sum(dim=0)
        torch.testing.assert_close(guided[step], expected, rtol=1e-3, atol=1e-7)
        expected = InputXGradient(whole).attribute(one, target=(step, token))[0].sum(dim=0)
        torch.testing.assert_close(gradient[step], expected, rtol=1e-3, atol=1e-6)
    assert not any(module._backward_hooks for module in model.modules())


@pytest.mark.parametrize("rival", [3, LABELS])
def test_a_contrast_is_the_difference_of_two_logits(rival: int, model: CNNRNN, images: Tensor) -> None:
    feature_map, feature = encode(model, images[:1])
    tokens = [2, 3, 0]
    explanation = explain(model, feature_map[0], tokens, target=against(rival))
    with torch.no_grad():
        logits = teacher_forced_logits(model, feature, torch.tensor([[model.start, *tokens]]))[0]  # (step, L+1)
    for step, token in enumerate([*tokens, model.end]):
        is_rival = rival not in tokens[: step + 1] and rival != token
        expected = logits[step, token] - logits[step, rival] if is_rival else torch.tensor(0.0)
        torch.testing.assert_close(explanation.scores[step], expected, rtol=1e-4, atol=1e-5)
        assert bool(explanation.maps[step].any()) is is_rival


def test_each_target_equals_its_definition(model: CNNRNN, images: Tensor) -> None:
    feature_map, feature = encode(model, images[:1])
    with torch.no_grad():
        logits = teacher_forced_logits(model, feature, torch.tensor([[model.start, 2]]))[0]  # (step, L+1)
    steps, choices = torch.arange(2), torch.tensor([2, model.end])
    log_probs = logits.log_softmax(-1)[steps, choices]
    expected = {
        "logit": logits[steps, choices],
        "log-probability": log_probs,
        "log-odds": log_probs - (-log_probs.exp()).log1p(),
        "against END and the runner-up": torch.stack(
            [
                logits[0, 2] - torch.stack([logits[0, [0, 1, 3, 4]].max(), logits[0, model.end]]).logsumexp(0),
                logits[1, model.end] - logits[1, [0, 1, 3, 4]].max(),
            ]
        ),
    }
    for name, target in TARGETS.items():
        scores = explain(model, feature_map[0], [2], target=target).scores
        torch.testing.assert_close(scores, expected[name], rtol=1e-4, atol=1e-5)


def test_the_prefix_contribution_is_a_difference_of_log_odds(model: CNNRNN, images: Tensor) -> None:
    _, feature = encode(model, images[:1])
    tokens = [2, 3]
    contribution = prefix_contribution(model, feature, tokens)
    assert contribution.shape == (3,)
    assert contribution[0] == 0
    assert not contribution.requires_grad
    with torch.no_grad():
        after = teacher_forced_logits(model, feature, torch.tensor([[model.start, *tokens]]))[0]  # (step, L+1)
        first = teacher_forced_logits(model, feature, torch.tensor([[model.start]]))[0, 0]
    for step, choice in ((1, 3), (2, model.end)):
        without = first.clone()
        without[tokens[:step]] = -torch.inf
        odds, odds_without = (logits.softmax(-1)[choice].logit() for logits in (after[step], without))
        torch.testing.assert_close(contribution[step], odds - odds_without, rtol=1e-3, atol=1e-4)
        assert abs(odds - odds_without) > 1e-3


def test_the_map_of_a_step_depends_on_what_was_emitted_before(model: CNNRNN, images: Tensor) -> None:
    feature_map = encode(model, images[:1])[0][0]
    first, second = explain(model, feature_map, [2]).maps[0], explain(model, feature_map, [0, 2]).maps[1]
    assert not torch.allclose(first, second)


def test_end_after_every_label_needs_no_evidence(model: CNNRNN, images: Tensor) -> None:
    explanation = explain(model, encode(model, images[:1])[0][0], list(range(LABELS)))
    assert torch.isfinite(explanation.maps).all()
    assert (explanation.maps[-1] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_concurrent_explanations_equal_sequential_ones(method: str, model: CNNRNN, images: Tensor) -> None:
    jobs = [(encode(model, images[i : i + 1])[0][0], [i, (i + 1) % LABELS], images[i]) for i in range(4)] * 8

    def maps(job: tuple[Tensor, list[int], Tensor]) -> Tensor:
        feature_map, tokens, image = job
        return explain(model, feature_map, tokens, method, image=image).maps

    alone = [maps(job) for job in jobs[:4]] * 8
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(maps, jobs))
    for mine, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_each_step_has_its_own_scale_or_all_have_that_of_the_strongest() -> None:
    maps = torch.tensor([[[0.5, -9.0]], [[2.5, 1.0]], [[-3.0, 0.0]]])
    explanation = Explanation((1, 0), torch.zeros(3, 1, 2), maps, torch.zeros(3), "cam")
    assert explanation.peaks == explanation.scales() == [0.5, 2.5, 0.0]
    assert explanation.scales(common=True) == [2.5, 2.5, 2.5]
    assert explanation.strengths == pytest.approx([0.2, 1.0, 0.0])


@pytest.mark.parametrize("method", METHODS)
def test_smoothed_maps_have_the_sums_of_the_maps(method: str, model: CNNRNN, images: Tensor) -> None:
    feature_map = encode(model, images[:1])[0][0]
    found = explain(model, feature_map, [2, 0, 3], method, image=images[0])
    assert found.smoothed.shape == found.maps.shape
    if method in PIXEL_METHODS:
        torch.testing.assert_close(found.smoothed, smooth_pixels(found.maps))
    else:
        torch.testing.assert_close(found.smoothed.sum(dim=(1, 2)), found.maps.sum(dim=(1, 2)), rtol=1e-4, atol=1e-4)


def test_class_activation_maps_are_smoothed_before_the_locations_are_pooled(model: CNNRNN, images: Tensor) -> None:
    if not model.config.spatial:
        return  # its maps are those of HiResCAM
    feature_map, tokens = encode(model, images[:1])[0][0], [2, 0, 3]
    found = explain(model, feature_map, tokens, target=TARGETS["logit"])
    image = model.project_image(model.image_feature(feature_map.unsqueeze(0)))
    recurrent = unroll(model, torch.tensor([[model.start, *tokens]]))
    for step, token in enumerate([*tokens, model.end]):
        logits = model.location_logits(recurrent, image)[0, step, :, token].unflatten(0, feature_map.shape[-2:])
        assert found.smoothed[step].argmax() == smooth(logits, model.backbone.config.center_offset).argmax()


def evidence_at(location: tuple[int, int], channels: int) -> Tensor:
    """A feature map (channel, 13, 13) with one location that differs from the others."""
    feature_map = torch.zeros(channels, 13, 13)
    feature_map[:, location[0], location[1]] = torch.randn(channels, generator=torch.Generator().manual_seed(2)) * 5
    return feature_map


@pytest.mark.parametrize("method", [name for name in METHODS if name not in PIXEL_METHODS])
def test_maps_are_drawn_where_the_locations_look(method: str, model: CNNRNN, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole cell to the right and below: the smoothed map moves by one, away from the borders."""
    feature_map, tokens = evidence_at((6, 5), model.backbone.channels), [2, 0]
    before = explain(model, feature_map, tokens, method)
    monkeypatch.setattr(model.backbone, "config", replace(model.backbone.config, center_offset=1.0))
    after = explain(model, feature_map, tokens, method)
    torch.testing.assert_close(after.maps, before.maps)
    torch.testing.assert_close(after.smoothed[:, 4:10, 3:9], before.smoothed[:, 3:9, 2:8], rtol=1e-3, atol=1e-5)
    assert not torch.allclose(after.smoothed, before.smoothed, atol=1e-5)


def test_so_are_those_of_the_sigmoid_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = Backbone(BackboneConfig.of("test_byobnet", 32))
    classifier = SigmoidClassifier(SigmoidConfig(num_labels=5, spatial=True), backbone).eval()
    feature_map = evidence_at((6, 5), backbone.channels)
    before = label_maps(classifier, feature_map, (3, 1))
    monkeypatch.setattr(backbone, "config", replace(backbone.config, center_offset=1.0))
    after = label_maps(classifier, feature_map, (3, 1))
    assert before is not None
    assert after is not None
    torch.testing.assert_close(after.smoothed[:, 4:10, 3:9], before.smoothed[:, 3:9, 2:8], rtol=1e-3, atol=1e-5)
    assert not torch.allclose(after.smoothed, before.smoothed, atol=1e-5)


def test_without_positive_evidence_every_scale_and_strength_is_0() -> None:
    explanation = Explanation((1,), torch.ones(2, 3, 3), -torch.ones(2, 3, 3), torch.zeros(2), "cam")
    assert explanation.scales() == explanation.scales(common=True) == explanation.strengths == [0.0, 0.0]


def test_an_explanation_has_its_path_method_and_scores(model: CNNRNN, images: Tensor) -> None:
    feature_map = encode(model, images[:1])[0][0]
    by_default = explain(model, feature_map, [2, 0])
    assert (by_default.tokens, by_default.method) == ((2, 0), "cam")
    torch.testing.assert_close(by_default.maps, explain(model, feature_map, [2, 0], "cam", log_odds).maps)
    with torch.no_grad():  # which doesn't keep it from taking gradients of its own
        again = explain(model, feature_map.requires_grad_(True), [2, 0], "grad-cam", logit)
    assert again.method == "grad-cam"
    assert not again.maps.requires_grad
    assert not again.scores.requires_grad
    assert feature_map.grad is None
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("target", [logit, log_odds, log_probability])
def test_class_activation_maps_are_the_gradient_at_the_logits_times_their_contributions(
    target: object, images: Tensor
) -> None:
    """Written out for one step, location by location."""
    torch.manual_seed(8)
    config = ModelConfig(num_labels=LABELS, embedding_dim=16, hidden_dim=12, spatial=True, temperature=0.6)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 64))).eval()
    feature_map = torch.randn(model.backbone.channels, 2, 3, generator=torch.Generator().manual_seed(6))
    tokens, step = [2, 0], 1
    maps = class_activation_map(model, feature_map, tokens, target)  # type: ignore[arg-type]
    assert maps.shape == (3, 2, 3)
    with torch.no_grad():
        recurrent = unroll(model, torch.tensor([[model.start, *tokens]]))[0, step]
        by_location = [
            model.h(recurrent + model.U_I(feature_map[:, row, column])) @ model.label_embedding[: model.start].T
            for row in range(2)
            for column in range(3)
        ]
        logits = torch.stack(by_location)  # (location, L+1)
        attention = (model.spatial_pool.sharpness * logits).softmax(dim=0)
        contributions = logits * (1 / 6 + model.spatial_pool.peak * attention) / 0.6
    allowed = torch.ones(LABELS + 1, dtype=torch.bool)
    allowed[2] = False  # emitted at the step before
    total = contributions.sum(dim=0).masked_fill(~allowed, -torch.inf)
    probs = total.softmax(-1)
    weights = -probs / (1 - probs[0])  # of the rivals in the log-odds
    weights[0] = 1.0
    if target is logit:
        weights = torch.zeros(LABELS + 1).index_fill(0, torch.tensor([0]), 1.0)
    elif target is log_probability:
        weights = -probs.clone()
        weights[0] += 1
    expected = (contributions * weights * allowed).sum(dim=1).view(2, 3)
    torch.testing.assert_close(maps[step], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", PIXEL_METHODS)
def test_methods_down_to_the_pixels_explain_the_target_and_need_the_image(
    method: str, model: CNNRNN, images: Tensor
) -> None:
    feature_map = encode(model, images[:1])[0][0]
    with pytest.raises(ValueError, match=f"{method} needs the image"):
        explain(model, feature_map, [2], method)
    explanation = explain(model, feature_map, [2], method, logit, images[0])
    assert explanation.maps.shape == (2, 64, 64)
    torch.testing.assert_close(explanation.scores, explain(model, feature_map, [2], "cam", logit).scores)
    if method == "input-x-gradient":
        one = images[:1].clone().requires_grad_(True)
        logits = teacher_forced_logits(
            model, model.image_feature(model.backbone(one)), torch.tensor([[model.start, 2]])
        )[0]
        (gradient,) = torch.autograd.grad(logits[0, 2], one)
        expected = (gradient * one).sum(dim=1)[0].detach()
        torch.testing.assert_close(explanation.maps[0], expected, rtol=1e-3, atol=1e-6)


NAMES = ("cat", "dog", "car", "sky", "sea")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint of five labels, and an image beside it."""
    folder = tmp_path_factory.mktemp("explained")
    torch.manual_seed(3)
    config = ModelConfig(num_labels=LABELS, embedding_dim=16, hidden_dim=12, spatial=True)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 64))).eval()
    pixels = np.random.default_rng(0).integers(0, 255, (48, 80, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(folder / "image.png")
    with torch.no_grad():  # labels lie nearer to this image than END does, so that paths have several
        feature = encode(model, model.backbone.preprocess(image).unsqueeze(0))[1]
        towards = model.h(model.project_image(feature)).mean(dim=(0, 1))
        model.label_embedding[: model.end] += 2 * towards / towards.norm() ** 2
    Checkpoint(model, Vocabulary(NAMES, (9,) * LABELS), {"pretrained": False}, "").save(folder / "model", {}, card="")
    return folder


@pytest.mark.parametrize(
    ("options", "method", "beam", "path"),
    [
        ([], "cam", 8, 1),
        (["--method", "occlusion"], "occlusion", 8, 1),
        (["--method", "input-x-gradient"], "input-x-gradient", 8, 1),
        (["--path", "3"], "cam", 8, 3),
        (["--common-scale"], "cam", 8, 1),
        (["--colormap", "cividis"], "cam", 8, 1),
        (["--beam", "2", "--path", "2"], "cam", 2, 2),
    ],
)
def test_the_command_draws_the_maps_of_the_path_that_is_asked_for(
    options: list[str], method: str, beam: int, path: int, saved: Path, tmp_path: Path
) -> None:
    arguments = [saved / "image.png", "--checkpoint", saved / "model", "--out", tmp_path / "maps"]
    done = CliRunner().invoke(app, ["explain", *map(str, arguments), *options])
    assert done.exit_code == 0, done.output
    loaded, image = Checkpoint.load(saved / "model"), Image.open(saved / "image.png").convert("RGB")
    feature_map, feature = encode_image(loaded, image)
    trace = decode_image(loaded, feature, beam)
    tokens = trace.paths[path - 1].tokens
    pixels = loaded.model.backbone.preprocess(image)
    explanation = explain(loaded.rnn, feature_map, tokens, method, image=pixels)
    files = sorted((tmp_path / "maps").glob("*.png"))
    names = [*(NAMES[token] for token in tokens), "END"]
    assert len(names) > 2
    assert [file.name for file in files] == [f"{step:02d}-{name}.png" for step, name in enumerate(names, start=1)]
    for step, file in enumerate(files):
        peak = max(float(explanation.smoothed[step].max()), 0)
        scale = float(explanation.smoothed.max()) if "--common-scale" in options else peak
        colormap = "cividis" if "cividis" in options else "plasma"
        expected = overlay(image, explanation.smoothed[step].numpy(), scale, colormap=colormap)
        assert np.abs(np.asarray(Image.open(file)).astype(int) - np.asarray(expected)).max() <= 1
        chance = trace.distribution(trace.paths[path - 1], step)[tokens[step] if step < len(tokens) else LABELS]
        assert f"{chance:.1%}" in done.output
        strength = peak / float(explanation.smoothed.max())
        assert (f"{strength:.0%}" if strength > 0 else "no positive evidence") in done.output
    written = json.loads((tmp_path / "maps" / "trace.json").read_text())
    assert (written["method"], written["beam"], written["image"]) == (method, beam, str(saved / "image.png"))


def test_a_path_that_the_search_did_not_keep_is_refused(saved: Path, tmp_path: Path) -> None:
    arguments = [saved / "image.png", "--checkpoint", saved / "model", "--out", tmp_path / "maps"]
    done = CliRunner().invoke(app, ["explain", *map(str, arguments), "--beam", "2", "--path", "3"])
    assert done.exit_code != 0
    assert "kept 2 paths" in done.output
    assert not (tmp_path / "maps").exists()


def test_an_unknown_color_map_is_refused_before_anything_is_written(saved: Path, tmp_path: Path) -> None:
    arguments = [saved / "image.png", "--checkpoint", saved / "model", "--out", tmp_path / "maps"]
    done = CliRunner().invoke(app, ["explain", *map(str, arguments), "--colormap", "jet"])
    assert done.exit_code != 0
    assert "plasma, viridis, cividis" in done.output
    assert not (tmp_path / "maps").exists()


def test_an_unknown_method_names_the_known_ones(model: CNNRNN, images: Tensor) -> None:
    with pytest.raises(UserError, match="grad-cam"):
        explain(model, encode(model, images[:1])[0][0], [], "tea-leaves")
