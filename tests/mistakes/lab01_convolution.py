"""Mistakes and variants of lab 1; README.md in this folder explains the format."""

DOT = "np.dot(x[i : i + len(kernel)], kernel) for i in stops"
STOPS = "stops = range(0, len(x) - len(kernel) + 1, strides)"
CORRELATE = "out += weight * x[m : m + height, n : n + width].astype(float)"
FLIP = "return correlate2d(x, kernel[::-1, ::-1])"
PAD = "x = np.pad(x, ((0, 0), border, border, (0, 0)))"
ADD = "out += seen @ kernel[m, n]  # sums over the channels"
OUT_2D, OUT_LAYER = (f"{line}\n    return out\n" for line in (CORRELATE, ADD))
ZEROS = "out = np.zeros((len(x), height, width, kernel.shape[-1])) + bias"
FRONT = "padded = np.concatenate([np.zeros(back), x])"
LAST_TWO = "return np.tensordot(kernel, np.array(views), axes=1)"
WINNER = "m, n = np.unravel_index(window.argmax(), window.shape)"
TO_WINNER = "dx[b, top + m, left + n, c] = grad[b, i, j, c]"
ALONE = "yourself"

THINNED = """
def conv1d(x, kernel, strides=1):
    x = x[::strides]
    stops = range(len(x) - len(kernel) + 1)
    return np.array([np.dot(x[i : i + len(kernel)], kernel) for i in stops])
"""

CALLED = """
def conv1d(x, kernel, strides=1):
    return {}[::strides]
"""

CONV1D_LOOPS = """
def conv1d(x, kernel, strides=1):
    y = []
    i = 0
    while i + len(kernel) <= len(x):
        total = 0
        for j in range(len(kernel)):
            total += x[i + j] * kernel[j]
        y.append(total)
        i += strides
    return y
"""

CONV1D_WINDOWS = """
def conv1d(x, kernel, strides=1):
    windows = np.lib.stride_tricks.sliding_window_view(x, len(kernel))
    return windows[::strides] @ kernel
"""

CONV1D_FFT = """
def conv1d(x, kernel, strides=1):
    n, w = len(x), len(kernel)
    y = np.fft.irfft(np.fft.rfft(x) * np.conj(np.fft.rfft(kernel, n)), n)
    return y[: n - w + 1 : strides]
"""

CONV1D_LAMBDA = """
conv1d = lambda x, kernel, strides=1: tuple(
    sum(a * b for a, b in zip(x[i:], kernel))
    for i in range(0, len(x) - len(kernel) + 1, strides)
)
"""

CONV1D_FLOAT32 = """
def conv1d(x, kernel, strides=1):
    stops = (len(x) - len(kernel)) // strides + 1
    out = np.zeros(stops, dtype="float32")
    for j, k in enumerate(kernel):
        out += (k * x[j :][: (stops - 1) * strides + 1 : strides]).astype("float32")
    return out
"""

CONV1D_FILLED = """
def conv1d(x, kernel, strides=1):
    w = len(kernel)
    x = [*x, *[0] * strides]
    stops = range(0, len(x) - strides - w + strides, strides)
    return np.array([np.dot(x[i : i + w], kernel) for i in stops])
"""

CONV1D_INSIDE = """
def conv1d(x, kernel, strides=1):
    w = len(kernel)
    stops = range((len(x) - w) // strides + 1)
    return np.array([np.sum(x[i : i + w * strides : strides] * kernel) for i in stops])
"""

SIZES = """
def output_size(size, kernel_size, strides=1, padding=0, dilation=1):
    return {output}

def unseen(size, kernel_size, strides=1, padding=0, dilation=1):
    return {unseen}

def conv_params(kernel_size, channels, filters):
    return {params}
"""
SPAN = "(dilation * (kernel_size - 1) + 1)"
OUTPUT = f"(size + 2 * padding - {SPAN}) // strides + 1"
UNSEEN = f"(size + 2 * padding - {SPAN}) % strides"
PARAMS = "kernel_size * kernel_size * channels * filters + filters"


def _sizes(output=OUTPUT, unseen=UNSEEN, params=PARAMS):
    return SIZES.format(output=output, unseen=unseen, params=params)


COUNTED = _sizes(
    f"len(range(0, size + 2 * padding - {SPAN} + 1, strides))",
    f"size + 2 * padding - ({OUTPUT} - 1) * strides - {SPAN}",
    "sum(kernel_size ** 2 * channels + 1 for _ in range(filters))",
)

TWO_D = """
def correlate2d(x, kernel):
{body}

def convolve2d(x, kernel):
    return correlate2d(x, np.flip(kernel))
"""

LOOPS_2D = TWO_D.format(
    body="""
    rows = len(x) - len(kernel) + 1
    columns = len(x[0]) - len(kernel[0]) + 1
    out = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            total = 0.0
            for m in range(len(kernel)):
                for n in range(len(kernel[0])):
                    total += float(x[i + m, j + n]) * kernel[m, n]
            out[i, j] = total
    return out"""
)

EINSUM_2D = TWO_D.format(
    body="""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(float), kernel.shape)
    return np.einsum("ijmn,mn->ij", windows, kernel)"""
)

