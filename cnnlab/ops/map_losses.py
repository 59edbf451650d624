"""Losses for dense prediction: a map (mask, saliency) against a map.

Maps are `(batch, ...)`, truth first. Pixel by pixel: EAD and MLNET (and
`mean_squared_error`), for values in [0, 1]. Between distributions: Bhattacharyya
and Kullback-Leibler, for maps that sum to 1. Between regions: Dice. All but Dice are
in deck 003:2415-2534.
"""

import numpy as np

from cnnlab.ops.losses import paired, safe_inverse, safe_log

SMOOTH = 1e-7  # Dice of two empty masks is 1, not 0/0; the value is that of Keras


def exponential_absolute_difference(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """EAD, `mean(exp(|y_true - y_pred|) - 1)` over all pixels (He et al., 2018)."""
    y_true, y_pred = paired(y_true, y_pred)
    # exp(d) - 1 loses its digits where d is small, at the end of a training.
    return float(np.mean(np.expm1(np.abs(y_pred - y_true))))


def exponential_absolute_difference_backward(
    y_true: np.ndarray, y_pred: np.ndarray
) -> np.ndarray:
    """`sign(d) * exp(|d|) / size` with `d = y_pred - y_true`."""
    y_true, y_pred = paired(y_true, y_pred)
    d = y_pred - y_true
    # At d = 0 the loss has a kink; sign(0) = 0 leaves a perfect pixel alone.
    return np.sign(d) * np.exp(np.abs(d)) / d.size


def mlnet(y_true: np.ndarray, y_pred: np.ndarray, alpha: float = 1.1) -> float:
    """`mean((y_true - y_pred)**2 / (alpha - y_true))` (Cornia et al., 2016).

    With `alpha=1.1`, an error where the truth is 1 costs eleven times what it costs
    where the truth is 0.
    """
    y_true, y_pred = paired(y_true, y_pred)
    return float(np.mean((y_true - y_pred) ** 2 / (alpha - y_true)))


def mlnet_backward(
    y_true: np.ndarray, y_pred: np.ndarray, alpha: float = 1.1
) -> np.ndarray:
    """`2 * (y_pred - y_true) / (alpha - y_true) / size`."""
    y_true, y_pred = paired(y_true, y_pred)
    return 2.0 * (y_pred - y_true) / (alpha - y_true) / y_pred.size


def bhattacharyya(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """`-log(sum(sqrt(y_true * y_pred)))` of each map, mean over the batch."""
    p, q = _distributions(y_true, y_pred)
    return float(-np.mean(safe_log(np.sqrt(p * q).sum(axis=-1))))


def bhattacharyya_backward(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """`-sqrt(y_true / y_pred) / (2 * sum(sqrt(y_true * y_pred))) / batch`."""
    p, q = _distributions(y_true, y_pred)
    overlap = np.sqrt(p * q).sum(axis=-1, keepdims=True)
    dq = -0.5 * np.sqrt(p * safe_inverse(q)) * safe_inverse(overlap) / len(q)
    return dq.reshape(np.shape(y_pred))


def kl_divergence(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """`sum(y_true * log(y_true / y_pred))` of each map, mean over the batch."""
    p, q = _distributions(y_true, y_pred)
    # 0 log 0 counts as 0: `safe_log` is finite, and p = 0 stands before it.
    return float(np.sum(p * (safe_log(p) - safe_log(q))) / len(p))


def kl_divergence_backward(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """`-y_true / y_pred / batch`."""
    p, q = _distributions(y_true, y_pred)
    return (-p * safe_inverse(q) / len(q)).reshape(np.shape(y_pred))


def dice_loss(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """`1 - 2 * sum(y * p) / sum(y + p)` of each mask, mean over the batch."""
    y, p = _flat(y_true, y_pred)
    overlap, total = 2.0 * (y * p).sum(axis=-1), (y + p).sum(axis=-1)
    return float(np.mean(1.0 - (overlap + SMOOTH) / (total + SMOOTH)))


def dice_loss_backward(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """`(overlap / total - 2 * y) / total / batch`: the quotient rule."""
    y, p = _flat(y_true, y_pred)
    overlap = 2.0 * (y * p).sum(axis=-1, keepdims=True) + SMOOTH
    total = (y + p).sum(axis=-1, keepdims=True) + SMOOTH
    return ((overlap / total - 2.0 * y) / total / len(y)).reshape(np.shape(y_pred))


def _flat(y_true, y_pred) -> tuple[np.ndarray, np.ndarray]:
    """Both as `(batch, pixels)`."""
    y_true, y_pred = paired(y_true, y_pred)
    return y_true.reshape(len(y_true), -1), y_pred.reshape(len(y_pred), -1)


def _distributions(y_true, y_pred) -> tuple[np.ndarray, np.ndarray]:
    """Both as `(batch, pixels)`; ValueError unless each map is a distribution."""
    maps = _flat(y_true, y_pred)
    for name, flat in zip(("y_true", "y_pred"), maps, strict=True):
        sums = flat.sum(axis=-1)
        if flat.min() < 0 or not np.allclose(sums, 1.0, atol=1e-3):
            raise ValueError(
                f"Each map of `{name}` must be at least 0 and sum to 1. Received: "
                f"a minimum of {flat.min():.3g}, and sums from {sums.min():.3g} to "
                f"{sums.max():.3g}. Divide each map by its sum, or end in a softmax."
            )
    return maps
