"""Pooling against windows written out, centred differences and the decks' examples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab import ops

few = settings(max_examples=25, deadline=None, derandomize=True)
rng = np.random.default_rng(0)

POOLS = {
    "max": (ops.max_pool, ops.max_pool_backward, np.max),
    "average": (ops.average_pool, ops.average_pool_backward, np.mean),
    "l2": (ops.l2_pool, ops.l2_pool_backward, np.linalg.norm),
}


def windows_written_out(x, size, strides, function):
    """Valid pooling, one window at a time."""
    starts = [
        range(0, n - k + 1, s)
        for n, k, s in zip(x.shape[1:-1], size, strides, strict=True)
    ]
    out = np.empty((len(x), *(len(s) for s in starts), x.shape[-1]))
    for b, c in itertools.product(range(len(x)), range(x.shape[-1])):
        for place in np.ndindex(out.shape[1:-1]):
            corner = [s[i] for s, i in zip(starts, place, strict=True)]
            box = [slice(a, a + k) for a, k in zip(corner, size, strict=True)]
            out[(b, *place, c)] = function(x[(b, *box, c)].ravel())
    return out


@st.composite
def problems(draw):
    rank = draw(st.integers(1, 3))
    size = draw(st.tuples(*[st.integers(1, 3)] * rank))
    strides = draw(st.tuples(*[st.integers(1, 3)] * rank))
    space = [k + draw(st.integers(0, 4)) for k in size]
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = numbers.normal(size=(draw(st.integers(1, 2)), *space, draw(st.integers(1, 3))))
    return x, size, strides


@pytest.mark.parametrize("name", POOLS)
@given(problem=problems())
@few
def test_pool_is_its_function_on_every_window(name, problem):
    x, size, strides = problem
    pool, _, function = POOLS[name]
    expected = windows_written_out(x, size, strides, function)
    np.testing.assert_allclose(pool(x, size, strides=strides), expected)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize(
    "space, size, strides, padding",
    [
        ((7,), 3, 2, "valid"),
        ((5, 6), (3, 2), None, "valid"),
        ((5, 6), (2, 3), (2, 1), "same"),
        ((3, 4, 5), 2, (1, 2, 3), "same"),
    ],
)
def test_gradients_agree_with_centred_differences(name, space, size, strides, padding):
    pool, backward, _ = POOLS[name]
    how = dict(strides=strides, padding=padding)
    # A permutation: no ties, and no two values close enough for h to swap them.
    x = rng.permutation(4 * np.prod(space)).reshape(2, *space, 2) / 10.0 + 1.0
    grad = rng.normal(size=pool(x, size, **how).shape)
    dx = backward(grad, x, size, **how)
    assert (
        ops.gradient_check(lambda a: np.vdot(grad, pool(a, size, **how)), x, dx) < 1e-6
    )


def test_max_and_average_of_deck_002():
    # Deck 002:1038-1091: 7x7 with columns 1 ... 7, windows of 3x3, stride 1.
    image = np.tile(np.arange(1.0, 8), (7, 1)).reshape(1, 7, 7, 1)
    largest = ops.max_pool(image, 3, strides=1)[0, ..., 0]
    np.testing.assert_array_equal(largest, np.tile([3, 4, 5, 6, 7], (5, 1)))
    # Deck 003:1722 maps a region to its maximum under average pooling: to its mean.
    mean = ops.average_pool(image, 3, strides=1)[0, ..., 0]
    np.testing.assert_allclose(mean, np.tile([2, 3, 4, 5, 6], (5, 1)))


def test_default_strides_are_the_size():
    # Decks 002:1126 and :1201, (H - h + 1) x (W - w + 1), hold for stride 1 only.
    x = np.ones((1, 6, 9, 2))
    assert ops.max_pool(x, (2, 3)).shape == (1, 3, 3, 2)
    assert ops.max_pool(x, (2, 3), strides=1).shape == (1, 5, 7, 2)


def test_2x2_with_stride_2_halves_each_side_and_quarters_the_area():
    # Deck 001:621, "divide by 4 the size": the area.
    assert ops.max_pool(np.ones((1, 28, 28, 6)), 2).shape == (1, 14, 14, 6)


@pytest.mark.parametrize("space, expected", [(55, 27), (27, 13), (13, 6)])
def test_overlapping_pools_of_alexnet(space, expected):
    # Deck 004:1201-1217, which adds a zero padding that is not there.
    x = np.ones((1, space, space, 1))
    assert ops.max_pool(x, 3, strides=2).shape == (1, expected, expected, 1)


def test_padding_never_wins_and_is_not_averaged():
    x = np.full((1, 3, 3, 1), -5.0)
    for pool in (ops.max_pool, ops.average_pool):
        np.testing.assert_array_equal(
            pool(x, 2, padding="same"), -5.0 + np.zeros((1, 2, 2, 1))
        )


def test_average_pool_is_a_depthwise_box_blur():
    x = rng.normal(size=(2, 6, 5, 3))
    box = np.full((3, 2, 3, 1), 1 / 6)
    expected = ops.depthwise_conv(x, box, strides=2)
    np.testing.assert_allclose(ops.average_pool(x, (3, 2), strides=2), expected)


def test_max_pool_is_no_linear_filter():
    a, b = rng.normal(size=(2, 1, 4, 4, 1))
    together = ops.max_pool(a + b, 2)
    assert not np.allclose(together, ops.max_pool(a, 2) + ops.max_pool(b, 2))


def test_of_equal_values_only_the_first_gets_the_gradient():
    x = np.zeros((1, 2, 4, 1))
    dx = ops.max_pool_backward(np.array([[[[3.0], [5.0]]]]), x, 2)
    np.testing.assert_array_equal(dx[0, ..., 0], [[3, 0, 5, 0], [0, 0, 0, 0]])


def test_overlapping_windows_add_up_on_a_common_winner():
    x = np.array([0.0, 9.0, 0.0]).reshape(1, 3, 1)
    dx = ops.max_pool_backward(np.array([[[1.0], [10.0]]]), x, 2, strides=1)
    np.testing.assert_array_equal(dx.ravel(), [0, 11, 0])


def test_l2_pool_of_zeros_has_gradient_zero():
    dx = ops.l2_pool_backward(np.ones((1, 1, 1, 1)), np.zeros((1, 2, 2, 1)), 2)
    np.testing.assert_array_equal(dx, np.zeros((1, 2, 2, 1)))


def test_global_average_of_deck_003():
    # Deck 003:1800: 15 x 15 x 8 gives an 8-dimensional vector.
    maps = rng.normal(size=(1, 15, 15, 8))
    out = ops.global_average_pool(maps)
    assert out.shape == (1, 8)
    assert out[0, 3] == pytest.approx(maps[0, :, :, 3].sum() / 225)


@pytest.mark.parametrize(
    "pool, backward",
    [
        (ops.global_average_pool, ops.global_average_pool_backward),
        (ops.global_max_pool, ops.global_max_pool_backward),
    ],
)
@pytest.mark.parametrize("space", [(5,), (3, 4)])
def test_global_pools(pool, backward, space):
    x = rng.permutation(6 * np.prod(space)).reshape(2, *space, 3)
    out = pool(x)
    windowed = ops.max_pool if pool is ops.global_max_pool else ops.average_pool
    np.testing.assert_allclose(out, windowed(x, space).reshape(2, 3))
    grad = rng.normal(size=out.shape)
    dx = backward(grad, x)
    assert ops.gradient_check(lambda a: np.vdot(grad, pool(a)), x, dx) < 1e-6


def test_integer_images_are_pooled_as_floats():
    image = np.array([[200, 100], [100, 201]], np.uint8).reshape(1, 2, 2, 1)
    assert ops.average_pool(image, 2).item() == 150.25
    assert ops.l2_pool(image, 2).item() == pytest.approx(316.862, abs=1e-3)
    assert ops.average_pool_backward(np.ones((1, 1, 1, 1)), image, 2).sum() == 1.0


IMAGE = np.ones((1, 4, 5, 2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.max_pool(IMAGE, 5), "fit.*4, 5.*5, 5"),
        (lambda: ops.max_pool(IMAGE, 0), "`pool_size`.*pool_size=0"),
        (lambda: ops.max_pool(IMAGE, (2, 2, 2)), "or 2 of them"),
        (lambda: ops.average_pool(IMAGE, 2, strides=0), "strides=0"),
        (lambda: ops.average_pool(IMAGE, 2, padding=1), '"valid" or "same".*padding=1'),
        (lambda: ops.max_pool_backward(IMAGE, IMAGE, 2), "same shape"),
        (lambda: ops.average_pool_backward(IMAGE, IMAGE, 2), "(same shape|broadcast)"),
        (lambda: ops.l2_pool_backward(IMAGE, IMAGE, 2), "(same shape|broadcast)"),
    ],
)
def test_impossible_sizes_raise(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()
