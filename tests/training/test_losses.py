"""The losses, of batches and of their shards, the auxiliary head's, mixup and dropout's mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from training_helpers import Fit, RecordingOptimizer, RecordingWatcher, features, truth, untrained

from cnnrnn.data import Sample, Split
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.models.vocabulary import IGNORE_TOKEN
from cnnrnn.training.losses import LABEL_LOSSES, auxiliary_loss, channel_mask, sequence_loss


def test_the_loss_is_the_mean_cross_entropy_of_the_steps_that_count() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5)
    targets = torch.tensor([[1, 2, 4], [4, IGNORE_TOKEN, IGNORE_TOKEN]])
    log_probs = logits.log_softmax(-1)
    expected = -(log_probs[0, 0, 1] + log_probs[0, 1, 2] + log_probs[0, 2, 4] + log_probs[1, 0, 4]) / 4
    torch.testing.assert_close(sequence_loss(logits, targets), expected)


def test_the_sequence_loss_of_a_shard_is_what_it_adds_to_the_mean_over_all_steps() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 2, 4), torch.tensor([[0, 3], [3, IGNORE_TOKEN], [2, 3]])
    whole = sequence_loss(logits, targets)
    parts = [sequence_loss(logits[rows], targets[rows], 5) for rows in (slice(0, 1), slice(1, 3))]
    torch.testing.assert_close(parts[0] + parts[1], whole)
    torch.testing.assert_close(sequence_loss(logits, targets, 10), whole / 2)


@pytest.mark.parametrize("rows", [slice(None), slice(1, None, 2), slice(0, 0)])
def test_label_losses_of_shards_are_what_they_add_to_the_mean_of_the_batch(rows: slice) -> None:
    torch.manual_seed(0)
    logits, wanted = torch.randn(5, 3), (torch.rand(5, 3) < 0.4).float()
    p, shard = logits.sigmoid(), (logits[rows].contiguous(), wanted[rows].contiguous(), 5)
    bce = -(wanted * p.log() + (1 - wanted) * (1 - p).log())
    found = LABEL_LOSSES["bce"](*shard)
    torch.testing.assert_close(found, bce[rows].sum() / 15)
    missed = (p - 0.05).clamp(min=0)  # an absent label below 5 % costs nothing
    asymmetric = -(wanted * (1 - p) * p.log() + (1 - wanted) * missed**4 * (1 - missed).log())
    found = LABEL_LOSSES["asymmetric"](*shard)
    torch.testing.assert_close(found, asymmetric[rows].sum() / 5)


def test_the_auxiliary_loss_is_summed_over_labels_and_averaged_over_the_batch() -> None:
    logits, wanted = torch.tensor([[0.0, 2.0], [-1.0, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    p = logits.sigmoid()
    expected = -(p[0, 0].log() + (1 - p[0, 1]).log() + (1 - p[1, 0]).log() + p[1, 1].log())
    torch.testing.assert_close(auxiliary_loss(logits, wanted, 2), expected / 2)
    torch.testing.assert_close(auxiliary_loss(logits[:1], wanted[:1], 4), -(p[0, 0].log() + (1 - p[0, 1]).log()) / 4)


@pytest.mark.parametrize("weight", [0.0, 0.7, 2.0])
def test_the_auxiliary_loss_is_added_by_its_weight(
    weight: float, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 2 else ()) for n, s in enumerate(small_split.samples)]
    small_split = replace(small_split, samples=tuple(samples))
    checkpoint = untrained(small_split, auxiliary=True)
    model = checkpoint.model
    inputs, targets = checkpoint.vocabulary.encode([sample.labels for sample in small_split.samples])
    with torch.no_grad():
        feature = features(checkpoint, small_split)
        sequences = sequence_loss(teacher_forced_logits(model, feature, inputs), targets)
        beside = auxiliary_loss(model.auxiliary_logits(feature), truth(checkpoint, small_split), 20)
    run, _ = fit(checkpoint, small_split, batch_size=20, views=1, auxiliary=weight)
    assert run.history[0]["loss"] == pytest.approx((sequences + weight * beside).item(), rel=1e-4)


@pytest.mark.parametrize("loss", LABEL_LOSSES)
def test_the_baseline_is_trained_by_the_chosen_loss_and_ignored_labels_are_no_positives(
    loss: str, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    samples = [replace(s, ignored=tuple(s.labels)[:1] if n % 2 else ()) for n, s in enumerate(small_split.samples)]
    small_split = replace(small_split, samples=tuple(samples))
    checkpoint = untrained(small_split, "sigmoid")
    with torch.no_grad():
        logits = checkpoint.model(features(checkpoint, small_split))
    expected = LABEL_LOSSES[loss](logits, truth(checkpoint, small_split), 20).item()
    run, _ = fit(checkpoint, small_split, batch_size=20, views=1, loss=loss)
    assert run.history[0]["loss"] == pytest.approx(expected, rel=1e-4)


# Mixup.


def one_label_each(split: Split, images: int) -> Split:
    """Image n has label n, and no other."""
    samples = zip(split.samples[:images], split.labels, strict=False)
    return replace(split, samples=tuple(Sample(sample.image, (label,)) for sample, label in samples))


@pytest.mark.parametrize(
    ("mixup", "average", "deviation"),  # of Beta(mixup, mixup): the deviation is 1 / 2 √(2 mixup + 1)
    [(1e6, 0.5, 0.0), (1.0, 0.5, 0.289), (0.1, 0.5, 0.456)],
)
def test_mixup_mixes_images_and_losses_by_the_same_share(
    mixup: float, average: float, deviation: float, small_split: Split, recorders: list[RecordingOptimizer], fit: Fit,
    loss_calls: list[tuple[Tensor, Tensor, float]],
) -> None:  # fmt: skip
    """The sigmoid head is linear, so the logits of a mixed image are a mixture of the images' logits."""
    six = one_label_each(small_split, 6)
    split = replace(six, samples=six.samples * 60)  # batches of 6 with any of them
    checkpoint = untrained(six, "sigmoid")
    with torch.no_grad():
        checkpoint.model.classifier.weight *= 30
        plain = checkpoint.model(features(checkpoint, six))
    wanted = truth(checkpoint, six)  # one row for each image, all different
    calls: list[list[tuple[Tensor, Tensor, float]]] = []  # of every step

    class Listening(RecordingWatcher):
        def advance(self, images: int, loss: float | None = None) -> None:
            super().advance(images, loss)
            if loss is not None:
                calls.append(loss_calls.copy())
                loss_calls.clear()

    _, watcher = fit(checkpoint, split, six, Listening(), batch_size=6, views=1, loss="recorded", mixup=mixup)
    totals = [0.0, *(count * mean for count, (_, mean) in zip(range(6, 361, 6), watcher.advanced, strict=True))]
    shares, itself = [], 0
    for number, ((logits, own, value), *partner) in enumerate(calls):
        loss = (totals[number + 1] - totals[number]) / 6  # of this batch
        images = (own @ wanted.T).argmax(dim=1)  # (row,)
        if not partner:
            torch.testing.assert_close(logits, plain[images], rtol=1e-3, atol=1e-3)
            assert loss == pytest.approx(value, abs=1e-3)
            continue
        ((partners_logits, others, partners_value),) = partner
        partners = (others @ wanted.T).argmax(dim=1)
        assert torch.equal(partners_logits, logits)  # the same images with the partners' labels
        assert sorted(partners.tolist()) == sorted(images.tolist())
        if torch.equal(images, partners):  # by chance nearly never
            itself += 1
            continue
        one, other = plain[images], plain[partners]
        share = ((logits - other) * (one - other)).sum() / (one - other).square().sum()  # least squares
        torch.testing.assert_close(logits, share * one + (1 - share) * other, rtol=1e-3, atol=1e-3)
        assert loss == pytest.approx((share * value + (1 - share) * partners_value).item(), abs=1e-3)
        shares.append(share.item())
    assert 20 <= len(shares) + itself <= 40  # half of 60
    assert itself <= 2
    assert np.mean(shares) == pytest.approx(average, abs=0.15)
    assert np.std(shares) == pytest.approx(deviation, abs=0.06)


