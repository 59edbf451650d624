"""A kernel that slides over numbers, as a picture for each step; part of `plots`."""

import base64
import html
import io
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array

from cnnlab import _notebook
from cnnlab.plots import _alt

_INPUT, _BORDER, _WINDOW = "#E3ECF2", "#F0F0F0", "#8CC8EC"
_DONE, _NEW, _EMPTY = "#F7E0D2", "#F0A070", "#FFFFFF"
# They find their pictures from where they stand, without ids, so a page may hold many.
_PLAY = (
    "var d=this.parentNode,s=d.querySelector('input');"
    "if(d.t){clearInterval(d.t);d.t=0}"
    "else{d.t=setInterval(function(){s.value=(+s.value+1)%(+s.max+1);s.oninput()},800)}"
)
_MOVE = (
    "var f=this.parentNode.querySelectorAll('img');"
    "for(var i=0;i<f.length;i++)f[i].style.display=i==this.value?'block':'none'"
)


def sliding_window(
    x: np.ndarray,
    kernel: np.ndarray,
    out: np.ndarray,
    *,
    step: int = 0,
    strides: int = 1,
    padding: int = 0,
    dilation: int = 1,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one step of a convolution: the window, the products and what they sum to.

    Args:
        x: a few numbers `(width,)` or `(height, width)`.
        kernel: with as many axes; not flipped, as in a network.
        out: what the convolution gives, however it was computed; shown up to `step`.
        step: which output, from 0, row by row.
        strides, padding, dilation: how the kernel moves; zeros on every side.
        title: what to see; by default the sum of the products.
        ax: where to draw; a new figure by default.
    """
    flat = np.ndim(x) == 1
    x, kernel, out = map(np.atleast_2d, (x, kernel, out))
    pads = ((0, 0) if flat else (padding, padding), (padding, padding))
    # A second image marks the border: padded zeros look like the zeros of an input.
    padded, border = np.pad(x, pads), np.pad(np.zeros(x.shape), pads, constant_values=1)
    row, column = np.unravel_index(step, out.shape)
    rows = row * strides + dilation * np.arange(kernel.shape[0])
    columns = column * strides + dilation * np.arange(kernel.shape[1])
    window = np.ix_(rows, columns)

    ax = ax or _own_axes(padded, out, flat)
    ax.set_title(title or _sum(padded[window], kernel), loc="left", size=10, pad=16)
    colours = np.where(border == 1, _BORDER, _INPUT)
    colours[window] = _WINDOW
    _tiles(ax, padded, colours, (0, 0), "input")
    for (k, m), weight in np.ndenumerate(kernel):
        corner = columns[m] + 0.45, rows[k] + 0.43
        ax.text(*corner, f"×{weight:.3g}", ha="right", va="bottom", size=8)
    order = np.arange(out.size).reshape(out.shape)
    colours = np.select([order < step, order == step], [_DONE, _NEW], _EMPTY)
    place = (0, 2.4) if flat else (padded.shape[1] + 1, 0)
    _tiles(ax, np.where(order <= step, out, np.nan), colours, place, "output")
    ax.set(aspect="equal", ylim=ax.get_ylim()[::-1])  # rows go down
    ax.set_axis_off()
    said = f": {_sum(padded[window], kernel)}" if title else ""
    _alt.note(ax, f"Output {step + 1} of {out.size}{said}.")
    return ax


def _own_axes(padded: np.ndarray, out: np.ndarray, flat: bool) -> Axes:
    """Axes of a new figure with room for the title; a layout engine would be slow."""
    width, height = max(6, padded.shape[1]), 3.6
    if not flat:
        width, height = padded.shape[1] + out.shape[1] + 1, len(padded)
    size = 0.5 * width + 0.1, 0.5 * height + 0.55
    return plt.figure(figsize=size).add_axes((0.01, 0.01, 0.98, 1 - 0.5 / size[1]))


def _sum(window: np.ndarray, kernel: np.ndarray) -> str:
    """The products of one step and their sum, zeros of the kernel left out."""
    products = [
        "·".join(f"({n:g})" if n < 0 else f"{n:g}" for n in (x, k))
        for x, k in zip(window.flat, kernel.flat, strict=True)
        if k
    ]
    return f"{' + '.join(products)} = {np.sum(window * kernel):g}"


def _tiles(ax: Axes, values, colours, place: tuple[float, float], name: str) -> None:
    """A block of numbers on coloured tiles, its upper left corner at `place`."""
    left, top = place
    height, width = values.shape
    edges = np.arange(width + 1) + left - 0.5, np.arange(height + 1) + top - 0.5
    shades = to_rgba_array(colours.ravel()).reshape(height, width, 4)
    look = {"edgecolors": "0.75" if name == "output" else "white", "linewidth": 1}
    ax.pcolormesh(*edges, shades, **look)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            at = left + j, top + i
            ax.text(*at, f"{value:.4g}", ha="center", va="center", size=10)
    ax.text(left - 0.5, top - 0.62, name, size=8, color="0.35", va="bottom")


def step_through(draw: Callable[[int], Axes], count: int, *, alt: str) -> None:
    """Show pictures one at a time in the notebook, with a slider and a play button.

    It needs neither a network nor a running kernel; where nothing can be moved (PDF,
    a notebook that is not trusted), all pictures are shown. Outside a notebook
    nothing is drawn.

    Args:
        draw: gives the Axes of picture `k`, from 0, each in a figure of its own.
        count: how many pictures.
        alt: the alternative text; the title of each picture is added to it.
            `ValueError` when there is none.
    """
    if not alt.strip():
        raise ValueError(f"`alt` must say what there is to see. Received: alt={alt!r}")
    if not _notebook.in_notebook():
        return
    from IPython.display import display

    titles, pictures = zip(*map(_rendered, map(draw, range(count))), strict=True)
    images = "".join(
        f'<img alt="{html.escape(f"{alt} Step {k} of {count}: {title}")}" '
        f'src="data:image/png;base64,{_png(picture)}" '
        f'style="display:{"none" if k > 1 else "block"}">'
        for k, (title, picture) in enumerate(zip(titles, pictures, strict=True), 1)
    )
    slider = (
        f'<input type="range" min="0" max="{count - 1}" value="0" style="width:50%" '
        'data-lm-suppress-shortcuts="true" '  # else JupyterLab takes the arrow keys
        f'aria-label="step, 1 to {count}" oninput="{_MOVE}">'
    )
    player = f'<button onclick="{_PLAY}">play / pause</button>'
    page = f"<div>{player} {slider}{images}</div>"
    display(
        {"text/html": page, "image/png": _png(_sheet(pictures)), "text/plain": alt},
        raw=True,
    )


def _rendered(ax: Axes) -> tuple[str, np.ndarray]:
    """The title and the pixels of a figure, which is closed."""
    # Agg whatever the backend, and no tight box: all pictures must have one size.
    figure = ax.get_figure(root=True)
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(100)
    canvas.draw()
    plt.close(figure)
    return ax.get_title(loc="left"), np.array(canvas.buffer_rgba())


def _sheet(pictures: tuple, columns: int = 3) -> np.ndarray:
    """Pictures of one size, side by side in rows."""
    # Where nothing can be moved, a PDF for one, all pictures on one white sheet.
    blank = np.full_like(pictures[0], 255)
    filled = [*pictures, *[blank] * (-len(pictures) % columns)]
    rows = [filled[k : k + columns] for k in range(0, len(filled), columns)]
    return np.vstack([np.hstack(row) for row in rows])


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    plt.imsave(file, pixels, format="png")
    return base64.b64encode(file.getvalue()).decode()
