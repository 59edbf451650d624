"""A notebook out of whatever bytes were handed in, with what had to be repaired."""

import json

from nbformat import v3, v4

from cnnlab.grading.handin.figures import take_figures

CELLS_LIMIT = 500
CODE_LIMIT = 2 << 20  # characters of all cells together


class Unreadable(ValueError):
    """A submission that cannot be read; the message is for the teacher."""


def read_notebook(data: bytes) -> tuple[dict, list[str]]:
    """A notebook as nbformat 4 data, and what had to be repaired on the way.

    Raises Unreadable where there is no notebook in it.
    """
    text, notes = _decode(data)
    start = len(text) - len(text.lstrip())
    try:
        notebook, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        what = "an empty file" if not text.strip() else f"not JSON ({error})"
        raise Unreadable(what) from None
    if text[end:].strip():
        notes.append("text after the end of the JSON was ignored")
    if not isinstance(notebook, dict):
        raise Unreadable("JSON, but not a notebook")
    if notebook.get("nbformat") == 3:
        notebook = _upgrade(notebook)
        notes.append("nbformat 3 was converted to 4")
    if not isinstance(notebook.get("cells"), list):
        raise Unreadable("JSON, but not a notebook: it has no list of cells")
    figures = take_figures(notebook["cells"])
    pairs = zip(map(_cell, notebook["cells"]), figures, strict=True)
    cells = [cell | {"figures": drawn} for cell, drawn in pairs if cell]
    size = sum(len(c["source"]) for c in cells)
    if len(cells) > CELLS_LIMIT or size > CODE_LIMIT:
        raise Unreadable(f"{len(cells):,} cells of {size:,} characters: too much")
    metadata = notebook.get("metadata")
    return {"cells": cells, "metadata": metadata if _is(metadata) else {}}, notes


def _is(mapping) -> bool:
    return isinstance(mapping, dict)


def _decode(data: bytes) -> tuple[str, list[str]]:
    encoding = json.detect_encoding(data)  # by its first bytes, as RFC 4627 says
    notes = [f"read as {encoding}"] if encoding != "utf-8" else []
    try:
        return data.decode(encoding), notes
    except UnicodeDecodeError:
        if encoding == "utf-8":
            return data.decode("latin-1"), ["not UTF-8; read as latin-1"]
        return data.decode(encoding, "replace"), [*notes, "some letters were lost"]


def _upgrade(notebook: dict) -> dict:
    try:
        return v4.upgrade(v3.reads_json(json.dumps(notebook)))
    except Exception as error:  # nbformat raises many kinds for broken input
        raise Unreadable(f"nbformat 3 that cannot be converted: {error}") from None


def _cell(cell) -> dict | None:
    """A cell whose type, source, id and metadata can be relied on, or None."""
    if not _is(cell):
        return None
    source = cell.get("source") or ""
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    metadata = cell.get("metadata") if _is(cell.get("metadata")) else {}
    clean = str(source).encode("utf-8", "replace").decode()  # lone surrogates
    return {
        "cell_type": str(cell.get("cell_type", "")),
        "id": str(cell.get("id") or metadata.get("id") or ""),  # Colab's place for it
        "source": clean.replace("\r\n", "\n"),
        "metadata": metadata,
    }
