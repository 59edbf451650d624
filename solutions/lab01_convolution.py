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
# 1. compute a convolution by hand and in NumPy, with channels, stride, padding and
#    dilation;
# 2. predict the size of its output and the number of its parameters;
# 3. say what a kernel does to a picture by looking at its numbers;
# 4. pool a feature map, and say what the gradient does on its way back;
# 5. tell convolution from cross-correlation, and equivariance from invariance.
#
# **Before you start:** NumPy: slices, axes, broadcasting. No neural networks yet.
#
# **Slides:** deck 002, "Convolutions" to "Rôle des couches pooling"; deck 003, "What is
# a 2D discrete convolution in image processing?", "Convolution layer", "Pooling layer";
# deck 001, "Convolution layer", "Dimensions formula"; deck 004, "Pooling Layer".
#
# **How it works.** Replace each `raise NotImplementedError(...)` by your answer. The
# check below it prints a tick, or says what is wrong and gives a hint; run it again for
# the next hint. The other cells are there to be read, run and played with.
#
# **One rule.** You write the convolutions yourself: with loops, slices, `einsum`,
# matrix products, even Fourier transforms, as you like, but not by calling a function
# that convolves (`np.convolve`, SciPy, Keras, `cnnlab.ops`).

# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from cnnlab import arithmetic, ops, plots, train
from cnnlab.teaching.check import Failure, check, close, equal, forbid, recognise
from sklearn.datasets import load_sample_image

train.seed(0)
LIBRARIES = ("np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab")


def show(axes, title, alt):
    """Give a finished figure its title, and show it."""
    for ax in np.ravel(axes):
        ax.spines[["top", "right"]].set_visible(False)
        ax.title.set_size(10)
    figure = np.ravel(axes)[0].figure
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=11)
    plots.show(axes, alt=alt)


def numbers(ax, values, **look):
    """Draw a matrix with its numbers."""
    ax.imshow(values, **look)
    for (i, j), value in np.ndenumerate(values):
        ax.text(j, i, f"{value:g}", ha="center", va="center", size=9)


# %% [markdown]
# ## 1. Why not a dense layer?
#
# *Deck 002, "Convolutions".* A dense layer connects every output to every input. Take a
# colour image of 256×256 pixels, and let the output be as large as the input.
#
# **Predict first.** How many weights does that layer have? And how many are left if each
# output looks at a 3×3 neighbourhood only, in all three colours? And if, in addition,
# the same weights are used at every position? (Count no biases.) Write down the powers
# of ten, then run the cell below.

# %%
prediction = {"dense": "10 to the power of ?", "local": "?", "convolution": "?"}

# %% tags=["nbval-check-output"]
pixels, channels, neighbours = 256 * 256, 3, 3 * 3
weights = {
    "dense": (pixels * channels) ** 2,
    "local": (pixels * channels) * (neighbours * channels),
    "convolution": channels * (neighbours * channels),
}
for name, count in weights.items():
    print(f"{name:12} {count:14,} weights, {4 * count / 1e9:.3g} GB in float32")
# -> dense        38,654,705,664 weights, 155 GB in float32
# -> local             5,308,416 weights, 0.0212 GB in float32
# -> convolution              81 weights, 3.24e-07 GB in float32

# %% tags=["not-graded"]
figure, ax = plt.subplots(figsize=(7.5, 2), layout="constrained")
names = ["dense", "local: 3×3 pixels", "convolution:\nlocal and shared"]
bars = ax.barh(names, list(weights.values()), color=["#D55E00", "#56B4E9", "#0072B2"])
ax.bar_label(bars, [f" {count:,}" for count in weights.values()])
ax.set(xscale="log", xlim=(1, 1e13), xlabel="weights (log scale)", ylim=(2.6, -0.6))
show(
    ax,
    "256×256×3 to 256×256×3: from 155 GB to 324 bytes",
    "Bar chart on a log scale. Dense: 38,654,705,664 weights. Local, 3 by 3 pixels: "
    "5,308,416. Local and shared, a convolution: 81.",
)
print("You predicted:", prediction)

# %% [markdown]
# The two steps are the two advantages of deck 002: **sparse connectivity** saves a factor
# of 7,000 here, **parameter sharing** another 65,536, the number of positions. A
# convolution is no other kind of layer. It is a dense layer in which most weights are
# zero, and the others are equal.
#
# ## 2. One dimension
#
# *Deck 002, "Convolution: 1D".* A kernel $k$ of $w$ numbers slides over an input $x$; at
# each stop, what it covers is multiplied by it and summed. Counted from 0, as in
# Python, with **stride** $s$:
#
# $$y_i = \sum_{j=0}^{w-1} x_{i \cdot s + j} \; k_j$$
#
# The example of the slides is $x = (1, 4, -1, 0, 2, -2, 1, 3, 3, 1)$ and
# $k = (1, 2, 0, -1)$. The slide speaks of "a stride of 2" and "a 5-element vector", and
# shows 7 numbers: those of stride **1**.
#
# **By hand first**, on paper, both strides; write what you get into the next cell.

# %%
x_deck = np.array([1, 4, -1, 0, 2, -2, 1, 3, 3, 1])
k_deck = np.array([1, 2, 0, -1])
mine = {1: "?", 2: "?"}  # stride -> outputs

# %% [markdown]
# ### Exercise 1: `conv1d` (2 points)


