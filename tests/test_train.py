"""Training: the same seed, the same numbers; a plain history; one line at the end."""

import re
import sys
import types

import keras
import numpy as np
import pytest

from cnnlab import _progress, train
from cnnlab.teaching.finetuning import tiny_vgg


def model():
    net = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(2, activation="softmax")]
    )
    net.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def points(n=64):
    x = np.random.default_rng(0).normal(size=(n, 3)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def fitted(value, **options):
    train.seed(value)
    net = model()
    history = train.fit(net, *points(), epochs=2, batch_size=16, **options)
    return history, net.get_weights()[0]


def test_the_seed_decides_every_number():
    first, again, other = (fitted(value) for value in (3, 3, 4))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_restart_forgets_what_was_learned():
    net = model()
    net.compile("adam", "sparse_categorical_crossentropy")
    runs = []
    for value in (3, 4, 3):
        train.restart(net, value)
        first = net.get_weights()[0]
        # Keras on JAX draws one order of the images more when it first meets a model
        train.fit(net, *points(), epochs=2, shuffle=False)
        runs.append((first, net.get_weights()[0]))
    np.testing.assert_array_equal(runs[0], runs[2])
    assert not np.array_equal(runs[0][0], runs[1][0])
    assert not np.array_equal(*runs[0])


def test_seed_reaches_numpy_and_python():
    import random

    train.seed(5)
    first = random.random(), np.random.rand()
    train.seed(5)
    assert first == (random.random(), np.random.rand())


@pytest.mark.parametrize(
    "devices, expected",
    [(["cpu:0"], "cpu"), (["gpu:0", "gpu:1"], "gpu"), (["tpu:0"], "cpu")],
)
def test_device(devices, expected, monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    assert train.device() == expected


@pytest.mark.parametrize("name", train.BUDGETS)
def test_budget_by_environment(name, monkeypatch):
    monkeypatch.setenv("CNNLAB_BUDGET", name)
    assert train.budget(smoke="smoke", cpu="cpu", gpu="gpu") == name


@pytest.mark.parametrize("device, expected", [("cpu", 5), ("gpu", 20)])
def test_budget_by_device(device, expected, monkeypatch):
    monkeypatch.delenv("CNNLAB_BUDGET", raising=False)
    monkeypatch.setattr(train, "device", lambda: device)
    assert train.budget(smoke=1, cpu=5, gpu=20) == expected


def test_a_wrong_budget_is_an_error(monkeypatch):
    monkeypatch.setenv("CNNLAB_BUDGET", "CPU")
    with pytest.raises(ValueError, match="smoke, cpu, gpu.*Received.*=CPU"):
        train.budget(smoke=1, cpu=2, gpu=3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's")
def test_a_training_step_is_traced_once():
    traced = []

    class Net(keras.Model):
        def train_step(self, data):
            traced.append(data)
            return super().train_step(data)

    same = model()
    net = Net(same.inputs[0], same.outputs[0])
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    train.fit(net, *points(), epochs=2, batch_size=16)
    assert len(traced) == 1


def test_fit_gives_what_keras_gives():
    x, y = points()
    history, weights = fitted(0, validation_data=(x[:8], y[:8]))
    train.seed(0)
    net = model()
    expected = net.fit(
        x, y, epochs=2, batch_size=16, validation_data=(x[:8], y[:8]), verbose=0
    )
    assert history == expected.history
    np.testing.assert_array_equal(weights, net.get_weights()[0])
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(type(v) is float for values in history.values() for v in values)


def test_a_log_gets_one_line_with_the_last_measures(capsys):
    x, y = points()
    history, _ = fitted(0, validation_data=(x, y))
    (line,) = capsys.readouterr().out.splitlines()
    assert re.match(r"2 epochs, \d+\.\d s, ", line)
    for name, values in history.items():
        assert f"{name.replace('_', ' ')} {values[-1]:.3g}" in line


def test_an_early_stop_is_counted(capsys):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    history = train.fit(model(), *points(), epochs=9, callbacks=[Stop()])
    assert len(history["loss"]) == 1
    assert capsys.readouterr().out.startswith("1 epoch, ")


def test_fit_takes_a_data_set_and_other_options(capsys):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return points(8)

    history = train.fit(model(), Batches(), epochs=1, class_weight={0: 1.0, 1: 2.0})
    assert list(history["loss"]) and capsys.readouterr().out.startswith("1 epoch")


def test_a_terminal_gets_a_bar_and_then_the_line(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fitted(0)
    said = capsys.readouterr()
    assert re.fullmatch(r"2 epochs, [^\n]*\n", said.out)
    first, *bars, erased, end = re.split("\r", said.err)
    assert first == end == erased.strip() == "" and bars
    assert all(re.match(r"epoch [12]/2 ━*─* +\d+ s left|$", bar) for bar in bars)
    assert all(len(bar) < 80 for bar in bars)


def test_a_notebook_rewrites_one_output(monkeypatch, capsys):
    import IPython.display

    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    monkeypatch.setattr(_progress, "in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda *a, **k: Handle())
    fitted(0)
    assert capsys.readouterr().out == ""
    assert shown[0].startswith("epoch 1/2 ") and shown[-1].startswith("2 epochs, ")


def test_a_notebook_is_an_ipython_with_a_kernel(monkeypatch):
    from cnnlab._notebook import in_notebook

    def ipython(shell):
        return types.SimpleNamespace(get_ipython=lambda: shell)

    for shell, expected in [
        (None, False),
        (types.SimpleNamespace(), False),
        (types.SimpleNamespace(kernel=1), True),
    ]:
        monkeypatch.setitem(sys.modules, "IPython", ipython(shell))
        assert in_notebook() is expected
    monkeypatch.delitem(sys.modules, "IPython")
    assert in_notebook() is False


def test_a_loop_of_ones_own_gets_a_line_too(capsys):
    assert list(train.progress(3)) == [1, 2, 3]
    assert re.fullmatch(r"3 epochs, 0\.\d s\n", capsys.readouterr().out)
    assert list(train.progress(1, "step")) == [1]
    assert capsys.readouterr().out.startswith("1 step, ")


def test_gradients_are_those_of_the_mean_cross_entropy():
    """Of a softmax regression: the formula is x.T @ (p - y) / n."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 4)).astype("float32"), rng.integers(0, 3, 6)
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Sequential([keras.Input((4,)), dense])
    p = keras.ops.convert_to_numpy(model(x))
    error = (p - np.eye(3)[y]) / len(x)
    kernel, bias = train.gradients(model, x, y)
    np.testing.assert_allclose(kernel, x.T @ error, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(bias, error.sum(axis=0), rtol=1e-4, atol=1e-6)


def test_gradients_leave_the_model_as_it_was():
    """Moving averages too, though batch normalisation is in training mode."""
    x = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")
    norm, dense = keras.layers.BatchNormalization(), keras.layers.Dense(2, "softmax")
    model = keras.Sequential([keras.Input((3,)), norm, dense])
    before = model.get_weights()
    gradients = train.gradients(model, x, np.arange(8) % 2)
    assert [g.shape for g in gradients] == [(3,), (3,), (3, 2), (2,)]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    shifted = train.gradients(model, x + 5, np.arange(8) % 2)
    np.testing.assert_allclose(gradients[2], shifted[2], atol=1e-4)  # uses the batch


def test_gradients_name_the_backends_they_know(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="tensorflow, jax. Received: torch"):
        train.gradients(None, None, None)


def test_start_seeds_and_says_what_runs(monkeypatch, capsys):
    monkeypatch.setenv("CNNLAB_BUDGET", "smoke")
    train.start(3)
    drawn = np.random.rand()
    said = capsys.readouterr().out
    assert said.startswith("cnnlab ") and said.endswith("; budget: smoke\n")
    assert keras.__version__ in said and said.count("\n") == 1
    train.seed(3)
    assert np.random.rand() == drawn


def test_one_block_is_thawed_and_no_other():
    parts = tiny_vgg()
    train.thaw(parts.base, "block5", norm=False)
    names = {w.path.split("/")[-2] for w in parts.base.trainable_weights}
    assert names == {"block5_conv1", "block5_conv2"}
    train.thaw(parts.base)
    assert len(parts.base.trainable_weights) == 10