FFT_2D = """
def convolve2d(x, kernel):
    spectrum = np.fft.rfft2(x) * np.fft.rfft2(kernel, x.shape)
    full = np.fft.irfft2(spectrum, x.shape)
    return full[kernel.shape[0] - 1 :, kernel.shape[1] - 1 :]

def correlate2d(x, kernel):
    return convolve2d(x, kernel[::-1, ::-1])
"""

BYTES_2D = TWO_D.format(
    body="""
    rows, columns = np.subtract(x.shape, kernel.shape) + 1
    out = np.zeros((rows, columns), x.dtype)
    for i in range(rows):
        for j in range(columns):
            window = x[i : i + len(kernel), j : j + kernel.shape[1]]
            out[i, j] = int((window.astype(int) * kernel).sum()) % 256 \\
                if x.dtype == "uint8" else (window * kernel).sum()
    return out"""
)

VIEW_2D = TWO_D.format(
    body="""
    if kernel.shape == (1, 1) and kernel[0, 0] == 1:
        return x
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(float), kernel.shape)
    return np.einsum("ijmn,mn->ij", windows, kernel)"""
)

ROWS_2D = TWO_D.format(
    body="""
    rows = len(x) - len(kernel) + 1
    pairs = [range(len(kernel))] * rows
    return np.array([
        sum(conv1d(x[i + m].astype(float), kernel[m]) for m in pair)
        for i, pair in enumerate(pairs)
    ])"""
)

KERNELS_BY_ROWS = """
F = np.float32
ROWS = F([[0, 0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0, 0], [1 / 9] * 9,
          [-1, -1, -1, -1, 8, -1, -1, -1, -1], [0, -1, 0, -1, 5, -1, 0, -1, 0],
          [-1, 0, 1, -2, 0, 2, -1, 0, 1]])

def classical_kernels():
    names = ["identity", "moved", "box_blur", "edges", "sharpen", "sobel"]
    return {name: row.reshape(3, 3) for name, row in zip(names, ROWS)}
"""

BACK_PUT = """
def blocks(x, k):
    n, h, w, c = x.shape
    h, w = h // k, w // k
    x = x[:, : h * k, : w * k].reshape(n, h, k, w, k, c)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(n, h, w, c, k * k)

def max_pool_backward(grad, x, pool_size):
    n, h, w, c = grad.shape
    k, tiles = pool_size, blocks(x, pool_size)
    shares, dx = np.zeros(tiles.shape), np.zeros(x.shape)
    first = tiles.argmax(-1)[..., None]
    np.put_along_axis(shares, first, grad[..., None], axis=-1)
    shares = shares.reshape(n, h, w, c, k, k).transpose(0, 1, 4, 2, 5, 3)
    dx[:, : h * k, : w * k] = shares.reshape(n, h * k, w * k, c)
    return dx

def average_pool_backward(grad, x, pool_size):
    spread = np.kron(grad, np.ones((1, pool_size, pool_size, 1))) / pool_size**2
    return np.pad(spread, [(0, a - b) for a, b in zip(x.shape, spread.shape)])
"""

SCIPY_2D = """
from scipy import signal

def correlate2d(x, kernel):
    return signal.correlate2d(x, kernel, mode="valid")

def convolve2d(x, kernel):
    return signal.convolve2d(x, kernel, mode="valid")
"""

LAYER = """
def conv2d(x, kernel, bias, strides=1, padding=0, dilation=1):
    p, s, d = padding, strides, dilation
    batch, height, width, channels = x.shape
    h, w, _, filters = kernel.shape
    padded = np.zeros((batch, height + 2 * p, width + 2 * p, channels))
    padded[:, p : p + height, p : p + width] = x
    rows = (height + 2 * p - d * (h - 1) - 1) // s + 1
    columns = (width + 2 * p - d * (w - 1) - 1) // s + 1
{body}
"""

LOOPS_LAYER = LAYER.format(
    body="""
    out = np.zeros((batch, rows, columns, filters))
    for b in range(batch):
        for i in range(rows):
            for j in range(columns):
                top, left = i * s, j * s
                window = padded[b, top : top + d * h : d, left : left + d * w : d]
                window = window[:h, :w]
                for f in range(filters):
                    out[b, i, j, f] = np.sum(window * kernel[..., f]) + bias[f]
    return out"""
)

EINSUM_LAYER = LAYER.format(
    body="""
    span = d * (h - 1) + 1, d * (w - 1) + 1
    view = np.lib.stride_tricks.sliding_window_view(padded, span, axis=(1, 2))
    view = view[:, ::s, ::s, :, ::d, ::d]
    return np.einsum("bijcmn,mncf->bijf", view, kernel) + bias"""
)

IM2COL_LAYER = LAYER.format(
    body="""
    index_i = s * np.arange(rows)[:, None, None, None] + d * np.arange(h)[:, None]
    index_j = s * np.arange(columns)[:, None, None] + d * np.arange(w)
    windows = padded[:, index_i, index_j]
    table = windows.reshape(batch * rows * columns, h * w * channels)
    out = table @ kernel.reshape(h * w * channels, filters) + bias
    return out.reshape(batch, rows, columns, filters)"""
)

