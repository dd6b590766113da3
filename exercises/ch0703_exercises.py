"""Exercises for section 7.3, "predict, then run": each is a cell that answers its question.

`python -m exercises.ch0703_exercises --list` asks the questions and does not tell the answers;
with the name of an exercise it runs that one.
"""

from ch07 import lab  # first: it checks the installation

# isort: split
import dataclasses
import functools
import itertools

import keras
import numpy as np
import optuna
from keras import layers

import ch0703_ensembling as chapter
from ch07 import candidates, compare, data, inspection, metrics, tuning

section = lab.Section("ch0703_exercises")


# %% 7.3.1 Batch normalization

if section.lesson("7.3.1", "batches_of_one"):
    clouds = data.clusters(section.seed)
    x_train, y_train = clouds.train, clouds.train_targets
    model = chapter.build_cloud_classifier(1)
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    progress = section.progress("batches of one point")
    model.fit(x_train, y_train, epochs=1, batch_size=1, verbose=0, callbacks=[progress])
    preds = np.vstack([model(x_train[[n]], training=True) for n in range(0, len(x_train), 10)])
    accuracy, other = metrics.accuracy(preds, y_train[::10]), {"chance": 1 / 8}
    section.claim(
        "Trained on batches of one", accuracy, "accuracy", at_most=0.3, compared_with=other
    )
    section.remember()


# %%
if section.lesson("7.3.1", "normalization_first"):
    clouds = data.clusters(section.seed)
    units = np.logspace(-3, 3, 16)  # each feature has a unit of its own
    x_train, x_test = (np.float32(units * points) for points in (clouds.train, clouds.test))
    task = dataclasses.replace(clouds, train=x_train, test=x_test)
    point = keras.Input((16,), name="features")
    x = layers.BatchNormalization(momentum=0.9)(point)
    x = layers.Dense(32, activation="relu")(x)
    model = keras.Model(point, layers.Dense(8, activation="softmax", name="cloud")(x))
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"])
    options, progress = {"epochs": 6, "batch_size": 50}, section.progress("normalization first")
    targets = clouds.train_targets
    model.fit(x_train, targets, **options, verbose=0, callbacks=[progress])
    first = model.evaluate(x_test, clouds.test_targets, verbose=0, return_dict=True)["accuracy"]
    others = {"raw": chapter.build_cloud_classifier(1, normalized=False)}
    progress = section.progress("raw data")
    other = compare.fit(others, task, like=model, **options, callbacks=[progress])
    section.claim("Normalization first", first, "accuracy", at_least=0.7, compared_with=other)
    section.remember()


# %% 7.3.1 Batch normalization: deeper networks and higher learning rates

if section.lesson("7.3.1", "larger_kernels"):
    clouds = data.clusters(section.seed)
    as_drawn, larger = (chapter.build_cloud_classifier(16, normalized=False) for _ in range(2))
    for layer in larger.layers[1:-1]:
        layer.kernel.assign(layer.kernel * 2**0.5)
    blocks = [f"block_{n}" for n in range(1, 17)]
    shares = [
        inspection.gradient_over_layers(model, blocks, clouds.train, clouds.train_targets)[0]
        ** (1 / 15)
        for model in (as_drawn, larger)
    ]
    other, by_hand = {"by hand": 0.5**0.5}, {"by hand": 1.0}
    section.claim(
        "Through a layer as drawn", shares[0], "of the gradient", at_most=0.83, compared_with=other
    )
    section.claim(
        "Through a larger one", shares[1], "of the gradient", at_least=0.87, compared_with=by_hand
    )
    section.remember()


# %%
if section.lesson("7.3.1", "adam_on_plain_layers"):
    clouds = data.clusters(section.seed)
    model = chapter.build_cloud_classifier(16, normalized=False)
    model.compile(keras.optimizers.Adam(0.002), "categorical_crossentropy", metrics=["accuracy"])
    x_train, y_train = clouds.train, clouds.train_targets
    progress = section.progress("16 plain layers with Adam")
    model.fit(x_train, y_train, epochs=6, batch_size=50, verbose=0, callbacks=[progress])
    score = model.evaluate(clouds.test, clouds.test_targets, verbose=0, return_dict=True)
    other = {"chance": 1 / 8, "best possible": clouds.best_possible}
    section.claim(
        "16 plain layers with Adam",
        score["accuracy"],
        "accuracy",
        at_least=0.4,
        compared_with=other,
    )
    section.remember()


