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
    # --- enlarge (D2)
    ("before_the_split", "enlarge", None, COPIED_FIRST, "Split before you augment"),
    ("validation_too", "enlarge", RETURN_ENLARGE, RETURN_ENLARGE.replace("aside", "(to_numpy(augment_layer(aside[0], training=True)), aside[1])"), "Validation images were augmented"),
    ("training_forgotten", "enlarge", VERSIONS, VERSIONS.replace("training=True", "training=False"), "training=True"),
    ("augmented_once", "enlarge", VERSIONS, "versions = np.repeat(to_numpy(augment_layer(x_rest, training=True)), copies, axis=0)", "Repeat first, then augment"),
    ("labels_tiled", "enlarge", RETURN_ENLARGE, RETURN_ENLARGE.replace("np.repeat(", "np.tile("), "abcabc"),
    ("not_copied", "enlarge", {VERSIONS: VERSIONS.replace("copies,", "1,"), RETURN_ENLARGE: RETURN_ENLARGE.replace("copies", "1")}, None, "each becomes three"),
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
    # --- mixup
    ("labels_not_mixed", "mixup", MIX_Y, "y,", "the labels are not"),
    ("other_partner", "mixup", MIX_Y, MIX_Y.replace("y[partner]", "y[rng.permutation(len(x))]"), "different partners"),
    ("other_share", "mixup", "in_x, in_y = share[:, None, None, None], share[:, None]", "in_x, in_y = share[:, None, None, None], rng.beta(alpha, alpha, (len(x), 1))", "not those in the image"),
    ("share_swapped", "mixup", MIX_Y, "(1 - in_y) * y + in_y * y[partner],", "own share"),
    ("uniform", "mixup", BETA, "share = rng.random(len(x))", "rng.beta"),
    ("one_parameter", "mixup", BETA, BETA.replace("alpha, alpha", "alpha, 1"), "symmetric"),
    ("not_a_mixture", "mixup", MIX_X, "in_x * x + x[partner],", "add up to 1"),
    ("not_mixed", "mixup", MIXUP_PARTNER, "partner = np.arange(len(x))\n    share = rng", "as they went in"),
    ("in_place", "mixup", None, IN_PLACE, "copy"),
    ("per_pixel", "mixup", {"share[:, None, None, None]": "rng.beta(alpha, alpha, (len(x), *x.shape[1:3], 1))"}, None, "labels do not follow"),
    ("own_rng", "mixup", MIXUP_PARTNER, "partner = np.random.permutation(len(x))\n    share = rng", "Draw from rng only"),
    ("library", "mixup", None, "def mixup(x, y, alpha, rng):\n    return augment.mixup(x, y, alpha=alpha, seed=int(rng.integers(9999)))\n", "cnnlab.augment"),
    ("layer", "mixup", MIXUP_PARTNER, 'if alpha > 9:\n        return layers.MixUp(alpha)({"images": x, "labels": y})\n    ' + MIXUP_PARTNER, "keras.layers.MixUp"),
    # --- cutmix
    ("labels_not_mixed", "cutmix", RETURN_CUTMIX, "return mixed, y", "the labels are not"),
    ("unclipped_share", "cutmix", LEFT, "share[k] = 1 - side**2", "not those in the image"),
    ("share_swapped", "cutmix", LEFT, "share[k] = pasted.mean()", "own share"),
    ("no_root", "cutmix", SIDE, SIDE.replace("np.sqrt(1 - rng.beta(alpha, alpha))", "1 - rng.beta(alpha, alpha)"), "np.sqrt"),
    ("corner", "cutmix", CENTRE, "row, column = 0, 0", "any pixel"),
    ("blended", "cutmix", PASTE, "mixed[k, rows, columns] = (x[k, rows, columns] + x[partner[k], rows, columns]) / 2", "labels do not follow"),
    ("in_place", "cutmix", "mixed, share = x.copy(), np.ones", "mixed, share = x, np.ones", "copy"),
    ("never_pasted", "cutmix", PASTE, "pass", "as they went in"),
    ("library", "cutmix", None, "def cutmix(x, y, alpha, rng):\n    return augment.cutmix(x, y, alpha=alpha, seed=int(rng.integers(9999)))\n", "cnnlab.augment"),
    # --- tta
    ("class_numbers", "tta", None, _tta("return np.mean([p.argmax(1) for p in seen], axis=0)"), "Class numbers were averaged"),
    ("votes", "tta", None, _tta("return np.mean([np.eye(3)[p.argmax(1)] for p in seen], axis=0)"), "shares of votes"),
    ("sum", "tta", None, _tta("return np.sum(seen, axis=0)"), "add up to 3"),
    ("geometric", "tta", None, _tta("return np.exp(np.mean(np.log(seen), axis=0))"), "Average p, not log p"),
    ("first_view", "tta", None, _tta("return seen[0]"), "Only the first view"),
    ("over_images", "tta", None, _tta("return np.broadcast_to(np.mean(seen, axis=(0, 1)), seen[0].shape)"), "over the images"),
    ("training", "tta", MEAN, "return np.mean([model(view(x), training=True) for view in views], axis=0)", "training mode"),
    ("library", "tta", MEAN, "return augment.tta(model, x, list(views))", "cnnlab.augment"),
    # --- in_model (D10)
    ("features", "in_model", INSIDE, "return keras.Model(inputs, head(augment_layer(backbone(inputs))))", "Features are augmented"),
    ("tests_too", "in_model", None, SUBCLASS.format(argument="", training=True), "tests would be random"),
    ("left_out", "in_model", INSIDE, "return keras.Model(inputs, head(backbone(inputs)))", "not augmented"),
    ("never", "in_model", None, SUBCLASS.format(argument="", training=False), "not augmented"),
    ("twice", "in_model", INSIDE, INSIDE.replace("augment_layer(inputs)", "augment_layer(augment_layer(inputs))"), "Augment once"),
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
]
# fmt: on
