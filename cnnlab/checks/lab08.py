"""Checks of lab 8, data augmentation, and the mistakes they know."""

import keras
import numpy as np

from cnnlab import augment
from cnnlab.teaching.augmentation import (
    VIEWS,
    Brighter,
    backbone_and_head,
    box_statistics,
    changes_predictions,
    class_of,
    coordinates,
    corner_model,
    in_order_of_file,
    kinds_of_moves,
    leaves_range,
    mixtures,
    moves,
    numbered,
    numbers,
    obeys_generator,
    own_shares,
    shade,
    shades,
    two_epochs,
)
from cnnlab.teaching.check import (
    Failure,
    check,
    close,
    equal,
    frozen,
    recognise,
    to_numpy,
)

KINDS = ("digits", "text", "xray", "flowers", "satellite", "traffic_signs")
TRANSFORMS = (
    *("horizontal_flip", "vertical_flip", "small_turn", "any_turn"),
    *("shift", "brightness", "hue"),
)
_RULES = {"small_turn": "rotation", "any_turn": "rotation", "shift": "translation"}


def verdict(kind: str, transform: str) -> tuple[bool | None, str]:
    """Whether a transform of the lab keeps every label of a kind of data, and why.

    None where one can argue: grey pictures have no hue, and for a transform that needs
    care it depends on what is asked of the picture.
    """
    # A "no" for hue has two reasons: grey pictures have none, on signs it is the class.
    rule = augment.rules(kind)[_RULES.get(transform, transform)]
    grey = augment.rules(kind)["hue"].verdict == "no" and kind != "traffic_signs"
    if (transform == "hue" and grey) or rule.verdict == "care":
        return None, rule.reason
    if transform == "any_turn" and kind == "flowers":
        return None, "right for a bloom from above, not for a stem"
    least = 0.5 if transform == "any_turn" else 0
    return rule.limit > 0 and rule.limit >= least, rule.reason


@check(
    forbid=["cnnlab.augment", "cnnlab.checks"], read="the figure and text of section 1"
)
def keeps_label(keeps_label):
    """keeps_label() allows what keeps every label, and nothing else."""
    mine = keeps_label()
    if not isinstance(mine, dict) or set(mine) != set(KINDS):
        raise Failure(f"keeps_label must give a dict with the keys {KINDS}.")
    for kind in KINDS:
        _are_names(kind, mine[kind])
    # What is allowed wrongly comes before what is missing: it spoils the training.
    for kind in KINDS:
        for name in mine[kind]:
            keeps, reason = verdict(kind, name)
            if keeps is False:
                raise Failure(
                    f"{kind}: {name} changes the label of some images.",
                    "Find it in the figure. Would everyone still give the same answer?",
                    f"Think of this: {reason}.",
                )
        missing = [n for n in TRANSFORMS if verdict(kind, n)[0] and n not in mine[kind]]
        if missing:
            raise Failure(
                f"{kind}: {len(missing)} of the transformations you left out keep "
                "every label.",
                "Each one given away leaves the network to find out by itself.",
                f"Think of this: {verdict(kind, missing[0])[1]}.",
            )


def _are_names(kind: str, names) -> None:
    if isinstance(names, str):
        raise Failure(
            f"{kind}: a text was given instead of a set of names.",
            "Braces make a set, with each name in quotes of its own.",
            '{"one_name", "another_name"}',
        )
    unknown = set(names) - set(TRANSFORMS)
    if unknown:
        raise Failure(f"{kind}: {unknown} are no names of TRANSFORMS.")