# %% 7.3.1 Depthwise separable convolution

if section.lesson("7.3.1", "kernels_for_one_channel"):
    images = np.random.default_rng(section.seed).standard_normal((16, 64, 64, 3)).astype("float32")
    # Nine products, each of variance 1 / 9: what comes out is as large as what went in.
    draw = keras.initializers.RandomNormal(stddev=1 / 3)
    convolution = functools.partial(layers.SeparableConv2D, depthwise_initializer=draw)
    models = chapter.build_separable_convnet(convolution), chapter.build_separable_convnet()
    sizes = [inspection.signal_sizes(model, "conv_", images)[-1] for model in models]
    lost, other = -np.log10(sizes[0]), {"as printed": -np.log10(sizes[1])}
    section.claim(
        "Drawn for one channel, it shrinks by",
        lost,
        "powers of ten",
        at_most=3,
        compared_with=other,
    )
    section.remember()


# %% 7.3.1 When is a separable convolution the better one?

if section.lesson("7.3.1", "as_many_filters"):
    patterns = data.patterns(section.seed)
    x_train, y_train = patterns.train["apart"], patterns.train_targets["class_apart"]
    model = chapter.build_pattern_classifier("apart", layers.SeparableConv2D, 12)
    model.compile(keras.optimizers.Adam(0.015), "categorical_crossentropy", metrics=["accuracy"])
    options, progress = {"epochs": 10, "batch_size": 50}, section.progress("apart, separable")
    model.fit(x_train, y_train, **options, verbose=0, callbacks=[progress])
    x_test, y_test = patterns.test["apart"], patterns.test_targets["class_apart"]
    score = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    others = {
        "apart": chapter.build_pattern_classifier("apart", layers.Conv2D, 12),
        "tangled": chapter.build_pattern_classifier("tangled", layers.Conv2D, 12),
        "separable": chapter.build_pattern_classifier("tangled", layers.SeparableConv2D, 12),
    }
    progress = section.progress("apart | tangled, plain | tangled, separable")
    found = compare.fit(others, patterns, like=model, **options, callbacks=[progress])
    loss, other = found["tangled"] - found["separable"], {"plain": found["tangled"]}
    section.claim("Tangled: separable loses", loss, "accuracy", at_least=0.15, compared_with=other)
    loss, other = found["apart"] - score["accuracy"], {"plain": found["apart"]}
    section.claim("Apart: it loses", loss, "accuracy", at_most=0.15, compared_with=other)
    section.remember()


# %%
if section.lesson("7.3.1", "four_patterns_a_channel"):
    patterns = data.patterns(section.seed)
    x_train, y_train = patterns.train["tangled"], patterns.train_targets["class_tangled"]
    x_test, y_test = patterns.test["tangled"], patterns.test_targets["class_tangled"]
    four = functools.partial(layers.SeparableConv2D, depth_multiplier=4)
    model = chapter.build_pattern_classifier("tangled", four, 17)
    model.compile(keras.optimizers.Adam(0.015), "categorical_crossentropy", metrics=["accuracy"])
    options, progress = (
        {"epochs": 10, "batch_size": 50},
        section.progress("four patterns a channel"),
    )
    model.fit(x_train, y_train, **options, verbose=0, callbacks=[progress])
    score = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    others = {
        "one pattern": chapter.build_pattern_classifier("tangled", layers.SeparableConv2D, 54),
        "plain": chapter.build_pattern_classifier("tangled", layers.Conv2D, 12),
    }
    progress = section.progress("one pattern a channel | plain")
    found = compare.fit(others, patterns, like=model, **options, callbacks=[progress])
    gain = score["accuracy"] - found["one pattern"]
    section.claim("Four patterns gain", gain, "accuracy", at_least=0.05, compared_with=found)
    section.remember()


# %% The next two: variants of the small Xception, trained as it was


