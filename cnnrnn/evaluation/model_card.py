"""The model card of a checkpoint: its training, its evaluations and its limitations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnrnn.evaluation.map_report import STEPS, few_sentence, legend, prefix_sentence, table
from cnnrnn.models.cnnrnn import ModelConfig
from cnnrnn.models.sigmoid import SigmoidConfig
from cnnrnn.utils.files import markdown_table

if TYPE_CHECKING:
    from cnnrnn.checkpoint import Checkpoint

FEW_EXAMPLES = 60  # the card lists labels with fewer training images

_COLUMNS = ("images", "mAP", "OP", "OR", "OF1", "CP", "CR", "CF1", "exact_match", "coverage")


def model_card(checkpoint: Checkpoint, results: Mapping[str, Any]) -> str:
    """Markdown. `results` is the content of metrics.json: val, history and evaluations by split."""
    training, model, backbone = checkpoint.training, checkpoint.model.config, checkpoint.model.backbone.config
    config = training.get("config", {})
    counted = list(zip(checkpoint.vocabulary.labels, checkpoint.vocabulary.counts, strict=True))
    few = [f"{label} ({count})" for label, count in counted if count < FEW_EXAMPLES]
    sections = [
        "# Model card\n",
        f"A {_kind(model)}, trained with `cnnrnn`.\n",
        "## Training\n",
        f"- Data: {training.get('train_split', 'unknown')}, {training.get('train_images', 0)} images",
        f"- Command: `{training.get('command', 'unknown')}`",
        f"- Backbone: {backbone.name} at {backbone.image_size} px, {_fine_tuning(config)}",
        f"- Head: {_head(model)}, dropout {model.dropout}",
        f"- Epochs: {training.get('epochs_done', 0)} of {config.get('epochs', 0)}, seed {config.get('seed', 0)}",
        "- Versions: " + ", ".join(f"{name} {number}" for name, number in training.get("versions", {}).items()),
        "",
        "## Evaluation\n",
        "All values are percentages. OP … CF1 and exact_match (subset accuracy) evaluate the best path, mAP the "
        f"labels' probabilities. mAP, CP, CR and CF1 are means over the labels with at least {_fewest(results)} "
        "positives in the split.\n",
        _table(results),
        *_auxiliary(results),
        *_per_label(results),
        *_calibration(results),
        *_label_space(results),
        *_maps(results),
        "## Limitations\n",
        "The model knows only the labels below. Expect worse results for images that differ from its training data.",
        f"Labels with fewer than {FEW_EXAMPLES} training images, which it recognises less reliably: "
        f"{', '.join(few) or 'none'}.\n",
        _labels_heading(model, training.get("order", "frequent")),
        ", ".join(f"{label} ({count})" for label, count in counted) + "\n",
    ]
    return "\n".join(sections)


def _labels_heading(model: ModelConfig | SigmoidConfig, order: str) -> str:
    how = f"in the order of emission ({order})" if isinstance(model, ModelConfig) else "with their training images"
    return f"## Labels {how}\n"


def _kind(model: ModelConfig | SigmoidConfig) -> str:
    if isinstance(model, ModelConfig):
        return "CNN-RNN multi-label classifier (Wang et al., CVPR 2016)"
    return "multi-label classifier with independent sigmoids, the baseline for the CNN-RNN"


def _head(model: ModelConfig | SigmoidConfig) -> str:
    calibrated = ", probabilities calibrated" if model.calibration else ""
    if isinstance(model, ModelConfig):
        recurrence = f"recurrence {model.cell} {model.hidden_dim}"
        spatial = ", at every location of the feature map" if model.spatial else ""
        auxiliary = ", auxiliary sigmoid head" if model.auxiliary else ""
        temperature = f", temperature {model.temperature:g}" if model.temperature != 1 else ""
        return (
            f"embedding {model.embedding_dim}, {recurrence}, h = {model.activation}{spatial}{auxiliary}{temperature}"
            f"{calibrated}"
        )
    return f"one sigmoid per label, threshold chosen on the validation split{calibrated}"


def _fine_tuning(config: dict[str, Any]) -> str:
    if not config.get("backbone_lr"):
        return "frozen"
    layers = config.get("trained_layers")
    return "fine-tuned" if layers is None else f"its last {layers} layers fine-tuned"


def _by_split(results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {"validation": results.get("val") or {}, **results.get("evaluations", {})}


def _fewest(results: Mapping[str, Any]) -> str:
    """How many positives a label needs to count, such as "5", or "1 or 5" if the splits differ."""
    fewest = {metrics.get("min_positives", 5) for metrics in _by_split(results).values() if metrics}
    return " or ".join(map(str, sorted(fewest or {5})))


def _table(results: Mapping[str, Any]) -> str:
    cells = [
        [name, *(_number(metrics[column]) for column in _COLUMNS)]
        for name, metrics in _by_split(results).items()
        if metrics
    ]
    return markdown_table(["split", *_COLUMNS], cells)


def _auxiliary(results: Mapping[str, Any]) -> list[str]:
    """mAP of the auxiliary head, if there is one, and of its ensemble with the marginals."""
    return [
        f"The auxiliary sigmoid head has an mAP of {metrics['auxiliary']['mAP']:.1f} on {name}; its ensemble with the "
        f"marginals (the mean of both) has {metrics['mix']['mAP']:.1f}.\n"
        for name, metrics in _by_split(results).items()
        if "mix" in metrics
    ]


def _per_label(results: Mapping[str, Any]) -> list[str]:
    return [
        f"AP on {name}: "
        + ", ".join(f"{label} {value:.1f}" for label, value in metrics["AP"].items())
        + f"\n\nMeasured by `{metrics['command']}`.\n"
        for name, metrics in results.get("evaluations", {}).items()
    ]


def _calibration(results: Mapping[str, Any]) -> list[str]:
    """The calibration of the probabilities on the first split that was evaluated, or on the validation split."""
    name, metrics = next(iter(results.get("evaluations", {}).items()), ("validation", results.get("val") or {}))
    if "calibration" not in metrics:
        return []
    calibration = metrics["calibration"]
    bins = [entry for entry in calibration["bins"] if entry["pairs"]]
    return [
        "## Calibration\n",
        f"The table has the percentage of right labels among those with a probability of about p, on {name}. The "
        f"expected calibration error is {calibration['ece']:.2f} %, and {calibration['ece_likely']:.1f} % for "
        "probabilities of at least 10 %.\n",
        markdown_table(
            ["p", *(f"{entry['predicted']:.0f} %" for entry in bins)],
            [
                ["right", *(f"{entry['observed']:.0f} %" for entry in bins)],
                ["labels", *(str(entry["pairs"]) for entry in bins)],
            ],
        ),
    ]


def _label_space(results: Mapping[str, Any]) -> list[str]:
    """How far the labels of a group lie together, if the labels have groups."""
    report = results.get("label_space")
    if not report:
        return []
    return [
        "## Label space\n",
        f"Of each label's {report['k']} nearest labels by cosine, {report['labels']:.1f} % belong to its own group "
        f"({report['groups']} groups). By chance it would be {report['chance']:.1f} %; an SVD of the PMI matrix of the "
        f"training set's labels, with as many dimensions, has {report['pmi']:.1f} %.\n",
    ]


def _maps(results: Mapping[str, Any]) -> list[str]:
    """The metrics of the attribution maps on every split where they were evaluated."""
    lines: list[str] = []
    for name, report in results.get("maps", {}).items():
        columns, rows = table(report)
        lines += [
            "## Attribution maps\n",
            f"{report['steps']} label steps in {report['images']} images of {name}, {report['steps_difficult']} of "
            f"them difficult. {few_sentence(report)} {STEPS}\n",
            markdown_table(columns, rows),
            f"{legend(report)}\n",
            f"{prefix_sentence(report)} Decoding an image took {report['seconds_to_decode']:.3f} s.\n",
            f"Measured by `{report['command']}`.\n",
        ]
    return lines


def _number(value: float | int) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
