"""The checks of lab 2: one neuron, losses, backpropagation, gradient descent.

What belongs to a network is kept by layer, in dicts, with an example in each row:
`W[k]` `(units, inputs)`, `b[k]` `(units,)`, `a[k]` and `h[k]` `(batch, units)` for
k = 1, 2, ..., and `h[0]`, the inputs. A slip is what is right with a step replaced.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace

import numpy as np

from cnnlab import train
from cnnlab.teaching.check import Failure, check, close, equal, frozen, recognise
from cnnlab.teaching.gradients import same_gradients

_NUMPY = ["cnnlab", "keras", "tensorflow"]  # what most exercises forbid


def _same(received, right: Callable, slips: Mapping, case: tuple, what: str, hints):
    """Fail unless `received` is `right(*case)`; name the slip that gives it."""
    try:
        close(received, right(*case), f"{what} gives something else", *hints)
    except Failure:
        known = {words: (wrong, *hints) for words, wrong in slips.items()}
        recognise(received, known, *case)
        raise


def _with(function: Callable, **slips: Mapping) -> dict[str, Callable]:
    """Words -> the function with one step, an argument of it, replaced.

    Args: the name of each argument, `{words: wrong step}`.
    """
    return {
        words: partial(function, **{step: wrong})
        for step, some in slips.items()
        for words, wrong in some.items()
    }


def _fail_if(wrong: bool, message: str, *hints: str) -> None:
    if wrong:
        raise Failure(message, *hints)


def _parts(result, function: str, names: str) -> tuple:
    """The parts of a result, as many as there are names, or a failure."""
    wanted = names.replace(" and", ",").split(", ")
    received = "None" if result is None else type(result).__name__
    if isinstance(result, tuple | list):
        if len(result) == len(wanted):
            return tuple(result)
        received += f" of {len(result)}"
    raise Failure(
        f"{function} must return {names}. Received: {received}.",
        f"Does the function end with `return {', '.join(wanted)}`?",
    )


# ---- Exercise 1: one neuron


def _neuron(x, w, b, phi):
    return phi(x @ w + b)


def _rosenblatt(x, y, epochs, *, is_wrong=None, push=None, at_once=True) -> tuple:
    """w and, as its last entry, b; and for each epoch the number of mistakes."""
    x = np.c_[x, np.ones(len(x))]
    theta, counts = np.zeros(x.shape[1]), []
    for _ in range(epochs):
        before, missed = theta, 0
        for x_i, y_i in zip(x, y, strict=True):
            f = (theta if at_once else before) @ x_i
            wrong = is_wrong(y_i, f) if is_wrong else y_i * f <= 0
            pushed = push(x_i, y_i, f) if push else y_i * x_i
            theta, missed = theta + wrong * pushed, missed + wrong
        counts.append(missed)
    return theta, counts


def _left(x, y, epochs) -> tuple:
    """As `_rosenblatt`, with the mistakes that are left after each epoch."""
    ends = [_rosenblatt(x, y, epoch)[0] for epoch in range(1, epochs + 1)]
    scores = [np.c_[x, np.ones(len(x))] @ theta for theta in ends]
    return ends[-1], [np.sum(y * f <= 0) for f in scores]


# fmt: off
_NEURON_SLIPS = {
    "The activation phi is left out.": lambda x, w, b, phi: x @ w + b,
    "The bias b is left out.": lambda x, w, b, phi: phi(x @ w),
    "b was added to each weight.": lambda x, w, b, phi: phi(x @ (w + b)),
    "b came after the activation.": lambda x, w, b, phi: phi(x @ w) + b,
}
_NEURON_HINTS = (
    "First the sum of what is weighed and the bias, then the activation.",
    "Weigh with x @ w, add b, apply phi to the sum.",
)
_RULE_SLIPS = _with(_rosenblatt, is_wrong={
    "Nothing is ever learned.": lambda y, f: y * f < 0,
    "The weights change for right answers, too.": lambda y, f: True,
    "f(x) = 0 was taken for an answer: positive.": lambda y, f: (f >= 0) != (y > 0),
    "f(x) = 0 was taken for an answer: negative.": lambda y, f: (f > 0) != (y > 0),
}, push={
    "The weights are pushed the wrong way.": lambda x, y, f: -y * x,
    "The bias is never changed.": lambda x, y, f: y * np.append(x[:-1], 0),
    "The step is twice too large: y_i minus the answer is 2 or -2.":
        lambda x, y, f: (y - np.sign(f)) * x,
}, at_once={
    "The weights change once per epoch, not at each mistake.": False,
}) | {"These are the mistakes that are left after each epoch.": _left}
_RULE_HINTS = (  # of w and b; of the mistakes
    (
        "Right answers change nothing; a mistake changes w and b at once.",
        "A mistake: y_i and f(x_i) have not the same sign, y_i * f(x_i) <= 0. At the "
        "start f(x) = 0 for all x, on neither side: that is a mistake, too.",
        "w = w + y_i * x_i and b = b + y_i",
    ),
    ("Count from zero in each epoch, when the mistake is made.",),
)
# fmt: on


@check(forbid=["cnnlab", "keras", "sklearn"], read="section 1, its formula,")
def neuron(neuron):
    """neuron() is phi(<w, x> + b), for every row of x."""
    x, w = frozen([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]]), frozen([2.0, -1.0])
    one = frozen([[1, 0, 2]]), frozen([0.5, 1.0, -1.0]), -1, np.tanh
    for case in ((x, w, 0.5, np.square), one):
        what = f"neuron(x, w, b, phi), x of shape {case[0].shape},"
        _same(neuron(*case), _neuron, _NEURON_SLIPS, case, what, _NEURON_HINTS)


@check(forbid=["cnnlab", "keras", "sklearn"], read="section 1, 'Rosenblatt's rule',")
def perceptron(perceptron):
    """perceptron() follows Rosenblatt's rule, and counts its mistakes."""
    made = np.random.default_rng(1).normal(size=(7, 3))
    sides = np.where(made.sum(axis=1) > made[0].sum(), 1, -1)  # the first one: -1
    corners = [[2, 1], [-1, 1], [1, -2], [-2, -1], [1, 2]]
    for x, y, epochs in ((corners, [1, -1, -1, -1, 1], 4), (made, sides, 6)):
        case = frozen(x), frozen(y), epochs
        w, b, mistakes = _trained(perceptron, case)
        _check_part([*w, b], 0, case)
        if np.shape(mistakes) != (epochs,):
            raise Failure(
                f"After {epochs} epochs mistakes is {mistakes!r:.80}: it wants a "
                "number for every epoch, also where that is 0.",
                *_RULE_HINTS[1],
            )
        _check_part(mistakes, 1, case)


