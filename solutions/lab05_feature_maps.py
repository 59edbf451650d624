# ---
# jupyter:
#   cnnlab:
#     title: What a network sees
# ---

# %% [markdown]
# # What a network sees
#
# *Lab 5. About two hours; nothing is trained, a laptop computes for a minute. 20 points.*
#
# At the end you can
#
# 1. take the feature maps of any layer out of a trained network, and read them;
# 2. say how many pixels a layer sees, by a formula and by a measurement;
# 3. make the picture that excites a filter most;
# 4. ask a network in two ways where it found its answer, and measure how often they hit;
# 5. test a saliency map before you believe it;
# 6. find pictures that are alike, by what a network has learned.
#
# **Before you start.** New to Keras? Start with lab 1 and go on in order; lab 4 works on
# its own. This lab looks into LeNet, of lab 4, and into a VGG16.
#
# **Slides:** deck 000, "Feature Maps"; deck 002, "Couche convolutive"; deck 003,
# "Convolution", "Dilatation rate" and "Image retrieval".
#
# **How it works.** Write what is missing where it says `raise NotImplementedError`. Run
# the line below it: a tick means go on; a cross says what is wrong and gives a hint. Run
# it again for the next hint. All other cells are there to be read and run.

# %%
from cnnlab import data, models, plots, shapes, train
from cnnlab.checks import lab05 as check

import keras
import numpy as np
from keras import layers

train.start()

# %% [markdown]
# ## 1. Feature maps
#
# A convolution answers, place by place, to the question "is my pattern here?". Its answers
# are its **feature maps**, one for each filter. In the first layer the patterns can be
# read from the weights themselves. Here is LeNet from lab 4, with ReLU and max pooling,
# trained on handwritten digits: its first layer, C1, has six filters of 5×5 pixels.

# %% tags=["not-graded"]
lenet = models.trained_lenet5()
digits = data.load("digits")
ink = digits.x_test[:3].astype("float32") / 255

kernels = lenet.get_layer("C1").get_weights()[0]
plots.show(plots.filters(kernels, title="C1 of LeNet, trained on digits: six filters"))

# %% [markdown]
# Purple weights look for ink, orange ones for paper. A filter that is purple above and
# orange below (the first) answers at the lower edge of a stroke; one that is purple nearly
# everywhere (the third) at any stroke. A filter of the next layer looks at six maps at
# once: its 150 weights are no picture any more, so from there on we look at maps.
#
# ### Exercise 1: `feature_maps` (2 points)
#
# A model knows its layers by name, a layer its symbolic `output`, and `keras.Model(a, b)`
# goes from any tensor of a network to a later one, with the same weights. (Call it as
# `model(x, training=False)`: `predict` prepares itself anew for each new model.)


# %% exercise="feature_maps" points=2 forbid=["cnnlab.checks"]
def feature_maps(model, x, layer):
    """What a layer of a trained network answers to images, in inference mode.

    Args:
        model: a keras.Model whose layers are a chain, the input layer first.
        x: images, an array (n, height, width, channels).
        layer: the name of a layer.

    Returns:
        The output of that layer, an array or a tensor (n, h, w, filters).
    """
    ### BEGIN SOLUTION
    front = keras.Model(model.input, model.get_layer(layer).output)
    return front(x, training=False)
    ### END SOLUTION


# %% check="feature_maps"
check.feature_maps(feature_maps)

# %% probe="feature_maps"
from cnnlab.teaching.looking import case, pictures, small_network

rng = np.random.default_rng(seed)
calls = []
for which in ("first", "norm", "pool", "second"):
    size = tuple(2 * int(n) for n in rng.permutation([4, 5, 6, 7])[:2])
    network = small_network(int(rng.integers(1000)), size)
    calls.append((network, pictures(seed, 3, size), which))
[case(feature_maps, call) for call in calls]

# %% tags=["not-graded"]
names = [f"a {label}" for label in digits.y_test[:3]]
for name in ("C1", "C3"):
    maps = np.asarray(feature_maps(lenet, ink, name))[..., :8]
    layer = f"{name} of LeNet, trained on digits"
    plots.show(plots.feature_maps(maps, layer=layer, rows=names))

# %% [markdown]
# Each map of C1 is the digit seen through one filter. In C3 little of the digit is left:
# map 6 answers to slanted strokes, map 8 to curved ones. The maps get smaller and stranger,
# and each of their values speaks for more pixels.
#
# The rest of this lab looks into VGG16 with an eighth of its filters, trained on 15 kinds of
# shapes. It wants its images as VGG16 does: blue, green, red, less the mean colour of
# ImageNet. So **0 is a neutral grey**.

# %% tags=["not-graded"]
vgg = models.narrow_vgg16(include_top=True)
KINDS = shapes.SOURCE_CLASSES


def prepare(images):
    """uint8 RGB as VGG16 wants it; a new array."""
    return keras.applications.vgg16.preprocess_input(images.astype("float32"))


