"""Section 7.3 of "Deep Learning with Python": getting the most out of your models.

A lesson is a cell (`# %%`): the book's listing, its training in plain Keras, and an experiment that
puts what the book says of it to the test on synthetic data. Run one cell in PyCharm, VS Code,
Spyder or Jupyter, change something, and run it again; or run the script, with `7.3.1` or
`small_xception` for a part of it, with `--list` for what there is. `# Book:` marks where the code
differs from print, and why (A1 to B21: rows of docs/errata.md).
"""

from ch07 import lab  # first: it checks the installation

# isort: split
import functools
import itertools

import keras
import numpy as np
from keras import layers

from ch07 import candidates, compare, data, inspection, metrics, tuning
from ch07.plots import ensembling as plots

section = lab.Section("ch0703_ensembling", folders=["my_log_dir"], **tuning.OPTIONS)


# %% 7.3.1 Batch normalization: the builders of the next two lessons
def build_normalized(layer, shape):
    """The book's `Conv2D` or `Dense`, normalized after its activation; `shape`: of its input."""
    inputs = keras.Input(shape, name="inputs")
    x = layers.BatchNormalization(name="normalization")(layer(inputs))  # axis=-1: the channels
    return keras.Model(inputs, x, name="normalized")


def build_cloud_classifier(depth, normalized=True, momentum=0.99, features=16, classes=8):
    """In which of 8 clouds a point lies: `depth` times the book's Dense layer, normalized or not.

    features: (batch, 16). cloud: (batch, 8), probabilities. `momentum` (Keras's default): the
    share of its old value that a moving average keeps at each batch. block_n: what layer n gives.
    """
    point = keras.Input((features,), name="features")
    x = point
    for n in range(1, depth + 1):
        name = f"dense_{n}" if normalized else f"block_{n}"
        x = layers.Dense(32, activation="relu", name=name)(x)
        if normalized:
            x = layers.BatchNormalization(momentum=momentum, name=f"block_{n}")(x)
    cloud = layers.Dense(classes, activation="softmax", name="cloud")(x)
    return keras.Model(point, cloud, name="cloud_classifier")


# %% 7.3.1 Batch normalization
if section.lesson("7.3.1", "batch_normalization"):
    clouds = section.load(data.clusters)
    sizes = {"features": clouds.shape[0], "classes": clouds.classes}
    # Book: axis=..., which NumPy takes for the Ellipsis and refuses (A17).
    mean, deviation = clouds.train.mean(axis=0), clouds.train.std(axis=0)
    x_train, x_test = (clouds.train - mean) / deviation, (clouds.test - mean) / deviation
    y_train, y_test = clouds.train_targets, clouds.test_targets
    accuracy = {}
    for momentum in (0.99, 0.9):
        # Same weights, same batches: training normalizes with mean and variance of the batch,
        # inference with their moving averages, and only these averages depend on the momentum.
        keras.utils.set_random_seed(section.seed)
        model = build_cloud_classifier(4, momentum=momentum, **sizes)
        model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"])
        options = {"epochs": 12, "batch_size": 100, "validation_data": (x_test, y_test)}
        progress = section.progress(f"momentum {momentum}")
        history = model.fit(x_train, y_train, **options, verbose=0, callbacks=[progress]).history
        accuracy[momentum] = history["val_accuracy"]

    # The data are normalized. What a layer gives is not, until it is normalized again.
    dense = layers.Dense(32, activation="relu")
    dense_model = build_normalized(dense, clouds.shape)
    conv_model = build_normalized(layers.Conv2D(32, 3, activation="relu"), (64, 64, 3))
    activations, normalized = dense(x_train).numpy(), dense_model(x_train, training=True).numpy()
    costs = np.subtract(accuracy[0.9], accuracy[0.99])
    section.claim("After 1 epoch, momentum 0.99 costs", costs[0], "accuracy", at_least=0.0)
    section.claim("After 12 epochs, it costs", costs[-1], "accuracy", at_most=0.02)
    section.picture(plots.batch_normalization(activations, normalized, accuracy), clouds)
    section.remember()


