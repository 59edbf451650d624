"""Mistakes and variants of lab 7; README.md in this folder explains the format."""

# ruff: noqa: E501 (one line each, to be read as a table)

PLAIN_HEAD = "def plain_block(x, filters, strides=1, batch_norm=True):\n"
HEAD = (
    "def residual_block(x, filters, strides=1, shortcut=shortcut_a, batch_norm=True):\n"
)
NORM = "layers.BatchNormalization()"
BOTH_NORMS = "if batch_norm:\n            x = layers.BatchNormalization()(x)\n        x = layers.ReLU()(x)"


def _plain(body: str) -> str:
    """A plain block: `body` works on x, in one line, with n() for a normalisation."""
    first = f"    n = (lambda: {NORM}) if batch_norm else (lambda: layers.Identity())\n"
    return PLAIN_HEAD + first + f"    {body}\n"


def _residual(*steps: str, end: str = "layers.ReLU()(layers.Add()([y, side]))") -> str:
    """A residual block: `steps` make y from x; `side` is what is added."""
    lines = (
        f"n = (lambda: {NORM}) if batch_norm else (lambda: layers.Identity())",
        "c, relu = convolution, layers.ReLU()",
        *steps,
        "side = x if x.shape == y.shape else shortcut(x, filters, strides)",
        f"return {end}",
    )
    return HEAD + "".join(f"    {line}\n" for line in lines)


BRANCH = "y = n()(c(filters)(relu(n()(c(filters, strides=strides)(x)))))"
ADD = "layers.ReLU()(layers.Add()([y, x]))"

PLAIN_SEQUENTIAL = (
    PLAIN_HEAD
    + """    steps = []
    for s in (strides, 1):
        steps += [convolution(filters, strides=s)]
        steps += [layers.BatchNormalization()] if batch_norm else []
        steps += [layers.Activation("relu")]
    return keras.Sequential(steps)(x)
"""
)
PLAIN_LAYER = (
    """class Plain(layers.Layer):
    def __init__(self, filters, strides, batch_norm):
        super().__init__()
        self.steps = []
        for s in (strides, 1):
            self.steps.append(layers.Conv2D(filters, 3, s, padding="same", use_bias=False))
            self.steps.append(layers.BatchNormalization() if batch_norm else layers.Identity())

    def call(self, x):
        for step in self.steps[:2]:
            x = step(x)
        x = keras.ops.relu(x)
        for step in self.steps[2:]:
            x = step(x)
        return keras.ops.relu(x)


"""
    + PLAIN_HEAD
    + "    return Plain(filters, strides, batch_norm)(x)\n"
)
RESIDUAL_SEQUENTIAL = (
    HEAD
    + """    branch = keras.Sequential([convolution(filters, strides=strides)])
    if batch_norm:
        branch.add(layers.BatchNormalization())
    branch.add(layers.ReLU())
    branch.add(convolution(filters))
    if batch_norm:
        branch.add(layers.BatchNormalization())
    fits = strides == 1 and x.shape[-1] == filters
    return keras.ops.relu(branch(x) + (x if fits else shortcut(x, filters, strides)))
"""
)
RESIDUAL_LAYER = (
    """class Residual(keras.Model):
    def __init__(self, filters, strides, batch_norm):
        super().__init__()
        self.first = layers.Conv2D(filters, (3, 3), (strides, strides), "same", use_bias=False)
        self.second = layers.Conv2D(filters, (3, 3), padding="same", use_bias=False)
        norm = layers.BatchNormalization if batch_norm else layers.Identity
        self.norms = [norm(), norm()]

    def call(self, pair):
        x, side = pair
        x = keras.ops.relu(self.norms[0](self.first(x)))
        return keras.ops.relu(keras.ops.add(self.norms[1](self.second(x)), side))


"""
    + HEAD
    + """    same = strides == 1 and x.shape[-1] == filters
    side = x if same else shortcut(x, filters, strides)
    return Residual(filters, strides, batch_norm)([x, side])
"""
)
SHARED = (
    "steps = [convolution(4), layers.BatchNormalization(), layers.ReLU()]\n"
    "steps += [convolution(4), layers.BatchNormalization(), layers.ReLU()]\n\n"
    + PLAIN_HEAD
    + "    for step in steps:\n        x = step(x)\n    return x\n"
)
NAMED = "y = convolution(filters, strides=strides)(x)"

