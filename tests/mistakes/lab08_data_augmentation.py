"""Mistakes and variants of lab 8; README.md in this folder explains the format."""

# ruff: noqa: E501 (one line each, to be read as a table)

DIGITS = '"digits": everywhere,'
TEXT = '"text": everywhere,'
XRAY = '"xray": everywhere,'
SIGNS = '"traffic_signs": everywhere,'
SATELLITE = 'everywhere | {"horizontal_flip", "vertical_flip", "any_turn"}'

TURN = "layers.RandomRotation(degrees / 360,"
SHIFT = "layers.RandomTranslation(shift, shift,"
BRIGHT = "layers.RandomBrightness(brightness, value_range=(0, 1))"
PIPELINE = "return layers.Pipeline(chosen)"
ONE_FLIP = """
def augmenter(
    horizontal_flip=False, vertical_flip=False, degrees=0, shift=0, brightness=0
):
    chosen = [
        layers.RandomRotation(degrees / 360),
        layers.RandomTranslation(shift, shift),
        layers.RandomBrightness(brightness, value_range=(0, 1)),
    ]
    if horizontal_flip and vertical_flip:
        chosen.append(layers.RandomFlip({both}))
    elif horizontal_flip or vertical_flip:
        chosen.append(layers.RandomFlip({one}))
    return layers.Pipeline(chosen)
"""
MODE = '"horizontal" if horizontal_flip else "vertical"'
FIXED = """
class Fixed(keras.layers.Layer):
    def __init__(self, chosen):
        super().__init__()
        self.chosen, self.delta = chosen, None

    def call(self, x, training=None):
        if not training:
            return x
        if self.delta is None:
            self.delta = self.chosen(x, training=True) - x
        return x + self.delta


def augmenter(
    horizontal_flip=False, vertical_flip=False, degrees=0, shift=0, brightness=0
):
    return Fixed(
        layers.Pipeline(
            [
                layers.RandomRotation(degrees / 360),
                layers.RandomTranslation(shift, shift),
                layers.RandomBrightness(brightness, value_range=(0, 1)),
            ]
        )
    )
"""
ONE_DRAW = """
class Alike(keras.layers.Layer):
    def call(self, x, training=None):
        if not training:
            return x
        return keras.ops.clip(x + keras.random.uniform((), -0.1, 0.1), 0, 1)


def augmenter(
    horizontal_flip=False, vertical_flip=False, degrees=0, shift=0, brightness=0
):
    return Alike()
"""
ALWAYS = """
class Always(keras.layers.Layer):
    def __init__(self, chosen):
        super().__init__()
        self.chosen = chosen

    def call(self, x):
        return self.chosen(x, training=True)


"""

FUNCTION = """def change(images, training=True):
        for layer in chosen:
            images = layer(images, training=training)
        return images

    return change"""
MIRROR = """
class Mirror(layers.Layer):
    def call(self, x, training=None):
        return keras.ops.flip(x, axis=2) if training else x


"""

RETURN_ENLARGE = "return (to_numpy(versions), np.repeat(y_rest, copies)), aside"
VERSIONS = "versions = augment_layer(np.repeat(x_rest, copies, axis=0), training=True)"
COPIED_FIRST = """
def enlarge(x, y, validation, copies, augment_layer, seed=0):
    many = to_numpy(augment_layer(np.repeat(x, copies, axis=0), training=True))
    labels = np.repeat(y, copies)
    order = np.random.default_rng(seed).permutation(len(many))
    rest, aside = order[validation : validation + (len(x) - validation) * copies], order[:validation]
    return (many[rest], labels[rest]), (many[aside], labels[aside])
"""
LOOP_ENLARGE = """
def enlarge(x, y, validation, copies, augment_layer, seed=0):
    order = np.random.default_rng(seed).permutation(len(x))
    aside, rest = order[:validation], order[validation:]
    images, labels = [], []
    for _ in range(copies):
        images.append(augment_layer(x[rest], training=True))
        labels.append(y[rest])
    train_set = keras.ops.concatenate(images), np.concatenate(labels)
    return train_set, (x[aside], y[aside])
"""

LOAD = "dataset = dataset.map(lambda image, label: (load(image), label)).cache()"
NO_CACHE = "dataset = dataset.map(lambda image, label: (load(image), label))"
SHUFFLE = "dataset = dataset.shuffle(len(x)).batch(batch_size)"
AUGMENT = "lambda images, labels: (augment_layer(images, training=True), labels),"
LAST = "return dataset.prefetch(tf.data.AUTOTUNE)"
PER_IMAGE = """
def batches(x, y, load, augment_layer, batch_size):
    def changed(image, label):
        return augment_layer(image, training=True), label

    dataset = tf.data.Dataset.zip(
        (tf.data.Dataset.from_tensor_slices(x).map(load), tf.data.Dataset.from_tensor_slices(y))
    )
    dataset = dataset.cache().shuffle(10_000)
    if augment_layer:
        dataset = dataset.map(changed)
    return dataset.batch(batch_size)
"""

AUGMENT_CACHED = """
def batches(x, y, load, augment_layer, batch_size):
    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    dataset = dataset.map(lambda image, label: (load(image), label))
    if augment_layer is not None:
        dataset = dataset.map(lambda i, label: (augment_layer(i, training=True), label))
    return dataset.cache().shuffle(len(x)).batch(batch_size)
"""

MIX_X = "in_x * x + (1 - in_x) * x[partner],"
MIX_Y = "in_y * y + (1 - in_y) * y[partner],"
MIXUP_PARTNER = "partner = rng.permutation(len(x))\n    share = rng"
BETA = 'share = rng.beta(alpha, alpha, len(x)).astype("float32")'
LOOP_MIXUP = """
def mixup(x, y, alpha, rng):
    images, labels = [], []
    for k, j in enumerate(rng.permutation(len(x))):
        lam = rng.beta(alpha, alpha)
        images.append(lam * x[k] + (1 - lam) * x[j])
        labels.append(lam * y[k] + (1 - lam) * y[j])
    return keras.ops.stack(images), keras.ops.stack(labels)
"""
IN_PLACE = """
def mixup(x, y, alpha, rng):
    partner, share = rng.permutation(len(x)), rng.beta(alpha, alpha, len(x))
    for k, j in enumerate(partner):
        x[k] = share[k] * x[k] + (1 - share[k]) * x[j]
        y[k] = share[k] * y[k] + (1 - share[k]) * y[j]
    return x, y
"""

