"""Pictures, read back from their artists: numbers, labels, colours; never pixels."""

import subprocess
import sys
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402

from cnnlab import plots  # noqa: E402

NAMES = ("cat", "dog", "owl")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def title(axes) -> str:
    """The title of the figure, or of its only Axes."""
    first = np.ravel(axes)[0]
    return first.figure.get_suptitle() or first.get_title(loc="left")


def labels(ticks) -> list[str]:
    return [tick.get_text() for tick in ticks]


def photos(n, shape=(4, 6, 3), dtype="uint8"):
    values = np.random.default_rng(0).integers(0, 256, (n, *shape))
    return values.astype(dtype)


# --- images --------------------------------------------------------------------------


def test_samples_shows_each_image_under_its_caption():
    images = photos(5)
    axes = plots.samples(images, [3, 1, 4, 1, 5], columns=3, title="Five")
    assert axes.shape == (2, 3) and title(axes) == "Five"
    for ax, image, caption in zip(axes.flat, images, "31415", strict=False):
        np.testing.assert_array_equal(ax.images[0].get_array(), image)
        assert ax.get_title() == caption
    assert not axes[1, 2].images and not any(ax.axison for ax in axes.flat)


@pytest.mark.parametrize("scale, white", [(1, 255), (255, 1)])
def test_grey_samples_share_a_scale_from_0_to_white(scale, white):
    images = photos(2, (4, 4, 1)) // 2
    images = images if scale == 1 else images / 255
    for ax in plots.samples(images).flat:
        (image,) = ax.images
        assert image.get_array().shape == (4, 4)
        assert image.get_clim() == (0, white) and image.get_cmap().name == "gray_r"


@pytest.mark.parametrize("low, high", [(-1, 1), (0, 255), (-0.1, 0.5), (0, np.nan)])
def test_samples_refuses_values_that_a_picture_would_hide(low, high):
    images = np.array([[[[low]], [[high]]]], "float32")
    with pytest.raises(ValueError, match="uint8, or lie in .0, 1.*float32 from"):
        plots.samples(images)


def test_filters_share_one_scale_centred_on_0():
    kernels = np.random.default_rng(0).normal(size=(5, 3, 1, 6)).astype("float32")
    kernels[0, 0, 0, 2] = -9
    axes = plots.filters(kernels, title="C1", columns=4)
    assert axes.shape == (2, 4) and title(axes) == "C1"
    for k in range(6):
        (image,) = axes.flat[k].images
        np.testing.assert_array_equal(image.get_array(), kernels[:, :, 0, k])
        assert image.get_clim() == (-9, 9) and image.get_cmap().name == "PuOr"
        assert axes.flat[k].get_title() == f"filter {k + 1}"
    (bar,) = [ax for ax in axes[0, 0].figure.axes if ax not in axes]
    assert bar.get_ylabel() == "weight"


def test_filters_without_a_negative_weight_are_on_the_same_scale():
    (image,) = plots.filters(np.full((3, 3, 1, 1), 1 / 9)).flat[0].images
    assert image.get_clim() == (-1 / 9, 1 / 9) and image.get_cmap().name == "PuOr"


def test_filters_of_many_channels_are_rows_of_channels():
    kernels = np.random.default_rng(0).normal(size=(3, 3, 2, 4))
    axes = plots.filters(kernels, list("abcd"))
    assert axes.shape == (2, 4)
    for c in range(2):
        assert labels(axes[c, 0].texts) == [f"channel {c + 1}"]
        for k in range(4):
            shown = axes[c, k].images[0].get_array()
            np.testing.assert_array_equal(shown, kernels[:, :, c, k])
    assert [ax.get_title() for ax in axes[0]] == list("abcd")


def test_feature_maps_say_layer_size_and_range():
    maps = np.random.default_rng(0).uniform(0, 1, (4, 6, 3))
    maps[1, 2, 0], maps[0, 0, 1] = 2.5, 0
    axes = plots.feature_maps(maps, layer="C1, trained")
    assert title(axes) == "C1, trained: 3 maps 4×6, values 0.00 to 2.50"
    for k in range(3):
        (image,) = axes.flat[k].images
        np.testing.assert_array_equal(image.get_array(), maps[:, :, k])
        assert image.get_clim() == (0, 2.5)


