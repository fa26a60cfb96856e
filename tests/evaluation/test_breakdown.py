from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import run_command
from PIL import Image

from cnnrnn.data import Sample, Split
from cnnrnn.evaluation.breakdown import (
    by_frequency,
    by_number_of_labels,
    by_size,
    check_same_images,
    object_sizes,
    strongest_pairs,
)
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
    return {"one": read_records(lines(ONE), "one", 5), "other": read_records(lines(OTHER, reordered), "other", 5)}


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


def test_labels_are_compared_by_their_frequency(evaluations: dict[str, Evaluation]) -> None:
    found = by_frequency(evaluations["one"], {"a": 9, "b": 8, "c": 7, "d": 3, "e": 2, "f": 1})
    assert [(name, group.labels, group.fewest, group.most) for name, group in found.items()] == [
        ("rare", ("g", "f", "e"), 0, 2), ("medium", ("d", "c"), 3, 7), ("frequent", ("b", "a"), 8, 9),
    ]  # fmt: skip
    # In the truth a is in 7 images and b in 6; in ONE's paths a is in 6 and b in 6, of which 6 and 5 are right.
    assert found["frequent"].precision == pytest.approx(100 * 11 / 12)
    assert found["frequent"].recall == pytest.approx(100 * 11 / 13)
    assert found["frequent"].f1 == pytest.approx(100 * 2 * 11 / 25)
    ap = evaluations["one"].metrics["AP"]
    assert found["frequent"].mean_ap == pytest.approx((ap["a"] + ap["b"]) / 2)
    assert found["rare"].mean_ap is None
    assert by_frequency(evaluations["one"])["frequent"].labels == ("b", "a")  # by the truth


def test_labels_are_compared_by_the_size_of_their_objects(evaluations: dict[str, Evaluation]) -> None:
    assert by_size(evaluations["one"]) == {}  # no boxes
    sizes = {0: {"a": 0.001, "b": 0.02}, 1: {"a": 0.5}, 3: {"a": 0.002, "b": 0.5}, 5: {"b": 0.5}}  # image 5 has no b
    records = [json.loads(line) for line in lines(ONE)]
    for row, shares in sizes.items():
        records[row]["sizes"] = shares
    found = by_size(read_records(map(json.dumps, records), "one"))
    assert {name: (size.positives, size.recall, size.probability) for name, size in found.items()} == {
        "small": (2, 100.0, 100.0), "medium": (1, 100.0, 100.0), "large": (2, 50.0, 50.0),  # b of image 3 is missed
    }  # fmt: skip


def test_the_size_of_a_label_is_that_of_its_largest_box(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # shown upright it is 40 × 80
    Image.new("RGB", (80, 40)).save(tmp_path / "turned.jpg", exif=turned)
    (tmp_path / "damaged.jpg").write_bytes(b"x")
    samples = tuple(Sample(tmp_path / name, ("a",)) for name in ("turned.jpg", "damaged.jpg"))
    boxes = {"a": [(0.0, 0.0, 4.0, 4.0), (0.0, 40.0, 40.0, 80.0)], "b": []}
    split = Split("toy", ("a", "b"), samples, boxes=lambda sample: boxes)
    assert object_sizes(split) == {tmp_path / "turned.jpg": {"a": 0.5}, tmp_path / "damaged.jpg": {}}
    assert object_sizes(Split("toy", ("a",), samples)) == {}


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
    assert "| exact match | 60.0 | 70.0 | +10.0 | -40.0 to +60.0 |" in done.stdout
    assert run_command("breakdown", tmp_path / "none.jsonl").returncode == 2


def test_files_with_the_same_name_are_told_by_their_folders(tmp_path: Path) -> None:
    files = [tmp_path / folder / "test.jsonl" for folder in ("r1", "r2")]
    for file, predicted in zip(files, (ONE, OTHER), strict=True):
        file.parent.mkdir()
        file.write_text("\n".join(lines(predicted)))
    done = run_command("breakdown", *files, files[0])
    assert done.returncode == 0, done.stderr
    assert "| pair | images with both | r1/test: F1 | r2/test: F1 |" in done.stdout