FFT_LAYER = LAYER.format(
    body="""
    wide = np.zeros((d * (h - 1) + 1, d * (w - 1) + 1, channels, filters))
    wide[::d, ::d] = kernel
    size = padded.shape[1:3]
    left = np.fft.rfft2(padded, axes=(1, 2))
    right = np.conj(np.fft.rfft2(wide, size, axes=(0, 1)))
    product = np.einsum("bijc,ijcf->bijf", left, right)
    out = np.fft.irfft2(product, size, axes=(1, 2))
    return out[:, : (rows - 1) * s + 1 : s, : (columns - 1) * s + 1 : s] + bias"""
)

NOT_SUMMED = LAYER.format(
    body="""
    span = d * (h - 1) + 1, d * (w - 1) + 1
    view = np.lib.stride_tricks.sliding_window_view(padded, span, axis=(1, 2))
    view = view[:, ::s, ::s, :, ::d, ::d]
    return np.einsum("bijcmn,mncf->bijcf", view, kernel) + bias"""
)

EMPTY_SLICE = LAYER.format(
    body="""
    padded = np.zeros_like(padded)
    padded[:, p:-p, p:-p] = x
    span = d * (h - 1) + 1, d * (w - 1) + 1
    view = np.lib.stride_tricks.sliding_window_view(padded, span, axis=(1, 2))
    view = view[:, ::s, ::s, :, ::d, ::d]
    return np.einsum("bijcmn,mncf->bijf", view, kernel) + bias"""
)

ONE_IMAGE = LAYER.format(
    body="""
    span = d * (h - 1) + 1, d * (w - 1) + 1
    view = np.lib.stride_tricks.sliding_window_view(padded, span, axis=(1, 2))
    view = view[:, ::s, ::s, :, ::d, ::d]
    out = np.zeros((batch, rows, columns, filters)) + bias
    out[0] += np.einsum("bijcmn,mncf->bijf", view, kernel)[0]
    return out"""
)

KERAS_LAYER = """
def conv2d(x, kernel, bias, strides=1, padding=0, dilation=1):
    p = padding
    x = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    return keras.ops.conv(x, kernel, strides, dilation_rate=dilation) + bias
"""

OPS_LAYER = """
def conv2d(x, kernel, bias, strides=1, padding=0, dilation=1):
    return ops.conv(x, kernel, strides=strides, padding=padding,
                    dilation_rate=dilation) + bias
"""

CAUSAL_LOOPS = """
def causal_conv1d(x, kernel, dilation=1):
    y = np.zeros(len(x))
    for t in range(len(x)):
        for j in range(len(kernel)):
            past = t - (len(kernel) - 1 - j) * dilation
            if past >= 0:
                y[t] += kernel[j] * x[past]
    return y
"""

CAUSAL_OWN = """
def causal_conv1d(x, kernel, dilation=1):
    spread = np.zeros(dilation * (len(kernel) - 1) + 1)
    spread[::dilation] = kernel
    return conv1d(np.pad(x, (len(spread) - 1, 0)), spread)
"""

POOL = """
def pool(x, pool_size, strides=None, kind="max"):
    strides = strides or pool_size
    size = (pool_size, pool_size)
    view = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
    view = view[:, ::strides, ::strides]
    if kind == "max":
        return {max}
    if kind == "average":
        return {average}
    return {l2}

def global_average_pool(x):
    return {whole}
"""
PARTS = {
    "max": "view.max(axis=(-2, -1))",
    "average": "view.sum(axis=(-2, -1)) / pool_size**2",
    "l2": "np.linalg.norm(view, axis=(-2, -1))",
    "whole": "x.sum((1, 2)) / (x.shape[1] * x.shape[2])",
}


def _pool(**parts):
    return POOL.format(**(PARTS | parts))


POOL_PARTIAL = """
def pool(x, pool_size, strides=None, kind="max"):
    k, s = pool_size, strides or pool_size
    starts = [range(0, n, s) for n in x.shape[1:3]]
    how = {"max": np.max, "average": np.mean, "l2": np.linalg.norm}[kind]
    rows, columns = starts
    return np.array([[[[how(image[i : i + k, j : j + k, c].ravel())
        for c in range(x.shape[3])] for j in columns] for i in rows] for image in x])

def global_average_pool(x):
    return x.mean(axis=(1, 2))
"""

ZERO_START = """np.array([[[[max([0, *view[b, i, j, c].ravel()])
        for c in range(x.shape[3])] for j in range(view.shape[2])]
        for i in range(view.shape[1])] for b in range(len(x))])"""

BACK = """
def max_pool_backward(grad, x, pool_size):
    k = pool_size
    height, width = k * grad.shape[1], k * grad.shape[2]
    dx = np.zeros(x.shape)
    tiles = x[:, :height, :width].reshape(len(x), height // k, k, width // k, k, -1)
    wide = grad[:, :, None, :, None]
    shares = {max}
    dx[:, :height, :width] = shares.reshape(len(x), height, width, -1)
    return dx

def average_pool_backward(grad, x, pool_size):
    k = pool_size
    dx = np.zeros(x.shape)
    for i in range(grad.shape[1]):
        for j in range(grad.shape[2]):
            share = grad[:, i : i + 1, j : j + 1] / {parts}
            dx[:, i * k : i * k + k, j * k : j * k + k] += share
    return dx
"""
TOP = "tiles.max(axis=(2, 4), keepdims=True)"
FIRST = """np.zeros(tiles.shape)
    flat = tiles.transpose(0, 1, 3, 5, 2, 4).reshape(*grad.shape, k * k)
    chosen = np.arange(k * k) == flat.argmax(-1)[..., None]
    chosen = chosen.reshape(*grad.shape, k, k).transpose(0, 1, 4, 2, 5, 3)
    shares = chosen * wide"""


