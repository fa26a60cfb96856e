"""The CNN-RNN of Wang et al. (CVPR 2016): equations 1 to 4, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnrnn.models.backbone import Backbone
from cnnrnn.models.pooling import GlobalPool, SpatialAttentionPool, image_feature
from cnnrnn.utils.calibration import checked_parameters

State = tuple[Tensor, ...]  # r(t) of equation 2; each tensor is (row, hidden)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


@dataclass(frozen=True)
class ModelConfig:
    """The settings that determine the parameters of a CNN-RNN, without its backbone."""

    num_labels: int
    embedding_dim: int = 64
    hidden_dim: int = 512
    activation: str = "tanh"  # h of equation 3, a key of ACTIVATIONS
    cell: str = "lstm"  # a key of CELLS
    spatial: bool = False  # equations 3 and 4 at every location of the feature map; otherwise pooled, as in the paper
    auxiliary: bool = False  # an auxiliary sigmoid per label on the image's features, as a regularizer
    dropout: float = 0.0  # on o(t), I and the label embedding, before their projections; training only
    # Divides the logits of equation 4. 1 in training; below 1 the softmax is sharper and the best path longer.
    temperature: float = 1.0
    # (a, b, c) of the beta calibration of the labels' probabilities; see `utils.calibration`
    calibration: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.calibration is not None:
            object.__setattr__(self, "calibration", checked_parameters(self.calibration))  # JSON has lists
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"the temperature must be positive, not {self.temperature}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _rows(values: Tensor, index: Tensor | None) -> Tensor:
    """Row i of the result is values[index[i]]; without an index the values are returned as they are."""
    return values if index is None else values.index_select(0, index)


class LSTMRecurrence(nn.Module):
    """Equation 2 as the standard LSTM, with its sigmoid and tanh gates and biases."""

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(input_dim, hidden_dim)  # holds the weights and initializes them

    def forward(
        self, w: Tensor, state: State, label_index: Tensor | None = None, parent_index: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """w_k (label, embedding), r(t-1) (prefix, hidden) -> o(t) (row, hidden), r(t).

        Row i extends prefix parent_index[i] by label label_index[i]; without indices, row i has prefix i and label i.
        The matrix products, nearly all of the work, are computed once per label and once per prefix.
        """
        (hidden, memory), cell = state, self.cell
        input_gates = nn.functional.linear(w, cell.weight_ih, cell.bias_ih)  # (label, 4 hidden)
        hidden_gates = nn.functional.linear(hidden, cell.weight_hh, cell.bias_hh)  # (prefix, 4 hidden)
        gates = _rows(input_gates, label_index).add_(_rows(hidden_gates, parent_index))  # (row, 4 hidden)
        input_gate, forget_gate, x, output_gate = gates.unsafe_chunk(4, dim=-1)
        # In place, as torch's own cell does it: a third faster. Gradients need the results only.
        memory = (forget_gate.sigmoid_() * _rows(memory, parent_index)).addcmul_(input_gate.sigmoid_(), x.tanh_())
        hidden = output_gate.sigmoid_() * memory.tanh()
        return hidden, (hidden, memory)

    @staticmethod
    def initial_state(zeros: Tensor) -> State:
        return zeros, zeros


class PaperRecurrence(nn.Module):
    """Equation 2 as the paper prints it: ReLU in place of every sigmoid and tanh, gates included, no biases.

    x = relu(U_r r(t-1) + U_w w), i, f and o alike; r(t) = f * r(t-1) + i * x; o(t) = r(t) * o.
    """

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.U_r = nn.Linear(hidden_dim, 4 * hidden_dim, bias=False)
        self.U_w = nn.Linear(input_dim, 4 * hidden_dim, bias=False)

    def forward(
        self, w: Tensor, state: State, label_index: Tensor | None = None, parent_index: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """As `LSTMRecurrence`."""
        (memory,) = state
        gates = torch.relu(_rows(self.U_w(w), label_index) + _rows(self.U_r(memory), parent_index))  # (row, 4 hidden)
        x, input_gate, forget_gate, output_gate = gates.chunk(4, dim=-1)
        memory = forget_gate * _rows(memory, parent_index) + input_gate * x
        return memory * output_gate, (memory,)

    @staticmethod
    def initial_state(zeros: Tensor) -> State:
        return (zeros,)


CELLS: dict[str, type[LSTMRecurrence] | type[PaperRecurrence]] = {
    "lstm": LSTMRecurrence,
    "paper": PaperRecurrence,
}


class CNNRNN(nn.Module):
    """A CNN, a recurrence over labels, and one space in which both are compared with every label.

    Tokens: 0 … L-1 are the labels, L is END (emitted, never fed back), L+1 is START (fed in, never emitted).
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        dim, hidden = config.embedding_dim, config.hidden_dim
        # Tied: the same rows U_l enter the recurrence (equation 1) and score the output (equation 4).
        self.label_embedding = nn.Parameter(torch.empty(config.num_labels + 2, dim))
        if not self.label_embedding.is_meta:  # there torch would import sympy and its compiler, which takes a second
            nn.init.normal_(self.label_embedding, std=dim**-0.5)
        self.recurrence = CELLS[config.cell](dim, hidden)
        self.U_o = nn.Linear(hidden, dim, bias=False)
        self.U_I = nn.Linear(backbone.channels if config.spatial else backbone.feature_dim, dim, bias=False)
        self.spatial_pool = SpatialAttentionPool() if config.spatial else GlobalPool()
        if config.auxiliary:
            self.auxiliary = nn.Linear(self.U_I.in_features, config.num_labels)
            self.auxiliary_pool = SpatialAttentionPool() if config.spatial else GlobalPool()
        self.dropout = nn.Dropout(config.dropout)
        self.h = ACTIVATIONS[config.activation]

    @property
    def end(self) -> int:
        return self.config.num_labels

    @property
    def start(self) -> int:
        return self.config.num_labels + 1

    @property
    def device(self) -> torch.device:
        return self.label_embedding.device

    def label_vectors(self) -> Tensor:
        """U_l of the labels, without END and START: (label, embedding), detached."""
        return self.label_embedding[: self.end].detach()

    def initial_state(self, rows: int) -> State:
        """r(0): zeros, each (row, hidden)."""
        return self.recurrence.initial_state(self.label_embedding.new_zeros(rows, self.config.hidden_dim))

    def image_feature(self, feature_map: Tensor) -> Tensor:
        """Feature map (batch, channel, height, width) -> I (batch, location, feature), with one location if pooled."""
        return image_feature(self.backbone, feature_map, self.config.spatial)

    def rnn_step(self, tokens: Tensor, state: State, parent_index: Tensor | None = None) -> tuple[Tensor, State]:
        """Equations 1 and 2: tokens (row,), r(t-1) -> o(t) (row, hidden), r(t). The image does not enter.

        With `parent_index` (row,), row i extends prefix parent_index[i] of the state.
        """
        label_index = None
        if parent_index is not None and not self.training:  # in training each row has a dropout mask of its own
            tokens, label_index = torch.unique(tokens, return_inverse=True)
        w = self.dropout(self.label_embedding[tokens])  # (label, embedding)
        return self.recurrence(w, state, label_index, parent_index)

    def unrolled(self, inputs: Tensor) -> Tensor:
        """Equations 1 and 2 for whole sequences, each by itself: tokens (batch, step) -> o(t) (batch, step, hidden)."""
        state, outputs = self.initial_state(len(inputs)), []
        for w in self.dropout(self.label_embedding[inputs]).unbind(dim=1):  # (batch, embedding)
            output, state = self.recurrence(w, state)
            outputs.append(output)
        return torch.stack(outputs, dim=1)

    def project_image(self, feature: Tensor, channel_mask: Tensor | None = None) -> Tensor:
        """I (batch, location, feature) -> U_I I of equation 3, the same at every step: (batch, location, embedding).

        `channel_mask` (batch, 1, feature) is training's dropout of I.
        """
        return self.U_I(feature if channel_mask is None else feature * channel_mask)

    def joint_embedding(self, recurrent: Tensor, image: Tensor) -> Tensor:
        """Equation 3: U_o o(t) of n prefixes per image (batch, n, embedding), U_I I (batch, location, embedding)
        -> x_t at every location (batch, n, location, embedding)."""
        return self.h(recurrent.unsqueeze(2) + image.unsqueeze(1))

    def location_logits(self, recurrent: Tensor, image: Tensor) -> Tensor:
        """Equations 3 and 4 at every location: as `joint_embedding` -> inner products with every label and END
        (batch, n, location, L+1)."""
        return self.joint_embedding(recurrent, image) @ self.label_embedding[: self.start].T

    def logits(self, recurrent: Tensor, image: Tensor) -> Tensor:
        """Equations 3 and 4: as `joint_embedding` -> logits of every label and END (batch, n, L+1)."""
        return self.spatial_pool(self.location_logits(recurrent, image)) / self.config.temperature

    def auxiliary_logits(self, feature: Tensor, channel_mask: Tensor | None = None) -> Tensor:
        """The auxiliary head, from the image alone: I (batch, location, feature) -> (batch, label).

        Semantic regularization (Liu et al., CVPR 2017): trained beside the recurrence, it makes the features predict
        every label, independent of the labels emitted before.
        """
        return self.auxiliary_pool(self.auxiliary(feature if channel_mask is None else feature * channel_mask))

    def step(self, tokens: Tensor, image: Tensor, state: State) -> tuple[Tensor, State]:
        """One decoding step: tokens (row,), U_I I (batch, location, embedding), r(t-1) -> logits (row, L+1), r(t).

        Every image has the same number of rows, and the rows of an image are consecutive.
        """
        output, state = self.rnn_step(tokens, state)
        recurrent = self.U_o(output).unflatten(0, (len(image), -1))  # (batch, n, embedding)
        return self.logits(recurrent, image).flatten(0, 1), state

    def forward(self, feature: Tensor, recurrent: Tensor, inputs: Tensor) -> Tensor:
        """Teacher forcing: I (batch, location, feature), U_o o(t) of the label sequences (batch, step, embedding), the
        sequences themselves, START first (batch, step) -> logits (batch, step, L+1).

        `recurrent` comes from `cnnrnn.decoding.prefix_cache.unroll`. A label already in the sequence has logit -inf,
        as in decoding: the model is one distribution over sequences without repeats, in training and in decoding.
        """
        logits = self.logits(recurrent, self.project_image(feature))
        return logits.masked_fill(emitted_before(inputs, self.config.num_labels), float("-inf"))


def emitted_before(inputs: Tensor, num_labels: int) -> Tensor:
    """The labels that each step can't emit: inputs (batch, step) -> bool (batch, step, L+1); END is always False."""
    emitted = nn.functional.one_hot(inputs, num_labels + 2).cumsum(dim=1)[..., : num_labels + 1].bool()
    emitted[..., num_labels] = False
    return emitted
