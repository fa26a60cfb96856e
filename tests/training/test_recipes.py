"""Each of the paper's experiments makes its first steps on a fixture in the data set's official layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.cli.main import app
from cnnrnn.training.recipes import PRESETS

IMAGES = 24
LABELS = ["cat", "dog", "person"]


def truth(image: int) -> list[str]:
    return [label for bit, label in enumerate(LABELS) if (image % 7 + 1) >> bit & 1]


def image(path: Path, image: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (image * 10, 99, 200 - image)).save(path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def voc(root: Path) -> None:
    folder = root / "VOCdevkit" / "VOC2007"
    write(folder / "ImageSets" / "Main" / "trainval.txt", "".join(f"{i:06d}\n" for i in range(IMAGES)))
    for i in range(IMAGES):
        image(folder / "JPEGImages" / f"{i:06d}.jpg", i)
        objects = "".join(f"<object><name>{name}</name><difficult>0</difficult></object>" for name in truth(i))
        write(folder / "Annotations" / f"{i:06d}.xml", f"<annotation>{objects}</annotation>")


def coco(root: Path) -> None:
    names = [f"COCO_train2014_{i:012d}.jpg" for i in range(IMAGES)]
    content = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "categories": [{"id": 10 * k + 1, "name": label} for k, label in enumerate(LABELS)],
        "annotations": [
            {"image_id": i, "category_id": 10 * LABELS.index(label) + 1} for i in range(IMAGES) for label in truth(i)
        ],
    }
    write(root / "annotations" / "instances_train2014.json", json.dumps(content))
    for i, name in enumerate(names):
        image(root / "train2014" / name, i)


def nuswide(root: Path) -> None:
    write(root / "ConceptsList" / "Concepts81.txt", "\n".join(LABELS))
    write(root / "NUS_WID_Tags" / "TagList1k.txt", "\n".join(LABELS))
    write(root / "ImageList" / "TrainImagelist.txt", "".join(f"actor\\{i:04d}_1.jpg\r\n" for i in range(IMAGES)))
    rows = [[int(label in truth(i)) for label in LABELS] for i in range(IMAGES)]
    write(root / "NUS_WID_Tags" / "Train_Tags1k.dat", "".join("\t".join(map(str, row)) + "\n" for row in rows))
    for k, label in enumerate(LABELS):
        lines = "".join(f"{row[k]}\n" for row in rows)
        write(root / "Groundtruth" / "TrainTestLabels" / f"Labels_{label}_Train.txt", lines)
    for i in range(IMAGES):
        image(root / "Flickr" / "actor" / f"{i:04d}_1.jpg", i)


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "paper-voc2007": voc,
    "paper-coco2014": coco,
    "paper-nuswide81": nuswide,
    "paper-nuswide1000": nuswide,
}


def test_every_experiment_has_a_layout_here() -> None:
    assert set(LAYOUTS) == set(PRESETS) - {"paper"}


@pytest.mark.parametrize("preset", LAYOUTS)
@pytest.mark.parametrize("cell", ["lstm", "paper"])
def test_the_first_steps_of_an_experiment(preset: str, cell: str, tmp_path: Path) -> None:
    LAYOUTS[preset](tmp_path)
    # VGG-16's half gigabyte is left out here; test_model.py looks at its shapes.
    small = ["--backbone", "test_byobnet", "--no-pretrained", "--image-size", "64", "--epochs", "1", "--cell", cell]
    out = tmp_path / "run"
    done = CliRunner().invoke(app, ["train", "--preset", preset, "--root", str(tmp_path), "--out", str(out), *small])
    assert done.exit_code == 0, done.output
    checkpoint = Checkpoint.load(out / "last")
    dataset = preset.removeprefix("paper-")
    assert checkpoint.training["train_split"].startswith(dataset)
    assert "without 10 %" in checkpoint.training["train_split"]
    assert set(LABELS) <= set(checkpoint.vocabulary.labels)
    assert checkpoint.vocabulary.counts == tuple(sorted(checkpoint.vocabulary.counts, reverse=True))
    model = checkpoint.model.config
    assert (model.embedding_dim, model.hidden_dim, model.dropout, model.cell) == (64, 512, 0.5, cell)
    config = checkpoint.training["config"]
    assert (config["optimizer"], config["weight_decay"], config["backbone_lr"]) == ("rmsprop", 1e-4, 0.0)
    assert f"recurrence {cell} 512" in (out / "last" / "README.md").read_text()