def _trained(perceptron: Callable, case: tuple) -> tuple:
    try:
        return _parts(perceptron(*case), "perceptron", "w, b and mistakes")
    except TypeError as error:
        if "cast" not in str(error):
            raise
        raise Failure(
            "Your weights are integers, which cannot take the inputs' fractions.",
            "np.zeros(d) has floats, as long as no dtype=int is asked for.",
        ) from None


def _check_part(received, part: int, case: tuple) -> None:
    """The first part of `_rosenblatt`, w and b, or the second, the mistakes."""

    def part_of(trained):
        return lambda *case: trained(*case)[part]

    slips = {words: part_of(wrong) for words, wrong in _RULE_SLIPS.items()}
    what = f"{('w and b', 'mistakes')[part]} after {case[-1]} epochs"
    _same(received, part_of(_rosenblatt), slips, case, what, _RULE_HINTS[part])


# ---- Exercise 2: softmax


def _softmax(z, *, shift=np.max, axis=-1):
    powers = np.exp(z - shift(z, axis=-1, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _hidden_overflow(z):
    powers = np.nan_to_num(np.exp(z))
    return powers / (powers.sum(axis=-1, keepdims=True) + 1e-12)


# fmt: off
_AXIS_SLIPS = _with(_softmax, axis={
    "The probabilities sum to 1 over the examples.": 0,
    "The probabilities sum to 1 over the second axis, not over the last.": 1,
    "The probabilities sum to 1 over the whole batch.": None,
})
_AXIS_HINTS = (
    "Exponentials, divided by their sum.",
    "The classes are along the last axis: each row has its own sum.",
    "np.sum(powers, axis=-1, keepdims=True)",
)
_LARGE_SLIPS = _with(_softmax, shift={
    "exp(1000) overflows to inf, and inf / inf is nan.": lambda z, **_: 0,
    "Some rows are nan: what was subtracted is the largest score of all rows. "
    "exp(-6000) is 0, and 0 / 0 is nan.": lambda z, **_: z.max(),
    "Some rows are nan: subtract the largest, not the mean.": np.mean,
    "Some rows are nan: subtract the largest score, not the largest size.":
        lambda z, **look: np.abs(z).max(**look),
}) | {"This is an overflow hidden: exp(1000) is exp(999) here.": _hidden_overflow}
_LARGE_HINTS = (
    "What may be subtracted from all scores without changing the result?",
    "Subtract the largest score first: then the largest power is exp(0) = 1.",
    "Each row has a largest score of its own: axis=-1, keepdims=True.",
)
# fmt: on


@check(forbid=[*_NUMPY, "scipy"], read="section 2, from 'The formula is right',")
def softmax(softmax):
    """softmax() gives probabilities, for scores of any shape and any size."""
    rng = np.random.default_rng(0)
    for scores in (rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3)), [2, 1, 0]):
        z = frozen(scores)
        slips = _AXIS_SLIPS if z.ndim > 1 else {}
        what = f"softmax of scores of shape {z.shape}"
        _same(softmax(z), _softmax, slips, (z,), what, _AXIS_HINTS)
    z = frozen([[1000.0, 999.0], [5000.0, 0.0], [-1000.0, -1001.0], [-9e3, 9e3]])
    with np.errstate(all="ignore"):
        what = f"softmax({z.tolist()})"
        _same(softmax(z), _softmax, _LARGE_SLIPS, (z,), what, _LARGE_HINTS)


# ---- Exercise 3: losses


def _squared(y, f):
    return np.mean(np.sum((y - f) ** 2, axis=1))


