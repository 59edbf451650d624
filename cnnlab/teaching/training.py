"""What a student's training function does, found out almost without training."""

import re
from contextlib import suppress

import keras
import numpy as np

from cnnlab.teaching.check import Failure, frozen, to_numpy
from cnnlab.teaching.fits import fits_of
from cnnlab.teaching.probes import as_probabilities, steps, updated_weights

LARGE_STEP = 0.3  # of a kernel's norm, in one training step; healthy is about 0.01
SMALL_PACE = 0.0115  # of it, in ten steps: with less, little is learned in few epochs


def sound_training(train, build) -> None:
    """Fail unless `train(model, training, validation, epochs, batch_size)` is sound.

    It must compile a classifier of 28x28x1 images for integer labels, and call `fit`
    as told. Nothing is trained but one step, of a network from `build`.
    """
    rng = np.random.default_rng(0)
    x, y = rng.random((24, 28, 28, 1), "float32"), np.arange(24, dtype="int32") % 10
    training, validation = (x[:16], y[:16]), (x[16:], y[16:])
    model = build()
    asked = asked_of_fit(train, model, training, validation, 3, 8)
    if asked is None:
        raise Failure(
            f"{train.__name__} trains nothing.",
            "Compile the model, then call train.fit or model.fit.",
        )
    if asked["model"] is not model:
        raise Failure(
            f"{train.__name__} trains another model than the one it was given.",
            "Compile and fit the argument; build nothing here.",
        )
    _check_images(asked, training, validation)
    _check_options(train.__name__, asked, epochs=3, batch_size=8)
    _check_loss(asked["model"], asked["y"], to_numpy(model(x)))
    _check_step(asked["model"], asked["x"], asked["y"])


def asked_of_fit(function, *args) -> dict | None:
    """What `function(*args)` asks of `Model.fit`, without training; None if nothing.

    Returns:
        `model`; `x` and `y`, arrays also of a data set that brings both; `validation`,
        such a pair or None; `epochs`, those of several calls together; `batch_size`;
        `is_plain`, whether images are shuffled and weigh the same; `result`, what the
        function returned.
    """
    calls, result = fits_of(function, *args)
    if not calls:
        return None
    asked = {k: v for k, v in vars(calls[-1]).items() if k != "batches"}
    return asked | {"epochs": sum(call.epochs for call in calls), "result": result}


def is_history(result, epochs: int) -> bool:
    """Whether it is a dict of lists, with a loss and a validation loss for each epoch.

    Those measured by stand-ins: one that a student computed has other lengths.
    """
    if not isinstance(result, dict):
        return False
    lists = (result.get(name) for name in ("loss", "val_loss"))
    return all(np.shape(values) == (epochs,) for values in lists)


def what_fit_is_asked(train, seed: int) -> dict:
    """The value of a probe: what `train` passes on to `fit`, and how it compiles."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((50, 28, 28, 1)).astype("float32"), rng.integers(0, 10, 50)
    stack = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    network = keras.Sequential([*stack, keras.layers.Dense(10, "softmax")])
    training, validation = ((frozen(x[p]), frozen(y[p])) for p in (_FIRST, _LAST))
    asked = asked_of_fit(train, network, training, validation, 4, 6) or {}
    if not asked:
        return asked
    truth = asked["y"][np.argsort(class_numbers(asked["y"]), kind="stable")]
    p = as_probabilities(rng.standard_normal((len(truth), 10)))
    found = {
        "training images and labels": fingerprints(asked["x"], asked["y"]),
        "validation images and labels": asked["validation"]
        and fingerprints(*asked["validation"]),
        "epochs and batch size": np.array([asked["epochs"], asked["batch_size"]]),
        "the model": asked["model"] is network,
        "order and weight of the images": asked["is_plain"],
        "the history": is_history(asked["result"], 4),
    }
    with suppress(Exception):  # whatever Keras raises where labels and loss differ
        said, right = loss_and_metrics(asked["model"], truth, p), accuracy(truth, p)
        found["loss"] = said["loss"]
        metrics = said["metrics"].values()
        found["accuracy"] = min(metrics, key=lambda m: abs(m - right), default=-1)
    return found


_FIRST, _LAST = slice(30), slice(30, None)


def what_training_does(train, network, seed: int) -> dict:
    """The value of a probe: how far the loss is from the network's, and what moves."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((20, 28, 28, 1)).astype("float32"), rng.integers(0, 10, 20)
    asked = asked_of_fit(train, network, (x, y), (x, y), 1, 5)
    outputs = to_numpy(network(asked["x"]))
    loss = float(asked["model"].compute_loss(y=asked["y"], y_pred=outputs))
    return {
        "loss": loss - cross_entropy(asked["y"], as_probabilities(outputs)),
        "weights that one step moves": len(
            updated_weights(asked["model"], x, asked["y"])
        ),
    }


