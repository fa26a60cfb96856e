"""The caches of the dashboard: every result belongs to its own model, image and settings."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import image_files
import state
from cnnrnn.attribution.explain import explain, prefix_contribution
from cnnrnn.attribution.methods import METHODS
from cnnrnn.attribution.overlay import overlay
from cnnrnn.attribution.targets import TARGETS, against
from cnnrnn.checkpoint import METRICS, Checkpoint, CheckpointError, file_hash
from cnnrnn.data import Sample, Split
from cnnrnn.decoding.constraints import Constraints
from cnnrnn.inference.predictor import decode_batch, decode_image, encode_image
from cnnrnn.label_space.projection import compute
from cnnrnn.training.initialize import new_checkpoint
from cnnrnn.utils.files import json_text

LABELS = ("ant", "bee", "cat", "dog", "elk")


def new_model(seed: int, **settings: object) -> Checkpoint:
    """A small model with random weights."""
    samples = tuple(Sample(Path(f"{label}.jpg"), (label,)) for label in LABELS)
    checkpoint = new_checkpoint(
        Split("toy", LABELS, samples), "test_byobnet", 64, False, seed, torch.device("cpu"), **settings
    )
    checkpoint.model.eval()
    return checkpoint


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(state, "CHECKPOINTS", tmp_path)
    return tmp_path


@pytest.fixture
def checkpoint(checkpoints: Path) -> Checkpoint:
    new_model(0, embedding_dim=8, hidden_dim=8).save(checkpoints / "toy", {}, card="")
    return state.load_checkpoint("toy")


def test_checkpoint_names_are_folders_with_a_config_default_first(checkpoints: Path) -> None:
    for name in ("zebra", "coco", "ant"):
        (checkpoints / name).mkdir()
        (checkpoints / name / "config.json").write_text("{}")
    (checkpoints / "empty").mkdir()
    assert state.checkpoint_names() == ["coco", "ant", "zebra"]


def test_a_checkpoint_is_cached_until_its_folder_changes(checkpoints: Path, checkpoint: Checkpoint) -> None:
    assert state.load_checkpoint("toy") is checkpoint
    assert checkpoint.weights_hash == file_hash(checkpoints / "toy" / "model.safetensors")
    new_model(1, embedding_dim=8, hidden_dim=8).save(checkpoints / "toy", {}, card="")
    again = state.load_checkpoint("toy")
    assert again is not checkpoint
    assert again.weights_hash == file_hash(checkpoints / "toy" / "model.safetensors") != checkpoint.weights_hash
    with pytest.raises(CheckpointError, match="missing"):
        state.load_checkpoint("missing")


def test_results_are_read_from_the_checkpoint(checkpoints: Path, checkpoint: Checkpoint) -> None:
    assert state.results("toy")["val"] == {}
    (checkpoints / "toy" / METRICS).write_text(json_text({"val": {"mAP": 50.0}}))
    assert state.results("toy")["val"] == {"mAP": 50.0}


def test_the_stored_projection_is_used_only_for_its_own_weights(checkpoints: Path, checkpoint: Checkpoint) -> None:
    points = checkpoint.rnn.label_vectors()
    pca = state.projection("toy", checkpoint)
    assert pca == compute(points, methods=("PCA",))
    assert list(pca["maps"]) == ["PCA"]
    stored = {"weights_sha256": "another", "maps": {"mine": {"coordinates": [[1.0, 2.0]] * 5}}}
    (checkpoints / "toy" / "projection.json").write_text(json_text(stored))
    assert state.projection("toy", checkpoint) == pca
    stored["weights_sha256"] = checkpoint.weights_hash
    (checkpoints / "toy" / "projection.json").write_text(json_text(stored))
    assert state.projection("toy", checkpoint) == stored
    other = new_model(2, embedding_dim=8, hidden_dim=8)
    other.save(checkpoints / "other", {}, card="")
    assert state.projection("other", other) == compute(other.rnn.label_vectors(), methods=("PCA",)) != pca


def test_files_are_listed_with_current_sizes_and_hashes(checkpoints: Path) -> None:
    folder = checkpoints / "toy"
    (folder / "folder").mkdir(parents=True)
    (folder / "b.txt").write_bytes(b"x" * 1234)
    (folder / "a.txt").write_bytes(b"abc")
    assert state.files("toy") == [
        {"file": "a.txt", "kB": 0.0, "SHA-256": hashlib.sha256(b"abc").hexdigest()},
        {"file": "b.txt", "kB": 1.2, "SHA-256": hashlib.sha256(b"x" * 1234).hexdigest()},
    ]
    before = (folder / "a.txt").stat()
    (folder / "a.txt").write_bytes(b"xyz")  # as long as before
    os.utime(folder / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert state.files("toy")[0]["SHA-256"] == hashlib.sha256(b"xyz").hexdigest()


def test_traces_are_cached_by_model_image_beam_and_constraints(
    checkpoint: Checkpoint, image: image_files.InputImage, turned: image_files.InputImage
) -> None:
    other = new_model(3, embedding_dim=8, hidden_dim=8)
    other.weights_hash = "other"
    constrained = Constraints(((0, 3),), (1,))
    results = []
    for model, input_image, beam, constraints in (
        (checkpoint, image, 1, Constraints()),
        (other, image, 1, Constraints()),
        (checkpoint, turned, 1, Constraints()),
        (checkpoint, image, 3, Constraints()),
        (checkpoint, image, 1, constrained),
    ):
        found = state.trace(model, input_image, beam, constraints)
        feature = encode_image(model, input_image.pixels)[1]
        expected = decode_image(model, feature, beam, constraints)
        assert (found.beam, found.constraints, found.paths) == (beam, constraints, expected.paths)
        np.testing.assert_array_equal(found.marginals, expected.marginals)
        assert state.trace(model, input_image, beam, constraints) is found  # cached
        torch.testing.assert_close(state.feature(model, input_image), feature.unsqueeze(0))
        results.append(tuple(found.marginals))
    assert len(set(results)) == len(results)
    assert state.trace(checkpoint, image, 3).constraints == Constraints()
    renamed = image_files.InputImage("renamed.png", image.pixels, image.digest, ("ant",))
    assert state.trace(checkpoint, renamed, 3) is state.trace(checkpoint, image, 3)  # the digest is the key


def test_a_model_whose_labels_were_renamed_has_traces_of_its_own(
    checkpoint: Checkpoint, image: image_files.InputImage
) -> None:
    """The weights are the same."""
    names = tuple(label.upper() for label in checkpoint.vocabulary.labels)
    renamed = replace(checkpoint, vocabulary=replace(checkpoint.vocabulary, labels=names))
    assert state.trace(checkpoint, image, 1).labels == checkpoint.vocabulary.labels
    assert state.trace(renamed, image, 1).labels == names


def test_predict_searches_with_a_sequence_model_and_thresholds_the_baseline(
    checkpoint: Checkpoint, image: image_files.InputImage, turned: image_files.InputImage
) -> None:
    assert state.predict(checkpoint, image, 2) is state.trace(checkpoint, image, 2)
    baseline = new_model(0, head="sigmoid")
    baseline.weights_hash = "baseline"
    for input_image in (image, turned):
        feature = encode_image(baseline, input_image.pixels)[1].unsqueeze(0)
        expected = decode_batch(baseline.model, feature, LABELS)[0]
        found = state.predict(baseline, input_image, 2)
        assert (found.steps, found.paths, found.labels) == ((), expected.paths, LABELS)
        np.testing.assert_array_equal(found.marginals, expected.marginals)


def test_prefix_contributions_are_cached_by_path_and_image(
    checkpoint: Checkpoint, image: image_files.InputImage, turned: image_files.InputImage
) -> None:
    results = []
    for input_image in (image, turned):
        for tokens in ((2, 0), (0, 2), (2,)):
            found = state.prefix_contribution(checkpoint, input_image, tokens)
            feature = encode_image(checkpoint, input_image.pixels)[1].unsqueeze(0)
            assert found == pytest.approx(prefix_contribution(checkpoint.rnn, feature, tokens).tolist())
            assert len(found) == len(tokens) + 1
            results.append(tuple(found))
    assert len(set(results)) == len(results)


def test_the_backbone_computes_on_all_cores_and_the_decoder_on_one(
    image: image_files.InputImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = new_model(5, embedding_dim=8, hidden_dim=8)
    checkpoint.weights_hash = "seen by no other test"
    threads: dict[str, int] = {}

    def recording(name: str) -> None:
        compute = getattr(state, name)

        def record(*arguments: object) -> object:
            threads[name] = torch.get_num_threads()
            return compute(*arguments)

        monkeypatch.setattr(state, name, record)

    for name in ("encode_image", "decode_image", "explain", "compute_prefix_contribution"):
        recording(name)
    monkeypatch.setattr(state, "_CORES", 3)
    torch.set_num_threads(1)  # as another session's decoder leaves it to a new thread for a moment
    tokens = state.trace(checkpoint, image, 2).paths[0].tokens
    state.prefix_contribution(checkpoint, image, tokens)
    state.explanation(checkpoint, image, tokens, state.MapSettings())
    assert threads == {"encode_image": 3, "decode_image": 1, "explain": 1, "compute_prefix_contribution": 1}
    assert torch.get_num_threads() == 3
    state.explanation(checkpoint, image, tokens, state.MapSettings("smoothgrad"))
    assert threads["explain"] == 1
    state.explanation(checkpoint, image, tokens, state.MapSettings("input-x-gradient"))
    assert threads["explain"] == 3  # through the backbone
    monkeypatch.undo()
    torch.set_num_threads(state._CORES)


@pytest.mark.parametrize("method", ["cam", "grad-cam", "input-x-gradient"])
@pytest.mark.parametrize("target", ["log-odds", "logit", 3, 5])
def test_an_explanation_uses_the_given_method_and_target(
    method: str, target: str | int, checkpoint: Checkpoint, image: image_files.InputImage
) -> None:
    assert method in METHODS
    tokens = (2, 0)
    feature_map = encode_image(checkpoint, image.pixels)[0]
    explained = against(target) if isinstance(target, int) else TARGETS[target]
    pixels = checkpoint.model.backbone.preprocess(image.pixels) if method == "input-x-gradient" else None
    expected = explain(checkpoint.rnn, feature_map, tokens, method, explained, pixels)
    found = state.explanation(checkpoint, image, tokens, state.MapSettings(method, target))
    assert (found.tokens, found.method) == (tokens, method)
    torch.testing.assert_close(found.scores, expected.scores)
    torch.testing.assert_close(found.maps, expected.maps)
    assert found.maps.abs().max() > 0
    drawn_otherwise = state.MapSettings(method, target, opacity=0.1, floor=0.5)
    assert state.explanation(checkpoint, image, tokens, drawn_otherwise) is found  # cached without these two


def test_the_default_explanation_is_cam_of_the_log_odds(
    checkpoint: Checkpoint, image: image_files.InputImage, turned: image_files.InputImage
) -> None:
    results = []
    for input_image in (image, turned):
        for tokens in ((2, 0), (0, 2)):
            found = state.explanation(checkpoint, input_image, tokens, state.MapSettings())
            expected = explain(checkpoint.rnn, encode_image(checkpoint, input_image.pixels)[0], tokens, "cam")
            torch.testing.assert_close(found.maps, expected.maps)
            results.append(found.maps.flatten().tolist())
    assert len({str(values) for values in results}) == 4
    assert state.MapSettings() == state.MapSettings("cam", "log-odds", 0.7, 0.0, False)


def pixels(data: bytes) -> np.ndarray:
    opened = Image.open(io.BytesIO(data))
    assert opened.format == "JPEG"
    return np.asarray(opened).astype(int)


def test_an_overlay_uses_the_given_opacity_floor_and_scale() -> None:
    image = image_files.InputImage("grey", Image.new("RGB", (300, 200), (120, 120, 120)), "")
    values = torch.tensor([[0.0, 1.0, 2.0], [0.5, 4.0, -1.0]])
    settings = list(itertools.product((0.3, 0.9), (0.0, 0.45), (4.0, 6.0)))  # opacity, floor, scale
    expected = np.stack(
        [np.asarray(overlay(image.pixels, values.numpy(), scale, *rest)) for *rest, scale in settings]
    ).astype(int)
    for index, (opacity, floor, scale) in enumerate(settings):
        found = pixels(state.render_overlay(image, values, scale, state.MapSettings(opacity=opacity, floor=floor)))
        errors = np.abs(expected - found).mean(axis=(1, 2, 3))
        assert errors.argmin() == index  # a JPEG is nearly the same, and no other is as near
        assert errors[index] < 3  # the contour has sharp edges


def test_a_map_over_a_tiny_image_is_drawn_as_over_a_larger_one() -> None:
    def drawn(size: tuple[int, int]) -> np.ndarray:
        image = image_files.InputImage("grey", Image.new("RGB", size, (120, 120, 120)), "")
        values = torch.tensor([[0.0, 0.0], [0.0, 4.0]])
        return pixels(state.render_overlay(image, values, 4.0, state.MapSettings()))

    assert drawn((14, 7)).shape == (140, 280, 3)
    assert (drawn((14, 7)) == drawn((280, 140))).all()  # the contour is as thin
    assert drawn((1, 400)).shape == (400, 1, 3)
    assert drawn((900, 450)).shape == (450, 900, 3)


def test_overlays_of_a_path_are_in_step_order_each_on_its_own_scale_or_all_on_one(
    checkpoint: Checkpoint, image: image_files.InputImage
) -> None:
    tokens, drawn = (2, 0, 1, 4), set()
    for maps in (
        state.MapSettings(),
        state.MapSettings(opacity=0.2),
        state.MapSettings(floor=0.6),
        state.MapSettings(method="occlusion"),
        state.MapSettings(target="logit"),
        state.MapSettings(target=1),
        state.MapSettings(common_scale=True),
    ):
        explained = state.explanation(checkpoint, image, tokens, maps)
        strongest = float(explained.smoothed.max())
        scales = [strongest if maps.common_scale else max(float(values.max()), 0) for values in explained.smoothed]
        expected = [
            state.render_overlay(image, values, scale, maps)
            for values, scale in zip(explained.smoothed, scales, strict=True)
        ]
        assert state.overlays(checkpoint, image, tokens, maps) == expected
        drawn |= set(expected)
    assert len(drawn) > 5  # not every step of an untrained model has evidence