def test_without_mixup_no_image_is_mixed(
    small_split: Split, recorders: list[RecordingOptimizer], fit: Fit, loss_calls: list[tuple[Tensor, Tensor, float]]
) -> None:
    checkpoint = untrained(small_split, "sigmoid")
    fit(checkpoint, small_split, epochs=8, loss="recorded")
    assert len(loss_calls) == 8 * 3
    loss_calls.clear()
    fit(checkpoint, small_split, epochs=8, loss="recorded", mixup=0.4)
    assert 8 * 3 + 5 < len(loss_calls) < 8 * 6 - 5


def test_mixup_end_to_end_mixes_pixels(small_split: Split, recorders: list[RecordingOptimizer], fit: Fit) -> None:
    """Mixed images have less contrast than any of them; those of a batch that is not mixed are as they were read."""
    checkpoint, spreads = untrained(small_split), []
    checkpoint.model.backbone.register_forward_pre_hook(
        lambda module, inputs: spreads.append(inputs[0].std(dim=(1, 2, 3)).mean()) if torch.is_grad_enabled() else None
    )
    fit(checkpoint, small_split, backbone_lr=1e-3)
    plain = torch.stack(spreads).clone()
    spreads.clear()
    fit(checkpoint, small_split, epochs=3, backbone_lr=1e-3, mixup=1e6)  # shares of one half
    found = torch.stack(spreads)
    assert found.min() < 0.85 * plain.min()
    assert found.max() > 0.9 * plain.min()


# Dropout.


def test_dropout_leaves_out_the_same_channels_at_every_location_and_whoever_has_the_rows() -> None:
    config = ModelConfig(num_labels=5, embedding_dim=4, hidden_dim=7, spatial=True, dropout=0.5)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32)))
    feature = torch.ones(2, 6, model.backbone.channels)
    assert channel_mask(model.eval(), feature, 2, slice(None)) is None

    model.train()
    torch.manual_seed(0)
    whole = channel_mask(model, feature, 4, slice(None))
    assert whole is not None
    assert whole.shape == (4, 1, model.backbone.channels)  # one mask for all locations
    assert set(whole.unique().tolist()) == {0.0, 2.0}
    assert (whole[0] != whole[1]).any()
    torch.manual_seed(0)
    shard = channel_mask(model, feature, 4, slice(1, None, 2))
    assert shard is not None
    torch.testing.assert_close(shard, whole[1::2], rtol=0, atol=0)
    kept = model.project_image(feature, shard) - model.project_image(feature * shard)
    assert (kept == 0).all()