@check(forbid=["cnnlab.augment"], read="section 2, the table and the two traps")
def augmenter(augmenter):
    """augmenter() draws anew for each image, in training only, and as far as told."""
    layer = augmenter(horizontal_flip=True, degrees=20, shift=0.1, brightness=0.1)
    if not isinstance(layer, keras.Layer):
        raise Failure(
            f"augmenter(...) must give a layer or model, not a {type(layer).__name__}.",
            "layers.Pipeline, or keras.Sequential, makes one of a list of layers.",
        )
    if changes_predictions(layer):
        raise Failure(
            "It changes images outside of training: `predict` and `evaluate` would be "
            "random, and judge changed images.",
            "Test images are augmented for nobody.",
            "Leave `training` to Keras: it tells each layer whether it is training.",
        )
    _draws_anew(layer)
    # No square: height and width may have changed places in a layer of one's own.
    wide = augmenter(degrees=20)(np.zeros((2, 20, 30, 3), "float32"), training=True)
    equal(tuple(wide.shape), (2, 20, 30, 3), "shape of two images (20, 30, 3)")
    _keeps_to_units(augmenter)


def _draws_anew(layer) -> None:
    """Fail unless it draws for each image, and at each call."""
    x = coordinates(12)
    first, again = (to_numpy(layer(x, training=True)) for _ in range(2))
    if np.abs(first - x).max() < 1e-6:
        raise Failure("In training, too, the images come out as they went in.")
    if np.abs(first - first[0]).max() < 1e-6:
        raise Failure(
            "All images of a batch were changed in the same way.",
            "Each image must get its own draw; the layers of Keras see to that.",
        )
    if np.abs(first - again).max() < 1e-6:
        raise Failure(
            "The second call changes the images as the first one did: one fixed "
            "transformation for the whole run.",
            "Draw when called, not when built; and give no fixed seed that is reset.",
        )


def _keeps_to_units(augmenter) -> None:
    """Fail unless it turns, shifts, flips and brightens as far as told."""
    # Extremes of 600 draws come within about 1 % of the limits, their mean within 3 %.
    _reaches(
        *(moves(augmenter(degrees=20), 600)["angle"], 20, "degrees=20 turns by"),
        "RandomRotation wants turns: 1 is once around.",
        "degrees / 360",
    )
    shifted = moves(augmenter(shift=0.2), 600)
    for axis, place in (("right", "to the right"), ("down", "down")):
        _reaches(
            *(shifted[axis], 0.2, f"shift=0.2 moves {place} by"),
            "RandomTranslation wants two factors, shares of height and of width.",
        )
    _brightens(augmenter(brightness=0.2))
    for name, wanted in {"horizontal_flip": (1, 0), "vertical_flip": (0, 1)}.items():
        seen = moves(augmenter(**{name: True}), 600)
        found = [seen["mirrored"].mean(), seen["upside_down"].mean()]
        if not np.allclose(found, np.divide(wanted, 2), atol=0.12):  # 5.9 sigma
            raise Failure(
                f"{name}=True mirrors {found[0]:.0%} of the images left to right, "
                f"and {found[1]:.0%} upside down"
                + (", and turns others around." if seen["angle"].max() > 90 else "."),
                "RandomFlip does both at once unless told which: that is half a turn.",
                'layers.RandomFlip("horizontal")',
            )
    _flips_apart(augmenter(horizontal_flip=True, vertical_flip=True))
    happens = kinds_of_moves(augmenter(True, True, 20, 0.1, 0.1))
    if missing := set(_HAPPENS) - set(happens):
        raise Failure(
            f"Asked for everything at once, no image is {_HAPPENS[min(missing)]}.",
            "Each option adds its own layer, whatever the others are.",
            "if, not elif; and append to the list, or call one layer after the other.",
        )


_HAPPENS = {
    "mirrored": "mirrored left to right",
    "upside_down": "turned upside down",
    "angle": "turned",
    "right": "moved to the side",
    "down": "moved up or down",
    "brighter": "made brighter or darker",
}


def _flips_apart(layer) -> None:
    """Fail unless both flips are drawn, each by itself."""
    seen = moves(layer, 600)
    found = [seen["mirrored"].mean(), seen["upside_down"].mean()]
    if not np.allclose(found, 0.25, atol=0.1):
        raise Failure(
            f"With both flips, {found[0]:.0%} of the images are mirrored left to right "
            f"only, and {found[1]:.0%} upside down only. If both flips always come "
            "together, that is half a turn.",
            "One RandomFlip draws once. Two of them draw twice.",
        )


