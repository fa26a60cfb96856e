"""An evaluation that was written picture by picture is the same when it is read again, and a bad file is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import load_split
from cnnrnn.errors import UserError
from cnnrnn.evaluation import evaluate, picture_record, read_records


def test_the_records_of_an_evaluation_give_it_back(loaded: Checkpoint, scenes_root: Path) -> None:
    split = load_split("scenes", scenes_root, "val")
    lines: list[str] = []
    done = evaluate(loaded, split, each=lambda *one: lines.append(json.dumps(picture_record(*one))))
    again = read_records(lines, "val")
    del done.metrics["seconds"]
    assert json.dumps(again.metrics) == json.dumps(done.metrics)
    np.testing.assert_array_equal(again.predictions.best_path, done.predictions.best_path)


GOOD = {
    "image": "a.jpg", "truth": ["cat"], "ignored": [], "labels": ["cat"], "coverage": 1.0,
    "marginals": {"cat": 0.9, "dog": 0.2},
}  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["{"], "line 1 is no picture"),
        ([json.dumps(GOOD), "[1, 2]"], "line 2 is no picture"),
        ([json.dumps({**GOOD, "coverage": "all"})], "line 1 is no picture"),
        ([json.dumps({**GOOD, "marginals": {"cat": 1.5}})], "line 1 is no picture"),
        (["[" * 100_000], "line 1 is no picture"),
        ([json.dumps({**GOOD, "truth": ["horse"]})], "labels without a marginal: horse"),
        ([json.dumps(GOOD), json.dumps({**GOOD, "marginals": {"cat": 0.1}})], "picture 2 has marginals of other"),
        ([json.dumps({"image": "a.jpg", "truth": [], "ignored": [], "error": "damaged"})], "no picture that was"),
        ([], "no picture that was decoded"),
    ],
)
def test_what_is_no_evaluation_is_refused_by_its_line(lines: list[str], why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_records(lines, "file")


def test_a_picture_that_could_not_be_read_counts_as_without_prediction() -> None:
    failed = {"image": "b.jpg", "truth": ["dog"], "ignored": [], "error": "damaged"}
    evaluation = read_records([json.dumps(GOOD), json.dumps(failed), ""], "file", min_positives=1)
    assert evaluation.metrics["images"] == 2
    assert evaluation.metrics["errors"] == {"b.jpg": "damaged"}
    assert evaluation.metrics["exact_match"] == 50
