# ---
# jupyter:
#   cnnlab:
#     title: What architectures cost
# ---

# %% [markdown]
# # What architectures cost
#
# *Lab 6. About two hours, of which a laptop computes for one minute. 20 points.*
#
# At the end you can
#
# 1. count what a convolution, and a whole network, costs: parameters, multiplications
#    and memory;
# 2. say which layers of VGG16 hold its parameters, and which do its work;
# 3. build what made networks cheaper: Inception blocks with 1×1 reductions, grouped and
#    depthwise separable convolutions;
# 4. choose a network under a budget, and say which ones nobody should choose;
# 5. tell apart what is counted and what is measured: MACs, time, and learning.
#
# **Before you start.** New to Keras? Start with lab 1 and go on in order; lab 4 works
# on its own. This lab takes up output sizes and parameters from lab 1.
#
# **Slides:** deck 002, "AlexNet" and "VGGNet"; deck 003, "Visual Geometry Group (VGG)
# network" and "MobileNet"; deck 001, "VGG16", "Inception Block" and "1×1 convolution".
#
# **How it works.** Write what is missing where it says `raise NotImplementedError`. Run
# the line below it: a tick means go on, a cross says what is wrong and gives a hint.
# Cells marked "given" are there to be read and run.

# %%
import time

from cnnlab import blocks, data, plots, train
from cnnlab.checks import lab06 as check

import keras
import numpy as np
from keras import layers

train.start()

# %% [markdown]
# ## 1. One convolution
#
# A convolution takes maps of $h \times w \times c$ and gives maps of
# $h' \times w' \times N$. Each of its $N$ kernels has $k \times k \times c$ weights and a
# bias, and is applied once at each of the $h' \cdot w'$ places of the **output**:
#
# $$\text{parameters} = (k^2 c + 1) \, N, \qquad \text{MACs} = h' w' \cdot k^2 c \, N.$$
#
# A **MAC**, multiply-accumulate, is one multiplication and one addition. Papers that
# count FLOPs count a MAC as two, or as one: look twice. As most do, we do not count
# adding the bias.
#
# How large the output is depends on stride $s$ and padding, per side of $n$ pixels:
#
# $$\text{valid: } n' = \left\lfloor \frac{n - k}{s} \right\rfloor + 1, \qquad
# \text{same: } n' = \left\lceil \frac{n}{s} \right\rceil.$$
#
# A convolution in $g$ **groups** cuts the input channels into $g$ equal parts, and the
# kernels as well; each kernel sees the $c / g$ channels of its own group only (section 5
# shows it).
#
# ### Exercise 1: `conv_cost` (3 points)


