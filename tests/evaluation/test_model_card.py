"""The model card of checkpoints and results that are written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.evaluation.model_card import model_card
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.models.sigmoid import SigmoidClassifier, SigmoidConfig
from cnnrnn.models.vocabulary import Vocabulary

TRAINING = {
    "train_split": "moon train",
    "train_images": 120,
    "command": "cnnrnn train moon",
    "epochs_done": 3,
    "config": {"epochs": 5, "seed": 7, "backbone_lr": 0.0, "trained_layers": None},
    "versions": {"torch": "2.6", "timm": "1.0"},
    "order": "rare",
}
METRICS: dict[str, Any] = {
    "images": 40, "mAP": 80.04, "OP": 71.0, "OR": 72.0, "OF1": 73.0, "CP": 74.0, "CR": 75.0, "CF1": 76.0,
    "exact_match": 50.06, "coverage": 97.0, "AP": {"cat": 90.0, "dog": 70.06}, "command": "cnnrnn evaluate moon",
}  # fmt: skip
CALIBRATION = {
    "ece": 1.234,
    "ece_likely": 5.67,
    "bins": [
        {"from": 0, "pairs": 90, "predicted": 3.6, "observed": 2.4},
        {"from": 50, "pairs": 0, "predicted": 0.0, "observed": 0.0},
        {"from": 90, "pairs": 10, "predicted": 95.0, "observed": 70.0},
    ],
}


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone(BackboneConfig.of("test_byobnet", 64))


@pytest.fixture(scope="module")
def card(backbone: Backbone) -> Callable[..., str]:
    """The card of given results, of a CNN-RNN unless another model is given, and with changes of its training."""

    def make(results: dict[str, Any], model: Any = None, counts: Sequence[int] = (60, 59), **training: Any) -> str:
        model = model or CNNRNN(ModelConfig(2, embedding_dim=8, hidden_dim=16), backbone)
        vocabulary = Vocabulary(("cat", "dog"), tuple(counts))
        return model_card(Checkpoint(model, vocabulary, {**TRAINING, **training}, ""), results)

    return make


def section(card: str, heading: str) -> list[str]:
    """The lines under a heading that aren't empty."""
    _, _, after = card.partition(f"## {heading}\n")
    assert after, heading
    return [line for line in after.partition("\n## ")[0].splitlines() if line]


def test_the_training_is_described(card: Callable[..., str]) -> None:
    assert section(card({}), "Training") == [
        "- Data: moon train, 120 images",
        "- Command: `cnnrnn train moon`",
        "- Backbone: test_byobnet at 64 px, frozen",
        "- Head: embedding 8, recurrence lstm 16, h = tanh, dropout 0.0",
        "- Epochs: 3 of 5, seed 7",
        "- Versions: torch 2.6, timm 1.0",
    ]
    for layers, words in ((None, "fine-tuned"), (2, "its last 2 layers fine-tuned")):
        config = {"backbone_lr": 1e-4, "trained_layers": layers}
        assert f"- Backbone: test_byobnet at 64 px, {words}\n" in card({}, config=config)


def test_the_kind_of_model_and_its_head_are_named(card: Callable[..., str], backbone: Backbone) -> None:
    settings = ModelConfig(2, embedding_dim=8, hidden_dim=16, activation="relu", spatial=True, auxiliary=True)
    spatial = card({}, CNNRNN(settings, backbone))
    assert "A CNN-RNN multi-label classifier (Wang et al., CVPR 2016), trained with `cnnrnn`.\n" in spatial
    assert (
        "- Head: embedding 8, recurrence lstm 16, h = relu, at every location of the feature map, "
        "auxiliary sigmoid head, dropout 0.0\n"
    ) in spatial
    baseline = card({}, SigmoidClassifier(SigmoidConfig(2, dropout=0.5), backbone))
    assert "A multi-label classifier with independent sigmoids, the baseline for the CNN-RNN, trained" in baseline
    assert "- Head: one sigmoid per label, threshold chosen on the validation split, dropout 0.5\n" in baseline