# %% exercise="conv1d" points=2 forbid=["np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab"]
def conv1d(x, kernel, strides=1):
    """Slide a kernel over a series, without padding.

    Args:
        x: numbers (n,).
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
@check
def conv1d_slides_the_kernel():
    """conv1d() multiplies each window by the kernel and sums, at every stride."""
    forbid(conv1d, *LIBRARIES)
    x, k = np.array([2, 7, 1, -3, 0, 5, 4, 1, 6]), np.array([3, -1, 2])
    right, got = ops.correlate(x, k), conv1d(x, k)
    ends = [
        "When does the last window begin?",
        "There are n - w + 1 stops at stride 1.",
    ]
    again = ["Stop i begins at i * strides, also for the second window."]
    recognise(
        got,
        {
            "The kernel is flipped.": (
                ops.convolve(x, k),
                "A network does not flip it: x[i] meets k[0], x[i + 1] meets k[1].",
                "sum of x[i + j] * k[j], without k[::-1]",
            ),
            "The last window is missing.": (right[:-1], *ends),
            "The products were not summed up to the last one.": (
                ops.correlate(x, [3, -1, 0]),
                "The kernel has w entries, j = 0 to w - 1; range(w) gives them all.",
            ),
        },
    )
    close(got, right, "conv1d(x, kernel)", *ends)
    for s in (2, 3):
        got = conv1d(x, k, strides=s)
        thinned = ops.correlate(x[::s], k)
        short = {"The last window is missing.": (right[::s][:-1], *ends)}
        slips = {
            f"Asked for strides={s}, the kernel still moves by 1.": (right, *again),
            "The input was thinned out before the kernel slid over it.": (
                thinned,
                "The kernel jumps, but what it covers lies side by side.",
                "The window is x[i * s : i * s + w].",
            ),
        }
        recognise(got, slips | short)
        close(got, right[::s], f"conv1d(x, kernel, strides={s})", *again, *ends)


# %% probe="conv1d" weight=1
rng = np.random.default_rng(seed)
[conv1d(rng.normal(size=n), rng.normal(size=w)) for n, w in ((12, 3), (9, 4), (6, 6))]

# %% probe="conv1d" weight=1
rng = np.random.default_rng(seed)
cases = [(13, 3, 2), (14, 3, 2), (17, 4, 3), (11, 2, 4), (10, 5, 3)]
[conv1d(rng.normal(size=n), rng.normal(size=w), strides=s) for n, w, s in cases]

# %% [markdown]
# Step through the deck's example: move the slider, or press *play*. The small numbers
# are the kernel, the title is the sum.

# %%
y_deck = conv1d(x_deck, k_deck)
plots.step_through(
    lambda step: plots.sliding_window(x_deck, k_deck, y_deck, step=step),
    len(y_deck),
    alt="Ten numbers, a window of four that moves over them, and the outputs so far.",
)
for strides, guess in mine.items():
    y = conv1d(x_deck, k_deck, strides)
    print(f"stride {strides}: {y}, {len(y)} numbers; by hand: {guess}")

# %% [markdown]
# `conv1d` is linear, so it is a matrix. Its columns are what it makes of $(1, 0, 0, ...)$,
# $(0, 1, 0, ...)$ and so on: here they are. It is the dense layer from above, with its
# zeros and its shared weights.

# %% tags=["not-graded"]
figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for ax, s in zip(axes, (1, 2), strict=True):
    matrix = np.stack([conv1d(unit, k_deck, s) for unit in np.eye(10)], axis=1)
    numbers(ax, matrix, cmap="PuOr", vmin=-4, vmax=4)
    ax.set(title=f"stride {s}", xlabel="input $j$", ylabel="output $i$")
    ax.set(xticks=range(10), yticks=range(len(matrix)))
show(
    axes,
    "The convolution of the deck as a matrix: 7×10 with stride 1, 4×10 with stride 2",
    "Two matrices: the kernel 1 2 0 -1 in each row, moved to the right by 1 from "
    "row to row for stride 1, and by 2 for stride 2; zeros elsewhere.",
)

# %% [markdown]
# ## 3. Sizes, before anything is computed
#
# *Deck 001, "Dimensions formula".* Input of $n$ values per side, kernel of $f$,
# **padding** of $p$ zeros on *both* sides, stride $s$, and **dilation** $d$: the
# kernel's entries lie $d$ pixels apart, so that it spans $d(f-1)+1$ pixels. Then
#
# $$\text{output} = \left\lfloor \frac{n + 2p - d(f-1) - 1}{s} \right\rfloor + 1$$
#
# $$\text{parameters} = (f \cdot f \cdot c + 1) \cdot N
# \qquad\text{for } c \text{ input channels and } N \text{ filters.}$$
#
# The floor matters (deck 000 forgot it, and deck 002's $H-h+1$ is for stride 1 only): a
# window that does not fit is left out, and the last pixels may never be seen. To keep
# the size at stride 1, pad by $(f-1)/2$, as deck 003 says; that takes an odd $f$.
#
# **Predict first**, by hand: fill in the next cell.

# %%
# (input, kernel, stride, padding, dilation): [output, values never seen at the end]
guesses = {
    (28, 5, 1, 0, 1): ["?", "?"],  # LeNet without padding
    (28, 5, 1, 2, 1): ["?", "?"],  # LeNet with padding
    (227, 11, 4, 0, 1): ["?", "?"],  # AlexNet
    (224, 11, 4, 0, 1): ["?", "?"],  # AlexNet, as decks 000 and 004 have it
    (32, 3, 2, 1, 1): ["?", "?"],  # ResNet, halving
    (32, 3, 1, 0, 4): ["?", "?"],  # dilated
}
params = {  # (kernel, channels, filters): parameters
    (5, 1, 6): "?",  # LeNet's first layer
    (11, 3, 96): "?",  # AlexNet's
    (3, 3, 64): "?",  # VGG's
    (10, 3, 100): "?",  # the example of deck 003, on colour images
}

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
@check
def output_size_follows_the_formula():
    """output_size() is right for every stride, padding and dilation."""
    forbid(output_size, "cnnlab", "keras", "tensorflow")
    line = "First the padded size, then less what the kernel spans, then // strides."
    formula = "Compare with the formula above, term by term."
    equal(
        output_size(9, 4),
        6,
        "output_size(9, 4)",
        "Count the stops on paper: the kernel starts at 0, 1, ...",
        "The last stop counts too: is there a + 1?",
    )
    got = output_size(10, 3, strides=2)
    if got != int(got) or got == 5:
        raise Failure(
            f"output_size(10, 3, strides=2): {got} is not right.",
            "A last window that does not fit is left out: round down.",
            "Divide with //, not /.",
        )
    equal(got, 4, "output_size(10, 3, strides=2)", formula)
    got = output_size(10, 3, padding=2)
    if got == 10:
        raise Failure(
            "The padding was counted on one side only.",
            "There are `padding` zeros before and as many after.",
        )
    equal(got, 12, "output_size(10, 3, padding=2)", formula, line)
    got = output_size(12, 3, dilation=3)
    if got in (10, 4):
        said = "has no effect" if got == 10 else "is multiplied by the whole kernel"
        raise Failure(
            f"output_size(12, 3, dilation=3): {got}. The dilation {said}.",
            "Three entries have two gaps between them.",
            "The kernel spans dilation * (kernel_size - 1) + 1.",
        )
    equal(got, 6, "output_size(12, 3, dilation=3)", formula, line)
    got = output_size(11, 3, strides=3, padding=1, dilation=2)
    equal(got, 3, "output_size(11, 3, strides=3, padding=1, dilation=2)", formula, line)


# %% check="sizes"
@check
def unseen_counts_what_is_left_over():
    """unseen() counts the values after the last window."""
    forbid(unseen, "cnnlab", "keras", "tensorflow")
    hints = (
        "Where does the last window begin, and where does it end?",
        "It begins at (output - 1) * strides and spans dilation * (kernel_size - 1) + 1.",
        "Or: what is left over by the division in output_size? Python writes it %.",
    )
    cases = [(10, 3, 2), (9, 3, 2), (12, 2, 5), (10, 3, 4, 1), (13, 3, 4, 0, 2)]
    for case, right in zip(cases, (1, 0, 0, 1, 0), strict=True):
        equal(unseen(*case), right, f"unseen{case}", *hints)


# %% check="sizes"
@check
def conv_params_counts_weights_and_biases():
    """conv_params() counts every weight and one bias for each filter."""
    forbid(conv_params, "cnnlab", "keras", "tensorflow")
    got = conv_params(3, 5, 7)
    slips = {
        315: "The biases are missing. There is one for each filter.",
        350: "There is a bias for each filter, not for each channel it sees.",
        316: "There is a bias for each filter, not one for all of them.",
        70: "A kernel has a slice of its own for every input channel.",
        112: "The kernel is a square: f * f weights for each channel.",
    }
    if got in slips:
        raise Failure(
            f"conv_params(3, 5, 7): {got} is not right. {slips[got]}",
            "A filter has kernel_size × kernel_size × channels weights and one bias.",
            "(f * f * c + 1) * N",
        )
    hint = "One filter first: how many weights and biases? Then all of them."
    equal(got, 322, "conv_params(3, 5, 7)", hint, "(f * f * c + 1) * N")
    equal(
        conv_params(5, 1, 6), 156, "conv_params(5, 1, 6)", hint, "(f * f * c + 1) * N"
    )


# %% probe="sizes" weight=2 compare="equal"
rng = np.random.default_rng(seed)
cases = rng.integers([8, 1, 1, 0, 1], [64, 4, 5, 4, 4], size=(60, 5))
np.array([output_size(*map(int, case)) for case in cases])

# %% probe="sizes" weight=1 compare="equal"
rng = np.random.default_rng(seed)
cases = rng.integers([8, 1, 2, 0, 1], [64, 4, 5, 4, 4], size=(60, 5))
np.array([unseen(*map(int, case)) for case in cases])

# %% probe="sizes" weight=1 compare="equal"
rng = np.random.default_rng(seed)
cases = rng.integers([1, 1, 1], [12, 300, 300], size=(30, 3))
np.array([conv_params(*map(int, case)) for case in cases])

# %%
print("input kernel stride padding dilation    output  unseen    by hand")
for case, guess in guesses.items():
    cells = "".join(f"{n:7}" for n in case)
    print(f"{cells} {output_size(*case):10} {unseen(*case):7}    {guess}")
for case, guess in params.items():
    print(f"kernel, channels, filters {case}: {conv_params(*case):,}; by hand: {guess}")

# %% tags=["not-graded"]
figure, ax = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
sizes = np.arange(3, 25)
for s, colour in zip((1, 2, 3), ("#0072B2", "#D55E00", "#009E73"), strict=True):
    outputs = [output_size(int(n), 3, s) for n in sizes]
    ax.step(sizes, outputs, where="post", color=colour, label=f"stride {s}")
    whole = [unseen(int(n), 3, s) == 0 for n in sizes]
    ax.plot(sizes[whole], np.array(outputs)[whole], "o", color=colour, markersize=5)
ax.set(xlabel="input size (pixels)", ylabel="output size", xticks=sizes[1::2])
ax.legend(frameon=False)
show(
    ax,
    "Kernel of 3: strides give stairs; dots: no pixel is left over",
    "Output size against input size for a kernel of 3. Stride 1 climbs by one at each "
    "pixel, stride 2 at every second, stride 3 at every third.",
)

# %% [markdown]
# AlexNet's paper says 224, and its own output of 55 needs 227: with 224 it is 54. Three
# pixels, and everybody who rebuilds the network stumbles over them. Deck 003 counts
# 10 · 10 · 100 = 10k parameters for 100 filters 10×10: right for one channel and no bias.
#
# ## 4. Two dimensions
#
# *Deck 002, "Convolution: 2D"; deck 003, "2D discrete convolution".* The decks use one
# word and one star for two operations:
#
# $$\text{cross-correlation:}\quad (x \star k)_{ij} = \sum_{m,n} x_{i+m,\,j+n}\,k_{mn}
# \qquad\qquad \text{convolution:}\quad (x * k)_{ij} = \sum_{m,n} x_{i-m,\,j-n}\,k_{mn}$$
#
# Deck 003 (equation 5) has the second, the one of mathematics and signal processing: the
# kernel is **flipped**, in both directions. Decks 001 and 002 have the first (deck 001
# with $n$ and $m$ swapped on one side), and so has every "convolution layer" ever
# trained: the weights are learned, and nobody minds if they are learned flipped.
#
# ### Exercise 3: `correlate2d` and `convolve2d` (3 points)
#
# Both give only what can be computed without padding: $(H - h + 1) \times (W - w + 1)$
# numbers. The images may be bytes (`uint8`), the kernel may be negative.


# %% exercise="correlate2d" points=3 forbid=["np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab"]
def correlate2d(x, kernel):
    """Cross-correlation: what convolution layers compute.

    Args:
        x: one channel (H, W), integers or floats.
        kernel: (h, w), h <= H and w <= W.

    Returns:
        Array (H - h + 1, W - w + 1); `x` stays as it is.
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
@check
def correlate2d_slides_a_kernel():
    """correlate2d() slides a kernel over an image, and does not flip it."""
    forbid(correlate2d, *LIBRARIES)
    x, k = np.arange(42.0).reshape(6, 7) % 11, np.array([[1, 2, -1], [3, 0, 5.0]])
    kept, right, got = x.copy(), ops.correlate(x, k), correlate2d(x, k)
    one = (
        "Rows first, then columns: x[i + m, j + n] meets k[m, n].",
        "The sum over m has h terms, the sum over n has w.",
    )
    ends = ("How many stops are there? H - h + 1 rows and W - w + 1 columns.",)
    recognise(
        got,
        {
            "The kernel is flipped.": (ops.convolve(x, k), *one),
            "The kernel is upside down.": (ops.correlate(x, k[::-1]), *one),
            "Left and right of the kernel are swapped.": (
                ops.correlate(x, k[:, ::-1]),
                *one,
            ),
            "The last row and column are missing.": (right[:-1, :-1], *ends),
            "Rows and columns are swapped.": (right.T, *one),
        },
    )
    close(got, right, "correlate2d of a 6×7 image and a 2×3 kernel", *ends, *one)
    equal(x, kept, "the image after correlate2d", "Work on a copy, not in place.")
    pale = np.array([[200, 3, 90], [5, 250, 120]], "uint8")
    edge = np.array([[1, -1]], "int8")
    close(
        correlate2d(pale, edge),
        [[197, -87], [-245, 130]],
        "correlate2d of bytes and the kernel [[1, -1]]",
        "A byte holds 0 to 255, whole numbers: 3 - 90 wraps around, and 1/9 becomes 0.",
        "Convert first: .astype(float); and let the output be floats: np.zeros(shape).",
    )
    got = correlate2d(x, np.ones((1, 1)))
    close(got, x, "correlate2d(x, [[1]]), the identity")
    if np.shares_memory(got, x):
        raise Failure(
            "correlate2d gives back the image itself, not a new array.",
            "Whoever writes into the result would change the image.",
        )


