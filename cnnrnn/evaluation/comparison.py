"""A comparison of training runs: the settings in which they differ, and their metrics over the seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnrnn.checkpoint import BEST, CONFIG, CONFIGS, METRICS, WEIGHTS, checkpoint_folder, read_config
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.style import on_one_line

METRIC_NAMES = {
    "mAP": "mAP",
    "mix": "mAP with the auxiliary head",
    "OF1": "O-F1",
    "exact_match": "exact match",
    "ece": "ECE",
}

Settings = dict[str, Any]  # name -> a JSON value
Row = dict[str, str]  # column -> text; the columns are the settings that differ, and 'split metric'


@dataclass(frozen=True)
class Run:
    """A training run: its settings without the seed, and its metrics by split."""

    name: str  # of its folder
    settings: Settings
    seed: int
    seconds: float  # sum over the epochs; the extraction of frozen features is not included
    metrics: dict[str, dict[str, float]]  # split -> a key of METRIC_NAMES -> value


def is_run(path: Path) -> bool:
    """Whether there is a checkpoint or a run that has one, complete or not; `runs/*` names other things, too."""
    return any((folder / CONFIG).is_file() or (folder / WEIGHTS).is_file() for folder in (path, path / BEST))


def read_run(folder: Path) -> Run:
    """Read a run's folder, which has best/ and last/, or a checkpoint's. Raises UserError for any other folder."""
    best = checkpoint_folder(folder)
    last = folder / "last" if best != folder else folder
    config = read_config(best)
    try:
        best_results, last_results = (
            json.loads((checkpoint / METRICS).read_text(encoding="utf-8")) for checkpoint in (best, last)
        )
        reports = {"val": best_results["val"], **best_results.get("evaluations", {})}
        training = config["training"]
        return Run(
            name=best.resolve().parent.name if best.name == BEST else best.resolve().name,
            settings={
                "head": config["head"],
                "backbone": config["backbone"]["name"],
                "weights": training.get("weights") or ("ImageNet" if training.get("pretrained", True) else "random"),
                "image_size": config["backbone"]["image_size"],
                **{key: value for key, value in _model_settings(config).items() if key != "num_labels"},
                **{key: value for key, value in training["config"].items() if key not in ("seed", "beam")},
                "order": training.get("order", "frequent"),
                "data": training["train_split"],
            },
            seed=training["config"]["seed"],
            seconds=sum(record["seconds"] for record in last_results["history"]),
            metrics={split: _metrics(report) for split, report in reports.items()},
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{best} has no record of its training: {CONFIG} or {METRICS} lacks {error}") from error


def _model_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The fields of the model's config. A run that is older than an option gets the option's default."""
    settings = CONFIGS[config["head"]](**config["model"]).to_dict()
    settings.pop("calibration", None)  # fitted after training, and another for each seed
    return settings


def _metrics(report: dict[str, Any]) -> dict[str, float]:
    flat = {**report, **report.get("calibration", {})}
    if "mix" in report:
        flat["mix"] = report["mix"]["mAP"]
    return {key: flat[key] for key in METRIC_NAMES if key in flat}


def compare(folders: Sequence[Path]) -> tuple[Settings, list[Row]]:
    """The settings that all runs share, and one row per configuration.

    Runs that differ only in the seed share a row, whose metrics are means ± standard deviations.
    """
    runs = [read_run(folder) for folder in folders]
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    shared = {
        key: runs[0].settings[key]
        for key in keys
        if all(key in run.settings and run.settings[key] == runs[0].settings[key] for run in runs)
    }
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(json.dumps(run.settings, sort_keys=True), []).append(run)
    return shared, [_row(group, [key for key in keys if key not in shared]) for group in groups.values()]


def _row(group: list[Run], differing: list[str]) -> Row:
    row = {"runs": ", ".join(on_one_line(run.name) for run in group)}
    row |= {key: _text(group[0].settings.get(key)) for key in differing}
    row["seeds"] = ", ".join(str(seed) for seed in sorted(run.seed for run in group))
    row["seconds"] = f"{statistics.mean(run.seconds for run in group):.0f}"
    for split in dict.fromkeys(split for run in group for split in run.metrics):
        for key, name in METRIC_NAMES.items():
            values = [run.metrics[split][key] for run in group if key in run.metrics.get(split, {})]
            if values:
                row[f"{split} {name}"] = _mean_and_deviation(values)
    return row


def _mean_and_deviation(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
