"""Mistakes and variants of lab 3; README.md in this folder explains the format."""

# ruff: noqa: E501 (one line each, to be read as a table)

ALONE = "yourself"
SIGMOID = "return sigmoid(x) * (1 - sigmoid(x))"
TANH = "return 1 - np.tanh(x) ** 2"
LEAKY = "return np.where(x > 0, x, negative_slope * x)"
LEAKY_PRIME = "return np.where(x > 0, 1.0, negative_slope)"
ELU = "return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))"
ELU_PRIME = "return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))"
SWISH = "return sigmoid(x) + x * sigmoid_prime(x)"
LEAKY_HEAD = "def leaky_relu(x, negative_slope=0.01):"
PRIME_HEAD = "def leaky_relu_prime(x, negative_slope=0.01):"

SATURATED = "return np.mean(np.abs(slopes) < limit)"
DEAD = "return np.all(z <= 0, axis=tuple(range(z.ndim - 1)))"

FANS = "n, m = np.prod(size) * inputs, np.prod(size) * outputs\n"
ROOT = "return np.sqrt(variance[scheme])"
PAIRS = "shapes = zip(sizes[:-1], sizes[1:], strict=True)\n"
DRAW = "rng.normal(0, initial_std(shape, scheme), shape)"
BIASES = "np.zeros(shape[1])"
CUT_OFF = """def _cut(shape, rng):
    w = rng.normal(size=shape)
    while np.any(far := np.abs(w) > 2):
        w[far] = rng.normal(size=far.sum())
    return w / 0.87962566


def start("""
FOUND = "found.append(z.var())"
THROUGH = "        found.append(z.var())\n        x = phi(z)\n"

RATE = "return self.initial * self.k / (self.k + step)"

PENALTY = "l1 * np.abs(W).sum() + l2 * (W**2).sum()"
PULL = "(l1 * np.sign(W) + 2 * l2 * W, np.zeros_like(b))"

INFERENCE = "        return x\n    kept"
KEPT = "kept = rng.random(x.shape) >= rate"
SCALED = "return x * kept / (1 - rate)"

AXES = "axes = tuple(range(x.ndim - 1))"
STATS = "mu, var = x.mean(axis=axes), x.var(axis=axes)"
MOVE_MEAN = "mean = momentum * mean + (1 - momentum) * mu"
MOVE_VAR = "variance = momentum * variance + (1 - momentum) * var"
AT_TEST = "mu, var = mean, variance"
SCALE = "y = gamma * (x - mu) / np.sqrt(var + epsilon) + beta"
COUNTS = "return 4 * channels, 2 * channels"

NORMALISE = "        model.add(layers.BatchNormalization(momentum=0.9))\n"
RELU = "        model.add(layers.ReLU())\n"
DROP = "        model.add(layers.Dropout(rate))\n"
LAST = 'layers.Dense(10, activation="softmax", kernel_regularizer=l2)'
OUTPUT = f"    model.add({LAST})\n"
NO_BIAS = " use_bias=False,"
HE = '"kernel_initializer": "he_normal", '
L2_HIDDEN = ', "kernel_regularizer": l2'
L2 = "l2 = keras.regularizers.L2(l2)"
ANSWERS = "p = keras.ops.convert_to_numpy(model(x, training=False))"
SHARE = "return np.mean(p.argmax(axis=1) == y)"


def _over(axes):
    """Batch normalisation with statistics over other axes, in training."""
    return f"""
def batch_norm(x, gamma, beta, mean, variance, training, momentum=0.99, epsilon=1e-3):
    mu, var = mean, variance
    if training:
        mu, var = x.mean({axes}, keepdims=True), x.var({axes}, keepdims=True)
        mean = momentum * mean + (1 - momentum) * mu
        variance = momentum * variance + (1 - momentum) * var
    return gamma * (x - mu) / np.sqrt(var + epsilon) + beta, mean, variance

def batch_norm_params(channels):
    return 4 * channels, 2 * channels
"""


BATCH_NORM_LOOP = """
def batch_norm(x, gamma, beta, mean, variance, training, momentum=0.99, epsilon=1e-3):
    y, mean, variance = np.empty(x.shape), list(mean), list(variance)
    for c in range(x.shape[-1]):
        values = x[..., c]
        m, v = (values.mean(), values.var()) if training else (mean[c], variance[c])
        y[..., c] = (values - m) / (v + epsilon) ** 0.5 * gamma[c] + beta[c]
        if training:
            mean[c] += (1 - momentum) * (m - mean[c])
            variance[c] += (1 - momentum) * (v - variance[c])
    return [y, np.array(mean), np.array(variance)]

def batch_norm_params(channels):
    return [4 * channels, 2 * channels]
"""