# %% check="correlate2d"
@check
def convolve2d_flips_the_kernel():
    """convolve2d() flips the kernel in both directions: an impulse gives it back."""
    forbid(convolve2d, *LIBRARIES)
    impulse, k = np.zeros((5, 7)), np.array([[1, 2, 3], [4, 5, 6.0]])
    impulse[3, 4] = 1
    got, right = convolve2d(impulse, k), np.zeros((4, 5))
    right[2:4, 2:5] = k
    flip = (
        "Flip rows and columns of the kernel, then correlate.",
        "A step of -1 reverses an axis: kernel[::-1, ...]",
    )
    recognise(
        got,
        {
            "Nothing is flipped: the impulse gives the kernel upside down.": (
                ops.correlate(impulse, k),
                *flip,
            ),
            "Only the rows are flipped.": (ops.correlate(impulse, k[::-1]), *flip),
            "Only the columns are flipped.": (
                ops.correlate(impulse, k[:, ::-1]),
                *flip,
            ),
            "The output is turned, not the kernel.": (right[::-1, ::-1], *flip),
        },
    )
    if np.shape(got) == (3, 6):
        raise Failure("The kernel is transposed. To flip is not to transpose.", *flip)
    close(got, right, "convolve2d of an impulse and a 2×3 kernel", *flip)
    x = np.arange(20.0).reshape(4, 5) ** 2
    close(convolve2d(x, k), ops.convolve(x, k), "convolve2d of a 4×5 image", *flip)


# %% probe="correlate2d" weight=2
rng = np.random.default_rng(seed)
cases = [((7, 9), (2, 3)), ((8, 5), (4, 1)), ((6, 6), (3, 3)), ((3, 4), (3, 4))]
[correlate2d(rng.normal(size=n), rng.normal(size=k)) for n, k in cases]

# %% probe="correlate2d" weight=1
rng = np.random.default_rng(seed)
scan = rng.integers(0, 256, (9, 8)).astype("uint8")
x, k = rng.normal(size=(4, 5)), np.ones((1, 1))
same = np.asarray(correlate2d(x, k))
[
    correlate2d(scan, rng.normal(size=(3, 2))),
    correlate2d(scan, np.array([[-1, 2]])),
    np.concatenate([same.ravel(), x.ravel(), [np.shares_memory(same, x)]]),
]

# %% probe="correlate2d" weight=2
rng = np.random.default_rng(seed)
cases = [((7, 9), (2, 3)), ((8, 5), (4, 1)), ((6, 6), (3, 3)), ((3, 4), (3, 4))]
[convolve2d(rng.normal(size=n), rng.normal(size=k)) for n, k in cases]

# %% [markdown]
# The deck's example in two dimensions. Its kernel is the same upside down and mirrored:
# with it, nobody would ever notice a flip.

# %%
x_cross = np.array(
    [
        [1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 0],
        [0, 1, 1, 0, 0],
    ]
)
k_cross = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
y_cross = correlate2d(x_cross, k_cross)
plots.step_through(
    lambda step: plots.sliding_window(x_cross, k_cross, y_cross, step=step),
    y_cross.size,
    alt="A 5 by 5 image of zeros and ones, a 3 by 3 window that moves over it, and the "
    "outputs so far.",
)

# %% tags=["not-graded"]
impulse = np.zeros((5, 5))
impulse[2, 2] = 1
letter = np.array([[1.0, 2, 3], [0, 4, 0], [0, 5, 0]])  # a T, and no symmetry
panels = {
    "impulse": impulse,
    "kernel": letter,
    "cross-correlation": correlate2d(impulse, letter),
    "convolution": convolve2d(impulse, letter),
}
figure, axes = plt.subplots(1, 4, figsize=(10, 2.8), layout="constrained")
for ax, (name, values) in zip(axes, panels.items(), strict=True):
    numbers(ax, values, cmap="Blues", vmin=0, vmax=8)
    ax.set(title=name, xlabel="column", ylabel="row", xticks=[], yticks=[])
show(
    axes,
    "An impulse tells them apart: cross-correlation paints the kernel upside down",
    "Four grids of numbers: an impulse, a kernel in the shape of a T, their "
    "cross-correlation, a T turned by 180 degrees, and their convolution, a T upright.",
)

