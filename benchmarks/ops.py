"""`cnnlab.ops.conv` against nested loops, scipy and Keras, side by side.

    python benchmarks/ops.py [--repeats 9] [--all-cores]

One process, float32, on the CPU. In each round every contender runs once, and each
cell comes from medians over the rounds: whatever else the machine does meets all of
them alike. Loops and scipy would take hours: they run on a slice (`SLICES`), and their
time is scaled up by the number of multiplications. Keras runs on KERAS_BACKEND; its
backward pass is its own gradient, of a forward pass recorded outside the clock.

All share one core, unless `--all-cores` is given: on a busy machine, threads that
wait for each other measure the neighbours. CPU time minds them even less.
"""

import argparse
import importlib
import os
import statistics
import sys
import time
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
if "--all-cores" not in sys.argv and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before NumPy counts them

import keras
import numpy as np
from scipy.signal import convolve2d, correlate2d

from cnnlab import ops

# name: (input, kernel), stride 1, no padding
CASES = {
    "3x3, 32x56x56x64, 64 filters": ((32, 56, 56, 64), (3, 3, 64, 64)),
    "5x5, LeNet C1, 32x32x32x1": ((32, 32, 32, 1), (5, 5, 1, 6)),
    "5x5, LeNet C3, 32x14x14x6": ((32, 14, 14, 6), (5, 5, 6, 16)),
    "5x5, LeNet C5, 32x5x5x16": ((32, 5, 5, 16), (5, 5, 16, 120)),
}
# contender: images, rows of output and filters that it really computes
SLICES = {"loops": (1, 2, 4), "scipy": (1, 64, 4)}


def loops_forward(x, kernel):
    """Six nested loops around one multiplication, and a seventh over the images."""
    kh, kw, channels, filters = kernel.shape
    batch, height, width = x.shape[0], x.shape[1] - kh + 1, x.shape[2] - kw + 1
    out = np.zeros((batch, height, width, filters), x.dtype)
    for b, i, j, f in np.ndindex(out.shape):
        for k in range(kh):
            for m in range(kw):
                for c in range(channels):
                    out[b, i, j, f] += x[b, i + k, j + m, c] * kernel[k, m, c, f]
    return out


def loops_backward(grad, x, kernel):
    dx, dkernel = np.zeros_like(x), np.zeros_like(kernel)
    kh, kw, channels, _ = kernel.shape
    for b, i, j, f in np.ndindex(grad.shape):
        for k in range(kh):
            for m in range(kw):
                for c in range(channels):
                    dx[b, i + k, j + m, c] += grad[b, i, j, f] * kernel[k, m, c, f]
                    dkernel[k, m, c, f] += grad[b, i, j, f] * x[b, i + k, j + m, c]
    return dx, dkernel


def scipy_forward(x, kernel):
    """One `correlate2d` for each image, filter and channel."""
    channels, filters = kernel.shape[2:]
    maps = [
        [
            sum(
                correlate2d(a[..., c], kernel[..., c, f], "valid")
                for c in range(channels)
            )
            for f in range(filters)
        ]
        for a in x
    ]
    return np.moveaxis(np.array(maps), 1, -1)


def scipy_backward(grad, x, kernel):
    dx, dkernel = np.zeros_like(x), np.zeros_like(kernel)
    for b, c, f in np.ndindex(len(x), *kernel.shape[2:]):
        dx[b, ..., c] += convolve2d(grad[b, ..., f], kernel[..., c, f])
        dkernel[..., c, f] += correlate2d(x[b, ..., c], grad[b, ..., f], "valid")
    return dx, dkernel


def keras_contenders(grad, x, kernel):
    """Forward and backward pass of Keras, NumPy arrays in and out."""
    x, kernel, grad = (keras.ops.convert_to_tensor(a) for a in (x, kernel, grad))

    def forward():
        return np.asarray(keras.ops.conv(x, kernel))

    if keras.backend.backend() == "tensorflow":
        tf = importlib.import_module("tensorflow")
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([x, kernel])
            out = keras.ops.conv(x, kernel)

        def backward():
            gradients = tape.gradient(out, [x, kernel], output_gradients=grad)
            return [np.asarray(g) for g in gradients]
    else:
        jax = importlib.import_module("jax")
        pull = jax.jit(jax.vjp(keras.ops.conv, x, kernel)[1])

        def backward():
            return [np.asarray(g) for g in pull(grad)]

    return forward, backward


RIVALS = {
    "loops": (loops_forward, loops_backward),
    "scipy": (scipy_forward, scipy_backward),
}


def contenders(x_shape, kernel_shape):
    """{"forward" and "backward": {name: (function, scale)}}, all of them checked."""
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=s).astype("float32") for s in (x_shape, kernel_shape))
    grad = rng.normal(size=ops.conv(x, kernel).shape).astype("float32")
    forward = {"ours": (partial(ops.conv, x, kernel), 1.0)}
    backward = {"ours": (partial(ops.conv_backward, grad, x, kernel), 1.0)}

    def enter(name, theirs, x, kernel, grad, scale=1.0):
        check(theirs[0](), ops.conv(x, kernel))
        check(theirs[1](), ops.conv_backward(grad, x, kernel))
        forward[name], backward[name] = ((function, scale) for function in theirs)

    enter("Keras", keras_contenders(grad, x, kernel), x, kernel, grad)
    for name, (go, back) in RIVALS.items():
        images, rows, filters = SLICES[name]
        a, k = x[:images, : rows + kernel.shape[0] - 1], kernel[..., :filters]
        g = grad[:images, :rows, :, :filters]
        theirs = partial(go, a, k), partial(back, g, a, k)
        enter(name, theirs, a, k, g, scale=grad.size / g.size)
    return {"forward": forward, "backward": backward}


def check(theirs, ours):
    """A benchmark of wrong results would be worth nothing."""
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())


def race(functions, repeats):
    """Median wall and CPU seconds of each contender, scaled to the whole case."""
    wall, cpu = ({name: [] for name in functions} for _ in range(2))
    for _ in range(repeats):
        for name, (function, scale) in functions.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            function()
            cpu[name].append((time.process_time() - start_cpu) * scale)
            wall[name].append((time.perf_counter() - start) * scale)
    return [{name: statistics.median(s[name]) for name in s} for s in (wall, cpu)]


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="rounds (default 9)")
    parser.add_argument("--all-cores", action="store_true", help="not only one")
    repeats = parser.parse_args(argv).repeats
    print(
        f"NumPy {np.__version__}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, medians of {repeats} rounds; loops and scipy on a "
        "slice, scaled up.\n"
        "Aims: ours / Keras at most 3, loops / ours at least 100.\n\n"
        "| case | pass | ours, ms | ours / Keras | the same in CPU time "
        "| loops / ours | scipy / ours |\n|-|-|-:|-:|-:|-:|-:|"
    )
    for case, shapes in CASES.items():
        for direction, functions in contenders(*shapes).items():
            wall, cpu = race(functions, repeats)
            print(
                f"| {case} | {direction} | {wall['ours'] * 1e3:.2f} "
                f"| {wall['ours'] / wall['Keras']:.2f} "
                f"| {cpu['ours'] / cpu['Keras']:.2f} "
                f"| {wall['loops'] / wall['ours']:,.0f} "
                f"| {wall['scipy'] / wall['ours']:,.0f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
