"""The small faults that are put into a module: each is one edit of its text, so that all else stays as it was written.

Left alone: docstrings, type annotations, decorators, text with a space in it (messages, help), f-strings (before
Python 3.12 nobody knows where their parts are), logging, zip's `strict` and `if TYPE_CHECKING`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "|"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
NEGATED_BY_OPERATOR = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
ANY_ORDER = {"max", "min", "maximum", "minimum", "logical_and", "logical_or", "isclose"}  # of two arguments
LOGGERS = {"logging", "log", "logger", "_log", "_logger", "LOG", "LOGGER"}


@dataclass(frozen=True)
class Mutant:
    file: str  # relative to the repository's root
    line: int
    source: str  # of the whole module, with the fault


Edit = tuple[int, int, str]  # bytes from, to, and what stands there instead


def edits(source: str) -> list[Edit]:
    """All edits of a module, in the order of its text; `mutant` tells which of them are good."""
    return sorted(set(_Edits(source.encode()).of(ast.parse(source))))


def mutant(file: str, source: str, edit: Edit) -> Mutant | None:
    """None where the fault is none, or is one that the compiler sees."""
    text, (start, end, new) = source.encode(), edit
    mutated = (text[:start] + new.encode() + text[end:]).decode()
    try:
        compile(mutated, file, "exec")
    except SyntaxError:
        return None
    same = ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(source))
    return None if same else Mutant(file, text.count(b"\n", 0, start) + 1, mutated)


class _Edits:
    def __init__(self, text: bytes) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer(b"\n", text))]  # of the lines

    def of(self, node: ast.AST) -> Iterator[Edit]:
        """The edits of a node and of everything below it that is code."""
        if _is_left_alone(node):
            return
        yield from self.here(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list") or (_checks_types(node) and name != "orelse"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.of(child)

    def here(self, node: ast.AST) -> Iterator[Edit]:
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                yield from self.operator(left, op, right)
            case ast.AugAssign(target=target, op=op, value=value):
                yield from self.operator(target, op, value)
            case ast.BoolOp(op=op, values=values):
                for left, right in pairwise(values):
                    yield from self.operator(left, op, right)
            case ast.Compare(left=left, ops=ops, comparators=others):
                for (one, other), op in zip(pairwise([left, *others]), ops, strict=True):
                    yield from self.operator(one, op, other)
            case ast.UnaryOp(operand=operand):  # without the `not`, `-` or `~`
                yield self.start(node), self.start(operand), ""
            case ast.Constant(value=bool() as flag):
                yield self.instead(node, str(not flag))
            case ast.Constant(value=int() | float() as number):
                yield self.instead(node, repr(number + 1))
                yield self.instead(node, repr(number - 1))
            case ast.Constant(value=str() as string):
                yield self.instead(node, repr("XX" + string))
            case ast.Continue():
                yield self.instead(node, "break")
            case ast.Break():
                yield self.instead(node, "continue")
            case ast.Expr(value=ast.Call()):
                yield self.instead(node, "pass")
            case ast.Return(value=ast.expr() as value):
                nothing = isinstance(value, ast.Constant) and value.value is None
                yield self.instead(node, "return 0" if nothing else "return None")
            case ast.arguments(defaults=defaults, kw_defaults=kw_defaults):
                for default in [*defaults, *kw_defaults]:
                    if isinstance(default, ast.Constant) and default.value is None:
                        yield self.instead(default, "0")
                    elif default is not None and not isinstance(default, ast.Constant):
                        yield self.instead(default, "None")
            case ast.Slice():
                for bound in (node.lower, node.upper, node.step):
                    if bound is not None:
                        yield self.instead(bound, "")
                        if not isinstance(bound, ast.Constant):
                            yield self.instead(bound, f"({self.code(bound)}) + 1")
            case ast.Call():
                yield from self.call(node)
        conditions = [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else []
        for condition in node.ifs if isinstance(node, ast.comprehension) else conditions:
            negated = isinstance(condition, ast.UnaryOp) or (
                isinstance(condition, ast.Compare) and isinstance(condition.ops[0], NEGATED_BY_OPERATOR)
            )
            if not negated:
                yield self.instead(condition, f"not ({self.code(condition)})")

    def operator(self, left: ast.expr, op: ast.AST, right: ast.expr) -> Iterator[Edit]:
        if type(op) not in OPERATORS:
            return
        old, new = OPERATORS[type(op)]
        found = re.compile(rb"\s+".join(map(re.escape, old.encode().split()))).search(
            self.text, self.end(left), self.start(right)
        )
        if found:
            yield found.start(), found.end(), new

    def call(self, node: ast.Call) -> Iterator[Edit]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in ANY_ORDER:
            for one, other in pairwise(node.args):
                if not isinstance(one, ast.Starred) and not isinstance(other, ast.Starred):
                    between = self.text[self.end(one) : self.start(other)].decode()
                    yield self.start(one), self.end(other), self.code(other) + between + self.code(one)
        for keyword in node.keywords:
            if keyword.arg and not _is_words(keyword.value) and not _is_strict(keyword):
                comma = re.compile(rb"\s*,[ \t]*").match(self.text, self.end(keyword))
                yield self.start(keyword), comma.end() if comma else self.end(keyword), ""

    def start(self, node: ast.AST) -> int:
        return self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def code(self, node: ast.AST) -> str:
        return self.text[self.start(node) : self.end(node)].decode()

    def instead(self, node: ast.AST, new: str) -> Edit:
        return self.start(node), self.end(node), new


def _is_words(node: ast.AST) -> bool:
    text = isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\s", node.value)
    return bool(text) or isinstance(node, ast.JoinedStr)


def _is_strict(node: ast.AST) -> bool:
    """zip's, which only guards against faults elsewhere."""
    return isinstance(node, ast.keyword) and node.arg == "strict" and isinstance(node.value, ast.Constant)


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # a docstring or `...`
        return True
    if isinstance(node, ast.Call):
        root = node.func
        while isinstance(root, ast.Attribute):
            root = root.value
        return isinstance(root, ast.Name) and root.id in LOGGERS
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _is_left_alone(node.value)
    return _is_words(node) or _is_strict(node)


def _checks_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
