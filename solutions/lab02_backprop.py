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
# 5. train a network by stochastic gradient descent until it reads digits, with nothing
#    but NumPy.
#
# **Before you start:** lab 1; matrix products; the chain rule.
#
# **Slides:** deck 001, "Artificial Neuron" to "The stochastic gradient descent
# algorithm"; deck 003, "The artificial neuron", "Loss functions for classification /
# regression prediction"; deck 004, "Perceptron bases", "SoftMax".
#
# **How it works.** Replace each `raise NotImplementedError(...)` by your answer. The
# check below it prints a tick, or says what is wrong and gives a hint; run it again for
# the next hint. The other cells are there to be read, run and played with.

# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from cnnlab import data, ops, plots, train
from cnnlab.checks.perceptron import sound_backward, sound_forward
from cnnlab.checks.sgd import sound_sgd_epoch, watch_epoch
from cnnlab.teaching.check import Failure, check, close, equal, forbid, recognise
from cnnlab.teaching.gradients import same_gradients
from keras import layers

train.seed(0)
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito
LIBRARIES = ("cnnlab", "keras", "tensorflow", "scipy", "sklearn")


def panel(ax, title, xlabel, ylabel):
    """Dress one panel of a figure."""
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)


def plane(ax, f, x, y, title):
    """Colour the plane by f, from 0, orange, to 1, purple; draw points on it."""
    sides = np.linspace(-1.7, 1.7, 120)
    grid = np.stack(np.meshgrid(sides, sides), axis=-1).reshape(-1, 2)
    look = {"cmap": "PuOr", "vmin": 0, "vmax": 1, "alpha": 0.5, "origin": "lower"}
    ax.imshow(f(grid).reshape(120, 120), extent=(-1.7, 1.7, -1.7, 1.7), **look)
    for label, marker, colour in ((1, "o", "#542788"), (-1, "s", "#b35806")):
        some = x[y == label]
        look = {"s": 24, "c": colour, "edgecolor": "white", "linewidth": 0.5}
        ax.scatter(*some.T, marker=marker, label=f"class {label:+d}", **look)
    panel(ax, title, "$x_1$", "$x_2$")


# %% [markdown]
# ## 1. One neuron
#
# *Deck 001, "Artificial Neuron".* A neuron weighs its inputs, adds a bias, and applies
# an activation function $\phi$:
#
# $$y = \phi(\langle w, x \rangle + b), \qquad
# \langle w, x \rangle = w_1 x_1 + \dots + w_d x_d.$$
#
# $\langle w, x \rangle + b = 0$ is a straight line in the plane, a hyperplane in
# general. A neuron with the hard threshold says on which side of it $x$ lies.
#
# *Deck 004, "Perceptron bases"*, asks for a $w$ and a $b$ such that
# $f(x) = \langle w, x \rangle + b$ is positive for positive examples and negative for
# the others. **Rosenblatt's rule** (1958) finds them. With $y_i = 1$ for a positive
# example and $y_i = -1$ for a negative one: start at $w = 0$, $b = 0$; go through the
# examples, one after the other, again and again; where $y_i f(x_i) \le 0$, that is a
# mistake, and at once
#
# $$w \leftarrow w + y_i\, x_i, \qquad b \leftarrow b + y_i.$$
#
# Where it is right, nothing changes.
#
# ### Exercise 1: `neuron` and `perceptron` (2 points)


# %% exercise="perceptron" points=2 forbid=["cnnlab", "keras", "sklearn"]
def neuron(x, w, b, phi):
    """What one neuron answers to many inputs.

    Args:
        x: inputs (n, d), one in each row.
        w, b: weights (d,), and the bias, a number.
        phi: the activation, a function that works on arrays.

    Returns:
        The outputs (n,).
    """
    ### BEGIN SOLUTION
    return phi(x @ w + b)
    ### END SOLUTION


def perceptron(x, y, epochs):
    """Train a neuron with Rosenblatt's rule, from w = 0 and b = 0.

    Args:
        x: examples (n, d), to be gone through in this order, in each epoch.
        y: their classes (n,), 1 or -1.
        epochs: how many times.

    Returns:
        w (d,), b, and a list: how many mistakes there were in each epoch.
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
@check
def a_neuron_weighs_and_adds():
    """neuron() is phi(<w, x> + b), for every row of x."""
    x, w = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]]), np.array([2.0, -1.0])
    line = "Weigh with x @ w, add b, apply phi to the sum."
    close(neuron(x, w, 0.5, lambda z: z), [0.5, 7.5, 1.5], "without activation", line)
    close(neuron(x, w, 0.5, np.square), [0.25, 56.25, 2.25], "phi: the square", line)


# %% check="perceptron"
@check
def the_perceptron_learns_from_mistakes():
    """perceptron() follows Rosenblatt's rule."""
    forbid(perceptron, *LIBRARIES)
    x = np.array([[2, 1], [-1, 1], [1, -2], [-2, -1], [1, 2]])
    w, b, mistakes = perceptron(x, np.array([1, -1, -1, -1, 1]), 4)
    rule = (
        "Right answers change nothing; a mistake changes w and b at once.",
        "A mistake: y_i and f(x_i) have not the same sign, y_i * f(x_i) <= 0.",
        "w = w + y_i * x_i and b = b + y_i",
    )
    never = "At the start f(x) = 0 for all x, on neither side: that is a mistake, too."
    typical = {
        "Nothing is ever learned.": ([0, 0, 0], never, *rule),
        "The weights change for right answers, too.": ([20, 20, -4], *rule),
        "The weights are pushed the wrong way.": ([-24, -12, 0], *rule),
        "The bias is never changed.": ([3, 2, 0], *rule),
        "The weights change once per epoch, not at each mistake.": ([5, 5, -1], *rule),
    }
    recognise([*w, b], typical)
    close([*w, b], [2, 2, -1], "w and b after 4 epochs of five examples", *rule)
    equal(
        mistakes,
        [3, 0, 0, 0],
        "mistakes in each of four epochs",
        "Count from zero in each epoch.",
    )


# %% probe="perceptron"
rng = np.random.default_rng(seed)
x, w, b = rng.normal(size=(9, 3)), rng.normal(size=3), rng.normal()
np.concatenate([neuron(x, w, b, phi) for phi in (np.tanh, lambda z: (z >= 0) + 0.0)])

# %% probe="perceptron" weight=3
rng = np.random.default_rng(seed)
found = []
for epochs in (1, 3, 7):
    x, y = rng.normal(size=(30, 4)), rng.choice([-1, 1], 30)
    w, b, mistakes = perceptron(x, y, epochs)
    found += [*np.ravel(w), b, *mistakes]
np.array(found)

# %% [markdown]
# Four clouds of points, and two questions. In the first, one cloud is positive, that
# where both coordinates are (*and*); in the second, the two clouds where just one of
# them is (*exclusive or*, XOR).
#
# **Predict first.** How many mistakes will there be in the last epoch, for each
# question? There are 80 points.

# %%
prediction = "and: ... mistakes; exclusive or: ... mistakes"

