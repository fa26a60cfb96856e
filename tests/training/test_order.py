from __future__ import annotations

import pytest
import torch
from torch import Tensor
from training_helpers import Fit, RecordingOptimizer, features, untrained

from cnnrnn.data import Split
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.models.vocabulary import IGNORE_TOKEN, Vocabulary
from cnnrnn.training.order import own_order, teacher_forcing

LABELS = 6


def sharp_model(spatial: bool) -> CNNRNN:
    """Its large weights make the order depend on the image and on what was emitted before."""
    torch.manual_seed(3)
    config = ModelConfig(num_labels=LABELS, embedding_dim=8, hidden_dim=8, spatial=spatial, dropout=0.5)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32))).eval()
    for parameter in (model.U_o.weight, model.recurrence.cell.weight_ih, model.label_embedding):
        parameter.data *= 4
    return model


def greedy_order(model: CNNRNN, feature: Tensor, present: list[int]) -> list[int]:
    """One image (1, location, feature), one step at a time, every prefix anew."""
    order: list[int] = []
    while len(order) < len(present):
        logits = teacher_forced_logits(model, feature, torch.tensor([[model.start, *order]]))[0, -1]
        order.append(max(set(present) - set(order), key=lambda label: logits[label].item()))
    return order


@pytest.mark.parametrize("spatial", [False, True])
def test_own_order_is_greedy_decoding_among_the_present_labels(spatial: bool) -> None:
    model = sharp_model(spatial)
    locations = 4 if spatial else 1
    feature = torch.randn(5, locations, model.U_I.in_features)
    sets = [[0, 2, 3, 5], [], [4], [1, 2], [0, 1, 2, 3, 4, 5]]
    present = torch.zeros(5, LABELS, dtype=torch.bool)
    for row, labels in enumerate(sets):
        present[row, labels] = True
    model.train()  # dropout is on, and must not change the order
    found = own_order(model, feature, present)
    assert model.dropout.training
    model.eval()
    assert found.shape == (5, 6)
    orders = [greedy_order(model, feature[row : row + 1], labels) for row, labels in enumerate(sets)]
    assert found.tolist() == [order + [model.end] * (6 - len(order)) for order in orders]
    assert any(order != sorted(order) for order in orders)
    assert present.sum() == sum(map(len, sets))  # the argument is as it was


def test_own_order_of_images_without_labels_has_no_steps() -> None:
    model = sharp_model(spatial=False)
    nothing = torch.zeros(2, LABELS, dtype=torch.bool)
    assert own_order(model, torch.zeros(2, 1, model.U_I.in_features), nothing).shape == (2, 0)
    assert own_order(model, torch.zeros(0, 1, model.U_I.in_features), nothing[:0]).shape == (0, 0)


def test_teacher_forcing_of_sorted_sequences_is_the_vocabularys() -> None:
    vocabulary = Vocabulary(tuple("abcd"), (1, 1, 1, 1))
    inputs, targets = vocabulary.encode(["ac", "", "abd", "d"])
    sequences = torch.tensor([[0, 2, 4], [4, 4, 4], [0, 1, 3], [3, 4, 4]])
    found_inputs, found_targets = teacher_forcing(sequences, vocabulary.start, vocabulary.end)
    assert torch.equal(found_targets, targets)
    assert torch.equal(found_inputs[targets != IGNORE_TOKEN], inputs[targets != IGNORE_TOKEN])


def test_training_in_free_order_has_the_loss_of_the_models_own_sequences(
    small_split: Split, recorders: list[RecordingOptimizer], fit: Fit
) -> None:
    checkpoint = untrained(small_split, order="free", spatial=True)
    model, vocabulary = checkpoint.model, checkpoint.vocabulary
    model.label_embedding.data *= 4
    with torch.no_grad():
        feature = features(checkpoint, small_split)
        log_probs, steps = 0.0, 0
        for row, sample in enumerate(small_split.samples):
            one = feature[row : row + 1]
            order = greedy_order(model, one, vocabulary.indices(sample.labels))
            logits = teacher_forced_logits(model, one, torch.tensor([[model.start, *order]]))[0]
            log_probs += logits.log_softmax(-1)[range(len(order) + 1), [*order, model.end]].sum().item()
            steps += len(order) + 1
    run, _ = fit(checkpoint, small_split, batch_size=len(small_split.samples), views=1)
    assert run.history[0]["loss"] == pytest.approx(-log_probs / steps, rel=1e-4)