def _reaches(seen: np.ndarray, most: float, what: str, *hints: str) -> None:
    """Fail unless draws are spread evenly from -most to most."""
    low, high = seen.min(), seen.max()
    if not (0.85 < high / most < 1.1 and 0.85 < -low / most < 1.1):
        raise Failure(
            f"{what} {low:.3g} to {high:.3g}; expected about {-most:g} to {most:g}.",
            *hints,
            "One number is the limit to both sides; a pair is (lowest, highest).",
        )
    # The mean size of an even spread from -most to most is half of it; of a normal cut
    # off there, or of two values only, it is another.
    if not 0.43 < np.abs(seen).mean() / most < 0.57:
        raise Failure(
            f"{what} up to {high:.3g}, but {np.abs(seen).mean():.2g} on average: not "
            "all amounts are drawn alike.",
            "A limit is given, and every amount up to it is as likely as any other.",
            "One number as the factor: Keras draws between minus and plus that number.",
        )


def _brightens(layer) -> None:
    """Fail unless up to 0.2 is added or subtracted, within [0, 1]."""
    seen = moves(layer, 600)["brighter"]
    value_range = (
        "The layer takes the pixels to go from 0 to 255.",
        "Tell it: value_range=(0, 1)",
    )
    if np.abs(seen).max() > 1:
        most = f"adds up to {np.abs(seen).max():.0f} to images in [0, 1]."
        raise Failure(f"brightness=0.2 {most}", *value_range)
    _reaches(seen, 0.2, "brightness=0.2 adds", "RandomBrightness, and its value_range.")
    if leaves_range(layer):
        raise Failure(
            "brightness=0.2 makes white brighter than 1, or black darker than 0.",
            *value_range,
        )


@check(forbid=["cnnlab.augment"], read="section 3")
def enlarge(enlarge):
    """enlarge() sets images aside, and copies only the others."""
    # Images that carry their number: whose copy one is can be read off its pixels.
    x, y = frozen(numbered(40, (6, 9, 3)) / np.float32(255)), frozen(np.arange(40) % 4)
    (x_train, y_train), (x_val, y_val) = enlarge(x, y, 12, 3, shade())
    x_train, x_val = to_numpy(x_train), to_numpy(x_val)
    equal(
        [len(part) for part in (x_train, y_train, x_val, y_val)],
        [84, 84, 12, 12],
        "numbers of images and labels, in training and validation, for 40 images of "
        "which 12 are set aside, and 3 copies",
        "28 images are left, and each becomes three.",
    )
    trained, aside = numbers(x_train), numbers(x_val)
    both = np.intersect1d(trained, aside)
    if len(both):
        raise Failure(
            f"{len(both)} images have versions in training and in validation.",
            "Copies of one image know each other: validation would measure what was "
            "learned by heart.",
            "Split before you augment.",
        )
    _are_augmented(x_train, x_val)
    received, right = [*to_numpy(y_train), *to_numpy(y_val)], [*y[trained], *y[aside]]
    if not np.array_equal(received, right):
        raise Failure(
            "Some labels do not belong to their images.",
            "np.repeat gives aabbcc, np.tile gives abcabc.",
            "Repeat images and labels in the same way.",
        )
    _obeys_seed(enlarge, x, y, aside)


def _are_augmented(x_train: np.ndarray, x_val: np.ndarray) -> None:
    """Fail unless every training image was changed by itself, and no other."""
    changed = np.abs(shades(x_train)) > 1e-6
    if np.abs(shades(x_val)).max() > 1e-6:
        raise Failure(
            "Validation images were augmented.",
            "They are to say how the network does on images as they come.",
            "Augment what is left after the split.",
        )
    if not changed.any():
        raise Failure(
            "The copies are no other than their originals.",
            "Layers of this kind act in training only: `predict` leaves images alone.",
            "augment_layer(images, training=True)",
        )
    if not changed.all():
        raise Failure(
            f"{np.sum(~changed)} of the copies are originals.",
            "All copies are to be drawn anew; no original is kept.",
        )
    # 84 copies: one draw for each image would give 28 shades, for each copy of all 3.
    many = len(set(numbers(x_train)))
    if many < 28 or len(np.unique(shades(x_train).round(6))) < 60:
        raise Failure(
            "Copies of one image are alike, or some image has no copies.",
            "Each copy needs its own draw.",
            "Repeat first, then augment.",
        )


