"""Section 7.3 of "Deep Learning with Python": getting the most out of your models.

Run it without arguments for the whole section, with `7.3.1` or `7.3.3` for a part of it, with
`--list` for what there is. A lesson is what the book prints, then an experiment that measures what
it does. `--study URL` searches for hyperparameters on a study that outlives the process and that
any number of processes share; `--engine hyperopt` does it with Hyperopt.

`# Book:` marks where the code differs from print, and why (A1 to B21 number the known differences).
What the book prints is in this file; the search for hyperparameters, which it leaves to libraries,
is in ch07/search.py.
"""

from __future__ import annotations

from ch07 import lab  # first: it checks the installation

# isort: split
import dataclasses
import functools
import itertools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ch07 import (
    board,
    candidates,
    checks,
    costs,
    ensembles,
    figures,
    normalization,
    probes,
    scores,
    search,
    selection,
    startup,
    synthetic,
    training,
)

section = lab.Section(
    "7.3", "Getting the most out of your models", folders=["my_log_dir", "my_trainings"]
)


# %% 7.3.1 Architecture patterns: batch normalization


def normalize(data):
    """The book's first step, each feature to mean 0 and standard deviation 1: (n, features)."""
    # Book: axis=..., which NumPy takes for the Ellipsis and refuses (A17).
    return (data - data.mean(axis=0)) / data.std(axis=0)


def build_normalized_convolution(image_shape=(64, 64, 3)):
    """The book's convolution, normalized: an average for each of 32 channels."""
    image = keras.Input(image_shape, name="image")
    x = layers.Conv2D(32, 3, activation="relu", name="conv")(image)  # (batch, 62, 62, 32)
    # axis=-1 is the default: the channels, which are last. Channels first would need axis=1.
    x = layers.BatchNormalization(name="normalization")(x)
    return keras.Model(image, x, name="normalized_convolution")


def build_normalized_dense(features=16):
    """The book's Dense layer, normalized: (batch, features) to (batch, 32)."""
    point = keras.Input((features,), name="features")
    x = layers.Dense(32, activation="relu", name="dense")(point)
    x = layers.BatchNormalization(name="normalization")(x)  # behind the activation, as in the book
    return keras.Model(point, x, name="normalized_dense")


def build_cloud_classifier(name, depth, normalized=True, momentum=0.9, units=32):
    """In which of 8 clouds a point lies: `depth` times the book's Dense layer, normalized or not.

    features: (batch, 16). Gives (batch, 8), probabilities. What the last layer of block n gives is
    named `name`_block_n. `momentum`: the share of a moving average that a batch leaves as it was.
    """
    point = keras.Input((16,), name="features")
    x = point
    for n in range(1, checks.whole(depth=depth) + 1):
        block = f"{name}_block_{n}"
        dense = f"{name}_dense_{n}" if normalized else block
        x = layers.Dense(units, activation="relu", name=dense)(x)
        if normalized:
            x = layers.BatchNormalization(momentum=momentum, name=block)(x)
    cloud = layers.Dense(8, activation="softmax", name=f"{name}_cloud")(x)
    return keras.Model(point, cloud, name=name)


@section.lesson("7.3.1", "Architecture patterns: batch normalization")
def batch_normalization(run):
    """Training uses the batch, inference the moving averages, which take their time to settle."""
    clouds, batch_size = synthetic.clusters(run.seed), 100
    points, targets = normalize(clouds.train["features"]), clouds.train_targets
    stack = build_normalized_dense()
    dense = np.abs(np.mean(stack.get_layer("dense")(points), axis=0)).mean()
    behind = np.abs(np.mean(stack(points, training=True), axis=0)).mean()
    averages = build_normalized_convolution().get_layer("normalization").moving_mean.shape[0]

    # The momentum is no part of what is trained: the arms differ in their averages alone.
    momenta = {"default": 0.99, "quick": 0.9}  # the first is the default of Keras
    arms = {arm: build_cloud_classifier(arm, 4, momentum=m) for arm, m in momenta.items()}
    arms["quick"].set_weights(arms["default"].get_weights())
    joint = training.side_by_side(arms)
    joint.compile(keras.optimizers.SGD(0.1), dict.fromkeys(arms, "categorical_crossentropy"))
    training.settle(joint, dict.fromkeys(arms, targets))
    observer = normalization.Observer(arms, "block_1", points, targets, batch_size)
    joint.fit(
        {"features": points}, dict.fromkeys(arms, targets),
        epochs=12, batch_size=batch_size, verbose=0,
        shuffle=False,  # the observer has to know the batches; the points are in no order anyway
        callbacks=[observer, run.progress("momentum 0.99 | 0.9")],
    )  # fmt: skip

    layer = observer.by_hand("default", momenta["default"])
    to_layer = keras.Model(arms["default"].input, observer.layers["default"].output)
    apart_at_inference, apart_in_training = (
        normalization.moved_by_neighbours(to_layer, points, batch_size, mode)
        for mode in (False, True)
    )
    weights = zip(*(arms[arm].trainable_variables for arm in arms), strict=True)
    differ = max(np.abs(one.numpy() - other.numpy()).max() for one, other in weights)
    trained, evaluated = observer.trained["default"], observer.evaluated
    gaps = {arm: trained[0] - curve[0] for arm, curve in evaluated.items()}
    at_the_end = abs(trained[-1] - evaluated["default"][-1])

    unit = "in the mean"
    sentence = "Normalized data in, a Dense layer is off mean 0 by"
    run.claim(sentence, dense, unit, at_least=0.25, normalized=behind)
    run.claim("Behind BatchNormalization it is off by", behind, unit, at_most=1e-5)
    unit = "averages"
    run.claim("The convolution, by channels, keeps", averages, unit, exactly=32, by_rows=62)
    # Both computed in 24 bits, by 240 sums of 100 numbers: some ten times their last bit.
    unit, versus = "of the largest", {"plain_mean": layer.plain}
    sentence = "Moving averages and those by hand differ by"
    run.claim(sentence, layer.apart, unit, at_most=1e-5, **versus)
    sentence = "At inference, they give by hand the same to"
    versus = {"in_training": layer.in_training}
    run.claim(sentence, layer.at_inference, unit, at_most=1e-5, **versus)
    unit = "standard deviations"
    sentence = "Other neighbours in training move a point by"
    run.claim(sentence, apart_in_training, unit, at_least=0.05)
    run.claim("Other neighbours at inference move it by", apart_at_inference, unit, exactly=0)
    unit, versus = "accuracy", {"trained": trained[0]}
    run.claim("Momentum 0.99 and 0.9 train weights apart by", differ, "weight", exactly=0)
    sentence = "After an epoch, evaluated at 0.99 costs"
    run.claim(sentence, gaps["default"], unit, at_least=0.05, **versus)
    run.claim("After an epoch, evaluated at 0.9 costs", abs(gaps["quick"]), unit, at_most=0.02)
    run.claim("Settled, evaluated at 0.99 differs by", at_the_end, unit, at_most=0.02)
    largest = layer.by_hand[-1, 0].argmax()  # the mean of this unit is drawn
    run.picture(
        figures.batch_normalization(
            layer.by_layer[:, 0, largest],
            layer.by_hand[:, 0, largest],
            trained,
            {str(momenta[arm]): curve for arm, curve in evaluated.items()},
        )
    )