def fit_xceptions(rate, **models):
    """Train small Xceptions, the first of `models` in the open; their accuracies, by name."""
    patterns = data.patterns(section.seed)
    (name, model), *others = models.items()
    schedule = keras.optimizers.schedules.CosineDecay(rate, 120)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    x_train, y_train = patterns.train["tangled"], patterns.train_targets["class_tangled"]
    options, progress = {"epochs": 4, "batch_size": 50}, section.progress(name.replace("_", " "))
    model.fit(x_train, y_train, **options, verbose=0, callbacks=[progress])
    x_test, y_test = patterns.test["tangled"], patterns.test_targets["class_tangled"]
    accuracy = {name: model.evaluate(x_test, y_test, verbose=0)[1]}
    for name, other in others:
        progress = section.progress(name.replace("_", " "))
        found = compare.fit({name: other}, patterns, like=model, **options, callbacks=[progress])
        accuracy |= found
    return accuracy


# %% 7.3.1 All three patterns together
if section.lesson("7.3.1", "one_block"):
    without = chapter.build_small_xception(blocks=1, residual=False)
    whole = chapter.build_small_xception(blocks=1)
    accuracy = fit_xceptions(0.03, shortcut=whole, no_shortcut=without)
    loss, other = accuracy["shortcut"] - accuracy["no_shortcut"], {"with it": accuracy["shortcut"]}
    section.claim(
        "One block without its shortcut loses", loss, "accuracy", at_most=0.2, compared_with=other
    )
    section.remember()


# %%
if section.lesson("7.3.1", "a_tenth_of_the_rate"):
    model = chapter.build_small_xception(normalize=False)
    accuracy = fit_xceptions(0.003, a_tenth=model)["a_tenth"]
    other = {"chance": 1 / 8}
    section.claim(
        "Not normalized, a tenth of the rate",
        accuracy,
        "accuracy",
        at_most=0.3,
        compared_with=other,
    )
    section.remember()


# %% 7.3.2 Hyperparameter optimization

if section.lesson("7.3.2", "all_but_the_depth"):
    gestures, accuracy = data.gestures(section.seed), {}
    fixed = {"separable": False, "width": 32, "normalize": True, "dropout": 0.0}
    fixed |= {"optimizer": "Adam", "learning_rate": 0.01}
    for depth in (1, 2):
        model = chapter.build_candidate(optuna.trial.FixedTrial(fixed | {"depth": depth}))
        options = {"epochs": 8, "batch_size": 50, "verbose": 0}
        progress = section.progress(f"depth {depth}")
        model.fit(gestures.train, gestures.train_targets, **options, callbacks=[progress])
        accuracy[depth] = model.evaluate(gestures.test, gestures.test_targets, verbose=0)[1]
    other = {"without the order": 0.75}
    section.claim(
        "One convolution reaches", accuracy[1], "accuracy", at_most=0.75, compared_with=other
    )
    gain, other = accuracy[2] - accuracy[1], {"both": accuracy[2]}
    section.claim("The second one adds", gain, "accuracy", at_least=0.045, compared_with=other)
    section.remember()


# %%
if section.lesson("7.3.2", "without_log"):
    drawn = {True: [], False: []}
    with tuning.quiet():
        sampler = optuna.samplers.RandomSampler(seed=section.seed)
        study = optuna.create_study(sampler=sampler)
        for trial in (study.ask() for _ in range(1000)):
            for log, rates in drawn.items():
                rates.append(trial.suggest_float(f"log {log}", 1e-4, 1.0, log=log))
    below = {log: np.mean(np.array(rates) < 0.1) for log, rates in drawn.items()}
    section.claim("Below 0.1 with log=True", below[True], "of trials", at_least=0.5)
    section.claim("Below 0.1 without it", below[False], "of trials", at_most=0.3)
    section.remember()


# %% 7.3.2 Beside random search

