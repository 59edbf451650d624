"""Checks of lab 3, and the typical mistakes that they recognise.

Each mistake is a function that makes it: what is wrong, in a sentence -> the function.
"""

from contextlib import suppress
from functools import partial

import keras
import numpy as np
from keras import layers

from cnnlab import ops
from cnnlab.ops.initializers import fans
from cnnlab.teaching.check import (
    Failure,
    check,
    close,
    equal,
    frozen,
    recognise,
    to_numpy,
)
from cnnlab.teaching.networks import same_network
from cnnlab.teaching.probes import fixed_weights, noise, unchanged

_NO_LIBRARY = ["cnnlab", "keras", "tensorflow"]
_NUMPY_ONLY = [*_NO_LIBRARY, "jax"]


def _same(answer, right, mistakes: dict, *arguments, what: str, hints=()) -> None:
    """Fail unless an answer gives what `right` does; name the mistake that does too."""
    received = answer(*arguments)
    # First whether it is right: where the numbers happen to agree, no mistake is named.
    try:
        close(received, right(*arguments), what, *hints)
    except Failure:
        named = {f"{what}: {m}": (wrong, *hints) for m, wrong in mistakes.items()}
        recognise(received, named, *arguments)
        raise


def _constant(value):
    """A function that gives what was computed before, whatever it is asked."""
    return lambda *_: value


X = frozen(np.linspace(20, -20, 80).reshape(4, 20))  # begins above 0; 0 is not in it
_LEAKY = {
    "the default slope is 0.1; here it is 0.01.": lambda x, s=0.1: ops.leaky_relu(x, s),
    "that is the slope of Keras, 0.3.": lambda x, s=0.3: ops.leaky_relu(x, s),
    "Use the argument negative_slope.": lambda x, s=0: ops.leaky_relu(x),
    "the branches are swapped.": lambda x, s=0.01: np.where(x < 0, x, s * x),
}
_ELU = {
    "alpha has no effect.": lambda x, a=1: ops.elu(x),
    "without its - 1, it jumps at 0.": (
        lambda x, a=1: np.where(x > 0, x, a * np.exp(np.minimum(x, 0)))
    ),
}


@check(forbid=[*_NUMPY_ONLY, "np.gradient"], read="the table of section 1")
def activations(leaky_relu, elu):
    """leaky_relu() and elu() follow the table."""
    hints = (
        "Two branches that meet at x = 0.",
        "np.where(x > 0, ..., ...) takes one of two values, element by element.",
    )
    for more in ((), (0.2,)):
        call = ", ".join(["x", *map(str, more)])
        what = f"leaky_relu({call})"
        _same(leaky_relu, ops.leaky_relu, _LEAKY, X, *more, what=what, hints=hints)
        _same(elu, ops.elu, _ELU, X[:, 1], *more, what=f"elu({call})", hints=hints)


_SIGMOID, _SIGMOID_PRIME = ops.sigmoid, partial(ops.sigmoid_backward, 1.0)
_FED = "Its argument is x, what went *into* the activation, not what came out."
_PRODUCT = "Swish is a product: (u v)' = u' v + u v'."
_LINES = "Two straight lines: what is the slope of each?"
_WHOLE = "np.vectorize makes all values whole if the first one is whole: write 1.0."
_DERIVATIVES = {  # name -> a hint, and what is wrong
    "sigmoid": (
        _FED,
        {
            "s (1 - s) was fed x instead of s = sigmoid(x).": lambda x: x * (1 - x),
            "the second factor is 1 - sigmoid(x).": lambda x: _SIGMOID(x) * (1 - x),
            "it has the wrong sign.": lambda x: -_SIGMOID_PRIME(x),
        },
    ),
    "tanh": (
        _FED,
        {
            "1 - t² was fed x instead of t = tanh(x).": lambda x: 1 - x**2,
            "the square is missing.": lambda x: 1 - np.tanh(x),
        },
    ),
    "leaky_relu": (
        f"{_LINES} {_WHOLE}",
        {
            "for x < 0 it is the value, not its slope.": (
                lambda x, s=0.01: np.where(x > 0, 1, s * x)
            ),
            "for x < 0 it is 0: that is ReLU's.": lambda x, s=0: x > 0,
            "it is leaky ReLU, not its derivative.": ops.leaky_relu,
            "the default slope is not 0.01.": lambda x, s=0.3: np.where(x > 0, 1, s),
        },
    ),
    "elu": (
        f"The constant -1 vanishes when e^x - 1 is differentiated. {_WHOLE}",
        {
            "for x < 0 it is the value of ELU, not its slope.": (
                lambda x, a=1: np.where(x > 0, 1, ops.elu(x, a))
            ),
        },
    ),
    "swish": (
        _PRODUCT,
        {
            "only the first term of the product rule.": _SIGMOID,
            "only the second term of the product rule.": (
                lambda x: x * _SIGMOID_PRIME(x)
            ),
            "this is the derivative of the sigmoid.": _SIGMOID_PRIME,
        },
    ),
}


@check(forbid=[*_NUMPY_ONLY, "np.gradient"], read="the table of section 1")
def derivatives(sigmoid_prime, tanh_prime, leaky_relu_prime, elu_prime, swish_prime):
    """The derivatives are those of the activations, from -20 to 20."""
    answers = (sigmoid_prime, tanh_prime, leaky_relu_prime, elu_prime, swish_prime)
    for answer, (name, (hint, wrong)) in zip(
        answers, _DERIVATIVES.items(), strict=True
    ):
        right = partial(getattr(ops, f"{name}_backward"), 1.0)
        h = f"Compare with ({name}(x + h) - {name}(x - h)) / 2h for a small h."
        _same(answer, right, wrong, X, what=f"{name}_prime(x)", hints=[hint, h])
        if name in ("leaky_relu", "elu"):
            hint = "Does the derivative use its second argument?"
            call = f"{name}_prime(x, 0.5)"
            _same(answer, right, wrong, X[:, 1], 0.5, what=call, hints=[hint])


