from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers import Quiet

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split, load_split
from cnnrnn.errors import UserError
from cnnrnn.evaluation import evaluate
from cnnrnn.training import TrainConfig, TrainingError, new_checkpoint, sequence_loss, train
from cnnrnn.vocabulary import IGNORE_TOKEN


def test_the_scenes_are_learned_almost_perfectly(trained: tuple[Path, list[dict]], scenes_root: Path) -> None:
    run, records = trained
    assert records[-1]["loss"] < records[0]["loss"] / 3
    report = evaluate(Checkpoint.load(run / "best"), load_split("scenes", scenes_root, "test")).metrics
    assert report["mAP"] > 98
    assert report["OF1"] > 97
    assert report["exact_match"] > 90
    assert {path.name for path in run.iterdir()} == {"best", "last"}


def test_the_loss_is_the_mean_cross_entropy_of_the_steps_that_count() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5)
    targets = torch.tensor([[1, 2, 4], [4, IGNORE_TOKEN, IGNORE_TOKEN]])
    log_probs = logits.log_softmax(-1)
    expected = -(log_probs[0, 0, 1] + log_probs[0, 1, 2] + log_probs[0, 2, 4] + log_probs[1, 0, 4]) / 4
    torch.testing.assert_close(sequence_loss(logits, targets), expected)


def small(split: Split, images: int) -> Split:
    return Split(split.name, split.labels, split.samples[:images])


def fresh(split: Split) -> Checkpoint:
    return new_checkpoint(split, "test_byobnet", 64, False, 0, torch.device("cpu"), embedding_dim=8, hidden_dim=8)


def test_frozen_training_caches_features_and_leaves_the_backbone_alone(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 32)
    weights = []
    for run in ("one", "two"):  # the second reads the first one's features
        checkpoint = fresh(split)
        before = {name: value.clone() for name, value in checkpoint.model.backbone.state_dict().items()}
        train(checkpoint, split, split, TrainConfig(epochs=2), tmp_path / run, tmp_path / "features", Quiet())
        for name, value in checkpoint.model.backbone.state_dict().items():
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)
        weights.append(checkpoint.model.U_I.weight.detach())
    assert len(list((tmp_path / "features").glob("*.safetensors"))) == 2  # with and without mirror images
    torch.testing.assert_close(*weights, rtol=0, atol=0)  # same seed, same weights


def test_ctrl_c_leaves_a_usable_checkpoint(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 32)

    class Impatient(Quiet):
        def epoch_done(self, record: dict) -> None:
            super().epoch_done(record)
            if len(self.records) == 2:
                raise KeyboardInterrupt

    config = TrainConfig(epochs=50)
    run = train(fresh(split), split, split, config, tmp_path / "run", tmp_path / "features", Impatient())
    assert run.interrupted
    assert Checkpoint.load(tmp_path / "run" / "last").training["epochs_done"] == 2
    assert Checkpoint.load(tmp_path / "run" / "best")
    assert len(json.loads((tmp_path / "run" / "last" / "metrics.json").read_text())["history"]) == 2


def test_a_loss_that_is_not_finite_stops_with_advice(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 32)
    checkpoint = fresh(split)
    checkpoint.model.U_I.weight.data.fill_(torch.nan)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train(checkpoint, split, split, TrainConfig(epochs=1), tmp_path / "run", tmp_path / "features", Quiet())


def test_a_picture_that_cannot_be_read_stops_training_by_name(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 4)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    samples = (*split.samples[:3], type(split.samples[0])(broken, frozenset({"star"})))
    damaged, checkpoint = Split("damaged", split.labels, samples), fresh(split)
    with pytest.raises(UserError, match=r"broken\.png: not a picture"):
        train(checkpoint, damaged, split, TrainConfig(epochs=1), tmp_path / "run", tmp_path / "features", Quiet())
