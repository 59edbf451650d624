# ---
# jupyter:
#   cnnlab:
#     title: Training well
# ---

# %% [markdown]
# # Training well
#
# *Lab 3. About two hours, of which a laptop computes for less than a minute. 20
# points.*
#
# At the end you can
#
# 1. choose an activation, and measure which units are saturated or dead;
# 2. start a network of any depth such that neither signal nor gradient fades;
# 3. see from a loss curve that the learning rate is too small or too large, and let it
#    decay;
# 4. write penalties, dropout and batch normalisation yourself, in training and in
#    inference;
# 5. make a network over-fit, and cure it.
#
# **Before you start:** labs 1 and 2.
#
# **Slides:** deck 003, "Activation layer", "Training"; deck 001, "Penalized empirical
# risk", "Stochastic Gradient Descent algorithm", "Regularization", "Dropout"; deck 000,
# "ReLU function", "Dropout Layer", "BatchNorm"; deck 004, "Parameters random
# initialization".
#
# **How it works.** Replace each `raise NotImplementedError(...)` by your answer. The
# check below it prints a tick, or says what is wrong and gives a hint; run it again for
# the next hint. The other cells are there to be read, run and played with.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from cnnlab import data, ops, plots, train
from cnnlab.teaching.check import Failure, check, close, equal, forbid, recognise
from cnnlab.teaching.probes import fixed_weights, noise, respond, unchanged
from keras import layers

train.seed(0)
BLUE, ORANGE, GREEN, PINK, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "black"


def panel(ax, title, xlabel, ylabel):
    """Dress one panel of a figure."""
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)


def panels(count, width=11, height=3.2):
    """Axes side by side, on one figure."""
    return plt.subplots(1, count, figsize=(width, height), layout="constrained")[1]


# %% [markdown]
# The examples are handwritten digits, made small, 14×14 pixels, and few, so that every
# experiment below takes seconds. Their pixels are standardised: mean 0, variance 1. The
# line printed says which digits you have.

# %% tags=["not-graded"]
mnist = data.load("mnist")


def small(images):
    """Images (n, 28, 28, 1) as standardised rows (n, 196): means of 2×2 pixels."""
    rows = ops.average_pool(images / 255, 2).reshape(len(images), -1)
    return (rows - MEAN) / STD


MEAN, STD = 0, 1
pixels = small(mnist.x_train[:1000])
MEAN, STD = pixels.mean(), pixels.std()  # of training images only
x_train, y_train = small(mnist.x_train[:1000]), mnist.y_train[:1000]
x_val, y_val = small(mnist.x_train[-297:]), mnist.y_train[-297:]  # 297: digits has few
print(f"{mnist.name}: {x_train.shape} for training, {x_val.shape} for validation")

# %% [markdown]
# ## 1. Activations
#
# *Deck 003, "Activation layer"; deck 000, "ReLU function".* Backpropagation multiplies
# by $\phi'(z)$ at every layer, so an activation is judged by its **derivative**:
#
# | activation | $\phi(x)$ | range |
# |---|---|---|
# | sigmoid $\sigma$ | $1 / (1 + e^{-x})$ | $(0, 1)$ |
# | tanh | $(e^x - e^{-x}) / (e^x + e^{-x})$ | $(-1, 1)$ |
# | ReLU | $\max(0, x)$ | $[0, \infty)$ |
# | leaky ReLU | $x$ if $x > 0$, else $s\,x$ | $(-\infty, \infty)$ |
# | ELU | $x$ if $x > 0$, else $\alpha\,(e^x - 1)$ | $(-\alpha, \infty)$ |
# | swish | $x\,\sigma(x)$ | $[-0.279, \infty)$ |
#
# Three remarks on the slides. Deck 003 gives $[0, 1]$ as the range of tanh; it is $(-1,
# 1)$, and that is why it is "zero-centred". The slope $s$ of leaky ReLU is 0.01 in deck
# 003 (as in the paper, Maas et al., 2013), 0.1 in deck 000, and 0.3 in Keras: always
# write it down. And that swish "seems to be the best now" was said in 2017.
#
# ### Exercise 1: three activations, and derivatives (2 points)


# %%
def sigmoid(x):
    return ops.sigmoid(x)  # without overflow, as in lab 2


def swish(x):
    return x * sigmoid(x)


# %% exercise="activations" points=2 forbid=["cnnlab", "keras", "tensorflow", "jax", "np.gradient"]
# All take an array x of any shape, the *input* of the activation, and give an array of
# that shape. At x = 0, where some have no derivative, anything between both sides will do.


def sigmoid_prime(x):
    """The derivative of the sigmoid."""
    ### BEGIN SOLUTION
    return sigmoid(x) * (1 - sigmoid(x))
    ### END SOLUTION


def tanh_prime(x):
    """The derivative of tanh."""
    ### BEGIN SOLUTION
    return 1 - np.tanh(x) ** 2
    ### END SOLUTION


def leaky_relu(x, negative_slope=0.01):
    """Leaky ReLU; with negative_slope=0 it is ReLU."""
    ### BEGIN SOLUTION
    return np.where(x > 0, x, negative_slope * x)
    ### END SOLUTION


def leaky_relu_prime(x, negative_slope=0.01):
    """The derivative of leaky_relu."""
    ### BEGIN SOLUTION
    return np.where(x > 0, 1.0, negative_slope)
    ### END SOLUTION


def elu(x, alpha=1.0):
    """Exponential linear unit."""
    ### BEGIN SOLUTION
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    ### END SOLUTION


def elu_prime(x, alpha=1.0):
    """The derivative of elu."""
    ### BEGIN SOLUTION
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))
    ### END SOLUTION


def swish_prime(x):
    """The derivative of swish."""
    ### BEGIN SOLUTION
    return sigmoid(x) + x * sigmoid_prime(x)
    ### END SOLUTION


# %% check="activations"
@check
def leaky_relu_and_elu_are_right():
    """leaky_relu() and elu() follow the table."""
    for function in (leaky_relu, elu):
        forbid(function, "cnnlab", "keras", "tensorflow", "jax")
    x = np.array([[-3, -0.5, 2], [-20, 1, 7.5]])
    slope = {
        f"The default slope is {s}, that of {where}.": (
            ops.leaky_relu(x, s),
            "Here it is 0.01, as in deck 003 and in the paper.",
        )
        for s, where in ((0.1, "deck 000"), (0.3, "Keras"))
    }
    ignored = "Asked for negative_slope=0.2, leaky_relu still uses another one."
    given = {ignored: (ops.leaky_relu(x), "Use the argument negative_slope.")}
    line = "np.where(x > 0, ..., ...) takes one of two values, element by element."
    recognise(leaky_relu(x), slope)
    close(leaky_relu(x), ops.leaky_relu(x), "leaky_relu(x)", line)
    recognise(leaky_relu(x, 0.2), given)
    close(leaky_relu(x, 0.2), ops.leaky_relu(x, 0.2), "leaky_relu(x, 0.2)", line)
    alpha = {
        "alpha has no effect.": (ops.elu(x), "For x <= 0, it multiplies."),
        "The - 1 is missing: elu jumps at 0.": (
            np.where(x > 0, x, 0.5 * np.exp(np.minimum(x, 0))),
            "Both branches must meet at x = 0.",
        ),
    }
    recognise(elu(x, 0.5), alpha)
    close(elu(x, 0.5), ops.elu(x, 0.5), "elu(x, 0.5)", line)


# %% check="activations"
@check
def derivatives_are_right():
    """The derivatives are those of the activations, from -20 to 20."""
    primes = (sigmoid_prime, tanh_prime, leaky_relu_prime, elu_prime, swish_prime)
    for prime in primes:
        forbid(prime, "cnnlab", "keras", "tensorflow", "jax", "np.gradient")
    x = np.linspace(-20, 20, 80)  # 0 is not among them
    one, s = np.ones_like(x), sigmoid(x)
    fed = "The argument is x, what went *into* the activation."
    product = "Swish is a product: (u v)' = u' v + u v'."
    leaky = "Two straight lines: what is the slope of each?"
    slips = {
        sigmoid_prime: {
            "s (1 - s) was fed x instead of s = sigmoid(x).": (
                x * (1 - x),
                fed,
                "Compute sigmoid(x) first.",
            ),
            "This is the derivative with the wrong sign.": (-s * (1 - s),),
        },
        tanh_prime: {
            "1 - t² was fed x instead of t = tanh(x).": (1 - x**2, fed),
            "This is 1 - tanh(x): the square is missing.": (1 - np.tanh(x),),
        },
        leaky_relu_prime: {
            "For x < 0 this is the value of leaky ReLU, not its slope.": (
                np.where(x > 0, 1, 0.01 * x),
                leaky,
            ),
            "For x < 0 the derivative is 0: that is ReLU's.": (1.0 * (x > 0), leaky),
            "This is leaky ReLU, not its derivative.": (ops.leaky_relu(x), leaky),
            "The default slope is not 0.01.": (np.where(x > 0, 1, 0.3), leaky),
        },
        elu_prime: {
            "For x < 0 this is the value of ELU, not its slope.": (
                np.where(x > 0, 1, ops.elu(x)),
                "The constant -1 vanishes when e^x - 1 is differentiated.",
            ),
        },
        swish_prime: {
            "Only the first term of the product rule.": (s, product),
            "Only the second term of the product rule.": (x * s * (1 - s), product),
            "This is the derivative of the sigmoid.": (s * (1 - s), product),
        },
    }
    for prime, known in slips.items():
        name = prime.__name__.removesuffix("_prime")
        right = getattr(ops, f"{name}_backward")(one, x)
        hint = f"Compare with ({name}(x + h) - {name}(x - h)) / 2h for a small h."
        recognise(prime(x), known)
        close(prime(x), right, f"{name}_prime(x)", hint)
    cases = [
        (leaky_relu_prime(x, 0.2), np.where(x > 0, 1, 0.2), "leaky_relu_prime(x, 0.2)"),
        (elu_prime(x, 0.5), ops.elu_backward(one, x, 0.5), "elu_prime(x, 0.5)"),
    ]
    for received, right, what in cases:
        close(received, right, what, "Does the derivative use its second argument?")


# %% probe="activations" weight=2
rng = np.random.default_rng(seed)
x = rng.uniform(-6, 6, (4, 50))
a, b = rng.uniform(0.05, 0.9, 2)
[
    np.array([leaky_relu(x), leaky_relu(x, a)]),
    np.array([leaky_relu_prime(x), leaky_relu_prime(x, a)]),
    np.array([elu(x), elu(x, b)]),
    np.array([elu_prime(x), elu_prime(x, b)]),
]

# %% probe="activations" weight=3
x = np.random.default_rng(seed).uniform(-6, 6, (4, 50))
[sigmoid_prime(x), tanh_prime(x), swish_prime(x)]


# %%
def relu(x):
    return np.maximum(x, 0)


def relu_prime(x):
    return (x > 0) * 1.0


# %% tags=["not-graded"]
family = {
    "sigmoid": (sigmoid, sigmoid_prime),
    "tanh": (np.tanh, tanh_prime),
    "ReLU": (relu, relu_prime),
    "leaky ReLU, slope 0.01": (leaky_relu, leaky_relu_prime),
    "ELU, α = 1": (elu, elu_prime),
    "swish": (swish, swish_prime),
}
x = np.linspace(-5, 5, 500)
figure, axes = plt.subplots(
    2, 3, figsize=(10, 4.6), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, (phi, prime)) in zip(axes.flat, family.items(), strict=True):
    ax.axhline(0, color="0.8", linewidth=0.8)
    ax.plot(x, phi(x), color=BLUE, label="$\\phi(x)$")
    ax.plot(x, prime(x), "--", color=ORANGE, label="$\\phi\\,'(x)$")
    panel(ax, name, "$x$", "value")
    ax.label_outer()
    ax.set_ylim(-1.3, 3)
axes[0, 0].legend(frameon=False)
figure.suptitle(
    "The sigmoid's derivative never exceeds 1/4; ReLU's is 0 or 1",
    x=0.01,
    ha="left",
    fontsize=11,
    fontweight="bold",
)
plots.show(
    axes,
    alt="Six activations and, dashed, their derivatives from -5 to 5. Sigmoid and tanh "
    "are flat at both ends, where their derivatives are 0. ReLU, leaky ReLU, ELU and "
    "swish grow like x on the right.",
)

