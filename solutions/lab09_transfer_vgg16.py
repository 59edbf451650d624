# ---
# jupyter:
#   cnnlab:
#     title: Transfer learning on VGG16
# ---

# %% [markdown]
# # Transfer learning on VGG16
#
# *Lab 9. About two and a half hours, of which a laptop computes for two minutes. 20
# points.*
#
# At the end you can
#
# 1. count VGG16 layer by layer, and say where its weights and its work are;
# 2. prepare images exactly as a trained network expects them, and prove it with one
#    pixel;
# 3. use a trained network for a new task: features computed once, a new head, then
#    fine-tuning of the last block;
# 4. say which weights a training step moves, and why Keras may ignore what you froze;
# 5. show where a network looks (Grad-CAM), and measure whether it looks at the object.
#
# **Before you start:** labs 3 and 4 (training, LeNet).
#
# **Slides:** deck 001, "Pre-trained model"; deck 003, "Visual Geometry Group (VGG)
# network", "Training"; deck 004, "VGG Family", "Transfer Learning", "Re-using a
# model"; deck 002, "VGGNET".
#
# **How it works.** Replace each `raise NotImplementedError(...)` by your answer. The
# check below it prints a tick, or says what is wrong and gives a hint; run it again for
# the next hint. The other cells are there to be read, run and played with. Before you
# hand in, `cnnlab check lab09_transfer_vgg16.ipynb` runs it all from a fresh start.

# %%
import time
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import numpy as np
from cnnlab import data, models, plots, shapes, train
from cnnlab.checks.freezing import ids, sound_assembly, thaw, toy, trained_layers
from cnnlab.checks.grad_cam import cam_toy, sound_grad_cam
from cnnlab.checks.transfer import phases, sound_transfer
from cnnlab.teaching.check import (
    Failure,
    check,
    close,
    equal,
    forbid,
    recognise,
    to_numpy,
)
from cnnlab.teaching.networks import same_network
from cnnlab.teaching.probes import respond, unchanged
from cnnlab.teaching.training import class_numbers, judged
from cnnlab.teaching.training import pairs as match
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

train.seed(0)
BLUE, ORANGE, GREEN, PINK, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "black"


def outputs(model, x, batch_size=100):
    """What a model gives for images or features, in inference mode, as an array."""
    parts = [x[k : k + batch_size] for k in range(0, len(x), batch_size)]
    return np.concatenate([to_numpy(model(part, training=False)) for part in parts])


def accuracy(model, x, labels):
    """Share of right answers."""
    return float(np.mean(outputs(model, x).argmax(1) == labels))


def panel(ax, title, xlabel, ylabel):
    """Dress one panel of a figure."""
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


# %% [markdown]
# ## 1. VGG16, counted
#
# *Deck 003, "Visual Geometry Group (VGG) network"; deck 002, "VGGNET".* VGG16 is five
# blocks of 3×3 convolutions (padded, with ReLU), each closed by a 2×2 max pooling, and
# three dense layers:
#
# | | block 1 | block 2 | block 3 | block 4 | block 5 | dense |
# |---|---|---|---|---|---|---|
# | layers | 2 | 2 | 3 | 3 | 3 | 3 |
# | filters or units | 64 | 128 | 256 | 512 | 512 | 4096, 4096, 1000 |
#
# That is 13 convolutions and 3 dense layers: the 16 layers that have weights. (Deck
# 004 says "16 convolutional layers", deck 002 "16 to 19": it is 13, and 16 for VGG19.)
#
# ### Exercise 1: `count_layers` (2 points)
#
# Write the function that counts any network of this kind.


# %% exercise="count_layers" points=2 forbid=["cnnlab.models", "cnnlab.arithmetic", "keras"]
def count_layers(size, repeats, filters, units):
    """Output shape and parameters of every layer, from the first convolution on.

    Args:
        size: height and width of the RGB images.
        repeats: convolutions in each block, such as (2, 2, 3, 3, 3).
        filters: filters of each block's convolutions, such as (64, 128, 256, 512, 512).
        units: of each dense layer, such as (4096, 4096, 1000).

    Returns:
        A list of (shape, parameters), pooling layers included: the shape is (height,
        width, channels), or (units,) for a dense layer.
    """
    ### BEGIN SOLUTION
    rows, channels = [], 3
    for times, count in zip(repeats, filters, strict=True):
        for _ in range(times):
            rows.append(((size, size, count), (3 * 3 * channels + 1) * count))
            channels = count
        size //= 2
        rows.append(((size, size, channels), 0))
    inputs = size * size * channels
    for count in units:
        rows.append(((count,), (inputs + 1) * count))
        inputs = count
    return rows
    ### END SOLUTION


# %% check="count_layers"
@check
def vgg_is_counted():
    """count_layers() gives the shape and the parameters of every layer."""
    forbid(count_layers, "cnnlab.models", "cnnlab.arithmetic", "keras")
    rows = count_layers(13, (2, 1), (5, 7), (6, 4))
    kinds = ["convolution 1", "convolution 2", "pooling 1", "convolution 3"]
    kinds += ["pooling 2", "dense 1", "dense 2"]
    shapes_ = [(13, 13, 5)] * 2 + [(6, 6, 5), (6, 6, 7), (3, 3, 7), (6,), (4,)]
    params = [140, 230, 0, 322, 0, 384, 28]
    equal(
        len(rows),
        7,
        "layers of two blocks, with 2 and 1 convolutions, and two dense layers",
        "A block is its convolutions and one pooling. Flatten is not counted.",
    )
    line = {
        "c": "(3 * 3 * channels that it sees + 1) * filters",
        "p": "A maximum has nothing to learn. (Deck 002 gives one 65,664 weights.)",
        "d": "(inputs + 1) * units; the first sees the last map, flattened.",
    }
    for kind, shape, count, row in zip(kinds, shapes_, params, rows, strict=True):
        try:
            mine, number = tuple(row[0]), row[1]
        except (TypeError, IndexError):
            raise Failure(f"{kind}: expected (shape, parameters), not {row}.") from None
        equal(
            mine,
            shape,
            f"shape of {kind}, for images 13×13",
            "Padded 3×3 convolutions keep the size.",
            "Pooling halves it, rounded down: a last row without partner is left out.",
        )
        if number != count:
            raise Failure(
                f"{kind}: {number} parameters is not right.",
                "Each filter has a weight for every value it sees, and one bias.",
                line[kind[0]],
            )


# %% probe="count_layers" compare="equal"
rng = np.random.default_rng(seed)
found = {"shapes": [], "convolutions and pooling": [], "dense layers": []}
for _ in range(6):
    blocks, dense = rng.integers(1, 4, 3), rng.integers(3, 40, 2)
    args = (blocks.tolist(), rng.integers(2, 20, 3).tolist(), dense.tolist())
    rows = count_layers(int(rng.integers(16, 70)), *args)
    found["shapes"] += [n for shape, _ in rows for n in shape]
    found["convolutions and pooling"] += [n for _, n in rows[:-2]]
    found["dense layers"] += [n for _, n in rows[-2:]]
{what: np.array(numbers) for what, numbers in found.items()}

# %% tags=["nbval-check-output"]
REPEATS, FILTERS = (2, 2, 3, 3, 3), (64, 128, 256, 512, 512)
counted = count_layers(224, REPEATS, FILTERS, (4096, 4096, 1000))
total = sum(params for _, params in counted)
dense = sum(params for _, params in counted[-3:])
values = sum(int(np.prod(shape)) for shape, _ in counted) + 224 * 224 * 3
print(f"VGG16: {total:,} parameters, {total - dense:,} without its dense layers")
print(f"values in all its maps, for one image: {values:,}, {values * 4 / 1e6:.0f} MB")
# -> VGG16: 138,357,544 parameters, 14,714,688 without its dense layers
# -> values in all its maps, for one image: 15,237,608, 61 MB

# %% [markdown]
# The slides add up otherwise: deck 002 ends at 138,423,208, because it gives a pooling
# layer 65,664 parameters; deck 003 has "24M × 4 bytes ≈ 96 MB" of maps where its own
# lines sum to 15.2 million.
#
# **Predict first.** Nine tenths of the parameters are in the dense layers. Where is the
# work, the multiplications?


# %% tags=["not-graded"]
def priced(rows):
    """The rows with names, and with the MACs of one image."""
    names = [
        f"block{b}_{part}"
        for b, times in enumerate(REPEATS, 1)
        for part in [*(f"conv{k + 1}" for k in range(times)), "pool"]
    ] + ["fc1", "fc2", "predictions"]
    for name, (shape, params) in zip(names, rows, strict=True):
        positions = shape[0] * shape[1] if len(shape) == 3 else 1
        macs = (params - shape[-1] if params else 0) * positions  # without the biases
        yield SimpleNamespace(name=name, params=params, macs=macs)


axes = plots.layer_table(
    list(priced(counted)), title="VGG16: weights in the dense layers, work before them"
)
plots.show(
    axes,
    alt="Two bar charts over the 16 layers of VGG16. Parameters: fc1 has 74 %. MACs for "
    "one image: the convolutions from block 2 to block 4 do most of the work, the dense "
    "layers less than 1 %.",
)

