"""What each Keras layer does to shapes, parameters, MACs and receptive fields.

One rule for each layer class, from the layer's public attributes and the formulas
of `cnnlab.arithmetic`. A rule takes the layer and its inputs and returns a `Step`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cnnlab.arithmetic import formulas
from cnnlab.arithmetic.field import Field, merge


@dataclass(frozen=True)
class Tensor:
    """A shape without the batch axis, and a field for each axis of the image."""

    shape: tuple[int, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Step:
    """What one call of a layer makes, and costs."""

    output: Tensor
    params: int = 0
    fixed_params: int = 0  # never trained: moving averages
    macs: int = 0
    numbers: int | None = None  # kept in memory; None: as many as the output has


def _window(layer, kernel_size: Sequence[int]) -> list[dict[str, int]]:
    """The layer's window, axis by axis."""
    # Pooling layers have no dilation_rate.
    dilation = getattr(layer, "dilation_rate", (1,) * len(kernel_size))
    return [
        {"kernel_size": size, "strides": strides, "dilation": rate}
        for size, strides, rate in zip(
            kernel_size, layer.strides, dilation, strict=True
        )
    ]


# A field may have fewer axes than the map (one made from a vector, in a generator):
# every output sees the whole vector, so there is nothing to move. Hence strict=False.
def _slide(layer, x: Tensor, kernel_size: Sequence[int], filters: int) -> Tensor:
    window, padding = _window(layer, kernel_size), layer.padding
    axes = list(zip(x.shape[:-1], window, strict=True))
    sizes = [formulas.output_size(n, **w, padding=padding) for n, w in axes]
    pads = [formulas.padding_amounts(n, **w, padding=padding) for n, w in axes]
    moves = zip(x.fields, window, pads, strict=False)
    moved = tuple(field.slide(**w, before=pad[0]) for field, w, pad in moves)
    return Tensor((*sizes, filters), moved)


def _conv(layer, x: Tensor) -> Step:
    """Any Conv or DepthwiseConv: depthwise is one group for each channel."""
    channels = x.shape[-1]
    multiplier = getattr(layer, "depth_multiplier", None)
    filters = channels * multiplier if multiplier else layer.filters
    groups = channels if multiplier else layer.groups
    sizes = (layer.kernel_size, channels, filters)
    output = _slide(layer, x, layer.kernel_size, filters)
    return Step(
        output,
        formulas.conv_params(*sizes, use_bias=layer.use_bias, groups=groups),
        macs=formulas.conv_macs(output.shape[:-1], *sizes, groups=groups),
    )


def _separable(layer, x: Tensor) -> Step:
    channels = x.shape[-1]
    middle = channels * layer.depth_multiplier
    output = _slide(layer, x, layer.kernel_size, layer.filters)
    deep = (layer.kernel_size, channels, middle)
    point = ((1,) * len(layer.kernel_size), middle, layer.filters)
    places = output.shape[:-1]
    return Step(
        output,
        formulas.conv_params(*deep, use_bias=False, groups=channels)
        + formulas.conv_params(*point, use_bias=layer.use_bias),
        macs=formulas.conv_macs(places, *deep, groups=channels)
        + formulas.conv_macs(places, *point),
    )


def _transposed(layer, x: Tensor) -> Step:
    if layer.output_padding is not None:
        raise ValueError("`output_padding` has no formula here; leave it at None")
    window, padding = _window(layer, layer.kernel_size), layer.padding
    axes = zip(x.shape[:-1], window, strict=True)
    sizes = [formulas.transposed_output_size(n, **w, padding=padding) for n, w in axes]
    # It drops what the convolution that leads back would have padded.
    moved = tuple(
        field.spread(**w, before=formulas.padding_amounts(n, **w, padding=padding)[0])
        for field, n, w in zip(x.fields, sizes, window, strict=False)
    )
    weights = (layer.kernel_size, x.shape[-1], layer.filters)
    return Step(
        Tensor((*sizes, layer.filters), moved),
        formulas.conv_params(*weights, use_bias=layer.use_bias),
        macs=formulas.conv_macs(x.shape[:-1], *weights),
    )


def _dense(layer, x: Tensor) -> Step:
    """On a map, a dense layer works at each place, like a 1x1 convolution."""
    *places, inputs = x.shape
    return Step(
        Tensor((*places, layer.units), x.fields),
        formulas.dense_params(inputs, layer.units, use_bias=layer.use_bias),
        macs=math.prod(places) * inputs * layer.units,
    )


def _normalise(layer, x: Tensor) -> Step:
    # The layer counts axes with the batch, a Tensor without. The moving mean and
    # variance are parameters that no gradient trains.
    channels = x.shape[layer.axis % (len(x.shape) + 1) - 1]
    learnt = (layer.scale + layer.center) * channels
    return Step(x, learnt + 2 * channels, fixed_params=2 * channels)


