"""Filtering plain arrays: correlation, true convolution and the classical kernels."""

import numpy as np

from cnnlab.ops.arrays import as_float
from cnnlab.ops.convolution import conv


def correlate(x: np.ndarray, kernel: np.ndarray, **settings) -> np.ndarray:
    """Cross-correlation of two plain arrays, neither batch nor channels.

    `out[i, j] = sum(kernel[k, l] * x[i + k, j + l])`: what a convolution *layer*
    computes. `settings` are those of `cnnlab.ops.conv`.

    >>> correlate([1, 4, -1, 0, 2, -2, 1, 3, 3, 1], [1, 2, 0, -1]).astype(int)
    array([ 9,  0,  1,  3, -5, -3,  6])
    """
    x, kernel = as_float(x), as_float(kernel)
    if x.ndim != kernel.ndim:
        raise ValueError(
            "`x` and `kernel` must have the same number of axes. Received: shapes "
            f"{x.shape} and {kernel.shape}. For batches and channels, use `conv`."
        )
    batch = x[np.newaxis, ..., np.newaxis]
    return conv(batch, kernel[..., np.newaxis, np.newaxis], **settings)[0, ..., 0]


def convolve(x: np.ndarray, kernel: np.ndarray, **settings) -> np.ndarray:
    """True convolution of two plain arrays: correlation with the flipped kernel.

    `out[i, j] = sum(kernel[k, l] * x[i - k, j - l])`: an impulse gives back the
    kernel as it is, where `correlate` gives it back flipped.

    >>> convolve([0, 0, 1, 0, 0], [1, 2, 3]).astype(int)
    array([1, 2, 3])
    """
    return correlate(x, np.flip(kernel), **settings)


def _kernel(*rows: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    kernel = np.array(rows) * scale
    kernel.setflags(write=False)  # shared by everyone who imports it
    return kernel


# Deck 003 slide "What is a 2D discrete convolution" (:895-901); the four sides of
# 002:484; Sobel and Gaussian blur from Gonzalez and Woods, Digital Image Processing.
KERNELS: dict[str, np.ndarray] = {
    "identity": _kernel((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "corner_edges": _kernel((1, 0, -1), (0, 0, 0), (-1, 0, 1)),
    "laplacian_4": _kernel((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "laplacian_8": _kernel((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "sharpen": _kernel((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "box_blur": _kernel((1, 1, 1), (1, 1, 1), (1, 1, 1), scale=1 / 9),
    "gaussian_blur": _kernel((1, 2, 1), (2, 4, 2), (1, 2, 1), scale=1 / 16),
    "sobel_x": _kernel((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "sobel_y": _kernel((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "top_edges": _kernel((-1, -1, -1), (1, 1, 1), (0, 0, 0)),
    "bottom_edges": _kernel((0, 0, 0), (1, 1, 1), (-1, -1, -1)),
    "left_edges": _kernel((-1, 1, 0), (-1, 1, 0), (-1, 1, 0)),
    "right_edges": _kernel((0, 1, -1), (0, 1, -1), (0, 1, -1)),
}
