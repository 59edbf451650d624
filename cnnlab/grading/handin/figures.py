"""The figures in a notebook as it was handed in: a student's own, and not ours.

What no points depend on is not run while grading, and what is run has a small budget:
whoever marks an answer about a figure must see the one that the student saw.
"""

import base64
import binascii
import re
import struct

FIGURE_LIMIT = 2 << 20  # characters of one in base64
NOTEBOOK_LIMIT = 12 << 20  # of all in a notebook
_PIXELS = 30_000_000  # what a browser can still show
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def take_figures(cells: list) -> list[tuple[str, ...]]:
    """For each cell, as it stands in the file, its pictures: PNG in base64.

    Left out is what is no PNG, too large, or more than a notebook may have.
    """
    left, taken = NOTEBOOK_LIMIT, []
    for cell in cells:
        mine = []
        for png in filter(None, map(_png, _outputs(cell))):
            left -= len(png)
            mine += [png] * (left >= 0)
        taken.append(tuple(mine))
    return taken


def _outputs(cell) -> list:
    outputs = cell.get("outputs") if isinstance(cell, dict) else None
    return outputs if isinstance(outputs, list) else []


def _png(output) -> str:
    """A picture that an output holds, or an empty text."""
    data = output.get("data") if isinstance(output, dict) else None
    text = data.get("image/png") if isinstance(data, dict) else None
    if isinstance(text, list):
        text = "".join(line for line in text if isinstance(line, str))
    if not isinstance(text, str) or len(text) > FIGURE_LIMIT:
        return ""
    text = "".join(text.split())
    return text if _is_png(text) and re.fullmatch("[A-Za-z0-9+/]+=*", text) else ""


def _is_png(text: str) -> bool:
    """By its first 24 bytes: what it is, and how large it will be when it is shown."""
    try:
        start = base64.b64decode(text[:32], validate=True)
        width, height = struct.unpack(">II", start[16:24])
    except (binascii.Error, struct.error):
        return False
    fits = 0 < width * height <= _PIXELS
    return fits and start.startswith(_SIGNATURE) and start[12:16] == b"IHDR"
