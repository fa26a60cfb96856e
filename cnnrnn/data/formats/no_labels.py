"""What people and programs write where there is no label."""

from __future__ import annotations

import re
from functools import lru_cache

_NOTHING = {"nan", "none", "null", "na", "n/a", "n.a", "#n/a", "#n/a n/a", r"\n"}  # the last one in dumps of SQL
_NAMES = {"none", "null", "na", "n/a"}  # of these, what may be the name of a label, such as that of sodium
_BRACKETS = "-–—_<>()[]{}. "  # (none), --none--, <NA> and N.A.
# Words that may also be the name of a label: they are read as one, with a warning.
_PERHAPS = re.compile(
    r"\?+|(un|not?[ _-]?|non)(label|tag|annotat|assign|specif)(l?ed|ged|ied|s)?|tb[ad]|to[ _-]?do|pending|missing|nil|"
    r"(no|without)[ _-](labels?|tags?|class(es)?|annotations?)|no[ _-]?data|not[ _-](available|applicable|defined|set)|"
    r"to[ _]be[ _](done|determined|defined|labell?ed)|undefined|[<(\[](empty|blank|unknown|no value)[>)\]]|"
    r"k\.\s?a\.|n\.?\s?d\.|keine[rs]?|aucune?|ninguna?o?|nessuna?o?|无|なし|"
    r"(kein|keine|sans|sin|senza) (labels?|tags?|étiquettes?|etiquetas?|etichett[ae])",
    re.IGNORECASE,
)


@lru_cache(maxsize=10_000)  # of millions of cells, few differ
def is_nothing(text: str) -> bool:
    """Whether a cell, or a part of it, says that there is no label."""
    word = text.strip().casefold()
    inner = word.strip(_BRACKETS)
    return inner in _NOTHING or word in ('""', "''") or (not inner and word != ".")


def may_be_name(text: str) -> bool:
    """Whether a word for nothing may be the name of a label."""
    return text.strip().casefold() in _NAMES


@lru_cache(maxsize=10_000)
def may_be_nothing(text: str) -> bool:
    """Whether a label such as unlabeled or TBD may stand for no label."""
    return _PERHAPS.fullmatch(text.strip()) is not None
