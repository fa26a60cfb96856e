"""A checkpoint comes back as it was; anything else is refused by name, and no pickle is opened."""

from __future__ import annotations

import ast
import hashlib
import json
import pickle
import re
import shutil
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from helpers import ExtraMemory

from cnnrnn.checkpoint import Checkpoint, CheckpointError, file_hash, read_results
from cnnrnn.decoding.beam_search import decode
from cnnrnn.evaluation.record import record_evaluation

ROOT = Path(__file__).resolve().parent.parent
PICKLES = ("pickle", "dill", "joblib", "shelve", "marshal", "cloudpickle")


@pytest.fixture
def folder(scenes_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scenes_checkpoint, tmp_path / "model"))


def edit(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_a_saved_checkpoint_loads_with_the_same_predictions(loaded: Checkpoint, tmp_path: Path) -> None:
    loaded.save(tmp_path / "again", {}, card="")
    again = Checkpoint.load(str(tmp_path / "again"))  # a path or its name
    pooled = torch.randn(4, 1, loaded.model.backbone.feature_dim)
    for one, other in zip(*(decode(c.model, pooled, c.vocabulary.labels) for c in (loaded, again)), strict=True):
        assert one.paths == other.paths
    assert again.vocabulary == loaded.vocabulary
    assert again.weights_hash == loaded.weights_hash


# Version 1 called spatial pooling "places".
NAMES_OF_VERSION_1 = {"over_places": "spatial_pool", "auxiliary_over_places": "auxiliary_pool"}


def test_a_checkpoint_of_version_1_has_the_same_tensors_in_version_2(tmp_path: Path) -> None:
    shipped = ROOT / "checkpoints" / "voc"
    old = json.loads((shipped / "config.json").read_text())
    weights = (shipped / "model.safetensors").read_bytes()
    stored = safetensors.torch.load(weights)
    assert old["version"] == 1
    assert old["model"]["places"] is True
    assert old["weights_sha256"] == hashlib.sha256(weights).hexdigest()

    checkpoint = Checkpoint.load(shipped)
    assert checkpoint.weights_hash == old["weights_sha256"]
    expected = {}
    for stored_name, tensor in stored.items():
        module, _, rest = stored_name.partition(".")
        expected[f"{NAMES_OF_VERSION_1.get(module, module)}.{rest}" if rest else module] = tensor.float()
    assert_same_tensors(checkpoint, expected)

    checkpoint.save(tmp_path / "again", {}, card="")
    new = json.loads((tmp_path / "again" / "config.json").read_text())
    assert new["version"] == 2
    assert new["head"] == "cnn-rnn"
    assert "places" not in new["model"]
    assert new["model"]["spatial"] is True
    assert_same_tensors(Checkpoint.load(tmp_path / "again"), expected)


def test_a_config_of_version_1_without_places_is_pooled(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert config["model"].pop("spatial") is False
    edit(folder, version=1, model=config["model"])
    assert Checkpoint.load(folder).model.config.spatial is False


def assert_same_tensors(checkpoint: Checkpoint, expected: dict[str, torch.Tensor]) -> None:
    found = {key: value for key, value in checkpoint.model.state_dict().items() if value.is_floating_point()}
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert found[key].dtype == torch.float32
        assert torch.equal(found[key], tensor), key


def test_cooccurrence_is_read_from_metrics_of_version_1(tmp_path: Path) -> None:
    table = {"cat": {"dog": 0.25}}
    (tmp_path / "metrics.json").write_text(json.dumps({"history": [{"epoch": 1}], "together": table}))
    results = read_results(tmp_path)
    assert results["cooccurrence"] == table
    assert results["history"] == [{"epoch": 1}]
    assert "together" not in results


def test_saving_replaces_the_old_folder_and_leaves_nothing_beside_it(loaded: Checkpoint, tmp_path: Path) -> None:
    for _ in range(2):
        loaded.save(tmp_path / "run" / "last", {}, card="")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["last"]


def test_a_changed_bit_of_the_weights_is_detected(folder: Path) -> None:
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(CheckpointError, match="incomplete or was changed"):
        Checkpoint.load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"incomplete: {re.escape(name)} missing"):
        Checkpoint.load(folder)


def test_other_folders_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere is not there"):
        Checkpoint.load(tmp_path / "nowhere")
    edit(folder, version=99)
    with pytest.raises(CheckpointError, match="version 99"):
        Checkpoint.load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="can't be read"):
        Checkpoint.load(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="not a checkpoint of cnnrnn"):
        Checkpoint.load(folder)


class Trap:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["model.pth", "pytorch_model.bin", "weights.pkl"])
def test_a_folder_with_a_pickle_is_refused_and_the_pickle_stays_closed(name: str, folder: Path) -> None:
    mark = folder.parent / "opened"
    (folder / name).write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(CheckpointError, match=f"pickle \\({re.escape(name)}\\)"):
        Checkpoint.load(folder)
    assert not mark.exists()


def test_a_pickle_under_the_name_of_safetensors_is_refused(folder: Path) -> None:
    mark = folder.parent / "opened"
    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap(mark)))
    edit(folder, weights_sha256=file_hash(folder / "model.safetensors"))
    with pytest.raises(CheckpointError, match="doesn't fit"):
        Checkpoint.load(folder)
    assert not mark.exists()


def test_nothing_is_unpickled_while_a_checkpoint_is_read(folder: Path) -> None:
    events: list[str] = []
    listening = True

    def hook(event: str, arguments: tuple) -> None:
        if listening and event == "pickle.find_class":
            events.append(event)

    sys.addaudithook(hook)  # never to be taken off
    pickle.loads(pickle.dumps(Path))
    assert events == ["pickle.find_class"]  # it would be input_gates
    events.clear()
    Checkpoint.load(folder)
    Checkpoint.load(zipped(folder))
    listening = False
    assert events == []


