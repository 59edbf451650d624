"""Make data/narrow_vgg16.npz: VGG16 at an eighth of its width, trained on shapes.

    python data/make_narrow_vgg16.py train      about 12 minutes of CPU time
    python data/make_narrow_vgg16.py measure    about 15 more; needs the weights

It is trained with batch normalisation, without which a VGG16 this deep does not
start to learn, on 16,000 new pictures of the 15 source classes in every epoch. The
normalisation is then folded into the convolutions, so that what ships has VGG16's own
layers and no others. `measure` writes data/narrow_vgg16.json.

After training anew, copy the printed sha256 into cnnlab/shapes.py. Trained twice on
one machine the file came out the same to the byte (TensorFlow 2.21 on a CPU); other
machines add in another order and give other weights of the same quality.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from cnnlab import fetch, models, shapes
from cnnlab.models.pretrained import WEIGHTS, narrow_vgg16

EPOCHS = 12
IMAGES = 16_000
BATCH = 64
LEARNING_RATE = 3e-3
TEST_SEED = 1_000_000  # training draws seeds 0 to EPOCHS - 1


def preprocess(x: np.ndarray) -> np.ndarray:
    """As VGG16 wants it: BGR, the means of ImageNet subtracted. A copy."""
    return keras.applications.vgg16.preprocess_input(np.array(x, "float32"))


CONVENTIONS = {
    "preprocess_input": preprocess,
    "none": lambda x: x.astype("float32"),
    "divided by 255": lambda x: x.astype("float32") / 255,
    "preprocess_input twice": lambda x: preprocess(preprocess(x)),
    "preprocess_input on BGR": lambda x: preprocess(x[..., ::-1]),
}


def train() -> None:
    """Train, fold, save the weights, and print their sha256."""
    keras.utils.set_random_seed(0)
    model = classifier(len(shapes.SOURCE_CLASSES))
    steps = EPOCHS * IMAGES // BATCH
    compile_(model, keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps))
    for epoch in range(EPOCHS):
        data = shapes.make(IMAGES, classes=shapes.SOURCE_CLASSES, seed=epoch)
        x = preprocess(data.x)
        history = model.fit(x, data.y, batch_size=BATCH, verbose=0).history
        print(f"epoch {epoch + 1}: accuracy {history['accuracy'][0]:.3f}", flush=True)
    np.savez(WEIGHTS, **folded(model))
    print("sha256", fetch.sha256(WEIGHTS))


def classifier(num_classes: int) -> keras.Model:
    """The narrow VGG16 with batch normalisation, global pooling and a softmax."""
    base = models.vgg16((64, 64, 3), include_top=False, width=1 / 8, batch_norm=True)
    x = layers.GlobalAveragePooling2D()(base.output)
    x = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return keras.Model(base.input, x)


def folded(model: keras.Model) -> dict[str, np.ndarray]:
    """Kernels and biases of the same function without batch normalisation.

    g (w * x - m) / sqrt(v + e) + b is a convolution with the kernel w g / sqrt(v + e)
    and the bias b - m g / sqrt(v + e).
    """
    arrays = {}
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            norm = model.get_layer(f"{layer.name}_bn")
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            arrays[f"{layer.name}/kernel"] = layer.get_weights()[0] * scale
            arrays[f"{layer.name}/bias"] = beta - mean * scale
    kernel, bias = model.get_layer("predictions").get_weights()
    return arrays | {"predictions/kernel": kernel, "predictions/bias": bias}


def measure() -> None:
    """Write what the weights are good for beside them."""
    facts = {
        "title": "narrow VGG16",
        "origin": "trained by data/make_narrow_vgg16.py on cnnlab.shapes",
        "licence": "MIT",
        "files": {WEIGHTS.name: {"sha256": fetch.sha256(WEIGHTS)}},
        "source_classes": shapes.SOURCE_CLASSES,
        "target_classes": shapes.TARGET_CLASSES,
        "measured": "source: on 2,000 new pictures; target: on 1,000, learnt from "
        "50, 100 and 300, three seeds each",
        "source_accuracy": source_accuracy(),
        "target_accuracy": target_accuracy(),
    }
    path = Path(__file__).with_name("narrow_vgg16.json")
    path.write_text(json.dumps(facts, indent=2) + "\n")


def source_accuracy() -> dict[str, float]:
    """On 2,000 new pictures of the source classes, for each way to preprocess."""
    model = narrow_vgg16(include_top=True)
    data = shapes.make(2000, classes=shapes.SOURCE_CLASSES, seed=TEST_SEED)
    return {
        name: score(model, convention(data.x), data.y)
        for name, convention in CONVENTIONS.items()
    }


def target_accuracy() -> dict[str, dict[str, list[float]]]:
    """On 1,000 pictures of the five others, learnt from 50 to 300: three seeds each."""
    test = shapes.make(1000, classes=shapes.TARGET_CLASSES, seed=TEST_SEED)
    ways = {
        f"linear head, {name}": head(convention)
        for name, convention in CONVENTIONS.items()
    }
    ways["linear head, then block5 fine-tuned"] = fine_tuned
    ways["the same network from scratch"] = from_scratch(lambda: classifier(5))
    ways["a small CNN from scratch"] = from_scratch(small_cnn)
    result = {}
    for name, way in ways.items():
        result[name] = {}
        for n in (50, 100, 300):
            scores = []
            for seed in range(3):
                keras.utils.set_random_seed(seed)
                data = shapes.make(
                    n, classes=shapes.TARGET_CLASSES, seed=TEST_SEED + 1 + seed
                )
                scores.append(way(data, test))
            result[name][str(n)] = scores
            print(name, n, scores, flush=True)
    return result


def head(convention):
    def way(data, test) -> float:
        base = pooled(narrow_vgg16())
        x, x_test = (base.predict(convention(d.x), verbose=0) for d in (data, test))
        return score(linear_head(x, data.y), x_test, test.y)

    return way


def fine_tuned(data, test) -> float:
    base = pooled(narrow_vgg16())
    x, x_test = (preprocess(d.x) for d in (data, test))
    top = linear_head(base.predict(x, verbose=0), data.y)
    model = keras.Model(base.input, top(base.output))
    for layer in base.layers:
        layer.trainable = layer.name.startswith("block5")
    compile_(model, 1e-4)
    model.fit(x, data.y, batch_size=16, epochs=20, verbose=0)
    return score(model, x_test, test.y)


def from_scratch(build):
    def way(data, test) -> float:
        model = build()
        compile_(model, 1e-3)
        x = preprocess(data.x)
        model.fit(x, data.y, batch_size=16, epochs=40, verbose=0)
        return score(model, preprocess(test.x), test.y)

    return way


def small_cnn() -> keras.Model:
    inputs = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 128)(inputs)
    for filters in (16, 32, 64):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def pooled(base: keras.Model) -> keras.Model:
    return keras.Model(base.input, layers.GlobalAveragePooling2D()(base.output))


def linear_head(x: np.ndarray, y: np.ndarray) -> keras.Model:
    head = keras.Sequential([layers.Dense(5, activation="softmax")])
    compile_(head, 1e-2)
    head.fit(x, y, batch_size=16, epochs=50, verbose=0)
    return head


def compile_(model: keras.Model, learning_rate) -> None:
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])


def score(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    return round(float((model.predict(x, verbose=0).argmax(axis=1) == y).mean()), 3)


if __name__ == "__main__":
    {"train": train, "measure": measure}[sys.argv[1]]()