def _obeys_seed(enlarge, x: np.ndarray, y: np.ndarray, aside: np.ndarray) -> None:
    """Fail unless the seed, and nothing else, decides what is set aside."""
    chosen = [
        sorted(numbers(to_numpy(enlarge(x, y, 12, 3, shade(), seed=seed)[1][0])))
        for seed in (0, 1)
    ]
    if chosen[0] != sorted(aside) or chosen[1] == chosen[0]:
        raise Failure(
            "The same seed sets other images aside, or another seed the same ones.",
            "Whoever repeats a run wants the same validation images.",
            "Hand the seed on: seed=seed, or np.random.default_rng(seed).",
        )


@check(
    forbid=["cnnlab.augment", "cnnlab.data"], read="section 4: before and behind cache"
)
def batches(batches):
    """batches() loads once, and shuffles and augments anew in each epoch."""
    _gives_pairs(batches)
    count = 408  # 25 batches of 16, and half a one
    seen = two_epochs(batches, count, shape=(6, 9, 3))
    if sorted(seen.order[0]) != list(range(count)):
        raise Failure(
            f"One pass over {count} images gives {len(seen.order[0])}, of which "
            f"{len(set(seen.order[0]))} are different.",
            "Each image once: no repeat(), and nothing dropped.",
        )
    sizes = sorted(seen.sizes, reverse=True)
    equal(
        [len(sizes), sizes[0], sizes[-1]],
        [26, 16, 8],
        f"number of batches, largest and smallest, {count} images and batch_size=16",
    )
    for order, labels in zip(seen.order, seen.labels, strict=True):
        if not np.array_equal(class_of(order, count), labels):
            raise Failure(
                "Some labels do not belong to their images.",
                "Images and labels go through the pipeline as pairs.",
                "from_tensor_slices((x, y))",
            )
    _are_shuffled(seen)
    _augments_anew(batches)


def _gives_pairs(batches) -> None:
    """Fail unless the answer gives a data set of images and labels."""
    # tf.data calls `load` on a symbolic tensor first: its shape tells an image from a
    # batch before one is read.
    shapes = []

    def load(image):
        shapes.append(tuple(image.shape))
        return image / 255

    dataset = batches(frozen(numbered(4)), frozen(np.arange(4)), load, None, 2)
    if shapes and len(shapes[0]) != 3:
        raise Failure(
            f"load was given images {shapes[0]}: a whole batch.",
            "It takes one image as it is in x.",
            "map() with load first, then batch().",
        )
    for batch in dataset:
        if not isinstance(batch, tuple) or len(batch) != 2:
            raise Failure(
                "The data set gives no pairs of images and labels.",
                "The network needs both.",
                "dataset.map(lambda image, label: (load(image), label))",
            )


def _are_shuffled(seen) -> None:
    """Fail unless all images were shuffled, anew in each epoch."""
    # Three slips: shuffled before cache(); after batch(); not at all, or with a buffer
    # that is too small, so that an epoch begins with the first part of the file.
    same, of_file = np.array_equal(*seen.order), in_order_of_file(seen.order[0])
    if same and not of_file:
        raise Failure(
            "The second epoch has the order of the first one.",
            "What stands before cache() is done once, shuffling too.",
            "cache() first, then shuffle().",
        )
    if not same and seen.composed[0] == seen.composed[1]:
        raise Failure(
            "Batches come in a new order, but each holds the same images as before.",
            "Shuffle images, not batches.",
            "shuffle() first, then batch().",
        )
    if of_file:
        first = sorted({int(k) for k in seen.labels[0][:16]})
        raise Failure(
            "The images come in about the order of the file: of ten classes, the "
            f"first batch has {first}.",
            "Files are often sorted by class. And shuffle() changes no data set: it "
            "gives a new one.",
            "shuffle(n) draws from n waiting images: wait for all of them.",
        )


