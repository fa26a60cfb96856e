"""The losses: of label sequences, of independent labels, of the auxiliary head, and mixup of any of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from timm.loss import AsymmetricLossMultiLabel
from torch import Tensor, nn

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Split
from cnnrnn.data.loader import to_device
from cnnrnn.decoding.prefix_cache import unroll
from cnnrnn.models.cnnrnn import CNNRNN, emitted_before
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.models.vocabulary import IGNORE_TOKEN, Vocabulary
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.distributed import ALONE, ProcessGroup
from cnnrnn.training.features import FeatureSource
from cnnrnn.training.order import own_order, teacher_forcing

# logits and targets of a shard (shard, label), images of the whole batch -> what the shard adds to the batch's loss ().
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


def sequence_loss(logits: Tensor, targets: Tensor, steps: int | None = None) -> Tensor:
    """Mean cross-entropy of every step, END's included: logits (…, L+1), targets (…) -> ().

    Of a shard of a batch: what it adds to the mean over the whole batch's `steps`.
    """
    predicted = (targets != IGNORE_TOKEN).sum() if steps is None else steps
    total = nn.functional.cross_entropy(
        logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORE_TOKEN, reduction="sum"
    )
    return total / predicted


def auxiliary_loss(logits: Tensor, wanted: Tensor, batch: int) -> Tensor:
    """Binary cross-entropy of an image, summed over its labels as the sequence's is over its steps:
    (shard, label) both -> (), what a shard adds to the mean over a batch of so many images."""
    return nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / batch


# I of this process's shard (shard, location, feature), indices of the whole batch's images -> what the shard adds to
# the batch's loss ().
Objective = Callable[[Tensor, list[int]], Tensor]


def positives(split: Split, vocabulary: Vocabulary) -> Tensor:
    """The targets of independent labels, bool (image, label). Difficult objects are not positives."""
    truth, ignored = split.truth(vocabulary.labels)
    return torch.from_numpy(truth & ~ignored)


def channel_mask(model: CNNRNN | SigmoidClassifier, feature: Tensor, batch: int, rows: slice) -> Tensor | None:
    """Dropout of I (shard, location, channel): a mask (shard, 1, channel), or None outside of training.

    The same channels are dropped at every location, since neighboring locations are nearly the same. The mask is drawn
    for the whole batch, so it does not depend on how processes divide it.
    """
    if not model.training:
        return None
    return nn.functional.dropout(feature.new_ones(batch, 1, feature.shape[2]), model.config.dropout)[rows]


def make_objective(
    checkpoint: Checkpoint, split: Split, config: TrainConfig, processes: ProcessGroup = ALONE
) -> Objective:
    """The loss of a batch of `split`, of which each of the processes handles its shard."""
    if isinstance(checkpoint.model, SigmoidClassifier):
        return _label_objective(checkpoint.model, positives(split, checkpoint.vocabulary), config, processes.shard)
    return _sequence_objective(checkpoint, checkpoint.model, split, config, processes)


def _label_objective(model: SigmoidClassifier, present: Tensor, config: TrainConfig, rows: slice) -> Objective:
    def objective(feature: Tensor, indices: list[int]) -> Tensor:
        logits = model(feature, channel_mask(model, feature, len(indices), rows))  # (shard, label)
        wanted = to_device(model.device, present[indices[rows]].float())  # (shard, label)
        return LABEL_LOSSES[config.loss](logits, wanted, len(indices))

    return objective


def _sequence_objective(
    checkpoint: Checkpoint, model: CNNRNN, split: Split, config: TrainConfig, processes: ProcessGroup
) -> Objective:
    vocabulary, rows = checkpoint.vocabulary, processes.shard
    present = positives(split, vocabulary) if config.auxiliary else None
    fixed_inputs, fixed_targets = vocabulary.encode([sample.labels for sample in split.samples])  # (image, step)

    def objective(feature: Tensor, indices: list[int]) -> Tensor:
        inputs, targets = fixed_inputs[indices], fixed_targets[indices]  # (batch, step)
        lengths = (targets != IGNORE_TOKEN).sum(dim=1)  # (batch,)
        steps = int(lengths.max())  # of the longest sequence of the batch
        inputs, targets = inputs[:, :steps], targets[:, :steps]
        # Which steps there are does not depend on their order: known here, a GPU's results need not be waited for.
        images, positions = (targets[rows] != IGNORE_TOKEN).nonzero(as_tuple=True)  # (step of the shard,) both
        at = to_device(model.device, images), to_device(model.device, positions)
        if checkpoint.training.get("order") == "free":
            inputs, targets = _in_own_order(model, feature, targets, processes)
        inputs, targets = to_device(model.device, inputs), to_device(model.device, targets)
        # The recurrence does not see the images: every process unrolls it for the whole batch, with the same dropout.
        recurrent = unroll(model, inputs)[rows]  # (shard, step, embedding)
        mask = channel_mask(model, feature, len(indices), rows)
        logits = logits_of_steps(model, model.project_image(feature, mask), recurrent, inputs[rows], at)
        loss = sequence_loss(logits, targets[rows][at], int(lengths.sum()))
        if present is not None:
            logits = model.auxiliary_logits(feature, channel_mask(model, feature, len(indices), rows))
            wanted = to_device(model.device, present[indices[rows]].float())  # (shard, label)
            loss = loss + config.auxiliary * auxiliary_loss(logits, wanted, len(indices))
        return loss

    return objective


def _in_own_order(model: CNNRNN, feature: Tensor, targets: Tensor, processes: ProcessGroup) -> tuple[Tensor, Tensor]:
    """I of this process's shard, targets of the whole batch (batch, step) -> inputs and targets, each (batch, step)."""
    own = targets[processes.shard]  # (shard, step)
    present = torch.zeros(len(own), model.end + 1, dtype=torch.bool, device=own.device)
    present.scatter_(1, own.masked_fill(own == IGNORE_TOKEN, model.end), True)
    sequences = own_order(model, feature, present[:, : model.end])
    steps = targets.shape[1] - 1  # of the batch; the shard's may be fewer
    sequences = nn.functional.pad(sequences, (0, steps - sequences.shape[1]), value=model.end)
    return teacher_forcing(processes.gather(sequences, len(targets)), model.start, model.end)


