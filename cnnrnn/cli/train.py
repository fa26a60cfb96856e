"""The command `cnnrnn train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from cnnrnn.cli.data_source import DataSource, reads_data
from cnnrnn.cli.options import (
    BACKBONE,
    DATA,
    HARDWARE,
    MODEL,
    OPTIMIZATION,
    DeviceOption,
    PrecisionOption,
)
from cnnrnn.cli.output import command_line, console, print_split_warnings, user_errors
from cnnrnn.cli.project import write_projection
from cnnrnn.utils.device import resolve_device
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.progress import TrainingProgress, image_progress, notes

if TYPE_CHECKING:
    from cnnrnn.checkpoint import Checkpoint
    from cnnrnn.data import Split
    from cnnrnn.training.config import TrainConfig
    from cnnrnn.training.distributed import ProcessGroup


def _apply_preset(ctx: typer.Context, name: str | None) -> str | None:
    """A preset gives the other options new defaults, so whatever is typed beside it wins."""
    from cnnrnn.training.recipes import PRESETS

    if name is not None and name not in PRESETS:
        raise typer.BadParameter(f"no preset '{name}'; choose one of {', '.join(PRESETS)}")
    ctx.default_map = PRESETS.get(name or "", {})
    return name


@reads_data
def train(
    data: DataSource,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; gets best/ and last/.")],
    train_split_name: Annotated[
        str, typer.Option("--train-split", help="train or trainval.", rich_help_panel=DATA)
    ] = "train",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop at images that can't be read, instead of leaving them out.", rich_help_panel=DATA
        ),
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            callback=_apply_preset,
            is_eager=True,
            help="paper: VGG-16 fc7, embedding 64, LSTM 512, RMSprop, frozen. Other options given win over it.",
        ),
    ] = None,
    head: Annotated[
        Literal["cnn-rnn", "sigmoid"],
        typer.Option(help="sigmoid: the baseline, one independent unit per label.", rich_help_panel=MODEL),
    ] = "cnn-rnn",
    loss: Annotated[
        Literal["bce", "asymmetric"], typer.Option(help="The loss of --head sigmoid.", rich_help_panel=OPTIMIZATION)
    ] = "bce",
    backbone: Annotated[str, typer.Option(help="Any CNN of timm, by name.")] = "tf_efficientnet_lite0",
    pretrained: Annotated[bool, typer.Option(help="Start from ImageNet weights.", rich_help_panel=BACKBONE)] = True,
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
            rich_help_panel=MODEL,
        ),
    ] = False,
    auxiliary: Annotated[
        float,
        typer.Option(
            min=0, help="Weight of an auxiliary sigmoid per label, a regulariser; 0 for none.", rich_help_panel=MODEL
        ),
    ] = 0.0,
    mixup: Annotated[
        float,
        typer.Option(
            min=0,
            help="Mix half of the batches' images, by Beta(MIXUP, MIXUP) shares; 0 for none.",
            rich_help_panel=OPTIMIZATION,
        ),
    ] = 0.0,
    dropout: Annotated[
        float, typer.Option(min=0, max=0.95, help="Share of the head's inputs that are dropped.", rich_help_panel=MODEL)
    ] = 0.5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 30,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Of all processes together, under torchrun.", rich_help_panel=OPTIMIZATION)
    ] = 64,
    lr: Annotated[float, typer.Option(min=0, help="Learning rate of the head.", rich_help_panel=OPTIMIZATION)] = 1e-3,
    backbone_lr: Annotated[
        float, typer.Option(min=0, help="Learning rate of the backbone; 0 keeps it frozen.", rich_help_panel=BACKBONE)
    ] = 0.0,
    trained_layers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train only the last layers of the backbone; the output of the others is computed once per view.",
            show_default="all, if --backbone-lr is given",
            rich_help_panel=BACKBONE,
        ),
    ] = None,
    views: Annotated[
        int,
        typer.Option(
            min=1,
            help="Views of each image for frozen layers: itself, mirrored, then random crops.",
            rich_help_panel=BACKBONE,
        ),
    ] = 2,
    weight_decay: Annotated[
        float, typer.Option(min=0, help="Weight decay of the optimizer.", rich_help_panel=OPTIMIZATION)
    ] = 1e-2,
    optimizer: Annotated[
        Literal["adamw", "rmsprop"], typer.Option(help="How the weights are updated.", rich_help_panel=OPTIMIZATION)
    ] = "adamw",
    seed: Annotated[
        int, typer.Option(help="Seed of the weights, the order of images and dropout.", rich_help_panel=OPTIMIZATION)
    ] = 0,
    precision: PrecisionOption = "float32",
    compile_layers: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the trained layers of the backbone (torch.compile), for a GPU.",
            rich_help_panel=HARDWARE,
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last finished epoch in --out; repeat the other options.")
    ] = False,
    device: DeviceOption = None,
) -> None:
    """Train a model on a data set's train split, validated on its val split."""
    from cnnrnn.training import distributed

    with user_errors(), distributed.started() as processes:
        from cnnrnn.training.config import TrainConfig
        from cnnrnn.training.initialize import new_checkpoint

        console.quiet = notes.quiet = not processes.is_writer
        if not backbone_lr and (trained_layers or compile_layers):
            raise UserError("--trained-layers and --compile are for a backbone that is trained: give --backbone-lr")
        with processes.one_per_machine_first():
            splits = _load_splits(data, train_split_name, strict)
        model_settings: dict[str, Any] = {"dropout": dropout, "spatial": spatial}
        if head == "cnn-rnn":
            model_settings |= {"embedding_dim": embedding, "hidden_dim": hidden, "activation": activation, "cell": cell}
            model_settings |= {"auxiliary": auxiliary > 0}
        chosen_device = resolve_device(device, processes.local_rank if processes.count > 1 else None)
        checkpoint = new_checkpoint(
            splits[0], backbone, image_size, pretrained, seed, chosen_device, head, order, **model_settings
        )
        checkpoint.training["command"] = command_line()
        config = TrainConfig(
            epochs=epochs, batch_size=batch_size, lr=lr, backbone_lr=backbone_lr, trained_layers=trained_layers,
            views=views, loss=loss, auxiliary=auxiliary if head == "cnn-rnn" else 0.0, mixup=mixup,
            weight_decay=weight_decay, optimizer=optimizer, seed=seed, precision=precision,
            compile_layers=compile_layers,
        )  # fmt: skip
        _run(checkpoint, splits, config, out, resume, processes)
        if head == "cnn-rnn" and processes.is_writer:
            write_projection(out / "best", seed)
        console.print(
            f"Done: the best model is in {escape(str(out / 'best'))}, the last in {escape(str(out / 'last'))}"
        )


