"""Checks of lab 1, convolution by hand, and the mistakes that they recognise.

First the mistakes, exercise by exercise: hints, and what is wrong with the function
that does it so. Then the checks. Arrays are no squares, and have several channels and
fractions, so that what is swapped, mixed or cut shows.
"""

from collections.abc import Callable, Mapping
from contextlib import contextmanager

import numpy as np

from cnnlab import ops
from cnnlab.ops import average_pool, conv, convolve, correlate, max_pool
from cnnlab.teaching.check import Failure, check, close, equal, frozen, recognise

_CONVOLVES = ["np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab"]
_SIZES = ["cnnlab", "keras", "tensorflow"]
_POOLS = ["scipy", "keras", "tensorflow", "cnnlab", "skimage"]
_GRADIENTS = ["scipy", "keras", "tensorflow", "jax", "cnnlab"]


def _slips(hints: tuple[str, ...], mistakes: Mapping[str, Callable]) -> dict:
    """Mistakes that share their hints, as `recognise` takes them."""
    return {message: (wrong, *hints) for message, wrong in mistakes.items()}


def _room(n: int, f: int, s: int, p: int, d: int) -> int:
    """How far a kernel can move in the padded input."""
    return n + 2 * p - d * (f - 1) - 1


def _filter(*rows) -> Callable:
    """What a kernel makes of an image, as a function of the image."""
    return lambda x: correlate(x, np.array(rows))


def _layer(x, kernel, bias, **moves) -> np.ndarray:
    """What conv2d() should give."""
    return conv(x, kernel, **moves) + bias


def _channels_apart(x, k, b) -> np.ndarray:
    """Every channel under its own slice of the kernel, and never summed: five axes."""
    apart = (conv(x[..., [c]], k[:, :, [c]]) for c in range(x.shape[-1]))
    return np.stack(list(apart), axis=3) + b


def _first_image_only(x, k, b) -> np.ndarray:
    """Zeros for all images but the first, as in an array that nobody filled."""
    return np.concatenate([conv(x[:1], k), 0 * conv(x[1:], k)]) + b


def _series(before: int, after: int, x, k, d: int) -> np.ndarray:
    """A series with so many zeros at its ends, under a dilated kernel."""
    return correlate(np.pad(x, (before, after)), k, dilation_rate=d)


def _brightest(x) -> np.ndarray:
    """Every channel replaced by the largest value across channels."""
    return x * 0 + x.max(-1, keepdims=True)


def _to_all(grad, x, k) -> np.ndarray:
    """What came back, at every pixel of its window."""
    # The average hands out 1 / k**2 of it to each; k**2 times that is all.
    return k**2 * ops.average_pool_backward(grad, x, k)


def _winners(grad, x, k) -> np.ndarray:
    """1 at every largest pixel of a window, else 0."""
    return 1.0 * (x == _to_all(max_pool(x, k), x, k))


def _shared(grad, x, k) -> np.ndarray:
    """Equal maxima share what came back."""
    winners = _winners(grad, x, k)
    return _to_all(grad / average_pool(winners, k) / k**2, x, k) * winners


def _last(grad, x, k) -> np.ndarray:
    """The last of equal maxima wins: the first one of images that are turned round."""
    turned = np.flip(grad, (1, 2)), np.flip(x, (1, 2))
    return np.flip(ops.max_pool_backward(*turned, k), (1, 2))


def _by_columns(grad, x, k) -> np.ndarray:
    """The first of equal maxima, column by column: the first of transposed images."""
    turned = grad.swapaxes(1, 2), x.swapaxes(1, 2)
    return ops.max_pool_backward(*turned, k).swapaxes(1, 2)


