"""Mistakes and variants of lab 2; README.md in this folder explains the format.

More faults of `forward`, `backward` and `sgd_epoch` are in test_checks_lab02.py.
"""

WRONG = "if y_i * (w @ x_i + b) <= 0:"
COUNT = "mistakes.append(wrong)"
UPDATE = "w, b, wrong = w + y_i * x_i, b + y_i, wrong + 1"
POWERS = "powers = np.exp(z - np.max(z, axis=-1, keepdims=True))"
SQUARES = "return np.mean(np.sum((y - f) ** 2, axis=1))"
BINARY = "return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))"
CLIP = "p = np.clip(p, EPSILON, 1 - EPSILON)"
MANY = "return -np.mean(np.sum(y * np.log(np.maximum(p, EPSILON)), axis=1))"
LAYER = "a[k] = h[k - 1] @ W[k].T + b[k]"
COPY = 'x = np.array(x, dtype="float64")  # a copy'
QUOTIENT = "gradient[i] = (above - below) / (2 * step)"
SIZE = "size = np.maximum(np.abs(analytic) + np.abs(numeric), 1e-8)"
DW, DB = "dW[k] = delta.T @ h[k - 1] / len(delta)", "db[k] = delta.mean(axis=0)"
SLOPE, DOWN = "delta = delta * dphi(a[k - 1])", "delta = delta @ W[k]"
STEP_W = "W = {k: W[k] - learning_rate * dW[k] for k in W}"
STEP_B = "b = {k: b[k] - learning_rate * db[k] for k in b}"
ORDER = "order = rng.permutation(len(x))"
TOTAL = "return powers / np.sum(powers, axis=-1, keepdims=True)"
TOP = "np.max(z, axis=-1, keepdims=True)"
RATIO = "return np.max(np.abs(analytic - numeric) / size)"
ALONE = "yourself"
CHANGES = "changes what it was given"

