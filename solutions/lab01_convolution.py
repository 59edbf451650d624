# ---
# jupyter:
#   cnnlab:
#     title: Convolution by hand
# ---

# %% [markdown]
# # Convolution by hand
#
# *Lab 1. About two hours; a laptop computes for less than a minute. 20 points.*
#
# At the end you can
#
# 1. compute convolutions by hand and in NumPy: channels, stride, padding, dilation;
# 2. predict the size of its output and the number of its parameters;
# 3. say what a kernel does to a picture by looking at its numbers;
# 4. pool a feature map, and say what the gradient does on its way back;
# 5. tell convolution from cross-correlation, and equivariance from invariance.
#
# **Before you start:** NumPy: slices, axes, broadcasting. New to Keras? Start with lab 1
# and go on in order; lab 4 works on its own.
#
# **Slides:** deck 002, "Convolutions" to "Rôle des couches pooling"; deck 003, "What is
# a 2D discrete convolution in image processing?", "Convolution layer", "Pooling layer";
# deck 001, "Convolution layer", "Dimensions formula"; deck 004, "Pooling Layer".
#
# **How it works.** Write what is missing where it says `raise NotImplementedError`. Run
# the line below it: a tick means go on, a cross says what is wrong and gives a hint; run
# it again for the next hint.
#
# **One rule.** Write the convolutions yourself: with loops, slices, `einsum`, as you like,
# but without a function that convolves (`np.convolve`, SciPy, Keras, `cnnlab.ops`).

# %%
from cnnlab import ops, plots, train
from cnnlab.checks import lab01 as check

import keras
import numpy as np
from sklearn.datasets import load_sample_image

train.start()

# %% [markdown]
# ## 1. Why not a dense layer?
#
# A dense layer connects every output to every input. Take a colour image of 256×256
# pixels, and let the output be as large as the input.
#
# **Predict first.** How many weights does that layer have? How many are left if each
# output looks at a 3×3 neighbourhood only, in all three colours? And if, in addition,
# the same weights are used at every position? (Count no biases; powers of ten will do.)

# %% prediction="weights"
dense = ""  # 10 to the power of what?
local = ""  # each output sees 3×3 pixels
convolution = ""  # and all positions share their weights

# %% tags=["not-graded"]
values, seen = 256 * 256 * 3, 3 * 3 * 3
weights = {"dense": values * values, "local": values * seen, "convolution": 3 * seen}
ax = plots.bars(weights, xlabel="weights", horizontal=True, log=True, format="{:,.0f}")
plots.show(ax)
guesses = dense, local, convolution
print("You predicted:", *(guess or "nothing yet" for guess in guesses), sep="\n- ")

# %% [markdown]
# In float32, the dense layer takes 155 GB. **Sparse connectivity** saves a factor of 7,000
# here, **parameter sharing** another 65,536, the number of positions. A convolution is a
# dense layer in which most weights are zero, and the others are equal.
#
# ## 2. One dimension
#
# A kernel $k$ of $w$ numbers slides over an input $x$; at each stop, what it covers is
# multiplied by it and summed. Counted from 0, as in Python, with **stride** $s$:
#
# $$y_i = \sum_{j=0}^{w-1} x_{i \cdot s + j} \; k_j$$
#
# The example of the slides is $x = (1, 4, -1, 0, 2, -2, 1, 3, 3, 1)$ and
# $k = (1, 2, 0, -1)$.
#
# **Predict first**, on paper, for both strides.

# %% prediction="by_hand"
stride_1 = ""  # the outputs for stride 1
stride_2 = ""  # and for stride 2

# %% [markdown]
# ### Exercise 1: `conv1d` (2 points)


# %% exercise="conv1d" points=2 forbid=["np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab"]
def conv1d(x, kernel, strides=1):
    """Slide a kernel over a series, without padding.

    Args:
        x: numbers (n,), integers or floats.
        kernel: numbers (w,), w <= n; it is not flipped.
        strides: how far the kernel moves from one output to the next.

    Returns:
        An array with one number for each stop at which the whole kernel fits.
    """
    ### BEGIN SOLUTION
    stops = range(0, len(x) - len(kernel) + 1, strides)
    return np.array([np.dot(x[i : i + len(kernel)], kernel) for i in stops])
    ### END SOLUTION


# %% check="conv1d"
check.conv1d(conv1d)

# %% probe="conv1d" says="signals and kernels of several lengths, strides" weight=2
rng = np.random.default_rng(seed)
cases = [(12, 3, 1), (9, 4, 1), (6, 6, 1), (5, 1, 1)]
cases += [(13, 3, 2), (14, 3, 2), (17, 4, 3), (11, 2, 4)]
cases = [(rng.normal(size=n), w, s) for n, w, s in cases]
cases.append((rng.integers(-9, 9, size=10), 5, 3))
cases = [(frozen(x), frozen(rng.normal(size=w)), s) for x, w, s in cases]
[attempt(conv1d, x, kernel, strides=s) for x, kernel, s in cases]

# %% [markdown]
# Step through the example of the slides: press *play*, or move the slider with the mouse
# or the arrow keys. The small numbers are the kernel, the title is the sum.

