"""Metrics against counts made by hand, brute force, Keras and the decks."""

import doctest

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab import metrics

few = settings(max_examples=25, deadline=None, derandomize=True)

# Found: 2 of 3 in class 0, 1 of 2 in class 1, 1 of 1 in class 2, 0 of 1 in class 3.
TRUTH = [0, 0, 0, 1, 1, 2, 3]
GUESS = [0, 0, 1, 1, 2, 2, 0]

labels = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30
)


def brute_force(pairs, c):
    """True positives, false positives, false negatives of class `c`."""
    tp = sum(t == c and p == c for t, p in pairs)
    fp = sum(t != c and p == c for t, p in pairs)
    fn = sum(t == c and p != c for t, p in pairs)
    return tp, fp, fn


def ratio(part, whole, otherwise):
    return part / whole if whole else otherwise


def test_confusion_matrix_has_the_truth_in_rows():
    expected = [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]]
    np.testing.assert_array_equal(metrics.confusion_matrix(TRUTH, GUESS), expected)


def test_precision_recall_and_f1_by_hand():
    np.testing.assert_allclose(
        metrics.precision(TRUTH, GUESS), [2 / 3, 1 / 2, 1 / 2, 0]
    )
    np.testing.assert_allclose(metrics.recall(TRUTH, GUESS), [2 / 3, 1 / 2, 1, 0])
    np.testing.assert_allclose(metrics.f1(TRUTH, GUESS), [2 / 3, 1 / 2, 2 / 3, 0])


def test_f1_is_the_harmonic_mean():
    # Deck 004:1115 calls it a weighted average of precision and recall.
    p, r = metrics.precision(TRUTH, GUESS)[2], metrics.recall(TRUTH, GUESS)[2]
    assert metrics.f1(TRUTH, GUESS)[2] == pytest.approx(2 / (1 / p + 1 / r))
    assert metrics.f1(TRUTH, GUESS)[2] < (p + r) / 2


@given(labels)
@few
def test_all_counts_agree_with_brute_force(pairs):
    y_true, y_pred = np.array(pairs).T
    matrix = metrics.confusion_matrix(y_true, y_pred, num_classes=4)
    assert matrix.sum() == len(pairs)
    assert metrics.accuracy(y_true, y_pred) == pytest.approx(
        np.trace(matrix) / len(pairs)
    )
    four = dict(num_classes=4)
    for c in range(4):
        tp, fp, fn = brute_force(pairs, c)
        assert matrix[c, c] == tp
        expected = {
            metrics.precision: ratio(tp, tp + fp, 0.0),
            metrics.recall: ratio(tp, tp + fn, 0.0),
            metrics.f1: ratio(2 * tp, 2 * tp + fp + fn, 0.0),
            metrics.iou: ratio(tp, tp + fp + fn, np.nan),
            metrics.dice: ratio(2 * tp, 2 * tp + fp + fn, np.nan),
        }
        for metric, value in expected.items():
            got = metric(y_true, y_pred, **four)
            assert got.shape == (4,)
            assert got[c] == pytest.approx(value, nan_ok=True)


@given(labels)
@few
def test_iou_and_dice_tell_the_same(pairs):
    y_true, y_pred = np.array(pairs).T
    iou = metrics.iou(y_true, y_pred)
    np.testing.assert_allclose(metrics.dice(y_true, y_pred), 2 * iou / (1 + iou))


def test_masks_may_have_any_shape():
    truth = np.array([[[1, 1, 0], [0, 2, 0]]])
    guess = np.array([[[1, 0, 0], [0, 2, 2]]])
    np.testing.assert_allclose(metrics.iou(truth, guess), [1 / 2, 1 / 2, 1 / 2])
    np.testing.assert_allclose(metrics.dice(truth, guess), [2 / 3, 2 / 3, 2 / 3])
    assert metrics.accuracy(truth, guess) == pytest.approx(4 / 6)
    yes = np.array([True, True, False])
    assert metrics.iou(yes, ~yes)[1] == 0.0


def test_background_alone_is_still_a_problem_of_two_classes():
    nothing = np.zeros((4, 4), int)
    np.testing.assert_array_equal(metrics.iou(nothing, nothing), [1.0, np.nan])
    np.testing.assert_array_equal(metrics.recall(nothing, nothing), [1.0, 0.0])


def test_mean_iou_agrees_with_keras():
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(4, size=(2, 3, 8, 8))
    theirs = keras.metrics.MeanIoU(num_classes=6)
    theirs.update_state(truth, guess)
    ours = metrics.iou(truth, guess, num_classes=6)
    assert np.isnan(ours[4:]).all()
    assert np.nanmean(ours) == pytest.approx(float(theirs.result()), rel=1e-6)


def steps_of_the_curve(y_true, scores):
    """Sum of (R_n - R_{n-1}) P_n, one threshold for each distinct score."""
    area, last = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        recall = y_true[chosen].sum() / y_true.sum()
        area += (recall - last) * y_true[chosen].mean()
        last = recall
    return area


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=20)
)
@few
def test_average_precision_is_the_sum_of_the_steps(pairs):
    y_true, scores = np.array([*pairs, (1, 2)]).T
    expected = steps_of_the_curve(y_true, scores)
    assert metrics.average_precision(y_true, scores) == pytest.approx(expected)


def test_average_precision_of_a_perfect_and_of_the_worst_ranking():
    assert metrics.average_precision([0, 1, 1], [0.1, 0.5, 0.9]) == 1.0
    worst = metrics.average_precision([1, 0, 0, 0], [0.0, 0.1, 0.2, 0.3])
    assert worst == pytest.approx(1 / 4)


def test_mean_average_precision_averages_over_the_classes():
    # Deck 004:1114 defines the AP of one class under the name of mAP.
    y_true = np.array([0, 1, 2, 1])
    scores = np.array(
        [[0.7, 0.2, 0.1, 0], [0.8, 0.1, 0.1, 0], [0.1, 0.1, 0.8, 0], [0.1, 0.9, 0, 0]]
    )
    # Class 0: its sample is second, 1/2. Class 1: ranks 1 and 3 to 4 (a tie).
    each = [1 / 2, 1 / 2 + 1 / 2 * 2 / 4, 1.0]
    assert metrics.mean_average_precision(y_true, scores) == pytest.approx(
        np.mean(each)
    )


def test_examples_are_right():
    results = doctest.testmod(metrics)
    assert results.failed == 0 and results.attempted >= 3


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: metrics.accuracy([0, 1], [[0.2, 0.8], [0.9, 0.1]]),
            r"argmax\(axis=-1\)",
        ),
        (lambda: metrics.f1([0, 1], [0.2, 0.8]), "must be integers.*float64.*argmax"),
        (lambda: metrics.accuracy([], []), "something in it"),
        (
            lambda: metrics.iou([0, 5], [0, 1], num_classes=3),
            "0 to num_classes - 1 = 2",
        ),
        (lambda: metrics.recall([0, -1], [0, 1]), "labels from -1 to 1"),
        (lambda: metrics.average_precision([0, 0], [0.1, 0.2]), "at least one 1"),
        (lambda: metrics.average_precision([0, 2], [0.1, 0.2]), "must be 0 or 1"),
        (
            lambda: metrics.mean_average_precision([0, 1], [0.1, 0.2]),
            r"\(2,\) and \(2,\)",
        ),
        (
            lambda: metrics.mean_average_precision([0, 3], np.ones((2, 2))),
            "labels.*below 2",
        ),
    ],
)
def test_bad_input_raises(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()
