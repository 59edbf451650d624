"""Beyond classes: U-Net for pixels, DCGAN to generate, Siamese networks for pairs."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from cnnlab import blocks
from cnnlab.models.ends import Shape, image_input


def unet(
    input_shape: Shape = (572, 572, 1),
    num_classes: int = 2,
    *,
    filters: int = 64,
    depth: int = 4,
    padding: str = "valid",
    batch_norm: bool = False,
) -> keras.Model:
    """U-Net (Ronneberger et al., 2015): 31,030,658 parameters.

    Returns probabilities of each pixel, `(batch, height, width, num_classes)`: by
    softmax, or by sigmoid for `num_classes=1`. Unpadded, as published, 572 pixels
    become 388; with `padding="same"` the size is kept.

    Args:
        filters: of the first level; they double at each of the `depth` levels below.
        padding: "valid" or "same", of all 3x3 convolutions.
        batch_norm: normalise before each ReLU, and leave out the biases.

    Raises:
        ValueError: if a map on the way down cannot be halved without remainder.
    """
    inputs = x = image_input(input_shape, 2**depth)
    lost = 4 if padding == "valid" else 0  # by the two convolutions of a level
    _check_halvings("input_shape", input_shape[:2], depth, lost)
    options = {"padding": padding, "batch_norm": batch_norm}
    skips = []
    for level in range(depth):
        x = blocks.double_conv(x, filters * 2**level, **options)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = blocks.double_conv(x, filters * 2**depth, **options)
    for level in reversed(range(depth)):
        x = blocks.up_concat(x, skips[level], filters * 2**level)
        x = blocks.double_conv(x, filters * 2**level, **options)
    activation = "sigmoid" if num_classes == 1 else "softmax"
    x = layers.Conv2D(num_classes, 1, activation=activation, name="predictions")(x)
    return keras.Model(inputs, x, name="unet")


def generator(
    latent_dim: int = 100,
    output_shape: Shape = (64, 64, 3),
    *,
    filters: Sequence[int] = (1024, 512, 256, 128),
) -> keras.Model:
    """DCGAN generator (Radford et al., 2016, figure 1): 18,858,883 parameters.

    From noise `(batch, latent_dim)` to images in [-1, 1], which is how the real ones
    must be scaled. Each of the `filters` doubles the sides.

    Raises:
        ValueError: if the sides cannot be halved `len(filters)` times.
    """
    *sides, channels = output_shape
    _check_halvings("output_shape", sides, len(filters))
    height, width = (side // 2 ** len(filters) for side in sides)
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(height * width * filters[0], use_bias=False)(inputs)
    x = blocks.bn_relu(layers.Reshape((height, width, filters[0]))(x))
    for count in filters[1:]:
        x = blocks.deconv_bn(x, count)
    # The last layer is not normalised: with it the paper's training was unstable.
    last = layers.Conv2DTranspose(
        channels, 5, strides=2, padding="same", activation="tanh"
    )
    return keras.Model(inputs, last(x), name="generator")


def discriminator(
    input_shape: Shape = (64, 64, 3),
    *,
    filters: Sequence[int] = (128, 256, 512, 1024),
) -> keras.Model:
    """DCGAN discriminator (Radford et al., 2016), the generator's mirror image.

    Returns the probability that an image is real, `(batch, 1)`. The first layer is
    not normalised; activations are leaky ReLU of slope 0.2.
    """
    inputs = image_input(input_shape, 2 ** len(filters))
    # "leaky_relu" by name has slope 0.2, the paper's; the layer LeakyReLU() has 0.3.
    first = layers.Conv2D(
        filters[0], 5, strides=2, padding="same", activation="leaky_relu"
    )
    x = first(inputs)
    for count in filters[1:]:
        x = blocks.conv_bn(x, count, 2, kernel_size=5, activation="leaky_relu")
    x = layers.Dense(1, activation="sigmoid")(layers.Flatten()(x))
    return keras.Model(inputs, x, name="discriminator")


def omniglot_tower() -> keras.Model:
    """The tower of Koch et al., 2015, figure 4: 105x105x1 to 4,096 features."""
    inputs = x = image_input((105, 105, 1), 105)
    for filters, size in ((64, 10), (128, 7), (128, 4)):
        x = layers.Conv2D(filters, size, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(256, 4, activation="relu")(x)
    x = layers.Dense(4096, activation="sigmoid")(layers.Flatten()(x))
    return keras.Model(inputs, x, name="omniglot_tower")


def siamese(tower: keras.Model | None = None, *, distance: str = "l1") -> keras.Model:
    """Two images through one `tower`, then compared; 38,951,745 parameters.

    Koch et al., 2015, "Siamese Neural Networks for One-shot Image Recognition", with
    their `omniglot_tower` by default. Deck 001, "Siamese Network".

    Args:
        tower: image to vector, `(batch, features)`.
        distance: "l1": the probability that both are the same, by a dense layer on
            `|a - b|`. "euclidean": `||a - b||`, for the contrastive loss; never below
            1e-6, as the root has no gradient at 0.

    Raises:
        ValueError: for another `distance`.
    """
    if distance not in ("l1", "euclidean"):
        raise ValueError(
            f'`distance` must be "l1" or "euclidean". Received: distance={distance!r}'
        )
    tower = omniglot_tower() if tower is None else tower
    # One tower called twice: both images meet the same weights, counted once.
    pair = [keras.Input(tower.input_shape[1:]) for _ in range(2)]
    difference = layers.Subtract()([tower(image) for image in pair])
    if distance == "l1":
        x = layers.Dense(1, activation="sigmoid")(ops.absolute(difference))
    else:
        squared = layers.Dot(axes=-1)([difference, difference])
        x = ops.sqrt(ops.maximum(squared, 1e-12))
    return keras.Model(pair, x, name="siamese")


def _check_halvings(name: str, sides: Sequence[int], times: int, lost: int = 0) -> None:
    """Raise `ValueError` unless all `sides` can be halved `times` times.

    `lost` pixels go before each halving; then there must be that many and one left.
    """
    factor, margin = 2**times, lost * (2**times - 1)
    for side in sides:
        left = (side - margin) // factor
        if (side - margin) % factor or left <= lost:
            nearest = factor * max(lost + 1, round((side - margin) / factor)) + margin
            raise ValueError(
                f"`{name}` must halve {times} times without remainder. Received: a "
                f"side of {side}. Nearest that does: {nearest}"
            )
