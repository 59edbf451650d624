"""Checks of lab 4: right answers pass in every style, and a mistake is named.

Most mistakes stand in tests/mistakes/lab04_lenet_mnist.py, where points are lost too.
Here are those that a check alone can tell, and all slips that it claims to recognise.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from cnnlab import models
from cnnlab.checks import lab04
from cnnlab.teaching import source
from cnnlab.teaching.check import Failure
from cnnlab.teaching.networks import same_network
from cnnlab.teaching.probes import respond


def said(check, *answers) -> str:
    """Message and hints of a check that does not pass."""
    with pytest.raises(Failure) as failure:
        check(*answers)
    return "\n".join((failure.value.message, *failure.value.hints))


def scaled(images):
    return np.float32(images[..., np.newaxis]) / 255


@pytest.mark.parametrize("answer", [scaled, lambda x: keras.ops.array(scaled(x))])
def test_images_are_prepared(answer, capsys):
    lab04.prepare(answer)
    assert "✓ Correct: prepare()" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: scaled(x) * (255 if x.max() < 2 else 1), "nearly blank"),
        (lambda x: np.float32(x.reshape(-1, 28, 28, 1)) / 255, "images of any size"),
        (lambda x: np.repeat(scaled(x), 3, axis=-1), "one channel"),
        (lambda x: (scaled(x) - scaled(x).mean()) / scaled(x).std(), "mean"),
        (lambda x: np.divide(x, 255, out=x), "float"),
        (lambda x: None, "return"),
    ],
)
def test_images_not_prepared(answer, words):
    assert words in said(lab04.prepare, answer)


def by_permutation(x, y, validation, seed=0):
    order = np.random.default_rng(seed).permutation(len(x))
    aside, rest = order[:validation], order[validation:]
    return (x[rest], y[rest]), (x[aside], y[aside])


def in_place(x, y, validation, seed=0):
    np.random.default_rng(seed).shuffle(x)
    return (x[validation:], y[validation:]), (x[:validation], y[:validation])


def images_then_labels(*arguments):
    return zip(*by_permutation(*arguments), strict=True)


def seed_ignored(x, y, validation, seed=0):
    return by_permutation(x, y, validation)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (in_place, "changes what it was given"),
        (images_then_labels, "pairs of images and labels"),
        (seed_ignored, "seed 1 drew the same"),
    ],
)
def test_images_not_split(answer, words):
    lab04.split(by_permutation)
    assert words in said(lab04.split, answer)


COUNTED = {
    **{"C1": ((28, 28, 6), 156), "S2": ((14, 14, 6), 0), "C3": ((10, 10, 16), 2416)},
    **{"S4": ((5, 5, 16), 0), "C5": ((1, 1, 120), 48120), "F6": (84, 10164)},
    **{"output": (10, 850), "MLP": 118282},
}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"C1": ((6, 28, 28), 156)}, "channels last"),
        ({"C5": ((1, 1, 120), 48001)}, "one bias"),
        ({"F6": 84}, "missing"),
    ],
)
def test_counts_not_right(row, words):
    lab04.by_hand(lambda: COUNTED)
    assert words in said(lab04.by_hand, lambda: COUNTED | row)


def counted_by_table():
    from cnnlab import arithmetic

    return arithmetic.table(models.lenet5()).rows


def test_counting_is_not_left_to_the_library():
    assert "without cnnlab.arithmetic" in said(lab04.by_hand, counted_by_table)


@pytest.mark.parametrize("name", ["_THEN_SLIPS", "_NOW_SLIPS"])
def test_no_two_slips_of_a_network_are_alike(name):
    x = np.random.default_rng(0).random((2, 28, 28, 1), "float32")
    seen = {}
    right = models.lenet5 if name == "_THEN_SLIPS" else lab04._lenet_now
    for what, build in {"nothing": right, **getattr(lab04, name)}.items():
        network = build()
        key = (network.count_params(), *respond(network, x)[0].round(5))
        assert key not in seen, (what, seen[key])
        seen[key] = what


def test_a_slip_of_a_network_is_named():
    build = lab04._THEN_SLIPS["with max pooling in S4"]
    build.__name__ = "lenet_then"
    what = said(same_network, build, models.lenet5, lab04._THEN_SLIPS)
    assert "answers like the right network with max pooling in S4." in what


def right_network():
    return models.lenet5()


def rescaled():
    inputs = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    return keras.Model(inputs, right_network()(x))


def test_images_scaled_in_the_network_again_are_noticed():
    x = np.random.default_rng(0).random((2, 28, 28, 1), "float32")
    wanted = respond(models.lenet5(), x)
    np.testing.assert_allclose(respond(rescaled(), x), wanted, rtol=1e-3)
    assert "scaled before" in said(lab04.lenet_then, rescaled)


def now(first=0.25, second=0.25):
    inputs = keras.Input((28, 28, 1))
    x = layers.MaxPooling2D(2)(
        layers.Conv2D(6, 5, padding="same", activation="relu")(inputs)
    )
    x = layers.MaxPooling2D(2)(layers.Conv2D(16, 5, activation="relu")(x))
    x = layers.Dense(120, activation="relu")(layers.Flatten()(x))
    x = layers.Dense(84, activation="relu")(layers.Dropout(first)(x))
    x = layers.Dropout(second)(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


@pytest.mark.parametrize("rates", [(0.5, 0.0), (0.0, 0.5), (0.3, 0.3), (0.0, 0.0)])
def test_dropout_of_another_rate_or_place(rates):
    lab04.lenet_now(now)
    assert "Two dropouts of rate 0.25" in said(lab04.lenet_now, lambda: now(*rates))


def counts(y_true, y_pred, num_classes):
    return lab04._counted(y_true, y_pred, num_classes)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *labels: counts(*labels).astype("uint8"), "more than 255 times"),
        (lambda *labels: counts(*labels) / len(labels[0]), "shares"),
        (lambda *labels: counts(*labels).T, "transposed"),
        (lambda *labels: counts(*labels)[:3, :3], "num_classes"),
        (lambda *labels: counts(*labels) + 1, "one more in row"),
    ],
)
def test_pairs_not_counted(answer, words):
    lab04.confusion_matrix(counts)
    assert words in said(lab04.confusion_matrix, answer)


def of_classes(mean=lambda p, r: 2 * p * r / max(p + r, 1e-9), share=np.divide):
    def scores(matrix):
        found = np.diag(matrix)
        p = share(found, np.maximum(matrix.sum(axis=0), 1))
        r = share(found, np.maximum(matrix.sum(axis=1), 1))
        f1 = [mean(*pair) for pair in zip(p, r, strict=True)]
        return {"precision": p, "recall": r, "f1": np.array(f1)}

    return scores


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (of_classes(lambda p, r: (p + r) / 2), "arithmetic mean"),
        (of_classes(lambda p, r: np.sqrt(p * r)), "harmonic mean"),
        (of_classes(share=np.floor_divide), "not //"),
        (lambda matrix: of_classes()(matrix.T), "swapped"),
        (lambda matrix: {"f1": 1}, "a dict of"),
    ],
)
def test_scores_not_right(answer, words):
    lab04.scores(of_classes())
    assert words in said(lab04.scores, answer)


@pytest.mark.parametrize("order", lab04._ORDERS)
def test_every_other_order_of_errors_is_named(order):
    def worst_errors(y_true, probabilities):
        return lab04._errors(y_true, probabilities, lab04._ORDERS[order])

    assert f"first: {order}." in said(lab04.worst_errors, worst_errors)


def test_errors_are_indices():
    lab04.worst_errors(lab04._errors)
    assert "not places" in said(lab04.worst_errors, lab04._places)
    mask = said(lab04.worst_errors, lambda y, p: p.argmax(axis=1) != y)
    assert "indices into all" in mask


LAB = source.read(Path(__file__).parent.parent / "solutions/lab04_lenet_mnist.py")


@pytest.mark.parametrize("cell", LAB.of_kind("check"), ids=lambda cell: cell.id)
def test_a_check_forbids_what_the_grader_forbids(cell):
    forbidden = {c.name: c.options.get("forbid", []) for c in LAB.of_kind("exercise")}
    name = cell.source.removeprefix("check.").partition("(")[0]
    assert list(getattr(lab04, name).forbid) == forbidden[cell.name]
