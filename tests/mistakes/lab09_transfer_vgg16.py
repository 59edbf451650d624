"""Mistakes and variants of lab 9; README.md in this folder explains the format."""

# ruff: noqa: E501 (one line each, to be read as a table)

CONV = "rows.append(((size, size, count), (3 * 3 * channels + 1) * count))"
POOLED = "rows.append(((size, size, channels), 0))"
LOAD = "models.vgg16((size, size, 3), weights=weights, include_top=False)"
READY = 'return images[..., ::-1].astype("float32") - means'
BATCH = "base.predict_on_batch(prepare(images[start : start + batch_size]))"
PREPARED = "prepare(images[start : start + batch_size])"
GATHERED = "return np.concatenate(batches)"
AVERAGE = "layers.GlobalAveragePooling2D() if average else layers.Flatten()"
HIDDEN = 'layers.Dense(units, activation="relu")'
LAST = 'layers.Dense(num_classes, activation="softmax")'
JOINED = "return keras.Model(inputs, head(base(inputs, training=False)))"
FREEZE = "    base.trainable = False\n"
THAW = """                layer.trainable = layer.name.startswith("block5") and not norm
"""
ADAM = "keras.optimizers.Adam(rates[phase])"
LOSS = 'loss = "sparse_categorical_crossentropy"'
HELD_OUT = "validation_data=validation, **options"
GIVEN = "train.fit(model, *training,"

IN_PLACE = """images -= 0
    return keras.applications.vgg16.preprocess_input(images)"""

IN_MODEL = """
def extract(base, prepare, images, batch_size=64):
    inputs = keras.Input(images.shape[1:])
    whole = keras.Model(inputs, base(layers.Lambda(prepare)(inputs)))
    return whole.predict(images, batch_size=batch_size, verbose=0)
"""
MAPPED = """
def extract(base, prepare, images, batch_size=64):
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(images).batch(batch_size).map(prepare)
    return base.predict(batches, verbose=0)
"""
GENERATOR = """
def extract(base, prepare, images, batch_size=64):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return -(-len(images) // batch_size)

        def __getitem__(self, k):
            return (np.asarray(prepare(images[k * batch_size : (k + 1) * batch_size])),)

    return base.predict(Batches(), verbose=0)
"""

FUNCTIONAL = """
def build_head(input_shape, num_classes, pooling, units=None):
    inputs = keras.Input(input_shape)
    if pooling == "average":
        x = keras.ops.mean(inputs, axis=(1, 2))
    else:
        x = layers.Reshape((-1,))(inputs)
    if units is not None:
        x = layers.ReLU()(layers.Dense(units)(x))
    return keras.Model(inputs, layers.Softmax()(layers.Dense(num_classes)(x)))
"""

PER_LAYER = """
def assemble(base, head):
    for layer in base.layers:
        layer.trainable = False
    return keras.Sequential([base, head])
"""
SUBCLASS = """
class Joined(keras.Model):
    def __init__(self, base, head):
        super().__init__()
        self.base, self.head = base, head
        self.base.trainable = False

    def call(self, x, training=False):
        return self.head(self.base(x, training=False), training=training)


def assemble(base, head):
    return Joined(base, head)
"""


def _transfer(
    between: str,
    *,
    first: str = "",
    compiled: str = "compiled(rates[1])",
    optimizer: str = "keras.optimizers.Adam(rate)",
) -> str:
    """An answer cell in two separate phases: `between` them the base is thawed."""
    return f"""
def transfer(model, base, training, validation, epochs, rates):
    def compiled(rate):
        model.compile({optimizer}, "sparse_categorical_crossentropy", metrics=["accuracy"])

    def fit(epochs):
        options = dict(validation_data=validation, epochs=epochs, batch_size=16)
        return model.fit(*training, verbose=0, **options).history

    {first}
    compiled(rates[0])
    history = fit(epochs[0])
    {between}
    {compiled}
    return history, fit(epochs[1])
"""


BLOCK5 = """for layer in base.layers:
        layer.trainable = layer.name.startswith("block5_conv")"""
