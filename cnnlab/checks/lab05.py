"""Checks of lab 5: what a network sees."""

from functools import partial

import keras
import numpy as np

from cnnlab import train
from cnnlab.teaching.check import (
    Failure,
    check,
    close,
    equal,
    frozen,
    recognise,
    to_numpy,
)
from cnnlab.teaching.looking import pictures, shaped, small_network, spotted

OWN = "cnnlab.checks"
MAPS_LINE = "keras.Model(model.input, model.get_layer(layer).output)"


def _given(received, what: str, *hints: str) -> np.ndarray:
    """The student's array of numbers, or a failure that says what came instead."""
    if received is None:
        raise Failure(f"{what}: received None. Does your function return?")
    try:
        values = to_numpy(received)
        values = values.astype("float64")
    except (TypeError, ValueError):
        kind = type(received).__name__
        raise Failure(
            f"{what}: expected an array of numbers, received a {kind}.", *hints
        ) from None
    return values


def _shaped(received, shape: tuple, what: str, *hints: str) -> np.ndarray:
    """The same, of the right shape; axes of size 1 around it are left out."""
    values = _given(received, what, *hints)
    if len(shape) == 2 and values.shape == shape[::-1] != shape:
        hints = ("The first axis is the rows: (height, width).", *hints)
        raise Failure(f"{what}: rows and columns are exchanged.", *hints)
    try:
        return shaped(values, shape)
    except ValueError as error:
        raise Failure(f"{what}: {error}.", *hints) from None


def _judge(received, right, slips, args, what: str, *hints, rtol=1e-4, atol=1e-6):
    """Fail unless an answer is right; say which mistake it is, if one is known."""
    right = np.asarray(right)
    if received.shape == right.shape and np.allclose(received, right, rtol, atol):
        return
    recognise(received, slips, *args)
    close(received, right, what, *hints, rtol=rtol, atol=atol)


def _front(model, layer: str, side: str = "output"):
    return keras.Model(model.input, getattr(model.get_layer(layer), side))


# -- Exercise 1 -----------------------------------------------------------------------


def _maps(model, x, layer, *, side="output", training=False):
    return to_numpy(_front(model, layer, side)(x, training=training))


def _without_relu(model, x, layer):
    wanted = model.get_layer(layer)
    if not isinstance(wanted, keras.layers.Conv2D):
        return np.zeros(0)
    before = _front(model, layer, "input")(x, training=False)
    return to_numpy(keras.ops.conv(before, wanted.kernel, padding="same") + wanted.bias)


MAPS = {
    "This is what the layer is given, not what it gives.": (
        partial(_maps, side="input"),
        "A layer has an input and an output.",
        "model.get_layer(layer).output",
    ),
    "The network is in training mode: batch normalisation takes mean and variance of "
    "these few images, not what it has learned.": (
        partial(_maps, training=True),
        "In training mode an image's maps depend on the images beside it.",
        "Call the model with training=False.",
    ),
    "This is what the whole network answers, its probabilities.": (
        lambda model, x, layer: to_numpy(model(x, training=False)),
        "The way through the network ends at the layer asked for.",
        "keras.Model(model.input, model.get_layer(layer).output)",
    ),
    "The layer is called on the images, without the layers before it.": (
        lambda model, x, layer: to_numpy(model.get_layer(layer)(x)),
        "A layer's maps come from all the layers up to it.",
        MAPS_LINE,
    ),
    "The activation of the layer is missing.": (
        _without_relu,
        "A layer with activation=... gives the values behind it.",
    ),
    "These are the maps of the first image alone.": (
        lambda *args: _maps(*args)[0],
        "One row of the result for each image.",
    ),
    "The maps are averaged over their filters.": (
        lambda *args: _maps(*args).mean(axis=-1),
        "One map for each filter: leave the last axis as it is.",
    ),
    "The maps are averaged over their places: there are no maps any more.": (
        lambda *args: _maps(*args).mean(axis=(1, 2)),
        "One value for each place: leave height and width as they are.",
    ),
    "Channels come first here.": (
        lambda *args: _maps(*args).transpose(0, 3, 1, 2),
        "Keras keeps (n, height, width, channels); leave it so.",
    ),
}


@check(forbid=[OWN], read="section 1, 'Feature maps', and the text of Exercise 1")
def feature_maps(feature_maps):
    """feature_maps() gives what a layer answers to images, in inference mode."""
    model, x = small_network(), frozen(pictures(1, 3))
    others = {
        f'These are the maps of "{name}", not of the layer asked for.': (
            partial(_maps_of, name),
            "model.get_layer(layer), by its name.",
        )
        for name in ("first", "norm", "pool", "second")
    }
    for layer in ("second", "norm", "pool", "first"):
        what, args = f'maps of layer "{layer}"', (model, x, layer)
        received = _given(feature_maps(*args), what)
        hints = ("A model from the images to that layer:", MAPS_LINE)
        _judge(received, _maps(*args), MAPS | others, args, what, *hints)


def _maps_of(name: str, model, x, layer):
    return _maps(model, x, name)


# -- Exercise 2 -----------------------------------------------------------------------


