"""Reusable pieces of networks: tensor in, tensor out.

Every block is `block(x, filters, ...)` on maps `(batch, height, width, channels)` and
can be stacked any number of times. A convolution before a batch normalisation has no
bias, which the normalisation would subtract again.
"""

from collections.abc import Sequence

import keras
from keras import layers

Tensor = keras.KerasTensor
Conv = tuple[int, int, int]  # filters, kernel_size, strides


def conv(
    x: Tensor, filters: int, kernel_size: int = 3, strides: int = 1, **options
) -> Tensor:
    """Convolution alone, by default padded, without bias, He initialised.

    `options` are those of `keras.layers.Conv2D`.
    """
    # He et al., 2015: variance 2 / fan_in outlasts many ReLUs. With Keras' default,
    # Glorot, about half of that, signals fade in a deep network.
    options = {"padding": "same", "use_bias": False, **options}
    layer = layers.Conv2D(
        filters, kernel_size, strides, kernel_initializer="he_normal", **options
    )
    return layer(x)


def conv_bn(
    x: Tensor,
    filters: int,
    strides: int = 1,
    *,
    kernel_size: int = 3,
    activation: str | None = "relu",
) -> Tensor:
    """Convolution, batch normalisation (Ioffe and Szegedy, 2015), activation."""
    x = layers.BatchNormalization()(conv(x, filters, kernel_size, strides))
    return layers.Activation(activation)(x) if activation else x


def bn_relu(x: Tensor, *, name: str | None = None) -> Tensor:
    """Batch normalisation, then ReLU; layers `<name>_bn` and `<name>_relu`."""
    x = layers.BatchNormalization(name=f"{name}_bn" if name else None)(x)
    return layers.ReLU(name=f"{name}_relu" if name else None)(x)


def vgg(
    x: Tensor,
    filters: int,
    repeats: int = 2,
    *,
    batch_norm: bool = False,
    name: str | None = None,
) -> Tensor:
    """`repeats` 3x3 convolutions with ReLU, then 2x2 max pooling.

    Simonyan and Zisserman, 2015. With `name="block1"` the layers are called as in
    `keras.applications`: block1_conv1, ..., block1_pool.
    """
    for index in range(1, repeats + 1):
        label = f"{name}_conv{index}" if name else None
        if batch_norm:
            x = bn_relu(conv(x, filters, name=label), name=label)
        else:
            layer = layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=label
            )
            x = layer(x)
    return layers.MaxPooling2D(2, name=f"{name}_pool" if name else None)(x)


def basic(
    x: Tensor,
    filters: int,
    strides: int = 1,
    *,
    shortcut: str | None = "B",
    preactivation: bool = False,
) -> Tensor:
    """Two 3x3 convolutions beside a shortcut: `relu(F(x) + shortcut(x))`.

    He et al., 2016, figure 2. Where F changes the shape of `x` the shortcut follows;
    elsewhere it is the identity. (Deck 001, "ResNet Block", leaves out batch
    normalisation.)

    Args:
        shortcut: how to follow: "A" takes every `strides`-th pixel and adds channels
            of zeros, without parameters; "B" is a 1x1 convolution. None is the plain
            twin, without any shortcut.
        preactivation: `x + F(x)`, with normalisation and ReLU before each convolution
            and nothing after the sum (He et al., "Identity mappings", 2016).

    Raises:
        ValueError: for another `shortcut`, or "A" to fewer channels.
    """
    convs = [(filters, 3, strides), (filters, 3, 1)]
    return _residual(x, convs, shortcut, preactivation)


def bottleneck(
    x: Tensor,
    filters: int,
    strides: int = 1,
    *,
    shortcut: str | None = "B",
    preactivation: bool = False,
) -> Tensor:
    """1x1, 3x3 and 1x1 convolutions, to `4 * filters` channels, beside a shortcut.

    He et al., 2016, figure 5; arguments and errors as `basic`. The stride is in the
    3x3 convolution, as in torchvision; in the paper and in Keras it is in the first
    1x1, which drops three pixels of four unseen.
    """
    convs = [(filters, 1, 1), (filters, 3, strides), (4 * filters, 1, 1)]
    return _residual(x, convs, shortcut, preactivation)


def inception(
    x: Tensor, filters: Sequence[int], *, reduce: Sequence[int] | None = None
) -> Tensor:
    """1x1, 3x3 and 5x5 convolutions and 3x3 max pooling side by side, concatenated.

    Szegedy et al., 2015, figure 2. Deck 001, "Inception Block".

    Args:
        filters: of the 1x1, 3x3 and 5x5 convolutions.
        reduce: of the 1x1 convolutions before the 3x3, before the 5x5 and after the
            pooling. None is the naive block: the pooling keeps all channels of `x`.

    Raises:
        ValueError: if there are not three numbers each.
    """
    for name, counts in (("filters", filters), ("reduce", reduce)):
        if counts is not None and len(counts) != 3:
            raise ValueError(f"`{name}` must be three numbers. Received: {counts}")
    relu = {"padding": "same", "activation": "relu"}
    # A pooling that moves by one pixel keeps the size, as concatenating needs.
    sources = [x, x, layers.MaxPooling2D(3, strides=1, padding="same")(x)]
    if reduce is not None:
        pairs = zip(reduce, sources, strict=True)
        sources = [layers.Conv2D(count, 1, **relu)(source) for count, source in pairs]
    before3, before5, pooled = sources
    branches = [
        layers.Conv2D(count, size, **relu)(source)
        for count, size, source in zip(
            filters, (1, 3, 5), (x, before3, before5), strict=True
        )
    ]
    return layers.Concatenate()([*branches, pooled])