# %% [markdown]
# ## 2. Saturated and dead units
#
# Where $\phi'(z)$ is almost 0, the gradient ends: the unit is **saturated** there. A
# ReLU unit that is negative for *every* example gets no gradient from any of them, and
# never learns again: it is **dead**.
#
# ### Exercise 2: `saturated` and `dead_units` (1 point)


# %% exercise="saturation" points=1 forbid=["cnnlab", "keras", "tensorflow"]
def saturated(slopes, limit=0.01):
    """The share, 0 to 1, of derivatives that are smaller than `limit` in size.

    Args:
        slopes: derivatives of activations, an array of any shape; some are negative.
    """
    ### BEGIN SOLUTION
    return np.mean(np.abs(slopes) < limit)
    ### END SOLUTION


def dead_units(z):
    """Which ReLU units are 0 for every example, at every position.

    Args:
        z: pre-activations, (n, units) of a dense layer or (n, height, width, units) of a
            convolution.

    Returns:
        Booleans (units,).
    """
    ### BEGIN SOLUTION
    return np.all(z <= 0, axis=tuple(range(z.ndim - 1)))
    ### END SOLUTION


# %% check="saturation"
@check
def saturated_is_a_share():
    """saturated() is the share of derivatives close to 0."""
    slopes = np.array([[0.005, 1, -0.5, 0.2], [-0.002, 0, 0.02, 0.9]])
    recognise(
        saturated(slopes),
        {
            "A derivative of -0.5 is far from 0.": (
                0.5,
                "Its size is what counts: np.abs",
            ),
            "This is the share that is not saturated.": (
                0.625,
                "Count the small ones.",
            ),
            "This is their number, not their share.": (3, "np.mean of booleans"),
        },
    )
    hint = "np.mean of booleans is the share of those that are true."
    close(saturated(slopes), 0.375, "saturated(slopes)", hint)
    close(saturated(slopes, 0.3), 0.625, "saturated(slopes, 0.3)", "Use limit.", hint)


# %% check="saturation"
@check
def dead_units_never_answer():
    """dead_units() finds the units that are never positive."""
    z = np.array([[1.0, -2, 0, -1], [2, -1, -3, 4], [-1, -5, -1, -2]])
    every = "One example for which it is positive keeps a unit alive."
    axis = "Examples are rows, units are columns: which axis goes away?"
    recognise(
        dead_units(z),
        {
            "These are units that are 0 for some example.": (np.any(z <= 0, 0), every),
            "These are *examples* that no unit answers.": (np.all(z <= 0, 1), axis),
            "These are the living units.": (np.any(z > 0, 0), every),
            "max(0, 0) is 0 too: a unit whose z is 0 is off.": (np.all(z < 0, 0),),
        },
    )
    equal(dead_units(z), [False, True, True, False], "dead_units(z)", every, axis)
    maps = np.full((2, 3, 3, 2), -1.0)
    maps[1, 2, 0, 0] = 0.5
    hint = "All axes but the last go away: tuple(range(z.ndim - 1))"
    equal(dead_units(maps), [False, True], "dead_units of maps (2, 3, 3, 2)", hint)


# %% probe="saturation"
rng = np.random.default_rng(seed)
slopes = rng.normal(size=(40, 30))
np.array([saturated(slopes), saturated(slopes, 0.4), saturated(slopes[0], 0.7)])

# %% probe="saturation" compare="equal"
rng = np.random.default_rng(seed)
dense = rng.integers(-9, 2, (9, 60)).astype(float)
maps = rng.integers(-9, 2, (2, 2, 2, 60)).astype(float)
np.array([dead_units(dense), dead_units(maps)])

# %% [markdown]
# **Predict first.** 200 units look at the digits, with random weights that give their
# $z$ a standard deviation of 3. Which share of the derivatives is below 0.01, for the
# sigmoid, for tanh and for ReLU?

# %%
prediction = "sigmoid: ... %, tanh: ... %, ReLU: ... %"

# %% tags=["not-graded"]
rng = np.random.default_rng(0)
z = x_train @ rng.normal(0, 1 / 14, (196, 200))
z = (z - z.mean(axis=0)) / z.std(axis=0)
sizes, shifts = np.geomspace(0.3, 30, 15), np.linspace(-4, 1, 21)
left, right = axes = panels(2)
styles = ("-", "--", "-.", ":", "-", "--")
for (name, (_, prime)), colour, style in zip(
    family.items(), (BLUE, ORANGE, GREEN, PINK, BLACK, "0.5"), styles, strict=True
):
    shares = [saturated(prime(size * z)) for size in sizes]
    left.semilogx(sizes, shares, style, color=colour, label=name)
left.axvline(3, color="0.8", linewidth=0.8)
left.legend(fontsize=7, loc="upper left")
panel(
    left,
    f"{mnist.name}: large $z$ saturate",
    "standard deviation of $z$",
    "share of derivatives < 0.01",
)
for label, share, colour in (
    ("dead units", [dead_units(z + b).mean() for b in shifts], ORANGE),
    ("zero outputs", [np.mean(z + b <= 0) for b in shifts], BLUE),
):
    right.plot(shifts, share, color=colour, label=label)
right.legend(frameon=False)
panel(
    right,
    "ReLU: zeros are common, death is not",
    "bias (standard deviations of $z$)",
    "share",
)
shares = {
    name: saturated(family[name][1](3 * z)) for name in ("sigmoid", "tanh", "ReLU")
}
plots.show(
    axes,
    alt="Left, the share of derivatives below 0.01 against the standard deviation of z: "
    "it climbs towards 1 for sigmoid and tanh, and stays at one half for ReLU. Right, "
    "against the bias: the share of zero outputs falls from 1 to 0 as the bias grows; "
    "dead units appear only at biases below -2.",
)
print("You predicted:", prediction)
print("measured:", ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))

# %% [markdown]
# Half of ReLU's derivatives are zero at any size, and that does no harm as long as each
# unit is alive for *some* examples. Leaky ReLU never dies; its slope of 0.01 sits right
# at our limit.
#
# ## 3. The first weights
#
# ### All the same
#
# *Deck 004, "Parameters random initialization".* What if all weights start at 0, or all
# at 0.05? The slide says that then "the computing of the network is the same function
# at every layer". Not quite: it is the same for all **units of a layer**. They get the
# same inputs and the same gradient, so they stay twins for ever.
#
# These are lab 2's networks, with the kernels as Keras keeps them, (inputs, units).


# %%
def forward(x, weights, phi):
    """Pre-activations z of every layer; phi stands between the layers."""
    zs = []
    for kernel, bias in weights:
        zs.append((phi(zs[-1]) if zs else x) @ kernel + bias)
    return zs


def gradients(x, y, weights, phi, prime):
    """Loss, its gradients for each (kernel, bias), and for each z."""
    zs = forward(x, weights, phi)
    inputs = [x, *(phi(z) for z in zs[:-1])]
    p = ops.softmax(zs[-1])
    deltas = [(p - np.eye(10)[y]) / len(x)]
    for (kernel, _), z in zip(weights[:0:-1], zs[-2::-1], strict=True):
        deltas.insert(0, deltas[0] @ kernel.T * prime(z))
    slopes = [(a.T @ d, d.sum(axis=0)) for a, d in zip(inputs, deltas, strict=True)]
    return -np.log(p[np.arange(len(y)), y] + 1e-300).mean(), slopes, deltas


def descend(x, y, weights, rates, *, phi=relu, prime=relu_prime, pull=None):
    """Gradient descent in batches of 32, one step for each rate.

    Args:
        pull: weights -> what a penalty adds to the gradients.

    Returns:
        The new weights, and the loss at each step.
    """
    rng, losses = np.random.default_rng(0), []
    for rate in rates:
        some = rng.choice(len(x), 32, replace=False)
        loss, slopes, _ = gradients(x[some], y[some], weights, phi, prime)
        more = pull(weights) if pull else [(0, 0)] * len(weights)
        weights = [
            (W - rate * (dW + eW), b - rate * (db + eb))
            for (W, b), (dW, db), (eW, eb) in zip(weights, slopes, more, strict=True)
        ]
        losses.append(loss)
    return weights, losses


# %% [markdown]
# **Predict first.** Eight tanh units, 300 steps, three starts: all zeros, all 0.05,
# random. What will the eight units look for?

# %%
prediction = "zeros: ...; 0.05: ...; random: ..."

# %% tags=["not-graded"]
rng, looks = np.random.default_rng(0), []
for name, draw in (
    ("zeros", np.zeros),
    ("all 0.05", lambda shape: np.full(shape, 0.05)),
    ("random", lambda shape: rng.normal(0, 0.05, shape)),
):
    begin = [(draw((196, 8)), np.zeros(8)), (draw((8, 10)), np.zeros(10))]
    end, losses = descend(
        x_train, y_train, begin, [0.2] * 300, phi=np.tanh, prime=tanh_prime
    )
    looks.append(end[0][0].reshape(14, 14, 1, 8))
    apart = np.std(end[0][0], axis=1).max()
    print(f"{name:8}  loss {np.mean(losses[-20:]):.2f}; units differ by {apart:.2g}")
axes = plots.filters(
    np.concatenate(looks, axis=-1),
    [f"{name}, unit {k}" for name in ("zeros", "0.05", "random") for k in range(1, 9)],
    title=f"{mnist.name}: what eight units learn, from three starts",
)
plots.show(
    axes,
    alt="Three rows of eight kernels. From zeros, all eight are blank. From 0.05, all "
    "eight are the same picture. From random weights, eight different pictures.",
)
print("You predicted:", prediction)

# %% [markdown] question="twins" points=1
# Why do the units of a layer stay equal when its weights start equal, however long one
# trains? Why does the start at zero learn even less than that at 0.05? And why may the
# *biases* all start at zero?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: equal incoming and outgoing weights give all units of the
# layer the same output and the same gradient, so each step changes them in the same
# way; eight units do the work of one. Half a point for the two others: at zero the
# error is multiplied by the zero weights of the next layer on its way back, and the
# next layer's gradient by the units' outputs tanh(0) = 0, so only the output's biases
# learn; random kernels already make the units different, so equal biases tie nothing
# together.
# ### END SOLUTION

# %% [markdown]
# ### Random, but how large?
#
# *Deck 003, "Kernel initializers".* A unit adds up $z = \sum_i w_i x_i$ over its
# **fan-in** $n$. With independent weights of mean 0,
#
# $$\operatorname{Var}(z) = n \operatorname{Var}(w) \operatorname{E}(x^2),$$
#
# so each layer multiplies the signal by $n \operatorname{Var}(w)$, and ten layers by
# the tenth power of that. On its way back the gradient adds up over the **fan-out**
# $m$.
#
# | scheme | $\operatorname{Var}(w)$ | made for |
# |---|---|---|
# | LeCun (1998) | $1 / n$ | linear units: $\operatorname{Var}(z)$ stays |
# | Glorot (2010) | $2 / (n + m)$ | tanh; a compromise between both ways |
# | He (2015) | $2 / n$ | ReLU, which cuts half of $\operatorname{E}(z^2)$ off |
#
# Deck 003 takes the number of input *channels* for $n$. That is right for dense layers
# only: a unit of a convolution adds up $k^2 \cdot c$ products, so for a kernel $(k, k,
# c, c')$ it is $n = k^2 c$, and $m = k^2 c'$. Its recipe for an initializer of one's
# own, `K.random_normal`, has a standard deviation of 1 and is gone from Keras 3; Keras'
# `RandomNormal()` has 0.05; deck 004's `np.random.randn((2,2)) * 0.01` raises a
# TypeError, and 0.01 is far too small. You will see below what all of these do.
#
# ### Exercise 3: `initial_std`, `start` and `variances` (4 points)
#
# The third function measures: it sends inputs through a network, and gives
# $\operatorname{Var}(z)$ of each layer, *before* the activation, which is what the
# formula speaks of. After a ReLU it is another number.


# %% exercise="initialisation" points=4 forbid=["cnnlab", "keras", "tensorflow"]
def initial_std(shape, scheme):
    """The standard deviation of the first weights of a kernel.

    Args:
        shape: (inputs, outputs) of a dense layer, or (height, width, inputs, outputs) of
            a convolution.
        scheme: "lecun", "glorot" or "he".
    """
    ### BEGIN SOLUTION
    *size, inputs, outputs = shape
    fan_in, fan_out = np.prod(size) * inputs, np.prod(size) * outputs
    variance = {
        "lecun": 1 / fan_in,
        "glorot": 2 / (fan_in + fan_out),
        "he": 2 / fan_in,
    }
    return np.sqrt(variance[scheme])
    ### END SOLUTION