# %% 7.3.1 Architecture patterns: batch normalization, depth and the learning rate


@section.lesson("7.3.1", "Architecture patterns: deeper networks and higher learning rates")
def normalized_depth(run):
    """Normalized, the gradient does not vanish, 24 layers learn, and 8 survive a tenfold rate."""
    clouds, depths, rates = synthetic.clusters(run.seed), (8, 24), (0.01, 0.1, 1.0)
    points, targets = clouds.train["features"], clouds.train_targets
    arms = {
        f"{kind}_{depth}": build_cloud_classifier(f"{kind}_{depth}", depth, kind == "normalized")
        for depth in depths
        for kind in ("plain", "normalized")
    }
    deep = {arm: [f"{arm}_block_{n}" for n in range(1, 25)] for arm in arms if arm.endswith("24")}
    arriving = {
        arm: probes.gradient_over_layers(arms[arm], blocks, points, targets)
        for arm, blocks in deep.items()
    }
    model = training.side_by_side(arms)
    # Plain SGD: Adam divides each gradient by its size, and so hides how small it has become.
    model.compile(
        keras.optimizers.SGD(),
        dict.fromkeys(arms, "categorical_crossentropy"),
        steps_per_execution=40,  # an epoch
    )
    wanted = dict.fromkeys(arms, targets)
    training.settle(model, wanted)
    rewind = training.rewinder(model, run.seed)
    trained, reached = ({arm: [] for arm in arms} for _ in range(2))
    for rate in rates:
        rewind()
        model.optimizer.learning_rate = rate
        progress = run.progress(f"learning rate {rate:g}")
        model.fit(clouds.train, wanted, epochs=6, batch_size=50, verbose=0, callbacks=[progress])
        told, learned = (probes.outputs(model, of) for of in (clouds.test, clouds.train))
        for arm in arms:
            reached[arm].append(scores.accuracy(told[arm], clouds.test_targets))
            trained[arm].append(scores.accuracy(learned[arm], targets))

    first = {arm: values[0] for arm, values in arriving.items()}
    run.claim(
        "24 plain layers: gradient that arrives", first["plain_24"], "first/last", at_most=0.005
    )
    # Not only does it not vanish: it grows on its way back, here some 1.25 times a layer. That
    # normalized gradients explode with depth: Yang and others, 2019,
    # https://arxiv.org/abs/1902.08129 (they normalize before the activation).
    sentence = "24 normalized: it does not vanish, it grows to"
    run.claim(sentence, first["normalized_24"], "first/last", at_least=50)
    unit, versus = "accuracy", {"chance": 1 / 8, "in_training": max(trained["plain_24"])}
    run.claim(
        "24 plain layers, best of 3 rates", max(reached["plain_24"]), unit, at_most=0.45, **versus
    )
    versus = {"ceiling": clouds.ceiling, "in_training": trained["normalized_24"][1]}
    sentence = "24 normalized layers, rate 0.1"
    run.claim(sentence, reached["normalized_24"][1], unit, at_least=0.45, **versus)
    gain = reached["normalized_24"][1] - max(reached["plain_24"])
    run.claim("So 24 layers gain by normalization", gain, unit, at_least=0.15)
    versus = {"ceiling": clouds.ceiling, "in_training": trained["plain_8"][1]}
    run.claim("8 plain layers, rate 0.1", reached["plain_8"][1], unit, at_least=0.7, **versus)
    versus = {"chance": 1 / 8, "in_training": trained["plain_8"][2]}
    run.claim("8 plain layers, rate 1", reached["plain_8"][2], unit, at_most=0.3, **versus)
    versus = {"ceiling": clouds.ceiling, "in_training": trained["normalized_8"][2]}
    run.claim(
        "8 normalized layers, rate 1", reached["normalized_8"][2], unit, at_least=0.8, **versus
    )

    def named(values):
        return {arm.replace("_", ", ") + " layers": of for arm, of in values.items()}

    run.picture(figures.normalized_depth(named(arriving), rates, named(reached), 1 / 8))


# %% 7.3.1 Architecture patterns: depthwise separable convolution


