"""What is chosen on a validation split after training: decoding's temperature and the probabilities' calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnnrnn.data import Split
from cnnrnn.data.loader import batches
from cnnrnn.decoding.beam_search import ensemble
from cnnrnn.evaluation.evaluate import Predictions, report
from cnnrnn.evaluation.reports import EvaluationReport
from cnnrnn.inference.predictor import Predictor
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.calibration import calibrate, features
from cnnrnn.utils.errors import UserError

TEMPERATURES = (1.0, 0.8, 0.65, 0.5, 0.35, 0.25)
TOLERANCE = 0.3  # points, less than what another seed changes
_UNREGULARIZED = 1e6  # scikit-learn's C


@dataclass(frozen=True)
class Choice:
    """A temperature and a calibration, and the reports of the split that they were chosen on."""

    temperature: float
    calibration: tuple[float, float, float]  # a, b and c of `utils.calibration`
    report: EvaluationReport  # with both
    at_temperatures: dict[float, EvaluationReport]  # without a calibration


def choose(
    predictor: Predictor,
    split: Split,
    temperatures: Sequence[float] = TEMPERATURES,
    on_images: Callable[[int], None] = lambda images: None,
) -> Choice:
    """Choose the temperature, then fit the calibration to the predictions at this temperature; the sigmoid baseline has
    no temperature, and is calibrated alone.

    Beam search returns the most probable path, which leaves out every label that the model is not sure of: it is
    shorter than the true label set. Below 1, a temperature makes each step's likely choices more likely, END only where
    it is one of them.

    `on_images` hears how many images were done. Raises UserError for an image that can't be read and for predictions
    that can't be calibrated.
    """
    labels = predictor.labels
    truth, ignored = split.truth(labels)
    if isinstance(predictor.model, SigmoidClassifier):
        temperatures = (1.0,)
    found = _predictions(predictor, split, temperatures, on_images)
    reports = {temperature: report(truth, ignored, predictions, labels) for temperature, predictions in found.items()}
    temperature = best_temperature(reports)
    predictions = found[temperature]
    probs = ensemble(predictions.marginals, predictions.auxiliary)  # (image, label)
    calibration = fit_calibration(truth[~ignored], probs[~ignored])
    predictions.probabilities = calibrate(probs, calibration)
    return Choice(temperature, calibration, report(truth, ignored, predictions, labels), reports)


def _predictions(
    predictor: Predictor, split: Split, temperatures: Sequence[float], on_images: Callable[[int], None]
) -> dict[float, Predictions]:
    """The uncalibrated predictions at each temperature; every image is encoded once."""
    model = predictor.model
    found = {temperature: Predictions(len(split.samples), len(predictor.labels)) for temperature in temperatures}
    paths, backbone, config = [sample.image for sample in split.samples], model.backbone, model.config
    read_batches = batches(paths, backbone.pixels, predictor.config.batch_size, device=backbone.device)
    try:
        for read, images, failed in read_batches:
            for index, reason in failed.items():
                raise UserError(f"{paths[index]}: {reason}; mend or remove it and start again")
            feature = predictor.encode(images)[1]  # (batch, location, feature)
            for temperature, predictions in found.items():
                configure(model, temperature, None)
                for index, trace in zip(read, predictor.decode(feature), strict=True):
                    predictions.put(index, trace)
            on_images(len(read))
    finally:
        model.config = config  # type: ignore[assignment]  # of the same model
    return found


def configure(
    model: CNNRNN | SigmoidClassifier, temperature: float, calibration: tuple[float, float, float] | None
) -> None:
    """Set what is chosen after training. Independent sigmoids have no steps, and so no temperature."""
    if isinstance(model, SigmoidClassifier):
        model.config = replace(model.config, calibration=calibration)
    else:
        model.config = replace(model.config, temperature=temperature, calibration=calibration)


def best_temperature(reports: Mapping[float, EvaluationReport]) -> float:
    """The highest whose mean of the best path's O-F1 and exact match is at most `TOLERANCE` below the best one's.

    Lower ones make the probabilities more extreme than they should be, for no gain that is more than noise.
    """
    score = {value: (report["OF1"] + report["exact_match"]) / 2 for value, report in reports.items()}
    return max(value for value in score if score[value] >= max(score.values()) - TOLERANCE)


def fit_calibration(truth: np.ndarray, probs: np.ndarray) -> tuple[float, float, float]:
    """a, b and c of the beta calibration (Kull et al., 2017): truth bool (pair,), probs (pair,).

    It is a logistic regression whose weights must not be negative, or the order of the probabilities would change; a
    feature with a negative weight is left out, as the paper does. Raises UserError if nothing can be fitted.
    """
    from sklearn.linear_model import LogisticRegression

    if truth.all() or not truth.any():
        raise UserError("the calibration needs labels that are present and labels that are not; choose another split")
    inputs, used = features(probs), [0, 1]
    while used:
        fitted = LogisticRegression(C=_UNREGULARIZED, max_iter=1000).fit(inputs[:, used], truth)
        weights = np.zeros(2)
        weights[used] = fitted.coef_[0]
        if (weights >= 0).all():
            return float(weights[0]), float(weights[1]), float(fitted.intercept_[0])
        used.remove(int(weights.argmin()))
    raise UserError("the probabilities don't rank present labels above absent ones; there is nothing to calibrate")
