"""Plain arrays: the worked examples of the decks, and the classical kernels."""

import numpy as np
import pytest
import scipy.signal

from cnnlab import ops

rng = np.random.default_rng(1)
SIGNAL, TAPS = [1, 4, -1, 0, 2, -2, 1, 3, 3, 1], [1, 2, 0, -1]


@pytest.mark.parametrize(
    "strides, expected",
    [
        # Deck 002:272 says stride 2 and 5 elements; it shows stride 1 and 7.
        (1, [9, 0, 1, 3, -5, -3, 6]),
        (2, [9, 1, -5, 6]),
    ],
)
def test_1d_example_of_deck_002(strides, expected):
    np.testing.assert_array_equal(
        ops.correlate(SIGNAL, TAPS, strides=strides), expected
    )


def test_small_1d_example_of_deck_002():
    # Deck 002:356, right.
    np.testing.assert_array_equal(ops.correlate([1, 2, 3, 4], [3, 2]), [7, 12, 17])


def test_binary_image_of_deck_004():
    # Deck 004:672-676 and 1074-1076, right.
    image = [
        [1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 0],
        [0, 1, 1, 0, 0],
    ]
    cross = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    out = ops.correlate(image, cross)
    np.testing.assert_array_equal(out, [[4, 3, 4], [2, 4, 3], [2, 3, 4]])


def test_an_impulse_tells_convolution_from_correlation():
    # Deck 003:875 defines the flipped one; layers compute the other.
    impulse = np.zeros((5, 7))
    impulse[2, 3] = 1.0
    kernel = np.arange(1.0, 7.0).reshape(3, 2)
    np.testing.assert_array_equal(ops.convolve(impulse, kernel)[:, 2:4], kernel)
    flipped = ops.correlate(impulse, kernel)[:, 2:4]
    np.testing.assert_array_equal(flipped, kernel[::-1, ::-1])


@pytest.mark.parametrize(
    "shape, size", [((9,), (4,)), ((6, 8), (3, 2)), ((4, 5, 6), (2,) * 3)]
)
def test_convolve_and_correlate_agree_with_scipy(shape, size):
    x, kernel = rng.normal(size=shape), rng.normal(size=size)
    expected = scipy.signal.convolve(x, kernel, mode="valid")
    np.testing.assert_allclose(ops.convolve(x, kernel), expected)
    expected = scipy.signal.correlate(x, kernel, mode="valid")
    np.testing.assert_allclose(ops.correlate(x, kernel), expected)


def test_convolution_commutes_and_correlation_does_not():
    a, b = rng.normal(size=5), rng.normal(size=5)
    full = dict(padding=4)
    np.testing.assert_allclose(ops.convolve(a, b, **full), ops.convolve(b, a, **full))
    assert not np.allclose(ops.correlate(a, b, **full), ops.correlate(b, a, **full))


def test_kernels_are_3x3_and_shared_safely():
    for kernel in ops.KERNELS.values():
        assert kernel.shape == (3, 3)
        with pytest.raises(ValueError, match="read-only"):
            kernel[0, 0] = 5.0


# On a constant image: brightness kept (sum 1) or nothing found (sum 0).
KEEP = {"identity", "sharpen", "box_blur", "gaussian_blur"}


@pytest.mark.parametrize("name", ops.KERNELS)
def test_kernel_on_a_constant_image(name):
    out = ops.correlate(np.full((5, 6), 7.0), ops.KERNELS[name])
    np.testing.assert_allclose(out, 7.0 if name in KEEP else 0.0, atol=1e-12)


def test_identity_kernel_gives_back_the_image():
    image = rng.normal(size=(4, 6))
    same = ops.correlate(image, ops.KERNELS["identity"], padding="same")
    np.testing.assert_array_equal(same, image)


def test_box_blur_is_the_mean_of_nine_pixels():
    image = rng.normal(size=(3, 3))
    assert ops.correlate(image, ops.KERNELS["box_blur"]).item() == pytest.approx(
        image.mean()
    )


@pytest.mark.parametrize(
    "name, brightening, sign",
    [
        ("sobel_x", "right", 1),
        ("sobel_y", "down", 1),
        ("left_edges", "right", 1),
        ("right_edges", "right", -1),
        ("top_edges", "down", 1),
        ("bottom_edges", "down", -1),
    ],
)
def test_edge_kernels_answer_their_own_direction(name, brightening, sign):
    step = np.zeros((5, 6))
    step[:, 3:] = 1.0
    down = np.zeros((6, 5))
    down[3:] = 1.0
    along, across = (step, down) if brightening == "right" else (down, step)
    answer = ops.correlate(along, ops.KERNELS[name])
    strongest = answer.flat[np.abs(answer).argmax()]
    assert np.sign(strongest) == sign
    assert not ops.correlate(across, ops.KERNELS[name]).any()


def test_kernels_of_deck_003():
    # Deck 003:896-901, as printed.
    printed = {
        "corner_edges": [[1, 0, -1], [0, 0, 0], [-1, 0, 1]],
        "laplacian_4": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
        "laplacian_8": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
        "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    }
    for name, rows in printed.items():
        np.testing.assert_array_equal(ops.KERNELS[name], rows)


def test_axes_must_agree():
    with pytest.raises(ValueError, match=r"(?s)\(5, 5\) and \(3,\).*`conv`"):
        ops.correlate(np.ones((5, 5)), np.ones(3))
