"""What augmentation does, measured from outside: moves, batches, mixtures, views."""

from itertools import islice
from types import SimpleNamespace

import keras
import numpy as np
from keras import layers

from cnnlab.teaching.check import frozen, to_numpy
from cnnlab.teaching.probes import attempt

SIDE = 33  # of the pictures below: odd, so that there is a pixel in the middle
REACH = 8  # pixels from the middle, to all sides, in which slopes are measured


def coordinates(count: int) -> np.ndarray:
    """Pictures whose values say where they are: `(count, 33, 33, 3)`.

    The first channel grows to the right, the second downwards, the third is even; all
    lie between 0.25 and 0.75. After any turn, shift or flip, the middle of such a
    picture tells which.
    """
    # Room below and above: a change of brightness by 0.2 is not cut off at 0 or 1.
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
    # The even channel says how much brighter; less that, the other two say where each
    # pixel came from. Only near the middle: at the edge, Keras repeats or reflects.
    brighter = x[:, middle, middle, 2] - 0.5
    places = 2 * (x[..., :2] - brighter[:, None, None, None]) - 0.5  # 0 to 1
    near = slice(middle - REACH, middle + REACH + 1)
    places, steps = places[:, near, near], np.arange(-REACH, REACH + 1)
    right, down = (np.tensordot(places, steps, (axis, 0)).mean(1) for axis in (2, 1))
    # A turn keeps the sense from "right" to "down", a mirror reverses it.
    flipped = right[:, 0] * down[:, 1] < right[:, 1] * down[:, 0]
    mirrored = flipped & (right[:, 0] < 0)
    right[mirrored, 0] *= -1
    shift = (0.5 - places.mean(axis=(1, 2))) * (SIDE - 1) / SIDE
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


def leaves_range(augment) -> bool:
    """Whether it makes images of zeros and ones darker than 0 or brighter than 1."""
    x = np.repeat(np.arange(2, dtype="float32"), 30)[:, None, None, None]
    seen = to_numpy(augment(x * np.ones((5, 5, 3), "float32"), training=True))
    return seen.min() < -1e-4 or seen.max() > 1 + 1e-4


def spread(layer, *quantities: str) -> np.ndarray:
    """Mean change, and the limits to both sides, of `moves` of 600 pictures.

    Nothing of what is no layer, changes predictions too, or leaves the range.
    """
    is_sound = isinstance(layer, keras.Layer) and not leaves_range(layer)
    seen = moves(layer, 600)
    sizes = [f(seen[q]) for q in quantities for f in (_mean_size, np.max, np.min)]
    return np.array(sizes) * (is_sound and not changes_predictions(layer))


def _mean_size(values: np.ndarray) -> float:
    return np.abs(values).mean()


def kinds_of_moves(layer, count: int = 120) -> list[str]:
    """What happens to some of the pictures, by the names that `moves` has for it."""
    seen = moves(layer, count)
    least = {"angle": 2, "right": 0.02, "down": 0.02, "brighter": 0.02}
    return [name for name in seen if np.abs(seen[name]).max() > least.get(name, 0)]


def flip_quarters(layer) -> np.ndarray:
    """How many quarters of the pictures are mirrored, and how many upside down."""
    seen, is_layer = moves(layer, 600), isinstance(layer, keras.Layer)
    found = [np.rint(4 * seen[name].mean()) for name in ("mirrored", "upside_down")]
    return np.array(found) * is_layer


