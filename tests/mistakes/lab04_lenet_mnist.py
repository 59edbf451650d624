"""Mistakes and variants of lab 4; README.md in this folder explains the format."""

# ruff: noqa: E501 (one line each, to be read as a table)

C3 = 'layers.Conv2D(16, 5, activation="tanh"),'
LAST_THEN = """layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),"""
RETURN_SPLIT = "return (x[rest], y[rest]), (x[aside], y[aside])"
SCALE = 'images[..., np.newaxis].astype("float32") / 255'
PERMUTE = "order = np.random.default_rng(seed).permutation(len(x))"
LOSS = 'loss="sparse_categorical_crossentropy",'
FIRST_DROPOUT = "x = layers.Dropout(0.25)(layers.Flatten()(x))"
SECOND_DROPOUT = "x = layers.Dropout(0.25)(x)"
LAST_NOW = 'layers.Dense(10, activation="softmax")(x))'
SORTED = "return errors[np.argsort(-probabilities[errors].max(axis=1))]"


C1_THEN = 'layers.Conv2D(6, 5, padding="same", activation="tanh")'
C3_THEN = 'layers.Conv2D(16, 5, activation="tanh")'
C5_THEN = 'layers.Conv2D(120, 5, activation="tanh")'
F6_THEN, OUT = 'layers.Dense(84, "tanh")', 'layers.Dense(10, "softmax")'
POOL, FLAT = "layers.AveragePooling2D(2)", "layers.Flatten()"
D5, TANH = 'layers.Dense(120, "tanh")', 'layers.Activation("tanh")'


def _network(*stack: str) -> str:
    return f"keras.Sequential([keras.Input((28, 28, 1)), {', '.join(stack)}])"


def _lenet_then(*stack: str) -> str:
    """An answer cell that builds these layers."""
    return f"def lenet_then():\n    return {_network(*stack)}\n"


THEN = (C1_THEN, POOL, C3_THEN, POOL, C5_THEN, FLAT, F6_THEN, OUT)

ONE_HOT = """
def train_model(model, training, validation, epochs, batch_size):
    hot = lambda pair: (pair[0], keras.utils.to_categorical(pair[1], 10))
    model.compile(keras.optimizers.Adam(0.002), {loss}, metrics=["{metric}"])
    return train.fit(model, *hot(training), validation_data=hot(validation),
                     epochs=epochs, batch_size=batch_size)
"""

SUBCLASS = """
class LeNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.maps = [layers.Conv2D(6, 5, padding="same"), layers.Conv2D(16, 5)]
        self.wide = layers.Conv2D(120, 5)
        self.pool, self.flatten = layers.AveragePooling2D(2), layers.Flatten()
        self.dense, self.out = layers.Dense(84), layers.Dense(10)

    def call(self, x):
        for conv in self.maps:
            x = self.pool(keras.ops.tanh(conv(x)))
        x = self.flatten(keras.ops.tanh(self.wide(x)))
        return keras.ops.softmax(self.out(keras.ops.tanh(self.dense(x))))


def lenet_then():
    return LeNet()
"""

SUBCLASS_NOW = """
class LeNetNow(keras.Model):
    def __init__(self):
        super().__init__()
        self.c1 = layers.Conv2D(6, 5, padding="same", activation="relu")
        self.c3 = layers.Conv2D(16, 5, activation="relu")
        self.c5 = layers.Dense(120, activation="relu")
        self.f6 = layers.Dense(84, activation="relu")
        self.out = layers.Dense(10, activation="softmax")
        self.pool, self.flatten = layers.MaxPooling2D(2), layers.Flatten()
        self.drop = layers.Dropout(0.25)

    def call(self, x, training=False):
        x = self.flatten(self.pool(self.c3(self.pool(self.c1(x)))))
        x = self.drop(self.c5(x), training=training)
        return self.out(self.drop(self.f6(x), training=training))


def lenet_now():
    return LeNetNow()
"""

FUNCTIONAL = """
def lenet_then():
    inputs = x = keras.Input((28, 28, 1))
    x = layers.ZeroPadding2D(2)(x)
    for filters in (6, 16):
        x = layers.Activation("tanh")(layers.Conv2D(filters, (5, 5))(x))
        x = layers.AveragePooling2D(pool_size=(2, 2), strides=2)(x)
    x = layers.Flatten()(x)
    for units in (120, 84):
        x = layers.Activation("tanh")(layers.Dense(units)(x))
    return keras.Model(inputs, layers.Softmax()(layers.Dense(10)(x)))
"""

