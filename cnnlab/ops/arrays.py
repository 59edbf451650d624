"""Conversions and checks that every room of `cnnlab.ops` shares."""

import numpy as np


def as_float(x) -> np.ndarray:
    """`x` as floats: float32 and float64 stay, everything else is promoted.

    Integers must not go on: uint8 wraps (3 - 5 = 254), and gradients truncate.
    """
    x = np.asarray(x)
    # NumPy's promotion: up to 16 bits to float32, longer integers to float64.
    return np.asarray(x, dtype=np.result_type(x, np.float32))


def all_but_last(x: np.ndarray) -> tuple[int, ...]:
    """The axes to sum over for one value per channel."""
    return tuple(range(x.ndim - 1))


def per_axis(name: str, value, rank: int, *, least: int) -> tuple[int, ...]:
    """`value` once for each of `rank` axes: 2 becomes (2, 2), (1, 2) stays."""
    # NumPy's integers are no `int`, and sizes often come out of an array.
    values = (value,) * rank if np.ndim(value) == 0 else tuple(value)
    whole = all(isinstance(v, int | np.integer) and v >= least for v in values)
    if len(values) != rank or not whole:
        raise ValueError(
            f"`{name}` must be a whole number of at least {least}, or {rank} of them, "
            f"one for each axis. Received: {name}={value!r}"
        )
    return tuple(int(v) for v in values)


def check_same_shape(**arrays: np.ndarray) -> None:
    """Raise ValueError unless all arrays, given by name, have one shape."""
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        names = " and ".join(f"`{name}`" for name in shapes)
        raise ValueError(
            f"{names} must have the same shape: NumPy would broadcast them and "
            f"give a wrong result without a word. Received: {shapes}. Reshape one."
        )
