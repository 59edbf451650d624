"""Turn, shift and zoom in one resampling."""

import keras
import numpy as np
from keras import ops

Range = float | tuple[float, float]


# Registered, so that a saved model with it inside can be loaded again.
@keras.saving.register_keras_serializable("cnnlab")
class RandomAffine(keras.Layer):
    """Images turned, shifted and zoomed at random, each by its own draw.

    It moves as `RandomRotation`, `RandomTranslation` and `RandomZoom` of Keras would,
    one after the other, but multiplies their matrices first: the picture is resampled
    once, not three times, which is faster and blurs less. The edge is repeated where
    the picture has moved away (`fill_mode="nearest"`).

    Images `(batch, height, width, channels)`, or a dict of "images" and
    "segmentation_masks" `(batch, height, width, 1)`, which are moved by nearest
    neighbour. It acts in `fit` or with `training=True` only. In a `tf.data` pipeline
    it needs the TensorFlow backend; in a model, or called with arrays, any.

    Args:
        rotation: in turns, counterclockwise; 0.1 draws from -36 to 36 degrees.
        translation: in shares of height and of width, drawn apart; down and right.
        zoom: share by which everything shrinks (above 0) or grows (below 0).
        interpolation: of the images, "bilinear" or "nearest".
        seed: two layers with one seed draw the same.

    Each of the three is the limit to both sides, or `(lowest, highest)`.
    """

    def __init__(
        self,
        rotation: Range = 0.0,
        translation: Range = 0.0,
        zoom: Range = 0.0,
        *,
        interpolation: str = "bilinear",
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.rotation = _limits("rotation", rotation)
        self.translation = _limits("translation", translation)
        self.zoom = _limits("zoom", zoom)
        self.interpolation = interpolation
        self.seed = seed
        # A plain number would be a constant of the compiled step: one draw for ever.
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        if not training:
            return inputs
        is_dict = isinstance(inputs, dict)
        images = inputs["images"] if is_dict else inputs
        transform = self._draw(ops.shape(images))
        resampled = self._resample(images, transform, self.interpolation)
        if not is_dict:
            return resampled
        masks = self._resample(inputs["segmentation_masks"], transform, "nearest")
        return inputs | {"images": resampled, "segmentation_masks": masks}

    def _draw(self, shape):
        """For each image the eight numbers of `ops.image.affine_transform`.

        They say where in the input each output pixel is looked up, so the moves are
        undone in reverse: p_in = R (Z (p_out - centre) - t) + centre.
        """
        count = shape[0]
        height, width = (ops.cast(size, "float32") for size in shape[1:3])
        angle, down, right, zoom = (
            keras.random.uniform((count,), *limits, seed=self.generator)
            for limits in (self.rotation, *2 * (self.translation,), self.zoom)
        )
        angle, scale = 2 * np.pi * angle, 1 + zoom
        cosine, sine = ops.cos(angle), ops.sin(angle)
        y_centre, x_centre = (height - 1) / 2, (width - 1) / 2
        # The output's first pixel, seen from the input's centre, before turning.
        y = -scale * y_centre - down * height
        x = -scale * x_centre - right * width
        # Eight numbers make a projective transform; an affine one has zeros in the end.
        zero = ops.zeros_like(angle)
        to_x = (cosine * scale, -sine * scale, x_centre + cosine * x - sine * y)
        to_y = (sine * scale, cosine * scale, y_centre + sine * x + cosine * y)
        return ops.stack([*to_x, *to_y, zero, zero], axis=1)

    def _resample(self, images, transform, interpolation):
        # Between two pixels lie fractions, which uint8 has no room for.
        images = ops.cast(images, self.compute_dtype)
        return ops.image.affine_transform(
            images, transform, interpolation, fill_mode="nearest"
        )

    # Keras asks when a model is built; it would else trace `call` to find out.
    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = ("rotation", "translation", "zoom", "interpolation", "seed")
        return super().get_config() | {name: getattr(self, name) for name in own}


def _limits(name: str, value: Range) -> tuple[float, float]:
    low, high = (-value, value) if np.ndim(value) == 0 else value
    if low > high:
        raise ValueError(
            f"`{name}` must be a limit, at least 0, or (lowest, highest). "
            f"Received: {value}"
        )
    return float(low), float(high)
