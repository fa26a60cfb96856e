"""Files with the names of labels that annotations give as numbers: a name a line, or numbers with names, in text, YAML
or JSON."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path
from typing import Any

import yaml

from cnnrnn.data.formats.column_names import key, words_of
from cnnrnn.data.formats.text import TABLES, parse_json, parse_yaml, read_text
from cnnrnn.data.reading import Findings
from cnnrnn.data.split import DataError

# Columns of a table, keys of objects, and words of a header; compared as `key` does.
_NUMBERS = {"id", "classid", "labelid", "categoryid", "number", "nr", "num", "index", "idx", "classindex", "labelindex"}
_NAMES = {"name", "label", "class", "category", "classname", "labelname", "categoryname", "displayname"}
_NUMBER_WORDS = {"id", "code", "index", "idx", "nr", "no", "number", "num", "target", "key", "value"}  # of species_id
_COUNT_WORDS = {"count", "counts", "total", "images", "samples", "frequency", "freq", "n", "size", "support", "of"}
_HEADERS = _NAMES | {f"{name}s" for name in _NAMES} | {"classes", "categories"}
_SIGN = r"\s*(?:->|=>|[:=,;|\t])\s*"
_NUMBER_FIRST = re.compile(rf"(\d+)(?:{_SIGN}|[.)]\s+|\s+-\s+)(.+)")
_NUMBER_LAST = re.compile(rf"(.+?)(?:{_SIGN}|\s+-\s+)(\d+)")
# A number that may as well be a part of the name: 1 boat, boat 1, 001.boat.
_BLANK_FIRST = re.compile(r"(\d+)\s+(.+)")
_BLANK_LAST = re.compile(r"(.+?)\s+(\d+)")
_GLUED = re.compile(r"(\d+)[._-]([^\W\d].*)")
Line = tuple[int, str]  # its number, and what it holds


def read_label_names(path: Path) -> dict[str, str]:
    """The names by number. Names without numbers count from 0. Raises DataError."""
    text = read_text(path, Findings())
    try:
        match path.suffix.lower():
            case ".json":
                names = _of_json(parse_json(path, text))
            case ".yaml" | ".yml":
                names = _of_json(parse_yaml(text))
            case _:
                names = _of_lines(path, text)
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} can't be read ({error}); write a name a line, or numbers with names") from None
    if not names or not all(names.values()):
        raise DataError(f"{path} has no names, or empty ones; write a name a line, or numbers with names")
    return names


def _of_json(content: Any) -> dict[str, str]:
    """["cat", "dog"], {"0": "cat"}, {"cat": 0}, {"0": {"name": "cat"}}, {"0": ["n01440764", "tench"]} as of ImageNet,
    or COCO's categories; also below names, categories, classes or id2label."""
    inside = ""
    if isinstance(content, dict):
        inside = next((name for name in _INSIDE if isinstance(content.get(name), (dict, list))), "")
        content = content.get(inside, content)
    if isinstance(content, list):
        pairs = [(n, item) if isinstance(item, str) else (item["id"], item) for n, item in enumerate(content)]
    elif inside in _NAMES_FIRST or _has_names_first(content):
        pairs = [(number, name) for name, number in content.items()]
    else:
        pairs = list(content.items())
    names = {str(int(number)): _name(number, item) for number, item in pairs}
    if len(names) < len(pairs):
        raise ValueError("a number stands for several names")
    return names


_NAMES_FIRST = ("label2id", "class_to_idx")
_INSIDE = ("names", "categories", "classes", "class_names", "labels", "id2label", "idx_to_class", *_NAMES_FIRST)


def _has_names_first(content: dict[Any, Any]) -> bool:
    """Whether an object gives every name its number, as in {"cat": 0}. Names may be numbers themselves, such as digits
    and years: then those that count on from 0 or 1 number the others. Raises ValueError where JSON's {"1": 0, "0": 1}
    can be read both ways; in YAML, and with names in quotes, the numbers come first."""
    keys, values = list(map(str, content)), list(map(str, content.values()))
    if not all(map(_is_number, values)):
        return False
    if not all(map(_is_number, keys)):
        return True
    keys_count, values_count = _counts_on(keys), _counts_on(values)
    if keys_count != values_count:
        return values_count
    if keys != values and not all(isinstance(value, str) for value in content.values()):
        shown = f'"{keys[0]}": {values[0]}'
        raise ValueError(f'which one of {shown} is the name is unclear; write the number first, and "" around the name')
    return False


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+", text) is not None