# %% tags=["not-graded"]
x_deck = np.array([1, 4, -1, 0, 2, -2, 1, 3, 3, 1])
k_deck = np.array([1, 2, 0, -1])
y_deck = conv1d(x_deck, k_deck)
plots.step_through(
    lambda step: plots.sliding_window(x_deck, k_deck, y_deck, step=step),
    len(y_deck),
    alt="Ten numbers, a window of four that moves over them, and the outputs so far.",
)
for strides, guess in ((1, stride_1), (2, stride_2)):
    print(conv1d(x_deck, k_deck, strides), "You predicted:", guess or "nothing yet")

# %% [markdown]
# `conv1d` is linear, so it is a matrix: the dense layer from above, with its zeros and its
# shared weights. Its columns are what `conv1d` makes of $(1, 0, 0, ...)$, $(0, 1, 0, ...)$ ...

# %% tags=["not-graded"]
units = np.eye(10)
matrices = {f"stride {s}": [conv1d(unit, k_deck, s) for unit in units] for s in (1, 2)}
matrices = {name: np.transpose(columns) for name, columns in matrices.items()}
axes = plots.numbers(matrices, xlabel="input", ylabel="output", title="As a matrix")
plots.show(axes)

# %% [markdown]
# ## 3. Sizes, before anything is computed
#
# Input of $n$ values per side, kernel of $f$, **padding** of $p$ zeros on *both* sides,
# stride $s$, and **dilation** $d$: the kernel's entries lie $d$ pixels apart, so that it
# spans $d(f-1)+1$ pixels. Then
#
# $$\text{output} = \left\lfloor \frac{n + 2p - d(f-1) - 1}{s} \right\rfloor + 1$$
#
# $$\text{parameters} = (f \cdot f \cdot c + 1) \cdot N
# \qquad\text{for } c \text{ input channels and } N \text{ filters.}$$
#
# The floor matters: a window that does not fit is left out, and the last pixels may never
# be seen. To keep the size at stride 1, pad by $(f-1)/2$; that takes an odd $f$.
#
# **Predict first**: the outputs per side, and the values at the end that no window reaches.

# %% prediction="sizes"
lenet = ""  # 28 values, kernel 5
lenet_padded = ""  # the same, with padding 2
alexnet = ""  # 227 values, kernel 11, stride 4
alexnet_224 = ""  # 224 values, as its paper says
resnet = ""  # 32 values, kernel 3, stride 2, padding 1
dilated = ""  # 32 values, kernel 3, dilation 4
weights_of_lenet = ""  # parameters of 6 filters 5×5 on grey images

# %% [markdown]
# ### Exercise 2: `output_size`, `unseen` and `conv_params` (2 points)


# %% exercise="sizes" points=2 forbid=["cnnlab", "keras", "tensorflow"]
def output_size(size, kernel_size, strides=1, padding=0, dilation=1):
    """Outputs of a convolution along one side, an integer.

    `padding` zeros are added on both sides; the kernel fits into the padded input.
    """
    ### BEGIN SOLUTION
    span = dilation * (kernel_size - 1) + 1
    return (size + 2 * padding - span) // strides + 1
    ### END SOLUTION


def unseen(size, kernel_size, strides=1, padding=0, dilation=1):
    """Values at the end of the padded input that no window reaches, an integer."""
    ### BEGIN SOLUTION
    span = dilation * (kernel_size - 1) + 1
    return (size + 2 * padding - span) % strides
    ### END SOLUTION


def conv_params(kernel_size, channels, filters):
    """Weights and biases of a 2-D convolution with a square kernel, an integer."""
    ### BEGIN SOLUTION
    return (kernel_size**2 * channels + 1) * filters
    ### END SOLUTION


# %% check="sizes"
check.output_size(output_size)

# %% check="sizes"
check.unseen(unseen)

# %% check="sizes"
check.conv_params(conv_params)

# %% probe="sizes" says="output sizes, all options together" weight=2 compare="equal"
from operator import index  # refuses floats

rng = np.random.default_rng(seed)
cases = rng.integers([8, 1, 1, 0, 1], [64, 4, 5, 4, 4], size=(60, 5))
np.array([index(output_size(*map(int, case))) for case in cases])

# %% probe="sizes" says="values that no output sees" weight=1 compare="equal"
rng = np.random.default_rng(seed)
cases = rng.integers([8, 1, 2, 0, 1], [64, 4, 5, 4, 4], size=(60, 5))
np.array([unseen(*map(int, case)) for case in cases])

# %% probe="sizes" says="numbers of parameters" weight=1 compare="equal"
rng = np.random.default_rng(seed)
cases = rng.integers([1, 1, 1], [12, 300, 300], size=(30, 3))
np.array([conv_params(*map(int, case)) for case in cases])

# %% tags=["not-graded"]
guesses = {  # size, kernel, stride, padding, dilation
    (28, 5, 1, 0, 1): lenet,
    (28, 5, 1, 2, 1): lenet_padded,
    (227, 11, 4, 0, 1): alexnet,
    (224, 11, 4, 0, 1): alexnet_224,
    (32, 3, 2, 1, 1): resnet,
    (32, 3, 1, 0, 4): dilated,
}
for case, guess in guesses.items():
    got = f"{output_size(*case)} outputs, {unseen(*case)} unseen"
    print(f"{case}: {got}. You predicted: {guess or 'nothing yet'}")