# %% [markdown]
# ## 5. What a kernel sees
#
# *Deck 003, "What is a 2D discrete convolution?"; deck 002, "Tester différents filtres".*
# Before kernels were learned, they were invented. You know what each should do:
# find its nine numbers. They are for **cross-correlation**.
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
@check
def classical_kernels_do_what_they_should():
    """classical_kernels() has six 3×3 kernels that do what the table says."""
    forbid(classical_kernels, "cnnlab", "scipy")
    kernels = classical_kernels()
    names = ["box_blur", "edges", "identity", "moved", "sharpen", "sobel"]
    equal(sorted(kernels), names, "names of the kernels")
    for name in names:
        equal(np.shape(kernels[name]), (3, 3), f"shape of {name}")
    x = np.random.default_rng(1).integers(0, 10, (7, 8)).astype(float)
    out = {name: ops.correlate(x, k) for name, k in kernels.items()}
    here, up, down = x[1:-1, 1:-1], x[:-2, 1:-1], x[2:, 1:-1]
    left, right = x[1:-1, :-2], x[1:-1, 2:]
    corners = x[:-2, :-2] + x[:-2, 2:] + x[2:, :-2] + x[2:, 2:]
    cross = up + down + left + right
    slope = x[:, 2:] - x[:, :-2]
    slope = slope[:-2] + 2 * slope[1:-1] + slope[2:]
    tall = x[2:] - x[:-2]
    tall = tall[:, :-2] + 2 * tall[:, 1:-1] + tall[:, 2:]
    flat = (
        "On a grey surface without edges it must give {}: what do its numbers sum to?"
    )
    slips = {
        "box_blur": {
            "The blurred image is too bright.": (
                here + cross + corners,
                flat.format("grey"),
            ),
        },
        "moved": {
            "`moved` moves the image to the left.": (
                right,
                "Which pixel should appear in the middle? The one to its left.",
                "In a cross-correlation, kernel[1, 0] is the weight of the left neighbour.",
            ),
            "`moved` moves the image down.": (up, "kernel[row, column]"),
            "`moved` moves the image up.": (down, "kernel[row, column]"),
        },
        "edges": {
            "`edges` has the wrong sign.": (
                cross + corners - 8 * here,
                "8 in the middle.",
            ),
            "`edges` leaves the corners out.": (4 * here - cross, "Eight neighbours."),
        },
        "sharpen": {
            "`sharpen` finds edges, but the image itself is gone.": (
                4 * here - cross,
                flat.format("grey"),
                "Add the identity.",
            ),
        },
        "sobel": {
            "`sobel` has the wrong sign.": (-slope, "Positive: brighter to the right."),
            "`sobel` compares rows, not columns.": (tall, "Right less left: columns."),
            "`sobel`: the middle row must count twice.": (
                x[:-2, 2:] + right + x[2:, 2:] - x[:-2, :-2] - left - x[2:, :-2],
                "1, 2, 1 from top to bottom.",
            ),
        },
    }
    wanted = {
        "identity": here,
        "moved": left,
        "box_blur": (here + cross + corners) / 9,
        "edges": 8 * here - cross - corners,
        "sharpen": 5 * here - cross,
        "sobel": slope,
    }
    hint = "Write the sum of the table down, with a weight for each of the nine pixels."
    for name in ("identity", "moved", "box_blur", "edges", "sharpen", "sobel"):
        recognise(out[name], slips.get(name, {}))
        close(out[name], wanted[name], f"what `{name}` makes of a 7×8 image", hint)


# %% probe="kernels"
mine = classical_kernels()
names = ("identity", "moved", "box_blur", "edges", "sharpen", "sobel")
{name: np.asarray(mine.get(name, 0), float) for name in names}

# %% [markdown]
# **Predict first.** On the photograph below: what will `edges` show where the sky is?
# Where will `sobel` be positive, where negative, and which edges does it not see at all?

# %%
prediction = "edges in the sky: ...; sobel positive: ...; not seen by sobel: ..."

# %% tags=["not-graded"]
colour_photo = load_sample_image("china.jpg")[30:330, 60:420] / 255
step = train.budget(smoke=6, cpu=2, gpu=2)
colour_photo = colour_photo[::step, ::step]
photo = colour_photo.mean(axis=-1)
filtered = {name: correlate2d(photo, k) for name, k in classical_kernels().items()}
across = correlate2d(photo, classical_kernels()["sobel"].T)
filtered["slope: both Sobel kernels"] = np.hypot(filtered["sobel"], across)
figure, axes = plt.subplots(2, 4, figsize=(11, 5), layout="constrained")
for ax, (name, values) in zip(
    axes.flat, {"photo": photo, **filtered}.items(), strict=True
):
    signed = name in ("edges", "sobel")
    limits = {"cmap": "PuOr", "vmin": -2, "vmax": 2} if signed else {"cmap": "gray"}
    limits |= {"vmin": 0, "vmax": 2 if "slope" in name else 1} if not signed else {}
    image = ax.imshow(values, **limits)
    ax.set_title(f"{name}: {values.min():.2f} to {values.max():.2f}", size=9)
    ax.set(xticks=[], yticks=[])
    if signed:
        figure.colorbar(image, ax=ax, shrink=0.7)
show(
    axes,
    "Six kernels on china.jpg (scikit-learn): purple positive, orange negative",
    "A photograph of a Chinese temple, and what the kernels make of it: unchanged, "
    "moved, blurred, edges, sharpened, Sobel with vertical edges only, and the slope, "
    "which shows the outlines in all directions.",
)
print("You predicted:", prediction)

# %% [markdown]
# `edges` is 0 on the sky: its numbers sum to 0. `sobel` is positive where it grows
# brighter from left to right, so the two sides of a pillar have opposite signs, and it
# does not see horizontal edges; its transpose does. `sharpen` leaves the range from 0 to
# 1, and what is above 1 is shown as white.
#
# ## 6. A convolution layer
#
# *Deck 002, "Couche convolutive", "Padding, stride et dilatation"; deck 001, "Convolution
# - channels".* A layer takes a batch of images with $c$ channels. Each of its $N$ filters
# has a slice for every channel, and **the channels are summed**: one filter, one map. Then
# its **bias** is added, the same number everywhere:
#
# $$y_{b,i,j,f} = \text{bias}_f + \sum_{m,n,c}
# x_{b,\; i s + m d,\; j s + n d,\; c} \; k_{m,n,c,f}$$
#
# where $x$ already has its $p$ rows and columns of zeros on every side. (Deck 002 calls
# the layer affine, and writes it without the bias that makes it so.)

# %% tags=["not-graded"]
x_small = np.arange(1, 26).reshape(5, 5) % 7
settings = {
    "stride 2": {"strides": 2},
    "padding 1": {"padding": 1},
    "dilation 2": {"dilation": 2},
    "stride 2 and padding 1": {"strides": 2, "padding": 1},
}
figure, axes = plt.subplots(2, 2, figsize=(10, 7.6), layout="constrained")
figure.get_layout_engine().set(wspace=0.06, hspace=0.04)
for ax, (name, moves) in zip(axes.flat, settings.items(), strict=True):
    named = {k.replace("dilation", "dilation_rate"): v for k, v in moves.items()}
    y = ops.correlate(x_small, k_cross, **named)
    last = min(1, y.size - 1)
    title = f"{name}: {y.shape[0]}×{y.shape[1]}"
    plots.sliding_window(x_small, k_cross, y, step=last, title=title, ax=ax, **moves)
plots.show(
    axes,
    alt="A 3 by 3 kernel on a 5 by 5 image. Stride 2: the window has moved by two, the "
    "output is 2 by 2. Padding 1: a border of zeros, output 5 by 5. Dilation 2: the nine "
    "weights lie two pixels apart, a single output. Stride 2 and padding 1: output 3 by 3.",
)

# %% [markdown]
# ### Exercise 5: `conv2d` (4 points)


