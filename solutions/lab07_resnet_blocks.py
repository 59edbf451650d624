# ---
# jupyter:
#   cnnlab:
#     title: Residual blocks
# ---

# %% [markdown]
# # Residual blocks
#
# *Lab 7. About two hours, of which a laptop computes for less than three minutes. 20
# points.*
#
# At the end you can
#
# 1. build plain and residual blocks, with both kinds of shortcut, and networks of any
#    depth from them;
# 2. count what depth and what a shortcut costs;
# 3. show that a deeper plain network has the higher *training* loss, and that the same
#    layers with shortcuts have not;
# 4. measure the gradient in every layer, and say what batch normalisation does to it,
#    and what the shortcut does;
# 5. take a block out of a trained network, and say what that tells.
#
# **Before you start:** labs 3 (batch normalisation, initialisation) and 4.
#
# **Slides:** deck 000, "ResNet Architecture"; deck 001, "ResNet Block", "ResNet Block -
# Properties", "ResNet"; deck 002, "ResNet"; deck 003, "ResNet"; deck 004, "ResNet
# Architecture". The paper is K. He, X. Zhang, S. Ren, J. Sun, *Deep Residual Learning
# for Image Recognition*, CVPR 2016: eight pages that are easy to read.
#
# **How it works.** Replace each `raise NotImplementedError(...)` by your answer. The
# check below it prints a tick, or says what is wrong and gives a hint; run it again for
# the next hint. The other cells are there to be read, run and played with.

# %%
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
from cnnlab import blocks, data, models, plots, train
from cnnlab.checks.residual import (
    planned,
    sound_network,
    sound_plain_block,
    sound_residual_block,
    sound_shortcut,
    tried,
)
from cnnlab.teaching.check import (
    Failure,
    check,
    close,
    equal,
    forbid,
    recognise,
    to_numpy,
)
from cnnlab.teaching.probes import behaviour, fixed_weights
from keras import layers

train.seed(0)

# %% [markdown]
# ## 1. Deeper must not be worse
#
# Take a network that has been trained, and put one more layer into it, one that gives
# back what it gets. The deeper network is as good as the first. So the best deep
# network is at least as good as the best shallow one: *deeper cannot be worse*, if only
# training finds it. Does it? This lab lets networks of 20 and of 56 layers learn the
# same images.
#
# The images are those of CIFAR-10 where it can be had, otherwise coloured shapes in
# their place; the line printed says which. On a laptop they are made smaller, 16×16
# pixels, and few, so that 56 layers can be trained in a minute.

# %% tags=["not-graded"]
cifar = data.load("cifar10")
SIZE = train.budget(smoke=8, cpu=16, gpu=32)
COUNT = train.budget(smoke=32, cpu=2000, gpu=45_000)


def small(images):
    """Bytes (n, 32, 32, 3) as (n, SIZE, SIZE, 3), 0 to 1: means of squares."""
    f = 32 // SIZE
    shape = (len(images), SIZE, f, SIZE, f, 3)
    return images.reshape(shape).mean(axis=(2, 4), dtype="float32") / 255


x_train, y_train = small(cifar.x_train[:COUNT]), cifar.y_train[:COUNT]
x_test, y_test = small(cifar.x_test[:COUNT]), cifar.y_test[:COUNT]
axes = plots.samples(
    x_train[:10],
    [cifar.class_names[label] for label in y_train[:10]],
    title=f"{cifar.name}: ten images of {SIZE}×{SIZE} pixels, and their classes",
    columns=10,
)
plots.show(axes, alt="Ten small colour images with the names of their classes.")

MEAN, STD = x_train.mean(axis=(0, 1, 2)), x_train.std(axis=(0, 1, 2))
x_train, x_test = (x_train - MEAN) / STD, (x_test - MEAN) / STD
print(f"{cifar.name}: {x_train.shape} for training, {x_test.shape} for testing")

# %% [markdown]
# ## 2. A plain block
#
# *Deck 000, "Residual Block".* Every block below has two 3×3 convolutions:
#
# $$F(x) = \text{BN}(W_2 * \text{ReLU}(\text{BN}(W_1 * x))), \qquad
# \text{plain block: } y = \text{ReLU}(F(x)).$$
#
# (BN is batch normalisation. Deck 001 leaves it out of its formulas, and puts a max
# pooling into one of its blocks; He and his colleagues have BN after every convolution,
# and no pooling: where the map shrinks, $W_1$ has a stride of 2.)
#
# To compare blocks fairly, all convolutions are made in the same way: padded, without
# bias, with He's initialisation (lab 3).


# %%
def convolution(filters, kernel_size=3, strides=1):
    """A new convolution layer, as all blocks of this lab use them."""
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )


# %% [markdown]
# ### Exercise 1: `plain_block` (2 points)
#
# A block is a function: a tensor goes in, layers are called on it, a tensor comes out.
# `convolution(8)(x)` makes a layer and calls it on `x`. How you write it is up to you:
# layer after layer, a `keras.Sequential`, or a `keras.Layer` of your own.


# %% exercise="plain_block" points=2 forbid=["cnnlab", "keras.applications"]
def plain_block(x, filters, strides=1, batch_norm=True):
    """Two 3x3 convolutions, each with batch normalisation and ReLU.

    Args:
        x: maps, a tensor (batch, height, width, channels).
        filters: kernels of both convolutions.
        strides: of the first convolution; the second has 1.
        batch_norm: False leaves out both batch normalisations.

    Returns:
        A tensor (batch, height / strides, width / strides, filters).
    """
    ### BEGIN SOLUTION
    for step in (strides, 1):
        x = convolution(filters, strides=step)(x)
        if batch_norm:
            x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return x
    ### END SOLUTION