print(conv_params(5, 1, 6), "You predicted:", weights_of_lenet or "nothing yet")

# %% [markdown]
# AlexNet's paper says 224, and its own output of 55 needs 227: three pixels over which
# everybody stumbles who rebuilds the network.
#
# ## 4. Two dimensions
#
# One word and one star are used for two operations:
#
# $$\text{cross-correlation:}\quad (x \star k)_{ij} = \sum_{m,n} x_{i+m,\,j+n}\,k_{mn}
# \qquad\qquad \text{convolution:}\quad (x * k)_{ij} = \sum_{m,n} x_{i-m,\,j-n}\,k_{mn}$$
#
# Mathematics and signal processing mean the second: the kernel is **flipped**, in both
# directions. Every "convolution layer" ever trained computes the first: its weights are
# learned, and nobody minds if they are learned flipped.
#
# ### Exercise 3: `correlate2d` and `convolve2d` (3 points)
#
# Without padding. The images may be bytes (`uint8`), the kernel may be negative.


# %% exercise="correlate2d" points=3 forbid=["np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab"]
def correlate2d(x, kernel):
    """Cross-correlation: what convolution layers compute.

    Args:
        x: one channel (H, W), integers or floats.
        kernel: (h, w), h <= H and w <= W.

    Returns:
        Array (H - h + 1, W - w + 1); `x` and `kernel` stay as they are.
    """
    ### BEGIN SOLUTION
    height = x.shape[0] - kernel.shape[0] + 1
    width = x.shape[1] - kernel.shape[1] + 1
    out = np.zeros((height, width))
    for (m, n), weight in np.ndenumerate(kernel):  # each weight meets a shifted copy
        out += weight * x[m : m + height, n : n + width].astype(float)
    return out
    ### END SOLUTION


def convolve2d(x, kernel):
    """True convolution, for the same arguments: the kernel is flipped."""
    ### BEGIN SOLUTION
    return correlate2d(x, kernel[::-1, ::-1])
    ### END SOLUTION


# %% check="correlate2d"
check.correlate2d(correlate2d)

# %% check="correlate2d"
check.convolve2d(convolve2d)

# %% probe="correlate2d" says="cross-correlation, kernels of several shapes" weight=2
rng = np.random.default_rng(seed)
cases = [((7, 9), (2, 3)), ((8, 5), (4, 1)), ((6, 6), (3, 3)), ((3, 4), (3, 4))]
cases = [[frozen(rng.normal(size=n)) for n in case] for case in cases]
[attempt(correlate2d, *case) for case in cases]

# %% probe="correlate2d" says="whole numbers, and inputs left as they were" weight=1
rng = np.random.default_rng(seed)
scan = rng.integers(0, 256, (9, 8)).astype("uint8")
x, kernels = rng.normal(size=(4, 5)), [rng.normal(size=(3, 2)), np.array([[-1, 2]])]


def left_alone():
    same = np.asarray(correlate2d(x, np.ones((1, 1))))
    return np.append(same.ravel(), np.shares_memory(same, x))


[*(attempt(correlate2d, scan, kernel) for kernel in kernels), attempt(left_alone)]

# %% probe="correlate2d" says="convolution, kernels of several shapes" weight=2
rng = np.random.default_rng(seed)
cases = [((7, 9), (2, 3)), ((8, 5), (4, 1)), ((6, 6), (3, 3)), ((3, 4), (3, 4))]
cases = [[frozen(rng.normal(size=n)) for n in case] for case in cases]
[attempt(convolve2d, *case) for case in cases]

# %% [markdown]
# The slides' example in two dimensions. Its kernel is the same after half a turn: nobody
# would notice a flip. Below it, an impulse and a kernel that is not symmetric.

# %% tags=["not-graded"]
rows = ("11100", "01110", "00111", "00110", "01100")
x_cross = np.array([list(row) for row in rows], int)
k_cross = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
y_cross = np.array(correlate2d(x_cross, k_cross))
plots.step_through(
    lambda step: plots.sliding_window(x_cross, k_cross, y_cross, step=step),
    y_cross.size,
    alt="An image of zeros and ones, a 3 by 3 window that moves over it, and the outputs.",
)

# %% tags=["not-graded"]
impulse = np.pad([[1]], 2)
letter = np.array([[1, 2, 3], [0, 4, 0], [0, 5, 0]])  # a T
panels = {"impulse": impulse, "kernel": letter}
panels["cross-correlation"] = correlate2d(impulse, letter)
panels["convolution"] = convolve2d(impulse, letter)
axes = plots.numbers(panels, title="Cross-correlation turns the kernel by 180°")
plots.show(axes)

# %% [markdown]
# ## 5. What a kernel sees
#
# Before kernels were learned, they were invented. You know what each should do: find its
# nine numbers. They are for **cross-correlation**.
#
# | name | what comes out |
# |---|---|
# | `identity` | the pixel |
# | `moved` | the image, moved to the right by one pixel |
# | `box_blur` | the mean of the pixel and its eight neighbours |
# | `edges` | eight times the pixel, less its eight neighbours |
# | `sharpen` | the pixel, plus four times itself less its neighbours above, below, left, right |
# | `sobel` | the right column less the left one, the middle row counted twice |
#
# ### Exercise 4: `classical_kernels` (2 points)