def build_separable_convnet(
    convolution=layers.SeparableConv2D, image_shape=(64, 64, 3), classes=10
):
    """The book's small classifier of images; with `layers.Conv2D`, its twin without separation.

    image: (batch, 64, 64, 3). class: (batch, 10), probabilities. 38,949 parameters, the twin
    282,282.
    """
    # Book: Sequential, input_shape on the first layer; Keras 3 wants an Input. No padding there
    # and none here.
    image = keras.Input(image_shape, name="image")
    x = convolution(32, 3, activation="relu", name="conv_1")(image)  # (batch, 62, 62, 32)
    x = convolution(64, 3, activation="relu", name="conv_2")(x)
    x = layers.MaxPooling2D(2, name="pool_1")(x)  # (batch, 30, 30, 64)
    x = convolution(64, 3, activation="relu", name="conv_3")(x)
    x = convolution(128, 3, activation="relu", name="conv_4")(x)
    x = layers.MaxPooling2D(2, name="pool_2")(x)  # (batch, 13, 13, 128)
    x = convolution(64, 3, activation="relu", name="conv_5")(x)
    x = convolution(128, 3, activation="relu", name="conv_6")(x)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)  # (batch, 128)
    x = layers.Dense(32, activation="relu", name="hidden")(x)
    kind = layers.Dense(classes, activation="softmax", name="class")(x)
    return keras.Model(image, kind, name="convnet")


@section.lesson("7.3.1", "Architecture patterns: depthwise separable convolution")
def separable_convolution(run):
    """A seventh of the parameters, an eighth of the multiply-adds, and less than half the time."""
    models = {
        "separable": build_separable_convnet(),
        "plain": build_separable_convnet(layers.Conv2D),
    }
    channels = (3, 32, 64, 64, 128, 64, 128)
    dense = 128 * 32 + 32 + 32 * 10 + 10
    by_formula = {
        kind: dense
        + sum(
            costs.convolution_parameters(3, *pair, separable=kind == "separable")
            for pair in itertools.pairwise(channels)
        )
        for kind in models
    }
    parameters = {kind: model.count_params() for kind, model in models.items()}
    off = max(abs(by_formula[kind] - parameters[kind]) for kind in models)
    work = {kind: costs.multiply_adds(model) for kind, model in models.items()}
    images = tf.constant(
        np.random.default_rng(run.seed).standard_normal((16, 64, 64, 3)).astype("float32")
    )
    graphs = {kind: tf.function(model) for kind, model in models.items()}
    jobs = {kind: lambda graph=graph: graph(images).numpy() for kind, graph in graphs.items()}
    seconds = costs.median_seconds(jobs)

    ratios = {
        name: of["separable"] / of["plain"]
        for name, of in {"parameters": parameters, "work": work, "time": seconds}.items()
    }
    versus = {"plain": parameters["plain"]}
    run.claim("Separable, it has", parameters["separable"], "parameters", exactly=38_949, **versus)
    run.claim("Plain, it has", parameters["plain"], "parameters", exactly=282_282)
    run.claim("The formulas miss Keras's counts by", off, "parameters", exactly=0)
    versus = {"parameters": ratios["parameters"]}
    sentence = "Multiply-adds of a forward pass"
    run.claim(sentence, ratios["work"], "separable/plain", at_most=0.15, **versus)
    unit, versus = "separable/plain", {"multiply-adds": ratios["work"]}
    sentence = "A forward pass of 16 images takes"
    run.claim(sentence, ratios["time"], unit, at_most=0.5, timed=True, **versus)
    run.picture(
        figures.separable_convolution(
            {
                "parameters (thousands)": {k: v / 1e3 for k, v in parameters.items()},
                "multiply-adds (millions)": {k: v / 1e6 for k, v in work.items()},
                "forward pass (ms an image)": {k: v / 16 * 1e3 for k, v in seconds.items()},
            },
            ratios,
        )
    )


# %% 7.3.1 Architecture patterns: when is a separable convolution the better one?

# Filters that spend a budget of parameters, to within 2 %. The twins are equally deep.
FILTERS = {
    "plain": {250: 3, 500: 6, 1000: 12},
    "separable": {250: 10, 500: 25, 1000: 54},
}


def build_pattern_classifier(convolution, filters, name, image_shape=(12, 12, 8), classes=8):
    """One convolution, the strongest answer of each filter, and a class.

    image, called `name`: (batch, 12, 12, 8). class_`name`: (batch, 8), probabilities.
    """
    image = keras.Input(image_shape, name=name)
    x = convolution(filters, 3, padding="same", activation="relu", name="conv")(image)
    x = layers.GlobalMaxPooling2D(name="strongest")(x)  # (batch, filters)
    kind = layers.Dense(classes, activation="softmax", name=f"class_{name}")(x)
    return keras.Model(image, kind, name="pattern_classifier")