PERCEPTRON_VECTORS = """
def neuron(x, w, b, phi):
    return phi(np.dot(x, w) + b)


def perceptron(x, y, epochs):
    theta = np.zeros(x.shape[1] + 1)
    extended = np.c_[x, np.ones(len(x))]
    mistakes = np.zeros(epochs, int)
    for epoch in range(epochs):
        for i in range(len(x)):
            if np.sign(extended[i] @ theta) != y[i]:
                theta += y[i] * extended[i]
                mistakes[epoch] += 1
    return theta[:-1], theta[-1], list(mistakes)
"""
SOFTMAX_LOG = """
def softmax(z):
    z = np.asarray(z, float)
    top = z.max(-1)[..., None]
    return np.exp(z - top - np.log(np.exp(z - top).sum(-1))[..., None])
"""
LOSSES_LOOPS = """
def squared_error(y, f):
    return sum(sum((u - v) ** 2 for u, v in zip(a, b)) for a, b in zip(y, f)) / len(y)


def binary_cross_entropy(y, p):
    right = np.where(y == 1, p, 1 - p)
    return np.mean(-np.log(np.clip(right, 1e-15, None)))


def cross_entropy(y, p):
    right = p[np.arange(len(y)), y.argmax(1)]
    return -np.log(np.clip(right, 1e-12, 1 - 1e-12)).sum() / len(p)
"""
FORWARD_LISTS = """
def forward(x, W, b, phi):
    a, h = [None], [x]
    for k in range(1, len(W) + 1):
        a.append(np.einsum("ui,ni->nu", W[k], h[-1]) + b[k])
        h.append(phi(a[-1]))
    return a, h[:-1]
"""
DIFFERENCES_COPIES = """
def numerical_gradient(f, x, step=1e-5):
    x = np.asarray(x).astype(float)
    ways = step * np.eye(x.size).reshape(-1, *x.shape)
    return np.array([(f(x + e) - f(x - e)) / 2 / step for e in ways]).reshape(x.shape)


def relative_error(analytic, numeric):
    worst = 0.0
    for u, v in zip(np.ravel(analytic), np.ravel(numeric)):
        worst = max(worst, abs(u - v) / max(abs(u) + abs(v), 1e-8))
    return worst
"""
JACOBIAN = """
def squared_error_gradient(y, f):
    return -2 * (y - f)


def cross_entropy_gradient(y, p):
    rows = []
    for truth, q in zip(y, p):
        jacobian = np.diag(q) - np.outer(q, q)
        rows.append(jacobian @ (-truth / np.maximum(q, 1e-300)))
    return np.array(rows)
"""
BACKWARD_EINSUM = """
def backward(delta, W, a, h, dphi):
    n, deltas = len(delta), {len(W): delta}
    for k in range(len(W), 1, -1):
        deltas[k - 1] = np.einsum("nu,ui->ni", deltas[k], W[k]) * dphi(a[k - 1])
    dW = {k: np.einsum("nu,ni->ui", deltas[k], h[k - 1]) / n for k in W}
    return dW, {k: deltas[k].sum(0) / n for k in W}, deltas[1] @ W[1]
"""
BACKWARD_LOOPS = """
def backward(delta, W, a, h, dphi):
    dW = {k: np.zeros(W[k].shape) for k in W}
    db = {k: np.zeros(len(W[k])) for k in W}
    dx = np.zeros(h[0].shape)
    for i in range(len(delta)):
        d = delta[i]
        for k in range(len(W), 0, -1):
            dW[k] += np.outer(d, h[k - 1][i]) / len(delta)
            db[k] += d / len(delta)
            d = W[k].T @ d
            if k > 1:
                d = d * dphi(a[k - 1][i])
        dx[i] = d
    return dW, db, dx
"""
SGD_IN_PLACE = """
def sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng):
    order = np.arange(len(x))
    rng.shuffle(order)
    for batch in np.split(order, range(batch_size, len(x), batch_size)):
        dW, db = gradients(x[batch], y[batch], W, b)
        for k in W:
            W[k] -= learning_rate * dW[k]
            b[k] -= learning_rate * db[k]
    return W, b
"""
SOFTMAX_TRANSPOSED = """
def softmax(z):
    e = np.exp((z.T - z.T.max(axis=0)))
    return (e / e.sum(axis=0)).T
"""
SOFTMAX_RECURSIVE = """
def softmax(z):
    z = np.array(z, dtype=np.float64, copy=True)
    assert z.size > 0, "z must not be empty"
    if z.ndim > 1:
        return np.stack([softmax(row) for row in z], axis=0)
    z -= z.max()
    np.exp(z, out=z)
    z /= z.sum()
    return z
"""
SOFTMAX_PAIRWISE = """
def softmax(z):
    z = np.asarray(z)
    with np.errstate(over="ignore"):
        return 1 / np.exp(z[..., None, :] - z[..., :, None]).sum(-1)
"""
LOSSES_EPSILON_ADDED = """
def squared_error(y, f):
    return np.linalg.norm(y - f) ** 2 / y.shape[0]


def binary_cross_entropy(y, p):
    return np.mean(-(y * np.log(p + EPSILON) + (1 - y) * np.log(1 - p + EPSILON)))


def cross_entropy(y, p):
    return -np.log((y * p).sum(axis=-1) + EPSILON).mean()
"""
FORWARD_RECURSIVE = """
def forward(x, W, b, phi, k=1, a=None, h=None):
    a, h = a or {}, h or {0: x}
    if k > len(W):
        return a, {i: v for i, v in h.items() if i < len(W)}
    a[k] = np.matmul(h[k - 1], np.transpose(W[k])) + b[k]
    h[k] = phi(a[k].copy())
    return forward(x, W, b, phi, k + 1, a, h)
"""
FORWARD_FROM_0 = """
def forward(x, W, b, phi):
    a, h = [], [x]
    for k in W:
        a.append(h[-1] @ W[k].T + b[k])
        h.append(phi(a[-1]))
    return a, h[:-1]
"""
DIFFERENCES_FLAT_VIEW = """
def numerical_gradient(f, x, step=1e-5):
    z = np.array(x, dtype=float)
    flat, slopes = z.reshape(-1), []
    for i, value in enumerate(flat.tolist()):
        sides = []
        for sign in (+1, -1):
            flat[i] = value + sign * step
            sides.append(f(z))
            flat[i] = value
        slopes.append((sides[0] - sides[1]) / (2 * step))
    return np.reshape(slopes, z.shape)


def relative_error(analytic, numeric):
    top = abs(np.subtract(analytic, numeric))
    size = np.clip(abs(np.asarray(analytic)) + abs(np.asarray(numeric)), 1e-8, None)
    return float((top / size).max())
"""
DIFFERENCES = """
def numerical_gradient(f, x, step=1e-5):
    HOW


def relative_error(analytic, numeric):
    size = np.maximum(np.abs(analytic) + np.abs(numeric), 1e-8)
    return np.max(np.abs(analytic - numeric) / size)
"""
TWO_AXES_ONLY = """x, gradient = np.array(x, dtype="float64"), np.zeros(np.shape(x))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            plus, minus = x.copy(), x.copy()
            plus[i, j] += step
            minus[i, j] -= step
            gradient[i, j] = (f(plus) - f(minus)) / (2 * step)
    return gradient"""