# %%
rng = np.random.default_rng(0)
corners = np.repeat([[-1, -1], [-1, 1], [1, -1], [1, 1]], 20, axis=0)
order = rng.permutation(80)
points = (corners + 0.2 * rng.standard_normal((80, 2)))[order]
first, second = corners[order].T
questions = {
    "and": np.where((first > 0) & (second > 0), 1, -1),
    "exclusive or": np.where(first != second, 1, -1),
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for ax, (name, truth), colour in zip(
    axes, questions.items(), (BLUE, ORANGE), strict=False
):
    w, b, mistakes = perceptron(points, truth, 12)
    plane(
        ax,
        lambda x, w=w, b=b: neuron(x, w, b, lambda z: (z > 0) + 0.0),
        points,
        truth,
        f"{name}: {mistakes[-1]} mistakes at the end",
    )
    axes[2].plot(range(1, 13), mistakes, "o-", color=colour, label=name)
    print(f"{name}: mistakes per epoch {mistakes}")
axes[0].legend(loc="center left", fontsize=8)
axes[2].legend()
panel(axes[2], "One question has an answer", "epoch", "mistakes of 80")
plots.show(
    axes,
    alt="Two planes with 80 made points in four clouds, coloured by the two sides of "
    "the perceptron's line. For 'and' the line cuts the positive cloud off, and the "
    "mistakes per epoch fall to 0. For 'exclusive or' no line fits, and the mistakes "
    "never end.",
)
print("You predicted:", prediction)

# %% [markdown]
# Where a line exists that separates the classes, the rule finds one after finitely many
# mistakes: at most $(R/\gamma)^2$ of them, where $R$ is the length of the longest vector
# $(x_i, 1)$, and $\gamma$ the largest distance that a separating hyperplane through 0
# keeps from all these vectors (Novikoff, 1962). Where none exists, it never comes to rest. XOR has none, however long you train
# (Minsky and Papert, 1969). A second layer will do it, in section 4; and to *train* a
# second layer is what the rest of this lab is about.
#
# ## 2. Softmax
#
# *Deck 001, "Multilayers perceptrons"; deck 004, "SoftMax".* For several classes, the
# output layer has one neuron for each, and the softmax turns their scores $z$ (also
# called logits) into probabilities:
#
# $$\text{softmax}(z)_i = \frac{\exp(z_i)}{\sum_j \exp(z_j)}.$$
#
# The formula is right, and fails as it stands: $e^{710}$ is more than a float64 can
# hold. But a constant $c$ that is subtracted from *all* scores cancels out,
#
# $$\frac{\exp(z_i - c)}{\sum_j \exp(z_j - c)} = \frac{\exp(z_i)\,e^{-c}}
# {\sum_j \exp(z_j)\,e^{-c}} = \text{softmax}(z)_i,$$
#
# so that one may choose the $c$ with which nothing overflows, and not all terms of the
# sum vanish.
#
# Scores come as one vector, or as a batch with an example in each row. The classes are
# always along the **last** axis. (The slide's `torch.softmax(x, dim=0)` normalises a
# batch across its examples: 32 images would share one probability of being a cat.)
#
# ### Exercise 2: `softmax` (2 points)


# %% exercise="softmax" points=2 forbid=["cnnlab", "keras", "tensorflow", "scipy"]
def softmax(z):
    """Probabilities from scores.

    Args:
        z: any numbers, (..., classes).

    Returns:
        Floats of the same shape, positive, with sum 1 along the last axis.
    """
    ### BEGIN SOLUTION
    powers = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)
    ### END SOLUTION


# %% check="softmax"
@check
def softmax_gives_probabilities():
    """softmax() gives the right probabilities, for one vector and for a batch."""
    forbid(softmax, *LIBRARIES)
    close(
        softmax(np.array([2, 1, 0])),
        [0.66524096, 0.24472847, 0.09003057],
        "softmax([2, 1, 0])",
        "Exponentials, divided by their sum.",
    )
    scores = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 5.0]])
    kept, p = scores.copy(), np.asarray(softmax(scores))
    wrong_axis = {0: "over the examples", None: "over the whole batch"}
    for axis, words in wrong_axis.items():
        if p.shape == (2, 3) and np.allclose(p.sum(axis=axis), 1):
            raise Failure(
                f"For two rows of scores, the probabilities sum to 1 {words}.",
                "Each row is an example, and has its own probabilities.",
                "np.sum(powers, axis=-1, keepdims=True)",
            )
    close(p, ops.softmax(kept), "softmax of two rows", "Each row for itself: axis=-1.")
    equal(scores, kept, "the scores after softmax(scores)", "Work on a copy.")


# %% check="softmax"
@check
def softmax_survives_large_scores():
    """softmax() survives scores of any size."""
    with np.errstate(all="ignore"):
        one = np.asarray(softmax(np.array([1000.0, 0.0])))
        two = np.asarray(softmax(np.array([[1000.0, 999.0], [-1000.0, -1001.0]])))
    shift = "Subtract the largest score first: then the largest power is exp(0) = 1."
    if not np.isfinite(one).all():
        raise Failure(
            f"softmax([1000, 0]) is {one}: exp(1000) overflows to inf, and inf / inf "
            "is nan.",
            "What may be subtracted from all scores without changing the result?",
            shift,
        )
    close(one, [1, 0], "softmax([1000, 0])", shift)
    if not np.isfinite(two).all():
        raise Failure(
            f"In a batch with scores around 1000 and around -1000, a row is {two[1]}.",
            "Subtracting 1000 from a row around -1000 leaves nothing but exp(-2000) = "
            "0, and 0 / 0 is nan.",
            "Each row has a largest score of its own: axis=-1, keepdims=True.",
        )
    close(two, [[0.73105858, 0.26894142]] * 2, "softmax of rows near 1000 and -1000")


# %% probe="softmax"
rng = np.random.default_rng(seed)
scores = [rng.normal(size=shape) for shape in ((5,), (7, 3), (2, 3, 4))]
parts = [*map(softmax, scores), softmax(rng.integers(-3, 3, (2, 6))), *scores]
np.concatenate([np.ravel(part) for part in parts])

# %% probe="softmax"
rng = np.random.default_rng(seed)
scores = rng.normal(size=(8, 5)) + np.linspace(-5000, 5000, 8)[:, np.newaxis]
with np.errstate(all="ignore"):
    p = np.concatenate([softmax(scores), softmax(10_000 * scores)])
p

# %% tags=["not-graded"]
shifts = np.linspace(0, 1000, 201)
scores = np.array([2.0, 1.0, 0.0]) + shifts[:, np.newaxis]
with np.errstate(all="ignore"):
    naive = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
titles = "The formula as it stands ends at 708", "Yours does not care"
for ax, p, title in zip(axes, (naive, softmax(scores)), titles, strict=True):
    for k, style in enumerate(("-", "--", ":")):
        ax.plot(shifts, p[:, k], style, color=(BLUE, ORANGE, GREEN)[k], label=2 - k)
    panel(ax, title, "c, added to the scores 2, 1 and 0", "probability")
axes[0].axvspan(708, 1000, color="0.9")
axes[0].text(800, 0.5, "nan", size=12)
axes[1].legend(title="score", loc="center right")
plots.show(
    axes,
    alt="Probabilities of the scores 2+c, 1+c and c against c, from 0 to 1000: 0.67, "
    "0.24 and 0.09 whatever c is. The formula as it stands gives nan from c = 708 on.",
)

# %% [markdown]
# ## 3. Losses
#
# *Deck 001, "Loss functions"; deck 003, "Loss functions for classification /
# regression prediction".* A loss says how wrong the outputs are: one number for each
# example, and the mean of them for a batch of $n$.
#
# | problem | $y$ | output | loss of one example |
# |---|---|---|---|
# | regression | any vector | $f$, a vector | $\sum_j (y_j - f_j)^2$ |
# | two classes | 0 or 1 | $p$ of class 1 | $-y \log p - (1 - y) \log(1 - p)$ |
# | $K$ classes | one-hot | $p$, a vector | $-\sum_j y_j \log p_j$ |
#
# The second is the *binary* cross-entropy, the third the *categorical* one (deck 003
# prints BCE beside both). In both, the loss is $-\log$ of the probability that was
# given to the truth. Deck 003 works it out for a true class of 1: predicted with 1/4,
# the loss is $\log 4 = 2 \log 2$; with 1/8, $3 \log 2$. And for two examples of four
# classes its answer is 0.71355817782.
#
# A probability that was rounded to 0 would give $\log 0 = -\infty$, and
# $0 \cdot \log 0$ nan. So no probability below $10^{-12}$ is let into a logarithm.
#
# ### Exercise 3: three losses (2 points)

# %%
EPSILON = 1e-12  # the smallest number whose logarithm is taken


# %% exercise="losses" points=2 forbid=["cnnlab", "keras", "tensorflow", "sklearn"]
def squared_error(y, f):
    """Mean over the examples of ||y - f||^2.

    Args:
        y, f: truth and outputs, (n, K).
    """
    ### BEGIN SOLUTION
    return np.mean(np.sum((y - f) ** 2, axis=1))
    ### END SOLUTION


def binary_cross_entropy(y, p):
    """Mean over the examples of -(y log p + (1 - y) log(1 - p)); always finite.

    Args:
        y: truth (n,), 0 or 1.
        p: probabilities of class 1, (n,), between 0 and 1, both possible.
    """
    ### BEGIN SOLUTION
    p = np.clip(p, EPSILON, 1 - EPSILON)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    ### END SOLUTION