# %% 7.3.1 Batch normalization: deeper networks and higher learning rates
if section.lesson("7.3.1", "normalized_depth"):
    clouds = section.load(data.clusters)
    sizes = {"features": clouds.shape[0], "classes": clouds.classes}
    x_train, y_train = clouds.train, clouds.train_targets
    model = build_cloud_classifier(16, **sizes)
    plain = build_cloud_classifier(16, normalized=False, **sizes)
    blocks = [f"block_{n}" for n in range(1, 17)]
    gradients = {
        name: inspection.gradient_over_layers(of, blocks, x_train, y_train)
        for name, of in {"normalized": model, "plain": plain}.items()
    }
    # Plain SGD: Adam divides each gradient by its size, and so hides how small it has become.
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy", metrics=["accuracy"])
    progress = section.progress("normalized, learning rate 0.5")
    model.fit(x_train, y_train, epochs=6, batch_size=50, verbose=0, callbacks=[progress])
    score = model.evaluate(clouds.test, clouds.test_targets, verbose=0, return_dict=True)
    accuracy = {"normalized, rate 0.5": score["accuracy"]}

    # Plain, at the same rate and at one that suits it better: `like` lends its settings alone.
    for rate in (0.5, 0.1):
        model.compile(keras.optimizers.SGD(rate), "categorical_crossentropy", metrics=["accuracy"])
        others = {f"plain, rate {rate}": build_cloud_classifier(16, normalized=False, **sizes)}
        progress = section.progress(f"plain, learning rate {rate}")
        accuracy |= compare.fit(others, clouds, like=model, callbacks=[progress])
    found = accuracy | {"chance": 1 / clouds.classes}
    normalized = found.pop("normalized, rate 0.5")
    section.claim(
        "16 normalized layers, rate 0.5", normalized, "accuracy", at_least=0.65, compared_with=found
    )
    section.picture(plots.normalized_depth(gradients, accuracy, 1 / clouds.classes), clouds)
    section.remember()


# %% 7.3.1 Depthwise separable convolution
def build_separable_convnet(convolution=layers.SeparableConv2D, size=64, classes=10):
    """The book's small classifier of images; with `layers.Conv2D`, the same, plain.

    image: (batch, 64, 64, 3). class: (batch, 10), probabilities. 38,949 parameters, plain 282,282.
    """
    # Book: input_shape= on the first layer (B20).
    image = keras.Input((size, size, 3), name="image")
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


if section.lesson("7.3.1", "separable_convolution"):
    images = np.random.default_rng(section.seed).standard_normal((16, 64, 64, 3)).astype("float32")
    model, plain = build_separable_convnet(), build_separable_convnet(layers.Conv2D)
    model.compile("rmsprop", "categorical_crossentropy")
    ratios = {
        "parameters": model.count_params() / plain.count_params(),
        "multiply-adds": inspection.multiply_adds(model) / inspection.multiply_adds(plain),
        "time": np.divide(*inspection.median_seconds([model, plain], images)),
    }
    # Keras's first depthwise weights are as small as for sums over all channels, not over one.
    sizes = [inspection.signal_sizes(of, "conv_", images)[-1] for of in (model, plain)]
    lost, other = -np.log10(sizes[0]), {"plain": -np.log10(sizes[1])}
    section.claim(
        "Untrained, it shrinks a signal by", lost, "powers of ten", at_least=3.2,
        compared_with=other,
    )  # fmt: skip
    section.picture(plots.separable_convolution(ratios))
    section.remember()


# %% 7.3.1 When is a separable convolution the better one?
# Filters that spend a budget of parameters, to within 2 %.
FILTERS = {"plain": {250: 3, 500: 6, 1000: 12}, "separable": {250: 10, 500: 25, 1000: 54}}
CONVOLUTIONS = {"plain": layers.Conv2D, "separable": layers.SeparableConv2D}


def build_pattern_classifier(images, convolution, filters):
    """One convolution, the strongest answer of each filter, and one of 8 classes.

    An input called `images`, "apart" or "tangled": (batch, 12, 12, 8). class_`images`: (batch, 8).
    """
    image = keras.Input((12, 12, 8), name=images)
    x = convolution(filters, 3, padding="same", activation="relu", name="conv")(image)
    x = layers.GlobalMaxPooling2D(name="strongest")(x)  # (batch, filters)
    kind = layers.Dense(8, activation="softmax", name=f"class_{images}")(x)
    return keras.Model(image, kind, name="pattern_classifier")


