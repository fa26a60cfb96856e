"""A checkpoint's folder with its model card: written by training, and extended by evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cnnrnn.checkpoint import CARD, METRICS, Checkpoint
from cnnrnn.evaluation.model_card import model_card
from cnnrnn.utils.files import json_text, write_text


def save_with_card(checkpoint: Checkpoint, folder: Path, results: dict[str, Any]) -> None:
    """Write a checkpoint with `results` as its metrics.json and in its model card. Raises UserError."""
    checkpoint.save(folder, results, model_card(checkpoint, results))


def record_evaluation(folder: Path, split: str, report: dict[str, Any]) -> None:
    """Write an evaluation into a checkpoint's metrics and model card; the weights stay as they are."""
    _record(folder, "evaluations", split, report)


def record_maps(folder: Path, split: str, report: dict[str, Any]) -> None:
    """As `record_evaluation`, the report of `evaluation.maps`."""
    _record(folder, "maps", split, report)


def _record(folder: Path, kind: str, split: str, report: dict[str, Any]) -> None:
    checkpoint = Checkpoint.load(folder)
    results = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    results.setdefault(kind, {})[split] = report
    write_text(folder / METRICS, json_text(results))
    write_text(folder / CARD, model_card(checkpoint, results))
