"""Augmentation: which transforms keep the label, and the layers that apply them.

`LABEL_SAFE` is the judgement, kind of data by kind of data (`picture` draws one of
each); `pipeline` turns it into layers, `safe_views` into views for test-time
augmentation. `mixup` and `cutmix` mix images and labels alike, so no label is broken.
"""

from collections.abc import Callable, Collection

import keras
import numpy as np
from keras import layers

from cnnlab.augment._affine import RandomAffine as RandomAffine
from cnnlab.augment._kind_pictures import picture as picture
from cnnlab.augment._label_safe import LABEL_SAFE as LABEL_SAFE
from cnnlab.augment._label_safe import rules as rules

_AFFINE = ("rotation", "translation", "zoom")  # one layer does all three
_LAYERS: dict[str, Callable[..., keras.Layer]] = {
    # A flip takes neither: at any strength above 0 it turns every second image.
    "horizontal_flip": lambda factor, value_range, seed: layers.RandomFlip(
        "horizontal", seed=seed
    ),
    "vertical_flip": lambda factor, value_range, seed: layers.RandomFlip(
        "vertical", seed=seed
    ),
    "brightness": layers.RandomBrightness,
    "contrast": layers.RandomContrast,
    "hue": layers.RandomHue,
}


def pipeline(
    kind: str,
    *,
    strength: float = 1.0,
    value_range: tuple[float, float] = (0, 1),
    seed: int = 0,
) -> keras.Sequential:
    """Return the label-safe random transforms of one kind of data, as one model.

    Images in, images out, `(batch, height, width, channels)`, in the same range. It
    acts in `fit` or with `training=True` and does nothing in `predict`, `evaluate` or
    with `training=False`. In `tf.data` it needs the TensorFlow backend, as
    `RandomAffine` does.

    Args:
        kind: a key of `LABEL_SAFE`.
        strength: 1 goes to each rule's limit, 0 does nothing. Above 1 leaves the
            range that keeps the label.
        value_range: of the pixels. It must be theirs: Keras' default of (0, 255)
            shifts the brightness of images in [0, 1] by up to 50 times their range.
        seed: two pipelines with one seed draw the same transforms.
    """
    if strength < 0:
        raise ValueError(f"`strength` must be at least 0. Received: {strength}")
    # Keras refuses a factor above 1.
    limits = {
        name: min(strength * rule.limit, 1.0)
        for name, rule in rules(kind).items()
        if strength * rule.limit > 0
    }
    affine = {name: limits.pop(name) for name in _AFFINE if name in limits}
    chosen = [RandomAffine(**affine, seed=seed)] if affine else []
    # Seeds of their own: with one for all, the brightest would be the most turned.
    for index, (name, limit) in enumerate(limits.items(), start=1):
        layer = _LAYERS[name](limit, value_range=value_range, seed=seed + index)
        chosen.append(layer)
    return keras.Sequential(chosen or [layers.Identity()], name=f"augment_{kind}")


