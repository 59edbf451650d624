"""Metrics of classification, ranking and segmentation.

Labels are integers from 0 up, truth first, and of any shape: a mask is an array of
one label per pixel. What scikit-learn has comes from scikit-learn, imported when it
is needed.
"""

import numpy as np


def accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """The share of labels that are right.

    >>> accuracy([0, 1, 2, 2], [0, 1, 1, 2])
    0.75
    """
    y_true, y_pred, _ = _labels(y_true, y_pred)
    return float(np.mean(y_true == y_pred))


def as_probabilities(scores) -> np.ndarray:
    """Class probabilities `(batch, num_classes)`, or `(batch, 1)` of two classes.

    Rows that are no probabilities, because they do not sum to 1, are logits.
    """
    scores = np.asarray(scores)
    if scores.shape[-1] == 1:  # two classes
        # Logits that all happen to lie in [0, 1] cannot be told from probabilities.
        certain = ((scores >= 0) & (scores <= 1)).all()
        return scores if certain else 1 / (1 + np.exp(-scores))
    if (scores >= 0).all() and np.allclose(scores.sum(-1), 1, atol=1e-3):
        return scores
    # The largest at 0: exp overflows above 88 in float32.
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def confusion_matrix(
    y_true: np.ndarray, y_pred: np.ndarray, *, num_classes: int | None = None
) -> np.ndarray:
    """Counts, `(num_classes, num_classes)`: rows are the truth, columns the prediction.

    Args:
        y_true, y_pred: labels, of one shape.
        num_classes: None for one more than the largest label, and at least 2.
    """
    from sklearn import metrics

    y_true, y_pred, classes = _labels(y_true, y_pred, num_classes)
    return metrics.confusion_matrix(y_true, y_pred, labels=classes)


def precision(
    y_true: np.ndarray, y_pred: np.ndarray, *, num_classes: int | None = None
) -> np.ndarray:
    """Of what was predicted as a class, the share that is: one number for each class.

    `precision(...)[1]` is that of the positive class in a problem of two, and
    `precision(...).mean()` the macro average. 0 for a class never predicted.
    """
    return _scores(y_true, y_pred, num_classes)[0]


def recall(
    y_true: np.ndarray, y_pred: np.ndarray, *, num_classes: int | None = None
) -> np.ndarray:
    """Of what is of a class, the share that was found: one number for each class.

    0 for a class that does not occur.
    """
    return _scores(y_true, y_pred, num_classes)[1]


def f1(
    y_true: np.ndarray, y_pred: np.ndarray, *, num_classes: int | None = None
) -> np.ndarray:
    """The harmonic mean of precision and recall: one number for each class.

    Lower than their plain mean whenever they differ, and 0 if one of them is.
    """
    return _scores(y_true, y_pred, num_classes)[2]


def average_precision(y_true: np.ndarray, scores: np.ndarray) -> float:
    """The area under the precision-recall curve of one class, as a sum of steps.

    `sum((R_n - R_{n-1}) * P_n)` over the thresholds, from the highest score down.

    Args:
        y_true: `(samples,)`, 1 for the class and 0 for the rest.
        scores: `(samples,)`, the higher the surer.

    >>> average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])  # 1/2 + 1/2 * 2/3
    0.8333333333333333
    """
    from sklearn import metrics

    y_true = np.asarray(y_true)
    if not np.isin(y_true, (0, 1)).all() or not y_true.any():
        raise ValueError(
            "`y_true` must be 0 or 1, with at least one 1: without a positive sample "
            f"there is no recall. Received: values {np.unique(y_true)[:5]}"
        )
    return float(metrics.average_precision_score(y_true, scores))


def mean_average_precision(y_true: np.ndarray, scores: np.ndarray) -> float:
    """mAP: `average_precision` of each class against the rest, mean over the classes.

    Classes that do not occur in `y_true` are left out of the mean.

    Args:
        y_true: `(samples,)`, labels.
        scores: `(samples, num_classes)`, for example softmax outputs.
    """
    y_true, scores = np.asarray(y_true), np.asarray(scores)
    if scores.ndim != 2 or y_true.shape != scores.shape[:1]:
        raise ValueError(
            "`y_true` must be (samples,) and `scores` (samples, num_classes). "
            f"Received: shapes {y_true.shape} and {scores.shape}"
        )
    # Without a single positive sample a class has no recall, so no curve.
    present = np.unique(y_true)
    if present[0] < 0 or present[-1] >= scores.shape[1]:
        raise ValueError(
            f"`y_true` must hold labels from 0 up and below {scores.shape[1]}, the "
            f"columns of `scores`. Received: from {present[0]} to {present[-1]}"
        )
    return float(
        np.mean([average_precision(y_true == c, scores[:, c]) for c in present])
    )


def iou(
    y_true: np.ndarray, y_pred: np.ndarray, *, num_classes: int | None = None
) -> np.ndarray:
    """Intersection over union (Jaccard): one number for each class.

    nan for a class in neither mask: `np.nanmean` leaves it out of the mean.

    >>> iou([[1, 1, 0], [0, 0, 0]], [[0, 1, 1], [0, 0, 0]])
    array([0.6       , 0.33333333])
    """
    counts = confusion_matrix(y_true, y_pred, num_classes=num_classes)
    # Sizes of both masks together; the union holds what both have once, not twice.
    both, sizes = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return _divide(both, sizes - both)


def dice(
    y_true: np.ndarray, y_pred: np.ndarray, *, num_classes: int | None = None
) -> np.ndarray:
    """Twice the intersection over the sum of the sizes: one number for each class.

    It is `f1` of the pixels, and `2 * iou / (1 + iou)`; nan for a class in neither.
    """
    counts = confusion_matrix(y_true, y_pred, num_classes=num_classes)
    both, sizes = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return _divide(2 * both, sizes)


def _divide(part, whole) -> np.ndarray:
    """`part / whole`, nan where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _scores(y_true, y_pred, num_classes):
    """Precision, recall, F1 and the number of images, each `(num_classes,)`."""
    from sklearn import metrics

    # All classes are named: scikit-learn would leave out one that occurs in neither,
    # and `precision(...)[k]` would no longer be that of class k.
    y_true, y_pred, classes = _labels(y_true, y_pred, num_classes)
    return metrics.precision_recall_fscore_support(
        y_true, y_pred, labels=classes, zero_division=0.0
    )


def _labels(y_true, y_pred, num_classes=None):
    """Both as flat labels, and all classes; ValueError if they are not labels."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.shape != y_pred.shape or not y_true.size:
        raise ValueError(
            "`y_true` and `y_pred` must have the same shape, and something in it. "
            f"Received: shapes {y_true.shape} and {y_pred.shape}. Turn probabilities "
            "into labels with y_pred.argmax(axis=-1)."
        )
    if not all(
        np.issubdtype(y.dtype, np.integer) or y.dtype == bool for y in (y_true, y_pred)
    ):
        raise ValueError(
            "Labels must be integers. Received: "
            f"dtypes {y_true.dtype} and {y_pred.dtype}. Turn probabilities into labels "
            "with y_pred.argmax(axis=-1), or y_pred > 0.5 for two classes."
        )
    y_true, y_pred = y_true.astype(int).ravel(), y_pred.astype(int).ravel()
    low, high = min(y_true.min(), y_pred.min()), max(y_true.max(), y_pred.max())
    num_classes = max(high + 1, 2) if num_classes is None else num_classes
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"Labels must be from 0 to num_classes - 1 = {num_classes - 1}. "
            f"Received: labels from {low} to {high}"
        )
    return y_true, y_pred, np.arange(num_classes)
