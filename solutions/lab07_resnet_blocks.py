# ---
# jupyter:
#   cnnlab:
#     title: Residual blocks
# ---

# %% [markdown]
# # Residual blocks
#
# *Lab 7. About two hours, of which a laptop computes for three minutes. 20 points.*
#
# At the end you can
#
# 1. build plain and residual blocks, with both shortcuts, and networks of any depth;
# 2. count what depth and what a shortcut costs;
# 3. show that a deeper plain network has the higher *training* loss, and that the same
#    layers with shortcuts have not;
# 4. measure the gradient in every layer, and what normalisation and shortcuts do to it;
# 5. take a block out of a trained network, and say what that tells.
#
# **Before you start.** New to Keras? Start with lab 1 and go on in order; lab 4 works
# on its own. This lab takes up batch normalisation and initialisation from lab 3.
#
# **Slides:** deck 000, "ResNet Architecture"; deck 001, "ResNet Block", "ResNet Block -
# Properties", "ResNet"; deck 002, "ResNet"; deck 003, "ResNet"; deck 004, "ResNet
# Architecture". The paper is K. He, X. Zhang, S. Ren, J. Sun, *Deep Residual Learning
# for Image Recognition*, CVPR 2016: eight pages that are easy to read.
#
# **How it works.** Write what is missing where it says `raise NotImplementedError`. Run
# the line below it: a tick means go on, a cross says what is wrong and gives a hint.
# Cells marked "given" are there to be read and run.

# %%
from functools import partial

from cnnlab import data, plots, train
from cnnlab.checks import lab07 as check
from cnnlab.teaching.check import to_numpy

import keras
import numpy as np
from keras import layers

train.start()

# %% [markdown]
# ## 1. Deeper must not be worse
#
# Take a trained network, and put one more layer into it, one that gives back what it
# gets. The deeper network is as good as the first. So the best deep network is at least
# as good as the best shallow one: *deeper cannot be worse*, if only training finds it.
# Does it? Networks of 20 and of 56 layers will learn the same images.
#
# The images are those of CIFAR-10 where it can be had, otherwise coloured shapes. On a
# laptop they are made smaller, 16×16 pixels, and few, so that 56 layers can be trained
# in a minute.

# %% tags=["not-graded"]
cifar = data.load("cifar10")
SIZE = train.budget(smoke=8, cpu=16, gpu=32)  # pixels per side
COUNT = train.budget(smoke=32, cpu=2000, gpu=45_000)


def shrunk(images):
    """Bytes (n, 32, 32, 3) as (n, SIZE, SIZE, 3), 0 to 1: means of squares."""
    f = 32 // SIZE
    shape = (len(images), SIZE, f, SIZE, f, 3)
    return images.reshape(shape).mean(axis=(2, 4), dtype="float32") / 255


x_train, y_train = shrunk(cifar.x_train[:COUNT]), cifar.y_train[:COUNT]
x_test, y_test = shrunk(cifar.x_test[:COUNT]), cifar.y_test[:COUNT]
names = [cifar.class_names[label] for label in y_train[:10]]
title = f"{cifar.name}: ten images of {SIZE}×{SIZE} pixels, and their classes"
plots.show(plots.samples(x_train[:10], names, title=title, columns=10))

mean, std = x_train.mean(axis=(0, 1, 2)), x_train.std(axis=(0, 1, 2))
x_train, x_test = (x_train - mean) / std, (x_test - mean) / std
print(f"{cifar.name}: {x_train.shape} for training, {x_test.shape} for testing")

# %% [markdown]
# ## 2. A plain block
#
# Every block below has two 3×3 convolutions:
#
# $$F(x) = \text{BN}(W_2 * \text{ReLU}(\text{BN}(W_1 * x))), \qquad
# \text{plain block: } y = \text{ReLU}(F(x)).$$
#
# BN is batch normalisation, after every convolution. There is no pooling: where the map
# shrinks, $W_1$ has a stride of 2.
#
# To compare blocks fairly, all convolutions are made alike: padded, without bias, with
# He's initialisation (lab 3).


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
check.plain_block(plain_block)