STRIDES = _lenet_then(
    C1_THEN.replace(", 5,", ", 5, strides=2,"),
    C3_THEN.replace(", 5,", ", 5, strides=2,"),
    *(C5_THEN, FLAT, F6_THEN, OUT),
)
SWAPPED_FILTERS = _lenet_then(
    C1_THEN.replace("6", "16"), POOL, C3_THEN.replace("16", "6"), *THEN[3:]
)
SWAPPED_UNITS = _lenet_then(
    *THEN[:4], FLAT, 'layers.Dense(84, "tanh")', 'layers.Dense(120, "tanh")', OUT
)
VALID_DENSE = _lenet_then(
    C1_THEN.replace("same", "valid"),
    *THEN[1:4],
    FLAT,
    'layers.Dense(120, "tanh")',
    F6_THEN,
    OUT,
)
SHARED = f"network = {_network(*THEN)}\n\ndef lenet_then():\n    return network\n"

DATASET = """
def train_model(model, training, validation, epochs, batch_size):
    import tensorflow as tf

    model.compile("rmsprop", keras.losses.SparseCategoricalCrossentropy(),
                  metrics=["accuracy"])
    first, second = (
        tf.data.Dataset.from_tensor_slices(pair).batch(batch_size)
        for pair in (training, validation)
    )
    return train.fit(model, first.shuffle(9), validation_data=second, epochs=epochs)
"""

ADAM = 'model.compile(keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])'
FIT = "train.fit(model, *training, validation_data=validation, epochs=epochs, batch_size=batch_size)"


def _training(*lines: str) -> str:
    head = "def train_model(model, training, validation, epochs, batch_size):"
    return "\n    ".join((head, ADAM, *lines)) + "\n"


def _lenet_now(*stack: str) -> str:
    return _lenet_then(*stack).replace("tanh", "relu").replace("then", "now")


MAX, DROP = "layers.MaxPooling2D(2)", "layers.Dropout(0.25)"
NOW = (C1_THEN, MAX, C3_THEN, MAX, C5_THEN, FLAT, DROP, F6_THEN, DROP, OUT)