def cross_entropy(y, p):
    """Mean over the examples of -sum(y log p); always finite.

    Args:
        y: truth (n, K), one-hot rows.
        p: probabilities (n, K), between 0 and 1, both possible.
    """
    ### BEGIN SOLUTION
    return -np.mean(np.sum(y * np.log(np.maximum(p, EPSILON)), axis=1))
    ### END SOLUTION


# %% check="losses"
@check
def the_squared_error_is_a_mean_over_examples():
    """squared_error() sums over the outputs, and takes the mean over the examples."""
    forbid(squared_error, *LIBRARIES)
    y, f = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]]), np.zeros((3, 2))
    rule = "One number for each example: the sum of its squares. Then their mean."
    typical = {
        "This is the sum over the examples.": (15, rule),
        "This is the mean over all numbers.": (2.5, rule),
        "This is the root of it. Squares are asked, without a root.": (5**0.5, rule),
    }
    received = squared_error(y, f)
    recognise(received, typical)
    what = "squared_error of (1, 2), (0, 0) and (3, 1), where the outputs are 0"
    close(received, 5.0, what, rule)


# %% check="losses"
@check
def cross_entropies_are_those_of_the_slides():
    """Both cross-entropies give the values of deck 003, and are always finite."""
    for answer in (binary_cross_entropy, cross_entropy):
        forbid(answer, *LIBRARIES)
    one = np.array([1.0])
    log2, sign = np.log(2), "The logarithm of a probability is negative: mind the sign."
    quarter = binary_cross_entropy(one, one / 4)
    base2 = "You took the logarithm to the base 2."
    recognise(quarter, {base2: (2, "np.log is the natural one.")})
    what = "the class is 1, predicted with 1/4 (slide: 2 log 2)"
    close(quarter, 2 * log2, what, sign)
    close(binary_cross_entropy(one, one / 8), 3 * log2, "predicted with 1/8 (3 log 2)")
    close(
        binary_cross_entropy(0 * one, one / 4),
        -np.log(3 / 4),
        "the class is 0, and 1 was predicted with 1/4",
        "Then the truth had the probability 3/4.",
        "The second term, (1 - y) * log(1 - p), is for y = 0.",
    )
    y, p = np.eye(4)[[3, 3]], np.array([[0.25] * 4, [0.01, 0.01, 0.01, 0.96]])
    received, wanted = cross_entropy(y, p), 0.71355817782
    rule = "A sum over the classes, then the mean over the examples: two of them."
    typical = {
        "This is the sum over the examples of deck 003.": (2 * wanted, rule),
        "The mean runs over classes and examples.": (wanted / 4, rule),
    }
    recognise(received, typical)
    close(received, wanted, "the two examples of deck 003", sign, "-sum(y * log(p))")
    with np.errstate(all="ignore"):
        worst = [
            float(binary_cross_entropy(np.array([1.0, 0.0]), np.array([0.0, 1.0]))),
            float(binary_cross_entropy(np.array([1.0, 0.0]), np.array([1.0, 0.0]))),
            float(cross_entropy(np.eye(2), np.eye(2)[::-1])),
        ]
    if not np.isfinite(worst).all():
        raise Failure(
            f"For probabilities of exactly 0 and 1 the losses are {worst}.",
            "log(0) is -inf, and 0 * log(0) is nan: one of them spoils a whole batch.",
            "np.maximum(p, EPSILON), or np.clip(p, EPSILON, 1 - EPSILON), in the log",
        )
    close(worst[1], 0, "binary cross-entropy of two right and sure answers")


# %% probe="losses"
rng = np.random.default_rng(seed)
np.array([squared_error(*rng.normal(size=(2, n, 3))) for n in (1, 4, 9)])

# %% probe="losses"
rng = np.random.default_rng(seed)
y, p = rng.integers(0, 2, (4, 9)), rng.random((4, 9))
values = [binary_cross_entropy(row, q) for row, q in zip(y, p, strict=True)]
np.array([*values, np.isfinite(binary_cross_entropy(y[0], 1.0 * y[1]))])

# %% probe="losses"
rng = np.random.default_rng(seed)
y, p = np.eye(5)[rng.integers(0, 5, (4, 9))], rng.dirichlet(np.ones(5), (4, 9))
values = [cross_entropy(row, q) for row, q in zip(y, p, strict=True)]
np.array([*values, np.isfinite(cross_entropy(y[0], y[1]))])

# %% tags=["not-graded"]
p = np.linspace(0.004, 1, 250)
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(p, [binary_cross_entropy(np.ones(1), q[np.newaxis]) for q in p], color=BLUE)
ax.plot(
    p, [squared_error(np.ones((1, 1)), q.reshape(1, 1)) for q in p], "--", color=ORANGE
)
ax.text(0.1, 2.6, "cross-entropy, $-\\log p$", color=BLUE)
ax.text(0.02, -0.05, "squared error, $(1 - p)^2$", color=ORANGE)
for q, words in (
    (1 / 8, "$3\\,\\log 2$"),
    (1 / 4, "$2\\,\\log 2$"),
    (3 / 4, "$-\\log 3/4$"),
):
    ax.plot(q, -np.log(q), "o", color=BLUE)
    ax.annotate(words, (q, -np.log(q)), xytext=(7, 4), textcoords="offset points")
title = "Being sure and wrong costs without limit, or at most 1"
panel(ax, title, "probability given to the truth, $p$", "loss")
plots.show(
    ax,
    alt="Two losses against the probability of the true class. The cross-entropy grows "
    "without limit towards p = 0; on it, the three examples of deck 003. The squared "
    "error is never more than 1.",
)

# %% [markdown]
# ## 4. Layers
#
# *Deck 001, "Mathematical formulation".* A multilayer perceptron with $L$ hidden layers
# starts from $h^{(0)} = x$. For $k = 1, \dots, L + 1$
#
# $$a^{(k)} = b^{(k)} + W^{(k)} h^{(k-1)},$$
#
# and behind each hidden layer, $k \le L$, stands the activation,
# $h^{(k)} = \phi(a^{(k)})$. The output is $\psi(a^{(L+1)})$, where $\psi$ is the
# identity for a regression and the softmax for a classification. $W^{(k)}$ has a row
# for each neuron of layer $k$ and a column for each neuron of layer $k - 1$.
#
# We keep the deck's numbers: `W`, `b`, `a` and `h` are dicts, and `W[1]` is $W^{(1)}$.
# So `for k in W` runs from 1 to $L + 1$, `reversed(W)` runs back, and `len(W)` is
# $L + 1$. One thing differs: the deck has one example, a column; we have a batch, with
# an example in each **row**, as everywhere in this course.
#
# | | the deck, one example | here, `n` examples |
# |---|---|---|
# | `W[k]` | (units, inputs) | (units, inputs) |
# | `b[k]` | (units,) | (units,) |
# | `a[k]`, `h[k]` | (units,) | (n, units) |
#
# $\psi$ is left to the loss, for a reason that section 6 gives.
#
# ### Exercise 4: `forward` (2 points)


