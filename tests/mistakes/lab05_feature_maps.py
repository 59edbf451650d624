"""Mistakes and variants of lab 5; README.md in this folder explains the format."""

# ruff: noqa: E501 (one line each, to be read as a table)

FRONT = "front = keras.Model(model.input, model.get_layer(layer).output)\n    return front(x, training=False)"
GROW = "side += (kernel_size - 1) * dilation * jump"
JUMP = "jump *= strides"
KEPT = "sides.append(side)"
ANSWER = "return keras.ops.sum(front(x, training=False)[:, row, column])"
FIELD = "return np.abs(train.gradient(answer, images)).sum(axis=(0, 3))"
MOVE = "x = x + rate * slopes / (np.sqrt(np.mean(slopes**2)) + 1e-8)"
EXCITED = "return keras.ops.mean(front(x, training=False)[..., channel])"
STEPS = "for _ in range(steps):"
SCORE = "lambda maps: back(maps)[0, label]"
ALPHA = "alpha = slopes.mean(axis=(1, 2))[0]"
HEAT = "heat = np.maximum(np.asarray(maps)[0] @ alpha, 0)"
SCALED = "heat = heat / max(heat.max(), 1e-9)"
RESIZED = "large = keras.ops.image.resize(heat[..., np.newaxis], x.shape[1:3])"
RETURNED = "return np.asarray(large)[..., 0]"
ROWS = "rows = range(0, height - size + 1, stride)"
COPY = "covered = x[0].copy()"
GREY = "covered[row : row + size, column : column + size] = 0"
ASKED = "p = np.asarray(model(np.array(images), training=False))[:, label]"
FALL = "return (p[0] - p[1:]).reshape(len(rows), len(columns))"
UNIT = "unit = features / np.linalg.norm(features, axis=1, keepdims=True)"
COSINES = "cosines = unit @ unit[query]"
ITSELF = "cosines[query] = -np.inf"
SORTED = "return np.argsort(-cosines)[:k]"

LAYER_BY_LAYER = """
def feature_maps(model, x, layer):
    for each in model.layers[1:]:
        x = each(x)
        if each.name == layer:
            return keras.ops.convert_to_numpy(x)
"""
PREDICTED = """
def feature_maps(model, x, layer):
    outputs = {each.name: each.output for each in model.layers}
    return keras.Model(model.inputs, outputs[layer]).predict(x, verbose=0)
"""
ALL_OUTPUTS = """
def feature_maps(model, x, layer):
    names = [each.name for each in model.layers]
    several = keras.Model(model.inputs, [each.output for each in model.layers])
    return several(x)[names.index(layer)]
"""
ONE_LAYER = """
def feature_maps(model, x, layer):
    return model.get_layer(layer)(x)
"""
BEHIND_FIRST = """
def feature_maps(model, x, layer):
    for each in model.layers[1:]:
        if each.name == layer:
            return x
        x = each(x)
"""
UNTRAINED = """
def feature_maps(model, x, layer):
    copy = keras.models.clone_model(model)
    return keras.Model(copy.input, copy.get_layer(layer).output)(x, training=False)
"""

FROM_THE_END = """
def receptive_field(chain):
    def field(layers):
        side = 1
        for kernel_size, strides, dilation in reversed(layers):
            side = (side - 1) * strides + (kernel_size - 1) * dilation + 1
        return side

    chain = list(chain)
    return [field(chain[: n + 1]) for n in range(len(chain))]
"""
CUMULATED = """
def receptive_field(chain):
    k, s, d = np.array(list(chain)).T
    jumps = np.concatenate([[1], np.cumprod(s)[:-1]])
    return 1 + np.cumsum((k - 1) * d * jumps)
"""
GENERATED = """
def receptive_field(chain):
    def sides():
        r, j = 1, 1
        for k, s, d in chain:
            r, j = r + (k - 1) * d * j, j * s
            yield r

    return tuple(sides())
"""

ONE_BY_ONE = """
def measured_field(model, images, layer, position):
    front = keras.Model(model.input, model.get_layer(layer).output)
    total = np.zeros(images.shape[1:3])
    for image in images:
        seen = lambda x: keras.ops.sum(front(x)[0, position[0], position[1], :])
        total += np.abs(train.gradient(seen, image[None])[0]).sum(-1)
    return total
"""
FIELD_MEAN = """
def measured_field(model, images, layer, position):
    def seen(x):
        front = keras.Model(model.input, model.get_layer(layer).output)
        return keras.ops.mean(front(x)[(slice(None), *position)])

    slopes = train.gradient(seen, images)
    return keras.ops.mean(keras.ops.abs(slopes), axis=(0, -1))
"""
FIELD_PREDICTS = """
def measured_field(model, images, layer, position):
    front = keras.Model(model.input, model.get_layer(layer).output)
    row, column = position
    return np.abs(train.gradient(lambda x: front.predict(x, verbose=0)[:, row, column].sum(), images)).sum((0, 3))
"""