# %% probe="plain_block"
from cnnlab.teaching.blocks import behaviours

rng = np.random.default_rng(seed)
a, b, c = (int(n) for n in rng.permutation([3, 4, 5]))


def two_plain(x, filters, strides):
    return plain_block(plain_block(x, filters), filters, strides)


behaviours(
    (plain_block, (8, 6, a), b, 2),
    (partial(plain_block, batch_norm=False), (8, 6, a), c, 1),
    (two_plain, (8, 6, a), a, 1),
    seed=seed,
)

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
check.shortcut_a(shortcut_a)

# %% check="shortcuts"
check.shortcut_b(shortcut_b)

# %% probe="shortcuts" says="shortcut A: strides and zeros"
from cnnlab.teaching.blocks import block_behaviour

rng = np.random.default_rng(seed)
more = [int(n) for n in rng.integers(1, 5, 2)]
does = [
    block_behaviour(shortcut_a, (7, 9, 3), 3 + extra, strides, seed)
    for extra, strides in zip(more, (2, 3), strict=True)
]
np.concatenate([each["outputs"].ravel() for each in does])

# %% probe="shortcuts" says="shortcut B: a projection"
from cnnlab.teaching.blocks import block_behaviour

[block_behaviour(shortcut_b, (6, 7, 3), 5, strides, seed) for strides in (2, 3)]

# %% [markdown]
# ## 4. The residual block
#
# $$y = \text{ReLU}(F(x) + x), \qquad \text{or} \qquad
# y = \text{ReLU}(F(x) + \text{shortcut}(x)) \text{ where shapes differ.}$$
#
# That is all: one addition. The block need not learn what to *make* of $x$, only what
# to *change* in it; and changing nothing is easy, $F = 0$ does it. $x$ goes through
# whole, always: the sum has no weights.
#
# ### Exercise 3: `residual_block` (4 points)
#
# Like `plain_block`, with the same two convolutions. The shortcut starts at $x$. It is
# $x$ itself wherever that fits, and `shortcut(x, filters, strides)` elsewhere.


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
check.residual_block(residual_block)

# %% probe="residual_block"
from cnnlab.teaching.blocks import behaviours

rng = np.random.default_rng(seed)
a, b, c = (int(n) for n in rng.permutation([3, 4, 5]))


def other(x, filters, strides):
    return layers.Conv2D(filters, 2, strides=strides, padding="same")(x)


block = partial(residual_block, shortcut=other)


def two_blocks(x, filters, strides):
    return block(block(x, filters), filters, strides)


behaviours(
    (block, (8, 6, a), b, 2),
    (partial(block, batch_norm=False), (8, 6, a), c, 1),
    (partial(block, batch_norm=False), (8, 6, a), a, 2),
    (two_blocks, (8, 6, a), a, 1),
    seed=seed,
)

# %% [markdown]
# **Predict first.** Let all kernels be ones, no normalisation, one channel, and all
# pixels of a 4×4 map be 1. What does the plain block give in the corner, on the edge, in
# the centre? And the residual block?

# %% prediction="blocks_of_ones"
of_plain = ""  # the plain block: corner, edge, centre
of_residual = ""  # the residual block: corner, edge, centre

# %% tags=["not-graded"]
inputs = keras.Input((4, 4, 1))
both = [block(inputs, 1, batch_norm=False) for block in (plain_block, residual_block)]
of_ones = keras.Model(inputs, both)
of_ones.set_weights([np.ones(weight.shape) for weight in of_ones.weights])
x = np.ones((1, 4, 4, 1), "float32")
maps = {"x": x, "plain block": of_ones(x)[0], "residual block": of_ones(x)[1]}
maps = {name: to_numpy(values)[0, ..., 0] for name, values in maps.items()}
plots.show(plots.numbers(maps, title="All pixels of x are 1, and all weights"))
print("You predicted:", of_plain or "nothing yet", "and", of_residual or "nothing yet")

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
check.by_hand(by_hand)

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
check.network(network)

