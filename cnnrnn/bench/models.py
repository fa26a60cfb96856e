"""Models to time: small trained heads, whose searches end like those of real models."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from cnnrnn.decoding.beam_search import beam_search
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.decoding.trace import Trace
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig, State
from cnnrnn.models.vocabulary import Vocabulary
from cnnrnn.training.losses import sequence_loss

_MAX_LABELS = 5  # of an image
_STEPS, _BATCH = 150, 256


class SyntheticData:
    """Random images of random labels, some of them frequent and most of them rare, which a head can learn to see."""

    def __init__(self, num_labels: int, feature_dim: int, locations: int, device: torch.device) -> None:
        self.locations, self.device = locations, device
        self.rng = torch.Generator().manual_seed(0)
        self.directions = torch.randn(num_labels, feature_dim, generator=self.rng)
        self.frequencies = 1 / torch.arange(1.0, num_labels + 1)
        self.vocabulary = Vocabulary(tuple(f"label {number}" for number in range(num_labels)), (1,) * num_labels)

    def images(self, batch: int) -> tuple[Tensor, list[list[str]]]:
        """Image features I (batch, location, feature), noise plus the directions of their labels, each at a random
        location, and the labels."""
        counts = torch.randint(1, _MAX_LABELS + 1, (batch,), generator=self.rng)
        rows = self.frequencies.expand(batch, -1).multinomial(_MAX_LABELS, generator=self.rng)
        present = torch.arange(_MAX_LABELS) < counts.unsqueeze(1)  # (batch, most labels)
        feature = 2 * torch.randn(batch, self.locations, self.directions.shape[1], generator=self.rng)
        where = torch.randint(self.locations, rows.shape, generator=self.rng).unsqueeze(-1)  # (batch, most labels, 1)
        directions = self.directions[rows] * present.unsqueeze(-1)  # (batch, most labels, feature)
        feature.scatter_add_(1, where.expand_as(directions), directions)
        names = self.vocabulary.labels
        return feature.to(self.device), [
            [names[label] for label in row[:count]] for row, count in zip(rows.tolist(), counts.tolist(), strict=True)
        ]


@cache
def trained_model(num_labels: int, device: torch.device, locations: int = 1) -> tuple[CNNRNN, SyntheticData]:
    """A CNN-RNN of the paper's size, embedding 64 and LSTM 512, trained on synthetic data; spatial if the images have
    several locations."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        backbone = Backbone(BackboneConfig.of("tf_efficientnet_lite0"))  # for the size of its features; it never runs
        model = CNNRNN(ModelConfig(num_labels, embedding_dim=64, hidden_dim=512, spatial=locations > 1), backbone)
        data = SyntheticData(num_labels, model.U_I.in_features, locations, device)
        model.to(device)
        optimizer = torch.optim.AdamW(head(model), lr=3e-3)
        for _ in range(_STEPS):
            feature, labels = data.images(_BATCH if locations == 1 else _BATCH // 4)
            inputs, targets = data.vocabulary.encode(labels)
            loss = sequence_loss(teacher_forced_logits(model, feature, inputs.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval().requires_grad_(False), data


def untrained_search(num_labels: int, depth: int, device: torch.device) -> Callable[[int], list[Trace]]:
    """Beam search, beam 8, for so many images, by a head of the paper's size whose paths have `depth` labels: its
    cost is that of a trained model, whose training would take hours."""
    backbone = Backbone(BackboneConfig.of("tf_efficientnet_lite0"))  # for the size of its features; it never runs
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CNNRNN(ModelConfig(num_labels, embedding_dim=64, hidden_dim=512), backbone).eval().to(device)
        features = torch.randn(_BATCH, 1, backbone.feature_dim).to(device)
    labels = [f"label {number}" for number in range(num_labels)]

    @torch.no_grad()
    def search(images: int) -> list[Trace]:
        image = model.project_image(features[:images])

        def step(tokens: Tensor, live: Tensor, state: State) -> tuple[Tensor, State]:
            *recurrent, emitted = state  # emitted: (row,) how many labels
            logits, next_state = model.step(tokens, image[live], tuple(recurrent))
            logits[:, model.end] += torch.where(emitted < depth, -50.0, 50.0)
            return logits, (*next_state, emitted + 1)

        return beam_search(step, (*model.initial_state(images), torch.zeros(images, device=device)), labels, beam=8)

    return search


def head(model: CNNRNN) -> list[nn.Parameter]:
    """What is trained on features that were computed before: all but the backbone."""
    return [parameter for name, parameter in model.named_parameters() if not name.startswith("backbone.")]
