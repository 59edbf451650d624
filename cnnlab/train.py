"""Training: the seed, the budget, and a fit that gives a plain history back."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np

import cnnlab
from cnnlab._progress import Progress

BUDGETS = ("smoke", "cpu", "gpu")


def seed(value: int = 0) -> None:
    """Seed Python, NumPy and Keras. Call it before the model is built."""
    keras.utils.set_random_seed(value)


def start(value: int = 0) -> None:
    """Seed, and say in one line what this notebook runs on.

    The line is what a question about different numbers is answered from: versions,
    backend, device and budget.
    """
    seed(value)
    runs_on = f"Keras {keras.__version__} on {keras.backend.backend()}, {device()}"
    amount = budget(smoke="smoke", cpu="cpu", gpu="gpu")
    print(f"cnnlab {cnnlab.__version__}, {runs_on}; budget: {amount}")


def device() -> str:
    """What Keras will train on: "gpu" or "cpu"."""
    devices = keras.distribution.list_devices()  # JAX raises when asked for "gpu"
    return "gpu" if any(name.startswith("gpu") for name in devices) else "cpu"


def budget(*, smoke, cpu, gpu):
    """Return the choice that suits this machine, or the one `CNNLAB_BUDGET` names.

    Args:
        smoke: what to take when only checking that things run (seconds).
        cpu: what to take on a laptop (minutes).
        gpu: what to take on a GPU (the real thing).

    >>> epochs = budget(smoke=1, cpu=5, gpu=20)
    """
    # Asked each time, not on import: tests and the grader set the variable later.
    name = os.environ.get("CNNLAB_BUDGET") or device()
    if name not in BUDGETS:
        raise ValueError(
            "the environment variable CNNLAB_BUDGET must be one of "
            f"{', '.join(BUDGETS)}, or be unset. Received: CNNLAB_BUDGET={name}"
        )
    return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[name]


def fit(
    model: keras.Model,
    x,
    y=None,
    *,
    epochs: int,
    batch_size: int | None = None,
    validation_data: tuple | None = None,
    callbacks: tuple = (),
    **options,
) -> dict[str, list[float]]:
    """Train a compiled model; show a progress bar, then one line that sums up.

    Args:
        model: a compiled `keras.Model`; fitting it again goes on from where it is.
        x: images, `(n, height, width, channels)`, or any data set `model.fit` takes.
        y: labels, `(n, ...)`; None when `x` brings them along.
        epochs: number of passes over the data.
        batch_size: images per step; None is Keras' 32.
        validation_data: `(x, y)` that is measured after each epoch, never trained on.
        callbacks: more Keras callbacks.
        options: anything else that `model.fit` takes.

    Returns:
        One list per measure, one value per epoch: `{"loss": [...], "val_loss": [...]}`.
    """
    _make_variables(model, x, y)
    history = model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=batch_size,
        validation_data=validation_data,
        callbacks=[*callbacks, _ShowProgress()],
        verbose=0,
        **options,
    )
    return history.history


def restart(model: keras.Model, value: int = 0) -> None:
    """Seed, and give a compiled model new first weights and an optimizer without past.

    To train the same network again, from another seed or on other data: a new model
    would be as good, but its training step is translated anew, which takes seconds.
    """
    seed(value)
    model.set_weights(keras.models.clone_model(model).get_weights())
    # Momenta, second moments and the step count begin at 0; the learning rate is a
    # variable of the optimizer too, and is kept.
    model.optimizer.build(model.trainable_variables)
    for variable in model.optimizer.variables:
        if "learning_rate" not in variable.path:
            variable.assign(np.zeros(variable.shape))
    seed(value)  # once more: drawing the weights has used up some of it


def steps_per_second(model: keras.Model, dataset, steps: int) -> float:
    """How fast a compiled model trains, making the batches included.

    Args:
        model: is trained by it.
        dataset: gives more than `steps` batches, images and labels.
        steps: at least 2; the first one, which is translated, is not counted.
    """
    ends = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter())
    )
    options = {"steps_per_epoch": steps, "callbacks": (clock,), "shuffle": False}
    fit(model, dataset, epochs=1, **options)
    return (steps - 1) / (ends[-1] - ends[0])


def _make_variables(model, x, y) -> None:
    """Make the variables of optimizer and metrics before the first step.

    TensorFlow traces a step that makes variables twice: the first batch of a deep
    network takes twice as long. What fails here is left to `fit`, which says why.
    """
    ready = model.built and model.compiled and y is not None
    if ready and keras.backend.backend() == "tensorflow":
        with contextlib.suppress(Exception):
            model.optimizer.build(model.trainable_variables)
            model.compute_metrics(x[:1], y[:1], model(x[:1], training=False))


def thaw(model: keras.Model, prefix: str = "", *, norm: bool = True) -> None:
    """Make trainable the layers whose names begin with `prefix`, freeze all others.

    Compile afterwards: until then training goes on as it was compiled.

    Args:
        model: the layers themselves, such as a trained base, not a model around it.
        prefix: such as "block5"; every layer if it is empty.
        norm: False keeps batch normalisation frozen, so in inference mode.
    """
    model.trainable = True  # of the layers' own flags it changes all or none
    for layer in model.layers:
        kept = not norm and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name.startswith(prefix) and not kept


def gradients(model: keras.Model, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Gradients of the mean cross-entropy, one array per trainable weight.

    In training mode: batch normalisation uses the batch. The model, compiled or not,
    stays as it was.

    Args:
        model: a classifier; its outputs are probabilities `(n, num_classes)`.
        x: images `(n, height, width, channels)`.
        y: integer labels `(n,)`.
    """
    if keras.backend.backend() not in _GRADIENTS:
        raise ValueError(
            f"gradients() needs one of the Keras backends {', '.join(_GRADIENTS)}. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND."
        )
    model(x[:1])
    states = model.non_trainable_variables  # batch normalisation moves its averages
    kept = [keras.ops.convert_to_numpy(state).copy() for state in states]
    found = _GRADIENTS[keras.backend.backend()](model, x, y)
    for state, value in zip(states, kept, strict=True):
        state.assign(value)
    return [keras.ops.convert_to_numpy(gradient) for gradient in found]


