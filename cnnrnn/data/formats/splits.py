"""The words that annotations use for splits."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from cnnrnn.data.formats.column_names import listed_words

TRAIN, VAL, TEST = "train", "val", "test"
_WORDS = {
    TRAIN: ("train", "training", "trn"),
    VAL: ("val", "valid", "validation", "validate", "dev", "development", "eval", "evaluation", "devel"),
    TEST: ("test", "testing", "tst"),
}
_TRANSLATED = {  # compared without accents, which programs drop
    TRAIN: "entrenamiento entraînement apprentissage treino treinamento addestramento allenamento trainieren opleiding "
    "trening treningowy uczący eğitim обучение обучающая тренировка тренировочная trénink trénovací träning "
    "训练 训练集 訓練 訓練集 学習 学習用 훈련 학습 학습용",
    VAL: "validación validação validazione validierung validatie walidacja walidacyjny doğrulama geçerleme валидация "
    "валидационная проверка validace validační validering 验证 验证集 驗證 驗證集 検証 検証用 검증 검증용",
    TEST: "prueba pruebas teste testes testowy testovací тест тестовая тестирование 测试 测试集 測試 測試集 テスト "
    "テスト用 테스트 테스트용",
}
_BOTH = {train + val for train in _WORDS[TRAIN] for val in _WORDS[VAL]}

_NUMBERS = {"0": TRAIN, "1": VAL, "2": TEST}  # CelebA's

_DENIALS = {"no", "non", "not", "without"}


def split_name(word: object) -> str | None:
    """train, val or test, also of words such as Train_Set; None for what is no name of a split."""
    return _split_name(str(word))


@lru_cache(maxsize=10_000)  # of millions of cells, few differ
def _split_name(word: str) -> str | None:
    key = _plain(re.sub(r"[\s_-]", "", word))
    return _NAMES.get(key) or _NAMES.get(key.removesuffix("set"))


def _plain(word: str) -> str:
    """Without case and accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(sign))


_NAMES = {_plain(word): name for name, words in _WORDS.items() for word in (*words, *_TRANSLATED[name].split())}


def numbered_splits(words: Iterable[str]) -> dict[str, str]:
    """The splits by CelebA's numbers, where these are all words, each occurs, and train is the largest; else none."""
    counts = Counter(words)
    return _NUMBERS if counts.keys() == _NUMBERS.keys() and counts["0"] == max(counts.values()) else {}


def splits_in(words: Iterable[object]) -> set[str]:
    """The splits that words name."""
    return {split for word in words if (split := split_name(word))}


def split_in_name(text: str) -> str | None:
    """The split that a file's or folder's name speaks of, such as instances_train2017 or val.csv. A picture with "no
    train" is in no split."""
    found = splits_in(listed_words(text))
    return found.pop() if len(found) == 1 and not denies(text) else None


def denies(text: str) -> bool:
    """Whether a word of a name denies the others, as in no_mask and "without train"."""
    return not _DENIALS.isdisjoint(listed_words(text))


def is_train_and_val(text: str) -> bool:
    """Whether a list's or folder's name says that it holds both, as trainval and train_val.txt do."""
    words = "".join(character.casefold() if character.isalpha() else " " for character in text).split()
    return any(word.removesuffix("set") in _BOTH for word in (*words, "".join(words)))


def split_of_folders(path: str) -> str | None:
    """The one split that the folders of a path tell: by a whole name such as train, else by one such as val2017."""
    folders = path.replace("\\", "/").split("/")[:-1]
    loose = {split for folder in folders if (split := TRAIN if is_train_and_val(folder) else split_in_name(folder))}
    found = splits_in(folders) or loose
    return found.pop() if len(found) == 1 else None