CLIMB_OPS = """
def maximise(model, layer, channel, x, steps, rate):
    front = keras.Model(model.input, model.get_layer(layer).output)
    image = keras.ops.convert_to_tensor(x)
    for _ in range(steps):
        g = train.gradient(lambda image: keras.ops.sum(front(image)[:, :, :, channel]), image)
        norm = max(np.linalg.norm(g) / np.sqrt(g.size), 1e-10)
        image = image + rate * g / norm
    return image
"""
CLIMB_CHOLLET = """
def maximise(model, layer, channel, x, steps, rate):
    image = np.array(x)
    for step in range(steps):
        def loss(image):
            front = keras.Model(model.input, model.get_layer(layer).output)
            return keras.ops.mean(front(image)[..., channel])

        grads = train.gradient(loss, image)
        grads /= np.sqrt(np.mean(np.square(grads))) + 1e-7
        image += grads * rate
    return image[0]
"""
IN_PLACE = """
def maximise(model, layer, channel, x, steps, rate):
    front = keras.Model(model.input, model.get_layer(layer).output)
    for _ in range(steps):
        g = train.gradient(lambda x: keras.ops.mean(front(x)[..., channel]), x)
        x += rate * g / (np.sqrt(np.mean(g**2)) + 1e-8)
    return x
"""
ONCE = """
def maximise(model, layer, channel, x, steps, rate):
    front = keras.Model(model.input, model.get_layer(layer).output)
    g = train.gradient(lambda x: keras.ops.mean(front(x)[..., channel]), x)
    for _ in range(steps):
        x = x + rate * g / (np.sqrt(np.mean(g**2)) + 1e-8)
    return x
"""

CAM_LOOPS = """
def grad_cam(model, x, label, layer):
    maps = feature_maps(model, x, layer)
    rest = behind(model, layer)
    slopes = train.gradient(lambda m: rest(m)[0][label], maps)
    maps, heat = np.array(maps)[0], 0
    for k in range(maps.shape[-1]):
        heat = heat + slopes[0, :, :, k].mean() * maps[:, :, k]
    heat = np.where(heat > 0, heat, 0)
    large = keras.ops.image.resize(heat[None, :, :, None], x.shape[1:3])[0, :, :, 0]
    large = np.array(large)
    return large / large.max() if large.max() > 0 else large
"""
CAM_EINSUM = """
def grad_cam(model, x, label, layer):
    from PIL import Image

    maps = keras.ops.convert_to_numpy(feature_maps(model, x, layer))
    back = behind(model, layer)
    slopes = train.gradient(lambda m: keras.ops.sum(back(m)[:, label]), maps)
    heat = keras.ops.relu(np.einsum("nhwc,nc->nhw", maps, slopes.sum((1, 2))))
    heat = keras.ops.convert_to_numpy(heat)[0]
    heat = Image.fromarray(heat / (heat.max() + 1e-12)).resize(x.shape[2:0:-1], Image.Resampling.BILINEAR)
    return np.asarray(heat)
"""
CAM_OWN_LOGITS = """
def grad_cam(model, x, label, layer):
    last = model.layers[-1]
    front = keras.Model(model.input, model.get_layer(layer).output)
    between = keras.Model(model.get_layer(layer).output, last.input)
    maps = np.array(front(x))

    def logit(m):
        return keras.ops.sum(between(m)[0] * last.kernel[:, label]) + last.bias[label]

    alpha = np.mean(train.gradient(logit, maps), axis=(0, 1, 2))
    heat = np.maximum((maps[0] * alpha).sum(-1), 0)
    heat = heat / (heat.max() + 1e-10)
    return keras.ops.image.resize(heat[..., None], x.shape[1:3])[..., 0]
"""
CAM_PREDICTS = """
def grad_cam(model, x, label, layer):
    back = behind(model, layer)
    maps = keras.Model(model.input, model.get_layer(layer).output)(x)
    slopes = train.gradient(lambda m: model(x)[0, label], maps)
    heat = np.maximum(np.asarray(maps)[0] @ slopes.mean((1, 2))[0], 0)
    return np.asarray(keras.ops.image.resize(heat[..., None] / max(heat.max(), 1e-9), x.shape[1:3]))[..., 0]
"""

