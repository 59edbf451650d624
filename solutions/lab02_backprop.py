# ---
# jupyter:
#   cnnlab:
#     title: Neurons and backpropagation
# ---

# %% [markdown]
# # Neurons and backpropagation
#
# *Lab 2. About two hours, of which a laptop computes for half a minute. 20 points.*
#
# At the end you can
#
# 1. say what a neuron computes, and what one of them can never learn;
# 2. write a multilayer perceptron in NumPy, with a softmax that no number overflows;
# 3. derive backpropagation, for a regression and for a classification;
# 4. prove a gradient right or wrong by finite differences, and know when they lie;
# 5. train a network by stochastic gradient descent, in NumPy alone, until it reads digits.
#
# **Before you start.** New to Keras? Start with lab 1 and go on in order; lab 4 works
# on its own. Here you need matrix products and the chain rule.
#
# **Slides:** deck 001, "Artificial Neuron" to "... gradient descent algorithm"; deck
# 003, "Loss functions ..."; deck 004, "Perceptron bases", "SoftMax".
#
# **How it works.** Write what is missing where it says `raise NotImplementedError`.
# Run the line below it: a tick means go on, a cross says what is wrong and gives a
# hint; run it again for the next hint.

# %%
from functools import partial

from cnnlab import data, plots, train
from cnnlab.checks import lab02 as check

import keras
import numpy as np
from keras import layers

train.start()

# %% [markdown]
# ## 1. One neuron
#
# A neuron weighs its inputs, adds a bias, and applies an activation function $\phi$:
#
# $$y = \phi(\langle w, x \rangle + b), \qquad
# \langle w, x \rangle = w_1 x_1 + \dots + w_d x_d.$$
#
# $f(x) = \langle w, x \rangle + b = 0$ is a straight line in the plane. Wanted are $w$
# and $b$ with $f > 0$ for examples of class $y_i = 1$ and $f < 0$ for those of class
# $y_i = -1$. **Rosenblatt's rule** (1958): start at $w = 0$, $b = 0$ and go through the
# examples in order, again and again. Where $y_i f(x_i) \le 0$, that is a mistake, and at
# once $w \leftarrow w + y_i\, x_i$, $b \leftarrow b + y_i$. Else nothing changes.
#
# ### Exercise 1: `neuron` and `perceptron` (2 points)


# %% exercise="perceptron" points=2 forbid=["cnnlab", "keras", "sklearn"]
def neuron(x, w, b, phi):
    """What one neuron answers to many inputs: outputs (n,).

    Args: inputs x (n, d), one in each row; weights w (d,) and the bias b, a number;
        the activation phi, a function that works on arrays.
    """
    ### BEGIN SOLUTION
    return phi(x @ w + b)
    ### END SOLUTION


def perceptron(x, y, epochs):
    """Train a neuron with Rosenblatt's rule, from w = 0 and b = 0.

    Args: examples x (n, d), in the order to take them, and how many times, epochs;
        classes y (n,), 1 or -1.

    Returns: w (d,), b, and a list: how many mistakes there were in each epoch.
    """
    ### BEGIN SOLUTION
    w, b, mistakes = np.zeros(x.shape[1]), 0.0, []
    for _ in range(epochs):
        wrong = 0
        for x_i, y_i in zip(x, y, strict=True):
            if y_i * (w @ x_i + b) <= 0:
                w, b, wrong = w + y_i * x_i, b + y_i, wrong + 1
        mistakes.append(wrong)
    return w, b, mistakes
    ### END SOLUTION


# %% check="perceptron"
check.neuron(neuron)

# %% check="perceptron"
check.perceptron(perceptron)

# %% probe="perceptron" says="one neuron, with two activations"
rng = np.random.default_rng(seed)
x, w, b = rng.normal(size=(9, 3)), rng.normal(size=3), rng.normal()
np.concatenate([neuron(x, w, b, phi) for phi in (np.tanh, lambda z: (z >= 0) + 0.0)])

# %% probe="perceptron" says="the learning rule, epoch by epoch" weight=3
rng, found = np.random.default_rng(seed), []
for epochs in (1, 3, 7, 9):
    x, y = rng.normal(size=(30, 4)), rng.choice([-1, 1], 30)
    x = np.rint(x) if epochs == 3 else x  # f(x) is 0 now and then
    if epochs == 9:  # there is a line between these, with room on both sides
        y = np.where(x[:, 0] > 0, 1, -1)
        x[:, 0] += 3 * y
    w, b, mistakes = perceptron(x, y, epochs)
    found += [*np.ravel(w), b, *mistakes]
np.array(found)

# %% [markdown]
# Four clouds, 80 points, two questions: is it the cloud where both coordinates are
# positive (*and*)? One of the two where just one is (*exclusive or*, XOR)?
#
# **Predict first.** How many mistakes will there be in the last of twelve epochs?

# %% prediction="and_xor"
and_mistakes = ""
xor_mistakes = ""

# %%
rng = np.random.default_rng(0)
corners = rng.permutation(np.repeat([[-1, -1], [-1, 1], [1, -1], [1, 1]], 20, axis=0))
points = corners + 0.2 * rng.standard_normal((80, 2))
both = np.where(corners.min(axis=1) > 0, 1, -1)
xor = np.where(corners.prod(axis=1) < 0, 1, -1)