# Mistakes take the right default, unless a wrong default is the mistake.
_SATURATED = {
    "-0.5 is far from 0, its size counts: np.abs": lambda d, limit=0.01: np.mean(
        d < limit
    ),
    "this is the share that is not saturated.": lambda d, limit=0.01: np.mean(
        np.abs(d) >= limit
    ),
    "this is their number, not their share.": lambda d, limit=0.01: np.sum(
        np.abs(d) < limit
    ),
    "Use limit.": lambda d, limit=0: np.mean(np.abs(d) < 0.01),
}
_DEAD = {
    "these are 0 for some example.": lambda z: np.any(z <= 0, axis=0),
    "these are *examples* that no unit answers.": lambda z: np.all(z <= 0, axis=1),
    "these are the living units.": lambda z: np.any(z > 0, axis=0),
    "max(0, 0) is 0 too: a unit whose z is 0 is off.": lambda z: np.all(z < 0, axis=0),
}


def _share(d, limit=0.01):
    return np.mean(np.abs(d) < limit)


def _dead(z):
    return np.all(z <= 0, axis=tuple(range(z.ndim - 1)))


@check(forbid=_NO_LIBRARY, read="the beginning of section 2")
def saturation(saturated, dead_units):
    """saturated() is the share of small slopes; dead_units() are never positive."""
    # Slopes below and above each limit, and negative ones of both kinds.
    d = frozen([[0.005, 1, -0.5, 0.2], [-0.002, 0, 0.02, 0.9], [0.7, 0.6, -0.8, 2]])
    hints = ("Which are small in size?", "np.mean of booleans is a share.")
    for slopes in (d, d[0], d.reshape(3, 2, 2, 1)):
        for limit in ((), (0.3,), (0.015,)):
            what = f"saturated(slopes {', '.join(map(str, (slopes.shape, *limit)))})"
            _same(saturated, _share, _SATURATED, slopes, *limit, what=what, hints=hints)
    hints = (
        "One example for which it is positive keeps a unit alive.",
        "All axes but the last go away: tuple(range(z.ndim - 1))",
    )
    z = frozen([[1.0, -2, 0, -1], [2, -1, -3, 4], [-1, -5, -1, -2]])
    maps = np.full((2, 3, 4, 5), -1.0)
    maps[1, 2, 0, 0], maps[0, 0, 3, 3] = 0.5, 2
    for inputs, wrong in ((z, _DEAD), (frozen(maps), {})):
        what = f"dead_units(z {inputs.shape}), with 1 for True"
        _same(dead_units, _dead, wrong, inputs, what=what, hints=hints)


def _std(n, m, scheme):
    """The standard deviation of the table, for fan-in n and fan-out m."""
    return np.sqrt({"lecun": 1 / n, "glorot": 2 / (n + m), "he": 2 / n}[scheme])


_STD = {
    "this is the variance, without the root of the whole fraction.": (
        lambda shape, scheme: _std(*fans(shape), scheme) ** 2
    ),
    "one root is enough.": lambda shape, scheme: _std(*fans(shape), scheme) ** 0.5,
    "these are channels, not fans.": lambda shape, scheme: _std(*shape[-2:], scheme),
    "fan-in and fan-out are swapped.": (
        lambda shape, scheme: _std(*fans(shape)[::-1], scheme)
    ),
    "the factor is that of another scheme: LeCun has a 1 where He has a 2, which makes "
    "up for the half that ReLU cuts off; Glorot has a 2 over the *sum* of n and m.": (
        lambda shape, scheme: (
            _std(*fans(shape), scheme) * (2 if scheme == "lecun" else 0.5) ** 0.5
        )
    ),
    "0.05 is Keras' RandomNormal, whatever the shape.": lambda shape, scheme: 0.05,
    "the first axis of a convolution's kernel is its height.": (
        lambda shape, scheme: _std(shape[0], fans(shape)[1], scheme)
    ),
    "the fan-out, too, has k².": (
        lambda shape, scheme: _std(fans(shape)[0], shape[-1], scheme)
    ),
}
_DRAWN = {  # the standard deviation of a kernel (n, m), where `right` is right
    "0.05 is Keras' RandomNormal, whatever the layer.": lambda n, m, right: 0.05,
    "1 saturates a tanh, and makes a ReLU explode.": lambda n, m, right: 1.0,
    "rng.normal takes it, not the variance.": lambda n, m, right: right**2,
    "it is no variance: take no root.": lambda n, m, right: np.sqrt(right),
    "uniform on ±limit has limit / √3.": lambda n, m, right: right / np.sqrt(3),
    # TruncatedNormal does not make up for what it cuts off, as he_normal does.
    "cut off at ±2 deviations it is narrower.": lambda n, m, right: 0.8796 * right,
    "That is He's. Use the scheme.": lambda n, m, right: _std(n, m, "he"),
    "That is Glorot's. Use the scheme.": lambda n, m, right: _std(n, m, "glorot"),
    "That is LeCun's. Use the scheme.": lambda n, m, right: _std(n, m, "lecun"),
    "each layer has its own fan-in.": lambda n, m, right: (
        right * np.sqrt(n / _SIZES[0])
    ),
}
_SIZES = (450, 250, 250, 250)


