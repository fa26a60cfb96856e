"""The checkpoint that commands use where none is named."""

from __future__ import annotations

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.cli.options import EMBEDDED


def test_the_embedded_checkpoint_is_small_and_its_model_card_names_its_training() -> None:
    assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) < 20_000_000
    checkpoint = Checkpoint.load(EMBEDDED)
    assert len(checkpoint.vocabulary) == 80
    assert len(set(checkpoint.vocabulary.groups)) == 12
    card = (EMBEDDED / "README.md").read_text()
    assert checkpoint.training["command"] in card
    assert "labels test" in card
