"""The reports as they are written to JSON: their keys, and the type of each value. Percentages unless noted."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

# What models are compared by: key of a report -> name. The record of an epoch has the same keys after "val_".
MAIN_METRICS = {"mAP": "mAP", "OF1": "O-F1", "CF1": "C-F1", "exact_match": "exact match"}


class PrecisionRecallF1(TypedDict):
    """Overall (O) and per-label (C) precision, recall and F1."""

    OP: float
    OR: float
    OF1: float
    CP: float
    CR: float
    CF1: float


class ThresholdMetrics(PrecisionRecallF1):
    """The metrics of scores: mAP of the scores themselves, the others of the labels that reach a threshold."""

    mAP: float
    exact_match: float


# "from" is a keyword and "MAP@10" is no identifier, so these two need the functional syntax.
CalibrationBin = TypedDict("CalibrationBin", {"from": float, "pairs": int, "predicted": float, "observed": float})
_MapAt10 = TypedDict("_MapAt10", {"MAP@10": float})


class Calibration(TypedDict):
    """See `metrics.calibration`."""

    ece: float
    ece_likely: float
    bins: list[CalibrationBin]


class RankingMetrics(_MapAt10, TypedDict):
    """The metrics that need the scores' order only; AP is of the labels with enough positives."""

    mAP: float
    mAP_eleven_point: float
    mAP_area: float
    AP: dict[str, float]  # by label
    AP_eleven_point: dict[str, float]
    AP_area: dict[str, float]


class EvaluationReport(PrecisionRecallF1, RankingMetrics):
    """See `evaluate.report`. OP … CF1 are those of the best path's label set."""

    images: int
    labels_scored: int
    min_positives: int
    threshold: float  # 0 to 1
    best_threshold: float  # 0 to 1
    positives: dict[str, int]  # by label
    top3: PrecisionRecallF1
    top3_at_most: PrecisionRecallF1
    above_threshold: ThresholdMetrics
    exact_match: float
    hamming_loss: float
    coverage: float
    calibration: Calibration
    auxiliary: NotRequired[ThresholdMetrics]  # only if the model has an auxiliary head
    mix: NotRequired[ThresholdMetrics]  # of the ensemble: the mean of the auxiliary head and the marginals
    marginals: NotRequired[ThresholdMetrics]  # only if the checkpoint is calibrated: its labels are ranked otherwise
    errors: NotRequired[dict[str, str]]  # image -> why it could not be read
    seconds: NotRequired[float]
    command: NotRequired[str]  # the command line that made the report
    checkpoint: NotRequired[str]  # as `checkpoint.shown_name` names it


class ImageRecord(TypedDict):
    """One line of the per-image JSONL: the truth, and either `error` or the summary of the trace."""

    image: str
    truth: list[str]
    ignored: list[str]
    error: NotRequired[str]
    labels: NotRequired[list[str]]  # of the best path
    paths: NotRequired[list[dict[str, object]]]
    marginals: NotRequired[dict[str, float]]  # 0 to 1
    coverage: NotRequired[float]  # 0 to 1
    auxiliary: NotRequired[dict[str, float]]  # 0 to 1
    probabilities: NotRequired[dict[str, float]]  # 0 to 1; of a calibrated checkpoint
    evidence: NotRequired[dict[str, list[Any]]]  # see `decoding.trace.StepEvidence`
    sizes: NotRequired[dict[str, float]]  # label -> share of the image in its largest box, where boxes are known


class PointingMetrics(TypedDict):
    """The pointing game. None where no step counts."""

    pointing: float | None  # mean over the labels
    pointing_difficult: float | None
    pointing_steps: NotRequired[float | None]  # mean over the steps; older reports lack both
    pointing_steps_difficult: NotRequired[float | None]


class BoxMetrics(PointingMetrics):
    """A method's maps compared with boxes."""

    energy: float | None
    step_shift: float | None
    swap_pointing: float | None
    swap_pointing_difficult: float | None


class MethodMetrics(BoxMetrics):
    """All metrics of a method's maps."""

    deletion: float | None
    insertion: float | None
    mosaic: float | None
    sanity_head: float | None  # rank correlation, -1 to 1
    sanity_all: float | None  # rank correlation, -1 to 1
    seconds_per_image: float
    per_label: dict[str, float]  # pointing by label
    false_positives: int
    on_another_label: float | None


class PrefixMetrics(TypedDict):
    """How much a step's map depends on the labels before it; correlations are -1 to 1."""

    steps: int
    correlation_with_said_first: float | None
    peak_moved: float | None  # percent of the diagonal
    correlation_with_step_before: float | None


class PrefixReport(PrefixMetrics):
    pairs: dict[str, PrefixMetrics]  # "label after prefix" -> its steps


class Baselines(TypedDict):
    centre: PointingMetrics  # the centre of the image instead of a map's peak


class PresentReport(PointingMetrics):
    """See `maps.PresentLabelEvaluator`."""

    labels: int  # of all images
    centre: PointingMetrics


class MapsReport(TypedDict):
    """See `maps.evaluate_maps`."""

    images: int
    steps: int
    steps_difficult: int
    few: int  # images, at most, that deletion, insertion, the sanity check and the mosaics use
    default: str  # method
    exact_set: float | None  # exact match of the best paths
    seconds_to_decode: float
    methods: dict[str, MethodMetrics]
    baselines: Baselines
    targets: dict[str, BoxMetrics]
    prefix: PrefixReport
    present: NotRequired[PresentReport]  # reports of version 1 lack it
    errors: dict[str, str]  # image -> why it could not be read
    command: NotRequired[str]
    checkpoint: NotRequired[str]
