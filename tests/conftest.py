"""What many tests need: the photographs where they are, a tiny trained model, real image files."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from helpers import Quiet
from PIL import Image

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.models.vocabulary import Vocabulary
from cnnrnn.training.config import TrainConfig
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.training.loop import train

# Nothing here may reach for a hub; a test that tries fails at once instead of waiting for a network.
os.environ["HF_HUB_OFFLINE"] = "1"
# What engines translate is kept; not in the home of whoever runs the tests.
_CACHE = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = _CACHE.name

# scikit-learn counts the physical cores once, by a child process. It does so here, before DataLoader's handler of
# SIGCHLD exists: pytest has crashed where that child ended (see addopts in pyproject.toml).
joblib.cpu_count(only_physical_cores=True)

# Under pytest-xdist the processes share the cores; more threads than cores are slower than one.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
torch.set_num_threads(max(1, (os.cpu_count() or 1) // _WORKERS))

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not (SHARED_DATA / "VOCdevkit").is_dir():
        pytest.skip("the photographs are not at ../shared/data")
    return SHARED_DATA


@pytest.fixture(scope="session")
def scenes_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def trained(scenes_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """A run trained end to end, from scratch, on rendered scenes: its folder and its epochs' records."""
    out = tmp_path_factory.mktemp("runs") / "scenes"
    splits = [load_split("scenes", scenes_root, name) for name in ("train", "val")]
    checkpoint = new_checkpoint(
        splits[0], "test_byobnet", 64, pretrained=False, seed=0, device=torch.device("cpu"),
        embedding_dim=32, hidden_dim=64,
    )  # fmt: skip
    config = TrainConfig(epochs=14, batch_size=32, lr=3e-3, backbone_lr=3e-3)
    watcher = Quiet()
    train(checkpoint, *splits, config, out, out.parent / "features", watcher)
    return out, watcher.records


@pytest.fixture(scope="session")
def scenes_checkpoint(trained: tuple[Path, list[dict]]) -> Path:
    return trained[0] / "best"


@pytest.fixture
def loaded(scenes_checkpoint: Path) -> Checkpoint:
    return Checkpoint.load(scenes_checkpoint)


@pytest.fixture(scope="session")
def untrained_spatial() -> Callable[[Sequence[str]], Checkpoint]:
    """Makes an untrained checkpoint of given labels, which it scores at each of 4 × 4 locations."""

    def make(labels: Sequence[str]) -> Checkpoint:
        torch.manual_seed(4)
        config = ModelConfig(num_labels=len(labels), embedding_dim=16, hidden_dim=12, spatial=True)
        model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 64))).eval()
        return Checkpoint(model, Vocabulary(tuple(labels), (9,) * len(labels)), {"pretrained": False}, "")

    return make


@pytest.fixture(scope="session")
def gradient_image() -> Image.Image:
    """Red grows to the right, green downwards, so that a turn or a flip is seen."""
    x = np.tile(np.linspace(0, 255, 96, dtype=np.uint8), (64, 1))
    y = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[:, None], (1, 96))
    return Image.fromarray(np.stack([x, y, np.full_like(x, 40)], axis=-1))


@pytest.fixture(scope="session")
def encoded(gradient_image: Image.Image) -> Callable[..., bytes]:
    """The gradient image as a file's bytes: encoded("PNG"), with Pillow's save options."""

    def save(format: str, image: Image.Image = gradient_image, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, format=format, **options)
        return buffer.getvalue()

    return save
