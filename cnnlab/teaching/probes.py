"""What a network does, seen from outside: the values that checks and grades compare.

Nothing here changes the student's model: weights are put back after every probe.
"""

from contextlib import contextmanager

import numpy as np

from cnnlab.metrics import as_probabilities
from cnnlab.teaching.check import to_numpy


def describe(model) -> list[dict]:
    """Layers of a model, nested models unfolded: what they are and what comes out.

    The one place that reads Keras attributes. Keys: `kind` (class name), `name`,
    `output_shape` (None if Keras does not know it), `params`, `activation` (name or
    None), and those of `filters, units, kernel_size, strides, padding, pool_size,
    rate, use_bias, scale` that the layer has.
    """
    options = "filters units kernel_size strides padding pool_size rate use_bias scale"
    rows = []
    for layer in _leaves(model):
        activation = getattr(layer, "activation", None)
        # A layer that was called twice, or by hand, has no one output.
        try:
            shape = tuple(layer.output.shape)
        except (AttributeError, ValueError, RuntimeError):
            shape = None
        row = {
            "kind": type(layer).__name__,
            "name": layer.name,
            "output_shape": shape,
            "params": layer.count_params() if layer.built else None,
            "activation": getattr(activation, "__name__", None),
        }
        row |= {k: getattr(layer, k) for k in options.split() if hasattr(layer, k)}
        rows.append(row)
    return rows


def _leaves(model) -> list:
    """The layers of a model, nested models unfolded."""
    leaves = []
    for layer in model.layers:
        leaves += _leaves(layer) if getattr(layer, "layers", None) else [layer]
    return leaves


@contextmanager
def unchanged(model):
    """Give back the model's weights, optimizer state included, on leaving.

    And the epsilons of its batch normalisations.
    """
    values = {id(v): to_numpy(v).copy() for v in _state(model)}
    epsilons = [(layer, layer.epsilon) for layer in _norms(model)]
    try:
        yield model
    finally:
        for layer, epsilon in epsilons:
            layer.epsilon = epsilon
        for variable in _state(model):
            fresh = np.zeros(variable.shape)  # a metric that the step created
            variable.assign(values.get(id(variable), fresh))


def _state(model) -> list:
    """Every variable that a call or a training step may change."""
    state = list(model.variables)
    if getattr(model, "optimizer", None):
        state += model.optimizer.variables
    return state + [v for metric in model.metrics for v in metric.variables]


def attempt(function, *args, **options):
    """What one case of a probe gives, or its exception, which equals no value.

    So it costs that case: [attempt(conv1d, x, kernel) for x, kernel in cases].
    """
    try:
        return function(*args, **options)
    except Exception as error:
        return error


def fixed_weights(model, seed: int = 0, *, biases: bool = True) -> None:
    """Fill every weight from the seed, its role and its number of values.

    Not from its position or layout: two right networks may create their layers in
    another order, or write the last convolution as a dense layer. Without `biases`
    those are 0.
    """
    for variable in model.weights:
        shape = tuple(variable.shape)
        role = variable.path.rsplit("/", 1)[-1]
        if role in ("seed_generator_state", "mean", "variance", "count"):
            continue  # no weights: the last three are what Normalization has seen
        size = int(np.prod(shape))
        role = _role(role, shape)
        # Not hash(): of a text it is another number in each process.
        rng = np.random.default_rng([seed, size, sum(map(ord, role))])
        values = _fill(rng, role, shape, size)
        variable.assign(values if biases or role != "bias" else 0 * values)


def same_epsilon(model) -> None:
    """Give batch normalisations Keras' own epsilon: others are a matter of taste."""
    for layer in _norms(model):
        if layer.epsilon < 0.01:
            layer.epsilon = 1e-3


def _norms(model) -> list:
    """The batch normalisations of a model."""
    kind = "BatchNormalization"
    return [layer for layer in _leaves(model) if type(layer).__name__ == kind]


def _role(name: str, shape: tuple) -> str:
    """What a weight is for; in a layer of one's own, a vector works like a bias."""
    known = ("bias", "gamma", "beta", "moving_mean", "moving_variance")
    if name in known:
        return name
    return "kernel" if len(shape) > 1 else "bias"


def _fill(rng, role: str, shape: tuple, size: int) -> np.ndarray:
    # Gamma and variance above 0, and not 1: a normalisation must show. Moving means and
    # biases small, or a ReLU behind them would be all on or all off.
    values = rng.standard_normal(size)
    if role == "kernel":
        # A depthwise kernel, (k, k, c, 1), is like that of c groups, (k, k, 1, c).
        outputs = max(shape[-2:]) if len(shape) == 4 and 1 in shape[-2:] else shape[-1]
        values *= np.sqrt(2 * outputs / size)  # He: 2 / fan_in
    elif role in ("gamma", "moving_variance"):
        values = 1 + 0.2 * np.abs(values)
    else:
        values *= 0.1
    return values.reshape(shape).astype("float32")


def respond(
    model,
    x: np.ndarray,
    seed: int = 0,
    *,
    classifier: bool = False,
    biases: bool = True,
) -> np.ndarray:
    """Outputs `(batch, ...)` for `x` under fixed weights, in inference mode.

    Two ways of writing the same network respond alike; a missing activation does
    not. An input `Rescaling` layer is undone, a matter of taste; so are logits for
    probabilities, of a model compiled with `from_logits=True` or of a `classifier`.
    With `biases=False` they are 0, so that one too many or too few changes nothing.
    """
    model(x[:1])  # builds a subclassed model
    kinds = [(type(la).__name__, la) for la in _leaves(model)]
    first, layer = next(pair for pair in kinds if pair[0] != "InputLayer")
    if first == "Rescaling":
        x = (x - layer.offset) / layer.scale
    with unchanged(model):
        fixed_weights(model, seed, biases=biases)
        same_epsilon(model)
        y = to_numpy(model(x, training=False))
    return as_probabilities(y) if classifier or expects_logits(model) else y


