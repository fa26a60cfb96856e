from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers import Quiet

from cnnrnn.checkpoint import Checkpoint, CheckpointError
from cnnrnn.data import Split, load_split
from cnnrnn.errors import UserError
from cnnrnn.evaluation import evaluate
from cnnrnn.training import Run, TrainConfig, TrainingError, new_checkpoint, sequence_loss, train
from cnnrnn.vocabulary import IGNORE_TOKEN


def test_the_scenes_are_learned_almost_perfectly(trained: tuple[Path, list[dict]], scenes_root: Path) -> None:
    run, records = trained
    assert records[-1]["loss"] < records[0]["loss"] / 3
    report = evaluate(Checkpoint.load(run / "best"), load_split("scenes", scenes_root, "test")).metrics
    assert report["mAP"] > 98
    assert report["OF1"] > 97
    assert report["exact_match"] > 90
    assert {path.name for path in run.iterdir()} == {"best", "last", "state.pt"}


def test_the_loss_is_the_mean_cross_entropy_of_the_steps_that_count() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5)
    targets = torch.tensor([[1, 2, 4], [4, IGNORE_TOKEN, IGNORE_TOKEN]])
    log_probs = logits.log_softmax(-1)
    expected = -(log_probs[0, 0, 1] + log_probs[0, 1, 2] + log_probs[0, 2, 4] + log_probs[1, 0, 4]) / 4
    torch.testing.assert_close(sequence_loss(logits, targets), expected)


def small(split: Split, images: int) -> Split:
    return Split(split.name, split.labels, split.samples[:images])


def fresh(split: Split, head: str = "cnn-rnn", places: bool = False) -> Checkpoint:
    settings = {"embedding_dim": 8, "hidden_dim": 8} if head == "cnn-rnn" else {}
    return new_checkpoint(
        split, "test_byobnet", 64, False, 0, torch.device("cpu"), head, dropout=0.2, places=places, **settings
    )  # fmt: skip


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
    # The split is validated, too: its plain view serves both.
    assert len(list((tmp_path / "features").glob("*.npy"))) == 2
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


@pytest.mark.parametrize(
    ("head", "places", "settings"),
    [
        ("cnn-rnn", False, {}),  # frozen
        ("cnn-rnn", True, {}),  # frozen, and it is maps that are kept
        ("cnn-rnn", False, {"backbone_lr": 1e-3, "trained_layers": 2, "views": 3}),
        ("cnn-rnn", False, {"backbone_lr": 1e-3}),  # end to end, and batch norm learns
        ("sigmoid", True, {"backbone_lr": 1e-3, "trained_layers": 2, "loss": "asymmetric"}),
    ],
)
def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(
    head: str, places: bool, settings: dict, scenes_root: Path, tmp_path: Path
) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 40)
    config = TrainConfig(epochs=4, batch_size=16, **settings)

    class Impatient(Quiet):
        def advance(self, images: int, loss: float | None = None) -> None:
            if len(self.records) == 2 and loss is not None:  # in the middle of the third epoch
                raise KeyboardInterrupt

    def run(name: str, watcher: Quiet, resume: bool = False) -> tuple[Run, Checkpoint]:
        checkpoint = fresh(split, head, places)
        return train(
            checkpoint, split, split, config, tmp_path / name, tmp_path / "features", watcher, resume
        ), checkpoint  # fmt: skip

    whole, expected = run("whole", Quiet())
    first, _ = run("parts", Impatient())
    assert first.interrupted
    torch.manual_seed(99)
    second, resumed = run("parts", watcher := Quiet(), resume=True)
    assert [record["epoch"] for record in watcher.records] == [3, 4]
    assert [record["loss"] for record in second.history] == [record["loss"] for record in whole.history]
    assert second.best == whole.best
    for name, value in resumed.model.state_dict().items():
        torch.testing.assert_close(value, expected.model.state_dict()[name], rtol=0, atol=0)
    assert Checkpoint.load(tmp_path / "parts" / "best").training["epochs_done"] == Checkpoint.load(
        tmp_path / "whole" / "best"
    ).training["epochs_done"]  # fmt: skip


def test_what_cannot_be_resumed_says_why(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 16)

    def resume(config: TrainConfig) -> Run:
        return train(fresh(split), split, split, config, tmp_path / "run", tmp_path, Quiet(), resume=True)

    with pytest.raises(TrainingError, match="no finished epoch"):
        resume(TrainConfig(epochs=1))
    train(fresh(split), split, split, TrainConfig(epochs=1), tmp_path / "run", tmp_path, Quiet())
    with pytest.raises(TrainingError, match=r"epochs: 1 → 2.*repeat its command"):
        resume(TrainConfig(epochs=2))
    (tmp_path / "run" / "state.pt").write_bytes(b"half a file")
    with pytest.raises(TrainingError, match="damaged"):
        resume(TrainConfig(epochs=1))


