"""Convolutions: plain, grouped, depthwise and transposed, each with its backward pass.

Shapes are those of Keras: inputs `(batch, *space, channels)` and kernels
`(*size, channels, filters)`, where `space` has one axis for time series, two for
images, three for volumes. There is no bias here: add it to the output; its
gradient is the sum of `grad` over every axis but the last.

`conv` is what deep learning calls convolution and mathematics calls
cross-correlation: the kernel is not flipped (`cnnlab.ops.filtering` has both).
The whole room is one idea: while the kernel slides, each of its entries `offset`
meets a shifted copy of the input, `view[offset]` (`cnnlab.ops.windows`), so that a
convolution is a few matrix products, and no loop ever runs over pixels.
"""

import numpy as np

from cnnlab.ops.arrays import all_but_last, as_float, per_axis
from cnnlab.ops.windows import Padding, slide


def conv(
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    strides: int | tuple[int, ...] = 1,
    padding: Padding = "valid",
    dilation_rate: int | tuple[int, ...] = 1,
) -> np.ndarray:
    """Convolution along 1, 2 or 3 axes, as many as the kernel has.

    Args:
        x: `(batch, *space, channels)`.
        kernel: `(*size, channels, filters)`.
        strides, padding, dilation_rate: as in `cnnlab.ops.slide`.

    Returns:
        `(batch, *output, filters)`.

    Raises:
        ValueError: if the channels differ, or the kernel does not fit the input.

    >>> image, kernel = np.ones((1, 5, 6, 3)), np.ones((3, 3, 3, 8))
    >>> conv(image, kernel, strides=2, padding="same").shape
    (1, 3, 3, 8)
    """
    x, kernel = _operands(x, kernel)
    settings = dict(strides=strides, padding=padding, dilation_rate=dilation_rate)
    view, _ = slide(x, kernel.shape[:-2], **settings)
    out = np.zeros(_output_shape(view, kernel), x.dtype)
    # One product per kernel row: see `_columns` for why not per entry, nor all at once.
    for row in np.ndindex(kernel.shape[:-3]):
        out += _columns(view[row]) @ _matrix(kernel[row])
    return out