# %% probe="network" says="which blocks are asked for" compare="equal" essential="the blocks of a stage, their filters and strides"
from cnnlab.teaching.blocks import blocks_asked

rng = np.random.default_rng(seed)
[
    attempt(lambda *net: np.array(blocks_asked(network, *net)), 6 * int(n) + 2, filters)
    for n, filters in zip(rng.permutation([1, 2, 4]), (3, 4, 5), strict=True)
]

# %% probe="network" says="the whole network, with and without batch normalisation" weight=2
from cnnlab.teaching.blocks import model_behaviour

small_one = {"filters": 4, "input_shape": (8, 12, 2), "num_classes": 6}


def plain(x, filters, strides=1):
    return layers.Conv2D(filters, 3, strides, "same", activation="relu")(x)


def small(batch_norm):
    return model_behaviour(network(plain, 8, batch_norm=batch_norm, **small_one), seed)


[attempt(small, batch_norm) for batch_norm in (True, False)]

# %% [markdown]
# The published size, and yours: He et al. say 0.27 million parameters for 20 layers.

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
# Four networks: 20 and 56 layers, plain and residual, with batch normalisation. All see
# the same images in the same number of steps; on a laptop they are half as wide as the
# paper's. The `gpu` budget repeats the paper's own experiment.

# %% folded="The paper's own recipe, for the gpu budget" tags=["not-graded"]
IS_PAPERS = train.budget(smoke=False, cpu=False, gpu=True)


def optimizer():
    """Adam on a laptop; the paper's schedule where there is time for it."""
    if not IS_PAPERS:
        return keras.optimizers.Adam(0.002)
    steps, rates = [32_000, 48_000], [0.1, 0.01, 0.001]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(steps, rates)
    # the paper's decay of 1e-4 goes through the momentum, which makes it 10 times that
    return keras.optimizers.SGD(schedule, momentum=0.9, weight_decay=1e-3)


def augmented(model):
    """The paper's: the model behind random flips and shifts by up to 4 of 32 pixels."""
    if not IS_PAPERS:
        return model
    by = {"fill_mode": "constant", "interpolation": "nearest"}
    shift = layers.RandomTranslation(0.125, 0.125, **by)
    inputs = keras.Input(model.input_shape[1:])
    return keras.Sequential([inputs, layers.RandomFlip("horizontal"), shift, model])


# %% tags=["not-graded"]
DEPTHS = train.budget(smoke=(8,), cpu=(20, 56), gpu=(20, 56))
FILTERS = train.budget(smoke=4, cpu=8, gpu=16)
EPOCHS = train.budget(smoke=1, cpu=6, gpu=182)
BATCH_SIZE = train.budget(smoke=32, cpu=64, gpu=128)


def as_one_layer(block):
    """The same block, as one layer of the network: section 9 takes some out."""

    def wrapped(x, filters, strides=1):
        inputs = keras.Input(x.shape[1:])
        return keras.Model(inputs, block(inputs, filters, strides))(x)

    return wrapped


def run(block, depth):
    """Build and train a network from the same seed; return it and its history."""
    train.seed(1)
    model = network(as_one_layer(block), depth, FILTERS, x_train.shape[1:])
    learner = augmented(model)
    learner.compile(
        optimizer(),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=len(x_train) < 100,  # so few steps are not worth a graph
    )
    options = {"epochs": EPOCHS, "batch_size": BATCH_SIZE}
    return model, train.fit(learner, x_train, y_train, **options)


# %% [markdown]
# **Predict first.** Which of the four has the lowest *training* loss, and which the
# highest?

# %% prediction="training_loss"
lowest = ""  # plain or residual, 20 or 56 layers?
highest = ""  # plain or residual, 20 or 56 layers?

# %% tags=["not-graded"]
trained, histories = {}, {}
for depth in DEPTHS:
    for name, block in (("plain", plain_block), ("residual", residual_block)):
        name = f"{name} {depth}"
        trained[name], histories[name] = run(block, depth)