def start(sizes, scheme, rng):
    """First weights of a network of dense layers.

    Args:
        sizes: inputs, units of each layer: (196, 64, 10) has two layers.
        scheme: as for initial_std.
        rng: what to draw from; normal or uniform, as you like, with mean 0.

    Returns:
        A list with (kernel (inputs, units), bias (units,)) of each layer. Biases are 0.
    """
    ### BEGIN SOLUTION
    shapes = zip(sizes[:-1], sizes[1:], strict=True)
    return [
        (rng.normal(0, initial_std(shape, scheme), shape), np.zeros(shape[1]))
        for shape in shapes
    ]
    ### END SOLUTION


def variances(x, weights, phi):
    """The variance of z, over all examples and units, of each layer.

    Args:
        x: inputs (n, d).
        weights: as start() gives them; the biases may have learned something.
        phi: the activation, after each layer but the last.

    Returns:
        One number for each layer.
    """
    ### BEGIN SOLUTION
    found = []
    for kernel, bias in weights:
        z = x @ kernel + bias
        found.append(z.var())
        x = phi(z)
    return np.array(found)
    ### END SOLUTION


# %% check="initialisation"
@check
def initial_std_follows_the_schemes():
    """initial_std() is that of LeCun, Glorot and He, for dense layers and convolutions."""
    forbid(initial_std, "cnnlab", "keras", "tensorflow")
    conv = "A convolution sums over height × width × inputs: n = k² c."
    for shape in ((320, 45), (5, 3, 8, 20)):
        n, m = ops.initializers.fans(shape)
        for scheme, right in (
            ("lecun", 1 / n),
            ("glorot", 2 / (n + m)),
            ("he", 2 / n),
        ):
            what = f'initial_std({shape}, "{scheme}")'
            channels = {"lecun": 1 / 8, "glorot": 2 / 28, "he": 2 / 8}[scheme]
            turned = {"lecun": 1 / m, "glorot": 2 / m, "he": 2 / m}[scheme]
            factor = {"lecun": 2 / n, "glorot": 1 / (n + m), "he": 1 / n}[scheme]
            other = {
                "lecun": "LeCun has a 1 where He has a 2.",
                "glorot": "Glorot has a 2: it is the *mean* of n and m that counts.",
                "he": "He has a 2, which makes up for the half that ReLU cuts off.",
            }
            slips = {
                "This is the variance.": (right, "The standard deviation is its root."),
                "These are channels, not fans (the mistake of deck 003).": (
                    np.sqrt(channels) if len(shape) == 4 else np.inf,
                    conv,
                ),
                "Fan-in and fan-out are swapped.": (
                    np.sqrt(turned),
                    "Inputs are the last but one axis of the shape, outputs the last.",
                ),
                "The factor in the variance is that of another scheme.": (
                    np.sqrt(factor),
                    other[scheme],
                ),
                "0.05 is the default of Keras' RandomNormal, whatever the layer.": (
                    0.05,
                    "All three schemes depend on the shape.",
                ),
                "The first axis of a convolution's kernel is its height.": (
                    np.sqrt(right * n / 5) if len(shape) == 4 else np.inf,
                    conv,
                ),
            }
            recognise(
                initial_std(shape, scheme),
                {f"{what}: {k}": v for k, v in slips.items()},
            )
            close(
                initial_std(shape, scheme),
                np.sqrt(right),
                what,
                "First n and m, then the variance of the table, then its root.",
                conv,
            )


# %% check="initialisation"
def _judge_size(kernel, right):
    """Fail unless a drawn kernel has mean 0 and this standard deviation, to 5 %."""
    std, mean = np.std(kernel), np.mean(kernel)
    if abs(mean) > 0.1 * right:
        raise Failure(
            f"The weights have a mean of {mean:.3g}; it must be 0.",
            "rng.normal(0, std, shape), or rng.uniform(-limit, limit, shape)",
        )
    known = {
        0.05: "0.05 is the default of Keras' RandomNormal, whatever the layer.",
        1.0: "A standard deviation of 1 saturates a tanh, and makes a ReLU explode.",
        right**2: "rng.normal takes the standard deviation, not the variance.",
        np.sqrt(right): "initial_std is a standard deviation already: take no root.",
        right / np.sqrt(3): "Uniform on ±limit has the standard deviation limit / √3.",
        right / np.sqrt(2): "That is LeCun's, not He's.",
        0.8796 * right: "A normal cut off at ±2 standard deviations is narrower.",
    }
    if abs(std / right - 1) > 0.05:
        said = [text for value, text in known.items() if abs(std / value - 1) < 0.03]
        raise Failure(
            f"A kernel of shape {kernel.shape}: the weights' standard deviation must be "
            f"{right:.3g} for He, received {std:.3g}. {' '.join(said[:1])}",
            "Multiply standard normal numbers by initial_std(shape, scheme).",
        )


@check
def start_draws_the_first_weights():
    """start() draws kernels of the right size, and leaves the biases at 0."""
    forbid(start, "cnnlab", "keras", "tensorflow")
    sizes = (400, 300, 300, 300)
    weights = start(sizes, "he", np.random.default_rng(0))
    shapes = [tuple(np.shape(part) for part in pair) for pair in weights]
    equal(
        shapes,
        [((n, m), (m,)) for n, m in ((400, 300), (300, 300), (300, 300))],
        f"shapes of start({sizes}, ...)",
        "One (kernel, bias) for each pair of neighbouring sizes.",
        "zip(sizes[:-1], sizes[1:])",
    )
    for kernel, bias in weights:
        if np.any(bias):
            raise Failure(
                "The biases are not 0.",
                "The schemes are made for kernels; a random bias only adds noise.",
            )
        if np.std(kernel) < 1e-9:
            raise Failure(
                f"All weights of a kernel are {np.ravel(kernel)[0]:g}.",
                "Then all units of the layer are twins, and remain so.",
                "Draw them: rng.normal(0, std, shape)",
            )
        _judge_size(kernel, np.sqrt(2 / len(kernel)))
    if np.allclose(weights[1][0], weights[2][0]):
        raise Failure("Two layers got the same weights.", "Draw anew for each layer.")
    again = start(sizes, "he", np.random.default_rng(0))
    if not np.array_equal(again[0][0], weights[0][0]):
        raise Failure(
            "The same seed gives other weights.",
            "Draw from the argument: rng.normal, rng.uniform",
        )
    lecun = start(sizes, "lecun", np.random.default_rng(0))
    ratio = np.std(lecun[0][0]) * 20
    if abs(ratio - 1) > 0.05:
        raise Failure('start(sizes, "lecun", rng) is not LeCun\'s.', "Use the scheme.")


# %% check="initialisation"
@check
def variances_are_measured_before_the_activation():
    """variances() gives Var(z) of every layer, before the activation."""
    forbid(variances, "cnnlab", "keras", "tensorflow")
    rng = np.random.default_rng(3)
    weights = [
        (rng.normal(0, 0.6, (n, m)), rng.normal(0.4, 0.5, m))
        for n, m in ((7, 9), (9, 8), (8, 5))
    ]
    x = rng.normal(size=(30, 7))
    zs = forward(x, weights, np.tanh)
    right = [z.var() for z in zs]
    no_bias = forward(x, [(k, 0 * b) for k, b in weights], np.tanh)
    formula = "z = a @ kernel + bias, then z.var(), then a = phi(z) for the next layer"
    slips = {
        "This is the variance after the activation.": (
            [np.tanh(z).var() for z in zs],
            "The formula Var(z) = n Var(w) E(x²) is about what goes into it.",
            formula,
        ),
        "These are standard deviations.": (np.sqrt(right), formula),
        "These are means of z², and not variances: the mean of z is not 0.": (
            [np.mean(z**2) for z in zs],
            formula,
        ),
        "The activation is missing between the layers.": (
            [z.var() for z in forward(x, weights, lambda z: z)],
            formula,
        ),
        "The biases are missing.": ([z.var() for z in no_bias], formula),
        "This is the variance over the examples alone, for each unit.": (
            [z.var(axis=0).mean() for z in zs],
            "One variance of all numbers in z: z.var()",
        ),
    }
    kept, got = x.copy(), variances(x, weights, np.tanh)
    recognise(got, slips)
    close(got, right, "variances(x, weights, np.tanh)", formula)
    if not np.array_equal(x, kept):
        raise Failure("variances() changes its argument x.", "Work on a copy.")


# %% probe="initialisation" weight=2
rng = np.random.default_rng(seed)
shapes = [*rng.integers(2, 400, (6, 2)), *rng.integers(2, 30, (6, 4))]
np.array(
    [
        initial_std(tuple(map(int, shape)), scheme)
        for shape in shapes
        for scheme in ("lecun", "glorot", "he")
    ]
)

# %% probe="initialisation" weight=1 rtol=0.04 atol=0.004
found, sizes = [], (300, 200, 200, 150)
for scheme, factor in (("he", 2), ("lecun", 1)):
    (first, *_), again = (
        start(sizes, scheme, np.random.default_rng(seed)) for _ in range(2)
    )
    same = np.array_equal(first[0], again[0][0])  # the seed decides
    kernels, biases = zip(*again, strict=True)
    alike = np.allclose(kernels[1].ravel()[:99], kernels[2].ravel()[:99])
    shapes = [*kernels[0].shape, *kernels[2].shape, *biases[1].shape, len(again)]
    found += [k.std() * np.sqrt(len(k) / factor) for k in kernels]
    found += [k.mean() for k in kernels] + [np.abs(v).max() for v in biases]
    found += [same, alike, *shapes]
np.array(found, float)

# %% probe="initialisation" weight=1
rng = np.random.default_rng(seed)
sizes = rng.integers(3, 20, 6)
weights = [
    (rng.normal(0, 0.7, (n, m)), rng.normal(0.3, 0.5, m))
    for n, m in zip(sizes[:-1], sizes[1:], strict=True)
]
inputs = rng.normal(size=(20, sizes[0]))
np.concatenate([variances(inputs, weights, phi) for phi in (np.tanh, np.abs)])

# %% [markdown]
# Ten layers of 256 units. All are equally wide, so LeCun and Glorot are the same here.
#
# **Predict first.** ReLU, and weights of standard deviation 0.05, Keras'
# `RandomNormal`: by which factor does each layer multiply the variance? By which factor
# do ten?

# %%
prediction = {"one layer": "256 × 0.05² / 2 = ?", "nine layers": "?"}

# %% tags=["not-graded"]
WIDTHS = (196, *[256] * 10, 10)


def normal(std):
    """Weights for WIDTHS, all of one standard deviation."""
    rng = np.random.default_rng(0)
    pairs = zip(WIDTHS[:-1], WIDTHS[1:], strict=True)
    return [(rng.normal(0, std, pair), np.zeros(pair[1])) for pair in pairs]


starts = {
    "0.01 (deck 004)": (normal(0.01), BLUE, ":"),
    "0.05 (RandomNormal)": (normal(0.05), GREEN, "-."),
    "LeCun, Glorot": (start(WIDTHS, "lecun", np.random.default_rng(0)), ORANGE, "--"),
    "He": (start(WIDTHS, "he", np.random.default_rng(0)), BLACK, "-"),
    "1 (deck 003)": (normal(1.0), PINK, (0, (1, 3))),
}
figure, axes = plt.subplots(
    2, 2, figsize=(11, 5.6), sharex=True, sharey="row", layout="constrained"
)
for column, (name, phi, prime) in enumerate(
    (("tanh", np.tanh, tanh_prime), ("ReLU", relu, relu_prime))
):
    for label, (weights, colour, style) in starts.items():
        ahead = variances(x_train[:100], weights, phi)[:10]
        _, _, deltas = gradients(x_train[:100], y_train[:100], weights, phi, prime)
        back = np.array([100**2 * np.mean(d**2) for d in deltas[:10]])
        for ax, values in zip(axes[:, column], (ahead, back), strict=True):
            look = {"color": colour, "linestyle": style, "marker": "."}
            ax.semilogy(range(1, 11), np.maximum(values, 1e-30), label=label, **look)
        change = (ahead[-1] / ahead[0]) ** (1 / 9)
        print(f"{name}, {label:20} each layer multiplies Var(z) by {change:.3g}")
    panel(axes[0, column], f"{name}: the signal", "", "Var($z$)")
    panel(axes[1, column], f"{name}: the gradient", "layer", "mean (dL/d$z$)²")
