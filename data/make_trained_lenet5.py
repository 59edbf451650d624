"""Make cnnlab/models/trained_lenet5.npz: LeNet with ReLU and max pooling, on digits.

    python data/make_trained_lenet5.py    half a minute of CPU time

It learns scikit-learn's handwritten digits, `data.load("digits")`, which come with no
download. After training anew, copy the printed sha256 into cnnlab/models/pretrained.py
and the printed accuracy into data/README.md.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from cnnlab import data, fetch, models
from cnnlab.models.pretrained import LENET5

EPOCHS, BATCH, LEARNING_RATE = 30, 32, 1e-3


def main() -> None:
    """Train, save the weights as float16, and print accuracy and sha256."""
    keras.utils.set_random_seed(0)
    digits = data.load("digits")
    x_train, x_test = (x / 255 for x in (digits.x_train, digits.x_test))
    model = models.lenet5(activation="relu", pooling="max", dropout=0.3)
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, digits.y_train, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    halves = {
        f"{layer.name}/{kind}": values.astype("float16")
        for layer in model.layers
        if layer.count_params()
        for kind, values in zip(("kernel", "bias"), layer.get_weights(), strict=True)
    }
    np.savez_compressed(LENET5, **halves)
    print(f"test accuracy {model.evaluate(x_test, digits.y_test, verbose=0)[1]:.3f}")
    print("sha256", fetch.sha256(LENET5))


if __name__ == "__main__":
    main()
