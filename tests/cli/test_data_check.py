"""`cnnrnn data check SOURCE`, and training on a source as it comes."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path

import pytest
from helpers import TINY, run_command
from PIL import Image

from cnnrnn.checkpoint import Checkpoint


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty images of two colors, one of them damaged, in a table as Excel writes it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = random.Random(0)
    rows = ["Image;Labels"]
    for number in range(20):
        color = [rng.randrange(100) + 150 * (number % 2), rng.randrange(100), 50]
        Image.new("RGB", (80, 60), tuple(color)).save(tmp_path / f"{number}.jpg")
        rows.append(rf"C:\photos\{number}.jpg;{'red, bright' if number % 2 else 'dark'}")
    damaged = tmp_path / "3.jpg"
    damaged.write_bytes(damaged.read_bytes()[:300])
    path = tmp_path / "labels.csv"
    path.write_text("\r\n".join(rows), encoding="utf-8-sig")
    return path


def test_the_report_and_what_it_writes(table: Path, tmp_path: Path) -> None:
    written = tmp_path / "out"
    written.mkdir()
    done = run_command(
        "data", "check", table, "--html", written / "page.html", "--write", written / "plain.csv", "--json",
        written / "report.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "labels in 'Labels', separated by commas" in done.stdout
    assert "images: 16 train, 4 val; labels: 3" in done.stdout
    assert "20 images were found under another path or spelling" in done.stderr
    assert "3.jpg" in done.stderr
    assert "cut off" in done.stderr
    report = json.loads((written / "report.json").read_text())
    assert report["ok"]
    assert report["labels"]["dark"] == {"train": 8, "val": 2}
    assert (written / "page.html").read_text().count("data:image/jpeg") >= 8
    again = run_command("data", "check", written / "plain.csv", "--json", "-")
    assert json.loads(again.stdout)["labels"] == report["labels"]


def test_it_exits_with_1_where_training_would_be_wrong(table: Path) -> None:
    table.write_text("image,labels,split\n0.jpg,dark,train\n0.jpg,dark,val\n1.jpg,red,val\n")
    done = run_command("data", "check", table)
    assert done.returncode == 1
    assert "1 images are in train and in val" in done.stderr
    assert "1 labels have no image in train" in done.stderr
    refused = run_command("train", table, "--out", table.parent / "run", *TINY)
    assert refused.returncode == 2
    assert "are in train and in val" in refused.stderr
    unreadable = run_command("data", "check", table.parent / "gone.csv")
    assert unreadable.returncode == 2
    assert "is not there" in unreadable.stderr


def test_a_test_set_by_itself_is_to_be_evaluated(table: Path) -> None:
    table.write_text("image,labels,split\n0.jpg,dark,test\n1.jpg,red,test\n")
    done = run_command("data", "check", table)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("Ready to evaluate with --split test; there is no image to train on.\n")


def test_a_source_is_trained_on_and_evaluated_by_name(table: Path) -> None:
    out = table.parent / "run"
    done = run_command("train", table, "--out", out, "--epochs", 1, *TINY)
    assert done.returncode == 0, done.stderr
    assert "4 of 20 were held out as val" in done.stderr
    assert "left out" in done.stderr  # the damaged image does not end the run
    assert Checkpoint.load(out / "best").vocabulary.labels == ("dark", "bright", "red")
    evaluate, dashboard = done.stdout.split("Next:\n  ")[1].splitlines()  # what is printed runs as it is
    assert dashboard == f"  cnnrnn dashboard --runs {out.parent}"
    evaluated = run_command(*shlex.split(evaluate)[1:], "--json", "-")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["images"] == 4
    strict = run_command("train", table, "--out", table.parent / "strict", "--strict", *TINY)
    assert strict.returncode == 2
    assert "1 images can't be read" in strict.stderr


def test_one_source_must_be_given() -> None:
    for arguments in (["data", "check"], ["data", "check", "a.csv", "--root", "b.csv"]):
        done = run_command(*arguments)
        assert done.returncode == 2
        assert "give the file or folder of the data set, once" in done.stderr


def test_the_report_is_printed_although_the_page_cannot_be_written(table: Path) -> None:
    long = "x" * 240  # a name that a file can have, but not the one under which it is written first
    done = run_command("data", "check", table, "--html", table.parent / f"{long}.html")
    assert done.returncode == 2
    assert "images: 16 train, 4 val; labels: 3" in done.stdout
    assert "Ready to train." in done.stderr
    assert "x.html" in done.stderr.splitlines()[-1]


def test_labels_without_an_image_in_train_do_not_count_as_ready(table: Path) -> None:
    table.write_text("image,labels,split\n0.jpg,dark,train\n1.jpg,red,val\n2.jpg,dark,val\n")
    assert "Ready to train, with 1 of 2 labels." in run_command("data", "check", table).stderr