# %% exercise="kernels" points=2 forbid=["cnnlab", "scipy"]
def classical_kernels():
    """The six kernels of the table.

    Returns:
        A dict from each name to an array (3, 3).
    """
    ### BEGIN SOLUTION
    return {
        "identity": np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        "moved": np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]]),
        "box_blur": np.ones((3, 3)) / 9,
        "edges": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
        "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        "sobel": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    }
    ### END SOLUTION


# %% check="kernels"
check.classical_kernels(classical_kernels)

# %% probe="kernels"
kernels = classical_kernels()
names = "identity", "moved", "box_blur", "edges", "sharpen", "sobel"
{name: np.asarray(kernels.get(name, 0), float) for name in names}

# %% [markdown]
# **Predict first.** On a photograph of a Chinese temple: what will `edges` show where the
# sky is? Where will `sobel` be positive, where negative? Which edges does it not see?

# %% prediction="filters"
edges_in_the_sky = ""  # dark, bright, or nothing?
sobel_positive = ""  # on which side of a dark pillar?
sobel_blind = ""  # for which edges?

# %% tags=["not-graded"]
step = train.budget(smoke=6, cpu=2, gpu=2)
colour_photo = load_sample_image("china.jpg")[30:330:step, 60:420:step] / 255
photo = colour_photo.mean(axis=-1)
kernels = {name: np.array(kernel) for name, kernel in classical_kernels().items()}
seen = {name: np.array(correlate2d(photo, k)) for name, k in kernels.items()}
across, down = seen["sobel"], np.array(correlate2d(photo, kernels["sobel"].T))
panels = {
    "photo": photo,
    "moved": seen["moved"],
    "box_blur": seen["box_blur"],
    "sharpen, cut to 0 to 1": seen["sharpen"].clip(0, 1),
    "edges / 8": seen["edges"] / 8,
    "sobel / 4": across / 4,
    "sobel, transposed / 4": down / 4,
    "slope: length of both sobels / 4": np.hypot(across, down) / 4,
}
axes = plots.maps(panels, title="Kernels on china.jpg (scikit-learn)", label="output")
plots.show(axes)
guesses = edges_in_the_sky, sobel_positive, sobel_blind
print("You predicted:", *(guess or "nothing yet" for guess in guesses), sep="\n- ")

# %% [markdown]
# `edges` is 0 on the sky: its numbers sum to 0. `sobel` is positive where it grows
# brighter from left to right, so the two sides of a pillar have opposite signs, and it
# does not see horizontal edges; its transpose does. (To fit one scale, `edges` is divided
# by 8, `sobel` by 4; what `sharpen` puts outside 0 to 1 is cut off.)
#
# ## 6. A convolution layer
#
# A layer takes a batch of images with $c$ channels. Each of its $N$ filters has a slice
# for every channel, and **the channels are summed**: one filter, one map. Then its **bias**
# is added, the same number everywhere:
#
# $$y_{b,i,j,f} = \text{bias}_f + \sum_{m,n,c}
# x_{b,\; i s + m d,\; j s + n d,\; c} \; k_{m,n,c,f}$$
#
# where $x$ already has its $p$ rows and columns of zeros on every side.

# %% folded="How stride, padding and dilation move the window" tags=["not-graded"]
x_small = np.arange(1, 26).reshape(5, 5) % 7
settings = ((2, 0, 1), (1, 1, 1), (1, 0, 2), (2, 1, 1))
axes = plots.panels((2, 2), size=(11, 7))
for ax, (s, p, d) in zip(axes.flat, settings, strict=True):
    y = ops.correlate(x_small, k_cross, strides=s, padding=p, dilation_rate=d)
    title = f"stride {s}, padding {p}, dilation {d}: {y.shape[0]}×{y.shape[1]}"
    look = {"step": min(1, y.size - 1), "title": title, "ax": ax}
    moves = {"strides": s, "padding": p, "dilation": d}
    plots.sliding_window(x_small, k_cross, y, **look, **moves)
    ax.set(xlim=(-0.6, 12.6), ylim=(6.6, -1.2))  # cells of one size
plots.show(axes, alt="A 3 by 3 kernel on a 5 by 5 image, in four ways.")

# %% [markdown]
# ### Exercise 5: `conv2d` (4 points)


# %% exercise="conv2d" points=4 forbid=["np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab"]
def conv2d(x, kernel, bias, strides=1, padding=0, dilation=1):
    """A convolution layer, forward, without activation.

    Args:
        x: images (batch, height, width, channels), integers or floats.
        kernel: floats (h, w, channels, filters); not flipped.
        bias: (filters,).
        strides: how far the window moves, down and to the right.
        padding: zeros added on all four sides of each image.
        dilation: how far apart the kernel's entries lie, in both directions.

    Returns:
        Feature maps (batch, height', width', filters).
    """
    ### BEGIN SOLUTION
    border = (padding, padding)
    x = np.pad(x, ((0, 0), border, border, (0, 0)))
    h, w = kernel.shape[:2]
    height, width = (
        (n - dilation * (size - 1) - 1) // strides + 1
        for n, size in zip(x.shape[1:3], (h, w), strict=True)
    )
    out = np.zeros((len(x), height, width, kernel.shape[-1])) + bias
    down, right = strides * (height - 1) + 1, strides * (width - 1) + 1
    for m, n in np.ndindex(h, w):
        top, left = m * dilation, n * dilation
        seen = x[:, top : top + down : strides, left : left + right : strides]
        out += seen @ kernel[m, n]  # sums over the channels
    return out
    ### END SOLUTION