# %% [markdown]
# So the part that one wants to keep, the convolutions that have learned to see, is a
# ninth of the weights; what one throws away, the dense layers that know ImageNet's
# 1,000 classes, is the rest.
#
# ## 2. A trained base
#
# *Deck 001, "Pre-trained model"; deck 004, "Transfer Learning".* VGG16 was trained on
# 1.28 million photos of 1,000 classes. (Deck 003 says 16 million; that is the larger
# set from which those were taken.) Its file of weights is 58 MB and not on every
# machine. Where it cannot be had we use our own: the same 13 convolutions with an
# eighth of the filters, 230,568 parameters, trained on 15 kinds of made shapes. The new
# task is then 5 other kinds, which it has never seen.
#
# `models.vgg16` builds both, and much else:
#
# ```python
# models.vgg16(input_shape=(224, 224, 3), weights=None, include_top=True)
# ```
#
# `weights="imagenet"` gives the real thing, `"shapes"` ours, `None` random weights;
# `include_top` says whether the old classifier follows the last pooling.
#
# ### Exercise 2: `load_base` (1 point)


# %% exercise="load_base" points=1
def load_base(weights, size):
    """The convolutional part of a trained VGG16, up to its last pooling.

    Args:
        weights: what it was trained on, "imagenet" or "shapes".
        size: height and width of the images, 32 at least.

    Returns:
        A new keras.Model from images (n, size, size, 3) to maps (n, s, s, channels).
    """
    ### BEGIN SOLUTION
    return models.vgg16((size, size, 3), weights=weights, include_top=False)
    ### END SOLUTION


# %% check="load_base"
@check
def the_base_is_trained():
    """load_base() gives trained convolutions without the old classifier."""
    model, right = load_base("shapes", 96), models.narrow_vgg16((96, 96, 3))
    if not isinstance(model, keras.Model):
        raise Failure(f"load_base must return a keras.Model, not {type(model)}.")
    if len(model.output_shape) != 4:
        raise Failure(
            f"The output has the shape {model.output_shape}: that is the old "
            "classifier, of the classes it was trained on.",
            "The new task has other classes: keep the convolutions, leave the top away.",
            "include_top=False",
        )
    old = [to_numpy(w) for w in (model.weights[0], right.weights[0])]
    if old[0].shape != old[1].shape or not np.allclose(*old):
        raise Failure(
            "The kernels of block1_conv1 are not those that were trained: they are "
            "random. All would run, and nothing would warn you.",
            "Which of the arguments says what the network was trained on?",
            "weights=weights",
        )
    equal(
        model.output_shape[1:],
        (3, 3, 64),
        "maps for images of 96×96",
        "Pass the size on: input_shape=(size, size, 3).",
    )
    if {id(w) for w in model.weights} & {
        id(w) for w in load_base("shapes", 96).weights
    }:
        raise Failure("Two calls give one model. Load it inside the function.")


# %% probe="load_base"
rng = np.random.default_rng(seed)
sizes = rng.permutation([32, 64, 96])[:2]
[
    to_numpy(load_base("shapes", int(n))(rng.normal(0, 60, (2, n, n, 3)))).mean((0, 1))
    for n in sizes
]

# %% [markdown]
# Which of them do you have, and which pictures go with it? The next cell looks for the
# ImageNet weights (in the folder that `CNNLAB_DATA` names, in Keras' cache, on the
# network) and says what it took. With them come photos of flowers, five classes; with
# our weights, the five new kinds of shapes.

# %% tags=["not-graded"]
try:
    WEIGHTS, SIZE = "imagenet", train.budget(smoke=64, cpu=64, gpu=224)
    base = load_base(WEIGHTS, SIZE)
except FileNotFoundError as error:
    print(str(error).split(". Put")[0])
    WEIGHTS, SIZE = "shapes", 64
    base = load_base(WEIGHTS, SIZE)
PICTURES = "flowers" if WEIGHTS == "imagenet" else "shapes"  # or choose yourself
print(f"weights: {WEIGHTS}, {base.count_params():,} parameters; pictures: {PICTURES}")

# %% tags=["not-graded"]
BIG = WEIGHTS == "imagenet"  # 60 times the work for an image: fewer of them on a CPU
PER_CLASS = train.budget(
    smoke=(5,), cpu=(20, 100) if BIG else (20, 100, 500), gpu=(20, 100, 500)
)
SOME = PER_CLASS[:2][-1]
SEEDS = train.budget(smoke=1, cpu=1 if BIG else 3, gpu=5)
NUM_VAL, NUM_TEST = train.budget(smoke=(40, 60), cpu=(200, 500), gpu=(200, 500))