def _augments_anew(batches) -> None:
    """Fail unless each image is loaded once, and augmented anew in each epoch."""
    seen = two_epochs(batches, 40, shade())
    first, again = seen.shades
    if np.abs(first).max() < 1e-6:
        raise Failure(
            "The images are not augmented.",
            "Layers of this kind act in training only, and a pipeline does not know "
            "that it is training.",
            "augment_layer(images, training=True)",
        )
    # One draw a batch gives 3 shades; batches mapped at once may share their draws.
    if len(np.unique(first.round(5))) < 8:
        raise Failure("All images of a batch are changed alike: one draw for each.")
    if np.abs(first - again).max() < 1e-6:
        raise Failure(
            "In the second epoch each image is changed as in the first: one fixed "
            "version of it for the whole run.",
            "What stands before cache() is done once, and remembered.",
            "Load, cache, and only then augment.",
        )
    if seen.loaded != 40:
        raise Failure(
            f"Two epochs of 40 images loaded {seen.loaded} times.",
            "Loading is slow and always the same.",
            "cache() remembers what stands before it.",
        )


def _mixes_soundly(mix) -> np.ndarray:
    """Images that `mix` made; a Failure if the labels do not follow them."""
    # Image k is 1 in channel k alone: a mixed one says how much of each is in it.
    images, labels = mixtures(mix, alpha=0.8)
    shares = images.mean(axis=(2, 3))
    own = [np.diagonal(part, axis1=1, axis2=2) for part in (shares, labels)]
    if np.allclose(own[0], 1, atol=1e-6):
        raise Failure(
            "The images come out as they went in.",
            "Mix each with another of its batch: x[partner], partner a permutation.",
        )
    if np.allclose(own[1], 1, atol=1e-6):
        raise Failure(
            "The images are mixed, but the labels are not.",
            "An image that is half a cat is not called a cat.",
            "Give labels the same partner and the same share.",
        )
    if not np.allclose(shares.sum(axis=-1), 1, atol=1e-3):
        raise Failure(
            "The parts of an image do not add up to 1.",
            "What one image gives, the other one loses: lambda and 1 - lambda.",
        )
    if not np.allclose(shares, labels, atol=1e-3):
        raise Failure(
            f"The labels do not follow the images: {_why_astray(*own)}.",
            "The label says how much of each image is there.",
            "One permutation, and one share, for x and for y.",
        )
    if not obeys_generator(mix):
        raise Failure(
            "Equal generators give other mixtures, or the next batch is mixed just as "
            "the last one.",
            "The generator decides every draw, and goes on from batch to batch.",
            "Draw from rng only; np.random and a generator of your own are others.",
        )
    return images


def _why_astray(own_x: np.ndarray, own_y: np.ndarray) -> str:
    """What is wrong with labels that hold `own_y` where the images hold `own_x`."""
    both = (own_x < 1 - 1e-6) & (own_y < 1 - 1e-6)
    if both.any() and np.allclose(own_x[both], own_y[both], atol=1e-3):
        return "images and labels have different partners"
    met = own_x < 1 - 1e-6
    if np.allclose(own_x[met], 1 - own_y[met], atol=1e-3):
        return "the label gives the partner the image's own share"
    return "the shares in the label are not those in the image"


@check(
    forbid=["cnnlab.augment", "keras.layers.MixUp"], read="section 7, the two formulas"
)
def mixup(mixup):
    """mixup() blends images and labels alike, with shares from Beta(alpha, alpha)."""
    images = _mixes_soundly(mixup)
    if np.abs(images - images[:, :, :1, :1]).max() > 1e-5:
        raise Failure("All pixels of an image must have the same share of its partner.")
    for alpha in (0.4, 2.0):
        own = own_shares(mixtures(mixup, alpha=alpha, calls=1000)[0].mean((2, 3)))
        if abs(own.mean() - 0.5) > 0.08:
            raise Failure(
                f"alpha={alpha}: images keep {own.mean():.0%} of their own on average.",
                "Beta(alpha, alpha) is symmetric: half, on average.",
                "rng.beta(alpha, alpha, size)",
            )
        wanted = 0.5 / np.sqrt(2 * alpha + 1)  # of Beta(alpha, alpha)
        if not np.isclose(own.std(), wanted, rtol=0.15):
            raise Failure(
                f"alpha={alpha}: the shares spread by {own.std():.2f} around a half.",
                "For small alpha most are near 0 or 1, for large alpha near a half.",
                "rng.beta(alpha, alpha, size), no other distribution",
            )