def expects_logits(model) -> bool:
    """Whether the compiled loss says `from_logits=True`."""
    loss = getattr(model, "loss", None)
    config = loss.get_config() if hasattr(loss, "get_config") else {}
    return bool(
        config.get("from_logits", config.get("fn_kwargs", {}).get("from_logits"))
    )


def behaviour(model, x: np.ndarray, seed: int = 0, *, classifier: bool = False) -> dict:
    """What a network does and is, however it was written: the value of a probe.

    Returns: `outputs` as `respond` gives them, `params`, `trainable` (numbers of
    parameters) and `sizes` (of the weight tensors, sorted).
    """
    outputs = respond(model, x, seed, classifier=classifier)
    sizes = [int(np.prod(w.shape)) for w in model.weights]
    trainable = [int(np.prod(w.shape)) for w in model.trainable_weights]
    return {
        "outputs": outputs,
        "params": sum(sizes),
        "trainable": sum(trainable),
        "sizes": sorted(sizes),
    }


def updated_weights(model, x: np.ndarray, y: np.ndarray) -> list[str]:
    """Which weights one training step changes, as sorted `"role shape"` strings.

    The model must be compiled. It is trained on the batch once and put back.
    """
    return sorted(name for name, change in steps(model, x, y) if change)


def steps(
    model, x: np.ndarray, y: np.ndarray, count: int = 1
) -> list[tuple[str, float]]:
    """How far training steps move each weight: (`"role shape"`, relative change).

    Relative to the weight's norm; infinite for one that was all zeros, as biases are.
    The model must be compiled; it takes `count` steps on one batch, and is put back.
    """
    model(x[:1])
    weights = [w for w in model.weights if "seed_generator" not in w.path]
    if not model.optimizer.built:  # its slots do not all begin at zero
        model.optimizer.build(model.trainable_variables)
    with unchanged(model), _eager(model):
        before = [to_numpy(w).copy() for w in weights]
        for _ in range(count):
            model.train_on_batch(x, y)
        return [
            (f"{w.path.rsplit('/', 1)[-1]} {tuple(w.shape)}", _change(w, old))
            for w, old in zip(weights, before, strict=True)
        ]


@contextmanager
def _eager(model):
    """One step is not worth a graph; the graph of the student's own `fit` stays."""
    kept = model.run_eagerly
    model.run_eagerly = True
    model.make_train_function(force=True)
    try:
        yield
    finally:
        model.run_eagerly = kept
        model.make_train_function(force=True)


def _change(weight, old: np.ndarray) -> float:
    distance, size = np.linalg.norm(to_numpy(weight) - old), np.linalg.norm(old)
    return float(distance / size) if size else float(np.inf if distance else 0)


def noise(
    model, x: np.ndarray, seed: int = 0, copies: int = 600, *, without: int = 0
) -> float:
    """How much the log probabilities for one image vary in training.

    The standard deviation over many calls under fixed weights, averaged over the
    classes: what dropout does, whatever its masks. Of LeNet it is known to 1.1 %: two
    differ by more than 10 %, 6.4 sigma, in fewer than one of a billion cases.

    Args:
        x: that image, with a batch axis of 1.
        without: size of a kernel that is all zeros, so that no noise passes through it.
    """
    model(x)
    with unchanged(model):
        fixed_weights(model, seed)
        same_epsilon(model)
        for weight in model.weights:
            if np.prod(weight.shape) == without:
                weight.assign(np.zeros(weight.shape))
        y = as_probabilities(model(np.repeat(x, copies, axis=0), training=True))
    return float(np.log(np.maximum(y, 1e-30)).std(axis=0).mean())


def is_still(model, x: np.ndarray, *, training: bool = True) -> bool:
    """Whether three calls of a model give the same: nothing in it is random."""
    y = [to_numpy(model(x, training=training)) for _ in range(3)]
    return bool(np.allclose(y[0], y[1:], rtol=1e-4, atol=1e-7))


def scales_down(model) -> bool:
    """Whether a layer of the model divides images from 0 to 1 once more."""
    rows = (row for row in describe(model) if row["kind"] == "Rescaling")
    return any(np.max(row["scale"]) < 0.1 for row in rows)


def of_builder(build, x: np.ndarray) -> dict:
    """What networks of `build()` are, besides what they answer: a probe's value."""
    pair = build(), build()
    for model in pair:
        model(x)
    alike = alike_kernels(pair[0])
    first, both = ([w for m in some for w in _learned(m)] for some in (pair[:1], pair))
    return {
        "weights of two calls": len({id(w) for w in both}),
        "sizes of the weights": sorted(int(np.prod(w.shape)) for w in first),
        "weights that are trained": len(pair[0].trainable_weights),
        "first weights": "all alike" if alike else "drawn",
        "images scaled again": scales_down(pair[0]),
        "random in training": not is_still(pair[0], x),
        "random in testing": not is_still(pair[0], x, training=False),
    }


def _learned(model) -> list:
    """The weights of a model, without the states of random layers."""
    return [w for w in model.weights if "seed" not in w.path]


def alike_kernels(model) -> str:
    """The first kernel whose values are all the same, as `"kernel (3, 4)"`, or ""."""
    kernels = (w for w in model.weights if len(w.shape) > 1 and np.prod(w.shape) > 1)
    alike = (w for w in kernels if np.ptp(to_numpy(w)) == 0)
    return next((f"kernel {tuple(w.shape)}" for w in alike), "")
