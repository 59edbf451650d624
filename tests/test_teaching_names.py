"""What a cell's source defines, imports and uses: read, never run."""

import time

import pytest

from cnnlab.teaching.names import (
    SOURCE_LIMIT,
    defined_names,
    flow,
    forbidden_names,
    meanings,
    merge,
    parse,
)


@pytest.mark.parametrize(
    "source, names",
    [
        ("def f(): g = 1", {"f"}),
        ("async def f(): pass\nclass C:\n    x = 1", {"f", "C"}),
        ("a = b = 1\nc, (d, *e) = 1, (2, 3)\nf: int = 1\ng += 1", set("abcdefg")),
        ("if x:\n    def f(): pass\nelse:\n    f2 = 1", {"f", "f2"}),
        ("for i in x:\n    with y as z:\n        pass", {"i", "z"}),
        ("import a.b, c as d\nfrom e import f as g", {"a", "d", "g"}),
        ("(n := 3)\nlambda: (m := 1)", {"n"}),
        ("x.y = 1\nz[0] = 2\nprint(w)", set()),
        ("%%time\n%matplotlib inline\nx = 1\n!ls\nfiles = !ls\nx?", {"x", "files"}),
        ("%time y = f()", {"y"}),
        ("if a:\n    !ls\n    b = 1", {"b"}),
        ("z = (5\n     % 3)", {"z"}),
        ("Why is it so?", set()),
        ("x = 1\0", set()),
        ("x = '\ud800'", set()),
        ("x = 1 #" + "x" * SOURCE_LIMIT, set()),
    ],
)
def test_defined_names(source, names):
    assert defined_names(source) == names


@pytest.mark.parametrize(
    "source",
    ["(" * 5000, "-" * 40_000 + "1", "+".join("1" * 20_000), " " * 40_000 + "x="]
    + ["[" * 90 + "]" * 90 + "!", "f(" * 500 + ")" * 500, "a=" * 20_000 + "%"],
    ids=lambda s: f"{s[:2]}...",
)
def test_a_hostile_source_takes_no_time(source):
    start = time.process_time()
    parse(source)
    forbidden_names(source, ["np.convolve"])
    assert time.process_time() - start < 5


def test_many_names_for_many_names_take_no_time():
    names = [f"n{i}" for i in range(60)]
    source = "\n".join(f"{a} = {b}" for a in names for b in names)
    start = time.process_time()
    assert forbidden_names(source, ["np.convolve"]) == []
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "source, found",
    [
        ("np.convolve(a, b)", ["np.convolve"]),
        ("import numpy\nnumpy.convolve(a, b)", ["np.convolve"]),
        ("from numpy import *\nconvolve(a, b)", ["np.convolve"]),
        ("n = np\nm = n\nm.convolve(a, b)", ["np.convolve"]),
        ("c = np.convolve\nc(a, b)", ["np.convolve"]),
        ("import math as np\nnp.convolve(a, b)", ["np.convolve"]),
        ("from scipy import signal\nsignal.f()", ["scipy"]),
        ("import scipy.signal as s, os", ["scipy"]),
        ("%time x = np.convolve(a, b)", ["np.convolve"]),
        ("np.__dict__['convolve']", ["__dict__"]),
        ("import importlib", ["importlib"]),
        ("import sys\nsys.modules['numpy']", ["sys.modules"]),
        ("get_ipython().run_cell('1')", ["get_ipython"]),
        ("model.compile()\nself.eval()\nx.__init__()", []),
        ("np.convolve_more(a)\nscipyx.f()", []),
        ("'np.convolve' # scipy", []),
    ],
)
def test_forbidden_names(source, found):
    assert forbidden_names(source, ["np.convolve", "scipy"]) == found


def test_names_known_from_other_cells():
    known = merge(meanings("import scipy.signal as s"), meanings("import os as s"))
    assert forbidden_names("s.f()", ["scipy"], known) == ["scipy"]
    assert forbidden_names("s.f()", ["scipy"]) == []


def test_nothing_is_forbidden_where_nothing_is_named():
    assert forbidden_names("eval('1')", []) == []


@pytest.mark.parametrize(
    ("source", "defined", "taken"),
    [
        ("import numpy as np\nx = np.ones(n)", {"np", "x"}, {"n"}),
        ("x = x + 1", {"x"}, {"x"}),
        ("def f(a):\n    b = a\n    return b + c", {"f"}, {"c"}),
        ("[i * k for i in range(3)]", set(), {"k", "range"}),
        (
            "class A(B):\n    x = 1\n    def f(self):\n        return y",
            {"A"},
            {"B", "y"},
        ),
        ("model.weights[0] = w", set(), {"model", "w"}),
        ("for row in rows: pass\nprint(row)", {"row"}, {"rows", "print"}),
        ("x = (", set(), set()),
        ("-" * 30_000 + "x", set(), set()),
    ],
)
def test_flow(source, defined, taken):
    assert flow(source) == (defined, taken)