FLATTENED = """z = np.array(x, dtype="float64").ravel()
    slopes = [(f(z + e) - f(z - e)) / (2 * step) for e in step * np.eye(z.size)]
    return np.array(slopes).reshape(x.shape)"""
FLOAT32_RESULT = """gradient, z = np.zeros_like(x), x.astype("float64")
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = step
        gradient[i] = (f(z + e) - f(z - e)) / (2 * step)
    return gradient"""
LISTS_AND_JACOBIAN = """
def squared_error_gradient(y, f):
    return [[2 * (fj - yj) for fj, yj in zip(fi, yi)] for fi, yi in zip(f, y)]


def cross_entropy_gradient(y, p):
    J = np.einsum("ni,ij->nij", p, np.eye(p.shape[1])) - np.einsum("ni,nj->nij", p, p)
    return np.einsum("ni,nij->nj", -y / np.maximum(p, 1e-12), J)
"""
DELTA_DOWN_FIRST = """
def backward(delta, W, a, h, dphi):
    dW, db, n = {}, {}, len(delta)
    for k in reversed(W):
        if k < len(W):
            delta = delta * dphi(a[k])
        delta = delta @ W[k]
        dW[k] = delta.T @ h[k - 1] / n
        db[k] = delta.mean(axis=0)
    return dW, db, delta
"""
DELTA_CHANGED = """
def backward(delta, W, a, h, dphi):
    delta /= len(delta)
    dW, db, n = {}, {}, len(delta)
    for k in reversed(W):
        dW[k] = delta.T @ h[k - 1]
        db[k] = delta.sum(axis=0)
        delta = delta @ W[k]
        if k > 1:
            delta = delta * dphi(a[k - 1])
    return dW, db, delta * n
"""
SGD_CHOICE = """
def sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng):
    n = x.shape[0]
    order = rng.choice(n, size=n, replace=False)
    x, y = x[order], y[order]
    for s in range(-(-n // batch_size)):
        first, last = s * batch_size, min(n, (s + 1) * batch_size)
        dW, db = gradients(x[first:last], y[first:last], W, b)
        W = dict(zip(W, [W[k] - learning_rate * dW[k] for k in W]))
        b = dict(zip(b, [b[k] - learning_rate * db[k] for k in b]))
    return W, b
"""
SGD = """
def sgd_epoch(gradients, x, y, W, b, batch_size, learning_rate, rng):
    HOW
    return W, b
"""
SHUFFLED_APART = """x, y = rng.permutation(x), rng.permutation(y)
    for i in range(0, len(x), batch_size):
        dW, db = gradients(x[i : i + batch_size], y[i : i + batch_size], W, b)
        W = {k: W[k] - learning_rate * dW[k] for k in W}
        b = {k: b[k] - learning_rate * db[k] for k in b}"""
CHOICE_EACH_BATCH = """for _ in range(int(np.ceil(len(x) / batch_size))):
        batch = rng.choice(len(x), min(batch_size, len(x)), replace=False)
        dW, db = gradients(x[batch], y[batch], W, b)
        W = {k: W[k] - learning_rate * dW[k] for k in W}
        b = {k: b[k] - learning_rate * db[k] for k in b}"""
ACCUMULATED = """order = rng.permutation(len(x))
    sW, sb = {k: 0 * W[k] for k in W}, {k: 0 * b[k] for k in b}
    for i in range(0, len(x), batch_size):
        batch = order[i : i + batch_size]
        dW, db = gradients(x[batch], y[batch], W, b)
        for k in W:
            sW[k], sb[k] = sW[k] + dW[k], sb[k] + db[k]
    W = {k: W[k] - learning_rate * sW[k] for k in W}
    b = {k: b[k] - learning_rate * sb[k] for k in b}"""