ONE_AT_A_TIME = """
def occlusion(model, x, label, size, stride):
    before = float(model(x)[0, label])
    rows = (x.shape[1] - size) // stride + 1
    columns = (x.shape[2] - size) // stride + 1
    fall = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            covered = np.array(x)
            covered[:, i * stride : i * stride + size, j * stride : j * stride + size, :] = 0
            fall[i, j] = before - float(model(covered)[0, label])
    return fall
"""
MASKED = """
def occlusion(model, x, label, size, stride):
    height, width = x.shape[1:3]
    tops = np.arange(0, height - size + 1, stride)[:, None, None, None]
    lefts = np.arange(0, width - size + 1, stride)[None, :, None, None]
    i, j = np.arange(height)[:, None], np.arange(width)[None]
    inside = (i >= tops) & (i < tops + size) & (j >= lefts) & (j < lefts + size)
    covered = (x[0] * ~inside[..., None]).reshape(-1, height, width, 3)
    p = model.predict(covered.astype("float32"), verbose=0)[:, label]
    return (model.predict(x, verbose=0)[0, label] - p).reshape(inside.shape[:2])
"""

BY_LOOP = """
def nearest(features, query, k):
    q = features[query]
    scored = []
    for n, row in enumerate(features):
        if n != query:
            scored.append((float(row @ q) / (np.linalg.norm(row) * np.linalg.norm(q)), n))
    return [n for _, n in sorted(scored, reverse=True)[:k]]
"""
BY_SKLEARN = """
def nearest(features, query, k):
    from sklearn.metrics.pairwise import cosine_similarity

    order = cosine_similarity(features[query : query + 1], features)[0].argsort()[::-1]
    return order[order != query][:k]
"""
UNSORTED = """
def nearest(features, query, k):
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit @ unit[query]
    cosines[query] = -np.inf
    return np.sort(np.argpartition(-cosines, k)[:k])
"""

