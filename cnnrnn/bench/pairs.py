"""The timed pairs: each line of the bench, and the reference as a competent user would write it."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from torch import Tensor

from cnnrnn.attribution.explain import explain
from cnnrnn.bench import models, naive
from cnnrnn.bench.timing import Pair
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.beam_search import decode
from cnnrnn.decoding.prefix_cache import teacher_forced_logits
from cnnrnn.inference import int8
from cnnrnn.inference.config import INT8
from cnnrnn.inference.predictor import Predictor, decode_batch, encode
from cnnrnn.training.losses import sequence_loss

_BATCH, _BEAM, _LABELS = 64, 8, 80
_LOCATIONS = 144  # of a model with spatial scoring at 384 px
_VOCABULARY_IMAGES = 16  # of very many labels, whose probabilities are stored at every step


def searches(device: torch.device) -> Iterator[Pair]:
    """Beam search against one image after the other, and against `generate` where transformers is installed."""
    model, data = models.trained_model(_LABELS, device)
    names = data.vocabulary.labels
    feature, _ = data.images(_BATCH)
    best = [trace.paths[0].tokens for trace in decode(model, feature, names, _BEAM)]
    agreement = _agreement(best, [path for path, _ in naive.search(model, feature, _BEAM)])
    yield Pair(
        f"beam search, {_BATCH} images, beam {_BEAM}, {_LABELS} labels",
        "one image after the other, in Python",
        lambda: decode(model, feature, names, _BEAM),
        lambda: naive.search(model, feature, _BEAM),
        at_least=12,
        remark=f"same best path for {agreement}",
    )
    try:
        from cnnrnn.bench.generate import Generate
    except ImportError:
        return
    generate = Generate(model)
    for batch, goal in ((_BATCH, 6.0), (1, 2.0)):
        part = feature[:batch]
        agreement = _agreement(best[:batch], generate.search(part, _BEAM))
        yield Pair(
            f"beam search, {batch} images, beam {_BEAM}, {_LABELS} labels",
            f"transformers' generate(num_beams={_BEAM})",
            lambda part=part: decode(model, part, names, _BEAM),  # type: ignore[misc]
            lambda part=part: generate.search(part, _BEAM),  # type: ignore[misc]
            at_least=goal,
            remark=f"same best path for {agreement}",
        )
    spatial, spatial_data = models.trained_model(_LABELS, device, _LOCATIONS)
    locations, _ = spatial_data.images(_BATCH)
    yield Pair(
        f"beam search, {_BATCH} images, beam {_BEAM}, {_LABELS} labels scored at {_LOCATIONS} locations",
        f"transformers' generate(num_beams={_BEAM}) around the pooled decoder, which does less",
        lambda: decode(spatial, locations, names, _BEAM),
        lambda: generate.search(feature, _BEAM),
        at_least=4,
    )


def growth(device: torch.device) -> Iterator[Pair]:
    """How the time of a search grows with its labels and its beam: docs/growth.py draws these lines."""
    label_counts, beams = (20, 80, 1_000, 10_000, 100_000), (1, 2, 4, 8, 16, 32, 64)
    search = models.untrained_search(label_counts[0], 5, device)
    for count in label_counts[1:]:
        by_more = models.untrained_search(count, 5, device)
        yield Pair(
            f"{count:,} labels, {_VOCABULARY_IMAGES} images, beam {_BEAM}",
            f"{label_counts[0]} labels",
            lambda by_more=by_more: by_more(_VOCABULARY_IMAGES),  # type: ignore[misc]
            lambda: search(_VOCABULARY_IMAGES),
            at_most=count / label_counts[0],
            rounds=3,
        )
    model, data = models.trained_model(_LABELS, device)
    feature, _ = data.images(_BATCH)
    for beam in beams[1:]:
        yield Pair(
            f"{beam} sequences in the beam, {_BATCH} images, {_LABELS} labels",
            "a beam of 1",
            lambda beam=beam: decode(model, feature, data.vocabulary.labels, beam),  # type: ignore[misc]
            lambda: decode(model, feature, data.vocabulary.labels, 1),
            at_most=beam,
        )


def vocabulary(device: torch.device) -> Iterator[Pair]:
    """Very many labels, by heads of the paper's size with random weights that are made to end after five labels."""
    for few, many in ((1_000, 10_000), (10_000, 100_000)):
        by_few, by_many = models.untrained_search(few, 5, device), models.untrained_search(many, 5, device)
        trace_bytes = sum(step.probs.nbytes for step in by_many(1)[0].steps)
        yield Pair(
            f"{many:,} labels, {_VOCABULARY_IMAGES} images, beam {_BEAM}",
            f"{few:,} labels",
            lambda by_many=by_many: by_many(_VOCABULARY_IMAGES),  # type: ignore[misc]
            lambda by_few=by_few: by_few(_VOCABULARY_IMAGES),  # type: ignore[misc]
            at_most=15,
            rounds=3,
            remark=f"10 times as many labels; an image's trace keeps {trace_bytes / 1e6:.1f} MB",
        )


