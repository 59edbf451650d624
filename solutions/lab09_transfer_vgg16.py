# ---
# jupyter:
#   cnnlab:
#     title: Transfer learning on VGG16
# ---

# %% [markdown]
# # Transfer learning on VGG16
#
# *Lab 9. About two hours, of which a laptop computes for about three minutes. 20 points.*
#
# At the end you can
#
# 1. count VGG16 layer by layer, and say where its weights and its work are;
# 2. prepare images exactly as a trained network expects them;
# 3. use a trained network for a new task: features kept, a new head, fine-tuning;
# 4. say which weights a training step moves, and why Keras may ignore what you froze;
# 5. measure what transfer is worth, against training from scratch.
#
# **Before you start.** New to Keras? Start with lab 1 and go on in order; lab 4 works on
# its own. **Slides:** deck 001, "Pre-trained model"; deck 002, "VGGNET"; deck 003,
# "Visual Geometry Group (VGG) network", "Training"; deck 004, "VGG Family", "Transfer
# Learning", "Re-using a model".
#
# **How it works.** Write what is missing where it says `raise NotImplementedError`. Run
# the line below it: a tick means go on; a cross says what is wrong and gives a hint. Run
# it again for the next hint. All other cells are there to be read and run.

# %%
import time

from cnnlab import data, models, plots, shapes, train
from cnnlab.checks import lab09 as check

import keras
import numpy as np
from keras import layers

train.start()

# %% [markdown]
# ## 1. VGG16, counted
#
# VGG16 is five blocks of 3×3 convolutions (padded, with ReLU), each closed by a 2×2 max
# pooling, and three dense layers:
#
# | | block 1 | block 2 | block 3 | block 4 | block 5 | dense |
# |---|---|---|---|---|---|---|
# | layers | 2 | 2 | 3 | 3 | 3 | 3 |
# | filters or units | 64 | 128 | 256 | 512 | 512 | 4096, 4096, 1000 |
#
# That is 13 convolutions and 3 dense layers: the 16 layers that have weights.
#
# ### Exercise 1: `count_layers` (2 points)


