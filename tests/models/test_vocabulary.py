from pathlib import Path

import pytest

from cnnrnn.models.vocabulary import IGNORE_TOKEN, Vocabulary
from cnnrnn.utils.errors import UserError

SETS = [{"dog", "cat"}, {"dog"}, {"dog", "ant"}, {"cat"}, {"bee"}]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary.from_label_sets(["ant", "bee", "cat", "dog", "elk"], SETS)


def test_frequent_labels_come_first_and_ties_by_name(vocabulary: Vocabulary) -> None:
    assert vocabulary.labels == ("dog", "cat", "ant", "bee", "elk")
    assert vocabulary.counts == (3, 2, 1, 1, 0)


def test_sequences_start_with_start_and_end_with_end(vocabulary: Vocabulary) -> None:
    inputs, targets = vocabulary.encode([{"ant", "dog", "cat"}, set()])
    start, end = vocabulary.start, vocabulary.end
    assert inputs.tolist() == [[start, 0, 1, 2], [start, end, end, end]]
    assert targets.tolist() == [[0, 1, 2, end], [end, IGNORE_TOKEN, IGNORE_TOKEN, IGNORE_TOKEN]]


def test_names_of_all_tokens(vocabulary: Vocabulary) -> None:
    assert [vocabulary.name(token) for token in (0, vocabulary.end, vocabulary.start)] == ["dog", "END", "START"]


def test_groups_follow_their_labels_in_any_order() -> None:
    groups = {"ant": "insect", "bee": "insect", "cat": "pet", "dog": "pet", "elk": "wild"}
    found = Vocabulary.from_label_sets(sorted(groups), SETS, groups=groups)
    assert dict(zip(found.labels, found.groups, strict=True)) == groups
    assert Vocabulary.from_label_sets(sorted(groups), SETS).groups == ()
    with pytest.raises(ValueError, match="2 labels but 1 groups"):
        Vocabulary(("ant", "bee"), (1, 1), ("insect",))


def test_unknown_and_repeated_labels_are_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match="yak"):
        vocabulary.indices(["yak"])
    with pytest.raises(ValueError, match="yak"):
        Vocabulary.from_label_sets(["ant"], [{"yak"}])
    with pytest.raises(ValueError, match="twice"):
        Vocabulary(("ant", "ant"), (1, 1))


def test_other_orders_for_the_experiment_on_order(tmp_path: Path) -> None:
    labels = ["ant", "bee", "cat", "dog", "elk"]

    def ordered(order: str, seed: int = 0) -> tuple[str, ...]:
        vocabulary = Vocabulary.from_label_sets(labels, SETS, order, seed)
        assert dict(zip(vocabulary.labels, vocabulary.counts, strict=True))["dog"] == 3  # counts follow their labels
        return vocabulary.labels

    assert ordered("rare") == ("elk", "bee", "ant", "cat", "dog")
    assert ordered("random", 1) == ordered("random", 1) != ordered("random", 2)
    file = tmp_path / "order.txt"
    file.write_text("cat\nelk\nant\nbee\ndog\n\n")
    assert ordered(f"fixed:{file}") == ("cat", "elk", "ant", "bee", "dog")
    file.write_text("cat\nelk\nant\nbee\nyak\n")
    with pytest.raises(UserError, match="dog, yak"):
        ordered(f"fixed:{file}")
    with pytest.raises(UserError, match="can't be read"):
        ordered(f"fixed:{tmp_path / 'none'}")
    with pytest.raises(UserError, match="choose frequent"):
        ordered("alphabetical")