@check(forbid=["cnnlab.augment", "keras.layers.CutMix"], read="section 7, below CutMix")
def cutmix(cutmix):
    """cutmix() pastes a box, and shares the label by the area that is really pasted."""
    images = _mixes_soundly(cutmix)
    if np.abs(images - images.round()).max() > 1e-5:
        raise Failure(
            "Pixels are blended.",
            "Each pixel is of one image or of the other.",
            "mixed[k, rows, columns] = x[partner[k], rows, columns]",
        )
    boxes, above, left, *_ = box_statistics(images)
    if not boxes:
        raise Failure(
            "What is pasted is not one box.", "Rows times columns: a slice each."
        )
    # A box that always lies inside seldom touches an edge; one from the corner always.
    if max(above, left) > 0.72 or min(above, left) < 0.2:
        raise Failure(
            f"{above:.0%} of the boxes touch the upper edge, {left:.0%} the left one.",
            "The centre is any pixel of the picture, as likely as any other, and what "
            "lies outside is cut off.",
            "rng.integers(height), rng.integers(width)",
        )
    # Known to 2.4 %, with one box for all images of a batch: 20 % are 8 sigma
    pasted, spread = (
        of(
            own_shares(
                mixtures(cutmix, alpha=a, calls=n, size=(32, 48))[0].mean((2, 3))
            )
        )
        for of, a, n in ((lambda own: 1 - own.mean(), 1, 500), (np.std, 3, 1000))
    )
    if not np.isclose(pasted, 0.322, rtol=0.2):
        raise Failure(
            f"The boxes cover {pasted:.0%} of the picture on average.",
            "The box is to cover the share 1 - lambda of the *area*; some of that is "
            "cut off.",
            "np.sqrt(1 - lambda) of the height, and of the width",
        )
    if not np.isclose(spread, 0.144, rtol=0.2):
        raise Failure(
            f"alpha=3: the areas of the boxes spread by {spread:.2f}, about 0.14 is "
            "right.",
            "lambda is drawn from Beta(alpha, alpha), whatever alpha is.",
            "rng.beta(alpha, alpha)",
        )


def _of_views(combine):
    """A function that combines the predictions `(views, images, classes)`."""
    return lambda model, x, views: combine(
        np.stack([to_numpy(model(view(x))) for view in views])
    )


def _chained(model, x, views):
    """Each view taken of the view before: x is overwritten in the loop."""
    total = 0
    for view in views:
        x = view(x)
        total = total + to_numpy(model(x))
    return total / len(views)


_STACK = "Stack the predictions of all views, and take the mean over the views."
_TTA_SLIPS = {
    "These are the shares of votes for each class, not mean probabilities.": (
        _of_views(lambda p: np.mean(np.eye(3)[p.argmax(-1)], axis=0)),
        "A view that is sure should count for more than one that is not.",
        _STACK,
    ),
    "This is the geometric mean.": (
        _of_views(lambda p: np.exp(np.log(p).mean(0))),
        *("Average p, not log p.", _STACK),
    ),
    "This is the median of the views, not their mean.": (
        _of_views(lambda p: np.median(p, axis=0)),
        *("The formula has a sum, divided by K.", _STACK),
    ),
    "This is a sum: its rows do not add up to 1, they add up to 3.": (
        *(_of_views(lambda p: p.sum(0)), "Divide by the number of views.", _STACK),
    ),
    "The sum was divided by the number of images.": (
        _of_views(lambda p: p.sum(0) / p.shape[1]),
        *("K is the number of views.", _STACK),
    ),
    "A second softmax was taken.": (
        _of_views(lambda p: to_numpy(keras.ops.softmax(p.mean(0)))),
        "What the network gives are probabilities already.",
    ),
    "Only the first view was asked.": (_of_views(lambda p: p[0]), _STACK),
    "Only the last view was asked.": (
        _of_views(lambda p: p[-1]),
        "A function made in a loop looks its variables up when it is called.",
        _STACK,
    ),
    "Each view was taken of the view before it.": (
        *(_chained, "Every view is one of x itself.", "model.predict(view(x))"),
    ),
    "The mean runs over the images: all get the same answer.": (
        _of_views(lambda p: np.broadcast_to(p.mean((0, 1)), p.shape[1:])),
        "The first axis of the stack counts the views: axis=0.",
    ),
}