SIDE = "side = np.sqrt(1 - rng.beta(alpha, alpha))"
CENTRE = "row, column = rng.integers(height), rng.integers(width)"
PASTE = "mixed[k, rows, columns] = x[partner[k], rows, columns]"
LEFT = "share[k] = 1 - pasted.mean()"
RETURN_CUTMIX = "return mixed, share * y + (1 - share) * y[partner]"
MASKS = """
def cutmix(x, y, alpha, rng):
    n, height, width, _ = x.shape
    order = rng.permutation(n)
    half = np.sqrt(1 - rng.beta(alpha, alpha, n)) / 2
    inside = []
    for axis, size in ((1, height), (2, width)):
        centre = rng.uniform(0, size, n)
        away = np.abs(np.arange(size) + 0.5 - centre[:, None])
        inside.append(away < (half * size)[:, None])
    box = (inside[0][:, :, None] & inside[1][:, None, :])[..., None]
    share = 1 - box.mean(axis=(1, 2, 3))[:, None]
    return np.where(box, x[order], x), share * y + (1 - share) * y[order]
"""

MEAN = "return np.mean([model.predict(view(x), verbose=0) for view in views], axis=0)"


def _tta(line: str) -> str:
    return f"def tta(model, x, views):\n    seen = [model.predict(v(x), verbose=0) for v in views]\n    {line}\n"


SUBCLASS = """
class Augmented(keras.Model):
    def __init__(self, *parts):
        super().__init__()
        self.augment, self.backbone, self.head = parts

    def call(self, x{argument}):
        return self.head(self.backbone(self.augment(x, training={training})))


def in_model(augment_layer, backbone, head):
    return Augmented(augment_layer, backbone, head)
"""
INSIDE = "return keras.Model(inputs, head(backbone(augment_layer(inputs))))"

