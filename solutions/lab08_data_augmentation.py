# ---
# jupyter:
#   cnnlab:
#     title: Data augmentation
# ---

# %% [markdown]
# # Data augmentation
#
# *Lab 8. About two hours, of which a laptop computes for three minutes. 20 points.*
#
# At the end you can
#
# 1. say which transformations keep the label of which kind of data, and why;
# 2. build random transformations in the right units, at the right place of a pipeline;
# 3. measure what augmentation brings at 100, 500 and 2,000 images, and when it hurts;
# 4. write mixup, cutmix and test-time augmentation;
# 5. decide whether to augment in the pipeline or in the model.
#
# **Before you start.** New to Keras? Start with lab 1 and go on in order; lab 4 works on
# its own. Slides: 000, "Data Augmentation"; 003, "Training (1/3)"; 004, "AlexNet".
#
# **How it works.** Write what is missing where it says `raise NotImplementedError`. Run
# the line below it: a tick means go on, a cross says what is wrong and gives a hint; run
# it again for the next hint.

# %%
from cnnlab import augment, data, metrics, plots, train
from cnnlab.checks import lab08 as check

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.ops import convert_to_numpy as to_numpy
from sklearn.neighbors import KNeighborsClassifier

train.start()

# %% [markdown]
# ## 1. What keeps the label?
#
# A network that has seen too few images learns them by heart. Augmentation shows it each
# image in ever new versions: shifted, turned, mirrored, brighter. That teaches it
# something you know and the images do not say: *these changes do not matter*. So it must
# be true. Whoever takes a list of transformations as it comes turns a 6 into a 9 and
# calls it a 6. Here are six kinds of data, drawn, and seven transformations of each.

# %%
KINDS = ("digits", "text", "xray", "flowers", "satellite", "traffic_signs")
TRANSFORMS = {  # images in, images out; shift is by up to a tenth of the side
    "horizontal_flip": lambda x: x[:, :, ::-1],  # left becomes right
    "vertical_flip": lambda x: x[:, ::-1],  # up becomes down
    "small_turn": layers.RandomRotation((5 / 360, 5 / 360)),  # up to 5° either way
    "any_turn": lambda x: x[:, ::-1, ::-1],  # by any angle
    "shift": layers.RandomTranslation((0.1, 0.1), (0.1, 0.1), fill_mode="nearest"),
    "brightness": lambda x: np.clip(x - 0.2, 0, 1),  # brighter or darker
    "hue": lambda x: x[..., [2, 0, 1]],  # other colours
}

# %% folded="Six kinds of data, and seven transformations of each" tags=["not-graded"]
originals = np.stack([augment.picture(kind) for kind in KINDS])
changed = [to_numpy(transform(originals)) for transform in TRANSFORMS.values()]
ax = plots.sheet(
    np.stack([originals, *changed], axis=1),
    rows=[kind.replace("_", " ") for kind in KINDS],
    columns=["original", *(name.replace("_", "\n") for name in TRANSFORMS)],
    title="Six kinds of data (drawn): what would you still call by the same name?",
)
alt = "The number 26, the word bug, an X-ray, a flower, fields from above, a blue sign."
plots.show(ax, alt=alt)

# %% [markdown]
# ### Exercise 1: `keeps_label` (3 points)
#
# Decide for each kind which transformations keep the label of *every* image. The labels
# are the digit; the letters; which disease; which flower; which use of the land; which
# order the sign gives. Grey images have no hue, and for five more of the 42 decisions
# experts disagree or it depends on the question (mirrored X-rays, flowers upside down
# or turned by any angle, other hues of flowers and fields): there any answer is right.


# %% exercise="keeps_label" points=3 forbid=["cnnlab.augment", "cnnlab.checks"]
def keeps_label():
    """Which transformations keep the label.

    Returns: a dict, each of KINDS -> the set of names in TRANSFORMS that keep its labels.
    """
    ### BEGIN SOLUTION
    everywhere = {"small_turn", "shift", "brightness"}
    return {
        "digits": everywhere,
        "text": everywhere,
        "xray": everywhere,
        "flowers": everywhere | {"horizontal_flip"},
        "satellite": everywhere | {"horizontal_flip", "vertical_flip", "any_turn"},
        "traffic_signs": everywhere,
    }
    ### END SOLUTION


# %% check="keeps_label"
check.keeps_label(keeps_label)

# %% probe="keeps_label" compare="equal"
mine = keeps_label()
open_to_argument = {(kind, "hue") for kind in KINDS if kind != "traffic_signs"}
open_to_argument |= {("flowers", "any_turn"), ("flowers", "vertical_flip")}
open_to_argument |= {("xray", "horizontal_flip")}
[
    name in set(mine[kind])
    for kind in KINDS
    for name in TRANSFORMS
    if (kind, name) not in open_to_argument
] + [all(set(names) <= set(TRANSFORMS) for names in mine.values())]