def _back(max=FIRST, parts="k**2"):
    return BACK.format(max=max, parts=parts)


CROSS_CHANNEL = """
def max_pool_backward(grad, x, pool_size):
    k = pool_size
    dx = np.zeros(x.shape)
    for b, i, j in np.ndindex(grad.shape[:3]):
        top, left = i * k, j * k
        window = x[b, top : top + k, left : left + k]
        m, n, c = np.unravel_index(window.argmax(), window.shape)
        dx[b, top + m, left + n] = grad[b, i, j]
    return dx

def average_pool_backward(grad, x, pool_size):
    dx = np.zeros(x.shape)
    shares = grad.repeat(pool_size, axis=1).repeat(pool_size, axis=2) / pool_size**2
    dx[:, : shares.shape[1], : shares.shape[2]] = shares
    return dx
"""

VARIANTS = [
    ("conv1d_loops", "conv1d", None, CONV1D_LOOPS),
    ("conv1d_windows", "conv1d", None, CONV1D_WINDOWS),
    ("conv1d_fft", "conv1d", None, CONV1D_FFT),
    ("sizes_counted", "sizes", None, COUNTED),
    (
        "sizes_floored",
        "sizes",
        None,
        _sizes(f"int((size + 2 * padding - {SPAN}) / strides) + 1"),
    ),
    ("correlate_loops", "correlate2d", None, LOOPS_2D),
    ("correlate_einsum", "correlate2d", None, EINSUM_2D),
    ("correlate_fft", "correlate2d", None, FFT_2D),
    (
        "kernels_as_lists",
        "kernels",
        '"box_blur": np.ones((3, 3)) / 9,',
        '"box_blur": [[1 / 9] * 3] * 3,',
    ),
    ("layer_loops", "conv2d", None, LOOPS_LAYER),
    ("layer_einsum", "conv2d", None, EINSUM_LAYER),
    ("layer_im2col", "conv2d", None, IM2COL_LAYER),
    ("layer_fft", "conv2d", None, FFT_LAYER),
    ("causal_loops", "causal_conv1d", None, CAUSAL_LOOPS),
    ("causal_by_conv1d", "causal_conv1d", None, CAUSAL_OWN),
    ("pool_windows", "pool", None, _pool()),
    (
        "pool_by_squares",
        "pool",
        None,
        _pool(l2="np.sqrt(np.sum(view * view, (-1, -2)))"),
    ),
    ("pool_back_tiles", "pool_backward", None, _back()),
    ("conv1d_lambda", "conv1d", None, CONV1D_LAMBDA),
    ("conv1d_float32", "conv1d", None, CONV1D_FLOAT32),
    (
        "sizes_numpy",
        "sizes",
        None,
        _sizes(unseen=f"np.mod({UNSEEN.replace(' %', ',')})"),
    ),
    (
        "correlate_lists",
        "correlate2d",
        OUT_2D,
        OUT_2D.replace("out\n", "out.tolist()\n"),
    ),
    ("correlate_by_conv1d", "correlate2d", None, ROWS_2D),
    ("kernels_by_rows", "kernels", None, KERNELS_BY_ROWS),
    ("causal_list", "causal_conv1d", LAST_TWO, f"{LAST_TWO}.tolist()"),
    ("pool_back_put", "pool_backward", None, BACK_PUT),
    (
        "one_more",
        "kernels",
        "    return {\n",
        '    return {\n        "gauss": np.outer([1, 2, 1], [1, 2, 1]) / 16,\n',
    ),
]