THAWED = f"base.trainable = True\n    {BLOCK5}"

ONE_PHASE = """
def transfer(model, base, training, validation, epochs, rates):
    base.trainable = True
    for layer in base.layers:
        layer.trainable = layer.name.startswith("block5_conv")
    model.compile("adam", "sparse_categorical_crossentropy")
    history = train.fit(model, *training, validation_data=validation, epochs=sum(epochs))
    return history, history
"""
CUSTOM_LOOP = """
def transfer(model, base, training, validation, epochs, rates):
    model.compile(keras.optimizers.Adam(rates[0]), "sparse_categorical_crossentropy")
    for _ in range(epochs[0]):
        model.train_on_batch(*training)
    return {}, {}
"""
ONE_HOT = """
def transfer(model, base, training, validation, epochs, rates):
    hot = lambda pair: (pair[0], keras.utils.to_categorical(pair[1], model.output_shape[-1]))
    runs = []
    for rate, count in zip(rates, epochs):
        model.compile(keras.optimizers.RMSprop(rate), "categorical_crossentropy", metrics=["accuracy"])
        runs.append(model.fit(*hot(training), validation_data=hot(validation), epochs=count, verbose=0).history)
        base.trainable = True
        for layer in base.layers:
            layer.trainable = layer.name in ("block5_conv1", "block5_conv2", "block5_conv3")
    return runs
"""
DATASETS = """
def transfer(model, base, training, validation, epochs, rates):
    import tensorflow as tf

    first, second = (tf.data.Dataset.from_tensor_slices(p).batch(4) for p in (training, validation))
    runs = []
    for phase in range(2):
        if phase:
            base.trainable = True
            for layer in base.layers:
                layer.trainable = layer.name.startswith("block5_conv")
        model.compile(keras.optimizers.Adam(rates[phase]), "sparse_categorical_crossentropy")
        runs.append(train.fit(model, first.shuffle(9), validation_data=second, epochs=epochs[phase]))
    return runs
"""

ALL_AT_ONCE = """
def extract(base, prepare, images, batch_size=64):
    return base.predict(prepare(images), batch_size=batch_size, verbose=0)
"""
CACHED = """import os

    kept = f"features_{len(images)}.npy"
    if not os.path.exists(kept):
        np.save(kept, np.concatenate(batches))
    return np.load(kept)"""
SHUFFLED = """
def extract(base, prepare, images, batch_size=64):
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images)).batch(batch_size)
    return np.concatenate([base.predict(prepare(batch), verbose=0) for batch in batches])
"""
ONE_BY_ONE = """
def extract(base, prepare, images, batch_size=64):
    return np.concatenate([base(prepare(images[k : k + 1]), training=False) for k in range(len(images))])
"""
ARRAY_SPLIT = """
def extract(base, prepare, images, batch_size=64):
    parts = np.array_split(images, int(np.ceil(len(images) / batch_size)))
    return np.concatenate([base.predict(prepare(part), verbose=0) for part in parts], axis=0)
"""
TUPLES = """
def count_layers(size, repeats, filters, units):
    seen = [3] + [f for r, f in zip(repeats, filters) for _ in range(r)]
    rows, k = (), 0
    for r, f in zip(repeats, filters):
        rows += tuple(((size,) * 2 + (f,), (9 * seen[k + i] + 1) * f) for i in range(r))
        k, size = k + r, int(size / 2)
        rows += (((size, size, f), 0),)
    n = np.prod(rows[-1][0])
    for u in units:
        rows += (([u], int((n + 1) * u)),)
        n = u
    return rows
"""
KEPT_HEAD = """
from functools import lru_cache


@lru_cache
def build_head(input_shape, num_classes, pooling, units=None):
    head = keras.Sequential([keras.Input(input_shape)])
    head.add(layers.GlobalAveragePooling2D() if pooling == "average" else layers.Flatten())
    if units:
        head.add(layers.Dense(units, activation="relu"))
    head.add(layers.Dense(num_classes, activation="softmax"))
    return head
"""
INITIAL_EPOCH = """
def transfer(model, base, training, validation, epochs, rates):
    def compiled(rate):
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])

    compiled(rates[0])
    first = model.fit(*training, validation_data=validation, epochs=epochs[0], verbose=0)
    base.trainable = True
    for layer in base.layers:
        layer.trainable = "block5_conv" in layer.name
    compiled(rates[1])
    options = dict(epochs=sum(epochs), initial_epoch=len(first.epoch), verbose=0)
    second = model.fit(*training, validation_data=validation, **options)
    return first.history, second.history
"""
HELPER = """
def phase(model, rate, count, training, validation):
    x, y = training
    model.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(rate), metrics=["accuracy"])
    return dict(model.fit(x, y, batch_size=8, epochs=count, validation_data=validation, verbose=0).history)


def transfer(model, base, training, validation, epochs, rates):
    base.trainable = False
    first = phase(model, rates[0], epochs[0], training, validation)
    base.trainable = True
    for layer in base.layers:
        frozen = not layer.name.startswith("block5") or isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not frozen
    return [first, phase(model, rates[1], epochs[1], training, validation)]
"""