def _fields(
    chain,
    *,
    grow=lambda k, d, jump: (k - 1) * d * jump,
    jumps=lambda jump, s, d: jump * s,
    start=1,
    jump_first=False,
):
    """The formula; every option is a slip."""
    sides, side, jump = [], start, 1
    for k, s, d in chain:
        before, jump = jump, jumps(jump, s, d)
        side += grow(k, d, jump if jump_first else before)
        sides.append(side)
    return sides


ORDER = "First r, with the jump of the layers before; then j."
FIELDS = {
    "Strides are left out: behind a stride of 2 the next layer's taps are 2 pixels "
    "apart.": (
        partial(_fields, grow=lambda k, d, jump: (k - 1) * d),
        "The jump says how many pixels two neighbours of the layer before are apart.",
        "r grows by (k - 1) d j.",
    ),
    "A layer's own stride counts in its own field.": (
        partial(_fields, jump_first=True),
        "The taps of a layer lie on the values of the layer before it.",
        ORDER,
    ),
    "The jump is the stride of the last layer alone.": (
        partial(_fields, jumps=lambda jump, s, d: s),
        "Two layers of stride 2 make a jump of 4.",
        "jump *= strides",
    ),
    "The strides are added up; they multiply.": (
        partial(_fields, jumps=lambda jump, s, d: jump + s - 1),
        "Two layers of stride 3 make a jump of 9.",
        "jump *= strides",
    ),
    "Dilation is left out.": (
        partial(_fields, grow=lambda k, d, jump: (k - 1) * jump),
        "With dilation d the taps are d values apart.",
        "(k - 1) d instead of k - 1",
    ),
    "A kernel of size k with dilation d is taken for k d wide.": (
        partial(_fields, grow=lambda k, d, jump: (k * d - 1) * jump),
        "k taps have k - 1 gaps between them, each d wide.",
        "(k - 1) d",
    ),
    "Dilation counts in the jump; only strides make neighbours further apart.": (
        partial(_fields, jumps=lambda jump, s, d: jump * s * d),
        "A dilated layer of stride 1 gives as many values as it is given.",
        "jump *= strides",
    ),
    "A layer adds k, not k - 1.": (
        partial(_fields, grow=lambda k, d, jump: k * d * jump),
        "A kernel of one pixel adds nothing to the field.",
        "(k - 1) d j",
    ),
    "The field of the image itself is 1 pixel, not 0.": (
        partial(_fields, start=0),
        "Before the first layer r = j = 1.",
    ),
    "This is by how much the field grows at each layer.": (
        lambda chain: np.diff([1, *_fields(chain)]),
        "Add it to what the field was before.",
    ),
    "These are the jumps.": (
        lambda chain: np.cumprod([s for _, s, _ in chain]),
        "The field is r; the jump only helps to find it.",
    ),
    "The first value is that of the image.": (
        lambda chain: [1, *_fields(chain)],
        "One number for each layer, behind it.",
    ),
    "The first value is that of the image, and the last layer is missing.": (
        lambda chain: [1, *_fields(chain)][:-1],
        "Append r after it has grown.",
    ),
    "Only the last layer's field is there.": (
        lambda chain: _fields(chain)[-1],
        "A list with one number for each layer.",
    ),
    "Only the last layer's field is in the list.": (
        lambda chain: _fields(chain)[-1:],
        "Append inside of the loop.",
    ),
    "The fields come in reverse, the last layer first.": (
        lambda chain: _fields(chain)[::-1],
        "In the order of the chain.",
    ),
}
CHAINS = {
    "LeNet": [(5, 1, 1), (2, 2, 1), (5, 1, 1), (2, 2, 1), (5, 1, 1)],
    "strides and dilation": [(7, 3, 1), (3, 2, 1), (3, 1, 2), (5, 2, 3), (2, 1, 1)],
    "one layer": [(3, 2, 4)],
}


@check(forbid=["cnnlab.arithmetic", OWN], read="section 2, 'How far does a layer see?'")
def receptive_field(receptive_field):
    """A layer widens the field by (k - 1) d j, then its stride multiplies j."""
    for chain in CHAINS.values():
        what = f"fields of the chain {chain}"
        hints = ("r = j = 1; for each layer r += (k - 1) d j, then j *= s.", ORDER)
        received = _given(receptive_field(list(chain)), what, *hints)
        _judge(received, _fields(chain), FIELDS, (chain,), what, *hints)


# -- Exercise 3 -----------------------------------------------------------------------


def _slopes(
    model, images, layer, position, *, channel=None, side="output", training=False
):
    """Gradient of the value at a position, the whole map where that is None."""
    front = _front(model, layer, side)

    def answer(x):
        maps = front(x, training=training)
        maps = maps if position is None else maps[:, position[0], position[1]]
        return keras.ops.sum(maps if channel is None else maps[..., channel])

    return train.gradient(answer, images)


def _measured(*args, **options):
    return np.abs(_slopes(*args, **options)).sum(axis=(0, 3))


def _in_training(function):
    """The same in training mode; nothing on JAX, where no gradient goes that way."""

    def wrong(*args):
        try:
            return function(*args, training=True)
        except Exception:  # JAX's own, of a tracer that got out
            return np.zeros(0)

    return wrong