# %% check="plain_block"
@check
def plain_block_is_two_convolutions():
    """plain_block() is convolution, BN, ReLU, convolution, BN, ReLU."""
    forbid(plain_block, "cnnlab", "keras.applications")
    sound_plain_block(plain_block)


# %% probe="plain_block"
rng = np.random.default_rng(seed)
a, b, c = (int(n) for n in rng.permutation([3, 4, 5]))


def two_plain(x, filters, strides):
    return plain_block(plain_block(x, filters), filters, strides)


[
    tried(plain_block, (8, 6, a), b, 2, seed),
    tried(partial(plain_block, batch_norm=False), (8, 6, a), c, 1, seed),
    tried(two_plain, (8, 6, a), a, 1, seed),
]

# %% [markdown]
# ## 3. Two shortcuts
#
# A residual block adds its input to what its convolutions give: $F(x) + x$. Where the
# block halves the map and doubles the channels, $x$ does not fit, and the shortcut must
# change it. He et al. (section 3.3) try two ways:
#
# - **A**: keep every second pixel of every second row, drop the others, and add
#   channels of zeros behind those of $x$. There is nothing to learn.
# - **B**: a 1×1 convolution with that stride (a **projection**), and batch
#   normalisation. It learns a matrix of channels × filters.
#
# (With option C, *every* shortcut is a projection. It was a little better still, and
# they did not think it worth its parameters.)
#
# ### Exercise 2: `shortcut_a` and `shortcut_b` (3 points)
#
# A tensor can be sliced like an array; `keras.ops.pad(x, ((before, after), ...))` pads
# each axis. There are other ways.


# %% exercise="shortcuts" points=3 forbid=["cnnlab", "keras.applications"]
def shortcut_a(x, filters, strides):
    """Every `strides`-th pixel of x, from the first; channels of zeros are added.

    Args:
        x: maps, a tensor (batch, height, width, channels).
        filters: channels of the result, not fewer than those of x.
        strides: 1, 2, ...

    Returns:
        A tensor (batch, height / strides, width / strides, filters): first the channels
        of x, then zeros.
    """
    ### BEGIN SOLUTION
    x = x[:, ::strides, ::strides]
    return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, filters - x.shape[-1])))
    ### END SOLUTION


def shortcut_b(x, filters, strides):
    """A 1x1 convolution of x with a stride, then batch normalisation.

    Arguments and shape of the result as for shortcut_a.
    """
    ### BEGIN SOLUTION
    return layers.BatchNormalization()(convolution(filters, 1, strides)(x))
    ### END SOLUTION


# %% check="shortcuts"
@check
def shortcut_a_drops_and_pads():
    """shortcut_a() drops pixels and adds zeros, without parameters."""
    forbid(shortcut_a, "cnnlab", "keras.applications")
    sound_shortcut("A", shortcut_a)


# %% check="shortcuts"
@check
def shortcut_b_projects():
    """shortcut_b() is a 1×1 convolution with a stride, then batch normalisation."""
    forbid(shortcut_b, "cnnlab", "keras.applications")
    sound_shortcut("B", shortcut_b)


# %% probe="shortcuts"
rng = np.random.default_rng(seed)
more = [int(n) for n in rng.integers(1, 5, 2)]
np.concatenate(
    [
        tried(shortcut_a, (7, 9, 3), 3 + extra, strides, seed)["outputs"].ravel()
        for extra, strides in zip(more, (2, 3), strict=True)
    ]
)

# %% probe="shortcuts"
tried(shortcut_b, (6, 4, 3), 5, 2, seed)

# %% [markdown]
# ## 4. The residual block
#
# $$y = \text{ReLU}(F(x) + x), \qquad \text{or} \qquad
# y = \text{ReLU}(F(x) + \text{shortcut}(x)) \text{ where shapes differ.}$$
#
# That is all: one addition. The block need not learn what to *make* of $x$, only what
# to *change* in it; and changing nothing is easy, $F = 0$ does it. Two slides say more
# than is true. Deck 002 says that a skip connection learns whether, and how much, to let
# through: that is a *highway network*, which has gates. Here $x$ goes through whole,
# always, and the sum has no weights. Deck 004 says that it adds no computation: it has
# no parameters where it is the identity (the addition costs little), but a projection
# has both.
#
# **Predict first.** Let all kernels be ones, no normalisation, one channel, and all
# pixels of a 4×4 map be 1. What does $F$ give in the corner, on the edge, in the
# centre? And the residual block?
#
# ### Exercise 3: `residual_block` (4 points)
#
# The twin of `plain_block`, with the same two convolutions. The shortcut starts at $x$.
# It is $x$ itself wherever that fits, and `shortcut(x, filters, strides)` elsewhere.


# %% exercise="residual_block" points=4 forbid=["cnnlab", "keras.applications"]
def residual_block(x, filters, strides=1, shortcut=shortcut_a, batch_norm=True):
    """Two 3x3 convolutions beside a shortcut.

    Args:
        x: maps, a tensor (batch, height, width, channels).
        filters: kernels of both convolutions.
        strides: of the first convolution; the second has 1.
        shortcut: called as shortcut(x, filters, strides), only where F(x) has another
            shape than x.
        batch_norm: False leaves out the batch normalisations of F.

    Returns:
        A tensor (batch, height / strides, width / strides, filters).
    """
    ### BEGIN SOLUTION
    y = convolution(filters, strides=strides)(x)
    if batch_norm:
        y = layers.BatchNormalization()(y)
    y = layers.ReLU()(y)
    y = convolution(filters)(y)
    if batch_norm:
        y = layers.BatchNormalization()(y)
    if y.shape != x.shape:
        x = shortcut(x, filters, strides)
    return layers.ReLU()(layers.Add()([y, x]))
    ### END SOLUTION


