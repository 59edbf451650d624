"""Convolutions against scipy, sums written out, and the identities they must obey."""

import itertools

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab import ops

few = settings(max_examples=25, deadline=None, derandomize=True)
rng = np.random.default_rng(0)


@st.composite
def problems(draw, ranks=(1, 2, 3)):
    """(x, kernel, settings): rectangular, strides 1-3, pads 0-2, channels 1-4."""
    rank = draw(st.sampled_from(ranks))
    axes = st.tuples

    def each(numbers):
        return draw(axes(*[numbers] * rank))

    size, pads = each(st.integers(1, 3)), each(st.integers(0, 2))
    dilation = each(st.integers(1, 2))
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    space = [max(s, 1) + draw(st.integers(0, 4)) for s in spans]
    channels, filters = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = numbers.normal(size=(draw(st.integers(1, 2)), *space, channels))
    kernel = numbers.normal(size=(*size, channels, filters))
    padding = draw(st.sampled_from([pads, "valid", "same"]))
    return (
        x,
        kernel,
        dict(strides=each(st.integers(1, 3)), padding=padding, dilation_rate=dilation),
    )


def scipy_conv(x, kernel, *, strides, padding, dilation_rate):
    """`scipy.signal.correlate`, channel by channel, on an explicit zero border."""
    size = kernel.shape[:-2]
    spread = [d * (k - 1) + 1 for k, d in zip(size, dilation_rate, strict=True)]
    holes = np.zeros((*spread, *kernel.shape[-2:]))
    holes[tuple(slice(None, None, d) for d in dilation_rate)] = kernel
    if padding == "valid":
        padding = [0] * len(size)
    border = [(p, p) for p in padding]
    picked = tuple(slice(None, None, s) for s in strides)
    images = []
    for image in x:
        maps = []
        for f in range(kernel.shape[-1]):
            channels = [
                scipy.signal.correlate(
                    np.pad(image[..., c], border), holes[..., c, f], mode="valid"
                )
                for c in range(kernel.shape[-2])
            ]
            maps.append(sum(channels)[picked])
        images.append(np.stack(maps, axis=-1))
    return np.stack(images)


@given(problems())
@settings(few, max_examples=60)
def test_conv_agrees_with_scipy(problem):
    x, kernel, how = problem
    if how["padding"] == "same":
        how["padding"] = "valid"  # scipy's "same" knows no strides: see test_ops_keras
    np.testing.assert_allclose(
        ops.conv(x, kernel, **how), scipy_conv(x, kernel, **how), atol=1e-12
    )


@given(problems())
@few
def test_conv_is_linear_in_the_input_and_in_the_kernel(problem):
    x, kernel, how = problem
    y, other = rng.normal(size=x.shape), rng.normal(size=kernel.shape)

    def conv(a, b):
        return ops.conv(a, b, **how)

    np.testing.assert_allclose(
        conv(2 * x - 3 * y, kernel),
        2 * conv(x, kernel) - 3 * conv(y, kernel),
        atol=1e-9,
    )
    np.testing.assert_allclose(
        conv(x, 2 * kernel - 3 * other),
        2 * conv(x, kernel) - 3 * conv(x, other),
        atol=1e-9,
    )


@given(problems(), st.integers(1, 3))
@few
def test_conv_is_equivariant_to_shifts_of_the_input_by_its_stride(problem, shift):
    # Deck 002:1036 says invariance; the output moves along, it does not stay.
    x, kernel, how = problem
    how["padding"] = "valid"
    stride = how["strides"][0]
    room = [(0, 0)] * x.ndim
    room[1] = (shift * stride, 0)
    late = ops.conv(np.pad(x, room), kernel, **how)
    np.testing.assert_allclose(late[:, shift:], ops.conv(x, kernel, **how), atol=1e-12)