# %% check="conv2d"
check.conv2d(conv2d)

# %% check="conv2d"
check.conv2d_moves(conv2d)

# %% probe="conv2d" says="batches, channels and a bias" weight=1
rng = np.random.default_rng(seed)
grey = rng.integers(0, 9, (2, 4, 6, 1)).astype("uint8"), rng.normal(size=(1, 4, 1, 3))
case = rng.normal(size=(3, 7, 5, 2)), rng.normal(size=(3, 2, 2, 4)), rng.normal(size=4)
one = case[0][:1, ..., :1], case[1][:, :, :1, :1], case[2][:1]  # of everything
[attempt(conv2d, *each) for each in (case, (*grey, rng.normal(size=3)), one)]

# %% probe="conv2d" says="stride, padding and dilation, alone and together" weight=5
rng = np.random.default_rng(seed)
moves = [(2, 0, 1), (3, 0, 1), (1, 1, 1), (1, 2, 1), (1, 0, 2), (1, 0, 3)]
moves += [(2, 1, 1), (3, 2, 2), (1, 1, 2), (2, 0, 3)]
case = rng.normal(size=(2, 10, 9, 3)), rng.normal(size=(2, 3, 3, 2)), np.zeros(2)
case = [frozen(part) for part in case]  # the bias has a probe of its own
[attempt(conv2d, *case, strides=s, padding=p, dilation=d) for s, p, d in moves]

# %% [markdown]
# Does Keras agree? Its layers take the same kernels; the differences should be rounding
# errors of float32.

# %% tags=["not-graded"]
x_try = np.random.default_rng(0).normal(size=(4, 17, 15, 3)).astype("float32")
for strides, dilation in ((1, 1), (2, 1), (1, 2)):
    moves = {"strides": strides, "dilation_rate": dilation}
    layer = keras.layers.Conv2D(8, 3, bias_initializer="normal", **moves)
    theirs = keras.ops.convert_to_numpy(layer(x_try))
    ours = conv2d(x_try, *layer.get_weights(), strides, 0, dilation)
    print(f"{moves}: differs by at most {np.abs(ours - theirs).max():.0e}")
print("parameters:", layer.count_params(), "By formula:", conv_params(3, 3, 8))

# %% [markdown]
# (`padding="same"` in Keras gives $\lceil n / s \rceil$ outputs, with an odd zero *after*: on
# 32 pixels with stride 2 it has the size of `padding=1`, with windows one pixel off.)
#
# Channels at work: four filters on the colour photo. The first takes the mean of the three
# colours, the second red less green, the others look for edges in all colours at once.

# %% tags=["not-graded"]
bank = np.zeros((3, 3, 3, 4))  # height, width, colours, filters
bank[1, 1, :, 0] = 1 / 3
bank[1, 1, :, 1] = 1, -1, 0
bank[..., 2] = kernels["sobel"][..., np.newaxis] / 12
bank[..., 3] = kernels["sobel"].T[..., np.newaxis] / 12
maps = conv2d(colour_photo[np.newaxis], bank, np.zeros(4), padding=1)[0]
names = ["mean of the colours", "red less green", "vertical edges", "horizontal edges"]
panels = dict(zip(names, maps.transpose(2, 0, 1), strict=True))
axes = plots.maps(panels, title="Four filters on china.jpg, padding 1", label="output")
plots.show(axes)

# %% [markdown]
# Look at the borders of the edge maps: the padding makes edges where the world has none.
#
# ## 7. Time: causal convolution
#
# In a series, a convolution is **causal** if $y_t$ sees $x_t$ and what came before, not the
# future. The output is as long as the input, so all zeros stand in front. With dilation $d$:
#
# $$y_t = \sum_{j=0}^{w-1} k_j \; x_{t - (w-1-j)\,d} \qquad (x_t = 0 \text{ for } t < 0)$$
#
# so that the last entry of the kernel meets the present. WaveNet speaks with such layers.
#
# ### Exercise 6: `causal_conv1d` (1 point)


# %% exercise="causal_conv1d" points=1 forbid=["np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab"]
def causal_conv1d(x, kernel, dilation=1):
    """A convolution that does not look ahead, as long as its input.

    Args:
        x: numbers (n,), in the order of time.
        kernel: numbers (w,); the last one meets the present.
        dilation: how far apart its entries lie.

    Returns:
        Array (n,).
    """
    ### BEGIN SOLUTION
    back = dilation * (len(kernel) - 1)
    padded = np.concatenate([np.zeros(back), x])
    views = [padded[j * dilation :][: len(x)] for j in range(len(kernel))]
    return np.tensordot(kernel, np.array(views), axes=1)
    ### END SOLUTION


# %% check="causal_conv1d"
check.causal_conv1d(causal_conv1d)