# %% check="residual_block"
@check
def residual_block_is_he_et_als():
    """residual_block() is ReLU(F(x) + shortcut)."""
    forbid(residual_block, "cnnlab", "keras.applications")
    sound_residual_block(residual_block)


# %% check="residual_block"
@check
def residual_block_of_ones():
    """A residual_block() of ones gives 26 in the corner, 41 and 65 elsewhere."""
    inputs = keras.Input((4, 4, 1))
    block = keras.Model(inputs, residual_block(inputs, 1, batch_norm=False))
    for weight in block.weights:
        weight.assign(np.ones(weight.shape))
    y = to_numpy(block(np.ones((1, 4, 4, 1), "float32")))[0, ..., 0]
    hint = "Work F out on paper first; then add x, and take the ReLU."
    close((y[0, 0], y[0, 1], y[1, 1]), (26, 41, 65), "corner, edge, centre", hint)


# %% probe="residual_block"
rng = np.random.default_rng(seed)
a, b, c = (int(n) for n in rng.permutation([3, 4, 5]))


def other(x, filters, strides):
    return layers.Conv2D(filters, 2, strides=strides, padding="same")(x)


block = partial(residual_block, shortcut=other)


def two_blocks(x, filters, strides):
    return block(block(x, filters), filters, strides)


[
    tried(block, (8, 6, a), b, 2, seed),
    tried(partial(block, batch_norm=False), (8, 6, a), c, 1, seed),
    tried(partial(block, batch_norm=False), (8, 6, a), a, 1, seed),
    tried(two_blocks, (8, 6, a), a, 1, seed),
]

# %% tags=["not-graded"]
inputs = keras.Input((4, 4, 1))
both = [block(inputs, 1, batch_norm=False) for block in (plain_block, residual_block)]
ones = keras.Model(inputs, both)
for weight in ones.weights:
    weight.assign(np.ones(weight.shape))
x = np.ones((1, 4, 4, 1), "float32")
panels = {"x": x, "plain block": ones(x)[0], "residual block": ones(x)[1]}
figure, axes = plt.subplots(1, 3, figsize=(8, 3), layout="constrained")
for ax, (name, values) in zip(axes, panels.items(), strict=True):
    values = to_numpy(values)[0, ..., 0]
    ax.imshow(values, cmap="Blues", vmin=0, vmax=130)
    for (row, column), value in np.ndenumerate(values):
        ax.text(column, row, f"{value:.0f}", ha="center", va="center")
    ax.set(title=name, xlabel="column (pixels)", xticks=range(4), yticks=range(4))
axes[0].set_ylabel("row (pixels)")
figure.suptitle(
    "All weights 1: the shortcut adds x, and nothing else",
    x=0.01,
    ha="left",
    fontsize=11,
    fontweight="bold",
)
plots.show(
    axes,
    alt="Three 4 by 4 maps of numbers. x is 1 everywhere. The plain block gives 25 in "
    "the corners, 40 on the edges, 64 in the centre; the residual block 26, 41, 65.",
)

# %% [markdown]
# ## 5. What it costs
#
# A batch normalisation learns two values per channel, $\gamma$ and $\beta$ (its moving
# mean and variance are stored, but not learned). A convolution without bias has
# $f \cdot f \cdot c \cdot N$ weights.
#
# ### Exercise 4: `by_hand` (2 points)
#
# Count on paper; nothing is to be built. The networks of the next section have one
# convolution, three stages of $n$ blocks, and one dense layer; only convolutions (not
# those of shortcuts) and dense layers count for the depth.


# %% exercise="by_hand" points=2 forbid=["cnnlab", "keras"]
def by_hand():
    """What blocks and networks cost, counted on paper.

    Returns:
        A dict of

        "identity": trainable parameters of a residual block from 64 to 64 channels;
        "A", "B": of one from 64 to 128 channels with a stride of 2, with shortcut A, B;
        "shape": what the last two give, from maps (32, 32, 64);
        "depth": of a network with n = 18;
        "blocks": of a network of 56 layers, all stages together.
    """
    ### BEGIN SOLUTION
    return {
        "identity": 73_984,
        "A": 221_696,
        "B": 230_144,
        "shape": (16, 16, 128),
        "depth": 110,
        "blocks": 27,
    }
    ### END SOLUTION