# %% exercise="forward" points=2 forbid=["cnnlab", "keras", "tensorflow"]
def forward(x, W, b, phi):
    """All values in a multilayer perceptron.

    Args:
        x: inputs (n, inputs).
        W, b: weights (units, inputs) and biases (units,) of layers 1, 2, ..., L + 1.
        phi: the activation of the hidden layers, a function that works on arrays.

    Returns:
        a and h, two dicts: a[k], (n, units), for k = 1, ..., L + 1, and
        h[k] for k = 0, ..., L.
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
@check
def forward_goes_through_all_layers():
    """forward() gives a and h of every layer, for every example."""
    forbid(forward, *LIBRARIES)
    sound_forward(forward)


# %% probe="forward"
rng = np.random.default_rng(seed)
values = []
for sizes, phi in (((4, 3), np.tanh), ((3, 5, 2), np.tanh), ((2, 4, 3, 5), np.cos)):
    ks = range(1, len(sizes))
    W = {k: rng.normal(size=(sizes[k], sizes[k - 1])) for k in ks}
    b = {k: rng.normal(size=sizes[k]) for k in ks}
    a, h = forward(rng.normal(size=(6, sizes[0])), W, b, phi)
    values += [*(np.ravel(a[k]) for k in ks), *(np.ravel(h[k - 1]) for k in ks)]
np.concatenate(values)

# %% [markdown]
# Two hidden neurons are enough for XOR. Here their weights are set by hand: the first
# answers 1 where $x_1 + x_2 > -1$, the second where $x_1 + x_2 > 1$; the output is high
# where the first does and the second does not.


# %% tags=["not-graded"]
def sigmoid(a):
    """1 / (1 + exp(-a)), without overflow."""
    return np.exp(-np.logaddexp(0, -a))


by_hand = {
    "W": {1: 8.0 * np.ones((2, 2)), 2: np.array([[12.0, -12.0]])},
    "b": {1: np.array([8.0, -8.0]), 2: np.array([-6.0])},
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
parts = {
    "First hidden neuron": lambda a, h: h[1][:, 0],
    "Second hidden neuron": lambda a, h: h[1][:, 1],
    "Output: both together solve XOR": lambda a, h: sigmoid(a[2][:, 0]),
}
for ax, (name, part) in zip(axes, parts.items(), strict=True):
    plane(
        ax,
        lambda x, part=part: part(*forward(x, **by_hand, phi=sigmoid)),
        points,
        questions["exclusive or"],
        name,
    )
plots.show(
    axes,
    alt="Three planes with the four clouds of XOR. Each hidden neuron cuts the plane "
    "by a slanting line, one below the middle and one above; the output is high in the "
    "strip between the two lines, where both positive clouds lie.",
)

# %% [markdown]
# The activation is what makes the second layer worth having. Without it,
# $W^{(2)}(W^{(1)} x + b^{(1)}) + b^{(2)}$ is one matrix and one bias again: an affine
# map, however many layers one stacks. (Deck 003 calls it a simple linear regression: an
# affine map with several outputs.)
#
# ## 5. Gradients, the slow way
#
# To train is to move all weights against the gradient of the loss. Backpropagation
# computes it fast, and is easy to get wrong: a network with a wrong gradient often
# still learns, only worse, and nobody notices. So write the test before the thing
# itself. The derivative is a limit, and can be measured: move one entry $x_i$ by a
# small $\varepsilon$ to both sides,
#
# $$\frac{\partial f}{\partial x_i} \approx
# \frac{f(x + \varepsilon e_i) - f(x - \varepsilon e_i)}{2 \varepsilon}.$$
#
# That costs two evaluations for *each* weight, far too many for training, and few
# enough for a test. How far are two gradients apart? Not absolutely: $10^{-4}$ is much
# where the gradient is $10^{-3}$. The **relative error** of an entry is
#
# $$\frac{|\text{analytic} - \text{numeric}|}
# {\max(|\text{analytic}| + |\text{numeric}|,\ 10^{-8})},$$
#
# where the $10^{-8}$ is for those that are both 0. Bands for the largest of all entries
# (after Stanford's CS231n): above $10^{-2}$ the gradient is wrong; above $10^{-4}$ it
# probably is, unless there is a kink; below $10^{-7}$ be happy.
#
# ### Exercise 5: `numerical_gradient` and `relative_error` (2 points)


# %% exercise="gradient_check" points=2 forbid=["cnnlab", "keras", "scipy"]
def numerical_gradient(f, x, step=1e-5):
    """The gradient of f at x by centred differences, in float64.

    Args:
        f: a function that takes an array of the shape of x, and gives a number.
        x: where, an array of any shape; it is as it was afterwards.
        step: how far each entry is moved to both sides, one at a time.

    Returns:
        An array of the shape of x.
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
@check
def differences_are_centred():
    """numerical_gradient() moves one entry at a time, to both sides, in float64."""
    forbid(numerical_gradient, *LIBRARIES)
    x, asked = np.array([[1.0, 2.0, -1.0], [0.5, 3.0, 1.5]], "float32"), []

    def cubes(z):
        asked.append(np.array(z))
        return np.sum(np.asarray(z) ** 3)

    kept, received = x.copy(), numerical_gradient(cubes, x, 0.5)
    equal(x, kept, "x after numerical_gradient(f, x)", "Work on a copy: np.array(x).")
    if not asked:
        raise Failure("f is never called.", "Evaluate f to both sides of each entry.")
    if max(np.sum(np.abs(z - kept) > 1e-3) for z in asked) > 1:
        raise Failure(
            "More than one entry was moved at a time.",
            "Put each entry back before you move the next.",
        )
    if any(z.dtype != np.float64 for z in asked):
        raise Failure(
            f"f is called in {asked[0].dtype}, with 7 digits: the difference of two "
            "almost equal numbers keeps only one or two of them.",
            'x = np.array(x, dtype="float64") is a copy, too.',
        )
    if all(np.abs(z - kept).max() < 0.1 for z in asked):
        raise Failure("The given step is not used.", "Move entries by `step`.")
    rule = (
        "Above minus below, over the distance between the two.",
        "(f(x + step) - f(x - step)) / (2 * step), where one entry is moved",
    )
    only_one = "The difference is one-sided: f(x) itself is of no use here."
    recognise(received, {only_one: (3 * kept**2 + 1.5 * kept + 0.25, *rule)})
    recognise(received, {only_one: (3 * kept**2 - 1.5 * kept + 0.25, *rule)})
    what = "the numerical gradient of the sum of cubes, with step 0.5"
    close(received, 3 * kept**2 + 0.25, what, *rule)


# %% check="gradient_check"
@check
def errors_are_relative():
    """relative_error() is the largest relative error, also where both are 0."""
    forbid(relative_error, *LIBRARIES)
    hint = "np.maximum(..., 1e-8) under the fraction, np.max of all fractions"
    with np.errstate(all="ignore"):
        zero = relative_error(np.zeros(3), np.zeros(3))
    close(
        zero,
        0,
        "relative_error of zeros and zeros",
        "A unit that is off has the gradient 0, and 0 / 0 is nan.",
        hint,
    )
    one, other = np.array([[1.0, -2.0], [1e-3, 0]]), np.array([[1.0, -2.2], [3e-3, 0]])
    close(
        relative_error(one, other),
        0.5,
        f"relative_error of {one.tolist()} and {other.tolist()}",
        "Entry by entry, then the largest: 0.001 and 0.003 are far apart.",
        "|a - n| over |a| + |n|: signs must not cancel.",
        hint,
    )
    close(relative_error(one, -one), 1, "relative_error of a gradient and its negative")


# %% probe="gradient_check" weight=2
rng = np.random.default_rng(seed)
x, c = rng.normal(size=(2, 3, 4)).astype("float32")
values = [
    numerical_gradient(lambda z: np.sum(c * z**3) * np.sum(z), x, step)
    for step in (0.5, 1e-5)
]
np.concatenate([*values, x])

# %% probe="gradient_check"
rng = np.random.default_rng(seed)
one, noise = rng.normal(size=(2, 5, 3))
with np.errstate(all="ignore"):
    errors = [relative_error(one, one + size * noise) for size in (1e-4, 0.1, 1)]
    zero = [relative_error(np.zeros(4), np.array([0, 0, 1e-10, 0]))]
np.array([*np.log(errors), 1e3 * zero[0]])

# %% [markdown]
# How small a step? A small one makes the formula more exact; a tiny one makes
# $f(x + \varepsilon)$ and $f(x - \varepsilon)$ so much alike that their difference is
# nothing but rounding.
#
# **Predict first.** Which step is best for centred differences in float64: $10^{-1}$,
# $10^{-5}$ or $10^{-12}$? And how many digits will be left in float32?

# %%
prediction = "the best step is ...; float32 leaves ... digits"


# %% tags=["not-graded"]
def wave(x):
    """A function of which one knows the derivative, 3 cos(3 x) - exp(-x)."""
    return np.sin(3 * x) + np.exp(-x)