# fmt: off
MISTAKES = [
    # --- keeps_label (D10)
    ("digits_mirrored", "keeps_label", DIGITS, '"digits": everywhere | {"horizontal_flip"},', "a mirrored 2 is taken for a 5"),
    ("digits_upside_down", "keeps_label", DIGITS, '"digits": everywhere | {"vertical_flip"},', "a 6 upside down"),
    ("digits_any_turn", "keeps_label", DIGITS, '"digits": everywhere | {"any_turn"},', "at 180 degrees a 6 is a 9"),
    ("text_mirrored", "keeps_label", TEXT, '"text": everywhere | {"horizontal_flip"},', "a mirrored b is a d"),
    ("xray_upside_down", "keeps_label", XRAY, '"xray": everywhere | {"vertical_flip"},', "upside down"),
    ("signs_mirrored", "keeps_label", SIGNS, '"traffic_signs": everywhere | {"horizontal_flip"},', "turn left becomes turn right"),
    ("signs_hue", "keeps_label", SIGNS, '"traffic_signs": everywhere | {"hue"},', "red forbids"),
    ("satellite_timid", "keeps_label", SATELLITE, 'everywhere | {"horizontal_flip"}', "no up and down"),
    ("everything", "keeps_label", None, "def keeps_label():\n    return {kind: set(TRANSFORMS) for kind in KINDS}\n", "changes the label"),
    ("nothing", "keeps_label", None, "def keeps_label():\n    return {kind: set() for kind in KINDS}\n", "left out"),
    ("kind_missing", "keeps_label", "        " + XRAY + "\n", "", "with the keys"),
    ("unknown_name", "keeps_label", 'everywhere = {"small_turn",', 'everywhere = {"small turn",', "no names of TRANSFORMS"),
    ("library", "keeps_label", "return {\n", "augment.rules('text')\n    return {\n", "cnnlab.augment"),
    ("no_brightness", "keeps_label", 'everywhere = {"small_turn", "shift", "brightness"}', 'everywhere = {"small_turn", "shift"}', "you left out keep"),
    ("text_any_turn", "keeps_label", TEXT, '"text": everywhere | {"any_turn"},', "at 90 degrees a Z is an N"),
    ("inverted", "keeps_label", None, 'def keeps_label():\n    everywhere = {"horizontal_flip", "vertical_flip", "any_turn", "hue"}\n    return {kind: everywhere for kind in KINDS}\n', "changes the label"),
    ("text_for_set", "keeps_label", TEXT, '"text": "small_turn, shift, brightness",', "instead of a set of names"),
    ("checks_asked", "keeps_label", "return {\n", "check.verdict('text', 'hue')\n    return {\n", "cnnlab.checks"),
    # --- augmenter (D10)
    ("half_turns", "augmenter", TURN, TURN.replace("360", "180"), "degrees / 360"),
    ("radians", "augmenter", TURN, "layers.RandomRotation(np.radians(degrees),", "degrees / 360"),
    ("per_cent", "augmenter", TURN, TURN.replace("360", "100"), "once around"),
    ("value_range", "augmenter", BRIGHT, "layers.RandomBrightness(brightness)", "value_range=(0, 1)"),
    ("both_flips_for_one", "augmenter", 'layers.RandomFlip("horizontal")', "layers.RandomFlip()", "half a turn"),
    ("flips_together", "augmenter", None, ONE_FLIP.format(both="", one=MODE), "come together"),
    ("flips_swapped", "augmenter", {'layers.RandomFlip("horizontal")': 'layers.RandomFlip("up")', 'layers.RandomFlip("vertical")': 'layers.RandomFlip("horizontal")', 'layers.RandomFlip("up")': 'layers.RandomFlip("vertical")'}, None, "upside down"),
    ("down_only", "augmenter", SHIFT, "layers.RandomTranslation(shift, 0,", "two factors"),
    ("also_in_tests", "augmenter", {"def augmenter(": ALWAYS + "def augmenter(", PIPELINE: "return Always(layers.Pipeline(chosen))"}, None, "outside of training"),
    ("never", "augmenter", PIPELINE, "return layers.Identity()", "come out as they went in"),
    ("one_fixed", "augmenter", None, FIXED, "one fixed transformation"),
    ("one_draw", "augmenter", None, ONE_DRAW, "in the same way"),
    ("list", "augmenter", PIPELINE, "return chosen", "makes one of a list"),
    ("library", "augmenter", PIPELINE, 'return augment.pipeline("flowers")', "cnnlab.augment"),
    ("one_way_shift", "augmenter", SHIFT, "layers.RandomTranslation((0, shift), (0, shift),", "limit to both sides"),
    ("one_way_turn", "augmenter", TURN, "layers.RandomRotation((0, degrees / 360),", "limit to both sides"),
    ("one_way_brightness", "augmenter", BRIGHT, BRIGHT.replace("(brightness", "((0, brightness)"), "limit to both sides"),
    ("exactly_degrees", "augmenter", TURN, "layers.RandomRotation((degrees / 360, degrees / 360),", "limit to both sides"),
    ("contrast", "augmenter", BRIGHT, "layers.RandomContrast(brightness)", "RandomBrightness"),
    ("zoom_for_shift", "augmenter", SHIFT, "layers.RandomZoom(shift, shift,", "two factors"),
    ("function_returned", "augmenter", PIPELINE, FUNCTION, "must give a layer or model"),
    ("scaled_by_255", "augmenter", BRIGHT, "layers.RandomBrightness(brightness / 255)", "white brighter than 1"),
    ("flip_always", "augmenter", {"def augmenter(": MIRROR + "def augmenter(", 'layers.RandomFlip("horizontal")': "Mirror()"}, None, "mirrors 100%"),
    ("flip_flags_ignored", "augmenter", None, 'def augmenter(horizontal_flip=False, vertical_flip=False, degrees=0, shift=0, brightness=0):\n    return keras.Sequential([layers.RandomFlip("horizontal_and_vertical"), layers.RandomRotation(degrees / 360), layers.RandomTranslation(shift, shift), layers.RandomBrightness(brightness, value_range=(0, 1))])\n', "turns by"),
    # --- enlarge (D2)
    ("before_the_split", "enlarge", None, COPIED_FIRST, "Split before you augment"),
    ("validation_too", "enlarge", RETURN_ENLARGE, RETURN_ENLARGE.replace("aside", "(to_numpy(augment_layer(aside[0], training=True)), aside[1])"), "Validation images were augmented"),
    ("training_forgotten", "enlarge", VERSIONS, VERSIONS.replace("training=True", "training=False"), "training=True"),
    ("augmented_once", "enlarge", VERSIONS, "versions = np.repeat(to_numpy(augment_layer(x_rest, training=True)), copies, axis=0)", "Repeat first, then augment"),
    ("labels_tiled", "enlarge", RETURN_ENLARGE, RETURN_ENLARGE.replace("np.repeat(", "np.tile("), "abcabc"),
    ("not_copied", "enlarge", {VERSIONS: VERSIONS.replace("copies,", "1,"), RETURN_ENLARGE: RETURN_ENLARGE.replace("copies", "1")}, None, "each becomes three"),
    ("seed_ignored", "enlarge", "validation=validation, seed=seed)", "validation=validation)", "Hand the seed on"),
    ("unseeded_choice", "enlarge", None, 'def enlarge(x, y, validation, copies, augment_layer, seed=0):\n    order = np.random.permutation(len(x))\n    a, r = order[:validation], order[validation:]\n    versions = augment_layer(np.repeat(x[r], copies, axis=0), training=True)\n    return (to_numpy(versions), np.repeat(y[r], copies)), (x[a], y[a])\n', "Hand the seed on"),
    ("original_counts_as_copy", "enlarge", None, 'def enlarge(x, y, validation, copies, augment_layer, seed=0):\n    (x_rest, y_rest), aside = data.split(x, y, validation=validation, seed=seed)\n    versions = to_numpy(augment_layer(np.repeat(x_rest, copies - 1, axis=0), training=True))\n    return (np.concatenate([x_rest, versions]), np.concatenate([y_rest, np.repeat(y_rest, copies - 1)])), aside\n', "are originals"),
    ("fraction", "enlarge", None, 'def enlarge(x, y, validation, copies, augment_layer, seed=0):\n    n = int(validation * len(x))\n    (x_rest, y_rest), aside = data.split(x, y, validation=n, seed=seed)\n    versions = augment_layer(np.repeat(x_rest, copies, axis=0), training=True)\n    return (to_numpy(versions), np.repeat(y_rest, copies)), aside\n', "raised an error"),
    ("validation_copied", "enlarge", None, 'def enlarge(x, y, validation, copies, augment_layer, seed=0):\n    (x_rest, y_rest), (x_val, y_val) = data.split(x, y, validation=validation, seed=seed)\n    versions = augment_layer(np.repeat(x_rest, copies, axis=0), training=True)\n    return (to_numpy(versions), np.repeat(y_rest, copies)), (np.repeat(x_val, copies, axis=0), np.repeat(y_val, copies))\n', "each becomes three"),
    ("validation_from_training", "enlarge", None, 'def enlarge(x, y, validation, copies, augment_layer, seed=0):\n    _, aside = data.split(x, y, validation=validation, seed=seed)\n    n = len(x) - validation\n    versions = augment_layer(np.repeat(x[:n], copies, axis=0), training=True)\n    return (to_numpy(versions), np.repeat(y[:n], copies)), aside\n', "Split before you augment"),
    # --- batches (D10)
    ("augment_cached", "batches", None, AUGMENT_CACHED, "one fixed version"),
    ("all_cached", "batches", LAST, "return dataset.cache().prefetch(1)", "cache() first, then shuffle()"),
    ("shuffle_cached", "batches", {LOAD: NO_CACHE, SHUFFLE: SHUFFLE.replace(".batch", ".cache().batch")}, None, "cache() first, then shuffle()"),
    ("no_cache", "batches", LOAD, NO_CACHE, "remembers what stands before"),
    ("no_shuffle", "batches", SHUFFLE, "dataset = dataset.batch(batch_size)", "wait for all of them"),
    ("small_buffer", "batches", SHUFFLE, SHUFFLE.replace("len(x)", "4"), "wait for all of them"),
    ("shuffled_batches", "batches", SHUFFLE, "dataset = dataset.batch(batch_size).shuffle(len(x))", "Shuffle images, not batches"),
    ("same_order", "batches", SHUFFLE, SHUFFLE.replace("len(x))", "len(x), seed=1, reshuffle_each_iteration=False)"), "order of the first one"),
    ("training_forgotten", "batches", AUGMENT, AUGMENT.replace("training=True", "training=False"), "does not know that it is training"),
    ("not_augmented", "batches", "if augment_layer is not None:", "if False:", "not augmented"),
    ("repeated", "batches", LAST, "return dataset.repeat(2)", "no repeat()"),
    ("remainder_dropped", "batches", SHUFFLE, SHUFFLE.replace("batch_size)", "batch_size, drop_remainder=True)"), "nothing dropped"),
    ("labels_astray", "batches", "from_tensor_slices((x, y))", "from_tensor_slices((x, y[::-1]))", "do not belong"),
    ("buffer_of_100", "batches", SHUFFLE, SHUFFLE.replace("len(x)", "100"), "wait for all of them"),
    ("buffer_of_batches", "batches", SHUFFLE, SHUFFLE.replace("len(x)", "len(x) // batch_size"), "wait for all of them"),
    ("shuffle_not_assigned", "batches", SHUFFLE, "dataset.shuffle(len(x))\n    dataset = dataset.batch(batch_size)", "gives a new one"),
    ("augment_not_assigned", "batches", None, 'def batches(x, y, load, augment_layer, batch_size):\n    dataset = tf.data.Dataset.from_tensor_slices((x, y))\n    dataset = dataset.map(lambda image, label: (load(image), label))\n    dataset = dataset.cache()\n    dataset = dataset.shuffle(len(x))\n    dataset = dataset.batch(batch_size)\n    if augment_layer is not None:\n        dataset.map(lambda i, t: (augment_layer(i, training=True), t))\n    return dataset.prefetch(tf.data.AUTOTUNE)\n', "not augmented"),
    ("cache_first_of_all", "batches", None, 'def batches(x, y, load, augment_layer, batch_size):\n    dataset = tf.data.Dataset.from_tensor_slices((x, y))\n    dataset = dataset.cache()\n    dataset = dataset.map(lambda image, label: (load(image), label))\n    dataset = dataset.shuffle(len(x))\n    dataset = dataset.batch(batch_size)\n    if augment_layer is not None:\n        dataset = dataset.map(lambda i, t: (augment_layer(i, training=True), t))\n    return dataset.prefetch(tf.data.AUTOTUNE)\n', "remembers what stands before"),
    ("load_in_augment_map", "batches", None, 'def batches(x, y, load, augment_layer, batch_size):\n    def prepare(image, label):\n        image = load(image)\n        if augment_layer is not None:\n            image = augment_layer(image, training=True)\n        return image, label\n    dataset = tf.data.Dataset.from_tensor_slices((x, y))\n    return dataset.cache().shuffle(len(x)).map(prepare).batch(batch_size).prefetch(1)\n', "remembers what stands before"),
    ("labels_left_out", "batches", None, 'def batches(x, y, load, augment_layer, batch_size):\n    dataset = tf.data.Dataset.from_tensor_slices(x).map(load).cache().shuffle(len(x)).batch(batch_size)\n    if augment_layer is not None:\n        dataset = dataset.map(lambda i: augment_layer(i, training=True))\n    return dataset\n', "pairs of images and labels"),
    ("shuffled_once", "batches", None, 'def batches(x, y, load, augment_layer, batch_size):\n    order = np.random.permutation(len(x))\n    dataset = tf.data.Dataset.from_tensor_slices((x[order], y[order]))\n    dataset = dataset.map(lambda image, label: (load(image), label)).cache().batch(batch_size)\n    if augment_layer is not None:\n        dataset = dataset.map(lambda i, t: (augment_layer(i, training=True), t))\n    return dataset\n', "order of the first one"),
    ("load_by_batch", "batches", None, 'def batches(x, y, load, augment_layer, batch_size):\n    dataset = tf.data.Dataset.from_tensor_slices((x, y))\n    dataset = dataset.batch(batch_size)\n    dataset = dataset.map(lambda image, label: (load(image), label))\n    dataset = dataset.cache()\n    dataset = dataset.shuffle(len(x))\n    if augment_layer is not None:\n        dataset = dataset.map(lambda i, t: (augment_layer(i, training=True), t))\n    return dataset.prefetch(tf.data.AUTOTUNE)\n', "map() with load first"),
    # --- mixup
    ("labels_not_mixed", "mixup", MIX_Y, "y,", "the labels are not"),
    ("other_partner", "mixup", MIX_Y, MIX_Y.replace("y[partner]", "y[rng.permutation(len(x))]"), "different partners"),
    ("other_share", "mixup", "in_x, in_y = share[:, None, None, None], share[:, None]", "in_x, in_y = share[:, None, None, None], rng.beta(alpha, alpha, (len(x), 1))", "not those in the image"),
    ("share_swapped", "mixup", MIX_Y, "(1 - in_y) * y + in_y * y[partner],", "own share"),
    ("uniform", "mixup", BETA, "share = rng.random(len(x))", "rng.beta"),
    ("one_parameter", "mixup", BETA, BETA.replace("alpha, alpha", "alpha, 1"), "symmetric"),
    ("not_a_mixture", "mixup", MIX_X, "in_x * x + x[partner],", "add up to 1"),
    ("not_mixed", "mixup", MIXUP_PARTNER, "partner = np.arange(len(x))\n    share = rng", "as they went in"),
    ("in_place", "mixup", None, IN_PLACE, "changes what it was given"),
    ("per_pixel", "mixup", {"share[:, None, None, None]": "rng.beta(alpha, alpha, (len(x), *x.shape[1:3], 1))"}, None, "labels do not follow"),
    ("own_rng", "mixup", MIXUP_PARTNER, "partner = np.random.permutation(len(x))\n    share = rng", "Draw from rng only"),
    ("library", "mixup", None, "def mixup(x, y, alpha, rng):\n    return augment.mixup(x, y, alpha=alpha, seed=int(rng.integers(9999)))\n", "cnnlab.augment"),
    ("layer", "mixup", MIXUP_PARTNER, 'if alpha > 9:\n        return layers.MixUp(alpha)({"images": x, "labels": y})\n    ' + MIXUP_PARTNER, "keras.layers.MixUp"),
    ("rng_reset", "mixup", None, 'def mixup(x, y, alpha, rng):\n    n, rng = len(x), np.random.default_rng(0)\n    partner = rng.permutation(n)\n    lam = rng.beta(alpha, alpha, size=n)\n    x2 = lam.reshape(n, 1, 1, 1) * x + (1 - lam).reshape(n, 1, 1, 1) * x[partner]\n    y2 = lam.reshape(n, 1) * y + (1 - lam).reshape(n, 1) * y[partner]\n    return x2, y2\n', "goes on from batch to batch"),
    ("hard_labels", "mixup", None, 'def mixup(x, y, alpha, rng):\n    n = len(x)\n    partner = rng.permutation(n)\n    lam = rng.beta(alpha, alpha, size=n)\n    x2 = lam.reshape(n, 1, 1, 1) * x + (1 - lam).reshape(n, 1, 1, 1) * x[partner]\n    y2 = np.where(lam.reshape(n, 1) > 0.5, y, y[partner])\n    return x2, y2\n', "not those in the image"),
    ("labels_no_reshape", "mixup", None, 'def mixup(x, y, alpha, rng):\n    n = len(x)\n    partner = rng.permutation(n)\n    lam = rng.beta(alpha, alpha, size=n)\n    x2 = lam.reshape(n, 1, 1, 1) * x + (1 - lam).reshape(n, 1, 1, 1) * x[partner]\n    y2 = lam * y + (1 - lam) * y[partner]\n    return x2, y2\n', "labels do not follow"),
    ("permuted_twice", "mixup", None, 'def mixup(x, y, alpha, rng):\n    n = len(x)\n    a, b = rng.permutation(n), rng.permutation(n)\n    lam = rng.beta(alpha, alpha, size=n)\n    x2 = lam.reshape(n, 1, 1, 1) * x[a] + (1 - lam).reshape(n, 1, 1, 1) * x[b]\n    y2 = lam.reshape(n, 1) * y[a] + (1 - lam).reshape(n, 1) * y[a[b]]\n    return x2, y2\n', "labels do not follow"),
    ("alpha_as_share", "mixup", BETA, "share = np.full(len(x), alpha)", "on average"),
    ("gaussian", "mixup", None, 'def mixup(x, y, alpha, rng):\n    n = len(x)\n    partner = rng.permutation(n)\n    lam = np.clip(rng.normal(0.5, alpha / 2, size=n), 0, 1)\n    x2 = lam.reshape(n, 1, 1, 1) * x + (1 - lam).reshape(n, 1, 1, 1) * x[partner]\n    y2 = lam.reshape(n, 1) * y + (1 - lam).reshape(n, 1) * y[partner]\n    return x2, y2\n', "no other distribution"),
    ("lambda_swapped", "mixup", MIX_X, "(1 - in_x) * x + in_x * x[partner],", "own share"),
    # --- cutmix
    ("labels_not_mixed", "cutmix", RETURN_CUTMIX, "return mixed, y", "the labels are not"),
    ("unclipped_share", "cutmix", LEFT, "share[k] = 1 - side**2", "not those in the image"),
    ("share_swapped", "cutmix", LEFT, "share[k] = pasted.mean()", "own share"),
    ("no_root", "cutmix", SIDE, SIDE.replace("np.sqrt(1 - rng.beta(alpha, alpha))", "1 - rng.beta(alpha, alpha)"), "np.sqrt"),
    ("corner", "cutmix", CENTRE, "row, column = 0, 0", "any pixel"),
    ("blended", "cutmix", PASTE, "mixed[k, rows, columns] = (x[k, rows, columns] + x[partner[k], rows, columns]) / 2", "labels do not follow"),
    ("in_place", "cutmix", "mixed, share = x.copy(), np.ones", "mixed, share = x, np.ones", "changes what it was given"),
    ("never_pasted", "cutmix", PASTE, "pass", "as they went in"),
    ("library", "cutmix", None, "def cutmix(x, y, alpha, rng):\n    return augment.cutmix(x, y, alpha=alpha, seed=int(rng.integers(9999)))\n", "cnnlab.augment"),
    ("axes_swapped", "cutmix", "height, width = x.shape[1:3]", "width, height = x.shape[1:3]", "labels do not follow"),
    ("box_inside", "cutmix", None, 'def cutmix(x, y, alpha, rng):\n    partner = rng.permutation(len(x))\n    h, w = x.shape[1:3]\n    out = x.copy()\n    share = np.ones((len(x), 1))\n    for k in range(len(x)):\n        lam = rng.beta(alpha, alpha)\n        bh, bw = round(h * np.sqrt(1 - lam)), round(w * np.sqrt(1 - lam))\n        r1 = rng.integers(h - bh + 1); r2 = r1 + bh\n        c1 = rng.integers(w - bw + 1); c2 = c1 + bw\n        out[k, r1:r2, c1:c2] = x[partner[k], r1:r2, c1:c2]\n        share[k] = 1 - (r2 - r1) * (c2 - c1) / (h * w)\n    return out, share * y + (1 - share) * y[partner]\n', "cut off"),
    ("negative_slice", "cutmix", None, 'def cutmix(x, y, alpha, rng):\n    partner = rng.permutation(len(x))\n    h, w = x.shape[1:3]\n    out = x.copy()\n    share = np.ones((len(x), 1))\n    for k in range(len(x)):\n        lam = rng.beta(alpha, alpha)\n        r, c = rng.integers(h), rng.integers(w)\n        bh, bw = h * np.sqrt(1 - lam), w * np.sqrt(1 - lam)\n        r1, r2 = round(r - bh / 2), round(r + bh / 2)\n        c1, c2 = round(c - bw / 2), round(c + bw / 2)\n        out[k, r1:r2, c1:c2] = x[partner[k], r1:r2, c1:c2]\n        share[k] = 1 - (r2 - r1) * (c2 - c1) / (h * w)\n    return out, share * y + (1 - share) * y[partner]\n', "not those in the image"),
    ("other_partner", "cutmix", RETURN_CUTMIX, RETURN_CUTMIX.replace("y[partner]", "y[rng.permutation(len(x))]"), "different partners"),
    ("full_width", "cutmix", None, 'def cutmix(x, y, alpha, rng):\n    partner = rng.permutation(len(x))\n    h, w = x.shape[1:3]\n    out = x.copy()\n    share = np.ones((len(x), 1))\n    for k in range(len(x)):\n        lam = rng.beta(alpha, alpha)\n        r, c = rng.integers(h), rng.integers(w)\n        bh, bw = h * (1 - lam), 2 * w\n        r1, r2 = max(0, round(r - bh / 2)), min(h, round(r + bh / 2))\n        c1, c2 = max(0, round(c - bw / 2)), min(w, round(c + bw / 2))\n        out[k, r1:r2, c1:c2] = x[partner[k], r1:r2, c1:c2]\n        share[k] = 1 - (r2 - r1) * (c2 - c1) / (h * w)\n    return out, share * y + (1 - share) * y[partner]\n', "upper edge"),
    ("own_image_pasted", "cutmix", PASTE, "mixed[k, rows, columns] = x[k, rows, columns]", "as they went in"),
    ("own_generator", "cutmix", SIDE, SIDE.replace("rng.beta", "np.random.beta"), "Draw from rng only"),
    # --- tta
    ("class_numbers", "tta", None, _tta("return np.mean([p.argmax(1) for p in seen], axis=0)"), "Class numbers were averaged"),
    ("votes", "tta", None, _tta("return np.mean([np.eye(3)[p.argmax(1)] for p in seen], axis=0)"), "shares of votes"),
    ("sum", "tta", None, _tta("return np.sum(seen, axis=0)"), "add up to 3"),
    ("geometric", "tta", None, _tta("return np.exp(np.mean(np.log(seen), axis=0))"), "Average p, not log p"),
    ("first_view", "tta", None, _tta("return seen[0]"), "Only the first view"),
    ("over_images", "tta", None, _tta("return np.broadcast_to(np.mean(seen, axis=(0, 1)), seen[0].shape)"), "over the images"),
    ("training", "tta", MEAN, "return np.mean([model(view(x), training=True) for view in views], axis=0)", "training mode"),
    ("library", "tta", MEAN, "return augment.tta(model, x, list(views))", "cnnlab.augment"),
    ("late_binding", "tta", None, 'def tta(model, x, views):\n    asks = []\n    for view in views:\n        asks.append(lambda: model.predict(view(x), verbose=0))\n    return np.mean([ask() for ask in asks], axis=0)\n', "Only the last view"),
    ("median", "tta", None, _tta("return np.median(seen, axis=0)"), "median of the views"),
    ("softmax_again", "tta", None, _tta("return to_numpy(keras.ops.softmax(np.mean(seen, axis=0)))"), "second softmax"),
    ("chained", "tta", None, 'def tta(model, x, views):\n    total = 0\n    for view in views:\n        x = view(x)\n        total = total + model.predict(x, verbose=0)\n    return total / len(views)\n', "Every view is one of x itself"),
    ("divided_by_images", "tta", None, _tta("return sum(seen) / len(x)"), "number of images"),
    ("always_three", "tta", None, _tta("return sum(seen[:3]) / 3"), "tta with 5 views"),
    # --- in_model (D10)
    ("features", "in_model", INSIDE, "return keras.Model(inputs, head(augment_layer(backbone(inputs))))", "Features are augmented"),
    ("tests_too", "in_model", None, SUBCLASS.format(argument="", training=True), "tests would be random"),
    ("left_out", "in_model", INSIDE, "return keras.Model(inputs, head(backbone(inputs)))", "not augmented"),
    ("never", "in_model", None, SUBCLASS.format(argument="", training=False), "not augmented"),
    ("twice", "in_model", INSIDE, INSIDE.replace("augment_layer(inputs)", "augment_layer(augment_layer(inputs))"), "Augment once"),
    ("backbone_frozen", "in_model", INSIDE, "backbone.trainable = False\n    " + INSIDE, "Freeze nothing"),
    ("no_head", "in_model", INSIDE, "return keras.Model(inputs, backbone(augment_layer(inputs)))", "expected shape (4, 4)"),
    ("batch_in_shape", "in_model", "keras.Input(backbone.input_shape[1:])", "keras.Input(backbone.input_shape)", "raised an error"),
    ('alpha_ignored', 'cutmix', 'side = np.sqrt(1 - rng.beta(alpha, alpha))', 'side = np.sqrt(1 - rng.beta(1, 1))', 'whatever alpha is'),
    ('one_option_only', 'augmenter', '    if shift:', '    elif shift:', 'Asked for everything at once'),
]