@section.lesson("7.3.1", "Architecture patterns: when is a separable convolution better?")
def separable_or_not(run):
    """Where space and channels are apart it needs fewer parameters; tangled, it falls behind."""
    images = synthetic.patterns(run.seed)
    convolutions = {"plain": layers.Conv2D, "separable": layers.SeparableConv2D}
    arms = {
        f"{data}_{kind}_{budget}": build_pattern_classifier(convolutions[kind], filters, data)
        for data in images.train
        for kind, by_budget in FILTERS.items()
        for budget, filters in by_budget.items()
    }
    told = run.train(
        arms, images, "categorical_crossentropy", keras.optimizers.Adam(0.01),
        epochs=15, batch_size=50, label="twelve small convnets",
    )  # fmt: skip
    reached = {data: {kind: {} for kind in FILTERS} for data in images.train}
    for arm, answers in told.items():
        data, kind, budget = arm.split("_")
        target = images.test_targets[f"class_{data}"]
        reached[data][kind][int(budget)] = scores.accuracy(answers, target)

    def gain(data, budget):
        return reached[data]["separable"][budget] - reached[data]["plain"][budget]

    def both(data, budget):
        return {kind: reached[data][kind][budget] for kind in FILTERS} | {"chance": 1 / 8}

    unit = "accuracy"
    run.claim(
        "Apart, 250 parameters: separable gains", gain("apart", 250), unit,
        at_least=0.14, **both("apart", 250),
    )  # fmt: skip
    run.claim(
        "Apart, 1,000 parameters: separable reaches", reached["apart"]["separable"][1000], unit,
        at_least=0.93, **both("apart", 1000),
    )  # fmt: skip
    run.claim(
        "Tangled, 1,000 parameters: separable loses", -gain("tangled", 1000), unit,
        at_least=0, **both("tangled", 1000),
    )  # fmt: skip
    run.claim(
        "Tangled, 250 parameters: it gains all the same", gain("tangled", 250), unit,
        at_least=0, **both("tangled", 250),
    )  # fmt: skip
    run.picture(figures.separable_or_not(reached, chance=1 / 8))


# %% 7.3.1 Architecture patterns: all three together


def build_small_xception(name, filters=36, blocks=4, residual=True, normalize=True, separable=True):
    """A small Xception, or what is left when one of its three patterns is taken out.

    tangled: images, (batch, 12, 12, 8). class_tangled: (batch, 8), probabilities. As in the model
    it is named after (Chollet, 2017, https://arxiv.org/abs/1610.02357) a plain convolution comes
    first, and each block is two separable convolutions and a shortcut around them.
    """
    convolution = layers.SeparableConv2D if separable else layers.Conv2D

    def normalized(x):
        return layers.BatchNormalization(momentum=0.9)(x) if normalize else x

    # What follows takes the mean away: a bias before a normalization is of no use.
    same = {"padding": "same", "use_bias": not normalize}
    image = keras.Input((12, 12, 8), name="tangled")
    x = normalized(layers.Conv2D(filters, 3, **same)(image))
    x = layers.MaxPooling2D(2)(x)  # (batch, 6, 6, filters)
    for _ in range(checks.whole(blocks=blocks)):
        y = x
        for _ in range(2):
            y = layers.ReLU()(y)
            y = normalized(convolution(filters, 3, **same)(y))
        x = layers.add([x, y]) if residual else y
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))  # (batch, filters)
    kind = layers.Dense(8, activation="softmax", name="class_tangled")(x)
    return keras.Model(image, kind, name=name)


@section.lesson("7.3.1", "Architecture patterns: all three together")
def small_xception(run):
    """With all three patterns six epochs are enough; with one of them taken out, they are not."""
    images = synthetic.patterns(run.seed)
    tangled = {part: {"tangled": getattr(images, part)["tangled"]} for part in ("train", "test")}
    images = dataclasses.replace(images, **tangled)
    arms = {
        "all": build_small_xception("all"),
        "no_residual": build_small_xception("no_residual", residual=False),
        "no_normalization": build_small_xception("no_normalization", normalize=False),
        # With so few filters it has as many parameters.
        "no_separation": build_small_xception("no_separation", filters=15, separable=False),
    }
    # Down to 0 within the 180 steps: at a constant rate the last of them decide by luck.
    rate = keras.optimizers.schedules.CosineDecay(0.03, 180)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    told = run.train(arms, images, "categorical_crossentropy", optimizer, epochs=6, batch_size=50)
    target = images.test_targets["class_tangled"]
    reached = {arm: scores.accuracy(told[arm], target) for arm in arms}
    loses = {arm: reached["all"] - value for arm, value in reached.items()}
    parameters = {arm: model.count_params() for arm, model in arms.items()}
    larger = parameters["no_separation"] / parameters["all"]

    unit, sentence = "accuracy", "All three patterns, nine convolutions"
    run.claim(sentence, reached["all"], unit, at_least=0.7, chance=1 / 8)
    for arm, sentence, least in (
        ("no_residual", "Without the shortcuts it loses", 0.1),
        ("no_normalization", "Without the normalization it loses", 0.25),
        ("no_separation", "With plain convolutions it loses", 0.02),
    ):
        run.claim(sentence, loses[arm], unit, at_least=least, reaches=reached[arm])
    sentence, unit = "The plain one has as many parameters:", "plain/separable"
    run.claim(sentence, larger, unit, at_least=0.95, at_most=1.05)
    run.diagram(arms["all"], "small_xception")
    run.picture(figures.small_xception(reached, parameters, 1 / 8))


# %% 7.3.2 Hyperparameter optimization: a search

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
}
TRIALS = 12  # more would take more than a quarter of the time of the whole section


def choose(trial):
    """The hyperparameters of `trial`; which ones, the engine decides, knowing earlier trials."""
    return {
        "depth": trial.suggest_int("depth", 1, 3),
        "width": trial.suggest_categorical("width", [8, 16, 32]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "separable": trial.suggest_categorical("separable", [False, True]),
        "normalize": trial.suggest_categorical("normalize", [False, True]),
        "optimizer": trial.suggest_categorical("optimizer", list(OPTIMIZERS)),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1.0, log=True),
    }


def build_candidate(depth, width, dropout, separable, normalize):
    """Which two gestures a signal shows: (batch, 24, 4) to (batch, 4), probabilities."""
    convolution = layers.SeparableConv1D if separable else layers.Conv1D
    signal = keras.Input((24, 4), name="signal")
    x = signal
    for _ in range(checks.whole(depth=depth)):
        x = convolution(width, 5, padding="same", activation="relu")(x)  # (batch, 24, width)
        if normalize:
            x = layers.BatchNormalization(momentum=0.9)(x)  # which settles within 96 steps
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(dropout)(x)
    pair = layers.Dense(4, activation="softmax", name="pair")(x)
    return keras.Model(signal, pair, name="candidate")


