"""Mistakes and variants of lab 6; README.md in this folder explains the format."""

# ruff: noqa: E501 (one line each, to be read as a table)

COST_HEAD = "def conv_cost(shape, filters, kernel_size, strides=1, padding='valid', groups=1, use_bias=True):\n"
NETWORK_HEAD = "def network_cost(network, input_shape):\n"
VGG_HEAD = "def vgg(repeats, num_classes=1000):\n"
MEMORY_HEAD = "def activation_memory(shapes, batch_size=1, training=False):\n"
INCEPTION_HEAD = "def inception(x, filters, reduce):\n"
KERNEL_HEAD = "def full_kernel(kernel, groups):\n"
SEPARABLE_HEAD = "def separable(x, filters, strides=1):\n"

SAME = "sides = [-(-n // strides) for n in (height, width)]"
VALID = "sides = [(n - kernel_size) // strides + 1 for n in (height, width)]"
WEIGHTS = "weights = kernel_size**2 * (channels // groups) * filters"
PARAMS = "params = weights + filters * use_bias"
ROW = "return (*sides, filters), params, sides[0] * sides[1] * weights"
POOL_SIDES = "height, width = ((n - size) // strides + 1 for n in shape[:2])"
POOL_ROW = "row = (height, width, shape[2]), 0, 0"
DENSE_ROW = "row = (units,), (inputs + 1) * units, inputs * units"
INPUTS = 'inputs, units = int(np.prod(shape)), options["units"]'
CONV_ROW = "row = conv_cost(shape, **options)"
STAGES = "(64, 128, 256, 512, 512)"
STAGE_POOL = 'network.append(("pool", {"size": 2, "strides": 2}))'
STAGE = 'options = {"filters": filters, "kernel_size": 3, "padding": "same"}'
HEAD_OF_VGG = (
    'return network + [("dense", {"units": n}) for n in (4096, 4096, num_classes)]'
)
SIZES = "sizes = [4 * batch_size * int(np.prod(shape)) for shape in shapes]"
PEAK = "return max(a + b for a, b in zip(sizes, sizes[1:], strict=False))"
SUM = "        return sum(sizes)"
RELU = 'relu = {"padding": "same", "activation": "relu"}'
MIDDLE = "middle = layers.Conv2D(reduce[0], 1, **relu)(x)"
LARGE = "large = layers.Conv2D(reduce[1], 1, **relu)(x)"
POOLED = 'pooled = layers.MaxPooling2D(3, strides=1, padding="same")(x)'
POOL_CONV = "layers.Conv2D(reduce[2], 1, **relu)(pooled),"
JOIN = "return layers.Concatenate()(branches)"
FIRST = "first = n // (filters // groups) * seen"
PASTE = "full[:, :, first : first + seen, n] = kernel[..., n]"
ZEROS = "full = np.zeros((k, k, seen * groups, filters), kernel.dtype)"
DEEP = (
    'deep = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)'
)
BETWEEN = "x = layers.ReLU()(layers.BatchNormalization()(deep(x)))"
POINT = "x = layers.Conv2D(filters, 1, use_bias=False)(x)"
LAST = "return layers.ReLU()(layers.BatchNormalization()(x))"
FITS = (
    'fits = [n for n in table if n["params"] <= max_params and n["macs"] <= max_macs]'
)
KEY = 'key=lambda n: (n["top1"], -n["macs"])'
NAME = 'return best["name"] if best else None'
AS_GOOD = 'as_good = a["top1"] >= b["top1"] and a[cost] <= b[cost]'
BETTER = 'return as_good and (a["top1"] > b["top1"] or a[cost] < b[cost])'
SORTED = 'return [n["name"] for n in sorted(front, key=lambda n: n[cost])]'


def _cost(*lines: str) -> str:
    return COST_HEAD + "".join(f"    {line}\n" for line in lines)


def _network(*lines: str) -> str:
    return NETWORK_HEAD + "".join(f"    {line}\n" for line in lines)