def _check_drawn(kernel, scheme: str, *hints: str) -> None:
    """Fail unless a kernel has mean 0 and the scheme's standard deviation.

    To 5 %, a small one to 7 %: more than 6 times what chance moves it.
    """
    kernel = to_numpy(kernel)
    right, std = _std(*kernel.shape, scheme), kernel.std()
    if std < 1e-9:
        twins = "Then all units of the layer are twins, and remain so."
        raise Failure("All weights of a kernel are the same number.", twins, *hints)
    if abs(kernel.mean()) > 0.1 * right:
        said = f"The weights have a mean of {kernel.mean():.3g}; it must be 0."
        raise Failure(said, "rng.uniform(-limit, limit), not rng.random()", *hints)
    # Of 64 × 64 values, the fewest here, a standard deviation is known to 1.1 %.
    if abs(std / right - 1) > (0.05 if kernel.size > 10_000 else 0.07):
        off = {abs(std / f(*kernel.shape, right) - 1): m for m, f in _DRAWN.items()}
        said = off[min(off)] if min(off) < 0.025 else ""
        raise Failure(
            f"A kernel {kernel.shape} starts with a standard deviation of {std:.3g}, "
            f"for {scheme!r} it is {right:.3g}. {said}",
            *hints,
        )


def _started(start, scheme: str, sizes=_SIZES) -> list:
    """The kernels that `start` draws; fail unless shapes and biases are right."""
    weights = start(sizes, scheme, np.random.default_rng(0))
    equal(
        [tuple(np.shape(part) for part in pair) for pair in weights],
        [((n, m), (m,)) for n, m in zip(sizes[:-1], sizes[1:], strict=True)],
        f"shapes of start({sizes}, ...)",
        "One (kernel, bias) for each pair of neighbours, any number of layers.",
        "zip(sizes[:-1], sizes[1:])",
    )
    if any(np.any(bias) for _, bias in weights):
        raise Failure("The biases are not 0.", "A random bias would only add noise.")
    return [kernel for kernel, _ in weights]


def _of_each(measure, *, phi=None, no_bias=False):
    """A function of (x, weights, phi) that measures the z of each layer."""

    def measured(x, weights, given_phi):
        weights = [(kernel, 0) for kernel, _ in weights] if no_bias else weights
        return [measure(z) for z in ops.mlp(x, weights, phi or given_phi)]

    return measured


_VARIANCES = {
    "this is the variance after the activation.": (
        lambda x, weights, phi: [phi(z).var() for z in ops.mlp(x, weights, phi)]
    ),
    "these are standard deviations.": _of_each(np.std),
    "these are means of z², but the mean of z is not 0.": _of_each(
        lambda z: np.mean(z**2)
    ),
    "the activation is missing between the layers.": _of_each(np.var, phi=lambda z: z),
    "the biases are missing.": _of_each(np.var, no_bias=True),
    "this is over the examples alone, of each unit.": _of_each(
        lambda z: z.var(axis=0).mean()
    ),
    "this is over units of each example.": _of_each(lambda z: z.var(axis=1).mean()),
    "divide by n, not n - 1.": _of_each(lambda z: z.var(ddof=1)),
}


def _weights(rng, *sizes) -> list:
    """Kernels and biases of a dense network, none of them like another."""
    pairs = zip(sizes[:-1], sizes[1:], strict=True)
    draw = rng.normal
    return [(frozen(draw(0, 0.6, p)), frozen(draw(0.4, 0.5, p[1]))) for p in pairs]


def _check_start(start) -> None:
    """Fail unless each layer is drawn anew, as the scheme says, from the seed given."""
    for scheme in ("he", "lecun", "glorot"):
        kernels = _started(start, scheme)
        for kernel in kernels:
            own = "rng.normal(0, initial_std(shape, scheme), shape) for each layer"
            _check_drawn(kernel, scheme, "Draw each layer for its own shape.", own)
    if np.allclose(kernels[1], kernels[2]):
        raise Failure("Two layers got the same weights.", "Draw anew for each layer.")
    if not np.array_equal(kernels[0], _started(start, "glorot")[0]):
        raise Failure("The same seed gives other weights.", "Draw from rng: rng.normal")
    for sizes in ((20, 5), (5, 4, 3, 2, 6)):
        _started(start, "he", sizes)


@check(forbid=_NO_LIBRARY, read="section 3, 'Random, but how large?'")
def initialisation(initial_std, start, variances):
    """initial_std() and start() follow the schemes; variances() gives each Var(z)."""
    hints = (
        "First n and m, then the variance of the table, then its root.",
        "A convolution sums over height × width × inputs: n = k² c, m = k² c'.",
    )
    for shape in ((320, 45), (5, 3, 8, 20), (1, 2, 30, 7)):
        for scheme in ("lecun", "glorot", "he"):
            what = f'initial_std({shape}, "{scheme}")'
            right = _constant(_std(*fans(shape), scheme))
            _same(initial_std, right, _STD, shape, scheme, what=what, hints=hints)
    _check_start(start)
    hints = (
        "The formula is about one variance of all numbers in z, before the activation.",
        "z = a @ kernel + bias, then z.var(), then a = phi(z) for the next layer",
    )
    right, rng = _of_each(np.var), np.random.default_rng(3)
    for sizes, phi in (((7, 9, 8, 5), np.tanh), ((4, 6), np.abs), ((3, 5, 2), np.abs)):
        given = frozen(rng.normal(size=(30, sizes[0]))), _weights(rng, *sizes), phi
        what = f"variances(x, weights, np.{phi.__name__}) for sizes {sizes}"
        _same(variances, right, _VARIANCES, *given, what=what, hints=hints)