BATCH_NORM_FLAT = """
def batch_norm(x, gamma, beta, mean, variance, training, momentum=0.99, epsilon=1e-3):
    mu, var = mean, variance
    if training:
        rows = x.reshape(-1, x.shape[-1])
        mu, var = np.mean(rows, 0), np.mean(rows**2, 0) - np.mean(rows, 0) ** 2
        mean = mean + (mu - mean) * (1 - momentum)
        variance = variance + (var - variance) * (1 - momentum)
    slope = gamma / np.sqrt(var + epsilon)
    return x * slope + (beta - mu * slope), mean, variance

def batch_norm_params(channels):
    return np.array([4, 2]) * channels
"""

BATCH_NORM_KERAS = """
def batch_norm(x, gamma, beta, mean, variance, training, momentum=0.99, epsilon=1e-3):
    return ops.batch_normalization(x, gamma, beta), mean, variance

def batch_norm_params(channels):
    return 4 * channels, 2 * channels
"""

ACCURACY = """
def accuracy(model, x, y):
    return np.mean(model.predict(x, verbose=0).argmax(1) == y)
"""

FUNCTIONAL = (
    """
def regularised(rate=0.3, l2=0.001):
    inputs = x = keras.Input((196,))
    make = {"kernel_initializer": keras.initializers.HeUniform(),
            "kernel_regularizer": keras.regularizers.L1L2(0.0, l2)}
    for k in range(2):
        x = layers.Dense(64, use_bias=False, **make)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = layers.Dropout(rate)(x)
    x = layers.Dense(10, kernel_regularizer=keras.regularizers.L2(l2))(x)
    return keras.Model(inputs, layers.Softmax()(x))
"""
    + ACCURACY
)

SUBCLASS = """
class Net(keras.Model):
    def __init__(self, rate, l2):
        super().__init__()
        l2 = keras.regularizers.L2(l2)
        self.dense = [layers.Dense(64, use_bias=False, kernel_initializer="he_normal",
                                   kernel_regularizer=l2) for _ in range(2)]
        self.bn = [layers.BatchNormalization() for _ in range(2)]
        self.drop = [layers.Dropout(rate) for _ in range(2)]
        self.out = layers.Dense(10, "softmax", kernel_regularizer=l2)

    def call(self, x, training=False):
        for dense, bn, drop in zip(self.dense, self.bn, self.drop):
            x = keras.ops.relu(bn(dense(x), training=training))
            x = drop(x, training=training)
        return self.out(x)


def regularised(rate=0.3, l2=0.001):
    return Net(rate, l2)


def accuracy(model, x, y):
    right = keras.ops.argmax(model(x), axis=-1)
    return sum(int(a) == int(b) for a, b in zip(right, y)) / len(y)
"""

AT_IMPORT = (
    FUNCTIONAL.replace("def regularised", "def made")
    + """
MODEL = made()

def regularised(rate=0.3, l2=0.001):
    return MODEL
"""
)

ALWAYS_ON = SUBCLASS.replace("drop(x, training=training)", "drop(x, training=True)")
SHARED_BN = SUBCLASS.replace(
    "[layers.BatchNormalization() for _ in range(2)]",
    "[layers.BatchNormalization()] * 2",
)