def with_masks(
    transforms: keras.Sequential, x: np.ndarray, masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and their masks, each pair moved by the same random transform.

    Masks, `(batch, height, width)` of class numbers, are moved by nearest neighbour:
    the mean of classes 1 and 3 would be class 2. Changes of colour leave them alone.
    """
    if masks.shape != x.shape[:3]:
        raise ValueError(
            "`masks` must be (batch, height, width) of `x`. "
            f"Received: masks {masks.shape}, x {x.shape}"
        )
    batch = {"images": x, "segmentation_masks": masks[..., None]}
    # Each layer draws once, for an image and its mask together.
    for layer in transforms.layers:
        batch = layer(batch, training=True)
    moved_images = keras.ops.convert_to_numpy(batch["images"])
    moved_masks = keras.ops.convert_to_numpy(batch["segmentation_masks"])
    return moved_images, moved_masks[..., 0].astype(masks.dtype)


def mixup(
    x: np.ndarray, y: np.ndarray, *, alpha: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return each image blended with another of the batch, and the labels likewise.

    x' = a x_i + (1 - a) x_j, y' = a y_i + (1 - a) y_j, with a ~ Beta(alpha, alpha) for
    each image: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization". Labels
    are one-hot, `(batch, num_classes)`; train with categorical cross-entropy.
    """
    rng, partner = _partners(x, y, alpha, seed)
    share = rng.beta(alpha, alpha, len(x)).astype("float32")
    return _blend(x, partner, share[:, None, None, None]), _blend(
        y, partner, share[:, None]
    )


def cutmix(
    x: np.ndarray, y: np.ndarray, *, alpha: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return each image with a box pasted in from another, labels shared by area.

    The box aims at a share 1 - a of the picture, a ~ Beta(alpha, alpha), around any
    pixel; the label takes the share left after clipping at the edge: Yun et al. 2019,
    "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features". Labels are one-hot, `(batch, num_classes)`.
    """
    rng, partner = _partners(x, y, alpha, seed)
    # A box of share 1 - a has sides of sqrt(1 - a).
    side = np.sqrt(1 - rng.beta(alpha, alpha, len(x)))
    rows, columns = (
        np.abs(np.arange(size) - rng.integers(0, size, (len(x), 1)))
        < side[:, None] * size / 2
        for size in x.shape[1:3]
    )
    # Counted in pixels after clipping, not taken from `a`: labels must match the image.
    keep = 1 - (rows[:, :, None] & columns[:, None, :]).astype("float32")
    share = keep.mean(axis=(1, 2))
    return _blend(x, partner, keep[..., None]), _blend(y, partner, share[:, None])


def _partners(
    x: np.ndarray, y: np.ndarray, alpha: float, seed: int
) -> tuple[np.random.Generator, np.ndarray]:
    if np.ndim(y) != 2 or len(y) != len(x):
        raise ValueError(
            "`y` must be one-hot, (batch, num_classes): see keras.utils.to_categorical."
            f" Received: y {np.shape(y)}, x {np.shape(x)}"
        )
    if alpha <= 0:
        raise ValueError(f"`alpha` must be above 0. Received: {alpha}")
    rng = np.random.default_rng(seed)
    return rng, rng.permutation(len(x))


def _blend(values: np.ndarray, partner: np.ndarray, share: np.ndarray) -> np.ndarray:
    values = np.asarray(values, "float32")
    return share * values + (1 - share) * values[partner]


def _shift(rows: int, columns: int) -> Callable[[np.ndarray], np.ndarray]:
    """A view that moves images by one pixel; the edge left behind is repeated."""

    def view(x: np.ndarray) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        height, width = x.shape[1:3]
        top, left = 1 - rows, 1 - columns
        return padded[:, top : top + height, left : left + width]

    return view


# name -> the view and, for each transform it relies on, the least limit it needs
_VIEWS = {
    "identity": (lambda x: x, {}),
    "horizontal flip": (lambda x: x[:, :, ::-1], {"horizontal_flip": 1}),
    "vertical flip": (lambda x: x[:, ::-1], {"vertical_flip": 1}),
    "quarter turn": (lambda x: np.rot90(x, 1, (1, 2)), {"rotation": 0.25}),
    "half turn": (lambda x: np.rot90(x, 2, (1, 2)), {"rotation": 0.5}),
    "three quarter turn": (lambda x: np.rot90(x, 3, (1, 2)), {"rotation": 0.25}),
    "up": (_shift(-1, 0), {"translation": 0.05}),
    "down": (_shift(1, 0), {"translation": 0.05}),
    "left": (_shift(0, -1), {"translation": 0.05}),
    "right": (_shift(0, 1), {"translation": 0.05}),
}


def safe_views(kind: str) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the views of an image that keep the label, by name, the identity first.

    Each is a function of `(batch, height, width, channels)`; the quarter turns among
    them need square images.
    """
    limits = {name: rule.limit for name, rule in rules(kind).items()}
    return {
        name: view
        for name, (view, needs) in _VIEWS.items()
        if all(limits[transform] >= limit for transform, limit in needs.items())
    }


def tta(
    model: keras.Model,
    x: np.ndarray,
    views: Collection[Callable[[np.ndarray], np.ndarray]],
) -> np.ndarray:
    """Return the mean of the probabilities the model gives to several views of `x`.

    Test-time augmentation: K views cost K predictions. The model must end in softmax
    or sigmoid: a mean of logits is something else, a mean of class numbers nonsense.

    Args:
        model: from images to probabilities, `(batch, num_classes)`.
        x: images, `(batch, height, width, channels)`.
        views: such as `safe_views(kind).values()`.

    Raises:
        ValueError: without views, or for outputs that are no probabilities.
    """
    if not views:
        raise ValueError("`views` is empty. See safe_views(kind).values()")
    predictions = [model.predict(view(x), verbose=0) for view in views]
    lowest, highest = np.min(predictions), np.max(predictions)
    if lowest < 0 or highest > 1 + 1e-5:  # float32 rounds a sure class above 1
        raise ValueError(
            "`model` must return probabilities, in [0, 1]: end it in softmax. "
            f"Received: values from {lowest:.3g} to {highest:.3g}"
        )
    return np.mean(predictions, axis=0, dtype="float64").astype("float32")