# %% tags=["not-graded"]
axes, history = plots.panels(3, size=(11.5, 3.6)), {}
for ax, name, truth in zip(axes, ("and", "exclusive or"), (both, xor), strict=False):
    *line, history[name] = perceptron(points, truth, 12)
    side = partial(neuron, w=line[0], b=line[1], phi=lambda z: (z > 0) + 0.0)
    plots.regions(side, points, truth, title=f"{name}: the last line", ax=ax)
look = {"xlabel": "epoch", "ylabel": "mistakes of 80", "ax": axes[2]}
plots.lines(range(1, 13), history, title="how often the line moved", **look)
plots.show(axes)
print("You predicted:", and_mistakes or "nothing yet", "and", xor_mistakes or "nothing")

# %% [markdown]
# Where a line separates the classes, the rule finds one after finitely many mistakes
# (Novikoff, 1962). Where none does, as for XOR (Minsky and Papert, 1969), it never
# comes to rest. A second layer will do it; the rest of this lab is about *training* one.
#
# ## 2. Softmax
#
# For several classes, the output layer has one neuron for each, and the softmax turns
# their scores $z$ (also called logits) into probabilities:
#
# $$\text{softmax}(z)_i = \frac{\exp(z_i)}{\sum_j \exp(z_j)}.$$
#
# The formula is right, and fails as it stands: $e^{710}$ is more than a float64 can
# hold. But a constant $c$ that is subtracted from *all* scores cancels out,
#
# $$\frac{\exp(z_i - c)}{\sum_j \exp(z_j - c)} = \frac{\exp(z_i)\,e^{-c}}
# {\sum_j \exp(z_j)\,e^{-c}} = \text{softmax}(z)_i.$$
#
# Choose a $c$ with which nothing overflows, and not all terms of the sum vanish. Scores
# come as one vector, or as a batch; the classes are always along the **last** axis.
#
# ### Exercise 2: `softmax` (2 points)


# %% exercise="softmax" points=2 forbid=["cnnlab", "keras", "tensorflow", "scipy"]
def softmax(z):
    """Probabilities from any scores z: the same shape, sum 1 along the last axis."""
    ### BEGIN SOLUTION
    powers = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)
    ### END SOLUTION


# %% check="softmax"
check.softmax(softmax)

# %% probe="softmax" says="scores of several shapes"
rng = np.random.default_rng(seed)
scores = [rng.normal(size=shape) for shape in ((5,), (7, 3), (2, 3, 4))]
parts = [*map(softmax, scores), softmax(rng.integers(-3, 3, (2, 6))), *scores]
np.concatenate([np.ravel(part) for part in parts])

# %% probe="softmax" says="scores in the thousands"
rng = np.random.default_rng(seed)
scores = rng.normal(size=(8, 5)) + np.linspace(-5000, 5000, 8)[:, np.newaxis]
with np.errstate(all="ignore"):
    p = np.concatenate([softmax(scores), softmax(10_000 * scores)])
p

# %% [markdown]
# ## 3. Losses
#
# A loss says how wrong the outputs are: one number for each example, and the mean of
# them for a batch of $n$.
#
# | problem | $y$ | output | loss of one example |
# |---|---|---|---|
# | regression | any vector | $f$, a vector | $\sum_j (y_j - f_j)^2$ |
# | two classes | 0 or 1 | $p$ of class 1 | $-y \log p - (1 - y) \log(1 - p)$ |
# | $K$ classes | one-hot | $p$, a vector | $-\sum_j y_j \log p_j$ |
#
# The *binary* cross-entropy is the second, the *categorical* one the third. Both are
# $-\log$ of the probability given to the truth, $2 \log 2$ for 1/4. As $\log 0$ is
# $-\infty$ and $0 \cdot \log 0$ is nan, no probability below $10^{-12}$ is let into a logarithm.
#
# ### Exercise 3: three losses (2 points)

# %%
EPSILON = 1e-12  # the smallest number whose logarithm is taken


# %% exercise="losses" points=2 forbid=["cnnlab", "keras", "tensorflow", "sklearn"]
def squared_error(y, f):
    """Mean over the examples of ||y - f||^2; truth y and outputs f are (n, K)."""
    ### BEGIN SOLUTION
    return np.mean(np.sum((y - f) ** 2, axis=1))
    ### END SOLUTION


def binary_cross_entropy(y, p):
    """Mean of -(y log p + (1 - y) log(1 - p)), always finite; y and p are (n,)."""
    ### BEGIN SOLUTION
    p = np.clip(p, EPSILON, 1 - EPSILON)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    ### END SOLUTION


def cross_entropy(y, p):
    """Mean of -sum(y log p), always finite; y, one-hot rows, and p are (n, K)."""
    ### BEGIN SOLUTION
    return -np.mean(np.sum(y * np.log(np.maximum(p, EPSILON)), axis=1))
    ### END SOLUTION


# %% check="losses"
check.squared_error(squared_error)

# %% check="losses"
check.cross_entropies(binary_cross_entropy, cross_entropy)

# %% probe="losses" says="squared error"
rng = np.random.default_rng(seed)
np.array([squared_error(*rng.normal(size=(2, n, 3))) for n in (1, 4, 9)])