def fit_candidate(seed, gestures, optimizer, learning_rate, watching=(), **architecture):
    """Build a candidate, fit it and validate it after each epoch; returns it, with its history.

    The same hyperparameters give the same model, to the last bit.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = build_candidate(**architecture)
    model.compile(
        OPTIMIZERS[optimizer](learning_rate),
        "categorical_crossentropy",
        steps_per_execution=12,  # an epoch
    )
    training.settle(model, gestures.train_targets)
    validation = training.Accuracy(gestures.validation["signal"], gestures.validation_targets)
    model.fit(
        gestures.train["signal"],
        gestures.train_targets,
        batch_size=50,
        epochs=8,
        verbose=0,
        callbacks=[validation, *watching],
    )
    return model


def try_out(trial, seed, gestures, log_dir):
    """What a search maximizes: the final validation accuracy of what `trial` chooses."""
    hyperparameters = choose(trial)  # Steps 1 and 4: choose, and choose the next.
    log = log_dir / f"trial-{trial.number:03d}"
    board.write_hparams(log, hyperparameters)
    watching = [
        keras.callbacks.TensorBoard(log, write_graph=False),
        search.Pruning(trial),  # ends a trial that lags behind
    ]
    # Steps 2 and 3: build the model, fit it on the training data and validate it.
    model = fit_candidate(seed, gestures, watching=watching, **hyperparameters)
    return model.history.history["val_accuracy"][-1]


@section.lesson("7.3.2", "Hyperparameter optimization: a search")
def hyperparameter_search(run):
    """Seven hyperparameters decide nearly all; twelve trials find good ones among them."""
    gestures, log_dir = synthetic.gestures(run.seed), run.log_dir("search")
    objective = functools.partial(try_out, seed=run.seed, gestures=gestures, log_dir=log_dir)
    study = search.open_study(None, "7.3.2", run.seed, choose)
    progress = run.shows(search.Progress(run.console))
    search.work(study, choose, objective, TRIALS, progress)  # Step 5: repeat.
    best = search.best(study)  # Step 6: pick the best on the validation data.
    model = fit_candidate(run.seed, gestures, **best.params)
    # Step 7: measure it on the test data, once.
    told = model(gestures.test["signal"], training=False).numpy()
    tested = scores.accuracy(told, gestures.test_targets)

    trials = search.finished(study)
    values = [trial.value for trial in trials]
    again = model.history.history["val_accuracy"][-1]
    logged = sum(bool(board.logged(log, "hparams")) for log in log_dir.iterdir())
    median = float(np.median(values))
    versus = {"chance": 0.25, "ceiling": gestures.ceiling, "median_trial": median}
    unit = "accuracy"
    run.claim("The best of 12 trials, tested once", tested, unit, at_least=0.5, **versus)
    versus = {"best": best.value, "worst": min(values)}
    run.claim(
        "From the worst trial to the best", best.value - min(values), unit, at_least=0.3, **versus
    )
    difference = abs(again - best.value)
    run.claim("Trained again, the best one differs by", difference, unit, exactly=0)
    run.claim("In the HParams tab of TensorBoard are", logged, "trials", exactly=TRIALS)
    run.picture(
        figures.hyperparameter_search(
            values,
            search.best_so_far(study),
            search.importances(study),
            {name: [trial.params[name] for trial in trials] for name in best.params},
            [trial.state.name == "PRUNED" for trial in trials],
        )
    )


# %% 7.3.2 Hyperparameter optimization: beside random search

GRID = {
    "rate": tuple(10 ** np.linspace(-3, 0.5, 15)),
    "width": (2, 4, 8, 16, 32),
    "scale": tuple(10 ** np.linspace(-1.5, 0.5, 5)),
}


@section.lesson("7.3.2", "Hyperparameter optimization: beside random search")
def beside_random_search(run):
    """Once it has seen some trials, a search that learns from them needs fewer than a blind one."""
    gestures = synthetic.gestures(run.seed)
    flat = [
        {"features": of["signal"].reshape(len(of["signal"]), -1)}
        for of in (gestures.train, gestures.validation)
    ]
    task = synthetic.Task(
        train=flat[0],
        train_targets=gestures.train_targets,
        test=flat[1],  # what the searches below look at: they are not tested
        test_targets=gestures.validation_targets,
    )
    # A table of what every point of a grid reaches, trained once: it can be searched many times.
    # (Tabular benchmarks: Klein and Hutter, 2019, https://arxiv.org/abs/1905.04970.)
    rates, widths, scales = np.transpose(list(itertools.product(*GRID.values())))
    model = candidates.build(widths.astype(int), scales, features=96, classes=4)
    right = candidates.train(run, model, task, rates, epochs=20, batch_size=50)
    table = right.mean(axis=0).reshape([len(values) for values in GRID.values()])
    learning, blind = search.race(table, list(GRID), trials=32, searches=40, seed=run.seed)

    lead = learning - blind  # (searches, trials), the best so far
    means = {"learning": learning.mean(axis=0), "blind": blind.mean(axis=0)}
    level = 1 + int(np.argmax(means["learning"] >= means["blind"][-1]))
    unit = "accuracy"
    versus = {"search": means["learning"][-1], "random": means["blind"][-1], "grid": table.max()}
    sentence = "32 trials: the search leads random search by"
    run.claim(sentence, lead[:, -1].mean(), unit, at_least=0.005, **versus)
    ahead, versus = np.mean(lead[:, -1] > 0), {"level": np.mean(lead[:, -1] == 0)}
    run.claim("It is ahead in", ahead, "of 40 searches", at_least=0.5, **versus)
    run.claim("It is as good as 32 random trials after", level, "trials", at_most=26)
    sentence, late = "After the first 6, random in both, it leads by", lead[:, -1].mean()
    run.claim(sentence, lead[:, 5].mean(), unit, exactly=0, after_32=late)
    run.picture(figures.beside_random_search(means, lead[:, -1], table.max()))


# %% 7.3.2 Hyperparameter optimization: overfitting the validation set

CANDIDATES = 40
VALIDATION_SIZES = (50, 200, 1000)


@section.lesson("7.3.2", "Hyperparameter optimization: overfitting the validation set")
def overfit_the_validation_set(run):
    """The best of many trials is worse than its validation score, the more so the fewer samples."""
    rng = np.random.default_rng(run.seed)
    task = synthetic.hidden_parity(run.seed)
    rates, widths = 10 ** rng.uniform(-2, 0, CANDIDATES), rng.integers(2, 33, CANDIDATES)
    model = candidates.build(widths)
    right = candidates.train(run, model, task, rates, epochs=60, batch_size=20)

    coins, theory, trained, best, found = {}, {}, {}, {}, {}  # by size: a value after each trial
    for size in VALIDATION_SIZES:
        promised, kept = selection.best_so_far(
            *selection.coin_searches(rng, size, CANDIDATES, 10000)
        )
        coins[size] = promised - kept
        deviation = 0.5 / size**0.5  # of the accuracy of a coin
        theory[size] = [deviation * selection.expected_maximum(n + 1) for n in range(CANDIDATES)]
        best[size], found[size] = selection.best_so_far(
            *selection.searches(rng, right, size, repeats=1000)
        )
        trained[size] = best[size] - found[size]
    off = max(abs(coins[size][-1] / theory[size][-1] - 1) for size in VALIDATION_SIZES)
    pays = {size: worth[-1] - worth[0] for size, worth in found.items()}

    unit, versus = "accuracy", {"in_theory": theory[50][-1]}
    sentence = "Best of 40 coins, 50 samples: promises too much by"
    run.claim(sentence, coins[50][-1], unit, at_least=0.145, **versus)
    sentence, versus = "Best of 40 coins, 1,000 samples: by", {"in_theory": theory[1000][-1]}
    run.claim(sentence, coins[1000][-1], unit, at_most=0.037, **versus)
    sentence = "Off sigma times the expected largest of 40 by"
    run.claim(sentence, off, "of the theory", at_most=0.02)
    sentence = "Best of 40 trained, 50 samples: promises too much by"
    versus = {"promised": best[50][-1], "test": found[50][-1]}
    run.claim(sentence, trained[50][-1], unit, at_least=0.08, **versus)
    sentence = "Best of 40 trained, 1,000 samples: by"
    versus = {"promised": best[1000][-1], "test": found[1000][-1]}
    run.claim(sentence, trained[1000][-1], unit, at_most=0.025, **versus)
    sentence, first = "The first trial alone, 50 samples: by", trained[50][0]
    run.claim(sentence, first, unit, at_least=-0.015, at_most=0.015)
    growth = trained[50][-1] - trained[50][4]
    run.claim("From 5 trials to 40, 50 samples, it grows by", growth, unit, at_least=0.03)
    sentence, unit = "With 1,000, 40 trials find a better model, by", "test accuracy"
    run.claim(sentence, pays[1000], unit, at_least=0.005, with_50_samples=pays[50])
    run.picture(figures.overfit_the_validation_set(coins, theory, trained))


# %% 7.3.3 Model ensembling


def build_dense(steps=24, units=16, dropout=0.5, name="dense", output="label"):
    """Dense on all values at once, which sees what is at fixed places: (batch, steps, 4) to 1."""
    sequence = keras.Input((steps, 4), name="sequence")
    x = layers.Flatten()(sequence)  # (batch, steps * 4)
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(units, activation="relu")(x)
    label = layers.Dense(1, activation="sigmoid", name=output)(x)
    return keras.Model(sequence, label, name=name)


def build_convolutional(steps=24):
    """A convolution and the largest answer of each filter, which sees what is at any place."""
    sequence = keras.Input((steps, 4), name="sequence")
    x = layers.Conv1D(16, 4, activation="relu")(sequence)  # (batch, steps - 3, 16)
    x = layers.GlobalMaxPooling1D()(x)
    label = layers.Dense(1, activation="sigmoid", name="label")(x)
    return keras.Model(sequence, label, name="convolutional")


def build_multiplicative(steps=24):
    """Products of steps half a sequence apart, which see what comes back."""
    sequence = keras.Input((steps, 4), name="sequence")
    earlier = layers.Cropping1D((0, steps // 2))(sequence)  # (batch, steps / 2, 4)
    later = layers.Cropping1D((steps // 2, 0))(sequence)
    x = layers.Flatten()(layers.Multiply()([earlier, later]))
    x = layers.Dense(16, activation="relu")(x)
    label = layers.Dense(1, activation="sigmoid", name="label")(x)
    return keras.Model(sequence, label, name="multiplicative")


def build_bag(steps=24):
    """The mean of what each step says alone, which sees values and no order."""
    sequence = keras.Input((steps, 4), name="sequence")
    x = layers.Dense(16, activation="relu")(sequence)  # (batch, steps, 16)
    x = layers.GlobalAveragePooling1D()(x)
    label = layers.Dense(1, activation="sigmoid", name="label")(x)
    return keras.Model(sequence, label, name="bag")


def build_families():
    """Four classifiers of (batch, 24, 4) sequences, as different as can be, by name."""
    families = build_dense(), build_convolutional(), build_multiplicative(), build_bag()
    return {model.name: model for model in families}


def average(preds_a, preds_b, preds_c, preds_d):
    """The book's first ensemble: the mean of four models' predictions, (n, 1) each."""
    # Book: predictions on x_val. Weights are learned on those, so here they are on test samples.
    return 0.25 * (preds_a + preds_b + preds_c + preds_d)


def weighted_average(preds_a, preds_b, preds_c, preds_d):
    """The book's second: weights as learned on validation data would be, a being the best model."""
    # The third weighs less than the fourth, in print too.
    return 0.5 * preds_a + 0.25 * preds_b + 0.1 * preds_c + 0.15 * preds_d