def accuracy(y: np.ndarray, probabilities: np.ndarray) -> float:
    """The share of images whose largest output is the true class."""
    return float(np.mean(probabilities.argmax(-1) == class_numbers(y)))


def loss_and_metrics(model, y, probabilities: np.ndarray) -> dict:
    """What a compiled classifier's loss and metrics say of predictions.

    Args:
        y: labels as the model is trained on, integers `(n,)` or one-hot.
        probabilities: `(n, num_classes)`; given as logits where the loss takes those.

    Returns:
        `loss`; `takes`, which is "probabilities" or "logits", or "" for a loss that is
        no cross-entropy of either; `metrics` by name.
    """
    # By numbers, not by names: a loss may be a string, an object or a function of one's
    # own. log p are logits whose softmax is p.
    true = cross_entropy(y, probabilities)
    takes, scores = "", np.asarray(probabilities, "float32")
    loss = _loss(model, y, scores)
    if abs(loss - true) < 1e-3:
        takes = "probabilities"
    elif abs(_loss(model, y, np.log(scores)) - true) < 1e-3:
        takes, scores, loss = "logits", np.log(scores), true
    model.reset_metrics()  # they add up over calls
    metrics = model.compute_metrics(None, y, scores)
    model.reset_metrics()
    metrics = {k: float(v) for k, v in metrics.items() if k != "loss"}
    return {"loss": float(loss), "takes": takes, "metrics": metrics}


def _loss(model, y, scores: np.ndarray) -> float:
    """The compiled loss alone: regularisation may come on top, and is no fault."""
    penalties = sum(float(penalty) for penalty in model.losses)
    return float(model.compute_loss(y=y, y_pred=scores)) - penalties


def class_numbers(y: np.ndarray) -> np.ndarray:
    """Integer labels `(n,)` from integers or one-hot rows."""
    return y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(-1).astype(int)