# %% probe="losses" says="binary cross-entropy, small probabilities too"
rng = np.random.default_rng(seed)
y, p = rng.integers(0, 2, (4, 9)), rng.random((4, 9))
given = [(y[i], frozen(e * p[i])) for e in (1, 1e-6) for i in range(4)]
values = [binary_cross_entropy(*pair) for pair in given]
np.array([*values, np.isfinite(binary_cross_entropy(y[0], frozen(1.0 * y[1])))])

# %% probe="losses" says="cross-entropy, small probabilities too"
rng = np.random.default_rng(seed)
y, p = np.eye(5)[rng.integers(0, 5, (4, 9))], rng.dirichlet(np.ones(5), (4, 9))
given = [(y[i], frozen(e * p[i])) for e in (1, 1e-6) for i in range(4)]
values = [cross_entropy(*pair) for pair in given]
np.array([*values, np.isfinite(cross_entropy(y[0], frozen(y[1])))])

# %% [markdown]
# ## 4. Layers
#
# A multilayer perceptron with $L$ hidden layers starts from $h^{(0)} = x$. For
# $k = 1, \dots, L + 1$
#
# $$a^{(k)} = b^{(k)} + W^{(k)} h^{(k-1)},$$
#
# and behind each hidden layer, $k \le L$, stands the activation,
# $h^{(k)} = \phi(a^{(k)})$. The output is $\psi(a^{(L+1)})$, where $\psi$ is the
# identity for a regression and the softmax for a classification. $W^{(k)}$ has a row
# for each neuron of layer $k$ and a column for each neuron of layer $k - 1$.
#
# We keep these numbers: `W`, `b`, `a` and `h` are dicts, and `W[1]` is $W^{(1)}$. So
# `for k in W` runs from 1 to $L + 1$, `reversed(W)` back, and `len(W)` is $L + 1$. But
# the formula's example is a column; our batch has an example in each **row**: `W[k]` is
# (units, inputs), `b[k]` (units,), `a[k]` and `h[k]` (n, units). $\psi$ is left to section 6.
#
# ### Exercise 4: `forward` (2 points)


# %% exercise="forward" points=2 forbid=["cnnlab", "keras", "tensorflow"]
def forward(x, W, b, phi):
    """All values in a multilayer perceptron.

    Args:
        x: inputs (n, inputs).
        W, b: weights (units, inputs) and biases (units,) of layers 1, 2, ..., L + 1.
        phi: the activation of the hidden layers, a function that works on arrays.

    Returns: two dicts, a[k] for k = 1, ..., L + 1, and h[k] for k = 0, ..., L.
    """
    ### BEGIN SOLUTION
    a, h = {}, {0: x}
    for k in W:
        a[k] = h[k - 1] @ W[k].T + b[k]
        if k < len(W):  # the output layer has no phi
            h[k] = phi(a[k])
    return a, h
    ### END SOLUTION


# %% check="forward"
check.forward(forward)

# %% probe="forward"
rng = np.random.default_rng(seed)


def values(phi, biases, *sizes):
    ks = range(1, len(sizes))
    W = {k: rng.normal(size=(sizes[k], sizes[k - 1])) for k in ks}
    b = {k: biases * rng.normal(size=sizes[k]) for k in ks}
    a, h = forward(rng.normal(size=(6, sizes[0])), W, b, phi)
    return np.concatenate([np.ravel(v) for k in ks for v in (a[k], h[k - 1])])


cases = [(np.tanh, 1, 3, 5, 2), (np.cos, 1, 2, 4, 3, 5), (np.cos, 0, 4, 3, 2)]
[attempt(values, *case) for case in cases]

# %% [markdown]
# Two hidden neurons are enough for XOR, here set by hand: one answers 1 where
# $x_1 + x_2 > -1$, the other where $x_1 + x_2 > 1$, the output where only the first does.


# %% tags=["not-graded"]
def sigmoid(a):
    """1 / (1 + exp(-a)), without overflow."""
    return np.exp(-np.logaddexp(0, -a))


def by_hand(x):
    """The first hidden neuron, the second, and the output: (n, 3)."""
    W = {1: 8.0 * np.ones((2, 2)), 2: np.array([[12.0, -12.0]])}
    a, h = forward(x, W, {1: np.array([8.0, -8.0]), 2: np.array([-6.0])}, sigmoid)
    return np.c_[h[1], sigmoid(a[2])]


axes = plots.panels(3, size=(11, 3.6), title="XOR by two hidden neurons, set by hand")
for k, name in enumerate(("first hidden neuron", "second hidden neuron", "output")):
    plots.regions(lambda x, k=k: by_hand(x)[:, k], points, xor, title=name, ax=axes[k])
plots.show(axes)

# %% [markdown]
# Without the activation, $W^{(2)}(W^{(1)} x + b^{(1)}) + b^{(2)}$ would be one matrix and
# one bias again: an affine map, however many layers one stacks.
#
# ## 5. Gradients, the slow way
#
# To train is to move all weights against the gradient of the loss. Backpropagation
# computes it fast, and is easy to get wrong: with a wrong gradient, a network often
# still learns, only worse, and nobody notices. So write the test first: move one entry
# $x_i$ by a small $\varepsilon$ to both sides,
#
# $$\frac{\partial f}{\partial x_i} \approx
# \frac{f(x + \varepsilon e_i) - f(x - \varepsilon e_i)}{2 \varepsilon}.$$
#
# That costs two evaluations for *each* weight: too many for training, few enough for a
# test. How far are two gradients apart? The **relative error** of an entry is
#
# $$\frac{|\text{analytic} - \text{numeric}|}
# {\max(|\text{analytic}| + |\text{numeric}|,\ 10^{-8})},$$
#
# where the $10^{-8}$ is for those that are both 0. If the largest one is above $10^{-2}$,
# the gradient is wrong; above $10^{-4}$ it probably is, unless there is a kink; below
# $10^{-7}$ be happy (after Stanford's CS231n).
#
# ### Exercise 5: `numerical_gradient` and `relative_error` (2 points)


