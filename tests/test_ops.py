"""The front door of `cnnlab.ops`: what it exports, its examples, what it costs."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

from cnnlab import ops

ROOMS = [
    importlib.import_module(f"cnnlab.ops.{room.name}")
    for room in pkgutil.iter_modules(ops.__path__)
]
INTERNAL = {"cnnlab.ops.arrays"}
HELPERS = {"paired", "safe_log", "safe_inverse"}  # shared by the two rooms of losses


def own_functions(room):
    return {
        name
        for name, value in inspect.getmembers(room, inspect.isfunction)
        if value.__module__ == room.__name__ and not name.startswith("_")
    } - HELPERS


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_public_function_of_a_room_is_exported(room):
    if room.__name__ in INTERNAL:
        assert not own_functions(room) & set(vars(ops))
    else:
        assert own_functions(room) <= set(vars(ops))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_public_function_says_what_comes_out(room):
    for name in own_functions(room):
        assert inspect.getdoc(getattr(room, name)), f"{name} has no docstring"


BACKWARD = sorted(name for name in vars(ops) if name.endswith("_backward"))
LOSS_ROOMS = ("cnnlab.ops.losses", "cnnlab.ops.map_losses")


@pytest.mark.parametrize("name", BACKWARD)
def test_backward_takes_grad_first_then_what_forward_took(name):
    backward = getattr(ops, name)
    forward = getattr(ops, name.removesuffix("_backward"))
    taken = list(inspect.signature(backward).parameters)
    given = list(inspect.signature(forward).parameters)
    if forward.__module__ in LOSS_ROOMS or "penalty" in name:
        assert taken == given
    else:
        assert taken[0] == "grad"
        kept = [parameter for parameter in given if parameter in taken]
        assert kept == taken[1:]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_examples_are_right(room):
    assert doctest.testmod(room).failed == 0


def test_the_examples_are_found():
    found = sum(doctest.testmod(room).attempted for room in ROOMS)
    assert found >= 9


def test_import_brings_numpy_and_nothing_else_heavy():
    heavy = "{'keras', 'tensorflow', 'jax', 'scipy', 'sklearn', 'matplotlib'}"
    code = f"import sys, cnnlab.ops; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