made = shapes.make(60, classes=KINDS, seed=1)
x = prepare(made.x)
p = np.asarray(vgg(x, training=False))
captions = [f"{KINDS[row.argmax()]}\n{row.max():.0%}" for row in p]
title = "Shapes, and what the narrow VGG16 takes them for"
plots.show(plots.samples(made.x[:10], captions[:10], title=title))

# %% tags=["not-graded"]
for name in ("block1_conv2", "block3_conv3", "block5_conv3"):
    maps = np.asarray(feature_maps(vgg, x[:3], name))[..., :8]
    rows = [KINDS[k] for k in made.y[:3]]
    layer = f"{name} of the narrow VGG16, trained on shapes; first eight"
    plots.show(plots.feature_maps(maps, layer=layer, rows=rows))

# %% [markdown]
# Block 1 keeps the picture: colours and edges, of lines and shape alike. In block 3 there
# are edges of one direction each. In block 5 many maps are dark for one picture and bright
# for another: what they ask for is rarer, and where exactly it was is lost.
#
# ## 2. How far does a layer see?
#
# The part of the image that can change one value of a layer is the **receptive field** of
# this value. Let $r$ be its side in pixels, and $j$, the **jump**, the distance in pixels
# between the fields of two neighbours. For the image itself $r = j = 1$. A layer with
# kernel size $k$, stride $s$ and dilation $d$ (its taps are $d$ apart) makes of them
#
# $$r \leftarrow r + (k - 1)\, d\, j, \qquad j \leftarrow j\, s,$$
#
# in that order: the taps of a layer are as far apart as the values of the layer *before*
# it. Pooling counts like a convolution.
#
# ### Exercise 2: `receptive_field` (3 points)


# %% exercise="receptive_field" points=3 forbid=["cnnlab.arithmetic", "cnnlab.checks"]
def receptive_field(chain):
    """The side of the receptive field after each layer of a chain, in pixels.

    Args:
        chain: of each layer (kernel_size, strides, dilation), the first layer first.

    Returns:
        A list of integers, one for each layer.
    """
    ### BEGIN SOLUTION
    sides, side, jump = [], 1, 1
    for kernel_size, strides, dilation in chain:
        side += (kernel_size - 1) * dilation * jump
        jump *= strides
        sides.append(side)
    return sides
    ### END SOLUTION


# %% check="receptive_field"
check.receptive_field(receptive_field)

# %% probe="receptive_field" compare="equal"
from cnnlab.teaching.looking import case

rng = np.random.default_rng(seed)
lengths = rng.integers(3, 8, 6)
chains = [rng.integers([2, 1, 1], [8, 4, 4], (n, 3)).tolist() for n in lengths]
[case(receptive_field, ([*map(tuple, chain)],)) for chain in chains]

# %% [markdown]
# **Predict first.** A value of the narrow VGG16 behind `block3_pool` has been through
# seven convolutions of 3×3 and three poolings. How many pixels does it see, of the 64 in a
# row? And behind `block5_pool`?

# %% prediction="sides"
sides_seen = ""  # behind block 3, and behind block 5, in pixels

# %% tags=["not-graded"]
LENET = [(5, 1, 1), (2, 2, 1), (5, 1, 1), (2, 2, 1), (5, 1, 1)]
VGG = {
    f"block{block}_{name}": (2, 2, 1) if name == "pool" else (3, 1, 1)
    for block, count in enumerate((2, 2, 3, 3, 3), 1)
    for name in (*(f"conv{k + 1}" for k in range(count)), "pool")
}
seen = dict(zip(VGG, receptive_field([*VGG.values()]), strict=True))
print("You predicted:", sides_seen or "nothing yet")
print("LeNet, C1 to C5:", receptive_field(LENET))
pools = {name: side for name, side in seen.items() if "pool" in name}
title = "What one value of the narrow VGG16 sees"
plots.show(plots.receptive_field(made.x[0], pools, title=title))

# %% [markdown]
# A value behind block 4 sees the whole image, and zeros around it. Dilation makes fields
# grow without pooling: three 3×3 layers see 7 pixels, with dilations 1, 2 and 4 they see 15.
#
# ### The same, measured
#
# The network itself can be asked: a pixel is in the field of a value if the **gradient** of
# the value with respect to this pixel is not 0. The rest of this lab is made of gradients
# with respect to images: `train.gradient(function, x)` gives the gradient of `function(x)`,
# one number, in every entry of `x`, as an array like `x`. On TensorFlow it is
#
# ```python
# with tf.GradientTape() as tape:
#     tape.watch(x)            # x is no weight: the tape must be told to follow it
#     value = function(x)
# tape.gradient(value, x)
# ```
#
# Inside `function` everything must be Keras: `model(x)` and `keras.ops.sum`, not
# `predict`, and nothing of NumPy.
#
# ### Exercise 3: `measured_field` (3 points)
#
# Where a ReLU gives 0 its gradient is 0, and a part of the field looks blind: so several
# images are asked, and the *absolute* values of their gradients added up. (The gradient of
# a sum over images gives each its own gradient: no image knows of the others.)