axes[0, 1].legend(frameon=False, bbox_to_anchor=(1, 1), loc="upper left")
axes[0, 0].set(ylim=(1e-8, 1e8), xticks=range(1, 11))
axes[1, 0].set(ylim=(1e-8, 1e8))
figure.suptitle(
    f"{mnist.name}: through ReLU only He's start keeps its size",
    x=0.01,
    ha="left",
    fontsize=11,
    fontweight="bold",
)
plots.show(
    axes,
    alt="Four panels on log scales: variance of z forwards, and of its gradient "
    "backwards, in ten layers, for tanh and for ReLU. 0.01 falls by many powers of ten, "
    "0.05 falls slowly, LeCun and Glorot keep tanh level and fall by half per layer with "
    "ReLU, He keeps ReLU level, 1 explodes.",
)
print("You predicted:", prediction)
he_start = variances(x_train[:100], starts["He"][0], relu)[1:10]
print(f"He and ReLU, layers 2 to 10: {he_start.min():.2f} to {he_start.max():.2f}")

# %% [markdown]
# Deck 004's 0.01 and the 1 of deck 003 leave the picture soon. 0.05 is not dramatic in
# one layer, 0.33 (the formula says $256 \cdot 0.05^2 / 2 = 0.32$), but nine of them
# make 1/20,000. LeCun's start loses one half at each ReLU, as it should; He's is level:
# from layer 2 to layer 10 $\operatorname{Var}(z)$ stays between 1.8 and 3.1, and the
# gradient is level too. With tanh and a standard deviation of 1 the *signal* looks
# healthy, since tanh cannot leave $(-1, 1)$: it is saturated, and the gradient explodes
# on its way back.
#
# ## 4. The learning rate
#
# *Deck 001, "Stochastic Gradient Descent algorithm".*
# $\theta^{(r+1)} = \theta^{(r)} - \varepsilon_r \tilde\nabla_\theta$: how large should
# $\varepsilon$ be? Three layers, He's start, ReLU.
#
# **Predict first.** Sketch the loss against the step for a rate that is too small, one
# that is right, and one that is too large. Can a rate do *lasting* harm?

# %%
prediction = "too small: ...; right: ...; too large: ..."

# %% tags=["not-graded"]
STEPS = train.budget(smoke=100, cpu=600, gpu=600)
left, right = axes = panels(2)
RATES = {
    0.001: (BLUE, ":"),
    0.05: (BLACK, "-"),
    0.3: (GREEN, "-."),
    1.0: (ORANGE, "--"),
}
begin = start((196, 64, 64, 10), "he", np.random.default_rng(0))
dying = []
with np.errstate(all="ignore"):
    for rate, (colour, style) in RATES.items():
        end, losses = descend(x_train, y_train, begin, [rate] * STEPS)
        smooth = np.convolve(losses, np.ones(20) / 20, "valid")
        left.semilogy(smooth, style, color=colour, label=f"rate {rate:g}")
        p = forward(x_val, end, relu)[-1]
        dead = np.mean([dead_units(z).mean() for z in forward(x_train, end, relu)[:-1]])
        dying.append(dead)
        print(
            f"rate {rate:5g}: loss {np.mean(losses[-20:]):9.3g}, validation accuracy "
            f"{np.mean(p.argmax(axis=1) == y_val):.1%}, dead units {dead:.0%}"
        )
left.axhline(np.log(10), color="0.8", linewidth=0.8)
left.legend(frameon=False, fontsize=8)
panel(left, f"{mnist.name}: four learning rates", "step", "loss (mean of 20 steps)")
bars = right.bar([f"{rate:g}" for rate in RATES], dying, color=ORANGE)
right.bar_label(bars, [f"{share:.0%}" for share in dying])
right.set_ylim(0, 1.1)
panel(right, "Large steps kill ReLU units", "learning rate", "share of dead units")
plots.show(
    axes,
    alt="Left, loss against the step for four rates: 0.001 falls slowly, 0.05 falls "
    "far, 0.3 is restless, 1 jumps up and stays near ln 10, the grey line. "
    f"Right, the share of dead units afterwards: {', '.join(f'{d:.0%}' for d in dying)}.",
)
print("You predicted:", prediction)

# %% [markdown]
# With 600 steps, 0.001 is still on its way and 0.05 is done. 0.3 is the best of all on
# MNIST, with jumps; on the stand-in digits it has lost 63 % of its ReLU units: the
# border is not far. 1 throws the weights so far that nearly all units are dead (98 % on
# the stand-in, 85 % on MNIST). The loss then rests near $\ln 10 = 2.30$, as if nothing
# were wrong, and a smaller rate comes too late: dead units get no gradient.
#
# ### A rate that decays
#
# Near the minimum the gradient of a batch is mostly noise, and a constant rate jumps
# about for ever. Deck 001 asks for three things:
#
# $$\varepsilon_r \to 0, \qquad \sum_r \varepsilon_r = \infty, \qquad
# \sum_r \varepsilon_r^2 < \infty, \qquad \text{for example } \varepsilon_r = 1/r.$$
#
# The first and the third let the noise die out, the second makes sure that one can get
# *anywhere*. Since $1/r$ halves after a single step, one often waits for $k$ steps:
#
# $$\varepsilon_r = \varepsilon_1 \, \frac{k}{k + r - 1}, \qquad r = 1, 2, 3, \dots$$
#
# With $k = 1$ it is the deck's $\varepsilon_1 / r$; at $r = k + 1$ it has come down to
# half.
#
# ### Exercise 4: `InverseDecay` (2 points)
#
# Keras asks an object for the learning rate of each step. Mind that the decks count
# steps from 1, and Keras from 0.


