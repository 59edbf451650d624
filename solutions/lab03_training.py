# ---
# jupyter:
#   cnnlab:
#     title: Training well
# ---

# %% [markdown]
# # Training well
#
# *Lab 3. About two hours; a laptop computes for less than a minute. 20 points.*
#
# At the end you can (1) choose an activation, and measure which units are saturated or
# dead; (2) start a network of any depth such that neither signal nor gradient fades;
# (3) judge a learning rate by its loss curve, and let it decay; (4) write penalties,
# dropout and batch normalisation; (5) make a network over-fit, and cure it.
#
# **Before you start.** New to Keras? Start with lab 1 and go on in order; lab 4 works
# on its own. This lab builds on the perceptrons of lab 2.
#
# **Slides:** deck 003, "Activation layer", "Kernel initializers", "Training"; deck 001,
# "Penalized empirical risk", "Stochastic Gradient Descent algorithm", "Dropout"; deck
# 000, "ReLU function", "BatchNorm"; deck 004, "Parameters random initialization".
#
# **How it works.** Write what is missing where it says `raise NotImplementedError`. Run
# the line below it: a tick means go on, a cross says what is wrong and gives a hint; run
# it again for the next hint.

# %%
from functools import partial

from cnnlab import data, ops, plots, train
from cnnlab.checks import lab03 as check

import keras
import numpy as np
from keras import layers

train.start()

# %% [markdown]
# The examples are handwritten digits, made small, 14×14 pixels, and few, so that every
# experiment takes seconds. Their pixels are standardised: mean 0, variance 1.

# %% tags=["not-graded"]
mnist = data.load("mnist")
images = np.concatenate([mnist.x_train[:1000], mnist.x_train[-297:]]) / 255
rows = ops.average_pool(images, 2).reshape(-1, 196)  # means of 2×2 pixels
rows = (rows - rows[:1000].mean()) / rows[:1000].std()  # of training images only
x_train, y_train = rows[:1000], mnist.y_train[:1000]
x_val, y_val = rows[1000:], mnist.y_train[-297:]

# %% [markdown]
# ## 1. Activations
#
# Backpropagation multiplies by $\phi'(z)$ at every layer: the **derivative** counts.
#
# | activation | $\phi(x)$ | range |
# |---|---|---|
# | sigmoid $\sigma$ | $1 / (1 + e^{-x})$ | $(0, 1)$ |
# | tanh | $(e^x - e^{-x}) / (e^x + e^{-x})$ | $(-1, 1)$ |
# | ReLU | $\max(0, x)$ | $[0, \infty)$ |
# | leaky ReLU | $x$ if $x > 0$, else $s\,x$; here $s = 0.01$ | $(-\infty, \infty)$ |
# | ELU | $x$ if $x > 0$, else $\alpha\,(e^x - 1)$ | $(-\alpha, \infty)$ |
# | swish | $x\,\sigma(x)$ | $[-0.279, \infty)$ |
#
# ### Exercise 1: activations and derivatives (2 points)


# %%
def sigmoid(x):
    return ops.sigmoid(x)  # without overflow, as in lab 2


def swish(x):
    return x * sigmoid(x)


def relu(x):
    return np.maximum(x, 0)


# %% exercise="activations" points=2 forbid=["cnnlab", "keras", "tensorflow", "jax", "np.gradient"]
# x, of any shape, is the *input* of the activation. Where x = 0 has no derivative,
# anything between both sides will do.


def sigmoid_prime(x):
    ### BEGIN SOLUTION
    return sigmoid(x) * (1 - sigmoid(x))
    ### END SOLUTION


def tanh_prime(x):
    ### BEGIN SOLUTION
    return 1 - np.tanh(x) ** 2
    ### END SOLUTION


def leaky_relu(x, negative_slope=0.01):
    """Leaky ReLU; with negative_slope=0 it is ReLU."""
    ### BEGIN SOLUTION
    return np.where(x > 0, x, negative_slope * x)
    ### END SOLUTION


def leaky_relu_prime(x, negative_slope=0.01):
    ### BEGIN SOLUTION
    return np.where(x > 0, 1.0, negative_slope)
    ### END SOLUTION


def elu(x, alpha=1.0):
    ### BEGIN SOLUTION
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    ### END SOLUTION


def elu_prime(x, alpha=1.0):
    ### BEGIN SOLUTION
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))
    ### END SOLUTION


def swish_prime(x):
    ### BEGIN SOLUTION
    return sigmoid(x) + x * sigmoid_prime(x)
    ### END SOLUTION


# %% check="activations"
check.activations(leaky_relu, elu)

# %% check="activations"
check.derivatives(sigmoid_prime, tanh_prime, leaky_relu_prime, elu_prime, swish_prime)

# %% probe="activations" says="leaky ReLU, ELU and their slopes" weight=2
rng = np.random.default_rng(seed)
x, (a, b) = -np.sort(-rng.uniform(-6, 6, (4, 50))), rng.uniform(0.05, 0.9, 2)
cases = ((leaky_relu, a), (leaky_relu_prime, a), (elu, b), (elu_prime, b))
[np.array([function(x), function(x, other)]) for function, other in cases]

# %% probe="activations" says="slopes of sigmoid, tanh and swish" weight=3
x = np.random.default_rng(seed).uniform(-6, 6, (4, 50))
[sigmoid_prime(x), tanh_prime(x), swish_prime(x)]

