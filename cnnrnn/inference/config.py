"""How a checkpoint is run: one object instead of the same settings in every signature."""

from __future__ import annotations

from dataclasses import dataclass

INT8 = "int8"  # a precision of its own: of a quantized backbone, see `int8`


@dataclass(frozen=True)
class InferenceConfig:
    """Settings of prediction. They can be pickled: Ray's workers get them as they are."""

    beam: int = 8  # paths kept at every step of the search
    batch_size: int = 16  # images per pass of the backbone
    engine: str | None = "torch"  # of the backbone, a name of `engines.ENGINES`; None: the fastest that is installed
    precision: str = "float32"  # of the backbone, a key of `models.backbone.PRECISIONS`, or INT8
    device: str | None = None  # such as "cpu" or "cuda:1"; None: a GPU if there is one
    threads: int | None = None  # of the engine; None: all cores
    recurrence: bool = True  # False decodes every step as the first one, which measures what the recurrence is worth