# %% exercise="schedule" points=2 forbid=["cnnlab.ops", "keras.optimizers.schedules.InverseTimeDecay", "keras.optimizers.schedules.PolynomialDecay"]
class InverseDecay(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate initial * k / (k + r - 1) at step r = 1, 2, 3, ..."""

    def __init__(self, initial, k=1):
        self.initial, self.k = initial, k

    def __call__(self, step):
        """The learning rate, a number or tensor.

        Args:
            step: how many steps have been done, 0, 1, 2, ...; an integer or an integer
                tensor. It is made a float first: some backends refuse to mix them.
        """
        step = keras.ops.cast(step, "float32")
        ### BEGIN SOLUTION
        return self.initial * self.k / (self.k + step)
        ### END SOLUTION


# %% check="schedule"
@check
def inverse_decay_follows_the_formula():
    """InverseDecay gives initial * k / (k + r - 1), and Keras accepts it."""
    forbid(InverseDecay, "cnnlab.ops", "keras.optimizers.schedules.InverseTimeDecay")
    r = np.arange(1, 9)
    steps = [keras.ops.convert_to_tensor(int(i), "int32") for i in r - 1]
    counting = (
        "Keras calls the first step 0: it has done no step yet.",
        "r = step + 1",
    )
    for k in (1, 4):
        schedule = InverseDecay(0.5, k)
        with np.errstate(all="ignore"):
            got = [float(schedule(step)) for step in steps]
        right = 0.5 * k / (k + r - 1)
        if not np.isfinite(got[0]):
            raise Failure("The rate of the first step is not finite.", *counting)
        recognise(
            got,
            {
                "This starts at the second step's rate.": (
                    0.5 * k / (k + r),
                    *counting,
                ),
                "k has no effect.": (
                    0.5 / r if k > 1 else [0],
                    "Before k steps are done, hardly anything should decay.",
                ),
                "The rate stays the same.": (np.full(8, 0.5), "Divide by k + r - 1."),
                "The initial rate has no effect.": (2 * right, "Multiply by it."),
                "This falls like 1/r²: its sum is finite.": (
                    0.5 / r**2,
                    "Then one may stop anywhere on the way.",
                ),
                "This falls like 1/√r: the sum of its squares is infinite.": (
                    0.5 / np.sqrt(r),
                    "Then the noise does not die out.",
                ),
                "k divides only once: at the first step the rate is not `initial`.": (
                    0.5 / (k + r - 1) if k > 1 else [0],
                    "At r = 1 the fraction must be 1.",
                ),
            },
        )
        close(
            got,
            right,
            f"InverseDecay(0.5, k={k}) at Keras' steps 0 to 7",
            "At step 0 the rate is `initial`.",
            *counting,
        )
    rate = float(keras.optimizers.SGD(InverseDecay(0.25, 3)).learning_rate)
    close(rate, 0.25, "the learning rate of SGD(InverseDecay(0.25, 3))", *counting)


# %% probe="schedule"
rng = np.random.default_rng(seed)
rates = []
for k in (1, 1, 3, 10, 50):
    schedule, steps = (
        InverseDecay(float(rng.uniform(0.1, 2)), k),
        rng.integers(0, 99, 6),
    )
    steps = [keras.ops.convert_to_tensor(int(s), "int32") for s in (0, *steps)]
    rates += [float(schedule(s)) for s in steps]
np.array(rates)

# %% [markdown]
# The smallest example there is: minimise $\theta^2 / 2$ when each gradient $\theta$
# comes with noise of standard deviation 1. Start at $\theta = 3$; 300 runs side by
# side.
#
# **Predict first.** Which of the four ends nearest to 0?

# %%
prediction = "constant 0.5, constant 0.05, 1/r, or 0.5/r²?"

# %% tags=["not-graded"]
r = np.arange(1, 2001)
first = {"k": 1, "initial": 1.0}
inverse = [float(InverseDecay(**first)(int(step))) for step in r[:50] - 1]
inverse = np.concatenate([inverse, 1 / r[50:]])  # the rest without 1,950 calls
schedules = {
    "constant 0.5": (np.full(2000, 0.5), BLUE, ":"),
    "constant 0.05": (np.full(2000, 0.05), GREEN, "-."),
    "$1/r$": (inverse, BLACK, "-"),
    "$0.5/r^2$": (0.5 / r**2, ORANGE, "--"),
}
noises = np.random.default_rng(0).normal(size=(2000, 300))
ax = plt.subplots(figsize=(7, 3.4), layout="constrained")[1]
for name, (rates, colour, style) in schedules.items():
    theta, squares = np.full(300, 3.0), []
    for rate, e in zip(rates, noises, strict=True):
        theta = theta - rate * (theta + e)
        squares.append(np.mean(theta**2))
    ax.loglog(r, squares, style, color=colour, label=name)
    print(f"{name:14} mean distance² to the minimum: {squares[-1]:.2g}")
ax.legend(frameon=False)
panel(
    ax, "Only $1/r$ goes on approaching the minimum", "step $r$", "mean of $\\theta^2$"
)
plots.show(
    ax,
    alt="Squared distance from the minimum against the step, both on log scales. "
    "Constant rates level off, 0.5 above 0.05. 1/r falls along a straight line. 0.5/r² "
    "stops far from the minimum.",
)
print("You predicted:", prediction)

# %% [markdown]
# A constant rate ends where noise and pull balance, the lower the smaller the rate:
# 0.35 and 0.028. $1/r$ ends at 0.0005, exactly the $1/2000$ of a mean of 2,000
# measurements, and goes on falling. $0.5/r^2$ may walk a distance of only $0.5\,\pi^2/6
# \approx 0.8$ times the gradient, and stops at 1.3. In deep networks the minimum moves
# far at the beginning: then $1/r$ from the first step on is too fast, and one takes a
# large $k$, or lowers the rate in steps.
#
# ## 5. Over-fitting, made
#
# A network that is large enough can learn *anything* by heart. Here are 100 digits for
# 196-128-10, which has 26,506 parameters; then the same 100 digits with labels drawn by
# dice (Zhang et al., 2017).
#
# **Predict first.** Which accuracy will it reach on the 100 images with senseless
# labels?

# %%
prediction = "training accuracy with senseless labels: ... %"

# %% tags=["not-graded"]
FEW = 100
x_few, y_few = x_train[:FEW], y_train[:FEW]
diced = np.random.default_rng(0).integers(0, 10, FEW)


def follow(weights, y, rounds, pull=None, rate=0.1):
    """Train on x_few in `rounds` of 20 steps; the weights, and a history."""
    history = {name: [] for name in ("loss", "val_loss", "accuracy", "val_accuracy")}
    for _ in range(rounds):
        weights, _ = descend(x_few, y, weights, [rate] * 20, pull=pull)
        for kind, x, labels in (("", x_few, y), ("val_", x_val, y_val)):
            z = forward(x, weights, relu)[-1]
            p = ops.softmax(z)[np.arange(len(x)), labels]
            history[f"{kind}loss"].append(float(-np.log(p + 1e-30).mean()))
            history[f"{kind}accuracy"].append(float(np.mean(z.argmax(1) == labels)))
    return weights, history


ROUNDS = train.budget(smoke=8, cpu=60, gpu=60)
begin = start((196, 128, 10), "he", np.random.default_rng(0))
by_heart, sense = follow(begin, y_few, ROUNDS)
_, senseless = follow(begin, diced, ROUNDS)
axes = plots.curves(
    {"true labels": sense, "labels by dice": senseless},
    title=f"{mnist.name}: {FEW} images, learned by heart (one epoch here: 20 steps)",
)
plots.show(
    axes,
    alt="Loss and accuracy on 100 training images and on new ones. With true labels and "
    "with diced ones the training loss goes to 0 and the training accuracy to 1; on new "
    f"images the accuracies end at {sense['val_accuracy'][-1]:.0%} and "
    f"{senseless['val_accuracy'][-1]:.0%}.",
)
print("You predicted:", prediction)
for name, history in (("true labels", sense), ("labels by dice", senseless)):
    print(
        f"{name:14} accuracy {history['accuracy'][-1]:.0%} in training, "
        f"{history['val_accuracy'][-1]:.0%} on new images; validation loss "
        f"{history['val_loss'][-1]:.2f}"
    )

# %% [markdown]
# 100 % in training, for both: a training accuracy says nothing about what was
# understood. With diced labels the validation loss rises above 5: wrong, and sure of
# it. With true labels accuracy hardly suffers, but the validation loss is lowest after
# about 100 steps (the dot), and creeps up from there, while the training loss goes to
# 0: **over-fitting**.
#
# ## 6. Penalties
#
# *Deck 001, "Penalized empirical risk".* Large weights cost something:
#
# $$L = \frac{1}{n} \sum_i \ell_i + \lambda_1 \sum_k \sum_{ij} |W^{(k)}_{ij}|
# + \lambda_2 \sum_k \sum_{ij} \bigl(W^{(k)}_{ij}\bigr)^2$$
#
# Only the weights are penalised, not the biases, which cannot make a function wiggle.
# The gradient of the last sum is $2 W$. Keras' `L2(λ)` adds just this, $\lambda \sum
# W^2$, so a gradient of $2 \lambda W$; texts that write $\frac{\lambda}{2} \sum W^2$
# mean half as much by the same $\lambda$.
#
# ### Exercise 5: `penalty` and `penalty_gradients` (2 points)


# %% exercise="penalties" points=2 forbid=["cnnlab", "keras", "tensorflow", "np.linalg"]
def penalty(weights, l1=0.0, l2=0.0):
    """What the penalties add to the loss, a number.

    Args:
        weights: a list of (kernel, bias), as start() gives it.
        l1, l2: the factors before the sums.
    """
    ### BEGIN SOLUTION
    return sum(l1 * np.abs(W).sum() + l2 * (W**2).sum() for W, _ in weights)
    ### END SOLUTION


def penalty_gradients(weights, l1=0.0, l2=0.0):
    """What the penalties add to the gradients.

    Returns:
        A list of (kernel's, bias's), arrays of the shapes of `weights`.
    """
    ### BEGIN SOLUTION
    return [(l1 * np.sign(W) + 2 * l2 * W, np.zeros_like(b)) for W, b in weights]
    ### END SOLUTION


# %% check="penalties"
@check
def penalty_adds_up():
    """penalty() is l1 times the sum of |W|, plus l2 times the sum of W²."""
    forbid(penalty, "cnnlab", "keras", "tensorflow", "np.linalg")
    weights = [
        (np.array([[1.0, -2], [0.5, 3]]), np.array([4.0, -1])),
        (np.array([[-1.5], [2.5]]), np.array([3.0])),
    ]
    kernels = np.concatenate([W.ravel() for W, _ in weights])
    biases = np.concatenate([b for _, b in weights])
    for what, l1, l2, size in (("l1", 0.1, 0, np.abs), ("l2", 0, 0.1, np.square)):
        right = 0.1 * size(kernels).sum()
        line = f"Only kernels, of all layers: the sum of {'|W|' if l1 else 'W²'}."
        recognise(
            penalty(weights, l1=l1, l2=l2),
            {
                f"{what}: the biases are penalised too.": (
                    right + 0.1 * size(biases).sum(),
                    "A bias only shifts; deck 001 and Keras leave it alone.",
                ),
                f"{what}: this is half as much.": (right / 2, "There is no 1/2 here."),
                f"{what}: a mean instead of a sum.": (0.1 * size(kernels).mean(), line),
                f"{what}: only the first layer counts.": (
                    0.1 * size(weights[0][0]).sum(),
                    line,
                ),
                f"{what}: this is the norm; its square is asked for.": (
                    0.1 * np.sqrt((kernels**2).sum()),
                    line,
                ),
                f"{what}: positive and negative weights cancel.": (
                    0.1 * kernels.sum(),
                    line,
                ),
            },
        )
        close(penalty(weights, l1=l1, l2=l2), right, f"penalty with {what}=0.1", line)
    both = 0.1 * np.abs(kernels).sum() + 0.01 * np.square(kernels).sum()
    close(penalty(weights, 0.1, 0.01), both, "penalty(weights, 0.1, 0.01)", "Add both.")


# %% check="penalties"
@check
def penalty_gradients_differentiate():
    """penalty_gradients() is the derivative of penalty(), for every weight."""
    forbid(penalty_gradients, "cnnlab", "keras", "tensorflow")
    weights = [(np.array([[1.0, -2], [0.5, 3]]), np.array([4.0, -1]))]
    W, b = weights[0]
    for what, l1, l2 in (("l1", 0.1, 0), ("l2", 0, 0.1)):
        received = penalty_gradients(weights, l1=l1, l2=l2)
        if len(received) != 1 or len(received[0]) != 2:
            raise Failure("For each layer, give a pair: (kernel's, bias's).")
        dW, db = received[0]
        right = 0.1 * (np.sign(W) if l1 else 2 * W)
        known = {
            "l1": {
                "|W| is differentiated to its sign, not to itself.": 0.1 * np.abs(W),
                "For negative weights |W| has a negative slope.": 0.1 * np.ones((2, 2)),
                "l1 has no effect.": 0 * W,
            },
            "l2": {
                "The 2 is missing: the derivative of W² is 2W.": 0.1 * W,
                "l2 has no effect.": 0 * W,
            },
        }[what]
        known["The sign is wrong: a gradient points uphill."] = -right
        line = "l1 gives sign(W), l2 gives 2W"
        recognise(dW, {f"{what}: {said}": (v, line) for said, v in known.items()})
        close(dW, right, f"{what}: the kernel's gradient", line)
        if np.any(db):
            raise Failure(
                f"{what}: the bias gets a gradient, but only kernels are penalised.",
                "Its gradient is 0: np.zeros_like(bias)",
            )
        close(db, 0 * b, f"{what}: the bias's gradient", "np.zeros_like(bias)")


# %% probe="penalties"
def totals(rng):
    pairs = [(rng.normal(size=(5, 4)), rng.normal(size=4)) for _ in range(3)]
    return [penalty(pairs, l1=a, l2=b) for a, b in ((0.3, 0), (0, 0.2), (0.1, 0.02))]


np.array(totals(np.random.default_rng(seed)))

# %% probe="penalties"
rng = np.random.default_rng(seed)
weights = [(rng.normal(size=(5, 4)), rng.normal(size=4)) for _ in range(3)]
found = [penalty_gradients(weights, l1=a, l2=b) for a, b in ((0.3, 0), (0, 0.2))]
np.concatenate([np.ravel(part) for run in found for pair in run for part in pair])

# %% tags=["not-graded"]
kernel = by_heart[0][0]
keras_says = float(keras.regularizers.L1L2(0.001, 0.002)(kernel))
print(f"Keras: {keras_says:.5f}; you: {penalty(by_heart[:1], 0.001, 0.002):.5f}")

# %% [markdown]
# **Predict first.** Both penalties pull weights towards 0. L2 pulls in proportion to
# the weight, L1 always equally hard. Which of them makes weights *exactly* useless, and
# what does that do to the histogram? Which will help more with new images?

# %%
prediction = "L1 or L2?"

# %% tags=["not-graded"]
runs, ends = {"none": sense}, {"none": by_heart}
for name, l1, l2 in (("L2, λ = 0.01", 0, 0.01), ("L1, λ = 0.001", 0.001, 0)):

    def pull(weights, l1=l1, l2=l2):
        return penalty_gradients(weights, l1=l1, l2=l2)

    ends[name], runs[name] = follow(begin, y_few, ROUNDS, pull)
left, right = axes = panels(2)
for (name, run), colour, style in zip(
    runs.items(), (BLACK, BLUE, ORANGE), ("-", "--", "-."), strict=True
):
    epochs = 20 * np.arange(1, ROUNDS + 1)
    left.plot(epochs, run["val_loss"], style, color=colour, label=name)
    sizes = np.abs(ends[name][0][0]).ravel()
    bins = np.geomspace(1e-5, 1, 60)
    right.hist(sizes, bins, histtype="step", color=colour, linestyle=style, label=name)
    print(
        f"{name:14} validation loss {run['val_loss'][-1]:.2f}, accuracy "
        f"{run['val_accuracy'][-1]:.1%}; weights below 0.001: {np.mean(sizes < 1e-3):.0%}"
    )
left.legend(frameon=False, fontsize=8)
panel(left, f"{mnist.name}, {FEW} images: the cure", "step", "validation loss")
right.set_xscale("log")
panel(right, "L1 empties the first layer", "$|W|$ of the first layer", "weights")
plots.show(
    axes,
    alt="Left, validation loss against the step without penalty, with L2, with L1. Right, "
    "histograms of the weights' sizes on a log scale: L2 shifts them to smaller values, "
    "L1 moves most of them below 0.001.",
)
print("You predicted:", prediction)

# %% [markdown]
# The validation loss rises far less: with L2 it ends at 0.66 instead of 0.78 on the
# stand-in digits, at 0.70 instead of 0.81 on MNIST. Accuracy changes by 2 points at
# most, which 297 validation images cannot prove. L2 makes weights ten times smaller,
# but hardly any of them 0. L1 brings three of four below 0.001, where they flicker
# around 0, since each step of 0.1 · 0.001 overshoots: it chooses pixels. Deck 001 calls
# such solutions *parsimonious*.
#
# ## 7. Dropout
#
# *Decks 001 and 000, "Dropout".* At each training step each *unit* is set to 0 with
# probability $p$, independently of the others (units, not weights, as deck 001 says in
# its last line: dropping weights is called DropConnect). No unit can rely on another.
#
# At inference all units are there, so the next layer would get more than it is used to.
# Hinton et al. (2012), and deck 000, scale the weights down by $1 - p$ then. Keras and
# everybody else do **inverted dropout**: the units that are kept are scaled *up* by
# $1 / (1 - p)$ in training, and inference does nothing at all. Never both.
#
# ### Exercise 6: `dropout` (2 points)
#
# Inverted, with Keras' meaning of `rate`: the share that is *dropped*.


# %% exercise="dropout" points=2 forbid=["cnnlab", "keras", "tensorflow", "jax"]
def dropout(x, rate, training, rng):
    """Inverted dropout.

    Args:
        x: outputs of units, an array of any shape; it stays as it is.
        rate: the probability with which each of them is dropped, 0 <= rate < 1.
        training: whether this is training (True) or inference (False).
        rng: what to draw from, a new mask at each call.

    Returns:
        An array of the shape of x.
    """
    ### BEGIN SOLUTION
    if not training:
        return x
    kept = rng.random(x.shape) >= rate
    return x * kept / (1 - rate)
    ### END SOLUTION


# %% check="dropout"
@check
def dropout_at_inference():
    """dropout() does nothing at inference."""
    forbid(dropout, "cnnlab", "keras", "tensorflow", "jax")
    x, rng = np.random.default_rng(0).uniform(1, 2, (40, 50)), np.random.default_rng(1)
    got = dropout(x, 0.2, False, rng)
    nothing = "Inverted dropout has done its scaling in training: give x back."
    recognise(
        got,
        {
            "Scaled by 1 - rate at inference: deck 000's scaling, on top of the other.": (
                0.8 * x,
                nothing,
            ),
            "Scaled by the rate at inference.": (0.2 * x, nothing),
            "Scaled by 1 / (1 - rate) at inference.": (x / 0.8, nothing),
        },
    )
    if got is not None and np.any(np.asarray(got) == 0):
        raise Failure(
            "Units are dropped at inference too, so two predictions for the same image "
            "differ.",
            "Drop only if training.",
        )
    close(got, x, "dropout(x, 0.2, training=False)", nothing)


# %% check="dropout"
def _each_by_itself(dropped):
    """Fail unless every unit of every example has its own draw."""
    if np.all(dropped == dropped[:1]) or np.all(dropped == dropped[:, :1]):
        what = "all examples" if np.all(dropped == dropped[:1]) else "all units"
        raise Failure(
            f"One draw for {what}: whole rows or columns are dropped together.",
            "Each unit of each example is dropped independently.",
            "Draw x.shape random numbers.",
        )


@check
def dropout_in_training():
    """dropout() drops each unit with probability `rate`, and scales up the others."""
    x, rng = np.random.default_rng(0).uniform(1, 2, (80, 90)), np.random.default_rng(1)
    kept = x.copy()
    got = np.asarray(dropout(x, 0.2, True, rng), float)
    if not np.array_equal(x, kept):
        raise Failure(
            "dropout() changes its argument x.", "Work on a copy, not in place."
        )
    equal(got.shape, (80, 90), "shape of dropout(x, ...) for x of shape (80, 90)")
    zeros = np.mean(got == 0)
    if abs(zeros - 0.8) < 0.06:
        raise Failure(
            f"With rate 0.2, {zeros:.0%} of the units are dropped.",
            "The rate is the share that is dropped, not the share that is kept.",
            "Keep where rng.random(x.shape) >= rate",
        )
    if zeros == 0:
        raise Failure("Nothing is dropped in training.", "Is `training` turned round?")
    _each_by_itself(got == 0)
    if abs(zeros - 0.2) > 0.06:
        raise Failure(f"With rate 0.2, {zeros:.0%} of the units are dropped.")
    factor = got[got != 0] / x[got != 0]
    for value, said in {
        1.0: "Those kept are not scaled, so inference gets more than training.",
        5.0: "Those kept are divided by the rate, not by the share that is kept.",
        0.8: "Those kept are scaled down; on average too little arrives then.",
    }.items():
        if np.allclose(factor, value):
            raise Failure(
                said,
                "On average the sum over the units must stay what it is.",
                "Divide by 1 - rate.",
            )
    close(
        factor, np.full(factor.shape, 1.25), "kept units, relative to x", "1 / (1 - p)"
    )
    again = np.asarray(dropout(x, 0.2, True, rng), float)
    if np.array_equal(again, got):
        raise Failure(
            "A second call drops the same units.",
            "Draw from rng, not from a generator that starts anew at each call.",
        )
    same = np.asarray(dropout(x, 0.2, True, np.random.default_rng(1)), float)
    if not np.array_equal(same, got):
        raise Failure("The same seed drops other units.", "Draw from the argument rng.")


# %% probe="dropout" rtol=0.12 atol=0.02
def seen(rate):
    rng, x = (
        np.random.default_rng(1),
        np.random.default_rng(seed).random((150, 160)) + 1,
    )
    kept = x.copy()
    y, other = (np.array(dropout(x, rate, True, rng), float) for _ in range(2))
    again = np.array(dropout(kept.copy(), rate, True, np.random.default_rng(1)), float)
    off, factors = y == 0, np.sort((y / kept)[y != 0])
    together = [np.mean(off & (other == 0)), *(off.mean(k).std() < 0.1 for k in (0, 1))]
    same = [np.array_equal(x, kept), np.array_equal(y, again)]
    return [off.mean(), y.mean(), *factors[[0, -1]], *together, *same]


np.array([seen(p) for p in (0.3, 0.5, 0.75)], float)

# %% probe="dropout"
rng = np.random.default_rng(seed)
x = rng.normal(size=(6, 3, 3, 4))
np.array([dropout(x, rate, False, rng) for rate in (0.0, 0.3, 0.9)]) - x + x.mean()

# %% [markdown]
# One unit of the next layer looks at 128 units, half of which are dropped. What does it
# get, over many masks, and at inference?
#
# **Predict first.** Where do the two means lie, that of inverted dropout and that of
# dropping without scaling, relative to inference?

# %%
prediction = "inverted: ... of what inference gives; without scaling: ..."

# %% tags=["not-graded"]
rng = np.random.default_rng(0)
units = relu(forward(x_val[:1], by_heart, relu)[0])
towards = by_heart[1][0][:, y_val[0]]
target = (units @ towards).item()
many = np.repeat(units, 5000, axis=0)
inverted = dropout(many, 0.5, True, rng) @ towards
ax = plt.subplots(figsize=(7, 3.2), layout="constrained")[1]
for values, label, colour in (
    (0.5 * inverted, "dropped, not scaled", ORANGE),
    (inverted, "inverted dropout", BLUE),
):
    ax.hist(values, 60, color=colour, alpha=0.6, label=f"training: {label}")
    ax.axvline(values.mean(), color=colour, linewidth=2)
    print(f"{label:20} mean {values.mean():.2f}; inference {target:.2f}")
ax.axvline(target, color=BLACK, linestyle="--", label="inference")
ax.legend(frameon=False, fontsize=8)
panel(
    ax,
    f"{mnist.name}: inverted dropout keeps the mean",
    "what one output unit gets from 128 units, half of them dropped",
    "masks",
)
plots.show(
    ax,
    alt="Two histograms over 5,000 masks. The one of inverted dropout is centred on the "
    "dashed line of inference; the one without scaling on half of that.",
)
print("You predicted:", prediction)

# %% [markdown]
# ## 8. Batch normalisation
#
# *Deck 000, "BatchNorm"; Ioffe and Szegedy, 2015.* For maps $(N, H, W, C)$, in
# **training**, with mean $\mu_c$ and variance $\sigma_c^2$ of the batch, one for each
# channel, over $N$, $H$ and $W$:
#
# $$y = \gamma_c \, \frac{x - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + \beta_c, \qquad
# \begin{aligned}
# m_c &\leftarrow \alpha\, m_c + (1 - \alpha)\, \mu_c \\
# v_c &\leftarrow \alpha\, v_c + (1 - \alpha)\, \sigma_c^2
# \end{aligned}$$
#
# In **inference** an image must not depend on its neighbours in the batch: the moving
# averages $m_c$, $v_c$ stand in for $\mu_c$, $\sigma_c^2$, and do not move. ($\alpha$
# is the momentum.)
#
# The slides need four corrections. Learnable $\gamma$ and $\beta$ are missing there:
# without them the network could not even represent "leave it as it is". The result does
# not lie between 0 and 1: it has mean $\beta$ and standard deviation $\gamma$, and no
# activation but the sigmoid ends at 0 and 1. Channels are *not* alike and mixed: each
# has its own statistics, its own $\gamma_c$ and $\beta_c$. And batch statistics are for
# training only.
#
# ### Exercise 7: `batch_norm` and `batch_norm_params` (3 points)


# %% exercise="batch_norm" points=3 forbid=["cnnlab", "keras", "tensorflow", "jax"]
def batch_norm(x, gamma, beta, mean, variance, training, momentum=0.99, epsilon=1e-3):
    """Batch normalisation of dense or convolutional layers.

    Args:
        x: (N, C) or (N, H, W, C).
        gamma, beta: (C,), learned.
        mean, variance: (C,), the moving averages so far; they stay as they are.
        training: whether this is training (True) or inference (False).

    Returns:
        y, of the shape of x, and the moving mean and variance afterwards.
    """
    ### BEGIN SOLUTION
    if training:
        axes = tuple(range(x.ndim - 1))
        mu, var = x.mean(axis=axes), x.var(axis=axes)
        mean = momentum * mean + (1 - momentum) * mu
        variance = momentum * variance + (1 - momentum) * var
    else:
        mu, var = mean, variance
    y = gamma * (x - mu) / np.sqrt(var + epsilon) + beta
    return y, mean, variance
    ### END SOLUTION


def batch_norm_params(channels):
    """How many numbers the layer keeps, and how many of them gradient descent trains.

    Returns:
        Two integers: all, trainable.
    """
    ### BEGIN SOLUTION
    return 4 * channels, 2 * channels
    ### END SOLUTION


# %%
def bn_example(shape=(3, 2, 4, 5), seed=0):
    """x, gamma, beta, and moving averages, none of them like another."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * np.arange(1, 1 + shape[-1]) + 2
    parts = [rng.uniform(0.5, 3, shape[-1]) for _ in range(4)]
    return (x, *parts)


def _three(received, what):
    if not isinstance(received, tuple | list) or len(received) != 3:
        raise Failure(f"{what}: give three things: y, moving mean, moving variance.")
    return received


# %% check="batch_norm"
def _moving(received, x, mean, variance):
    """Fail unless the moving averages moved by 1 % towards those of the batch."""
    stats = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    line = "momentum * moving + (1 - momentum) * of the batch"
    for name, got, old, new in zip(
        ("mean", "variance"), received, (mean, variance), stats, strict=True
    ):
        slips = {
            "did not move.": (old, "Training must leave it something to remember."),
            "moved the wrong way round: 99 % of it is new.": (0.01 * old + 0.99 * new,),
            "is that of the last batch alone.": (new,),
            "has moved towards a standard deviation.": (
                0.99 * old + 0.01 * np.sqrt(new),
            ),
        }
        said = {f"The moving {name} {k}": (*v, line) for k, v in slips.items()}
        recognise(got, said)
        close(got, 0.99 * old + 0.01 * new, f"the moving {name}", line)


@check
def batch_norm_in_training():
    """batch_norm() normalises each channel with the statistics of the batch."""
    forbid(batch_norm, "cnnlab", "keras", "tensorflow", "jax")
    x, gamma, beta, mean, variance = bn_example()

    def slip(axes=(0, 1, 2), g=gamma, b=beta, root=np.sqrt, ddof=0, epsilon=1e-3):
        var = x.var(axis=axes, keepdims=True, ddof=ddof)
        return g * (x - x.mean(axis=axes, keepdims=True)) / root(var + epsilon) + b

    axes = (
        "Which numbers belong together? All that share a channel.",
        "Mean over axes 0, 1 and 2: batch, height, width.",
        "tuple(range(x.ndim - 1)) suits dense layers too.",
    )
    scale = "gamma * (x - mean) / sqrt(variance + epsilon) + beta"
    right = slip()
    slips = {
        "The statistics are taken over the batch only, not over height and width.": (
            slip(0),
            *axes,
        ),
        "The statistics are taken over everything, all channels mixed.": (
            slip((0, 1, 2, 3)),
            *axes,
        ),
        "The statistics are taken over the channels (that is layer normalisation).": (
            slip(3),
            *axes,
        ),
        "The statistics are taken over each image by itself (instance normalisation).": (
            slip((1, 2)),
            *axes,
        ),
        "The statistics are taken over each image by itself, all channels mixed.": (
            slip((1, 2, 3)),
            *axes,
        ),
        "gamma and beta are missing.": (slip(g=1, b=0), scale),
        "gamma is missing.": (slip(g=1), scale),
        "beta is missing.": (slip(b=0), scale),
        "gamma and beta are swapped.": (slip(g=beta, b=gamma), scale),
        "Divided by the variance instead of its root.": (slip(root=abs), scale),
        "In training, the moving averages are used instead of the batch's.": (
            ops.batch_normalization(x, gamma, beta, mean=mean, variance=variance),
            "While training, each batch is normalised by itself.",
        ),
        "The variance has n - 1 in place of n.": (slip(ddof=1), "x.var(axis=...)"),
        "epsilon is missing.": (slip(epsilon=0), scale),
        "epsilon was added to the standard deviation.": (
            slip(root=lambda v: np.sqrt(v - 1e-3) + 1e-3, epsilon=1e-3),
            "It stands under the root.",
        ),
    }
    kept = mean.copy(), variance.copy()
    received = _three(batch_norm(x, gamma, beta, mean, variance, True), "training=True")
    recognise(received[0], slips)
    close(received[0], right, "batch_norm in training", scale, *axes)
    _moving(received[1:], x, *kept)
    if not np.array_equal([mean, variance], kept):
        raise Failure(
            "The given moving averages were changed.",
            "Work on copies: mean = momentum * mean + ..., not mean *= momentum",
        )
    dense = bn_example((6, 4))
    received = batch_norm(*dense, True)
    right = ops.batch_normalization(*dense[:3])
    close(received[0], right, "batch_norm of a dense layer, x (6, 4)", axes[-1])


# %% check="batch_norm"
@check
def batch_norm_at_inference():
    """batch_norm() uses the moving averages at inference, and leaves them alone."""
    x, gamma, beta, mean, variance = example = bn_example(seed=1)
    y, new_mean, new_variance = _three(batch_norm(*example, False), "training=False")
    use = "At inference, x is normalised with the moving mean and variance."
    scale = "gamma * (x - mean) / sqrt(variance + epsilon) + beta"
    recognise(
        y,
        {
            "At inference the statistics of the batch are still used.": (
                ops.batch_normalization(x, gamma, beta),
                "An image must not get another answer in other company.",
                use,
            ),
            "At inference gamma and beta are missing.": (
                (x - mean) / np.sqrt(variance + 1e-3),
                scale,
            ),
            "At inference nothing is done.": (x, use, scale),
        },
    )
    right = ops.batch_normalization(x, gamma, beta, mean=mean, variance=variance)
    close(y, right, "batch_norm at inference", use, scale)
    for name, new, old in (
        ("mean", new_mean, mean),
        ("variance", new_variance, variance),
    ):
        close(new, old, f"the moving {name} after inference", "Only training moves it.")


# %% check="batch_norm"
@check
def batch_norm_counts():
    """batch_norm_params() counts what the layer keeps, and what is trained."""
    got = batch_norm_params(7)
    slips = {
        (14, 14): "The moving averages are kept too, though no gradient trains them.",
        (28, 28): "No gradient flows to the moving averages.",
        (4, 2): "Each channel has its own.",
        (14, 28): "All of them first, then the trainable ones.",
        (28, 0): "gamma and beta are trained.",
    }
    received = tuple(int(n) for n in np.ravel(got))
    if received in slips:
        raise Failure(
            f"batch_norm_params(7): {received} is not right. {slips[received]}",
            "For each channel there are gamma, beta, moving mean, moving variance.",
        )
    equal(got, (28, 14), "batch_norm_params(7)", "Count what stands in the formulas.")


# %% probe="batch_norm" weight=4
found = []
for shape, momentum in (((4, 3, 5, 6), 0.99), ((9, 7), 0.8), ((2, 6, 2, 3), 0.5)):
    parts = bn_example(shape, seed)
    received = batch_norm(*parts, True, momentum)
    found += [np.ravel(part) for part in (*received, *parts[3:])]  # not in place
np.concatenate(found)

# %% probe="batch_norm" weight=4
found = []
for shape, epsilon in (((1, 3, 5, 6), 0.001), ((9, 7), 0.1)):
    parts = bn_example(shape, seed)
    received = batch_norm(*parts, False, epsilon=epsilon)
    found += [np.ravel(part) for part in received]
np.concatenate(found)

# %% probe="batch_norm" weight=1 compare="equal"
channels = np.random.default_rng(seed).integers(1, 600, 9)
np.array([batch_norm_params(int(c)) for c in channels])

# %% [markdown]
# The same layer in Keras, then two pictures: eight channels before and after; and how
# long the moving averages take to find the truth, from their start at mean 0.
#
# **Predict first.** With momentum 0.99, how many steps until the moving mean is within
# 1 % of the true one?

# %%
prediction = "... steps"

# %% tags=["not-graded"]
example = bn_example((16, 4, 4, 8))
layer = layers.BatchNormalization()
layer.build((None, 4, 4, 8))
layer.set_weights(example[1:])
for training in (False, True):  # training moves the layer's averages
    mine = batch_norm(*example, training)[0]
    theirs = keras.ops.convert_to_numpy(layer(example[0], training=training))
    apart = np.abs(mine - theirs).max()
    print(f"training={training}: Keras and you differ by {apart:.0e} at most")
print(f"Keras keeps {layer.count_params()} numbers for 8 channels,")
print(
    f"you say {batch_norm_params(8)[0]}, of which {batch_norm_params(8)[1]} are trained"
)

left, right = axes = panels(2)
y, _, _ = batch_norm(example[0], np.ones(8), np.zeros(8), *example[3:], True)
for shift, values, colour, label in (
    (-0.2, example[0], ORANGE, "before"),
    (0.2, y, BLUE, "after, γ = 1, β = 0"),
):
    middle, spread = values.mean(axis=(0, 1, 2)), values.std(axis=(0, 1, 2))
    places = np.arange(1, 9) + shift
    left.errorbar(places, middle, spread, fmt="o", color=colour, capsize=3, label=label)
left.legend(frameon=False, fontsize=8)
panel(left, "Each channel by itself", "channel", "mean ± standard deviation")
rng, steps = np.random.default_rng(0), np.arange(1, 701)
batches = rng.normal(3, 1, (700, 32))
for momentum, colour, style in ((0.99, BLACK, "-"), (0.9, ORANGE, "--")):
    moving, path = (np.zeros(1), np.ones(1)), []
    for batch in batches:
        _, *moving = batch_norm(batch[:, None], 1.0, 0.0, *moving, True, momentum)
        path.append(moving[0].item())
    right.plot(steps, path, style, color=colour, label=f"momentum {momentum}")
right.axhline(3, color="0.8", linewidth=0.8)
right.legend(frameon=False, fontsize=8)
panel(right, "Moving averages need time", "training step", "moving mean (true mean: 3)")
plots.show(
    axes,
    alt="Left, eight channels with mean and spread before, growing from channel to "
    "channel, and after, all at 0 plus or minus 1. Right, the moving mean against the "
    "step: with momentum 0.9 it is at 3 after 50 steps, with 0.99 after about 460.",
)
print("You predicted:", prediction)
print(f"0.99^n < 0.01 from n = {int(np.ceil(np.log(0.01) / np.log(0.99)))} on")

# %% [markdown]
# Who trains for 100 steps with momentum 0.99 and then evaluates gets bad answers from a
# good network: the moving averages are still on their way. More steps, or a smaller
# momentum, and it is gone. Evaluating with `training=True` hides it, and is wrong.
#
# ## 9. Over-fitting, cured
#
# Now all together in Keras. For images of 196 pixels:
#
# | layer | units | kernel starts | L2 | bias |
# |---|---|---|---|---|
# | dense | 64 | He | yes | no |
# | batch normalisation, ReLU, dropout | | | | |
# | dense | 64 | He | yes | no |
# | batch normalisation, ReLU, dropout | | | | |
# | dense, softmax | 10 | any | yes | starts at 0, not penalised |
#
# A bias before batch normalisation is pointless: subtracting the mean removes it, and
# $\beta$ takes its place. Nothing follows the softmax: dropout on the output would
# erase classes, and normalised probabilities are none.
#
# ### Exercise 8: `regularised` and `accuracy` (2 points)


# %% exercise="network" points=2 forbid=["cnnlab"]
def regularised(rate=0.3, l2=0.001):
    """The network of the table, not compiled; 196 pixels -> 10 probabilities.

    Args:
        rate: of both dropouts.
        l2: the factor before the sum of squares, for all three kernels.
    """
    ### BEGIN SOLUTION
    l2 = keras.regularizers.L2(l2)
    model = keras.Sequential([keras.Input((196,))])
    for _ in range(2):
        model.add(
            layers.Dense(
                64,
                use_bias=False,
                kernel_initializer="he_normal",
                kernel_regularizer=l2,
            )
        )
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
        model.add(layers.Dropout(rate))
    model.add(layers.Dense(10, activation="softmax", kernel_regularizer=l2))
    return model
    ### END SOLUTION


def accuracy(model, x, y):
    """Share of the rows of x whose most probable class is that of y (n,), integers."""
    ### BEGIN SOLUTION
    p = keras.ops.convert_to_numpy(model(x, training=False))
    return np.mean(p.argmax(axis=1) == y)
    ### END SOLUTION


# %%
def _known_weights(model):
    """The numbers that `respond` and `noise` fill the weights with, by role and shape."""
    with unchanged(model):
        fixed_weights(model)
        return {
            (w.path.rsplit("/", 1)[-1], tuple(w.shape)): keras.ops.convert_to_numpy(w)
            for w in model.weights
        }


# %% check="network"
def _sizes(model):
    """Fail unless the weights are those of the table."""
    sizes = sorted(int(np.prod(w.shape)) for w in model.weights if "seed" not in w.path)
    right = sorted([196 * 64, 64 * 64, 640, 10, *[64] * 8])
    without = sorted([196 * 64, 64 * 64, 640, 10])
    known = {
        "The dense layers before batch normalisation still have biases.": (
            sorted([*right, 64, 64]),
            "beta does what the bias would do.",
            "use_bias=False",
        ),
        "There is no batch normalisation.": (without, "layers.BatchNormalization()"),
        "There is no batch normalisation, and the layers have biases.": (
            sorted([*without, 64, 64]),
            "layers.BatchNormalization() follows each hidden dense layer.",
        ),
        "Batch normalisation follows the output as well.": (
            sorted([*right, 10, 10, 10, 10]),
            "Normalised probabilities are no probabilities: nothing follows the softmax.",
        ),
        "The output has no bias.": (
            sorted([196 * 64, 64 * 64, 640, *[64] * 8]),
            "Its bias is not followed by a normalisation: it is needed.",
        ),
        "One batch normalisation is missing, or it is used twice.": (
            sorted([*without, *[64] * 4]),
            "Make a new layer for each place.",
        ),
    }
    learned = [tuple(w.shape) for w in model.trainable_weights]
    if (64,) not in learned and len(sizes) == len(right) - 4:
        raise Failure(
            "The batch normalisations have no gamma and beta.",
            "Leave scale and center as they are.",
        )
    for said, (wrong, *hints) in known.items():
        if sizes == wrong:
            raise Failure(said, *hints)
    equal(sizes, right, "sizes of the weights, sorted", "Compare with the table.")


def _run(x, w, order=("bn", "relu"), last=ops.softmax, relus=2):
    """The network of the table in NumPy, at inference."""
    for n in (196, 64):
        x = x @ w["kernel", (n, 64)]
        for step in order:
            bn = [w[role, (64,)] for role in ("gamma", "beta")]
            mean, variance = w["moving_mean", (64,)], w["moving_variance", (64,)]
            if step == "bn":
                x = ops.batch_normalization(x, *bn, mean=mean, variance=variance)
            elif relus:
                x = np.maximum(x, 0)
    return last(x @ w["kernel", (64, 10)] + w["bias", (10,)])


def _orders(x, w):
    """What goes wrong in networks that have the right weights -> what they answer."""
    order = "The table has dense, batch normalisation, ReLU, dropout."
    last = 'activation="softmax" in the last dense layer'
    return {
        "Batch normalisation comes after the ReLU. That works too; the table (and the "
        "paper) has it before.": (_run(x, w, ("relu", "bn")), order),
        "The hidden layers have no activation.": (_run(x, w, relus=0), order),
        "The ReLU comes twice, before and after batch normalisation.": (
            _run(x, w, ("relu", "bn", "relu")),
            order,
        ),
        "The softmax is missing.": (_run(x, w, last=lambda z: z), last),
        "The outputs are sigmoids.": (_run(x, w, last=ops.sigmoid), last),
        "The softmax is applied twice.": (
            _run(x, w, last=lambda z: ops.softmax(ops.softmax(z))),
            last,
        ),
    }


@check
def regularised_has_the_layers():
    """regularised() has the layers of the table, in that order."""
    forbid(regularised, "cnnlab")
    model = regularised()
    x = np.random.default_rng(0).normal(size=(6, 196)).astype("float32")
    try:
        model(x[:1])
    except (TypeError, ValueError) as error:
        raise Failure(
            f"regularised() is no network for rows of 196:\n{error}"
        ) from None
    first, again = (keras.ops.convert_to_numpy(model(x)) for _ in range(2))
    if not np.allclose(first, again):
        raise Failure(
            "Two predictions for the same images differ: dropout is on at inference.",
            "Do not call a layer with training=True inside the model.",
        )
    _sizes(model)
    received, kinds = respond(model, x), _known_weights(model)
    recognise(received, _orders(x, kinds))
    close(
        received,
        _run(x, kinds),
        "regularised(), its weights filled with known numbers",
        "Go through the table, row by row: dense, batch normalisation, ReLU, dropout.",
        rtol=1e-3,
    )


# %% check="network"
def _judge_kernel(kernel):
    right = np.sqrt(2 / len(kernel))
    std = kernel.std()
    if abs(std / right - 1) > 0.06:
        known = {
            np.sqrt(2 / sum(kernel.shape)): "That is Glorot's, Keras' default.",
            0.05: "RandomNormal's default is 0.05, whatever the layer: not He's.",
            np.sqrt(1 / len(kernel)): "That is LeCun's.",
            0.0: "All weights are the same: the units of the layer are twins.",
        }
        said = [t for v, t in known.items() if abs(std - v) < 0.05 * v + 1e-9]
        raise Failure(
            f"The kernel {kernel.shape} starts with a standard deviation of {std:.3g}; "
            f"He: {right:.3g}. {' '.join(said[:1])}",
            "Dense has an argument for it: kernel_initializer",
            'kernel_initializer="he_normal" (or "he_uniform")',
        )


@check
def regularised_starts_and_is_penalised():
    """regularised() starts as He says, its biases at 0, and only kernels are penalised."""
    model = regularised(l2=0.01)
    model(np.zeros((1, 196), "float32"))
    for weight in model.weights:
        shape, value = tuple(weight.shape), keras.ops.convert_to_numpy(weight)
        if shape == (10,) and np.any(value):
            raise Failure(
                "The bias does not start at 0.", "An initializer is for the kernel."
            )
        if shape in ((196, 64), (64, 64)):
            _judge_kernel(value)
    with unchanged(model):
        fixed_weights(model)
        received = float(sum(model.losses)) if model.losses else 0.0
        values = [keras.ops.convert_to_numpy(w) for w in model.trainable_weights]
    kernels = [0.01 * (v**2).sum() for v in values if v.ndim > 1]
    bias = 0.01 * sum((v**2).sum() for v in values if v.shape == (10,))
    right = sum(kernels)
    line = "kernel_regularizer=keras.regularizers.L2(l2)"
    kernels_only = "Only kernels are penalised, not the output's bias, gamma and beta."
    recognise(
        received,
        {
            "Nothing is penalised.": (0.0, line),
            "The bias is penalised too.": (right + bias, kernels_only, line),
            "Only the bias is penalised.": (bias, kernels_only, line),
            "The penalty is half of what it should be.": (right / 2, line),
            "The output's kernel is not penalised.": (
                right - min(kernels),
                "Three kernels have a tick in the table.",
                line,
            ),
            "L2 with 0.001, though regularised(l2=0.01) was asked.": (
                right / 10,
                "Use the argument l2.",
            ),
            "0.01 is the default of Keras; l2=0.001 was asked.": (10 * right, line),
        },
    )
    close(
        received, right, "the penalty for known weights", kernels_only, line, rtol=1e-3
    )


# %% check="network"
def _simulated(image, w, rate, copies=1500):
    """How much the log probabilities vary in training, the way `noise` measures it."""
    x, rng = np.repeat(image, copies, axis=0).astype(float), np.random.default_rng(0)
    for n in (196, 64):
        z = x @ w["kernel", (n, 64)]
        z = ops.batch_normalization(z, w["gamma", (64,)], w["beta", (64,)])
        x = np.maximum(z, 0) * (rng.random(z.shape) >= rate) / (1 - rate)
    p = ops.softmax(x @ w["kernel", (64, 10)] + w["bias", (10,)])
    return np.log(np.maximum(p, 1e-30)).std(axis=0).mean()


@check
def regularised_drops_in_training():
    """regularised() drops hidden units in training, never outputs, and nothing else."""
    model = regularised()
    x = np.random.default_rng(1).normal(size=(400, 196)).astype("float32")
    p = keras.ops.convert_to_numpy(model(x, training=True))
    if not np.allclose(p.sum(axis=1), 1, atol=1e-3):
        raise Failure(
            "In training, the outputs do not sum to 1: there is a dropout after the "
            "softmax.",
            "Dropout is for hidden layers. Whose probability may be erased?",
        )
    known = _known_weights(model)
    for rate in (0.3, 0.1):
        received = float(noise(regularised(rate=rate), x[:1]).mean())
        wanted = {r: _simulated(x[:1], known, r) for r in (0.3, 0.1, 0.7, 0.9)}
        if abs(received / wanted[rate] - 1) < 0.15:
            continue
        said = "Are there two dropouts, each after a ReLU?"
        if received < 0.02 * wanted[rate]:
            said = "Nothing is dropped at all."
        if abs(received / wanted[1 - rate] - 1) < 0.15:
            said = "The rate is the share that is dropped, not the share that is kept."
        elif rate == 0.1 and abs(received / wanted[0.3] - 1) < 0.15:
            said = "The argument rate has no effect."
        raise Failure(
            f"With rate={rate}, the outputs vary {received / wanted[rate]:.2f} times as "
            f"much in training as they should. {said}",
            "layers.Dropout(rate) after each of the two ReLUs, and nowhere else.",
        )


# %% check="network"
@check
def accuracy_is_measured_at_inference():
    """accuracy() is the share of right answers, in inference mode."""
    forbid(accuracy, "cnnlab")
    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.8), layers.Softmax()])
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x = 9 * np.tile(np.eye(4, dtype="float32"), (50, 1))
    y = np.tile([0, 1, 2, 0, 0, 1, 3, 3], 25)
    received = [float(accuracy(model, x, y)) for _ in range(2)]
    if received[0] != received[1] or abs(received[0] - 0.4) < 0.1:
        raise Failure(
            f"A network with dropout gets {received[0]:.3f}, then {received[1]:.3f}.",
            "In training mode units are dropped, and batch statistics are used. Nobody "
            "wants answers from such a network.",
            "model(x, training=False), or model.predict(x)",
        )
    hint = "The answer is the class of the largest probability, in each row."
    recognise(received[0], {"This is the share of errors.": (0.25, hint)})
    close(received[0], 0.75, "accuracy(model, x, y)", hint, ".argmax(axis=1)")