# %% tags=["not-graded"]
ax = plots.lines(
    range(1, EPOCHS + 1),
    {name: history["loss"] for name, history in histories.items()},
    xlabel="epoch",
    ylabel="training loss (nats)",
    title=f"{cifar.name}: four networks learn the same images",
    levels={"guessing, ln 10": np.log(10)},
)
plots.show(ax)
print(f"You predicted: lowest {lowest or 'nothing yet'},", end=" ")
print(f"highest {highest or 'nothing yet'}")
last = {name: history["loss"][-1] for name, history in histories.items()}
for name in sorted(last, key=last.get):
    print(f"{name:12}  training loss {last[name]:.3f}")

# %% folded="At the gpu budget: test errors, yours and published" tags=["not-graded"]
PUBLISHED = {"residual 20": 8.75, "residual 56": 6.97}  # % wrong, He et al., table 6
for name, model in trained.items() if IS_PAPERS else ():
    p = model.predict(x_test, batch_size=500, verbose=0)
    wrong = 100 * np.mean(p.argmax(axis=1) != y_test)
    print(f"{name}: {wrong:.2f} % wrong; published: {PUBLISHED.get(name, 'figure 6')}")

# %% [markdown]
# Training losses to expect after the six epochs of the `cpu` budget:
#
# | data | plain 20 | plain 56 | residual 20 | residual 56 |
# |---|---|---|---|---|
# | shapes, the stand-in | 2.10 to 2.18 | 2.28 to 2.30 | 1.31 to 1.60 | 1.85 to 1.87 |
# | CIFAR-10 | 1.72 to 1.79 | 2.23 to 2.27 | 0.83 to 1.20 | 1.53 to 1.54 |
#
# Guessing gives 2.30: the plain network of 56 layers has learned next to nothing. That
# the residual 56 is not ahead of the residual 20 is no degradation yet: six epochs are
# short, and it begins with a large loss.
#
# The paper trains for 64,000 steps, on all images. The test errors of its residual
# networks fall with depth: 8.75 % for 20 layers, 6.97 % for 56, 6.43 % for 110. Its
# plain networks get worse with depth, in training and in testing (figure 6, on the
# left). (The `gpu` budget was not measured here.)

# %% [markdown] question="why_deeper_is_worse" title="Why is deeper worse?" points=1
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
name = f"residual {DEPTHS[0]}"
with_b = partial(residual_block, shortcut=shortcut_b)
_, histories[f"{name}, B"] = run(with_b, DEPTHS[0])
for each in (name, f"{name}, B"):
    print(f"{each:14}  training loss {histories[each]['loss'][-1]:.3f}")

# %% [markdown]
# At the `cpu` budget runs gave 1.31 to 1.60 with A and 1.51 to 1.78 with B on the
# shapes, 0.83 to 1.20 and 0.93 to 1.21 on CIFAR-10. B has 1 % more parameters and is
# rarely ahead after six epochs. He et al. found it a little better on ImageNet, with 34
# layers: A 25.03 %, B 24.52 % wrong. The shortcut's kind is a detail; that there is one
# is what counts.
#
# ## 8. The gradient, layer by layer
#
# It is often said that **vanishing gradients** make deep networks hard to train, and
# that shortcuts mend it. He et al. (section 4.1) doubt it: their plain networks have
# batch normalisation, and gradients of healthy size. That can be measured, before any
# training, with and without shortcuts, with and without batch normalisation.
#
# `train.gradients(model, x, y)` gives the gradient of the loss in every trainable
# weight, in the order of `model.trainable_weights`.
#
# ### Exercise 6: `gradient_norms` (2 points)
#
# For every 3×3 convolution, from the first to the last, the norm of the gradient in its
# kernel: $\sqrt{\sum g^2}$ over all entries $g$. Kernels of 1×1 convolutions, dense
# layers and normalisations are left out.


# %% exercise="gradient_norms" points=2 forbid=["cnnlab.checks"]
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
check.gradient_norms(gradient_norms)

