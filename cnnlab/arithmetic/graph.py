"""The table of a model: a walk through its graph, layer by layer.

The public door is `cnnlab.arithmetic.table`.
"""

import html
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cnnlab.arithmetic.field import Field
from cnnlab.arithmetic.rules import RULES, Step, Tensor

BYTES_PER_NUMBER = 4  # float32


@dataclass(frozen=True)
class Row:
    """One layer: its output, without the batch axis, and what it costs."""

    name: str
    layer: str  # its class
    output_shape: tuple[int, ...]
    params: int
    trainable_params: int
    macs: int
    memory: int  # bytes
    receptive_field: tuple[int, ...]  # pixels, per axis
    jump: tuple[int | float, ...]  # pixels, per axis; 1/2 after an upsampling


@dataclass(frozen=True)
class Table:
    """The rows of a model, their totals, and the two ways to look at them."""

    rows: tuple[Row, ...]

    @property
    def params(self) -> int:
        """Parameters of all layers, trained or not."""
        return sum(row.params for row in self.rows)

    @property
    def trainable_params(self) -> int:
        """Parameters that training changes: none of a frozen layer's."""
        return sum(row.trainable_params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(row.macs for row in self.rows)

    @property
    def memory(self) -> int:
        """Bytes of all outputs together, float32, one image."""
        return sum(row.memory for row in self.rows)

    def __str__(self) -> str:
        lines = self._cells()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
        lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in b) for b in body]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"

    def _cells(self) -> list[list[str]]:
        """A heading, a line for each row and one for the totals, as text."""
        head = "layer,class,output,parameters,MACs,memory (bytes),receptive field,jump"
        body = [
            [
                row.name,
                row.layer,
                _by(row.output_shape),
                f"{row.params:,}",
                f"{row.macs:,}",
                f"{row.memory:,}",
                _seen(row, self.rows[0].output_shape[:-1]),
                _by(row.jump) if any(row.jump) else "",
            ]
            for row in self.rows
        ]
        sums = [f"{n:,}" for n in (self.params, self.macs, self.memory)]
        return [head.split(","), *body, ["total", "", "", *sums, "", ""]]


def table(model) -> Table:
    """See `cnnlab.arithmetic.table`."""
    shapes = [
        tuple(tensor.shape[1:]) for tensor in getattr(model, "inputs", None) or []
    ]
    if any(size is None for shape in shapes for size in shape):
        raise ValueError(
            f"`table` needs every size of the input. Received: {shapes}. Build the "
            "model with an input_shape without None."
        )
    inputs = [Tensor(shape, tuple(map(Field, shape[:-1]))) for shape in shapes]
    rows, _ = _walk(model, inputs)
    return Table(rows)


def _walk(model, inputs: Sequence[Tensor]) -> tuple[tuple[Row, ...], Tensor]:
    """The rows of a model fed with `inputs`, and its (first) output."""
    names, calls, output = _graph(model)
    layers = {layer.name: layer for layer in model.layers}
    # A tensor is known by its layer and the number of the layer's call that made it.
    tensors = {(name, 0): x for name, x in zip(names, inputs, strict=True)}
    rows = {name: _row(name, "InputLayer", Step(x)) for (name, _), x in tensors.items()}
    waiting = deque(calls)
    while waiting:
        name, kind, index, sources = call = waiting.popleft()
        if not all(source in tensors for source in sources):
            waiting.append(call)  # a shared layer's later call comes up too early
            continue
        layer = layers.get(name)  # None for an operation of keras.ops
        step = _step(name, kind, layer, [tensors[key] for key in sources])
        tensors[name, index] = step.output
        row = _row(name, kind, step, trainable=getattr(layer, "trainable", True))
        rows[name] = _again(rows[name], row) if name in rows else row
    return tuple(rows.values()), tensors[output]


def _again(before: Row, row: Row) -> Row:
    """A layer called once more: the parameters are there, the work is added."""
    macs, memory = before.macs + row.macs, before.memory + row.memory
    return replace(row, macs=macs, memory=memory)