@given(problems())
@few
def test_backward_is_the_adjoint_of_forward(problem):
    # <conv(x, k), g> = <x, dx> = <k, dk>: conv is linear in x and in k.
    x, kernel, how = problem
    out = ops.conv(x, kernel, **how)
    grad = rng.normal(size=out.shape)
    dx, dkernel = ops.conv_backward(grad, x, kernel, **how)
    assert dx.shape == x.shape and dkernel.shape == kernel.shape
    assert np.vdot(x, dx) == pytest.approx(np.vdot(out, grad), abs=1e-9)
    assert np.vdot(kernel, dkernel) == pytest.approx(np.vdot(out, grad), abs=1e-9)


@pytest.mark.parametrize(
    "space, size, how",
    [
        ((7,), (3,), dict(strides=2, padding="causal", dilation_rate=2)),
        ((6, 5), (3, 2), dict(strides=(2, 1), padding=(1, 0))),
        ((5, 6), (2, 3), dict(padding="same", dilation_rate=(2, 1))),
        ((4, 3, 5), (2, 1, 3), dict(strides=(1, 2, 3), padding=1)),
    ],
)
def test_gradients_agree_with_centred_differences(space, size, how):
    x = rng.normal(size=(2, *space, 2))
    kernel = rng.normal(size=(*size, 2, 3))
    weights = rng.normal(size=ops.conv(x, kernel, **how).shape)
    dx, dkernel = ops.conv_backward(weights, x, kernel, **how)

    def loss(x, kernel):
        return np.vdot(weights, ops.conv(x, kernel, **how))

    assert ops.gradient_check(lambda a: loss(a, kernel), x, dx) < 1e-6
    assert ops.gradient_check(lambda k: loss(x, k), kernel, dkernel) < 1e-6


def test_causal_output_does_not_know_the_future():
    # Deck 003:1108.
    x, kernel = rng.normal(size=(1, 9, 2)), rng.normal(size=(3, 2, 4))
    how = dict(padding="causal", dilation_rate=2)
    out = ops.conv(x, kernel, **how)
    assert out.shape == (1, 9, 4)
    changed = x.copy()
    changed[:, 5] += 1.0
    moved = np.abs(ops.conv(changed, kernel, **how) - out).max(axis=(0, 2)) > 0
    np.testing.assert_array_equal(np.flatnonzero(moved), [5, 7])


def test_a_1x1_conv_is_a_dense_layer_on_every_pixel():
    # Deck 003:1208-1211.
    x, kernel = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(1, 1, 5, 2))
    pixels = ops.dense(x.reshape(-1, 5), kernel[0, 0], np.zeros(2))
    np.testing.assert_allclose(ops.conv(x, kernel), pixels.reshape(2, 3, 4, 2))


def test_conv_without_bias_is_linear_not_affine():
    # Deck 002:733 calls it affine, but shows no bias.
    assert not ops.conv(np.zeros((1, 4, 4, 1)), np.ones((3, 3, 1, 2))).any()


ONES = {n: np.ones((1, n, n, 1)) for n in (4, 5)}
BOX = np.ones((3, 3, 1, 1))


@pytest.mark.parametrize(
    "n, padding, expected",
    [
        (4, "same", [[9, 6], [6, 4]]),  # even size: all padding at the end
        (4, 1, [[4, 6], [6, 9]]),  # what PyTorch and He et al. do
        (5, "same", [[4, 6, 4], [6, 9, 6], [4, 6, 4]]),
        (5, 1, [[4, 6, 4], [6, 9, 6], [4, 6, 4]]),
    ],
)
def test_same_with_stride_2_pads_at_the_end_first(n, padding, expected):
    out = ops.conv(ONES[n], BOX, strides=2, padding=padding)
    np.testing.assert_array_equal(out[0, ..., 0], expected)


