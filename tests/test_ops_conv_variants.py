"""Transposed, grouped and depthwise convolutions, told in terms of the plain one."""

import numpy as np
import pytest

from cnnlab import ops

rng = np.random.default_rng(2)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "space, size, strides", [((3, 4), (3, 2), (2, 3)), ((5,), 4, 1)]
)
def test_conv_transpose_is_the_adjoint_of_conv(space, size, strides, padding):
    size = (size,) if isinstance(size, int) else size
    x, kernel = rng.normal(size=(2, *space, 3)), rng.normal(size=(*size, 2, 3))
    how = dict(strides=strides, padding=padding)
    out = ops.conv_transpose(x, kernel, **how)
    image = rng.normal(size=out.shape)
    back = ops.conv(image, kernel, **how)
    assert back.shape == x.shape
    assert np.vdot(image, out) == pytest.approx(np.vdot(back, x))
    dx, dkernel = ops.conv_transpose_backward(image, x, kernel, **how)
    assert np.vdot(x, dx) == pytest.approx(np.vdot(out, image))
    assert np.vdot(kernel, dkernel) == pytest.approx(np.vdot(out, image))


@pytest.mark.parametrize(
    "size, strides, padding, expected",
    [(3, 2, "valid", 11), (2, 3, "valid", 15), (3, 2, "same", 10), (2, 3, "same", 15)],
)
def test_conv_transpose_enlarges_by_its_strides(size, strides, padding, expected):
    out = ops.conv_transpose(
        np.ones((1, 5, 2)), np.ones((size, 3, 2)), strides=strides, padding=padding
    )
    assert out.shape == (1, expected, 3)


def test_conv_transpose_paints_the_kernel_once_per_pixel():
    kernel = np.arange(1.0, 5).reshape(2, 2, 1, 1)
    x = np.array([[10.0, 1.0]]).reshape(1, 1, 2, 1)
    out = ops.conv_transpose(x, kernel, strides=2)[0, ..., 0]
    np.testing.assert_array_equal(out, [[10, 20, 1, 2], [30, 40, 3, 4]])


def block_diagonal(kernel, groups):
    """The plain kernel that does what a grouped one does: zeros between groups."""
    *size, share, filters = kernel.shape
    plain = np.zeros((*size, share * groups, filters))
    each = filters // groups
    for g in range(groups):
        columns = slice(g * each, (g + 1) * each)
        plain[..., g * share : (g + 1) * share, columns] = kernel[..., columns]
    return plain


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_grouped_conv_is_a_block_diagonal_conv(groups):
    how = dict(strides=(1, 2), padding="same", dilation_rate=(2, 1))
    x = rng.normal(size=(2, 6, 5, 6))
    kernel = rng.normal(size=(3, 2, 6 // groups, 12))
    plain = block_diagonal(kernel, groups)
    out = ops.grouped_conv(x, kernel, groups, **how)
    np.testing.assert_allclose(out, ops.conv(x, plain, **how), atol=1e-12)

    grad = rng.normal(size=out.shape)
    dx, dkernel = ops.grouped_conv_backward(grad, x, kernel, groups, **how)
    expected_dx, _ = ops.conv_backward(grad, x, plain, **how)
    np.testing.assert_allclose(dx, expected_dx, atol=1e-12)
    assert np.vdot(kernel, dkernel) == pytest.approx(np.vdot(out, grad))


@pytest.mark.parametrize("space, size", [((6,), (3,)), ((5, 6), (3, 2))])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_conv_is_one_group_per_channel(space, size, multiplier):
    how = dict(strides=2, padding=1)
    x = rng.normal(size=(2, *space, 3))
    kernel = rng.normal(size=(*size, 3, multiplier))
    grouped = kernel.reshape(*size, 1, -1)
    out = ops.depthwise_conv(x, kernel, **how)
    np.testing.assert_allclose(out, ops.grouped_conv(x, grouped, 3, **how), atol=1e-12)

    grad = rng.normal(size=out.shape)
    dx, dkernel = ops.depthwise_conv_backward(grad, x, kernel, **how)
    expected_dx, expected_dk = ops.grouped_conv_backward(grad, x, grouped, 3, **how)
    np.testing.assert_allclose(dx, expected_dx, atol=1e-12)
    np.testing.assert_allclose(dkernel, expected_dk.reshape(kernel.shape), atol=1e-12)


IMAGE, KERNEL = np.ones((2, 5, 6, 4)), np.ones((3, 3, 4, 8))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.grouped_conv(IMAGE, KERNEL, 3), "groups=3.*4, 8"),
        (lambda: ops.grouped_conv(IMAGE, KERNEL, 0), "groups=0"),
        (lambda: ops.depthwise_conv(IMAGE, np.ones((3, 3, 2, 1))), "channels"),
        (
            lambda: ops.depthwise_conv_backward(IMAGE, IMAGE, np.ones((3, 3, 4, 1))),
            "shape of the output",
        ),
        (lambda: ops.conv_transpose(IMAGE, KERNEL), "8 in axis -1"),
        (
            lambda: ops.conv_transpose(IMAGE, np.ones((3, 3, 8, 4)), padding=1),
            '"valid" or "same".*padding=1',
        ),
    ],
)
def test_impossible_sizes_raise(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()
