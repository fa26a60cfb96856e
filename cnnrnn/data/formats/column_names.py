"""The names of a table's columns: those that are known, and those that a person gives."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cnnrnn.data.images import SUFFIXES
from cnnrnn.data.reading import listed
from cnnrnn.data.split import DataError

# label, tag, class and category in other languages, also without the accents that programs drop.
_TRANSLATED = (
    *("kategorien", "kategorie", "klassen", "klasse", "etiketten", "etikett", "schlagwörter", "schlagworte"),
    *("schlagwort", "stichwörter", "stichworte", "stichwort", "étiquettes", "étiquette", "etiquettes", "etiquette"),
    *("catégories", "catégorie", "categorie", "classe", "etiquetas", "etiqueta", "clases", "clase", "categorías"),
    *("categoría", "categorias", "categoria", "rótulos", "rótulo", "rotulos", "rotulo", "etichette", "etichetta"),
    *("classi", "klas", "categorieën", "categorieen", "etykiety", "etykieta", "klasy", "klasa", "kategoria"),
    *("etiketler", "etiket", "kategoriler", "kategori", "sınıf", "метки", "метка", "классы", "класс", "категории"),
    *("категория", "теги", "тег", "标签", "標籤", "类别", "類別", "分类", "分類", "标注", "ラベル", "タグ"),
    *("カテゴリー", "カテゴリ", "クラス", "라벨", "레이블", "태그", "카테고리", "클래스"),
)
# Compared without case, blanks and punctuation; the first that a table has is taken.
IMAGE = (
    *("image", "images", "imagefile", "imagepath", "imagefilename", "filepath", "filename", "fname", "file", "path"),
    *("imagename", "sourcefile", "imageindex", "img", "imgpath", "imgname", "photo", "picture", "imageurl", "url"),
    *("imageid", "id", "name", "md5", "sha1", "sha256", "uuid"),
)
LABELS = (
    *("labels", "label", "tags", "tag", "keywords", "classes", "class", "categories", "category", "findinglabels"),
    *("labelname", "classname", "choice", "choices", "multilabel", "labellist", "annotations", "objects"),
    *("target", "targets", "classificationannotations", "classificationannotation"),
    *("boundingboxannotations", "labelids", "attributeids", "classids", "categoryids", "tagids"),
    *_TRANSLATED,
)

# Words of columns that tell who labelled an image.
ANNOTATORS = {
    *("person", "user", "author", "annotator", "reviewer", "worker", "rater", "reader", "doctor", "expert", "coder"),
    *("labeler", "labeller", "observer", "radiologist", "grader"),
}
# Whole words that make a name sound like labels, unless one of the others tells that it is something about them.
_LABEL_WORD = r"(image|img|photo|object|multi)?(labels?|tags?|categor(y|ies|ie|ia)s?|class(es)?)(list|names?|set)?"
_ABOUT_SIGNS = r"[(\[][^()\[\]]*(separat|delimit|split by|comma|semicolon)[^()\[\]]*[)\]]"  # "(separated by ;)"
_ABOUT_LABELS = {
    *("by", "on", "at", "from", "of", "source", "origin", "confidence", "conf", "score", "prob", "probability", "hash"),
    *("num", "number", "count", "counts", "n", "nr", "total", "length", "date", "time", "timestamp", "year", "method"),
    *("tool", "model", "version", "status", "quality", "level", "sum", "resource"),
    *ANNOTATORS,
}


@dataclass(frozen=True)
class ColumnNames:
    """Names given by a person; None for those that are to be found. `numbers` stand for labels if those have names."""

    image: str | None = None
    label: str | None = None
    split: str | None = None
    numbers: bool = False


def key(name: str) -> str:
    """Of a table's corner, IMAGE\\LABEL, it is that of the column."""
    return re.sub(r"[\W_]+", "", (name.partition("\\")[0] or name).casefold())


def is_image_column(name: str, given: str | None = None) -> bool:
    return name == given if given else key(name) in IMAGE


def is_label_column(name: str) -> bool:
    return key(name) in LABELS


def follow_each_other(names: Sequence[str]) -> bool:
    """Whether columns are numbered as label_1, label_2 and label_3 are, or "1st label" and "2nd label"; a first one may
    have no number. Of labels_1 and labels_5, each may be another version."""
    found = [re.search(r"\d+$|^\d+", key(name)) for name in names]
    numbers = sorted(int(number.group()) for number in found if number)
    unnumbered = len(names) - len(numbers)
    first = numbers[0] if numbers else 0
    return numbers == [*range(first, first + len(numbers))] and first < 2 + unnumbered and unnumbered < 2


def without_number(name: str) -> str:
    """The key of a column such as label2, label_2, label.1 or "2nd label", without its number."""
    return re.sub(r"\d+$|^\d+(st|nd|rd|th)?(?=\D)", "", key(name))


def listed_words(name: str) -> list[str]:
    """The words of a name in their order: image and label of "image label", image_label and imageLabel2."""
    return [word.casefold() for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+", unicodedata.normalize("NFC", name))]


def words_of(name: str) -> set[str]:
    return {*listed_words(name)}


def sounds_like_labels(name: str) -> bool:
    """Whether label, tag, category or class is a word of the name, as in "weather tag", but not in labelled_by."""
    words = words_of(re.sub(_ABOUT_SIGNS, "", name, flags=re.IGNORECASE))
    return any(re.fullmatch(_LABEL_WORD, w) or w in _TRANSLATED for w in words) and not _ABOUT_LABELS & words


def looks_like_image(value: object) -> bool:
    return isinstance(value, str) and PurePosixPath(value.strip()).suffix.lower() in SUFFIXES


def known(columns: list[str], names: Sequence[str]) -> list[str]:
    return sorted((name for name in columns if key(name) in names), key=lambda name: names.index(key(name)))


def given_name(path: Path, columns: list[str], name: str, option: str) -> str:
    if name not in columns:
        raise DataError(f"{path} has no column {name!r} for {option}; it has {shown(columns)}")
    return name


def shown(columns: Sequence[str]) -> str:
    return listed(columns, 12)
