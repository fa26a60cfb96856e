from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import state


@pytest.fixture
def app(scenes_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The dashboard with a small checkpoint of rendered scenes as its only one."""
    shutil.copytree(scenes_checkpoint, tmp_path / "voc")
    monkeypatch.setattr(state, "CHECKPOINTS", tmp_path)
    return AppTest.from_file(str(Path(state.HERE) / "app.py"), default_timeout=60)