def _graph(model) -> tuple[list[str], list[tuple], tuple[str, int]]:
    """Names of the inputs, calls as (layer, class, call number, sources), output.

    From `get_config`, the one public place that knows every call of a shared layer.
    """
    config = model.get_config() if getattr(model, "inputs", None) else {}
    entries = config.get("layers")
    if not entries:
        raise ValueError(
            "`table` needs a built functional or Sequential model. Received: "
            f"{model!r}. Start a Sequential with `keras.Input(shape)`; a subclassed "
            "model hides its graph."
        )
    if "input_layers" in config:
        calls = [
            (entry["name"], entry["class_name"], index, list(_histories(node)))
            for entry in entries
            for index, node in enumerate(entry["inbound_nodes"])
        ]
        names = [name for name, _ in _places(config["input_layers"])]
        return names, calls, next(_places(config["output_layers"]))
    # A Sequential lists its layers and no calls: each takes what the one before gives.
    chain = [(entry["config"]["name"], entry["class_name"]) for entry in entries]
    calls = [
        (name, kind, 0, [(source, 0)]) for (source, _), (name, kind) in pairwise(chain)
    ]
    return [chain[0][0]], calls, (chain[-1][0], 0)


def _histories(node) -> Iterator[tuple[str, int]]:
    """(layer, call number) of each tensor in a call's serialised arguments."""
    if isinstance(node, dict):
        if "keras_history" in node:
            yield tuple(node["keras_history"][:2])
        node = list(node.values())
    if isinstance(node, list | tuple):
        for item in node:
            yield from _histories(item)


def _places(nested) -> Iterator[tuple[str, int]]:
    """(layer, call number) of each input or output of a model's configuration."""
    if isinstance(nested, dict):
        nested = list(nested.values())
    # Keras writes one tensor as [layer, call, index] and several as a list of those.
    if isinstance(nested[0], str):
        yield tuple(nested[:2])
    else:
        for item in nested:
            yield from _places(item)


def _step(name: str, kind: str, layer, xs: list[Tensor]) -> Step:
    """What one call makes and costs, by its class's rule; a nested model's sums."""
    if kind in ("Functional", "Sequential"):
        rows, output = _walk(layer, xs)
        total = Table(rows)
        fixed = total.params - total.trainable_params
        # Its inputs are the outputs of layers outside, which are counted there.
        inner = sum(row.memory for row in rows if row.layer != "InputLayer")
        numbers = inner // BYTES_PER_NUMBER
        return Step(output, total.params, fixed, total.macs, numbers)
    if kind not in RULES:
        raise ValueError(
            f"`table` has no formula for layer {name!r} of class {kind}. Expected "
            f"one of {sorted(RULES)}. Leave the layer out, or count a part of the "
            "model: `keras.Model(model.input, model.get_layer(...).output)`."
        )
    try:
        _check_channels_last(kind, layer)
        return RULES[kind](layer, *xs)
    except ValueError as error:
        raise ValueError(f"Layer {name!r} ({kind}): {error}") from error


def _check_channels_last(kind: str, layer) -> None:
    """Padding works on any two axes; the rest expects channels last."""
    first = getattr(layer, "data_format", None) == "channels_first"
    if first and kind not in ("ZeroPadding2D", "Cropping2D"):
        raise ValueError('data_format must be "channels_last"')


def _row(name: str, kind: str, step: Step, *, trainable: bool = True) -> Row:
    fields, shape = step.output.fields, step.output.shape
    numbers = math.prod(shape) if step.numbers is None else step.numbers
    return Row(
        name=name,
        layer=kind,
        output_shape=shape,
        params=step.params,
        trainable_params=(step.params - step.fixed_params) if trainable else 0,
        macs=step.macs,
        memory=BYTES_PER_NUMBER * numbers,
        receptive_field=tuple(field.size for field in fields),
        jump=tuple(field.jump for field in fields),
    )


def _seen(row: Row, image: tuple[int, ...]) -> str:
    """The receptive field; in words where all outputs see the image, padding or not."""
    everything = not any(row.jump) and row.receptive_field == image
    return "whole image" if image and everything else _by(row.receptive_field)


def _by(sizes: Sequence[float]) -> str:
    return "x".join(map(str, sizes))