def test_feature_maps_of_both_signs_are_centred_on_0():
    maps = np.array([[[-0.25, 0.0], [0.5, 0.1]]])
    axes = plots.feature_maps(maps, ["edges", "blur"], layer="tanh")
    (image,) = axes.flat[0].images
    assert image.get_clim() == (-0.5, 0.5) and image.get_cmap().name == "PuOr"
    assert axes.flat[1].get_title() == "blur"


def test_feature_maps_of_several_inputs_are_a_row_each():
    maps = np.random.default_rng(0).uniform(0, 1, (2, 4, 4, 3))
    axes = plots.feature_maps(maps, layer="C1", rows=["a 7", "noise"])
    assert axes.shape == (2, 3) and title(axes).startswith("C1: 3 maps 4×4")
    for n, name in enumerate(("a 7", "noise")):
        assert labels(axes[n, 0].texts) == [name]
        for k in range(3):
            shown = axes[n, k].images[0].get_array()
            np.testing.assert_array_equal(shown, maps[n, :, :, k])
    assert [ax.get_title() for ax in axes.flat] == [
        "map 1",
        "map 2",
        "map 3",
        *3 * [""],
    ]


@pytest.mark.parametrize("shape, rows", [((2, 4, 4, 3), []), ((4, 4), ["a"])])
def test_feature_maps_want_a_name_for_each_input(shape, rows):
    with pytest.raises(ValueError, match="with n names as `rows`. Received"):
        plots.feature_maps(np.zeros(shape), layer="C1", rows=rows)


def test_feature_maps_that_are_all_zero():
    axes = plots.feature_maps(np.zeros((2, 2, 1)), layer="dead")
    assert axes.flat[0].images[0].get_clim() == (0, 1)


@given(
    truth=st.lists(st.integers(0, 2), min_size=1, max_size=30), seed=st.integers(0, 99)
)
def test_worst_errors_are_all_the_errors_surest_first(truth, seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), len(truth))
    worst = plots.worst_errors(np.array(truth), probabilities)
    predicted = [max(range(3), key=lambda k: row[k]) for row in probabilities]
    wrong = [i for i, true in enumerate(truth) if predicted[i] != true]
    assert sorted(worst) == wrong
    sure = [max(probabilities[i]) for i in worst]
    assert sure == sorted(sure, reverse=True)


def test_error_gallery():
    images = photos(4, (3, 3, 1))
    y_true = np.array([0, 1, 2, 0])
    rows = [[0.2, 0.8, 0], [0.1, 0.8, 0.1], [0.95, 0, 0.05], [0.4, 0, 0.6]]
    gallery = {"class_names": NAMES, "title": "Net"}
    axes = plots.error_gallery(images, y_true, np.array(rows), **gallery, count=2)
    assert title(axes) == "Net: 2 of 3, the surest first"
    captions = [ax.get_title() for ax in axes.flat]
    assert captions == ["true: owl\npred: cat, 95.0%", "true: cat\npred: dog, 80.0%"]
    np.testing.assert_array_equal(axes.flat[0].images[0].get_array(), images[2, ..., 0])
    np.testing.assert_array_equal(axes.flat[1].images[0].get_array(), images[0, ..., 0])


def test_error_gallery_without_errors():
    axes = plots.error_gallery(
        photos(2), np.array([0, 1]), np.eye(3)[:2], class_names=NAMES
    )
    assert title(axes) == "Errors: 0 of 0, the surest first"
    assert not axes.flat[0].images


def test_receptive_field_boxes_are_centred():
    sizes = {"C1": 5, "S2": 6, "C3": 14, "S4": 16, "C5": 32}
    ax = plots.receptive_field(photos(1, (28, 28, 1))[0], sizes)
    assert [box.get_width() for box in ax.patches] == list(sizes.values())
    for box in ax.patches:
        assert box.get_height() == box.get_width()
        assert (
            box.get_x() + box.get_width() / 2,
            box.get_y() + box.get_height() / 2,
        ) == ((13.5, 13.5))
    low, high = ax.get_xlim()
    assert low < -2.5 and high > 29.5, "the largest box must be seen whole"
    assert labels(ax.get_legend().texts)[-1] == "C5: 32×32"
    assert len({to_hex(box.get_edgecolor()) for box in ax.patches}) == 5


