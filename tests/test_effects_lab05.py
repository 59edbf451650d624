"""What lab 5 teaches: who points at the shape, and which features know a kind."""

import ast
from pathlib import Path

import keras
import numpy as np
import pytest

from cnnlab import models, shapes
from cnnlab.checks import lab05 as check
from cnnlab.teaching.check import to_numpy
from cnnlab.teaching.source import read

pytestmark = pytest.mark.xdist_group("lab05")
SEEDS, LAYER = (10, 11, 12), "block4_conv3"


@pytest.fixture(scope="module")
def lab():
    """The answers and the given functions of the solved lab, by name."""
    path = Path(__file__).parent.parent / "solutions" / "lab05_feature_maps.py"
    names = {"np": np, "keras": keras, "shapes": shapes, "check": check}
    exec("from keras import layers; from cnnlab import models, plots, train", names)
    wanted = ("behind", "prepare", "laid_over", "hits", "contrast", "drawn_anew")
    for cell in read(path).cells:
        if cell.kind == "exercise" or any(f"def {n}(" in cell.source for n in wanted):
            functions = _functions(cell.source)
            exec(functions, names)
    names |= {"SIZE": 16, "STRIDE": 8}
    return names


def _functions(source: str) -> str:
    """The function definitions of a cell, without what it draws."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return ast.unparse(tree)


@pytest.fixture(scope="module")
def vgg():
    return models.narrow_vgg16(include_top=True)


def drawn(lab, seed, count=40):
    made = shapes.make(count, classes=shapes.SOURCE_CLASSES, seed=seed)
    return lab["prepare"](made.x), made.y, made.masks > 0


@pytest.mark.slow
def test_who_points_at_the_shape(lab, vgg):
    """Both maps beat the centre, that beats chance; contrast needs no network."""
    rates = {name: [] for name in ("cam", "occlusion", "centre", "chance", "contrast")}
    for seed in SEEDS:
        x, y, masks = drawn(lab, seed)
        asked = [(x[[k]], y[k]) for k in range(len(x))]
        heats = {
            "cam": [lab["grad_cam"](vgg, *one, LAYER) for one in asked],
            "occlusion": [
                lab["laid_over"](lab["occlusion"](vgg, *one, 16, 8)) for one in asked
            ],
            "contrast": list(map(lab["contrast"], x)),
        }
        for name, maps in heats.items():
            rates[name].append(np.mean([*map(lab["hits"], maps, masks)]))
        rates["centre"].append(masks[:, 32, 32].mean())
        rates["chance"].append(masks.mean())
    means = {name: np.mean(runs) for name, runs in rates.items()}
    assert means["cam"] > means["centre"] + 0.15
    assert means["occlusion"] > means["centre"] + 0.05
    assert means["centre"] > means["chance"] + 0.1
    assert means["contrast"] > max(means["cam"], means["occlusion"])


@pytest.mark.slow
def test_the_heat_changes_with_the_weights(lab, vgg):
    x, y, _ = drawn(lab, 20, 8)
    heats = [lab["grad_cam"](vgg, x[[k]], y[k], LAYER) for k in range(8)]
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        other = lab["drawn_anew"](vgg, ("predictions", "block"))
        changed = [lab["grad_cam"](other, x[[k]], y[k], LAYER) for k in range(8)]
        pairs = zip(heats, changed, strict=True)
        alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs if b.any()]
        assert np.mean(alike) < 0.5


@pytest.mark.slow
def test_features_know_kinds_never_seen_and_pixels_do_not(lab):
    base = models.narrow_vgg16()
    for seed in SEEDS:
        made = shapes.make(100, classes=shapes.TARGET_CLASSES, seed=seed)
        x = lab["prepare"](made.x)
        features = to_numpy(base(x)).mean(axis=(1, 2))
        found = {}
        for name, rows in (("pixels", x.reshape(100, -1)), ("features", features)):
            near = [made.y[lab["nearest"](rows, q, 5)] for q in range(100)]
            found[name] = np.mean(np.array(near) == made.y[:, None])
        assert found["features"] > 0.75
        assert found["pixels"] < 0.35