def _binary(y, p, *, log=np.log, mean=np.mean, sign=-1):
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return sign * mean(y * log(p) + (1 - y) * log(1 - p))


def _categorical(y, p, *, chosen=np.sum, mean=np.mean, sign=-1):
    return sign * mean(np.log(np.maximum(chosen(y * p, axis=1), 1e-12)))


# fmt: off
_SQUARED_SLIPS = {
    "This is the sum over the examples.": lambda y, f: np.sum((y - f) ** 2),
    "This is the mean over all numbers.": lambda y, f: np.mean((y - f) ** 2),
    "This is the root of it. Squares are asked, without a root.":
        lambda y, f: _squared(y, f) ** 0.5,
    "The mean runs over the outputs, the sum over the examples.":
        lambda y, f: _squared(y.T, f.T),
}
_SQUARED_HINTS = (
    "One number for each example: the sum of its squares. Then their mean.",
    "np.sum(..., axis=1) of the squares of y - f, and np.mean of these",
)
_SIGN = {"The loss is negative: mind the sign.": 1}
_BINARY_SLIPS = _with(_binary, sign=_SIGN, log={
    "You took the logarithm to the base 2; np.log is the natural one.": np.log2,
}, mean={
    "This is the sum: take the mean over the examples.": np.sum,
}) | {"Examples of class 0 count for nothing.": lambda y, p: _binary(y, p**y)}
_BINARY_HINTS = (
    "If the class is 0, the truth had the probability 1 - p.",
    "The second term, (1 - y) * log(1 - p), is for y = 0.",
)
_CATEGORICAL_SLIPS = _with(_categorical, sign=_SIGN, mean={
    "This is the sum over the examples.": np.sum,
    "The mean runs over classes and examples.": lambda v: np.mean(v) / 4,
}) | {
    "This is that of the largest probability, not of the true class.":
        lambda y, p: _categorical(1, p, chosen=np.max),
}
_CATEGORICAL_HINTS = (
    "The logarithm of a probability is negative: mind the sign.",
    "A sum over the classes, then the mean over the examples.",
    "-sum(y * log(p)) is -log of the probability that the truth was given.",
)
_LOG_HINTS = (
    "log(0) is -inf, and 0 * log(0) is nan: one of them spoils a whole batch.",
    "No number below EPSILON is let into a logarithm, and no other is changed.",
    "np.maximum(p, EPSILON), or np.clip(p, EPSILON, 1 - EPSILON), in the log",
)
# fmt: on


@check(forbid=[*_NUMPY, "sklearn"], read="section 3, its table,")
def squared_error(squared_error):
    """squared_error() sums over the outputs, and takes the mean over the examples."""
    for y, f in (
        ([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]], np.zeros((3, 2))),
        ([[1, 0, 2, -1]], [[0.5, 1.0, -1.0, 0.0]]),
    ):
        case, what = (frozen(y), frozen(f)), f"squared_error of outputs {np.shape(y)}"
        received = squared_error(*case)
        _same(received, _squared, _SQUARED_SLIPS, case, what, _SQUARED_HINTS)


@check(forbid=[*_NUMPY, "sklearn"], read="section 3, its table,")
def cross_entropies(binary_cross_entropy, cross_entropy):
    """Both cross-entropies are right, and always finite."""
    for y, p in (([1], [1 / 4]), ([0], [1 / 4]), ([1.0, 0.0, 1.0], [1 / 8, 0.3, 0.9])):
        case, what = (frozen(y), frozen(p)), f"binary_cross_entropy({y}, {p})"
        received = binary_cross_entropy(*case)
        _same(received, _binary, _BINARY_SLIPS, case, what, _BINARY_HINTS)
    known = _CATEGORICAL_SLIPS
    for classes, p in (
        ([3, 3], [[0.25] * 4, [0.01, 0.01, 0.01, 0.96]]),
        ([2, 0, 1], [[0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.6, 0.1], [0.3, 0.4, 0.3, 0.0]]),
    ):
        case = frozen(np.eye(4)[classes]), frozen(p)
        what = f"cross_entropy of classes {classes} and probabilities {p}"
        received = cross_entropy(*case)
        _same(received, _categorical, known, case, what, _CATEGORICAL_HINTS)
    _check_logarithms(binary_cross_entropy, cross_entropy)


def _check_logarithms(binary: Callable, many: Callable) -> None:
    """Probabilities of 0, 1, and nearly so."""
    sure, y, both = frozen([0.0, 1.0]), frozen([1.0, 0.0]), frozen(np.eye(2))
    with np.errstate(all="ignore"):
        worst = binary(y, sure), binary(y, y), many(both, frozen(np.eye(2)[::-1]))
    if not np.isfinite(worst).all():
        said = [float(loss) for loss in worst]
        exactly = "For probabilities of exactly 0 and 1"
        raise Failure(f"{exactly} the losses are {said}.", *_LOG_HINTS)
    close(worst[1], 0, "binary_cross_entropy of sure and right answers", *_LOG_HINTS)
    p, what = frozen([1e-8, 1 - 1e-8]), "where the truth was given only 1e-8"
    two = binary(y, p), many(both, frozen([p, p[::-1]]))
    for name, loss in zip(("binary_cross_entropy", "cross_entropy"), two, strict=True):
        close(loss, -np.log(1e-8), f"{name} {what}", *_LOG_HINTS)