# %% check="by_hand"
@check
def counted_by_hand():
    """by_hand() has all six right."""
    mine = by_hand()
    inputs = keras.Input((32, 32, 64))
    wide = {
        name: keras.Model(inputs, blocks.basic(inputs, filters, strides, shortcut=kind))
        for name, filters, strides, kind in (
            ("identity", 64, 1, "A"),
            ("A", 128, 2, "A"),
            ("B", 128, 2, "B"),
        )
    }
    if not isinstance(mine, dict) or set(mine) != {*wide, "shape", "depth", "blocks"}:
        raise Failure("by_hand() must return a dict with the six names.")
    for name, model in wide.items():
        right = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
        if mine[name] == model.count_params() != right:
            raise Failure(
                f'"{name}": that counts the moving mean and variance too.',
                "They are not learned: a normalisation has 2 trainable values a map.",
            )
        if mine[name] != right:
            raise Failure(
                f'"{name}": {mine[name]} is not right.',
                "Two convolutions, and a normalisation after each."
                + " And a 1×1 convolution with its normalisation." * (name == "B"),
                "3 * 3 * channels * filters, with the channels that this one sees; "
                "2 * filters for each normalisation.",
            )
    equal(
        list(np.ravel(mine["shape"])),
        list(wide["A"].output_shape[1:]),
        '"shape"',
        "A stride of 2 halves height and width.",
    )
    why = (
        "Count what has weights on the way from image to answer: one convolution, "
        "two for each of 3n blocks, one dense layer.",
        "depth = 2 * 3n + 2",
    )
    for name, right in (("depth", 6 * 18 + 2), ("blocks", (56 - 2) // 2)):
        if mine[name] != right:
            raise Failure(f'"{name}": {mine[name]} is not right.', *why)


# %% probe="by_hand" compare="equal"
mine = by_hand()
counts = [mine.get(name, -1) for name in ("identity", "A", "B", "depth", "blocks")]
[*counts, np.ravel(mine.get("shape", -1))]

# %% [markdown]
# The identity costs nothing: the plain block from 64 to 64 channels has as many
# parameters as the residual one.
#
# ## 6. Networks of any depth
#
# *He et al., section 4.2.* The networks for CIFAR-10:
#
# | part | what it does | maps, for 32×32 images |
# |---|---|---|
# | begin | convolution 3×3, `filters`; BN; ReLU | 32×32×16 |
# | stage 1 | $n$ blocks, `filters` | 32×32×16 |
# | stage 2 | $n$ blocks, $2\times$ `filters`; the first has a stride of 2 | 16×16×32 |
# | stage 3 | $n$ blocks, $4\times$ `filters`; the first has a stride of 2 | 8×8×64 |
# | end | global average pooling, dense, softmax | 10 |
#
# ### Exercise 5: `network` (3 points)
#
# Depth is a number here, so write loops. Call `block(x, filters, strides)`; whoever
# calls `network` says which block that is.


# %% exercise="network" points=3 forbid=["cnnlab", "keras.applications"]
def network(
    block,
    depth,
    filters=16,
    input_shape=(32, 32, 3),
    num_classes=10,
    batch_norm=True,
):
    """A network of three stages of blocks.

    Args:
        block: a function, called as block(x, filters, strides).
        depth: 6n + 2, for n blocks in each stage.
        filters: kernels of the first convolution and of stage 1.
        input_shape: (height, width, channels) of the images.
        num_classes: outputs.
        batch_norm: False leaves out the batch normalisation of the first convolution.

    Returns:
        A new keras.Model, not compiled: images (n, height, width, channels) ->
        probabilities (n, num_classes).
    """
    ### BEGIN SOLUTION
    inputs = keras.Input(input_shape)
    x = convolution(filters)(inputs)
    if batch_norm:
        x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    for stage in range(3):
        for index in range((depth - 2) // 6):
            strides = 2 if stage > 0 and index == 0 else 1
            x = block(x, filters * 2**stage, strides)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))
    ### END SOLUTION


# %% check="network"
@check
def network_has_three_stages():
    """network() has three stages of blocks, a beginning and an end."""
    forbid(network, "cnnlab", "keras.applications")
    sound_network(network)


# %% probe="network" compare="equal"
rng = np.random.default_rng(seed)
[
    np.array(planned(network, 6 * int(n) + 2, int(filters)))
    for n, filters in zip(rng.permutation([1, 2, 4]), (3, 4, 5), strict=True)
]

# %% probe="network" weight=2
x = np.random.default_rng(seed).standard_normal((4, 8, 12, 2)).astype("float32")
small_one = {"filters": 4, "input_shape": (8, 12, 2), "num_classes": 6}
plain = partial(blocks.basic, shortcut=None)
[
    behaviour(network(plain, 8, batch_norm=bn, **small_one), x, seed)
    for bn in (True, False)
]

# %% [markdown]
# The published size, and yours: He et al. say 0.27 million parameters for 20 layers,
# and 0.85 million for 56. (`count_params` also counts the moving averages.)

# %% tags=["nbval-check-output", "not-graded"]
kinds = {
    "plain": plain_block,
    "residual, A": residual_block,
    "residual, B": partial(residual_block, shortcut=shortcut_b),
}
for name, kind in kinds.items():
    weights = network(kind, 20).trainable_weights
    count = sum(int(np.prod(weight.shape)) for weight in weights)
    print(f"20 layers, {name}: {count:,} trainable parameters")
# -> 20 layers, plain: 269,722 trainable parameters
# -> 20 layers, residual, A: 269,722 trainable parameters
# -> 20 layers, residual, B: 272,474 trainable parameters

# %% [markdown]
# ## 7. Plain against residual
#
# Four networks: 20 and 56 layers, plain and residual, with batch normalisation, half as
# wide as the paper's on a laptop. All see the same images in the same number of steps.
# At the `gpu` budget it is the paper's own experiment: 32×32 images that are shifted
# and flipped, 16 filters, SGD with momentum 0.9 and a learning rate of 0.1 that is
# divided by 10 after 32,000 and 48,000 of 64,000 steps of 128 images.
#
# **Predict first.** Which of the four has the lowest *training* loss, and which the
# highest? Write it down, then run.

# %%
prediction = "From the lowest to the highest training loss: ..."

# %% tags=["not-graded"]
DEPTHS = train.budget(smoke=(8,), cpu=(20, 56), gpu=(20, 56))
FILTERS = train.budget(smoke=4, cpu=8, gpu=16)
EPOCHS = train.budget(smoke=1, cpu=6, gpu=182)
BATCH_SIZE = train.budget(smoke=32, cpu=64, gpu=128)
IS_PAPERS = train.budget(smoke=False, cpu=False, gpu=True)
histories = {}


def as_one_layer(block):
    """The same block, as one layer of the network: section 9 takes some out."""

    def wrapped(x, filters, strides):
        inputs = keras.Input(x.shape[1:])
        return keras.Model(inputs, block(inputs, filters, strides))(x)

    return wrapped


def optimizer():
    """Adam on a laptop; the paper's schedule where there is time for it."""
    if not IS_PAPERS:
        return keras.optimizers.Adam(0.002)
    steps, rates = [32_000, 48_000], [0.1, 0.01, 0.001]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(steps, rates)
    # the paper's decay of 1e-4 goes through the momentum, which makes it 10 times that
    return keras.optimizers.SGD(schedule, momentum=0.9, weight_decay=1e-3)


def moved_about(model):
    """The model behind random flips and shifts by up to 4 of 32 pixels."""
    by = {"fill_mode": "constant", "interpolation": "nearest"}
    steps = [
        layers.RandomFlip("horizontal"),
        layers.RandomTranslation(0.125, 0.125, **by),
    ]
    return keras.Sequential([keras.Input(model.input_shape[1:]), *steps, model])


def run(name, block, depth):
    """Build and train a network from the same seed; keep its history."""
    train.seed(1)
    model = network(as_one_layer(block), depth, FILTERS, x_train.shape[1:])
    taught = moved_about(model) if IS_PAPERS else model
    taught.compile(
        optimizer(),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=len(x_train) < 100,  # so few steps are not worth a graph
    )
    histories[name] = train.fit(
        taught, x_train, y_train, epochs=EPOCHS, batch_size=BATCH_SIZE
    )
    return model


trained = {}
for depth in DEPTHS:
    for name, block in (("plain", plain_block), ("residual", residual_block)):
        trained[f"{name} {depth}"] = run(f"{name} {depth}", block, depth)

# %% tags=["not-graded"]
axes = plots.curves(
    histories,
    measures=("loss",),
    title=f"{cifar.name}: training loss; dashed: plain, solid: residual",
)
for name, line in zip(histories, axes[0].get_lines()[::2], strict=True):
    line.set_linestyle("--" if name.startswith("plain") else "-")
axes[0].figure.set_size_inches(7, 4)
axes[0].set_ylabel("training loss (nats)")
axes[0].axhline(np.log(10), color="0.6", linewidth=1, linestyle=":")
axes[0].annotate(
    "guessing, ln 10",
    (EPOCHS, np.log(10)),
    xytext=(0, 5),
    textcoords="offset points",
    ha="right",
    fontsize=9,
    color="0.35",
)
axes[0].legend(frameon=False)
last = {name: history["loss"][-1] for name, history in histories.items()}
plots.show(
    axes,
    alt="Training loss against the epoch, for four networks. At the end: "
    + ", ".join(f"{name} {loss:.2f}" for name, loss in last.items()),
)
print("You predicted:", prediction)
for name in sorted(last, key=last.get):
    print(f"{name:12}  training loss {last[name]:.3f}")

# %% tags=["not-graded"]
PUBLISHED = {"residual 20": 8.75, "residual 56": 6.97}  # % wrong, He et al., table 6
if IS_PAPERS:
    for name, model in trained.items():
        p = model.predict(x_test, batch_size=500, verbose=0)
        wrong = 100 * np.mean(p.argmax(axis=1) != y_test)
        print(
            f"{name}: {wrong:.2f} % wrong; published: {PUBLISHED.get(name, 'figure 6')}"
        )

# %% [markdown]
# Training losses to expect after the six epochs of the `cpu` budget:
#
# | data | plain 20 | plain 56 | residual 20 | residual 56 |
# |---|---|---|---|---|
# | shapes, the stand-in | 2.16 | 2.29 | 1.57 | 1.87 |
# | CIFAR-10 | 1.74 | 2.27 | 1.20 | 1.53 |
#
# Guessing gives 2.30: the plain network of 56 layers has learned next to nothing. That
# the residual 56 is not ahead of the residual 20 is no degradation yet: six epochs are
# short, and it begins with a large loss. (Three seeds, fewer images and 20 layers gave
# 2.19 to 2.25 for plain and 1.71 to 1.95 for residual networks: no overlap.)
#
# The paper trains for 64,000 steps, on all images. It reports these test errors for its
# residual networks: 8.75 % for 20 layers, 7.51 % for 32, 7.17 % for 44, 6.97 % for 56
# and 6.43 % for 110; they fall with depth. Its plain networks get worse with depth, in
# training and in testing (its figure 6, on the left), and with 110 layers more than 60 %
# is wrong. That is what the `gpu` budget repeats; it was not measured here.
#
# ### Written question: why is deeper worse? (1 point)

# %% [markdown] question="why_deeper_is_worse" points=1
# The plain network of 56 layers has the higher *training* loss. Why is that not
# over-fitting? Why is it no proof that 56 plain layers are unable to represent what 20
# can? What, then, does the shortcut change?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: over-fitting is a low loss in training and a high one on new
# images; here the training loss itself is high. And 56 layers can do what 20 can, the
# other 36 being the identity: so the solution exists, and the optimiser does not find
# it. Half a point: with a shortcut the identity is what one gets for nothing, F = 0;
# the block learns a correction, and the gradient has a way around every F. "Vanishing
# gradients" alone does not earn it: see section 8.
# ### END SOLUTION

# %% [markdown]
# ### Shortcuts A and B
#
# In a network of 20 layers only two blocks change the shape. Does it matter what their
# shortcuts do?

# %% tags=["not-graded"]
depth = DEPTHS[0]
run(f"residual {depth}, B", partial(residual_block, shortcut=shortcut_b), depth)
for name in (f"residual {depth}", f"residual {depth}, B"):
    print(f"{name:14}  training loss {histories[name]['loss'][-1]:.3f}")

# %% [markdown]
# At the `cpu` budget 1.57 with A and 1.51 with B on the shapes, 1.20 and 1.12 on
# CIFAR-10: about 1 % more parameters, a little lower; with one seed each, that proves
# nothing. He et al. found the same on ImageNet, with 34 layers: A 25.03 %, B 24.52 %, C
# 24.19 % wrong. The shortcut's kind is a detail; that there is one is what counts.
#
# ## 8. The gradient, layer by layer
#
# Decks 000, 003 and 004 explain the degradation by **vanishing gradients**. He et al.
# (section 4.1) doubt it: their plain networks have batch normalisation, and gradients
# of healthy size. That can be measured, before any training, with and without
# shortcuts, with and without batch normalisation.
#
# `train.gradients(model, x, y)` gives the gradient of the loss in every trainable
# weight, in the order of `model.trainable_weights`.
#
# ### Exercise 6: `gradient_norms` (2 points)
#
# For every 3×3 convolution, from the first to the last, the norm of the gradient in its
# kernel: $\sqrt{\sum g^2}$ over all entries $g$. Kernels of 1×1 convolutions, dense
# layers and normalisations are left out.


# %% exercise="gradient_norms" points=2 forbid=["cnnlab.checks.residual"]
def gradient_norms(model, x, y):
    """Norm of the loss's gradient in the kernel of each 3x3 convolution, in order.

    Args:
        model: a classifier.
        x: images (n, height, width, channels).
        y: integer labels (n,).

    Returns:
        Numbers, as many as there are 3x3 convolutions, from the first to the last.
    """
    ### BEGIN SOLUTION
    gradients = train.gradients(model, x, y)
    return [
        np.linalg.norm(gradient)
        for gradient in gradients
        if gradient.ndim == 4 and gradient.shape[:2] == (3, 3)
    ]
    ### END SOLUTION


# %% check="gradient_norms"
@check
def gradient_norms_are_in_order():
    """gradient_norms() gives the norm for each 3×3 kernel, from first to last."""
    inputs = keras.Input((6, 6, 2))
    y = layers.BatchNormalization()(layers.Conv2D(3, 3, activation="relu")(inputs))
    y = layers.Conv2D(3, 1)(layers.Conv2D(4, 3)(y))
    y = layers.Dense(5, activation="softmax")(layers.Flatten()(y))
    model = keras.Model(inputs, y)
    fixed_weights(model)
    x = np.random.default_rng(0).standard_normal((8, 6, 6, 2)).astype("float32")
    labels = np.arange(8) % 5
    found = train.gradients(model, x, labels)
    first, second, narrow = (found[k].astype(float) for k in (0, 4, 6))

    def size(g):
        return (g**2).sum() ** 0.5

    which = "Look at the shapes of the gradients: a 3×3 kernel is (3, 3, channels, N)."
    slips = {
        "This is the sum of the squares, without the root.": (
            (size(first) ** 2, size(second) ** 2),
            "The norm has the unit of the gradient: take the square root.",
        ),
        "This is the mean of the sizes, not the norm.": (
            (np.abs(first).mean(), np.abs(second).mean()),
            "Square, add up, take the root: no mean.",
        ),
        "This is the largest entry, not the norm.": (
            (np.abs(first).max(), np.abs(second).max()),
            "All entries count: square, add up, take the root.",
        ),
        "This is the mean square's root, not the norm.": (
            ((first**2).mean() ** 0.5, (second**2).mean() ** 0.5),
            "Add up, no mean.",
        ),
        "The last layer comes first.": (
            (size(second), size(first)),
            "model.trainable_weights begins at the images.",
        ),
        "The 1×1 convolution is among them.": (
            (size(first), size(second), size(narrow)),
            which,
        ),
        "These are the norms of all weights.": ([size(g) for g in found], which),
        "These are norms of the weights, not of their gradients.": (
            [size(to_numpy(model.trainable_weights[k])) for k in (0, 4)],
            "train.gradients(model, x, y)",
        ),
    }
    received = gradient_norms(model, x, labels)
    recognise(received, slips)
    close(received, (size(first), size(second)), "gradient_norms(...)", which)


# %% probe="gradient_norms"
rng = np.random.default_rng(seed)
model = models.resnet_cifar(8, (8, 8, 3), 5, shortcut="B")
fixed_weights(model, seed)
x = rng.standard_normal((6, 8, 8, 3)).astype("float32")
np.array(gradient_norms(model, x, rng.integers(0, 5, 6)), float)

# %% [markdown]
# **Predict first.** Four networks of 56 layers, as they are initialised. In which of
# them do the first layers get the smaller gradient? In which are all layers alike?

# %%
prediction = "plain: ..., plain with BN: ..., residual: ..., residual with BN: ..."

# %% tags=["not-graded"]
norms = {}
for name, block in (("plain", plain_block), ("residual", residual_block)):
    for batch_norm in (False, True):
        train.seed(2)
        fresh = network(
            partial(block, batch_norm=batch_norm),
            DEPTHS[-1],
            FILTERS,
            x_train.shape[1:],
            batch_norm=batch_norm,
        )
        label = f"{name}, {'with' if batch_norm else 'no'} BN"
        norms[label] = gradient_norms(fresh, x_train[:64], y_train[:64])

figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
looks = (("--", "#56B4E9"), ("--", "#0072B2"), ("-", "#E69F00"), ("-", "#D55E00"))
for (label, values), (line, colour) in zip(norms.items(), looks, strict=True):
    numbers = range(1, len(values) + 1)
    ax.plot(numbers, values, line, color=colour, label=label)
ax.set_yscale("log")
ax.set(xlabel="convolution, from the images to the output", ylabel="gradient norm")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
ax.set_title(
    f"{cifar.name}, {DEPTHS[-1]} layers before training: the gradient in each of them",
    loc="left",
    fontsize=11,
    fontweight="bold",
)
spread = {label: values[0] / values[-1] for label, values in norms.items()}
plots.show(
    ax,
    alt="Gradient norm against the layer, on a logarithmic scale, for four networks. "
    "First layer over last: "
    + ", ".join(f"{label} {ratio:.3g}" for label, ratio in spread.items()),
)
print("You predicted:", prediction)
for label, values in norms.items():
    print(
        f"{label:17}  first {values[0]:8.2g}, middle {values[len(values) // 2]:8.2g}, "
        f"last {values[-1]:8.2g}; first over last {spread[label]:.3g}"
    )

# %% [markdown]
# What there is to see, with 56 layers at the `cpu` budget (first layer, last layer):
#
# | network | shapes | CIFAR-10 |
# |---|---|---|
# | plain, no BN | 0.005, 0.02 | 0.007, 0.02 |
# | plain, with BN | 330, 0.7 | 520, 0.6 |
# | residual, no BN | 11,000, 61,000 | 16,000, 60,000 |
# | residual, with BN | 3.6, 0.7 | 2.9, 0.7 |
#
# - Without either, the gradient is small everywhere: what the images say is lost on the
#   way, and the outputs hardly depend on them.
# - With batch normalisation alone, nothing vanishes. On the contrary: the gradient
#   *grows* towards the images, by about 12 % at each layer, so that no learning rate
#   fits all layers. So He et al. are right, and the slides are not: this plain network
#   learns badly, but not for want of gradient.
# - The shortcut alone carries the gradient to every layer alike. But each sum adds
#   variance, so the activations grow from block to block, and with them the gradient.
# - Together: about 1 everywhere.
#
# Norms at the start do not explain everything. The authors themselves left the question
# open ("we conjecture that the deep plain nets may have exponentially low convergence
# rates"), and deck 000's word "saturated" is not what happens either: the training error
# does not stop falling early, it is higher.
#
# ## 9. A block removed
#
# *Veit, Wilber, Belongie, "Residual networks behave like ensembles of relatively shallow
# networks", 2016.* What happens when a trained network loses a block, without learning
# anew? Blocks that keep the shape can simply be left out.
#
# Every block of the trained networks is one layer of them (`as_one_layer` saw to that),
# and `model.layers` is a chain: each layer takes what the one before it gives.
#
# ### Exercise 7: `without` (2 points)


# %% exercise="without" points=2 forbid=["cnnlab"]
def without(model, layer):
    """A network like `model`, with its trained weights, but without one of its layers.

    Args:
        model: a keras.Model whose layers are a chain, the input layer first.
        layer: one of model.layers, which gives the shape that it takes.

    Returns:
        Another keras.Model; `model` itself stays as it is.
    """
    ### BEGIN SOLUTION
    return keras.Sequential([each for each in model.layers if each is not layer])
    ### END SOLUTION


# %% check="without"
@check
def without_leaves_one_layer_out():
    """without() leaves one layer out, and keeps weights and model."""
    forbid(without, "cnnlab")
    inputs = keras.Input((2,))
    y = inputs
    for k, factor in enumerate((2, 3, 5)):
        y = layers.Dense(2, use_bias=False, name=f"times_{factor}_{k}")(y)
    model = keras.Model(inputs, y)
    for layer, factor in zip(model.layers[1:], (2, 3, 5), strict=True):
        layer.set_weights([factor * np.eye(2)])
    one = np.ones((1, 2), "float32")
    shorter = without(model, model.layers[2])
    if not isinstance(shorter, keras.Model):
        raise Failure(
            f"without() must return a keras.Model. Received: {type(shorter).__name__}."
        )
    received = float(to_numpy(shorter(one))[0, 0])
    gone = "Which layers remain? All of model.layers but this one."
    what = {
        30: ("Nothing was removed.", gone),
        0: ("The layer now gives zeros. It must go, and let everything pass.", gone),
        15: ("The layer before it was removed.", gone, "Compare with `is`."),
        6: ("The layer behind it was removed.", gone, "Compare with `is`."),
        2: ("Everything behind the layer was removed too.", gone),
        5: ("Everything before the layer was removed too.", gone),
        3: ("Only the layer itself is left.", gone),
    }
    if received in what:
        raise Failure(*what[received])
    if received != 10:
        raise Failure(
            f"Layers times 2, 3 and 5, without the second: 1 became {received:g}.",
            "The weights must be those of the trained network, not new ones.",
            "Call the very layers of model.layers, one after the other.",
        )
    if len(model.layers) != 4 or float(to_numpy(model(one))[0, 0]) != 30:
        raise Failure(
            "The model itself was changed.",
            "Make a new one from its layers, and leave it as it is.",
        )


# %% probe="without"
def a_chain(shape=(4, 4, 3)):
    inputs = keras.Input(shape)
    y = layers.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    for _ in range(3):
        start = keras.Input(shape)
        y = keras.Model(start, blocks.basic(start, 3, shortcut=None))(y)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(y)))