@check(forbid=["cnnlab.augment"], read="section 8, the formula")
def tta(tta):
    """tta() is the mean of the probabilities that the views get."""
    x = frozen(np.random.default_rng(0).random((7, 4, 6, 3), "float32"))
    model = corner_model()
    mean = _of_views(lambda p: p.mean(0))
    received = to_numpy(tta(model, x, VIEWS[:3]))
    if received.shape in ((7,), (7, 1)):
        classes = _of_views(lambda p: p.argmax(-1).mean(0))(model, x, VIEWS[:3])
        close_to = [
            np.allclose(received.ravel(), c) for c in (classes, classes.round())
        ]
        raise Failure(
            f"Class numbers {'were averaged' if any(close_to) else 'come out'}.",
            "Class 0 and class 2 do not make class 1: the numbers are only names.",
            "Average probabilities; whoever wants a class takes argmax at the end.",
        )
    recognise(received, _TTA_SLIPS, model, x, VIEWS[:3])
    for views in (VIEWS[:3], VIEWS, VIEWS[3:]):
        close(
            to_numpy(tta(model, x, views)),
            mean(model, x, views),
            f"tta with {len(views)} views",
            _STACK,
            rtol=1e-3,
            atol=1e-5,
        )
    # With dropout, a call in training mode shows even where the mean is right.
    noisy = corner_model(dropout=0.5)
    quiet = to_numpy(noisy(x))
    if not np.allclose(to_numpy(tta(noisy, x, VIEWS[:1])), quiet, atol=1e-4):
        raise Failure(
            "Dropout was at work: the network was asked in training mode.",
            "The views are what varies here. The network predicts.",
            "model.predict(...), or training=False",
        )


@check(read="section 9")
def in_model(in_model):
    """in_model() augments images, in training only."""
    backbone, head, x = backbone_and_head()
    layer = Brighter(0.5)
    model = in_model(layer, backbone, head)
    if not isinstance(model, keras.Model):
        raise Failure("in_model must give a keras.Model.")
    # `Brighter` adds a constant in training: no chance, so outputs can be compared.
    plain, shifted = (to_numpy(head(backbone(images))) for images in (x, x + 0.5))
    predicted = to_numpy(model(x, training=False))
    trained = to_numpy(model(x, training=True))
    if (3,) in layer.seen:
        raise Failure(
            "Features are augmented, not images.",
            "A flip or a turn means something for images only.",
            "Images, augmentation, backbone, head: in this order.",
        )
    if predicted.shape == shifted.shape and np.allclose(predicted, shifted, atol=1e-5):
        raise Failure(
            "Predictions are augmented too: tests would be random.",
            "Whether it is training, Keras tells each layer itself.",
            "Call the layer without the argument training.",
        )
    close(predicted, plain, "predictions", "Images, augmentation, backbone, head.")
    if np.allclose(trained, plain, atol=1e-5):
        raise Failure(
            "In training the images are not augmented.",
            "The layer must be part of the model, and called.",
        )
    close(trained, shifted, "outputs in training", "Augment once, before the backbone.")
    equal(
        len(model.trainable_weights),
        4,
        "trainable weights of a backbone and head with 4",
        "Freeze nothing here: the whole network is to be trained.",
    )