def build_ensemble(members):
    """The mean of `members`, which take the same input, as one functional model."""
    sequence = keras.Input(members[0].input_shape[1:], name="sequence")
    preds = [member(sequence) for member in members]
    return keras.Model(sequence, layers.Average(name="label")(preds), name="ensemble")


def build_weighted_ensemble(members, weights):
    """The mean of `members` with a weight for each as one functional model."""
    sequence = keras.Input(members[0].input_shape[1:], name="sequence")
    preds = [
        layers.Rescaling(float(weight), name=f"weighted_{member.name}")(member(sequence))
        for member, weight in zip(members, weights, strict=True)
    ]
    return keras.Model(sequence, layers.Add(name="label")(preds), name="weighted_ensemble")


def train_members(run, task, arms):
    """Train `arms`; what each says of the validation and of the test samples, (n, arms) each."""
    tested = run.train(
        arms, task, "binary_crossentropy", keras.optimizers.Adam(0.01), epochs=15, batch_size=50
    )
    validated = [arm(task.validation["sequence"]).numpy() for arm in arms.values()]
    return np.hstack(validated), np.hstack([tested[name] for name in arms])


@section.lesson("7.3.3", "Model ensembling")
def ensembling(run):
    """An average of four different models beats the best of them; learned weights add to it."""
    task, rng = synthetic.cue_sequences(run.seed), np.random.default_rng(run.seed)
    families = build_families()
    validated, tested = train_members(run, task, families)
    # From here on the best comes first. Which one that is, the validation samples say.
    ranks = np.argsort(-ensembles.accuracies(validated, task.validation_targets, np.eye(4)))
    members = [list(families.values())[rank] for rank in ranks]
    validated, tested, target = validated[:, ranks], tested[:, ranks], task.test_targets
    drawn = ensembles.random_weights(rng, len(members), 2000)
    weights = ensembles.learn_weights(validated, task.validation_targets, drawn)

    preds = np.split(tested, 4, axis=1)
    told = {
        "equal weights": average(*preds),
        "as printed": weighted_average(*preds),
        "as printed, worst first": weighted_average(*reversed(preds)),
        "learned weights": tested @ weights[:, None],
    }
    reached = {name: scores.accuracy(probability, target) for name, probability in told.items()}
    alone = ensembles.accuracies(tested, target, np.eye(4))
    by_member = dict(zip([member.name for member in members], alone, strict=True))

    folder, sequence, off = run.folder_for("ensembling"), task.test["sequence"], {}
    for name, ensemble in {
        "equal weights": build_ensemble(members),
        "learned weights": build_weighted_ensemble(members, weights),
    }.items():
        path = folder / f"{ensemble.name}.keras"
        ensemble.save(path)
        by_model = ensemble(sequence).numpy()
        reloaded = keras.saving.load_model(path)(sequence).numpy()
        off[name] = np.abs(by_model - told[name]).max(), np.abs(by_model - reloaded).max()

    equal, unit = reached["equal weights"], "test accuracy"
    versus = {"best": alone.max(), "ceiling": task.ceilings["all"]}
    run.claim("The worst of the four models alone", alone.min(), unit, at_least=0.75, **versus)
    gain, versus = equal - alone.max(), {"average": equal, "best": alone.max()}
    run.claim("Their average beats the best of them by", gain, unit, at_least=0.01, **versus)
    printed, wrong = reached["as printed"], reached["as printed, worst first"]
    gain, versus = printed - alone.max(), {"weighted": printed}
    run.claim("As printed, best first, it beats it by", gain, unit, at_least=0, **versus)
    sentence, gain = "Equal weights beat them in the wrong order by", equal - wrong
    run.claim(sentence, gain, unit, at_least=0.015, wrong_order=wrong)
    gain, versus = reached["learned weights"] - equal, {"learned": reached["learned weights"]}
    run.claim("Learned weights beat equal ones by", gain, unit, at_least=0, **versus)
    unit = "probability"
    for name, (from_numpy, from_file) in off.items():
        sentence = f"As one model, {name}: off NumPy by"
        run.claim(sentence, from_numpy, unit, at_most=4e-7)  # a few roundings of numbers near 1
        sentence = f"Saved and loaded, {name}: off by"
        run.claim(sentence, from_file, unit, at_most=0)
    in_words = ", ".join(f"{n} {w:.2f}" for n, w in zip(by_member, weights, strict=True))
    run.say(f"learned weights: {in_words}")
    tried = ensembles.accuracies(tested, target, drawn)
    marks = {"equal weights": (0.25, equal), "as printed": (0.5, printed)}
    marks["learned weights"] = (weights[0], reached["learned weights"])
    run.picture(
        figures.ensembling(by_member | reached, task.ceilings["all"], drawn[:, 0], tried, marks)
    )


