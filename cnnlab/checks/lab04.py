"""Checks of lab 4, LeNet on MNIST, and the typical slips that they recognise."""

from functools import partial

import keras
import numpy as np

from cnnlab import arithmetic, models
from cnnlab.teaching.check import (
    Failure,
    check,
    close,
    equal,
    frozen,
    recognise,
    to_numpy,
)
from cnnlab.teaching.networks import changed, same_network
from cnnlab.teaching.probes import is_still, noise, scales_down
from cnnlab.teaching.training import sound_training


def _with(hints: tuple, slips: dict) -> dict:
    """Slips that share their hints, as `recognise` takes them."""
    return {message: (slip, *hints) for message, slip in slips.items()}


# --- prepare

_SCALING = (
    "Black ink, 255, must become 1, and paper, 0, must stay 0.",
    "Divide by 255, once: by the largest value possible, not by the largest of these "
    "images, or pale images would be scaled unlike others.",
)


def _as_they_are(images):
    return images


_SCALING_SLIPS = _with(
    _SCALING,
    {
        "Not scaled: the values are still those of the bytes.": _as_they_are,
        "Scaled twice? The values are 255 times too small.": lambda x: x / 255**2,
        "Divided by the largest value of these images.": lambda x: x / x.max(),
        "The mean of these images is taken away.": lambda x: (x - x.mean()) / x.std(),
        "The values reach from -1 to 1.": lambda x: x / 127.5 - 1,
        "Each image is divided by its own largest value.": (
            lambda x: x / x.max(axis=(1, 2, 3), keepdims=True)
        ),
        "Black and white are swapped.": lambda x: 1 - x / 255,
        "Only 0 and 1 are left: shades of grey are lost.": lambda x: x > 127,
        "Divided as whole numbers: shades of grey are lost.": lambda x: x // 255,
        "Values above 127 became negative, as in a byte with a sign.": (
            lambda x: x.astype("int8") / 255
        ),
    },
)


@check(read="the lines above the exercise, in section 1")
def prepare(prepare):
    """prepare() gives float32 images (n, height, width, 1) between 0 and 1."""
    grey = frozen(np.arange(0, 204, 17, dtype="uint8").reshape(2, 2, 3))  # 0 to 187
    pale = frozen(np.eye(3, 5, dtype="uint8")[np.newaxis])  # 0 and 1
    blank = "Images are not scaled when they are nearly blank, with values 0 and 1."
    blank_slips = {
        blank: (_as_they_are, "All images alike: divide, whatever is there.")
    }
    for images, slips in ((grey, _SCALING_SLIPS), (pale, blank_slips)):
        ready = _of_any_size(prepare, images)
        _check_form(ready, images)
        recognise(ready, slips, images[..., np.newaxis])
        close(to_numpy(ready)[..., 0], images / 255, "prepare(images)", *_SCALING)


def _of_any_size(prepare, images):
    """What prepare() gives for small images; many answers know one size only."""
    try:
        return prepare(images)
    except ValueError as error:
        if "reshape" not in str(error):
            raise
        raise Failure(
            f"prepare(images) fails for images of shape {images.shape}: {error}",
            "It must work for images of any size, not for 28×28 only.",
            "Take the size from images.shape, or add an axis without naming sizes.",
        ) from None


def _check_form(ready, images) -> None:
    if ready is None:
        raise Failure("prepare(images) gives None. Does it end with `return`?")
    equal(
        np.shape(ready),
        (*images.shape, 1),
        f"shape of prepare(images) for images of shape {images.shape}",
        "Keras wants (batch, height, width, channels). A grey image has one channel.",
        "Add the missing axis at the end: images[..., np.newaxis]",
    )
    equal(
        str(to_numpy(ready).dtype),
        "float32",
        "dtype of prepare(images)",
        "A byte holds no fractions, and wraps around: 3 - 6 is 253 in uint8.",
        'Convert before you divide: .astype("float32")',
    )


# --- split


