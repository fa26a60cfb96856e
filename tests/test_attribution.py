"""Maps against captum's own Grad-CAM, against finite differences, and under several threads."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from captum.attr import GuidedGradCam, InputXGradient, LayerGradCam
from torch import Tensor, nn

from cnnrnn.attribution import class_activation_map, explain, prefix_contribution, step_scores
from cnnrnn.backbones import Backbone, BackboneConfig
from cnnrnn.errors import UserError
from cnnrnn.methods import METHODS, Steps, with_hookable_relus
from cnnrnn.model import CNNRNN, ModelConfig
from cnnrnn.prediction import encode
from cnnrnn.targets import TARGETS, against

LABELS = 5


@pytest.fixture(scope="module", params=[False, True], ids=["pooled", "places"])
def model(request: pytest.FixtureRequest) -> CNNRNN:
    torch.manual_seed(3)
    config = ModelConfig(num_labels=LABELS, embedding_dim=16, hidden_dim=12, places=request.param)
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
        logits = model(model.image_feature(model.backbone(images)), inputs).clamp(min=-1e4)  # (batch, step, L+1)
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


def test_hires_cam_is_captums_input_times_gradient_and_grad_cam_where_places_count_alike(
    model: CNNRNN, images: Tensor
) -> None:
    tokens = [2, 0, 3]
    feature_map = encode(model, images[:1])[0][0]
    maps = explain(model, feature_map, tokens, "hires-cam").maps
    steps = feature_map.expand(len(tokens) + 1, -1, -1, -1).clone().requires_grad_(True)
    reference = InputXGradient(step_scores(model, tokens)).attribute(steps)
    torch.testing.assert_close(maps, reference.sum(dim=1).detach())
    grad_cam = explain(model, feature_map, tokens, "grad-cam").maps
    alike = not model.config.places
    assert torch.allclose(maps, grad_cam, rtol=1e-3, atol=1e-5) == alike


def test_class_activation_maps_add_up_to_the_score(model: CNNRNN, images: Tensor) -> None:
    """The parts of a logit are its own; of a pooled model they are the gradient's, the same as HiResCAM."""
    feature_map, tokens = encode(model, images[:1])[0][0], [2, 0, 3]
    explanation = explain(model, feature_map, tokens, "cam", TARGETS["logit"])
    if model.config.places:
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


def test_occlusion_is_what_the_score_loses_without_a_place(model: CNNRNN, images: Tensor) -> None:
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


def test_smoothgrad_of_a_straight_line_is_its_integrated_gradient(images: Tensor) -> None:
    """Where the gradient is the same everywhere, noise around a point averages out."""
    weights = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    points = 10 + torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    maps = METHODS["smoothgrad"](Steps(lambda maps: (weights * maps).sum(dim=(1, 2, 3)), points))
    torch.testing.assert_close(maps, (weights * points).sum(dim=1), rtol=0, atol=0.5)  # of values up to 40


@pytest.mark.parametrize("rival", [3, LABELS])
def test_a_contrast_is_the_difference_of_two_logits(rival: int, model: CNNRNN, images: Tensor) -> None:
    feature_map, feature = encode(model, images[:1])
    tokens = [2, 3, 0]
    explanation = explain(model, feature_map[0], tokens, target=against(rival))
    with torch.no_grad():
        logits = model(feature, torch.tensor([[model.start, *tokens]]))[0]  # (step, L+1)
    for step, token in enumerate([*tokens, model.end]):
        is_rival = rival not in tokens[: step + 1] and rival != token
        expected = logits[step, token] - logits[step, rival] if is_rival else torch.tensor(0.0)
        torch.testing.assert_close(explanation.scores[step], expected, rtol=1e-4, atol=1e-5)
        assert is_rival or (explanation.maps[step] == 0).all()


def test_targets_are_what_their_names_say(model: CNNRNN, images: Tensor) -> None:
    feature_map, feature = encode(model, images[:1])
    with torch.no_grad():
        logits = model(feature, torch.tensor([[model.start, 2]]))[0]  # (step, L+1)
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


def test_the_worth_of_the_labels_before_is_a_difference_of_log_odds(model: CNNRNN, images: Tensor) -> None:
    _, feature = encode(model, images[:1])
    worth = prefix_contribution(model, feature, [2, 3])
    with torch.no_grad():
        after_both = model(feature, torch.tensor([[model.start, 2, 3]]))[0, 2].softmax(-1)[model.end]
        first = model(feature, torch.tensor([[model.start]]))[0, 0]
    first[[2, 3]] = -torch.inf
    at_once = first.softmax(-1)[model.end]
    assert worth[0] == 0
    torch.testing.assert_close(worth[2], after_both.logit() - at_once.logit(), rtol=1e-3, atol=1e-4)


def test_the_map_of_a_step_depends_on_what_was_emitted_before(model: CNNRNN, images: Tensor) -> None:
    feature_map = encode(model, images[:1])[0][0]
    first, second = explain(model, feature_map, [2]).maps[0], explain(model, feature_map, [0, 2]).maps[1]
    assert not torch.allclose(first, second)


def test_end_after_every_label_needs_no_evidence(model: CNNRNN, images: Tensor) -> None:
    explanation = explain(model, encode(model, images[:1])[0][0], list(range(LABELS)))
    assert torch.isfinite(explanation.maps).all()
    assert (explanation.maps[-1] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_people_explaining_at_once_do_not_mix(method: str, model: CNNRNN, images: Tensor) -> None:
    jobs = [(encode(model, images[i : i + 1])[0][0], [i, (i + 1) % LABELS], images[i]) for i in range(4)] * 8

    def maps(job: tuple[Tensor, list[int], Tensor]) -> Tensor:
        feature_map, tokens, image = job
        return explain(model, feature_map, tokens, method, image=image).maps

    alone = [maps(job) for job in jobs[:4]] * 8
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(maps, jobs))
    for mine, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_an_unknown_method_names_the_known_ones(model: CNNRNN, images: Tensor) -> None:
    with pytest.raises(UserError, match="grad-cam"):
        explain(model, encode(model, images[:1])[0][0], [], "tea-leaves")