# %% 7.3.3 Model ensembling: diversity is the key


def train_kinds(run, task, rng):
    """Four families, four seeds of one of them, and three misled by shuffled labels, together.

    Returns what they say of the validation and of the test samples, (n, 11) each.
    """
    arms = build_families()
    arms |= {f"dense_{n}": build_dense(name=f"dense_{n}") for n in range(1, 5)}
    targets = {"label": task.train_targets}
    for n in range(1, 4):
        # Without dropout and with more units, they know the wrong labels by heart: they are sure.
        built = {"units": 64, "dropout": 0.0, "name": f"misled_{n}", "output": f"shuffled_{n}"}
        arms[f"misled_{n}"] = build_dense(**built)
        targets[f"shuffled_{n}"] = rng.permutation(task.train_targets)
    return train_members(run, dataclasses.replace(task, train_targets=targets), arms)


@section.lesson("7.3.3", "Model ensembling: diversity is the key")
def diversity(run):
    """Four models of one kind err together and gain nothing; four of different kinds gain."""
    task, rng = synthetic.cue_sequences(run.seed), np.random.default_rng(run.seed)
    validated, tested = train_kinds(run, task, rng)
    target, known = task.test_targets, task.validation_targets
    correlations = ensembles.error_correlations(tested, target)

    def compare(members):
        among = ensembles.mean_correlation(correlations[np.ix_(members, members)])
        return among, *ensembles.gains(tested[:, members], target)

    different, alike, misled = range(4), range(4, 8), range(8, 11)
    together, gain, over_best = compare(different)
    together_alike, gain_alike, over_best_alike = compare(alike)
    subsets = list(itertools.combinations(range(8), 4))
    compared = np.array([compare(subset) for subset in subsets])  # (70, 3)
    slope = np.corrcoef(compared[:, 0], compared[:, 1])[0, 1]

    plain, learned, trust = {}, {}, {}
    for name, members in {"four": [*different], "seven": [*different, *misled]}.items():
        drawn = ensembles.random_weights(rng, len(members), 2000)
        weights = ensembles.learn_weights(validated[:, members], known, drawn)
        plain[name] = scores.accuracy(tested[:, members].mean(axis=1, keepdims=True), target)
        learned[name] = scores.accuracy(tested[:, members] @ weights[:, None], target)
        trust[name] = weights[4:].sum()
    strangers = correlations[np.ix_(misled, different)].mean()

    unit, versus = "correlation", {"same_kind": together_alike}
    run.claim("Errors of four kinds go together", together, unit, at_most=0.2, **versus)
    sentence = "Errors of four seeds of one kind"
    run.claim(sentence, together_alike, unit, at_least=0.6, four_kinds=together)
    unit, versus = "test accuracy", {"over_the_best": over_best}
    run.claim("Four kinds: the average gains on the mean", gain, unit, at_least=0.05, **versus)
    sentence, versus = (
        "Four seeds: the average gains on the mean",
        {"over_the_best": over_best_alike},
    )
    run.claim(sentence, gain_alike, unit, at_most=0.012, **versus)
    sentence = "Any four of eight: gain and errors together"
    run.claim(sentence, slope, "correlation", at_most=-0.85)
    sentence = "Shuffled labels: errors go with the others' by"
    run.claim(sentence, strangers, "correlation", at_most=0.1, four_kinds=together)
    cost = {name: of["four"] - of["seven"] for name, of in (("plain", plain), ("learned", learned))}
    sentence, versus = "Three such members cost the plain average", {"with": plain["seven"]}
    run.claim(sentence, cost["plain"], unit, at_least=0, without=plain["four"], **versus)
    sentence, versus = "They cost the average of learned weights", {"with": learned["seven"]}
    run.claim(sentence, cost["learned"], unit, at_most=0.015, their_weight=trust["seven"], **versus)
    of_a_kind = np.array([sum(member == 0 or member > 3 for member in s) for s in subsets])
    names = ["dense", "conv.", "multipl.", "bag", *(f"dense {n}" for n in range(1, 5))]
    run.picture(figures.diversity(correlations[:8, :8], names, compared[:, :2], of_a_kind))