# %% exercise="measured_field" points=3 forbid=["cnnlab.arithmetic", "cnnlab.checks"]
def measured_field(model, images, layer, position):
    """How much each pixel can change what a layer answers at one position.

    Args:
        model: a keras.Model whose layers are a chain.
        images: an array (n, height, width, channels).
        layer: the name of a layer that gives maps.
        position: (row, column) in these maps.

    Returns:
        An array (height, width): the absolute gradient of the layer's value at the
        position, summed over its filters, with respect to the pixel; added up over
        the images and over the pixel's channels. Only its proportions count.
    """
    ### BEGIN SOLUTION
    front = keras.Model(model.input, model.get_layer(layer).output)
    row, column = position

    def answer(x):
        return keras.ops.sum(front(x, training=False)[:, row, column])

    return np.abs(train.gradient(answer, images)).sum(axis=(0, 3))
    ### END SOLUTION


# %% check="measured_field"
check.measured_field(measured_field)

# %% probe="measured_field"
from cnnlab.teaching.looking import case, pictures, shares, small_network

rng = np.random.default_rng(seed)
sizes = [(10, 12), (12, 14), (14, 10)]
calls = []
for which, size in zip(("first", "second", "second"), sizes, strict=True):
    network = small_network(int(rng.integers(1000)), size)
    place = tuple(int(n) for n in rng.permutation(4)[:2])
    calls.append((network, pictures(seed, 4, size), which, place))
[case(measured_field, *each, shares) for each in zip(calls, sizes, strict=True)]

# %% folded="Measured fields of three layers" tags=["not-graded"]
IMAGES = train.budget(smoke=4, cpu=16, gpu=64)
wide = models.narrow_vgg16((112, 112, 3))
some = prepare(shapes.make(IMAGES, size=112, classes=KINDS, seed=2).x)
fields, said = {}, []
for name, middle in (("block2_pool", 14), ("block3_pool", 7), ("block4_conv3", 7)):
    field = np.asarray(measured_field(wide, some, name, (middle, middle)))
    rows, columns = np.flatnonzero(field.sum(1)), np.flatnonzero(field.sum(0))
    most = np.sort(field.ravel())[::-1].cumsum() < 0.9 * field.sum()
    fields[name] = field / field.max()
    said.append(f"{name}: formula {seen[name]}, measured {np.ptp(rows) + 1}×")
    said[-1] += f"{np.ptp(columns) + 1}; 90 % on {most.sum()} pixels, as many as in "
    said[-1] += f"{np.sqrt(most.sum()):.0f}×{np.sqrt(most.sum()):.0f}"
title = f"Gradient in each pixel: narrow VGG16, {IMAGES} pictures of shapes"
label = "share of the largest"
plots.show(plots.maps(fields, title=title, label=label, columns=3))
print("\n".join(said))

# %% [markdown]
# The measured sides are those of the formula, to the pixel. But nine tenths of the gradient
# come from 57 % of the pixels behind block 2, 41 % behind block 3, 37 % at block4_conv3: many
# ways lead from the middle of the field to the value, and one only from its corner. This
# **effective** receptive field is what a network sees well (Luo et al., 2016).
#
# ## 3. What excites a filter?
#
# Weights are moved to make a loss small, and the images stay. Turn that round: keep the
# weights, and move the *image* so that one map of a layer becomes as bright as it can.
# Start with grey noise, and climb:
#
# $$x \leftarrow x + \eta\, \frac{g}{\sqrt{\overline{g^2}} + 10^{-8}}, \qquad
# g = \frac{\partial}{\partial x}\ \text{mean of the map},$$
#
# where $\overline{g^2}$ is the mean of $g^2$ over all entries of $x$. Why divide? Gradients
# of different filters differ by factors of a thousand; normalised, every step changes the
# pixels by $\eta$ on average, and one rate does for all filters. Where $g$ is 0 everywhere,
# $x$ stays, and nothing is divided by 0.
#
# ### Exercise 4: `maximise` (3 points)


# %% exercise="maximise" points=3 forbid=["cnnlab.checks"]
def maximise(model, layer, channel, x, steps, rate):
    """An image that excites one filter, found by gradient ascent.

    Args:
        model: a keras.Model whose layers are a chain.
        layer: the name of a layer that gives maps.
        channel: number of the map whose mean is to grow.
        x: the image to start with, an array (1, height, width, channels); unchanged.
        steps: how often the image is moved.
        rate: how far, the root of the mean square over all entries of x.

    Returns:
        The last image, an array like x.
    """
    ### BEGIN SOLUTION
    front = keras.Model(model.input, model.get_layer(layer).output)

    def excitement(x):
        return keras.ops.mean(front(x, training=False)[..., channel])

    for _ in range(steps):
        slopes = train.gradient(excitement, x)
        x = x + rate * slopes / (np.sqrt(np.mean(slopes**2)) + 1e-8)
    return x
    ### END SOLUTION


# %% check="maximise"
check.maximise(maximise)