# %% exercise="conv2d" points=4 forbid=["np.convolve", "np.correlate", "scipy", "keras", "tensorflow", "cnnlab"]
def conv2d(x, kernel, bias, strides=1, padding=0, dilation=1):
    """A convolution layer, forward, without activation.

    Args:
        x: images (batch, height, width, channels).
        kernel: (h, w, channels, filters); not flipped.
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
@check
def conv2d_sums_channels_and_adds_the_bias():
    """conv2d() slides every filter over every image, sums the channels, adds the bias."""
    forbid(conv2d, *LIBRARIES)
    rng = np.random.default_rng(2)
    x, k = rng.normal(size=(2, 6, 8, 3)), rng.normal(size=(2, 3, 3, 4))
    bias, kept = np.array([1.0, -2, 3, 0.5]), x.copy()
    plain = ops.conv(x, k)
    try:
        got = conv2d(x, k, bias)
    except ValueError:
        conv2d(x, k, bias, padding=1)  # where that fails too, it says why
        raise Failure(
            "It works with padding=1, but not with padding=0.",
            "What is x[p:-p] for p = 0? Empty: -0 is 0.",
            "np.pad does not mind a border of 0; or write x[p : p + height].",
        ) from None
    formula = (
        "y[b, i, j, f] = bias[f] + sum of x[b, i + m, j + n, c] * kernel[m, n, c, f]"
    )
    each = ("A filter's bias is added to its map once, after the channels are summed.",)
    if np.shape(got) == (2, 5, 6, 3, 4):
        raise Failure(
            "The channels are still there: the shape is (2, 5, 6, 3, 4).",
            "A filter sees all channels, and gives one map.",
            formula,
        )
    if np.shape(got)[:1] == (1,) or np.ndim(got) == 3:
        raise Failure(
            f"For 2 images, the output has the shape {np.shape(got)}.",
            "The first axis is the batch. Is every image computed?",
        )
    one = plain + bias
    one[1] = bias
    recognise(
        got,
        {
            "The bias is missing.": (plain, *each),
            "The bias is added once per channel.": (plain + 3 * bias, *each),
            "The bias is added for every entry of the kernel.": (
                plain + 6 * bias,
                *each,
            ),
            "Only the first image is computed.": (one, "Loop over the whole batch."),
            "The kernel is flipped.": (
                ops.conv(x, k[::-1, ::-1]) + bias,
                "Layers do not flip: x[i + m, j + n] meets kernel[m, n].",
                formula,
            ),
            "Only the first channel is used.": (
                ops.conv(x[..., :1], k[:, :, :1]) + bias,
                "Sum over the channels, too.",
                formula,
            ),
            "The last row and column are missing.": (
                (plain + bias)[:, :-1, :-1],
                "n - f + 1 stops along each side.",
            ),
        },
    )
    close(
        got,
        plain + bias,
        "conv2d of two 6×8 images with 3 channels, kernels 2×3, 4 filters",
        "Start with one image and one filter, then add the loops around.",
        "Height and width differ, here and in the kernel: is an axis swapped?",
        formula,
    )
    equal(x, kept, "the images after conv2d", "Work on a copy, not in place.")


# %% check="conv2d"
@check
def conv2d_moves_as_it_is_told():
    """conv2d() obeys strides, padding and dilation, alone and together."""
    rng = np.random.default_rng(3)
    x, k = rng.normal(size=(2, 7, 8, 2)), rng.normal(size=(3, 2, 2, 3))
    bias = np.array([0.5, -1, 2])

    def right(x=x, k=k, **moves):
        return ops.conv(x, k, **moves) + bias

    begin = "Window (i, j) begins in row i * strides, column j * strides."
    floor = "(n + 2p - d(f - 1) - 1) // s + 1 outputs: the last, incomplete one is left out."
    got = conv2d(x, k, bias, strides=2)
    slips = {
        "The stride has no effect.": (right(), begin),
        "The stride acts on the rows only.": (right(strides=(2, 1)), begin),
        "The stride acts on the columns only.": (right(strides=(1, 2)), begin),
        "The images were thinned out before the kernel slid over them.": (
            right(x[:, ::2, ::2]),
            "Inside a window the pixels lie side by side.",
        ),
        "A last row or column is missing.": (right(strides=2)[:, :-1, :-1], floor),
    }
    recognise(got, slips)
    close(got, right(strides=2), "conv2d(..., strides=2)", begin, floor)
    got = conv2d(x, k, bias, padding=1)
    around = "p zeros above, below, left and right; none along batch and channels."
    after = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    recognise(
        got,
        {
            "The padding has no effect.": (right(), around),
            "Zeros were added on one side only.": (right(after), around),
            "The border repeats the edge pixels; it must be zero.": (
                right(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")),
                around,
            ),
            "The border is added to the output, not to the images.": (
                np.pad(right(), ((0, 0), (1, 1), (1, 1), (0, 0))),
                around,
            ),
        },
    )
    close(got, right(padding=1), "conv2d(..., padding=1)", around)
    got = conv2d(x, k, bias, dilation=2)
    apart = "Entry (m, n) of the kernel meets pixel (i + 2 m, j + 2 n)."
    recognise(
        got,
        {
            "The dilation has no effect.": (right(), apart),
            "Dilation spreads the windows; it must spread the kernel's entries.": (
                right(strides=2),
                apart,
            ),
            "The images were thinned out.": (right(x[:, ::2, ::2]), apart),
        },
    )
    close(got, right(dilation_rate=2), "conv2d(..., dilation=2)", apart, floor)
    got = conv2d(x, k, bias, strides=3, padding=2, dilation=2)
    all_three = right(strides=3, padding=2, dilation_rate=2)
    together = "Rows: i * strides + m * dilation, in the padded image."
    close(
        got, all_three, "conv2d(..., strides=3, padding=2, dilation=2)", together, floor
    )


# %% probe="conv2d" weight=1
rng = np.random.default_rng(seed)
shapes = [((3, 7, 5, 2), (3, 2, 2, 4)), ((2, 4, 6, 1), (1, 4, 1, 3))]
[
    conv2d(rng.normal(size=n), rng.normal(size=k), rng.normal(size=k[3]))
    for n, k in shapes
]

# %% probe="conv2d" weight=3
rng = np.random.default_rng(seed)
moves = [
    {"strides": 2},
    {"strides": 3},
    {"padding": 1},
    {"padding": 2},
    {"dilation": 2},
    {"dilation": 3},
]
case = rng.normal(size=(2, 9, 8, 3)), rng.normal(size=(2, 3, 3, 2)), rng.normal(size=2)
[conv2d(*case, **move) for move in moves]

# %% probe="conv2d" weight=2
rng = np.random.default_rng(seed)
moves = [(2, 1, 1), (3, 2, 2), (1, 1, 2), (2, 0, 3)]
case = rng.normal(size=(2, 10, 9, 4)), rng.normal(size=(3, 2, 4, 2)), rng.normal(size=2)
[conv2d(*case, strides=s, padding=p, dilation=d) for s, p, d in moves]

# %% [markdown]
# Does Keras agree? Its layers take the same kernels; the differences should be rounding
# errors of float32.

# %% tags=["not-graded"]
x_try = np.random.default_rng(0).normal(size=(4, 17, 15, 3)).astype("float32")
for moves in ({}, {"strides": 2}, {"dilation_rate": 2}):
    layer = keras.layers.Conv2D(8, 3, bias_initializer="normal", **moves)
    theirs = keras.ops.convert_to_numpy(layer(x_try))
    k, b = map(keras.ops.convert_to_numpy, (layer.kernel, layer.bias))
    ours = conv2d(
        x_try, k, b, moves.get("strides", 1), 0, moves.get("dilation_rate", 1)
    )
    print(
        f"{str(moves):22} {theirs.shape}, {layer.count_params()} parameters, by formula "
        f"{conv_params(3, 3, 8)}; largest difference {np.abs(ours - theirs).max():.1e}"
    )

# %% [markdown]
# (`padding="same"` in Keras adds as many zeros as give $\lceil n / s \rceil$ outputs; where
# that is an odd number, the odd one comes *after*. So `strides=2, padding="same"` on 32
# pixels is not `padding=1`: the size is the same, the windows are one pixel off.)
#
# Channels at work: four filters on the colour photo. The first takes the mean of the three
# colours, the second red less green, the others look for edges in all colours at once.

# %% tags=["not-graded"]
bank = np.zeros((3, 3, 3, 4))
bank[1, 1, :, 0] = 1 / 3
bank[1, 1, :, 1] = 1, -1, 0
sobel = classical_kernels()["sobel"]
bank[..., 2], bank[..., 3] = sobel[..., None] / 12, sobel.T[..., None] / 12
maps = conv2d(colour_photo[np.newaxis], bank, np.zeros(4), padding=1)[0]
names = ["grey", "red less green", "vertical edges", "horizontal edges"]
axes = plots.feature_maps(maps, names, layer="Four filters on china.jpg", columns=4)
plots.show(
    axes,
    alt="Four maps of the photograph: brightness; red roofs positive and trees negative; "
    "vertical edges; horizontal edges. The edge maps have a bright frame at the border, "
    "where the image meets the zeros of the padding.",
)

# %% [markdown]
# Look at the borders of the edge maps: the padding makes edges where the world has none.
#
# ## 7. Time: causal convolution
#
# *Deck 003, "Convolution layer (3/6)".* In a series, a convolution is **causal** if no
# output depends on the future: $y_t$ sees $x_t$ and what came before. The output is as
# long as the input, so the zeros stand in front, all of them. With dilation $d$:
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
@check
def causal_conv1d_does_not_look_ahead():
    """causal_conv1d() keeps the length, and depends on the past only."""
    forbid(causal_conv1d, *LIBRARIES)
    x, k = np.array([3, 1, 4, 1, 5, 9, 2.0]), np.array([2, -1, 3.0])
    for d in (1, 2):
        got = causal_conv1d(x, k, dilation=d)
        front = "All zeros stand in front: how many does the first output need?"
        count = "dilation * (len(kernel) - 1) zeros"
        if np.size(got) != 7:
            raise Failure(
                f"For 7 inputs and dilation={d} there must be 7 outputs, received "
                f"{np.size(got)}.",
                front,
                count,
            )

        def shifted(before, after, k=k, d=d):
            padded = np.concatenate([np.zeros(before), x, np.zeros(after)])
            return ops.correlate(padded, k, dilation_rate=d)

        slips = {
            "It looks ahead: the zeros stand on both sides.": (
                shifted(d, d),
                front,
                count,
            ),
            "It looks ahead: the zeros stand behind.": (
                shifted(0, 2 * d),
                front,
                count,
            ),
            "The kernel is turned round.": (
                shifted(2 * d, 0, k[::-1]),
                "The last entry meets the present, the first one the oldest value.",
            ),
        }
        if d == 2:
            slips["The dilation has no effect."] = (
                shifted(2, 0, d=1),
                "Entries lie d apart.",
            )
        recognise(got, slips)
        close(
            got,
            shifted(2 * d, 0),
            f"causal_conv1d(x, kernel, dilation={d})",
            front,
            count,
        )


# %% probe="causal_conv1d"
rng = np.random.default_rng(seed)
cases = [(12, 3, 1), (15, 2, 4), (20, 4, 3), (5, 3, 2), (4, 3, 5)]
[causal_conv1d(rng.normal(size=n), rng.normal(size=w), dilation=d) for n, w, d in cases]

# %% [markdown]
# Something happens at $t = 20$. Who knows of it before?

# %% tags=["not-graded"]
event = np.zeros(48)
event[20] = 1
mean = np.ones(4) / 4
centred = conv1d(np.pad(event, (1, 2)), mean)
figure, axes = plt.subplots(1, 2, figsize=(11, 2.8), sharey=True, layout="constrained")
for ax, late, name in (
    (axes[0], causal_conv1d(event, mean), "causal"),
    (axes[1], causal_conv1d(event, mean, dilation=4), "causal, dilation 4"),
):
    ax.plot(centred, "o--", color="#D55E00", markersize=4, label='padding="same"')
    ax.plot(late, "s-", color="#0072B2", markersize=4, label=name)
    ax.axvline(20, color="0.6", label="the event")
    ax.set(xlabel="time", ylabel="output")
    ax.legend(frameon=False, fontsize=8)
show(
    axes,
    "A mean of 4 values: only the causal one waits for the event",
    "Outputs against time around an event at 20. With padding on both sides they rise "
    "before the event, at 18. Causal ones start at 20: at 20 to 23 without dilation, at "
    "20, 24, 28 and 32 with dilation 4.",
)

# %% [markdown]
# ## 8. Pooling
#
# *Deck 002, "Pooling"; deck 003, "Pooling layer"; deck 004, "Pooling Layer".* A window
# again, but nothing to learn: of each window the **maximum**, the **average**, or the
# **L2 norm** $\sqrt{\sum x^2}$ is kept, for each channel by itself. (Deck 003 says that
# average pooling takes the maximum; it does not.) The stride is usually the size of the
# window, so that windows do not overlap; deck 002's $H - h + 1$ is the size for stride 1.
# **Global** average pooling has one window as large as the map, and leaves one number
# per channel. (Pooling saves work for all layers that follow. Where deck 002 says that it
# reduces the efficiency, read: the cost.)
#
# ### Exercise 7: `pool` and `global_average_pool` (2 points)


# %% exercise="pool" points=2 forbid=["scipy", "keras", "tensorflow", "cnnlab", "skimage"]
def pool(x, pool_size, strides=None, kind="max"):
    """Pool feature maps; windows that do not fit are left out.

    Args:
        x: (batch, height, width, channels).
        pool_size: side of the square window.
        strides: how far the window moves; None: by its own size.
        kind: "max", "average" or "l2".

    Returns:
        (batch, height', width', channels).
    """
    ### BEGIN SOLUTION
    strides = strides or pool_size
    height, width = ((n - pool_size) // strides + 1 for n in x.shape[1:3])
    out = np.zeros((len(x), height, width, x.shape[3]))
    for i in range(height):
        for j in range(width):
            top, left = i * strides, j * strides
            window = x[:, top : top + pool_size, left : left + pool_size]
            if kind == "max":
                out[:, i, j] = window.max(axis=(1, 2))
            elif kind == "average":
                out[:, i, j] = window.mean(axis=(1, 2))
            else:
                out[:, i, j] = np.sqrt((window**2).sum(axis=(1, 2)))
    return out
    ### END SOLUTION


def global_average_pool(x):
    """The mean of each map: (batch, height, width, channels) -> (batch, channels)."""
    ### BEGIN SOLUTION
    return x.mean(axis=(1, 2))
    ### END SOLUTION


# %% check="pool"
@check
def pool_keeps_one_number_per_window():
    """pool() gives the maximum, the average or the norm of each window and channel."""
    forbid(pool, "scipy", "keras", "tensorflow", "cnnlab", "skimage")
    x = np.random.default_rng(4).normal(size=(2, 5, 7, 3)) - 3  # mostly negative
    kept = x.copy()
    right = {
        "max": ops.max_pool(x, 2),
        "average": ops.average_pool(x, 2),
        "l2": ops.l2_pool(x, 2),
    }
    mix = np.broadcast_to(right["max"].max(-1, keepdims=True), (2, 2, 3, 3))
    own = "Each channel by itself: the maximum over height and width only, axis=(1, 2)."
    slips = {
        "max": {
            "The channels are mixed.": (mix, own),
            "The maximum is never below 0.": (
                np.maximum(right["max"], 0),
                "A window may be negative everywhere. What does your search start with?",
                "Start with -np.inf, or with the window's first value.",
            ),
            "The windows overlap.": (
                ops.max_pool(x, 2, strides=1),
                "strides=None means: as far as the window is wide.",
            ),
            "Incomplete windows at the border are counted too.": (
                ops.max_pool(x, 2, padding="same"),
                "(n - k) // s + 1 windows along each side.",
            ),
        },
        "average": {
            "The sum was not divided.": (4 * right["average"], "Divide by k * k."),
            "The sum was divided by k, not by the number of pixels.": (
                2 * right["average"],
                "A window of side k has k * k pixels.",
            ),
            "That is the maximum.": (right["max"], "Deck 003 has this mistake, too."),
        },
        "l2": {
            "The root is missing.": (right["l2"] ** 2, "sqrt of the sum of squares"),
            "The squares were averaged, not summed.": (
                right["l2"] / 2,
                "A norm is the root of a sum.",
            ),
            "Only the sum was taken: where are the squares?": (
                4 * right["average"],
                "sqrt of the sum of squares",
            ),
        },
    }
    for kind, wanted in right.items():
        got = pool(x, 2, kind=kind)
        recognise(got, slips[kind])
        close(got, wanted, f'pool(x, 2, kind="{kind}") of maps of shape {x.shape}', own)
    for kind, function in (("max", ops.max_pool), ("average", ops.average_pool)):
        got, wanted = pool(x, 3, strides=2, kind=kind), function(x, 3, strides=2)
        recognise(got, {"`strides` has no effect.": (function(x, 3), "It moves by 2.")})
        begin = "Window (i, j) begins at (i * strides, j * strides)."
        close(got, wanted, f'pool(x, 3, strides=2, kind="{kind}")', begin)
    equal(x, kept, "the maps after pool", "Work on a copy, not in place.")


# %% check="pool"
@check
def global_average_pool_leaves_one_number_per_map():
    """global_average_pool() gives the mean of each map."""
    forbid(global_average_pool, "scipy", "keras", "tensorflow", "cnnlab")
    x = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5) ** 2
    close(
        global_average_pool(x),
        ops.global_average_pool(x),
        "global_average_pool of maps (2, 3, 4, 5)",
        "One number for each image and channel: height and width disappear.",
        "Axis 0 is the batch, axis 3 the channels.",
    )


# %% probe="pool" weight=3
rng = np.random.default_rng(seed)
x = rng.normal(size=(2, 7, 9, 3)) - 2
cases = [(2, None), (3, None), (2, 1), (3, 2)]
kinds = ("max", "average", "l2")
{k: np.concatenate([pool(x, n, s, k).ravel() for n, s in cases]) for k in kinds}

# %% probe="pool" weight=1
rng = np.random.default_rng(seed)
global_average_pool(rng.normal(size=(3, 5, 8, 4)))

# %% tags=["not-graded"]
maps = np.abs(conv2d(photo[np.newaxis, ..., np.newaxis], sobel[..., None, None], 0.0))
panels = {"|sobel|": maps}
for kind in ("max", "average", "l2"):
    panels[f"{kind}, 4×4"] = pool(maps, 4, kind=kind)
figure, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
for ax, (name, values) in zip(axes, panels.items(), strict=True):
    image = ax.imshow(values[0, ..., 0], cmap="viridis", vmin=0)
    size = "×".join(map(str, values.shape[1:3]))
    ax.set_title(f"{name}: {size}, mean {values.mean():.2f}", size=9)
    ax.set(xticks=[], yticks=[])
    figure.colorbar(image, ax=ax, shrink=0.6)
show(
    axes,
    "Vertical edges of china.jpg, pooled: the maximum keeps thin edges, the average "
    "dilutes them",
    "The edge map of the photograph, and its max, average and L2 pooling, a quarter "
    "of each side. The max pooled map is the brightest relative to its scale.",
)

# %% [markdown]
# A 4×4 pooling leaves a sixteenth of the numbers, a quarter of each side. (Deck 001's
# "divide by 4", for 2×2, is the area.)
#
# Is pooling perhaps a convolution? A convolution is linear: $f(a + b) = f(a) + f(b)$,
# and $f(-a) = -f(a)$. Measure it:

# %% tags=["not-graded"]
rng = np.random.default_rng(0)
a, b = rng.normal(size=(2, 1, 8, 8, 1))
for kind in ("average", "max", "l2"):
    apart = pool(a + b, 2, kind=kind) - pool(a, 2, kind=kind) - pool(b, 2, kind=kind)
    print(f"{kind:8} largest |f(a + b) - f(a) - f(b)|: {np.abs(apart).max():.2f}")
quarter = np.ones((2, 2, 1, 1)) / 4
apart = conv2d(a, quarter, 0.0, strides=2) - pool(a, 2, kind="average")
print(f"average pooling less a convolution: {np.abs(apart).max():.0e}")

# %% [markdown] question="pooling_as_convolution" points=1
# **Written question (1 point).** Can average pooling 2×2 with stride 2 be written as a
# convolution? If so, with which kernel and stride, and how does it treat the channels?
# Can max pooling? Give a reason that does not need the numbers above.
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: average pooling is a convolution with stride 2 and kernel 2×2
# of entries 1/4, one channel at a time: a depthwise convolution, or a full one whose
# kernel is 1/4 for equal input and output channel and 0 otherwise; fixed, not learned.
# Half a point: max pooling is not, because every convolution (without bias) is linear
# and the maximum is not: for instance max(1, 0) + max(-1, 0) = 1, but max(0, 0) = 0; any
# counterexample to additivity or to f(-a) = -f(a) will do. "Max has no weights" alone
# earns nothing.
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
        x: what was pooled, (batch, height, width, channels).
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
@check
def max_pool_backward_rewards_the_winner():
    """max_pool_backward() gives everything to the first maximum of each window."""
    forbid(max_pool_backward, "scipy", "keras", "tensorflow", "jax", "cnnlab")
    rng = np.random.default_rng(5)
    x = rng.permutation(140).reshape(2, 5, 7, 2).astype(float)
    grad = rng.normal(size=(2, 2, 3, 2))
    right, got = ops.max_pool_backward(grad, x, 2), max_pool_backward(grad, x, 2)
    spread = ops.average_pool_backward(grad, x, 2)
    across = ops.max_pool_backward(grad, x * 0 + x.max(-1, keepdims=True), 2)
    each = "Each image and each channel has a winner of its own in every window."
    recognise(
        got,
        {
            "Every pixel of a window gets the gradient.": (
                4 * spread,
                "Only the winner.",
            ),
            "Every pixel of a window gets a share.": (
                spread,
                "That is the gradient of the average.",
            ),
            "The winner is marked by 1: where is what came back?": (
                (right != 0) * 1.0,
                "Multiply by grad: each window has its own value.",
            ),
            "One winner for all channels.": (
                np.where(x == x.max(-1, keepdims=True), across, 0),
                each,
            ),
            "One winner per place, whatever the channel.": (across, each),
        },
    )
    close(
        got, right, "max_pool_backward(grad, x, 2)", "Everything to the winner.", each
    )
    flat = np.zeros((1, 4, 4, 1))
    one = np.arange(1.0, 5).reshape(1, 2, 2, 1)
    right, got = ops.max_pool_backward(one, flat, 2), max_pool_backward(one, flat, 2)
    first = "np.argmax gives the first one of several equal maxima."
    ties = ops.average_pool_backward(one, flat, 2)
    recognise(
        got,
        {
            "In a window of equal values, all of them get the gradient.": (
                4 * ties,
                "The window's gradient would count four times.",
                first,
            ),
            "In a window of equal values, the gradient is shared.": (ties, first),
            "In a window of equal values, the last one was taken.": (
                np.kron(one[0, ..., 0], [[0, 0], [0, 1]])[np.newaxis, ..., np.newaxis],
                first,
            ),
        },
    )
    close(got, right, "max_pool_backward where all values are equal", first)


# %% check="pool_backward"
@check
def average_pool_backward_shares():
    """average_pool_backward() gives each pixel of a window the same share."""
    forbid(average_pool_backward, "scipy", "keras", "tensorflow", "jax", "cnnlab")
    rng = np.random.default_rng(6)
    x, grad = rng.normal(size=(2, 7, 8, 3)), rng.normal(size=(2, 2, 2, 3))
    right, got = (
        ops.average_pool_backward(grad, x, 3),
        average_pool_backward(grad, x, 3),
    )
    square = (
        "A window has pool_size * pool_size pixels, and the shares sum to what came."
    )
    recognise(
        got,
        {
            "Each pixel gets all of it, not its share.": (9 * right, square),
            "The share is 1 / pool_size; a window is a square.": (3 * right, square),
        },
    )
    border = "Pixels at the border that are in no window get 0."
    close(got, right, "average_pool_backward(grad, x, 3)", square, border)


# %% probe="pool_backward" weight=1
rng = np.random.default_rng(seed)
cases = [((2, 4, 6, 3), 2), ((1, 7, 8, 2), 3), ((2, 5, 5, 1), 2)]
grads = [rng.normal(size=(n[0], n[1] // k, n[2] // k, n[3])) for n, k in cases]
xs = [rng.permutation(int(np.prod(n))).reshape(n).astype(float) for n, _ in cases]
[max_pool_backward(g, x, k) for g, x, (_, k) in zip(grads, xs, cases, strict=True)]

# %% probe="pool_backward" weight=1
rng = np.random.default_rng(seed)
ties = rng.integers(0, 2, (3, 6, 6, 2)).astype(
    float
)  # many windows have several maxima
max_pool_backward(rng.normal(size=(3, 3, 3, 2)), ties, 2)

# %% probe="pool_backward" weight=2
rng = np.random.default_rng(seed)
cases = [((2, 4, 6, 3), 2), ((1, 7, 8, 2), 3), ((2, 5, 5, 1), 2)]
grads = [rng.normal(size=(n[0], n[1] // k, n[2] // k, n[3])) for n, k in cases]
[
    average_pool_backward(g, np.ones(n), k)
    for g, (n, k) in zip(grads, cases, strict=True)
]

# %% tags=["not-graded"]
noisy = np.round(np.random.default_rng(3).random((1, 4, 6, 1)), 1)
back = np.array([[1.0, 2, 3], [4, 5, 6]])[np.newaxis, ..., np.newaxis]
panels = {
    "input": noisy,
    "came back": back,
    "to the input, max": max_pool_backward(back, noisy, 2),
    "to the input, average": average_pool_backward(back, noisy, 2),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 2.4), layout="constrained")
for ax, (name, values) in zip(axes, panels.items(), strict=True):
    vmax = 2 if name == "input" else 8
    numbers(ax, values[0, ..., 0], cmap="Blues", vmin=0, vmax=vmax)
    if name != "came back":
        ax.vlines((1.5, 3.5), -0.5, 3.5, color="0.4", linewidth=1)
        ax.hlines(1.5, -0.5, 5.5, color="0.4", linewidth=1)
    ax.set(title=name, xlabel="column", ylabel="row", xticks=[], yticks=[])
show(
    axes,
    "Pooling 2×2 on the way back: all to the winner, or the same share to each",
    "Four grids: a 4 by 6 input in windows of 2 by 2; what came back for the six "
    "outputs, 1 to 6; for max pooling each stands at the largest pixel of its window, "
    "zeros elsewhere; for average pooling each pixel has a quarter.",
)

# %% [markdown]
# ## 10. Equivariant or invariant?
#
# *Deck 002, "Résumé: convolutions et équivariance", "Avantages des couches convolutives",
# "Rôle des couches pooling".* Let $T$ move an image by some pixels. A function $f$ is
#
# - **equivariant** if $f(Tx) = T f(x)$: what moves in the input moves in the output;
# - **invariant** if $f(Tx) = f(x)$: the output does not notice.
#
# The slide with the top edges shows the first, and calls it "invariance par translation".
# They are not the same: a network that finds things needs the first, one that only names
# them the second.
#
# To measure it, two windows are cut out of one photograph, the second $d$ pixels further
# to the left; so the picture moves to the right by $d$, and new pixels come in, as with
# a camera.
#
# **Predict first.** For which $d$ is the error of a convolution with stride 2 zero? Of
# max pooling 2×2? What is more invariant: max pooling 2×2, 8×8, or a global average?

# %%
prediction = "stride 2: zero for d = ...; pooling 2×2: ...; most invariant: ..."


# %% tags=["not-graded"]
def relative(received, wanted):
    """How far two arrays differ, relative to the second."""
    return np.linalg.norm(received - wanted) / np.linalg.norm(wanted)


def cut(d, side=64):
    """A window of the photograph (1, side, side, 1), d pixels further to the left."""
    top, left = (n // 2 - side // 2 for n in grey.shape)
    left -= d
    return grey[np.newaxis, top : top + side, left : left + side, np.newaxis]


def moved_along(f, d, factor):
    """Error of f(Tx) against T f(x), where both are known; f shrinks by `factor`."""
    still, moved, shift = f(cut(0)), f(cut(d)), round(d / factor)
    width = still.shape[2] - shift - 1
    return relative(moved[:, :, shift:][:, :, :width], still[:, :, :width])


grey = load_sample_image("china.jpg").mean(axis=-1) / 255
kernel = np.random.default_rng(0).normal(size=(3, 3, 1, 1))
layers_of = {  # name: (function, how much smaller its output is)
    "convolution, stride 1": (lambda x: conv2d(x, kernel, 0.0), 1),
    "convolution, stride 2": (lambda x: conv2d(x, kernel, 0.0, 2), 2),
    "max pooling 2×2": (lambda x: pool(x, 2), 2),
    "max pooling 8×8": (lambda x: pool(x, 8), 8),
}
shifts = range(9)
figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
colours, marks = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73"), "os^vD"
equivariance, invariance = {}, {}
for name, (f, factor) in layers_of.items():
    equivariance[name] = [moved_along(f, d, factor) for d in shifts]
    invariance[name] = [relative(f(cut(d)), f(cut(0))) for d in shifts]
still = global_average_pool(cut(0))
invariance["global average"] = [
    relative(global_average_pool(cut(d)), still) for d in shifts
]
for ax, errors, title in (
    (axes[0], equivariance, "Equivariant? f(Tx) against T f(x)"),
    (axes[1], invariance, "Invariant? f(Tx) against f(x)"),
):
    for (name, values), colour, mark in zip(
        errors.items(), colours, marks, strict=False
    ):
        ax.plot(shifts, values, f"{mark}-", color=colour, label=name, markersize=5)
    ax.set(title=title, xlabel="shift d (pixels)", ylabel="relative error")
axes[1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
show(
    axes,
    "china.jpg, moved to the right: convolution goes along, the global average stays",
    "Relative errors against the shift. Equivariance: zero for the convolution with "
    "stride 1 at every shift, for stride 2 and max pooling 2 by 2 at even shifts only, "
    "for max pooling 8 by 8 at 0 and 8 only. Invariance: large for the convolutions, "
    "smaller for max pooling, least for the global average.",
)
print("You predicted:", prediction)
for name, values in equivariance.items():
    print(
        f"{name:22} equivariance error at d = 1: {values[1]:.3f}, at d = 2: {values[2]:.3f}"
    )
for name, values in invariance.items():
    print(
        f"{name:22} invariance error   at d = 1: {values[1]:.3f}, at d = 8: {values[8]:.3f}"
    )

# %% [markdown]
# A convolution with stride 1 is equivariant, exactly. With stride 2, and with pooling 2×2,
# even shifts are fine and odd ones are not (0.17 and 0.15 at $d = 1$): the windows cut the
# picture differently. Pooling 8×8 is exact at 0 and 8 only.
#
# Invariance comes by degrees. A shift of one pixel changes the convolution's output by
# 17 %, max pooling 2×2 by 15 %, 8×8 by 6 %, the global average by 1 %, and that is only
# what entered the picture on one side and left it on the other. So where deck 002 says
# that pooling produces translation invariance, read: for shifts that are small against the
# window, roughly.

# %% [markdown] question="equivariance" points=1
# **Written question (1 point).** A network has convolutions with padding, two max
# poolings, a global average at its end, and a dense layer on top. Which of its parts
# are equivariant to a shift of the image, which are invariant, exactly or nearly, and
# where does each property break down? Why would a network that must say *where*
# something is do without the global average?
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
# ## 11. What it costs
#
# The same convolution, 3 channels to 8, 3×3, stride 1, computed in four ways: six Python
# loops over single numbers; your `conv2d`; `cnnlab.ops`, NumPy in matrix products, row
# of the kernel by row; and Keras.
#
# **Predict first.** How many times faster than the loops is Keras on 128×128 pixels? And
# on 8×8?

# %%
prediction = "128×128: ... times; 8×8: ... times"


# %% tags=["not-graded"]
def six_loops(image, kernel):
    """One image and a kernel, as nested lists: one multiplication at a time."""
    h, w, channels, filters = np.shape(kernel)
    rows, columns = len(image) - h + 1, len(image[0]) - w + 1
    out = [[[0.0] * filters for _ in range(columns)] for _ in range(rows)]
    for i, j, f in np.ndindex(rows, columns, filters):
        for m, n, c in np.ndindex(h, w, channels):
            out[i][j][f] += image[i + m][j + n][c] * kernel[m][n][c][f]
    return out


def seconds(function, repeats):
    """The shortest of several runs: the first one may have to compile."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