def _everywhere(model, images, layer, position):
    return _measured(model, images, layer, None)


def _of_probabilities(model, images, layer, position):
    slopes = train.gradient(
        lambda x: keras.ops.max(model(x, training=False)[0]), images
    )
    return np.abs(slopes).sum(axis=(0, 3))


ABSOLUTE = (
    "Gradients of different images, colours, or both, have different signs.",
    "First np.abs, of every single entry; then the sum.",
)
MEASURED = {
    "Signs are left in: gradients of different images cancel.": (
        lambda *args: _slopes(*args).sum(axis=(0, 3)),
        *ABSOLUTE,
    ),
    "The absolute value is taken after the sum, when gradients have cancelled.": (
        lambda *args: np.abs(_slopes(*args).sum(axis=(0, 3))),
        *ABSOLUTE,
    ),
    "The absolute value is taken after the sum over the colours.": (
        lambda *args: np.abs(_slopes(*args).sum(axis=3)).sum(axis=0),
        *ABSOLUTE,
    ),
    "The absolute value is taken after the sum over the images.": (
        lambda *args: np.abs(_slopes(*args).sum(axis=0)).sum(axis=-1),
        *ABSOLUTE,
    ),
    "Only the first image is asked.": (
        lambda model, images, *rest: _measured(model, images[:1], *rest),
        "Where a ReLU of it gives 0, a pixel looks as if it were outside of the field.",
        "Gradients of all images: sum over axis 0.",
    ),
    "The gradients are squared.": (
        lambda *args: (_slopes(*args) ** 2).sum(axis=(0, 3)),
        "np.abs keeps the proportions; a square does not.",
    ),
    "This is the root of a sum of squares.": (
        lambda *args: np.sqrt((_slopes(*args) ** 2).sum(axis=(0, 3))),
        "np.abs(...), then the sum: no squares.",
    ),
    "Only positive gradients are counted.": (
        lambda *args: np.maximum(_slopes(*args), 0).sum(axis=(0, 3)),
        "A pixel that makes the value smaller is seen as well: np.abs.",
    ),
    "The gradient is multiplied by the image.": (
        lambda *args: np.abs(_slopes(*args) * args[1]).sum(axis=(0, 3)),
        "The gradient alone says how much a pixel can change the value.",
    ),
    "The largest gradient of any image and colour, not their sum.": (
        lambda *args: np.abs(_slopes(*args)).max(axis=(0, 3)),
        ".sum(axis=(0, 3))",
    ),
    "Row and column of the position are exchanged.": (
        lambda model, images, layer, place: _measured(
            model, images, layer, place[::-1]
        ),
        "position is (row, column), and maps are (n, row, column, filter).",
        "maps[:, row, column]",
    ),
    "The whole map is asked, not one position of it.": (
        _everywhere,
        "The field of all values together is the whole image.",
        "maps[:, row, column]",
    ),
    "Only the first filter is asked.": (
        partial(_measured, channel=0),
        "Sum the values of all filters at the position.",
    ),
    "Only the last filter is asked.": (
        partial(_measured, channel=-1),
        "Sum the values of all filters at the position.",
    ),
    "This is the field of what the layer is given.": (
        partial(_measured, side="input"),
        "model.get_layer(layer).output",
    ),
    "The gradient of the network's answer, not of the layer's.": (
        _of_probabilities,
        "A network that ends at the layer, as in Exercise 1.",
    ),
    "It says yes or no for each pixel, not how much.": (
        lambda *args: (_measured(*args) > 0).astype(float),
        "Return the sum itself.",
    ),
}
TRAINING = "The network is in training mode."
MEASURED[TRAINING] = (  # the last: on JAX it spoils the network
    _in_training(_measured),
    "In training mode every image depends on the images beside it.",
    "front(x, training=False)",
)
MEASURED_HINTS = (
    "A function of x that gives the sum of the layer's values at the position; its "
    "gradient with respect to all images at once.",
    "np.abs(train.gradient(answer, images)).sum(axis=(0, 3))",
)


@check(
    forbid=["cnnlab.arithmetic", OWN],
    read="section 2, 'The same, measured', and the text of Exercise 3",
)
def measured_field(measured_field):
    """measured_field() adds up the absolute gradients of one value, pixel by pixel."""
    model, images = small_network(3), frozen(pictures(4, 4))
    for layer, place in (("second", (3, 1)), ("first", (2, 5))):
        what = f'field of layer "{layer}" at {place}'
        received = _given(measured_field(model, images, layer, place), what)
        _check_kept_axes(received, images, what)
        received = _shaped(received, (12, 10), what, *MEASURED_HINTS)
        args = (model, images, layer, place)
        scaled = {
            message: (_scaled(wrong), *h) for message, (wrong, *h) in MEASURED.items()
        }
        if not np.isfinite(received).all():
            raise Failure(f"{what}: there are values that are no numbers, nan or inf.")
        right, what = _to_one(_measured(*args)), f"{what}, as shares of the largest"
        hints = MEASURED_HINTS
        _judge(_to_one(received), right, scaled, args, what, *hints, rtol=1e-3)