# %% [markdown]
# ## 2. Random transformations, in the right units
#
# Keras has a layer for each transformation. They draw anew for each image and at each
# call, but only *in training*: in `predict` and `evaluate`, or called with
# `training=False`, they do nothing. Each layer has its own unit:
#
# | layer | its `factor` | note |
# |---|---|---|
# | `RandomFlip("horizontal")` | | also `"vertical"` |
# | `RandomRotation(f)` | turns: 0.1 is up to 36° either way | not degrees, not radians |
# | `RandomTranslation(f, f)` | shares of height and width | the first is up and down |
# | `RandomBrightness(f, value_range)` | share of the range of values | see below |
#
# Two traps. `RandomBrightness` takes pixels to go from 0 to 255: unless it is told
# `value_range=(0, 1)`, it adds up to 51 to images whose white is 1. And
# `RandomFlip("horizontal_and_vertical")`, the default, draws only once, and flips both
# ways or not at all (Keras 3.15): that is half a turn. Two layers flip independently.
# `fill_mode="nearest"` continues the picture's edge into the corners that a move leaves
# empty. `layers.Pipeline([...])` makes one layer of several.
#
# ### Exercise 2: `augmenter` (3 points)


# %% exercise="augmenter" points=3 forbid=["cnnlab.augment"]
def augmenter(
    horizontal_flip=False, vertical_flip=False, degrees=0, shift=0, brightness=0
):
    """Random transformations of images (batch, height, width, channels) in [0, 1].

    Args:
        horizontal_flip, vertical_flip: whether to mirror half of the images so;
            independently, where both are asked for.
        degrees: turn by up to so many degrees, either way.
        shift: move by up to this share of the side, in both directions.
        brightness: add or subtract up to this much; the values stay in [0, 1].

    Returns: a keras layer (or model), random in training, without effect otherwise.
    """
    ### BEGIN SOLUTION
    chosen = []
    if horizontal_flip:
        chosen.append(layers.RandomFlip("horizontal"))
    if vertical_flip:
        chosen.append(layers.RandomFlip("vertical"))
    if degrees:
        chosen.append(layers.RandomRotation(degrees / 360, fill_mode="nearest"))
    if shift:
        chosen.append(layers.RandomTranslation(shift, shift, fill_mode="nearest"))
    if brightness:
        chosen.append(layers.RandomBrightness(brightness, value_range=(0, 1)))
    return layers.Pipeline(chosen)
    ### END SOLUTION


# %% check="augmenter"
check.augmenter(augmenter)

# %% probe="augmenter" says="angles, shifts and brightness within their range" rtol=0.2 atol=0.001
from cnnlab.teaching.augmentation import spread

rng = np.random.default_rng(seed)
degrees, shift, brightness = rng.uniform([10, 0.1, 0.1], [40, 0.2, 0.2])
[
    spread(augmenter(degrees=degrees), "angle"),
    spread(augmenter(shift=shift), "right", "down"),
    spread(augmenter(brightness=brightness), "brighter"),
]

# %% probe="augmenter" says="flips" compare="equal"
from cnnlab.teaching.augmentation import flip_quarters, kinds_of_moves

options = [(True, False), (False, True), (True, True)]
happens = kinds_of_moves(augmenter(True, True, 20, 0.1, 0.1))
[*(flip_quarters(augmenter(*flips)) for flips in options), ", ".join(happens)]

# %% folded="Nine versions of a flower" tags=["not-graded"]
flower = np.repeat(augment.picture("flowers")[None], 9, axis=0)
versions = augmenter(horizontal_flip=True, degrees=20, shift=0.1, brightness=0.2)
wrong = layers.RandomBrightness(0.2)
ax = plots.sheet(
    np.stack([to_numpy(f(flower, training=True)) for f in (versions, wrong)]),
    rows=["augmenter", "value range\nforgotten"],
    columns=range(1, 10),
    title="Nine versions of one flower (drawn); below, of brightness for 0 to 255",
)
plots.show(ax, alt="A flower, changed a little; below, all white or all black.")

# %% [markdown]
# ## 3. Split first
#
# The simplest way to augment is to make copies beforehand. It already shows the worst
# mistake: whoever copies first and then sets images aside has versions of one image on
# both sides. Validation then measures what was learned by heart.
#
# ### Exercise 3: `enlarge` (2 points)
#
# Set images aside, as in lab 4 (here `data.split(x, y, validation=..., seed=...)` may do
# it, which takes the same share of every class). Then make the copies.


# %% exercise="enlarge" points=2 forbid=["cnnlab.augment"]
def enlarge(x, y, validation, copies, augment_layer, seed=0):
    """Set images aside for validation, and make augmented copies of the others.

    Args:
        x: images (n, height, width, channels) in [0, 1].
        y: integer labels (n,).
        validation: how many images to set aside; they stay as they are.
        copies: versions of each other image, all drawn anew; no original is kept.
        augment_layer: changes images at random, when it is told that it is training.
        seed: of the choice.

    Returns: (x_train, y_train), (x_validation, y_validation).
    """
    ### BEGIN SOLUTION
    (x_rest, y_rest), aside = data.split(x, y, validation=validation, seed=seed)
    versions = augment_layer(np.repeat(x_rest, copies, axis=0), training=True)
    return (to_numpy(versions), np.repeat(y_rest, copies)), aside
    ### END SOLUTION


# %% check="enlarge"
check.enlarge(enlarge)

# %% probe="enlarge" essential=["in training, set aside, in both", "those set aside are as they were", "versions differ", "labels"] compare="equal"
from cnnlab.teaching.augmentation import copies_of

copies_of(enlarge, seed)

# %% [markdown]
# How much does the leak flatter? A nearest neighbour is asked: each validation image
# gets the label of the training image most like it. The digits come with scikit-learn.

