"""What a function asks of training, found out without training anything.

`fit`, `train_on_batch` and `evaluate` are replaced by stand-ins that write down what
they were given, and answer as Keras would: whatever a measure is called, it is 1.
"""

import inspect
from collections import defaultdict
from itertools import islice
from types import SimpleNamespace
from unittest.mock import patch

import keras
import numpy as np

from cnnlab.teaching.check import to_numpy

_MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")


class _Measures(dict):
    """A history of ones, of any measure, though only the usual ones are listed."""

    def __init__(self, epochs: int):
        super().__init__({name: [1.0] * epochs for name in _MEASURES})
        self._epochs = epochs

    def __missing__(self, name: str) -> list[float]:
        return [1.0] * self._epochs


def fits_of(function, *args) -> tuple[list[SimpleNamespace], object]:
    """What each call of `fit` in `function(*args)` would train, and what it returns.

    Nothing is trained. Each call has `model`, `x`, `y`, `validation`, `epochs`,
    `batch_size`, `is_plain` (shuffled, and all images weigh the same),
    `learning_rate`, `optimizer`, `recompiled` since the call before, and `trained`,
    the weights that `fit` would change: those trainable at the first `fit` after the
    last `compile`. That is how Keras does it; the tests compare. Batches trained on
    one by one, without a `fit` between, are one call.
    """
    desk = _Desk()
    with (
        patch.object(keras.Model, "compile", desk.stand_in("compile")),
        patch.object(keras.Model, "fit", desk.stand_in("fit")),
        patch.object(keras.Model, "train_on_batch", desk.stand_in("train_on_batch")),
        patch.object(keras.Model, "evaluate", desk.stand_in("evaluate")),
    ):
        result = function(*args)
    for call in desk.calls:
        _sum_up(call)
    return desk.calls, result


class _Desk:
    """Where the stand-ins write down what they are asked."""

    def __init__(self):
        self.calls: list[SimpleNamespace] = []
        self._frozen_in: dict[int, list] = {}  # by model: what its step trains

    def stand_in(self, name: str):
        """A method for `keras.Model` that takes what Keras' own takes."""
        real, answer = getattr(keras.Model, name), getattr(self, f"_{name}")
        signature = inspect.signature(real)

        def method(model, *args, **options):
            if name == "compile":
                answer(model)
                return real(model, *args, **options)
            asked = signature.bind(model, *args, **options)
            asked.apply_defaults()
            return answer(model, SimpleNamespace(**asked.arguments))

        return method

    def _compile(self, model) -> None:
        self._frozen_in.pop(id(model), None)

    def _fit(self, model, asked):
        x, y, batch_size = arrays(asked.x, asked.y, asked.steps_per_epoch)
        batch_size = asked.batch_size or batch_size
        if asked.steps_per_epoch:  # the images behind them are left out
            x, y = (part[: asked.steps_per_epoch * batch_size] for part in (x, y))
        epochs = asked.epochs - asked.initial_epoch
        unlike = asked.class_weight, asked.sample_weight
        is_shuffled = asked.shuffle or asked.y is None  # a data set shuffles itself
        self._add(
            model,
            x=x,
            y=y,
            batch_size=batch_size,
            epochs=epochs,
            validation=held_out(asked.validation_data),
            is_plain=bool(is_shuffled and all(part is None for part in unlike)),
        )
        history = SimpleNamespace(
            history=_Measures(epochs),
            epoch=[*range(asked.initial_epoch, asked.epochs)],
            params={"epochs": asked.epochs},
            model=model,
        )
        model.history = history
        return history

    def _train_on_batch(self, model, asked):
        call = self.calls[-1] if self.calls else None
        goes_on = call and call.model is model and call.batches
        if not goes_on or id(model) not in self._frozen_in:
            call = self._add(model, validation=None, is_plain=True)
        weights = asked.class_weight, asked.sample_weight
        call.is_plain &= all(part is None for part in weights)
        call.batches.append((to_numpy(asked.x), to_numpy(asked.y)))
        return _ones(model, asked.return_dict)

    def _evaluate(self, model, asked):
        if self.calls and self.calls[-1].batches and not self.calls[-1].validation:
            given = (asked.x, asked.y) if asked.y is not None else asked.x
            self.calls[-1].validation = held_out(given)
        return _ones(model, asked.return_dict)

    def _add(self, model, **facts) -> SimpleNamespace:
        if not model.compiled:
            raise ValueError("You must call `compile()` before calling `fit()`.")
        call = SimpleNamespace(
            **facts,
            batches=[],
            model=model,
            learning_rate=float(to_numpy(model.optimizer.learning_rate)),
            optimizer=model.optimizer,
            recompiled=id(model) not in self._frozen_in,
        )
        trainable = list(model.trainable_weights)
        call.trained = self._frozen_in.setdefault(id(model), trainable)
        self.calls.append(call)
        return call


def _ones(model, as_dict: bool):
    """What Keras gives for one batch: 1 for loss and metrics."""
    if as_dict:
        return defaultdict(lambda: 1.0, loss=1.0, accuracy=1.0)
    ones = [1.0] * len(model.metrics_names)
    return ones if len(ones) > 1 else 1.0


def _sum_up(call: SimpleNamespace) -> None:
    """Single batches as one call of `fit`: each image once, and how often it came."""
    if not call.batches:
        return
    x, y = (np.concatenate(parts) for parts in zip(*call.batches, strict=True))
    rows = [pair[0].tobytes() + pair[1].tobytes() for pair in zip(x, y, strict=True)]
    first = sorted({row: n for n, row in reversed([*enumerate(rows)])}.values())
    call.x, call.y = x[first], y[first]
    call.batch_size = len(call.batches[0][0])
    call.epochs = len(rows) / len(first)


def arrays(x, y, steps: int | None = None) -> tuple[np.ndarray, np.ndarray, int]:
    """Inputs, labels and batch size of what `fit` takes; Keras' 32 for arrays."""
    if y is not None:
        return to_numpy(x), to_numpy(y), 32
    batches = islice(x, steps or 1000)
    batches = [[to_numpy(part) for part in batch[:2]] for batch in batches]
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return x, y, len(batches[0][0])


def held_out(given) -> tuple[np.ndarray, np.ndarray] | None:
    """Inputs and labels of the `validation_data` that `fit` takes, if there are any."""
    if given is None:
        return None
    is_pair = isinstance(given, tuple | list) and hasattr(given[0], "shape")
    return arrays(*(given[:2] if is_pair else (given, None)))[:2]