# %% exercise="gradient_check" points=2 forbid=["cnnlab", "keras", "scipy"]
def numerical_gradient(f, x, step=1e-5):
    """The gradient of f at x by centred differences, in float64.

    Args:
        f: a function that takes an array of the shape of x, and gives a number.
        x: where, an array of any shape; it is as it was afterwards.
        step: how far each entry is moved to both sides, one at a time.

    Returns: an array of the shape of x, in float64.
    """
    ### BEGIN SOLUTION
    x = np.array(x, dtype="float64")  # a copy
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + step
        above = f(x)
        x[i] = kept - step
        below = f(x)
        x[i] = kept
        gradient[i] = (above - below) / (2 * step)
    return gradient
    ### END SOLUTION


def relative_error(analytic, numeric):
    """The largest relative error of all entries of two gradients, a number."""
    ### BEGIN SOLUTION
    size = np.maximum(np.abs(analytic) + np.abs(numeric), 1e-8)
    return np.max(np.abs(analytic - numeric) / size)
    ### END SOLUTION


# %% check="gradient_check"
check.numerical_gradient(numerical_gradient)

# %% check="gradient_check"
check.relative_error(relative_error)

# %% probe="gradient_check" says="the numerical gradient" weight=2
rng = np.random.default_rng(seed)
x, c = rng.normal(size=(2, 3, 4)).astype("float32")
values, line = [], [numerical_gradient(lambda z: np.sum(c[0] * z**2), x[0])]
for step in (0.5, 1e-5):
    values += [numerical_gradient(lambda z: np.sum(c * z**3) * np.sum(z), x, step)]
in_float64 = [np.asarray(v).dtype == np.float64 for v in values]
np.concatenate([np.ravel(v) for v in (*values, *line, x, in_float64)])

# %% probe="gradient_check" says="the relative error"
rng = np.random.default_rng(seed)
one, noise = rng.normal(size=(2, 5, 3))
with np.errstate(all="ignore"):
    errors = [relative_error(one, one + size * noise) for size in (1e-4, 0.1, 1)]
    zero = [relative_error(np.zeros(4), np.array([0, 0, 1e-10, 0]))]
np.array([*np.log(errors), 1e3 * zero[0]])

# %% [markdown]
# With a tiny step, $f(x + \varepsilon) - f(x - \varepsilon)$ is nothing but rounding.
#
# **Predict first.** Which step is best for centred differences in float64: $10^{-1}$,
# $10^{-5}$ or $10^{-12}$? And how many digits will be left in float32?

# %% prediction="step"
best_step = ""
digits_left = ""


# %% tags=["not-graded"]
def error_of_step(step, dtype, ahead, behind):
    """The largest relative error of the measured slope of exp, at seven places."""
    x, e = np.linspace(-1, 1, 7).astype(dtype), np.array(step, dtype)
    slope = (np.exp(x + ahead * e) - np.exp(x - behind * e)) / (e * (ahead + behind))
    return relative_error(np.exp(x, dtype="float64"), slope.astype("float64"))


steps, errors = 10 ** np.arange(-12, 0, 0.25), {}
for dtype in ("float64", "float32"):
    for name, sides in {"centred": (1, 1), "one-sided": (1, 0)}.items():
        errors[f"{name}, {dtype}"] = [error_of_step(e, dtype, *sides) for e in steps]
look = {"xlabel": "step $\\varepsilon$", "ylabel": "largest relative error"}
ax = plots.lines(steps, errors, title="The slope of exp, measured", log="xy", **look)
plots.show(plots.reference(ax, bands={"be happy": (1e-12, 1e-7)}))
print("You predicted:", best_step or "nothing yet", "and", digits_left or "nothing")

# %% [markdown]
# Even the best differences can mislead. Beside each function stands a gradient; one of
# the four is wrong. Which? Decide before you look at the numbers.

# %% tags=["not-graded"]
rng = np.random.default_rng(0)
x, near = np.array([1.0, 0.5, -2.0]), np.array([1.0, 3e-6, -2.0])
four = [  # function, where, gradient
    ("kink nearer than the step", lambda z: np.maximum(z, 0).sum(), near, near > 0),
    ("dropout, new each time", lambda z: z @ rng.integers(0, 2, 3), x, x**0),
    ("penalty, large", lambda z: np.sum(np.sin(z) + 1e6 * z**2), x, 2e6 * x),
    ("unit that is off", lambda z: 0 * z.sum(), x, 0 * x),
]
for name, f, where, gradient in four:
    error = relative_error(1.0 * gradient, numerical_gradient(f, where))
    print(f"{name:26} relative error {error:.0e}")