BATCHES = _training(
    "x, y = training",
    'history = {"loss": [], "val_loss": []}',
    "for epoch in range(epochs):",
    "    order = np.random.permutation(len(x))",
    "    for k in range(0, len(x), batch_size):",
    "        chosen = order[k : k + batch_size]",
    "        seen = model.train_on_batch(x[chosen], y[chosen], return_dict=True)",
    '    history["loss"].append(seen["loss"])',
    '    history["val_loss"].append(model.evaluate(*validation, verbose=0)[0])',
    "return history",
)
ONE_EPOCH_EACH = _training(
    "history = {}",
    "for k in range(epochs):",
    f"    one = {FIT.replace('epochs=epochs', 'initial_epoch=k, epochs=k + 1')}",
    "    for name, values in one.items():",
    "        history.setdefault(name, []).extend(values)",
    "return history",
)
# fmt: off
MISTAKES = [
    # --- prepare (D3, D4, D5)
    ("not_scaled", "prepare", SCALE, SCALE.removesuffix(" / 255"), "Not scaled"),
    ("scaled_twice", "prepare", SCALE, f"{SCALE} / 255", "Scaled twice"),
    ("no_channel", "prepare", SCALE, 'images.astype("float32") / 255', "one channel"),
    ("channel_first", "prepare", SCALE, SCALE.replace("...", ":"), "at the end"),
    ("by_maximum", "prepare", SCALE, f"{SCALE[:-3]}images.max()", "pale images"),
    ("float64", "prepare", SCALE, "images[..., np.newaxis] / 255", "float32"),
    ("bytes", "prepare", SCALE, "images[..., np.newaxis] // 255", "fractions"),
    ("minus_one", "prepare", SCALE, f"{SCALE} * 2 - 1", "paper, 0, must stay 0"),
    ("standardised", "prepare", f"return {SCALE}", 'x = images[..., np.newaxis].astype("float32")\n    return (x - x.mean()) / x.std()', "The mean of these images"),
    ("three_channels", "prepare", SCALE, f"np.repeat({SCALE}, 3, axis=-1)", "one channel"),
    ("one_size", "prepare", SCALE, 'images.reshape(-1, 28, 28, 1).astype("float32") / 255', "images of any size"),
    ("if_above_1", "prepare", f"return {SCALE}", 'x = images[..., np.newaxis].astype("float32")\n    return x / 255 if x.max() > 1 else x', "nearly blank"),
    # --- split (D1, D2, D7)
    ("overlap", "split", "order[:validation], order[validation:]", "order[:validation], order", "must leave the training set"),
    ("labels_shuffled", "split", "(x[rest], y[rest])", "(x[rest], y[np.sort(rest)])", "same indices"),
    ("not_drawn", "split", PERMUTE, "order = np.arange(len(x))", "Draw at random"),
    ("no_seed", "split", PERMUTE, "order = np.random.permutation(len(x))", "same seed"),
    ("drawn_twice", "split", PERMUTE, "order = np.random.default_rng(seed).integers(0, len(x), len(x))", "leak"),
    ("sets_swapped", "split", RETURN_SPLIT, "return (x[aside], y[aside]), (x[rest], y[rest])", "[70, 70, 30, 30]"),
    ("four_arrays", "split", RETURN_SPLIT, "return x[rest], y[rest], x[aside], y[aside]", "two pairs"),
    ("library", "split", RETURN_SPLIT, "return data.split(x, y, validation=validation, seed=seed)", "without cnnlab.data"),
    ("images_then_labels", "split", RETURN_SPLIT, "return (x[rest], x[aside]), (y[rest], y[aside])", "pairs of images and labels"),
    ("one_twice", "split", "order[:validation], order[validation:]", "order[:validation], order[validation - 1 :]", "must leave the training set"),
    ("seed_ignored", "split", PERMUTE, PERMUTE.replace("seed", "0"), "seed 1 drew the same"),
    ("every_nth", "split", RETURN_SPLIT, "aside = np.zeros(len(x), bool)\n    aside[:: len(x) // validation][:validation] = True\n    aside[np.flatnonzero(aside)[validation:]] = False\n    return (x[~aside], y[~aside]), (x[aside], y[aside])", "another seed others"),
    ("regular", "split", RETURN_SPLIT, "aside = (np.arange(validation) * (len(x) // validation) + seed) % len(x)\n    rest = np.setdiff1d(np.arange(len(x)), aside)\n    return (x[rest], y[rest]), (x[aside], y[aside])", "Every n-th image"),
    ("numbers_returned", "split", RETURN_SPLIT, "return (rest, y[rest]), (aside, y[aside])", "keeps all other axes"),
    ("cut_to_bytes", "split", "(x[rest], y[rest])", '(x[rest].astype("uint8"), y[rest])', "none of those given"),
    ("flattened", "split", RETURN_SPLIT, "x = x.reshape(len(x), -1)\n    return (x[rest], y[rest]), (x[aside], y[aside])", "shape of one image"),
    # --- by_hand (A3)
    ("c1_without_bias", "by_hand", "((28, 28, 6), 156)", "((28, 28, 6), 150)", "C1: 150 parameters"),
    ("bias_forgotten", "by_hand", "((10, 10, 16), 2416)", "((10, 10, 16), 2400)", "one bias"),
    ("channels_forgotten", "by_hand", "((10, 10, 16), 2416)", "((10, 10, 16), 416)", "each channel it sees"),
    ("padded_everywhere", "by_hand", "((10, 10, 16), 2416)", "((14, 14, 16), 2416)", "C3: the shape"),
    ("pooling_learns", "by_hand", "((14, 14, 6), 0)", "((14, 14, 6), 12)", "nothing to learn"),
    ("area_halved", "by_hand", "((5, 5, 16), 0)", "((7, 5, 16), 0)", "half of each side"),
    ("units_swapped", "by_hand", "(84, 10164)", "(84, 10200)", "Every unit"),
    ("mlp_without_bias", "by_hand", "118282", "118016", "with its biases"),
    # --- lenet_then (A1, A2, A3, A6)
    ("no_activation_c1", "lenet_then", 'layers.Conv2D(6, 5, padding="same", activation="tanh"),', 'layers.Conv2D(6, 5, padding="same"),', "without an activation after C1"),
    ("no_activation_c3", "lenet_then", C3, "layers.Conv2D(16, 5),", "without an activation after C3"),
    ("no_activation_c5", "lenet_then", 'layers.Conv2D(120, 5, activation="tanh"),', "layers.Conv2D(120, 5),", "without an activation after C5"),
    ("no_activation_f6", "lenet_then", 'layers.Dense(84, activation="tanh"),', "layers.Dense(84),", "without an activation after F6"),
    ("no_activation_subclass", "lenet_then", None, SUBCLASS.replace("keras.ops.tanh(self.wide(x))", "self.wide(x)"), "without an activation after C5"),
    ("relu", "lenet_then", None, _lenet_then(*THEN).replace("tanh", "relu"), "ReLU instead of tanh"),
    ("max_pooling", "lenet_then", None, _lenet_then(*THEN).replace("Average", "Max"), "max instead of average"),
    ("sigmoid_output", "lenet_then", LAST_THEN, LAST_THEN.replace("softmax", "sigmoid"), "sigmoid in place"),
    ("relu_output", "lenet_then", LAST_THEN, LAST_THEN.replace("softmax", "relu"), "ReLU on its output"),
    ("softmax_twice", "lenet_then", LAST_THEN, f"{LAST_THEN}\n            layers.Softmax(),", "softmax applied twice"),
    ("valid_dense", "lenet_then", None, VALID_DENSE, 'without padding="same"'),
    ("valid_conv", "lenet_then", ' padding="same", activation="tanh"),', ' activation="tanh"),', 'padding="same"'),
    ("strides", "lenet_then", None, STRIDES, "strides"),
    ("filters_swapped", "lenet_then", None, SWAPPED_FILTERS, "6 and the 16 kernels swapped"),
    ("units_swapped", "lenet_then", None, SWAPPED_UNITS, "120 and the 84 units swapped"),
    ("no_flatten", "lenet_then", "            layers.Flatten(),\n", "", "Flatten"),
    ("model_reused", "lenet_then", None, SHARED, "share their weights"),
    ("no_return", "lenet_then", None, FUNCTIONAL.replace("return keras.Model", "keras.Model"), "return"),
    ("no_channel", "lenet_then", None, FUNCTIONAL.replace("(28, 28, 1)", "(28, 28)"), "ValueError: "),
    ("sigmoid", "lenet_then", None, _lenet_then(*THEN).replace("tanh", "sigmoid"), "with sigmoid activations"),
    ("tanh_after_c1_only", "lenet_then", None, _lenet_then(C1_THEN, POOL, "layers.Conv2D(16, 5)", POOL, "layers.Conv2D(120, 5)", FLAT, "layers.Dense(84)", OUT), "tanh after C1 only"),
    ("tanh_after_pooling", "lenet_then", None, _lenet_then(*(f'layers.Conv2D(6, 5, padding="same"), {POOL}, {TANH}', f"layers.Conv2D(16, 5), {POOL}, {TANH}"), *THEN[4:]), "tanh after each pooling"),
    ("max_pooling_s4", "lenet_then", None, _lenet_then(*THEN[:3], "layers.MaxPooling2D(2)", *THEN[4:]), "max pooling in S4"),
    ("global_pooling", "lenet_then", None, _lenet_then(*THEN[:4], "layers.GlobalAveragePooling2D()", D5, F6_THEN, OUT), "global average pooling in place of Flatten"),
    ("no_s4", "lenet_then", None, _lenet_then(*THEN[:3], *THEN[4:]), "without the pooling S4"),
    ("pooling_by_1", "lenet_then", None, _lenet_then(*THEN).replace("Pooling2D(2)", "Pooling2D(2, strides=1)"), "(strides=1)"),
    ("layer_too_many", "lenet_then", None, _lenet_then(*THEN[:7], F6_THEN, OUT), "a layer too many, of 7,056"),
    ("no_biases", "lenet_then", None, _lenet_then(*THEN).replace('"tanh")', '"tanh", use_bias=False)').replace('"softmax")', '"softmax", use_bias=False)'), "without biases"),
    ("one_bias_missing", "lenet_then", C3, C3.replace("5,", "5, use_bias=False,"), "A bias of 16 weights is missing"),
    ("tensor", "lenet_then", None, FUNCTIONAL.replace("return keras.Model(inputs, layers.Softmax()(layers.Dense(10)(x)))", "return layers.Softmax()(layers.Dense(10)(x))"), "must return a keras.Model"),
    ("library", "lenet_then", None, "def lenet_then():\n    return models.lenet5()\n", "without cnnlab.models"),
    ("dropout", "lenet_then", None, _lenet_then(*THEN[:6], DROP, *THEN[6:]), "something in it is random"),
    ("scaled_down", "lenet_then", None, _lenet_then("layers.Rescaling(1 / 255)", *THEN), "which prepare() has scaled"),
    ("zeros_at_first", "lenet_then", C3, C3.replace("5,", '5, kernel_initializer="zeros",'), "all alike"),
    ("relu_c3", "lenet_then", C3, C3.replace("tanh", "relu"), "relu, AveragePooling2D([2, 2, 2, 2]) behind C3"),
    ("two_activations", "lenet_then", LAST_THEN, LAST_THEN.replace(', activation="tanh"', "").replace("softmax", "sigmoid"), "nothing behind F6; sigmoid behind"),
    ("images_of_32", "lenet_then", None, _lenet_then(C1_THEN.replace('padding="same", ', ""), *THEN[1:]).replace("28, 28", "32, 32"), "takes images (32, 32, 1)"),
    # --- train_model (D1, A2, T1, T2)
    ("one_step_an_epoch", "train_model", None, _training(f"return {FIT[:-1]}, steps_per_epoch=1)"), "does not get the training images"),
    ("first_layer_frozen", "train_model", None, _training("model.layers[0].trainable = False", ADAM, f"return {FIT}"), "leaves 2 of 10 weights"),
    ("not_shuffled", "train_model", None, _training(f"return {FIT[:-1]}, shuffle=False)"), "same order"),
    ("initial_epoch", "train_model", None, _training(f"return {FIT[:-1]}, initial_epoch=1)"), "trains with 2"),
    ("last_history", "train_model", None, _training("for _ in range(epochs):", f"    last = {FIT.replace('epochs=epochs', 'epochs=1')}", "return last"), "for each of 3 epochs"),
    ("softmax_missing", "train_model", LAST_THEN, LAST_THEN.replace(', activation="softmax"', ""), "gives logits"),
    ("logits_and_softmax", "train_model", LOSS, "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),", "takes logits"),
    ("one_hot_loss", "train_model", LOSS, 'loss="categorical_crossentropy",', "labels are integers"),
    ("mse", "train_model", None, ONE_HOT.format(loss='"mse"', metric="accuracy"), "regression"),
    ("binary_loss", "train_model", None, ONE_HOT.format(loss='"binary_crossentropy"', metric="accuracy"), "categorical, not"),
    ("binary_accuracy", "train_model", None, ONE_HOT.format(loss='"categorical_crossentropy"', metric="binary_accuracy"), "nine zeros"),
    ("no_metric", "train_model", '        metrics=["accuracy"],\n', "", "no metric"),
    ("test_as_validation", "train_model", "validation_data=validation,", "validation_data=(mnist.x_test / 255, mnist.y_test),", "test set"),
    ("training_as_validation", "train_model", "validation_data=validation,", "validation_data=training,", "Training images say nothing"),
    ("no_validation", "train_model", "        validation_data=validation,\n", "", "by heart"),
    ("labels_shuffled", "train_model", "*training,", "training[0],\n        np.roll(training[1], 1),", "its own label"),
    ("one_epoch", "train_model", "epochs=epochs,", "epochs=1,", "epochs=epochs"),
    ("batch_size", "train_model", "        batch_size=batch_size,\n", "", "batch_size=batch_size"),
    ("other_model", "train_model", "    model.compile(\n", "    model = models.lenet5()\n    model.compile(\n", "another model"),
    ("learning_rate", "train_model", "Adam(0.002)", "Adam(0.1)", "Lower the learning rate"),
    ("no_learning", "train_model", "Adam(0.002)", "Adam(1e-5)", "unseen"),
    ("no_return", "train_model", "    return train.fit(", "    train.fit(", "must return a history"),
    ("validation_split", "train_model", "validation_data=validation,", "validation_split=0.2,", "validation_data="),
    ("scaled_again", "train_model", "*training,", "training[0] / 255,\n        training[1],", "They are scaled already"),
    ("slow", "train_model", "Adam(0.002)", "SGD(0.002)", "too small for this optimizer"),
    ("mean_absolute_error", "train_model", 'metrics=["accuracy"]', 'metrics=["mae"]', 'metrics=["accuracy"] suits them'),
    ("best_accuracy", "train_model", {"return train.fit(": "history = train.fit(", "batch_size=batch_size,\n    )": 'batch_size=batch_size,\n    )\n    return max(history["val_accuracy"])'}, None, "must return a history"),
    # --- lenet_now (A1, A8)
    ("no_dropout", "lenet_now", {FIRST_DROPOUT: "x = layers.Flatten()(x)", SECOND_DROPOUT: ""}, None, "not at all"),
    ("one_dropout", "lenet_now", SECOND_DROPOUT, "", "Two dropouts"),
    ("share_kept", "lenet_now", {FIRST_DROPOUT: FIRST_DROPOUT.replace("0.25", "0.75"), SECOND_DROPOUT: SECOND_DROPOUT.replace("0.25", "0.75")}, None, "not the share that is kept"),
    ("dropout_on_output", "lenet_now", LAST_NOW, 'layers.Dropout(0.25)(layers.Dense(10, activation="softmax")(x)))', "none on the output"),
    ("no_activation_c3", "lenet_now", 'x = layers.Conv2D(16, 5, activation="relu")(x)', "x = layers.Conv2D(16, 5)(x)", "without an activation after C3"),
    ("no_activation_f6", "lenet_now", 'x = layers.Dense(84, activation="relu")(x)', "x = layers.Dense(84)(x)", "without an activation after F6"),
    ("average_pooling", "lenet_now", None, SUBCLASS_NOW.replace("Max", "Average"), "average instead of max"),
    ("tanh", "lenet_now", None, SUBCLASS_NOW.replace("relu", "tanh"), "tanh instead of ReLU"),
    ("sigmoid_output", "lenet_now", LAST_NOW, LAST_NOW.replace("softmax", "sigmoid"), "sigmoid in place"),
    ("one_dropout_of_half", "lenet_now", {FIRST_DROPOUT: FIRST_DROPOUT.replace("0.25", "0.5"), SECOND_DROPOUT: ""}, None, "Two dropouts"),
    ("dropout_after_pooling", "lenet_now", {FIRST_DROPOUT: "x = layers.Flatten()(x)", SECOND_DROPOUT: "", 'x = layers.Conv2D(16, 5, activation="relu")(x)': 'x = layers.Conv2D(16, 5, activation="relu")(layers.Dropout(0.25)(x))', 'x = layers.Conv2D(120, 5, activation="relu")(x)': 'x = layers.Conv2D(120, 5, activation="relu")(layers.Dropout(0.25)(x))'}, None, "Two dropouts"),
    ("average_pooling_s4", "lenet_now", "x = layers.MaxPooling2D(2)(x)\n    x = layers.Conv2D(120", "x = layers.AveragePooling2D(2)(x)\n    x = layers.Conv2D(120", "average pooling in S4"),
    ("nothing_changed", "lenet_now", None, "def lenet_now():\n    return lenet_then()\n", "with nothing changed"),
    ("library", "lenet_now", None, "def lenet_now():\n    return models.lenet5(activation='relu', pooling='max', dropout=0.25)\n", "without cnnlab.models"),
    ("dropout_before_c5", "lenet_now", None, _lenet_now(*NOW[:4], DROP, *NOW[4:6], *NOW[7:]), "Two dropouts"),
    ("relu6", "lenet_now", None, _lenet_now(*NOW).replace("relu", "relu6"), "relu6"),
    # --- scores (V3)
    ("smoothed", "scores", "precision = hits / np.maximum(matrix.sum(axis=0), 1)", "precision = hits / (matrix.sum(axis=0) + 0.01)", "Sum the right axis"),
    ("matrix_changed", "scores", "hits = np.diag(matrix)", "matrix += 0\n    hits = np.diag(matrix)", "changes what it was given"),
    ("mean_f1", "scores", 'return {"precision"', 'f1 = f1.mean()\n    return {"precision"', "of its own"),
    ("transposed", "scores", "(y_true, y_pred), 1)\n    return", "(y_pred, y_true), 1)\n    return", "transposed"),
    ("counted_once", "scores", "    np.add.at(matrix, (y_true, y_pred), 1)\n", "    matrix[y_true, y_pred] += 1\n", "counted once"),
    ("too_small", "scores", "np.zeros((num_classes, num_classes), int)", "np.zeros([max(y_true) + 1] * 2, int)", "without images"),
    ("swapped", "scores", {"hits / np.maximum(matrix.sum(axis=0), 1)": "hits / np.maximum(matrix.sum(axis=1), 1)", "recall = hits / np.maximum(matrix.sum(axis=1), 1)": "recall = hits / np.maximum(matrix.sum(axis=0), 1)"}, None, "swapped"),
    ("arithmetic_mean", "scores", "f1 = 2 * precision * recall / np.where(both > 0, both, 1)", "f1 = both / 2", "harmonic mean"),
    ("nan", "scores", "np.where(both > 0, both, 1)", "both", "nan"),
    ("of_everything", "scores", "precision = hits / np.maximum(matrix.sum(axis=0), 1)", "precision = hits / matrix.sum()", "Sum the right axis"),
    ("library", "scores", "    np.add.at(matrix, (y_true, y_pred), 1)\n", "    from sklearn.metrics import confusion_matrix as count\n    matrix = count(y_true, y_pred, labels=range(num_classes))\n", "without sklearn"),
    ("bytes", "scores", "num_classes), int)", 'num_classes), "uint8")', "more than 255 times"),
    ("shares", "scores", "1)\n    return matrix", "1)\n    return matrix / matrix.sum()", "shares"),
    ("geometric_mean", "scores", "f1 = 2 * precision * recall / np.where(both > 0, both, 1)", "f1 = np.sqrt(precision * recall)", "geometric mean"),
    ("rounded_down", "scores", {"hits / np.maximum(matrix.sum(axis=0), 1)": "hits // np.maximum(matrix.sum(axis=0), 1)", "hits / np.maximum(matrix.sum(axis=1), 1)": "hits // np.maximum(matrix.sum(axis=1), 1)"}, None, "not //"),
    # --- worst_errors (V3)
    ("ascending", "worst_errors", SORTED, SORTED.replace("-prob", "prob"), "surest does not come first"),
    ("positions", "worst_errors", SORTED, SORTED.replace("errors[np.argsort", "(np.argsort").replace(")]", "))"), "indices into all"),
    ("all_images", "worst_errors", SORTED, "return np.argsort(-probabilities.max(axis=1))", "misclassified ones only"),
    ("order_of_all", "worst_errors", SORTED, "return np.argsort(-probabilities.max(axis=1))[errors]", "not the 49 errors"),
    ("five", "worst_errors", SORTED, f"{SORTED}[:5]", "not the 49 errors"),
    ("unsorted", "worst_errors", SORTED, "return errors", "surest does not come first"),
    ("by_truth", "worst_errors", SORTED, "return errors[np.argsort(probabilities[errors, y_true[errors]])]", "how unlikely the truth is"),
    ("mask", "worst_errors", SORTED, "return probabilities.argmax(axis=1) != y_true", "indices into all"),
    ("library", "worst_errors", SORTED, "return plots.worst_errors(y_true, probabilities)", "without cnnlab.plots"),
]