# Kept as tables, a mistake and its function on a line: the formatter would give each
# lambda three lines.
# fmt: off
_ENDS = (
    "When does the last window begin?",
    "There are n - w + 1 stops at stride 1; at every stride the whole kernel fits.",
)
_BEGIN = "Stop i begins at i * strides, also for the second window."
_CONV1D = _slips((
    "A network does not flip it: x[i] meets k[0], x[i + 1] meets k[1].",
    "The sum has w terms, x[i + j] * k[j] for j = 0 to w - 1.",
), {
    "The kernel is flipped.": lambda x, k, s: convolve(x, k, strides=s),
    "The products were not summed up to the last one.":
        lambda x, k, s: correlate(x, [*k[:-1], 0], strides=s),
}) | _slips(_ENDS, {
    "The last window is missing.": lambda x, k, s: correlate(x, k, strides=s)[:-1],
    "Zeros were added at the ends: nobody asked for padding.":
        lambda x, k, s: correlate(x, k, strides=s, padding=len(k) // 2),
})
_STRIDES = _slips((
    "The kernel jumps, but what it covers lies side by side.",
    "The window is x[i * s : i * s + w].",
), {
    "Asked for another stride, the kernel still moves by 1.":
        lambda x, k, s: correlate(x, k),
    "The input was thinned out before the kernel slid over it.":
        lambda x, k, s: correlate(x[::s], k),
    "The stride is inside the window; it belongs between the windows.":
        lambda x, k, s: correlate(x, k, dilation_rate=s)[:(len(x) - len(k)) // s + 1],
}) | _slips(_ENDS, {
    "A last window that does not fit was filled with zeros; it must be left out.":
        lambda x, k, s: correlate([*x, *[0] * (s - 1)], k, strides=s),
})

_TERMS = (
    "Compare with the formula above, term by term.",
    "First the padded size, then less what the kernel spans, then // strides.",
)
_OUTPUT_SIZE = _slips(("There are `padding` zeros before and as many after.",), {
    "The padding was counted on one side only.":
        lambda n, f, s, p, d: _room(n + p, f, s, 0, d) // s + 1,
}) | _slips((
    "Count the stops on paper: the kernel starts at 0, 1, ...",
    "The last stop counts too: is there a + 1, after the division?",
), {
    "The + 1 was added before the division.":
        lambda n, f, s, p, d: (_room(n, f, s, p, d) + 1) // s,
    "One stop is missing.": lambda n, f, s, p, d: _room(n, f, s, p, d) // s,
}) | _slips(("A last window that does not fit counts nothing.", "Divide with //."), {
    "The result is no whole number: round down.":
        lambda n, f, s, p, d: _room(n, f, s, p, d) / s + 1,
    "That is rounded up: round down.":
        lambda n, f, s, p, d: -(-_room(n, f, s, p, d) // s) + 1,
}) | _slips((
    "Three entries have two gaps between them.",
    "The kernel spans dilation * (kernel_size - 1) + 1.",
), {
    "The dilation has no effect.": lambda n, f, s, p, d: _room(n, f, s, p, 1) // s + 1,
    "The dilation is multiplied by the whole kernel.":
        lambda n, f, s, p, d: (n + 2 * p - d * f) // s + 1,
    "Dilation 1 is no dilation: the kernel spans its own size.":
        lambda n, f, s, p, d: (n + 2 * p - f - (f - 1) * d) // s + 1,
})
_LEFT_OVER = (
    "Where does the last window begin, and where does it end?",
    "It begins at (output - 1) * strides and spans dilation * (kernel_size - 1) + 1.",
    "Or: what is left over by the division in output_size? Python writes it %.",
)
_UNSEEN = _slips(_LEFT_OVER, {
    "The padding is forgotten: the input is padded first.":
        lambda n, f, s, p, d: _room(n, f, s, 0, d) % s,
    "Zeros of the padding that no window reaches count, too.":
        lambda n, f, s, p, d: max(0, _room(n, f, s, p, d) % s - p),
    "The dilation is forgotten: a dilated kernel reaches further.":
        lambda n, f, s, p, d: _room(n, f, s, p, 1) % s,
})
_ONE_FILTER = (
    "One filter first: how many weights and biases? Then all of them.",
    "A filter has kernel_size × kernel_size × channels weights and one bias.",
    "(f * f * c + 1) * N",
)
_PARAMETERS = _slips(_ONE_FILTER, {
    "The biases are missing. There is one for each filter.":
        lambda f, c, n: f * f * c * n,
    "There is a bias for each filter, not for each channel it sees.":
        lambda f, c, n: (f * f + 1) * c * n,
    "There is a bias for each filter, not one for all of them.":
        lambda f, c, n: f * f * c * n + 1,
    "There is a bias for each filter, not one for each of its weights.":
        lambda f, c, n: f * f * c * (n + 1),
    "A kernel has a slice of its own for every input channel.":
        lambda f, c, n: (f * f + 1) * n,
    "The kernel is a square: f * f weights for each channel.":
        lambda f, c, n: (f * c + 1) * n,
})

_MEETS = (
    "Rows first, then columns: x[i + m, j + n] meets k[m, n].",
    "The sum over m has h terms, the sum over n has w.",
)
_STOPS = "How many stops are there? H - h + 1 rows and W - w + 1 columns."
_CORRELATE = _slips(_MEETS, {
    "The kernel is flipped, in both directions.": convolve,
    "The rows of the kernel are flipped.": lambda x, k: correlate(x, k[::-1]),
    "The columns of the kernel are flipped.": lambda x, k: correlate(x, k[:, ::-1]),
    "Rows and columns are swapped.": lambda x, k: correlate(x, k).T,
}) | _slips((_STOPS,), {
    "The last row and column are missing.": lambda x, k: correlate(x, k)[:-1, :-1],
    "Height and width are two numbers: the image is no square.":
        lambda x, k: correlate(x, k)[:, :len(x) - len(k) + 1],
}) | _slips(("The sum of the products, with all their fractions, is the output.",), {
    "The outputs were divided by the sum of the kernel.":
        lambda x, k: correlate(x, k) / k.sum(),
    "The image was cut to integers.": lambda x, k: correlate(np.trunc(x), k),
})
_BYTES = (
    "A byte holds 0 to 255, whole numbers: 3 - 90 wraps around, and 1/9 becomes 0.",
    "Convert first: .astype(float); and let the output be floats: np.zeros(shape).",
)
_FLIP = (
    "Flip rows and columns of the kernel, then correlate.",
    "A step of -1 reverses an axis: kernel[::-1, ...]",
)
_CONVOLVE = _slips(_FLIP, {
    "Nothing is flipped: an impulse gives the kernel, turned by 180°.": correlate,
    "Only the rows are flipped.": lambda x, k: correlate(x, k[::-1]),
    "Only the columns are flipped.": lambda x, k: correlate(x, k[:, ::-1]),
    "The output is turned, not the kernel.": lambda x, k: convolve(x, k)[::-1, ::-1],
    "The kernel is transposed. To flip is not to transpose.":
        lambda x, k: correlate(x, k.T),
})

_FOUR = (0, -1, 0), (-1, 4, -1), (0, -1, 0)
_SUM = "A grey surface without edges must stay as it is: what do its numbers sum to?"
_KERNELS = {  # name: what it should do, and the mistakes that are made with it
    "identity": (
        _filter((0, 0, 0), (0, 1, 0), (0, 0, 0)),
        _slips(("The neighbours have weight 0.",), {
            "`identity` sums the neighbours, too.": _filter(*[(1, 1, 1)] * 3),
        }),
    ),
    "moved": (
        _filter((0, 0, 0), (1, 0, 0), (0, 0, 0)),
        _slips((
            "Which pixel should appear in the middle? The one to its left.",
            "In a cross-correlation, kernel[1, 0] is the weight of the left neighbour.",
        ), {
            "`moved` moves the image to the left.":
                _filter((0, 0, 0), (0, 0, 1), (0, 0, 0)),
            "`moved` moves the image down.": _filter((0, 1, 0), (0, 0, 0), (0, 0, 0)),
            "`moved` moves the image up.": _filter((0, 0, 0), (0, 0, 0), (0, 1, 0)),
        }),
    ),
    "box_blur": (
        _filter(*[(1 / 9, 1 / 9, 1 / 9)] * 3),
        _slips((_SUM, "Nine weights of 1 / 9; in integers, 1 // 9 is 0."), {
            "The blurred image is too bright.": _filter(*[(1, 1, 1)] * 3),
            "The blurred image is too bright: the window has nine pixels.":
                _filter(*[(1 / 3, 1 / 3, 1 / 3)] * 3),
            "The blurred image is black: all weights are 0.": _filter(*[(0, 0, 0)] * 3),
        }),
    ),
    "edges": (
        _filter((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
        _slips(("Eight times the pixel, less each of its eight neighbours.",), {
            "`edges` has the wrong sign.": _filter((1, 1, 1), (1, -8, 1), (1, 1, 1)),
            "`edges` leaves the corners out.": _filter(*_FOUR),
        }),
    ),
    "sharpen": (
        _filter((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
        _slips((_SUM, "Add the identity."), {
            "`sharpen` finds edges, but the image itself is gone.": _filter(*_FOUR),
        }),
    ),
    "sobel": (
        _filter((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
        _slips((
            "Right less left: positive where it grows brighter to the right.",
            "1, 2, 1 from top to bottom.",
        ), {
            "`sobel` has the wrong sign.": _filter((1, 0, -1), (2, 0, -2), (1, 0, -1)),
            "`sobel` compares rows, not columns.":
                _filter((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
            "`sobel`: the middle row must count twice.": _filter(*[(-1, 0, 1)] * 3),
        }),
    ),
}

_FORMULA = "y[b, i, j, f] = bias[f] + sum of x[b, i + m, j + n, c] * kernel[m, n, c, f]"
_CONV2D = _slips((
    "A filter sees all channels in each window, and gives one map.",
    _FORMULA,
), {
    "The channels are still there: the output has five axes.": _channels_apart,
    "Only the first channel is used.":
        lambda x, k, b: _layer(x[..., :1], k[:, :, :1], b),
    "The channels are averaged; they must be summed.":
        lambda x, k, b: _layer(x, k / x.shape[-1], b),
    "The kernel is flipped. Layers do not flip.":
        lambda x, k, b: _layer(x, k[::-1, ::-1], b),
    "The last row and column are missing.":
        lambda x, k, b: _layer(x, k, b)[:, :-1, :-1],
}) | _slips(("The first axis is the batch. Is every image computed?",), {
    "Of all images, a single one comes back.": lambda x, k, b: _layer(x, k, b)[:1],
    "Only the first image is computed.": _first_image_only,
}) | _slips(("A filter's bias is added once, after the channels are summed.",), {
    "The bias is missing.": lambda x, k, b: conv(x, k),
    "The bias is added once per channel.":
        lambda x, k, b: _layer(x, k, x.shape[-1] * b),
    "The bias is added for every entry of the kernel.":
        lambda x, k, b: _layer(x, k, k[..., 0, 0].size * b),
}) | _slips(("A ReLU is a layer of its own; conv2d() gives the sum as it is.",), {
    "Negative outputs are gone: there is no activation here.":
        lambda x, k, b: np.maximum(_layer(x, k, b), 0),
})
_BORDER = ((0, 0), (1, 1), (1, 1), (0, 0))
_FLOOR = "(n + 2p - d(f - 1) - 1) // s + 1 outputs: a last, incomplete one is left out."
_MOVES = {  # argument: its value, a hint, and the mistakes that are made with it
    "strides": (2, "Window (i, j) begins in row i * strides, column j * strides.", {
        "The stride has no effect.": _layer,
        "The stride acts on the rows only.":
            lambda x, k, b: _layer(x, k, b, strides=(2, 1)),
        "The stride acts on the columns only.":
            lambda x, k, b: _layer(x, k, b, strides=(1, 2)),
        "The images were thinned out before the kernel slid over them.":
            lambda x, k, b: _layer(x[:, ::2, ::2], k, b),
        "A last row or column is missing.":
            lambda x, k, b: _layer(x, k, b, strides=2)[:, :-1, :-1],
    }),
    "padding": (1, "p zeros on all four sides; none along batch and channels.", {
        "The padding has no effect.": _layer,
        "Zeros were added on one side only.":
            lambda x, k, b: _layer(x, k, b, padding=1)[:, 1:, 1:],
        "The border repeats the edge pixels; it must be zero.":
            lambda x, k, b: _layer(np.pad(x, _BORDER, "edge"), k, b),
        "The border is added to the output, not to the images.":
            lambda x, k, b: np.pad(_layer(x, k, b), _BORDER),
        "The stops were counted in the images without their border.":
            lambda x, k, b: _layer(x, k, b, padding=1)[:, :-2, :-2],
    }),
    "dilation": (2, "Entry (m, n) of the kernel meets pixel (i + 2 m, j + 2 n).", {
        "The dilation has no effect.": _layer,
        "Dilation spreads the windows; it must spread the kernel's entries.":
            lambda x, k, b: _layer(x, k, b, strides=2),
        "The images were thinned out.": lambda x, k, b: _layer(x[:, ::2, ::2], k, b),
    }),
}

_FRONT = (
    "All zeros stand in front: how many does the first output need?",
    "dilation * (len(kernel) - 1) zeros",
)
_CAUSAL = _slips(_FRONT, {
    "It looks ahead: the zeros stand on both sides.":
        lambda x, k, d: _series(d, d, x, k, d),
    "It looks ahead: the zeros stand behind.":
        lambda x, k, d: _series(0, 2 * d, x, k, d),
}) | _slips(("The last entry meets the present, the first one the oldest value.",), {
    "The kernel is turned round.": lambda x, k, d: _series(2 * d, 0, x, k[::-1], d),
})
_DILATED = _slips(("Entries lie d apart.",), {
    "The dilation has no effect.": lambda x, k, d: _series(2, 0, x, k, 1),
})

_OWN = "Each channel by itself: the maximum over height and width only, axis=(1, 2)."
_WINDOWS = "(n - k) // s + 1 windows along each side; strides=None means s = k."
_POOL = {  # kind: the right function, and the mistakes that are made with it
    "max": (max_pool, _slips((_OWN, _WINDOWS), {
        "The channels are mixed.": lambda x: max_pool(_brightest(x), 2),
        "The windows overlap.": lambda x: max_pool(x, 2, strides=1),
        "Incomplete windows at the border are counted too.":
            lambda x: max_pool(x, 2, padding="same"),
    }) | _slips((
        "A window may be negative everywhere. What does your search start with?",
        "Start with -np.inf, or with the window's first value.",
    ), {
        "The maximum is never below 0.": lambda x: np.maximum(max_pool(x, 2), 0),
    })),
    "average": (average_pool, _slips((
        "A window of side k has k * k pixels: their sum, divided by their number.",
    ), {
        "The sum was not divided.": lambda x: 4 * average_pool(x, 2),
        "The sum was divided by k, not by the number of pixels.":
            lambda x: 2 * average_pool(x, 2),
        "That is the maximum.": lambda x: max_pool(x, 2),
    })),
    "l2": (ops.l2_pool, _slips(("sqrt of the sum of squares",), {
        "The root is missing.": lambda x: ops.l2_pool(x, 2) ** 2,
        "The squares were averaged, not summed.": lambda x: ops.l2_pool(x, 2) / 2,
        "Only the sum was taken: where are the squares?":
            lambda x: 4 * average_pool(x, 2),
        "That is the L1 norm: absolute values, no squares.":
            lambda x: 4 * average_pool(np.abs(x), 2),
    })),
}
_APART = _slips(("Window (i, j) begins at (i * strides, j * strides).",), {
    "`strides` has no effect.": lambda right, x, k: right(x, k),
})
_GLOBAL = (
    "One number for each image and channel: height and width disappear.",
    "Axis 0 is the batch, axis 3 the channels.",
)
_WHOLE_MAP = _slips(_GLOBAL, {
    "The sum was divided by a square; maps have a height and a width.":
        lambda x: x.sum(axis=(1, 2)) / x.shape[1] ** 2,
    "The sum was not divided.": lambda x: x.sum(axis=(1, 2)),
    "That is the maximum.": ops.global_max_pool,
})

_GETS = "The values of x say who wins; grad says what each winner gets."
_EACH = "Each image and each channel has a winner of its own in every window."
_FIRST = "np.argmax gives the first one of several equal maxima, row by row."
_BACK = _slips((
    "Everything that came back goes to the winner, nothing to the others.",
    _GETS,
    "Multiply by grad: each window has its own value.",
), {
    "Every pixel of a window gets the gradient.": _to_all,
    "Every pixel of a window gets a share, the gradient of the average.":
        ops.average_pool_backward,
    "The winner is marked by 1: where is what came back?": _winners,
    "The winner keeps its own value: where is what came back?":
        lambda grad, x, k: x * _winners(grad, x, k),
}) | _slips((_EACH,), {
    "One winner for all channels.": lambda grad, x, k: (
        ops.max_pool_backward(grad, _brightest(x), k) * (x == _brightest(x))
    ),
    "One winner per place, whatever the channel.":
        lambda grad, x, k: ops.max_pool_backward(grad, _brightest(x), k),
})
_TIES = _slips(("There is one winner: the first one, row by row.", _FIRST), {
    "In a window of equal values, all of them get the gradient.":
        lambda grad, x, k: _to_all(grad, x, k) * _winners(grad, x, k),
    "In a window of equal values, the gradient is shared.": _shared,
    "In a window of equal values, the last one was taken.": _last,
    "In a window of equal values, the first was taken column by column.": _by_columns,
})
_SHARE = "A window has pool_size * pool_size pixels, and the shares sum to what came."
_OUTSIDE = "The gradient has the shape of x; pixels that are in no window get 0."
_AVERAGE_BACK = _slips((_SHARE,), {
    "Each pixel gets all of it, not its share.": _to_all,
    "The share is not 1 / pool_size; a window is a square.":
        lambda grad, x, k: _to_all(grad, x, k) / k,
}) | _slips((_OUTSIDE, "Begin with np.zeros(x.shape)."), {
    "The gradient is smaller than x.":
        lambda grad, x, k: grad.repeat(k, axis=1).repeat(k, axis=2) / k**2,
})
# fmt: on


@contextmanager
def _unlike(works: Callable, message: str, *hints: str):
    """Where an answer fails, but `works()` does not, say what the difference is."""
    try:
        yield
    except (ValueError, IndexError) as error:
        if "read-only" in str(error):  # another mistake, with its own message
            raise
        works()  # where that fails too, it says why
        raise Failure(f"{message}\n{error}", *hints) from None


def _not_cut(received, what: str) -> None:
    """Fail if there are integers where fractions are right."""
    if np.asarray(received).dtype.kind in "iu":
        raise Failure(
            f"{what}: the outputs were cut to integers.",
            "What is written into an array of integers loses its fraction.",
            "np.zeros(shape) holds floats; dtype=int, and zeros_like of integers, not.",
        )


@check(forbid=_CONVOLVES, read="section 2, 'One dimension'")
def conv1d(conv1d):
    """conv1d() multiplies each window by the kernel and sums, at every stride."""
    # Integers and a kernel of halves: an answer that collects in integers is cut off.
    x, k = frozen([2, 7, 1, -3, 0, 5, 4, 1, 6, 8]), frozen([0.5, -1, 1.5])
    said = "It works for a kernel of 4 numbers, but fails for one of 3:"
    with _unlike(lambda: conv1d(x, np.ones(4)), said, "w = len(kernel)"):
        got = conv1d(x, k)
    recognise(got, _CONV1D, x, k, 1)
    _not_cut(got, "conv1d of integers and a kernel of floats")
    close(got, correlate(x, k), "conv1d(x, kernel)", *_ENDS)
    for s in (2, 3):  # neither divides the room of 7: the last window does not fit
        got, call = conv1d(x, k, strides=s), f"conv1d(x, kernel, strides={s})"
        recognise(got, _STRIDES | _CONV1D, x, k, s)
        close(got, correlate(x, k, strides=s), call, _BEGIN, *_ENDS)
    close(conv1d(k, x[:3]), [-4.5], "conv1d of a kernel as long as the series", *_ENDS)
    close(conv1d(x, k[:1]), x / 2, "conv1d for a kernel of one number", *_ENDS)


def _compare(name: str, function, right: Callable, slips, hints, cases) -> None:
    """Fail unless a function counts right in all cases; name the mistake if not."""
    defaults = (1, 0, 1)  # of strides, padding and dilation
    for case in cases:
        every = (*case, *defaults[len(case) - 2 :])
        got, wanted = function(*case), right(*every)
        if got != wanted:
            recognise(got, slips, *every)
        equal(got, wanted, f"{name}{case}", *hints)


@check(forbid=_SIZES, read="section 3, 'Sizes, before anything is computed'")
def output_size(output_size):
    """output_size() is right for every stride, padding and dilation."""

    def right(n, f, s, p, d):
        return _room(n, f, s, p, d) // s + 1

    # One argument at a time first, so that the first wrong case says which it is.
    cases = [(9, 4), (10, 3, 2), (9, 3, 2), (10, 3, 1, 2), (12, 3, 1, 0, 3)]
    cases += [(11, 3, 3, 1, 2), (14, 4, 4, 2, 3)]
    _compare("output_size", output_size, right, _OUTPUT_SIZE, _TERMS, cases)
    got = output_size(9, 4)
    if np.asarray(got).dtype.kind not in "iu":
        raise Failure(
            f"output_size(9, 4): an integer is asked, received {got!r}.",
            "An array of that size cannot be made with it: np.zeros wants an integer.",
            "// of integers gives an integer; / and np.floor give floats.",
        )


@check(forbid=_SIZES, read="section 3, 'Sizes, before anything is computed'")
def unseen(unseen):
    """unseen() counts the values after the last window."""

    def right(n, f, s, p, d):
        return _room(n, f, s, p, d) % s

    cases = [(9, 3, 2), (10, 3, 2), (12, 2, 5), (10, 3, 4, 1), (13, 3, 4, 0, 2)]
    cases += [(12, 3, 3, 1), (15, 4, 5, 2, 2)]
    _compare("unseen", unseen, right, _UNSEEN, _LEFT_OVER, cases)


@check(forbid=_SIZES, read="section 3, 'Sizes, before anything is computed'")
def conv_params(conv_params):
    """conv_params() counts every weight and one bias for each filter."""
    for f, c, n in ((3, 5, 7), (5, 2, 4), (1, 3, 2), (11, 300, 256)):
        got, call = conv_params(f, c, n), f"conv_params({f}, {c}, {n})"
        if got != (f * f * c + 1) * n:
            recognise(got, _PARAMETERS, f, c, n)
        equal(got, (f * f * c + 1) * n, call, *_ONE_FILTER)


@check(forbid=_CONVOLVES, read="section 4, 'Two dimensions'")
def correlate2d(correlate2d):
    """correlate2d() slides a kernel over an image, and does not flip it."""
    x = frozen(np.arange(54).reshape(6, 9) % 11 / 2)
    k = frozen([[1, 2, -1], [3, 0, 5.5]])
    said = "It works for a kernel of 3×3, but fails for one of 2×3:"
    with _unlike(lambda: correlate2d(x, np.ones((3, 3))), said, *_MEETS):
        got = correlate2d(x, k)
    recognise(got, _CORRELATE, x, k)
    _not_cut(got, "correlate2d of floats")
    right = correlate(x, k)
    close(got, right, "correlate2d of a 6×9 image and a 2×3 kernel", _STOPS, *_MEETS)
    # Photos come as bytes: without a conversion their sums wrap around at 256.
    pale = frozen(np.array([[200, 3, 90], [5, 250, 120]], "uint8"))
    close(
        correlate2d(pale, frozen(np.array([[1, -1]], "int8"))),
        [[197, -87], [-245, 130]],
        "correlate2d of bytes and the kernel [[1, -1]]",
        *_BYTES,
    )
    got = correlate2d(x, frozen([[1.0]]))
    close(got, x, "correlate2d(x, [[1]]), the identity")
    if np.shares_memory(got, x):
        raise Failure(
            "correlate2d gives back the image itself, not a new array.",
            "Whoever writes into the result would change the image.",
        )


@check(forbid=_CONVOLVES, read="section 4, 'Two dimensions'")
def convolve2d(convolve2d):
    """convolve2d() flips the kernel in both directions: an impulse gives it back."""
    # An impulse says all: out comes the kernel, as it is, or turned in some way.
    impulse, k = np.zeros((5, 7)), frozen([[1, 2, 3], [4, 5, 6.5]])
    impulse[3, 4] = 1
    got = convolve2d(frozen(impulse), k)
    recognise(got, _CONVOLVE, impulse, k)
    right = convolve(impulse, k)
    close(got, right, "convolve2d of an impulse and a 2×3 kernel", *_FLIP)
    x = frozen(np.arange(24.0).reshape(4, 6) ** 2)
    close(convolve2d(x, k), convolve(x, k), "convolve2d of a 4×6 image", *_FLIP)


@check(forbid=["cnnlab", "scipy"], read="the table in section 5, 'What a kernel sees'")
def classical_kernels(classical_kernels):
    """classical_kernels() has six 3×3 kernels that do what the table says."""
    kernels = classical_kernels()
    if missing := _KERNELS.keys() - dict(kernels).keys():
        raise Failure(f"There is no kernel {', '.join(sorted(missing))}.")
    # By what they do to an image, not by their numbers: nobody's numbers are shown.
    x = np.random.default_rng(1).integers(0, 10, (7, 9)) / 2
    hint = "Write the sum of the table down, with a weight for each of the nine pixels."
    for name, (should, slips) in _KERNELS.items():
        equal(np.shape(kernels[name]), (3, 3), f"shape of {name}")
        got = correlate(x, kernels[name])
        recognise(got, slips, x)
        close(got, should(x), f"what `{name}` makes of a 7×9 image", hint)


@check(forbid=_CONVOLVES, read="section 6, 'A convolution layer'")
def conv2d(conv2d):
    """conv2d() sums windows over all channels, for each filter, and adds the bias."""
    rng = np.random.default_rng(2)
    x, k = frozen(rng.normal(size=(2, 6, 8, 3))), frozen(rng.normal(size=(2, 3, 3, 4)))
    b, square = frozen([1.0, -2, 3, 0.5]), np.ones((3, 3, 3, 4))
    sides = "The kernel has a height, kernel.shape[0], and a width, kernel.shape[1]."
    bare = (
        "It works with padding=1, but fails with padding=0:",
        "What is x[p:-p] for p = 0? Empty: -0 is 0.",
        "np.pad does not mind a border of 0; or write x[p : p + height].",
    )
    said = "It works for a kernel of 3×3, but fails for one of 2×3:"
    with _unlike(lambda: conv2d(x, square, b), said, sides, _FORMULA):
        with _unlike(lambda: conv2d(x, k, b, padding=1), *bare):
            got = conv2d(x, k, b)
    recognise(got, _CONV2D, x, k, b)
    close(
        got,
        _layer(x, k, b),
        "conv2d of two 6×8 images with 3 channels, kernels 2×3, 4 filters",
        "Start with one image and one filter, then add the loops around.",
        "Height and width differ, here and in the kernel: is an axis swapped?",
        _FORMULA,
    )
    # np.zeros_like of images of bytes is an array of bytes, which loses the sums.
    grey = frozen((x > 0).astype("uint8"))
    got = conv2d(grey, k, b)
    _not_cut(got, "conv2d of images of bytes")
    close(got, _layer(grey, k, b), "conv2d of images of bytes", _FORMULA)
    one = x[:1, ..., :1], k[:, :, :1, :1], b[:1]
    what = "conv2d of one image with one channel, one filter"
    close(conv2d(*one), _layer(*one), what, "All four axes stay, also those of size 1.")


@check(forbid=_CONVOLVES, read="section 6, 'A convolution layer'")
def conv2d_moves(conv2d):
    """conv2d() obeys strides, padding and dilation, alone and together."""
    rng = np.random.default_rng(3)
    x, k = frozen(rng.normal(size=(2, 8, 9, 2))), frozen(rng.normal(size=(3, 2, 2, 3)))
    b = frozen([0.5, -1, 2])
    for name, (size, hint, mistakes) in _MOVES.items():
        said = f"It works without {name}, but fails with {name}={size}:"
        with _unlike(lambda: conv2d(x, k, b), said, hint, _FLOOR):
            got = conv2d(x, k, b, **{name: size})
        recognise(got, _slips((hint, _FLOOR), mistakes), x, k, b)
        right = _layer(x, k, b, **{name.replace("dilation", "dilation_rate"): size})
        close(got, right, f"conv2d(..., {name}={size})", hint, _FLOOR)
    close(
        conv2d(x, k, b, strides=3, padding=2, dilation=2),
        _layer(x, k, b, strides=3, padding=2, dilation_rate=2),
        "conv2d(..., strides=3, padding=2, dilation=2)",
        "Rows: i * strides + m * dilation, in the padded image.",
        _FLOOR,
    )


@check(forbid=_CONVOLVES, read="section 7, 'Time: causal convolution'")
def causal_conv1d(causal_conv1d):
    """causal_conv1d() keeps the length, and depends on the past only."""
    x, k = frozen([3, 1, 4, 1, 5, 9, 2]), frozen([2, -1, 3.5])
    for d, slips in ((1, _CAUSAL), (2, _CAUSAL | _DILATED), (4, _CAUSAL | _DILATED)):
        got = causal_conv1d(x, k, dilation=d)
        call, size = f"causal_conv1d(x, kernel, dilation={d})", np.size(got)
        if size != 7:
            said = f"for 7 inputs there must be 7 outputs, received {size}."
            raise Failure(f"{call}: {said}", *_FRONT)
        recognise(got, slips, x, k, d)
        _not_cut(got, call)
        close(got, _series(2 * d, 0, x, k, d), call, *_FRONT)
    got = causal_conv1d(x, k[:1])
    close(got, 2 * x, "causal_conv1d for a kernel of one number", *_FRONT)


@check(forbid=_POOLS, read="section 8, 'Pooling'")
def pool(pool):
    """pool() gives the maximum, the average or the norm of each window and channel."""
    x = frozen(np.random.default_rng(4).normal(size=(2, 5, 7, 3)) - 3)  # few above 0
    for kind, (right, slips) in _POOL.items():
        got, call = pool(x, 2, kind=kind), f'pool(x, 2, kind="{kind}")'
        recognise(got, slips, x)
        close(got, right(x, 2), f"{call} of maps {x.shape}", _OWN, _WINDOWS)
    whole = frozen(np.arange(60).reshape(2, 5, 6, 1) ** 2 % 13)
    for kind, (right, _) in _POOL.items():
        for size, strides in ((3, 2), (2, 3)):
            got = pool(x, size, strides=strides, kind=kind)
            call = f'pool(x, {size}, {strides}, kind="{kind}") of maps {x.shape}'
            recognise(got, _APART, right, x, size)
            close(got, right(x, size, strides=strides), call, _WINDOWS)
        got, call = pool(whole, 2, kind=kind), f'pool(x, 2, kind="{kind}") of integers'
        if kind != "max":
            _not_cut(got, call)
        close(got, right(whole, 2), call, _WINDOWS)


@check(forbid=_POOLS, read="section 8, 'Pooling'")
def global_average_pool(global_average_pool):
    """global_average_pool() gives the mean of each map."""
    x = frozen(np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5) ** 2)
    got = global_average_pool(x)
    recognise(got, _WHOLE_MAP, x)
    right = ops.global_average_pool(x)
    close(got, right, "global_average_pool of maps (2, 3, 4, 5)", *_GLOBAL)
    one = x[:1, ..., :1]
    close(global_average_pool(one), right[:1, :1], "that of one single map", *_GLOBAL)


@check(forbid=_GRADIENTS, read="section 9, 'Pooling on the way back'")
def max_pool_backward(max_pool_backward):
    """max_pool_backward() gives everything to the first maximum of each window."""
    rng = np.random.default_rng(5)
    # All values different: with ties, the two ways to break them would be mixed up.
    x = frozen(rng.permutation(140).reshape(2, 5, 7, 2) / 2 - 80)  # all below 0
    grad = frozen(rng.normal(size=(2, 2, 3, 2)))
    got = max_pool_backward(grad, x, 2)
    recognise(got, _BACK, grad, x, 2)
    right = ops.max_pool_backward(grad, x, 2)
    close(got, right, "max_pool_backward(grad, x, 2)", _GETS, _EACH)
    ties = np.zeros((1, 6, 4, 1), int)  # a row of windows is 0, as after a ReLU
    ties[:, 2:] = np.tile([[0, 1], [1, 1]], (2, 2))[..., np.newaxis]
    ties, grad = frozen(ties), frozen(rng.normal(size=(1, 3, 2, 1)))
    got = max_pool_backward(grad, ties, 2)
    recognise(got, _TIES, grad, ties, 2)
    _not_cut(got, "max_pool_backward for x of integers")
    right = ops.max_pool_backward(grad, ties, 2)
    close(got, right, "max_pool_backward where maxima are equal", _FIRST)


@check(forbid=_GRADIENTS, read="section 9, 'Pooling on the way back'")
def average_pool_backward(average_pool_backward):
    """average_pool_backward() gives each pixel of a window the same share."""
    rng = np.random.default_rng(6)
    x = frozen(rng.integers(0, 9, (2, 7, 8, 3)))
    grad = frozen(rng.normal(size=(2, 2, 2, 3)))
    got = average_pool_backward(grad, x, 3)
    recognise(got, _AVERAGE_BACK, grad, x, 3)
    _not_cut(got, "average_pool_backward for x of integers")
    right = ops.average_pool_backward(grad, x, 3)
    close(got, right, "average_pool_backward(grad, x, 3)", _SHARE, _OUTSIDE)
