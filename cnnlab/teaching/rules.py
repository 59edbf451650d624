"""What makes a lab source wrong. Every message names file and line."""

import ast
import math
import re

from cnnlab.teaching.names import flow

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
REGION = re.compile(rf"^([ \t]*){BEGIN}\n(.*?)^[ \t]*{END}\n?", re.M | re.S)
COMPARE_RULES = ("close", "equal", "accuracy", "at_least")
EMPTY_ANSWER = "*Your answer here.*"  # of a written question, in a student notebook
NOT_GRADED = "not-graded"  # the tag of given code that earns no points
_NAME = re.compile(r"[A-Za-z]\w{0,39}", re.ASCII)
_SECRETS = ("x_secret", "y_secret")
_EMPTY_TEXTS = re.compile(r"""((#.*|\w+ = ""( *#.*)?)?\n)*""")
OPTIONS = {  # what may follow each kind in a cell header: name -> type
    "exercise": {"points": float, "forbid": list},
    "check": {},
    "probe": {
        "weight": float,
        "says": str,
        "essential": (str, list),
        "compare": str,
        "rtol": float,
        "atol": float,
        "margin": float,
        "holdout": str,
    },
    "question": {"points": float, "title": str},
    "prediction": {},
    "holdout": {},
}
GIVEN = {"folded": str}  # likewise, of given code: the title that is seen of it


class LabError(ValueError):
    """A lab source that cannot be built; the message names file and line."""


def kind_of(where: str, cell_type: str, metadata: dict) -> str:
    """The kind that a cell header says: `"text"`, `"code"` or a key of OPTIONS."""
    kinds = [kind for kind in OPTIONS if kind in metadata]
    if "probe" in kinds and "holdout" in kinds:  # there it is an option
        kinds.remove("holdout")
    if len(kinds) > 1:
        raise LabError(f"{where}: a cell is one of {kinds}, not several.")
    unknown = metadata.get("incorrectly_encoded_metadata")
    allowed = GIVEN if cell_type == "code" else {}
    unknown = unknown or (not kinds and next(iter(metadata.keys() - allowed), ""))
    if unknown or cell_type == "raw":
        raise LabError(
            f"{where}: unknown option {unknown or '[raw]'!r} in header. Expected "
            f"[markdown], {', '.join((*OPTIONS, *GIVEN))}, written like "
            'exercise="name" points=2.'
        )
    if not kinds:
        return "text" if cell_type == "markdown" else "code"
    kind, name = kinds[0], metadata[kinds[0]]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise LabError(
            f"{where}: bad name {name!r} for {kind}. Expected letters, digits and _, "
            "at most 40."
        )
    if (kind == "question") != (cell_type == "markdown"):
        need = "a [markdown]" if kind == "question" else "a code"
        raise LabError(f"{where}: {kind} {name!r} must be {need} cell.")
    return kind


def check_options(where: str, kind: str, name: str, options: dict) -> None:
    """Raise LabError unless every option fits the kind."""
    allowed = OPTIONS.get(kind, GIVEN)
    for key, value in options.items():
        if key not in allowed:
            raise LabError(
                f"{where}: unknown option {key!r} for {kind} {name!r}. "
                f"Expected one of {sorted(allowed)}."
            )
        if not _fits(value, allowed[key]):
            raise LabError(f"{where}: bad value for {key} of {name!r}: {value!r}.")
    if kind in ("exercise", "question") and not options.get("points"):
        raise LabError(
            f"{where}: {kind} {name!r} has no points. Write points=N with N > 0."
        )
    if options.get("weight", 1) == 0:
        raise LabError(f"{where}: weight of {name!r} must be above 0.")
    rule = options.get("compare", "close")
    if kind == "probe" and rule not in COMPARE_RULES:
        raise LabError(
            f"{where}: unknown compare={rule!r}. Expected one of {COMPARE_RULES}."
        )
    if kind == "probe" and (rule == "accuracy") != ("holdout" in options):
        raise LabError(
            f'{where}: compare="accuracy" and holdout="..." go together: the labels '
            "of the holdout are what predictions are compared with."
        )


def _fits(value, kind: type | tuple) -> bool:
    """Whether the value of an option is of its type, or of one of several."""
    if isinstance(kind, tuple):
        return bool(value) and any(_fits(value, each) for each in kind)
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and 0 <= value < math.inf
    if kind is list:
        return isinstance(value, list) and all(isinstance(v, str) for v in value)
    return isinstance(value, kind)


