"""Pooling: max, average, L2 and global, each with its backward pass.

Inputs are `(batch, *space, channels)`, outputs `(batch, *output, channels)`: a
window never mixes channels, and pooling has no parameters (deck 002:1130).
`pool_size` is a number or one for each axis, `strides=None` means windows that do
not overlap, and `padding` is "valid" or "same", all as in Keras.
"""

import numpy as np

from cnnlab.ops.arrays import as_float, check_same_shape, per_axis
from cnnlab.ops.windows import slide

Size = int | tuple[int, ...]


def max_pool(
    x: np.ndarray, pool_size: Size, *, strides: Size | None = None, padding="valid"
) -> np.ndarray:
    """The largest value of each window. Padding never wins: it is minus infinity.

    >>> image = np.arange(1, 17).reshape(1, 4, 4, 1)
    >>> max_pool(image, 2)[0, ..., 0].astype(int)
    array([[ 6,  8],
           [14, 16]])
    """
    view, _, size = _slide(x, pool_size, strides, padding, fill=-np.inf)
    return view.max(axis=_axes(size))


def max_pool_backward(
    grad: np.ndarray,
    x: np.ndarray,
    pool_size: Size,
    *,
    strides: Size | None = None,
    padding="valid",
) -> np.ndarray:
    """Gradient of `max_pool`: everything goes to the winner of each window.

    Among equal values the first wins, as in Keras: the gradient is not shared.
    """
    view, _, size = _slide(x, pool_size, strides, padding, fill=-np.inf)
    dview, dx, _ = _slide(np.zeros_like(x), pool_size, strides, padding)
    highest = view.max(axis=_axes(size))
    check_same_shape(grad=grad, output=highest)
    # Equal values are common: a window of zeros behind a ReLU would pay out its
    # gradient to each of them.
    no_winner_yet = np.ones(highest.shape, bool)
    for offset in np.ndindex(size):
        wins = no_winner_yet & (view[offset] == highest)
        dview[offset] += grad * wins
        no_winner_yet &= ~wins
    return dx


def average_pool(
    x: np.ndarray, pool_size: Size, *, strides: Size | None = None, padding="valid"
) -> np.ndarray:
    """The mean of each window; pixels of the padding are not counted."""
    view, _, size = _slide(x, pool_size, strides, padding)
    return view.sum(axis=_axes(size)) / _counts(x, pool_size, strides, padding)


def average_pool_backward(
    grad: np.ndarray,
    x: np.ndarray,
    pool_size: Size,
    *,
    strides: Size | None = None,
    padding="valid",
) -> np.ndarray:
    """Gradient of `average_pool`: an equal share to each pixel of a window."""
    shares = np.divide(grad, _counts(x, pool_size, strides, padding))
    return _spread(shares, x, pool_size, strides, padding)


def l2_pool(
    x: np.ndarray, pool_size: Size, *, strides: Size | None = None, padding="valid"
) -> np.ndarray:
    """The L2 norm of each window, `sqrt(sum(x**2))` (deck 004:1083)."""
    view, _, size = _slide(x, pool_size, strides, padding)
    return np.sqrt(np.square(view).sum(axis=_axes(size)))


def l2_pool_backward(
    grad: np.ndarray,
    x: np.ndarray,
    pool_size: Size,
    *,
    strides: Size | None = None,
    padding="valid",
) -> np.ndarray:
    """Gradient of `l2_pool`, `x / norm`; zero where a whole window is zero."""
    # A norm has a kink at zero: 0/0 there, and 0 is one of its subgradients.
    norm = l2_pool(x, pool_size, strides=strides, padding=padding)
    shares = np.divide(grad, norm, out=np.zeros_like(norm), where=norm > 0)
    return x * _spread(shares, x, pool_size, strides, padding)


def global_max_pool(x: np.ndarray) -> np.ndarray:
    """The largest value of each feature map, `(batch, channels)`."""
    return as_float(x).max(axis=_space(x))


def global_max_pool_backward(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gradient of `global_max_pool`: one window as large as the map."""
    whole = np.shape(x)[1:-1]
    return max_pool_backward(np.expand_dims(grad, _space(x)), x, whole)


def global_average_pool(x: np.ndarray) -> np.ndarray:
    """The mean of each feature map, `(batch, channels)`, whatever its size."""
    return as_float(x).mean(axis=_space(x))


def global_average_pool_backward(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gradient of `global_average_pool`: an equal share to each pixel of a map."""
    whole = np.shape(x)[1:-1]
    return average_pool_backward(np.expand_dims(grad, _space(x)), x, whole)


def _slide(x, pool_size, strides, padding, fill=0.0):
    """The windows of `x`, as `slide` gives them, and their size."""
    x = as_float(x)
    if padding not in ("valid", "same"):
        raise ValueError(
            'The `padding` of a pooling must be "valid" or "same". '
            f"Received: padding={padding!r}"
        )
    size = per_axis("pool_size", pool_size, x.ndim - 2, least=1)
    strides = size if strides is None else strides
    return *slide(x, size, strides=strides, padding=padding, fill=fill), size


def _axes(size) -> tuple[int, ...]:
    """The axes of a view that run inside a window."""
    return tuple(range(len(size)))


def _space(x) -> tuple[int, ...]:
    """The axes of an image: neither batch nor channels."""
    return tuple(range(1, np.ndim(x) - 1))


def _counts(x, pool_size, strides, padding):
    """How many pixels of the input, not of the padding, each window holds."""
    # Counted by pooling an image of ones: only a border window holds fewer.
    ones = np.ones((1, *np.shape(x)[1:-1], 1), as_float(x).dtype)
    view, _, size = _slide(ones, pool_size, strides, padding)
    return view.sum(axis=_axes(size))


def _spread(shares, x, pool_size, strides, padding):
    """To each pixel, the sum of the shares of all windows that hold it."""
    dview, dx, size = _slide(np.zeros_like(x), pool_size, strides, padding)
    check_same_shape(grad=shares, output=dview[(0,) * len(size)])
    for offset in np.ndindex(size):
        dview[offset] += shares
    return dx