if section.lesson("7.3.2", "shuffle_the_table"):
    grid = [10 ** np.linspace(-3, 0.5, 15), [2, 4, 8, 16, 32], 10 ** np.linspace(-1.5, 0.5, 5)]
    rates, widths, scales = np.transpose([*itertools.product(*grid)])
    gestures = data.gestures(section.seed)
    x_train, x_val = (x.reshape(len(x), 96) for x in (gestures.train, gestures.validation))
    train, validation = (x_train, gestures.train_targets), (x_val, gestures.validation_targets)
    options = {"scales": scales, "epochs": 10, "batch_size": 50}
    progress = section.progress(f"{len(rates)} small networks")
    right = candidates.fit(rates, widths, train, validation, **options, callbacks=[progress])
    table = right.mean(axis=0).reshape([len(values) for values in grid])
    rng, leads = np.random.default_rng(section.seed), []
    for _ in range(4):
        shuffled = rng.permutation(table.ravel()).reshape(table.shape)
        tpe, blind = tuning.search_table(shuffled, trials=32, searches=10, seed=section.seed)
        leads.append(np.mean(tpe[:, -1] - blind[:, -1]))
    tpe, blind = tuning.search_table(table, trials=32, searches=20, seed=section.seed)
    other = {"as trained": np.mean(tpe[:, -1] - blind[:, -1])}
    section.claim(
        "Shuffled, TPE leads by", np.mean(leads), "accuracy", at_most=0.02, compared_with=other
    )
    section.remember()


# %% 7.3.2 Overfitting the validation set

if section.lesson("7.3.2", "validate_again"):
    points, rng = data.hidden_parity(section.seed), np.random.default_rng(section.seed)
    rates, widths = 10 ** rng.uniform(-2, 0, 40), rng.integers(2, 33, 40)
    train, test = (points.train, points.train_targets), (points.test, points.test_targets)
    options, progress = {"epochs": 40, "batch_size": 20}, section.progress("40 small networks")
    right = candidates.fit(rates, widths, train, test, **options, callbacks=[progress])
    worth, off = right.mean(axis=0), []
    for _ in range(2000):
        drawn = right[rng.choice(len(right), 100, replace=False)]
        choosing, fresh = drawn[:50].mean(axis=0), drawn[50:].mean(axis=0)
        best = choosing.argmax()
        off.append([choosing[best] - worth[best], fresh[best] - worth[best]])
    first, second = np.mean(off, axis=0)
    other = {"on those that chose": first}
    section.claim(
        "On 50 others, overrated by", second, "accuracy", at_most=0.03, compared_with=other
    )
    section.remember()


# %% 7.3.3 Model ensembling

if section.lesson("7.3.3", "leave_one_out"):
    cues = data.cue_sequences(section.seed)
    models = {kind: chapter.build_member(kind) for kind in chapter.KINDS}
    model = models.pop("dense")
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    options, progress = {"epochs": 15, "batch_size": 50}, section.progress("dense")
    model.fit(cues.train, cues.train_targets, **options, verbose=0, callbacks=[progress])
    progress = section.progress("the three others")
    compare.fit(models, cues, like=model, **options, callbacks=[progress])
    preds = [of(cues.test).numpy() for of in (model, *models.values())]
    preds.sort(key=lambda of: metrics.accuracy(of, cues.test_targets))  # the worst comes first
    averages = {"four": preds, "worst": preds[1:], "best": preds[:-1]}
    accuracy = {
        name: metrics.accuracy(np.mean(of, axis=0), cues.test_targets)
        for name, of in averages.items()
    }
    loss, other = accuracy["four"] - accuracy["best"], {"all four": accuracy["four"]}
    section.claim("Without the best it loses", loss, "accuracy", at_least=0.01, compared_with=other)
    loss = accuracy["four"] - accuracy["worst"]
    section.claim("Without the worst it loses", loss, "accuracy", at_most=0.02, compared_with=other)
    section.remember()


# %% 7.3.3 Diversity is the key

if section.lesson("7.3.3", "eight_of_a_kind"):
    cues = data.cue_sequences(section.seed)
    model = chapter.build_member("dense")
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    options, progress = {"epochs": 10, "batch_size": 50}, section.progress("the first of eight")
    model.fit(cues.train, cues.train_targets, **options, verbose=0, callbacks=[progress])
    models = {f"dense {n}": chapter.build_member("dense") for n in range(2, 9)}
    progress = section.progress("seven more of its kind")
    compare.fit(models, cues, like=model, **options, callbacks=[progress])
    preds = np.hstack([of(cues.test).numpy() for of in (model, *models.values())])
    errors, gain = inspection.diversity(preds, cues.test_targets, range(8))
    other = {"correlation of errors": errors}
    section.claim("Averaging eight gains", gain, "accuracy", at_most=0.012, compared_with=other)
    section.remember()


section.finish()