def _loss(y, p):
    # Not the compiled one: the model may have another loss, or none.
    return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, p))


def _by_tensorflow(model, x, y) -> list:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = _loss(y, model(x, training=True))
    # A weight without any part in the loss has gradient 0, as in JAX, and not None.
    weights = [weight.value for weight in model.trainable_variables]
    return tape.gradient(loss, weights, unconnected_gradients="zero")


def _by_jax(model, x, y) -> list:
    import jax

    # JAX differentiates functions of arrays: variables go in as arguments.
    def loss(weights, states):
        return _loss(y, model.stateless_call(weights, states, x, training=True)[0])

    parts = (model.trainable_variables, model.non_trainable_variables)
    return jax.grad(loss)(*([variable.value for variable in part] for part in parts))


_GRADIENTS = {"tensorflow": _by_tensorflow, "jax": _by_jax}


def gradient(function: Callable, x) -> np.ndarray:
    """Gradient of `function(x)`, one number, in every entry of `x`; an array like `x`.

    Args:
        function: takes a tensor and computes with Keras alone. NumPy and
            `model.predict` leave nothing that a gradient could be followed along.
        x: floats, such as images or the maps of a layer.

    Raises:
        ValueError: if function(x) is no single number, or does not depend on x.
    """
    x = keras.ops.convert_to_tensor(x)
    found = _IN_X[keras.backend.backend()](function, x)
    if found is None:
        raise ValueError(
            "function(x) does not depend on x. Compute it from the x that function is "
            "given, with keras.ops and model(x); NumPy and model.predict cut it off."
        )
    return keras.ops.convert_to_numpy(found)


def _one_number(value):
    if tuple(value.shape):
        raise ValueError(
            "function(x) must give one number, such as keras.ops.sum(...). Received "
            f"shape: {tuple(value.shape)}"
        )
    return value


def _in_x_by_tensorflow(function, x):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = _one_number(tf.convert_to_tensor(function(x)))
    return tape.gradient(value, x)


def _in_x_by_jax(function, x):
    import jax

    try:
        return jax.grad(
            lambda x: _one_number(keras.ops.convert_to_tensor(function(x)))
        )(x)
    except jax.errors.TracerArrayConversionError:
        return None


_IN_X = {"tensorflow": _in_x_by_tensorflow, "jax": _in_x_by_jax}


def progress(count: int, what: str = "epoch") -> Iterator[int]:
    """Yield 1, 2, ..., `count`, with a bar: for a training loop of one's own.

    Args:
        count: how many rounds.
        what: one round is called, in the singular.
    """
    line = Progress()
    for number in range(1, count + 1):
        line.move(f"{what} {number}/{count}", (number - 1) / count)
        yield number
    line.close(f"{count} {what}{'s' if count != 1 else ''}, {line.seconds:.1f} s")


class _ShowProgress(keras.callbacks.Callback):
    """A bar that moves while training; at the end one line in its place."""

    def on_train_begin(self, logs=None):
        self.line = Progress()
        self.epoch, self.epochs_done, self.measures = 0, 0, ""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # None of a generator, whose length nobody knows: the bar moves by epochs then.
        epochs, steps = self.params["epochs"], self.params["steps"] or batch + 1
        share = (self.epoch + (batch + 1) / steps) / epochs
        self.line.move(f"epoch {self.epoch + 1}/{epochs}", share, self.measures)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs_done += 1  # early stopping: fewer than were asked for
        self.measures = "".join(
            f", {name.replace('_', ' ')} {value:.3g}" for name, value in logs.items()
        )

    def on_train_end(self, logs=None):
        epochs = f"{self.epochs_done} epoch{'s' if self.epochs_done != 1 else ''}"
        self.line.close(f"{epochs}, {self.line.seconds:.1f} s{self.measures}")
