"""What augmentation does, measured from outside: moves, batches, mixtures."""

from itertools import islice

import keras
import numpy as np
from keras import layers

from cnnlab import augment as library
from cnnlab.teaching.check import to_numpy

SIDE = 33  # of the pictures below: odd, so that there is a pixel in the middle
STEP = 4  # pixels from the middle to where slopes are measured


_JUDGED_BY = {"small_turn": "rotation", "any_turn": "rotation", "shift": "translation"}


def verdict(kind: str, transform: str) -> tuple[bool | None, str]:
    """Whether a transform of lab 8 keeps every label of a kind of data, and why.

    None where one can argue: grey pictures have no hue, and for a transform that needs
    care it depends on what is asked of the picture.
    """
    rule = library.rules(kind)[_JUDGED_BY.get(transform, transform)]
    grey = library.rules(kind)["hue"].verdict == "no" and kind != "traffic_signs"
    if (transform == "hue" and grey) or rule.verdict == "care":
        return None, rule.reason
    if transform == "any_turn" and kind == "flowers":
        return None, "right for a bloom from above, not for a stem"
    least = 0.5 if transform == "any_turn" else 0
    return rule.limit > 0 and rule.limit >= least, rule.reason


def coordinates(count: int) -> np.ndarray:
    """Pictures whose values say where they are: `(count, 33, 33, 3)`.

    The first channel grows to the right, the second downwards, the third is even; all
    lie between 0.25 and 0.75. After any turn, shift or flip, the middle of such a
    picture tells which.
    """
    ramp = 0.25 + 0.5 * np.arange(SIDE, dtype="float32") / (SIDE - 1)
    even = np.full((SIDE, SIDE), 0.5, "float32")
    columns, rows = np.meshgrid(ramp, ramp)
    return np.repeat(np.stack([columns, rows, even], axis=-1)[None], count, axis=0)


def moves(augment, count: int = 300) -> dict[str, np.ndarray]:
    """What `augment`, a layer or model, does to `count` equal pictures in training.

    Returns:
        One value per picture: `mirrored` and `upside_down`, booleans, never both;
        `angle` in degrees, up to 180 either way (both flips are half a turn); `right`
        and `down`, shifts in shares of the side; `brighter`, in shares of the range.
    """
    x = to_numpy(augment(coordinates(count), training=True)).astype("float64")
    middle = SIDE // 2
    brighter = x[:, middle, middle, 2] - 0.5
    places = 2 * (x[..., :2] - brighter[:, None, None, None]) - 0.5  # 0 to 1
    right = places[:, middle, middle + STEP] - places[:, middle, middle - STEP]
    down = places[:, middle + STEP, middle] - places[:, middle - STEP, middle]
    flipped = right[:, 0] * down[:, 1] < right[:, 1] * down[:, 0]
    mirrored = flipped & (right[:, 0] < 0)
    right[mirrored, 0] *= -1
    shift = (0.5 - places[:, middle, middle]) * (SIDE - 1) / SIDE
    return {
        "mirrored": mirrored,
        "upside_down": flipped & ~mirrored,
        "angle": np.degrees(np.arctan2(right[:, 1], right[:, 0])),
        "right": shift[:, 0],
        "down": shift[:, 1],
        "brighter": brighter,
    }


def changes_predictions(augment) -> bool:
    """Whether it changes images outside of training, by call or by `predict`."""
    x = coordinates(6)
    seen = [augment(x, training=False)]
    if isinstance(augment, keras.Model):
        seen.append(augment.predict(x, verbose=0))
    return any(np.abs(to_numpy(images) - x).max() > 1e-6 for images in seen)


def numbered(count: int, *, size: int = 6) -> np.ndarray:
    """Images `(count, size, size, 1)`, uint8, that carry their number, up to 100.

    `numbers` reads it, also after a change of brightness or a division by 255.
    """
    x = np.full((count, size, size, 1), 100, "uint8")
    x[:, ::2] += np.arange(count, dtype="uint8")[:, None, None, None]
    return x


def numbers(images: np.ndarray) -> np.ndarray:
    """The numbers of `numbered` images in [0, 1]."""
    return np.rint(255 * (images[:, 0, 0, 0] - images[:, 1, 0, 0])).astype(int)


def shades(images: np.ndarray) -> np.ndarray:
    """How much brighter each of the `numbered` images, in [0, 1], has become."""
    return images[:, 1, 0, 0] - 100 / 255


def shade() -> keras.Layer:
    """A random change of brightness that leaves the numbers of images alone."""
    return layers.RandomBrightness(0.2, value_range=(0, 1))


def one_epoch(dataset, most: int = 1000) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches of a data set, images and labels, at most so many."""
    return [
        (to_numpy(images), to_numpy(labels))
        for images, labels in islice(iter(dataset), most)
    ]


def mixtures(
    mix, *, alpha: float, seed: int = 0, calls: int = 400, size: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """What `mix(x, y, alpha, rng)` makes of four images, many times.

    Image `k` is 1 in its channel `k` and 0 in the three others, and so is its label: a
    mixed image says in its channels whose pixels it has.

    Returns:
        Images `(calls, 4, size, size, 4)` and labels `(calls, 4, 4)`.
    """
    y, rng = np.eye(4, dtype="float32"), np.random.default_rng(seed)
    x = np.repeat(np.repeat(y[:, None, None], size, axis=1), size, axis=2)
    mixed = [mix(x, y, alpha, rng) for _ in range(calls)]
    images, labels = zip(*mixed, strict=True)
    return np.stack([*map(to_numpy, images)]), np.stack([*map(to_numpy, labels)])


def own_shares(shares: np.ndarray) -> np.ndarray:
    """How much each image, or label, keeps of its own: `(n,)`, from `(calls, 4, 4)`.

    Those that met themselves, and hold nothing else, are left out.
    """
    own = np.diagonal(shares, axis1=1, axis2=2)
    return own[own < 1 - 1e-6]


def mixing_statistics(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How far labels stray from their images, and how the images' own shares spread.

    Returns:
        Four numbers: the largest difference between a label and the shares of the
        pixels; how many images were mixed with another, as a share; mean and standard
        deviation of what those keep of their own.
    """
    shares = images.mean(axis=(2, 3))
    own = own_shares(shares)
    mixed = own.size / (shares.shape[0] * shares.shape[1])
    stray = np.abs(shares - labels).max()
    return np.array([stray, mixed, np.mean(own), np.std(own)])


def box_statistics(images: np.ndarray) -> np.ndarray:
    """Whether what was pasted is one box each, and how large, and where.

    Returns:
        Five numbers, shares of the images that have a box: with one box of whole
        pixels only; and with a box that touches the edge above and on the left; then
        the mean height and width of a box, in shares of the side.
    """
    calls, count, size = images.shape[:3]
    own = images[:, np.arange(count), :, :, np.arange(count)].reshape(-1, size, size)
    pasted = own < 0.5
    pasted = pasted[pasted.any(axis=(1, 2))]
    rows, columns = pasted.any(axis=2), pasted.any(axis=1)
    boxes = rows[:, :, None] & columns[:, None, :]
    whole = np.isclose(images, np.rint(images)).all()
    edges = [line[:, 0].mean() if len(line) else 0.0 for line in (rows, columns)]
    sides = [line.mean() if len(line) else 0.0 for line in (rows, columns)]
    return np.array([whole and (boxes == pasted).all(), *edges, *sides], float)