# %% exercise="count_layers" points=2 forbid=["cnnlab.models", "cnnlab.arithmetic", "keras"]
def count_layers(size, repeats, filters, units):
    """Output shape and parameters of every layer of any network of this kind.

    Args:
        size: height and width of the RGB images.
        repeats, filters: of each block's convolutions, such as (2, 2, 3, 3, 3) and
            (64, 128, 256, 512, 512).
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
check.count_layers(count_layers)

# %% probe="count_layers" compare="equal"
rng = np.random.default_rng(seed)
found = {"shapes": [], "convolutions and pooling": [], "dense layers": []}
for n in (1, 2, 3, 3, 4):
    blocks, dense = rng.integers(1, 4, n), rng.integers(3, 40, n)
    args = (blocks.tolist(), rng.integers(2, 20, n).tolist(), dense.tolist())
    rows = count_layers(int(rng.integers(32, 70)), *args)
    found["shapes"] += [length for shape, _ in rows for length in shape]
    found["convolutions and pooling"] += [number for _, number in rows[:-n]]
    found["dense layers"] += [number for _, number in rows[-n:]]
{what: np.array(numbers) for what, numbers in found.items()}

# %% tags=["nbval-check-output"]
REPEATS, FILTERS = (2, 2, 3, 3, 3), (64, 128, 256, 512, 512)
counted = count_layers(224, REPEATS, FILTERS, (4096, 4096, 1000))
parameters = [params for _, params in counted]
values = sum(int(np.prod(shape)) for shape, _ in counted) + 224 * 224 * 3
print(
    f"VGG16: {sum(parameters):,} parameters, {sum(parameters[:-3]):,} without the top"
)
print(f"values in all its maps, for one image: {values:,}, {values * 4 / 1e6:.0f} MB")
# -> VGG16: 138,357,544 parameters, 14,714,688 without the top
# -> values in all its maps, for one image: 15,237,608, 61 MB

# %% [markdown]
# **Predict first.** Nine tenths of the parameters are in the dense layers. Where is the
# work, the multiplications?

# %% prediction="where_is_the_work"
where_is_the_work = ""  # which layers do most multiplications?

# %% folded="Parameters and multiplications (MACs) of each layer of VGG16" tags=["not-graded"]
from types import SimpleNamespace

rows = []
for shape, params in (row for row in counted if row[1]):
    macs = (params - shape[-1]) * int(np.prod(shape[:-1]))  # without the biases
    name = "×".join(map(str, shape))
    rows.append(SimpleNamespace(name=name, params=params, macs=macs))
plots.show(plots.layer_table(rows, title="VGG16, one image: layers by what they give"))
print("You predicted:", where_is_the_work or "nothing yet")

# %% [markdown]
# So what one keeps, the convolutions that have learned to see, is a ninth of the weights
# and nearly all of the work. The dense layers, which know ImageNet's classes, can go.
#
# ## 2. A trained base
#
# VGG16 was trained on 1.28 million photos of 1,000 classes. Its file of weights is 58 MB
# and not on every machine. Where it cannot be had we use our own: the same 13
# convolutions with an eighth of the filters, 230,568 parameters, trained on 15 kinds of
# made shapes. The new task is then 5 other kinds, which it has never seen.
#
# `models.vgg16(input_shape=(224, 224, 3), weights=None, include_top=True)` builds both:
# `weights="imagenet"` gives the real thing, `"shapes"` ours, `None` random weights;
# `include_top` says whether the old classifier follows the last pooling.
#
# ### Exercise 2: `load_base` (1 point)


# %% exercise="load_base" points=1
def load_base(weights, size):
    """The convolutional part of a VGG16 trained on "imagenet" or "shapes".

    Returns:
        A new keras.Model from images (n, size, size, 3) to the maps of the last
        pooling, (n, s, s, channels).
    """
    ### BEGIN SOLUTION
    return models.vgg16((size, size, 3), weights=weights, include_top=False)
    ### END SOLUTION


# %% check="load_base"
check.load_base(load_base)

# %% probe="load_base"
from cnnlab.teaching import finetuning

finetuning.what_bases_give(load_base, seed)

# %% [markdown]
# Which of them do you have? The next cell looks for the ImageNet weights (in the folder
# that `CNNLAB_DATA` names, in Keras' cache, on the network) and says what it took. With
# them come photos of flowers, five classes; with our weights, five new kinds of shapes.

# %% tags=["not-graded"]
try:
    WEIGHTS, SIZE = "imagenet", train.budget(smoke=64, cpu=64, gpu=224)
    base = load_base(WEIGHTS, SIZE)
except Exception as error:  # no file here, and no network
    print(str(error).split(". Put")[0])
    WEIGHTS, SIZE = "shapes", 64
    base = load_base(WEIGHTS, SIZE)
BIG = WEIGHTS == "imagenet"  # 60 times the work for an image
PICTURES = "flowers" if BIG else "shapes"  # or choose yourself
print(f"weights: {WEIGHTS}, {base.count_params():,} parameters; pictures: {PICTURES}")

# %% [markdown]
# The images, uint8 from 0 to 255, come as `x_train`, `x_val` and `x_test`, with labels
# `y_train`, `y_val` and `y_test`.

# %% folded="The pictures: five kinds of shapes, or of flowers" tags=["not-graded"]
PER_CLASS = train.budget(  # training images
    smoke=(5,), cpu=(20, 100) if BIG else (20, 100, 500), gpu=(20, 100, 500)
)
SEEDS = train.budget(smoke=1, cpu=1 if BIG else 3, gpu=5)
NUM_VAL, NUM_TEST = train.budget(smoke=(40, 60), cpu=(200, 500), gpu=(200, 500))


def some(labels, per_class, seed=0):
    """Indices of so many images of each class, drawn at random, in random order."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(labels == k))[:per_class] for k in range(5)]
    return rng.permutation(np.concatenate(rows))


if PICTURES == "shapes":
    NAME, CLASSES = "shapes", shapes.TARGET_CLASSES
    counts, options = (5 * PER_CLASS[-1], NUM_VAL, NUM_TEST), {"classes": CLASSES}
    made = [shapes.make(n, size=SIZE, seed=n, **options) for n in counts]
    (x_train, x_val, x_test), (y_train, y_val, y_test), *_ = zip(*made, strict=True)
else:
    found = data.load("flower_photos", size=SIZE)
    NAME, CLASSES = found.name, found.class_names
    rows = some(found.y_train, PER_CLASS[-1])
    x_train, y_train = found.x_train[rows], found.y_train[rows]
    x_val, x_test = np.split(found.x_test[: NUM_VAL + NUM_TEST], [NUM_VAL])
    y_val, y_test = np.split(found.y_test[: NUM_VAL + NUM_TEST], [NUM_VAL])
NAME += ", VGG16 of ImageNet" if BIG else ", our narrow VGG16"
print(f"images: {len(x_train):,} for training, {NUM_VAL} validation, {NUM_TEST} test")