# ---- Exercises 4 and 7: networks


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


_PHI = {  # name -> the activation, its derivative
    "sine": (np.sin, np.cos),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "sigmoid": (_sigmoid, lambda a: _sigmoid(a) * (1 - _sigmoid(a))),
    "ReLU": (lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(float)),
}
# Sizes and a batch where no slip ends in an error of shapes, so that the values can
# tell what is wrong; then others, and the smallest.
_NETWORKS = ((3, 3, 3, 3), 3, "sine"), ((5, 4, 2, 3), 6, "tanh"), ((2, 4), 1, "tanh")


def network(sizes: tuple, batch: int, phi: str, seed: int = 0) -> SimpleNamespace:
    """A random network after its forward pass: `W, b, a, h`, `delta`, `phi, dphi`.

    Args:
        sizes: numbers of inputs, of units in each layer, and of outputs.
        batch: number of examples, a row each.
        phi: activation of the hidden layers: "sine", "tanh", "sigmoid" or "ReLU".
    """
    rng, layers = np.random.default_rng(seed), range(1, len(sizes))
    net = SimpleNamespace(x=frozen(rng.normal(size=(batch, sizes[0]))))
    net.W = {k: frozen(rng.normal(size=(sizes[k], sizes[k - 1]))) for k in layers}
    net.b = {k: frozen(rng.normal(size=sizes[k])) for k in layers}
    net.delta = frozen(rng.normal(size=(batch, sizes[-1])))
    net.phi, net.dphi = _PHI[phi]
    made = {name: frozen(value) for name, value in values(net).items()}
    net.a = {k: made[f"a[{k}]"] for k in layers}
    net.h = {k: made[f"h[{k}]"] for k in (0, *layers)}
    return net


def _affine(net, h, k):
    return h @ net.W[k].T + net.b[k]


def values(net, *, affine=_affine, act=lambda net, a: net.phi(a)) -> dict:
    """`h[0]`, then `a[k]` and `h[k]` by name; `affine` and `act` may be replaced."""
    made = {"h[0]": net.x}
    for k in net.W:
        made[f"a[{k}]"] = affine(net, made[f"h[{k - 1}]"], k)
        made[f"h[{k}]"] = act(net, made[f"a[{k}]"])
    return made


def _all_in_a(net) -> dict:
    return values(net, affine=lambda *at: net.phi(_affine(*at)), act=lambda _, a: a)


def _from_0(net) -> dict:
    return {f"a[{k - 1}]": values(net)[f"a[{k}]"] for k in net.W}


def _outer(delta, h):
    """Of each example, `(batch, units, inputs)`."""
    return delta[:, :, None] * h[:, None, :]


def _kernel(net, delta, k):
    return _outer(delta, net.h[k - 1])


def _hidden(slope: Callable) -> Callable:
    """A derivative after layer k; behind input and output there is none."""
    return lambda net, k: slope(net, k) if 0 < k < len(net.W) else 1.0


_slope = _hidden(lambda net, k: net.dphi(net.a[k]))


def _down(net, delta, k):
    return delta @ net.W[k]


def gradients(net, *, kernel=_kernel, slope=_slope, down=_down, each=False) -> dict:
    """`dW[k]` and `db[k]` from the last layer to the first, then `dx`, by name.

    Args:
        kernel, slope, down: steps that may be replaced.
        each: those of the single examples, `(batch, ...)`, instead of their mean.
    """
    made, delta = {}, net.delta * slope(net, len(net.W))
    for k in reversed(net.W):
        made |= {f"dW[{k}]": kernel(net, delta, k), f"db[{k}]": delta}
        delta = down(net, delta, k) * slope(net, k - 1)
    if not each:
        made = {name: gradient.mean(axis=0) for name, gradient in made.items()}
    return made | {"dx": delta}