_RATES = {  # functions of the initial rate, k, and how many steps are done
    "this starts at the second step's rate.": lambda a, k, done: a * k / (k + done + 1),
    "k has no effect.": lambda a, k, done: a / (1 + done),
    "the rate stays the same.": lambda a, k, done: a + 0 * done,
    "the initial rate has no effect.": lambda a, k, done: k / (k + done),
    "it falls like 1/r²: one may stop anywhere.": lambda a, k, done: (
        a / (1 + done) ** 2
    ),
    "it falls like 1/√r: the noise does not die out.": (
        lambda a, k, done: a / np.sqrt(1 + done)
    ),
    "k divides only once: at r = 1 it must be `initial`.": (
        lambda a, k, done: a / (k + done)
    ),
    "it counts its own calls; the step is an argument.": (
        lambda a, k, done: a * k / (k + np.arange(len(done)))
    ),
    "the initial rate is overwritten at each call.": (
        lambda a, k, done: a * np.cumprod(k / (k + done))
    ),
}


def _way(schedule, steps: int = 3) -> float:
    """How far SGD moves a weight whose gradient is always 1, in compiled steps."""
    # Compiled on purpose: a schedule that counts its own calls is called while the step
    # is compiled, and then never again.
    dense = layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(keras.optimizers.SGD(schedule), loss=lambda y, p: p)
    before, one = to_numpy(dense.kernel).item(), np.ones((1, 1), "float32")
    for _ in range(steps):
        model.train_on_batch(one, one)
    return before - to_numpy(dense.kernel).item()


_SCHEDULES = "keras.optimizers.schedules."


@check(
    forbid=[
        "cnnlab.ops",
        f"{_SCHEDULES}InverseTimeDecay",
        f"{_SCHEDULES}PolynomialDecay",
    ],
    read="section 4, 'A rate that decays'",
)
def schedule(InverseDecay):
    """InverseDecay gives initial * k / (k + r - 1), and Keras trains with it."""
    # Out of order, and one twice: what remembers earlier calls gives itself away.
    done = np.array([0, 5, 2, 7, 2, 1, 11])
    counting = (
        "Keras calls the first step 0: it has done no step yet.",
        "r = step + 1",
    )

    def rates(initial, k, done):
        rate = InverseDecay(initial, k)
        steps = [keras.ops.convert_to_tensor(int(i), "int32") for i in done]
        with np.errstate(all="ignore"):
            return [float(rate(step)) for step in steps]

    def right(initial, k, done):
        return initial * k / (k + done)

    for k in (1, 4):
        if not np.isfinite(rates(0.5, k, done)[0]):
            raise Failure("The rate of the first step is not finite.", *counting)
        what = f"InverseDecay(0.5, k={k}) at Keras' steps {done.tolist()}"
        _same(rates, right, _RATES, 0.5, k, done, what=what, hints=counting)
    try:
        way = _way(InverseDecay(0.5, 4))
    except Exception as error:  # which one depends on the backend
        raise Failure(
            f"Keras cannot train with it ({type(error).__name__}): inside `fit`, a "
            "graph's tensor is no float and no array.",
            "Calculate with `step` as it is: + and / work on tensors.",
        ) from None
    what = "how far three steps go where the gradient is 1"
    close(way, right(0.5, 4, np.arange(3)).sum(), what, *counting)


def _penalty(
    weights, l1, l2, one=lambda w: np.abs(w).sum(), two=lambda w: (w**2).sum()
):
    """The penalty of lab 3, with sizes `one` and `two` of a kernel."""
    return sum(l1 * one(kernel) + l2 * two(kernel) for kernel, _ in weights)


def _with_biases(weights, l1, l2):
    both = [(part, 0) for pair in weights for part in pair]
    return _penalty(both, l1, l2)


_PENALTY = {
    "the biases are penalised too; leave them alone.": _with_biases,
    "this is half as much: there is no 1/2 here.": (
        lambda weights, l1, l2: _penalty(weights, l1 / 2, l2 / 2)
    ),
    "a mean instead of a sum.": partial(
        _penalty, one=lambda w: np.abs(w).mean(), two=lambda w: (w**2).mean()
    ),
    "only the first layer counts.": lambda weights, *l12: _penalty(weights[:1], *l12),
    "only the last layer counts.": lambda weights, *l12: _penalty(weights[-1:], *l12),
    "this is the norm; its square is asked for.": lambda weights, l1, l2: (
        _penalty(weights, l1, 0) + l2 * np.sqrt(_penalty(weights, 0, 1))
    ),
    "positive and negative weights cancel.": partial(_penalty, one=np.sum),
}
_GRADIENTS = {  # of one kernel
    "|W| is differentiated to its sign, not to itself.": (
        lambda w, l1, l2: l1 * np.abs(w) + 2 * l2 * w
    ),
    "where W < 0, |W| has a negative slope.": lambda w, l1, l2: l1 + 2 * l2 * w,
    "l1 has no effect.": lambda w, l1, l2: 2 * l2 * w,
    "l2 has no effect.": lambda w, l1, l2: l1 * np.sign(w),
    "The 2 is missing.": lambda w, l1, l2: l1 * np.sign(w) + l2 * w,
    "W² loses its square when it is differentiated.": (
        lambda w, l1, l2: l1 * np.sign(w) + 2 * l2 * w**2
    ),
    "the sign is wrong: a gradient points uphill.": (
        lambda w, l1, l2: -l1 * np.sign(w) - 2 * l2 * w
    ),
}
# Each penalty by itself, so that the message can say which; then both.
_FACTORS = ((0.1, 0.0), (0.0, 0.1), (0.1, 0.02))