_REGULAR = 3  # gaps between images drawn: 30 of 100 by chance have more than 3 sizes


@check(forbid=["cnnlab.data"], read="section 2, 'Training, validation, test'")
def split(split):
    """split() shares the images out at random, each with its label, none twice."""
    x = np.random.default_rng(0).random((100, 3, 2, 1), "float32")
    x, y = frozen(x[np.argsort(x[:, 0, 0, 0])]), frozen(np.arange(100) // 10)
    (x_rest, y_rest), (x_aside, y_aside) = _two_pairs(split(x, y, 30), x)
    parts = [_standing(part, x) for part in (x_rest, x_aside)]
    both = np.concatenate(parts)
    if len(set(both)) < 100:
        raise Failure(
            f"{100 - len(set(both))} of 100 images are gone, others are there twice.",
            "An image in both sets is a leak: it is known by heart when it is asked.",
            "Take both sets from one permutation of the indices.",
        )
    if not np.array_equal(np.concatenate([y_rest, y_aside]), both // 10):
        raise Failure(
            "Some labels went astray: they do not belong to their images.",
            "Images and labels must be shuffled in the same way.",
            "Use the same indices for x and for y: x[chosen], y[chosen]",
        )
    if len(set(y_aside)) < 5:
        raise Failure(
            "The labels were sorted, and validation got the classes "
            f"{np.unique(y_aside).tolist()} only.",
            *_AT_RANDOM,
        )
    _check_seed(*(_standing(split(x, y, 30, seed=s)[1][0], x) for s in (0, 0, 1)))
    if len(set(np.diff(np.sort(parts[1])))) <= _REGULAR:
        raise Failure("Every n-th image was set aside: no random choice.", *_AT_RANDOM)


_AT_RANDOM = (
    "Draw at random.",
    "A random generator's permutation(n) gives 0 to n-1 in random order.",
)


def _standing(part, x) -> np.ndarray:
    """Where in x the images of a part stand; -1 for what is none of them."""
    alike = (to_numpy(part)[:, np.newaxis] == x).all(axis=(2, 3, 4))
    return np.where(alike.any(axis=1), alike.argmax(axis=1), -1)


def _check_seed(first, again, other) -> None:
    """Fail unless the first two draws have the same images, and the third others."""
    first, again, other = (set(drawn) for drawn in (first, again, other))
    if again != first or other == again:
        drew = "the same seed drew others" if other != again else "seed 1 drew the same"
        raise Failure(
            "The same seed must draw the same images, and another seed others; here "
            f"{drew}.",
            "What is drawn hangs on the argument `seed`, and on nothing else.",
            "np.random.default_rng(seed) starts from the seed each time.",
        )


def _two_pairs(result, x):
    """The two pairs of 100 images, 30 of them set aside; as many, and as they were."""
    try:
        (x_rest, y_rest), (x_aside, y_aside) = result
    except (TypeError, ValueError):
        raise Failure(
            "split must give two pairs: (x_train, y_train), (x_val, y_val)."
        ) from None
    sizes = [len(part) for part in (x_rest, y_rest, x_aside, y_aside)]
    if sizes == [70, 30, 70, 30]:
        raise Failure(
            "The first pair holds the images of both sets, the second the labels.",
            "Wanted are pairs of images and labels, one for each set.",
            "(x_train, y_train), (x_validation, y_validation)",
        )
    equal(
        sizes,
        [70, 70, 30, 30],
        "sizes of x_train, y_train, x_val, y_val, when 30 of 100 are set aside",
        "What is set aside for validation must leave the training set.",
        "Shuffle the numbers 0 to n-1; the first `validation` of them are set aside, "
        "the others remain.",
    )
    for part in (x_rest, x_aside):
        what = f"shape of one image, when x has the shape {x.shape}"
        equal(np.shape(part)[1:], x.shape[1:], what, "x[chosen] keeps all other axes.")
        if (_standing(part, x) < 0).any():
            raise Failure(
                "Some of the images returned are none of those given.",
                "Return the images themselves, not their numbers, and as they are.",
            )
    return result


# --- by_hand

_UNITS = ("Every unit has a weight for each input, and a bias.", "(n + 1) * N")
_COUNTING = {
    "C": (
        "A kernel has one slice for each channel it sees, and one bias.",
        "(f * f * c + 1) * N; and (h + 2p - f) / s + 1 for the sides",
    ),
    "S": ("A mean of 2×2 pixels: nothing to learn, and half of each side left.",),
}


@check(
    forbid=["cnnlab.models", "cnnlab.arithmetic", "keras"],
    read="section 3, the table of layers and the formula under it",
)
def by_hand(by_hand):
    """by_hand() has every shape and every number of parameters right."""
    counted = by_hand()
    rows = {row.name: row for row in arithmetic.table(models.lenet5()).rows}
    rows["output"] = rows["predictions"]
    for name in ("C1", "S2", "C3", "S4", "C5", "F6", "output"):
        _check_row(name, counted, rows[name])
    if counted.get("MLP") != models.mlp().count_params():
        raise Failure(
            f"MLP: {counted.get('MLP')} parameters is not right.",
            "Three dense layers, 784 to 128 to 128 to 10, each with its biases.",
            "Add up (n + 1) * N for the three of them.",
        )


def _check_row(name: str, counted, row) -> None:
    hints = _COUNTING.get(name[0], _UNITS)
    try:
        shape, params = counted[name]
    except (KeyError, TypeError, ValueError):
        raise Failure(f'"{name}" is missing, or no (shape, parameters).') from None
    shape, right = np.ravel(shape).tolist(), list(row.output_shape)
    if shape == [*right[2:], *right[:2]] != right:
        raise Failure(
            f"{name}: the shape {shape} has the channels first.",
            "Keras puts the channels last: (height, width, channels).",
        )
    if shape != right:
        raise Failure(f"{name}: the shape {shape} is not right.", *hints)
    if params != row.params:
        raise Failure(f"{name}: {params} parameters is not right.", *hints)


# --- lenet_then and lenet_now


def _late():
    """Average pooling, and after it the activation that should stand before it."""
    pooling, tanh = keras.layers.AveragePooling2D(2), keras.layers.Activation("tanh")
    return keras.Sequential([pooling, tanh])


def _slips(right) -> dict:
    """What is wrong in the layers of either LeNet -> a network that has it."""
    slip = partial(changed, right)
    still, everywhere = {"strides": 1}, ("C1", "C3", "C5", "F6", "predictions")
    return {
        # a dense layer on maps of 4×4 has the weights of a convolution with 4×4
        'without padding="same" in C1': slip(
            C1={"padding": "valid"}, C5={"kernel_size": 4}
        ),
        "with the 6 and the 16 kernels swapped": slip(
            C1={"filters": 16}, C3={"filters": 6}
        ),
        "with the 120 and the 84 units swapped": slip(
            C5={"filters": 84}, F6={"units": 120}
        ),
        "without biases": slip(**dict.fromkeys(everywhere, {"use_bias": False})),
        "with global average pooling in place of Flatten": slip(
            S4={"pool_size": 10, "strides": 10}, C5={"kernel_size": 1}
        ),
        "without the pooling S4": slip(S4={"pool_size": 1, "strides": 1}),
        "with poolings that move by one pixel (strides=1)": slip(S2=still, S4=still),
        "with sigmoid activations": lambda: right(activation="sigmoid"),
    }


_THEN_SLIPS = {
    "with ReLU instead of tanh": lambda: models.lenet5(activation="relu"),
    "with max instead of average pooling": lambda: models.lenet5(pooling="max"),
    "with max pooling in S4": changed(
        models.lenet5, S4=lambda: keras.layers.MaxPooling2D(2)
    ),
    "with tanh after each pooling, not before it": changed(
        models.lenet5,
        C1={"activation": None},
        C3={"activation": None},
        S2=_late,
        S4=_late,
    ),
    "with tanh after C1 only": changed(
        models.lenet5, **dict.fromkeys(("C3", "C5", "F6"), {"activation": None})
    ),
    **_slips(models.lenet5),
}
_ACTIVATION = "An activation is an argument of the layer, or a layer right after it."


@check(forbid=["cnnlab.models"], read="the table in section 3, and section 4")
def lenet_then(lenet_then):
    """lenet_then() is LeNet-5, with tanh and average pooling."""
    same_network(lenet_then, models.lenet5, _THEN_SLIPS, _ACTIVATION)
    network = lenet_then()
    _check_scale(network)
    if not is_still(network, _IMAGE):
        raise Failure(
            "In training your network gives other answers each time: something in it "
            "is random.",
            "The table holds no dropout and no noise. They came later.",
        )


_IMAGE = frozen(np.random.default_rng(0).random((1, 28, 28, 1), "float32"))


def _check_scale(network) -> None:
    """Fail if a network divides images from 0 to 1 once more."""
    if scales_down(network):
        raise Failure(
            "Your network scales its images, which prepare() has scaled before.",
            "Scaled twice, all of an image lies within 1/100: it is nearly blank.",
            "Leave out Rescaling: images come in from 0 to 1.",
        )


_lenet_now = partial(models.lenet5, activation="relu", pooling="max")
_NOW_SLIPS = {
    "with tanh instead of ReLU": lambda: models.lenet5(pooling="max"),
    "with average instead of max pooling": lambda: models.lenet5(activation="relu"),
    "with nothing changed": models.lenet5,
    "with average pooling in S4": changed(
        _lenet_now, S4=lambda: keras.layers.AveragePooling2D(2)
    ),
    **_slips(_lenet_now),
}


@check(forbid=["cnnlab.models"], read="section 6, 'LeNet now'")
def lenet_now(lenet_now):
    """lenet_now() is LeNet-5 with ReLU, max pooling and dropout."""
    same_network(lenet_now, _lenet_now, _NOW_SLIPS, _ACTIVATION)
    network, right = lenet_now(), _lenet_now(dropout=0.25)
    _check_scale(network)
    if not is_still(network, _IMAGE, training=False):
        raise Failure(
            "Your network gives other answers at each call, not only in training.",
            "Dropout acts while training only; Keras sees to that.",
            "Leave out training=True: layers.Dropout(rate)(x)",
        )
    # nothing; F6's kernel, which C5's noise takes; C5's own, which earlier noise takes
    for without in (0, 120 * 84, 400 * 120):
        wanted, received = (
            noise(each, _IMAGE, without=without) for each in (right, network)
        )
        if not np.isclose(received, wanted, rtol=0.1):
            raise _wrong_dropout(received / wanted, without == 120 * 84)


def _wrong_dropout(size: float, of_f6: bool) -> Failure:
    vary = "not at all" if size < 0.01 else f"{size:.2f} times what they should"
    cause = "what is dropped of F6" if of_f6 else "dropout"
    return Failure(
        f"While training, {cause} must make the outputs vary. Yours vary {vary}.",
        "Two dropouts of rate 0.25: on the 120 values of C5, and on the 84 of F6; "
        "none on the output.",
        "The rate is the share that is dropped, not the share that is kept.",
    )


# --- train_model


@check(read="section 5, 'Training'")
def train_model(train_model, lenet_then):
    """train_model() has the right loss and metric, and trains on the right images."""
    sound_training(train_model, lenet_then)


# --- scores


def _counted(y_true, y_pred, num_classes):
    places = num_classes * y_true + y_pred
    counts = np.bincount(places, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def _row_shares(*labels):
    counts = _counted(*labels)
    with np.errstate(invalid="ignore"):  # of a class without images: nan
        return counts / counts.sum(axis=1, keepdims=True)


_COUNT = "Go through the images: one more in row `true`, column `predicted`."
_MATRIX_SLIPS = {
    "The matrix is transposed.": (
        lambda y_true, y_pred, n: _counted(y_pred, y_true, n),
        "Rows are the true classes, columns the predicted ones.",
        "matrix[true, predicted]",
    ),
    "A pair that occurs several times was counted once.": (
        lambda *labels: np.minimum(_counted(*labels), 1),
        "matrix[y_true, y_pred] += 1 adds 1 to each place once, however often the "
        "place is in the list.",
        "np.add.at counts every pair; so does a loop over the images.",
    ),
    "The counts begin again at 0 after 255.": (
        lambda *labels: _counted(*labels) % 256,
        "A pair may occur more than 255 times, which a byte cannot hold.",
        "Count in integers of Python's size: dtype=int.",
    ),
    "These are shares; counts were asked for.": (
        lambda *labels: _counted(*labels) / len(labels[0]),
        _COUNT,
    ),
    "These are shares of the rows; counts were asked for.": (_row_shares, _COUNT),
    "Only the errors are counted.": (
        lambda *labels: _counted(*labels) * (1 - np.eye(labels[2])),
        _COUNT,
    ),
    "Only the right answers are counted.": (
        lambda *labels: _counted(*labels) * np.eye(labels[2]),
        _COUNT,
    ),
}
_FORBIDDEN = ["sklearn", "keras.metrics", "tensorflow"]


@check(forbid=_FORBIDDEN, read="section 7, the lines on the confusion matrix")
def confusion_matrix(confusion_matrix):
    """confusion_matrix() counts each pair of true and predicted class."""
    few = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 2, 1, 1, 2])
    many = np.repeat(few, 300, axis=1)
    for y_true, y_pred in (few, many):
        counts = confusion_matrix(frozen(y_true), frozen(y_pred), 4)
        what = "shape for 4 classes, one of them without images"
        equal(np.shape(counts), (4, 4), what, "It is num_classes that says the size.")
        right = _counted(y_true, y_pred, 4)
        if not np.array_equal(counts, right):
            recognise(counts, _MATRIX_SLIPS, y_true, y_pred, 4)
        said = f"{y_true.tolist()}, {y_pred.tolist()}" if len(y_true) < 10 else "..."
        equal(counts, right, f"confusion_matrix({said}, 4)", _COUNT)


def _scores(matrix, over=(0, 1), mean=lambda p, r: 2 * p * r / (p + r)) -> np.ndarray:
    """Precision, recall and their mean, (3, classes): the axes each is summed over."""
    precision, recall = (np.diag(matrix) / matrix.sum(axis=axis) for axis in over)
    return np.array([precision, recall, mean(precision, recall)])


_MEAN = (
    "It is the harmonic mean of precision and recall.",
    "2 * precision * recall / (precision + recall)",
)
_AXES = (
    "Precision divides by how often the class was *called*, which is a column.",
    "Sum the right axis: axis=0 sums each column, axis=1 each row.",
)
_EACH = "Each class has a precision, a recall and an F1 of its own: no mean of them."
_SCORES_SLIPS = {
    "Precision and recall are swapped.": (partial(_scores, over=(1, 0)), *_AXES),
    "All scores are whole numbers.": (
        lambda matrix: np.floor(_scores(matrix)),
        "// rounds down, so that every share below 1 becomes 0.",
        "Divide with /, not //.",
    ),
} | _with(
    _MEAN,
    {
        "F1 is the arithmetic mean.": partial(_scores, mean=lambda p, r: (p + r) / 2),
        "F1 is the geometric mean.": partial(_scores, mean=lambda p, r: np.sqrt(p * r)),
    },
)


@check(forbid=_FORBIDDEN, read="section 7, the three formulas")
def scores(scores):
    """scores() gives precision, recall and F1 of each class."""
    matrix = frozen([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    got, names = scores(matrix), ("precision", "recall", "f1")
    if not isinstance(got, dict) or set(got) != set(names):
        raise Failure('scores must give a dict of "precision", "recall" and "f1".')
    for name in names:
        equal(np.shape(got[name]), (3,), f"shape of {name!r} for 3 classes", _EACH)
    seen = matrix[:2, :2]
    received = [to_numpy(got[name])[:2] for name in names]
    recognise(received, _SCORES_SLIPS, seen)
    for name, values, right in zip(names, received, _scores(seen), strict=True):
        hints = _MEAN if name == "f1" else _AXES
        close(values, right, f"{name} of the first two classes", *hints)
    last = [float(got[name][2]) for name in names]
    if not np.allclose(last, 0, atol=1e-6):
        raise Failure(
            f"A class never seen and never predicted must score 0, received {last}.",
            "0 / 0 is nan, and one nan spoils every mean.",
            "Divide by np.maximum(sum, 1), or use np.where.",
        )


# --- worst_errors


def _errors(y_true, probabilities, sureness=lambda p, true: p.max(axis=1)):
    """Indices of the errors, by how sure the answers are, the surest first."""
    errors = np.flatnonzero(probabilities.argmax(axis=1) != y_true)
    return errors[np.argsort(-sureness(probabilities[errors], y_true[errors]))]


def _places(y_true, probabilities):
    """Where each error stands among the errors, not among all images."""
    right = _errors(y_true, probabilities)
    return np.searchsorted(np.sort(right), right)


def _of_truth(p, true):
    return p[np.arange(len(p)), true]


_SURE = (
    "How sure the network is, is its largest probability.",
    "np.argsort sorts from small to large: sort the negative values.",
)
_INDICES = (
    "An error: the largest probability is not at the true class.",
    "Find the errors; sort them; say where they stood among all images.",
    "errors[order], where order = np.argsort(-sureness of the errors)",
)
_ORDERS = {
    "they stand in the order of the images": lambda p, true: -np.arange(len(p)),
    "it comes last": lambda p, true: -p.max(axis=1),
    "sorted by how unlikely the truth is": lambda p, true: -_of_truth(p, true),
    "sorted by the lead over the truth": lambda p, true: p.max(1) - _of_truth(p, true),
    "sorted by entropy": lambda p, true: (p * np.log(p + 1e-12)).sum(axis=1),
    "sorted by the class answered": lambda p, true: p.argmax(axis=1),
}
_ORDER_SLIPS = _with(
    _SURE,
    {
        f"These are the errors, but the surest does not come first: {order}.": partial(
            _errors, sureness=sureness
        )
        for order, sureness in _ORDERS.items()
    },
) | _with(_INDICES, {"Wanted are indices into all images, not places.": _places})


@check(forbid=["cnnlab.plots"], read="section 8, the lines above the exercise")
def worst_errors(worst_errors):
    """worst_errors() lists the misclassified images, the surest mistake first."""
    rng = np.random.default_rng(56)  # for the first 6, every slip gives another order
    for n in (6, 60):
        y_true = frozen(rng.integers(0, 5, n))
        probabilities = frozen(rng.dirichlet(np.ones(5), n).round(2 if n == 6 else 9))
        right = _errors(y_true, probabilities)
        received = np.ravel(worst_errors(y_true, probabilities))
        recognise(received, _ORDER_SLIPS, y_true, probabilities)
        if sorted(received.tolist()) != sorted(right.tolist()):
            raise Failure(
                f"{_first(received)} are not the {len(right)} errors: they must be "
                "indices into all the images, and of misclassified ones only.",
                *_INDICES,
            )
        what = f"worst_errors of {n} images, of which {len(right)} are misclassified"
        if received.tolist() != right.tolist():
            said = "These are the errors, but the surest does not come first"
            raise Failure(f"{what}: {_first(received)}. {said}.", *_SURE)


def _first(indices: np.ndarray) -> str:
    """The first ten of them, in words."""
    return f"{indices[:10].tolist()}{' and so on' if len(indices) > 10 else ''}"