# fmt: off
MISTAKES = [
    # --- activations (L7)
    ("sigmoid_fed_activation", "activations", SIGMOID, "return x * (1 - x)", "fed x instead"),
    ("sigmoid_sign", "activations", SIGMOID, "return sigmoid(x) * (sigmoid(x) - 1)", "wrong sign"),
    ("tanh_fed_activation", "activations", TANH, "return 1 - x**2", "fed x instead"),
    ("tanh_no_square", "activations", TANH, "return 1 - np.tanh(x)", "square is missing"),
    ("slope_of_keras", "activations", LEAKY_HEAD, LEAKY_HEAD.replace("0.01", "0.3"), "slope of Keras"),
    ("slope_of_deck_000", "activations", LEAKY_HEAD, LEAKY_HEAD.replace("0.01", "0.1"), "default slope is 0.1"),
    ("slope_ignored", "activations", LEAKY, LEAKY.replace("negative_slope", "0.01"), "Use the argument negative_slope"),
    ("slope_prime_ignored", "activations", LEAKY_PRIME, LEAKY_PRIME.replace("negative_slope", "0.01"), "second argument"),
    ("slope_prime_value", "activations", LEAKY_PRIME, "return np.where(x > 0, 1.0, negative_slope * x)", "not its slope"),
    ("slope_prime_relu", "activations", LEAKY_PRIME, "return (x > 0) * 1.0", "that is ReLU's"),
    ("slope_prime_default", "activations", PRIME_HEAD, PRIME_HEAD.replace("0.01", "0.3"), "not 0.01"),
    ("elu_no_alpha", "activations", ELU, ELU.replace("alpha * ", ""), "alpha has no effect"),
    ("elu_jumps", "activations", ELU, ELU.replace(" - 1)", ")"), "jumps at 0"),
    ("elu_prime_value", "activations", ELU_PRIME, ELU_PRIME.replace("np.exp(np.minimum(x, 0))", "(np.exp(np.minimum(x, 0)) - 1)"), "value of ELU"),
    ("elu_prime_no_alpha", "activations", ELU_PRIME, ELU_PRIME.replace("alpha * ", ""), "second argument"),
    ("swish_first_term", "activations", SWISH, "return sigmoid(x)", "first term"),
    ("swish_second_term", "activations", SWISH, "return x * sigmoid_prime(x)", "second term"),
    ("swish_is_sigmoid", "activations", SWISH, "return sigmoid_prime(x)", "derivative of the sigmoid"),
    ("library", "activations", SWISH, "return ops.swish_backward(1.0, x)", ALONE),
    ("finite_differences", "activations", TANH, "return np.gradient(np.tanh(x), x)", ALONE),
    ("in_place", "activations", LEAKY, "x[x <= 0] *= negative_slope\n    return x", "changes what it was given"),
    ("vectorize_int", "activations", LEAKY_PRIME, "return np.vectorize(lambda v: 1 if v > 0 else negative_slope)(x)", "np.vectorize"),
    ("vectorize_int_elu", "activations", ELU_PRIME, "return np.vectorize(lambda v: 1 if v > 0 else alpha * np.exp(v))(x)", "np.vectorize"),
    ("if_on_array", "activations", LEAKY, "return x if x > 0 else negative_slope * x", "np.where"),
    ("sigmoid_one_minus_x", "activations", SIGMOID, "return sigmoid(x) * (1 - x)", "1 - sigmoid(x)"),
    ("elu_prime_plus_1", "activations", ELU_PRIME, "return np.where(x > 0, 1.0, elu(x, alpha) + 1)", "second argument"),
    ("leaky_other_side", "activations", LEAKY, "return np.where(x < 0, x, negative_slope * x)", "branches are swapped"),
    # --- saturation (L7)
    ("rounds", "saturation", SATURATED, "return round(np.mean(np.abs(slopes) < limit), 1)", "np.mean of booleans"),
    ("reshape_by_1", "saturation", DEAD, "return np.all(z.reshape(-1, z.shape[1]) <= 0, axis=0)", "All axes but the last"),
    ("spatial_only", "saturation", DEAD, "return np.all(z <= 0, axis=0 if z.ndim == 2 else (1, 2))", "All axes but the last"),
    ("no_size", "saturation", SATURATED, "return np.mean(slopes < limit)", "np.abs"),
    ("not_saturated", "saturation", SATURATED, "return np.mean(np.abs(slopes) >= limit)", "not saturated"),
    ("number", "saturation", SATURATED, "return np.sum(np.abs(slopes) < limit)", "not their share"),
    ("limit_ignored", "saturation", SATURATED, "return np.mean(np.abs(slopes) < 0.01)", "Use limit"),
    ("some_example", "saturation", DEAD, DEAD.replace("np.all", "np.any"), "for some example"),
    ("dead_examples", "saturation", DEAD, "return np.all(z <= 0, axis=1)", "*examples*"),
    ("batch_only", "saturation", DEAD, "return np.all(z <= 0, axis=0)", "All axes but the last"),
    ("living", "saturation", DEAD, "return np.any(z > 0, axis=tuple(range(z.ndim - 1)))", "living units"),
    ("below_zero", "saturation", DEAD, DEAD.replace("<=", "<"), "max(0, 0)"),
    # --- initialisation (L7, A7)
    ("variance", "initialisation", ROOT, "return variance[scheme]", "this is the variance"),
    ("channels", "initialisation", FANS, "n, m = inputs, outputs\n", "channels, not fans"),
    ("fans_swapped", "initialisation", FANS, FANS.replace("n, m", "m, n"), "swapped"),
    ("first_axis", "initialisation", FANS, "n, m = shape[0], np.prod(size) * outputs\n", "its height"),
    ("he_is_lecun", "initialisation", '"he": 2 / n', '"he": 1 / n', "cuts off"),
    ("lecun_is_he", "initialisation", '"lecun": 1 / n', '"lecun": 2 / n', "a 1 where He"),
    ("glorot_one", "initialisation", '"glorot": 2 /', '"glorot": 1 /', "Glorot has a 2"),
    ("random_normal", "initialisation", ROOT, "return 0.05", "RandomNormal"),
    ("init_of_bias", "initialisation", BIASES, "rng.normal(0, 0.01, shape[1])", "biases are not 0"),
    ("bias_one", "initialisation", BIASES, "np.ones(shape[1])", "biases are not 0"),
    ("zeros", "initialisation", DRAW, "np.zeros(shape)", "twins"),
    ("constant", "initialisation", DRAW, "np.full(shape, initial_std(shape, scheme))", "twins"),
    ("std_one", "initialisation", DRAW, "rng.normal(size=shape)", "saturates a tanh"),
    ("std_random_normal", "initialisation", DRAW, "rng.normal(0, 0.05, shape)", "RandomNormal"),
    ("std_is_variance", "initialisation", DRAW, "rng.normal(0, initial_std(shape, scheme) ** 2, shape)", "not the variance"),
    ("root_twice", "initialisation", DRAW, "rng.normal(0, initial_std(shape, scheme) ** 0.5, shape)", "take no root"),
    ("uniform_on_std", "initialisation", DRAW, "initial_std(shape, scheme) * rng.uniform(-1, 1, shape)", "√3"),
    ("positive", "initialisation", DRAW, "initial_std(shape, scheme) * rng.random(shape)", "it must be 0"),
    ("same_layers", "initialisation", DRAW, "np.random.default_rng(0).normal(0, initial_std(shape, scheme), shape)", "same weights"),
    ("own_generator", "initialisation", DRAW, "np.random.normal(0, initial_std(shape, scheme), shape)", "other weights"),
    ("transposed", "initialisation", DRAW, f"{DRAW}.T", "shapes of start"),
    ("scheme_ignored", "initialisation", DRAW, DRAW.replace("scheme", '"he"'), "Use the scheme"),
    ("after_activation", "initialisation", FOUND, "found.append(phi(z).var())", "after the activation"),
    ("deviation", "initialisation", FOUND, "found.append(z.std())", "standard deviations"),
    ("mean_of_squares", "initialisation", FOUND, "found.append((z**2).mean())", "means of z²"),
    ("no_activation", "initialisation", "x = phi(z)", "x = z", "activation is missing"),
    ("no_bias", "initialisation", "z = x @ kernel + bias", "z = x @ kernel", "biases are missing"),
    ("per_unit", "initialisation", FOUND, "found.append(z.var(axis=0).mean())", "examples alone"),
    ("library", "initialisation", DRAW, "ops.he(shape, seed=1)", ALONE),
    ("keras", "initialisation", DRAW, "np.array(keras.initializers.HeNormal()(shape))", ALONE),
    ("fan_out_without_area", "initialisation", FANS, "n, m = np.prod(size) * inputs, outputs\n", "the fan-out, too, has k²"),
    ("root_of_numerator", "initialisation", ROOT, 'return variance[scheme] / (1 if scheme == "lecun" else np.sqrt(2))', "root of the whole fraction"),
    ("fourth_root", "initialisation", ROOT, "return variance[scheme] ** 0.25", "one root"),
    ("std_of_first_layer", "initialisation", DRAW, "rng.normal(0, initial_std(sizes[:2], scheme), shape)", "each layer has its own"),
    ("three_layers_only", "initialisation", PAIRS, "a, b, c, d = sizes\n    shapes = [(a, b), (b, c), (c, d)]\n", "values to unpack"),
    ("glorot_whatever", "initialisation", DRAW, DRAW.replace("scheme", '"glorot"'), "Use the scheme"),
    ("n_minus_1", "initialisation", FOUND, "found.append(z.var(ddof=1))", "n, not n - 1"),
    ("per_example", "initialisation", FOUND, "found.append(z.var(axis=1).mean())", "units of each example"),
    # --- schedule
    ("step_not_r", "schedule", RATE, "return self.initial * self.k / (self.k + step - 1)", "not finite"),
    ("python_float", "schedule", RATE, "return self.initial * self.k / (self.k + float(step))", "a graph's tensor is no float"),
    ("numpy", "schedule", RATE, "return np.float32(self.initial * self.k) / (self.k + np.array(step))", "no array"),
    ("own_counter", "schedule", {RATE: "self.r += 1\n        return self.initial * self.k / (self.k + self.r - 1)", "initial, self.k = initial, k": "initial, self.k, self.r = initial, k, 0"}, None, "the step is an argument"),
    ("state_changed", "schedule", RATE, "self.initial = self.initial * self.k / (self.k + step)\n        return self.initial", "overwritten"),
    ("division_by_zero", "schedule", RATE, "return self.initial * self.k / step", "not finite"),
    ("one_late", "schedule", RATE, "return self.initial * self.k / (self.k + step + 1)", "second step's rate"),
    ("k_ignored", "schedule", RATE, "return self.initial / (1 + step)", "k has no effect"),
    ("k_once", "schedule", RATE, "return self.initial / (self.k + step)", "divides only once"),
    ("constant", "schedule", RATE, "return self.initial + 0 * step", "stays the same"),
    ("initial_ignored", "schedule", RATE, "return self.k / (self.k + step)", "initial rate has no effect"),
    ("squared", "schedule", RATE, "return self.initial / (1 + step) ** 2", "1/r²"),
    ("root", "schedule", RATE, "return self.initial / (1 + step) ** 0.5", "1/√r"),
    ("library", "schedule", RATE, "return keras.optimizers.schedules.InverseTimeDecay(self.initial, self.k, 1.0)(step)", ALONE),
    # --- penalties (L8)
    ("bias_penalised", "penalties", f"{PENALTY} for W, _ in", f"{PENALTY} + l2 * (b**2).sum() for W, b in", "biases are penalised"),
    ("bias_penalised_l1", "penalties", f"{PENALTY} for W, _ in", f"{PENALTY} + l1 * np.abs(b).sum() for W, b in", "biases are penalised"),
    ("half", "penalties", PENALTY, PENALTY.replace("l2 *", "l2 / 2 *"), "half as much"),
    ("mean", "penalties", PENALTY, "l1 * np.abs(W).mean() + l2 * (W**2).mean()", "penalty with l1"),
    ("norm", "penalties", f"return sum({PENALTY} for W, _ in weights)", "return l1 * sum(np.abs(W).sum() for W, _ in weights) + l2 * sum((W**2).sum() for W, _ in weights) ** 0.5", "its square is asked for"),
    ("cancel", "penalties", PENALTY, "l1 * W.sum() + l2 * (W**2).sum()", "cancel"),
    ("first_layer", "penalties", "for W, _ in weights", "for W, _ in weights[:1]", "only the first layer"),
    ("gradient_without_2", "penalties", PULL, "(l1 * np.sign(W) + l2 * W, np.zeros_like(b))", "The 2 is missing"),
    ("gradient_of_bias", "penalties", PULL, "(l1 * np.sign(W) + 2 * l2 * W, 2 * l2 * b)", "the bias gets a gradient"),
    ("l1_size", "penalties", PULL, "(l1 * np.abs(W) + 2 * l2 * W, np.zeros_like(b))", "differentiated to its sign"),
    ("l1_constant", "penalties", PULL, "(l1 * np.ones_like(W) + 2 * l2 * W, np.zeros_like(b))", "negative slope"),
    ("downhill", "penalties", PULL, "(-l1 * np.sign(W) - 2 * l2 * W, np.zeros_like(b))", "uphill"),
    ("l1_ignored", "penalties", PULL, "(2 * l2 * W, np.zeros_like(b))", "l1 has no effect"),
    ("library", "penalties", PENALTY, "float(keras.regularizers.L1L2(l1, l2)(W))", ALONE),
    ("bias_zeroed", "penalties", f"[{PULL} for W, b in weights]", "[(l1 * np.sign(W) + 2 * l2 * W, np.multiply(b, 0, out=b)) for W, b in weights]", "changes what it was given"),
    ("gradient_squared", "penalties", PULL, PULL.replace("l2 * W", "l2 * W**2"), "l2 gives 2W"),
    ("last_layer", "penalties", f"return sum({PENALTY} for W, _ in weights)", f"for W, _ in weights:\n        total = {PENALTY}\n    return total", "only the last layer"),
    ("one_kind", "penalties", PULL, "(l1 * np.sign(W) if l1 else 2 * l2 * W, np.zeros_like(b))", "both at once"),
    # --- dropout (L8, A8)
    ("two_axes", "dropout", KEPT, "n, units = x.shape\n    kept = rng.random((n, units)) >= rate", "too many values to unpack"),
    ("pair", "dropout", SCALED, "return x * kept / (1 - rate), kept", "one array, not a pair"),
    ("training_is_text", "dropout", "if not training:", 'if training != "train":', "Nothing is dropped in training"),
    ("gaussian", "dropout", SCALED, "return x * rng.normal(1.0, np.sqrt(rate / (1 - rate)), x.shape)", "set to 0"),
    ("by_kept_share", "dropout", SCALED, "return x * kept / kept.mean()", "1 / (1 - p)"),
    ("scaled_at_test", "dropout", INFERENCE, INFERENCE.replace("return x", "return x * (1 - rate)"), "on top of the other"),
    ("scaled_by_rate_at_test", "dropout", INFERENCE, INFERENCE.replace("return x", "return x * rate"), "by the rate at inference"),
    ("scaled_up_at_test", "dropout", INFERENCE, INFERENCE.replace("return x", "return x / (1 - rate)"), "1 / (1 - rate) at inference"),
    ("active_at_test", "dropout", "if not training:", "if rate == 0:", "at inference too"),
    ("deck_000", "dropout", {INFERENCE: INFERENCE.replace("return x", "return x * (1 - rate)"), SCALED: "return x * kept"}, None, "at inference"),
    ("not_scaled", "dropout", SCALED, "return x * kept", "not scaled"),
    ("keep_probability", "dropout", {KEPT: KEPT.replace(">=", "<"), SCALED: "return x * kept / rate"}, None, "not the share that is kept"),
    ("mask_of_keep", "dropout", KEPT, KEPT.replace(">=", "<"), "not the share that is kept"),
    ("divided_by_rate", "dropout", SCALED, "return x * kept / rate", "divided by the rate"),
    ("scaled_down", "dropout", SCALED, "return x * kept * (1 - rate)", "scaled down"),
    ("one_mask", "dropout", KEPT, "kept = rng.random(x.shape[-1]) >= rate", "all examples"),
    ("whole_examples", "dropout", KEPT, "kept = rng.random((len(x), *[1] * (x.ndim - 1))) >= rate", "all units"),
    ("same_mask", "dropout", KEPT, "kept = np.random.default_rng(0).random(x.shape) >= rate", "same units"),
    ("own_generator", "dropout", KEPT, "kept = np.random.random(x.shape) >= rate", "other units"),
    ("in_place", "dropout", SCALED, "x *= kept / (1 - rate)\n    return x", "changes what it was given"),
    ("turned_round", "dropout", "if not training:", "if training:", "at inference"),
    ("library", "dropout", SCALED, "return ops.dropout(x, rate, 3)", ALONE),
    ("keras", "dropout", SCALED, "return np.array(layers.Dropout(rate)(x, training=True))", ALONE),
    # --- batch_norm (L8, errors of deck 000)
    ("batch_axis", "batch_norm", AXES, "axes = 0", "over the batch only"),
    ("all_axes", "batch_norm", AXES, "axes = tuple(range(x.ndim))", "all channels mixed"),
    ("channel_axis", "batch_norm", None, _over("-1"), "layer normalisation"),
    ("instance", "batch_norm", None, _over("(1, 2)"), "instance normalisation"),
    ("image", "batch_norm", None, _over("(1, 2, 3)"), "each image by itself, all"),
    ("batch_at_test", "batch_norm", AT_TEST, "axes = tuple(range(x.ndim - 1))\n        mu, var = x.mean(axis=axes), x.var(axis=axes)", "batch are still used"),
    ("moving_in_training", "batch_norm", "    y = gamma", "    mu, var = mean, variance\n    y = gamma", "batch_norm in training"),
    ("no_gamma_beta", "batch_norm", SCALE, "y = (x - mu) / np.sqrt(var + epsilon)", "gamma and beta are missing"),
    ("no_gamma", "batch_norm", SCALE, SCALE.replace("gamma * ", ""), "gamma is missing"),
    ("no_beta", "batch_norm", SCALE, SCALE.replace(" + beta", ""), "beta is missing"),
    ("swapped", "batch_norm", SCALE, "y = beta * (x - mu) / np.sqrt(var + epsilon) + gamma", "swapped"),
    ("by_variance", "batch_norm", SCALE, "y = gamma * (x - mu) / (var + epsilon) + beta", "instead of its root"),
    ("epsilon_outside", "batch_norm", SCALE, "y = gamma * (x - mu) / (np.sqrt(var) + epsilon) + beta", "under the root"),
    ("no_epsilon", "batch_norm", SCALE, SCALE.replace(" + epsilon", ""), "epsilon is missing"),
    ("unbiased", "batch_norm", STATS, STATS.replace("x.var(axis=axes)", "x.var(axis=axes, ddof=1)"), "n - 1"),
    ("not_moved", "batch_norm", MOVE_MEAN, "pass", "did not move"),
    ("momentum_turned", "batch_norm", MOVE_MEAN, "mean = (1 - momentum) * mean + momentum * mu", "wrong way round"),
    ("last_batch", "batch_norm", MOVE_VAR, "variance = var", "last batch alone"),
    ("moving_deviation", "batch_norm", MOVE_VAR, MOVE_VAR.replace(") * var", ") * np.sqrt(var)"), "standard deviation"),
    ("in_place", "batch_norm", MOVE_MEAN, "mean *= momentum\n        mean += (1 - momentum) * mu", "changes what it was given"),
    ("moves_at_test", "batch_norm", AT_TEST, f"{AT_TEST}\n        mean = 0.99 * mean", "Only training moves it"),
    ("nothing_at_test", "batch_norm", "    else:\n", "    else:\n        return x, mean, variance\n", "nothing is done"),
    ("y_alone", "batch_norm", "return y, mean, variance", "return y", "three things"),
    ("params_two", "batch_norm", COUNTS, "return 2 * channels, 2 * channels", "kept too"),
    ("params_all_trained", "batch_norm", COUNTS, "return 4 * channels, 4 * channels", "No gradient flows"),
    ("params_of_one", "batch_norm", COUNTS, "return 4, 2", "Each channel has its own"),
    ("library", "batch_norm", None, BATCH_NORM_KERAS, ALONE),
    ("maps_only", "batch_norm", AXES, "axes = (0, 1, 2)", "out of bounds for array of dimension 2"),
    ("momentum_fixed", "batch_norm", {MOVE_MEAN: "mean = 0.99 * mean + 0.01 * mu", MOVE_VAR: "variance = 0.99 * variance + 0.01 * var"}, None, "use momentum"),
    ("order", "batch_norm", "return y, mean, variance", "return y, variance, mean", "mean and variance swapped"),
    ("around_moving_mean", "batch_norm", MOVE_VAR, MOVE_VAR.replace(") * var", ") * ((x - mean) ** 2).mean(axis=axes)"), "about the batch's mean"),
    ("gamma_times_all", "batch_norm", SCALE, "y = gamma * ((x - mu) / np.sqrt(var + epsilon) + beta)", "gamma multiplies beta"),
    ("mean_moves_at_test", "batch_norm", AT_TEST, f"{AT_TEST}\n        mean = momentum * mean + (1 - momentum) * x.mean(axis=tuple(range(x.ndim - 1)))", "Only training moves it"),
    ("params_of_maps", "batch_norm", COUNTS, "return 2 * channels + 2, 2 * channels", "gamma, beta, moving mean"),
    # --- network (A4, A7, A8, L8)
    ("relu_in_dense", "network", {NO_BIAS: ' "relu", use_bias=False,', RELU: ""}, None, "after the ReLU"),
    ("activity_regularizer", "network", {L2_HIDDEN: ', "activity_regularizer": l2', LAST: LAST.replace("kernel_r", "activity_r")}, None, "of the kernel, not of the outputs"),
    ("leaky", "network", RELU, RELU.replace("ReLU()", "LeakyReLU(0.01)"), "leaky ReLU"),
    ("alpha_dropout", "network", DROP, DROP.replace("Dropout", "AlphaDropout"), "layers.Dropout(rate)"),
    ("half_rate", "network", DROP, DROP.replace("rate", "rate / 2"), "rate halved"),
    ("model_at_import", "network", None, AT_IMPORT, "share their weights"),
    ("percent", "network", SHARE, SHARE.replace("np.mean", "100 * np.mean"), "a share is 0 to 1"),
    ("above_one_half", "network", SHARE, "return np.mean(p[np.arange(len(y)), y] > 0.5)", "the largest, not above 1/2"),
    ("trains", "network", ANSWERS, f"model.fit(x, y, verbose=0)\n    {ANSWERS}", "that trains"),
    ("dropout_on_output", "network", OUTPUT, f"{OUTPUT}    model.add(layers.Dropout(rate))\n", "dropout after the softmax"),
    ("norm_after_softmax", "network", OUTPUT, f"{OUTPUT}    model.add(layers.BatchNormalization())\n", "nothing follows the softmax"),
    ("norm_after_relu", "network", NORMALISE + RELU, RELU + NORMALISE, "after the ReLU, not before"),
    ("bias_before_norm", "network", NO_BIAS, "", "still have biases"),
    ("no_norm", "network", NORMALISE, "", "no batch normalisation"),
    ("no_norm_but_bias", "network", {NORMALISE: "", NO_BIAS: ""}, None, "the layers have biases"),
    ("shared_norm", "network", None, SHARED_BN, "used twice"),
    ("no_scale", "network", NORMALISE, NORMALISE.replace("momentum=0.9", "scale=False, center=False"), "gamma and beta"),
    ("no_relu", "network", RELU, "", "no activation"),
    ("relu_twice", "network", NORMALISE, RELU + NORMALISE, "twice"),
    ("no_softmax", "network", LAST, LAST.replace(' activation="softmax",', ""), "softmax is missing"),
    ("sigmoid", "network", LAST, LAST.replace("softmax", "sigmoid"), "a sigmoid in place of the softmax"),
    ("softmax_twice", "network", OUTPUT, f"{OUTPUT}    model.add(layers.Softmax())\n", "applied twice"),
    ("glorot", "network", HE, "", "Glorot"),
    ("random_normal", "network", HE, HE.replace("he_normal", "random_normal"), "RandomNormal"),
    ("zeros", "network", HE, HE.replace("he_normal", "zeros"), "twins"),
    ("lecun", "network", HE, HE.replace("he_normal", "lecun_normal"), "LeCun's"),
    ("bias_initializer", "network", LAST, LAST.replace("10,", '10, bias_initializer="he_uniform",').replace("he_uniform", "random_normal"), "bias does not start at 0"),
    ("no_l2", "network", {L2_HIDDEN: "", LAST: LAST.replace(", kernel_regularizer=l2", "")}, None, "Nothing is penalised"),
    ("l2_of_bias", "network", LAST, LAST.replace("l2)", "l2, bias_regularizer=l2)"), "bias is penalised too"),
    ("l2_without_output", "network", LAST, LAST.replace(", kernel_regularizer=l2", ""), "output's kernel"),
    ("l2_ignored", "network", L2, "l2 = keras.regularizers.L2(0.001)", "Use the argument l2"),
    ("l2_half", "network", L2, "l2 = keras.regularizers.L2(l2 / 2)", "half"),
    ("keep_probability", "network", DROP, DROP.replace("rate", "1 - rate"), "not the share that is kept"),
    ("rate_ignored", "network", DROP, DROP.replace("rate", "0.3"), "rate has no effect"),
    ("no_dropout", "network", DROP, "", "Nothing is dropped"),
    ("one_dropout", "network", {DROP: "", OUTPUT: f"    model.add(layers.Dropout(rate))\n{OUTPUT}"}, None, "two dropouts"),
    ("always_on", "network", None, ALWAYS_ON, "on at inference"),
    ("evaluated_in_training", "network", ANSWERS, ANSWERS.replace("False", "True"), "In training mode"),
    ("errors", "network", SHARE, SHARE.replace("==", "!="), "share of errors"),
]

