"""Every module imports only from the layers below its own, and never in a cycle."""

from __future__ import annotations

from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

# From top to bottom; packages in one set import nothing from each other.
LAYERS = (
    {"cli"},
    {"bench"},
    {"training"},
    {"api"},
    {"evaluation"},
    {"inference"},
    {"attribution", "label_space"},
    {"decoding"},
    {"checkpoint"},
    {"models"},
    {"data"},
    {"utils"},
)
DASHBOARD = {path.stem for path in (Path(__file__).resolve().parent.parent / "dashboard").iterdir()}  # top-level names


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """All imports, including those inside functions and under TYPE_CHECKING, except those of `cnnrnn/__init__.py`,
    which imports the public names lazily from any layer."""
    graph = grimp.build_graph("cnnrnn", include_external_packages=True, cache_dir=None)
    for imported in graph.find_modules_directly_imported_by("cnnrnn"):
        graph.remove_import(importer="cnnrnn", imported=imported)
    return graph


def test_every_module_belongs_to_a_layer(graph: grimp.ImportGraph) -> None:
    in_layers = {f"cnnrnn.{name}" for layer in LAYERS for name in layer}
    assert graph.find_children("cnnrnn") == in_layers | {"cnnrnn.__main__"}


def test_no_module_imports_from_a_layer_above(graph: grimp.ImportGraph) -> None:
    illegal = graph.find_illegal_dependencies_for_layers(layers=LAYERS, containers={"cnnrnn"})
    assert sorted((dependency.importer, dependency.imported) for dependency in illegal) == []


def test_modules_do_not_import_in_a_cycle(graph: grimp.ImportGraph) -> None:
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the modules


def test_no_module_imports_streamlit_or_the_dashboard(graph: grimp.ImportGraph) -> None:
    assert "views" in DASHBOARD
    assert graph.modules & {"streamlit", "dashboard", *DASHBOARD} == set()


def test_formats_import_nothing_of_data_that_looks_for_files(graph: grimp.ImportGraph) -> None:
    """`formats/` understands annotations; which files are read, and where their images are, is decided above it."""
    below = {f"cnnrnn.data.{name}" for name in ("images", "paths", "reading", "split")}
    above = graph.find_children("cnnrnn.data") - below - {"cnnrnn.data.formats"}
    formats = graph.find_children("cnnrnn.data.formats") | {"cnnrnn.data.formats"}
    imported = {(name, other) for name in formats for other in graph.find_modules_directly_imported_by(name)}
    assert {pair for pair in imported if pair[1] in above} == set()