# %% folded="Split, then copied; copied, then split" tags=["not-graded"]
digits = data.load("digits")
x_digits = digits.x_train.astype("float32") / 255
gentle = augmenter(degrees=10, shift=0.05, brightness=0.1)


def shares(leaky, draw):
    """Accuracy on 40 of 100 images set aside, and on all the other images."""
    order = np.random.default_rng(draw).permutation(len(x_digits))
    few, others = order[:100], order[100:]
    x, y = x_digits[few], digits.y_train[few]
    if leaky:
        copies = to_numpy(gentle(np.repeat(x, 10, axis=0), training=True))
        (x, y), aside = data.split(copies, np.repeat(y, 10), validation=400)
    else:
        (x, y), aside = enlarge(x, y, 40, 10, gentle)
    nearest = KNeighborsClassifier(1).fit(np.reshape(x, (len(x), -1)), y)
    asked = aside, (x_digits[others], digits.y_train[others])
    return [nearest.score(np.reshape(x, (len(x), -1)), y) for x, y in asked]


for name, leaky in (("split, then copied", False), ("copied, then split", True)):
    claim, truth = np.mean([shares(leaky, draw) for draw in range(10)], axis=0)
    print(f"{name}: {claim:.3f} in validation, {truth:.3f} on others")

# %% [markdown]
# Expect, as a mean over ten draws, 0.88 to 0.91 in validation and 0.87 to 0.88 on others
# in the right order; in the wrong one 0.97 to 0.98, and 0.89 to 0.90 on others: it claims
# less than a third of the errors that it makes.
#
# ## 4. On the fly
#
# Copies made beforehand need memory, and are always the same. Better to draw new ones in
# each epoch, while the network trains. A `tf.data.Dataset` describes such a pipeline:
#
# ```python
# dataset = tf.data.Dataset.from_tensor_slices((x, y))    # one image, one label at once
# dataset = dataset.map(lambda image, label: (f(image), label))
# dataset = dataset.cache()            # remembers what comes out here, in the first epoch
# dataset = dataset.shuffle(n)         # draws from n waiting images: n = all of them
# dataset = dataset.batch(32)
# dataset = dataset.prefetch(tf.data.AUTOTUNE)            # works ahead
# ```
#
# What stands before `cache` is done once, what stands behind it in every epoch: what is
# slow and always the same (reading, scaling) belongs before it, what is drawn behind
# it. Layers that draw are faster on whole batches.
#
# ### Exercise 4: `batches` (3 points)


# %% exercise="batches" points=3 forbid=["cnnlab.augment", "cnnlab.data"]
def batches(x, y, load, augment_layer, batch_size) -> tf.data.Dataset:
    """Augmented images and labels in batches, in a new order in each epoch.

    Args:
        x: uint8 images (n, height, width, channels).
        y: labels (n, ...).
        load: slow, always the same: one image as it is in x -> floats in [0, 1].
            To be called once for each image, however many epochs there are.
        augment_layer: changes loaded images at random, when it is told that it is
            training; in each epoch anew. None leaves them as they are.
        batch_size: images per batch; the last batch may be smaller.
    """
    ### BEGIN SOLUTION
    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    dataset = dataset.map(lambda image, label: (load(image), label)).cache()
    dataset = dataset.shuffle(len(x)).batch(batch_size)
    if augment_layer is not None:
        dataset = dataset.map(
            lambda images, labels: (augment_layer(images, training=True), labels),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return dataset.prefetch(tf.data.AUTOTUNE)
    ### END SOLUTION


# %% check="batches"
check.batches(batches)

# %% probe="batches" essential=["every image once, with its label"] compare="equal"
from cnnlab.teaching.augmentation import epochs_of

epochs_of(batches, seed)

# %% [markdown]
# ## 5. Right and wrong, on digits
#
# Now a small network learns from 100 digits: as they are, mirrored, turned by any angle,
# or turned and shifted a little, in four strengths. Strength 1 is up to 15° and a tenth
# of the side, strength 4 up to 60° and four tenths. Each run takes the same number of
# steps; the seed decides the first weights and the 100 digits.
#
# **Predict first.** Which of them wins, which loses? Which digits suffer when all are
# mirrored, which when they are turned by any angle? Which strength is too much?

# %% prediction="on_digits"
best_and_worst = ""  # best, worst: ... digits that suffer: ... too strong from: ...

# %%
BATCH_SIZE = train.budget(smoke=8, cpu=32, gpu=32)


def small_network(input_shape, num_classes, filters):
    """Convolutions and pooling; compiled for one-hot labels."""
    model = keras.Sequential([keras.Input(input_shape)])
    for width in filters:
        model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(num_classes, activation="softmax"))
    adam = keras.optimizers.Adam(0.002)
    model.compile(adam, "categorical_crossentropy", metrics=["accuracy"])
    return model


