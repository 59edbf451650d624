"""An executed notebook as safe HTML: nothing a student made runs or reaches out.

Markdown is rendered with its HTML escaped; of outputs only text and pictures are
kept, pictures (SVG too, where scripts do not run) as `data:` images.
"""

import base64
import re
import unicodedata
from functools import lru_cache
from html import escape

import mistune
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

HIDDEN_KINDS = ("probe", "holdout")
TEXT_LIMIT = 20_000  # characters of one cell or output
IMAGE_LIMIT = 6 << 20  # characters of one picture in base64
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")
_SIGNS = dict(  # Greek letters are asked of Unicode, which calls this one LAMDA
    **{"lambda": "λ", "varepsilon": "ε", "varphi": "φ", "cdot": "·", "times": "×"},
    **{"pm": "±", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠"},
    **{"approx": "≈", "to": "→", "rightarrow": "→", "in": "∈", "partial": "∂"},
    **{"nabla": "∇", "infty": "∞", "sum": "∑", "prod": "∏", "sqrt": "√", "odot": "⊙"},
    **{"circ": "∘", "ldots": "…", "dots": "…", "quad": " "},
)
_POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\x08\x07]")


class _Renderer(mistune.HTMLRenderer):
    """Escapes raw HTML; shows pictures only where the notebook carries them."""

    def __init__(self):
        super().__init__(escape=True)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        if self.safe_url(url).startswith("data:image/"):
            return super().image(text, url, title)
        return f"<em>[picture: {escape(text)}]</em>"


@lru_cache(maxsize=1)
def _markdown():
    plugins = ["table", "strikethrough", "math"]
    parser = mistune.create_markdown(renderer=_Renderer(), plugins=plugins)
    # No page may load MathJax: formulas are shown as TeX, set apart.
    parser.renderer.register("inline_math", _math('<code class="math">{}</code>'))
    parser.renderer.register("block_math", _math('<pre class="math">{}</pre>'))
    return parser


def _math(html: str):
    return lambda renderer, text: html.format(escape(_readable(text.strip())))


def _readable(tex: str) -> str:
    r"""TeX with its signs and Greek letters as such, and the rest as it is.

    >>> _readable(r"\mathrm{MACs} = 2{,}400 \cdot n^2 \, c_{in}, \alpha \le 1")
    'MACs = 2,400 · n² c_in, α ≤ 1'
    """
    tex = re.sub(r"\\(?:mathrm|mathbf|text|operatorname)\{([^{}]*)\}", r"\1", tex)
    tex = re.sub(r"\\([A-Za-z]+)", _sign, tex.replace("{,}", ","))
    tex = re.sub(r"_\{(\w+)\}", r"_\1", re.sub(r" ?\\, ?", " ", tex))
    return re.sub(r"\^([0-9])(?![0-9])", lambda m: _POWERS[int(m[1])], tex)


def _sign(command: re.Match) -> str:
    name = command[1]
    size = "CAPITAL" if name[0].isupper() else "SMALL"
    try:
        return _SIGNS.get(name) or unicodedata.lookup(f"GREEK {size} LETTER {name}")
    except KeyError:
        return command[0]


def code_spans(line: str) -> Markup:
    """One line of text with what stands between backticks set as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", escape(line)))


def markdown(text: str) -> Markup:
    """Markdown as HTML that is safe in a page; raw HTML in it shows as text."""
    try:
        return Markup(_markdown()(_cut(text)))
    except RecursionError:  # thousands of nested quotes
        return Markup("<pre>{}</pre>").format(_cut(text))


@lru_cache(maxsize=512)  # given cells are the same for the whole class
def python(code: str) -> Markup:
    """Python code as HTML with pygments' short class names."""
    code = "\n".join(line.rstrip() for line in _cut(code).split("\n"))
    return Markup(highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)))


def notebook_cells(notebook: dict | None) -> list[dict]:
    """What a page shows of an executed notebook, in order; hidden cells left out.

    Each is a dict: `kind` and `name` as in the lab, `is_code`, `html`, `outputs`
    (dicts with `kind` "text", "stderr", "error" or "image", and what to show).
    """
    shown = []
    for cell in (notebook or {}).get("cells", []):
        metadata = cell.get("metadata", {})
        ours = metadata.get("cnnlab", {})
        if {ours.get("kind"), *metadata.get("tags", ())} & set(HIDDEN_KINDS):
            continue
        source, is_code = _join(cell.get("source")), cell.get("cell_type") == "code"
        shown.append(
            {
                "kind": ours.get("kind", ""),
                "name": ours.get("name", ""),
                "is_code": is_code,
                "html": (python if is_code else markdown)(source),
                "outputs": _outputs(cell) if is_code else [],
            }
        )
    return shown


def _outputs(cell: dict) -> list[dict]:
    """Outputs ready to show; neighbouring pieces of one stream are put together."""
    shown = []
    for output in cell.get("outputs", ()):
        kind, text = _kind(output)
        if kind == "image":
            shown.append({"kind": kind, "src": text})
        elif shown and shown[-1]["kind"] == kind in ("text", "stderr"):
            shown[-1]["pieces"].append(text)
        elif kind:
            trace = _plain(_join(output.get("traceback")))
            shown.append({"kind": kind, "pieces": [text], "trace": trace})
    for output in shown:
        output["text"] = _plain("".join(output.pop("pieces", ())))
        output["lines"] = output["text"].count("\n") + 1
    return shown


def _kind(output: dict) -> tuple[str, str]:
    """An output as ("text", "stderr", "error" or "image", what it says)."""
    if output.get("output_type") == "stream":
        kind = "stderr" if output.get("name") == "stderr" else "text"
        return kind, _join(output.get("text"))
    if output.get("output_type") == "error":
        return "error", f"{output.get('ename', '')}: {output.get('evalue', '')}"
    data = output.get("data")
    if not isinstance(data, dict):
        return "", ""
    for mime in _IMAGES:
        if mime in data:
            return _image(mime, _join(data[mime]))
    text = _join(data.get("text/plain"))
    return ("text", text + "\n") if text else ("", "")


def _image(mime: str, data: str) -> tuple[str, str]:
    if mime == "image/svg+xml":
        data = base64.b64encode(data.encode("utf-8", "replace")).decode()
    data = "".join(data.split())
    if len(data) > IMAGE_LIMIT or not re.fullmatch(r"[A-Za-z0-9+/]+=*", data):
        return "text", "[a picture that is too large or broken]\n"
    return "image", f"data:{mime};base64,{data}"


def _plain(text: str) -> str:
    """Without colours and overwritten progress bars, and not endless."""
    text = _ANSI.sub("", text[: 5 * TEXT_LIMIT]).replace("\r\n", "\n")
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _cut("\n".join(lines).rstrip("\n"))


def _cut(text: str) -> str:
    if len(text) <= TEXT_LIMIT:
        return text
    return text[:TEXT_LIMIT] + "\n[cut here: there is more]"


def _join(value) -> str:
    """Text of a notebook's field, which may be a list of lines, or nonsense."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""