def numbered(count: int, shape: tuple[int, int, int] = (6, 6, 1)) -> np.ndarray:
    """Images `(count, *shape)`, uint8, that carry their number, up to 9,999.

    `numbers` reads it, also after a change of brightness or a division by 255.
    """
    # As a difference of neighbouring pixels, which brightness leaves as it is.
    x, number = np.full((count, *shape), 100, "uint8"), np.arange(count)
    for column, digits in enumerate((number % 100, number // 100)):
        x[:, ::2, column::2] += digits.astype("uint8")[:, None, None, None]
    return x


def numbers(images: np.ndarray) -> np.ndarray:
    """The numbers of `numbered` images in [0, 1]."""
    digits = np.rint(255 * (images[:, 0, :2, 0] - images[:, 1, :2, 0])).astype(int)
    return digits @ [1, 100]


def shades(images: np.ndarray) -> np.ndarray:
    """How much brighter each of the `numbered` images, in [0, 1], has become."""
    return images[:, 1, 0, 0] - 100 / 255


def shade() -> keras.Layer:
    """A random change of brightness that leaves the numbers of images alone."""
    return layers.RandomBrightness(0.2, value_range=(0, 1))


def copies_of(enlarge, seed: int) -> dict:
    """The value of a probe: what `enlarge` makes of numbered images.

    How many there are, how many of them have 0, 1, 2, ... versions; the rest is truths.
    """
    rng = np.random.default_rng(seed)
    n, aside, copies = (int(k) for k in rng.integers([30, 8, 2], [60, 16, 5]))
    x, y = frozen(numbered(n) / np.float32(255)), frozen(rng.integers(0, 3, n))
    made = [enlarge(x, y, aside, copies, shade(), seed=k) for k in (3, 3, 4)]
    (x_train, y_train), (x_val, y_val) = made[0]
    x_train, x_val = to_numpy(x_train), to_numpy(x_val)
    trained, brighter = numbers(x_train), np.abs(shades(x_train)).round(6)
    kept, again, other = (numbers(to_numpy(part[0])) for _, part in made)
    counts = [len(trained), len(kept), len(np.intersect1d(trained, kept))]
    return {
        "in training, set aside, in both": np.array(counts),
        "versions of each image": np.bincount(np.bincount(trained, minlength=n)),
        "those set aside are as they were": np.abs(shades(x_val)).max() < 1e-6,
        "versions differ": len(np.unique(brighter)) > 0.7 * len(trained),
        "labels": attempt(
            lambda: np.all(y[trained] == y_train) & np.all(y[kept] == y_val)
        ),
        "the seed decides": set(kept) == set(again) and set(kept) != set(other),
    }


def one_epoch(dataset, most: int = 1000) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches of a data set, images and labels, at most so many."""
    return [
        (to_numpy(images), to_numpy(labels))
        for images, labels in islice(iter(dataset), most)
    ]


def two_epochs(
    batches, count: int, augment_layer=None, batch_size=16, shape=(6, 6, 1)
) -> SimpleNamespace:
    """What `batches(x, y, load, augment_layer, batch_size)` makes of numbered images.

    They are of ten classes, one class after the other.

    Returns:
        How many images were `loaded` in two epochs; `sizes` of the batches of the
        first one; and for both epochs the sets of numbers that a batch is `composed`
        of, the numbers in `order`, the `labels` in that order, and the `shades`,
        sorted by number.
    """
    import tensorflow as tf

    loaded = []

    def load(image):
        def read(pixels):
            loaded.append(1)
            return (pixels / 255).astype("float32")

        # In Python, so that every reading is counted, and not the tracing of a graph.
        image = tf.numpy_function(read, [image], tf.float32)
        return tf.ensure_shape(image, shape)

    x, y = frozen(numbered(count, shape)), frozen(class_of(np.arange(count), count))
    dataset = batches(x, y, load, augment_layer, batch_size)
    epochs = [one_epoch(dataset, count) for _ in range(2)]
    images, labels = (
        [np.concatenate([batch[part] for batch in epoch]) for epoch in epochs]
        for part in (0, 1)
    )
    return SimpleNamespace(
        loaded=len(loaded),
        sizes=[len(batch[0]) for batch in epochs[0]],
        composed=[{frozenset(numbers(batch[0])) for batch in e} for e in epochs],
        order=[numbers(part) for part in images],
        shades=[shades(part)[np.argsort(numbers(part))] for part in images],
        labels=labels,
    )


def class_of(number: np.ndarray, count: int) -> np.ndarray:
    """The class of the images of `two_epochs` with these numbers, 0 to 9."""
    return number * 10 // count


def in_order_of_file(order: np.ndarray) -> bool:
    """Whether the first images of an epoch come from the first part of the file.

    Of 400 images or more, all shuffled, 100 do so once in 10 million epochs.
    """
    return max(order[:100]) < 0.85 * len(order)


def epochs_of(batches, seed: int) -> dict[str, bool]:
    """The value of a probe: truths about two epochs of `batches`."""
    count = 400 + seed % 16
    plain = two_epochs(batches, count)
    shaded = two_epochs(batches, count, shade(), 8)
    everything = np.arange(count).tolist()
    right = max(plain.sizes) == 16
    right &= all(sorted(o.tolist()) == everything for o in plain.order + shaded.order)
    for order, labels in zip(plain.order, plain.labels, strict=True):
        right &= np.array_equal(class_of(order, count), labels)
    shuffled = not in_order_of_file(plain.order[0])
    shuffled &= plain.composed[0] != plain.composed[1]
    fresh = np.abs(shaded.shades[0] - shaded.shades[1]).max() > 1e-6
    # One draw a batch gives count / 8; batches mapped at once may share their draws.
    own_draws = len(np.unique(shaded.shades[0].round(5))) > count / 4
    once = shaded.loaded == count
    return {
        "every image once, with its label": bool(right),
        "shuffled anew": bool(shuffled),
        "augmented anew": bool(fresh and own_draws),
        "loaded once": bool(fresh and once),
    }


def mixtures(
    mix, *, alpha: float, seed: int = 0, calls: int = 400, size=(8, 12)
) -> tuple[np.ndarray, np.ndarray]:
    """What `mix(x, y, alpha, rng)` makes of four images, many times.

    Image `k` is 1 in its channel `k` and 0 in the three others, and so is its label: a
    mixed image says in its channels whose pixels it has.

    Returns:
        Images `(calls, 4, *size, 4)` and labels `(calls, 4, 4)`.
    """
    rng, y = np.random.default_rng(seed), frozen(np.eye(4, dtype="float32"))
    x = frozen(y[:, None, None] * np.ones((*size, 1), "float32"))
    mixed = [mix(x, y, alpha, rng) for _ in range(calls)]
    images, labels = zip(*mixed, strict=True)
    return np.stack([*map(to_numpy, images)]), np.stack([*map(to_numpy, labels)])


def obeys_generator(mix) -> bool:
    """Whether equal generators give equal mixtures, and a generator goes on."""
    x, y = np.random.default_rng(0).random((6, 4, 5, 3), "float32"), np.eye(6)
    x, y, rng = frozen(x), frozen(y.astype("float32")), np.random.default_rng(1)
    first, next_one = (to_numpy(mix(x, y, 0.7, rng)[0]) for _ in range(2))
    again = to_numpy(mix(x, y, 0.7, np.random.default_rng(1))[0])
    return np.allclose(first, again) and not np.allclose(first, next_one)


def own_shares(shares: np.ndarray) -> np.ndarray:
    """How much each image, or label, keeps of its own: `(n,)`, from `(calls, 4, 4)`.

    Those that met themselves, and hold nothing else, are left out.
    """
    # A permutation leaves one image in four, on average, with itself.
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
    calls, count, height, width = images.shape[:4]
    own = images[:, np.arange(count), :, :, np.arange(count)]
    pasted = own.reshape(-1, height, width) < 0.5
    pasted = pasted[pasted.any(axis=(1, 2))]
    rows, columns = pasted.any(axis=2), pasted.any(axis=1)
    boxes = rows[:, :, None] & columns[:, None, :]
    whole = np.isclose(images, np.rint(images)).all()
    edges = [line[:, 0].mean() if len(line) else 0.0 for line in (rows, columns)]
    sides = [line.mean() if len(line) else 0.0 for line in (rows, columns)]
    return np.array([whole and (boxes == pasted).all(), *edges, *sides], float)


def of_each(runs: list[dict]) -> dict[str, list]:
    """Several values of one kind as one: a part is right if it is in all of them."""
    return {part: [run[part] for run in runs] for part in runs[0]}


def blending(mixup, alpha: float, seed: int) -> dict:
    """The value of a probe: how labels stray from images, and what mixtures are.

    With one share for a whole batch two means differ by .015 of a half: 7 sigma to .1.
    """
    images, labels = mixtures(mixup, alpha=alpha, seed=seed, calls=1500, size=(2, 3))
    stray, mixed, *sizes = mixing_statistics(images, labels)
    even = np.abs(images - images[:, :, :1, :1]).max() < 1e-3
    return {
        "labels go with the images": stray,
        "most are mixed": mixed > 0.5,
        "all pixels alike": even,
        "drawn from the generator": obeys_generator(mixup),
        "mean and spread of the shares": np.array(sizes),
    }


def pasting(cutmix, alpha: float, seed: int) -> dict:
    """The value of a probe: how labels stray from images, and what boxes are.

    With one box for a whole batch, which is right too, the areas of two answers differ
    by 2.6 %, their spreads by 3.3 %: tolerated are 20 %, at least 6 sigma. Halves of
    odd sides rounded down cost 8 % more of the area, without a root it is a third.
    """
    images, labels = mixtures(cutmix, alpha=alpha, seed=seed, calls=1000, size=(32, 48))
    stray, mixed, own, spread = mixing_statistics(images, labels)
    boxes, above, left, *sides = box_statistics(images)
    anywhere = 0.2 < above < 0.75 and 0.2 < left < 0.75
    return {
        "labels go with the images": stray,
        "most are mixed": mixed > 0.5,
        "one box each": boxes,
        "boxes are anywhere": anywhere,
        "drawn from the generator": obeys_generator(cutmix),
        "area and sides of the boxes": np.array([1 - own, spread, *sides]),
    }


VIEWS = [
    *(lambda x: x, lambda x: x[:, ::-1], lambda x: x[:, :, ::-1]),
    *(lambda x: x[:, ::-1, ::-1], lambda x: 1 - x),
]


def corner_model(dropout: float = 0.0) -> keras.Model:
    """Three classes told apart by the top left pixels of images `(4, 6, 3)`.

    Each of VIEWS shows it something else.
    """
    inputs = keras.Input((4, 6, 3))
    # Two pixels of a corner: every flip puts others there, so that each view answers
    # otherwise, and a mean over too few or too many views is another.
    corner = layers.Flatten()(inputs[:, :1, :2, :1])
    corner = layers.Dropout(dropout)(corner)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(corner))
    kernel = np.array([[4.0, -4.0, 0.0], [-3.0, 0.0, 3.0]])
    model.set_weights([kernel, np.array([0.2, -0.1, 0.0])])
    return model


class Brighter(keras.layers.Layer):
    """Adds a constant in training; remembers the shapes it has seen."""

    def __init__(self, constant: float):
        super().__init__()
        self.constant, self.seen = constant, set()

    def call(self, inputs, training=False):
        """Images, brighter in training."""
        self.seen.add(tuple(inputs.shape[1:]))
        return inputs + self.constant if training else inputs


def backbone_and_head(seed: int = 0) -> tuple[keras.Model, keras.Model, np.ndarray]:
    """Backbone and head with weights from the seed, and four images `(6, 8, 2)`."""
    rng = np.random.default_rng(seed)
    inputs = keras.Input((6, 8, 2))
    maps = layers.Conv2D(3, 3, activation="relu")(inputs)
    backbone = keras.Model(inputs, layers.GlobalAveragePooling2D()(maps))
    head = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="softmax")])
    for model in (backbone, head):
        model.set_weights([rng.normal(0, 1, w.shape) for w in model.weights])
    return backbone, head, rng.random((4, 6, 8, 2)).astype("float32")