if section.lesson("7.3.1", "separable_or_not"):
    # Apart: each channel has one pattern, shown more or less. Tangled: another for each class.
    patterns = data.patterns(section.seed)
    x_train, y_train = patterns.train["apart"], patterns.train_targets["class_apart"]
    x_test, y_test = patterns.test["apart"], patterns.test_targets["class_apart"]
    model = build_pattern_classifier("apart", layers.SeparableConv2D, FILTERS["separable"][250])
    model.compile(keras.optimizers.Adam(0.015), "categorical_crossentropy", metrics=["accuracy"])
    progress = section.progress("channels apart, separable, 250 parameters")
    model.fit(x_train, y_train, epochs=10, batch_size=50, verbose=0, callbacks=[progress])
    score = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    accuracy = {"apart separable 250": score["accuracy"]}

    others = {
        f"{images} {kind} {budget}": build_pattern_classifier(images, CONVOLUTIONS[kind], filters)
        for images in ("apart", "tangled")
        for kind in FILTERS
        for budget, filters in FILTERS[kind].items()
        if (images, kind, budget) != ("apart", "separable", 250)
    }
    progress = section.progress("apart | tangled, separable | plain, 250 | 500 | 1,000 parameters")
    accuracy |= compare.fit(others, patterns, like=model, callbacks=[progress])
    apart = {kind: accuracy[f"apart {kind} 250"] for kind in FILTERS}
    tangled = {kind: accuracy[f"tangled {kind} 1000"] for kind in FILTERS}
    gain = apart["separable"] - apart["plain"]
    section.claim(
        "Channels apart: separable gains", gain, "accuracy", at_least=0.2, compared_with=apart
    )
    gain = tangled["plain"] - tangled["separable"]
    section.claim(
        "Channels tangled: plain gains", gain, "accuracy", at_least=0.05, compared_with=tangled
    )
    section.picture(plots.separable_or_not(accuracy, 1 / 8), patterns)
    section.remember()


# %% 7.3.1 All three patterns together
def build_small_xception(filters=36, blocks=4, residual=True, normalize=True, separable=True):
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
    for _ in range(blocks):
        y = x
        for _ in range(2):
            y = layers.ReLU()(y)
            y = normalized(convolution(filters, 3, **same)(y))
        x = layers.add([x, y]) if residual else y
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))  # (batch, filters)
    kind = layers.Dense(8, activation="softmax", name="class_tangled")(x)
    return keras.Model(image, kind, name="small_xception")


if section.lesson("7.3.1", "small_xception"):
    patterns = data.patterns(section.seed)
    x_train, y_train = patterns.train["tangled"], patterns.train_targets["class_tangled"]
    x_test, y_test = patterns.test["tangled"], patterns.test_targets["class_tangled"]
    model = build_small_xception()
    # Down to 0 within the 120 steps: at a constant rate the last of them decide by luck.
    rate = keras.optimizers.schedules.CosineDecay(0.03, 120)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    progress = section.progress("all three patterns")
    model.fit(x_train, y_train, epochs=4, batch_size=50, verbose=0, callbacks=[progress])
    score = model.evaluate(x_test, y_test, verbose=0, return_dict=True)

    models = {
        "no shortcuts": build_small_xception(residual=False),
        "no normalization": build_small_xception(normalize=False),
        # With so few filters it has as many parameters.
        "plain convolutions": build_small_xception(filters=15, separable=False),
    }
    progress = section.progress(" | ".join(models))
    found = compare.fit(models, patterns, like=model, callbacks=[progress])
    accuracy = {"all three": score["accuracy"]} | found
    parameters = {name: of.count_params() for name, of in ({"all three": model} | models).items()}
    whole, loss = score["accuracy"], {name: score["accuracy"] - of for name, of in found.items()}
    other = {"plain convolutions": found["plain convolutions"], "chance": 1 / 8}
    section.claim("All three patterns", whole, "accuracy", at_least=0.78, compared_with=other)
    section.claim("Without shortcuts, it loses", loss["no shortcuts"], "accuracy", at_least=0.2)
    section.claim("Not normalized, it loses", loss["no normalization"], "accuracy", at_least=0.3)
    section.diagram(model)
    section.picture(plots.small_xception(accuracy, parameters, 1 / 8), patterns)
    section.remember()