def _load_splits(data: DataSource, train_name: str, strict: bool) -> tuple[Split, Split]:
    """The splits for training and for validation, described, without images that can't be read."""
    train_split = data.split(train_name)
    if data.val_fraction and not data.is_own:
        splits = train_split.hold_out(data.val_fraction)
    else:
        splits = train_split, data.split("val")
    splits[1].truth(
        splits[0].labels
    )  # raises DataError for labels that only validation has, before anything is computed
    print_split_warnings(*splits)
    return _readable(splits[0], strict), _readable(splits[1], strict)


def _readable(split: Split, strict: bool) -> Split:
    """Without the images that can't be read, which are named. Raises DataError if `strict`."""
    from cnnrnn.data.readable import check_images, require_readable

    with image_progress() as bar:
        task = bar.add_task(escape(f"checking {split.name}"), total=len(split.samples), remark="")
        checked = check_images([sample.image for sample in split.samples], lambda images: bar.advance(task, images))
    errors = {path: found.error for path, found in checked.items() if found.error}
    if strict:
        require_readable(errors)
    for path, error in errors.items():
        notes.print(f"  [yellow]left out[/] {escape(str(path))}: {escape(error)}", soft_wrap=True)
    if len(errors) == len(split.samples):
        raise UserError(f"no image of {split.name} can be read")
    return replace(split, samples=tuple(sample for sample in split.samples if sample.image not in errors))


def _run(
    checkpoint: Checkpoint,
    splits: tuple[Split, Split],
    config: TrainConfig,
    out: Path,
    resume: bool,
    processes: ProcessGroup,
) -> None:
    """Train under a progress bar; exit with code 130 after Ctrl-C."""
    from cnnrnn.training.loop import train as run_training
    from cnnrnn.training.state import STATE

    if resume and processes.by_torchrun and not (out / STATE).exists():
        notes.print(f"{escape(str(out))} holds no finished epoch to go on from: this is the first start")
    with TrainingProgress() as watcher:
        run = run_training(checkpoint, *splits, config, out, out.parent / "features", watcher, resume, processes)
    if run.interrupted:
        notes.print(f"Interrupted; the model so far is in {escape(str(out / 'last'))}. Go on with --resume")
        raise typer.Exit(130)
