"""Checks of a whole network, in words that name the mistake.

A network is judged by what it does under fixed weights, so style does not matter.
One that does something else is compared with networks that have one typical mistake
each; the one it equals says what is wrong.
"""

from collections import Counter
from functools import lru_cache, partial

import keras
import numpy as np

from cnnlab.teaching.check import Failure
from cnnlab.teaching.probes import alike_kernels, describe, respond

# Layers that change no values, or are judged by what they do in training
_SILENT = ("InputLayer", "Flatten", "Reshape", "Dropout", "Rescaling", "ZeroPadding2D")
_KEPT = 300  # networks with a mistake, of which what they do is remembered
_AS_ACTIVATION = {"ReLU": "relu", "Softmax": "softmax"}


def same_network(build, right, slips: dict | None = None, *hints: str) -> None:
    """Fail unless `build()` gives a classifier that does what that of `right()` does.

    Args:
        build: the student's function; called twice, since each call must build anew.
        right: builds a right network, whose layers have telling names.
        slips: what is wrong, such as "with max pooling" -> a function that builds a
            network with that mistake; `changed` makes many. Those of
            `activation_slips` are known without being named.
        hints: shown after what was found out, simplest first.
    """
    name, reference, slips = build.__name__, right(), slips or {}
    x = _images(reference.input_shape[1:])
    # From what says most to what says least: the shape, then numbers of weights, then
    # outputs. Built twice, as layers made outside of the function would be shared.
    try:
        model, again = build(), build()
        _check_built(name, model, again)
        _check_input(name, model, reference)
        shape = tuple(model(x).shape)
    except ValueError as error:
        raise too_small(error, *hints) from None
    _check_shape(name, model, shape, tuple(reference(x).shape), hints)
    _check_sizes(name, model, reference, slips, hints)
    received = respond(model, x, classifier=True)
    if not _alike(received, respond(reference, x)):
        said = _named(received, x.shape[1:], activation_slips(right) | slips)
        said = said or _unlike(model, reference)
        raise Failure(
            f"{name}() has the right number of weights, but they do something else."
            f"{said}\n{_read(model)}",
            "Compare activations, pooling and strides with the table, layer by layer.",
            *hints,
        )
    _check_start(name, model)


def changed(right, **layers):
    """A function that builds the network of `right()` with some of its layers changed.

    Args:
        right: builds a functional or sequential network.
        layers: name of a layer -> options it is to have instead, such as
            `C1={"padding": "valid"}`, or a function that makes the layer that is to
            stand in its place.
    """

    def other(layer):
        change = layers.get(layer.name, {})
        if callable(change):
            return change()
        return type(layer).from_config(layer.get_config() | change)

    return lambda: keras.models.clone_model(right(), clone_function=other)


@lru_cache(_KEPT)
def activation_slips(right) -> dict:
    """What is wrong -> a function that builds `right()` with that activation wrong."""
    layers = [la.name for la in right().layers if getattr(la, "activation", None)]
    *hidden, last = layers

    def twice(z):
        return keras.ops.softmax(keras.ops.softmax(z))

    changes = {f"without an activation after {name}": (name, None) for name in hidden}
    changes["with a sigmoid in place of the softmax"] = (last, "sigmoid")
    changes["with a ReLU on its output"] = (last, "relu")
    changes["with the softmax applied twice"] = (last, twice)
    return {what: partial(_slip, right, *change) for what, change in changes.items()}


def _slip(right, layer: str, activation) -> keras.Model:
    # Put in afterwards: an activation has no weights that would have to be made.
    model = right()
    model.get_layer(layer).activation = keras.activations.get(activation)
    return model


def _alike(received: np.ndarray, wanted: np.ndarray) -> bool:
    # Wide enough for float32 sums in another order, on another machine.
    return np.allclose(received, wanted, rtol=1e-3, atol=1e-5)


@lru_cache(_KEPT)
def _response(build, shape: tuple) -> np.ndarray:
    """What a network with a mistake answers: found once, whoever makes it again."""
    return respond(build(), _images(shape), classifier=True)


@lru_cache(_KEPT)
def _sizes_made(build) -> list[int]:
    return _sizes(build())


def _images(shape: tuple) -> np.ndarray:
    return np.random.default_rng(0).random((4, *shape), "float32")


def _named(received: np.ndarray, shape: tuple, slips: dict) -> str:
    """Which mistake makes a network respond like this, as a sentence, or nothing."""
    for what, build in slips.items():
        if _alike(received, _response(build, shape)):
            return f" It answers like the right network {what}."
    return ""


def _unlike(model, reference) -> str:
    """What stands behind which layer with weights, where the reference has another.

    Nothing where layers alone do not say it: in a model with operations or of a class.
    """
    is_chain = isinstance(model, keras.Sequential)
    operations = model.layers if is_chain else getattr(model, "operations", [None])
    if not all(isinstance(each, keras.layers.Layer) for each in operations):
        return ""
    mine, wanted = _steps(model), _steps(reference)
    names = ["the input", *(la.name for la in reference.layers if la.weights)]
    if len(mine) != len(wanted):
        return ""
    said = [
        f"{', '.join(steps) or 'nothing'} behind {name}"
        for name, steps, right in zip(names, mine, wanted, strict=True)
        if steps != right
    ]
    return f" Look again at: {'; '.join(said)}." if said else ""