# %% [markdown]
# - **Kinks**, as of ReLU: the first is right, and looks wrong, since one of the two
#   points lies beyond the kink. Try a smaller step.
# - **Randomness**: $f$ must give the same number for the same array.
# - **A penalty that dominates**: the third is the wrong one, the derivative of $\sin$
#   is missing, and it looks fine. Check the loss without the penalty first.
# - **Dead units**: 0 and 0 agree, and prove nothing. Check where units live.
#
# ## 6. The gradient at the output
#
# Backpropagation starts at the output, with $\delta = \nabla_{a^{(L+1)}}\, \ell$: how
# the loss of one example changes with the scores. For a **regression**, $f = a$ and
# $\ell = \sum_j (y_j - f_j)^2$: derive it yourself. For a **classification**,
# $p = \text{softmax}(a)$ and $\ell = -\sum_i y_i \log p_i$. Each $p_i$ depends on *all*
# scores, so no single $\psi'$ will do; there is a matrix of derivatives,
#
# $$\frac{\partial p_i}{\partial a_j} = p_i\, (\mathbb{1}_{i=j} - p_j), \qquad
# \frac{\partial \ell}{\partial p_i} = -\frac{y_i}{p_i}, \qquad
# \frac{\partial \ell}{\partial a_j}
# = \sum_i \frac{\partial \ell}{\partial p_i} \frac{\partial p_i}{\partial a_j}.$$
#
# Multiply out, and remember that $\sum_i y_i = 1$. What is left has no logarithm and no
# quotient: that is why $\psi$ and the loss belong together. (And it must sum to 0: a
# constant added to all scores changes nothing.)
#
# ### Exercise 6: `squared_error_gradient` and `cross_entropy_gradient` (2 points)
#
# One row for each example; the mean over the batch comes later.


# %% exercise="output_gradients" points=2 forbid=["cnnlab", "keras", "tensorflow"]
def squared_error_gradient(y, f):
    """Gradient of ||y - f||^2 for f: a row for each example; all are (n, K)."""
    ### BEGIN SOLUTION
    return 2 * (f - y)
    ### END SOLUTION


def cross_entropy_gradient(y, p):
    """Gradient of -sum(y log p) for a, where p = softmax(a); all are (n, K)."""
    ### BEGIN SOLUTION
    return p - y
    ### END SOLUTION


# %% check="output_gradients"
check.output_gradients(squared_error_gradient, cross_entropy_gradient)

# %% probe="output_gradients" says="gradient of the squared error"
rng = np.random.default_rng(seed)
y, f = rng.normal(size=(2, 7, 3))
np.concatenate([squared_error_gradient(y, f), y, f])  # these two as they were

# %% probe="output_gradients" says="gradient of softmax with cross-entropy"
rng = np.random.default_rng(seed)
y, p = np.eye(4)[rng.integers(0, 4, 9)], rng.dirichlet(np.ones(4), 9)
np.concatenate([cross_entropy_gradient(y, p), y, p])  # these two as they were

# %% [markdown] question="two_slides" title="An activation in the wrong place" points=1
# For a regression with *one* output and an activation $\psi$ on it, the gradient is
# $-2(y - \psi(a))\,\psi'(a)$. For a classifier with a softmax, someone computes what this
# becomes there, element by element, $-2(y - p)\,p(1 - p)$. Of which loss is that the
# gradient: of the cross-entropy, of the squared error behind a softmax, or of neither?
# Give the reason, and say how such a network behaves on examples it gets surely wrong.
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: of neither. The cross-entropy's is $p - y$; for the squared
# error, the softmax's derivatives form a full matrix (each probability depends on all
# scores), and its entries off the diagonal, $-p_i p_j$, are left out here. Half a
# point: for $p$ near 0 at the true class the factor $p(1 - p)$ vanishes, and the
# gradient with it: the example is not corrected, training stalls on it.
# ### END SOLUTION

# %% [markdown]
# ## 7. Backpropagation
#
# Take one example, and let $\delta^{(k)} = \nabla_{a^{(k)}}\, \ell$, a number for each
# neuron of layer $k$. Since $a_i = b_i + \sum_j W_{ij} h_j$,
#
# $$\frac{\partial \ell}{\partial W_{ij}^{(k)}} = \delta_i^{(k)} h_j^{(k-1)}, \qquad
# \frac{\partial \ell}{\partial b_i^{(k)}} = \delta_i^{(k)}, \qquad
# \frac{\partial \ell}{\partial h_j^{(k-1)}} = \sum_i W_{ij}^{(k)} \delta_i^{(k)},$$
#
# and one step further down, since $h = \phi(a)$ number by number,
#
# $$\delta_j^{(k-1)} = \frac{\partial \ell}{\partial h_j^{(k-1)}} \cdot
# \phi'\left(a_j^{(k-1)}\right).$$
#
# From $\delta^{(L+1)}$, exercise 6, all else follows, from the last layer *back* to the
# first. For a batch, `delta` has a row for each example, like `a[k]`. Its loss is the
# **mean** over the $n$ examples, and so are the gradients of weights and biases, which
# all examples share. The gradient for `x` has a row for each example: how the loss of
# this one changes with its own inputs.
#
# ### Exercise 7: `backward` (4 points)
#
# `dW[k]` is shaped like `W[k]`: that tells you where to transpose. `dphi` is $\phi'$, and
# takes `a`, as $\phi$ does. ($h(1 - h)$ takes $h$, and holds for the sigmoid only.)


