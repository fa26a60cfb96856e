"""The temperature of decoding, which is chosen on a validation split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cnnrnn.data import Split
from cnnrnn.data.loader import batches
from cnnrnn.evaluation.evaluate import Predictions, report
from cnnrnn.evaluation.reports import EvaluationReport
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.errors import UserError

TEMPERATURES = (1.0, 0.8, 0.65, 0.5, 0.35, 0.25)
TOLERANCE = 0.3  # points, less than what another seed changes


def evaluate_temperatures(
    predictor: Predictor,
    split: Split,
    temperatures: Sequence[float] = TEMPERATURES,
    on_images: Callable[[int], None] = lambda images: None,
) -> dict[float, EvaluationReport]:
    """The report of a split at each temperature; every image is encoded once.

    Beam search returns the most probable path, which leaves out every label that the model is not sure of: it is
    shorter than the true label set. Below 1, a temperature makes each step's likely choices more likely, END only where
    it is one of them.

    `on_images` hears how many images were done. Raises UserError for an image that can't be read, CheckpointError for
    the sigmoid baseline.
    """
    model, labels = predictor.checkpoint.rnn, predictor.labels
    truth, ignored = split.truth(labels)
    found = {temperature: Predictions(len(truth), len(labels)) for temperature in temperatures}
    paths, backbone, config = [sample.image for sample in split.samples], model.backbone, model.config
    read_batches = batches(
        paths, backbone.preprocess, backbone.config.image_size, predictor.config.batch_size, device=backbone.device
    )
    try:
        for read, images, failed in read_batches:
            for index, reason in failed.items():
                raise UserError(f"{paths[index]}: {reason}; mend or remove it and start again")
            feature = predictor.encode(images)[1]  # (batch, location, feature)
            for temperature, predictions in found.items():
                model.config = replace(config, temperature=temperature)
                for index, trace in zip(read, predictor.decode(feature), strict=True):
                    predictions.put(index, trace)
            on_images(len(read))
    finally:
        model.config = config
    return {
        temperature: report(truth, ignored, predictions, labels, threshold=0.5)
        for temperature, predictions in found.items()
    }


def best_temperature(reports: dict[float, EvaluationReport]) -> float:
    """The highest whose mean of the best path's O-F1 and exact match is at most `TOLERANCE` below the best one's.

    Lower ones make the probabilities more extreme than they should be, for no gain that is more than noise.
    """
    score = {value: (report["OF1"] + report["exact_match"]) / 2 for value, report in reports.items()}
    return max(value for value in score if score[value] >= max(score.values()) - TOLERANCE)