def _steps(model) -> list[list[str]]:
    """What stands behind the input and behind each layer with weights, in order."""
    steps = [[]]
    for row in describe(model):
        kind, activation = row["kind"], row["activation"]
        if row["params"]:
            steps.append([])
        if "pool_size" in row:
            options = row["pool_size"], row["strides"]
            steps[-1].append(f"{kind}({np.ravel(options).tolist()})")
        elif activation:
            steps[-1] += [activation] * (activation != "linear")
        elif not row["params"] and kind not in _SILENT:
            steps[-1].append(_AS_ACTIVATION.get(kind, kind))
    return steps


def _check_start(name: str, model) -> None:
    """Fail unless the kernels of a new network begin at random."""
    if same := alike_kernels(model):
        raise Failure(
            f"{name}(): the {same} begins with values all alike: its units are "
            "twins, and learn all the same.",
            "Leave the first weights to Keras, or draw them: no kernel_initializer "
            "that gives constants.",
        )


def _check_input(name: str, model, reference) -> None:
    taken, given = (getattr(m, "input_shape", None) for m in (model, reference))
    if taken and any(a not in (None, b) for a, b in zip(taken, given, strict=False)):
        raise Failure(
            f"{name}() takes images {taken[1:]}; those of this lab are {given[1:]}.",
            "keras.Input takes the shape of one image: height, width, channels.",
        )


def _check_built(name: str, model, again) -> None:
    if not isinstance(model, keras.Model):
        received = "None" if model is None else type(model).__name__
        raise Failure(
            f"{name}() must return a keras.Model. Received: {received}.",
            "Does the function end with `return`?",
        )
    if {id(w) for w in model.weights} & {id(w) for w in again.weights}:
        raise Failure(
            f"Two calls of {name}() give networks that share their weights: training "
            "the second goes on where the first ended.",
            "Make every layer inside the function.",
        )
    if model.built and (fixed := [w.path for w in _frozen(model)]):
        raise Failure(
            f"{name}() gives a network whose weights are not all trained: {fixed[0]}.",
            "trainable=False freezes a layer; leave it out.",
        )


def _frozen(model) -> list:
    """Weights that training leaves as they are, though a layer means to learn them."""
    rows = (layer for layer in model.layers if not layer.trainable)
    return [weight for layer in rows for weight in layer.weights]


def too_small(error: ValueError, *hints: str) -> Exception:
    """What Keras says of a kernel that does not fit, in words; others as they are."""
    # TensorFlow and Keras word it in many ways, all of which name a negative size.
    if "negative" not in str(error):
        return error
    return Failure(
        "A map is smaller than the kernel that should slide over it. Keras says:\n"
        f"{str(error).splitlines()[0]}",
        "Follow the size from layer to layer: where does it leave your table?",
        'A convolution loses k - 1 pixels, or none with padding="same".',
        *hints,
    )


def _check_shape(name: str, model, shape: tuple, wanted: tuple, hints: tuple) -> None:
    if shape != wanted:
        raise Failure(
            f"{name}(): for 4 images the output must have the shape {wanted}, "
            f"received {shape}.\n{_read(model)}",
            "Follow the shape from layer to layer with your table.",
            "A dense layer works on the last axis alone, so the maps must become one "
            "vector before it: Flatten.",
            *hints,
        )


def _check_sizes(name: str, model, reference, slips: dict, hints: tuple) -> None:
    """Fail unless the weights have the sizes of the reference's, in any order."""
    sizes, wanted = _sizes(model), _sizes(reference)
    if sizes == wanted:
        return
    same = (what for what, build in slips.items() if _sizes_made(build) == sizes)
    what = next(same, "")
    said = what and f"That is the number of a network {what}."
    raise Failure(
        f"{name}(): expected {sum(wanted):,} parameters, received {sum(sizes):,}. "
        f"{said or _difference(model, reference)}\n{_read(model)}",
        "Compare each layer's parameters with your table: summary() lists them.",
        *hints,
    )


def _difference(model, reference) -> str:
    """Which weights are there too many or missing, as a sentence, or nothing."""
    # By numbers of values, not by shapes: a convolution over the whole map and a dense
    # layer are one and the same thing.
    kernels, biases = (
        [Counter(_sizes(each, vectors=vectors)) for each in (model, reference)]
        for vectors in (False, True)
    )
    for layer in reference.layers:
        if layer.weights and np.prod(layer.weights[0].shape) not in kernels[0]:
            return f"No layer has as many weights as {layer.name} should."
    for kind, (received, wanted) in {"layer": kernels, "bias": biases}.items():
        if missing := wanted - received:
            return f"A {kind} of {max(missing):,} weights is missing."
        if more := received - wanted:
            return f"There is a {kind} too many, of {max(more):,} weights."
    return ""


def _sizes(model, vectors: bool | None = None) -> list[int]:
    """Numbers of values of all weights, sorted; of the vectors or the others only."""
    weights = [w for w in model.weights if "seed" not in w.path]
    if vectors is not None:
        weights = [w for w in weights if (len(w.shape) == 1) == vectors]
    return sorted(int(np.prod(w.shape)) for w in weights)


def _read(model) -> str:
    """The layers in one line, as far as they can be read."""
    words = []
    for row in describe(model):
        size = row.get("filters") or row.get("units") or row.get("rate")
        strides = row.get("strides") if row.get("filters") else None
        facts = [str(size)] if size else []
        facts += ["strides"] if strides and np.max(strides) > 1 else []
        facts += ["same"] if row.get("padding") == "same" else []
        facts += [row["activation"]] if row["activation"] else []
        words.append(f"{row['kind']}({', '.join(facts)})" if facts else row["kind"])
    return f"Read from your layers: {' > '.join(words)}"
