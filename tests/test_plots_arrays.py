"""Arrays and tables of images as pictures, read back from their artists."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from cnnlab import plots  # noqa: E402
from cnnlab.plots import _alt  # noqa: E402

POSITIVE, SIGNED = np.array([[0.0, 1], [2, 4]]), np.array([[-1.0, 0.5], [0, 2]])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def alt(axes) -> str:
    return _alt.text(np.ravel(axes)[0].figure)


def look(ax) -> tuple:
    (image,) = ax.images
    return image.get_cmap().name, *image.get_clim()


def test_numbers_stand_in_their_cells():
    axes = plots.numbers({"x": POSITIVE, "y": POSITIVE[:1]}, title="Two")
    for ax, values in zip(axes, (POSITIVE, POSITIVE[:1]), strict=True):
        shown = {text.get_position(): text.get_text() for text in ax.texts}
        assert shown == {(j, i): f"{v:g}" for (i, j), v in np.ndenumerate(values)}
        assert look(ax) == ("Blues", 0, 4)
        assert min(text.get_fontsize() for text in ax.texts) >= 8
    assert alt(axes) == (
        "Two. x. 2 by 2 numbers, row by row: 0 1; 2 4. "
        "y. 1 by 2 numbers, row by row: 0 1."
    )


def test_numbers_below_0_are_on_a_scale_around_0():
    axes = plots.numbers({"x": POSITIVE, "y": SIGNED})
    assert [look(ax) for ax in axes] == [("PuOr", -4, 4)] * 2


def test_numbers_can_be_read_on_dark_cells():
    (ax,) = plots.numbers({"x": POSITIVE})
    assert [text.get_color() for text in ax.texts] == ["black"] * 3 + ["white"]


def test_cells_of_all_arrays_are_of_one_size():
    axes = plots.numbers({"x": np.zeros((7, 10)), "y": np.zeros((4, 3))})
    first, second = (ax.get_position() for ax in axes)
    assert first.width / 10 == pytest.approx(second.width / 3)
    assert first.height / 7 == pytest.approx(second.height / 4)
    assert "7 by 10 numbers, 0 to 0." in alt(axes)


def test_maps_are_grey_unless_something_is_negative():
    axes = plots.maps({"photo": POSITIVE, "edges": SIGNED, "blur": POSITIVE / 2})
    looks = [look(ax) for ax in axes.flat]
    assert looks == [("gray", 0, 4), ("PuOr", -2, 2), ("gray", 0, 4)]
    assert len(axes[0, 0].figure.axes) == 3 + 2, "a colour bar for each scale"
    assert axes[0, 1].get_title() == "edges\n-1 to 2"
    assert "edges: 2 by 2, -1 to 2, mean 0.375." in alt(axes)


def test_maps_may_have_a_scale_each():
    arrays = {"photo": POSITIVE, "edges": SIGNED, "blur": POSITIVE / 2}
    axes = plots.maps(arrays, shared=False, columns=2, label="brightness")
    assert axes.shape == (2, 2)
    assert look(axes[1, 0]) == ("gray", 0, 2)
    bars = [ax for ax in axes[0, 0].figure.axes if ax not in axes]
    assert [bar.get_ylabel() for bar in bars] == ["brightness"] * 3


@pytest.mark.parametrize("draw", [plots.numbers, plots.maps])
def test_arrays_have_two_axes(draw):
    with pytest.raises(ValueError, match=r"'x' must be an array .* \(1, 2, 2, 1\)"):
        draw({"x": np.zeros((1, 2, 2, 1))})


def test_a_sheet_is_a_table_of_images():
    images = np.random.default_rng(0).uniform(size=(2, 3, 4, 5, 3))
    ax = plots.sheet(images, rows=["mixup", "cutmix"], columns=range(3), title="Two")
    shown = ax.images[0].get_array()
    assert shown.shape == (2 * 8, 3 * 9, 3)
    np.testing.assert_array_equal(shown[8 + 2 : 8 + 6, 9 + 2 : 9 + 7], images[1, 1])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["mixup", "cutmix"]
    said = "Two. 2 rows of images: mixup, cutmix. 3 columns of images: 0, 1, 2."
    assert alt(ax) == said


def test_ink_is_black_on_a_sheet():
    ax = plots.sheet(np.ones((1, 1, 2, 2, 1)), rows=[""], columns=["ink"])
    assert (ax.images[0].get_array()[2:4, 2:4] == 0).all()
    assert alt(ax) == "1 columns of images: ink."


def test_a_sheet_wants_a_name_for_each_row():
    with pytest.raises(ValueError, match=r"\(1, 3, height.*\(2, 3, 4, 4, 3\)"):
        plots.sheet(np.zeros((2, 3, 4, 4, 3)), rows=["a"], columns="bcd")


def test_overlays_lay_the_heat_on_its_image():
    images = np.random.default_rng(0).uniform(size=(3, 8, 8, 3))
    heats, masks = np.zeros((3, 4, 4)), np.zeros((3, 8, 8), bool)
    heats[:, 1, 3], masks[:, 2:4, 6:] = 1, True
    axes = plots.overlays(images, heats, list("abc"), masks=masks, columns=2)
    assert axes.shape == (4, 2)
    for k, image in enumerate(images):
        above, below = axes[2 * (k // 2), k % 2], axes[2 * (k // 2) + 1, k % 2]
        np.testing.assert_array_equal(above.images[0].get_array(), image)
        picture, heat = below.images
        np.testing.assert_array_equal(heat.get_array(), heats[k])
        assert list(heat.get_extent()) == list(picture.get_extent())
        assert above.get_title() == "abc"[k] and len(below.collections) == 1
    assert not axes[2, 1].images
    assert "c: heat highest 38% from the top, 88% from the left." in alt(axes)


def test_overlays_without_masks_or_images():
    axes = plots.overlays(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4)), ["a"])
    assert not axes[1, 0].collections
    assert plots.overlays(np.zeros((0, 4, 4, 3)), [], []).shape == (2, 1)


def test_overlays_want_a_heat_for_each_image():
    with pytest.raises(ValueError, match=r"each of 2 images. Received: \[1, 2\]"):
        plots.overlays(np.zeros((2, 4, 4, 3)), np.zeros((1, 4, 4)), ["a", "b"])