MAPS_OF = """
def feature_maps(model, x, layer):
    front = keras.Model(model.input, model.get_layer(layer).output)
"""
GRADIENTS = """
def measured_field(model, images, layer, position):
    front = keras.Model(model.input, model.get_layer(layer).output)
    r, c = position
    g = train.gradient(lambda x: keras.ops.sum(front(x)[:, r, c]), images)
"""
CLIMB = """
def maximise(model, layer, channel, x, steps, rate):
    front = keras.Model(model.input, model.get_layer(layer).output)
    for n in range(steps):
        g = train.gradient(lambda x: keras.ops.mean(front(x)[..., channel]), x)
        g = g / (np.sqrt(np.mean(g**2)) + 1e-8)
"""
CAM = """
def grad_cam(model, x, label, layer):
    maps = keras.Model(model.input, model.get_layer(layer).output)(x)
    g = train.gradient(lambda m: behind(model, layer)(m)[0, label], maps)
    h = np.maximum(np.asarray(maps)[0] @ g.mean((0, 1, 2)), 0)
"""
LARGE = """    h = h / max(h.max(), 1e-9)
    return np.asarray(keras.ops.image.resize(h[..., None], x.shape[1:3]))[..., 0]
"""
NEXT = """
def feature_maps(model, x, layer):
    number = [each.name for each in model.layers].index(layer)
    return keras.Model(model.input, model.layers[number + 1].output)(x)
"""
FORWARD = """
def receptive_field(chain):
    r, sides = 1, []
    for k, s, d in chain:
        r = (r - 1) * s + (k - 1) * d + 1
        sides.append(r)
    return sides
"""
YIELDED = """
def receptive_field(chain):
    r, j = 1, 1
    for k, s, d in chain:
        r, j = r + (k - 1) * d * j, j * s
        yield r
"""
CLASS_SCORE = """
def maximise(model, layer, channel, x, steps, rate):
    for _ in range(steps):
        g = train.gradient(lambda x: model(x)[0, 0], x)
        x = x + rate * g / (np.sqrt(np.mean(g**2)) + 1e-8)
    return x
"""
LOG_SOFTMAX = CAM.replace(
    "behind(model, layer)(m)[0, label]",
    "keras.ops.log_softmax(behind(model, layer)(m))[0, label]",
)
ALL_BUT = """
def occlusion(model, x, label, size, stride):
    before = float(np.asarray(model(x))[0, label])
    rows = range(0, x.shape[1] - size + 1, stride)
    columns = range(0, x.shape[2] - size + 1, stride)
    fall = np.zeros((len(rows), len(columns)))
    for a, i in enumerate(rows):
        for b, j in enumerate(columns):
            image = np.zeros_like(x)
            image[:, i : i + size, j : j + size] = x[:, i : i + size, j : j + size]
            fall[a, b] = before - float(np.asarray(model(image))[0, label])
    return fall
"""
COPIED = """
def feature_maps(model, x, layer):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return keras.Model(copy.inputs[0], copy.get_layer(layer).output).predict_on_batch(x)
"""
SEQUENTIAL = """
def feature_maps(model, x, layer):
    names = [each.name for each in model.layers]
    return keras.Sequential(model.layers[1 : names.index(layer) + 1])(x, training=False)
"""
WIDER_KERNEL = """
def receptive_field(chain):
    r, j, sides = 1, 1, []
    for k, s, d in chain:
        wide = k + (k - 1) * (d - 1)
        r, j = r + (wide - 1) * j, j * s
        sides += [np.int64(r)]
    return sides
"""
RMS_BY_OPS = """
def maximise(model, layer, channel, x, steps, rate):
    front = keras.Model(model.input, model.get_layer(layer).output)
    x = keras.ops.convert_to_tensor(x)
    for _ in range(steps):
        g = train.gradient(lambda z: keras.ops.sum(front(z)[0, :, :, channel]), x)
        g = keras.ops.convert_to_tensor(g)
        x = x + rate * g * keras.ops.rsqrt(keras.ops.mean(g * g) + 1e-12)
    return x
"""
LINEAR = """
def grad_cam(model, x, label, layer):
    last = model.layers[-1]
    kept, last.activation = last.activation, keras.activations.linear
    rest = keras.Model(model.get_layer(layer).output, model.output)
    maps = keras.Model(model.input, model.get_layer(layer).output)(x)
    g = train.gradient(lambda m: rest(m)[0, label], maps)
    last.activation = kept
    h = np.maximum(np.asarray(maps)[0] @ g.mean(axis=(1, 2))[0], 0)
"""
PUT_BACK = """
def occlusion(model, x, label, size, stride):
    x = np.array(x)
    height, width = x.shape[1:3]
    before = keras.ops.convert_to_numpy(model(x))[0][label]

    def fall(i, j):
        kept = x[:, i : i + size, j : j + size].copy()
        x[:, i : i + size, j : j + size] *= 0
        p = keras.ops.convert_to_numpy(model(x))[0][label]
        x[:, i : i + size, j : j + size] = kept
        return before - p

    columns = range(0, width - size + 1, stride)
    return [[fall(i, j) for j in columns] for i in range(0, height - size + 1, stride)]
"""
UNIT_DISTANCE = """
def nearest(features, query, k):
    u = features / np.sqrt((features**2).sum(1))[:, None]
    apart = ((u - u[query]) ** 2).sum(1)
    return [int(n) for n in np.argsort(apart) if n != query][:k]
"""
TOP_K = """
def nearest(features, query, k):
    f = keras.ops.normalize(keras.ops.convert_to_tensor(features, "float32"), axis=1)
    cosines = np.array(keras.ops.matmul(f, f[query]))
    cosines[query] = -2
    return keras.ops.top_k(cosines, k)[1]
"""