# %% tags=["not-graded"]
family = {
    "sigmoid": (sigmoid, sigmoid_prime),
    "tanh": (np.tanh, tanh_prime),
    "ReLU": (relu, partial(leaky_relu_prime, negative_slope=0)),
    "leaky ReLU": (leaky_relu, leaky_relu_prime),
    "ELU": (elu, elu_prime),
    "swish": (swish, swish_prime),
}
t = np.linspace(-5, 5, 201)
axes = plots.panels((2, 3), titles=list(family), sharex=True, sharey=True)
for ax, (phi, prime) in zip(axes.flat, family.values(), strict=True):
    both = {"$\\phi$": phi(t), "$\\phi\\,'$": prime(t)}
    plots.lines(t, both, xlabel="$x$", ylabel="value", ax=ax)
axes[0, 0].set_ylim(-1.3, 3)
plots.show(axes)

# %% [markdown]
# ## 2. Saturated and dead units
#
# Where $\phi'(z)$ is almost 0, the gradient ends: the unit is **saturated** there. A ReLU
# unit with $z \le 0$ for *every* example never learns again: it is **dead**.
#
# ### Exercise 2: `saturated` and `dead_units` (1 point)


# %% exercise="saturation" points=1 forbid=["cnnlab", "keras", "tensorflow"]
def saturated(slopes, limit=0.01):
    """The share, 0 to 1, of derivatives (any shape) smaller than `limit` in size."""
    ### BEGIN SOLUTION
    return np.mean(np.abs(slopes) < limit)
    ### END SOLUTION


def dead_units(z):
    """Which ReLU units are always 0: booleans (units,). z: (n, [height, width,] units)."""
    ### BEGIN SOLUTION
    return np.all(z <= 0, axis=tuple(range(z.ndim - 1)))
    ### END SOLUTION


# %% check="saturation"
check.saturation(saturated, dead_units)

# %% probe="saturation" says="the share of saturated units"
slopes = np.random.default_rng(seed).normal(size=(40, 30))
slopes.flags.writeable = False
np.array([saturated(slopes), saturated(slopes, 0.4), saturated(slopes[0], 0.7)])

# %% probe="saturation" says="the share of dead units" compare="equal"
rng = np.random.default_rng(seed)
dense, maps = rng.integers(-9, 2, (9, 60)), rng.integers(-9, 2, (2, 2, 2, 60))
np.array([dead_units(dense.astype(float)), dead_units(maps.astype(float))])

# %% [markdown]
# **Predict first.** 200 units look at the digits, with random weights that give their
# $z$ a standard deviation of 3. Which share of the derivatives is below 0.01?

# %% prediction="saturation"
saturation = ""  # sigmoid: ... %, tanh: ... %, ReLU: ... %

# %% tags=["not-graded"]
z = x_train @ np.random.default_rng(0).normal(size=(196, 200))
z = (z - z.mean(axis=0)) / z.std(axis=0)
scales, shifts = np.geomspace(0.3, 30, 15), np.linspace(-4, 1, 21)
shares = {name: [saturated(f[1](s * z)) for s in scales] for name, f in family.items()}
dead = {"dead units": [np.mean(dead_units(z + b)) for b in shifts]}
dead |= {"zero outputs": [np.mean(z + b <= 0) for b in shifts]}
left, right = axes = plots.panels(2, title=f"{mnist.name}: 200 units", size=(11, 3.4))
look = {"xlabel": "standard deviation of $z$", "ylabel": "derivatives below 0.01"}
plots.lines(scales, shares, **look, log="x", ax=left)
plots.lines(shifts, dead, xlabel="bias of ReLU units", ylabel="share", ax=right)
plots.show(axes)
print("You predicted:", saturation or "nothing yet")
print({name: f"{saturated(prime(3 * z)):.0%}" for name, (_, prime) in family.items()})

# %% [markdown]
# Half of ReLU's derivatives are zero at any size of $z$, and that does no harm as long
# as each unit is alive for *some* examples.
#
# ## 3. The first weights
#
# `ops.mlp_train` is lab 2's gradient descent, for a list with (kernel, bias) of each
# layer. **Predict first.** Eight tanh units, 300 steps, three starts: all weights 0, all
# 0.05, random. What will the eight units look for?

# %% prediction="starts"
kinds = ""  # from zeros: ...; from 0.05: ...; from random weights: ...

# %% tags=["not-graded"]
rng, drawn = np.random.default_rng(0), []
for draw in (np.zeros, partial(np.full, fill_value=0.05), partial(rng.normal, 0, 0.05)):
    begin = [(draw((196, 8)), np.zeros(8)), (draw((8, 10)), np.zeros(10))]
    end, losses = ops.mlp_train(x_train, y_train, begin, [0.2] * 300, *family["tanh"])
    drawn.append(end[0][0].reshape(14, 14, 1, 8))
    print(f"loss at the end: {np.mean(losses[-20:]):.2f}")
names = [f"{n}, unit {k}" for n in ("zeros", "0.05", "random") for k in range(1, 9)]
title = f"{mnist.name}: the weights of eight units, from three starts"
plots.show(plots.filters(np.concatenate(drawn, axis=-1), names, title=title))
print("You predicted:", kinds or "nothing yet")