def test_training_in_part_changes_only_the_last_layers(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 32)
    checkpoint = fresh(split)
    layers = checkpoint.model.backbone.layers()
    before = {name: [p.clone() for p in layer.parameters()] for name, layer in layers.items()}
    config = TrainConfig(epochs=1, backbone_lr=1e-2, trained_layers=2, views=3)
    train(checkpoint, split, split, config, tmp_path / "run", tmp_path / "features", Quiet())
    changed = {
        name for name, layer in layers.items() 
        if any(not torch.equal(p, old) for p, old in zip(layer.parameters(), before[name], strict=True))
    }  # fmt: skip
    assert changed == {"stages.2", "stages.3"}  # the last one, final_conv, has no weights
    config = TrainConfig(epochs=1, backbone_lr=1e-2, trained_layers=99)
    with pytest.raises(UserError, match="train fewer than that"):
        train(checkpoint, split, split, config, tmp_path / "run", tmp_path / "features", Quiet())


@pytest.mark.parametrize(
    ("gpu_way", "trained_layers", "near"),
    [
        ({"compile_layers": True}, 1, 1e-3),
        ({"compile_layers": True}, None, 1e-3),
        ({"precision": "bfloat16"}, 1, 0.05),
        ({"precision": "bfloat16"}, None, 0.05),
    ],
)
def test_the_ways_of_a_gpu_lead_to_the_same_losses(
    gpu_way: dict, trained_layers: int | None, near: float, scenes_root: Path, tmp_path: Path
) -> None:
    """torch.compile and bfloat16, which a processor has, too: what differs is rounding."""
    split = small(load_split("scenes", scenes_root, "train"), 32)
    losses = []
    for number, settings in enumerate([{}, gpu_way]):
        checkpoint, watcher = fresh(split), Quiet()
        config = TrainConfig(epochs=2, batch_size=16, backbone_lr=1e-3, trained_layers=trained_layers, **settings)
        train(checkpoint, split, split, config, tmp_path / str(number), tmp_path / "features", watcher)
        losses.append([record["loss"] for record in watcher.records])
        assert all(value.dtype == torch.float32 for value in checkpoint.model.parameters())
        Checkpoint.load(tmp_path / str(number) / "best")  # its weights have the names that they always have
    assert losses[1] == pytest.approx(losses[0], rel=near)
    assert losses[1] != losses[0]


def test_the_baseline_learns_the_scenes_and_is_evaluated_alike(scenes_root: Path, tmp_path: Path) -> None:
    splits = [load_split("scenes", scenes_root, name) for name in ("train", "val")]
    checkpoint = new_checkpoint(splits[0], "test_byobnet", 64, False, 0, torch.device("cpu"), "sigmoid")
    config = TrainConfig(epochs=6, batch_size=32, lr=3e-3, backbone_lr=3e-3)
    train(checkpoint, *splits, config, tmp_path / "run", tmp_path / "features", Quiet())
    best = Checkpoint.load(tmp_path / "run" / "best")
    assert best.model.threshold != 0.5  # chosen, and saved
    metrics = evaluate(best, load_split("scenes", scenes_root, "test")).metrics
    assert metrics["mAP"] > 90
    assert metrics["OF1"] > 80
    with pytest.raises(CheckpointError, match="sigmoid baseline"):
        best.rnn  # noqa: B018


@pytest.mark.parametrize("places", [False, True])
def test_the_auxiliary_head_is_trained_beside_the_recurrence_and_reported(
    places: bool, scenes_root: Path, tmp_path: Path
) -> None:
    train_split, val = (load_split("scenes", scenes_root, name) for name in ("train", "val"))
    checkpoint = new_checkpoint(
        train_split, "test_byobnet", 64, False, 0, torch.device("cpu"), embedding_dim=8, hidden_dim=8, auxiliary=True,
        places=places,
    )  # fmt: skip
    config = TrainConfig(epochs=5, batch_size=32, lr=3e-3, backbone_lr=3e-3, auxiliary=1.0)
    train(checkpoint, train_split, val, config, tmp_path / "run", tmp_path / "features", Quiet())
    report = evaluate(Checkpoint.load(tmp_path / "run" / "last"), val).metrics
    assert report["auxiliary"]["mAP"] > 80  # an untrained head has about 25
    assert report["mix"]["mAP"] > 80
    assert "mAP on validation of the auxiliary sigmoid head" in (tmp_path / "run" / "last" / "README.md").read_text()
    assert "auxiliary" not in evaluate(fresh(small(val, 8)), small(val, 8)).metrics


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