def _check_kept_axes(received, images, what: str) -> None:
    if received.shape == images.shape:
        raise Failure(
            f"{what}: these are the gradients of every image and colour, not added up.",
            *MEASURED_HINTS,
        )
    if received.shape == images.shape[:3]:
        raise Failure(f"{what}: there is a field for each image.", *MEASURED_HINTS)


def _to_one(values) -> np.ndarray:
    return values / max(np.abs(values).max(), 1e-30)


def _scaled(wrong):
    return lambda *args: _to_one(wrong(*args))


# -- Exercise 4 -----------------------------------------------------------------------


def _rms(g):
    return g / (np.sqrt(np.mean(g**2)) + 1e-8)


def _climbed(
    model,
    layer,
    channel,
    x,
    steps,
    rate,
    *,
    score=None,
    direction=_rms,
    again=True,
    training=False,
):
    """Gradient ascent; `score(maps, channel)` and `direction(g)` may be slips."""
    front = _front(model, layer)
    score = score or (lambda maps, channel: keras.ops.mean(maps[..., channel]))
    found = None
    for _ in range(steps):
        if again or found is None:
            found = train.gradient(
                lambda x: score(front(x, training=training), channel), x
            )
        x = x + rate * direction(found)
    return x


NORMED = "g / (np.sqrt(np.mean(g**2)) + 1e-8)"
NORMS = {
    "its length": np.linalg.norm,
    "its mean square: the root is missing": lambda g: np.mean(g**2),
    "its standard deviation, which takes its mean away": np.std,
    "its largest value": lambda g: np.abs(g).max(),
    "its mean absolute value": lambda g: np.abs(g).mean(),
}
GOALS = {
    "All maps of the layer are": lambda maps, channel: keras.ops.mean(maps),
    "A row of the map is": lambda maps, channel: keras.ops.mean(maps[:, channel]),
    "The largest value of the map is": lambda m, c: keras.ops.max(m[..., c]),
    "The mean of the squares of the map is": lambda m, c: keras.ops.mean(
        m[..., c] ** 2
    ),
    "The value in one place of the map is": lambda m, c: m[
        0, m.shape[1] // 2, m.shape[2] // 2, c
    ],
}
CLIMBED = {
    f"The gradient is divided by {words}.": (
        partial(_climbed, direction=lambda g, norm=norm: g / (norm(g) + 1e-8)),
        "By the root of the mean of its squares, over all entries.",
        NORMED,
    )
    for words, norm in NORMS.items()
}
CLIMBED |= {
    f"{words} to grow, not the mean of one map.": (
        partial(_climbed, score=score),
        "The channel is the last axis: keras.ops.mean(maps[..., channel]).",
    )
    for words, score in GOALS.items()
}
CLIMBED |= {
    "The image moves down: it excites the filter less with every step.": (
        partial(_climbed, direction=lambda g: -_rms(g)),
        "A loss is made small, an excitement large: ascent.",
        "x + rate * ...",
    ),
    "The gradient is not divided by its root mean square.": (
        partial(_climbed, direction=lambda g: g),
        "Gradients of filters differ by factors of a thousand; the rate is one.",
        NORMED,
    ),
    "Only the sign of the gradient is used.": (
        partial(_climbed, direction=np.sign),
        "Strong and weak slopes stay in proportion.",
        NORMED,
    ),
    "The gradient is computed once; the image has moved since.": (
        partial(_climbed, again=False),
        "In every step: gradient at the image as it is now, then the move.",
    ),
    "The rate is left out.": (
        lambda m, la, c, x, steps, rate: _climbed(m, la, c, x, steps, 1.0),
        "rate * " + NORMED,
    ),
    "One step only, however many are asked for.": (
        lambda m, la, c, x, steps, rate: _climbed(m, la, c, x, 1, rate),
        "for _ in range(steps)",
    ),
    "One step too many.": (
        lambda m, la, c, x, steps, rate: _climbed(m, la, c, x, steps + 1, rate),
        "for _ in range(steps)",
    ),
    "One step is missing.": (
        lambda m, la, c, x, steps, rate: _climbed(m, la, c, x, steps - 1, rate),
        "for _ in range(steps)",
    ),
    "The image has not moved.": (
        lambda m, la, c, x, *_: x,
        "x = x + ... inside of the loop; and return the last x.",
    ),
    "This is how far the image has moved, without the image.": (
        lambda m, la, c, x, steps, rate: _climbed(m, la, c, x, steps, rate) - x,
        "Return the image.",
    ),
    TRAINING: (_in_training(_climbed), "front(x, training=False)"),
}


