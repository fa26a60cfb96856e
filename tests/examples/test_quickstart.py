"""The notebook runs from top to bottom, and its figures hold what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The executed code cells; an exception in one of them fails here."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def output(cells: list[Any], source: str) -> Any:
    """The last output of the cell that holds `source`."""
    (cell,) = [cell for cell in cells if source in cell.source]
    return cell.outputs[-1]


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []


def test_every_cell_runs_and_shows_what_it_says(cells: list[Any]) -> None:
    assert "coco" in output(cells, "list_checkpoints").data["text/plain"]
    assert "END" in output(cells, "result.paths").text
    plotly = "application/vnd.plotly.v1+json"
    assert output(cells, "result.tree()").data[plotly]["data"]
    assert len(output(cells, "explanation.figure()").data[plotly]["layout"]["images"]) >= 2  # a label, and END
    assert "01-" in output(cells, "explanation.save").data["text/plain"]
    assert output(cells, "neighbors").data["text/plain"].count("(") == 3
    (training,) = [cell for cell in cells if "TrainConfig" in cell.source]
    losses = "".join(part.text for part in training.outputs)
    assert [f"epoch {epoch}: loss" in losses for epoch in range(1, 7)] == [True] * 5 + [False]