# %% exercise="backward" points=4 forbid=["cnnlab", "keras", "tensorflow"]
def backward(delta, W, a, h, dphi):
    """Gradients of the mean loss of a batch, by backpropagation.

    Args:
        delta: the output gradient of each example, (n, outputs).
        W: weights (units, inputs) of layers 1, ..., L + 1; they stay as they are.
        a, h: what forward gave for this batch.
        dphi: the derivative of the activation, a function of a.

    Returns: dW and db, two dicts, means over the examples, shaped like W[k] and b[k];
    and dx, (n, inputs): for each example, the gradient of its own loss for its inputs.
    """
    ### BEGIN SOLUTION
    dW, db = {}, {}
    for k in reversed(W):
        dW[k] = delta.T @ h[k - 1] / len(delta)
        db[k] = delta.mean(axis=0)
        delta = delta @ W[k]  # the gradient for h[k - 1]
        if k > 1:
            delta = delta * dphi(a[k - 1])
    return dW, db, delta
    ### END SOLUTION


# %% check="backward"
check.backward(backward)

# %% probe="backward" essential=["dW"]
from cnnlab.teaching.gradients import of_backward

of_backward(backward, seed)

# %% [markdown]
# Now the proof, for whole networks. **Predict first.** One of the three activations has
# a kink. Will one see it?

# %% prediction="kink"
kink_seen = ""  # yes or no, and why?

# %% tags=["not-graded"]
activations = {  # phi, dphi
    "sigmoid": (sigmoid, lambda a: sigmoid(a) * (1 - sigmoid(a))),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "ReLU": (lambda a: np.maximum(a, 0), lambda a: (a > 0) + 0.0),
}
pairs = {  # name: loss, its gradient, psi
    "squared error": (squared_error, squared_error_gradient, lambda a: a),
    "cross-entropy": (cross_entropy, cross_entropy_gradient, softmax),
}


def start(sizes, seed=0, dtype="float64"):
    """Random weights of variance 1 / inputs, and biases 0."""
    rng, W, b = np.random.default_rng(seed), {}, {}
    for k, (m, n) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        W[k] = (rng.normal(size=(n, m)) / np.sqrt(m)).astype(dtype)
        b[k] = np.zeros(n, dtype)
    return W, b


# %% folded="Relative errors of all gradients of a network" tags=["not-graded"]
def gradient_errors(x, y, phi, dphi, loss, loss_gradient, psi):
    """Relative errors of the gradients of a network with two hidden layers."""
    W, b = start((x.shape[1], 6, 5, y.shape[1]), seed=3)

    def mean_loss(x, W, b):
        return loss(y, psi(forward(x, W, b, phi)[0][3]))

    a, h = forward(x, W, b, phi)
    dW, db, dx = backward(np.array(loss_gradient(y, psi(a[3]))), W, a, h, dphi)
    of_x = numerical_gradient(lambda v: mean_loss(v, W, b), x)
    dx = np.array(dx) / len(x)  # differences see the mean loss
    errors = [relative_error(dx, of_x)]
    for k in W:
        of_W = numerical_gradient(lambda v, k=k: mean_loss(x, W | {k: v}, b), W[k])
        of_b = numerical_gradient(lambda v, k=k: mean_loss(x, W, b | {k: v}), b[k])
        errors += [relative_error(dW[k], of_W), relative_error(db[k], of_b)]
    return errors


# %% tags=["not-graded"]
rng, errors = np.random.default_rng(11), {}
x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
targets = y, np.eye(3)[rng.integers(0, 3, 8)]
for (pair, functions), y in zip(pairs.items(), targets, strict=True):
    for name, phi in activations.items():
        errors[f"{name}, {pair}"] = gradient_errors(x, y, *phi, *functions)
names = ["x", "W1", "b1", "W2", "b2", "W3", "b3"]
look = {"xlabel": "gradient for", "ylabel": "largest relative error", "log": "y"}
ax = plots.points(names, errors, title="Six networks against differences", **look)
plots.show(plots.reference(ax, bands={"be happy": (1e-12, 1e-7), "wrong": (1e-2, 1)}))
print("You predicted:", kink_seen or "nothing yet")

# %% [markdown]
# A kink is seen only by an entry whose step crosses it: here the nearest $a$ is much
# farther than $10^{-5}$ from 0. Among millions of ReLUs there is always one.

# %% [markdown] question="three_reports" title="Three reports" points=1
# Three people check their gradients with a step of $10^{-5}$. (a) float64, tanh: all
# entries around $10^{-9}$, those of `b1` all exactly 1. (b) float64, ReLU: all around
# $10^{-9}$, only three of 5,000 entries of `W1` at about 0.3. (c) float32, sigmoid: all
# entries between $10^{-3}$ and $10^{-1}$. Which backward passes are wrong? What would
# you do next in each case?
#
# ### BEGIN SOLUTION
# *1 point.* A third each, with the reason. (a) Wrong: a relative error of exactly 1
# means that one of the two is 0 or has the opposite sign: the gradient of the first
# bias is missing (or its sign is wrong). (b) Probably right: three entries whose step
# crosses a kink; repeat these with a smaller step, or at another point. (c) Nothing can
# be said: float32 has 7 digits, too few for this step; repeat in float64.
# ### END SOLUTION