def _counts_on(numbers: list[str]) -> bool:
    """Whether the numbers are 0, 1, 2 … or 1, 2, 3 …, in any order."""
    found = sorted(map(int, numbers))
    return bool(found) and found[0] in (0, 1) and found == list(range(found[0], found[0] + len(found)))


def _name(number: Any, item: Any) -> str:
    """The name in an entry. Raises ValueError if there is none, or several."""
    found = [item]
    if isinstance(item, dict):
        found = [item["name"]] if "name" in item else [value for name, value in item.items() if key(name) in _NAMES]
    elif isinstance(item, list):  # such as an id of WordNet and the name
        found = [part for part in item if not re.fullmatch(r"[a-z]?\d+", str(part))]
    if len(found) == 1 and isinstance(found[0], int) and not isinstance(found[0], bool):
        found = [str(found[0])]  # such as a year
    if len(found) != 1 or not isinstance(found[0], str):
        raise ValueError(f"the name of {number} is unclear: {str(item)[:60]}")
    return found[0].strip()


def _of_lines(path: Path, text: str) -> dict[str, str]:
    if text.strip()[:1] in ("[", "{"):  # as Python and JSON write lists and objects
        return _of_json(_literal(path, text))
    numbered = [(n, line.strip()) for n, line in enumerate(text.rstrip().splitlines(), start=1)]
    lines = [(n, re.sub(r"^- ?", "", line)) for n, line in numbered if line and not line.startswith("#")]
    pairs = _of_table(path, lines)
    if pairs is None:
        lines = _without_header(path, lines)
        pairs = _of_signs(path, lines)
    if pairs is None:
        _refuse_unclear(path, lines)
        if blank := [n for n, line in numbered if not line]:
            raise DataError(f"{path}, line {blank[0]} is blank; write a name there, or remove the line")
        pairs = [(str(number), line) for number, (_, line) in enumerate(lines)]
    if len({int(number) for number, _ in pairs}) < len(pairs):
        raise DataError(f"{path} has a number twice; write each number once")
    return {str(int(number)): unquoted(name) for number, name in pairs}


def _literal(path: Path, text: str) -> Any:
    try:
        return parse_json(path, text)
    except DataError:
        raise
    except ValueError:
        try:
            return ast.literal_eval(text.strip())
        except (SyntaxError, MemoryError) as error:
            raise ValueError(str(error)) from None


def unquoted(name: str) -> str:
    return name.strip().strip("\"'").strip()


def _is_header(line: str) -> bool:
    """Whether a line holds nothing but words such as name, class_name, or id and label, or attribute_id and
    attribute_name."""
    words = [word for word in re.split(r"[\s,;|:=]+", line) if key(word)]
    if words and all(key(word) in _HEADERS | _NUMBERS for word in words):
        return any(key(word) in _HEADERS for word in words)
    numbers = [word for word in words if len(words_of(word)) > 1 and _names_numbers(word)]  # no class has a label "no"
    names = [word for word in words if "name" in words_of(word)]
    return bool(numbers and names) and len(numbers) + len(names) == len(words)


def _without_header(path: Path, lines: list[Line]) -> list[Line]:
    """Raises DataError for a first line that may be a label: lists of names have no header as a rule, but tables do."""
    if len(lines) < 2 or not _is_header(lines[0][1]):
        return lines
    number, line = lines[0]
    if path.suffix.lower() not in TABLES and line.casefold() in ("name", "label", "class", "category"):
        raise DataError(
            f"{path}, line {number}: is {line!r} a label, or does it say what the lines are? Remove the line, or write "
            f"0: {line} and so on"
        )
    return lines[1:]


def _of_table(path: Path, lines: list[Line]) -> list[tuple[str, str]] | None:
    """The numbers and names of a table's rows, by its header or by what the columns hold; None for what is none.

    Raises DataError where it isn't clear which columns are meant.
    """
    for delimiter in "\t;,|":
        rows = [next(csv.reader([line], delimiter=delimiter, skipinitialspace=True)) for _, line in lines]
        rows = [[cell.strip() for cell in row] for row in rows]
        if not rows or len(rows[0]) < 2:
            continue
        header = [] if any(cell.isdecimal() for cell in rows[0]) else rows[0]
        body = rows[1:] if header else rows
        numbers = [
            n for n in range(len(rows[0])) if body and all(row[n : n + 1] and row[n].isdecimal() for row in body)
        ]
        if not numbers:
            continue
        if wrong := [n for (n, _), row in zip(lines, rows, strict=True) if len(row) != len(rows[0])]:
            raise DataError(
                f"{path}, line {wrong[0]} has more or fewer cells than the first line; put quotes around names with "
                f"{delimiter!r}"
            )
        if header and not all(header) and not any(key(cell) in _HEADERS | _NUMBERS for cell in header):
            raise DataError(
                f"{path}, line {lines[0][0]} has no number; write one, or remove the line if it names the columns"
            )
        number = one_column(path, numbers, [n for n in numbers if header and _names_numbers(header[n])])
        if header and not _may_number(header[number], [row[number] for row in body]):  # such as the count of each label
            raise DataError(
                f"{path}, line {lines[0][0]}: does {rows[0][number]!r} number the labels? Call it id if it does"
            )
        others = [n for n in range(len(rows[0])) if n not in numbers] or [n for n in numbers if n != number]
        name = one_column(path, others, columns_of_names(header, header[number], others) if header else [])
        return [(row[number], row[name]) for row in body]
    return None


