"""The predictions that travel with a checkpoint: they come back, they hold no path, and a bad file is one sentence."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from cnnrnn.data import Sample, Split
from cnnrnn.evaluation import recorded
from cnnrnn.evaluation.evaluate import Evaluation, Predictions, Steps, report
from cnnrnn.evaluation.recorded import predictions_file, read_predictions, remove_predictions, save_predictions
from cnnrnn.utils.errors import UserError

PACKED = partial(gzip.compress, mtime=0)  # a test's name is the same in every process
LABELS = tuple("abcdefghij")
IMAGES = 30


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    rng = np.random.default_rng(0)
    shape = (IMAGES, len(LABELS))
    truth, ignored = rng.random(shape) < 0.4, rng.random(shape) < 0.05
    truth &= ~ignored
    predictions = Predictions(*shape)
    predictions.probabilities[:] = predictions.marginals[:] = rng.random(shape)
    predictions.best_path[:] = truth ^ (rng.random(shape) < 0.2)
    predictions.coverage[:] = rng.random(IMAGES)
    samples = []
    for row in range(IMAGES):
        path = tmp_path / "secret" / ("one" if row < 9 else "other") / f"{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([row]))
        names = [tuple(LABELS[i] for i in np.flatnonzero(values[row])) for values in (truth, ignored)]
        samples.append(Sample(path, *names))
    metrics = report(truth, ignored, predictions, LABELS, 3, 0.4)
    metrics["errors"] = {str(samples[2].image): f"{samples[2].image} is damaged"}
    rows, columns = np.nonzero(predictions.best_path)
    steps = Steps(
        rows, columns, rng.normal(size=len(rows)).astype(np.float32), rng.integers(-1, 10, len(rows)),
        np.where(rng.random(len(rows)) < 0.2, np.nan, rng.random(len(rows))).astype(np.float32),
    )  # fmt: skip
    sizes = np.where(truth, rng.random(shape), np.nan).astype(np.float32)
    split = Split("Some data, test", LABELS, tuple(samples))
    return Evaluation(split, LABELS, truth, ignored, predictions, metrics, steps, sizes)


@pytest.fixture
def file(evaluation: Evaluation, tmp_path: Path) -> Path:
    return save_predictions(tmp_path / "model", evaluation, "f00")


def test_an_evaluation_comes_back(evaluation: Evaluation, file: Path, tmp_path: Path) -> None:
    assert file == predictions_file(tmp_path / "model", "Some data, test")
    assert file.name == "predictions-some-data-test.safetensors.gz"
    found = read_predictions(file, LABELS, "f00")
    assert found.split.name == "Some data, test"
    for name in ("truth", "ignored"):
        np.testing.assert_array_equal(getattr(found, name), getattr(evaluation, name))
    np.testing.assert_array_equal(found.predictions.best_path, evaluation.predictions.best_path)
    assert np.abs(found.predictions.probabilities - evaluation.predictions.probabilities).max() < 0.5 / 4095 + 1e-6
    np.testing.assert_allclose(found.predictions.coverage, evaluation.predictions.coverage, atol=1e-3)
    assert found.steps is not None
    assert evaluation.steps is not None
    for name in ("image", "label", "prefix", "raised_by", "strength"):
        np.testing.assert_allclose(getattr(found.steps, name), getattr(evaluation.steps, name), atol=2e-3)
    np.testing.assert_allclose(found.sizes, evaluation.sizes, atol=1e-3)
    for key in ("mAP", "OF1", "CF1", "exact_match", "coverage"):
        assert found.metrics[key] == pytest.approx(evaluation.metrics[key], abs=0.1)
    assert (found.metrics["min_positives"], found.metrics["threshold"]) == (3, 0.4)
    samples = [(set(sample.labels), set(sample.ignored)) for sample in found.split.samples]
    assert samples == [(set(sample.labels), set(sample.ignored)) for sample in evaluation.split.samples]


def test_the_file_names_images_by_content_and_not_by_the_machine(file: Path) -> None:
    content = gzip.decompress(file.read_bytes())
    assert b"secret" not in content
    found = read_predictions(file, LABELS, "f00")
    assert [sample.image.as_posix() for sample in found.split.samples][8:10] == ["one/8.jpg", "other/9.jpg"]
    assert found.digests is not None
    assert found.digests[7] == hashlib.sha256(bytes([7])).hexdigest()[:16]
    assert found.metrics["errors"] == {"one/2.jpg": "one/2.jpg is damaged"}


def test_the_predictions_of_a_run_lie_beside_its_best_weights(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "run" / "best").mkdir(parents=True)
    (tmp_path / "run" / "best" / "config.json").touch()
    file = save_predictions(tmp_path / "run", evaluation, "f00")
    assert file == predictions_file(tmp_path / "run" / "best", "Some data, test")
    assert file.is_file()


def test_an_evaluation_without_steps_and_sizes(evaluation: Evaluation, tmp_path: Path) -> None:
    plain = Evaluation(*[getattr(evaluation, name) for name in list(Evaluation.__dataclass_fields__)[:6]])
    found = read_predictions(save_predictions(tmp_path / "model", plain, "f00"), LABELS, "f00")
    assert found.steps is None
    assert found.sizes is None


Arrays = dict[str, np.ndarray]


def changed(file: Path, change: Callable[[Arrays, dict[str, Any]], object]) -> Path:
    content = gzip.decompress(file.read_bytes())
    arrays, header = dict(safetensors.numpy.load(content)), recorded._header(content)
    change(arrays, header)
    file.write_bytes(gzip.compress(safetensors.numpy.save(arrays, {"predictions": json.dumps(header)})))
    return file


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, header: header.update(format="other"),
        lambda arrays, header: header.update(images=header["images"][1:]),
        lambda arrays, header: header.update(images=[1] * IMAGES),
        lambda arrays, header: header.update(images=["x" * 2000] * IMAGES),
        lambda arrays, header: header.update(labels=list("abcdefghik")),
        lambda arrays, header: header.update(errors=3),
        lambda arrays, header: header.update(threshold="high"),
        lambda arrays, header: header.pop("min_positives"),
        lambda arrays, header: arrays.pop("truth"),
        lambda arrays, header: arrays.update(truth=arrays["truth"][1:]),
        lambda arrays, header: arrays.update(probabilities=np.full_like(arrays["probabilities"], 255)),
        lambda arrays, header: arrays.update(probabilities=arrays["probabilities"].astype(np.float32)),
        lambda arrays, header: arrays.update({"steps.label": arrays["steps.label"] + 5}),
        lambda arrays, header: arrays.update({"steps.image": arrays["steps.image"] - 1}),
        lambda arrays, header: arrays.update({"steps.raised_by": arrays["steps.raised_by"][:4]}),
        lambda arrays, header: arrays.update({"steps.prefix": arrays["steps.prefix"] * np.float16(np.inf)}),
        lambda arrays, header: arrays.update(sizes=arrays["sizes"].T.copy()),
    ],
)  # fmt: skip
def test_a_changed_file_is_refused(file: Path, change: Callable[[Arrays, dict[str, Any]], object]) -> None:
    with pytest.raises(UserError, match=r"can't be read: .*evaluate it with"):
        read_predictions(changed(file, change), LABELS, "f00")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        PACKED(b""),
        PACKED(b"\xff" * 100),
        PACKED(b"x" * 100)[:-9],
        PACKED((2).to_bytes(8, "little") + b"{}"),
        PACKED((10**6).to_bytes(8, "little") + b"[" * 10**6),
    ],
)
def test_a_damaged_file_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(UserError, match="can't be read"):
        read_predictions(file, LABELS, "f00")


def test_a_bomb_a_link_and_other_weights_are_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="recorded with other weights"):
        read_predictions(file, LABELS, "f01")
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(UserError, match="it is a link"):
        read_predictions(tmp_path / "link", LABELS, "f00")
    monkeypatch.setattr(recorded, "_MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(UserError, match="larger than 1,000 bytes unpacked"):
        read_predictions(file, LABELS, "f00")
    monkeypatch.setattr(recorded, "_MAX_BYTES", 100)
    with pytest.raises(UserError, match="larger than 100 bytes"):
        read_predictions(file, LABELS, "f00")


def test_predictions_are_removed(file: Path) -> None:
    remove_predictions(file.parent)
    assert not file.exists()
