"""A checkpoint on images: `Predictor`, and the functions for one image or one batch that it is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from cnnrnn.attribution.evidence import path_evidence
from cnnrnn.attribution.explain import explain
from cnnrnn.attribution.methods import DEFAULT_METHOD, METHODS
from cnnrnn.attribution.targets import DEFAULT_TARGET, TARGETS
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data.images import MAX_SIDE, SUFFIXES, ImageError, open_image
from cnnrnn.data.loader import Batch, batches, to_device
from cnnrnn.data.paths import images_in
from cnnrnn.decoding.beam_search import decode
from cnnrnn.decoding.constraints import NO_CONSTRAINTS, Constraints
from cnnrnn.decoding.threshold import threshold_labels
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference import engines, int8
from cnnrnn.inference.config import INT8, InferenceConfig
from cnnrnn.inference.results import PathExplanation, Prediction
from cnnrnn.label_space.space import LabelSpace
from cnnrnn.models.cnnrnn import CNNRNN
from cnnrnn.models.sigmoid import SigmoidClassifier
from cnnrnn.utils.device import resolve_device
from cnnrnn.utils.errors import UserError, did_you_mean, summarize_error
from cnnrnn.utils.resources import embedded_checkpoint

if TYPE_CHECKING:
    ImageLike = str | Path | bytes | Image.Image | np.ndarray


class Predictor:
    """A checkpoint with all settings of prediction.

    predictor = Predictor()                                   # the embedded checkpoint
    predictor = Predictor("runs/mine/best", beam=16, device="cpu")
    result = predictor("street.jpg")
    """

    def __init__(
        self,
        checkpoint: Checkpoint | Path | str | None = None,
        config: InferenceConfig | None = None,
        **settings: Any,
    ) -> None:
        """`checkpoint` is a folder, a zip of one, the name of an embedded one, or loaded already; `settings` are fields
        of InferenceConfig.

        Raises CheckpointError for a checkpoint that can't be used, UserError for a device, an engine or a precision
        that can't be had, and TypeError for an unknown setting.
        """
        self.config = replace(config or InferenceConfig(), **settings)
        device = resolve_device(self.config.device)
        if isinstance(checkpoint, Checkpoint):
            if checkpoint.model.device != device:  # `to` would build a network that was deferred
                checkpoint.model.to(device)
            checkpoint.model.eval()
            self.checkpoint = checkpoint
        else:
            engine = None if self.config.precision == INT8 else self.config.engine
            self.checkpoint = engines.load_checkpoint(Path(checkpoint or embedded_checkpoint()), device, engine)
        self.engine, self.forward = self._backbone()

    def __repr__(self) -> str:
        settings = f"beam {self.config.beam}, {self.engine} in {self.config.precision} on {self.model.device}"
        return f"<Predictor of {self.checkpoint.in_short()}; {settings}>"

    def _backbone(self) -> tuple[str, engines.Forward]:
        """The engine's name, and the backbone's forward pass by it."""
        config, backbone = self.config, self.checkpoint.model.backbone
        if config.precision == INT8:
            if config.engine not in (None, "torch", int8.ENGINE):  # torch is what nobody chose
                raise UserError(f"int8 runs by {int8.ENGINE}; leave --engine {config.engine} away")
            return int8.ENGINE, int8.load(self.checkpoint, config.threads)
        backbone.compute_in(config.precision)  # before an engine is chosen for it
        engine = config.engine or engines.fastest(backbone)
        return engine, engines.load(self.checkpoint, engine, config.threads)

    @property
    def model(self) -> CNNRNN | SigmoidClassifier:
        return self.checkpoint.model

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of emission; column l of every array over labels is labels[l]."""
        return self.checkpoint.vocabulary.labels

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 pixels (batch, 3, size, size) -> feature map (batch, channel, height, width) and I
        (batch, location, feature)."""
        return encode(self.model, images, self.forward)

    def decode(self, feature: Tensor, constraints: Constraints = NO_CONSTRAINTS) -> list[Trace]:
        """I (batch, location, feature) -> one Trace per image. Raises CheckpointError for constraints on the sigmoid
        baseline, which has no sequences."""
        if constraints != NO_CONSTRAINTS:
            config = self.config
            return decode(self.checkpoint.rnn, feature, self.labels, config.beam, config.recurrence, constraints)
        return decode_batch(self.model, feature, self.labels, self.config.beam, self.config.recurrence)

    def predict(self, paths: Sequence[Path], evidence: bool = False) -> Iterator[tuple[Path, Trace | str]]:
        """Every image file in order with its trace, or with the reason why it can't be read; `evidence` adds that of
        the best path, of models that have a recurrence."""
        backbone = self.model.backbone
        found = batches(paths, backbone.pixels, self.config.batch_size, device=backbone.device)
        for index, result in self.predict_batches(found, evidence):
            yield paths[index], result

    def predict_batches(self, found: Iterable[Batch], evidence: bool = False) -> Iterator[tuple[int, Trace | str]]:
        """As `predict`, of batches however they were read: each image's index and its trace or error."""
        for read, images, failed in found:
            results: dict[int, Trace | str] = dict(failed)
            if read:
                feature = self.encode(images)[1]
                traces = self.decode(feature)
                results |= zip(read, self._with_evidence(feature, traces) if evidence else traces, strict=True)
            yield from sorted(results.items(), key=itemgetter(0))

    def _with_evidence(self, feature: Tensor, traces: list[Trace]) -> list[Trace]:
        if not isinstance(self.model, CNNRNN) or not self.config.recurrence:
            return traces
        found = path_evidence(self.model, feature, [trace.paths[0].tokens for trace in traces])
        return [replace(trace, evidence=evidence) for trace, evidence in zip(traces, found, strict=True)]

    @overload
    def __call__(
        self, images: ImageLike, *, force: str | Sequence[str] = (), exclude: str | Sequence[str] = ()
    ) -> Prediction: ...
    @overload
    def __call__(
        self,
        images: list[ImageLike] | tuple[ImageLike, ...],
        *,
        force: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
    ) -> list[Prediction]: ...
    def __call__(
        self,
        images: ImageLike | list[ImageLike] | tuple[ImageLike, ...],
        *,
        force: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
    ) -> Prediction | list[Prediction]:
        """An image, or a list of them -> its Prediction, or theirs in the same order.

        An image is a path, a file's bytes, a PIL image, or an array (height, width, 3) of uint8. Every sequence begins
        with the labels `force`, in this order, and none holds a label of `exclude`: all probabilities are conditional
        on that, and not calibrated.

        Raises ImageError for what is no image that can be read, with its name; TypeError for another type; UserError
        for a name that is no label and for constraints that contradict each other; CheckpointError for constraints on
        the sigmoid baseline.
        """
        constraints = Constraints.by_name(self.labels, force, exclude)
        if isinstance(images, list | tuple):
            size = self.config.batch_size
            batches_of_images = (images[start : start + size] for start in range(0, len(images), size))
            return [result for batch in batches_of_images for result in self._predict_images(batch, constraints)]
        return self._predict_images([images], constraints)[0]

    def _predict_images(self, images: Sequence[ImageLike], constraints: Constraints) -> list[Prediction]:
        opened = [_open(image) for image in images]
        feature_maps, features = self.encode(torch.stack(list(map(self.model.backbone.pixels, opened))))
        names = [str(image) if isinstance(image, str | Path) else None for image in images]
        rows = zip(names, opened, self.decode(features, constraints), feature_maps, features, strict=True)
        return [Prediction(*row) for row in rows]

    def explain(
        self, result: Prediction, path: int = 0, method: str = DEFAULT_METHOD, target: str = DEFAULT_TARGET
    ) -> PathExplanation:
        """A map for every step of one of the result's paths (0 is the best) and for its END.

        Of a forced label, too: what in the image speaks for it. Raises CheckpointError for the sigmoid baseline,
        UserError for an unknown path, method or target, and TypeError for what is no result.
        """
        if not isinstance(result, Prediction):
            raise TypeError(f"explain takes a Prediction, as in explain(predictor(image)), not {_type_name(result)}")
        model = self.checkpoint.rnn
        if not 0 <= path < len(result.trace.paths):
            raise UserError(f"the search kept {len(result.trace.paths)} paths; path {path} is not among them")
        for kind, name, known in (("method", method, METHODS), ("target", target, TARGETS)):
            if name not in known:
                raise UserError(f"no {kind} '{name}'; {did_you_mean(name, known)}choose one of {', '.join(known)}")
        tokens = result.trace.paths[path].tokens
        pixels = model.backbone.preprocess(result.image).to(model.device)  # (3, size, size)
        explanation = explain(model, result.feature_map, tokens, method, TARGETS[target], pixels)
        return PathExplanation(result, path, explanation)

    def label_space(self) -> LabelSpace:
        """The space in which labels, images and decoding steps are compared. Raises CheckpointError for a baseline."""
        return LabelSpace(self.labels, self.checkpoint.rnn.label_vectors())