# %% probe="network" weight=3
def answers():
    model, x = regularised(), np.random.default_rng(seed).normal(size=(9, 196))
    outputs = respond(model, x.astype("float32"), seed)
    sizes = [int(np.prod(w.shape)) for w in model.weights if "seed" not in w.path]
    return np.concatenate([np.ravel(outputs), sorted(sizes)])


answers()

# %% probe="network" weight=2 rtol=0.15
image = np.random.default_rng(seed).normal(size=(1, 196)).astype("float32")
np.array([noise(regularised(rate=p), image, seed).mean() for p in (0.15, 0.4)])


# %% probe="network" weight=2 rtol=5e-5
def penalised(factor):
    model = regularised(l2=factor)
    model(np.zeros((1, 196), "float32"))
    with unchanged(model):
        fixed_weights(model, seed)
        return float(sum(model.losses))


np.array([penalised(0.003), penalised(0.05)])


# %% probe="network" weight=2 rtol=0.05
def first_weights():
    model = regularised()
    model(np.zeros((1, 196), "float32"))
    first = {tuple(w.shape): keras.ops.convert_to_numpy(w) for w in model.weights}
    return [first[196, 64].std(), first[64, 64].std(), np.abs(first[10,]).max()]


np.array(first_weights())


# %% probe="network" weight=2
def judged(rng):
    steps = [layers.BatchNormalization(), layers.Dropout(0.7)]
    model = keras.Sequential([keras.Input((6,)), *steps])
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    fixed_weights(model, seed)
    x = rng.normal(1, 2, (200, 6)).astype("float32")
    return [accuracy(model, x, labels) for labels in rng.integers(0, 6, (2, 200))]


