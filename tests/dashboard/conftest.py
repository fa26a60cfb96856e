from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.testing.v1 import AppTest

import image_files
import state
from cnnrnn.data import Sample, load_split


@pytest.fixture
def app(scenes_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The dashboard with a small checkpoint of rendered scenes as its only one."""
    shutil.copytree(scenes_checkpoint, tmp_path / "coco")
    monkeypatch.setattr(state, "CHECKPOINTS", tmp_path)
    monkeypatch.setenv("CNNRNN_RUNS", str(tmp_path / "runs"))
    return AppTest.from_file(str(Path(state.HERE) / "app.py"), default_timeout=60)


@pytest.fixture
def scene(scenes_root: Path) -> Sample:
    return next(s for s in load_split("scenes", scenes_root, "test").samples if len(s.labels) == 2)


@pytest.fixture
def image(encoded: Callable[..., bytes]) -> image_files.InputImage:
    return image_files.read_image("gradient.png", encoded("PNG"))


@pytest.fixture
def turned(encoded: Callable[..., bytes], gradient_image: Image.Image) -> image_files.InputImage:
    return image_files.read_image("turned.png", encoded("PNG", gradient_image.transpose(Image.Transpose.ROTATE_180)))


@pytest.fixture
def displayed_images(monkeypatch: pytest.MonkeyPatch) -> Callable[[AppTest], list[tuple[str, bytes]]]:
    """Lists the images of a page that ran, as pairs of the alternative text and the file sent to the browser."""
    files: dict[str, bytes] = {}
    load = MemoryMediaFileStorage.load_and_get_id

    def load_and_record(self: MemoryMediaFileStorage, data: str | bytes, *rest: Any, **named: Any) -> str:
        name = load(self, data, *rest, **named)
        files[name] = data if isinstance(data, bytes) else Path(data).read_bytes()
        return name

    monkeypatch.setattr(MemoryMediaFileStorage, "load_and_get_id", load_and_record)

    def displayed(app: AppTest) -> list[tuple[str, bytes]]:
        images = [image for block in app.get("image") for image in block.proto.imgs]
        return [(image.alt, files[Path(image.url).stem]) for image in images]

    return displayed


@pytest.fixture
def chart_data() -> Callable[[AppTest, str], list[dict[str, Any]]]:
    """Returns the data of the chart with a key on a page that ran, as sent to the browser."""

    def data(app: AppTest, key: str) -> list[dict[str, Any]]:
        charts = [chart.proto for chart in app.get("plotly_chart") if chart.proto.id.endswith(f"-{key}")]
        assert len(charts) == 1
        return json.loads(charts[0].spec)["data"]

    return data


@pytest.fixture
def figure_data() -> Callable[[go.Figure], list[dict[str, Any]]]:
    """Returns a figure's data in the form of `chart_data`."""
    return lambda figure: json.loads(figure.to_json())["data"]


@pytest.fixture
def pixels() -> Callable[[bytes], np.ndarray]:
    """Decodes an image file to (height, width, 3)."""
    return lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
