"""What a network does, seen from outside: the values that checks and grades compare.

Nothing here changes the student's model: weights are put back after every probe.
"""

from contextlib import contextmanager

import numpy as np

from cnnlab.checks import to_numpy


def describe(model) -> list[dict]:
    """Layers of a model, nested models unfolded: what they are and what comes out.

    The one place that reads Keras attributes. Keys: `kind` (class name), `name`,
    `output_shape` (None if Keras does not know it), `params`, `activation` (name or
    None), and those of `filters, units, kernel_size, strides, padding, pool_size,
    rate, use_bias, scale` that the layer has.
    """
    options = "filters units kernel_size strides padding pool_size rate use_bias scale"
    rows = []
    for layer in model.layers:
        if getattr(layer, "layers", None):
            rows += describe(layer)
            continue
        activation = getattr(layer, "activation", None)
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


@contextmanager
def unchanged(model):
    """Give back the model's weights, optimizer state included, on leaving."""
    optimizer = getattr(model, "optimizer", None)
    kept = list(model.variables) + list(optimizer.variables if optimizer else [])
    values = {id(v): to_numpy(v).copy() for v in kept}
    try:
        yield model
    finally:
        for variable in (*model.variables, *(optimizer.variables if optimizer else ())):
            fresh = np.zeros(variable.shape)  # a slot that the step created
            variable.assign(values.get(id(variable), fresh))


def fixed_weights(model, seed: int = 0) -> None:
    """Fill every weight from the seed, its role and its number of values.

    Not from its position or layout: two right networks may create their layers in
    another order, or write the last convolution as a dense layer.
    """
    for variable in model.weights:
        shape = tuple(variable.shape)
        role = variable.path.rsplit("/", 1)[-1]
        if role == "seed_generator_state":
            continue
        size = int(np.prod(shape))
        rng = np.random.default_rng([seed, size, sum(map(ord, _role(role, shape)))])
        variable.assign(_fill(rng, _role(role, shape), shape, size))


def _role(name: str, shape: tuple) -> str:
    known = ("bias", "gamma", "beta", "moving_mean", "moving_variance")
    if name in known:
        return name
    return "kernel" if len(shape) > 1 else "bias"


def _fill(rng, role: str, shape: tuple, size: int) -> np.ndarray:
    values = rng.standard_normal(size)
    if role == "kernel":
        values *= np.sqrt(2 * shape[-1] / size)  # He: 2 / fan_in
    elif role in ("gamma", "moving_variance"):
        values = 1 + 0.2 * np.abs(values)
    else:
        values *= 0.1
    return values.reshape(shape).astype("float32")


def respond(model, x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Outputs `(batch, ...)` for `x` under fixed weights, in inference mode.

    Two ways of writing the same network respond alike; a missing activation does
    not. Logits of a model compiled with `from_logits=True` count as probabilities,
    and an input `Rescaling` layer is undone, since both are a matter of taste.
    """
    model(x[:1])  # builds a subclassed model
    scaling = [r for r in describe(model) if r["kind"] == "Rescaling"]
    if scaling:
        layer = next(la for la in model.layers if la.name == scaling[0]["name"])
        x = (x - layer.offset) / layer.scale
    with unchanged(model):
        fixed_weights(model, seed)
        y = to_numpy(model(x, training=False))
    if expects_logits(model):
        y = np.exp(y - y.max(-1, keepdims=True))
        y /= y.sum(-1, keepdims=True)
    return y


def expects_logits(model) -> bool:
    """Whether the compiled loss says `from_logits=True`."""
    loss = getattr(model, "loss", None)
    config = loss.get_config() if hasattr(loss, "get_config") else {}
    return bool(
        config.get("from_logits", config.get("fn_kwargs", {}).get("from_logits"))
    )


def behaviour(model, x: np.ndarray, seed: int = 0) -> dict:
    """What a network does and is, however it was written: the value of a probe.

    Returns: `outputs` under fixed weights, `params`, `trainable` (numbers of
    parameters) and `shapes` (sorted sizes of the weight tensors).
    """
    outputs = respond(model, x, seed)
    sizes = [int(np.prod(w.shape)) for w in model.weights]
    trainable = [int(np.prod(w.shape)) for w in model.trainable_weights]
    return {
        "outputs": outputs,
        "params": sum(sizes),
        "trainable": sum(trainable),
        "sizes": sorted(sizes),
    }


def moved(model, x: np.ndarray, y: np.ndarray) -> list[str]:
    """Which weights one training step changes, as sorted `"role shape"` strings.

    The model must be compiled. It is trained on the batch once and put back.
    """
    model(x[:1])
    before = [(w, to_numpy(w).copy()) for w in model.weights]
    with unchanged(model):
        model.train_on_batch(x, y)
        after = [to_numpy(w) for w, _ in before]
        return sorted(
            f"{w.path.rsplit('/', 1)[-1]} {tuple(w.shape)}"
            for (w, old), new in zip(before, after, strict=True)
            if not np.array_equal(old, new) and "seed" not in w.path
        )
