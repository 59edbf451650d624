"""One formula each: output size, parameters, MACs, receptive field."""

import math
import numbers
from collections.abc import Iterable, Sequence


def padding_amounts(
    size: int,
    kernel_size: int,
    *,
    strides: int = 1,
    padding: str | int = "valid",
    dilation: int = 1,
) -> tuple[int, int]:
    """Zeros put before and after one axis, as Keras does it.

    "valid": none. "same": as many as give `ceil(size / strides)` outputs, the odd
    one *after* (so a stride of 2 on an even size pads bottom and right only).
    "causal": `dilation * (kernel_size - 1)`, all before. An integer: that many on
    both sides (PyTorch's and the papers' convention).

    >>> padding_amounts(28, 5, padding="same")
    (2, 2)
    >>> padding_amounts(224, 3, strides=2, padding="same")
    (0, 1)

    Raises:
        ValueError: for an unknown padding, or a size below 1.
    """
    _check_positive(
        size=size, kernel_size=kernel_size, strides=strides, dilation=dilation
    )
    span = dilation * (kernel_size - 1) + 1  # pixels from the first tap to the last
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return span - 1, 0
    if padding == "same":
        # What the last window lacks; nothing where strides jump over the end.
        total = max((math.ceil(size / strides) - 1) * strides + span - size, 0)
        return total // 2, total - total // 2
    pixels = _pixels(padding, '"valid", "same", "causal"')
    return pixels, pixels


def output_size(
    size: int,
    kernel_size: int,
    *,
    strides: int = 1,
    padding: str | int = "valid",
    dilation: int = 1,
) -> int:
    """Outputs along one axis of a convolution or pooling of `size` inputs.

        floor((size + before + after - dilation * (kernel_size - 1) - 1) / strides) + 1

    with the zeros `before` and `after` of `padding_amounts`. Deck 001, "Dimensions
    formula - Convolutional Layer"; deck 000, "Layer size", lacks the floor; deck
    002's H - h + 1 is the case of stride 1 without padding.

    >>> output_size(227, 11, strides=4)
    55
    >>> output_size(28, 5, padding="same")
    28
    >>> output_size(224, 11, strides=4, padding=2)
    55

    Raises:
        ValueError: if the kernel is larger than the padded input, or as
            `padding_amounts`.
    """
    before, after = padding_amounts(
        size, kernel_size, strides=strides, padding=padding, dilation=dilation
    )
    span = dilation * (kernel_size - 1) + 1
    padded = size + before + after
    if span > padded:
        raise ValueError(
            f"The kernel must fit into the padded input. Received: a kernel that "
            f"spans {span} (kernel_size={kernel_size}, dilation={dilation}) on a "
            f"padded input of {padded} (size={size}, padding={padding!r}). Use a "
            'larger input, a smaller kernel or padding="same".'
        )
    return (padded - span) // strides + 1


def transposed_output_size(
    size: int,
    kernel_size: int,
    *,
    strides: int = 1,
    padding: str | int = "valid",
    dilation: int = 1,
) -> int:
    """Outputs along one axis of a transposed convolution of `size` inputs.

        "valid":    (size - 1) * strides + max(span, strides)
        "same":     size * strides
        integer p:  (size - 1) * strides + span - 2 * p

    with span = dilation * (kernel_size - 1) + 1, so that `output_size` of the same
    arguments leads back. Deck 004, "Encoder - Decoder - U-Net".

    >>> transposed_output_size(28, 2, strides=2)
    56
    >>> transposed_output_size(4, 5, strides=2, padding="same")
    8

    Raises:
        ValueError: if nothing is left of the output, or as `padding_amounts`;
            "causal" has no transposed form.
    """
    _check_positive(
        size=size, kernel_size=kernel_size, strides=strides, dilation=dilation
    )
    span = dilation * (kernel_size - 1) + 1
    # With strides above 1 several sizes lead back to `size`; Keras takes these two.
    if padding == "same":
        return size * strides
    if padding == "valid":
        return (size - 1) * strides + max(span, strides)
    result = (size - 1) * strides + span - 2 * _pixels(padding, '"valid", "same"')
    if result < 1:
        raise ValueError(
            f"`padding` must leave at least one output. Received: padding={padding} "
            f"for {result + 2 * padding} outputs. Use a smaller padding."
        )
    return result


