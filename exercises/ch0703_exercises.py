"""Exercises to section 7.3, "predict, then run", with their solutions.

`python -m exercises.ch0703_exercises` runs them all, `... 7.3.1` those to one part of the section;
`--list` asks the questions and does not tell the answers. The docstring of a solution is the
question; its claims are the answer, in numbers.
"""

from __future__ import annotations

from ch07 import lab  # first: it checks the installation

# isort: split
import dataclasses
import functools
import itertools

import keras
import numpy as np
import optuna
import tensorflow as tf
from keras import layers

import ch0703_ensembling as chapter
from ch07 import (
    candidates,
    costs,
    ensembles,
    normalization,
    probes,
    scores,
    search,
    selection,
    synthetic,
)

section = lab.Section("7.3", "Exercises to getting the most out of your models")


# %% 7.3.1 Architecture patterns: batch normalization


@section.exercise(
    chapter.batch_normalization,
    "7.3.1",
    "Train on batches of one point",
    why="The mean of one point is the point, and its variance is 0: less its mean, nothing is "
    "left of it. What remains to be learned is a constant.",
)
def batches_of_one(run):
    """Give the normalized Dense layer a batch of a single point, called as in training. Predict:
    what are its 32 outputs? Then train the classifier with one such block on batches of one for an
    epoch. How many of its own training points does it get right, called as in training, point by
    point?
    """
    clouds = synthetic.clusters(run.seed)
    points, targets = chapter.normalize(clouds.train["features"]), clouds.train_targets
    stack = chapter.build_normalized_dense()
    at_inference, in_training = (
        float(np.abs(stack(points[:1], training=mode)).max()) for mode in (False, True)
    )
    model = chapter.build_cloud_classifier("one", 1)
    task = dataclasses.replace(clouds, train={"features": points})
    run.train({"one": model}, task, "categorical_crossentropy", "sgd", epochs=1, batch_size=1)
    some = range(0, len(points), 10)
    told = np.vstack([model(points[[n]], training=True) for n in some])
    trained = scores.accuracy(told, targets[some])
    # Not exactly 0 where a processor rounds once for a product and a sum.
    run.claim(
        "In training, the largest output for a point alone is", in_training, "in size",
        at_most=1e-5, at_inference=at_inference,
    )  # fmt: skip
    run.claim("Trained on such batches, it gets right", trained, "accuracy", at_most=0.23)


@section.exercise(
    chapter.batch_normalization,
    "7.3.1",
    "Freeze the normalization",
    why="In Keras a frozen BatchNormalization runs as at inference, whatever the call says: its "
    "averages are part of what is frozen. This is what fine-tuning on small batches wants.",
)
def freeze_the_normalization(run):
    """Set `trainable = False` on the normalization of the book's normalized Dense layer, and call
    the model with `training=True`. Predict: how many parameters are left to train, do the
    neighbours of a point in the batch still move it, and do the moving averages still move?
    """
    clouds = synthetic.clusters(run.seed)
    points = chapter.normalize(clouds.train["features"])
    stack = chapter.build_normalized_dense()
    layer = stack.get_layer("normalization")

    def measured():
        before = layer.moving_mean.numpy()
        moved = normalization.moved_by_neighbours(stack, points, 100, training=True)
        left = sum(int(np.prod(weight.shape)) for weight in stack.trainable_variables)
        return left, moved, float(np.abs(layer.moving_mean.numpy() - before).max())

    free = measured()
    layer.trainable = False
    left, moved, averages = measured()
    run.claim("Frozen, it has left to train", left, "parameters", exactly=544, free=free[0])
    unit = "standard deviations"
    run.claim("Frozen, other neighbours move a point by", moved, unit, exactly=0, free=free[1])
    run.claim("Frozen, a moving mean moves by", averages, "in size", exactly=0, free=free[2])


@section.exercise(
    chapter.batch_normalization,
    "7.3.1",
    "Normalize in front of the activation",
    why="A relu keeps the positive half: of a bell curve with standard deviation 1 its mean is "
    "1 / sqrt(2 pi) = 0.40. And the normalization takes away with the mean whatever the bias "
    "adds.",
)
def normalize_before_the_activation(run):
    """The book normalizes behind the relu. Put BatchNormalization between the Dense layer and the
    relu, as its inventors did. Predict: how far is what the next layer gets off mean 0? And what
    gradient does the bias of the Dense layer get, beside that of its kernel?
    """
    clouds = synthetic.clusters(run.seed)
    points, targets = chapter.normalize(clouds.train["features"]), clouds.train_targets
    point = keras.Input((16,), name="features")
    x = layers.Dense(32, name="before_dense_1")(point)
    x = layers.ReLU(name="before_block_1")(layers.BatchNormalization()(x))
    cloud = layers.Dense(8, activation="softmax")(x)
    models = {
        "before": keras.Model(point, cloud),
        "behind": chapter.build_cloud_classifier("behind", 1),
    }
    off, share = {}, {}
    for name, model in models.items():
        dense, block = (model.get_layer(f"{name}_{of}_1") for of in ("dense", "block"))
        stages = keras.Model(model.input, [block.output, model.output])
        with tf.GradientTape() as tape:
            given, told = stages(points, training=True)
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, told))
        kernel, bias = tape.gradient(loss, dense.trainable_variables)
        off[name] = float(np.abs(np.mean(given, axis=0)).mean())
        share[name] = float(tf.norm(bias) / tf.norm(kernel))
    run.claim(
        "In front of the relu: off mean 0 behind it by", off["before"], "in the mean",
        at_least=0.3, at_most=0.5, behind=off["behind"], by_hand=(2 * np.pi) ** -0.5,
    )  # fmt: skip
    sentence = "The gradient of the bias, beside the kernel's"
    run.claim(sentence, share["before"], "bias/kernel", at_most=1e-4, behind=share["behind"])


