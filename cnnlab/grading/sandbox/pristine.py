"""What probes call, as it was before the student's first cell.

A cell may put a function of its own in the place of one of ours, of Keras or of NumPy.
Before each probe all functions, classes and methods are put back: probes measure the
answer with the real ones. Data of modules, such as Keras' settings, stay as they are.
"""

import sys
from types import ModuleType

_PACKAGES = ("cnnlab", "keras", "numpy", "builtins")
_METHODS = (
    "cnnlab",
    "keras.src.models",
    "keras.src.layers.layer",
    "keras.src.trainers",
)
_modules: dict[str, tuple[ModuleType, dict]] = {}
_classes: dict[type, dict] = {}


def remember() -> None:
    """Keep what all modules hold by now. Called before any student's code runs."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in _PACKAGES and isinstance(module, ModuleType):
            held = {k: v for k, v in vars(module).items() if _lasts(v)}
            _modules[name] = module, held
            if name.startswith(_METHODS):
                _remember_classes(name, held)


def _remember_classes(module: str, held: dict) -> None:
    for value in held.values():
        if isinstance(value, type) and value.__module__ == module:
            _classes[value] = dict(vars(value))


def _lasts(value) -> bool:
    return callable(value) or isinstance(value, ModuleType | property)


def restore() -> None:
    """Put back what is no longer what it was."""
    for name, (module, held) in _modules.items():
        sys.modules[name] = module
        vars(module).update(held)
    for changed, held in _classes.items():
        now = dict(vars(changed))
        for name in [k for k, v in now.items() if v is not held.get(k) and _lasts(v)]:
            if name in held:
                setattr(changed, name, held[name])
            else:  # it would hide what the class inherits
                delattr(changed, name)