VARIANTS = [
    ("expand_dims", "prepare", SCALE, 'np.expand_dims(np.float32(images), -1) * np.float32(1 / 255)'),
    ("reshape", "prepare", SCALE, 'images.reshape(*images.shape, 1).astype("float32") / 255.0'),
    ("tensor", "prepare", SCALE, 'keras.ops.cast(images[..., None], "float32") / 255'),
    ("mask", "split", RETURN_SPLIT, "held = np.isin(np.arange(len(x)), aside)\n    return (x[~held], y[~held]), (x[held], y[held])"),
    ("sklearn", "split", RETURN_SPLIT, "from sklearn.model_selection import train_test_split\n    a, b, c, d = train_test_split(x, y, test_size=validation, random_state=seed)\n    return [a, c], [b, d]"),
    ("random_state", "split", PERMUTE, "order = np.arange(len(x))\n    np.random.RandomState(seed).shuffle(order)"),
    ("lists", "by_hand", '(84, 10164)', "[[84], 84 * 121]"),
    ("functional_padded_dense", "lenet_then", None, FUNCTIONAL),
    ("subclass", "lenet_then", None, SUBCLASS),
    ("rescaling", "lenet_then", "            keras.Input((28, 28, 1)),\n", "            keras.Input((28, 28, 1)),\n            layers.Rescaling(2.0, offset=-1.0),\n"),
    ("logits", "lenet_then", {LAST_THEN: LAST_THEN.replace(', activation="softmax"', ""), LAST_NOW: "layers.Dense(10)(x))", LOSS: "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),"}, None),
    ("subclass", "lenet_now", None, SUBCLASS_NOW),
    ("fit", "train_model", {"return train.fit(\n        model,": "return model.fit(", "batch_size=batch_size,\n    )": "batch_size=batch_size,\n    ).history"}, None),
    ("one_hot", "train_model", None, ONE_HOT.format(loss='"categorical_crossentropy"', metric="categorical_accuracy")),
    ("dataset", "train_model", None, DATASET),
    ("momentum", "train_model", "keras.optimizers.Adam(0.002)", "keras.optimizers.SGD(0.1, momentum=0.9)"),
    ("train_on_batch", "train_model", None, BATCHES),
    ("one_epoch_each", "train_model", None, ONE_EPOCH_EACH),
    ("adamw", "train_model", "keras.optimizers.Adam(0.002)", '"adamw"'),
    ("loops", "scores", "    np.add.at(matrix, (y_true, y_pred), 1)\n", "    for true, called in zip(y_true, y_pred):\n        matrix[true, called] += 1\n"),
    ("bincount", "scores", "    np.add.at(matrix, (y_true, y_pred), 1)\n", "    matrix += np.bincount(num_classes * y_true + y_pred, minlength=num_classes**2).reshape(num_classes, -1)\n"),
    ("nan_to_num", "scores", "precision = hits / np.maximum(matrix.sum(axis=0), 1)", 'with np.errstate(all="ignore"):\n        precision = np.nan_to_num(hits / matrix.sum(axis=0))'),
    ("lists", "worst_errors", SORTED, "return sorted(errors.tolist(), key=lambda i: -max(probabilities[i]))"),
    ('divide_dtype', 'prepare', 'images[..., np.newaxis].astype("float32") / 255', 'np.divide(images, 255, dtype="float32")[:, :, :, np.newaxis]'),
    ('python_random', 'split', None, 'import random\n\ndef split(x, y, validation, seed=0):\n    hasard = random.Random(seed)\n    indices = list(range(len(x)))\n    hasard.shuffle(indices)\n    partie = lambda qui: (x[qui], y[qui])\n    return partie(indices[validation:]), partie(sorted(indices[:validation]))\n'),
    ('computed', 'by_hand', None, 'def by_hand():\n    conv = lambda f, c, n: (f * f * c + 1) * n\n    dense = lambda n, m: (n + 1) * m\n    côté = lambda n, f, p=0: n + 2 * p - f + 1\n    c1 = côté(28, 5, 2); s2 = c1 // 2; c3 = côté(s2, 5); s4 = c3 // 2; c5 = côté(s4, 5)\n    return {\n        "C1": [[c1, c1, 6], conv(5, 1, 6)], "S2": [[s2, s2, 6], 0], "C3": [[c3, c3, 16], conv(5, 6, 16)],\n        "S4": [[s4, s4, 16], 0], "C5": [np.array([c5, c5, 120]), np.int64(conv(5, 16, 120))],\n        "F6": [84, dense(c5 * c5 * 120, 84)], "output": [10, dense(84, 10)],\n        "MLP": dense(784, 128) + dense(128, 128) + dense(128, 10),\n    }\n'),
    ('pool_same_on_even', 'lenet_then', None, 'def lenet_then():\n    return keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(6, 5, padding="same", activation="tanh"), layers.AveragePooling2D(2, padding=\'same\'), layers.Conv2D(16, 5, activation="tanh"), layers.AveragePooling2D(2, strides=2, padding=\'same\'), layers.Conv2D(120, 5, activation="tanh"), layers.Flatten(), layers.Dense(84, activation="tanh"), layers.Dense(10, activation="softmax")])\n'),
    ('two_parts_gap', 'lenet_then', None, '\ndef lenet_then():\n    corps = keras.Sequential([\n        keras.Input((28, 28, 1)),\n        layers.ZeroPadding2D(((2, 2), (2, 2))),\n        layers.Conv2D(6, 5), layers.Activation("tanh"), layers.AveragePooling2D((2, 2)),\n        layers.Conv2D(16, 5), layers.Activation("tanh"), layers.AveragePooling2D((2, 2)),\n        layers.Conv2D(120, 5), layers.Activation("tanh"),\n    ], name="corps")\n    tête = keras.Sequential([layers.GlobalAveragePooling2D(), layers.Dense(84), layers.Activation("tanh"), layers.Dense(10), layers.Softmax()], name="tete")\n    entrée = keras.Input((28, 28, 1))\n    return keras.Model(entrée, tête(corps(entrée)))\n'),
    ('epoch_by_epoch', 'train_model', None, '\ndef train_model(model, training, validation, epochs, batch_size):\n    model.compile("nadam", "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])\n    historique = {}\n    for époque in range(epochs):\n        h = model.fit(*training, batch_size=batch_size, epochs=1, validation_data=validation, verbose=0).history\n        for nom, valeurs in h.items():\n            historique.setdefault(nom, []).extend(valeurs)\n    return historique\n'),
    ('class', 'lenet_now', None, '\nclass Moderne(keras.Model):\n    def __init__(self, p=0.25):\n        super().__init__(name="lenet_moderne")\n        self.suite = [\n            layers.Conv2D(6, 5, padding="same", activation="relu"), layers.MaxPool2D(),\n            layers.Conv2D(16, 5, activation="relu"), layers.MaxPool2D(),\n            layers.Conv2D(120, 5, activation="relu"), layers.SpatialDropout2D(p), layers.Flatten(),\n            layers.Dense(84, activation="relu"), layers.Dropout(p), layers.Dense(10, activation="softmax"),\n        ]\n\n    def call(self, x, training=None):\n        for couche in self.suite:\n            x = couche(x, training=training) if "ropout" in type(couche).__name__ else couche(x)\n        return x\n\n\ndef lenet_now():\n    return Moderne()\n'),
    ('epsilon', 'scores', None, '\ndef confusion_matrix(y_true, y_pred, num_classes):\n    m = np.zeros((num_classes, num_classes), dtype=int)\n    for t, p in zip(y_true, y_pred):\n        m[t, p] += 1\n    return m\n\ndef scores(matrix):\n    ε = 1e-12\n    tp = np.diagonal(matrix)\n    fp, fn = matrix.sum(0) - tp, matrix.sum(1) - tp\n    précision, rappel = tp / (tp + fp + ε), tp / (tp + fn + ε)\n    return dict(precision=précision, recall=rappel, f1=2 * tp / (2 * tp + fp + fn + ε))\n'),
    ('lexsort', 'worst_errors', 'return errors[np.argsort(-probabilities[errors].max(axis=1))]', 'sûreté = probabilities[errors].max(axis=-1)\n    return errors[np.lexsort((errors, -sûreté))]'),
    ("flipped", "worst_errors", SORTED, "return errors[np.argsort(probabilities[errors].max(axis=1))[::-1]]"),
]
# fmt: on