def _check_gradients(penalty_gradients, weights, l1, l2) -> None:
    """Fail unless each kernel is pulled as the penalty is differentiated, no bias."""
    pairs = penalty_gradients(weights, l1=l1, l2=l2)
    what = f"gradients with l1={l1:g}, l2={l2:g}"
    hints = ("Differentiate each |w| and each w².", "l1 gives sign(W), l2 gives 2W.")
    if [len(pair) for pair in pairs] != [2] * len(weights):
        raise Failure("For each layer, give a pair: (kernel's, bias's).")
    for (kernel, bias), (got, of_bias) in zip(weights, pairs, strict=True):
        right = _constant(l1 * np.sign(kernel) + 2 * l2 * kernel)
        at_once = ", both at once" if l1 and l2 else ""
        mine = (_constant(got), right, _GRADIENTS, kernel, l1, l2)
        _same(*mine, what=f"{what}{at_once}, the kernel's", hints=hints)
        if np.any(to_numpy(of_bias)):
            said = "the bias gets a gradient, but only kernels are penalised."
            raise Failure(f"{what}: {said}", "It is 0: np.zeros_like(bias)")
        close(of_bias, 0 * bias, f"{what}, the bias's", "np.zeros_like(bias)")


@check(forbid=[*_NO_LIBRARY, "np.linalg"], read="the beginning of section 6")
def penalties(penalty, penalty_gradients):
    """penalty() adds up |W| and W² of all kernels; its gradients are right."""
    hints = ("Only kernels, and of all layers.", "The sum of |W|, and that of W².")
    for sizes in ((2, 3, 2), (4, 1)):
        weights = _weights(np.random.default_rng(0), *sizes)
        for both in _FACTORS:
            what = "penalty with l1={:g}, l2={:g}".format(*both)
            _same(penalty, _penalty, _PENALTY, weights, *both, what=what, hints=hints)
    for both in _FACTORS:
        _check_gradients(penalty_gradients, weights, *both)
        _check_gradients(
            penalty_gradients, _weights(np.random.default_rng(1), 2, 3, 2), *both
        )


_AT_INFERENCE = {
    "scaled by 1 - rate at inference, on top of the other scaling.": (
        lambda x, rate: (1 - rate) * x
    ),
    "scaled by the rate at inference.": lambda x, rate: rate * x,
    "scaled by 1 / (1 - rate) at inference.": lambda x, rate: x / (1 - rate),
}
_KEPT = {  # what the units that are kept are multiplied with
    "they are not scaled, so inference gets more than training.": lambda x, rate: x,
    "they are divided by the rate.": lambda x, rate: x / rate,
    "they are scaled down; too little arrives then.": lambda x, rate: x * (1 - rate),
}


def _dropped(dropout, x, rate, calls: int = 1) -> np.ndarray:
    """What the last of some calls in training gives; fail unless it is like x."""
    rng = np.random.default_rng(1)
    for _ in range(calls):
        got = dropout(x, rate, True, rng)
    if isinstance(got, tuple):
        raise Failure(
            "dropout() gives one array, not a pair.", "The mask stays inside."
        )
    got = to_numpy(got)
    equal(got.shape, x.shape, f"shape of dropout(x, ...) for x of shape {x.shape}")
    return got


def _check_mask(got, x, rate) -> None:
    """Fail unless each unit was dropped by itself, with this probability."""
    off = got == 0
    if not off.any() and not np.array_equal(got, x):
        raise Failure("In training the values change, but none is set to 0.")
    if not off.any():
        raise Failure("Nothing is dropped in training.", "Is `training` turned round?")
    for said, axis in (("examples", 0), ("units", 1)):
        if np.all(off == off.take([0], axis)):
            raise Failure(
                f"One draw for all {said}: whole rows or columns are dropped together.",
                "Each unit of each example is dropped independently.",
                "Draw x.shape random numbers.",
            )
    # Of 7,200 units: three standard deviations of the share are less than 0.02.
    if abs(off.mean() - rate) > 0.06:
        said = "The rate is the share that is dropped, not the share that is kept."
        turned = abs(1 - off.mean() - rate) < 0.06
        raise Failure(
            f"With rate {rate}, {off.mean():.0%} of the units are dropped. "
            f"{said if turned else ''}",
            "Keep where rng.random(x.shape) >= rate",
        )


@check(forbid=_NUMPY_ONLY, read="the beginning of section 7")
def dropout(dropout):
    """dropout() drops and scales up in training, and does nothing at inference."""
    # Nothing in x is 0, so that a 0 that comes out has been dropped.
    x, rng = frozen(np.linspace(1, 2, 7200).reshape(80, 90)), np.random.default_rng(1)
    maps = x[:3, :80].reshape(3, 4, 4, 5)
    nothing = "Inverted dropout has done its scaling in training: give x back."
    for some, rate in ((x, 0.2), (maps, 0.7), (maps, 0.0)):
        got = dropout(some, rate, False, rng)
        if np.any(to_numpy(got) == 0):
            raise Failure("Units are dropped at inference too.", "Drop if training.")
        mine = (_constant(got), lambda x, rate: x, _AT_INFERENCE, some, rate)
        _same(*mine, what=f"dropout(x, {rate}, training=False)", hints=[nothing])
    for rate in (0.2, 0.7):
        got = _dropped(dropout, x, rate)
        _check_mask(got, x, rate)
        on = got != 0
        mine = (_constant(got[on]), lambda x, rate: x / (1 - rate), _KEPT, x[on], rate)
        mean = "On average, the sum over the units must stay what it is: 1 / (1 - p)"
        _same(*mine, what=f"units that are kept, rate {rate}", hints=[mean])
    _dropped(dropout, maps, 0.2)
    if np.array_equal(_dropped(dropout, x, 0.7, calls=2), got):
        hint = "Draw from rng, not from a generator that starts anew at each call."
        raise Failure("A second call drops the same units.", hint)
    if not np.array_equal(_dropped(dropout, x, 0.7), got):
        raise Failure("The same seed drops other units.", "Draw from the argument rng.")


