"""What a student's transfer learning trains, phase by phase, without training it."""

import inspect
from types import SimpleNamespace
from unittest.mock import patch

import keras
import numpy as np

from cnnlab.checks.freezing import ids, toy
from cnnlab.teaching.check import Failure, to_numpy
from cnnlab.teaching.training import arrays, held_out, judged, pairs

RECOMPILE = (
    "Keras takes down what is trainable when it compiles, up to the first fit.",
    "Set trainable first, then compile, then fit: in each phase.",
)
REACH = (
    "The layers of the base are in base.layers; model.layers has the base as one.",
    "Go by name: positions are other ones in other bases.",
    'Freeze all of base.layers but those whose name starts with "block5".',
)


def phases(function, *args) -> tuple[list[SimpleNamespace], object]:
    """What each call of `fit` in `function(*args)` would train, and what it returns.

    Nothing is trained. Each phase has `model`, `x`, `y`, `validation`, `epochs`,
    `learning_rate`, `optimizer`, `recompiled` since the phase before, and `trained`,
    the weights that `fit` would change: those trainable at the first `fit` after the
    last `compile`. That is how Keras does it; the tests compare.
    """
    calls, frozen_in, compiled = [], {}, keras.Model.compile
    signature = inspect.signature(keras.Model.fit)

    def compile(model, *args, **options):
        frozen_in.pop(id(model), None)
        return compiled(model, *args, **options)

    def fit(*args, **options):
        asked = signature.bind(*args, **options)
        asked.apply_defaults()
        calls.append(_phase(SimpleNamespace(**asked.arguments), frozen_in))
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        return SimpleNamespace(history={name: [1.0] for name in names})

    with (
        patch.object(keras.Model, "compile", compile),
        patch.object(keras.Model, "fit", fit),
    ):
        result = function(*args)
    return calls, result


def _phase(asked: SimpleNamespace, frozen_in: dict) -> SimpleNamespace:
    model = asked.self
    recompiled = id(model) not in frozen_in
    x, y, _ = arrays(asked.x, asked.y)
    return SimpleNamespace(
        model=model,
        x=x,
        y=y,
        validation=held_out(asked.validation_data),
        epochs=asked.epochs,
        learning_rate=float(to_numpy(model.optimizer.learning_rate)),
        optimizer=model.optimizer,
        recompiled=recompiled,
        trained=frozen_in.setdefault(id(model), list(model.trainable_weights)),
    )


def sound_transfer(transfer) -> None:
    """Fail unless `transfer` trains the head alone, and then block 5 with it.

    It is called as `transfer(model, base, training, validation, epochs, rates)`.
    """
    parts = toy()
    model, base, head = parts.model, parts.base, parts.head
    training, validation = (parts.x[:8], parts.y[:8]), (parts.x[8:], parts.y[8:])
    args = (model, base, training, validation, (2, 3), (0.01, 0.0005))
    calls, result = phases(transfer, *args)
    if not calls:
        raise Failure(
            "transfer calls neither train.fit nor model.fit.",
            "fit calls the model with training=True, so that dropout drops; a loop of "
            "your own easily forgets that. Compile, and let fit do it.",
        )
    if len(calls) == 1:
        raise Failure(
            "One phase only: block 5 must not be trained before the head has "
            "converged, or the head's first, wild gradients run through it.",
            "Two fits: the head on the frozen base, then block 5 together with it.",
        )
    if len(calls) > 2:
        raise Failure(f"Expected two fits, one for each phase; received {len(calls)}.")
    names = {id(w): _layer(w) for w in model.weights}
    _check_first(calls[0], base, head)
    _check_second(calls, base, head, names)
    _check_rates(calls, (0.01, 0.0005))
    for call, epochs in zip(calls, (2, 3), strict=True):
        _check_data(call, training, validation)
        if call.epochs != epochs:
            raise Failure(
                f"Expected {epochs} epochs, as asked. Received {call.epochs}."
            )
        _check_loss(call)
    _check_result(result)


def _layer(weight) -> str:
    return weight.path.split("/")[-2]


def _check_first(first, base, head) -> None:
    trained = ids(first.trained)
    if trained & ids(base.weights):
        raise Failure(
            "The base is not frozen in the first phase: fit would train "
            f"{len(trained & ids(base.weights))} of its weights.",
            "The model comes with its base frozen. Unfreeze it after the first fit; "
            "to freeze it after that is too late.",
            *RECOMPILE,
        )
    if trained != ids(head.weights):
        raise Failure("The first phase must train the head, all of it.")