np.array(judged(np.random.default_rng(seed)))

# %% [markdown]
# The plain network against the regularised one, with the same steps. To give them
# something that should *not* be learned, 30 % of the labels are thrown away, and dice
# decide. (Real labels have such errors too, if fewer.) The validation labels are left
# as they are. The loss shown is the cross-entropy, without the penalty.
#
# **Predict first.** Which has the lower loss in *training*? On *new* images? And what
# accuracy do you get when you evaluate with `training=True`?

# %%
prediction = "in training: ...; on new images: ...; training=True: ... %"


# %% tags=["not-graded"]
def plain():
    """The same units, and nothing against over-fitting."""
    hidden = [layers.Dense(64, "relu") for _ in range(2)]
    return keras.Sequential(
        [keras.Input((196,)), *hidden, layers.Dense(10, activation="softmax")]
    )


LABELS = y_train[:600].copy()
rng = np.random.default_rng(0)
wrong = rng.random(600) < 0.3
LABELS[wrong] = rng.integers(0, 10, wrong.sum())
EPOCHS, EAGER = train.budget(smoke=(1, True), cpu=(60, False), gpu=(60, False))
histories, found = {}, {}
for name, build in (
    ("plain", plain),
    ("regularised", lambda: regularised(rate=0.5)),
):
    train.seed(1)
    model = build()
    model.compile(
        keras.optimizers.Adam(0.003),
        loss="sparse_categorical_crossentropy",
        metrics=[
            "accuracy",
            keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy"),
        ],
        run_eagerly=EAGER,
    )
    histories[name] = train.fit(
        model,
        x_train[:600],
        LABELS,
        epochs=EPOCHS,
        batch_size=50,
        validation_data=(x_val, y_val),
        validation_batch_size=297,
    )
    found[name] = accuracy(model, x_val, y_val)
