"""What needs a notebook: is there one, and a figure in it that can be read aloud."""

import base64
import html
import io
import sys


def in_notebook() -> bool:
    """True in a Jupyter kernel; False in a terminal, a script or a test."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def show(axes, *, alt: str) -> None:
    """Show a finished figure in the notebook, with its alternative text, and close it.

    The text is what a screen reader says instead of the picture: its kind, its axes,
    what there is to see. Outside a notebook nothing happens: the figure stays open.

    Args:
        axes: what a function of `plots` returned, or a figure.
        alt: the text. `ValueError` when there is none.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    if not alt.strip():
        raise ValueError(f"`alt` must say what there is to see. Received: alt={alt!r}")
    if not in_notebook():
        return
    from IPython.display import display

    figure = np.ravel(axes)[0].get_figure(root=True)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    png = base64.b64encode(file.getvalue()).decode()
    # JupyterLab and nbconvert drop the alt text of image/png, and keep that of <img>
    tag = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{png}">'
    display({"text/html": tag, "image/png": png, "text/plain": alt}, raw=True)
