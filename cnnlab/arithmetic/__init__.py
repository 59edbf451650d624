"""The arithmetic of convolutional networks: integers in, integers out.

Output size, parameters, multiply-accumulates (MACs) and receptive field, one
formula each; `table` applies them to every layer of a model.
"""

from typing import TYPE_CHECKING

from cnnlab.arithmetic import graph
from cnnlab.arithmetic.formulas import (
    conv_macs,
    conv_params,
    dense_params,
    output_size,
    padding_amounts,
    receptive_field,
    transposed_output_size,
)

if TYPE_CHECKING:
    import keras

__all__ = [
    "conv_macs",
    "conv_params",
    "dense_params",
    "output_size",
    "padding_amounts",
    "receptive_field",
    "table",
    "transposed_output_size",
]


def table(model: "keras.Model") -> graph.Table:
    """Output, parameters, MACs, memory and receptive field of each layer of `model`.

    Prints as text, shows as a table in a notebook, and is data: `.rows` (one
    `Row` per layer, shapes without the batch axis), `.params`, `.trainable_params`,
    `.macs`, `.memory`. Everything is computed from the layers' public attributes
    with this module's formulas, for one image in inference:

    - MACs: of convolutions and dense layers, without biases; all else counts 0.
    - Memory: bytes of the layer's output in float32, the input's included.
      Flatten, Reshape and Dropout copy nothing and count 0. VGG16 holds 15,237,608
      numbers, 61 MB, not the 24 M and 96 MB of deck 003, "VGG network".
    - Receptive field: pixels, per axis, that one output can see, through branches
      too, padding included. A vector (after Flatten or global pooling) sees what
      its whole map saw, at most the image.
    - Jump: pixels between neighbouring outputs; 0 where all see the same.

    A layer called several times has one row: parameters once, MACs and memory for
    every call. A nested model has one row with its totals.

    Raises:
        ValueError: for a model without a graph of layers (not built, subclassed),
            with an open input size, or with a layer that has no formula here.
    """
    return graph.table(model)