# %% 7.3.1 Architecture patterns: batch normalization, depth and the learning rate


@section.exercise(
    chapter.normalized_depth,
    "7.3.1",
    "Draw the kernels larger by the root of two",
    why="A relu halves the mean square of what goes through it, forwards and backwards; kernels "
    "larger by sqrt(2) make up for that: He initialization, kernel_initializer='he_normal'. It "
    "is a start, no more: at rate 0.1 such a network learns or breaks down, as the draw will "
    "have it.",
)
def larger_kernels(run):
    """Keras draws the kernel of 32 units so that the size of the signal would be kept were there no
    relu. Multiply every kernel of the 24 plain layers by sqrt(2). Predict: which share of the
    gradient gets through a layer on its way back, before and after that? What is left of it at the
    first layer?
    """
    clouds = synthetic.clusters(run.seed)
    arms = {arm: chapter.build_cloud_classifier(arm, 24, False) for arm in ("as_drawn", "larger")}
    for layer in arms["larger"].layers[1:-1]:
        layer.kernel.assign(layer.kernel * 2**0.5)
    first, by_layer = {}, {}
    for arm, model in arms.items():
        blocks = [f"{arm}_block_{n}" for n in range(1, 25)]
        arriving = probes.gradient_over_layers(
            model, blocks, clouds.train["features"], clouds.train_targets
        )
        first[arm] = arriving[0]
        by_layer[arm] = first[arm] ** (1 / 23)
    run.claim(
        "As drawn, of the gradient gets through a layer", by_layer["as_drawn"], "of it",
        at_least=0.6, at_most=0.8, by_hand=0.5**0.5,
    )  # fmt: skip
    run.claim(
        "Larger by sqrt(2), there gets through a layer", by_layer["larger"], "of it",
        at_least=0.9, at_most=1.1, by_hand=1,
    )  # fmt: skip
    sentence = "As drawn, there arrives at the first layer"
    run.claim(sentence, first["as_drawn"], "first/last", at_most=0.002, larger=first["larger"])


@section.exercise(
    chapter.normalized_depth,
    "7.3.1",
    "Train with Adam",
    why="Adam divides each gradient by its usual size, so one that vanishes still moves its "
    "layer: what normalization is needed for in the lesson comes without it. What is left is "
    "its price, that 24 random normalized layers scramble the clouds until a linear model finds "
    "none of them.",
)
def adam_on_plain_layers(run):
    """The lesson trains with plain SGD, on purpose. Take Adam(0.002) for 24 plain and 24 normalized
    layers. Predict: do the plain ones learn now, and how far are they from the normalized ones? And
    before any training: how much of the clouds can a linear model tell from what either gives?
    """
    clouds = synthetic.clusters(run.seed)
    arms = {
        arm: chapter.build_cloud_classifier(arm, 24, arm == "normalized")
        for arm in ("plain", "normalized")
    }
    linear = {}
    for arm, model in arms.items():
        last = keras.Model(model.input, model.get_layer(f"{arm}_block_24").output)
        read = []
        for of in (clouds.train, clouds.test):
            given = last(of["features"], training=True).numpy()
            given = (given - given.mean(axis=0)) / (given.std(axis=0) + 1e-12)  # some are always 0
            read.append(np.hstack([given, np.ones((len(given), 1))]))
        kernel = np.linalg.lstsq(read[0], clouds.train_targets, rcond=1e-6)[0]
        linear[arm] = scores.accuracy(read[1] @ kernel, clouds.test_targets)
    told = run.train(
        arms, clouds, "categorical_crossentropy", keras.optimizers.Adam(0.002),
        epochs=6, batch_size=50,
    )  # fmt: skip
    reached = {arm: scores.accuracy(told[arm], clouds.test_targets) for arm in arms}
    versus = {"chance": 1 / 8, "ceiling": clouds.ceiling}
    run.claim(
        "24 plain layers with Adam", reached["plain"], "accuracy", at_least=0.27, **versus
    )  # fmt: skip
    ahead = reached["plain"] - reached["normalized"]
    sentence = "They are ahead of the normalized ones by"
    run.claim(sentence, ahead, "accuracy", at_least=0.07, normalized=reached["normalized"])
    sentence = "Linear, behind 24 untrained normalized layers"
    run.claim(sentence, linear["normalized"], "accuracy", at_most=0.2, plain=linear["plain"])


