"""What an answer may see of this package: not what its lab asks for.

No trick of an answer reaches what is not there, neither on a disk nor in the memory
that its process was born with. So the box of a grading run shows a copy of the package
in which the hidden modules hold only what graded given cells and probes name, and what
that needs in turn.
"""

import ast
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cnnlab
from cnnlab.teaching.names import full_names, meanings, merge
from cnnlab.teaching.source import Lab

_PACKAGE = Path(cnnlab.__file__).parent
# Hidden where an exercise forbids all of "cnnlab": the rooms where answers stand
_ANSWERS = ("arithmetic", "augment", "blocks", "metrics", "models", "ops")
_LEFT_OUT = ("cli", "demo.py", "doctor.py", "screen.py", "checks", "grading")
_GRADING = ("grading/__init__.py", "grading/sandbox")  # what runs in the box
_ABSENT = """

def __getattr__(name):
    raise AttributeError(f"{__name__}.{name} is not here while answers are graded")
"""
_CHECKED_ELSEWHERE = """

def __getattr__(name):
    return lambda *answers, **options: None  # a check is run in another process
"""


@dataclass(frozen=True)
class View:
    """The package less some of it.

    Args:
        hidden: dotted names of modules and functions.
        needed: names in them that are kept all the same.
    """

    hidden: frozenset[str]
    needed: frozenset[str]

    def copy(self) -> tempfile.TemporaryDirectory:
        """A new folder that holds it, as `cnnlab`."""
        folder = tempfile.TemporaryDirectory(prefix="cnnlab-")
        _write(Path(folder.name, "cnnlab"), set(self.hidden), set(self.needed))
        return folder


def view_for(lab: Lab) -> View:
    """The package without its checks, and without what the lab's exercises forbid.

    Kept is what the lab itself names: in given cells that are graded, in probes, in
    holdouts.
    """
    forbidden = (c.options.get("forbid", ()) for c in lab.of_kind("exercise"))
    names = {"cnnlab.checks"}.union(*forbidden)
    if "cnnlab" in names:
        names |= {f"cnnlab.{room}" for room in _ANSWERS}
    cells = [c for c in lab.of_kind("code", "probe", "holdout") if c.is_graded]
    known = merge(*(meanings(c.source) for c in cells))
    used = set().union(*(full_names(c.source, known) for c in cells))
    return View(_of_package(names), _of_package(used))


def _of_package(names: set[str]) -> frozenset[str]:
    return frozenset(name for name in names if name.startswith("cnnlab."))


def _write(copy: Path, hidden: set[str], needed: set[str]) -> None:
    shutil.copytree(_PACKAGE, copy, ignore=_ignore)  # compiled files are copied along
    for path in _GRADING:
        source, target = _PACKAGE / path, copy / path
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    modules = _Modules(hidden, needed)
    for path in copy.rglob("*.py"):
        if path.relative_to(copy).as_posix() not in modules.paths:
            needed = needed | _imported(ast.parse(path.read_text("utf-8")))
    modules.keep(needed)
    for path, text in modules.sources():
        (copy / path).parent.mkdir(exist_ok=True)
        (copy / path).write_text(text, "utf-8")


def _ignore(folder: str, names: list[str]) -> list[str]:
    return list(_LEFT_OUT) if Path(folder) == _PACKAGE else []


def _imported(tree: ast.Module) -> set[str]:
    """Full names of the package that a module imports, and their attributes it uses."""
    full, attributes = {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "cnnlab"
        ):
            full |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.append((node.value.id, node.attr))
    used = {f"{full[name]}.{attr}" for name, attr in attributes if name in full}
    return {*full.values(), *used}


class _Modules:
    """The modules that something is hidden in, and what of them is kept."""

    def __init__(self, hidden: set[str], needed: set[str]):
        self._hidden = hidden
        files = {_dotted(path): path for path in _PACKAGE.rglob("*.py")}
        self._all = {
            name: _Module(name, path)
            for name, path in files.items()
            if any(f"{name}.".startswith(f"{h}.") or _parent(h) == name for h in hidden)
            and name != "cnnlab"
            and not name.startswith("cnnlab.grading")
            and not (name.startswith("cnnlab.checks.") and name not in needed)
        }
        self.paths = {m.path for m in self._all.values()}
        self._kept: dict[str, set[str]] = {name: set() for name in self._all}

    def keep(self, names: Iterable[str]) -> None:
        """Keep these, and all that they use themselves."""
        waiting = [*names, *self._not_hidden()]
        while waiting:
            module, _, name = waiting.pop().rpartition(".")
            if module in self._all and name not in self._kept[module]:
                self._kept[module].add(name)
                waiting += self._all[module].used_by(name)

    def _not_hidden(self) -> list[str]:
        """All else in a module of which a single name is hidden."""
        return [
            f"{name}.{one}"
            for name, module in self._all.items()
            if not any(f"{name}.".startswith(f"{h}.") for h in self._hidden)
            for one in module.defined
            if f"{name}.{one}" not in self._hidden
        ]

    def sources(self) -> Iterable[tuple[str, str]]:
        """Path and source of every module, cut down to what is kept."""
        for name, module in self._all.items():
            end = _CHECKED_ELSEWHERE if name.startswith("cnnlab.checks.") else _ABSENT
            yield module.path, module.cut(self._kept[name]) + end


class _Module:
    def __init__(self, name: str, path: Path):
        self._name, self._file = name, path
        self.path = path.relative_to(_PACKAGE).as_posix()

    @cached_property
    def _statements(self) -> list[tuple[ast.stmt, set[str]]]:
        """Each statement, and the names it binds."""
        body = ast.parse(self._file.read_text("utf-8")).body
        return [(node, _bound(node)) for node in body]

    @property
    def defined(self) -> set[str]:
        """Names bound here, imports included."""
        return set().union(*(names for _, names in self._statements))

    def used_by(self, name: str) -> set[str]:
        """Full names that the statements which bind `name` use."""
        used = set()
        for node, names in self._statements:
            if name not in names:
                continue
            if isinstance(node, ast.ImportFrom):
                used |= {f"{node.module}.{a.name}" for a in _of_names(node, {name})}
            else:
                used |= self._looked_up(node)
        return used

    def _looked_up(self, node: ast.stmt) -> set[str]:
        found = set()
        for n in ast.walk(node):
            if isinstance(n, ast.Name) and n.id in self.defined:
                found.add(f"{self._name}.{n.id}")
            elif isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name):
                for source, _ in self._statements:
                    if isinstance(source, ast.ImportFrom):
                        aliases = _of_names(source, {n.value.id})
                        found |= {f"{source.module}.{a.name}.{n.attr}" for a in aliases}
        return found

    def cut(self, kept: set[str]) -> str:
        """The source of what is kept."""
        lines = []
        for node, names in self._statements:
            if isinstance(node, ast.ImportFrom):
                if aliases := _of_names(node, kept):
                    lines.append(ast.ImportFrom(node.module, aliases, node.level))
            elif names & kept or isinstance(node, ast.Import):
                lines.append(node)
        return "\n".join(map(ast.unparse, lines))


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(a.asname or a.name).split(".")[0] for a in node.names}
    return {
        n.id
        for n in ast.walk(node)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _of_names(node: ast.ImportFrom, names: set[str]) -> list[ast.alias]:
    return [a for a in node.names if (a.asname or a.name) in names]


def _dotted(path: Path) -> str:
    parts = ("cnnlab", *path.relative_to(_PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _parent(name: str) -> str:
    return name.rpartition(".")[0]
