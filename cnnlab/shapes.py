"""Coloured shapes on textured grounds: made pictures, labels and masks known.

The offline stand-in for CIFAR-10, flowers and segmentation. Twenty outlines in
random colour, size, turn and place lie on smooth multi-scale noise with stray
lines. Colour, place and turn say nothing about the class: only the outline does.

Every outline is its own mirror image and is drawn at any turn, so flips,
rotations, and changes of brightness, contrast or hue all keep the label and so do
shifts, zooms and crops that leave the whole shape in the picture. Erasing a part
may not: a ring that is cut is a U.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

OVERSAMPLING = 4  # outlines are drawn this much larger, then averaged down
OCTAVES = (2, 4, 9, 18)  # cells across the picture of each layer of ground noise
RADIUS = (0.19, 0.38)  # of the circle around a shape, as a share of the picture
STRETCH = 0.12  # largest relative change of one axis of a shape
NUM_LINES = 4
MIN_CONTRAST = 90.0  # RGB distance of a shape's colour from its ground's mean
CHUNK = 256  # images made at a time: bounds the memory


class Shapes(NamedTuple):
    """Pictures of shapes: what `make` returns.

    x: `(n, size, size, 3)` uint8, RGB.
    y: `(n,)` int32, indices into `class_names`.
    masks: `(n, size, size)` uint8, 0 on the ground and `label + 1` on the shape.
    class_names: in label order.
    """

    x: np.ndarray
    y: np.ndarray
    masks: np.ndarray
    class_names: tuple[str, ...]


def _arc(
    start: float, stop: float, radius: float = 1.0, points: int = 40
) -> np.ndarray:
    angles = np.radians(np.linspace(start, stop, points))
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _regular(corners: int, radii: Sequence[float] = (1.0,)) -> np.ndarray:
    """A polygon whose corners lie on circles of the given radii, in turn."""
    points = _arc(0, 360 - 360 / corners, points=corners)
    return points * np.resize(radii, corners)[:, None]


def _heart() -> np.ndarray:
    """The usual parametric curve of a heart, its point down."""
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, y], axis=1)


def _unit(points: Sequence) -> np.ndarray:
    """The outline moved and scaled to fill the unit circle."""
    points = np.asarray(points, dtype="float64")
    points = points - (points.max(axis=0) + points.min(axis=0)) / 2
    return points / np.linalg.norm(points, axis=1).max()


# fmt: off
_OUTLINES = {name: _unit(points) for name, points in {
    "circle": _arc(0, 360),
    "semicircle": _arc(0, 180),
    "ring": np.concatenate([_arc(0, 360), _arc(360, 0, 0.55)]),
    "drop": np.concatenate([_arc(-30, 210), [(0, -2)]]),
    "triangle": _regular(3),
    "square": _regular(4),
    "bar": [(0, 0), (5, 0), (5, 2), (0, 2)],
    "diamond": [(0, 2), (1, 0), (0, -2), (-1, 0)],
    "pentagon": _regular(5),
    "star_4": _regular(8, (1, 0.38)),
    "plus": [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (2, 2),
             (2, 3), (1, 3), (1, 2), (0, 2), (0, 1), (1, 1)],
    "L": [(0, 0), (3, 0), (3, 1), (1, 1), (1, 3), (0, 3)],
    "T": [(1, 0), (2, 0), (2, 2), (3, 2), (3, 3), (0, 3), (0, 2), (1, 2)],
    "U": [(0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)],
    "hourglass": [(-2, -3), (2, -3), (0.4, 0), (2, 3), (-2, 3), (-0.4, 0)],
    "arrow": [(-1, -3), (1, -3), (1, 0), (2.4, 0), (0, 3), (-2.4, 0), (-1, 0)],
    "chevron": [(0, 0), (3, 2), (3, 4), (0, 2), (-3, 4), (-3, 2)],
    "crescent": np.concatenate([_arc(50, 310), _arc(281, 79, 0.78) + (0.493, 0)]),
    "heart": _heart(),
    "star": _regular(10, (1, 0.42)),
}.items()}
# fmt: on

SOURCE_CLASSES = tuple(_OUTLINES)[:15]
"""What the narrow VGG16 was trained on."""
TARGET_CLASSES = tuple(_OUTLINES)[15:]
"""Five more, never shown to it: the task to transfer to."""
CLASSES = SOURCE_CLASSES + TARGET_CLASSES


def make(
    n: int, *, classes: Sequence[str] = CLASSES, size: int = 64, seed: int = 0
) -> Shapes:
    """Return `n` pictures of one shape each, the classes in equal shares.

    The same arguments give the same arrays.

    Args:
        n: number of pictures, at least 1.
        classes: names out of `CLASSES`; a picture's label is its index here.
        size: height and width in pixels, at least 16.
        seed: any non-negative integer; train and test sets need two of them.

    Returns:
        `Shapes(x, y, masks, class_names)`.

    Raises:
        ValueError: for an unknown class, no picture or too small a picture.
    """
    unknown = [name for name in classes if name not in _OUTLINES]
    if unknown or not classes:
        raise ValueError(
            f"`classes` must be names out of {CLASSES}. Received: classes={classes}"
        )
    if n < 1 or size < 16:
        raise ValueError(f"Need n >= 1 and size >= 16. Received: n={n}, size={size}")
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % len(classes)).astype("int32")
    x = np.empty((n, size, size, 3), "uint8")
    masks = np.empty((n, size, size), "uint8")
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        x[part], alpha = _pictures(rng, [classes[label] for label in y[part]], size)
        masks[part] = (alpha >= 0.5) * (y[part, None, None] + 1)
    return Shapes(x, y, masks, tuple(classes))


def _pictures(
    rng: np.random.Generator, names: list[str], size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The pictures, and the share of each pixel that the shape covers."""
    n = len(names)
    alpha = np.stack([_shape(rng, _OUTLINES[name], size) for name in names])
    lines = np.stack([_lines(rng, size) for _ in names])
    ground, colour, line_colour = _colours(rng, n)
    x = ground + _noise(rng, n, size, 55)
    x += 0.7 * lines[..., None] * (line_colour - x)
    x += alpha[..., None] * (colour + _noise(rng, n, size, 18) - x)
    x += rng.normal(0, 5, x.shape).astype("float32")
    return np.clip(x, 0, 255).astype("uint8"), alpha


