"""The same model inside Hugging Face's `generate`: a decoder whose cache is the recurrence's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import ModelOutput

from cnnrnn.models.cnnrnn import CNNRNN, State


class _StateCache:
    """What `generate` expects of a cache: it is reordered with the beams."""

    is_compileable = False
    is_linear = (True,)  # a state, not a row of keys for every token

    def __init__(self) -> None:
        self.state: State | None = None
        self.steps = 0

    def get_seq_length(self, *_: Any) -> int:
        return self.steps

    def reorder_cache(self, beams: Tensor) -> None:
        assert self.state is not None
        self.state = tuple(part.index_select(0, beams) for part in self.state)


@dataclass
class _Output(ModelOutput):
    logits: Tensor | None = None
    cache: _StateCache | None = None


class _Decoder(PreTrainedModel, GenerationMixin):
    config_class = PretrainedConfig
    main_input_name = "input_ids"
    _is_stateful = False

    def __init__(self, config: PretrainedConfig, model: CNNRNN) -> None:
        super().__init__(config)
        self.model = model
        self.generation_config = GenerationConfig()

    def prepare_inputs_for_generation(self, input_ids: Tensor, **kwargs: Any) -> dict[str, Any]:
        return {"input_ids": input_ids[:, -1:], "cache": kwargs["cache"], "image": kwargs["image"]}

    def forward(self, input_ids: Tensor, cache: _StateCache, image: Tensor, **_: Any) -> Any:
        state = cache.state if cache.state is not None else self.model.initial_state(len(input_ids))
        logits, cache.state = self.model.step(input_ids[:, -1], image, state)  # (row, L+1), one image a row
        cache.steps += 1
        logits = torch.nn.functional.pad(logits, (0, 1), value=-torch.inf)  # START is never emitted
        return _Output(logits=logits.unsqueeze(1), cache=cache)


class _NoRepeats(LogitsProcessor):
    """A label that was emitted can't follow; what is left adds up to 1."""

    def __init__(self, labels: int) -> None:
        self.labels = labels

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        emitted = torch.zeros_like(scores, dtype=torch.bool).scatter(1, input_ids, True)
        emitted[:, self.labels] = False
        return scores.masked_fill(emitted, -torch.inf).log_softmax(dim=-1)


class Generate:
    """Best paths by `generate(num_beams=…)`."""

    def __init__(self, model: CNNRNN) -> None:
        self.model = model
        labels = model.config.num_labels
        config = PretrainedConfig.from_dict({"vocab_size": labels + 2, "num_hidden_layers": 1})
        self.decoder = _Decoder(config, model).eval()
        self.processors = LogitsProcessorList([_NoRepeats(labels)])

    @torch.no_grad()
    def search(self, feature: Tensor, beam: int) -> list[tuple[int, ...]]:
        """The best path of every image: I (batch, location, feature)."""
        model = self.model
        start = torch.full((len(feature), 1), model.start, device=feature.device)
        sequences = self.decoder.generate(
            start, image=model.project_image(feature), cache=_StateCache(), num_beams=beam, do_sample=False,
            max_new_tokens=model.config.num_labels + 1, length_penalty=0.0, early_stopping="never",
            logits_processor=self.processors, eos_token_id=model.end, pad_token_id=model.end, bos_token_id=model.start,
        )  # fmt: skip
        return [tuple(token for token in row if token < model.end) for row in sequences[:, 1:].tolist()]