# %% probe="maximise" atol=0.02
from cnnlab.teaching.looking import case, pictures, small_network

rng = np.random.default_rng(seed)
calls, sizes = [], []
for which, channel in (("second", rng.integers(3)), ("first", rng.integers(3))):
    sizes.append((1, *(2 * int(n) for n in rng.permutation([4, 5, 6])[:2]), 3))
    network = small_network(int(rng.integers(1000)), sizes[-1][1:3])
    noise = pictures(seed, 1, sizes[-1][1:3])
    calls.append((network, which, int(channel), noise, 3, 0.5))
dark = (network, "second", 3, noise, 2, 0.5)  # this map is 0 for every image
cases = zip([*calls, dark], [*sizes, sizes[-1]], strict=True)
[case(maximise, *each) for each in cases]

# %% tags=["not-graded"]
COUNT, STEPS = train.budget(smoke=(2, 2), cpu=(6, 20), gpu=(8, 40))
start = np.random.default_rng(0).normal(0, 10, (1, 64, 64, 3)).astype("float32")
asked = [f"block{k}_conv{n}" for k, n in ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3))]
rows = []
for name in asked:
    bright = np.asarray(feature_maps(vgg, start, name)).mean(axis=(0, 1, 2))
    channels = np.argsort(-bright)[:COUNT]  # those that answer to the noise at all
    dreams = [maximise(vgg, name, int(k), start, STEPS, 4.0) for k in channels]
    dreams = np.reshape([*map(np.asarray, dreams)], (-1, 64, 64, 3))
    rows.append([dream[..., ::-1] / (4 * dream.std()) + 0.5 for dream in dreams])
title = "Pictures that excite filters of the narrow VGG16, a row for each layer"
columns = [f"filter {k + 1}" for k in range(COUNT)]
plots.show(plots.sheet(np.clip(rows, 0, 1), rows=asked, columns=columns, title=title))

# %% [markdown]
# Block 1 wants a colour or the finest stripes; block 2 fine stripes, most in one
# direction; block 3 wider ones; block 4 bends and rings; block 5 pieces of outlines. A dream
# says what *would* excite a filter, not what did. (A filter that gives 0 everywhere for the
# noise has no gradient to climb.)
#
# ## 4. Where does it look?
#
# A network can be right for a wrong reason. **Grad-CAM** (Selvaraju et al., 2017) asks a
# convolutional layer: where did you find what speaks for class $c$? Let $A^k$ be its $h
# \times w$ maps, and $z_c$ the **logit** of the class, the value before the softmax. Then
#
# $$\alpha_k = \frac{1}{hw} \sum_{i,j} \frac{\partial z_c}{\partial A^k_{ij}}, \qquad
# \text{heat} = \text{ReLU}\Big(\sum_k \alpha_k A^k\Big).$$
#
# $\alpha_k$ says how much map $k$ speaks for the class; the ReLU keeps what speaks *for*
# it. Why the logit? The probability also rises when other classes lose, and near 1 its
# gradient is nearly 0.
#
# For that the network is cut in two at the maps. The second half is given; its last layer is
# a copy without the softmax.


# %%
def behind(model, layer):
    """The rest of a classifier: from the maps of a layer to the logits, (n, classes)."""
    last = model.layers[-1]
    logits = layers.Dense(last.units)
    z = logits(last.input)
    logits.set_weights(last.get_weights())
    return keras.Model(model.get_layer(layer).output, z)


# %% [markdown]
# ### Exercise 5: `grad_cam` (4 points)
#
# `train.gradient` takes any array, so the maps as well as an image.
# `keras.ops.image.resize(heat, (height, width))` enlarges an array (h, w, channels).


# %% exercise="grad_cam" points=4 forbid=["cnnlab.checks"]
def grad_cam(model, x, label, layer):
    """Where a layer finds what speaks for a class.

    Args:
        model: a keras.Model whose layers are a chain, ending in a softmax.
        x: one prepared image, (1, height, width, 3).
        label: number of the class.
        layer: the name of a layer that gives maps.

    Returns:
        The heat, an array (height, width) as large as the image, enlarged bilinearly;
        its largest value, before or after enlarging, is made 1. All 0 where nothing
        speaks for the class.
    """
    ### BEGIN SOLUTION
    maps = keras.Model(model.input, model.get_layer(layer).output)(x, training=False)
    back = behind(model, layer)
    slopes = train.gradient(lambda maps: back(maps)[0, label], maps)
    alpha = slopes.mean(axis=(1, 2))[0]
    heat = np.maximum(np.asarray(maps)[0] @ alpha, 0)
    heat = heat / max(heat.max(), 1e-9)
    large = keras.ops.image.resize(heat[..., np.newaxis], x.shape[1:3])
    return np.asarray(large)[..., 0]
    ### END SOLUTION


# %% check="grad_cam"
check.grad_cam(grad_cam)

# %% probe="grad_cam" atol=0.02
from cnnlab.teaching.looking import case, heat, spotted