def _normal(x, g, b, mean=None, var=None, *, axes=(0, 1, 2), ddof=0, root=np.sqrt):
    """Batch normalisation of maps; with other arguments, what mistakes give."""
    if mean is None:
        mean = x.mean(axis=axes, keepdims=True)
        var = x.var(axis=axes, keepdims=True, ddof=ddof)
    return g * (x - mean) / root(var + 1e-3) + b


def _of_batch(**change):
    """`_normal` with the batch's statistics, and one thing done otherwise."""
    return lambda x, g, b, *_: _normal(x, g, b, **change)


def _bare(v):
    """The root without epsilon."""
    return np.sqrt(v - 1e-3)


_NORMALISED = {  # functions of x, gamma, beta and the moving averages
    "the statistics are over the batch only, not over height and width.": _of_batch(
        axes=0
    ),
    "the statistics are over everything, all channels mixed.": _of_batch(axes=None),
    "the statistics are over the channels: layer normalisation.": _of_batch(axes=3),
    "the statistics are of each image: instance normalisation.": _of_batch(axes=(1, 2)),
    "the statistics are of each image by itself, all channels mixed.": _of_batch(
        axes=(1, 2, 3)
    ),
    "gamma and beta are missing.": lambda x, g, b, *_: _normal(x, 1, 0),
    "gamma is missing.": lambda x, g, b, *_: _normal(x, 1, b),
    "beta is missing.": lambda x, g, b, *_: _normal(x, g, 0),
    "gamma and beta are swapped.": lambda x, g, b, *_: _normal(x, b, g),
    "gamma multiplies beta too.": lambda x, g, b, *_: _normal(x, g, g * b),
    "divided by the variance instead of its root.": _of_batch(root=abs),
    "the moving averages are used instead of the batch's.": _normal,
    "the variance has n - 1 in place of n.": _of_batch(ddof=1),
    "epsilon is missing.": _of_batch(root=_bare),
    "epsilon stands under the root.": _of_batch(root=lambda v: _bare(v) + 1e-3),
}
_BN_AT_INFERENCE = {
    "the statistics of the batch are still used.": _of_batch(),
    "gamma and beta are missing.": lambda x, g, b, *moving: _normal(x, 1, 0, *moving),
    "nothing is done.": lambda x, *_: x,
}
_AVERAGES = {  # functions of the old one, the batch's, the other right one, momentum
    "it did not move.": lambda old, new, other, m: old,
    "it moved the wrong way round.": lambda old, new, other, m: (1 - m) * old + m * new,
    "it is that of the last batch alone.": lambda old, new, other, m: new,
    "it moved towards a standard deviation.": (
        lambda old, new, other, m: m * old + (1 - m) * np.sqrt(np.abs(new))
    ),
    "mean and variance swapped.": lambda old, new, other, m: other,
    "use momentum.": lambda old, new, other, m: 0.99 * old + 0.01 * new,
}


def _three(received, what: str):
    """What batch_norm() gave; fail unless it is y and the two moving averages."""
    if not isinstance(received, tuple | list) or len(received) != 3:
        raise Failure(f"{what}: give three things: y, moving mean, moving variance.")
    return received


def _check_averages(received, x, moving, m) -> None:
    """Fail unless both moving averages took a step towards those of the batch."""
    axes = tuple(range(x.ndim - 1))
    batch = x.mean(axis=axes), x.var(axis=axes)
    right = [m * old + (1 - m) * new for old, new in zip(moving, batch, strict=True)]
    about = (1 - m) * ((x - right[0]) ** 2).mean(axis=axes)
    wrong = _AVERAGES | {
        "take the variance about the batch's mean.": lambda old, *_: m * old + about
    }
    hint = "momentum * moving + (1 - momentum) * of the batch"
    for k, name in enumerate(("mean", "variance")):
        given = (moving[k], batch[k], right[1 - k], m)
        mine = (_constant(received[k]), _constant(right[k]), wrong, *given)
        _same(*mine, what=f"the moving {name}", hints=[hint])


_COUNTS = {
    "the moving averages are kept too.": lambda c: (2 * c, 2 * c),
    "No gradient flows to the moving averages.": lambda c: (4 * c, 4 * c),
    "Each channel has its own.": lambda c: (4, 2),
    "first all of them, then the trainable ones.": lambda c: (2 * c, 4 * c),
    "gamma and beta are trained.": lambda c: (4 * c, 0),
}