@pytest.mark.parametrize(
    "space, size, how, expected",
    [
        # Deck 000:35, 004:1200-1211 and 001:588; :57 of 000 has 224, which gives 54.
        ((227, 20), (11, 11), dict(strides=4), (55, 3)),
        ((224, 20), (11, 11), dict(strides=4), (54, 3)),
        ((224, 20), (11, 11), dict(strides=4, padding=2), (55, 4)),
        ((27, 13), (5, 3), dict(padding=(2, 1)), (27, 13)),
        ((6, 6), (3, 3), {}, (4, 4)),
        # Decks 000:33 and 002:430 have no floor and no stride: (6 - 3) / 2 + 1 = 2.5.
        ((6, 7), (3, 3), dict(strides=2), (2, 3)),
        # Deck 003:1107: a border of (N - 1) / 2 keeps the size for odd N only.
        ((8, 8), (4, 3), dict(padding=(1, 1)), (7, 8)),
        ((8, 8), (4, 3), dict(padding="same"), (8, 8)),
        ((9, 9), (3, 2), dict(dilation_rate=(3, 2)), (3, 7)),
    ],
)
def test_output_sizes(space, size, how, expected):
    out = ops.conv(np.ones((1, *space, 1)), np.ones((*size, 1, 1)), **how)
    assert out.shape == (1, *expected, 1)


def test_channels_are_summed_rows_are_rows_and_columns_are_columns():
    # Deck 001:502 swaps the indices, I(i + n, j + m): seen when the kernel is not
    # symmetric. Right: sum over c, m, n of K(m, n, c) I(i + m, j + n, c).
    x, kernel = rng.normal(size=(5, 7, 3)), rng.normal(size=(2, 4, 3, 1))
    out = ops.conv(x[np.newaxis], kernel)[0, ..., 0]
    assert out.shape == (4, 4)
    for i, j in np.ndindex(out.shape):
        terms = itertools.product(range(2), range(4), range(3))
        by_hand = sum(kernel[m, n, c, 0] * x[i + m, j + n, c] for m, n, c in terms)
        assert out[i, j] == pytest.approx(by_hand)


def test_inputs_stay_as_they_are_and_outputs_are_no_views():
    x, kernel = np.ones((1, 4, 4, 1)), np.ones((1, 1, 1, 1))
    out = ops.conv(x, kernel)
    out += 1.0
    dx, _ = ops.conv_backward(out, x, kernel)
    dx += 1.0
    assert (x == 1.0).all() and (kernel == 1.0).all()


@pytest.mark.parametrize(
    "given, got", [("float32", "float32"), ("float64", "float64"), ("uint8", "float32")]
)
def test_integers_become_floats_and_float32_stays(given, got):
    x = np.full((1, 3, 3, 1), 200, given)
    kernel = np.full((3, 3, 1, 1), -1, "float32" if given == "uint8" else given)
    out = ops.conv(x, kernel)
    assert out.dtype == got and out.item() == -1800
    dx, dkernel = ops.conv_backward(out, x, kernel)
    assert dx.dtype == got and dkernel.dtype == got


IMAGE, KERNEL = np.ones((2, 5, 6, 4)), np.ones((3, 3, 4, 8))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.conv(IMAGE, np.ones((7, 3, 4, 1))), "fit.*5, 6.*7, 3"),
        (
            lambda: ops.conv(IMAGE, KERNEL, dilation_rate=3),
            "smaller kernel or dilation",
        ),
        (
            lambda: ops.conv(IMAGE, KERNEL, strides=0),
            "`strides`.*at least 1.*strides=0",
        ),
        (lambda: ops.conv(IMAGE, KERNEL, strides=1.5), "whole number.*strides=1.5"),
        (lambda: ops.conv(IMAGE, KERNEL, strides=(1, 2, 3)), "or 2 of them"),
        (lambda: ops.conv(IMAGE, KERNEL, padding=-1), "`padding`.*padding=-1"),
        (lambda: ops.conv(IMAGE, KERNEL, padding="full"), "`padding`.*'full'"),
        (lambda: ops.conv(IMAGE, KERNEL, padding="causal"), "only along one axis"),
        (lambda: ops.conv(IMAGE, np.ones((3, 3, 3, 8))), "4 channels.*3 in axis -2"),
        (lambda: ops.conv(IMAGE[0], KERNEL), "Add a missing axis"),
        (lambda: ops.conv_backward(IMAGE, IMAGE, KERNEL), r"\(2, 3, 4, 8\).*Received"),
    ],
)
def test_impossible_sizes_raise(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()