# %% 7.3.1 Architecture patterns: depthwise separable convolution


@section.exercise(
    chapter.separable_convolution,
    "7.3.1",
    "Windows of five pixels, and of one",
    why="Separable, the window costs k * k for each input channel; plain, for each pair of an "
    "input and an output channel. A window of one pixel leaves nothing to separate.",
)
def other_windows(run):
    """Replace the 3 x 3 windows of both convnets by 5 x 5, then by 1 x 1. Predict: which share of
    the parameters of the plain one does the separable one have? The six convolutions take 355
    channels in all.
    """

    def parameters(convolution, size):
        def resized(filters, _, **options):
            return convolution(filters, size, **options)

        return chapter.build_separable_convnet(resized).count_params()

    separable, plain = (
        {size: parameters(kind, size) for size in (1, 3, 5)}
        for kind in (layers.SeparableConv2D, layers.Conv2D)
    )
    run.claim(
        "5 x 5: the separable one has", separable[5] / plain[5], "separable/plain",
        at_least=0.0575, at_most=0.0576, windows_of_3=separable[3] / plain[3],
    )  # fmt: skip
    sentence = "From 3 x 3 to 5 x 5 the separable one grows by"
    grown, versus = separable[5] - separable[3], {"plain": plain[5] - plain[3]}
    run.claim(sentence, grown, "parameters", exactly=16 * 355, **versus)
    more = separable[1] - plain[1]
    run.claim("1 x 1: the separable one has more, by", more, "parameters", exactly=355)


@section.exercise(
    chapter.separable_convolution,
    "7.3.1",
    "Images twice as wide and as high",
    why="A kernel is as large for any image, but it is applied at every position. Without "
    "padding each convolution loses two rows and columns, of a small image the larger share.",
)
def larger_images(run):
    """Build the separable convnet for images of 128 x 128 pixels in place of 64 x 64. Predict: how
    many more parameters, and how many times the multiply-adds: 4 times, fewer, or more?
    """
    small, large = (
        chapter.build_separable_convnet(image_shape=(side, side, 3)) for side in (64, 128)
    )
    more = large.count_params() - small.count_params()
    work = costs.multiply_adds(large) / costs.multiply_adds(small)
    run.claim("It has more by", more, "parameters", exactly=0, of=small.count_params())
    run.claim("It does the multiply-adds of the small one", work, "times", at_least=4.0)


@section.exercise(
    chapter.separable_convolution,
    "7.3.1",
    "Find the smallest image",
    why="Backwards from the one pixel that the last convolution has to give: 1, 3, 5; a pool "
    "doubles it to 10, then 12, 14; a pool to 28, then 30, 32. With padding='same', 4 pixels "
    "would do.",
)
def smallest_image(run):
    """The convolutions have no padding, so images shrink on their way. Predict by hand: for how
    small a square image can the convnet be built, and what does Keras say to one pixel less?
    """
    side = 40
    while True:
        try:
            chapter.build_separable_convnet(image_shape=(side - 1, side - 1, 3))
        except ValueError as error:
            run.quote(str(error).splitlines()[0])
            break
        side -= 1
    deepest = chapter.build_separable_convnet(image_shape=(side, side, 3)).get_layer("conv_6")
    run.claim("The smallest image has a side of", side, "pixels", exactly=32)
    run.claim("Of it the last convolution leaves", deepest.output.shape[1], "pixels", exactly=1)


# %% 7.3.1 Architecture patterns: when is a separable convolution the better one?


@section.exercise(
    chapter.separable_or_not,
    "7.3.1",
    "As many filters in place of as many parameters",
    why="A separable filter is a plain one that has to use the same spatial pattern as all "
    "others: for the same number it can do less. What it saves has to be spent on more filters.",
)
def as_many_filters(run):
    """The lesson compares at the same number of parameters. Give both convolutions 12 filters, on
    both kinds of images. Predict: where does the separable one, with a third of the parameters,
    still keep up?
    """
    images = synthetic.patterns(run.seed)
    arms = {
        f"{data}_{convolution.__name__}": chapter.build_pattern_classifier(convolution, 12, data)
        for data in images.train
        for convolution in (layers.Conv2D, layers.SeparableConv2D)
    }
    told = run.train(
        arms, images, "categorical_crossentropy", keras.optimizers.Adam(0.01),
        epochs=12, batch_size=50, label="12 filters each",
    )  # fmt: skip
    reached = {
        arm: scores.accuracy(told[arm], images.test_targets[model.output_names[0]])
        for arm, model in arms.items()
    }
    loses = {
        data: reached[f"{data}_Conv2D"] - reached[f"{data}_SeparableConv2D"]
        for data in images.train
    }
    share = arms["apart_SeparableConv2D"].count_params() / arms["apart_Conv2D"].count_params()
    run.claim("It has of the parameters", share, "separable/plain", at_most=0.3)
    unit = "accuracy"
    plain = {data: reached[f"{data}_Conv2D"] for data in images.train}
    sentence = "Tangled, 12 filters each: separable loses"
    run.claim(sentence, loses["tangled"], unit, at_least=0.15, plain=plain["tangled"])
    sentence = "Apart, 12 filters each: separable loses"
    run.claim(sentence, loses["apart"], unit, at_most=0.12, plain=plain["apart"])