sides = train.budget(smoke=(8, 16), cpu=(8, 16, 32, 64, 128), gpu=(8, 16, 32, 64, 128))
repeats = train.budget(smoke=2, cpu=9, gpu=9)
rng = np.random.default_rng(0)
kernel = rng.normal(size=(3, 3, 3, 8)).astype("float32")
ways = {name: [] for name in ("six loops", "your conv2d", "cnnlab.ops", "Keras")}
for side in sides:
    x = rng.normal(size=(1, side, side, 3)).astype("float32")
    lists = x[0].tolist(), kernel.tolist()
    on_device = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(kernel)
    runs = {
        "six loops": lambda lists=lists: six_loops(*lists),
        "your conv2d": lambda x=x: conv2d(x, kernel, np.zeros(8, "float32")),
        "cnnlab.ops": lambda x=x: ops.conv(x, kernel),
        "Keras": lambda two=on_device: keras.ops.convert_to_numpy(keras.ops.conv(*two)),
    }
    for name, run in runs.items():
        ways[name].append(seconds(run, 2 if name == "six loops" else repeats))

# %% tags=["not-graded"]
figure, ax = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
for (name, values), colour, mark in zip(ways.items(), colours, marks, strict=False):
    ax.plot(sides, 1000 * np.array(values), f"{mark}-", color=colour, label=name)
