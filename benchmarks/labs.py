"""Training in the labs: our way against the way a tutorial would write it.

    python benchmarks/labs.py [--rounds 3] [LAB ...]

For each of four labs two ways to train the same network on the same offline pictures,
in turns: seconds per epoch (the first left out: it compiles), and seconds until the
validation accuracy first reaches the one stated, all preparation included. Medians of
the rounds; the ratio is plain / ours, so more than 1 is in our favour. Each round has
its own seed, which both ways start from: which epoch gets there is partly chance.

    lab04  train.fit                          | model.fit with its own progress bar
    lab07  train.fit, a deep network          | model.fit with its own progress bar
    lab08  RandomAffine on whole batches      | Python code on one image at a time
    lab09  features computed once             | the frozen base run in every epoch
"""

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy import ndimage

from cnnlab import augment, data, models, shapes, train

BATCH_SIZE = 32


class Clock(keras.callbacks.Callback):
    """When each epoch ended, in seconds since it was made, and how good it was."""

    def __init__(self):
        super().__init__()
        self.start, self.ends, self.accuracies = time.perf_counter(), [], []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter() - self.start)
        self.accuracies.append(logs["val_accuracy"])

    def seconds_per_epoch(self) -> float:
        return statistics.median(np.diff(self.ends))

    def seconds_to(self, accuracy: float) -> float:
        """Infinite if it was never reached."""
        pairs = zip(self.ends, self.accuracies, strict=True)
        return next((end for end, value in pairs if value >= accuracy), float("inf"))


class Race(NamedTuple):
    """Two ways to train; each takes a `Clock` and a seed, the same for both."""

    ours: Callable[[Clock, int], None]
    plain: Callable[[Clock, int], None]
    accuracy: float


def compiled(model: keras.Model, rate: float = 1e-3) -> keras.Model:
    """The model, ready to train. Call `train.seed` before it is built."""
    model.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def fits(build: Callable[[], keras.Model], x, y, validation, epochs, accuracy) -> Race:
    """`train.fit` against `model.fit`."""

    def ours(clock, seed):
        train.seed(seed)
        train.fit(
            compiled(build()),
            x,
            y,
            epochs=epochs,
            batch_size=BATCH_SIZE,
            validation_data=validation,
            callbacks=(clock,),
        )

    def plain(clock, seed):
        train.seed(seed)
        compiled(build()).fit(
            x,
            y,
            epochs=epochs,
            batch_size=BATCH_SIZE,
            validation_data=validation,
            callbacks=[clock],
        )

    return Race(ours, plain, accuracy)


def lab04() -> Race:
    """LeNet-5."""
    (x, y), validation = digits()
    return fits(models.lenet5, x, y, validation, 8, 0.95)


def lab07() -> Race:
    """The 20-layer residual network of He et al."""
    (x, y), validation = digits()
    return fits(
        lambda: models.resnet_cifar(20, input_shape=x.shape[1:]),
        *(x, y, validation, 6, 0.7),
    )


def lab08() -> Race:
    """Every image turned, shifted and zoomed anew in every epoch.

    The lab's colour pictures of four kinds of shapes, which may lie in any way.
    """
    (x, y), validation = colour_pictures()
    options = {"epochs": 12, "validation_data": validation, "verbose": 0}

    def network():  # that of the lab
        model = keras.Sequential([keras.Input(x.shape[1:])])
        for filters in (16, 32):
            model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
            model.add(layers.MaxPooling2D())
        model.add(layers.Flatten())
        model.add(layers.Dense(4, activation="softmax"))
        return compiled(model, 2e-3)

    def ours(clock, seed):
        train.seed(seed)
        model = network()
        moves = augment.RandomAffine(0.5, 0.1, 0.1, seed=seed)
        batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed)
        batches = batches.batch(BATCH_SIZE).map(
            lambda images, labels: (moves(images, training=True), labels),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        model.fit(batches.prefetch(tf.data.AUTOTUNE), callbacks=[clock], **options)

    def plain(clock, seed):
        train.seed(seed)
        network().fit(OneByOne(x, y, seed), callbacks=[clock], **options)

    return Race(ours, plain, 0.45)


class OneByOne(keras.utils.PyDataset):
    """Each image moved by SciPy, on its own: what `ImageDataGenerator` did."""

    def __init__(self, x: np.ndarray, y: np.ndarray, seed: int):
        super().__init__()
        self.x, self.y, self.rng = x, y, np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.x) // BATCH_SIZE)

    def __getitem__(self, index: int):
        rows = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return np.stack([self.moved(self.x[row]) for row in rows]), self.y[rows]

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))

    def moved(self, image: np.ndarray) -> np.ndarray:
        """One affine transform about the middle of the picture."""
        angle, zoom = self.rng.uniform(-np.pi, np.pi), self.rng.uniform(0.9, 1.1)
        cosine, sine = np.cos(angle) * zoom, np.sin(angle) * zoom
        matrix = np.array([[cosine, -sine], [sine, cosine]])
        middle = (np.array(image.shape[:2]) - 1) / 2
        shift = self.rng.uniform(-0.1, 0.1, 2) * image.shape[:2]
        offset = middle - matrix @ (middle + shift)
        channels = [
            ndimage.affine_transform(channel, matrix, offset, order=1, mode="nearest")
            for channel in np.moveaxis(image, -1, 0)
        ]
        return np.stack(channels, axis=-1)