def learn(model, dataset, steps, seed=0, parts=1, **options):
    """Train from new first weights; the history, in so many parts."""
    train.restart(model, seed)
    options |= {"epochs": parts, "steps_per_epoch": steps // parts, "shuffle": False}
    return train.fit(model, dataset, **options)


def judge(p, labels):
    """Accuracy and cross-entropy of probabilities (n, num_classes)."""
    loss = keras.losses.sparse_categorical_crossentropy(labels, p)
    return metrics.accuracy(labels, np.argmax(p, axis=1)), float(
        np.mean(to_numpy(loss))
    )


scale = layers.Rescaling(1 / 255)  # what `load` is here: bytes to floats in [0, 1]

# %% tags=["not-graded"]
STEPS, SEEDS = train.budget(smoke=(10, 1), cpu=(600, 2), gpu=(2000, 5))
STRENGTHS = train.budget(smoke=(1,), cpu=(0.5, 1, 2, 4), gpu=(0.25, 0.5, 1, 2, 4, 8))
x_test, y_test = digits.x_test.astype("float32") / 255, digits.y_test
on_digits = small_network((28, 28, 1), 10, (16, 32))


def learn_digits(augment_layer, seed):
    """Train on 100 digits, drawn by the seed; probabilities for 500 test images."""
    _, (x, y) = data.split(digits.x_train, digits.y_train, validation=100, seed=seed)
    hot = keras.utils.to_categorical(y, 10)
    dataset = batches(x, hot, scale, augment_layer, BATCH_SIZE)
    learn(on_digits, dataset.repeat(), STEPS, seed)
    return on_digits.predict(x_test, batch_size=500, verbose=0)


ways = {f"strength {s:g}": augmenter(degrees=15 * s, shift=s / 10) for s in STRENGTHS}
ways |= {"as they are": None, "mirrored": augmenter(horizontal_flip=True)}
ways |= {"any angle": augmenter(degrees=180)}
answers = {n: [learn_digits(w, seed) for seed in range(SEEDS)] for n, w in ways.items()}

# %% folded="Digits: accuracy, and which digits suffer" tags=["not-graded"]
print("You predicted:", best_and_worst or "nothing yet")
accuracy, recall = {}, {}
for name, runs in answers.items():
    accuracy[name], loss = np.transpose([judge(p, y_test) for p in runs]).round(3)
    print(f"{name:12} accuracy {accuracy[name]}, cross-entropy {loss}")
    recall[name] = np.transpose([metrics.recall(y_test, p.argmax(1)) for p in runs])
shown = ("as they are", "strength 1", "mirrored", "any angle")
axes = plots.panels(2, size=(11, 3.4), title="Digits, 100 to learn from")
plots.lines(
    STRENGTHS,
    {"turned and shifted": list(accuracy.values())[: len(STRENGTHS)]},
    xlabel="strength (1: 15°, 10 % shift)",
    ylabel="test accuracy",
    levels={name: accuracy[name].mean() for name in shown if "strength" not in name},
    ax=axes[0],
)
labels = {"xlabel": "digit", "ylabel": "share recognised", "ax": axes[1]}
plots.points(map(str, range(10)), {name: recall[name] for name in shown}, **labels)
axes[1].set_ylim(-0.05, 1.05)
plots.show(axes)

# %% [markdown]
# What to expect at the `cpu` budget, in six runs of four seeds. (With one seed, too, runs
# differ: threads draw in another order each time.)
#
# | learned from 100 digits | accuracy | cross-entropy |
# |---|---|---|
# | as they are | 0.89 to 0.92 | 0.41 to 0.64 |
# | strength 0.5; strength 1 | 0.91 to 0.94; 0.91 to 0.95 | 0.24 to 0.51; 0.17 to 0.34 |
# | strength 2; strength 4 | 0.76 to 0.89; 0.11 to 0.32 | 0.38 to 0.78; 1.9 to 2.2 |
# | mirrored | 0.85 to 0.89 | 0.62 to 0.79 |
# | turned by any angle | 0.74 to 0.80 | 0.65 to 0.87 |
#
# With the same seed, strength 1 removed 15 to 46 % of the errors in five runs, and none
# in one. At strength 4 many digits have left the picture. Mirroring raises no message and
# cost 1 to 7 points, which is easily taken for bad luck. *So judge by thinking, not by
# accuracy alone.* And look at each digit: mirroring costs most on the 3 and the 5; at any
# angle the 9 suffers, and from run to run the 6, the 8 or the 1.
#
# ## 6. 100, 500 and 2,000 images
#
# Now colour photographs, four of the ten classes of CIFAR-10, so that a laptop can do
# it; offline, made pictures of four shapes, where colour, place and turn say nothing.
# The line printed says which you have: objects stand upright, shapes lie in any way.
#
# **Predict first.** Where does augmentation bring most: at 100, 500 or 2,000 images? And
# the accuracy on the *training* images as the network sees them: with augmentation,
# will it be above or below that on new images?

# %% prediction="sizes"
brings_most = ""  # at ... images; training accuracy above or below: ...

# %%
source = data.load("cifar10")
x_all, y_all = (part[source.y_train < 4] for part in (source.x_train, source.y_train))
test = np.flatnonzero(source.y_test < 4)[: train.budget(smoke=100, cpu=2000, gpu=2000)]
x_new, y_new = source.x_test[test].astype("float32") / 255, source.y_test[test]

if source.name == "CIFAR-10":
    kind, right_way = "objects", augmenter(horizontal_flip=True, shift=0.1)
else:  # shapes, where colour says nothing either
    turned = augmenter(horizontal_flip=True, vertical_flip=True, degrees=180)
    hue = layers.RandomHue(0.5, value_range=(0, 1))
    kind, right_way = "shapes", layers.Pipeline([turned, hue])

# %% folded="Four images, eight versions of each" tags=["not-graded"]
sample = x_new[[np.flatnonzero(y_new == k)[0] for k in range(4)]]
versions = to_numpy(right_way(np.repeat(sample, 8, axis=0), training=True))
ax = plots.sheet(
    np.concatenate([sample[:, None], versions.reshape(4, 8, 32, 32, 3)], axis=1),
    rows=source.class_names[:4],
    columns=["original", *range(1, 9)],
    title=f"{source.name}: what keeps the label here",
)
plots.show(ax)

# %% tags=["not-graded"]
SIZES = train.budget(smoke=(100,), cpu=(100, 500, 2000), gpu=(100, 500, 2000))
STEPS_6, PARTS = train.budget(smoke=(10, 1), cpu=(1200, 6), gpu=(6000, 20))
on_objects = small_network((32, 32, 3), 4, (16, 32, 64))
new_images = x_new, keras.utils.to_categorical(y_new, 4)


def pick(count, seed=0):
    """So many training images, drawn at random; labels one-hot."""
    chosen = np.random.default_rng(seed).permutation(len(y_all))[:count]
    return x_all[chosen], keras.utils.to_categorical(y_all[chosen], 4)


reached, histories, weights = {}, {}, {}


def learn_objects(way, count, dataset):
    """Train, and write down what was reached by this way, with so many images."""
    options = {"parts": PARTS, "validation_data": new_images}
    histories[way, count] = learn(on_objects, dataset, STEPS_6, **options)
    p = on_objects.predict(x_new, batch_size=500, verbose=0)
    reached[way, count], weights[way, count] = judge(p, y_new), on_objects.get_weights()


for count in SIZES:
    for way, layer in (("as they are", None), ("augmented", right_way)):
        dataset = batches(*pick(count), scale, layer, BATCH_SIZE)
        learn_objects(way, count, dataset.repeat())

# %% folded="Accuracy and curves, with and without augmentation" tags=["not-graded"]
print("You predicted:", brings_most or "nothing yet")
for (way, count), (accuracy, loss) in reached.items():
    print(f"{count:5} images, {way:11} accuracy {accuracy:.3f}, loss {loss:.3f}")
count = SIZES[len(SIZES) // 2]
axes = plots.curves(
    {way: histories[way, count] for way in ("as they are", "augmented")},
    title=f"{source.name}, {count} images; an epoch is {STEPS_6 // PARTS} steps",
)
plots.show(axes)

# %% [markdown]
# What to expect at the `cpu` budget, over three seeds (each with other images to learn
# from): accuracy, and in brackets the cross-entropy.
#
# | data | images | as they are | augmented |
# |---|---|---|---|
# | shapes, the stand-in | 100 | 0.26 to 0.34 (5.1 to 7.5) | 0.57 to 0.63 (0.9 to 1.3) |
# | | 500 | 0.47 to 0.51 (3.2 to 3.7) | 0.70 to 0.76 (0.5 to 0.7) |
# | | 2,000 | 0.64 to 0.74 (0.8 to 1.0) | 0.67 to 0.75 (0.5 to 0.6) |
# | CIFAR-10, four classes | 100 | 0.52 to 0.55 (2.9 to 3.2) | 0.59 (2.6 to 3.0) |
# | | 500 | 0.65 to 0.69 (1.7 to 2.0) | 0.69 to 0.71 (1.0 to 1.2) |
# | | 2,000 | 0.73 (0.9 to 1.0) | 0.71 to 0.76 (0.7) |
#
# The fewer images there are, the more it brings. At 2,000 the accuracy hardly changes in
# so few steps, but the network is much less sure of its errors. Training accuracy with
# augmentation lay above that on new images, but in two runs of three with 2,000 shapes.

# %% [markdown] question="above_and_below" title="Above and below" points=1
# With augmentation the training accuracy that Keras reports may lie *below* the accuracy
# on new images. Why is that no sign of a mistake? Why should validation images not be
# augmented, although that would close the gap? And a friend computes the features of
# all images once, with a frozen network, stores them, and flips the *feature maps* from
# left to right at random. Why is that not the same as flipping the images?
#
# ### BEGIN SOLUTION
# *1 point.* A third each: the training accuracy is measured on augmented images, which
# are harder than those as they come (and while the weights still change): another task.
# Validation is to say how the network does on images as they will come; augmented ones
# are another task, and random. A convolution network is not equivariant under flips: its
# kernels are not symmetric, so the features of a flipped image are other values than the
# flipped features of the image; the network behind would learn from features that no
# image has. (Who wants both: cache the features of several augmented versions.)
# ### END SOLUTION

# %% [markdown]
# ## 7. Mixing images
#
# All of this needs to know what keeps the label. **Mixup** ([Zhang et al.
# 2018](https://arxiv.org/abs/1710.09412)) needs not: it blends two images, and blends
# their labels in the same way:
#
# $$x' = \lambda x_i + (1 - \lambda) x_j, \qquad y' = \lambda y_i + (1 - \lambda) y_j,
# \qquad \lambda \sim \text{Beta}(\alpha, \alpha)$$
#
# The labels are one-hot rows, and become *soft*: 0.7 cat and 0.3 dog. The cross-entropy
# is the one for one-hot labels. For $\alpha < 1$, $\lambda$ is mostly near 0 or 1; for
# $\alpha = 1$ everything is as likely.
#
# ### Exercise 5: `mixup` (2 points)
#
# The partner of each image is another one of the batch: take `rng.permutation`. Draw one
# $\lambda$ for each image, with `rng.beta`.


# %% exercise="mixup" points=2 forbid=["cnnlab.augment", "keras.layers.MixUp"]
def mixup(x, y, alpha, rng):
    """Each image blended with another of the batch, and its label likewise.

    Args:
        x: images (batch, height, width, channels), floats; they stay as they are.
        y: one-hot labels (batch, num_classes).
        alpha: of the Beta distribution, above 0.
        rng: a NumPy random generator, np.random.default_rng(...).

    Returns: images and labels, of the shapes of x and y.
    """
    ### BEGIN SOLUTION
    partner = rng.permutation(len(x))
    share = rng.beta(alpha, alpha, len(x)).astype("float32")
    in_x, in_y = share[:, None, None, None], share[:, None]
    return (
        in_x * x + (1 - in_x) * x[partner],
        in_y * y + (1 - in_y) * y[partner],
    )
    ### END SOLUTION


# %% check="mixup"
check.mixup(mixup)

# %% probe="mixup" essential=["labels go with the images", "most are mixed", "mean and spread of the shares"] rtol=0.2 atol=0.002
from cnnlab.teaching.augmentation import blending, of_each

alphas = np.random.default_rng(seed).uniform([0.3, 1.5], [0.6, 3])
of_each([blending(mixup, alpha, seed) for alpha in alphas])

# %% [markdown]
# **CutMix** ([Yun et al. 2019](https://arxiv.org/abs/1905.04899)) pastes a box of the
# partner instead. The box is to cover a share $1 - \lambda$ of the picture, so its sides
# are $h \sqrt{1 - \lambda}$ and $w \sqrt{1 - \lambda}$; its centre is any pixel, and
# what lies outside is cut off. The label takes the share that is *really* left, counted
# in pixels.
#
# ### Exercise 6: `cutmix` (2 points)


# %% exercise="cutmix" points=2 forbid=["cnnlab.augment", "keras.layers.CutMix"]
def cutmix(x, y, alpha, rng):
    """Each image with a box pasted in from another, its label shared by area.

    Takes and returns what mixup does.
    """
    ### BEGIN SOLUTION
    partner = rng.permutation(len(x))
    height, width = x.shape[1:3]
    mixed, share = x.copy(), np.ones(len(x), "float32")
    for k in range(len(x)):
        side = np.sqrt(1 - rng.beta(alpha, alpha))
        row, column = rng.integers(height), rng.integers(width)
        top, left = row - side * height / 2, column - side * width / 2
        rows = slice(max(0, round(top)), round(top + side * height))
        columns = slice(max(0, round(left)), round(left + side * width))
        mixed[k, rows, columns] = x[partner[k], rows, columns]
        pasted = np.zeros((height, width))
        pasted[rows, columns] = 1
        share[k] = 1 - pasted.mean()
    share = share[:, None]
    return mixed, share * y + (1 - share) * y[partner]
    ### END SOLUTION


# %% check="cutmix"
check.cutmix(cutmix)

# %% probe="cutmix" essential=["labels go with the images", "most are mixed", "one box each", "area and sides of the boxes"] rtol=0.2 atol=0.002
from cnnlab.teaching.augmentation import of_each, pasting

alphas = np.random.default_rng(seed).uniform([0.5, 2], [1, 3])
of_each([pasting(cutmix, alpha, seed) for alpha in alphas])

# %% folded="Mixup and cutmix, with the new labels" tags=["not-graded"]
pictures, captions = [], []
for mix in (mixup, cutmix):
    hot = keras.utils.to_categorical(y_new[:40], 4)
    mixed, soft = map(to_numpy, mix(x_new[:40], hot, 1.0, np.random.default_rng(0)))
    well_mixed = np.flatnonzero(np.abs(soft.max(axis=1) - 0.65) < 0.15)
    for k in well_mixed[:6]:  # others met themselves, or hardly anything else
        named = sorted(zip(soft[k], source.class_names[:4], strict=True))[:-3:-1]
        captions.append("\n".join(f"{share:.2f} {name}" for share, name in named))
        pictures.append(mixed[k].clip(0, 1))
title = f"{source.name}: mixup above, cutmix below, and their labels"
plots.show(plots.samples(np.stack(pictures), captions, columns=6, title=title))


# %% tags=["not-graded"]
def mixed_batches(dataset, mix, alpha):
    """Batches without end, mixed."""
    rng = np.random.default_rng(0)
    for images, labels in dataset.repeat():
        yield mix(to_numpy(images), to_numpy(labels), alpha, rng)


COUNT = train.budget(smoke=100, cpu=500, gpu=2000)
for way, mix, alpha in (("mixup", mixup, 0.4), ("cutmix", cutmix, 1.0)):
    dataset = batches(*pick(COUNT), scale, None, BATCH_SIZE)
    learn_objects(way, COUNT, mixed_batches(dataset, mix, alpha))
for (way, count), (accuracy, loss) in reached.items():
    if count == COUNT:
        print(f"{count} images, {way:11} accuracy {accuracy:.3f}, loss {loss:.3f}")

# %% [markdown]
# What to expect at the `cpu` budget with 500 images, over three seeds:
#
# | | as they are | mixup | cutmix | augmented |
# |---|---|---|---|---|
# | shapes, accuracy | 0.47 to 0.51 | 0.48 to 0.52 | 0.40 to 0.51 | 0.70 to 0.76 |
# | shapes, loss | 3.2 to 3.7 | 1.3 to 1.5 | 1.1 to 1.4 | 0.5 to 0.7 |
# | CIFAR-10, accuracy | 0.65 to 0.69 | 0.61 to 0.66 | 0.63 to 0.67 | 0.69 to 0.71 |
# | CIFAR-10, loss | 1.7 to 2.0 | 0.9 to 1.1 | 0.8 to 0.9 | 1.0 to 1.2 |
#
# Both make the network less sure where it is wrong: the loss falls to about a half. The
# accuracy gains little or nothing in so short a training; the paper took 200 epochs, and
# went from 5.6 % to 4.2 % errors on CIFAR-10 with mixup. Mixing, too, assumes something:
# half a cat is still half a cat, while a ring that is cut is a ring no more.
#
# ## 8. Augmentation when testing
#
# If several views of an image have the same label, the network may look at all of them,
# and its answers are averaged: **test-time augmentation**. With $K$ views $t_k$
#
# $$p(y \mid x) = \frac{1}{K} \sum_{k=1}^{K} p_\text{network}(y \mid t_k(x))$$
#
# The views are fixed, not random; the first is usually the image as it is. Averaged are
# the *probabilities*.
#
# ### Exercise 7: `tta` (2 points)


# %% exercise="tta" points=2 forbid=["cnnlab.augment"]
def tta(model, x, views):
    """Test-time augmentation: the mean of the probabilities over several views.

    Args:
        model: gives probabilities (n, num_classes).
        x: images (n, height, width, channels).
        views: functions, each turns images into another view of them.

    Returns: (n, num_classes).
    """
    ### BEGIN SOLUTION
    return np.mean([model.predict(view(x), verbose=0) for view in views], axis=0)
    ### END SOLUTION


# %% check="tta"
check.tta(tta)

# %% probe="tta"
from cnnlab.teaching.augmentation import VIEWS, corner_model

rng = np.random.default_rng(seed)
x = rng.random((20, 4, 6, 3)).astype("float32")
chosen = [VIEWS[k] for k in rng.permutation(5)[:4]]
[to_numpy(tta(corner_model(0.5), x[:n], chosen[:n])) for n in (20, 2, 1)]

# %% [markdown]
# Which views? What was wrong for training is wrong here: `augment.safe_views(kind)` gives
# those that keep the label. The networks are those trained with the right augmentation.
#
# **Predict first.** What will the mean over mirrored digits do? What does it cost?

# %% prediction="views"
many_views = ""  # safe views: better or worse than one? mirrored digits: ...


# %% tags=["not-graded"]
learn_digits(ways["strength 1"], seed=0)
on_objects.set_weights(weights["augmented", COUNT])
shifted, safe = ([*augment.safe_views(k).values()] for k in ("digits", kind))
mirrored = [lambda x: x, lambda x: x[:, :, ::-1]]
print("You predicted:", many_views or "nothing yet")
for what, views in (("one", shifted[:1]), ("shifted", shifted), ("mirrored", mirrored)):
    accuracy, loss = judge(tta(on_digits, x_test, views), y_test)
    print(f"digits, {what:8} {len(views):2}: accuracy {accuracy:.3f}, loss {loss:.3f}")
for k in train.budget(smoke=(1, 2), cpu=(1, 2, 10), gpu=(1, 2, 10)):
    accuracy, loss = judge(tta(on_objects, x_new, safe[:k]), y_new)
    print(f"{source.name}, views {k:2}: accuracy {accuracy:.3f}, loss {loss:.3f}")

# %% [markdown]
# Expect, at the `cpu` budget (accuracy, cross-entropy; over three or four seeds):
#
# | | 1 view | more views |
# |---|---|---|
# | digits, shifted | 0.92 to 0.95, 0.17 to 0.34 | 5: 0.92 to 0.95, 0.15 to 0.31 |
# | digits, mirrored | the same | 2: 0.87 to 0.88, 0.61 to 0.71 |
# | shapes | 0.70 to 0.76, 0.49 to 0.66 | 10: 0.71 to 0.78, 0.46 to 0.63 |
# | CIFAR-10 | 0.69 to 0.71, 1.04 to 1.17 | 6: 0.69 to 0.71, 0.91 to 1.04 |
#
# Safe views lower the cross-entropy everywhere, and the accuracy rises a little or not
# at all; $K$ views cost $K$ predictions. The wrong view spoils a good network.
#
# ## 9. In the pipeline or in the model?
#
# The same layers can stand in the data pipeline, as in `batches`, or at the entrance of
# the model. There they run where the network runs, on the GPU if there is one, before
# each step; they are saved with the model, and switch themselves off in `predict`. In
# the pipeline they run on the CPU while the network computes the last batch.
#
# ### Exercise 8: `in_model` (1 point)


# %% exercise="in_model" points=1
def in_model(augment_layer, backbone, head):
    """One keras.Model, not compiled, that augments its images in training only.

    Args:
        augment_layer: changes images at random when training.
        backbone: images -> features; it has an input_shape.
        head: features -> probabilities.
    """
    ### BEGIN SOLUTION
    inputs = keras.Input(backbone.input_shape[1:])
    return keras.Model(inputs, head(backbone(augment_layer(inputs))))
    ### END SOLUTION


# %% check="in_model"
check.in_model(in_model)

# %% probe="in_model"
from cnnlab.teaching.augmentation import Brighter, backbone_and_head

backbone, head, x = backbone_and_head(seed)
model = in_model(Brighter(0.1 + seed % 7 / 10), backbone, head)
count = len(model.trainable_weights)
np.stack([model(x, training=True), model(x, training=False)]) * (count == 4)

# %% [markdown]
# Four ways to train the same network: not augmented; augmented in the pipeline; in the
# model; and with a Python loop over the images, as it is often seen.
#
# **Predict first.** Which is fastest, which slowest? Would a GPU change the order?

# %% prediction="speed"
fastest = ""  # fastest: ... slowest: ... on a GPU: ...

# %% folded="Images per second, four ways" tags=["not-graded"]
SPEED_STEPS = train.budget(smoke=2, cpu=20, gpu=300)
*_, features, head = on_objects.layers
inside = in_model(right_way, keras.Model(on_objects.inputs, features.output), head)
inside.compile_from_config(on_objects.get_compile_config())


def one_by_one(dataset):
    """Batches whose images Python augments one after the other."""
    for images, labels in dataset:
        changed = [to_numpy(right_way(im[None], training=True))[0] for im in images]
        yield np.stack(changed), to_numpy(labels)


as_they_are = batches(*pick(SIZES[-1]), scale, None, BATCH_SIZE).repeat()
augmented = batches(*pick(SIZES[-1]), scale, right_way, BATCH_SIZE).repeat()
speed = {}
for name, model, dataset in (
    ("not augmented", on_objects, as_they_are),
    ("in the pipeline", on_objects, augmented),
    ("in the model", inside, as_they_are),
    ("one image at a time", on_objects, one_by_one(as_they_are)),
):
    speed[name] = BATCH_SIZE * train.steps_per_second(model, dataset, SPEED_STEPS)
print("You predicted:", fastest or "nothing yet")
title = f"{source.name}, batches of {BATCH_SIZE}, on this {train.device().upper()}"
what = {"xlabel": "images per second, training included", "title": title}
plots.show(plots.bars(speed, format="{:,.0f}", horizontal=True, **what))

# %% [markdown]
# On the two CPU cores this was written on, augmentation in the pipeline and in the model
# cost about the same: between nothing (flips and shifts of CIFAR-10, in the pipeline) and
# half of the speed (turns and hues of the shapes). One image at a time was 30 to 70 times
# slower: each call of a layer has its price, for one image or for 32. On a GPU the
# network is fast, a pipeline on the CPU often cannot keep up: augment in the model.
#
# **Once is enough.** Each layer that moves pixels computes every pixel anew, as a mean of
# its neighbours. Three of them, for a turn, a shift and a zoom, do the work three times
# and blur three times. But affine maps multiply into one: `augment.RandomAffine`
# multiplies the matrices first, and resamples once.

# %% folded="Resampled three times, and once" tags=["not-graded"]
word = augment.picture("text", size=64)[None]
turn, shift, zoom = ((share, share) for share in (0.04, 0.03, -0.1))  # no chance
three = (layers.RandomRotation(turn), layers.RandomTranslation(shift, shift))
three = layers.Pipeline([*three, layers.RandomZoom(zoom)])
once = augment.RandomAffine(turn, shift, zoom)
moved = [to_numpy(f(word, training=True)) for f in (three, once)]
names = ("original", "three layers", "RandomAffine")
title = "The same turn, shift and zoom"
plots.show(plots.samples(np.concatenate([word, *moved]).clip(0, 1), names, title=title))

# %% [markdown] question="open_to_argument" title="Open to argument" points=1
# In exercise 1 some decisions were open. Take mirrored chest X-rays, and other hues of
# flowers. For each, name a question asked of the picture where the transformation keeps
# the answer, and one where it does not. And how would you find out by an experiment
# whether to use it: what do you compare, on which images, how often?
#
# ### BEGIN SOLUTION
# *1 point.* A quarter: an X-ray, mirrored, keeps "is there a fracture, a pneumonia?", but
# not "on which side?", nor a heart on the wrong side (situs inversus), nor the L and R
# written on the film. A quarter: other hues keep "is there a flower, where?", shape or
# number of petals; not the species or variety where the colour decides. Half: train with
# and without it, all else equal, and compare on *validation* images that are not
# augmented (not on test images, since one chooses), with three seeds or more, and look
# at each class, as the mean can hide one that suffers.
# ### END SOLUTION

# %% [markdown]
# ## Go further
#
# - **Flowers.** `data.load("flower_photos", size=64)`: which transformations help there?
# - **Soft labels.** Is it the images or the labels that help in mixup? Train with
#   `keras.losses.CategoricalCrossentropy(label_smoothing=0.1)`, without mixing.
#
# <details><summary>What the slides say differently</summary>
#
# - Decks 000 and 003 list flips (003 the vertical one, too), turns and changes of colour
#   without a word on which data they fit: section 1.
# - Deck 004, "AlexNet": "2048 times" counts the crops and flips it was *trained* on. When
#   testing, it averaged the softmax over 10 views: five crops and their mirror images.
#
# </details>
