"""Answers with one small change that nobody thought about: mutants of the solutions."""

import ast
import copy
import random
from collections.abc import Iterator

from cnnlab.teaching.rules import BEGIN, END
from cnnlab.teaching.source import Cell

SWAPPED = {  # an operator -> what is put in its place
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
DISAGREED: dict[tuple[str, str], str] = {}  # exercise and change -> why, for now
LINES = (ast.Assign, ast.AugAssign, ast.Expr, ast.If)


def mutants(cell: Cell, count: int, seed: int) -> list[tuple[str, str]]:
    """Up to `count` mutants of an answer: what was changed, and the whole answer."""
    tree, lines = ast.parse(cell.source), cell.source.splitlines()
    inside, solution = False, set()
    for number, line in enumerate(lines, 1):
        inside = (inside or line.strip() == BEGIN) and line.strip() != END
        solution |= {number} if inside else set()
    places = [
        (place, change)
        for place, node in enumerate(ast.walk(tree))
        if getattr(node, "lineno", 0) in solution
        for change, _ in enumerate(changed(node))
    ]
    chosen = random.Random(seed).sample(places, min(count, len(places)))
    return [_mutant(tree, *which) for which in sorted(chosen)]


def _mutant(tree: ast.Module, place: int, change: int) -> tuple[str, str]:
    tree = copy.deepcopy(tree)
    node = [*ast.walk(tree)][place]
    old = ast.unparse(node).splitlines()[0]
    new = [*changed(node)][change]
    text = ast.unparse(new).splitlines()[0]
    for field in ("lineno", "end_lineno", "col_offset", "end_col_offset"):
        setattr(new, field, getattr(node, field, None))
    whole = ast.unparse(_Replace(node, new).visit(tree))
    return f"{node.lineno}: {old} -> {text}", whole


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """What a node may be replaced by."""
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        yield ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        ops = [SWAPPED[type(node.ops[0])](), *node.ops[1:]]
        yield ast.Compare(node.left, ops, node.comparators)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        flipped = isinstance(node.value, bool)
        yield ast.Constant(not node.value if flipped else node.value + 1)
    if isinstance(node, ast.UnaryOp):
        yield node.operand
    if isinstance(node, ast.Call) and len(node.args) > 1:
        first, second, *others = node.args
        yield ast.Call(node.func, [second, first, *others], node.keywords)
    if isinstance(node, ast.Call) and node.keywords:
        yield ast.Call(node.func, node.args, node.keywords[:-1])
    if isinstance(node, LINES):
        yield ast.Pass()
