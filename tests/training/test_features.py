"""What training and validation are given: which pixels, which features, in which order, and what is kept on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import Quiet
from PIL import Image
from torch import Tensor, nn

from cnnrnn.data import Sample, Split, load_split
from cnnrnn.data.images import open_image
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.sigmoid import SigmoidClassifier, SigmoidConfig
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.distributed import ProcessGroup
from cnnrnn.training.features import Cached, EndToEnd
from cnnrnn.utils.errors import UserError


class Counting(Quiet):
    """Remembers what was started, of how many images, and how many were reported done."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[str, int]] = []
        self.advanced: list[int] = []

    def start(self, what: str, images: int) -> None:
        self.started.append((what, images))

    def advance(self, images: int, loss: float | None = None) -> None:
        self.advanced.append(images)


@pytest.fixture
def split(scenes_root: Path) -> Split:
    whole = load_split("scenes", scenes_root, "train")
    return replace(whole, samples=whole.samples[:10])


@pytest.fixture
def val_split(scenes_root: Path) -> Split:
    whole = load_split("scenes", scenes_root, "val")
    return replace(whole, samples=whole.samples[:7])


# What the tests need of a configuration: small batches, and a backbone that is trained or not.
END_TO_END = TrainConfig(batch_size=4, backbone_lr=1e-3)


def frozen(views: int, trained_layers: int = 0, **settings: Any) -> TrainConfig:
    """For a backbone whose layers are frozen, but for the last `trained_layers`."""
    return TrainConfig(
        batch_size=4,
        backbone_lr=1e-3 if trained_layers else 0.0,
        trained_layers=trained_layers or None,
        views=views,
        **settings,
    )


def sigmoid(spatial: bool = False, seed: int = 0) -> SigmoidClassifier:
    torch.manual_seed(seed)
    backbone = Backbone(BackboneConfig.of("test_byobnet", 64))
    return SigmoidClassifier(SigmoidConfig(6, spatial=spatial), backbone).eval()


def images_of(
    split: Split, model: SigmoidClassifier, change: Callable[[Image.Image], Image.Image] | None = None
) -> Tensor:
    """The images without augmentation, changed first: (image, 3, size, size)."""
    size = 2 * model.backbone.config.image_size
    images = [open_image(sample.image, size) for sample in split.samples]
    return torch.stack([model.backbone.preprocess(change(image) if change else image) for image in images])