# fmt: off
MISTAKES = [
    ("layers_input", "feature_maps", "model.get_layer(layer).output)\n    return", "model.get_layer(layer).input)\n    return", "is given, not what it gives"),
    ("training_mode", "feature_maps", FRONT, FRONT.replace("False", "True"), "training mode"),
    ("whole_network", "feature_maps", FRONT, "return model(x, training=False)", "its probabilities"),
    ("layer_alone", "feature_maps", None, ONE_LAYER, "called on the images"),
    ("one_too_early", "feature_maps", None, BEHIND_FIRST, "is given, not what it gives"),
    ("untrained_copy", "feature_maps", None, UNTRAINED, "values differ"),
    ("first_image", "feature_maps", FRONT, FRONT + "[0]", "first image alone"),
    ("mean_of_filters", "feature_maps", FRONT, f"return keras.ops.mean({FRONT.split('return ')[1].replace('front', 'keras.Model(model.input, model.get_layer(layer).output)')}, axis=-1)", "averaged over their filters"),
    ("no_return", "feature_maps", FRONT, FRONT.replace("return ", ""), "received None"),

    ("strides_left_out", "receptive_field", GROW, "side += (kernel_size - 1) * dilation", "Strides are left out"),
    ("own_stride", "receptive_field", {f"{GROW}\n        {JUMP}": f"{JUMP}\n        {GROW}"}, None, "A layer's own stride"),
    ("last_stride", "receptive_field", JUMP, "jump = strides", "last layer alone"),
    ("strides_added", "receptive_field", JUMP, "jump += strides - 1", "they multiply"),
    ("dilation_left_out", "receptive_field", GROW, "side += (kernel_size - 1) * jump", "Dilation is left out"),
    ("dilated_width", "receptive_field", GROW, "side += (kernel_size * dilation - 1) * jump", "k d wide"),
    ("dilation_in_jump", "receptive_field", JUMP, "jump *= strides * dilation", "Dilation counts in the jump"),
    ("adds_k", "receptive_field", GROW, "side += kernel_size * dilation * jump", "not k - 1"),
    ("starts_at_0", "receptive_field", "sides, side, jump = [], 1, 1", "sides, side, jump = [], 0, 1", "not 0"),
    ("only_last", "receptive_field", "return sides", "return side", "Only the last"),
    ("growth", "receptive_field", GROW, "side = (kernel_size - 1) * dilation * jump", "how much the field grows"),
    ("with_the_image", "receptive_field", "sides, side, jump = [], 1, 1", "sides, side, jump = [1], 1, 1", "that of the image"),
    ("jumps", "receptive_field", KEPT, "sides.append(jump)", "These are the jumps"),

    ("signs", "measured_field", FIELD, "return train.gradient(answer, images).sum(axis=(0, 3))", "Signs are left in"),
    ("abs_after", "measured_field", FIELD, "return np.abs(train.gradient(answer, images).sum(axis=(0, 3)))", "after the sum"),
    ("abs_after_images", "measured_field", FIELD, "return np.abs(train.gradient(answer, images).sum(axis=0)).sum(axis=-1)", "after the sum over the images"),
    ("one_image", "measured_field", FIELD, "return np.abs(train.gradient(answer, images[:1])).sum(axis=(0, 3))", "first image"),
    ("exchanged", "measured_field", "row, column = position", "column, row = position", "exchanged"),
    ("everywhere", "measured_field", ANSWER, "return keras.ops.sum(front(x, training=False))", "whole map"),
    ("one_filter", "measured_field", ANSWER, "return keras.ops.sum(front(x, training=False)[:, row, column, 0])", "first filter"),
    ("squared", "measured_field", FIELD, "return (train.gradient(answer, images) ** 2).sum(axis=(0, 3))", "squared"),
    ("largest", "measured_field", FIELD, "return np.abs(train.gradient(answer, images)).max(axis=(0, 3))", "largest gradient"),
    ("yes_or_no", "measured_field", FIELD, FIELD + " > 0", "yes or no"),
    ("every_colour", "measured_field", FIELD, "return np.abs(train.gradient(answer, images)).sum(axis=0)", "expected the shape"),
    ("every_image", "measured_field", FIELD, "return np.abs(train.gradient(answer, images)).sum(axis=-1)", "a field for each image"),
    ("answer", "measured_field", ANSWER, "return keras.ops.sum(model(x, training=False)[:, 0])", "values differ"),
    ("predicts", "measured_field", None, FIELD_PREDICTS, "does not depend on x"),
    ("no_number", "measured_field", ANSWER, "return front(x, training=False)[:, row, column]", "one number"),

    ("descent", "maximise", MOVE, MOVE.replace("x + rate", "x - rate"), "moves down"),
    ("not_normalised", "maximise", MOVE, "x = x + rate * slopes", "not divided"),
    ("by_length", "maximise", MOVE, "x = x + rate * slopes / (np.linalg.norm(slopes) + 1e-8)", "by its length"),
    ("by_deviation", "maximise", MOVE, "x = x + rate * slopes / (slopes.std() + 1e-8)", "standard deviation"),
    ("by_largest", "maximise", MOVE, "x = x + rate * slopes / (np.abs(slopes).max() + 1e-8)", "largest value"),
    ("root_missing", "maximise", MOVE, "x = x + rate * slopes / (np.mean(slopes**2) + 1e-8)", "root is missing"),
    ("sign", "maximise", MOVE, "x = x + rate * np.sign(slopes)", "Only the sign"),
    ("once", "maximise", None, ONCE, "computed once"),
    ("nan", "maximise", MOVE, "x = x + rate * slopes / np.sqrt(np.mean(slopes**2))", "nan"),
    ("all_maps", "maximise", EXCITED, "return keras.ops.mean(front(x, training=False))", "All maps of the layer are to grow"),
    ("largest_value", "maximise", EXCITED, "return keras.ops.max(front(x, training=False)[..., channel])", "The largest value of the map is to grow"),
    ("row_for_channel", "maximise", EXCITED, "return keras.ops.mean(front(x, training=False)[:, channel])", "A row of the map is to grow"),
    ("one_step", "maximise", STEPS, "for _ in range(1):", "One step only"),
    ("a_step_too_many", "maximise", STEPS, "for _ in range(steps + 1):", "One step too many"),
    ("changes_x", "maximise", None, IN_PLACE, "changes what it was given"),
    ("training_mode", "maximise", "return keras.ops.mean(front(x, training=False)[..., channel])", "return keras.ops.mean(front(x, training=True)[..., channel])", "training mode"),

    ("softmax", "grad_cam", SCORE, "lambda maps: keras.ops.softmax(back(maps))[0, label]", "after the softmax"),
    ("no_relu", "grad_cam", HEAT, "heat = np.asarray(maps)[0] @ alpha", "ReLU of the formula"),
    ("absolute", "grad_cam", HEAT, "heat = np.abs(np.asarray(maps)[0] @ alpha)", "absolute value"),
    ("nan", "grad_cam", SCALED, "heat = heat / heat.max()", "nan"),
    ("not_resized", "grad_cam", RETURNED, "return heat", "size of the maps"),
    ("not_scaled", "grad_cam", SCALED, "heat = heat * 1.0", "largest value"),
    ("unweighted", "grad_cam", HEAT, "heat = np.maximum(np.asarray(maps)[0].sum(-1), 0)", "without weights"),
    ("other_class", "grad_cam", SCORE, "lambda maps: back(maps)[0, 0]", "another class"),
    ("likeliest", "grad_cam", SCORE, "lambda maps: keras.ops.max(back(maps)[0])", ""),
    ("all_logits", "grad_cam", SCORE, "lambda maps: keras.ops.sum(back(maps))", "all logits"),
    ("disconnected", "grad_cam", None, CAM_PREDICTS, "does not depend on x"),
    ("each_place", "grad_cam", HEAT, "heat = np.maximum((np.asarray(maps)[0] * slopes[0]).sum(-1), 0)", "place by place"),
    ("relu_on_alpha", "grad_cam", ALPHA, "alpha = np.maximum(slopes.mean(axis=(1, 2))[0], 0)", "to the weights alpha"),
    ("absolute_alpha", "grad_cam", ALPHA, "alpha = np.abs(slopes).mean(axis=(1, 2))[0]", "absolute gradient"),
    ("gradients_alone", "grad_cam", HEAT, "heat = np.maximum(slopes[0].sum(-1), 0)", "without the maps"),
    ("min_max", "grad_cam", {HEAT: "heat = np.asarray(maps)[0] @ alpha", SCALED: "heat = (heat - heat.min()) / (np.ptp(heat) + 1e-9)"}, None, "lowest value"),
    ("transposed", "grad_cam", RETURNED, RETURNED + ".T", "exchanged"),
    ("sides_swapped", "grad_cam", RESIZED, "large = keras.ops.image.resize(heat[..., np.newaxis], x.shape[2:0:-1])", "exchanged"),
    ("nearest", "grad_cam", RESIZED, RESIZED.replace("x.shape[1:3])", 'x.shape[1:3], interpolation="nearest")'), "repeating values"),
    ("bytes", "grad_cam", RETURNED, "return np.uint8(255 * np.asarray(large)[..., 0])", "must be 1"),
    ("relu_last", "grad_cam", {HEAT: "heat = np.asarray(maps)[0] @ alpha", SCALED: "heat = heat / max(np.abs(heat).max(), 1e-9)", RETURNED: "return np.maximum(np.asarray(large)[..., 0], 0)"}, None, "enlarged before the ReLU"),
    ("no_return", "grad_cam", RETURNED, RETURNED.removeprefix("return "), "return"),

    ("sign", "occlusion", FALL, FALL.replace("p[0] - p[1:]", "p[1:] - p[0]"), "sign is wrong"),
    ("no_difference", "occlusion", FALL, FALL.replace("(p[0] - p[1:])", "p[1:]"), "not their fall"),
    ("grey_before", "occlusion", GREY, GREY.replace("= 0", "= 128"), "before the image was prepared"),
    ("mean_of_image", "occlusion", GREY, GREY.replace("= 0", "= x.mean()"), "mean of this image"),
    ("mean_colour", "occlusion", GREY, GREY.replace("= 0", "= x.mean(axis=(0, 1, 2))"), "mean colour of this image"),
    ("stays_covered", "occlusion", {COPY: "covered = images[-1].copy()"}, None, "Squares stay covered"),
    ("other_class", "occlusion", ASKED, ASKED.replace("[:, label]", ".max(axis=1)"), ""),
    ("likeliest", "occlusion", ASKED, "p = np.asarray(model(np.array(images), training=False))\n    p = p[:, p[0].argmax()]", "likeliest class"),
    ("exchanged", "occlusion", FALL, FALL.replace("(len(rows), len(columns))", "(len(rows), len(columns)).T"), "Rows and columns"),
    ("size_and_stride", "occlusion", None, ONE_AT_A_TIME.replace("def occlusion(model, x, label, size, stride)", "def occlusion(model, x, label, stride, size)"), "are exchanged"),
    ("last_missing", "occlusion", {ROWS: ROWS.replace(" + 1", ""), "columns = range(0, width - size + 1, stride)": "columns = range(0, width - size, stride)"}, None, "is missing"),
    ("over_the_edge", "occlusion", {ROWS: "rows = range(0, height, stride)", "columns = range(0, width - size + 1, stride)": "columns = range(0, width, stride)"}, None, "over the edge"),
    ("cut_off", "occlusion", FALL, FALL.replace("(p[0] - p[1:])", "np.maximum(p[0] - p[1:], 0)"), "cut off"),
    ("relative", "occlusion", FALL, FALL.replace("(p[0] - p[1:])", "((p[0] - p[1:]) / p[0])"), "divided by the probability"),
    ("changes_x", "occlusion", COPY, "covered = x[0]", "changes what it was given"),

    ("itself", "nearest", ITSELF, "cosines[query] += 0", "its own neighbour"),
    ("skips_the_first", "nearest", {ITSELF: "", SORTED: "return np.argsort(-cosines, kind='stable')[1 : k + 1]"}, None, "its own neighbour"),
    ("no_norms", "nearest", UNIT, "unit = features", "Norms are missing"),
    ("distance", "nearest", {COSINES: "cosines = -np.linalg.norm(features - features[query], axis=1)"}, None, "nearest by distance"),
    ("least", "nearest", SORTED, "return np.argsort(cosines)[1 : k + 1]", "least similar"),
    ("last_first", "nearest", SORTED, "return np.argsort(cosines)[-k:]", "come last"),
    ("absolute", "nearest", COSINES, "cosines = np.abs(unit @ unit[query])", "opposite way"),
    ("cosines", "nearest", SORTED, "return np.sort(cosines)[::-1][:k]", "These are the cosines"),
    ("too_many", "nearest", SORTED, "return np.argsort(-cosines)[: k + 1]", "too many"),
    ("unsorted", "nearest", None, UNSORTED, "another order"),
    ("columns", "nearest", UNIT, "unit = features / np.linalg.norm(features, axis=0)", "Each column"),
    ("correlation", "nearest", UNIT, "centred = features - features.mean(axis=1, keepdims=True)\n    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)", "correlation"),
    ("changes_features", "nearest", UNIT, "features /= np.linalg.norm(features, axis=1, keepdims=True)\n    unit = features", "changes what it was given"),
    # beside those of the table: answers of people who had not seen the checks
    ("model_returned", "feature_maps", None, MAPS_OF + "    return front\n", "received"),
    ("symbolic", "feature_maps", None, MAPS_OF + "    return front.output\n", "received"),
    ("list_of_batches", "feature_maps", None, MAPS_OF + "    return [front(image[None]) for image in x]\n", "shape"),
    ("scaled_images", "feature_maps", None, MAPS_OF + "    return front(x / 255)\n", "values differ"),
    ("scaled_maps", "feature_maps", None, MAPS_OF + "    maps = np.asarray(front(x))\n    return maps / maps.max()\n", "values differ"),
    ("bytes", "feature_maps", None, MAPS_OF + "    return np.asarray(front(x)).astype('uint8')\n", "values differ"),
    ("next_layer", "feature_maps", None, NEXT, "averaged over their places"),
    ("pairs", "receptive_field", KEPT, "sides.append((side, jump))", "shape"),
    ("backwards_forwards", "receptive_field", None, FORWARD, "expected"),
    ("yields", "receptive_field", None, YIELDED, "received a generator"),
    ("half_kernels", "receptive_field", GROW, "side += (kernel_size // 2) * dilation * jump", "expected"),
    ("transposed", "measured_field", FIELD, FIELD + ".T", "exchanged"),
    ("wrong_axes", "measured_field", FIELD, FIELD.replace("(0, 3)", "(0, 1)"), "expected the shape"),
    ("root_of_squares", "measured_field", None, GRADIENTS + "    return np.sqrt((g**2).sum((0, 3)))\n", "root of a sum of squares"),
    ("positive", "measured_field", None, GRADIENTS + "    return np.maximum(g, 0).sum((0, 3))\n", "Only positive"),
    ("training_mode", "measured_field", ANSWER, ANSWER.replace("False", "True"), "training mode"),
    ("times_image", "measured_field", None, GRADIENTS + "    return np.abs(g * images).sum((0, 3))\n", "multiplied by the image"),
    ("one_coordinate", "measured_field", "row, column = position", "row = column = position[0]", "values differ"),
    ("clipped", "maximise", None, CLIMB + "        x = np.clip(x + rate * g, 0, 255)\n    return x\n", "values differ"),
    ("slower_and_slower", "maximise", None, CLIMB + "        x = x + rate / (n + 1) * g\n    return x\n", "values differ"),
    ("no_rate", "maximise", None, CLIMB + "        x = x + g\n    return x\n", "rate is left out"),
    ("class_score", "maximise", None, CLASS_SCORE, "values differ"),
    ("middle", "maximise", EXCITED, "maps = front(x, training=False)\n        return maps[0, maps.shape[1] // 2, maps.shape[2] // 2, channel]", "one place of the map is to grow"),
    ("return_in_loop", "maximise", None, CLIMB + "        x = x + rate * g\n        return x\n", "One step only"),
    ("bicubic", "grad_cam", RESIZED, RESIZED.replace("x.shape[1:3])", 'x.shape[1:3], interpolation="bicubic")'), "cubic"),
    ("squared", "grad_cam", None, CAM + "    h = h**2\n" + LARGE, "not that of the formula"),
    ("thresholded", "grad_cam", None, CAM + "    h = h > 0.5 * h.max()\n    h = h.astype('float32')\n" + LARGE, "not that of the formula"),
    ("log_softmax", "grad_cam", None, LOG_SOFTMAX + LARGE, "after the softmax"),
    ("three_colours", "grad_cam", RETURNED, "return np.repeat(np.asarray(large), 3, axis=-1)", "shape"),
    ("one_colour", "occlusion", GREY, "covered[row : row + size, column : column + size, 0] = 0", "Only the first colour"),
    ("percent", "occlusion", FALL, FALL.replace("(p[0] - p[1:])", "(100 * (p[0] - p[1:]))"), "in percent"),
    ("all_but", "occlusion", None, ALL_BUT, "Everything but the square"),
    ("centred", "occlusion", GREY, "covered[max(row - size // 2, 0) : row - size // 2 + size, max(column - size // 2, 0) : column - size // 2 + size] = 0", "around their places"),
    ("upside_down", "occlusion", FALL, FALL + "[::-1]", "values differ"),
    ("flat", "occlusion", FALL, "return p[0] - p[1:]", "shape"),
    ("from_one", "nearest", SORTED, SORTED + " + 1", "expected"),
    ("features", "nearest", SORTED, "return features[np.argsort(-cosines)[:k]]", "numbers are asked for"),
    ("shifted", "nearest", ITSELF, "cosines = np.delete(cosines, query)", "shifted"),
    ("without_twins", "nearest", ITSELF, "cosines[cosines > 0.999] = -np.inf", "left out"),
    ("one_norm", "nearest", UNIT, "unit = features / np.linalg.norm(features)", "Norms are missing"),
]

