"""The folders that come with the package: the dashboard and the embedded checkpoints."""

from __future__ import annotations

from pathlib import Path

DEFAULT_CHECKPOINT = "coco"

_PACKAGE = Path(__file__).resolve().parent.parent


def _folder(name: str) -> Path:
    """The folder is inside the package in an installed wheel, and beside it in a checkout."""
    packaged = _PACKAGE / f"_{name}"
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def dashboard_folder() -> Path:
    """Holds app.py."""
    return _folder("dashboard")


def checkpoints_folder() -> Path:
    """Holds a folder for each embedded checkpoint."""
    return _folder("checkpoints")


def embedded_checkpoint() -> Path:
    """The checkpoint that is used where none is named."""
    return checkpoints_folder() / DEFAULT_CHECKPOINT
