"""The small data set of RUNS.md: the script's table is what the loader of VOC has."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from cnnrnn.data import load_split

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "voc_subset.py"


def test_the_table_has_some_training_images_and_all_others(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_images(count: int) -> list[str]:
        table = tmp_path / f"{count}.csv"
        monkeypatch.setattr(sys, "argv", ["voc_subset.py", str(shared_data), str(count), str(table)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return [sample.image.name for sample in load_split("table", table, "train").samples]

    few, more = train_images(5), train_images(9)
    assert len(few) == 5
    assert more[:5] == few  # so that a larger set holds the smaller one
    assert few != sorted(few)
    for split in ("val", "test"):
        written, whole = load_split("table", tmp_path / "5.csv", split), load_split("voc0712", shared_data, split)
        expected = {sample.image.resolve(): set(sample.labels) - set(sample.ignored) for sample in whole.samples}
        assert {sample.image.resolve(): set(sample.labels) for sample in written.samples} == expected