def _open(image: ImageLike) -> Image.Image:
    """RGB, upright, and at most `MAX_SIDE` pixels long. Raises ImageError, which names the file, and TypeError."""
    if isinstance(image, str | Path):
        try:
            return open_image(Path(image), MAX_SIDE)
        except ImageError as error:
            raise ImageError(f"{image}: {error}") from None
    if isinstance(image, bytes):
        return open_image(image, MAX_SIDE)
    if not isinstance(image, Image.Image | np.ndarray):
        raise TypeError(
            f"an image is a path, a file's bytes, a PIL image or an array (height, width, 3) of uint8, not "
            f"{_type_name(image)}; give several as a list"
        )
    try:
        pil = Image.fromarray(image) if isinstance(image, np.ndarray) else ImageOps.exif_transpose(image)
        buffer = BytesIO()  # a file in memory, so that `open_image` treats every mode as it treats files
        pil.save(buffer, "TIFF")
    except (TypeError, ValueError, KeyError, OSError) as error:
        kind = f"an array {image.shape} of {image.dtype}" if isinstance(image, np.ndarray) else "this"
        raise ImageError(
            f"{kind} is not an image: {summarize_error(error)}; an array must be (height, width, 3) of uint8, 0 to 255"
        ) from error
    return open_image(buffer.getvalue(), MAX_SIDE)


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


