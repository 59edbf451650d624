"""Charts, read back from their artists and their alternative texts."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402

from cnnlab import plots  # noqa: E402
from cnnlab.plots import _alt  # noqa: E402

RUNS = np.array([[0.1, 0.3], [0.5, 0.7], [0.8, 0.8]])
AXES = {"xlabel": "epoch", "ylabel": "loss (nats)"}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def alt(axes) -> str:
    return _alt.text(np.ravel(axes)[0].figure)


def entries(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().texts]


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


# --- panels --------------------------------------------------------------------------


def test_panels_are_titled_and_bare():
    axes = plots.panels(2, titles=["a", "b"], title="Both", size=(9, 3))
    assert axes.shape == (2,) and axes[0].figure.get_suptitle() == "Both"
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "b"]
    assert tuple(axes[0].figure.get_size_inches()) == (9, 3)
    assert not axes[0].spines["top"].get_visible()
    assert plots.panels((2, 3)).shape == (2, 3)


def test_shared_panels_are_labelled_on_the_outside():
    axes = plots.panels((2, 2), sharex=True, sharey="row")
    for ax in axes.flat:
        plots.lines([1, 2], {"a": [3, 4]}, ax=ax, **AXES)
    assert [ax.get_xlabel() for ax in axes.flat] == ["", "", "epoch", "epoch"]
    assert [ax.get_ylabel() for ax in axes.flat] == ["loss (nats)", ""] * 2


def test_panels_want_a_title_each():
    with pytest.raises(ValueError, match="each of the 2 panels. Received 1: .'a'"):
        plots.panels(2, titles=["a"])


# --- lines and points ----------------------------------------------------------------


def test_each_line_differs_in_colour_style_and_marker():
    values = {name: [1, 2, k] for k, name in enumerate("abcdefg")}
    ax = plots.lines([0, 1, 2], values, title="Seven", **AXES)
    looks = [
        (line.get_color(), line.get_marker(), str(line.get_linestyle()))
        for line in ax.lines
    ]
    assert len(set(looks)) == len({look[0] for look in looks}) == 7
    assert len({look[1] for look in looks}) == 7
    for line, name in zip(ax.lines, values, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values[name])
    assert entries(ax) == list(values)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss (nats)")
    assert ax.get_title(loc="left") == "Seven"


def test_runs_are_dots_around_their_mean():
    ax = plots.lines([1, 10, 100], {"net": RUNS}, log="x", **AXES)
    mean, *dots = ax.lines
    np.testing.assert_allclose(mean.get_ydata(), [0.2, 0.6, 0.8])
    for k in range(2):
        np.testing.assert_array_equal(dots[k].get_ydata(), RUNS[:, k])
        assert dots[k].get_linestyle() == "None"
    assert entries(ax) == ["net", "one run"]
    assert ax.get_xscale() == "log"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "10", "100"]


def test_one_run_is_a_line():
    ax = plots.lines([1, 2, 3], {"net": RUNS[:, :1]}, **AXES)
    assert len(ax.lines) == 1 and "means" not in alt(ax)


def test_many_runs_are_a_mean_and_a_standard_deviation():
    runs = np.random.default_rng(0).normal(size=(3, 100))
    ax = plots.points([1, 2, 3], {"net": runs}, **AXES)
    (bars,) = ax.containers
    ends = [segment[:, 1] for segment in bars.lines[2][0].get_segments()]
    half = np.diff(ends)[:, 0] / 2
    np.testing.assert_allclose(half, runs.std(axis=1))
    assert "means of 100, standard deviation at most" in alt(ax)


def test_a_second_call_goes_on_with_the_colours():
    ax = plots.lines([1, 2], {"a": [1, 2]}, **AXES)
    assert plots.lines([5, 6, 7], {"b": [1, 2, 3]}, ax=ax, **AXES) is ax
    assert [line.get_color() for line in ax.lines] == list(plots.COLOURS[:2])
    assert entries(ax) == ["a", "b"]


def test_points_over_names_stand_side_by_side():
    ax = plots.points(["x", "y"], {"a": [1, 2], "b": [3, 4]}, **AXES)
    first, second = (line.get_xdata() for line in ax.lines)
    assert (second > first).all() and (np.abs(second - first) < 1).all()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["x", "y"]
    assert all(line.get_linestyle() == "None" for line in ax.lines)


def test_names_are_said_once_in_a_figure():
    axes = plots.panels(3)
    for ax, names in zip(axes, ("ab", "ab", "ac"), strict=True):
        plots.lines([1, 2], dict.fromkeys(names, [1, 2]), ax=ax, **AXES)
    assert [ax.get_legend() is not None for ax in axes] == [True, False, True]


@pytest.mark.parametrize("values", [[1, 2], np.zeros((2, 3)), np.zeros((3, 1, 1)), 1])
def test_values_must_fit_x(values):
    with pytest.raises(ValueError, match=r"'net' must be \(3,\) or \(3, runs\)"):
        plots.lines([1, 2, 3], {"net": values}, **AXES)


def test_names_of_places_may_be_any_iterable():
    ax = plots.points(map(str, range(3)), {"a": RUNS, "b": RUNS}, **AXES)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2"]


def test_lines_of_reference():
    options = {"levels": {"guessing": 0.1}, "marks": {"thawed": 2}}
    ax = plots.lines([1, 2, 3], {"net": [3, 2, 1]}, **AXES, **options)
    plots.reference(ax, bands={"fine": (0, 1), "wrong": (2, 3)})
    _, level, mark = ax.lines
    assert set(level.get_ydata()) == {0.1} and set(mark.get_xdata()) == {2}
    assert level.get_linestyle() != mark.get_linestyle()
    assert len({to_hex(band.get_facecolor()) for band in ax.patches}) == 2
    assert entries(ax) == ["net", "guessing", "thawed", "fine", "wrong"]
    assert "Line guessing at y = 0.1. Line thawed at x = 2. Band fine" in alt(ax)


# --- bars ----------------------------------------------------------------------------


def test_bars_have_their_numbers():
    ax = plots.bars({"a": 0.25, "b": 1}, ylabel="share", format="{:.0%}")
    assert [bar.get_height() for bar in ax.patches] == [0.25, 1]
    assert texts(ax) == ["25%", "100%"] and ax.get_legend() is None
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b"]
    assert alt(ax) == "Bar chart, share. a: 25%. b: 100%."


def test_lying_bars_are_read_from_the_top():
    weights = {"dense": 38_654_705_664, "convolution": 81}
    look = {"horizontal": True, "log": True, "format": "{:,.0f}"}
    ax = plots.bars(weights, xlabel="weights", levels={"images": 1e5}, **look)
    assert [bar.get_width() for bar in ax.patches] == list(weights.values())
    assert ax.get_xscale() == "log" and ax.get_xlim()[0] == 1
    assert ax.get_xlim()[1] > 38_654_705_664
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert set(ax.lines[0].get_xdata()) == {1e5} and entries(ax) == ["images"]
    assert "weights, logarithmic. dense: 38,654,705,664. convolution: 81." in alt(ax)


def test_bars_of_runs_in_groups():
    heads = {"linear": {"20": [0.4, 0.6], "100": [0.8]}, "MLP": {"20": [0.1, 0.5, 0.6]}}
    ax = plots.bars(heads, ylabel="accuracy", format="{:.1f}")
    heights = [round(bar.get_height(), 6) for bar in ax.patches]
    assert heights == [0.5, 0.4, 0.8]
    dots = [line.get_ydata().tolist() for line in ax.lines]
    assert dots == [[0.4, 0.6], [0.1, 0.5, 0.6]]
    colours = [bar.get_facecolor() for bar in ax.patches]
    assert colours[0] == colours[1] != colours[2]
    assert set(entries(ax)) == {"20", "100", "one run"}
    said = "linear: 20 0.5 (means of 2, standard deviation at most 0.1), 100 0.8."
    assert said in alt(ax)


# --- histograms and regions ----------------------------------------------------------


def test_histograms_share_their_bins():
    values = {"a": np.array([0.5, 1.5, 1.6]), "b": np.array([2.5, 9.0])}
    options = {"bins": np.arange(4), "marks": {"target": 2}}
    ax = plots.histograms(values, xlabel="|W|", ylabel="weights", **options)
    outlines = [patch for patch in ax.patches if not patch.get_fill()]
    assert [patch.get_data().values.tolist() for patch in outlines] == [
        [1, 2, 0],
        [0, 0, 1],
    ]
    assert set(ax.lines[0].get_xdata()) == {2}
    assert "b: 2 values, 2.5 to 9, mean 5.75" in alt(ax)
    assert "1 outside the picture" in alt(ax)


def test_regions_colour_the_plane():
    points = np.array([[-1.0, 0], [1, 0], [1, 1]])
    ax = plots.regions(lambda p: (p[:, 0] > 0) * 1.0, points, np.array([-1, 1, -1]))
    (image,) = ax.images
    left, *_, right = image.get_array()[60]
    assert (left, right) == (0, 1) and image.get_clim() == (0, 1)
    squares, circles = ax.collections
    np.testing.assert_array_equal(squares.get_offsets(), points[[0, 2]])
    np.testing.assert_array_equal(circles.get_offsets(), points[[1]])
    assert entries(ax) == ["class -1", "class +1"]
    assert "Class -1: 2 points, 50% where f > 0.5." in alt(ax)


def test_regions_are_of_two_classes():
    with pytest.raises(ValueError, match="two classes. Received: .0 1 2"):
        plots.regions(lambda p: p[:, 0], np.zeros((3, 2)), np.arange(3))


# --- the alternative text ------------------------------------------------------------


def test_few_values_are_all_said():
    ax = plots.lines([1, 2, 3], {"net": [2.5, 1, 0.123456]}, **AXES)
    assert alt(ax) == (
        "Line chart, loss (nats) against epoch. net: 2.5 at 1, 1 at 2, 0.123 at 3."
    )


def test_of_many_values_the_ends_and_the_extremes_are_said():
    values = np.array([3.0, 2, 1, 0, 5, 4, 4, np.nan])
    ax = plots.lines(range(8), {"$\\phi$": values}, log="y", **AXES)
    assert "epoch, y logarithmic. phi: 3 at 0, 0 at 3, 5 at 4, 4 at 6; 1 of 8" in alt(
        ax
    )


def test_given_words_come_first_then_the_titles():
    axes = plots.panels(2, titles=["left", "right"], title="Both")
    plots.lines([1], {"a": [2]}, ax=axes[0], **AXES)
    plots.bars({"b": 3}, ylabel="count", ax=axes[1])
    said = _alt.text(axes[0].figure, "What it is")
    assert said.startswith("What it is. Both. left. Line chart")
    assert said.endswith("right. Bar chart, count. b: 3.")


def test_a_figure_of_which_nothing_is_known_wants_words():
    ax = plots.panels(1, title="Title alone")[0]
    with pytest.raises(ValueError, match="`alt` must say what there is to see"):
        plots.show(ax)


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plots.lines([1], {"a": [1]}, ax=ax, **AXES),
        lambda ax: plots.points([1], {"a": [1]}, ax=ax, **AXES),
        lambda ax: plots.bars({"a": 1}, ax=ax),
        lambda ax: plots.histograms({"a": np.arange(3)}, xlabel="x", ax=ax),
        lambda ax: plots.regions(
            lambda p: p[:, 0] * 0, np.ones((1, 2)), np.ones(1, int), ax=ax
        ),
    ],
)
def test_a_chart_draws_where_it_is_told(draw):
    ax = plt.subplots()[1]
    assert draw(ax) is ax and plt.get_fignums() == [1]
    assert draw(None) is not ax and plt.get_fignums() == [1, 2]