# %% [markdown] question="symmetry" title="Equal starts" points=1
# Why do the units of a layer stay equal when its weights start equal, however long one
# trains? Why does the start at zero learn even less than that at 0.05? And why may the
# *biases* all start at zero?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: equal incoming and outgoing weights give all units of the
# layer the same output and gradient, so each step changes them in the same way. Half a
# point for the others: from zero only the output's biases learn, since the next layer's
# weights are 0 and tanh(0) = 0; random kernels already make the units different.
# ### END SOLUTION

# %% [markdown]
# ### Random, but how large?
#
# A unit adds up $z = \sum_i w_i x_i$ over its **fan-in** $n$. With independent weights
# of mean 0, $\operatorname{Var}(z) = n \operatorname{Var}(w) \operatorname{E}(x^2)$: each
# layer multiplies the signal by $n \operatorname{Var}(w)$, ten layers by the tenth power
# of that. On its way back the gradient adds up over the **fan-out** $m$.
#
# | scheme | $\operatorname{Var}(w)$ | made for |
# |---|---|---|
# | LeCun (1998) | $1 / n$ | linear units: $\operatorname{Var}(z)$ stays |
# | Glorot (2010) | $2 / (n + m)$ | tanh; a compromise between both ways |
# | He (2015) | $2 / n$ | ReLU, which cuts half of $\operatorname{E}(z^2)$ off |
#
# In a dense layer $n$ and $m$ are the inputs and the units. A unit of a convolution adds
# up more: for a kernel $(k, k, c, c')$ it is $n = k^2 c$, and $m = k^2 c'$.
#
# ### Exercise 3: `initial_std`, `start` and `variances` (4 points)


# %% exercise="initialisation" points=4 forbid=["cnnlab", "keras", "tensorflow"]
def initial_std(shape, scheme):
    """The standard deviation of the first weights of a kernel, a number.

    shape: (inputs, outputs), or (height, width, inputs, outputs) of a convolution.
    scheme: "lecun", "glorot" or "he".
    """
    ### BEGIN SOLUTION
    *size, inputs, outputs = shape
    n, m = np.prod(size) * inputs, np.prod(size) * outputs
    variance = {"lecun": 1 / n, "glorot": 2 / (n + m), "he": 2 / n}
    return np.sqrt(variance[scheme])
    ### END SOLUTION


def start(sizes, scheme, rng):
    """A list, (kernel (inputs, units), bias) of each layer; sizes (196, 64, 10): two.

    Draw from rng, normal or uniform as you like, with mean 0. Biases are 0.
    """
    ### BEGIN SOLUTION
    shapes = zip(sizes[:-1], sizes[1:], strict=True)
    return [
        (rng.normal(0, initial_std(shape, scheme), shape), np.zeros(shape[1]))
        for shape in shapes
    ]
    ### END SOLUTION


def variances(x, weights, phi):
    """Var(z) over all examples and units, before the activation phi, of each layer."""
    ### BEGIN SOLUTION
    found = []
    for kernel, bias in weights:
        z = x @ kernel + bias
        found.append(z.var())
        x = phi(z)
    return np.array(found)
    ### END SOLUTION


# %% check="initialisation"
check.initialisation(initial_std, start, variances)

# %% probe="initialisation" says="the standard deviation by fan-in and fan-out" weight=2
draw, schemes = np.random.default_rng(seed).integers, ("lecun", "glorot", "he")
shapes = map(tuple, draw(2, 400, (6, 2)).tolist() + draw(2, 30, (6, 4)).tolist())
np.array([initial_std(shape, name) for shape in shapes for name in schemes])


# %% probe="initialisation" says="drawn kernels and biases" weight=1 essential=["spread"] rtol=0.04 atol=0.005
from cnnlab.teaching.draws import of_weights

of_weights(start, seed)

# %% probe="initialisation" says="variances through the layers" weight=1
rng = np.random.default_rng(seed)
sizes = rng.integers(3, 20, 6)
pairs = zip(sizes[:-1], sizes[1:], strict=True)
weights = [(rng.normal(0, 0.7, p), rng.normal(0.3, 0.5, p[1])) for p in pairs]
inputs = rng.normal(size=(20, sizes[0]))
np.concatenate([variances(inputs, weights, phi) for phi in (np.tanh, np.abs)])

# %% [markdown]
# Ten layers of 256 units; for these LeCun and Glorot are the same. **Predict first.**
# ReLU, and weights of standard deviation 0.05, the default of Keras'
# `RandomNormal`: by which factor does each layer multiply the variance, and nine of them?

# %% prediction="fading"
fading = ""  # 256 × 0.05² / 2 = ? in one layer; in nine?

# %% tags=["not-graded"]
WIDTHS = (196, *[256] * 10, 10)
shapes = list(zip(WIDTHS[:-1], WIDTHS[1:], strict=True))
starts = {name: start(WIDTHS, name, rng) for name in ("lecun", "he")}
for std in (0.01, 0.05, 1):
    starts[f"all {std}"] = [(rng.normal(0, std, s), np.zeros(s[1])) for s in shapes]