SLICE_A = "    x = x[:, ::strides, ::strides]\n"
PAD_A = "return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, filters - x.shape[-1])))"
B = "return layers.BatchNormalization()(convolution(filters, 1, strides)(x))"

STEM_NORM = "    x = convolution(filters)(inputs)\n    if batch_norm:\n        x = layers.BatchNormalization()(x)\n"
STEM_RELU = "        x = layers.BatchNormalization()(x)\n    x = layers.ReLU()(x)\n    for stage"
STRIDES = "strides = 2 if stage > 0 and index == 0 else 1"
COUNT = "range((depth - 2) // 6)"
CALL = "x = block(x, filters * 2**stage, strides)"
END = "x = layers.GlobalAveragePooling2D()(x)"
LAST = 'layers.Dense(num_classes, activation="softmax")(x))'

NORM_OF = "np.linalg.norm(gradient)"
WHERE = "if gradient.ndim == 4 and gradient.shape[:2] == (3, 3)"
WITHOUT = (
    "return keras.Sequential([each for each in model.layers if each is not layer])"
)


def _without(*lines: str) -> str:
    return "def without(model, layer):\n" + "".join(f"    {line}\n" for line in lines)


TAPE = """def gradient_norms(model, x, y):
    import tensorflow as tf

    kernels = [w for w in model.trainable_weights if tuple(w.shape[:2]) == (3, 3)]
    with tf.GradientTape() as tape:
        p = model(x, training=True)
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, p))
    found = tape.gradient(loss, [w.value for w in kernels])
    return [float(keras.ops.sqrt(keras.ops.sum(g**2))) for g in found]
"""