def some(labels, per_class, seed=0):
    """Indices of so many images of each class, drawn at random, in random order."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(labels == k))[:per_class] for k in range(5)]
    return rng.permutation(np.concatenate(rows))


def load_pictures(kind):
    """Training, validation and test images of five classes, uint8, with labels."""
    if kind == "shapes":
        sizes = {"train": 5 * PER_CLASS[-1], "val": NUM_VAL, "test": NUM_TEST}
        made = {
            part: shapes.make(n, classes=shapes.TARGET_CLASSES, size=SIZE, seed=number)
            for number, (part, n) in enumerate(sizes.items(), 1)
        }
        sets = {part: (m.x, m.y) for part, m in made.items()}
        masks, names = made["test"].masks > 0, shapes.TARGET_CLASSES
        return SimpleNamespace(name="shapes", **sets, masks=masks, class_names=names)
    found = data.load("flower_photos", size=SIZE)
    x, y, keep = found.x_test, found.y_test, some(found.y_train, PER_CLASS[-1])
    sets = {
        "train": (found.x_train[keep], found.y_train[keep]),
        "val": (x[:NUM_VAL], y[:NUM_VAL]),
        "test": (x[NUM_VAL:][:NUM_TEST], y[NUM_VAL:][:NUM_TEST]),
    }
    return SimpleNamespace(
        name=found.name, **sets, masks=None, class_names=found.class_names
    )


pictures = load_pictures(PICTURES)
NETWORK = "VGG16 of ImageNet" if BIG else "our narrow VGG16"
NAME = f"{pictures.name}, {NETWORK}"  # for the titles of the figures
y_train, y_val, y_test = (
    pairs[1] for pairs in (pictures.train, pictures.val, pictures.test)
)
shown = np.sort(some(y_train, 4)[:20])
shown = shown[np.argsort(y_train[shown], kind="stable")]
axes = plots.samples(
    pictures.train[0][shown],
    [pictures.class_names[k] for k in y_train[shown]],
    title=f"The new task: five classes of {pictures.name}",
)
plots.show(axes, alt="Twenty pictures, four of each of the five classes.")

# %% [markdown]
# Every outline comes in any colour, size, place and turn, on grounds with stray lines:
# only the outline tells the class. Guessing reaches 20 %.
#
# ## 3. As the network saw its images
#
# A trained network expects images as it has seen them in training, and VGG16 saw them
# in an odd way: channels in the order **blue, green, red**, and from each the mean of
# ImageNet subtracted, 103.939 (blue), 116.779 (green), 123.68 (red). No division.
# Others want others: MobileNetV2 and Xception want $[-1, 1]$, ResNet50 what VGG16
# wants, EfficientNet the bytes as they are. A wrong choice raises no error.
#
# One pixel tells them apart: $(0, 128, 255)$ in RGB.
#
# ### Exercise 3: `preprocess` (2 points)
#
# `keras.applications.vgg16.preprocess_input` does it, and has a trap: it changes a
# float array in place, so running the cell twice prepares the images twice. Write your
# own, which leaves its argument alone.

# %%
MEANS = {"blue": 103.939, "green": 116.779, "red": 123.68}


# %% exercise="preprocess" points=2 forbid=["keras.applications", "tensorflow", "cnnlab"]
def preprocess(images):
    """Images as VGG16 was trained on.

    Args:
        images: (n, height, width, 3), RGB from 0 to 255, uint8 or float; unchanged.

    Returns:
        float32 (n, height, width, 3): blue, green, red, each less its mean.
    """
    ### BEGIN SOLUTION
    means = np.array([MEANS["blue"], MEANS["green"], MEANS["red"]], "float32")
    return images[..., ::-1].astype("float32") - means
    ### END SOLUTION


# %% check="preprocess"
@check
def one_pixel_is_prepared():
    """preprocess() turns the pixel (0, 128, 255) into what VGG16 has seen."""
    forbid(preprocess, "keras.applications", "tensorflow", "cnnlab")
    pixel = np.array([[[[0, 128, 255], [250, 20, 90]]]], "uint8")
    kept = pixel.astype("float32")
    given = kept.copy()
    ready = preprocess(given)
    if ready is None:
        raise Failure("preprocess(images) gives None. Does it end with `return`?")
    ready = to_numpy(ready)
    if not np.array_equal(given, kept):
        raise Failure(
            "preprocess changes its argument in place: called again, it would prepare "
            "the same images twice.",
            "x -= m changes the array itself, as does writing into x[..., 0].",
            "Make a new array: x - m",
        )
    means = np.array(list(MEANS.values()))
    right = kept[..., ::-1] - means
    order = "Blue first: reverse the last axis, and no other, with [..., ::-1]."
    both = f"Reverse the channels, subtract the means. {order}"
    recognise(
        ready,
        {
            "These are the images as they were.": (kept, both),
            "1/255 is for networks trained on [0, 1]. VGG16 never saw such numbers; "
            "all images would look alike to it.": (kept / 255, both),
            "[-1, 1] is what MobileNet wants, not VGG16.": (kept / 127.5 - 1, both),
            "Prepared twice: the means are subtracted once too often.": (
                right[..., ::-1] - means,
                "Once is enough.",
            ),
            "Prepared twice: the channels are right, the means are subtracted twice.": (
                right - means,
                "Once is enough.",
            ),
            "The channels are still red, green, blue, less the means of blue, green, "
            "red.": (kept - means, order),
            "The channels are still red, green, blue.": (kept - means[::-1], order),
            "The channels are reversed, and their means are not: red's mean is "
            "subtracted from blue.": (
                kept[..., ::-1] - means[::-1],
                "Blue is now first, and so must its mean be.",
            ),
            "The channels are reversed; the means are still there.": (
                kept[..., ::-1],
                "Subtract from each channel its own mean.",
            ),
            "Divided by 255 as well: the numbers are 255 times too small.": (
                right / 255,
                "VGG16 saw differences from -124 to 151.",
            ),
        },
    )
    close(ready, right, "preprocess of the pixels (0, 128, 255), (250, 20, 90)", both)
    equal(str(ready.dtype), "float32", "dtype of preprocess(images)")
    close(
        preprocess(pixel),
        right,
        "preprocess of the same pixels as uint8",
        "In uint8, 3 - 6 is 253. Convert first, subtract then.",
    )


# %% probe="preprocess" weight=2
rng = np.random.default_rng(seed)
pixels = rng.integers(0, 256, (4, 5, 6, 3))
[preprocess(pixels[:2].astype("uint8")), preprocess(pixels[2:].astype("float32"))]

# %% probe="preprocess" compare="equal"
rng = np.random.default_rng(seed)
given = rng.integers(0, 256, (2, 3, 3, 3)).astype("float32")
kept = given.copy()
kind = str(to_numpy(preprocess(given)).dtype)
[kind, float(np.abs(to_numpy(preprocess(given)) - to_numpy(preprocess(kept))).max())]

# %% [markdown]
# What does a wrong preparation cost? Our own network still has its old classifier, of
# 15 kinds of shapes, so it can be asked.
#
# **Predict first.** Order the five preparations of the next cell by accuracy.

# %%
prediction = "best ... worst"

# %% tags=["not-graded"]
old = models.narrow_vgg16(include_top=True)
asked = shapes.make(
    train.budget(smoke=30, cpu=600, gpu=2000), classes=shapes.SOURCE_CLASSES, seed=9
)
ways = {
    "as in training": preprocess,
    "channels not reversed": lambda x: to_numpy(preprocess(x[..., ::-1])),
    "nothing": lambda x: x.astype("float32"),
    "twice": lambda x: to_numpy(preprocess(to_numpy(preprocess(x)))),
    "divided by 255": lambda x: x.astype("float32") / 255,
}
right = {way: accuracy(old, to_numpy(f(asked.x)), asked.y) for way, f in ways.items()}
ax = plt.subplots(figsize=(7, 2.4), layout="constrained")[1]
ax.bar_label(ax.barh(list(right), list(right.values()), color=BLUE), fmt=" {:.1%}")
panel(
    ax, "The same network, five preparations: shapes", "accuracy on its 15 classes", ""
)
ax.set(xlim=(0, 1.12))
ax.invert_yaxis()
said = ", ".join(f"{way} {value:.0%}" for way, value in right.items())
plots.show(ax, alt=f"Bar chart of accuracy by preparation: {said}.")
print("You predicted:", prediction)

# %% [markdown]
# In 2,000 images: 99.1 % as in training, 98.8 % with red and blue exchanged, 95.2 %
# with nothing done, 80.9 % prepared twice, and 6.7 % (guessing, 1 of 15) divided by 255:
# then every image is a nearly constant, nearly black patch. Colours mean nothing for
# shapes, so their order costs little here; on photos it costs more. The mild ones are
# the dangerous ones: nobody notices.
#
# ## 4. Features, computed once
#
# Frozen, the base is a fixed function: it gives the same maps for an image in every
# epoch. So compute them **once**, keep them, and train the head on them.
#
# ### Exercise 4: `extract` (2 points)


# %% exercise="extract" points=2
def extract(base, prepare, images, batch_size=64):
    """The maps that a trained base gives for images, in their order.

    Args:
        base: a keras.Model from prepared images to maps.
        prepare: function that prepares a batch of images for the base.
        images: uint8 (n, height, width, 3), as they were loaded.
        batch_size: images prepared and computed at a time. As float32 all of them
            would take four times the memory.

    Returns:
        float32 array (n, h, w, channels); row i belongs to image i.
    """
    ### BEGIN SOLUTION
    batches = [
        to_numpy(base.predict_on_batch(prepare(images[start : start + batch_size])))
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(batches)
    ### END SOLUTION


# %%
def small_base(scale=1.0):
    """A base to try things on, whose batch normalisation and dropout show its mode."""
    steps = [keras.Input((4, 4, 3)), layers.BatchNormalization(), layers.Dropout(0.5)]
    model = keras.Sequential([*steps, layers.MaxPooling2D(2)])
    model.layers[0].gamma.assign([scale, 2 * scale, 3 * scale])
    return model


def half(images):
    """A preparation unlike any other, of arrays and tensors: minus 100, and halved."""
    return keras.ops.cast(images, "float32") / 2 - 50.0


# %% check="extract"
@check
def features_are_in_order():
    """extract() prepares each image once, and gives its maps, in order."""
    images = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3)).astype("uint8")
    tried, kept = small_base(), images.copy()
    right = to_numpy(tried(half(images), training=False))
    received = extract(tried, half, images, batch_size=3)
    if received is None:
        raise Failure("extract gives None. Does it end with `return`?")
    received = to_numpy(received)
    equal(
        received.shape,
        right.shape,
        "shape for 7 images in batches of 3",
        "The last batch may be smaller. No image may be left out, nor pooled.",
        "for start in range(0, len(images), batch_size)",
    )
    if not np.allclose(received, right, rtol=1e-4, atol=1e-4):
        twice = to_numpy(tried(half(half(images)), training=False))
        plain = to_numpy(tried(images.astype("float32"), training=False))
        mirrored = to_numpy(tried(half(images[:, :, ::-1]), training=False))
        recognise(
            received,
            {
                "The images are not prepared.": (plain, "base sees prepare(images)"),
                "The images are prepared twice.": (twice, "Once is enough."),
                "The images are augmented: mirrored. What is kept would be one random "
                "version for all epochs.": (mirrored, "Augment nothing that you keep."),
            },
        )
        if np.allclose(np.sort(received.sum((1, 2, 3))), np.sort(right.sum((1, 2, 3)))):
            raise Failure(
                "The maps are right, their order is not: labels and images would no "
                "longer belong together.",
                "Shuffling is for training. Compute features in the order of the images.",
            )
        raise Failure(
            "The maps are not those of the base for these images.",
            "The base in inference mode (training=False, as predict does it): no "
            "dropout, no augmentation, no batch statistics.",
            "base.predict, or base(x, training=False)",
        )
    again = to_numpy(extract(small_base(3.0), half, images, batch_size=7))
    close(again, 3 * right, "maps of another base", "Use the base that is given.")
    equal(images, kept, "images after extract", "Leave the argument alone.")


# %% probe="extract"
rng = np.random.default_rng(seed)
images = rng.integers(0, 256, (9, 4, 4, 3)).astype("uint8")
other = small_base(float(rng.uniform(1, 4)))
[extract(other, half, images, batch_size=size) for size in (4, 20)]

# %% tags=["not-graded"]
x_train, x_val, x_test = (
    to_numpy(preprocess(pairs[0]))
    for pairs in (pictures.train, pictures.val, pictures.test)
)
start = time.perf_counter()
f_train, f_val, f_test = (
    to_numpy(extract(base, preprocess, pairs[0]))
    for pairs in (pictures.train, pictures.val, pictures.test)
)
print(
    f"features of {sum(map(len, (f_train, f_val, f_test))):,} images in "
    f"{time.perf_counter() - start:.1f} s: {f_train.shape} for training"
)
print(f"{np.mean(f_train == 0):.0%} of all values are exactly 0")

# %% [markdown]
# Many values are exactly 0, because the last convolution ends in a ReLU: a map answers
# only where its pattern is found. (Real VGG16 gives more zeros, having more maps.)
#
# Are these features good for classes that the base has never seen? Take an image and
# look for the nearest others, by distance of pixels, and by distance of features.


# %% tags=["not-graded"]
def nearest(queries, rows):
    """For each query, indices of the rows by distance, the nearest first."""
    queries, rows = (part.reshape(len(part), -1) for part in (queries, rows))
    distances = (rows**2).sum(1) - 2 * queries @ rows.T  # + the query's own square
    return np.argsort(distances, axis=1)


few = some(y_train, SOME)
by_features = nearest(f_val.mean((1, 2)), f_train[few].mean((1, 2)))
by_pixels = nearest(x_val, x_train[few])
first = [
    np.mean(y_train[few][near[:, 0]] == y_val) for near in (by_pixels, by_features)
]
print(
    f"nearest neighbour of the same class: {first[0]:.0%} by pixels, "
    f"{first[1]:.0%} by features"
)
queries = [int(np.flatnonzero(y_val == k)[0]) for k in range(3)]
rows = [np.concatenate([[q], by_features[q, :4]]) for q in queries]
tiles = [
    image
    for q, row in zip(queries, rows, strict=True)
    for image in [pictures.val[0][q], *pictures.train[0][few][row[1:]]]
]
names = [
    name
    for q, row in zip(queries, rows, strict=True)
    for name in [f"query: {pictures.class_names[y_val[q]]}"]
    + [pictures.class_names[k] for k in y_train[few][row[1:]]]
]
axes = plots.samples(
    np.stack(tiles), names, columns=5, title=f"Nearest by features: {NAME}"
)
plots.show(
    axes,
    alt="Three rows: a query image, and the four training images whose features "
    f"are nearest: {', '.join(names)}.",
)

# %% [markdown]
# For shapes at the `cpu` budget we got 26 % by pixels, hardly more than guessing, and
# 92 % by features: no head yet, and nearly solved.
#
# ## 5. Heads
#
# What is left to learn is a small network on those maps, the **head**. Two decisions:
#
# - **How do maps become a vector?** `Flatten` keeps every place of every map apart;
#   *global average pooling* keeps one number per map, and forgets where.
# - **Linear, or with a hidden layer** (an MLP head)?
#
# ### Exercise 5: `build_head` (2 points)


# %% exercise="build_head" points=2 forbid=["cnnlab"]
def build_head(input_shape, num_classes, pooling, units=None):
    """A classifier of maps, that gives probabilities; Sequential or functional.

    Args:
        input_shape: (h, w, channels) of the maps.
        num_classes: exclusive classes; for two, one unit with a sigmoid will do too.
        pooling: "average" (global average pooling) or "flatten".
        units: of a hidden layer with ReLU; None for a linear head without one.

    Returns:
        A new keras.Model, not compiled, at each call.
    """
    ### BEGIN SOLUTION
    head = keras.Sequential([keras.Input(input_shape)])
    average = pooling == "average"
    head.add(layers.GlobalAveragePooling2D() if average else layers.Flatten())
    if units:
        head.add(layers.Dense(units, activation="relu"))
    head.add(layers.Dense(num_classes, activation="softmax"))
    return head
    ### END SOLUTION


# %% check="build_head"
@check
def heads_are_as_asked():
    """build_head() gives linear and MLP heads, after Flatten or global pooling."""
    forbid(build_head, "cnnlab")
    shape = (2, 3, 8)

    def reference(pooling, units, pool=layers.GlobalAveragePooling2D):
        inputs = keras.Input(shape)
        x = (pool if pooling == "average" else layers.Flatten)()(inputs)
        x = layers.Dense(units, activation="relu", name="hidden")(x) if units else x
        return keras.Model(inputs, layers.Dense(5, "softmax", name="last")(x))

    for pooling, units in (("average", None), ("flatten", None), ("flatten", 7)):

        def head(pooling=pooling, units=units):
            return build_head(shape, 5, pooling, units)

        asked = f'pooling="{pooling}", units={units}'
        model = head()
        if isinstance(model, keras.Model):
            rows = to_numpy(model(np.ones((2, *shape), "float32")))
            if rows.shape[-1] == 1:
                raise Failure(
                    f"One output for 5 classes ({asked}). A softmax over one unit is "
                    "always 1, whatever the image.",
                    "Exclusive classes: a unit for each, and a softmax over them.",
                )
            if (
                rows.ndim == 2
                and rows.shape[1] == 5
                and not ((rows >= 0).all() and np.allclose(rows.sum(1), 1, atol=1e-3))
            ):
                raise Failure(
                    f"The outputs for an image sum to {rows[0].sum():.3f} ({asked}): no "
                    "probabilities of classes that exclude each other.",
                    "Without activation they are logits; with a sigmoid each unit "
                    "decides for itself. A softmax shares 1 among the classes.",
                )
        head.__name__ = f"build_head, {asked}: the head that build_head"
        mistakes = {
            "with maximum instead of average": lambda pooling=pooling, units=units: (
                reference(pooling, units, layers.GlobalMaxPooling2D)
            ),
            "with Flatten instead of global average pooling": 245 if not units else 0,
            "with global average pooling instead of Flatten": 45 if not units else 103,
            "without the hidden layer": 245 if units else 0,
        }
        same_network(
            head,
            lambda pooling=pooling, units=units: reference(pooling, units),
            mistakes,
            "A hidden layer without activation adds nothing: two linear layers in a "
            "row are one.",
        )
    two = to_numpy(build_head(shape, 2, "average")(np.ones((1, *shape), "float32")))
    if two.shape == (1, 1) and two[0, 0] == 1:
        raise Failure("A softmax over one unit is always 1. Two classes: a sigmoid.")


# %% probe="build_head"
rng = np.random.default_rng(seed)
shape = (int(rng.integers(2, 5)), 3, int(rng.integers(4, 9)))
x = rng.normal(0, 1, (5, *shape)).astype("float32")
cases = [("average", None), ("average", 6), ("flatten", None), ("flatten", 6)]
heads = [build_head(shape, 4, *case) for case in cases]
two = to_numpy(build_head(shape, 2, "average")(x))
fine = (
    np.allclose(two.sum(-1), 1)
    if two.shape[-1] == 2
    else two.min() > 0 and two.max() < 1
)
wrong = [np.abs(to_numpy(head(x)).sum(-1) - 1).max() > 1e-3 for head in heads]
[
    np.append(respond(head, x, seed), [head.count_params(), bad, fine])
    for head, bad in zip(heads, wrong, strict=True)
]

# %% tags=["nbval-check-output"]
for pooling in ("flatten", "average"):
    head = build_head((4, 4, 512), 5, pooling, units=64)
    print(f"{pooling}: {head.count_params():,} parameters behind VGG16, images 150×150")
# -> flatten: 524,677 parameters behind VGG16, images 150×150
# -> average: 33,157 parameters behind VGG16, images 150×150

# %% [markdown]
# **Predict first.** Four heads, trained on the same few features. Which generalises
# best from 20 images of each class, and which from more?

# %%
prediction = "linear or MLP, average or flatten?"

# %% tags=["not-graded"]
HEADS = {
    "linear, average": ("average", None),
    "MLP, average": ("average", 64),
    "linear, flatten": ("flatten", None),
    "MLP, flatten": ("flatten", 64),
}
HEADS = dict(list(HEADS.items())[:: train.budget(smoke=3, cpu=1, gpu=1)])
SIZES = PER_CLASS[: train.budget(smoke=1, cpu=2, gpu=2)]
HEAD_EPOCHS = train.budget(smoke=5, cpu=15, gpu=50)
HEAD_RATE = 0.01
EAGER = train.budget(smoke=True, cpu=False, gpu=False)  # few steps deserve no graph


def fit_head(pooling, units, rows, seed):
    """A new head, trained on the features of some training images."""
    train.seed(seed)
    head = build_head(f_train.shape[1:], 5, pooling, units)
    rate = HEAD_RATE / 4 if units else HEAD_RATE
    optimizer = keras.optimizers.Adam(rate)
    head.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=EAGER)
    options = {"epochs": HEAD_EPOCHS, "batch_size": 32, "verbose": 0}
    head.fit(f_train[rows], y_train[rows], **options)
    return head


reached = {name: {} for name in HEADS}
for name, head in HEADS.items():
    for n in SIZES:
        reached[name][n] = [
            accuracy(fit_head(*head, some(y_train, n, s), s), f_val, y_val)
            for s in range(SEEDS)
        ]
ax = plt.subplots(figsize=(8.5, 3), layout="constrained")[1]
for k, (n, colour) in enumerate(zip(SIZES, (BLUE, ORANGE), strict=False)):
    runs = np.array([reached[name][n] for name in HEADS])
    place = np.arange(len(HEADS)) + 0.3 * k
    ax.bar(place, runs.mean(1), 0.28, color=colour, label=f"{n} images per class")
    ax.plot(place, runs, ".", color=BLACK, markersize=4)
panel(ax, f"Four heads on features computed once: {NAME}", "", "validation accuracy")
ax.set_xticks(np.arange(len(HEADS)) + 0.15 * k, HEADS)
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
ax.set(ylim=(0, 1))
said = "; ".join(
    f"{name} " + ", ".join(f"{np.mean(v):.0%} from {n}" for n, v in values.items())
    for name, values in reached.items()
)
plots.show(ax, alt=f"Bar chart of validation accuracy by head, dots for seeds: {said}.")
print("You predicted:", prediction)

# %% [markdown]
# All four are within two points of each other here (90 to 92 % from 20 images per class,
# 92 to 93 % from 100), less than seeds differ. So take the smallest: the features do the
# work. In general few images speak for few weights, and objects that may be anywhere in
# the picture for pooling.
#
# ## 6. The base, frozen
#
# For augmentation, for fine-tuning and for use, base and head must be *one* model, from
# images to probabilities. In it the base is **frozen**: no training step may change its
# weights. A layer, or a whole model, whose attribute `trainable` is False has no
# `trainable_weights`.
#
# ### Exercise 6: `assemble` (2 points)


# %% exercise="assemble" points=2 forbid=["cnnlab"]
def assemble(base, head):
    """Base and head as one model, the base frozen.

    Args:
        base: a keras.Model from prepared images to maps.
        head: a keras.Model from maps to probabilities.

    Returns:
        A keras.Model from prepared images to probabilities, not compiled, that shares
        their weights.
    """
    ### BEGIN SOLUTION
    base.trainable = False
    inputs = keras.Input(base.input_shape[1:])
    return keras.Model(inputs, head(base(inputs, training=False)))
    ### END SOLUTION


# %% check="assemble"
@check
def the_base_is_frozen():
    """assemble() joins base and head, and freezes the base."""
    forbid(assemble, "cnnlab")
    sound_assembly(assemble)


# %% probe="assemble" weight=2
parts = toy(seed)
parts.base.trainable = True
model = assemble(parts.base, parts.head)
given = to_numpy(model(parts.x, training=False))
trained = trained_layers(model.trainable_weights)
shared = len(ids(model.weights) & ids(parts.base.weights + parts.head.weights))
{"outputs": given, "what a step trains": trained, "weights shared": shared}

# %% probe="assemble"
parts = toy(seed)
parts.base.trainable = True
model = assemble(parts.base, parts.head)
for value in (False, True):  # only a change reaches the layers
    parts.base.trainable = value
model(parts.x)
parts.base.trainable = False
noisy = [to_numpy(model(parts.x, training=True)) for _ in range(2)]
moving = [np.ravel(to_numpy(w)) for w in parts.base.weights]
np.concatenate([*moving, [np.allclose(*noisy)]])

# %% [markdown]
# ### What computing once is worth
#
# The same head, trained for the same epochs, twice: on the kept features, and behind the
# frozen base, which computes them again in every epoch.
#
# **Predict first.** How many times faster is an epoch? And which reaches the higher
# accuracy?

# %%
prediction = "... times faster; accuracy: ..."

# %% tags=["not-graded"]
rows = some(y_train, PER_CLASS[-1])
EPOCHS = train.budget(smoke=1, cpu=3, gpu=10)


def timed(model, x, x_val):
    """Seconds per epoch (the first, in which Keras builds its graph, apart)."""
    optimizer = keras.optimizers.Adam(HEAD_RATE)
    model.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=EAGER)
    model.fit(x, y_train[rows], batch_size=64, epochs=1, verbose=0)
    start = time.perf_counter()
    model.fit(x, y_train[rows], batch_size=64, epochs=EPOCHS, verbose=0)
    return (time.perf_counter() - start) / EPOCHS, accuracy(model, x_val, y_val)


train.seed(0)
head = build_head(f_train.shape[1:], 5, "average")
once = timed(head, f_train[rows], f_val)
train.seed(0)
again = build_head(f_train.shape[1:], 5, "average")
every = timed(assemble(base, again), x_train[rows], x_val)
print(f"{len(rows)} images, {NAME}")
print(f"features kept:       {once[0]:.3f} s per epoch, accuracy {once[1]:.3f}")
print(f"computed every time: {every[0]:.3f} s per epoch, accuracy {every[1]:.3f}")
print(f"{every[0] / once[0]:.0f} times faster. You predicted: {prediction}")

# %% [markdown]
# At the `cpu` budget, 2,500 images, we measured 0.07 s of processor time for an epoch on
# kept features and 1.3 s behind the base, 18 times as much. Computing the features once
# takes about as long as one epoch behind the base, and everything after that is nearly
# free. With VGG16 at full width the base has 60 times the work, and the factor grows
# accordingly. The accuracy is the same, because it is the same computation.
#
# The price: what is kept cannot be augmented, since the base has to see each changed
# image, and the base cannot be trained.
#
# ### Batch normalisation moves without a gradient
#
# VGG16 has no batch normalisation; ResNet50 and MobileNetV2 do, and then freezing has a
# second side. Their moving means and variances are changed by no gradient: they follow
# the batches whenever the layer is called in *training mode*, as `fit` does it. In
# Keras a **frozen** batch normalisation is always in inference mode. What when it is
# thawed, for fine-tuning? The advice that one reads everywhere is to build the model
# with `base(inputs, training=False)`.
#
# Let us look at MobileNetV2. (It wants images in $[-1, 1]$, and its layers have other
# numbers.) Its weights are random here: what counts is whether its moving means and
# variances move. No training step is made at all; the model is only called as `fit`
# calls it.
#
# **Predict first.** In which of the three cases of the next cell do they move?


# %% tags=["not-graded"]
prediction = "frozen; thawed, training=False; thawed, its normalisation frozen"


def mobilenet():
    """A small MobileNetV2 with random weights: 410,208 parameters."""
    return keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.35
    )


def drift(model, base, calls):
    """Relative change of all moving means and variances, in %, after each call."""
    moving = [w for w in base.weights if "moving" in w.path]
    before, way = np.concatenate([to_numpy(w) for w in moving]), [0.0]
    for k in range(calls):
        batch = pictures.train[0][8 * k % 16 :][:8, :32, :32]
        model(batch.astype("float32") / 127.5 - 1, training=True)
        change = np.concatenate([to_numpy(w) for w in moving]) - before
        way.append(100 * float(np.linalg.norm(change) / np.linalg.norm(before)))
    return way


bn_base, inputs = mobilenet(), keras.Input((32, 32, 3))
bn_head = build_head(bn_base.output_shape[1:], 5, "average")
whole = keras.Model(inputs, bn_head(bn_base(inputs, training=False)))
CALLS, ways = train.budget(smoke=1, cpu=12, gpu=30), {}
bn_base.trainable = False
ways["base frozen"] = drift(whole, bn_base, CALLS)
thaw(bn_base, norm=False)  # every layer but batch normalisation
ways["thawed, but for its normalisation"] = drift(whole, bn_base, CALLS)
thaw(bn_base)
ways["thawed, built with training=False"] = drift(whole, bn_base, CALLS)

ax = plt.subplots(figsize=(7, 3), layout="constrained")[1]
looks = zip((BLUE, GREEN, ORANGE), ("-", "--", "-"), strict=True)
for (name, way), (colour, style) in zip(ways.items(), looks, strict=True):
    ax.plot(way, style, color=colour, label=name, linewidth=2)
panel(
    ax,
    f"MobileNetV2 (random weights) on {pictures.name}: nothing is trained",
    "batches seen in training mode",
    "change of its moving\nmeans and variances (%)",
)
ax.legend(frameon=False)
said = ", ".join(f"{name} {way[-1]:.2f} %" for name, way in ways.items())
plots.show(
    ax,
    alt="How far moving means and variances are from where they were, against the "
    f"batches seen; at the end: {said}.",
)
print("You predicted:", prediction)
print(said)

# %% [markdown]
# The advice fails, at least in Keras 3.15: `fit` calls the model with `training=True`,
# and in a functional model that overrides what was said when it was built ([Keras issue
# 20285](https://github.com/keras-team/keras/issues/20285)). What the base knows of the
# world is then replaced by what it sees in your handful of images, a thousandth per batch
# in MobileNetV2 (its momentum is 0.999), a hundredth with Keras' default of 0.99, at any
# learning rate, even 0. What holds in every version: **leave batch normalisation
# frozen**, also when you thaw the layers around it.
#
# One more trap, which we fell into: `base.trainable = True` reaches the layers of the
# base only when `base.trainable` was False. Where you freeze and thaw single layers, set
# each of them.
#
# ## 7. Two phases
#
# *Deck 001: "Transfer Learning", "Fine Tuning".* A new head begins with random weights;
# its first gradients are large and say nothing. If they ran into the base, they would
# spoil it. So:
#
# 1. the head alone, base frozen, until it has converged;
# 2. then block 5 together with the head, with a **much smaller** learning rate: 10 to
#    1,000 times.
#
# Blocks 1 to 4 stay frozen: edges, corners and textures serve every task, and a few
# images could only spoil them.
#
# Keras has a trap here. It takes down which weights are trainable when it compiles (to
# be exact: at the first `fit` after `compile`). Freeze or thaw later, and *nothing
# happens, and nobody says so*, until you compile again. (On TensorFlow; on JAX a layer
# thawed too late makes Keras stop with an error.)
#
# ### Exercise 7: `transfer` (4 points)


# %% exercise="transfer" points=4 forbid=["cnnlab.checks.transfer", "cnnlab.checks.freezing"]
def transfer(model, base, training, validation, epochs, rates):
    """Train the head, then fine-tune block 5 of the base together with it.

    Args:
        model: from `assemble`, not compiled; its base is frozen.
        base: that base; the names of its layers begin with "block1" to "block5". Should
            it have layers of batch normalisation, they stay frozen.
        training: a pair, prepared images and integer labels.
        validation: another such pair, to be measured after each epoch.
        epochs: a pair, of the first and of the second phase.
        rates: a pair, learning rates of the first and of the second phase.

    Returns:
        Two histories, each a dict of lists, as train.fit gives them.
    """
    ### BEGIN SOLUTION
    histories = []
    for phase in (0, 1):
        if phase == 1:
            base.trainable = True
            for layer in base.layers:
                norm = isinstance(layer, layers.BatchNormalization)
                layer.trainable = layer.name.startswith("block5") and not norm
        model.compile(
            optimizer=keras.optimizers.Adam(rates[phase]),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        history = train.fit(
            model,
            *training,
            validation_data=validation,
            epochs=epochs[phase],
            batch_size=16,
        )
        histories.append(history)
    return histories
    ### END SOLUTION


# %% check="transfer"
@check
def transfer_has_two_phases():
    """transfer() trains the head alone, then block 5 with it, more gently."""
    forbid(transfer, "cnnlab.checks.transfer", "cnnlab.checks.freezing")
    sound_transfer(transfer)


# %% probe="transfer"
parts = toy(seed)
rng = np.random.default_rng(seed)
epochs, rates = rng.integers(2, 9, 2), rng.uniform([1e-3, 1e-5], [1e-2, 1e-4])
sets = (parts.x[:7], parts.y[:7]), (parts.x[7:], parts.y[7:])
calls, result = phases(
    transfer, parts.model, parts.base, *sets, epochs.tolist(), rates.tolist()
)
first, second = calls
truth = second.y[np.argsort(class_numbers(second.y), kind="stable")]
p = rng.dirichlet(np.ones(3), 7).astype("float32")
{
    "first phase trains": trained_layers(first.trained),
    "second phase trains": trained_layers(second.trained),
    "learning rates": np.array([first.learning_rate, second.learning_rate]) / rates,
    "optimizers": first.optimizer is not second.optimizer,
    "epochs": np.array([first.epochs, second.epochs]),
    "training images and labels": [match(c.x, c.y) for c in calls],
    "validation images and labels": [match(*c.validation) for c in calls],
    "loss": judged(second.model, truth, p)["takes"],
    "histories": [isinstance(history, dict) for history in result] + [len(result)],
}

# %% [markdown]
# Which weights does a training step move? One step, and a look at all 13 convolutions
# and the head: frozen; after thawing block 5 *without* compiling again; compiled again;
# and with everything thawed.


# %% tags=["not-graded"]
def one_step(model):
    """Which layers one training step changes."""
    before = [to_numpy(w).copy() for w in model.weights]
    try:
        model.train_on_batch(x_train[:8], y_train[:8])
    except ValueError as error:  # on JAX; TensorFlow says nothing
        print("Keras refuses:", str(error).split(".")[0])
    pairs = zip(model.weights, before, strict=True)
    return {w.path.split("/")[-2] for w, old in pairs if not np.array_equal(w, old)}


def compiled(model, rate):
    """The model, compiled for plain gradient descent."""
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return model


base = load_base(WEIGHTS, SIZE)
names = [layer.name for layer in base.layers if layer.weights] + ["head"]
model = compiled(assemble(base, build_head(f_train.shape[1:], 5, "average")), 1e-4)
steps = {"base frozen": one_step(model)}
thaw(base, "block5")
steps["block 5 thawed, not compiled again"] = one_step(model)
steps["block 5 thawed, compiled"] = one_step(compiled(model, 1e-4))
thaw(base)
steps["all thawed, compiled"] = one_step(compiled(model, 1e-4))
cells = [
    [name in step for name in names[:-1]] + [bool(step - set(names))]
    for step in steps.values()
]
ax = plt.subplots(figsize=(8, 2.9), layout="constrained")[1]
ax.pcolormesh(np.array(cells)[::-1], cmap="Blues", edgecolor="white", vmin=0, vmax=1.3)
panel(ax, f"Blue: moved by one training step of {NETWORK}", "", "")
ax.set_xticks(np.arange(14) + 0.5, names, rotation=50, ha="right", fontsize=8)
ax.set_yticks(np.arange(4) + 0.5, list(steps)[::-1])
plots.show(
    ax,
    alt="A table of four cases and 14 layers. Base frozen: the head moves alone. Block 5 "
    "thawed without compiling again: still the head alone. Compiled again: the three "
    "convolutions of block 5 and the head. All thawed: every layer.",
)

# %% [markdown]
# The second row is the trap: no error, no warning, nothing happens. Now in earnest.
# **Predict first.** By how many points does fine-tuning raise the validation accuracy?

# %%
prediction = "... points"

# %% tags=["not-graded"]
TUNE = some(y_train, SOME)
PHASES = train.budget(smoke=(2, 1), cpu=(8, 6), gpu=(20, 20))
tuned_base = load_base(WEIGHTS, SIZE)
train.seed(0)
tuned_head = build_head(f_train.shape[1:], 5, "average")
tuned = assemble(tuned_base, tuned_head)
pair = (x_train[TUNE], y_train[TUNE])
histories = transfer(tuned, tuned_base, pair, (x_val, y_val), PHASES, (HEAD_RATE, 1e-4))
joined = {key: histories[0][key] + histories[1][key] for key in histories[0]}
axes = plots.curves(joined, title=f"Head, then block 5: {len(TUNE)} images, {NAME}")
for ax in axes:
    ax.axvline(PHASES[0] + 0.5, color="0.6", linestyle=":")
    ax.annotate(
        "fine-tuning starts",
        (PHASES[0] + 0.5, 0.5),
        xycoords=("data", "axes fraction"),
        rotation=90,
        ha="right",
        va="center",
        fontsize=8,
        color="0.4",
    )
ends = [history["val_accuracy"][-1] for history in histories]
plots.show(
    axes,
    alt="Loss and accuracy on training and validation images against the epoch; a dotted "
    f"line where fine-tuning starts. Validation accuracy {ends[0]:.1%} before, "
    f"{ends[1]:.1%} after.",
)
print(f"validation accuracy {ends[0]:.3f}, after fine-tuning {ends[1]:.3f}")
print("You predicted:", prediction)

# %% [markdown]
# We got 91.5 % before and 93.0 % after, with 500 images. How small must the second
# learning rate be? Each rate starts from the base as it was, and from 20 images of each
# class.

# %% tags=["not-graded"]
RATES = train.budget(
    smoke=(1e-4,),
    cpu=(1e-5, 1e-3) if BIG else (1e-5, 1e-4, 1e-3, 1e-2),
    gpu=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
)
SWEEP = some(y_train, PER_CLASS[0])
SWEPT = train.budget(smoke=(1, 1), cpu=(6, 5), gpu=(20, 20))  # epochs


def sweep(rate, seed):
    """Validation accuracy after the head alone, and after fine-tuning at a rate."""
    train.seed(seed)
    base = load_base(WEIGHTS, SIZE)
    model = assemble(base, build_head(f_train.shape[1:], 5, "average"))
    pair = (x_train[SWEEP], y_train[SWEEP])
    held_out = (x_val[:100], y_val[:100])
    runs = transfer(model, base, pair, held_out, SWEPT, (HEAD_RATE, rate))
    return [run["val_accuracy"][-1] for run in runs]


measure = train.budget(smoke=lambda *_: ends, cpu=sweep, gpu=sweep)  # or as above
draws = range(min(SEEDS, 2))
swept = {rate: np.array([measure(rate, s) for s in draws]) for rate in RATES}

# %% tags=["not-graded"]
ax = plt.subplots(figsize=(6, 3), layout="constrained")[1]
after = np.array([swept[rate][:, 1] for rate in RATES])
ax.axhline(np.mean([v[:, 0] for v in swept.values()]), color=BLUE, label="head alone")
ax.plot(RATES, after, ".", color=ORANGE)
ax.plot(RATES, after.mean(1), color=ORANGE, label="after fine-tuning (dots: seeds)")
panel(
    ax,
    f"Fine-tuning from {len(SWEEP)} images: {NAME}",
    "learning rate of the second phase",
    "validation accuracy",
)
ax.set(xscale="log", ylim=(0, 1))
ax.legend(frameon=False, loc="lower left")
said = ", ".join(f"{r:g}: {a.mean():.0%}" for r, a in zip(RATES, after, strict=True))
plots.show(ax, alt=f"Validation accuracy against the second learning rate: {said}.")

# %% [markdown]
# At the `cpu` budget we got 94, 97, 96 and 56 % at the four rates (0.00001 to 0.01), means
# of two seeds, where the head alone has 94 and 95 %. Between the best and none at all there is little to win here,
# and at the wrong rate much to lose.
#
# Names, by the way, are safer than positions. In VGG16 block 5 is `base.layers[15:18]`,
# the poolings are layers 3, 6, 10, 14 and 18, and fine-tuning block 5 trains 6 of 26
# weights, 7,079,424 of 14,714,688 numbers. In another base it is all different.

# %% [markdown] question="why_two_phases" points=1
# Why is the head trained alone first, and why must the learning rate of the second phase
# be small? Use your figure: what happens at the largest rate, and what is lost then that
# no further training on these images brings back?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: the gradients of a random head are large and carry no
# information about good features; running through block 5 they destroy what it knows,
# so the head must first be one whose errors mean something. Half a point: at the
# largest rate validation accuracy falls below that of the head alone; what is lost is
# what the base learned from many thousand images (16,000 in each epoch; 1.28 million for
# ImageNet), and so few images cannot teach it again: the training images are learned by
# heart instead.
# ### END SOLUTION

# %% [markdown]
# ## 8. From scratch, or transferred?
#
# Now the question of the lab. The same five classes, 20, 100 and 500 images of each,
# and two ways: the network of the base from random weights (with batch normalisation,
# without which a VGG this deep hardly begins to learn), and the cheapest kind of
# transfer, a linear head on features. They are judged on the test images, which have
# not been used so far. One run is no proof: each is repeated with other images and
# other random weights.
#
# **Predict first.** How many images per class does it take from scratch to reach what
# transfer reaches with 20?

# %%
prediction = "..."

# %% tags=["not-graded"]
SCRATCH_EPOCHS = train.budget(
    smoke={5: 1},
    cpu={20: 6, 100: 4, 500: 3},
    gpu={20: 100, 100: 60, 500: 40},
)


def network():
    """The network of the base with random weights and batch normalisation, and a head."""
    width = train.budget(smoke=1 / 8, cpu=1 / 8, gpu=1 if BIG else 1 / 8)
    repeats = train.budget(smoke=(1, 1, 1, 1, 1), cpu=REPEATS, gpu=REPEATS)
    options = {"include_top": False, "width": width, "batch_norm": True}
    body = models.vgg(repeats, (SIZE, SIZE, 3), **options)
    return keras.Sequential([body, build_head(body.output_shape[1:], 5, "average")])


scratch = network()  # compiled once: Keras takes seconds to build its graph
optimizer = keras.optimizers.Adam(2e-3)
scratch.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=EAGER)
optimizer.build(scratch.trainable_variables)


def from_scratch(n, seed):
    """Test accuracy of a network that starts from random weights."""
    train.seed(seed)
    rows, options = some(y_train, n, seed), {"batch_size": 32, "verbose": 0}
    with unchanged(scratch):  # on leaving, weights and optimizer are as before
        scratch.set_weights(network().get_weights())
        scratch.fit(x_train[rows], y_train[rows], epochs=SCRATCH_EPOCHS[n], **options)
        return accuracy(scratch, x_test, y_test)


def linear(n, seed):
    """Test accuracy of a linear head on features."""
    return accuracy(
        fit_head("average", None, some(y_train, n, seed), seed), f_test, y_test
    )


ways = {"linear head": linear, "from scratch": from_scratch}
results = {
    name: [[way(n, s) for s in range(SEEDS)] for n in PER_CLASS]
    for name, way in ways.items()
}

# %% tags=["not-graded"]
ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")[1]
for (name, runs), colour in zip(results.items(), (BLUE, ORANGE), strict=True):
    runs = np.array(runs)
    ax.plot(PER_CLASS, runs.mean(1), "-", color=colour, label=name)
    ax.plot(PER_CLASS, runs, ".", color=colour)
ax.axhline(0.2, color="0.6", linestyle=":", label="guessing")
panel(
    ax,
    f"Transfer beats scratch: {NAME}",
    "training images per class",
    "test accuracy",
)
ax.set(xscale="log", ylim=(0, 1))
ax.set_xticks(PER_CLASS, PER_CLASS)
ax.minorticks_off()
ax.legend(frameon=False, loc="center right")
said = "; ".join(
    f"{name} "
    + ", ".join(
        f"{np.mean(r):.0%} from {n}" for n, r in zip(PER_CLASS, runs, strict=True)
    )
    for name, runs in results.items()
)
plots.show(ax, alt=f"Test accuracy against training images per class: {said}.")
print("You predicted:", prediction)
print(said)

# %% [markdown]
# What to expect at the `cpu` budget, means of three seeds:
#
# | images per class | 20 | 100 | 500 |
# |---|---|---|---|
# | shapes: linear head on our narrow VGG16 | 95 % | 96 % | 97 % |
# | shapes: from scratch, 6, 4 and 3 epochs | 20 % | 21 % | 24 % |
# | flower photos: linear head on our narrow VGG16 | 31 % | 32 % | 36 % |
# | flower photos: from scratch, 6, 4 and 3 epochs | 22 % | 28 % | 51 % |
# | flower photos with ImageNet weights, or the `gpu` budget | not measured | | |
#
# Is it fair to stop after three epochs? Longer training helps where images are many: with
# 500 per class 8 epochs reached 48 % on shapes, in one run. With 20 per class the network
# knows its 100 images by heart after 20 epochs (100 %), and guesses at new ones (21 %).
#
# ## 9. Where does it look?
#
# A network can be right for a wrong reason. **Grad-CAM** (Selvaraju et al., 2017) asks
# a convolutional layer: where did you find what speaks for class $c$? Let $A^k$ be its
# maps, and $z_c$ the *logit* of the class, the value before the softmax. Then
#
# $$\alpha_k = \frac{1}{hw} \sum_{i,j} \frac{\partial z_c}{\partial A^k_{ij}}, \qquad
# \text{heat} = \text{ReLU}\Big(\sum_k \alpha_k A^k\Big).$$
#
# $\alpha_k$ says how much map $k$ speaks for the class; the ReLU keeps what speaks *for*
# it. Why the logit? The probability also rises when other classes lose, and where it is
# nearly 1 its gradient is nearly 0.
#
# Three pieces are given: a cut through the base, the logits of a head, and the gradient
# of a number with respect to an array, which TensorFlow and JAX write differently.


# %%
def cut(base, layer):
    """The base in two: from images to the maps of a layer, and from there on."""
    maps = base.get_layer(layer).output
    return keras.Model(base.input, maps), keras.Model(maps, base.output)


def logits(head, maps):
    """What a head gives before its softmax, (n, num_classes)."""
    last = head.layers[-1]
    before = keras.Model(head.inputs, last.input)(maps)
    return before @ last.kernel + last.bias if last.weights else before


def gradient(function, x):
    """Gradient of function(x), one number, with respect to x; an array like x."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(keras.ops.convert_to_tensor(x)))
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    slopes = tape.gradient(value, x)
    if slopes is None:
        raise ValueError("function(x) does not depend on x: the two are disconnected.")
    return slopes.numpy()