# %% probe="causal_conv1d"
rng = np.random.default_rng(seed)
cases = [(12, 3, 1), (15, 2, 4), (20, 4, 3), (5, 3, 2), (4, 3, 5), (6, 1, 2)]
cases = [(rng.normal(size=n), rng.normal(size=w), d) for n, w, d in cases]
cases.append((rng.integers(-9, 9, 9), rng.normal(size=3), 2))
[attempt(causal_conv1d, x, kernel, dilation=d) for x, kernel, d in cases]

# %% [markdown]
# Something happens at $t = 20$. Who knows of it before?

# %% tags=["not-graded"]
event, mean = np.eye(40)[20], np.ones(4) / 4
outputs = {'padding="same"': conv1d(np.pad(event, (1, 2)), mean)}
outputs["causal"] = causal_conv1d(event, mean)
outputs["causal, dilation 4"] = causal_conv1d(event, mean, dilation=4)
title = "The mean of 4 values, around an event"
axes = plots.panels((3, 1), title=title, size=(8, 5), sharex=True, sharey=True)
for ax, (name, y) in zip(axes.flat, outputs.items(), strict=True):
    plots.points(range(40), {name: y}, xlabel="time", ylabel="output", ax=ax)
    plots.reference(ax, marks={"the event": 20})
plots.show(axes)

# %% [markdown]
# With zeros on both sides, the mean knows of the event two steps ahead.
#
# ## 8. Pooling
#
# A window again, but nothing to learn: of each window the **maximum**, the **average**, or
# the **L2 norm** $\sqrt{\sum x^2}$ is kept, for each channel by itself. The stride is
# usually the size of the window. **Global** average pooling has one window as large as the
# map, and leaves one number per channel. All layers that follow have less to compute.
#
# ### Exercise 7: `pool` and `global_average_pool` (2 points)


# %% exercise="pool" points=2 forbid=["scipy", "keras", "tensorflow", "cnnlab", "skimage"]
def pool(x, pool_size, strides=None, kind="max"):
    """Pool feature maps; windows that do not fit are left out.

    Args:
        x: (batch, height, width, channels), integers or floats.
        pool_size: side of the square window.
        strides: how far the window moves; None: by its own size.
        kind: "max", "average" or "l2".

    Returns:
        (batch, height', width', channels).
    """
    ### BEGIN SOLUTION
    strides = strides or pool_size
    windows = np.lib.stride_tricks.sliding_window_view(x, [pool_size] * 2, axis=(1, 2))
    windows = windows[:, ::strides, ::strides]
    if kind == "max":
        return windows.max(axis=(-2, -1))
    if kind == "average":
        return windows.mean(axis=(-2, -1))
    return np.sqrt((windows**2).sum(axis=(-2, -1)))
    ### END SOLUTION


def global_average_pool(x):
    """The mean of each map: (batch, height, width, channels) -> (batch, channels)."""
    ### BEGIN SOLUTION
    return x.mean(axis=(1, 2))
    ### END SOLUTION


# %% check="pool"
check.pool(pool)

# %% check="pool"
check.global_average_pool(global_average_pool)

# %% probe="pool" says="maximum, average and L2 pooling" weight=3 essential=["max"]
rng = np.random.default_rng(seed)
x, whole = rng.normal(size=(2, 7, 9, 3)) - 2, rng.integers(0, 99, (1, 4, 6, 2))
cases = [(2, None), (3, None), (2, 1), (3, 2), (2, 3)]
cases = [(frozen(x), *case) for case in cases] + [(frozen(whole), 2, None)]


def pooled(kind):
    return [pool(*case, kind) for case in cases]


{kind: attempt(pooled, kind) for kind in ("max", "average", "l2")}

# %% probe="pool" says="global average pooling" weight=1
x = np.random.default_rng(seed).normal(size=(3, 5, 8, 4))
[global_average_pool(part) for part in (x, x[:1, ..., :1])]

# %% tags=["not-graded"]
outlines = np.abs(across)[np.newaxis, ..., np.newaxis]
panels = {"|sobel|": outlines[0, ..., 0]}
for kind, divisor in (("max", 1), ("average", 1), ("l2", 4)):  # 4: to fit one scale
    name = f"{kind} 4×4" + f", divided by {divisor}" * (divisor > 1)
    panels[name] = pool(outlines, 4, kind=kind)[0, ..., 0] / divisor
axes = plots.maps(panels, title="Vertical edges of china.jpg, pooled", label="|sobel|")
plots.show(axes)

# %% [markdown]
# A 4×4 pooling leaves a sixteenth of the numbers. The maximum keeps thin edges, the average
# dilutes them. Is pooling perhaps a convolution? Try, in a cell of your own, to make your
# `conv2d` give what your `pool` gives.

# %% [markdown] question="pooling_as_convolution" title="Is pooling a convolution?" points=1
# Can average pooling 2×2 with stride 2 be written as a convolution? If so, with which
# kernel and stride, and how does it treat the channels? Can max pooling? Give a reason
# that holds for all inputs and kernels, not only for those that you tried.
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: average pooling is a convolution with stride 2 and kernel 2×2
# of entries 1/4, one channel at a time: a depthwise convolution, or a full one whose
# kernel is 1/4 for equal input and output channel and 0 otherwise. Half a point: max
# pooling is not, because every convolution (without bias) is linear and the maximum is
# not: for instance max(1, 0) + max(-1, 0) = 1, but max(0, 0) = 0; any counterexample to
# additivity or to f(-a) = -f(a) will do. "Max has no weights" alone earns nothing.
# ### END SOLUTION

