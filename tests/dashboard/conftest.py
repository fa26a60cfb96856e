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

import state


@pytest.fixture
def app(scenes_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The dashboard with a small checkpoint of rendered scenes as its only one."""
    shutil.copytree(scenes_checkpoint, tmp_path / "voc")
    monkeypatch.setattr(state, "CHECKPOINTS", tmp_path)
    return AppTest.from_file(str(Path(state.HERE) / "app.py"), default_timeout=60)


@pytest.fixture
def pictures_shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[AppTest], list[tuple[str, bytes]]]:
    """Of a page that ran: every picture on it as the file that the browser is given, behind its alternative text."""
    files: dict[str, bytes] = {}
    load = MemoryMediaFileStorage.load_and_get_id

    def remembered(self: MemoryMediaFileStorage, data: str | bytes, *rest: Any, **named: Any) -> str:
        name = load(self, data, *rest, **named)
        files[name] = data if isinstance(data, bytes) else Path(data).read_bytes()
        return name

    monkeypatch.setattr(MemoryMediaFileStorage, "load_and_get_id", remembered)

    def shown(app: AppTest) -> list[tuple[str, bytes]]:
        images = [image for block in app.get("image") for image in block.proto.imgs]
        return [(image.alt, files[Path(image.url).stem]) for image in images]

    return shown


@pytest.fixture
def chart_shown() -> Callable[[AppTest, str], list[dict[str, Any]]]:
    """Of a page that ran: the data of the chart with a key, as the browser is given them."""

    def shown(app: AppTest, key: str) -> list[dict[str, Any]]:
        charts = [chart.proto for chart in app.get("plotly_chart") if chart.proto.id.endswith(f"-{key}")]
        assert len(charts) == 1
        return json.loads(charts[0].spec)["data"]

    return shown


@pytest.fixture
def data_of() -> Callable[[go.Figure], list[dict[str, Any]]]:
    """A figure's data as `chart_shown` gives them."""
    return lambda figure: json.loads(figure.to_json())["data"]


@pytest.fixture
def pixels() -> Callable[[bytes], np.ndarray]:
    """A picture's file as numbers (height, width, 3)."""
    return lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