# %% [markdown]
# ### Exercise 8: `grad_cam` (3 points)


# %% exercise="grad_cam" points=3
def grad_cam(base, head, x, label, layer):
    """Where a layer of the base finds what speaks for a class.

    Args:
        base: a keras.Model from prepared images to maps.
        head: a keras.Model from the base's maps to probabilities.
        x: one prepared image, (1, height, width, 3).
        label: number of the class.
        layer: name of a convolution of the base.

    Returns:
        The heat, an array (height, width) as large as the image: first divided by its
        largest value (all 0 where nothing speaks for the class), then enlarged
        bilinearly, as `keras.ops.image.resize` does it.
    """
    ### BEGIN SOLUTION
    front, back = cut(base, layer)
    maps = to_numpy(front(x))
    slopes = gradient(lambda m: logits(head, back(m))[0, label], maps)
    heat = np.maximum(maps[0] @ slopes.mean(axis=(1, 2))[0], 0)
    heat = heat / max(heat.max(), 1e-9)
    return to_numpy(keras.ops.image.resize(heat[..., np.newaxis], x.shape[1:3]))[..., 0]
    ### END SOLUTION


# %% check="grad_cam"
@check
def grad_cam_finds_the_spot():
    """grad_cam() is hot where the class is, never below 0, and as large as the image."""
    sound_grad_cam(grad_cam)