def conv_backward(
    grad: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    strides: int | tuple[int, ...] = 1,
    padding: Padding = "valid",
    dilation_rate: int | tuple[int, ...] = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `conv` for its input and for its kernel.

    `grad` is the gradient of the loss for the output, `(batch, *output, filters)`;
    the rest is what `conv` was called with. An input pixel collects what comes back
    from all the outputs it took part in, a kernel entry from all positions.
    """
    x, kernel = _operands(x, kernel)
    settings = dict(strides=strides, padding=padding, dilation_rate=dilation_rate)
    dx = _input_gradient(grad, x.shape, kernel, **settings)
    return dx, _kernel_gradient(grad, x, kernel, **settings)


def _input_gradient(grad, shape, kernel, **settings):
    view, dx = slide(np.zeros(shape, kernel.dtype), kernel.shape[:-2], **settings)
    grad = _checked(grad, _output_shape(view, kernel))
    transposed = np.ascontiguousarray(np.swapaxes(kernel, -1, -2))  # a third faster
    # `view[offset]` shares memory with dx and holds each pixel once. The whole view
    # holds pixels many times, and NumPy does not promise that += adds all of them up.
    for offset in np.ndindex(kernel.shape[:-2]):
        view[offset] += grad @ transposed[offset]
    return dx


def _kernel_gradient(grad, x, kernel, **settings):
    view, _ = slide(x, kernel.shape[:-2], **settings)
    # The sum over images and places is the inner sum of a matrix product.
    grad = _matrix(_checked(grad, _output_shape(view, kernel)))
    dkernel = np.zeros_like(kernel)
    for row in np.ndindex(kernel.shape[:-3]):
        columns = _matrix(_columns(view[row]))
        dkernel[row] = (columns.T @ grad).reshape(kernel[row].shape)
    return dkernel


def _matrix(array):
    """All axes but the last in one."""
    return array.reshape(-1, array.shape[-1])


def _columns(row):
    """What the entries of one kernel row meet, side by side.

    From `(width, batch, *output, channels)` to `(batch, *output, width * channels)`.
    Entry by entry, the matrix products are too narrow to be fast; with the whole
    kernel at once ("im2col") they are no faster, and take more memory.
    """
    width, *positions, channels = row.shape
    return np.moveaxis(row, 0, -2).reshape(*positions, width * channels)


def grouped_conv(
    x: np.ndarray, kernel: np.ndarray, groups: int, **settings
) -> np.ndarray:
    """`groups` convolutions side by side, each on its own share of the channels.

    The two towers of AlexNet (Krizhevsky et al., 2012) are `groups=2`.

    Args:
        x: `(batch, *space, channels)`.
        kernel: `(*size, channels // groups, filters)`.
        groups: must divide the channels and the filters.
        settings: `strides`, `padding` and `dilation_rate` of `conv`.
    """
    shares = _shares(groups, x, kernel)
    return np.concatenate([conv(*share, **settings) for share in shares], axis=-1)


def grouped_conv_backward(
    grad: np.ndarray, x: np.ndarray, kernel: np.ndarray, groups: int, **settings
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `grouped_conv` for its input and for its kernel."""
    shares = _shares(groups, grad, x, kernel)
    gradients = [conv_backward(*share, **settings) for share in shares]
    dx, dkernel = (np.concatenate(g, axis=-1) for g in zip(*gradients, strict=True))
    return dx, dkernel


def depthwise_conv(x: np.ndarray, kernel: np.ndarray, **settings) -> np.ndarray:
    """Every channel with kernels of its own: channels do not mix (MobileNet, 2017).

    Args:
        x: `(batch, *space, channels)`.
        kernel: `(*size, channels, multiplier)`.
        settings: `strides`, `padding` and `dilation_rate` of `conv`.

    Returns:
        `(batch, *output, channels * multiplier)`, what comes from one channel
        side by side.
    """
    x, kernel = _operands(x, kernel)
    view, _ = slide(x, kernel.shape[:-2], **settings)
    # No sum over channels, so no matrix product: a kernel entry only scales.
    offsets = np.ndindex(kernel.shape[:-2])
    out = sum(view[offset][..., np.newaxis] * kernel[offset] for offset in offsets)
    return out.reshape(*out.shape[:-2], -1)


def depthwise_conv_backward(
    grad: np.ndarray, x: np.ndarray, kernel: np.ndarray, **settings
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `depthwise_conv` for its input and for its kernel."""
    x, kernel = _operands(x, kernel)
    view, _ = slide(x, kernel.shape[:-2], **settings)
    dview, dx = slide(np.zeros_like(x), kernel.shape[:-2], **settings)
    *output, _ = _output_shape(view, kernel)
    channels, multiplier = kernel.shape[-2:]
    grad = _checked(grad, (*output, channels * multiplier))
    grad = grad.reshape(*output, channels, multiplier)
    dkernel = np.zeros_like(kernel)
    for offset in np.ndindex(kernel.shape[:-2]):
        seen = view[offset][..., np.newaxis]
        dkernel[offset] = (seen * grad).sum(axis=all_but_last(x))
        dview[offset] += (grad * kernel[offset]).sum(axis=-1)
    return dx, dkernel


def conv_transpose(
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    strides: int | tuple[int, ...] = 1,
    padding: str = "valid",
) -> np.ndarray:
    """Transposed convolution: strides enlarge, as in the decoder of a U-Net.

    It is the gradient of `conv` for its input, used as a layer of its own: each
    input pixel paints the kernel, times its value, onto the output.

    Args:
        x: `(batch, *space, channels)`.
        kernel: `(*size, filters, channels)`: filters first, as in Keras.
        strides: a number, or one for each axis.
        padding: "valid" or "same".

    Returns:
        `(batch, *output, filters)`, where `output` is `space * strides` for
        "same", and `max(size - strides, 0)` more than that for "valid".
    """
    x, kernel = _operands(x, kernel, channel_axis=-1)
    if padding not in ("valid", "same"):
        raise ValueError(
            f'`padding` must be "valid" or "same". Received: padding={padding!r}'
        )
    size = np.array(kernel.shape[:-2])
    strides = per_axis("strides", strides, len(size), least=1)
    # `conv` takes maps of several sizes to this one; these are the sizes Keras gives.
    space = np.multiply(x.shape[1:-1], strides)
    if padding == "valid":
        space += np.maximum(size - strides, 0)
    shape = (x.shape[0], *space, kernel.shape[-2])
    return _input_gradient(x, shape, kernel, strides=strides, padding=padding)


def conv_transpose_backward(
    grad: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    strides: int | tuple[int, ...] = 1,
    padding: str = "valid",
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `conv_transpose`: going back through it is a plain `conv`."""
    x, kernel = _operands(x, kernel, channel_axis=-1)
    settings = dict(strides=strides, padding=padding)
    # Against `conv` the parts are swapped: here `grad` slides, and x is what came back.
    dx = conv(grad, kernel, **settings)
    return dx, _kernel_gradient(x, grad, kernel, **settings)


def _operands(x, kernel, channel_axis: int = -2):
    """Input and kernel as floats of one dtype, if their axes and channels agree."""
    x, kernel = as_float(x), as_float(kernel)
    if x.ndim < 3 or x.ndim != kernel.ndim:
        raise ValueError(
            "The input must be (batch, *space, channels) and the kernel (*size, "
            "channels, filters), with as many axes in `size` as in `space`. "
            f"Received: shapes {x.shape} and {kernel.shape}. Add a missing axis with "
            "x[np.newaxis] (batch) or x[..., np.newaxis] (channels)."
        )
    if x.shape[-1] != kernel.shape[channel_axis]:
        raise ValueError(
            "The input and the kernel must have the same number of channels. "
            f"Received: {x.shape[-1]} channels in the input {x.shape}, and "
            f"{kernel.shape[channel_axis]} in axis {channel_axis} of the kernel "
            f"{kernel.shape}"
        )
    dtype = np.result_type(x, kernel)
    return x.astype(dtype, copy=False), kernel.astype(dtype, copy=False)


def _output_shape(view, kernel) -> tuple[int, ...]:
    """`(batch, *output, filters)`: the view's middle axes, then the kernel's last."""
    return (*view.shape[kernel.ndim - 2 : -1], kernel.shape[-1])


def _checked(grad, expected) -> np.ndarray:
    """`grad` as floats, if it has the shape of the output: broadcasting hides slips."""
    grad = as_float(grad)
    if grad.shape != expected:
        raise ValueError(
            f"`grad` must have the shape of the output, {expected}. Received: "
            f"{grad.shape}. Give the backward pass the settings of the forward one."
        )
    return grad


def _shares(groups, *arrays):
    """The last axis of each array cut into `groups`, yielded group by group."""
    channels = [np.shape(array)[-1] for array in arrays]
    if groups < 1 or any(c % groups for c in channels):
        raise ValueError(
            "`groups` must divide the channels and the filters. "
            f"Received: groups={groups} for arrays with {channels} in their last axis"
        )
    return zip(*(np.split(array, groups, axis=-1) for array in arrays), strict=True)
