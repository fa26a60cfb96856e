"""What a notebook imports: the lines of the README, on a small trained model."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cnnrnn
from cnnrnn.data import load_split
from cnnrnn.data.images import ImageError
from cnnrnn.decoding.trace import Path as LabelSequence
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.style import percent


@pytest.fixture(scope="module")
def predictor(scenes_checkpoint: Path) -> cnnrnn.Predictor:
    return cnnrnn.load(scenes_checkpoint, device="cpu", beam=4)


@pytest.fixture(scope="module")
def images(scenes_root: Path) -> list[Path]:
    return [sample.image for sample in load_split("scenes", scenes_root, "test").samples if len(sample.labels) == 2][:5]


def test_importing_cnnrnn_needs_no_torch() -> None:
    code = "import sys, cnnrnn; dir(cnnrnn); print(sorted({'torch', 'PIL', 'numpy'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_exported_name_can_be_imported() -> None:
    assert set(cnnrnn.__all__) <= set(dir(cnnrnn))
    for name in cnnrnn.__all__:
        assert getattr(cnnrnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Prediktor'"):
        _ = cnnrnn.Prediktor  # type: ignore[attr-defined]


def test_one_image_is_the_same_as_a_path_bytes_pil_image_and_array(
    predictor: cnnrnn.Predictor, images: list[Path]
) -> None:
    path = images[0]
    pil = Image.open(path).convert("RGB")
    results = predictor([path, str(path), path.read_bytes(), pil, np.asarray(pil)])
    assert [result.name for result in results] == [str(path), str(path), None, None, None]
    for result in results:
        np.testing.assert_array_equal(np.asarray(result.image), np.asarray(pil))
        assert [path.labels for path in result.paths] == [path.labels for path in results[0].paths]
        np.testing.assert_allclose(result.trace.marginals, results[0].trace.marginals, atol=1e-5)
    alone = predictor(path)
    assert alone.labels == results[0].labels
    assert alone.probabilities == pytest.approx(results[0].probabilities, abs=1e-5)


def test_a_list_longer_than_a_batch_comes_back_in_order(scenes_checkpoint: Path, images: list[Path]) -> None:
    small = cnnrnn.load(scenes_checkpoint, device="cpu", batch_size=2)
    assert [result.name for result in small(images)] == [str(path) for path in images]
    for (path, trace), result in zip(small.predict(images), small(images), strict=True):
        assert isinstance(trace, cnnrnn.Trace), path
        np.testing.assert_allclose(result.trace.marginals, trace.marginals, atol=1e-6)


def test_a_prediction_is_the_best_path_the_marginals_and_the_paths_of_its_trace(
    predictor: cnnrnn.Predictor, images: list[Path]
) -> None:
    result = predictor(images[0])
    trace = result.trace
    assert result.labels == tuple(trace.names(trace.paths[0].tokens)) == result.paths[0].labels
    assert [path.probability for path in result.paths] == [path.prob for path in trace.paths]
    assert len(result.paths) == 4  # the beam
    values = list(result.probabilities.values())
    assert values == sorted(values, reverse=True)
    assert result.probabilities == pytest.approx(dict(zip(trace.labels, trace.marginals.tolist(), strict=True)))
    assert json.loads(json.dumps(result.to_dict())) == {"image": str(images[0]), **trace.summary()}


def test_an_explanation_has_an_overlay_for_every_step(
    predictor: cnnrnn.Predictor, images: list[Path], tmp_path: Path
) -> None:
    result = predictor(images[0])
    explanation = predictor.explain(result)
    assert explanation.steps == [*result.labels, "END"]
    assert len(explanation.maps) == len(explanation.steps)
    assert max(explanation.strengths) == 1
    files = explanation.save(tmp_path / "maps")
    assert [file.name for file in files] == [f"{n:02d}-{name}.png" for n, name in enumerate(explanation.steps, 1)]
    for file, overlay in zip(files, explanation.overlays(), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(file)), np.asarray(overlay))
    figure = explanation.figure()
    assert len(figure.layout.images) == len(explanation.steps)
    assert [text.text.split(" ")[2].rstrip(",") for text in figure.layout.annotations] == explanation.steps
    second = predictor.explain(result, path=1, method="grad-cam", target="logit")
    assert second.steps == [*result.paths[1].labels, "END"]
    assert second.explanation.method == "grad-cam"


def test_what_a_notebook_shows_is_one_short_line(
    predictor: cnnrnn.Predictor, images: list[Path], scenes_root: Path
) -> None:
    """The results hold arrays, the checkpoint a network, a split thousands of samples."""
    result = predictor(images[0])
    explanation = predictor.explain(result)
    (label, probability), *_ = result.probabilities.items()
    path = " → ".join([*result.labels, "END"])
    for shown, expected in (
        (result, f"<Prediction of {images[0]}: {label} {percent(probability)}, "),
        (result, f"; best path {path} ({percent(result.paths[0].probability)})>"),
        (result.trace, f"<Trace: best path {path} ("),
        (explanation, f"strongest evidence {result.labels[0]} "),
        (explanation.explanation, f"<Explanation of {len(explanation.steps)} steps by "),
        (predictor.label_space(), f"<LabelSpace of {len(predictor.labels)} labels ({predictor.labels[0]}, "),
        (predictor, f"<Predictor of CNN-RNN with {len(predictor.labels)} labels ({predictor.labels[0]}, "),
        (predictor, "beam 4, torch in float32 on cpu>"),
        (predictor.checkpoint, "on test_byobnet, 64 px>"),
        (predictor.checkpoint.vocabulary, f"<Vocabulary of {len(predictor.labels)} labels ("),
        (load_split("scenes", scenes_root, "test"), "<Split scenes test: 128 images, "),
    ):
        assert expected in repr(shown)
        assert len(repr(shown).replace(str(images[0]), "")) < 200, shown


def test_the_baselines_result_is_a_label_set_and_names_stay_on_their_line(images: list[Path]) -> None:
    baseline = cnnrnn.load("coco-sigmoid", device="cpu")
    assert repr(baseline).startswith("<Predictor of sigmoid baseline with 80 labels (person, car, chair, …) on ")
    trace = baseline(images[0]).trace
    assert f"predicted {', '.join(trace.names(trace.paths[0].tokens)) or 'no label'} (" in repr(trace)
    hostile = dataclasses.replace(trace, labels=("a\n\x1b[31mb",) * 80, paths=(LabelSequence((0,), -1.0, ()),))
    assert repr(hostile).isprintable()


def test_label_space_lists_the_nearest_labels(predictor: cnnrnn.Predictor) -> None:
    space = predictor.label_space()
    vectors = space.vectors.numpy() / np.linalg.norm(space.vectors.numpy(), axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.testing.assert_allclose(space.similarity(), cosines, atol=1e-5)
    row = space.labels.index("circle")
    order = [label for label in np.argsort(-cosines[row]) if label != row]
    assert [name for name, _ in space.neighbors("circle", k=3)] == [space.labels[label] for label in order[:3]]
    inner = space.vectors.numpy() @ space.vectors.numpy().T
    (name, value), *_ = space.neighbors("circle", k=1, measure="inner")
    assert value == pytest.approx(inner[row, space.labels.index(name)], abs=1e-5)


def test_what_can_not_be_done_is_one_line(predictor: cnnrnn.Predictor, images: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        predictor(tmp_path / "none.jpg")
    with pytest.raises(ImageError):
        predictor(np.zeros((4, 4, 7), dtype=np.uint8))
    result = predictor(images[0])
    with pytest.raises(UserError, match="path 9 is not among them"):
        predictor.explain(result, path=9)
    with pytest.raises(UserError, match="choose one of log-odds"):
        predictor.explain(result, target="vibes")
    with pytest.raises(UserError, match="no label 'unicorn'"):
        predictor.label_space().neighbors("unicorn")
    with pytest.raises(UserError, match="none is not there"):
        cnnrnn.load(tmp_path / "none")
    with pytest.raises(TypeError, match="beams"):
        cnnrnn.load(tmp_path, beams=3)


def test_labels_are_forced_and_excluded_by_name(predictor: cnnrnn.Predictor, images: list[Path]) -> None:
    plain = predictor(images[0])
    absent = next(label for label in predictor.labels if label not in plain.labels)
    forced = predictor(images[:3], force=[absent], exclude=[plain.labels[0]])
    for result in forced:
        assert all(path.labels[0] == absent and plain.labels[0] not in path.labels for path in result.paths)
        assert result.probabilities[plain.labels[0]] == 0
        assert result.probabilities[absent] == pytest.approx(1)
    by_index = cnnrnn.Constraints(((0, predictor.labels.index(absent)),), (predictor.labels.index(plain.labels[0]),))
    assert forced[0].trace.constraints == by_index
    assert predictor(images[0], force=absent).labels[0] == absent  # a single name is not taken for its letters
    assert predictor.explain(forced[0]).steps[0] == absent
    (one, two) = predictor.labels[:2]
    assert predictor(images[0], force=(two, one)).labels[:2] == (two, one)


def test_constraints_that_can_not_be_are_one_line(predictor: cnnrnn.Predictor, images: list[Path]) -> None:
    with pytest.raises(UserError, match=r"there is no label 'Circel'; did you mean 'circle'\? the \d+ labels are "):
        predictor(images[0], exclude=["Circel"])
    with pytest.raises(UserError, match="a forced label can't be banned"):
        predictor(images[0], force=["circle"], exclude=["circle"])
    with pytest.raises(UserError, match="sigmoid baseline, which has no label sequences"):
        cnnrnn.load("coco-sigmoid", device="cpu")(images[0], exclude=["dog"])


def test_what_is_no_image_is_told_by_its_name_or_type(
    predictor: cnnrnn.Predictor, images: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    for image, message in (
        (tmp_path / "none.jpg", "none.jpg: there is no such file; check the path"),
        (str(broken), "broken.jpg: not an image we can read; "),
        ([images[0], broken], "broken.jpg: not an image we can read; "),
        (tmp_path, f"{tmp_path}: this is a folder; name an image"),
        (
            np.zeros((4, 5, 3)),
            r"an array \(4, 5, 3\) of float64 is not an image: .*must be \(height, width, 3\) of uint8",
        ),
    ):
        with pytest.raises(ImageError, match=message):
            predictor(image)
    for value, name in ((3, "int"), (None, "NoneType"), ([images[0], 3], "int"), (torch.zeros(3), "torch.Tensor")):
        with pytest.raises(TypeError, match=f"an image is a path, .* not {name}; give several as a list"):
            predictor(value)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"as in explain\(predictor\(image\)\), not str"):
        predictor.explain("x.jpg")  # type: ignore[arg-type]


def test_the_documents_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[1]
    code = (root / "docs" / "api.md").read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "dashboard").symlink_to(root / "dashboard")
    monkeypatch.chdir(tmp_path)  # it writes maps/
    printed: list[str] = []
    exec(code, {"print": lambda *shown: printed.append(" ".join(map(str, shown)))})
    assert printed[0].startswith("<Prediction of dashboard/samples/")
    assert (tmp_path / "maps" / "trace.json").is_file()
    constrained = next(line for line in printed if line.startswith("('dog'"))
    assert "cat" not in constrained
    assert "did you mean 'cat'?" in printed[-1]


def test_embedded_checkpoints_are_listed_and_loaded_by_name() -> None:
    names = cnnrnn.list_checkpoints()
    assert names[0] == "coco"
    assert {"coco-sigmoid", "voc"} < set(names)
    assert len(cnnrnn.load("coco-sigmoid", device="cpu").labels) == 80
