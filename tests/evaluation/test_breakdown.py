from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import run_command

from cnnrnn.evaluation.breakdown import by_number_of_labels, check_same_images, strongest_pairs
from cnnrnn.evaluation.evaluate import Evaluation, read_records
from cnnrnn.utils.errors import UserError

TRUTH = ["ab", "ab", "ab", "ab", "ab", "a", "c", "", "abcdefg", "cd"]
ONE = ["ab", "ab", "ab", "a", "b", "ab", "c", "", "abcdefg", "c"]
OTHER = ["ab", "ab", "ab", "ab", "ab", "a", "a", "g", "abc", "cd"]


def lines(predicted: list[str], labels: str = "abcdefg") -> list[str]:
    return [
        json.dumps(
            {
                "image": f"{number}.jpg", "truth": list(truth), "ignored": [], "labels": list(found), "paths": [],
                "marginals": {label: float(label in found) for label in labels}, "coverage": 1.0,
            }
        )
        for number, (truth, found) in enumerate(zip(TRUTH, predicted, strict=True))
    ]  # fmt: skip


@pytest.fixture
def evaluations() -> dict[str, Evaluation]:
    reordered = "gfedcba"  # another model lists its labels in another order
    return {"one": read_records(lines(ONE), "one"), "other": read_records(lines(OTHER, reordered), "other")}


def test_label_sets_are_compared_by_the_number_of_labels(evaluations: dict[str, Evaluation]) -> None:
    found = by_number_of_labels(evaluations["one"])
    assert {count: row.images for count, row in found.items()} == {0: 1, 1: 2, 2: 6, 6: 1}  # 7 labels count as 6
    assert found[2].exact_match == pytest.approx(50)
    assert found[2].predicted == pytest.approx(9 / 6)
    assert found[2].of1 == pytest.approx(100 * 2 * 9 / (9 + 12))
    assert found[6] == (1, 7.0, 100.0, 100.0)
    assert by_number_of_labels(evaluations["other"])[0].exact_match == 0


def test_pairs_are_ranked_by_the_share_of_images_with_both(evaluations: dict[str, Evaluation]) -> None:
    (pair,) = strongest_pairs(evaluations)  # others have fewer than 5 images with both
    assert pair.labels == ("a", "b")
    assert pair.images == 6
    assert pair.f1["one"] == pytest.approx(100 * 2 * 4 / (5 + 6))  # 5 predicted, 4 of them among the 6
    assert pair.f1["other"] == pytest.approx(100)


def test_evaluations_of_other_images_are_refused(evaluations: dict[str, Evaluation]) -> None:
    check_same_images(evaluations)
    with pytest.raises(UserError, match="one and fewer are evaluations of different images"):
        check_same_images({**evaluations, "fewer": read_records(lines(ONE)[:-1], "fewer")})
    changed = [line.replace('"truth": ["c", "d"]', '"truth": ["c"]') for line in lines(ONE)]
    with pytest.raises(UserError, match="different images"):
        check_same_images({**evaluations, "changed": read_records(changed, "changed")})


def test_the_command_prints_both_tables(tmp_path: Path) -> None:
    for name, predicted in (("one", ONE), ("other", OTHER)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines(predicted)))
    done = run_command("breakdown", tmp_path / "one.jsonl", tmp_path / "other.jsonl")
    assert done.returncode == 0, done.stderr
    assert "| 2 | 6 | 1.5 | 85.7 | 50.0 | 2.0 | 100.0 | 100.0 |" in done.stdout
    assert "| a + b | 6 | 72.7 | 100.0 |" in done.stdout
    assert run_command("breakdown", tmp_path / "none.jsonl").returncode == 2