# %% probe="grad_cam" atol=0.02
found = []
for hidden in (None, 6):
    base_, head_, x, *_ = cam_toy(seed, hidden=hidden)
    heats = [to_numpy(grad_cam(base_, head_, x, k, "maps")) for k in range(3)]
    found.append(np.stack(heats))
found

# %% [markdown]
# Which layer to ask? A deep one knows more, an early one knows better *where*. For
# images of 224 pixels it is usually the last convolution, block5_conv3, with 14×14
# maps; for ours of 64 pixels that leaves 4×4, and block4_conv3, with 8×8, shows more.

# %% tags=["not-graded"]
LAYER = "block4_conv3" if SIZE < 128 else "block5_conv3"

p_test = outputs(tuned, x_test)
taken = p_test.argmax(axis=1)
print(f"fine-tuned on {len(TUNE)} images: test accuracy {np.mean(taken == y_test):.3f}")


def chosen(right, count):
    """The test images of which the network is surest, right or wrong."""
    where = np.flatnonzero((taken == y_test) == right)
    return where[np.argsort(-p_test[where].max(axis=1))][:count]


def heat_of(k, layer=LAYER):
    """Grad-CAM of a test image, for the class that the network gave it."""
    return grad_cam(tuned_base, tuned_head, x_test[k : k + 1], taken[k], layer)