calls = []
for hidden in (None, 6):
    network, image, *_ = spotted(seed, hidden=hidden)
    calls += [(network, image, k, "maps") for k in range(3)]
[case(grad_cam, call, (16, 24), heat) for call in calls]

# %% [markdown]
# Which layer to ask? A deep one knows more, an early one better *where*. For images of 224
# pixels it is usually block5_conv3, with 14×14 maps; for ours, block4_conv3, with 8×8.

# %% tags=["not-graded"]
LAYER = "block4_conv3"
shown = np.arange(train.budget(smoke=2, cpu=6, gpu=6))


def heat_of(model, k):
    """Grad-CAM of picture k, for the class that the trained network gives it."""
    heat = grad_cam(model, x[[k]], int(p[k].argmax()), LAYER)
    return np.reshape(np.asarray(heat), (64, 64))


names = [KINDS[k] for k in p[shown].argmax(1)]
look = {"masks": made.masks[shown] > 0}
look["title"] = f"Grad-CAM at {LAYER} of the narrow VGG16; the shapes outlined"
heats = np.array([heat_of(vgg, k) for k in shown])
plots.show(plots.overlays(made.x[shown], heats, names, **look))

# %% [markdown]
# ## 5. A second opinion: cover it
#
# Another way to ask, without maps or gradients (Zeiler and Fergus, 2014): cover a square of
# the image with grey, and see how far the probability of the class falls; everywhere.
#
# $$\text{fall}_{ij} = p_c(x) - p_c(x \text{ with the square at } (i \cdot
# \text{stride},\ j \cdot \text{stride}) \text{ covered}).$$
#
# ### Exercise 6: `occlusion` (2 points)
#
# The image has been prepared, so grey is 0. Squares lie within the image: there are
# $\lfloor (\text{height} - \text{size}) / \text{stride} \rfloor + 1$ rows of them. The model
# takes all covered images as one batch, which is much faster than one by one.


# %% exercise="occlusion" points=2 forbid=["cnnlab.checks"]
def occlusion(model, x, label, size, stride):
    """How far the probability of a class falls where a square is covered.

    Args:
        model: a keras.Model from images to probabilities.
        x: one prepared image, (1, height, width, 3), where 0 is grey; unchanged.
        label: number of the class.
        size, stride: of the squares, in pixels.

    Returns:
        An array (rows, columns), one value for each square: the probability for the
        image as it is, less that for the covered image. Negative where covering helps.
    """
    ### BEGIN SOLUTION
    _, height, width, _ = x.shape
    rows = range(0, height - size + 1, stride)
    columns = range(0, width - size + 1, stride)
    images = [x[0]]
    for row in rows:
        for column in columns:
            covered = x[0].copy()
            covered[row : row + size, column : column + size] = 0
            images.append(covered)
    p = np.asarray(model(np.array(images), training=False))[:, label]
    return (p[0] - p[1:]).reshape(len(rows), len(columns))
    ### END SOLUTION


# %% check="occlusion"
check.occlusion(occlusion)

# %% probe="occlusion"
from cnnlab.teaching.looking import case, pictures, small_network

