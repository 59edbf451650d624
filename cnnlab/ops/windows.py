"""Where a kernel looks: the sliding windows that convolution and pooling share."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnnlab.ops.arrays import per_axis

Padding = str | int | tuple[int, ...]


def slide(
    x: np.ndarray,
    size: tuple[int, ...],
    *,
    strides: int | tuple[int, ...] = 1,
    padding: Padding = "valid",
    dilation_rate: int | tuple[int, ...] = 1,
    fill: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Copy `x` into a border of `fill`, and see the copy as one window per output.

    `view[offset]` is what the kernel entry at `offset` meets while the kernel
    slides over the input. View and interior share memory: what is added to the
    view turns up in the interior, which is all a backward pass needs.

    Args:
        x: `(batch, *space, channels)`.
        size: of the kernel, one number for each axis of `space`.
        strides, dilation_rate: a number, or one for each axis.
        padding: "valid" (none), "same" (as Keras: `ceil(space / strides)` outputs,
            the odd pixel at the end), "causal" (1-D, all in front), or the pixels
            to add on both sides, a number or one for each axis.
        fill: value of the border.

    Returns:
        view: `(*size, batch, *output, channels)` with, along each axis,
            `output = (space + pads - dilation * (size - 1) - 1) // stride + 1`.
        interior: `(batch, *space, channels)`, the copy without its border.
    """
    space, rank = x.shape[1:-1], len(size)
    strides = per_axis("strides", strides, rank, least=1)
    dilation = per_axis("dilation_rate", dilation_rate, rank, least=1)
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    borders = _borders(space, spans, strides, padding)
    # `pad` copies even where it adds nothing: nobody writes into the caller's array.
    padded = np.pad(x, ((0, 0), *borders, (0, 0)), constant_values=fill)
    _check_fit(space, spans, padded.shape[1:-1])

    # Windows as wide as the dilated kernel; `steps` then keeps the pixels it touches.
    axes = tuple(range(1, rank + 1))
    view = sliding_window_view(padded, spans, axis=axes, writeable=True)
    steps = (1, *strides, 1, *dilation)  # (batch, *output, channels, *size)
    view = view[tuple(slice(None, None, step) for step in steps)]
    # Kernel axes first: `view[offset]` is all that one kernel entry meets.
    view = np.moveaxis(view, range(-rank, 0), range(rank))
    inner = [slice(b, b + n) for (b, _), n in zip(borders, space, strict=True)]
    return view, padded[(slice(None), *inner)]


def _borders(space, spans, strides, padding: Padding) -> list[tuple[int, int]]:
    """How many pixels to add before and after, along each axis."""
    if padding == "valid":
        return [(0, 0) for _ in space]
    if padding == "same":
        # As Keras: first the outputs, then the pixels they need. PyTorch's networks pad
        # both sides alike; at stride 2 their windows then begin one pixel earlier.
        outputs = [-(-n // s) for n, s in zip(space, strides, strict=True)]
        needed = zip(outputs, strides, spans, space, strict=True)
        totals = [max((o - 1) * s + span - n, 0) for o, s, span, n in needed]
        return [(total // 2, total - total // 2) for total in totals]
    if padding == "causal" and len(space) == 1:
        return [(spans[0] - 1, 0)]
    if isinstance(padding, str):
        raise ValueError(
            '`padding` must be "valid", "same", "causal" (only along one axis, time) '
            f"or a number of pixels. Received: padding={padding!r} "
            f"for an input with {len(space)} axes"
        )
    pixels = per_axis("padding", padding, len(space), least=0)
    return [(p, p) for p in pixels]


def _check_fit(space, spans, padded) -> None:
    if any(span > n for span, n in zip(spans, padded, strict=True)):
        raise ValueError(
            "The kernel must fit into the padded input. Received: an input of "
            f"{tuple(space)}, {tuple(padded)} with its padding, and a kernel that "
            f"spans {tuple(spans)}. Use a smaller kernel or dilation, or more padding."
        )