# %% probe="gradient_norms"
from cnnlab.teaching.probes import fixed_weights

inputs = maps = keras.Input((8, 8, 3))
for filters, side, strides in ((3, 3, 1), (3, 3, 1), (6, 1, 2), (6, 3, 1), (12, 3, 2)):
    maps = layers.Conv2D(filters, side, strides, "same", use_bias=False)(maps)
    maps = layers.ReLU()(layers.BatchNormalization()(maps))
maps = layers.GlobalAveragePooling2D()(maps)
model = keras.Model(inputs, layers.Dense(5, activation="softmax")(maps))
fixed_weights(model, seed)
rng = np.random.default_rng(seed)
x = rng.standard_normal((6, 8, 8, 3)).astype("float32")
np.array(gradient_norms(model, x, rng.integers(0, 5, 6)), float)

# %% [markdown]
# **Predict first.** Four networks of 56 layers, as they are initialised. In which of
# them do the first layers get the smaller gradient? In which are all layers alike?

# %% prediction="gradients"
smaller_first = ""  # plain or residual, with or without BN?
all_alike = ""  # plain or residual, with or without BN?

# %% tags=["not-graded"]
norms = {}
for name, block in (("plain", plain_block), ("residual", residual_block)):
    for batch_norm in (False, True):
        train.seed(2)
        kind = partial(block, batch_norm=batch_norm)
        shape = x_train.shape[1:]
        fresh = network(kind, DEPTHS[-1], FILTERS, shape, batch_norm=batch_norm)
        label = f"{name}, {'with' if batch_norm else 'no'} BN"
        norms[label] = gradient_norms(fresh, x_train[:64], y_train[:64])

ax = plots.lines(
    range(1, DEPTHS[-1]),
    norms,
    xlabel="convolution, from the images to the output",
    ylabel="norm of the gradient",
    title=f"{cifar.name}, {DEPTHS[-1]} layers before training",
    log="y",
)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), edgecolor="none")
plots.show(ax)
print(f"You predicted: smaller {smaller_first or 'nothing yet'},", end=" ")
print(f"alike {all_alike or 'nothing yet'}")
for label, values in norms.items():
    middle = values[len(values) // 2]
    said = f"first {values[0]:8.2g}, middle {middle:8.2g}, last {values[-1]:8.2g}"
    print(f"{label:17}  {said}; first over last {values[0] / values[-1]:.3g}")

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
#   fits all layers. So He et al. are right: this plain network learns badly, but not for
#   want of gradient.
# - The shortcut alone carries the gradient to every layer, within a factor of about six.
#   But each sum adds variance, so the activations grow from block to block, and with
#   them the gradient.
# - Together: about 1 everywhere.
#
# Norms at the start do not explain everything. The authors left the question open: "we
# conjecture that the deep plain nets may have exponentially low convergence rates".
#
# ## 9. A block removed
#
# *Veit, Wilber, Belongie, "Residual networks behave like ensembles of relatively shallow
# networks", 2016.* What happens when a trained network loses a block, without learning
# anew? Blocks that keep the shape can simply be left out.
#
# Every block of the trained networks is one of their layers (`as_one_layer` saw to
# that), and `model.layers` is a chain: each layer takes what the one before it gives.
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
check.without(without)

# %% probe="without"
from cnnlab.teaching.probes import fixed_weights


def a_chain(shape=(4, 4, 3)):
    inputs = keras.Input(shape)
    y = layers.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    for _ in range(3):
        start = keras.Input(shape)
        end = layers.BatchNormalization()(layers.Conv2D(3, 3, padding="same")(start))
        y = keras.Model(start, layers.ReLU()(end))(y)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(y)))


rng, chain = np.random.default_rng(seed), a_chain()
filled = [fixed_weights(la, int(rng.integers(1000))) for la in chain.layers[1:]]
x = rng.standard_normal((3, 4, 4, 3)).astype("float32")
shorter = [without(chain, chain.layers[k]) for k in (3, 2, 4)]
left = len(chain.layers), len(chain.trainable_weights)
[*(to_numpy(each(x, training=False)) for each in (*shorter, chain)), *left]

