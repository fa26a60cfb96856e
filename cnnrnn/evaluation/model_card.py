"""The model card: what a checkpoint was made from, how good it is, and what it can't see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnrnn.evaluation.map_report import LEGEND, prefix_sentence, table
from cnnrnn.models.cnnrnn import ModelConfig
from cnnrnn.models.sigmoid import SigmoidConfig
from cnnrnn.utils.files import markdown_table

if TYPE_CHECKING:
    from cnnrnn.checkpoint import Checkpoint

FEW_EXAMPLES = 60  # training images below which the card warns of a label

_COLUMNS = ("images", "mAP", "OP", "OR", "OF1", "CP", "CR", "CF1", "exact_match", "coverage")


def model_card(checkpoint: Checkpoint, results: dict[str, Any]) -> str:
    """Markdown. `results` is the content of metrics.json: val, history and evaluations by split."""
    training, model, backbone = checkpoint.training, checkpoint.model.config, checkpoint.model.backbone.config
    config = training.get("config", {})
    counted = list(zip(checkpoint.vocabulary.labels, checkpoint.vocabulary.counts, strict=True))
    few = [f"{label} ({count})" for label, count in counted if count < FEW_EXAMPLES]
    sections = [
        "# Model card\n",
        f"A {_kind(model)}, trained with `cnnrnn`.\n",
        "## How it was made\n",
        f"- Data: {training.get('train_split', 'unknown')}, {training.get('train_images', 0)} images",
        f"- Command: `{training.get('command', 'unknown')}`",
        f"- Backbone: {backbone.name} at {backbone.image_size} px, {_fine_tuning(config)}",
        f"- Head: {_head(model)}, dropout {model.dropout}",
        f"- Epochs: {training.get('epochs_done', 0)} of {config.get('epochs', 0)}, seed {config.get('seed', 0)}",
        "- Versions: " + ", ".join(f"{name} {number}" for name, number in training.get("versions", {}).items()),
        "",
        "## How good it is\n",
        "Percentages. Best path: OP … CF1 and exact set. mAP from the marginals. mAP, CP, CR and CF1 are means "
        "over the labels with at least 5 positives in the split.\n",
        _table(results),
        *_auxiliary(results),
        *_per_label(results),
        *_calibration(results),
        *_maps(results),
        "## What it can't see\n",
        "It knows only the labels below, and images like its training data.",
        f"Labels with fewer than {FEW_EXAMPLES} training images, on which it is weak: {', '.join(few) or 'none'}.\n",
        f"## Labels, in the order of emission ({training.get('order', 'frequent')})\n",
        ", ".join(f"{label} ({count})" for label, count in counted) + "\n",
    ]
    return "\n".join(sections)


def _kind(model: ModelConfig | SigmoidConfig) -> str:
    if isinstance(model, ModelConfig):
        return "CNN-RNN multi-label classifier (Wang et al., CVPR 2016)"
    return "multi-label classifier with independent sigmoids, the baseline beside the CNN-RNN"


def _head(model: ModelConfig | SigmoidConfig) -> str:
    if isinstance(model, ModelConfig):
        recurrence = f"recurrence {model.cell} {model.hidden_dim}"
        places = ", at every place of the feature map" if model.spatial else ""
        auxiliary = ", auxiliary sigmoid head" if model.auxiliary else ""
        return f"embedding {model.embedding_dim}, {recurrence}, h = {model.activation}{places}{auxiliary}"
    return "one sigmoid per label, threshold chosen on the validation split"


def _fine_tuning(config: dict[str, Any]) -> str:
    if not config.get("backbone_lr"):
        return "frozen"
    layers = config.get("trained_layers")
    return "fine-tuned" if layers is None else f"its last {layers} layers fine-tuned"


def _by_split(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"validation": results.get("val") or {}, **results.get("evaluations", {})}


def _table(results: dict[str, Any]) -> str:
    cells = [
        [name, *(_number(metrics[column]) for column in _COLUMNS)]
        for name, metrics in _by_split(results).items()
        if metrics
    ]
    return markdown_table(["split", *_COLUMNS], cells)


def _auxiliary(results: dict[str, Any]) -> list[str]:
    """Of a model with an auxiliary head, what its scores are worth, alone and with the marginals."""
    return [
        f"mAP on {name} of the auxiliary sigmoid head {metrics['auxiliary']['mAP']:.1f}, "
        f"of its mean with the marginals {metrics['mix']['mAP']:.1f}.\n"
        for name, metrics in _by_split(results).items()
        if "mix" in metrics
    ]


def _per_label(results: dict[str, Any]) -> list[str]:
    return [
        f"AP on {name}: "
        + ", ".join(f"{label} {value:.1f}" for label, value in metrics["AP"].items())
        + f"\n\nMeasured by `{metrics['command']}`.\n"
        for name, metrics in results.get("evaluations", {}).items()
    ]


def _calibration(results: dict[str, Any]) -> list[str]:
    """The reliability of the marginals on the first split that was evaluated, or on the validation split."""
    name, metrics = next(iter(results.get("evaluations", {}).items()), ("validation", results.get("val") or {}))
    if "calibration" not in metrics:
        return []
    found = metrics["calibration"]
    bins = [entry for entry in found["bins"] if entry["pairs"]]
    return [
        "## Can its probabilities be believed?\n",
        f"Of the labels given a marginal of about p on {name}, this share is right; expected calibration error "
        f"{found['ece']:.2f} %, {found['ece_likely']:.1f} % among marginals from 10 % on.\n",
        markdown_table(
            ["p", *(f"{entry['predicted']:.0f} %" for entry in bins)],
            [
                ["right", *(f"{entry['observed']:.0f} %" for entry in bins)],
                ["labels", *(str(entry["pairs"]) for entry in bins)],
            ],
        ),
    ]


def _maps(results: dict[str, Any]) -> list[str]:
    """Whether its maps point at the right thing, on every split that was measured."""
    lines: list[str] = []
    for name, report in results.get("maps", {}).items():
        columns, rows = table(report)
        lines += [
            "## Do its maps point at the right thing?\n",
            f"{report['steps']} label steps on {name}, {report['steps_difficult']} of them difficult. {LEGEND}\n",
            markdown_table(columns, rows),
            f"{prefix_sentence(report)} Decoding an image took {report['seconds_to_decode']:.3f} s.\n",
            f"Measured by `{report['command']}`.\n",
        ]
    return lines


def _number(value: float | int) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