def _pool(layer, x: Tensor) -> Step:
    return Step(_slide(layer, x, layer.pool_size, x.shape[-1]))


def _gather(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A vector of a map: it sees what all places saw together."""
    if len(x.shape) == 1:
        return Tensor(shape, x.fields)
    places = zip(x.fields, x.shape, strict=False)
    return Tensor(shape, tuple(field.whole(size) for field, size in places))


def _global_pool(layer, x: Tensor) -> Step:
    ones = (1,) * (len(x.shape) - 1) if layer.keepdims else ()
    return Step(_gather(x, (*ones, x.shape[-1])))


def _flatten(layer, x: Tensor) -> Step:
    return Step(_gather(x, (math.prod(x.shape),)), numbers=0)


def _reshape(layer, x: Tensor) -> Step:
    if len(x.shape) > 1 and len(layer.target_shape) > 1:
        raise ValueError("a Reshape from map to map has no receptive field")
    known = math.prod(size for size in layer.target_shape if size != -1)
    rest = math.prod(x.shape) // known
    shape = tuple(rest if size == -1 else size for size in layer.target_shape)
    return Step(_gather(x, shape), numbers=0)


def _resize(layer, x: Tensor) -> Step:
    """Zero padding or cropping: a longer or shorter axis, a shifted field."""
    sign = 1 if hasattr(layer, "padding") else -1
    amounts = layer.padding if sign == 1 else layer.cropping
    first = 1 if layer.data_format == "channels_first" else 0
    shape, moved = list(x.shape), list(x.fields)
    for axis, (before, after) in enumerate(amounts, first):
        shape[axis] += sign * (before + after)
        if axis < len(moved):
            moved[axis] = moved[axis].slide(1, 1, 1, sign * before)
    return Step(Tensor(tuple(shape), tuple(moved)))


def _upsample(layer, x: Tensor) -> Step:
    if layer.interpolation != "nearest":
        raise ValueError('only interpolation="nearest" has a formula here')
    sizes = [n * times for n, times in zip(x.shape[:-1], layer.size, strict=True)]
    pairs = zip(x.fields, layer.size, strict=False)
    moved = tuple(field.spread(times, times, 1, 0) for field, times in pairs)
    return Step(Tensor((*sizes, x.shape[-1]), moved))


def _merge(layer, *xs: Tensor) -> Step:
    shape = tuple(map(max, zip(*(x.shape for x in xs), strict=True)))
    # A vector from outside the image, like a generator's noise, sees no pixel of it.
    fields = zip(*(x.fields for x in xs if x.fields), strict=True)
    return Step(Tensor(shape, tuple(merge(list(same)) for same in fields)))


def _concatenate(layer, *xs: Tensor) -> Step:
    axis = layer.axis % (len(xs[0].shape) + 1) - 1
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    merged = _merge(layer, *xs).output
    return Step(Tensor(tuple(shape), merged.fields))


def _dot(layer, a: Tensor, b: Tensor) -> Step:
    if len(a.shape) != 1:
        raise ValueError("only the product of two vectors has a formula here")
    return Step(Tensor((1,), _merge(layer, a, b).output.fields), macs=a.shape[0])


def _same(layer, x: Tensor) -> Step:
    return Step(x)


def _nothing(layer, x: Tensor) -> Step:
    return Step(x, numbers=0)


_CLASSES = {
    _conv: "Conv1D Conv2D DepthwiseConv2D",
    _separable: "SeparableConv2D",
    _transposed: "Conv1DTranspose Conv2DTranspose",
    _dense: "Dense",
    _normalise: "BatchNormalization",
    _pool: "MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D",
    _global_pool: "GlobalAveragePooling1D GlobalAveragePooling2D "
    "GlobalMaxPooling1D GlobalMaxPooling2D",
    _flatten: "Flatten",
    _reshape: "Reshape",
    _resize: "ZeroPadding2D Cropping2D",
    _upsample: "UpSampling2D",
    _concatenate: "Concatenate",
    _merge: "Add Subtract Multiply Average Maximum Minimum",
    _dot: "Dot",
    # the last two are operations of keras.ops, without a layer
    _same: "Activation ReLU LeakyReLU ELU Softmax Rescaling UnitNormalization "
    "Absolute Sqrt",
    # at inference
    _nothing: "Dropout SpatialDropout2D GaussianNoise RandomFlip RandomRotation "
    "RandomTranslation RandomZoom RandomContrast RandomBrightness",
}
RULES: dict[str, Callable[..., Step]] = {
    name: rule for rule, names in _CLASSES.items() for name in names.split()
}
