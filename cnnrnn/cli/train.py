"""The command `cnnrnn train`."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from functools import cache
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
    OUTPUT,
    DeviceOption,
    PrecisionOption,
)
from cnnrnn.cli.output import command_line, console, print_split_warnings, user_errors
from cnnrnn.cli.project import write_projection
from cnnrnn.cli.recipes import DEFAULT, chosen_settings, possible_settings, read_recipe, run_toml, use_recipe
from cnnrnn.evaluation.reports import MAIN_METRICS
from cnnrnn.training.config import RUN_FILE, TrainConfig
from cnnrnn.utils.cache import cache_folder, kept
from cnnrnn.utils.device import resolve_device
from cnnrnn.utils.errors import UserError, did_you_mean
from cnnrnn.utils.files import write_text
from cnnrnn.utils.progress import TrainingProgress, image_progress, notes

if TYPE_CHECKING:
    import torch

    from cnnrnn.checkpoint import Checkpoint
    from cnnrnn.data import Split
    from cnnrnn.training.distributed import ProcessGroup
    from cnnrnn.training.loop import TrainingWatcher


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
        from cnnrnn.training.state import check_out, check_resumable

        console.quiet = notes.quiet = not processes.is_writer
        if processes.is_writer and not processes.restarted:
            check_out(out, resume, overwrite)
            if resume and not processes.by_torchrun:
                check_resumable(out)
        # All that can be refused without the images is refused before they are read and checked, which takes minutes.
        if tensorboard and processes.is_writer:
            from cnnrnn.training.tensorboard import summary_writer

            summary_writer()
        hardware = resolve_device(device, processes.local_rank if processes.count > 1 else None)
        _refuse_impossible(possible_settings(ctx, _network_of))
        with processes.one_per_machine_first():
            splits = _load_splits(data, train_split_name, strict)
        settings, words = chosen_settings(ctx, len(splits[0].samples), _network_of)
        notes.print(escape(words), soft_wrap=True)
        _check_settings(settings)
        checkpoint = _new_checkpoint(settings, splits[0], hardware)
        history = _run(checkpoint, splits, settings, out, resume, overwrite, tensorboard, processes)
        if settings["head"] == "cnn-rnn" and processes.is_writer:
            write_projection(out / "best", settings["seed"])
        console.print(_result(history, out), _next_commands(data, out), sep="\n", highlight=False, soft_wrap=True)


def _result(history: list[dict[str, Any]], out: Path) -> str:
    """Which epoch is the best one, why, and where it is."""
    from cnnrnn.training.runs import best_epoch

    best = best_epoch(history)
    assert best is not None
    shown = ", ".join(f"{name} {best[f'val_{key}']:.1f}" for key, name in MAIN_METRICS.items())
    advice = "" if best["val_OF1"] else " It predicts no label rightly yet: go on with --resume and more --epochs."
    return (
        f"The best of {len(history)} epochs, by the mean of mAP and O-F1 on val, is epoch {best['epoch']}: {shown}. "
        f"It is in {escape(str(out / 'best'))}, the last one in {escape(str(out / 'last'))}.{advice}"
    )


def _next_commands(data: DataSource, out: Path) -> str:
    from cnnrnn.training.runs import runs_root

    evaluate = shlex.join(["cnnrnn", "evaluate", *data.arguments(), "--checkpoint", str(out)])
    is_listed = runs_root() == out.resolve().parent
    show = shlex.join(["cnnrnn", "dashboard", *([] if is_listed else ["--runs", str(out.parent)])])
    return f"Next:\n  {escape(evaluate)}\n  {escape(show)}"


def _refuse_impossible(candidates: list[dict[str, Any]]) -> None:
    """Raises UserError if none of the settings that may be chosen is possible."""
    for settings in candidates:
        try:
            _check_settings(settings)
        except UserError as error:
            refused = error
        else:
            return
    raise refused


def _check_settings(settings: dict[str, Any]) -> None:
    """Raises UserError for settings that contradict each other, or name what there is not."""
    from cnnrnn.models.backbone import check_name
    from cnnrnn.models.vocabulary import read_order
    from cnnrnn.training.initialize import check_network

    if settings["weights"] and not settings["pretrained"]:
        raise UserError("--weights are pretrained ones; leave --no-pretrained away")
    if not settings["backbone-lr"] and (settings["trained-layers"] or settings["compile"]):
        raise UserError("--trained-layers and --compile are for a backbone that is trained: give --backbone-lr")
    read_order(settings["order"])
    check_name(settings["backbone"])
    if settings["weights"] and (network := _network_of(settings["weights"])):
        check_network(settings["weights"], network, settings["backbone"])


@cache
def _network_of(weights: Path) -> str | None:
    """The backbone's name, if `weights` is a trained model."""
    from cnnrnn.checkpoint import Checkpoint
    from cnnrnn.training.initialize import is_trained

    return Checkpoint.load(weights).model.backbone.config.name if is_trained(weights) else None