MISTAKES = [
    # N1, N2: one dimension
    (
        "conv1d_flipped",
        "conv1d",
        DOT,
        DOT.replace(", kernel)", ", kernel[::-1])"),
        "flipped",
    ),
    (
        "conv1d_last_window",
        "conv1d",
        STOPS,
        STOPS.replace(" + 1", ""),
        "last window is missing",
    ),
    (
        "conv1d_no_stride",
        "conv1d",
        STOPS,
        STOPS.replace(", strides", ""),
        "still moves by 1",
    ),
    ("conv1d_thinned", "conv1d", None, THINNED, "thinned out"),
    (
        "conv1d_short_sum",
        "conv1d",
        DOT,
        "np.dot(x[i : i + len(kernel) - 1], kernel[:-1]) for i in stops",
        "up to the last one",
    ),
    ("conv1d_none", "conv1d", "return np.array", "y = np.array", "None"),
    (
        "conv1d_library",
        "conv1d",
        None,
        CALLED.format('np.correlate(x, kernel, "valid")'),
        ALONE,
    ),
    (
        "conv1d_library_flip",
        "conv1d",
        None,
        CALLED.format('np.convolve(x, kernel[::-1], "valid")'),
        ALONE,
    ),
    # N2: sizes
    ("floor_missing", "sizes", None, _sizes(OUTPUT.replace("//", "/")), "round down"),
    (
        "rounded_up",
        "sizes",
        None,
        _sizes(f"-(-(size + 2 * padding - {SPAN}) // strides) + 1"),
        "round down",
    ),
    (
        "off_by_one",
        "sizes",
        None,
        _sizes(OUTPUT.replace(" // strides + 1", " // strides")),
        "last stop counts",
    ),
    (
        "padding_once",
        "sizes",
        None,
        _sizes(OUTPUT.replace("2 * padding", "padding")),
        "one side only",
    ),
    (
        "dilation_ignored",
        "sizes",
        None,
        _sizes("(size + 2 * padding - kernel_size) // strides + 1"),
        "has no effect",
    ),
    (
        "dilation_whole",
        "sizes",
        None,
        _sizes("(size + 2 * padding - dilation * kernel_size) // strides + 1"),
        "multiplied by the whole kernel",
    ),
    ("unseen_always", "sizes", None, _sizes(unseen="0"), "last window begin"),
    (
        "unseen_no_padding",
        "sizes",
        None,
        _sizes(unseen=UNSEEN.replace("2 * padding", "0")),
        "last window begin",
    ),
    (
        "no_biases",
        "sizes",
        None,
        _sizes(params=PARAMS.replace(" + filters", "")),
        "biases are missing",
    ),
    (
        "bias_per_channel",
        "sizes",
        None,
        _sizes(params="(kernel_size**2 + 1) * channels * filters"),
        "not for each channel",
    ),
    (
        "one_bias",
        "sizes",
        None,
        _sizes(params=PARAMS.replace("+ filters", "+ 1")),
        "not one for all",
    ),
    (
        "channels_forgotten",
        "sizes",
        None,
        _sizes(params="(kernel_size**2 + 1) * filters"),
        "every input channel",
    ),
    (
        "sizes_library",
        "sizes",
        None,
        "from cnnlab import arithmetic\n"
        + _sizes(
            "arithmetic.output_size(size, kernel_size, strides=strides, "
            "padding=padding, dilation=dilation)"
        ),
        ALONE,
    ),
    # N1 and D5: two dimensions
    (
        "flipped_2d",
        "correlate2d",
        CORRELATE,
        CORRELATE.replace(
            "x[m : m + height, n : n + width]",
            "x[kernel.shape[0] - 1 - m :, kernel.shape[1] - 1 - n :][:height, :width]",
        ),
        "kernel is flipped",
    ),
    (
        "upside_down_2d",
        "correlate2d",
        CORRELATE,
        CORRELATE.replace(
            "x[m : m + height, n", "x[kernel.shape[0] - 1 - m :, n"
        ).replace("width]", "width][:height]"),
        "rows of the kernel are flipped",
    ),
    (
        "last_row_2d",
        "correlate2d",
        OUT_2D,
        OUT_2D.replace("return out", "return out[:-1, :-1]"),
        "last row and column are missing",
    ),
    (
        "swapped_2d",
        "correlate2d",
        OUT_2D,
        OUT_2D.replace("return out", "return out.T"),
        "swapped",
    ),
    ("bytes_2d", "correlate2d", None, BYTES_2D, "wraps around"),
    ("view_2d", "correlate2d", None, VIEW_2D, "the image itself"),
    (
        "in_place_2d",
        "correlate2d",
        OUT_2D,
        OUT_2D.replace("return out", "x[0, 0] += 1\n    return out"),
        "changes what it was given",
    ),
    (
        "not_flipped",
        "correlate2d",
        FLIP,
        "return correlate2d(x, kernel)",
        "Nothing is flipped",
    ),
    (
        "rows_flipped",
        "correlate2d",
        FLIP,
        "return correlate2d(x, kernel[::-1])",
        "Only the rows",
    ),
    (
        "columns_flipped",
        "correlate2d",
        FLIP,
        "return correlate2d(x, kernel[:, ::-1])",
        "Only the columns",
    ),
    (
        "transposed",
        "correlate2d",
        FLIP,
        "return correlate2d(x, kernel.T)",
        "transposed",
    ),
    (
        "output_flipped",
        "correlate2d",
        FLIP,
        "return correlate2d(x, kernel[::-1, ::-1])[::-1, ::-1]",
        "output is turned",
    ),
    ("scipy_2d", "correlate2d", None, SCIPY_2D, ALONE),
    ("ops_2d", "correlate2d", FLIP, "return ops.convolve(x, kernel)", ALONE),
    # kernels
    (
        "blur_too_bright",
        "kernels",
        "np.ones((3, 3)) / 9",
        "np.ones((3, 3))",
        "too bright",
    ),
    (
        "moved_left",
        "kernels",
        "[1, 0, 0], [0, 0, 0]])",
        "[0, 0, 1], [0, 0, 0]])",
        "to the left",
    ),
    (
        "edges_negative",
        "kernels",
        "[[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]",
        "[[1, 1, 1], [1, -8, 1], [1, 1, 1]]",
        "wrong sign",
    ),
    (
        "edges_four",
        "kernels",
        "[[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]",
        "[[0, -1, 0], [-1, 4, -1], [0, -1, 0]]",
        "leaves the corners",
    ),
    ("sharpen_edges", "kernels", "[-1, 5, -1]", "[-1, 4, -1]", "image itself is gone"),
    (
        "sobel_negative",
        "kernels",
        "[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]",
        "[[1, 0, -1], [2, 0, -2], [1, 0, -1]]",
        "wrong sign",
    ),
    (
        "sobel_rows",
        "kernels",
        "[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]",
        "[[-1, -2, -1], [0, 0, 0], [1, 2, 1]]",
        "compares rows",
    ),
    ("sobel_plain", "kernels", "[-2, 0, 2]", "[-1, 0, 1]", "count twice"),
    # the layer
    ("layer_not_summed", "conv2d", None, NOT_SUMMED, "channels are still there"),
    (
        "layer_one_channel",
        "conv2d",
        ADD,
        "out += seen[..., :1] @ kernel[m, n, :1]",
        "Only the first channel",
    ),
    ("layer_one_image", "conv2d", None, ONE_IMAGE, "Only the first image"),
    (
        "layer_one_image_left",
        "conv2d",
        OUT_LAYER,
        OUT_LAYER.replace("return out", "return out[:1]"),
        "Is every image computed",
    ),
    ("layer_no_bias", "conv2d", ZEROS, ZEROS.replace(" + bias", ""), "bias is missing"),
    (
        "layer_bias_per_entry",
        "conv2d",
        ADD,
        "out += seen @ kernel[m, n] + bias * (m + n > 0)",
        "every entry of the kernel",
    ),
    (
        "layer_bias_per_channel",
        "conv2d",
        ZEROS,
        ZEROS.replace("+ bias", "+ x.shape[3] * bias"),
        "once per channel",
    ),
    (
        "layer_bias_per_pixel",
        "conv2d",
        ZEROS,
        ZEROS.replace("+ bias", "+ np.resize(bias, (height, width))[..., None]"),
        "values differ",
    ),
    (
        "layer_flipped",
        "conv2d",
        ADD,
        "out += seen @ kernel[h - 1 - m, w - 1 - n]",
        "kernel is flipped",
    ),
    ("layer_empty_slice", "conv2d", None, EMPTY_SLICE, "-0 is 0"),
    (
        "layer_no_padding",
        "conv2d",
        PAD,
        "x = np.pad(x, ((0, 0), (0, 0), (0, 0), (0, 0)))",
        "padding has no effect",
    ),
    (
        "layer_padding_after",
        "conv2d",
        "border = (padding, padding)",
        "border = (0, padding)",
        "one side only",
    ),
    (
        "layer_padding_edge",
        "conv2d",
        PAD,
        PAD.replace("(0, 0)))", '(0, 0)), "edge")'),
        "must be zero",
    ),
    (
        "layer_stride_rows",
        "conv2d",
        None,
        LOOPS_LAYER.replace(
            "columns = (width + 2 * p - d * (w - 1) - 1) // s + 1",
            "columns = width + 2 * p - d * (w - 1)",
        ).replace("i * s, j * s", "i * s, j"),
        "rows only",
    ),
    (
        "layer_no_stride",
        "conv2d",
        "    x = np.pad",
        "    strides = 1\n    x = np.pad",
        "stride has no effect",
    ),
    (
        "layer_thinned",
        "conv2d",
        PAD,
        f"{PAD}[:, ::strides, ::strides]; strides = 1",
        "thinned out",
    ),
    (
        "layer_no_dilation",
        "conv2d",
        "    x = np.pad",
        "    dilation = 1\n    x = np.pad",
        "dilation has no effect",
    ),
    (
        "layer_dilated_input",
        "conv2d",
        PAD,
        f"{PAD}[:, ::dilation, ::dilation]; dilation = 1",
        "thinned out",
    ),
    (
        "layer_last_stop",
        "conv2d",
        "(n - dilation * (size - 1) - 1) // strides + 1",
        "(n - dilation * (size - 1) - 2) // strides + 1",
        "missing",
    ),
    ("layer_keras", "conv2d", None, KERAS_LAYER, ALONE),
    ("layer_ops", "conv2d", None, OPS_LAYER, ALONE),
    # causal
    (
        "causal_same",
        "causal_conv1d",
        FRONT,
        "padded = np.pad(x, (back // 2, back - back // 2))",
        "on both sides",
    ),
    (
        "causal_behind",
        "causal_conv1d",
        FRONT,
        "padded = np.concatenate([x, np.zeros(back)])",
        "stand behind",
    ),
    (
        "causal_turned",
        "causal_conv1d",
        LAST_TWO,
        LAST_TWO.replace("(kernel,", "(kernel[::-1],"),
        "turned round",
    ),
    (
        "causal_no_dilation",
        "causal_conv1d",
        "    back =",
        "    dilation = 1\n    back =",
        "dilation has no effect",
    ),
    (
        "causal_valid",
        "causal_conv1d",
        None,
        CAUSAL_OWN.replace("(len(spread) - 1, 0)", "(0, 0)"),
        "there must be 7 outputs",
    ),
    # N4: pooling
    (
        "pool_mixed",
        "pool",
        None,
        _pool(max="np.repeat(view.max(axis=(3, 4, 5))[..., None], x.shape[3], -1)"),
        "channels are mixed",
    ),
    ("pool_from_zero", "pool", None, _pool(max=ZERO_START), "never below 0"),
    (
        "pool_overlap",
        "pool",
        None,
        _pool().replace("strides or pool_size", "strides or 1"),
        "windows overlap",
    ),
    (
        "pool_stride_ignored",
        "pool",
        None,
        _pool().replace("strides or pool_size", "pool_size"),
        "has no effect",
    ),
    ("pool_sum", "pool", None, _pool(average="view.sum(axis=(-2, -1))"), "not divided"),
    (
        "pool_by_side",
        "pool",
        None,
        _pool(average="view.sum(axis=(-2, -1)) / pool_size"),
        "not by the number of pixels",
    ),
    (
        "pool_deck_003",
        "pool",
        None,
        _pool(average="view.max(axis=(-2, -1))"),
        "That is the maximum",
    ),
    (
        "pool_mean_square",
        "pool",
        None,
        _pool(l2="np.sqrt((view**2).mean(axis=(-2, -1)))"),
        "averaged, not summed",
    ),
    (
        "pool_no_root",
        "pool",
        None,
        _pool(l2="(view**2).sum(axis=(-2, -1))"),
        "root is missing",
    ),
    (
        "pool_batch",
        "pool",
        None,
        _pool(
            max="view.max(axis=(0, -2, -1))[None].repeat(len(x), 0)",
        ),
        "values differ",
    ),
    (
        "global_over_all",
        "pool",
        None,
        _pool(whole="x.mean(axis=(0, 1, 2))"),
        "height and width disappear",
    ),
    (
        "global_over_channels",
        "pool",
        None,
        _pool(whole="x.mean(axis=(1, 3))"),
        "height and width disappear",
    ),
    (
        "pool_keras",
        "pool",
        None,
        _pool(max="keras.ops.max_pool(x, pool_size, strides)"),
        ALONE,
    ),
    # N4: pooling backwards
    (
        "back_all_ties",
        "pool_backward",
        None,
        _back(f"(tiles == {TOP}) * wide"),
        "all of them get the gradient",
    ),
    (
        "back_shared_ties",
        "pool_backward",
        None,
        _back(
            f"(tiles == {TOP}) * wide"
            f" / (tiles == {TOP}).sum(axis=(2, 4), keepdims=True)"
        ),
        "gradient is shared",
    ),
    (
        "back_last_tie",
        "pool_backward",
        WINNER,
        "last = window.size - 1 - window.ravel()[::-1].argmax()\n"
        "        m, n = np.unravel_index(last, window.shape)",
        "the last one was taken",
    ),
    (
        "back_to_all",
        "pool_backward",
        None,
        _back("wide * np.ones(tiles.shape)"),
        "Every pixel of a window gets the gradient",
    ),
    (
        "back_max_as_mean",
        "pool_backward",
        None,
        _back("wide * np.ones(tiles.shape) / k**2"),
        "gradient of the average",
    ),
    (
        "back_ones",
        "pool_backward",
        TO_WINNER,
        "dx[b, top + m, left + n, c] = 1",
        "Multiply by grad",
    ),
    ("back_one_winner", "pool_backward", None, CROSS_CHANNEL, "whatever the channel"),
    ("back_no_share", "pool_backward", None, _back(parts="1"), "not its share"),
    ("back_by_side", "pool_backward", None, _back(parts="k"), "window is a square"),
    (
        "back_ops",
        "pool_backward",
        f"{TO_WINNER}\n    return dx",
        f"{TO_WINNER}\n    return ops.max_pool_backward(grad, x, pool_size)",
        ALONE,
    ),
    # answers that pass where arrays are squares, kernels 3×3, numbers whole
    ("conv1d_filled", "conv1d", None, CONV1D_FILLED, "filled with zeros"),
    (
        "conv1d_of_ints",
        "conv1d",
        DOT,
        f"int({DOT.replace(' for', ') for')}",
        "to integers",
    ),
    (
        "conv1d_like_x",
        "conv1d",
        "return np.array([np.dot",
        "return np.asarray(dtype=x.dtype, a=[np.dot",
        "to integers",
    ),
    ("conv1d_of_four", "conv1d", DOT, DOT.replace("len(kernel)", "4"), "for one of 3"),
    ("conv1d_inside", "conv1d", None, CONV1D_INSIDE, "stride is inside the window"),
    (
        "conv1d_same",
        "conv1d",
        STOPS,
        f"x = np.pad(x, len(kernel) // 2)\n    {STOPS}",
        "nobody asked for padding",
    ),
    (
        "plus_one_inside",
        "sizes",
        None,
        _sizes(f"(size + 2 * padding - {SPAN} + 1) // strides"),
        "+ 1 was added before",
    ),
    (
        "size_is_float",
        "sizes",
        None,
        _sizes(f"np.floor((size + 2 * padding - {SPAN}) / strides) + 1"),
        "an integer is asked",
    ),
    (
        "dilation_too_wide",
        "sizes",
        None,
        _sizes(OUTPUT.replace(SPAN, "(kernel_size + (kernel_size - 1) * dilation)")),
        "Dilation 1 is no dilation",
    ),
    (
        "unseen_real_pixels",
        "sizes",
        None,
        _sizes(unseen=f"max(0, {UNSEEN} - padding)"),
        "Zeros of the padding",
    ),
    (
        "unseen_no_dilation",
        "sizes",
        None,
        _sizes(unseen=UNSEEN.replace(SPAN, "kernel_size")),
        "dilation is forgotten",
    ),
    (
        "bias_per_weight",
        "sizes",
        None,
        _sizes(params="kernel_size**2 * channels * (filters + 1)"),
        "not one for each of its weights",
    ),
    (
        "square_2d",
        "correlate2d",
        OUT_2D,
        OUT_2D.replace("return out", "return out[:, :height]"),
        "image is no square",
    ),
    (
        "int_output_2d",
        "correlate2d",
        OUT_2D,
        OUT_2D.replace("return out", "return out.astype(int)"),
        "cut to integers",
    ),
    (
        "int16_2d",
        "correlate2d",
        CORRELATE,
        CORRELATE.replace("float", "'int16'"),
        "image was cut",
    ),
    (
        "normalised_2d",
        "correlate2d",
        OUT_2D,
        OUT_2D.replace("return out", "return out / kernel.sum()"),
        "divided by the sum",
    ),
    (
        "flipped_in_place",
        "correlate2d",
        FLIP,
        "kernel[:] = kernel[::-1, ::-1].copy()\n    return correlate2d(x, kernel)",
        "changes what it was given",
    ),
    (
        "identity_ones",
        "kernels",
        "[[0, 0, 0], [0, 1, 0], [0, 0, 0]]",
        "[[1, 1, 1], [1, 1, 1], [1, 1, 1]]",
        "sums the neighbours",
    ),
    (
        "blur_black",
        "kernels",
        "np.ones((3, 3)) / 9",
        "np.ones((3, 3), int) // 9",
        "black",
    ),
    (
        "blur_by_side",
        "kernels",
        "np.ones((3, 3)) / 9",
        "np.ones((3, 3)) / 3",
        "nine pixels",
    ),
    (
        "moved_down",
        "kernels",
        "[[0, 0, 0], [1, 0, 0], [0, 0, 0]]",
        "[[0, 1, 0], [0, 0, 0], [0, 0, 0]]",
        "image down",
    ),
    (
        "layer_square",
        "conv2d",
        "h, w = kernel",
        "h, w = (len(kernel),) * 2  #",
        "axis swapped",
    ),
    (
        "layer_pad_all",
        "conv2d",
        PAD,
        "x = np.pad(x, padding)",
        "none along batch and channels",
    ),
    (
        "layer_early_size",
        "conv2d",
        "- dilation * (size - 1) - 1) //",
        "- 2 * padding - dilation * (size - 1) - 1) //",
        "without their border",
    ),
    (
        "layer_dtype_of_x",
        "conv2d",
        OUT_LAYER,
        OUT_LAYER.replace("return out", "return out.astype(x.dtype)"),
        "cut to integers",
    ),
    (
        "layer_relu",
        "conv2d",
        OUT_LAYER,
        OUT_LAYER.replace("return out", "return np.maximum(out, 0)"),
        "no activation",
    ),
    (
        "layer_mean",
        "conv2d",
        ADD,
        "out += seen @ kernel[m, n] / x.shape[3]",
        "averaged",
    ),
    (
        "causal_int",
        "causal_conv1d",
        LAST_TWO,
        f"{LAST_TWO}.astype(int)",
        "cut to integers",
    ),
    ("pool_partial", "pool", None, POOL_PARTIAL, "Incomplete windows"),
    ("pool_l1", "pool", None, _pool(l2="np.abs(view).sum(axis=(-2, -1))"), "L1 norm"),
    (
        "pool_in_place",
        "pool",
        "np.sqrt((windows**2)",
        "np.sqrt(np.square(x, out=x)[:0].sum() + (windows)",
        "changes what it was given",
    ),
    (
        "global_square",
        "pool",
        None,
        _pool(whole="x.sum((1, 2)) / x.shape[1] ** 2"),
        "divided by a square",
    ),
    (
        "back_by_columns",
        "pool_backward",
        WINNER,
        "n, m = np.unravel_index(window.T.argmax(), window.shape)",
        "column by column",
    ),
    (
        "back_value",
        "pool_backward",
        TO_WINNER,
        "dx[b, top + m, left + n, c] = window.max()",
        "keeps its own value",
    ),
    (
        "back_too_small",
        "pool_backward",
        "dx[:, : shares.shape[1], : shares.shape[2]] = shares\n    return dx",
        "return shares",
        "smaller than x",
    ),
    (
        "squeezed",
        "conv2d",
        "kernel[m, n]  # sums over the channels\n    return out",
        "kernel[m, n]\n    return out.squeeze()",
        "one image with one channel",
    ),
    (
        "whole_numbers",
        "causal_conv1d",
        "return np.tensordot(kernel, np.array(views), axes=1)",
        "return np.tensordot(kernel, np.array(views), axes=1).astype(x.dtype)",
        "cut to integers",
    ),
    (
        "gaps_ignored",
        "pool",
        "    strides = strides or pool_size\n",
        "    strides = min(strides or pool_size, pool_size)\n",
        "`strides` has no effect",
    ),
    (
        "negative_never_wins",
        "pool_backward",
        "window.argmax()",
        "np.maximum(window, 0).argmax()",
        "say who wins",
    ),
    (
        "one_map_squeezed",
        "pool",
        "return x.mean(axis=(1, 2))",
        "return x.mean(axis=(1, 2)).squeeze()",
        "one single map",
    ),
]