COST_LOOPS = _cost(
    "h, w, c = shape",
    "if padding == 'same':",
    "    starts = [range(0, n, strides) for n in (h, w)]",
    "else:",
    "    starts = [range(0, n - kernel_size + 1, strides) for n in (h, w)]",
    "out = tuple(len(s) for s in starts)",
    "one = kernel_size * kernel_size * c / groups",
    "params = sum(one + (1 if use_bias else 0) for _ in range(filters))",
    "return [out[0], out[1], filters], params, out[0] * out[1] * filters * one",
)
COST_PADS = _cost(
    "import math",
    "h, w, c = shape",
    "if padding == 'same':",
    "    oh, ow = math.ceil(h / strides), math.ceil(w / strides)",
    "else:",
    "    oh = math.floor((h - kernel_size) / strides + 1)",
    "    ow = math.floor((w - kernel_size) / strides + 1)",
    "kernel = np.zeros((kernel_size, kernel_size, c // groups, filters))",
    "bias = np.zeros(filters if use_bias else 0)",
    "return np.array([oh, ow, filters]), kernel.size + bias.size, oh * ow * kernel.size",
)
NETWORK_RECURSIVE = _network(
    "if len(network) == 0:",
    "    return []",
    "(kind, o), *rest = network",
    "if kind == 'conv':",
    "    row = conv_cost(input_shape, **o)",
    "if kind == 'pool':",
    "    shape, _, _ = conv_cost(input_shape, input_shape[-1], o['size'], o['strides'])",
    "    row = (shape, 0, 0)",
    "if kind == 'dense':",
    "    n = 1",
    "    for side in input_shape:",
    "        n = n * side",
    "    row = ([o['units']], n * o['units'] + o['units'], n * o['units'])",
    "return [row] + network_cost(rest, row[0])",
)
NETWORK_AS_CONV = _network(
    "rows = ()",
    "for kind, options in network:",
    "    if kind == 'dense':",
    "        flat = (1, 1, np.prod(input_shape))",
    "        (_, _, units), params, macs = conv_cost(flat, options['units'], 1)",
    "        rows += (((units,), params, macs),)",
    "    elif kind == 'pool':",
    "        s = [len(range(0, n - options['size'] + 1, options['strides'])) for n in input_shape[:-1]]",
    "        rows += (((*s, input_shape[-1]), 0, 0),)",
    "    else:",
    "        rows += (conv_cost(input_shape, **options),)",
    "    input_shape = rows[-1][0]",
    "return rows",
)
VGG_LONG = (
    VGG_HEAD
    + """    layers_ = ()
    filters = 64
    for stage in range(5):
        for _ in range(repeats[stage]):
            layers_ += (("conv", dict(kernel_size=3, filters=filters, strides=1, padding="same", groups=1)),)
        layers_ += (["pool", {"strides": 2, "size": 2}],)
        filters = min(2 * filters, 512)
    layers_ += (("dense", dict(units=4096)),) * 2
    return layers_ + (("dense", dict(units=num_classes)),)
"""
)
MEMORY_LOOP = (
    MEMORY_HEAD
    + """    import math
    total, worst, before = 0, 0, None
    for shape in shapes:
        here = math.prod(shape) * batch_size * 4
        total += here
        if before is not None:
            worst = max(worst, before + here)
        before = here
    return total if training else worst
"""
)
INCEPTION_SEQUENTIAL = (
    INCEPTION_HEAD
    + """    conv = lambda n, k: layers.Conv2D(n, (k, k), padding="same", activation=keras.activations.relu)
    a = keras.Sequential([conv(filters[0], 1)])
    b = keras.Sequential([conv(reduce[0], 1), conv(filters[1], 3)])
    c = keras.Sequential([conv(reduce[1], 1), conv(filters[2], 5)])
    d = keras.Sequential([layers.MaxPool2D(pool_size=3, strides=1, padding="same"), conv(reduce[2], 1)])
    return keras.ops.concatenate([f(x) for f in (a, b, c, d)], axis=-1)
"""
)
INCEPTION_LAYER = (
    """class Inception(layers.Layer):
    def __init__(self, filters, reduce):
        super().__init__()
        self.one = layers.Conv2D(filters[0], 1)
        self.firsts = [layers.Conv2D(n, 1) for n in reduce]
        self.three = layers.Conv2D(filters[1], 3, padding="same")
        self.five = layers.Conv2D(filters[2], 5, padding="same")
        self.pool = layers.MaxPooling2D(3, 1, "same")

    def call(self, x):
        relu = keras.ops.relu
        b, c = (relu(first(x)) for first in self.firsts[:2])
        d = self.firsts[2](self.pool(x))
        parts = [self.one(x), self.three(b), self.five(c), d]
        return relu(keras.ops.concatenate(parts, -1))


"""
    + INCEPTION_HEAD
    + "    return Inception(filters, reduce)(x)\n"
)
KERNEL_BLOCKS = (
    KERNEL_HEAD
    + """    k, _, c, n = kernel.shape
    parts = np.split(kernel, groups, axis=3)
    none = np.zeros_like(parts[0])
    rows = []
    for g in range(groups):
        row = [part if g == h else none for h, part in enumerate(parts)]
        rows.append(np.concatenate(row, axis=3))
    return np.concatenate(rows, axis=2)
"""
)
KERNEL_MASK = (
    KERNEL_HEAD
    + """    seen, filters = np.shape(kernel)[2:]
    mask = np.kron(np.eye(groups), np.ones((seen, filters // groups)))
    return np.tile(kernel, (1, 1, groups, 1)) * mask
"""
)
SEPARABLE_GROUPS = (
    SEPARABLE_HEAD
    + """    c = x.shape[-1]
    x = layers.Conv2D(c, 3, strides, "same", groups=c, use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.Conv2D(filters, (1, 1), padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9)(x)
    return keras.ops.relu(x)
"""
)
SEPARABLE_SEQUENTIAL = (
    SEPARABLE_HEAD
    + """    return keras.Sequential([
        layers.DepthwiseConv2D((3, 3), (strides, strides), padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dense(filters, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
    ])(x)
"""
)
CHOOSING = """def best_within(table, max_params, max_macs):
{best}

def pareto_front(table, cost):
{front}"""
BEST_LOOP = """    winner = None
    for row in table:
        if row["params"] > max_params or row["macs"] > max_macs:
            continue
        if winner is None or row["top1"] > winner["top1"]:
            winner = row
        elif row["top1"] == winner["top1"] and row["macs"] < winner["macs"]:
            winner = row
    return winner and winner["name"]
"""
FRONT_SWEEP = """    names, best = [], None
    for row in sorted(table, key=lambda r: (r[cost], -r["top1"])):
        if best is None or row["top1"] > best["top1"] or (row["top1"], row[cost]) == (best["top1"], best[cost]):
            names.append(row["name"])
            best = row
    return tuple(names)
"""