def conv_params(
    kernel_size: int | Sequence[int],
    in_channels: int,
    filters: int,
    *,
    use_bias: bool = True,
    groups: int = 1,
) -> int:
    """Parameters of a convolution, transposed or not.

        (kernel area * in_channels / groups + 1) * filters

    Deck 001, "Dimensions formula - Convolutional Layer". An integer `kernel_size`
    is a square. A depthwise convolution has `groups=in_channels`.

    >>> conv_params(5, 1, 6)
    156
    >>> conv_params(3, 64, 64, groups=64, use_bias=False)
    576

    Raises:
        ValueError: if a number is below 1 or `groups` does not divide the channels.
    """
    _check_positive(in_channels=in_channels, filters=filters, groups=groups)
    if in_channels % groups or filters % groups:
        raise ValueError(
            "`groups` must divide the input channels and the filters. Received: "
            f"groups={groups}, in_channels={in_channels}, filters={filters}. Use a "
            f"divisor of {math.gcd(in_channels, filters)}."
        )
    return (_area(kernel_size) * (in_channels // groups) + use_bias) * filters


def dense_params(inputs: int, units: int, *, use_bias: bool = True) -> int:
    """Parameters of a fully connected layer: (inputs + 1) * units.

    Without the bias it is also the number of MACs. Deck 002, "AlexNet", fc6:

    >>> dense_params(6 * 6 * 256, 4096)
    37752832

    Raises:
        ValueError: if a number is below 1.
    """
    _check_positive(inputs=inputs, units=units)
    return (inputs + use_bias) * units


def conv_macs(
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    in_channels: int,
    filters: int,
    *,
    groups: int = 1,
) -> int:
    """Multiply-accumulates of a convolution for one image.

        output area * kernel area * in_channels / groups * filters

    The bias is not counted; products with padded zeros are. An integer size is a
    square. A transposed convolution applies its kernel once for each *input*
    position: give the input's size. Deck 001, "1x1 convolution - Problem in
    computational cost":

    >>> conv_macs(28, 5, 192, 32)
    120422400
    >>> conv_macs(28, 1, 192, 16) + conv_macs(28, 5, 16, 32)
    12443648

    Raises:
        ValueError: as `conv_params`.
    """
    weights = conv_params(
        kernel_size, in_channels, filters, use_bias=False, groups=groups
    )
    return _area(output_size) * weights


def receptive_field(layers: Iterable[Sequence[int]]) -> list[tuple[int, int]]:
    """(size, jump) after each layer of a chain, along one axis.

        size += dilation * (kernel_size - 1) * jump
        jump *= strides

    from size = jump = 1. Size: pixels that one output sees, padding included. Jump:
    pixels between two neighbouring outputs. For networks with branches see `table`.

    Args:
        layers: (kernel_size, strides) or (kernel_size, strides, dilation) each.

    LeNet-5, convolutions and poolings:

    >>> receptive_field([(5, 1), (2, 2), (5, 1), (2, 2), (5, 1)])
    [(5, 1), (6, 2), (14, 2), (16, 4), (32, 4)]
    """
    size = jump = 1
    steps = []
    for kernel_size, strides, *rest in layers:
        dilation = rest[0] if rest else 1
        _check_positive(kernel_size=kernel_size, strides=strides, dilation=dilation)
        # Taps lie `dilation` inputs apart, and neighbouring inputs `jump` pixels.
        size += dilation * (kernel_size - 1) * jump
        jump *= strides
        steps.append((size, jump))
    return steps


def _area(size: int | Sequence[int]) -> int:
    """Number of positions; an integer is a square's side."""
    sides = (size, size) if isinstance(size, numbers.Integral) else tuple(size)
    for side in sides:
        _check_positive(size=side)
    return math.prod(sides)


def _pixels(padding: str | int, words: str) -> int:
    """`padding` where it is a number of pixels, not one of the `words`."""
    if isinstance(padding, numbers.Integral) and padding >= 0:
        return padding
    raise ValueError(
        f"`padding` must be {words} or an integer of at least 0. "
        f"Received: padding={padding!r}"
    )


def _check_positive(**counts: int) -> None:
    for name, count in counts.items():
        # NumPy's integers are Integral, but no `int`.
        if not isinstance(count, numbers.Integral) or count < 1:
            raise ValueError(
                f"`{name}` must be an integer of at least 1. Received: {name}={count!r}"
            )