@section.exercise(
    chapter.separable_or_not,
    "7.3.1",
    "Four spatial patterns for each channel",
    why="depth_multiplier=4 lets each channel have four spatial patterns, which filters mix as "
    "they like. A plain convolution has one for each pair of a channel and a filter; four are "
    "enough to come within a few points of it.",
)
def four_patterns_a_channel(run):
    """On tangled images every class has another spatial pattern in each channel, and the depthwise
    convolution has one for all of them. Give it four, with `depth_multiplier=4`, and 17 filters
    instead of 54, which is again about 1,000 parameters. Predict: is it ahead of 54 filters, and of
    12 plain ones?
    """
    images = tangled(run.seed)
    several = functools.partial(layers.SeparableConv2D, depth_multiplier=4)
    kinds = {
        "plain": (layers.Conv2D, 12),
        "one": (layers.SeparableConv2D, 54),
        "four": (several, 17),
    }
    arms = {
        arm: chapter.build_pattern_classifier(convolution, filters, "tangled")
        for arm, (convolution, filters) in kinds.items()
    }
    told = run.train(
        arms, images, "categorical_crossentropy", keras.optimizers.Adam(0.01),
        epochs=12, batch_size=50, label="plain | one pattern a channel | four",
    )  # fmt: skip
    target = images.test_targets["class_tangled"]
    reached = {arm: scores.accuracy(told[arm], target) for arm in arms}
    larger = arms["four"].count_params() / arms["one"].count_params()
    run.claim("Of the parameters it has", larger, "four/one", at_least=0.95, at_most=1.05)
    sentence, gain = "Four patterns a channel gain on one", reached["four"] - reached["one"]
    run.claim(sentence, gain, "accuracy", at_least=0.05, four=reached["four"])
    sentence, loss = "They lose to a plain convolution", reached["plain"] - reached["four"]
    run.claim(sentence, loss, "accuracy", at_most=0.05, plain=reached["plain"])


def tangled(seed):
    """The tangled images alone, as the small Xception takes them."""
    images = synthetic.patterns(seed)
    return dataclasses.replace(
        images,
        train={"tangled": images.train["tangled"]},
        test={"tangled": images.test["tangled"]},
    )


# %% 7.3.1 Architecture patterns: all three together


@section.exercise(
    chapter.small_xception,
    "7.3.1",
    "One block in place of four",
    why="A shortcut lets signal and gradient around the convolutions of a block. Three "
    "convolutions in a row, normalized, need no way around.",
)
def one_block(run):
    """Taking out the shortcuts of four blocks costs about 0.35 of the accuracy. Build the network
    with one block, `blocks=1`, with and without its shortcut. Predict: what does that cost?
    """
    images = tangled(run.seed)
    arms = {
        "shortcut": chapter.build_small_xception("shortcut", blocks=1),
        "no_shortcut": chapter.build_small_xception("no_shortcut", blocks=1, residual=False),
    }
    reached = xception_accuracies(run, images, arms, 0.03)
    unit, loss = "accuracy", reached["shortcut"] - reached["no_shortcut"]
    run.claim("One block reaches", reached["shortcut"], unit, at_least=0.9, chance=1 / 8)
    sentence = "Without its shortcut it loses"
    run.claim(sentence, loss, unit, at_most=0.12, reaches=reached["no_shortcut"])


@section.exercise(
    chapter.small_xception,
    "7.3.1",
    "No normalization, and a tenth of the rate",
    why="The rate was not too high. Keras draws depthwise kernels as if each sum ran over all 36 "
    "channels; it runs over one, so every such convolution shrinks the signal to a fifth, and the "
    "blocks add next to nothing. Normalization makes up for it.",
)
def a_tenth_of_the_rate(run):
    """Without normalization the small Xception is close to useless at a rate of 0.03. Try 0.003.
    Predict: was the rate too high, and does it catch up with 0.94, which all three patterns reach
    in the same six epochs? Before training: how much of the size of what it is given does one
    separable convolution leave?
    """
    images = tangled(run.seed)
    arms = {"lower_rate": chapter.build_small_xception("lower_rate", normalize=False)}
    model = arms["lower_rate"]
    convolutions = [one for one in model.layers if isinstance(one, layers.SeparableConv2D)]
    sizes = [
        [float(tf.sqrt(tf.reduce_mean(tf.square(signal)))) for signal in signals]
        for signals in keras.Model(model.input, [[one.input, one.output] for one in convolutions])(
            images.test["tangled"]
        )
    ]
    kept = float(np.exp(np.mean([np.log(gives / given) for given, gives in sizes])))
    by_hand = (
        9 * 2 / (9 * 36 + 9)
    ) ** 0.5  # 9 products, kernels of variance 2 / (inputs + outputs)
    reached = xception_accuracies(run, images, arms, 0.003)["lower_rate"]
    run.claim("Without normalization, rate 0.003", reached, "accuracy", at_most=0.25, chance=1 / 8)
    run.claim(
        "Untrained, a separable convolution leaves", kept, "of its size",
        at_least=0.15, at_most=0.27, by_hand=by_hand,
    )  # fmt: skip