# fmt: off
_HINTS = {
    "a": (
        "Every unit of layer k weighs all h[k - 1] and adds its bias.",
        "a = b + W h is for one example in a column. With an example in each row, W "
        "must be transposed: (batch, inputs) by (inputs, units).",
        "h[k - 1] @ W[k].T + b[k]",
    ),
    "h": (
        "h[0] is x. Then h[k] = phi(a[k]), for the hidden layers, k = 1 to L.",
        "The output layer has no phi: its psi comes later, with the loss.",
    ),
    "dW": (
        "A weight W[k][i, j] carries h[k-1][j] to a[k][i]: for one example its "
        "gradient is delta[i] * h[k-1][j]; for a batch, the mean of these.",
        "Units in rows, inputs in columns, like W[k] itself.",
        "delta.T @ h[k - 1] / len(delta), with the delta of layer k",
    ),
    "db": (
        "A bias is added to a[k] as it is: for one example its gradient is delta.",
        "The mean over the examples, which are the rows of delta: axis 0.",
        "delta.mean(axis=0), with the delta of layer k",
    ),
    "dx": (
        "What reaches h[0] is the gradient for x. No activation stands before it, and "
        "each example has a row of its own, so there is no mean.",
        "Take dx from the last delta, one step down from layer 1: delta @ W[1].",
    ),
}
_FORWARD_SLIPS = _with(values, affine={
    "the bias b is left out": lambda net, h, k: h @ net.W[k].T,
    "b was taken away, not added": lambda net, h, k: h @ net.W[k].T - net.b[k],
    "b was added along the wrong axis, to the examples, not to the units":
        lambda net, h, k: h @ net.W[k].T + net.b[k][:, None],
    "h went through the transpose of W": lambda net, h, k: h @ net.W[k] + net.b[k],
    "W @ h takes the columns of h for the examples":
        lambda net, h, k: net.W[k] @ h + net.b[k],
    "it starts from x again, not from the layer below":
        lambda net, h, k: _affine(net, net.x, k),
}, act={
    "the activation phi is left out": lambda net, a: a,
    "phi was applied twice": lambda net, a: net.phi(net.phi(a)),
} | {
    f"the activation is {name}, whatever phi is given":
        lambda net, a, phi=_PHI[name][0]: phi(a)
    for name in ("sigmoid", "tanh", "ReLU")
}) | {
    "phi was applied to a itself, which then holds h": _all_in_a,
    "the numbers of layers are off by one: they begin at 1": _from_0,
}
_DERIVATIVE = "it has the derivative of the {}, in place of the given dphi"
_HIDDEN_SLIPS = {  # of the derivative, at the hidden layers
    "the derivative of the activation is left out on the way down to it":
        lambda net, k: 1.0,
    "dphi was given h, the activation, in place of a, which it was taken of":
        lambda net, k: net.dphi(net.h[k]),
    "dphi was taken at the layer above, a[k + 1] in place of a[k]":
        lambda net, k: net.dphi(net.a[k + 1]),
    "the activation stands in the place of its derivative": lambda net, k: net.h[k],
    _DERIVATIVE.format("sigmoid"): lambda net, k: _PHI["sigmoid"][1](net.a[k]),
    _DERIVATIVE.format("sigmoid, h (1 - h)"): lambda net, k: net.h[k] * (1 - net.h[k]),
    _DERIVATIVE.format("tanh"): lambda net, k: _PHI["tanh"][1](net.a[k]),
    _DERIVATIVE.format("tanh, 1 - h^2"): lambda net, k: 1 - net.h[k] ** 2,
    _DERIVATIVE.format("ReLU"): lambda net, k: _PHI["ReLU"][1](net.a[k]),
}
_BACKWARD_SLIPS = _with(gradients, slope={
    words: _hidden(slope) for words, slope in _HIDDEN_SLIPS.items()
} | {
    "dphi was applied to delta at the output, where delta is given":
        lambda net, k: net.dphi(net.a[k]) if k else 1.0,
    "dphi was applied at layer 0 too, but x has no activation":
        lambda net, k: _slope(net, k) if k else net.dphi(net.x),
}, down={
    "delta came down through the transpose of W":
        lambda net, delta, k: delta @ net.W[k].T,
    "delta came down through the W of the layer below":
        lambda net, delta, k: delta @ net.W[max(k - 1, 1)],
}, kernel={
    "it was made with h[k], the output of layer k, not with its input h[k - 1]":
        lambda net, delta, k: _outer(delta, net.h[k]),
    "it was made with a[k - 1] in place of h[k - 1]":
        lambda net, delta, k: _outer(delta, net.a.get(k - 1, net.x)),
    "delta had left the layer already: make dW before delta goes down":
        lambda net, delta, k: _outer(delta @ net.W[k], net.h[k - 1]),
    "it was divided by units, not examples: len(delta) counts these":
        lambda net, delta, k: _kernel(net, delta, k) * len(delta) / delta.shape[1],
}) | {
    "delta is still that of the output layer": partial(
        gradients, down=lambda net, delta, k: delta, slope=lambda net, k: 1.0),
    "delta jumped from the output to the input, past the layers between":
        lambda net: {"dx": net.delta @ net.W[1]},
}
# fmt: on


@check(forbid=_NUMPY, read="section 4, its formula and shapes,")
def forward(forward):
    """forward() gives a and h of every layer, for every example."""
    for sizes, batch, phi in _NETWORKS:
        net = network(sizes, batch, phi)
        result = forward(net.x, dict(net.W), dict(net.b), net.phi)
        received = _by_name("ah", _parts(result, "forward", "a and h"), (0, *net.W))
        right = values(net)
        right.pop(f"h[{len(net.W)}]")  # the output has no phi; it may be there
        same_gradients(received, right, _FORWARD_SLIPS, net, batch=1, hints=_HINTS)


def _by_name(names, parts: tuple, layers) -> dict:
    """`{"W[1]": ...}`, None for what is missing."""
    found = {}
    for name, part in zip(names, parts, strict=True):
        for k in layers:
            try:
                found[f"{name}[{k}]"] = part[k]
            except (KeyError, IndexError, TypeError):
                found[f"{name}[{k}]"] = None
    return found


