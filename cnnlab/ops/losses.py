"""Losses: how wrong a prediction is, and which way is less wrong.

Arguments come in the order of Keras, truth first. A loss is one float, the mean
over the batch; its backward pass is the gradient for the prediction. Formulas:
decks 001:181-191 and 003:2080-2317. Losses between maps: `cnnlab.ops.map_losses`.
"""

import numpy as np

from cnnlab.ops.activations import softmax
from cnnlab.ops.arrays import as_float, check_same_shape

# The least probability whose logarithm is taken, as in deck 003:2299. A sure mistake
# costs 27.6 by it; Keras stops at 1e-7, which is 16.1.
EPSILON = 1e-12


def mean_squared_error(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """`mean((y_true - y_pred)**2)` over all elements, whatever the shape."""
    y_true, y_pred = paired(y_true, y_pred)
    return float(np.mean((y_true - y_pred) ** 2))


def mean_squared_error_backward(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """`2 * (y_pred - y_true) / size`."""
    y_true, y_pred = paired(y_true, y_pred)
    return 2.0 * (y_pred - y_true) / y_pred.size


def binary_crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """`-mean(y log p + (1 - y) log(1 - p))`, with `p` the probability of class 1.

    >>> round(binary_crossentropy([1], [1 / 4]), 6)  # 2 log 2
    1.386294
    """
    y, p = paired(y_true, y_pred)
    return float(-np.mean(y * safe_log(p) + (1.0 - y) * safe_log(1.0 - p)))


def binary_crossentropy_backward(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """`((1 - y) / (1 - p) - y / p) / size`."""
    y, p = paired(y_true, y_pred)
    return ((1.0 - y) * safe_inverse(1.0 - p) - y * safe_inverse(p)) / p.size


def categorical_crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """`-sum(y log p)` over the classes, mean over the batch.

    `y_true` (one-hot) and `y_pred` (probabilities) are `(batch, num_classes)`.
    """
    y, p = paired(y_true, y_pred)
    return float(-np.sum(y * safe_log(p)) / len(y))


def categorical_crossentropy_backward(
    y_true: np.ndarray, y_pred: np.ndarray
) -> np.ndarray:
    """`-y / p / batch`: the gradient for the probabilities."""
    y, p = paired(y_true, y_pred)
    return -y * safe_inverse(p) / len(y)


def softmax_crossentropy(y_true: np.ndarray, logits: np.ndarray) -> float:
    """`categorical_crossentropy(y_true, softmax(logits))`, exact for all logits.

    `log softmax(z) = z - log(sum(exp(z)))`: no probability is rounded to zero first.
    """
    y, z = paired(y_true, logits)
    # The same for all classes changes no softmax, and exp of at most 0 cannot overflow.
    z = z - z.max(axis=-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return float(-np.sum(y * log_p) / len(y))


def softmax_crossentropy_backward(y_true: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """`(softmax(logits) - y) / batch`: prediction minus truth, for the logits."""
    y, z = paired(y_true, logits)
    return (softmax(z) - y) / len(y)


def contrastive_loss(
    same: np.ndarray, distances: np.ndarray, margin: float = 1.0
) -> float:
    """`mean(same * d**2 + (1 - same) * max(margin - d, 0)**2)` over pairs.

    Hadsell, Chopra and LeCun, 2006. `same` is 1 for a pair of one class and 0 for
    two classes (some texts swap the two); `distances` are at least 0, `(pairs,)`.
    """
    same, d = paired(same, distances)
    # Beyond the margin two classes are far enough apart: no loss, no gradient.
    shortfall = np.maximum(margin - d, 0.0)
    return float(np.mean(same * d**2 + (1.0 - same) * shortfall**2))


def contrastive_loss_backward(
    same: np.ndarray, distances: np.ndarray, margin: float = 1.0
) -> np.ndarray:
    """`2 * (same * d - (1 - same) * max(margin - d, 0)) / pairs`."""
    same, d = paired(same, distances)
    shortfall = np.maximum(margin - d, 0.0)
    return 2.0 * (same * d - (1.0 - same) * shortfall) / d.size


def paired(y_true, y_pred) -> tuple[np.ndarray, np.ndarray]:
    """Both as floats; ValueError unless they have the same shape."""
    y_true, y_pred = as_float(y_true), as_float(y_pred)
    check_same_shape(y_true=y_true, y_pred=y_pred)
    return y_true, y_pred


def safe_log(p: np.ndarray) -> np.ndarray:
    """log p, with p kept away from 0."""
    return np.log(np.maximum(p, EPSILON))


def safe_inverse(p: np.ndarray) -> np.ndarray:
    """1 / p, with p kept away from 0."""
    return 1.0 / np.maximum(p, EPSILON)
