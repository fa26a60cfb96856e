"""Equations 1 to 4, checked by writing them out again."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest
import torch
from torch import nn

from cnnrnn.decoding.prefix_cache import teacher_forced_logits, unroll
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import ACTIVATIONS, CNNRNN, LSTMRecurrence, ModelConfig, PaperRecurrence, emitted_before

LABELS = 5


def make(**settings: object) -> CNNRNN:
    torch.manual_seed(1)
    config = ModelConfig(num_labels=LABELS, embedding_dim=9, hidden_dim=7, **settings)
    return CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32))).eval()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_is_equations_1_to_4(activation: str) -> None:
    model = make(activation=activation)
    pooled = torch.randn(2, model.backbone.feature_dim)
    inputs = torch.tensor([[model.start, 3, 1], [model.start, 0, 4]])
    logits = teacher_forced_logits(model, pooled.unsqueeze(1), inputs)  # one place

    cell = model.recurrence.cell
    U_l, U_o, U_I = model.label_embedding, model.U_o.weight, model.U_I.weight  # noqa: N806
    for row in range(2):
        hidden = memory = torch.zeros(7)
        for step in range(3):
            w = U_l[inputs[row, step]]  # equation 1
            gates = cell.weight_ih @ w + cell.bias_ih + cell.weight_hh @ hidden + cell.bias_hh
            i, f, g, o = gates.chunk(4)
            memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()  # equation 2
            hidden = o.sigmoid() * memory.tanh()
            x = ACTIVATIONS[activation](U_o @ hidden + U_I @ pooled[row])  # equation 3
            s = U_l[: LABELS + 1] @ x  # equation 4: labels and END, the embedding that went in
            for seen in inputs[row, 1 : step + 1].tolist():
                s = s.index_fill(0, torch.tensor(seen), -torch.inf)
            torch.testing.assert_close(logits[row, step], s)


def test_the_recurrence_has_the_gradients_of_torchs_cell() -> None:
    """It is computed in place, and once for the rows with the same label or the same prefix."""
    recurrence = LSTMRecurrence(4, 6)
    w, hidden, memory = torch.randn(3, 4), torch.randn(2, 6), torch.randn(2, 6)
    label, before = torch.tensor([0, 2, 1, 2, 0]), torch.tensor([1, 0, 1, 1, 0])
    weights = [*recurrence.parameters(), *(tensor.requires_grad_() for tensor in (w, hidden, memory))]
    found = recurrence(w, (hidden, memory), label, before)[1]
    expected = recurrence.cell(w[label], (hidden[before], memory[before]))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    for ours, theirs in zip(
        torch.autograd.grad(sum((part**2).sum() for part in found), weights),
        torch.autograd.grad(sum((part**2).sum() for part in expected), weights),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_spatial_scores_are_pooled_with_attention_over_locations() -> None:
    model = make(spatial=True)
    model.spatial_pool.peak.data.fill_(0.7)
    model.spatial_pool.sharpness.data.fill_(1.3)
    feature = model.image_feature(torch.randn(2, model.backbone.channels, 4, 5))
    inputs = torch.tensor([[model.start, 3, 1], [model.start, 0, 4]])
    logits = teacher_forced_logits(model, feature, inputs)
    for row in range(2):
        recurrent = unroll(model, inputs)[row]  # (step, embedding)
        for step in range(3):
            x = [torch.tanh(recurrent[step] + model.U_I.weight @ place) for place in feature[row]]
            at = torch.stack([model.label_embedding[: LABELS + 1] @ point for point in x])  # (place, L+1)
            s = at.mean(0) + 0.7 * ((1.3 * at).softmax(0) * at).sum(0)
            for before in inputs[row, 1 : step + 1].tolist():
                s = s.index_fill(0, torch.tensor(before), -torch.inf)
            torch.testing.assert_close(logits[row, step], s)


def test_spatial_pooling_of_identical_locations_equals_global_pooling() -> None:
    by_place, pooled = make(spatial=True), make()
    by_place.load_state_dict(pooled.state_dict(), strict=False)
    by_place.spatial_pool.peak.data.fill_(0)
    feature = torch.randn(2, pooled.backbone.channels)
    inputs = torch.tensor([[pooled.start, 3, 1]] * 2)
    everywhere = feature[:, :, None, None].expand(-1, -1, 2, 3)
    expected = teacher_forced_logits(pooled, feature.unsqueeze(1), inputs)
    found = teacher_forced_logits(by_place, by_place.image_feature(everywhere), inputs)
    torch.testing.assert_close(found, expected)


def test_the_papers_cell_equals_a_calculation_by_hand() -> None:
    cell = PaperRecurrence(1, 1)
    nn.init.constant_(cell.U_w.weight, 0.5)
    cell.U_w.weight.data[2] = -1.0  # the forget gate
    nn.init.constant_(cell.U_r.weight, 1.0)
    output, (memory,) = cell(torch.tensor([[2.0]]), (torch.tensor([[3.0]]),))
    # x = i = o = relu(3 + 1) = 4, f = relu(3 - 2) = 1; r = 1 * 3 + 4 * 4 = 19; o = 19 * 4
    assert memory.item() == pytest.approx(19)
    assert output.item() == pytest.approx(76)


@pytest.mark.parametrize("settings", [{"cell": "lstm"}, {"cell": "paper"}, {"spatial": True}])
def test_stepping_equals_teacher_forcing(settings: dict[str, object]) -> None:
    model = make(**settings)
    feature = model.image_feature(torch.randn(3, model.backbone.channels, 2, 2))
    inputs = torch.tensor([[model.start, 0, 2, 4]] * 3)
    forced = teacher_forced_logits(model, feature, inputs)
    image, state = model.project_image(feature), model.initial_state(3)
    for step in range(4):
        logits, state = model.step(inputs[:, step], image, state)
        allowed = ~emitted_before(inputs, LABELS)[:, step]
        torch.testing.assert_close(forced[:, step][allowed], logits[allowed])
        assert torch.isneginf(forced[:, step][~allowed]).all()


def test_the_recurrence_never_sees_the_image() -> None:
    model = make()
    model.h = lambda x: x  # with a linear h, what two images differ by is the same at every step
    pooled = torch.randn(2, 1, model.backbone.feature_dim)
    logits = teacher_forced_logits(model, pooled, torch.tensor([[model.start, 0, 2]] * 2))
    difference = logits[0] - logits[1]  # (step, L+1)
    for step in (1, 2):
        allowed = torch.isfinite(difference[step])
        torch.testing.assert_close(difference[step][allowed], difference[0][allowed])


def test_input_and_output_share_one_embedding() -> None:
    head = {name: value.shape for name, value in make().named_parameters() if not name.startswith("backbone")}
    assert [name for name, shape in head.items() if shape[0] in (LABELS, LABELS + 1, LABELS + 2)] == ["label_embedding"]


def test_end_may_follow_itself_but_no_label_may() -> None:
    seen = emitted_before(torch.tensor([[LABELS + 1, 2, LABELS, LABELS]]), LABELS)[0]
    assert not seen[:, LABELS].any()
    assert seen[:, 2].tolist() == [False, True, True, True]


def test_the_paper_recipe_has_the_dimensions_of_the_paper() -> None:
    recipe = tomllib.loads((files("cnnrnn.training") / "recipes" / "paper.toml").read_text())
    with torch.device("meta"):  # VGG-16's fc6 and fc7 are half a gigabyte of zeros otherwise
        backbone = Backbone(BackboneConfig.of(recipe["backbone"]))
        config = ModelConfig(20, recipe["embedding"], recipe["hidden"], recipe["activation"], recipe["cell"])
        model = CNNRNN(config, backbone)
        pooled = backbone.pool(backbone(torch.empty(1, 3, 224, 224)))
    assert pooled.shape == (1, 4096)  # fc7
    assert model.U_I.weight.shape == (64, 4096)
    assert model.U_o.weight.shape == (64, 512)
    assert model.label_embedding.shape == (22, 64)
