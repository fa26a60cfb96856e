"""CNN-RNN multi-label image classification (Wang et al., CVPR 2016): train it, use it, watch it decode.

    import cnnrnn
    predictor = cnnrnn.load()                    # the embedded checkpoint; or a folder, a zip
    result = predictor("street.jpg")             # a Prediction; of a list of images, a list
    explanation = predictor.explain(result)      # one map a step
    predictor.label_space().neighbors("dog")

Everything is imported when it is first used: `import cnnrnn` takes no time and needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from cnnrnn.api import list_checkpoints as list_checkpoints
    from cnnrnn.api import load as load
    from cnnrnn.checkpoint import Checkpoint as Checkpoint
    from cnnrnn.decoding.constraints import Constraints as Constraints
    from cnnrnn.decoding.trace import Trace as Trace
    from cnnrnn.inference.config import InferenceConfig as InferenceConfig
    from cnnrnn.inference.predictor import Predictor as Predictor
    from cnnrnn.inference.results import PathExplanation as PathExplanation
    from cnnrnn.inference.results import Prediction as Prediction
    from cnnrnn.label_space.space import LabelSpace as LabelSpace
    from cnnrnn.utils.errors import UserError as UserError

_HOMES = {  # name: the module that defines it
    "load": "api",
    "list_checkpoints": "api",
    "Checkpoint": "checkpoint",
    "Constraints": "decoding.constraints",
    "Trace": "decoding.trace",
    "InferenceConfig": "inference.config",
    "Predictor": "inference.predictor",
    "PathExplanation": "inference.results",
    "Prediction": "inference.results",
    "LabelSpace": "label_space.space",
    "UserError": "utils.errors",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnrnn' has no attribute '{name}'")
    return getattr(importlib.import_module(f"cnnrnn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