def mirror(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


@torch.no_grad()
def features_of(
    split: Split, model: SigmoidClassifier, change: Callable[[Image.Image], Image.Image] | None = None
) -> Tensor:
    return model.image_feature(model.backbone(images_of(split, model, change)))


# End to end.


def test_training_end_to_end_sees_every_image_once_augmented(split: Split, val_split: Split) -> None:
    model = sigmoid()
    source = EndToEnd(model, (split, val_split), END_TO_END, Counting())
    plain = images_of(split, model)

    def epoch(seed: int) -> tuple[list[list[int]], Tensor]:
        torch.manual_seed(seed)
        batches = list(source.training())
        pixels = torch.empty_like(plain)
        for indices, inputs in batches:
            assert inputs.shape == (len(indices), 3, 64, 64)
            pixels[indices] = inputs
        return [indices for indices, _ in batches], pixels

    order, pixels = epoch(0)
    assert [len(batch) for batch in order] == [4, 4, 2]
    assert sorted(chain.from_iterable(order)) == list(range(10))
    assert list(chain.from_iterable(order)) != list(range(10))
    assert all((one - other).abs().mean() > 0.05 for one, other in zip(pixels, plain, strict=True))
    again, same_pixels = epoch(0)
    assert again == order
    torch.testing.assert_close(same_pixels, pixels, rtol=0, atol=0)
    other_order, other_pixels = epoch(1)
    assert other_order != order
    assert all((one - other).abs().mean() > 0.05 for one, other in zip(pixels, other_pixels, strict=True))
    # Every image is drawn by itself: the same crop for all would hide in one image's changes.
    one_image = replace(split, samples=split.samples[:1] * 10)
    source = EndToEnd(model, (one_image, val_split), END_TO_END, Counting())
    _, pixels = epoch(0)
    assert min((pixels[one] - pixels[other]).abs().mean() for one in range(10) for other in range(one)) > 0.01


def test_each_image_keeps_its_index_through_the_shuffle(split: Split, val_split: Split) -> None:
    """Images of one plain colour each: augmentation can't turn one into another."""
    model = sigmoid()
    folder = split.samples[0].image.parent.parent / "plain"
    folder.mkdir(exist_ok=True)
    samples = []
    for number in range(6):
        image = folder / f"{number}.png"
        Image.new("RGB", (64, 64), (255 * (number & 1), 255 * (number >> 1 & 1), 255 * (number >> 2 & 1))).save(image)
        samples.append(Sample(image, ()))
    plain = replace(split, samples=tuple(samples))
    source = EndToEnd(model, (plain, plain), END_TO_END, Counting())
    expected = images_of(plain, model)
    torch.manual_seed(0)
    for indices, inputs in source.training():
        distances = (inputs[:, None] - expected).abs().mean(dim=(2, 3, 4))  # (image of the batch, image)
        assert distances.argmin(dim=1).tolist() == indices


def test_validation_end_to_end_is_plain_in_order_and_without_gradients(split: Split, val_split: Split) -> None:
    model, watcher = sigmoid(), Counting()
    source = EndToEnd(model, (split, val_split), END_TO_END, watcher)
    found = list(source.validation())
    assert [indices for indices, _ in found] == [[0, 1, 2, 3], [4, 5, 6]]
    features = torch.cat([feature for _, feature in found])
    torch.testing.assert_close(features, features_of(val_split, model))
    assert not features.requires_grad
    assert watcher.started == [("validating", 7)]
    assert watcher.advanced == [4, 3]
    assert source.feature(images_of(val_split, model)).requires_grad  # for training all of it has gradients


@pytest.mark.parametrize("rank", [0, 1])
def test_each_of_two_processes_reads_its_share_end_to_end(rank: int, split: Split, val_split: Split) -> None:
    model, watcher = sigmoid(), Counting()
    val_split = replace(val_split, samples=val_split.samples[:5])  # the last batch is one image: none for the second
    source = EndToEnd(model, (split, val_split), END_TO_END, watcher, ProcessGroup(rank=rank, count=2))
    alone = EndToEnd(model, (split, val_split), END_TO_END, Counting())
    torch.manual_seed(3)
    whole = list(alone.training())
    torch.manual_seed(3)
    for (indices, inputs), (all_indices, all_inputs) in zip(source.training(), whole, strict=True):
        assert indices == all_indices  # of the whole batch
        torch.testing.assert_close(inputs, all_inputs[rank::2], rtol=0, atol=0)
    assert [indices for indices, _ in source.validation()] == ([[0, 2], [4]] if rank == 0 else [[1, 3]])
    assert watcher.started == [("validating", 3 if rank == 0 else 2)]
    assert watcher.advanced == ([2, 1] if rank == 0 else [2, 0])


@pytest.mark.parametrize("compile_layers", [False, True])
def test_layers_are_compiled_only_where_it_is_asked_for(
    compile_layers: bool, split: Split, val_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda layers: compiled.append(layers) or layers)
    EndToEnd(sigmoid(), (split, val_split), replace(END_TO_END, compile_layers=compile_layers), Counting())
    assert len(compiled) == compile_layers
    compiled.clear()
    config = frozen(views=1, trained_layers=1, compile_layers=compile_layers)
    Cached(sigmoid(), (split, val_split), config, tmp_path, Counting())
    assert len(compiled) == compile_layers
    assert all(isinstance(layers, nn.Sequential) for layers in compiled)


# With frozen layers.


@pytest.mark.parametrize("views", [1, 2, 4])
def test_views_are_the_image_its_mirror_image_and_then_crops(
    views: int, split: Split, val_split: Split, tmp_path: Path
) -> None:
    model, watcher = sigmoid(), Counting()
    source = Cached(model, (split, val_split), frozen(views=views), tmp_path, watcher)
    assert len(source.train_views) == views
    assert len(list(tmp_path.glob("*.npy"))) == views + 1
    assert watcher.started == [
        *((f"features of scenes train, view {view}", 10) for view in range(1, views + 1)),
        ("features of scenes val, view 1", 7),
    ]
    assert watcher.advanced == [4, 4, 2] * views + [4, 3]
    assert [len(indices) for indices, _ in source.training()] == [4, 4, 2]
    expected = [features_of(split, model), features_of(split, model, mirror)][:views]
    for view, feature in zip(source.train_views, expected, strict=False):
        torch.testing.assert_close(torch.from_numpy(np.array(view)), feature)
        assert view.dtype == np.float32
    for view, others in ((2, (0, 1)), (3, (0, 1, 2))):  # crops differ from the image, its mirror image and each other
        for other in others if view < views else ():
            difference = np.abs(source.train_views[view] - source.train_views[other]).max(axis=(1, 2))
            assert (difference > 1e-3).all()
    torch.testing.assert_close(torch.from_numpy(np.array(source.val_view)), features_of(val_split, model))


def test_training_on_kept_features_draws_a_view_for_every_image(split: Split, val_split: Split, tmp_path: Path) -> None:
    source = Cached(sigmoid(), (split, val_split), frozen(views=3), tmp_path, Counting())
    drawn, orders = [], []
    torch.manual_seed(0)
    for _ in range(20):
        order: list[int] = []
        for indices, inputs in source.training():
            assert inputs.shape == (len(indices), 1, 256)
            assert inputs.dtype == torch.float32
            for index, row in zip(indices, inputs.numpy(), strict=True):
                drawn.append([np.array_equal(row, view[index]) for view in source.train_views].index(True))
            order += indices
        assert sorted(order) == list(range(10))
        orders.append(order)
    assert len({tuple(order) for order in orders}) == 20
    assert min(drawn.count(view) for view in range(3)) > 45  # of 200
    torch.manual_seed(0)
    indices, inputs = next(iter(source.training()))
    assert indices == orders[0][:4]  # all chance comes from torch's generator
    assert source.feature(inputs) is inputs  # nothing is left to do


def test_validation_on_kept_features_is_in_order_in_parts(split: Split, val_split: Split, tmp_path: Path) -> None:
    source = Cached(sigmoid(), (split, val_split), frozen(views=1), tmp_path, Counting())
    source.val_view = np.random.default_rng(0).random((600, 1, 256), dtype=np.float32)
    found = list(source.validation())
    assert [len(indices) for indices, _ in found] == [256, 256, 88]
    assert list(chain.from_iterable(indices for indices, _ in found)) == list(range(600))
    np.testing.assert_array_equal(torch.cat([feature for _, feature in found]).numpy(), source.val_view)


@pytest.mark.parametrize("rank", [0, 1])
def test_each_of_two_processes_takes_its_share_of_kept_features(
    rank: int, split: Split, val_split: Split, tmp_path: Path
) -> None:
    split = replace(split, samples=split.samples[:9])  # the last batch is one image: none for the second process
    alone = Cached(sigmoid(), (split, val_split), frozen(views=2), tmp_path, Counting())
    watcher = Counting()
    source = Cached(sigmoid(), (split, val_split), frozen(views=2), tmp_path, watcher, ProcessGroup(rank=rank, count=2))
    assert watcher.started == []  # all is there
    torch.manual_seed(3)
    whole = list(alone.training())
    torch.manual_seed(3)
    for (indices, inputs), (all_indices, all_inputs) in zip(source.training(), whole, strict=True):
        assert indices == all_indices
        torch.testing.assert_close(inputs, all_inputs[rank::2], rtol=0, atol=0)
    source.val_view = np.arange(257.0)[:, None, None]
    found = [(indices, feature.flatten().tolist()) for indices, feature in source.validation()]
    first = list(range(rank, 256, 2))
    assert found == ([(first, first), ([256], [256])] if rank == 0 else [(first, first)])


def test_the_processes_of_a_machine_divide_the_files(split: Split, val_split: Split, tmp_path: Path) -> None:
    """The second of two encodes every second file; here nobody encodes the others, so they are missing."""

    class Meeting(ProcessGroup):
        def barrier(self) -> None:
            met.append(watcher.started.copy())

    watcher, met = Counting(), list[list[tuple[str, int]]]()
    second = Meeting(rank=1, count=2, local_rank=1, local_count=2)
    with pytest.raises(FileNotFoundError):
        Cached(sigmoid(), (split, val_split), frozen(views=2), tmp_path, watcher, second)
    assert watcher.started == [("features of scenes train, view 2", 10)]
    assert met == [watcher.started]  # it waits for the others once its own are done, and only then reads


@pytest.mark.parametrize("trained_layers", [1, 2])
@torch.no_grad()
def test_the_trained_layers_follow_the_kept_maps(
    trained_layers: int, split: Split, val_split: Split, tmp_path: Path
) -> None:
    model = sigmoid()
    model.train()
    source = Cached(model, (split, val_split), frozen(views=2, trained_layers=trained_layers), tmp_path, Counting())
    layers = list(model.backbone.layers().values())
    weighted = [layer for layer in layers if list(layer.parameters())]
    trained = weighted[-trained_layers:]
    wanted = {id(parameter) for layer in trained for parameter in layer.parameters()}
    assert {id(p) for p in model.backbone.parameters() if p.requires_grad} == wanted
    assert not model.backbone.training  # it encodes in eval mode
    assert source.train_views[0].dtype == np.float16
    assert source.train_views[0].ndim == 4
    indices, inputs = next(iter(source.training()))
    assert inputs.dtype == torch.float32
    for view, change in zip(source.train_views, (None, mirror), strict=True):
        found = source.feature(torch.from_numpy(np.array(view)).float())
        torch.testing.assert_close(found, features_of(split, model, change), rtol=0.01, atol=0.01)
    ((indices, feature),) = source.validation()
    assert indices == list(range(7))
    torch.testing.assert_close(feature, features_of(val_split, model), rtol=0.01, atol=0.01)


def test_depthwise_convolutions_of_a_pretrained_network_are_not_trained(
    split: Split, val_split: Split, tmp_path: Path
) -> None:
    """With batch norm folded, as a pretrained network has it, and without."""
    for folded in (True, False):
        backbone = Backbone(BackboneConfig.of("tf_efficientnet_lite0", 64))
        if folded:
            backbone.fold_batch_norm()
            assert backbone.config.folded
        model = SigmoidClassifier(SigmoidConfig(num_labels=4), backbone)
        source = Cached(model, (split, val_split), frozen(views=1, trained_layers=3), tmp_path, Counting())
        _, inputs = next(iter(source.training()))
        source.feature(inputs).sum().backward()
        (block,) = model.backbone.net.blocks[6]
        assert [conv.groups > 1 for conv in (block.conv_pw, block.conv_dw, block.conv_pwl)] == [False, True, False]
        assert block.conv_pw.weight.grad is not None
        assert block.conv_pwl.weight.grad is not None
        assert (block.conv_dw.weight.grad is None) == folded
        assert model.backbone.net.conv_head.weight.grad is not None
        if folded:
            assert block.conv_pw.bias.grad is not None
            assert block.conv_dw.bias.grad is None


def test_a_frozen_backbone_has_no_gradients_and_keeps_maps_for_spatial_heads(
    split: Split, val_split: Split, tmp_path: Path
) -> None:
    for spatial, shape in ((False, (10, 1, 256)), (True, (10, 256, 2, 2))):
        model = sigmoid(spatial)
        source = Cached(model, (split, val_split), frozen(views=1), tmp_path, Counting())
        assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
        assert model.classifier.weight.requires_grad
        assert source.train_views[0].shape == shape
        ((_, feature),) = source.validation()
        torch.testing.assert_close(feature, features_of(val_split, model), rtol=0.01, atol=0.01)
        assert not feature.requires_grad


@pytest.mark.parametrize("trained_layers", [4, 5, 99])
def test_not_all_layers_can_be_trained_behind_frozen_ones(
    trained_layers: int, split: Split, val_split: Split, tmp_path: Path
) -> None:
    weighted = [layer for layer in sigmoid().backbone.layers().values() if list(layer.parameters())]
    trained_layers += len(weighted) - 4
    with pytest.raises(UserError, match=f"has {len(weighted)} layers; train fewer"):
        Cached(sigmoid(), (split, val_split), frozen(views=1, trained_layers=trained_layers), tmp_path, Counting())
    Cached(sigmoid(), (split, val_split), frozen(views=1, trained_layers=len(weighted) - 1), tmp_path, Counting())


def test_kept_features_serve_the_same_layers_and_files_only(split: Split, val_split: Split, tmp_path: Path) -> None:
    def encoded(model: SigmoidClassifier, trained_layers: int = 0, views: int = 1, split: Split = split) -> int:
        """How many files were written, not found."""
        watcher = Counting()
        Cached(model, (split, val_split), frozen(views=views, trained_layers=trained_layers), tmp_path, watcher)
        return len(watcher.started)

    assert encoded(sigmoid()) == 2
    assert encoded(sigmoid()) == 0
    assert encoded(sigmoid(), views=3) == 2  # two more views
    assert encoded(sigmoid(), views=4) == 1  # a view is the same however many there are
    assert encoded(sigmoid(seed=1)) == 2  # other weights
    assert encoded(sigmoid(spatial=True)) == 2  # maps
    assert encoded(sigmoid(), trained_layers=1) == 2
    changed = sigmoid()
    with torch.no_grad():
        list(changed.backbone.layers().values())[-2].get_parameter("0.conv1_1x1.conv.weight").add_(1)
    assert encoded(changed, trained_layers=1) == 0  # the trained layers don't matter to the frozen ones
    changed.backbone.compute_in("bfloat16")
    assert encoded(changed) == 2
    assert encoded(changed) == 0
    other_size = sigmoid()
    other_size.backbone = other_size.backbone.at(image_size=32)
    assert encoded(other_size) == 2
    fewer = replace(split, samples=split.samples[:9])
    assert encoded(sigmoid(), split=fewer) == 1
    assert encoded(sigmoid(), split=replace(split, samples=split.samples[::-1])) == 1  # rows are in the split's order
    renamed = replace(fewer, samples=tuple(replace(sample, labels=()) for sample in fewer.samples))
    assert encoded(sigmoid(), split=renamed) == 0  # labels are no pixels


def test_a_changed_image_is_encoded_again(split: Split, val_split: Split, tmp_path: Path) -> None:
    copy = tmp_path / "image.png"
    shutil.copy(split.samples[0].image, copy)
    mine = replace(split, samples=(Sample(copy, ()), *split.samples[1:]))

    def encoded() -> list[str]:
        watcher = Counting()
        Cached(sigmoid(), (mine, val_split), frozen(views=1), tmp_path / "features", watcher)
        return [what for what, _ in watcher.started]

    assert len(encoded()) == 2
    before = copy.stat()
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert encoded() == ["features of scenes train, view 1"]
    copy.write_bytes(copy.read_bytes() + b"more")
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns + 1))  # another size, the same time
    assert encoded() == ["features of scenes train, view 1"]
    assert encoded() == []


