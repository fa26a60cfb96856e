"""Every method on scores that are written out as formulas, so that its maps follow from the definition."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cnnrnn.attribution.methods import (
    DEFAULT_METHOD,
    METHODS,
    PIXEL_METHODS,
    Pixels,
    Steps,
    with_hookable_relus,
)

STEPS, CHANNELS, HEIGHT, WIDTH = 3, 2, 2, 4


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


FEATURES = numbers(CHANNELS, HEIGHT, WIDTH, seed=1)
MAPS = FEATURES.expand(STEPS, -1, -1, -1)  # (step, channel, height, width), the same at every step
WEIGHTS = numbers(STEPS, CHANNELS, HEIGHT, WIDTH, seed=2)


def repeated(weights: Tensor, maps: Tensor) -> Tensor:
    """Once for each point that a method stacks: all steps of one after another."""
    return weights.repeat(len(maps) // len(weights), 1, 1, 1)


def linear(maps: Tensor) -> Tensor:
    return (repeated(WEIGHTS, maps) * maps).sum(dim=(1, 2, 3))


def cubic(maps: Tensor) -> Tensor:
    return (repeated(WEIGHTS, maps) * maps**3).sum(dim=(1, 2, 3))


def product(maps: Tensor) -> Tensor:
    """Locations depend on each other: what one is worth depends on the others' features."""
    return linear(maps) * (1 + maps.mean(dim=(1, 2, 3)))


def test_grad_cam_weighs_each_channel_by_its_mean_gradient() -> None:
    channel_weights = WEIGHTS.mean(dim=(2, 3), keepdim=True)  # the gradient of a linear score is its weights
    torch.testing.assert_close(METHODS["grad-cam"](Steps(linear, MAPS)), (channel_weights * MAPS).sum(dim=1))


def test_hires_cam_weighs_each_location_by_its_own_gradient() -> None:
    torch.testing.assert_close(METHODS["hires-cam"](Steps(cubic, MAPS)), (3 * WEIGHTS * MAPS**3).sum(dim=1))


def test_class_activation_maps_are_the_exact_contributions_or_else_hires_cam() -> None:
    contributions = numbers(STEPS, HEIGHT, WIDTH, seed=3)
    assert METHODS["cam"](Steps(cubic, MAPS, lambda: contributions)) is contributions
    torch.testing.assert_close(METHODS["cam"](Steps(cubic, MAPS)), METHODS["hires-cam"](Steps(cubic, MAPS)))
    assert DEFAULT_METHOD == "cam"


def test_integrated_gradients_of_a_cubic_are_its_terms() -> None:
    """The integral of 3 w (a m)² over a from 0 to 1, times m, is w m³."""
    maps = METHODS["integrated-gradients"](Steps(cubic, MAPS))
    torch.testing.assert_close(maps, (WEIGHTS * MAPS**3).sum(dim=1), rtol=1e-4, atol=1e-5)
    assert not maps.requires_grad


def test_integrated_gradients_are_taken_at_sixteen_points_from_an_all_zero_feature_map() -> None:
    seen: list[Tensor] = []

    def scores(maps: Tensor) -> Tensor:
        seen.append(maps.detach())
        return linear(maps)

    METHODS["integrated-gradients"](Steps(scores, MAPS))
    fractions = torch.cat([maps / repeated(MAPS, maps) for maps in seen]).flatten(1)
    assert fractions.std(dim=1).max() < 1e-5  # on the straight line from 0 to the map
    assert len(fractions) == 16 * STEPS
    assert fractions.min() < 0.01
    assert fractions.max() > 0.99


def test_occlusion_is_the_drop_of_the_score_without_each_location() -> None:
    maps = METHODS["occlusion"](Steps(product, MAPS))
    expected = torch.empty(STEPS, HEIGHT, WIDTH)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            without = MAPS.clone()
            without[:, :, row, column] = 0
            expected[:, row, column] = product(MAPS) - product(without)
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-5)


def test_smoothgrad_is_the_mean_of_gradient_times_input_over_sixteen_noisy_inputs() -> None:
    features = 3 + 2 * numbers(8, 12, 12, seed=4)  # many numbers, so that their noise's deviation is measured well
    maps = features.expand(STEPS, -1, -1, -1)
    seen: list[Tensor] = []

    def squares(inputs: Tensor) -> Tensor:
        seen.append(inputs.detach())
        return (inputs**2).sum(dim=(1, 2, 3))

    found = METHODS["smoothgrad"](Steps(squares, maps))
    inputs = torch.stack(seen)  # (sample, step, channel, height, width)
    assert len(inputs) == 16
    torch.testing.assert_close(found, (2 * inputs**2).sum(dim=2).mean(dim=0))
    noise = inputs - maps
    assert (noise == noise[:, :1]).all()  # the same at every step, so that steps can be compared
    assert noise[:, 0].std().item() == pytest.approx(0.15 * features.std().item(), rel=0.03)
    assert noise.mean().abs() < 0.02
    assert torch.corrcoef(noise[:, 0].flatten(1)).fill_diagonal_(0).abs().max() < 0.15  # new in every sample