rng = np.random.default_rng(seed)
calls, grids = [], []
for size, side, stride in (((12, 16), 4, 2), ((14, 10), 3, 3), ((10, 12), 5, 4)):
    network = small_network(int(rng.integers(1000)), size)
    image = pictures(seed, 1, size)
    likeliest_last = np.asarray(network(image, training=False))[0].argsort()
    wanted = int(likeliest_last[rng.integers(2)])
    calls.append((network, image, wanted, side, stride))
    grids.append([(n - side) // stride + 1 for n in size])
cases = zip(calls, grids, strict=True)
[case(occlusion, *each) for each in cases]

# %% tags=["not-graded"]
SIZE, STRIDE = 16, 8


def laid_over(fall):
    """The falls as a map as large as the image: each in the middle of its square."""
    fall = np.asarray(fall, "float32")[..., np.newaxis]
    sides = [STRIDE * n for n in fall.shape[:2]]
    large = np.asarray(keras.ops.image.resize(fall, sides))[..., 0]
    return np.pad(large, (SIZE - STRIDE) // 2, mode="edge")


asked = [(x[[k]], int(p[k].argmax())) for k in shown]
falls = [laid_over(occlusion(vgg, *each, SIZE, STRIDE)) for each in asked]
heats = np.maximum([fall / fall.max() for fall in falls], 0)
captions = [f"{n}\nfall {f.max():.2f}" for n, f in zip(names, falls, strict=True)]
look["title"] = f"Occlusion by {SIZE}×{SIZE} squares; each map over its largest fall"
plots.show(plots.overlays(made.x[shown], heats, captions, **look))

# %% [markdown]
# Some answers hang on one corner or edge; others fall wherever a square is.
#
# ## 6. Who points at the shape?
#
# Maps are easy to admire. Shapes come with masks, so we can count instead: the **pointing
# game** (Zhang et al., 2016) asks whether the *hottest pixel* of a map lies on the shape.
# Two players know nothing: one points at the centre of every picture, one anywhere.
#
# **Predict first.** How often will Grad-CAM, occlusion, centre and chance hit?

# %% prediction="pointing"
hit_rates = ""  # Grad-CAM, occlusion, centre, chance: four shares


# %% tags=["not-graded"]
def hits(heat, mask):
    """Whether the hottest pixel lies on the shape."""
    return bool(mask[np.unravel_index(np.argmax(heat), mask.shape)])


def contrast(image):
    """No network: how far colours are from the median colour of the picture."""
    apart = np.abs(image - np.median(image, axis=(0, 1))).sum(axis=-1)
    cells = apart.reshape(8, 8, 8, 8).mean(axis=(1, 3))  # means of 8×8 pixels
    return np.asarray(keras.ops.image.resize(cells[..., np.newaxis], (64, 64)))[..., 0]


# %% folded="The game: Grad-CAM, occlusion, centre and chance" tags=["not-graded"]
SEEDS, COUNT = train.budget(smoke=(1, 4), cpu=(3, 40), gpu=(3, 200))
played = {name: [] for name in ("Grad-CAM", "occlusion", "centre", "chance")}
plain = []  # of a player without a network, for section 7
for draw in range(SEEDS):
    drawn = shapes.make(COUNT, classes=KINDS, seed=100 + draw)
    inputs, masks = prepare(drawn.x), drawn.masks > 0
    labels = np.asarray(vgg(inputs, training=False)).argmax(axis=1)
    asked = [(inputs[[k]], int(labels[k])) for k in range(COUNT)]
    found = {
        "Grad-CAM": [grad_cam(vgg, *each, LAYER) for each in asked],
        "occlusion": [laid_over(occlusion(vgg, *each, SIZE, STRIDE)) for each in asked],
    }
    for name, heats in found.items():
        played[name].append(np.mean([*map(hits, heats, masks)]))
    played["centre"].append(masks[:, 32, 32].mean())
    played["chance"].append(masks.mean())
    plain.append(np.mean([*map(hits, map(contrast, inputs), masks)]))

# %% tags=["not-graded"]
title = f"Pointing game, narrow VGG16, {SEEDS} × {COUNT} pictures of shapes"
look = {"ylabel": "hottest pixel on the shape", "format": "{:.0%}"}
plots.show(plots.bars(played, title=title, **look))
print("You predicted:", hit_rates or "nothing yet")

# %% [markdown]
# In 21 draws of 40 pictures Grad-CAM hit 62 to 80 % (mean 73), occlusion 50 to 80 % (68), the
# centre 30 to 55 % (44), chance 13 to 16 %. So both maps know where the shape is, though the
# network never saw a mask; which of them is better, one draw does not tell. (At
# block5_conv3 Grad-CAM hits 60 to 75 %: it is coarser.)
#
# ## 7. Before you believe it
#
# **The player without a network.** `contrast`, above, has never seen a class: it marks
# where the colour is furthest from the median colour of the picture. How often does it hit?

# %% tags=["not-graded"]
title = f"The same game, {SEEDS} × {COUNT} pictures: with a player without a network"
three = {name: played[name] for name in ("Grad-CAM", "occlusion")}
plots.show(plots.bars(three | {"contrast, no network": plain}, title=title, **look))

# %% [markdown]
# **The network without its knowledge** (Adebayo et al., *Sanity Checks for Saliency Maps*,
# 2018). Draw the weights of the last layer anew, then of block 5 too, and so on downwards.
# Such a network knows no class any more. A map that explains the network must change with
# it; one that stays as it was, like `contrast`, shows the picture and not the network.
#
# **Predict first.** How alike, as a correlation, will Grad-CAM be to its former self when
# only the last layer is drawn anew? And when all of them are?

# %% prediction="sanity"
still_alike = ""  # correlation: last layer anew, all layers anew


# %% tags=["not-graded"]
def drawn_anew(model, names):
    """A copy of a model in which the layers with such names have new weights."""
    copy = keras.models.clone_model(model)  # all of its weights are new
    for old, new in zip(model.layers, copy.layers, strict=True):
        if not new.name.startswith(names):
            new.set_weights(old.get_weights())
    return copy


# %% folded="Grad-CAM of networks with weights drawn anew" tags=["not-graded"]
PARTS = {
    "trained": ("none",),
    "last layer": ("predictions",),
    "and block 5": ("predictions", "block5"),
    "and block 4": ("predictions", "block5", "block4"),
    "all layers": ("predictions", "block"),
}
COUNT = train.budget(smoke=2, cpu=20, gpu=60)
first = [heat_of(vgg, k) for k in range(COUNT)]
alike = {name: [] for name in PARTS}
gallery = []
for draw in range(SEEDS):
    train.seed(draw)
    for name, names_anew in PARTS.items():
        other = drawn_anew(vgg, names_anew)
        heats = [heat_of(other, k) for k in range(COUNT)]
        pairs = [(a.ravel(), b.ravel()) for a, b in zip(first, heats, strict=True)]
        same = [np.corrcoef(a, b)[0, 1] if a.any() and b.any() else 0 for a, b in pairs]
        alike[name].append(np.mean(same))
        gallery += heats[:2] if draw == 0 else []

# %% tags=["not-graded"]
order = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]  # one picture in a row
title = f"Grad-CAM at {LAYER}, weights drawn anew from the end; one draw"
images, look = made.x[[0] * 5 + [1] * 5], {"title": title, "columns": 5}
plots.show(plots.overlays(images, np.array(gallery)[order], 2 * list(PARTS), **look))
look = {"ylabel": "correlation with the trained", "format": "{:.2f}"}
title = f"How alike the heat stays: {COUNT} pictures, {SEEDS} draws of weights"
plots.show(plots.bars(alike, title=title, **look))
print("You predicted:", still_alike or "nothing yet")

# %% [markdown]
# Over twenty pictures the correlation falls from 1 to between 0.03 and 0.43 when the last
# layer alone is drawn anew, and to about 0.1 when all are (three draws). So Grad-CAM passes:
# it depends on what was learned. `contrast` fails by construction: its correlation is 1 for
# any weights. And yet it hits 85 to 100 % in those draws, more often than both maps. And one
# map of one picture proves nothing: with random weights heat may still lie on the plus.

# %% [markdown] question="saliency" title="What a map does not prove" points=1
# A network finds pneumonia in X-ray images, and its Grad-CAM lies on the lungs. "So it looks
# at the disease." What does the map allow to conclude, and what not? What do `contrast` and
# the weights drawn anew say about such maps? Name one experiment that says more.
#
# ### BEGIN SOLUTION
# *1 point.* A quarter each:
# (a) the heat says where something was that raised this logit; not that it was the disease
# (the shape of the lungs lies there as well), nor that the network is right;
# (b) `contrast` hits without knowing any class: hitting is no proof of an explanation;
# (c) the weights drawn anew are a necessary test, not a sufficient one: a map that does not
# change with them shows the picture alone; one that does may still mislead (Adebayo et al.);
# (d) one that intervenes: cover the lungs, or all but them, and see whether the answer
# changes; images of another hospital.
# ### END SOLUTION

# %% [markdown]
# ## 8. Alike, for a network
#
# The last maps of a network say what it knows of a picture. Their means, a number for each
# map, are a short description: a **feature vector**. Are two pictures alike if their vectors
# point the same way? The **cosine** of the angle between them says it, and does not mind how
# long they are:
#
# $$\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert\, \lVert b \rVert}.$$
#
# ### Exercise 7: `nearest` (2 points)


# %% exercise="nearest" points=2 forbid=["cnnlab.checks"]
def nearest(features, query, k):
    """The k pictures that are most like one of them, by the cosine of their features.

    Args:
        features: array (n, d), a row for each picture, none of them all 0; unchanged.
        query: the row of the picture that is asked about.
        k: how many others are wanted, less than n.

    Returns:
        The numbers of k rows, the most similar first, as a list or an array. Never the
        query itself.
    """
    ### BEGIN SOLUTION
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit @ unit[query]
    cosines[query] = -np.inf
    return np.argsort(-cosines)[:k]
    ### END SOLUTION


# %% check="nearest"
check.nearest(nearest)

# %% probe="nearest" compare="equal"
from cnnlab.teaching.looking import case

rng = np.random.default_rng(seed)
calls = []
for _ in range(4):
    count = int(rng.integers(9, 14))
    points = rng.normal(0, 1, (count, 5)) + rng.normal(0, 1, (count, 1))
    points = points * rng.uniform(0.2, 5, (count, 1))
    place = int(rng.integers(3, count - 3))
    points[place - 2], points[place + 2] = 4 * points[place], -points[place]
    calls += [(points, place, 4), (points, place - 2, 3)]
[case(nearest, call, (call[2],)) for call in calls]

# %% [markdown]
# Five kinds were never shown to our network: arrows, chevrons, crescents, hearts and stars.
# How many of the five pictures that are most like one are of its kind? That is the
# **precision at 5**; guessing gives 20 %.
#
# **Predict first.** From the pixels themselves, which precision? From the features of
# blocks 1 to 5, which is the best?

# %% prediction="retrieval"
from_pixels = ""  # precision
best_block = ""  # which block, and which precision

# %% tags=["not-graded"]
COUNT = train.budget(smoke=20, cpu=200, gpu=500)


def pooled(model):
    """The same network, which gives what each of its five poolings gives."""
    names = [f"block{k}_pool" for k in range(1, 6)]
    return keras.Model(model.input, [model.get_layer(name).output for name in names])


def described(model, images):
    """Feature vectors of the pictures: their pixels, and the means of each block."""
    inputs = prepare(images)
    found = {"pixels": inputs.reshape(len(inputs), -1)}
    for k, maps in enumerate(model.predict(inputs, verbose=0), 1):
        found[f"block {k}"] = maps.mean(axis=(1, 2)) + 1e-9
    return found


def precision(features, y):
    """Of the five nearest, the share of the same kind; the mean over all pictures."""
    found = [np.asarray(nearest(features, q, 5)) for q in range(len(y))]
    return np.mean(y[np.array(found)] == y[:, np.newaxis])


def precisions(model, draw, draws):
    """By kind of feature, the precision for each draw of pictures and their labels."""
    drawn = [draw(k) for k in range(draws)]
    told = [(described(model, images), y) for images, y in drawn]
    return {name: [precision(f[name], y) for f, y in told] for name in told[0][0]}


def new_kinds(seed):  # that the network has never seen
    made = shapes.make(COUNT, classes=shapes.TARGET_CLASSES, seed=200 + seed)
    return made.x, made.y


narrow = pooled(models.narrow_vgg16())
retrieved = {"five new kinds of shapes": precisions(narrow, new_kinds, SEEDS)}

# %% folded="Two pictures and the five nearest to each" tags=["not-graded"]
images, y = new_kinds(0)
told, rows, captions = described(narrow, images), [], []
for query in (0, 1):
    for name in ("pixels", "block 5"):
        found = [query, *np.asarray(nearest(told[name], query, 5))]
        rows += found
        captions += [f"query: {name}"] + [
            shapes.TARGET_CLASSES[y[k]] for k in found[1:]
        ]
title = "Two pictures, and the five nearest to each: by pixels, by features of block 5"
plots.show(plots.samples(images[rows], captions, title=title, columns=6))

# %% [markdown]
# Does it carry as far as photos? Where the flower photos are on this machine, five
# classes, they are asked as well; and where the weights of ImageNet are, VGG16 itself.

# %% folded="The same for photos, and with ImageNet" tags=["not-graded"]
bases = {"narrow VGG16": narrow}
try:
    options = {"weights": "imagenet", "include_top": False}
    bases["VGG16 of ImageNet"] = pooled(models.vgg16((64, 64, 3), **options))
except FileNotFoundError as error:
    print(str(error).split(". Put")[0])

sets = {"five new kinds of shapes": new_kinds}
if data.places.find("flower_photos").place:
    flowers = data.load("flower_photos", size=64)

    def some_flowers(seed):
        rows = np.random.default_rng(seed).permutation(len(flowers.y_train))[:COUNT]
        return flowers.x_train[rows], flowers.y_train[rows]

    sets["flower photos"] = some_flowers

for name, base in bases.items():
    for kind, draw in sets.items():
        if base is not narrow:  # 60 times the work: one draw
            retrieved[f"{kind}, {name}"] = precisions(base, draw, 1)
        elif kind not in retrieved:
            retrieved[kind] = precisions(base, draw, SEEDS)

# %% tags=["not-graded"]
groups = {
    name: {kind: found[name] for kind, found in retrieved.items()}
    for name in retrieved["five new kinds of shapes"]
}
look = {"ylabel": "precision at 5", "levels": {"guessing": 0.2}, "format": "{:.0%}"}
title = f"Retrieval, narrow VGG16 if nothing else is said: {COUNT} pictures a draw"
plots.show(plots.bars(groups, title=title, **look))
print(f"You predicted: {from_pixels or 'nothing yet'}, {best_block or 'nothing yet'}")

# %% [markdown]
# On the five new kinds pixels find what guessing finds, 20 to 21 %: they compare grounds.
# Block 5 finds 88 to 91 %, block 4 82 to 84 %, though the network has never seen a heart.
# On flowers all are alike, 25 to 32 %: the network has learned what tells outlines apart, and
# to ignore colour. Features serve pictures that are like those they were learned from (lab 9
# transfers them to new tasks; ImageNet is a better school for flowers).
#
# ## Go further
#
# Not graded. Take what interests you:
#
# - **The real one.** `models.vgg16(weights="imagenet")` and photos of your own, 224×224:
#   Grad-CAM at block5_conv3, for the first and for the second most probable class.
# - **Smoother dreams.** Shift the image by a few pixels at random before each step of
#   `maximise`, and blur it a little now and then.
# - **Each place its own weight.** Multiply gradient and maps place by place, without the
#   mean (HiResCAM). Does it win the pointing game?
#
# <details><summary>What the slides say differently</summary>
#
# - Deck 000 ("ResNet Architecture") gives richer semantic information to deep maps "due to
#   their large receptive field". Size alone gives none: a network with random weights has
#   the same fields, and its maps mean nothing. It is what was learned, from a large field.
# - Deck 002 ("Couche convolutive") calls receptive field the part of a layer's *input* that
#   one output sees: 3×3 for a 3×3 kernel. Across layers it means the part of the *image*.
# - Deck 003 ("Dilatation rate") says that dilation widens the field without loss of
#   coverage. That holds if the dilations fit, such as 1, 2, 4; with 2, 2, 2 seven tenths of
#   the pixels in the field are never looked at.
# - Deck 003 ("Convolution") counts 10,000 parameters for 100 filters of 10×10: on images of
#   one channel, and without biases. A filter has weights for every channel of its input.
#
# </details>
