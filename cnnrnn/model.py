"""The CNN-RNN of Wang et al. (CVPR 2016), equations 1 to 4, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnrnn.backbones import Backbone
from cnnrnn.pooling import OnePlace, OverPlaces, Share, drop_channels, image_feature

State = tuple[Tensor, ...]  # what the recurrence remembers; each tensor is (row, hidden)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


@dataclass(frozen=True)
class ModelConfig:
    num_labels: int
    embedding_dim: int = 64
    hidden_dim: int = 512
    activation: str = "tanh"  # h of equation 3, a key of ACTIVATIONS
    cell: str = "lstm"  # a key of CELLS
    places: bool = False  # equations 3 and 4 at every place of the feature map; otherwise once, pooled as in the paper
    auxiliary: bool = False  # a sigmoid per label beside the recurrence, which keeps the image's features honest
    dropout: float = 0.0  # on o(t), I and the label embedding, before their projections; training only

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _of(values: Tensor, row: Tensor | None) -> Tensor:
    """Each row's: values (label or prefix, …), which of them is the row's (row,), or None where they are the rows'."""
    return values if row is None else values.index_select(0, row)


class LSTMRecurrence(nn.Module):
    """Equation 2 as the standard LSTM, with its sigmoid and tanh gates and biases."""

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(input_dim, hidden_dim)  # for its weights and how they begin

    def forward(
        self, w: Tensor, state: State, label: Tensor | None = None, before: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """w (label, embedding), r(t-1) (prefix, hidden), and of each row (row,) which label it is and which prefix it
        continues, by default its own -> o(t) (row, hidden), r(t). What they do to the gates, nearly all of the work,
        is computed once for a label and once for a prefix, however many rows have them."""
        (hidden, memory), cell = state, self.cell
        heard = nn.functional.linear(w, cell.weight_ih, cell.bias_ih)  # (label, 4 hidden)
        remembered = nn.functional.linear(hidden, cell.weight_hh, cell.bias_hh)  # (prefix, 4 hidden)
        gates = _of(heard, label).add_(_of(remembered, before))  # (row, 4 hidden)
        input_gate, forget_gate, x, output_gate = gates.unsafe_chunk(4, dim=-1)
        # In place, as torch's own cell does it: a third faster. Gradients need the results only.
        memory = (forget_gate.sigmoid_() * _of(memory, before)).addcmul_(input_gate.sigmoid_(), x.tanh_())
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
        self, w: Tensor, state: State, label: Tensor | None = None, before: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """As `LSTMRecurrence`."""
        (memory,) = state
        gates = torch.relu(_of(self.U_w(w), label) + _of(self.U_r(memory), before))  # (row, 4 hidden)
        x, input_gate, forget_gate, output_gate = gates.chunk(4, dim=-1)
        memory = forget_gate * _of(memory, before) + input_gate * x
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
        nn.init.normal_(self.label_embedding, std=dim**-0.5)
        self.recurrence = CELLS[config.cell](dim, hidden)
        self.U_o = nn.Linear(hidden, dim, bias=False)
        self.U_I = nn.Linear(backbone.channels if config.places else backbone.feature_dim, dim, bias=False)
        self.over_places = OverPlaces() if config.places else OnePlace()
        if config.auxiliary:
            self.auxiliary = nn.Linear(self.U_I.in_features, config.num_labels)
            self.auxiliary_over_places = OverPlaces() if config.places else OnePlace()
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

    def labels_in_space(self) -> Tensor:
        """U_l of the labels alone: (label, embedding), detached."""
        return self.label_embedding[: self.end].detach()

    def initial_state(self, rows: int) -> State:
        """r(0): zeros, each (row, hidden)."""
        return self.recurrence.initial_state(self.label_embedding.new_zeros(rows, self.config.hidden_dim))

    def image_feature(self, feature_map: Tensor) -> Tensor:
        """Feature map (batch, channel, height, width) -> I (batch, place, feature); a pooled image has one place."""
        return image_feature(self.backbone, feature_map, self.config.places)

    def project_image(self, feature: Tensor, share: Share | None = None) -> Tensor:
        """I (batch, place, feature) -> U_I I of equation 3, the same at every step: (batch, place, embedding)."""
        return self.U_I(drop_channels(self.dropout, feature, share))

    def auxiliary_logits(self, feature: Tensor, share: Share | None = None) -> Tensor:
        """The auxiliary head's logits from the image alone: I (batch, place, feature) -> (batch, label).

        Semantic regularisation (Liu et al., CVPR 2017): trained beside the recurrence, it makes the features tell
        every label, whatever was emitted before.
        """
        return self.auxiliary_over_places(self.auxiliary(drop_channels(self.dropout, feature, share)))

    def recur(self, tokens: Tensor, state: State, before: Tensor | None = None) -> tuple[Tensor, State]:
        """Equations 1 and 2: tokens (row,), r(t-1) -> o(t) (row, hidden), r(t). The image is not here.

        With `before` (row,) the rows continue these of the state's rows, each as many as it likes."""
        label = None
        if before is not None and not self.training:  # dropout is each row's own
            tokens, label = torch.unique(tokens, return_inverse=True)
        return self.recurrence(self.dropout(self.label_embedding[tokens]), state, label, before)

    def points(self, recurrent: Tensor, image: Tensor) -> Tensor:
        """Equation 3: U_o o(t) of n prefixes per image (batch, n, embedding), U_I I (batch, place, embedding) -> x_t,
        points in the label space: (batch, n, place, embedding)."""
        return self.h(recurrent.unsqueeze(2) + image.unsqueeze(1))

    def said(self, recurrent: Tensor, image: Tensor) -> Tensor:
        """Equations 3 and 4 at every place: U_o o(t) of n prefixes per image (batch, n, embedding) -> inner products
        with every label and END (batch, n, place, L+1)."""
        return self.points(recurrent, image) @ self.label_embedding[: self.start].T

    def score(self, recurrent: Tensor, image: Tensor) -> Tensor:
        """Equations 3 and 4: U_o o(t) of n prefixes per image (batch, n, embedding) -> logits (batch, n, L+1)."""
        return self.over_places(self.said(recurrent, image))

    def step(self, tokens: Tensor, image: Tensor, state: State) -> tuple[Tensor, State]:
        """One decoding step: tokens (row,), a batch of images -> logits (row, L+1), r(t).

        Every image has equally many rows, which stand together.
        """
        output, state = self.recur(tokens, state)
        recurrent = self.U_o(output).unflatten(0, (len(image), -1))  # (batch, n, embedding)
        return self.score(recurrent, image).flatten(0, 1), state

    def unroll(self, inputs: Tensor) -> Tensor:
        """U_o o(t) of given sequences, START first: (batch, step) -> (batch, step, embedding)."""
        prefixes, prefix = Prefixes(self), inputs.new_zeros(len(inputs))
        outputs = []
        for tokens in inputs.unbind(1):
            prefix = prefixes.grow(prefix, tokens)
            outputs.append(prefixes.output.index_select(0, prefix))
        return self.U_o(self.dropout(torch.stack(outputs, dim=1)))

    def forward(self, feature: Tensor, inputs: Tensor, share: Share | None = None) -> Tensor:
        """Teacher forcing: I (batch, place, feature), inputs (batch, step) -> logits (batch, step, L+1).

        A label already in the sequence has logit -inf, as in decoding: the model is one distribution over
        sequences without repeats, in training and in use. With `share` the images, and the logits, are a share of
        a batch, the inputs all of it: the recurrence, which doesn't see them, draws its dropout for all.
        """
        rows = share.rows if share else slice(None)
        logits = self.score(self.unroll(inputs)[rows], self.project_image(feature, share))  # (batch, step, L+1)
        return logits.masked_fill(emitted_before(inputs[rows], self.config.num_labels), float("-inf"))


def emitted_before(inputs: Tensor, num_labels: int) -> Tensor:
    """Which label each step may no longer emit: inputs (batch, step) -> bool (batch, step, L+1); never END."""
    seen = nn.functional.one_hot(inputs, num_labels + 2).cumsum(dim=1)[..., : num_labels + 1].bool()
    seen[..., num_labels] = False
    return seen


class Prefixes:
    """The recurrence over the distinct prefixes of a batch, a token at a time. It doesn't see the image, so a prefix
    that several images share is computed once: START is one row, not one per image, and after it there are L at most.
    What a prefix remembers meets the gates once, too, however many labels follow it.
    """

    output: Tensor  # o(t) of the prefixes there are now, (prefix, hidden)

    def __init__(self, model: CNNRNN) -> None:
        self.model = model
        self.state = model.initial_state(1)  # their r(t), each (prefix, hidden)

    def grow(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        """The number of each row's prefix, 0 before START, and its next token: (row,) both -> its number now (row,)."""
        vocabulary = self.model.start + 1
        distinct, now = torch.unique(prefix * vocabulary + tokens, return_inverse=True)
        # In order, so those that continue the same prefix stand together.
        continued, before = torch.unique_consecutive(distinct // vocabulary, return_inverse=True)
        state = tuple(part.index_select(0, continued) for part in self.state)
        self.output, self.state = self.model.recur(distinct % vocabulary, state, before)
        return now