# %% tags=["not-graded"]
shown = sorted(some(y_train, 4), key=y_train.__getitem__)
captions = [CLASSES[label] for label in y_train[shown]]
title = f"The new task, five classes: {NAME.split(',')[0]}"
plots.show(plots.samples(x_train[shown], captions, title=title))

# %% [markdown]
# Every outline comes in any colour, size, place and turn, on grounds with stray lines:
# only the outline tells the class. Guessing reaches 20 %.
#
# ## 3. As the network saw its images
#
# A trained network expects images as it has seen them in training, and VGG16 saw them
# in an odd way: channels in the order **blue, green, red**, and from each the mean of
# ImageNet subtracted, 103.939 (blue), 116.779 (green), 123.68 (red). No division.
# Others want others: MobileNetV2 wants $[-1, 1]$, ResNet50 what VGG16 wants, EfficientNet
# the bytes as they are. A wrong choice raises no error; one pixel tells them apart.
#
# ### Exercise 3: `preprocess` (2 points)
#
# `keras.applications.vgg16.preprocess_input` does it, and has a trap: it changes a float
# array in place, so a cell run twice prepares twice. Write your own, without the trap.

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
check.preprocess(preprocess)

# %% probe="preprocess" says="values, of whole and of floating-point pixels" weight=2
rng = np.random.default_rng(seed)
pixels = rng.integers(0, 256, (4, 5, 6, 3))
[preprocess(pixels[:2].astype("uint8")), preprocess(pixels[2:].astype("float32"))]

# %% probe="preprocess" says="the type, and pixels left as they were" compare="equal"
rng = np.random.default_rng(seed)
given = rng.integers(0, 256, (2, 3, 3, 3)).astype("float32")
kept = given.copy()
kind = str(np.asarray(preprocess(given)).dtype)
again, fresh = (np.asarray(preprocess(images)) for images in (given, kept))
[kind, float(np.abs(again - fresh).max())]

# %% [markdown]
# What does a wrong preparation cost? Ask our own network, with its old classifier of 15
# kinds of shapes. **Predict first.** Order the five preparations below by accuracy.

# %% prediction="preparations"
preparations = ""  # from the best to the worst


# %% tags=["not-graded"]
def accuracy(model, x, labels):
    """Share of right answers, in inference mode."""
    parts = [model(x[k : k + 100], training=False) for k in range(0, len(x), 100)]
    return float(np.mean(np.concatenate(parts).argmax(axis=1) == labels))


old = models.narrow_vgg16(include_top=True)
count = train.budget(smoke=30, cpu=600, gpu=2000)
asked = shapes.make(count, classes=shapes.SOURCE_CLASSES, seed=9)
prepared = {
    "as in training": preprocess(asked.x),
    "channels not reversed": preprocess(asked.x[..., ::-1]),
    "nothing": asked.x.astype("float32"),
    "twice": preprocess(preprocess(asked.x)),
    "divided by 255": asked.x.astype("float32") / 255,
}
reached = {way: accuracy(old, x, asked.y) for way, x in prepared.items()}
look = {"xlabel": "accuracy on its 15 classes", "format": "{:.1%}", "horizontal": True}
look["title"] = f"One network, {count} images prepared in five ways"
plots.show(plots.bars(reached, **look))
print("You predicted:", preparations or "nothing yet")

# %% [markdown]
# With 600 images 99 % are right as in training, and as many with red and blue exchanged;
# 97 % with nothing done, 81 % prepared twice, 7 % divided by 255, as much as guessing:
# every image is a nearly black patch. Colours mean nothing for shapes; on photos their
# order costs more. The mild mistakes are the dangerous ones.
#
# ## 4. Features, computed once
#
# The base gives the same maps for an image in every epoch, as long as its weights stay.
# So compute them **once**, keep them, and train only a small network on them.
#
# ### Exercise 4: `extract` (2 points)