VARIANTS = [
    ("layer_by_layer", "feature_maps", None, LAYER_BY_LAYER),
    ("predicted", "feature_maps", None, PREDICTED),
    ("all_outputs", "feature_maps", None, ALL_OUTPUTS),
    ("from_the_end", "receptive_field", None, FROM_THE_END),
    ("cumulated", "receptive_field", None, CUMULATED),
    ("generated", "receptive_field", None, GENERATED),
    ("one_by_one", "measured_field", None, ONE_BY_ONE),
    ("mean", "measured_field", None, FIELD_MEAN),
    ("operations", "maximise", None, CLIMB_OPS),
    ("as_chollet", "maximise", None, CLIMB_CHOLLET),
    ("loops", "grad_cam", None, CAM_LOOPS),
    ("einsum", "grad_cam", None, CAM_EINSUM),
    ("own_logits", "grad_cam", None, CAM_OWN_LOGITS),
    ("one_at_a_time", "occlusion", None, ONE_AT_A_TIME),
    ("masked", "occlusion", None, MASKED),
    ("loop", "nearest", None, BY_LOOP),
    ("sklearn", "nearest", None, BY_SKLEARN),
    ("copied", "feature_maps", None, COPIED),
    ("sequential", "feature_maps", None, SEQUENTIAL),
    ("wider_kernel", "receptive_field", None, WIDER_KERNEL),
    ("to_one", "measured_field", None, GRADIENTS + "    field = np.abs(g).mean((0, -1))\n    return field / field.max()\n"),
    ("root_by_operations", "maximise", None, RMS_BY_OPS),
    ("linear_end", "grad_cam", None, LINEAR + LARGE),
    ("put_back", "occlusion", None, PUT_BACK),
    ("unit_distance", "nearest", None, UNIT_DISTANCE),
    ("top_k", "nearest", None, TOP_K),
]