def lab09() -> Race:
    """A linear head on the frozen narrow VGG16; classes the base has never seen.

    As in the lab 500 images of each of five classes, in batches of 64; 500 to validate.
    """
    x, y = prepared_shapes(2500, seed=0)
    validation = prepared_shapes(500, seed=1)
    options = {"epochs": 12, "batch_size": 64, "verbose": 0}

    def head():
        return [
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(shapes.TARGET_CLASSES), activation="softmax"),
        ]

    def ours(clock, seed):
        train.seed(seed)
        base = models.narrow_vgg16()
        rows = base.predict(x, verbose=0)
        rows_val = base.predict(validation[0], verbose=0), validation[1]
        model = compiled(keras.Sequential(head()), 1e-2)
        model.fit(rows, y, validation_data=rows_val, callbacks=[clock], **options)

    def plain(clock, seed):
        train.seed(seed)
        base = models.narrow_vgg16()
        base.trainable = False
        model = compiled(keras.Sequential([base, *head()]), 1e-2)
        model.fit(x, y, validation_data=validation, callbacks=[clock], **options)

    return Race(ours, plain, 0.95)


def digits():
    """Training and validation part: `(n, 28, 28, 1)` in [0, 1], and labels."""
    found = data.load("digits", offline=True)
    x, x_val = ((x / 255).astype("float32") for x in (found.x_train, found.x_test))
    return (x, found.y_train), (x_val, found.y_test)


def colour_pictures():
    """2,000 images `(n, 32, 32, 3)` in [0, 1] of four classes, 400 to validate."""
    found = data.load("cifar10", offline=True)
    parts = (found.x_train, found.y_train, 2000), (found.x_test, found.y_test, 400)
    return tuple(
        (x[y < 4][:count].astype("float32") / 255, y[y < 4][:count])
        for x, y, count in parts
    )


def prepared_shapes(n: int, seed: int):
    """Images `(n, 64, 64, 3)` as VGG16 takes them, and labels."""
    made = shapes.make(n, size=64, classes=shapes.TARGET_CLASSES, seed=seed)
    images = made.x.astype("float32")
    return keras.applications.vgg16.preprocess_input(images), made.y


LABS = {race.__name__: race for race in (lab04, lab07, lab08, lab09)}


def run(race: Race, rounds: int) -> Iterator[tuple[float, float]]:
    """(ours, plain) in seconds, medians: an epoch first, then to the accuracy."""
    clocks = {"ours": [], "plain": []}
    for seed in range(rounds):
        for name, made in clocks.items():
            made.append(clock := Clock())
            with contextlib.redirect_stdout(io.StringIO()):
                getattr(race, name)(clock, seed)
    for measure in (Clock.seconds_per_epoch, lambda c: c.seconds_to(race.accuracy)):
        yield tuple(statistics.median(map(measure, made)) for made in clocks.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labs", nargs="*", metavar="LAB", default=list(LABS))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.labs:
        if name not in LABS:
            parser.error(f"no lab {name!r}; there are {', '.join(LABS)}")
    print(f"{'lab':<7}{'seconds':<20}{'ours':>9}{'plain':>9}{'ratio':>8}")
    for name in arguments.labs:
        race = LABS[name]()
        names = ("per epoch", f"to accuracy {race.accuracy}")
        for what, pair in zip(names, run(race, arguments.rounds), strict=True):
            ours, plain = pair
            ratio = f"{ours:>9.2f}{plain:>9.2f}{plain / ours:>8.2f}"
            print(f"{name:<7}{what:<20}{ratio}", flush=True)


if __name__ == "__main__":
    main()