@check(forbid=[OWN], read="section 3, 'What excites a filter?'")
def maximise(maximise):
    """maximise() climbs: every step moves the image along the normalised gradient."""
    model, start = small_network(5), frozen(pictures(6, 1))
    for layer, channel, steps, rate in (("second", 1, 3, 0.5), ("first", 2, 2, 0.3)):
        args = (model, layer, channel, start, steps, rate)
        what = f'the image for map {channel} of "{layer}" after {steps} steps'
        received = _shaped(maximise(*args), start.shape, what)
        if not np.isfinite(received).all():
            raise Failure(f"{what}: there are values that are no numbers, nan or inf.")
        right = _climbed(*args)
        hints = ("g: gradient of keras.ops.mean(maps[..., channel]).", NORMED)
        if not np.allclose(received, right, atol=0.02 * rate):
            recognise(received, CLIMBED, *args)
            _check_size(received - start, right - start, what)
        close(received, right, what, *hints, rtol=0, atol=0.02 * rate)
    received = _given(maximise(model, "second", 3, start, 2, 0.5), "the image")
    if not np.isfinite(received).all():
        raise Failure(
            "Where the gradient is 0 everywhere the image must stay as it is; yours is "
            "nan: 0 / 0.",
            NORMED,
        )
    dark = "the image for a map that is 0 for every image, so without a gradient"
    close(_shaped(received, start.shape, dark), start, dark, NORMED)


def _check_size(received, right, what: str) -> None:
    """Fail where the image has gone the right way, but not so far."""
    size = np.linalg.norm(received)
    cosine = np.vdot(received, right) / max(size * np.linalg.norm(right), 1e-30)
    if cosine > 0.999 and not 0.97 < size / np.linalg.norm(right) < 1.03:
        times = size / np.linalg.norm(right)
        raise Failure(
            f"{what} has moved {times:.3g} times as far as it should.",
            "In each step the root of the mean square of the move is the rate.",
            NORMED,
        )


# -- Exercise 5 -----------------------------------------------------------------------

SIZE = (16, 24)


@check(forbid=[OWN], read="section 4, 'Where does it look?'")
def grad_cam(grad_cam):
    """grad_cam() is hot where the class is, 0 to 1, and as large as the image."""
    model, x, maps, kernel = spotted()
    received = _given(grad_cam(model, frozen(x), 1, "maps"), "the heat")
    _check_heat_shape(received, maps.shape[:2])
    received = received.reshape(SIZE)
    if not np.isfinite(received).all():
        raise Failure("There are values in the heat that are no numbers, nan or inf.")
    if not received.any():
        raise Failure(
            "The heat is 0 everywhere, for a class that much speaks for.",
            "Does the logit depend on the maps that your function is given?",
            "train.gradient(lambda maps: back(maps)[0, label], maps)",
        )
    right = _laid_over(np.maximum(maps @ kernel[:, 1], 0))
    if not np.allclose(_to_one(received), _to_one(right), atol=0.02):
        p = to_numpy(model(x, training=False))[0]
        slopes = train.gradient(partial(_logit, model, kernel[:, 1]), maps[np.newaxis])
        for message, (heat, *hints) in _heats(maps, kernel, p, slopes[0]).items():
            if np.allclose(_to_one(received), _to_one(heat), atol=1e-3):
                raise Failure(message, *hints)
        raise Failure(
            "The heat is not that of the formula.",
            "alpha: the mean of the gradient over height and width, a number per map.",
            "Sum over the channels: maps[0] @ alpha. Then the ReLU.",
        )
    if not 0.6 < received.max() < 1.001:
        raise Failure(
            f"The largest value of the heat must be 1; yours is {received.max():.3g}.",
            "Divide the heat by its largest value.",
        )
    _check_cold(grad_cam(model, frozen(x), 2, "maps"))


def _logit(model, column, maps):
    """What the maps make of one class, before the softmax."""
    last = model.layers[-1]
    before = keras.Model(model.get_layer("maps").output, last.input)(maps)
    return keras.ops.sum(before[0] * column)


def _check_heat_shape(received: np.ndarray, small: tuple) -> None:
    sizes = [n for n in received.shape if n > 1]
    if sizes == list(SIZE[::-1]):
        raise Failure(
            f"Height and width of the heat are exchanged: {received.shape}.",
            "keras.ops.image.resize(heat, (height, width))",
        )
    if sizes == list(small):
        raise Failure(
            "The heat has the size of the maps; it is to be laid over the image.",
            "keras.ops.image.resize wants (height, width, channels).",
        )
    if sizes != list(SIZE):
        equal(received.shape, SIZE, "shape of the heat for an image 16×24")


def _laid_over(heat: np.ndarray, interpolation: str = "bilinear") -> np.ndarray:
    heat = _to_one(heat)[..., np.newaxis].astype("float32")
    return to_numpy(keras.ops.image.resize(heat, SIZE, interpolation))[..., 0]