MISTAKES = [
    ("phi_forgotten", "perceptron", "phi(x @ w + b)", "x @ w + b", "apply phi"),
    ("no_bias", "perceptron", "phi(x @ w + b)", "phi(x @ w)", "add b"),
    ("never_starts", "perceptron", "x_i + b) <= 0", "x_i + b) < 0", "ever learned"),
    ("always", "perceptron", "<= 0:", "<= 9e9:", "change for right answers"),
    (
        "pushed_away",
        "perceptron",
        UPDATE,
        "w, b, wrong = w - y_i * x_i, b - y_i, wrong + 1",
        "pushed the wrong way",
    ),
    (
        "bias_still",
        "perceptron",
        UPDATE,
        "w, wrong = w + y_i * x_i, wrong + 1",
        "The bias is never changed",
    ),
    (
        "counted_on",
        "perceptron",
        "mistakes.append(wrong)",
        "mistakes.append(wrong + sum(mistakes))",
        "zero in each epoch",
    ),
    ("no_shift", "softmax", POWERS, "powers = np.exp(z)", "exp(1000) overflows"),
    (
        "shift_of_the_batch",
        "softmax",
        POWERS,
        "powers = np.exp(z - np.max(z))",
        "a largest score of its own",
    ),
    (
        "over_the_examples",
        "softmax",
        "return powers / np.sum(powers, axis=-1, keepdims=True)",
        "return powers / np.sum(powers, axis=0)",
        "sum to 1 over the examples",
    ),
    (
        "over_all",
        "softmax",
        "return powers / np.sum(powers, axis=-1, keepdims=True)",
        "return powers / np.sum(powers)",
        "sum to 1 over the whole batch",
    ),
    (
        "in_place",
        "softmax",
        POWERS,
        "z -= np.max(z, axis=-1, keepdims=True); powers = np.exp(z)",
        "changes what it was given",
    ),
    (
        "library",
        "softmax",
        POWERS,
        "import scipy.special; return scipy.special.softmax(z, axis=-1)",
        ALONE,
    ),
    ("mean_of_all", "losses", SQUARES, "return np.mean((y - f) ** 2)", "mean over all"),
    ("sum", "losses", SQUARES, "return np.sum((y - f) ** 2)", "sum over the examples"),
    (
        "half_the_formula",
        "losses",
        BINARY,
        "return -np.mean(y * np.log(p))",
        "for y = 0",
    ),
    ("log2", "losses", BINARY, BINARY.replace("log", "log2"), "base 2"),
    ("sign", "losses", BINARY, BINARY.replace("-np", "np"), "mind the sign"),
    ("log_of_0", "losses", CLIP, "", "log(0) is -inf"),
    (
        "mean_over_classes",
        "losses",
        MANY,
        "return -np.mean(y * np.log(np.maximum(p, EPSILON)))",
        "over classes and examples",
    ),
    ("bias_left_out", "forward", LAYER, LAYER[:-7], "the bias b is left out"),
    ("untransposed", "forward", LAYER, LAYER.replace(".T", ""), "transpose of W"),
    ("linear", "forward", "h[k] = phi(a[k])", "h[k] = a[k]", "phi is left out"),
    (
        "phi_at_the_output",
        "forward",
        "return a, h",
        "a[k] = phi(a[k]); return a, h",
        "a[3] is wrong",
    ),
    (
        "one_sided",
        "gradient_check",
        {
            "below = f(x)": "x[i] = kept; below = f(x)",
            QUOTIENT: QUOTIENT[:-10] + "step",
        },
        None,
        "one-sided",
    ),
    (
        "half",
        "gradient_check",
        QUOTIENT,
        QUOTIENT.replace("(2 * step)", "step"),
        "over the distance between",
    ),
    (
        "not_put_back",
        "gradient_check",
        "        x[i] = kept\n",
        "",
        "More than one entry",
    ),
    ("float32", "gradient_check", COPY, "x = np.array(x)", "with 7 digits"),
    (
        "own_step",
        "gradient_check",
        COPY,
        COPY.replace("  # a copy", "; step = 1e-5"),
        "The given step is not used",
    ),
    ("zero_by_zero", "gradient_check", SIZE, SIZE[:-1].replace("1e-8", "0)"), "is nan"),
    ("absolute", "gradient_check", SIZE, "size = 1", "Entry by entry"),
    ("truth_minus", "output_gradients", "return p - y", "return y - p", "its sign"),
    ("no_two", "output_gradients", "2 * (f - y)", "(f - y)", "factor 2 of the square"),
    (
        "the_slide",
        "output_gradients",
        "return p - y",
        "return -2 * (y - p) * p * (1 - p)",
        "as if of a single output",
    ),
    ("for_p", "output_gradients", "return p - y", "return -y / p", "not yet for a"),
    (
        "mean_too_early",
        "output_gradients",
        "return p - y",
        "return (p - y) / len(y)",
        "number of examples once too often",
    ),
    (
        "transposed",
        "backward",
        DW,
        "dW[k] = h[k - 1].T @ delta / len(delta)",
        "transposed",
    ),
    ("dw_sum", "backward", DW, DW[:-13], "lacks its factor"),
    ("db_sum", "backward", DB, "db[k] = delta.sum(axis=0)", "db[3] is wrong: it is 3"),
    ("db_axis", "backward", DB, "db[k] = delta.mean(axis=1)", "the wrong axis"),
    ("db_omitted", "backward", DB, "pass", "db[3] is wrong: it is missing"),
    (
        "sign",
        "backward",
        DW,
        DW.replace("delta.T", "-delta.T"),
        "dW[3] is wrong: its sign",
    ),
    ("no_slope", "backward", SLOPE, "pass", "derivative of the activation is left"),
    (
        "slope_of_h",
        "backward",
        SLOPE,
        SLOPE.replace("a[k", "h[k"),
        "dphi was given h",
    ),
    (
        "sigmoid_only",
        "backward",
        SLOPE,
        "delta = delta * h[k - 1] * (1 - h[k - 1])",
        "derivative of the sigmoid",
    ),
    ("w_transposed", "backward", DOWN, f"{DOWN}.T", "through the transpose"),
    (
        "stepped_in_the_loop",
        "backward",
        SLOPE,
        f"{SLOPE}; W[k] -= 0.1 * dW[k]",
        "inside the loop",
    ),
    (
        "dx_mean",
        "backward",
        "return dW, db, delta",
        "return dW, db, delta / len(delta)",
        "dx is wrong",
    ),
    ("biases_still", "sgd_epoch", STEP_B, "pass", "step of b[1] is wrong"),
    (
        "uphill",
        "sgd_epoch",
        STEP_W,
        STEP_W.replace("] - ", "] + "),
        "its sign is wrong",
    ),
    (
        "rate_twice",
        "sgd_epoch",
        STEP_W,
        STEP_W.replace("rate *", "rate * learning_rate *"),
        "multiplied in twice",
    ),
    (
        "divided_again",
        "sgd_epoch",
        STEP_W,
        STEP_W.replace("dW[k]", "dW[k] / len(batch)"),
        "divided by the number of examples",
    ),
    (
        "last_batch_lost",
        "sgd_epoch",
        "range(0, len(x), batch_size)",
        "range(0, len(x) - batch_size + 1, batch_size)",
        "are batches of 4, 4 and 2",
    ),
    ("sorted", "sgd_epoch", ORDER, "order = np.arange(len(x))", "the same order"),
    (
        "with_replacement",
        "sgd_epoch",
        ORDER,
        "order = rng.integers(0, len(x), len(x))",
        "without replacement",
    ),
    (
        "labels_astray",
        "sgd_epoch",
        "y[batch]",
        "y[first : first + batch_size]",
        "labels went astray",
    ),
    (
        "early_stop",
        "perceptron",
        COUNT,
        f"{COUNT}\n        if not wrong:\n            break",
        "a number for every epoch",
    ),
    (
        "zero_is_positive",
        "perceptron",
        WRONG,
        "if (w @ x_i + b >= 0) != (y_i > 0):",
        "f(x) = 0 was taken for an answer",
    ),
    (
        "counted_after",
        "perceptron",
        COUNT,
        "mistakes.append(int(np.sum(y * (x @ w + b) <= 0)))",
        "when the mistake is made",
    ),
    (
        "delta_rule",
        "perceptron",
        {
            WRONG: "error = y_i - np.sign(w @ x_i + b)\n            if error:",
            UPDATE: "w, b, wrong = w + error * x_i, b + error, wrong + 1",
        },
        None,
        "The step is twice too large",
    ),
    (
        "int_weights",
        "perceptron",
        {
            "np.zeros(x.shape[1]), 0.0": "np.zeros(x.shape[1], dtype=int), 0",
            UPDATE: "w += y_i * x_i; b += y_i; wrong += 1",
        },
        None,
        "weights are integers",
    ),
    ("bias_inside", "perceptron", "phi(x @ w + b)", "phi(x @ (w + b))", "add b"),
    (
        "axis_1",
        "softmax",
        {POWERS: POWERS.replace("-1", "1"), TOTAL: TOTAL.replace("-1", "1")},
        None,
        "axis=-1",
    ),
    ("by_mean", "softmax", TOP, TOP.replace("max", "mean"), "largest, not the mean"),
    (
        "by_size",
        "softmax",
        TOP,
        TOP.replace("(z", "(np.abs(z)"),
        "not the largest size",
    ),
    (
        "nan_to_num",
        "softmax",
        {
            POWERS: "powers = np.nan_to_num(np.exp(z))",
            TOTAL: "return powers / (powers.sum(axis=-1, keepdims=True) + 1e-12)",
        },
        None,
        "overflow hidden",
    ),
    (
        "root",
        "losses",
        SQUARES,
        SQUARES.replace("np.mean", "np.sqrt(np.mean") + ")",
        "This is the root of it",
    ),
    (
        "wrong_axis",
        "losses",
        SQUARES,
        SQUARES.replace("=1", "=0"),
        "The mean runs over the outputs",
    ),
    (
        "binary_sum",
        "losses",
        BINARY,
        BINARY.replace("mean", "sum"),
        "the mean over the examples",
    ),
    (
        "one_term_unclipped",
        "losses",
        {
            CLIP: "",
            BINARY: "return -np.mean(np.where(y == 1, np.log(p), np.log(1 - p)))",
        },
        None,
        "log(0) is -inf",
    ),
    (
        "nansum",
        "losses",
        MANY,
        "return -np.mean(np.nansum(y * np.log(p), axis=1))",
        "log(0) is -inf",
    ),
    (
        "of_the_largest",
        "losses",
        MANY,
        "return -np.mean(np.log(np.maximum(p.max(axis=1), EPSILON)))",
        "not of the true class",
    ),
    (
        "coarse_epsilon",
        "losses",
        "np.maximum(p, EPSILON)",
        "np.clip(p, 1e-3, 1)",
        "No number below EPSILON",
    ),
    (
        "bias_as_column",
        "forward",
        LAYER,
        LAYER.replace("b[k]", "b[k][:, np.newaxis]"),
        "b was added along the wrong axis",
    ),
    ("from_0", "forward", None, FORWARD_FROM_0, "numbers of layers are off by one"),
    (
        "last_layer_forgotten",
        "forward",
        "    for k in W:\n        a[k]",
        "    for k in range(1, len(W)):\n        a[k]",
        "a[3] is wrong: it is missing",
    ),
    (
        "one_example",
        "forward",
        LAYER,
        "a[k] = W[k] @ h[k - 1] + b[k]",
        "W must be transposed",
    ),
    (
        "two_axes_only",
        "gradient_check",
        None,
        DIFFERENCES.replace("HOW", TWO_AXES_ONLY),
        "an array of any shape",
    ),
    (
        "flattened_for_f",
        "gradient_check",
        None,
        DIFFERENCES.replace("HOW", FLATTENED),
        "f takes an array of the shape of x",
    ),
    (
        "float32_result",
        "gradient_check",
        None,
        DIFFERENCES.replace("HOW", FLOAT32_RESULT),
        "The gradient is in float32",
    ),
    (
        "mean_of_entries",
        "gradient_check",
        RATIO,
        RATIO.replace("np.max", "np.mean"),
        "the mean of the entries",
    ),
    (
        "no_abs",
        "gradient_check",
        RATIO,
        RATIO.replace("np.abs", ""),
        "Negative errors count for nothing",
    ),
    (
        "abs_of_sum",
        "gradient_check",
        SIZE,
        "size = np.maximum(np.abs(analytic + numeric), 1e-8)",
        "where signs cancel",
    ),
    (
        "mean_of_squares",
        "output_gradients",
        "2 * (f - y)",
        "2 * (f - y) / len(y)",
        "once too often",
    ),
    (
        "p_changed",
        "output_gradients",
        "return p - y",
        "p -= y; return p",
        CHANGES,
    ),
    (
        "truth_only",
        "output_gradients",
        "return p - y",
        "return (p - y) * y",
        "all classes have one",
    ),
    (
        "delta_down_first",
        "backward",
        None,
        DELTA_DOWN_FIRST,
        "make dW before delta goes down",
    ),
    (
        "dx_at_start",
        "backward",
        {
            "dW, db = {}, {}\n    for k in rev": (
                "dx = delta @ W[1]\n    dW, db = {}, {}\n    for k in rev"
            ),
            "return dW, db, delta": "return dW, db, dx",
        },
        None,
        "dx from the last delta",
    ),
    ("delta_changed", "backward", None, DELTA_CHANGED, CHANGES),
    (
        "by_units",
        "backward",
        DW,
        DW.replace("len(delta)", "delta.shape[1]"),
        "divided by units, not examples",
    ),
    ("db_everything", "backward", DB, "db[k] = delta.mean()", "a single number"),
    (
        "choice_each_batch",
        "sgd_epoch",
        None,
        SGD.replace("HOW", CHOICE_EACH_BATCH),
        "are batches of 4, 4 and 2",
    ),
    (
        "floor_batches",
        "sgd_epoch",
        "range(0, len(x), batch_size)",
        "range(0, len(x) // batch_size * batch_size, batch_size)",
        "are batches of 4, 4 and 2",
    ),
    (
        "shuffled_apart",
        "sgd_epoch",
        None,
        SGD.replace("HOW", SHUFFLED_APART),
        "labels went astray",
    ),
    (
        "accumulated",
        "sgd_epoch",
        None,
        SGD.replace("HOW", ACCUMULATED),
        "weights of the start of the epoch",
    ),
    (
        "two_layers_only",
        "sgd_epoch",
        {
            STEP_W: STEP_W.replace("for k in W", "for k in (1, 2)"),
            STEP_B: STEP_B.replace("for k in b", "for k in (1, 2)"),
        },
        None,
        "networks of another depth",
    ),
    (
        "clip_in_place",
        "losses",
        "return -np.mean(np.sum(y * np.log(np.maximum(p, EPSILON)), axis=1))",
        "p[p < EPSILON] = EPSILON\n    return -np.mean(np.sum(y * np.log(p), axis=1))",
        "changes what it was given",
    ),
    (
        "other_generator",
        "sgd_epoch",
        "rng.permutation(len(x))",
        "np.random.permutation(len(x))",
        "Draw with rng",
    ),
    (
        "starts_only",
        "perceptron",
        "x_i + b) <= 0",
        "x_i + b) < 0 or not np.any(w)",
        "f(x) = 0 was taken",
    ),
]
VARIANTS = [
    ("extended_vectors", "perceptron", None, PERCEPTRON_VECTORS),
    ("through_logarithms", "softmax", None, SOFTMAX_LOG),
    ("loops_and_indices", "losses", None, LOSSES_LOOPS),
    ("lists_and_einsum", "forward", None, FORWARD_LISTS),
    ("h_of_the_output_kept", "forward", "if k < len(W):", "if True:"),
    ("copies", "gradient_check", None, DIFFERENCES_COPIES),
    ("whole_jacobian", "output_gradients", None, JACOBIAN),
    ("deltas_first", "backward", None, BACKWARD_EINSUM),
    ("one_example_at_a_time", "backward", None, BACKWARD_LOOPS),
    ("in_place", "sgd_epoch", None, SGD_IN_PLACE),
    ("transposed", "softmax", None, SOFTMAX_TRANSPOSED),
    ("recursive", "softmax", None, SOFTMAX_RECURSIVE),
    ("pairwise", "softmax", None, SOFTMAX_PAIRWISE),
    ("epsilon_added", "losses", None, LOSSES_EPSILON_ADDED),
    ("recursive", "forward", None, FORWARD_RECURSIVE),
    ("flat_view", "gradient_check", None, DIFFERENCES_FLAT_VIEW),
    ("lists_and_jacobian", "output_gradients", None, LISTS_AND_JACOBIAN),
    ("choice_of_all", "sgd_epoch", None, SGD_CHOICE),
]