# %% 7.3.2 Hyperparameter optimization
def build_candidate(trial, shape=(24, 4), classes=4):
    """A network whose hyperparameters `trial` chooses. signal: (batch, 24, 4). pair: (batch, 4).

    The search decides which (step 1), the first five times at random and then by the trials so far
    (step 4), while the model is built with them (step 2).
    """
    separable = trial.suggest_categorical("separable", [False, True])
    convolution = layers.SeparableConv1D if separable else layers.Conv1D
    width = trial.suggest_categorical("width", [8, 16, 32])
    normalize = trial.suggest_categorical("normalize", [False, True])
    signal = keras.Input(shape, name="signal")
    x = signal
    for _ in range(trial.suggest_int("depth", 1, 3)):
        x = convolution(width, 5, padding="same", activation="relu")(x)  # (batch, 24, width)
        x = layers.BatchNormalization(momentum=0.9)(x) if normalize else x
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(trial.suggest_float("dropout", 0.0, 0.5))(x)
    pair = layers.Dense(classes, activation="softmax", name="pair")(x)
    model = keras.Model(signal, pair, name="candidate")
    optimizer = trial.suggest_categorical("optimizer", ["SGD", "RMSprop", "Adam"])
    rate = trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)
    optimizer = getattr(keras.optimizers, optimizer)(rate)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def try_out(trial, gestures, seed, models):
    """What a search maximizes: the validation accuracy of a `trial` after its last epoch."""
    keras.utils.set_random_seed(seed)
    model = models[trial.number] = build_candidate(trial, gestures.shape, gestures.classes)
    # Step 3: fit it on the training data, and measure it on the validation data.
    options = {"epochs": 8, "batch_size": 50, "verbose": 0, "callbacks": [tuning.Pruning(trial)]}
    held = (gestures.validation, gestures.validation_targets)
    model.fit(gestures.train, gestures.train_targets, validation_data=held, **options)
    return model.history.history["val_accuracy"][-1]


if section.lesson("7.3.2", "hyperparameter_search"):
    gestures, models, trials = section.load(data.gestures), {}, 8
    progress = tuning.Progress(trials, section.console)
    callbacks = [progress, tuning.TrialLogs(section.log_dir("search"))]
    objective = functools.partial(try_out, gestures=gestures, seed=section.seed, models=models)
    study = tuning.new_study(section.seed)
    with tuning.quiet():
        study.optimize(objective, n_trials=trials, callbacks=callbacks)  # Step 5: repeat.
    best = study.best_trial  # Step 6: pick the best on the validation data.
    model = models[best.number]  # Step 7: measure it on the test data, once.
    score = model.evaluate(gestures.test, gestures.test_targets, verbose=0, return_dict=True)

    found, others = score["accuracy"], {"chance": 1 / gestures.classes}
    others["best possible"] = gestures.best_possible
    section.claim(
        "The best of 8 trials, tested", found, "accuracy", at_least=0.53, compared_with=others
    )
    spread, others = best.value - min(of.value for of in study.trials), {"best": best.value}
    section.claim(
        "From the worst to the best", spread, "accuracy", at_least=0.25, compared_with=others
    )
    section.picture(plots.hyperparameter_search(study.trials, tuning.importances(study)), gestures)
    section.remember()


# %% 7.3.2 Beside random search
if section.lesson("7.3.2", "beside_random_search"):
    # Learning rates, widths, output scales: each point trained once, a table to search often.
    grid = [10 ** np.linspace(-3, 0.5, 15), [2, 4, 8, 16, 32], 10 ** np.linspace(-1.5, 0.5, 5)]
    rates, widths, scales = np.transpose([*itertools.product(*grid)])
    gestures = section.load(data.gestures)
    x_train, x_val = (x.reshape(len(x), -1) for x in (gestures.train, gestures.validation))
    train, validation = (x_train, gestures.train_targets), (x_val, gestures.validation_targets)
    options = {"scales": scales, "epochs": 20, "batch_size": 50}
    progress = section.progress(f"{len(rates)} small networks")
    right = candidates.fit(rates, widths, train, validation, **options, callbacks=[progress])
    table = right.mean(axis=0).reshape([len(values) for values in grid])

    learning, blind = tuning.search_table(table, trials=32, searches=40, seed=section.seed)
    means = {"TPE": learning.mean(axis=0), "random search": blind.mean(axis=0)}
    random = means["random search"][-1]
    lead, ends = means["TPE"][-1] - random, {"random": random, "best of the grid": table.max()}
    section.claim(
        "After 32 trials, TPE leads by", lead, "accuracy", at_least=0.008, compared_with=ends
    )
    level = 1 + np.argmax(means["TPE"] >= random)
    section.claim("TPE is as good as 32 random trials after", level, "trials", at_most=22)
    section.picture(plots.beside_random_search(means, (learning - blind)[:, -1], table.max()))
    section.remember()


