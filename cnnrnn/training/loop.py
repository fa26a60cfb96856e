"""The training loop: with a frozen backbone on features computed once, or end to end."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

import cnnrnn
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.evaluation.cooccurrence import cooccurrence_table, count_pairs, expected_pairs, label_rates
from cnnrnn.evaluation.evaluate import Predictions, report
from cnnrnn.evaluation.metrics import choose_threshold
from cnnrnn.evaluation.record import save_with_card
from cnnrnn.evaluation.reports import MAIN_METRICS, EvaluationReport
from cnnrnn.inference.predictor import decode_batch
from cnnrnn.label_space.groups import group_report
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.training.config import TrainConfig, TrainingError
from cnnrnn.training.distributed import ALONE, ProcessGroup, data_parallel
from cnnrnn.training.features import Cached, EndToEnd, Features, FeatureSource, Watcher
from cnnrnn.training.interrupt import Interrupt
from cnnrnn.training.losses import make_objective, mixup_loss, positives
from cnnrnn.training.optim import make_optimizer, warm_up_and_cosine
from cnnrnn.training.state import Run, TrainingState, read_state_for_all, run_identity
from cnnrnn.utils.files import remove_stale

BatchLoss = Callable[[list[int], Tensor], Tensor]  # indices of a batch's images, inputs of this process's shard -> ()


class TrainingWatcher(Watcher, Protocol):
    """What the loop tells whoever shows it to a person."""

    def epoch_done(self, record: dict[str, Any]) -> None: ...


def train(
    checkpoint: Checkpoint,
    train_split: Split,
    val_split: Split,
    config: TrainConfig,
    out: Path,
    feature_cache: Path,
    watcher: TrainingWatcher,
    resume: bool = False,
    processes: ProcessGroup = ALONE,
) -> Run:
    """Train the checkpoint's model and write ``out/last`` each epoch, ``out/best`` whenever validation improves.

    Best is the highest mean of mAP and O-F1 on the validation split. Ctrl-C ends
    the run after saving what there is to ``out/last``, once an epoch was finished. `resume` continues after the last
    finished epoch in `out`, bit for bit as if the run had not stopped; with more epochs than the run had, the learning
    rates follow the longer schedule from there. Raises TrainingError on a loss that is not finite or where there is
    nothing to resume, UserError for an image that can't be read and where nothing can be written; the last finished
    epoch stays what it was.

    Several `processes`, each of which calls this with the same arguments, do the same as one, whatever their number,
    but for the order in which floats are added; only the first of them needs `out`. `torchrun` repeats a command:
    under it, `resume` starts where there is nothing to resume from.
    """
    model = checkpoint.model
    # First of all: hours of encoding must not pass before a person hears that there is nothing to resume.
    identity = run_identity(checkpoint, train_split, val_split, config)
    # Batch norm that came with ImageNet's statistics keeps them: batches here are too small for better.
    learns_statistics = bool(config.backbone_lr and not checkpoint.training["pretrained"] and _batch_norms(model))
    images = _images_per_epoch(len(train_split.samples), config.batch_size, learns_statistics)
    for folder in (out, feature_cache):
        remove_stale(folder)
    saved = read_state_for_all(out, identity, resume, processes)
    model.backbone.compute_in(config.precision)
    source = _feature_source(model, (train_split, val_split), config, feature_cache, watcher, processes)
    torch.manual_seed(config.seed)  # only now: encoding draws random numbers, reading cached features does not
    objective = make_objective(checkpoint, train_split, config, processes)
    batch_loss: BatchLoss = data_parallel(
        model,
        lambda indices, inputs: mixup_loss(source, objective, indices, inputs, config.mixup, processes),
        processes,
    )
    optimizer = make_optimizer(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warm_up_and_cosine(config, images))
    state = TrainingState(model, optimizer, schedule)
    if saved is not None:
        state.restore(saved)
    run = state.run
    checkpoint.training |= _provenance(config, train_split)
    train_truth = positives(train_split, checkpoint.vocabulary).numpy()  # (image, label)
    in_training = count_pairs(train_truth)

    with Interrupt(once=processes.count == 1) as interrupt:
        try:
            for epoch in range(len(run.history) + 1, config.epochs + 1):
                started = time.perf_counter()
                # All draw the same, but for a backbone that has dropout of its own.
                torch.set_rng_state(processes.broadcast(torch.get_rng_state()))
                watcher.start(f"epoch {epoch}/{config.epochs}", images)
                _set_training(model, learns_statistics)
                loss = _train_one_epoch(state, source, images, batch_loss, watcher, interrupt, processes)
                metrics, by_model = _validate(checkpoint, val_split, source.validation(), config.beam, processes)
                run.history.append(_epoch_record(epoch, loss, time.perf_counter() - started, metrics))
                checkpoint.training["epochs_done"] = epoch
                if processes.is_writer:
                    results: dict[str, Any] = {"val": metrics, "history": run.history}
                    if by_model is not None:
                        results |= _label_space(checkpoint, train_truth, in_training, by_model, len(val_split.samples))
                    _save(checkpoint, state, results, out, identity)
                    watcher.epoch_done(run.history[-1])  # what is reported is on the disk
        except KeyboardInterrupt:
            run.interrupted = True
            if processes.is_writer and run.history:
                save_with_card(checkpoint, out / "last", {"history": run.history})
    return run


def _feature_source(
    model: CNNRNN | SigmoidClassifier,
    splits: tuple[Split, Split],
    config: TrainConfig,
    feature_cache: Path,
    watcher: Watcher,
    processes: ProcessGroup,
) -> FeatureSource:
    """Features computed once as far as the backbone is frozen, or in every epoch where all of it is trained."""
    if config.backbone_lr and config.trained_layers is None:
        return EndToEnd(model, splits, config, watcher, processes)
    return Cached(model, splits, config, feature_cache, watcher, processes)


def _images_per_epoch(images: int, batch_size: int, learns_statistics: bool) -> int:
    """How many of the images an epoch trains on: all, but for one that would be a batch by itself.

    Batch norm can't learn a variance from a single value per channel, such as a 1 × 1 map of one image has. Every epoch
    has an order of its own, so each leaves out another image. Raises TrainingError if all batches are single images.
    """
    if not learns_statistics:
        return images
    if min(images, batch_size) == 1:
        raise TrainingError(
            "batch norm that is trained from scratch needs two images in a batch: give a larger --batch-size, and more "
            "than one training image"
        )
    return images - (images % batch_size == 1)


def _train_one_epoch(
    state: TrainingState,
    source: FeatureSource,
    images: int,
    batch_loss: BatchLoss,
    watcher: TrainingWatcher,
    interrupt: Interrupt,
    processes: ProcessGroup,
) -> float:
    """One pass over so many of the images; returns their mean loss."""
    total, done = 0.0, 0
    for indices, inputs in source.training():
        if done == images:  # a single one is left
            break
        shard_loss = batch_loss(indices, inputs)
        loss, interrupted = processes.all_reduce_sum(np.array([shard_loss.item(), interrupt.requested])).tolist()
        if not math.isfinite(loss):
            raise TrainingError("the loss is no longer finite; lower the learning rate (--lr, --backbone-lr)")
        state.optimizer.zero_grad(set_to_none=True)
        (processes.count * shard_loss).backward()  # DDP takes the mean of the gradients; the loss is a sum over shards
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), max_norm=5.0)
        if not torch.isfinite(norm):  # before it reaches the weights
            raise TrainingError("the gradients are no longer finite; lower the learning rate (--lr, --backbone-lr)")
        state.optimizer.step()
        state.schedule.step()
        total, done = total + loss * len(indices), done + len(indices)
        watcher.advance(len(indices), total / done)
        if interrupted:
            raise KeyboardInterrupt
    return total / images


def _batch_norms(model: CNNRNN | SigmoidClassifier) -> list[nn.Module]:
    return [module for module in model.backbone.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def _set_training(model: CNNRNN | SigmoidClassifier, learns_statistics: bool) -> None:
    """Train mode, but for batch norm that keeps its statistics."""
    model.train()
    for norm in _batch_norms(model):
        norm.train(learns_statistics)


def _validate(
    checkpoint: Checkpoint, split: Split, features: Features, beam: int, processes: ProcessGroup
) -> tuple[EvaluationReport, np.ndarray | None]:
    """The report of what all processes decoded, and which labels the model believes to go together (label, label), if
    it has a belief."""
    model, labels = checkpoint.model.eval(), checkpoint.vocabulary.labels
    truth, ignored = split.truth(labels)
    predictions = Predictions(len(split.samples), len(labels))
    pairs = np.zeros((len(labels), len(labels)))
    for indices, feature in features:
        traces = decode_batch(model, feature, labels, beam)
        pairs += expected_pairs(traces, len(labels))
        for index, trace in zip(indices, traces, strict=True):
            predictions.put(index, trace)
    predictions.all_reduce(processes.all_reduce_sum)
    pairs = processes.all_reduce_sum(pairs)
    if isinstance(model, SigmoidClassifier):
        model.threshold.fill_(choose_threshold(truth, predictions.marginals, ignored))
        predictions.best_path = predictions.marginals >= model.threshold.item()
        return report(truth, ignored, predictions, labels), None
    return report(truth, ignored, predictions, labels), pairs


def _label_space(
    checkpoint: Checkpoint, train_truth: np.ndarray, in_training: np.ndarray, by_model: np.ndarray, val_images: int
) -> dict[str, Any]:
    """Which labels go together in training, pairs `in_training` (label, label) of bool (image, label), and in the
    model's belief about the validation images; and whether those of a group lie together."""
    names = checkpoint.vocabulary.labels
    found: dict[str, Any] = {
        "cooccurrence": cooccurrence_table(names, in_training, by_model),
        "label_rates": label_rates(names, in_training, len(train_truth), by_model, val_images),
    }
    if groups := checkpoint.vocabulary.groups:
        found["label_space"] = group_report(checkpoint.rnn.label_vectors(), groups, train_truth)
    return found


def _epoch_record(epoch: int, loss: float, seconds: float, metrics: Mapping[str, Any]) -> dict[str, Any]:
    validation = {f"val_{key}": metrics[key] for key in MAIN_METRICS}
    labels = {"val_labels_scored": metrics["labels_scored"], "val_labels": len(metrics["positives"])}
    return {"epoch": epoch, "loss": loss, "seconds": seconds, **validation, **labels}


def _save(
    checkpoint: Checkpoint, state: TrainingState, results: dict[str, Any], out: Path, identity: dict[str, Any]
) -> None:
    """The last model, the best one if this is it, and what resuming needs."""
    save_with_card(checkpoint, out / "last", results)
    score = (results["val"]["mAP"] + results["val"]["OF1"]) / 2
    if score > state.run.best:
        state.run.best = score
        save_with_card(checkpoint, out / "best", results)
    state.write(out, identity)


def _provenance(config: TrainConfig, split: Split) -> dict[str, Any]:
    return {
        "train_split": split.name,
        "train_images": len(split.samples),
        "config": asdict(config),
        "versions": {
            "cnnrnn": cnnrnn.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    }
