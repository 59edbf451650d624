"""Part of a lab: the cells that some of its exercises need, and no others."""

import ast
import symtable
from collections.abc import Collection
from dataclasses import replace
from functools import cache

from cnnlab import _names
from cnnlab.lab import Lab

_DEFINING = ("code", "exercise", "holdout")


def part(lab: Lab, exercises: Collection[str]) -> Lab:
    """The lab without the cells that cannot change what these exercises earn.

    Kept are their own cells and all that define a name used there, directly or not;
    answers of other exercises become given code. What a cell does without defining a
    name is not seen.
    """
    kept, wanted = [], set()
    for cell in reversed(lab.cells):
        if cell.kind in ("text", "question"):
            continue
        defines, uses = names(cell.source)
        own = cell.name in exercises or cell.kind == "holdout"
        if own or (cell.kind in _DEFINING and defines & wanted):
            kept.append(cell if own else replace(cell, kind="code"))
            wanted |= uses
    return replace(lab, cells=tuple(reversed(kept)))


def dependents(lab: Lab, exercise: str) -> list[str]:
    """The exercises that this one's answer can change, itself among them."""
    needs = {name: part(lab, [name]).cells for name in lab.points}
    return [name for name in needs if exercise in {cell.name for cell in needs[name]}]


@cache
def names(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell defines, and names it uses without defining them before."""
    defined, used = set(), set()
    for statement in _names.parse(source).body:  # safe in threads
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
        used |= _used(table) - defined
        symbols = table.get_symbols()
        defined |= {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    return defined, used


def _used(table: symtable.SymbolTable) -> set[str]:
    """Names looked up in the cell's namespace, from functions and classes too."""
    top = table.get_type() == "module"
    symbols = [s for s in table.get_symbols() if s.is_referenced()]
    own = {s.get_name() for s in symbols if top or s.is_global()}
    return own.union(*map(_used, table.get_children()))