@section.exercise(
    chapter.small_xception,
    "7.3.1",
    "Twice the filters",
    why="The pointwise kernels are filters x filters and grow fourfold, the depthwise ones are "
    "9 x filters and double. The more filters, the nearer to four.",
)
def twice_the_filters(run):
    """Build the small Xception with 72 filters in place of 36. Predict: how many times the
    parameters has it, and how many times has the one with plain convolutions?
    """

    def growth(separable):
        small, large = (
            chapter.build_small_xception("xception", filters=filters, separable=separable)
            for filters in (36, 72)
        )
        return large.count_params() / small.count_params()

    run.claim("Separable, it has the parameters", growth(True), "times", at_least=3, at_most=3.8)
    run.claim("Plain, it has them", growth(False), "times", at_least=3.8, at_most=4)


def xception_accuracies(run, images, arms, rate):
    """Train `arms` as the lesson does, from learning rate `rate` down to 0; their accuracies."""
    schedule = keras.optimizers.schedules.CosineDecay(rate, 180)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    told = run.train(arms, images, "categorical_crossentropy", optimizer, epochs=6, batch_size=50)
    target = images.test_targets["class_tangled"]
    return {arm: scores.accuracy(told[arm], target) for arm in arms}


# %% 7.3.2 Hyperparameter optimization: a search


@section.exercise(
    chapter.hyperparameter_search,
    "7.3.2",
    "Fix all but the depth",
    why="A convolution of five steps sees one gesture at a time, and the mean over all steps "
    "forgets where it was: swing-shake and shake-swing look alike. From the second on, both are "
    "in view.",
)
def all_but_the_depth(run):
    """Leave the search aside: width 32, no dropout, plain convolutions, normalized, Adam(0.01).
    Predict for depth 1, 2 and 3: what does one layer reach, of which the four pairs of gestures
    differ in kind or in nothing but order, and what does the second add?
    """
    gestures = synthetic.gestures(run.seed)
    arms = {f"depth_{n}": chapter.build_candidate(n, 32, 0.0, False, True) for n in (1, 2, 3)}
    told = run.train(
        arms, gestures, "categorical_crossentropy", keras.optimizers.Adam(0.01),
        epochs=8, batch_size=50,
    )  # fmt: skip
    one, two, three = (scores.accuracy(told[arm], gestures.test_targets) for arm in arms)
    unit = "accuracy"
    run.claim("One convolution reaches", one, unit, at_most=0.75, without_order=0.75)
    run.claim("The second adds", two - one, unit, at_least=0.045, two=two)
    run.claim("The third adds", three - two, unit, at_least=-0.02, at_most=0.11, three=three)