def test_an_image_whose_name_is_not_unicode_is_encoded(split: Split, val_split: Split, tmp_path: Path) -> None:
    image = tmp_path / os.fsdecode(b"\xe9.png")
    shutil.copy(split.samples[0].image, image)
    mine = replace(split, samples=(Sample(image, ()), *split.samples[1:]))
    Cached(sigmoid(), (mine, val_split), frozen(views=1), tmp_path / "features", Counting())


def test_an_image_that_changes_while_it_is_read_stops_the_run(split: Split, val_split: Split, tmp_path: Path) -> None:
    copy = tmp_path / "image.png"
    shutil.copy(split.samples[0].image, copy)
    mine = replace(split, samples=(Sample(copy, ()), *split.samples[1:]))

    class Meddling(Counting):
        def advance(self, images: int, loss: float | None = None) -> None:
            copy.write_bytes(copy.read_bytes() + b"more")

    with pytest.raises(UserError, match=r"images of scenes train changed while they were read"):
        Cached(sigmoid(), (mine, val_split), frozen(views=1), tmp_path / "features", Meddling())
    assert list((tmp_path / "features").iterdir()) == []


def test_encoding_draws_nothing_from_the_generator_of_training(split: Split, val_split: Split, tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model = sigmoid()
    Cached(model, (split, val_split), frozen(views=1), tmp_path / "one", Counting())  # makes the module load
    torch.manual_seed(5)
    one = Cached(model, (split, val_split), frozen(views=3), tmp_path / "two", Counting())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    two = Cached(model, (split, val_split), frozen(views=3), tmp_path / "three", Counting())
    np.testing.assert_array_equal(one.train_views[2], two.train_views[2])  # nor from its seed


def test_an_image_that_cannot_be_read_is_named(split: Split, val_split: Split, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not an image")
    damaged = replace(split, samples=(*split.samples[:5], Sample(broken, ())))
    with pytest.raises(UserError, match=r"broken\.png: not an image.*mend it"):
        Cached(sigmoid(), (damaged, val_split), frozen(views=1), tmp_path / "features", Counting())
    with pytest.raises(UserError, match=r"broken\.png: not an image"):
        list(EndToEnd(sigmoid(), (damaged, val_split), END_TO_END, Counting()).training())
    assert list((tmp_path / "features").iterdir()) == []