rng, chain = np.random.default_rng(seed), a_chain()
filled = [fixed_weights(la, int(rng.integers(1000))) for la in chain.layers[1:]]
x = rng.standard_normal((3, 4, 4, 3)).astype("float32")
shorter = [without(chain, chain.layers[k]) for k in (3, 2, 4)]
np.stack([to_numpy(each(x, training=False)) for each in (*shorter, chain)])

# %% [markdown]
# Both networks of 20 layers train on until they know most of their images, and then
# lose one block each time, the others staying as they are.
#
# **Predict first.** Which accuracy will be left to the plain network, without one of its
# blocks? And to the residual one?

# %%
prediction = "accuracy without one block: plain ..., residual ..."

# %% tags=["not-graded"]
MORE = train.budget(smoke=(), cpu=((0.002, 10), (0.0002, 4)), gpu=())  # rates, epochs
some, truth = x_train[:500], y_train[:500]


def accuracy(model):
    """On some of the training images, which it knows."""
    return float(np.mean(to_numpy(model(some, training=False)).argmax(1) == truth))


pair = {f"{name} {DEPTHS[0]}": 0 for name in ("plain", "residual")}
whole, removed = {}, {}
for name in pair:
    model = trained[name]
    for rate, epochs in MORE:  # a small rate at the end, so that averages settle
        model.optimizer.learning_rate = rate
        train.fit(model, x_train, y_train, epochs=epochs, batch_size=BATCH_SIZE)
    whole[name] = accuracy(model)
    blocks_of = [la for la in model.layers if isinstance(la, keras.Model)]
    keeping = {
        k + 1: block
        for k, block in enumerate(blocks_of)
        if block.input_shape == block.output_shape
    }
    removed[name] = {k: accuracy(without(model, b)) for k, b in keeping.items()}