# fmt: off
MISTAKES = [
    # --- plain_block (A1, A3, A4, A6)
    ("no_middle_relu", "plain_block", None, _plain("return layers.ReLU()(n()(convolution(filters)(n()(convolution(filters, strides=strides)(x)))))"), "between the convolutions"),
    ("no_last_relu", "plain_block", None, _plain("return n()(convolution(filters)(layers.ReLU()(n()(convolution(filters, strides=strides)(x)))))"), "after the second convolution is missing"),
    ("stride_second", "plain_block", "for step in (strides, 1):", "for step in (1, strides):", "stride is in the second"),
    ("no_stride", "plain_block", "strides=step", "strides=1", "expected maps (3, 3, 6)"),
    ("no_norm", "plain_block", BOTH_NORMS, "x = layers.ReLU()(x)", "though batch_norm is True"),
    ("norm_after_relu", "plain_block", None, _plain("return layers.ReLU()(n()(convolution(filters)(n()(layers.ReLU()(convolution(filters, strides=strides)(x))))))"), "not as He et al. do"),
    ("shared_norm", "plain_block", None, _plain("b = n(); return layers.ReLU()(b(convolution(filters)(layers.ReLU()(b(convolution(filters, strides=strides)(x))))))"), "share one normalisation"),
    ("shared_conv", "plain_block", None, _plain("c = convolution(filters); return layers.ReLU()(n()(c(layers.ReLU()(n()(c(x))))))"), "one convolution is used twice"),
    ("one_norm", "plain_block", None, _plain("return layers.ReLU()(convolution(filters)(layers.ReLU()(n()(convolution(filters, strides=strides)(x)))))"), "second normalisation is missing"),
    ("bias", "plain_block", "convolution(filters, strides=step)", 'layers.Conv2D(filters, 3, step, padding="same")', "have biases"),
    ("a_shortcut", "plain_block", None, _plain("y = n()(convolution(filters)(layers.ReLU()(n()(convolution(filters, strides=strides)(x))))); return layers.ReLU()(y + x if y.shape == x.shape else y)"), "no shortcut"),
    ("made_outside", "plain_block", None, SHARED, "share their weights"),
    ("no_return", "plain_block", "    return x\n", "", "must return a tensor"),
    ("relu6", "plain_block", "x = layers.ReLU()(x)\n    return x", "x = layers.ReLU(6)(x)\n    return x", "its ReLU ends at 6"),
    ("library", "plain_block", None, "from cnnlab import blocks\n\n\n" + PLAIN_HEAD + "    return blocks.basic(x, filters, strides, shortcut=None)\n", "without cnnlab"),
    # --- shortcuts (A5)
    ("other_pixel", "shortcuts", SLICE_A, SLICE_A.replace("::strides", "strides - 1::strides"), "first pixel is dropped"),
    ("no_stride", "shortcuts", SLICE_A, "", "expected maps (3, 4, 8)"),
    ("mean", "shortcuts", SLICE_A, "    x = layers.AveragePooling2D(strides)(x)\n", "pixels are averaged"),
    ("zeros_first", "shortcuts", PAD_A, PAD_A.replace("(0, filters - x.shape[-1])", "(filters - x.shape[-1], 0)"), "come first"),
    ("repeated", "shortcuts", PAD_A, "return keras.ops.concatenate([x, x], axis=-1)[..., :filters]", "channels are repeated"),
    ("no_zeros", "shortcuts", PAD_A, "return x", "expected maps (3, 4, 8)"),
    ("projects_everywhere", "shortcuts", SLICE_A, "    return convolution(filters, 1, strides)(x)\n", "convolutions: expected 0, received 1"),
    ("projection_no_stride", "shortcuts", B, B.replace("1, strides", "1"), "expected maps (3, 4, 8)"),
    ("projection_3x3", "shortcuts", B, B.replace("1, strides", "3, strides"), "kernel is 3×3"),
    ("projection_no_norm", "shortcuts", B, "return convolution(filters, 1, strides)(x)", "batch normalisation is missing"),
    ("projection_bias", "shortcuts", B, "return layers.BatchNormalization()(layers.Conv2D(filters, 1, strides)(x))", "has biases"),
    ("projection_relu", "shortcuts", B, "return layers.ReLU()(layers.BatchNormalization()(convolution(filters, 1, strides)(x)))", "ReLU on the shortcut"),
    ("projection_mean", "shortcuts", B, "return layers.BatchNormalization()(convolution(filters, 1)(layers.AveragePooling2D(strides)(x)))", "averaged first"),
    ("library", "shortcuts", B, "from cnnlab import blocks\n\n    return blocks._shortcut(x, [(filters, 1, strides)], 'B')", "without cnnlab"),
    # --- residual_block (A5)
    ("not_added", "residual_block", ADD, "layers.ReLU()(y)", "nothing is added"),
    ("added_to_itself", "residual_block", ADD, "layers.ReLU()(y + y)", "added to itself"),
    ("behind_first_conv", "residual_block", NAMED, "y = x = convolution(filters, strides=strides)(x)", "behind the first convolution"),
    ("behind_first_relu", "residual_block", None, _residual("x = relu(n()(c(filters, strides=strides)(x)))", "y = n()(c(filters)(x))", ), "behind the first ReLU"),
    ("relu_before_add", "residual_block", ADD, "layers.Add()([layers.ReLU()(y), x])", "ReLU comes before the addition"),
    ("relu_twice", "residual_block", ADD, "layers.ReLU()(layers.Add()([layers.ReLU()(y), x]))", "a ReLU before the addition too"),
    ("no_last_relu", "residual_block", ADD, "layers.Add()([y, x])", "after the addition is missing"),
    ("no_middle_relu", "residual_block", None, _residual(BRANCH.replace("relu", "")), "between the convolutions"),
    ("relu_on_shortcut", "residual_block", ADD, "layers.ReLU()(layers.Add()([y, layers.ReLU()(x)]))", "ReLU of its own"),
    ("concatenated", "residual_block", ADD, "layers.ReLU()(layers.Concatenate()([y, x]))", "side by side"),
    ("preactivation", "residual_block", None, _residual("y = c(filters)(relu(n()(c(filters, strides=strides)(relu(n()(x))))))", end="layers.Add()([y, side])"), "pre-activation"),
    ("preactivation_mixed", "residual_block", None, _residual("y = c(filters)(relu(n()(c(filters, strides=strides)(relu(n()(x))))))"), "are mixed"),
    ("projection_everywhere", "residual_block", "    if y.shape != x.shape:\n        x = shortcut(x, filters, strides)\n", "    x = shortcut(x, filters, strides)\n", "where the shapes fit already"),
    ("only_by_stride", "residual_block", "if y.shape != x.shape:", "if strides > 1:", "cannot be added"),
    ("shared_norm", "residual_block", None, _residual("b = n()", BRANCH.replace("n()", "b")), "share one normalisation"),
    ("no_norm", "residual_block", None, _residual(BRANCH.replace("n()", "")), "though batch_norm is True"),
    ("always_norm", "residual_block", None, _residual(f"n = lambda: {NORM}", BRANCH), "though batch_norm is False"),
    ("max_pooling", "residual_block", None, _residual("y = n()(c(filters)(layers.MaxPooling2D(strides)(relu(n()(c(filters)(x))))))"), "MaxPooling2D"),
    ("fixed_name", "residual_block", ADD, 'layers.ReLU(name="out")(layers.Add()([y, x]))', "same name"),
    ("library", "residual_block", None, "from cnnlab import blocks\n\n\n" + HEAD + '    return blocks.basic(x, filters, strides, shortcut="B")\n', "without cnnlab"),
    # --- by_hand
    ("bias_counted", "by_hand", "73_984", "74_112", "that counts biases"),
    ("moving_counted", "by_hand", "73_984", "74_240", "moving mean"),
    ("second_sees_64", "by_hand", "221_696", "147_968", "that this one sees"),
    ("norm_forgotten", "by_hand", "230_144", "229_888", "1×1 convolution with its normalisation"),
    ("projection_3x3", "by_hand", "230_144", "295_680", "1×1 convolution"),
    ("not_halved", "by_hand", "(16, 16, 128)", "(32, 32, 128)", "halves height"),
    ("one_layer_a_block", "by_hand", "110", "56", "two for each of 3n blocks"),
    ("missing", "by_hand", '        "blocks": 27,\n', "", "six names"),
    # --- network (A3)
    ("one_block_less", "network", COUNT, "range((depth - 2) // 6 - 1)", "depth = 6n + 2"),
    ("same_filters", "network", CALL, "x = block(x, filters, strides)", "doubles"),
    ("doubled_each_block", "network", CALL, "x = block(x, filters * 2 ** (stage + index), strides)", "doubles"),
    ("stride_in_first_stage", "network", STRIDES, "strides = 2 if index == 0 else 1", "not the first stage"),
    ("stride_everywhere", "network", STRIDES, "strides = 2 if stage > 0 else 1", "not the first stage"),
    ("no_stride", "network", STRIDES, "strides = 1", "begins with a stride"),
    ("stem_no_norm", "network", STEM_NORM, "    x = convolution(filters)(inputs)\n", "no batch normalisation behind the first"),
    ("stem_always_norm", "network", STEM_NORM, "    x = convolution(filters)(inputs)\n    x = layers.BatchNormalization()(x)\n", "though batch_norm is False"),
    ("stem_no_relu", "network", STEM_RELU, "        x = layers.BatchNormalization()(x)\n    for stage", "ReLU before the first block"),
    ("stem_bias", "network", "x = convolution(filters)(inputs)", 'x = layers.Conv2D(filters, 3, padding="same")(inputs)', "has biases"),
    ("stem_pool", "network", "x = convolution(filters)(inputs)", 'x = layers.MaxPooling2D(3, 1, padding="same")(convolution(filters)(inputs))', "max pooling"),
    ("flatten", "network", END, "x = layers.Flatten()(x)", "flattened"),
    ("logits", "network", LAST, "layers.Dense(num_classes)(x))", "no softmax"),
    ("sigmoid", "network", LAST, LAST.replace("softmax", "sigmoid"), "sigmoid"),
    ("library", "network", None, "from cnnlab import models\n\n\ndef network(block, depth, filters=16, input_shape=(32, 32, 3), num_classes=10, batch_norm=True):\n    return models.resnet_cifar(depth, input_shape, num_classes)\n", "without cnnlab"),
    # --- gradient_norms
    ("squared", "gradient_norms", NORM_OF, f"{NORM_OF} ** 2", "without the root"),
    ("mean_size", "gradient_norms", NORM_OF, "np.abs(gradient).mean()", "mean of the sizes"),
    ("largest", "gradient_norms", NORM_OF, "np.abs(gradient).max()", "largest entry"),
    ("reversed", "gradient_norms", "for gradient in gradients", "for gradient in gradients[::-1]", "last layer comes first"),
    ("projections_too", "gradient_norms", WHERE, "if gradient.ndim == 4", "1×1 convolution is among them"),
    ("first_side_of_three", "gradient_norms", WHERE, "if gradient.shape[0] == 3", "Vectors of three values"),
    ("all_weights", "gradient_norms", f"        {WHERE}\n", "", "norms of all weights"),
    ("of_weights", "gradient_norms", "gradients = train.gradients(model, x, y)", "gradients = [w for w in map(to_numpy, model.trainable_weights)]", "norms of the weights"),
    # --- without (T8)
    ("nothing_removed", "without", WITHOUT, "return keras.Sequential(model.layers)", "Nothing was removed"),
    ("silenced", "without", None, _without("short = keras.models.clone_model(model)", "short.set_weights(model.get_weights())", "twin = short.layers[model.layers.index(layer)]", "twin.set_weights([0 * w for w in twin.get_weights()])", "return short"), "gives zeros"),
    ("one_before", "without", None, _without("k = model.layers.index(layer) - 1", "return keras.Sequential(model.layers[:k] + model.layers[k + 1 :])"), "layer before it"),
    ("rest_too", "without", None, _without("k = model.layers.index(layer)", "return keras.Sequential(model.layers[:k])"), "behind the layer was removed"),
    ("new_weights", "without", None, _without("short = keras.Sequential([each for each in model.layers if each is not layer])", "return keras.models.clone_model(short)"), "not new ones"),
    ("zeroed_model", "without", None, _without("layer.set_weights([np.eye(*w.shape) for w in layer.get_weights()])", "return keras.Sequential(model.layers)"), "model itself was changed"),
    ("no_return", "without", WITHOUT, WITHOUT.removeprefix("return "), "must return a keras.Model"),
    ('strides_fixed', 'shortcuts', 'convolution(filters, 1, strides)', 'convolution(filters, 1, 2)', 'expected maps'),
    ('average_of_both', 'residual_block', 'layers.Add()([y, x])', 'layers.Average()([y, x])', 'a layer Average'),
    ('asks_for_channels', 'residual_block', 'if y.shape != x.shape:', 'if y.shape[-1] != x.shape[-1]:', 'cannot be added'),
    ('dropout', 'network', 'x = layers.GlobalAveragePooling2D()(x)', 'x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))', 'a layer Dropout'),
    ('frozen', 'without', 'return keras.Sequential(', 'layer.trainable = False\n    return keras.Sequential(', 'The model itself was changed'),
]