def checkpoint_lines(checkpoint: Checkpoint) -> Iterator[Pair]:
    """What decoding, maps and a training step cost beside the backbone alone."""
    model, labels = checkpoint.rnn, checkpoint.vocabulary.labels
    size = model.backbone.config.image_size
    images = torch.randn(16, 3, size, size, device=model.device)
    yield Pair(
        "backbone and decoding, 16 images",
        "the backbone alone",
        lambda: decode_batch(model, encode(model, images)[1], labels),
        lambda: encode(model, images),
        at_most=1.05,
        rounds=3,
    )
    feature_map, feature = encode(model, images[:1])
    tokens = decode(model, feature, labels, _BEAM)[0].paths[0].tokens or (0, 1)
    yield Pair(
        "all maps of a path",
        "the backbone, one image",
        lambda: explain(model, feature_map[0], tokens),
        lambda: encode(model, images[:1]),
        at_most=0.5,
    )
    batch = images[:8]
    inputs = torch.tensor([[model.start, 0, 1]], device=model.device).expand(len(batch), -1)
    targets = torch.tensor([[0, 1, model.end]], device=model.device).expand(len(batch), -1)

    def step() -> None:
        loss = sequence_loss(teacher_forced_logits(model, model.image_feature(model.backbone(batch)), inputs), targets)
        loss.backward()
        model.zero_grad(set_to_none=True)

    def bare() -> None:
        model.backbone(batch).mean().backward()
        model.zero_grad(set_to_none=True)

    yield Pair("end-to-end training step, 8 images", "the bare backbone's", step, bare, at_most=1.1, rounds=3)


def folder(checkpoint: Checkpoint, images: list[Path], engine: str | None, precision: str) -> Iterator[Pair]:
    """`predict` over a folder, against timm's model as its documentation uses it; its weights make no difference."""
    model, labels = checkpoint.rnn, checkpoint.vocabulary.labels
    device = model.device
    network: Any = timm.create_model(model.backbone.config.name, pretrained=False, num_classes=0).eval().to(device)
    data = resolve_model_data_config(network) | {"input_size": (3, *[model.backbone.config.image_size] * 2)}
    transform: Callable[[Image.Image], Tensor] = create_transform(**data, is_training=False)
    exact = Predictor(checkpoint, device=str(device))
    predictors = [(Predictor(checkpoint, engine=engine, precision=precision, device=str(device)), 6.0)]  # with the goal
    if engine in (None, int8.ENGINE) and device.type == "cpu" and int8.kept_file(checkpoint).exists():
        predictors.append((Predictor(checkpoint, precision=INT8, device="cpu"), 12.0))

    @torch.inference_mode()
    def theirs(some: list[Path] = images) -> None:
        for first in range(0, len(some), 16):
            batch = [transform(Image.open(path).convert("RGB")) for path in some[first : first + 16]]
            network.forward_features(torch.stack(batch).to(device))

    def best_paths(predictor: Predictor) -> list[tuple[int, ...]]:
        results = (result for _, result in predictor.predict(images))
        return [() if isinstance(result, str) else result.paths[0].tokens for result in results]

    expected = best_paths(exact)
    theirs(images[:16])
    for predictor, goal in predictors:
        same = _agreement(best_paths(predictor), expected) if predictor.engine != "torch" else "all, it is torch"
        yield Pair(
            f"predict, {len(images)} images, {predictor.engine}, {predictor.config.precision}",
            "timm's backbone, eager, batches of 16, PIL in the loop",
            lambda predictor=predictor: deque(predictor.predict(images), maxlen=0),  # type: ignore[misc]
            theirs,
            at_least=goal,
            rounds=1,
            warm=True,
            remark=f"same path as torch's for {same}; {len(labels)} labels decoded, which the reference doesn't",
        )


def cached_training(device: torch.device) -> Iterator[Pair]:
    """An epoch on features that were computed before, against reading them from disk."""
    trained, data = models.trained_model(_LABELS, device)
    model = copy.deepcopy(trained).requires_grad_(True)
    head = models.head(model)
    count = 20_000
    feature, label_sets = data.images(count)
    with TemporaryDirectory(dir=".") as directory:  # not /tmp, which may be memory
        file = Path(directory) / "features.npy"
        np.save(file, feature.cpu().numpy())
        inputs, targets = (tokens.to(device) for tokens in data.vocabulary.encode(label_sets))

        def read() -> Iterator[tuple[slice, Tensor]]:
            _drop_from_page_cache(file)
            features = np.load(file, mmap_mode="r", allow_pickle=False)
            for first in range(0, count, _BATCH):
                rows = slice(first, first + _BATCH)
                yield rows, torch.from_numpy(np.array(features[rows])).to(device)

        def ours() -> None:
            for rows, feature in read():
                torch.autograd.grad(
                    sequence_loss(teacher_forced_logits(model, feature, inputs[rows]), targets[rows]), head
                )

        yield Pair(
            "an epoch on cached features, 20,000 images",
            "reading them",
            ours,
            lambda: [feature.sum() for _, feature in read()],
            at_most=3,
            rounds=2,
            remark=f"LSTM 512, {_LABELS} labels, {np.mean([len(labels) for labels in label_sets]):.1f} an image",
        )


def _drop_from_page_cache(file: Path) -> None:
    """Drop a file from the page cache, so that it is read from the disk again."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def start() -> Iterator[Pair]:
    """Imports and --help, in processes of their own."""

    def python(*arguments: str) -> Callable[[], Any]:
        return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    torch_alone = python("-c", "import torch")
    yield Pair("import cnnrnn", "import torch", python("-c", "import cnnrnn"), torch_alone, at_most=1.1)
    yield Pair(
        "cnnrnn --help",
        "import torch",
        python("-m", "cnnrnn.cli.main", "--help"),
        torch_alone,
        at_most=1.1,
        remark="wanted below 0.5 s, without torch",
    )


def _agreement(one: list[tuple[int, ...]], other: list[tuple[int, ...]]) -> str:
    same = sum(a == b for a, b in zip(one, other, strict=True))
    return f"{100 * same / len(one):.1f} %"
