"""One function per picture: data first, then the looks; each returns its Axes.

A picture of one panel draws in `ax`, by default on a new figure; `panels` makes Axes
for several. A picture of many panels takes no `ax`: it makes a figure and returns the
array of its Axes. Nothing here trains, saves a file or opens a window. `show` puts a
finished figure into the notebook together with its alternative text, which the
functions have noted while they drew.
"""

from cnnlab.plots._alt import show
from cnnlab.plots._arrays import feature_maps, filters, maps, numbers
from cnnlab.plots._bars import bars
from cnnlab.plots._charts import histograms, lines, points, reference, regions
from cnnlab.plots._images import (
    error_gallery,
    overlays,
    receptive_field,
    samples,
    sheet,
    worst_errors,
)
from cnnlab.plots._look import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    ORANGE,
    PINK,
    SKY,
    YELLOW,
    panels,
)
from cnnlab.plots._results import class_balance, confusion_matrix, curves, layer_table
from cnnlab.plots._sliding import sliding_window, step_through

__all__ = [
    "BLACK",
    "BLUE",
    "COLOURS",
    "GREEN",
    "ORANGE",
    "PINK",
    "SKY",
    "YELLOW",
    "bars",
    "class_balance",
    "confusion_matrix",
    "curves",
    "error_gallery",
    "feature_maps",
    "filters",
    "histograms",
    "layer_table",
    "lines",
    "maps",
    "numbers",
    "overlays",
    "panels",
    "points",
    "receptive_field",
    "reference",
    "regions",
    "samples",
    "sheet",
    "show",
    "sliding_window",
    "step_through",
    "worst_errors",
]
