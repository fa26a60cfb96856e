"""The folders that come with the package: the dashboard and the embedded checkpoints."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def _folder(name: str) -> Path:
    """The folder is inside the package in an installed wheel, and beside the package in a checkout."""
    packaged = _PACKAGE / f"_{name}"
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def dashboard_folder() -> Path:
    """The folder of the dashboard's app.py."""
    return _folder("dashboard")


def checkpoints_folder() -> Path:
    """The folder that contains a folder for each embedded checkpoint."""
    return _folder("checkpoints")


def embedded_checkpoint() -> Path:
    """The default checkpoint."""
    return checkpoints_folder() / "voc"