def _check_normalised(batch_norm, x, parts, momentum) -> None:
    """Fail unless y and the averages are right, in training and at inference."""
    scale = "gamma * (x - mean) / sqrt(variance + epsilon) + beta"
    axes = (
        "Which numbers belong together? All that share a channel.",
        "Mean over all axes but the last: tuple(range(x.ndim - 1))",
    )
    maps, size = x.ndim == 4, f"x {x.shape}"
    y, *averages = _three(batch_norm(x, *parts, True, momentum), "training=True")
    right = _constant(ops.batch_normalization(x, *parts[:2]))
    mine = (_constant(y), right, _NORMALISED if maps else {}, x, *parts)
    _same(*mine, what=f"batch_norm in training, {size}", hints=[scale, *axes])
    _check_averages(averages, x, parts[2:], momentum)
    use = "x is normalised with the moving averages: no image depends on its company."
    y, *averages = _three(batch_norm(x, *parts, False, momentum), "training=False")
    mine = (_constant(y), _normal, _BN_AT_INFERENCE if maps else {}, x, *parts)
    _same(*mine, what=f"batch_norm at inference, {size}", hints=[use, scale])
    for name, new, old in zip(("mean", "variance"), averages, parts[2:], strict=True):
        close(new, old, f"the moving {name} afterwards", "Only training moves it.")


@check(forbid=_NUMPY_ONLY, read="the beginning of section 8")
def batch_norm(batch_norm, batch_norm_params):
    """batch_norm() normalises each channel; batch_norm_params() counts its numbers."""
    rng = np.random.default_rng(0)
    for shape, momentum in (((3, 2, 4, 5), 0.99), ((6, 4), 0.8), ((1, 5, 2, 3), 0.5)):
        # Another spread in each channel: statistics over wrong axes cannot agree.
        x = frozen(rng.normal(size=shape) * np.arange(1, 1 + shape[-1]) + 2)
        parts = [frozen(rng.uniform(0.5, 3, shape[-1])) for _ in range(4)]
        _check_normalised(batch_norm, x, parts, momentum)
    g, b, mean, variance = parts
    right = ops.batch_normalization(x, g, b, mean=mean, variance=variance, epsilon=0.1)
    y = batch_norm(x, *parts, False, epsilon=0.1)[0]
    close(y, right, "batch_norm with epsilon=0.1", "Use the argument epsilon.")
    hints = (
        "Count what stands in the formulas.",
        "For each channel there are gamma, beta, moving mean, moving variance.",
    )
    for c in (7, 30):
        mine = (batch_norm_params, lambda c: (4 * c, 2 * c), _COUNTS, c)
        _same(*mine, what=f"batch_norm_params({c})", hints=hints)


def _table(rate=0.3, l2=0.001, *, block="norm relu drop", end="", hidden=(), output=()):
    """The network of the table; with more arguments, one with a typical mistake."""
    kernel = {"kernel_regularizer": keras.regularizers.L2(l2)}
    first = {"use_bias": False, "kernel_initializer": "he_normal"}
    make = {
        "norm": layers.BatchNormalization,
        "bare": partial(layers.BatchNormalization, scale=False, center=False),
        "relu": layers.ReLU,
        "leaky": partial(layers.LeakyReLU, 0.01),
        "drop": partial(layers.Dropout, rate),
    }
    parts = [keras.Input((196,))]
    for name in ("first", "second"):
        parts.append(layers.Dense(64, **kernel | first | dict(hidden), name=name))
        parts += [make[step]() for step in block.split()]
    last = {"activation": "softmax", "name": "output"}
    parts.append(layers.Dense(10, **kernel | last | dict(output)))
    return keras.Sequential(parts + [make[step]() for step in end.split()])


_BIAS = {"use_bias": True}
_WRONG = {
    "with the norm after the ReLU, not before": partial(_table, block="relu norm drop"),
    "whose hidden layers have no activation": partial(_table, block="norm drop"),
    "with ReLU twice": partial(_table, block="relu norm relu drop"),
    "with leaky ReLU": partial(_table, block="norm leaky drop"),
    "whose layers before the norm still have biases": partial(_table, hidden=_BIAS),
    "with no batch normalisation": partial(_table, block="relu drop"),
    "with no batch normalisation, where the layers have biases": partial(
        _table, block="relu drop", hidden=_BIAS
    ),
    "with a norm at its end; nothing follows the softmax": partial(_table, end="norm"),
    "without the output's bias": partial(_table, output={"use_bias": False}),
    "whose norm is used twice, or has no gamma and beta": partial(
        _table, block="bare relu drop"
    ),
}
_DROPPING = {
    "Nothing is dropped at all.": lambda rate: _table(0),
    "The rate is the share that is dropped, not the share that is kept.": (
        lambda rate: _table(1 - rate)
    ),
    "The argument rate has no effect.": lambda rate: _table(0.3),
    "It is the rate halved.": lambda rate: _table(rate / 2),
}


def _l2_of(model) -> float:
    """The penalty of a network under fixed weights."""
    with unchanged(model):
        for _ in range(2):  # the first call may make the weights
            model(np.ones((1, 196), "float32"))
            fixed_weights(model)
        return float(sum(model.losses)) if model.losses else 0.0


def _with_l2(**where):
    """l2 -> the penalty of the network when arguments of its layers are others."""

    def penalty(l2):
        l2 = keras.regularizers.L2(l2)
        change = {k: {n: v and l2 for n, v in to.items()} for k, to in where.items()}
        return _l2_of(_table(l2=float(l2.l2), **change))

    return penalty


_ACTIVITY = {"kernel_regularizer": None, "activity_regularizer": True}
_PENALISED = {  # functions of l2
    "Nothing is penalised.": lambda l2: 0.0,
    "the bias is penalised too.": _with_l2(output={"bias_regularizer": True}),
    "it is half of what it should be.": lambda l2: _l2_of(_table(l2=l2 / 2)),
    "the output's kernel is left out.": _with_l2(output={"kernel_regularizer": None}),
    "it is 0.001's. Use the argument l2.": lambda l2: _l2_of(_table()),
    "it is 0.01's, Keras' default.": lambda l2: _l2_of(_table(l2=0.01)),
    "of the kernel, not of the outputs.": _with_l2(hidden=_ACTIVITY, output=_ACTIVITY),
}


