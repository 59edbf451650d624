"""Checks of lab 1: what they refuse, and that they leave right answers alone."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cnnlab import ops
from cnnlab.checks import lab01 as check
from cnnlab.teaching import source
from cnnlab.teaching.check import Failure

LAB = source.read(Path(__file__).parent.parent / "solutions/lab01_convolution.py")


def conv1d(x, kernel, strides=1):
    return ops.correlate(x, kernel, strides=strides)


def output_size(size, kernel_size, strides=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // strides + 1


def unseen(size, kernel_size, strides=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) % strides


def conv2d(x, kernel, bias, strides=1, padding=0, dilation=1):
    moves = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    return ops.conv(x, kernel, **moves) + bias


def causal_conv1d(x, kernel, dilation=1):
    back = dilation * (len(kernel) - 1)
    return ops.correlate(np.pad(x, (back, 0)), kernel, dilation_rate=dilation)


def classical_kernels():
    names = {"edges": "laplacian_8", "sobel": "sobel_x"}
    same = {name: name for name in ("identity", "box_blur", "sharpen")}
    kernels = {name: ops.KERNELS[key] for name, key in (names | same).items()}
    return kernels | {"moved": np.roll(ops.KERNELS["identity"], -1, axis=1)}


def pool(x, pool_size, strides=None, kind="max"):
    rule = {"max": ops.max_pool, "average": ops.average_pool, "l2": ops.l2_pool}[kind]
    return rule(x, pool_size, strides=strides)


RIGHT = {
    "conv1d": conv1d,
    "output_size": output_size,
    "unseen": unseen,
    "conv_params": lambda f, c, n: (f * f * c + 1) * n,
    "correlate2d": lambda x, kernel: ops.correlate(x, kernel),
    "convolve2d": lambda x, kernel: ops.convolve(x, kernel),
    "classical_kernels": classical_kernels,
    "conv2d": conv2d,
    "conv2d_moves": conv2d,
    "causal_conv1d": causal_conv1d,
    "pool": pool,
    "global_average_pool": lambda x: ops.global_average_pool(x),
    "max_pool_backward": lambda *a: ops.max_pool_backward(*a),
    "average_pool_backward": lambda *a: ops.average_pool_backward(*a),
}


def nothing(*args, **moves):
    return None


def zero(*args, **moves):
    return 0.0


def called(name):
    """The check as a function that forbids nothing: the answers here use cnnlab.ops."""
    return getattr(check, name).__wrapped__


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_pass(name):
    called(name)(RIGHT[name])


@pytest.mark.parametrize("name", RIGHT)
def test_lists_pass(name):
    if name in ("output_size", "unseen", "conv_params", "classical_kernels"):
        return
    called(name)(lambda *a, **k: RIGHT[name](*a, **k).tolist())


@pytest.mark.parametrize("name", sorted(RIGHT.keys() - {"classical_kernels"}))
def test_an_answer_that_returns_nothing_is_refused(name):
    with pytest.raises(Failure, match="None|cannot be used|7 outputs"):
        getattr(check, name)(nothing)


def test_the_notebook_calls_every_check_and_each_forbids_what_its_exercise_does():
    forbidden = {c.name: c.options["forbid"] for c in LAB.of_kind("exercise")}
    names = []
    for cell in LAB.of_kind("check"):
        name = cell.source.split("(")[0].removeprefix("check.")
        assert list(getattr(check, name).forbid) == forbidden[cell.name]
        names.append(name)
    assert names == list(RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_every_exercise_says_where_to_read(name):
    headings = [line for c in LAB.of_kind("text") for line in c.source.splitlines()]
    with pytest.raises(Failure) as caught:
        getattr(check, name)(zero if name != "classical_kernels" else dict)
    number, title = caught.value.hints[-1].split("section ")[1].split(", ", 1)
    assert f"## {number}. {title.split(chr(39))[1]}" in headings


def test_hints_climb_and_end_in_the_section(monkeypatch):
    monkeypatch.setattr(
        "cnnlab.teaching.check._met", Counter()
    )  # other tests met it too

    def short(x, kernel, strides=1):
        return np.zeros(3)

    def shown():
        with pytest.raises(Failure) as caught:
            check.conv1d(short)
        failure = caught.value
        return failure.hints[: failure.shown]

    first, second, third = shown(), shown(), shown()
    assert len(first) == 1 and second[:1] == first and third[:2] == second
    assert "section 2" in third[-1]


@pytest.mark.parametrize(
    "name", [n for n in RIGHT if n.startswith(("correlate", "pool", "conv2d"))]
)
def test_arguments_cannot_be_written_to(name):
    def answer(x, *a, **k):
        x[:] = 0

    with pytest.raises(Failure, match="changes what it was given"):
        getattr(check, name)(answer)


def test_what_works_only_for_other_kernels_is_said():
    def three(x, kernel):
        x = np.asarray(x, float)
        return sum(
            kernel[m, n] * x[m:, n:][: len(x) - 2, : x.shape[1] - 2]
            for m, n in np.ndindex(3, 3)
        )

    with pytest.raises(Failure, match="works for a kernel of 3×3") as caught:
        check.correlate2d(three)
    assert "index 2 is out of bounds" in str(caught.value)


def test_integers_are_told():
    with pytest.raises(Failure, match="an integer is asked, received 6.0"):
        called("output_size")(lambda *case: float(output_size(*case)))
    with pytest.raises(Failure, match="cut to integers"):
        called("conv1d")(lambda *a, **k: conv1d(*a, **k).astype(int))
    with pytest.raises(Failure, match="cut to integers"):
        called("conv2d")(lambda x, *a, **k: conv2d(x, *a, **k).astype(x.dtype))