exponents = np.arange(-12, 0, 0.25)
at = np.linspace(0.1, 1, 7)
figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
best = {}
for dtype, marker in (("float64", "o"), ("float32", "s")):
    for name, colour in (("centred", BLUE), ("one-sided", ORANGE)):
        errors = []
        for step in 10**exponents:
            x, e = at.astype(dtype), np.array(step, dtype)
            lower, width = (x - e, 2 * e) if name == "centred" else (x, e)
            slope = (wave(x + e) - wave(lower)) / width
            true = 3 * np.cos(3 * at) - np.exp(-at)
            errors.append(relative_error(true, slope.astype("float64")))
        label, filled = f"{name}, {dtype}", "full" if dtype == "float64" else "none"
        best[label] = 10 ** exponents[np.argmin(errors)], np.min(errors)
        ax.loglog(
            10**exponents,
            errors,
            marker,
            ls="-",
            lw=0.8,
            ms=4,
            color=colour,
            fillstyle=filled,
            label=label,
        )
ax.axhspan(1e-13, 1e-7, color=GREEN, alpha=0.1)
ax.text(2e-2, 2e-13, "be happy", color=GREEN)
ax.set_ylim(1e-13, 3)
ax.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 0.02))
title = "Trust centred differences in float64, with a step near $10^{-5}$"
panel(ax, title, "step $\\varepsilon$", "largest relative error")
plots.show(
    ax,
    alt="Relative error of a numerical derivative against the step, log-log, four "
    "V-shaped curves. Centred differences in float64 get down to 3e-11, for steps near "
    "2e-6, and stay below 1e-7 far around; one-sided ones reach 4e-8 at best, float32 "
    "2e-5.",
)
print("You predicted:", prediction)
for name, (step, error) in best.items():
    print(f"{name:18} best step {step:.0e}, error {error:.0e}")

# %% [markdown]
# Even the best differences can mislead. Beside each of these functions stands a
# gradient; one of the four is wrong. Which? Decide before you look at the numbers.

# %% tags=["not-graded"]
rng = np.random.default_rng(0)
x, near_kink = np.array([1.0, 0.5, -2.0]), np.array([1.0, 3e-6, -2.0])
cases = {  # name: function, where, gradient
    "a kink nearer than the step": (
        lambda z: np.maximum(z, 0).sum(),
        near_kink,
        near_kink > 0,
    ),
    "dropout, other units each time": (lambda z: z @ rng.integers(0, 2, 3), x, x**0),
    "a penalty that hides the rest": (
        lambda z: np.sin(z).sum() + 1e6 * np.sum(z**2),
        x,
        2e6 * x,
    ),
    "a unit that is off, 0 and 0": (lambda z: 0 * z.sum(), x, 0 * x),
}
for name, (f, at_x, gradient) in cases.items():
    error = relative_error(1.0 * gradient, numerical_gradient(f, at_x))
    print(f"{name:31} relative error {error:.0e}")

# %% [markdown]
# - **Kinks**, as of ReLU and max pooling: the first gradient is right, and looks wrong,
#   since one of the two points lies beyond the kink. Look at single entries, and try a
#   smaller step.
# - **Randomness**: the second is right where no unit is dropped, and nothing can be said
#   of it: $f$ must give the same number for the same array. Switch dropout off.
# - **A penalty that dominates**: the third gradient is the wrong one, since the
#   derivative of $\sin$ is missing, and it looks best of all but zeros. Check the loss
#   without the penalty first.
# - **Dead units**: 0 and 0 agree, and prove nothing. Check at weights where units live.
#
# ## 6. The gradient at the output
#
# *Deck 001, "Backpropagation algorithm ...".* Backpropagation starts at the output,
# with $\delta = \nabla_{a^{(L+1)}}\, \ell$: how the loss of one example changes with
# the scores. There are two cases, and the slides mix them: the page titled
# "classification with the cross entropy" goes on with the squared loss.
#
# **Regression.** $f = a$ (no activation), and $\ell = \sum_j (y_j - f_j)^2$: derive it
# yourself. The slides' $-2(y - \psi(a))\,\psi'(a)$ is for one output with an
# activation $\psi$, and right for that.
#
# **Classification.** $p = \text{softmax}(a)$, and $\ell = -\sum_i y_i \log p_i$. Each
# $p_i$ depends on *all* scores, so that no $\psi'$ will do; there is a matrix of
# derivatives,
#
# $$\frac{\partial p_i}{\partial a_j} = p_i\, (\mathbb{1}_{i=j} - p_j), \qquad
# \frac{\partial \ell}{\partial p_i} = -\frac{y_i}{p_i}, \qquad
# \frac{\partial \ell}{\partial a_j}
# = \sum_i \frac{\partial \ell}{\partial p_i} \frac{\partial p_i}{\partial a_j}.$$
#
# Multiply out, and remember that $\sum_i y_i = 1$. What is left is as simple as can be,
# and no logarithm and no quotient is left in it. That is why $\psi$ and the loss belong
# together.
#
# ### Exercise 6: `squared_error_gradient` and `cross_entropy_gradient` (2 points)
#
# One row for each example, its own gradient. The mean over the batch comes later.


# %% exercise="output_gradients" points=2 forbid=["cnnlab", "keras", "tensorflow"]
def squared_error_gradient(y, f):
    """Gradient of ||y - f||^2 for a = f: a row for each example, (n, K).

    Args:
        y, f: truth and outputs, (n, K).
    """
    ### BEGIN SOLUTION
    return 2 * (f - y)
    ### END SOLUTION


def cross_entropy_gradient(y, p):
    """Gradient of -sum(y log p) for a, where p = softmax(a): a row for each example.

    Args:
        y: truth (n, K), one-hot rows.
        p: probabilities (n, K).
    """
    ### BEGIN SOLUTION
    return p - y
    ### END SOLUTION


# %% check="output_gradients"
@check
def the_output_gradients_are_right():
    """Both output gradients are those of their losses, for each example."""
    for answer in (squared_error_gradient, cross_entropy_gradient):
        forbid(answer, *LIBRARIES)
    rng = np.random.default_rng(0)
    a, y = rng.normal(size=(5, 3)), np.eye(3)[[0, 2, 1, 1, 0]]
    p, first, second = (
        ops.softmax(a),
        "squared_error_gradient",
        "cross_entropy_gradient",
    )
    right = {
        first: ops.mean_squared_error_backward(y, a) * y.size,  # of the sum, not mean
        second: ops.softmax_crossentropy_backward(y, a) * len(y),
    }
    slips = {
        "the factor 2 of the square is missing": {first: right[first] / 2},
        "a factor 2 has come in, as of a square": {second: 2 * right[second]},
        "it is the gradient for p, not yet for a": {second: -y / p},
        "it is the slide's, with p (1 - p) as if of a single output": {
            second: -2 * (y - p) * p * (1 - p)
        },
        "it has the derivative of a single sigmoid in it": {
            second: (p - y) * p * (1 - p)
        },
        "it is that of the squared error behind the softmax": {
            second: ops.softmax_backward(2 * (p - y), a)
        },
    }
    hints = {
        first: (
            "Derive (y - f)^2 for f: outer derivative times inner derivative.",
            "It is positive where the output is too large.",
        ),
        second: (
            "Insert the two derivatives of the text into the sum over i.",
            "Sum of -y_i (1[i=j] - p_j): split it in two, and use that y sums to 1.",
            "Prediction minus truth",
        ),
    }
    received = {
        first: squared_error_gradient(y, a),
        second: cross_entropy_gradient(y, p),
    }
    same_gradients(received, right, batch=5, slips=slips, hints=hints)


# %% probe="output_gradients"
rng = np.random.default_rng(seed)
squared_error_gradient(*rng.normal(size=(2, 7, 3)))

# %% probe="output_gradients"
rng = np.random.default_rng(seed)
cross_entropy_gradient(np.eye(4)[rng.integers(0, 4, 9)], rng.dirichlet(np.ones(4), 9))

# %% [markdown]
# Is it true? Ask the differences of exercise 5. A constant added to all scores changes
# nothing (section 2), so the cross-entropy's gradient must sum to 0. And look at what
# the right pairing is good for: with a softmax *and* the squared loss, or with the
# slide's formula, whoever is sure and wrong gets no gradient, and stays wrong.

# %% tags=["not-graded"]
rng = np.random.default_rng(1)
scores, y = rng.normal(size=(1, 4)), np.eye(4)[[2]]
pairs = {
    "squared error, identity": (squared_error, squared_error_gradient, lambda a: a),
    "cross-entropy, softmax": (cross_entropy, cross_entropy_gradient, softmax),
}
for name, (loss, gradient, psi) in pairs.items():
    numeric = numerical_gradient(lambda a, f=loss, psi=psi: f(y, psi(a)), scores)
    error = relative_error(gradient(y, psi(scores)), numeric)
    print(f"{name:24} error {error:.0e}, sum {numeric.sum():+.4f}")