def overlaid(ax, k):
    """A test image, its heat, and the outline of the shape where it is known."""
    ax.imshow(pictures.test[0][k])
    ax.imshow(heat_of(k), cmap="inferno", alpha=0.55, vmin=0, vmax=1)
    if pictures.masks is not None:
        ax.contour(pictures.masks[k], [0.5], colors="white", linewidths=1)
    names = pictures.class_names
    said = f"{names[taken[k]]}, {p_test[k].max():.0%}"
    ax.set_title(
        said if taken[k] == y_test[k] else f"{said}\n({names[y_test[k]]})", size=8
    )
    return said


COUNT = train.budget(smoke=2, cpu=6, gpu=6)
figure, axes = plt.subplots(
    4, COUNT, figsize=(1.6 * COUNT + 0.6, 7), squeeze=False, layout="constrained"
)
said = []
for row, is_right in ((0, True), (2, False)):
    for column, k in enumerate(chosen(is_right, COUNT)):
        axes[row, column].imshow(pictures.test[0][k])
        said.append(overlaid(axes[row + 1, column], k))
for ax in axes.flat:
    ax.set_axis_off()
figure.suptitle(
    f"Grad-CAM at {LAYER}, right above, wrong below: {NAME}",
    x=0.01,
    ha="left",
    fontsize=11,
    fontweight="bold",
)
plots.show(
    axes,
    alt=f"Test images, and below each its heat: {COUNT} that are classified right, and "
    f"up to {COUNT} that are wrong, with the class given: {', '.join(said)}.",
)

