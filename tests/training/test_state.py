"""Resuming a run: exactly, and only with the settings and images that it was started with."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import Quiet
from training_helpers import RecordingOptimizer, RecordingWatcher, fresh, small, train_small, untrained

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split, load_split
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.sigmoid import SigmoidClassifier, SigmoidConfig
from cnnrnn.training.config import TrainConfig, TrainingError
from cnnrnn.training.distributed import ALONE
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.training.loop import train
from cnnrnn.training.state import Run, check_out, remove_run, run_identity
from cnnrnn.utils.errors import UserError


@pytest.mark.parametrize(
    ("head", "spatial", "settings"),
    [
        ("cnn-rnn", False, {}),  # frozen
        ("cnn-rnn", True, {}),  # frozen, and it is maps that are kept
        ("cnn-rnn", False, {"backbone_lr": 1e-3, "trained_layers": 2, "views": 3}),
        ("cnn-rnn", False, {"backbone_lr": 1e-3}),  # end to end, and batch norm learns
        ("sigmoid", True, {"backbone_lr": 1e-3, "trained_layers": 2, "loss": "asymmetric"}),
    ],
)
def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(
    head: str, spatial: bool, settings: dict, scenes_root: Path, tmp_path: Path
) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 40)
    config = TrainConfig(epochs=4, batch_size=16, **settings)

    class Impatient(Quiet):
        def advance(self, images: int, loss: float | None = None) -> None:
            if len(self.records) == 2 and loss is not None:  # in the middle of the third epoch
                raise KeyboardInterrupt

    def run(name: str, watcher: Quiet, resume: bool = False) -> tuple[Run, Checkpoint]:
        checkpoint = fresh(split, head, spatial)
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


def test_a_run_that_cannot_be_resumed_is_an_error(scenes_root: Path, tmp_path: Path) -> None:
    split = small(load_split("scenes", scenes_root, "train"), 16)

    def resume(config: TrainConfig) -> Run:
        return train(fresh(split), split, split, config, tmp_path / "run", tmp_path, Quiet(), resume=True)

    with pytest.raises(TrainingError, match="no finished epoch"):
        resume(TrainConfig(epochs=1))
    train(fresh(split), split, split, TrainConfig(epochs=1), tmp_path / "run", tmp_path, Quiet())
    with pytest.raises(TrainingError, match=r"seed: 0 → 1.*repeat its command"):
        resume(TrainConfig(epochs=1, seed=1))
    assert len(resume(TrainConfig(epochs=2)).history) == 2
    with pytest.raises(TrainingError, match="has 2 epochs already, and --epochs is 1: give more"):
        resume(TrainConfig(epochs=1))
    (tmp_path / "run" / "state.pt").write_bytes(b"half a file")
    with pytest.raises(TrainingError, match="damaged"):
        resume(TrainConfig(epochs=1))


class Trap:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def test_code_in_a_state_file_is_refused_and_does_not_run(small_split: Split, tmp_path: Path) -> None:
    out, mark = tmp_path / "run", tmp_path / "ran"
    out.mkdir()
    torch.save({"run": Trap(mark)}, out / "state.pt")
    with pytest.raises(TrainingError, match=r"state\.pt is damaged \(UnpicklingError\); start without --resume"):
        train(
            untrained(small_split), small_split, small_split, TrainConfig(), out, tmp_path, Quiet(), resume=True
        )  # fmt: skip
    assert not mark.exists()


def test_a_run_is_identified_by_its_model_settings_labels_and_images(small_split: Split) -> None:
    split, val = replace(small_split, samples=small_split.samples[:2]), small(small_split, 1)
    checkpoint = untrained(split, activation="relu")
    digests = []
    for samples in (split.samples, val.samples):
        lines = "".join(json.dumps([sample.image.name, sorted(sample.labels)]) for sample in samples)
        digests.append(f"{len(samples)} ({hashlib.sha256(lines.encode()).hexdigest()[:8]})")
    config = TrainConfig(auxiliary=0.5)
    assert run_identity(checkpoint, split, val, config) == {
        **asdict(config),
        "head": "CNNRNN",
        "num_labels": len(split.labels),
        "embedding_dim": 8,
        "hidden_dim": 8,
        "activation": "relu",
        "cell": "lstm",
        "spatial": False,
        "dropout": 0.0,
        "auxiliary": False,
        "auxiliary weight": 0.5,
        "free order": False,
        "depthwise kept": False,
        "backbone": "test_byobnet",
        "image_size": 64,
        "labels": list(checkpoint.vocabulary.labels),
        "training images": digests[0],
        "validation images": digests[1],
    }


def test_a_run_is_resumed_only_with_the_same_settings_labels_and_images(small_split: Split, tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, views=1)

    def resume(
        config: TrainConfig = config,
        split: Split = small_split,
        val: Split = small_split,
        checkpoint: Checkpoint | None = None,
    ) -> Run:
        checkpoint = checkpoint or untrained(small_split)
        return train(
            checkpoint, split, val, config, tmp_path / "run", tmp_path / "features", RecordingWatcher(), resume=True
        )

    first = train_small(small_split, config, tmp_path)
    assert resume().history == first.history  # nothing is left to do
    other_values: dict[str, Any] = {
        "batch_size": 7, "lr": 1.0, "backbone_lr": 1.0, "trained_layers": 1, "views": 2,
        "loss": "asymmetric", "auxiliary": 1.5, "mixup": 1.0, "weight_decay": 1.0, "optimizer": "rmsprop", "seed": 1,
        "precision": "bfloat16", "compile_layers": True, "beam": 2,
    }  # fmt: skip
    assert other_values.keys() | {"epochs"} == asdict(config).keys()
    for key, value in other_values.items():
        shown = {"auxiliary": "auxiliary weight"}.get(key, key)  # the model has a setting of the same name
        with pytest.raises(TrainingError, match=rf"\({shown}: {getattr(config, key)} → {value}\); repeat"):
            resume(replace(config, **{key: value}))
    relabelled = replace(
        small_split, samples=(replace(small_split.samples[0], labels=("star", "cross")), *small_split.samples[1:])
    )
    for split in (relabelled, small(small_split, 19), replace(small_split, samples=small_split.samples[::-1])):
        with pytest.raises(TrainingError, match=r"\(training images: 20 \(\w{8}\) → (20|19) \(\w{8}\)\); repeat"):
            resume(split=split)
        with pytest.raises(TrainingError, match=r"\(validation images: 20"):
            resume(val=split)
    mixed_up = replace(
        small_split, samples=tuple(replace(s, labels=tuple(s.labels)[::-1]) for s in small_split.samples)
    )
    assert resume(split=mixed_up).history == first.history  # a set has no order
    for checkpoint, key in (
        (untrained(small_split, activation="relu"), r"activation: tanh → relu\)"),
        (untrained(small_split, order="free"), r"free order: False → True\)"),
        (untrained(small_split, "sigmoid"), r"head: CNNRNN → SigmoidClassifier\)"),
        (
            new_checkpoint(
                small_split, "test_byobnet", 32, False, 0, torch.device("cpu"), embedding_dim=8, hidden_dim=8
            ),
            r"image_size: 64 → 32\)",
        ),
        (untrained(replace(small_split, labels=(*small_split.labels, "more"))), "num_labels: 6 → 7; labels: "),
    ):
        with pytest.raises(TrainingError, match=rf"\({key}"):
            resume(checkpoint=checkpoint, split=replace(small_split, labels=checkpoint.vocabulary.labels))


def test_an_older_run_without_a_setting_resumes_with_its_default(small_split: Split, tmp_path: Path) -> None:
    config, state = TrainConfig(epochs=1, views=1), tmp_path / "run" / "state.pt"
    train_small(small_split, config, tmp_path)
    older = torch.load(state, weights_only=True)
    assert len(older["history"]) == 1
    for setting in ("mixup", "auxiliary weight", "free order", "depthwise kept"):
        del older["run"][setting]
    torch.save(older, state)
    run = train_small(small_split, config, tmp_path, resume=True)
    assert len(run.history) == 1
    with pytest.raises(TrainingError, match=r"mixup: 0\.0 → 0\.4"):
        train_small(small_split, replace(config, mixup=0.4), tmp_path, resume=True)


def test_an_older_run_that_trained_depthwise_convolutions_is_not_resumed(small_split: Split, tmp_path: Path) -> None:
    def run(resume: bool) -> Run:
        backbone = Backbone(BackboneConfig.of("tf_efficientnet_lite0", 64))
        backbone.fold_batch_norm()
        model = SigmoidClassifier(SigmoidConfig(num_labels=len(small_split.labels)), backbone)
        checkpoint = replace(untrained(small_split), model=model)
        config = TrainConfig(epochs=1, views=1, backbone_lr=1e-4, trained_layers=3)
        folders = (tmp_path / "run", tmp_path / "features")
        return train(checkpoint, small_split, small_split, config, *folders, Quiet(), resume=resume)

    run(resume=False)
    assert len(run(resume=True).history) == 1
    older = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert older["run"].pop("depthwise kept")
    torch.save(older, tmp_path / "run" / "state.pt")
    with pytest.raises(TrainingError, match=r"earlier version, which trained depthwise.*--overwrite"):
        run(resume=True)


def test_a_new_run_in_an_old_folder_starts_anew(
    small_split: Split, recorders: list[RecordingOptimizer], tmp_path: Path
) -> None:
    config = TrainConfig(epochs=2, views=1, optimizer="recorder")
    for _ in range(2):
        watcher = RecordingWatcher()
        run = train_small(small_split, config, tmp_path, watcher)
        assert [record["epoch"] for record in run.history] == [1, 2]
        assert len(watcher.records) == 2


def test_torchrun_resumes_from_the_last_checkpoint(
    small_split: Split, recorders: list[RecordingOptimizer], tmp_path: Path
) -> None:
    """It repeats its command: `resume` may find nothing, and a new run must leave nothing of an old one."""
    config = TrainConfig(epochs=2, views=1, optimizer="recorder")

    def run(resume: bool, watcher: Quiet, **process: bool) -> Run:
        processes = replace(ALONE, **process)
        return train(
            untrained(small_split),
            small_split,
            small_split,
            config,
            tmp_path / "run",
            tmp_path / "features",
            watcher,
            resume,
            processes,
        )

    class Leaving(RecordingWatcher):
        def epoch_done(self, record: dict) -> None:
            super().epoch_done(record)
            raise KeyboardInterrupt

    class Failing(RecordingWatcher):
        def start(self, what: str, images: int) -> None:
            raise TrainingError("before anything was done")

    def epochs(resume: bool, **process: bool) -> list[int]:
        run(resume, watcher := RecordingWatcher(), **process)
        return [record["epoch"] for record in watcher.records]

    assert epochs(resume=True, by_torchrun=True) == [1, 2]  # there was nothing
    assert epochs(resume=True, by_torchrun=True) == []
    assert epochs(resume=False, by_torchrun=True) == [1, 2]
    run(False, Leaving(), by_torchrun=True)
    assert epochs(resume=False, by_torchrun=True, restarted=True) == [2]  # torchrun's own restart
    with pytest.raises(TrainingError, match="before anything"):
        run(False, Failing(), by_torchrun=True)
    assert not (tmp_path / "run" / "state.pt").exists()
    run(False, Leaving())
    assert epochs(resume=True) == [2]
    run(False, Leaving())
    with pytest.raises(TrainingError, match="before anything"):
        run(False, Failing())
    assert (tmp_path / "run" / "state.pt").exists()  # a person may still want it


def test_a_finished_run_that_gets_more_epochs_follows_the_longer_schedule(
    small_split: Split, recorders: list[RecordingOptimizer], tmp_path: Path
) -> None:
    config = TrainConfig(epochs=2, batch_size=8, views=1, optimizer="recorder")  # three steps an epoch
    train_small(small_split, config, tmp_path)
    assert recorders[-1].lrs[-1][0] < 0.1 * config.lr  # its own schedule had come to its end
    train_small(small_split, replace(config, epochs=4), tmp_path / "other")
    whole = [lrs[0] for lrs in recorders[-1].lrs]
    run = train_small(small_split, replace(config, epochs=4), tmp_path, resume=True)
    assert [record["epoch"] for record in run.history] == [1, 2, 3, 4]
    assert [lrs[0] for lrs in recorders[-1].lrs] == pytest.approx(whole[6:])


def test_a_folder_that_holds_a_run_is_for_resuming_or_overwriting_only(small_split: Split, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for resume, overwrite in ((False, False), (True, False), (False, True)):
        check_out(out, resume, overwrite)  # there is nothing yet
    train_small(small_split, TrainConfig(epochs=1, views=1), tmp_path)
    (out / "best" / "more").mkdir()
    for name in ("state.pt", "last", "best"):
        with pytest.raises(UserError, match="holds a run already"):
            check_out(out, False, False)
        check_out(out, True, False)
        check_out(out, False, True)
        if name == "best":
            remove_run(out)
        else:
            part = out / name
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    check_out(out, False, False)
    assert list(out.iterdir()) == []
    with pytest.raises(UserError, match="is a file"):
        check_out(Path(__file__), False, True)


def test_overwriting_leaves_folders_that_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "photo.jpg").touch()
    check_out(tmp_path, False, False)
    remove_run(tmp_path)
    assert (tmp_path / "best" / "photo.jpg").exists()