@torch.no_grad()  # not inference_mode: attribution needs to differentiate with respect to the feature map later
def encode(
    model: CNNRNN | SigmoidClassifier, images: Tensor, forward: engines.Forward | None = None
) -> tuple[Tensor, Tensor]:
    """The one backbone pass: images (batch, 3, size, size), uint8 or preprocessed, -> feature map (batch, channel,
    height, width) and I (batch, location, feature). `forward` is the backbone's by another engine, for uint8."""
    feature_map = (forward or model.backbone)(to_device(model.device, images))
    return feature_map, model.image_feature(feature_map)


def decode_batch(
    model: CNNRNN | SigmoidClassifier, feature: Tensor, labels: Sequence[str], beam: int = 8, recurrence: bool = True
) -> list[Trace]:
    """I (batch, location, feature) -> one Trace per image, by beam search or, for the baseline, by its threshold."""
    if isinstance(model, SigmoidClassifier):
        return threshold_labels(model, feature, labels)
    return decode(model, feature, labels, beam, recurrence)


def find_images(paths: Sequence[Path]) -> tuple[list[Path], Counter[str]]:
    """Files as named, and of a folder every image in it and below, sorted; how many other files there are, by suffix.

    Raises UserError if there is no image.
    """
    found: list[Path] = []
    others: Counter[str] = Counter()
    for path in paths:
        inside, left_out = images_in(path) if path.is_dir() else ([path], Counter())
        found += inside
        others += left_out
    if not found:
        instead = f"; there are {suffix_counts(others)}" if others else ""
        raise UserError(f"no images ({', '.join(SUFFIXES)}) in {', '.join(map(str, paths))}{instead}")
    return found, others


def suffix_counts(counts: Counter[str]) -> str:
    """Such as "3 × .txt, 1 without a suffix"."""
    return ", ".join(f"{n} × {suffix}" if suffix else f"{n} without a suffix" for suffix, n in counts.most_common())


def encode_image(
    checkpoint: Checkpoint, image: Image.Image, forward: engines.Forward | None = None
) -> tuple[Tensor, Tensor]:
    """One RGB image -> its feature map (channel, height, width), kept to explain steps later, and I."""
    feature_map, feature = encode(checkpoint.model, checkpoint.model.backbone.pixels(image).unsqueeze(0), forward)
    return feature_map[0], feature[0]


def decode_image(
    checkpoint: Checkpoint, feature: Tensor, beam: int, constraints: Constraints = NO_CONSTRAINTS
) -> Trace:
    """Beam search for one image from its I."""
    return decode(checkpoint.rnn, feature.unsqueeze(0), checkpoint.vocabulary.labels, beam, constraints=constraints)[0]