p = np.linspace(0, 1, 101)
truth, both = np.array([[1.0, 0.0]]), np.stack([p, 1 - p], axis=1)
figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
ax.plot(p, np.abs(cross_entropy_gradient(truth, both)[:, 0]), color=BLUE)
ax.plot(p, 4 * p * (1 - p) ** 2, "--", color=ORANGE)
ax.plot(p, 2 * p * (1 - p) ** 2, ":", color=GREEN)
ax.text(0.3, 0.78, "cross-entropy", color=BLUE)
ax.text(0.57, 0.47, "squared loss behind a softmax", color=ORANGE)
ax.text(0.25, 0.2, "the slide's formula", color=GREEN)
title = "Sure and wrong, on the left: only the cross-entropy pulls"
panel(ax, title, "probability given to the truth", "size of the gradient")
plots.show(
    ax,
    alt="Size of the gradient for the score of the true class, of two, against its "
    "probability p. Cross-entropy: a straight line from 1 at p = 0 to 0 at p = 1. "
    "Squared loss behind a softmax, and the slide's formula: 0 at both ends.",
)

# %% [markdown]
# ### Written question: two slides in one (1 point)

# %% [markdown] question="two_slides" points=1
# Someone trains a classifier with a softmax and computes, element by element, the
# $-2(y - p)\,p(1 - p)$ that the slides' formula becomes. Of which loss is that the
# gradient: of the cross-entropy, of the squared error behind a softmax, or of neither?
# Give the reason, and say how such a network behaves on examples that it gets surely
# wrong.
#
# ### BEGIN SOLUTION
# *1 point.* Half a point: of neither. The cross-entropy's is $p - y$; for the squared
# error, the softmax's derivatives form a full matrix (each probability depends on all
# scores), and its entries off the diagonal, $-p_i p_j$, are left out here. Half a
# point: for $p$ near 0 at the true class the factor $p(1 - p)$ vanishes, and so does
# the gradient: the example is not corrected, training stalls on it.
# ### END SOLUTION

# %% [markdown]
# ## 7. Backpropagation
#
# *Deck 001, "Backpropagation equations".* (The method was found several times. The deck
# names LeCun, 1986; Rumelhart, Hinton and Williams made it famous in the same year.)
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
# In matrices, as on the slide: $\nabla_{W^{(k)}} = \delta^{(k)} (h^{(k-1)})^T$,
# $\nabla_{b^{(k)}} = \delta^{(k)}$, and
# $\delta^{(k-1)} = (W^{(k)})^T \delta^{(k)} \odot \phi'(a^{(k-1)})$. From
# $\delta^{(L+1)}$, exercise 6, all else follows, layer by layer, from the last to the
# first: that is why it is called *back*propagation, and each layer costs about two more
# matrix products.
#
# For a batch, `delta` has a row for each example, like `a[k]`. The loss of a batch is
# the **mean** over its $n$ examples, and so are the gradients of weights and biases,
# which all examples share. The gradient for `x` has a row for each example: how the
# loss of this one changes with its own inputs.
#
# ### Exercise 7: `backward` (4 points)
#
# The shapes tell you where to transpose: `dW[k]` is shaped like `W[k]`. `dphi` is
# $\phi'$, and takes what $\phi$ takes: `a`. Beware of formulas like $h(1 - h)$ for the
# sigmoid: they take $h$, and hold for one $\phi$ only.