def calls(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Every call in a source file: what is called, and its named arguments, both as written."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg or "**": ast.unparse(word.value) for word in node.keywords}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for name in node.names:
                yield f"import {getattr(node, 'module', None) or name.name}", {}


def test_no_call_in_the_program_could_open_a_pickle() -> None:
    files = [*(ROOT / "cnnrnn").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")]
    opened = []
    for file in files:
        for name, words in calls(file):
            safely = {"torch.load": ("weights_only", "True"), "np.load": ("allow_pickle", "False")}
            if name in safely and words.get(safely[name][0]) != safely[name][1]:
                opened.append(f"{file.name}: {name} without {'='.join(safely[name])}")
            module = name.removeprefix("import ").partition(".")[0]
            if name.startswith("import ") and module in PICKLES:
                opened.append(f"{file.name}: {name}")
            if name in ("eval", "exec", "yaml.load", "pd.read_pickle", "torch.jit.load", "torch.hub.load"):
                opened.append(f"{file.name}: {name}")
    assert len(files) > 50
    assert opened == []


@pytest.mark.parametrize("damage", ["nan", "shape", "missing"])
def test_weights_that_do_not_fit_are_refused(damage: str, folder: Path) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    if damage == "nan":
        tensors["U_I.weight"][0, 0] = torch.nan
    elif damage == "shape":
        tensors["U_I.weight"] = tensors["U_I.weight"][:, :-1].contiguous()
    else:
        del tensors["label_embedding"]
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    edit(folder, weights_sha256=file_hash(folder / "model.safetensors"))
    with pytest.raises(CheckpointError, match="doesn't fit") as error:
        Checkpoint.load(folder)
    assert "\n" not in str(error.value)


def test_a_vocabulary_that_does_not_fit_is_refused(folder: Path) -> None:
    edit(folder, vocabulary={"labels": ["one"], "counts": [1]})
    with pytest.raises(CheckpointError, match="outputs for 1 labels"):
        Checkpoint.load(folder)


@pytest.mark.parametrize("key", ["embedding_dim", "hidden_dim", "num_labels"])
@pytest.mark.parametrize("size", [10**7, 10**15, 10**40, -1, 0.5, "many"])
def test_sizes_that_the_weights_do_not_have_take_no_memory(key: str, size: object, folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit(folder, model={**config["model"], key: size})
    with ExtraMemory() as extra, pytest.raises(CheckpointError) as error:
        Checkpoint.load(folder)
    assert "\n" not in str(error.value)
    assert extra.megabytes < 200


def test_invalid_configs_are_user_errors(folder: Path) -> None:
    backbone = json.loads((folder / "config.json").read_text())["backbone"]
    edit(folder, backbone={**backbone, "image_size": 10**9})
    with pytest.raises(CheckpointError, match="at most 4096"):
        Checkpoint.load(folder)
    (folder / "config.json").write_text("[" * 10**6)
    with pytest.raises(CheckpointError, match="can't be read"):
        Checkpoint.load(folder)
    (folder / "config.json").write_text(" " * 50_000_001)
    with pytest.raises(CheckpointError, match="50,000,001 bytes"):
        Checkpoint.load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_links_are_refused(name: str, folder: Path) -> None:
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)
    with pytest.raises(CheckpointError, match="is a link"):
        Checkpoint.load(folder)


def zipped(folder: Path, **more: str) -> Path:
    file = folder.with_suffix(".zip")
    with zipfile.ZipFile(file, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"model/{path.name}")
        for name, text in more.items():
            archive.writestr(name, text)
    return file


def test_a_zip_loads_like_its_folder(folder: Path, loaded: Checkpoint) -> None:
    again = Checkpoint.load(zipped(folder))
    for one, other in zip(again.model.parameters(), loaded.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "why"),
    [("../evil", "points out"), ("/etc/evil", "points out"), ("a/x.pkl", "pickle"), ("b/config.json", "more than one")],
)
def test_a_zip_with_something_else_in_it_is_refused(name: str, why: str, folder: Path) -> None:
    with pytest.raises(CheckpointError, match=why):
        Checkpoint.load(zipped(folder, **{name: "{}"}))
    assert not (folder.parent / "evil").exists()


def test_a_link_in_a_zip_and_no_zip_at_all_are_refused(folder: Path) -> None:
    link = zipfile.ZipInfo("model/metrics.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    file = zipped(folder)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(CheckpointError, match="points out"):
        Checkpoint.load(file)
    data = file.read_bytes()
    for broken in (b"", b"PK", data[: len(data) // 2], data[:-30]):
        file.write_bytes(broken)
        with pytest.raises(CheckpointError, match="nor a zip of one"):
            Checkpoint.load(file)


def test_a_backbone_from_the_network_is_refused(folder: Path) -> None:
    backbone = json.loads((folder / "config.json").read_text())["backbone"]
    edit(folder, backbone={**backbone, "name": "hf-hub:somebody/something"})
    with pytest.raises(CheckpointError, match="timm knows no model 'hf-hub"):
        Checkpoint.load(folder)


def test_an_evaluation_is_recorded_in_metrics_and_card(folder: Path) -> None:
    measured = json.loads((folder / "metrics.json").read_text())["val"]
    record_evaluation(folder, "moon test", {**measured, "mAP": 12.345, "command": "cnnrnn evaluate moon"})
    assert json.loads((folder / "metrics.json").read_text())["evaluations"]["moon test"]["mAP"] == 12.345
    card = (folder / "README.md").read_text()
    assert "| moon test |" in card
    assert "12.3" in card
    assert "cnnrnn evaluate moon" in card