def one_column(path: Path, columns: list[int], named: list[int]) -> int:
    """The only one, or the only one that is called so."""
    found = columns if len(columns) == 1 else named
    if len(found) != 1:
        raise DataError(f"{path}, line 1: which columns are meant is unclear; keep two, and call them id and name")
    return found[0]


def _names_numbers(name: str) -> bool:
    """Whether a column is called as numbers of labels are: id, classid or species_id."""
    return key(name) in _NUMBERS or (bool(words_of(name) & _NUMBER_WORDS) and not words_of(name) & _COUNT_WORDS)


def _may_number(name: str, numbers: list[str]) -> bool:
    """Whether a column of this name may number the labels: one with any name that counts on from 0 or 1 does."""
    if key(name) in {*_HEADERS, ""} or _names_numbers(name):
        return True
    return not words_of(name) & _COUNT_WORDS and len(numbers) > 1 and _counts_on(numbers)


def columns_of_names(header: list[str], number: str, columns: list[int]) -> list[int]:
    """Those called name or label; else those called as the numbers are, such as species beside species_id."""
    if found := [n for n in columns if key(header[n]) in _NAMES]:
        return found
    about = "".join(sorted(words_of(number) - _NUMBER_WORDS))
    own = {n: "".join(sorted(words_of(header[n]) - {"name"})) for n in columns}
    return [n for n in columns if about and own[n] == about]


def _of_signs(path: Path, lines: list[Line]) -> list[tuple[str, str]] | None:
    """The numbers and names of lines such as 0: cat, 0 = cat, 0. cat or cat: 0; also 0 cat, if they count from 0 or 1.

    Raises DataError if only some lines have a number, and where it may be a part of the name.
    """
    for pattern, number in ((_NUMBER_FIRST, 1), (_NUMBER_LAST, 2)):
        pairs, without = _matches(pattern, number, lines)
        if pairs and not without:
            return pairs
        if pairs:
            raise DataError(
                f"{path}: only {len(pairs)} of {len(lines)} lines have a number, but not line {without[0]}; write it "
                "before every name"
            )
    for pattern, number in ((_BLANK_FIRST, 1), (_BLANK_LAST, 2), (_GLUED, 1)):
        pairs, without = _matches(pattern, number, lines)
        if pairs and not without:
            if pattern is not _GLUED and _count_on(pairs):
                return pairs
            raise DataError(
                f"{path}, line {lines[0][0]}: is {pairs[0][0]} the number of a label, or a part of its name? Write "
                f"{pairs[0][0]}: {pairs[0][1]} if it is the number, or 0: {lines[0][1]} and so on if it isn't"
            )
    return None


def _matches(pattern: re.Pattern[str], number: int, lines: list[Line]) -> tuple[list[tuple[str, str]], list[int]]:
    """(number, name) of the lines that fit, where the number is that group; and which lines don't fit."""
    found = [(n, pattern.fullmatch(line)) for n, line in lines]
    return [(match[number], match[3 - number]) for _, match in found if match], [n for n, match in found if not match]


def _count_on(pairs: list[tuple[str, str]]) -> bool:
    """Whether the numbers are 0, 1, 2 … or 1, 2, 3 …, and all names differ."""
    return _counts_on([number for number, _ in pairs]) and len({name for _, name in pairs}) == len(pairs)


def _refuse_unclear(path: Path, lines: list[Line]) -> None:
    """Several cells in every line, none of which is a number."""
    if lines and all(re.search(r"[;|\t]|,(?=\S)", line) for _, line in lines):
        raise DataError(
            f"{path}, line {lines[0][0]}: {lines[0][1]!r:.40} may be several names or cells; write a name a line, or a "
            "number before every name, such as 0: cat"
        )