def check_source(where: str, kind: str, name: str, source: str) -> None:
    """Raise LabError unless the text of a cell is what its kind needs."""
    begins, ends = source.count(BEGIN), source.count(END)
    if kind in ("exercise", "question"):
        if not begins or begins != ends or len(REGION.findall(source)) != begins:
            raise LabError(
                f"{where}: {kind} {name!r} needs its answer between `{BEGIN}` and "
                f"`{END}`, each alone on a line. Found {begins} and {ends}."
            )
    elif begins or ends:
        raise LabError(f"{where}: `{BEGIN}` stands in no exercise and no question.")
    if kind in ("probe", "holdout"):
        _check_hidden(where, kind, name, source)
    if kind == "prediction" and not _EMPTY_TEXTS.fullmatch(source.rstrip() + "\n"):
        raise LabError(
            f"{where}: prediction {name!r} must be empty texts for a student to fill, "
            'such as `faster = ""  # which network, and how many times?`'
        )


def _check_hidden(where: str, kind: str, name: str, source: str) -> None:
    """Raise LabError unless a probe has a value, a holdout its images and labels."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise LabError(f"{where}: {kind} {name!r} is no Python: {error}.") from None
    body = tree.body
    for node in ast.walk(tree):
        if _draws_anything(node):
            raise LabError(
                f"{where}: {kind} {name!r} makes a generator without a seed, in its "
                f"line {node.lineno}. The solution must be asked the same: "
                "default_rng(seed)."
            )
    if kind == "probe" and not (body and isinstance(body[-1], ast.Expr)):
        raise LabError(
            f"{where}: probe {name!r} must end in an expression: its value is graded."
        )
    stored = (n for node in body for n in ast.walk(node) if isinstance(n, ast.Name))
    stored = {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    if kind == "holdout" and not stored.issuperset(_SECRETS):
        raise LabError(f"{where}: holdout {name!r} must set x_secret and y_secret.")


def _draws_anything(node: ast.AST) -> bool:
    """Whether a node is a call of `default_rng()` and the like, without any seed."""
    if not isinstance(node, ast.Call) or node.args or node.keywords:
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name in ("default_rng", "RandomState", "SeedGenerator")


def check_names(path, cells) -> None:
    """Raise LabError unless names are unique and whatever a cell needs is above it."""
    first: dict[tuple[str, str], int] = {}
    for cell in cells:
        if cell.kind in ("exercise", "question", "prediction", "holdout"):
            line = first.setdefault((cell.kind, cell.name), cell.line)
            if line != cell.line:
                raise LabError(
                    f"{path}:{cell.line}: {cell.kind} {cell.name!r} stands already "
                    f"at line {line}. Names must be unique."
                )
    for cell in cells:
        for kind, name in _needs(cell):
            if first.get((kind, name), cell.line + 1) > cell.line:
                raise LabError(
                    f"{path}:{cell.line}: {cell.kind} {cell.name!r} has no {kind} "
                    f"{name!r} above it."
                )
    for (kind, name), line in first.items():
        for needed in ("check", "probe") if kind == "exercise" else ():
            if not any(c.kind == needed and c.name == name for c in cells):
                raise LabError(f"{path}:{line}: exercise {name!r} has no {needed}.")


def check_not_graded(path, cells) -> None:
    """Raise LabError where a cell that is graded needs one that may not be run.

    Those are tagged `not-graded`, or checks.
    """
    # From the end: when a cell is met, all that the cells below take is known.
    needed: set[str] = set()
    for cell in reversed(cells):
        if cell.kind in ("text", "prompt", "question"):
            continue
        defined, taken = flow(cell.source)
        if cell.kind == "check" and cell.is_graded:
            if missing := defined & needed:
                raise LabError(
                    f"{path}:{cell.line}: a check is not run where an answer is right, "
                    f"but a cell below takes {', '.join(sorted(missing))} from this "
                    "one. Define it in a cell of its own."
                )
            needed |= taken
        elif cell.kind in ("probe", "holdout"):  # what they define is gone with them
            needed |= taken
        elif cell.is_graded:
            needed = (needed - defined) | taken
        elif cell.kind not in ("code", "prediction"):
            raise LabError(
                f"{path}:{cell.line}: only given code can be {NOT_GRADED}. Received "
                f"the tag at {cell.kind} {cell.name!r}."
            )
        elif missing := defined & needed:
            raise LabError(
                f"{path}:{cell.line}: no points depend on this {cell.kind} cell, but a "
                f"graded cell below takes {', '.join(sorted(missing))} from it."
            )


def _needs(cell) -> list[tuple[str, str]]:
    """(kind, name) of the cells that must stand above this one."""
    needs = []
    if cell.kind in ("check", "probe"):
        needs.append(("exercise", cell.name))
    if "holdout" in cell.options:
        needs.append(("holdout", cell.options["holdout"]))
    return needs
