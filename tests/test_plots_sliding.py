"""The sliding window: what one step shows, and the slider that steps through."""

from html.parser import HTMLParser

import matplotlib

matplotlib.use("Agg")

import IPython.display  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402

from cnnlab import _notebook, ops, plots  # noqa: E402
from cnnlab.plots import _sliding

SERIES = np.array([1, 4, -1, 0, 2, -2, 1, 3, 3, 1])
WEIGHTS = np.array([1, 2, 0, -1])
IMAGE = np.arange(20).reshape(4, 5)
KERNEL = np.array([[1, 0], [0, -2]])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def _texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def _lit(ax, block: int = 0, colour: str = _sliding._WINDOW) -> np.ndarray:
    """Where the tiles of a block, 0 input and 1 output, have a colour."""
    shades = ax.collections[block].get_array()
    found = [[to_hex(shade).upper() == colour for shade in row] for row in shades]
    return np.argwhere(found)


def test_a_step_shows_the_products_and_their_sum():
    ax = plots.sliding_window(SERIES, WEIGHTS, ops.correlate(SERIES, WEIGHTS), step=2)
    assert ax.get_title(loc="left") == "(-1)·1 + 0·2 + (-2)·(-1) = 1"
    assert _lit(ax).tolist() == [[0, 2], [0, 3], [0, 4], [0, 5]]
    assert [t for t in _texts(ax) if t.startswith("×")] == ["×1", "×2", "×0", "×-1"]


def test_every_number_can_be_read():
    ax = plots.sliding_window(SERIES, WEIGHTS / 3, ops.correlate(SERIES, WEIGHTS / 3))
    assert min(text.get_fontsize() for text in ax.texts) >= 8
    assert [t for t in _texts(ax) if t.startswith("×")][0] == "×0.333"


def test_outputs_appear_one_by_one():
    out = np.array([71, 72, 73, 74, 75, 76, 77])
    shown = _texts(plots.sliding_window(SERIES, WEIGHTS, out, step=2))
    assert [n for n in shown if n in set(map(str, out))] == ["71", "72", "73"]


@pytest.mark.parametrize(
    ("moves", "step", "window"),
    [
        ({}, 5, [[1, 1], [1, 2], [2, 1], [2, 2]]),
        ({"strides": 2}, 3, [[2, 2], [2, 3], [3, 2], [3, 3]]),
        ({"padding": 1}, 7, [[1, 1], [1, 2], [2, 1], [2, 2]]),
        ({"dilation": 2}, 4, [[1, 1], [1, 3], [3, 1], [3, 3]]),
    ],
)
def test_the_window_moves_as_the_convolution_does(moves, step, window):
    named = {k.replace("dilation", "dilation_rate"): v for k, v in moves.items()}
    out = ops.correlate(IMAGE, KERNEL, **named)
    ax = plots.sliding_window(IMAGE, KERNEL, out, step=step, **moves)
    assert _lit(ax).tolist() == window
    shown = float(ax.get_title(loc="left").rpartition("= ")[2])
    assert shown == out.flat[step], "the sum in the title is that of the convolution"


def test_padding_is_told_from_the_input():
    out = ops.correlate(IMAGE, KERNEL, padding=1)
    ax = plots.sliding_window(IMAGE, KERNEL, out, step=29, padding=1)
    border = _lit(ax, colour=_sliding._BORDER)
    assert len(border) == 6 * 7 - 4 * 5 - 3  # three of the border are in the window
    flat = plots.sliding_window(SERIES, WEIGHTS, np.ones(9), step=4, padding=1)
    assert _lit(flat, colour=_sliding._BORDER).tolist() == [[0, 0], [0, 11]]


def test_a_step_can_be_one_panel_of_many():
    ax = plt.subplots()[1]
    out = ops.correlate(IMAGE, KERNEL)
    assert plots.sliding_window(IMAGE, KERNEL, out, ax=ax, title="one") is ax
    assert ax.get_title(loc="left") == "one"


class _Page(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def all(self, name: str) -> list[dict]:
        return [attributes for tag, attributes in self.tags if tag == name]


def _draw(step: int):
    return plots.sliding_window(IMAGE, KERNEL, ops.correlate(IMAGE, KERNEL), step=step)


def test_a_slider_steps_through_the_pictures(monkeypatch):
    shown = []
    monkeypatch.setattr(_notebook, "in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda d, raw: shown.append(d))
    plots.step_through(_draw, 4, alt='A "window"')
    (data,) = shown
    page = _Page(data["text/html"])
    images, (slider,) = page.all("img"), page.all("input")
    assert (slider["type"], slider["min"], slider["max"]) == ("range", "0", "3")
    assert [i["style"] for i in images] == ["display:block", *["display:none"] * 3]
    assert slider["data-lm-suppress-shortcuts"] == "true", "arrow keys are its own"
    assert images[0]["alt"] == 'A "window" Step 1 of 4: 0·1 + 6·(-2) = -12'
    assert len({i["src"] for i in images}) == 4, "the pictures differ"
    assert all(i["src"].startswith("data:image/png;base64,") for i in images)
    assert "script" not in data["text/html"] and "http" not in data["text/html"]
    assert data["text/plain"] == 'A "window"'
    assert plt.get_fignums() == [], "closed, or the notebook would show them twice"


def test_where_nothing_moves_all_pictures_stand_side_by_side():
    pictures = [np.full((2, 3, 4), shade, "uint8") for shade in (10, 20, 30, 40)]
    sheet = _sliding._sheet(tuple(pictures))
    assert sheet.shape == (4, 9, 4)
    assert sheet[:2, :, 0].tolist() == [[10] * 3 + [20] * 3 + [30] * 3] * 2
    assert sheet[2:, :, 0].tolist() == [[40] * 3 + [255] * 6] * 2


def test_outside_a_notebook_nothing_is_drawn():
    plots.step_through(lambda step: pytest.fail("drawn"), 3, alt="a window")


def test_a_slider_wants_a_text():
    with pytest.raises(ValueError, match="`alt` must say what there is to see"):
        plots.step_through(_draw, 3, alt=" ")
