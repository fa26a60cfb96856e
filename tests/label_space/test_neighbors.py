import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.cli.main import app
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.label_space.neighbors import nearest, nearest_to, step_embeddings
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.models.vocabulary import Vocabulary

POINTS = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [-1.0, 0.0]])
LABELS = ["cat", "dog", "car", "sky"]


def test_neighbors_by_angle_and_by_inner_product() -> None:
    cosine = nearest(POINTS, LABELS, k=2)
    assert [name for name, _ in cosine["cat"]] == ["dog", "car"]
    assert cosine["dog"][0][1] == torch.cosine_similarity(POINTS[1], POINTS[0], dim=0).item()
    inner = nearest(POINTS, LABELS, k=1, measure="inner")
    assert inner["cat"] == [("dog", 2.0)]
    assert all(label not in dict(near) for label, near in cosine.items())


def test_more_neighbors_than_labels_are_all_the_others() -> None:
    assert all(len(near) == 3 for near in nearest(POINTS, LABELS, k=10).values())


def test_the_labels_near_one_are_those_of_all_neighbors() -> None:
    for label, near in enumerate(nearest(POINTS, LABELS, k=2).values()):
        found = nearest_to(POINTS, label, k=2)
        assert [LABELS[index] for index, _ in found] == [name for name, _ in near]
        assert [value for _, value in found] == pytest.approx([value for _, value in near])
    assert len(nearest_to(POINTS, 0, k=10)) == 3


@pytest.mark.parametrize("measure", ["cosine", "inner"])
def test_the_command_ranks_by_the_measure_that_is_asked_for(measure: str, tmp_path: Path) -> None:
    config = ModelConfig(num_labels=4, embedding_dim=2, hidden_dim=5)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32)))
    model.label_embedding.data[:4] = POINTS
    Checkpoint(model, Vocabulary(tuple(LABELS), (9,) * 4), {"pretrained": False}, "").save(
        tmp_path / "model", {}, card=""
    )
    arguments = ["neighbors", "--checkpoint", str(tmp_path / "model"), "-k", "2", "--measure", measure]
    done = CliRunner().invoke(app, [*arguments, "--json", "-"])
    assert done.exit_code == 0, done.output
    found = {label: list(near.items()) for label, near in json.loads(done.stdout).items()}
    for label, near in nearest(POINTS, LABELS, 2, measure).items():
        assert [name for name, _ in found[label]] == [name for name, _ in near]
        assert [value for _, value in found[label]] == pytest.approx([value for _, value in near], abs=1e-3)
    assert f"nearest by {measure}" in CliRunner().invoke(app, arguments).output
    by_default = CliRunner().invoke(app, [*arguments[:-2], "--json", "-"])
    assert (by_default.stdout == done.stdout) == (measure == "cosine")


@pytest.mark.parametrize("spatial", [False, True])
def test_a_steps_point_has_its_choices_logit_as_inner_product(spatial: bool) -> None:
    torch.manual_seed(0)
    config = ModelConfig(num_labels=4, embedding_dim=6, hidden_dim=5, spatial=spatial)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32))).eval()
    feature = model.image_feature(torch.randn(1, model.backbone.channels, 2, 3))
    points = step_embeddings(model, feature, (3, 1))
    logits = teacher_forced_logits(model, feature, torch.tensor([[model.start, 3, 1]]))[0]  # (step, L+1)
    choices = [3, 1, model.end]
    products = (points * model.label_embedding[choices]).sum(dim=1)
    torch.testing.assert_close(products, logits[range(3), choices].detach())