both = ("tanh", "ReLU")
titles = [f"{mnist.name}, {f}: {way}" for way in ("signal", "gradient") for f in both]
axes = plots.panels((2, 2), titles=titles, size=(11, 5.6), sharex=True, sharey="row")
few, look = (x_train[:100], y_train[:100]), {"xlabel": "layer", "log": "y"}
for (ahead, back), name in zip(axes.T, both, strict=True):
    signal, slope = {}, {}
    for key, weights in starts.items():
        signal[key] = variances(few[0], weights, family[name][0])[:10]
        deltas = ops.mlp_gradients(*few, weights, *family[name])[2][:10]
        slope[key] = [max(np.mean((100 * d) ** 2), 1e-30) for d in deltas]
    plots.lines(range(1, 11), signal, ylabel="Var($z$)", **look, ax=ahead)
    plots.lines(range(1, 11), slope, ylabel="mean of (dL/d$z$)²", **look, ax=back)
    ahead.set_ylim(1e-8, 1e8)
    back.set_ylim(1e-8, 1e8)
plots.show(axes)
print("You predicted:", fading or "nothing yet")
for key, v in signal.items():
    nine = v[9] / v[0]
    print(f"ReLU, {key:8} one layer {nine ** (1 / 9):.2g}, nine layers {nine:.1g}")

# %% [markdown]
# 0.01 and 1 leave the picture soon. 0.05 keeps about a third in each layer (the formula
# says $256 \cdot 0.05^2 / 2 = 0.32$), so nine leave less than a ten-thousandth. LeCun's
# start loses one half at each ReLU; He's stays level, and so does its gradient. With
# tanh and a standard deviation of 1 the *signal* looks healthy, since tanh cannot leave
# $(-1, 1)$: it is saturated, and the gradient explodes on its way back.
#
# ## 4. The learning rate
#
# $\theta^{(r+1)} = \theta^{(r)} - \varepsilon_r \tilde\nabla_\theta$: how large should
# $\varepsilon$ be? Three layers, He's start, ReLU. Can a rate do *lasting* harm?

# %% tags=["not-graded"]
STEPS = train.budget(smoke=100, cpu=600, gpu=600)
he, smooth, dead = start((196, 64, 64, 10), "he", np.random.default_rng(0)), {}, {}
for rate in (0.001, 0.05, 0.3, 1):
    rates = [rate] * STEPS
    with np.errstate(all="ignore"):
        end, losses = ops.mlp_train(x_train, y_train, he, rates, *family["ReLU"])
    smooth[f"rate {rate}"] = np.convolve(losses, np.ones(20) / 20, "valid")
    dead[f"{rate}"] = np.mean([dead_units(z) for z in ops.mlp(x_train, end, relu)[:-1]])
    right = np.mean(ops.mlp(x_val, end, relu)[-1].argmax(axis=1) == y_val)
    print(f"rate {rate:5}: validation accuracy {right:.0%}")
left, right = axes = plots.panels(2, title=f"{mnist.name}: four learning rates")
look = {"xlabel": "step", "ylabel": "loss", "levels": {"guessing, ln 10": np.log(10)}}
plots.lines(range(20, STEPS + 1), smooth, **look, log="y", ax=left)
look = {"xlabel": "learning rate", "ylabel": "dead units", "format": "{:.0%}"}
plots.bars(dead, **look, ax=right)
plots.show(axes)

# %% [markdown]
# After 600 steps 0.001 is on its way and 0.05 is done, at about 90 %. 0.3 is the best on
# MNIST, 92 %; on the stand-in it kills 39 to 58 % of the units and ends at 63 to 88 %
# (three seeds): the border is near. With 1, 70 to 99 % are dead. The loss then rests near
# $\ln 10 = 2.30$, as if nothing were wrong, and a smaller rate comes too late.
#
# ### A rate that decays
#
# Near the minimum the gradient of a batch is mostly noise, and a constant rate jumps
# about for ever. So $\varepsilon_r \to 0$ with $\sum_r \varepsilon_r^2 < \infty$, to let
# the noise die out, but $\sum_r \varepsilon_r = \infty$, to get *anywhere*: $1/r$ does it.
# Since that halves after a single step, one often waits for $k$ steps:
#
# $$\varepsilon_r = \varepsilon_1 \, \frac{k}{k + r - 1}, \qquad r = 1, 2, 3, \dots$$
#
# ### Exercise 4: `InverseDecay` (2 points)
#
# Keras asks an object for the learning rate of each step. Mind that the formula counts
# steps from 1, and Keras from 0.