def logits_of_steps(
    model: CNNRNN, image: Tensor, recurrent: Tensor, inputs: Tensor, at: tuple[Tensor, Tensor]
) -> Tensor:
    """What `CNNRNN.forward` computes, for some of the steps alone: sequences differ in length, and the logits at every
    location are the largest tensors of training.

    U_I I (batch, location, embedding), U_o o(t) (batch, step, embedding), inputs (batch, step), `at` the images and
    the steps that are wanted, both (row,) -> (row, L+1).
    """
    logits = model.logits(recurrent[at].unsqueeze(1), image[at[0]]).squeeze(1)  # (row, L+1)
    return logits.masked_fill(emitted_before(inputs, model.config.num_labels)[at], float("-inf"))


def mixup_loss(
    source: FeatureSource,
    objective: Objective,
    indices: list[int],
    inputs: Tensor,
    mixup: float,
    processes: ProcessGroup,
) -> Tensor:
    """Mixup (Zhang et al., 2018) of what the trained layers take in (shard, …), for half of the batches: the mean of
    both images' losses, by the weights of the images -> ().

    A label sequence has no mean, so the losses are mixed, not the targets.
    """
    if not mixup or torch.rand(()) < 0.5:
        return objective(source.feature(inputs), indices)
    weight = torch.distributions.Beta(mixup, mixup).sample().item()
    order = torch.randperm(len(indices))
    others = processes.gather(inputs, len(indices))[order[processes.shard].to(inputs.device)]
    feature = source.feature(weight * inputs + (1 - weight) * others)
    partners = [indices[row] for row in order.tolist()]
    return weight * objective(feature, indices) + (1 - weight) * objective(feature, partners)