def _colours(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Ground, shape and line colours; the first two at `MIN_CONTRAST` or more."""
    ground = rng.uniform(50, 205, (n, 1, 3))
    # Sixteen tries for each picture, in one draw: that none is far enough away from the
    # ground is next to impossible, and drawing until one is would take a loop.
    drawn = rng.uniform(0, 255, (n, 16, 3))
    first = (np.linalg.norm(drawn - ground, axis=-1) >= MIN_CONTRAST).argmax(axis=1)
    shape = drawn[np.arange(n), first]
    colours = (ground, shape, rng.uniform(0, 255, (n, 3)))
    return [colour.reshape(n, 1, 1, 3).astype("float32") for colour in colours]


def _noise(rng: np.random.Generator, n: int, size: int, amplitude: float) -> np.ndarray:
    """Smooth noise `(n, size, size, 3)`: coarse grids drawn out, finer ones fainter."""
    total = np.zeros((n, 3, size, size), "float32")
    for octave, cells in enumerate(OCTAVES):
        grid = rng.uniform(-1, 1, (n, 3, cells + 1, cells + 1)).astype("float32")
        place = np.linspace(0, cells, size)[:, None] - np.arange(cells + 1)
        spread = np.maximum(0, 1 - np.abs(place)).astype("float32")
        total += amplitude * 0.6**octave * (spread @ grid @ spread.T)
    return total.transpose(0, 2, 3, 1)


def _shape(rng: np.random.Generator, outline: np.ndarray, size: int) -> np.ndarray:
    """One outline, stretched, turned, sized and placed: coverage `(size, size)`."""
    radius = rng.uniform(*RADIUS)
    first, second = rng.uniform(0, 2 * np.pi, 2)
    stretch = 1 + rng.uniform(-STRETCH, STRETCH) * np.array([1, -1])
    points = (outline @ _turn(first)) * stretch @ _turn(second) * radius
    low, high = -points.min(axis=0), 1 - points.max(axis=0)
    canvas = Image.new("L", (size * OVERSAMPLING,) * 2)
    points = (points + rng.uniform(low, high)) * size * OVERSAMPLING
    ImageDraw.Draw(canvas).polygon(points.ravel().tolist(), fill=255)
    return _average_down(canvas)


def _lines(rng: np.random.Generator, size: int) -> np.ndarray:
    """Stray lines across the picture: coverage `(size, size)`."""
    canvas = Image.new("L", (size * OVERSAMPLING,) * 2)
    draw = ImageDraw.Draw(canvas)
    for ends in rng.uniform(0, canvas.width, (NUM_LINES, 4)):
        draw.line(ends.tolist(), fill=255, width=max(1, canvas.width // 50))
    return _average_down(canvas)


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _average_down(canvas: Image.Image) -> np.ndarray:
    return np.asarray(canvas.reduce(OVERSAMPLING), "float32") / 255