@check(forbid=_NUMPY, read="section 7, from 'Take one example',")
def backward(backward):
    """backward() gives the gradients of all weights, biases and inputs."""
    for sizes, batch, phi in _NETWORKS:
        net = network(sizes, batch, phi)
        W = {k: w.copy() for k, w in net.W.items()}
        result = backward(net.delta, W, dict(net.a), dict(net.h), net.dphi)
        if any((W.get(k) != w).any() for k, w in net.W.items()):
            raise Failure(
                "backward changes W while it computes the gradients.",
                "An update inside the loop spoils the gradients of the layers below.",
                "The step comes afterwards, and another function takes it.",
            )
        *parts, dx = _parts(result, "backward", "dW, db and dx")
        received = _by_name(("dW", "db"), parts, net.W) | {"dx": dx}
        examples = gradients(net, each=True)
        examples.pop("dx")  # no mean
        options = {"batch": batch, "examples": examples, "hints": _HINTS}
        same_gradients(received, gradients(net), _BACKWARD_SLIPS, net, **options)


# ---- Exercise 5: gradients by differences


def _cubes_slope(x, *, ahead=0.25, behind=0.25):
    """The difference quotient of the cube of each entry."""
    return ((x + ahead) ** 3 - (x - behind) ** 3) / (ahead + behind)


def _size(analytic, numeric):
    return abs(analytic) + abs(numeric)


def _error(analytic, numeric, *, size=_size, entry=np.abs, worst=np.max):
    return worst(entry(analytic - numeric) / np.maximum(size(analytic, numeric), 1e-8))


# fmt: off
_SIDE_SLIPS = _with(_cubes_slope, behind={
    "The difference is one-sided, upwards: f(x) itself is of no use here.": 0,
}, ahead={
    "The difference is one-sided, downwards: f(x) itself is of no use here.": 0,
})
_SIDE_HINTS = (
    "Above minus below, over the distance between the two.",
    "(f(x + step) - f(x - step)) / (2 * step), where one entry is moved",
)
_ERROR_SLIPS = _with(_error, worst={
    "This is the mean of the entries.": np.mean,
}, entry={
    "Negative errors count for nothing.": lambda v: v,
}, size={
    "The size is |a + n|, where signs cancel.": lambda a, n: abs(a + n),
    "This is the absolute error.": lambda a, n: np.ones(a.shape),
})
_ERROR_HINTS = (
    "Entry by entry, then the largest of their absolute values.",
    "|a - n| over |a| + |n|: signs must not cancel.",
    "np.maximum(..., 1e-8) under the fraction, np.max of all fractions",
)
# fmt: on


@check(forbid=["cnnlab", "keras", "scipy"], read="section 5, its first formula,")
def numerical_gradient(numerical_gradient):
    """numerical_gradient() moves one entry at a time, to both sides, in float64."""
    for x in (
        frozen(np.array([[1.0, 2.0, -1.0], [0.5, 3.0, 1.5]], "float32")),
        frozen([3, -1, 2]),
        frozen(np.array([[[1.5, -1.0]], [[2.0, 0.5]]], "float32")),
        np.array([[0.5, -2.0]]),  # may be moved, if it is put back
    ):
        kept, asked = np.array(x, "float64"), []

        def cubes(z, asked=asked):
            asked.append(np.array(z))
            return np.sum(np.asarray(z) ** 3)

        try:
            received = numerical_gradient(
                cubes, x, 0.25
            )  # no half: 1 / (2 * step) is not 2 * step
        except IndexError as error:
            raise Failure(
                f"For x of shape {x.shape}: {error}. x may be an array of any shape.",
                "np.ndindex(x.shape) goes through the places of all of them.",
            ) from None
        equal(x, kept, "x after numerical_gradient(f, x)", "Work on a copy of x.")
        _check_moves(asked, kept)
        what = f"the numerical gradient of a sum of cubes, x of shape {x.shape},"
        _same(received, _cubes_slope, _SIDE_SLIPS, (kept,), what, _SIDE_HINTS)
        if np.asarray(received).dtype == np.float32:
            raise Failure(
                "The gradient is in float32, with 7 digits.",
                "np.zeros_like(x) takes the dtype of x; np.zeros(x.shape) is float64.",
            )


# fmt: off
def _check_moves(asked: list, x: np.ndarray) -> None:
    """Fail unless f was asked for arrays like x, with one entry moved."""
    _fail_if(not asked,
        "f is never called.", "Evaluate f to both sides of each entry.")
    first = asked[0]
    _fail_if(any(z.shape != x.shape for z in asked),
        f"f was called with shape {first.shape}, x has the shape {x.shape}.",
        "f takes an array of the shape of x: it may not work for others.")
    _fail_if(max(np.sum(np.abs(z - x) > 1e-3) for z in asked) > 1,
        "More than one entry was moved at a time.",
        "Put each entry back before you move the next.")
    _fail_if(any(z.dtype != np.float64 for z in asked),
        f"f is called in {first.dtype}: in float32, with 7 digits, the difference of "
        "two almost equal numbers keeps only one or two of them.",
        'x = np.array(x, dtype="float64") is a copy, too.')
    _fail_if(all(np.abs(z - x).max() < 0.1 for z in asked),
        "The given step is not used.", "Move entries by `step`.")