# --- counts and curves ---------------------------------------------------------------


def test_class_balance_counts():
    ax = plots.class_balance(np.array([2, 0, 2, 2]), class_names=NAMES, title="Zoo")
    assert [bar.get_height() for bar in ax.patches] == [1, 0, 3]
    assert labels(ax.get_xticklabels()) == list(NAMES)
    assert labels(ax.texts) == ["1", "0", "3"]
    (line,) = ax.lines
    assert set(line.get_ydata()) == {4 / 3}
    assert (ax.get_xlabel(), ax.get_ylabel(), title(ax)) == ("class", "images", "Zoo")


HISTORY = {
    "accuracy": [0.5, 0.7, 0.9],
    "loss": [1.0, 0.6, 0.3],
    "val_accuracy": [0.4, 0.6, 0.65],
    "val_loss": [1.1, 0.8, 0.9],
    "learning_rate": [0.1, 0.1, 0.1],
}


def test_curves_of_one_history():
    loss, accuracy = plots.curves(HISTORY, title="LeNet")
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert loss.get_xlabel() == accuracy.get_xlabel() == "epoch"
    for ax, measure in ((loss, "loss"), (accuracy, "accuracy")):
        train, val, best = ax.lines
        for line, key in ((train, measure), (val, f"val_{measure}")):
            assert list(line.get_xdata()) == [1, 2, 3]
            assert list(line.get_ydata()) == HISTORY[key]
        assert (train.get_label(), train.get_linestyle()) == ("training", "--")
        assert (val.get_label(), val.get_linestyle()) == ("validation", "-")
        assert train.get_color() != val.get_color() == best.get_color()
        assert list(best.get_xdata()) == [2]
        assert list(best.get_ydata()) == [HISTORY[f"val_{measure}"][1]]
    assert labels(loss.get_legend().texts)[-1] == "best epoch: 2"
    assert title(loss) == "LeNet"


def test_curves_of_several_histories():
    plain = {"loss": [2.0, 1.5], "val_loss": [2.1, 1.6]}
    axes = plots.curves({"LeNet": HISTORY, "plain": plain}, measures=["loss"])
    assert axes.shape == (1,)
    lenet, lenet_val, _, plain_train, plain_val, best = axes[0].lines
    assert labels(axes[0].get_legend().texts) == ["LeNet", "plain"]
    assert axes[0].get_legend().get_title().get_text() == (
        "solid: validation\ndashed: training"
    )
    assert lenet.get_color() == lenet_val.get_color() != plain_val.get_color()
    assert plain_train.get_linestyle() == "--" and plain_val.get_linestyle() == "-"
    assert list(best.get_xdata()) == [2] and list(best.get_ydata()) == [1.6]


def test_curves_where_only_one_run_has_the_measure():
    axes = plots.curves({"a": HISTORY, "b": {"loss": [1.0]}})
    assert [len(ax.lines) for ax in axes] == [5, 3]


def test_curves_without_validation_are_solid():
    (ax,) = plots.curves({"net": {"loss": [3.0, 1.0, 2.0]}})
    line, best = ax.lines
    assert line.get_linestyle() == "-" and list(best.get_xdata()) == [2]
    assert ax.get_legend().get_title().get_text() == ""


def test_more_runs_than_colours_are_all_drawn():
    runs = {str(k): {"loss": [1.0, k]} for k in range(9)}
    (ax,) = plots.curves(runs)
    assert len(ax.lines) == 18


def test_confusion_matrix_has_true_classes_on_its_rows():
    matrix = np.array([[8, 2, 0], [0, 4, 0], [100, 0, 1900]])
    ax = plots.confusion_matrix(matrix, class_names=NAMES, title="Net")
    (image,) = ax.images
    np.testing.assert_allclose(
        image.get_array(), [[80, 20, 0], [0, 100, 0], [5, 0, 95]]
    )
    assert image.get_clim() == (0, 100)
    texts = {text.get_position(): text.get_text() for text in ax.texts}
    assert texts == {
        (0, 0): "8\n80.0 %",
        (1, 0): "2\n20.0 %",
        (1, 1): "4\n100.0 %",
        (0, 2): "100\n5.0 %",
        (2, 2): "1,900\n95.0 %",
    }
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert labels(ax.get_xticklabels()) == labels(ax.get_yticklabels()) == list(NAMES)
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first class is on top"


