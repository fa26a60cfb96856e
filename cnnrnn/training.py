"""The training loop: with a frozen backbone on features computed once, or end to end."""

from __future__ import annotations

import hashlib
import io
import json
import math
import platform
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torchvision
from timm.loss import AsymmetricLossMultiLabel
from torch import Tensor, nn

import cnnrnn
from cnnrnn.backbones import Backbone, BackboneConfig
from cnnrnn.baseline import SigmoidClassifier
from cnnrnn.checkpoint import Checkpoint, build_model
from cnnrnn.cooccurrence import counted, expected, together
from cnnrnn.data import Split
from cnnrnn.distributed import ALONE, Processes, data_parallel
from cnnrnn.errors import UserError
from cnnrnn.evaluation import Predictions, report
from cnnrnn.features import Cached, EndToEnd, Features, FeatureSource, Watcher
from cnnrnn.files import replacing, sweep
from cnnrnn.metrics import choose_threshold
from cnnrnn.model import CNNRNN
from cnnrnn.pooling import Share
from cnnrnn.prediction import decode_batch
from cnnrnn.vocabulary import IGNORE_TOKEN, Vocabulary

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    # The paper's choice; its momentum and decay are the paper's too.
    "rmsprop": lambda groups, lr, weight_decay: torch.optim.RMSprop(
        groups, lr=lr, weight_decay=weight_decay, momentum=0.9
    ),
}


# Of logits and truth (share, label), what a share adds to the loss of a batch of so many pictures.
LABEL_LOSSES: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "bce": lambda logits, truth, batch: (
        nn.functional.binary_cross_entropy_with_logits(logits, truth) * (len(truth) / batch)
        if len(truth)
        else logits.sum()  # 0; the mean of nothing is not a number
    ),
    # Ridnik et al., 2021, with the authors' settings. Newer timm divides the sum by the rows: here it is one row.
    "asymmetric": lambda logits, truth, batch: (
        AsymmetricLossMultiLabel(gamma_neg=4, gamma_pos=1)(logits.view(1, -1), truth.view(1, -1)) / batch
    ),
}


class TrainingError(UserError):
    """Training can't go on; the message says why and what to do."""


@dataclass(frozen=True)
class TrainConfig:
    epochs: int = 30
    batch_size: int = 64  # of all processes together
    lr: float = 1e-3
    backbone_lr: float = 0.0  # 0 keeps the backbone frozen
    trained_layers: int | None = None  # the backbone's last ones; None: all, unless backbone_lr is 0
    views: int = 2  # of each picture, while some layers are frozen
    loss: str = "bce"  # of the sigmoid baseline, a key of LABEL_LOSSES; the CNN-RNN's is its sequences' likelihood
    auxiliary: float = 0.0  # weight of the auxiliary head's loss beside the sequences'; 0 where there is no such head
    mixup: float = 0.0  # half of the batches are mixed with another order of themselves, by Beta(mixup, mixup) shares
    weight_decay: float = 1e-4
    optimizer: str = "adamw"  # a key of OPTIMIZERS
    seed: int = 0
    precision: str = "float32"  # that the backbone computes in, a key of PRECISIONS
    compile_layers: bool = False  # those that are trained of the backbone, by torch.compile
    beam: int = 8  # of the validation


class TrainingWatcher(Watcher, Protocol):
    """What the loop tells whoever shows it to a person."""

    def epoch_done(self, record: dict[str, Any]) -> None: ...


@dataclass
class Run:
    """What a finished or interrupted training leaves."""

    history: list[dict[str, Any]] = field(default_factory=list)  # one record per epoch
    best: float = -math.inf  # mean of the best epoch's validation mAP and O-F1
    interrupted: bool = False