# %% exercise="conv_cost" points=3 forbid=["cnnlab", "keras"]
def conv_cost(
    shape, filters, kernel_size, strides=1, padding="valid", groups=1, use_bias=True
):
    """What a convolution gives, and what it costs for one image.

    Args:
        shape: of its input, (height, width, channels).
        filters: number of kernels.
        kernel_size: side of the kernel, in pixels.
        strides: step of the kernel, the same in both directions.
        padding: "valid" or "same".
        groups: divides the channels and the filters.
        use_bias: whether each kernel has a bias.

    Returns:
        The output's shape (height, width, filters), the number of parameters, and the
        number of MACs: three things, all of whole numbers.
    """
    ### BEGIN SOLUTION
    height, width, channels = shape
    if padding == "same":
        sides = [-(-n // strides) for n in (height, width)]
    else:
        sides = [(n - kernel_size) // strides + 1 for n in (height, width)]
    weights = kernel_size**2 * (channels // groups) * filters
    params = weights + filters * use_bias
    return (*sides, filters), params, sides[0] * sides[1] * weights
    ### END SOLUTION


# %% check="conv_cost"
check.conv_cost(conv_cost)

# %% probe="conv_cost" compare="equal"
from cnnlab.teaching.architectures import parts

h, w, n = (
    int(n) for n in np.random.default_rng(seed).integers([9, 16, 2], [16, 24, 6])
)
parts(
    conv_cost,
    (((h, w, n), n + 3, 3), {}),
    (((w, h, 5), n + 2, 5), {}),
    (((2 * h + 1, 2 * w, n), 6, 4), {"strides": 3}),
    (((3 * w, 2 * h, 2), n, 3), {"strides": 2}),
    (((w, h, n), n + 6, 3), {"padding": "same"}),
    (((2 * h + 1, 2 * w, 3), n, 3), {"padding": "same", "strides": 2}),
    (((h, w, 4 * n), 6 * n, 3), {"groups": 2}),
    (((h, w, 5 * n), 5 * n, 3, 2, "same", 5 * n), {}),
    (((w, h, n), 7 * n, 5), {"use_bias": False}),
    (((w, h, 3 * n), 3 * n, 3), {"groups": 3, "use_bias": False}),
)

# %% [markdown]
# ## 2. A network is a list
#
# Whoever counts forty layers by hand makes a mistake in one of them. Let a network be
# *data*, a list of its layers in order, each with its options:
#
# | kind | options | what it does |
# |---|---|---|
# | `"conv"` | those of `conv_cost` | a convolution |
# | `"pool"` | `size`, `strides` | max pooling, without padding; it has no weights |
# | `"dense"` | `units` | flattens what it gets; every unit sees all of it, and has a bias |
#
# Activations, dropout and flattening cost next to nothing and are left out.

# %% tags=["not-graded"]
LENET5 = [
    ("conv", {"filters": 6, "kernel_size": 5, "padding": "same"}),
    ("pool", {"size": 2, "strides": 2}),
    ("conv", {"filters": 16, "kernel_size": 5}),
    ("pool", {"size": 2, "strides": 2}),
    ("conv", {"filters": 120, "kernel_size": 5}),
    ("dense", {"units": 84}),
    ("dense", {"units": 10}),
]

# %% [markdown]
# ### Exercise 2: `network_cost` (3 points)
#
# Follow the shape from layer to layer. `conv_cost(shape, **options)` hands a dict of
# options on to your function. A pooling slides a window like an unpadded convolution; a
# dense layer from $n$ numbers to $u$ units has $n \cdot u$ weights, and needs each of
# them once.


# %% exercise="network_cost" points=3 forbid=["cnnlab", "keras"]
def network_cost(network, input_shape):
    """What each layer of a network gives and costs, for one image.

    Args:
        network: a list of (kind, options): "conv", "pool" or "dense" and a dict.
        input_shape: (height, width, channels) of the image.

    Returns:
        A list, one entry for each layer: (output shape, parameters, MACs). The shape
        is (height, width, channels), behind a dense layer (units,).
    """
    ### BEGIN SOLUTION
    rows, shape = [], input_shape
    for kind, options in network:
        if kind == "conv":
            row = conv_cost(shape, **options)
        elif kind == "pool":
            size, strides = options["size"], options["strides"]
            height, width = ((n - size) // strides + 1 for n in shape[:2])
            row = (height, width, shape[2]), 0, 0
        else:
            inputs, units = int(np.prod(shape)), options["units"]
            row = (units,), (inputs + 1) * units, inputs * units
        rows.append(row)
        shape = row[0]
    return rows
    ### END SOLUTION


# %% check="network_cost"
check.network_cost(network_cost)

# %% probe="network_cost" compare="equal"
from cnnlab.teaching.architectures import layers_of

rng = np.random.default_rng(seed)
a, b, h, w = (int(n) for n in rng.integers([3, 3, 30, 40], [7, 9, 40, 50]))
strided = {"filters": 2 * a, "kernel_size": 5, "strides": 2, "padding": "same"}
split = {"filters": 4 * b, "kernel_size": 3, "groups": 2, "use_bias": False}
maps = [("conv", strided), ("pool", {"size": 3, "strides": 2})]
maps += [("conv", {"filters": 3 * a, "kernel_size": 3})]
layers_of(
    network_cost,
    (maps, (h, w, 3)),
    ([("conv", split), ("pool", {"size": 2, "strides": 1})], (h, w, 2)),
    ([*maps, ("dense", {"units": a + b})], (w, h, 1)),
    ([("dense", {"units": b}), ("dense", {"units": a})], (a, b, 2)),
)

# %% [markdown]
# LeNet-5 as it is taught today, and AlexNet twice: in one tower, and as it was published,
# on two GPUs. Its second, fourth and fifth convolution were cut in two **groups**: each
# GPU saw the maps in its own memory.


# %% tags=["nbval-check-output", "not-graded"]
def alexnet(groups):
    conv, pool = {"kernel_size": 3, "padding": "same"}, {"size": 3, "strides": 2}
    split = conv | {"groups": groups}
    return [
        ("conv", {"filters": 96, "kernel_size": 11, "strides": 4}),
        ("pool", pool),
        ("conv", split | {"filters": 256, "kernel_size": 5}),
        ("pool", pool),
        ("conv", conv | {"filters": 384}),
        ("conv", split | {"filters": 384}),
        ("conv", split | {"filters": 256}),
        ("pool", pool),
        *[("dense", {"units": n}) for n in (4096, 4096, 1000)],
    ]


def totals(network, shape):
    """Parameters and MACs of all layers together, as a text."""
    _, params, macs = zip(*network_cost(network, shape), strict=True)
    return f"{sum(params):,} parameters, {sum(macs):,} MACs"


print("LeNet-5:", totals(LENET5, (28, 28, 1)))
print("AlexNet, one tower:", totals(alexnet(groups=1), (227, 227, 3)))
print("AlexNet, two groups:", totals(alexnet(groups=2), (227, 227, 3)))
# -> LeNet-5: 61,706 parameters, 416,520 MACs
# -> AlexNet, one tower: 62,378,344 parameters, 1,135,256,096 MACs
# -> AlexNet, two groups: 60,965,224 parameters, 724,406,816 MACs

# %% [markdown]
# ### Exercise 3: `vgg` (1 point)
#
# VGG has five stages. All convolutions of a stage are 3×3, padded ("same"), with 64
# kernels in the first stage, then 128, 256, 512, and 512 again; a 2×2 max pooling with a
# stride of 2 ends each stage. Three dense layers follow, of 4096, 4096 and `num_classes`
# units. VGG16 has `repeats=(2, 2, 3, 3, 3)`.


# %% exercise="vgg" points=1 forbid=["cnnlab", "keras"]
def vgg(repeats, num_classes=1000):
    """The layers of a VGG network, as a list for network_cost.

    Args:
        repeats: how many convolutions each of the five stages has.
        num_classes: units of the last layer.

    Returns:
        A list of (kind, options).
    """
    ### BEGIN SOLUTION
    network = []
    for times, filters in zip(repeats, (64, 128, 256, 512, 512), strict=True):
        options = {"filters": filters, "kernel_size": 3, "padding": "same"}
        network += [("conv", options)] * times
        network.append(("pool", {"size": 2, "strides": 2}))
    return network + [("dense", {"units": n}) for n in (4096, 4096, num_classes)]
    ### END SOLUTION


# %% check="vgg"
check.vgg(vgg)

# %% probe="vgg" compare="equal"
from cnnlab.teaching.architectures import as_numbers
from cnnlab.teaching.probes import attempt

one, two, three = np.random.default_rng(seed).integers(1, 5, (3, 5)).tolist()
classes = 3 + sum(one)
[
    attempt(lambda: as_numbers(vgg(tuple(one)))),
    attempt(lambda: as_numbers(vgg(tuple(two), classes))),
    attempt(lambda: as_numbers(vgg(three, num_classes=2 * classes))),
]

# %% tags=["nbval-check-output", "not-graded"]
VGG16, SIZES = vgg((2, 2, 3, 3, 3)), (224, 224, 3)
print("VGG16:", totals(VGG16, SIZES))
print("VGG19:", totals(vgg((2, 2, 4, 4, 4)), SIZES))
# -> VGG16: 138,357,544 parameters, 15,470,264,320 MACs
# -> VGG19: 143,667,240 parameters, 19,632,062,464 MACs

# %% [markdown]
# **Predict first.** Which share of VGG16's parameters is in its three dense layers? And
# which share of its MACs?

# %% prediction="in_dense_layers"
share_of_params = ""  # of the parameters, in %
share_of_macs = ""  # of the MACs, in %

# %% tags=["not-graded"]
shapes, params, macs = zip(*network_cost(VGG16, SIZES), strict=True)
names = [f"{n:2} {kind}" for n, (kind, _) in enumerate(VGG16, 1)]
axes = plots.panels(2, title="VGG16, layer by layer, from the image on", size=(11, 6))
look = {"horizontal": True, "format": "{:,.1f}"}
for ax, amounts, unit in zip(axes, (params, macs), ("parameters", "MACs"), strict=True):
    millions = dict(zip(names, np.array(amounts) / 1e6, strict=True))
    plots.bars(millions, xlabel=f"{unit} (millions)", ax=ax, **look)
plots.show(axes)
for amounts, guess in ((params, share_of_params), (macs, share_of_macs)):
    share = sum(amounts[-3:]) / sum(amounts)
    print(f"in dense layers: {share:.1%}; you predicted: {guess or 'nothing yet'}")

# %% [markdown] question="where_the_weights_are" title="Where are the weights, and where is the work?" points=1
# Why do VGG16's dense layers have nearly all parameters and hardly any MACs, and its
# convolutions the reverse? The image grows from 224×224 to 448×448: what happens to the
# parameters and the MACs of a convolution, and of the first dense layer?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: a convolution uses each weight once per place of its output
# (224 · 224 times in the first layers), a dense layer uses each weight once. Half a
# point: with twice the side a convolution has the same parameters and four times the
# MACs; the first dense layer sees 14 × 14 × 512 numbers in place of 7 × 7 × 512, so both
# its parameters and its MACs become four times as many.
# ### END SOLUTION

# %% [markdown]
# ## 3. What a network must remember
#
# Parameters are there once. The maps between the layers, the **activations**, are there
# for every image of a batch, and often need more memory. How much depends on what for:
#
# - **Training** keeps the outputs of all layers, and the images: backpropagation needs
#   them on its way back.
# - **Inference** can forget. While a layer works, there are its input and its output;
#   all before is gone. So the peak is the largest sum of two neighbours.
#
# A number takes 4 bytes (float32). Weights and optimiser come on top.
#
# ### Exercise 4: `activation_memory` (2 points)


# %% exercise="activation_memory" points=2 forbid=["cnnlab", "keras"]
def activation_memory(shapes, batch_size=1, training=False):
    """Bytes that the maps of a network need, in float32.

    Args:
        shapes: of the image and of every layer's output, in order, such as
            [(224, 224, 3), (224, 224, 64), ..., (1000,)]; at least two.
        batch_size: images at once.
        training: True if all maps are kept, False if only a layer's input and output
            are there at any time.

    Returns:
        A number of bytes: in training of all maps, otherwise at the worst moment.
    """
    ### BEGIN SOLUTION
    sizes = [4 * batch_size * int(np.prod(shape)) for shape in shapes]
    if training:
        return sum(sizes)
    return max(a + b for a, b in zip(sizes, sizes[1:], strict=False))
    ### END SOLUTION


# %% check="activation_memory"
check.activation_memory(activation_memory)

# %% probe="activation_memory" compare="equal"
from cnnlab.teaching.probes import attempt

rng = np.random.default_rng(seed)
chains = [[*rng.integers(2, 9, (n, 3)).tolist(), [7]] for n in (2, 5, 9, 6)]
[
    attempt(lambda *case: np.array(activation_memory(*case)), chain, batch, training)
    for chain, batch in zip(chains, rng.integers(2, 40, 4).tolist(), strict=True)
    for training in (False, True)
]

# %% tags=["not-graded"]
shapes, BATCHES = [SIZES, *shapes], [1, 2, 4, 8, 16, 32, 64, 128]
gigabytes = {
    name: [activation_memory(shapes, batch, training) / 1e9 for batch in BATCHES]
    for name, training in (("training", True), ("inference", False))
}
labels = {"xlabel": "images in a batch", "ylabel": "memory of the maps (GB)"}
levels = {"VGG16's parameters": 4 * sum(params) / 1e9, "a card with 8 GB": 8}
title = "VGG16: what must be remembered"
ax = plots.lines(BATCHES, gigabytes, title=title, levels=levels, log="xy", **labels)
plots.show(ax)
for training in (True, False):
    amount = activation_memory(shapes, 1, training)
    print(f"one image, training={training}: {amount // 4:,} numbers, {amount:,} bytes")

# %% [markdown]
# Most of it lies in the first layers, where maps are large: the two first convolutions
# alone keep 42 % of all numbers. An independent count, *convnet-burden*, has 528 MB of
# parameters and 58 MB of maps for VGG16, in MB of 2²⁰ bytes.
#
# ## 4. Side by side: Inception
#
# *Szegedy et al., "Going deeper with convolutions", 2015.* Is the right kernel 1×1, 3×3 or
# 5×5? An Inception block has them all, side by side, and a 3×3 max pooling as well. On
# 192 channels, though, a 5×5 kernel is dear. So a **1×1 convolution** first makes few
# channels of many: the *reduction*.

# %% tags=["nbval-check-output", "not-graded"]
_, _, direct = conv_cost((28, 28, 192), 32, 5, padding="same")
_, _, reduction = conv_cost((28, 28, 192), 16, 1)
_, _, after_it = conv_cost((28, 28, 16), 32, 5, padding="same")
saved = direct / (reduction + after_it)
print(f"5x5 on 192 channels: {direct:,} MACs")
print(f"1x1 to 16, then 5x5: {reduction:,} + {after_it:,}, {saved:.2f} times fewer")
# -> 5x5 on 192 channels: 120,422,400 MACs
# -> 1x1 to 16, then 5x5: 2,408,448 + 10,035,200, 9.68 times fewer

# %% [markdown]
# ### Exercise 5: `inception` (3 points)
#
# Four branches, all from $x$:
#
# | branch | first | then |
# |---|---|---|
# | 1 | 1×1, `filters[0]` | |
# | 2 | 1×1, `reduce[0]` | 3×3, `filters[1]` |
# | 3 | 1×1, `reduce[1]` | 5×5, `filters[2]` |
# | 4 | 3×3 max pooling, stride 1 | 1×1, `reduce[2]` |
#
# All six convolutions have biases and a ReLU. All branches keep height and width, or
# they could not be put side by side: pad "same", the pooling as well.


# %% exercise="inception" points=3 forbid=["cnnlab", "keras.applications"]
def inception(x, filters, reduce):
    """An Inception block.

    Args:
        x: maps, a tensor (batch, height, width, channels).
        filters: three numbers, kernels of the 1x1, 3x3 and 5x5 convolutions.
        reduce: three numbers, kernels of the 1x1 convolutions before the 3x3, before
            the 5x5 and behind the pooling.

    Returns:
        A tensor (batch, height, width, filters[0] + filters[1] + filters[2] +
        reduce[2]): the branches in this order, along the channels.
    """
    ### BEGIN SOLUTION
    relu = {"padding": "same", "activation": "relu"}
    middle = layers.Conv2D(reduce[0], 1, **relu)(x)
    large = layers.Conv2D(reduce[1], 1, **relu)(x)
    pooled = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    branches = [
        layers.Conv2D(filters[0], 1, **relu)(x),
        layers.Conv2D(filters[1], 3, **relu)(middle),
        layers.Conv2D(filters[2], 5, **relu)(large),
        layers.Conv2D(reduce[2], 1, **relu)(pooled),
    ]
    return layers.Concatenate()(branches)
    ### END SOLUTION


# %% check="inception"
check.inception(inception)

# %% probe="inception"
from cnnlab.teaching.blocks import behaviours

a, b, c = np.random.default_rng(seed).permutation([2, 3, 4]).tolist()
one, two = (a + 5, b + 9, c + 6), (a, b + 3, c)
three, four = [c + 8, a + 4, b + 12], [c + 1, a, b]
behaviours(
    (lambda x, *_: inception(x, one, two), (6, 9, 5), 0, 1),
    (lambda x, *_: inception(x, three, four), (8, 5, 7), 0, 1),
    seed=seed,
)

# %% [markdown]
# GoogLeNet's first Inception block, without reductions and with them:

# %% tags=["not-graded"]
maps = (28, 28, 192)
naive = [(maps, 64, 1), (maps, 128, 3), (maps, 32, 5)]
reduced = [(maps, 64, 1), (maps, 96, 1), ((28, 28, 96), 128, 3)]
reduced += [(maps, 16, 1), ((28, 28, 16), 32, 5), (maps, 32, 1)]
macs = [[conv_cost(*c, padding="same")[2] / 1e6 for c in b] for b in (naive, reduced)]
block = inception(keras.Input(maps), (64, 128, 32), (96, 16, 32))
names, channels = ("without 1×1", "with 1×1"), (64 + 128 + 32 + 192, block.shape[-1])
axes = plots.panels(
    2, titles=["MACs (millions)", "channels that come out"], size=(9, 3)
)
plots.bars(dict(zip(names, map(sum, macs), strict=True)), ax=axes[0], format="{:,.1f}")
plots.bars(dict(zip(names, channels, strict=True)), ax=axes[1], format="{:.0f}")
plots.show(axes)

# %% [markdown]
# ## 5. In groups
#
# A convolution in $g$ groups has $g$ times fewer weights and MACs, since no kernel looks
# beyond its own group. Nothing else is new: it is a full convolution in which all weights
# *between* groups are zero, for ever.
#
# ### Exercise 6: `full_kernel` (2 points)
#
# Keras keeps the kernel of a grouped convolution as an array
# $(k, k, c / g, N)$. The first $N / g$ kernels belong to the first $c / g$ channels of
# the input, the next $N / g$ kernels to the next $c / g$ channels, and so on. Write the
# kernel of the full convolution that does the same.


# %% exercise="full_kernel" points=2 forbid=["cnnlab", "keras", "scipy"]
def full_kernel(kernel, groups):
    """The kernel of a full convolution that does what a grouped one does.

    Args:
        kernel: numbers (k, k, channels / groups, filters).
        groups: divides the filters.

    Returns:
        An array (k, k, channels, filters), with zeros between the groups.
    """
    ### BEGIN SOLUTION
    k, _, seen, filters = kernel.shape
    full = np.zeros((k, k, seen * groups, filters), kernel.dtype)
    for n in range(filters):
        first = n // (filters // groups) * seen
        full[:, :, first : first + seen, n] = kernel[..., n]
    return full
    ### END SOLUTION


# %% check="full_kernel"
check.full_kernel(full_kernel)

# %% probe="full_kernel"
from cnnlab.teaching.check import frozen
from cnnlab.teaching.probes import attempt

rng = np.random.default_rng(seed)
cases = [(3, 2, 6, 2), (1, 3, 12, 3), (2, 1, 5, 5), (3, 1, 8, 4), (2, 4, 3, 1)]
[
    attempt(full_kernel, frozen(rng.normal(size=(k, k, seen, filters))), groups)
    for k, seen, filters, groups in cases
]

# %% [markdown]
# Eight kernels on eight channels, in one, two, four and eight groups. Every column is a
# kernel, every row a channel of the input; a 1 means that the kernel sees it.

# %% tags=["not-graded"]
kernels = {g: full_kernel(np.ones((1, 1, 8 // g, 8), int), g) for g in (1, 2, 4, 8)}
seen = {f"groups={g}": np.asarray(kernel)[0, 0] for g, kernel in kernels.items()}
title = "Which channels each of eight kernels sees"
axes = plots.numbers(seen, title=title, xlabel="kernel", ylabel="channel of the input")
plots.show(axes)

# %% [markdown]
# On the left is the convolution that you know. On the right every channel has a kernel of
# its own: a **depthwise** convolution. AlexNet's two GPUs are the step between.
#
# ## 6. Depthwise separable
#
# *Howard et al., "MobileNets", 2017.* A depthwise convolution looks around, in each channel
# for itself. What it cannot do is mix channels. A 1×1 convolution behind it, called
# **pointwise**, does nothing else. Together they are a *depthwise separable* convolution:
#
# $$\underbrace{k^2 \, c \, N}_{\text{full}} \quad \text{against} \quad
# \underbrace{k^2 \, c}_{\text{depthwise}} + \underbrace{c \, N}_{\text{pointwise}},
# \qquad \text{ratio: } \frac{1}{N} + \frac{1}{k^2}.$$
#
# ### Exercise 7: `separable` (2 points)
#
# MobileNet's block: a depthwise 3×3 convolution, batch normalisation, ReLU; a pointwise
# convolution to `filters` channels, batch normalisation, ReLU (the published network has
# ReLU6 in both places; do as you like). Both are padded and have
# no biases (the normalisation would subtract them); the depthwise one has the stride.


# %% exercise="separable" points=2 forbid=["cnnlab", "keras.applications"]
def separable(x, filters, strides=1):
    """A depthwise 3x3 and a pointwise convolution, each with BN and ReLU.

    Args:
        x: maps, a tensor (batch, height, width, channels).
        filters: kernels of the pointwise convolution.
        strides: of the depthwise convolution.

    Returns:
        A tensor (batch, height / strides, width / strides, filters).
    """
    ### BEGIN SOLUTION
    deep = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)
    x = layers.ReLU()(layers.BatchNormalization()(deep(x)))
    x = layers.Conv2D(filters, 1, use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))
    ### END SOLUTION


# %% check="separable"
check.separable(separable)

# %% probe="separable"
from cnnlab.teaching.blocks import behaviours

a, b = np.random.default_rng(seed).permutation([4, 6]).tolist()
behaviours(
    (separable, (7, 9, a), b + 3, 2),
    (lambda x, filters, _: separable(x, filters), (6, 5, b), a, 1),
    seed=seed,
    amplitude=1,  # MobileNet's ReLU6 is right, too
)

# %% [markdown]
# **Predict first.** An image of three channels, and one single filter of 5×5. Does the
# separable convolution need fewer multiplications per pixel than the full one?

# %% prediction="one_filter"
full_and_separable = ""  # multiplications per pixel of each

# %% tags=["not-graded"]
COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
ratios = {f"{k}×{k}": [1 / n + 1 / k**2 for n in COUNTS] for k in (3, 5, 7)}
labels = {"xlabel": "filters", "ylabel": "MACs, separable / full"}
title, levels = "What depthwise separable saves", {"nothing saved": 1}
ax = plots.lines(COUNTS, ratios, title=title, levels=levels, log="xy", **labels)
plots.show(ax)
print("You predicted:", full_and_separable or "nothing yet")
print("5×5 on 3 channels, one filter: full 75, separable 75 + 3 = 78")

# %% [markdown]
# With one filter it costs more. It saves where there are many filters, and then at most
# $k^2$ times: nine times for 3×3, whatever the width.
#
# ## 7. Choosing under a budget
#
# You have a phone with so much memory and so much time. Which network? Top-1 accuracy on
# ImageNet's validation images and parameters are those that Keras publishes for its own
# networks; their MACs were counted with `cnnlab.arithmetic`.

# %% tags=["not-graded"]
PUBLISHED = [  # top-1 in %, parameters in millions, MACs in billions
    ("VGG16", 71.3, 138.36, 15.470),
    ("ResNet50", 74.9, 25.64, 3.858),
    ("ResNet50V2", 76.0, 25.61, 3.482),
    ("ResNet101", 76.4, 44.71, 7.570),
    ("InceptionV3", 77.9, 23.85, 5.713),
    ("Xception", 79.0, 22.91, 8.357),
    ("DenseNet121", 75.0, 8.06, 2.834),
    ("NASNetMobile", 74.4, 5.33, 0.564),
    ("MobileNet", 70.4, 4.25, 0.569),
    ("MobileNetV2", 71.3, 3.54, 0.301),
]
KEYS = ("name", "top1", "params", "macs")
PUBLISHED = [dict(zip(KEYS, row, strict=True)) for row in PUBLISHED]

# %% [markdown]
# A network is **dominated** if another one is at least as good and at most as dear, and
# better in one of the two. Nobody should choose it. Those that are left are the **Pareto
# front**: there, whoever wants more must pay more.
#
# ### Exercise 8: `best_within` and `pareto_front` (2 points)


# %% exercise="choosing" points=2 forbid=["cnnlab", "scipy"]
def best_within(table, max_params, max_macs):
    """The name of the most accurate network within two budgets, or None.

    Args:
        table: a list of dicts with "name", "top1" (higher is better), "params", "macs".
        max_params, max_macs: the most it may have; exactly so many are allowed.

    Of networks with equal top-1 it is the one with fewer MACs.
    """
    ### BEGIN SOLUTION
    fits = [n for n in table if n["params"] <= max_params and n["macs"] <= max_macs]
    best = max(fits, key=lambda n: (n["top1"], -n["macs"]), default=None)
    return best["name"] if best else None
    ### END SOLUTION


def pareto_front(table, cost):
    """The names of all networks that no other one dominates, the cheapest first.

    Args:
        table: as above.
        cost: "params" or "macs".
    """

    ### BEGIN SOLUTION
    def dominates(a, b):
        as_good = a["top1"] >= b["top1"] and a[cost] <= b[cost]
        return as_good and (a["top1"] > b["top1"] or a[cost] < b[cost])

    front = [n for n in table if not any(dominates(other, n) for other in table)]
    return [n["name"] for n in sorted(front, key=lambda n: n[cost])]
    ### END SOLUTION


# %% check="choosing"
check.best_within(best_within)

# %% check="choosing"
check.pareto_front(pareto_front)

# %% probe="choosing" compare="equal"
from cnnlab.teaching.architectures import chosen

budgets = [(p, m) for p in (0, 3, 5, 8) for m in (4, 8, 12)]
chosen(best_within, *((seed + n, *budget) for n, budget in enumerate(budgets)))

# %% probe="choosing" compare="equal"
from cnnlab.teaching.architectures import fronts

costs = ("macs", "params") * 4
fronts(pareto_front, *((seed + n, cost) for n, cost in enumerate(costs)))

# %% folded="Two charts of this table" tags=["not-graded"]
title = "ImageNet: what accuracy costs"
axes = plots.panels(2, title=title, sharey=True, size=(11, 4.6))
charts = ("params", "parameters (millions)", 10), ("macs", "MACs (billions)", 1)
for ax, (cost, label, unit) in zip(axes, charts, strict=True):
    names = {"xlabel": label, "ylabel": "top-1 accuracy (%)", "log": "x", "ax": ax}
    chosen = pareto_front(PUBLISHED, cost)
    for kind, on_front in (("Pareto front", True), ("dominated", False)):
        rows = [row for row in PUBLISHED if (row["name"] in chosen) == on_front]
        x, y = [row[cost] for row in rows], [row["top1"] for row in rows]
        plots.points(x, {kind: y}, **names)
        shift = {"xytext": (4, 4 if on_front else -10), "textcoords": "offset points"}
        for *place, row in zip(x, y, rows, strict=True):
            ax.annotate(row["name"], place, size=7, **shift)
    ticks = [unit * n for n in (0.3, 1, 3, 10)]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
axes[1].get_legend().remove()
plots.show(axes)
print("up to 10 million parameters, 1 billion MACs:", best_within(PUBLISHED, 10, 1))
print("up to 30 million parameters, 5 billion MACs:", best_within(PUBLISHED, 30, 5))

# %% [markdown]
# ## 8. Equal MACs
#
# Three networks with the same number of MACs: only the block differs, and how wide it may
# be, the MACs decide. The images are those of CIFAR-10 where it can be had, otherwise
# coloured shapes, on a laptop made smaller: 16×16 pixels.

# %% tags=["not-graded"]
SIZE = train.budget(smoke=8, cpu=16, gpu=32)  # pixels per side
COUNT = train.budget(smoke=64, cpu=3000, gpu=50_000)
EPOCHS = train.budget(smoke=1, cpu=8, gpu=30)
WIDTHS = {"plain": 24, "separable": 83, "Inception": 40}  # equal MACs, within 4 %

cifar, f = data.load("cifar10"), 32 // SIZE  # as means of f × f pixels
x_train = cifar.x_train[:COUNT].reshape(-1, SIZE, f, SIZE, f, 3).mean(axis=(2, 4))
x_train = ((x_train - x_train.mean()) / x_train.std()).astype("float32")
y_train = cifar.y_train[:COUNT]


def normalised_inception(x, filters):
    n = filters // 8
    x = inception(x, (2 * n, 4 * n, n), (2 * n, n, n))
    return layers.BatchNormalization()(x)


def network(block, width):
    """A convolution, three blocks of width, 2 * width and 4 * width filters, an end."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = blocks.conv_bn(inputs, 16)
    for stage in range(3):
        x = block(layers.MaxPooling2D(2)(x), width * 2**stage)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


kinds = blocks.conv_bn, separable, normalised_inception
kinds = dict(zip(WIDTHS, kinds, strict=True))
for name, block in kinds.items():
    count = network(block, WIDTHS[name]).count_params()
    print(f"{name}: {WIDTHS[name]} filters at first, {count:,} parameters")

# %% [markdown]
# **Predict first.** Which of the three learns most, in the same number of steps?

# %% prediction="equal_macs"
learns_most = ""  # plain, separable, Inception, or no difference?

# %% tags=["not-graded"]
losses = {name: [] for name in kinds}
for name, block in kinds.items():
    for run in range(train.budget(smoke=1, cpu=3, gpu=3)):
        train.seed(run)
        model = network(block, WIDTHS[name])
        model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
        history = train.fit(model, x_train, y_train, epochs=EPOCHS, batch_size=64)
        losses[name].append(history["loss"])

curves = {name: np.transpose(runs) for name, runs in losses.items()}
labels = {"xlabel": "epoch", "ylabel": "training loss (nats)"}
title = f"{cifar.name}: three networks of equal MACs, dots are runs"
levels = {"guessing, ln 10": np.log(10)}
ax = plots.lines(range(1, EPOCHS + 1), curves, title=title, levels=levels, **labels)
plots.show(ax)
print("You predicted:", learns_most or "nothing yet")
for name, runs in curves.items():
    print(f"{name:9}  loss at the end {runs[-1].min():.2f} to {runs[-1].max():.2f}")

# %% [markdown]
# At the `cpu` budget, on shapes, three runs each ended between 0.75 and 0.91 (plain), 0.84
# and 0.98 (separable), 0.86 and 1.01 (Inception): they overlap. On CIFAR-10 between 0.59
# and 0.69, 0.47 and 0.56, 0.55 and 0.71: there separable blocks are ahead. So "learns most
# per MAC" is no property of a block alone, and one run on one set of images shows little.
# (The `gpu` budget was not measured here.)
#
# ### And time?
#
# Two blocks of equal MACs, on maps of 32×32×64: a full 3×3 convolution to 64 channels,
# and a separable one to as many as the same MACs allow. Each is called 20 times, in
# turns, with 16 images.
#
# **Predict first.** Which one is faster, and how many times?

# %% prediction="time"
faster = ""  # the full or the separable one, and how many times?

# %% tags=["not-graded"]
inputs = keras.Input((32, 32, 64))
full, split = blocks.conv_bn(inputs, 64), separable(inputs, 567)
timed = {"full, 64": keras.Model(inputs, full)}
timed["separable, 567"] = keras.Model(inputs, split)
images = np.random.default_rng(0).random((16, 32, 32, 64), "float32")
milliseconds = {name: [] for name in timed}
for _ in range(train.budget(smoke=3, cpu=21, gpu=21)):
    for name, model in timed.items():
        start = time.perf_counter()
        model.predict_on_batch(images)
        milliseconds[name].append(1000 * (time.perf_counter() - start))
runs = {name: times[1:] for name, times in milliseconds.items()}  # the first translates
wide, options = (32, 32, 64), {"kernel_size": 3, "padding": "same"}
deep, point = conv_cost(wide, 64, groups=64, **options), conv_cost(wide, 567, 1)
amounts = conv_cost(wide, 64, **options)[2], deep[2] + point[2]
macs = dict(zip(timed, np.array(amounts) / 1e6, strict=True))
axes = plots.panels(2, title="Two blocks, counted and measured", size=(9, 3))
plots.bars(macs, ylabel="MACs (millions), one image", format="{:.1f}", ax=axes[0])
plots.bars(runs, ylabel="time (ms), 16 images", format="{:.1f}", ax=axes[1])
plots.show(axes)
print("You predicted:", faster or "nothing yet")

# %% [markdown]
# In three runs on two cores, more and less busy, the full one took 8, 18 and 31 ms on
# average, the separable one 19, 45 and 70 ms: 2.3 to 2.5 times as long.

# %% [markdown] question="what_macs_leave_out" title="What do MACs leave out?" points=1
# Two blocks have the same MACs, and one takes longer. Name two things that take time and
# that MACs do not count. On a phone a network of 0.3 billion MACs shall replace one of
# 0.6 billion "because it is twice as fast": what would you ask for before you believe it?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point for two of: reading and writing maps in memory (a depthwise
# convolution does few multiplications with every number that it reads); layers without
# MACs (normalisation, ReLU, pooling, concatenation); the start of each operation; how
# well library and chip do this kind of operation. Half a point: a measurement, on that
# phone, with its batch size and library, repeated, with its spread.
# ### END SOLUTION

# %% [markdown]
# ## Go further
#
# Not graded.
#
# - **3×3 or 5×5?** Two 3×3 convolutions see as much as one 5×5. Compare their cost.
# - **ResNet-34.** Deck 001 says 3.6 billion FLOPs. What does `network_cost` say, without
#   and with the shortcuts (projections are 1×1 convolutions)?
# - **A Vision Transformer** cuts the image into patches of 16×16 pixels: 196 "tokens", and
#   one for the class, of 768 numbers each. A dense layer that works on each token is a
#   1×1 convolution, so you can count it:

# %% tags=["nbval-check-output", "not-graded"]
sizes = (768, 3 * 768), (768, 768), (768, 4 * 768), (4 * 768, 768)
params = sum(conv_cost((197, 1, inputs), units, 1)[1] for inputs, units in sizes)
params += 4 * 768  # two layer normalisations in each block
_, patches, _ = conv_cost((224, 224, 3), 768, 16, strides=16)
ends = patches + 768 + 197 * 768 + 2 * 768 + 769 * 1000  # class, places, norm, classes
print(f"ViT-B/16: {params:,} parameters in a block, {12 * params + ends:,} in all")
# -> ViT-B/16: 7,087,872 parameters in a block, 86,567,656 in all

# %% [markdown]
# <details><summary>What the slides say differently</summary>
#
# - Deck 002, "AlexNet", counts one tower, 62,378,344; the published network has groups,
#   and 60,965,224. It has three max poolings, not two, and learned from the 1.2 million
#   images of ImageNet's 1,000 classes.
# - Deck 002, "VGGNet", gives a max pooling 65,664 parameters; it has none, so the total is
#   138,357,544, not 138,423,208. Of VGG's 16 to 19 layers three are dense.
# - Deck 003, "VGG network": its own rows add up to 15.2 million numbers and 61 MB, not to
#   24 million and 96 MB, and leave out 13,416 biases. Training used 1.28 million images,
#   not 16 million.
# - Deck 003, "MobileNet": a depthwise kernel is 5×5×1, a pointwise one 1×1×3, in two
#   dimensions; and "≫" does not hold for one filter.
# - Deck 001, "1×1 convolution", forgets × 28 × 28 in its second term; its sum is right.
# - Deck 000 has AlexNet on 224 pixels; 55 places a side need 227, or padding of 2.
#
# </details>
