"""The command `cnnrnn train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from cnnrnn.cli.data_source import DataSource, reads_data
from cnnrnn.cli.options import (
    BACKBONE,
    DATA,
    HARDWARE,
    MODEL,
    OPTIMIZATION,
    OUTPUT,
    DeviceOption,
    PrecisionOption,
)
from cnnrnn.cli.output import console, user_errors
from cnnrnn.cli.project import write_projection
from cnnrnn.cli.recipes import DEFAULT, chosen_settings, possible_settings, read_recipe, use_recipe
from cnnrnn.cli.training_run import TrainingRun, load_splits, next_commands, result
from cnnrnn.cli.training_settings import check_settings, network_of, new_checkpoint, refuse_impossible
from cnnrnn.training.config import RUN_FILE, TrainConfig
from cnnrnn.utils.device import resolve_device
from cnnrnn.utils.errors import UserError, did_you_mean
from cnnrnn.utils.progress import notes

BY_RECIPE = "by the recipe"


def _apply_recipe(ctx: typer.Context, param: typer.CallbackParam, value: str | None) -> str | None:
    """A recipe gives the other options new defaults, so whatever is typed beside it wins.

    --recipe and --config are read before the other options, and of both the one that was typed before the other.
    A run that is resumed has its own.
    """
    with user_errors():
        if value is None and (param.name == "config" or ctx.obj is not None):
            return None
        if ctx.obj is not None:
            raise UserError('--recipe and --config exclude each other: a file may name its recipe as base = "best"')
        source: str | Path = Path(value) if value is not None and param.name == "config" else value or DEFAULT
        own = Path(ctx.params["out"]) / RUN_FILE if ctx.params.get("resume") and "out" in ctx.params else None
        use_recipe(ctx, read_recipe(ctx, own if value is None and own is not None and own.is_file() else source))
    return value


def _existing_weights(value: Path | None) -> Path | None:
    """A file or a trained model; a shipped one has no path that a user of a wheel would know."""
    if value is None or value.is_file():
        return value
    with user_errors():
        from cnnrnn.checkpoint import checkpoint_folder, embedded_checkpoints, read_config

        folder = checkpoint_folder(value)
        if not folder.is_dir():
            names = embedded_checkpoints()
            raise UserError(
                f"--weights: there is no {value}; {did_you_mean(str(value), names)}name a file, a trained model's "
                f"folder, or {', '.join(names)}"
            )
        read_config(folder)
    return value if value.is_dir() else folder


@reads_data
def train(
    ctx: typer.Context,
    data: DataSource,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            is_eager=True,
            help="Folder of the run; gets run.toml, last/, and best/: the epoch with the highest mean of mAP and O-F1 "
            "on val.",
        ),
    ],
    train_split_name: Annotated[
        str, typer.Option("--train-split", help="train or trainval.", rich_help_panel=DATA)
    ] = "train",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop at images that can't be read, instead of leaving them out.", rich_help_panel=DATA
        ),
    ] = False,
    recipe: Annotated[
        str | None,
        typer.Option(
            callback=_apply_recipe,
            is_eager=True,
            help="Settings for the other options: best, quick, finetune, paper, or its experiments paper-voc2007, "
            "-coco2014, -nuswide81 and -nuswide1000. What is typed beside it wins.",
            show_default=DEFAULT,
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            callback=_apply_recipe,
            is_eager=True,
            metavar="FILE",
            help="A recipe of one's own, or the run.toml of a run.",
        ),
    ] = None,
    head: Annotated[
        Literal["cnn-rnn", "sigmoid"],
        typer.Option(help="sigmoid: the baseline, one independent unit per label.", rich_help_panel=MODEL),
    ] = "cnn-rnn",
    loss: Annotated[
        Literal["bce", "asymmetric"], typer.Option(help="The loss of --head sigmoid.", rich_help_panel=OPTIMIZATION)
    ] = "bce",
    backbone: Annotated[
        str,
        typer.Option(
            help="Any CNN of timm, by name.",
            show_default="that of the trained model in --weights, or by the recipe",
            rich_help_panel=BACKBONE,
        ),
    ] = "tf_efficientnet_lite0",
    pretrained: Annotated[bool, typer.Option(help="Start from ImageNet weights.", rich_help_panel=BACKBONE)] = True,
    weights: Annotated[
        Path | None,
        typer.Option(
            callback=_existing_weights,
            metavar="PATH",
            help="The backbone's weights: coco or voc (the shipped models'), a trained model, or the hub's "
            "model.safetensors for a machine without internet.",
            show_default="by the recipe, or an installed package or timm's hub",
            rich_help_panel=BACKBONE,
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=32, help="Pixels.", show_default="the backbone's own", rich_help_panel=BACKBONE)
    ] = None,
    embedding: Annotated[int, typer.Option(min=1, help="Size of the label space.", rich_help_panel=MODEL)] = 64,
    hidden: Annotated[int, typer.Option(min=1, help="Size of the recurrence.", rich_help_panel=MODEL)] = 512,
    order: Annotated[
        str,
        typer.Option(
            help="Order of the labels in a sequence: frequent, rare, random, fixed:FILE with a label a line, or free, "
            "the model's own for each image.",
            show_default=BY_RECIPE,
            rich_help_panel=MODEL,
        ),
    ] = "frequent",
    activation: Annotated[
        Literal["tanh", "relu"], typer.Option(help="h of equation 3.", rich_help_panel=MODEL)
    ] = "tanh",
    cell: Annotated[
        Literal["lstm", "paper"],
        typer.Option(help="Recurrence; paper is equation 2 as printed.", rich_help_panel=MODEL),
    ] = "lstm",
    spatial: Annotated[
        bool,
        typer.Option(
            "--spatial/--pooled",
            help="Score labels at every location of the image; pooled scores the averaged features, as in the paper.",
            show_default=BY_RECIPE,
            rich_help_panel=MODEL,
        ),
    ] = True,
    auxiliary: Annotated[
        float,
        typer.Option(
            min=0,
            help="Weight of an auxiliary sigmoid per label, a regularizer; 0 for none.",
            show_default=BY_RECIPE,
            rich_help_panel=MODEL,
        ),
    ] = TrainConfig.auxiliary,
    mixup: Annotated[
        float,
        typer.Option(
            min=0,
            help="Mix half of the batches' images, by Beta(MIXUP, MIXUP) shares; 0 for none.",
            show_default=BY_RECIPE,
            rich_help_panel=OPTIMIZATION,
        ),
    ] = TrainConfig.mixup,
    dropout: Annotated[
        float, typer.Option(min=0, max=0.95, help="Share of the head's inputs that are dropped.", rich_help_panel=MODEL)
    ] = 0.5,
    epochs: Annotated[
        int, typer.Option(min=1, help="Passes over the training images.", show_default=BY_RECIPE)
    ] = TrainConfig.epochs,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Of all processes together, under torchrun.", rich_help_panel=OPTIMIZATION)
    ] = TrainConfig.batch_size,
    lr: Annotated[
        float, typer.Option(min=0, help="Learning rate of the head.", rich_help_panel=OPTIMIZATION)
    ] = TrainConfig.lr,
    backbone_lr: Annotated[
        float, typer.Option(min=0, help="Learning rate of the backbone; 0 keeps it frozen.", rich_help_panel=BACKBONE)
    ] = TrainConfig.backbone_lr,
    trained_layers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train only the last layers of the backbone, without the depthwise convolutions of a pretrained one; "
            "the output of the others is computed once per view.",
            show_default="all, if --backbone-lr is given",
            rich_help_panel=BACKBONE,
        ),
    ] = TrainConfig.trained_layers,
    views: Annotated[
        int,
        typer.Option(
            min=1,
            help="Views of each image for frozen layers: itself, mirrored, then random crops.",
            show_default=BY_RECIPE,
            rich_help_panel=BACKBONE,
        ),
    ] = TrainConfig.views,
    weight_decay: Annotated[
        float, typer.Option(min=0, help="Weight decay of the optimizer.", rich_help_panel=OPTIMIZATION)
    ] = TrainConfig.weight_decay,
    optimizer: Annotated[
        Literal["adamw", "rmsprop"], typer.Option(help="How the weights are updated.", rich_help_panel=OPTIMIZATION)
    ] = "adamw",
    seed: Annotated[
        int, typer.Option(help="Seed of the weights, the order of images and dropout.", rich_help_panel=OPTIMIZATION)
    ] = TrainConfig.seed,
    precision: PrecisionOption = "float32",
    compile_layers: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the trained layers of the backbone (torch.compile), for a GPU.",
            rich_help_panel=HARDWARE,
        ),
    ] = TrainConfig.compile_layers,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            is_eager=True,
            help="Go on after the last finished epoch in --out, with its settings; a larger --epochs trains longer.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that is in --out.", rich_help_panel=OUTPUT)
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard", help="Also write the epochs' metrics for TensorBoard, in --out.", rich_help_panel=OUTPUT
        ),
    ] = False,
    device: DeviceOption = None,
) -> None:
    """Train a model on a data set's train split, validated on its val split."""
    from cnnrnn.training import distributed

    with user_errors(), distributed.started() as processes:
        console.quiet = notes.quiet = not processes.is_writer
        run = TrainingRun(out, resume, overwrite, tensorboard, processes)
        # All that can be refused without the images is refused before they are read and checked, which takes minutes.
        run.check()
        hardware = resolve_device(device, processes.local_rank if processes.count > 1 else None)
        refuse_impossible(possible_settings(ctx, network_of))
        with processes.one_per_machine_first():
            splits = load_splits(data, train_split_name, strict)
        settings, words = chosen_settings(ctx, len(splits[0].samples), network_of)
        notes.print(escape(words), soft_wrap=True)
        check_settings(settings)
        checkpoint = new_checkpoint(settings, splits[0], hardware)
        history = run.train(checkpoint, splits, settings)
        if settings["head"] == "cnn-rnn" and processes.is_writer:
            write_projection(out / "best", settings["seed"])
        console.print(result(history, out), next_commands(data, out), sep="\n", highlight=False, soft_wrap=True)