# %% 7.3.2 Overfitting the validation set
if section.lesson("7.3.2", "overfit_the_validation_set"):
    points, rng = section.load(data.hidden_parity), np.random.default_rng(section.seed)
    rates, widths = 10 ** rng.uniform(-2, 0, 40), rng.integers(2, 33, 40)
    train, test = (points.train, points.train_targets), (points.test, points.test_targets)
    options = {"epochs": 60, "batch_size": 20}
    progress = section.progress("40 small networks")
    right = candidates.fit(rates, widths, train, test, **options, callbacks=[progress])

    # Many searches, each with an order and with validation samples of its own; beside them searches
    # among models that toss a coin. By how much is the best so far overrated?
    coins, trained = {}, {}
    for size in (1000, 200, 50):
        tossed = rng.binomial(size, 0.5, (10_000, 40)) / size
        coins[size] = np.maximum.accumulate(tossed, axis=1).mean(axis=0) - 0.5
        validated, tested = inspection.best_so_far(right, size, 1000, rng)  # (40,) each
        trained[size] = validated - tested
    both = {"validated": validated[-1], "tested": tested[-1], "coins overrated by": coins[50][-1]}
    few, many = trained[50][-1], trained[1000][-1]
    section.claim(
        "Best of 40, 50 samples: overrated by", few, "accuracy", at_least=0.05, compared_with=both
    )
    section.claim("Best of 40, 1,000 samples: overrated by", many, "accuracy", at_most=0.05)
    section.picture(plots.overfit_the_validation_set(coins, trained), points)
    section.remember()


# %% 7.3.3 Model ensembling: four kinds of models, for the next two lessons
def build_member(kind, words=None):
    """A classifier of sequences, (batch, 24, 4), of one of four kinds that see different things.

    With a number of `words`, of texts, (batch, 144) int32, for which TEXT_KINDS are meant.
    """
    sequence = keras.Input((144,) if words else (24, 4), name="sequence")
    x = sequence
    if words:  # a text: 24 words, and then 120 letters
        x = x[:, 24:] if kind == "letters" else x[:, :24]
        x = layers.Embedding(words, 16)(x)  # (batch, 24, 16)
    if kind == "dense":  # all values at once: what is at fixed places
        x = layers.Dropout(0.5)(layers.Flatten()(x))
        x = layers.Dense(16, activation="relu")(x)
    elif kind in ("convolutional", "letters"):  # a filter's largest answer: what is at any place
        x = layers.Conv1D(16, 4, activation="relu")(x)  # (batch, 21, 16)
        x = layers.GlobalMaxPooling1D()(x)
    elif kind == "multiplicative":  # products of steps half a sequence apart: what comes back
        earlier, later = layers.Cropping1D((0, 12))(x), layers.Cropping1D((12, 0))(x)
        x = layers.Flatten()(layers.Multiply()([earlier, later]))  # (batch, 48)
        x = layers.Dense(16, activation="relu")(x)
    elif kind == "recurrent":  # word after word
        x = layers.LSTM(16)(x)
    elif kind == "bag":  # the mean of what each step says alone: values, and no order
        x = layers.Dense(16, activation="relu")(x)  # (batch, 24, 16)
        x = layers.GlobalAveragePooling1D()(x)
    label = layers.Dense(1, activation="sigmoid", name="label")(x)
    return keras.Model(sequence, label, name=kind)


KINDS = ("dense", "convolutional", "multiplicative", "bag")
TEXT_KINDS = ("bag", "convolutional", "recurrent", "letters")

