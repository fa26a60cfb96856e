"""The words that annotations use for splits."""

from __future__ import annotations

TRAIN, VAL, TEST = "train", "val", "test"
_WORDS = {
    TRAIN: ("train", "training", "trn", "trainset"),
    VAL: ("val", "valid", "validation", "dev", "development", "eval", "evaluation", "devel", "valset"),
    TEST: ("test", "testing", "tst", "testset"),
}
_NAMES = {word: name for name, words in _WORDS.items() for word in words}
_FLAGS = {"true": VAL, "1": VAL, "yes": VAL, "false": TRAIN, "0": TRAIN, "no": TRAIN}  # of a column is_valid


def split_name(word: object) -> str | None:
    """train, val or test; None for what is no name of a split."""
    return _NAMES.get(str(word).strip().casefold())


def split_of_flag(value: object) -> str | None:
    """Of a value of fastai's column `is_valid`."""
    return _FLAGS.get(str(value).strip().casefold())


def split_in_name(text: str) -> str | None:
    """The split that a file's or folder's name speaks of, such as instances_train2017 or val.csv."""
    words = "".join(character if character.isalpha() else " " for character in text).split()
    found = {split_name(word) for word in words} - {None}
    return found.pop() if len(found) == 1 else None