# fmt: off
MISTAKES = [
    # --- conv_cost
    ("bias_forgotten", "conv_cost", PARAMS, "params = weights", "there are no biases"),
    ("bias_always", "conv_cost", PARAMS, "params = weights + filters", "though use_bias is False"),
    ("one_bias", "conv_cost", PARAMS, "params = weights + use_bias", "one bias in all"),
    ("bias_per_channel", "conv_cost", PARAMS, "params = weights + channels * use_bias", "one bias a channel"),
    ("bias_by_groups", "conv_cost", PARAMS, "params = weights + filters // groups * use_bias", "divided by the groups"),
    ("flops", "conv_cost", ROW, ROW.replace("sides[0] *", "2 * sides[0] *"), "counts once"),
    ("input_size", "conv_cost", ROW, ROW.replace("sides[0] * sides[1]", "height * width"), "not of the input"),
    ("macs_with_bias", "conv_cost", ROW, ROW.replace("* weights", "* params"), "biases are not counted in MACs"),
    ("macs_of_one_place", "conv_cost", ROW, ROW.replace("sides[0] * sides[1] * ", ""), "MACs of one place"),
    ("square", "conv_cost", ROW, ROW.replace("sides[0] * sides[1]", "sides[0] * sides[0]"), "not h' * h'"),
    ("groups_ignored", "conv_cost", WEIGHTS, "weights = kernel_size**2 * channels * filters", "the groups are left out"),
    ("groups_twice", "conv_cost", WEIGHTS, "weights = kernel_size**2 * (channels // groups) * (filters // groups)", "not the filters as well"),
    ("macs_ungrouped", "conv_cost", ROW, ROW.replace("weights", "kernel_size**2 * channels * filters"), "the groups are left out"),
    ("kernel_side", "conv_cost", WEIGHTS, WEIGHTS.replace("**2", ""), "not k"),
    ("one_kernel", "conv_cost", WEIGHTS, "weights = kernel_size**2 * (channels // groups)", "as many kernels as filters"),
    ("same_keeps", "conv_cost", SAME, "sides = [height, width]", "is made smaller too"),
    ("same_floor", "conv_cost", SAME, SAME.replace("-(-n // strides)", "n // strides"), "rounded up"),
    ("always_valid", "conv_cost", SAME, VALID, 'counted like "valid"'),
    ("no_stride", "conv_cost", VALID, "sides = [n - kernel_size + 1 for n in (height, width)]", "stride is left out"),
    ("off_by_one", "conv_cost", VALID, VALID.replace(" + 1", ""), "last 1 of the formula"),
    ("no_floor", "conv_cost", VALID, VALID.replace("//", "/"), "rounded down to whole"),
    ("ceil", "conv_cost", VALID, "sides = [-(-(n - kernel_size) // strides) + 1 for n in (height, width)]", "round down"),
    ("swapped", "conv_cost", "height, width, channels = shape", "width, height, channels = shape", "height and width are swapped"),
    ("channels_first", "conv_cost", ROW, ROW.replace("(*sides, filters)", "(filters, *sides)"), "channels come last"),
    ("only_two", "conv_cost", ROW, "return params, sides[0] * sides[1] * weights", "Three things come back"),
    ("library", "conv_cost", None, _cost("from cnnlab import arithmetic as a", "n = [a.output_size(s, kernel_size, strides=strides, padding=padding) for s in shape[:2]]", "return (*n, filters), a.conv_params(kernel_size, shape[2], filters, groups=groups, use_bias=use_bias), a.conv_macs(n, kernel_size, shape[2], filters, groups=groups)"), "without cnnlab"),
    ("keras_counts", "conv_cost", None, _cost("layer = layers.Conv2D(filters, kernel_size, strides, padding, groups=groups, use_bias=use_bias)", "y = layer(keras.Input(shape))", "return y.shape[1:], layer.count_params(), y.shape[1] * y.shape[2] * int(np.prod(layer.kernel.shape))"), "without keras"),
    # --- network_cost
    ("pool_weights", "network_cost", POOL_ROW, "row = (height, width, shape[2]), size**2 * shape[2] ** 2 + shape[2], 0", "a pooling has no weights"),
    ("pool_no_stride", "network_cost", POOL_SIDES, "height, width = (n - size + 1 for n in shape[:2])", "stride is left out"),
    ("pool_divides", "network_cost", POOL_SIDES, "height, width = (n // strides for n in shape[:2])", "its window must fit"),
    ("pool_own_size", "network_cost", POOL_SIDES, POOL_SIDES.replace("strides", "size"), "strided by its size"),
    ("pool_padded", "network_cost", POOL_SIDES, "height, width = (-(-n // strides) for n in shape[:2])", "the pooling is not padded"),
    ("pool_counts", "network_cost", POOL_ROW, "row = (height, width, shape[2]), 0, height * width * shape[2] * size**2", "multiplies nothing"),
    ("dense_no_bias", "network_cost", DENSE_ROW, "row = (units), inputs * units, inputs * units", "a dense layer has biases"),
    ("dense_macs_bias", "network_cost", DENSE_ROW, "row = (units), (inputs + 1) * units, (inputs + 1) * units", "biases are not counted in MACs"),
    ("dense_channels", "network_cost", INPUTS, 'inputs, units = shape[-1], options["units"]', "sees the whole map"),
    ("dense_one_bias", "network_cost", DENSE_ROW, "row = (units), inputs * units + 1, inputs * units", "not one in all"),
    ("dense_no_macs", "network_cost", DENSE_ROW, "row = (units), (inputs + 1) * units, 0", "multiplies, too"),
    ("options_lost", "network_cost", CONV_ROW, 'row = conv_cost(shape, options["filters"], options["kernel_size"])', "options of a convolution are left out"),
    ("groups_lost", "network_cost", CONV_ROW, 'row = conv_cost(shape, options["filters"], options["kernel_size"], options.get("strides", 1), options.get("padding", "valid"))', "padding and strides only"),
    ("shape_stays", "network_cost", "        shape = row[0]\n", "", "the one before it gave"),
    ("totals", "network_cost", "return rows", "return shape, sum(r[1] for r in rows), sum(r[2] for r in rows)", "one entry for each"),
    ("image_too", "network_cost", "rows, shape = [], input_shape", "rows, shape = [(input_shape, 0, 0)], input_shape", "one entry for each"),
    ("no_return", "network_cost", "    return rows", "    rows", "one entry for each"),
    ("list_emptied", "network_cost", "for kind, options in network:", "while network:\n        kind, options = network.pop(0)", "changes the list"),
    ("library", "network_cost", None, _network("from cnnlab import arithmetic", "return arithmetic.table(network)"), "without cnnlab"),
    # --- vgg
    ("doubles_on", "vgg", STAGES, "(64, 128, 256, 512, 1024)", "512 kernels as well"),
    ("not_padded", "vgg", STAGE, STAGE.replace(', "padding": "same"', ""), "not padded"),
    ("no_pool", "vgg", f"        {STAGE_POOL}\n", "", "no poolings"),
    ("pool_3", "vgg", STAGE_POOL, STAGE_POOL.replace('"size": 2', '"size": 3'), "AlexNet"),
    ("pool_no_stride", "vgg", STAGE_POOL, STAGE_POOL.replace('"strides": 2', '"strides": 1'), "do not make maps smaller"),
    ("pool_each", "vgg", f'network += [("conv", options)] * times\n        {STAGE_POOL}', 'network += [("conv", options), ("pool", {"size": 2, "strides": 2})] * times', "behind every convolution"),
    ("always_1000", "vgg", HEAD_OF_VGG, HEAD_OF_VGG.replace("num_classes", "1000"), "num_classes units"),
    ("one_dense_less", "vgg", HEAD_OF_VGG, HEAD_OF_VGG.replace("(4096, 4096,", "(4096,"), "4096 is missing"),
    ("no_dense", "vgg", HEAD_OF_VGG, "return network", "dense layers are missing"),
    ("own_words", "vgg", STAGE, STAGE.replace("kernel_size", "kernel"), "list of (kind, options)"),
    ("always_16", "vgg", "zip(repeats,", "zip((2, 2, 3, 3, 3),", "number of layers"),
    # --- activation_memory
    ("one_image", "activation_memory", SIZES, SIZES.replace("batch_size * ", ""), "memory of one image"),
    ("numbers", "activation_memory", SIZES, SIZES.replace("4 * ", ""), "each takes 4 bytes"),
    ("doubles", "activation_memory", SIZES, SIZES.replace("4 * ", "8 * "), "not 8"),
    ("megabytes", "activation_memory", SIZES, SIZES.replace("4 * ", "4e-6 * "), "bytes are asked"),
    ("mebibytes", "activation_memory", SIZES, SIZES.replace("4 * ", "4 / 2**20 * "), "2²⁰"),
    ("sum_of_sides", "activation_memory", SIZES, SIZES.replace("np.prod", "np.sum"), "not h + w + c"),
    ("largest_map", "activation_memory", PEAK, "return max(sizes)", "input is there too"),
    ("two_largest", "activation_memory", PEAK, "return sum(sorted(sizes)[-2:])", "no neighbours"),
    ("always_all", "activation_memory", PEAK, "return sum(sizes)", "does not keep all"),
    ("always_peak", "activation_memory", f"    if training:\n{SUM}\n", "", "training keeps all"),
    ("without_image", "activation_memory", SUM, "        return sum(sizes[1:])", "image is kept as well"),
    ("exchanged", "activation_memory", "if training:", "if not training:", "are exchanged"),
    ("gradients", "activation_memory", SUM, "        return 2 * sum(sizes)", "gradients are not counted"),
    ("inference_one", "activation_memory", PEAK, PEAK + " // batch_size", "whole batch as well"),
    ("neighbours_in_training", "activation_memory", SUM, "        return sum(a + b for a, b in zip(sizes, sizes[1:]))", "is not right"),
    # --- inception (A9)
    ("no_reduction", "inception", {f"    {MIDDLE}\n    {LARGE}\n": "    middle = large = x\n"}, None, "reductions are missing"),
    ("after", "inception", {MIDDLE: "middle = layers.Conv2D(reduce[0], 3, **relu)(x)", LARGE: "large = layers.Conv2D(reduce[1], 5, **relu)(x)", "layers.Conv2D(filters[1], 3, **relu)(middle)": "layers.Conv2D(filters[1], 1, **relu)(middle)", "layers.Conv2D(filters[2], 5, **relu)(large)": "layers.Conv2D(filters[2], 1, **relu)(large)"}, None, "saves nothing"),
    ("no_relu", "inception", RELU, 'relu = {"padding": "same"}', "have no ReLU"),
    ("no_relu_1x1", "inception", {MIDDLE: "middle = layers.Conv2D(reduce[0], 1)(x)", LARGE: "large = layers.Conv2D(reduce[1], 1)(x)", POOL_CONV: "layers.Conv2D(reduce[2], 1)(pooled),", "layers.Conv2D(filters[0], 1, **relu)(x)": "layers.Conv2D(filters[0], 1)(x)"}, None, "1×1 convolutions have no ReLU"),
    ("no_relu_reduction", "inception", {MIDDLE: "middle = layers.Conv2D(reduce[0], 1)(x)", LARGE: "large = layers.Conv2D(reduce[1], 1)(x)"}, None, "reductions have no ReLU"),
    ("no_bias", "inception", RELU, 'relu = {"padding": "same", "activation": "relu", "use_bias": False}', "have no biases"),
    ("average", "inception", POOLED, POOLED.replace("Max", "Average"), "the pooling takes means"),
    ("no_pooling", "inception", POOLED, "pooled = x", "the pooling is missing"),
    ("pool_1x1_first", "inception", {POOLED: "pooled = layers.Conv2D(reduce[2], 1, **relu)(x)", POOL_CONV: 'layers.MaxPooling2D(3, strides=1, padding="same")(pooled),'}, None, "comes behind its 1×1"),
    ("pool_all_channels", "inception", POOL_CONV, "pooled,", "has no 1×1"),
    ("pool_strides", "inception", POOLED, "pooled = layers.MaxPooling2D(3)(x)", "cannot be put together"),
    ("valid", "inception", RELU, 'relu = {"activation": "relu"}', "cannot be put together"),
    ("wrong_axis", "inception", JOIN, "return layers.Concatenate(axis=1)(branches)", "cannot be put together"),
    ("reversed", "inception", JOIN, "return layers.Concatenate()(branches[::-1])", "reverse order"),
    ("branch_missing", "inception", f"        {POOL_CONV}\n", "", "pooling's branch is missing"),
    ("five_is_three", "inception", "layers.Conv2D(filters[2], 5,", "layers.Conv2D(filters[2], 3,", "third branch's kernel"),
    ("chained", "inception", "layers.Conv2D(filters[2], 5, **relu)(large)", "layers.Conv2D(filters[2], 5, **relu)(layers.Conv2D(reduce[1], 1, **relu)(middle))", "inception(x"),
    ("shared", "inception", None, "relu = {'padding': 'same', 'activation': 'relu'}\nsmall = layers.Conv2D(4, 1, **relu)\n\n\n" + INCEPTION_HEAD + "    return small(x)\n", "inception(x"),
    ("reduce_swapped", "inception", {MIDDLE: MIDDLE.replace("reduce[0]", "reduce[1]"), LARGE: LARGE.replace("reduce[1]", "reduce[0]")}, None, "reductions are exchanged"),
    ("library", "inception", None, "from cnnlab import blocks\n\n\n" + INCEPTION_HEAD + "    return blocks.inception(x, filters, reduce=reduce)\n", "without cnnlab"),
    # --- full_kernel (A10)
    ("dealt_out", "full_kernel", FIRST, "first = n % groups * seen", "not dealt out"),
    ("repeated", "full_kernel", None, KERNEL_HEAD + "    return np.tile(kernel, (1, 1, groups, 1))\n", "not repeated"),
    ("first_group", "full_kernel", FIRST, "first = 0", "channels of the first group"),
    ("reversed", "full_kernel", FIRST, "first = (groups - 1 - n // (filters // groups)) * seen", "reverse order"),
    ("transposed", "full_kernel", "return full", "return full.swapaxes(2, 3)", "are exchanged"),
    ("unchanged", "full_kernel", "return full", "return kernel", "full_kernel(kernel"),
    ("no_return", "full_kernel", "    return full", "    full", "return"),
    ("squeezed", "full_kernel", "return full", "return full[0, 0]", "shape"),
    # --- separable (A10)
    ("full", "separable", DEEP, 'deep = layers.Conv2D(x.shape[-1], 3, strides=strides, padding="same", use_bias=False)', "full 3×3 convolution"),
    ("no_pointwise", "separable", f"    {POINT}\n    {LAST}\n", "    return x\n", "pointwise convolution is missing"),
    ("no_relu_between", "separable", BETWEEN, "x = layers.BatchNormalization()(deep(x))", "ReLU between"),
    ("no_relu_at_end", "separable", LAST, "return layers.BatchNormalization()(x)", "ReLU at the end"),
    ("no_norm_between", "separable", BETWEEN, "x = layers.ReLU()(deep(x))", "no normalisation between"),
    ("nothing_between", "separable", BETWEEN, "x = deep(x)", "nothing between"),
    ("one_layer", "separable", None, SEPARABLE_HEAD + '    x = layers.SeparableConv2D(filters, 3, strides, "same", use_bias=False)(x)\n    return layers.ReLU()(layers.BatchNormalization()(x))\n', "nothing between"),
    ("relu_first", "separable", {BETWEEN: "x = layers.BatchNormalization()(layers.ReLU()(deep(x)))", LAST: "return layers.BatchNormalization()(layers.ReLU()(x))"}, None, "before the normalisations"),
    ("biases", "separable", {DEEP: DEEP.replace(", use_bias=False", ""), POINT: POINT.replace(", use_bias=False", "")}, None, "both convolutions have biases"),
    ("deep_bias", "separable", DEEP, DEEP.replace(", use_bias=False", ""), "depthwise convolution has biases"),
    ("point_bias", "separable", POINT, POINT.replace(", use_bias=False", ""), "pointwise convolution has biases"),
    ("no_stride", "separable", DEEP, DEEP.replace(" strides=strides,", ""), "stride is left out"),
    ("stride_pointwise", "separable", {DEEP: DEEP.replace(" strides=strides,", ""), POINT: POINT.replace("1,", "1, strides=strides,")}, None, "stride is in the pointwise"),
    ("valid", "separable", DEEP, DEEP.replace(' padding="same",', ""), "not padded"),
    ("pointwise_first", "separable", {f"    {BETWEEN}\n    {POINT}\n": f"    {POINT}\n    x = layers.ReLU()(layers.BatchNormalization()(x))\n    x = deep(x)\n"}, None, "pointwise convolution comes first"),
    ("always_two", "separable", DEEP, DEEP.replace("strides=strides", "strides=2"), "separable(x"),
    ("library", "separable", None, "from cnnlab import blocks\n\n\n" + SEPARABLE_HEAD + "    return blocks.separable(x, filters, strides)\n", "without cnnlab"),
    # --- choosing
    ("only_params", "choosing", FITS, 'fits = [n for n in table if n["params"] <= max_params]', "budget of MACs is left out"),
    ("only_macs", "choosing", FITS, 'fits = [n for n in table if n["macs"] <= max_macs]', "budget of parameters is left out"),
    ("strict", "choosing", FITS, FITS.replace("<=", "<"), "exactly as much"),
    ("either", "choosing", FITS, FITS.replace(" and ", " or "), "both must be kept"),
    ("cheapest", "choosing", KEY, 'key=lambda n: -n["macs"]', "is not the most accurate"),
    ("ties_by_chance", "choosing", KEY, 'key=lambda n: n["top1"]', "that with fewer MACs"),
    ("accuracy", "choosing", NAME, 'return best["top1"] if best else None', "is not right"),
    ("row", "choosing", NAME, "return best", "is not right"),
    ("empty_text", "choosing", NAME, 'return best["name"] if best else ""', "None"),
    ("strict_both", "choosing", f"        {AS_GOOD}\n        {BETTER}\n", '        return a["top1"] > b["top1"] and a[cost] < b[cost]\n', "better in one and as good"),
    ("equal_dominate", "choosing", BETTER, "return a is not b and as_good", "equal networks"),
    ("only_cheaper", "choosing", BETTER, "return as_good and a[cost] < b[cost]", "dominates as well"),
    ("only_better", "choosing", BETTER, 'return as_good and a["top1"] > b["top1"]', "dominates as well"),
    ("unsorted", "choosing", SORTED, 'return [n["name"] for n in front]', "cheapest comes first"),
    ("dearest_first", "choosing", SORTED, 'return [n["name"] for n in sorted(front, key=lambda n: -n[cost])]', "not the dearest"),
    ("always_macs", "choosing", {AS_GOOD: AS_GOOD.replace("[cost]", '["macs"]'), BETTER: BETTER.replace("[cost]", '["macs"]')}, None, "pareto_front(table"),
    ("rows", "choosing", SORTED, "return sorted(front, key=lambda n: n[cost])", "list of names"),
    ("table_sorted", "choosing", "    front = [n for n in table", "    table.sort(key=lambda n: n[cost])\n    front = [n for n in table", "changes the list"),
    # --- answers tried later
    ("strides_of_height_only", "conv_cost", VALID, "sides = [(height - kernel_size) // strides + 1, width - kernel_size + 1]", "[4, 6, 6]"),
    ("half_padding", "conv_cost", SAME, "sides = [(n + 2 * (kernel_size // 2) - kernel_size) // strides + 1 for n in (height, width)] if strides == 1 else [n // strides for n in (height, width)]", "rounded up"),
    ("group_bias", "conv_cost", PARAMS, "params = weights + filters * groups * use_bias", "each group has as many biases"),
    ("groups_multiply", "conv_cost", WEIGHTS, "weights = kernel_size**2 * channels * groups * filters", "more groups have fewer"),
    ("order_of_three", "conv_cost", ROW, "return params, (*sides, filters), sides[0] * sides[1] * weights", "Three things come back"),
    ("printed", "conv_cost", ROW, "print((*sides, filters), params, sides[0] * sides[1] * weights)", "Three things come back"),
    ("macs_per_kernel", "conv_cost", ROW, ROW.replace("* weights", "* weights // filters"), "as many kernels as filters"),
    ("bias_is_text", "conv_cost", PARAMS, 'params = weights + filters * (use_bias == "True")', "there are no biases"),
    ("flatten_channels_first", "network_cost", INPUTS, 'inputs, units = shape[0], options["units"]', "expected"),
    ("pool_makes_filters", "network_cost", POOL_ROW, "row = (height, width, 2 * shape[2]), 0, 0", "expected"),
    ("dense_bias_of_inputs", "network_cost", DENSE_ROW, "row = (units,), inputs * units + inputs, inputs * units", "expected"),
    ("dense_shape_kept", "network_cost", DENSE_ROW, "row = (1, 1, units), (inputs + 1) * units, inputs * units", "expected a shape"),
    ("only_three_stages", "vgg", "zip(repeats, (64, 128, 256, 512, 512), strict=True)", "zip(repeats[:3], (64, 128, 256))", "number of layers"),
    ("doubles_within", "vgg", 'network += [("conv", options)] * times', 'network += [("conv", options | {"filters": filters * (n + 1)}) for n in range(times)]', "is not right"),
    ("five_by_five", "vgg", STAGE, STAGE.replace('"kernel_size": 3', '"kernel_size": 5'), "is not right"),
    ("dense_is_conv", "vgg", HEAD_OF_VGG, HEAD_OF_VGG.replace('"dense", {"units": n}', '"conv", {"filters": n, "kernel_size": 1}'), "is not right"),
    ("batch_added", "activation_memory", SIZES, SIZES.replace("4 * batch_size * int(np.prod(shape))", "4 * (batch_size + int(np.prod(shape)))"), "is not right"),
    ("in_list", "activation_memory", PEAK, PEAK.replace("return max(", "return list("), "is not right"),
    ("three_neighbours", "activation_memory", PEAK, "return max(a + b + c for a, b, c in zip(sizes, sizes[1:], sizes[2:]))", "is not right"),
    ("training_min", "activation_memory", PEAK, PEAK.replace("max", "min"), "this is the best moment"),
    ("relu_at_end_only", "inception", {RELU: 'relu = {"padding": "same"}', JOIN: "return layers.ReLU()(layers.Concatenate()(branches))"}, None, "reductions have no ReLU"),
    ("pool_size_two", "inception", POOLED, POOLED.replace("2D(3", "2D(2"), "the pooling is 2×2"),
    ("added", "inception", None, INCEPTION_HEAD + '    relu = {"padding": "same", "activation": "relu"}\n    n = sum(filters) + reduce[2]\n    return layers.Add()([layers.Conv2D(n, k, **relu)(x) for k in (1, 3, 5)])\n', "inception(x"),
    ("padding_zeros_only", "full_kernel", None, KERNEL_HEAD + "    more = kernel.shape[2] * (groups - 1)\n    return np.pad(kernel, ((0, 0), (0, 0), (0, more), (0, 0)))\n", "first group"),
    ("block_of_one", "full_kernel", PASTE, "full[:, :, first, n] = kernel[..., 0, n]", "full_kernel(kernel"),
    ("in_place", "full_kernel", ZEROS, "kernel *= 1\n    " + ZEROS, "changes what it was given"),
    ("multiplier", "separable", None, SEPARABLE_HEAD + '    n = layers.BatchNormalization\n    x = layers.DepthwiseConv2D(3, strides, "same", depth_multiplier=2, use_bias=False)(x)\n    x = layers.ReLU()(n()(x))\n    return layers.ReLU()(n()(layers.Conv2D(filters, 1, use_bias=False)(x)))\n', "separable(x"),
    ("two_groups", "separable", DEEP, 'deep = layers.Conv2D(x.shape[-1], 3, strides, "same", groups=x.shape[-1] // 2 if x.shape[-1] % 2 == 0 else 1, use_bias=False)', "separable(x"),
    ("sigmoid", "separable", LAST, "return keras.ops.sigmoid(layers.BatchNormalization()(x))", "separable(x"),
    ("first_that_fits", "choosing", "best = max(fits, " + KEY + ", default=None)", "best = fits[0] if fits else None", "the first that fits"),
    ("raises_on_none", "choosing", ", default=None)", ")", "error"),
    ("front_of_running_best", "choosing", SORTED, 'found, top = [], 0\n    for n in sorted(table, key=lambda n: n[cost]):\n        if n["top1"] > top:\n            found, top = found + [n["name"]], n["top1"]\n    return found', "pareto_front(table"),
    ("best_ratio", "choosing", SORTED, 'return [max(table, key=lambda n: n["top1"] / n[cost])["name"]]', "missing"),
]