VARIANTS = [
    ("stable", "activations", SIGMOID, "return np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2"),
    ("cosh", "activations", TANH, "return 1 / np.cosh(x) ** 2"),
    ("maximum", "activations", LEAKY, "return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)"),
    ("slide", "activations", LEAKY, "return np.maximum(negative_slope * x, x)"),
    ("expm1", "activations", ELU, "return np.where(x > 0, x, alpha * np.expm1(x))"),
    ("from_elu", "activations", ELU_PRIME, "return np.where(x > 0, 1.0, elu(x, alpha) + alpha)"),
    ("other_form", "activations", SWISH, "return swish(x) + sigmoid(x) * (1 - swish(x))"),
    ("vectorize", "activations", LEAKY_PRIME, "return np.vectorize(lambda v: 1.0 if v > 0 else negative_slope, otypes=[float])(x)"),
    ("piecewise", "activations", ELU, "return np.piecewise(x, [x > 0], [lambda v: v, lambda v: alpha * np.expm1(v)])"),
    ("loops", "saturation", DEAD, "return [not np.any(z[..., unit] > 0) for unit in range(z.shape[-1])]"),
    ("count", "saturation", SATURATED, "return np.count_nonzero((slopes < limit) & (slopes > -limit)) / slopes.size"),
    ("reshape", "saturation", DEAD, "return z.reshape(-1, z.shape[-1]).max(axis=0) <= 0"),
    ("not_any", "saturation", DEAD, "return ~(z > 0).any(axis=tuple(range(z.ndim))[:-1])"),
    ("uniform", "initialisation", DRAW, "np.sqrt(3) * initial_std(shape, scheme) * rng.uniform(-1, 1, shape)"),
    ("standard", "initialisation", DRAW, "initial_std(shape, scheme) * rng.standard_normal(shape)"),
    ("size", "initialisation", FANS, "area = np.prod(shape) / (inputs * outputs)\n    n, m = area * inputs, area * outputs\n"),
    ("match", "initialisation", ROOT, 'match scheme.lower():\n        case "lecun":\n            return 1 / n**0.5\n        case "glorot":\n            return (2.0 / (n + m)) ** 0.5\n        case "he":\n            return (2.0 / n) ** 0.5'),
    ("cut_off", "initialisation", {DRAW: "_cut(shape, rng) * initial_std(shape, scheme)", "def start(": CUT_OFF}, None),
    ("list", "initialisation", "return np.array(found)", "return found"),
    ("by_hand", "initialisation", FOUND, "found.append(np.mean((z - z.mean()) ** 2))"),
    ("reciprocal", "schedule", RATE, "return self.initial * keras.ops.reciprocal(1 + step / self.k)"),
    ("from_r", "schedule", RATE, "r = step + 1\n        return self.initial * self.k / (self.k + r - 1)"),
    ("ops", "schedule", RATE, "return keras.ops.divide(self.initial, 1 + step / self.k)"),
    ("loops", "penalties", f"return sum({PENALTY} for W, _ in weights)", "total = 0\n    for W, b in weights:\n        for w in W.ravel():\n            total += l1 * abs(w) + l2 * w * w\n    return total"),
    ("flat", "penalties", f"return sum({PENALTY} for W, _ in weights)", "w = np.concatenate([np.ravel(pair[0]) for pair in weights])\n    return l1 * abs(w).sum() + l2 * w.dot(w)"),
    ("where", "penalties", PULL, "(l1 * np.where(W > 0, 1, -1) + l2 * (W + W), 0 * b)"),
    ("uniform", "dropout", KEPT, "kept = (rng.uniform(low=0.0, high=1.0, size=x.shape) < 1.0 - rate).astype(x.dtype)"),
    ("where", "dropout", SCALED, "return np.where(kept, x / (1 - rate), 0)"),
    ("binomial", "dropout", KEPT, "kept = rng.binomial(1, 1 - rate, x.shape)"),
    ("copy", "dropout", {INFERENCE: INFERENCE.replace("return x", "return x.copy()"), SCALED: "y = x / (1 - rate)\n    y[~kept] = 0\n    return y"}, None),
    ("loop", "batch_norm", None, BATCH_NORM_LOOP),
    ("kept_axes", "batch_norm", STATS, "mu, var = np.mean(x, axes, keepdims=True), np.std(x, axes, keepdims=True) ** 2\n        y = gamma * (x - mu) * np.power(var + epsilon, -0.5) + beta\n        mu, var = mu.reshape(-1), var.reshape(-1)"),
    ("flat", "batch_norm", None, BATCH_NORM_FLAT),
    ("dropout_before_relu", "network", RELU + DROP, DROP + RELU),
    ("evaluate", "network", f"{ANSWERS}\n    {SHARE}", "return model.evaluate(x, y, verbose=0)[1]"),
    ("functional", "network", None, FUNCTIONAL),
    ("subclass", "network", None, SUBCLASS),
    ("activation_string", "network", RELU, '        model.add(layers.Activation("relu"))\n'),
    ("epsilon", "network", "layers.BatchNormalization(momentum=0.9)", "layers.BatchNormalization(epsilon=1.001e-5)"),
]
# fmt: on