def separable(x: Tensor, filters: int, strides: int = 1) -> Tensor:
    """Depthwise 3x3 and pointwise 1x1 convolution, each normalised, with ReLU6.

    Howard et al., 2017, figure 3 (ReLU6 as in the released network). Deck 003,
    "MobileNet".
    """
    x = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(x)
    x = layers.ReLU(6)(layers.BatchNormalization()(x))
    return conv_bn(x, filters, kernel_size=1, activation="relu6")


def double_conv(
    x: Tensor, filters: int, *, padding: str = "same", batch_norm: bool = False
) -> Tensor:
    """Two 3x3 convolutions with ReLU: one level of a U-Net (Ronneberger, 2015)."""
    for _ in range(2):
        x = conv(x, filters, padding=padding, use_bias=not batch_norm)
        x = bn_relu(x) if batch_norm else layers.ReLU()(x)
    return x


def up_concat(x: Tensor, skip: Tensor, filters: int) -> Tensor:
    """2x2 up-convolution of `x`, beside the centre of `skip`: a step up a U-Net.

    Returns `(batch, 2 * height, 2 * width, filters + channels of skip)`.

    Raises:
        ValueError: if `skip` is smaller than twice `x`.
    """
    x = layers.Conv2DTranspose(filters, 2, strides=2)(x)
    # Unpadded convolutions eat the border of x, level by level, and not that of `skip`.
    excess = [skip.shape[axis] - x.shape[axis] for axis in (1, 2)]
    if min(excess) < 0:
        raise ValueError(
            "`skip` must be at least twice as high and wide as `x`. Received: "
            f"skip {skip.shape}, x enlarged to {x.shape}. Use an input that halves "
            "without remainder at every level."
        )
    if any(excess):
        crop = tuple((extra // 2, extra - extra // 2) for extra in excess)
        skip = layers.Cropping2D(crop)(skip)
    return layers.Concatenate()([skip, x])


def deconv_bn(x: Tensor, filters: int, strides: int = 2) -> Tensor:
    """5x5 transposed convolution, batch normalisation, ReLU (Radford et al., 2016)."""
    x = layers.Conv2DTranspose(
        filters, 5, strides=strides, padding="same", use_bias=False
    )(x)
    return bn_relu(x)


def _residual(
    x: Tensor, convs: list[Conv], shortcut: str | None, preactivation: bool
) -> Tensor:
    """Convolutions one after the other beside a shortcut: what both blocks are."""
    if shortcut not in ("A", "B", None):
        raise ValueError(
            f'`shortcut` must be "A", "B" or None. Received: shortcut={shortcut!r}'
        )
    build = _preactivated if preactivation else _postactivated
    return build(x, convs, shortcut)


def _postactivated(x: Tensor, convs: list[Conv], shortcut: str | None) -> Tensor:
    y = x
    for filters, kernel_size, strides in convs[:-1]:
        y = conv_bn(y, filters, strides, kernel_size=kernel_size)
    # No ReLU before the sum: F could only add, never take away (He et al., 2016).
    y = layers.BatchNormalization()(conv(y, *convs[-1]))
    if shortcut is None:
        return layers.ReLU()(y)
    side = _shortcut(x, convs, shortcut)
    if shortcut == "B" and side is not x:
        side = layers.BatchNormalization()(side)
    return layers.ReLU()(layers.Add()([y, side]))


def _preactivated(x: Tensor, convs: list[Conv], shortcut: str | None) -> Tensor:
    activated = bn_relu(x)
    y = conv(activated, *convs[0])
    for settings in convs[1:]:
        y = conv(bn_relu(y), *settings)
    if shortcut is None:
        return y
    # Where the shape changes, the shortcut too starts behind the first ReLU.
    side = _shortcut(activated, convs, shortcut)
    return layers.Add()([y, x if side is activated else side])


def _shortcut(x: Tensor, convs: list[Conv], kind: str) -> Tensor:
    """`x` in the shape that the convolutions give; `x` itself where that is its own."""
    filters, strides = convs[-1][0], max(strides for _, _, strides in convs)
    extra = filters - x.shape[-1]
    if strides == 1 and extra == 0:
        return x
    if kind == "B":
        return conv(x, filters, 1, strides)
    if extra < 0:
        raise ValueError(
            'Shortcut "A" can only add channels. Received: '
            f'{x.shape[-1]} channels for {filters} filters. Use shortcut="B".'
        )
    # Every `strides`-th pixel, as a layer, which `arithmetic.table` has a rule for; a
    # slice of a Keras tensor is an operation that it has not.
    x = layers.AveragePooling2D(1, strides)(x)
    # Read as channels first, (batch, H, W, C) has spatial axes W and C: pad the last.
    pad = layers.ZeroPadding2D(((0, 0), (0, extra)), data_format="channels_first")
    return pad(x)