# %% exercise="backward" points=4 forbid=["cnnlab", "keras", "tensorflow"]
def backward(delta, W, a, h, dphi):
    """Gradients of the mean loss of a batch, by backpropagation.

    Args:
        delta: the output gradient of each example, (n, outputs).
        W: weights (units, inputs) of layers 1, ..., L + 1; they stay as they are.
        a, h: what forward gave for this batch.
        dphi: the derivative of the activation, a function of a.

    Returns:
        dW and db, two dicts: means over the examples, shaped like W[k] and b[k]; and
        dx, (n, inputs): for each example, the gradient of its own loss for its inputs.
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
@check
def backward_gives_all_gradients():
    """backward() gives the gradients of all weights, biases and inputs."""
    forbid(backward, *LIBRARIES)
    sound_backward(backward)


# %% probe="backward"
rng = np.random.default_rng(seed)
parts = {"dW": [], "db": [], "dx": []}
for sizes in ((4, 3), (3, 5, 2), (2, 4, 3, 5)):
    ks = range(1, len(sizes))
    W = {k: rng.normal(size=(sizes[k], sizes[k - 1])) for k in ks}
    a = {k: rng.normal(size=(6, sizes[k])) for k in ks}
    h = {k: rng.normal(size=(6, sizes[k])) for k in range(len(sizes))}
    dW, db, dx = backward(rng.normal(size=(6, sizes[-1])), W, a, h, np.cos)
    parts["dW"] += [np.ravel(W[k]) for k in ks]  # as they were
    parts["dW"] += [np.shape(dW[k]) + tuple(np.ravel(dW[k])) for k in ks]
    parts["db"] += [np.shape(db[k]) + tuple(np.ravel(db[k])) for k in ks]
    parts["dx"] += [np.shape(dx) + tuple(np.ravel(dx))]
{name: np.concatenate(values) for name, values in parts.items()}

# %% [markdown]
# Now the proof, for whole networks: each gradient against differences, for three
# activations and both losses.
#
# **Predict first.** One of the three activations has a kink. Will one see it?

# %%
prediction = "yes or no, and why"


# %% tags=["not-graded"]
def tanh_derivative(a):
    return 1 - np.tanh(a) ** 2


def relu(a):
    return np.maximum(a, 0)


def relu_derivative(a):
    return (a > 0).astype(a.dtype)


def sigmoid_derivative(a):
    return sigmoid(a) * (1 - sigmoid(a))


def start(sizes, seed=0, dtype="float64"):
    """Random weights of variance 1 / inputs, and biases 0."""
    rng = np.random.default_rng(seed)
    W = {
        k: (rng.normal(size=(n, m)) / np.sqrt(m)).astype(dtype)
        for k, (m, n) in enumerate(zip(sizes, sizes[1:], strict=False), 1)
    }
    return W, {k: np.zeros(len(W[k]), dtype) for k in W}


def gradient_errors(x, y, phi, dphi, loss, loss_gradient, psi):
    """Relative error of each gradient of a network with two hidden layers, by name."""
    W, b = start((x.shape[1], 6, 5, y.shape[1]), seed=3)

    def mean_loss(x, W, b):
        return loss(y, psi(forward(x, W, b, phi)[0][len(W)]))

    a, h = forward(x, W, b, phi)
    dW, db, dx = backward(loss_gradient(y, psi(a[len(W)])), W, a, h, dphi)
    numeric, analytic = {}, {}
    for k in W:
        numeric[f"W{k}"] = numerical_gradient(
            lambda v, k=k: mean_loss(x, W | {k: v}, b), W[k]
        )
        numeric[f"b{k}"] = numerical_gradient(
            lambda v, k=k: mean_loss(x, W, b | {k: v}), b[k]
        )
        analytic |= {f"W{k}": dW[k], f"b{k}": db[k]}
    numeric["x"] = numerical_gradient(lambda v: mean_loss(v, W, b), x)
    analytic["x"] = dx / len(x)  # differences see the mean loss
    return {name: relative_error(analytic[name], numeric[name]) for name in numeric}


# %% tags=["not-graded"]
rng = np.random.default_rng(11)
x, targets = rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
classes = np.eye(3)[rng.integers(0, 3, 8)]
activations = {
    "sigmoid": (sigmoid, sigmoid_derivative),
    "tanh": (np.tanh, tanh_derivative),
    "ReLU": (relu, relu_derivative),
}
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
worst = {}
for pair, y, marker in zip(pairs, (targets, classes), "so", strict=True):
    for (name, functions), colour in zip(
        activations.items(), (BLUE, ORANGE, GREEN), strict=True
    ):
        loss, loss_gradient, psi = pairs[pair]
        errors = gradient_errors(x, y, *functions, loss, loss_gradient, psi)
        worst[f"{name}, {pair}"] = max(errors.values())
        ax.semilogy(
            errors.keys(),
            errors.values(),
            marker,
            color=colour,
            alpha=0.8,
            fillstyle="none" if marker == "s" else "full",
            label=f"{name}, {pair}",
        )
ax.axhspan(1e-12, 1e-7, color=GREEN, alpha=0.1)
ax.axhspan(1e-2, 1, color=ORANGE, alpha=0.1)
ax.text(0, 3e-2, "wrong", color=ORANGE)
ax.text(0, 2e-12, "be happy", color=GREEN)
ax.set_ylim(1e-12, 1)
ax.legend(fontsize=7, bbox_to_anchor=(1, 1), loc="upper left", frameon=False)
title = "Every gradient of six networks agrees with differences"
panel(ax, title, "gradient for", "largest relative error")
plots.show(
    ax,
    alt="Largest relative error of the gradients for weights and biases of three "
    "layers and for the inputs, for six networks, on a logarithmic axis with the bands "
    "'wrong' above 1e-2 and 'be happy' below 1e-7. The worst of all: "
    f"{max(worst.values()):.0e}.",
)
print("You predicted:", prediction)
print(f"worst of all: {max(worst.values()):.0e}")

# %% [markdown]
# A kink is seen only by an entry whose step crosses it: here the nearest $a$ is much
# farther than $10^{-5}$ from 0. In a large network, with millions of ReLUs, there is
# always one. And there is a trap: an example that switches off a whole layer of ReLUs
# leaves the next layer with its biases alone. If these are 0, it stands exactly on its
# kinks. (Draw `x` with seed 0 instead of 11, and see.)
#
# ### Written question: three reports (1 point)

# %% [markdown] question="three_reports" points=1
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
# be said: float32 has 7 digits, too few for differences with this step; repeat in
# float64.
# ### END SOLUTION

# %% [markdown]
# ## 8. Stochastic gradient descent
#
# *Deck 001, "The stochastic gradient descent algorithm".* The gradient of all $n$
# examples for every single step would be a waste: a **batch** $B$ of $m$ examples,
# drawn at random, points roughly the same way and costs a fraction,
#
# $$\theta \leftarrow \theta - \varepsilon\, \frac{1}{m} \sum_{i \in B}
# \nabla_\theta\, \ell(f(x_i, \theta), y_i),$$
#
# where $\theta$ are all weights and biases, and $\varepsilon$ is the **learning rate**.
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

    Returns:
        W and b at the end of the epoch.
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
@check
def sgd_epoch_steps_after_each_batch():
    """sgd_epoch() shows every example once, in a new order, and steps downhill."""
    forbid(sgd_epoch, *LIBRARIES)
    sound_sgd_epoch(sgd_epoch)


# %% probe="sgd_epoch" weight=2
moved = []
for size in (8, 3, 5):
    run = watch_epoch(sgd_epoch, examples=8, batch_size=size, seed=seed % 1000 + size)
    moved += [np.ravel(way) for way in run.moved.values()]
np.concatenate(moved)

# %% probe="sgd_epoch" compare="equal"
rng = np.random.default_rng(seed)
runs = [watch_epoch(sgd_epoch, examples=11, batch_size=4, rng=rng) for _ in range(2)]
facts = [sorted(run.sizes) + sorted(run.seen) for run in runs]
shuffled = runs[0].seen != runs[1].seen and sorted(runs[0].seen) != runs[0].seen
np.array([*facts[0], *facts[1], shuffled, *(run.seen == run.labels for run in runs)])

# %% [markdown]
# That is all there is to training. Here are both problems: a regression, a noisy curve
# by one input and one output; and XOR, which no perceptron can do. One thing must not
# be forgotten: the weights must not start at 0, or all neurons of a layer do the same
# for ever (not "all layers", as deck 004 has it; and its
# `np.random.randn((2, 2)) * 0.01` raises a TypeError). `start` above draws them at
# random. Lab 3 is about how.
#
# **Predict first.** Which batch size will learn XOR in the fewest *epochs*: 1, 8 or all
# 80 points? All with the same learning rate.

# %%
prediction = "batches of ..."


# %% tags=["not-graded"]
def regression_gradients(x, y, W, b):
    """dW and db of the squared error of a tanh network."""
    a, h = forward(x, W, b, np.tanh)
    delta = squared_error_gradient(y, a[len(W)])
    dW, db, _ = backward(delta, W, a, h, tanh_derivative)
    return dW, db


def classifier_gradients(x, y, W, b):
    """dW and db of the cross-entropy of a tanh network with a softmax."""
    a, h = forward(x, W, b, np.tanh)
    delta = cross_entropy_gradient(y, softmax(a[len(W)]))
    dW, db, _ = backward(delta, W, a, h, tanh_derivative)
    return dW, db


def probabilities(x, W, b):
    """Of each class, (n, K), by a tanh network."""
    return softmax(forward(x, W, b, np.tanh)[0][len(W)])


figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
rng = np.random.default_rng(0)
inputs = rng.uniform(-1.5, 1.5, (60, 1))
outputs = np.sin(3 * inputs) + 0.15 * rng.normal(size=(60, 1))
W, b = start((1, 12, 1), seed=1)
W[1] *= 4  # so that the first layer's tanh bend within the interval
for _ in range(train.budget(smoke=100, cpu=600, gpu=600)):
    W, b = sgd_epoch(regression_gradients, inputs, outputs, W, b, 10, 0.05, rng)
line = np.linspace(-1.5, 1.5, 200)[:, np.newaxis]
axes[0].plot(inputs, outputs, "o", color="0.6", ms=4, label="examples")
axes[0].plot(line, np.sin(3 * line), ":", color=BLUE, label="the truth")
axes[0].plot(line, forward(line, W, b, np.tanh)[0][2], color=ORANGE, label="network")
axes[0].legend(fontsize=8)
panel(axes[0], "Regression: 12 tanh units bend", "$x$", "$y$")

truth = np.eye(2)[(questions["exclusive or"] + 1) // 2]
for batch_size, colour in ((1, GREEN), (8, ORANGE), (80, BLUE)):
    (W, b), rng, history = start((2, 6, 2), seed=0), np.random.default_rng(0), []
    for _ in range(40):
        W, b = sgd_epoch(
            classifier_gradients, points, truth, W, b, batch_size, 0.2, rng
        )
        history.append(cross_entropy(truth, probabilities(points, W, b)))
    axes[1].semilogy(
        range(1, 41), history, color=colour, label=f"batches of {batch_size}"
    )
    print(f"batches of {batch_size:2}: loss {history[-1]:.4f} after 40 epochs")
    if batch_size == 8:
        solved = W, b
axes[1].legend(fontsize=8)
panel(axes[1], "XOR: small batches, more steps", "epoch", "cross-entropy")
plane(
    axes[2],
    lambda x: probabilities(x, *solved)[:, 1],
    points,
    questions["exclusive or"],
    "XOR, learned in batches of 8",
)
plots.show(
    axes,
    alt="Three panels. A network with 12 tanh units follows a noisy sine. The loss of "
    "XOR against the epoch falls fastest in batches of 1, slowest in one batch of 80. "
    "The plane of XOR, coloured by a network's probabilities: the four clouds are "
    "told apart.",
)
print("You predicted:", prediction)

# %% [markdown]
# With batches of 1 there are 80 steps in an epoch, with one batch of 80 a single step.
# Per epoch the small ones win, per second it is another matter: a matrix product with
# 80 rows takes hardly longer than one with a single row. Batches of 16 to 256 are the
# usual compromise.
#
# ## 9. The same in Keras
#
# Keras keeps the transpose: a `Dense` layer's kernel is (inputs, units), since it
# computes `x @ kernel + bias`. With the same weights, the same batches and the same
# learning rate, it must do the same as your code, to the last digits. It computes in
# float32 unless told otherwise; with float64 the two agree to more than 6 digits, after
# a whole epoch of steps. (The JAX backend has no float64 unless it is switched on.)


# %% tags=["not-graded"]
def twin(W, b):
    """The same network in Keras, with a tanh after each hidden layer."""
    model = keras.Sequential([keras.Input((W[1].shape[1],), dtype="float64")])
    for k in W:
        activation = "tanh" if k < len(W) else None
        model.add(layers.Dense(len(W[k]), activation=activation, dtype="float64"))
    model.set_weights([part for k in W for part in (W[k].T, b[k])])
    return model


def compare_with_keras(x, y, sizes, batch_size, learning_rate):
    """Largest differences between NumPy and Keras after one epoch: weights, loss."""
    W, b = start(sizes, seed=5)
    model, batches = twin(W, b), []

    def gradients(x, y, W, b):
        batches.append((x, y))
        return classifier_gradients(x, y, W, b)

    model.compile(
        keras.optimizers.SGD(learning_rate),
        keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64"),
        run_eagerly=True,
    )
    rng = np.random.default_rng(0)
    W, b = sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng)
    for batch in batches:
        model.train_on_batch(*batch)
    mine = [part for k in W for part in (W[k].T, b[k])]
    theirs = model.get_weights()
    apart = max(np.abs(u - v).max() for u, v in zip(mine, theirs, strict=True))
    logits = keras.ops.convert_to_numpy(model(x))
    loss = cross_entropy(y, probabilities(x, W, b)), cross_entropy(y, softmax(logits))
    return apart, loss, str(theirs[0].dtype), len(batches)


@check
def keras_agrees():
    """Keras, trained on the same batches, ends at the same weights and loss."""
    apart, loss, dtype, steps = compare_with_keras(points, truth, (2, 6, 4, 2), 8, 0.25)
    print(f"after {steps} steps in {dtype}: weights differ by {apart:.0e} at most,")
    print(f"loss {loss[0]:.12f} in NumPy, {loss[1]:.12f} in Keras")
    tolerance = 1e-6 if dtype == "float64" else 1e-4
    if not apart < tolerance:
        raise Failure(
            f"Weights differ by {apart:.2g}, more than {tolerance:g}.",
            "The checks of softmax, forward, both gradients and backward must pass.",
        )


# %% [markdown]
# ## 10. Reading digits
#
# MNIST: 28×28 pixels are 784 inputs, ten classes are ten outputs, 128 hidden neurons
# stand between: 101,770 parameters. The split is that of lab 4: the network learns from
# the training images, validation images are looked at after each epoch, and the test
# images once, at the end.

# %% tags=["not-graded"]
mnist = data.load("mnist")
(x_train, y_train), (x_val, y_val) = data.split(
    mnist.x_train, mnist.y_train, validation=1 / 6
)


def as_inputs(images, labels):
    """Images as rows of 784 numbers from 0 to 1; labels as one-hot rows."""
    rows = images.reshape(len(images), -1).astype("float32") / 255
    return rows, np.eye(10, dtype="float32")[labels]


W, b = start((784, 128, 10), dtype="float32")
x, y = as_inputs(x_val, y_val)
print(
    f"parameters: {sum(w.size for w in W.values()) + sum(v.size for v in b.values()):,}"
)
print(f"loss before training: {cross_entropy(y, probabilities(x, W, b)):.2f}")
print(f"ln 10 = {np.log(10):.2f}")

# %% [markdown]
# Who gives 1/10 to each class has a loss of $\ln 10$. A start far above that would say
# that the first weights are too large.
#
# **Predict first.** Which share of new digits will it read right? And how long will one
# epoch take?

# %%
prediction = "... % right, ... seconds per epoch"

# %% tags=["not-graded"]
is_large = len(x_train) > 10_000  # MNIST; the stand-in has about 1,000 to train on
EPOCHS = 10 if is_large else train.budget(smoke=15, cpu=40, gpu=40)
training, validation = as_inputs(x_train, y_train), as_inputs(x_val, y_val)
looked_at = {"": [part[:5000] for part in training], "val_": validation}
rng, history, begin = np.random.default_rng(0), {}, time.perf_counter()
for _ in train.progress(EPOCHS):
    W, b = sgd_epoch(classifier_gradients, *training, W, b, 32, 0.2, rng)
    for kind, (x, y) in looked_at.items():
        p = probabilities(x, W, b)
        right = np.mean(p.argmax(axis=1) == y.argmax(axis=1))
        history.setdefault(f"{kind}loss", []).append(float(cross_entropy(y, p)))
        history.setdefault(f"{kind}accuracy", []).append(float(right))
seconds = (time.perf_counter() - begin) / EPOCHS

# %% tags=["not-graded"]
axes = plots.curves(
    history, title=f"{mnist.name}: 784-128-10 in plain NumPy, {EPOCHS} epochs"
)
plots.show(
    axes,
    alt="Loss and accuracy of the NumPy network against the epoch, on training and "
    "validation images. Validation accuracy at the end: "
    f"{history['val_accuracy'][-1]:.1%}.",
)
p_test = probabilities(as_inputs(mnist.x_test, mnist.y_test)[0], W, b)
accuracy = np.mean(p_test.argmax(axis=1) == mnist.y_test)
print("You predicted:", prediction)
print(f"test accuracy on {mnist.name}: {accuracy:.2%}; {seconds:.2f} s per epoch")


@check
def digits_are_read():
    """The network of plain NumPy reads more than 95 % of new digits."""
    floor = train.budget(smoke=0.9, cpu=0.95, gpu=0.95)
    if accuracy < floor:
        raise Failure(
            f"{accuracy:.1%} of the test images are right, less than {floor:.0%}.",
            "Do all checks above pass? Run the notebook from the top.",
            "A loss that stays near ln 10: no gradient arrives. One that is nan: the "
            "softmax overflows, or a logarithm meets 0.",
        )


# %% [markdown]
# What to expect (another machine gives slightly other numbers; a GPU does not help,
# since NumPy computes on the processor):
#
# | data | epochs | validation | test |
# |---|---|---|---|
# | MNIST | 10 | 97.5 % | 97.7 % |
# | digits, the stand-in | 40 | 96.3 % | 96.4 % |
#
# LeNet (lab 4) makes about half as many errors on MNIST, with fewer parameters. The
# errors of which this network is most convinced:

# %% tags=["not-graded"]
axes = plots.error_gallery(
    mnist.x_test,
    mnist.y_test,
    p_test,
    class_names=mnist.class_names,
    count=16,
    title=f"784-128-10 on {mnist.name}",
)
worst = plots.worst_errors(mnist.y_test, p_test)[:3]
first = ", ".join(f"{mnist.y_test[i]} taken for {p_test[i].argmax()}" for i in worst)
plots.show(axes, alt=f"Up to 16 misclassified digits, the surest first: {first}, ...")

# %% [markdown]
# And what do the hidden neurons look for? Each row of $W^{(1)}$ has a weight for each
# pixel, and can be shown as an image.

# %% tags=["not-graded"]
rows = W[1][:8].reshape(8, 28, 28)
axes = plots.filters(
    rows.transpose(1, 2, 0)[:, :, np.newaxis],
    [f"neuron {k}" for k in range(1, 9)],
    title=f"{mnist.name}: what 8 of the 128 hidden neurons weigh",
)
plots.show(
    axes,
    alt="Weights of 8 hidden neurons as 28 by 28 images: purple where ink excites the "
    "neuron, orange where it inhibits; noisy blobs and strokes in the middle.",
)

# %% [markdown]
# Patches of strokes in the middle; along the edges, where there is never any ink, the
# weights are still as they were drawn. Each neuron looks at all pixels at once, and
# knows nothing of neighbours: for that there are convolutions.
#
# ## Go further
#
# Not graded. Take what interests you:
#
# - **Momentum.** Keep a velocity, $v \leftarrow 0.9\, v - \varepsilon\, \nabla$, and
#   step by $v$. How many epochs does that save?
# - **What would change your mind?** `dx` says how each pixel changes the loss. Draw it
#   for a digit, for several wrong labels; then move the image a little along it, and
#   watch the probabilities.
# - **The slide's formula.** Train on MNIST with $-2(y - p)\,p(1 - p)$ in place of
#   `cross_entropy_gradient`. It learns. How much worse?
# - **Depth.** 784-128-128-128-10 with sigmoids: print the mean size of each `dW[k]`.
#   Lab 3 explains what you see.
# - **A convolution's backward pass.** The gradient for the input of a convolution is a
#   convolution too. With which kernel?