def luminance(colour) -> float:
    """Relative luminance of WCAG 2.1."""
    c = np.array(matplotlib.colors.to_rgb(colour))
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(c @ [0.2126, 0.7152, 0.0722])


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 999))
def test_confusion_matrix_numbers_can_be_read(count):
    matrix = np.array([[count, 1000 - count], [0, 1]])
    ax = plots.confusion_matrix(matrix, class_names=("a", "b"))
    (image,) = ax.images
    for text in ax.texts:
        column, row = text.get_position()
        ground = luminance(image.to_rgba(image.get_array())[row, column, :3])
        ink = luminance(text.get_color())
        contrast = (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05)
        assert contrast > 4.4, f"{count}: {contrast}"
    plt.close("all")


def test_a_class_that_never_occurs_is_an_empty_row():
    ax = plots.confusion_matrix(np.diag([3, 0]), class_names=("a", "b"))
    np.testing.assert_array_equal(ax.images[0].get_array(), [[100, 0], [0, 0]])


def test_layer_table_shows_what_each_layer_costs():
    rows = [
        SimpleNamespace(name="C1", params=100, macs=900),
        SimpleNamespace(name="pool", params=0, macs=0),
        SimpleNamespace(name="F2", params=300, macs=300),
    ]
    params, macs = plots.layer_table(rows, title="Net")
    assert [bar.get_width() for bar in params.patches] == [100, 300]
    assert [bar.get_width() for bar in macs.patches] == [900, 300]
    assert labels(params.get_yticklabels()) == ["C1", "F2"]
    assert labels(macs.texts) == [" 900 (75.0%)", " 300 (25.0%)"]
    assert params.get_title(loc="left") == "400 parameters"
    assert params.get_ylim()[0] > params.get_ylim()[1], "the input is on top"
    assert (params.get_xlabel(), macs.get_xlabel()) == ("parameters", "MACs")


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plots.class_balance(np.array([0]), class_names=NAMES, ax=ax),
        lambda ax: plots.confusion_matrix(
            np.eye(3, dtype=int), class_names=NAMES, ax=ax
        ),
        lambda ax: plots.receptive_field(photos(1)[0], {"C1": 3}, ax=ax),
    ],
)
def test_a_picture_of_one_panel_draws_where_it_is_told(draw):
    ax = plt.subplots()[1]
    assert draw(ax) is ax and plt.get_fignums() == [1]
    assert draw(None) is not ax and plt.get_fignums() == [1, 2]


# --- in the notebook -----------------------------------------------------------------


def test_show_gives_the_picture_an_alternative_text(monkeypatch):
    import base64
    from html.parser import HTMLParser

    import IPython.display

    from cnnlab import _notebook

    shown = []
    monkeypatch.setattr(_notebook, "in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda d, raw: shown.append(d))
    alt = 'Loss falls from 2.3 to 0.1; "LeNet" < MLP'
    plots.show(plots.curves(HISTORY), alt=alt)
    (data,) = shown
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(
        (tag, dict(attributes))
    )
    parser.feed(data["text/html"])
    ((tag, attributes),) = tags
    assert tag == "img" and attributes["alt"] == data["text/plain"]
    assert data["text/plain"].startswith(f"{alt}. Training. Line chart, loss against")
    assert attributes["src"] == f"data:image/png;base64,{data['image/png']}"
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert plt.get_fignums() == [], "closed, or the notebook would show it twice"


@pytest.mark.parametrize("alt", ["", "  "])
def test_show_wants_a_text(alt):
    with pytest.raises(ValueError, match="`alt` must say what there is to see"):
        plots.show(plt.figure().subplots(), alt=alt)


def test_show_outside_a_notebook_leaves_the_figure_open():
    axes = plots.curves(HISTORY)
    assert plots.show(axes, alt="a curve") is None
    assert plt.get_fignums() == [axes[0].figure.number]


def test_plots_need_no_keras():
    code = "import sys, cnnlab.plots; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