def _check_training(regularised, model) -> None:
    """Fail unless hidden units, and they alone, are dropped as often as was asked."""
    x = np.random.default_rng(0).normal(size=(400, 196)).astype("float32")
    if not np.allclose(to_numpy(model(x)).sum(axis=1), 1, atol=1e-3):
        said = "The softmax is missing: the outputs are no probabilities."
        raise Failure(said, 'activation="softmax" in the last dense layer')
    if not np.allclose(to_numpy(model(x, training=True)).sum(axis=1), 1, atol=1e-3):
        raise Failure(
            "In training the outputs do not sum to 1: a dropout after the softmax.",
            "Dropout is for hidden layers. Whose probability may be erased?",
        )

    def size(network):
        return noise(network, x[:1])

    # How much outputs vary, not which layers there are: Dropout may be written by hand.
    for rate, own in ((0.3, model), (0.1, regularised(rate=0.1))):
        received, right = size(own), size(_table(rate))
        if abs(received / right - 1) > 0.15:
            near = partial(np.isclose, received, rtol=0.15, atol=0.02 * right)
            said = [m for m, wrong in _DROPPING.items() if near(size(wrong(rate)))]
            said.append("Are there two dropouts?")
            raise Failure(
                f"With rate={rate}, the outputs vary {received / right:.2f} times as "
                f"much in training as they should. {said[0]}",
                "layers.Dropout(rate) after each of the two ReLUs, and nowhere else.",
            )


def _check_repeats(model) -> None:
    """Fail where two predictions differ; what is no network at all is named later."""
    with suppress(AttributeError, TypeError, ValueError):
        x = np.random.default_rng(0).normal(size=(9, 196)).astype("float32")
        if not np.allclose(to_numpy(model(x)), to_numpy(model(x))):
            raise Failure(
                "Two predictions for one image differ: dropout is on at inference.",
                "Do not call a layer with training=True inside the model.",
            )


def _check_network(regularised) -> None:
    """Fail unless it builds the network of the table, from first weights to penalty."""
    model = regularised()
    _check_repeats(model)
    rows = "Go through the table: dense, batch normalisation, ReLU, dropout."
    same_network(regularised, _table, _WRONG, rows)
    _check_training(regularised, model)
    first = {tuple(w.shape): to_numpy(w) for w in model.weights}
    for shape in ((196, 64), (64, 64)):
        hint = "Dense has an argument for it: kernel_initializer"
        _check_drawn(first[shape], "he", hint, 'kernel_initializer="he_normal"')
    if np.any(first[10,]):
        raise Failure("The bias does not start at 0.", "An initializer is for kernels.")
    for l2, own in ((0.001, model), (0.02, regularised(l2=0.02))):
        only = "Three kernels are penalised, not the bias, gamma and beta."
        hints = (only, "kernel_regularizer=keras.regularizers.L2(l2)")
        mine, right = _constant(_l2_of(own)), _constant(_l2_of(_table(l2=l2)))
        what = f"the penalty of regularised(l2={l2})"
        _same(mine, right, _PENALISED, l2, what=what, hints=hints)


def _right(model, x, y):
    return to_numpy(model(x, training=False)).argmax(axis=1) == y


_ACCURACY = {
    "This is the share of errors.": lambda *given: 1 - np.mean(_right(*given)),
    "these are percent; a share is 0 to 1.": lambda *given: (
        100 * np.mean(_right(*given))
    ),
    "this is the number of right answers.": lambda *given: np.sum(_right(*given)),
    "The answer is the largest, not above 1/2.": lambda model, x, y: np.mean(
        to_numpy(model(x, training=False))[np.arange(len(y)), y] > 0.5
    ),
}


def _check_accuracy(accuracy) -> None:
    """Fail unless it is the share of right answers, in inference mode."""
    steps = [layers.BatchNormalization(), layers.Dropout(0.8), layers.Softmax()]
    model = keras.Sequential([keras.Input((4,)), *steps])
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    # Softmax of rows with one large entry: known probabilities, some right, some wrong,
    # some right but below 1/2. Dropout of 0.8 makes a call in training mode obvious.
    sure = np.tile([9.0, 9, 0.5, 9, 0.5, 9, 9, 9], 25)[:, None]
    x = frozen(sure * np.tile(np.eye(4), (50, 1))).astype("float32")
    y = np.tile([0, 1, 2, 0, 0, 1, 3, 3], 25)
    before = [to_numpy(w).copy() for w in model.weights]
    received = [float(accuracy(model, x, y)) for _ in range(2)]
    after = [to_numpy(w) for w in model.weights]
    if received[0] != received[1] or not all(map(np.array_equal, before, after)):
        raise Failure(
            "Asked twice, accuracy() gives two answers, or it changes the network: a "
            "call that trains, or one in training mode.",
            "In training mode units are dropped, and batch statistics are used.",
            "model(x, training=False), or model.predict(x)",
        )
    for rows in (slice(None), slice(3, 10)):
        mine = (accuracy, lambda *given: np.mean(_right(*given)), _ACCURACY, model)
        hints = ("The class of the largest probability, in each row.", "argmax(axis=1)")
        what = f"accuracy of {len(y[rows])} rows"
        _same(*mine, x[rows], y[rows], what=what, hints=hints)


@check(forbid=["cnnlab"], read="the table at the beginning of section 9")
def network(regularised, accuracy):
    """regularised() is the network of the table; accuracy() measures at inference."""
    _check_network(regularised)
    _check_accuracy(accuracy)