def _new_checkpoint(settings: dict[str, Any], split: Split, device: torch.device) -> Checkpoint:
    from cnnrnn.training.initialize import new_checkpoint

    model: dict[str, Any] = {"dropout": settings["dropout"], "spatial": settings["spatial"]}
    if settings["head"] == "cnn-rnn":
        model |= {"embedding_dim": settings["embedding"], "hidden_dim": settings["hidden"]}
        model |= {"activation": settings["activation"], "cell": settings["cell"]}
        model |= {"auxiliary": settings["auxiliary"] > 0}
    checkpoint = new_checkpoint(
        split, settings["backbone"], settings["image-size"], settings["pretrained"], settings["seed"], device,
        settings["head"], settings["order"], settings["weights"], **model,
    )  # fmt: skip
    checkpoint.training["command"] = command_line()
    return checkpoint


def _train_config(settings: dict[str, Any]) -> TrainConfig:
    values = {key.replace("-", "_"): value for key, value in settings.items()}
    values |= {"compile_layers": values["compile"]}
    if values["head"] == "sigmoid":  # it has no such head
        values["auxiliary"] = 0.0
    return TrainConfig(**{field.name: values[field.name] for field in fields(TrainConfig) if field.name in values})


def _load_splits(data: DataSource, train_name: str, strict: bool) -> tuple[Split, Split]:
    """The splits for training and for validation, described, without images that can't be read."""
    train_split = data.split(train_name)
    if data.val_fraction and not data.is_own:
        splits = train_split.hold_out(data.val_fraction)
    else:
        splits = train_split, data.split("val")
    splits[1].truth(splits[0].labels)  # before anything is computed: DataError for labels that only val has
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
    settings: dict[str, Any],
    out: Path,
    resume: bool,
    overwrite: bool,
    tensorboard: bool,
    processes: ProcessGroup,
) -> list[dict[str, Any]]:
    """Train under a progress bar and return the epochs' records; exit with code 130 after Ctrl-C."""
    from cnnrnn.training.loop import train as run_training
    from cnnrnn.training.state import STATE, remove_run

    if resume and processes.by_torchrun and not (out / STATE).exists():
        notes.print(
            f"{escape(str(out))} holds no finished epoch to go on from: this is the first start", soft_wrap=True
        )
    features, record = cache_folder("features"), run_toml(settings, command_line())
    config = _train_config(settings)
    if overwrite and processes.is_writer and not processes.restarted:
        remove_run(out)
    if processes.is_writer and not (out / STATE).exists():
        write_text(out / RUN_FILE, record)
    with TrainingProgress() as progress:
        watcher: TrainingWatcher = progress
        if tensorboard and processes.is_writer:
            from cnnrnn.training.tensorboard import TensorBoard

            watcher = TensorBoard(progress, out / "tensorboard")
        try:
            run = run_training(checkpoint, *splits, config, out, features, watcher, resume, processes)
            interrupted, history = run.interrupted, run.history
        except KeyboardInterrupt:  # before the first epoch began
            interrupted, history = True, []
    if (not config.backbone_lr or config.trained_layers) and (remark := kept(features)):
        notes.print(remark, markup=False, highlight=False, soft_wrap=True)
    if interrupted:
        notes.print(_advice(out), soft_wrap=True)
        raise typer.Exit(130)
    if processes.is_writer:
        write_text(out / RUN_FILE, record)  # with the epochs of a run that was resumed
    return history


def _advice(out: Path) -> str:
    """What to do after Ctrl-C."""
    from cnnrnn.training.state import STATE

    if (out / STATE).exists():
        return f"Interrupted; the model so far is in {escape(str(out / 'last'))}. Go on with --resume"
    return "Interrupted before an epoch was finished, so there is no model yet: start again with the same command."