# %% [markdown]
# ## 8. Stochastic gradient descent
#
# The gradient of all $n$ examples for every single step would be a waste: a **batch**
# $B$ of $m$, drawn at random, points roughly the same way and costs a fraction. With
# $\theta$ for all weights and biases, and a **learning rate** $\varepsilon$,
#
# $$\theta \leftarrow \theta - \varepsilon\, \frac{1}{m} \sum_{i \in B}
# \nabla_\theta\, \ell(f(x_i, \theta), y_i).$$
#
# The batches are drawn *without replacement*: in one **epoch** every example comes
# once. If $m$ does not divide $n$, the last batch is smaller.
#
# ### Exercise 8: `sgd_epoch` (2 points)


# %% exercise="sgd_epoch" points=2 forbid=["cnnlab", "keras", "tensorflow"]
def sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng):
    """One epoch of stochastic gradient descent.

    Args:
        gradients: gradients(x, y, W, b) gives dW and db of the mean loss of a batch.
        x, y: the examples (n, ...) and their truth (n, ...).
        W, b: weights and biases at the start, dicts.
        batch_size: examples per step; the last batch may be smaller.
        learning_rate: how far to go against the gradient.
        rng: a NumPy generator; it draws a new order of the examples.

    Returns: W and b at the end of the epoch.
    """
    ### BEGIN SOLUTION
    order = rng.permutation(len(x))
    for first in range(0, len(x), batch_size):
        batch = order[first : first + batch_size]
        dW, db = gradients(x[batch], y[batch], W, b)
        W = {k: W[k] - learning_rate * dW[k] for k in W}
        b = {k: b[k] - learning_rate * db[k] for k in b}
    return W, b
    ### END SOLUTION


# %% check="sgd_epoch"
check.sgd_epoch(sgd_epoch)

# %% probe="sgd_epoch" says="the steps, with batches that fit and that do not" weight=2
from cnnlab.checks.lab02 import watch_epoch


def way(watch_epoch, m):
    run = watch_epoch(sgd_epoch, examples=8, batch_size=m, seed=seed % 1000 + m)
    return np.concatenate([*map(np.ravel, run.way.values()), *run.starts])


[attempt(way, watch_epoch, m) for m in (4, 3, 5)]

# %% probe="sgd_epoch" says="each example once, in an order drawn anew" compare="equal"
from cnnlab.checks.lab02 import watch_epoch

rngs = [np.random.default_rng(seed)] * 2 + [np.random.default_rng(seed)]
runs = [watch_epoch(sgd_epoch, examples=11, batch_size=4, rng=rng) for rng in rngs]
facts = [n for run in runs for n in sorted(run.sizes) + sorted(run.seen)]
shuffled = runs[0].seen != runs[1].seen and sorted(runs[0].seen) != runs[0].seen
right = [run.seen == run.labels for run in runs]
np.array([*facts, shuffled, runs[0].seen == runs[2].seen, *right])

# %% [markdown]
# That is all there is to training. Only, the weights must not start at 0, or all neurons
# of a layer do the same for ever: `start` above draws them at random. Lab 3 says how.
#
# **Predict first.** XOR, which no perceptron can do: which batch size will learn it in
# the fewest *epochs*, 1, 8 or all 80 points, with the same learning rate?

# %% prediction="batch_size"
fewest_epochs = ""  # batches of 1, 8 or 80?


# %% tags=["not-graded"]
def classifier_gradients(x, y, W, b):
    """dW and db of the cross-entropy of a tanh network with a softmax."""
    phi, dphi = activations["tanh"]
    a, h = forward(x, W, b, phi)
    delta = np.array(cross_entropy_gradient(y, softmax(a[len(W)])))
    return backward(delta, W, a, h, dphi)[:2]


def probabilities(x, W, b):
    """Of each class, (n, K), by a tanh network."""
    return softmax(forward(x, W, b, np.tanh)[0][len(W)])


# %% tags=["not-graded"]
truth, losses = np.eye(2)[(xor + 1) // 2], {}
for size in (1, 80, 8):
    (W, b), rng, after = start((2, 6, 2)), np.random.default_rng(0), []
    for _ in range(40):
        W, b = sgd_epoch(classifier_gradients, points, truth, W, b, size, 0.2, rng)
        after.append(cross_entropy(truth, probabilities(points, W, b)))
    losses[f"batches of {size}"] = after
print("You predicted:", fewest_epochs or "nothing yet")
axes = plots.panels(2, size=(10, 3.6), title="XOR, learned by six hidden neurons")
look = {"xlabel": "epoch", "ylabel": "cross-entropy", "log": "y", "ax": axes[0]}
plots.lines(range(1, 41), losses, title="loss after each epoch", **look)
look = {"title": "probability, batches of 8", "ax": axes[1]}
plots.regions(lambda x: probabilities(x, W, b)[:, 1], points, xor, **look)
plots.show(axes)

# %% [markdown]
# With batches of 1 an epoch has 80 steps, with one batch of 80 a single step. Per second
# it is another matter: a matrix product with 80 rows takes hardly longer than one with
# a single row. Batches of 16 to 256 are the usual compromise.
#
# ## 9. The same in Keras
#
# Keras keeps the transpose: a `Dense` layer's kernel is (inputs, units), since it
# computes `x @ kernel + bias`. With the same weights, batches and learning rate, it
# must do the same as your code: in float64 (where the backend has it) to 6 digits.

# %% tags=["not-graded"]
keras.config.set_floatx("float64")
hidden = [layers.Dense(6, "tanh"), layers.Dense(4, "tanh")]
model = keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(2)])
loss = keras.losses.CategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.SGD(0.25), loss, run_eagerly=True)
W, b = start((2, 6, 4, 2), seed=5)
model.set_weights([part for k in W for part in (W[k].T, b[k])])