def _heats(maps: np.ndarray, kernel: np.ndarray, p: np.ndarray, slopes) -> dict:
    """What is wrong -> the heat of class 1 that it gives, and hints.

    At a mean place the derivative of logit c is kernel[:, c] / 24, and that of the
    probability p_1 is p_1 (kernel[:, 1] - kernel @ p) / 24.
    """
    alpha = kernel[:, 1]
    evidence = maps @ alpha
    relu = partial(np.maximum, 0)
    spread = _laid_over(evidence)
    lowest = evidence - evidence.min()
    found = {
        "There are negative values: what speaks against the class.": (
            spread,
            "The ReLU of the formula is missing.",
        ),
        "What speaks against the class is hot, too.": (
            _laid_over(np.abs(evidence)),
            "ReLU, not the absolute value.",
        ),
        "The lowest value is made 0, instead of cutting off what is negative.": (
            _laid_over(lowest),
            "So a place that speaks against the class can be warm.",
            "np.maximum(heat, 0), then the division by the largest value",
        ),
        "This is the gradient of the probability, after the softmax.": (
            _laid_over(relu(maps @ (alpha - kernel @ p))),
            "It mixes in all the other classes. The formula has the logit.",
            "behind(model, layer)(maps)[0, label]",
        ),
        "The maps are summed without weights.": (
            _laid_over(maps.sum(axis=-1)),
            "Each map counts as much as it speaks for the class: alpha.",
        ),
        "This is the gradient of all logits together.": (
            _laid_over(relu(maps @ kernel.sum(axis=1))),
            "label says which logit: [0, label]",
        ),
        "The ReLU is applied to the weights alpha, not to the sum.": (
            _laid_over(relu(maps @ relu(alpha))),
            "Maps that speak against the class must be able to cool a place.",
            "np.maximum of the sum over the maps",
        ),
        "The ReLU is applied to each map's share, before the sum.": (
            _laid_over(relu(maps * alpha).sum(axis=-1)),
            "Maps that speak against the class must be able to cool a place.",
            "np.maximum of the sum over the maps",
        ),
        "The absolute gradient says how much a map matters, not whether it speaks for "
        "the class.": (
            _laid_over(maps @ np.abs(alpha)),
            "alpha has a sign.",
        ),
        "Gradient and maps are multiplied place by place: the mean over the places is "
        "missing.": (
            _laid_over(relu((maps * slopes).sum(axis=-1))),
            "alpha is one number per map: the mean over height and width.",
            "slopes.mean(axis=(1, 2))",
        ),
        "These are the gradients, without the maps.": (
            _laid_over(relu(slopes.sum(axis=-1))),
            "The sum of alpha times map.",
        ),
        "The heat is enlarged before the ReLU.": (
            np.maximum(spread, 0),
            "Between a warm and a cold place the enlarged heat is mixed of both: first "
            "the ReLU, then enlarge.",
        ),
        "The heat is enlarged by repeating values, not bilinearly.": (
            _laid_over(relu(evidence), "nearest"),
            "keras.ops.image.resize is bilinear unless told otherwise.",
        ),
        "The heat is enlarged by cubic curves, not bilinearly.": (
            _laid_over(relu(evidence), "bicubic"),
            "keras.ops.image.resize is bilinear unless told otherwise.",
        ),
        "Rows and columns of the heat are exchanged.": (
            _laid_over(relu(evidence).T),
            "Maps are (n, row, column, filter).",
        ),
    }
    for other in (0, 2):
        found[f"This is the heat of another class, number {other}."] = (
            _laid_over(relu(maps @ kernel[:, other])),
            "label says which logit: [0, label]",
        )
    return found


def _check_cold(received) -> None:
    received = _given(received, "the heat")
    if not np.isfinite(received).all():
        raise Failure(
            "Where nothing speaks for the class the heat must be 0; yours is nan.",
            "0 / 0. Divide by max(largest value, a tiny number).",
        )
    what = "heat of a class that nothing speaks for"
    if received.max() > 1e-3 and np.ptp(received) > 0:
        raise Failure(
            f"{what}: expected 0 everywhere, received up to {received.max():.3g}.",
            "The ReLU leaves nothing of it, and nothing stays nothing when divided.",
            "Is it label's heat, or that of the class that is likeliest?",
        )
    close(received.reshape(SIZE), np.zeros(SIZE), what, atol=1e-3)


# -- Exercise 6 -----------------------------------------------------------------------


def _fall(
    model,
    x,
    label,
    size,
    stride,
    *,
    grey=0.0,
    score=lambda p: p[0] - p[1:],
    last=True,
    fresh=True,
    shift=0,
    colours=3,
    inside=True,
):
    """The fall by occlusion; every option is a slip."""
    _, height, width, _ = x.shape
    grey = grey(x) if callable(grey) else grey
    rows, columns = (range(0, n - size + last, stride) for n in (height, width))
    image, images = x[0], [x[0]]
    for i in rows:
        for j in columns:
            hidden = np.zeros(image.shape, bool)
            top, left = max(i - shift, 0), max(j - shift, 0)
            hidden[top : i - shift + size, left : j - shift + size, :colours] = True
            image = np.where(hidden == inside, grey, x[0] if fresh else image)
            images.append(image)
    images = np.array(images, "float32")
    p = to_numpy(model(images, training=False))[:, label].astype(float)
    return score(p).reshape(len(rows), len(columns))


def _whole_grid(model, x, label, size, stride):
    """Squares that reach over the edge, too."""
    _, height, width, _ = x.shape
    images = [x[0]]
    rows, columns = range(0, height, stride), range(0, width, stride)
    for i in rows:
        for j in columns:
            image = x[0].copy()
            image[i : i + size, j : j + size] = 0
            images.append(image)
    p = to_numpy(model(np.array(images), training=False))[:, label]
    return (p[0] - p[1:]).reshape(len(rows), len(columns))