def _check_second(calls, base, head, names) -> None:
    first, second = calls
    trained = ids(second.trained)
    block5 = ids(w for w in base.weights if "block5_conv" in w.path)
    if trained == block5 | ids(head.weights):
        return
    norms = ids(w for w in base.weights if "block5_bn" in w.path)
    if not second.recompiled and ids(second.model.trainable_weights) != trained:
        raise Failure(
            "The second phase trains what the first one did: a change of `trainable` "
            "after a fit is silently ignored until the model is compiled again.",
            *RECOMPILE,
        )
    if not trained:
        raise Failure("In the second phase everything is frozen, the head too.", *REACH)
    if trained == ids(head.weights):
        raise Failure(
            "Block 5 is still frozen in the second phase.",
            "base.trainable = True thaws all of its layers; then freeze again those "
            "that are not in block 5.",
            *REACH,
        )
    if any("block4" in names[i] for i in trained):
        raise Failure(
            "The second phase trains the whole base, not only block 5: few images "
            "cannot teach so many weights.",
            *REACH,
        )
    if trained & norms:
        raise Failure(
            "Block 5 is thawed with its batch normalisation: while fit runs, the "
            "moving mean and variance follow your few images, at any learning rate.",
            "A frozen layer is in inference mode. VGG16 has no such layers, but your "
            "function should do for a base that has.",
            "Leave a layer frozen that isinstance(layer, layers.BatchNormalization).",
        )
    if not trained & ids(head.weights):
        raise Failure("The second phase must train block 5 and the head together.")
    received = sorted({names[i] for i in trained})
    raise Failure(f"The second phase trains the layers {', '.join(received)}.", *REACH)


def _check_rates(calls, wanted) -> None:
    received = tuple(call.learning_rate for call in calls)
    if np.allclose(received[1], wanted[0]):
        raise Failure(
            "The learning rate is not lowered for fine-tuning: both phases have "
            f"{wanted[0]:g}.",
            "Steps that are right for a new head undo what block 5 has learned. Ten to "
            "a thousand times smaller: rates[1].",
        )
    if not np.allclose(received, wanted):
        said = " and ".join(f"{rate:g}" for rate in received)
        raise Failure(
            f"Asked for the learning rates {wanted[0]:g} and {wanted[1]:g}, the phases "
            f"have {said}. (0.001 is what Keras takes when it is told none.)",
            "Adam(rates[0]) for the head, Adam(rates[1]) for fine-tuning.",
        )
    if calls[0].optimizer is calls[1].optimizer:
        raise Failure(
            "Both phases share one optimizer, which remembers the weights, and the "
            "momenta, of the first: Keras stops with an error.",
            "Make a new one for the second compile.",
        )


def _check_data(call, training, validation) -> None:
    held_out = call.validation
    if held_out is None or not _same(held_out, validation):
        raise Failure(
            "validation_data are not the images and labels given for validation, as "
            "they are.",
            "Nothing is trained on, changed or augmented there: it would be another "
            "measure each time.",
            "validation_data=validation",
        )
    if not _same((call.x, call.y), training):
        raise Failure(
            "fit does not get the training images, each with its own label.",
            "fit(model, *training, ...)",
        )


def _same(received, wanted) -> bool:
    if received[0].shape != wanted[0].shape:
        return False
    return np.allclose(pairs(*received), pairs(*wanted), rtol=1e-5)


def _check_loss(call) -> None:
    rng = np.random.default_rng(0)
    labels, p = call.y, rng.dirichlet(np.ones(3), len(call.y))
    try:
        said = judged(call.model, labels, p.astype("float32"))
    except Exception as error:  # Keras raises several where labels and loss differ
        raise Failure(
            "The loss cannot be computed. It must be the cross-entropy, for integer "
            f"labels:\n{error}",
            'loss="sparse_categorical_crossentropy"',
        ) from None
    if said["takes"] != "probabilities":
        raise Failure(
            "The loss is not the cross-entropy of the probabilities that the head "
            "gives, for integer labels.",
            'loss="sparse_categorical_crossentropy", without from_logits',
        )


def _check_result(result) -> None:
    try:
        first, second = result
        good = isinstance(first, dict) and isinstance(second, dict)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise Failure(
            "transfer must return two histories, a dict of lists for each phase. "
            f"Received: {type(result).__name__}."
        )