# %% [markdown]
# ## 9. Pooling on the way back
#
# Lab 2 trains networks by sending a gradient backwards through every layer: for each
# output a number comes back, how much the loss would grow if that output grew. A layer
# must pass it on to its inputs. For pooling that is easy to see:
#
# - the **average** of $k \times k$ pixels grows by $1/k^2$ when one of them grows by 1: each
#   gets $1/k^2$ of what came back;
# - the **maximum** depends on the winner only: it gets everything, the others nothing.
#   If several are equal, the first one, row by row, is taken for the winner (as in Keras).
#   After a ReLU that is no rare case: whole windows are 0.
#
# ### Exercise 8: `max_pool_backward` and `average_pool_backward` (2 points)


# %% exercise="pool_backward" points=2 forbid=["scipy", "keras", "tensorflow", "jax", "cnnlab"]
def max_pool_backward(grad, x, pool_size):
    """Gradient of max pooling with windows that do not overlap.

    Args:
        grad: what came back for the outputs, (batch, height', width', channels).
        x: what was pooled, (batch, height, width, channels), integers or floats.
        pool_size: side of the window, and the stride.

    Returns:
        The gradient for x, of its shape; 0 for pixels that are in no window.
    """
    ### BEGIN SOLUTION
    dx = np.zeros(x.shape)
    for b, i, j, c in np.ndindex(grad.shape):
        top, left = i * pool_size, j * pool_size
        window = x[b, top : top + pool_size, left : left + pool_size, c]
        m, n = np.unravel_index(window.argmax(), window.shape)
        dx[b, top + m, left + n, c] = grad[b, i, j, c]
    return dx
    ### END SOLUTION


def average_pool_backward(grad, x, pool_size):
    """Gradient of average pooling, for the same arguments."""
    ### BEGIN SOLUTION
    dx = np.zeros(x.shape)
    shares = grad.repeat(pool_size, axis=1).repeat(pool_size, axis=2) / pool_size**2
    dx[:, : shares.shape[1], : shares.shape[2]] = shares
    return dx
    ### END SOLUTION


# %% check="pool_backward"
check.max_pool_backward(max_pool_backward)

# %% check="pool_backward"
check.average_pool_backward(average_pool_backward)