# %% [markdown]
# Bright is hot; the white line is the outline of the shape; in brackets the truth.
#
# Shapes come with masks, so we can measure instead of believing our eyes: what **share of
# the heat lies on the shape**? Heat that were spread evenly would reach the share of
# the picture that the shape covers.


# %% tags=["not-graded"]
def share_on(mask, heat):
    """The share of the heat that lies where the mask is True."""
    return float((heat * mask).sum() / max(heat.sum(), 1e-9))


if pictures.masks is not None:
    count = train.budget(smoke=2, cpu=24, gpu=100)
    groups = {"right": chosen(True, count), "wrong": chosen(False, count)}
    asked_layers = ["block3_conv3", "block4_conv3", "block5_conv3"]
    scored = {
        name: [
            [share_on(pictures.masks[k], heat_of(k, la)) for k in group]
            for la in asked_layers
        ]
        for name, group in groups.items()
        if len(group)
    }
    ax = plt.subplots(figsize=(6.5, 3), layout="constrained")[1]
    for (name, rows), colour, shift in zip(
        scored.items(), (BLUE, ORANGE), (-0.15, 0.15), strict=False
    ):
        place = np.arange(3) + shift
        ax.bar(
            place,
            np.mean(rows, axis=1),
            0.28,
            color=colour,
            label=f"{name} ({len(rows[0])})",
        )
        ax.plot(place, rows, ".", color=BLACK, markersize=3)
    ax.axhline(pictures.masks.mean(), color="0.5", linestyle=":", label="spread evenly")
    panel(ax, f"How much of the heat is on the shape: {NAME}", "", "share of the heat")
    ax.set_xticks(
        range(3),
        [
            f"{la}\n{SIZE // s}×{SIZE // s} maps"
            for la, s in zip(asked_layers, (4, 8, 16), strict=True)
        ],
    )
    ax.legend(frameon=False, loc="upper right")
    said = "; ".join(
        f"{name} "
        + ", ".join(
            f"{la} {np.mean(r):.0%}" for la, r in zip(asked_layers, rows, strict=True)
        )
        for name, rows in scored.items()
    )
    plots.show(
        ax,
        alt=f"Share of the heat that lies on the shape, by layer: {said}; spread evenly {pictures.masks.mean():.0%}.",
    )
    print(said)

