"""Very many images without Ray: where they come from, and an output that is made part by part."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data.images import ImageError
from cnnrnn.inference import shards, sources
from cnnrnn.inference.predictor import Predictor
from cnnrnn.inference.sources import list_images, open_source
from cnnrnn.utils.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, encoded: Callable[..., bytes]) -> Path:
    """Eight images, of which one is broken, some of them with names that a URI would escape."""
    folder = tmp_path / "images"
    (folder / "100% #1").mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(encoded("JPEG", quality=50 + number))
        (folder / "100% #1" / f"{number}?.PNG").write_bytes(encoded("PNG"))
    (folder / "2.jpg").write_bytes(encoded("JPEG")[:300])
    (folder / "notes.txt").write_text("not asked for")
    return folder


def test_images_are_found_by_path_by_uri_and_by_a_parquet_list(folder: Path, tmp_path: Path) -> None:
    local = list_images([str(folder)])[0]
    assert len(local) == 8
    assert list_images([f"file://{folder}"])[0] == [f"file://{place}" for place in local]
    assert list_images([f"local://{folder}"])[0] == [f"local://{place}" for place in local]  # fsspec's, not pyarrow's
    listing = tmp_path / "list.parquet"
    names = ["images/0.jpg", f"file://{folder}/1.jpg", None, str(folder / "3.jpg"), "images/0.jpg"]
    pyarrow.parquet.write_table(pyarrow.table({"path": names, "id": range(5)}), listing)
    assert list_images([str(listing), str(folder / "3.jpg")])[0] == [local[0], f"file://{folder}/1.jpg", local[7]]
    for place in local:
        opened = []
        for same in (place, f"file://{place}", f"local://{place}"):
            try:
                opened.append(open_source(same, 48).tobytes())
            except ImageError as error:
                assert place.endswith("2.jpg")
                opened.append(str(error))
        assert len(set(opened)) == 1


@pytest.mark.parametrize("before", ["", "file://"])
def test_hidden_files_and_those_of_systems_are_passed_over(folder: Path, before: str) -> None:
    images = list_images([before + str(folder)])
    assert images[1] == {".txt": 1}
    for name in (".hidden.jpg", ".git/1.jpg", "@eaDir/1.jpg/thumb.jpg", "__MACOSX/1.jpg", "lost+found/notes.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    assert list_images([before + str(folder)]) == images


def test_missing_and_oversized_images_are_errors(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source, message in (
        (f"file://{tmp_path}/none", "is not there"),
        ("gopher://host/images", "gopher"),
        (str(folder / "notes.parquet"), "no parquet file"),
        (f"file://{folder}/notes.txt.parquet", "no parquet file"),
    ):
        with pytest.raises(UserError, match=message):
            list_images([source])
    table = tmp_path / "list.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"file": ["a.jpg"]}), table)
    with pytest.raises(UserError, match="column 'path'"):
        list_images([str(table)])
    with pytest.raises(ImageError, match="no such file"):
        open_source(f"file://{tmp_path}/none.jpg")
    monkeypatch.setattr(sources, "MAX_BYTES", 100)
    with pytest.raises(ImageError, match="MB"):
        open_source(f"file://{folder}/0.jpg")


def test_reading_from_a_store_is_retried_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "RETRY_PAUSES", (0.0, 0.0))
    located, failures = sources.located, 2

    def stumbling(place: str) -> tuple[pyarrow.fs.FileSystem, str]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise OSError("connection reset\nby peer")
        return located(place)

    monkeypatch.setattr(sources, "located", stumbling)
    assert open_source(f"file://{folder}/0.jpg").size == (96, 64)
    failures = 3
    with pytest.raises(ImageError, match=r"connection reset\)"):
        open_source(f"file://{folder}/0.jpg")


def test_shards_equal_the_predictions_of_predict(folder: Path, tmp_path: Path, loaded: Checkpoint) -> None:
    out = f"file://{tmp_path}/out"
    places = list_images([str(folder)])[0]
    loaded.rnn.config = replace(loaded.rnn.config, calibration=(0.5, 0.5, 0.0))
    settings = shards.Settings(loaded.weights_hash, 3, "torch", 3, calibration=[0.5, 0.5, 0.0])
    assert shards.begin(out, places, settings) == [0, 1, 2]
    counts = [shards.predict_part(out, number, Predictor(loaded, beam=3, batch_size=2), 1) for number in (2, 0, 1)]
    assert counts == [(2, 1), (3, 0), (3, 0)]
    assert shards.begin(out, places, settings) == []
    table = pyarrow.concat_tables(
        pyarrow.parquet.read_table(file) for file in sorted((tmp_path / "out").glob("part-*.parquet"))
    )
    vocabulary = json.loads(table.schema.metadata[b"vocabulary"])
    rows = table.to_pylist()
    assert [row["image"] for row in rows] == places
    for row, (_, prediction) in zip(
        rows, Predictor(loaded, beam=3, batch_size=2).predict([Path(place) for place in places]), strict=True
    ):
        if isinstance(prediction, str):
            assert row["error"] == prediction
            assert row["image"].endswith("2.jpg")
            assert row["labels"] is row["marginals"] is row["paths"] is None
            continue
        expected = prediction.summary()
        assert row["error"] is None
        assert row["labels"] == expected["labels"]
        assert [path["labels"] for path in row["paths"]] == [path["labels"] for path in expected["paths"]]
        assert row["probability"] == pytest.approx(expected["paths"][0]["probability"], rel=1e-3)
        for key in ("marginals", "probabilities"):
            assert dict(zip(vocabulary, row[key], strict=True)) == pytest.approx(expected[key], abs=1e-4)
        assert row["coverage"] == pytest.approx(expected["coverage"], abs=1e-4)


def test_an_output_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    out, images, settings = str(tmp_path / "out"), ["/a.jpg", "/b.jpg"], shards.Settings("12ab", 8, "torch", 1)
    assert shards.begin(out, images, settings) == [0, 1]
    manifest = Path(out) / shards.MANIFEST
    older = json.loads(manifest.read_text())
    assert older.pop("precision") == "float32"
    manifest.write_text(json.dumps(older))  # of a version that had no choice
    assert shards.begin(out, images, settings) == [0, 1]
    for others, changed, message in (
        (images, shards.Settings("12ab", 4, "torch", 1), "beam: 8 → 4"),
        (images, shards.Settings("34cd", 8, "openvino", 1), "12ab → 34cd; engine: torch → openvino"),
        (images, shards.Settings("12ab", 8, "torch", 2), "shard_size: 1 → 2"),
        (images, shards.Settings("12ab", 8, "torch", 1, temperature=0.5), "temperature: 1.0 → 0.5"),
        (images, shards.Settings("12ab", 8, "torch", 1, calibration=[1.0, 1.0, 0.5]), "calibration: None → "),
        (["/a.jpg", "/c.jpg"], settings, "list_sha256"),
        ([*images, "/c.jpg"], settings, "images: 2 → 3"),
    ):
        with pytest.raises(UserError, match=message):
            shards.begin(out, others, changed)
    (tmp_path / "out" / shards.MANIFEST).write_text("{")
    with pytest.raises(UserError, match="can't be read"):
        shards.begin(out, images, settings)
    other = tmp_path / "other"
    other.mkdir()
    (other / "part-00000.parquet").write_text("somebody's")
    with pytest.raises(UserError, match="name an empty folder"):
        shards.begin(str(other), images, settings)


def test_a_shard_that_kills_its_workers_is_given_up(folder: Path, tmp_path: Path, loaded: Checkpoint) -> None:
    out, places = str(tmp_path / "out"), list_images([str(folder)])[0]
    settings = shards.Settings(loaded.weights_hash, 3, "torch", 8)
    shards.begin(out, places, settings)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt  # as little is done after it as after a kill

    predictor = Predictor(loaded, beam=3, batch_size=8)
    forward, predictor.forward = predictor.forward, dies  # type: ignore[assignment]
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            shards.predict_part(out, 0, predictor, 1)
    predictor.forward = forward
    with pytest.raises(UserError, match="3 workers died making part-00000"):
        shards.predict_part(out, 0, predictor, 1)
    assert shards.begin(out, places, settings) == [0]  # whoever starts it anew means it
    assert shards.predict_part(out, 0, predictor, 1) == (8, 1)
