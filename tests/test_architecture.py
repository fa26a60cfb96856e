"""Imports point one way: each package imports only from those below it."""

from __future__ import annotations

import grimp
import pytest

# From top to bottom; packages in one set know nothing of each other.
LAYERS = [
    "cli", "bench", "training", "api", "evaluation", "inference", {"attribution", "label_space"}, "decoding",
    "checkpoint", "models", "data", "utils",
]  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """With the imports inside functions, without those for type checkers."""
    return grimp.build_graph("cnnrnn", include_external_packages=True, exclude_type_checking_imports=True)


def test_no_package_imports_from_one_above_it(graph: grimp.ImportGraph) -> None:
    found = graph.find_illegal_dependencies_for_layers(layers=LAYERS, containers={"cnnrnn"})
    assert [f"{dependency.importer} imports {dependency.imported}" for dependency in found] == []


def test_every_package_has_a_layer(graph: grimp.ImportGraph) -> None:
    layers = {name for layer in LAYERS for name in ([layer] if isinstance(layer, str) else layer)}
    assert graph.find_children("cnnrnn") == {f"cnnrnn.{name}" for name in (*layers, "__main__")}


def test_there_is_no_cycle(graph: grimp.ImportGraph) -> None:
    modules = [module for module in graph.modules if module.startswith("cnnrnn.")]
    chains = {module: graph.find_upstream_modules(module) for module in modules}
    assert [module for module in modules if module in chains[module]] == []


def test_the_core_knows_nothing_of_the_dashboard(graph: grimp.ImportGraph) -> None:
    importers = {name: graph.find_modules_that_directly_import(name) for name in ("streamlit", "state", "views")
                 if name in graph.modules}  # fmt: skip
    assert importers == {}