# %% 7.3.3 Model ensembling
if section.lesson("7.3.3", "ensembling"):
    cues = section.load(data.cue_sequences)
    x_val, y_val = cues.validation, cues.validation_targets
    words, kinds = cues.vocabulary_size, TEXT_KINDS if cues.vocabulary_size else KINDS
    models = [build_member(kind, words) for kind in kinds]
    for model in models:
        model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
        options = {"epochs": 15, "batch_size": 50, "verbose": 0}
        progress = section.progress(model.name)
        model.fit(cues.train, cues.train_targets, **options, callbacks=[progress])
    # The best comes first from here on. Which one that is, the validation data say.
    models.sort(key=lambda model: -metrics.accuracy(model.predict(x_val, verbose=0), y_val))

    # Book: x_val, on which weights are learned; x_test tells what an average is worth.
    x_test, y_test = cues.test, cues.test_targets
    preds_a, preds_b, preds_c, preds_d = [model.predict(x_test, verbose=0) for model in models]
    final_preds = 0.25 * (preds_a + preds_b + preds_c + preds_d)
    weighted_preds = 0.5 * preds_a + 0.25 * preds_b + 0.1 * preds_c + 0.15 * preds_d
    preds_val = np.hstack([model.predict(x_val, verbose=0) for model in models])
    weights = inspection.learned_weights(preds_val, y_val, section.seed)
    learned_preds = np.hstack([preds_a, preds_b, preds_c, preds_d]) @ weights[:, None]

    names, preds = [model.name for model in models], (preds_a, preds_b, preds_c, preds_d)
    accuracy = {name: metrics.accuracy(of, y_test) for name, of in zip(names, preds, strict=True)}
    equal, printed = (metrics.accuracy(of, y_test) for of in (final_preds, weighted_preds))
    learned = metrics.accuracy(learned_preds, y_test)
    top = {"best model": max(accuracy.values())}
    section.claim("Average, equal weights", equal, "accuracy", at_least=0.905, compared_with=top)
    section.claim("Average, as printed", printed, "accuracy", at_least=0.905, compared_with=top)
    section.claim("Average, learned weights", learned, "accuracy", at_least=0.91, compared_with=top)
    ensembles = {"equal weights": equal, "as printed": printed, "learned weights": learned}
    section.picture(plots.ensembling(accuracy, ensembles, cues.best_possible["all"]), cues)
    section.remember()


# %% 7.3.3 Diversity is the key
if section.lesson("7.3.3", "diversity"):
    cues = section.load(data.cue_sequences)
    words, (first, *others) = cues.vocabulary_size, TEXT_KINDS if cues.vocabulary_size else KINDS
    model = build_member(first, words)
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    options = {"epochs": 15, "batch_size": 50}
    progress = section.progress(model.name)
    model.fit(cues.train, cues.train_targets, **options, verbose=0, callbacks=[progress])
    models = {kind: build_member(kind, words) for kind in others}
    models |= {f"{first} {n}": build_member(first, words) for n in (2, 3, 4)}
    progress = section.progress("the other kinds | three more of the first")
    compare.fit(models, cues, like=model, **options, callbacks=[progress])

    models = {first: model} | models
    preds, targets = np.hstack([of(cues.test).numpy() for of in models.values()]), cues.test_targets
    # Of any four: how their errors correlate; accuracy of their average less their mean accuracy.
    combinations = itertools.combinations(range(7), 4)
    fours = {of: inspection.diversity(preds, targets, of) for of in combinations}
    (kinds, gain), (alike, little) = fours[0, 1, 2, 3], fours[0, 4, 5, 6]
    one = {"correlation of errors": kinds}
    other = {"correlation of errors": alike, "four kinds": gain}
    section.claim("Averaging four kinds gains", gain, "accuracy", at_least=0.03, compared_with=one)
    section.claim(
        "Averaging four of one kind gains", little, "accuracy", at_most=0.03, compared_with=other
    )
    errors = inspection.error_correlations(preds, targets)
    section.picture(plots.diversity(errors, [*models], fours), cues)
    section.remember()


# %% A search of your own: --study URL, --engine optuna, --engine hyperopt
if section.options["study"] or section.options["engine"]:
    given = {"gestures": data.gestures(section.seed), "seed": section.seed, "models": {}}
    tuning.command(section, build_candidate, functools.partial(try_out, **given))

section.finish()
