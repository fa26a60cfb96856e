"""Several trainings side by side: what differs in their settings, and their figures over the seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnrnn.checkpoint import CONFIG, CONFIGS, METRICS, read_config
from cnnrnn.utils.errors import UserError

FIGURES = {"mAP": "mAP", "mix": "mAP with the auxiliary head", "OF1": "O-F1", "exact_match": "exact", "ece": "ECE"}


@dataclass(frozen=True)
class Training:
    """One run: its settings, without the seed, and its figures by split."""

    settings: dict[str, Any]
    seed: int
    seconds: float  # of all its epochs, without computing frozen features
    figures: dict[str, dict[str, float]]  # split -> a key of FIGURES -> value


def read_training(folder: Path) -> Training:
    """A run's folder with best/ and last/, or a checkpoint's. Raises UserError for anything else."""
    best, last = (folder / "best", folder / "last") if (folder / "best").is_dir() else (folder, folder)
    config = read_config(best)
    try:
        results, whole = (json.loads((place / METRICS).read_text(encoding="utf-8")) for place in (best, last))
        by_split = {"val": results["val"], **results.get("evaluations", {})}
        training = config["training"]
        return Training(
            settings={
                "head": config["head"],
                "backbone": config["backbone"]["name"],
                "image_size": config["backbone"]["image_size"],
                **{key: value for key, value in _model_settings(config).items() if key != "num_labels"},
                **{key: value for key, value in training["config"].items() if key not in ("seed", "beam")},
                "order": training.get("order", "frequent"),
                "data": training["train_split"],
            },
            seed=training["config"]["seed"],
            seconds=sum(record["seconds"] for record in whole["history"]),
            figures={split: _figures(report) for split, report in by_split.items()},
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{best} doesn't tell how it was trained: {CONFIG} or {METRICS} lacks {error}") from error


def _model_settings(config: dict[str, Any]) -> dict[str, Any]:
    """All of them: a run from before an option has its default."""
    return CONFIGS[config["head"]](**config["model"]).to_dict()


def _figures(report: dict[str, Any]) -> dict[str, float]:
    flat = {**report, **report.get("calibration", {})}
    if "mix" in report:
        flat["mix"] = report["mix"]["mAP"]
    return {key: flat[key] for key in FIGURES if key in flat}


def compare(folders: Sequence[Path]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The settings that all runs share, and one row per configuration: column -> text.

    Runs that differ in nothing but the seed are one row, as mean ± standard deviation.
    """
    trainings = [read_training(folder) for folder in folders]
    keys = list(dict.fromkeys(key for training in trainings for key in training.settings))
    shared = {
        key: trainings[0].settings[key]
        for key in keys
        if all(key in t.settings and t.settings[key] == trainings[0].settings[key] for t in trainings)
    }
    groups: dict[str, list[Training]] = {}
    for training in trainings:
        groups.setdefault(json.dumps(training.settings, sort_keys=True), []).append(training)
    return shared, [_row(group, [key for key in keys if key not in shared]) for group in groups.values()]


def _row(group: list[Training], differing: list[str]) -> dict[str, str]:
    row = {key: _text(group[0].settings.get(key)) for key in differing}
    row["seeds"] = ", ".join(str(training.seed) for training in sorted(group, key=lambda training: training.seed))
    row["seconds"] = f"{statistics.mean(training.seconds for training in group):.0f}"
    for split in dict.fromkeys(split for training in group for split in training.figures):
        for key, name in FIGURES.items():
            values = [t.figures[split][key] for t in group if key in t.figures.get(split, {})]
            if values:
                row[f"{split} {name}"] = _mean_and_spread(values)
    return row


def _mean_and_spread(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