def in_both(x, y, W, b):
    """A step of Keras on this batch, and your gradients."""
    model.train_on_batch(x, y)
    return classifier_gradients(x, y, W, b)


W, b = sgd_epoch(in_both, points, truth, W, b, 8, 0.25, np.random.default_rng(0))
check.same_as_keras([part for k in W for part in (W[k].T, b[k])], model.get_weights())

# %% [markdown]
# ## 10. Reading digits
#
# MNIST: 28×28 pixels are 784 inputs, ten classes ten outputs; 128 hidden neurons stand
# between. Who gives 1/10 to each class has a loss of $\ln 10 = 2.30$; a start far above
# it would say that the first weights are too large. Validation images are looked at
# after each epoch, the test images once, at the end.
#
# **Predict first.** Which share of new digits will it read right?

# %% prediction="digits"
read_right = ""  # how many percent?

# %% tags=["not-graded"]
mnist = data.load("mnist")
train_set, val_set = data.split(mnist.x_train, mnist.y_train, validation=1 / 6)


def as_inputs(images, labels):
    """Images as rows of 784 numbers from 0 to 1; labels as one-hot rows."""
    rows = images.reshape(len(images), -1).astype("float32") / 255
    return rows, np.eye(10, dtype="float32")[labels]


W, b = start((784, 128, 10), dtype="float32")
(x_train, y_train), (x_val, y_val) = as_inputs(*train_set), as_inputs(*val_set)
print(f"parameters: {sum(W[k].size + b[k].size for k in W):,}")
print(f"loss at the start: {cross_entropy(y_val, probabilities(x_val, W, b)):.2f}")

# %% tags=["not-graded"]
EPOCHS = 10 if len(x_train) > 10_000 else train.budget(smoke=15, cpu=40, gpu=40)
looked_at = {"": (x_train[:5000], y_train[:5000]), "val_": (x_val, y_val)}
rng, history = np.random.default_rng(0), {}
for _ in train.progress(EPOCHS):
    W, b = sgd_epoch(classifier_gradients, x_train, y_train, W, b, 32, 0.2, rng)
    for kind, (x, y) in looked_at.items():
        p = probabilities(x, W, b)
        right = np.mean(p.argmax(axis=1) == y.argmax(axis=1))
        history.setdefault(f"{kind}loss", []).append(float(cross_entropy(y, p)))
        history.setdefault(f"{kind}accuracy", []).append(float(right))

# %% tags=["not-graded"]
plots.show(plots.curves(history, title=f"{mnist.name}: 784-128-10 in plain NumPy"))
p_test = probabilities(as_inputs(mnist.x_test, mnist.y_test)[0], W, b)
accuracy = np.mean(p_test.argmax(axis=1) == mnist.y_test)
print("You predicted:", read_right or "nothing yet")
print(f"test accuracy on {mnist.name}: {accuracy:.2%}")
check.digits_are_read(accuracy)

# %% [markdown]
# Over five seeds, 40 epochs on the stand-in gave 96.2 to 97.2 % on test images
# (validation: 96.3 to 96.8 %); one run of 10 epochs on MNIST gave 97.7 % (97.5 %). A GPU
# does not help: NumPy computes on the processor. The errors of which it is most sure:

# %% tags=["not-graded"]
look = {"class_names": mnist.class_names, "count": 16, "title": mnist.name}
plots.show(plots.error_gallery(mnist.x_test, mnist.y_test, p_test, **look))

# %% [markdown]
# ## Go further, ungraded
#
# - **A regression.** Fit a noisy sine, with `squared_error_gradient` and no softmax.
# - **Momentum.** Keep a velocity, $v \leftarrow 0.9\, v - \varepsilon\, \nabla$, and
#   step by $v$. How many epochs does that save?
# - **What would change your mind?** `dx` says how each pixel changes the loss. Draw it
#   for a digit and several wrong labels; move the image a little along it.
# - **Features.** Each row of $W^{(1)}$ is an image. Why is nothing to be seen at its edges?
#
# <details><summary>What the slides say differently</summary>
#
# - Deck 001, on the cross entropy, goes on with the squared loss: its
#   $-2(y - \psi(a))\,\psi'(a)$ is right for one output with an activation $\psi$, and
#   for no softmax. It names LeCun, 1986; Rumelhart, Hinton and Williams, the same year.
# - Deck 003 calls a network without activations a simple linear regression: it is an
#   affine map with several outputs. "BCE" beside many classes is the categorical one.
# - Deck 004's `torch.softmax(x, dim=0)` normalises a batch across its examples: 32
#   images would share one probability of being a cat. Weights that start at 0 make the
#   neurons of a layer alike, not layers; `np.random.randn((2, 2))` raises a TypeError.
#
# </details>