VARIANTS = [
    ("lists_and_open_ones", "keeps_label", {DIGITS: '"digits": ["small_turn", "shift", "brightness", "hue"],', SATELLITE: '{*TRANSFORMS}'}, None),
    ("open_ones", "keeps_label", {'everywhere | {"horizontal_flip"}': 'everywhere | {"horizontal_flip", "vertical_flip", "any_turn", "hue"}', XRAY: '"xray": everywhere | {"horizontal_flip"},'}, None),
    ("sequential", "augmenter", PIPELINE, "return keras.Sequential(chosen)"),
    ("modes", "augmenter", None, ONE_FLIP.format(both='"horizontal"', one=MODE).replace("    elif", "        chosen.append(layers.RandomFlip('vertical'))\n    elif")),
    ("functional", "augmenter", PIPELINE, "x = inputs = keras.Input((None, None, 3))\n    for layer in chosen:\n        x = layer(x)\n    return keras.Model(inputs, x)"),
    ("loop", "enlarge", None, LOOP_ENLARGE),
    ("per_image", "batches", None, PER_IMAGE),
    ("cached_batches", "batches", {LOAD: NO_CACHE + ".cache()", LAST: "return dataset"}, None),
    ("loop", "mixup", None, LOOP_MIXUP),
    ("one_share_per_batch", "mixup", BETA, "share = np.full(len(x), rng.beta(alpha, alpha))"),
    ("reversed_batch", "mixup", MIXUP_PARTNER, "partner = np.arange(len(x))[::-1]\n    share = rng"),
    ("masks", "cutmix", None, MASKS),
    ("beta_mirrored", "cutmix", SIDE, "side = rng.beta(alpha, alpha) ** 0.5"),
    ("running_mean", "tta", MEAN, "total = 0\n    for view in views:\n        total = total + model(view(x), training=False) / len(views)\n    return total"),
    ("stacked", "tta", MEAN, "return keras.ops.mean(keras.ops.stack([model(keras.ops.convert_to_tensor(view(x))) for view in views]), axis=0)"),
    ("subclass", "in_model", None, SUBCLASS.format(argument=", training=False", training="training")),
    ("sequential", "in_model", INSIDE, "return keras.Sequential([inputs, augment_layer, backbone, head])"),
    ("frozen_sets_with_open", "keeps_label", None, 'def keeps_label():\n    base = frozenset({"small_turn", "shift", "brightness"})\n    return {k: base.union({"hue"} if k not in ("traffic_signs",) else set(), {"horizontal_flip"} if k in ("flowers", "satellite") else set(), {"vertical_flip", "any_turn"} if k in ("flowers", "satellite") else set()) for k in KINDS}\n'),
    ("radians_as_turns", "augmenter", None, 'def augmenter(horizontal_flip=False, vertical_flip=False, degrees=0, shift=0, brightness=0):\n    steps = []\n    if horizontal_flip:\n        steps.append(layers.RandomFlip("horizontal"))\n    if vertical_flip:\n        steps.append(layers.RandomFlip("vertical"))\n    if degrees:\n        steps.append(layers.RandomRotation(np.deg2rad(degrees) / (2 * np.pi), fill_mode=\'nearest\', interpolation=\'nearest\'))\n    if shift:\n        steps.append(layers.RandomTranslation(shift, shift))\n    if brightness:\n        steps.append(layers.RandomBrightness(brightness, value_range=(0, 1)))\n    return keras.Sequential(steps)\n'),
    ("model_subclass", "augmenter", None, 'class Augmenter(keras.Model):\n    def __init__(self, steps, **kwargs):\n        super().__init__(**kwargs)\n        self.steps = steps\n\n    def call(self, inputs, training=None):\n        x = inputs\n        for step in self.steps:\n            x = step(x, training=training)\n        return x\n\n\ndef augmenter(horizontal_flip=False, vertical_flip=False, degrees=0, shift=0, brightness=0):\n    steps = []\n    if horizontal_flip:\n        steps.append(layers.RandomFlip("horizontal"))\n    if vertical_flip:\n        steps.append(layers.RandomFlip("vertical"))\n    if degrees:\n        steps.append(layers.RandomRotation(degrees / 360))\n    if shift:\n        steps.append(layers.RandomTranslation(shift, shift))\n    if brightness:\n        steps.append(layers.RandomBrightness(brightness, value_range=(0, 1)))\n    return Augmenter(steps)\n'),
    ("list_comprehension", "augmenter", None, "def augmenter(horizontal_flip=False, vertical_flip=False, degrees=0, shift=0, brightness=0):\n    table = [(horizontal_flip, lambda: layers.RandomFlip('horizontal')), (vertical_flip, lambda: layers.RandomFlip('vertical')), (degrees, lambda: layers.RandomRotation(degrees / 360)), (shift, lambda: layers.RandomTranslation(shift, shift)), (brightness, lambda: layers.RandomBrightness(brightness, value_range=(0, 1)))]\n    return layers.Pipeline([make() for wanted, make in table if wanted])\n"),
    ("rng_tensors", "enlarge", None, "def enlarge(x, y, validation, copies, augment_layer, seed=0):\n    rng = np.random.default_rng(seed)\n    melange = rng.permutation(len(y))\n    garde, reste = melange[-validation:], melange[:-validation]\n    assert not set(garde) & set(reste), 'fuite !'\n    copies_x = keras.ops.repeat(keras.ops.convert_to_tensor(x[reste]), copies, axis=0)\n    return (augment_layer(copies_x, training=True), keras.ops.repeat(y[reste], copies, axis=0)), (x[garde], y[garde])\n"),
    ("eager_load", "batches", None, 'def batches(x, y, load, augment_layer, batch_size):\n    geladen = tf.stack([load(image) for image in x])\n    dataset = tf.data.Dataset.from_tensor_slices((geladen, y)).shuffle(len(x), reshuffle_each_iteration=True).batch(batch_size)\n    if augment_layer is not None:\n        dataset = dataset.map(lambda i, t: (augment_layer(i, training=True), t))\n    return dataset\n'),
    ("cardinality", "batches", None, 'def batches(x, y, load, augment_layer, batch_size):\n    dataset = tf.data.Dataset.from_tensor_slices((x, y))\n    dataset = dataset.map(lambda image, label: (load(image), label))\n    dataset = dataset.cache()\n    dataset = dataset.shuffle(dataset.cardinality())\n    dataset = dataset.batch(batch_size)\n    if augment_layer is not None:\n        dataset = dataset.map(lambda i, t: (augment_layer(i, training=True), t))\n    return dataset.prefetch(tf.data.AUTOTUNE)\n'),
    ("tensors", "mixup", None, "def mixup(x, y, alpha, rng):\n    n = keras.ops.shape(x)[0]\n    ordre = rng.permutation(n)\n    lam = keras.ops.convert_to_tensor(rng.beta(alpha, alpha, (n, 1, 1, 1)), 'float32')\n    x, y = keras.ops.convert_to_tensor(x, 'float32'), keras.ops.convert_to_tensor(y, 'float32')\n    l2 = keras.ops.reshape(lam, (n, 1))\n    return lam * x + (1 - lam) * keras.ops.take(x, ordre, axis=0), l2 * y + (1 - l2) * keras.ops.take(y, ordre, axis=0)\n"),
    ("shuffled_arange", "mixup", None, 'def mixup(x, y, alpha, rng):\n    n = len(x)\n    partner = np.arange(n)\n    rng.shuffle(partner)\n    lam = rng.beta(alpha, alpha, size=n)\n    x2 = lam.reshape(n, 1, 1, 1) * x + (1 - lam).reshape(n, 1, 1, 1) * x[partner]\n    y2 = lam.reshape(n, 1) * y + (1 - lam).reshape(n, 1) * y[partner]\n    return x2, y2\n'),
    ("official_code", "cutmix", None, 'def rand_bbox(size, lam, rng):\n    W = size[2]\n    H = size[1]\n    cut_rat = np.sqrt(1. - lam)\n    cut_w = int(W * cut_rat)\n    cut_h = int(H * cut_rat)\n    cx = rng.integers(W)\n    cy = rng.integers(H)\n    bbx1 = np.clip(cx - cut_w // 2, 0, W)\n    bby1 = np.clip(cy - cut_h // 2, 0, H)\n    bbx2 = np.clip(cx + cut_w // 2, 0, W)\n    bby2 = np.clip(cy + cut_h // 2, 0, H)\n    return bbx1, bby1, bbx2, bby2\n\n\ndef cutmix(x, y, alpha, rng):\n    x2, y2 = x.copy(), np.zeros(y.shape, "float32")\n    rand_index = rng.permutation(len(x))\n    for i in range(len(x)):\n        lam = rng.beta(alpha, alpha)\n        bbx1, bby1, bbx2, bby2 = rand_bbox(x.shape, lam, rng)\n        x2[i, bby1:bby2, bbx1:bbx2, :] = x[rand_index[i], bby1:bby2, bbx1:bbx2, :]\n        # adjust lambda to exactly match pixel ratio\n        lam = 1 - ((bbx2 - bbx1) * (bby2 - bby1) / (x.shape[1] * x.shape[2]))\n        y2[i] = lam * y[i] + (1 - lam) * y[rand_index[i]]\n    return x2, y2\n'),
    ("step_by_step", "cutmix", None, 'def cutmix(x, y, alpha, rng):\n    partner = rng.permutation(len(x))\n    h, w = x.shape[1:3]\n    out = x.copy()\n    share = np.ones((len(x), 1))\n    for k in range(len(x)):\n        lam = rng.beta(alpha, alpha)\n        r, c = rng.integers(h), rng.integers(w)\n        bh, bw = h * np.sqrt(1 - lam), w * np.sqrt(1 - lam)\n        r1, r2 = max(0, round(r - bh / 2)), min(h, round(r + bh / 2))\n        c1, c2 = max(0, round(c - bw / 2)), min(w, round(c + bw / 2))\n        out[k, r1:r2, c1:c2] = x[partner[k], r1:r2, c1:c2]\n        share[k] = 1 - (r2 - r1) * (c2 - c1) / (h * w)\n    return out, share * y + (1 - share) * y[partner]\n'),
    ("float_centre", "cutmix", None, 'def cutmix(x, y, alpha, rng):\n    partner = rng.permutation(len(x))\n    h, w = x.shape[1:3]\n    out = x.copy()\n    share = np.ones((len(x), 1))\n    for k in range(len(x)):\n        lam = rng.beta(alpha, alpha)\n        r, c = rng.uniform(0, h), rng.uniform(0, w)\n        bh, bw = h * np.sqrt(1 - lam), w * np.sqrt(1 - lam)\n        r1, r2 = max(0, round(r - bh / 2)), min(h, round(r + bh / 2))\n        c1, c2 = max(0, round(c - bw / 2)), min(w, round(c + bw / 2))\n        out[k, r1:r2, c1:c2] = x[partner[k], r1:r2, c1:c2]\n        share[k] = 1 - (r2 - r1) * (c2 - c1) / (h * w)\n    return out, share * y + (1 - share) * y[partner]\n'),
    ("moyenne", "tta", None, "def tta(model, x, views):\n    predictions = []\n    for i, vue in enumerate(views):\n        print(f'view {i + 1}/{len(views)}')\n        p = model.predict(np.asarray(vue(x)), batch_size=64, verbose=0)\n        assert p.ndim == 2\n        predictions.append(p)\n    return np.stack(predictions, axis=-1).mean(axis=-1)\n"),
    ("reduce", "tta", None, 'def tta(model, x, views):\n    from functools import reduce\n    import operator\n    return reduce(operator.add, (model(view(x), training=False) for view in views)) / len(views)\n'),
    ("sequential_add", "in_model", None, "def in_model(augment_layer, backbone, head):\n    modele = keras.Sequential(name='avec_augmentation')\n    modele.add(keras.layers.InputLayer(shape=backbone.input_shape[1:]))\n    modele.add(augment_layer)\n    modele.add(backbone)\n    modele.add(head)\n    return modele\n"),
    ('one_share_a_batch', 'mixup', 'rng.beta(alpha, alpha, len(x)).astype', 'rng.beta(alpha, alpha, (1,)).repeat(len(x)).astype'),
]
# fmt: on