ax.set(xscale="log", yscale="log", xlabel="side of the image (pixels)", xticks=sides)
ax.set(ylabel="time for one image (ms)", xticklabels=sides)
ax.minorticks_off()
ax.grid(axis="y", color="0.92")
ax.legend(frameon=False)
show(
    ax,
    f"One convolution on {keras.backend.backend()} ({train.device()}): six loops are "
    f"{ways['six loops'][-1] / ways['Keras'][-1]:,.0f} times slower",
    "Time against image size, both axes on log scales: six loops are slowest "
    "everywhere and grow with the number of pixels; NumPy and Keras start flat, where "
    "the time for calling dominates, and end far below.",
)
print("You predicted:", prediction)
macs = arithmetic.conv_macs(sides[-1] - 2, 3, 3, 8)
for name, values in ways.items():
    print(
        f"{name:12} {1000 * values[0]:9.3f} ms for {sides[0]}×{sides[0]}, "
        f"{1000 * values[-1]:9.3f} ms for {sides[-1]}×{sides[-1]}: "
        f"{macs / values[-1] / 1e6:,.1f} million multiplications per second"
    )

# %% [markdown]
# On two cores of a server, with TensorFlow, 128×128 pixels took 1.2 s in six loops, 0.8 ms
# in our `conv2d`, 0.5 ms in `cnnlab.ops` and in Keras: some thousand times faster, for the
# same 3.4 million multiplications. One loop over the kernel's entries, each of them a
# matrix product over all pixels, is all that NumPy needs. On 8×8 pixels Keras (0.17 ms) is
# *slower* than NumPy (0.06 ms), and about ten times faster than the loops: there it is the
# calling that costs. That is why networks are fed with batches.
#
# ## Go further
#
# Not graded. Take what interests you:
#
# - **1×1.** Show that a 1×1 convolution is a dense layer, applied to each pixel.
# - **im2col.** Copy all windows into one matrix, and write `conv2d` as a single matrix
#   product. How much faster is it, and how much memory does it take?
# - **Fourier.** `convolve2d` by `np.fft.rfft2`: for which kernel sizes does it pay?
# - **Separable kernels.** `sobel` is a column (1, 2, 1) times a row (-1, 0, 1). Convolve
#   with one after the other: how many multiplications does that save? Which of the six
#   kernels can be split like this? (Look at the rank of their matrices.)
# - **Backwards.** Write the gradient of `conv2d` for its input and its kernel, and compare
#   with differences $(f(x + h) - f(x - h)) / 2h$. Lab 2 explains what they are for.