# fmt: on


@check(forbid=["cnnlab", "keras", "scipy"], read="section 5, its second formula,")
def relative_error(relative_error):
    """relative_error() is the largest relative error, also where both are 0."""
    zeros, why = frozen([0.0] * 3), "A unit that is off has gradient 0: 0 / 0 is nan."
    with np.errstate(all="ignore"):
        zero = relative_error(zeros, zeros)
    close(zero, 0, "relative_error of zeros and zeros", why, *_ERROR_HINTS)
    one, other = [[1.0, -2.0], [1e-3, 0]], [[1.0, -2.2], [3e-3, 0]]
    for both in ((one, other), ([2.0, -1.0], [1.0, 0.5]), ([0, 3, 1], [0, 2, 1])):
        case, what = tuple(map(frozen, both)), f"relative_error of {both[0]}, {both[1]}"
        _same(relative_error(*case), _error, _ERROR_SLIPS, case, what, _ERROR_HINTS)


# ---- Exercise 6: the gradient at the output

_SQUARED, _CROSS = "squared_error_gradient", "cross_entropy_gradient"


def _both(y, p, *, squared=lambda y, f: 2 * (f - y), cross=lambda y, p: p - y) -> dict:
    return {_SQUARED: squared(y, p), _CROSS: cross(y, p)}


def _of_squares_behind(y, p):
    """The squared error's, through all derivatives of the softmax."""
    d = 2 * (p - y)
    return p * (d - (d * p).sum(axis=1, keepdims=True))


# fmt: off
_OUTPUT_SLIPS = _with(_both, squared={
    "the factor 2 of the square is missing": lambda y, f: f - y,
}, cross={
    "a factor 2 has come in, as of a square": lambda y, p: 2 * (p - y),
    "it is the gradient for p, not yet for a": lambda y, p: -y / p,
    "it is that of the true score: all classes have one": lambda y, p: (p - y) * y,
    "it has p (1 - p) in it, as if of a single output":
        lambda y, p: -2 * (y - p) * p * (1 - p),
    "it has the derivative of a single sigmoid in it":
        lambda y, p: (p - y) * p * (1 - p),
    "it is that of the squared error behind the softmax": _of_squares_behind,
})
_OUTPUT_HINTS = {
    _SQUARED: (
        "Derive (y - f)^2 for f: outer derivative times inner derivative.",
        "It is positive where the output is too large, and no mean is taken yet.",
    ),
    _CROSS: (
        "Insert the two derivatives of the text into the sum over i.",
        "Sum of -y_i (1[i=j] - p_j): split it in two, and use that y sums to 1.",
        "Prediction minus truth",
    ),
}
# fmt: on


@check(forbid=_NUMPY, read="section 6")
def output_gradients(squared_error_gradient, cross_entropy_gradient):
    """Both output gradients are those of their losses, for each example."""
    rng = np.random.default_rng(0)
    for classes, count in (([0, 2, 1, 1, 0], 3), ([3], 4)):
        p = frozen(_softmax(rng.normal(size=(len(classes), count))))
        case = frozen(np.eye(count)[classes]), p
        received = {
            _SQUARED: squared_error_gradient(*case),
            _CROSS: cross_entropy_gradient(*case),
        }
        options = {"batch": len(classes), "hints": _OUTPUT_HINTS}
        same_gradients(received, _both(*case), _OUTPUT_SLIPS, *case, **options)


# ---- Exercise 8: an epoch of descent

RATE = 0.25
_SIZES = (2, 3, 4, 2)  # inputs, units, units, outputs
_STEP_SLIPS = {
    "the learning rate was multiplied in twice": lambda right: _times(RATE, right),
    "the learning rate is missing": lambda right: _times(1 / RATE, right),
}
_STEP_HINTS = (
    "Against the gradient, as far as the learning rate says: weights and biases alike.",
    "The gradients are means over the batch already.",
    "W[k] - learning_rate * dW[k], and the same for b",
)


def _times(factor: float, steps: dict) -> dict:
    return {name: factor * step for name, step in steps.items()}


# fmt: off
@check(forbid=_NUMPY, read="section 8, from 'The batches are drawn',")
def sgd_epoch(sgd_epoch):
    """sgd_epoch() shows every example once, in a new order, and steps downhill."""
    one = watch_epoch(sgd_epoch, examples=6, batch_size=6)
    _fail_if(one.sizes != [6],
        "6 examples in batches of 6 are one batch. Sizes of the batches that gradients "
        f"was called with: {one.sizes}.",
        "for start in range(0, len(x), batch_size)")
    _check_steps(one)
    several = watch_epoch(sgd_epoch, examples=10, batch_size=4)
    _check_batches(several)
    _fail_if(all((start == several.starts[0]).all() for start in several.starts),
        "Every batch gets the weights of the start of the epoch.",
        "SGD takes a step after each batch, and the next one starts from there.",
        "gradients(x[batch], y[batch], W, b), with W and b of the last step")
    _check_steps(several)
    _check_order(sgd_epoch)
