"""The mistakes: each is one edit of an adapter's source, of a kind that people make."""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

RECORDS = {
    "Balance",
    "BookDiff",
    "BookSnapshot",
    "Fee",
    "Fill",
    "MarketSummary",
    "OrderEvent",
    "OrderUpdate",
    "OrdersSnapshot",
    "Trade",
    "TradingRule",
}
OTHER_TYPE = {"Decimal": "int", "str": "int", "int": "str", "bool": "str", "float": "str"}
OTHER_KIND = {
    "REFUSED": "NOT_FOUND",
    "FUNDS": "REFUSED",
    "NOT_FOUND": "REFUSED",
    "DUPLICATE": "REFUSED",
    "RATE": "CLOCK",
    "CLOCK": "AUTH",
    "AUTH": "REFUSED",
    "UNKNOWN": "REFUSED",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the source, by line (from 1) and column in bytes."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: pieces of the source, and what stands there instead."""

    kind: str
    line: int
    what: str
    edits: tuple[tuple[Span, str], ...]

    def apply(self, source: str) -> str:
        lines = [line.encode() for line in source.split("\n")]
        for span, text in sorted(
            self.edits, key=lambda edit: edit[0].line * 10_000 + edit[0].column, reverse=True
        ):
            first = lines[span.line - 1][: span.column]
            last = lines[span.end_line - 1][span.end_column :]
            lines[span.line - 1 : span.end_line] = (first + text.encode() + last).split(b"\n")
        return b"\n".join(lines).decode()


def span_of(node: ast.expr | ast.stmt | ast.keyword) -> Span:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return Span(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)


class Finder(ast.NodeVisitor):
    """Collects every mistake that can be made in one module."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[Mutant] = []

    def text(self, node: ast.AST) -> str:
        return ast.get_source_segment(self.source, node) or ""

    def add(self, kind: str, line: int, what: str, *edits: tuple[Span, str]) -> None:
        self.found.append(Mutant(kind, line, what, edits))

    def exchange(self, kind: str, first: ast.expr, second: ast.expr) -> None:
        one = self.text(first)
        other = self.text(second)
        if one != other:
            edits = ((span_of(first), other), (span_of(second), one))
            self.add(kind, first.lineno, f"{one} <-> {other}", *edits)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        is_struct = any(isinstance(base, ast.Name) and base.id == "Struct" for base in node.bases)
        if is_struct:
            self.renames(node)
            self.fields(node)
        self.generic_visit(node)

    def renames(self, node: ast.ClassDef) -> None:
        for keyword in node.keywords:
            if keyword.arg != "rename" or not isinstance(keyword.value, ast.Dict):
                continue
            values = keyword.value.values
            for first, second in combinations(values, 2):
                self.exchange("names swapped", first, second)
            for value in values:
                word = ast.literal_eval(value)
                self.add("name misspelt", value.lineno, f"{word}x", (span_of(value), f'"{word}x"'))

    def fields(self, node: ast.ClassDef) -> None:
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            name = field.target.id
            self.add("field dropped", field.lineno, name, (span_of(field), "pass"))
            written = self.text(field.annotation)
            plain = written.removesuffix(" | None")
            if plain in OTHER_TYPE:
                other = OTHER_TYPE[plain]
                self.add(
                    "type changed",
                    field.lineno,
                    f"{name}: {written} -> {other}",
                    (span_of(field.annotation), other),
                )

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in RECORDS:
            named = [keyword for keyword in node.keywords if keyword.arg]
            for first, second in combinations(named, 2):
                self.exchange(f"values swapped in {node.func.id}", first.value, second.value)
            for first, second in combinations(node.args, 2):
                self.exchange(f"values swapped in {node.func.id}", first, second)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Dict):
            values = node.value.values
            text = self.text(node.value)
            if "OrderState." in text or "Side." in text:
                for first, second in combinations(values, 2):
                    self.exchange("states or sides exchanged", first, second)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.exchange("alternatives turned", node.body, node.orelse)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub | ast.Not) and not isinstance(node.operand, ast.Constant):
            inner = self.text(node.operand)
            self.add("sign turned", node.lineno, self.text(node), (span_of(node), f"({inner})"))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        signs = {ast.Add: "-", ast.Sub: "+"}
        sign = signs.get(type(node.op))
        texts = any(
            isinstance(part, ast.Constant | ast.JoinedStr) for part in (node.left, node.right)
        )
        if sign and not texts:
            turned = f"{self.text(node.left)} {sign} {self.text(node.right)}"
            self.add("sign turned", node.lineno, self.text(node), (span_of(node), turned))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id == "ErrorKind":
            other = OTHER_KIND.get(node.attr)
            if other:
                what = f"{node.attr} -> {other}"
                edit = (span_of(node), f"ErrorKind.{other}")
                self.add("kind of error exchanged", node.lineno, what, edit)
        self.generic_visit(node)


def mutants(path: Path) -> list[Mutant]:
    """Every mistake of a module, in the order of its lines."""
    finder = Finder(path.read_text())
    finder.visit(ast.parse(finder.source))
    return sorted(finder.found, key=lambda mutant: (mutant.line, mutant.kind, mutant.what))


def chosen(path: Path, count: int, seed: int) -> Iterator[Mutant]:
    """``count`` of them, of each kind in turn."""
    chance = random.Random(f"{seed}/{path.stem}")
    by_kind: dict[str, list[Mutant]] = {}
    for mutant in mutants(path):
        by_kind.setdefault(mutant.kind, []).append(mutant)
    for kind in by_kind.values():
        chance.shuffle(kind)
    left = count
    while left and any(by_kind.values()):
        for kind in sorted(by_kind):
            if by_kind[kind] and left:
                yield by_kind[kind].pop()
                left -= 1