def cross_entropy(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -log p of the true class."""
    return -np.log(probabilities[np.arange(len(y)), class_numbers(y)]).mean()


def fingerprints(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """One number for each image with its label, sorted: the same in any order."""
    # Weights that differ from pixel to pixel, or a flipped image would give the same.
    flat = np.asarray(x, float).reshape(len(x), -1)
    return np.sort(flat @ np.linspace(1, 2, flat.shape[1]) * (1 + class_numbers(y)))


def _same_pairs(received: tuple, wanted: tuple) -> bool:
    shapes = [[np.shape(x), len(y)] for x, y in (received, wanted)]
    return shapes[0] == shapes[1] and np.allclose(
        fingerprints(*received), fingerprints(*wanted)
    )


def _check_images(asked: dict, training: tuple, validation: tuple) -> None:
    """Fail unless each set of images, with its labels, is used for what it is for."""
    if asked["validation"] is None:
        raise Failure(
            "Nothing is measured on the validation images while training.",
            "How else would you see the network learn its images by heart?",
            "fit(..., validation_data=(images, labels))",
        )
    if not _same_pairs(asked["validation"], validation):
        raise Failure(
            "validation_data are not the images and labels given for validation.",
            "Training images say nothing about new ones. And who looks at the test set "
            "while training chooses by it: it is no judge any more.",
            "Pass on what the function was given: validation_data=validation",
        )
    # Said before "not the training images": it is why they are not.
    low, high = np.min(asked["x"]), np.max(asked["x"])
    if high < 0.1 * np.max(training[0]):
        raise Failure(
            f"fit gets images from {low:.3g} to {high:.3g}; those given are from "
            f"{np.min(training[0]):.3g} to {np.max(training[0]):.3g}.",
            "They are scaled already: scaled again they are nearly blank.",
            "Pass on what the function was given: training[0] and training[1].",
        )
    if not _same_pairs((asked["x"], asked["y"]), training):
        raise Failure(
            "fit does not get the training images, each with its own label.",
            "Pass on what the function was given: training[0] and training[1].",
        )


def _check_options(name: str, asked: dict, **wanted: int) -> None:
    for option, value in wanted.items():
        if not np.isclose(asked[option], value):
            raise Failure(
                f"{name}, asked for {option}={value}, trains with {asked[option]:g}.",
                f"Pass the argument on: fit(..., {option}={option})",
            )
    if not asked["is_plain"]:
        raise Failure(
            f"{name} trains with other options than Keras' own: images in the same "
            "order at each epoch, or some that weigh more than others.",
            "Each image counts once an epoch, in a new order: leave out shuffle=, "
            "class_weight= and sample_weight=.",
        )
    if is_history(asked["result"], wanted["epochs"]):
        return
    result = asked["result"]
    is_dict = isinstance(result, dict)
    kind = "a dict with other ones" if is_dict else type(result).__name__
    raise Failure(
        f"{name} must return a history, a dict of lists with a loss and a val_loss for "
        f"each of {wanted['epochs']} epochs. Received: {kind}.",
        "train.fit returns it; model.fit returns an object that holds it.",
        "return model.fit(...).history",
    )


def _check_loss(model, y: np.ndarray, outputs: np.ndarray) -> None:
    """Fail unless the loss is the cross-entropy of what the network puts out."""
    scores = 2 * np.random.default_rng(1).standard_normal((len(y), 10))
    p = as_probabilities(scores)
    said = _loss_and_metrics_or_failure(model, y, p)
    if not said["takes"]:
        raise Failure(
            "The loss is not the cross-entropy of the true class: predictions for "
            f"which it is {cross_entropy(y, p):.3f} get {said['loss']:.3f}.",
            "Ten classes, one of them true: the cross-entropy is categorical, not "
            "binary; a squared error is for regression.",
            'loss="sparse_categorical_crossentropy"',
        )
    are = "probabilities" if (as_probabilities(outputs) == outputs).all() else "logits"
    if said["takes"] != are:
        raise Failure(
            f"The loss takes {said['takes']}, but the network gives {are}: its outputs "
            f"for the first image sum to {outputs[0].sum():.2f}.",
            "Either the network ends in a softmax, or the loss applies it "
            "(from_logits=True): not both, and not neither.",
            'Dense(10, activation="softmax"), or the loss '
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True).",
        )
    _check_metric(said["metrics"], accuracy(y, p))


def _loss_and_metrics_or_failure(model, y: np.ndarray, p: np.ndarray) -> dict:
    try:
        return loss_and_metrics(model, y, p)
    except Exception as error:  # Keras raises several where labels and loss differ
        said = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error)).strip()
        raise Failure(
            f"Loss or metric cannot be computed for these labels:\n{said}",
            "The labels are integers, 0 to 9; not one-hot rows of zeros and a one.",
            "The loss for integer labels is called sparse_categorical_crossentropy; "
            'metrics=["accuracy"] suits them too.',
        ) from None


def _check_metric(metrics: dict, accuracy: float) -> None:
    """Fail unless one of the metrics is the accuracy, by its value."""
    if not any(abs(value - accuracy) < 1e-3 for value in metrics.values()):
        received = ", ".join(f"{k} {v:.3f}" for k, v in metrics.items()) or "no metric"
        raise Failure(
            f"When {accuracy:.3f} of the classes are right, your metric says: "
            f"{received}.",
            "Accuracy: the share of images whose largest output is the true class.",
            'metrics=["accuracy"] (binary_accuracy also counts the nine zeros).',
        )


def _check_step(model, x: np.ndarray, y: np.ndarray) -> None:
    """Fail unless a step moves every weight, and as far as one learns by it."""
    changes = steps(model, x, y)
    still = [name for name, change in changes if not change]
    if still:
        raise Failure(
            f"One training step leaves {len(still)} of {len(changes)} weights as they "
            f"were: {', '.join(still)}.",
            "Is the learning rate 0, or a layer frozen (trainable=False)?",
        )
    # How far weights move, not the learning rate: 0.001 is right for Adam, not for SGD.
    size = _of_kernels(changes)
    if size > LARGE_STEP:
        raise Failure(
            f"One training step changes the weights by {size:.0%} of their size; "
            "about 1 % is healthy.",
            "Steps as large as the weights jump over every minimum.",
            "Lower the learning rate; for Adam, 0.001 to 0.003 is usual here.",
        )
    pace = _of_kernels(steps(model, x, y, count=10))
    if pace < SMALL_PACE:
        raise Failure(
            f"Ten training steps change the weights by {pace:.2%} of their size: at "
            "this pace little is learned in a few epochs.",
            "The learning rate is too small for this optimizer.",
            "Raise it: 0.001 to 0.003 is usual for Adam, 0.1 for SGD, or 0.01 with a "
            "momentum of 0.9.",
        )


def _of_kernels(changes: list[tuple[str, float]]) -> float:
    """The median over kernels; biases begin at 0, so that any change is infinite."""
    return float(np.median([change for name, change in changes if "kernel" in name]))


def way_in_training(schedule: keras.optimizers.schedules.LearningRateSchedule) -> float:
    """How far three steps of a training go, in a graph, where the gradient is 1."""
    dense = keras.layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(keras.optimizers.SGD(schedule), loss=lambda y, p: p)
    before = float(dense.kernel[0, 0])
    for _ in range(3):
        model.train_on_batch(np.ones((1, 1)), np.ones((1, 1)))
    return before - float(dense.kernel[0, 0])