def _for_the_likeliest(model, x, label, size, stride):
    likeliest = int(to_numpy(model(x, training=False))[0].argmax())
    return _fall(model, x, likeliest, size, stride)


SCORES = {
    "The sign is wrong: where covering hurts, the fall is positive.": (
        lambda p: p[1:] - p[0]
    ),
    "These are the probabilities of the covered images, not their fall.": (
        lambda p: p[1:]
    ),
    "Falls below 0 are cut off.": lambda p: np.maximum(p[0] - p[1:], 0),
    "The sign of the fall is lost.": lambda p: np.abs(p[0] - p[1:]),
    "The fall is divided by the probability.": lambda p: (p[0] - p[1:]) / p[0],
    "These are falls in percent.": lambda p: 100 * (p[0] - p[1:]),
    "These are differences of logarithms.": lambda p: np.log(p[0] / p[1:]),
}
FALLS = {
    message: (
        partial(_fall, score=score),
        "The probability for the image as it is, less that for the covered one.",
        "p[0] - p[1:]",
    )
    for message, score in SCORES.items()
}
FALLS |= {
    f"The squares are filled with {grey:g}, grey before the image was prepared.": (
        partial(_fall, grey=grey),
        "In a prepared image the mean colour is 0.",
        "image[rows, columns] = 0",
    )
    for grey in (128, 127.5, 127, 0.5, 1)
}
FALLS |= {
    "The squares are filled with the mean of this image.": (
        partial(_fall, grey=lambda x: x.mean()),
        "0 is the same grey for all images.",
    ),
    "The squares are filled with the mean colour of this image.": (
        partial(_fall, grey=lambda x: x.mean(axis=(0, 1, 2))),
        "0 is the same grey for all images.",
    ),
    "Squares stay covered: each image has those of all before it.": (
        partial(_fall, fresh=False),
        "Begin every time with the image as it is.",
        "covered = x[0].copy(), inside of the loop",
    ),
    "Only the first colour of the squares is covered.": (
        partial(_fall, colours=1),
        "image[rows, columns] = 0, all of its colours",
    ),
    "Everything but the square is covered.": (
        partial(_fall, inside=False),
        "A copy of the image, in which one square is 0.",
    ),
    "The squares lie around their places, not behind them.": (
        lambda *args: _fall(*args, shift=args[3] // 2),
        "Square (i, j) begins in row i * stride and column j * stride.",
    ),
    "Rows and columns are exchanged.": (
        lambda *args: _fall(*args).T,
        "The first axis of an image is its rows.",
    ),
    "The size of the squares and the stride are exchanged.": (
        lambda model, x, label, size, stride: _fall(model, x, label, stride, size),
        "Squares of size × size, every stride pixels.",
    ),
    "The last square of each row or column is missing.": (
        partial(_fall, last=False),
        "A square may end at the edge: (height - size) // stride + 1 of them.",
        "range(0, height - size + 1, stride)",
    ),
    "Squares reach over the edge of the image.": (
        _whole_grid,
        "There are (height - size) // stride + 1 rows of squares.",
        "range(0, height - size + 1, stride)",
    ),
    "These are the falls of the likeliest class, whatever label is.": (
        _for_the_likeliest,
        "p[:, label]",
    ),
}


@check(forbid=[OWN], read="section 5, 'A second opinion: cover it'")
def occlusion(occlusion):
    """occlusion() says how far the probability falls where a square is covered."""
    for sides, size, stride, rank in (((12, 14), 4, 2, 0), ((11, 9), 3, 4, 1)):
        model, x = small_network(7, sides), frozen(pictures(8, 1, sides))
        label = int(to_numpy(model(x, training=False))[0].argsort()[rank])
        args = (model, x, label, size, stride)
        right = _fall(*args)
        what = (
            f"falls for an image {sides[0]}×{sides[1]}, squares {size}, stride {stride}"
        )
        received = _given(occlusion(*args), what)
        if received.size == right.size and received.ndim != 2:
            received = _shaped(received, right.shape, what)
        hints = (
            "Copy the image, set a square of the copy to 0, collect the copies.",
            "p[0] - p[1:], in rows and columns",
        )
        _judge(received, right, FALLS, args, what, *hints, rtol=1e-3, atol=1e-5)


# -- Exercise 7 -----------------------------------------------------------------------


def _order(features, query, k, *, unit=True, sign=1, keep=False, centre=None):
    """The k best by cosine; every option is a slip."""
    rows = features - (
        features.mean(axis=centre, keepdims=True) if centre is not None else 0
    )
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) if unit else rows
    scores = sign * (rows @ rows[query])
    if not keep:
        scores[query] = -np.inf
    return np.argsort(-scores, kind="stable")[:k]


def _by_distance(features, query, k):
    apart = np.linalg.norm(features - features[query], axis=1)
    apart[query] = np.inf
    return np.argsort(apart)[:k]