# %% [markdown]
# Both networks of 20 layers train on until they know most of their images, and then lose
# one block each time.
#
# **Predict first.** Which accuracy will be left to the plain network, without one of its
# blocks? And to the residual one?

# %% prediction="without_a_block"
left_to_plain = ""  # accuracy without one block
left_to_residual = ""  # accuracy without one block

# %% tags=["not-graded"]
MORE = train.budget(smoke=(), cpu=((0.002, 10), (0.0002, 4)), gpu=())  # rates, epochs


def accuracy(model):
    """On some of the training images, which it knows."""
    scores = to_numpy(model(x_train[:500], training=False))
    return float(np.mean(scores.argmax(1) == y_train[:500]))


whole, removed = {}, {}
for name in (f"plain {DEPTHS[0]}", f"residual {DEPTHS[0]}"):
    model = trained[name]
    for rate, epochs in MORE:  # a small rate at the end, so that averages settle
        model.optimizer.learning_rate = rate
        train.fit(model, x_train, y_train, epochs=epochs, batch_size=BATCH_SIZE)
    whole[name] = accuracy(model)
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    keeping = [k for k, b in enumerate(inner) if b.input_shape == b.output_shape]
    removed[name] = [accuracy(without(model, inner[k])) for k in keeping]

# %% tags=["not-graded"]
ax = plots.points(
    [str(k + 1) for k in keeping],
    removed,
    xlabel="block that is removed, from the images to the output",
    ylabel="accuracy, training images",
    title=f"{cifar.name}: one block removed from a trained network",
    levels={"guessing": 0.1} | {f"{name}, whole": whole[name] for name in whole},
)
ax.set_ylim(0, 1.05)
plots.show(ax)
print(f"You predicted: plain {left_to_plain or 'nothing yet'},", end=" ")
print(f"residual {left_to_residual or 'nothing yet'}")
for name, found in removed.items():
    said = f"without one block {min(found):.2f} to {max(found):.2f}"
    print(f"{name}: whole {whole[name]:.2f}, {said}")

# %% [markdown]
# What to expect at the `cpu` budget; 0.10 is guessing:
#
# | data | plain 20: whole | without one block | residual 20: whole | without one block |
# |---|---|---|---|---|
# | shapes, the stand-in | 0.63 to 0.72 | 0.05 to 0.18 | 0.98 to 1.00 | 0.14 to 0.87 |
# | CIFAR-10 | 0.81 to 0.86 | 0.05 to 0.20 | 1.00 | 0.22 to 0.98 |
#
# The plain network guesses, whichever block is gone. The residual one goes on working:
# it misses its first block most and its last one least; between them there is no order
# that holds in every run. With 9 blocks each of them matters. Veit and his colleagues
# removed blocks from networks of 110 layers, with 54 blocks, where hardly any is missed.

# %% [markdown] question="why_it_survives" title="Why does it survive?" points=1
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
#   channels, 3×3, 1×1 back. Compare its cost (`arithmetic.table`) with `residual_block`.
# - **How large is the correction?** Draw the standard deviations of $F(x)$ and of $x$.
#
# <details><summary>What the slides say differently</summary>
#
# - Deck 001, "ResNet Block", has no batch normalisation in its formulas, and a max
#   pooling in one of its blocks. He et al. have BN after every convolution, and where the
#   map shrinks a stride in the first convolution.
# - Deck 002, "ResNet": a skip connection learns whether, and how much, to let through.
#   That is a *highway network*, which has gates; here $x$ goes through whole.
# - Deck 004, "ResNet Architecture": skipping adds no computation. It has no parameters
#   where it is the identity (the addition costs little); a projection has both.
# - Decks 000, 003 and 004 explain the degradation by vanishing gradients, decks 000 and
#   003 by accuracy that is "saturated". With batch normalisation the gradient does not
#   vanish (section 8), and the training error is higher, it does not stop early.
#
# </details>