in_training = keras.ops.convert_to_numpy(model(x_val, training=True)).argmax(axis=1)

# %% tags=["not-graded"]
axes = plots.curves(
    histories,
    measures=("cross_entropy", "accuracy"),
    title=f"{mnist.name}, 600 images, 30 % of labels by dice: over-fitting, and its cure",
)
last = {name: run["val_cross_entropy"][-1] for name, run in histories.items()}
plots.show(
    axes,
    alt="Cross-entropy and accuracy against the epoch, plain and regularised. In training the "
    "plain network is better; on validation images its loss ends at "
    f"{last['plain']:.2f}, that of the regularised one at {last['regularised']:.2f}.",
)
print("You predicted:", prediction)
for name, run in histories.items():
    print(
        f"{name:12} cross-entropy {run['cross_entropy'][-1]:.2f} in training, "
        f"{run['val_cross_entropy'][-1]:.2f} in validation; validation accuracy "
        f"{found[name]:.1%}"
    )
print(f"regularised, evaluated with training=True: {np.mean(in_training == y_val):.1%}")

# %% [markdown]
# What to expect after 60 epochs (seed 1; another machine gives slightly other numbers):
#
# | data | | plain | regularised | the same, `training=True` |
# |---|---|---|---|---|
# | MNIST | validation accuracy | 70 % | 77 % | 62 % |
# | | cross-entropy | 1.34 | 0.81 | |
# | digits | validation accuracy | 67 % | 87 % | 73 % |
# | | cross-entropy | 1.22 | 0.62 | |
#
# The plain network learns the dice by heart; the regularised one learns far fewer of
# them. The dots mark the lowest validation loss: a plain network that is stopped there
# is not much worse than the regularised one. *Early stopping* is a cure too, if one has
# validation images to see the moment. The last column is a mistake that is easily made,
# and seldom noticed: the same good network, evaluated as if it were training.

# %% [markdown] question="curves" points=1
# Look at the curves of the regularised network. In *training* (dashed) it is far worse
# than the plain one, and for most epochs worse than itself on new images. Give two reasons, and say why
# that is no failure. Then: how would both curves look if it were regularised far too
# much?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point, two of: the numbers for training are computed with dropout on,
# with half of the units missing; with the statistics of a batch of 50, which are noisy;
# on labels of which 27 % are wrong, and it has not learned those by heart, whereas the
# validation labels are right. New images are what counts. Half a point: both curves stay
# high, and near each other (under-fitting), and more epochs do not help; the cure is a
# smaller rate or a smaller λ.
# ### END SOLUTION

# %% [markdown]
# ## Go further
#
# Not graded. Take what interests you:
#
# - **One at a time.** Take batch normalisation, dropout and L2 out of `regularised`,
#   one after the other, with three seeds each. Which of them does the work here?
# - **Early stopping.** Stop `plain` at its best epoch
#   (`keras.callbacks.EarlyStopping(restore_best_weights=True)`). How much of the cure
#   is that alone?
# - **A good start by measuring.** Draw any weights, send a batch through, divide each
#   kernel by the standard deviation of its $z$, layer by layer: "All you need is a good
#   init" (deck 003; Mishkin and Matas, 2015). Compare with He.
# - **Batch normalisation and bad starts.** Put `batch_norm` between the ten layers of
#   section 3 and start them at 0.01. What is left of the fading?
# - **The backward pass.** Derive the gradient of batch normalisation for $x$; $\mu$ and
#   $\sigma^2$ depend on it too. `ops.batch_normalization_backward` has the answer.