@section.exercise(
    chapter.hyperparameter_search,
    "7.3.2",
    "Leave out log=True",
    why="On a logarithmic scale each of the four powers of ten between 0.0001 and 1 is as "
    "likely. Without it, nine draws of ten fall into the highest, and one of a thousand into "
    "the lowest.",
)
def without_log(run):
    """`choose` draws the learning rate between 0.0001 and 1 with `log=True`. Predict: how many of
    1,000 random trials have a rate below 0.1, with it and without it?
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=run.seed))
    drawn = {True: [], False: []}
    for _ in range(1000):
        trial = study.ask()
        for log, rates in drawn.items():
            rates.append(trial.suggest_float(f"log {log}", 1e-4, 1.0, log=log))
    below = {log: np.mean(np.array(rates) < 0.1) for log, rates in drawn.items()}
    unit = "of 1,000 trials"
    run.claim("Below 0.1 with log=True are", below[True], unit, at_least=0.7, at_most=0.8)
    run.claim("Below 0.1 without it are", below[False], unit, at_least=0.06, at_most=0.14)


# %% 7.3.2 Hyperparameter optimization: beside random search


@section.exercise(
    chapter.beside_random_search,
    "7.3.2",
    "Shuffle the table",
    why="A search learns where to look next because neighbours do alike. Where a good trial "
    "says nothing about its neighbours, there is nothing to learn, and no search beats drawing "
    "blindly.",
)
def shuffle_the_table(run):
    """Train the table of the lesson and shuffle its values among the points of the grid: the same
    values are there to be found, but at any place. Predict: by how much does the search that learns
    lead random search after 32 trials, with the table and with the shuffled one?
    """
    gestures = synthetic.gestures(run.seed)
    flat = [
        {"features": of["signal"].reshape(len(of["signal"]), -1)}
        for of in (gestures.train, gestures.validation)
    ]
    task = synthetic.Task(
        train=flat[0],
        train_targets=gestures.train_targets,
        test=flat[1],
        test_targets=gestures.validation_targets,
    )
    rates, widths, scales = np.transpose(list(itertools.product(*chapter.GRID.values())))
    model = candidates.build(widths.astype(int), scales, features=96, classes=4)
    right = candidates.train(run, model, task, rates, epochs=10, batch_size=50)
    table = right.mean(axis=0).reshape([len(values) for values in chapter.GRID.values()])
    rng = np.random.default_rng(run.seed)
    shuffled = [rng.permutation(table.ravel()).reshape(table.shape) for _ in range(4)]
    lead = {}
    for name, tables in {"trained": [table], "shuffled": shuffled}.items():
        races = [
            search.race(
                values, list(chapter.GRID), trials=32, searches=24 // len(tables), seed=run.seed
            )
            for values in tables
        ]
        lead[name] = np.mean([learning[:, -1] - blind[:, -1] for learning, blind in races])
    unit = "accuracy"
    run.claim("As trained, the search leads by", lead["trained"], unit, at_least=0.005)
    sentence = "Shuffled, it leads by"
    run.claim(sentence, lead["shuffled"], unit, at_least=-0.02, at_most=0.02)


@section.exercise(
    chapter.beside_random_search,
    "7.3.2",
    "A hyperparameter that does nothing",
    why="A random trial lies among the best twentieth with probability 0.05, whatever the "
    "number of axes: 60 trials miss it with 0.95 ** 60. A grid spends its points on the idle "
    "axis as well.",
)
def an_idle_hyperparameter(run):
    """Random search makes 60 trials. Predict: in how many searches is one of them among the best
    5 % of all points? Then add a hyperparameter that changes nothing. What becomes of that, and how
    many different points of the others does a grid of 64 trials try, 4 for each of the three?
    """
    rng, searches, trials = np.random.default_rng(run.seed), 4000, 60
    # The best twentieth of a plane: a corner of it. The third coordinate is idle.
    points = rng.random((searches, trials, 3))
    best = (points[..., 0] < 0.2) & (points[..., 1] < 0.25)
    found, by_hand = best.any(axis=1).mean(), 1 - 0.95**trials
    grid = np.array(list(itertools.product(range(4), repeat=3)))
    tried = len(np.unique(grid[:, :2], axis=0))
    random = len(np.unique(points[0, :, :2], axis=0))
    run.claim(
        "60 random trials, an idle axis or not, find one in", found, "of searches",
        at_least=0.94, at_most=0.97, by_hand=by_hand,
    )  # fmt: skip
    run.claim("A grid of 64 tries of the other two", tried, "points", exactly=16, random=random)


# %% 7.3.2 Hyperparameter optimization: overfitting the validation set


@section.exercise(
    chapter.overfit_the_validation_set,
    "7.3.2",
    "Ten times the trials",
    why="The largest of n draws of a bell curve grows about as sqrt(2 log n): slowly. The "
    "standard deviation falls as 1 / sqrt(samples), so a quarter of the samples doubles the "
    "error.",
)
def ten_times_the_trials(run):
    """The best of 40 coins promises too much by 0.15 on 50 validation samples. Predict: by how many
    times that does the best of 400? And the best of 40 with a quarter of the samples?
    """
    rng = np.random.default_rng(run.seed)

    def promised(size, trials):
        best, kept = selection.best_so_far(*selection.coin_searches(rng, size, trials, 4000))
        return best[-1] - kept[-1]

    usual = promised(50, 40)
    more, theory = promised(50, 400) / usual, selection.expected_maximum
    by_hand = theory(400) / theory(40)
    run.claim(
        "400 trials in place of 40: too much by", more, "times",
        at_least=1.3, at_most=1.45, in_theory=by_hand,
    )  # fmt: skip
    fewer, unit = promised(200, 40), "times"
    run.claim(
        "50 samples in place of 200: too much by", usual / fewer, unit,
        at_least=1.9, at_most=2.1, in_theory=2,
    )  # fmt: skip


@section.exercise(
    chapter.overfit_the_validation_set,
    "7.3.2",
    "A validation set that is large enough",
    why="0.5 / sqrt(n) times 2.16, the expected largest of 40 draws, is 0.01 for n = (0.5 * "
    "2.16 / 0.01) ** 2, some 11,700 samples. Each digit more costs a hundred times the samples.",
)
def large_enough(run):
    """Predict by hand: how many validation samples does it take until the best of 40 coins promises
    too much by no more than 0.01? Toss as many, and see.
    """
    rng = np.random.default_rng(run.seed)
    trials = chapter.CANDIDATES
    size = round((0.5 * selection.expected_maximum(trials) / 0.01) ** 2)
    best, kept = selection.best_so_far(*selection.coin_searches(rng, size, trials, 4000))
    run.claim("By hand it takes", size, "samples", at_least=11_000, at_most=12_000)
    sentence = "With as many, the best promises too much by"
    run.claim(sentence, best[-1] - kept[-1], "accuracy", at_least=0.0097, at_most=0.0103)


@section.exercise(
    chapter.overfit_the_validation_set,
    "7.3.2",
    "Validate the winner a second time",
    why="What has been used for choosing flatters the one it chose. Samples that had no part in "
    "the choice know nothing of it: their score is right on average, though it scatters as "
    "much.",
)
def validate_again(run):
    """Choose the best of the 40 trained candidates on 50 samples, then validate it once more on 50
    others. Predict: by how much is the first score too high, and by how much the second?
    """
    rng = np.random.default_rng(run.seed)
    task, count = synthetic.hidden_parity(run.seed), chapter.CANDIDATES
    model = candidates.build(rng.integers(2, 33, count))
    rates = 10 ** rng.uniform(-2, 0, count)
    right = candidates.train(run, model, task, rates, epochs=40, batch_size=20)
    worth = right.mean(axis=0)
    off = {"first": [], "second": []}
    for _ in range(2000):
        drawn = right[rng.choice(len(right), 100, replace=False)]
        choosing, fresh = drawn[:50].mean(axis=0), drawn[50:].mean(axis=0)
        best = choosing.argmax()
        off["first"].append(choosing[best] - worth[best])
        off["second"].append(fresh[best] - worth[best])
    unit = "accuracy"
    run.claim("The score that chose it is too high by", np.mean(off["first"]), unit, at_least=0.09)
    run.claim(
        "The score on 50 other samples is too high by", np.mean(off["second"]), unit,
        at_least=-0.01, at_most=0.01, deviation=np.std(off["second"]),
    )  # fmt: skip


# %% 7.3.3 Model ensembling


def members_told(run):
    """What the four families say of the test samples, the best on the validation samples first.

    Returns the task as well. predictions: (samples, 4).
    """
    task = synthetic.cue_sequences(run.seed)
    validated, tested = chapter.train_members(run, task, chapter.build_families())
    ranks = np.argsort(-ensembles.accuracies(validated, task.validation_targets, np.eye(4)))
    return task, tested[:, ranks]


@section.exercise(
    chapter.ensembling,
    "7.3.3",
    "Leave out the worst member, or the best",
    why="The cue that is right in 0.84 can turn no majority of cues right in 0.88: read without "
    "a fault, it adds nothing. Members are unsure, so the worst now helps, now harms; the best "
    "is missed in every draw.",
)
def without_the_worst(run):
    """One of the four models is 5 points worse than the best. Average the three others; then leave
    out the best one instead. Predict: what does either cost? And were the cues read without a
    fault: what would one that is right in 0.84 add to three that are right in 0.88?
    """
    task, tested = members_told(run)

    def averaged(members):
        return scores.accuracy(tested[:, members].mean(axis=1, keepdims=True), task.test_targets)

    four, without_worst, without_best = map(averaged, ([0, 1, 2, 3], [0, 1, 2], [1, 2, 3]))
    alone = ensembles.accuracies(tested, task.test_targets, np.eye(4))
    unit, versus = "test accuracy", {"worst": alone[3], "best": alone[0], "four": four}
    sentence = "Without the worst, the average changes by"
    run.claim(sentence, abs(four - without_worst), unit, at_most=0.02, **versus)
    sentence = "Without the best, it loses"
    run.claim(sentence, four - without_best, unit, at_least=0.01, three=without_best)
    cues = sorted(synthetic.CUES.values(), reverse=True)
    adds = synthetic.cue_ceiling(cues) - synthetic.cue_ceiling(cues[:3])
    # Not exactly 0: the two sum up the same chances in another order.
    sentence = "Read without a fault, the fourth cue adds"
    run.claim(sentence, abs(adds), "accuracy", at_most=1e-9, three=synthetic.cue_ceiling(cues[:3]))


@section.exercise(
    chapter.ensembling,
    "7.3.3",
    "Add up log-odds in place of probabilities",
    why="For independent evidence the odds multiply, if every member means what it says. The "
    "surest one is right less often than it says, and a sum of log-odds lets the surest outvote "
    "the others.",
)
def add_up_log_odds(run):
    """The four cues are independent. In place of the mean of the four probabilities take the sum of
    their log-odds, log(p / (1 - p)), which for independent evidence is the right way. Predict: what
    does that gain? And the member that is surest on average: how sure is it, and how often right?
    """
    task, tested = members_told(run)
    average = scores.accuracy(tested.mean(axis=1, keepdims=True), task.test_targets)
    p = np.clip(tested, 1e-6, 1 - 1e-6)
    odds = np.log(p / (1 - p)).sum(axis=1, keepdims=True)
    summed = scores.accuracy(1 / (1 + np.exp(-odds)), task.test_targets)
    said = np.maximum(tested, 1 - tested).mean(axis=0)
    surest = said.argmax()
    right = ensembles.accuracies(tested, task.test_targets, np.eye(4))[surest]
    versus = {"average": average, "log_odds": summed, "ceiling": task.ceilings["all"]}
    sentence = "The sum of log-odds gains on the average"
    run.claim(sentence, summed - average, "test accuracy", at_most=0.005, **versus)
    sentence, too_sure = "The surest member is too sure by", said[surest] - right
    run.claim(sentence, too_sure, "probability", at_least=0.03, says=said[surest], right=right)


@section.exercise(
    chapter.ensembling,
    "7.3.3",
    "Two members of one name",
    why="Inside a functional model each member is a layer, and layers are found by name: two of "
    "one name are refused. One model called twice is one layer that shares its weights with "
    "itself.",
)
def two_of_one_name(run):
    """Build an ensemble of two bags: `build_ensemble([build_bag(), build_bag()])`. Predict: what
    does Keras say? And if the list has one and the same bag twice: how many times the parameters of
    a bag has the ensemble, and by how much does it differ from the bag?
    """
    refused = 0
    try:
        chapter.build_ensemble([chapter.build_bag(), chapter.build_bag()])
    except ValueError as error:
        run.quote(str(error).splitlines()[0])
        refused = 1
    bag = chapter.build_bag()
    twice = chapter.build_ensemble([bag, bag])
    sequence = synthetic.cue_sequences(run.seed).test["sequence"]
    apart = np.abs(twice(sequence).numpy() - bag(sequence).numpy()).max()
    run.claim("Ensembles that Keras refuses", refused, "of 1", exactly=1)
    larger = twice.count_params() / bag.count_params()
    run.claim("The same bag twice has the parameters", larger, "times", exactly=1)
    run.claim("The same bag twice differs from it by", apart, "probability", at_most=1e-6)


# %% 7.3.3 Model ensembling: diversity is the key


@section.exercise(
    chapter.diversity,
    "7.3.3",
    "Eight seeds in place of four",
    why="All of them see the same cue and are blind to the other three. What they get wrong, "
    "they get wrong together, and no number of them averages that away.",
)
def eight_seeds(run):
    """Four models of one kind gain 0.002 by their average. Average 8 of them. Predict: what do
    they gain, and do they reach 0.92, the average of four different ones?
    """
    task = synthetic.cue_sequences(run.seed)
    arms = {f"dense_{n}": chapter.build_dense(name=f"dense_{n}") for n in range(8)}
    told = run.train(
        arms, task, "binary_crossentropy", keras.optimizers.Adam(0.01), epochs=10, batch_size=50,
        label="eight seeds of one kind",
    )  # fmt: skip
    tested = np.hstack([told[arm] for arm in arms])
    gain, _ = ensembles.gains(tested, task.test_targets)
    four, _ = ensembles.gains(tested[:, :4], task.test_targets)
    together = scores.accuracy(tested.mean(axis=1, keepdims=True), task.test_targets)
    unit = "test accuracy"
    sentence = "Eight seeds: the average gains on the mean"
    run.claim(sentence, gain, unit, at_most=0.008, four_seeds=four)
    run.claim("Their average reaches", together, unit, at_most=0.905, ceiling_of_their_cue=0.88)


@section.exercise(
    chapter.diversity,
    "7.3.3",
    "To each member a quarter of the data",
    why="Other samples of the same kind change what the members see, not how they look at it: "
    "all of them read the same cue and err together. What the average gains is less than what "
    "each member lost by seeing a quarter.",
)
def a_quarter_of_the_data(run):
    """Make four models of one kind differ by their data: each is trained on another quarter of the
    samples. Predict: do their errors go together less than those of four seeds, does the average
    gain more, and is it better than the average of four that saw all the data?
    """
    task, rng = synthetic.cue_sequences(run.seed), np.random.default_rng(run.seed)
    quarter = rng.permutation(len(task.train_targets)) % 4
    arms = {f"all_{n}": chapter.build_dense(name=f"all_{n}") for n in range(4)}
    for n in range(4):
        arms[f"part_{n}"] = chapter.build_dense(name=f"part_{n}", output=f"quarter_{n}")
    outputs = ["label", *(f"quarter_{n}" for n in range(4))]
    told = run.train(
        arms,
        dataclasses.replace(task, train_targets=dict.fromkeys(outputs, task.train_targets)),
        "binary_crossentropy",
        keras.optimizers.Adam(0.01),
        sample_weight={f"quarter_{n}": np.float32(quarter == n) for n in range(4)},
        epochs=10,
        batch_size=50,
        label="four on all data | four on a quarter each",
    )
    tested = np.hstack([told[arm] for arm in arms])
    target = task.test_targets
    correlations = ensembles.error_correlations(tested, target)
    every, parts = (
        {
            "errors": ensembles.mean_correlation(correlations[of, of]),
            "gain": ensembles.gains(tested[:, of], target)[0],
            "reached": scores.accuracy(tested[:, of].mean(axis=1, keepdims=True), target),
        }
        for of in (slice(4), slice(4, 8))
    )
    sentence = "A quarter each: errors go together"
    run.claim(sentence, parts["errors"], "correlation", at_least=0.63, all_data=every["errors"])
    unit, sentence = "test accuracy", "A quarter each: the average gains on the mean"
    run.claim(sentence, parts["gain"], unit, at_most=0.02, all_data=every["gain"])
    loss = every["reached"] - parts["reached"]
    sentence = "It is behind the average of four on all data by"
    run.claim(sentence, loss, unit, at_least=0.001, reaches=parts["reached"])


if __name__ == "__main__":
    section.main()
