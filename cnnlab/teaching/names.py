"""What the source of a notebook cell defines, imports and uses, without running it."""

import ast
import re
import symtable
import threading
from functools import lru_cache

SOURCE_LIMIT = 50_000  # characters; nothing longer is looked into
_MEANINGS = 200  # that one name is followed to
# CPython up to 3.12 counts the depth of trees of all threads together, and raises
# SystemError (AST constructor recursion depth mismatch) when two parse at once
_ONE_AT_A_TIME = threading.Lock()
_ALIASES = {"np": {"numpy"}, "tf": {"tensorflow"}, "plt": {"matplotlib.pyplot"}}
# Ways to reach a name without writing it where `forbidden_names` would see it.
_UNSEEN = "eval exec compile getattr globals vars __import__ importlib sys.modules "
_UNSEEN += "builtins get_ipython __dict__ __builtins__ __globals__"
# What IPython takes and Python does not. Possessive (*+, ++): on a long line made for
# the purpose, going back over it would take minutes.
_NOT_PYTHON = [
    (re.compile(r"^([ \t]*+)" + pattern, re.MULTILINE), r"\1" + instead)
    for pattern, instead in (
        (r"%%.*\n?", ""),  # a cell magic; what follows may be Python
        (r"%(?:time|timeit|prun)[ \t]+", ""),
        (r"([\w, \t]++=[ \t]*)[!%].*", r"\2None"),
        (r"(?:[!%?].*|.*\?$)", "pass"),
    )
]


def parse(source: str) -> ast.Module | None:
    """The syntax tree, magics and shell commands left out; None for what has none."""
    # As it is first: a line of a text may begin with % or ! and be no magic.
    if len(source) > SOURCE_LIMIT:
        return None
    for text in (source, _without_magics(source)):
        try:
            with _ONE_AT_A_TIME:
                return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _without_magics(source: str) -> str:
    """The source with `pass` or nothing in place of magics and shell commands."""
    for pattern, instead in _NOT_PYTHON:
        source = pattern.sub(instead, source)
    return source


def _tree(source: str) -> ast.Module:
    """The syntax tree; an empty one for what is no Python, which defines nothing."""
    return parse(source) or ast.Module([], [])


def defined_names(source: str) -> set[str]:
    """Names that a cell binds for the cells below it: functions, variables, imports."""
    names, waiting = set(), list(_tree(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif not isinstance(node, ast.Lambda):
            if isinstance(node, ast.alias):
                names.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            waiting += ast.iter_child_nodes(node)
    return names


def used_names(source: str) -> set[str]:
    """Every plain name in a piece of source."""
    return {n.id for n in ast.walk(_tree(source)) if isinstance(n, ast.Name)}


@lru_cache(512)
def flow(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names that a cell defines, and those it takes from the cells above it.

    A function's own variables are neither; the globals it looks up are taken.
    """
    # Statement by statement, as a name counts as taken until the cell has defined it.
    # Unparsed, since `symtable` wants text, and this text has no magics.
    defined, taken = set(), set()
    try:
        for statement in _tree(source).body:
            with _ONE_AT_A_TIME:
                table = symtable.symtable(ast.unparse(statement), "cell", "exec")
            taken |= _looked_up(table) - defined
            symbols = table.get_symbols()
            bound = (s for s in symbols if s.is_assigned() or s.is_imported())
            defined |= {symbol.get_name() for symbol in bound}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset(defined_names(source)), frozenset(used_names(source))
    return frozenset(defined), frozenset(taken)


def _looked_up(table: symtable.SymbolTable) -> set[str]:
    """Names looked up in the cell's namespace, from functions and classes too."""
    top = table.get_type() == "module"
    symbols = [s for s in table.get_symbols() if s.is_referenced()]
    own = {s.get_name() for s in symbols if top or s.is_global()}
    return own.union(*map(_looked_up, table.get_children()))


@lru_cache(512)
def meanings(source: str) -> dict[str, set[str]]:
    """What names may stand for, by import or assignment: `{"np": {"numpy"}}`.

    `"*"` holds the modules all of whose names were imported.
    """
    found: dict[str, set[str]] = {}
    for node in ast.walk(_tree(source)):
        pairs = []
        if isinstance(node, ast.Import):
            pairs = [(a.asname or a.name, a.name) for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {a.name: f"{node.module}.{a.name}" for a in node.names}
            full["*"] = node.module
            pairs = [(a.asname or a.name, full[a.name]) for a in node.names]
        elif isinstance(node, ast.Assign) and _dotted(node.value):
            names = [t.id for t in node.targets if isinstance(t, ast.Name)]
            pairs = [(name, _dotted(node.value)) for name in names]
        for name, meaning in pairs:
            found.setdefault(name, set()).add(meaning)
    return found


def merge(*several: dict[str, set[str]]) -> dict[str, set[str]]:
    """All meanings of every name."""
    merged: dict[str, set[str]] = {}
    for meanings_ in several:
        for name, more in meanings_.items():
            merged[name] = merged.get(name, set()) | more
    return merged


def forbidden_names(source: str, names, known: dict | None = None) -> list[str]:
    """Which of the dotted `names` a piece of Python source uses.

    Args:
        known: what names defined elsewhere may stand for, as from `meanings`.

    `"scipy"` catches `import scipy.signal as s` and `from scipy import signal`;
    `"np.convolve"` catches `numpy.convolve`, `from numpy import convolve` and
    `n = np; n.convolve`. Ways to reach a name unseen (`eval`, `getattr`,
    `importlib`, ...) count as used whenever anything is forbidden. Whoever is
    determined can still hide a name; a person who reads the answer sees it.
    """
    if not names:
        return []
    used = full_names(source, known)
    used |= {part for name in used for part in name.split(".") if part[:2] == "__"}
    return matching(used, (*names, *_UNSEEN.split()))


def full_names(source: str, known: dict | None = None) -> set[str]:
    """The dotted names that a piece of source uses, by all that they may stand for."""
    own = meanings(source)
    known = merge(_ALIASES, known or {}, own)
    used = set().union(*own.values()) if own else set()
    used |= {_dotted(node) for node in ast.walk(_tree(source))} - {""}
    used |= {f"{m}.{u}" for m in known.get("*", ()) for u in used}
    return {meaning for name in used for meaning in _expand(name, known)}


def matching(used: set[str], names) -> list[str]:
    """Those of the forbidden `names` under which one of the full names `used` falls."""
    found = []
    # With a dot at the end, or "np.conv" would forbid "np.convolve".
    for name in names:
        starts = tuple(f"{full}." for full in _expand(name, _ALIASES))
        if any(f"{u}.".startswith(starts) for u in used):
            found.append(name)
    return found


def _expand(dotted: str, known: dict[str, set[str]]) -> set[str]:
    """The name itself and all it may stand for, over three assignments at most."""
    found = last = {dotted}
    for _ in range(3):
        parts = [name.partition(".") for name in last]
        last = {
            f"{meaning}{dot}{rest}"
            for head, dot, rest in parts
            for meaning in known.get(head, ())
        } - found
        found = found | last
        if len(found) > _MEANINGS:  # as only somebody writes who hides something
            return found | {"globals"}
    return found


def _dotted(node: ast.AST) -> str:
    """The name `a.b.c` as text; empty for what is none, such as a call."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""
