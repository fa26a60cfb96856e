"""Writing the metrics and the model card of a checkpoint, after training and after an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnrnn.checkpoint import CARD, CONFIG, METRICS, Checkpoint, recordable_folder
from cnnrnn.evaluation.model_card import model_card
from cnnrnn.evaluation.recorded import remove_predictions
from cnnrnn.evaluation.reports import EvaluationReport, MapsReport
from cnnrnn.evaluation.temperature import Choice, configure
from cnnrnn.utils.files import json_text, write_text


def save_with_card(checkpoint: Checkpoint, folder: Path, results: Mapping[str, Any]) -> None:
    """Write a checkpoint with `results` as its metrics.json and in its model card. Raises UserError."""
    checkpoint.save(folder, results, model_card(checkpoint, results))


def record_evaluation(folder: Path, split: str, report: EvaluationReport) -> None:
    """Add an evaluation to a checkpoint's metrics and model card; the weights are not rewritten."""
    _record(folder, "evaluations", split, report)


def record_maps(folder: Path, split: str, report: MapsReport) -> None:
    """As `record_evaluation`, for the report of `maps.evaluate_maps`."""
    _record(folder, "maps", split, report)


def record_choice(folder: Path, choice: Choice) -> None:
    """Set a checkpoint's temperature and calibration, and its validation metrics to those with both.

    Evaluations are dropped if either changes, and maps if the temperature does: they are not this model's any more.
    """
    folder = recordable_folder(folder)
    checkpoint = Checkpoint.load(folder)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    results = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    before = checkpoint.model.config.to_dict()
    configure(checkpoint.model, choice.temperature, choice.calibration)
    config["model"] = now = checkpoint.model.config.to_dict()
    if before != now:
        results.pop("evaluations", None)
        remove_predictions(folder)
    if before.get("temperature") != now.get("temperature"):
        results.pop("maps", None)
    results["val"] = choice.report
    if "temperature" in now:
        results["temperatures"] = {f"{value:g}": report for value, report in choice.at_temperatures.items()}
    write_text(folder / CONFIG, json_text(config))
    _write_results(checkpoint, folder, results)


def _record(folder: Path, kind: str, split: str, report: Mapping[str, Any]) -> None:
    folder = recordable_folder(folder)
    checkpoint = Checkpoint.load(folder)
    results = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    results.setdefault(kind, {})[split] = report
    _write_results(checkpoint, folder, results)


def _write_results(checkpoint: Checkpoint, folder: Path, results: Mapping[str, Any]) -> None:
    """The metrics and the card; the weights are not rewritten."""
    write_text(folder / METRICS, json_text(results))
    write_text(folder / CARD, model_card(checkpoint, results))