# %% probe="pool_backward" says="backward through maximum pooling" weight=2
rng = np.random.default_rng(seed)
cases = [((2, 4, 6, 3), 2), ((1, 7, 8, 2), 3), ((2, 5, 5, 1), 2)]
grads = [rng.normal(size=(n[0], n[1] // k, n[2] // k, n[3])) for n, k in cases]
xs = [-rng.permutation(int(np.prod(n))).reshape(n) / 2 for n, _ in cases]
cases = [(g, x, k) for g, x, (_, k) in zip(grads, xs, cases, strict=True)]
ties = rng.integers(0, 2, (2, 3, 6, 6, 2))  # many windows have several maxima
cases += [(rng.normal(size=(3, 3, 3, 2)), x, 2) for x in ties]
[attempt(max_pool_backward, frozen(g), frozen(x), k) for g, x, k in cases]

# %% probe="pool_backward" says="backward through average pooling" weight=2
rng = np.random.default_rng(seed)
cases = [((2, 4, 6, 3), 2), ((1, 7, 8, 2), 3), ((2, 5, 5, 1), 2)]
grads = [rng.normal(size=(n[0], n[1] // k, n[2] // k, n[3])) for n, k in cases]
xs = [rng.integers(0, 9, n) for n, _ in cases]
cases = [(g, x, k) for g, x, (_, k) in zip(grads, xs, cases, strict=True)]
[attempt(average_pool_backward, *case) for case in cases]

# %% tags=["not-graded"]
noisy = np.random.default_rng(3).integers(0, 10, (1, 4, 6, 1))
back = np.arange(1.0, 7).reshape(1, 2, 3, 1)
panels = {"input": noisy, "came back": back}
panels["to the input, max"] = max_pool_backward(back, noisy, 2)
panels["to the input, average"] = average_pool_backward(back, noisy, 2)
panels = {name: array[0, ..., 0] for name, array in panels.items()}
axes = plots.numbers(panels, title="Pooling 2×2 on the way back")
for ax in axes[[0, 2, 3]]:  # the windows
    ax.vlines((1.5, 3.5), -0.5, 3.5, color="0.2")
    ax.hlines(1.5, -0.5, 5.5, color="0.2")
plots.show(axes)

# %% [markdown]
# ## 10. Equivariant or invariant?
#
# Let $T$ move an image by some pixels. A function $f$ is
#
# - **equivariant** if $f(Tx) = T f(x)$: what moves in the input moves in the output;
# - **invariant** if $f(Tx) = f(x)$: the output does not notice.
#
# A network that finds things needs the first, one that only names them the second. To
# measure both, two windows are cut out of one photograph, the second $d$ pixels further
# to the left: the picture moves to the right by $d$, and new pixels come in.
#
# **Predict first.** For which $d$ is the error of a convolution with stride 2 zero? Of
# max pooling 2×2? What is more invariant: max pooling 2×2, 8×8, or a global average?

# %% prediction="shifts"
stride_2_exact = ""  # for which d?
max_pool_exact = ""  # for which d?
most_invariant = ""  # which of the three?

# %% tags=["not-graded"]
grey = load_sample_image("china.jpg").mean(axis=-1) / 255
filter_3x3 = np.random.default_rng(0).normal(size=(3, 3, 1, 1))
layers = {  # name: (function, how much smaller its output is)
    "convolution, stride 1": (lambda x: conv2d(x, filter_3x3, np.zeros(1)), 1),
    "convolution, stride 2": (lambda x: conv2d(x, filter_3x3, np.zeros(1), 2), 2),
    "max pooling 2×2": (lambda x: pool(x, 2), 2),
    "max pooling 8×8": (lambda x: pool(x, 8), 8),
    "global average": (global_average_pool, 1),
}


def cut(d, side=64):
    """A window of the photograph (1, side, side, 1), d pixels further to the left."""
    top, left = (n // 2 - side // 2 for n in grey.shape)
    return grey[np.newaxis, top : top + side, left - d : left - d + side, np.newaxis]


def relative(received, wanted):
    """How far two arrays differ, relative to the second."""
    return np.linalg.norm(received - wanted) / np.linalg.norm(wanted)


# %% folded="How far f(Tx) is from T f(x), and from f(x)" tags=["not-graded"]
def moved_along(f, d, factor):
    """Error of f(Tx) against T f(x), where both are known."""
    still, moved, shift = f(cut(0)), f(cut(d)), round(d / factor)
    width = still.shape[2] - shift - 1
    return relative(moved[:, :, shift:][:, :, :width], still[:, :, :width])


shifts, errors = (
    range(9),
    {"Equivariant? f(Tx), T f(x)": {}, "Invariant? f(Tx), f(x)": {}},
)
axes = plots.panels(2, titles=list(errors), title="china.jpg, moved", size=(12, 4))
equivariance, invariance = errors.values()
for name, (f, factor) in layers.items():
    invariance[name] = [relative(f(cut(d)), f(cut(0))) for d in shifts]
    if name != "global average":  # it has no positions left
        equivariance[name] = [moved_along(f, d, factor) for d in shifts]
for ax, values in zip(axes, errors.values(), strict=True):
    plots.lines(shifts, values, xlabel="shift d", ylabel="relative error", ax=ax)
axes[0].get_legend().remove()  # the same names stand beside the other panel
plots.show(axes)
guesses = stride_2_exact, max_pool_exact, most_invariant
print("You predicted:", *(guess or "nothing yet" for guess in guesses), sep="\n- ")

# %% [markdown]
# A convolution with stride 1 is equivariant, exactly. With stride 2, and with pooling 2×2,
# even shifts are fine and odd ones are not: the windows cut the picture differently.
# Pooling 8×8 is exact at 0 and 8 only. Invariance comes by degrees. A shift of one pixel
# changes the convolution's output by 17 %, max pooling 2×2 by 15 %, 8×8 by 6 %, the global
# average by 1 %, and that is only what entered on one side and left on the other.

# %% [markdown] question="equivariance" title="What moves along, what stays" points=1
# A network has convolutions with padding, two max poolings, a global average at its end,
# and a dense layer on top. Which of its parts are equivariant to a shift of the image,
# which are invariant, exactly or nearly, and where does each property break down? Why
# would a network that must say *where* something is do without the global average?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: convolutions with stride 1 are equivariant away from the
# border (the zeros of the padding do not move with the image); poolings only for shifts
# that are multiples of their stride, together of 4 pixels, nearly invariant for shifts
# much smaller than the window; the global average is invariant as far as nothing enters
# or leaves the picture, and so is all that follows it. Half a point: the position is
# what invariance throws away; a map that moves with the object still holds it. Calling
# convolution invariant earns nothing for the first half.
# ### END SOLUTION

# %% [markdown]
# ## Go further (not graded)
#
# - **Six loops.** Write `conv2d` for nested lists, one multiplication at a time, and time
#   it beside your `conv2d` and `keras.ops.conv`, for 128×128 pixels and for 8×8.
# - **Separable kernels.** `sobel` is a column times a row. What does that save?
#
# <details><summary>What the slides say differently</summary>
#
# - Deck 002's 1-D example speaks of "a stride of 2" and "a 5-element vector", and shows the
#   7 numbers of stride 1. It calls the layer affine, without the bias that makes it so.
# - Deck 000 leaves the floor out of the output size; deck 002's $H - h + 1$ is for stride 1.
#   Decks 000 and 004 give AlexNet 224 pixels. Deck 003's 10k parameters for 100 filters
#   10×10 are right for one channel and no bias; on colour images they are 30,100.
# - Deck 003 (equation 5) has the true convolution, decks 001 and 002 cross-correlation,
#   under one name and one star; deck 001 swaps $n$ and $m$ on one side.
# - Deck 003 says that average pooling takes the maximum. Where deck 002 says that pooling
#   reduces the efficiency, read: the cost. Deck 001's "divide by 4", for 2×2, is the area.
# - Deck 002 calls equivariance "invariance par translation", and says that pooling makes
#   invariant to translation: roughly, for shifts that are small against the window.
#
# </details>