def test_every_evaluated_split_is_a_row_and_lists_its_average_precisions(card: Callable[..., str]) -> None:
    results = {"val": METRICS, "evaluations": {"moon test": {**METRICS, "images": 41, "mAP": 12.36}}}
    lines = section(card(results), "Evaluation")
    assert lines[1:] == [
        "| split | images | mAP | OP | OR | OF1 | CP | CR | CF1 | exact_match | coverage |",
        "|---" * 11 + "|",
        "| validation | 40 | 80.0 | 71.0 | 72.0 | 73.0 | 74.0 | 75.0 | 76.0 | 50.1 | 97.0 |",
        "| moon test | 41 | 12.4 | 71.0 | 72.0 | 73.0 | 74.0 | 75.0 | 76.0 | 50.1 | 97.0 |",
        "AP on moon test: cat 90.0, dog 70.1",
        "Measured by `cnnrnn evaluate moon`.",
    ]
    assert len(section(card({}), "Evaluation")) == 3  # the legend and a table without rows


def test_the_auxiliary_head_and_its_ensemble_are_reported_where_they_were_measured(card: Callable[..., str]) -> None:
    both = {**METRICS, "auxiliary": {"mAP": 61.26}, "mix": {"mAP": 82.04}}
    found = card({"val": METRICS, "evaluations": {"moon test": both}})
    assert (
        "The auxiliary sigmoid head has an mAP of 61.3 on moon test; its ensemble with the marginals (the mean of "
        "both) has 82.0.\n"
    ) in found
    assert found.count("auxiliary sigmoid head") == 1


def test_calibration_has_a_column_for_every_bin_that_is_not_empty(card: Callable[..., str]) -> None:
    validated = {**METRICS, "calibration": CALIBRATION}
    text, *rows = section(card({"val": validated}), "Calibration")
    assert text == (
        "The table has the percentage of right labels among those with a probability of about p, on validation. The "
        "expected calibration error is 1.23 %, and 5.7 % for probabilities of at least 10 %."
    )
    assert rows == ["| p | 4 % | 95 % |", "|---|---|---|", "| right | 2 % | 70 % |", "| labels | 90 | 10 |"]


def test_calibration_is_that_of_the_first_evaluated_split(card: Callable[..., str]) -> None:
    worse = {**METRICS, "calibration": {**CALIBRATION, "ece": 9.0}}
    evaluated = {"moon test": worse, "moon other": {**METRICS, "calibration": CALIBRATION}}
    found = card({"val": {**METRICS, "calibration": CALIBRATION}, "evaluations": evaluated})
    assert "about p, on moon test. The expected calibration error is 9.00 %" in found
    assert found.count("## Calibration") == 1
    assert "## Calibration" not in card({"val": METRICS})  # the metrics of older runs have none
    assert "## Calibration" not in card({})


def test_labels_with_fewer_than_sixty_training_images_are_limitations(card: Callable[..., str]) -> None:
    few = "Labels with fewer than 60 training images, which it recognises less reliably: "
    assert section(card({}), "Limitations")[1] == f"{few}dog (59)."
    assert section(card({}, counts=(60, 60)), "Limitations")[1] == f"{few}none."
    assert section(card({}), "Labels in the order of emission (rare)") == ["cat (60), dog (59)"]


def test_maps_metrics_of_few_images_are_left_out(card: Callable[..., str]) -> None:
    report = {
        "images": 400, "few": 1, "steps": 842, "steps_difficult": 557, "default": "cam", "targets": {},
        "methods": {"cam": {"pointing": 77.2, "deletion": 73.1, "sanity_all": -0.01}},
        "baselines": {"centre": {"pointing": 43.9}}, "prefix": {"steps": 0}, "seconds_to_decode": 0.1, "command": "x",
    }  # fmt: skip
    found = card({"maps": {"moon test": report}})
    assert "842 label steps in 400 images of moon test, 557 of them difficult. Mosaics," in found
    assert "of 1 image they mean little" in found
    assert "73.1" not in found
    enough = card({"maps": {"moon test": {**report, "few": 50}}})
    assert "| cam | 77.2 |  | 73.1 | -0.01 |" in enough
    assert "random models: 50 images." in enough


def test_how_many_positives_a_label_needs_is_told(card: Callable[..., str]) -> None:
    results = {"val": {**METRICS, "min_positives": 1}}
    assert "labels with at least 1 positives in the split" in card(results)
    assert "at least 1 or 5 positives" in card({**results, "evaluations": {"test": {**METRICS, "min_positives": 5}}})