# fmt: off
MISTAKES = [
    # --- count_layers (A3; errata of decks 002 and 004)
    ("bias_forgotten", "count_layers", CONV, CONV.replace(" + 1)", ")"), "one bias"),
    ("pooling_learns", "count_layers", POOLED, POOLED.replace(", 0)", ", (channels * 4 + 1) * channels)"), "nothing to learn"),
    ("channels_forgotten", "count_layers", CONV, CONV.replace("3 * 3 * channels", "3 * 3"), "every value it sees"),
    ("not_padded", "count_layers", CONV, f"size -= 2\n            {CONV}", "keep the size"),
    ("floor_missing", "count_layers", "size //= 2", "size = (size + 1) // 2", "rounded down"),
    ("pooling_left_out", "count_layers", POOLED, "pass", "one pooling"),
    ("last_map_not_flattened", "count_layers", "inputs = size * size * channels", "inputs = channels", "flattened"),
    ("library", "count_layers", "rows, channels = [], 3", "from cnnlab import arithmetic\n    rows, channels = [], 3", "without cnnlab.arithmetic"),
    ("channels_after_block", "count_layers", {"            channels = count\n": "", "        size //= 2\n": "        size, channels = size // 2, count\n"}, None, "the layer before it"),
    ("seven_by_seven", "count_layers", "inputs = size * size * channels", "inputs = 7 * 7 * 512", "whatever its size"),
    ("dense_not_chained", "count_layers", "        inputs = count\n", "", "units before it"),
    ("flatten_as_layer", "count_layers", "inputs = size * size * channels", "inputs = size * size * channels\n    rows.append(((inputs,), 0))", "Flatten is not counted"),
    ("bias_per_channel", "count_layers", CONV, CONV.replace("(3 * 3 * channels + 1) * count", "(3 * 3 * count + 1) * channels"), "one bias"),
    ("channels_first", "count_layers", {CONV: CONV.replace("(size, size, count)", "(count, size, size)"), POOLED: POOLED.replace("(size, size, channels)", "(channels, size, size)")}, None, "reordered"),
    ("dict_rows", "count_layers", "return rows", 'return [{"shape": shape, "parameters": count} for shape, count in rows]', "expected (shape, parameters)"),
    # --- load_base (T8)
    ("random_weights", "load_base", "weights=weights", "weights=None", "random"),
    ("with_top", "load_base", ", include_top=False", "", "old classifier"),
    ("other_size", "load_base", "(size, size, 3), weights", "(64, 64, 3), weights", "Pass the size on"),
    ("no_return", "load_base", f"return {LOAD}", LOAD, "must return a keras.Model"),
    ("pooled", "load_base", LOAD, f"keras.Sequential([{LOAD}, layers.GlobalAveragePooling2D()])", "not (n, s, s, channels)"),
    ("top_popped", "load_base", f"return {LOAD}", "model = models.vgg16((size, size, 3), weights=weights)\n    model.layers.pop()\n    return model", "old classifier"),
    ("size_224", "load_base", "(size, size, 3), weights", "(224, 224, 3), weights", "Pass the size on"),
    # --- preprocess (D5, D8)
    ("by_255", "preprocess", READY, 'return images.astype("float32") / 255', "1/255 is for networks"),
    ("mobilenet", "preprocess", READY, 'return images.astype("float32") / 127.5 - 1', "MobileNet"),
    ("nothing", "preprocess", READY, 'return images.astype("float32")', "as they were"),
    ("twice", "preprocess", READY, 'return (images[..., ::-1].astype("float32") - means)[..., ::-1] - means', "Prepared twice"),
    ("means_twice", "preprocess", READY, f"{READY} - means", "Prepared twice"),
    ("not_reversed", "preprocess", READY, READY.replace("[..., ::-1]", ""), "still red, green, blue"),
    ("rgb_means", "preprocess", READY, READY.replace("[..., ::-1]", "").replace("means", "means[::-1]"), "still red, green, blue"),
    ("means_not_reversed", "preprocess", READY, READY.replace("means", "means[::-1]"), "red's mean"),
    ("no_means", "preprocess", READY, READY.removesuffix(" - means"), "The channels are reversed; the means are still there"),
    ("and_by_255", "preprocess", READY, READY.replace("- means", "/ 255 - means / 255"), "Divided by 255 as well"),
    ("in_place", "preprocess", READY, 'images[...] = images[..., ::-1].astype("float32") - means\n    return images', "in place"),
    ("bytes", "preprocess", READY, "return (images[..., ::-1] - means.astype(images.dtype)).astype('float32')", "Convert first"),
    ("flipped_sideways", "preprocess", READY, READY.replace("[..., ::-1]", "[:, :, ::-1]"), "Blue first"),
    ("float64", "preprocess", READY, 'return images[..., ::-1].astype("float64") - means', "dtype"),
    ("library", "preprocess", READY, IN_PLACE, "without keras.applications"),
    ("library_generic", "preprocess", READY, "from keras.applications import imagenet_utils\n    return imagenet_utils.preprocess_input(images)", "without keras.applications"),
    ("own_mean", "preprocess", READY, 'ready = images[..., ::-1].astype("float32")\n    return ready - ready.mean(axis=(0, 1, 2))', "means of the images"),
    ("flip_all_axes", "preprocess", READY, READY.replace("images[..., ::-1]", "np.flip(images)"), "turned round"),
    ("added", "preprocess", READY, READY.replace("- means", "+ means"), "The means are added"),
    ("clipped", "preprocess", READY, READY.replace("return ", "return np.clip(") + ", 0, 255)", "Cut off below 0"),
    ("float64_list", "preprocess", READY, "return images[..., ::-1] - np.array(list(MEANS.values()))", "dtype"),
    ("no_return", "preprocess", READY, READY.replace("return ", "ready = "), "received None"),
    # --- extract (D7, D8, D10, T5)
    ("not_prepared", "extract", PREPARED, 'images[start : start + batch_size].astype("float32")', "not prepared"),
    ("prepared_twice", "extract", PREPARED, f"prepare({PREPARED})", "prepared twice"),
    ("shuffled", "extract", GATHERED, "return np.random.default_rng(0).permutation(np.concatenate(batches))", "their order is not"),
    ("last_batch_lost", "extract", "range(0, len(images), batch_size)", "range(0, len(images) - batch_size + 1, batch_size)", "last batch may be smaller"),
    ("augmented", "extract", PREPARED, "prepare(images[start : start + batch_size][:, :, ::-1])", "mirrored"),
    ("training_mode", "extract", BATCH, BATCH.replace("base.predict_on_batch(", "base(").replace("batch_size])", "batch_size]), training=True"), "inference mode"),
    ("pooled", "extract", GATHERED, "return np.concatenate(batches).mean(axis=(1, 2))", "nor pooled"),
    ("another_base", "extract", {BATCH: BATCH.replace("base.", "other."), "batches = [": "from cnnlab.teaching.finetuning import noisy_base\n\n    other = noisy_base()\n    batches = ["}, None, "Use the base that is given"),
    ("no_return", "extract", GATHERED, "np.concatenate(batches)", "return"),
    ("all_at_once", "extract", None, ALL_AT_ONCE, "at a time"),
    ("cached_file", "extract", GATHERED, CACHED, "keep nothing from call to call"),
    ("standardised", "extract", GATHERED, "maps = np.concatenate(batches)\n    return (maps - maps.mean(axis=0)) / (maps.std(axis=0) + 1e-7)", "standardised"),
    ("stacked", "extract", GATHERED, "return np.array(batches)", "raised an error"),
    ("shuffled_dataset", "extract", None, SHUFFLED, "their order is not"),
    ("augmented_randomly", "extract", PREPARED, f'layers.RandomFlip("horizontal")({PREPARED}, training=True)', "something random"),
    # --- build_head (A1, A2)
    ("no_hidden_activation", "build_head", HIDDEN, "layers.Dense(units)", "without an activation after hidden"),
    ("one_unit_softmax", "build_head", LAST, 'layers.Dense(1, activation="softmax")', "always 1"),
    ("sigmoid", "build_head", LAST, LAST.replace("softmax", "sigmoid"), "each unit decides for itself"),
    ("logits", "build_head", LAST, "layers.Dense(num_classes)", "logits"),
    ("softmax_twice", "build_head", f"head.add({LAST})", f"head.add({LAST})\n    head.add(layers.Softmax())", "softmax applied twice"),
    ("maximum", "build_head", AVERAGE, AVERAGE.replace("GlobalAverage", "GlobalMax"), "maximum instead of average"),
    ("always_flatten", "build_head", AVERAGE, "layers.Flatten()", "Flatten instead of"),
    ("always_average", "build_head", AVERAGE, "layers.GlobalAveragePooling2D()", "instead of Flatten"),
    ("not_pooled", "build_head", f"    head.add({AVERAGE})\n", "", "must have the shape"),
    ("linear_only", "build_head", "if units:", "if not units and units:", "without the hidden layer"),
    ("one_unit_for_two", "build_head", LAST, 'layers.Dense(1 if num_classes == 2 else num_classes, activation="softmax")', "Two classes: a sigmoid"),
    ("pooling_swapped", "build_head", 'average = pooling == "average"', 'average = pooling == "flatten"', "instead of global average pooling"),
    ("tanh", "build_head", HIDDEN, HIDDEN.replace("relu", "tanh"), "tanh in the hidden layer"),
    ("keepdims", "build_head", AVERAGE, AVERAGE.replace("2D()", "2D(keepdims=True)"), "must have the shape"),
    ("five_classes", "build_head", LAST, LAST.replace("num_classes", "5"), "must have the shape"),
    ("relu_on_output", "build_head", LAST, LAST.replace("softmax", "relu"), "no probabilities"),
    ("cached", "build_head", None, KEPT_HEAD, "share their weights"),
    # --- assemble (T3, T5)
    ("not_frozen", "assemble", FREEZE, "", "The base is not frozen"),
    ("some_frozen", "assemble", FREEZE, "    for layer in base.layers[:3]:\n        layer.trainable = False\n", "The base is not frozen"),
    ("head_frozen", "assemble", FREEZE, f"{FREEZE}    head.trainable = False\n", "The head must stay trainable"),
    ("wrapper_frozen", "assemble", {FREEZE: "", JOINED: "model = keras.Model(inputs, head(base(inputs)))\n    model.trainable = False\n    head.trainable = True\n    base.trainable = True\n    return model"}, None, "head must stay trainable"),
    ("copied", "assemble", JOINED, "copy = keras.models.clone_model(base)\n    copy.set_weights(base.get_weights())\n    copy.trainable = False\n    return keras.Model(inputs, head(copy(inputs)))", "copies"),
    ("training_mode", "assemble", JOINED, JOINED.replace("False", "True"), "training mode"),
    ("head_in_inference", "assemble", None, "class Joined(keras.Model):\n    def __init__(self, base, head):\n        super().__init__()\n        self.base, self.head = base, head\n        base.trainable = False\n\n    def call(self, x):\n        return self.head(self.base(x, training=False), training=False)\n\n\ndef assemble(base, head):\n    return Joined(base, head)\n", "dropout must act"),
    ("prepared_again", "assemble", JOINED, JOINED.replace("base(inputs,", "base(inputs / 255,"), "must give what"),
    ("no_return", "assemble", JOINED, JOINED.removeprefix("return "), "must return a keras.Model"),
    ("first_layer_of_base", "assemble", FREEZE, "    base.layers[0].trainable = False\n", "The base is not frozen"),
    ("convolutions_only", "assemble", FREEZE, "    for layer in base.layers:\n        layer.trainable = not isinstance(layer, layers.Conv2D)\n", "The base is not frozen"),
    ("misspelled", "assemble", FREEZE, "    base.trainable_weights = False\n", "raised an error"),
    ("new_head", "assemble", JOINED, 'pooled = layers.GlobalAveragePooling2D()(base.output)\n    last = layers.Dense(head.output_shape[-1], activation="softmax")\n    return keras.Model(base.input, last(pooled))', "must give what"),
    ("stop_gradient", "assemble", {FREEZE: "", JOINED: "maps = keras.ops.stop_gradient(base(inputs, training=False))\n    return keras.Model(inputs, head(maps))"}, None, "The base is not frozen"),
    ("two_outputs", "assemble", JOINED, "return keras.Model(base.input, [base.output, head(base.output)])", "One output"),
    # --- transfer (D10, T1, T3, T4, T5)
    ("no_recompile", "transfer", None, _transfer(THAWED, compiled="pass"), "silently ignored"),
    ("thawed_after_compile", "transfer", None, _transfer("compiled(rates[1])\n    second = fit(epochs[1])", compiled=f"{THAWED}\n    return history, second"), "still frozen"),
    ("frozen_after_fit", "transfer", None, _transfer(f"base.trainable = False\n    {THAWED}", first="base.trainable = True"), "not frozen in the first phase"),
    ("one_phase", "transfer", None, ONE_PHASE, "One phase only"),
    ("block5_first", "transfer", None, _transfer("pass", first=THAWED), "not frozen in the first phase"),
    ("same_rate", "transfer", ADAM, ADAM.replace("phase", "0"), "not lowered"),
    ("default_rate", "transfer", ADAM, '"adam"', "0.001 is what Keras takes"),
    ("rates_swapped", "transfer", ADAM, ADAM.replace("phase", "1 - phase"), "not lowered"),
    ("all_thawed", "transfer", THAW, "                pass\n", "whole base"),
    ("fifteen_of_wrapper", "transfer", None, _transfer("base.trainable = True\n    for layer in model.layers[:15]:\n        layer.trainable = False"), "has the base as one"),
    ("wrapper_slice_thawed", "transfer", None, _transfer("for layer in model.layers[15:]:\n        layer.trainable = True"), "still frozen"),
    ("base_still_frozen", "transfer", None, _transfer("base.get_layer('block5_conv1').name"), "still frozen"),
    ("wrong_slice", "transfer", None, _transfer("base.trainable = True\n    for layer in base.layers[:-1]:\n        layer.trainable = False"), "still frozen"),
    ("by_position", "transfer", None, _transfer("base.trainable = True\n    for layer in base.layers[:15]:\n        layer.trainable = False"), "Go by name"),
    ("one_convolution", "transfer", THAW, THAW.replace('startswith("block5")', 'startswith("block5_conv1")'), "trains the layers"),
    ("norm_thawed", "transfer", THAW, THAW.replace(" and not norm", ""), "moving mean and variance"),
    ("head_frozen", "transfer", None, _transfer(f"{THAWED}\n    model.layers[-1].trainable = False"), "head together"),
    ("one_optimizer", "transfer", None, _transfer(f"{THAWED}\n    model.optimizer.learning_rate = rates[1]", compiled='model.compile(model.optimizer, "sparse_categorical_crossentropy")'), "share one optimizer"),
    ("training_as_validation", "transfer", HELD_OUT, HELD_OUT.replace("=validation", "=training"), "another measure"),
    ("validation_augmented", "transfer", HELD_OUT, HELD_OUT.replace("=validation", "=(validation[0][:, :, ::-1], validation[1])"), "augmented"),
    ("no_validation", "transfer", HELD_OUT, "**options", "validation_data"),
    ("labels_shuffled", "transfer", GIVEN, GIVEN.replace("*training", "training[0], np.roll(training[1], 1)"), "own label"),
    ("epochs", "transfer", '"epochs": epochs[phase]', '"epochs": sum(epochs)', "epochs, as asked"),
    ("from_logits", "transfer", LOSS, "loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)", "without from_logits"),
    ("mse", "transfer", LOSS, 'loss = "mse"', "cross-entropy"),
    ("custom_loop", "transfer", None, CUSTOM_LOOP, "One phase only"),
    ("one_history", "transfer", "return histories", "return histories[1]", "two histories"),
    ("block4_too", "transfer", None, _transfer(THAWED.replace('"block5_conv"', '("block4", "block5_conv")')), "block 4 as well"),
    ("rate_assigned", "transfer", None, _transfer(THAWED, compiled="model.optimizer.learning_rate = rates[1]"), "silently ignored"),
    ("validation_split", "transfer", HELD_OUT, "validation_split=0.2, **options", "validation_data"),
    ("one_hot_loss", "transfer", LOSS, 'loss = "categorical_crossentropy"', "cross-entropy"),
    ("cloned_for_tuning", "transfer", None, _transfer(f"{THAWED}\n    model = keras.models.clone_model(model)"), "another model"),
    ("block5_first_by_name", "transfer", None, _transfer(THAWED, first=BLOCK5.replace("block5_conv", "block5")), "not frozen in the first phase"),
    ("training_plus_validation", "transfer", GIVEN, GIVEN.replace("*training", "*map(np.concatenate, zip(training, validation))"), "images; 8 are for training"),
    ("preprocessed_again", "transfer", GIVEN, GIVEN.replace("*training", "preprocess(training[0]), training[1]"), "They come prepared"),
    ("evaluated_once", "transfer", HELD_OUT, "validation_data=None if phase else validation, **options", "validation_data"),
    ('two_dense_layers_only', 'count_layers', 'for count in units:', 'for count in units[:2]:', 'three dense ones'),
    ('size_of_96', 'load_base', '(size, size, 3)', '(96, 96, 3)', '128×128'),
    ('weights_fixed', 'load_base', 'weights=weights', 'weights="shapes"', 'weights that do not exist'),
    ('first_image_only', 'preprocess', 'images[..., ::-1].astype', 'images[:1, ..., ::-1].astype', 'expected shape'),
    ('half_precision', 'extract', 'return np.concatenate(batches)', 'return np.concatenate(batches).astype("float16")', 'dtype of the maps'),
    ('units_ignored', 'build_head', 'if units:', 'if units and pooling == "flatten":', 'hidden'),
    ('not_shuffled', 'transfer', '"batch_size": 16}', '"batch_size": 16, "shuffle": False}', 'one order for all epochs'),
]

