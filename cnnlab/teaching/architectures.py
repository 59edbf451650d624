"""What counting networks gives, measured from outside: for probes and checks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import numpy as np

from cnnlab.teaching.probes import attempt

KINDS = ("conv", "pool", "dense")


def parts(counted: Callable, *cases: tuple) -> list:
    """Shape, parameters and MACs of each case, (arguments, options): a probe's value.

    An exception costs the three of its case.
    """

    def three(arguments, options):
        shape, params, macs = counted(*arguments, **options)
        return [np.array(part) for part in (np.ravel(shape), params, macs)]

    found = (attempt(three, *case) for case in cases)
    return [part for f in found for part in (f if isinstance(f, list) else [f] * 3)]


def layers_of(network_cost: Callable, *cases: tuple) -> list:
    """The same of every layer of each case, (network, input shape): a probe's value."""

    def rows(network, shape):
        found = untouched(network_cost, network, shape)
        return [np.array([*np.ravel(s), params, macs]) for s, params, macs in found]

    with right_conv_cost(network_cost):
        return [attempt(rows, *case) for case in cases]


@contextmanager
def right_conv_cost(function: Callable) -> Iterator[None]:
    """A right `conv_cost` where the answer looks for it: its slips cost points once."""
    names = getattr(function, "__globals__", {})
    kept = {name: names[name] for name in ("conv_cost",) if name in names}
    names["conv_cost"] = conv_cost
    try:
        yield
    finally:
        del names["conv_cost"]
        names.update(kept)


def conv_cost(
    shape, filters, kernel_size, strides=1, padding="valid", groups=1, use_bias=True
):
    """Shape, parameters and MACs of a convolution.

    Written out, since `cnnlab.arithmetic` is not there while answers are probed.
    """
    lost = 0 if padding == "same" else kernel_size - 1
    sides = [-(-(n - lost) // strides) for n in shape[:2]]
    weights = kernel_size**2 * (shape[-1] // groups) * filters
    params = weights + filters * bool(use_bias)
    return (*sides, filters), params, sides[0] * sides[1] * weights


def untouched(function: Callable, first, *rest):
    """What a function gives; ValueError if it changes its first argument."""
    given = deepcopy(first)
    found = function(given, *rest)
    if given != first:
        raise ValueError("what the function was given is changed")
    return found


def as_numbers(network: Sequence) -> np.ndarray:
    """A network, a list of (kind, options), as whole numbers `(layers, 7)`.

    Kind, window, stride, filters or units, whether padded, groups, whether biased:
    however the options are written.
    """
    return np.array([_layer(*layer) for layer in network], int)


def _layer(kind: str, options: dict) -> list:
    window, size = ("size", 0) if kind == "pool" else ("kernel_size", 1)
    many = "units" if kind == "dense" else "filters"
    known = {window, many, "strides", "padding", "groups", "use_bias"}
    if unknown := options.keys() - known:
        raise ValueError(f"A layer {kind!r} has no option {', '.join(unknown)}.")
    return [
        KINDS.index(kind),
        options.get(window, size),
        options.get("strides", 1),
        options.get(many, 0),
        options.get("padding") == "same",
        options.get("groups", 1),
        options.get("use_bias", True),
    ]


def chosen(best_within: Callable, *cases: tuple) -> list[str]:
    """The names for each case, (seed, budgets): a probe's value."""

    def name(seed, *budgets):
        return str(untouched(best_within, made_up(seed, 12), *budgets))

    return [attempt(name, *case) for case in cases]


def fronts(pareto_front: Callable, *cases: tuple) -> list:
    """The fronts of each case, (seed, cost): a probe's value."""

    def found(seed, cost):
        table = made_up(seed, 9, twins=True)
        return sorted_front(table, cost, untouched(pareto_front, table, cost))

    return [attempt(found, *case) for case in cases]


def sorted_front(table: list[dict], cost: str, names: Sequence[str]) -> list[str]:
    """Names, those of equal cost in the order of the alphabet."""
    costs = {row["name"]: row[cost] for row in table}
    names = list(names)
    order = [costs[name] for name in names]
    if order != sorted(order):
        return names
    return sorted(names, key=lambda name: (costs[name], name))


def made_up(seed: int, count: int, *, twins: bool = False) -> list[dict]:
    """A table of networks that nobody has built, in no order, many of them alike.

    With `twins`, the best have an equal.
    """
    rng = np.random.default_rng(seed)
    names = [f"net {n}" for n in rng.permutation(count + 2 * twins)]
    columns = rng.integers(60, 66, count), rng.integers(1, 9, count)
    columns = (*columns, rng.permutation(count) + 1)  # no two have the same MACs
    rows = [list(map(int, row)) for row in zip(*columns, strict=True)]
    if twins:
        rows += [max(rows, key=lambda r: (r[0], -r[n])) for n in (1, 2)]
    keys = ("name", "top1", "params", "macs")
    pairs = zip(names, rows, strict=True)
    return [dict(zip(keys, (name, *row), strict=True)) for name, row in pairs]