# %% [markdown]
# On shapes we got 47 % of the heat on the shape for answers that are right, and 24 % for
# wrong ones, at block4_conv3; evenly spread it would be 11 %. block5_conv3 knows the
# class best, and its 4×4 maps are too coarse to say where.
#
# Mind what this does not say. Heat on the object does not prove that the object's outline
# was used, and a map of an untrained network can look just as convincing.
#
# ## 10. How far does it carry?
#
# The base has learned from shapes. How much is that worth for photos? If you have the
# flower photos, set `PICTURES` to `"flowers"` in section 2 and run the lab again: the
# third and fourth row of the table above are what we got. With 20 photos of each class
# these features still help, with 500 the network from scratch is better. Fine-tuning of
# block 5 changes little (from 28 to 30 % in validation, with 500 photos).
#
# Must it be the *last* features? Here are linear heads on the means of each block's last
# map, and on those of all five together, on the pictures of section 8. (Logistic
# regression is the linear head with softmax, trained to its end; it takes no time.)
#
# **Predict first.** From which block, for shapes? And for flowers?

# %%
prediction = "shapes: block ...; flowers: block ..."

# %% tags=["not-graded"]
fresh = load_base(WEIGHTS, SIZE)
maps = [fresh.get_layer(f"block{k}_pool").output for k in range(1, 6)]
means = [layers.GlobalAveragePooling2D()(each) for each in maps]
every_block = keras.Model(fresh.input, layers.Concatenate()(means))
b_train, b_test = (
    to_numpy(extract(every_block, preprocess, pairs[0]))
    for pairs in (pictures.train, pictures.test)
)
ends = np.cumsum([mean.shape[-1] for mean in means])
parts = np.split(np.arange(ends[-1]), ends[:-1])
cuts = {f"block {k}": part for k, part in enumerate(parts, 1)}
cuts["all five"] = np.arange(ends[-1])


def head_on(columns, n, seed):
    """Test accuracy of a linear head on some of the features."""
    rows = some(y_train, n, seed)
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    head.fit(b_train[rows][:, columns], y_train[rows])
    return head.score(b_test[:, columns], y_test)


carried = {
    name: [[head_on(columns, n, s) for s in range(SEEDS)] for n in PER_CLASS]
    for name, columns in cuts.items()
}
carried["from scratch"] = results["from scratch"]

ax = plt.subplots(figsize=(7.5, 3.4), layout="constrained")[1]
for k, (n, colour) in enumerate(zip(PER_CLASS, (BLUE, ORANGE, GREEN), strict=False)):
    runs = np.array([values[k] for values in carried.values()])
    ax.plot(runs.mean(1)[:5], "-", color=colour, label=f"{n} per class")
    ax.plot(runs.mean(1), "o", color=colour)
    ax.plot(runs, ".", color=BLACK, markersize=3)
ax.axhline(0.2, color="0.6", linestyle=":", label="guessing")
panel(ax, f"Linear heads after each block: {NAME}", "", "test accuracy")
ax.set_xticks(range(len(carried)), carried)
ax.set(ylim=(0, 1))
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
said = "; ".join(
    f"{name} " + ", ".join(f"{np.mean(runs):.0%}" for runs in values)
    for name, values in carried.items()
)
sizes = ", ".join(map(str, PER_CLASS))
plots.show(ax, alt=f"Test accuracy from {sizes} images per class: {said}.")
print("You predicted:", prediction)
print(f"from {sizes} images per class: {said}")

# %% [markdown]
# What to expect at the `cpu` budget, means of three seeds:
#
# | features after | shapes, 20 per class | 100 | 500 | flowers, 20 | 100 | 500 |
# |---|---|---|---|---|---|---|
# | block 1 | 20 % | 22 % | 22 % | 45 % | 49 % | 50 % |
# | block 2 | 21 % | 23 % | 25 % | **50 %** | **56 %** | **59 %** |
# | block 3 | 42 % | 52 % | 55 % | 35 % | 42 % | 44 % |
# | block 4 | 92 % | 96 % | 97 % | 32 % | 36 % | 42 % |
# | block 5 | 95 % | **97 %** | **98 %** | 28 % | 31 % | 36 % |
# | all five together | **96 %** | **97 %** | 97 % | 39 % | 50 % | **59 %** |
# | from scratch | 20 % | 21 % | 24 % | 22 % | 28 % | 51 % |
#
# On CIFAR-10, enlarged to 64×64, with 20, 100 and 200 images of each of its ten classes,
# the last block gives 22, 27 and 31 %, the third 29, 36 and 36 %, all five together 32, 39
# and 45 % (three draws; not part of this notebook).
#
# Early blocks know colours and edges, which serve every picture; late ones know what it
# took to tell 15 outlines apart, whatever their colour, and have thrown away the rest,
# yellow and red included (Yosinski et al., 2014). Taken from the right block, transfer
# beats scratch on flowers, too. ImageNet, 1.28 million photos of 1,000 things, is a far
# better school for photos; its weights could not be had where this was measured.
#
# Whether transfer pays depends on two things, how many images there are, and how like
# those that the base was trained on:
#
# | | similar task | different task |
# |---|---|---|
# | **few images** | linear head on the last features | head on earlier features; care |
# | **many images** | fine-tune some blocks, or all | fine-tune all, or from scratch |

# %% [markdown] question="how_far" points=1
# A linear head on block 5 of our narrow VGG16 reaches 95 % on new kinds of shapes, and
# 31 % on photos of flowers, with 20 images of each of five classes in both. Why, and why
# is block 2 better for flowers? And what would you do with the weights of ImageNet and (a)
# 200 photos of flowers, (b) 200 X-ray images, (c) 100,000 photos of flowers?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: features serve tasks that are like those they were learned
# for, the late ones most of all; outlines of flat shapes on noise have taught it corners
# and outlines, but no petals and no textures, and to ignore colour, which told nothing
# there; block 2 still has edges and colours. Half a point for two of three: (a) few and
# similar: a linear head on the features of the last block; (b) few and unlike: a head on
# features of an earlier block, which are more general, strong regularisation or
# augmentation, fine-tuning with care; (c) many and similar: fine-tune several blocks or
# all, with a small learning rate. (Many and unlike: fine-tune all from those weights, or
# train from scratch.)
# ### END SOLUTION

# %% [markdown]
# ## Go further
#
# Not graded. Take what interests you:
#
# - **Keep more.** With blocks 1 to 4 frozen, their maps can be kept too: compute
#   block4_pool once, and fine-tune block 5 on that. How much faster is an epoch?
# - **Augment.** Put `augment.pipeline("shapes")` of lab 8 between the images and the
#   base of `assemble`. Which of the two phases gains?
# - **How deep?** Thaw nothing, block 5, blocks 4 and 5, everything, each at two learning
#   rates, from 20 and from 500 images.
# - **Another task.** `data.load("cifar10")`, enlarged to 64×64 with
#   `keras.ops.image.resize`; or your own photos, 20 of each of two classes: then one
#   unit with a sigmoid and `"binary_crossentropy"` will do.
# - **Another base.** ResNet50 or MobileNetV2 with ImageNet weights: what must change in
#   `preprocess`, in the layers that you thaw, and why does `training=False` now matter?
# - **Nonsense.** Scramble the labels of the training images. What does the linear head
#   reach on them, and where does Grad-CAM look?