def test_smoothgrad_is_the_same_again_and_leaves_the_process_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first = METHODS["smoothgrad"](Steps(cubic, MAPS))
    torch.manual_seed(99)
    assert torch.equal(METHODS["smoothgrad"](Steps(cubic, MAPS)), first)
    torch.random.set_rng_state(before)
    METHODS["smoothgrad"](Steps(cubic, MAPS))
    assert torch.equal(torch.random.get_rng_state(), before)


class TwoChannels(nn.Module):
    """A backbone without weights: ReLU of (r - g, g - 2 b), mean of 2 × 2 pixels; its ReLU overwrites its input."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.ReLU(inplace=True))

    def forward(self, images: Tensor) -> Tensor:
        red, green, blue = images.unbind(dim=1)
        return nn.functional.avg_pool2d(self.inner(torch.stack([red - green, green - 2 * blue], dim=1)), 2)


IMAGE = numbers(3, 2 * HEIGHT, 2 * WIDTH, seed=5)


def with_pixels(scores: Callable[[Tensor], Tensor]) -> Steps:
    backbone = TwoChannels()
    maps = backbone(IMAGE.unsqueeze(0)).expand(STEPS, -1, -1, -1)
    return Steps(scores, maps, pixels=Pixels(IMAGE, backbone, scores))  # type: ignore[arg-type]


def to_pixels(maps: Tensor) -> Tensor:
    """Each location's value at its 2 × 2 pixels, a quarter each, as the gradient of the mean."""
    return maps.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2) / 4


def test_input_times_gradient_is_by_the_chain_rule() -> None:
    red, green, blue = IMAGE
    one, two = (to_pixels(WEIGHTS[:, channel]) for channel in (0, 1))  # of d score / d ReLU's output
    one, two = one * (red > green), two * (green > 2 * blue)
    expected = red * one + green * (two - one) + blue * -2 * two
    torch.testing.assert_close(METHODS["input-x-gradient"](with_pixels(linear)), expected)


def test_guided_grad_cam_is_grad_cams_positive_part_times_gradients_guided_by_relus() -> None:
    steps = with_pixels(linear)
    red, green, blue = IMAGE
    one, two = (to_pixels(WEIGHTS[:, channel]).clamp(min=0) for channel in (0, 1))  # negative ones don't pass a ReLU
    one, two = one * (red > green), two * (green > 2 * blue)
    guided = one + (two - one) + -2 * two
    grad_cam = METHODS["grad-cam"](steps)
    assert (grad_cam < 0).any()
    assert (grad_cam > 0).any()
    coarse = grad_cam.clamp(min=0).unsqueeze(1)
    fine = nn.functional.interpolate(coarse, (2 * HEIGHT, 2 * WIDTH), mode="bilinear", align_corners=False)
    torch.testing.assert_close(METHODS["guided-grad-cam"](steps), fine[:, 0] * guided)


def test_guided_grad_cam_works_on_a_copy_and_keeps_captums_remark_to_itself(recwarn: pytest.WarningsRecorder) -> None:
    steps = with_pixels(linear)
    assert steps.pixels is not None
    METHODS["guided-grad-cam"](steps)
    (relu,) = steps.pixels.backbone.inner  # type: ignore[union-attr]
    assert relu.inplace
    assert not relu._forward_pre_hooks
    assert not relu._backward_hooks
    assert not [warning for warning in recwarn if "hook" in str(warning.message)]


def test_every_relu_is_exchanged_for_one_that_can_be_hooked() -> None:
    inner = nn.Sequential(nn.ReLU6(inplace=True), nn.Sigmoid())
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True), inner)
    changed = with_hookable_relus(network)
    assert changed is network
    assert [isinstance(layer, nn.ReLU) for layer in (network[1], inner[0])] == [True, True]
    assert not network[1].inplace
    assert not inner[0].inplace
    assert isinstance(network[0], nn.Linear)
    assert isinstance(inner[1], nn.Sigmoid)
    values = torch.tensor([-1.0, 3.0, 9.0])
    assert inner[0](values).tolist() == [0, 3, 6]
    assert network[1](values).tolist() == [0, 3, 9]
    assert values.tolist() == [-1, 3, 9]


def test_pixel_methods_are_those_whose_maps_have_the_images_resolution() -> None:
    contributions = numbers(STEPS, HEIGHT, WIDTH, seed=3)
    for name, method in METHODS.items():
        steps = with_pixels(linear)
        steps = Steps(steps.scores, steps.maps, lambda: contributions, steps.pixels)
        size = (2 * HEIGHT, 2 * WIDTH) if name in PIXEL_METHODS else (HEIGHT, WIDTH)
        assert method(steps).shape == (STEPS, *size)
    assert set(PIXEL_METHODS) == {"input-x-gradient", "guided-grad-cam"}