def new_checkpoint(
    split: Split,
    backbone: str,
    image_size: int | None,
    pretrained: bool,
    seed: int,
    device: torch.device,
    head: str = "cnn-rnn",
    order: str = "frequent",
    **model_settings: Any,
) -> Checkpoint:
    """An untrained model for a training split's labels; `order` is that of `Vocabulary`, `model_settings` are
    the fields of ModelConfig or, for head "sigmoid", SigmoidConfig. Raises BackboneError where the backbone or its
    ImageNet weights can't be had.
    """
    torch.manual_seed(seed)
    vocabulary = Vocabulary.from_label_sets(split.labels, (sample.labels for sample in split.samples), order, seed)
    network = Backbone(BackboneConfig.of(backbone, image_size))
    if pretrained:
        network.load_pretrained()
        network.fold_batch_norm()  # its statistics stay ImageNet's: batches here are too small for better
    torch.manual_seed(seed)  # the head's weights don't depend on how the backbone was made
    model = build_model(head, {"num_labels": len(vocabulary), **model_settings}, network)
    return Checkpoint(
        model.to(device), vocabulary, training={"pretrained": pretrained, "order": order}, weights_hash=""
    )


def sequence_loss(logits: Tensor, targets: Tensor, steps: int | None = None) -> Tensor:
    """Mean cross-entropy of every step, END's included: logits (batch, step, L+1), targets (batch, step) -> ().

    Of a share of a batch it is what it adds to the mean over the whole batch's `steps`.
    """
    counted = (targets != IGNORE_TOKEN).sum() if steps is None else steps
    total = nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE_TOKEN, reduction="sum"
    )
    return total / counted


def auxiliary_loss(logits: Tensor, wanted: Tensor, batch: int) -> Tensor:
    """Binary cross-entropy of a picture, summed over its labels as the sequence's is: (share, label) both -> (), what
    a share adds to the mean of a batch of so many pictures."""
    return nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / batch


def train(
    checkpoint: Checkpoint,
    train_split: Split,
    val_split: Split,
    config: TrainConfig,
    out: Path,
    feature_cache: Path,
    watcher: TrainingWatcher,
    resume: bool = False,
    processes: Processes = ALONE,
) -> Run:
    """Train the checkpoint's model and write ``out/last`` each epoch, ``out/best`` whenever validation improves.

    Best is the highest mean of mAP and O-F1 on the validation split. Ctrl-C ends the run after saving what
    there is to ``out/last``. `resume` goes on after the last finished epoch in `out`, exactly as if nothing had
    happened. Raises TrainingError on a loss that is not finite or where there is nothing to resume, UserError for
    a picture that can't be read and where nothing can be written; the last finished epoch stays what it was.

    Several `processes`, each of which calls this with the same arguments, do the same as one, whatever their number,
    but for the order in which floats are added; only the first of them needs `out`. `torchrun` repeats a command:
    under it, `resume` starts where there is nothing to go on from.
    """
    model = checkpoint.model
    # Looked at first: hours of encoding must not pass before a person hears that there is nothing to resume.
    identity = _identity(checkpoint, train_split, val_split, config)
    for folder in (out, feature_cache):
        sweep(folder)
    state = _read_state_for_all(out, identity, resume, processes)
    model.backbone.compute_in(config.precision)
    source: FeatureSource = (
        EndToEnd(model, train_split, val_split, config.batch_size, watcher, processes, config.compile_layers)
        if config.backbone_lr and config.trained_layers is None
        else Cached(
            model,
            (config.trained_layers or 0) if config.backbone_lr else 0,
            config.views,
            train_split,
            val_split,
            config.batch_size,
            feature_cache,
            watcher,
            processes,
            config.compile_layers,
        )
    )
    torch.manual_seed(config.seed)  # only now: encoding draws random numbers, reading cached features does not
    objective = _objective(checkpoint, train_split, config, processes.share)
    batch_loss = data_parallel(
        model,
        lambda indices, inputs: _mixed_loss(source, objective, indices, inputs, config.mixup, processes),
        processes,
    )
    optimizer = _optimizer(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_up_and_cosine(config, len(train_split.samples)))
    run = Run()
    if state is not None:
        _restore(state, run, model, optimizer, schedule)
    checkpoint.training |= _provenance(config, train_split)
    in_training = counted(_present(train_split, checkpoint.vocabulary).numpy())

    interrupt = _Interrupt(once=processes.count == 1)
    try:
        interrupt.catch()
        for epoch in range(len(run.history) + 1, config.epochs + 1):
            started = time.perf_counter()
            # All draw the same, but for a backbone that has dropout of its own.
            torch.set_rng_state(processes.from_writer(torch.get_rng_state()))
            watcher.start(f"epoch {epoch}/{config.epochs}", len(train_split.samples))
            _set_training(model, keep_statistics=checkpoint.training["pretrained"] or not config.backbone_lr)
            loss = _train_one_epoch(model, source, batch_loss, optimizer, schedule, watcher, interrupt, processes)
            metrics, by_model = _validate(checkpoint, val_split, source.validation(), config.beam, processes)
            record = {
                "epoch": epoch,
                "loss": loss,
                "seconds": time.perf_counter() - started,
                **{f"val_{key}": metrics[key] for key in ("mAP", "OF1", "CF1", "exact_match")},
            }
            run.history.append(record)
            checkpoint.training["epochs_done"] = epoch
            if not processes.is_writer:
                continue
            results: dict[str, Any] = {"val": metrics, "history": run.history}
            if by_model is not None:
                results["together"] = together(checkpoint.vocabulary.labels, in_training, by_model)
            checkpoint.save(out / "last", results)
            if (score := (metrics["mAP"] + metrics["OF1"]) / 2) > run.best:
                run.best = score
                checkpoint.save(out / "best", results)
            _write_state(out, identity, run, model, optimizer, schedule)
            watcher.epoch_done(record)  # what is reported is on the disk
    except KeyboardInterrupt:
        run.interrupted = True
        if processes.is_writer:
            checkpoint.save(out / "last", {"history": run.history})
    finally:
        interrupt.release()
    return run