# %% exercise="schedule" points=2 forbid=["cnnlab.ops", "keras.optimizers.schedules.InverseTimeDecay", "keras.optimizers.schedules.PolynomialDecay"]
class InverseDecay(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate initial * k / (k + r - 1) at step r = 1, 2, 3, ..."""

    def __init__(self, initial, k=1):
        self.initial, self.k = initial, k

    def __call__(self, step):
        """The rate, when `step` = 0, 1, 2, ... steps are done, a tensor (of a graph)."""
        step = keras.ops.cast(step, "float32")  # some backends mix no integers in
        ### BEGIN SOLUTION
        return self.initial * self.k / (self.k + step)
        ### END SOLUTION


# %% check="schedule"
check.schedule(InverseDecay)

# %% probe="schedule"
from cnnlab.teaching.training import way_in_training

rng = np.random.default_rng(seed)


def rates(k):
    schedule, done = InverseDecay(float(rng.uniform(0.1, 2)), k), rng.integers(0, 99, 6)
    steps = (keras.ops.convert_to_tensor(int(n), "int32") for n in (0, *done))
    return np.array([float(schedule(step)) for step in steps])


{
    "k = 1": [attempt(rates, 1) for _ in range(2)],
    "other k": [attempt(rates, k) for k in (3, 10, 50)],
    "steps of a training": attempt(lambda: way_in_training(InverseDecay(0.7, 3))),
}

# %% [markdown]
# The smallest example: minimise $\theta^2 / 2$ from $\theta = 3$, when each gradient
# $\theta$ comes with noise of standard deviation 1; 300 runs side by side.

# %% tags=["not-graded"]
r = np.arange(1, 2001)
schedules = {"constant 0.5": 0.5 + 0 * r, "constant 0.05": 0.05 + 0 * r}
inverse = InverseDecay(initial=1.0, k=1)(keras.ops.arange(2000))
schedules |= {"$1/r$": keras.ops.convert_to_numpy(inverse), "$0.5/r^2$": 0.5 / r**2}
theta, squares = np.full((4, 300), 3.0), []
for rates in zip(*schedules.values(), strict=True):
    theta = theta - np.transpose([rates]) * (theta + rng.normal(size=300))
    squares.append(np.mean(theta**2, axis=1))
look = {"xlabel": "step $r$", "ylabel": "mean of $\\theta^2$", "log": "xy"}
squares = dict(zip(schedules, np.transpose(squares), strict=True))
plots.show(plots.lines(r, squares, **look, title="Distance² from the minimum"))

# %% [markdown]
# A constant rate ends where noise and pull balance, the lower the smaller the rate. $1/r$
# ends at the $1/2000$ of a mean of 2,000 measurements; $0.5/r^2$ may walk a distance of
# only $0.5\,\pi^2/6 \approx 0.8$ times the gradient. In deep networks the minimum moves
# far at the beginning: one takes a large $k$, or lowers the rate in steps.
#
# ## 5. Over-fitting, made
#
# A large network can learn *anything* by heart. Here are 100 digits for 196-128-10, with
# 26,506 parameters; then the same with labels drawn by dice (Zhang et al., 2017).
# **Predict first.** Which accuracy will it reach on the 100 images with diced labels?

# %% prediction="by_heart"
learned = ""  # training accuracy with diced labels: ... %


# %% tags=["not-graded"]
def follow(weights, y, penalty_gradients=None):
    """Train on 100 images in rounds of 20 steps: the weights, and a history."""
    history = {name: [] for name in ("loss", "val_loss", "accuracy", "val_accuracy")}
    few, rates, relus = x_train[:100], [0.1] * 20, family["ReLU"]
    for _ in range(ROUNDS):
        weights, _ = ops.mlp_train(few, y, weights, rates, *relus, penalty_gradients)
        for kind, x, labels in (("", few, y), ("val_", x_val, y_val)):
            right = ops.mlp(x, weights, relu)[-1].argmax(axis=1) == labels
            history[f"{kind}accuracy"].append(np.mean(right))
            loss, _, _ = ops.mlp_gradients(x, labels, weights, *relus)
            history[f"{kind}loss"].append(loss)
    return weights, history


ROUNDS = train.budget(smoke=8, cpu=60, gpu=60)
he = start((196, 128, 10), "he", np.random.default_rng(0))
diced = np.random.default_rng(0).integers(0, 10, 100)
by_heart, sense = follow(he, y_train[:100])
runs = {"true labels": sense, "diced labels": follow(he, diced)[1]}
plots.show(plots.curves(runs, title=f"{mnist.name}: 100 images, epochs of 20 steps"))
print("You predicted:", learned or "nothing yet")
for name, run in runs.items():
    print(name, {measure: f"{values[-1]:.2f}" for measure, values in run.items()})

# %% [markdown]
# A training accuracy says nothing about what was understood: with diced labels it is
# the same. With true labels accuracy hardly suffers, but the validation loss is lowest
# early (the dot) and creeps up, while the training loss goes to 0: **over-fitting**.
#
# ## 6. Penalties
#
# Large weights cost something:
#
# $$L = \frac{1}{n} \sum_i \ell_i + \lambda_1 \sum_k \sum_{ij} |W^{(k)}_{ij}|
# + \lambda_2 \sum_k \sum_{ij} \bigl(W^{(k)}_{ij}\bigr)^2$$
#
# Biases are not penalised: they cannot make a function wiggle. Keras' `L2(λ)` adds just
# this; texts that write $\frac{\lambda}{2} \sum W^2$ mean half as much by the same $\lambda$.
#
# ### Exercise 5: `penalty` and `penalty_gradients` (2 points)


# %% exercise="penalties" points=2 forbid=["cnnlab", "keras", "tensorflow", "np.linalg"]
def penalty(weights, l1=0.0, l2=0.0):
    """What the penalties add to the loss; `weights` as start() gives them."""
    ### BEGIN SOLUTION
    return sum(l1 * np.abs(W).sum() + l2 * (W**2).sum() for W, _ in weights)
    ### END SOLUTION


def penalty_gradients(weights, l1=0.0, l2=0.0):
    """What they add to the gradients: a list of (kernel's, bias's) arrays."""
    ### BEGIN SOLUTION
    return [(l1 * np.sign(W) + 2 * l2 * W, np.zeros_like(b)) for W, b in weights]
    ### END SOLUTION


# %% check="penalties"
check.penalties(penalty, penalty_gradients)

# %% probe="penalties" says="the penalty"
rng = np.random.default_rng(seed)
nine = [(rng.normal(size=(5, 4)), rng.normal(size=4)) for _ in range(9)]
cases = ((0, 0.3, 0), (3, 0, 0.2), (6, 0.1, 0.02))
np.array([penalty(nine[i : i + 3], l1=a, l2=b) for i, a, b in cases])

# %% probe="penalties" says="its gradients"
rng = np.random.default_rng(seed)
weights = [(rng.normal(size=(5, 4)), rng.normal(size=4)) for _ in range(3)]
cases = ((0.3, 0), (0, 0.2), (0.1, 0.02))
found = [penalty_gradients(weights, l1=a, l2=b) for a, b in cases]
found.append(weights)  # which stay as they are
np.concatenate([np.ravel(part) for run in found for pair in run for part in pair])

# %% tags=["not-graded"]
ends = {"none": (by_heart, sense)}
for name, factors in {"L2, 0.01": {"l2": 0.01}, "L1, 0.001": {"l1": 0.001}}.items():
    ends[name] = follow(he, y_train[:100], partial(penalty_gradients, **factors))
losses = {name: run["val_loss"] for name, (_, run) in ends.items()}
sizes = {name: np.abs(weights[0][0]) for name, (weights, _) in ends.items()}
left, right = axes = plots.panels(2, title=f"{mnist.name}, 100 images: two penalties")
look = {"xlabel": "epoch", "ylabel": "validation loss"}
plots.lines(range(1, ROUNDS + 1), losses, **look, ax=left)
look = {"xlabel": "$|W|$ of the first layer", "ylabel": "weights", "log": True}
plots.histograms(sizes, bins=np.geomspace(1e-5, 1, 60), **look, ax=right)
plots.show(axes)
print("|W| < 0.001:", {name: f"{np.mean(v < 1e-3):.0%}" for name, v in sizes.items()})

# %% [markdown]
# L2 pulls a weight towards 0 in proportion to it, L1 always equally hard. With either the
# validation loss ends 0.1 to 0.2 lower. L2 makes weights smaller, but hardly any of them
# 0. L1 brings three of four below 0.001, where they flicker, since each step of 0.1 ·
# 0.001 overshoots: it chooses pixels.
#
# ## 7. Dropout
#
# At each training step each *unit* is set to 0 with probability $p$, independently, so
# that none can rely on another. At inference all are there, and the next layer would get
# more than it is used to. Hinton et al. (2012) scale the weights down by $1 - p$ then.
# Keras and everybody else do **inverted dropout**: the units that are kept are scaled
# *up* by $1 / (1 - p)$ in training, and inference does nothing at all.
#
# ### Exercise 6: `dropout` (2 points)


# %% exercise="dropout" points=2 forbid=["cnnlab", "keras", "tensorflow", "jax"]
def dropout(x, rate, training, rng):
    """Inverted dropout of x, an array of any shape, which stays as it is.

    rate: the probability with which each unit is *dropped*, 0 <= rate < 1.
    training: True, or False for inference. rng: what to draw a new mask from.
    """
    ### BEGIN SOLUTION
    if not training:
        return x
    kept = rng.random(x.shape) >= rate
    return x * kept / (1 - rate)
    ### END SOLUTION


# %% check="dropout"
check.dropout(dropout)


# %% probe="dropout" says="in training: what is dropped, and scaled" rtol=0.12 atol=0.02
from cnnlab.teaching.draws import of_dropout

np.array([of_dropout(dropout, rate, seed) for rate in (0.3, 0.5, 0.75)], float)

# %% probe="dropout" says="in inference: nothing"
rng = np.random.default_rng(seed)
x = rng.normal(size=(6, 3, 3, 4))
np.array([dropout(x, rate, False, rng) for rate in (0.0, 0.3, 0.9)]) - x + x.mean()

# %% tags=["not-graded"]
units = relu(ops.mlp(x_val[:1], by_heart, relu)[0])
towards = by_heart[1][0][:, y_val[0]]
inverted = dropout(np.repeat(units, 5000, axis=0), 0.5, True, rng) @ towards
inference = {"inference": (units @ towards).item()}
sums = {"inverted dropout": inverted, "dropped, not scaled": 0.5 * inverted}
look = {"xlabel": "sum", "ylabel": "masks", "marks": inference}
title = f"{mnist.name}: what one output unit gets from 128 units, 5,000 masks"
plots.show(plots.histograms(sums, bins=60, **look, title=title))

# %% [markdown]
# ## 8. Batch normalisation
#
# For maps $(N, H, W, C)$, in **training**, with mean $\mu_c$ and variance $\sigma_c^2$
# of the batch, one for each channel, over $N$, $H$ and $W$ (Ioffe and Szegedy, 2015):
#
# $$y = \gamma_c \, \frac{x - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + \beta_c, \quad
# m_c \leftarrow \alpha\, m_c + (1 - \alpha)\, \mu_c, \quad
# v_c \leftarrow \alpha\, v_c + (1 - \alpha)\, \sigma_c^2.$$
#
# $\gamma_c$ and $\beta_c$ are learned, $\alpha$ is the momentum. In **inference** an image
# must not depend on its neighbours in the batch: the moving averages $m_c$, $v_c$ stand in
# for $\mu_c$, $\sigma_c^2$, and do not move.
#
# ### Exercise 7: `batch_norm` and `batch_norm_params` (3 points)


# %% exercise="batch_norm" points=3 forbid=["cnnlab", "keras", "tensorflow", "jax"]
def batch_norm(x, gamma, beta, mean, variance, training, momentum=0.99, epsilon=1e-3):
    """y, like x: (N, C) or (N, H, W, C); moving mean and variance, new arrays (C,)."""
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
    """How many numbers the layer keeps, and how many of them gradient descent trains."""
    ### BEGIN SOLUTION
    return 4 * channels, 2 * channels
    ### END SOLUTION


# %% check="batch_norm"
check.batch_norm(batch_norm, batch_norm_params)

# %% probe="batch_norm" says="in training" weight=5 essential=["y in training"]
shapes = ((4, 3, 5, 6), (9, 7), (2, 6, 2, 3))
draws = [np.random.default_rng(seed).uniform(0.5, 3, (4, s[-1])) for s in shapes]
maps = [np.random.default_rng(seed).normal(2, 3, s) for s in shapes]
cases = [*zip(maps, draws, (0.99, 0.8, 0.5), strict=True)]


def part(which, x, draw, momentum):
    return batch_norm(x, *draw, True, momentum)[which]


{
    "y in training": [attempt(part, 0, *case) for case in cases],
    "moving mean": [attempt(part, 1, *case) for case in cases] + draws,  # as they were
    "moving variance": [attempt(part, 2, *case) for case in cases],
}

# %% probe="batch_norm" says="in inference" weight=3 essential=["y in inference"]
shapes = ((1, 3, 5, 6), (9, 7))
draws = [np.random.default_rng(seed).uniform(0.5, 3, (4, s[-1])) for s in shapes]
maps = [np.random.default_rng(seed).normal(2, 3, s) for s in shapes]
cases = [*zip(maps, draws, (0.001, 0.1), strict=True)]


def inferred(which, x, draw, epsilon):
    return batch_norm(x, *draw, False, epsilon=epsilon)[which]


{
    "y in inference": [attempt(inferred, 0, *case) for case in cases],
    "moving mean, kept": [attempt(inferred, 1, *case) for case in cases],
    "moving variance, kept": [attempt(inferred, 2, *case) for case in cases],
}

# %% probe="batch_norm" says="the number of parameters" weight=1 compare="equal"
channels = np.random.default_rng(seed).integers(1, 600, 9)
np.array([batch_norm_params(int(c)) for c in channels])

# %% [markdown]
# **Predict first.** The moving mean starts at 0. With momentum 0.99, how many steps
# until it is within 1 % of the true one?

# %% prediction="moving"
steps_needed = ""  # ... steps

# %% tags=["not-graded"]
maps = rng.normal(size=(16, 4, 4, 8)) * np.arange(1, 9) + np.arange(8)
one, zero = np.ones(8), np.zeros(8)
y, _, _ = batch_norm(maps, one, zero, zero, one, True)
keras_says = layers.BatchNormalization()(maps, training=True)
print(f"You and Keras differ by {np.abs(y - keras_says).max():.0e} at most.")
batches, paths = rng.normal(3, 1, (700, 32, 1)), {}
for momentum in (0.99, 0.9):
    moving, path = (np.zeros(1), np.ones(1)), []
    for batch in batches:
        _, *moving = batch_norm(batch, one[:1], zero[:1], *moving, True, momentum)
        path.append(np.squeeze(moving[0]).item())
    paths[f"momentum {momentum}"] = path
look = {"xlabel": "step", "ylabel": "moving mean", "levels": {"true mean": 3}}
plots.show(plots.lines(range(1, 701), paths, **look, title="Moving averages"))
print("You predicted:", steps_needed or "nothing yet")

# %% [markdown]
# $0.99^n < 0.01$ from $n = 459$ on. Who trains for 100 steps and then evaluates gets bad
# answers from a good network. Take more steps, or a smaller momentum; evaluating with
# `training=True` hides it, and is wrong.
#
# ## 9. Over-fitting, cured
#
# Now all together in Keras. For images of 196 pixels:
#
# | layer | units | kernel starts | L2 | bias |
# |---|---|---|---|---|
# | dense; then batch normalisation, ReLU, dropout | 64 | He | yes | no |
# | dense; then batch normalisation, ReLU, dropout | 64 | He | yes | no |
# | dense, softmax | 10 | any | yes | starts at 0, not penalised |
#
# A bias before batch normalisation is pointless: subtracting the mean removes it. Nothing
# follows the softmax: normalised probabilities are none.
#
# ### Exercise 8: `regularised` and `accuracy` (2 points)


# %% exercise="network" points=2 forbid=["cnnlab"]
def regularised(rate=0.3, l2=0.001):
    """The network of the table, not compiled; `rate` is that of both dropouts."""
    ### BEGIN SOLUTION
    l2 = keras.regularizers.L2(l2)
    model = keras.Sequential([keras.Input((196,))])
    for _ in range(2):
        make = {"kernel_initializer": "he_normal", "kernel_regularizer": l2}
        model.add(layers.Dense(64, use_bias=False, **make))
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


# %% check="network"
check.network(regularised, accuracy)

# %% probe="network" says="the network: its outputs and sizes" weight=3
from cnnlab.teaching.probes import of_builder, respond

x = np.random.default_rng(seed).normal(size=(9, 196)).astype("float32")
of_builder(regularised, x) | {"answers": respond(regularised(), x, seed)}

# %% probe="network" says="dropout at its rate" weight=3 rtol=0.15
from cnnlab.teaching.probes import noise

image = np.random.default_rng(seed).normal(size=(1, 196)).astype("float32")
np.array([noise(regularised(rate=p), image, seed) for p in (0.15, 0.4)])

# %% probe="network" says="the L2 penalty" weight=3 rtol=5e-5
from cnnlab.teaching.probes import fixed_weights

models = [regularised(l2=factor) for factor in (0.003, 0.05)]
for model in models:
    model(np.zeros((1, 196), "float32"))
    fixed_weights(model, seed)
np.array([float(sum(model.losses)) for model in models])

# %% probe="network" says="how the weights begin" weight=1
model = regularised()
model(np.zeros((1, 196), "float32"))
begin = {tuple(w.shape): keras.ops.convert_to_numpy(w) for w in model.weights}
sizes = [begin[n, 64].std() / np.sqrt(2 / n) for n in (196, 64)]  # known to 1.1 %
np.array([*(0.93 < size < 1.07 for size in sizes), np.abs(begin[10,]).max()])

# %% probe="network" says="the accuracy, nothing trained on the way" weight=2
from cnnlab.teaching.probes import fixed_weights

rng = np.random.default_rng(seed)
steps = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.7)]
model = keras.Sequential([keras.Input((6,)), *steps])
model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
fixed_weights(model, seed)
x = rng.normal(1, 2, (200, 6)).astype("float32")
shares = [accuracy(model, x, labels) for labels in rng.integers(0, 6, (2, 200))]
np.array([*shares, *np.ravel(steps[0].get_weights())])  # it trains nothing

# %% [markdown]
# The plain network against the regularised one. To give them something that should *not*
# be learned, dice decide 30 % of the training labels. **Predict first.** Which has the
# lower cross-entropy in *training*? On *new* images? Which accuracy with `training=True`?

# %% prediction="cured"
cured = ""  # in training: ...; on new images: ...; training=True: ... %


# %% tags=["not-graded"]
rng, histories = np.random.default_rng(0), {}
by_dice = rng.random(600) < 0.3
labels = np.where(by_dice, rng.integers(0, 10, 600), y_train[:600])
train.seed(1)
hidden = [layers.Dense(64, "relu"), layers.Dense(64, "relu")]
plain = keras.Sequential([keras.Input((196,)), *hidden, layers.Dense(10, "softmax")])
options = {"epochs": train.budget(smoke=1, cpu=60, gpu=60), "batch_size": 50}
options |= {"validation_data": (x_val, y_val), "validation_batch_size": 297}
for name, model in {"plain": plain, "regularised": regularised(rate=0.5)}.items():
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")
    loss, measures = "sparse_categorical_crossentropy", ["accuracy", cross_entropy]
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=measures)
    histories[name] = train.fit(model, x_train[:600], labels, **options)
    in_training = keras.ops.argmax(model(x_val, training=True), axis=1) == y_val
    print(name, f"{accuracy(model, x_val, y_val):.0%} of new images right;", end=" ")
    print(f"with training=True {np.mean(in_training):.0%}")
title = f"{mnist.name}, 600 images, 30 % of labels by dice"
plots.show(plots.curves(histories, measures=("cross_entropy", "accuracy"), title=title))
print("You predicted:", cured or "nothing yet")

# %% [markdown]
# After 60 epochs, three seeds: the plain network gets 66 to 76 % of the new images right,
# with a cross-entropy of 0.9 to 1.5; the regularised one 79 to 87 %, and 0.65 to 0.8.
# Stopped at its dot, the plain one is not much worse: *early stopping* is a cure too. With
# `training=True` the good network gets 58 to 73 %: easily done, and seldom noticed.

# %% [markdown] question="curves" title="Worse in training" points=1
# Look at the curves of the regularised network. In *training* (dashed) it is far worse
# than the plain one, and for most epochs worse than itself on new images. Give two
# reasons, and say why that is no failure. Then: how would both curves look if it were
# regularised far too much?
#
# ### BEGIN SOLUTION
# *1 point.* Half a point, two of: training is measured with dropout on; with the noisy
# statistics of a batch of 50; on labels of which 27 % are wrong, and not learned by heart
# (validation labels are right). New images are what counts. Half a point: both curves stay
# high, and near each other (under-fitting); the cure is a smaller rate or a smaller λ.
# ### END SOLUTION

# %% [markdown]
# ## Go further
#
# Not graded. Take batch normalisation, dropout or L2 out of `regularised`: what is lost?
#
# <details><summary>What the slides say differently</summary>
#
# - Deck 003: the range of tanh is $(-1, 1)$, not $[0, 1]$; fan-in is the number of input
#   *channels* in dense layers only; `K.random_normal` has a standard deviation of 1 and
#   is gone from Keras 3. The slope of leaky ReLU: 0.01; deck 000 has 0.1, Keras 0.3.
# - Deck 004: equal weights give the same function for all *units of a layer*, not "at
#   every layer". `np.random.randn((2,2)) * 0.01` raises a TypeError, and is too small.
# - Deck 001 drops weights in its last line on dropout: that is DropConnect. Deck 000
#   scales at inference: the original dropout. It leaves out $\gamma$ and $\beta$ of batch
#   normalisation, whose result does not lie between 0 and 1.
#
# </details>