# %% 7.3.4 Wrapping up


@section.lesson("7.3.4", "Wrapping up: the section at a glance", summary=True)
def at_a_glance(run):
    """Every claim of the section in one picture; asking for this lesson runs them all."""
    run.picture(figures.scorecard(run.claims, "Section 7.3: every claim, measured"))


# %% Besides the lessons

section.option(
    "--trials",
    type=lab.count,
    default=TRIALS,
    metavar="N",
    help="how many trials a search with --study or --engine has in all, those of other workers "
    "and of earlier runs included (default 12)",
)


@section.command(
    "--study",
    type=search.database,
    metavar="URL",
    help="search as one of any number of workers on the study in this database, such as "
    "sqlite:///search.db; the same command again goes on with it",
)
@section.command(
    "--engine",
    choices=["optuna", "hyperopt"],
    help="search with this library; without --study alone and in memory",
)
def search_for_hyperparameters(run):
    """search for hyperparameters"""
    url, trials = run.options["study"], run.options["trials"]
    with_hyperopt = run.options["engine"] == "hyperopt"
    if url and with_hyperopt:
        raise startup.UsageError("--study is for Optuna: leave out --engine hyperopt.")
    name = f"7.3.2, seed {run.seed}"  # other data make another study, in the same database
    if url:
        search.open_study(url, name, run.seed, choose)  # its errors come before a log is begun
    objective = functools.partial(
        try_out,
        seed=run.seed,
        gestures=synthetic.gestures(run.seed),
        log_dir=run.log_dir("study" if url else run.options["engine"]),
    )
    told = run.shows(search.Progress(run.console))
    if with_hyperopt:
        found = search.hyperopt(choose, objective, trials, run.seed, told)
    elif url:
        given = (url, name, run.seed, choose, objective, trials, told, run.say)
        search.work_in_shifts(*given)
        found = search.best(search.open_study(url, name, run.seed, choose))
    else:
        study = search.open_study(None, name, run.seed, choose)
        search.work(study, choose, objective, trials, told)
        found = search.best(study)
    run.close()
    run.say(f"best: {found.value:.4f}, trial {found.number}: {search.readable(found.params)}")
    run.say(board.invitation(run.output / "my_log_dir"))


if __name__ == "__main__":
    section.main()