STATE = "state.pt"  # beside best/ and last/: all that going on exactly needs, in full precision


def _write_state(
    out: Path,
    identity: dict[str, Any],
    run: Run,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    device = next(model.parameters()).device
    state = {
        "run": identity,
        "history": run.history,
        "best": run.best,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "random": torch.get_rng_state(),
        "cuda_random": [torch.cuda.get_rng_state(device)] if device.type == "cuda" else [],
    }
    buffer = io.BytesIO()  # torch's own writing to a full disk ends in an error of its own kind, or in none
    torch.save(state, buffer)
    with replacing(out / STATE) as new:
        new.write_bytes(buffer.getbuffer())


def _read_state_for_all(
    out: Path, identity: dict[str, Any], resume: bool, processes: Processes
) -> dict[str, Any] | None:
    """The state to go on from, which the first process reads; None for a new run."""
    state = None
    if processes.is_writer:
        if (resume or processes.restarted) and not (processes.by_torchrun and not (out / STATE).exists()):
            state = _read_state(out, identity)
        elif processes.by_torchrun:
            (out / STATE).unlink(missing_ok=True)  # a restart goes on from what is there, which must be this run's
    theirs, state = processes.from_writer((identity, state))
    if differing := [key for key in identity if identity[key] != theirs[key]]:
        raise TrainingError(f"process {processes.rank} would train with another {', '.join(differing)} than process 0")
    return state


def _read_state(out: Path, identity: dict[str, Any]) -> dict[str, Any]:
    try:
        state = torch.load(out / STATE, map_location="cpu", weights_only=True)  # our own file, and no pickled code
    except FileNotFoundError:
        raise TrainingError(f"{out} holds no finished epoch to go on from; start without --resume") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(f"{out / STATE} is damaged ({type(error).__name__}); start without --resume") from error
    # What older runs don't know of was as it is by default; the weight of their auxiliary head nobody knows.
    then = asdict(TrainConfig()) | {"auxiliary weight": identity["auxiliary weight"]} | state["run"]
    if changed := [f"{key}: {then.get(key)} → {now}" for key, now in identity.items() if then.get(key) != now]:
        raise TrainingError(
            f"{out} was started with other settings ({'; '.join(changed)}); repeat its command with --resume added"
        )
    return state


def _restore(
    state: dict[str, Any],
    run: Run,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    run.history, run.best = state["history"], state["best"]
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    torch.set_rng_state(state["random"])
    device = next(model.parameters()).device
    if state["cuda_random"] and device.type == "cuda":  # each process's own; all draw the same
        torch.cuda.set_rng_state(state["cuda_random"][0], device)


def _identity(checkpoint: Checkpoint, train_split: Split, val_split: Split, config: TrainConfig) -> dict[str, Any]:
    """What must be the same for a run to be the same run."""
    model = checkpoint.model
    return {
        "head": type(model).__name__,
        **asdict(config),
        **model.config.to_dict(),  # with an `auxiliary` of its own: whether there is such a head
        "auxiliary weight": config.auxiliary,
        "backbone": model.backbone.config.name,
        "image_size": model.backbone.config.image_size,
        "labels": list(checkpoint.vocabulary.labels),
        "training pictures": _digest(train_split),
        "validation pictures": _digest(val_split),
    }


def _digest(split: Split) -> str:
    """Changes with the pictures' names and labels."""
    digest = hashlib.sha256()
    for sample in split.samples:
        digest.update(json.dumps([sample.image.name, sorted(sample.labels)]).encode())
    return f"{len(split.samples)} ({digest.hexdigest()[:8]})"


class _Interrupt:
    """Ctrl-C, remembered and raised where the loop asks for it; a second one stops at once.

    Raised in the middle of anything it may be lost: Python drops exceptions in destructors and callbacks. Of several
    processes all stop after the same step, unless `once` is given: one that stopped at once would leave the others.
    """

    def __init__(self, once: bool) -> None:
        self.once = once
        self.asked = False
        self.previous: Any = None

    def catch(self) -> None:
        if threading.current_thread() is threading.main_thread():  # only there may signals be handled
            self.previous = signal.signal(signal.SIGINT, self._remember)

    def _remember(self, number: int, frame: object) -> None:
        self.asked = True
        if self.once:
            self.release()

    def release(self) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
            self.previous = None


# I (share, place, feature), the indices of the whole batch's pictures -> what the share adds to the loss ()
Objective = Callable[[Tensor, list[int]], Tensor]


def _present(split: Split, vocabulary: Vocabulary) -> Tensor:
    """Which picture has which label, bool (image, label). A difficult object is no positive: it is in no sequence."""
    truth, ignored = split.truth(vocabulary.labels)
    return torch.from_numpy(truth & ~ignored)


def _objective(checkpoint: Checkpoint, split: Split, config: TrainConfig, rows: slice) -> Objective:
    """`rows` of every batch are this process's share."""
    model, vocabulary = checkpoint.model, checkpoint.vocabulary
    if isinstance(model, SigmoidClassifier):
        present = _present(split, vocabulary)

        def label_loss(pooled: Tensor, indices: list[int]) -> Tensor:
            logits = model(pooled, Share(rows, len(indices)))
            return LABEL_LOSSES[config.loss](logits, present[indices[rows]].float().to(model.device), len(indices))

        return label_loss

    beside = _present(split, vocabulary) if config.auxiliary else None
    inputs, targets = vocabulary.encode([sample.labels for sample in split.samples])  # (image, step)

    def path_loss(feature: Tensor, indices: list[int]) -> Tensor:
        share, lengths = Share(rows, len(indices)), (targets[indices] != IGNORE_TOKEN).sum(dim=1)  # (batch,)
        steps = int(lengths.max())  # of the longest sequence here
        logits = model(feature, inputs[indices, :steps].to(model.device), share)
        loss = sequence_loss(logits, targets[indices[rows], :steps].to(model.device), int(lengths.sum()))
        if beside is not None:
            wanted = beside[indices[rows]].float().to(model.device)
            loss = loss + config.auxiliary * auxiliary_loss(
                model.auxiliary_logits(feature, share), wanted, len(indices)
            )
        return loss

    return path_loss


def _train_one_epoch(
    model: nn.Module,
    source: FeatureSource,
    batch_loss: Callable[[list[int], Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    watcher: TrainingWatcher,
    interrupt: _Interrupt,
    processes: Processes,
) -> float:
    """One pass over the pictures; returns their mean loss."""
    total, images = 0.0, 0
    for indices, inputs in source.training():
        share = batch_loss(indices, inputs)
        loss, interrupted = processes.total(np.array([share.item(), interrupt.asked])).tolist()
        if not math.isfinite(loss):
            raise TrainingError("the loss is no longer finite; lower the learning rate (--lr, --backbone-lr)")
        optimizer.zero_grad(set_to_none=True)
        (processes.count * share).backward()  # DDP takes the mean of the gradients; these belong to shares of a sum
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=5.0)
        if not torch.isfinite(norm):  # before it reaches the weights
            raise TrainingError("the gradients are no longer finite; lower the learning rate (--lr, --backbone-lr)")
        optimizer.step()
        schedule.step()
        total, images = total + loss * len(indices), images + len(indices)
        watcher.advance(len(indices), total / images)
        if interrupted:
            raise KeyboardInterrupt
    return total / images


def _mixed_loss(
    source: FeatureSource,
    objective: Objective,
    indices: list[int],
    inputs: Tensor,
    mixup: float,
    processes: Processes,
) -> Tensor:
    """Mixup (Zhang et al., 2018) of what the trained layers take in: the mean of both pictures' losses by their shares.

    A sequence has no mean, so it is the losses that are mixed, not the targets.
    """
    if not mixup or torch.rand(()) < 0.5:
        return objective(source.feature(inputs), indices)
    share = torch.distributions.Beta(mixup, mixup).sample().item()
    order = torch.randperm(len(indices))
    others = processes.gather(inputs, len(indices))[order[processes.share].to(inputs.device)]
    feature = source.feature(share * inputs + (1 - share) * others)
    partners = [indices[place] for place in order.tolist()]
    return share * objective(feature, indices) + (1 - share) * objective(feature, partners)


def _set_training(model: CNNRNN | SigmoidClassifier, keep_statistics: bool) -> None:
    """Train mode. Batch norm that came with ImageNet's statistics keeps them: batches here are too small for better."""
    model.train()
    for module in model.backbone.modules():
        if keep_statistics and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _validate(
    checkpoint: Checkpoint, split: Split, features: Features, beam: int, processes: Processes
) -> tuple[dict[str, Any], np.ndarray | None]:
    """The report of what all processes decoded, and which labels the model believes to go together (label, label), if
    it has a belief."""
    model, labels = checkpoint.model.eval(), checkpoint.vocabulary.labels
    truth, ignored = split.truth(labels)
    predictions = Predictions(len(split.samples), len(labels))
    pairs = np.zeros((len(labels), len(labels)))
    for indices, feature in features:
        traces = decode_batch(model, feature, labels, beam)
        pairs += expected(traces, len(labels))
        for index, trace in zip(indices, traces, strict=True):
            predictions.put(index, trace)
    predictions.put_together(processes.total)
    pairs = processes.total(pairs)
    if isinstance(model, SigmoidClassifier):
        model.threshold.fill_(choose_threshold(truth, predictions.marginals, ignored))
        predictions.best_path = predictions.marginals >= model.threshold.item()
        return report(truth, ignored, predictions, labels), None
    return report(truth, ignored, predictions, labels), pairs


def _optimizer(model: CNNRNN | SigmoidClassifier, config: TrainConfig) -> torch.optim.Optimizer:
    backbone = set(model.backbone.parameters())
    head = [parameter for parameter in model.parameters() if parameter not in backbone]
    groups: list[dict[str, Any]] = [{"params": head, "lr": config.lr}]
    if config.backbone_lr:
        trained = [parameter for parameter in model.backbone.parameters() if parameter.requires_grad]
        groups.append({"params": trained, "lr": config.backbone_lr})
    return OPTIMIZERS[config.optimizer](groups, lr=config.lr, weight_decay=config.weight_decay)


def _warm_up_and_cosine(config: TrainConfig, images: int) -> Callable[[int], float]:
    """Share of the learning rates at a step: up during the first epoch if the backbone is trained, whose weights an
    untrained head would spoil; then down to 0.
    """
    per_epoch = math.ceil(images / config.batch_size)
    warm_up = per_epoch if config.backbone_lr and config.epochs > 1 else 0

    def share(step: int) -> float:
        if step < warm_up:
            return (step + 1) / (warm_up + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (config.epochs * per_epoch - warm_up)))

    return share


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