def _by_angle(features, query, k):
    """Of the absolute cosine."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    scores = np.abs(unit @ unit[query])
    scores[query] = -np.inf
    return np.argsort(-scores)[:k]


def _shifted(features, query, k):
    return np.argsort(-np.delete(_order_scores(features, query), query))[:k]


def _without_twins(features, query, k):
    scores = _order_scores(features, query)
    return np.argsort(np.where(scores > 0.999, np.inf, -scores))[:k]


def _cosines(features, query, k):
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    scores = unit @ unit[query]
    return np.sort(np.delete(scores, query))[::-1][:k]


NOT_ITSELF = "cosines[query] = -np.inf, before they are sorted"
NEIGHBOURS = {
    "The query is found as its own neighbour.": (
        partial(_order, keep=True),
        "Nothing is more like a picture than itself: leave it out.",
        NOT_ITSELF,
    ),
    "Each column is divided by its norm, not each row.": (
        lambda features, query, k: _order(
            features / np.linalg.norm(features, axis=0), query, k, unit=False
        ),
        "A row is the vector of a picture: axis=1, keepdims=True.",
    ),
    "These are the largest dot products: long vectors win. Norms are missing.": (
        partial(_order, unit=False),
        "cos(a, b) = a · b / (|a| |b|)",
        "Divide each row by its norm: np.linalg.norm(features, axis=1, keepdims=True)",
    ),
    "These are the largest dot products, without norms, and the query is among them.": (
        partial(_order, unit=False, keep=True),
        "cos(a, b) = a · b / (|a| |b|)",
        "Divide each row by its norm: np.linalg.norm(features, axis=1, keepdims=True)",
    ),
    "These are the nearest by distance; a cosine does not mind how long vectors are.": (
        _by_distance,
        "cos(a, b) = a · b / (|a| |b|)",
    ),
    "These are the least similar.": (
        lambda features, query, k: np.argsort(_order_scores(features, query))[:k],
        "np.argsort sorts upwards: sort -cosines.",
    ),
    "The most similar come last.": (
        lambda *args: _order(*args)[::-1],
        "np.argsort sorts upwards: sort -cosines.",
    ),
    "A vector that points the opposite way is taken for similar.": (
        _by_angle,
        "The cosine has a sign; -1 is as different as can be.",
    ),
    "The mean was subtracted first: this is the correlation.": (
        partial(_order, centre=1),
        "cos(a, b) = a · b / (|a| |b|)",
    ),
    "The mean of all rows was subtracted first.": (
        partial(_order, centre=0),
        "cos(a, b) = a · b / (|a| |b|)",
    ),
    "These are the cosines; the numbers of the rows are asked for.": (
        _cosines,
        "np.argsort gives the numbers in order.",
    ),
    "These are the features of the neighbours; their numbers are asked for.": (
        lambda features, *rest: features[_order(features, *rest)],
        "np.argsort gives the numbers in order.",
    ),
    "The numbers are shifted: the query was taken out before the rows were counted.": (
        _shifted,
        "A row behind the query has another number once the query is gone.",
        NOT_ITSELF,
    ),
    "A row that points the same way as the query is left out.": (
        _without_twins,
        "Only the query itself is left out, by its number.",
        NOT_ITSELF,
    ),
    "There is one neighbour too many.": (
        lambda features, query, k: _order(features, query, k + 1),
        "[:k]",
    ),
    "There is one neighbour too few.": (
        lambda features, query, k: _order(features, query, k - 1),
        "Leave the query out before you take k.",
    ),
    "All rows are there, not k.": (
        lambda features, query, k: _order(features, query, len(features) - 1),
        "[:k]",
    ),
}


def _order_scores(features, query):
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit @ unit[query]


@check(forbid=[OWN], read="section 8, 'Alike, for a network'")
def nearest(nearest):
    """nearest() finds the k rows of largest cosine, best first, never the query."""
    rng = np.random.default_rng(6)  # every mistake gives another answer here
    rows = rng.normal(0, 1, (11, 5)) + rng.normal(0, 1, (11, 1))
    rows = rows * rng.uniform(0.2, 5, (11, 1))
    rows[3], rows[8] = 4 * rows[5], -rows[5]
    rows = frozen(rows)
    for query, k in ((5, 4), (3, 3), (5, 1)):
        what = f"the {k} rows most like row {query}"
        received = _given(nearest(rows, query, k), what)
        received = received.reshape(-1) if received.size == k else received
        right = _order(rows, query, k)
        if np.array_equal(received, right):
            continue
        recognise(received, NEIGHBOURS, rows, query, k)
        if query in received.ravel().tolist():
            raise Failure(
                f"Row {query} is found as its own neighbour: another row points the "
                "same way, and sorting may put either of the two first.",
                "Leave out the query by its number, not the first of the sorted.",
                NOT_ITSELF,
            )
        if received.shape == right.shape and set(received) == set(right):
            raise Failure(
                f"{what}: the right rows in another order; the best come first.",
                "np.argsort(-cosines)[:k]",
            )
        hints = ("cos(a, b) = a · b / (|a| |b|)", "np.argsort(-cosines)[:k]")
        equal(received.tolist(), right.tolist(), what, *hints)