# %% tags=["not-graded"]
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for name, colour, mark in zip(whole, ("#0072B2", "#D55E00"), ("s", "o"), strict=True):
    ax.axhline(whole[name], color=colour, linestyle="--", linewidth=1.2)
    ax.plot(
        *zip(*removed[name].items(), strict=True),
        mark,
        color=colour,
        label=f"{name}; dashed: whole",
    )
ax.axhline(0.1, color="0.6", linewidth=1, linestyle=":", label="guessing")
ax.set(
    xlabel="block that is removed", ylabel="accuracy, training images", ylim=(0, 1.05)
)
ax.set_xticks(list(removed[name]))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
ax.set_title(
    f"{cifar.name}: one block removed from a trained network",
    loc="left",
    fontsize=11,
    fontweight="bold",
)
lost = {
    name: f"{min(found.values()):.2f} to {max(found.values()):.2f}"
    for name, found in removed.items()
}
said = "; ".join(f"{n}: whole {whole[n]:.2f}, without one {lost[n]}" for n in whole)
plots.show(ax, alt=f"Accuracy against the number of the block removed. {said}.")
print("You predicted:", prediction)
print(said)

# %% [markdown]
# What to expect at the `cpu` budget; 0.10 is guessing:
#
# | data | plain 20: whole | without one block | residual 20: whole | without one block |
# |---|---|---|---|---|
# | shapes, the stand-in | 0.64 | 0.05 to 0.13 | 0.99 | 0.14 to 0.82 |
# | CIFAR-10 | 0.86 | 0.05 to 0.20 | 1.00 | 0.22 to 0.96 |
#
# The plain network guesses, whichever block is gone. The residual one goes on working,
# worse the earlier the block: with 9 blocks each of them matters, and the first one
# most. Veit and his colleagues removed blocks from networks of 110 layers, with 54
# blocks, where hardly any of them is missed.
#
# ### Written question: why does it survive? (1 point)