VARIANTS = [
    ("counted_up", "count_layers", CONV, "weights = 9 * channels * count\n            rows.append([[size, size, count], weights + count])"),
    ("numpy", "count_layers", POOLED, "rows.append((np.array([size, size, channels]), 0))"),
    ("tuples", "count_layers", None, TUPLES),
    ("own_choice", "load_base", f"return {LOAD}", 'shape = (size, size, 3)\n    if weights == "shapes":\n        return models.narrow_vgg16(shape)\n    return keras.applications.VGG16(include_top=False, weights=weights, input_shape=shape)'),
    ("keywords", "load_base", f"return {LOAD}", "base = models.vgg16(input_shape=(size, size, 3), weights=weights, include_top=False)\n    base.trainable = False\n    print(base.name, base.output_shape)\n    return base"),
    ("tensors", "preprocess", READY, 'return keras.ops.flip(keras.ops.cast(images, "float32"), axis=-1) - means'),
    ("stacked", "preprocess", READY, 'red, green, blue = (np.float32(images[..., k]) for k in range(3))\n    return np.stack([blue - means[0], green - means[1], red - means[2]], axis=-1)'),
    ("loop", "preprocess", READY, "ready = np.array(images, 'float32')[..., [2, 1, 0]]\n    for k in range(3):\n        ready[..., k] -= means[k]\n    return ready"),
    ("flip", "preprocess", READY, 'return np.flip(np.asarray(images, dtype="float32"), axis=-1) - np.array([MEANS[c] for c in ("blue", "green", "red")], dtype=np.float32)'),
    ("asserted", "preprocess", READY, f'assert images.shape[-1] == 3, "RGB expected"\n    {READY}'),
    ("in_model", "extract", None, IN_MODEL),
    ("mapped", "extract", {None: MAPPED, READY: READY.replace("images[..., ::-1].astype(\"float32\")", "keras.ops.cast(images[..., ::-1], \"float32\")")}, None),
    ("generator", "extract", None, GENERATOR),
    ("called", "extract", BATCH, BATCH.replace("base.predict_on_batch(", "base(").replace("batch_size])", "batch_size]), training=False")),
    ("one_by_one", "extract", None, ONE_BY_ONE),
    ("array_split", "extract", None, ARRAY_SPLIT),
    ("functional", "build_head", None, FUNCTIONAL),
    ("two_as_one", "build_head", f"head.add({LAST})", 'if num_classes == 2:\n        head.add(layers.Dense(1, activation="sigmoid"))\n    else:\n        head.add(layers.Dense(num_classes, activation="softmax"))'),
    ("he", "build_head", HIDDEN, 'layers.Dense(units, activation=keras.ops.relu, kernel_initializer="he_normal")'),
    ("average_pooling_layer", "build_head", AVERAGE, "layers.AveragePooling2D(pool_size=input_shape[:2]) if average else layers.Flatten()\n    )\n    head.add(layers.Flatten()"),
    ("with_dropout", "build_head", f"head.add({HIDDEN})", f"head.add({HIDDEN})\n        head.add(layers.Dropout(0.5))"),
    ("per_layer", "assemble", None, PER_LAYER),
    ("subclass", "assemble", None, SUBCLASS),
    ("one_graph", "assemble", JOINED, "return keras.Model(base.input, head(base.output))"),
    ("frozen_after_building", "assemble", {FREEZE: "", JOINED: JOINED.replace("return ", "model = ") + "\n    model.layers[1].trainable = False\n    return model"}, None),
    ("every_layer_and_base", "assemble", FREEZE, f"    for layer in base.layers:\n        layer.trainable = False\n{FREEZE}    assert not base.trainable_weights\n"),
    ("by_slice", "transfer", None, _transfer("base.trainable = True\n    for layer in base.layers:\n        if not layer.name.startswith('block5_conv'):\n            layer.trainable = False")),
    ("sgd", "transfer", None, _transfer(THAWED, optimizer="keras.optimizers.SGD(rate, momentum=0.9)")),
    ("one_hot", "transfer", None, ONE_HOT),
    ("datasets", "transfer", None, DATASETS),
    ("initial_epoch", "transfer", None, INITIAL_EPOCH),
    ("helper_per_phase", "transfer", None, HELPER),
    ("shuffled_dataset", "transfer", None, DATASETS.replace(".shuffle(9)", ".shuffle(len(training[0])).prefetch(1)")),
    ('epochs_go_on', 'transfer', '"epochs": epochs[phase]', '"epochs": sum(epochs[: phase + 1]), "initial_epoch": phase * epochs[0]'),
]
# fmt: on
