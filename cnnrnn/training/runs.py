"""What the runs in a folder have come to, read from their files while they are trained or afterwards."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from cnnrnn.checkpoint import CONFIG, METRICS
from cnnrnn.training.config import RUN_FILE
from cnnrnn.utils.errors import summarize_error

MAX_RUNS = 200
_MAX_ENTRIES = 10_000  # of a folder that are looked at
_MAX_BYTES = {METRICS: 50_000_000, CONFIG: 50_000_000, RUN_FILE: 100_000}  # the first two grow with the labels
_MAX_EPOCHS = 10_000
_MAX_TEXT = 200  # letters of a setting

Scalar = str | int | float | bool


@dataclass(frozen=True)
class RunProgress:
    """One run, as far as its files can be read."""

    name: str
    written: float  # seconds since 1970: when its newest file was written
    has_best: bool  # whether there is a checkpoint in best/
    settings: dict[str, Scalar] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)  # numbers of every finished epoch
    problem: str = ""  # why something is missing here, in a sentence

    @property
    def planned(self) -> int | None:
        """Epochs that the run is to have."""
        epochs = self.settings.get("epochs")
        return epochs if isinstance(epochs, int) and not isinstance(epochs, bool) else None

    @property
    def best(self) -> dict[str, float] | None:
        """The epoch that best/ holds."""
        return best_epoch(self.history)


def runs_root() -> Path:
    """The folder of runs that the dashboard lists: the variable CNNRNN_RUNS, or `runs` in the current folder."""
    return Path(os.environ.get("CNNRNN_RUNS") or "runs").resolve()


def best_epoch(history: Sequence[dict[str, float]]) -> dict[str, float] | None:
    """Of the epochs' records the first with the highest mean of mAP and O-F1 on val, as `loop.train` chooses best/."""
    scored = [record for record in history if {"val_mAP", "val_OF1"} <= record.keys()]
    return max(scored, key=lambda record: record["val_mAP"] + record["val_OF1"], default=None)


def find_runs(folder: Path) -> list[tuple[str, float]]:
    """Names of the runs in a folder and when their newest files were written, the newest first, at most MAX_RUNS."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, _MAX_ENTRIES):
                times = [path.stat().st_mtime for path in _files(Path(entry.path)) if path.is_file()]
                if times:
                    found.append((entry.name, max(times)))
    except OSError:  # no such folder, or one that may not be read
        pass
    return sorted(found, key=lambda run: -run[1])[:MAX_RUNS]


def _files(run: Path) -> list[Path]:
    return [run / RUN_FILE, *(run / name / file for name in ("last", "best") for file in (METRICS, CONFIG))]


def read_progress(run: Path, written: float) -> RunProgress:
    """Never raises: files that are missing, half-written, damaged or too large leave a `problem`.

    Nothing but JSON and TOML is read, of bounded size, and of it only numbers and short texts are kept.
    """
    problems: list[str] = []
    last = run / "last" if (run / "last" / METRICS).is_file() else run / "best"
    results = _read(last / METRICS, problems) if (last / METRICS).is_file() else {}
    history = _history(results.get("history", []), problems)
    return RunProgress(
        run.name, written, (run / "best" / CONFIG).is_file(), _settings(run, problems), history, " ".join(problems)
    )


def _read(path: Path, problems: list[str]) -> dict[str, Any]:
    shown = f"{path.parent.name}/{path.name}" if path.name != RUN_FILE else path.name
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES[path.name] + 1)
        if len(data) > _MAX_BYTES[path.name]:
            raise ValueError(f"it has more than {_MAX_BYTES[path.name]:,} bytes")
        content = tomllib.loads(data.decode()) if path.name == RUN_FILE else json.loads(data)
        if not isinstance(content, dict):
            raise ValueError("it holds no table")
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{shown} can't be read: {summarize_error(error)}.")
        return {}
    return content


def _history(records: Any, problems: list[str]) -> list[dict[str, float]]:
    """The finite numbers of the epochs' records; a record that says no epoch is left out."""
    if not isinstance(records, list):
        records = [None]
    kept = []
    for record in records[:_MAX_EPOCHS]:
        numbers = {str(k): v for k, v in record.items() if _is_number(v)} if isinstance(record, dict) else {}
        if "epoch" in numbers:
            kept.append(numbers)
    if len(kept) < len(records):
        problems.append(f"{len(records) - len(kept)} of {len(records)} epochs in its history are not readable.")
    return kept


def _is_number(value: Any) -> bool:
    """Whether it is a finite number that a chart can show; NaN is not below the bound."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _settings(run: Path, problems: list[str]) -> dict[str, Scalar]:
    """Those of run.toml or, for a run that is older than that file, of a checkpoint's config."""
    if (run / RUN_FILE).is_file():
        return _scalars(_read(run / RUN_FILE, problems))
    for name in ("last", "best"):
        if (run / name / CONFIG).is_file():
            config = _read(run / name / CONFIG, problems)
            training, backbone = _table(config, "training"), _table(config, "backbone")
            return _scalars(
                {"head": config.get("head"), "data": training.get("train_split"), "backbone": backbone.get("name")}
                | {"image-size": backbone.get("image_size"), **_table(config, "model"), **_table(training, "config")}
            )
    return {}


def _table(content: dict[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _scalars(content: dict[str, Any]) -> dict[str, Scalar]:
    return {
        str(key).replace("_", "-")[:_MAX_TEXT]: value[:_MAX_TEXT] if isinstance(value, str) else value
        for key, value in islice(content.items(), _MAX_TEXT)
        if isinstance(value, str | int | float | bool)
    }