VARIANTS = [
    ("loops", "conv_cost", None, COST_LOOPS),
    ("arrays", "conv_cost", None, COST_PADS),
    ("recursive", "network_cost", None, NETWORK_RECURSIVE),
    ("dense_is_1x1", "network_cost", None, NETWORK_AS_CONV),
    ("long", "vgg", None, VGG_LONG),
    ("powers", "vgg", f"zip(repeats, {STAGES}, strict=True)", "zip(repeats, [64 * 2 ** min(n, 3) for n in range(5)])"),
    ("loop", "activation_memory", None, MEMORY_LOOP),
    ("arrays", "activation_memory", f"    {SIZES}\n    if training:\n{SUM}\n    {PEAK}\n", "    sizes = np.array([np.prod(s) for s in shapes]) * batch_size\n    return 4 * (sizes.sum() if training else (sizes[:-1] + sizes[1:]).max())\n"),
    ("sequential", "inception", None, INCEPTION_SEQUENTIAL),
    ("layer", "inception", None, INCEPTION_LAYER),
    ("blocks", "full_kernel", None, KERNEL_BLOCKS),
    ("mask", "full_kernel", None, KERNEL_MASK),
    ("groups", "separable", None, SEPARABLE_GROUPS),
    ("dense", "separable", None, SEPARABLE_SEQUENTIAL),
    ("relu6", "separable", {BETWEEN: BETWEEN.replace("ReLU()", "ReLU(6)"), LAST: LAST.replace("ReLU()", "ReLU(6)")}, None),
    ("loops", "choosing", None, CHOOSING.format(best=BEST_LOOP, front=FRONT_SWEEP)),
    ("sorted", "choosing", 'best = max(fits, key=lambda n: (n["top1"], -n["macs"]), default=None)', 'fits = sorted(fits, key=lambda n: (-n["top1"], n["macs"]))\n    best = fits[0] if fits else {}'),
    ("numpy_shape", "conv_cost", "height, width, channels = shape", "height, width, channels = (int(n) for n in np.asarray(shape))"),
    ("floats", "conv_cost", WEIGHTS, "weights = kernel_size * kernel_size * channels / groups * filters"),
    ("ceil_valid", "conv_cost", VALID, "sides = [-(-(n - kernel_size + 1) // strides) for n in (height, width)]"),
    ("tuples_of_arrays", "network_cost", "return rows", "return tuple(rows)"),
    ("dense_by_conv", "network_cost", DENSE_ROW, "_, params, macs = conv_cost((1, 1, inputs), units, 1)\n            row = [units], params, macs"),
    ("explicit", "vgg", STAGE, 'options = {"filters": filters, "kernel_size": 3, "strides": 1, "padding": "same", "groups": 1, "use_bias": True}'),
    ("generator", "vgg", HEAD_OF_VGG, 'network.extend(("dense", {"units": n}) for n in (4096, 4096, num_classes))\n    return tuple(network)'),
    ("pairs", "activation_memory", PEAK, "return max(sizes[n] + sizes[n + 1] for n in range(len(sizes) - 1))"),
    ("nbytes", "activation_memory", SIZES, 'sizes = [np.zeros((batch_size, *shape), "float32").nbytes for shape in shapes]'),
    ("activation_layers", "inception", RELU, 'relu = {"padding": "same", "activation": layers.ReLU()}'),
    ("split", "full_kernel", None, KERNEL_HEAD + "    k, _, c, n = kernel.shape\n    full = np.zeros((k, k, groups, c, groups, n // groups))\n    for g in range(groups):\n        full[:, :, g, :, g] = kernel.reshape(k, k, c, groups, n // groups)[:, :, :, g]\n    return full.reshape(k, k, c * groups, n)\n"),
    ("per_channel", "separable", DEEP, DEEP.replace("3, strides=strides", "kernel_size=3, strides=(strides, strides), depth_multiplier=1")),
    ("sort_by_two", "choosing", SORTED, 'front.sort(key=lambda n: (n[cost], n["name"]))\n    return tuple(n["name"] for n in front)'),
]
# fmt: on