# fmt: on


def watch_epoch(sgd_epoch: Callable, *, examples, batch_size, seed=0, rng=None):
    """What `sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng)` does.

    `gradients(x, y, W, b)` makes gradients up, and writes down what it was called with.

    Returns:
        `sizes` of the batches; `seen` and `labels`, numbers of the examples whose
        inputs and labels came, in their order; `starts`, the weights in each call; and
        by name (`"W[1]"`) `way` and `expected`, how far each weight went in the epoch.
    """
    made, layers = np.random.default_rng(seed), range(1, len(_SIZES))
    W = {k: made.normal(size=(_SIZES[k], _SIZES[k - 1])) for k in layers}
    b = {k: made.normal(size=_SIZES[k]) for k in layers}
    before = _copies(W, b)
    run = SimpleNamespace(sizes=[], seen=[], labels=[], starts=[])
    run.expected = _times(0, before)

    def gradients(x, y, W, b):
        run.sizes.append(len(x))
        run.seen += [int(row[0]) for row in x]
        run.labels += [int(row.argmax()) for row in y]
        run.starts.append(np.concatenate([v.ravel() for v in _copies(W, b).values()]))
        dW = {k: made.normal(size=np.shape(W[k])) for k in layers}
        db = {k: made.normal(size=np.shape(b[k])) for k in layers}
        for name, gradient in _copies(dW, db).items():
            run.expected[name] += RATE * gradient
        return dW, db

    x, y = np.repeat(np.arange(examples)[:, None], 2, axis=1) + 0.0, np.eye(examples)
    rng = rng or np.random.default_rng(seed)
    result = sgd_epoch(gradients, frozen(x), frozen(y), W, b, batch_size, RATE, rng)
    after = _copies(*_parts(result, "sgd_epoch", "W and b"))
    run.way = {name: before[name] - value for name, value in after.items()}
    return run


def _copies(W, b) -> dict[str, np.ndarray]:
    for name, part in (("W", W), ("b", b)):
        _fail_if(
            len(part) != len(_SIZES) - 1,
            f"In a network of three layers {name} has {len(part)} after a step.",
            "There are networks of another depth than 2: for k in W",
        )
    return {name: np.array(part) for name, part in _by_name("Wb", (W, b), W).items()}


def _check_steps(run: SimpleNamespace) -> None:
    way, right = (
        {f"the step of {name}": step for name, step in steps.items()}
        for steps in (run.way, run.expected)
    )
    hints = {"the step": _STEP_HINTS}
    same_gradients(way, right, _STEP_SLIPS, right, batch=run.sizes[0], hints=hints)


# fmt: off
def _check_batches(run: SimpleNamespace) -> None:
    _fail_if(sorted(run.sizes) != [2, 4, 4],
        "10 examples in batches of 4 are batches of 4, 4 and 2. Received: "
        f"{run.sizes}.",
        "The last batch may be smaller; its examples count too.",
        "order[start : start + batch_size] stops at the end by itself.")
    _fail_if(run.seen != run.labels,
        "Some labels went astray: they do not belong to their inputs.",
        "Inputs and labels must be chosen with the same indices.",
        "x[batch], y[batch]")
    _fail_if(len(set(run.seen)) < 10,
        f"Of 10 examples, {10 - len(set(run.seen))} never come, others come twice.",
        "An epoch shows each example once: drawn without replacement.",
        "rng.permutation(len(x)) is an order in which each comes once.")


def _check_order(sgd_epoch: Callable) -> None:
    rng = np.random.default_rng(0)
    first, second, again = (
        watch_epoch(sgd_epoch, examples=10, batch_size=4, rng=r).seen
        for r in (rng, rng, np.random.default_rng(0))
    )
    _fail_if(first == second or sorted(first) in (first, second),
        "The examples come in the same order in every epoch.",
        "Files are often sorted, and a batch of one class pulls all its own way.",
        "Draw a new order in each epoch, with the rng that is given.")
    _fail_if(first != again,
        "The same rng must give the same order, or no run can be repeated.",
        "Draw with rng, not with np.random.")
# fmt: on


# ---- What all answers together do


@check
def same_as_keras(weights, keras_weights):
    """Keras, trained on the same batches, ends at the same weights."""
    digits = 6 if keras_weights[0].dtype == np.float64 else 4
    for k, (mine, theirs) in enumerate(zip(weights, keras_weights, strict=True)):
        name = f"{'Wb'[k % 2]}[{k // 2 + 1}], trained,"
        hint = "The checks of softmax, forward, both gradients and backward must pass."
        close(mine, theirs, name, hint, rtol=0.1**digits, atol=0.1**digits)


@check
def digits_are_read(accuracy):
    """The network of plain NumPy reads new digits."""
    floor = train.budget(smoke=0.9, cpu=0.95, gpu=0.95)
    if accuracy < floor:
        raise Failure(
            f"{accuracy:.1%} of the test images are right, less than {floor:.0%}.",
            "Do all checks above pass? Run the notebook from the top.",
            "A loss that stays near ln 10: no gradient arrives. One that is nan: the "
            "softmax overflows, or a logarithm meets 0.",
        )