VARIANTS = [
    ("sequential", "plain_block", None, PLAIN_SEQUENTIAL),
    ("layer", "plain_block", None, PLAIN_LAYER),
    ("own_convolution", "plain_block", "convolution(filters, strides=step)", 'layers.Conv2D(filters, (3, 3), (step, step), "same", use_bias=False)'),
    ("activation", "plain_block", BOTH_NORMS, BOTH_NORMS.replace("layers.ReLU()", 'layers.Activation("relu")')),
    ("zero_padding", "shortcuts", PAD_A, 'return layers.ZeroPadding2D(((0, 0), (0, filters - x.shape[-1])), data_format="channels_first")(x)'),
    ("concatenate", "shortcuts", PAD_A, "zeros = keras.ops.zeros_like(x[..., :1])\n    return layers.Concatenate()([x] + [zeros] * (filters - x.shape[-1]))"),
    ("pooling", "shortcuts", SLICE_A, "    x = layers.AveragePooling2D(1, strides)(x)\n"),
    ("max_pooling_of_one", "shortcuts", SLICE_A, "    x = layers.MaxPooling2D(pool_size=1, strides=strides)(x)\n"),
    ("fixed_convolution", "shortcuts", PAD_A, "return layers.Lambda(lambda t: keras.ops.pad(t, [[0, 0], [0, 0], [0, 0], [0, filters - x.shape[-1]]]), output_shape=(*x.shape[1:3], filters))(x)"),
    ("sliced_projection", "shortcuts", B, "return layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(x[:, ::strides, ::strides]))"),
    ("dense_projection", "shortcuts", B, "return keras.Sequential([layers.AveragePooling2D(1, strides), layers.Dense(filters, use_bias=False), layers.BatchNormalization()])(x)"),
    ("sequential", "residual_block", None, RESIDUAL_SEQUENTIAL),
    ("model", "residual_block", None, RESIDUAL_LAYER),
    ("functional", "residual_block", None, _residual(BRANCH)),
    ("epsilon", "residual_block", None, _residual("n = (lambda: layers.BatchNormalization(epsilon=1e-5, momentum=0.9)) if batch_norm else (lambda: layers.Identity())", BRANCH)),
    ("operator", "residual_block", ADD, "keras.activations.relu(x + y)"),
    ("lists", "by_hand", "(16, 16, 128)", "[16, 16, 128]"),
    ("one_by_one", "network", "    for stage in range(3):\n        for index in range((depth - 2) // 6):\n            strides = 2 if stage > 0 and index == 0 else 1\n            x = block(x, filters * 2**stage, strides)\n", "    n = depth // 6\n    widths = [filters] * n + [2 * filters] * n + [4 * filters] * n\n    for k, width in enumerate(widths):\n        x = block(x, width, strides=1 + (k in (n, 2 * n)))\n"),
    ("mean", "network", END, "x = keras.ops.mean(x, axis=(1, 2))"),
    ("average_pooling", "network", END, "x = layers.Flatten()(layers.AveragePooling2D((x.shape[1], x.shape[2]))(x))"),
    ("softmax_layer", "network", LAST, "layers.Softmax()(layers.Dense(num_classes)(x)))"),
    ("tape", "gradient_norms", None, TAPE),
    ("weights", "gradient_norms", None, "def gradient_norms(model, x, y):\n    pairs = zip(model.trainable_weights, train.gradients(model, x, y))\n    return np.array([(g**2).sum() ** 0.5 for w, g in pairs if len(w.shape) == 4 and w.shape[0] == 3])\n"),
    ("functional", "without", None, _without("inputs = x = keras.Input(model.input_shape[1:])", "for each in model.layers[1:]:", "    if each is not layer:", "        x = each(x)", "return keras.Model(inputs, x)")),
    ("copied", "without", None, _without("k = model.layers.index(layer)", "pieces = model.layers[1:k] + model.layers[k + 1 :]", "short = keras.Sequential([keras.Input(model.input_shape[1:])] + pieces)", "copy = keras.models.clone_model(short)", "copy.set_weights(short.get_weights())", "return copy")),
    ('strides_left_out', 'network', 'x = block(x, filters * 2**stage, strides)', 'x = block(x, filters * 2**stage, *[2] * (strides == 2))'),
]
# fmt: on
