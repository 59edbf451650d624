"""One drawn picture of each kind of data: what a transform does to it can be seen."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 256  # drawn so large, then averaged down
CENTRE = SIDE // 2


def _word(text: str, points: int) -> Callable[[ImageDraw.ImageDraw], None]:
    def draw(pen: ImageDraw.ImageDraw) -> None:
        font = ImageFont.load_default(points)
        pen.text((CENTRE, CENTRE), text, fill="black", font=font, anchor="mm")

    return draw


def _flower(pen: ImageDraw.ImageDraw) -> None:
    pen.rectangle((0, 190, SIDE, SIDE), fill="#5b8c3a")
    pen.line((CENTRE, 90, 120, SIDE), fill="#2f6b1f", width=10)
    pen.polygon([(122, 190), (60, 150), (75, 200)], fill="#2f6b1f")
    for angle in np.arange(0, 2 * np.pi, np.pi / 4):
        x, y = CENTRE + 42 * np.cos(angle), 84 + 42 * np.sin(angle)
        pen.ellipse((x - 25, y - 25, x + 25, y + 25), fill="#f4f0fa")
    pen.ellipse((CENTRE - 24, 60, CENTRE + 24, 108), fill="#f2b705")


def _satellite(pen: ImageDraw.ImageDraw) -> None:
    fields = ("#7aa35a", "#c2b26b", "#5f8a48", "#a8934f")
    for number, colour in enumerate(fields):
        row, column = divmod(number, 2)
        corner = np.array([column, row]) * CENTRE
        pen.rectangle((*corner, *(corner + CENTRE)), fill=colour)
    river = [(0, 40), (70, 70), (110, 140), (190, 170), (SIDE, 240)]
    pen.line(river, fill="#3b6fa5", width=24, joint="curve")
    pen.line((30, SIDE, SIDE, 20), fill="#d8d4cc", width=9)
    for x, y in ((150, 40), (182, 34), (176, 66), (214, 90)):
        pen.rectangle((x, y, x + 20, y + 16), fill="#b04a3a")


def _xray(pen: ImageDraw.ImageDraw) -> None:
    pen.rounded_rectangle((28, 8, SIDE - 28, SIDE), 70, fill="#555555")
    for left in (48, 140):
        pen.ellipse((left, 40, left + 68, 220), fill="#1c1c1c")  # the lungs: air
    for y in range(50, 200, 28):
        pen.arc((40, y, 128, y + 44), 180, 340, fill="#8a8a8a", width=6)
        pen.arc((128, y, 216, y + 44), 200, 360, fill="#8a8a8a", width=6)
    pen.rectangle((118, 10, 138, SIDE), fill="#b5b5b5")  # the spine
    pen.ellipse(
        (106, 120, 186, 214), fill="#d0d0d0"
    )  # the heart, on the patient's left
    pen.text((236, 28), "L", fill="white", font=ImageFont.load_default(40), anchor="mm")


def _traffic_sign(pen: ImageDraw.ImageDraw) -> None:
    pen.rectangle((CENTRE - 7, 200, CENTRE + 7, SIDE), fill="#777777")
    pen.ellipse((28, 18, 228, 218), fill="white")
    pen.ellipse((36, 26, 220, 210), fill="#1351a8")
    pen.line([(168, 176), (168, 104), (100, 104)], fill="white", width=26)
    pen.polygon([(108, 62), (108, 146), (56, 104)], fill="white")


_DRAWN = {  # kind -> colour of the ground, and what is drawn on it
    "digits": ("white", _word("26", 170)),
    "text": ("white", _word("bug", 120)),
    "xray": ("black", _xray),
    "flowers": ("#a9d3ee", _flower),
    "satellite": ("black", _satellite),
    "traffic_signs": ("#cfe3ee", _traffic_sign),
}


def picture(kind: str, *, size: int = 64) -> np.ndarray:
    """Return a drawn picture of one kind of data: `(size, size, 3)`, floats in [0, 1].

    Args:
        kind: "digits", "text", "xray", "flowers", "satellite" or "traffic_signs".
        size: height and width, 256 or a divisor of it.
    """
    if kind not in _DRAWN or SIDE % size:
        raise ValueError(
            f"`kind` must be one of {(*_DRAWN,)}, and `size` divide {SIDE}. "
            f"Received: kind={kind!r}, size={size}"
        )
    ground, draw = _DRAWN[kind]
    canvas = Image.new("RGB", (SIDE, SIDE), ground)
    draw(ImageDraw.Draw(canvas))
    return np.asarray(canvas.reduce(SIDE // size), "float32") / 255