# %% exercise="extract" points=2
def extract(base, prepare, images, batch_size=64):
    """The maps that a trained base gives for images, in their order.

    Args:
        base: a keras.Model from prepared images to maps.
        prepare: function that prepares a batch of images for the base.
        images: uint8 (n, height, width, 3), as they were loaded.
        batch_size: images prepared at a time; as float32 they take four times the
            memory.

    Returns:
        float32 array (n, h, w, channels); row i belongs to image i.
    """
    ### BEGIN SOLUTION
    batches = [
        base.predict_on_batch(prepare(images[start : start + batch_size]))
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(batches)
    ### END SOLUTION


# %% check="extract"
check.extract(extract)

# %% probe="extract"
from cnnlab.teaching import finetuning

finetuning.feature_batches(extract, seed)

# %% tags=["not-graded"]
start = time.perf_counter()
f_train = extract(base, preprocess, x_train)
f_val, f_test = extract(base, preprocess, x_val), extract(base, preprocess, x_test)
print(f"features in {time.perf_counter() - start:.1f} s: {f_train.shape} for training")
print(f"{np.mean(f_train == 0):.0%} of all values are exactly 0")

# %% [markdown]
# Many values are exactly 0, because the last convolution ends in a ReLU: a map answers
# only where its pattern is found. Are these features good for classes that the base has
# never seen? Take an image and look for the nearest others, by pixels and by features.


# %% tags=["not-graded"]
from sklearn.neighbors import KNeighborsClassifier

few = some(y_train, PER_CLASS[:2][-1])
inputs = {
    "pixels": (preprocess(x_train[few]), preprocess(x_val)),
    "features": (f_train[few].mean((1, 2)), f_val.mean((1, 2))),
}
for what, (known, new) in inputs.items():
    known, new = np.reshape(known, (len(known), -1)), np.reshape(new, (len(new), -1))
    neighbours = KNeighborsClassifier(1).fit(known, y_train[few])
    print(
        f"nearest by {what}: of the same class for {neighbours.score(new, y_val):.0%}"
    )

# %% tags=["not-graded"]
queries = [int(np.flatnonzero(y_val == k)[0]) for k in range(3)]
nearest = few[neighbours.kneighbors(new[queries], 4, return_distance=False)]
images = np.concatenate([x_val[queries, None], x_train[nearest]], axis=1)
captions = [CLASSES[k] for k in np.c_[y_val[queries], y_train[nearest]].flat]
title = f"Left an image, then the nearest of {len(few)} by features: {NAME}"
images = images.reshape(-1, *x_val.shape[1:])
plots.show(plots.samples(images, captions, columns=5, title=title))

# %% [markdown]
# For shapes we got 20 % by pixels, no more than guessing, and 90 % by features: no head
# yet, and nearly solved. (For photos of flowers 32 and 26 %: section 8 says why.)
#
# ## 5. Heads
#
# What is left to learn is a small network on those maps, the **head**. Two decisions:
#
# - **How do maps become a vector?** `Flatten` keeps every place of every map apart;
#   *global average pooling* keeps one number per map, and forgets where.
# - **Linear, or with a hidden layer** (an MLP head)?
#
# ### Exercise 5: `build_head` (3 points)


# %% exercise="build_head" points=3 forbid=["cnnlab"]
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
check.build_head(build_head)

# %% probe="build_head"
from cnnlab.teaching import finetuning

finetuning.what_heads_do(build_head, seed)

# %% [markdown]
# Behind VGG16 and for images of 150×150 an MLP head of 64 units has 524,677 parameters
# after Flatten, and 33,157 after pooling. **Predict first.** Four heads, trained on the
# same few features: which generalises best from 20 images of each class, which from 100?

# %% prediction="best_head"
best_head = ""  # linear or MLP, average or flatten? From 20, and from 100?

# %% tags=["not-graded"]
HEAD_EPOCHS, HEAD_RATE = train.budget(smoke=5, cpu=15, gpu=50), 0.01
LOSS = "sparse_categorical_crossentropy"
EAGER = train.budget(smoke=True, cpu=False, gpu=False)  # few steps deserve no graph


def fit_head(pooling, units, rows, seed):
    """A new head, trained on the features of some training images."""
    train.seed(seed)
    head = build_head(f_train.shape[1:], 5, pooling, units)
    rate = HEAD_RATE / 4 if units else HEAD_RATE
    head.compile(keras.optimizers.Adam(rate), LOSS, run_eagerly=EAGER)
    head.fit(f_train[rows], y_train[rows], 32, HEAD_EPOCHS, verbose=0)
    return head


# %% folded="The four heads, from 20 and from 100 images of each class" tags=["not-graded"]
reached = {}
kinds = [("average", None), ("average", 64), ("flatten", None), ("flatten", 64)]
for pooling, units in kinds[:: train.budget(smoke=3, cpu=1, gpu=1)]:
    runs = reached[f"{'MLP' if units else 'linear'}, {pooling}"] = {}
    for n in PER_CLASS[:2]:
        rows = [some(y_train, n, draw) for draw in range(SEEDS)]
        heads = [fit_head(pooling, units, part, k) for k, part in enumerate(rows)]
        runs[f"{n} images per class"] = [accuracy(head, f_val, y_val) for head in heads]
title = f"Heads on features computed once: {NAME}"
ax = plots.bars(reached, ylabel="validation accuracy", format="{:.0%}", title=title)
plots.show(ax)
print("You predicted:", best_head or "nothing yet")

# %% [markdown]
# On shapes the means of all four lie between 91 and 94 %, single runs between 86 and 96 %:
# they differ less than draws of images do. So take the smallest: few images speak for few
# weights, and objects that may be anywhere in the picture for pooling.
#
# ## 6. The base, frozen
#
# For augmentation, for fine-tuning and for use, base and head must be *one* model. In it
# the base is **frozen**: no training step may change its weights. A layer, or a whole
# model, whose attribute `trainable` is False has no `trainable_weights`.
#
# ### Exercise 6: `assemble` (3 points)


# %% exercise="assemble" points=3 forbid=["cnnlab"]
def assemble(base, head):
    """Base and head as one model, the base frozen.

    Args:
        base: a keras.Model from prepared images to maps.
        head: a keras.Model from maps to probabilities.

    Returns:
        A keras.Model with their weights, from images to probabilities, not compiled.
    """
    ### BEGIN SOLUTION
    base.trainable = False
    inputs = keras.Input(base.input_shape[1:])
    return keras.Model(inputs, head(base(inputs, training=False)))
    ### END SOLUTION


# %% check="assemble"
check.assemble(assemble)

# %% probe="assemble" says="outputs, and what a training step changes" weight=2 essential=["outputs", "what a step trains"]
from cnnlab.teaching import finetuning

finetuning.what_a_step_trains(assemble, seed)

# %% probe="assemble" says="batch normalisation stays in inference"
from cnnlab.teaching import finetuning

finetuning.what_a_call_changes(assemble, seed)

# %% [markdown]
# ### What computing once is worth
#
# The same head, trained twice: on the kept features, and behind the frozen base, which
# computes them again in every epoch. **Predict first.** How many times faster is an
# epoch? And which reaches the higher accuracy?

# %% prediction="computed_once"
computed_once = ""  # ... times faster; accuracy: ...

# %% tags=["not-graded"]
EPOCHS = train.budget(smoke=1, cpu=3, gpu=10)


def timed(what, model, x, x_val):
    """Print and give the seconds of an epoch, but the first: it builds Keras' graph."""
    model.compile(keras.optimizers.Adam(HEAD_RATE), LOSS, run_eagerly=EAGER)
    model.fit(x, y_train, 64, verbose=0)
    start = time.perf_counter()
    model.fit(x, y_train, 64, EPOCHS, verbose=0)
    seconds = (time.perf_counter() - start) / EPOCHS
    print(f"{what}: {seconds:.3f} s, accuracy {accuracy(model, x_val, y_val):.3f}")
    return seconds


train.seed(0)
head = build_head(f_train.shape[1:], 5, "average")
once = timed("features kept", head, f_train, f_val)
train.seed(0)
whole = assemble(base, build_head(f_train.shape[1:], 5, "average"))
again = timed("computed each time", whole, preprocess(x_train), preprocess(x_val))
print(f"{again / once:.0f} times faster.")
print("You predicted:", computed_once or "nothing yet")

# %% [markdown]
# With 2,500 shapes we measured 8 times on a busy machine, 18 times on an idle one.
# Computing the features takes about as long as one epoch behind the base, and everything
# after that is nearly free. With VGG16 at full width the base has 60 times the work. The
# accuracy is the same, because it is the same computation. The price: what is kept cannot
# be augmented, and the base not be trained.
#
# ### Batch normalisation moves without a gradient
#
# VGG16 has no batch normalisation; ResNet50 and MobileNetV2 do, and then freezing has a
# second side. No gradient changes the moving means and variances: they follow the
# batches whenever the layer is called in *training mode*, as `fit` does it. A **frozen**
# batch normalisation is always in inference mode. What when it is thawed, for
# fine-tuning? One reads everywhere: build the model with `base(inputs, training=False)`.
#
# Let us call MobileNetV2, with random weights, as `fit` does. `train.thaw` makes layers
# trainable, with `norm=False` all but batch normalisation. **Predict first.** In which of
# three cases do its moving means and variances change?

# %% prediction="which_move"
which_move = ""  # frozen; thawed, its normalisation frozen; thawed, training=False

# %% folded="MobileNetV2 in three cases: do its moving means and variances change?" tags=["not-graded"]
mobilenet = keras.applications.MobileNetV2(
    (32, 32, 3), alpha=0.35, include_top=False, weights=None
)
images, head = keras.Input((32, 32, 3)), build_head((1, 1, 1280), 5, "average")
whole = keras.Model(images, head(mobilenet(images, training=False)))
norms = [la for la in mobilenet.layers if isinstance(la, layers.BatchNormalization)]


def moving():
    """All moving means and variances in one row."""
    pairs = [(norm.moving_mean, norm.moving_variance) for norm in norms]
    return np.concatenate([np.ravel(value.numpy()) for pair in pairs for value in pair])


def drift(case):
    """Print by how much ten batches in training mode change them."""
    before = moving()
    for batch in np.split(x_train[: train.budget(smoke=20, cpu=80, gpu=80)], 10):
        whole(batch[:, :32, :32] / np.float32(127.5) - 1, training=True)
    change = np.linalg.norm(moving() - before) / np.linalg.norm(before)
    print(f"{case:34} {change:6.2%}")


mobilenet.trainable = False
drift("frozen")
train.thaw(mobilenet, norm=False)
drift("thawed, but for its normalisation")
train.thaw(mobilenet)
drift("thawed, built with training=False")
print("You predicted:", which_move or "nothing yet")

# %% [markdown]
# The advice fails, at least in Keras 3.15: `fit` calls the model with `training=True`,
# which overrides what was said when it was built ([Keras issue
# 20285](https://github.com/keras-team/keras/issues/20285)). What the base knows of the
# world is replaced by your handful of images, a thousandth per batch in MobileNetV2, a
# hundredth with Keras' default momentum, at any learning rate. What holds in every
# version: **leave batch normalisation frozen**, also when you thaw the layers around it.
#
# ## 7. Two phases
#
# A new head begins with random weights; its first gradients are large and say nothing.
# If they ran into the base, they would spoil it. So:
#
# 1. the head alone, base frozen, until it has converged;
# 2. then block 5 together with the head, with a **much smaller** learning rate: 10 to
#    1,000 times.
#
# Blocks 1 to 4 stay frozen: edges, corners and textures serve every task, and a few
# images could only spoil them. `base.trainable = True` thaws all layers of the base, if it
# was False; each layer has a `name` and a `trainable` of its own.
#
# Keras takes down which weights are trainable when it compiles (to be exact: at the first
# `fit` after `compile`). Freeze or thaw later, and *nothing happens, and nobody says so*,
# until you compile again. (On JAX Keras stops with an error.)
#
# ### Exercise 7: `transfer` (5 points)
#
# `train.fit(model, x, y, validation_data=..., epochs=..., batch_size=16)` trains, shows a
# bar, and gives the history as a dict of lists.


# %% exercise="transfer" points=5 forbid=["cnnlab.train.thaw"]
def transfer(model, base, training, validation, epochs, rates):
    """Train the head, then fine-tune block 5 of the base together with it.

    Args:
        model: from `assemble`, not compiled; its base is frozen.
        base: that base; the names of its layers begin with "block1" to "block5". Should
            it have layers of batch normalisation, they stay frozen.
        training: a pair, prepared images and integer labels.
        validation: another such pair, to be measured after each epoch.
        epochs, rates: pairs, for the first and the second phase.

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
        optimizer = keras.optimizers.Adam(rates[phase])
        loss = "sparse_categorical_crossentropy"
        model.compile(optimizer, loss, metrics=["accuracy"])
        options = {"epochs": epochs[phase], "batch_size": 16}
        history = train.fit(model, *training, validation_data=validation, **options)
        histories.append(history)
    return histories
    ### END SOLUTION


# %% check="transfer"
check.transfer(transfer)

# %% probe="transfer" essential=["first phase trains", "second phase trains", "learning rates"]
from cnnlab.teaching import finetuning

finetuning.what_phases_train(transfer, seed)

# %% [markdown]
# Which weights does a training step move? One step, and a look at all 13 convolutions
# and the head, in four cases.

# %% folded="Which layers does one training step change?" tags=["not-graded"]
from contextlib import suppress

base = load_base(WEIGHTS, SIZE)
model = assemble(base, build_head(f_train.shape[1:], 5, "average"))
kernels = model.weights[::2]
names = [weight.path.split("/")[-2] for weight in kernels[:-1]] + ["head"]


def one_step(*, compiled=True):
    """For each layer, 1 if a training step changes it, else 0."""
    if compiled:
        model.compile(keras.optimizers.SGD(1e-4), LOSS)
    before = [kernel.numpy() for kernel in kernels]
    with suppress(ValueError):  # with which JAX refuses; TensorFlow says nothing
        model.train_on_batch(preprocess(x_train[:8]), y_train[:8])
    pairs = zip(kernels, before, strict=True)
    return [int((kernel.numpy() != old).any()) for kernel, old in pairs]


steps = {"base frozen": one_step()}
train.thaw(base, "block5")
steps["block 5 thawed, not compiled again"] = one_step(compiled=False)
steps["block 5 thawed, compiled again"] = one_step()
train.thaw(base)
steps["all thawed, compiled again"] = one_step()
title = f"1 where one training step changes the layer: {NAME}"
table = {"": np.array([*steps.values()])}
(ax,) = plots.numbers(table, title=title, xlabel="", ylabel="")
ax.set_xticks(range(14), names, rotation=50, ha="right", fontsize=8)
ax.set_yticks(range(4), steps, fontsize=8)
plots.show(ax, alt=f"Rows: {', '.join(steps)}. Columns: convolutions, then the head.")

# %% [markdown]
# The second row is the trap: no error, no warning, nothing happens. Now in earnest.
# **Predict first.** By how many points does fine-tuning raise the validation accuracy?

# %% prediction="gained"
gained = ""  # ... points

# %% tags=["not-graded"]
tune = some(y_train, PER_CLASS[:2][-1])
phases = train.budget(smoke=(2, 1), cpu=(8, 6), gpu=(20, 20))  # epochs
validation = preprocess(x_val), y_val


def last_accuracy(run):
    """On the validation images; not a number, if your transfer does not measure it."""
    return run.get("val_accuracy", [np.nan])[-1]


train.seed(0)
base = load_base(WEIGHTS, SIZE)
tuned = assemble(base, build_head(f_train.shape[1:], 5, "average"))
training = preprocess(x_train[tune]), y_train[tune]
first, second = transfer(tuned, base, training, validation, phases, (HEAD_RATE, 1e-4))
joined = {key: first[key] + second[key] for key in first}
title = f"The head, then block 5 with it: {len(tune)} images, {NAME}"
axes = plots.curves(joined, title=title)
for ax in axes:
    plots.reference(ax, marks={"fine-tuning starts": phases[0] + 0.5})
plots.show(axes)
before, after = map(last_accuracy, (first, second))
print(f"validation accuracy {before:.3f}, after fine-tuning {after:.3f}")
print("You predicted:", gained or "nothing yet")

# %% [markdown]
# With 500 shapes, drawn five times, we got 92 to 93 % before and 91.5 to 97.5 % after: four
# times a gain, once a point less. How small must the second learning rate be? Each rate
# starts from the base as it was, and from 20 images per class.

# %% tags=["not-graded"]
RATES = train.budget(
    smoke=(1e-4,),
    cpu=(1e-5, 1e-2) if BIG else (1e-5, 1e-4, 1e-3, 1e-2),
    gpu=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
)
phases = train.budget(smoke=(1, 1), cpu=(6, 5), gpu=(20, 20))  # epochs
sweep = some(y_train, PER_CLASS[0])
training = preprocess(x_train[sweep]), y_train[sweep]


def tune_at(rate, seed):
    """Validation accuracy after the head alone, and after fine-tuning at a rate."""
    train.seed(seed)
    base = load_base(WEIGHTS, SIZE)
    model = assemble(base, build_head(f_train.shape[1:], 5, "average"))
    runs = transfer(model, base, training, validation, phases, (HEAD_RATE, rate))
    return [last_accuracy(run) for run in runs]


runs = np.array([[tune_at(rate, s) for s in range(min(SEEDS, 2))] for rate in RATES])
look = {"xlabel": "learning rate of the second phase", "ylabel": "validation accuracy"}
look["title"] = f"Fine-tuning from {len(sweep)} images: {NAME}"
look["levels"] = {"head alone": runs[..., 0].mean()}
ax = plots.lines(RATES, {"after fine-tuning": runs[..., 1]}, log="x", **look)
ax.set_ylim(0, 1)
plots.show(ax)

# %% [markdown]
# For shapes, drawn four times, we got 91 to 93, 93 to 94, 88 to 95 and 59 to 65 % at the
# four rates, the head alone 91 to 94 %. There is little to win, and much to lose.

# %% [markdown] question="why_two_phases" title="Why two phases" points=2
# Why is the head trained alone first, and why must the learning rate of the second phase
# be small? Use your figure: what happens at the largest rate, and what is lost then that
# no further training on these images brings back?
#
# ### BEGIN SOLUTION
# *1 point:* the gradients of a random head are large and say nothing of good features
# (half); through block 5 they destroy what it knows, so first the head must be one whose
# errors mean something (half).
#
# *1 point:* at the largest rate validation accuracy falls below that of the head alone
# (half; whoever has another figure says what it shows); what is lost is what the base
# learned from many thousand images (16,000; 1.28 million for ImageNet), and so few cannot
# teach it again: they are learned by heart instead (half).
# ### END SOLUTION

# %% [markdown]
# ## 8. From scratch, or transferred?
#
# Now the question of the lab. The same five classes, 20, 100 and 500 images of each, and
# two ways: the network of the base from random weights (with batch normalisation, without
# which a VGG this deep hardly begins to learn), and the cheapest kind of transfer, a
# linear head on features. They are judged on test images, not used so far; each run is
# repeated with other images and other random weights. **Predict first.** How many images
# per class does it take from scratch to reach what transfer reaches with 20?

# %% prediction="images_from_scratch"
images_from_scratch = ""  # ... per class

# %% folded="A linear head on features, and a network from scratch, each trained anew" tags=["not-graded"]
from cnnlab.teaching.probes import unchanged

SCRATCH_EPOCHS = train.budget(
    smoke={5: 1}, cpu={20: 6, 100: 4, 500: 3}, gpu={20: 100, 100: 60, 500: 40}
)
DEPTH = train.budget(smoke=(1, 1, 1, 1, 1), cpu=REPEATS, gpu=REPEATS)
WIDTH = 1 / 8 if not BIG else train.budget(smoke=1 / 8, cpu=1 / 8, gpu=1)


def network():
    """The network of the base with random weights and batch normalisation, and a head."""
    options = {"include_top": False, "width": WIDTH, "batch_norm": True}
    body = models.vgg(DEPTH, (SIZE, SIZE, 3), **options)
    return keras.Sequential([body, build_head(body.output_shape[1:], 5, "average")])


scratch, optimizer = network(), keras.optimizers.Adam(2e-3)
scratch.compile(optimizer, LOSS, run_eagerly=EAGER)  # once: its graph takes seconds
optimizer.build(scratch.trainable_variables)


def from_scratch(n, seed):
    """Test accuracy of a network that starts from random weights."""
    train.seed(seed)
    rows = some(y_train, n, seed)
    with unchanged(scratch):  # on leaving, weights and optimizer are as before
        scratch.set_weights(network().get_weights())
        x, y = preprocess(x_train[rows]), y_train[rows]
        scratch.fit(x, y, 32, SCRATCH_EPOCHS[n], verbose=0)
        return accuracy(scratch, preprocess(x_test), y_test)


def linear(n, seed):
    """Test accuracy of a linear head on features."""
    rows = some(y_train, n, seed)
    return accuracy(fit_head("average", None, rows, seed), f_test, y_test)


results = {
    "linear head": [[linear(n, s) for s in range(SEEDS)] for n in PER_CLASS],
    "from scratch": [[from_scratch(n, s) for s in range(SEEDS)] for n in PER_CLASS],
}

# %% tags=["not-graded"]
look = {"xlabel": "training images per class", "ylabel": "test accuracy"}
look["title"] = f"Linear head or from scratch: {NAME}"
ax = plots.lines(PER_CLASS, results, log="x", levels={"guessing": 0.2}, **look)
ax.set_ylim(0, 1)
plots.show(ax)
print("You predicted:", images_from_scratch or "nothing yet")

# %% [markdown]
# What to expect at the `cpu` budget, means of three draws, measured twice:
#
# | images per class | 20 | 100 | 500 |
# |---|---|---|---|
# | shapes: linear head on our narrow VGG16 | 93-95 % | 95-96 % | 96-97 % |
# | shapes: from scratch, 6, 4 and 3 epochs | 20 % | 20-21 % | 22-24 % |
# | flower photos: linear head on our narrow VGG16 | 31 % | 32 % | 36 % |
# | flower photos: from scratch, 6, 4 and 3 epochs | 20-22 % | 27-28 % | 44-51 % |
#
# Features serve tasks that are like those they were learned for. A base that has seen
# flat shapes helps with 20 photos of flowers, and loses to scratch with 500. (Choose
# `PICTURES = "flowers"` in section 2 and see; lab 5 asks which block knows most.)
#
# ## Go further, without points
#
# - **Keep more.** Fine-tune block 5 on kept maps of block4_pool: how much faster is it?
# - **Augment.** Put `augment.pipeline("shapes")` before the base: which phase gains?
#
# <details><summary>What the slides say differently</summary>
#
# - Deck 004 gives VGG16 "16 convolutional layers", deck 002 "16 to 19": it has 13, and
#   VGG19 has 16; the numbers in the names count the dense layers, too.
# - Deck 002 gives a pooling layer 65,664 parameters, and so ends at 138,423,208: a
#   pooling has none, and the sum is 138,357,544.
# - Deck 003 has "24M × 4 bytes ≈ 96 MB" of maps; its own lines sum to 15.2M, 61 MB.
# - Deck 003 trains VGG16 on 16 million images: ImageNet's 1.28 million were taken from them.
#
# </details>