# %% [markdown] question="why_it_survives" points=1
# What does the layer behind a removed block get, in the plain network and in the
# residual one? Unroll two residual blocks, $y_2 = y_1 + F_2(y_1)$ with $y_1 = x +
# F_1(x)$ (leave the ReLUs out): how many ways lead from $x$ to $y_2$, and how many are
# left when one block is removed?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: in the plain network the next layer gets maps that it has
# never seen, with other meanings; in the residual one they differ from the usual ones by
# one correction F only. Half a point: four ways (through neither, F1, F2, or both; 2 to
# the n for n blocks); half of them, two, are left, so the network acts like an ensemble
# of shallower ones. In the plain network there is one way, and removing cuts it.
# ### END SOLUTION

# %% [markdown]
# ## Go further
#
# Not graded. Take what interests you:
#
# - **Before or after.** He et al.'s second paper ("Identity mappings", 2016) puts BN and
#   ReLU *before* each convolution, and nothing after the addition. Write that block. What
#   is its gradient norm, layer by layer?
# - **Start with nothing.** Set $\gamma = 0$ in the last BN of each block
#   (`gamma_initializer="zeros"`): every block begins as the identity. Does it train
#   faster?
# - **Narrow in the middle.** The *bottleneck* of ResNet-50: 1×1 to a quarter of the
#   channels, 3×3, 1×1 back. Compare its parameters and MACs (`arithmetic.table`) with
#   those of `residual_block`.
# - **How large is the correction?** Draw the standard deviation of $F(x)$ in each block
#   of a trained network, beside that of $x$.
# - **Deeper.** Where do 110 layers begin to be of use?
